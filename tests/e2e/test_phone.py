"""The patient's phone in a real browser: first sight, what it can do, and what it says without a network."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from builders import Answer, Clinic, Server
from cable import Cable
from devices import PHONE, Devices
from walk import waiting

pytestmark = pytest.mark.anyio

FIRST_VIEW_MAX_BYTES = 30 * 1024


async def booked(clinic: Clinic, time: str = "09:30") -> Answer:
    return await (await clinic.server.patient("Asha Iyer")).book(clinic.doctor_id, time=time)


async def phone_at(devices: Devices, server: Server, visit: Answer) -> Page:
    phone = await devices.open(f"{server.url}/t/{visit['code']}", size=PHONE)
    await expect(phone.get_by_role("status").filter(has_text="Live")).to_be_visible()
    return phone


async def test_the_first_view_needs_no_script(chromium: Browser, server: Server, clinic: Clinic) -> None:
    await waiting(clinic, "Ben", "Chen")
    visit = (await waiting(clinic, "Asha"))[0]
    context = await chromium.new_context(java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await page.goto(f"{server.url}/t/{visit['code']}")
    for words in ("A-W03", "2 people ahead", "Dr A. Rao", "Room 3", "St Mary", "Showing 09:00"):
        await expect(page.get_by_text(words, exact=True)).to_be_visible()
    await expect(page.get_by_text(re.compile(r"^about 09:\d[05]$"))).to_be_visible()
    await expect(page.get_by_role("button")).to_have_count(0)
    await context.close()


async def test_the_first_view_is_small(devices: Devices, server: Server, clinic: Clinic) -> None:
    (visit,) = await waiting(clinic, "Asha")
    phone = await devices.open(f"{server.url}/", size=PHONE)
    loaded = 0

    async def weigh(page: Page) -> int:
        return await page.evaluate(
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
            ".reduce((sum, entry) => sum + entry.transferSize, 0)"
        )

    await phone.goto(f"{server.url}/t/{visit['code']}")
    await expect(phone.get_by_role("heading", name="A-W01")).to_be_visible()
    await phone.wait_for_load_state("networkidle")
    loaded = await weigh(phone)
    assert 5_000 < loaded <= FIRST_VIEW_MAX_BYTES


async def test_i_am_here(devices: Devices, server: Server, clinic: Clinic) -> None:
    phone = await phone_at(devices, server, await booked(clinic))
    await phone.get_by_role("button", name="I am here").click()
    await expect(phone.get_by_text("You are checked in. Please stay close by.")).to_be_visible()
    await expect(phone.get_by_role("button", name="I am here")).to_be_hidden()
    assert [row["token"] for row in (await clinic.doctor.today(clinic.doctor_id))["waiting"]] == ["A-004"]


async def test_i_am_running_late(devices: Devices, server: Server, clinic: Clinic) -> None:
    phone = await phone_at(devices, server, await booked(clinic))
    await phone.get_by_role("button", name="I am running late").click()
    await phone.get_by_role("group", name="How late?").get_by_role("button", name="20 min").click()
    await expect(phone.get_by_text("The clinic knows that you come about 20 minutes late.")).to_be_visible()
    assert [row["late_minutes"] for row in (await clinic.doctor.today(clinic.doctor_id))["booked"]] == [20]


async def test_i_am_not_coming_is_asked_once_more(devices: Devices, server: Server, clinic: Clinic) -> None:
    phone = await phone_at(devices, server, await booked(clinic))
    await phone.get_by_role("button", name="Cancel my visit").click()
    await phone.get_by_role("button", name="Keep it").click()
    await phone.get_by_role("button", name="Cancel my visit").click()
    await phone.get_by_role("button", name="Yes, cancel it").click()
    await expect(phone.get_by_text("This visit will not take place.")).to_be_visible()


async def test_a_hospital_that_checks_in_at_its_desk_has_no_such_button(
    devices: Devices, server: Server, clinic: Clinic
) -> None:
    visit = await booked(clinic)
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"patient_check_in": False})
    phone = await phone_at(devices, server, visit)
    await expect(phone.get_by_text("Booked. Please check in at the reception when you arrive.")).to_be_visible()
    await expect(phone.get_by_role("button", name="I am here")).to_be_hidden()


async def test_it_vibrates_when_near_and_when_called(devices: Devices, server: Server, clinic: Clinic) -> None:
    visit = (await waiting(clinic, "Ben", "Chen", "Asha"))[2]
    phone = await devices.open(f"{server.url}/", size=PHONE)
    await phone.add_init_script("window.felt = []; navigator.vibrate = (pattern) => window.felt.push(pattern.length)")
    await phone.goto(f"{server.url}/t/{visit['code']}")
    await expect(phone.get_by_text("2 people ahead")).to_be_visible()
    for words in ("1 person ahead", "You are next", "It is your turn"):
        await clinic.doctor.call_next(clinic.doctor_id)
        await expect(phone.get_by_text(words)).to_be_visible()
    assert await phone.evaluate("window.felt") == [3, 5]


async def test_the_calendar_takes_the_visit(devices: Devices, server: Server, clinic: Clinic) -> None:
    phone = await phone_at(devices, server, await booked(clinic))
    async with phone.expect_download() as started:
        await phone.get_by_role("link", name="Add to calendar").click()
    assert (await started.value).suggested_filename == "A-004.ics"


async def test_opened_without_network_it_shows_what_it_knew_and_since_when(
    devices: Devices, cable: Cable, clinic: Clinic
) -> None:
    visit = (await waiting(clinic, "Ben", "Asha"))[1]
    phone = await devices.open(f"{cable.url}/t/{visit['code']}", size=PHONE)
    await phone.evaluate("navigator.serviceWorker.ready")
    await phone.reload()
    await phone.wait_for_function("navigator.serviceWorker.controller !== null")
    await phone.wait_for_load_state("networkidle")
    cable.unplug()
    await phone.reload()
    await expect(phone.get_by_text("1 person ahead")).to_be_visible()
    await expect(phone.get_by_role("status").first).to_have_text(re.compile(r"^Showing \d\d:\d\d$"))
    await expect(phone.get_by_text("about")).to_be_hidden()


async def test_it_can_be_kept_beside_the_applications(devices: Devices, server: Server, clinic: Clinic) -> None:
    visit = await booked(clinic)
    phone = await phone_at(devices, server, visit)
    link = await phone.locator("link[rel=manifest]").get_attribute("href")
    manifest = await server.anybody.get(str(link))
    assert (manifest["start_url"], manifest["display"]) == (f"/t/{visit['code']}", "standalone")
