"""The line as a clinic would explain it on a whiteboard: a tiny model, kept apart from the code that it judges."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

GRACE, WALK_IN_WAIT, LEAD = timedelta(minutes=10), timedelta(minutes=15), timedelta(minutes=20)
RETURN_AFTER = 2
STEP = timedelta(microseconds=1)
OPEN_VISIT = {"BOOKED", "CHECKED_IN", "CALLED", "IN_CONSULTATION", "ON_HOLD"}
IN_ROOM = {"CALLED", "IN_CONSULTATION"}


@dataclass(frozen=True)
class Visit:
    """What the desk may change of a visit: what an undo puts back."""

    status: str
    due: datetime
    priority: str = "NORMAL"
    came: datetime | None = None
    called: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    calls: int = 0


@dataclass(frozen=True)
class Day:
    state: str = "OPEN"
    delay: int = 0
    delayed_at: datetime | None = None
    paused_until: datetime | None = None


@dataclass
class Step:
    """One change of the desk's: what it replaced and what it made. `final`: it cannot be taken back."""

    before: dict[int, Visit]
    after: dict[int, Visit]
    day_before: Day
    day_after: Day
    final: bool = False


@dataclass
class Line:
    """One doctor's day."""

    date: date
    visits: dict[int, Visit] = field(default_factory=dict[int, Visit])
    versions: dict[int, int] = field(default_factory=dict[int, int])
    slots: dict[int, datetime] = field(default_factory=dict[int, datetime])
    patients: dict[int, int] = field(default_factory=dict[int, int])
    day: Day = field(default_factory=Day)
    version: int = 0
    call_seq: int = 0
    steps: list[Step] = field(default_factory=list[Step])

    def place(self, visit_id: int) -> tuple[bool, datetime, datetime, int]:
        visit = self.visits[visit_id]
        return visit.priority != "EMERGENCY", visit.due, visit.came or visit.due, visit_id

    def part(self, *statuses: str) -> list[int]:
        return sorted((v for v, visit in self.visits.items() if visit.status in statuses), key=self.place)

    def room(self) -> list[int]:
        inside = [v for v, visit in self.visits.items() if visit.status in IN_ROOM]
        return sorted(inside, key=lambda v: (self.visits[v].called or self.visits[v].due, v))

    def seat_taken(self, at: datetime) -> bool:
        holders = [v for v, slot in self.slots.items() if slot == at]
        return any(self._holds_seat(v) for v in holders)

    def _holds_seat(self, visit_id: int) -> bool:
        """Who went to a colleague took the seat along."""
        visit = self.visits.get(visit_id)
        return visit is None or visit.status != "CANCELLED" or visit.came is not None

    def open_visit_of(self, patient: int, but: int = 0) -> bool:
        own = [v for v, who in self.patients.items() if who == patient and v != but and v in self.visits]
        return any(self.visits[v].status in OPEN_VISIT for v in own)

    def add(self, visit_id: int, visit: Visit, patient: int, slot: datetime | None = None) -> None:
        self.visits[visit_id], self.versions[visit_id], self.patients[visit_id] = visit, 1, patient
        if slot:
            self.slots[visit_id] = slot
        self.version += 1

    def change(
        self, changed: dict[int, Visit], *, day: Day | None = None, staff: bool = True, final: bool = False
    ) -> None:
        before = {v: self.visits[v] for v in changed}
        step = Step(before, changed, self.day, day or self.day, final)
        self._apply(changed, step.day_after)
        if staff:
            self.steps.append(step)

    def _apply(self, changed: dict[int, Visit], day: Day) -> None:
        for visit_id, visit in changed.items():
            self.visits[visit_id] = visit
            self.versions[visit_id] += 1
        self.day = day
        self.version += 1

    def leave(self, visit_id: int) -> None:
        """The visit goes to another doctor."""
        self.steps.append(Step({}, {}, self.day, self.day, final=True))
        del self.visits[visit_id]
        self.version += 1

    def moved(self, visit_id: int, to: str, now: datetime, *, told: bool = False) -> Visit:
        """`told`: they come late, but by when they were told to be here."""
        visit = self.visits[visit_id]
        ended = now if to in {"COMPLETED", "NO_SHOW", "CANCELLED"} else None
        if to == "CHECKED_IN":
            return replace(
                visit, status=to, due=self._due(visit_id, now, told), came=visit.came or now, calls=0, ended=ended
            )
        if to == "CALLED":
            came, calls = visit.came or now, visit.calls + 1
            return replace(visit, status=to, called=now, started=None, came=came, calls=calls, ended=ended)
        started = now if to == "IN_CONSULTATION" else visit.started
        return replace(visit, status=to, started=started, ended=ended)

    def _due(self, visit_id: int, now: datetime, told: bool) -> datetime:
        visit, slot = self.visits[visit_id], self.slots.get(visit_id)
        if visit.status == "ON_HOLD":
            return self._due_back(visit)
        if slot and (told or now <= slot + GRACE):
            return visit.due
        return now + WALK_IN_WAIT - (LEAD if visit.priority == "PRIORITY" else timedelta())

    def _due_back(self, visit: Visit) -> datetime:
        waiting = self.part("CHECKED_IN")
        first = 0 if visit.started else RETURN_AFTER
        ahead, behind = (
            [self.visits[v].due for v in part if self.visits[v].priority != "EMERGENCY"]
            for part in (waiting[:first], waiting[first:])
        )
        return max(ahead) + STEP if ahead else min([visit.due, *(due - STEP for due in behind)])

    def call(self, visit_id: int, now: datetime, completed: list[int]) -> None:
        changed = {v: self.moved(v, "COMPLETED", now) for v in completed}
        changed[visit_id] = self.moved(visit_id, "CALLED", now)
        there = replace(self.day, delay=0, delayed_at=None)
        self.call_seq += 1
        self.change(changed, day=there)

    def undo(self) -> str | None:
        """Takes the last step back, or says which refusal is due."""
        if not self.steps:
            return "nothing_to_undo"
        step = self.steps[-1]
        changed_since = any(self.visits.get(v) != after for v, after in step.after.items())
        day_changed = step.day_before != step.day_after
        if step.final or changed_since or (day_changed and self.day != step.day_after) or self._collides(step):
            return "cannot_undo"
        self.steps.pop()
        self._apply(step.before, step.day_before if day_changed else self.day)
        return None

    def _collides(self, step: Step) -> bool:
        """Whether a seat, or the patient's one place a day, has been given anew meanwhile."""
        return any(
            visit.status in OPEN_VISIT
            and self.visits[v].status not in OPEN_VISIT
            and (
                self.open_visit_of(self.patients[v], but=v)
                or (self.visits[v].status == "CANCELLED" and v in self.slots and self._resold(v))
            )
            for v, visit in step.before.items()
        )

    def _resold(self, visit_id: int) -> bool:
        others = [v for v, slot in self.slots.items() if slot == self.slots[visit_id] and v != visit_id]
        return any(self._holds_seat(v) for v in others)
