"""What uvicorn speaks to websockets with: ones that the application can let go of.

An application finds `DETACH` among the extensions of its scope. Called after the accept, it hands the socket to a
`Line` and the application returns: no task, scope or coroutine remains for that client. This is no general websocket
server: an application may refuse, or accept and detach; messages are for lines.
"""

import asyncio
import base64
import binascii
import hashlib
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

from uvicorn import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from mediqon.live.channels import Close
from mediqon.live.frames import close_frame
from mediqon.live.lines import Line

log = logging.getLogger(__name__)

DETACH = "mediqon.detach"
Detach: TypeAlias = Callable[[Line, Callable[[], None]], None]
Headers: TypeAlias = list[tuple[bytes, bytes]]
Message: TypeAlias = dict[str, Any]

VERSION = b"13"
KEY_BYTES = 16
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FAILED = 1011


class Handshake(asyncio.Protocol):
    """One websocket from its request until the application has refused it, or accepted and detached it."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._config, self._server, self._app_state = config, server_state, app_state
        self._asked = False
        self._accepted = False
        self._gone = asyncio.Event()
        self._reply = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._connections.add(self)

    @property
    def _connections(self) -> set[asyncio.BaseProtocol]:
        return self._server.connections  # pyright: ignore[reportReturnType]

    def data_received(self, data: bytes) -> None:
        """The request, which uvicorn has parsed once and wrote anew. Nothing more is read until a line takes over."""
        self._transport.pause_reading()
        method, target, headers = _request(data)
        self._reply, refusal = _answer(method, headers)
        if refusal is not None:
            self._refuse(refusal)
            return
        scope = self._scope(target, headers)
        task = asyncio.get_running_loop().create_task(self._run(scope), name="websocket handshake")
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _scope(self, target: bytes, headers: Headers) -> Message:
        path, _, query = target.partition(b"?")
        offered = [value for name, value in headers if name == b"sec-websocket-protocol"]
        root = self._config.root_path
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self._transport) else "ws",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "root_path": root,
            "path": root + unquote(path.decode("latin-1")),
            "raw_path": root.encode() + path,
            "query_string": query,
            "headers": headers,
            "subprotocols": [each.strip() for value in offered for each in value.decode("latin-1").split(",")],
            "state": self._app_state.copy(),
            "extensions": {DETACH: self._detach},
        }

    async def _run(self, scope: Message) -> None:
        try:
            app = cast("Callable[..., Awaitable[None]]", self._config.loaded_app)
            await app(scope, self._receive, self._send)
        except Exception:
            log.exception("unexpected error in %s", scope["path"])
            self._fail()
        if self._transport.get_protocol() is self and not self._transport.is_closing():
            self._fail()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "websocket.connect"}
        await self._gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def _send(self, message: Message) -> None:
        if self._transport.is_closing():
            return
        if message["type"] == "websocket.accept":
            self._accept(message.get("subprotocol"), message.get("headers", ()))
        elif message["type"] == "websocket.close":
            self._hang_up(message.get("code", 1000), message.get("reason") or "")
        else:
            raise RuntimeError(f"{message['type']} before the socket was detached")

    def _accept(self, subprotocol: str | None, headers: Headers) -> None:
        more = [*headers, *([(b"sec-websocket-protocol", subprotocol.encode())] if subprotocol else [])]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in more)
        self._transport.write(self._reply + lines + b"\r\n")
        self._accepted = True

    def _hang_up(self, code: int, reason: str) -> None:
        if self._accepted:
            self._transport.write(close_frame(code, reason))
            self._transport.close()
        else:
            self._refuse(HTTPStatus.FORBIDDEN)

    def _refuse(self, status: HTTPStatus) -> None:
        version = b"sec-websocket-version: " + VERSION + b"\r\n" if status is HTTPStatus.UPGRADE_REQUIRED else b""
        self._transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n".encode()
            + version
            + b"\r\n"
        )
        self._transport.close()

    def _fail(self) -> None:
        if self._accepted:
            self._hang_up(FAILED, "")
        else:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _detach(self, line: Line, leave: Callable[[], None]) -> None:
        if self._gone.is_set():
            leave()
            return
        self._connections.discard(self)
        line.attach(self._transport, self._connections, leave)

    def shutdown(self) -> None:
        """The server restarts."""
        self._hang_up(Close.RESTART, "")

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._gone.set()


def _request(data: bytes) -> tuple[bytes, bytes, Headers]:
    first, *rest = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    headers: Headers = []
    for line in rest:
        name, _, value = line.partition(b": ")
        headers.append((name.lower(), value))
    return method, target, headers


def _answer(method: bytes, headers: Headers) -> tuple[bytes, HTTPStatus | None]:
    """How an accept would begin, or why there can be none (RFC 6455, section 4.2)."""
    asked = dict(headers)
    if asked.get(b"sec-websocket-version") != VERSION:
        return b"", HTTPStatus.UPGRADE_REQUIRED
    key = asked.get(b"sec-websocket-key", b"").strip()
    if method != b"GET" or not _is_key(key):
        return b"", HTTPStatus.BAD_REQUEST
    proof = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
        + proof
        + b"\r\n"
    ), None


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except binascii.Error:
        return False
