"""What a clinic's manager tries on the first day, over the wire."""

import pytest

from builders import Answer, Asker, Clinic
from conftest import Clock

pytestmark = pytest.mark.anyio


async def tokens(asker: Asker, doctor_id: int, part: str = "waiting") -> list[str]:
    return [visit["token"] for visit in (await asker.today(doctor_id))[part]]


async def seated(clinic: Clinic, *times: str) -> list[Answer]:
    """People booked at these times and checked in."""
    visits = [
        await clinic.reception.book(clinic.doctor_id, time=time, patient={"name": f"At {time}"}) for time in times
    ]
    for visit in visits:
        assert (await clinic.reception.move(visit, "CHECKED_IN")).status == 200
    return visits


async def test_undo_puts_a_wrong_no_show_back_in_the_exact_place(clinic: Clinic) -> None:
    _, second, _ = await seated(clinic, "09:00", "09:10", "09:20")
    before = await tokens(clinic.doctor, clinic.doctor_id)
    await clinic.doctor.move(second, "NO_SHOW")
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-001", "A-003"]
    undone = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/undo")
    assert undone.status == 200, undone
    assert await tokens(clinic.doctor, clinic.doctor_id) == before


async def test_undo_twice_takes_back_two_changes_and_then_goes_on_to_the_check_ins(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10")
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.call_next(clinic.doctor_id)
    for waiting in (["A-002"], ["A-001", "A-002"], ["A-001"], []):
        undone = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/undo")
        assert [visit["token"] for visit in undone["waiting"]] == waiting
    assert (await clinic.doctor.post(f"/queues/{clinic.doctor_id}/undo"))["code"] == "nothing_to_undo"


async def test_a_held_patient_comes_back_two_places_on(clinic: Clinic) -> None:
    first, *_ = await seated(clinic, "09:00", "09:10", "09:20", "09:30")
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.move(first, "ON_HOLD")
    await clinic.doctor.move(first, "CHECKED_IN")
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-002", "A-003", "A-001", "A-004"]


async def test_somebody_sent_for_a_test_goes_in_next_on_return(clinic: Clinic) -> None:
    first, *_ = await seated(clinic, "09:00", "09:10", "09:20")
    await clinic.doctor.call_next(clinic.doctor_id)
    for status in ("IN_CONSULTATION", "ON_HOLD", "CHECKED_IN"):
        assert (await clinic.doctor.move(first, status)).status == 200
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-001", "A-002", "A-003"]


async def test_a_transfer_keeps_label_and_place(clinic: Clinic) -> None:
    other_id, other = await clinic.add_doctor(name="Dr B. Lee", token_prefix="B", room="4")
    _, second = await seated(clinic, "09:00", "09:10")
    for time in ("09:00", "09:20"):
        visit = await clinic.reception.book(other_id, time=time, patient={"name": "B"})
        await clinic.reception.move(visit, "CHECKED_IN")
    moved = await clinic.reception.post(f"/appointments/{second['id']}/transfer", {"doctor_id": other_id})
    assert (moved.status, moved["token"], moved["doctor_id"]) == (200, "A-002", other_id)
    assert await tokens(other, other_id) == ["B-001", "A-002", "B-003"]
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-001"]
    assert (await clinic.server.anybody.get(f"/tokens/{second['code']}"))["doctor"]["room"] == "4"
    assert (await other.post(f"/queues/{other_id}/undo"))["code"] == "cannot_undo"


async def test_leave_over_sold_seats_lists_them_and_one_call_moves_them(clinic: Clinic) -> None:
    visits = [
        await clinic.reception.book(clinic.doctor_id, time=t, patient={"name": t}) for t in ("09:00", "10:00", "10:10")
    ]
    leave = await clinic.reception.post(
        f"/doctors/{clinic.doctor_id}/leave", {"date": "2026-11-23", "start": "10:00", "end": "11:00"}
    )
    assert (leave.status, [visit["token"] for visit in leave["affected"]]) == (201, ["A-007", "A-008"])
    settled = await clinic.reception.post(f"/leave/{leave['id']}/settle", {"action": "move"})
    assert ([visit["token"] for visit in settled["settled"]], settled["left"]) == (["A-013", "A-014"], [])
    slots = (await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/slots?date=2026-11-23"))["slots"]
    assert not any(slot["time"].startswith("10:") for slot in slots)
    assert [visit["code"] for visit in settled["settled"]] == [visit["code"] for visit in visits[1:]]


async def test_the_day_closes_only_when_everybody_is_settled_and_tomorrow_starts_at_one(
    clinic: Clinic, clock: Clock
) -> None:
    await seated(clinic, "09:00")
    refused = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/close")
    assert (refused.status, refused["code"], len(refused["visits"])) == (409, "visits_open", 1)
    closed = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/close", {"no_show": True})
    assert (closed["state"], closed["done"][0]["status"]) == ("CLOSED", "NO_SHOW")
    assert (await clinic.doctor.call_next(clinic.doctor_id))["code"] == "queue_closed"
    clock.forward(minutes=9)
    tomorrow = await clinic.reception.book(clinic.doctor_id, date="2026-11-24", patient={"name": "Tom Orrow"})
    assert tomorrow["token"] == "A-001"


async def test_a_late_doctor_moves_every_expected_time_until_the_first_call(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10")
    before = (await clinic.doctor.today(clinic.doctor_id))["waiting"]
    late = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": 40})
    assert (late["delay_minutes"], late["message"]) == (40, "Running about 40 minutes late.")
    assert all(now["expected_at"] > then["expected_at"] for then, now in zip(before, late["waiting"], strict=True))
    await clinic.doctor.call_next(clinic.doctor_id)
    assert (await clinic.doctor.today(clinic.doctor_id))["delay_minutes"] == 0


async def test_a_pause_stops_calls_until_it_is_resumed_or_undone(clinic: Clinic) -> None:
    await seated(clinic, "09:00")
    queue = f"/queues/{clinic.doctor_id}"
    paused = await clinic.doctor.post(f"{queue}/pause", {"minutes": 15, "reason": "tea"})
    assert (paused["state"], paused["message"]) == ("PAUSED", "Paused until about 09:15.")
    assert (await clinic.doctor.call_next(clinic.doctor_id))["code"] == "queue_paused"
    assert "tea" not in (await clinic.server.anybody.get(queue)).raw.decode()
    assert (await clinic.doctor.post(f"{queue}/undo"))["state"] == "OPEN"
    assert (await clinic.doctor.post(f"{queue}/pause")).status == 200
    assert (await clinic.doctor.post(f"{queue}/resume"))["state"] == "OPEN"


async def test_an_emergency_is_next_and_nobody_in_the_room_is_thrown_out(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10")
    await clinic.doctor.call_next(clinic.doctor_id)
    emergency = await clinic.reception.walk_in(clinic.doctor_id, "E. Mergency")
    answer = await clinic.reception.patch(
        f"/appointments/{emergency['id']}/priority", {"priority": "EMERGENCY", "reason": "chest pain"}
    )
    assert (answer.status, answer["ahead"]) == (200, 0)
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-W01", "A-002"]
    assert await tokens(clinic.doctor, clinic.doctor_id, "now") == ["A-001"]


async def test_a_recall_is_announced_once_more_and_changes_no_place(clinic: Clinic) -> None:
    await seated(clinic, "09:00")
    called = (await clinic.doctor.call_next(clinic.doctor_id))["called"]
    again = await clinic.doctor.post(f"/appointments/{called['id']}/recall")
    assert (again.status, again["status"], again["called_at"]) == (200, "CALLED", called["called_at"])
    assert (await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}"))["call_seq"] == 2


async def test_a_patient_moves_a_booking_to_another_day_and_keeps_the_link(clinic: Clinic) -> None:
    patient = await clinic.server.patient()
    booked = await patient.book(clinic.doctor_id, time="09:30")
    moved = await patient.post(f"/appointments/{booked['id']}/reschedule", {"date": "2026-11-25", "time": "11:00"})
    assert (moved.status, moved["token"], moved["date"], moved["code"]) == (200, "A-013", "2026-11-25", booked["code"])
    assert (await clinic.server.anybody.get(f"/tokens/{booked['code']}"))["date"] == "2026-11-25"
    slots = (await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/slots?date=2026-11-23"))["slots"]
    assert next(slot for slot in slots if slot["time"] == "09:30")["free"]


async def test_two_put_before_the_same_one_stand_there_in_turn_and_undo_takes_back_each(clinic: Clinic) -> None:
    first, *_, fourth, fifth = await seated(clinic, "09:00", "09:10", "09:20", "09:30", "09:40")
    for moved in (fifth, fourth):
        answer = await clinic.reception.patch(
            f"/appointments/{moved['id']}/place", {"before": first["id"], "reason": "small child"}
        )
        assert (answer.status, answer["version"]) == (200, 3)
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-005", "A-004", "A-001", "A-002", "A-003"]
    for order in (["A-005", "A-001", "A-002", "A-003", "A-004"], ["A-001", "A-002", "A-003", "A-004", "A-005"]):
        undone = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/undo")
        assert [visit["token"] for visit in undone["waiting"]] == order


async def test_a_manual_move_says_who_why_and_stands_where_it_was_put(clinic: Clinic) -> None:
    first, _, third = await seated(clinic, "09:00", "09:10", "09:20")
    moved = await clinic.reception.patch(
        f"/appointments/{third['id']}/place", {"before": first["id"], "reason": "small child"}
    )
    assert (moved.status, moved["ahead"], moved["why"][:15]) == (200, 0, "Put here by the")
    events = (await clinic.reception.get(f"/appointments/{third['id']}/events"))["events"]
    assert (events[-1]["verb"], events[-1]["reason"]) == ("place", "small child")
