"""Visits whose hours are gone, by leave or by other hours on their date: one call moves or cancels them all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from mediqon.appointments import moving
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


class Step(NamedTuple):
    """One visit dealt with: every day it changed, and where it stands now."""

    changed: tuple[Facts, ...]
    facts: Facts
    visit_id: int


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
            step = await _cancel(conn, here, visit, actor=actor, now=now, reason=asked.reason)
        else:
            step = await _move(conn, practice, facts.key, visit, actor=actor, now=now)
        if step is None:
            answer.left.append(appointment(outlook_on(here, now), visit))
            continue
        changed |= {each.key: each for each in step.changed}
        answer.settled.append(appointment(outlook_on(step.facts, now), step.facts.visit(step.visit_id)))
    return answer, list(changed.values())


async def _cancel(
    conn: Connection, facts: Facts, visit: Visit, *, actor: Actor, now: datetime, reason: str | None
) -> Step:
    """Cancels one visit of a locked day."""
    after = await desk.move(conn, facts, visit.id, Status.CANCELLED, actor=actor, now=now, reason=reason)
    return Step((after,), after, visit.id)


async def _move(
    conn: Connection, practice: Practice, start: DayKey, visit: Visit, *, actor: Actor, now: datetime
) -> Step | None:
    """Gives one visit the first free seat from its own time on, that day or later; None where there is none."""
    day = start.day
    last = local_day(now, practice.timezone) + timedelta(days=practice.policy.horizon_days)
    while day <= last:
        for seat in (await calendar.read_day(conn, practice, day, now=now)).free():
            if visit.scheduled_at is not None and seat.at < visit.scheduled_at:
                continue
            try:
                moved = await moving.reschedule(
                    conn, visit.id, start, practice, day=day, time=clock(seat.minute), actor=actor, now=now
                )
            except Conflict:
                break  # that day is closed, or the patient has another visit on it
            return Step((moved.left, moved.facts), moved.facts, visit.id)
        day += timedelta(days=1)
    return None
