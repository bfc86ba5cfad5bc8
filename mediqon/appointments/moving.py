"""Visits that go elsewhere: to another doctor, or to another time. Each verb returns every day it changed."""

from datetime import date, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from mediqon.appointments.booking import choose_seat, refuse_past
from mediqon.auth.models import Actor, Role
from mediqon.database import Connection, statements
from mediqon.errors import AlreadyBooked, NotFound, QueueClosed, SlotTaken, VisitOver
from mediqon.hospitals import calendar
from mediqon.hospitals.calendar import Practice
from mediqon.hospitals.slots import instant, minute_of
from mediqon.queues import days, desk, writing
from mediqon.queues.models import IN_ROOM, OVER, DayKey, Facts, PlaceRule, QueueState, Status, Visit
from mediqon.queues.writing import Change, Step

SQL = statements("appointments")


class Moved(NamedTuple):
    """The day the visit is on now, the day it left (the same one when only the time changed), and the visit."""

    facts: Facts
    left: Facts
    visit_id: int


async def lock_both(conn: Connection, visit_id: int, start: DayKey, to: DayKey) -> tuple[Facts, Facts]:
    """The day on which the visit was found and the day `to`, locked in one order so that two moves never wait for each
    other. Raises StaleVersion where it is not there any more.
    """
    locked = await days.lock_all(conn, {start, to})
    days.refuse_gone(locked[start], visit_id)
    return locked[start], locked[to]


async def transfer(
    conn: Connection,
    visit_id: int,
    start: DayKey,
    practice: Practice,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None,
) -> Moved:
    """Sends a visit of the day `start` to another doctor of the hospital; token and place in line stay.

    Raises NotFound for a doctor elsewhere, VisitOver, QueueClosed, or AlreadyBooked for a second visit there.
    """
    source, target = await lock_both(conn, visit_id, start, start._replace(doctor_id=practice.doctor.id))
    visit = source.visit(visit_id)
    if practice.doctor.hospital_id != source.hospital_id:
        raise NotFound("There is no such doctor at your hospital.")
    if visit.status in OVER:
        raise VisitOver(f"A visit that is {visit.status} cannot be transferred.")
    if target.state is QueueState.CLOSED:
        raise QueueClosed
    if source.key == target.key:
        return Moved(source, source, visit_id)
    status = Status.CHECKED_IN if visit.status in IN_ROOM else visit.status
    there = msgspec.structs.replace(
        visit, status=status, called_at=None, started_at=None, calls=0, version=visit.version + 1
    )
    try:
        async with conn.transaction():
            await conn.execute(SQL.transfer_visit, visit_id, target.doctor_id, status)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "appointments_open_visit_key":
            raise
        raise AlreadyBooked from None
    return await _carry(conn, source, target, visit, there, "transfer", actor=actor, now=now, reason=reason)


async def reschedule(
    conn: Connection,
    visit_id: int,
    start: DayKey,
    practice: Practice,
    *,
    day: date,
    time: str,
    actor: Actor,
    now: datetime,
) -> Moved:
    """Gives a booked visit of the day `start` another seat of its doctor, whose practice this is, on any day; the label
    follows the seat, the code stays.

    Raises what a booking raises, VisitOver unless BOOKED, and TooLate for a patient past the hospital's cut-off.
    """
    refuse_past(practice.timezone, day, time, now)
    source, target = await lock_both(conn, visit_id, start, start._replace(day=day))
    visit = source.visit(visit_id)
    if visit.status is not Status.BOOKED:
        raise VisitOver(f"A visit that is {visit.status} cannot be rescheduled.")
    if target.state is QueueState.CLOSED:
        raise QueueClosed
    if actor.role is Role.PATIENT:
        desk.refuse_cutoff(visit, source.settings, now)
    if visit.scheduled_at == instant(day, minute_of(time), practice.timezone):
        return Moved(source, source, visit_id)
    seat = choose_seat(await calendar.read_day(conn, practice, day, now=now), time)
    token = calendar.token_label(practice.doctor.token_prefix, seat.number)
    there = msgspec.structs.replace(
        visit,
        issued_by=practice.doctor.id,
        seat=seat.number,
        token=token,
        scheduled_at=seat.at,
        due_at=seat.at,
        place_rule=PlaceRule.SLOT,
        version=visit.version + 1,
    )
    try:
        async with conn.transaction():
            await conn.execute(SQL.reschedule_visit, visit_id, day, seat.number, token, seat.at)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "appointments_open_visit_key":
            raise AlreadyBooked from None
        if error.constraint_name == "appointments_seat_key":
            raise SlotTaken(next_free=None) from None
        raise
    return await _carry(conn, source, target, visit, there, "reschedule", actor=actor, now=now, reason=None)


async def _carry(
    conn: Connection,
    source: Facts,
    target: Facts,
    visit: Visit,
    there: Visit,
    verb: str,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None,
) -> Moved:
    """Writes the move into the story of every day it touches."""
    if source is target:
        change = Change(verb=verb, before=visit, after=there, reason=reason)
        facts = await writing.write(conn, source, [change], actor=actor, now=now)
        return Moved(facts, facts, visit.id)
    out = Change(verb=f"{verb}_out", before=visit, reason=reason)
    come = Change(verb=f"{verb}_in", after=there, reason=reason)
    left = writing.written(source, Step([out]), actor=actor, now=now)
    here = writing.written(target, Step([come]), actor=actor, now=now)
    await writing.save(conn, left, here._replace(visits=[there]))
    return Moved(here.facts, left.facts, visit.id)
