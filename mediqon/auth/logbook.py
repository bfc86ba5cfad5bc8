"""The logbook of this process: notes are taken in memory, at no cost to the request, and written a moment later.

What is noted within WRITE_SECONDS of a `kill -9` is lost. So is, but counted, what is noted while the database is away
and PENDING_MAX are waiting. A crowd of refusals that are alike is one entry with a number.
"""

import asyncio
import math
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec

from mediqon.auth import audit
from mediqon.auth.audit import Entry, Finding, Kind, Link, Note
from mediqon.auth.seals import DROP, SEAL, SEAL_AGAIN, check, in_force, intact, reach, seal, seal_again
from mediqon.database import Connection, Pool, statements, transaction

SQL = statements("audit")
WRITE_SECONDS = 1.0
PENDING_MAX = 2000
LOOK_AGAIN_SECONDS = 600.0
"""Somebody who looks at the same thing again and again is noted once in so long, per process."""
LOOKS_MAX = 20_000
REFUSALS_MAX = 100
"""Entries of refusals that one asker at one address may fill in LOOK_AGAIN_SECONDS; further ones are counted in one."""
SEAL_EVENTS_SECONDS = 60.0
DROPPED_AT_ONCE = timedelta(days=31)


class Logbook:
    """One per process."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._key = key
        self._writing = asyncio.Lock()
        self._pending: dict[Kind, Note] = {}
        self._left_out = 0
        self._looks: dict[Kind, float] = {}
        self._refusals: Counter[tuple[int | None, str | None]] = Counter()
        self._refusals_since = 0.0
        self._sealed_at = -SEAL_EVENTS_SECONDS

    def note(self, note: Note) -> None:
        """Will be written; again and again within a moment is one entry."""
        known = self._pending.get(note.kind)
        if known is not None:
            self._pending[note.kind] = msgspec.structs.replace(known, times=known.times + 1)
        elif len(self._pending) < PENDING_MAX:
            self._pending[note.kind] = note
        else:
            self._left_out += 1

    def refusal(self, note: Note) -> None:
        """The same, but who is refused without end fills no logbook: then only how often is written."""
        now = time.monotonic()
        if now - self._refusals_since >= LOOK_AGAIN_SECONDS or len(self._refusals) >= LOOKS_MAX:
            self._refusals.clear()
            self._refusals_since = now
        asker = (note.actor_id, note.address)
        self._refusals[asker] += note.kind not in self._pending
        if self._refusals[asker] > REFUSALS_MAX:
            note = msgspec.structs.replace(note, action="refused again", object="", outcome=0)
        self.note(note)

    def look(self, note: Note) -> None:
        """The same, once in LOOK_AGAIN_SECONDS."""
        if not self.has_look(note.kind):
            if len(self._looks) >= LOOKS_MAX:
                self._looks.clear()
            self._looks[note.kind] = time.monotonic()
            self.note(note)

    def has_look(self, kind: Kind) -> bool:
        """Whether such a look has been noted lately, and is not noted again."""
        return time.monotonic() - self._looks.get(kind, -math.inf) < LOOK_AGAIN_SECONDS

    async def write(self, now: datetime) -> None:
        """Writes what was noted, and seals the visits' stories once in SEAL_EVENTS_SECONDS. Raises one of LOST.

        Goes on when whoever asked is cancelled, one after the other: what is being committed is not written again.
        """
        writing = asyncio.ensure_future(self._write(now))
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever asked may be gone
        await asyncio.shield(writing)

    async def _write(self, now: datetime) -> None:
        async with self._writing:
            await self._write_pending(now)

    async def _write_pending(self, now: datetime) -> None:
        seals = time.monotonic() - self._sealed_at > SEAL_EVENTS_SECONDS
        taken, self._pending = self._pending, {}
        left_out, self._left_out = self._left_out, 0
        notes = [*taken.values()]
        if left_out:
            notes.append(Note(at=now, action="left out", outcome=0, times=left_out))
        try:
            if notes or seals:
                await self._append(notes, now, seals=seals)
        except BaseException:
            self._left_out += left_out
            for kind, note in taken.items():
                newer = self._pending.get(kind)
                self._pending[kind] = msgspec.structs.replace(note, times=note.times + newer.times) if newer else note
            raise

    async def _append(self, notes: list[Note], now: datetime, *, seals: bool) -> None:
        async with transaction(self._pool) as conn:
            await lock(conn)
            sealed = await seal(conn, now) if seals else None
            await append(conn, [*notes, sealed] if sealed else notes, now, self._key)
        if seals:
            self._sealed_at = time.monotonic()


async def lock(conn: Connection) -> None:
    """Nobody else writes until the transaction ends."""
    await conn.execute(SQL.lock_logbook)


async def append(conn: Connection, notes: list[Note], now: datetime, key: bytes) -> None:
    """Ties the notes to the end of the chain. The caller holds the lock."""
    row = await conn.fetchrow(SQL.last_entry)
    entries = audit.chained(notes, Link(*row) if row else None, key, today=now.astimezone(UTC).date())
    await conn.executemany(SQL.append, [msgspec.structs.astuple(entry) for entry in entries])


async def seals(conn: Connection) -> list[Entry]:
    """Every entry that seals visits' stories, or says what was dropped."""
    return [_entry(row) for row in await conn.fetch(SQL.seals, [SEAL, SEAL_AGAIN, DROP])]


async def drop_old(pool: Pool, key: bytes, *, days: int, now: datetime) -> None:
    """Drops entries older than so many days, at most DROPPED_AT_ONCE of them; 0 keeps all.

    The last of them and the visits' stories that they sealed are sealed again first, so that the rest can be verified.
    """
    today = now.astimezone(UTC).date()
    async with transaction(pool) as conn:
        first = await conn.fetchval(SQL.first_day)
        if not days or first is None or first >= today - timedelta(days=days):
            return
        await lock(conn)
        before = min(today - timedelta(days=days), first + DROPPED_AT_ONCE)
        sealing = await seals(conn)
        sealed = [each for each in in_force(sealing) if each.entry.day < before]
        notes = await seal_again(conn, await intact(conn, sealed), now)
        row = await conn.fetchrow(SQL.last_before, before)
        if row is not None:  # unless another process has been quicker
            day, number, end = row
            last = reach(entry for entry in sealing if entry.day < before or entry.action == DROP)
            notes.append(Note(at=now, action=DROP, object=f"{before} {day} {number} {end.hex()} {last}", outcome=0))
            await append(conn, notes, now, key)
            await conn.execute(SQL.allow_dropping)
            await conn.execute(SQL.drop, before)
            await conn.execute(SQL.refuse_dropping)


class Report(msgspec.Struct, frozen=True):
    """What a check of the logbook has found. `events_forgotten`: of the sealed ones, those whose words were taken out.
    `last_seal`: of the newest entry, hexadecimal.
    """

    entries: int
    days: int
    events_sealed: int
    events_forgotten: int
    last_seal: str
    findings: list[Finding]


async def verify(conn: Connection, keys: list[bytes]) -> Report:
    """Checks every seal, and the visits' stories against theirs. Reads all of it."""
    entries = [_entry(row) for row in await conn.fetch(SQL.entries)]
    found = audit.findings(entries, keys, after=_dropped(entries))
    sealed, forgotten, changed = await check(conn, entries)
    last_seal = entries[-1].seal.hex() if entries else ""
    days = len({entry.day for entry in entries})
    return Report(len(entries), days, sealed, forgotten, last_seal, [*found, *changed])


def _dropped(entries: list[Entry]) -> Link | None:
    """The last entry that was dropped, as the logbook itself says."""
    told = [entry.object.split() for entry in entries if entry.action == DROP]
    return Link(date.fromisoformat(told[-1][1]), int(told[-1][2]), bytes.fromhex(told[-1][3])) if told else None


def _entry(row: asyncpg.Record) -> Entry:
    return msgspec.convert({**row}, Entry)
