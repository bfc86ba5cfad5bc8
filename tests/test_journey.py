"""One journey from the first hospital to a seen patient, watched on three screens, on each kind of server."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from builders import Clinic, Screen, Server, clinic_at_noon
from mediqon import embedded
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

ON_SCREEN_SECONDS = 1.0
READY_SECONDS = 30


async def test_a_patient_is_booked_called_and_seen_on_every_screen(server: Server, clinic: Clinic) -> None:
    await journey(server, clinic)


async def test_the_journey_on_one_command_with_embedded_servers() -> None:
    data_dir = Path(tempfile.mkdtemp(prefix="mq"))
    async with command_line(Settings(data_dir=data_dir)) as server:
        await journey(server, await clinic_at_noon(server))
    rmtree(data_dir)


async def test_the_journey_over_two_workers_with_external_servers(settings: Settings) -> None:
    async with command_line(settings, "--workers", "2") as server:
        await journey(server, await clinic_at_noon(server))


async def journey(server: Server, clinic: Clinic) -> None:
    display = await clinic.display()
    patient = await server.patient("Asha Iyer")
    async with (
        server.watch(f"/live/queues/{clinic.doctor_id}") as public,
        server.watch(f"/live/displays/{display['key']}") as wall,
        server.watch(f"/live/desk/{clinic.doctor_id}", clinic.doctor) as desk,
    ):
        for screen in (public, wall, desk):
            assert (await screen.frame())["version"] == 0

        booked = await patient.book(clinic.doctor_id)
        token = booked["token"]
        assert (booked.status, booked["status"], booked["ahead"]) == (201, "BOOKED", 0)
        on_public, on_wall, on_desk = await within_a_second(public, wall, desk, version=1)
        assert on_public["tokens"] == on_wall["tokens"]
        assert on_desk["booked"][0]["patient"]["name"] == "Asha Iyer"

        assert (await patient.move(booked, "CHECKED_IN")).status == 200
        *_, on_desk = await within_a_second(public, wall, desk, version=2)
        assert on_desk["waiting"][0]["token"] == token

        called = await clinic.doctor.call_next(clinic.doctor_id, version=2)
        assert called["called"]["status"] == "CALLED"
        _, on_wall, _ = await within_a_second(public, wall, desk, version=3)
        assert (on_wall["now_serving"], on_wall["call_seq"]) == ([token], 1)

        assert (await clinic.doctor.move(booked, "IN_CONSULTATION")).status == 200
        assert (await clinic.doctor.move(booked, "COMPLETED")).status == 200
        on_public, *_ = await within_a_second(public, wall, desk, version=5)
        assert (on_public["now_serving"], on_public["recent"]) == ([], [token])

    assert (await server.anybody.get(f"/tokens/{booked['code']}"))["status"] == "COMPLETED"
    assert (await patient.get("/appointments/mine"))["appointments"][0]["status"] == "COMPLETED"
    events = (await clinic.doctor.get(f"/appointments/{booked['id']}/events"))["events"]
    assert [event["verb"] for event in events] == ["book", "check_in", "call", "start", "complete"]


async def within_a_second(*screens: Screen, version: int) -> list[dict[str, Any]]:
    began = time.monotonic()
    frames = [await screen.version(version) for screen in screens]
    assert time.monotonic() - began < ON_SCREEN_SECONDS
    return frames


@asynccontextmanager
async def command_line(settings: Settings, *flags: str) -> AsyncGenerator[Server]:
    """`mediqon serve` as a process of its own; SIGTERM must end it with 0."""
    command = (sys.executable, "-m", "mediqon", "serve", "--port", "0", *flags)
    environment = {**os.environ, **settings.as_environment()}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(READY_SECONDS):
        while "ready: " not in (line := (await process.stdout.readline()).decode()):
            assert line, "the server ended before it was ready"
    url = line.split("ready: ")[1].strip()
    async with (
        embedded.servers(settings, say=print) as reachable,
        Server(url, reachable, lambda: datetime.now(UTC)) as server,
    ):
        yield server
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
