"""A doctor's day as seats, read from the database."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

import msgspec

from mediqon.database import Connection, statements
from mediqon.errors import NotFound
from mediqon.hospitals.models import Doctor, Policy
from mediqon.hospitals.slots import Hours, Sale, Sold, grid, local_day

SQL = statements("hospitals")


class Practice(NamedTuple):
    """A doctor, and where: the hospital's timezone and settings."""

    doctor: Doctor
    timezone: str
    policy: Policy


async def find_practice(conn: Connection, doctor_id: int) -> Practice:
    """Raises NotFound."""
    row = await conn.fetchrow(SQL.find_doctor, doctor_id)
    if row is None:
        raise NotFound("There is no such doctor.")
    fields = dict(row)
    timezone, settings = fields.pop("timezone"), fields.pop("settings")
    return Practice(Doctor(**fields), timezone, msgspec.convert(settings, Policy))


async def read_day(conn: Connection, practice: Practice, day: date, *, now: datetime) -> Sale:
    """What can be sold of one day."""
    doctor = practice.doctor
    rows = await conn.fetch(SQL.day_hours, doctor.id, day.weekday(), day)
    seats = grid(day, practice.timezone, doctor.slot_minutes, tuple(Hours(*row) for row in rows))
    sold = [Sold(*row) for row in await conn.fetch(SQL.sold_seats, doctor.id, day)]
    closed = past_horizon(day, practice.timezone, practice.policy, now) or await conn.fetchval(
        SQL.day_closed, doctor.id, day
    )
    return Sale(seats, sold, since=now, closed=closed)


def past_horizon(day: date, timezone: str, policy: Policy, now: datetime) -> bool:
    """Whether a day is too far away to be booked."""
    return day > local_day(now, timezone) + timedelta(days=policy.horizon_days)


def token_label(prefix: str, seat: int) -> str:
    """`A-007`: the seat's number, so that the wall counts upward in time order."""
    return f"{prefix}-{seat:03}"


def walk_in_label(prefix: str, number: int) -> str:
    """`A-W01`."""
    return f"{prefix}-W{number:02}"
