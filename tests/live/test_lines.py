"""Many sockets at one hub, over real connections: who is slow, silent or gone costs nobody else anything."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from day import a_day
from mediqon.live import lines as bounds
from mediqon.live.fanout import FanOut
from mediqon.live.hub import Hub, Topic
from mediqon.live.lines import Line, Lines
from mediqon.queues.models import Facts
from rawsocket import PING, PONG, TEXT, Raw, masked, raw

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
CROWD = 300
CHANGES = 100_000
FLAT_KB = 16 * 1024
SMALL_BYTES = 4096
LONG_NAME = "Dr " + "x" * 3000  # frames that soon fill what the kernel takes in


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


def a_long_day(version: int, doctor: str = LONG_NAME) -> Facts:
    return a_day(version, doctor=doctor, call_seq=version)


class House:
    """A hub with one day, and a port whose connections watch it from the first byte on."""

    def __init__(self) -> None:
        self.fan_out = FanOut()
        self.hub = Hub(self.fan_out.send)
        self.lines = Lines(lambda: 0.0)
        self.connections: set[asyncio.BaseProtocol] = set()
        self.version = 0
        self.topic: Topic = self.hub.accept(a_long_day(0), NOW)

    def change(self, doctor: str = LONG_NAME) -> None:
        self.version += 1
        self.hub.accept(a_long_day(self.version, doctor), NOW)

    def welcome(self) -> asyncio.Protocol:
        house = self

        class Door(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                line, watchers = Line(house.lines), house.topic.audiences["public"].watchers
                watchers.add(line)
                line.deliver(1, house.topic.public)
                line.attach(cast("asyncio.Transport", transport), house.connections, lambda: watchers.discard(line))

        return Door()

    @property
    def watching(self) -> int:
        return len(self.topic.audiences["public"].watchers)


@asynccontextmanager
async def a_house() -> AsyncGenerator[tuple[House, str]]:
    house, loop = House(), asyncio.get_running_loop()
    listener = socket.socket(fileno=socket.create_server(("127.0.0.1", 0), backlog=CROWD).detach())
    server = await loop.create_server(house.welcome, sock=listener, backlog=CROWD)
    try:
        yield house, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()
        for line in tuple(house.connections):
            assert isinstance(line, Line)
            line.abort()
    await until(lambda: house.watching == 0)


async def until(comes_true: Any, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not comes_true():
            await asyncio.sleep(0.01)


async def versions_up_to(client: Raw, last: int) -> list[int]:
    """The versions that a client sees until the last one."""
    seen: list[int] = []
    while not seen or seen[-1] < last:
        seen.append(json.loads(await client.next(TEXT))["version"])
    return seen


async def test_who_reads_misses_no_final_state_and_who_does_not_holds_nobody_up() -> None:
    async with a_house() as (house, url), raw(url) as quick, raw(url, receive_bytes=SMALL_BYTES) as slow:
        await until(lambda: house.watching == 2)
        for _ in range(50):
            for _ in range(20):
                house.change()
            assert (await versions_up_to(quick, house.version))[-1] == house.version
        assert len(house.lines.blocked) == 1
        late = await versions_up_to(slow, house.version)
    assert late == sorted(set(late))
    assert len(late) < 100


async def test_a_crowd_is_served_in_slices_and_everybody_ends_at_the_newest_state() -> None:
    async with a_house() as (house, url), asyncio.TaskGroup() as everybody:

        async def watch() -> None:
            async with raw(url) as client:
                seen = await versions_up_to(client, 40)
                assert seen == sorted(set(seen))

        for _ in range(CROWD):
            everybody.create_task(watch())
        await until(lambda: house.watching == CROWD)
        for _ in range(40):
            house.change()
            await asyncio.sleep(0)


async def test_memory_stays_flat_over_many_changes_with_clients_that_do_not_read() -> None:
    async with (
        a_house() as (house, url),
        raw(url, receive_bytes=SMALL_BYTES) as one,
        raw(url, receive_bytes=SMALL_BYTES),
    ):
        await until(lambda: house.watching == 2)
        for _ in range(1000):
            house.change("Dr X")
        await until(lambda: len(house.lines.blocked) == 2)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(CHANGES):
            house.change("Dr X")
            if number % 1000 == 0:
                await asyncio.sleep(0)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < FLAT_KB
        assert (await versions_up_to(one, house.version))[-1] == house.version


async def test_who_takes_no_byte_for_too_long_is_cut_off_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BEHIND_SECONDS", 0.2)
    async with a_house() as (house, url), raw(url) as quick, raw(url, receive_bytes=SMALL_BYTES):
        await until(lambda: house.watching == 2)
        while not house.lines.blocked:
            house.change()
            await versions_up_to(quick, house.version)
        await asyncio.sleep(0.3)
        await house.lines.turn()
        await until(lambda: house.watching == 1)
        house.change()
        assert (await versions_up_to(quick, house.version))[-1] == house.version
        assert not house.lines.blocked


async def test_who_answers_no_ping_is_dropped_after_three_and_who_answers_stays() -> None:
    async with a_house() as (house, url), raw(url) as lively, raw(url):
        await until(lambda: house.watching == 2)
        for _ in range(4):
            for _ in range(bounds.PING_EVERY_SECONDS):
                await house.lines.turn()
            await lively.next(PING)
            lively.send(masked(PONG))
            await asyncio.sleep(0.05)
        await until(lambda: house.watching == 1)
        assert len(house.lines) == len(house.connections) == 1


async def test_connections_that_break_leave_nothing_behind() -> None:
    async with a_house() as (house, url):
        for _ in range(20):
            async with raw(url) as client:
                await client.next(TEXT)
            house.change()
        await until(lambda: house.watching == 0)
        assert (len(house.lines), house.connections, house.lines.blocked) == (0, set(), {})


async def test_a_restart_is_told_to_everybody_and_who_does_not_read_is_cut_off() -> None:
    async with a_house() as (house, url), raw(url) as quick, raw(url, receive_bytes=SMALL_BYTES):
        await until(lambda: house.watching == 2)
        while not house.lines.blocked:
            house.change()
            await versions_up_to(quick, house.version)
        for line in tuple(house.connections):
            assert isinstance(line, Line)
            line.shutdown()
        assert await quick.closed() == 1012
        await until(lambda: house.watching == 0)
