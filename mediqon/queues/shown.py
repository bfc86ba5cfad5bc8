"""What patients are shown: steps of five minutes that hold until they are wrong, and when to be here. Touches nothing.

What was shown is part of the day's facts. So every process holds on to the same times without talking to the others.
For the few seconds that what a change told stands, one that has read the day may already be a step further.
"""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from mediqon.queues.prospects import Prediction

STEP, WIDE_STEP, WIDE_FROM = 5, 10, 60.0
"""Minutes that shown times are rounded to, and beyond an hour."""
NEXT_MINUTES = 5.0
"""Nearer than this no clock is promised: minutes are whole, and pages say "you are next"."""
PATIENCE, PATIENCE_LEAST, PATIENCE_MOST = 0.3, 5.0, 15.0
"""A shown time holds until it is wrong by this share of the wait, within these minutes."""
EDGE_PATIENCE = 1.0
"""The edges of the range hold longer than its middle."""
PASSED_MINUTES = 2.0
HERE_LATER, HERE_FAR = 10, 20.0
"""'Be here by' moves earlier at once, later only by so much, and while further away than that."""

Rounding = Callable[[float, float], int]


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """The same minutes, taken apart: people ahead who will be seen, minutes for each, minutes left in the room, when
    the doctor starts (minutes since 1970; 0 for has started), minutes of breaks."""

    ahead: int
    each: int
    left: int
    begins: int
    rests: int


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """What the holder of a visit was told, in whole minutes since 1970 (UTC)."""

    visit_id: int
    expected: int
    earliest: int
    latest: int
    here_by: int
    reason: Reason

    @property
    def promise(self) -> tuple[int, ...]:
        """Without the reason, which follows the line from change to change."""
        return self.visit_id, self.expected, self.earliest, self.latest, self.here_by

    @property
    def window(self) -> "Window":
        return Window(
            instant(self.expected), instant(self.earliest), instant(self.latest), instant(self.here_by), self.reason
        )


class Window(NamedTuple):
    """When a visit will probably start: the median, the 80 % range, when to be here, and why. UTC."""

    expected: datetime
    earliest: datetime
    latest: datetime
    here_by: datetime
    reason: Reason


@lru_cache(maxsize=4096)
def instant(minute: int) -> datetime:
    """A minute since 1970. The same few thousand are shown again and again."""
    return datetime.fromtimestamp(minute * 60, UTC)


class Stir(IntEnum):
    """What has just changed the line: nothing but the clock, what was foreseen, something that nobody could know, or
    the desk's word on the whole day."""

    CLOCK = 0
    FORESEEN = 1
    SURPRISE = 2
    DESK = 3


def patience(wait: float, stir: Stir) -> float:
    """How wrong a shown time may be, minutes, for somebody who waits so long."""
    if stir is Stir.DESK:
        return 0.0
    calm = min(max(PATIENCE * wait, PATIENCE_LEAST), PATIENCE_MOST)
    return calm if stir <= Stir.FORESEEN else max(calm / 2, PATIENCE_LEAST)


def show(
    visit_id: int, told: Prediction, before: Shown | None, *, now: datetime, slot: datetime | None, stir: Stir
) -> Shown:
    """What to show after `before`. `slot`: no call is promised before it."""
    clock = now.timestamp() / 60
    still = patience(told.expected, stir)
    expected = _kept(before and before.expected, clock, told.expected, still, _nearest)
    earliest = _kept(before and before.earliest, clock, told.low, EDGE_PATIENCE * still, _down)
    latest = _kept(before and before.latest, clock, told.high, EDGE_PATIENCE * still, _up)
    if slot is not None:
        begins = math.ceil(slot.timestamp() / 60)
        expected, latest = max(expected, begins), max(latest, begins)
    earliest = max(min(earliest, expected), math.ceil(clock))
    return Shown(
        visit_id,
        max(expected, earliest),
        earliest,
        max(latest, expected, earliest),
        _here_by(before and before.here_by, clock, told.low, earliest, stir),
        _reason(told, clock),
    )


def _reason(told: Prediction, clock: float) -> Reason:
    begins = round(clock + told.begins) if told.begins > 0 else 0
    return Reason(round(told.ahead), round(told.each), round(told.left), begins, round(told.rests))


def newly_told(before: Sequence[Shown], after: Sequence[Shown]) -> list[Shown] | None:
    """What is shown now and was not before, reasons apart; null for nothing."""
    known = {each.promise for each in before}
    return [each for each in after if each.promise not in known] or None


def in_order(behind: Shown, ahead: Shown) -> Shown:
    """Nobody who is here is told an earlier time than whoever goes first."""
    return msgspec.structs.replace(
        behind,
        expected=max(behind.expected, ahead.expected),
        earliest=max(behind.earliest, ahead.earliest),
        latest=max(behind.latest, ahead.latest),
    )


def _kept(before: int | None, clock: float, wait: float, patience: float, rounded: Rounding) -> int:
    """The minute shown before, while it holds: it may be wrong by `patience`, and over by two minutes."""
    if before is None or before < clock - PASSED_MINUTES:
        return rounded(clock, wait)
    off = clock + wait - before
    if abs(off) <= patience:
        return max(before, math.ceil(clock))
    return rounded(clock, wait)


def _here_by(before: int | None, clock: float, low: float, earliest: int, stir: Stir) -> int:
    """Earlier at once; later only by much, while it is far away, and with a change that is kept: what the clock alone
    had put off would come back as it draws near."""
    found = min(int((clock + low) // STEP) * STEP, earliest)
    if before is None or found < before:
        return found
    put_off = stir is not Stir.CLOCK and found - before >= HERE_LATER and before - clock > HERE_FAR
    return found if put_off else before


def _step(wait: float) -> int:
    return WIDE_STEP if wait > WIDE_FROM else STEP if wait >= NEXT_MINUTES else 1


def _nearest(clock: float, wait: float) -> int:
    step = _step(wait)
    nearest = int((clock + wait) / step + 0.5) * step
    return nearest if nearest >= clock else math.ceil(clock)


def _down(clock: float, wait: float) -> int:
    step = _step(wait)
    return int((clock + wait) // step) * step


def _up(clock: float, wait: float) -> int:
    step = _step(wait)
    return math.ceil((clock + wait) / step) * step
