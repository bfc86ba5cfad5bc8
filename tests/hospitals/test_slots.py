"""Hours made into seats, without a server."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediqon.hospitals.slots import Hours, Sale, Sold, clock, grid, instant, minute_of

DAY = date(2026, 11, 23)
UTC_ZONE = "UTC"
WHOLE_DAY = (Hours(0, 1440, 1),)


def test_seats_count_upward_in_time_over_every_window_and_the_gaps_are_breaks() -> None:
    seats = grid(DAY, UTC_ZONE, 30, (Hours(540, 600, 1), Hours(840, 900, 2))).seats
    assert [(seat.number, clock(seat.minute)) for seat in seats] == [
        (1, "09:00"), (2, "09:30"), (3, "14:00"), (4, "14:00"), (5, "14:30"), (6, "14:30"),
    ]  # fmt: skip


def test_leave_takes_seats_out_and_renumbers_nobody() -> None:
    seats = grid(DAY, UTC_ZONE, 30, (Hours(540, 720, 1), Hours(590, 630, 0))).seats
    assert [(seat.number, clock(seat.minute)) for seat in seats] == [
        (1, "09:00"),
        (4, "10:30"),
        (5, "11:00"),
        (6, "11:30"),
    ]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 24),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24),
        ("Asia/Kolkata", date(2026, 6, 1), 24),
    ],
)
def test_a_clock_change_neither_loses_nor_doubles_a_seat(zone: str, day: date, hours: float) -> None:
    """A local time that is skipped has no seat; one that comes twice is sold once."""
    seats = grid(day, zone, 30, WHOLE_DAY).seats
    assert len(seats) == hours * 2
    assert len({seat.at for seat in seats}) == len({seat.number for seat in seats}) == len(seats)
    assert [seat.at for seat in seats] == sorted(seat.at for seat in seats)


@given(st.sets(st.integers(1, 12)), st.integers(5, 40))
def test_a_change_of_hours_never_sells_a_number_or_a_time_twice(sold: set[int], slot_minutes: int) -> None:
    before = grid(DAY, UTC_ZONE, 15, (Hours(540, 720, 1),)).seats
    taken = [Sold(seat.number, seat.at) for seat in before if seat.number in sold]
    after = grid(DAY, UTC_ZONE, slot_minutes, (Hours(570, 840, 1),))
    free = list(Sale(after, taken).free())
    assert not {seat.number for seat in free} & sold
    assert not {seat.at for seat in free} & {each.at for each in taken}


def tiling(windows: list[tuple[int, int, int]]) -> tuple[Hours, ...]:
    """Windows one after the other from nine on: so long a break, so many minutes, so many seats a slot."""
    found, minute = list[Hours](), 540
    for gap, length, capacity in windows:
        found.append(Hours(minute + gap, minute + gap + length, capacity))
        minute += gap + length
    return tuple(found)


schedules = st.lists(
    st.tuples(st.integers(0, 3).map(lambda n: n * 10), st.integers(1, 9).map(lambda n: n * 10), st.integers(1, 3)),
    max_size=4,
).map(tiling)


@given(schedules, schedules, st.sampled_from([10, 15, 20]), st.sampled_from([10, 15, 20]), st.data())
def test_after_any_change_of_hours_no_time_holds_more_patients_than_it_has_seats(
    old: tuple[Hours, ...], new: tuple[Hours, ...], old_minutes: int, new_minutes: int, data: st.DataObject
) -> None:
    taken: list[Sold] = []
    for day in (grid(DAY, UTC_ZONE, old_minutes, old), grid(DAY, UTC_ZONE, new_minutes, new)):
        seats_at = Counter(seat.at for seat in day.seats)
        promised_before = Counter(each.at for each in taken)
        while free := list(Sale(day, taken).free()):
            seat = data.draw(st.sampled_from(free))
            taken.append(Sold(seat.number, seat.at))
            if data.draw(st.booleans()):
                break
        assert len({each.number for each in taken}) == len(taken)
        for at, promised in Counter(each.at for each in taken).items():
            assert promised <= max(seats_at[at], promised_before[at])


def test_the_ends_of_the_calendar_have_no_instant_and_no_error() -> None:
    assert instant(date(9999, 12, 31), 1439, "America/New_York") is None
    assert instant(date(1, 1, 1), 0, "Asia/Kolkata") is None


@given(st.integers(0, 1440))
def test_clock_and_minute_are_each_others_inverse(minute: int) -> None:
    assert minute_of(clock(minute)) == minute


def test_an_instant_is_in_utc() -> None:
    assert instant(DAY, 540, "Asia/Kolkata") == datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
    assert timedelta(0) == (instant(DAY, 540, "Asia/Kolkata") or datetime.now(UTC)).utcoffset()
