"""Who may do what: every route of the OpenAPI document and every live path, for everybody, on what is theirs and what
is not. A route without a line here fails.
"""

import re
import time
from contextlib import suppress
from statistics import median
from typing import Any, NamedTuple

import pytest
import websockets

from builders import PASSWORD, Answer, Asker, Clinic, Server, numbers, open_clinic
from conftest import Clock
from mediqon import openapi
from mediqon.app import create_app
from mediqon.live.channels import Close
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

CALLERS = ("anonymous", "patient", "stranger", "doctor", "colleague", "hospital", "elsewhere", "doctor elsewhere")
"""The objects asked for belong to `patient`, `doctor` and `hospital`; `colleague` is another doctor of the hospital,
`stranger` another patient, `elsewhere` another hospital."""
MAY = {"o": None, "1": 401, "3": 403, "4": 404}
ANYONE = "oooooooo"
MATRIX = """
GET    /health/live                                     oooooooo
GET    /health/ready                                    oooooooo
POST   /auth/register                                   oooooooo
POST   /auth/login                                      oooooooo
POST   /auth/refresh                                    oooooooo
POST   /auth/logout                                     1ooooooo
POST   /auth/password                                   1ooooooo
GET    /auth/me                                         1ooooooo
GET    /hospitals                                       oooooooo
GET    /hospitals/{hospital_id}/doctors                 oooooooo
POST   /hospitals/{hospital_id}/doctors                 13333o43
POST   /hospitals/{hospital_id}/import                  13333o43
GET    /hospitals/{hospital_id}/settings                13333o43
PATCH  /hospitals/{hospital_id}/settings                13333o43
POST   /hospitals/{hospital_id}/staff                   13333o43
GET    /hospitals/{hospital_id}/staff                   13333o43
DELETE /hospitals/{hospital_id}/staff/{user_id}         13333o43
POST   /hospitals/{hospital_id}/displays                13333o43
GET    /hospitals/{hospital_id}/displays                13333o43
DELETE /displays/{display_id}                           13333o43
PATCH  /doctors/{doctor_id}                             13333o43
PUT    /doctors/{doctor_id}/schedule                    13333o43
GET    /doctors/{doctor_id}/schedule                    oooooooo
GET    /doctors/{doctor_id}/slots                       oooooooo
GET    /doctors/{doctor_id}/schedule-dates              oooooooo
GET    /doctors/{doctor_id}/schedule/{day}              oooooooo
PUT    /doctors/{doctor_id}/schedule/{day}              13333o43
DELETE /doctors/{doctor_id}/schedule/{day}              13333o43
POST   /doctors/{doctor_id}/schedule/{day}/settle       13333o43
GET    /doctors/{doctor_id}/accuracy                    133o4o44
POST   /doctors/{doctor_id}/leave                       13333o43
GET    /doctors/{doctor_id}/leave                       13333o43
POST   /leave/{leave_id}/settle                         13333o43
DELETE /leave/{leave_id}                                13333o43
POST   /appointments/book                               1oo33o43
POST   /appointments/walk-in                            133o4o44
GET    /appointments/mine                               1oo33333
GET    /appointments/{appointment_id}                   1o4o4o44
GET    /appointments/{appointment_id}/events            133o4o44
GET    /appointments/doctor/{doctor_id}/today           133o4o44
PATCH  /appointments/{appointment_id}/status            1o4o4o44
PATCH  /appointments/{appointment_id}/priority          133o4o44
PATCH  /appointments/{appointment_id}/place             133o4o44
POST   /appointments/{appointment_id}/recall            133o4o44
POST   /appointments/{appointment_id}/new-code          133o4o44
POST   /appointments/{appointment_id}/transfer          133o4o44
POST   /appointments/{appointment_id}/reschedule        1o433o43
GET    /queues/{doctor_id}                              oooooooo
GET    /queues/{doctor_id}/report                       133o4o44
POST   /queues/{doctor_id}/call-next                    133o4o44
POST   /queues/{doctor_id}/pause                        133o4o44
POST   /queues/{doctor_id}/resume                       133o4o44
POST   /queues/{doctor_id}/delay                        133o4o44
POST   /queues/{doctor_id}/close                        133o4o44
POST   /queues/{doctor_id}/undo                         133o4o44
GET    /tokens/{code}                                   oooooooo
POST   /tokens/{code}/check-in                          oooooooo
POST   /tokens/{code}/late                              oooooooo
POST   /tokens/{code}/cancel                            oooooooo
GET    /kiosks/{key}                                    oooooooo
POST   /kiosks/{key}/walk-in                            oooooooo
POST   /hospitals/{hospital_id}/kiosks                  13333o43
GET    /hospitals/{hospital_id}/kiosks                  13333o43
DELETE /kiosks/{kiosk_id}                               13333o43
POST   /displays/{key}/seen                             oooooooo
GET    /metrics                                         oooooooo
"""
LIVE = """
/live/queues/{doctor_id}       o o o o o o o o
/live/displays/{key}           o o o o o o o o
/live/desk/{doctor_id}         4401 4403 4403 o 4403 o 4403 4403
"""
NOBODYS_ID = 10**9
ROUNDS = 40
TELLING_RATIO = 1.5
TELLING_SECONDS = 0.002


class Line(NamedTuple):
    """Who may, letter by letter in the order of CALLERS."""

    method: str
    path: str
    may: str


LINES = [Line(*line.split()) for line in MATRIX.strip().splitlines()]


class House:
    """Two hospitals, everybody in them, and one object of each kind at the first."""

    def __init__(self, callers: dict[str, Asker], ids: dict[str, Any]) -> None:
        self.callers, self.ids = callers, ids

    async def ask(self, caller: str, method: str, path: str, ids: dict[str, Any] | None = None) -> Answer:
        ids = ids or self.ids
        if path.startswith("/kiosks"):
            ids = ids | {"key": ids["kiosk_key"]}
        concrete = re.sub(r"{(\w+)}", lambda found: str(ids[found[1]]), path)
        body = body_of(method, path, ids)
        return await self.callers[caller].ask(method, concrete, body)


def body_of(method: str, path: str, ids: dict[str, Any]) -> Any:
    """A body that is right in form, about these objects."""
    person = {"name": "Some Body", "email": f"some{next(numbers)}@example.org", "password": PASSWORD}
    practice = {"specialty": "General", "room": "1", "token_prefix": "Z", "slot_minutes": 10}
    csv = f"name,email,days,start,end\nDr New,new{next(numbers)}@example.org,Mon,09:00,10:00\n"
    return {
        ("POST", "/auth/register"): person,
        ("POST", "/auth/login"): {"email": ids["email"], "password": PASSWORD},
        ("POST", "/auth/refresh"): {"refresh_token": ids["refresh_token"]},
        ("POST", "/auth/logout"): {"refresh_token": ids["refresh_token"]},
        ("POST", "/auth/password"): {"password": PASSWORD, "new_password": PASSWORD},
        ("POST", "/hospitals/{hospital_id}/doctors"): person | practice,
        ("POST", "/hospitals/{hospital_id}/import"): csv.encode(),
        ("PATCH", "/hospitals/{hospital_id}/settings"): {"rooms": 1},
        ("POST", "/hospitals/{hospital_id}/staff"): person,
        ("POST", "/hospitals/{hospital_id}/displays"): {"name": "Wall", "doctor_ids": [ids["doctor_id"]]},
        ("PATCH", "/doctors/{doctor_id}"): {"room": "9"},
        ("PUT", "/doctors/{doctor_id}/schedule"): {"windows": [{"weekday": 0, "start": "09:00", "end": "13:00"}]},
        ("PUT", "/doctors/{doctor_id}/schedule/{day}"): {"windows": [{"start": "09:00", "end": "13:00"}]},
        ("POST", "/doctors/{doctor_id}/schedule/{day}/settle"): {"action": "cancel"},
        ("POST", "/hospitals/{hospital_id}/kiosks"): {"name": "Door", "doctor_ids": [ids["doctor_id"]]},
        ("POST", "/kiosks/{key}/walk-in"): {"doctor_id": ids["doctor_id"]},
        ("POST", "/tokens/{code}/late"): {"minutes": 5},
        ("POST", "/doctors/{doctor_id}/leave"): {"date": "2026-12-24"},
        ("POST", "/leave/{leave_id}/settle"): {"action": "cancel"},
        ("POST", "/appointments/book"): {
            "doctor_id": ids["doctor_id"],
            **({"patient": {"name": "Some Body"}} if ids["books for others"] else {}),
        },
        ("POST", "/appointments/walk-in"): {"doctor_id": ids["doctor_id"], "patient": {"name": "Some Body"}},
        ("PATCH", "/appointments/{appointment_id}/status"): {"status": "CHECKED_IN"},
        ("PATCH", "/appointments/{appointment_id}/priority"): {"priority": "PRIORITY", "reason": "frail"},
        ("PATCH", "/appointments/{appointment_id}/place"): {"before": None, "reason": "fair"},
        ("POST", "/appointments/{appointment_id}/transfer"): {"doctor_id": ids["colleague_id"]},
        ("POST", "/appointments/{appointment_id}/reschedule"): {"date": "2026-11-24", "time": "09:00"},
        ("POST", "/queues/{doctor_id}/delay"): {"minutes": 5},
    }.get((method, path))


@pytest.fixture
async def house(server: Server, clinic: Clinic) -> House:
    elsewhere = await open_clinic(server)
    colleague_id, colleague = await clinic.add_doctor(token_prefix="B")
    patient = await server.patient("Zebedee Quux")
    visit = await patient.book(clinic.doctor_id)
    leave = await clinic.reception.post(f"/doctors/{clinic.doctor_id}/leave", {"date": "2026-12-31"})
    staff = await clinic.reception.post(
        f"/hospitals/{clinic.hospital_id}/staff",
        {"name": "Col League", "email": f"staff{next(numbers)}@example.org", "password": PASSWORD},
    )
    display = await clinic.display()
    door = {"name": "Door", "doctor_ids": [clinic.doctor_id]}
    kiosk = await clinic.reception.post(f"/hospitals/{clinic.hospital_id}/kiosks", door)
    login = await server.anybody.post("/auth/login", {"email": patient.email, "password": PASSWORD})
    assert [each.status for each in (visit, leave, staff, display, login)] == [201, 201, 201, 201, 200]
    callers: dict[str, Asker] = dict(
        zip(
            CALLERS,
            (
                *(server.anybody, patient, await server.patient(), clinic.doctor, colleague),
                *(clinic.reception, elsewhere.reception, elsewhere.doctor),
            ),
            strict=True,
        )
    )
    ids = {
        "hospital_id": clinic.hospital_id,
        "doctor_id": clinic.doctor_id,
        "colleague_id": colleague_id,
        "appointment_id": visit["id"],
        "code": visit["code"],
        "day": "2026-12-28",
        "leave_id": leave["id"],
        "user_id": staff["id"],
        "display_id": display["id"],
        "key": display["key"],
        "kiosk_id": kiosk["id"],
        "kiosk_key": kiosk["key"],
        "email": patient.email,
        "refresh_token": login["refresh_token"],
        "books for others": False,
    }
    return House(callers, ids)


def test_every_operation_of_the_document_has_its_line_and_says_itself_whether_it_needs_a_token() -> None:
    document = openapi.completed(create_app(Settings()).openapi_schema.to_schema())
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert {(line.method, line.path) for line in LINES} == set(operations)
    for line in LINES:
        assert len(line.may) == len(CALLERS), line
        assert (line.may == ANYONE) == (operations[line.method, line.path].get("security", []) == []), line


async def test_everybody_may_do_what_the_contract_says_and_nothing_else(house: House) -> None:
    """First everybody who may not, so that nobody who may has changed what they ask for; those that end things last."""
    tried = 0
    ending = ("DELETE", "/close", "/logout", "/refresh")
    lines = sorted(LINES, key=lambda line: any(part in f"{line.method} {line.path}" for part in ending))
    for line in lines:
        letters = sorted(zip(CALLERS, line.may, strict=True), key=lambda each: each[1] == "o")
        for caller, letter in letters:
            expected = MAY[letter]
            books = {"books for others": caller in {"hospital", "elsewhere"}}
            answer = await house.ask(caller, line.method, line.path, house.ids | books)
            tried += 1
            if line.path.endswith("/new-code") and not expected:
                house.ids["code"] = answer["code"]
            if expected:
                assert answer.status == expected, (caller, line, answer)
                assert answer["code"] in {"unauthenticated", "forbidden", "not_found"}
            else:
                assert answer.status not in {401, 403, 404} or own_matter(line, answer), (caller, line, answer)
                assert answer.status < 500, (caller, line, answer)
    assert tried == len(LINES) * len(CALLERS)
    print(f"{len(LINES)} routes x {len(CALLERS)} callers: {tried} tried")


def own_matter(line: Line, answer: Answer) -> bool:
    """What an open route may refuse because of what was sent, not because of who asks."""
    return line.path == "/auth/refresh" and answer["code"] == "invalid_token"


async def test_text_does_not_tell_whether_somebody_elses_object_exists(house: House) -> None:
    """Byte for byte the same answer as for a number that nobody has."""
    nobodys = house.ids | {name: NOBODYS_ID for name, value in house.ids.items() if isinstance(value, int)}
    nobodys["books for others"] = True
    compared = 0
    for line in LINES:
        for caller, letter in zip(CALLERS, line.may, strict=True):
            if letter == "4":
                there = await house.ask(caller, line.method, line.path, house.ids | {"books for others": True})
                nowhere = await house.ask(caller, line.method, line.path, nobodys)
                assert (there.status, there.raw) == (nowhere.status, nowhere.raw) == (404, there.raw), (caller, line)
                compared += 1
    assert compared > 50


async def test_time_does_not_tell_whether_somebody_elses_visit_exists(house: House) -> None:
    there, nowhere = f"/appointments/{house.ids['appointment_id']}", f"/appointments/{NOBODYS_ID}"
    stranger = house.callers["stranger"]
    waits: dict[str, list[float]] = {there: [], nowhere: []}
    for _ in range(ROUNDS):
        for path, times in waits.items():
            asked = time.perf_counter()
            assert (await stranger.get(path)).status == 404
            times.append(time.perf_counter() - asked)
    close_together(median(waits[there]), median(waits[nowhere]))


async def test_time_does_not_tell_whether_an_account_exists(server: Server) -> None:
    waits: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(6):
        for known, times in waits.items():
            email = (await server.patient()).email if known else f"nobody{next(numbers)}@example.org"
            asked = time.perf_counter()
            assert (await server.anybody.post("/auth/login", {"email": email, "password": "wrong one"})).status == 401
            times.append(time.perf_counter() - asked)
    close_together(median(waits[True]), median(waits[False]))


def close_together(one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert more < less * TELLING_RATIO or more - less < TELLING_SECONDS, (one, other)


async def test_every_live_path_opens_to_whom_it_is_for(house: House, server: Server) -> None:
    named = [line.split() for line in LIVE.strip().splitlines()]
    app: Any = create_app(Settings())
    served = {re.sub(r":\w+}", "}", route.path) for route in app.routes if route.path.startswith("/live/")}
    nowhere = {path for path in served if "{" not in path or "{rest}" in path}
    assert {path for path, *_ in named} == served - nowhere
    for path, *may in named:
        concrete = re.sub(r"{(\w+)}", lambda found: str(house.ids[found[1]]), path)
        for caller, expected in zip(CALLERS, may, strict=True):
            asker = house.callers[caller]
            async with server.watch(concrete, asker if asker.token else None) as screen:
                if expected == "o":
                    assert (await screen.frame())["doctor_id"] == house.ids["doctor_id"], (caller, path)
                else:
                    assert await screen.closed() == int(expected), (caller, path)


async def test_a_socket_takes_credentials_as_the_contract_says_and_no_other_way(
    house: House, server: Server, clock: Clock
) -> None:
    token = house.callers["doctor"].token
    url = f"{server.url.replace('http', 'ws', 1)}/live/desk/{house.ids['doctor_id']}"
    good = ["mediqon", f"bearer.{token}"]
    for options, opens in (
        ({"additional_headers": {"Authorization": f"Bearer {token}"}}, True),
        ({"subprotocols": good}, True),
        ({"subprotocols": [f"bearer.{token}"]}, False),
        ({"subprotocols": ["mediqon", f"Basic.{token}"]}, False),
        ({"additional_headers": {"Authorization": f"Basic {token}"}}, False),
        ({"additional_headers": {"Cookie": f"token={token}; mediqon-refresh={token}"}}, False),
        ({"additional_headers": {"Authorization": f"Bearer {token}x"}}, False),
    ):
        assert await opened(url, **options) == opens, options
    assert not await opened(f"{url}?token={token}&access_token={token}&bearer={token}")
    clock.forward(minutes=11)
    assert not await opened(url, subprotocols=good)


async def opened(url: str, **options: Any) -> bool:
    """Whether anything is shown; when not, it is 4401 or no socket at all."""
    try:
        async with websockets.connect(url, compression=None, **options) as connection:
            with suppress(websockets.ConnectionClosed):
                return bool(await connection.recv())
            return connection.close_code != Close.LOG_IN_AGAIN
    except (websockets.InvalidStatus, websockets.NegotiationError):
        return False


async def test_a_page_of_another_origin_opens_no_socket(house: House, server: Server) -> None:
    host = server.url.removeprefix("http://")
    name, _, port = host.partition(":")
    evil = (
        *("http://evil.example", "null", f"http://{host}.evil.example", f"http://evil.example/{host}"),
        *(f"http://{name}", f"http://{name}:{int(port) + 1}", f"file://{host}", f"http://{host}@evil.example"),
        *("http://[", "http://[::1"),
    )
    paths = (f"/live/queues/{house.ids['doctor_id']}", f"/live/displays/{house.ids['key']}")
    for path in (*paths, f"/live/desk/{house.ids['doctor_id']}"):
        url = server.url.replace("http", "ws", 1) + path
        token = house.callers["doctor"].token
        for origin in evil:
            assert not await opened(url, origin=origin, subprotocols=["mediqon", f"bearer.{token}"]), (path, origin)
        assert await opened(url, origin=server.url, subprotocols=["mediqon", f"bearer.{token}"]), path
