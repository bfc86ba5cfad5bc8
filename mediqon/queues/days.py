"""One doctor's day in PostgreSQL: locked, read and written as a whole."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.errors import NotFound
from mediqon.queues.models import DayKey, Facts, Visit

SQL = statements("queues")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb did to one visit: `before` is null for a visit that is new."""

    verb: str
    before: Visit | None
    after: Visit
    reason: str | None = None
    announces: bool = False
    """Whether screens call the token out."""


async def lock(conn: Connection, key: DayKey) -> Facts:
    """The day as it is, nobody else's to change until the transaction ends. Raises NotFound without such a doctor."""
    row = await conn.fetchrow(SQL.lock_day, *key)
    if row is None:
        try:
            async with conn.transaction():
                await conn.execute(SQL.open_queue, *key)
        except asyncpg.ForeignKeyViolationError:
            raise NotFound from None
        row = await conn.fetchrow(SQL.lock_day, *key)
    return await _with_visits(conn, key, row)


async def look(conn: Connection, key: DayKey) -> Facts:
    """The day as it is. Raises NotFound without such a doctor."""
    row = await conn.fetchrow(SQL.look_at_day, *key)
    return await _with_visits(conn, key, row)


async def find(conn: Connection, visit_id: int, actor: Actor) -> DayKey:
    """The day of a visit. Raises NotFound also when it is not the actor's to see."""
    row = await conn.fetchrow(SQL.find_visit, visit_id, actor.role, actor.id, actor.hospital_id, actor.doctor_id)
    if row is None:
        raise NotFound
    return DayKey(row["doctor_id"], row["day"])


async def write(conn: Connection, facts: Facts, changes: Sequence[Change], *, actor: Actor, now: datetime) -> Facts:
    """Writes what was done to a locked day, its events and its next version; returns the day as it then is."""
    version = facts.version + 1
    for change in changes:
        if change.before is not None:
            await _move(conn, change.after)
    await conn.executemany(SQL.record_event, [_event(facts.key, version, each, actor, now) for each in changes])
    calls = sum(change.announces for change in changes)
    await conn.execute(SQL.advance_queue, *facts.key, calls)
    after = {change.after.id: change.after for change in changes}
    kept = [after.pop(visit.id, visit) for visit in facts.visits]
    return msgspec.structs.replace(
        facts, version=version, call_seq=facts.call_seq + calls, visits=[*kept, *after.values()]
    )


async def _with_visits(conn: Connection, key: DayKey, row: asyncpg.Record | None) -> Facts:
    if row is None:
        raise NotFound
    visits = await conn.fetch(SQL.queue_visits, *key)
    return msgspec.convert({**row, "visits": [dict(visit) for visit in visits]}, Facts)


async def _move(conn: Connection, visit: Visit) -> None:
    await conn.execute(
        SQL.move_visit,
        visit.id,
        visit.status,
        visit.due_at,
        visit.checked_in_at,
        visit.called_at,
        visit.started_at,
        visit.ended_at,
    )


def _event(key: DayKey, version: int, change: Change, actor: Actor, now: datetime) -> tuple[object, ...]:
    before = change.before
    return (
        *key,
        version,
        change.after.id,
        now,
        actor.id,
        change.verb,
        before and before.status,
        change.after.status,
        change.reason,
        before and _restorable(before),
    )


def _restorable(visit: Visit) -> dict[str, object]:
    """What an undo has to put back."""
    return {
        "status": visit.status,
        "due_at": visit.due_at,
        "checked_in_at": visit.checked_in_at,
        "called_at": visit.called_at,
        "started_at": visit.started_at,
        "ended_at": visit.ended_at,
    }
