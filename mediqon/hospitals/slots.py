"""Hours minus leave, made into numbered seats. Touches nothing.

A day's seats are numbered in time order from 1; the number is the token's. Leave takes seats out of sale but keeps
their numbers, so that a change never renumbers what is sold.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

MINUTES_OF_DAY = 1440


class Hours(msgspec.Struct, frozen=True):
    """Minutes after local midnight. `capacity` seats start at each slot; 0 is leave."""

    start_minute: int
    end_minute: int
    capacity: int


class Seat(msgspec.Struct, frozen=True):
    """One sellable place: its number, its local minute, its start in UTC."""

    number: int
    minute: int
    at: datetime


class Sold(msgspec.Struct, frozen=True):
    """A seat that is taken: its number and its start (UTC)."""

    number: int
    at: datetime


@lru_cache(maxsize=4096)
def grid(day: date, timezone: str, slot_minutes: int, hours: tuple[Hours, ...]) -> tuple[Seat, ...]:
    """Every seat of the day in time order, leave left out. Local times that a clock change skips get no seat."""
    leave = [each for each in hours if each.capacity == 0]
    starts = [start for each in hours if each.capacity for start in _starts(each, slot_minutes)]
    seats: list[Seat] = []
    for number, minute in enumerate(sorted(starts), start=1):
        at = instant(day, minute, timezone)
        if at is not None and not any(
            each.start_minute < minute + slot_minutes and minute < each.end_minute for each in leave
        ):
            seats.append(Seat(number, minute, at))
    return tuple(seats)


def _starts(window: Hours, slot_minutes: int) -> Iterator[int]:
    for minute in range(window.start_minute, window.end_minute - slot_minutes + 1, slot_minutes):
        for _ in range(window.capacity):
            yield minute


def free_seats(seats: Sequence[Seat], sold: Collection[Sold]) -> list[Seat]:
    """The seats of the grid that can still be sold: neither number nor, after a change of hours, time is given."""
    numbers = {each.number for each in sold}
    present = {(seat.number, seat.at) for seat in seats}
    moved_in = [each.at for each in sold if (each.number, each.at) not in present]
    free: list[Seat] = []
    for seat in seats:
        if seat.number in numbers:
            continue
        if seat.at in moved_in:
            moved_in.remove(seat.at)
            continue
        free.append(seat)
    return free


def instant(day: date, minute: int, timezone: str) -> datetime | None:
    """A local time of day as UTC; the first of the two where it is doubled.

    None where the clock change skips it, and at the ends of the calendar."""
    zone = ZoneInfo(timezone)
    try:
        local = datetime.combine(day, datetime.min.time(), tzinfo=zone) + timedelta(minutes=minute)
        at = local.astimezone(UTC)
    except OverflowError:
        return None
    return at if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None


def minute_at(at: datetime, timezone: str) -> int:
    """Minutes after midnight that a clock at the hospital shows at an instant."""
    local = at.astimezone(ZoneInfo(timezone))
    return local.hour * 60 + local.minute


def is_timezone(name: str) -> bool:
    """Whether there is an IANA timezone of this name."""
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        return False
    return True


def local_day(now: datetime, timezone: str) -> date:
    """The date at the hospital at an instant."""
    return now.astimezone(ZoneInfo(timezone)).date()


def clock(minute: int) -> str:
    """A minute after midnight as `HH:MM` (1440 is `24:00`)."""
    return f"{minute // 60:02}:{minute % 60:02}"


def minute_of(text: str) -> int:
    """`HH:MM` as minutes after midnight."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
