"""Hours minus leave, made into numbered seats. Touches nothing.

A day's seats are numbered in time order from 1; the number is the token's. Leave takes seats out of sale but keeps
their numbers, so that a change never renumbers what is sold.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
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


class Grid(NamedTuple):
    """The seats of a day in time order, and where each number and each local minute is found."""

    seats: tuple[Seat, ...]
    by_number: Mapping[int, Seat]
    by_minute: Mapping[int, Sequence[Seat]]


@lru_cache(maxsize=4096)
def grid(day: date, timezone: str, slot_minutes: int, hours: tuple[Hours, ...]) -> Grid:
    """Every seat of the day, leave left out. Local times that a clock change skips get no seat."""
    leave = [each for each in hours if each.capacity == 0]
    starts = [start for each in hours if each.capacity for start in _starts(each, slot_minutes)]
    seats: list[Seat] = []
    for number, minute in enumerate(sorted(starts), start=1):
        at = instant(day, minute, timezone)
        if at is not None and not any(
            each.start_minute < minute + slot_minutes and minute < each.end_minute for each in leave
        ):
            seats.append(Seat(number, minute, at))
    by_minute: dict[int, list[Seat]] = {}
    for seat in seats:
        by_minute.setdefault(seat.minute, []).append(seat)
    return Grid(tuple(seats), {seat.number: seat for seat in seats}, by_minute)


def _starts(window: Hours, slot_minutes: int) -> Iterator[int]:
    for minute in range(window.start_minute, window.end_minute - slot_minutes + 1, slot_minutes):
        for _ in range(window.capacity):
            yield minute


class Sale:
    """What can still be sold of a day: neither number nor, after a change of hours, time is given twice."""

    def __init__(self, grid: Grid, sold: Iterable[Sold], *, since: datetime | None = None, closed: bool = False):
        """Nothing that began before `since` is sold, and nothing at all of a day that is closed or too far away."""
        self.grid = grid
        self._since, self._closed = since, closed
        self._numbers: set[int] = set()
        self._moved_in: Counter[datetime] = Counter()
        for each in sold:
            self._numbers.add(each.number)
            seat = grid.by_number.get(each.number)
            if seat is None or seat.at != each.at:
                self._moved_in[each.at] += 1

    def go_on(self, *, since: datetime | None, closed: bool) -> None:
        """Sells on at another time."""
        self._since, self._closed = since, closed

    def at(self, minute: int) -> list[Seat]:
        """The free seats that start at a local minute."""
        if self._closed:
            return []
        free = [seat for seat in self.grid.by_minute.get(minute, ()) if seat.number not in self._numbers]
        if not free or (self._since is not None and free[0].at < self._since):
            return []
        return free[self._moved_in[free[0].at] :]

    def free(self) -> Iterator[Seat]:
        """Every free seat, in time order."""
        for minute in self.grid.by_minute:
            yield from self.at(minute)

    def take(self, seat: Seat) -> None:
        self._numbers.add(seat.number)


@lru_cache(maxsize=4096)
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
