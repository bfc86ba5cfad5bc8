"""Redis pub/sub between the processes: fast, and allowed to fail. What it misses, the version sweep finds."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from mediqon.live.channels import echo_channel

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.25
SUBSCRIBE_SECONDS = 0.25
ECHO_EVERY_SECONDS = 1.0
SILENT_SECONDS = 3.0
RECONNECT_SECONDS = (0.1, 2.0)
CONNECT_SECONDS = 2.0

LOST = (RedisError, OSError, TimeoutError)


class Bus:
    """One pub/sub connection per process, supervised; `healthy` says whether it hears itself."""

    def __init__(self, url: str, installation: str, deliver: Callable[[str, bytes], None]) -> None:
        """`deliver(channel, payload)` is called for every message of a subscribed channel and must not raise."""
        self.healthy = False
        self._redis = Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, retry=Retry(NoBackoff(), 0))
        self._deliver = deliver
        self._echo = echo_channel(installation, uuid4().hex)
        self._wanted: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._lock = asyncio.Lock()
        self._heard = 0.0
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._listener = asyncio.create_task(self._listen(), name="bus listener")

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        await self._redis.aclose()

    async def subscribe(self, channel: str) -> None:
        """Returns once Redis confirms, or after SUBSCRIBE_SECONDS: the sweep covers what is missed until it does."""
        confirmed = self._wanted.setdefault(channel, asyncio.Event())
        await self._tell("subscribe", channel)
        with suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_SECONDS if self.healthy else 0):
                await confirmed.wait()

    async def unsubscribe(self, channel: str) -> None:
        if self._wanted.pop(channel, None) is not None:
            await self._tell("unsubscribe", channel)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Hands a message to Redis within its budget. Never raises; not even tried while Redis is away."""
        if not self.healthy:
            return
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._redis.publish(channel, payload)
        except LOST as error:
            self._lose(error)

    async def _tell(self, command: str, channel: str) -> None:
        pubsub = self._pubsub
        if pubsub is None:
            return
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS), self._lock:
                await getattr(pubsub, command)(channel)
        except LOST as error:
            self._lose(error)

    def _lose(self, error: BaseException) -> None:
        if self.healthy:
            log.warning("Redis is away, the version sweep takes over: %r", error)
        self.healthy = False

    async def _listen(self) -> None:
        delay, longest = RECONNECT_SECONDS
        while True:
            try:
                await self._hear()
            except LOST as error:
                self._lose(error)
            except Exception as error:
                log.exception("the bus listener starts over")
                self._lose(error)
            delay = RECONNECT_SECONDS[0] if self._heard else min(delay * 2, longest)
            self._heard = 0.0
            await asyncio.sleep(delay)

    async def _hear(self) -> None:
        """Subscribes to everything wanted and listens until Redis fails or falls silent."""
        async with self._redis.pubsub() as pubsub:
            for confirmed in self._wanted.values():
                confirmed.clear()
            async with asyncio.timeout(CONNECT_SECONDS):
                await pubsub.subscribe(self._echo, *self._wanted)
            self._pubsub = pubsub
            if self._wanted:  # what was asked for while we connected
                async with asyncio.timeout(CONNECT_SECONDS), self._lock:
                    await pubsub.subscribe(*self._wanted)
            beat = asyncio.create_task(self._beat(), name="bus echo")
            try:
                await self._pump(pubsub)
            finally:
                self._pubsub = None
                beat.cancel()

    async def _beat(self) -> None:
        while True:
            with suppress(*LOST):
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._redis.publish(self._echo, b"")
            await asyncio.sleep(ECHO_EVERY_SECONDS)

    async def _pump(self, pubsub: PubSub) -> None:
        heard = time.monotonic()
        while True:
            message = cast(
                "dict[str, Any] | None",
                await pubsub.get_message(ignore_subscribe_messages=False, timeout=ECHO_EVERY_SECONDS),
            )
            if message is None:
                if time.monotonic() - heard > SILENT_SECONDS:
                    raise TimeoutError(f"nothing heard for {SILENT_SECONDS} s")
                continue
            heard = time.monotonic()
            self._take(message["type"], message["channel"].decode(), message["data"])

    def _take(self, kind: str, channel: str, data: Any) -> None:
        if kind == "subscribe" and channel in self._wanted:
            self._wanted[channel].set()
        elif kind == "message" and channel == self._echo:
            self._heard = time.monotonic()
            if not self.healthy:
                log.info("Redis is there")
            self.healthy = True
        elif kind == "message":
            self._deliver(channel, data)
