"""A hospital's doctors and their hours, written. Each verb's caller owns the transaction."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

import asyncpg

from mediqon.auth.models import Role
from mediqon.auth.routes import add_user
from mediqon.database import Connection, statements
from mediqon.errors import EmailTaken, Malformed, NotFound
from mediqon.hospitals.models import DateWindow, DoctorChange, NewDoctor, Schedule, Window
from mediqon.hospitals.slots import clock, minute_of

SQL = statements("hospitals")


async def add(conn: Connection, hospital_id: int, asked: NewDoctor, *, password_hash: str) -> int:
    """The id of a new doctor with an account. Raises EmailTaken."""
    user_id = await add_user(conn, Role.DOCTOR, asked.name, asked.email, password_hash, hospital_id=hospital_id)
    return await conn.fetchval(
        SQL.insert_doctor, user_id, hospital_id, asked.specialty, asked.room, asked.token_prefix, asked.slot_minutes
    )


async def lock_own(conn: Connection, doctor_id: int, hospital_id: int | None) -> None:
    """Keeps others from changing this doctor meanwhile. Raises NotFound also for another hospital's."""
    if await conn.fetchval(SQL.own_doctor, doctor_id, hospital_id) is None:
        raise NotFound("There is no such doctor at your hospital.")


async def change(conn: Connection, doctor_id: int, hospital_id: int | None, asked: DoctorChange) -> None:
    """Changes what is given. The caller has locked the doctor. Raises EmailTaken."""
    user_id = await conn.fetchval(
        SQL.update_doctor, doctor_id, hospital_id, asked.specialty, asked.room, asked.token_prefix, asked.slot_minutes
    )
    try:
        await conn.execute(
            SQL.update_doctor_account, user_id, asked.name and asked.name.strip(), asked.email and asked.email.lower()
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "users_email_key":
            raise
        raise EmailTaken from None


async def set_hours(conn: Connection, doctor_id: int, windows: Sequence[Window]) -> None:
    """Replaces a doctor's week. Seats already sold keep their number and time."""
    await conn.execute(SQL.clear_schedule, doctor_id)
    rows = [(doctor_id, w.weekday, minute_of(w.start), minute_of(w.end), w.capacity) for w in windows]
    await conn.executemany(SQL.insert_window, rows)


async def hours(conn: Connection, doctor_id: int) -> Schedule:
    """A doctor's week."""
    rows = await conn.fetch(SQL.schedule_windows, doctor_id)
    return Schedule([Window(weekday, clock(start), clock(end), capacity) for weekday, start, end, capacity in rows])


async def set_date(conn: Connection, doctor_id: int, day: date, windows: Sequence[Window]) -> None:
    """Gives one date hours of its own instead of the week's."""
    await conn.execute(SQL.mark_special_day, doctor_id, day)
    await conn.execute(SQL.clear_special_windows, doctor_id, day)
    rows = [(doctor_id, day, minute_of(w.start), minute_of(w.end), w.capacity) for w in windows]
    await conn.executemany(SQL.insert_special_window, rows)


async def date_hours(conn: Connection, doctor_id: int, day: date) -> list[DateWindow]:
    """The hours that hold on a date, its own or the week's."""
    rows = await conn.fetch(SQL.date_windows, doctor_id, day.weekday(), day)
    return [DateWindow(clock(start), clock(end), capacity) for start, end, capacity in rows]


async def touch(conn: Connection, doctor_ids: Sequence[int], today: date) -> None:
    """Counts a change of what the screens of these doctors show, from their hospital's `today` on."""
    await conn.execute(SQL.touch_days, doctor_ids, today)


async def touch_hours(conn: Connection, doctor_id: int, today: date) -> None:
    """Counts a change of hours on every day from `today` on that has a row; nobody keeps anything of the others."""
    await conn.execute(SQL.touch_later, [doctor_id], today - timedelta(days=1))


async def touch_opened(conn: Connection, doctor_ids: Sequence[int], now: datetime) -> None:
    """Counts a change that is committed once more, on the days after today.

    A day that got its row while the change was being written was read as it had been, and not counted.
    """
    await conn.execute(SQL.touch_opened, doctor_ids, now)


def checked(windows: Iterable[Window]) -> list[Window]:
    """The windows in time order. Raises Malformed for one that ends before it starts, or overlaps another."""
    ordered = sorted(windows, key=lambda each: (each.weekday, each.start))
    for window in ordered:
        if minute_of(window.end) <= minute_of(window.start):
            raise Malformed("windows", f"{window.start}–{window.end} ends before it starts")
    for window, following in pairwise(ordered):
        if window.runs_into(following):
            raise Malformed("windows", f"{window.start}–{window.end} and {following.start}–{following.end} overlap")
    return ordered
