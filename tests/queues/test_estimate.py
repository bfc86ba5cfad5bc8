"""Expected times against brute force."""

import random
import statistics
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mediqon.queues import estimate
from mediqon.queues.estimate import Pending, Window

NOW = datetime(2026, 11, 23, 9, 0, 30, tzinfo=UTC)
DRAWS = 40_000


def minutes(window: Window) -> tuple[float, float, float]:
    early, middle, late = ((at - NOW).total_seconds() / 60 for at in (window.earliest, window.expected, window.latest))
    return early, middle, late


def line(count: int, *, slot_minutes: int = 10, delay: float = 0.0, since: datetime | None = None) -> list[Window]:
    return estimate.forecast(
        [Pending(None)] * count, now=NOW, slot_minutes=slot_minutes, in_room_since=since, delay_minutes=delay
    )


def test_the_later_of_two_normal_times_is_what_drawing_them_gives() -> None:
    chance = random.Random(1)
    for mean_a, sd_a, mean_b, sd_b in ((10, 3, 12, 5), (0, 1, 0, 1), (30, 8, 5, 2)):
        drawn = [max(chance.gauss(mean_a, sd_a), chance.gauss(mean_b, sd_b)) for _ in range(DRAWS)]
        mean, variance = estimate.later_of(mean_a, sd_a**2, mean_b, sd_b**2)
        assert abs(mean - statistics.fmean(drawn)) < 0.15
        assert abs(variance - statistics.variance(drawn)) < 0.05 * variance


def test_what_is_left_of_a_visit_is_what_drawing_whole_visits_gives() -> None:
    chance = random.Random(2)
    service = [chance.lognormvariate(2.0, estimate.SIGMA2**0.5) for _ in range(DRAWS * 4)]
    for elapsed in (1.0, 8.0, 15.0):
        left = [length - elapsed for length in service if length > elapsed]
        mean, variance = estimate.remaining(2.0, elapsed)
        assert abs(mean - statistics.fmean(left)) < 0.25
        assert abs(variance - statistics.variance(left)) < 0.12 * variance


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 120))
def test_a_window_is_ordered_and_never_in_the_past(count: int, slot_minutes: int, delay: float) -> None:
    for window in line(count, slot_minutes=slot_minutes, delay=delay):
        early, middle, late = minutes(window)
        assert 0 <= early <= middle <= late


@given(st.integers(2, 60))
def test_nobody_who_is_here_is_expected_before_those_ahead(count: int) -> None:
    expected = [window.expected for window in line(count)]
    assert expected == sorted(expected)


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60))
def test_a_longer_delay_makes_nobody_earlier(count: int, delay: int, more: int) -> None:
    for shorter, longer in zip(line(count, delay=delay), line(count, delay=delay + more), strict=True):
        assert longer.expected >= shorter.expected


def test_a_break_is_waited_for() -> None:
    back = NOW + timedelta(minutes=45)
    window = estimate.forecast([Pending(None)], now=NOW, slot_minutes=10, in_room_since=None, away_until=back)[0]
    assert window.expected >= back.replace(second=0)


def test_somebody_booked_is_never_expected_before_the_slot() -> None:
    slot = NOW + timedelta(minutes=90)
    window = estimate.forecast([Pending(slot)], now=NOW, slot_minutes=10, in_room_since=None)[0]
    assert window.expected >= slot - timedelta(seconds=1)


lines = st.lists(st.none() | st.integers(-60, 240), min_size=1, max_size=25).map(
    lambda slots: [Pending(None if slot is None else NOW + timedelta(minutes=slot)) for slot in slots]
)


@given(lines, st.integers(1, 60), st.none() | st.floats(0, 600), st.integers(0, 120))
def test_any_line_has_ordered_windows_that_are_not_over(
    pending: list[Pending], slot_minutes: int, lasted: float | None, delay: int
) -> None:
    since = None if lasted is None else NOW - timedelta(minutes=lasted)
    windows = estimate.forecast(
        pending, now=NOW, slot_minutes=slot_minutes, in_room_since=since, delay_minutes=float(delay)
    )
    for place, window in zip(pending, windows, strict=True):
        assert NOW <= window.earliest <= window.expected <= window.latest
        if place.slot_at is not None:
            assert window.expected >= place.slot_at - timedelta(seconds=1)


@given(lines, st.integers(0, 60), st.integers(1, 60))
def test_a_longer_delay_brings_nobody_forward_in_any_line(pending: list[Pending], delay: int, more: int) -> None:
    def expected(minutes: int) -> list[Window]:
        return estimate.forecast(pending, now=NOW, slot_minutes=10, in_room_since=None, delay_minutes=float(minutes))

    for shorter, longer in zip(expected(delay), expected(delay + more), strict=True):
        assert longer.expected >= shorter.expected
        assert longer.earliest >= shorter.earliest


@given(st.integers(2, 60), st.integers(1, 60), st.none() | st.floats(0, 600))
def test_down_the_line_of_those_who_are_here_every_edge_of_the_window_moves_later(
    count: int, slot_minutes: int, lasted: float | None
) -> None:
    since = None if lasted is None else NOW - timedelta(minutes=lasted)
    windows = line(count, slot_minutes=slot_minutes, since=since)
    for edge in ("earliest", "expected", "latest"):
        times = [getattr(window, edge) for window in windows]
        assert times == sorted(times)
