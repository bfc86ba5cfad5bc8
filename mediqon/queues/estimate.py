"""When each waiting patient will probably be called: one pass along the line in call order. Touches nothing.

The pass carries mean and variance of "the doctor is free" from patient to patient. Whoever is not here yet counts with
the chance of having come by then; visits nobody knows of yet, breaks and a late doctor are in it too. All times are
minutes from now.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mediqon.queues.chances import later_of, phi, remaining, wait_quantiles
from mediqon.queues.habits import Habits
from mediqon.queues.history import Kind
from mediqon.queues.pace import Pace, speed
from mediqon.queues.prospects import Pending, Prediction, Room, alike

FORGOTTEN_MEANS = 4.0
"""A visit open for so many means is a forgotten button: how long it still lasts is unknown."""
PSEUDO_STARTS, PSEUDO_MINUTES, PSEUDO_VARIANCE = 2.0, 7.0, 49.0
"""Whoever is not in yet starts in seven minutes, as certain as two past starts."""
BACK_LATE = 1.08
"""An announced pause lasts this much longer."""
BREAK_SLACK = 9.0
"""Variance of when a planned break begins."""
SHORTEST_BREAK = 15.0
"""A break that begins late is not cut below this, nor made longer than it is."""
AWAITED, COMING = 8, 3
"""So many of those who are not here yet are followed at a time; the first of so many ends an idle time."""
SURELY_COME, SHARE_STEP = 0.95, 0.02
SOON = 0.5
MARK_EVERY = 2


class Line(msgspec.Struct):
    """The pass as far as it has come: when the doctor is free, and what that is made of."""

    free: float
    spread: float
    work: float
    served: float
    left: float
    begins: float
    rests: float
    unseen_until: float
    looked: int = -1
    """The farthest place that has had a say in it, other than those gone by."""


class Awaited(msgspec.Struct, frozen=True):
    """Somebody not here yet whom the pass has gone by: chance to show, share counted so far, arrival, length."""

    shows: float
    counted: float
    mean: float
    variance: float
    minutes: float


class Mark(NamedTuple):
    """The state of a pass before the place at index `place`; never changed."""

    place: int
    at: Line
    taken: list[float]
    awaited: list[Awaited]
    floor: tuple[float, float, float]


def predict(line: Sequence[Pending], room: Room, habits: Habits, pace: Pace | None = None) -> list[Prediction]:
    """A prediction for each place in `line`, in call order; without a pace, that of an ordinary day."""
    told = Pass(line, room, habits, pace or Pace(0.0, habits.tau2))
    return [told[index] for index in range(len(line))]


class Pass:
    """One pass along the line, as far as it is asked for."""

    def __init__(
        self,
        line: Sequence[Pending],
        room: Room,
        habits: Habits,
        pace: Pace,
        *,
        early: float = 0.0,
        like: "Pass | None" = None,
    ) -> None:
        """`line` and `room` are as of `early` minutes from now; predictions are from now on all the same.

        The part of the way that is the same as in a pass like this one is not gone again.
        """
        self.line, self.room, self.habits, self.pace, self.early = line, room, habits, pace, early
        self.means, self.relative, self.turn, self.inflation = speed(habits, pace, room.side_by_side)
        self._last_here = max((index for index, each in enumerate(line) if each.slot is None), default=-1)
        self._marks = self._shared(like) if like is not None else []
        self._go_on(self._marks[-1] if self._marks else self._beginning())

    def __getitem__(self, index: int) -> Prediction:
        """The prediction for the place at `index`."""
        if index < self._first:
            self._marks = []
            self._go_on(self._beginning())
        while self._first + len(self._found) <= index:
            self._found.append(self._next(self._first + len(self._found)))
        return self._found[index - self._first]

    def _beginning(self) -> Mark:
        return Mark(0, self._start(), [0.0] * len(self.room.breaks), [], (0.0, 0.0, 0.0))

    def _go_on(self, mark: Mark) -> None:
        """Goes on from there."""
        self._first, self._found = mark.place, list[Prediction]()
        self.at, self.taken = msgspec.structs.replace(mark.at), [*mark.taken]
        self.awaited = [*mark.awaited]
        self._floor = mark.floor

    def _mark(self, index: int) -> Mark:
        return Mark(index, msgspec.structs.replace(self.at), [*self.taken], [*self.awaited], self._floor)

    def _shared(self, other: "Pass") -> list[Mark]:
        """The marks of another pass that this one would make too."""
        here = self.room, self.habits, self.pace, self._last_here
        if here != (other.room, other.habits, other.pace, other._last_here):
            return []
        if self._last_here >= 0 and self.early != other.early:  # the marks keep what was told, from another now
            return []
        same = alike(self.line, other.line)
        marks = [*other._marks]
        while marks and max(marks[-1].place - 1, marks[-1].at.looked) >= same:
            marks.pop()
        return marks

    def _next(self, index: int) -> Prediction:
        if index % MARK_EVERY == 0 and index > self._first:
            self._marks.append(self._mark(index))
        pending = self.line[index]
        self._let_in_unseen(pending)
        self._let_in_late()
        self._rest()
        if pending.slot is not None:
            return self._expect(index, pending, alone=index > self._last_here)
        told, floor = self._told(self.at.free, self.at.spread), self._floor
        if told.low < floor[0] or told.expected < floor[1] or told.high < floor[2]:
            low, expected, high = map(max, told[:3], floor)
            told = told._replace(low=low, expected=expected, high=high)
        self._floor = told[:3]
        self._serve(pending.kind, 1.0)
        return told

    def _start(self) -> Line:
        """When the doctor is free for the first in line."""
        room, habits = self.room, self.habits
        free, spread, left, begins = 0.0, 0.0, 0.0, 0.0
        if room.opens is not None:
            free, spread = self._begins(room.opens)
            begins = free
        elif room.lasted is not None:
            left, spread = self._left(room.lasted)
            free = left + self.turn
        elif self.line and self.line[0].slot is None:
            free = self.turn
        spread += habits.turn_variance
        away = room.away * BACK_LATE if room.away > 0 else 0.0
        rests = max(away - free, 0.0)
        begins = begins + room.late if room.opens is not None else room.late
        return Line(
            free=free + rests + room.late,
            spread=spread,
            work=left,
            served=0.0,
            left=left,
            begins=begins,
            rests=rests,
            unseen_until=max(room.opens or 0.0, 0.0),
        )

    def _begins(self, opens: float) -> tuple[float, float]:
        """When a doctor who is not in yet starts: as the past starts that are still to come, and soon."""
        soon = max(opens, 0.0) + PSEUDO_MINUTES
        starts = [opens + each for each in self.habits.starts if opens + each > 0]
        weight = PSEUDO_STARTS + len(starts)
        mean = (PSEUDO_STARTS * soon + sum(starts)) / weight
        squares = sum((each - mean) ** 2 for each in starts)
        return mean, (PSEUDO_STARTS * (PSEUDO_VARIANCE + (soon - mean) ** 2) + squares) / weight

    def _left(self, lasted: float) -> tuple[float, float]:
        """Mean and variance of what is left of the visit in the room."""
        room, habits = self.room, self.habits
        factor = habits.factor(room.seen)
        mean = self.means[room.kind] * factor * room.side_by_side
        if lasted > FORGOTTEN_MEANS * mean:
            return mean, mean * mean
        log_mean = habits.log_means[room.kind] + self.pace.shift + math.log(habits.scale * factor)
        return remaining(log_mean, habits.sigma2 + self.pace.variance, max(lasted, 0.05))

    def _minutes(self, kind: Kind) -> float:
        place = self.room.seen + (self.room.lasted is not None) + self.at.served
        return self.means[kind] * self.habits.factor(place)

    def _serve(self, kind: Kind, chance: float) -> None:
        """The doctor sees somebody who comes with this chance."""
        self._add(self._minutes(kind), chance)

    def _add(self, minutes: float, chance: float) -> None:
        took = minutes * self.inflation + self.turn
        self.at.free += chance * took
        self.at.spread += chance * (minutes * minutes * self.relative + self.habits.turn_variance)
        self.at.spread += chance * (1 - chance) * took * took
        self.at.work += chance * took
        self.at.served += chance

    def _let_in_unseen(self, pending: Pending) -> None:
        """Walk-ins that nobody knows of yet and that would be due before this one; none come before the day begins."""
        if pending.due is None or self.at.free <= 0:
            return
        until = min(pending.due - self.room.walk_in_wait, self.at.free)
        if until > self.at.unseen_until:
            count = self.habits.walk_ins * (until - self.at.unseen_until)
            self.at.unseen_until = until
            minutes = self._minutes(Kind.ANY)
            self.at.free += count * minutes
            self.at.spread += count * minutes * minutes * (1 + self.relative)
            self.at.work += count * minutes
            self.at.served += count

    def _let_in_late(self) -> None:
        """Those whom the pass has gone by because they were not here, and who will have come by now."""
        surely = False
        for index, each in enumerate(self.awaited):
            share = phi((self.at.free - each.mean) / math.sqrt(self.at.spread + each.variance))
            if share > SURELY_COME:
                share, surely = 1.0, True
            if share > each.counted + SHARE_STEP:
                self._add(each.minutes, each.shows * (share - each.counted))
                self.awaited[index] = msgspec.structs.replace(each, counted=share)
        if surely:
            self.awaited = [each for each in self.awaited if each.counted < SURELY_COME]

    def _rest(self) -> None:
        """Adds a break with the chance that the doctor comes to it before this patient."""
        for index, (begin, end) in enumerate(self.room.breaks):
            if self.taken[index] > SURELY_COME:
                continue
            chance = phi((self.at.free - begin) / math.sqrt(self.at.spread + BREAK_SLACK))
            chance = 1.0 if chance > SURELY_COME else chance
            if chance > self.taken[index]:
                length = end - begin
                rest = max(min(end - self.at.free, length), min(length, SHORTEST_BREAK))
                added = rest * (chance - self.taken[index])
                self.at.free += added
                self.at.rests += added
                self.taken[index] = chance

    def _expect(self, index: int, pending: Pending, *, alone: bool) -> Prediction:
        """Somebody who is not here yet: called when the doctor is free and they have come; counts by that chance."""
        slot = pending.slot or 0.0
        still, after, variance = self.habits.arrival(-slot)
        away = self.habits.stays_away
        shows = (1 - away) * still / ((1 - away) * still + away)
        mean = slot + after
        own, own_spread = later_of(self.at.free, self.at.spread, mean, variance)
        told = self._told(max(own, SOON), own_spread)
        if alone:
            self._idle(index, shows, mean, variance)
        minutes = self._minutes(pending.kind)
        share = phi((self.at.free - mean) / math.sqrt(self.at.spread + variance))
        self._add(minutes, shows * share)
        if len(self.awaited) < AWAITED:
            self.awaited.append(Awaited(shows, share, mean, variance, minutes))
        return told

    def _idle(self, index: int, shows: float, mean: float, variance: float) -> None:
        """Nobody is here: the doctor waits for the first of this one and the next to come."""
        if self.at.free > mean + 2 * math.sqrt(self.at.spread + variance):
            return
        self.at.looked = index + COMING - 1
        first, spread = -mean, variance
        for following in self.line[index + 1 : index + COMING]:
            if following.slot is not None:
                _, after, doubt = self.habits.arrival(-following.slot)
                first, spread = later_of(first, spread, -following.slot - after, doubt)
        free, spread = later_of(self.at.free, self.at.spread, -first, spread)
        self.at.spread = shows * spread + (1 - shows) * self.at.spread
        self.at.free += shows * (free - self.at.free)

    def _told(self, mean: float, spread: float) -> Prediction:
        at, habits, early = self.at, self.habits, self.early
        mean, spread = mean + early, spread + self.pace.variance * at.work * at.work
        low, expected, high = wait_quantiles(mean, spread, habits.widen_low, habits.widen_high)
        each = (at.work - at.left) / at.served if at.served else 0.0
        begins = at.begins + early if at.begins > 0 else 0.0
        return Prediction(low, expected, high, mean, spread, at.served, each, at.left, begins, at.rests)
