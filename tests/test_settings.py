"""What a hospital decides about itself, over the wire, and how soon everybody follows."""

import pytest

from builders import Clinic, Server, open_clinic
from conftest import Clock, serving
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "name": "St Mary",
    "timezone": "Asia/Kolkata",
    "late_grace_minutes": 10,
    "walk_in_wait_minutes": 15,
    "priority_lead_minutes": 20,
    "return_after": 2,
    "calls_before_hold": 2,
    "rooms": 1,
    "walk_ins_per_day": 500,
    "horizon_days": 180,
    "cancel_cutoff_minutes": 0,
    "patient_check_in": True,
}


def path(clinic: Clinic) -> str:
    return f"/hospitals/{clinic.hospital_id}/settings"


async def test_a_hospital_starts_with_the_defaults_and_keeps_what_it_does_not_change(clinic: Clinic) -> None:
    assert await clinic.reception.get(path(clinic)) == DEFAULTS
    changed = await clinic.reception.patch(path(clinic), {"late_grace_minutes": 5, "patient_check_in": False})
    assert (changed.status, changed) == (200, DEFAULTS | {"late_grace_minutes": 5, "patient_check_in": False})
    await clinic.reception.patch(path(clinic), {"name": "St Joseph", "return_after": 0})
    assert await clinic.reception.get(path(clinic)) == changed | {"name": "St Joseph", "return_after": 0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("late_grace_minutes", -1),
        ("late_grace_minutes", 241),
        ("late_grace_minutes", "10"),
        ("rooms", 0),
        ("walk_ins_per_day", 2001),
        ("horizon_days", 731),
        ("cancel_cutoff_minutes", 10081),
        ("patient_check_in", 1),
        ("name", " "),
        ("timezone", "Mars/Olympus"),
        ("timezone", "localtime"),
        ("timezone", "../etc/passwd"),
        ("timezone", "FOO+3"),
        ("grace", 5),
    ],
)
async def test_a_setting_out_of_bounds_is_refused_by_name(clinic: Clinic, field: str, value: object) -> None:
    refused = await clinic.reception.patch(path(clinic), {"return_after": 1, field: value})
    assert (refused.status, refused["code"], refused["errors"][0]["field"]) == (400, "malformed", field)
    assert await clinic.reception.get(path(clinic)) == DEFAULTS


async def test_only_its_own_hospital_sees_and_changes_its_settings(clinic: Clinic, server: Server) -> None:
    elsewhere = await open_clinic(server)
    for asker, status in [
        (elsewhere.reception, 404),
        (clinic.doctor, 403),
        (await server.patient(), 403),
        (server.anybody, 401),
    ]:
        assert (await asker.get(path(clinic))).status == status
        assert (await asker.patch(path(clinic), {"rooms": 2})).status == status


async def test_a_new_grace_counts_from_the_next_check_in(clinic: Clinic, clock: Clock) -> None:
    late = await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "Late"})
    clock.forward(minutes=8)
    await clinic.reception.patch(path(clinic), {"late_grace_minutes": 5, "walk_in_wait_minutes": 30})
    early = await clinic.reception.book(clinic.doctor_id, time="09:30", patient={"name": "Early"})
    for visit in (late, early):
        await clinic.reception.move(visit, "CHECKED_IN")
    waiting = (await clinic.doctor.today(clinic.doctor_id))["waiting"]
    assert [visit["token"] for visit in waiting] == ["A-004", "A-001"]


async def test_a_new_name_is_on_every_screen_of_every_process_at_once(
    clinic: Clinic, server: Server, settings: Settings, clock: Clock
) -> None:
    async with (
        serving(settings, clock) as second,
        server.watch(f"/live/queues/{clinic.doctor_id}") as here,
        second.watch(f"/live/queues/{clinic.doctor_id}") as there,
    ):
        assert [(await screen.frame())["hospital"] for screen in (here, there)] == ["St Mary", "St Mary"]
        await clinic.reception.patch(path(clinic), {"name": "St Joseph"})
        for screen in (here, there):
            assert (await screen.frame())["hospital"] == "St Joseph"


async def test_a_room_changed_before_the_first_visit_of_the_day_is_on_the_screen(clinic: Clinic) -> None:
    async with clinic.server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        assert (await screen.frame())["room"] == "3"
        await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": "7"})
        assert (await screen.frame())["room"] == "7"


async def test_the_timezone_changes_for_every_process_while_nothing_is_promised(
    clinic: Clinic, server: Server, settings: Settings, clock: Clock
) -> None:
    queue = f"/queues/{clinic.doctor_id}"
    async with serving(settings, clock) as second, second.watch(f"/live{queue}") as screen:
        assert (await screen.frame())["date"] == "2026-11-23"
        changed = await clinic.reception.patch(path(clinic), {"timezone": "America/New_York"})
        assert (changed.status, changed["timezone"]) == (200, "America/New_York")
        assert (await server.anybody.get(queue))["date"] == "2026-11-22"
        frame = await screen.until(lambda frame: frame["date"] == "2026-11-22")
        assert frame["timezone"] == "America/New_York"
    booked = await clinic.reception.book(clinic.doctor_id, time="23:00", patient={"name": "A"})
    assert booked["code"] == "slot_unavailable"
    booked = await clinic.reception.book(clinic.doctor_id, date="2026-11-23", time="09:00", patient={"name": "A"})
    assert booked["scheduled_at"] == "2026-11-23T14:00:00Z"


async def test_the_timezone_stays_while_there_is_an_appointment_from_today_on(clinic: Clinic, clock: Clock) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, date="2026-11-25", patient={"name": "A"})
    refused = await clinic.reception.patch(path(clinic), {"timezone": "Asia/Colombo", "rooms": 2})
    assert (refused.status, refused["code"]) == (409, "timezone_in_use")
    assert await clinic.reception.get(path(clinic)) == DEFAULTS
    assert (await clinic.reception.patch(path(clinic), {"timezone": "Asia/Kolkata", "rooms": 2})).status == 200
    await clinic.reception.move(visit, "CANCELLED")
    assert (await clinic.reception.patch(path(clinic), {"timezone": "Asia/Colombo"})).status == 200
