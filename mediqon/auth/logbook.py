"""The logbook of this process: notes are taken in memory, at no cost to the request, and written a moment later.

What is noted within WRITE_SECONDS of a `kill -9` is lost. So is, but counted, what is noted while the database is away
and PENDING_MAX are waiting. A crowd of refusals that are alike is one entry with a number.
"""

import time
from datetime import UTC, datetime, timedelta

import msgspec

from mediqon.auth import audit
from mediqon.auth.audit import Entry, Finding, Kind, Link, Note
from mediqon.database import Connection, Pool, statements, transaction

SQL = statements("audit")
WRITE_SECONDS = 1.0
PENDING_MAX = 2000
LOOK_AGAIN_SECONDS = 600.0
"""Somebody who looks at the same thing again and again is noted once in so long, per process."""
LOOKS_MAX = 20_000
SEAL_EVENTS_SECONDS = 60.0
SETTLED = timedelta(seconds=60)
"""No transaction lasts longer: events that old are all visible."""
EVENTS_AT_ONCE = 10_000
SEAL_EVENTS = "seal events"


class Logbook:
    """One per process."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._key = key
        self._pending: dict[Kind, Note] = {}
        self._left_out = 0
        self._looks: dict[Kind, float] = {}
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

    def look(self, note: Note) -> None:
        """The same, once in LOOK_AGAIN_SECONDS."""
        now = time.monotonic()
        if now - self._looks.get(note.kind, -LOOK_AGAIN_SECONDS) >= LOOK_AGAIN_SECONDS:
            if len(self._looks) >= LOOKS_MAX:
                self._looks.clear()
            self._looks[note.kind] = now
            self.note(note)

    async def write(self, now: datetime) -> None:
        """Writes what was noted, and seals the visits' stories once in SEAL_EVENTS_SECONDS. Raises one of LOST."""
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
            self._pending, self._left_out = {**self._pending, **taken}, self._left_out + left_out
            raise

    async def _append(self, notes: list[Note], now: datetime, *, seals: bool) -> None:
        async with transaction(self._pool) as conn:
            await conn.execute(SQL.lock_logbook)
            sealed = await _seal_events(conn, now) if seals else None
            row = await conn.fetchrow(SQL.last_entry)
            last = Link(*row) if row else None
            more = [sealed] if sealed else []
            entries = audit.chained([*notes, *more], last, self._key, today=now.astimezone(UTC).date())
            await conn.executemany(SQL.append, [msgspec.structs.astuple(entry) for entry in entries])
        if seals:
            self._sealed_at = time.monotonic()


class Report(msgspec.Struct, frozen=True):
    """What a check of the logbook has found. `last_seal`: of the newest entry, hexadecimal."""

    entries: int
    days: int
    events_sealed: int
    last_seal: str
    findings: list[Finding]


async def verify(conn: Connection, keys: list[bytes]) -> Report:
    """Checks every seal, and the visits' stories against theirs. Reads all of it."""
    entries = [msgspec.convert({**row}, Entry) for row in await conn.fetch(SQL.entries)]
    found = audit.findings(entries, keys)
    after = sealed = 0
    for entry in entries:
        if entry.action == SEAL_EVENTS:
            last, events, digest = entry.object.split()
            row = await conn.fetchrow(SQL.digest_events, after, int(last), None, EVENTS_AT_ONCE * 2)
            if row is None or (row["digest"] or b"").hex() != digest:
                found.append(Finding(entry.day, entry.number, f"events {after + 1} to {last} were changed"))
            after, sealed = int(last), sealed + int(events)
    last_seal = entries[-1].seal.hex() if entries else ""
    return Report(len(entries), len({entry.day for entry in entries}), sealed, last_seal, found)


async def _seal_events(conn: Connection, now: datetime) -> Note | None:
    """`object`: the last event sealed, how many since the seal before, and their digest."""
    sealed = await conn.fetchval(SQL.last_object, SEAL_EVENTS)
    after = int(sealed.split()[0]) if sealed else 0
    row = await conn.fetchrow(SQL.digest_events, after, None, now - SETTLED, EVENTS_AT_ONCE)
    if row is None or row["last"] is None:
        return None
    told = f"{row['last']} {row['events']} {row['digest'].hex()}"
    return Note(at=now, action=SEAL_EVENTS, object=told, outcome=0)
