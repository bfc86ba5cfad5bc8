"""A day's facts as what an estimate goes by: who is in line, where the doctor is, how fast today goes. Pure."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from mediqon.hospitals.slots import Hours, instant, local_day
from mediqon.queues import rules
from mediqon.queues.estimate import Pass
from mediqon.queues.habits import Habits, habits
from mediqon.queues.history import History, Kind
from mediqon.queues.lessons import sensible
from mediqon.queues.models import DayKey, Facts, Priority, QueueState, Status, Visit
from mediqon.queues.pace import todays_pace
from mediqon.queues.prospects import Pending, Room, alike

NOTHING_LEARNT = History()
LONG_BEFORE = timedelta(hours=12)
"""Before the day begins: nobody is awaited yet, and no start of the past was so early."""
PASSES_MAX = 512


def predictions(facts: Facts, line: Sequence[Visit], now: datetime) -> Pass | None:
    """One for each of `line` in call order, worked out as asked for; null where nothing honest can be said:
    closed, over, or paused for nobody knows how long."""
    resting = facts.state is QueueState.PAUSED and facts.paused_until is None
    if not line or resting or facts.state is QueueState.CLOSED or local_day(now, facts.timezone) > facts.day:
        return None
    known = habits(facts.history or NOTHING_LEARNT, facts.slot_minutes)
    begun = any(visit.called_at for visit in facts.visits)
    since = None if begun else _long_before(facts, now)
    if since is not None:
        return _early(facts, line, since, now, known)
    lengths = _lengths(facts.visits, known)
    room = _room(facts, now, len(lengths), begun=begun)
    return Pass([_pending(visit, now) for visit in line], room, known, todays_pace(lengths, known))


def _early(facts: Facts, line: Sequence[Visit], since: datetime, now: datetime, known: Habits) -> Pass:
    """Goes on from where the booking before this one had come: nobody has been called yet."""
    before = _passes.pop(facts.key, None)
    same = alike(line, before.line) if before and before.since == since else 0
    known_ones = before.told.line[:same] if before else ()
    pending = [*known_ones, *(_pending(visit, since) for visit in line[same:])]
    told = Pass(
        pending,
        _room(facts, since, 0, begun=False),
        known,
        todays_pace((), known),
        early=_minutes(since, now),
        like=before and before.told,
    )
    _passes[facts.key] = Early(since, line, told)
    if len(_passes) > PASSES_MAX:
        _passes.popitem(last=False)
    return told


class Early(NamedTuple):
    """A pass along the line of a day to come, as of `since`."""

    since: datetime
    line: Sequence[Visit]
    told: Pass


_passes: OrderedDict[DayKey, Early] = OrderedDict()
"""The latest pass of days to come: the next booking goes on from where the one before it had come."""


def _long_before(facts: Facts, now: datetime) -> datetime | None:
    """The same instant for whoever looks long before a day begins, when it matters no more how long; null later."""
    opened, _ = working_day(facts.day, facts.timezone, facts.hours)
    if opened is None:
        return None
    instant = min(opened, _first_slot(facts) or opened) - LONG_BEFORE
    return instant if instant > now else None


def _pending(visit: Visit, now: datetime) -> Pending:
    due = _minutes(visit.due_at, now)
    slot, at = None, visit.scheduled_at
    if at is not None and visit.status is Status.BOOKED:
        slot = due if at == visit.due_at else _minutes(at, now)
    return Pending(slot, None if visit.priority is Priority.EMERGENCY else due)


def seen_today(visits: Sequence[Visit]) -> list[Visit]:
    """Those the doctor has finished with, in order of their calls."""
    done = [visit for visit in visits if visit.status is Status.COMPLETED and visit.called_at is not None]
    return sorted(done, key=lambda visit: (visit.called_at or visit.due_at, visit.id))


def _lengths(visits: Sequence[Visit], known: Habits) -> list[tuple[Kind, float | None]]:
    minutes = [length(visit) for visit in seen_today(visits)]
    return [(Kind.ANY, each) for each in sensible(minutes, known.mean(Kind.ANY))]


def length(visit: Visit) -> float | None:
    """Minutes from call to end."""
    if visit.called_at is None or visit.ended_at is None:
        return None
    return (visit.ended_at - visit.called_at).total_seconds() / 60


def _room(facts: Facts, now: datetime, seen: int, *, begun: bool) -> Room:
    inside = rules.in_room(facts.visits) if begun else []
    rooms = facts.settings.rooms
    lasted = None
    if len(inside) >= rooms:
        current = inside[-1] if rooms == 1 else inside[0]
        lasted = max(_minutes(now, current.called_at), 0.0)
    opened, gaps = working_day(facts.day, facts.timezone, facts.hours)
    away = _minutes(facts.paused_until, now) if facts.paused_until else 0.0
    opens = None if begun else _minutes(opened or _first_slot(facts) or now, now)
    breaks = [(_minutes(begin, now), _minutes(end, now)) for begin, end in gaps if end > now]
    return Room(
        lasted=lasted,
        opens=opens,
        breaks=[rest for rest in breaks if rest[0] > away and rest[0] > (opens or -rest[1])],
        away=max(away, 0.0),
        late=_late(facts, now, None if begun else opened or _first_slot(facts)),
        seen=seen,
        side_by_side=rooms,
        walk_in_wait=facts.settings.walk_in_wait_minutes,
    )


def _first_slot(facts: Facts) -> datetime | None:
    return min((visit.scheduled_at for visit in facts.visits if visit.scheduled_at is not None), default=None)


def _late(facts: Facts, now: datetime, opens: datetime | None) -> float:
    """Minutes of announced lateness still to come: before the first call they count from the opening."""
    if facts.delayed_at is None:
        return 0.0
    begins = max(facts.delayed_at, opens or facts.delayed_at)
    return max(_minutes(begins + timedelta(minutes=facts.delay_minutes), now), 0.0)


@lru_cache(maxsize=1024)
def working_day(
    day: date, timezone: str, hours: tuple[Hours, ...]
) -> tuple[datetime | None, tuple[tuple[datetime, datetime], ...]]:
    """When the day begins, and its breaks: the gaps between windows, and leave. UTC; no beginning without hours."""
    busy = [(each.start_minute, each.end_minute) for each in hours if each.capacity]
    for leave in (each for each in hours if not each.capacity):
        busy = [
            part
            for start, end in busy
            for part in ((start, min(end, leave.start_minute)), (max(start, leave.end_minute), end))
            if part[0] < part[1]
        ]
    spans: list[tuple[int, int]] = []
    for start, end in sorted(set(busy)):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    if not spans:
        return None, ()

    def at(minute: int) -> datetime:
        return instant(day, minute, timezone) or datetime.combine(day, time(), UTC) + timedelta(minutes=minute)

    gaps = tuple((at(before[1]), at(after[0])) for before, after in pairwise(spans))
    return at(spans[0][0]), gaps


def _minutes(at: datetime | None, since: datetime | None) -> float:
    return (at - since).total_seconds() / 60 if at is not None and since is not None else 0.0
