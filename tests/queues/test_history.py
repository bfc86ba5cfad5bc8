"""What closed days teach: each habit against numbers by hand, and rubbish that must not poison it."""

import math
import random
from datetime import date, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mediqon.queues.habits import ARRIVAL_PRIOR, SIGMA2_PRIOR, WIDEN_FIRST, habits
from mediqon.queues.history import WIDEN, ClosedDay, History, Kind, Seen
from mediqon.queues.lessons import DECAY, learn, sensible

MONDAY = date(2026, 11, 23)


def day(*minutes: float | None, **told: object) -> ClosedDay:
    return ClosedDay(seen=[Seen(each) for each in minutes], **told)  # pyright: ignore[reportArgumentType]


def learnt(days: list[ClosedDay], slot_minutes: float = 10, history: History | None = None) -> History:
    known = history or History()
    for number, each in enumerate(days):
        known = learn(known, MONDAY + timedelta(number), [each], slot_minutes)
    return known


def test_a_new_doctor_works_from_the_slot() -> None:
    known = habits(History(), 10)
    assert math.isclose(known.log_means[Kind.RETURN], math.log(10) - 0.20)
    assert math.isclose(known.log_means[Kind.NEW], math.log(10) + 0.04)
    assert (known.sigma2, known.tau2, known.scale) == (SIGMA2_PRIOR, 0.01, 1.0)
    assert math.isclose(known.stays_away, 2 / 15)
    assert (known.widen_low, known.widen_high) == (WIDEN_FIRST, WIDEN_FIRST)
    assert set(known.factors) == {1.0}


def test_one_day_moves_the_mean_length_by_its_weight() -> None:
    known = habits(learnt([day(20.0, 20.0)]), 10)
    prior = math.log(10) - 0.20 + 0.24 * 0.27
    assert math.isclose(known.log_means[Kind.ANY], (8 * prior + 2 * math.log(20)) / 10, abs_tol=1e-6)
    assert (known.widen_low, known.widen_high) == (WIDEN, WIDEN)


def test_variance_is_pooled_inside_sessions_and_never_truncated_between_them() -> None:
    history = learnt([day(10.0, 20.0)])
    residuals = [math.log(x) - habits(History(), 10).log_means[0] for x in (10.0, 20.0)]
    mean = sum(residuals) / 2
    assert math.isclose(history.within[0], sum((each - mean) ** 2 for each in residuals), abs_tol=1e-6)
    assert history.within[1] == 1
    assert math.isclose(history.between[0], mean * mean - SIGMA2_PRIOR / 2, abs_tol=1e-6)
    assert learnt([day(8.7, 8.7)]).between[0] < 0


def test_older_days_fade() -> None:
    history = learnt([day(20.0), day(10.0)])
    count, total = history.lengths[Kind.ANY]
    assert math.isclose(count, DECAY + 1, abs_tol=1e-6)
    assert math.isclose(total, DECAY * math.log(20) + math.log(10), abs_tol=1e-5)


def test_no_shows_rates_turns_and_starts_are_counted() -> None:
    session = ClosedDay(
        seen=[Seen(10.0), Seen(10.0, turn=2.0), Seen(10.0, turn=45.0)],
        came=17, stayed_away=3, walk_ins=4, emergencies=1, open_minutes=480.0, start=12.0,
    )  # fmt: skip
    history = learnt([session])
    known = habits(history, 10)
    assert math.isclose(known.stays_away, 5 / 35)
    assert math.isclose(known.walk_ins, 4.5 / 960)
    assert math.isclose(known.emergencies, 1.1 / 960)
    assert history.turns == (1.0, 2.0, 4.0)
    assert history.starts == (12.0,)


def test_a_doctor_who_speeds_up_gets_factors_that_say_so() -> None:
    chance = random.Random(5)
    mornings = [
        day(*((14.3 - 0.14 * place) * chance.lognormvariate(-0.1, 0.44) for place in range(16))) for _ in range(120)
    ]
    factors = habits(learnt(mornings, 15), 15).factors
    assert 1.02 < factors[0] < 1.12
    assert 0.90 < factors[3] < 0.98


def test_arrivals_of_a_new_doctor_have_the_prior_quantiles() -> None:
    known = habits(History(), 10)
    for after_slot, share in ARRIVAL_PRIOR[1:-1]:
        assert abs(known.arrival(after_slot).still - (1 - share)) < 0.04


def test_who_has_not_come_yet_will_come_later_the_later_it_is() -> None:
    known = habits(History(), 10)
    times = [known.arrival(after).mean for after in range(-80, 40, 5)]
    assert times == sorted(times)
    assert all(known.arrival(after).mean >= after - 2.5 for after in range(-80, 34))


def test_rubbish_among_lengths_is_left_out() -> None:
    assert sensible([10.0, -5.0, 0.1, 700.0, None, 12.0], 10) == [10.0, None, None, None, None, 12.0]


def test_slots_set_far_too_short_do_not_make_every_visit_rubbish() -> None:
    assert sensible([40.0, 45.0, 50.0], 5) == [40.0, 45.0, 50.0]


rubbish = st.lists(st.none() | st.floats(-1e9, 0.4) | st.floats(1e4, 1e9) | st.just(float(600)), min_size=1, max_size=6)


@given(rubbish, st.integers(0, 6))
@settings(max_examples=60)
def test_rubbish_timestamps_never_poison_a_history(bad: list[float | None], at: int) -> None:
    good = [8.0, 12.0, 9.0, 15.0, 11.0, 10.0, 13.0]
    clean = habits(learnt([day(*good)]), 10)
    mixed = [*good[:at], *bad, *good[at:]]
    dirty = habits(learnt([day(*mixed, arrivals=[1e7], start=9999.0)]), 10)
    for kind in Kind:
        assert abs(dirty.mean(kind) - clean.mean(kind)) < 0.05 * clean.mean(kind)
    assert dirty.starts == ()


def test_the_range_widens_once_a_session_and_never_past_its_bounds() -> None:
    wide = learnt([day(10.0, missed=(10, 0, 10))])
    assert math.isclose(wide.widen[0], WIDEN * math.exp(0.15 * 0.9), abs_tol=1e-6)
    assert math.isclose(wide.widen[1], WIDEN * math.exp(-0.15 * 0.1), abs_tol=1e-6)
    assert learnt([day(10.0, missed=(10, 0, 10))] * 99).widen[0] == 1.8
    assert learnt([day(10.0, missed=(3, 0, 3))]).widen == (WIDEN, WIDEN)


def test_a_stored_history_is_small_and_comes_back_as_it_was() -> None:
    chance = random.Random(6)
    busy = [
        ClosedDay(
            seen=[Seen(chance.lognormvariate(2.3, 0.4), chance.random()) for _ in range(40)],
            came=40, stayed_away=5, arrivals=[chance.gauss(-10, 15) for _ in range(40)], walk_ins=5,
            open_minutes=480, start=chance.gauss(5, 5), missed=(4, 4, 40),
        )
        for _ in range(60)
    ]  # fmt: skip
    history = learnt(busy)
    stored = msgspec.json.encode(history)
    assert len(stored) < 2500
    assert msgspec.json.decode(stored, type=History) == history
