"""What tests are made of: people who ask a server over real HTTP and sockets, with the defaults filled in."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from mediqon.accounts import create_hospital
from mediqon.settings import Settings

PASSWORD = "correct horse 1"
FRAME_SECONDS = 3.0
TRUSTED = httpx.create_ssl_context()  # read once: the certificates of the world take 50 ms of a core
numbers = itertools.count(1)


class Answer(dict[str, Any]):
    """The JSON of an answer; `status`, `headers` and `raw` beside it."""

    def __init__(self, response: httpx.Response) -> None:
        told = "json" in response.headers.get("content-type", "")
        body: Any = json.loads(response.content) if told and response.content else {}
        super().__init__({"items": body} if isinstance(body, list) else body)
        self.status, self.headers, self.raw = response.status_code, response.headers, response.content


def refused(answer: Answer, status: int, code: str) -> None:
    """Demands exactly this refusal, as RFC 9457 has it."""
    assert (answer.status, answer.get("code")) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= set(answer)
    assert answer["status"] == status


class Asker:
    """Somebody at a server, logged in or not."""

    def __init__(self, http: httpx.AsyncClient, token: str | None = None, email: str = "") -> None:
        self.http, self.token, self.email = http, token, email

    def at(self, server: "Server") -> Self:
        """The same, still logged in, at another server."""
        return type(self)(server.http, self.token, self.email)

    async def log_in_again(self) -> None:
        """Tokens expire while a test moves the clock."""
        answer = await self.post("/auth/login", {"email": self.email, "password": PASSWORD})
        assert answer.status == 200, answer
        self.token = answer["access_token"]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`headers` are given with underscores: `if_none_match`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent = {"authorization": f"Bearer {self.token}", **sent}
        options: dict[str, Any] = (
            {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        )
        return Answer(await self.http.request(method, path, headers=sent, **options))

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.ask("POST", path, body, **headers)

    async def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.ask("PATCH", path, body, **headers)

    async def put(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.ask("PUT", path, body, **headers)

    async def delete(self, path: str) -> Answer:
        return await self.ask("DELETE", path)

    async def book(self, doctor_id: int, **asked: Any) -> Answer:
        return await self.post("/appointments/book", {"doctor_id": doctor_id, **asked})

    async def move(self, visit: Answer, status: str, **asked: Any) -> Answer:
        return await self.patch(f"/appointments/{visit['id']}/status", {"status": status, **asked})

    async def walk_in(self, doctor_id: int, name: str = "Walter Inn", **asked: Any) -> Answer:
        return await self.post("/appointments/walk-in", {"doctor_id": doctor_id, "patient": {"name": name}, **asked})

    async def call_next(self, doctor_id: int, **asked: Any) -> Answer:
        return await self.post(f"/queues/{doctor_id}/call-next", asked)

    async def today(self, doctor_id: int) -> Answer:
        return await self.get(f"/appointments/doctor/{doctor_id}/today")


class Screen:
    """A socket that somebody watches."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(FRAME_SECONDS):
            return json.loads(await self.connection.recv())

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first frame that is as wanted."""
        while not wanted(frame := await self.frame()):
            pass
        return frame

    async def version(self, at_least: int) -> dict[str, Any]:
        return await self.until(lambda frame: frame.get("version", 0) >= at_least)

    async def closed(self) -> int:
        """The code it is closed with."""
        try:
            async with asyncio.timeout(FRAME_SECONDS):
                while True:
                    await self.connection.recv()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


class Server:
    """A running server, its settings and its clock."""

    def __init__(self, url: str, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.url, self.settings, self.clock = url, settings, clock
        # Idle connections go before the server hangs up on them: a request must not meet that.
        spare = httpx.Limits(keepalive_expiry=2)
        self.http = httpx.AsyncClient(base_url=url, timeout=20, limits=spare, verify=TRUSTED)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    @property
    def anybody(self) -> Asker:
        return Asker(self.http)

    async def log_in(self, email: str, password: str = PASSWORD) -> Asker:
        answer = await self.anybody.post("/auth/login", {"email": email, "password": password})
        assert answer.status == 200, answer
        return Asker(self.http, answer["access_token"], email)

    async def patient(self, name: str = "Pat Ient") -> Asker:
        """A new patient, logged in."""
        email = f"patient{next(numbers)}@example.org"
        answer = await self.anybody.post("/auth/register", {"name": name, "email": email, "password": PASSWORD})
        assert answer.status == 201, answer
        return await self.log_in(email)

    @asynccontextmanager
    async def watch(self, path: str, asker: Asker | None = None, **options: Any) -> AsyncGenerator[Screen]:
        """An open socket on a live path."""
        if asker is not None:
            options["additional_headers"] = {"Authorization": f"Bearer {asker.token}"}
        url = self.url.replace("http", "ws", 1) + path
        options.setdefault("ping_interval", None)  # a machine with too much to do is no lost server
        async with websockets.connect(url, compression=None, **options) as connection:
            yield Screen(connection)


class Clinic:
    """A hospital with its reception and one doctor."""

    def __init__(self, server: Server, hospital_id: int, reception: Asker) -> None:
        self.server, self.hospital_id, self.reception = server, hospital_id, reception
        self.doctor_id, self.doctor = 0, reception

    def at(self, server: Server) -> "Clinic":
        """The same at another server, which has a copy of its database."""
        there = Clinic(server, self.hospital_id, self.reception.at(server))
        there.doctor_id, there.doctor = self.doctor_id, self.doctor.at(server)
        return there

    async def add_doctor(self, **asked: Any) -> tuple[int, Asker]:
        """Another doctor with hours, logged in."""
        hours = asked.pop("hours", [("09:00", "13:00")])
        email = f"doctor{next(numbers)}@example.org"
        body = {
            "name": "Dr A. Rao",
            "email": email,
            "password": PASSWORD,
            "specialty": "General medicine",
            "room": "3",
            "token_prefix": "A",
            "slot_minutes": 10,
        } | asked
        answer = await self.reception.post(f"/hospitals/{self.hospital_id}/doctors", body)
        assert answer.status == 201, answer
        windows = [{"weekday": day, "start": start, "end": end} for day in range(7) for start, end in hours]
        answer_hours = await self.reception.put(f"/doctors/{answer['id']}/schedule", {"windows": windows})
        assert answer_hours.status == 200, answer_hours
        return answer["id"], await self.server.log_in(email)

    async def display(self, *doctor_ids: int) -> Answer:
        body = {"name": "Waiting room", "doctor_ids": list(doctor_ids or (self.doctor_id,))}
        return await self.reception.post(f"/hospitals/{self.hospital_id}/displays", body)


async def open_clinic(server: Server, *, timezone: str = "Asia/Kolkata", **doctor: Any) -> Clinic:
    """A hospital with one doctor (see `Clinic.add_doctor` for what may be asked)."""
    email = f"reception{next(numbers)}@example.org"
    created = await create_hospital(server.settings, "St Mary", timezone, email, PASSWORD)
    clinic = Clinic(server, created.hospital_id, await server.log_in(email))
    clinic.doctor_id, clinic.doctor = await clinic.add_doctor(**doctor)
    return clinic


async def clinic_at_noon(server: Server, **doctor: Any) -> Clinic:
    """The same, open all day where it is now about noon by the real clock, so that no midnight comes in between."""
    east = 12 - datetime.now(UTC).hour
    return await open_clinic(server, timezone=f"Etc/GMT{-east:+d}", hours=[("00:00", "24:00")], **doctor)
