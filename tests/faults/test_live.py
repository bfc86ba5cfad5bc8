"""`mediqon serve` with screens on it: what they see when a worker dies, when Redis does, and when it all ends."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import httpx
import pytest

from builders import Answer, Clinic, Screen, Server, clinic_at_noon
from faults.test_processes import END_LIMIT_S, RECOVERY_LIMIT_S, START_LIMIT_S
from mediqon import embedded
from mediqon.settings import Settings
from processes import Serve, end_all, pid_of, processes_of, within
from rawsocket import raw

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

SCREENS = 6  # more than workers, so that each worker has some
BEHIND_S = 3.0  # two seconds, and what a busy machine adds
SMALL_BYTES = 4096
FRAMES_UNREAD = 60


class House(NamedTuple):
    """A server with two workers, embedded PostgreSQL and Redis, and an open clinic."""

    serve: Serve
    data_dir: Path
    clinic: Clinic

    @property
    def path(self) -> str:
        return f"/live/queues/{self.clinic.doctor_id}"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    parent = Path(tempfile.mkdtemp(prefix="mq"))
    serve = Serve(parent / "data", "--port", "0", "--workers", "2")
    assert within(START_LIMIT_S, serve.answers), serve.said
    async with (
        embedded.servers(Settings(data_dir=parent / "data"), say=print) as reachable,
        Server(serve.url, reachable, lambda: datetime.now(UTC)) as server,
    ):
        yield House(serve, parent / "data", await clinic_at_noon(server))
    if serve.process.poll() is None:
        serve.told(signal.SIGTERM)
    end_all(parent)
    rmtree(parent)


async def all_show(screens: list[Screen], version: int) -> None:
    """Every screen is at this version in time, and none has gone back."""
    async with asyncio.timeout(BEHIND_S):
        for screen in screens:
            assert (await screen.version(version))["version"] == version


async def watching(house: House, open_: AsyncExitStack) -> list[Screen]:
    return [await open_.enter_async_context(house.clinic.server.watch(house.path)) for _ in range(SCREENS)]


async def test_screens_keep_up_while_redis_is_frozen_thawed_killed_and_replaced(house: House) -> None:
    version = 0

    async def changes(screens: list[Screen]) -> None:
        nonlocal version
        for _ in range(3):
            version += 1
            assert (await house.clinic.reception.walk_in(house.clinic.doctor_id)).status == 201
            await all_show(screens, version)

    async with AsyncExitStack() as open_:
        screens = await watching(house, open_)
        await changes(screens)
        redis = pid_of(house.data_dir, "valkey-server")
        assert redis is not None
        os.kill(redis, signal.SIGSTOP)
        await changes(screens)
        os.kill(redis, signal.SIGCONT)
        await changes(screens)
        os.kill(redis, signal.SIGKILL)
        await changes(screens)
        replaced = within(RECOVERY_LIMIT_S, lambda: pid_of(house.data_dir, "valkey-server") not in {None, redis})
        assert replaced, house.serve.said
        await changes(screens)
        async with asyncio.timeout(RECOVERY_LIMIT_S):
            while (await house.clinic.server.anybody.get("/health/ready"))["redis"] != "ok":
                await asyncio.sleep(0.1)


async def test_a_staff_read_right_after_a_write_is_right_at_either_worker_without_redis(house: House) -> None:
    redis = pid_of(house.data_dir, "valkey-server")
    assert redis is not None
    for _ in range(10):  # both workers hold the day
        await _on_a_new_connection(house, f"/appointments/doctor/{house.clinic.doctor_id}/today")
    os.kill(redis, signal.SIGSTOP)
    async with asyncio.timeout(RECOVERY_LIMIT_S):
        told = 0
        while told < 10:  # in a row, by whichever worker answers
            ready = await _on_a_new_connection(house, "/health/ready")
            told = told + 1 if ready["redis"] == "away" else 0
            await asyncio.sleep(0.1)
    for number in range(1, 20):
        await house.clinic.reception.walk_in(house.clinic.doctor_id)
        today = await _on_a_new_connection(house, f"/appointments/doctor/{house.clinic.doctor_id}/today")
        assert len(today["waiting"]) == number
    os.kill(redis, signal.SIGCONT)


async def _on_a_new_connection(house: House, path: str) -> Answer:
    async with Server(house.serve.url, house.clinic.server.settings, house.clinic.server.clock) as server:
        asker = house.clinic.reception
        return await type(asker)(server.http, asker.token).get(path)


async def test_the_screens_of_a_killed_worker_come_back_right(house: House) -> None:
    async with AsyncExitStack() as open_:
        screens = await watching(house, open_)
        killed = pid_of(house.data_dir, "mediqon.worker")
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        with suppress(httpx.TransportError):  # the connection may have been to the one that is gone
            await house.clinic.reception.get("/auth/me")
        assert within(RECOVERY_LIMIT_S, lambda: killed not in processes_of(house.data_dir))
        assert (await house.clinic.reception.walk_in(house.clinic.doctor_id)).status == 201
        again = await watching(house, open_)
        await all_show(again, 1)
        codes = await asyncio.gather(*(still_open(screen) for screen in screens))
        assert set(codes) <= {1006, None}


async def still_open(screen: Screen) -> int | None:
    """None, or the code it was closed with."""
    try:
        await screen.version(1)
    except Exception:
        return await screen.closed()
    return None


async def test_at_the_end_every_screen_is_told_to_reconnect_and_who_does_not_read_delays_nothing(house: House) -> None:
    async with AsyncExitStack() as open_, raw(house.serve.url, receive_bytes=SMALL_BYTES) as unread:
        await unread.ask(house.path)
        screens = await watching(house, open_)
        for number in range(FRAMES_UNREAD):
            await house.clinic.reception.walk_in(house.clinic.doctor_id, f"Walker {number}")
        begun = time.monotonic()
        ended = asyncio.create_task(asyncio.to_thread(house.serve.told, signal.SIGTERM))
        assert [await screen.closed() for screen in screens] == [1012] * SCREENS
        await ended
        assert time.monotonic() - begun < END_LIMIT_S
