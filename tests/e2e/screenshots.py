"""`make screenshots`: takes the README's pictures from a clinic day that stands still."""

import asyncio
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import uvicorn
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from browser import find_browser
from builders import PASSWORD, Answer, Clinic, Server, open_clinic
from devices import DESKTOP, PHONE, PORTRAIT, UHD, launch
from mediqon import embedded, migrations
from mediqon.app import create_app
from mediqon.settings import Settings, read_settings
from walk import log_in

SLOT_MINUTES = 10
PACES = (12, 14, 18)
LATE_MINUTE = 55
OPENING = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
"""09:00 in the clinic."""
TALL: ViewportSize = {"width": 1280, "height": 1250}
HD: ViewportSize = {"width": 1920, "height": 1080}
READY_SECONDS = 20
KIOSK_FLAG = "--autoplay-policy=no-user-gesture-required"
FIRST_NAMES = ["Amara", "Ben", "Chitra", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Kavya", "Liam"]
LAST_NAMES = ["Okafor", "Becker", "Das", "Novak", "Costa", "Haddad", "Evans", "Ito", "Lopez", "Mehta", "Rossi"]
DOCTORS = (
    {"name": "Dr Asha Rao", "specialty": "General medicine", "room": "3", "token_prefix": "A"},
    {"name": "Dr Miguel Santos", "specialty": "Paediatrics", "room": "5", "token_prefix": "B"},
    {"name": "Dr Ingrid Holm", "specialty": "Cardiology", "room": "12", "token_prefix": "C"},
)


class StandingClock:
    """What time it is for the clinic and for every page; moved while the day is played."""

    now = OPENING - timedelta(minutes=30)

    def __call__(self) -> datetime:
        return self.now


class Day(NamedTuple):
    """The clinic as the pictures find it."""

    clinic: Clinic
    display: Answer
    one_doctor: Answer
    waiting: Answer
    called: Answer
    booked: Answer
    arabic: Answer
    kiosk: Answer
    doctor: str
    reception: str


async def take(folder: Path) -> None:
    clock = StandingClock()
    async with own_server(clock) as server, async_playwright() as playwright:
        browser = await launch(playwright, find_browser(), KIOSK_FLAG)
        day = await play(server, clock)
        await Camera(browser, server, clock, folder).take_all(day)
        await browser.close()


@asynccontextmanager
async def own_server(clock: StandingClock) -> AsyncGenerator[Server]:
    """A server with servers of its own, which keeps its Date header to itself: the pages' clocks stand still too."""
    with tempfile.TemporaryDirectory(prefix="mq") as folder:
        blank = read_settings({"MEDIQON_DATA_DIR": folder})
        async with embedded.servers(blank, say=lambda line: print(line, file=sys.stderr)) as settings:
            await migrations.migrate(settings)
            async with _serving(settings, clock) as server:
                yield server


@asynccontextmanager
async def _serving(settings: Settings, clock: StandingClock) -> AsyncGenerator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings, clock)
    running = uvicorn.Server(
        uvicorn.Config(app, ws="websockets-sansio", log_config=None, date_header=False, timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(running.serve([listener]))
    async with asyncio.timeout(READY_SECONDS):
        while not running.started:
            await asyncio.sleep(0.01)
    try:
        async with Server(f"http://127.0.0.1:{listener.getsockname()[1]}", settings, clock) as server:
            yield server
    finally:
        running.should_exit = True
        await task


async def play(server: Server, clock: StandingClock) -> Day:
    """Three mornings: everybody comes eight minutes early, each doctor calls at their own pace. It stops at 10:13."""
    clinic = await open_clinic(server, **DOCTORS[0])
    ids = [clinic.doctor_id, *[(await clinic.add_doctor(**doctor))[0] for doctor in DOCTORS[1:]]]
    lines = [await book_all(clinic, doctor_id, number) for number, doctor_id in enumerate(ids)]
    reception = (await clinic.reception.get("/auth/me"))["email"]
    doctor = (await clinic.doctor.get("/auth/me"))["email"]
    for minute in range(-10, 73):
        clock.now = OPENING + timedelta(minutes=minute)
        if minute % SLOT_MINUTES == 0:  # before the access token ends
            clinic.reception = await server.log_in(reception)
        if minute == LATE_MINUTE:
            await clinic.reception.walk_in(ids[0], "Priya Sharma", priority="PRIORITY")
            await clinic.reception.walk_in(ids[2], "Omar Farouk")
        for doctor_id, line, pace in zip(ids, lines, PACES, strict=True):
            if (minute + 8) % SLOT_MINUTES == 0:
                await clinic.reception.move(line[(minute + 8) // SLOT_MINUTES], "CHECKED_IN")
            if minute >= 0 and minute % pace == 0:
                await clinic.reception.call_next(doctor_id)
    clock.now += timedelta(minutes=1)
    (called,) = (await clinic.reception.today(ids[2]))["now"]
    at_home = f"/hospitals/{clinic.hospital_id}"
    wanted = {"name": "Hall", "doctor_ids": ids}
    return Day(
        clinic,
        await clinic.display(*ids),
        await clinic.display(ids[0]),
        lines[0][8],
        called,
        await clinic.reception.book(ids[0], time="11:30", patient={"name": "Quinn Abara"}),
        await clinic.reception.post(f"{at_home}/displays", {**wanted, "languages": ["ar"]}),
        await clinic.reception.post(f"{at_home}/kiosks", wanted),
        doctor,
        reception,
    )


async def book_all(clinic: Clinic, doctor_id: int, number: int) -> list[Answer]:
    """Eleven slots in a row, with other names for each doctor."""
    names = [f"{first} {last}" for first, last in zip(FIRST_NAMES[number:], LAST_NAMES, strict=False)]
    return [
        await clinic.reception.post("/appointments/book", {"doctor_id": doctor_id, "patient": {"name": name}})
        for name in names
    ]


class Camera:
    """Opens a page at the clinic's time and writes what it looks like."""

    def __init__(self, browser: Browser, server: Server, clock: StandingClock, folder: Path) -> None:
        self.browser, self.server, self.clock, self.folder = browser, server, clock, folder

    async def take_all(self, day: Day) -> None:
        wall, one = f"/display/{day.display['key']}", f"/display/{day.one_doctor['key']}"
        await self.shoot("display", wall, HD, scale=2 / 3)
        await self.shoot("display-one-doctor", one, HD, scale=2 / 3)
        await self.shoot("display-portrait", wall, PORTRAIT, scale=1 / 2)
        await self.shoot("desk", "/desk", DESKTOP, prepare=lambda page: open_desk(page, day.doctor))
        await self.shoot("token", f"/t/{day.waiting['code']}", PHONE)
        await self.shoot("token-called", f"/t/{day.called['code']}", PHONE, dark=True)
        await self.shoot("book", "/book", TALL, prepare=self.choose_a_time)
        await self.shoot("start", "/", DESKTOP)
        await self.shoot("display-4k", wall, UHD, scale=1 / 3)
        await self.shoot("display-arabic", f"/display/{day.arabic['key']}", HD, scale=2 / 3)
        await self.shoot("desk-more", "/desk", DESKTOP, prepare=lambda page: open_desk(page, day.doctor, "m"))
        await self.shoot("desk-keys", "/desk", DESKTOP, prepare=lambda page: open_desk(page, day.doctor, "?"))
        await self.shoot("desk-phone", "/desk", PHONE, dark=True, prepare=lambda page: open_desk(page, day.doctor))
        await self.shoot("token-booked", f"/t/{day.booked['code']}", PHONE)
        await self.shoot("token-arabic", f"/t/{day.booked['code']}?lang=ar", PHONE)
        await self.shoot("hospital", "/hospital", DESKTOP, prepare=lambda page: open_hospital(page, day.reception))
        await self.shoot(
            "hospital-report", "/hospital#report", TALL, prepare=lambda page: open_report(page, day.reception)
        )
        await self.shoot("kiosk", day.kiosk["url"], PORTRAIT, scale=1 / 2)
        await self.shoot("docs", "/docs", DESKTOP)

    async def shoot(
        self,
        name: str,
        path: str,
        size: ViewportSize,
        *,
        scale: float = 1.0,
        dark: bool = False,
        prepare: Callable[[Page], Awaitable[None]] | None = None,
    ) -> None:
        context = await self.browser.new_context(
            viewport=size,
            device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await page.clock.set_fixed_time(self.clock.now)
        await page.goto(self.server.url + path)
        if prepare:
            await prepare(page)
        for sign in await page.locator('[data-part="live"]:visible').all():
            await expect(sign).to_have_attribute("data-state", "live")
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=self.folder / f"{name}.png")
        await context.close()
        print(self.folder / f"{name}.png")

    async def choose_a_time(self, page: Page) -> None:
        await page.get_by_role("button", name="I am new here").click()
        form = page.get_by_role("form", name="Register")
        await form.get_by_label("Name").fill("Priya Sharma")
        await form.get_by_label("E-mail").fill("priya@example.org")
        await form.get_by_label("Password").fill(PASSWORD)
        await form.get_by_role("button", name="Create my account").click()
        await page.get_by_role("radio", name="Dr Asha Rao").check()
        await page.get_by_role("radio", name="Today").check()
        await page.get_by_role("radio", name="11:20").check()
        await page.evaluate("scrollTo(0, 0)")


async def open_desk(page: Page, email: str, key: str = "") -> None:
    await log_in(page, email)
    await expect(page.get_by_role("button", name="Call next")).to_be_enabled()
    if key:
        await page.keyboard.press(key)
        await expect(page.get_by_role("dialog")).to_be_visible()


async def open_hospital(page: Page, email: str) -> None:
    await log_in(page, email)
    await expect(page.get_by_role("list", name="Today’s visits").get_by_role("listitem").first).to_be_visible()


async def open_report(page: Page, email: str) -> None:
    await log_in(page, email)
    form = page.get_by_role("form", name="Which day")
    await form.get_by_label("Doctor").select_option("Dr Asha Rao")
    await form.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("table")).to_be_visible()


if __name__ == "__main__":
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(pictures))
