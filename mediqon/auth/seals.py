"""The visits' stories under seal: entries of the logbook that say what a stretch of `appointment_events` held.

A stretch is sealed again when people are forgotten, and when its seal is dropped because it is old: if it still was as
sealed. Of several seals the latest counts.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from mediqon.auth.audit import Entry, Finding, Note
from mediqon.database import Connection, statements

SQL = statements("audit")
SETTLED = timedelta(seconds=60)
"""No transaction lasts longer: events that old are all visible."""
EVENTS_AT_ONCE = 10_000
SEAL, SEAL_AGAIN, DROP = "seal events", "seal events again", "drop entries"


class Stretch(NamedTuple):
    """So many events after one and up to another, and the digest of what they said."""

    after: int
    last: int
    events: int
    digest: str


class Sealed(NamedTuple):
    entry: Entry
    stretch: Stretch


class Held(NamedTuple):
    """What a stretch holds now; `forgotten`: events whose words were taken out."""

    stretch: Stretch
    forgotten: int


def reach(entries: Iterable[Entry]) -> int:
    """Up to which event these entries, or those that were dropped before them, sealed one stretch after another."""
    places = {SEAL: 0, DROP: -1}
    ends = (int(entry.object.split()[places[entry.action]]) for entry in entries if entry.action in places)
    return max(ends, default=0)


def in_force(entries: Iterable[Entry]) -> list[Sealed]:
    """The seals that count, by event. Needs every entry that seals or drops, oldest first."""
    entries = list(entries)
    last = reach(entry for entry in entries if entry.action == DROP)
    found: dict[int, Sealed] = {}
    for entry in entries:
        if entry.action == SEAL:
            end, events, digest = entry.object.split()
            found[last] = Sealed(entry, Stretch(last, int(end), int(events), digest))
            last = int(end)
        elif entry.action == SEAL_AGAIN:
            start, end, events, digest = entry.object.split()
            stretch = Stretch(int(start), int(end), int(events), digest)
            found = {after: each for after, each in found.items() if not stretch.after <= after < stretch.last}
            found[stretch.after] = Sealed(entry, stretch)
    return [found[after] for after in sorted(found)]


async def seal(conn: Connection, now: datetime) -> Note | None:
    """Seals what has settled since the last time; None where nothing has."""
    sealed = await conn.fetchval(SQL.last_object, SEAL)
    dropped = await conn.fetchval(SQL.last_object, DROP)
    after = int(sealed.split()[0]) if sealed else int(dropped.split()[-1]) if dropped else 0
    row = await conn.fetchrow(SQL.digest_events, after, None, now - SETTLED, EVENTS_AT_ONCE)
    if row is None or row["last"] is None:
        return None
    return Note(at=now, action=SEAL, object=f"{row['last']} {row['events']} {row['digest'].hex()}", outcome=0)


async def held(conn: Connection, stretch: Stretch) -> Held:
    """What is there now where this was sealed."""
    row = await conn.fetchrow(SQL.digest_events, stretch.after, stretch.last, None, EVENTS_AT_ONCE * 2)
    assert row is not None
    digest = (row["digest"] or b"").hex()
    return Held(stretch._replace(events=row["events"], digest=digest), row["forgotten"])


async def check(conn: Connection, entries: Iterable[Entry]) -> tuple[int, int, list[Finding]]:
    """How many events are sealed, how many of them forgotten, and which stretches were changed."""
    events = forgotten = 0
    found: list[Finding] = []
    for entry, stretch in in_force(entries):
        now = await held(conn, stretch)
        events, forgotten = events + stretch.events, forgotten + now.forgotten
        if now.stretch != stretch:
            problem = f"events {stretch.after + 1} to {stretch.last} were changed"
            found.append(Finding(entry.day, entry.number, problem))
    return events, forgotten, found


async def intact(conn: Connection, sealed: Iterable[Sealed]) -> list[Stretch]:
    """Those of the stretches that are as they were sealed: only these may be sealed again."""
    return [stretch for _, stretch in sealed if (await held(conn, stretch)).stretch == stretch]


def holding(sealed: Iterable[Sealed], events: Sequence[int]) -> list[Sealed]:
    """Those that hold one of these events, given in order."""
    return [
        each for each in sealed if bisect_right(events, each.stretch.after) < bisect_right(events, each.stretch.last)
    ]


async def seal_again(conn: Connection, stretches: Iterable[Stretch], now: datetime) -> list[Note]:
    """New seals of what these stretches hold now; neighbours share one of up to EVENTS_AT_ONCE events."""
    joined: list[Stretch] = []
    for stretch in stretches:
        before = joined[-1] if joined else None
        if before and before.last == stretch.after and before.events + stretch.events <= EVENTS_AT_ONCE:
            joined[-1] = before._replace(last=stretch.last, events=before.events + stretch.events)
        else:
            joined.append(stretch)
    again = [(await held(conn, each)).stretch for each in joined]
    return [Note(at=now, action=SEAL_AGAIN, object=" ".join(map(str, each)), outcome=0) for each in again]
