"""What a clinic's manager tries on the first day, over the wire."""

import asyncio

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
    assert (await clinic.doctor.move(closed["done"][0], "CHECKED_IN"))["code"] == "queue_closed"
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


async def test_who_comes_when_told_to_keeps_the_place_of_the_slot(clinic: Clinic, clock: Clock) -> None:
    told, on_time = [
        await clinic.reception.book(clinic.doctor_id, time=time, patient={"name": f"At {time}"})
        for time in ("09:30", "09:40")
    ]
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": 60})
    here_by = (await clinic.server.anybody.get(f"/tokens/{told['code']}"))["be_here_by"]
    assert here_by > "2026-11-23T04:10:00Z"  # 09:40, when the grace of ten minutes is over
    for _ in range(5):
        clock.forward(minutes=9)
        await clinic.reception.log_in_again()
    await clinic.reception.move(on_time, "CHECKED_IN")
    came = await clinic.reception.move(told, "CHECKED_IN")
    assert "by booked time" in came["why"]
    assert await tokens(clinic.reception, clinic.doctor_id) == [told["token"], on_time["token"]]


async def test_who_said_to_be_late_does_not_get_the_slot_back_by_being_told_to_come_later(
    clinic: Clinic, clock: Clock
) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, time="09:40", patient={"name": "Late"})
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": 90})
    await clinic.server.anybody.post(f"/tokens/{visit['code']}/late", {"minutes": 30})
    here_by = (await clinic.server.anybody.get(f"/tokens/{visit['code']}"))["be_here_by"]
    assert here_by > "2026-11-23T04:24:00Z"  # 09:54
    for _ in range(6):
        clock.forward(minutes=9)
        await clinic.reception.log_in_again()
    assert "too late for the slot" in (await clinic.reception.move(visit, "CHECKED_IN"))["why"]


async def test_a_pause_stops_calls_until_it_is_resumed_or_undone(clinic: Clinic, clock: Clock) -> None:
    await seated(clinic, "09:00")
    queue = f"/queues/{clinic.doctor_id}"
    paused = await clinic.doctor.post(f"{queue}/pause", {"minutes": 5, "reason": "tea"})
    assert (paused["state"], paused["message"]) == ("PAUSED", "Paused until about 09:05.")
    assert (await clinic.doctor.call_next(clinic.doctor_id))["code"] == "queue_paused"
    assert "tea" not in (await clinic.server.anybody.get(queue)).raw.decode()
    clock.forward(minutes=6)
    over = await clinic.doctor.post(f"{queue}/delay", {"minutes": 5})
    assert (over["state"], over["message"]) == ("PAUSED", "Paused: the line goes on soon.")
    assert (await clinic.doctor.post(f"{queue}/undo"))["state"] == "PAUSED"
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


async def test_two_phones_and_one_last_seat_make_one_booking_and_one_honest_no(clinic: Clinic, clock: Clock) -> None:
    clock.forward(hours=3, minutes=45)  # 12:45, one seat left
    await clinic.reception.log_in_again()
    phones = [await clinic.server.patient() for _ in range(2)]
    answers = await asyncio.gather(*(phone.book(clinic.doctor_id, time="12:50") for phone in phones))
    assert sorted(answer.status for answer in answers) == [201, 409]
    loser = next(answer for answer in answers if answer.status == 409)
    assert (loser["code"], loser["next_free"]) == ("slot_taken", None)
    assert (await phones[0].book(clinic.doctor_id))["code"] in {"day_full", "already_booked"}


async def test_numbers_follow_the_clock_and_not_the_order_of_booking(clinic: Clinic) -> None:
    visits = await seated(clinic, "09:20", "09:00", "09:10")
    assert [visit["token"] for visit in visits] == ["A-003", "A-001", "A-002"]
    called = [(await clinic.doctor.call_next(clinic.doctor_id))["called"]["token"] for _ in visits]
    assert called == ["A-001", "A-002", "A-003"]


@pytest.mark.parametrize(
    ("minutes", "order"),
    [
        (-10, ["A-001", "A-002", "A-003"]),  # early
        (5, ["A-001", "A-002", "A-003"]),  # a little late
        (10, ["A-001", "A-002", "A-003"]),  # the last minute of grace
        (20, ["A-002", "A-003", "A-001"]),  # late: due at 09:35 like a walk-in
        (90, ["A-002", "A-003", "A-001"]),  # very late: due at 10:45
    ],
)
async def test_who_comes_late_keeps_the_place_within_grace_and_is_a_walk_in_after_it(
    clinic: Clinic, clock: Clock, minutes: int, order: list[str]
) -> None:
    clock.forward(minutes=-15)
    late, *others = [
        await clinic.reception.book(clinic.doctor_id, time=time, patient={"name": time})
        for time in ("09:00", "09:10", "09:20")
    ]
    for visit in others:
        await clinic.reception.move(visit, "CHECKED_IN")
    clock.forward(minutes=15 + minutes)
    await clinic.reception.log_in_again()
    await clinic.reception.move(late, "CHECKED_IN")
    await clinic.doctor.log_in_again()
    assert await tokens(clinic.doctor, clinic.doctor_id) == order
    why = (await clinic.reception.get(f"/appointments/{late['id']}"))["why"]
    assert ("too late" in why) == (minutes > 10)


async def test_a_walk_in_goes_between_the_booked_by_when_it_came(clinic: Clinic, clock: Clock) -> None:
    await seated(clinic, "09:10", "09:20")
    clock.forward(minutes=2)
    await clinic.reception.walk_in(clinic.doctor_id)  # due at 09:17
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-002", "A-W01", "A-003"]


async def test_priority_goes_twenty_minutes_forward_and_no_further(clinic: Clinic) -> None:
    *_, last = await seated(clinic, "09:00", "09:10", "09:20", "09:30", "09:50")
    path = f"/appointments/{last['id']}/priority"
    first = await clinic.reception.patch(path, {"priority": "PRIORITY", "reason": "small child"})
    again = await clinic.reception.patch(path, {"priority": "PRIORITY", "reason": "small child"})
    assert (first.status, again.status, again["version"]) == (200, 200, first["version"])
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-001", "A-002", "A-003", "A-004", "A-006"]
    await clinic.reception.patch(path, {"priority": "NORMAL", "reason": "a mistake"})
    (visit,) = [v for v in (await clinic.doctor.today(clinic.doctor_id))["waiting"] if v["id"] == last["id"]]
    assert visit["priority"] == "NORMAL"
    assert (await clinic.reception.patch(path, {"priority": "EMERGENCY"})).status == 400  # not without a reason


async def test_two_doctors_who_call_in_the_same_second_each_get_their_own(clinic: Clinic) -> None:
    other_id, other = await clinic.add_doctor(name="Dr B. Lee", token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    await clinic.reception.walk_in(other_id)
    one, two = await asyncio.gather(clinic.doctor.call_next(clinic.doctor_id), other.call_next(other_id))
    assert (one["called"]["token"], two["called"]["token"]) == ("A-W01", "B-W01")


async def test_absent_recalled_held_and_back_two_places_on(clinic: Clinic) -> None:
    absent, *_ = await seated(clinic, "09:00", "09:10", "09:20", "09:30")
    called = (await clinic.doctor.call_next(clinic.doctor_id))["called"]
    assert (called["calls"], called["suggested"]) == (1, None)
    again = await clinic.doctor.post(f"/appointments/{absent['id']}/recall")
    assert (again["calls"], again["suggested"]) == (2, "ON_HOLD")
    await clinic.doctor.move(absent, "ON_HOLD")
    back = await clinic.doctor.move(absent, "CHECKED_IN")
    assert (back["ahead"], back["calls"], back["suggested"]) == (2, 0, None)
    assert back["why"].startswith("Back in line after a hold")


async def test_complete_sent_twice_over_bad_wifi_completes_once(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10")
    visit = (await clinic.doctor.call_next(clinic.doctor_id))["called"]
    answers = await asyncio.gather(*(clinic.doctor.move(visit, "COMPLETED") for _ in range(2)))
    assert [answer.status for answer in answers] == [200, 200]
    assert len({answer["version"] for answer in answers}) == 1
    assert await tokens(clinic.doctor, clinic.doctor_id, "done") == ["A-001"]
    assert await tokens(clinic.doctor, clinic.doctor_id) == ["A-002"]


async def test_a_no_show_who_comes_after_all_is_back_in_line_as_late(clinic: Clinic, clock: Clock) -> None:
    gone = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "Late"})
    await clinic.doctor.move(gone, "NO_SHOW")
    clock.forward(minutes=30)
    await clinic.reception.log_in_again()
    await clinic.reception.walk_in(clinic.doctor_id)
    clock.forward(minutes=1)
    back = await clinic.reception.move(gone, "CHECKED_IN")
    assert (back["status"], back["token"], back["ahead"], back["ended_at"]) == ("CHECKED_IN", "A-001", 1, None)


async def test_a_cancelled_seat_is_sold_again_under_its_number_but_never_after_check_in(clinic: Clinic) -> None:
    first = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "A"})
    await clinic.reception.move(first, "CANCELLED")
    second = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "B"})
    assert second["token"] == first["token"]
    await clinic.reception.move(second, "CHECKED_IN")
    await clinic.reception.move(second, "CANCELLED")
    third = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "C"})
    assert (third.status, third["next_free"]) == (409, "09:10")


async def test_two_seats_a_slot_and_a_lunch_break_are_numbered_through(clinic: Clinic) -> None:
    windows = [
        {"weekday": 0, "start": "09:00", "end": "09:20", "capacity": 2},
        {"weekday": 0, "start": "14:00", "end": "14:20"},
    ]
    await clinic.reception.put(f"/doctors/{clinic.doctor_id}/schedule", {"windows": windows})
    sold = [await clinic.reception.book(clinic.doctor_id, patient={"name": f"P{n}"}) for n in range(6)]
    assert [visit["token"] for visit in sold] == [f"A-00{n}" for n in range(1, 7)]
    assert sold[0]["scheduled_at"] == sold[1]["scheduled_at"]
    assert sold[4]["scheduled_at"] == "2026-11-23T08:30:00Z"
    assert (await clinic.reception.book(clinic.doctor_id, patient={"name": "P7"}))["code"] == "day_full"


async def test_a_doctor_with_two_rooms_sees_two_at_once(clinic: Clinic) -> None:
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"rooms": 2})
    await seated(clinic, "09:00", "09:10", "09:20")
    presses = [await clinic.doctor.call_next(clinic.doctor_id) for _ in range(3)]
    assert [press["completed"] and press["completed"]["token"] for press in presses] == [None, None, "A-001"]
    assert await tokens(clinic.doctor, clinic.doctor_id, "now") == ["A-002", "A-003"]


async def test_what_the_hospital_limits_is_limited(clinic: Clinic) -> None:
    limits = {"walk_ins_per_day": 1, "horizon_days": 1, "cancel_cutoff_minutes": 60, "patient_check_in": False}
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", limits)
    patient = await clinic.server.patient()
    await clinic.reception.walk_in(clinic.doctor_id)
    assert (await clinic.reception.walk_in(clinic.doctor_id))["code"] == "day_full"
    assert (await patient.book(clinic.doctor_id, date="2026-11-25"))["code"] == "day_full"
    visit = await patient.book(clinic.doctor_id, time="09:50")
    assert (await patient.move(visit, "CANCELLED"))["code"] == "too_late"
    assert (await patient.move(visit, "CHECKED_IN"))["code"] == "forbidden"
    assert (await clinic.reception.move(visit, "CANCELLED")).status == 200


async def test_a_call_of_a_chosen_one_passes_the_line_and_the_report_says_so(clinic: Clinic) -> None:
    _, second = await seated(clinic, "09:00", "09:10")
    assert (await clinic.doctor.move(second, "CALLED", reason="has to catch a train")).status == 200
    assert await tokens(clinic.doctor, clinic.doctor_id, "now") == ["A-002"]
    report = await clinic.doctor.get(f"/queues/{clinic.doctor_id}/report")
    assert [(each["token"], each["passed"]) for each in report["overtakes"]] == [("A-002", ["A-001"])]
