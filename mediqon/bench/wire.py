"""HTTP and websockets by hand, as bytes: a client must cost far less than the server it measures."""

import json
import socket
import struct
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

Address = tuple[str, int]

CONNECT_S = 10.0
SOCKETS_PER_SOURCE = 100
"""So many connections come from each address: below what the server grants to one, and no port runs out."""
IP_BIND_ADDRESS_NO_PORT = 24
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NO_MASK = bytes(4)
SHORT_MAX, MEDIUM = 125, 126

_opened = count()


class Answer(NamedTuple):
    """One complete HTTP answer."""

    status: int
    head: bytes
    body: bytes


def dial(address: Address) -> socket.socket:
    """A connection from an address of 127.0.0.0/8 that few others share. Raises OSError."""
    number = next(_opened) // SOCKETS_PER_SOURCE
    source = f"127.{1 + number // 62500 % 254}.{number // 250 % 250}.{1 + number % 250}"
    connection = socket.socket()
    connection.settimeout(CONNECT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    connection.bind((source, 0))
    connection.connect(address)
    connection.setblocking(True)
    return connection


def request(method: str, path: str, *, token: str = "", body: Any = None, etag: str = "") -> bytes:
    """A whole HTTP request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(content)}"]
    lines += [f"Authorization: Bearer {token}"] * bool(token) + [f"If-None-Match: {etag}"] * bool(etag)
    lines += ["Content-Type: application/json"] * bool(content)
    return "\r\n".join([*lines, "", ""]).encode() + content


def upgrade(path: str) -> bytes:
    """The request that opens a websocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def answer(received: bytes) -> Answer | None:
    """The answer in what has been received; None while it is not complete. Raises ValueError without a length."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    status, head = int(received[9:12]), received[:end]
    length = 0 if status in {204, 304} else int(header(head, b"content-length"))
    return Answer(status, head, received[end + 4 :]) if len(received) >= end + 4 + length else None


def header(head: bytes, name: bytes) -> bytes:
    """A header's value. Raises ValueError when it is missing."""
    start = head.lower().index(b"\r\n" + name + b":") + len(name) + 3
    return head[start:].partition(b"\r\n")[0].strip()


class Frame(NamedTuple):
    """Where one websocket frame lies in what was received: `start` to `stop`, its payload from `body`."""

    opcode: int
    start: int
    body: int
    stop: int


def frames(received: bytes) -> Iterator[Frame]:
    """The complete frames in it."""
    start = 0
    while len(received) >= start + 2:
        length, body = received[start + 1] & 127, start + 2
        if length > SHORT_MAX:
            form, size = ("!H", 2) if length == MEDIUM else ("!Q", 8)
            if len(received) < body + size:
                return
            (length,), body = struct.unpack_from(form, received, body), body + size
        if len(received) < body + length:
            return
        yield Frame(received[start] & 15, start, body, body + length)
        start = body + length


def pong(payload: bytes) -> bytes:
    """The answer to a ping; masked with zeros, which is legal and free."""
    return bytes([128 | PONG, 128 | len(payload)]) + NO_MASK + payload
