"""Reception, administration, kiosk and reference in a real browser."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from axe import barriers
from builders import Answer, Clinic, Server
from devices import Devices
from walk import log_in, waiting

pytestmark = pytest.mark.anyio


async def at_hospital(devices: Devices, clinic: Clinic, tab: str = "") -> Page:
    page = await devices.open(f"{clinic.server.url}/hospital#{tab}")
    await log_in(page, (await clinic.reception.get("/auth/me"))["email"])
    await expect(page.get_by_role("heading", name="St Mary", level=1)).to_be_visible()
    return page


def news(page: Page, words: str | re.Pattern[str]) -> Locator:
    return page.get_by_role("status").filter(has_text=words)


class TestReception:
    async def test_somebody_is_found_by_a_few_letters_and_checked_in(self, devices: Devices, clinic: Clinic) -> None:
        await clinic.reception.book(clinic.doctor_id, time="09:30", patient={"name": "Asha Iyer"})
        await clinic.reception.book(clinic.doctor_id, time="09:40", patient={"name": "Ben Das"})
        page = await at_hospital(devices, clinic)
        visits = page.get_by_role("list", name="Today’s visits").get_by_role("listitem")
        await expect(visits).to_have_count(2)
        await page.get_by_label("Search today’s visits").fill("iye")
        await expect(visits).to_have_count(1)
        await page.get_by_role("button", name="Check in A-004 Asha Iyer").click()
        await expect(news(page, "Checked in: A-004 Asha Iyer.")).to_be_visible()
        assert [row["token"] for row in (await clinic.doctor.today(clinic.doctor_id))["waiting"]] == ["A-004"]

    async def test_a_walk_in_gets_a_ticket_with_a_code(self, devices: Devices, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic)
        form = page.get_by_role("form", name="Walk-in")
        await form.get_by_label("Name").fill("Sita Devi")
        await form.get_by_role("button", name="Give a token").click()
        ticket = page.get_by_role("dialog", name="A-W01")
        await expect(ticket).to_contain_text("Dr A. Rao, Room 3")
        code = ticket.get_by_role("img", name="QR code")
        await expect(code).to_be_visible()
        shown = await code.get_attribute("src") or ""
        await ticket.get_by_role("button", name="New link").click()
        await expect(code).not_to_have_attribute("src", shown)
        await page.emulate_media(media="print")
        await expect(page.get_by_role("form", name="Walk-in")).to_be_hidden()
        await expect(ticket.get_by_text("A-W01")).to_be_visible()
        await expect(ticket.get_by_role("button", name="Print")).to_be_hidden()

    async def test_it_books_for_somebody_on_the_telephone(self, devices: Devices, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic)
        form = page.get_by_role("form", name="Book for somebody")
        await form.get_by_label("Day").fill("2026-11-25")
        await expect(form.get_by_role("combobox", name="Time").get_by_role("option")).to_have_count(24)
        await form.get_by_label("Time").select_option("10:00")
        await form.get_by_label("Name").fill("Ben Das")
        await form.get_by_role("button", name="Book").click()
        await expect(news(page, "A-007 Ben Das is booked for Wednesday 25 November.")).to_be_visible()

    async def test_a_cancellation_is_asked_once_more(self, devices: Devices, clinic: Clinic) -> None:
        await clinic.reception.book(clinic.doctor_id, time="09:30", patient={"name": "Asha Iyer"})
        page = await at_hospital(devices, clinic)
        await page.get_by_role("button", name="Cancel A-004 Asha Iyer").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel the visit").click()
        await expect(news(page, "Cancelled: A-004 Asha Iyer.")).to_be_visible()

    async def test_what_a_desk_does_appears_by_itself(self, devices: Devices, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic)
        await expect(news(page, "Live")).to_be_visible()
        await waiting(clinic, "Asha")
        await expect(page.get_by_text("Dr A. Rao · waiting")).to_be_visible()
        await clinic.doctor.call_next(clinic.doctor_id)
        await expect(page.get_by_text("Dr A. Rao · called")).to_be_visible()

    async def test_a_doctor_is_sent_to_the_desk(self, devices: Devices, clinic: Clinic) -> None:
        page = await devices.open(f"{clinic.server.url}/hospital")
        await log_in(page, (await clinic.doctor.get("/auth/me"))["email"])
        await expect(news(page, "Doctors work at the desk")).to_be_visible()


class TestAdministration:
    async def test_a_doctor_is_added_with_hours(self, devices: Devices, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic, "doctors")
        form = page.get_by_role("form", name="New doctor")
        await form.get_by_label("Name").fill("Dr Zoe Quist")
        await form.get_by_label("E-mail").fill("zoe@example.org")
        await form.get_by_label("Password").fill("correct horse 1")
        await form.get_by_label("Token prefix").fill("Z")
        await form.get_by_role("button", name="Add the doctor").click()
        await page.locator("summary", has_text="Dr Zoe Quist").click()
        zoe = page.get_by_role("listitem").filter(has=page.locator("summary", has_text="Dr Zoe Quist"))
        await zoe.get_by_label("Monday").fill("9-12")
        await zoe.get_by_role("button", name="Save the hours").click()
        await expect(news(page, "Monday: “9-12” is not like 09:00-13:00.")).to_be_visible()
        await zoe.get_by_label("Monday").fill("9:00-12:00, 14:00-15:00 x2")
        await zoe.get_by_role("button", name="Save the hours").click()
        await expect(news(page, "The hours are saved.")).to_be_visible()
        doctors = (await clinic.reception.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]
        (zoe_id,) = [each["id"] for each in doctors if each["name"] == "Dr Zoe Quist"]
        windows = (await clinic.reception.get(f"/doctors/{zoe_id}/schedule"))["windows"]
        assert [(each["start"], each["end"], each["capacity"]) for each in windows] == [
            ("09:00", "12:00", 1),
            ("14:00", "15:00", 2),
        ]

    async def test_leave_names_who_is_hit_and_moves_them(self, devices: Devices, clinic: Clinic) -> None:
        await clinic.reception.book(clinic.doctor_id, date="2026-11-24", time="09:30", patient={"name": "Asha Iyer"})
        page = await at_hospital(devices, clinic, "doctors")
        await page.locator("summary", has_text="Dr A. Rao").click()
        await page.get_by_role("form", name="Leave").get_by_label("Day", exact=True).fill("2026-11-24")
        await page.get_by_role("button", name="Take leave").click()
        await expect(page.get_by_text("A-004 Asha Iyer, 09:30")).to_be_visible()
        await page.get_by_role("button", name="Move who is booked").click()
        await expect(news(page, "1 settled.")).to_be_visible()

    async def test_one_day_has_its_own_hours_until_they_are_taken_back(self, devices: Devices, clinic: Clinic) -> None:
        await clinic.reception.book(clinic.doctor_id, date="2026-11-24", time="09:30", patient={"name": "Asha Iyer"})
        page = await at_hospital(devices, clinic, "doctors")
        await page.locator("summary", has_text="Dr A. Rao").click()
        form = page.get_by_role("form", name="Hours of one day")
        await form.get_by_label("Day", exact=True).fill("2026-11-24")
        for wrong in ("14-15", "23:00-25:00"):
            await form.get_by_label("Hours").fill(wrong)
            await form.get_by_role("button", name="Set this day").click()
            await expect(news(page, f"Tuesday 24 November: “{wrong}” is not like 09:00-13:00.")).to_be_visible()
        await form.get_by_label("Hours").fill("14:00-15:00 x2")
        await form.get_by_role("button", name="Set this day").click()
        await expect(page.get_by_text("Tuesday 24 November · 14:00-15:00 x2")).to_be_visible()
        await expect(page.get_by_text("A-004 Asha Iyer, 09:30")).to_be_visible()
        await page.get_by_role("button", name="Move who is booked").click()
        await expect(news(page, "1 settled.")).to_be_visible()
        await expect(page.get_by_text("A-004 Asha Iyer, 09:30")).to_be_hidden()

        await form.get_by_label("Day", exact=True).fill("2026-11-25")
        await form.get_by_role("button", name="Set this day").click()
        await expect(page.get_by_text("Wednesday 25 November · day off")).to_be_visible()
        await page.get_by_role("button", name="As every week").last.click()
        await page.get_by_role("dialog").get_by_role("button", name="As every week").click()
        await expect(page.get_by_text("Wednesday 25 November · day off")).to_be_hidden()
        dates = (await clinic.reception.get(f"/doctors/{clinic.doctor_id}/schedule-dates"))["dates"]
        assert [each["date"] for each in dates] == ["2026-11-24"]

    async def test_a_doctor_who_lost_the_password_is_given_another(self, devices: Devices, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic, "doctors")
        await page.locator("summary", has_text="Dr A. Rao").click()
        form = page.get_by_role("form", name="New password")
        await form.get_by_label("Password").fill("another horse 2")
        await form.get_by_role("button", name="Give this password").click()
        await expect(news(page, "Dr A. Rao logs in with the new password from now on.")).to_be_visible()
        await expect(form.get_by_label("Password")).to_have_value("")
        desk = await devices.open(f"{clinic.server.url}/desk")
        await log_in(desk, clinic.doctor.email, "another horse 2")
        await expect(desk.get_by_role("heading", name="Dr A. Rao")).to_be_visible()

    async def test_a_screen_is_made_opened_and_revoked(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic, "screens")
        form = page.get_by_role("form", name="New screen")
        await form.get_by_label("Name").fill("Ground floor")
        await form.get_by_label("Español").check()
        await form.get_by_role("button", name="Make it").click()
        link = await page.get_by_role("link", name="Open Ground floor").get_attribute("href")
        wall = await devices.open(f"{server.url}{link}")
        await expect(wall.get_by_role("article")).to_be_visible()
        await page.get_by_role("button", name="Revoke Ground floor").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke it").click()
        await expect(page.get_by_text("No screen yet.")).to_be_visible()
        await expect(wall.get_by_text("This screen is not in use")).to_be_visible()

    async def test_the_report_has_numbers_and_a_chart_in_words(self, devices: Devices, clinic: Clinic) -> None:
        await waiting(clinic, "Asha", "Ben")
        await clinic.doctor.call_next(clinic.doctor_id)
        await clinic.doctor.call_next(clinic.doctor_id)
        page = await at_hospital(devices, clinic, "report")
        form = page.get_by_role("form", name="Which day")
        await form.get_by_label("Day").fill("2026-11-23")
        await form.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("img", name=re.compile("Waiting, minutes.*A-W01 0, A-W02 0"))).to_be_visible()
        await expect(page.get_by_role("row", name=re.compile("A-W01.*completed"))).to_be_visible()
        async with page.expect_download() as started:
            await page.get_by_role("button", name="Save as CSV").click()
        assert (await started.value).suggested_filename == f"report-{clinic.doctor_id}-2026-11-23.csv"

    async def test_the_report_has_everybodys_day_and_a_doctors_month(self, devices: Devices, clinic: Clinic) -> None:
        other, _ = await clinic.add_doctor(name="Dr Zoe Quist", token_prefix="Z")
        await clinic.reception.walk_in(other, "Zoltan")
        await waiting(clinic, "Asha", "Ben")
        await clinic.doctor.call_next(clinic.doctor_id)
        page = await at_hospital(devices, clinic, "report")
        await expect(page.get_by_role("heading", name="All doctors,")).to_be_visible()
        form = page.get_by_role("form", name="Which day")
        await form.get_by_label("Day").fill("2026-11-23")
        await expect(form.get_by_role("button", name="Save as CSV")).to_be_disabled()
        await form.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("row", name=re.compile("Dr A. Rao 2 0 0 0 0 2"))).to_be_visible()
        await expect(page.get_by_role("row", name=re.compile("Dr Zoe Quist 1 0 0 0 0 1"))).to_be_visible()
        assert await barriers(page) == []
        await form.get_by_label("Doctor").select_option("Dr A. Rao")
        await form.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", name="Expected times in November 2026")).to_be_visible()
        assert await barriers(page) == []

    async def test_settings_hold_at_once(self, devices: Devices, clinic: Clinic) -> None:
        page = await at_hospital(devices, clinic, "settings")
        form = page.get_by_role("form", name="The hospital")
        await expect(form.get_by_label("Walk-ins a day")).to_have_value("500")
        await form.get_by_label("Walk-ins a day").fill("0")
        await form.get_by_label("Patients check in on their phones").uncheck()
        await form.get_by_role("button", name="Save").click()
        await expect(news(page, "Saved; it holds at once.")).to_be_visible()
        settings = await clinic.reception.get(f"/hospitals/{clinic.hospital_id}/settings")
        assert (settings["walk_ins_per_day"], settings["patient_check_in"]) == (0, False)


class TestKiosk:
    async def make(self, clinic: Clinic) -> Answer:
        body = {"name": "Door", "doctor_ids": [clinic.doctor_id]}
        return await clinic.reception.post(f"/hospitals/{clinic.hospital_id}/kiosks", body)

    async def test_three_taps_to_a_ticket_and_ready_for_the_next(self, devices: Devices, clinic: Clinic) -> None:
        kiosk = await self.make(clinic)
        page = await devices.open(f"{clinic.server.url}{kiosk['url']}", clock=True)
        await page.get_by_role("button", name="Dr A. Rao").click()
        await page.get_by_role("button", name="Take a token").click()
        await expect(page.get_by_role("heading", name="A-W01")).to_be_visible()
        await expect(page.get_by_role("img", name="QR code")).to_be_visible()
        await page.clock.run_for("00:26")
        await expect(page.get_by_role("heading", name="Whom would you like to see?")).to_be_visible()
        await expect(page.get_by_role("button", name="Dr A. Rao")).to_contain_text("1 person waiting")

    async def test_a_name_left_behind_is_gone_for_the_next(self, devices: Devices, clinic: Clinic) -> None:
        kiosk = await self.make(clinic)
        page = await devices.open(f"{clinic.server.url}{kiosk['url']}", clock=True)
        await page.get_by_role("button", name="Dr A. Rao").click()
        await page.get_by_label("Your name").fill("Zebedee")
        await page.clock.run_for("00:31")
        await page.get_by_role("button", name="Dr A. Rao").click()
        await expect(page.get_by_label("Your name")).to_have_value("")

    async def test_it_speaks_the_language_of_whoever_stands_there_and_then_its_usual_one(
        self, devices: Devices, clinic: Clinic
    ) -> None:
        kiosk = await self.make(clinic)
        await waiting(clinic, "Ben")
        page = await devices.open(f"{clinic.server.url}{kiosk['url']}", clock=True)
        await page.get_by_role("button", name="Dr A. Rao").click()
        await page.get_by_role("button", name="العربية").click()
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        assert await barriers(page) == []
        await page.get_by_role("button", name="خذ رقمًا").click()
        await expect(page.get_by_text("Dr A. Rao, غرفة 3")).to_be_visible()
        await expect(page.get_by_text("أمامك شخص واحد")).to_be_visible()
        await page.get_by_role("button", name="Español").click()
        await expect(page.get_by_text("1 persona delante")).to_be_visible()
        assert await barriers(page) == []
        await page.clock.run_for("00:26")
        await expect(page.get_by_role("heading", name="Whom would you like to see?")).to_be_visible()
        await expect(page.locator("html")).to_have_attribute("dir", "ltr")

    async def test_news_of_the_line_leaves_a_finger_on_its_button(self, devices: Devices, clinic: Clinic) -> None:
        kiosk = await self.make(clinic)
        page = await devices.open(f"{clinic.server.url}{kiosk['url']}", clock=True)
        button = page.get_by_role("button", name="Dr A. Rao")
        await button.focus()
        await waiting(clinic, "Ben")
        await page.clock.run_for("00:11")
        await expect(button).to_contain_text("1 person waiting")
        await expect(button).to_be_focused()

    async def test_a_revoked_kiosk_is_explained(self, devices: Devices, server: Server) -> None:
        page = await devices.open(f"{server.url}/kiosk/nonsense")
        await expect(page.get_by_role("heading", name="This kiosk is not in use")).to_be_visible()


async def test_the_reference_names_every_call(devices: Devices, server: Server) -> None:
    page = await devices.open(f"{server.url}/docs")
    document = await server.anybody.get("/schema/openapi.json")
    count = sum(len(item) for item in document["paths"].values())
    await expect(page.get_by_text(f"{count} calls")).to_be_visible()
    await page.get_by_label("Find a call").fill("/appointments/book")
    call = page.get_by_role("group").filter(has_text="/appointments/book").first
    await call.locator("summary").click()
    for words in ("Idempotency-Key", "doctor_id", "Sells a seat."):
        await expect(call.get_by_text(words).first).to_be_visible()
