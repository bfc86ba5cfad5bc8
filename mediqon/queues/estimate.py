"""When each waiting patient will probably be called: one pass along the line. Touches nothing.

Consultations are lognormal (log sd 0.49 with the prior; 381 real half-day sessions had 0.44). The pass carries mean and
variance of "the doctor is free" from patient to patient; somebody not here yet is met by Clark's maximum of two normal
times (C. E. Clark, "The greatest of a finite set of random variables", Operations Research 9, 1961).
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

SIGMA2 = 0.24
"""Prior variance of a log consultation length."""
RETURN_SHIFT = -0.20 + 0.24 * 0.27
"""Prior log mean against ln(slot minutes), over first and return visits."""
CHANGEOVER_MINUTES = 0.5
SHOW_PROBABILITY = 13 / 15
"""Prior mean of Beta(2, 13): two in fifteen do not come."""
ARRIVAL_LEAD_MINUTES = 8.0
ARRIVAL_SD_MINUTES = 12.0
Z80 = 1.2816
WIDEN = 1.1
"""First calibration factor of the 80 % range."""
FLOAT_NOISE = timedelta(milliseconds=1)


class Pending(msgspec.Struct, frozen=True):
    """One place in line. `slot_at` is the booked time of somebody who is not here yet, else null."""

    slot_at: datetime | None


class Window(msgspec.Struct, frozen=True):
    """When a visit will probably start: the median and the 80 % range, UTC, whole minutes, never in the past."""

    expected: datetime
    earliest: datetime
    latest: datetime


def forecast(
    line: Sequence[Pending],
    *,
    now: datetime,
    slot_minutes: int,
    in_room_since: datetime | None,
    away_until: datetime | None = None,
    delay_minutes: float = 0.0,
) -> list[Window]:
    """A window for each place in `line` (call order), given who has been in the room since when.

    Nobody is called before `away_until`, the end of a break. `delay_minutes` of lateness are still to come.
    """
    log_mean = math.log(slot_minutes) + RETURN_SHIFT
    service = math.exp(log_mean + SIGMA2 / 2)
    variance = service**2 * (math.exp(SIGMA2) - 1)
    free, spread = delay_minutes, 0.0
    if in_room_since is not None:
        elapsed = max((now - in_room_since).total_seconds() / 60, 0.05)
        free, spread = remaining(log_mean, elapsed)
        free += CHANGEOVER_MINUTES + delay_minutes
    if away_until is not None:
        free = max(free, (away_until - now).total_seconds() / 60)
    windows: list[Window] = []
    for pending in line:
        start, start_spread, weight, floor = free, spread, 1.0, 0.0
        if pending.slot_at is not None:
            floor = (pending.slot_at - now).total_seconds() / 60
            arrival = max(floor - ARRIVAL_LEAD_MINUTES, 0.0)
            start, start_spread = later_of(free, spread, arrival, ARRIVAL_SD_MINUTES**2)
            weight = SHOW_PROBABILITY
        windows.append(_window(now, start, start_spread, floor=floor))
        free = start + weight * (service + CHANGEOVER_MINUTES)
        spread = start_spread + weight * variance + weight * (1 - weight) * service**2
    return windows


def later_of(mean_a: float, var_a: float, mean_b: float, var_b: float) -> tuple[float, float]:
    """Mean and variance of the later of two independent normal times (Clark 1961)."""
    theta = math.sqrt(var_a + var_b)
    if theta == 0:
        return max(mean_a, mean_b), 0.0
    alpha = (mean_a - mean_b) / theta
    density = math.exp(-alpha * alpha / 2) / math.sqrt(2 * math.pi)
    below = _phi(alpha)
    mean = mean_a * below + mean_b * (1 - below) + theta * density
    second = (mean_a**2 + var_a) * below + (mean_b**2 + var_b) * (1 - below) + (mean_a + mean_b) * theta * density
    return mean, max(second - mean * mean, 0.0)


def remaining(log_mean: float, elapsed: float) -> tuple[float, float]:
    """Mean and variance of the minutes left of a lognormal visit that has lasted `elapsed` minutes (Whitt 1999)."""
    sigma = math.sqrt(SIGMA2)
    a = (log_mean - math.log(elapsed)) / sigma
    beyond = _phi(a)
    if beyond < 1e-9:
        return elapsed * sigma, (elapsed * sigma) ** 2
    mean = math.exp(log_mean + SIGMA2 / 2) * _phi(a + sigma) / beyond
    second = math.exp(2 * log_mean + 2 * SIGMA2) * _phi(a + 2 * sigma) / beyond
    return max(mean - elapsed, 0.0), max(second - mean * mean, 0.0)


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _window(now: datetime, wait: float, variance: float, *, floor: float) -> Window:
    """Median and range of a lognormal wait of that mean and variance (Fenton-Wilkinson)."""
    wait = max(wait, 0.01)
    ratio = 1 + variance / (wait * wait)
    median = wait / math.sqrt(ratio)
    factor = math.exp(WIDEN * Z80 * math.sqrt(math.log(ratio)))
    early, middle, late = median / factor, max(median, floor), max(median * factor, floor)
    return Window(_minute(now, middle), _minute(now, min(early, middle)), _minute(now, late))


def _minute(now: datetime, wait: float) -> datetime:
    """`now` plus so many minutes, up to the whole minute (a slot's own minute stays itself)."""
    at = now + timedelta(minutes=wait) - FLOAT_NOISE
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)
