"""P6: PostgreSQL or Redis goes away under a running server: refusals are honest, and it recovers by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, open_clinic, refused
from conftest import Clock, serving
from mediqon.settings import Settings
from wire import Wire, wire_to

pytestmark = pytest.mark.anyio

AWAY_SECONDS = 3.0
SILENT_SECONDS = 9.0
RECOVERY_SECONDS = 5.0
WITHOUT_REDIS_SECONDS = 1.0
CROWD = 3


@pytest.fixture
async def database_wire(settings: Settings) -> AsyncIterator[tuple[Wire, Settings]]:
    async with wire_to(Path(settings.db_host) / f".s.PGSQL.{settings.db_port}") as (wire, directory):
        yield wire, msgspec.structs.replace(settings, db_host=str(directory))


@pytest.fixture
async def database(database_wire: tuple[Wire, Settings]) -> Wire:
    return database_wire[0]


@pytest.fixture
async def server(database_wire: tuple[Wire, Settings], clock: Clock) -> AsyncIterator[Server]:
    """Instead of the usual one: its PostgreSQL is at the end of a wire."""
    async with serving(database_wire[1], clock) as running:
        yield running


async def everything(clinic: Clinic, visit: Answer) -> list[Answer]:
    """Several requests of every kind that needs the database, all at the same time: more than it has connections."""
    anybody = clinic.server.anybody
    asked: list[Awaitable[Answer]] = []
    for _ in range(CROWD):
        asked += [
            clinic.reception.book(clinic.doctor_id, patient={"name": "Late"}),
            clinic.reception.walk_in(clinic.doctor_id),
            clinic.doctor.call_next(clinic.doctor_id),
            clinic.doctor.move(visit, "CHECKED_IN"),
            clinic.doctor.get("/auth/me"),
            clinic.reception.get(f"/appointments/{visit['id']}"),
            clinic.reception.put(f"/doctors/{clinic.doctor_id}/schedule", {"windows": []}),
            anybody.get("/hospitals"),
            anybody.get(f"/doctors/{clinic.doctor_id}/slots"),
            anybody.get("/tokens/unknown"),
            anybody.post("/auth/login", {"email": "a@b.c", "password": PASSWORD}),
            anybody.get("/health/ready"),
        ]
    return list(await asyncio.gather(*asked))


async def recovered(clinic: Clinic) -> Answer:
    """The first booking that is taken again."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while (answer := await clinic.reception.book(clinic.doctor_id, patient={"name": "Back"})).status != 201:
            await asyncio.sleep(0.1)
    return answer


@pytest.mark.parametrize(("ending", "seconds"), [("cut", AWAY_SECONDS), ("fall_silent", SILENT_SECONDS)])
async def test_without_postgresql_everything_is_503_in_bounded_time_and_recovers_without_a_restart(
    clinic: Clinic, database: Wire, ending: str, seconds: float
) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "Early"})
    queue = await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}")
    getattr(database, ending)()
    began = time.monotonic()
    answers = await everything(clinic, visit)
    assert time.monotonic() - began < seconds
    for answer in answers:
        refused(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
    from_memory = await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}")
    assert from_memory.status == 200
    assert (await clinic.server.anybody.get("/health/live")).status == 200
    database.mend()
    assert (await recovered(clinic))["token"] == "A-002"
    assert (await clinic.reception.today(clinic.doctor_id))["version"] == queue["version"] + 1


async def test_readiness_says_which_part_is_away(clinic: Clinic, database: Wire) -> None:
    assert (await clinic.server.anybody.get("/health/ready"))["database"] == "ok"
    database.cut()
    answer = await clinic.server.anybody.get("/health/ready")
    assert (answer.status, answer["database"], answer["redis"]) == (503, "away", "ok")


@pytest.mark.parametrize("ending", ["cut", "fall_silent"])
async def test_without_redis_bookings_and_reads_are_as_quick_as_ever(
    settings: Settings, clock: Clock, ending: str
) -> None:
    socket = Path(unquote(urlsplit(settings.redis_url).path))
    async with wire_to(socket) as (redis, directory):
        url = settings.redis_url.replace(socket.parent.as_posix(), directory.as_posix())
        async with serving(msgspec.structs.replace(settings, redis_url=url), clock) as running:
            clinic = await open_clinic(running)
            async with running.watch(f"/live/queues/{clinic.doctor_id}") as screen:
                await screen.frame()
                getattr(redis, ending)()
                for number in range(1, 6):
                    began = time.monotonic()
                    answer = await clinic.reception.walk_in(clinic.doctor_id)
                    assert (answer.status, answer["token"]) == (201, f"A-W0{number}")
                    assert (await screen.version(number))["version"] == number
                    assert time.monotonic() - began < WITHOUT_REDIS_SECONDS
            assert (await Asker(running.http).get(f"/queues/{clinic.doctor_id}")).status == 200
