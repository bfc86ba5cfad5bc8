"""What one process has drawn of a change, the others send on, and work out for themselves where that would be wrong."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from builders import Asker, Clinic, Server
from conftest import Clock, serving
from day import a_day
from mediqon.database import connection
from mediqon.live import news
from mediqon.live.news import News
from mediqon.live.traffic import TRAFFIC
from mediqon.queues.views import JUST_TOLD

pytestmark = pytest.mark.anyio

NINE = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@asynccontextmanager
async def another(server: Server, **ahead: float) -> AsyncGenerator[tuple[Server, Clock]]:
    """One more process, whose clock is ahead."""
    clock = Clock()
    clock.forward(**ahead)
    async with serving(server.settings, clock) as second:
        yield second, clock


async def test_screens_of_every_process_get_the_very_frame_that_the_first_was_sent(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    path = f"/live/queues/{clinic.doctor_id}"
    async with another(server) as (second, later), server.watch(path) as here, second.watch(path) as there:
        assert await here.frame() == await there.frame()
        later.forward(seconds=1)
        for version in (1, 2):
            clock.forward(seconds=1)
            later.forward(seconds=1)
            await clinic.reception.walk_in(clinic.doctor_id)
            frame = await there.frame()
            assert (frame["version"], frame) == (version, await here.frame())
        polls = [await each.anybody.get(f"/queues/{clinic.doctor_id}") for each in (server, second)]
    assert polls[0].raw == polls[1].raw
    assert polls[0].headers["etag"] == polls[1].headers["etag"]


async def test_whoever_asks_for_more_than_the_frame_is_told_all_of_it(server: Server, clinic: Clinic) -> None:
    path, desk = f"/live/queues/{clinic.doctor_id}", f"/live/desk/{clinic.doctor_id}"
    async with another(server) as (second, _), server.watch(path) as here, second.watch(path) as there:
        await here.frame()
        await there.frame()
        visit = await clinic.reception.walk_in(clinic.doctor_id, "Asha Rao")
        await there.version(1)
        polls = TRAFFIC.polls
        page = await second.anybody.get(f"/tokens/{visit['code']}")
        assert (page["token"], page["version"], TRAFFIC.polls) == ("A-W01", 1, polls + 1)  # from memory, no query
        async with second.watch(desk, clinic.doctor) as opened:
            assert (await opened.frame())["waiting"][0]["patient"]["name"] == "Asha Rao"
            called = await Asker(second.http, clinic.doctor.token).call_next(clinic.doctor_id)
            assert (called.status, (await opened.version(2))["now"][0]["token"]) == (200, "A-W01")
        assert (await here.version(2))["now_serving"] == ["A-W01"]


@pytest.mark.parametrize(
    "apart", [{"minutes": 1}, {"seconds": JUST_TOLD.total_seconds() + 1}, {"seconds": 2}, {"seconds": -2}]
)
async def test_a_process_whose_clock_is_elsewhere_draws_its_own_and_never_what_was_before(
    server: Server, clinic: Clinic, apart: dict[str, float]
) -> None:
    path = f"/live/queues/{clinic.doctor_id}"
    async with another(server, **apart) as (second, _), server.watch(path) as here, second.watch(path) as there:
        await here.frame()
        await there.frame()
        await clinic.reception.walk_in(clinic.doctor_id)
        ours, theirs = await here.frame(), await there.frame()
    assert ours["version"] == theirs["version"] == 1
    assert datetime.fromisoformat(theirs["sent_at"]) - datetime.fromisoformat(ours["sent_at"]) == timedelta(**apart)


async def test_a_day_that_a_program_of_another_version_tells_of_is_read_within_a_sweep(
    server: Server, clinic: Clinic
) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.version(1)
        async with connection(server.settings) as conn:
            await conn.execute("update queues set version = 2 where doctor_id = $1", clinic.doctor_id)
        told = News(clinic.doctor_id, NINE.date(), 2, frozenset(), msgspec.msgpack.encode({}), "another", NINE, b"{}")
        async with Redis.from_url(server.settings.redis_url) as redis:
            (channel,) = await redis.pubsub_channels("mediqon:*:day:*")
            await redis.publish(channel, msgspec.msgpack.encode(told))
        assert (await screen.version(2))["tokens"][0]["token"] == "A-W01"


@pytest.mark.parametrize(
    ("said", "shown", "now", "sent"),
    [
        ({}, NINE, NINE, True),
        ({}, NINE - SECOND, NINE + SECOND, True),
        ({}, NINE + SECOND, NINE + SECOND, False),
        ({}, NINE - SECOND, NINE - SECOND, False),
        ({}, NINE, NINE + JUST_TOLD + SECOND, False),
        ({"shape": "another"}, NINE, NINE, False),
        ({"drawn_at": None}, NINE, NINE, False),
    ],
)
def test_a_frame_is_sent_on_where_it_is_no_step_back(
    said: dict[str, Any], shown: datetime, now: datetime, sent: bool
) -> None:
    told = news.hear(news.tell(a_day(1), NINE, b"{}"))
    assert msgspec.structs.replace(told, **said).drawn(shown, now) == (NINE if sent else None)
