"""Real PostgreSQL and Redis for the whole run, a database of its own and a real server for each test that asks."""

import asyncio
import contextlib
import gc
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import uvicorn
from hypothesis import settings as examples
from playwright.async_api import Browser, async_playwright

from browser import find_browser
from builders import Clinic, Server, clinic_at_noon, open_clinic
from cable import Cable, laid_cable
from devices import Devices, launch
from mediqon.app import create_app
from mediqon.settings import Settings, read_settings
from mediqon.worker import YOUNG_OBJECTS, configuration

examples.register_profile("any machine", deadline=None)  # a busy one is no fault of ours
examples.load_profile("any machine")

TEMPLATE = "mediqon_template"
WITH_CLINIC = "mediqon_template_with_clinic"
READY_SECONDS = 10
MEMORY_DISK, ENOUGH_BYTES = Path("/dev/shm"), 4 << 30

if "TMPDIR" not in os.environ and MEMORY_DISK.is_dir() and disk_usage(MEMORY_DISK).free > ENOUGH_BYTES:
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY_DISK), None  # a new database takes 10 ms there, 300 on a disk

SERVERS = """
import asyncio, sys
from mediqon import embedded, migrations
from mediqon.settings import read_settings

async def own():
    async with embedded.servers(read_settings(), say=lambda line: print(line, file=sys.stderr)) as filled:
        await migrations.migrate(filled)
        for variable, value in filled.as_environment().items():
            print(f"{variable}={value}")
        print(flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(own())
"""


def pytest_collection_finish() -> None:
    """As in a worker, what was there before is out of the collector's way: the tests alone are 200 000 objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


class Clock:
    """What time it is for a server under test; moved by hand. Starts on a Monday, 09:00 in Kolkata."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def servers() -> Iterator[Settings]:
    """Embedded servers in a process of their own, with the migrated template that each test copies."""
    data_dir = tempfile.mkdtemp(prefix="mq")
    configured = {"DB_NAME": TEMPLATE, "MEDIQON_DATA_DIR": data_dir, "DB_HOST": "", "REDIS_URL": "", "JWT_SECRET": ""}
    command = [sys.executable, "-c", SERVERS]
    with subprocess.Popen(
        command, env={**os.environ, **configured}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "\n")
        yield read_settings(dict(line.rstrip("\n").split("=", 1) for line in lines))
        process.communicate()
    rmtree(data_dir)


@pytest.fixture(scope="session")
def standing(servers: Settings) -> Clinic:
    """A clinic opened over the wire, once, in a second template: what most tests begin with costs a core 250 ms."""

    async def opened() -> Clinic:
        async with administrator(servers) as admin:
            await admin.execute(f"create database {WITH_CLINIC} template {TEMPLATE}")
        async with serving(msgspec.structs.replace(servers, db_name=WITH_CLINIC), Clock()) as server:
            return await open_clinic(server)

    return asyncio.run(opened())  # in a loop of its own, whichever the tests that share it run in


@pytest.fixture
def template(request: pytest.FixtureRequest) -> str:
    """What this test's database is a copy of."""
    if "clinic" not in request.fixturenames:
        return TEMPLATE
    request.getfixturevalue("standing")
    return WITH_CLINIC


@pytest.fixture
async def settings(servers: Settings, template: str) -> AsyncIterator[Settings]:
    """A migrated database of this test's own: empty, or with the clinic that it asks for."""
    name = f"test_{uuid4().hex}"
    async with administrator(servers) as admin:
        await admin.execute(f"create database {name} template {template}")
        try:
            yield msgspec.structs.replace(servers, db_name=name)
        finally:
            await admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(settings: Settings, clock: Clock) -> AsyncIterator[Server]:
    """The application on a real port, in this test's event loop, its clock in the test's hand."""
    async with serving(settings, clock) as running:
        yield running


@pytest.fixture
async def clinic(server: Server, standing: Clinic) -> Clinic:
    """A hospital in Kolkata with a doctor: room 3, token prefix A, ten-minute slots, 09:00–13:00 every day."""
    return standing.at(server)


@pytest.fixture
async def today(settings: Settings) -> AsyncIterator[Clinic]:
    """A clinic of the real today, since a browser's calendar starts there."""
    clock = Clock()
    clock.now = datetime.now(UTC)
    async with serving(settings, clock) as server:
        yield await clinic_at_noon(server)


@pytest.fixture(scope="session")
async def chromium(anyio_backend: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launch(playwright, find_browser())
        yield browser
        await browser.close()


@pytest.fixture
async def devices(chromium: Browser) -> AsyncIterator[Devices]:
    """Whatever a test does with its pages: no script fails, no policy is broken, nobody else is asked."""
    async with Devices(chromium).closing() as held:
        yield held
    assert held.complaints == []


@pytest.fixture
async def cable(server: Server) -> AsyncIterator[Cable]:
    async with laid_cable() as laid:
        laid.plug(server.url)
        yield laid


@contextlib.asynccontextmanager
async def administrator(servers: Settings) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection that may make and drop databases."""
    admin = await asyncpg.connect(
        host=servers.db_host,
        port=servers.db_port,
        user=servers.db_user,
        password=servers.db_password,
        database="postgres",
    )
    try:
        yield admin
    finally:
        await admin.close()


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(settings: Settings, clock: Clock, **served: Any) -> AsyncGenerator[Server]:
    """One more server process's worth of application, on a free port; `served` are other settings of uvicorn."""
    # Taken over by its number as in a worker: only so does the event loop see that it is TCP, and send without delay.
    listener = socket.socket(fileno=socket.create_server(("127.0.0.1", 0)).detach())
    configured = configuration(create_app(settings, clock), settings)
    for name, value in served.items():
        setattr(configured, name, value)
    uvicorn_server = _Uvicorn(configured)
    task = asyncio.create_task(uvicorn_server.serve([listener]))
    async with asyncio.timeout(READY_SECONDS):
        while not uvicorn_server.started:
            await asyncio.sleep(0.01)
    try:
        scheme = "https" if configured.is_ssl else "http"
        async with Server(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", settings, clock) as running:
            yield running
    finally:
        uvicorn_server.should_exit = True
        await task
