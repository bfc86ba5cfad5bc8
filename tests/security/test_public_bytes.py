"""Not one byte that a screen, a token page or anybody without an account receives tells who is waiting, or why."""

import asyncio
import json
import re
from typing import Any

import pytest
import websockets

from builders import PASSWORD, Answer, Clinic, Server, numbers, refused
from conftest import Clock, serving
from mediqon import openapi
from mediqon.app import create_app
from mediqon.appointments.codes import CODE_BYTES
from mediqon.hospitals.routes import DISPLAY_KEY_BYTES
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

RANDOM_BITS_MIN = 80
PEOPLE = 12
SECOND = 1.0
FIRST = ("Zebedee", "Quirinus", "Xanthippe", "Wolfhild", "Ximena", "Yolanthe")
LAST = ("Quuxington", "Zzyzxsky", "Vandertramp", "Oglethorpe")
REASONS = ("haematuria", "panic attacks", "HIV follow-up")


class Seen:
    """Every byte that anybody without an account was sent, headers included."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, bytes]] = []

    def keep(self, where: str, piece: bytes) -> None:
        self.pieces.append((where, piece))

    def read(self, where: str, answer: Any) -> None:
        self.keep(where, b"\n".join(name + b": " + value for name, value in answer.headers.raw))
        self.keep(where, answer.content)

    def holds(self, secret: str) -> list[str]:
        wanted = secret.encode().lower()
        return [where for where, piece in self.pieces if wanted in piece.lower()]


async def test_no_public_byte_tells_who_is_waiting_or_why(clinic: Clinic, server: Server, clock: Clock) -> None:
    display = await clinic.display()
    secrets: list[str] = []
    seen = Seen()
    wall_path, queue_path = f"/live/displays/{display['key']}", f"/live/queues/{clinic.doctor_id}"
    async with server.watch(wall_path) as wall, server.watch(queue_path) as queue:
        visits = [await enter(clinic, server, number, secrets) for number in range(PEOPLE)]
        await live_a_little(clinic, visits, secrets)
        for screen, where in ((wall, wall_path), (queue, queue_path)):
            version = (await clinic.doctor.today(clinic.doctor_id))["version"]
            while True:
                frame = await screen.frame()
                seen.keep(where, json.dumps(frame, ensure_ascii=False).encode())
                if frame["version"] >= version:
                    break
    await read_everything_public(server, clinic, display, visits, seen)
    secrets += [visit["code"] for visit in visits]
    assert len(secrets) > 80
    for secret in secrets:
        assert [where for where in seen.holds(secret) if secret not in where] == [], secret
    size = sum(len(piece) for _, piece in seen.pieces)
    assert size > 50_000
    print(f"{len(secrets)} secrets looked for in {len(seen.pieces)} pieces, {size} bytes")


async def test_the_search_finds_what_staff_are_shown(clinic: Clinic, server: Server) -> None:
    """The control: the same search over the staff's bytes finds everybody."""
    secrets: list[str] = []
    visit = await enter(clinic, server, 1, secrets)
    seen = Seen()
    seen.keep("desk", (await clinic.doctor.today(clinic.doctor_id)).raw)
    assert visit["patient"]["name"] in secrets
    assert all(seen.holds(secret) for secret in (visit["patient"]["name"], visit["code"], REASONS[1]))


async def enter(clinic: Clinic, server: Server, number: int, secrets: list[str]) -> Answer:
    """Somebody books or walks in; what must stay secret of them is in `secrets`."""
    first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
    name, phone, reason = f"{first} {last}", f"+91 555 01{number:02} 77", REASONS[number % len(REASONS)]
    if number % 3 == 2:
        email = f"{first.lower()}.{next(numbers)}@private.example"
        body = {"name": name, "email": email, "password": PASSWORD, "phone": phone}
        await server.anybody.post("/auth/register", body)
        visit = await (await server.log_in(email)).book(clinic.doctor_id, reason=reason)
        secrets.append(email)
    elif number % 3 == 1:
        patient = {"name": name, "phone": phone}
        body = {"doctor_id": clinic.doctor_id, "patient": patient, "reason": reason, "priority": "PRIORITY"}
        visit = await clinic.reception.post("/appointments/walk-in", body)
    else:
        visit = await clinic.reception.book(clinic.doctor_id, patient={"name": name, "phone": phone}, reason=reason)
    assert visit.status == 201, visit
    secrets += [name, first, last, phone, reason]
    return visit


async def live_a_little(clinic: Clinic, visits: list[Answer], secrets: list[str]) -> None:
    """Check-ins, priorities, calls, a pause and a cancellation, each with a reason of its own."""
    notes = [f"note-{number}-nobodys-business" for number in range(4)]
    for visit in visits[:6]:
        await clinic.reception.move(visit, "CHECKED_IN")
    urgent = {"priority": "EMERGENCY", "reason": notes[0]}
    assert (await clinic.reception.patch(f"/appointments/{visits[0]['id']}/priority", urgent)).status == 200
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.reception.move(visits[3], "ON_HOLD", reason=notes[1])
    await clinic.reception.move(visits[8], "CANCELLED", reason=notes[2])
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/pause", {"minutes": 5, "reason": notes[3]})
    secrets += [*notes, "EMERGENCY", '"PRIORITY"', "patient_id"]


async def read_everything_public(
    server: Server, clinic: Clinic, display: Answer, visits: list[Answer], seen: Seen
) -> None:
    """Every operation of the document without a token, every page, every token."""
    document = openapi.completed(create_app(Settings()).openapi_schema.to_schema())
    ids = {"hospital_id": clinic.hospital_id, "doctor_id": clinic.doctor_id, "display_id": display["id"]}
    ids |= {
        "appointment_id": visits[0]["id"],
        "user_id": 1,
        "leave_id": 1,
        "code": "nobodys",
        "day": "2026-11-23",
        "key": display["key"],
        "kiosk_id": 1,
    }
    for path, operations in document["paths"].items():
        concrete = re.sub(r"{(\w+)}", lambda found: str(ids[found[1]]), path)
        for method in operations:
            answer = await server.http.request(method.upper(), concrete)
            if path != "/schema/openapi.json":
                seen.read(f"{method} {path}", answer)
    for page in ("/", "/book", "/desk", "/display/x", "/web/shared/api.js"):
        answer = await server.http.get(page)
        seen.keep(page, b"\n".join(name + value for name, value in answer.headers.raw))
    for visit in visits:
        answer = await server.http.get(f"/tokens/{visit['code']}")
        assert answer.status_code == 200
        seen.read(f"/tokens/{visit['code']}", answer)


def test_codes_and_keys_cannot_be_guessed() -> None:
    for random_bytes in (CODE_BYTES, DISPLAY_KEY_BYTES):
        assert random_bytes * 8 >= RANDOM_BITS_MIN


async def test_no_two_codes_are_alike_in_any_place(clinic: Clinic) -> None:
    """Random from the first character to the last: no counter, no clock, nothing of the visit."""
    codes = [(await clinic.reception.walk_in(clinic.doctor_id))["code"] for _ in range(24)]
    assert len(set(codes)) == len(codes)
    assert {len(code) for code in codes} == {16}
    for place in range(16):
        assert len({code[place] for code in codes}) > 6, place


async def test_a_displays_key_is_no_good_from_the_instant_it_is_taken_back(clinic: Clinic, server: Server) -> None:
    display = await clinic.display()
    path = f"/live/displays/{display['key']}"
    async with server.watch(path) as wall:
        await wall.frame()
        assert (await clinic.reception.delete(f"/displays/{display['id']}")).status == 204
        assert await wall.closed() == 4404
    async with server.watch(path) as again:
        assert await again.closed() == 4404


async def test_a_visits_code_is_no_good_from_the_instant_it_is_taken_back(
    clinic: Clinic, server: Server, settings: Settings, clock: Clock
) -> None:
    visit = await clinic.reception.walk_in(clinic.doctor_id)
    path = f"/appointments/{visit['id']}/new-code"
    async with serving(settings, clock) as second:
        askers = (server.anybody, second.anybody)
        before = [(await asker.get(f"/tokens/{visit['code']}"))["token"] for asker in askers]
        renewed = await clinic.doctor.post(path, idempotency_key="once")
        assert (renewed.status, renewed["token"], renewed["position"]) == (200, visit["token"], visit["position"])
        assert (renewed["version"], len(renewed["code"])) == (visit["version"] + 1, len(visit["code"]))
        for opened in ("/tokens/{}", "/tokens/{}/visit.ics", "/t/{}", "/t/{}/manifest"):
            assert (await server.http.get(opened.format(visit["code"]))).status_code == 404, opened
        for verb in ("check-in", "cancel", "late"):
            body = {"minutes": 5} if verb == "late" else None
            refused(await server.anybody.post(f"/tokens/{visit['code']}/{verb}", body), 404, "not_found")
        await asyncio.sleep(SECOND)
        refused(await second.anybody.get(f"/tokens/{visit['code']}"), 404, "not_found")
        assert [(await asker.get(f"/tokens/{renewed['code']}"))["token"] for asker in askers] == before
    again = await clinic.doctor.post(path, idempotency_key="once")
    assert (again["code"], again.headers["idempotent-replay"]) == (renewed["code"], "true")
    story = (await clinic.reception.get(f"/appointments/{visit['id']}/events"))["events"]
    assert [event["verb"] for event in story] == ["walk_in", "new_code"]
    refused(await clinic.doctor.post(f"/queues/{clinic.doctor_id}/undo"), 409, "nothing_to_undo")


async def test_a_wrong_code_or_key_is_nothing_at_all(clinic: Clinic, server: Server) -> None:
    visit, display = await clinic.reception.walk_in(clinic.doctor_id), await clinic.display()
    code = visit["code"]
    for wrong in (code[:-1], code + "x", code.swapcase(), code[:-1] + ("A" if code[-1] != "A" else "B"), "%00", "'--"):
        refused(await server.anybody.get(f"/tokens/{wrong}"), 404, "not_found")
    url = f"{server.url.replace('http', 'ws', 1)}/live/displays/{display['key'][:-1]}"
    async with websockets.connect(url) as screen:
        with pytest.raises(websockets.ConnectionClosed):
            await screen.recv()
        assert screen.close_code == 4404
