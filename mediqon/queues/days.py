"""One doctor's day in PostgreSQL: locked, read and written as a whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.errors import NotFound, StaleVersion
from mediqon.queues.models import DayImage, DayKey, Facts, Snapshot, Visit
from mediqon.queues.shown import Stir, newly_told
from mediqon.queues.views import Outlook, Place

SQL = statements("queues")
FORESEEN = frozenset({"book", "check_in", "call", "start", "complete", "recall"})


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb did to one visit; without any visit, to the day itself.

    No `before`: the visit is new to this day. No `after`: it has left it.
    """

    verb: str
    before: Visit | None = None
    after: Visit | None = None
    reason: str | None = None
    announces: bool = False
    """Whether screens call the token out."""


async def lock(conn: Connection, key: DayKey) -> Facts:
    """The day as it is, nobody else's to change until the transaction ends. Raises NotFound without such a doctor."""
    if await conn.fetchval(SQL.lock_day, *key) is None:
        try:
            async with conn.transaction():
                await conn.execute(SQL.open_queue, *key)
        except asyncpg.ForeignKeyViolationError:
            raise NotFound from None
        await conn.execute(SQL.lock_day, *key)
    return await look(conn, key)


async def look(conn: Connection, key: DayKey) -> Facts:
    """The day as it is. Raises NotFound without such a doctor."""
    row = await conn.fetchrow(SQL.look_at_day, *key)
    if row is None:
        raise NotFound
    visits = await conn.fetch(SQL.queue_visits, *key)
    return msgspec.convert({**row, "visits": [dict(visit) for visit in visits]}, Facts)


async def lock_visit(conn: Connection, visit_id: int, actor: Actor) -> Facts:
    """The day of a visit, locked. Raises NotFound, or StaleVersion if the visit went elsewhere while we waited."""
    facts = await lock(conn, await find(conn, visit_id, actor))
    if not any(visit.id == visit_id for visit in facts.visits):
        raise StaleVersion("It has just gone to another doctor or another day. Look again.")
    return facts


async def find(conn: Connection, visit_id: int, actor: Actor) -> DayKey:
    """The day of a visit. Raises NotFound also when it is not the actor's to see."""
    row = await conn.fetchrow(SQL.find_visit, visit_id, actor.role, actor.id, actor.hospital_id, actor.doctor_id)
    if row is None:
        raise NotFound
    return DayKey(row["doctor_id"], row["day"])


async def write(
    conn: Connection,
    facts: Facts,
    changes: Sequence[Change],
    *,
    actor: Actor | None,
    now: datetime,
    day: DayImage | None = None,
    undoes: int | None = None,
) -> Facts:
    """Writes what was done to a locked day, its events and its next version; returns the day as it then is.

    `day` is what the day itself has become. No actor: the server itself.
    """
    left = {change.before.id for change in changes if change.before is not None and change.after is None}
    moved = {change.after.id: change.after for change in changes if change.after is not None}
    calls = sum(change.announces for change in changes)
    after = msgspec.structs.replace(
        facts.with_day(day or facts.day_image),
        version=facts.version + 1,
        call_seq=facts.call_seq + calls,
        visits=[moved.pop(visit.id, visit) for visit in facts.visits if visit.id not in left] + [*moved.values()],
    )
    for change in changes:
        if change.before is not None and change.after is not None:
            await move_visit(conn, change.after)
    if day is not None:
        await conn.execute(SQL.set_day, *facts.key, *msgspec.structs.astuple(day))
    outlook = Outlook(after, now, _stir(changes, day))
    after = msgspec.structs.replace(after, shown=outlook.shown)
    events = [_event(facts, after, change, outlook.places, actor, now, undoes) for change in changes]
    told = newly_told(facts.shown, after.shown)
    await conn.executemany(SQL.record_event, [(*events[0], told), *((*event, None) for event in events[1:])])
    await conn.execute(SQL.advance_queue, *facts.key, calls, after.shown)
    return after


def _stir(changes: Sequence[Change], day: DayImage | None) -> Stir:
    if day is not None:
        return Stir.DESK
    return Stir.SURPRISE if any(change.verb not in FORESEEN for change in changes) else Stir.FORESEEN


async def move_visit(conn: Connection, visit: Visit) -> None:
    """Writes what a verb made of a visit, and counts its version."""
    await conn.execute(SQL.move_visit, visit.id, *msgspec.structs.astuple(visit.image))


def _event(
    before: Facts,
    after: Facts,
    change: Change,
    places: Mapping[int, Place],
    actor: Actor | None,
    now: datetime,
    undoes: int | None,
) -> tuple[object, ...]:
    old, new = change.before, change.after
    visit = new or old
    place = places.get(new.id) if new else None
    day_changed = before.day_image != after.day_image
    return (
        *before.key,
        after.version,
        visit.id if visit else None,
        now,
        actor.id if actor else None,
        change.verb,
        old.status if old else None,
        new.status if new else None,
        change.reason,
        Snapshot(visit=old.image if old else None, day=before.day_image if day_changed else None),
        Snapshot(visit=new.image if new else None, day=after.day_image if day_changed else None),
        place.window.expected if place and place.window else None,
        undoes,
    )
