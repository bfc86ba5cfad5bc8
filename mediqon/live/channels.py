"""Every frame a socket may receive and every channel name, once."""

from datetime import date, datetime
from enum import IntEnum

import msgspec

from mediqon.queues.models import DayKey, PlaceRule, Priority, QueueState, Status


class Close(IntEnum):
    """Why a socket was closed, and what the client should do: the contract's close codes."""

    GOING_AWAY = 1001
    RESTART = 1012
    LOG_IN_AGAIN = 4401
    NOT_ALLOWED = 4403
    NO_SUCH_QUEUE = 4404
    TOO_SLOW = 4408
    TOO_MANY = 4429


class PublicToken(msgspec.Struct, frozen=True, kw_only=True):
    """One token in line, as the wall may show it."""

    token: str
    status: Status
    ahead: int
    expected_at: datetime | None
    expected_from: datetime | None
    expected_to: datetime | None


class QueueFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="queue"):
    """What anyone may see of a doctor's day. There is no field here that could hold a name, a priority or a reason."""

    doctor_id: int
    doctor: str
    room: str
    hospital: str
    timezone: str
    date: date
    version: int
    state: QueueState
    message: str | None
    delay_minutes: int
    paused_until: datetime | None
    now_serving: list[str]
    calls: list[int]
    """How often each of those has been called: whose number grew is announced."""
    recent: list[str]
    called_at: datetime | None
    call_seq: int
    tokens: list[PublicToken]
    sent_at: datetime | None = None


class Person(msgspec.Struct, frozen=True):
    id: int
    name: str


class Appointment(msgspec.Struct, frozen=True, kw_only=True):
    """A visit as its patient and its staff see it. Instants are UTC; `date` is the hospital's.

    `late_minutes`: so much after the slot the patient said to come.
    """

    id: int
    doctor_id: int
    hospital_id: int
    patient: Person
    date: date
    token: str
    code: str
    status: Status
    priority: Priority
    version: int
    reason: str | None
    scheduled_at: datetime | None
    late_minutes: int
    booked_at: datetime
    checked_in_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    calls: int
    suggested: Status | None
    """What the desk might do next: `ON_HOLD` for somebody who does not answer."""
    position: int | None
    ahead: int | None
    expected_at: datetime | None
    expected_from: datetime | None
    expected_to: datetime | None
    why: str


class DeskFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="desk"):
    """The staff queue: the whole day with names, for that doctor and its hospital."""

    doctor_id: int
    doctor: str
    room: str
    hospital: str
    timezone: str
    date: date
    version: int
    state: QueueState
    message: str | None
    delay_minutes: int
    paused_until: datetime | None
    pause_reason: str | None
    now: list[Appointment]
    waiting: list[Appointment]
    booked: list[Appointment]
    held: list[Appointment]
    done: list[Appointment]
    sent_at: datetime | None = None


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """The answer to a client's `ping`. `age`: seconds since what we show was last compared with the database."""

    age: float


PING = "ping"


class TokenDoctor(msgspec.Struct, frozen=True):
    id: int
    name: str
    room: str


class Because(msgspec.Struct, frozen=True, kw_only=True):
    """An expected time taken apart: people ahead who will be seen, minutes for each, minutes left in the room, minutes
    of breaks; `begins` is null when the doctor has started."""

    ahead: int
    each: int
    left: int
    rests: int
    begins: datetime | None


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder of a public code sees: no name, no priority, no reason."""

    token: str
    status: Status
    doctor: TokenDoctor
    hospital: str
    timezone: str
    date: date
    now_serving: list[str]
    position: int | None
    ahead: int | None
    expected_at: datetime | None
    expected_from: datetime | None
    expected_to: datetime | None
    be_here_by: datetime | None
    why: str
    message: str | None
    state: QueueState
    delay_minutes: int
    paused_until: datetime | None
    place: PlaceRule
    """Which rule gave the place in line: with `because`, what `why` says, for other languages."""
    because: Because | None
    version: int
    stale: bool
    scheduled_at: datetime | None
    headline: str
    advice: str
    may: list[str]
    """What is left to the patient: `check_in`, `late`, `cancel`."""


def day_channel(installation: str, key: DayKey) -> str:
    """The Redis channel that carries the facts of one doctor's day."""
    return f"mediqon:{installation}:day:{key.doctor_id}:{key.day.isoformat()}"


def echo_channel(installation: str, process: str) -> str:
    """The Redis channel on which a process hears itself, to know that Redis is alive."""
    return f"mediqon:{installation}:echo:{process}"
