"""One journey from the first hospital to a seen patient, watched on three screens."""

import time

import pytest

from builders import Clinic, Screen, Server

pytestmark = pytest.mark.anyio

ON_SCREEN_SECONDS = 1.0


async def within_a_second(*screens: Screen, version: int) -> list[dict[str, object]]:
    began = time.monotonic()
    frames = [await screen.version(version) for screen in screens]
    assert time.monotonic() - began < ON_SCREEN_SECONDS
    return frames


async def test_a_patient_books_comes_is_called_and_seen_on_every_screen(server: Server, clinic: Clinic) -> None:
    key = (await clinic.display())["key"]
    patient = await server.patient("Asha Iyer")
    async with (
        server.watch(f"/live/queues/{clinic.doctor_id}") as public,
        server.watch(f"/live/displays/{key}") as wall,
        server.watch(f"/live/desk/{clinic.doctor_id}", clinic.doctor) as desk,
    ):
        for screen in (public, wall, desk):
            assert (await screen.frame())["version"] == 0

        booked = await patient.book(clinic.doctor_id, time="09:10")
        assert (booked.status, booked["token"], booked["status"], booked["ahead"]) == (201, "A-002", "BOOKED", 0)
        frames = await within_a_second(public, wall, desk, version=1)
        assert frames[0]["tokens"] == frames[1]["tokens"]
        assert frames[2]["booked"][0]["patient"]["name"] == "Asha Iyer"  # pyright: ignore[reportIndexIssue]

        assert (await patient.move(booked, "CHECKED_IN")).status == 200
        frames = await within_a_second(public, wall, desk, version=2)
        assert frames[2]["waiting"][0]["token"] == "A-002"  # pyright: ignore[reportIndexIssue]

        called = await clinic.doctor.call_next(clinic.doctor_id, version=2)
        assert called["called"]["status"] == "CALLED"
        frames = await within_a_second(public, wall, desk, version=3)
        assert frames[1]["now_serving"] == ["A-002"]
        assert frames[1]["call_seq"] == 1

        assert (await clinic.doctor.move(booked, "IN_CONSULTATION")).status == 200
        assert (await clinic.doctor.move(booked, "COMPLETED")).status == 200
        frames = await within_a_second(public, wall, desk, version=5)
        assert (frames[0]["now_serving"], frames[0]["recent"]) == ([], ["A-002"])

    phone = await server.anybody.get(f"/tokens/{booked['code']}")
    assert phone["status"] == "COMPLETED"
    assert (await patient.get("/appointments/mine"))["appointments"][0]["status"] == "COMPLETED"
    events = (await clinic.doctor.get(f"/appointments/{booked['id']}/events"))["events"]
    assert [event["verb"] for event in events] == ["book", "check_in", "call", "start", "complete"]
