"""What people look at: the desk's list of today, a phone's polls, and these while others log in."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

from mediqon.bench.callers import Callers, Probe, Tally, asked, quantile
from mediqon.bench.clinic import PASSWORD, reception_token
from mediqon.bench.floors import floor
from mediqon.bench.report import Sample
from mediqon.bench.scale import Scale
from mediqon.bench.site import Site
from mediqon.bench.wire import Address, Answer, header, request

Step = Callable[[str], None]

WARM_S = 0.3
LOGGING_IN = 4


def today(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """Every desk's list, in turn."""
    token, clients = reception_token(site.settings, site.clinic), scale.clients[0]
    doctors = site.clinic.doctors[: scale.doctors]
    lists = [request("GET", f"/appointments/doctor/{doctor_id}/today", token=token) for doctor_id in doctors]
    body_bytes = _body_bytes(site.address, lists)
    with floor(site, "answers") as bare:
        for run in range(1, scale.runs + 1):
            step(f"today's lists, run {run} of {scale.runs}")
            tally = asked(site.address, clients, cycle(lists), scale.seconds).only(200)
            same = cycle([request("GET", f"/{body_bytes}", token=token)])
            floor_tally = asked(bare, clients, same, scale.floor_seconds).only(200)
            name = f"today's list of {body_bytes} bytes, {clients} clients"
            yield Sample(
                kind="today",
                name=name,
                unit="reads/s",
                value=tally.rate,
                floors={"bare ASGI": floor_tally.rate},
                counts=tally.counts,
            )


def polls(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """Each connection is a phone that asks for one place again and again, and knows what it has seen."""
    clients = scale.clients[0]
    codes = {visit.doctor_id: visit.code for visit in site.clinic.waiting}
    doctors = [site.clinic.doctors[number % scale.doctors] for number in range(clients)]
    watched = {
        "queue": [f"/queues/{doctor_id}" for doctor_id in doctors],
        "token": [f"/tokens/{codes[doctor_id]}" for doctor_id in doctors],
    }
    with floor(site, "answers") as bare:
        for run in range(1, scale.runs + 1):
            for what, paths in watched.items():
                step(f"polls of a {what}, run {run} of {scale.runs}")
                tally = Phones(site.address, paths).poll(scale.seconds)
                floor_tally = Phones(bare, ["/0"] * clients).poll(scale.floor_seconds)
                yield Sample(
                    kind="polls",
                    name=f"polls of a {what} with 304, {clients} clients",
                    unit="polls/s",
                    value=tally.rate,
                    floors={"bare ASGI": floor_tally.rate},
                    counts=tally.counts,
                )


def log_ins(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """One phone polls while people log in beside it, each with an account of their own."""
    path = f"/queues/{site.clinic.doctors[0]}"
    people = cycle(
        request("POST", "/auth/login", body={"email": f"patient{number}@bench.example", "password": PASSWORD})
        for number in range(1, len(site.clinic.patients) + 1)
    )
    for run in range(1, scale.runs + 1):
        step(f"polls beside log-ins, run {run} of {scale.runs}")
        phones = Phones(site.address, [path])
        phones.poll(WARM_S)
        probe = Probe(site.address, phones.requests)
        alone = probe.alone(scale.floor_seconds)
        callers = Callers(site.address, LOGGING_IN)
        tally = callers.run(lambda _: next(people), scale.seconds, probe=probe).only(200, 429)
        callers.close()
        probe.close()
        if not tally.statuses[200]:
            raise RuntimeError("every log-in was throttled: nothing was measured beside the polls")
        yield Sample(
            kind="logins",
            name=f"poll p99 while {LOGGING_IN} log in",
            unit="ms",
            value=quantile(probe.took, 0.99),
            floors={"alone": quantile(alone, 0.99)},
            counts={"polls": len(probe.took)},
        )
        rate = tally.statuses[200] / tally.seconds
        yield Sample(kind="logins", name="log-ins meanwhile", unit="log-ins/s", value=rate, counts=tally.counts)


class Phones:
    """One connection for each path, which polls it with the ETag of what it was answered last."""

    def __init__(self, address: Address, paths: Sequence[str]) -> None:
        self.requests = [request("GET", path) for path in paths]
        self._address, self._paths = address, paths

    def poll(self, seconds: float) -> Tally:
        """The first answer to each is a 200 and not counted; then 304, and 200 where something has changed."""
        callers = Callers(self._address, len(self._paths))
        try:
            callers.run(lambda number: self.requests[number], 0, self._heed)
            return callers.run(lambda number: self.requests[number], seconds, self._heed).only(200, 304)
        finally:
            callers.close()

    def _heed(self, number: int, heard: Answer) -> None:
        if heard.status == 200:
            etag = header(heard.head, b"etag").decode()
            self.requests[number] = request("GET", self._paths[number], etag=etag)


def _body_bytes(address: Address, requests: Sequence[bytes]) -> int:
    """The usual size of an answer; asking for all of them also brings all of them into the server's memory."""
    sizes: Counter[int] = Counter()
    left = iter(requests)
    callers = Callers(address, 1)
    try:
        callers.run(lambda _: next(left, None), 60, lambda _, heard: sizes.update([len(heard.body)]))
    finally:
        callers.close()
    return sizes.most_common(1)[0][0]
