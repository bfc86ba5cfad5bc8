"""A doctor's day as seats, read from the database."""

from datetime import date, datetime
from typing import NamedTuple

from mediqon.database import Connection, statements
from mediqon.errors import NotFound
from mediqon.hospitals.models import Doctor
from mediqon.hospitals.slots import Hours, Seat, Sold, free_seats, grid

SQL = statements("hospitals")


class Practice(NamedTuple):
    """A doctor and the hospital's timezone."""

    doctor: Doctor
    timezone: str


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
    timezone = fields.pop("timezone")
    return Practice(Doctor(**fields), timezone)


async def read_day(conn: Connection, practice: Practice, day: date, *, now: datetime) -> Day:
    """The seats of one day; those that began before `now` are not free."""
    doctor = practice.doctor
    hours = await conn.fetch(SQL.day_hours, doctor.id, day.weekday(), day)
    seats = grid(day, practice.timezone, doctor.slot_minutes, tuple(Hours(*row) for row in hours))
    sold = [Sold(*row) for row in await conn.fetch(SQL.sold_seats, doctor.id, day)]
    return Day(seats, [seat for seat in free_seats(seats, sold) if seat.at >= now])


def token_label(prefix: str, seat: int) -> str:
    """`A-007`: the seat's number, so that the wall counts upward in time order."""
    return f"{prefix}-{seat:03}"


def walk_in_label(prefix: str, number: int) -> str:
    """`A-W01`."""
    return f"{prefix}-W{number:02}"
