"""Bad input gets the code the contract names, as problem+json, and changes nothing."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import jwt
import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, open_clinic

pytestmark = pytest.mark.anyio

TABLES = ("users", "doctors", "schedule_windows", "leaves", "displays", "queues", "appointments", "appointment_events")


@pytest.fixture
async def unchanged(server: Server, clinic: Clinic) -> AsyncIterator[None]:
    """Fails the test when anything in the database has changed at its end."""
    settings = server.settings
    conn = await asyncpg.connect(
        host=settings.db_host,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password,
        database=settings.db_name,
    )
    before = await rows(conn)
    yield
    after = await rows(conn)
    await conn.close()
    assert after == before


async def rows(conn: Any) -> dict[str, list[str]]:
    return {table: [str(row) for row in await conn.fetch(f"select * from {table} order by 1")] for table in TABLES}


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.get("code")) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= set(answer)
    assert answer["status"] == status


BODIES: list[tuple[Any, str]] = [
    (b"{bad", "body"),
    (b"", "body"),
    (b"[]", "body"),
    (b'"text"', "body"),
    (b'{"doctor_id": 1, "patient": {"name": "\xff"}}', "body"),
    (b'{"doctor_id": 1, "reason": "\\ud800"}', "body"),
    (b"[" * 20_000, "body"),
    ({"doctor_id": "one"}, "doctor_id"),
    ({"doctor_id": None}, "doctor_id"),
    ({"doctor_id": 1.5}, "doctor_id"),
    ({"doctor_id": -1}, "doctor_id"),
    ({"doctor_id": 10**30}, "doctor_id"),
    ({}, "doctor_id"),
    ({"doctor_id": 1, "tme": "09:00"}, "tme"),
    ({"doctor_id": 1, "date": "2026-02-30"}, "date"),
    ({"doctor_id": 1, "date": "tomorrow"}, "date"),
    ({"doctor_id": 1, "time": "24:00"}, "time"),
    ({"doctor_id": 1, "time": "09:60"}, "time"),
    ({"doctor_id": 1, "time": "9:00"}, "time"),
    ({"doctor_id": 1, "patient": {"name": ""}}, "patient.name"),
    ({"doctor_id": 1, "patient": {"name": " "}}, "patient.name"),
    ({"doctor_id": 1, "patient": {"name": "a\x00b"}}, "patient.name"),
    ({"doctor_id": 1, "patient": {"name": "A", "age": 3}}, "patient.age"),
    ({"doctor_id": 1, "patient": {"name": "x" * 121}}, "patient.name"),
    ({"doctor_id": 1, "reason": "a\x00b"}, "reason"),
]


@pytest.mark.usefixtures("unchanged")
async def test_a_malformed_booking_is_400_and_names_the_field(clinic: Clinic) -> None:
    for body, field in BODIES:
        answer = await clinic.reception.post("/appointments/book", body)
        refused(answer, 400, "malformed")
        assert answer["errors"][0]["field"] == field, (body, answer)


@pytest.mark.usefixtures("unchanged")
async def test_malformed_changes_of_the_hospital_are_400(clinic: Clinic) -> None:
    doctor, hospital = f"/doctors/{clinic.doctor_id}", f"/hospitals/{clinic.hospital_id}"
    window = {"weekday": 0, "start": "09:00", "end": "13:00"}
    for windows in (
        [window | {"weekday": 7}],
        [window | {"capacity": 0}],
        [window | {"capacity": -1}],
        [window | {"end": "09:00"}],
        [window | {"end": "25:00"}],
        [window, window | {"start": "12:00", "end": "14:00"}],
    ):
        refused(await clinic.reception.put(f"{doctor}/schedule", {"windows": windows}), 400, "malformed")
    for body in ({"slot_minutes": 0}, {"token_prefix": "a b"}, {"room": "\n"}, {"password": "new password"}):
        refused(await clinic.reception.patch(doctor, body), 400, "malformed")
    for shown in ({"doctor_ids": list[int]()}, {"doctor_ids": [clinic.doctor_id], "languages": ["x"]}):
        refused(await clinic.reception.post(f"{hospital}/displays", {"name": "W", **shown}), 400, "malformed")
    for body in (
        {"name": "A", "email": "no address", "password": PASSWORD},
        {"name": "A", "email": "a@b.c", "password": "short"},
    ):
        refused(await clinic.reception.post("/auth/register", body), 400, "malformed")
    refused(await clinic.reception.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": -5}), 400, "malformed")
    refused(await clinic.reception.get(f"{doctor}/slots?date=soon"), 400, "malformed")


@pytest.mark.usefixtures("unchanged")
async def test_seats_that_cannot_be_sold_are_409_with_their_own_codes(clinic: Clinic) -> None:
    for asked, code in (
        ({"time": "08:00"}, "slot_past"),
        ({"date": "2026-11-22", "time": "09:00"}, "slot_past"),
        ({"date": "0001-01-01"}, "slot_past"),
        ({"time": "09:05"}, "slot_unavailable"),
        ({"time": "13:00"}, "slot_unavailable"),
        ({"date": "9999-12-31"}, "day_full"),
        ({"date": "2027-12-01", "time": "09:00"}, "slot_taken"),
    ):
        refused(await clinic.reception.book(clinic.doctor_id, patient={"name": "A"}, **asked), 409, code)


@pytest.mark.usefixtures("unchanged")
async def test_unknown_things_are_404(clinic: Clinic) -> None:
    for path in ("/queues/0", "/queues/99999", f"/queues/{10**30}", "/tokens/none", "/hospitals/999/doctors", "/nope"):
        refused(await clinic.server.anybody.get(path), 404, "not_found")
    refused(await clinic.reception.book(99999, patient={"name": "A"}), 404, "not_found")
    refused(await clinic.reception.get("/appointments/99999"), 404, "not_found")
    refused(await clinic.reception.patch("/appointments/99999/status", {"status": "CALLED"}), 404, "not_found")


async def test_another_hospitals_and_another_patients_things_are_404(server: Server, clinic: Clinic) -> None:
    patient, stranger = await server.patient(), await server.patient()
    visit = await patient.book(clinic.doctor_id)
    display = await clinic.display()
    foreign = await open_clinic(server)
    own, doctor, queue = f"/appointments/{visit['id']}", f"/doctors/{clinic.doctor_id}", f"/queues/{clinic.doctor_id}"
    for asker in (foreign.reception, foreign.doctor):
        for answer in (
            await asker.get(own),
            await asker.get(f"{own}/events"),
            await asker.move(visit, "CHECKED_IN"),
            await asker.today(clinic.doctor_id),
            await asker.walk_in(clinic.doctor_id),
            await asker.call_next(clinic.doctor_id),
            await asker.post(f"{queue}/pause"),
            await asker.post(f"{queue}/undo"),
            await asker.post(f"{own}/recall"),
            await asker.patch(f"{own}/priority", {"priority": "EMERGENCY", "reason": "x"}),
            await asker.post(f"{own}/transfer", {"doctor_id": foreign.doctor_id}),
        ):
            refused(answer, 404, "not_found")
    for answer in (
        await foreign.reception.book(clinic.doctor_id, patient={"name": "A"}),
        await foreign.reception.patch(doctor, {"room": "9"}),
        await foreign.reception.put(f"{doctor}/schedule", {"windows": []}),
        await foreign.reception.post(f"{doctor}/leave", {"date": "2026-11-30"}),
        await foreign.reception.delete(f"/displays/{display['id']}"),
        await foreign.reception.get(f"/hospitals/{clinic.hospital_id}/displays"),
        await foreign.display(clinic.doctor_id),
        await stranger.get(own),
        await stranger.move(visit, "CANCELLED"),
        await stranger.post(f"{own}/reschedule", {"date": "2026-11-30", "time": "09:00"}),
    ):
        refused(answer, 404, "not_found")
    assert (await patient.get(own))["version"] == 1


@pytest.mark.usefixtures("unchanged")
async def test_no_token_and_a_bad_token_are_401_and_the_wrong_role_403(server: Server, clinic: Clinic) -> None:
    secret, now = server.settings.jwt_secret, server.clock()
    good: dict[str, Any] = jwt.decode(str(clinic.reception.token), options={"verify_signature": False})
    tokens = {
        "expired": jwt.encode(good | {"exp": now - timedelta(seconds=1)}, secret),
        "another secret": jwt.encode(good, "x" * 40),
        "no signature": jwt.encode(good, None, algorithm="none"),
        "another algorithm": jwt.encode(good, secret * 2, algorithm="HS512"),
        "another audience": jwt.encode(good | {"aud": "elsewhere"}, secret),
        "another issuer": jwt.encode(good | {"iss": "elsewhere"}, secret),
        "another kind": jwt.encode(good | {"typ": "refresh"}, secret),
        "no expiry": jwt.encode({name: value for name, value in good.items() if name != "exp"}, secret),
        "a role of its own": jwt.encode(good | {"role": "admin"}, secret),
        "not a token": "x.y.z",
    }
    for what, token in tokens.items():
        answer = await Asker(server.http, token).get("/auth/me")
        assert (answer.status, answer["code"]) == (401, "invalid_token"), what
    refused(await server.anybody.get("/auth/me"), 401, "unauthenticated")
    for scheme in (f"Basic {clinic.reception.token}", str(clinic.reception.token), "Bearer"):
        answer = await server.anybody.get("/auth/me", authorization=scheme)
        assert answer.status == 401, scheme
    refused(await clinic.doctor.book(clinic.doctor_id, patient={"name": "A"}), 403, "forbidden")
    refused(await clinic.doctor.post(f"/hospitals/{clinic.hospital_id}/doctors", {}), 403, "forbidden")
    refused(
        await server.anybody.post("/auth/login", {"email": "no@body.org", "password": "x"}), 401, "invalid_credentials"
    )


@pytest.mark.usefixtures("unchanged")
async def test_oversized_requests_are_refused(clinic: Clinic) -> None:
    big = json.dumps({"doctor_id": clinic.doctor_id, "reason": "x" * 70_000}).encode()
    refused(await clinic.reception.post("/appointments/book", big), 413, "body_too_large")
    answer = await clinic.reception.post(
        "/appointments/walk-in", {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}}, idempotency_key="x" * 201
    )
    refused(answer, 400, "malformed")
    refused(await clinic.reception.ask("DELETE", "/auth/me"), 405, "method_not_allowed")


async def test_a_refresh_token_works_once_and_a_second_use_ends_the_session(server: Server, clinic: Clinic) -> None:
    email = "again@example.org"
    await server.anybody.post("/auth/register", {"name": "A", "email": email, "password": PASSWORD})
    first = (await server.anybody.post("/auth/login", {"email": email, "password": PASSWORD}))["refresh_token"]
    refreshed = await server.anybody.post("/auth/refresh", {"refresh_token": first})
    assert refreshed.status == 200
    refused(await server.anybody.post("/auth/refresh", {"refresh_token": first}), 401, "invalid_token")
    second = {"refresh_token": refreshed["refresh_token"]}
    refused(await server.anybody.post("/auth/refresh", second), 401, "invalid_token")


async def test_no_public_byte_holds_a_name_a_phone_a_reason_or_a_priority(clinic: Clinic) -> None:
    somebody = {"name": "Zebedee Quux", "phone": "+91 555 0199"}
    visit = await clinic.reception.book(clinic.doctor_id, patient=somebody, reason="a private matter")
    await clinic.reception.patch(f"/appointments/{visit['id']}/priority", {"priority": "PRIORITY", "reason": "frail"})
    await clinic.reception.move(visit, "CHECKED_IN")
    display = await clinic.display()
    public = [
        (await clinic.server.anybody.get(path)).raw
        for path in (f"/queues/{clinic.doctor_id}", f"/tokens/{visit['code']}")
    ]
    async with clinic.server.watch(f"/live/displays/{display['key']}") as wall:
        public.append(json.dumps(await wall.frame()).encode())
    for secret in (b"Zebedee", b"Quux", b"0199", b"private", b"frail", b"PRIORITY", b"riority", visit["code"].encode()):
        assert all(secret not in body for body in public), secret


async def test_reads_of_the_queue_and_of_a_token_answer_304_until_something_changes(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    for path in (f"/queues/{clinic.doctor_id}", f"/tokens/{visit['code']}"):
        first = await clinic.server.anybody.get(path)
        again = await clinic.server.anybody.get(path, if_none_match=first.headers["etag"])
        assert (again.status, again.raw) == (304, b"")
        await clinic.reception.walk_in(clinic.doctor_id)
        assert (await clinic.server.anybody.get(path, if_none_match=first.headers["etag"])).status == 200
