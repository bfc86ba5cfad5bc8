"""What became of a doctor's day: the report's arithmetic, and the report over the wire."""

import csv
import io
from datetime import date

import msgspec
import pytest

from builders import Answer, Asker, Clinic, Server, open_clinic
from conftest import Clock
from mediqon.database import open_pool, transaction
from mediqon.queues import days, session
from mediqon.queues.models import DayKey
from mediqon.queues.report import Report, Spread, spread
from mediqon.queues.report_csv import guarded, write
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio


async def seated(clinic: Clinic, *times: str) -> list[Answer]:
    """People booked at these times and checked in."""
    visits = [
        await clinic.reception.book(clinic.doctor_id, time=time, patient={"name": f"At {time}"}) for time in times
    ]
    for visit in visits:
        assert (await clinic.reception.move(visit, "CHECKED_IN")).status == 200
    return visits


async def told(clinic: Clinic, query: str = "") -> Answer:
    answer = await clinic.doctor.get(f"/queues/{clinic.doctor_id}/report{query}")
    assert answer.status == 200, answer
    return answer


async def as_csv(asker: Asker, path: str, accept: str = "text/csv") -> tuple[str, list[dict[str, str]]]:
    """Media type and rows of a CSV answer."""
    headers = {"authorization": f"Bearer {asker.token}", "accept": accept}
    response = await asker.http.get(path, headers=headers)
    assert response.status_code == 200, response.text
    return response.headers["content-type"], list(csv.DictReader(io.StringIO(response.text, newline="")))


def test_mean_median_and_the_wait_that_nine_in_ten_did_not_exceed() -> None:
    assert spread([]) == Spread(0, None, None, None)
    assert spread([7.25]) == Spread(1, 7.2, 7.2, 7.2)
    assert spread([10, 1, 2, 3, 4, 5, 6, 7, 8, 99]) == Spread(10, 14.5, 5.5, 10)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_taken_for_a_formula(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    assert guarded("A-001") == "A-001"
    assert guarded("2026-11-23T09:00:00+05:30") == "2026-11-23T09:00:00+05:30"
    assert guarded("") == ""


async def test_an_empty_day_has_a_report_of_nothing(clinic: Clinic) -> None:
    answer = await told(clinic, "?date=2027-02-01")
    assert answer["counts"] == dict.fromkeys(("visits", "seen", "no_show", "left", "cancelled", "open"), 0)
    assert answer["waits"]["all"] == {"count": 0, "mean": None, "median": None, "p90": None}
    assert (answer["visits"], answer["overtakes"], answer["overrides"]) == ([], [], [])


async def test_waits_run_from_check_in_to_the_first_call_booked_and_walk_in_apart(clinic: Clinic, clock: Clock) -> None:
    await seated(clinic, "09:00", "09:10")
    await clinic.reception.walk_in(clinic.doctor_id)
    for minutes in (1, 2, 4):
        clock.forward(minutes=minutes)
        await clinic.doctor.call_next(clinic.doctor_id)
    waits = (await told(clinic))["waits"]
    assert waits["booked"] == {"count": 2, "mean": 2.0, "median": 2.0, "p90": 3.0}
    assert waits["walk_in"] == {"count": 1, "mean": 7.0, "median": 7.0, "p90": 7.0}
    assert waits["all"] == {"count": 3, "mean": 3.7, "median": 3.0, "p90": 7.0}


async def test_a_consultation_is_all_the_time_in_the_room_and_absence_is_none(clinic: Clinic, clock: Clock) -> None:
    tested, absent, brief = await seated(clinic, "09:00", "09:10", "09:20")
    await clinic.doctor.move(tested, "CALLED")
    clock.forward(minutes=1)
    await clinic.doctor.move(tested, "IN_CONSULTATION")
    clock.forward(minutes=3)
    await clinic.doctor.move(tested, "ON_HOLD")
    await clinic.doctor.move(absent, "CALLED")
    clock.forward(minutes=1)
    await clinic.doctor.move(absent, "NO_SHOW")
    await clinic.doctor.move(tested, "CALLED")
    await clinic.doctor.move(tested, "IN_CONSULTATION")
    clock.forward(minutes=1)
    await clinic.doctor.move(tested, "COMPLETED")
    await clinic.doctor.move(brief, "CALLED")
    clock.forward(minutes=2)
    await clinic.doctor.move(brief, "COMPLETED")
    answer = await told(clinic)
    assert {visit["token"]: visit["consultation_minutes"] for visit in answer["visits"]} == {
        "A-001": 4.0,
        "A-002": None,
        "A-003": 2.0,
    }
    assert answer["consultations"] == {"count": 2, "mean": 3.0, "median": 3.0, "p90": 4.0}
    assert answer["visits"][0]["wait_minutes"] == 0.0


async def test_each_visit_counts_once_by_what_became_of_it(clinic: Clinic) -> None:
    seen, absent, left, gone, _ = await seated(clinic, "09:00", "09:10", "09:20", "09:30", "09:40")
    cancelled, never_came = [
        await clinic.reception.book(clinic.doctor_id, time=time, patient={"name": time}) for time in ("10:00", "10:10")
    ]
    await clinic.doctor.move(seen, "COMPLETED")
    await clinic.doctor.move(absent, "CALLED")
    await clinic.doctor.move(absent, "NO_SHOW")
    await clinic.reception.move(left, "CANCELLED")
    await clinic.doctor.move(gone, "NO_SHOW")
    await clinic.reception.move(cancelled, "CANCELLED")
    counts = {"visits": 7, "seen": 1, "no_show": 1, "left": 2, "cancelled": 1, "open": 2}
    assert (await told(clinic))["counts"] == counts
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/close", {"no_show": True})
    closed = await told(clinic)
    assert (closed["state"], closed["counts"]) == ("CLOSED", counts | {"no_show": 2, "left": 3, "open": 0})
    assert never_came["status"] == "BOOKED"


async def test_what_was_taken_back_has_not_happened_but_the_undo_is_told(clinic: Clinic, clock: Clock) -> None:
    await seated(clinic, "09:00")
    clock.forward(minutes=2)
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/undo")
    clock.forward(minutes=3)
    await clinic.doctor.call_next(clinic.doctor_id)
    answer = await told(clinic)
    assert answer["waits"]["all"]["mean"] == 5.0
    undo = answer["overrides"][0]
    assert (undo["verb"], undo["change"], undo["token"], undo["actor"]["role"]) == ("undo", "call", "A-001", "doctor")


async def test_who_was_passed_over_by_whom_and_why(clinic: Clinic) -> None:
    first, second, third, fourth = await seated(clinic, "09:00", "09:10", "09:20", "09:30")
    for path, body in [
        (f"{third['id']}/priority", {"priority": "EMERGENCY", "reason": "chest pain"}),
        (f"{fourth['id']}/place", {"before": first["id"], "reason": "small child"}),
    ]:
        assert (await clinic.reception.patch(f"/appointments/{path}", body)).status == 200
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.move(second, "CALLED", reason="is known to be brief")
    await clinic.doctor.call_next(clinic.doctor_id)
    answer = await told(clinic)
    assert [(each["token"], each["passed"], each["reason"], each["priority"]) for each in answer["overtakes"]] == [
        ("A-003", ["A-001", "A-002"], "chest pain", "EMERGENCY"),
        ("A-004", ["A-001", "A-002"], "small child", "NORMAL"),
        ("A-002", ["A-001"], "is known to be brief", "NORMAL"),
    ]
    assert [(each["verb"], each["change"], each["reason"], each["token"]) for each in answer["overrides"]] == [
        ("priority", "EMERGENCY", "chest pain", "A-003"),
        ("place", None, "small child", "A-004"),
    ]
    assert answer["overrides"][0]["actor"]["name"] == "St Mary"


async def test_the_rules_alone_pass_nobody_over(clinic: Clinic, clock: Clock) -> None:
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"late_grace_minutes": 5})
    late = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "Late"})
    await clinic.reception.walk_in(clinic.doctor_id)
    held, *_ = await seated(clinic, "09:10", "09:20", "09:30", "09:40")
    await clinic.reception.move(held, "ON_HOLD")
    clock.forward(minutes=6)
    await clinic.reception.move(late, "CHECKED_IN")
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.reception.move(held, "CHECKED_IN")
    called = [(await clinic.doctor.call_next(clinic.doctor_id))["called"] for _ in range(6)]
    assert [visit and visit["token"] for visit in called] == ["A-003", "A-001", "A-002", "A-004", "A-005", None]
    assert (await told(clinic))["overtakes"] == []


async def test_a_visit_is_told_in_the_report_of_the_doctor_it_went_to(clinic: Clinic, clock: Clock) -> None:
    other_id, other = await clinic.add_doctor(name="Dr B. Lee", token_prefix="B")
    sent, stays = await seated(clinic, "09:00", "09:10")
    clock.forward(minutes=4)
    await clinic.reception.post(f"/appointments/{sent['id']}/transfer", {"doctor_id": other_id})
    clock.forward(minutes=4)
    await other.call_next(other_id)
    await clinic.doctor.call_next(clinic.doctor_id)
    there, here = await other.get(f"/queues/{other_id}/report"), await told(clinic)
    assert [(visit["token"], visit["wait_minutes"]) for visit in there["visits"]] == [("A-001", 8.0)]
    assert [(visit["token"], visit["wait_minutes"]) for visit in here["visits"]] == [(stays["token"], 8.0)]


async def test_the_csv_has_a_row_for_each_visit_in_local_time_and_no_name(clinic: Clinic, clock: Clock) -> None:
    await seated(clinic, "09:00")
    await clinic.reception.walk_in(clinic.doctor_id, "=cmd|' /C calc'!A0")
    clock.forward(minutes=6)
    await clinic.doctor.call_next(clinic.doctor_id)
    path = f"/queues/{clinic.doctor_id}/report"
    media_type, rows = await as_csv(clinic.reception, path)
    assert media_type == "text/csv; charset=utf-8"
    assert [(row["token"], row["kind"], row["status"]) for row in rows] == [
        ("A-001", "booked", "CALLED"),
        ("A-W01", "walk-in", "CHECKED_IN"),
    ]
    assert rows[0]["called_at"] == "2026-11-23T09:06:00+05:30"
    assert (rows[0]["wait_minutes"], rows[1]["wait_minutes"], rows[1]["scheduled_at"]) == ("6.0", "", "")
    assert not any("cmd" in cell or "At 09:00" in cell for row in rows for cell in row.values())
    assert (await as_csv(clinic.doctor, path, "text/csv;q=0.9, application/json;q=0.1"))[0] == media_type
    for accept in ("*/*", "application/json", "text/html", "application/json, text/csv;q=0.5"):
        answer = await clinic.doctor.get(path, accept=accept)
        assert answer["counts"]["visits"] == 2


async def test_a_label_like_a_formula_stays_text(clinic: Clinic) -> None:
    await seated(clinic, "09:00")
    found = msgspec.convert({**await told(clinic)}, Report)
    label = msgspec.structs.replace(found.visits[0], token="=HYPERLINK(1)")
    text = write(msgspec.structs.replace(found, visits=[label]))
    assert text.splitlines()[1].startswith("'=HYPERLINK(1),booked")


async def test_the_report_is_the_doctors_and_the_hospitals(clinic: Clinic, server: Server) -> None:
    elsewhere = await open_clinic(server)
    _, colleague = await clinic.add_doctor(name="Dr B. Lee", token_prefix="B")
    path = f"/queues/{clinic.doctor_id}/report"
    for asker, status in [
        (clinic.reception, 200),
        (elsewhere.reception, 404),
        (elsewhere.doctor, 404),
        (colleague, 404),
        (await server.patient(), 403),
        (server.anybody, 401),
    ]:
        assert (await asker.get(path)).status == status
    assert (await clinic.reception.get("/queues/999999/report")).status == 404
    assert (await clinic.reception.get(f"{path}?date=yesterday")).status == 400
    assert (await clinic.reception.get(f"{path}?day=2026-11-23")).status == 400


async def test_a_consultation_that_only_midnight_ended_has_no_length(
    clinic: Clinic, settings: Settings, clock: Clock
) -> None:
    inside, _ = await seated(clinic, "09:00", "09:10")
    for status in ("CALLED", "IN_CONSULTATION"):
        await clinic.doctor.move(inside, status)
    email = (await clinic.doctor.get("/auth/me"))["email"]
    clock.forward(hours=20)
    async with open_pool(settings) as pool, transaction(pool) as conn:
        day = await days.lock(conn, DayKey(clinic.doctor_id, date(2026, 11, 23)))
        await session.close(conn, day, no_show=True, actor=None, now=clock.now)
    clinic.doctor = await clinic.server.log_in(email)
    answer = await told(clinic, "?date=2026-11-23")
    assert {"seen": 1, "left": 1, "open": 0}.items() <= answer["counts"].items()
    assert (answer["consultations"]["count"], answer["waits"]["all"]["count"]) == (0, 1)
    assert (await told(clinic))["counts"]["visits"] == 0
