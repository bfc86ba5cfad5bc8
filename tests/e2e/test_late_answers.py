"""Answers that come late: whatever was asked meanwhile, a page shows what it stands at."""

import pytest
from playwright.async_api import expect

from builders import Clinic
from devices import Devices
from walk import hold_back, let_go, log_in, waiting

pytestmark = pytest.mark.anyio


async def test_a_doctor_chosen_later_is_not_shown_the_days_of_the_one_before(devices: Devices, clinic: Clinic) -> None:
    slow, _ = await clinic.add_doctor(name="Dr Slow", token_prefix="S", hours=[])
    page = await devices.open(f"{clinic.server.url}/book")
    await log_in(page, (await clinic.server.patient()).email)
    days = f"**/doctors/{slow}/schedule"
    held = await hold_back(page, days)
    await page.get_by_role("radio", name="Dr Slow").check()
    await page.get_by_role("radio", name="Dr A. Rao").check()
    await expect(page.get_by_role("radio", name="Tomorrow")).to_be_enabled()
    await let_go(page, days, held)
    await expect(page.get_by_role("radio", name="Tomorrow")).to_be_enabled()


async def test_a_visit_moved_from_a_closed_dialog_is_listed_as_it_is(devices: Devices, today: Clinic) -> None:
    patient = await today.server.patient()
    page = await devices.open(f"{today.server.url}/book")
    day = await page.evaluate("new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10)")
    visit = await patient.book(today.doctor_id, date=day, time="10:00")
    await log_in(page, patient.email)
    await page.get_by_role("button", name=f"Another time for {visit['token']}").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Time").select_option("11:00")
    held = await hold_back(page, "**/reschedule")
    await dialog.get_by_role("button", name="Move my visit").click()
    await page.keyboard.press("Escape")
    await let_go(page, "**/reschedule", held)
    await expect(page.get_by_role("region", name="My visits")).to_contain_text("11:00 · booked")


async def test_a_desk_left_meanwhile_does_not_show_its_line_at_the_next_one(devices: Devices, clinic: Clinic) -> None:
    other, _ = await clinic.add_doctor(name="Dr Zoe Quist", token_prefix="Z")
    await waiting(clinic, "Asha")
    await clinic.reception.walk_in(other, "Zoltan")
    desk = await devices.open(f"{clinic.server.url}/desk")
    await log_in(desk, (await clinic.reception.get("/auth/me"))["email"])
    await desk.get_by_role("button", name="Dr A. Rao").click()
    await expect(desk.get_by_text("Asha", exact=True)).to_be_visible()
    line = f"**/appointments/doctor/{clinic.doctor_id}/today"
    held = await hold_back(desk, line)
    await clinic.reception.call_next(clinic.doctor_id)
    await expect(desk.get_by_role("button", name="Recall A-W01 Asha")).to_be_visible()
    await desk.route("**/recall", lambda route: route.fulfill(status=409, json={"code": "stale_version"}))
    async with desk.expect_request(line):
        await desk.get_by_role("button", name="Recall A-W01 Asha").click()
    await desk.get_by_role("button", name="Other doctor").click()
    await desk.get_by_role("button", name="Dr Zoe Quist").click()
    await expect(desk.get_by_text("Zoltan", exact=True)).to_be_visible()
    await let_go(desk, line, held)
    await expect(desk.get_by_text("Zoltan", exact=True)).to_be_visible()
    await expect(desk.get_by_text("Asha", exact=True)).to_be_hidden()


async def test_settings_can_be_typed_once_they_are_there(devices: Devices, clinic: Clinic) -> None:
    page = await devices.open(f"{clinic.server.url}/hospital#settings")
    settings = f"**/hospitals/{clinic.hospital_id}/settings"
    held = await hold_back(page, settings)
    await log_in(page, (await clinic.reception.get("/auth/me"))["email"])
    name = page.get_by_role("form", name="The hospital").get_by_label("Name")
    await expect(page.get_by_role("heading", name="Staff")).to_be_visible()
    assert not await name.evaluate("node => (node.focus(), node === document.activeElement)")
    await let_go(page, settings, held)
    await expect(name).to_have_value("St Mary")
    assert await name.evaluate("node => (node.focus(), node === document.activeElement)")


@pytest.mark.parametrize("path", ["/desk", "/hospital", "/book"])
async def test_nobody_is_asked_for_a_password_before_the_page_can_send_it(
    devices: Devices, clinic: Clinic, path: str
) -> None:
    page = await devices.open(clinic.server.url)
    script = f"**/web{path}/page.js"
    held = await hold_back(page, script)
    await page.goto(clinic.server.url + path, wait_until="commit")
    form = page.get_by_label("Log in").first
    await form.wait_for(state="attached")
    await page.wait_for_timeout(300)
    assert not await form.is_visible()
    await let_go(page, script, held)
    await expect(page.get_by_role("form", name="Log in")).to_be_visible()
