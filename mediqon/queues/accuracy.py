"""How good what was shown has been: error by horizon, coverage of the range, missed turns. Touches nothing."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from statistics import fmean

import msgspec

from mediqon.queues.shown import Shown

HORIZONS = (15, 30, 60, 120)
"""Minutes before the call at which what was shown is held against it."""
NOTICE_MINUTES = 15.0
"""Who is told to come is on the way so long before the call: what is shown later is too late for them."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was shown, or somebody called. `scheduled_at`: the slot of the visit, null for walk-ins."""

    at: datetime
    appointment_id: int | None
    called: bool
    shown: Sequence[Shown] | None
    scheduled_at: datetime | None


class Outcome(msgspec.Struct, frozen=True):
    """What was shown `horizon` minutes before a call. Minutes; `error` above 0: shown too late."""

    horizon: int
    error: float
    below: bool
    above: bool


class Turn(msgspec.Struct, frozen=True):
    """Of somebody who comes exactly when told: whether they miss their turn, and how long they wait, minutes."""

    missed: bool
    waited: float


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """`minutes` before the call: mean absolute error, bias (above 0: shown too late) and how often the range held."""

    minutes: int
    count: int
    mae: float | None
    bias: float | None
    cover80: float | None


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes and shares; null where nothing was shown. `early`, `late`: calls before and after the 80 % range.

    `missed_turns`: of those told when to be here, who would have come too late by coming exactly then."""

    count: int
    mae: float | None
    bias: float | None
    cover80: float | None
    early: float | None
    late: float | None
    told: int
    missed_turns: int
    waited: float | None
    horizons: list[Horizon]


class Shows(msgspec.Struct):
    """What a day's moments amount to."""

    outcomes: list[Outcome]
    turns: list[Turn]


def weigh(moments: Iterable[Moment]) -> Shows:
    """Holds what one day showed against the first call of each visit."""
    told: dict[int, list[tuple[datetime, Shown]]] = {}
    called: dict[int, datetime] = {}
    slots: dict[int, datetime | None] = {}
    for moment in moments:
        for each in moment.shown or ():
            if each.visit_id not in called:
                told.setdefault(each.visit_id, []).append((moment.at, each))
        if moment.called and moment.appointment_id is not None and moment.appointment_id not in called:
            called[moment.appointment_id] = moment.at
            slots[moment.appointment_id] = moment.scheduled_at
    shows = Shows([], [])
    for visit_id, at in called.items():
        story = told.get(visit_id, [])
        shows.outcomes += _outcomes(story, at)
        slot = slots[visit_id]
        if slot is not None:
            shows.turns += _turn(story, at, slot)
    return shows


def _outcomes(story: Sequence[tuple[datetime, Shown]], called: datetime) -> list[Outcome]:
    clock = called.timestamp() / 60
    found: list[Outcome] = []
    for horizon in HORIZONS:
        shown = _shown_at(story, clock - horizon)
        if shown is not None:
            error = shown.expected - clock
            # Whole minutes: within a minute of its edge a call is inside the range.
            found.append(Outcome(horizon, error, clock < shown.earliest - 0.5, clock > shown.latest + 0.5))
    return found


def _turn(story: Sequence[tuple[datetime, Shown]], called: datetime, slot: datetime) -> list[Turn]:
    clock, booked = called.timestamp() / 60, slot.timestamp() / 60
    shown = _shown_at(story, clock - NOTICE_MINUTES)
    if shown is None:
        return []
    turn = max(clock, booked)  # before the slot nobody's turn is missed
    return [Turn(shown.here_by > turn, max(clock - shown.here_by, 0.0))]


def _shown_at(story: Sequence[tuple[datetime, Shown]], clock: float) -> Shown | None:
    latest = None
    for at, shown in story:
        if at.timestamp() / 60 <= clock:
            latest = shown
    return latest


def accuracy(days: Iterable[Shows]) -> Accuracy:
    """Over one or several days."""
    outcomes: list[Outcome] = []
    turns: list[Turn] = []
    for day in days:
        outcomes += day.outcomes
        turns += day.turns
    whole = _horizon(0, outcomes)
    return Accuracy(
        count=whole.count,
        mae=whole.mae,
        bias=whole.bias,
        cover80=whole.cover80,
        early=_share([each.below for each in outcomes]),
        late=_share([each.above for each in outcomes]),
        told=len(turns),
        missed_turns=sum(turn.missed for turn in turns),
        waited=round(fmean(turn.waited for turn in turns), 1) if turns else None,
        horizons=[_horizon(minutes, [o for o in outcomes if o.horizon == minutes]) for minutes in HORIZONS],
    )


def _horizon(minutes: int, outcomes: Sequence[Outcome]) -> Horizon:
    return Horizon(
        minutes=minutes,
        count=len(outcomes),
        mae=round(fmean(abs(each.error) for each in outcomes), 1) if outcomes else None,
        bias=round(fmean(each.error for each in outcomes), 1) if outcomes else None,
        cover80=_share([not (each.below or each.above) for each in outcomes]),
    )


def _share(these: Sequence[bool]) -> float | None:
    return round(sum(these) / len(these), 3) if these else None


def by_day(rows: Iterable[tuple[date, Moment]]) -> dict[date, list[Moment]]:
    """Moments in order, grouped by their day."""
    found: dict[date, list[Moment]] = {}
    for day, moment in rows:
        found.setdefault(day, []).append(moment)
    return found
