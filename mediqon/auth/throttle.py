"""Attempts are counted, and after a few free ones each further one closes a door for longer, up to a bound.

The counts are in Redis, so that every process knows them, and always in this process too: while Redis is away or silent
the doors stay as closed as this process knows them to be, and no door is ever open for lack of Redis. A door is closed
for seconds, never for good, so a stranger can slow somebody's log-in down but not lock them out.
"""

import asyncio
import logging
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from mediqon.errors import Throttled
from mediqon.redis_hosts import each_host, is_cluster

log = logging.getLogger(__name__)

WINDOW_SECONDS = 900
"""How long attempts are remembered, from the first one on."""
REDIS_SECONDS = 0.25
ANSWER_SECONDS = 0.75
"""In all: a cluster may send us from one server to the next."""
AWAY_SECONDS = 1.0
"""After a failure Redis is not asked for so long."""
REMEMBERED_MAX = 50_000
"""Doors that one process keeps in mind."""
KNOWN_SECONDS = 30 * 24 * 3600

LOST = (RedisError, RedisClusterException, OSError, TimeoutError)


class Door(msgspec.Struct, frozen=True):
    """What attempts count for. `free`: how many cost nothing; the next ones close it 1, 2, 4 … `longest` seconds."""

    name: str
    free: int
    longest: float

    def wait_after(self, attempts: int) -> float:
        """Seconds for which this attempt closes the door."""
        over = attempts - self.free
        return min(2.0 ** min(over - 1, 16), self.longest) if over > 0 else 0.0


class _Tally(msgspec.Struct):
    since: float
    attempts: int = 0
    closed_until: float = 0.0


class Throttle:
    """One per process."""

    def __init__(self, redis_url: str, place: str) -> None:
        """`place` names this database on a Redis that several may share."""
        self._redis = _client(redis_url)
        self._prefix = f"mediqon:{place}:throttle"
        self._tallies: dict[str, _Tally] = {}
        self._known: set[str] = set()
        self._away_until = 0.0
        self._asking: set[asyncio.Task[list[Any]]] = set()

    async def stop(self) -> None:
        self._away_until = math.inf  # so that nobody asks any more
        await asyncio.gather(*self._asking, return_exceptions=True)
        with suppress(*LOST):  # a silent Redis never answers the goodbye of TLS
            await self._redis.aclose()

    async def refuse_closed(self, *doors: Door) -> None:
        """Raises Throttled while any of these is closed."""
        now = time.monotonic()
        waits = [tally.closed_until - now for door in doors if (tally := self._tallies.get(door.name))]
        answers = await self._ask([("pttl", f"{self._prefix}:closed:{door.name}") for door in doors])
        waits += [answer / 1000 for answer in answers]
        if (longest := max(waits, default=0)) > 0:
            raise Throttled(longest)

    async def count(self, *doors: Door) -> None:
        """One more attempt at each of these."""
        here = [self._count_here(door) for door in doors]
        commands: list[tuple[Any, ...]] = []
        for door in doors:
            key = f"{self._prefix}:count:{door.name}"
            commands += [("set", key, 0, "EX", WINDOW_SECONDS, "NX"), ("incr", key)]
        everywhere = (await self._ask(commands))[1::2] or here
        closing = [(door, door.wait_after(max(pair))) for door, *pair in zip(doors, here, everywhere, strict=True)]
        await self._ask(
            [("set", f"{self._prefix}:closed:{door.name}", 1, "PX", int(wait * 1000)) for door, wait in closing if wait]
        )

    def count_unshared(self, door: Door, most: int) -> bool:
        """One more attempt that only this process counts; False, and not counted, once it has counted `most`."""
        tally = self._tallies.get(door.name)
        if tally and tally.attempts >= most and time.monotonic() - tally.since <= WINDOW_SECONDS:
            return False
        self._count_here(door)
        return True

    async def remember(self, name: str, *forgiven: Door) -> None:
        """This one is known from now on, and what was counted at these doors is forgiven."""
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        self._known.add(name)
        for door in forgiven:
            self._tallies.pop(door.name, None)
        keys = [f"{self._prefix}:{kind}:{door.name}" for door in forgiven for kind in ("count", "closed")]
        known = ("set", f"{self._prefix}:known:{name}", 1, "EX", KNOWN_SECONDS)
        await self._ask([known, *(("del", key) for key in keys)])

    async def knows(self, name: str) -> bool:
        """Whether it was remembered within KNOWN_SECONDS."""
        return name in self._known or any(await self._ask([("exists", f"{self._prefix}:known:{name}")]))

    def _count_here(self, door: Door) -> int:
        now = time.monotonic()
        tally = self._tallies.get(door.name)
        if tally is None or now - tally.since > WINDOW_SECONDS:
            self._make_room(now)
            tally = self._tallies[door.name] = _Tally(now)
        tally.attempts += 1
        tally.closed_until = now + door.wait_after(tally.attempts)
        return tally.attempts

    def _make_room(self, now: float) -> None:
        """Forgets what is over, and the oldest half when that is not enough."""
        if len(self._tallies) < REMEMBERED_MAX:
            return
        living = [(name, tally) for name, tally in self._tallies.items() if now - tally.since <= WINDOW_SECONDS]
        self._tallies = dict(living[-REMEMBERED_MAX // 2 :])

    async def _ask(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """The answers of Redis; none when it is away. Also for whoever hangs up: no connection is left half made."""
        commands = list(commands)
        if not commands or time.monotonic() < self._away_until:
            return []
        asking = asyncio.create_task(self._answers(commands), name="throttle")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return await asyncio.shield(asking)

    async def _answers(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                pipeline = self._redis.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()
        except LOST as error:
            self._away_until = max(self._away_until, time.monotonic() + AWAY_SECONDS)
            log.warning("Redis is away, each process counts attempts for itself: %r", error)
            return []


def _client(url: str) -> Redis | RedisCluster:
    options: dict[str, Any] = {
        "socket_connect_timeout": REDIS_SECONDS,
        "socket_timeout": REDIS_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
    }
    if not is_cluster(url):
        return Redis.from_url(url, **options)
    first, *others = each_host(url)
    also = [ClusterNode(urlsplit(other).hostname or "", urlsplit(other).port or 6379) for other in others]
    return RedisCluster.from_url(first, startup_nodes=also, **options)
