"""Call-next: one press, one call. The one in the room is done, the first in line comes."""

import asyncio
from typing import Any

import pytest

from builders import Answer, Clinic, Server, open_clinic, refused

pytestmark = pytest.mark.anyio


async def three_wait(clinic: Clinic) -> list[Answer]:
    return [await clinic.reception.walk_in(clinic.doctor_id, f"Patient {number}") for number in range(3)]


async def test_each_press_calls_the_first_and_completes_who_was_in_the_room(clinic: Clinic) -> None:
    first, second, third = await three_wait(clinic)
    presses = [await clinic.doctor.call_next(clinic.doctor_id) for _ in range(4)]
    called = [press["called"] and press["called"]["id"] for press in presses]
    completed = [press["completed"] and press["completed"]["id"] for press in presses]
    assert called == [first["id"], second["id"], third["id"], None]
    assert completed == [None, first["id"], second["id"], third["id"]]
    assert presses[0]["called"]["status"] == "CALLED"
    assert presses[1]["completed"]["status"] == "COMPLETED"


async def test_nobody_waiting_and_nobody_in_the_room_is_200_and_changes_nothing(clinic: Clinic) -> None:
    await clinic.reception.book(clinic.doctor_id, patient={"name": "Not here yet"})
    before = await clinic.doctor.today(clinic.doctor_id)
    for body in (None, {}, {"version": None}, {"version": before["version"]}):
        answer = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/call-next", body)
        assert (answer.status, answer) == (200, {"called": None, "completed": None})
    assert (await clinic.doctor.today(clinic.doctor_id))["version"] == before["version"]


async def test_the_order_is_emergency_then_slot_then_walk_in(clinic: Clinic) -> None:
    walk_in = await clinic.reception.walk_in(clinic.doctor_id)
    booked = await clinic.reception.book(clinic.doctor_id, time="09:10", patient={"name": "Booked"})
    await clinic.reception.move(booked, "CHECKED_IN")
    emergency = await clinic.reception.walk_in(clinic.doctor_id, priority="EMERGENCY")
    waiting = (await clinic.doctor.today(clinic.doctor_id))["waiting"]
    order = [emergency["id"], booked["id"], walk_in["id"]]
    assert [visit["id"] for visit in waiting] == order
    assert [(visit["position"], visit["ahead"]) for visit in waiting] == [(1, 0), (2, 1), (3, 2)]
    assert all(visit["why"].endswith(".") for visit in waiting)
    called = [(await clinic.doctor.call_next(clinic.doctor_id))["called"]["id"] for _ in order]
    assert called == order


async def test_a_version_that_is_not_current_calls_nobody(clinic: Clinic) -> None:
    await three_wait(clinic)
    before = await clinic.doctor.today(clinic.doctor_id)
    for version in (before["version"] - 1, before["version"] + 1, 0, -1, 10**30):
        refused(await clinic.doctor.call_next(clinic.doctor_id, version=version), 409, "stale_version")
    after = await clinic.doctor.today(clinic.doctor_id)
    assert (after["version"], after["waiting"], after["now"]) == (before["version"], before["waiting"], [])


async def test_two_devices_with_one_press_each_make_one_call(clinic: Clinic) -> None:
    await three_wait(clinic)
    version = (await clinic.doctor.today(clinic.doctor_id))["version"]
    presses = await asyncio.gather(
        *(asker.call_next(clinic.doctor_id, version=version) for asker in (clinic.doctor, clinic.reception))
    )
    assert sorted(press.status for press in presses) == [200, 409]
    assert len((await clinic.doctor.today(clinic.doctor_id))["now"]) == 1


async def test_who_may_press(server: Server, clinic: Clinic) -> None:
    await three_wait(clinic)
    patient, foreign, colleague = await server.patient(), await open_clinic(server), (await clinic.add_doctor())[1]
    refused(await patient.call_next(clinic.doctor_id), 403, "forbidden")
    refused(await server.anybody.call_next(clinic.doctor_id), 401, "unauthenticated")
    for asker in (foreign.doctor, foreign.reception, colleague):
        refused(await asker.call_next(clinic.doctor_id), 404, "not_found")
        refused(await asker.today(clinic.doctor_id), 404, "not_found")
    refused(await patient.today(clinic.doctor_id), 403, "forbidden")
    refused(await clinic.reception.call_next(99999), 404, "not_found")
    assert (await clinic.reception.today(clinic.doctor_id))["now"] == []
    assert (await clinic.reception.call_next(clinic.doctor_id))["called"]["token"] == "A-W01"


BAD_PRESSES: list[Any] = [
    {"version": "1"},
    {"version": 1.5},
    {"version": True},
    {"version": [3]},
    {"vresion": 3},
    [],
    "3",
    3,
    b"{",
    b"\xff",
    b'{"version": 1e999}',
    b"[" * 30_000,
    b'{"version":' * 5_000,
]


async def test_a_malformed_press_is_400_and_calls_nobody(clinic: Clinic) -> None:
    await three_wait(clinic)
    for body in BAD_PRESSES:
        answer = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/call-next", body)
        assert (answer.status, answer["code"]) == (400, "malformed"), body
    assert (await clinic.doctor.today(clinic.doctor_id))["now"] == []


async def test_the_staff_queue_holds_every_visit_in_one_place_and_all_its_fields(clinic: Clinic) -> None:
    waiting, held, done = await three_wait(clinic)
    await clinic.doctor.move(held, "ON_HOLD")
    await clinic.doctor.move(done, "NO_SHOW")
    called = await clinic.reception.walk_in(clinic.doctor_id, priority="EMERGENCY")
    await clinic.doctor.call_next(clinic.doctor_id)
    booked = await clinic.reception.book(clinic.doctor_id, patient={"name": "B"})
    queue = await clinic.doctor.today(clinic.doctor_id)
    assert {name: [visit["id"] for visit in queue[name]] for name in ("now", "waiting", "booked", "held", "done")} == {
        "now": [called["id"]],
        "waiting": [waiting["id"]],
        "booked": [booked["id"]],
        "held": [held["id"]],
        "done": [done["id"]],
    }
    assert (queue["doctor_id"], queue["date"], queue["state"]) == (clinic.doctor_id, "2026-11-23", "OPEN")
    assert queue["delay_minutes"] == 0
    assert queue["waiting"][0] == await clinic.doctor.get(f"/appointments/{waiting['id']}")
