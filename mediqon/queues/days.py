"""One doctor's day in PostgreSQL: found, locked and read as a whole."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date

import asyncpg
import msgspec

from mediqon.auth.models import Actor, Role
from mediqon.database import Connection, statements
from mediqon.errors import Malformed, NotFound, Problem, StaleVersion
from mediqon.queues.models import DayKey, Facts

SQL = statements("queues")
UNKNOWN = -1
"""No version of a day."""

Known = Callable[[DayKey], Facts | None]
"""What this process last saw of a day; trusted only where the row that is locked or written has the same version."""


class DayBusy(Problem):
    """Somebody else is changing this day: whoever wants it has to wait. Never told to a client."""

    def __init__(self, key: DayKey) -> None:
        super().__init__()
        self.key = key


def nothing(_key: DayKey) -> None:
    """Knows no day: every one is read."""


async def lock(conn: Connection, key: DayKey, known: Known = nothing) -> Facts:
    """The day as it is, nobody else's to change until the transaction ends. Raises NotFound without such a doctor."""
    return (await lock_all(conn, [key], known))[key]


async def lock_all(
    conn: Connection, keys: Iterable[DayKey], known: Known = nothing, *, wait: bool = True
) -> dict[DayKey, Facts]:
    """Several days at once, made and locked in one order so that nobody waits for each other.

    Raises NotFound, or Malformed for the first and the last date there is.

    Unless `wait`, days that are locked by somebody else are left out.
    """
    asked = sorted(set(keys))
    columns = _columns(asked)
    make, lock_days = (SQL.hold_days, SQL.lock_days) if wait else (SQL.open_queues, SQL.lock_free_days)
    rows = await conn.fetch(lock_days, *columns) if len(asked) == 1 else []
    if not rows:  # of several days none must be locked while the row of another is made, which may mean to wait for it
        await _make(conn, make, *columns)
        rows = await conn.fetch(lock_days, *columns)
    return await _read(conn, {DayKey(doctor_id, day): version for doctor_id, day, version in rows}, known)


async def lock_visit(conn: Connection, visit_id: int, actor: Actor, known: Known = nothing) -> Facts:
    """The day of a visit, locked.

    Raises NotFound also when it is not the actor's to see, or StaleVersion if it went elsewhere while we waited.
    """
    row = await conn.fetchrow(SQL.lock_visit_day, visit_id, actor.role, actor.id, actor.hospital_id, actor.doctor_id)
    if row is None:
        raise NotFound
    *where, version = row
    (facts,) = (await _read(conn, {DayKey(*where): version}, known)).values()
    refuse_gone(facts, visit_id)
    return facts


def may_see(facts: Facts, visit_id: int, actor: Actor) -> bool:
    """Whether a visit is of this day, and the actor's to see: its patient's, its doctor's or its hospital's."""
    visit = next((each for each in facts.visits if each.id == visit_id), None)
    if visit is None:
        return False
    if actor.role is Role.PATIENT:
        return visit.patient_id == actor.id
    return facts.doctor_id == actor.doctor_id if actor.role is Role.DOCTOR else facts.hospital_id == actor.hospital_id


def refuse_gone(facts: Facts, visit_id: int) -> None:
    """Raises StaleVersion where a visit has left this day while somebody waited for its lock."""
    if not any(visit.id == visit_id for visit in facts.visits):
        raise StaleVersion("It has just gone to another doctor or another day. Look again.")


async def _make(conn: Connection, make: str, doctor_ids: list[int], dates: list[date]) -> None:
    try:
        await conn.execute(make, doctor_ids, dates)
    except asyncpg.ForeignKeyViolationError:
        raise NotFound from None
    except asyncpg.CheckViolationError:
        raise Malformed("date", "is where the calendar ends") from None


async def close_untouched(conn: Connection, unchanged: Iterable[Facts]) -> None:
    """Takes back the rows of locked days in which nothing has happened yet: who was refused has changed nothing."""
    rows = [facts.key for facts in unchanged if facts.version == 0]
    if rows:
        await conn.execute(SQL.close_untouched, *_columns(rows))


async def _read(conn: Connection, versions: Mapping[DayKey, int], known: Known) -> dict[DayKey, Facts]:
    """Locked days. Two states never share a version, but a day that nobody has changed yet may have gained its row."""
    mine = {key: facts for key, version in versions.items() if (facts := known(key)) and facts.version == version > 0}
    return mine | await look_all(conn, dict.fromkeys(versions.keys() - mine.keys(), UNKNOWN))


async def look(conn: Connection, key: DayKey) -> Facts:
    """The day as it is. Raises NotFound without such a doctor."""
    looked = await look_all(conn, {key: UNKNOWN})
    if not looked:
        raise NotFound
    return looked[key]


async def look_all(conn: Connection, known: Mapping[DayKey, int]) -> dict[DayKey, Facts]:
    """Those of the days that have another version than the one known, as they are; without those of no doctor.

    Outside a snapshot one that is just being changed may have the version of before and visits of after: nothing can be
    saved that goes on from it.
    """
    if not known:
        return {}
    rows = await conn.fetch(SQL.look_at_days, *_columns(known), [*known.values()])
    visits: dict[DayKey, list[dict[str, object]]] = {DayKey(row["doctor_id"], row["day"]): [] for row in rows}
    for visit in await conn.fetch(SQL.visits_of_days, *_columns(visits)) if visits else ():
        visits[DayKey(visit["doctor_id"], visit["day"])].append(dict(visit))
    return {key: msgspec.convert({**row, "visits": visits[key]}, Facts) for key, row in zip(visits, rows, strict=True)}


def _columns(keys: Collection[DayKey]) -> tuple[list[int], list[date]]:
    return [key.doctor_id for key in keys], [key.day for key in keys]


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
