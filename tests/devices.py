"""Devices that people hold: each a fresh window of a real Chromium, which must stay quiet and ask nobody else."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Error, Page, Playwright, Request, ViewportSize

QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE: ViewportSize = {"width": 390, "height": 844}
SMALL_PHONE: ViewportSize = {"width": 320, "height": 640}
DESKTOP: ViewportSize = {"width": 1280, "height": 720}
UHD: ViewportSize = {"width": 3840, "height": 2160}
LYING_PHONE: ViewportSize = {"width": 844, "height": 390}
PORTRAIT: ViewportSize = {"width": 1080, "height": 1920}
UNTIL_SECONDS = 15.0
# What a browser writes about refusals and lost connections; the tests look at what the page makes of them.
# The last is a worker script cut off by the next page.
NETWORK_NEWS = (
    "Failed to load resource",
    "WebSocket connection to",
    "An unknown error occurred when fetching the script.",
)


async def launch(playwright: Playwright, path: str | None, *more: str) -> Browser:
    """Chromium, without the calls home it would make; `more` are further flags."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return await playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox, *more])


class Devices:
    """Opens pages; `complaints` are script errors, console errors and requests to another origin."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.complaints: list[str] = []

    @asynccontextmanager
    async def closing(self) -> AsyncGenerator["Devices"]:
        yield self
        for context in self._browser.contexts:
            await context.close()

    async def open(self, url: str, *, size: ViewportSize = DESKTOP, clock: bool = False) -> Page:
        """A new device showing `url`; with `clock` its time can be moved by hand."""
        context = await self._browser.new_context(viewport=size)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", self._hear)
        page.on("request", lambda request: self._check_origin(request, url))
        if clock:
            await page.clock.install()
        await page.goto(url)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(NETWORK_NEWS):
            self.complaints.append(f"{message.type}: {message.text}")

    def _check_origin(self, request: Request, url: str) -> None:
        asked = urlsplit(request.url)
        if asked.scheme != "data" and asked.netloc != urlsplit(url).netloc:
            self.complaints.append(f"asked {request.url}")


async def until(page: Page, expression: str) -> None:
    """Returns once it is true on the page. Playwright's own way evaluates it there, which our pages forbid."""
    async with asyncio.timeout(UNTIL_SECONDS):
        while not await _is_true(page, expression):
            await asyncio.sleep(0.05)


async def _is_true(page: Page, expression: str) -> bool:
    try:
        return await page.evaluate(expression)
    except Error as error:
        if "context was destroyed" in error.message:  # the page is just loading itself again
            return False
        raise
