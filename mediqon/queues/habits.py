"""How a doctor works: what priors and history amount to, so that a new doctor has honest times on the first day. Pure.

No single day can move a habit far. Formulas and constants are those of 381 measured half-day sessions.
"""

import math
from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import msgspec

from mediqon.queues.history import History, Kind

LENGTH_WEIGHT = 8.0
SIGMA2_PRIOR, SIGMA2_WEIGHT = 0.24, 20.0
TAU2_PRIOR, TAU2_WEIGHT, TAU2_LEAST = 0.01, 10.0, 0.0009
BIN_PATIENTS, BINS, BIN_WEIGHT = 4, 12, 60.0
NO_BINS = ((0.0, 0.0),) * BINS
SCALE_WEIGHT = 30.0
TURN_MEAN, TURN_VARIANCE, TURN_WEIGHT = 0.5, 1.0, 20.0
"""Prior minutes from the end of a visit to the next call, and its weight in visits."""
STAYED_AWAY, CAME = 2.0, 13.0
"""Prior Beta of no-shows."""
ARRIVAL_WEIGHT = 40.0
ARRIVAL_PRIOR = ((-75.0, 0.0), (-46.0, 0.05), (-18.0, 0.25), (-8.0, 0.5), (-1.0, 0.75), (12.0, 0.95), (35.0, 1.0))
"""Check-in minus slot, minutes, and the share that has come by then; straight in between."""
ARRIVAL_STEP = 2.5
ARRIVAL_EDGES = tuple(-75.0 + ARRIVAL_STEP * n for n in range(45))
CENTRES = (ARRIVAL_EDGES[0], *(edge + ARRIVAL_STEP / 2 for edge in ARRIVAL_EDGES))
RATE_MINUTES = 480.0
"""Weight in minutes of the prior rates of walk-ins and emergencies."""
WALK_INS_PRIOR, EMERGENCIES_PRIOR = 0.5, 0.1
WIDEN_FIRST = 1.4
"""The range of a doctor's first session is wider."""

LOG_SHIFT = {Kind.ANY: -0.20 + 0.24 * 0.27, Kind.RETURN: -0.20, Kind.NEW: -0.20 + 0.24}
"""Prior log mean of a visit against ln(slot minutes); without the kind, 27 in 100 are new."""


class Arrivals(NamedTuple):
    """Of somebody not here so long after the slot: share that comes after that, mean and variance of when."""

    still: float
    mean: float
    variance: float


class Habits(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """How a doctor works, from prior and history. Minutes; variances of log minutes."""

    log_means: tuple[float, float, float]
    sigma2: float
    tau2: float
    factors: tuple[float, ...]
    scale: float
    turn: float
    turn_variance: float
    stays_away: float
    arrivals: tuple[Arrivals, ...]
    walk_ins: float
    emergencies: float
    starts: tuple[float, ...]
    widen_low: float
    widen_high: float

    def mean(self, kind: Kind, place: float = 0.0) -> float:
        """Expected minutes of a visit, so many having been seen before."""
        return self.scale * math.exp(self.log_means[kind] + (self.sigma2 + self.tau2) / 2) * self.factor(place)

    def factor(self, place: float) -> float:
        """Pace at this place of the session, 1 on average."""
        return self.factors[min(int(place) // BIN_PATIENTS, BINS - 1)]

    def arrival(self, after_slot: float) -> Arrivals:
        """When somebody comes who is not here so many minutes after the slot (before it: below 0)."""
        return self.arrivals[bisect_right(ARRIVAL_EDGES, after_slot)]


@lru_cache(maxsize=512)
def habits(history: History, slot_minutes: float) -> Habits:
    """What the history of a doctor with such slots amounts to."""
    prior = math.log(slot_minutes)
    away, came = history.shows
    walk_ins, emergencies, minutes = history.rates
    low, high = history.widen if history.sessions else (WIDEN_FIRST, WIDEN_FIRST)
    turn, turn_variance = _turns(history)
    within, freedom = history.within
    between, sessions = history.between
    worked, expected = history.scale
    return Habits(
        log_means=tuple(  # pyright: ignore[reportArgumentType]
            (LENGTH_WEIGHT * (prior + LOG_SHIFT[kind]) + total) / (LENGTH_WEIGHT + count)
            for kind, (count, total) in zip(Kind, history.lengths, strict=True)
        ),
        sigma2=(SIGMA2_WEIGHT * SIGMA2_PRIOR + within) / (SIGMA2_WEIGHT + freedom),
        tau2=max(TAU2_LEAST, (TAU2_WEIGHT * TAU2_PRIOR + between) / (TAU2_WEIGHT + sessions)),
        factors=_factors(history),
        scale=(SCALE_WEIGHT * slot_minutes + worked) / (SCALE_WEIGHT * slot_minutes + expected),
        turn=turn,
        turn_variance=turn_variance,
        stays_away=(STAYED_AWAY + away) / (STAYED_AWAY + CAME + away + came),
        arrivals=_arrivals(history.arrivals),
        walk_ins=(WALK_INS_PRIOR + walk_ins) / (RATE_MINUTES + minutes),
        emergencies=(EMERGENCIES_PRIOR + emergencies) / (RATE_MINUTES + minutes),
        starts=history.starts,
        widen_low=low,
        widen_high=high,
    )


def _factors(history: History) -> tuple[float, ...]:
    bins = history.bins or NO_BINS
    return tuple(math.exp(total / (BIN_WEIGHT + count)) for count, total in bins)


def _turns(history: History) -> tuple[float, float]:
    count, total, squares = history.turns
    weight = TURN_WEIGHT + count
    mean = (TURN_WEIGHT * TURN_MEAN + total) / weight
    second = (TURN_WEIGHT * (TURN_VARIANCE + TURN_MEAN**2) + squares) / weight
    return mean, max(second - mean * mean, 0.0)


def _prior_share(after_slot: float) -> float:
    for (left, low), (right, high) in pairwise(ARRIVAL_PRIOR):
        if after_slot < right:
            return low + (high - low) * max(after_slot - left, 0.0) / (right - left)
    return 1.0


PRIOR_ARRIVALS = tuple(
    ARRIVAL_WEIGHT * (high - low)
    for low, high in zip(
        (0.0, *map(_prior_share, ARRIVAL_EDGES)), (*map(_prior_share, ARRIVAL_EDGES), 1.0), strict=True
    )
)


@lru_cache(maxsize=512)
def _arrivals(counts: tuple[float, ...]) -> tuple[Arrivals, ...]:
    """For each bin, what is to be expected of somebody who has not come before its middle."""
    known = counts or (0.0,) * len(CENTRES)
    weights = [prior + count for prior, count in zip(PRIOR_ARRIVALS, known, strict=True)]
    everybody = sum(weights)
    found: list[Arrivals] = []
    mass = first = second = 0.0
    for weight, centre in zip(reversed(weights), reversed(CENTRES), strict=True):
        half = weight / 2
        mass, first, second = mass + half, first + half * centre, second + half * centre * centre
        if mass > 0:
            mean = first / mass
            found.append(Arrivals(mass / everybody, mean, max(second / mass - mean * mean, 1.0)))
        else:
            found.append(Arrivals(0.0, centre + ARRIVAL_STEP, 1.0))
        mass, first, second = mass + half, first + half * centre, second + half * centre * centre
    return tuple(reversed(found))
