"""The live paths under other circumstances: TLS, another protocol underneath, crowds, handshakes without an end."""

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from builders import Clinic, Server
from conftest import Clock, serving
from mediqon.database import connection
from mediqon.live import crowd, http_protocol, lines
from mediqon.live.feed import Feed
from mediqon.settings import Settings
from rawsocket import PING, PONG, TEXT, Raw, masked, raw

pytestmark = pytest.mark.anyio

BURST = 200
QUEUES = 500
CROWD_SECONDS = 30
ENDLESS_BYTES = 16 * 2**20
HUNG_UP_SECONDS = 15.0
SMALL_BYTES = 4096
ADD_DOCTORS = """
with added as (
    insert into users (name, email, password_hash, role, hospital_id)
    select 'Dr ' || n, 'many' || n || '@example.org', 'x', 'doctor', $1 from generate_series(1, $2::int) n returning id
)
insert into doctors (user_id, hospital_id, specialty, room, token_prefix, slot_minutes)
select id, $1, 'General', '1', 'M', 10 from added returning id
"""


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Any]:
    """uvicorn's settings for TLS with a certificate of this test's own."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes its certificate with openssl")
    key, signed = tmp_path / "key.pem", tmp_path / "cert.pem"
    asked = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", signed]
    subprocess.run([openssl, "req", *asked.split(), *named], check=True, capture_output=True)
    return {"ssl_keyfile": str(key), "ssl_certfile": str(signed)}


async def test_under_tls_frames_pings_and_slow_clients_are_as_everywhere(
    server: Server,
    clinic: Clinic,
    clock: Clock,
    certificate: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "BEHIND_SECONDS", 60.0)  # a busy machine may take longer over the burst than 10 s
    trust = ssl.create_default_context(cafile=certificate["ssl_certfile"])
    path = f"/live/queues/{clinic.doctor_id}"
    async with (
        serving(server.settings, clock, **certificate) as secure,
        secure.watch(path, ssl=trust) as screen,
        raw(secure.url, tls=trust, receive_bytes=SMALL_BYTES) as slow,
    ):
        await slow.ask(path)
        assert (await screen.frame())["version"] == 0
        for number in range(BURST):
            await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
        assert len((await screen.version(BURST))["tokens"]) == BURST
        seen: list[int] = []
        while not seen or seen[-1] < BURST:
            seen.append(msgspec.json.decode(await slow.next(TEXT))["version"])
        assert seen == sorted(set(seen))
        slow.send(masked(PING, b"there"))
        assert await slow.next(PONG) == b"there"
        await screen.connection.close(1000)
        assert screen.connection.close_code == 1000


async def test_on_a_server_without_our_protocol_the_same_paths_do_the_same(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    display = await clinic.display()
    desk, wall = f"/live/desk/{clinic.doctor_id}", f"/live/displays/{display['key']}"
    async with (
        serving(server.settings, clock, ws="websockets-sansio") as other,
        other.watch(f"/live/queues/{clinic.doctor_id}") as screen,
        other.watch(desk, clinic.doctor) as doctor,
        other.watch(desk) as stranger,
        other.watch("/live/queues/99999") as nowhere,
        other.watch(wall) as revoked,
    ):
        assert (await screen.frame())["type"] == "queue"
        assert (await doctor.frame())["type"] == "desk"
        assert (await stranger.closed(), await nowhere.closed()) == (4401, 4404)
        await clinic.reception.walk_in(clinic.doctor_id)
        assert len((await screen.version(1))["tokens"]) == 1
        await screen.connection.send("ping")
        assert "age" in await screen.until(lambda frame: frame["type"] == "pong")
        await clinic.reception.delete(f"/displays/{display['id']}")
        assert await revoked.closed() == 4404


async def test_one_address_may_not_take_all_the_sockets(settings: Settings, server: Server, clinic: Clinic) -> None:
    crowded = msgspec.structs.replace(settings, sockets_per_address=2, trusted_proxies="127.0.0.1")
    path = f"/live/queues/{clinic.doctor_id}"

    def at(address: str) -> dict[str, Any]:
        return {"additional_headers": {"X-Forwarded-For": address}}

    async with serving(crowded, Clock()) as proxied, proxied.watch(path, **at("203.0.113.9")) as first:
        async with (
            proxied.watch(path, **at("203.0.113.9")) as second,
            proxied.watch(path, **at("203.0.113.9")) as third,
        ):
            assert (await first.frame())["type"] == (await second.frame())["type"] == "queue"
            assert await third.closed() == 4429
            async with proxied.watch(path, **at("203.0.113.10")) as elsewhere:
                assert (await elsewhere.frame())["type"] == "queue"
        async with proxied.watch(path, **at("203.0.113.9")) as again:
            assert (await again.frame())["type"] == "queue"


async def test_a_home_in_ipv6_is_one_address_and_ipv4_stays_itself_on_a_listener_for_both(
    settings: Settings, server: Server, clinic: Clinic
) -> None:
    crowded = msgspec.structs.replace(settings, sockets_per_address=1, trusted_proxies="127.0.0.1")
    path = f"/live/queues/{clinic.doctor_id}"
    async with serving(crowded, Clock()) as proxied:
        for at, neighbour, elsewhere in (
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
            ("::ffff:203.0.113.9", "203.0.113.9", "::ffff:203.0.113.10"),
        ):
            first, second, third = [{"X-Forwarded-For": each} for each in (at, neighbour, elsewhere)]
            async with (
                proxied.watch(path, additional_headers=first) as screen,
                proxied.watch(path, additional_headers=second) as refused,
                proxied.watch(path, additional_headers=third) as other,
            ):
                assert (await screen.frame())["type"] == (await other.frame())["type"] == "queue"
                assert await refused.closed() == 4429


async def test_one_account_may_not_take_all_the_sockets(
    server: Server, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "ACCOUNT_SOCKETS_MAX", 1)
    path = f"/live/desk/{clinic.doctor_id}"
    async with (
        server.watch(path, clinic.doctor) as first,
        server.watch(path, clinic.doctor) as second,
        server.watch(path, clinic.reception) as other,
    ):
        assert (await first.frame())["type"] == (await other.frame())["type"] == "desk"
        assert await second.closed() == 4429
    async with server.watch(path, clinic.doctor) as again:
        assert (await again.frame())["type"] == "desk"


async def test_a_request_that_never_ends_is_hung_up_on(
    server: Server, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "ASK_SECONDS", 0.2)
    path = f"/live/queues/{clinic.doctor_id}"
    post = b"POST /auth/login HTTP/1.1\r\nHost: here\r\n"
    for begun in (
        *(b"", b"GET /live", b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
        *(post + b"Content-Length: 500\r\n\r\n{", post + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    ):
        async with raw(server.url) as client:
            client.send(begun)
            async with asyncio.timeout(HUNG_UP_SECONDS):
                assert await client.reader.read() == b""
    for more in (b"\r\n", b"\n", b"G"):
        async with raw(server.url) as client:
            client.send(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
            await client.reader.readuntil(b"}")
            client.send(more)
            with suppress(ConnectionError):
                async with asyncio.timeout(HUNG_UP_SECONDS):
                    assert await client.reader.read() == b""
    async with raw(server.url) as client:
        await client.ask(path)
        await asyncio.sleep(0.3)
        client.send(masked(PING, b"still here"))
        assert await client.next(PONG) == b"still here"


async def test_who_does_not_read_answers_is_cut_off(
    server: Server, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.5)
    for path in ("/schema/openapi.json", f"/queues/{clinic.doctor_id}"):
        asked = f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
        async with raw(server.url) as client:
            client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with pytest.raises((ConnectionError, RuntimeError)):  # uvloop's way of saying that it is closed
                async with asyncio.timeout(HUNG_UP_SECONDS):
                    await send_without_end(client, asked * 50, pause=0.02)
    assert "Exception in ASGI application" not in caplog.text


async def test_who_asks_on_and_on_before_the_first_answer_is_hung_up_on(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    asked = b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n"
    async with raw(server.url) as client, asyncio.timeout(HUNG_UP_SECONDS):
        client.send(asked * http_protocol.PIPELINED_MAX)
        for _ in range(http_protocol.PIPELINED_MAX):
            assert b" 200 OK" in await client.reader.readuntil(b'{"status":"ok"}')
        client.send(asked * 5000)
        with suppress(ConnectionError):
            await client.reader.read()
    assert "Exception" not in caplog.text


async def test_what_is_no_body_is_kept_within_bounds_wherever_it_stands(server: Server) -> None:
    chunked = b"POST /auth/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for begun, more in (
        (b"GET /health/live?", b"x"),
        (b"GET /health/live HTTP/1.1\r\nA: ", b"x"),
        (b"GET /health/live HTTP/1.1\r\n", b"a:b\r\n"),
        (chunked + b"1;", b"x"),
        (chunked + b"0\r\n", b"a:b\r\n"),
    ):
        async with raw(server.url) as client:
            client.send(begun)
            with pytest.raises(ConnectionError):
                await send_without_end(client, more * 1000)


async def send_without_end(client: Raw, piece: bytes, *, pause: float = 0) -> None:
    for _ in range(ENDLESS_BYTES // len(piece)):
        client.send(piece)
        await client.writer.drain()
        await asyncio.sleep(pause)


async def test_hundreds_of_queues_watched_for_the_first_time_in_one_second_all_get_their_updates(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    async with connection(server.settings) as conn:
        doctor_ids = [row["id"] for row in await conn.fetch(ADD_DOCTORS, clinic.hospital_id, QUEUES)]
    async with serving(server.settings, clock) as second, AsyncExitStack() as open_:
        clients = [await open_.enter_async_context(raw(second.url)) for _ in doctor_ids]
        paths = [f"/live/queues/{doctor_id}" for doctor_id in doctor_ids]
        await asyncio.gather(*(client.ask(path) for client, path in zip(clients, paths, strict=True)))
        hospital = f"/hospitals/{clinic.hospital_id}/settings"
        # Published for every doctor of the hospital, by the other process.
        changed = asyncio.create_task(clinic.reception.patch(hospital, {"name": "St Mary's"}))
        await asyncio.gather(*(renamed(client) for client in clients))
        assert (await changed).status == 200


async def renamed(client: Raw) -> None:
    async with asyncio.timeout(CROWD_SECONDS):
        while msgspec.json.decode(await client.next(TEXT))["hospital"] != "St Mary's":
            pass


async def test_answers_come_in_the_order_in_which_polls_and_others_were_asked(server: Server, clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    polls, slow = f"/queues/{clinic.doctor_id}", "/health/ready"
    asked = [polls, slow, polls, f"/tokens/{visit['code']}", slow, slow, polls, "/queues/1e9", polls]
    begins = {polls: b'{"type":"queue"', slow: b'{"status":"ok"', "/queues/1e9": b'{"type":"urn:'}
    async with raw(server.url) as client:
        client.send(*(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for path in asked))
        for path in asked:
            _, body = await answered(client)
            assert body.startswith(begins.get(path, b'{"token"')), path


async def test_an_unusual_poll_is_answered_as_it_asks_to_be(server: Server, clinic: Clinic) -> None:
    path = f"/queues/{clinic.doctor_id}"
    frame = (await server.anybody.get(path)).raw
    for first, *headers in (
        (f"GET {path} HTTP/1.1", "Connection: close"),
        (f"GET {path} HTTP/1.0",),
        (f"GET {path} HTTP/1.1", "Content-Length: 2", "Connection: close", "", "{}"),
        (f"GET {path} HTTP/1.1", "Transfer-Encoding: chunked", "Connection: close", "", "2", "{}", "0", ""),
        (f"GET http://here{path} HTTP/1.1", "Connection: close"),
    ):
        async with raw(server.url) as client:
            client.send("\r\n".join([first, "Host: here", *headers, "", ""]).encode())
            head, body = await answered(client)
            assert (head.split()[1], body) == (b"200", frame), (first, headers)
            assert b"connection: close" in head
            assert await client.reader.read() == b""
    tag = (await server.anybody.get(path)).headers["etag"]
    for target in (path, f"{path}?anything"):
        async with raw(server.url) as client:
            client.send(
                f'GET {target} HTTP/1.1\r\nHost: here\r\nIf-None-Match: "x"\r\nIf-None-Match: {tag}\r\n\r\n'.encode()
            )
            assert b" 304 " in await client.reader.readuntil(b"\r\n\r\n"), "each line counts"
    async with raw(server.url) as client:
        client.send(f"HEAD {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        assert b" 405 " in await client.reader.readuntil(b"\r\n\r\n")


async def test_a_poll_that_cannot_be_answered_at_once_is_the_application_s(
    server: Server, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/queues/{clinic.doctor_id}"
    first = await server.anybody.get(path)

    def broken(_self: Feed, _doctor_id: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Feed, "held_queue", broken)
    again = await server.anybody.get(path)
    assert (again.status, again.raw) == (200, first.raw)
    assert "a poll could not be answered at once" in caplog.text


async def answered(client: Raw) -> tuple[bytes, bytes]:
    """The next answer: its head and its body."""
    async with asyncio.timeout(HUNG_UP_SECONDS):
        head = await client.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head
        return head, await client.reader.readexactly(int(length[1]))


async def test_polls_answered_in_front_of_the_application_are_its_own_answers(server: Server, clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    for path in (f"/queues/{clinic.doctor_id}", f"/tokens/{visit['code']}"):
        first = await server.anybody.get(path)
        for known in ("", first.headers["etag"], '"other"'):
            front = await server.anybody.get(path, if_none_match=known)
            behind = await server.anybody.get(f"{path}?anything", if_none_match=known)
            assert (front.status, front.raw) == (behind.status, behind.raw)
            same = {k: v for k, v in behind.headers.items() if k != "x-request-id"}
            assert {**front.headers, "date": same["date"]} == same
            assert "date" in front.headers, "of the next second, perhaps"
