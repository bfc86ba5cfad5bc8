"""What PostgreSQL has to confirm: bookings, status changes, and bookings once the years have filled the database."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import cycle, islice

from mediqon.bench import sql_floors
from mediqon.bench.callers import Tally, asked
from mediqon.bench.clinic import (
    OPENS,
    PATIENTS,
    SEATS_A_DAY,
    SEATS_PER_SLOT,
    SLOT_MINUTES,
    Clinic,
    patient_token,
    reception_token,
)
from mediqon.bench.report import Sample
from mediqon.bench.scale import Scale
from mediqon.bench.site import Site
from mediqon.bench.wire import request
from mediqon.hospitals.slots import clock

Step = Callable[[str], None]

WARM_S = 0.3
RATE_MAX = 6000  # bookings a second, for which requests are made beforehand
HORIZON_DAYS = 179
GROWTH_DAY = 90  # far from what is booked otherwise


def bookings(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """Each run with seats that nobody has asked for yet: over many doctors, and all for one."""
    tokens = _tokens(site)
    spread = Seats(site.clinic, tokens, site.clinic.doctors[: scale.doctors])
    hot = iter(site.clinic.doctors[scale.doctors :])
    for clients in scale.clients:
        for run in range(1, scale.runs + 1):
            step(f"bookings of {clients} clients, run {run} of {scale.runs}")
            tally = _book(site, spread, clients, scale.seconds)
            yield _booked(site, scale, f"{scale.doctors} doctors, {clients} clients", scale.doctors, clients, tally)
            tally = _book(site, Seats(site.clinic, tokens, [next(hot)]), clients, scale.seconds)
            yield _booked(site, scale, f"one hot doctor, {clients} clients", 1, clients, tally)


def growth(empty: Site, grown: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """The same bookings at two servers in turn: one has just opened, the other has years behind it."""
    clients = scale.clients[0]
    sites = [
        (each, Seats(each.clinic, _tokens(each), each.clinic.doctors[: scale.doctors], GROWTH_DAY))
        for each in (empty, grown)
    ]
    for run in range(1, scale.runs + 1):
        step(f"growth, run {run} of {scale.runs}")
        before, after = (_book(each, seats, clients, scale.seconds) for each, seats in sites)
        yield Sample(
            kind="growth",
            name=f"{scale.doctors} doctors, {clients} clients, {scale.history} past appointments",
            unit="bookings/s",
            value=after.rate,
            floors={"none": before.rate},
            counts=after.counts | {"booked_when_empty": before.statuses[201]},
        )


def status_changes(site: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """Patients sent away for a moment, and back in line."""
    clients, token = scale.clients[0], reception_token(site.settings, site.clinic)
    half = len(site.clinic.waiting) // 2  # the floor has the other
    visits = [visit.id for visit in site.clinic.waiting[:half]]
    changes = cycle(
        request("PATCH", f"/appointments/{visit_id}/status", token=token, body={"status": status})
        for status in ("ON_HOLD", "CHECKED_IN")
        for visit_id in visits
    )
    asked(site.address, clients, changes, WARM_S)
    for run in range(1, scale.runs + 1):
        step(f"status changes, run {run} of {scale.runs}")
        tally = asked(site.address, clients, changes, scale.seconds).only(200)
        bare = sql_floors.move_rate(site.settings, site.clinic, clients, scale.floor_seconds)
        yield Sample(
            kind="status",
            name=f"status changes, {clients} clients",
            unit="changes/s",
            value=tally.rate,
            floors={"asyncpg alone": bare},
            counts=tally.counts,
        )


class Seats:
    """Every seat of these doctors from a day on (tomorrow is 1), each asked for once."""

    def __init__(self, clinic: Clinic, tokens: Sequence[str], doctors: Sequence[int], first_day: int = 1) -> None:
        self._clinic, self._tokens, self._doctors, self._first_day = clinic, tokens, doctors, first_day
        self._numbers = iter(range(len(doctors) * SEATS_A_DAY * (HORIZON_DAYS - first_day)))

    def requests(self, most: int) -> list[bytes]:
        """The bookings of the next seats; fewer when they run out."""
        return [self._request(number) for number in islice(self._numbers, most)]

    def _request(self, number: int) -> bytes:
        """Patients in turn, doctors in turn, then seats in the order of time, then days."""
        place, doctor = divmod(number, len(self._doctors))
        day, seat = divmod(place, SEATS_A_DAY)
        body = {
            "doctor_id": self._doctors[doctor],
            "date": (self._clinic.today + timedelta(days=self._first_day + day)).isoformat(),
            "time": clock(OPENS + seat // SEATS_PER_SLOT * SLOT_MINUTES),
        }
        return request("POST", "/appointments/book", token=self._tokens[number % PATIENTS], body=body)


def _tokens(site: Site) -> list[str]:
    """Everybody logged in, for ten minutes: time enough for one kind."""
    return [patient_token(site.settings, patient_id) for patient_id in site.clinic.patients]


def _book(site: Site, seats: Seats, clients: int, seconds: float) -> Tally:
    warm = iter(seats.requests(int(RATE_MAX * WARM_S)))
    asked(site.address, clients, warm, WARM_S).only(201)
    requests = iter(seats.requests(int(RATE_MAX * seconds)))
    return asked(site.address, clients, requests, seconds).only(201)


def _booked(site: Site, scale: Scale, name: str, doctors: int, clients: int, tally: Tally) -> Sample:
    floors = {
        "asyncpg alone": sql_floors.booking_rate(site.settings, site.clinic, doctors, clients, scale.floor_seconds)
    }
    pgbench = sql_floors.pgbench_rate(site.settings, site.clinic, doctors, clients, scale.floor_seconds)
    if pgbench is not None:
        floors["pgbench"] = pgbench
    counts = tally.counts
    return Sample(kind="bookings", name=name, unit="bookings/s", value=tally.rate, floors=floors, counts=counts)
