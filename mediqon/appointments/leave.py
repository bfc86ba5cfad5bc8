"""A doctor's leave: no new seat inside it, and the visits it hits."""

import datetime as dt
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.errors import Malformed, NotFound
from mediqon.fields import Clock, EndClock, Reason
from mediqon.hospitals.calendar import Practice
from mediqon.hospitals.slots import MINUTES_OF_DAY, clock, instant, local_day, minute_of
from mediqon.live.channels import Appointment
from mediqon.queues import days, writing
from mediqon.queues.models import DayKey, Facts, Status, Visit

SQL = statements("appointments")


class NewLeave(msgspec.Struct, forbid_unknown_fields=True):
    """`start` and `end` left out are the ends of the day."""

    date: dt.date
    start: Clock | None = None
    end: EndClock | None = None
    reason: Reason | None = None


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """Hours in which a doctor sees nobody, local time."""

    id: int
    doctor_id: int
    date: dt.date
    start: str
    end: str
    reason: str | None


class LeaveHit(Leave, frozen=True, kw_only=True):
    """Leave, and the visits booked inside it."""

    affected: list[Appointment]


class LeaveList(msgspec.Struct, frozen=True):
    leave: list[Leave]


async def add(conn: Connection, practice: Practice, asked: NewLeave) -> tuple[Leave, Facts]:
    """New leave and the locked day it is on. Raises Malformed for leave that ends before it starts."""
    start, end = minute_of(asked.start or "00:00"), minute_of(asked.end) if asked.end else MINUTES_OF_DAY
    if start >= end:
        raise Malformed("end", "must be after start")
    doctor_id = practice.doctor.id
    facts = await days.lock(conn, DayKey(doctor_id, asked.date))
    await writing.touch(conn, facts)
    leave_id = await conn.fetchval(SQL.insert_leave, doctor_id, asked.date, start, end, asked.reason)
    leave = Leave(
        id=leave_id, doctor_id=doctor_id, date=asked.date, start=clock(start), end=clock(end), reason=asked.reason
    )
    return leave, facts


async def upcoming(conn: Connection, practice: Practice, *, now: datetime) -> LeaveList:
    """The doctor's leave from today on."""
    rows = await conn.fetch(SQL.list_leave, practice.doctor.id, local_day(now, practice.timezone))
    return LeaveList([_leave(row) for row in rows])


async def find(conn: Connection, leave_id: int, actor: Actor) -> Leave:
    """Raises NotFound also for another hospital's."""
    row = await conn.fetchrow(SQL.find_leave, leave_id, actor.hospital_id)
    if row is None:
        raise NotFound
    return _leave(row)


def hit(facts: Facts, leave: Leave) -> list[Visit]:
    """The booked visits of the day whose slot overlaps the leave, in slot order."""
    start, end = (_edge(facts, leave, text) for text in (leave.start, leave.end))
    slot = timedelta(minutes=facts.slot_minutes)
    inside: Iterable[Visit] = (
        visit
        for visit in facts.visits
        if visit.status is Status.BOOKED and visit.scheduled_at and start - slot < visit.scheduled_at < end
    )
    return sorted(inside, key=lambda visit: (visit.due_at, visit.id))


def _edge(facts: Facts, leave: Leave, text: str) -> datetime:
    """A local time of the leave as UTC; in a clock change's gap, the first instant after it. The calendar ends."""
    minute = minute_of(text)
    later = (instant(leave.date, each, facts.timezone) for each in range(minute, minute + MINUTES_OF_DAY))
    return next((at for at in later if at is not None), datetime.max.replace(tzinfo=UTC))


def _leave(row: asyncpg.Record) -> Leave:
    return Leave(
        id=row["id"],
        doctor_id=row["doctor_id"],
        date=row["day"],
        start=clock(row["start_minute"]),
        end=clock(row["end_minute"]),
        reason=row["reason"],
    )
