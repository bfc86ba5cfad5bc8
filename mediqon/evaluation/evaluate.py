"""Every method on a clinic's own log, each day predicted from the days before it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import fmean, median

import msgspec

from mediqon.evaluation.log import Day, Visit
from mediqon.evaluation.methods import OURS, Moment, Past, forecast, outside90
from mediqon.evaluation.scores import Scores
from mediqon.queues.habits import Habits, habits
from mediqon.queues.history import LONGEST_TURN, ClosedDay, History, Seen
from mediqon.queues.lessons import learn, sensible
from mediqon.queues.prospects import Pending, Room

AHEAD = 12
EVERY_MINUTES = 5.0
DEFAULT_SLOT = 10.0
SLOT_STEP = 5.0
DAY_ONE = date(2000, 1, 1)
LONGEST_IDLE = 30.0
"""Without check-in times nobody knows whether a doctor was idle: time between two visits then counts up to this."""
PRESENT_MINUTES = 10.0
"""Without check-in times, somebody booked counts as here from so long before the slot."""


def evaluate(
    days: Sequence[Day], scores: Scores, *, warmup: int, slot_minutes: float | None, step: Callable[[], None]
) -> None:
    """Adds a doctor's days, in order, to the scores; the first `warmup` are only learnt from. `step` counts a day."""
    configured = slot_minutes or configured_slot(days[:warmup])
    history, past = History(), Past()
    for number, day in enumerate(days):
        known = habits(history, configured)
        closed: list[ClosedDay] = []
        for session in day.sessions:
            missed = _score(session, day.absent, known, past, configured, scores if number >= warmup else None)
            closed.append(_closed(session, day.absent, missed))
        history = learn(history, DAY_ONE + timedelta(number), closed, configured)
        mean = past.mean(configured)
        for session in day.sessions:
            past.add([each for each in sensible((visit.minutes for visit in session), mean) if each is not None])
        step()


def configured_slot(days: Sequence[Day]) -> float:
    """What a hospital would have set: the usual distance of slots; without slots, the mean visit down to five minutes,
    as clinics book tighter than visits take."""
    visits = [visit for day in days for session in day.sessions for visit in session]
    slots = sorted({visit.slot for visit in visits if visit.slot is not None})
    gaps = [after - before for before, after in pairwise(slots) if 0 < after - before <= 60]
    if gaps:
        return max(median(gaps), 1.0)
    known = [each for each in sensible((visit.minutes for visit in visits), DEFAULT_SLOT) if each is not None]
    return max(SLOT_STEP * (fmean(known) // SLOT_STEP), SLOT_STEP) if known else DEFAULT_SLOT


def moments(session: Sequence[Visit], absent: Sequence[float]) -> Iterator[tuple[Moment, list[float | None]]]:
    """The line at each start and every five minutes, with when each in it was called, in minutes from then."""
    first, last = session[0].start, session[-1].start
    grid = [first + EVERY_MINUTES * n for n in range(int((last - first) // EVERY_MINUTES) + 1)]
    for now in sorted({*grid, *(visit.start for visit in session)}):
        moment, called = _look(session, absent, now)
        if moment.line:
            yield moment, called


def _look(session: Sequence[Visit], absent: Sequence[float], now: float) -> tuple[Moment, list[float | None]]:
    begun = [visit for visit in session if visit.start <= now]
    current = begun[-1]
    inside = current.left is None or current.left > now
    done = begun[:-1] if inside else begun
    # Without slots, the order of the line is that of the starts; with slots, nobody knows it better than the slots.
    coming: list[tuple[float, float | None, Visit | None]] = [
        (visit.slot if visit.slot is not None else visit.start, visit.start - now, visit)
        for visit in session
        if visit.start > now and _known(visit, now)
    ]
    coming += [(slot, None, None) for slot in absent if now < slot <= session[-1].start]
    coming.sort(key=lambda each: each[0])
    line = coming[:AHEAD]
    moment = Moment(
        at=now,
        people=range(len(line)),
        line=[_pending(visit, due, now) for due, _, visit in line],
        slots=[due - now if visit is None or visit.slot is not None else None for due, _, visit in line],
        room=Room(lasted=now - current.start if inside else None, kind=current.kind, seen=len(done)),
        lengths=[(visit.kind, visit.minutes) for visit in done],
    )
    return moment, [called for _, called, _ in line]


def _known(visit: Visit, now: float) -> bool:
    """Whether a server would know of the visit: booked, or here; all are, where the log says neither."""
    return visit.slot is not None or visit.check_in is None or visit.check_in <= now


def _pending(visit: Visit | None, due: float, now: float) -> Pending:
    if visit is None:
        return Pending(slot=due - now)
    if visit.slot is None:
        return Pending(kind=visit.kind)
    here = visit.check_in <= now if visit.check_in is not None else visit.slot - now < PRESENT_MINUTES
    return Pending(slot=None if here else visit.slot - now, kind=visit.kind)


def _score(
    session: Sequence[Visit],
    absent: Sequence[float],
    known: Habits,
    past: Past,
    configured: float,
    scores: Scores | None,
) -> tuple[int, int, int]:
    """Scores one session, and counts calls before and after our range for learning."""
    below = above = count = 0
    for moment, called in moments(session, absent):
        clean = sensible((minutes for _, minutes in moment.lengths), known.mean(moment.room.kind))
        kinds = [kind for kind, _ in moment.lengths]
        moment = moment._replace(lengths=list(zip(kinds, clean, strict=True)))
        told = forecast(moment, known, past, configured)
        for index, happened in enumerate(called):
            if happened is None:
                continue
            ours = told.ours[index]
            early, late = happened < ours.low, happened > ours.high
            below, above, count = below + early, above + late, count + 1
            if scores is not None:
                scores.add({method: minutes[index] for method, minutes in told.expected.items()}, happened)
                wide = outside90(ours, known, happened)
                scores.cover(OURS, below=early, above=late, outside90=wide, happened=happened)
    return below, above, count


def _closed(session: Sequence[Visit], absent: Sequence[float], missed: tuple[int, int, int]) -> ClosedDay:
    seen = [Seen(visit.minutes, kind=visit.kind) for visit in session]
    for number, (before, after) in enumerate(pairwise(session), start=1):
        waited = after.check_in is None or before.left is None or after.check_in <= before.left
        if before.left is not None and waited:
            seen[number] = msgspec.structs.replace(seen[number], turn=after.start - before.left)
    arrivals = [
        visit.check_in - visit.slot for visit in session if visit.check_in is not None and visit.slot is not None
    ]
    slots = any(visit.slot is not None for visit in session)
    known = any(visit.check_in is not None for visit in session)
    return ClosedDay(
        seen=seen,
        came=sum(visit.slot is not None for visit in session),
        stayed_away=sum(session[0].start - 60 <= slot <= session[-1].start + 60 for slot in absent),
        arrivals=arrivals,
        walk_ins=sum(visit.slot is None for visit in session) if slots else 0,
        open_minutes=session[-1].start - session[0].start if slots else 0.0,
        missed=missed,
        longest_turn=LONGEST_TURN if known else LONGEST_IDLE,
    )
