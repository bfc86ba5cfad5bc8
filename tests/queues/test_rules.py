"""The rules of the line, without a server."""

from datetime import datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from day import NINE, a_visit
from mediqon.hospitals.models import Policy
from mediqon.queues import rules
from mediqon.queues.models import PlaceRule, Priority, Status, Visit
from table import TABLE

POLICY = Policy()
BOUND = timedelta(minutes=POLICY.walk_in_wait_minutes + POLICY.priority_lead_minutes)


def arrived(number: int, slot: int | None, at: int, priority: Priority) -> Visit:
    """Somebody booked for a minute after nine (or nobody's slot) who checks in at another."""
    now = NINE + timedelta(minutes=at)
    if slot is None:
        due = rules.due_walk_in(priority, policy=POLICY, now=now)
        return a_visit(number, scheduled_at=None, seat=None, due_at=due, checked_in_at=now, priority=priority)
    booked = a_visit(number, scheduled_at=NINE + timedelta(minutes=slot), due_at=NINE + timedelta(minutes=slot))
    due, rule = rules.placed_at_check_in(booked, policy=POLICY, now=now)
    placed = msgspec.structs.replace(booked, due_at=due, place_rule=rule, checked_in_at=now)
    due = rules.due_with_priority(placed, priority, policy=POLICY)
    return msgspec.structs.replace(placed, due_at=due, priority=priority)


people = st.lists(
    st.tuples(st.none() | st.integers(0, 240), st.integers(-60, 300), st.sampled_from(Priority)),
    min_size=2,
    max_size=12,
).map(lambda asked: [arrived(number, *each) for number, each in enumerate(asked, start=1)])


def test_the_legal_moves_are_exactly_those_of_the_table() -> None:
    expected = {(Status(start), Status(to)): roles for to, starts in TABLE.items() for start, roles in starts.items()}
    assert expected == rules.LEGAL


@given(people, st.randoms())
def test_the_order_is_the_same_for_every_reader(line: list[Visit], chance: object) -> None:
    shuffled = list(line)
    chance.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert rules.call_order(shuffled) == rules.call_order(line)


@given(people)
def test_emergencies_come_before_everybody_else(line: list[Visit]) -> None:
    urgent = [each.priority is Priority.EMERGENCY for each in rules.call_order(line)]
    assert urgent == sorted(urgent, reverse=True)


@given(people)
def test_nobody_is_overtaken_by_a_visit_whose_own_time_is_more_than_the_bound_later(line: list[Visit]) -> None:
    """A visit's own time: its slot, or its arrival where that came first in line."""
    order = [each for each in rules.call_order(line) if each.priority is not Priority.EMERGENCY]
    for index, first in enumerate(order):
        for later in order[index + 1 :]:
            assert own_time(first) - own_time(later) <= BOUND


def own_time(each: Visit) -> datetime:
    if each.scheduled_at is not None and each.place_rule is PlaceRule.SLOT:
        return each.scheduled_at
    assert each.checked_in_at is not None
    return each.checked_in_at


def test_early_on_time_and_a_little_late_keep_the_slot_and_later_is_a_walk_in() -> None:
    for minutes, due, rule in ((-30, 0, "SLOT"), (0, 0, "SLOT"), (10, 0, "SLOT"), (11, 26, "LATE")):
        placed = arrived(1, 0, minutes, Priority.NORMAL)
        assert (placed.due_at - NINE, placed.place_rule) == (timedelta(minutes=due), PlaceRule(rule))


def test_a_walk_in_is_due_a_quarter_of_an_hour_after_arrival_and_priority_twenty_minutes_sooner() -> None:
    assert rules.due_walk_in(Priority.NORMAL, policy=POLICY, now=NINE) == NINE + timedelta(minutes=15)
    assert rules.due_walk_in(Priority.PRIORITY, policy=POLICY, now=NINE) == NINE - timedelta(minutes=5)


def test_priority_counts_once_and_is_taken_back_whole() -> None:
    raised = rules.due_with_priority(a_visit(), Priority.PRIORITY, policy=POLICY)
    assert raised == NINE - timedelta(minutes=20)
    again = a_visit(priority=Priority.PRIORITY, due_at=raised)
    assert rules.due_with_priority(again, Priority.PRIORITY, policy=POLICY) == raised
    assert rules.due_with_priority(again, Priority.NORMAL, policy=POLICY) == NINE


@given(people)
def test_somebody_back_from_hold_goes_right_behind_the_next_two(line: list[Visit]) -> None:
    waiting = rules.call_order(
        [msgspec.structs.replace(each, due_at=each.due_at + timedelta(seconds=each.id)) for each in line]
    )
    back = a_visit(99, due_at=NINE, checked_in_at=NINE)
    returned = msgspec.structs.replace(back, due_at=rules.due_return(back, waiting, policy=POLICY))
    calm = [each for each in waiting if each.priority is not Priority.EMERGENCY]
    position = rules.call_order([*waiting, returned]).index(returned)
    urgent = len(waiting) - len(calm)
    assert position == max(min(POLICY.return_after, len(waiting)), urgent)


@given(people, st.integers(0, 4))
def test_somebody_back_from_hold_never_passes_the_next_few_however_many_are_due_at_once(
    line: list[Visit], ahead: int
) -> None:
    waiting = rules.call_order(line)
    policy = msgspec.structs.replace(POLICY, return_after=ahead)
    back = a_visit(99, due_at=NINE, checked_in_at=NINE - timedelta(hours=2))
    returned = msgspec.structs.replace(back, due_at=rules.due_return(back, waiting, policy=policy))
    order = rules.call_order([*waiting, returned])
    position = order.index(returned)
    calm = [each for each in waiting if each.priority is not Priority.EMERGENCY]
    urgent = len(waiting) - len(calm)
    last = waiting[:ahead][-1].due_at if waiting[:ahead] else None
    due_together = sum(each.due_at == last for each in calm[max(ahead - urgent, 0) :])
    expected = max(min(ahead, len(waiting)), urgent)
    assert expected <= position <= expected + due_together


@given(people, st.integers(0, 12), st.integers(0, 12), st.booleans())
def test_somebody_put_before_another_stands_right_there_and_nobody_else_changes_order(
    line: list[Visit], who: int, index: int, all_due_at_once: bool
) -> None:
    if all_due_at_once:
        line = [msgspec.structs.replace(each, due_at=NINE) for each in line]
    waiting = [each for each in rules.call_order(line) if each.priority is not Priority.EMERGENCY]
    for _ in waiting[:3]:
        moved = waiting[who % len(waiting)]
        others = [each for each in waiting if each is not moved]
        place = index % (len(others) + 1)
        changed = {each.id: each for each in rules.placed_before(moved, others, place, now=NINE)}
        waiting = rules.call_order([changed.get(each.id, each) for each in waiting])
        assert [each.id for each in waiting] == [each.id for each in (*others[:place], moved, *others[place:])]


def test_an_emergency_stays_in_front_wherever_somebody_else_is_put() -> None:
    urgent, calm = a_visit(1, priority=Priority.EMERGENCY), a_visit(2, due_at=NINE + timedelta(hours=1))
    placed, *gave_way = rules.placed_before(calm, [urgent], 0, now=NINE)
    assert gave_way == []
    assert rules.call_order([urgent, placed]) == [urgent, placed]
