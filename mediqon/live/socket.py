"""The three live paths: accept, say who is asking, then the current state and every new one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from mediqon import given
from mediqon.auth.access import read_token
from mediqon.auth.models import Actor, Role
from mediqon.database import LOST
from mediqon.errors import Forbidden, NotFound, Problem, Unauthenticated
from mediqon.live.channels import PING, Close, Pong
from mediqon.live.feed import Feed
from mediqon.live.traffic import TRAFFIC

Socket = WebSocket[Any, Any, Any]

SUBPROTOCOL = "mediqon"
BEHIND_SECONDS = 10.0
"""A client that takes no frame for so long is too slow and has to connect anew."""


class Mailbox:
    """What one socket still has to be told: the newest frame of each doctor, nothing older."""

    def __init__(self) -> None:
        self._frames: dict[int, bytes] = {}
        self._code: Close | None = None
        self._filled = asyncio.Event()

    def deliver(self, doctor_id: int, frame: bytes) -> None:
        TRAFFIC.frames_skipped += doctor_id in self._frames
        self._frames[doctor_id] = frame
        self._filled.set()

    def close(self, code: Close) -> None:
        self._code = code
        self._filled.set()

    async def take(self) -> list[bytes] | Close:
        """Waits for news: frames, or the code to close with."""
        await self._filled.wait()
        self._filled.clear()
        if self._code is not None:
            return self._code
        frames = list(self._frames.values())
        self._frames.clear()
        return frames


@websocket("/live/queues/{doctor_id:int}")
async def live_queue(socket: Socket, doctor_id: FromPath[int], feed: given.Feed) -> None:
    """A doctor's public queue, for anyone."""

    async def subscribe(mailbox: Mailbox) -> Callable[[], None]:
        await feed.watch(doctor_id, "public", mailbox)
        return lambda: feed.unwatch(doctor_id, "public", mailbox)

    await _serve(socket, feed, subscribe)


@websocket("/live/displays/{key:str}")
async def live_display(socket: Socket, key: FromPath[str], feed: given.Feed) -> None:
    """Every doctor on a display, for whoever holds its key."""

    async def subscribe(mailbox: Mailbox) -> Callable[[], None]:
        doctor_ids = await feed.watch_display(key, mailbox)

        def leave() -> None:
            feed.unwatch_display(key, mailbox)
            for doctor_id in doctor_ids:
                feed.unwatch(doctor_id, "public", mailbox)

        try:
            for doctor_id in doctor_ids:
                await feed.watch(doctor_id, "public", mailbox)
        except BaseException:
            leave()
            raise
        return leave

    await _serve(socket, feed, subscribe)


@websocket("/live/desk/{doctor_id:int}")
async def live_desk(socket: Socket, doctor_id: FromPath[int], feed: given.Feed) -> None:
    """The staff queue, for that doctor and its hospital, until the access token expires."""

    async def subscribe(mailbox: Mailbox) -> Callable[[], None]:
        actor = _actor(socket)
        await _refuse_strangers(feed, doctor_id, actor)
        await feed.watch(doctor_id, "desk", mailbox)
        lasts = actor.expires_at - socket.app.state.clock().timestamp()
        expiry = asyncio.get_running_loop().call_later(lasts, mailbox.close, Close.LOG_IN_AGAIN)

        def leave() -> None:
            expiry.cancel()
            feed.unwatch(doctor_id, "desk", mailbox)

        return leave

    await _serve(socket, feed, subscribe)


async def _serve(socket: Socket, feed: Feed, subscribe: Callable[[Mailbox], Awaitable[Callable[[], None]]]) -> None:
    """Accepts, subscribes, and forwards until either side leaves.

    A refusal is told with its close code after the accept: before it, a browser could not see the code.
    """
    if not _same_origin(socket):
        await socket.close(Close.NOT_ALLOWED, "cross-origin")
        return
    await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in _offered(socket) else None)
    mailbox = Mailbox()
    try:
        leave = await subscribe(mailbox)
    except Problem as problem:
        await socket.close(_close_code(problem), problem.code)
        return
    except LOST:
        await socket.close(Close.RESTART, "the database is away")
        return
    reader = asyncio.create_task(_answer_pings(socket, feed))
    writer = asyncio.create_task(_forward(socket, mailbox))
    TRAFFIC.sockets += 1
    try:
        await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        TRAFFIC.sockets -= 1
        leave()
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)


async def _forward(socket: Socket, mailbox: Mailbox) -> None:
    while True:
        news = await mailbox.take()
        if isinstance(news, Close):
            await socket.close(news)
            return
        for frame in news:
            try:
                async with asyncio.timeout(BEHIND_SECONDS):
                    await socket.send_text(frame)
                TRAFFIC.frames_sent += 1
            except TimeoutError:
                await socket.close(Close.TOO_SLOW)
                return


async def _answer_pings(socket: Socket, feed: Feed) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive_text()
            if message == PING:
                await socket.send_text(msgspec.json.encode(Pong(feed.age)))


def _offered(socket: Socket) -> list[str]:
    return socket.scope.get("subprotocols", [])


def _actor(socket: Socket) -> Actor:
    """Credentials from the header, or from a browser's subprotocol pair. Raises Unauthenticated or InvalidToken."""
    authorization = socket.headers.get("authorization", "")
    offered = _offered(socket)
    if authorization[:7].lower() == "bearer ":
        return read_token(authorization[7:], socket)
    for protocol in offered if SUBPROTOCOL in offered else ():
        if protocol.startswith("bearer."):
            return read_token(protocol.removeprefix("bearer."), socket)
    raise Unauthenticated


async def _refuse_strangers(feed: Feed, doctor_id: int, actor: Actor) -> None:
    topic = await feed.topic(await feed.today(doctor_id))
    own = actor.doctor_id == doctor_id if actor.role is Role.DOCTOR else actor.hospital_id == topic.facts.hospital_id
    if actor.role is Role.PATIENT or not own:
        raise Forbidden


def _close_code(problem: Problem) -> Close:
    if isinstance(problem, Unauthenticated):
        return Close.LOG_IN_AGAIN
    return Close.NO_SUCH_QUEUE if isinstance(problem, NotFound) else Close.NOT_ALLOWED


def _same_origin(socket: Socket) -> bool:
    """Browsers send an Origin; it must be the host that was asked, or the configured public address."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    parts = urlsplit(origin)
    public_url: str = socket.app.state.settings.public_url
    public = urlsplit(public_url)
    return parts.scheme in {"http", "https"} and parts.netloc in {socket.headers.get("host"), public.netloc or None}


ROUTES = [live_queue, live_display, live_desk]
