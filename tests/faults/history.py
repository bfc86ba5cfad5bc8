"""A clinic under load that writes down every call and its outcome; the check of what the database says afterwards."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import httpx
import websockets

from builders import Answer, Asker, Clinic
from mediqon.database import Connection

CALL_SECONDS = 6.0
FOLLOW_SECONDS = 3.0
RETRY_SECONDS = 0.3
RETRIES = 40
PAUSE_SECONDS = 0.02
DAYS_AHEAD = 5
SCREENS_EACH = 3
STAY_SECONDS = (2.0, 6.0)
LEAP = 10**12  # after a promotion days go on from versions that are milliseconds since 1970
NEXT = {
    "BOOKED": ("CHECKED_IN", "CANCELLED", "NO_SHOW"),
    "CHECKED_IN": ("CALLED", "ON_HOLD", "CANCELLED"),
    "CALLED": ("ON_HOLD", "NO_SHOW"),
    "ON_HOLD": ("CHECKED_IN", "CALLED"),
}
LOST = (httpx.TransportError, TimeoutError)


class Call(NamedTuple):
    """What somebody asked for, and what they were told: `ok`, `refused`, or `unknown` when nobody answered.

    `name`: the visit's own, for one that makes a visit; `visit` and `token` as acknowledged; `status` asked for.
    """

    begun: float
    ended: float
    outcome: str
    verb: str
    name: str = ""
    visit: int = 0
    token: str = ""
    status: str = ""


class Shown(NamedTuple):
    """What a screen showed from an instant on."""

    at: float
    version: int


class History:
    """Everything that was asked and shown while it ran. `screens_url`: by which way screens reach the server."""

    def __init__(self, clinic: Clinic, doctors: Sequence[int], seed: int, screens_url: str = "") -> None:
        self.calls: list[Call] = []
        self.backwards: list[tuple[int, int]] = []
        self.frames: list[tuple[int, list[Shown]]] = []
        """By screen: its doctor, and its frames."""
        self._url = (screens_url or clinic.server.url).replace("http", "ws", 1)
        self._clinic, self._doctors = clinic, [*doctors]
        self._names = (f"Visitor {number}" for number in itertools.count(1))
        self._random = random.Random(seed)
        self._over = asyncio.Event()
        self._dark = asyncio.Event()

    async def run(self, clients: int, while_running: Any) -> None:
        """Clients at work until `while_running` is done, and screens until they had time to show what the last did."""
        async with asyncio.TaskGroup() as group:
            busy = [group.create_task(self._client()) for _ in range(clients)]
            for doctor in self._doctors * SCREENS_EACH:
                group.create_task(self._screen(doctor))
            try:
                await while_running
                self._over.set()
                await asyncio.gather(*busy)
                await asyncio.sleep(FOLLOW_SECONDS)
            finally:
                self._over.set()
                self._dark.set()

    async def recovered(self, since: float) -> float:
        """Seconds from `since` to the first change that was asked for after it and acknowledged."""
        while True:
            done = [call.ended for call in self.calls if call.begun > since and call.outcome == "ok"]
            if done:
                return min(done) - since
            await asyncio.sleep(0.05)

    def pause(self, since: float, until: float) -> float:
        """The most seconds of this time, its very end apart, in which no change was acknowledged."""
        done = sorted(call.ended for call in self.calls if call.outcome == "ok" and since <= call.ended < until)
        return max((after - before for before, after in itertools.pairwise([since, *done])), default=until - since)

    async def _client(self) -> None:
        mine: dict[int, str] = {}
        url, one_call_each = self._clinic.server.url, httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, timeout=CALL_SECONDS, limits=one_call_each) as http:
            asker = Asker(http, self._clinic.reception.token, self._clinic.reception.email)
            while not self._over.is_set():
                if mine and self._random.random() < 0.4:
                    await self._move(asker, mine)
                else:
                    await self._come(asker, mine)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _come(self, asker: Asker, mine: dict[int, str]) -> None:
        """A visit is made; without an answer, the same is asked for again under the same key."""
        name, doctor = next(self._names), self._random.choice(self._doctors)
        path, body = self._asked_for(doctor, name)
        begun = time.monotonic()
        for _ in range(RETRIES):
            answer = await _asked(asker.post(path, body, idempotency_key=name))
            if answer is not None or self._over.is_set():
                break
            await asyncio.sleep(RETRY_SECONDS)
        else:
            answer = None
        outcome = _outcome(answer, 201)
        if answer is not None and outcome == "ok":
            mine[answer["id"]] = answer["status"]
            call = Call(begun, time.monotonic(), outcome, path, name, answer["id"], answer["token"])
        else:
            call = Call(begun, time.monotonic(), outcome, path, name)
        self.calls.append(call)

    def _asked_for(self, doctor: int, name: str) -> tuple[str, dict[str, Any]]:
        patient = {"name": name}
        if self._random.random() < 0.5:
            return "/appointments/walk-in", {"doctor_id": doctor, "patient": patient}
        day = self._clinic.server.clock().date() + timedelta(days=self._random.randint(2, DAYS_AHEAD))
        minute = self._random.randrange(9 * 60, 13 * 60, 5)
        at = f"{minute // 60:02}:{minute % 60:02}"
        return "/appointments/book", {"doctor_id": doctor, "patient": patient, "date": f"{day}", "time": at}

    async def _move(self, asker: Asker, mine: dict[int, str]) -> None:
        visit = self._random.choice(list(mine))
        to = self._random.choice(NEXT[mine[visit]])
        begun = time.monotonic()
        answer = await _asked(asker.patch(f"/appointments/{visit}/status", {"status": to}))
        outcome = _outcome(answer, 200)
        self.calls.append(Call(begun, time.monotonic(), outcome, "move", visit=visit, status=to))
        if outcome == "ok":
            mine[visit] = to
        if outcome != "ok" or to not in NEXT:
            del mine[visit]

    async def _screen(self, doctor: int) -> None:
        url, frames = f"{self._url}/live/queues/{doctor}", list[Shown]()
        self.frames.append((doctor, frames))
        while not self._dark.is_set():
            with suppress(OSError, TimeoutError, websockets.WebSocketException):
                async with websockets.connect(url, compression=None, open_timeout=CALL_SECONDS) as connection:
                    await self._watch(connection, frames)
                continue
            await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, connection: websockets.ClientConnection, frames: list[Shown]) -> None:
        """For a while: then it comes again, to any of the workers. What is older than it showed, a page leaves out."""
        version = 0
        leaves = time.monotonic() + self._random.uniform(*STAY_SECONDS)
        while not self._dark.is_set() and time.monotonic() < leaves:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    frame = json.loads(await connection.recv())
                    if frame["version"] < version:
                        self.backwards.append((version, frame["version"]))
                    version = frame["version"]
                    frames.append(Shown(time.monotonic(), version))


async def _asked(call: Any) -> Answer | None:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            answer: Answer = await call
    except LOST:
        return None
    return None if answer.status >= 500 else answer


def _outcome(answer: Answer | None, good: int) -> str:
    if answer is None:
        return "unknown"
    return "ok" if answer.status == good else "refused"


VISITS = """
select a.id, u.name, a.token, a.status::text, a.issued_by, a.doctor_id, a.day, a.seat, a.walk_in, a.checked_in_at
from appointments a join users u on u.id = a.patient_id
"""
EVENTS = """
select doctor_id, day, queue_version, appointment_id, from_status::text, to_status::text
from appointment_events order by id
"""
QUEUES = "select doctor_id, day, version from queues where version > 0"


async def versions(conn: Connection) -> dict[Any, int]:
    """How far each doctor's day is."""
    return {(row["doctor_id"], row["day"]): row["version"] for row in await conn.fetch(QUEUES)}


async def events_of(conn: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await conn.fetch(EVENTS)]


async def broken_promises(history: History, conn: Connection, before: dict[Any, int]) -> list[str]:
    """Every promise that the database or a screen shows as broken; none is what is wanted.

    `before`: the days' versions when it began.
    """
    visits = [dict(row) for row in await conn.fetch(VISITS)]
    events = await events_of(conn)
    queues = await versions(conn)
    return [
        *lost_or_doubled(history.calls, visits),
        *sold_twice(visits),
        *unexplained(history.calls, visits, events),
        *gaps(events, before, queues),
        *(f"a screen went from version {old} back to {new}" for old, new in history.backwards),
        *_old(history, queues),
    ]


def lost_or_doubled(calls: Sequence[Call], visits: Sequence[dict[str, Any]]) -> list[str]:
    made = Counter(visit["name"] for visit in visits)
    by_id = {visit["id"]: visit for visit in visits}
    wrong: list[str] = []
    for call in calls:
        if not call.name:
            continue
        allowed = {"ok": {1}, "refused": {0}, "unknown": {0, 1}}[call.outcome]
        if made[call.name] not in allowed:
            wrong.append(f"{call.verb} of {call.name} was {call.outcome}, and there are {made[call.name]}")
        elif call.outcome == "ok" and by_id.get(call.visit, {}).get("token") != call.token:
            wrong.append(f"{call.name} was given {call.token} and has {by_id.get(call.visit)}")
    return wrong


def sold_twice(visits: Sequence[dict[str, Any]]) -> list[str]:
    held = [visit for visit in visits if visit["status"] != "CANCELLED" or visit["checked_in_at"] is not None]
    seats = Counter((v["issued_by"], v["day"], v["seat"]) for v in held if v["seat"])
    tokens = Counter((v["issued_by"], v["day"], v["token"]) for v in held)
    return [f"given twice: {what}" for what, times in (seats | tokens).items() if times > 1]


def unexplained(calls: Sequence[Call], visits: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]]) -> list[str]:
    """Each visit's events lead from nothing to where it is, each from where the one before had led."""
    wrong: list[str] = []
    stories: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        stories.setdefault(event["appointment_id"], []).append(event)
    for visit in visits:
        story = stories.get(visit["id"], [])
        steps = [None, *(event["to_status"] for event in story)]
        if [event["from_status"] for event in story] != steps[:-1] or steps[-1] != visit["status"]:
            wrong.append(f"visit {visit['id']} is {visit['status']} and its story says {steps}")
    for call in calls:
        told = [event["to_status"] for event in stories.get(call.visit, [])]
        if call.verb == "move" and call.outcome == "ok" and call.status not in told:
            wrong.append(f"visit {call.visit} was acknowledged as {call.status}, and its story says {told}")
    return wrong


def gaps(events: Sequence[dict[str, Any]], before: dict[Any, int], after: dict[Any, int]) -> list[str]:
    """Every version that a day has come to has its event."""
    told: dict[Any, set[int]] = {}
    for event in events:
        told.setdefault((event["doctor_id"], event["day"]), set()).add(event["queue_version"])
    return [
        f"day {key} is at version {version}, and its events tell of {sorted(told.get(key, ()))}"
        for key, version in after.items()
        if not _is_gapless([before.get(key, 0), *sorted(told.get(key, ()))], version)
    ]


def _is_gapless(steps: Sequence[int], version: int) -> bool:
    """One after the other up to `version`, but for the leap to what nobody has seen, after a promotion."""
    gaps = [after - before for before, after in pairwise(steps)] + [version - steps[-1] + 1]
    return all(gap == 1 or gap > LEAP for gap in gaps)


def behind(history: History, events: Sequence[dict[str, Any]], since: float, until: float) -> float:
    """The most seconds from when a walk-in of this time was acknowledged until every screen of its doctor showed it."""
    came = {event["appointment_id"]: event for event in events if event["from_status"] is None}
    worst = 0.0
    for call in history.calls:
        if call.outcome == "ok" and call.verb.endswith("walk-in") and since <= call.ended < until:
            doctor, version = came[call.visit]["doctor_id"], came[call.visit]["queue_version"]
            for frames in (frames for other, frames in history.frames if other == doctor):
                shown = next((each.at for each in frames if each.version >= version), time.monotonic())
                worst = max(worst, shown - call.ended)
    return worst


def _old(history: History, queues: dict[Any, int]) -> list[str]:
    """The last frame of each screen is of the version that the database has today."""
    today = {doctor: min(day for other, day in queues if other == doctor) for doctor, _ in history.frames}
    last = [(doctor, frames[-1].version if frames else 0) for doctor, frames in history.frames]
    return [
        f"a screen of doctor {doctor} shows version {shown} of {queues[doctor, today[doctor]]}"
        for doctor, shown in last
        if shown != queues[doctor, today[doctor]]
    ]
