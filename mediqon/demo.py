"""A clinic day that lives: people who do not exist book, come, wait, are called and go, over HTTP like anybody.

Every few seconds each doctor's queue is looked at and the next natural thing is done, so that the demo can be stopped
and started again at any point. `python -m mediqon.demo` runs beside a server whose address is in MEDIQON_URL.
"""

import asyncio
import logging
import os
import random
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec

from mediqon.accounts import create_hospital
from mediqon.data_directory import write_private
from mediqon.settings import Settings, read_settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
SLOT_MINUTES = 3
CONSULTATION_SECONDS = 100.0
CONSULTATION_LOG_SD = 0.45
WALK_TO_ROOM_SECONDS = 8.0
COMES_EARLY_SECONDS = 240.0
NO_SHOW_AFTER_SECONDS = 150.0
STAYS_AWAY = 0.1
WALKS_IN = 0.2
FULL_LINE = 12
PHONE_SLOT = 5
BUSY_LINE = 7
TOKEN_SECONDS = 480.0
REQUEST_SECONDS = 10.0

FIRST_NAMES = ("Amara", "Ben", "Chitra", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Kavya", "Noor")
LAST_NAMES = ("Abara", "Becker", "Costa", "Das", "Evans", "Farouk", "Gupta", "Haddad", "Ito", "Jensen", "Khan", "Novak")
DOCTORS = (
    ("Dr Asha Rao", "General medicine", "1", "A"),
    ("Dr Miguel Santos", "Paediatrics", "2", "B"),
    ("Dr Ingrid Holm", "Cardiology", "3", "C"),
)


class Clinic(msgspec.Struct):
    """What the demo remembers between two starts, in `demo.json` in the data directory."""

    hospital_id: int
    timezone: str
    password: str
    domain: str
    doctor_ids: list[int]
    display_key: str
    kiosk_key: str = ""

    @property
    def reception(self) -> str:
        return f"reception@{self.domain}"

    @property
    def patient(self) -> str:
        return f"patient@{self.domain}"

    def doctor(self, number: int) -> str:
        """The log-in of the doctor of that number, from 1."""
        return f"doctor{number}@{self.domain}"


class Person:
    """Somebody logged in; the access token is renewed in time."""

    def __init__(self, http: httpx.AsyncClient, email: str, password: str) -> None:
        self._http, self._email, self._password = http, email, password
        self._token, self._until = "", 0.0

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON, or None when somebody at a desk was quicker. Raises HTTPError for any other refusal."""
        loop = asyncio.get_running_loop()
        if loop.time() > self._until:
            login = {"email": self._email, "password": self._password}
            self._token = _read(await self._http.post("/auth/login", json=login))["access_token"]
            self._until = loop.time() + TOKEN_SECONDS
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = await self._http.request(method, path, json=body, headers=headers)
        return None if answer.status_code == 409 else _read(answer)


def _read(answer: httpx.Response) -> Any:
    answer.raise_for_status()
    return answer.json() if answer.content else None


async def main() -> None:
    settings = read_settings(os.environ)
    url = os.environ["MEDIQON_URL"]
    async with httpx.AsyncClient(base_url=url, timeout=REQUEST_SECONDS) as http:
        clinic = await _open(settings, http)
        reception = Person(http, clinic.reception, clinic.password)
        code = await _book_phone(http, clinic)
        _print_doors(url, clinic, code)
        async with asyncio.TaskGroup() as tasks:
            for number, doctor_id in enumerate(clinic.doctor_ids, start=1):
                doctor = Person(http, clinic.doctor(number), clinic.password)
                tasks.create_task(_live(doctor_id, doctor, reception, random.Random(doctor_id)))  # noqa: S311


async def _open(settings: Settings, http: httpx.AsyncClient) -> Clinic:
    """The clinic of an earlier start, or a new one."""
    memory = settings.data_dir / "demo.json"
    known = await asyncio.to_thread(_remembered, memory)
    if known is not None:
        login = {"email": known.reception, "password": known.password}
        if (await http.post("/auth/login", json=login)).status_code == 200:
            await _open_doors(known, Person(http, known.reception, known.password))
            return known
    clinic = await _found(settings, http)
    await asyncio.to_thread(_remember, memory, clinic)
    return clinic


def _remembered(memory: Path) -> Clinic | None:
    return msgspec.json.decode(memory.read_bytes(), type=Clinic) if memory.exists() else None


def _remember(memory: Path, clinic: Clinic) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_private(memory, msgspec.json.encode(clinic))


async def _found(settings: Settings, http: httpx.AsyncClient) -> Clinic:
    timezone = local_timezone()
    domain, password = f"clinic-{secrets.token_hex(2)}.example", f"demo-{secrets.token_hex(4)}"
    clinic = Clinic(0, timezone, password, domain, [], "")
    created = await create_hospital(settings, "Mediqon Demo Clinic", timezone, clinic.reception, password)
    clinic.hospital_id = created.hospital_id
    reception = Person(http, clinic.reception, password)
    for number, (name, specialty, room, prefix) in enumerate(DOCTORS, start=1):
        doctor = await reception.ask(
            "POST",
            f"/hospitals/{clinic.hospital_id}/doctors",
            {
                "name": name,
                "email": clinic.doctor(number),
                "password": password,
                "specialty": specialty,
                "room": room,
                "token_prefix": prefix,
                "slot_minutes": SLOT_MINUTES,
            },
        )
        clinic.doctor_ids.append(doctor["id"])
    await _open_doors(clinic, reception)
    screen = {"name": "Waiting room", "doctor_ids": clinic.doctor_ids}
    path = f"/hospitals/{clinic.hospital_id}"
    clinic.display_key = (await reception.ask("POST", f"{path}/displays", screen | {"languages": ["en", "es"]}))["key"]
    clinic.kiosk_key = (await reception.ask("POST", f"{path}/kiosks", screen | {"name": "Door"}))["key"]
    patient = {"name": "Pat Demo", "email": clinic.patient, "password": password}
    _read(await http.post("/auth/register", json=patient))
    return clinic


async def _open_doors(clinic: Clinic, reception: Person) -> None:
    windows = _hours(datetime.now(ZoneInfo(clinic.timezone)))
    for doctor_id in clinic.doctor_ids:
        await reception.ask("PUT", f"/doctors/{doctor_id}/schedule", {"windows": windows})


def _hours(now: datetime) -> list[dict[str, object]]:
    """Open round the clock from half an hour ago: it lives whenever it is watched, and tokens begin low."""
    since = max(now.hour * 60 + now.minute - 30, 0) // SLOT_MINUTES * SLOT_MINUTES
    opens = f"{since // 60:02}:{since % 60:02}"
    return [
        {"weekday": weekday, "start": opens if weekday == now.weekday() else "00:00", "end": "24:00"}
        for weekday in range(7)
    ]


async def _book_phone(http: httpx.AsyncClient, clinic: Clinic) -> str:
    """A place for the demo's own patient, for the phone page."""
    patient = Person(http, clinic.patient, clinic.password)
    doctor_id = clinic.doctor_ids[0]
    free = [slot["time"] for slot in _read(await http.get(f"/doctors/{doctor_id}/slots"))["slots"] if slot["free"]]
    booked = None
    if free:
        booking = {"doctor_id": doctor_id, "time": free[min(PHONE_SLOT, len(free) - 1)]}
        booked = await patient.ask("POST", "/appointments/book", booking)
    mine = (await patient.ask("GET", "/appointments/mine"))["appointments"]
    return (booked or mine[0])["code"] if booked or mine else "no-seat-is-free-today"


def _print_doors(url: str, clinic: Clinic, code: str) -> None:
    print(  # noqa: T201
        f"""
  The demo clinic is open. Its patients arrive by themselves.

    Waiting-room screen   {url}/display/{clinic.display_key}
    Patient's phone       {url}/t/{code}
    Doctor's desk         {url}/desk
    Reception             {url}/hospital
    Booking               {url}/book
    Ticket kiosk          {url}/kiosk/{clinic.kiosk_key}
    API reference         {url}/docs
    Start                 {url}/

  Log-ins (password for all: {clinic.password})
    doctors     {", ".join(clinic.doctor(number) for number in range(1, len(DOCTORS) + 1))}
    reception   {clinic.reception}
    patient     {clinic.patient}

  Press any button on a desk: the clinic goes on around you. Ctrl-C ends it all.
""",
        flush=True,
    )


async def _live(doctor_id: int, doctor: Person, reception: Person, chance: random.Random) -> None:
    """One doctor's room and everybody who comes to it, for ever."""
    while True:
        try:
            queue = await reception.ask("GET", f"/appointments/doctor/{doctor_id}/today")
            await _people_come(queue, doctor_id, reception, chance)
            await _doctor_works(queue, doctor_id, doctor, chance)
        except httpx.HTTPError as error:
            log.warning("the demo waits for the server: %r", error)
        await asyncio.sleep(LOOK_SECONDS * chance.uniform(0.7, 1.3))


async def _people_come(queue: Any, doctor_id: int, reception: Person, chance: random.Random) -> None:
    pending = len(queue["waiting"]) + len(queue["booked"])
    if pending < FULL_LINE and chance.random() < (0.9 if pending < BUSY_LINE else 0.06):
        await _somebody_new(doctor_id, reception, chance)
    for visit in queue["booked"]:
        late = _seconds_since(visit["scheduled_at"])
        comes = random.Random(visit["id"]).random() >= STAYS_AWAY  # noqa: S311
        if comes and late > -COMES_EARLY_SECONDS and chance.random() < 0.12:
            await reception.ask("PATCH", f"/appointments/{visit['id']}/status", {"status": "CHECKED_IN"})
        elif not comes and late > NO_SHOW_AFTER_SECONDS:
            await reception.ask("PATCH", f"/appointments/{visit['id']}/status", {"status": "NO_SHOW"})


async def _somebody_new(doctor_id: int, reception: Person, chance: random.Random) -> None:
    patient = {"name": f"{chance.choice(FIRST_NAMES)} {chance.choice(LAST_NAMES)}"}
    path = "/appointments/walk-in" if chance.random() < WALKS_IN else "/appointments/book"
    await reception.ask("POST", path, {"doctor_id": doctor_id, "patient": patient})


async def _doctor_works(queue: Any, doctor_id: int, doctor: Person, chance: random.Random) -> None:
    if not queue["now"]:
        if queue["waiting"]:
            await doctor.ask("POST", f"/queues/{doctor_id}/call-next", {"version": queue["version"]})
        return
    visit = queue["now"][0]
    if visit["status"] == "CALLED" and _seconds_since(visit["called_at"]) > WALK_TO_ROOM_SECONDS:
        await doctor.ask("PATCH", f"/appointments/{visit['id']}/status", {"status": "IN_CONSULTATION"})
    elif visit["status"] == "IN_CONSULTATION" and _seconds_since(visit["started_at"]) > _length(visit["id"]):
        await doctor.ask("POST", f"/queues/{doctor_id}/call-next", {"version": queue["version"]})


def _length(visit_id: int) -> float:
    """How long this consultation lasts, seconds: the same whenever it is asked."""
    return CONSULTATION_SECONDS * random.Random(visit_id).lognormvariate(0, CONSULTATION_LOG_SD)  # noqa: S311


def _seconds_since(instant: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(instant)) / timedelta(seconds=1)


def local_timezone() -> str:
    """This machine's IANA timezone, UTC where it cannot be told."""
    link = Path("/etc/localtime")
    names = [os.environ.get("TZ", ""), link.resolve().as_posix().partition("zoneinfo/")[2]]
    for name in names:
        try:
            return ZoneInfo(name).key
        except (ValueError, OSError, LookupError):
            continue
    return "UTC"


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
