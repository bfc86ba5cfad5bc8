"""What moves the line: a visit one step on, the next one in, a call once more. Refusals are told to each alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import NotFound, Problem
from mediqon.live.channels import Appointment
from mediqon.queues import desk, writing
from mediqon.queues.days import DayBusy, refuse_gone
from mediqon.queues.models import DayKey, Facts, Status
from mediqon.queues.orders import Days, Done, Plan
from mediqon.queues.writing import Step


class CallNextAnswer(msgspec.Struct, frozen=True):
    """Null where nobody waits, or nobody was in the room."""

    called: Appointment | None
    completed: Appointment | None


class Called(NamedTuple):
    """The day after the next one was called, and ids of visits; None where nobody waits or was in the room."""

    facts: Facts
    called: int | None
    completed: int | None
    at: datetime

    @property
    def answer(self) -> CallNextAnswer:
        return CallNextAnswer(self._visit(self.called), self._visit(self.completed))

    def _visit(self, visit_id: int | None) -> Appointment | None:
        return Done(self.facts, visit_id, self.at).answer if visit_id else None


Outcome: TypeAlias = Done | Called


class Move(NamedTuple):
    """One visit, and where it should go. `key`: its day, as far as this process knows. `version`: the appointment's, as
    the caller saw it."""

    visit_id: int
    key: DayKey | None
    to: Status
    reason: str | None
    version: int | None
    actor: Actor
    now: datetime

    def step(self, facts: Facts) -> tuple[Step | None, Outcome]:
        """Null where nothing changes. Raises as `desk.step`."""
        step = desk.step(
            facts, self.visit_id, self.to, actor=self.actor, now=self.now, reason=self.reason, version=self.version
        )
        return step, Done(facts, self.visit_id, self.now)


class Recall(NamedTuple):
    """A called visit to be announced again. `key`: its day, as far as this process knows."""

    visit_id: int
    key: DayKey | None
    actor: Actor
    now: datetime

    def step(self, facts: Facts) -> tuple[Step | None, Outcome]:
        """Raises as `desk.recall`."""
        return desk.recall(facts, self.visit_id, actor=self.actor), Done(facts, self.visit_id, self.now)


class NextCall(NamedTuple):
    """The next one of a day to be called. `version`: the day's, as the caller saw it."""

    key: DayKey
    version: int | None
    actor: Actor
    now: datetime

    def step(self, facts: Facts) -> tuple[Step | None, Outcome]:
        """Null where nobody waits or was in the room. Raises as `desk.call_next`."""
        step, called, completed = desk.call_next(facts, actor=self.actor, now=self.now, version=self.version)
        return step, Called(facts, called, completed, self.now)


Order: TypeAlias = Move | Recall | NextCall


async def plan(conn: Connection, orders: Sequence[Order], days: Days, *, sure: bool) -> Plan:
    """What to write to do what each asks for; a refusal stands in the place of the one refused. Always `sure`.

    Refusals: NotFound also for what is not the actor's to see, StaleVersion also for a visit that went elsewhere while
    we waited, and those of the verb. DayBusy for a second change of one visit, and for a day that cannot be had.
    """
    keys = await _days(orders, days)
    taken = await days.take({key for key in keys if key is not None})
    now = max(order.now for order in orders)
    rounds = {key: Round(facts) for key, facts in taken.items()}
    outcomes = [_serve(order, key, rounds) for order, key in zip(orders, keys, strict=True)]
    changes = {
        key: writing.written(taken[key], *each.steps, actor=None, now=now) for key, each in rounds.items() if each.steps
    }
    after = taken | {key: change.facts for key, change in changes.items()}
    told = [
        each if isinstance(each, Problem) else each._replace(facts=after[each.facts.key], at=now) for each in outcomes
    ]
    return Plan(told, [*changes.values()])


class Round:
    """What is done to one day together: each goes on from where those before it leave the day."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.steps: list[Step] = []
        self._moved: set[int] = set()

    def serve(self, order: Order) -> Outcome:
        """Raises what is refused, and DayBusy for who has to wait until those before are served."""
        if isinstance(order, NextCall):
            desk.refuse_others(self.facts, order.actor)
            if self.steps:  # whom a call-next would move, the one before it has nearly always moved
                raise DayBusy(self.facts.key)
        else:
            refuse_gone(self.facts, order.visit_id)
        step, outcome = order.step(self.facts)
        if step is not None:
            moved = {change.after.id for change in step.changes if change.after is not None}
            if moved & self._moved:
                raise DayBusy(self.facts.key)
            self._moved |= moved
            self.steps.append(step)
            self.facts = writing.stepped(self.facts, step)
        return outcome


async def _days(orders: Sequence[Order], days: Days) -> list[DayKey | None]:
    """The day that each is about; None for a visit that is not there or not its actor's to see."""
    visits = [(each.visit_id, each.actor) for each in orders if not isinstance(each, NextCall)]
    found = iter(await days.find(visits) if visits else ())
    return [each.key if isinstance(each, NextCall) else next(found) for each in orders]


def _serve(order: Order, key: DayKey | None, rounds: dict[DayKey, Round]) -> Outcome | Problem:
    if key is None:
        return NotFound()
    if key not in rounds:
        return DayBusy(key)
    try:
        return rounds[key].serve(order)
    except Problem as problem:
        return problem
