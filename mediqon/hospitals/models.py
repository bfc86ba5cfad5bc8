"""Buildings, doctors, hours and screens, as the wire has them."""

from datetime import datetime

import msgspec

from mediqon.fields import (
    Calls,
    Capacity,
    Clock,
    CutoffMinutes,
    DoctorIds,
    Email,
    EndClock,
    HorizonDays,
    Languages,
    Line,
    Name,
    NewPassword,
    Places,
    Rooms,
    SlotMinutes,
    Timezone,
    TokenPrefix,
    Wait,
    WalkIns,
    Weekday,
)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the line and of booking: a hospital's settings over these defaults."""

    late_grace_minutes: Wait = 10
    """So long after the slot a booked patient still keeps it."""
    walk_in_wait_minutes: Wait = 15
    """Somebody without a slot, or too late for it, is due so long after check-in."""
    priority_lead_minutes: Wait = 20
    """So much earlier is a PRIORITY visit due, once."""
    return_after: Places = 2
    """Patients who go first when somebody comes back from ON_HOLD; none when the doctor had sent them away."""
    calls_before_hold: Calls = 2
    """So many calls without an answer, and the desk is told to hold the visit."""
    rooms: Rooms = 1
    """Patients a doctor sees at once: call-next completes somebody only when these are taken."""
    walk_ins_per_day: WalkIns = 500
    horizon_days: HorizonDays = 180
    """So many days from today on can be booked."""
    cancel_cutoff_minutes: CutoffMinutes = 0
    """A patient may cancel or move a booking until so long before the slot; the desk always may."""
    patient_check_in: bool = True
    """Whether patients may check in by themselves, on their phones."""


class HospitalSettings(Policy, frozen=True, kw_only=True):
    """What a hospital decides about itself. `timezone` is an IANA name."""

    name: str
    timezone: str


class SettingsChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    name: Name | None = None
    timezone: Timezone | None = None
    late_grace_minutes: Wait | None = None
    walk_in_wait_minutes: Wait | None = None
    priority_lead_minutes: Wait | None = None
    return_after: Places | None = None
    calls_before_hold: Calls | None = None
    rooms: Rooms | None = None
    walk_ins_per_day: WalkIns | None = None
    horizon_days: HorizonDays | None = None
    cancel_cutoff_minutes: CutoffMinutes | None = None
    patient_check_in: bool | None = None


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
    """A doctor and the account to log in with. Without a `token_prefix`: the first letter no colleague has."""

    name: Name
    email: Email
    password: NewPassword
    specialty: Line = ""
    room: Line = ""
    token_prefix: TokenPrefix | None = None
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

    def runs_into(self, later: "Window") -> bool:
        """Whether a window that does not start earlier begins before this one ends."""
        return self.weekday == later.weekday and later.start < self.end


class DateWindow(msgspec.Struct, forbid_unknown_fields=True):
    """Hours of one date."""

    start: Clock
    end: EndClock
    capacity: Capacity = 1


class DateHours(msgspec.Struct, forbid_unknown_fields=True):
    """What holds on one date instead of the week's hours; no windows at all is a day off."""

    windows: list[DateWindow]


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
    """`key` opens the screen to whoever has it; `url` is its page. `last_seen_at` is null until it was opened."""

    id: int
    name: str
    key: str
    url: str
    doctor_ids: list[int]
    languages: list[str]
    last_seen_at: datetime | None
