"""The live paths: accept, say who is asking, take a seat, and let go of the socket."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath

from mediqon import given
from mediqon.auth import origins
from mediqon.auth.access import read_token
from mediqon.auth.doors import address_of
from mediqon.auth.models import Actor, Role
from mediqon.auth.noted import note_socket
from mediqon.database import LOST
from mediqon.errors import Forbidden, NotFound, Problem, TooManySockets, Unauthenticated
from mediqon.live.channels import PING, Close
from mediqon.live.feed import Feed
from mediqon.live.handshake import DETACH, Detach
from mediqon.live.lines import Line, pong
from mediqon.live.mailbox import Mailbox
from mediqon.live.seat import Seat, number_of

Socket = WebSocket[Any, Any, Any]

SUBPROTOCOL = "mediqon"
NOWHERE = ["/live", "/live/{rest:path}"] + [
    path
    for kind in ("queues", "displays", "desk")
    for path in (f"/live/{kind}", f"/live/{kind}/{{one:str}}/{{rest:path}}")
]
"""Litestar's routes do not fall back on a more general one."""


@websocket("/live/queues/{doctor_id:str}")
async def live_queue(socket: Socket, doctor_id: FromPath[str], feed: given.Feed) -> None:
    """A doctor's public queue, for anyone."""
    await _serve(socket, feed, lambda seat: seat.watch_queue(number_of(doctor_id)))


@websocket("/live/displays/{key:str}")
async def live_display(socket: Socket, key: FromPath[str], feed: given.Feed) -> None:
    """Every doctor on a display, for whoever holds its key."""
    await _serve(socket, feed, lambda seat: seat.watch_display(key))


@websocket("/live/desk/{doctor_id:str}")
async def live_desk(socket: Socket, doctor_id: FromPath[str], feed: given.Feed) -> None:
    """The staff queue, for that doctor and its hospital, until the access token expires."""

    async def sit_down(seat: Seat) -> None:
        actor = _actor(socket)
        note_socket(socket, actor)
        seat.enter_as(actor.id)
        seat.heed(lambda over: socket.app.state.ended.watch(actor.session, over))
        await _refuse_strangers(feed, number_of(doctor_id), actor)
        await seat.watch_desk(number_of(doctor_id), actor.expires_at - socket.app.state.clock().timestamp())

    await _serve(socket, feed, sit_down)


@websocket(NOWHERE)
async def live_nowhere(socket: Socket, feed: given.Feed) -> None:
    """What else is asked for does not exist."""

    async def stand(_seat: Seat) -> None:
        raise NotFound

    await _serve(socket, feed, stand)


async def _serve(socket: Socket, feed: Feed, sit_down: Callable[[Seat], Awaitable[None]]) -> None:
    """Accepts, takes a seat, and lets go of the socket; without our protocol underneath it stays with it.

    A refusal is told with its close code after the accept: before it, a browser could not see the code.
    """
    if not origins.is_own(socket):
        await socket.close(Close.NOT_ALLOWED, "cross-origin")
        return
    await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in _offered(socket) else None)
    detach = cast("Detach | None", (socket.scope.get("extensions") or {}).get(DETACH))
    watcher = Line(feed.lines) if detach else Mailbox()
    seat = Seat(feed, watcher)
    try:
        with _refusing(watcher):
            if address := address_of(socket):
                seat.enter(address)
            await sit_down(seat)
    except BaseException:
        seat.leave()
        raise
    if detach and isinstance(watcher, Line):
        detach(watcher, seat.leave)
    elif isinstance(watcher, Mailbox):
        await _stay(socket, watcher, seat, feed)


@contextmanager
def _refusing(watcher: Line | Mailbox) -> Generator[None]:
    """Tells the client what was raised."""
    try:
        yield
    except Problem as problem:
        watcher.close(_close_code(problem), problem.code)
    except LOST:
        watcher.close(Close.RESTART, "the database is away")


async def _stay(socket: Socket, mailbox: Mailbox, seat: Seat, feed: Feed) -> None:
    """Where the server cannot detach: one task that writes and one that reads, until either ends."""
    reader = asyncio.create_task(_answer_pings(socket, feed))
    writer = asyncio.create_task(mailbox.empty(socket.send_text))
    try:
        await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        if not reader.done():
            await socket.close(*writer.result())
    finally:
        seat.leave()
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)


async def _answer_pings(socket: Socket, feed: Feed) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            if await socket.receive_text() == PING:
                await socket.send_text(pong(feed.age))


def _offered(socket: Socket) -> list[str]:
    return socket.scope.get("subprotocols", [])


def _actor(socket: Socket) -> Actor:
    """Credentials from the header, or from a browser's subprotocol pair. Raises Unauthenticated or InvalidToken."""
    authorization = socket.headers.get("authorization", "")
    offered = _offered(socket)
    if authorization[:7].lower() == "bearer ":
        return read_token(authorization[7:], socket.app.state)
    for protocol in offered if SUBPROTOCOL in offered else ():
        if protocol.startswith("bearer."):
            return read_token(protocol.removeprefix("bearer."), socket.app.state)
    raise Unauthenticated


async def _refuse_strangers(feed: Feed, doctor_id: int, actor: Actor) -> None:
    facts = (await feed.shown(doctor_id)).facts
    own = actor.doctor_id == doctor_id if actor.role is Role.DOCTOR else actor.hospital_id == facts.hospital_id
    if actor.role is Role.PATIENT or not own:
        raise Forbidden


def _close_code(problem: Problem) -> Close:
    match problem:
        case Unauthenticated():
            return Close.LOG_IN_AGAIN
        case NotFound():
            return Close.NO_SUCH_QUEUE
        case TooManySockets():
            return Close.TOO_MANY
        case _:
            return Close.NOT_ALLOWED


ROUTES = [live_queue, live_display, live_desk, live_nowhere]
