"""What the holder of a visit's code may do without logging in, and what stays with the desk."""

import pytest

from builders import Answer, Asker, Clinic, refused
from conftest import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def visit(clinic: Clinic) -> Answer:
    """Booked for 09:30 today; it is 09:00."""
    return await (await clinic.server.patient("Asha Iyer")).book(clinic.doctor_id, time="09:30")


async def say(clinic: Clinic, visit: Answer, verb: str, body: dict[str, int] | None = None) -> Answer:
    return await clinic.server.anybody.post(f"/tokens/{visit['code']}/{verb}", body)


async def rows(clinic: Clinic) -> list[Answer]:
    return (await clinic.doctor.today(clinic.doctor_id))["booked"]


async def test_i_am_here_checks_in(clinic: Clinic, visit: Answer) -> None:
    view = await say(clinic, visit, "check-in")
    assert (view.status, view["status"], view["headline"]) == (200, "CHECKED_IN", "You are next")
    assert "Asha" not in view.raw.decode()
    (event,) = (await clinic.doctor.get(f"/appointments/{visit['id']}/events"))["events"][1:]
    assert (event["verb"], event["actor"]["role"]) == ("check_in", "patient")


async def test_a_hospital_may_keep_check_in_to_its_desk_and_the_page_says_so(clinic: Clinic, visit: Answer) -> None:
    path = f"/hospitals/{clinic.hospital_id}/settings"
    assert "check_in" in (await clinic.server.anybody.get(f"/tokens/{visit['code']}"))["may"]
    await clinic.reception.patch(path, {"patient_check_in": False})
    view = await clinic.server.anybody.get(f"/tokens/{visit['code']}")
    assert view["may"] == ["late", "cancel"]
    assert view["advice"] == "Booked. Please check in at the reception when you arrive."
    refused(await say(clinic, visit, "check-in"), 403, "forbidden")


async def test_nobody_checks_in_before_the_day(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, date="2026-11-24", time="09:30", patient={"name": "Ben"})
    view = await clinic.server.anybody.get(f"/tokens/{visit['code']}")
    assert (view["may"], view["headline"], view["advice"]) == (["cancel"], "Booked", "Tuesday 24 November")
    refused(await say(clinic, visit, "check-in"), 409, "illegal_transition")
    refused(await say(clinic, visit, "late", {"minutes": 10}), 409, "visit_not_waiting")


async def test_who_is_late_is_expected_later_and_the_desk_sees_it(clinic: Clinic, visit: Answer) -> None:
    await clinic.reception.book(clinic.doctor_id, time="09:40", patient={"name": "Ben"})
    view = await say(clinic, visit, "late", {"minutes": 20})
    assert (view.status, view["ahead"]) == (200, 1)
    assert [(row["patient"]["name"], row["late_minutes"]) for row in await rows(clinic)] == [
        ("Ben", 0),
        ("Asha Iyer", 20),
    ]
    assert (await say(clinic, visit, "late", {"minutes": 0}))["ahead"] == 0
    assert [row["late_minutes"] for row in await rows(clinic)] == [0, 0]


async def test_saying_the_same_twice_changes_nothing(clinic: Clinic, visit: Answer) -> None:
    first = await say(clinic, visit, "late", {"minutes": 20})
    again = await say(clinic, visit, "late", {"minutes": 20})
    assert (first["version"], again.status) == (again["version"], 200)


async def test_who_said_to_be_late_and_is_not_has_the_slot_again(clinic: Clinic, visit: Answer) -> None:
    ben = await clinic.reception.book(clinic.doctor_id, time="09:40", patient={"name": "Ben"})
    await say(clinic, visit, "late", {"minutes": 60})
    await clinic.reception.move(ben, "CHECKED_IN")
    assert (await say(clinic, visit, "check-in"))["ahead"] == 0


async def test_cancelling_frees_the_seat_until_the_cut_off(clinic: Clinic, visit: Answer, clock: Clock) -> None:
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"cancel_cutoff_minutes": 25})
    clock.forward(minutes=9)
    assert "cancel" not in (await say(clinic, visit, "late", {"minutes": 10}))["may"]
    refused(await say(clinic, visit, "cancel"), 409, "too_late")
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"cancel_cutoff_minutes": 0})
    assert (await say(clinic, visit, "cancel"))["status"] == "CANCELLED"
    slots = (await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/slots"))["slots"]
    assert next(slot for slot in slots if slot["time"] == "09:30")["free"]


@pytest.mark.parametrize("verb", ["check-in", "cancel", "late"])
async def test_an_unknown_code_is_nobody(clinic: Clinic, verb: str) -> None:
    refused(
        await clinic.server.anybody.post(f"/tokens/nonsense/{verb}", {"minutes": 5} if verb == "late" else None),
        404,
        "not_found",
    )


async def test_a_lateness_beyond_two_hours_is_refused(clinic: Clinic, visit: Answer) -> None:
    refused(await say(clinic, visit, "late", {"minutes": 121}), 400, "malformed")


async def test_the_calendar_entry_has_the_slot_in_utc_and_folds_long_lines(clinic: Clinic, visit: Answer) -> None:
    asker: Asker = clinic.server.anybody
    answer = await asker.http.get(f"/tokens/{visit['code']}/visit.ics")
    lines = answer.text.split("\r\n")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert {"BEGIN:VCALENDAR", "DTSTART:20261123T040000Z", "DTEND:20261123T041000Z", "STATUS:CONFIRMED"} <= set(lines)
    assert "SUMMARY:A-004\\, Dr A. Rao" in lines
    assert all(len(line.encode()) <= 75 for line in lines)
    assert f"/t/{visit['code']}" in answer.text.replace("\r\n ", "")
    walk_in = await clinic.reception.walk_in(clinic.doctor_id)
    refused(await asker.get(f"/tokens/{walk_in['code']}/visit.ics"), 409, "visit_not_waiting")
