"""A websocket client that says exactly what a test wants, right or wrong, and hears every frame."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

FRAME_SECONDS = 15.0
BUFFER_BYTES = 65536
FIN = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
PROOF = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # for that key, from RFC 6455, section 1.3


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """A frame of a client."""
    size, key = len(payload), MASK
    first = (FIN if fin else 0) | reserved | opcode
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


class Raw:
    """An open connection; `head` is what the server answered to the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.head = reader, writer, b""

    async def ask(self, path: str, *headers: str, method: str = "GET") -> Self:
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: here",
            *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
            f"Sec-WebSocket-Key: {KEY.decode()}",
            *headers,
        ]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        return self

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and what it holds. Raises IncompleteReadError where the server has hung up."""
        async with asyncio.timeout(FRAME_SECONDS):
            first, size = await self.reader.readexactly(2)
            assert first & FIN, "servers do not fragment"
            assert size < 128, "servers do not mask"
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return first & 0x7F, await self.reader.readexactly(size)

    async def next(self, opcode: int) -> bytes:
        """What the next frame of this kind holds."""
        while (found := await self.frame())[0] != opcode:
            pass
        return found[1]

    async def closed(self) -> int:
        """The code it is closed with, once the server has hung up; 1006 where it said nothing, 1005 without a code."""
        code = 1006
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    code = int.from_bytes(payload[:2], "big") if payload else 1005
        except (asyncio.IncompleteReadError, ConnectionError):
            return code


@asynccontextmanager
async def raw(url: str, *, receive_bytes: int = 0, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Raw]:
    """A connection to the server on `url`; `receive_bytes` makes what the kernel takes in for us that small."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
    plain = socket.socket()
    if receive_bytes:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, (host, port))
    reader, writer = await asyncio.open_connection(
        sock=plain, ssl=tls, server_hostname=host if tls else None, limit=receive_bytes or BUFFER_BYTES
    )
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
