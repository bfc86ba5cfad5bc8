"""The busiest routes have a lane in front of Litestar: what comes of a request there is what Litestar would answer."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from builders import Answer, Clinic, Server
from mediqon.app import create_app
from mediqon.database import connection
from mediqon.settings import Settings
from test_metrics import figures

pytestmark = pytest.mark.anyio

ROUND_ABOUT = "?way=round"
"""A query: no lane serves such a request."""
ANSWERED = 'mediqon_http_requests_total{{method="POST",route="/appointments/book",status="{}"}}'
OF_ITS_OWN = {"date", "x-request-id"}
BODIES: tuple[bytes, ...] = (
    *(b"", b"null", b"[]", b"{", b"\xff", b'"', b"1" * 70_000, b"[" * 5_000, b'{"doctor_id":"1"}', b'{"doctor_id":-1}'),
    *(b'{"doctor_id":999}', b'{"doctor_id":1,"more":2}', b'{"doctor_id":1,"reason":"\\u0000"}'),
    *(b'{"doctor_id":1,"reason":"' + b"x" * length + b'"}' for length in (9_900, 9_972, 9_973, 20_000)),
    *(b'{"status":"COMPLETED"}', b'{"status":"AWAY"}', b'{"status":"BOOKED","version":9}', b'{"status":[]}'),
)


async def told(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[Any, ...]:
    """Everything of an answer that the question decides."""
    answer: httpx.Response = await server.http.request(method, path, content=body, headers=headers)
    names = [name for name in answer.headers if name not in OF_ITS_OWN]
    return answer.status_code, {name: answer.headers.get_list(name) for name in sorted(names)}, answer.content


async def same_both_ways(server: Server, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of an answer that changes nothing."""
    lane = await told(server, method, path, body, **headers)
    assert lane == await told(server, method, path + ROUND_ABOUT, body, **headers), (method, path, body[:50], headers)
    return lane[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/appointments/book"),
        ("PATCH", "/appointments/7/status"),
        ("GET", "/appointments/doctor/7/today"),
        ("POST", "/queues/7/call-next"),
        ("POST", "/appointments/7/recall"),
    ],
)
def test_each_of_the_busiest_routes_has_a_lane_and_a_query_has_none(method: str, path: str) -> None:
    lanes = create_app(Settings(jwt_secret="a secret of thirty-two characters")).express
    has_body = method != "GET" and "recall" not in path
    headers = [(b"host", b"clinic.example"), *([(b"content-length", b"2")] if has_body else [])]
    scope: dict[str, Any] = {"method": method, "path": path, "query_string": b"", "headers": headers}
    assert lanes.lane(scope) is not None
    assert lanes.lane(scope | {"query_string": ROUND_ABOUT[1:].encode()}) is None
    assert lanes.lane(scope | {"path": path + "/"}) is None
    assert lanes.lane(scope | {"headers": [*headers, (b"transfer-encoding", b"chunked")]}) is None


async def test_every_refusal_is_the_same_on_a_lane_and_the_way_round(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    visit = await patient.book(clinic.doctor_id, time="10:00")
    paths = [("POST", "/appointments/book"), ("GET", f"/appointments/doctor/{clinic.doctor_id}/today")]
    paths += [
        ("PATCH", f"/appointments/{number}/status") for number in (visit["id"], 0, "007", "9" * 18, "9" * 19, "-1")
    ]
    paths += [("POST", f"/queues/{number}/call-next") for number in (99, "9" * 19)]
    paths += [("POST", f"/appointments/{number}/recall") for number in (visit["id"], 0)]
    keys = [f"Bearer {who.token}" for who in (patient, clinic.doctor, clinic.reception)]
    statuses: set[int] = set()
    for method, path in paths:
        for key in ["", "Bearer", "Bearer nonsense", "Basic eDp5", *keys]:
            for body in BODIES if method != "GET" else [b""]:
                headers = {"authorization": key} if key else {}
                statuses.add(await same_both_ways(server, method, path, body, headers))
    assert statuses == {200, 400, 401, 403, 404, 409, 413}


async def test_what_is_done_is_told_the_same_on_a_lane_and_the_way_round(server: Server, clinic: Clinic) -> None:
    told_of: list[list[tuple[Any, ...]]] = []
    for way, time in (("", "10:00"), (ROUND_ABOUT, "10:10")):
        patient = await server.patient()
        asked: dict[str, Any] = {"doctor_id": clinic.doctor_id, "time": time}
        booked = await patient.ask("POST", f"/appointments/book{way}", asked)
        path = f"/appointments/{booked['id']}/status{way}"
        came = await patient.ask("PATCH", path, {"status": "CHECKED_IN"})
        called = await clinic.doctor.ask("POST", f"/queues/{clinic.doctor_id}/call-next{way}", {"version": None})
        again = await clinic.doctor.ask("POST", f"/appointments/{booked['id']}/recall{way}")
        held = await clinic.doctor.ask("PATCH", path, {"status": "ON_HOLD"})
        assert called["called"]["id"] == booked["id"]
        told_of.append([(each.status, _named(each), [*each]) for each in (booked, came, called, again, held)])
    assert told_of[0] == told_of[1]
    assert [status for status, *_ in told_of[0]] == [201, 200, 200, 200, 200]


async def test_a_booking_is_answered_again_whichever_way_it_comes_the_second_time(
    server: Server, clinic: Clinic
) -> None:
    patient = await server.patient()
    body = json.dumps({"doctor_id": clinic.doctor_id}).encode()
    headers = {"authorization": f"Bearer {patient.token}", "idempotency-key": "once"}
    first = await told(server, "POST", "/appointments/book", body, **headers)
    replays = [await told(server, "POST", "/appointments/book" + way, body, **headers) for way in ("", ROUND_ABOUT)]
    assert replays[0] == replays[1]
    assert (replays[0][0], replays[0][2]) == (first[0], first[2])


async def test_a_body_that_comes_in_pieces_is_read_to_its_end(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    body = json.dumps({"doctor_id": clinic.doctor_id, "reason": "cough"}).encode()

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 10):
            yield body[start : start + 10]
            await asyncio.sleep(0.02)

    headers = {"authorization": f"Bearer {patient.token}", "content-length": str(len(body))}
    answer = await server.http.post("/appointments/book", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (201, "cough")


@pytest.mark.parametrize("way", ["", ROUND_ABOUT])
async def test_who_leaves_before_the_end_of_a_request_has_asked_for_nothing_and_is_no_failure(
    server: Server, clinic: Clinic, way: str
) -> None:
    body = json.dumps({"doctor_id": clinic.doctor_id, "patient": {"name": "Walter"}})
    lines = [f"POST /appointments/book{way} HTTP/1.1", f"Authorization: Bearer {clinic.reception.token}"]
    lines += ["Host: clinic.example", "Content-Type: application/json", f"Content-Length: {len(body) + 1}", "", body]
    host, port = server.url.removeprefix("http://").split(":")
    before = await figures(server)
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    async with asyncio.timeout(5):
        while not (after := await figures(server)).since(before, ANSWERED.format(400)):
            await asyncio.sleep(0.05)
    assert after.since(before, ANSWERED.format(500)) == 0
    assert (await clinic.reception.today(clinic.doctor_id))["booked"] == []


@pytest.mark.parametrize("host", ["evil host", "a/b", "user@host", "[::1]:80", "localhost:8000", "a_b"])
async def test_a_host_is_taken_or_refused_as_litestar_would(server: Server, clinic: Clinic, host: str) -> None:
    headers = {"authorization": f"Bearer {clinic.doctor.token}", "host": host}
    await same_both_ways(server, "GET", f"/appointments/doctor/{clinic.doctor_id}/today", b"", headers)


def _named(answer: Answer) -> dict[str, str]:
    """The headers that two answers about different visits share."""
    return {name: answer.headers[name] for name in answer.headers if name not in OF_ITS_OWN | {"content-length"}}


async def test_the_logbook_and_the_metrics_name_a_route_the_same_whichever_way_it_was_asked(
    server: Server, clinic: Clinic
) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"})
    for way in ("", ROUND_ABOUT):
        await clinic.doctor.get(f"/appointments/doctor/{clinic.doctor_id}/today{way}")
        await clinic.doctor.ask("PATCH", f"/appointments/{visit['id']}/status{way}", {"status": "BOOKED"})
        await clinic.doctor.ask("POST", f"/appointments/book{way}", {"doctor_id": clinic.doctor_id})
    exposed = (await server.anybody.get("/metrics")).raw.decode()
    routes = set(re.findall(r'http_requests_total{.*route="(/appointments/[^"]*)"', exposed))
    assert not [route for route in routes if ":int" in route]
    noted: set[str] = set()
    async with connection(server.settings) as conn, asyncio.timeout(5):
        while not noted:
            rows = await conn.fetch("select distinct action from audit where action ~ '/appointments'")
            noted = {row["action"] for row in rows}
            await asyncio.sleep(0.1)
    assert noted == {"GET /appointments/doctor/{doctor_id}/today", "POST /appointments/book"}
