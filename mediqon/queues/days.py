"""One doctor's day in PostgreSQL: locked, read and written as a whole."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

import asyncpg
import msgspec

from mediqon import metrics
from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.errors import Malformed, NotFound, Problem, StaleVersion
from mediqon.queues.models import DayImage, DayKey, Facts, Snapshot, Status, Visit
from mediqon.queues.shown import Shown, Stir, instant, newly_told
from mediqon.queues.views import Outlook, remember

SQL = statements("queues")
FORESEEN = frozenset({"book", "check_in", "call", "start", "complete", "recall", "new_code"})

Known = Callable[[DayKey], Facts | None]
"""What this process last saw of a day; trusted only where the locked row has the same version."""


class DayBusy(Problem):
    """Somebody else is changing this day: whoever wants it has to wait. Never told to a client."""

    def __init__(self, key: DayKey) -> None:
        super().__init__()
        self.key = key


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb did to one visit; without any visit, to the day itself. No `before`: the visit is new to this day; no
    `after`: it has left it. `actor` where it is not the verb's own."""

    verb: str
    before: Visit | None = None
    after: Visit | None = None
    reason: str | None = None
    announces: bool = False
    """Whether screens call the token out."""
    actor: Actor | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the day's story, as stored; `queue_version` is the version that the change leads to."""

    doctor_id: int
    day: date
    queue_version: int
    appointment_id: int | None
    at: datetime
    actor_id: int | None
    verb: str
    from_status: Status | None
    to_status: Status | None
    reason: str | None
    before: Snapshot
    after: Snapshot
    promised_at: datetime | None
    undoes: int | None
    shown: list[Shown] | None = None
    """What the whole change told patients anew; on its first event."""


class Written(NamedTuple):
    """A day as a change leaves it, the visits that the change rewrites, its events, and what is shown since; null where
    that stays: who books is told, and nobody else's time moves for it."""

    facts: Facts
    visits: list[Visit]
    events: list[Event]
    shown: Sequence[Shown] | None


def nothing(_key: DayKey) -> None:
    """Knows no day: every one is read."""


async def lock(conn: Connection, key: DayKey, known: Known = nothing) -> Facts:
    """The day as it is, nobody else's to change until the transaction ends. Raises NotFound without such a doctor."""
    return (await lock_all(conn, [key], known))[key]


async def lock_all(
    conn: Connection, keys: Iterable[DayKey], known: Known = nothing, *, wait: bool = True
) -> dict[DayKey, Facts]:
    """Several days at once, locked in one order so that nobody waits for each other.

    Raises NotFound, or Malformed for the first and the last date there is.

    Unless `wait`, days that are locked by somebody else are left out.
    """
    asked = sorted(set(keys))
    columns = [key.doctor_id for key in asked], [key.day for key in asked]
    lock_days = SQL.lock_days if wait else SQL.lock_free_days
    rows = await conn.fetch(lock_days, *columns)
    if len(rows) < len(asked):
        await _open(conn, *columns)
        rows = await conn.fetch(lock_days, *columns)
    return {(key := DayKey(*where)): await _read(conn, key, version, known) for *where, version in rows}


async def lock_visit(conn: Connection, visit_id: int, actor: Actor, known: Known = nothing) -> Facts:
    """The day of a visit, locked.

    Raises NotFound also when it is not the actor's to see, or StaleVersion if it went elsewhere while we waited.
    """
    row = await conn.fetchrow(SQL.lock_visit_day, visit_id, actor.role, actor.id, actor.hospital_id, actor.doctor_id)
    if row is None:
        raise NotFound
    *where, version = row
    facts = await _read(conn, DayKey(*where), version, known)
    refuse_gone(facts, visit_id)
    return facts


def refuse_gone(facts: Facts, visit_id: int) -> None:
    """Raises StaleVersion where a visit has left this day while somebody waited for its lock."""
    if not any(visit.id == visit_id for visit in facts.visits):
        raise StaleVersion("It has just gone to another doctor or another day. Look again.")


async def _open(conn: Connection, doctor_ids: list[int], dates: list[date]) -> None:
    try:
        async with conn.transaction():
            await conn.execute(SQL.open_queues, doctor_ids, dates)
    except asyncpg.ForeignKeyViolationError:
        raise NotFound from None
    except asyncpg.CheckViolationError:
        raise Malformed("date", "is where the calendar ends") from None


async def close_untouched(conn: Connection, unchanged: Iterable[Facts]) -> None:
    """Takes back the rows of locked days in which nothing has happened yet: who was refused has changed nothing."""
    rows = [facts.key for facts in unchanged if facts.version == 0]
    if rows:
        await conn.execute(SQL.close_untouched, [key.doctor_id for key in rows], [key.day for key in rows])


async def _read(conn: Connection, key: DayKey, version: int, known: Known) -> Facts:
    """A locked day. Two states never share a version, but a day that nobody has changed yet may have gained its row."""
    facts = known(key)
    return facts if facts is not None and facts.version == version > 0 else await look(conn, key)


async def look(conn: Connection, key: DayKey) -> Facts:
    """The day as it is. Raises NotFound without such a doctor."""
    row = await conn.fetchrow(SQL.look_at_day, *key)
    if row is None:
        raise NotFound
    visits = await conn.fetch(SQL.queue_visits, *key)
    return msgspec.convert({**row, "visits": [dict(visit) for visit in visits]}, Facts)


async def find(conn: Connection, visit_id: int, actor: Actor) -> DayKey:
    """The day of a visit. Raises NotFound also when it is not the actor's to see."""
    row = await conn.fetchrow(SQL.find_visit, visit_id, actor.role, actor.id, actor.hospital_id, actor.doctor_id)
    if row is None:
        raise NotFound
    return DayKey(row["doctor_id"], row["day"])


async def find_all(conn: Connection, asked: Sequence[tuple[int, Actor]]) -> list[DayKey | None]:
    """The days of several visits; None for one that is not there or not its actor's to see."""
    askers = [(visit_id, who.role, who.id, who.hospital_id, who.doctor_id) for visit_id, who in asked]
    rows = await conn.fetch(SQL.find_visits, *zip(*askers, strict=True))
    found = {row["number"]: DayKey(row["doctor_id"], row["day"]) for row in rows}
    return [found.get(number) for number in range(1, len(asked) + 1)]


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
    change = written(facts, changes, actor=actor, now=now, day=day, undoes=undoes)
    await save(conn, change)
    return change.facts


def written(
    facts: Facts,
    changes: Sequence[Change],
    *,
    actor: Actor | None,
    now: datetime,
    day: DayImage | None = None,
    undoes: int | None = None,
    versions: int = 1,
) -> Written:
    """What `write` will write; touches nothing. With as many `versions` as changes, each is a version of its own."""
    left = {change.before.id for change in changes if change.before is not None and change.after is None}
    moved = {change.after.id: change.after for change in changes if change.after is not None}
    rewritten = [change.after for change in changes if change.before is not None and change.after is not None]
    stay = facts.visits
    if left or rewritten:
        stay = [moved.pop(visit.id, visit) for visit in stay if visit.id not in left]
    after = msgspec.structs.replace(
        facts if day is None else facts.with_day(day),
        version=facts.version + versions,
        call_seq=facts.call_seq + sum(change.announces for change in changes),
        told_at=None,
        visits=[*stay, *moved.values()],
    )
    view = Outlook(after, now, _stir(changes, day))
    if sells_only := all(change.verb == "book" for change in changes):
        told = [shown for change in changes if change.after and (shown := view.told(change.after))]
    else:
        after = view.facts = msgspec.structs.replace(after, shown=view.shown, told_at=now)
        told = newly_told(facts.shown, after.shown)
    remember(view, now)
    day_turned = (None, None) if day is None or day == facts.day_image else (facts.day_image, day)
    events = [
        _event(view, change, facts.version + min(number, versions), change.actor or actor, day_turned, undoes)
        for number, change in enumerate(changes, start=1)
    ]
    events[0] = msgspec.structs.replace(events[0], shown=told)
    return Written(after, rewritten, events, None if sells_only else after.shown)


def _stir(changes: Sequence[Change], day: DayImage | None) -> Stir:
    if day is not None:
        return Stir.DESK
    return Stir.SURPRISE if any(change.verb not in FORESEEN for change in changes) else Stir.FORESEEN


async def save(conn: Connection, *changes: Written) -> None:
    """Writes changes of locked days, all in one statement; of one day each after the one before it."""
    latest = {change.facts.key: change for change in changes}
    visits = [visit for change in changes for visit in change.visits]
    await conn.execute(
        SQL.save_change,
        [_row(visit.id, visit.image) for visit in visits],
        [event for change in changes for event in change.events],
        [_day_row(change.facts, change.shown) for change in latest.values()],
        [visit.id for visit in visits],
    )
    metrics.count_changes(
        (event.verb, event.from_status, event.to_status) for change in changes for event in change.events
    )


async def touch(conn: Connection, facts: Facts) -> None:
    """Counts a change of a locked day that its facts do not tell, such as other hours: others read it anew."""
    await save(conn, Written(msgspec.structs.replace(facts, version=facts.version + 1), [], [], None))


def _row(visit_id: int, image: msgspec.Struct) -> dict[str, object]:
    return {"id": visit_id, **msgspec.structs.asdict(image)}


def _day_row(facts: Facts, shown: Sequence[Shown] | None) -> dict[str, object]:
    return {
        "doctor_id": facts.doctor_id,
        "day": facts.day,
        "version": facts.version,
        "call_seq": facts.call_seq,
        "shown": shown,
        **msgspec.structs.asdict(facts.day_image),
    }


def _event(
    view: Outlook,
    change: Change,
    version: int,
    actor: Actor | None,
    day_turned: tuple[DayImage | None, DayImage | None],
    undoes: int | None,
) -> Event:
    old, new = change.before, change.after
    visit = new or old
    told = view.told(new) if new else None
    return Event(
        doctor_id=view.facts.doctor_id,
        day=view.facts.day,
        queue_version=version,
        appointment_id=visit.id if visit else None,
        at=view.now,
        actor_id=actor.id if actor else None,
        verb=change.verb,
        from_status=old.status if old else None,
        to_status=new.status if new else None,
        reason=change.reason,
        before=Snapshot(visit=old.image if old else None, day=day_turned[0]),
        after=Snapshot(visit=new.image if new else None, day=day_turned[1]),
        promised_at=instant(told.expected) if told else None,
        undoes=undoes,
    )
