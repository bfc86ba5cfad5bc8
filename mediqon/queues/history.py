"""What a doctor's closed days have taught, as stored: sums that fade. Touches nothing."""

from collections.abc import Sequence
from datetime import date
from enum import IntEnum

import msgspec

WIDEN = 1.1
"""Factor on the width of the 80 % range, each side, before anything is learnt of it."""


LONGEST_TURN = 10.0
"""A longer pause between two visits, with somebody there to be called, was a break."""


class Kind(IntEnum):
    """What sort of visit, where it is known."""

    ANY = 0
    RETURN = 1
    NEW = 2


class Seen(msgspec.Struct, frozen=True):
    """One visit of a closed day. `minutes` in the room, `turn` from the visit before to this call: null if unknown."""

    minutes: float | None
    turn: float | None = None
    kind: Kind = Kind.ANY


class ClosedDay(msgspec.Struct, frozen=True, kw_only=True):
    """All that is learnt from one session, in minutes.

    `missed`: how many outcomes were below the range, above it, and in all. `longest_turn`: a longer one was a break.
    """

    seen: Sequence[Seen]
    came: int = 0
    stayed_away: int = 0
    arrivals: Sequence[float] = ()
    walk_ins: int = 0
    emergencies: int = 0
    open_minutes: float = 0.0
    start: float | None = None
    missed: tuple[int, int, int] = (0, 0, 0)
    longest_turn: float = LONGEST_TURN


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Fading sums over closed days, as stored. `last_day`: the latest that is in them."""

    last_day: date | None = None
    sessions: int = 0
    lengths: tuple[tuple[float, float], tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    """Of each kind: how many, and the sum of their log minutes."""
    within: tuple[float, float] = (0.0, 0.0)
    """Squared log residuals inside sessions, and their degrees of freedom."""
    between: tuple[float, float] = (0.0, 0.0)
    """Excess of squared session means, and sessions."""
    bins: tuple[tuple[float, float], ...] = ()
    """For every four patients of the session: how many, and the sum of log residuals."""
    scale: tuple[float, float] = (0.0, 0.0)
    """Minutes worked, and minutes the habits of the time had expected."""
    turns: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shows: tuple[float, float] = (0.0, 0.0)
    """Stayed away, came."""
    arrivals: tuple[float, ...] = ()
    rates: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Walk-ins, emergencies, minutes."""
    starts: tuple[float, ...] = ()
    widen: tuple[float, float] = (WIDEN, WIDEN)
