"""What a doctor or the desk does to the whole day: pause, resume, delay, close. Each verb takes a locked day."""

from datetime import datetime, timedelta

import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection
from mediqon.errors import QueueClosed, VisitsOpen
from mediqon.queues import learning, writing
from mediqon.queues.desk import moved
from mediqon.queues.models import OVER, DayImage, Facts, QueueState, Status
from mediqon.queues.views import appointment, outlook_on
from mediqon.queues.writing import Change


async def pause(
    conn: Connection, facts: Facts, *, minutes: int | None, reason: str | None, actor: Actor, now: datetime
) -> Facts:
    """Stops calls until resumed; `minutes` only announce when that will be. Raises QueueClosed."""
    _refuse_closed(facts)
    day = DayImage(
        state=QueueState.PAUSED,
        delay_minutes=facts.delay_minutes,
        delayed_at=facts.delayed_at,
        paused_until=now + timedelta(minutes=minutes) if minutes else None,
        pause_reason=reason,
    )
    return await _set(conn, facts, "pause", day, actor=actor, now=now, reason=reason)


async def resume(conn: Connection, facts: Facts, *, actor: Actor, now: datetime) -> Facts:
    """Opens a paused or closed queue; an open one stays as it is."""
    if facts.state is QueueState.OPEN:
        return facts
    day = DayImage(delay_minutes=facts.delay_minutes, delayed_at=facts.delayed_at)
    return await _set(conn, facts, "resume", day, actor=actor, now=now)


async def delay(conn: Connection, facts: Facts, *, minutes: int, actor: Actor, now: datetime) -> Facts:
    """The doctor is so many minutes late, from now or from the first slot on; 0 takes it back. Raises QueueClosed."""
    _refuse_closed(facts)
    if minutes == facts.delay_minutes == 0:
        return facts
    day = DayImage(
        state=facts.state,
        delay_minutes=minutes,
        delayed_at=now if minutes else None,
        paused_until=facts.paused_until,
        pause_reason=facts.pause_reason,
    )
    return await _set(conn, facts, "delay", day, actor=actor, now=now)


async def close(conn: Connection, facts: Facts, *, no_show: bool, actor: Actor | None, now: datetime) -> Facts:
    """Ends the day. With `no_show`, who is with the doctor is completed and everybody else still open has not come.
    The doctor's history learns from it.

    Raises VisitsOpen with the open visits otherwise.
    """
    if facts.state is QueueState.CLOSED:
        return facts
    still_open = [visit for visit in facts.visits if visit.status not in OVER]
    if still_open and not no_show:
        outlook = outlook_on(facts, now)
        raise VisitsOpen(visits=[appointment(outlook, visit) for visit in still_open])
    changes = [Change(verb="close")]
    for visit in still_open:
        seen = visit.status is Status.IN_CONSULTATION
        after = moved(facts, visit, Status.COMPLETED if seen else Status.NO_SHOW, now)
        changes.append(Change(verb="complete" if seen else "no_show", before=visit, after=after, reason="day closed"))
    closed = await writing.write(conn, facts, changes, actor=actor, now=now, day=DayImage(state=QueueState.CLOSED))
    return msgspec.structs.replace(closed, history=await learning.learn_day(conn, closed))


async def _set(
    conn: Connection, facts: Facts, verb: str, day: DayImage, *, actor: Actor, now: datetime, reason: str | None = None
) -> Facts:
    return await writing.write(conn, facts, [Change(verb=verb, reason=reason)], actor=actor, now=now, day=day)


def _refuse_closed(facts: Facts) -> None:
    if facts.state is QueueState.CLOSED:
        raise QueueClosed
