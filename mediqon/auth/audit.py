"""What an entry of the logbook says, how it is sealed, and how a broken seal is found.

A seal is a keyed hash over the entry and the seal before it. Who can write to the database, even as its superuser, but
does not know the key cannot change, remove or insert an entry without breaking the chain. Only entries cut off at the
very end leave no trace here, so keep the last seal somewhere else: `mediqon audit verify` prints it.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

import msgspec

from mediqon.auth.models import Role

FIRST_SEAL = bytes(32)


Kind = tuple[str, str, int, int | None, str | None]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth an entry. `action`: a route; `object`: its numbers; `outcome`: the status.

    `times`: how often within a moment, and `request` the first of them.
    """

    at: datetime
    action: str
    object: str = ""
    outcome: int
    actor_id: int | None = None
    actor_role: Role | None = None
    address: str | None = None
    times: int = 1
    request: str = ""

    @property
    def kind(self) -> "Kind":
        """Notes of the same kind may share an entry."""
        return (self.action, self.object, self.outcome, self.actor_id, self.address)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A note in its place. `number` counts from 1 within `day`, a date in UTC; `key` names what it is sealed with."""

    day: date
    number: int
    at: datetime
    actor_id: int | None
    actor_role: Role | None
    address: str | None
    action: str
    object: str
    outcome: int
    times: int
    request: str
    key: str
    seal: bytes = b""


class Link(NamedTuple):
    """The end of a chain, to which the next entry is tied."""

    day: date
    number: int
    seal: bytes


class Finding(msgspec.Struct, frozen=True):
    """Where the chain is broken, and how."""

    day: date
    number: int
    problem: str


def key_of(secret: str) -> bytes:
    """The sealing key that follows from a secret of the server."""
    return hmac.digest(secret.encode(), b"mediqon audit", hashlib.sha256)


def name_of(key: bytes) -> str:
    """Tells keys apart without telling them."""
    return hashlib.sha256(key).hexdigest()[:8]


def chained(notes: Iterable[Note], last: Link | None, key: bytes, *, today: date) -> list[Entry]:
    """The notes as the entries that follow `last`. Days only go forward, whatever the clocks of several servers say."""
    entries: list[Entry] = []
    for note in notes:
        day = max(today, last.day) if last else today
        number = last.number + 1 if last and last.day == day else 1
        open_entry = Entry(day=day, number=number, key=name_of(key), **msgspec.structs.asdict(note))
        last = Link(day, number, _seal(open_entry, last.seal if last else FIRST_SEAL, key))
        entries.append(msgspec.structs.replace(open_entry, seal=last.seal))
    return entries


def findings(entries: Iterable[Entry], keys: Sequence[bytes], *, after: Link | None = None) -> list[Finding]:
    """Every break in the chain; none in one that nobody touched. `after`: what stood before its first entry."""
    known = {name_of(key): key for key in keys}
    found: list[Finding] = []
    last = after
    for entry in entries:
        if problem := _problem(entry, last, known):
            found.append(Finding(entry.day, entry.number, problem))
        last = Link(entry.day, entry.number, entry.seal)
    return found


def _problem(entry: Entry, last: Link | None, known: dict[str, bytes]) -> str:
    expected = last.number + 1 if last and last.day == entry.day else 1
    if entry.number != expected:
        return f"entries {expected} to {entry.number - 1} are missing"
    if entry.key not in known:
        return f"sealed with a key that is not configured ({entry.key})"
    seal = _seal(entry, last.seal if last else FIRST_SEAL, known[entry.key])
    return "" if hmac.compare_digest(entry.seal, seal) else "changed, or what came before it is missing"


def _seal(entry: Entry, before: bytes, key: bytes) -> bytes:
    said = msgspec.json.encode(msgspec.structs.replace(entry, seal=b""))
    return hmac.digest(key, before + said, hashlib.sha256)
