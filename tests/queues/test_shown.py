"""What patients are shown: rounded, held, and moved when it must."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mediqon.queues.prospects import Prediction
from mediqon.queues.reasons import in_numbers
from mediqon.queues.shown import Reason, Shown, Stir, in_order, instant, newly_told, patience, show

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def told(expected: float, low: float | None = None, high: float | None = None) -> Prediction:
    low, high = expected * 0.7 if low is None else low, expected * 1.4 if high is None else high
    return Prediction(low, expected, high, expected, 0.0, 3.0, 12.0, 4.0, 0.0, 15.0)


def shown(
    expected: float,
    before: Shown | None = None,
    *,
    after: float = 0.0,
    slot: float | None = None,
    stir: Stir = Stir.FORESEEN,
    low: float | None = None,
) -> Shown:
    """What is shown `after` minutes past nine, when the call is so many minutes away."""
    booked = None if slot is None else NOW + timedelta(minutes=slot)
    return show(1, told(expected, low), before, now=NOW + timedelta(minutes=after), slot=booked, stir=stir)


def clock(minute: int) -> str:
    return f"{instant(minute):%H:%M}"


def test_times_are_steps_of_five_minutes_and_of_ten_beyond_an_hour() -> None:
    near, far = shown(33.0), shown(87.0)
    assert (clock(near.expected), clock(near.earliest), clock(near.latest)) == ("09:35", "09:20", "09:50")
    assert (clock(far.expected), clock(far.earliest), clock(far.latest)) == ("10:30", "10:00", "11:10")


def test_under_five_minutes_the_minute_itself_is_told() -> None:
    assert clock(shown(3.2).expected) == "09:03"


def test_a_shown_time_holds_while_it_is_not_wrong_by_much() -> None:
    first = shown(40.0)
    assert shown(32.0, first, after=4).expected == first.expected
    assert shown(60.0, first, after=4).expected != first.expected


def test_patience_grows_with_the_wait_within_bounds() -> None:
    assert [patience(wait, Stir.FORESEEN) for wait in (1, 30, 200)] == [5.0, 9.0, 15.0]
    assert [patience(wait, Stir.SURPRISE) for wait in (1, 30, 200)] == [5.0, 5.0, 7.5]
    assert patience(200, Stir.DESK) == 0


def test_what_the_desk_says_of_the_whole_day_moves_it_at_once() -> None:
    first = shown(60.0)
    assert shown(66.0, first).expected == first.expected
    assert shown(66.0, first, stir=Stir.DESK).expected > first.expected


def test_a_time_that_has_passed_is_never_shown() -> None:
    first = shown(10.0)
    over = shown(4.0, first, after=11)
    assert (clock(over.expected), over.earliest <= over.expected) == ("09:11", True)
    assert clock(shown(6.0, first, after=14).expected) == "09:20"


def test_nobody_booked_is_told_a_time_before_the_slot() -> None:
    assert clock(shown(20.0, slot=32.0).expected) == "09:32"


def test_be_here_by_moves_earlier_at_once_and_later_only_by_much_and_from_afar() -> None:
    first = shown(60.0, low=40.0)
    assert clock(first.here_by) == "09:40"
    assert clock(shown(50.0, first, low=31.0).here_by) == "09:30"
    assert clock(shown(62.0, first, low=49.0).here_by) == "09:40"
    assert clock(shown(80.0, first, low=60.0).here_by) == "10:00"
    assert clock(shown(58.0, first, after=22, low=40.0).here_by) == "09:40"


def test_the_clock_alone_does_not_put_be_here_by_off_for_it_would_come_back() -> None:
    first = shown(60.0, low=40.0)
    assert clock(shown(80.0, first, low=60.0, stir=Stir.CLOCK).here_by) == "09:40"
    assert clock(shown(60.0, first, low=20.0, stir=Stir.CLOCK).here_by) == "09:20"


def test_nobody_here_is_told_an_earlier_time_than_whoever_goes_first() -> None:
    ahead, behind = shown(40.0), shown(33.0)
    ordered = in_order(behind, ahead)
    assert ordered.expected == ahead.expected
    assert ordered.latest >= ahead.latest


def test_only_what_is_new_on_a_screen_is_kept() -> None:
    first = shown(40.0)
    assert newly_told([first], [first]) is None
    assert newly_told([], [first]) == [first]


def test_two_processes_that_look_at_the_same_instant_show_the_same() -> None:
    first = shown(40.0)
    assert shown(52.0, first, after=7) == shown(52.0, first, after=7)


times = st.floats(0.01, 400)


@given(times, times, st.floats(0, 300), st.floats(0, 120), st.sampled_from(Stir))
def test_whatever_was_shown_before_what_is_shown_is_ordered_and_not_over(
    then: float, now: float, low: float, after: float, stir: Stir
) -> None:
    again = shown(now, shown(then), after=after, stir=stir, low=min(low, now))
    earliest_possible = (NOW + timedelta(minutes=after)).timestamp() / 60
    assert earliest_possible <= again.earliest <= again.expected <= again.latest
    assert again.here_by <= again.earliest or again.here_by <= shown(then).here_by


def test_the_reason_is_told_in_numbers() -> None:
    assert in_numbers(Reason(3, 12, 4, 0, 15), "UTC") == "3 ahead × 12 min + 4 min left + break 15."
    starts = round((NOW + timedelta(minutes=12)).timestamp() / 60)
    assert in_numbers(Reason(2, 10, 0, starts, 0), "Asia/Kolkata") == (
        "2 ahead × 10 min, if the doctor starts at about 14:42."
    )
    assert in_numbers(Reason(0, 10, 3, 0, 0), "UTC") == "You are next."
