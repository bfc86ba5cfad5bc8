"""Hours of one date instead of the week's, over HTTP, and what becomes of the visits they leave without a doctor."""

from datetime import date

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from mediqon.appointments import settling
from mediqon.appointments.settling import Settled, Settlement
from mediqon.auth.access import SECURITY, only
from mediqon.auth.models import Role
from mediqon.database import Connection, reading, statements, transaction
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.hospitals import doctors
from mediqon.hospitals.calendar import find_practice
from mediqon.hospitals.models import DateHours, DateWindow, Window
from mediqon.hospitals.slots import local_day, minute_at, minute_of
from mediqon.live.channels import Appointment
from mediqon.queues import days, writing
from mediqon.queues.models import DayKey, Facts, Status, Visit
from mediqon.queues.views import appointment, outlook_on

SQL = statements("hospitals")
hospital_only = only(Role.HOSPITAL)


class DateSchedule(msgspec.Struct, frozen=True):
    """What holds on a date."""

    date: date
    windows: list[DateWindow]


class DateChange(DateSchedule, frozen=True):
    """The same, and the visits booked at a time that these hours no longer hold."""

    affected: list[Appointment]


class SpecialDates(msgspec.Struct, frozen=True):
    """The dates from today on that have hours of their own."""

    dates: list[DateSchedule]


@put("/doctors/{doctor_id:int}/schedule/{day:date}", guards=[hospital_only], security=SECURITY)
async def set_date(
    doctor_id: PathId, day: FromPath[date], data: JSONBody[DateHours], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> DateChange:
    """Hours of one date instead of the week's; none is a day off. `affected`: settle those with one more call."""
    windows = [Window(day.weekday(), each.start, each.end, each.capacity) for each in data.windows]
    ordered = doctors.checked(windows)
    async with transaction(pool) as conn:
        await doctors.lock_own(conn, doctor_id, actor.hospital_id)
        facts = await days.lock(conn, DayKey(doctor_id, day))
        await writing.touch(conn, facts)
        await doctors.set_date(conn, doctor_id, day, ordered)
        hours = await doctors.date_hours(conn, doctor_id, day)
    await feed.publish_day(facts.key)
    outlook = outlook_on(facts, now)
    return DateChange(day, hours, [appointment(outlook, visit) for visit in _homeless(facts, hours)])


@get("/doctors/{doctor_id:int}/schedule/{day:date}")
async def get_date(doctor_id: PathId, day: FromPath[date], pool: Pool) -> DateSchedule:
    """The hours that hold on a date, its own or the week's; leave is not taken off."""
    async with reading(pool) as conn:
        await find_practice(conn, doctor_id)
        return DateSchedule(day, await doctors.date_hours(conn, doctor_id, day))


@delete("/doctors/{doctor_id:int}/schedule/{day:date}", guards=[hospital_only], security=SECURITY)
async def forget_date(doctor_id: PathId, day: FromPath[date], actor: Actor, pool: Pool, feed: Feed) -> None:
    """The week's hours hold on this date again."""
    async with transaction(pool) as conn:
        await doctors.lock_own(conn, doctor_id, actor.hospital_id)
        facts = await days.lock(conn, DayKey(doctor_id, day))
        await writing.touch(conn, facts)
        await conn.execute(SQL.forget_special_day, doctor_id, day)
    await feed.publish_day(facts.key)


@get("/doctors/{doctor_id:int}/schedule-dates")
async def list_dates(doctor_id: PathId, pool: Pool, now: Now) -> SpecialDates:
    """The dates from today on that have hours of their own."""
    async with reading(pool) as conn:
        today = local_day(now, (await find_practice(conn, doctor_id)).timezone)
        rows = await conn.fetch(SQL.special_days, doctor_id, today)
        return SpecialDates(
            [DateSchedule(row["day"], await doctors.date_hours(conn, doctor_id, row["day"])) for row in rows]
        )


@post("/doctors/{doctor_id:int}/schedule/{day:date}/settle", status_code=200, guards=[hospital_only], security=SECURITY)
async def settle_date(
    doctor_id: PathId, day: FromPath[date], data: JSONBody[Settlement], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Settled:
    """Cancels, or moves to the next free seats, every visit that the date's hours no longer hold."""
    async with transaction(pool) as conn:
        await doctors.lock_own(conn, doctor_id, actor.hospital_id)
        practice = await find_practice(conn, doctor_id)
        facts = await days.lock(conn, DayKey(doctor_id, day))
        visits = await _homeless_now(conn, facts)
        answer, changed = await settling.settle(conn, practice, facts, visits, data, actor=actor, now=now)
    await feed.publish(*changed)
    return answer


async def _homeless_now(conn: Connection, facts: Facts) -> list[Visit]:
    return _homeless(facts, await doctors.date_hours(conn, facts.doctor_id, facts.day))


def _homeless(facts: Facts, hours: list[DateWindow]) -> list[Visit]:
    """The booked visits that do not fit into these hours, in slot order."""

    def fits(visit: Visit) -> bool:
        start = minute_at(visit.scheduled_at or visit.due_at, facts.timezone)
        end = start + facts.slot_minutes
        return any(minute_of(each.start) <= start and end <= minute_of(each.end) for each in hours)

    booked = (visit for visit in facts.visits if visit.status is Status.BOOKED and visit.scheduled_at is not None)
    return sorted((visit for visit in booked if not fits(visit)), key=lambda visit: (visit.due_at, visit.id))


ROUTES = [set_date, get_date, forget_date, list_dates, settle_date]
