"""Visits whose hours are gone, by leave or by other hours on their date: one call moves or cancels them all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from mediqon.appointments import moving
from mediqon.appointments.moving import Moved
from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import Conflict
from mediqon.fields import Reason
from mediqon.hospitals import calendar
from mediqon.hospitals.calendar import Practice
from mediqon.hospitals.slots import clock, local_day
from mediqon.live.channels import Appointment
from mediqon.queues import desk
from mediqon.queues.models import DayKey, Facts, Status, Visit
from mediqon.queues.views import appointment, outlook_on


class Settlement(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of every visit whose hours are gone: cancelled, or moved to the next free seat."""

    action: Literal["cancel", "move"]
    reason: Reason | None = None


class Settled(msgspec.Struct, frozen=True):
    """`left`: visits for which no free seat was found."""

    settled: list[Appointment]
    left: list[Appointment]


async def settle(
    conn: Connection,
    practice: Practice,
    facts: Facts,
    visits: Sequence[Visit],
    asked: Settlement,
    *,
    actor: Actor,
    now: datetime,
) -> tuple[Settled, list[Facts]]:
    """Cancels or moves these visits of a locked day; with the answer comes every day that it changed."""
    answer = Settled([], [])
    changed: dict[DayKey, Facts] = {}
    for visit in visits:
        here = changed.get(facts.key, facts)
        if asked.action == "cancel":
            moved = await _cancel(conn, here, visit, actor=actor, now=now, reason=asked.reason)
        else:
            moved = await _move(conn, practice, facts.key, visit, actor=actor, now=now)
        if moved is None:
            answer.left.append(appointment(outlook_on(here, now), visit))
            continue
        changed |= {each.key: each for each in (moved.left, moved.facts)}
        answer.settled.append(appointment(outlook_on(moved.facts, now), moved.facts.visit(visit.id)))
    return answer, list(changed.values())


async def _cancel(
    conn: Connection, facts: Facts, visit: Visit, *, actor: Actor, now: datetime, reason: str | None
) -> Moved:
    """Cancels one visit of a locked day."""
    after = await desk.move(conn, facts, visit.id, Status.CANCELLED, actor=actor, now=now, reason=reason)
    return Moved(after, after, visit.id)


async def _move(
    conn: Connection, practice: Practice, start: DayKey, visit: Visit, *, actor: Actor, now: datetime
) -> Moved | None:
    """Gives one visit the first free seat from its own time on, that day or later; None where there is none."""
    day = start.day
    last = local_day(now, practice.timezone) + timedelta(days=practice.policy.horizon_days)
    while day <= last:
        for seat in (await calendar.read_day(conn, practice, day, now=now)).free():
            if visit.scheduled_at is not None and seat.at < visit.scheduled_at:
                continue
            try:
                return await moving.reschedule(
                    conn, visit.id, start, practice, day=day, time=clock(seat.minute), actor=actor, now=now
                )
            except Conflict:
                break  # that day is closed, or the patient has another visit on it
        day += timedelta(days=1)
    return None
