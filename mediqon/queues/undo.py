"""Taking back the queue's last change, exact place included.

Undoing again takes back the change before it. What patients did, and new visits, are not undone but cancelled.
"""

from datetime import datetime

import asyncpg
import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.errors import CannotUndo, NothingToUndo
from mediqon.queues import writing
from mediqon.queues.models import Facts, Snapshot, Visit
from mediqon.queues.writing import Change

SQL = statements("queues")
FINAL = {
    "transfer_out": "a transfer: transfer the visit back instead",
    "transfer_in": "a transfer: transfer the visit back instead",
    "reschedule": "a new time: reschedule the visit again instead",
    "reschedule_out": "a new day: reschedule the visit again instead",
    "reschedule_in": "a new day: reschedule the visit again instead",
}


async def undo(conn: Connection, facts: Facts, *, actor: Actor, now: datetime) -> Facts:
    """Raises NothingToUndo, or CannotUndo when what it changed has been changed again by somebody else."""
    events = await conn.fetch(SQL.last_change, *facts.key)
    if not events:
        raise NothingToUndo
    changes = [_taken_back(facts, event) for event in events]
    replaced = [_snapshot(event["before"]).day for event in events]
    day = next((image for image in replaced if image is not None), None)
    version: int = events[0]["queue_version"]
    try:
        async with conn.transaction():
            return await writing.write(conn, facts, changes, actor=actor, now=now, day=day, undoes=version)
    except asyncpg.UniqueViolationError:
        raise CannotUndo("The seat or the patient's place has been given anew meanwhile.") from None


def _taken_back(facts: Facts, event: asyncpg.Record) -> Change:
    verb: str = event["verb"]
    if verb in FINAL:
        raise CannotUndo(f"The last change was {FINAL[verb]}.")
    before, after = _snapshot(event["before"]), _snapshot(event["after"])
    if after.day is not None and after.day != facts.day_image:
        raise CannotUndo("The day has been changed since.")
    if before.visit is None:
        return Change(verb="undo", reason=verb)
    visit = _unchanged(facts, event["appointment_id"], after)
    return Change(verb="undo", before=visit, after=visit.restored(before.visit), reason=verb)


def _unchanged(facts: Facts, visit_id: int, after: Snapshot) -> Visit:
    visit = next((visit for visit in facts.visits if visit.id == visit_id), None)
    if visit is None or visit.image != after.visit:
        raise CannotUndo("That visit has been changed since.")
    return visit


def _snapshot(raw: object) -> Snapshot:
    return msgspec.convert(raw, Snapshot)
