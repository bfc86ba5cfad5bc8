"""The rules of the line: which moves are legal and for whom, and who is called next. Touches nothing."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from mediqon.auth.models import Role
from mediqon.hospitals.models import Policy
from mediqon.hospitals.slots import local_day
from mediqon.queues.models import IN_LINE, IN_ROOM, Facts, PlaceRule, Priority, Status, Visit

_FIRST = Priority.EMERGENCY
_STAFF = frozenset({Role.DOCTOR, Role.HOSPITAL})
_DOCTOR = frozenset({Role.DOCTOR})
_ANYONE = _STAFF | {Role.PATIENT}
_DESK_OR_OWNER = frozenset({Role.HOSPITAL, Role.PATIENT})

LEGAL: dict[tuple[Status, Status], frozenset[Role]] = {
    (Status.BOOKED, Status.CHECKED_IN): _ANYONE,
    (Status.ON_HOLD, Status.CHECKED_IN): _STAFF,
    (Status.NO_SHOW, Status.CHECKED_IN): _STAFF,
    (Status.CHECKED_IN, Status.CALLED): _STAFF,
    (Status.ON_HOLD, Status.CALLED): _STAFF,
    (Status.CALLED, Status.IN_CONSULTATION): _DOCTOR,
    (Status.CHECKED_IN, Status.ON_HOLD): _STAFF,
    (Status.CALLED, Status.ON_HOLD): _STAFF,
    (Status.IN_CONSULTATION, Status.ON_HOLD): _STAFF,
    (Status.CHECKED_IN, Status.COMPLETED): _DOCTOR,
    (Status.CALLED, Status.COMPLETED): _DOCTOR,
    (Status.IN_CONSULTATION, Status.COMPLETED): _DOCTOR,
    (Status.BOOKED, Status.NO_SHOW): _STAFF,
    (Status.CHECKED_IN, Status.NO_SHOW): _STAFF,
    (Status.CALLED, Status.NO_SHOW): _STAFF,
    (Status.ON_HOLD, Status.NO_SHOW): _STAFF,
    (Status.BOOKED, Status.CANCELLED): _DESK_OR_OWNER,
    (Status.CHECKED_IN, Status.CANCELLED): _DESK_OR_OWNER,
    (Status.ON_HOLD, Status.CANCELLED): _DESK_OR_OWNER,
}
"""Every legal move (from, to) and the roles that may make it: the contract's table."""

PLACE_STEP = timedelta(microseconds=1)
"""The smallest difference that PostgreSQL keeps: "right after"."""


def may_ever(role: Role, to: Status) -> bool:
    """Whether this role may bring any visit to `to`, from wherever. BOOKED is forbidden to nobody, and never legal."""
    return to is Status.BOOKED or any(target is to and role in roles for (_, target), roles in LEGAL.items())


def allowed(status: Status, role: Role) -> list[Status]:
    """Where this role may take a visit that is at `status`."""
    return [to for (start, to), roles in LEGAL.items() if start is status and role in roles]


def left_to_patient(facts: Facts, visit: Visit, *, now: datetime) -> list[str]:
    """What a patient may do with their own visit without the desk: `check_in`, `late`, `cancel`."""
    booked_today = visit.status is Status.BOOKED and local_day(now, facts.timezone) == facts.day
    may: list[str] = []
    if booked_today and facts.settings.patient_check_in:
        may.append("check_in")
    if booked_today and visit.scheduled_at is not None:
        may.append("late")
    if Status.CANCELLED in allowed(visit.status, Role.PATIENT) and not past_cutoff(visit, facts.settings, now=now):
        may.append("cancel")
    return may


def past_cutoff(visit: Visit, policy: Policy, *, now: datetime) -> bool:
    """Whether the slot is too near for the patient to give it up alone."""
    cutoff = timedelta(minutes=policy.cancel_cutoff_minutes)
    return bool(cutoff) and visit.scheduled_at is not None and now > visit.scheduled_at - cutoff


def call_order(visits: Iterable[Visit]) -> list[Visit]:
    """Those who are here and waiting, the next to be called first. Total, and the same for every reader."""
    return sorted((visit for visit in visits if visit.status is Status.CHECKED_IN), key=place)


def line(visits: Iterable[Visit]) -> list[Visit]:
    """The same with those booked and not here yet among them, by slot."""
    return sorted([visit for visit in visits if visit.status in IN_LINE], key=place)


def place(visit: Visit) -> tuple[bool, datetime, datetime, int]:
    """Emergencies first, then by when each is due, then by when each came, then by id."""
    return (
        visit.priority is not _FIRST,
        visit.due_at,
        visit.checked_in_at or visit.due_at,
        visit.id,
    )


def in_room(visits: Iterable[Visit]) -> list[Visit]:
    """Those called or with the doctor, the longest first."""
    return sorted((v for v in visits if v.status in IN_ROOM), key=lambda v: (v.called_at or v.due_at, v.id))


def suggested(visit: Visit, *, policy: Policy) -> Status | None:
    """What the desk might do with somebody who does not answer: hold, which loses nobody, rather than no-show."""
    unanswered = visit.status is Status.CALLED and visit.calls >= policy.calls_before_hold
    return Status.ON_HOLD if unanswered else None


def due_walk_in(priority: Priority, *, policy: Policy, now: datetime) -> datetime:
    """When somebody who comes without a slot is due."""
    due = now + timedelta(minutes=policy.walk_in_wait_minutes)
    return due - timedelta(minutes=policy.priority_lead_minutes) if priority is Priority.PRIORITY else due


def placed_at_check_in(
    visit: Visit, *, policy: Policy, now: datetime, told: bool = False
) -> tuple[datetime, PlaceRule]:
    """Where somebody who checks in stands: at the slot if early, on time or a little late, else as a walk-in.

    `told`: they come by the minute at which they were told to be here. Who said to be late was told because of that.
    """
    slot = visit.scheduled_at
    if slot is not None and (
        now <= slot + timedelta(minutes=policy.late_grace_minutes) or (told and visit.due_at <= slot)
    ):
        # Who said to be late and is not, has the slot again.
        kept = min(visit.due_at, slot) if visit.place_rule is PlaceRule.SLOT else visit.due_at
        return kept, visit.place_rule
    return due_walk_in(visit.priority, policy=policy, now=now), PlaceRule.WALK_IN if slot is None else PlaceRule.LATE


def due_return(visit: Visit, waiting: Sequence[Visit], *, policy: Policy) -> datetime:
    """When somebody who comes back from hold is due: right after the next few who wait, emergencies counted.

    Somebody whom the doctor had seen already, and sent for a test, goes in next.
    """
    ahead = 0 if visit.started_at is not None else policy.return_after
    before = [other.due_at for other in waiting[:ahead] if other.priority is not Priority.EMERGENCY]
    after = [other.due_at for other in waiting[ahead:] if other.priority is not Priority.EMERGENCY]
    if before:
        return max(before) + PLACE_STEP
    return min([visit.due_at, *(due - PLACE_STEP for due in after)])


def placed_before(visit: Visit, line: Sequence[Visit], index: int, *, now: datetime) -> list[Visit]:
    """`visit` right before the one at `index` of the `line`, or behind everybody; then those who give way to it.

    Who is due at the same instant, or was put there earlier, gives way by a step, so that all else keeps its order.
    """
    urgent = visit.priority is Priority.EMERGENCY
    ahead = [other for other in line[:index] if (other.priority is Priority.EMERGENCY) is urgent]
    behind = [other for other in line[index:] if (other.priority is Priority.EMERGENCY) is urgent]
    due = behind[0].due_at - PLACE_STEP if behind else now
    moved = [msgspec.structs.replace(visit, due_at=max([due, *(other.due_at + PLACE_STEP for other in ahead)]))]
    for other in behind:
        if place(other) > place(moved[-1]):
            break
        moved.append(msgspec.structs.replace(other, due_at=moved[-1].due_at + PLACE_STEP))
    return moved


def due_with_priority(visit: Visit, to: Priority, *, policy: Policy) -> datetime:
    """PRIORITY brings a visit forward once; leaving PRIORITY takes that back. An emergency keeps its due time."""
    lead = timedelta(minutes=policy.priority_lead_minutes)
    gained = lead * ((to is Priority.PRIORITY) - (visit.priority is Priority.PRIORITY))
    return visit.due_at - gained
