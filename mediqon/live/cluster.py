"""The bus over a Redis Cluster: sharded pub/sub, so that each message burdens one master and not all of them.

A channel lives on the master that has its slot. Who has which is asked every second, and at once when anything looks
wrong: a slot that moves, a master that dies, a replica that takes its place. The version sweep covers what is missed.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from mediqon.live.bus import LOST, Bus
from mediqon.live.channels import echo_channel
from mediqon.redis_hosts import at, each_host, is_cluster

log = logging.getLogger(__name__)

MAP_EVERY_SECONDS = 1.0
MAP_PAUSE_SECONDS = 0.1
MAP_ANSWER_SECONDS = 0.5

Deliver = Callable[[str, bytes], None]
Slots = dict[str, set[int]]
"""The slots that each master has, by its URL."""


def open_bus(url: str, installation: str, deliver: Deliver) -> "Bus | Cluster":
    """What REDIS_URL asks for: one server, or with several hosts a cluster."""
    process = uuid4().hex
    if is_cluster(url):
        return Cluster(url, installation, process, deliver)
    return Bus(url, echo_channel(installation, process), deliver)


class Shard(Bus):
    """The bus of one master: the sharded commands, each for a single channel, as slots have it."""

    _PUBLISH = "SPUBLISH"

    def __init__(self, url: str, echo: str, deliver: Deliver, doubt: Callable[[], None]) -> None:
        """`doubt()` is called when another master may have some of these channels."""
        super().__init__(url, echo, deliver)
        self.url = url
        self._doubt = doubt
        self._farewells = Counter[str]()

    async def _ask_for_echo(self, pubsub: PubSub) -> None:
        await pubsub.ssubscribe(self._echo)

    async def _ask_for(self, pubsub: PubSub, channels: Sequence[str]) -> None:
        await self._say(pubsub, "SSUBSCRIBE", channels)

    async def _ask_no_more(self, pubsub: PubSub, channels: Sequence[str]) -> None:
        self._farewells.update(channels)
        await self._say(pubsub, "SUNSUBSCRIBE", channels)

    async def _say(self, pubsub: PubSub, command: str, channels: Sequence[str]) -> None:
        """All in one piece: thousands of days are subscribed to again within the budget."""
        connection = cast("Any", pubsub.connection)
        await connection.send_packed_command(connection.pack_commands([(command, channel) for channel in channels]))

    async def _hear(self) -> None:
        self._farewells.clear()
        await super()._hear()

    def _take(self, kind: str, channel: str, data: Any) -> None:
        kind = kind.removeprefix("s")  # ssubscribe, sunsubscribe, smessage
        if kind == "unsubscribe":
            self._part(channel)
        super()._take(kind, channel, data)

    def _part(self, channel: str) -> None:
        """Redis says of itself that a channel is over when its slot has gone to another master."""
        if channel in self._farewells:
            self._farewells[channel] -= 1
            if not self._farewells[channel]:
                del self._farewells[channel]
        else:
            self._told.discard(channel)
            self._changed.add(channel)  # without `_news`: the map may move it; if not, the next beat has it asked for
            self._doubt()

    def _lose(self, error: BaseException) -> None:
        super()._lose(error)
        self._doubt()


class Cluster:
    """A shard for each master, and each wanted channel at the one that has its slot. Is used as a `Bus` is."""

    def __init__(self, url: str, installation: str, process: str, deliver: Deliver) -> None:
        self._hosts = each_host(url)
        self._installation, self._process = installation, process
        self._deliver = deliver
        self._slots: Slots = {}
        self._shards: dict[tuple[str, str], Shard] = {}  # by URL and echo
        self._owners: list[Shard | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._homes: dict[str, Shard | None] = {}  # where each wanted channel is
        self._wanted = Counter[str]()
        self._clients: dict[str, Redis] = {}
        self._doubted = asyncio.Event()
        self._certain = False
        self._mapper: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether every slot has a master, and this process hears itself over each of them."""
        return self._certain and all(shard.healthy for shard in self._shards.values())

    @property
    def seconds(self) -> float:
        """How long the last echo took over the slowest master."""
        return max((shard.seconds for shard in self._shards.values()), default=0.0)

    def start(self) -> None:
        self._mapper = asyncio.create_task(self._keep_map(), name="cluster map")

    async def stop(self) -> None:
        if self._mapper is not None:
            self._mapper.cancel()
            with suppress(asyncio.CancelledError):
                await self._mapper
        await asyncio.gather(*(each.stop() for each in self._shards.values()))
        for each in self._clients.values():
            with suppress(*LOST):
                await each.aclose()

    async def subscribe(self, channel: str) -> None:
        """As that of a `Bus`."""
        self._wanted[channel] += 1
        if channel not in self._homes:
            self._homes[channel] = self._owner(channel)
        if home := self._homes[channel]:
            await home.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        """As that of a `Bus`."""
        self._wanted[channel] -= 1
        home = self._homes[channel]
        if not self._wanted[channel]:
            del self._wanted[channel], self._homes[channel]
        if home is not None:
            await home.unsubscribe(channel)

    async def publish(self, messages: Mapping[str, bytes]) -> None:
        """As that of a `Bus`."""
        shares: dict[Shard, dict[str, bytes]] = {}
        for channel, payload in messages.items():
            if owner := self._owner(channel):
                shares.setdefault(owner, {})[channel] = payload
        await asyncio.gather(*(owner.publish(share) for owner, share in shares.items()))

    def _owner(self, channel: str) -> Shard | None:
        return self._owners[key_slot(channel.encode())]

    def _doubt(self) -> None:
        self._certain = False
        self._doubted.set()

    async def _keep_map(self) -> None:
        while True:
            try:
                if slots := await self._ask_for_map():
                    await self._follow(slots)
                    self._certain = None not in self._owners and not self._doubted.is_set()
            except Exception:
                log.exception("the map of the cluster starts over")
            await asyncio.sleep(MAP_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(MAP_EVERY_SECONDS):
                    await self._doubted.wait()

    async def _ask_for_map(self) -> Slots | None:
        """What the first server that answers says; shards that are well are asked first. None: none answers."""
        self._doubted.clear()
        well = [shard.url for shard in self._shards.values() if shard.healthy]
        others = [shard.url for shard in self._shards.values() if not shard.healthy]
        for url in dict.fromkeys([*well, *self._hosts, *others]):
            try:
                async with asyncio.timeout(MAP_ANSWER_SECONDS):
                    told = cast("Sequence[Any]", await self._client(url).execute_command("CLUSTER SLOTS"))
                    return _slots(url, told)
            except LOST as error:
                log.debug("%s does not tell the map of the cluster: %r", url.rpartition("@")[2], error)
        return None

    def _client(self, url: str) -> Redis:
        if url not in self._clients:
            self._clients[url] = Redis.from_url(
                url, socket_connect_timeout=MAP_ANSWER_SECONDS, socket_timeout=None, retry=Retry(NoBackoff(), 0)
            )
        return self._clients[url]

    async def _follow(self, slots: Slots) -> None:
        """Makes shards and channels agree with the map. A shard whose echo is no longer its own begins anew."""
        if slots == self._slots:
            return
        present = dict(self._shards.keys())
        echoes = {url: self._echo_at(has, present.get(url)) for url, has in slots.items()}
        gone = [self._shards.pop(known) for known in self._shards.keys() - echoes.items()]
        for url, echo in echoes.items() - self._shards.keys():
            self._shards[url, echo] = Shard(url, echo, self._deliver, self._doubt)
            self._shards[url, echo].start()
        self._owners = [None] * REDIS_CLUSTER_HASH_SLOTS
        for url, has in slots.items():
            for slot in has:
                self._owners[slot] = self._shards[url, echoes[url]]
        self._slots = slots
        try:
            await asyncio.gather(*(self._move(channel, gone) for channel in tuple(self._homes)))
        finally:
            await asyncio.gather(*(shard.stop() for shard in gone))

    def _echo_at(self, slots: set[int], present: str | None) -> str:
        """A channel of this process in one of these slots; the present one as long as it is."""
        if present and key_slot(present.encode()) in slots:
            return present
        names = (echo_channel(self._installation, f"{self._process}:{number}") for number in count())
        return next(name for name in names if key_slot(name.encode()) in slots)

    async def _move(self, channel: str, gone: Sequence[Shard]) -> None:
        if channel not in self._homes:
            return
        old, new, times = self._homes[channel], self._owner(channel), self._wanted[channel]
        if old is new:
            return
        self._homes[channel] = new
        for _ in range(times if new else 0):
            await cast("Shard", new).subscribe(channel)
        for _ in range(times if old and old not in gone else 0):
            await cast("Shard", old).unsubscribe(channel)


def _slots(asked: str, told: Sequence[Any]) -> Slots:
    """From the answer to CLUSTER SLOTS: first, last, master, replicas. A server may not know its own host."""
    found: Slots = {}
    for first, last, (host, port, *_), *_ in told:
        url = at(asked, host.decode(), port) if host else asked
        found.setdefault(url, set()).update(range(first, last + 1))
    return found
