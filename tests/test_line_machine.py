"""Anybody does anything at any time, over HTTP, and after each step the line is exactly what a tiny model says.

MEDIQON_MACHINE_EXAMPLES is how many days are played (40 steps each).
"""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from builders import Answer, Asker, Clinic, Server
from conftest import Clock
from line_model import Day, Line, Visit
from table import TABLE, allowed, ever

pytestmark = pytest.mark.anyio

T = TypeVar("T")
EXAMPLES = int(os.environ.get("MEDIQON_MACHINE_EXAMPLES", "40"))
STEPS = 40
TOKEN_MINUTES = 8
SLOTS = 24
WAIT = timedelta(minutes=15)

desk = st.sampled_from(["doctor", "hospital"])
anyone = st.sampled_from(["doctor", "hospital", "patient"])
number = st.integers(0, 30)
priorities = st.sampled_from(["NORMAL", "PRIORITY", "EMERGENCY"])


class Machine(RuleBasedStateMachine):
    """One doctor's day in Kolkata, 09:00 to 13:00 in ten-minute slots."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    clinic: ClassVar[Clinic]
    clock: ClassVar[Clock]
    patients: ClassVar[list[tuple[int, Asker]]]
    steps: ClassVar[int] = 0

    @initialize()
    def a_new_doctor_opens(self) -> None:
        self.clock.now = (self.clock.now + timedelta(days=1)).replace(hour=3, minute=30, second=0, microsecond=0)
        self.fresh: dict[str, datetime] = {}
        self.as_(self.clinic.reception)
        self.doctor_id, self.doctor = self.run(self.clinic.add_doctor())
        self.other_id, _ = self.run(self.clinic.add_doctor())
        self.line = Line(self.clock.now.date())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def as_(self, asker: Asker) -> Asker:
        """The same, with a token that has not expired."""
        known = self.fresh.get(asker.email)
        if known is None or self.clock.now - known > timedelta(minutes=TOKEN_MINUTES):
            self.run(asker.log_in_again())
            self.fresh[asker.email] = self.clock.now
        return asker

    def asker(self, role: str, visit: int = 0) -> Asker:
        if role == "patient":
            return self.as_(next(who for own, who in self.patients if own == self.line.patients[visit]))
        return self.as_(self.doctor if role == "doctor" else self.clinic.reception)

    def pick(self, index: int, *, own: bool = False) -> int | None:
        accounts = {patient for patient, _ in self.patients}
        ids = [v for v in self.line.visits if not own or self.line.patients[v] in accounts]
        return ids[index % len(ids)] if ids else None

    @rule(minutes=st.sampled_from([1, 3, 7, 12, 30]))
    def time_passes(self, minutes: int) -> None:
        self.clock.forward(minutes=minutes)

    @rule(seat=st.integers(0, SLOTS - 1), who=st.integers(0, 3))
    def somebody_books(self, seat: int, who: int) -> None:
        at = self.clock.now.replace(hour=3, minute=30) + timedelta(minutes=10 * seat)
        local = at + timedelta(hours=5, minutes=30)
        asked: dict[str, Any] = {"time": f"{local:%H:%M}", "date": f"{local:%Y-%m-%d}"}
        if who < len(self.patients):
            patient, asker = self.patients[who]
        else:
            patient, asker, asked = 0, self.clinic.reception, asked | {"patient": {"name": "No Account"}}
        answer = self.run(self.as_(asker).book(self.doctor_id, **asked))
        if code := self._refused_booking(at, patient):
            assert (answer.status, answer.get("code")) == (409, code), answer
            return
        assert (answer.status, answer.get("token")) == (201, f"A-{seat + 1:03}"), answer
        self.line.add(answer["id"], Visit("BOOKED", at), patient or answer["patient"]["id"], at)

    def _refused_booking(self, at: datetime, patient: int) -> str | None:
        if at < self.clock.now:
            return "slot_past"
        if self.line.day.state == "CLOSED":
            return "queue_closed"
        if patient and self.line.open_visit_of(patient):
            return "already_booked"
        return "slot_taken" if self.line.seat_taken(at) else None

    @rule(role=desk, priority=priorities)
    def somebody_walks_in(self, role: str, priority: str) -> None:
        answer = self.run(self.asker(role).walk_in(self.doctor_id, priority=priority))
        if self.line.day.state == "CLOSED":
            assert answer.get("code") == "queue_closed", answer
            return
        now = self.clock.now
        due = now + WAIT - (timedelta(minutes=20) if priority == "PRIORITY" else timedelta())
        assert answer.status == 201, answer
        self.line.add(answer["id"], Visit("CHECKED_IN", due, priority, now), answer["patient"]["id"])

    @rule(index=number, to=st.sampled_from([*TABLE]), role=anyone, stale=st.sampled_from([None, None, 0, 1]))
    def a_visit_is_moved(self, index: int, to: str, role: str, stale: int | None) -> None:
        visit_id = self.pick(index, own=role == "patient")
        if visit_id is None:
            return
        version = None if stale is None else self.line.versions[visit_id] - stale
        asked = {"status": to} | ({} if version is None else {"version": version})
        answer = self.run(self.asker(role, visit_id).patch(f"/appointments/{visit_id}/status", asked))
        status, code = self._judged(visit_id, to, role, stale)
        assert (answer.status, answer.get("code") if code else None) == (status, code), answer
        if code == "illegal_transition":
            assert set(answer["allowed"]) == allowed(self.line.visits[visit_id].status, role)
        if status == 200 and self.line.visits[visit_id].status != to:
            # When they were told to come follows from the estimates, which this model leaves alone.
            told = self.line.visits[visit_id].status == "BOOKED" and "by booked time" in answer["why"]
            self._move(visit_id, to, role, told=told)

    def _judged(self, visit_id: int, to: str, role: str, stale: int | None) -> tuple[int, str | None]:
        visit = self.line.visits[visit_id]
        if not ever(to, role):
            return 403, "forbidden"
        if visit.status == to:
            return 200, None
        if stale:
            return 409, "stale_version"
        if to not in allowed(visit.status, role):
            return 409, "illegal_transition"
        if self.line.day.state == "CLOSED" and to == "CHECKED_IN":
            return 409, "queue_closed"
        second = visit.status == "NO_SHOW" and self.line.open_visit_of(self.line.patients[visit_id], but=visit_id)
        return (409, "already_booked") if second else (200, None)

    def _move(self, visit_id: int, to: str, role: str, *, told: bool) -> None:
        if to == "CALLED":
            self.line.call(visit_id, self.clock.now, [])
        else:
            self.line.change(
                {visit_id: self.line.moved(visit_id, to, self.clock.now, told=told)}, staff=role != "patient"
            )

    @rule(role=desk, stale=st.sampled_from([None, 0, 1]))
    def the_next_is_called(self, role: str, stale: int | None) -> None:
        asked = {} if stale is None else {"version": self.line.version - stale}
        answer = self.run(self.asker(role).call_next(self.doctor_id, **asked))
        refusals = {"PAUSED": "queue_paused", "CLOSED": "queue_closed"}
        code = "stale_version" if stale else refusals.get(self.line.day.state)
        if code:
            assert (answer.status, answer.get("code")) == (409, code), answer
            return
        room, waiting = self.line.room(), self.line.part("CHECKED_IN")
        assert answer["called"] == (answer["called"] and {**answer["called"], "id": waiting[0]}), answer
        assert (answer["called"] is None) == (not waiting)
        assert (answer["completed"] and answer["completed"]["id"]) == (room[-1] if room else None)
        if waiting:
            self.line.call(waiting[0], self.clock.now, room)
        elif room:
            self.line.change({v: self.line.moved(v, "COMPLETED", self.clock.now) for v in room})

    @rule(index=number, role=desk)
    def a_token_is_called_again(self, index: int, role: str) -> None:
        if (visit_id := self.pick(index)) is None:
            return
        answer = self.run(self.asker(role).post(f"/appointments/{visit_id}/recall"))
        visit = self.line.visits[visit_id]
        assert answer.status == (200 if visit.status == "CALLED" else 409), answer
        if answer.status == 200:
            self.line.call_seq += 1
            self.line.change({visit_id: replace(visit, calls=visit.calls + 1)})
            assert answer["suggested"] == "ON_HOLD"

    @rule(index=number, role=desk, to=priorities)
    def a_priority_is_given(self, index: int, role: str, to: str) -> None:
        if (visit_id := self.pick(index)) is None:
            return
        body = {"priority": to, "reason": "because"}
        answer = self.run(self.asker(role).patch(f"/appointments/{visit_id}/priority", body))
        visit = self.line.visits[visit_id]
        waits = visit.status in {"BOOKED", "CHECKED_IN", "ON_HOLD"}
        assert answer.status == (200 if waits else 409), answer
        if waits and visit.priority != to:
            gained = timedelta(minutes=20) * ((to == "PRIORITY") - (visit.priority == "PRIORITY"))
            self.line.change({visit_id: replace(visit, priority=to, due=visit.due - gained)})

    @rule(index=number, role=desk)
    def a_visit_goes_to_a_colleague(self, index: int, role: str) -> None:
        if (visit_id := self.pick(index)) is None:
            return
        body = {"doctor_id": self.other_id}
        answer = self.run(self.asker(role).post(f"/appointments/{visit_id}/transfer", body))
        over = self.line.visits[visit_id].status in {"COMPLETED", "NO_SHOW", "CANCELLED"}
        if answer.status == 200 and not over:
            self.line.leave(visit_id)
        else:  # over, or the patient is in the colleague's line already
            assert (answer.status, answer.get("code")) == (409, "visit_not_waiting" if over else "already_booked"), (
                answer
            )

    @rule(role=desk, verb=st.sampled_from(["pause", "resume", "delay", "close"]), minutes=st.sampled_from([0, 10, 30]))
    def the_day_is_changed(self, role: str, verb: str, minutes: int) -> None:
        body = {"minutes": minutes} if verb == "delay" or (verb == "pause" and minutes) else None
        answer = self.run(self.asker(role).post(f"/queues/{self.doctor_id}/{verb}", body))
        line, now, day = self.line, self.clock.now, self.line.day
        closed, open_visits = day.state == "CLOSED", line.part("BOOKED", "CHECKED_IN", "ON_HOLD") or line.room()
        if closed and verb in {"pause", "delay"}:
            assert answer.get("code") == "queue_closed", answer
        elif verb == "close" and open_visits and not closed:
            assert answer.get("code") == "visits_open", answer
        else:
            assert answer.status == 200, answer
            after = {
                "pause": replace(
                    day, state="PAUSED", paused_until=now + timedelta(minutes=minutes) if minutes else None
                ),
                "resume": replace(day, state="OPEN", paused_until=None),
                "delay": replace(day, delay=minutes, delayed_at=now if minutes else None),
                "close": Day("CLOSED"),
            }[verb]
            idle = (verb == "resume" and day.state == "OPEN") or (verb == "close" and closed)
            if not idle and not (verb == "delay" and minutes == day.delay == 0):
                line.change({}, day=after)

    @rule(role=desk)
    def the_last_change_is_taken_back(self, role: str) -> None:
        answer = self.run(self.asker(role).post(f"/queues/{self.doctor_id}/undo"))
        code = self.line.undo()
        assert (answer.status, answer.get("code")) == ((409, code) if code else (200, None)), answer

    @invariant()
    def the_line_is_what_the_model_says(self) -> None:
        if not hasattr(self, "line"):
            return
        Machine.steps += 1
        line, queue = self.line, self.run(self.asker("doctor").today(self.doctor_id))
        assert (queue["version"], queue["state"], queue["delay_minutes"]) == (
            line.version,
            line.day.state,
            line.day.delay,
        )
        parts = {
            "now": line.room(),
            "waiting": line.part("CHECKED_IN"),
            "booked": line.part("BOOKED"),
            "held": line.part("ON_HOLD"),
        }
        assert {name: [visit["id"] for visit in queue[name]] for name in parts} == parts
        done = {visit["id"] for visit in queue["done"]}
        assert done == set(line.part("COMPLETED", "NO_SHOW", "CANCELLED"))
        for name in (*parts, "done"):
            for shown in queue[name]:
                self._is_as_modelled(shown)

    def _is_as_modelled(self, shown: dict[str, Any]) -> None:
        visit = self.line.visits[shown["id"]]
        assert (shown["status"], shown["priority"], shown["version"], shown["calls"]) == (
            visit.status,
            visit.priority,
            self.line.versions[shown["id"]],
            visit.calls,
        )
        times = [visit.came, visit.called, visit.started, visit.ended]
        names = ("checked_in_at", "called_at", "started_at", "ended_at")
        assert [_instant(shown[name]) for name in names] == times

    @invariant()
    def the_wall_shows_the_same_order_and_every_call(self) -> None:
        if not hasattr(self, "line"):
            return
        frame: Answer = self.run(self.clinic.server.anybody.get(f"/queues/{self.doctor_id}"))
        waiting = [token for token in frame["tokens"] if token["status"] == "CHECKED_IN"]
        assert [token["ahead"] for token in waiting] == list(range(len(waiting)))
        assert (frame["version"], frame["call_seq"]) == (self.line.version, self.line.call_seq)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


async def test_whatever_anybody_does_the_line_is_what_the_model_says(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    Machine.loop, Machine.clinic, Machine.clock = asyncio.get_running_loop(), clinic, clock
    patients = [await server.patient() for _ in range(3)]
    Machine.patients = [((await patient.get("/auth/me"))["id"], patient) for patient in patients]
    plan = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize="MEDIQON_MACHINE_EXAMPLES" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=plan)
    assert Machine.steps > EXAMPLES
