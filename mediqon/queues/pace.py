"""How fast today goes against the doctor's other days. Touches nothing."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mediqon.queues.habits import Habits
from mediqon.queues.history import Kind

CLIP_SIGMAS = 2.5
PACE_STEP = 1e-4
"""How much the variance of today's pace grows with each visit."""
INFLATION_MOST = 0.5


class Pace(NamedTuple):
    """How today differs from the doctor's other days, in log minutes: mean and variance."""

    shift: float
    variance: float


def todays_pace(lengths: Sequence[tuple[Kind, float | None]], habits: Habits) -> Pace:
    """Today's pace after these visits, in order, unknown lengths null: a scalar Kalman filter on clipped residuals."""
    shift, variance = 0.0, habits.tau2
    clip = CLIP_SIGMAS * math.sqrt(habits.sigma2)
    for place, (kind, minutes) in enumerate(lengths):
        if minutes is None:
            continue
        residual = math.log(minutes / habits.factor(place)) - habits.log_means[kind] - shift
        variance += PACE_STEP
        gain = variance / (variance + habits.sigma2)
        shift += gain * min(max(residual, -clip), clip)
        variance *= 1 - gain
    return Pace(shift, variance)


class Speed(NamedTuple):
    """How fast the line moves: minutes of each kind of visit, their relative variance, minutes between two visits, and
    what emergencies add."""

    means: list[float]
    relative: float
    turn: float
    inflation: float


@lru_cache(maxsize=512)
def speed(habits: Habits, pace: Pace, side_by_side: int) -> Speed:
    """What habits and today's pace come to with so many patients seen at once."""
    spread = habits.sigma2 + pace.variance
    means = [habits.scale * math.exp(mu + pace.shift + spread / 2) / side_by_side for mu in habits.log_means]
    inflation = 1 / (1 - min(habits.emergencies * means[0], INFLATION_MOST))
    return Speed(means, math.exp(habits.sigma2) - 1, habits.turn / side_by_side, inflation)
