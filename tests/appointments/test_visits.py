"""The status table of the contract, cell by cell over HTTP: where from, where to, who."""

import asyncio
from itertools import product
from typing import Any

import pytest

from builders import Answer, Asker, Clinic, Server, open_clinic, refused
from conftest import Clock
from table import allowed, ever

pytestmark = pytest.mark.anyio

STATUSES = ["BOOKED", "CHECKED_IN", "CALLED", "IN_CONSULTATION", "ON_HOLD", "COMPLETED", "NO_SHOW", "CANCELLED"]
WAY_TO = {
    "BOOKED": [],
    "CHECKED_IN": ["CHECKED_IN"],
    "CALLED": ["CHECKED_IN", "CALLED"],
    "IN_CONSULTATION": ["CHECKED_IN", "CALLED", "IN_CONSULTATION"],
    "ON_HOLD": ["CHECKED_IN", "ON_HOLD"],
    "COMPLETED": ["CHECKED_IN", "COMPLETED"],
    "NO_SHOW": ["NO_SHOW"],
    "CANCELLED": ["CANCELLED"],
}
WAY_OUT = {"BOOKED": "NO_SHOW", "CHECKED_IN": "NO_SHOW", "CALLED": "NO_SHOW", "ON_HOLD": "NO_SHOW"}


def expected(start: str, to: str, role: str) -> tuple[int, str | None]:
    """What the contract's table says of one cell: status, and code where it refuses."""
    if to != "BOOKED" and not ever(to, role):
        return 403, "forbidden"
    if start == to or to in allowed(start, role):
        return 200, None
    return 409, "illegal_transition"


async def brought_to(clinic: Clinic, patient: Asker, status: str) -> Answer:
    visit = await patient.book(clinic.doctor_id)
    assert visit.status == 201, visit
    for step in WAY_TO[status]:
        visit = await (clinic.reception if step == "CANCELLED" else clinic.doctor).move(visit, step)
    assert (visit.status, visit["status"]) == (200 if WAY_TO[status] else 201, status)
    return visit


async def let_go(clinic: Clinic, patient: Asker, visit: Answer) -> None:
    """Ends what is still open: a patient has one open visit a day."""
    now = (await patient.get(f"/appointments/{visit['id']}"))["status"]
    if now == "IN_CONSULTATION":
        await clinic.doctor.move(visit, "COMPLETED")
    elif now in WAY_OUT:
        await clinic.doctor.move(visit, WAY_OUT[now])


@pytest.mark.parametrize("role", ["doctor", "hospital", "patient"])
async def test_every_cell_of_the_table_for(server: Server, role: str) -> None:
    clinic = await open_clinic(server, slot_minutes=1)
    patient = await server.patient()
    asker = {"doctor": clinic.doctor, "hospital": clinic.reception, "patient": patient}[role]
    for start, to in product(STATUSES, STATUSES):
        before = await brought_to(clinic, patient, start)
        queue = await clinic.doctor.today(clinic.doctor_id)
        status, code = expected(start, to, role)

        answer = await asker.move(before, to)

        cell = f"{start} → {to} by {role}: {answer}"
        assert (answer.status, answer.get("code") if code else None) == (status, code), cell
        after = await patient.get(f"/appointments/{before['id']}")
        moved = status == 200 and start != to
        assert (after["status"], after["version"]) == (to if moved else start, before["version"] + moved), cell
        assert (await clinic.doctor.today(clinic.doctor_id))["version"] == queue["version"] + moved, cell
        if code == "illegal_transition":
            refused(answer, 409, code)
            assert (answer["from"], answer["to"], set(answer["allowed"])) == (start, to, allowed(start, role)), cell
        await let_go(clinic, patient, before)


async def test_each_move_sets_its_own_time_and_only_that(clinic: Clinic, clock: Clock) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    times = {"CHECKED_IN": "checked_in_at", "CALLED": "called_at", "IN_CONSULTATION": "started_at"}
    for step, name in (*times.items(), ("COMPLETED", "ended_at")):
        clock.forward(minutes=1)
        before, visit = visit, await clinic.doctor.move(visit, step)
        assert before[name] is None
        assert visit[name] == clock.now.isoformat().replace("+00:00", "Z")
        changed = {each for each in (*times.values(), "ended_at", "booked_at") if visit[each] != before[each]}
        assert changed == {name}


async def test_a_repeated_press_is_200_and_changes_nothing_even_with_an_old_version(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    first = await clinic.doctor.move(visit, "CHECKED_IN", version=1)
    again = await clinic.doctor.move(visit, "CHECKED_IN", version=1)
    assert (first.status, again.status, again) == (200, 200, first)
    events = (await clinic.doctor.get(f"/appointments/{visit['id']}/events"))["events"]
    assert [event["verb"] for event in events] == ["book", "check_in"]


async def test_a_stale_version_is_409_with_the_current_appointment(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    current = await clinic.doctor.move(visit, "CHECKED_IN", version=1)
    for version in (1, 3, 0, -1, 10**30):
        answer = await clinic.doctor.move(visit, "CALLED", version=version)
        refused(answer, 409, "stale_version")
        assert answer["appointment"] == current
    assert (await clinic.doctor.move(visit, "CALLED", version=2)).status == 200


async def test_of_twenty_presses_with_one_version_one_moves_the_visit(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    targets = ["CHECKED_IN", "NO_SHOW", "CANCELLED"] * 7
    answers = await asyncio.gather(*(clinic.reception.move(visit, to, version=1) for to in targets))
    after = await clinic.reception.get(f"/appointments/{visit['id']}")
    assert after["version"] == 2
    for to, answer in zip(targets, answers, strict=True):
        assert answer.status == (200 if to == after["status"] else 409)


async def test_a_patient_checks_in_on_the_day_only(server: Server, clinic: Clinic, clock: Clock) -> None:
    patient = await server.patient()
    visit = await patient.book(clinic.doctor_id, date="2026-11-24")
    early = await patient.move(visit, "CHECKED_IN")
    refused(early, 409, "illegal_transition")
    assert (early["from"], early["to"], early["allowed"]) == ("BOOKED", "CHECKED_IN", ["CANCELLED"])
    clock.forward(hours=15, minutes=31)  # past midnight in Kolkata, still the day before in UTC
    await patient.log_in_again()
    assert (await patient.move(visit, "CHECKED_IN")).status == 200


async def test_the_desk_checks_in_a_visit_of_another_day_as_the_table_has_it(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, date="2026-11-24", patient={"name": "A"})
    assert (await clinic.reception.move(visit, "CHECKED_IN")).status == 200


async def test_a_patient_moves_their_own_visit_alone(server: Server, clinic: Clinic) -> None:
    patient, stranger = await server.patient(), await server.patient()
    visit = await patient.book(clinic.doctor_id)
    for to in ("CHECKED_IN", "CANCELLED"):
        refused(await stranger.move(visit, to), 404, "not_found")
    assert (await patient.get(f"/appointments/{visit['id']}"))["version"] == 1


async def test_a_no_show_who_has_booked_again_comes_back_under_the_new_booking(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    missed = await patient.book(clinic.doctor_id, time="09:00")
    await clinic.doctor.move(missed, "NO_SHOW")
    again = await patient.book(clinic.doctor_id, time="10:00")
    answer = await clinic.doctor.move(missed, "CHECKED_IN")
    refused(answer, 409, "already_booked")
    assert answer["id"] == again["id"]
    await clinic.reception.move(again, "CANCELLED")
    assert (await clinic.doctor.move(missed, "CHECKED_IN")).status == 200


async def test_a_seat_given_back_after_check_in_keeps_its_number_for_itself(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "A"})
    await clinic.reception.move(visit, "CHECKED_IN")
    await clinic.reception.move(visit, "CANCELLED")
    again = await clinic.reception.book(clinic.doctor_id, patient={"name": "B"})
    assert again["token"] == "A-002"


async def test_a_reason_is_kept_in_the_visits_story(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    await clinic.reception.move(visit, "CANCELLED", reason="Called in sick")
    event = (await clinic.reception.get(f"/appointments/{visit['id']}/events"))["events"][-1]
    assert (event["from"], event["to"], event["reason"]) == ("BOOKED", "CANCELLED", "Called in sick")
    assert event["actor"]["role"] == "hospital"


BAD_MOVES: list[Any] = [
    {},
    {"status": None},
    {"status": "checked_in"},
    {"status": "DONE"},
    {"status": ["CALLED"]},
    {"status": 1},
    {"status": "CALLED", "version": "1"},
    {"status": "CALLED", "version": 1.5},
    {"status": "CALLED", "version": True},
    {"status": "CALLED", "reason": "\x00"},
    {"status": "CALLED", "reason": "x" * 501},
    {"status": "CALLED", "stats": "CALLED"},
    [],
    "CALLED",
]


async def test_a_malformed_move_is_400_and_moves_nothing(clinic: Clinic) -> None:
    visit = await clinic.reception.walk_in(clinic.doctor_id)
    for body in BAD_MOVES:
        answer = await clinic.doctor.patch(f"/appointments/{visit['id']}/status", body)
        assert (answer.status, answer["code"]) == (400, "malformed"), body
    assert (await clinic.doctor.get(f"/appointments/{visit['id']}"))["version"] == 1
