"""People who watch their phones through a simulated day: how often what is shown jumps, and whether it brings them in
time."""

from datetime import UTC, datetime, timedelta

import msgspec

from mediqon.evaluation.clinic import Patient
from mediqon.evaluation.methods import Moment
from mediqon.queues.prospects import Prediction
from mediqon.queues.shown import NEXT_MINUTES, Shown, Stir, show

DAY_ONE = datetime(2026, 1, 5, 9, tzinfo=UTC)
MIDNIGHT = int(DAY_ONE.timestamp()) // 60
JUMP_MINUTES = 5
TRAVEL_MINUTES = 15.0
"""Everybody lives so far away, and leaves when the phone says so."""


class Watched(msgspec.Struct):
    """Sums over all who watched: minutes on screen, jumps held and raw, and what became of those told to come."""

    minutes: float = 0.0
    jumps: int = 0
    raw_jumps: int = 0
    told: int = 0
    missed: int = 0
    strict: int = 0
    waited: float = 0.0
    absolute: float = 0.0
    shown: int = 0

    @property
    def jumps_an_hour(self) -> float:
        return 60 * self.jumps / self.minutes if self.minutes else 0.0

    @property
    def raw_jumps_an_hour(self) -> float:
        return 60 * self.raw_jumps / self.minutes if self.minutes else 0.0

    @property
    def missed_share(self) -> float:
        return self.missed / self.told if self.told else 0.0

    @property
    def wait(self) -> float:
        return self.waited / (self.told - self.missed) if self.told > self.missed else 0.0

    @property
    def mae(self) -> float:
        """Of what stood on the screens, rounded and held."""
        return self.absolute / self.shown if self.shown else 0.0


class Phones:
    """Every phone of one day. `look` at each moment in order, then `end`."""

    def __init__(self, people: dict[int, Patient], watched: Watched) -> None:
        self.people, self.watched = people, watched
        self.kept: dict[int, Shown] = {}
        self.screen: dict[int, Shown] = {}
        self.raw: dict[int, Shown] = {}
        self.comes: dict[int, float] = {}
        self.clocks: set[int] = set()
        self.last: Moment | None = None

    def look(self, moment: Moment, told: list[Prediction]) -> None:
        """What the phones show now; a change of the line is kept, the clock alone is not."""
        now = DAY_ONE + timedelta(minutes=moment.at)
        changed, stir = self._what_happened(moment)
        screen: dict[int, Shown] = {}
        raw: dict[int, Shown] = {}
        for visit_id, pending, prediction in zip(moment.people, moment.line, told, strict=True):
            slot = None if pending.slot is None else now + timedelta(minutes=pending.slot)
            kept = self.kept.get(visit_id)
            screen[visit_id] = show(visit_id, prediction, kept, now=now, slot=slot, stir=stir)
            raw[visit_id] = show(visit_id, prediction, None, now=now, slot=slot, stir=Stir.DESK)
            self._leave(visit_id, screen[visit_id].here_by - MIDNIGHT, moment.at)
        self._count(moment, screen, raw)
        self.screen, self.raw, self.last = screen, raw, moment
        if changed:
            self.kept = screen

    def _what_happened(self, moment: Moment) -> tuple[bool, Stir]:
        """Whether the line has changed, and by what."""
        last = self.last
        if last is None:
            return True, Stir.FORESEEN
        came = set(moment.people) - set(last.people)
        gone = set(last.people) - set(moment.people)
        room, before = moment.room, last.room
        inside = (room.lasted is None) != (before.lasted is None) or room.seen != before.seen
        here = [each.slot is None for each in moment.line] != [each.slot is None for each in last.line]
        desk = (room.away > 0) != (before.away > 0) or (room.late > 0 and before.late == 0)
        gave_up = any(self.people[each].given_up for each in gone)
        stir = Stir.DESK if desk else Stir.SURPRISE if came or gave_up else Stir.FORESEEN
        changed = bool(came or gone or inside or here or desk)
        return changed, stir if changed else Stir.CLOCK

    def _leave(self, visit_id: int, here_by: float, now: float) -> None:
        """Whoever is told to be here within the time it takes leaves at once."""
        if visit_id not in self.comes and here_by - now <= TRAVEL_MINUTES:
            self.comes[visit_id] = max(here_by, now + TRAVEL_MINUTES) if self.last else here_by

    def _count(self, moment: Moment, screen: dict[int, Shown], raw: dict[int, Shown]) -> None:
        if self.last is None:
            return
        span = moment.at - self.last.at
        clocks = self._with_clock(moment, screen)
        for visit_id in clocks & self.clocks:
            self.watched.minutes += span
            moved = abs(screen[visit_id].expected - self.screen[visit_id].expected)
            self.watched.jumps += moved >= JUMP_MINUTES
            self.watched.raw_jumps += abs(raw[visit_id].expected - self.raw[visit_id].expected) >= JUMP_MINUTES
            called = self.people[visit_id].called
            if called is not None and moment.at % 5 == 0:
                self.watched.absolute += abs(screen[visit_id].expected - MIDNIGHT - called)
                self.watched.shown += 1
        self.clocks = clocks

    def _with_clock(self, moment: Moment, screen: dict[int, Shown]) -> set[int]:
        """Who is shown a time: not the first in line, nor anybody as near as that. They are told that they are next."""
        return {
            visit_id
            for visit_id in moment.people[1:]
            if screen[visit_id].expected - MIDNIGHT - moment.at >= NEXT_MINUTES
        }

    def end(self) -> None:
        """Counts, for everybody booked who was called, what coming as told would have meant."""
        for visit_id, comes in self.comes.items():
            patient = self.people[visit_id]
            if patient.called is None or patient.slot is None:
                continue
            self.watched.told += 1
            missed = comes > max(patient.called, patient.slot)
            self.watched.missed += missed
            self.watched.strict += comes > patient.called
            if not missed:
                self.watched.waited += max(patient.called - comes, 0.0)
