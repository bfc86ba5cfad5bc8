"""What one closed day more teaches of a doctor. Rubbish among its times never poisons the rest. Touches nothing."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from statistics import median

import msgspec

from mediqon.queues.habits import ARRIVAL_EDGES, BIN_PATIENTS, BINS, CENTRES, NO_BINS, Habits, habits
from mediqon.queues.history import ClosedDay, History, Kind

DECAY = 0.97
"""What a closed day still counts one closed day later."""
FADING = ("within", "between", "scale", "turns", "shows", "arrivals", "rates")
STARTS_KEPT = 25
DIGITS = 6
SHORTEST_VISIT, LONGEST_MEANS = 0.5, 6.0
"""A length below so many minutes, or above so many means, is a forgotten button."""
EARLIEST_START, LATEST_START = -30.0, 240.0
WIDEN_LEAST, WIDEN_MOST = 0.7, 1.8
WIDEN_RATE, MISS_AIM = 0.15, 0.10
LEAST_SAMPLES = 8
"""A session with fewer outcomes says nothing about the width of the range."""


def learn(history: History, day: date, sessions: Iterable[ClosedDay], slot_minutes: float) -> History:
    """The history with one more closed day, of one or several sessions, in it. Rubbish among its times is left out."""
    known = _faded(history, DECAY)
    for session in sessions:
        known = _with_session(known, session, habits(history, slot_minutes))
    return _rounded(msgspec.structs.replace(known, last_day=max(day, history.last_day or day)))


def sensible(minutes: Iterable[float | None], mean: float) -> list[float | None]:
    """Lengths of a session in order, null where unknown or rubbish: negative, a double press, a forgotten button."""
    given = list(minutes)
    plausible = [each for each in given if each is not None and each >= SHORTEST_VISIT]
    most = LONGEST_MEANS * max(mean, median(plausible) if plausible else 0.0)
    return [each if each is not None and SHORTEST_VISIT <= each <= most else None for each in given]


def _with_session(history: History, session: ClosedDay, habit: Habits) -> History:
    lengths = [list(each) for each in history.lengths]
    bins = [list(each) for each in history.bins or NO_BINS]
    minutes = sensible((each.minutes for each in session.seen), habit.mean(Kind.ANY))
    residuals: list[float] = []
    worked, expected = history.scale
    for place, (each, length) in enumerate(zip(session.seen, minutes, strict=True)):
        if length is None:
            continue
        residual = math.log(length) - habit.log_means[each.kind]
        spot = bins[min(place // BIN_PATIENTS, BINS - 1)]
        spot[0], spot[1] = spot[0] + 1, spot[1] + residual
        lengths[each.kind][0] += 1
        lengths[each.kind][1] += math.log(length)
        residuals.append(residual - math.log(habit.factor(place)))
        worked, expected = worked + length, expected + habit.mean(each.kind, place) / habit.scale
    count, total, squares = history.turns
    for each in session.seen:
        if each.turn is not None and 0 <= each.turn <= session.longest_turn:
            count, total, squares = count + 1, total + each.turn, squares + each.turn**2
    started = session.start is not None and EARLIEST_START <= session.start <= LATEST_START
    return msgspec.structs.replace(
        history,
        sessions=history.sessions + 1,
        lengths=tuple(tuple(each) for each in lengths),
        bins=tuple(tuple(each) for each in bins),
        scale=(worked, expected),
        turns=(count, total, squares),
        shows=(history.shows[0] + session.stayed_away, history.shows[1] + session.came),
        arrivals=_counted(history.arrivals, session.arrivals),
        rates=_rates(history.rates, session),
        starts=(*history.starts, session.start)[-STARTS_KEPT:] if started else history.starts,
        widen=_widened(history.widen, session.missed),
        **_spread(history, residuals, habit.sigma2),
    )


def _spread(history: History, residuals: Sequence[float], sigma2: float) -> dict[str, tuple[float, float]]:
    """Variance inside this session, and what its mean says of the variance between sessions."""
    if not residuals:
        return {}
    mean = sum(residuals) / len(residuals)
    within, freedom = history.within
    between, sessions = history.between
    return {
        "within": (within + sum((each - mean) ** 2 for each in residuals), freedom + len(residuals) - 1),
        "between": (between + mean * mean - sigma2 / len(residuals), sessions + 1),
    }


def _rates(rates: tuple[float, float, float], session: ClosedDay) -> tuple[float, float, float]:
    if session.open_minutes <= 0:
        return rates
    return rates[0] + session.walk_ins, rates[1] + session.emergencies, rates[2] + session.open_minutes


def _counted(counts: tuple[float, ...], arrivals: Sequence[float]) -> tuple[float, ...]:
    if not arrivals:
        return counts
    found = list(counts or (0.0,) * len(CENTRES))
    for after_slot in arrivals:
        if abs(after_slot) <= LATEST_START:
            found[bisect_right(ARRIVAL_EDGES, after_slot)] += 1
    return tuple(found)


def _widened(widen: tuple[float, float], missed: tuple[int, int, int]) -> tuple[float, float]:
    """Once per session and side (after Gibbs & Candès 2021); once per prediction, one bad session would blow it up."""
    below, above, samples = missed
    if samples < LEAST_SAMPLES:
        return widen
    low, high = (
        min(max(factor * math.exp(WIDEN_RATE * (count / samples - MISS_AIM)), WIDEN_LEAST), WIDEN_MOST)
        for factor, count in zip(widen, (below, above), strict=True)
    )
    return low, high


def _faded(history: History, by: float) -> History:
    def fade(sums: Sequence[float]) -> tuple[float, ...]:
        return tuple(each * by for each in sums)

    return msgspec.structs.replace(
        history,
        lengths=tuple(fade(each) for each in history.lengths),
        bins=tuple(fade(each) for each in history.bins),
        **{name: fade(getattr(history, name)) for name in FADING},
    )


def _rounded(history: History) -> History:
    """Sums with as many digits as matter, so that the stored row is small."""

    def rounded(sums: Sequence[float]) -> tuple[float, ...]:
        return tuple(round(each, DIGITS) for each in sums)

    return msgspec.structs.replace(
        history,
        lengths=tuple(rounded(each) for each in history.lengths),
        bins=tuple(rounded(each) for each in history.bins),
        **{name: rounded(getattr(history, name)) for name in (*FADING, "starts", "widen")},
    )
