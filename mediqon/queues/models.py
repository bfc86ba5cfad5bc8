"""The words of the line: a visit, its status, and the facts of one doctor's day."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from mediqon.hospitals.models import Policy
from mediqon.hospitals.slots import Hours
from mediqon.queues.history import History
from mediqon.queues.shown import Shown


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


IN_LINE = frozenset({Status.CHECKED_IN, Status.BOOKED})
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


class PlaceRule(StrEnum):
    """Which rule gave a visit its place in line."""

    SLOT = "SLOT"
    LATE = "LATE"
    WALK_IN = "WALK_IN"
    RETURNED = "RETURNED"
    MOVED = "MOVED"


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
    place_rule: PlaceRule
    issued_by: int
    """The doctor whose seat and label it has, also after a transfer."""
    seat: int | None
    scheduled_at: datetime | None
    booked_at: datetime
    checked_in_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    calls: int = 0
    """Calls and recalls since the visit last came into line."""

    @property
    def image(self) -> "VisitImage":
        return msgspec.convert(self, VisitImage, from_attributes=True)

    def restored(self, image: "VisitImage") -> "Visit":
        """This visit as it was, one version on."""
        return msgspec.structs.replace(self, version=self.version + 1, **msgspec.structs.asdict(image))


class VisitImage(msgspec.Struct, frozen=True, kw_only=True):
    """All of a visit that a verb of the desk may change: what an undo puts back."""

    status: Status
    priority: Priority
    due_at: datetime
    place_rule: PlaceRule
    checked_in_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    calls: int = 0


class DayImage(msgspec.Struct, frozen=True, kw_only=True):
    """All of a day itself that the desk may change."""

    state: QueueState = QueueState.OPEN
    delay_minutes: int = 0
    delayed_at: datetime | None = None
    paused_until: datetime | None = None
    pause_reason: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What an event keeps of before and after: of one visit, of the day itself, or both."""

    visit: VisitImage | None = None
    day: DayImage | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of one doctor's day at one version: what is published, and all that a frame is made of."""

    doctor_id: int
    doctor: str
    room: str
    slot_minutes: int
    token_prefix: str
    hospital_id: int
    hospital: str
    timezone: str
    settings: Policy
    day: date
    version: int
    state: QueueState
    delay_minutes: int
    delayed_at: datetime | None
    paused_until: datetime | None
    pause_reason: str | None
    call_seq: int
    hours: tuple[Hours, ...]
    """The doctor's windows on this day and, with capacity 0, leave."""
    visits: Sequence[Visit]
    history: History | None = None
    """What the doctor's closed days have taught."""
    shown: Sequence[Shown] = ()
    """What patients in line were told with this version, or before it."""
    told_at: datetime | None = None
    """When all of them were told that, if it was with this version; null for a day that was read."""

    @property
    def key(self) -> DayKey:
        return DayKey(self.doctor_id, self.day)

    def visit(self, visit_id: int) -> Visit:
        """The visit of that id. Raises LookupError if it is not of this day."""
        for visit in reversed(self.visits):  # most often the latest is asked for
            if visit.id == visit_id:
                return visit
        raise LookupError(visit_id)

    @property
    def day_image(self) -> DayImage:
        return msgspec.convert(self, DayImage, from_attributes=True)

    def with_day(self, image: DayImage) -> "Facts":
        return msgspec.structs.replace(self, **msgspec.structs.asdict(image))
