"""A day told once more by its events: first calls, time in the room, and who passed whom. Touches nothing."""

from datetime import datetime

import msgspec

from mediqon.auth.models import Role
from mediqon.queues import rules
from mediqon.queues.models import IN_ROOM, Facts, PlaceRule, Priority, Snapshot, Status, Visit, VisitImage

OVERRIDES = frozenset({"priority", "place", "undo"})


class Who(msgspec.Struct, frozen=True):
    """Who did it."""

    id: int
    name: str
    role: Role


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the day as stored; no actor is the server itself. `undone`: somebody took it back."""

    at: datetime
    actor: Who | None
    verb: str
    appointment_id: int | None
    token: str | None
    reason: str | None
    before: Snapshot
    after: Snapshot
    undone: bool


class Overtake(msgspec.Struct, frozen=True, kw_only=True):
    """`token` was called before others whose turn was earlier by slot and arrival; `reason`: the last override's."""

    at: datetime
    actor: Who | None
    token: str
    priority: Priority
    passed: list[str]
    reason: str | None


class Replay:
    """The day told once more: when each visit was first called, how long it was in the room, whom it passed."""

    def __init__(self, facts: Facts) -> None:
        self._visits = {visit.id: visit for visit in facts.visits}
        self._policy = facts.settings
        self._standing: dict[int, VisitImage] = {}
        self._came: dict[int, datetime] = {}
        self._reasons: dict[int, str | None] = {}
        self.called: dict[int, datetime] = {}
        self.minutes: dict[int, float] = {}
        self.overtakes: list[Overtake] = []

    def follow(self, deed: Deed) -> None:
        visit = self._visits.get(deed.appointment_id or 0)
        if visit is None:
            return  # it has gone to another doctor or day since: its story is told there
        if deed.verb in {"check_in", "walk_in"}:
            self._came[visit.id] = deed.at
        if deed.verb in OVERRIDES:
            self._reasons[visit.id] = deed.reason
        if deed.verb == "call" and visit.id not in self.called:
            self._note_overtake(visit, deed)
            self.called[visit.id] = deed.at
        self._measure(visit, deed)
        if deed.after.visit is None:
            self._standing.pop(visit.id, None)
        else:
            self._standing[visit.id] = deed.after.visit

    def _note_overtake(self, visit: Visit, deed: Deed) -> None:
        turn = self._turn(visit)
        passed = [
            other
            for other_id, image in self._standing.items()
            if image.status is Status.CHECKED_IN and other_id not in self.called
            for other in [self._visits[other_id]]
            if self._turn(other) < turn
        ]
        if passed:
            self.overtakes.append(
                Overtake(
                    at=deed.at,
                    actor=deed.actor,
                    token=visit.token,
                    priority=deed.after.visit.priority if deed.after.visit else visit.priority,
                    passed=[other.token for other in sorted(passed, key=self._turn)],
                    reason=self._reasons.get(visit.id, deed.reason),
                )
            )

    def _turn(self, visit: Visit) -> tuple[datetime, datetime, int]:
        """The place that slot and arrival alone give; who came back from hold has the place of the return."""
        image = self._standing.get(visit.id)
        came = self._came.get(visit.id) or visit.checked_in_at or visit.due_at
        if image is not None and image.place_rule is PlaceRule.RETURNED:
            return image.due_at, came, visit.id
        slot = visit.scheduled_at or visit.due_at
        plain = msgspec.structs.replace(visit, priority=Priority.NORMAL, due_at=slot)
        return rules.placed_at_check_in(plain, policy=self._policy, now=came)[0], came, visit.id

    def _measure(self, visit: Visit, deed: Deed) -> None:
        """Adds the time in the room that ends here. Who only was called and did not come was not in it."""
        before, after = deed.before.visit, deed.after.visit
        if before is None or before.called_at is None or (after and after.status in IN_ROOM):
            return
        seen = before.status is Status.IN_CONSULTATION or (before.status is Status.CALLED and deed.verb == "complete")
        if seen and deed.actor is not None:  # when the server closed the day, nobody knows how long it was
            spent = deed.at - (before.started_at or before.called_at)
            self.minutes[visit.id] = self.minutes.get(visit.id, 0.0) + spent.total_seconds() / 60
