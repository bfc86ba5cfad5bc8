"""The first steps of many page tests: people in line, somebody logged in at a desk, frames made by hand."""

import asyncio
import json
from typing import Any

from playwright.async_api import Locator, Page, Route, ViewportSize, expect

from builders import PASSWORD, Answer, Clinic
from devices import DESKTOP, Devices

SOON_MS = 5_000
DRAWN_MS = 200
expect.set_options(timeout=SOON_MS)


async def waiting(clinic: Clinic, *names: str) -> list[Answer]:
    """Walk-ins of that name, in line."""
    return [await clinic.reception.walk_in(clinic.doctor_id, name) for name in names]


async def log_in(page: Page, email: str, password: str = PASSWORD) -> None:
    form = page.get_by_role("form", name="Log in")
    await form.get_by_label("E-mail").fill(email)
    await form.get_by_label("Password").fill(password)
    await form.get_by_role("button", name="Log in").click()


async def at_desk(devices: Devices, clinic: Clinic, size: ViewportSize = DESKTOP) -> Page:
    """The doctor's desk, logged in and live."""
    page = await devices.open(f"{clinic.server.url}/desk", size=size)
    await log_in(page, await email_of(clinic))
    await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    return page


async def email_of(clinic: Clinic) -> str:
    return (await clinic.doctor.get("/auth/me"))["email"]


async def hold_back(page: Page, path: str) -> asyncio.Event:
    """What the server is asked on this path waits until the event is set."""
    let_go = asyncio.Event()

    async def wait(route: Route) -> None:
        await let_go.wait()
        await route.continue_()

    await page.route(path, wait)
    return let_go


async def let_go(page: Page, path: str, held: asyncio.Event) -> None:
    """Lets it through, and waits until the page had its answer."""
    async with page.expect_response(path):
        held.set()
    await page.wait_for_timeout(DRAWN_MS)


def now_serving(page: Page) -> Locator:
    return page.get_by_role("list", name="Now serving")


def frame(*, version: int, date: str = "2026-11-23", doctor_id: int = 1, room: str = "3", **shown: Any) -> str:
    """A public frame as JSON."""
    now_serving: list[str] = shown.get("now_serving", [])
    return json.dumps(
        {
            "type": "queue",
            "doctor_id": doctor_id,
            "doctor": f"Dr {doctor_id}",
            "room": room,
            "hospital": "St Mary",
            "timezone": "Asia/Kolkata",
            "date": date,
            "version": version,
            "state": "OPEN",
            "message": None,
            "now_serving": now_serving,
            "calls": shown.get("calls", [1] * len(now_serving)),
            "recent": [],
            "called_at": None,
            "call_seq": shown.get("call_seq", 0),
            "tokens": [],
            "sent_at": f"{date}T04:00:00Z",
        }
    )


async def font_vh(page: Page, text: str) -> float:
    """The size of a text's letters in hundredths of the screen's height."""
    return await page.get_by_text(text, exact=True).evaluate(
        "node => 100 * parseFloat(getComputedStyle(node).fontSize) / innerHeight"
    )


async def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the button of this name has the focus."""
    button = page.get_by_role("button", name=name)
    await button.wait_for()
    for _ in range(30):
        if await button.evaluate("node => node === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{name} cannot be reached with Tab")
