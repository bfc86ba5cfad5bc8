"""Taking in those who are here without an appointment, together. Refusals are told to each alone."""

from collections.abc import Callable, Sequence
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


async def plan(conn: Connection, orders: Sequence[Arrival], days: Days, *, sure: bool) -> Plan:
    """What to write to take each in, in order; a refusal stands in the place of the one refused. Always `sure`.

    Refusals: NotFound unless the day is the actor's, QueueClosed, DayFull past the hospital's number of walk-ins;
    DayBusy for a day that cannot be had.
    """
    taken = await days.take({order.key for order in orders})
    now = max(order.now for order in orders)
    outcomes: list[Told | Problem | None] = [_refusal(order, taken.get(order.key)) for order in orders]
    welcome = [place for place, refusal in enumerate(outcomes) if refusal is None]
    entered: dict[int, Visit] = {}
    entries: list[dict[str, object]] = []
    steps: dict[DayKey, list[Step]] = {}
    for place, row in zip(welcome, await _reserved(conn, [orders[place] for place in welcome]), strict=True):
        order, facts = orders[place], taken[orders[place].key]
        if row["walk_in"] > facts.settings.walk_ins_per_day:
            outcomes[place] = DayFull("No more walk-ins are taken in today.")
            continue
        visit = entered[place] = _visit(order, facts, row)
        entries.append(entry(visit, facts, order.somebody, walk_in=row["walk_in"]))
        change = Change(verb="walk_in", after=visit, actor=order.actor or holder(visit.patient_id))
        steps.setdefault(order.key, []).append(Step([change]))
    written = {key: writing.written(taken[key], *each, actor=None, now=now) for key, each in steps.items()}
    for place, visit in entered.items():
        outcomes[place] = orders[place].told(written[orders[place].key].facts, visit.id, now)
    return Plan([each for each in outcomes if each is not None], [*written.values()], entries)


def _refusal(order: Arrival, facts: Facts | None) -> Problem | None:
    if facts is None:
        return DayBusy(order.key)
    try:
        if order.actor is not None:
            desk.refuse_others(facts, order.actor)
    except Problem as problem:
        return problem
    return QueueClosed() if facts.state is QueueState.CLOSED else None


async def _reserved(conn: Connection, orders: Sequence[Arrival]) -> Sequence[asyncpg.Record]:
    keys = [order.key for order in orders]
    return await conn.fetch(SQL.reserve_walk_ins, *zip(*keys, strict=True)) if keys else []


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
