"""Buildings, doctors, hours and screens, as the wire has them."""

import msgspec

from mediqon.fields import (
    Capacity,
    Clock,
    DoctorIds,
    Email,
    EndClock,
    Languages,
    Line,
    Name,
    NewPassword,
    SlotMinutes,
    TokenPrefix,
    Weekday,
)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the line and of booking: a hospital's settings over these defaults."""

    late_grace_minutes: int = 10
    """So long after the slot a booked patient still keeps it."""
    walk_in_wait_minutes: int = 15
    """Somebody without a slot, or too late for it, is due so long after check-in."""
    priority_lead_minutes: int = 20
    return_after: int = 2
    """Patients who go first when somebody comes back from ON_HOLD; none when the doctor had sent them away."""
    rooms: int = 1
    """Patients a doctor sees at once: call-next completes somebody only when these are taken."""
    walk_ins_per_day: int = 500
    horizon_days: int = 180
    cancel_cutoff_minutes: int = 0
    """A patient may cancel or move a booking until so long before the slot; the desk always may."""
    patient_check_in: bool = True


class Hospital(msgspec.Struct, frozen=True):
    """`timezone` is an IANA name."""

    id: int
    name: str
    timezone: str


class Doctor(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    hospital_id: int
    name: str
    specialty: str
    room: str
    token_prefix: str
    slot_minutes: int


class NewDoctor(msgspec.Struct, forbid_unknown_fields=True):
    """A doctor and the account to log in with."""

    name: Name
    email: Email
    password: NewPassword
    specialty: Line = ""
    room: Line = ""
    token_prefix: TokenPrefix = "A"  # noqa: S105
    slot_minutes: SlotMinutes = 10


class DoctorChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    name: Name | None = None
    email: Email | None = None
    specialty: Line | None = None
    room: Line | None = None
    token_prefix: TokenPrefix | None = None
    slot_minutes: SlotMinutes | None = None


class Window(msgspec.Struct, forbid_unknown_fields=True):
    """Weekly hours; `weekday` 0 is Monday. `capacity` patients share each slot."""

    weekday: Weekday
    start: Clock
    end: EndClock
    capacity: Capacity = 1


class Schedule(msgspec.Struct, forbid_unknown_fields=True):
    """A doctor's week; the gaps between windows are the breaks."""

    windows: list[Window]


class Slot(msgspec.Struct, frozen=True):
    """One seat of a day: local time, the token it would get, whether it can be booked."""

    time: str
    token: str
    free: bool


class Slots(msgspec.Struct, frozen=True):
    date: str
    slots: list[Slot]


class NewDisplay(msgspec.Struct, forbid_unknown_fields=True):
    """A waiting-room screen for one to eight doctors."""

    name: Name
    doctor_ids: DoctorIds
    languages: Languages = msgspec.field(default_factory=lambda: ["en"])


class Display(msgspec.Struct, frozen=True):
    """`key` opens the screen to whoever has it; `url` is its page."""

    id: int
    name: str
    def runs_into(self, later: "Window") -> bool:
        """Whether a window that does not start earlier begins before this one ends."""
        return self.weekday == later.weekday and later.start < self.end

    key: str
    url: str
    doctor_ids: list[int]
    languages: list[str]
