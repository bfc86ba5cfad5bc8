"""Booking, walk-ins and the visit's life over HTTP. Each handler: authorise, one transaction, one verb, one publish."""

import datetime
from typing import Any, TypeAlias

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from mediqon.appointments import codes, moving
from mediqon.appointments.booking import Order
from mediqon.appointments.models import Booking, OwnAppointments, WalkIn
from mediqon.appointments.walk_ins import Arrival
from mediqon.auth import idempotency
from mediqon.auth.access import SECURITY, anyone_known, only
from mediqon.auth.doors import count_booking
from mediqon.auth.idempotency import Replay
from mediqon.auth.models import Role
from mediqon.database import snapshot, statements, transaction
from mediqon.errors import Malformed
from mediqon.fields import Clock, Id, PathId, Reason
from mediqon.given import Actor, Feed, Moves, Now, Pool
from mediqon.hospitals.calendar import find_practice
from mediqon.live.channels import Appointment
from mediqon.live.feed import Feed as LiveFeed
from mediqon.queues import days
from mediqon.queues.counter import Counter
from mediqon.queues.models import DayKey, Facts, Status
from mediqon.queues.moves import Move
from mediqon.queues.views import Outlook, appointment, outlook_on

SQL = statements("appointments")
OWN_MAX = 50

Bookings: TypeAlias = NamedDependency[Counter[Order]]
Arrivals: TypeAlias = NamedDependency[Counter[Arrival]]
staff_only = only(Role.DOCTOR, Role.HOSPITAL)


class NewStatus(msgspec.Struct, forbid_unknown_fields=True):
    """Where a visit should go. `version`: the appointment's, as the caller saw it."""

    status: Status
    reason: Reason | None = None
    version: int | None = None


class Transfer(msgspec.Struct, forbid_unknown_fields=True):
    doctor_id: Id
    reason: Reason | None = None


class NewTime(msgspec.Struct, forbid_unknown_fields=True):
    date: datetime.date
    time: Clock


@post("/appointments/book", guards=[only(Role.PATIENT, Role.HOSPITAL)], security=SECURITY)
async def book(
    request: Request[Any, Any, Any],
    data: JSONBody[Booking],
    actor: Actor,
    feed: Feed,
    bookings: Bookings,
    now: Now,
) -> Appointment | Response[bytes]:
    """Sells a seat.

    404 without such a doctor; 409 `slot_taken`, `slot_unavailable`, `slot_past`, `already_booked`, `day_full`,
    `queue_closed`; 429 `throttled` for a patient who asks without end.
    """
    if actor.role is Role.PATIENT:
        await count_booking(request.app.state.throttle, actor.id)
    attempt = await idempotency.attempt(request, actor.id)
    _refuse_wrong_patient(data, actor)
    today = await feed.today(data.doctor_id)
    order = Order(today._replace(day=data.date or today.day), data.time, data.reason, data.patient, actor, now)
    outcome = await bookings.ask_once(order, attempt)
    return outcome if isinstance(outcome, Replay) else outcome.answer


@post("/appointments/walk-in", guards=[staff_only], security=SECURITY)
async def walk_in(
    request: Request[Any, Any, Any], data: JSONBody[WalkIn], actor: Actor, feed: Feed, arrivals: Arrivals, now: Now
) -> Appointment | Response[bytes]:
    """Takes in somebody who is here without a slot: checked in at once.

    404 for a doctor elsewhere; 409 `day_full`, `queue_closed`.
    """
    attempt = await idempotency.attempt(request, actor.id)
    arrival = Arrival(await feed.today(data.doctor_id), data.patient, data.priority, data.reason, actor, now)
    outcome = await arrivals.ask_once(arrival, attempt)
    return outcome if isinstance(outcome, Replay) else outcome.answer


@patch("/appointments/{appointment_id:int}/status", guards=[anyone_known], security=SECURITY)
async def move(
    appointment_id: PathId, data: JSONBody[NewStatus], actor: Actor, feed: Feed, moves: Moves, now: Now
) -> Appointment:
    """Takes a visit one step on. 403, 409 `illegal_transition`, `stale_version`, `already_booked`, `queue_closed`."""
    order = Move(appointment_id, feed.where(appointment_id), data.status, data.reason, data.version, actor, now)
    return (await moves.ask(order)).answer


@post("/appointments/{appointment_id:int}/transfer", status_code=200, guards=[staff_only], security=SECURITY)
async def transfer(
    request: Request[Any, Any, Any],
    appointment_id: PathId,
    data: JSONBody[Transfer],
    actor: Actor,
    pool: Pool,
    feed: Feed,
    now: Now,
) -> Appointment | Response[bytes]:
    """Sends a visit to another doctor of the hospital; token and place stay. 409 `already_booked`, `queue_closed`.

    Honours `Idempotency-Key`.
    """
    attempt = await idempotency.attempt(request, actor.id)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        practice = await find_practice(conn, data.doctor_id)
        start = await days.find(conn, appointment_id, actor)
        moved = await moving.transfer(conn, appointment_id, start, practice, actor=actor, now=now, reason=data.reason)
        await idempotency.keep(conn, attempt, _view(moved.facts, moved.visit_id, now), status=200)
    return await _show_moved(feed, moved, now)


@post("/appointments/{appointment_id:int}/new-code", status_code=200, guards=[staff_only], security=SECURITY)
async def renew_code(
    request: Request[Any, Any, Any], appointment_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Appointment | Response[bytes]:
    """Takes a visit's public code back and gives it another one: the old link is unknown. Honours `Idempotency-Key`."""
    attempt = await idempotency.attempt(request, actor.id)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        before = await days.lock_visit(conn, appointment_id, actor, feed.known)
        facts = await codes.renew(conn, before, appointment_id, actor=actor, now=now)
        answer = _view(facts, appointment_id, now)
        await idempotency.keep(conn, attempt, answer, status=200)
    await feed.publish(facts)
    return answer


@post(
    "/appointments/{appointment_id:int}/reschedule",
    status_code=200,
    guards=[only(Role.PATIENT, Role.HOSPITAL)],
    security=SECURITY,
)
async def reschedule(
    appointment_id: PathId, data: JSONBody[NewTime], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Appointment:
    """Gives a booked visit another time. 409 as for a booking, `visit_not_waiting`, `too_late`."""
    async with transaction(pool) as conn:
        start = await days.find(conn, appointment_id, actor)
        practice = await find_practice(conn, start.doctor_id)
        moved = await moving.reschedule(
            conn, appointment_id, start, practice, day=data.date, time=data.time, actor=actor, now=now
        )
    return await _show_moved(feed, moved, now)


@get("/appointments/mine", guards=[only(Role.PATIENT)], security=SECURITY)
async def list_own(actor: Actor, pool: Pool, now: Now) -> OwnAppointments:
    """A patient's own visits, newest day first; the last 50."""
    async with snapshot(pool) as conn:
        rows = await conn.fetch(SQL.patient_days, actor.id, OWN_MAX)
        keys = {DayKey(row["doctor_id"], row["day"]) for row in rows}
        outlooks = {key: Outlook(await days.look(conn, key), now) for key in keys}
    return OwnAppointments([_of(outlooks[DayKey(row["doctor_id"], row["day"])], row["id"]) for row in rows])


@get("/appointments/{appointment_id:int}", guards=[anyone_known], security=SECURITY)
async def get_one(appointment_id: PathId, actor: Actor, pool: Pool, now: Now) -> Appointment:
    """One visit, for its patient, its doctor and its hospital."""
    async with snapshot(pool) as conn:
        facts = await days.look(conn, await days.find(conn, appointment_id, actor))
    return _view(facts, appointment_id, now)


def _refuse_wrong_patient(data: Booking, actor: Actor) -> None:
    if actor.role is Role.PATIENT and data.patient is not None:
        raise Malformed("patient", "is for the hospital: you book for yourself")
    if actor.role is Role.HOSPITAL and data.patient is None:
        raise Malformed("patient", "is needed: whom is this for?")


async def _show_moved(feed: LiveFeed, moved: moving.Moved, now: datetime.datetime) -> Appointment:
    await feed.publish(moved.left, moved.facts)
    return _view(moved.facts, moved.visit_id, now)


def _view(facts: Facts, visit_id: int, now: datetime.datetime) -> Appointment:
    return _of(outlook_on(facts, now), visit_id)


def _of(outlook: Outlook, visit_id: int) -> Appointment:
    return appointment(outlook, outlook.facts.visit(visit_id))


ROUTES = [book, walk_in, move, transfer, renew_code, reschedule, list_own, get_one]
