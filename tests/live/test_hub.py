"""What the hub owes to whom: nothing to nobody, the newest to everybody, and to each only what has changed."""

from datetime import UTC, date, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from day import a_day, a_visit
from mediqon.live import news
from mediqon.live.channels import DeskFrame, QueueFrame
from mediqon.live.hub import Audience, Frame, Hub, Topic
from mediqon.live.news import News
from mediqon.queues.models import DayKey, Facts, PlaceRule
from mediqon.queues.views import Outlook, public_frame

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
KEY = DayKey(1, date(2026, 11, 23))


def queue(version: int, day: date = KEY.day, visits: int = 1) -> Facts:
    """So many walk-ins, one a minute."""
    walk_in = {"place_rule": PlaceRule.WALK_IN, "seat": None, "scheduled_at": None}
    due = [NOW + timedelta(minutes=number) for number in range(1, visits + 1)]
    return a_day(version, day=day, visits=[a_visit(number, due_at=at, **walk_in) for number, at in enumerate(due, 1)])


class Screen:
    """A watcher that remembers what it was sent."""

    def __init__(self) -> None:
        self.seen: list[QueueFrame | DeskFrame] = []

    def deliver(self, doctor_id: int, frame: Frame) -> None:
        assert doctor_id == 1
        self.seen.append(frame.view)

    def close(self, code: int) -> None: ...


def heard(facts: Facts) -> News:
    """What another process tells that has just drawn these."""
    drawn = Frame.of(public_frame(Outlook(facts, NOW)), NOW)
    return news.hear(news.tell(facts, NOW, drawn.bytes))


def at_once(audience: Audience) -> None:
    while audience.send(2):
        pass


def test_as_time_goes_by_only_what_has_changed_on_a_screen_is_sent_again() -> None:
    hub, screen = Hub(at_once), Screen()
    topic = hub.accept(queue(1), NOW)
    screen.deliver(1, topic.public)
    topic.audiences["public"].watchers.add(screen)
    hub.tick(topic, NOW)
    assert len(screen.seen) == 1
    hub.tick(topic, NOW + timedelta(minutes=30))
    assert len(screen.seen) == 2
    shown = topic.public
    hub.tick(topic, NOW + timedelta(minutes=30))
    assert topic.public is shown


def test_what_nobody_watches_or_asks_for_is_not_rendered() -> None:
    rendered: list[Outlook] = []

    def render(outlook: Outlook) -> QueueFrame:
        rendered.append(outlook)
        return public_frame(outlook)

    topic = Topic(queue(1), NOW)
    topic.audiences["public"] = audience = Audience(topic, render)
    for version in range(2, 50):
        assert topic.renew(queue(version), NOW) == []
    assert rendered == []
    assert {audience.frame.view.version for _ in range(10)} == {49}
    assert len(rendered) == 1


def test_an_older_state_that_comes_late_changes_nothing() -> None:
    hub, screen = Hub(at_once), Screen()
    topic = hub.accept(queue(5), NOW)
    topic.audiences["public"].watchers.add(screen)
    for version in (3, 5, 7, 6, 7, 8):
        hub.accept(queue(version), NOW)
    assert [frame.version for frame in screen.seen] == [7, 8]


def test_what_has_been_drawn_elsewhere_is_sent_as_it_is_and_stands_until_it_would_look_otherwise() -> None:
    hub, screen = Hub(at_once), Screen()
    topic = hub.accept(queue(1), NOW)
    topic.audiences["public"].watchers.add(screen)
    drawn = heard(queue(2, visits=2))
    hub.hear(drawn, NOW)
    hub.hear(heard(queue(1)), NOW)
    hub.tick(topic, NOW)
    assert (topic.public.bytes, screen.seen) == (drawn.public, [Frame(drawn.public).view])
    hub.tick(topic, NOW + timedelta(minutes=30))
    assert len(screen.seen) == 2


def test_what_a_frame_does_not_show_is_read_only_when_it_is_asked_for() -> None:
    hub, screen = Hub(at_once), Screen()
    topic = hub.accept(queue(1), NOW)
    topic.audiences["public"].watchers.add(screen)
    unreadable = msgspec.structs.replace(heard(queue(2)), encoded=b"")
    hub.hear(unreadable, NOW)
    hub.hear(heard(queue(3, visits=3)), NOW)
    assert [frame.version for frame in screen.seen] == [2, 3]
    assert hub.day_of("code3") == KEY
    assert [visit.code for visit in topic.facts.visits] == ["code1", "code2", "code3"]
    assert b'"token":"A-003"' in topic.page("code3", stale=False).bytes


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(("come", "go", "change", "serve"))), max_size=60))
def test_whoever_comes_and_goes_while_frames_are_under_way_nobody_goes_back_and_all_end_at_the_newest(
    steps: list[tuple[int, str]],
) -> None:
    owed: list[Audience] = []
    hub, screens, version = Hub(owed.append), [Screen() for _ in range(8)], 1
    topic = hub.accept(queue(version), NOW)
    audience = topic.audiences["public"]
    for number, step in steps:
        if step == "come" and screens[number] not in audience.watchers:
            screens[number] = Screen()  # as a socket: nobody comes back as the same one
            audience.watchers.add(screens[number])
            screens[number].deliver(1, audience.frame)
        elif step == "go":
            audience.watchers.discard(screens[number])
        elif step == "change":
            version += 1
            hub.accept(queue(version), NOW)
        else:
            audience.send(2)
    at_once(audience)
    for screen in screens:
        versions = [frame.version for frame in screen.seen]
        assert versions == sorted(set(versions))
        assert screen not in audience.watchers or versions[-1] == version


def test_at_midnight_everybody_is_owed_the_new_day_and_no_frame_of_the_old_one() -> None:
    owed: list[Audience] = []
    hub, screens = Hub(owed.append), [Screen() for _ in range(5)]
    yesterday = hub.accept(queue(1), NOW)
    yesterday.audiences["public"].watchers.update(screens)
    hub.accept(queue(2), NOW)  # still owed when the day turns
    today = hub.accept(queue(0, date(2026, 11, 24)), NOW)
    hub.turn(yesterday, today)
    for audience in owed:
        at_once(audience)
    assert [[frame.date for frame in screen.seen] for screen in screens] == [[date(2026, 11, 24)]] * 5
    hub.unwatch(1, "public", screens[0])
    assert len(today.audiences["public"].watchers) == 4


def test_a_code_is_found_while_its_visit_stands_on_a_day_that_is_held() -> None:
    hub = Hub(at_once)
    hub.accept(queue(1, visits=2), NOW)
    assert (hub.day_of("code1"), hub.day_of("code2")) == (KEY, KEY)
    hub.accept(queue(2, visits=1), NOW)
    assert (hub.day_of("code1"), hub.day_of("code2")) == (KEY, None)
    hub.accept(queue(1, date(2026, 11, 24), visits=1), NOW)
    hub.accept(queue(2, date(2026, 11, 24), visits=0), NOW)  # it has come back before the first day tells of it
    assert hub.day_of("code1") is None
    hub.accept(queue(3, visits=1), NOW)
    assert hub.day_of("code1") == KEY
    hub.forget(KEY)
    hub.forget(DayKey(1, date(2026, 11, 24)))
    assert (hub.day_of("code1"), hub.topic(KEY), list(hub.topics())) == (None, None, [])
