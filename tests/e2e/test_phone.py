"""The patient's phone in a real browser: first sight, what it can do, and what it says without a network."""

import asyncio
import re

import pytest
from playwright.async_api import Browser, Page, expect

from axe import barriers
from builders import Answer, Clinic, Server, open_clinic
from cable import Cable
from conftest import Clock, serving
from devices import PHONE, Devices, until
from mediqon.settings import Settings
from walk import waiting

pytestmark = pytest.mark.anyio

FIRST_VIEW_MAX_BYTES = 30 * 1024
TAUGHT_SECONDS = 10.0


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


@pytest.mark.parametrize("language", ["en", "hi"])
async def test_the_first_view_is_small(devices: Devices, server: Server, clinic: Clinic, language: str) -> None:
    (visit,) = await waiting(clinic, "Asha")
    phone = await devices.open(f"{server.url}/", size=PHONE)
    loaded = 0

    async def weigh(page: Page) -> int:
        return await page.evaluate(
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
            ".reduce((sum, entry) => sum + entry.transferSize, 0)"
        )

    await phone.goto(f"{server.url}/t/{visit['code']}?lang={language}")
    await expect(phone.get_by_role("heading", name="A-W01")).to_be_visible()
    await phone.wait_for_load_state("networkidle")
    loaded = await weigh(phone)
    print(f"{loaded} bytes")
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
    await until(phone, "navigator.serviceWorker.controller !== null")
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
    assert (manifest["start_url"], manifest["display"]) == (f"/t/{visit['code']}?lang=en", "standalone")


async def in_every_state(clinic: Clinic) -> list[str]:
    """The codes of visits in every state and place in line."""
    asha, ben, chen, dina, eli = await waiting(clinic, "Asha", "Ben", "Chen", "Dina", "Eli")
    for _ in (asha, ben):
        await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.reception.move(chen, "ON_HOLD")
    await clinic.reception.move(dina, "NO_SHOW")
    held = (await waiting(clinic, "Fay"))[0]
    await clinic.reception.move(held, "ON_HOLD")
    await clinic.reception.move(held, "CHECKED_IN")
    booked = await booked_for(clinic, "2026-11-23", "10:30")
    tomorrow = await booked_for(clinic, "2026-11-24", "10:30")
    cancelled = await booked_for(clinic, "2026-11-23", "10:40")
    await clinic.reception.move(cancelled, "CANCELLED")
    return [each["code"] for each in (asha, ben, chen, dina, eli, held, booked, tomorrow, cancelled)]


async def booked_for(clinic: Clinic, date: str, time: str) -> Answer:
    return await (await clinic.server.patient()).book(clinic.doctor_id, date=date, time=time)


async def told_what_today_has_taught(clinic: Clinic, tomorrow: str) -> None:
    """The process finds with its next sweep that the days after a closed one have moved on."""
    async with asyncio.timeout(TAUGHT_SECONDS):
        while (await clinic.server.anybody.get(f"/tokens/{tomorrow}"))["version"] == 1:
            await asyncio.sleep(0.05)


LANGUAGES = ["en-GB", "hi-IN", "es-MX", "ar-EG"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_script_says_what_the_page_said_before_it_in_every_language(
    chromium: Browser, settings: Settings, clock: Clock, language: str
) -> None:
    async with serving(settings, clock, date_header=False) as server:
        clinic = await open_clinic(server)
        codes = await in_every_state(clinic)
        silent = await chromium.new_context(viewport=PHONE, locale=language, java_script_enabled=False)
        lively = await chromium.new_context(viewport=PHONE, locale=language)
        before, after = await silent.new_page(), await lively.new_page()
        await after.clock.set_fixed_time(clock.now)
        for trouble in ("delay", "pause", "close"):
            await clinic.doctor.post(f"/queues/{clinic.doctor_id}/{trouble}", TROUBLE[trouble])
            if trouble == "close":
                await told_what_today_has_taught(clinic, codes[-2])
            for code in codes if trouble == "delay" else codes[-3:-1]:
                for page in (before, after):
                    await page.goto(f"{server.url}/t/{code}")
                await expect(after.locator("[data-part=live]")).to_have_attribute("data-state", "live")
                said = await ticket(before)
                assert await ticket(after) == said
                assert "{" not in said
                if language == "en-GB":
                    told = await server.anybody.get(f"/tokens/{code}")
                    for name in ("headline", "advice", "why", "message"):
                        assert (told[name] or "") in said, name
        await silent.close()
        await lively.close()


TROUBLE = {"delay": {"minutes": 25}, "pause": {"minutes": 10}, "close": {"no_show": True}}


async def ticket(page: Page) -> str:
    return " ".join((await page.locator(".ticket").inner_text()).split())


async def test_a_reader_can_choose_another_language(devices: Devices, server: Server, clinic: Clinic) -> None:
    phone = await phone_at(devices, server, await booked(clinic))
    await phone.get_by_role("link", name="العربية").click()
    await expect(phone.get_by_role("button", name="أنا هنا")).to_be_visible()
    await expect(phone.locator("html")).to_have_attribute("dir", "rtl")
    await expect(phone.get_by_role("link", name="العربية")).to_have_attribute("aria-current", "true")
    assert await barriers(phone) == []
    await phone.get_by_role("button", name="أنا هنا").click()
    await expect(phone.get_by_role("status").last).to_have_text("تم تسجيل حضورك.")
    await phone.reload()
    await expect(phone.get_by_text("دورك هو التالي").first).to_be_visible()
