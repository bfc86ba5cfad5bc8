"""Selling seats and taking in walk-ins: what is sold, to whom, and what is refused with nothing changed."""

import asyncio
import re
from typing import Any

import pytest

from builders import Answer, Asker, Clinic, Server, open_clinic, refused
from conftest import Clock

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = "2026-11-23", "2026-11-24"
FIELDS = {
    *("id", "doctor_id", "hospital_id", "patient", "date", "token", "code", "status", "priority", "version"),
    *("scheduled_at", "booked_at", "checked_in_at", "called_at", "started_at", "ended_at"),
    *("position", "ahead", "expected_at", "expected_from", "expected_to", "why"),
}


async def desk_books(clinic: Clinic, **asked: Any) -> Answer:
    return await clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"}, **asked)


async def later(clinic: Clinic, clock: Clock, **span: float) -> None:
    clock.forward(**span)
    await clinic.reception.log_in_again()


async def test_a_booking_is_the_whole_appointment(server: Server, clinic: Clinic) -> None:
    patient = await server.patient("Asha Iyer")
    visit = await patient.book(clinic.doctor_id, date=TOMORROW, time="09:10", reason="Cough")
    assert visit.status == 201
    assert set(visit) >= FIELDS
    assert (visit["token"], visit["status"], visit["priority"]) == ("A-002", "BOOKED", "NORMAL")
    assert (visit["date"], visit["scheduled_at"]) == (TOMORROW, "2026-11-24T03:40:00Z")
    assert visit["patient"] == {"id": (await patient.get("/auth/me"))["id"], "name": "Asha Iyer"}
    assert [visit[name] for name in ("checked_in_at", "called_at", "started_at", "ended_at")] == [None] * 4
    assert await patient.get(f"/appointments/{visit['id']}") == visit


async def test_every_instant_is_utc_with_z_and_the_range_holds_the_median(clinic: Clinic) -> None:
    visit = await desk_books(clinic, time="10:00")
    for name in FIELDS:
        if name.endswith("_at") and visit[name] is not None:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", visit[name]), name
    assert visit["expected_from"] <= visit["expected_at"] <= visit["expected_to"]


async def test_left_out_the_day_is_today_and_the_time_the_next_free_one(clinic: Clinic, clock: Clock) -> None:
    await later(clinic, clock, minutes=15)
    booked = [await desk_books(clinic) for _ in range(2)]
    assert [(visit["date"], visit["token"]) for visit in booked] == [(TODAY, "A-003"), (TODAY, "A-004")]
    assert (await desk_books(clinic, date=TOMORROW))["token"] == "A-001"
    assert (await desk_books(clinic, time="12:50"))["token"] == "A-024"


async def test_the_public_handle_of_a_visit_cannot_be_guessed(clinic: Clinic) -> None:
    codes = {(await desk_books(clinic))["code"] for _ in range(10)}
    assert len(codes) == 10
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{14,}", code) for code in codes)


async def test_a_taken_seat_is_refused_with_the_next_free_time(clinic: Clinic) -> None:
    await desk_books(clinic, time="09:00")
    await desk_books(clinic, time="09:10")
    answer = await desk_books(clinic, time="09:00")
    refused(answer, 409, "slot_taken")
    assert answer["next_free"] == "09:20"


async def test_a_second_open_visit_of_a_patient_on_one_day_is_refused_with_the_first_ones_id(
    server: Server, clinic: Clinic
) -> None:
    patient = await server.patient()
    first = await patient.book(clinic.doctor_id)
    second = await patient.book(clinic.doctor_id, time="10:00")
    refused(second, 409, "already_booked")
    assert second["id"] == first["id"]
    assert (await patient.book(clinic.doctor_id, date=TOMORROW)).status == 201
    other, _ = await clinic.add_doctor(token_prefix="B")
    assert (await patient.book(other)).status == 201


async def test_whoever_cancelled_may_book_again_and_the_seat_is_free_again(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    first = await patient.book(clinic.doctor_id, time="09:30")
    await patient.move(first, "CANCELLED")
    again = await patient.book(clinic.doctor_id, time="09:30")
    assert (again.status, again["token"]) == (201, first["token"])
    assert again["code"] != first["code"]


async def test_ten_bookings_of_one_patient_at_once_are_one_visit(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    answers = await asyncio.gather(*(patient.book(clinic.doctor_id) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9
    assert {answer["code"] for answer in answers if answer.status == 409} == {"already_booked"}


async def test_the_past_is_not_sold(clinic: Clinic, clock: Clock) -> None:
    await later(clinic, clock, minutes=15)
    for asked in (
        {"time": "09:00"},
        {"time": "09:10"},
        {"date": "2026-11-22"},
        {"date": "2026-11-22", "time": "12:00"},
    ):
        refused(await desk_books(clinic, **asked), 409, "slot_past")
    assert (await desk_books(clinic, time="09:20")).status == 201


async def test_a_full_day_says_so(clinic: Clinic, clock: Clock) -> None:
    await later(clinic, clock, hours=3, minutes=50)
    assert (await desk_books(clinic)).status == 201
    refused(await desk_books(clinic), 409, "day_full")


async def test_a_time_the_doctor_does_not_work_is_a_conflict_with_the_next_free_time(clinic: Clinic) -> None:
    for time in ("09:05", "13:00", "23:59"):
        answer = await desk_books(clinic, time=time)
        refused(answer, 409, "slot_unavailable")
        assert answer["next_free"]


async def test_a_refused_booking_leaves_the_queue_as_it_was(clinic: Clinic) -> None:
    await desk_books(clinic, time="09:00")
    before = await clinic.reception.today(clinic.doctor_id)
    for asked in ({"time": "09:00"}, {"time": "08:00"}, {"time": "09:01"}, {"patient": {"name": ""}}):
        assert (await clinic.reception.book(clinic.doctor_id, **({"patient": {"name": "Ghost"}} | asked))).status >= 400
    after = await clinic.reception.today(clinic.doctor_id)
    assert (after["version"], after["booked"]) == (before["version"], before["booked"])


async def test_who_may_book_for_whom(server: Server, clinic: Clinic) -> None:
    patient, foreign = await server.patient(), await open_clinic(server)
    somebody = {"name": "Somebody"}
    refused(await clinic.doctor.book(clinic.doctor_id, patient=somebody), 403, "forbidden")
    refused(await foreign.reception.book(clinic.doctor_id, patient=somebody), 404, "not_found")
    refused(await patient.book(clinic.doctor_id, patient=somebody), 400, "malformed")
    refused(await clinic.reception.book(clinic.doctor_id), 400, "malformed")
    refused(await patient.book(99999), 404, "not_found")
    refused(await clinic.reception.get("/appointments/mine"), 403, "forbidden")


async def test_a_walk_in_is_checked_in_at_once_under_a_number_of_its_own(server: Server, clinic: Clinic) -> None:
    first = await clinic.reception.walk_in(clinic.doctor_id)
    second = await clinic.doctor.walk_in(clinic.doctor_id, "Wendy", priority="EMERGENCY")
    assert [visit.status for visit in (first, second)] == [201, 201]
    assert (first["token"], first["status"], first["scheduled_at"]) == ("A-W01", "CHECKED_IN", None)
    assert (second["token"], second["priority"], second["position"]) == ("A-W02", "EMERGENCY", 1)
    patient, foreign = await server.patient(), await open_clinic(server)
    refused(await patient.walk_in(clinic.doctor_id), 403, "forbidden")
    refused(await foreign.doctor.walk_in(clinic.doctor_id), 404, "not_found")
    colleague = (await clinic.add_doctor())[1]
    refused(await colleague.walk_in(clinic.doctor_id), 404, "not_found")


NOT_A_LIST: list[Any] = []
NO_FIELDS: dict[str, Any] = {}
BAD_BOOKINGS: list[dict[str, Any]] = [
    *({"doctor_id": number} for number in ("1", 1.5, True, None, [1], -1, 10**30)),
    *(
        {"date": date}
        for date in ("2026-02-30", "24.11.2026", "2026-11-24T00:00:00Z", "null", "", 20261124, NOT_A_LIST)
    ),
    *({"time": time} for time in ("24:00", "09:60", "9:00", "09:00:00", "09:00\n", "null", "", 900, NO_FIELDS)),
    *({"reason": reason} for reason in ("\x00", "\x1b", "x" * 501, 7, ["Cough"])),
    *({"patient": {"name": name}} for name in ("", " ", "\x00", "A\nB", "A\n", "x" * 121, 7, None)),
    *({"patient": {"name": "A", "phone": phone}} for phone in ("12", "x", "123\x00", 12345)),
    *(
        {"patient": patient}
        for patient in (NO_FIELDS, NOT_A_LIST, "A", 7, {"name": "A", "id": 1}, {"name": "A", "email": "a@b.c"})
    ),
    *({name: 1} for name in ("status", "token", "seat", "tme", "patient_id", "hospital_id", "Doctor_id")),
]


async def test_a_malformed_booking_is_400_names_the_field_and_sells_nothing(clinic: Clinic) -> None:
    good = {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}}
    for field in BAD_BOOKINGS:
        answer = await clinic.reception.post("/appointments/book", good | field)
        assert (answer.status, answer["code"]) == (400, "malformed"), field
        assert answer["errors"][0]["field"].startswith(next(iter(field))), (field, answer)
    for field in ({"priority": "HIGH"}, {"priority": "normal"}, {"time": "09:00"}, {"date": TODAY}, {"patient": None}):
        refused(await clinic.reception.post("/appointments/walk-in", good | field), 400, "malformed")
    today = await clinic.reception.today(clinic.doctor_id)
    assert (today["version"], today["booked"], today["waiting"]) == (0, [], [])


async def test_the_same_booking_under_the_same_key_is_one_visit(clinic: Clinic) -> None:
    body = {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}}
    answers = await asyncio.gather(
        *(clinic.reception.post("/appointments/book", body, idempotency_key="k") for _ in range(8))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.raw for answer in answers}) == 1
    assert sum("idempotent-replay" not in answer.headers for answer in answers) == 1
    assert len((await clinic.reception.today(clinic.doctor_id))["booked"]) == 1


async def test_a_key_belongs_to_one_user_one_path_and_one_body(server: Server, clinic: Clinic) -> None:
    body = {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}}
    first = await clinic.reception.post("/appointments/book", body, idempotency_key="k")
    for path, other in (("/appointments/book", body | {"time": "10:00"}), ("/appointments/walk-in", body)):
        refused(await clinic.reception.post(path, other, idempotency_key="k"), 409, "idempotency_mismatch")
    patient = await server.patient()
    theirs = await patient.post("/appointments/book", {"doctor_id": clinic.doctor_id}, idempotency_key="k")
    assert (theirs.status, theirs["id"] != first["id"]) == (201, True)


async def test_a_refused_request_does_not_use_up_its_key(clinic: Clinic) -> None:
    body = {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}, "time": "09:00"}
    taken = await desk_books(clinic, time="09:00")
    refused(await clinic.reception.post("/appointments/book", body, idempotency_key="k"), 409, "slot_taken")
    await clinic.reception.move(taken, "CANCELLED")
    assert (await clinic.reception.post("/appointments/book", body, idempotency_key="k")).status == 201


@pytest.mark.parametrize(("key", "status"), [("k" * 200, 201), ("k" * 201, 400), ("k" * 5000, 400)])
async def test_a_key_has_at_most_two_hundred_characters(clinic: Clinic, key: str, status: int) -> None:
    body = {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}}
    assert (await clinic.reception.post("/appointments/book", body, idempotency_key=key)).status == status


async def test_a_patient_sees_their_own_visits_newest_day_first(server: Server, clinic: Clinic) -> None:
    patient, other = await server.patient(), await server.patient()
    for date in (TOMORROW, TODAY, "2026-11-25"):
        await patient.book(clinic.doctor_id, date=date)
    await other.book(clinic.doctor_id)
    mine = (await patient.get("/appointments/mine"))["appointments"]
    assert [visit["date"] for visit in mine] == ["2026-11-25", TOMORROW, TODAY]
    assert (await (await server.patient()).get("/appointments/mine"))["appointments"] == []


async def test_a_visit_is_its_patients_its_doctors_and_its_hospitals_alone(server: Server, clinic: Clinic) -> None:
    patient, stranger = await server.patient(), await server.patient()
    visit = await patient.book(clinic.doctor_id)
    foreign, colleague = await open_clinic(server), (await clinic.add_doctor())[1]
    path = f"/appointments/{visit['id']}"
    for asker in (patient, clinic.doctor, clinic.reception):
        assert (await asker.get(path)).status == 200
    for asker in (stranger, colleague, foreign.doctor, foreign.reception):
        unknown = await asker.get("/appointments/999999")
        for answer in (await asker.get(path), await asker.move(visit, "CANCELLED"), await asker.move(visit, "CALLED")):
            assert answer.status in {404, 403}, answer
        assert (await asker.get(path)).raw == unknown.raw
    refused(await patient.get(f"{path}/events"), 403, "forbidden")
    refused(await colleague.get(f"{path}/events"), 404, "not_found")
    await _only_the_events_of_its_own(clinic.doctor, path)


async def _only_the_events_of_its_own(doctor: Asker, path: str) -> None:
    events = (await doctor.get(f"{path}/events"))["events"]
    assert [(event["verb"], event["from"], event["to"]) for event in events] == [("book", None, "BOOKED")]
    assert set(events[0]) >= {"at", "actor", "verb", "from", "to", "reason"}
    assert events[0]["actor"]["role"] == "patient"
