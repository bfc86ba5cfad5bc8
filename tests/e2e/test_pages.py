"""The pages in a real browser: what people at the desk, in the waiting room and on the phone see and can do."""

import asyncio
import re
from datetime import timedelta

import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from builders import PASSWORD, Clinic, Server, numbers, open_clinic
from cable import Cable, laid_cable
from conftest import Clock, serving
from devices import DESKTOP, LYING_PHONE, PHONE, PORTRAIT, SMALL_PHONE, UHD, Devices
from mediqon.settings import Settings
from walk import at_desk, email_of, font_vh, frame, log_in, now_serving, tab_to, waiting

pytestmark = pytest.mark.anyio

NOT_LIVE_AFTER = "00:16"
POLLS_AFTER = "00:11"
CUT = """[...document.querySelectorAll(".serving > *")]
    .filter((node) => node.scrollHeight > node.clientHeight + 2 || node.offsetTop < 0)
    .map((node) => [node.textContent, node.scrollHeight, node.clientHeight])"""
NOT_LIVE = re.compile(r"^Not live since \d\d:\d\d$")


class TestWaitingRoom:
    async def test_a_called_token_appears_without_a_reload(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        await waiting(clinic, "Asha", "Ben")
        wall = await devices.open(f"{server.url}/display/{(await clinic.display())['key']}")
        await expect(wall.get_by_role("list", name="Next")).to_contain_text("A-W01")
        await expect(now_serving(wall)).not_to_contain_text("A-W01")

        await clinic.doctor.call_next(clinic.doctor_id)

        await expect(now_serving(wall)).to_have_text("A-W01")
        await expect(wall.get_by_role("list", name="Next")).not_to_contain_text("A-W01")
        await expect(wall.get_by_text("Room 3", exact=True)).to_be_visible()
        await expect(wall.get_by_role("article")).to_have_class(re.compile("called"))

    async def test_no_name_is_on_the_wall(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        await waiting(clinic, "Asha Iyer")
        wall = await devices.open(f"{server.url}/display/{(await clinic.display())['key']}")
        await expect(wall.get_by_role("list", name="Next")).to_contain_text("A-W01")
        assert "Asha" not in await wall.content()

    async def test_token_and_room_are_large_enough_to_be_read_from_afar(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        await waiting(clinic, "Asha")
        await clinic.doctor.call_next(clinic.doctor_id)
        key = (await clinic.display())["key"]
        for size in (DESKTOP, UHD, PORTRAIT):
            wall = await devices.open(f"{server.url}/display/{key}", size=size)
            await expect(now_serving(wall)).to_have_text("A-W01")
            assert await font_vh(wall, "A-W01") >= 18
            assert await font_vh(wall, "Room 3") >= 9

    async def test_up_to_eight_doctors_share_a_screen_without_being_cut(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        ids = [clinic.doctor_id]
        for number in range(2, 9):
            ids.append((await clinic.add_doctor(room=str(number + 100), token_prefix=f"{number}X"))[0])
            key = (await clinic.display(*ids))["key"]
            wall = await devices.open(f"{server.url}/display/{key}")
            await expect(wall.get_by_role("article")).to_have_count(number)
            for size in (DESKTOP, PORTRAIT, LYING_PHONE):
                await wall.set_viewport_size(size)
                assert await wall.evaluate(CUT) == [], (number, size)
                for room in await wall.get_by_text(re.compile(r"^Room ")).all():
                    box = await room.bounding_box()
                    assert box is not None
                    assert box["y"] + box["height"] <= size["height"]
                    assert box["x"] + box["width"] <= size["width"]
            await wall.context.close()

    async def test_it_says_since_when_it_is_not_live_and_recovers_when_the_server_is_back(
        self, devices: Devices, settings: Settings, clock: Clock
    ) -> None:
        async with laid_cable() as cable:
            async with serving(settings, clock) as server:
                cable.plug(server.url)
                clinic = await open_clinic(server)
                await waiting(clinic, "Asha", "Ben")
                url = f"{cable.url}/display/{(await clinic.display())['key']}"
                wall = await devices.open(url, clock=True)
                await expect(wall.get_by_role("status")).to_have_text("Live")
                await expect(wall.get_by_text("about")).to_be_visible()
            await wall.clock.fast_forward(NOT_LIVE_AFTER)

            await expect(wall.get_by_role("status")).to_have_text(NOT_LIVE)
            await expect(wall.get_by_text("about")).to_be_hidden()
            await expect(wall.get_by_role("list", name="Next")).to_contain_text("A-W01")

            async with serving(settings, clock) as again:
                clinic.doctor.http = again.http
                await clinic.doctor.call_next(clinic.doctor_id)
                cable.plug(again.url)
                await wall.clock.fast_forward("00:10")
                await expect(wall.get_by_role("status")).to_have_text("Live")
                await expect(now_serving(wall)).to_have_text("A-W01")

    async def test_a_withdrawn_key_is_explained(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        display = await clinic.display()
        wall = await devices.open(f"{server.url}/display/{display['key']}")
        await expect(wall.get_by_role("article")).to_be_visible()

        await clinic.reception.delete(f"/displays/{display['id']}")

        await expect(wall.get_by_text("This screen is not in use")).to_be_visible()
        await expect(wall.get_by_role("article")).to_be_hidden()


class TestLiveLine:
    """The shared live client against a server that misbehaves: every frame is chosen by the test."""

    async def test_a_screen_never_goes_back_in_time_but_follows_a_new_day(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        wall, line = await self.screen(devices, server)
        line.send(frame(version=5, now_serving=["A-005"]))
        await expect(now_serving(wall)).to_have_text("A-005")
        line.send(frame(version=4, now_serving=["A-004"]))
        line.send(frame(version=9, doctor_id=2, now_serving=["B-001"]))
        await expect(wall.get_by_role("article")).to_have_count(2)
        await expect(now_serving(wall).first).to_have_text("A-005")
        line.send(frame(version=1, date="2026-11-24", now_serving=["A-001"]))
        await expect(now_serving(wall).first).to_have_text("A-001")

    async def test_only_a_call_that_was_not_seen_before_flashes(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        wall, line = await self.screen(devices, server)
        line.send(frame(version=5, call_seq=7, now_serving=["A-005"]))
        await expect(now_serving(wall)).to_have_text("A-005")
        line.send(frame(version=6, call_seq=7, now_serving=["A-005"], room="4"))
        await expect(wall.get_by_text("Room 4")).to_be_visible()
        await expect(wall.get_by_role("article")).not_to_have_class(re.compile("called"))
        line.send(frame(version=7, call_seq=8, now_serving=["A-006"]))
        await expect(wall.get_by_role("article")).to_have_class(re.compile("called"))

    async def test_an_open_socket_whose_server_lost_its_database_is_not_live(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        wall, line = await self.screen(devices, server)
        line.send(frame(version=5))
        await expect(wall.get_by_role("status")).to_have_text("Live")
        line.send('{"type":"pong","age":40.5}')
        await expect(wall.get_by_role("status")).to_have_text(NOT_LIVE)
        line.send('{"type":"pong","age":0.5}')
        await expect(wall.get_by_role("status")).to_have_text("Live")

    async def screen(self, devices: Devices, server: Server) -> tuple[Page, WebSocketRoute]:
        wall = await devices.open(f"{server.url}/")
        connected: asyncio.Future[WebSocketRoute] = asyncio.get_running_loop().create_future()
        await wall.route_web_socket(re.compile("/live/"), lambda line: connected.done() or connected.set_result(line))
        await wall.goto(f"{server.url}/display/any")
        return wall, await connected


class TestDesk:
    async def test_a_doctor_checks_in_calls_and_completes(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        patient = await server.patient("Asha Iyer")
        await patient.book(clinic.doctor_id, time="09:10")
        desk = await at_desk(devices, clinic)
        await expect(desk.get_by_role("region", name="Booked")).to_contain_text("Asha Iyer")

        await desk.get_by_role("button", name="Check in A-002 Asha Iyer").click()
        await expect(desk.get_by_role("region", name="Waiting")).to_contain_text("Asha Iyer")
        await desk.get_by_role("button", name="Call next").click()
        await expect(desk.get_by_role("status").filter(has_text="Called A-002 Asha Iyer.")).to_be_visible()
        await expect(desk.get_by_role("region", name="In the room")).to_contain_text("A-002")
        await desk.get_by_role("button", name="Start A-002").click()
        await expect(desk.get_by_role("region", name="In the room")).to_contain_text("with the doctor")
        await desk.get_by_role("button", name="Complete A-002 Asha Iyer").click()

        await expect(desk.get_by_text("Nobody has been called.")).to_be_visible()
        await desk.get_by_text("Done today").click()
        await expect(desk.get_by_text(re.compile("^completed"))).to_be_visible()
        assert [visit["token"] for visit in (await clinic.doctor.today(clinic.doctor_id))["done"]] == ["A-002"]

    async def test_call_next_completes_who_was_in_and_calls_who_waits(self, devices: Devices, clinic: Clinic) -> None:
        await waiting(clinic, "Asha", "Ben")
        desk = await at_desk(devices, clinic)
        for token in ("A-W01", "A-W02"):
            await expect(desk.get_by_role("button", name="Call next")).to_contain_text(token)
            await desk.get_by_role("button", name="Call next").click()
            await expect(desk.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text(token)
        assert [visit["token"] for visit in (await clinic.doctor.today(clinic.doctor_id))["done"]] == ["A-W01"]

    async def test_two_devices_at_one_desk_see_the_same(self, devices: Devices, clinic: Clinic) -> None:
        await waiting(clinic, "Asha", "Ben", "Chen")
        tablet, computer = await at_desk(devices, clinic, size=PHONE), await at_desk(devices, clinic)
        await tablet.get_by_role("button", name="Call next").click()
        await expect(computer.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text("A-W01")
        await computer.get_by_role("button", name="No-show A-W02").click()
        for desk in (tablet, computer):
            await expect(desk.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text("A-W01")
            await expect(desk.get_by_role("region", name="Waiting").get_by_role("listitem")).to_have_count(1)
            await expect(desk.get_by_role("region", name="Waiting")).to_contain_text("A-W03")

    async def test_a_press_on_an_old_list_calls_nobody_and_says_so(self, devices: Devices, clinic: Clinic) -> None:
        await waiting(clinic, "Asha", "Ben", "Chen")
        desk = await at_desk(devices, clinic)

        async def somebody_else_first(route: Route) -> None:
            await clinic.doctor.call_next(clinic.doctor_id)
            await route.continue_()

        await desk.route("**/call-next", somebody_else_first)
        await desk.get_by_role("button", name="Call next").click()

        await expect(desk.get_by_role("status").filter(has_text="The queue changed meanwhile:")).to_be_visible()
        await expect(desk.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text("A-W01")
        assert len((await clinic.doctor.today(clinic.doctor_id))["waiting"]) == 2

    async def test_it_is_used_by_keyboard_alone(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        await (await server.patient("Asha Iyer")).book(clinic.doctor_id, time="09:10")
        await (await server.patient("Ben Das")).book(clinic.doctor_id, time="09:20")
        desk = await devices.open(f"{server.url}/desk")
        await expect(desk.get_by_role("textbox", name="E-mail")).to_be_focused()
        await desk.keyboard.type(await email_of(clinic))
        await desk.keyboard.press("Tab")
        await desk.keyboard.type(PASSWORD)
        await desk.keyboard.press("Enter")
        await tab_to(desk, "Check in A-002 Asha Iyer")
        await desk.keyboard.press("Enter")
        await expect(desk.get_by_role("region", name="Waiting")).to_contain_text("A-002")
        await expect(desk.get_by_role("button", name="Check in A-003 Ben Das")).to_be_focused()
        await desk.keyboard.press("n")
        await expect(desk.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text("A-002")
        await tab_to(desk, "Complete A-002 Asha Iyer")
        await desk.keyboard.press("Enter")
        await expect(desk.get_by_text("Nobody has been called.")).to_be_visible()

    async def test_n_is_a_letter_while_somebody_types(self, devices: Devices, clinic: Clinic) -> None:
        await waiting(clinic, "Asha")
        desk = await at_desk(devices, clinic)
        await desk.get_by_text("Add a walk-in").click()
        await desk.get_by_label("Name").press_sequentially("Nina Noon")
        await desk.get_by_role("combobox", name="Priority").select_option("Priority")
        await desk.get_by_role("button", name="Add to the line").click()
        await expect(desk.get_by_role("region", name="Waiting").get_by_role("listitem")).to_have_count(2)
        await expect(desk.get_by_text("Nobody has been called.")).to_be_visible()
        await expect(desk.get_by_role("region", name="Waiting")).to_contain_text("Nina Noon")

    async def test_a_walk_in_whose_answer_was_lost_is_added_once(self, devices: Devices, clinic: Clinic) -> None:
        desk = await at_desk(devices, clinic)
        lost: list[Route] = []

        async def lose_first_answer(route: Route) -> None:
            if lost:
                await route.continue_()
            else:
                lost.append(route)
                await route.fetch()
                await route.abort()

        await desk.route("**/walk-in", lose_first_answer)
        await desk.get_by_text("Add a walk-in").click()
        await desk.get_by_label("Name").fill("Asha")
        await desk.get_by_role("button", name="Add to the line").click()
        await expect(desk.get_by_role("status").filter(has_text="Added A-W01 Asha.")).to_be_visible()
        assert len((await clinic.doctor.today(clinic.doctor_id))["waiting"]) == 1

    async def test_the_hospital_chooses_whose_desk(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        await clinic.add_doctor(name="Dr Zoe Quist", token_prefix="Z")
        await waiting(clinic, "Asha")
        email = (await clinic.reception.get("/auth/me"))["email"]
        desk = await devices.open(f"{server.url}/desk")
        await log_in(desk, email)
        await desk.get_by_role("button", name="Dr A. Rao").click()
        await expect(desk.get_by_role("region", name="Waiting")).to_contain_text("Asha")
        await desk.get_by_role("button", name="Other doctor").click()
        await desk.get_by_role("button", name="Dr Zoe Quist").click()
        await expect(desk.get_by_text("Nobody is waiting.")).to_be_visible()
        await expect(desk.get_by_role("region", name="Waiting")).not_to_contain_text("Asha")

    async def test_a_session_outlives_its_access_token_and_a_reload(
        self, devices: Devices, clinic: Clinic, clock: Clock
    ) -> None:
        await waiting(clinic, "Asha")
        desk = await at_desk(devices, clinic)
        clock.forward(minutes=11)
        await desk.get_by_role("button", name="Call next").click()
        await expect(desk.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text("A-W01")
        await desk.reload()
        await expect(desk.get_by_role("region", name="In the room").get_by_role("list")).to_contain_text("A-W01")
        await desk.get_by_role("button", name="Log out").click()
        await expect(desk.get_by_role("form", name="Log in")).to_be_visible()
        assert "Asha" not in await desk.locator("main:visible").inner_text()

    async def test_wrong_words_at_the_door_are_explained(self, devices: Devices, server: Server) -> None:
        desk = await devices.open(f"{server.url}/desk")
        await log_in(desk, "nobody@example.org")
        await expect(desk.get_by_role("status").filter(has_text="do not belong together")).to_be_visible()


class TestPhone:
    async def test_it_counts_down_and_says_called(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        visit = (await waiting(clinic, "Asha", "Ben", "Chen"))[2]
        phone = await devices.open(f"{server.url}/t/{visit['code']}", size=PHONE)
        await expect(phone.get_by_role("heading", name="A-W03")).to_be_visible()
        for words in ("2 people ahead", "1 person ahead", "You are next", "It is your turn"):
            await expect(phone.get_by_text(words)).to_be_visible()
            await clinic.doctor.call_next(clinic.doctor_id)
        await expect(phone.get_by_text("Your visit is complete")).to_be_visible()

    async def test_a_call_shows_the_room_and_the_title_says_it(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        (visit,) = await waiting(clinic, "Asha")
        phone = await devices.open(f"{server.url}/t/{visit['code']}", size=PHONE)
        await expect(phone.get_by_role("status")).to_have_text("Live")
        await clinic.doctor.call_next(clinic.doctor_id)
        await expect(phone.get_by_text("Please go to Room 3")).to_be_visible()
        await expect(phone).to_have_title("A-W01 · It is your turn")

    async def test_it_polls_when_sockets_are_cut_and_returns_to_them(
        self, devices: Devices, cable: Cable, clinic: Clinic
    ) -> None:
        visit = (await waiting(clinic, "Asha", "Ben"))[1]
        sockets: list[str] = []
        phone = await devices.open(f"{cable.url}/t/{visit['code']}", size=PHONE, clock=True)
        phone.on("websocket", lambda socket: sockets.append(socket.url))
        await expect(phone.get_by_text("1 person ahead")).to_be_visible()
        await expect(phone.get_by_role("status")).to_have_text("Live")

        cable.refuse_sockets()
        await clinic.doctor.call_next(clinic.doctor_id)
        await phone.clock.fast_forward(POLLS_AFTER)
        await expect(phone.get_by_text("You are next")).to_be_visible()
        await expect(phone.get_by_role("status")).to_have_text("Live")

        tried = len(sockets)
        cable.allow_sockets()
        await phone.clock.fast_forward(POLLS_AFTER)
        await clinic.doctor.call_next(clinic.doctor_id)
        await expect(phone.get_by_text("It is your turn")).to_be_visible()
        assert len(sockets) > tried

    async def test_without_network_it_says_when_its_news_is_from(
        self, devices: Devices, cable: Cable, clinic: Clinic
    ) -> None:
        visit = (await waiting(clinic, "Asha", "Ben", "Chen"))[2]
        phone = await devices.open(f"{cable.url}/t/{visit['code']}", size=PHONE, clock=True)
        await expect(phone.get_by_text(re.compile(r"^about \d\d:\d\d"))).to_be_visible()
        cable.unplug()
        await phone.clock.fast_forward(NOT_LIVE_AFTER)
        await expect(phone.get_by_role("status")).to_have_text(re.compile(r"^Showing \d\d:\d\d$"))
        await expect(phone.get_by_text("about")).to_be_hidden()
        await expect(phone.get_by_text("2 people ahead")).to_be_visible()

    async def test_an_unknown_code_is_explained(self, devices: Devices, server: Server) -> None:
        phone = await devices.open(f"{server.url}/t/nonsense", size=PHONE)
        await expect(phone.get_by_role("heading", name="We do not know this token")).to_be_visible()

    async def test_nothing_is_wider_than_the_smallest_phone(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        (visit,) = await waiting(clinic, "Asha")
        for path in (f"/t/{visit['code']}", "/book", "/desk", "/"):
            page = await devices.open(server.url + path, size=SMALL_PHONE)
            await expect(page.get_by_role("heading", level=1).first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320


class TestBooking:
    async def test_a_new_patient_books_follows_and_cancels(self, devices: Devices, today: Clinic) -> None:
        page = await self.register(devices, today)
        await self.choose(page, "10:00")
        await page.get_by_role("button", name="Book this visit").click()

        await expect(page.get_by_role("heading", name="Your visit is booked")).to_be_focused()
        booked = page.get_by_role("region", name="Your visit is booked")
        await expect(booked).to_contain_text("A-061")
        await expect(booked).to_contain_text("10:00")
        await booked.get_by_role("link", name="Follow my place in line").click()
        await expect(page.get_by_role("heading", name="A-061")).to_be_visible()

        await page.go_back()
        await page.get_by_role("button", name="Cancel A-061").click()
        await page.get_by_role("button", name="Yes, cancel it").click()
        await expect(page.get_by_role("region", name="My visits")).to_contain_text("cancelled")

    async def test_a_day_can_be_chosen_by_its_own_hours_whatever_those_of_the_week(
        self, devices: Devices, today: Clinic
    ) -> None:
        where, first = f"/doctors/{today.doctor_id}/schedule", today.server.clock().date() + timedelta(days=2)
        off, extra = first + timedelta(days=1), first
        week = [{"weekday": day, "start": "09:00", "end": "13:00"} for day in range(7) if day != extra.weekday()]
        await today.reception.put(where, {"windows": week})
        await today.reception.put(f"{where}/{extra}", {"windows": [{"start": "09:00", "end": "13:00"}]})
        await today.reception.put(f"{where}/{off}", {"windows": []})
        page = await self.register(devices, today)
        await page.get_by_role("radio", name="Dr A. Rao").check()
        await expect(page.locator(f"input[name=day][value='{extra}']")).to_be_enabled()
        await expect(page.locator(f"input[name=day][value='{off}']")).to_be_disabled()

    async def test_a_time_taken_meanwhile_is_explained_and_the_next_offered(
        self, devices: Devices, today: Clinic
    ) -> None:
        page = await self.register(devices, today)
        await self.choose(page, "10:00")
        faster = await today.server.patient()
        day = await page.get_by_role("radio", name="Tomorrow").input_value()
        assert (await faster.book(today.doctor_id, date=day, time="10:00")).status == 201

        await page.get_by_role("button", name="Book this visit").click()
        await expect(page.get_by_role("status").filter(has_text="taken")).to_be_visible()
        await page.get_by_role("button", name="Take 10:10 instead").click()
        await page.get_by_role("button", name="Book this visit").click()
        await expect(page.get_by_role("region", name="Your visit is booked")).to_contain_text("A-062")

    async def test_a_double_click_books_once(self, devices: Devices, today: Clinic) -> None:
        page = await self.register(devices, today)
        await self.choose(page, "10:00")
        await page.get_by_role("button", name="Book this visit").dblclick()
        await expect(page.get_by_role("region", name="Your visit is booked")).to_contain_text("A-061")
        await expect(page.get_by_role("region", name="My visits").get_by_role("listitem")).to_have_count(1)

    async def register(self, devices: Devices, clinic: Clinic) -> Page:
        page = await devices.open(f"{clinic.server.url}/book")
        await page.get_by_role("button", name="I am new here").click()
        form = page.get_by_role("form", name="Register")
        await form.get_by_label("Name").fill("Asha Iyer")
        await form.get_by_label("E-mail").fill(f"asha{next(numbers)}@example.org")
        await form.get_by_label("Password").fill(PASSWORD)
        await form.get_by_role("button", name="Create my account").click()
        return page

    async def choose(self, page: Page, time: str) -> None:
        await page.get_by_role("radio", name="Dr A. Rao").check()
        await page.get_by_role("radio", name="Tomorrow").check()
        await page.get_by_role("radio", name=time).check()


class TestStart:
    async def test_it_leads_to_every_page(self, devices: Devices, server: Server) -> None:
        page = await devices.open(server.url)
        await page.get_by_role("link", name="Book a visit").click()
        await expect(page).to_have_url(f"{server.url}/book")
        await page.go_back()
        await page.get_by_role("link", name="Open the desk").click()
        await expect(page).to_have_url(f"{server.url}/desk")
        await page.go_back()
        await page.get_by_label("Display link or key").fill("https://clinic.example/display/abc?x=1")
        await page.get_by_role("button", name="Open the screen").click()
        await expect(page).to_have_url(f"{server.url}/display/abc")
