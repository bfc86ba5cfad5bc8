"""One change, every screen: deliveries a second, what they cost, and how long the last screen waits."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from mediqon.bench.callers import Line, Probe, quantile
from mediqon.bench.clinic import VISITS_A_DAY, patient_token, reception_token
from mediqon.bench.floors import floor
from mediqon.bench.processes import cpu_seconds, memory_kb
from mediqon.bench.publishers import Bulletin, Desk, FloorTrigger
from mediqon.bench.report import Sample
from mediqon.bench.scale import Fan, Scale
from mediqon.bench.screens import Fanned, Screens
from mediqon.bench.site import Site
from mediqon.bench.wire import header, request
from mediqon.database import open_pool
from mediqon.queues import days
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.shown import Stir
from mediqon.queues.views import Outlook

Step = Callable[[str], None]

WARM_SCREENS = 20
ALONE_S = 0.5
QUIET_S, QUIET_CPU, QUIET_LIMIT_S = 0.25, 0.04, 10.0
BOOKING_PAUSE_S = 0.01


def fan_outs(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """Every shape: through the desk, and from Redis on."""
    for fan in scale.fans:
        for run in range(1, scale.runs + 1):
            step(f"fan-out {fan}, run {run} of {scale.runs}")
            yield from _fan_out(site, scale, fan)


def _fan_out(site: Site, scale: Scale, fan: Fan) -> Iterator[Sample]:
    """A worker of its own for each: memory that an earlier run has left behind would be used again, and not be seen."""
    site.fresh_worker()
    doctors = site.clinic.doctors[: fan.days]
    paths = [f"/live/queues/{doctor_id}" for doctor_id in doctors]
    with closing(Screens(site.address, paths)) as screens:
        memory = _idle_memory(site, screens, fan)
        desk_result, desk_cpu = _with_cpu(site, lambda: _through_desk(site, screens, doctors, fan, scale.seconds))
        with closing(_bulletin(site, doctors)) as bulletin, closing(_probe(site)) as probe:
            alone = probe.alone(ALONE_S)
            result, cpu = _with_cpu(site, lambda: screens.run(bulletin, fan.window, scale.seconds, probe))
    _wait_until_quiet(site)
    bare = _floor(site, fan, screens.frame_bytes, scale.floor_seconds)
    counts = _counts(result, screens) | {"frame_bytes": screens.frame_bytes}
    yield _sample(
        f"{fan}, told over Redis → all screens", "k deliveries/s", _rate(result), {"send loop": _rate(bare)}, counts
    )
    if fan.days > 1:
        yield _sample(
            f"{fan}, the same", "updates/s", result.updates / result.seconds, {"send loop": bare.updates / bare.seconds}
        )
    yield _sample(
        f"{fan}, desk → all screens",
        "k deliveries/s",
        _rate(desk_result),
        {"send loop": _rate(bare)},
        _counts(desk_result, screens),
    )
    yield _sample(f"{fan}, server, from Redis on", "CPU-s/million", _per_million(cpu, result))
    yield _sample(f"{fan}, server, through the desk", "CPU-s/million", _per_million(desk_cpu, desk_result))
    yield _sample(f"{fan}, idle socket", "KB", memory, counts={"sockets": fan.sockets})
    polls = {"alone": quantile(alone, 0.99)}
    yield _sample(f"{fan}, HTTP p99 meanwhile", "ms", quantile(probe.took, 0.99), polls, {"polls": len(probe.took)})


def latencies(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """From a patient's booking to the last of the screens, through everything there is."""
    doctor_id = site.clinic.doctors[0]
    people = iter([patient_token(site.settings, each) for each in site.clinic.patients[VISITS_A_DAY:]])
    for run in range(1, scale.runs + 1):
        step(f"latency of bookings, run {run} of {scale.runs}")
        with closing(Screens(site.address, [f"/live/queues/{doctor_id}"])) as screens:
            screens.connect(scale.latency_screens)
            with closing(Patients(site, doctor_id, people)) as patients:
                result = screens.run(patients, 1, scale.seconds, pause=BOOKING_PAUSE_S)
        bookings = result.last_screen[::2]
        name = f"booking → last of {scale.latency_screens} screens"
        counts = _counts(result, screens) | {"bookings": len(bookings)}
        for part in (0.5, 0.99):
            yield Sample(
                kind="latency",
                name=f"{name}, p{part * 100:.0f}",
                unit="ms",
                value=quantile(bookings, part),
                counts=counts,
            )


class Patients:
    """One books the next free seat today and cancels it, then another: a publisher whose changes are bookings."""

    def __init__(self, site: Site, doctor_id: int, people: Iterator[str]) -> None:
        """`people` are the tokens of patients who have no visit yet; the last one of a run may keep the booking."""
        self._line, self._people = Line(site.address), people
        self._token = ""
        self._body = {"doctor_id": doctor_id}
        self._booked = 0
        self.idle = True

    def fds(self) -> list[int]:
        return [self._line.fd]

    def publish(self, day: int) -> None:
        self.idle = False
        if self._booked:
            status = f"/appointments/{self._booked}/status"
            self._line.ask(request("PATCH", status, token=self._token, body={"status": "CANCELLED"}))
        else:
            self._token = next(self._people)
            self._line.ask(request("POST", "/appointments/book", token=self._token, body=self._body))

    def heed(self, fd: int) -> None:
        """Raises RuntimeError when it is refused."""
        heard = self._line.hear()
        if heard is None:
            return
        if heard.status not in {200, 201}:
            raise RuntimeError(f"the patient was answered {heard.status}: {heard.body[:300]!r}")
        self._booked = 0 if self._booked else int(msgspec.json.decode(heard.body)["id"])
        self.idle = True

    def close(self) -> None:
        self._line.socket.close()


def _idle_memory(site: Site, screens: Screens, fan: Fan) -> float:
    """Opens the screens; KB of the server's memory for each of them at rest."""
    with closing(Screens(site.address, [f"/live/queues/{site.clinic.doctors[0]}"])) as warm:
        warm.connect(min(WARM_SCREENS, fan.sockets))
    _wait_until_quiet(site)
    before = memory_kb(site.worker)
    screens.connect(fan.sockets)
    _wait_until_quiet(site)
    return (memory_kb(site.worker) - before) / fan.sockets


def _through_desk(site: Site, screens: Screens, doctors: Sequence[int], fan: Fan, seconds: float) -> Fanned:
    """Reception calls the same token again and again."""
    token = reception_token(site.settings, site.clinic)
    called = (site.clinic.called[doctor_id] for doctor_id in doctors)
    recalls = [[request("POST", f"/appointments/{visit.id}/recall", token=token)] for visit in called]
    with closing(Desk(site.address, recalls, fan.window)) as desk:
        return screens.run(desk, fan.window, seconds)


def _bulletin(site: Site, doctors: Sequence[int]) -> Bulletin:
    return Bulletin(site.settings.redis_url, site.clinic.installation, site.runner.run(_facts(site, doctors)))


async def _facts(site: Site, doctors: Sequence[int]) -> list[Facts]:
    """The days, with what everybody in line is told."""
    async with open_pool(site.settings) as pool, pool.acquire() as conn:
        looked = [await days.look(conn, DayKey(doctor_id, site.clinic.today)) for doctor_id in doctors]
    now = datetime.now(UTC)
    return [msgspec.structs.replace(facts, shown=Outlook(facts, now, Stir.FORESEEN).shown) for facts in looked]


def _floor(site: Site, fan: Fan, frame_bytes: int, seconds: float) -> Fanned:
    paths = [f"/live/queues/{day}" for day in range(fan.days)]
    with floor(site, "sends", str(frame_bytes)) as address, closing(Screens(address, paths)) as screens:
        screens.connect(fan.sockets)
        with closing(FloorTrigger(address)) as trigger:
            return screens.run(trigger, fan.window, seconds)


def _with_cpu(site: Site, work: Callable[[], Fanned]) -> tuple[Fanned, float]:
    """What came of it, and the server's CPU seconds. Raises RuntimeError when the server did not live through it."""
    worker = site.worker
    before = cpu_seconds(worker)
    result = work()
    if site.worker != worker:
        raise RuntimeError("the server's worker died while it was measured")
    return result, cpu_seconds(worker) - before


def _wait_until_quiet(site: Site) -> None:
    """Until the server has done with connections that come or go."""
    deadline = time.monotonic() + QUIET_LIMIT_S
    while time.monotonic() < deadline:
        before = cpu_seconds(site.worker)
        time.sleep(QUIET_S)
        if cpu_seconds(site.worker) - before < QUIET_CPU:
            return


def _probe(site: Site) -> Probe:
    """A phone that polls another doctor's queue and knows its present state."""
    path = f"/queues/{site.clinic.doctors[-1]}"
    line = Line(site.address)
    with closing(line.socket):
        line.ask(request("GET", path))
        while (heard := line.hear()) is None:
            pass
    return Probe(site.address, [request("GET", path, etag=header(heard.head, b"etag").decode())])


def _sample(
    name: str, unit: str, value: float, floors: dict[str, float] | None = None, counts: dict[str, int] | None = None
) -> Sample:
    return Sample(kind="fanout", name=name, unit=unit, value=value, floors=floors or {}, counts=counts or {})


def _rate(result: Fanned) -> float:
    return result.deliveries / result.seconds / 1000


def _per_million(cpu: float, result: Fanned) -> float:
    return cpu / result.deliveries * 1e6 if result.deliveries else 0.0


def _counts(result: Fanned, screens: Screens) -> dict[str, int]:
    return {
        "updates": result.updates,
        "expected": result.expected,
        "deliveries": result.deliveries,
        "missed": result.missed,
        "others": result.others,
        "lost_sockets": screens.lost,
        "turned_away": screens.turned_away,
    }
