"""Expected times against brute force, and what must hold for any line."""

import math
import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from mediqon.queues import chances
from mediqon.queues.estimate import Pass, predict
from mediqon.queues.habits import SIGMA2_PRIOR, habits
from mediqon.queues.history import History, Kind
from mediqon.queues.pace import Pace, todays_pace
from mediqon.queues.prospects import Pending, Prediction, Room

DRAWS = 40_000
SLIGHT = 1e-6
UNSEEN_MINUTES = 2.0
"""The pass adds people who come late in small steps; screens show steps of five minutes."""
HABITS = habits(History(), 10)
HERE = Pending()


def line(count: int, *, slot_minutes: int = 10, late: float = 0.0, lasted: float | None = None) -> list[Prediction]:
    return predict([HERE] * count, Room(lasted=lasted, late=late), habits(History(), slot_minutes))


def test_the_later_of_two_normal_times_is_what_drawing_them_gives() -> None:
    chance = random.Random(1)
    for mean_a, sd_a, mean_b, sd_b in ((10, 3, 12, 5), (0, 1, 0, 1), (30, 8, 5, 2)):
        drawn = [max(chance.gauss(mean_a, sd_a), chance.gauss(mean_b, sd_b)) for _ in range(DRAWS)]
        mean, variance = chances.later_of(mean_a, sd_a**2, mean_b, sd_b**2)
        assert abs(mean - statistics.fmean(drawn)) < 0.15
        assert abs(variance - statistics.variance(drawn)) < 0.05 * variance


def test_the_later_of_two_equal_standard_times_is_known_by_hand() -> None:
    mean, variance = chances.later_of(0, 1, 0, 1)
    assert math.isclose(mean, 1 / math.sqrt(math.pi))
    assert math.isclose(variance, 1 - 1 / math.pi)


def test_what_is_left_of_a_visit_is_what_drawing_whole_visits_gives() -> None:
    chance = random.Random(2)
    service = [chance.lognormvariate(2.0, SIGMA2_PRIOR**0.5) for _ in range(DRAWS * 4)]
    for elapsed in (1.0, 8.0, 15.0):
        left = [length - elapsed for length in service if length > elapsed]
        mean, variance = chances.remaining(2.0, SIGMA2_PRIOR, elapsed)
        assert abs(mean - statistics.fmean(left)) < 0.25
        assert abs(variance - statistics.variance(left)) < 0.12 * variance


def test_what_is_left_of_a_visit_far_too_long_goes_on_where_the_formula_ends() -> None:
    left = [chances.remaining(0.0, 0.24, math.exp(sigmas * 0.24**0.5))[0] for sigmas in (5.5, 5.9, 6.1, 6.5)]
    assert left == sorted(left)
    assert left[-1] < 2 * left[0]


def test_whoever_books_months_ahead_is_expected_as_whoever_books_the_day_before() -> None:
    def told(opens: float) -> list[float]:
        booked = [Pending(slot=opens + wait, due=opens + wait) for wait in (0.0, 60.0)]
        return [each.expected - opens for each in predict(booked, Room(opens=opens), HABITS)]

    day_before, months_ahead = told(1440.0), told(90 * 1440.0)
    assert max(abs(a - b) for a, b in zip(day_before, months_ahead, strict=True)) < 1
    assert 0 <= months_ahead[0] < 20
    assert 45 <= months_ahead[1] < 80


@given(
    st.lists(st.integers(0, 50), min_size=12, max_size=60),
    st.lists(st.integers(0, 50), max_size=5),
    st.lists(st.integers(8, 60), min_size=1, max_size=5),
    st.integers(2, 60),
    st.sampled_from((1.0, 5.0, 15.0)),
)
def test_a_pass_that_goes_on_from_another_says_what_one_from_the_beginning_says(
    first: list[int], more: list[int], asked: list[int], here: int, apart: float
) -> None:
    def line(slots: list[int]) -> list[Pending]:
        times = [(slot, 720.0 + apart * slot) for slot in sorted(slots)]
        return [Pending(slot=None if slot % here == 0 else time, due=time) for slot, time in times]

    room, pace = Room(opens=720.0, breaks=[(840.0, 870.0)]), Pace(0.0, HABITS.tau2)
    before = Pass(line(first), room, HABITS, pace, early=600.0)
    _ = before[len(first) - 1]
    after = Pass(line(first + more), room, HABITS, pace, early=30.0, like=before)
    fresh = Pass(line(first + more), room, HABITS, pace, early=30.0)
    for index in (len(first + more) - 1, *(each for each in asked if each < len(first + more))):
        assert after[index] == fresh[index]


def test_how_long_before_the_day_somebody_looks_makes_no_difference() -> None:
    def told(opens: float, early: float) -> Prediction:
        line = [Pending(slot=opens + 10 * place, due=opens + 10 * place) for place in range(20)]
        return Pass(line, Room(opens=opens), HABITS, Pace(0.0, HABITS.tau2), early=early)[19]

    for one, other in zip(told(3000.0, 0.0), told(720.0, 2280.0), strict=True):
        assert math.isclose(one, other, rel_tol=SLIGHT)


def test_the_quantiles_of_a_sum_of_visits_are_what_drawing_sums_gives() -> None:
    chance = random.Random(3)
    for count in (1, 4, 12):
        sums = sorted(sum(chance.lognormvariate(2.3, 0.44) for _ in range(count)) for _ in range(DRAWS))
        told = chances.wait_quantiles(statistics.fmean(sums), statistics.variance(sums), 1, 1)
        for minutes, share in zip(told, (0.1, 0.5, 0.9), strict=True):
            assert abs(minutes - sums[int(share * DRAWS)]) < 0.025 * told[1]


def test_a_wait_without_doubt_has_no_range() -> None:
    assert chances.wait_quantiles(30, 0, 1.1, 1.1) == (30, 30, 30)


def test_the_first_visit_moves_todays_pace_by_its_share() -> None:
    minutes = math.exp(HABITS.log_means[0] + 0.3)
    variance = HABITS.tau2 + 1e-4
    gain = variance / (variance + HABITS.sigma2)
    pace = todays_pace([(Kind.ANY, minutes), (Kind.ANY, None)], HABITS)
    assert math.isclose(pace.shift, 0.3 * gain)
    assert math.isclose(pace.variance, variance * (1 - gain))


def test_one_absurd_visit_hardly_moves_todays_pace() -> None:
    assert 0 < todays_pace([(Kind.ANY, 1e6)], HABITS).shift < 0.06
    assert -0.06 < todays_pace([(Kind.ANY, 1e-6)], HABITS).shift < 0


def test_a_line_of_people_who_are_here_is_what_drawing_whole_mornings_gives() -> None:
    chance = random.Random(4)
    pace = Pace(0.0, HABITS.tau2)
    told = predict([HERE] * 8, Room(lasted=0.0), HABITS, pace)
    drawn: list[float] = []
    for _ in range(8000):
        shift = chance.gauss(0, HABITS.tau2**0.5)
        free = 0.0
        for _ in range(8):
            minutes = chance.lognormvariate(HABITS.log_means[0] + shift, HABITS.sigma2**0.5)
            free += minutes / (1 - HABITS.emergencies * minutes) + HABITS.turn
        drawn.append(free)
    assert abs(told[-1].mean - statistics.fmean(drawn)) < 0.03 * told[-1].mean
    assert abs(told[-1].variance - statistics.variance(drawn)) < 0.15 * told[-1].variance


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 120))
def test_a_prediction_is_ordered_and_never_in_the_past(count: int, slot_minutes: int, late: float) -> None:
    for told in line(count, slot_minutes=slot_minutes, late=late):
        assert 0 <= told.low <= told.expected <= told.high


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60), st.none() | st.floats(0, 100))
def test_a_longer_delay_makes_nobody_earlier(count: int, late: int, more: int, lasted: float | None) -> None:
    for shorter, longer in zip(
        line(count, late=late, lasted=lasted), line(count, late=late + more, lasted=lasted), strict=True
    ):
        assert longer.expected >= shorter.expected - SLIGHT
        assert longer.low >= shorter.low - SLIGHT


def test_a_pause_is_waited_for() -> None:
    assert predict([HERE], Room(away=45.0), HABITS)[0].expected >= 45


def test_a_break_ahead_is_waited_for_by_those_behind_it_only() -> None:
    plain, rested = line(12), predict([HERE] * 12, Room(breaks=((60.0, 75.0),)), HABITS)
    assert abs(rested[1].mean - plain[1].mean) < 0.5
    assert abs(rested[-1].mean - plain[-1].mean - 15) < 0.5


def test_a_doctor_who_is_not_in_is_expected_as_on_other_days() -> None:
    late = habits(History(starts=(20.0,) * 25), 10)
    assert 18 < predict([HERE], Room(opens=0.0), late)[0].mean < 21
    assert predict([HERE], Room(opens=-40.0), late)[0].mean < 9
    assert predict([HERE], Room(opens=120.0), HABITS)[0].mean > 120


def test_who_has_not_come_counts_less_the_later_it_gets() -> None:
    behind = [
        predict([Pending(slot=slot), HERE], Room(lasted=1.0), HABITS)[1].mean for slot in (-5.0, -15.0, -25.0, -60.0)
    ]
    assert behind == sorted(behind, reverse=True)


def test_who_sees_several_at_once_is_free_sooner() -> None:
    alone, shared = (predict([HERE] * 6, Room(side_by_side=rooms, lasted=1.0), HABITS)[-1].mean for rooms in (1, 2))
    assert 0.4 * alone < shared < 0.7 * alone


def test_a_forgotten_visit_counts_as_an_ordinary_one() -> None:
    assert predict([HERE], Room(lasted=500.0), HABITS)[0].mean < 2 * HABITS.mean(Kind.ANY)


def test_the_reason_adds_up_to_the_expected_mean() -> None:
    for told in predict([HERE] * 9, Room(lasted=4.0, breaks=((30.0, 45.0),)), HABITS):
        assert abs(told.ahead * told.each + told.left + told.rests - told.mean) <= 1.0


lines = st.lists(st.none() | st.integers(-60, 240), min_size=1, max_size=25).map(
    lambda slots: [Pending(slot=None if slot is None else float(slot)) for slot in slots]
)


@given(lines, st.integers(1, 60), st.none() | st.floats(0, 600), st.integers(0, 120), st.floats(0, 100))
def test_any_line_has_ordered_predictions_that_are_not_over(
    pending: list[Pending], slot_minutes: int, lasted: float | None, late: int, rest: float
) -> None:
    room = Room(lasted=lasted, late=float(late), breaks=((rest, rest + 15),))
    for told in predict(pending, room, habits(History(), slot_minutes)):
        assert 0 <= told.low <= told.expected <= told.high
        assert all(math.isfinite(part) for part in told)


in_order = lines.map(lambda pending: sorted(pending, key=lambda each: each.slot or 0.0))


@given(in_order, st.integers(0, 60), st.integers(1, 60))
def test_a_longer_delay_brings_nobody_forward_in_any_line(pending: list[Pending], late: int, more: int) -> None:
    shorter, longer = (predict(pending, Room(late=float(minutes)), HABITS) for minutes in (late, late + more))
    for before, after in zip(shorter, longer, strict=True):
        assert after.expected >= before.expected - UNSEEN_MINUTES


@given(st.integers(2, 60), st.integers(1, 60), st.none() | st.floats(0, 600))
def test_down_the_line_of_those_who_are_here_every_edge_of_the_range_moves_later(
    count: int, slot_minutes: int, lasted: float | None
) -> None:
    told = line(count, slot_minutes=slot_minutes, lasted=lasted)
    for edge in ("low", "expected", "high"):
        times = [getattr(each, edge) for each in told]
        assert times == sorted(times)
