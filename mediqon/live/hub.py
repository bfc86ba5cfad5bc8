"""Who watches which day in this process, and the current frame of each. Knows nothing of Redis or PostgreSQL."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from mediqon.live.channels import Close, DeskFrame, QueueFrame
from mediqon.queues.models import DayKey, Facts, Visit
from mediqon.queues.views import Outlook, desk_frame, public_frame

ETAG_BYTES = 12


class Watcher(Protocol):
    """One open socket, as the hub sees it. Neither call may block."""

    def deliver(self, doctor_id: int, frame: bytes) -> None: ...
    def close(self, code: Close) -> None: ...


class Frame:
    """What one audience sees of a day, encoded once; kept byte for byte until something on it changes."""

    def __init__(self, view: QueueFrame | DeskFrame, now: datetime) -> None:
        self.view = view
        self.bytes = msgspec.json.encode(msgspec.structs.replace(view, sent_at=now))
        self.etag = etag(self.bytes)


class Topic:
    """One doctor's day in memory."""

    def __init__(self, facts: Facts, now: datetime) -> None:
        self.watchers: dict[str, set[Watcher]] = {"public": set(), "desk": set()}
        self.used_at = now
        self.codes: dict[str, Visit] = {}
        self._renew(facts, now)
        self.public = Frame(public_frame(self.outlook), now)
        self.desk = Frame(desk_frame(self.outlook), now)

    def _renew(self, facts: Facts, now: datetime) -> None:
        self.facts = facts
        self.outlook = Outlook(facts, now)
        self.codes = {visit.code: visit for visit in facts.visits}

    def show(self, facts: Facts, now: datetime) -> None:
        """Renders the day anew, and sends each audience what has changed for it."""
        self._renew(facts, now)
        public, desk = public_frame(self.outlook), desk_frame(self.outlook)
        if public != self.public.view:
            self.public = Frame(public, now)
            self._send("public", self.public)
        if desk != self.desk.view:
            self.desk = Frame(desk, now)
            self._send("desk", self.desk)

    def _send(self, audience: str, frame: Frame) -> None:
        for watcher in tuple(self.watchers[audience]):
            watcher.deliver(self.facts.doctor_id, frame.bytes)

    def frame(self, audience: str) -> Frame:
        return self.public if audience == "public" else self.desk

    @property
    def watched(self) -> bool:
        return any(self.watchers.values())


class Hub:
    """Every watched day of this process."""

    def __init__(self) -> None:
        self._topics: dict[DayKey, Topic] = {}
        self._codes: dict[str, DayKey] = {}

    def accept(self, facts: Facts, now: datetime) -> Topic:
        """Takes in the state of a day unless a newer one is here already: a screen never goes back in time."""
        topic = self._topics.get(facts.key)
        if topic is None:
            topic = self._topics[facts.key] = Topic(facts, now)
        elif facts.version > topic.facts.version:
            topic.show(facts, now)
        else:
            return topic
        self._codes.update(dict.fromkeys(topic.codes, facts.key))
        return topic

    def topic(self, key: DayKey) -> Topic | None:
        return self._topics.get(key)

    def day_of(self, code: str) -> DayKey | None:
        """The day on which a public code stands, if that day is in memory."""
        key = self._codes.get(code)
        topic = key and self._topics.get(key)
        return key if topic and code in topic.codes else None

    def topics(self) -> Iterator[tuple[DayKey, Topic]]:
        yield from tuple(self._topics.items())

    def tick(self, now: datetime) -> None:
        """Expected times move with the clock: renders every day anew and sends only what changed on screen."""
        for _, topic in self.topics():
            topic.show(topic.facts, now)

    def forget(self, key: DayKey) -> None:
        """Drops a day nobody looks at."""
        topic = self._topics.pop(key, None)
        for code in topic.codes if topic else ():
            self._codes.pop(code, None)


def etag(body: bytes) -> str:
    """A strong ETag: other bytes, other tag."""
    return f'"{hashlib.blake2b(body, digest_size=ETAG_BYTES).hexdigest()}"'
