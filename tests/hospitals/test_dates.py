"""Hours of one date instead of the week's."""

import asyncio

import pytest

from builders import Answer, Clinic, Server, open_clinic, refused

pytestmark = pytest.mark.anyio

DAY = "2026-11-24"
AFTERNOON = {"windows": [{"start": "14:00", "end": "15:00"}]}


async def free(clinic: Clinic, day: str = DAY) -> list[str]:
    slots = (await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/slots?date={day}"))["slots"]
    return [slot["time"] for slot in slots if slot["free"]]


def path(clinic: Clinic, day: str = DAY) -> str:
    return f"/doctors/{clinic.doctor_id}/schedule/{day}"


async def booked(clinic: Clinic, time: str) -> Answer:
    return await clinic.reception.book(clinic.doctor_id, date=DAY, time=time, patient={"name": "Walter"})


async def test_one_date_has_its_own_hours_and_every_other_day_keeps_the_weeks(clinic: Clinic) -> None:
    changed = await clinic.reception.put(path(clinic), AFTERNOON)
    assert (changed.status, changed["affected"]) == (200, [])
    assert await free(clinic) == ["14:00", "14:10", "14:20", "14:30", "14:40", "14:50"]
    assert len(await free(clinic, "2026-11-25")) == 24
    dates = (await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/schedule-dates"))["dates"]
    assert dates == [{"date": DAY, "windows": [{"start": "14:00", "end": "15:00", "capacity": 1}]}]
    assert (await clinic.reception.delete(path(clinic))).status == 204
    assert len(await free(clinic)) == 24


async def test_a_date_without_windows_is_a_day_off(clinic: Clinic) -> None:
    assert (await clinic.reception.put(path(clinic), {"windows": []})).status == 200
    assert await free(clinic) == []
    refused(await booked(clinic, "09:00"), 409, "slot_unavailable")
    assert (await clinic.server.anybody.get(path(clinic)))["windows"] == []


async def test_visits_without_a_doctor_are_listed_and_one_call_moves_them_all(clinic: Clinic) -> None:
    visits = [await booked(clinic, time) for time in ("09:00", "12:50")]
    changed = await clinic.reception.put(path(clinic), AFTERNOON)
    assert [visit["id"] for visit in changed["affected"]] == [visit["id"] for visit in visits]
    assert [visit["token"] for visit in changed["affected"]] == ["A-001", "A-024"]
    settled = await clinic.reception.post(f"{path(clinic)}/settle", {"action": "move"})
    assert [visit["scheduled_at"][11:16] for visit in settled["settled"]] == [
        "08:40",
        "08:30",
    ]  # 14:10, and 14:00 whose number is free again
    assert settled["left"] == []
    assert (await clinic.reception.post(f"{path(clinic)}/settle", {"action": "cancel"}))["settled"] == []


async def test_a_label_that_is_out_is_never_given_again_by_other_hours(clinic: Clinic) -> None:
    first = await booked(clinic, "09:00")
    await clinic.reception.put(path(clinic), AFTERNOON)
    labels = [(await booked(clinic, time))["token"] for time in ("14:10", "14:20")]
    assert first["token"] not in labels
    refused(await booked(clinic, "14:00"), 409, "slot_taken")


async def test_hours_that_make_no_sense_and_dates_that_are_none_change_nothing(clinic: Clinic) -> None:
    for windows in (
        [{"start": "10:00", "end": "09:00"}],
        [{"start": "09:00", "end": "11:00"}, {"start": "10:00", "end": "12:00"}],
        [{"start": "09:00"}],
        [{"start": "09:00", "end": "10:00", "weekday": 1}],
        "none",
    ):
        refused(await clinic.reception.put(path(clinic), {"windows": windows}), 400, "malformed")
    for day in ("2026-02-30", "tomorrow", "20261124000"):
        assert (await clinic.reception.put(path(clinic, day), AFTERNOON)).status in {400, 404}, day
    assert len(await free(clinic)) == 24


async def test_hours_are_set_by_the_own_hospital_alone(server: Server, clinic: Clinic) -> None:
    foreign = await open_clinic(server)
    refused(await foreign.reception.put(path(clinic), AFTERNOON), 404, "not_found")
    refused(await foreign.reception.delete(path(clinic)), 404, "not_found")
    refused(await foreign.reception.post(f"{path(clinic)}/settle", {"action": "cancel"}), 404, "not_found")
    refused(await clinic.doctor.put(path(clinic), AFTERNOON), 403, "forbidden")
    refused(await server.anybody.put(path(clinic), AFTERNOON), 401, "unauthenticated")


async def test_bookings_and_a_change_of_the_date_at_once_do_not_block_each_other(clinic: Clinic) -> None:
    answers = await asyncio.gather(
        *(clinic.reception.book(clinic.doctor_id, date=DAY, patient={"name": f"P{n}"}) for n in range(12)),
        *(clinic.reception.put(path(clinic), {"windows": [{"start": "09:00", "end": "13:00"}]}) for _ in range(4)),
    )
    assert {answer.status for answer in answers} == {200, 201}


async def test_a_day_that_is_closed_has_no_free_slot(clinic: Clinic) -> None:
    await clinic.reception.post(f"/queues/{clinic.doctor_id}/close", {})
    refused(await clinic.reception.book(clinic.doctor_id, patient={"name": "Late"}), 409, "queue_closed")
    assert await free(clinic, "2026-11-23") == []
    await clinic.reception.post(f"/queues/{clinic.doctor_id}/resume")
    assert len(await free(clinic, "2026-11-23")) == 24
