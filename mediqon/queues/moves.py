"""What moves the line: a visit one step on, the next one in, a call once more. Refusals are told to each alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import NotFound, Problem
from mediqon.live.channels import Appointment
from mediqon.queues import days, desk
from mediqon.queues.days import DayBusy
from mediqon.queues.models import DayKey, Facts, Status
from mediqon.queues.orders import Done, Plan, Take
from mediqon.queues.writing import Written


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


Step: TypeAlias = tuple[Written | None, Done | Called]
"""What is to be written, null where nothing changes, and what came of it."""


class Move(NamedTuple):
    """One visit, and where it should go. `version`: the appointment's, as the caller saw it."""

    visit_id: int
    to: Status
    reason: str | None
    version: int | None
    actor: Actor
    now: datetime
    key: None = None
    """Its day is not known yet."""

    def step(self, facts: Facts) -> Step:
        """Raises as `desk.step`."""
        change = desk.step(
            facts, self.visit_id, self.to, actor=self.actor, now=self.now, reason=self.reason, version=self.version
        )
        return change, Done(change.facts if change else facts, self.visit_id, self.now)


class Recall(NamedTuple):
    """A called visit to be announced again."""

    visit_id: int
    actor: Actor
    now: datetime
    key: None = None

    def step(self, facts: Facts) -> Step:
        """Raises as `desk.recall`."""
        change = desk.recall(facts, self.visit_id, actor=self.actor, now=self.now)
        return change, Done(change.facts, self.visit_id, self.now)


class NextCall(NamedTuple):
    """The next one of a day to be called. `version`: the day's, as the caller saw it."""

    key: DayKey
    version: int | None
    actor: Actor
    now: datetime

    def step(self, facts: Facts) -> Step:
        """Raises as `desk.call_next`."""
        change, called, completed = desk.call_next(facts, actor=self.actor, now=self.now, version=self.version)
        return change, Called(change.facts if change else facts, called, completed, self.now)


Order: TypeAlias = Move | Recall | NextCall


async def plan(conn: Connection, orders: Sequence[Order], take: Take, *, sure: bool) -> Plan:
    """What to write to do what each asks for; a refusal stands in the place of the one refused. Always `sure`.

    Refusals: NotFound also for what is not the actor's to see, StaleVersion also for a visit that went elsewhere while
    we waited, and those of the verb. DayBusy for a second change of one visit, and for a day that cannot be had.
    """
    keys = await _days(conn, orders)
    taken = await take({key for key in keys if key is not None})
    changes: list[Written] = []
    return Plan([_serve(each, key, taken, changes) for each, key in zip(orders, keys, strict=True)], changes)


async def _days(conn: Connection, orders: Sequence[Order]) -> list[DayKey | None]:
    """The day that each is about; None for a visit that is not there or not its actor's to see."""
    visits = [(each.visit_id, each.actor) for each in orders if not isinstance(each, NextCall)]
    found = iter(await days.find_all(conn, visits) if visits else ())
    return [each.key if isinstance(each, NextCall) else next(found) for each in orders]


def _serve(
    order: Order, key: DayKey | None, taken: dict[DayKey, Facts], changes: list[Written]
) -> Done | Called | Problem:
    """What comes of one order, to a day as those before it leave it; what is to be written is added."""
    if key is None:
        return NotFound()
    if key not in taken or (isinstance(order, NextCall) and any(each.facts.key == key for each in changes)):
        return DayBusy(key)  # whom a call-next would move, the one before it has nearly always moved
    facts = taken[key]
    try:
        if isinstance(order, NextCall):
            desk.refuse_others(facts, order.actor)
        else:
            days.refuse_gone(facts, order.visit_id)
        change, outcome = order.step(facts)
    except Problem as problem:
        return problem
    if change is not None:
        if _moved(change) & {visit_id for each in changes for visit_id in _moved(each)}:
            return DayBusy(key)
        changes.append(change)
        taken[key] = change.facts
    return outcome


def _moved(change: Written) -> set[int]:
    return {visit.id for visit in change.visits}
