"""Forgetting people: names, addresses and reasons go, visits stay as numbers, and that it was done is recorded."""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from mediqon.auth import logbook, seals
from mediqon.auth.audit import Note
from mediqon.database import Connection, statements
from mediqon.errors import NotFound
from mediqon.settings import SettingsError

SQL = statements("forgetting")
FORGOTTEN = "Forgotten"
"""Stands where a name was."""


class Forgotten(msgspec.Struct, frozen=True):
    """How much was, or would be, forgotten: people, those of them with a log-in, their visits, and words erased."""

    patients: int
    accounts: int
    visits: int
    reasons: int
    events: int
    dry_run: bool


class _DryRun(Exception):
    """Takes everything back."""


async def forget_patient(
    conn: Connection, patient_id: int, *, now: datetime, by: str, key: bytes, dry_run: bool = False
) -> Forgotten:
    """Forgets one patient; `key` seals the logbook.

    Raises NotFound, or SettingsError while a visit is open: somebody has to call that name.
    """
    row = await conn.fetchrow(SQL.find_patient, patient_id)
    if row is None or row["role"] != "patient":
        raise NotFound(f"There is no patient {patient_id}.")
    if row["forgotten_at"]:
        raise SettingsError(f"Patient {patient_id} was forgotten on {row['forgotten_at']:%Y-%m-%d}.")
    if row["open_visits"]:
        raise SettingsError(
            f"Patient {patient_id} has {row['open_visits']} open visits: complete or cancel them first."
        )
    return await _forget(conn, [patient_id], None, now=now, by=by, key=key, dry_run=dry_run)


async def forget_before(
    conn: Connection, day: date, *, now: datetime, by: str, key: bytes, dry_run: bool = False
) -> Forgotten:
    """Forgets everybody who has had no visit since `day`, and all words written before it.

    Raises SettingsError unless the day is over everywhere.
    """
    yesterday = now.date() - timedelta(days=1)
    if day >= yesterday:
        raise SettingsError(f"{day} is not over everywhere: choose a day before {yesterday}.")
    idle = [row["id"] for row in await conn.fetch(SQL.idle_patients, day)]
    return await _forget(conn, idle, day, now=now, by=by, key=key, dry_run=dry_run)


async def _forget(
    conn: Connection, patients: list[int], day: date | None, *, now: datetime, by: str, key: bytes, dry_run: bool
) -> Forgotten:
    counted = Forgotten(0, 0, 0, 0, 0, dry_run)
    try:
        async with conn.transaction():
            counted = await _erase(conn, patients, day, now=now, by=by, key=key, dry_run=dry_run)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return counted


async def _erase(
    conn: Connection, patients: list[int], day: date | None, *, now: datetime, by: str, key: bytes, dry_run: bool
) -> Forgotten:
    what = f"before {day}" if day else f"patient {patients[0]}"
    forgetting = await conn.fetchval(SQL.record, by, what)
    await conn.execute(SQL.move_days_on, patients)
    people = await conn.fetchrow(SQL.forget_people, patients, forgetting, FORGOTTEN)
    assert people is not None
    await conn.execute(SQL.drop_sessions, patients)
    if day is None:
        for patient in patients:
            await conn.execute(SQL.drop_answers, patient)
    else:
        await conn.execute(SQL.forget_days, day)
        await conn.execute(statements("auth").forget_keys, datetime.combine(day, time(), UTC))
    reasons = await conn.fetchval(SQL.forget_reasons, patients, day)
    events = await _forget_words(conn, patients, day, forgetting, key, now)
    return Forgotten(people["patients"], people["accounts"], people["visits"], reasons, events, dry_run)


async def _forget_words(
    conn: Connection, patients: list[int], day: date | None, forgetting: int, key: bytes, now: datetime
) -> int:
    """Takes the words out of visits' stories, and seals those again that were sealed with them; returns how many."""
    await logbook.lock(conn)
    events = [row["id"] for row in await conn.fetch(SQL.find_words, patients, day)]
    intact = await seals.intact(conn, seals.holding(seals.in_force(await logbook.seals(conn)), events))
    await conn.execute(SQL.forget_events, events, forgetting)
    done = Note(at=now, action="forget", object=f"forgetting_id={forgetting}", outcome=0)
    await logbook.append(conn, [done, *await seals.seal_again(conn, intact, now)], now, key)
    return len(events)
