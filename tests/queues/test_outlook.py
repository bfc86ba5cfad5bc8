"""What a change has told, drawn by whoever hears of it, without a server."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from day import NINE, a_day, a_visit
from mediqon.hospitals.models import Policy
from mediqon.hospitals.slots import Hours
from mediqon.live.channels import DeskFrame, QueueFrame, TokenView
from mediqon.queues import rules, writing
from mediqon.queues.models import DayImage, Facts, QueueState, Status, Visit
from mediqon.queues.shown import Shown
from mediqon.queues.views import JUST_TOLD, Outlook, desk_frame, public_frame, token_view
from mediqon.queues.writing import Change, Step

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)
verbs = st.sampled_from(("come", "next", "cancel", "late", "pause", "go on"))
steps = st.lists(st.tuples(verbs, st.integers(0, 900), st.integers(0, 5)), min_size=1, max_size=25)
"""What is done, so many seconds after what was done before, and to whom."""


def booked(number: int) -> Visit:
    slot = NINE + timedelta(minutes=10 * number)
    return a_visit(number, status=Status.BOOKED, due_at=slot, scheduled_at=slot, booked_at=EIGHT, checked_in_at=None)


def morning(visits: int = 6) -> Facts:
    """Nine to five, with so many booked from nine on."""
    booked_for = [booked(number) for number in range(visits)]
    return a_day(timezone="Etc/UTC", hours=(Hours(540, 1020, 1),), visits=booked_for)


def after(facts: Facts, verb: str, whom: int, now: datetime) -> Facts:
    """The day as one step leaves it; the same where there is nobody to do it to."""
    absent, here = rules.line(v for v in facts.visits if v.status is Status.BOOKED), rules.call_order(facts.visits)
    image: DayImage | None = None
    changes = [Change(verb=verb)]
    if verb == "come":
        changes = [came(each, now) for each in absent[whom : whom + 1]]
    elif verb == "cancel":
        changes = [to(each, "cancel", status=Status.CANCELLED, ended_at=now) for each in absent[whom : whom + 1]]
    elif verb == "next":
        room = rules.in_room(facts.visits)
        changes = [to(each, "complete", status=Status.COMPLETED, ended_at=now) for each in room]
        changes += [to(each, "call", status=Status.CALLED, called_at=now, calls=1) for each in here[:1]]
    elif verb == "late":
        image = DayImage(delay_minutes=5 * whom, delayed_at=now)
    elif verb == "pause":
        image = DayImage(state=QueueState.PAUSED, paused_until=now + timedelta(minutes=5 * whom + 1))
    else:
        image = DayImage()
    return writing.written(facts, Step(changes, image), actor=None, now=now).facts if changes else facts


def came(visit: Visit, now: datetime) -> Change:
    due, rule = rules.placed_at_check_in(visit, policy=Policy(), now=now)
    return to(visit, "check_in", status=Status.CHECKED_IN, due_at=due, place_rule=rule, checked_in_at=now)


def to(visit: Visit, verb: str, **changed: object) -> Change:
    return Change(verb=verb, before=visit, after=msgspec.structs.replace(visit, **changed))


def read(facts: Facts) -> Facts:
    """The same from the database, which keeps what was told but not when."""
    return msgspec.structs.replace(facts, told_at=None)


def drawn(facts: Facts, now: datetime) -> QueueFrame:
    return public_frame(Outlook(facts, now))


def seen(facts: Facts, now: datetime) -> tuple[QueueFrame, DeskFrame, list[TokenView], list[Shown]]:
    """The same for every audience, and what each is told with its reasons."""
    outlook = Outlook(facts, now)
    pages = [token_view(outlook, visit, stale=False) for visit in facts.visits]
    return public_frame(outlook), desk_frame(outlook), pages, outlook.shown


@given(steps)
def test_who_hears_a_change_shows_what_who_reads_it_works_out(steps: list[tuple[str, int, int]]) -> None:
    facts, now = morning(), EIGHT
    for verb, seconds, whom in steps:
        now += timedelta(seconds=seconds)
        facts = after(facts, verb, whom, now)
        assert facts.told_at is None or seen(facts, facts.told_at) == seen(read(facts), facts.told_at)


def test_what_was_told_stands_for_some_seconds_and_then_moves_with_the_clock() -> None:
    now = NINE + timedelta(seconds=10)
    facts = after(after(morning(), "come", 0, now), "next", 0, now)
    assert drawn(facts, now + JUST_TOLD).tokens == drawn(facts, now).tokens
    assert drawn(facts, now - JUST_TOLD).tokens == drawn(facts, now).tokens  # another host's clock
    later = now + timedelta(minutes=40)
    assert drawn(facts, later) == drawn(read(facts), later) != drawn(facts, now)


@given(steps, st.integers(-5, 5))
def test_in_another_minute_everything_is_worked_out_anew(steps: list[tuple[str, int, int]], apart: int) -> None:
    facts, now = morning(), EIGHT
    for verb, seconds, whom in steps:
        now += timedelta(seconds=seconds)
        facts = after(facts, verb, whom, now)
    told = now.replace(second=0) if apart < 0 else now.replace(second=59)
    facts = after(facts, "late", 2, told)
    shown = told + timedelta(seconds=apart)
    if shown.minute != told.minute:
        assert seen(facts, shown) == seen(read(facts), shown)


def test_a_booking_right_after_a_change_is_told_a_time_and_all_others_are_worked_out() -> None:
    facts = after(after(morning(), "come", 0, NINE), "next", 0, NINE)
    sold = writing.written(facts, Step([Change(verb="book", after=booked(9))]), actor=None, now=NINE).facts
    assert drawn(sold, NINE) == drawn(read(sold), NINE)
    assert (drawn(sold, NINE).tokens[-1].token, sold.shown) == ("A-009", facts.shown)


def test_a_day_to_come_that_begins_earlier_than_it_did_is_told_as_if_nobody_had_looked_before() -> None:
    facts, now = morning(), EIGHT - timedelta(days=3)
    assert Outlook(facts, now).shown
    sooner = msgspec.structs.replace(facts, hours=(Hours(480, 1020, 1),), version=facts.version + 1)
    assert Outlook(sooner, now).shown == Outlook(msgspec.structs.replace(sooner, doctor_id=99), now).shown


def test_what_is_told_next_holds_on_to_what_was_but_is_worked_out_anew() -> None:
    facts = after(morning(), "come", 0, NINE)
    late = after(facts, "late", 5, NINE + timedelta(seconds=1))
    assert all(b.expected > a.expected for a, b in zip(facts.shown, late.shown, strict=True))


def test_processes_before_and_after_an_update_understand_each_other() -> None:
    facts = after(morning(), "come", 0, NINE)
    message = msgspec.msgpack.decode(msgspec.msgpack.encode(facts))
    assert msgspec.convert({**message, "of_the_next_version": 1}, Facts, strict=False) == facts
    del message["told_at"]
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=Facts)
    assert drawn(old, NINE) == drawn(facts, NINE)
