"""Taking in those who are here without an appointment, together. Refusals are told to each alone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from mediqon.appointments.codes import new_code
from mediqon.appointments.entries import entry
from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, holder
from mediqon.database import Connection, statements
from mediqon.errors import DayFull, Problem, QueueClosed
from mediqon.hospitals import calendar
from mediqon.queues import desk, rules, writing
from mediqon.queues.days import DayBusy
from mediqon.queues.models import DayKey, Facts, PlaceRule, Priority, QueueState, Status, Visit
from mediqon.queues.orders import Days, Done, Plan, Told
from mediqon.queues.writing import Change, Step

SQL = statements("appointments")


class Arrival(NamedTuple):
    """Somebody who is here; without an actor they come by themselves. `told` makes what they are told of the day, their
    visit and the instant."""

    key: DayKey
    somebody: SomebodyElse
    priority: Priority
    reason: str | None
    actor: Actor | None
    now: datetime
    told: Callable[[Facts, int, datetime], Told] = Done


class Newcomer(NamedTuple):
    """Somebody who is about to be taken in, under this walk-in number of the day."""

    order: Arrival
    number: int
    visit: Visit


async def plan(conn: Connection, orders: Sequence[Arrival], days: Days, *, sure: bool) -> Plan:
    """What to write to take each in, in order; a refusal stands in the place of the one refused. Always `sure`.

    Refusals: NotFound unless the day is the actor's, QueueClosed, DayFull past the hospital's number of walk-ins;
    DayBusy for a day that cannot be had.
    """
    taken = await days.take({order.key for order in orders})
    now = max(order.now for order in orders)
    refusals = [_refusal(order, taken.get(order.key)) for order in orders]
    welcome = [order for order, refusal in zip(orders, refusals, strict=True) if refusal is None]
    drafts = iter(await _drafts(conn, welcome, taken))
    outcomes = [refusal or next(drafts) for refusal in refusals]
    newcomers = [each for each in outcomes if isinstance(each, Newcomer)]
    steps: dict[DayKey, list[Step]] = {}
    for order, _, visit in newcomers:
        change = Change(verb="walk_in", after=visit, actor=order.actor or holder(visit.patient_id))
        steps.setdefault(order.key, []).append(Step([change]))
    written = {key: writing.written(taken[key], *each, actor=None, now=now) for key, each in steps.items()}
    return Plan(
        [
            each.order.told(written[each.order.key].facts, each.visit.id, now) if isinstance(each, Newcomer) else each
            for each in outcomes
        ],
        [*written.values()],
        [entry(visit, taken[order.key], order.somebody, walk_in=number) for order, number, visit in newcomers],
    )


def _refusal(order: Arrival, facts: Facts | None) -> Problem | None:
    if facts is None:
        return DayBusy(order.key)
    try:
        if order.actor is not None:
            desk.refuse_others(facts, order.actor)
    except Problem as problem:
        return problem
    return QueueClosed() if facts.state is QueueState.CLOSED else None


async def _drafts(
    conn: Connection, orders: Sequence[Arrival], taken: Mapping[DayKey, Facts]
) -> list[Newcomer | DayFull]:
    keys = [order.key for order in orders]
    rows = await conn.fetch(SQL.reserve_walk_ins, *zip(*keys, strict=True)) if keys else []
    return [_draft(order, taken[order.key], row) for order, row in zip(orders, rows, strict=True)]


def _draft(order: Arrival, facts: Facts, row: asyncpg.Record) -> Newcomer | DayFull:
    if row["walk_in"] > facts.settings.walk_ins_per_day:
        return DayFull("No more walk-ins are taken in today.")
    return Newcomer(order, row["walk_in"], _visit(order, facts, row))


def _visit(order: Arrival, facts: Facts, row: asyncpg.Record) -> Visit:
    return Visit(
        id=row["id"],
        patient_id=row["patient_id"],
        patient=order.somebody.name.strip(),
        token=calendar.walk_in_label(facts.token_prefix, row["walk_in"]),
        code=new_code(),
        status=Status.CHECKED_IN,
        priority=order.priority,
        version=1,
        reason=order.reason,
        due_at=rules.due_walk_in(order.priority, policy=facts.settings, now=order.now),
        place_rule=PlaceRule.WALK_IN,
        issued_by=facts.doctor_id,
        seat=None,
        scheduled_at=None,
        booked_at=order.now,
        checked_in_at=order.now,
        called_at=None,
        started_at=None,
        ended_at=None,
    )
