"""What doctors, reception and patients do to the line: each verb takes a day, and tells what it makes of it."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from mediqon.auth.models import Actor, Role
from mediqon.database import Connection
from mediqon.errors import (
    AlreadyBooked,
    Forbidden,
    IllegalTransition,
    NotFound,
    QueueClosed,
    QueuePaused,
    StaleVersion,
    TooLate,
    VisitOver,
)
from mediqon.hospitals.models import Policy
from mediqon.hospitals.slots import local_day
from mediqon.queues import rules, writing
from mediqon.queues.models import IN_ROOM, OVER, DayImage, Facts, PlaceRule, Priority, QueueState, Status, Visit
from mediqon.queues.shown import instant
from mediqon.queues.views import appointment, outlook_on
from mediqon.queues.writing import Change, Step

VERBS = {
    Status.CHECKED_IN: "check_in",
    Status.CALLED: "call",
    Status.IN_CONSULTATION: "start",
    Status.ON_HOLD: "hold",
    Status.COMPLETED: "complete",
    Status.NO_SHOW: "no_show",
    Status.CANCELLED: "cancel",
}


class Next(NamedTuple):
    """What call-next does, null for nothing, and ids of visits; None where nobody waits or is in the room."""

    step: Step | None
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
) -> Facts:
    """Takes one visit to `to`; to where it already is changes nothing and returns the same facts. Raises as `step`."""
    taken = step(facts, visit_id, to, actor=actor, now=now, reason=reason)
    if taken is None:
        return facts
    return await writing.write(conn, facts, taken.changes, actor=actor, now=now, day=taken.day)


def step(
    facts: Facts,
    visit_id: int,
    to: Status,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
    version: int | None = None,
) -> Step | None:
    """What `move` does; null where the visit is there already.

    Raises Forbidden, StaleVersion (with the current appointment), IllegalTransition (with what is allowed),
    QueueClosed for a no-show who comes after all once the day is closed, or AlreadyBooked for one who has booked again.
    """
    visit = facts.visit(visit_id)
    if not rules.may_ever(actor.role, to):
        raise Forbidden
    if visit.status is to:
        return None
    if version is not None and version != visit.version:
        raise StaleVersion(appointment=appointment(outlook_on(facts, now), visit))
    _refuse_illegal(facts, visit, to, actor, now)
    if facts.state is QueueState.CLOSED and to not in OVER:
        raise QueueClosed
    if to is Status.CALLED:
        return _called(facts, [], visit, actor=actor, now=now, reason=reason)
    after = moved(facts, visit, to, now)
    return Step([Change(verb=VERBS[to], before=visit, after=after, reason=reason, actor=actor)])


def call_next(facts: Facts, *, actor: Actor, now: datetime, version: int | None) -> Next:
    """Completes who is in the room and calls the first who waits. Raises StaleVersion, QueuePaused, QueueClosed.

    Where a doctor sees several at once, somebody is completed only when every place is taken.
    """
    if version is not None and version != facts.version:
        raise StaleVersion(version=facts.version)
    refuse_pause(facts)
    room = rules.in_room(facts.visits)
    waiting = rules.call_order(facts.visits)
    leaving = room[: max(len(room) - facts.settings.rooms + 1, 0)]
    done = [
        Change(verb="complete", before=visit, after=moved(facts, visit, Status.COMPLETED, now), actor=actor)
        for visit in leaving
    ]
    taken = None
    if waiting:
        taken = _called(facts, done, waiting[0], actor=actor, now=now)
    elif done:
        taken = Step(done)
    return Next(taken, waiting[0].id if waiting else None, leaving[-1].id if leaving else None)


def recall(facts: Facts, visit_id: int, *, actor: Actor) -> Step:
    """Announces a called token again. Raises IllegalTransition unless it is CALLED."""
    visit = facts.visit(visit_id)
    if visit.status is not Status.CALLED:
        raise _illegal(visit, Status.CALLED, actor.role)
    again = msgspec.structs.replace(visit, calls=visit.calls + 1, version=visit.version + 1)
    return Step([Change(verb="recall", before=visit, after=again, announces=True, actor=actor)])


async def set_priority(
    conn: Connection, facts: Facts, visit_id: int, to: Priority, *, actor: Actor, now: datetime, reason: str
) -> Facts:
    """Gives a visit another priority, for a reason; the one it has changes nothing. Raises VisitOver."""
    visit = facts.visit(visit_id)
    if visit.status in OVER or visit.status in IN_ROOM:
        raise VisitOver(f"A visit that is {visit.status} has no place in line to change.")
    if visit.priority is to:
        return facts
    after = msgspec.structs.replace(
        visit,
        priority=to,
        due_at=rules.due_with_priority(visit, to, policy=facts.settings),
        version=visit.version + 1,
    )
    change = Change(verb="priority", before=visit, after=after, reason=reason)
    return await writing.write(conn, facts, [change], actor=actor, now=now)


async def place_before(
    conn: Connection, facts: Facts, visit_id: int, before_id: int | None, *, actor: Actor, now: datetime, reason: str
) -> Facts:
    """Moves somebody who waits right before another one, or behind everybody. Raises VisitOver unless both wait."""
    waiting = rules.call_order(facts.visits)
    visit = facts.visit(visit_id)
    others = [other for other in waiting if other.id != visit_id]
    index = len(others) if before_id is None else _index(others, before_id)
    if visit not in waiting or index is None:
        raise VisitOver("Only somebody who is checked in can be moved, and only among those who are.")
    moved, *gave_way = rules.placed_before(visit, others, index, now=now)
    changes = [Change(verb="place", before=visit, after=_next(moved, place_rule=PlaceRule.MOVED), reason=reason)]
    changes += [Change(verb="give_way", before=facts.visit(each.id), after=_next(each)) for each in gave_way]
    return await writing.write(conn, facts, changes, actor=actor, now=now)


def _index(line: list[Visit], visit_id: int) -> int | None:
    return next((index for index, each in enumerate(line) if each.id == visit_id), None)


def _next(visit: Visit, **changed: object) -> Visit:
    return msgspec.structs.replace(visit, version=visit.version + 1, **changed)


def _called(
    facts: Facts,
    first: list[Change],
    visit: Visit,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> Step:
    """A visit called after what comes `first`. A doctor who calls is there: an announced delay is over."""
    after = moved(facts, visit, Status.CALLED, now)
    change = Change(verb="call", before=visit, after=after, reason=reason, announces=True, actor=actor)
    there = DayImage(state=facts.state, paused_until=facts.paused_until, pause_reason=facts.pause_reason)
    return Step([*first, change], there if facts.delay_minutes else None)


def moved(facts: Facts, visit: Visit, to: Status, now: datetime) -> Visit:
    """The visit after a legal move to `to`: its times, its place, its next version."""
    times: dict[str, object] = {}
    if to is Status.CHECKED_IN:
        due_at, place_rule = _place(facts, visit, now)
        times = {"due_at": due_at, "place_rule": place_rule, "checked_in_at": visit.checked_in_at or now, "calls": 0}
    elif to is Status.CALLED:
        here = visit.checked_in_at or now
        times = {"called_at": now, "started_at": None, "checked_in_at": here, "calls": visit.calls + 1}
    elif to is Status.IN_CONSULTATION:
        times = {"started_at": now}
    times["ended_at"] = now if to in OVER else None
    return msgspec.structs.replace(visit, status=to, version=visit.version + 1, **times)


def refuse_others(facts: Facts, actor: Actor) -> None:
    """Raises NotFound unless this is the actor's own queue or hospital."""
    if facts.hospital_id != actor.hospital_id or actor.doctor_id not in {None, facts.doctor_id}:
        raise NotFound("There is no such doctor at your hospital.")


def refuse_pause(facts: Facts) -> None:
    """Raises QueuePaused or QueueClosed unless the queue is open."""
    if facts.state is QueueState.PAUSED:
        raise QueuePaused
    if facts.state is QueueState.CLOSED:
        raise QueueClosed


def _place(facts: Facts, visit: Visit, now: datetime) -> tuple[datetime, PlaceRule]:
    if visit.status is Status.ON_HOLD:
        due = rules.due_return(visit, rules.call_order(facts.visits), policy=facts.settings)
        return due, PlaceRule.RETURNED
    told = any(each.visit_id == visit.id and now < instant(each.here_by + 1) for each in facts.shown)
    return rules.placed_at_check_in(visit, policy=facts.settings, now=now, told=told)


def _refuse_illegal(facts: Facts, visit: Visit, to: Status, actor: Actor, now: datetime) -> None:
    if actor.role not in rules.LEGAL.get((visit.status, to), ()):
        raise _illegal(visit, to, actor.role)
    if visit.status in OVER:
        _refuse_second(facts, visit)
    if actor.role is Role.PATIENT:
        _refuse_patient(facts, visit, to, now)


def _refuse_patient(facts: Facts, visit: Visit, to: Status, now: datetime) -> None:
    """What is left to the desk: another day than today, and what the hospital reserves to it."""
    policy = facts.settings
    if to is Status.CHECKED_IN and local_day(now, facts.timezone) != facts.day:
        raise _illegal(visit, to, Role.PATIENT, f"Patients check in on the day: this visit is on {facts.day}.")
    if to is Status.CHECKED_IN and not policy.patient_check_in:
        raise Forbidden("Please check in at the desk.")
    if to is Status.CANCELLED:
        refuse_cutoff(visit, policy, now)


def refuse_cutoff(visit: Visit, policy: Policy, now: datetime) -> None:
    """Raises TooLate when the slot is too near for the patient to give it up alone."""
    if rules.past_cutoff(visit, policy, now=now):
        raise TooLate(
            f"Up to {policy.cancel_cutoff_minutes} minutes before the slot; after that, please call the desk."
        )


def _refuse_second(facts: Facts, visit: Visit) -> None:
    """Raises AlreadyBooked when the patient of a visit that is over has another one open, the same day."""
    for other in facts.visits:
        if other.patient_id == visit.patient_id and other.id != visit.id and other.status not in OVER:
            raise AlreadyBooked(id=other.id, appointment_id=other.id)


def _illegal(visit: Visit, to: Status, role: Role, detail: str | None = None) -> IllegalTransition:
    return IllegalTransition(
        detail or f"A visit that is {visit.status} cannot become {to}.",
        **{
            "from": visit.status,
            "to": to,
            "allowed": [other for other in rules.allowed(visit.status, role) if other is not to],
        },
    )
