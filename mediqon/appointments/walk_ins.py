"""Taking in somebody who is here without an appointment."""

from datetime import datetime

from mediqon.appointments.codes import new_code
from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, Role, holder
from mediqon.database import Connection, statements
from mediqon.errors import DayFull, QueueClosed
from mediqon.hospitals import calendar
from mediqon.queues import rules, writing
from mediqon.queues.models import Facts, PlaceRule, Priority, QueueState, Status, Visit
from mediqon.queues.orders import Done
from mediqon.queues.writing import Change

SQL = statements("appointments")


async def walk_in(
    conn: Connection,
    facts: Facts,
    somebody: SomebodyElse,
    priority: Priority,
    *,
    reason: str | None,
    actor: Actor | None,
    now: datetime,
) -> Done:
    """Takes somebody into a locked day; without an actor they come by themselves.

    Raises QueueClosed, or DayFull past the hospital's number of walk-ins.
    """
    if facts.state is QueueState.CLOSED:
        raise QueueClosed
    number = await conn.fetchval(statements("queues").count_walk_in, *facts.key)
    if number > facts.settings.walk_ins_per_day:
        raise DayFull("No more walk-ins are taken in today.")
    name = somebody.name.strip()
    patient_id = await conn.fetchval(
        statements("auth").insert_user, Role.PATIENT, name, None, somebody.phone, None, None
    )
    token, code = calendar.walk_in_label(facts.token_prefix, number), new_code()
    due = rules.due_walk_in(priority, policy=facts.settings, now=now)
    where = facts.hospital_id, *facts.key, patient_id
    visit_id = await conn.fetchval(SQL.insert_walk_in, *where, number, token, code, priority, reason, due, now)
    visit = Visit(
        id=visit_id,
        patient_id=patient_id,
        patient=name,
        token=token,
        code=code,
        status=Status.CHECKED_IN,
        priority=priority,
        version=1,
        reason=reason,
        due_at=due,
        place_rule=PlaceRule.WALK_IN,
        issued_by=facts.doctor_id,
        seat=None,
        scheduled_at=None,
        booked_at=now,
        checked_in_at=now,
        called_at=None,
        started_at=None,
        ended_at=None,
    )
    after = await writing.write(
        conn, facts, [Change(verb="walk_in", after=visit)], actor=actor or holder(patient_id), now=now
    )
    return Done(after, visit_id, now)
