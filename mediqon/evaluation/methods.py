"""What products show, beside what Mediqon shows: every method predicts the same line at the same moment. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

import msgspec

from mediqon.queues.chances import Z90, remaining, wait_quantiles
from mediqon.queues.estimate import predict
from mediqon.queues.habits import Habits
from mediqon.queues.history import Kind
from mediqon.queues.pace import todays_pace
from mediqon.queues.prospects import Pending, Prediction, Room

ROLLING = 5
OURS = "ours"
LABELS = {
    "slot": "slot time as booked",
    "configured": "position × configured minutes",
    "rolling5": "position × mean of the last 5",
    "last": "position × last duration",
    "history": "history + remaining time",
    OURS: "ours",
}


class Moment(NamedTuple):
    """A line at one instant. `at`: minutes of the session. `slots`: booked times, minutes from now, null for walk-ins.
    `lengths`: visits of this session so far, unknown minutes null."""

    at: float
    people: Sequence[int]
    line: Sequence[Pending]
    slots: Sequence[float | None]
    room: Room
    lengths: Sequence[tuple[Kind, float | None]]


class Past(msgspec.Struct):
    """All earlier visits of a doctor, for the method that knows their mean: no decay, no shrinking."""

    count: float = 0.0
    total: float = 0.0
    logs: float = 0.0
    squares: float = 0.0

    def add(self, lengths: Sequence[float]) -> None:
        for minutes in lengths:
            self.count += 1
            self.total += minutes
            self.logs += math.log(minutes)
            self.squares += math.log(minutes) ** 2

    def mean(self, otherwise: float) -> float:
        return self.total / self.count if self.count else otherwise

    def left(self, lasted: float, otherwise: float) -> float:
        """Expected minutes left of a visit, were lengths lognormal as they have been."""
        if self.count < ROLLING:
            return max(otherwise - lasted, 0.0)
        log_mean = self.logs / self.count
        variance = max(self.squares / self.count - log_mean**2, 0.01)
        return remaining(log_mean, variance, max(lasted, 0.05))[0]


class Forecast(NamedTuple):
    """Minutes from now for each place in line: every method's, and our own with its range."""

    expected: Mapping[str, Sequence[float]]
    ours: Sequence[Prediction]


def outside90(told: Prediction, habits: Habits, happened: float) -> bool:
    """Whether it happened outside our 90 % range."""
    low, _, high = wait_quantiles(told.mean, told.variance, habits.widen_low, habits.widen_high, Z90)
    return not low <= happened <= high


def forecast(moment: Moment, habits: Habits, past: Past, configured: float) -> Forecast:
    """What each method says at this moment."""
    pace = todays_pace(moment.lengths, habits)
    ours = predict(moment.line, moment.room, habits, pace)
    expected = dict(rivals(moment, past, configured))
    expected[OURS] = [each.expected for each in ours]
    return Forecast(expected, ours)


def rivals(moment: Moment, past: Past, configured: float) -> Mapping[str, Sequence[float]]:
    """The other methods. Whoever is in the room counts as one ahead, except where the time left is known."""
    room = moment.room
    begin = max(room.opens or 0.0, room.away, 0.0) + room.late
    known = [minutes for _, minutes in moment.lengths if minutes is not None]
    ahead = range(room.lasted is not None, len(moment.line) + (room.lasted is not None))
    rolling = fmean(known[-ROLLING:]) if known else configured
    last = known[-1] if known else configured
    mean = past.mean(configured)
    left = past.left(room.lasted, mean) if room.lasted is not None else 0.0
    found: dict[str, Sequence[float]] = {
        "configured": [begin + position * configured for position in ahead],
        "rolling5": [begin + position * rolling for position in ahead],
        "last": [begin + position * last for position in ahead],
        "history": [begin + left + index * mean for index in range(len(moment.line))],
    }
    if any(slot is not None for slot in moment.slots):
        found = {"slot": [max(slot or 0.0, 0.0) for slot in moment.slots], **found}
    return found
