"""What a process keeps for those who watch, and what it tells those who misbehave."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets
from redis.asyncio import Redis

from builders import Answer, Clinic, Server, open_clinic
from conftest import Clock, serving
from mediqon.database import connection
from mediqon.live import feed, lines
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

SWEEP_SECONDS = 10.0
BURST = 300
TOO_BIG = 1009


async def until_listened_to(settings: Settings, right: Callable[[set[str]], bool]) -> None:
    """Until some processes hear about such days over Redis."""
    async with Redis.from_url(settings.redis_url, decode_responses=True) as redis, asyncio.timeout(SWEEP_SECONDS):
        while not right({str(each).split(":day:")[1] for each in await redis.pubsub_channels("mediqon:*:day:*")}):
            await asyncio.sleep(0.1)


async def test_a_day_that_nobody_looks_at_any_more_is_forgotten(server: Server, clinic: Clinic, clock: Clock) -> None:
    other_id, _ = await clinic.add_doctor()
    here, other = f"{clinic.doctor_id}:2026-11-23", f"{other_id}:2026-11-23"
    async with server.watch(f"/live/queues/{other_id}") as screen:
        await screen.frame()
        await server.anybody.get(f"/queues/{clinic.doctor_id}")
        await until_listened_to(server.settings, lambda days: {here, other} <= days)
        clock.forward(minutes=2)
        await until_listened_to(server.settings, lambda days: other in days and here not in days)


async def test_a_display_that_could_not_be_opened_leaves_nothing_watched(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    gone_id, _ = await clinic.add_doctor()
    display = await clinic.display(clinic.doctor_id, gone_id)
    async with connection(server.settings) as conn:
        await conn.execute("delete from doctors where id = $1", gone_id)
    async with server.watch(f"/live/displays/{display['key']}") as wall:
        assert await wall.closed() == 4404
    clock.forward(minutes=2)
    await until_listened_to(server.settings, lambda days: f"{clinic.doctor_id}:2026-11-23" not in days)


async def test_yesterday_is_forgotten_once_its_screens_have_turned_to_today(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    yesterday, today = (f"{clinic.doctor_id}:2026-11-{day}" for day in (23, 24))
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        clock.forward(hours=16)
        await screen.until(lambda frame: frame["date"] == "2026-11-24")
        await until_listened_to(server.settings, lambda days: today in days and yesterday not in days)


async def test_a_new_room_shows_on_a_day_that_nobody_has_touched_yet(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    path = f"/live/queues/{clinic.doctor_id}"
    async with (
        serving(server.settings, clock) as second,
        server.watch(path) as here,
        second.watch(path) as elsewhere,
    ):
        for screen in (here, elsewhere):
            assert (await screen.frame())["room"] == "3"
        assert (await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": "9"})).status == 200
        for screen in (here, elsewhere):
            assert (await screen.frame())["room"] == "9"


async def test_a_doctor_who_cannot_be_read_keeps_no_other_screen_on_yesterday(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    gone_id, _ = await clinic.add_doctor()
    async with (
        server.watch(f"/live/queues/{gone_id}") as gone,
        server.watch(f"/live/queues/{clinic.doctor_id}") as screen,
    ):
        before = [await each.frame() for each in (gone, screen)]
        async with connection(server.settings) as conn:
            await conn.execute("delete from doctors where id = $1", gone_id)
        clock.forward(hours=16)
        await screen.until(lambda frame: frame["date"] != before[1]["date"])


async def test_leave_and_hours_of_today_reach_screens_without_waiting_for_the_sweep(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SWEEP_SECONDS", 3600.0)
    async with serving(settings, clock) as server:
        clinic = await open_clinic(server)
        doctor, day = f"/doctors/{clinic.doctor_id}", "2026-11-23"
        async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:

            async def shown(change: Awaitable[Answer]) -> Answer:
                answer = await change
                assert answer.status < 300
                assert await screen.frame()
                return answer

            await screen.frame()
            leave = await shown(clinic.reception.post(f"{doctor}/leave", {"date": day, "end": "09:30"}))
            await shown(clinic.reception.delete(f"/leave/{leave['id']}"))
            await shown(clinic.reception.put(f"{doctor}/schedule/{day}", {"windows": []}))
            await shown(clinic.reception.delete(f"{doctor}/schedule/{day}"))
            await shown(clinic.reception.put(f"{doctor}/schedule", {"windows": []}))


async def test_a_new_name_reaches_screens_that_look_again_after_midnight(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"name": "Dr N. Ewname"})
        clock.forward(hours=16)
        assert (await screen.until(lambda frame: frame["date"] == "2026-11-24"))["doctor"] == "Dr N. Ewname"


async def test_a_message_over_four_kilobytes_ends_the_socket(server: Server, clinic: Clinic) -> None:
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        await screen.connection.send("x" * 4096)
        await screen.connection.send("ping")
        assert (await screen.frame())["type"] == "pong"
        await screen.connection.send("x" * 4097)
        assert await screen.closed() == TOO_BIG


@pytest.mark.parametrize("origin", ["http://[", "http://", "//", " ", "http://user@127.0.0.1", "javascript:1"])
async def test_an_origin_that_makes_no_sense_is_refused(
    server: Server, clinic: Clinic, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with server.watch(f"/live/queues/{clinic.doctor_id}", additional_headers={"Origin": origin}):
            pass
    assert refusal.value.response.status_code == 403
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("path", ["/live/queues/abc", "/live/desk/-1", f"/live/desk/{10**30}", "/live/displays/%00"])
async def test_a_live_path_that_makes_no_sense_is_told_so(
    server: Server, clinic: Clinic, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        async with server.watch(path, clinic.doctor) as screen:
            assert await screen.closed() == 4404
    except websockets.InvalidStatus:
        pass  # refused before the accept
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_client_that_stops_reading_skips_what_is_old_and_ends_at_the_newest(
    server: Server, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BEHIND_SECONDS", 60.0)  # a busy machine may take longer over the burst than 10 s
    for number in range(40):
        await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
    called = (await clinic.doctor.call_next(clinic.doctor_id))["called"]
    host, port = server.url.removeprefix("http://").split(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
    async with server.watch(f"/live/desk/{clinic.doctor_id}", clinic.doctor, sock=narrow, max_queue=1) as slow:
        for _ in range(BURST):
            await clinic.doctor.post(f"/appointments/{called['id']}/recall")
        newest = 41 + BURST
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["version"] < newest:
            frames.append(await slow.frame())
    versions = [frame["version"] for frame in frames]
    assert versions == sorted(set(versions))
    assert len(frames) < BURST
