"""The waiting-room screen in a real browser: languages, sound, memory, and how it looks after a bad day."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect

from builders import Answer, Clinic, Server
from cable import Cable
from devices import DESKTOP, Devices, until
from walk import frame, now_serving, waiting

pytestmark = pytest.mark.anyio

NOT_LIVE_AFTER = "00:16"
AGAIN_AFTER = "00:06"
LOUDSPEAKER = """
    // The browser's own voice, replaced by a notebook: what is said, and whether two things are said at once.
    window.said = [];
    window.talking = 0;
    window.overlaps = 0;
    class Voice { constructor(words) { this.words = words; } }
    window.SpeechSynthesisUtterance = Voice;
    Object.defineProperty(window, "speechSynthesis", { value: {
        getVoices: () => [],
        speak(voice) {
            if (!voice.words) return;
            window.overlaps += window.talking;
            window.talking += 1;
            window.said.push(`${voice.lang}: ${voice.words}`);
            setTimeout(() => { window.talking -= 1; voice.onend(); }, 50);
        },
    } });
"""


async def make_display(clinic: Clinic, *languages: str) -> Answer:
    body = {"name": "Hall", "doctor_ids": [clinic.doctor_id], "languages": list(languages)}
    return await clinic.reception.post(f"/hospitals/{clinic.hospital_id}/displays", body)


async def screen(devices: Devices, server: Server, path: str = "/display/any") -> tuple[Page, WebSocketRoute]:
    """A wall whose frames the test sends, with a notebook instead of a loudspeaker."""
    wall = await devices.open(f"{server.url}/")
    await wall.context.add_init_script(LOUDSPEAKER)
    connected: asyncio.Future[WebSocketRoute] = asyncio.get_running_loop().create_future()
    await wall.route_web_socket(re.compile("/live/"), lambda line: connected.done() or connected.set_result(line))
    await wall.goto(server.url + path)
    return wall, await connected


async def loud(wall: Page) -> None:
    """The one step that lets a browser sound."""
    button = wall.get_by_role("button", name="Turn sound on")
    if await button.is_visible():
        await button.click()
    await expect(wall.get_by_role("button", name="Turn sound off")).to_be_visible()


async def said(wall: Page, count: int) -> list[str]:
    await until(wall, f"window.said.length >= {count}")
    return await wall.evaluate("window.said")


class TestLanguages:
    async def test_they_take_turns_and_arabic_is_read_from_the_right(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        await waiting(clinic, "Asha")
        await clinic.doctor.call_next(clinic.doctor_id)
        key = (await make_display(clinic, "en", "hi", "es", "ar"))["key"]
        wall = await devices.open(f"{server.url}/display/{key}", clock=True)
        for language, words, direction in (
            ("en", "Room 3", "ltr"),
            ("hi", "कमरा 3", "ltr"),
            ("es", "Sala 3", "ltr"),
            ("ar", "غرفة 3", "rtl"),
            ("en", "Room 3", "ltr"),
        ):
            await expect(wall.get_by_text(words, exact=True)).to_be_visible()
            await expect(wall.locator("html")).to_have_attribute("lang", language)
            await expect(wall.locator("html")).to_have_attribute("dir", direction)
            await wall.clock.fast_forward("00:10")

    async def test_pauses_and_late_doctors_are_told_in_the_screens_language(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        key = (await make_display(clinic, "es"))["key"]
        wall = await devices.open(f"{server.url}/display/{key}")
        await clinic.doctor.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": 25})
        await expect(wall.get_by_text("Retraso de unos 25 minutos")).to_be_visible()
        await clinic.doctor.post(f"/queues/{clinic.doctor_id}/pause", {"minutes": 10})
        await expect(wall.get_by_text("En pausa hasta las 09:10 aproximadamente")).to_be_visible()

    async def test_a_language_that_nobody_wrote_is_english(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        wall = await devices.open(f"{server.url}/display/{(await make_display(clinic, 'tlh'))['key']}")
        await expect(wall.get_by_text("Nobody is waiting")).to_be_visible()


class TestSound:
    async def test_calls_are_spoken_one_after_the_other_in_every_language(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        key = (await make_display(clinic, "en", "es"))["key"]
        wall, line = await screen(devices, server, f"/display/{key}")
        line.send(frame(version=1, call_seq=1, now_serving=["A-001"]))
        line.send(frame(version=1, call_seq=1, now_serving=["B-001"], doctor_id=2, room="7"))
        await loud(wall)
        line.send(frame(version=2, call_seq=2, now_serving=["A-002"]))
        line.send(frame(version=2, call_seq=2, now_serving=["B-W03"], doctor_id=2, room="7"))
        assert await said(wall, 4) == [
            "en-GB: Token A 2, please go to Room 3.",
            "es: Turno A 2, pase a Sala 3, por favor.",
            "en-GB: Token B W 3, please go to Room 7.",
            "es: Turno B W 3, pase a Sala 7, por favor.",
        ]
        assert await wall.evaluate("window.overlaps") == 0

    async def test_an_old_call_is_not_repeated_and_a_recall_is(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        wall, line = await screen(devices, server)
        line.send(frame(version=5, call_seq=7, now_serving=["A-005"]))
        await loud(wall)
        line.send(frame(version=6, call_seq=7, now_serving=["A-005"], room="4"))
        line.send(frame(version=7, call_seq=8, now_serving=["A-005"], calls=[2], room="4"))
        assert await said(wall, 1) == ["en-GB: Token A 5, please go to Room 4."]

    async def test_a_recall_is_about_one_of_those_in_the_room(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"rooms": 3})
        await waiting(clinic, "Asha", "Ben", "Chen")
        for _ in range(3):
            await clinic.doctor.call_next(clinic.doctor_id)
        wall = await devices.open(f"{server.url}/")
        await wall.context.add_init_script(LOUDSPEAKER)
        await wall.goto(f"{server.url}/display/{(await clinic.display())['key']}")
        await expect(now_serving(wall).get_by_role("listitem")).to_have_count(3)
        await loud(wall)
        ben = (await clinic.doctor.today(clinic.doctor_id))["now"][1]
        await clinic.doctor.post(f"/appointments/{ben['id']}/recall")
        await said(wall, 1)
        await expect(now_serving(wall).locator("[data-called]")).to_have_text("A-W02")
        await wall.wait_for_timeout(2_500)
        assert await wall.evaluate("window.said") == ["en-GB: Token A W 2, please go to Room 3."]

    async def test_who_is_no_longer_called_is_left_out(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        wall, line = await screen(devices, server)
        line.send(frame(version=1, call_seq=1, now_serving=["A-001"]))
        await loud(wall)
        for number in (2, 3, 4):
            line.send(frame(version=number, call_seq=number, now_serving=[f"A-00{number}"]))
        assert await said(wall, 1) == ["en-GB: Token A 4, please go to Room 3."]

    async def test_somebody_can_silence_it_for_good(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        wall, line = await screen(devices, server)
        line.send(frame(version=1, call_seq=1, now_serving=["A-001"]))
        await loud(wall)
        await wall.get_by_role("button", name="Turn sound off").click()
        line.send(frame(version=2, call_seq=2, now_serving=["A-002"]))
        await expect(now_serving(wall)).to_have_text("A-002")
        await wall.wait_for_timeout(1_500)
        assert await wall.evaluate("window.said") == []
        await wall.reload()
        await expect(wall.get_by_role("button", name="Turn sound on")).to_be_visible()


class TestMemory:
    async def test_its_last_state_survives_a_reload_without_network_and_says_so(
        self, devices: Devices, cable: Cable, clinic: Clinic
    ) -> None:
        await waiting(clinic, "Asha", "Ben", "Chen")
        await clinic.doctor.call_next(clinic.doctor_id)
        wall = await devices.open(f"{cable.url}/display/{(await clinic.display())['key']}")
        await expect(now_serving(wall)).to_have_text("A-W01")
        await cached(wall.context, wall)
        cable.unplug()
        await wall.reload()
        await expect(now_serving(wall)).to_have_text("A-W01")
        await expect(wall.get_by_role("status")).to_have_text(re.compile(r"^Not live since \d\d:\d\d$"))
        await expect(wall.get_by_text("about")).to_be_hidden()

        cable.plug(clinic.server.url)
        await clinic.doctor.call_next(clinic.doctor_id)
        await wall.reload()
        await expect(now_serving(wall)).to_have_text("A-W02")
        await expect(wall.get_by_role("status")).to_have_text("Live")

    @pytest.mark.parametrize("lost", ["/web/display/sound.js", "/web/display/texts/es.js", "/web/display/page.css"])
    async def test_a_file_that_did_not_arrive_is_fetched_again_without_anybody(
        self, devices: Devices, cable: Cable, clinic: Clinic, lost: str
    ) -> None:
        wall = await devices.open(f"{cable.url}/", clock=True)
        await wall.context.route(f"**{lost}", lambda route: route.abort(), times=1)
        await wall.goto(f"{cable.url}/display/{(await clinic.display())['key']}")
        cable.unplug()
        await wall.clock.run_for(AGAIN_AFTER)
        cable.plug(clinic.server.url)
        await wall.clock.run_for(AGAIN_AFTER)
        await expect(wall.get_by_role("status")).to_have_text("Live")
        await until(wall, "getComputedStyle(document.body).display === 'grid'")  # with its styles

    async def test_it_moves_a_little_so_that_nothing_burns_in(
        self, devices: Devices, server: Server, clinic: Clinic
    ) -> None:
        wall = await devices.open(f"{server.url}/display/{(await clinic.display())['key']}", clock=True)
        await expect(wall.get_by_role("article")).to_be_visible()
        places: set[Any] = set()
        for _ in range(3):
            places.add(await wall.evaluate("document.body.style.translate"))
            await wall.clock.run_for("05:00")
        assert len(places) == 3

    async def test_it_asks_the_screen_to_stay_awake(self, devices: Devices, server: Server, clinic: Clinic) -> None:
        wall = await devices.open(f"{server.url}/")
        await wall.add_init_script(
            "navigator.wakeLock && (navigator.wakeLock.request = async (kind) => (window.awake = kind))"
        )
        await wall.goto(f"{server.url}/display/{(await clinic.display())['key']}")
        await until(wall, "window.awake === 'screen'")


async def test_its_code_leads_a_phone_to_the_same_line(devices: Devices, server: Server, clinic: Clinic) -> None:
    key = (await clinic.display())["key"]
    wall = await devices.open(f"{server.url}/display/{key}")
    code = wall.get_by_role("img", name="QR code")
    await expect(code).to_be_visible()
    assert await code.evaluate("image => image.complete && image.naturalWidth > 0")
    drawn = await server.anybody.http.get(f"/qr/display/{key}")
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert (await server.anybody.get("/qr/elsewhere/x")).status == 404


async def test_its_code_is_large_enough_to_be_read_from_a_chair(
    devices: Devices, server: Server, clinic: Clinic
) -> None:
    for doctors in (1, 2, 8):
        while len(ids := await doctor_ids(clinic)) < doctors:
            await clinic.add_doctor(token_prefix=f"B{len(ids)}")
        wall = await devices.open(f"{server.url}/display/{(await clinic.display(*ids))['key']}")
        code = await wall.get_by_role("img", name="QR code").bounding_box()
        assert code is not None
        assert code["height"] >= 0.119 * DESKTOP["height"]


async def doctor_ids(clinic: Clinic) -> list[int]:
    doctors = await clinic.reception.get(f"/hospitals/{clinic.hospital_id}/doctors")
    return [each["id"] for each in doctors["items"]]


async def cached(context: BrowserContext, page: Page) -> None:
    """The service worker has the page and its files: it controls the second look."""
    await page.evaluate("navigator.serviceWorker.ready")
    await page.reload()
    await until(page, "navigator.serviceWorker.controller !== null")
    await page.wait_for_load_state("networkidle")


SAID = """async (page) => {
    const inside = (said) => Object.entries(said).map(([name, each]) => [name, shape(each)]);
    const shape = (said) => typeof said === "object" ? inside(said) : typeof said;
    const names = ["en", "hi", "es", "ar"];
    const modules = await Promise.all(names.map((name) => import(`/web/${page}/texts/${name}.js`)));
    return modules.map((module) => JSON.stringify(shape(module.default)));
}"""


@pytest.mark.parametrize("page", ["display", "kiosk"])
async def test_every_language_says_the_same_things(devices: Devices, server: Server, page: str) -> None:
    """In the same order too, so that the files can be read side by side."""
    start = await devices.open(server.url)
    assert len(set(await start.evaluate(SAID, page))) == 1
