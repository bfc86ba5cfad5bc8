"""The clinic that is measured: made in SQL, because ten thousand people cannot be entered over HTTP in a minute."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec

from mediqon.accounts import create_hospital
from mediqon.auth import passwords, tokens
from mediqon.auth.models import Role, User
from mediqon.bench.scale import Scale
from mediqon.database import connection, statements
from mediqon.settings import Settings

SQL = statements("bench")
PASSWORD = "a password to measure"  # noqa: S105
PATIENTS = 5003  # prime: no patient meets the same doctor twice on a day, and none books so often as to be slowed down
VISITS_A_DAY = 10  # makes a frame of about 1.5 KB
OPENS, CLOSES, SEATS_PER_SLOT, SLOT_MINUTES = 480, 1080, 2, 10
SEATS_A_DAY = (CLOSES - OPENS) // SLOT_MINUTES * SEATS_PER_SLOT
LOCAL_HOUR = 10  # far from midnight, when days turn
PAST_VISITS_A_DAY = 30
CHUNK_ROWS = 100_000


class Visit(msgspec.Struct, frozen=True):
    """Somebody in line today."""

    id: int
    doctor_id: int
    code: str
    status: str


class Clinic(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there. Every doctor has one visit called and the rest waiting, today."""

    hospital_id: int
    reception_id: int
    timezone: str
    today: date
    installation: str
    doctors: list[int]
    patients: list[int]
    called: dict[int, Visit]
    waiting: list[Visit]


async def open_clinic(settings: Settings, scale: Scale) -> Clinic:
    """A hospital of that size in a timezone where it is the middle of the morning."""
    now = datetime.now(UTC)
    timezone = _morning(now)
    created = await create_hospital(settings, "Bench", timezone, "reception@bench.example", PASSWORD)
    password_hash = await passwords.hash_new(PASSWORD)
    today = now.astimezone(ZoneInfo(timezone)).date()
    async with connection(settings) as conn:
        doctors = await conn.fetch(SQL.add_doctors, created.hospital_id, scale.staff, password_hash)
        await conn.execute(SQL.add_hours, created.hospital_id, OPENS, CLOSES, SEATS_PER_SLOT)
        patients = [row["id"] for row in await conn.fetch(SQL.add_patients, PATIENTS, password_hash)]
        await conn.execute(SQL.open_days, created.hospital_id, today, VISITS_A_DAY)
        rows = await conn.fetch(SQL.add_visits, created.hospital_id, today, patients[:VISITS_A_DAY], now)
        await conn.execute("vacuum analyze")
        installation = await conn.fetchval(SQL.installation)
    visits = [Visit(**row) for row in rows]
    return Clinic(
        hospital_id=created.hospital_id,
        reception_id=created.user_id,
        timezone=timezone,
        today=today,
        installation=installation,
        doctors=[row["id"] for row in doctors],
        patients=patients,
        called={visit.doctor_id: visit for visit in visits if visit.status == "CALLED"},
        waiting=[visit for visit in visits if visit.status == "CHECKED_IN"],
    )


async def load_history(settings: Settings, clinic: Clinic, doctors: int, rows: int, say: Callable[[str], None]) -> None:
    """So many past visits, spread over the first `doctors`; tells how far it has come."""
    chosen = clinic.doctors[:doctors]
    async with connection(settings) as conn:
        await conn.execute("set session_replication_role = replica")  # no foreign keys to check: a third of the time
        await conn.execute("set synchronous_commit = off")
        await conn.execute("set maintenance_work_mem = '256MB'")
        indexes = await conn.fetch(SQL.history_indexes)
        for index in indexes:
            await conn.execute(index["drop_it"])
        days = rows // (len(chosen) * PAST_VISITS_A_DAY) + 1
        await conn.execute(SQL.close_past_days, chosen, clinic.today, days)
        for first in range(0, rows, CHUNK_ROWS):
            say(f"loading history, {first // 1000} of {rows // 1000} thousand visits")
            last = min(first + CHUNK_ROWS, rows) - 1
            values = (clinic.hospital_id, chosen, clinic.patients, first, last, PAST_VISITS_A_DAY, clinic.today)
            await conn.execute(SQL.add_past_visits, *values)
        for index in indexes:
            say("loading history, its indexes")
            await conn.execute(index["make_it"])
        await conn.execute("vacuum analyze")


def patient_token(settings: Settings, user_id: int) -> str:
    """An access token as a log-in would give it."""
    user = User(id=user_id, name="", email=None, role=Role.PATIENT, hospital_id=None, doctor_id=None)
    return tokens.sign(user, secret=settings.jwt_secret, now=datetime.now(UTC))


def reception_token(settings: Settings, clinic: Clinic) -> str:
    """The same for the hospital's account."""
    user = User(
        id=clinic.reception_id,
        name="",
        email=None,
        role=Role.HOSPITAL,
        hospital_id=clinic.hospital_id,
        doctor_id=None,
    )
    return tokens.sign(user, secret=settings.jwt_secret, now=datetime.now(UTC))


def _morning(now: datetime) -> str:
    """POSIX turns the sign: `Etc/GMT-2` is two hours ahead of UTC."""
    ahead = (LOCAL_HOUR - now.hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+}" if ahead else "Etc/GMT"
