"""Taking visits one step on: those who ask at once are served together. Refusals are told to each alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from mediqon.appointments.models import Done
from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import NotFound, Problem
from mediqon.queues import days, desk
from mediqon.queues.days import DayBusy, Known, Written
from mediqon.queues.models import DayKey, Facts, Status


class Move(NamedTuple):
    """One visit, and where it should go. `version`: the appointment's, as the caller saw it."""

    visit_id: int
    to: Status
    reason: str | None
    version: int | None
    actor: Actor
    now: datetime

    @property
    def key(self) -> None:
        """Its day is not known yet."""


async def move(
    conn: Connection, moves: Sequence[Move], known: Known = days.nothing, *, sure: bool = True, wait: bool = True
) -> list[Done | Problem]:
    """Takes each visit to where it should go; a refusal stands in the place of the one refused. Always `sure`.

    Refusals: NotFound also when it is not the actor's to see, StaleVersion also if it went elsewhere while we waited,
    and those of `desk.step`. DayBusy for the second move of one visit, and unless `wait` for a day that is locked.
    """
    keys = await days.find_all(conn, [(each.visit_id, each.actor) for each in moves])
    locked = await days.lock_all(conn, {key for key in keys if key is not None}, known, wait=wait)
    written: dict[int, Written] = {}
    outcomes = [_move(each, key, locked, written) for each, key in zip(moves, keys, strict=True)]
    if written:
        await days.save(conn, *written.values())
    return outcomes


def _move(move: Move, key: DayKey | None, locked: dict[DayKey, Facts], written: dict[int, Written]) -> Done | Problem:
    """What comes of one move, to a day as those before it leave it; what is to be written is added, by visit."""
    if key is None:
        return NotFound()
    if key not in locked or move.visit_id in written:
        return DayBusy(key)
    try:
        days.refuse_gone(locked[key], move.visit_id)
        change = desk.step(
            locked[key],
            move.visit_id,
            move.to,
            actor=move.actor,
            now=move.now,
            reason=move.reason,
            version=move.version,
        )
    except Problem as problem:
        return problem
    if change is not None:
        written[move.visit_id], locked[key] = change, change.facts
    return Done(locked[key], move.visit_id, move.now)
