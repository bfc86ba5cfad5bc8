"""The days that this process holds: read once, kept up to date over the bus, compared with PostgreSQL every second."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

import msgspec

from mediqon.database import Pool, reading, snapshot, statements
from mediqon.errors import NotFound
from mediqon.fields import ID_MAX
from mediqon.hospitals.calendar import find_practice
from mediqon.hospitals.slots import local_day
from mediqon.live import news
from mediqon.live.channels import day_channel
from mediqon.live.cluster import open_bus
from mediqon.live.fanout import FanOut
from mediqon.live.hub import Hub, Topic
from mediqon.live.traffic import TRAFFIC
from mediqon.queues import days
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.recent import RecentDays

log = logging.getLogger(__name__)

KEEP_UNWATCHED = timedelta(minutes=1)
READS_AT_ONCE = 4
"""Fewer than the pool has connections: a crowd of first looks waits here, and bookings find one free."""
READ_SECONDS = 10.0
"""For one's turn and the reading."""


class Memory:
    """Days by key. Whoever asks for one that is not here waits until it has been read, once for all who ask."""

    def __init__(self, pool: Pool, redis_url: str, installation: str, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._installation = installation
        self._fan_out = FanOut()
        self.hub = Hub(self._fan_out.send)
        self._bus = open_bus(redis_url, installation, self._hear)
        self._recent = RecentDays()
        self._loading: dict[DayKey | int, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._zones: dict[int, str] = {}
        self.verified = time.monotonic()
        """When everything here was last known to be what the database holds."""

    def start(self) -> None:
        self._bus.start()

    async def stop(self) -> None:
        await self._bus.stop()
        await self._fan_out.stop()

    @property
    def redis_healthy(self) -> bool:
        return self._bus.healthy

    @property
    def redis_seconds(self) -> float:
        return self._bus.seconds

    async def publish(self, *changed: Facts) -> None:
        """Takes in the new states of days here at once, elsewhere over Redis."""
        for facts in changed:
            self._recent.keep(facts)
            self._take(facts)
        await self._bus.publish({self._channel(facts.key): self._told(facts) for facts in changed})

    def _told(self, facts: Facts) -> bytes:
        """What others are told: with the public frame, where screens of this process have just had it drawn."""
        topic = self.hub.topic(facts.key)
        frame = topic.drawn if topic and topic.version == facts.version else None
        return news.tell(facts, topic.now, frame.bytes) if topic and frame else news.tell(facts)

    def known(self, key: DayKey) -> Facts | None:
        """The latest this process has seen of a day, which others may have changed since."""
        topic, recent = self.hub.topic(key), self._recent(key)
        return topic.facts if topic and (recent is None or topic.version > recent.version) else recent

    def where(self, visit_id: int) -> DayKey | None:
        """The day on which this process last saw a visit, if it has; it may have gone elsewhere since."""
        return self._recent.where(visit_id)

    async def today(self, doctor_id: int) -> DayKey:
        """The doctor's present day. Raises NotFound."""
        if doctor_id > ID_MAX:
            raise NotFound
        while (zone := self._zones.get(doctor_id)) is None:
            await self._once(doctor_id, lambda: self._read_zone(doctor_id))
        return DayKey(doctor_id, local_day(self._clock(), zone))

    def forget_zones(self, doctor_ids: Iterable[int]) -> None:
        """Their hospital may have moved its clock."""
        for doctor_id in doctor_ids:
            self._zones.pop(doctor_id, None)

    async def shown(self, key: DayKey) -> Topic:
        """The day as screens show it now: milliseconds behind what another process wrote, a second without Redis."""
        while (topic := self.held(key)) is None:
            await self._once(key, lambda: self._read(key))
        return topic

    def held(self, key: DayKey, now: datetime | None = None) -> Topic | None:
        """The same, if the day is here already."""
        topic = self.hub.topic(key)
        if topic is not None:
            topic.used_at = now or self._clock()
        return topic

    def held_today(self, doctor_id: int) -> Topic | None:
        """The doctor's present day, if it is here already."""
        zone, now = self._zones.get(doctor_id), self._clock()
        return self.held(DayKey(doctor_id, local_day(now, zone)), now) if zone else None

    async def current(self, key: DayKey) -> Topic:
        """The day for somebody who may just have changed it, at another process perhaps, and looks again."""
        topic = await self.shown(key)
        if not self._bus.healthy:
            await self._compare([key])
        return topic

    async def _once(self, key: DayKey | int, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Does the work once for all who ask meanwhile."""
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(work(), name=f"load {key}")
            task.add_done_callback(lambda _: self._loading.pop(key, None))
        await asyncio.shield(task)

    async def _read_zone(self, doctor_id: int) -> None:
        async with self._turn(), reading(self._pool) as conn:
            self._zones[doctor_id] = (await find_practice(conn, doctor_id)).timezone

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        async with asyncio.timeout(READ_SECONDS), self._turns:
            yield

    async def _read(self, key: DayKey) -> None:
        """Subscribes before it reads, so that no change falls in between."""
        channel = self._channel(key)
        await self._bus.subscribe(channel)
        try:
            await self._repair(key)
        except BaseException:
            topic = self.hub.topic(key)  # it may have been published meanwhile, and somebody may watch it already
            if topic is None or not topic.watched:
                self.hub.forget(key)
                await self._bus.unsubscribe(channel)
            raise

    async def _repair(self, key: DayKey) -> None:
        async with self._turn(), snapshot(self._pool) as conn:
            self.hub.accept(await days.look(conn, key), self._clock())

    def _channel(self, key: DayKey) -> str:
        return day_channel(self._installation, key)

    def _hear(self, channel: str, message: bytes) -> None:
        try:
            heard = news.hear(message)
            topic = self.hub.topic(heard.key)
            if topic is None or heard.version > topic.version:
                drawn_at = topic and heard.drawn(topic.now, self._clock())
                if drawn_at:
                    self.hub.hear(heard, drawn_at)
                else:
                    self._take(heard.facts)
        except msgspec.DecodeError as error:
            log.warning("unreadable message on %s: %s", channel, error)

    def _take(self, facts: Facts) -> None:
        """Keeps the state of a day that is held here or just being read; others are read when somebody looks."""
        if self.hub.topic(facts.key) is not None or facts.key in self._loading:
            self.hub.accept(facts, self._clock())

    async def tick(self) -> None:
        """Moves expected times on with the clock, one day at a time; a day that cannot be told stops no other."""
        for key, topic in self.hub.topics():
            try:
                self.hub.tick(topic, self._clock())
            except Exception:
                log.exception("the times of %s stand still", key)
            await asyncio.sleep(0)

    async def sweep(self) -> None:
        """Compares every day held with the database, and reads again what has moved on unheard."""
        asked = time.monotonic()
        await self._compare([key for key, _ in self.hub.topics()])
        self.verified = asked
        await self._sweep_zones()

    async def _compare(self, held: list[DayKey]) -> None:
        async with reading(self._pool) as conn:
            rows = await conn.fetch(
                statements("queues").versions, [key.doctor_id for key in held], [key.day for key in held]
            )
        behind = [DayKey(row["doctor_id"], row["day"]) for row in rows if self._is_behind(*row)]
        TRAFFIC.repairs += len(behind)
        for outcome in await asyncio.gather(*map(self._repair, behind), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _is_behind(self, doctor_id: int, day: date, version: int) -> bool:
        topic = self.hub.topic(DayKey(doctor_id, day))
        return topic is not None and version > topic.version

    async def _sweep_zones(self) -> None:
        """Another process may have been told of a hospital's new timezone."""
        async with reading(self._pool) as conn:
            rows = await conn.fetch(statements("hospitals").zones, list(self._zones))
        for doctor_id, timezone in rows:
            self._zones[doctor_id] = timezone

    async def forget_unwatched(self) -> None:
        """Drops the days that nobody has watched or asked for in a while."""
        now = self._clock()
        for key, topic in self.hub.topics():
            if not topic.watched and now - topic.used_at > KEEP_UNWATCHED:
                self.hub.forget(key)
                await self._bus.unsubscribe(self._channel(key))
