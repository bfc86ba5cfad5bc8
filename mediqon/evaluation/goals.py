"""What expected times must reach to deserve being shown, and whether they do."""

from collections.abc import Iterator
from typing import NamedTuple

from mediqon.evaluation.methods import OURS
from mediqon.evaluation.scores import Scores
from mediqon.evaluation.watching import Watched

RATIOS = {"configured": 0.80, "rolling5": 0.70, "history": 0.92}
"""Our mean absolute error, at most this share of theirs."""
COVER80 = (0.77, 0.83)
EACH_SIDE = (0.07, 0.13)
MISSED_MOST, WAIT_MOST = 0.06, 26.0
JUMPS_MOST = 3.0


class Goal(NamedTuple):
    """`found` should lie in between."""

    name: str
    found: float
    least: float
    most: float

    @property
    def met(self) -> bool:
        return self.least <= self.found <= self.most


def goals(scores: Scores, watched: Watched | None = None) -> Iterator[Goal]:
    """Every goal that can be held against these; none without predictions."""
    ours = scores.methods.get(OURS)
    if ours is None or not ours.count:
        return
    for method, most in RATIOS.items():
        theirs = scores.methods[method].mae
        if theirs:
            yield Goal(f"error / {method}", (ours.mae or 0.0) / theirs, 0.0, most)
    yield Goal("80 % range holds", 1 - (ours.below80 + ours.above80) / ours.count, *COVER80)
    yield Goal("called before it", ours.below80 / ours.count, *EACH_SIDE)
    yield Goal("called after it", ours.above80 / ours.count, *EACH_SIDE)
    if watched is not None:
        yield Goal("missed turns", watched.missed_share, 0.0, MISSED_MOST)
        yield Goal("wait when told to come, min", watched.wait, 0.0, WAIT_MOST)
        yield Goal("shown jumps an hour", watched.jumps_an_hour, 0.0, JUMPS_MOST)
