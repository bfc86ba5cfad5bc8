"""The bus between processes, on a real Redis: subscriptions in any order, and messages for exactly who wants them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from redis.asyncio import Redis

from mediqon.live.bus import PUBLISH_SECONDS, SUBSCRIBE_SECONDS, Bus
from mediqon.live.cluster import Shard
from mediqon.settings import Settings
from wire import wire_to

pytestmark = pytest.mark.anyio

CHANNELS = 4
SECONDS = 5.0
steps = st.lists(st.tuples(st.integers(0, CHANNELS - 1), st.integers(0, 3)), max_size=30)
"""A channel each, and how many turns of the event loop pass before it is left again; 3 stays."""


@asynccontextmanager
async def a_bus(
    url: str, heard: list[tuple[str, bytes]], *, sharded: bool = False, seconds: float = 0
) -> AsyncGenerator[Bus]:
    """`seconds`: what it takes to take a message in."""

    def hear(channel: str, payload: bytes) -> None:
        time.sleep(seconds)
        heard.append((channel, payload))

    echo = f"echo:{uuid4().hex}"
    bus = Shard(url, echo, hear, lambda: None) if sharded else Bus(url, echo, hear)
    bus.start()
    try:
        await until(lambda: bus.healthy)
        yield bus
    finally:
        await bus.stop()


async def until(comes_true: object) -> None:
    assert callable(comes_true)
    async with asyncio.timeout(SECONDS):
        while not comes_true():
            await asyncio.sleep(0.005)


async def publish(redis: Redis, channel: str, payload: bytes, *, sharded: bool) -> None:
    await redis.execute_command("SPUBLISH" if sharded else "PUBLISH", channel, payload)


async def listened_to(redis: Redis, name: str) -> set[str]:
    asked = f"{name}:*"
    return {str(each) for each in (*await redis.pubsub_channels(asked), *await redis.pubsub_shardchannels(asked))}


@examples(max_examples=40, deadline=None)
@given(steps, st.booleans())
async def test_whoever_comes_and_goes_in_whatever_order_exactly_what_is_wanted_is_subscribed(
    servers: Settings, steps: list[tuple[int, int]], sharded: bool
) -> None:
    name, heard = uuid4().hex, list[tuple[str, bytes]]()
    async with (
        a_bus(servers.redis_url, heard, sharded=sharded) as bus,
        Redis.from_url(servers.redis_url, decode_responses=True) as redis,
    ):

        async def visit(channel: str, turns: int) -> None:
            await bus.subscribe(channel)
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns < 3:
                await bus.unsubscribe(channel)

        await asyncio.gather(*(visit(f"{name}:{number}", turns) for number, turns in steps))
        wanted = {f"{name}:{number}" for number, turns in steps if turns == 3}
        async with asyncio.timeout(SECONDS):
            while await listened_to(redis, name) != wanted:
                await asyncio.sleep(0.01)
        for number in range(CHANNELS):
            await publish(redis, f"{name}:{number}", b"news", sharded=sharded)
        await until(lambda: len(heard) >= len(wanted))
    assert Counter(heard) == Counter((channel, b"news") for channel in wanted)


@pytest.mark.parametrize("sharded", [False, True])
async def test_a_channel_that_is_wanted_again_as_soon_as_it_is_left_keeps_nobody_waiting(
    servers: Settings, sharded: bool
) -> None:
    name, looks = uuid4().hex, 10
    async with a_bus(servers.redis_url, [], sharded=sharded) as bus:
        await bus.subscribe(name)
        began = time.monotonic()
        for _ in range(looks):
            await bus.unsubscribe(name)
            await bus.subscribe(name)
        assert time.monotonic() - began < looks * SUBSCRIBE_SECONDS / 2


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("ending", ["cut", "fall_silent"])
async def test_after_redis_was_away_everything_wanted_meanwhile_is_heard_again(
    servers: Settings, ending: str, sharded: bool
) -> None:
    there, heard = Path(unquote(urlsplit(servers.redis_url).path)), list[tuple[str, bytes]]()
    name = uuid4().hex
    async with wire_to(there) as (wire, directory):
        url = servers.redis_url.replace(there.parent.as_posix(), directory.as_posix())
        async with (
            a_bus(url, heard, sharded=sharded) as bus,
            Redis.from_url(servers.redis_url, decode_responses=True) as redis,
        ):
            await bus.subscribe(f"{name}:before")
            await bus.subscribe(f"{name}:left")
            getattr(wire, ending)()
            await until(lambda: not bus.healthy)
            await bus.subscribe(f"{name}:meanwhile")
            await bus.unsubscribe(f"{name}:left")
            await bus.publish({f"{name}:before": b"lost"})
            wire.mend()
            await until(lambda: bus.healthy)
            async with asyncio.timeout(SECONDS):
                while await listened_to(redis, name) != {f"{name}:before", f"{name}:meanwhile"}:
                    await asyncio.sleep(0.01)
            for channel in ("before", "meanwhile", "left"):
                await publish(redis, f"{name}:{channel}", b"news", sharded=sharded)
            await until(lambda: len(heard) >= 2)
    assert sorted(heard) == [(f"{name}:before", b"news"), (f"{name}:meanwhile", b"news")]


@pytest.mark.parametrize("sharded", [False, True])
async def test_thousands_of_days_are_subscribed_to_again_at_once(servers: Settings, sharded: bool) -> None:
    name, many = uuid4().hex, 10_000
    there = Path(unquote(urlsplit(servers.redis_url).path))
    async with wire_to(there) as (wire, directory), Redis.from_url(servers.redis_url, decode_responses=True) as redis:
        url = servers.redis_url.replace(there.parent.as_posix(), directory.as_posix())
        async with a_bus(url, [], sharded=sharded) as bus:
            await asyncio.gather(*(bus.subscribe(f"{name}:{number}") for number in range(many)))
            wire.cut()
            await until(lambda: not bus.healthy)
            wire.mend()
            await until(lambda: bus.healthy)
            async with asyncio.timeout(SECONDS):
                while len(await listened_to(redis, name)) < many:
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize("sharded", [False, True])
async def test_redis_may_go_while_thousands_of_days_are_being_subscribed_to(servers: Settings, sharded: bool) -> None:
    name, many = uuid4().hex, 10_000
    there = Path(unquote(urlsplit(servers.redis_url).path))
    async with wire_to(there) as (wire, directory), Redis.from_url(servers.redis_url, decode_responses=True) as redis:
        url = servers.redis_url.replace(there.parent.as_posix(), directory.as_posix())
        async with a_bus(url, [], sharded=sharded) as bus:
            wire.fall_silent()
            coming = asyncio.gather(*(bus.subscribe(f"{name}:{number}") for number in range(many)))
            await asyncio.sleep(0.1)
            wire.cut()
            wire.mend()
            await coming
            async with asyncio.timeout(SECONDS):
                while len(await listened_to(redis, name)) < many:
                    await asyncio.sleep(0.05)


async def test_a_flood_of_messages_leaves_turns_to_everybody_else(servers: Settings) -> None:
    name, flood, turns, heard = uuid4().hex, 300, 0, list[tuple[str, bytes]]()
    async with a_bus(servers.redis_url, heard, seconds=0.001) as bus, Redis.from_url(servers.redis_url) as redis:
        await bus.subscribe(name)
        pipeline = redis.pipeline(transaction=False)
        for _ in range(flood):
            pipeline.publish(name, b"news")
        await pipeline.execute()
        async with asyncio.timeout(SECONDS):
            while len(heard) < flood:
                await asyncio.sleep(0)
                turns += 1
    assert turns > flood / 10


async def test_a_process_that_cannot_publish_goes_on_within_its_budget(servers: Settings) -> None:
    there = Path(unquote(urlsplit(servers.redis_url).path))
    async with wire_to(there) as (wire, directory):
        url = servers.redis_url.replace(there.parent.as_posix(), directory.as_posix())
        async with a_bus(url, []) as bus:
            wire.fall_silent()
            async with asyncio.timeout(1):  # four times the budget, for a busy machine
                await bus.publish({"anything": b""})
                await bus.publish({"anything": b""})
            assert not bus.healthy


@pytest.mark.parametrize("sharded", [False, True])
async def test_what_is_published_at_the_same_time_goes_together_and_arrives_in_order(
    servers: Settings, sharded: bool
) -> None:
    name, heard, messages = uuid4().hex, list[tuple[str, bytes]](), [b"%d" % number for number in range(200)]
    async with (
        a_bus(servers.redis_url, heard, sharded=sharded) as bus,
        Redis.from_url(servers.redis_url, decode_responses=True) as redis,
    ):
        await bus.subscribe(name)
        before = (await redis.info("stats"))["total_reads_processed"]
        await asyncio.gather(*(bus.publish({name: each}) for each in messages))
        reads = (await redis.info("stats"))["total_reads_processed"] - before
        await until(lambda: len(heard) == len(messages))
    assert heard == [(name, each) for each in messages]
    assert reads < len(messages) / 4


async def test_a_message_that_redis_refuses_costs_no_other_one(servers: Settings) -> None:
    name, heard = uuid4().hex, list[tuple[str, bytes]]()
    rights = (f"setuser {name} on >secret +@all resetchannels &echo:* &{name}").split()
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.execute_command("ACL", *rights)
        try:
            url = urlsplit(servers.redis_url)
            limited = url._replace(netloc=f"{name}:secret@{url.netloc.rpartition('@')[2]}").geturl()
            async with a_bus(limited, heard) as bus:
                await bus.subscribe(name)
                await asyncio.gather(*(bus.publish({channel: b"news"}) for channel in (name, "forbidden", name)))
                await until(lambda: len(heard) == 2)
                assert not bus.healthy  # until it hears itself
                await until(lambda: bus.healthy)
                await bus.publish({name: b"news"})
                await until(lambda: len(heard) == 3)
        finally:
            await redis.execute_command("ACL", "deluser", name)


async def test_what_nobody_waits_for_any_more_is_not_sent_when_redis_is_back(servers: Settings) -> None:
    there, name, heard = Path(unquote(urlsplit(servers.redis_url).path)), uuid4().hex, list[tuple[str, bytes]]()
    async with wire_to(there) as (wire, directory):
        url = servers.redis_url.replace(there.parent.as_posix(), directory.as_posix())
        async with a_bus(servers.redis_url, heard) as listener, a_bus(url, []) as bus:
            await listener.subscribe(name)
            wire.fall_silent()
            under_way = asyncio.create_task(bus.publish({name: b"under way"}))
            await asyncio.sleep(PUBLISH_SECONDS / 10)
            await bus.publish({name: b"given up"})
            await under_way
            wire.mend()
            await until(lambda: bus.healthy)
            await bus.publish({name: b"new"})
            await until(lambda: (name, b"new") in heard)
    assert (name, b"given up") not in heard
