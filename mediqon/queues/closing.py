"""A closed day as what can be learnt from it. Touches nothing."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from mediqon.queues.accuracy import Shows
from mediqon.queues.history import ClosedDay, Seen
from mediqon.queues.models import Facts, Priority, Status, Visit
from mediqon.queues.scene import length, seen_today, working_day

LONGEST_DAY_MINUTES = 960.0
"""A clinic is not open longer: a last visit that the night had to end says nothing of the hours."""


def closed_day(facts: Facts, shows: Shows) -> ClosedDay | None:
    """What a day has taught; null for one on which nobody was called: then the desk did without this program."""
    seen = seen_today(facts.visits)
    if not seen:
        return None
    booked = [visit for visit in facts.visits if visit.scheduled_at is not None]
    arrivals = [_since(visit.scheduled_at, visit.checked_in_at) for visit in booked if visit.checked_in_at is not None]
    here = [visit for visit in facts.visits if visit.scheduled_at is None]
    urgent = sum(visit.priority is Priority.EMERGENCY for visit in facts.visits)
    opened, _ = working_day(facts.day, facts.timezone, facts.hours)
    return ClosedDay(
        seen=_seen(seen),
        came=len(arrivals),
        stayed_away=sum(visit.status is Status.NO_SHOW and visit.checked_in_at is None for visit in booked),
        arrivals=arrivals,
        walk_ins=sum(visit.priority is not Priority.EMERGENCY for visit in here),
        emergencies=urgent,
        open_minutes=min(_since(seen[0].called_at, seen[-1].called_at), LONGEST_DAY_MINUTES),
        start=None if opened is None else _since(opened, seen[0].called_at),
        missed=(
            sum(each.below for each in shows.outcomes),
            sum(each.above for each in shows.outcomes),
            len(shows.outcomes),
        ),
    )


def _seen(visits: Sequence[Visit]) -> list[Seen]:
    turns = [None, *(_turn(before, after) for before, after in pairwise(visits))]
    return [Seen(length(visit), turn) for visit, turn in zip(visits, turns, strict=True)]


def _turn(before: Visit, after: Visit) -> float | None:
    """Minutes from the end of a visit to the next call, where somebody was there to be called."""
    if before.ended_at is None or after.checked_in_at is None or after.checked_in_at > before.ended_at:
        return None
    return _since(before.ended_at, after.called_at)


def _since(begin: datetime | None, end: datetime | None) -> float:
    return (end - begin).total_seconds() / 60 if begin is not None and end is not None else 0.0
