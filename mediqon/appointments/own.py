"""What the holder of a visit's public code may do without logging in: be here, be late, give it up."""

from datetime import datetime, timedelta

import msgspec

from mediqon.auth.models import holder
from mediqon.database import Connection, statements
from mediqon.errors import NotFound, VisitOver
from mediqon.queues import days, desk, rules, writing
from mediqon.queues.models import DayKey, Facts, Status, Visit
from mediqon.queues.writing import Change

SQL = statements("appointments")


async def look(conn: Connection, code: str) -> tuple[Facts, Visit]:
    """The day of this code's visit, and the visit. Raises NotFound."""
    facts = await days.look(conn, await _find(conn, code))
    return facts, _of(facts, code)


async def move(conn: Connection, code: str, to: Status, *, now: datetime) -> tuple[Facts, Facts]:
    """The day before and after the patient took their own visit to `to`.

    Raises NotFound, Forbidden where the hospital checks in at the desk, IllegalTransition, or TooLate past the cut-off.
    """
    before = await days.lock(conn, await _find(conn, code))
    visit = _of(before, code)
    return before, await desk.move(conn, before, visit.id, to, actor=holder(visit.patient_id), now=now)


async def be_late(conn: Connection, code: str, minutes: int, *, now: datetime) -> tuple[Facts, Facts]:
    """The day before and after a booked patient said to come so many minutes after the slot; 0 takes it back.

    They are expected, and expect, that much later. Raises NotFound, or VisitOver unless booked for today.
    """
    before = await days.lock(conn, await _find(conn, code))
    visit = _of(before, code)
    if visit.scheduled_at is None or "late" not in rules.left_to_patient(before, visit, now=now):
        raise VisitOver("Only somebody who is booked for today and not here yet can be late.")
    due = visit.scheduled_at + timedelta(minutes=minutes)
    if due == visit.due_at:
        return before, before
    later = msgspec.structs.replace(visit, due_at=due, version=visit.version + 1)
    change = Change(verb="late", before=visit, after=later, reason=f"{minutes} minutes")
    return before, await writing.write(conn, before, [change], actor=holder(visit.patient_id), now=now)


async def _find(conn: Connection, code: str) -> DayKey:
    row = None if "\x00" in code else await conn.fetchrow(SQL.find_code, code)
    if row is None:
        raise NotFound("There is no such token.")
    return DayKey(*row)


def _of(facts: Facts, code: str) -> Visit:
    """Raises NotFound when the visit has just gone to another day."""
    visit = next((visit for visit in facts.visits if visit.code == code), None)
    if visit is None:
        raise NotFound("There is no such token.")
    return visit
