"""A doctor's day as seats, read from the database."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

import msgspec

from mediqon.database import Connection, statements
from mediqon.errors import NotFound
from mediqon.hospitals.models import Doctor, Policy
from mediqon.hospitals.slots import Hours, Seat, Sold, free_seats, grid, local_day

SQL = statements("hospitals")


class Practice(NamedTuple):
    """A doctor, and where: the hospital's timezone and settings."""

    doctor: Doctor
    timezone: str
    policy: Policy


class Day(NamedTuple):
    """The seats of a day in time order, and those that can still be booked."""

    seats: tuple[Seat, ...]
    free: list[Seat]


async def find_practice(conn: Connection, doctor_id: int) -> Practice:
    """Raises NotFound."""
    row = await conn.fetchrow(SQL.find_doctor, doctor_id)
    if row is None:
        raise NotFound("There is no such doctor.")
    fields = dict(row)
    timezone, settings = fields.pop("timezone"), fields.pop("settings")
    return Practice(Doctor(**fields), timezone, msgspec.convert(settings, Policy))


async def read_day(conn: Connection, practice: Practice, day: date, *, now: datetime) -> Day:
    """The seats of one day; none are free that began before `now`, or on a day past the booking horizon."""
    doctor = practice.doctor
    rows = await conn.fetch(SQL.day_hours, doctor.id, day.weekday(), day)
    hours = tuple(Hours(*row) for row in rows)
    sold = [Sold(*row) for row in await conn.fetch(SQL.sold_seats, doctor.id, day)]
    return plan(day, practice.timezone, doctor.slot_minutes, hours, sold, practice.policy, now=now)


def plan(
    day: date,
    timezone: str,
    slot_minutes: int,
    hours: tuple[Hours, ...],
    sold: Collection[Sold],
    policy: Policy,
    *,
    now: datetime,
) -> Day:
    """The seats of one day; none are free that began before `now`, or on a day past the booking horizon."""
    seats = grid(day, timezone, slot_minutes, hours)
    too_far = day > local_day(now, timezone) + timedelta(days=policy.horizon_days)
    return Day(seats, [] if too_far else [seat for seat in free_seats(seats, sold) if seat.at >= now])


def token_label(prefix: str, seat: int) -> str:
    """`A-007`: the seat's number, so that the wall counts upward in time order."""
    return f"{prefix}-{seat:03}"


def walk_in_label(prefix: str, number: int) -> str:
    """`A-W01`."""
    return f"{prefix}-W{number:02}"
