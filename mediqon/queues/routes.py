"""The line over HTTP: the public queue and tokens from memory, the staff queue, and call-next."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from mediqon.auth import idempotency, models
from mediqon.auth.access import SECURITY, only
from mediqon.auth.idempotency import Replay
from mediqon.auth.models import Role
from mediqon.database import Connection, reading, statements, transaction
from mediqon.fields import Id, PathId, WrittenReason
from mediqon.given import Actor, Feed, Moves, Now, Pool
from mediqon.live.channels import Appointment, DeskFrame, QueueFrame, TokenView
from mediqon.live.feed import Feed as LiveFeed
from mediqon.live.hub import Page
from mediqon.queues import days, desk
from mediqon.queues.days import Known
from mediqon.queues.desk import refuse_others
from mediqon.queues.models import DayKey, Facts, Priority, Status
from mediqon.queues.moves import CallNextAnswer, NextCall, Recall
from mediqon.queues.views import appointment, outlook_on

SQL = statements("queues")
staff_only = only(Role.DOCTOR, Role.HOSPITAL)


class CallNext(msgspec.Struct, forbid_unknown_fields=True):
    """`version`: the queue's, as the caller saw it."""

    version: int | None = None


class NewPriority(msgspec.Struct, forbid_unknown_fields=True):
    priority: Priority
    reason: WrittenReason


class NewPlace(msgspec.Struct, forbid_unknown_fields=True):
    """`before`: the appointment to go in front of; null is behind everybody."""

    before: Id | None
    reason: WrittenReason


class EventActor(msgspec.Struct, frozen=True):
    """Who did it."""

    id: int
    name: str
    role: Role


class Event(msgspec.Struct, frozen=True, kw_only=True, rename={"from_status": "from", "to_status": "to"}):
    """One step of a visit; no actor is the server itself, closing a day that is over."""

    at: datetime
    actor: EventActor | None
    verb: str
    from_status: Status | None
    to_status: Status | None
    reason: str | None


class Events(msgspec.Struct, frozen=True):
    events: list[Event]


@get(
    "/queues/{doctor_id:int}",
    responses={200: ResponseSpec(QueueFrame, generate_examples=False, description="The public queue")},
)
async def public_queue(request: Request[Any, Any, Any], doctor_id: PathId, feed: Feed) -> Response[bytes]:
    """Today's line, tokens only. Answers 304 to an `If-None-Match` that is current."""
    return _tagged(request, (await feed.shown(doctor_id)).public)


@get(
    "/tokens/{code:str}",
    responses={200: ResponseSpec(TokenView, generate_examples=False, description="The place in line")},
)
async def token(request: Request[Any, Any, Any], code: FromPath[str], feed: Feed) -> Response[bytes]:
    """One place in line, for whoever has its code. Answers 304 to an `If-None-Match` that is current."""
    return _tagged(request, await feed.token(code))


@get(
    "/appointments/doctor/{doctor_id:int}/today",
    guards=[staff_only],
    security=SECURITY,
    responses={200: ResponseSpec(DeskFrame, generate_examples=False, description="The staff queue")},
)
async def staff_queue(doctor_id: PathId, actor: Actor, feed: Feed) -> Response[bytes]:
    """Today's staff queue, for that doctor and its hospital."""
    topic = await feed.topic(await feed.today(doctor_id))
    refuse_others(topic.facts, actor)
    return Response(topic.desk.bytes, media_type="application/json")


@post("/queues/{doctor_id:int}/call-next", status_code=200, guards=[staff_only], security=SECURITY)
async def call_next(
    request: Request[Any, Any, Any],
    doctor_id: PathId,
    actor: Actor,
    feed: Feed,
    moves: Moves,
    now: Now,
    data: JSONBody[CallNext | None] = None,
) -> CallNextAnswer | Response[bytes]:
    """Completes the visit in the room and calls the next. 409 `stale_version`, `queue_paused`, `queue_closed`.

    Honours `Idempotency-Key`.
    """
    attempt = await idempotency.attempt(request, actor.id)
    today = await feed.today(doctor_id)
    outcome = await moves.ask_once(NextCall(today, data.version if data else None, actor, now), attempt)
    return outcome if isinstance(outcome, Replay) else outcome.answer


@post("/appointments/{appointment_id:int}/recall", status_code=200, guards=[staff_only], security=SECURITY)
async def recall(
    request: Request[Any, Any, Any], appointment_id: PathId, actor: Actor, feed: Feed, moves: Moves, now: Now
) -> Appointment | Response[bytes]:
    """Announces a called token again. 409 `illegal_transition` unless it is CALLED. Honours `Idempotency-Key`."""
    order = Recall(appointment_id, feed.where(appointment_id), actor, now)
    outcome = await moves.ask_once(order, await idempotency.attempt(request, actor.id))
    return outcome if isinstance(outcome, Replay) else outcome.answer


@patch("/appointments/{appointment_id:int}/priority", guards=[staff_only], security=SECURITY)
async def set_priority(
    appointment_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now, data: JSONBody[NewPriority]
) -> Appointment:
    """Gives a visit another priority, for a reason. 409 `visit_not_waiting`."""
    async with transaction(pool) as conn:
        before = await days.lock_visit(conn, appointment_id, actor, feed.known)
        facts = await desk.set_priority(
            conn, before, appointment_id, data.priority, actor=actor, now=now, reason=data.reason
        )
    return await _show_visit(feed, before, facts, appointment_id, now)


@patch("/appointments/{appointment_id:int}/place", guards=[staff_only], security=SECURITY)
async def set_place(
    appointment_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now, data: JSONBody[NewPlace]
) -> Appointment:
    """Moves somebody who waits right before another one, or behind everybody, for a reason. 409 `visit_not_waiting`."""
    async with transaction(pool) as conn:
        before = await days.lock_visit(conn, appointment_id, actor, feed.known)
        facts = await desk.place_before(
            conn, before, appointment_id, data.before, actor=actor, now=now, reason=data.reason
        )
    return await _show_visit(feed, before, facts, appointment_id, now)


@get("/appointments/{appointment_id:int}/events", guards=[staff_only], security=SECURITY)
async def list_events(appointment_id: PathId, actor: Actor, pool: Pool) -> Events:
    """What happened to a visit, oldest first, for its doctor and its hospital."""
    async with reading(pool) as conn:
        await days.find(conn, appointment_id, actor)
        rows = await conn.fetch(SQL.visit_events, appointment_id)
    return Events(
        [
            Event(
                at=row["at"],
                actor=EventActor(row["actor_id"], row["actor_name"], Role(row["actor_role"]))
                if row["actor_id"]
                else None,
                verb=row["verb"],
                from_status=row["from_status"] and Status(row["from_status"]),
                to_status=row["to_status"] and Status(row["to_status"]),
                reason=row["reason"],
            )
            for row in rows
        ]
    )


async def lock_own(conn: Connection, key: DayKey, actor: models.Actor, known: Known) -> Facts:
    """A day, locked. Raises NotFound unless it is of the actor's own queue or hospital."""
    facts = await days.lock(conn, key, known)
    refuse_others(facts, actor)
    return facts


async def _show_visit(feed: LiveFeed, before: Facts, facts: Facts, visit_id: int, now: datetime) -> Appointment:
    """Publishes what has changed and answers with the visit."""
    if facts is not before:
        await feed.publish(facts)
    return appointment(outlook_on(facts, now), facts.visit(visit_id))


def _tagged(request: Request[Any, Any, Any], page: Page) -> Response[bytes]:
    headers = {"ETag": page.etag, "Cache-Control": "no-cache"}
    if page.is_known(", ".join(request.headers.getall("if-none-match", []))):
        return Response(b"", status_code=304, headers=headers, media_type="application/json")
    return Response(page.bytes, headers=headers, media_type="application/json")


ROUTES = [
    public_queue,
    token,
    staff_queue,
    call_next,
    recall,
    set_priority,
    set_place,
    list_events,
]
