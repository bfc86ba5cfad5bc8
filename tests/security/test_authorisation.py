"""Who may do what: every route of the OpenAPI document and every live path, for everybody, on what is theirs and what
is not. A route without a line here fails.
"""

import re
import time
from contextlib import suppress
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
POST   /doctors/{doctor_id}/password                    13333o43
"""
LIVE = """
/live/queues/{doctor_id}       o o o o o o o o
/live/displays/{key}           o o o o o o o o
/live/desk/{doctor_id}         4401 4403 4403 o 4403 o 4403 4403
"""
NOBODYS_ID = 10**9
SECRET_IDS = ("appointment_id", "leave_id", "display_id", "kiosk_id", "user_id")
"""Numbers that nobody else may learn of; those of hospitals and doctors are public."""
ROUNDS = 100
TELLING_SHARE = 0.25
"""By chance, one of two takes longer in less than a quarter of 100 pairs once in five million times."""
ACCOUNTS = 14
"""By chance, the same one takes longer in all of 14 pairs once in eight thousand times."""


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
        ("POST", "/doctors/{doctor_id}/password"): {"password": PASSWORD},
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
    ending = ("DELETE", "/close", "/logout", "/refresh", "/doctors/{doctor_id}/password")
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
    print(f"{compared} pairs of answers are the same bytes")


async def test_text_does_not_tell_either_where_ones_own_object_is_named_beside_somebody_elses(
    house: House, clinic: Clinic, server: Server
) -> None:
    elsewhere = await open_clinic(server)
    theirs = await elsewhere.reception.walk_in(elsewhere.doctor_id)
    me = (await elsewhere.reception.get("/auth/me"))["id"]
    own = await clinic.reception.walk_in(clinic.doctor_id)

    def asked(visit_id: int, user_id: int, doctor_id: int) -> list[tuple[str, str, Any]]:
        walk_in = {"doctor_id": doctor_id, "patient": {"name": "Some Body"}}
        both = {"name": "Screen", "doctor_ids": [clinic.doctor_id, doctor_id]}
        return [
            ("PATCH", f"/appointments/{own['id']}/place", {"before": visit_id, "reason": "fair"}),
            ("DELETE", f"/hospitals/{clinic.hospital_id}/staff/{user_id}", None),
            ("POST", "/appointments/walk-in", walk_in),
            ("POST", f"/appointments/{own['id']}/transfer", {"doctor_id": doctor_id}),
            ("POST", f"/hospitals/{clinic.hospital_id}/displays", both),
            ("POST", f"/hospitals/{clinic.hospital_id}/kiosks", both),
        ]

    pairs = zip(asked(theirs["id"], me, elsewhere.doctor_id), asked(NOBODYS_ID, NOBODYS_ID, NOBODYS_ID), strict=True)
    for somebodys, nobodys in pairs:
        there, nowhere = await clinic.reception.ask(*somebodys), await clinic.reception.ask(*nobodys)
        assert there.status in {404, 409}, somebodys
        assert (there.status, there.raw) == (nowhere.status, nowhere.raw), somebodys


async def test_time_does_not_tell_whether_somebody_elses_object_exists(house: House) -> None:
    """Of pairs of requests, one about an object and one about nothing, now one and now the other takes longer."""
    nobodys = house.ids | dict.fromkeys(SECRET_IDS, NOBODYS_ID)
    told: dict[str, float] = {}
    for line in LINES:
        caller = CALLERS[line.may.find("4")]
        if "4" in line.may and any(f"{{{name}}}" in line.path for name in SECRET_IDS):
            slower = 0
            for number in range(ROUNDS):
                order = (house.ids, nobodys) if number % 2 else (nobodys, house.ids)
                first, second = [await seconds_of_404(house, caller, line, ids) for ids in order]
                slower += (first > second) == (order[0] is house.ids)
            told[f"{line.method} {line.path}"] = slower / ROUNDS
    print(f"{len(told)} routes, {2 * ROUNDS * len(told)} requests; slower where there is something: {told}")
    assert len(told) >= 12
    assert all(TELLING_SHARE < share < 1 - TELLING_SHARE for share in told.values()), told


async def seconds_of_404(house: House, caller: str, line: Line, ids: dict[str, Any]) -> float:
    asked = time.perf_counter()
    assert (await house.ask(caller, line.method, line.path, ids)).status == 404
    return time.perf_counter() - asked


async def test_time_does_not_tell_whether_an_account_exists(server: Server) -> None:
    slower = 0
    for number in range(ACCOUNTS):
        known, nobody = (await server.patient()).email, f"nobody{number}@example.org"
        first, second = (known, nobody) if number % 2 else (nobody, known)
        slower += (await seconds_of_401(server, first) > await seconds_of_401(server, second)) == (first is known)
    assert 0 < slower < ACCOUNTS


async def seconds_of_401(server: Server, email: str) -> float:
    asked = time.perf_counter()
    assert (await server.anybody.post("/auth/login", {"email": email, "password": "wrong one"})).status == 401
    return time.perf_counter() - asked


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
