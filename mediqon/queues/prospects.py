"""What an estimate goes by, and what it says. All times are minutes from now. Touches nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mediqon.queues.history import Kind


class Pending(NamedTuple):
    """One place in line. `slot`: the booked time of somebody who is not here yet, else null. `due`: what the place
    goes by; unseen walk-ins that would be due earlier go first, null if none can."""

    slot: float | None = None
    due: float | None = None
    kind: Kind = Kind.ANY


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """The doctor, now. `lasted`: minutes of who is in the room, null for nobody. `opens`: when the day begins; null
    once the doctor is in. `breaks`: start and end of those to come or going on. `away`: end of a pause. `late`: minutes
    of announced lateness still to come. `seen`: patients of this session so far. `side_by_side`: seen at once."""

    lasted: float | None = None
    kind: Kind = Kind.ANY
    opens: float | None = None
    breaks: Sequence[tuple[float, float]] = ()
    away: float = 0.0
    late: float = 0.0
    seen: int = 0
    side_by_side: int = 1
    walk_in_wait: float = 15.0


class Prediction(NamedTuple):
    """Minutes until the call: the median and the 80 % range, mean and variance; then why: people ahead who will be
    seen, minutes for each, minutes left in the room, minutes until the doctor starts, minutes of breaks."""

    low: float
    expected: float
    high: float
    mean: float
    variance: float
    ahead: float
    each: float
    left: float
    begins: float
    rests: float


def alike(line: Sequence[object], other: Sequence[object]) -> int:
    """How many of the first are the same in both."""
    least = min(len(line), len(other))
    if line[:least] == other[:least]:
        return least
    return next((index for index, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), least)
