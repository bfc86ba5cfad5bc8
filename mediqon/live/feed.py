"""Watching: who sees what, and how a change gets out. `publish` is the only way it does."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime

import msgspec

from mediqon.database import LOST, Pool, reading, snapshot, statements
from mediqon.errors import NotFound, Problem
from mediqon.live.channels import Close, TokenView
from mediqon.live.crowd import Crowd
from mediqon.live.hub import Page, Topic, Watcher
from mediqon.live.lines import Lines
from mediqon.live.memory import Memory
from mediqon.live.traffic import TRAFFIC
from mediqon.queues import days
from mediqon.queues.models import DayKey, Facts

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
TICK_SECONDS = 30.0
LINES_SECONDS = 1.0
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

    def __init__(
        self,
        pool: Pool,
        redis_url: str,
        installation: str,
        clock: Callable[[], datetime],
        *,
        sockets_per_address: int = 1000,
    ) -> None:
        self._pool = pool
        self._memory = Memory(pool, redis_url, installation, clock)
        self._displays: dict[str, set[Watcher]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.lines = Lines(lambda: self.age)
        self.crowd = Crowd(sockets_per_address)

    def start(self) -> None:
        self._memory.start()
        self._tasks = [
            asyncio.create_task(every(SWEEP_SECONDS, self._sweep), name="version sweep"),
            asyncio.create_task(every(TICK_SECONDS, self._memory.tick), name="tick"),
            asyncio.create_task(every(LINES_SECONDS, self.lines.turn), name="keep-alive"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._memory.stop()

    @property
    def redis_healthy(self) -> bool:
        return self._memory.redis_healthy

    @property
    def redis_seconds(self) -> float:
        """How long a message of this process to itself last took over Redis."""
        return self._memory.redis_seconds

    @property
    def age(self) -> float:
        """Seconds since everything shown here was last known to be what the database holds."""
        return round(time.monotonic() - self._memory.verified, 1)

    def known(self, key: DayKey) -> Facts | None:
        """The latest this process has seen of a day, which others may have changed since."""
        return self._memory.known(key)

    def where(self, visit_id: int) -> DayKey | None:
        """The day on which this process last saw a visit, if it has; it may have gone elsewhere since."""
        return self._memory.where(visit_id)

    async def publish(self, *changed: Facts) -> None:
        """Sends the new states of days to every screen: here at once, elsewhere over Redis. Call it after commit."""
        await self._memory.publish(*changed)

    async def publish_today(self, doctor_id: int) -> None:
        """Sends today's state after a change that was not made in the line, such as another room."""
        await self.publish_day(await self.today(doctor_id))

    async def publish_day(self, key: DayKey) -> None:
        """The same for any day, such as after leave."""
        async with snapshot(self._pool) as conn:
            facts = await days.look(conn, key)
        await self.publish(facts)

    async def publish_hospital(self, doctor_ids: Sequence[int]) -> None:
        """Sends today's state of all these doctors after a change of their hospital, its timezone included."""
        self._memory.forget_zones(doctor_ids)
        for doctor_id in doctor_ids:
            await self.publish_today(doctor_id)

    async def today(self, doctor_id: int) -> DayKey:
        """The doctor's present day. Raises NotFound."""
        return await self._memory.today(doctor_id)

    async def topic(self, key: DayKey) -> Topic:
        """The day from memory, for staff: while this process does not hear Redis, compared with the database first."""
        return await self._memory.current(key)

    async def shown(self, doctor_id: int) -> Topic:
        """The doctor's present day from memory, as every screen shows it. Raises NotFound."""
        return await self._memory.shown(await self.today(doctor_id))

    async def token(self, code: str) -> Page:
        """What the holder of a public code sees. Raises NotFound."""
        key = self._memory.hub.day_of(code) or await self._find_code(code)
        topic = await self._memory.shown(key)
        if code not in topic.codes:
            raise NotFound("There is no such token.")
        return topic.page(code, stale=self.age > STALE_SECONDS)

    async def told(self, code: str) -> TokenView:
        """The same as the page that says it without script has it. Raises NotFound."""
        return msgspec.json.decode((await self.token(code)).bytes, type=TokenView)

    def held_queue(self, doctor_id: int) -> Page | None:
        """What `shown` would show, where no waiting is needed for it."""
        topic = self._memory.held_today(doctor_id)
        return topic and topic.public

    def held_list(self, doctor_id: int) -> Topic | None:
        """What `topic` would give of the doctor's present day, where no waiting is needed for it."""
        return self._memory.held_today(doctor_id) if self.redis_healthy else None

    def held_token(self, code: str) -> Page | None:
        """What `token` would answer, where no waiting is needed for it."""
        key = self._memory.hub.day_of(code)
        topic = key and self._memory.held(key)
        return topic.page(code, stale=self.age > STALE_SECONDS) if topic else None

    async def _find_code(self, code: str) -> DayKey:
        async with reading(self._pool) as conn:
            row = None if "\x00" in code else await conn.fetchrow(statements("appointments").find_code, code)
        if row is None:
            raise NotFound("There is no such token.")
        return DayKey(*row)

    async def watch(self, doctor_id: int, audience: str, watcher: Watcher) -> None:
        """Sends the current frame of the doctor's present day to `watcher`, then each new one until `unwatch`."""
        topic = await self.shown(doctor_id)
        topic.audiences[audience].watchers.add(watcher)
        TRAFFIC.frames_sent += 1
        watcher.deliver(doctor_id, topic.audiences[audience].frame)

    def unwatch(self, doctor_id: int, audience: str, watcher: Watcher) -> None:
        self._memory.hub.unwatch(doctor_id, audience, watcher)

    async def watch_display(self, key: str, watcher: Watcher) -> list[int]:
        """The doctors on a display; its watcher is closed when the key is revoked. Raises NotFound."""
        self._displays.setdefault(key, set()).add(watcher)  # before it is looked up: it may be revoked meanwhile
        async with reading(self._pool) as conn:
            row = None if "\x00" in key else await conn.fetchrow(statements("hospitals").find_display, key)
        if row is None:
            raise NotFound
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

    async def _sweep(self) -> None:
        """Compares with the database, turns to a new day, forgets what nobody looks at."""
        await self._memory.sweep()
        await self._sweep_displays()
        await self._turn_days()
        await self._memory.forget_unwatched()

    async def _sweep_displays(self) -> None:
        keys = [key for key in self._displays if "\x00" not in key]
        if keys:
            async with reading(self._pool) as conn:
                rows = await conn.fetch(statements("hospitals").living_displays, keys)
            for key in set(keys) - {row["key"] for row in rows}:
                await self.revoke_display(key)

    async def _turn_days(self) -> None:
        """At the hospital's midnight, moves those who watch yesterday to today; after a change of timezone, any day."""
        hub = self._memory.hub
        for key, topic in hub.topics():
            try:
                if topic.watched and (await self.today(key.doctor_id)).day != key.day:
                    hub.turn(topic, await self.shown(key.doctor_id))
            except Problem:
                log.exception("%s does not turn to the next day", key)
