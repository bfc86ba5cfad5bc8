"""Who watches which day in this process, and the current frame of each. Knows nothing of Redis or PostgreSQL."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Set
from datetime import date, datetime
from functools import cached_property
from typing import Protocol

import msgspec

from mediqon.live.channels import Close, DeskFrame, QueueFrame
from mediqon.live.frames import Opcode, frame
from mediqon.live.news import News
from mediqon.live.traffic import TRAFFIC
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.views import Outlook, desk_frame, public_frame, token_view

ETAG_BYTES = 12


class Page:
    """An answer of HTTP, encoded once."""

    def __init__(self, body: bytes) -> None:
        self.bytes = body

    @cached_property
    def etag(self) -> str:
        return etag(self.bytes)

    def is_known(self, if_none_match: str) -> bool:
        """Whether a client that sent this header has it already (RFC 9110, section 13.1.2)."""
        if if_none_match == self.etag:
            return True
        known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
        return self.etag in known or "*" in known


class Frame(Page):
    """What one audience sees of a day, encoded once; kept byte for byte until something on it changes."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.wire = frame(Opcode.TEXT, body)
        """As it goes over a websocket: one object for every socket."""

    @classmethod
    def of(cls, view: QueueFrame | DeskFrame, now: datetime) -> "Frame":
        """Encodes what has been drawn."""
        drawn = cls(msgspec.json.encode(msgspec.structs.replace(view, sent_at=now)))
        drawn.view = view
        return drawn

    @cached_property
    def view(self) -> QueueFrame | DeskFrame:
        """What it says, whenever it was sent."""
        view = msgspec.json.decode(self.bytes, type=QueueFrame | DeskFrame)
        return msgspec.structs.replace(view, sent_at=None)


class Watcher(Protocol):
    """One open socket, as the hub sees it. Neither call may block or raise."""

    def deliver(self, doctor_id: int, frame: Frame) -> None: ...
    def close(self, code: Close) -> None: ...


class Audience:
    """Those who watch one day with the same eyes. What nobody watches or asks for is not rendered."""

    def __init__(self, topic: "Topic", render: Callable[[Outlook], QueueFrame | DeskFrame]) -> None:
        self.watchers: set[Watcher] = set()
        self._topic = topic
        self._render = render
        self._frame: Frame | None = None
        self._fresh = False
        self._due: list[Watcher] = []
        self._served = 0

    @property
    def frame(self) -> Frame:
        """The current state."""
        if self._frame is None or not self._fresh:
            view = self._render(self._topic.outlook)
            if self._frame is None or view != self._frame.view:
                self._frame = Frame.of(view, self._topic.now)
            self._fresh = True
        return self._frame

    @property
    def drawn(self) -> Frame | None:
        """The same, if it has been rendered already."""
        return self._frame if self._fresh else None

    def renew(self, drawn: Frame | None = None) -> bool:
        """The day has moved on: says whether those who watch have something new to see, and owes it to them all.

        `drawn`: the frame, where another process has rendered it.
        """
        known, self._fresh = self._frame, drawn is not None
        self._frame = drawn or known
        if not self.watchers or self.frame is known:
            return False
        waiting = self._due[self._served :]  # first those whom not even the frame before this one has reached
        self._due = [*waiting, *self.watchers.difference(waiting)]
        self._served = 0
        return True

    def move_to(self, following: "Audience") -> None:
        """Everybody here watches the `following` day from now on, and is owed its frame."""
        following._due = [*following._due[following._served :], *self.watchers]
        following._served = 0
        following.watchers |= self.watchers
        self.watchers = set()

    def send(self, most: int) -> bool:
        """Gives the newest frame to so many of those it is owed to; says whether some are left."""
        served = self._served
        self._served = min(served + most, len(self._due))
        TRAFFIC.frames_sent += self._served - served
        current, doctor_id, watchers = self.frame, self._topic.key.doctor_id, self.watchers
        for watcher in self._due[served : self._served]:
            if watcher in watchers:
                watcher.deliver(doctor_id, current)
        if self._served < len(self._due):
            return True
        self._due, self._served = [], 0
        return False


class Topic:
    """One doctor's day in memory."""

    def __init__(self, facts: Facts, now: datetime) -> None:
        self.key, self.used_at = facts.key, now
        self.audiences = {"public": Audience(self, public_frame), "desk": Audience(self, desk_frame)}
        self.renew(facts, now)

    def renew(self, facts: Facts, now: datetime) -> list[Audience]:
        """Takes in another state or another time; returns the audiences that have something new to see."""
        self._facts: Facts | News = facts
        self.version, self.codes = facts.version, frozenset(visit.code for visit in facts.visits)
        return self._show(now, None)

    def hear(self, news: News, drawn_at: datetime) -> list[Audience]:
        """The same for a state that has come with its public frame."""
        self._facts = news
        self.version, self.codes = news.version, news.codes
        return self._show(drawn_at, Frame(news.public))

    def _show(self, now: datetime, drawn: Frame | None) -> list[Audience]:
        self.now = now
        self._outlook: Outlook | None = None
        self._pages: dict[tuple[str, bool], Page] = {}
        frames = {"public": drawn}
        return [audience for name, audience in self.audiences.items() if audience.renew(frames.get(name))]

    @property
    def facts(self) -> Facts:
        if isinstance(self._facts, News):
            self._facts = self._facts.facts
        return self._facts

    @property
    def outlook(self) -> Outlook:
        if self._outlook is None:
            self._outlook = Outlook(self.facts, self.now)
        return self._outlook

    @property
    def public(self) -> Frame:
        return self.audiences["public"].frame

    @property
    def drawn(self) -> Frame | None:
        """The public frame, if it has been rendered."""
        return self.audiences["public"].drawn

    @property
    def desk(self) -> Frame:
        return self.audiences["desk"].frame

    def page(self, code: str, *, stale: bool) -> Page:
        """What the holder of a public code of this day sees. It is one of its `codes`."""
        if (code, stale) not in self._pages:
            visit = next(visit for visit in self.facts.visits if visit.code == code)
            view = token_view(self.outlook, visit, stale=stale)
            self._pages[code, stale] = Page(msgspec.json.encode(view))
        return self._pages[code, stale]

    @property
    def watched(self) -> bool:
        return any(audience.watchers for audience in self.audiences.values())


class Hub:
    """Every day that this process holds."""

    def __init__(self, send: Callable[[Audience], None]) -> None:
        """`send(audience)` is called when something is owed to an audience; see `Audience.send`."""
        self._send = send
        self._days: dict[int, dict[date, Topic]] = {}
        self._codes: dict[str, DayKey] = {}

    def accept(self, facts: Facts, now: datetime) -> Topic:
        """Takes in the state of a day unless a newer one is here already: a screen never goes back in time."""
        topic = self.topic(facts.key)
        if topic is None:
            topic = self._days.setdefault(facts.doctor_id, {})[facts.day] = Topic(facts, now)
            self._index(topic, frozenset())
        elif facts.version > topic.version:
            known = topic.codes
            self._send_all(topic.renew(facts, now))
            self._index(topic, known)
        return topic

    def hear(self, news: News, drawn_at: datetime) -> None:
        """The same for a day that is held, with the public frame as another process has drawn it as of `drawn_at`."""
        topic = self._days[news.doctor_id][news.day]
        if news.version > topic.version:
            known = topic.codes
            self._send_all(topic.hear(news, drawn_at))
            self._index(topic, known)

    def tick(self, topic: Topic, now: datetime) -> None:
        """Expected times move with the clock: renders the day anew and sends only what changed on screen."""
        self._send_all(topic.renew(topic.facts, now))

    def _send_all(self, audiences: Iterable[Audience]) -> None:
        for audience in audiences:
            self._send(audience)

    def topic(self, key: DayKey) -> Topic | None:
        return self._days.get(key.doctor_id, {}).get(key.day)

    def day_of(self, code: str) -> DayKey | None:
        """The day on which a public code stands, if that day is in memory."""
        key = self._codes.get(code)
        topic = key and self.topic(key)
        return key if topic and code in topic.codes else None

    def topics(self) -> Iterator[tuple[DayKey, Topic]]:
        for topics in tuple(self._days.values()):
            for topic in tuple(topics.values()):
                yield topic.key, topic

    def turn(self, topic: Topic, following: Topic) -> None:
        """Moves everybody who watches one day to another one of the same doctor."""
        for name, audience in topic.audiences.items():
            if audience.watchers:
                audience.move_to(following.audiences[name])
                self._send(following.audiences[name])

    def unwatch(self, doctor_id: int, audience: str, watcher: Watcher) -> None:
        for topic in self._days.get(doctor_id, {}).values():
            topic.audiences[audience].watchers.discard(watcher)

    def forget(self, key: DayKey) -> None:
        """Drops a day nobody looks at."""
        topic = self._days.get(key.doctor_id, {}).pop(key.day, None)
        if not self._days.get(key.doctor_id):
            self._days.pop(key.doctor_id, None)
        self._drop(topic.codes if topic else (), key)

    def _index(self, topic: Topic, known: Set[str]) -> None:
        """Its codes are to be found here from now on, and no longer those that it alone had before."""
        self._codes.update(dict.fromkeys(topic.codes, topic.key))
        self._drop(known - topic.codes, topic.key)

    def _drop(self, codes: Iterable[str], key: DayKey) -> None:
        """A visit that has gone to another day stands there by now."""
        for code in codes:
            if self._codes.get(code) == key:
                del self._codes[code]


def etag(body: bytes) -> str:
    """A strong ETag: other bytes, other tag."""
    return f'"{hashlib.blake2b(body, digest_size=ETAG_BYTES).hexdigest()}"'
