"""What closed days teach, kept in PostgreSQL: one day more when it closes, or all of them anew."""

from collections.abc import Sequence
from datetime import date

import msgspec

from mediqon.database import Connection, Pool, reading, statements, transaction
from mediqon.queues import days
from mediqon.queues.accuracy import Moment, Shows, by_day, weigh
from mediqon.queues.closing import closed_day
from mediqon.queues.history import History
from mediqon.queues.lessons import learn
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.shown import Shown

SQL = statements("histories")
DAYS_LEARNT = 365
"""Older days would weigh less than 1.5e-5."""


async def learn_day(conn: Connection, facts: Facts) -> History:
    """The history with a day that has just been closed; where a later one, or itself, is in it already, made anew.

    Days to come are told by another history then: they count as changed, and are locked before the history is.
    """
    await conn.execute(statements("hospitals").touch_later, [facts.doctor_id], facts.day)
    stored = await conn.fetchval(SQL.lock_history, facts.doctor_id)
    history = History() if stored is None else msgspec.convert(stored, History)
    if history.last_day is not None and history.last_day >= facts.day:
        return await _learn_anew(conn, facts.doctor_id, await _closed_days(conn, facts.doctor_id))
    shows = (await shows_of(conn, facts.doctor_id, facts.day, facts.day)).get(facts.day, Shows([], []))
    history = _learnt(history, facts, shows)
    await _keep(conn, facts.doctor_id, history)
    return history


async def relearn(conn: Connection, doctor_id: int) -> History:
    """The history of a doctor, made anew from the events of the closed days; later days count as changed."""
    closed = await _closed_days(conn, doctor_id)
    if closed:
        await conn.execute(statements("hospitals").touch_later, [doctor_id], closed[-1])
    return await _learn_anew(conn, doctor_id, closed)


async def _closed_days(conn: Connection, doctor_id: int) -> list[date]:
    rows = await conn.fetch(SQL.closed_days, doctor_id, date.max, DAYS_LEARNT)
    return [row["day"] for row in reversed(rows)]


async def _learn_anew(conn: Connection, doctor_id: int, closed: Sequence[date]) -> History:
    await conn.fetchval(SQL.lock_history, doctor_id)
    history = History()
    for day in closed:
        shows = (await shows_of(conn, doctor_id, day, day)).get(day, Shows([], []))
        history = _learnt(history, await days.look(conn, DayKey(doctor_id, day)), shows)
    await _keep(conn, doctor_id, history)
    return history


async def relearn_all(pool: Pool, doctor_id: int | None = None) -> dict[int, History]:
    """The same for every doctor with a closed day, or for one; each in a transaction of its own."""
    async with reading(pool) as conn:
        doctors = [doctor_id] if doctor_id else [row["doctor_id"] for row in await conn.fetch(SQL.doctors)]
    histories: dict[int, History] = {}
    for each in doctors:
        async with transaction(pool) as conn:
            histories[each] = await relearn(conn, each)
    return histories


def _learnt(history: History, facts: Facts, shows: Shows) -> History:
    closed = closed_day(facts, shows)
    return history if closed is None else learn(history, facts.day, [closed], facts.slot_minutes)


async def _keep(conn: Connection, doctor_id: int, history: History) -> None:
    await conn.execute(SQL.keep_history, doctor_id, history)


async def shows_of(conn: Connection, doctor_id: int, first: date, last: date) -> dict[date, Shows]:
    """What each day showed, held against its calls."""
    rows = await conn.fetch(SQL.story, doctor_id, first, last)
    moments = by_day(
        (
            row["day"],
            Moment(
                at=row["at"],
                appointment_id=row["appointment_id"],
                called=row["called"],
                shown=_told(row["shown"]),
                scheduled_at=row["scheduled_at"],
            ),
        )
        for row in rows
    )
    return {day: weigh(story) for day, story in moments.items()}


def _told(raw: object) -> Sequence[Shown] | None:
    return None if raw is None else msgspec.convert(raw, list[Shown])
