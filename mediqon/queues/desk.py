"""What doctors, reception and patients do to the line: each verb takes a locked day and returns it as it then is."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import Forbidden, IllegalTransition, NotToday, QueueClosed, QueuePaused, StaleVersion
from mediqon.hospitals.slots import local_day
from mediqon.queues import days, rules
from mediqon.queues.days import Change
from mediqon.queues.models import IN_ROOM, OVER, Facts, QueueState, Status, Visit
from mediqon.queues.views import Outlook, appointment

VERBS = {
    Status.CHECKED_IN: "check_in",
    Status.CALLED: "call",
    Status.IN_CONSULTATION: "start",
    Status.ON_HOLD: "hold",
    Status.COMPLETED: "complete",
    Status.NO_SHOW: "no_show",
    Status.CANCELLED: "cancel",
}


class Called(NamedTuple):
    """What call-next did: the day as it then is, and ids of visits; None where nobody waits or was in the room."""

    facts: Facts
    called: int | None
    completed: int | None


async def move(
    conn: Connection,
    facts: Facts,
    visit_id: int,
    to: Status,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
    version: int | None = None,
) -> Facts:
    """Takes one visit to `to`; to where it already is changes nothing and returns the same facts.

    Raises Forbidden, StaleVersion (with the current appointment), NotToday or IllegalTransition (with what is allowed).
    """
    visit = facts.visit(visit_id)
    if not rules.may_ever(actor.role, to):
        raise Forbidden
    if visit.status is to:
        return facts
    if version is not None and version != visit.version:
        raise StaleVersion(appointment=appointment(Outlook(facts, now), visit))
    _refuse_illegal(facts, visit, to, actor, now)
    change = Change(
        verb=VERBS[to], before=visit, after=moved(facts, visit, to, now), reason=reason, announces=to is Status.CALLED
    )
    return await days.write(conn, facts, [change], actor=actor, now=now)


async def call_next(conn: Connection, facts: Facts, *, actor: Actor, now: datetime, version: int | None) -> Called:
    """Completes who is in the room and calls the first who waits. Raises StaleVersion, QueuePaused, QueueClosed."""
    if version is not None and version != facts.version:
        raise StaleVersion(version=facts.version)
    if facts.state is QueueState.PAUSED:
        raise QueuePaused
    if facts.state is QueueState.CLOSED:
        raise QueueClosed
    room = rules.in_room(facts.visits)
    waiting = rules.call_order(facts.visits)
    changes = [
        Change(verb="complete", before=visit, after=moved(facts, visit, Status.COMPLETED, now)) for visit in room
    ]
    if waiting:
        after = moved(facts, waiting[0], Status.CALLED, now)
        changes.append(Change(verb="call", before=waiting[0], after=after, announces=True))
    if changes:
        facts = await days.write(conn, facts, changes, actor=actor, now=now)
    return Called(facts, waiting[0].id if waiting else None, room[-1].id if room else None)


def moved(facts: Facts, visit: Visit, to: Status, now: datetime) -> Visit:
    """The visit after a legal move to `to`: its times, its place, its next version."""
    times: dict[str, datetime | None] = {}
    if to is Status.CHECKED_IN:
        times = {"due_at": _due(facts, visit, now), "checked_in_at": visit.checked_in_at or now}
    elif to is Status.CALLED:
        times = {"called_at": now, "started_at": None, "checked_in_at": visit.checked_in_at or now}
    elif to is Status.IN_CONSULTATION:
        times = {"started_at": now}
    times["ended_at"] = now if to in OVER else None
    return msgspec.structs.replace(visit, status=to, version=visit.version + 1, **times)


def _due(facts: Facts, visit: Visit, now: datetime) -> datetime:
    if visit.status is Status.ON_HOLD:
        return rules.due_return(visit, rules.call_order(facts.visits), policy=facts.settings)
    return rules.due_check_in(visit, policy=facts.settings, now=now)


def _refuse_illegal(facts: Facts, visit: Visit, to: Status, actor: Actor, now: datetime) -> None:
    if actor.role not in rules.LEGAL.get((visit.status, to), ()):
        raise IllegalTransition(
            f"A visit that is {visit.status} cannot become {to}.",
            **{"from": visit.status, "to": to, "allowed": rules.allowed(visit.status, actor.role)},
        )
    if _needs_today(visit, to) and local_day(now, facts.timezone) != facts.day:
        raise NotToday(f"This visit is on {facts.day.isoformat()}.")


def _needs_today(visit: Visit, to: Status) -> bool:
    return to is Status.CHECKED_IN or to in IN_ROOM
