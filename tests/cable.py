"""The network cable between a browser and a server, in a test's hand: unplugged, plugged in, or without sockets.

Plugged into several servers it is a balancer: each connection goes to the next of them that takes it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK_BYTES = 65536
HEAD_BYTES = 8192


class Cable:
    """A TCP relay at `url`. `plug(server_url)` connects it, `unplug()` cuts every connection and refuses new ones."""

    def __init__(self) -> None:
        self.url = ""
        self._ports: deque[int] = deque()
        self._sockets_pass = True
        self._open: set[tuple[asyncio.StreamWriter, bool]] = set()

    def plug(self, *server_urls: str) -> None:
        self._ports = deque(urlsplit(url).port or 80 for url in server_urls)

    def unplug(self) -> None:
        self._ports.clear()
        self._cut(only_sockets=False)

    def refuse_sockets(self) -> None:
        """HTTP passes; websockets are cut and refused, as by a proxy that does not know them."""
        self._sockets_pass = False
        self._cut(only_sockets=True)

    def allow_sockets(self) -> None:
        self._sockets_pass = True

    def _cut(self, *, only_sockets: bool) -> None:
        for writer, is_socket in self._open:
            if is_socket or not only_sockets:
                writer.transport.abort()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from the browser."""
        head = await reader.read(HEAD_BYTES)
        is_socket = b"upgrade: websocket" in head.lower()
        connected = await self._connected() if self._sockets_pass or not is_socket else None
        if connected is None:
            writer.transport.abort()
            return
        there_reader, there = connected
        there.write(head)
        ends = {(writer, is_socket), (there, is_socket)}
        self._open |= ends
        await asyncio.gather(_pump(reader, there), _pump(there_reader, writer))
        self._open -= ends

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in range(len(self._ports)):
            self._ports.rotate()
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._ports[0])
        return None


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    with suppress(OSError):
        sink.close()
        await sink.wait_closed()


@asynccontextmanager
async def laid_cable() -> AsyncGenerator[Cable]:
    """A cable on a free port, not plugged in yet."""
    cable = Cable()
    relay = await asyncio.start_server(cable.relay, "127.0.0.1", 0)
    cable.url = f"http://127.0.0.1:{relay.sockets[0].getsockname()[1]}"
    async with relay:
        yield cable
        cable.unplug()
