"""How far predictions were from what happened. Minutes."""

import math
from collections.abc import Mapping

import msgspec

from mediqon.queues.chances import SHORTEST_WAIT, phi
from mediqon.queues.habits import Habits
from mediqon.queues.prospects import Prediction

TENTHS = 10
HORIZONS = (15.0, 30.0, 60.0, 120.0)
"""Edges between near and far predictions, by minutes until the call."""


class Score(msgspec.Struct):
    """Sums over predictions of one method. Bias above 0: told too late."""

    count: int = 0
    absolute: float = 0.0
    signed: float = 0.0
    below80: int = 0
    above80: int = 0
    outside90: int = 0

    def add(self, told: float, happened: float) -> None:
        self.count += 1
        self.absolute += abs(told - happened)
        self.signed += told - happened

    @property
    def mae(self) -> float | None:
        return self.absolute / self.count if self.count else None

    @property
    def bias(self) -> float | None:
        return self.signed / self.count if self.count else None


class Scores:
    """Scores of every method over the same predictions, in all and by horizon."""

    def __init__(self) -> None:
        self.methods: dict[str, Score] = {}
        self.tenths = [0] * TENTHS
        self.horizons: list[dict[str, Score]] = [{} for _ in range(len(HORIZONS) + 1)]

    @property
    def predictions(self) -> int:
        """How many there were, of each method."""
        return max((score.count for score in self.methods.values()), default=0)

    def add(self, told: Mapping[str, float], happened: float) -> None:
        """One prediction by each method, and when it happened, both in minutes from then."""
        near = self.horizons[sum(happened >= edge for edge in HORIZONS)]
        for method, minutes in told.items():
            self.methods.setdefault(method, Score()).add(minutes, happened)
            near.setdefault(method, Score()).add(minutes, happened)

    def rank(self, told: Prediction, habits: Habits, happened: float) -> None:
        """Counts in which tenth of the distribution we gave it happened: all ten alike, if we are honest."""
        share = math.sqrt(math.log(1 + told.variance / max(told.mean, SHORTEST_WAIT) ** 2))
        off = math.log(max(happened, SHORTEST_WAIT) / max(told.expected, SHORTEST_WAIT))
        side = habits.widen_low if off < 0 else habits.widen_high
        rank = phi(off / max(share * side, 1e-6))
        self.tenths[min(int(rank * TENTHS), TENTHS - 1)] += 1

    def cover(self, method: str, *, below: bool, above: bool, outside90: bool, happened: float) -> None:
        """Whether it happened before or after the 80 % range that a method gave, or outside its 90 % range."""
        near = self.horizons[sum(happened >= edge for edge in HORIZONS)]
        for score in (self.methods[method], near[method]):
            score.below80 += below
            score.above80 += above
            score.outside90 += outside90
