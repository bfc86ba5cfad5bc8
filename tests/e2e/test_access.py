"""Everybody can use every page: axe on each in each state, zoom, touch, motion, weight, both themes."""

from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from axe import AFAR, barriers
from builders import PASSWORD, Clinic, Server
from cable import Cable
from devices import DESKTOP, PHONE, PORTRAIT, Devices
from walk import at_desk, frame, log_in, waiting

pytestmark = pytest.mark.anyio

TOUCH_PX = 44
PAGE_MAX_BYTES = 60 * 1024
ZOOMED: ViewportSize = {"width": 640, "height": 360}
"""1280 × 720 at 200 %."""
NOT_LIVE_AFTER = "00:16"
TARGETS = """least => [...document.querySelectorAll(
    "button, .button, input:not([type=radio], [type=checkbox]), select, summary, .option, .choice, nav a"
)].filter((node) => node.checkVisibility())
    .map((node) => [node.outerHTML.slice(0, 90), node.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.height < least || box.width < least))
    .map(([html, box]) => [html, box.width, box.height])"""
OWN_WEIGHT = """async () => {
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    const own = loaded.filter((name) => name.includes("/web/") && !name.includes("/web/shared/"));
    const bodies = await Promise.all([location.href, ...own].map(async (url) => (await fetch(url)).blob()));
    return bodies.reduce((sum, { size }) => sum + size, 0);
}"""


async def busy(clinic: Clinic) -> dict[str, str]:
    """A day with every kind of visit; the pages that show it."""
    patient = await clinic.server.patient("Wilhelmina Featherstonehaugh-Ramanujan")
    booked = await patient.book(clinic.doctor_id, time="09:50")
    visits = await waiting(clinic, "Asha", "Ben", "Chen", "Dina")
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.reception.move(visits[3], "ON_HOLD")
    kiosk = await clinic.reception.post(
        f"/hospitals/{clinic.hospital_id}/kiosks", {"name": "Door", "doctor_ids": [clinic.doctor_id]}
    )
    return {
        "start": "/",
        "wall": f"/display/{(await clinic.display())['key']}",
        "booked": f"/t/{booked['code']}",
        "called": f"/t/{visits[0]['code']}",
        "held": f"/t/{visits[3]['code']}",
        "unknown": "/t/nonsense",
        "book": "/book",
        "desk": "/desk",
        "hospital": "/hospital",
        "kiosk": kiosk["url"],
        "kiosk withdrawn": "/kiosk/nonsense",
        "wall withdrawn": "/display/nonsense",
        "docs": "/docs",
    }


async def ready(page: Page) -> None:
    await page.wait_for_load_state("networkidle")
    await expect(page.get_by_role("heading", level=1).first).to_be_visible()


async def test_axe_finds_nothing_on_any_page_in_light_and_dark(
    devices: Devices, server: Server, clinic: Clinic
) -> None:
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for name, path in (await busy(clinic)).items():
        page = await devices.open(server.url + path, size=PHONE if "/t/" in path else DESKTOP)
        await ready(page)
        for scheme in schemes:
            await page.emulate_media(color_scheme=scheme)
            assert await barriers(page, AFAR if "wall" in name else None) == [], (name, scheme)
        await page.context.close()


async def test_axe_finds_nothing_at_the_desk_in_any_state(devices: Devices, clinic: Clinic) -> None:
    await busy(clinic)
    desk = await at_desk(devices, clinic)
    await desk.get_by_text("Add a walk-in").click()
    await desk.get_by_text("Done today").click()
    assert await barriers(desk) == []
    for key in ("m", "t", "b", "l", "e", "?"):
        if key == "t":
            await clinic.add_doctor(name="Dr Zoe Quist", token_prefix="Z")
        await desk.keyboard.press(key)
        await expect(desk.get_by_role("dialog")).to_be_visible()
        assert await barriers(desk) == [], key
        await desk.keyboard.press("Escape")
        await expect(desk.get_by_role("dialog")).to_be_hidden()
    await desk.keyboard.press("ArrowDown")
    await desk.keyboard.press("ArrowDown")
    await desk.keyboard.press("p")
    await expect(desk.get_by_role("dialog")).to_be_visible()
    assert await barriers(desk) == []


async def test_axe_finds_nothing_on_any_tab_of_the_hospital(devices: Devices, clinic: Clinic) -> None:
    await busy(clinic)
    page = await devices.open(f"{clinic.server.url}/hospital")
    await log_in(page, (await clinic.reception.get("/auth/me"))["email"])
    for tab in ("Reception", "Doctors", "Screens", "Report", "Settings"):
        await page.get_by_role("link", name=tab, exact=True).click()
        await page.wait_for_load_state("networkidle")
        if tab == "Doctors":
            await page.locator("summary", has_text="Dr A. Rao").click()
        if tab == "Report":
            await page.get_by_role("form", name="Which day").get_by_label("Day").fill("2026-11-23")
            await page.get_by_role("button", name="Show").click()
            await expect(page.get_by_role("table")).to_be_visible()
        assert await barriers(page) == [], tab


async def test_axe_finds_nothing_on_a_wall_that_lost_its_server_or_reads_from_the_right(
    devices: Devices, cable: Cable, clinic: Clinic
) -> None:
    await waiting(clinic, "Asha", "Ben")
    body = {"name": "Hall", "doctor_ids": [clinic.doctor_id], "languages": ["ar"]}
    key = (await clinic.reception.post(f"/hospitals/{clinic.hospital_id}/displays", body))["key"]
    for size in (DESKTOP, PORTRAIT):
        wall = await devices.open(f"{cable.url}/display/{key}", size=size, clock=True)
        await expect(wall.get_by_role("article")).to_be_visible()
        assert await barriers(wall, AFAR) == []
        cable.unplug()
        await wall.clock.fast_forward(NOT_LIVE_AFTER)
        await expect(wall.get_by_text("غير مباشر منذ")).to_be_visible()
        assert await barriers(wall, AFAR) == []
        cable.plug(clinic.server.url)


async def test_nothing_is_lost_at_200_percent(devices: Devices, server: Server, clinic: Clinic) -> None:
    for name, path in (await busy(clinic)).items():
        if "wall" in name:
            continue
        page = await devices.open(server.url + path, size=ZOOMED)
        await ready(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= ZOOMED["width"], name
        await page.context.close()
    desk = await at_desk(devices, clinic, size=ZOOMED)
    await desk.keyboard.press("m")
    await expect(desk.get_by_role("dialog").get_by_role("button", name="Close")).to_be_in_viewport()
    assert await desk.evaluate("document.documentElement.scrollWidth") <= ZOOMED["width"]


async def test_the_desks_one_button_never_covers_what_has_the_focus(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha", "Ben", "Chen", "Dina", "Eli")
    await clinic.doctor.call_next(clinic.doctor_id)
    desk = await at_desk(devices, clinic, size=ZOOMED)
    names: set[str] = set()
    for _ in range(30):
        await desk.keyboard.press("Tab")
        name, seen = await desk.evaluate(SEEN)
        assert seen, name
        names.add(name)
    assert "More A-W05 Eli" in names


SEEN = """() => {
    const { x, y, width, height } = document.activeElement.getBoundingClientRect();
    const there = document.elementFromPoint(x + width / 2, y + height / 2);
    const name = document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim();
    return [name, document.activeElement === document.body || document.activeElement.contains(there)];
}"""


async def test_on_a_phone_every_page_is_light_and_every_target_large_enough_for_a_finger(
    devices: Devices, server: Server, clinic: Clinic
) -> None:
    for name, path in (await busy(clinic)).items():
        page = await devices.open(server.url + path, size=PHONE)
        await ready(page)
        assert await page.evaluate(TARGETS, TOUCH_PX) == [], name
        assert 0 < await page.evaluate(OWN_WEIGHT) <= PAGE_MAX_BYTES, name
        await page.context.close()
    assert await (await at_desk(devices, clinic, size=PHONE)).evaluate(TARGETS, TOUCH_PX) == []


async def test_a_call_flashes_at_most_twice_a_second_and_not_at_all_under_reduced_motion(
    chromium: Browser, server: Server, clinic: Clinic
) -> None:
    motions: list[tuple[Literal["no-preference", "reduce"], bool]] = [("no-preference", True), ("reduce", False)]
    for motion, moving in motions:
        context = await chromium.new_context(reduced_motion=motion)
        wall = await context.new_page()
        await wall.route_web_socket("**/live/**", lambda line: _call(line.send))
        await wall.goto(f"{server.url}/display/any")
        await expect(wall.locator(".doctor.called")).to_be_visible()
        durations = await wall.evaluate(
            "document.getAnimations().map((each) => each.effect.getComputedTiming().duration)"
        )
        assert bool(durations) is moving
        assert all(duration >= 500 for duration in durations)
        await context.close()


def _call(send: Callable[[str], None]) -> None:
    send(frame(version=1, call_seq=1, now_serving=["A-001"]))
    send(frame(version=2, call_seq=2, now_serving=["A-002"]))


async def test_sixty_patients_with_long_names_fit_the_desk_and_the_wall(devices: Devices, clinic: Clinic) -> None:
    for number in range(60):
        await clinic.reception.walk_in(clinic.doctor_id, f"Maximiliana-Josephine Freifrau von Hohenstein {number}")
    desk = await at_desk(devices, clinic, size=PHONE)
    await expect(desk.get_by_role("region", name="Waiting").get_by_role("listitem")).to_have_count(60)
    assert await desk.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    wall = await devices.open(f"{clinic.server.url}/display/{(await clinic.display())['key']}")
    await expect(wall.get_by_text("60 waiting")).to_be_visible()
    box = await wall.get_by_role("article").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= DESKTOP["height"]


async def test_a_booking_is_made_by_keyboard_alone(devices: Devices, server: Server, clinic: Clinic) -> None:
    patient = await server.patient("Asha Iyer")
    page = await devices.open(f"{server.url}/book")
    await expect(page.get_by_label("E-mail").first).to_be_focused()
    await page.keyboard.type(patient.email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await press_until(page, lambda: page.get_by_role("radio", name="Dr A. Rao").evaluate(FOCUSED))
    await page.keyboard.press("Space")
    await press_until(page, lambda: page.get_by_role("radio", name="Today").evaluate(FOCUSED))
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("group", name="Time")).to_be_visible()


FOCUSED = "node => node === document.activeElement"


async def press_until(page: Page, there: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(30):
        if await there():
            return
        await page.keyboard.press("Tab")
    raise AssertionError("cannot be reached with Tab")
