"""P3 and P4: whatever happens, in whatever order, screens only go forward and end at what the database holds."""

import asyncio
import json
import random
import re
from typing import Any

import msgspec
import pytest

from builders import Asker, Clinic, Screen, Server
from conftest import Clock, serving

pytestmark = pytest.mark.anyio

STEPS = 60
SETTLE_SECONDS = 0.3
BLIND_SECONDS = 3.0
STATUSES = ("CHECKED_IN", "CALLED", "IN_CONSULTATION", "ON_HOLD", "COMPLETED", "NO_SHOW", "CANCELLED")


async def anything(clinic: Clinic, chance: random.Random, visits: list[int]) -> None:
    """One action of somebody at random; being refused is fine, failing is not."""
    desk = chance.choice((clinic.doctor, clinic.reception))
    queue = f"/queues/{clinic.doctor_id}"
    match chance.randrange(12):
        case 0 | 1:
            answer = await clinic.reception.book(clinic.doctor_id, patient={"name": "Any Body"})
        case 2 | 3:
            answer = await desk.walk_in(clinic.doctor_id, priority=chance.choice(("NORMAL", "PRIORITY", "EMERGENCY")))
        case 4 | 5:
            answer = await desk.call_next(clinic.doctor_id)
        case 6:
            answer = await desk.post(f"{queue}/undo")
        case 7:
            answer = await desk.post(f"{queue}/{chance.choice(('pause', 'resume'))}")
        case 8:
            answer = await desk.post(f"{queue}/delay", {"minutes": chance.choice((0, 10, 30))})
        case _:
            visit = chance.choice(visits) if visits else 0
            answer = await desk.patch(f"/appointments/{visit}/status", {"status": chance.choice(STATUSES)})
    assert answer.status in {200, 201, 403, 404, 409}, answer
    if answer.status == 201:
        visits.append(answer["id"])


async def frames_until_quiet(screen: Screen) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    while True:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                frames.append(await screen.frame())
        except TimeoutError:
            return frames


def content(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name != "sent_at"}


def at(server: Server, clinic: Clinic) -> Clinic:
    """The same clinic, whose people ask another process."""
    there = Clinic(server, clinic.hospital_id, Asker(server.http, clinic.reception.token))
    there.doctor_id, there.doctor = clinic.doctor_id, Asker(server.http, clinic.doctor.token)
    return there


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("at_once", [1, 5])
async def test_after_any_run_of_actions_at_two_processes_the_last_frame_everywhere_is_a_fresh_read(
    server: Server, clinic: Clinic, clock: Clock, at_once: int, seed: int
) -> None:
    chance, visits = random.Random(seed), list[int]()
    paths = {"public": f"/live/queues/{clinic.doctor_id}", "desk": f"/live/desk/{clinic.doctor_id}"}
    async with (
        serving(server.settings, clock) as second,
        server.watch(paths["public"]) as public,
        server.watch(paths["desk"], clinic.doctor) as desk,
        second.watch(paths["public"]) as elsewhere,
    ):
        doors = clinic, at(second, clinic)
        for _ in range(STEPS // at_once):
            await asyncio.gather(*(anything(door, chance, visits) for door in chance.choices(doors, k=at_once)))
            clock.forward(seconds=chance.randrange(9))  # within the life of the access tokens
        seen = [await frames_until_quiet(screen) for screen in (public, desk, elsewhere)]
    async with serving(server.settings, clock) as newcomer:
        fresh = await newcomer.anybody.get(f"/queues/{clinic.doctor_id}")
        fresh_desk = await Asker(newcomer.http, clinic.doctor.token).today(clinic.doctor_id)
    for frames in seen:
        versions = [frame["version"] for frame in frames]
        assert versions == sorted(versions)
    calls = [frame["call_seq"] for frame in seen[0]]
    assert calls == sorted(calls)
    for frames, state in zip(seen, (fresh, fresh_desk, fresh), strict=True):
        assert timeless(content(frames[-1])) == timeless(content(state))


def timeless(value: Any) -> Any:
    """Without what moves with the clock alone."""
    return json.loads(re.sub(r'"expected_\w+": ("[^"]*"|null)', '"expected": 0', json.dumps(value)))


async def test_a_screen_on_a_server_without_redis_is_right_within_seconds(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    alone = msgspec.structs.replace(server.settings, redis_url="redis://127.0.0.1:1/0")
    async with serving(alone, clock) as cut_off, cut_off.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        await clinic.reception.walk_in(clinic.doctor_id)
        async with asyncio.timeout(BLIND_SECONDS):
            assert (await screen.version(1))["tokens"][0]["token"] == "A-W01"
        assert (await cut_off.anybody.get("/health/ready"))["redis"] == "away"
        booked = await Asker(cut_off.http, clinic.reception.token).walk_in(clinic.doctor_id)
        assert booked.status == 201


async def test_a_display_taken_back_on_one_server_closes_on_the_other(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    display = await clinic.display()
    async with (
        serving(server.settings, clock) as second,
        second.watch(f"/live/displays/{display['key']}") as wall,
    ):
        await wall.frame()
        assert (await clinic.reception.delete(f"/displays/{display['id']}")).status == 204
        assert await wall.closed() == 4404


async def test_at_the_hospitals_midnight_screens_turn_to_the_new_day(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        assert (await screen.frame())["date"] == "2026-11-23"
        clock.forward(hours=16)
        turned = await screen.until(lambda frame: frame["date"] == "2026-11-24")
        assert (turned["version"], turned["tokens"]) == (0, [])


async def test_a_change_of_room_reaches_the_screens(server: Server, clinic: Clinic) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        assert (await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": "9"})).status == 200
        assert (await screen.version(2))["room"] == "9"
