"""What processes tell each other of a day: its state and, where its publisher has screens of it, what these show.

Who hears it and has such screens too need not draw it again: they are sent the same bytes.
"""

import hashlib
from datetime import date, datetime

import msgspec

from mediqon.live.channels import QueueFrame
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.views import stands

SHAPE = hashlib.blake2b(repr(msgspec.json.schema_components([Facts, QueueFrame])).encode(), digest_size=8).hexdigest()
"""Of what is told: beside a program of another version each process draws for itself."""


class News(msgspec.Struct, frozen=True):
    """A day at one version. What its facts say besides is read when somebody asks, which most often nobody does."""

    doctor_id: int
    day: date
    version: int
    codes: frozenset[str]
    """Of everybody who has a visit on this day."""
    encoded: bytes
    """The facts."""
    shape: str = SHAPE
    drawn_at: datetime | None = None
    public: bytes = b""
    """The public frame of this state at `drawn_at`."""

    @property
    def key(self) -> DayKey:
        return DayKey(self.doctor_id, self.day)

    @property
    def facts(self) -> Facts:
        """Decodes them. Raises msgspec.DecodeError."""
        return msgspec.msgpack.decode(self.encoded, type=Facts)

    def drawn(self, shown: datetime, now: datetime) -> datetime | None:
        """As of when it was drawn, if screens that show what was at `shown` may be sent it: times never go back."""
        at = self.drawn_at
        return at if self.shape == SHAPE and at is not None and shown <= at <= now and stands(at, now) else None


def tell(facts: Facts, drawn_at: datetime | None = None, public: bytes = b"") -> bytes:
    """The message that carries these facts and, where it has been drawn, their public frame."""
    codes = frozenset(visit.code for visit in facts.visits)
    encoded = msgspec.msgpack.encode(facts)
    news = News(facts.doctor_id, facts.day, facts.version, codes, encoded, drawn_at=drawn_at, public=public)
    return msgspec.msgpack.encode(news)


def hear(message: bytes) -> News:
    """What a message brings. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(message, type=News)
