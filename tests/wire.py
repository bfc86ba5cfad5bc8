"""The wire between a server and its PostgreSQL or Redis, in a test's hand: cut, silent, or whole."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

CHUNK_BYTES = 65536


class Wire:
    """A relay from a unix socket of its own to the one of the real server."""

    def __init__(self, there: Path) -> None:
        self.there = there
        self._flows = asyncio.Event()
        self._flows.set()
        self._whole = True
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Every connection breaks and new ones break at once, as when the server has died."""
        self._whole = False
        for writer in self._open:
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Connections stay and are accepted, but no byte passes, as when the server is frozen."""
        self._flows.clear()

    def mend(self) -> None:
        self._whole = True
        self._flows.set()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        try:
            there_reader, there = await asyncio.open_unix_connection(self.there)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there}
        await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        self._open -= {writer, there}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                sink.write(chunk)
                await sink.drain()
        with suppress(OSError):
            sink.close()
            await sink.wait_closed()


@asynccontextmanager
async def wire_to(there: Path) -> AsyncGenerator[tuple[Wire, Path]]:
    """A whole wire, and the directory in which its socket has the name of the real one."""
    wire = Wire(there)
    with tempfile.TemporaryDirectory(prefix="mqw") as directory:
        relay = await asyncio.start_unix_server(wire.relay, Path(directory) / there.name)
        try:
            yield wire, Path(directory)
        finally:
            wire.mend()
            wire.cut()
            relay.close()
