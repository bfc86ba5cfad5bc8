"""A clinic that does not exist: days with punctuality, no-shows, late doctors, breaks, walk-ins and emergencies.

Consultations are lognormal and speed up through the session, as 381 real half-day sessions did. Times are minutes after
the opening.
"""

import heapq
import math
import random
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from mediqon.evaluation.methods import Moment
from mediqon.queues.history import ClosedDay, Kind, Seen
from mediqon.queues.prospects import Pending, Room

LOG_SD, DAY_LOG_SD, DOCTOR_LOG_SD = 0.44, 0.076, 0.10
FIRST_FACTOR, LAST_FACTOR, SPEED_UP_PATIENTS = 1.085, 0.92, 24
NEW_SHARE, NEW_FACTOR = 0.27, 1.27
LATE_GRACE, WALK_IN_WAIT = 10.0, 15.0
NO_SHOW_AFTER = 45.0
LOOKS_FROM = -30.0
LONGEST_SESSION = 900.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a clinic is like. Rates are per minute."""

    slot: float = 10.0
    session: float = 240.0
    mean: float = 10.0
    no_show: float = 0.18
    walk_ins: float = 0.8 / 60
    emergencies: float = 0.12 / 60
    late: float = 10.0
    late_sd: float = 9.0
    announces: float = 0.5
    early: float = -10.0
    early_sd: float = 16.0
    rest_at: float = 120.0
    rest: float = 15.0
    turn: float = 0.7


SCENARIOS = {
    "base": Scenario(),
    "busy": Scenario(mean=11.5, walk_ins=1.4 / 60, emergencies=0.25 / 60, late=15.0, late_sd=13.0, no_show=0.15),
    "calm": Scenario(mean=8.6, walk_ins=0.3 / 60, emergencies=0.04 / 60, late=5.0, late_sd=5.0, no_show=0.2),
}


class Patient(msgspec.Struct, kw_only=True):
    """One who is expected or has come. `slot` null: a walk-in. `comes` null: stays away."""

    id: int
    slot: float | None
    comes: float | None
    minutes: float
    urgent: bool = False
    called: float | None = None
    ended: float | None = None
    given_up: bool = False

    @property
    def due(self) -> float:
        """What the place in line goes by, once here; before that, the slot."""
        comes = self.comes if self.comes is not None else math.inf
        if self.slot is not None and (math.isinf(comes) or comes <= self.slot + LATE_GRACE):
            return self.slot
        return comes + WALK_IN_WAIT


class Day(NamedTuple):
    """A simulated session: its people, what was seen of it minute by minute, and what is learnt from it."""

    people: dict[int, Patient]
    moments: list[Moment]
    closed: ClosedDay


class Session:
    """One session as it happens. `chance` is all the randomness there is."""

    def __init__(self, scenario: Scenario, pace: float, chance: random.Random) -> None:
        self.scenario, self.chance = scenario, chance
        self.pace = pace * math.exp(chance.gauss(0, DAY_LOG_SD))
        self.starts = max(chance.gauss(scenario.late, scenario.late_sd), -3.0)
        self.announced: tuple[float, float] | None = None
        if self.starts > 12 and chance.random() < scenario.announces:
            said = max(5 * round((self.starts + chance.gauss(0, 4)) / 5), 5)
            self.announced = (chance.uniform(-15, 3), said)
        self.rests_at = scenario.rest_at
        self.people: list[Patient] = []
        self.in_room: Patient | None = None
        self.resting: tuple[float, float] | None = None
        self.rested = scenario.rest == 0
        self.begun = False
        self.order: list[Patient] = []
        self._invite()

    def _invite(self) -> None:
        scenario, chance = self.scenario, self.chance
        for number in range(int(scenario.session // scenario.slot)):
            slot = number * scenario.slot
            comes = None
            if chance.random() >= scenario.no_show:
                comes = max(slot + chance.gauss(scenario.early, scenario.early_sd), LOOKS_FROM + 1)
            self._add(slot, comes)
        for rate, urgent in ((scenario.walk_ins, False), (scenario.emergencies, True)):
            at = chance.expovariate(rate)
            while at < scenario.session - 15:
                self._add(None, at, urgent=urgent)
                at += chance.expovariate(rate)

    def _add(self, slot: float | None, comes: float | None, *, urgent: bool = False) -> None:
        new = NEW_FACTOR if self.chance.random() < NEW_SHARE else 1.0
        ordinary = self.scenario.mean / (1 + NEW_SHARE * (NEW_FACTOR - 1)) / math.exp(LOG_SD**2 / 2)
        minutes = ordinary * new * self.pace * self.chance.lognormvariate(0, LOG_SD)
        self.people.append(Patient(id=len(self.people), slot=slot, comes=comes, minutes=minutes, urgent=urgent))

    def run(self) -> Day:
        """The whole session, looked at every minute and at every change."""
        changes = [(float(minute), -1) for minute in range(int(LOOKS_FROM), int(LONGEST_SESSION))]
        changes += [(patient.comes, 0) for patient in self.people if patient.comes is not None]
        changes.append((self.starts, 0))
        heapq.heapify(changes)
        moments: list[Moment] = []
        now = LOOKS_FROM
        while changes:
            now, _ = heapq.heappop(changes)
            for again in self._advance(now):
                heapq.heappush(changes, (again, 0))
            moments.append(self.look(now))
            if now > self.scenario.session and self.in_room is None and not self._line(now):
                break
        return Day({each.id: each for each in self.people}, moments, self._closed(now))

    def _advance(self, now: float) -> Iterator[float]:
        """Lets happen what is due; yields when the next thing will be."""
        for each in self.people:
            if each.comes is None and each.slot is not None and now > each.slot + NO_SHOW_AFTER:
                each.given_up = True
        current = self.in_room
        if current is not None and current.ended is not None and now >= current.ended:
            self.in_room = None
        if self.resting and now >= self.resting[1]:
            self.resting = None
        if self.in_room or self.resting or now < self.starts:
            return
        if not self.rested and now >= self.rests_at and self.begun:
            self.rested = True
            length = self.scenario.rest * self.chance.lognormvariate(0.05, 0.12)
            self.resting = (now, now + length)
            yield now + length
            return
        waiting = self._here(now)
        if not waiting:
            return
        if self.order and self.order[-1].ended is not None and now < self.order[-1].ended + self._turn(len(self.order)):
            yield self.order[-1].ended + self._turn(len(self.order)) + 1e-6
            return
        self._call(waiting[0], now)
        yield waiting[0].ended or now

    def _turn(self, number: int) -> float:
        return self.scenario.turn * random.Random(number * 7919 + int(self.starts * 1e6)).lognormvariate(-0.2, 0.6)  # noqa: S311

    def _call(self, patient: Patient, now: float) -> None:
        drift = min(len(self.order) / SPEED_UP_PATIENTS, 1.0)
        patient.called = now
        patient.minutes *= FIRST_FACTOR + (LAST_FACTOR - FIRST_FACTOR) * drift
        patient.ended = now + patient.minutes
        self.in_room, self.begun = patient, True
        self.order.append(patient)

    def _here(self, now: float) -> list[Patient]:
        return [each for each in self._line(now) if each.comes is not None and each.comes <= now]

    def _line(self, now: float) -> list[Patient]:
        """Everybody known and not called yet, in call order."""
        known = [
            each
            for each in self.people
            if each.called is None and not each.given_up and (each.slot is not None or (each.comes or 0.0) <= now)
        ]
        return sorted(known, key=lambda each: (not each.urgent, self._due(each, now), each.id))

    def _due(self, patient: Patient, now: float) -> float:
        here = patient.comes is not None and patient.comes <= now
        return patient.due if here or patient.slot is None else patient.slot

    def look(self, now: float) -> Moment:
        """What a server would know at this instant."""
        line = self._line(now)
        done = [(Kind.ANY, each.minutes) for each in self.order if each is not self.in_room]
        late = 0.0
        if self.announced and not self.begun and now >= self.announced[0]:
            late = max(max(self.announced[0], 0.0) + self.announced[1] - now, 0.0)
        planned = () if self.rested else ((self.rests_at - now, self.rests_at + self.scenario.rest - now),)
        room = Room(
            lasted=None if self.in_room is None else now - (self.in_room.called or 0.0),
            opens=None if self.begun else -now,
            breaks=planned if self.scenario.rest else (),
            away=max(self.resting[0] + self.scenario.rest - now, 0.0) if self.resting else 0.0,
            late=late,
            seen=len(done),
            walk_in_wait=WALK_IN_WAIT,
        )
        return Moment(
            at=now,
            people=[each.id for each in line],
            line=[
                Pending(
                    slot=each.slot - now if each.slot is not None and not (each.comes or math.inf) <= now else None,
                    due=None if each.urgent else self._due(each, now) - now,
                )
                for each in line
            ],
            slots=[None if each.slot is None else each.slot - now for each in line],
            room=room,
            lengths=done,
        )

    def _closed(self, now: float) -> ClosedDay:
        seen: list[Seen] = []
        for before, each in zip([None, *self.order], self.order, strict=False):
            turn = None
            if before and before.ended and each.called and each.comes is not None and each.comes <= before.ended:
                turn = each.called - before.ended
            seen.append(Seen(each.minutes, turn))
        booked = [each for each in self.people if each.slot is not None]
        return ClosedDay(
            seen=seen,
            came=sum(each.comes is not None for each in booked),
            stayed_away=sum(each.comes is None for each in booked),
            arrivals=[each.comes - (each.slot or 0.0) for each in booked if each.comes is not None],
            walk_ins=sum(each.slot is None and not each.urgent for each in self.people),
            emergencies=sum(each.urgent for each in self.people),
            open_minutes=min(now, self.scenario.session),
            start=self.starts if self.order else None,
        )
