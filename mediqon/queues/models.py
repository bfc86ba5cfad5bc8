"""The words of the line: a visit, its status, and the facts of one doctor's day."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Status(StrEnum):
    """Where a visit has come to."""

    BOOKED = "BOOKED"
    CHECKED_IN = "CHECKED_IN"
    CALLED = "CALLED"
    IN_CONSULTATION = "IN_CONSULTATION"
    ON_HOLD = "ON_HOLD"
    COMPLETED = "COMPLETED"
    NO_SHOW = "NO_SHOW"
    CANCELLED = "CANCELLED"


IN_ROOM = frozenset({Status.CALLED, Status.IN_CONSULTATION})
OVER = frozenset({Status.COMPLETED, Status.NO_SHOW, Status.CANCELLED})


class Priority(StrEnum):
    NORMAL = "NORMAL"
    PRIORITY = "PRIORITY"
    EMERGENCY = "EMERGENCY"


class QueueState(StrEnum):
    OPEN = "OPEN"
    PAUSED = "PAUSED"
    CLOSED = "CLOSED"


class DayKey(NamedTuple):
    """One doctor's day; `day` is a date in the hospital's timezone."""

    doctor_id: int
    day: date


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the line, in minutes unless named otherwise: a hospital's settings over these defaults."""

    late_grace: int = 10
    walk_in_wait: int = 15
    priority_lead: int = 20
    return_after: int = 2
    """Patients who go first when somebody comes back from ON_HOLD."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One visit as stored. `due_at` is its place in line; `scheduled_at` the slot, null for walk-ins. All UTC."""

    id: int
    patient_id: int
    patient: str
    token: str
    code: str
    status: Status
    priority: Priority
    version: int
    reason: str | None
    due_at: datetime
    scheduled_at: datetime | None
    booked_at: datetime
    checked_in_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of one doctor's day at one version: what is published, and all that a frame is made of."""

    doctor_id: int
    doctor: str
    room: str
    slot_minutes: int
    hospital_id: int
    hospital: str
    timezone: str
    settings: Policy
    day: date
    version: int
    state: QueueState
    delay_minutes: int
    message: str | None
    call_seq: int
    visits: Sequence[Visit]

    @property
    def key(self) -> DayKey:
        return DayKey(self.doctor_id, self.day)

    def visit(self, visit_id: int) -> Visit:
        """The visit of that id. Raises LookupError if it is not of this day."""
        for visit in self.visits:
            if visit.id == visit_id:
                return visit
        raise LookupError(visit_id)
