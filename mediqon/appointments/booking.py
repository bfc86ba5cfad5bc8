"""Promises about the future: selling a seat, taking in a walk-in. Each verb returns the day as it then is."""

import secrets
from datetime import date, datetime
from typing import NamedTuple

import asyncpg

from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, Role
from mediqon.database import Connection, statements
from mediqon.errors import AlreadyBooked, DayFull, NotFound, QueueClosed, SlotPast, SlotTaken, SlotUnavailable
from mediqon.hospitals import calendar
from mediqon.hospitals.calendar import Practice
from mediqon.hospitals.slots import Seat, clock, instant, local_day, minute_of
from mediqon.queues import days, rules
from mediqon.queues.days import Change
from mediqon.queues.models import DayKey, Facts, PlaceRule, Priority, QueueState, Status, Visit

SQL = statements("appointments")
CODE_BYTES = 12
"""96 random bits: the public handle of a visit."""


class Patient(NamedTuple):
    """Whose visit it is."""

    id: int
    name: str


class Booked(NamedTuple):
    """The day after the booking, and which of its visits is new."""

    facts: Facts
    visit_id: int


async def book(
    conn: Connection,
    practice: Practice,
    patient: Patient,
    *,
    day: date | None,
    time: str | None,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> Booked:
    """Sells one seat.

    Raises SlotPast, AlreadyBooked (with its id), SlotTaken (with `next_free`), SlotUnavailable, DayFull or QueueClosed.
    """
    key = DayKey(practice.doctor.id, day or local_day(now, practice.timezone))
    refuse_past(practice, key.day, time, now)
    facts = await days.lock(conn, key)
    if facts.state is QueueState.CLOSED:
        raise QueueClosed
    await _refuse_second(conn, patient, key)
    seat = choose_seat(await calendar.read_day(conn, practice, key.day, now=now), time)
    token, code = calendar.token_label(practice.doctor.token_prefix, seat.number), _new_code()
    visit_id = await _insert(
        conn, SQL.insert_booking, facts.hospital_id, *key, patient.id, seat.number, token, code, reason, seat.at, now
    )
    visit = Visit(
        id=visit_id,
        patient_id=patient.id,
        patient=patient.name,
        token=token,
        code=code,
        status=Status.BOOKED,
        priority=Priority.NORMAL,
        version=1,
        reason=reason,
        due_at=seat.at,
        place_rule=PlaceRule.SLOT,
        seat=seat.number,
        scheduled_at=seat.at,
        booked_at=now,
        checked_in_at=None,
        called_at=None,
        started_at=None,
        ended_at=None,
    )
    return await _write(conn, facts, visit, "book", actor=actor, now=now)


async def walk_in(
    conn: Connection,
    practice: Practice,
    patient: Patient,
    priority: Priority,
    *,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> Booked:
    """Takes in somebody who is here, today. Raises QueueClosed, or DayFull past the hospital's number of walk-ins."""
    key = DayKey(practice.doctor.id, local_day(now, practice.timezone))
    facts = await days.lock(conn, key)
    if facts.state is QueueState.CLOSED:
        raise QueueClosed
    number = await conn.fetchval(statements("queues").count_walk_in, *key)
    if number > practice.policy.walk_ins_per_day:
        raise DayFull("No more walk-ins are taken in today.")
    token, code = calendar.walk_in_label(practice.doctor.token_prefix, number), _new_code()
    due = rules.due_walk_in(priority, policy=facts.settings, now=now)
    visit_id = await _insert(
        conn, SQL.insert_walk_in, facts.hospital_id, *key, patient.id, number, token, code, priority, reason, due, now
    )
    visit = Visit(
        id=visit_id,
        patient_id=patient.id,
        patient=patient.name,
        token=token,
        code=code,
        status=Status.CHECKED_IN,
        priority=priority,
        version=1,
        reason=reason,
        due_at=due,
        place_rule=PlaceRule.WALK_IN,
        seat=None,
        scheduled_at=None,
        booked_at=now,
        checked_in_at=now,
        called_at=None,
        started_at=None,
        ended_at=None,
    )
    return await _write(conn, facts, visit, "walk_in", actor=actor, now=now)


async def enter_patient(conn: Connection, somebody: SomebodyElse) -> Patient:
    """A patient without an account."""
    sql = statements("auth").insert_user
    name = somebody.name.strip()
    return Patient(await conn.fetchval(sql, Role.PATIENT, name, None, somebody.phone, None, None), name)


async def account_of(conn: Connection, actor: Actor) -> Patient:
    """The patient behind a patient's own account. Raises NotFound if it is gone."""
    row = await conn.fetchrow(statements("auth").find_user, actor.id)
    if row is None:
        raise NotFound
    return Patient(row["id"], row["name"])


def refuse_past(practice: Practice, day: date, time: str | None, now: datetime) -> None:
    """Raises SlotPast for a day or a time that is over."""
    if day < local_day(now, practice.timezone):
        raise SlotPast
    at = time and instant(day, minute_of(time), practice.timezone)
    if at and at < now:
        raise SlotPast


async def _refuse_second(conn: Connection, patient: Patient, key: DayKey) -> None:
    visit_id = await conn.fetchval(SQL.find_open_visit, patient.id, *key)
    if visit_id is not None:
        raise AlreadyBooked(id=visit_id, appointment_id=visit_id)


def choose_seat(day: calendar.Day, time: str | None) -> Seat:
    """The free seat at that time, or the first of the day. Raises SlotTaken, SlotUnavailable or DayFull."""
    if time is None:
        if not day.free:
            raise DayFull
        return day.free[0]
    minute = minute_of(time)
    for seat in day.free:
        if seat.minute == minute:
            return seat
    if any(seat.minute == minute for seat in day.seats):
        raise SlotTaken(next_free=_next_free(day, minute))
    raise SlotUnavailable(next_free=_next_free(day, minute))


def _next_free(day: calendar.Day, minute: int) -> str | None:
    """The first free time after the one asked for, else the first of the day; null when the day is full."""
    later = [seat for seat in day.free if seat.minute > minute] or day.free
    return clock(later[0].minute) if later else None


async def _insert(conn: Connection, sql: str, *values: object) -> int:
    """The constraint is the last word on double booking, whatever the code above believed."""
    try:
        return await conn.fetchval(sql, *values)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "appointments_seat_key":
            raise
        raise SlotTaken(next_free=None) from None


async def _write(conn: Connection, facts: Facts, visit: Visit, verb: str, *, actor: Actor, now: datetime) -> Booked:
    change = Change(verb=verb, before=None, after=visit)
    return Booked(await days.write(conn, facts, [change], actor=actor, now=now), visit.id)


def _new_code() -> str:
    return secrets.token_urlsafe(CODE_BYTES)
