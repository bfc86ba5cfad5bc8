"""The live picture of this process: hub, bus and database together. `publish` is the only way a change gets out."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta

import msgspec

from mediqon.database import LOST, Pool, reading, snapshot, statements
from mediqon.errors import NotFound
from mediqon.fields import ID_MAX
from mediqon.hospitals.calendar import find_practice
from mediqon.hospitals.slots import local_day
from mediqon.live.bus import Bus
from mediqon.live.channels import Close, TokenView, day_channel
from mediqon.live.hub import Hub, Topic, Watcher
from mediqon.live.traffic import TRAFFIC
from mediqon.queues import days
from mediqon.queues.memory import Memory
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.views import token_view

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
TICK_SECONDS = 30.0
KEEP_UNWATCHED = timedelta(minutes=1)
STALE_SECONDS = 5.0
"""Older than this since the last comparison with the database, and what we show is called stale."""


async def every(seconds: float, work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Does the work again and again, whatever becomes of it: a lost database is waited for, anything else is logged."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except LOST as error:
            log.warning("the database is away: %r", error)
        except Exception:
            log.exception("regular work failed")


class Feed:
    """Watches days for sockets and readers, and sends changes out. One per process."""

    def __init__(self, pool: Pool, redis_url: str, installation: str, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._installation = installation
        self._hub = Hub()
        self._bus = Bus(redis_url, installation, self._hear)
        self.known = Memory()
        self._loading: dict[DayKey, asyncio.Task[Topic]] = {}
        self._zones: dict[int, str] = {}
        self._displays: dict[str, set[Watcher]] = {}
        self._verified = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._bus.start()
        self._tasks = [
            asyncio.create_task(every(SWEEP_SECONDS, self._sweep), name="version sweep"),
            asyncio.create_task(every(TICK_SECONDS, self._tick), name="tick"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._bus.stop()

    @property
    def redis_healthy(self) -> bool:
        return self._bus.healthy

    @property
    def age(self) -> float:
        """Seconds since everything shown here was last known to be what the database holds."""
        return round(time.monotonic() - self._verified, 1)

    async def publish(self, facts: Facts) -> None:
        """Sends a day's new state to every screen: here at once, elsewhere over Redis. Call it after commit."""
        self.known.keep(facts)
        self._take(facts)
        await self._bus.publish(day_channel(self._installation, facts.key), msgspec.msgpack.encode(facts))

    async def publish_today(self, doctor_id: int) -> None:
        """Sends today's state after a change that was not made in the line, such as another room."""
        today = await self.today(doctor_id)
        async with snapshot(self._pool) as conn:
            facts = await days.look(conn, today)
        await self.publish(facts)

    async def publish_hospital(self, doctor_ids: Sequence[int]) -> None:
        """Sends today's state of all these doctors after a change of their hospital, its timezone included."""
        for doctor_id in doctor_ids:
            self._zones.pop(doctor_id, None)
        for doctor_id in doctor_ids:
            await self.publish_today(doctor_id)

    async def today(self, doctor_id: int) -> DayKey:
        """The doctor's present day. Raises NotFound."""
        if doctor_id > ID_MAX:
            raise NotFound
        if doctor_id not in self._zones:
            async with reading(self._pool) as conn:
                self._zones[doctor_id] = (await find_practice(conn, doctor_id)).timezone
        return DayKey(doctor_id, local_day(self._clock(), self._zones[doctor_id]))

    async def topic(self, key: DayKey) -> Topic:
        """The day from memory; the first look at it reads the database, once for all who ask meanwhile."""
        topic = self._hub.topic(key)
        if topic is None:
            topic = await asyncio.shield(self._load(key))
        topic.used_at = self._clock()
        return topic

    async def token(self, code: str) -> TokenView:
        """What the holder of a public code sees. Raises NotFound."""
        key = self._hub.day_of(code) or await self._find_code(code)
        topic = await self.topic(key)
        visit = topic.codes.get(code)
        if visit is None:
            raise NotFound("There is no such token.")
        return token_view(topic.outlook, visit, stale=self.age > STALE_SECONDS)

    async def _find_code(self, code: str) -> DayKey:
        async with reading(self._pool) as conn:
            row = None if "\x00" in code else await conn.fetchrow(statements("appointments").find_code, code)
        if row is None:
            raise NotFound("There is no such token.")
        return DayKey(*row)

    async def watch(self, doctor_id: int, audience: str, watcher: Watcher) -> None:
        """Sends the current frame of the doctor's present day to `watcher`, then each new one until `unwatch`."""
        topic = await self.topic(await self.today(doctor_id))
        topic.watchers[audience].add(watcher)
        watcher.deliver(doctor_id, topic.frame(audience).bytes)

    def unwatch(self, doctor_id: int, audience: str, watcher: Watcher) -> None:
        for key, topic in self._hub.topics():
            if key.doctor_id == doctor_id:
                topic.watchers[audience].discard(watcher)

    async def watch_display(self, key: str, watcher: Watcher) -> list[int]:
        """The doctors on a display; its watcher is closed when the key is revoked. Raises NotFound."""
        async with reading(self._pool) as conn:
            row = None if "\x00" in key else await conn.fetchrow(statements("hospitals").find_display, key)
        if row is None:
            raise NotFound
        self._displays.setdefault(key, set()).add(watcher)
        return row["doctor_ids"]

    def unwatch_display(self, key: str, watcher: Watcher) -> None:
        watchers = self._displays.get(key, set())
        watchers.discard(watcher)
        if not watchers:
            self._displays.pop(key, None)

    async def revoke_display(self, key: str) -> None:
        """Closes the sockets of a display whose key is no longer good; other processes notice with their next sweep."""
        for watcher in self._displays.pop(key, set()):
            watcher.close(Close.NO_SUCH_QUEUE)

    def _load(self, key: DayKey) -> asyncio.Task[Topic]:
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._read(key), name=f"load {key}")
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        return task

    async def _read(self, key: DayKey) -> Topic:
        """Subscribes before it reads, so that no change falls in between."""
        channel = day_channel(self._installation, key)
        await self._bus.subscribe(channel)
        try:
            async with snapshot(self._pool) as conn:
                return self._hub.accept(await days.look(conn, key), self._clock())
        except BaseException:
            await self._bus.unsubscribe(channel)
            raise

    def _hear(self, channel: str, payload: bytes) -> None:
        try:
            facts = msgspec.msgpack.decode(payload, type=Facts)
        except msgspec.DecodeError as error:
            log.warning("unreadable message on %s: %s", channel, error)
            return
        self._take(facts)

    def _take(self, facts: Facts) -> None:
        """Keeps the state of a day that is held here or just being read; others are read when somebody looks."""
        if self._hub.topic(facts.key) is not None or facts.key in self._loading:
            self._hub.accept(facts, self._clock())

    async def _tick(self) -> None:
        self._hub.tick(self._clock())

    async def _sweep(self) -> None:
        """Compares what is watched with the database, turns to a new day, forgets what nobody looks at."""
        asked = time.monotonic()
        held = [key for key, _ in self._hub.topics()]
        rows = await self._pool.fetch(
            statements("queues").versions, [key.doctor_id for key in held], [key.day for key in held]
        )
        for doctor_id, day, version in rows:
            topic = self._hub.topic(DayKey(doctor_id, day))
            if topic is not None and version > topic.facts.version:
                await self._repair(topic.facts.key)
        self._verified = asked
        await self._sweep_displays()
        await self._sweep_zones()
        await self._turn_days()
        await self._forget_unwatched()

    async def _repair(self, key: DayKey) -> None:
        TRAFFIC.repairs += 1
        async with snapshot(self._pool) as conn:
            self._hub.accept(await days.look(conn, key), self._clock())

    async def _sweep_displays(self) -> None:
        if not self._displays:
            return
        keys = list(self._displays)
        rows = await self._pool.fetch(statements("hospitals").living_displays, keys)
        for key in set(keys) - {row["key"] for row in rows}:
            await self.revoke_display(key)

    async def _sweep_zones(self) -> None:
        """Another process may have been told of a hospital's new timezone."""
        for doctor_id, timezone in await self._pool.fetch(statements("hospitals").zones, list(self._zones)):
            self._zones[doctor_id] = timezone

    async def _turn_days(self) -> None:
        """At the hospital's midnight, moves those who watch yesterday to today; after a change of timezone, any day."""
        for key, topic in self._hub.topics():
            if not topic.watched:
                continue
            today = await self.today(key.doctor_id)
            if today.day != key.day:
                following = await self.topic(today)
                for audience, watchers in topic.watchers.items():
                    following.watchers[audience] |= watchers
                    for watcher in tuple(watchers):
                        watcher.deliver(key.doctor_id, following.frame(audience).bytes)
                    watchers.clear()

    async def _forget_unwatched(self) -> None:
        now = self._clock()
        for key, topic in self._hub.topics():
            if not topic.watched and now - topic.used_at > KEEP_UNWATCHED:
                self._hub.forget(key)
                await self._bus.unsubscribe(day_channel(self._installation, key))
