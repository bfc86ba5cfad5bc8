"""Facts in, frames out: what each audience sees of a day. Touches nothing."""

from collections import OrderedDict
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from mediqon.live.channels import (
    Appointment,
    Because,
    DeskFrame,
    Person,
    PublicToken,
    QueueFrame,
    TokenDoctor,
    TokenView,
)
from mediqon.queues import rules, scene
from mediqon.queues.estimate import Pass
from mediqon.queues.models import IN_ROOM, OVER, Facts, QueueState, Status, Visit
from mediqon.queues.reasons import sentence
from mediqon.queues.shown import Shown, Stir, Window, in_order, instant, show
from mediqon.queues.tidings import tidings

HERE, AWAITED = Status.CHECKED_IN, Status.BOOKED  # Python 3.11 is slow to find them
RECENT_TOKENS = 5
JUST_TOLD = timedelta(seconds=5)
"""So long, within its minute, what a change told is shown as it is. Clocks of two hosts may differ a little."""


class Place(NamedTuple):
    """Where a visit stands: `ahead` people go first; no window where no honest one can be given."""

    ahead: int
    window: Window | None


def stands(told: datetime | None, now: datetime) -> bool:
    """Within its minute: by the next one the clock may have moved times, and no screen goes back to earlier ones."""
    return told is not None and abs(now - told) <= JUST_TOLD and now.timestamp() // 60 == told.timestamp() // 60


class Outlook:
    """The line of a day as of one instant. What somebody is told is worked out when it is first asked for.

    `stir`: what has just been done, which decides how firmly shown times hold. By the clock alone, what has just been
    told stands, so that the many processes which draw a change need not work out again what one of them has.
    """

    def __init__(self, facts: Facts, now: datetime, stir: Stir = Stir.CLOCK) -> None:
        self.facts, self.now, self._stir = facts, now, stir
        self._line = rules.line(facts.visits)
        self.waiting = [visit for visit in self._line if visit.status is HERE]
        self._index = {visit.id: index for index, visit in enumerate(self._line)}
        self.ahead = self._index | {visit.id: index for index, visit in enumerate(self.waiting)}
        self._before = {each.visit_id: each for each in facts.shown}
        self._told = self._before.copy() if stir is Stir.CLOCK and stands(facts.told_at, now) else {}

    @cached_property
    def now_serving(self) -> list[Visit]:
        return rules.in_room(self.facts.visits)

    @cached_property
    def booked(self) -> list[Visit]:
        return [visit for visit in self._line if visit.status is AWAITED]

    @cached_property
    def _predictions(self) -> Pass | None:
        return scene.predictions(self.facts, self._line, self.now)

    def place(self, visit: Visit) -> Place | None:
        """Where a visit stands; null for one that is not in line."""
        ahead = self.ahead.get(visit.id)
        if ahead is None:
            return None
        told = self.told(visit)
        return Place(ahead, told and told.window)

    def told(self, visit: Visit) -> Shown | None:
        """What the holder of a visit in line is told, holding on to what was shown before; null for everybody else."""
        if (known := self._told.get(visit.id)) is not None or visit.id not in self.ahead or self._predictions is None:
            return known
        if visit.status is AWAITED:
            return self._told.setdefault(visit.id, self._show(visit))
        ahead: Shown | None = None
        for each in self.waiting[: self.ahead[visit.id] + 1]:
            if each.id not in self._told:
                shown = self._show(each)
                self._told[each.id] = in_order(shown, ahead) if ahead else shown
            ahead = self._told[each.id]
        return ahead

    def _show(self, visit: Visit) -> Shown:
        assert self._predictions is not None
        prediction = self._predictions[self._index[visit.id]]
        slot = visit.scheduled_at if visit.status is Status.BOOKED else None
        before = self._before.get(visit.id)
        return show(visit.id, prediction, before, now=self.now, slot=slot, stir=self._stir)

    @property
    def shown(self) -> list[Shown]:
        """What everybody in line is told."""
        return [told for visit in (*self.waiting, *self.booked) if (told := self.told(visit))]


_computed: OrderedDict[tuple[int, datetime], Outlook] = OrderedDict()
OUTLOOKS_MAX = 128
"""More than the days that one transaction changes."""


def outlook_on(facts: Facts, now: datetime) -> Outlook:
    """The outlook of a day: computed once while the same facts are written, answered with and shown."""
    return _computed.get((id(facts), now)) or remember(Outlook(facts, now), now)


def remember(outlook: Outlook, now: datetime) -> Outlook:
    """Keeps it for those who ask for the same facts at the same instant; it keeps its facts, so their id is theirs."""
    _computed[id(outlook.facts), now] = outlook
    if len(_computed) > OUTLOOKS_MAX:
        _computed.popitem(last=False)
    return outlook


def message(facts: Facts, now: datetime) -> str | None:
    """What everybody should know about this day, in a sentence; never what somebody typed, nor a time gone by."""
    if facts.state is QueueState.CLOSED:
        return "Closed for today."
    if facts.state is QueueState.PAUSED:
        until = _back_at(facts, now)
        if until is None:
            return "Paused: the line goes on soon."
        until = until.astimezone(ZoneInfo(facts.timezone))
        return f"Paused until about {until:%H:%M}."
    return f"Running about {facts.delay_minutes} minutes late." if facts.delay_minutes else None


def _back_at(facts: Facts, now: datetime) -> datetime | None:
    """The announced end of a pause while it is still to come."""
    return facts.paused_until if facts.paused_until and facts.paused_until > now else None


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
        message=message(facts, outlook.now),
        delay_minutes=facts.delay_minutes,
        paused_until=_back_at(facts, outlook.now),
        now_serving=[visit.token for visit in outlook.now_serving],
        calls=[visit.calls for visit in outlook.now_serving],
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
        message=message(facts, outlook.now),
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
    place = outlook.place(visit)
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
        calls=visit.calls,
        suggested=rules.suggested(visit, policy=outlook.facts.settings),
        position=place.ahead + 1 if place else None,
        ahead=place.ahead if place else None,
        expected_at=window.expected if window else None,
        expected_from=window.earliest if window else None,
        expected_to=window.latest if window else None,
        why=sentence(visit, place and place.ahead, window and window.reason, outlook.facts.timezone, public=False),
    )


def token_view(outlook: Outlook, visit: Visit, *, stale: bool) -> TokenView:
    """What the phone of whoever holds this visit's code shows. When `stale`, times are left out."""
    facts = outlook.facts
    place = outlook.place(visit)
    window = place.window if place and not stale else None
    reason = place.window.reason if place and place.window else None
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
        be_here_by=window.here_by if window and visit.status is Status.BOOKED else None,
        why=sentence(visit, place and place.ahead, reason, facts.timezone, public=True),
        message=message(facts, outlook.now),
        state=facts.state,
        delay_minutes=facts.delay_minutes,
        paused_until=_back_at(facts, outlook.now),
        place=visit.place_rule,
        because=_because(place),
        version=facts.version,
        stale=stale,
        scheduled_at=visit.scheduled_at,
        headline=headline,
        advice=advice,
        may=rules.left_to_patient(facts, visit, now=outlook.now),
    )


def _because(place: Place | None) -> Because | None:
    if place is None or place.window is None:
        return None
    reason = place.window.reason
    begins = instant(reason.begins) if reason.begins else None
    return Because(ahead=reason.ahead, each=reason.each, left=reason.left, rests=reason.rests, begins=begins)


def _recent(facts: Facts) -> list[str]:
    """The tokens called before those now in the room, the latest first."""
    called = [visit for visit in facts.visits if visit.called_at is not None and visit.status not in IN_ROOM]
    called.sort(key=lambda visit: (visit.called_at or visit.due_at, visit.id), reverse=True)
    return [visit.token for visit in called[:RECENT_TOKENS]]


def _public_token(outlook: Outlook, visit: Visit) -> PublicToken:
    told = outlook.told(visit)
    return PublicToken(
        token=visit.token,
        status=visit.status,
        ahead=outlook.ahead[visit.id],
        expected_at=instant(told.expected) if told else None,
        expected_from=instant(told.earliest) if told else None,
        expected_to=instant(told.latest) if told else None,
    )


def _late_minutes(visit: Visit) -> int:
    """Only a patient who said so is due after the slot before having come."""
    if visit.status is not Status.BOOKED or visit.scheduled_at is None:
        return 0
    return max(round((visit.due_at - visit.scheduled_at).total_seconds() / 60), 0)
