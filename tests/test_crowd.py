"""P1 to P4 under a crowd: two doctors, everything at once, over two servers with Redis and one without."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
import websockets

from builders import Answer, Asker, Clinic, Server
from conftest import Clock, serving
from mediqon.auth.models import Role
from mediqon.queues.models import Status
from mediqon.queues.rules import LEGAL

pytestmark = pytest.mark.anyio

ROUNDS, AT_ONCE = 16, 6
DEAD_REDIS = "redis://127.0.0.1:1/0"
SETTLED_SECONDS = 4.0
REFUSALS = {403, 404, 409}
UNDONE = "undo"

Frame = dict[str, Any]


class Crowd:
    """People who do anything at any of the servers, and what came of it."""

    def __init__(self, clinic: Clinic, doctors: dict[int, Asker], servers: list[Server], seed: int) -> None:
        self.clinic, self.doctors, self.servers = clinic, doctors, servers
        self.chance = random.Random(seed)
        self.visits: list[int] = []

    async def acts(self) -> None:
        """So many do something at the same time: being refused is fine, failing is not."""
        answers = await asyncio.gather(*(self._anything() for _ in range(AT_ONCE)))
        for answer in answers:
            assert answer.status in {200, 201} | REFUSALS, answer
        self.visits += [answer["id"] for answer in answers if answer.status == 201]

    def _anything(self) -> Any:
        chance = self.chance
        doctor_id, other_id = chance.sample(sorted(self.doctors), 2)
        asker = chance.choice((self.clinic.reception, self.doctors[doctor_id]))
        desk = Asker(chance.choice(self.servers).http, asker.token)
        reception = Asker(desk.http, self.clinic.reception.token)
        visit = f"/appointments/{chance.choice(self.visits) if self.visits else 0}"
        queue = f"/queues/{doctor_id}"
        time = f"{chance.randrange(9, 13):02}:{chance.randrange(0, 60, 10):02}"
        return chance.choice(
            (
                lambda: reception.book(doctor_id, patient={"name": "Any Body"}),
                lambda: reception.book(doctor_id, patient={"name": "Any Body"}, time=time),
                lambda: desk.walk_in(doctor_id, priority=chance.choice(("NORMAL", "PRIORITY", "EMERGENCY"))),
                lambda: desk.call_next(doctor_id),
                lambda: desk.patch(f"{visit}/status", {"status": chance.choice(list(Status))}),
                lambda: desk.patch(f"{visit}/status", {"status": chance.choice(list(Status))}),
                lambda: desk.patch(f"{visit}/status", {"status": "CHECKED_IN"}),
                lambda: desk.post(f"{visit}/recall"),
                lambda: desk.patch(f"{visit}/priority", {"priority": "PRIORITY", "reason": "pain"}),
                lambda: desk.patch(f"{visit}/place", {"before": chance.choice((None, 1, 2, 3)), "reason": "fair"}),
                lambda: desk.post(f"{visit}/transfer", {"doctor_id": other_id}),
                lambda: reception.post(f"{visit}/reschedule", {"date": "2026-11-23", "time": time}),
                lambda: reception.post(f"{visit}/reschedule", {"date": "2026-11-24", "time": time}),
                lambda: desk.post(f"{queue}/undo"),
                lambda: desk.post(f"{queue}/{chance.choice(('pause', 'resume', 'resume'))}"),
                lambda: desk.post(f"{queue}/delay", {"minutes": chance.choice((0, 20))}),
                lambda: reception.patch(f"/doctors/{doctor_id}", {"room": str(chance.randrange(9))}),
            )
        )()


class Diary:
    """Every frame that a socket received, by doctor."""

    def __init__(self) -> None:
        self.frames: dict[int, list[Frame]] = defaultdict(list)

    async def keep(self, screen: Any) -> None:
        try:
            async for message in screen.connection:
                frame = msgspec.json.decode(message)
                self.frames[frame["doctor_id"]].append(frame)
        except websockets.ConnectionClosed:
            return

    def shows(self, doctor_id: int, version: int) -> bool:
        frames = self.frames[doctor_id]
        return bool(frames) and frames[-1]["version"] >= version


@asynccontextmanager
async def diary(server: Server, path: str, asker: Asker | None = None) -> AsyncGenerator[Diary]:
    kept = Diary()
    async with server.watch(path, asker) as screen:
        task = asyncio.create_task(kept.keep(screen))
        yield kept
    await task


def plain(frame: Frame | Answer) -> Frame:
    return {name: value for name, value in frame.items() if name != "sent_at"}


def state(frame: Frame) -> tuple[Any, ...]:
    """What a version of a day is, apart from the clock."""
    tokens = [(each["token"], each["status"], each["ahead"]) for each in frame["tokens"]]
    shown = ("date", "state", "room", "message", "now_serving", "recent", "call_seq")
    return (*(repr(frame[name]) for name in shown), tokens)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_crowd_over_several_servers_leaves_one_story_that_every_screen_ends_with(
    server: Server, clinic: Clinic, clock: Clock, seed: int
) -> None:
    other_id, other = await clinic.add_doctor(token_prefix="B", room="4")
    doctors = {clinic.doctor_id: clinic.doctor, other_id: other}
    display = await clinic.display(*doctors)
    blind = msgspec.structs.replace(server.settings, redis_url=DEAD_REDIS)
    async with serving(server.settings, clock) as second, serving(blind, clock) as cut_off, AsyncExitStack() as open_:
        servers = [server, second, cut_off]
        walls = [await open_.enter_async_context(diary(each, f"/live/displays/{display['key']}")) for each in servers]
        desks = {
            doctor_id: await open_.enter_async_context(diary(each, f"/live/desk/{doctor_id}", doctor))
            for doctor_id, doctor in doctors.items()
            for each in servers[:1]
        }
        crowd = Crowd(clinic, doctors, servers, seed)
        for _ in range(ROUNDS):
            await crowd.acts()
            clock.forward(seconds=crowd.chance.randrange(20))
        for doctor_id in doctors:
            assert (await clinic.reception.walk_in(doctor_id)).status == 201
        fresh, fresh_desk = await read_anew(server, clock, doctors)
        await settled(fresh, [*walls, *desks.values()])

    for doctor_id in doctors:
        for wall in walls:
            forward_only(wall.frames[doctor_id])
            assert plain(wall.frames[doctor_id][-1]) == plain(fresh[doctor_id])
        assert plain(desks[doctor_id].frames[doctor_id][-1]) == plain(fresh_desk[doctor_id])
        of_one_version: dict[int, set[str]] = defaultdict(set)
        for frame in (frame for wall in walls for frame in wall.frames[doctor_id]):
            of_one_version[frame["version"]].add(repr(state(frame)))
        assert {version: states for version, states in of_one_version.items() if len(states) > 1} == {}
    await every_story_is_legal(clinic, crowd.visits)


async def read_anew(
    server: Server, clock: Clock, doctors: dict[int, Asker]
) -> tuple[dict[int, Answer], dict[int, Answer]]:
    """What a server shows that has never seen any of it."""
    async with serving(server.settings, clock) as newcomer:
        public = {doctor_id: await newcomer.anybody.get(f"/queues/{doctor_id}") for doctor_id in doctors}
        desk = {number: await Asker(newcomer.http, doctor.token).today(number) for number, doctor in doctors.items()}
    return public, desk


async def settled(fresh: dict[int, Answer], diaries: list[Diary]) -> None:
    async with asyncio.timeout(SETTLED_SECONDS):
        for kept in diaries:
            for doctor_id in list(kept.frames):
                while not kept.shows(doctor_id, fresh[doctor_id]["version"]):
                    await asyncio.sleep(0.05)


def forward_only(frames: list[Frame]) -> None:
    for field in ("version", "call_seq"):
        values = [frame[field] for frame in frames]
        assert values == sorted(values), field


async def every_story_is_legal(clinic: Clinic, visits: list[int]) -> None:
    """Each step begins where the one before it ended, and every move of the desk is one of the table."""
    legal = {(start.value, to.value) for (start, to), roles in LEGAL.items() if roles - {Role.PATIENT}}
    for visit in visits:
        events = (await clinic.reception.get(f"/appointments/{visit}/events"))["events"]
        moves = [event for event in events if event["to"] is not None and event["from"] is not None]
        for event in moves:
            if event["verb"] != UNDONE and event["from"] != event["to"]:
                assert (event["from"], event["to"]) in legal, event
        ends = [event["to"] or event["from"] for event in events]
        starts = [event["from"] for event in events[1:] if event["from"] is not None]
        assert [end for end, after in zip(ends, events[1:], strict=False) if after["from"] is not None] == starts
