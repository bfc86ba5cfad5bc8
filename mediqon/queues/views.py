"""Facts in, frames out: what each audience sees of a day. Touches nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mediqon.live.channels import Appointment, DeskFrame, Person, PublicToken, QueueFrame, TokenDoctor, TokenView
from mediqon.queues import estimate, rules
from mediqon.queues.models import IN_ROOM, OVER, Facts, PlaceRule, Priority, QueueState, Status, Visit
from mediqon.queues.tidings import tidings

RECENT_TOKENS = 5
BE_HERE_STEP_MINUTES = 5


class Place(NamedTuple):
    """Where a visit stands: `ahead` people go first; no window where no honest one can be given."""

    ahead: int
    window: estimate.Window | None


class Outlook:
    """The line of a day as of one instant: computed once, shown to every audience."""

    def __init__(self, facts: Facts, now: datetime) -> None:
        self.facts = facts
        self.now = now
        self.now_serving = rules.in_room(facts.visits)
        self.waiting = rules.call_order(facts.visits)
        self.booked = rules.expected_order(facts.visits)
        self.places = self._places(now)

    def _places(self, now: datetime) -> Mapping[int, Place]:
        line = sorted([*self.waiting, *self.booked], key=rules.place)
        windows = self._windows(line, now)
        places: dict[int, Place] = {}
        here = 0
        for index, visit in enumerate(line):
            waiting = visit.status is Status.CHECKED_IN
            places[visit.id] = Place(here if waiting else index, windows[index])
            here += waiting
        return places

    def _windows(self, line: list[Visit], now: datetime) -> list[estimate.Window] | list[None]:
        facts = self.facts
        resting = facts.state is QueueState.PAUSED
        if facts.state is QueueState.CLOSED or (resting and facts.paused_until is None):
            return [None] * len(line)
        current = self.now_serving[-1] if self.now_serving else None
        return estimate.forecast(
            [estimate.Pending(visit.scheduled_at if visit.status is Status.BOOKED else None) for visit in line],
            now=now,
            slot_minutes=facts.slot_minutes,
            in_room_since=current and (current.started_at or current.called_at),
            away_until=facts.paused_until,
            delay_minutes=self._delay_left(line, now),
        )

    def _delay_left(self, line: list[Visit], now: datetime) -> float:
        """Minutes of announced lateness still to come: before the first call they count from the first slot."""
        facts = self.facts
        if facts.delayed_at is None:
            return 0.0
        begins = facts.delayed_at
        if not any(visit.called_at for visit in facts.visits):
            begins = max([begins, *(visit.scheduled_at for visit in line[:1] if visit.scheduled_at)])
        ends = begins + timedelta(minutes=facts.delay_minutes)
        return max((ends - now).total_seconds() / 60, 0.0)


def message(facts: Facts) -> str | None:
    """What everybody should know about this day, in a sentence; never what somebody typed."""
    if facts.state is QueueState.CLOSED:
        return "Closed for today."
    if facts.state is QueueState.PAUSED:
        if facts.paused_until is None:
            return "Paused: the line goes on soon."
        until = facts.paused_until.astimezone(ZoneInfo(facts.timezone))
        return f"Paused until about {until:%H:%M}."
    return f"Running about {facts.delay_minutes} minutes late." if facts.delay_minutes else None


def public_frame(outlook: Outlook) -> QueueFrame:
    """What the waiting-room screen of this day shows, without `sent_at`."""
    facts = outlook.facts
    calls = [visit.called_at for visit in facts.visits if visit.called_at is not None]
    return QueueFrame(
        doctor_id=facts.doctor_id,
        doctor=facts.doctor,
        room=facts.room,
        hospital=facts.hospital,
        timezone=facts.timezone,
        date=facts.day,
        version=facts.version,
        state=facts.state,
        message=message(facts),
        delay_minutes=facts.delay_minutes,
        paused_until=facts.paused_until,
        now_serving=[visit.token for visit in outlook.now_serving],
        recent=_recent(facts),
        called_at=max(calls, default=None),
        call_seq=facts.call_seq,
        tokens=[_public_token(outlook, visit) for visit in (*outlook.waiting, *outlook.booked)],
    )


def desk_frame(outlook: Outlook) -> DeskFrame:
    """The staff queue of this day, without `sent_at`."""
    facts = outlook.facts
    held = sorted((v for v in facts.visits if v.status is Status.ON_HOLD), key=rules.place)
    done = sorted(
        (v for v in facts.visits if v.status in OVER), key=lambda v: (v.ended_at or v.due_at, v.id), reverse=True
    )
    return DeskFrame(
        doctor_id=facts.doctor_id,
        doctor=facts.doctor,
        room=facts.room,
        hospital=facts.hospital,
        timezone=facts.timezone,
        date=facts.day,
        version=facts.version,
        state=facts.state,
        message=message(facts),
        delay_minutes=facts.delay_minutes,
        paused_until=facts.paused_until,
        pause_reason=facts.pause_reason,
        now=[appointment(outlook, visit) for visit in outlook.now_serving],
        waiting=[appointment(outlook, visit) for visit in outlook.waiting],
        booked=[appointment(outlook, visit) for visit in outlook.booked],
        held=[appointment(outlook, visit) for visit in held],
        done=[appointment(outlook, visit) for visit in done],
    )


def appointment(outlook: Outlook, visit: Visit) -> Appointment:
    """One visit as its patient and its staff see it."""
    place = outlook.places.get(visit.id)
    window = place and place.window
    return Appointment(
        id=visit.id,
        doctor_id=outlook.facts.doctor_id,
        hospital_id=outlook.facts.hospital_id,
        patient=Person(visit.patient_id, visit.patient),
        date=outlook.facts.day,
        token=visit.token,
        code=visit.code,
        status=visit.status,
        priority=visit.priority,
        version=visit.version,
        reason=visit.reason,
        scheduled_at=visit.scheduled_at,
        late_minutes=_late_minutes(visit),
        booked_at=visit.booked_at,
        checked_in_at=visit.checked_in_at,
        called_at=visit.called_at,
        started_at=visit.started_at,
        ended_at=visit.ended_at,
        position=place.ahead + 1 if place else None,
        ahead=place.ahead if place else None,
        expected_at=window.expected if window else None,
        expected_from=window.earliest if window else None,
        expected_to=window.latest if window else None,
        why=why(outlook, visit),
    )


def token_view(outlook: Outlook, visit: Visit, *, stale: bool) -> TokenView:
    """What the phone of whoever holds this visit's code shows. When `stale`, times are left out."""
    facts = outlook.facts
    place = outlook.places.get(visit.id)
    window = place.window if place and not stale else None
    headline, advice = tidings(facts, visit, place.ahead if place else None, now=outlook.now)
    return TokenView(
        token=visit.token,
        status=visit.status,
        doctor=TokenDoctor(facts.doctor_id, facts.doctor, facts.room),
        hospital=facts.hospital,
        timezone=facts.timezone,
        date=facts.day,
        now_serving=[each.token for each in outlook.now_serving],
        position=place.ahead + 1 if place else None,
        ahead=place.ahead if place else None,
        expected_at=window.expected if window else None,
        expected_from=window.earliest if window else None,
        expected_to=window.latest if window else None,
        be_here_by=_be_here_by(visit, window),
        why=why(outlook, visit, public=True),
        message=message(facts),
        version=facts.version,
        stale=stale,
        scheduled_at=visit.scheduled_at,
        headline=headline,
        advice=advice,
        may=rules.left_to_patient(facts, visit, now=outlook.now),
    )


def why(outlook: Outlook, visit: Visit, *, public: bool = False) -> str:
    """One sentence that explains the place in line; the `public` one never speaks of priority."""
    place = outlook.places.get(visit.id)
    if place is None:
        return _AFTERWARDS[visit.status]
    if visit.status is Status.BOOKED:
        return f"Booked; {_people(place.ahead)} before this one. The place is held until the slot and a little after."
    if visit.priority is Priority.EMERGENCY and not public:
        return "An emergency goes to the front of the line."
    if visit.priority is Priority.PRIORITY and not public:
        return f"Brought forward once by priority; {_people(place.ahead)} before this one."
    return f"{_PLACES[visit.place_rule]}; {_people(place.ahead)} before this one."


_PLACES = {
    PlaceRule.SLOT: "Here and in line by booked time",
    PlaceRule.LATE: "Here, but too late for the slot: in line as a walk-in from arrival on",
    PlaceRule.WALK_IN: "Here and in line as a walk-in, behind those booked for this time",
    PlaceRule.RETURNED: "Back in line after a hold",
    PlaceRule.MOVED: "Put here by the desk",
}


_AFTERWARDS = {
    Status.BOOKED: "Booked.",
    Status.CHECKED_IN: "Here and in line.",
    Status.CALLED: "Called: please go in.",
    Status.IN_CONSULTATION: "With the doctor.",
    Status.ON_HOLD: "On hold: back in line after a word with the desk.",
    Status.COMPLETED: "Seen by the doctor.",
    Status.NO_SHOW: "Marked as not come; the desk can put it back in line.",
    Status.CANCELLED: "Cancelled.",
}


def _people(count: int) -> str:
    return "nobody goes" if count == 0 else "1 person goes" if count == 1 else f"{count} people go"


def _recent(facts: Facts) -> list[str]:
    """The tokens called before those now in the room, the latest first."""
    called = [visit for visit in facts.visits if visit.called_at is not None and visit.status not in IN_ROOM]
    called.sort(key=lambda visit: (visit.called_at or visit.due_at, visit.id), reverse=True)
    return [visit.token for visit in called[:RECENT_TOKENS]]


def _public_token(outlook: Outlook, visit: Visit) -> PublicToken:
    place = outlook.places[visit.id]
    window = place.window
    return PublicToken(
        token=visit.token,
        status=visit.status,
        ahead=place.ahead,
        expected_at=window.expected if window else None,
        expected_from=window.earliest if window else None,
        expected_to=window.latest if window else None,
    )


def _late_minutes(visit: Visit) -> int:
    """Only a patient who said so is due after the slot before having come."""
    if visit.status is not Status.BOOKED or visit.scheduled_at is None:
        return 0
    return max(round((visit.due_at - visit.scheduled_at).total_seconds() / 60), 0)


def _be_here_by(visit: Visit, window: estimate.Window | None) -> datetime | None:
    """The early end of the range, down to five minutes, for somebody who is not here yet."""
    if window is None or visit.status is not Status.BOOKED:
        return None
    return window.earliest - timedelta(minutes=window.earliest.minute % BE_HERE_STEP_MINUTES)
