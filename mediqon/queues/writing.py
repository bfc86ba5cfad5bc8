"""What is done to a doctor's day: worked out, and written with its events as one version after another."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeAlias

import msgspec

from mediqon import metrics
from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.queues.models import DayImage, DayKey, Facts, Snapshot, Status, Visit
from mediqon.queues.shown import Shown, Stir, instant, newly_told
from mediqon.queues.views import Outlook, remember

SQL = statements("queues")
FORESEEN = frozenset({"book", "check_in", "call", "start", "complete", "recall", "new_code"})


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb did to one visit; without any visit, to the day itself. No `before`: the visit is new to this day; no
    `after`: it has left it. `actor` where it is not the verb's own."""

    verb: str
    before: Visit | None = None
    after: Visit | None = None
    reason: str | None = None
    announces: bool = False
    """Whether screens call the token out."""
    actor: Actor | None = None


class Step(NamedTuple):
    """What makes one version of a day the next: changes, and what the day itself has become, where it has."""

    changes: Sequence[Change]
    day: DayImage | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the day's story, as stored; `queue_version` is the version that the change leads to."""

    doctor_id: int
    day: date
    queue_version: int
    appointment_id: int | None
    at: datetime
    actor_id: int | None
    verb: str
    from_status: Status | None
    to_status: Status | None
    reason: str | None
    before: Snapshot
    after: Snapshot
    promised_at: datetime | None
    undoes: int | None
    shown: list[Shown] | None = None
    """What a step told patients anew, on its first event: those whom it moved, and with the last of steps written
    together all others."""


class Written(NamedTuple):
    """A day as steps leave it, the version that they go on from, the visits that they rewrite, their events, and what
    is shown since; null where that stays: who books is told, and nobody else's time moves for it."""

    facts: Facts
    since: int
    visits: list[Visit]
    events: list[Event]
    shown: Sequence[Shown] | None


async def write(
    conn: Connection,
    facts: Facts,
    changes: Sequence[Change],
    *,
    actor: Actor | None,
    now: datetime,
    day: DayImage | None = None,
    undoes: int | None = None,
) -> Facts:
    """Writes what was done to a locked day, its events and its next version; returns the day as it then is.

    `day` is what the day itself has become. No actor: the server itself.
    """
    change = written(facts, Step(changes, day), actor=actor, now=now, undoes=undoes)
    await save(conn, change)
    return change.facts


def written(facts: Facts, *steps: Step, actor: Actor | None, now: datetime, undoes: int | None = None) -> Written:
    """What is to be written after these steps, each a version of its own; touches nothing.

    None of them changes a visit that another one has changed. All who are in line are told at the end.
    """
    changes = [change for step in steps for change in step.changes]
    rewritten = [change.after for change in changes if change.before is not None and change.after is not None]
    after = stepped(facts, *steps)
    view = Outlook(after, now, _stir(steps))
    if sells_only := all(change.verb == "book" for change in changes):
        told = [shown for change in changes if change.after and (shown := view.told(change.after))]
    else:
        after = view.facts = msgspec.structs.replace(after, shown=view.shown, told_at=now)
        told = newly_told(facts.shown, after.shown)
    remember(view, now)
    events: list[Event] = []
    others = {each.visit_id: each for each in told or ()}
    image: DayImage | None = None
    for version, step in enumerate(steps, start=facts.version + 1):
        turned = None, None
        if step.day is not None:
            before, image = image or facts.day_image, step.day
            turned = (before, image) if before != image else turned
        own = [others.pop(each.after.id) for each in step.changes if each.after is not None and each.after.id in others]
        shown = [*own, *others.values()] if step is steps[-1] else own
        first, *more = (_event(view, each, version, each.actor or actor, turned, undoes) for each in step.changes)
        events += [msgspec.structs.replace(first, shown=shown or None), *more]
    return Written(after, facts.version, rewritten, events, None if sells_only else after.shown)


def stepped(facts: Facts, *steps: Step) -> Facts:
    """The day after these steps, but for what people are told then."""
    changes = [change for step in steps for change in step.changes]
    left = {change.before.id for change in changes if change.before is not None and change.after is None}
    moved = {change.after.id: change.after for change in changes if change.after is not None}
    stay = facts.visits
    if any(change.before is not None for change in changes):
        stay = [moved.pop(visit.id, visit) for visit in stay if visit.id not in left]
    for step in steps:
        facts = facts if step.day is None else facts.with_day(step.day)
    return msgspec.structs.replace(
        facts,
        version=facts.version + len(steps),
        call_seq=facts.call_seq + sum(change.announces for change in changes),
        told_at=None,
        visits=[*stay, *moved.values()],
    )


def _stir(steps: Sequence[Step]) -> Stir:
    if any(step.day is not None for step in steps):
        return Stir.DESK
    verbs = {change.verb for step in steps for change in step.changes}
    return Stir.FORESEEN if verbs <= FORESEEN else Stir.SURPRISE


Rows: TypeAlias = Sequence[Mapping[str, object]]


async def save(conn: Connection, *changes: Written, booked: Rows = ()) -> None:
    """Writes changes, each of a locked day of its own, all in one statement. `booked`: visits that are new."""
    saved = await save_current(conn, *changes, booked=booked)
    assert len(saved) == len(changes), "a day that is written must be locked, and read since"


async def save_current(conn: Connection, *changes: Written, booked: Rows = (), kept: Rows = ()) -> set[DayKey]:
    """The same without locks, as far as it can be: returns the days that were written.

    The others are as they were: somebody else changes them or has changed them since they were read, or one of those
    whose answers are to be `kept` for a repetition has asked before.
    """
    visits = [(change.facts.key, visit) for change in changes for visit in change.visits]
    rows = await conn.fetch(
        SQL.save_change,
        booked,
        [{"id": visit.id, **key._asdict(), **msgspec.structs.asdict(visit.image)} for key, visit in visits],
        [event for change in changes for event in change.events],
        [_day_row(change) for change in changes],
        kept,
        [visit.id for _, visit in visits],
    )
    saved = {DayKey(*row) for row in rows}
    metrics.count_changes(
        (event.verb, event.from_status, event.to_status)
        for change in changes
        for event in change.events
        if change.facts.key in saved
    )
    return saved


async def touch(conn: Connection, facts: Facts) -> None:
    """Counts a change of a locked day that its facts do not tell, such as other hours: others read it anew."""
    await save(conn, Written(msgspec.structs.replace(facts, version=facts.version + 1), facts.version, [], [], None))


def _day_row(change: Written) -> dict[str, object]:
    return {
        "doctor_id": change.facts.doctor_id,
        "day": change.facts.day,
        "since": change.since,
        "version": change.facts.version,
        "call_seq": change.facts.call_seq,
        "shown": change.shown,
        **msgspec.structs.asdict(change.facts.day_image),
    }


def _event(
    view: Outlook,
    change: Change,
    version: int,
    actor: Actor | None,
    day_turned: tuple[DayImage | None, DayImage | None],
    undoes: int | None,
) -> Event:
    old, new = change.before, change.after
    visit = new or old
    told = view.told(new) if new else None
    return Event(
        doctor_id=view.facts.doctor_id,
        day=view.facts.day,
        queue_version=version,
        appointment_id=visit.id if visit else None,
        at=view.now,
        actor_id=actor.id if actor else None,
        verb=change.verb,
        from_status=old.status if old else None,
        to_status=new.status if new else None,
        reason=change.reason,
        before=Snapshot(visit=old.image if old else None, day=day_turned[0]),
        after=Snapshot(visit=new.image if new else None, day=day_turned[1]),
        promised_at=instant(told.expected) if told else None,
        undoes=undoes,
    )
