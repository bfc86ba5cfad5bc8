"""Redis pub/sub between the processes: fast, and allowed to fail. What it misses, the version sweep finds.

One server is a `Bus`; a Redis Cluster (live/cluster.py) is a `Shard` for each of its masters.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mediqon.live.post import LOST, Post

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 0.25
SUBSCRIBE_SECONDS = 0.25
ECHO_EVERY_SECONDS = 0.5
SILENT_SECONDS = 2.0
RECONNECT_SECONDS = (0.1, 2.0)
CONNECT_SECONDS = 2.0
SLICE_SECONDS = 0.002
"""Of taking in what has arrived at a stretch, before the process does other work."""


class Bus:
    """Two connections per process, to listen and to send, supervised; `healthy` says whether it hears itself."""

    _PUBLISH = "PUBLISH"

    def __init__(self, url: str, echo: str, deliver: Callable[[str, bytes], None]) -> None:
        """`deliver(channel, payload)` is called for every message of a subscribed channel and must not raise.

        `echo`: the channel on which this process hears itself, and nobody else does.
        """
        self.healthy = False
        self.seconds = 0.0
        """How long its last echo took, there and back."""
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,  # bounded here: redis-py's own bound can swallow a cancellation
            retry=Retry(NoBackoff(), 0, supported_errors=()),  # else it connects again before it says what failed
            protocol=2,  # in RESP3 redis-py writes each message out for a log that nobody keeps
        )
        self._post = Post(self._PUBLISH)
        self._deliver = deliver
        self._echo = echo
        self._wanted = Counter[str]()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._told: set[str] = set()  # what the present connection has been asked to subscribe to
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._heard = 0.0
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._listener = asyncio.create_task(self._listen(), name="bus listener")

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        self.healthy = False  # so that nobody publishes any more
        with suppress(*LOST):  # a silent Redis never answers the goodbye of TLS
            await self._redis.aclose()

    async def subscribe(self, channel: str) -> None:
        """Returns once Redis confirms, or after SUBSCRIBE_SECONDS: the sweep covers what is missed until it does.

        Counted: each call wants one `unsubscribe`.
        """
        self._wanted[channel] += 1
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        self._change(channel)
        with suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_SECONDS if self.healthy else 0):
                await confirmed.wait()

    async def unsubscribe(self, channel: str) -> None:
        """The last one of a channel ends its subscription."""
        self._wanted[channel] -= 1
        if not self._wanted[channel]:
            del self._wanted[channel]  # stays confirmed until Redis is told: it may be wanted again before
            self._change(channel)

    async def publish(self, messages: Mapping[str, bytes]) -> None:
        """Hands messages by channel to Redis, all within one budget. Never raises; not tried while Redis is away."""
        if not self.healthy:
            return
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._post.send(messages)
        except LOST as error:
            self._lose(error)

    def _change(self, channel: str) -> None:
        self._changed.add(channel)
        self._news.set()

    async def _tell(self, pubsub: PubSub) -> None:
        """Asks Redis for what has changed since it was last asked, at once for all who came meanwhile.

        Nobody else writes to this connection, and nobody who gives up waiting ends it.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, set()
            more = [channel for channel in changed if channel in self._wanted and channel not in self._told]
            less = [channel for channel in changed if channel not in self._wanted and channel in self._told]
            self._told.update(more)
            self._told.difference_update(less)
            for channel in changed - self._wanted.keys():
                self._confirmed.pop(channel, None)
            if more:
                await self._ask_for(pubsub, more)
            if less:
                await self._ask_no_more(pubsub, less)

    async def _ask_for_echo(self, pubsub: PubSub) -> None:
        await pubsub.subscribe(self._echo)

    async def _ask_for(self, pubsub: PubSub, channels: Sequence[str]) -> None:
        await pubsub.subscribe(*channels)

    async def _ask_no_more(self, pubsub: PubSub, channels: Sequence[str]) -> None:
        await pubsub.unsubscribe(*channels)

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
        """Subscribes to everything wanted, listens and sends until Redis fails or falls silent."""
        async with self._redis.pubsub() as pubsub, aclosing(self._redis.client()) as sender:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._ask_for_echo(pubsub)
                await sender.initialize()
            for confirmed in self._confirmed.values():
                confirmed.clear()
            self._told, self._changed = set(), set(self._confirmed)
            works = (self._tell(pubsub), self._beat(), self._pump(pubsub), self._post.carry(sender.connection))
            tasks = [asyncio.create_task(work) for work in works]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def _beat(self) -> None:
        while True:
            self._news.set()
            with suppress(*LOST):
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._post.send({self._echo: repr(time.monotonic()).encode()})
            await asyncio.sleep(ECHO_EVERY_SECONDS)

    async def _pump(self, pubsub: PubSub) -> None:
        """Reads from the connection itself: `get_message` costs more than everything else that a message does here."""
        read, clock = cast("Any", pubsub.connection).read_response, asyncio.get_running_loop().time
        async with asyncio.timeout(SILENT_SECONDS) as silence:
            begun = clock()
            while True:
                response = await read(timeout=math.inf, disconnect_on_error=False, push_request=True)
                kind, channel, data = response[0].decode(), response[1].decode(), response[2]
                if kind not in PubSub.PUBLISH_MESSAGE_TYPES:
                    await pubsub.handle_message(response)  # its own account of what it is subscribed to
                self._take(kind, channel, data)
                if clock() - begun > SLICE_SECONDS:  # messages that have arrived already are given without a pause
                    # A wait counts too, so whatever arrives after one puts the silence off at once.
                    silence.reschedule(clock() + SILENT_SECONDS)
                    await asyncio.sleep(0)
                    begun = clock()

    def _take(self, kind: str, channel: str, data: Any) -> None:
        if kind == "subscribe" and channel in self._confirmed:
            self._confirmed[channel].set()
        elif kind == "message" and channel == self._echo:
            self._heard = time.monotonic()
            self.seconds = self._heard - float(data)
            if not self.healthy:
                log.info("Redis is there")
            self.healthy = True
        elif kind == "message":
            self._deliver(channel, data)
