"""What became of one doctor's day: waits, consultations, who was passed over and why. Touches nothing.

It is told by the day's events, in their order and without those that were taken back: so a visit that was called, held
and called again waited until its first call, and its consultation is all the time it spent in the room.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from mediqon.queues.accuracy import Accuracy, Shows, accuracy
from mediqon.queues.models import Facts, Priority, QueueState, Status, Visit
from mediqon.queues.replay import OVERRIDES, Deed, Overtake, Replay, Who


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Each visit counts once. `left`: was here and was never seen: not called, or cancelled after check-in."""

    visits: int
    seen: int
    no_show: int
    left: int
    cancelled: int
    open: int


class Spread(msgspec.Struct, frozen=True):
    """Minutes, null where there were none. `p90`: nine in ten were no longer (nearest rank, so somebody's own)."""

    count: int
    mean: float | None
    median: float | None
    p90: float | None


class Waits(msgspec.Struct, frozen=True):
    """From check-in to the first call."""

    all: Spread
    booked: Spread
    walk_in: Spread


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody changed the order by hand, or took a change back. `change`: the new priority, or the verb undone."""

    at: datetime
    actor: Who | None
    verb: str
    token: str | None
    change: str | None
    reason: str | None


class VisitLine(msgspec.Struct, frozen=True, kw_only=True):
    """One visit in numbers: no name."""

    token: str
    booked: bool
    status: Status
    priority: Priority
    scheduled_at: datetime | None
    booked_at: datetime
    checked_in_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    wait_minutes: float | None
    consultation_minutes: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A doctor's day. Instants are UTC; `date` is the hospital's."""

    doctor_id: int
    doctor: str
    date: date
    timezone: str
    state: QueueState
    counts: Counts
    waits: Waits
    consultations: Spread
    overtakes: list[Overtake]
    overrides: list[Override]
    accuracy: Accuracy
    visits: list[VisitLine]


def report(facts: Facts, deeds: Sequence[Deed], shows: Iterable[Shows]) -> Report:
    """The report of a day as it stands, from its visits, all its events in order, and what was shown."""
    day = Replay(facts)
    for deed in deeds:
        if not deed.undone and deed.verb != "undo":
            day.follow(deed)
    lines = [_line(visit, day) for visit in sorted(facts.visits, key=lambda visit: (visit.due_at, visit.id))]
    waits = [(line.booked, line.wait_minutes) for line in lines if line.wait_minutes is not None]
    return Report(
        doctor_id=facts.doctor_id,
        doctor=facts.doctor,
        date=facts.day,
        timezone=facts.timezone,
        state=facts.state,
        counts=_counts(facts.visits, day),
        waits=Waits(
            spread(wait for _, wait in waits),
            spread(wait for booked, wait in waits if booked),
            spread(wait for booked, wait in waits if not booked),
        ),
        consultations=spread(m for line in lines if (m := line.consultation_minutes) is not None),
        overtakes=day.overtakes,
        overrides=[_override(deed) for deed in deeds if deed.verb in OVERRIDES],
        accuracy=accuracy(shows),
        visits=lines,
    )


def spread(minutes: Iterable[float]) -> Spread:
    """Mean, median and 90th percentile, to a tenth of a minute."""
    ordered = sorted(minutes)
    if not ordered:
        return Spread(0, None, None, None)
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    found = (statistics.fmean(ordered), statistics.median(ordered), p90)
    return Spread(len(ordered), *(round(each, 1) for each in found))


def _line(visit: Visit, day: Replay) -> VisitLine:
    called, came, spent = day.called.get(visit.id), visit.checked_in_at, day.minutes.get(visit.id)
    return VisitLine(
        token=visit.token,
        booked=visit.scheduled_at is not None,
        status=visit.status,
        priority=visit.priority,
        scheduled_at=visit.scheduled_at,
        booked_at=visit.booked_at,
        checked_in_at=came,
        called_at=called,
        started_at=visit.started_at,
        ended_at=visit.ended_at,
        wait_minutes=round((called - came).total_seconds() / 60, 1) if called and came else None,
        consultation_minutes=None if spent is None else round(spent, 1),
    )


def _counts(visits: Sequence[Visit], day: Replay) -> Counts:
    fates = [_fate(visit, called=visit.id in day.called) for visit in visits]
    tally: Mapping[str, int] = {fate: fates.count(fate) for fate in Counts.__struct_fields__[1:]}
    return Counts(visits=len(visits), **tally)


def _fate(visit: Visit, *, called: bool) -> str:
    came = visit.checked_in_at is not None
    match visit.status:
        case Status.COMPLETED:
            return "seen"
        case Status.NO_SHOW:
            return "left" if came and not called else "no_show"
        case Status.CANCELLED:
            return "left" if came else "cancelled"
        case _:
            return "open"


def _override(deed: Deed) -> Override:
    change: Any = None
    reason = deed.reason
    if deed.verb == "undo":
        change, reason = deed.reason, None
    elif deed.verb == "priority" and deed.after.visit is not None:
        change = deed.after.visit.priority
    return Override(at=deed.at, actor=deed.actor, verb=deed.verb, token=deed.token, change=change, reason=reason)
