"""The websocket as a client meets it on the wire, by the categories of the Autobahn test suite, on both event loops."""

import asyncio
from typing import Any

import msgspec
import pytest

from builders import Clinic, Server
from rawsocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    PROOF,
    TEXT,
    Raw,
    masked,
    raw,
)

pytestmark = pytest.mark.anyio

FLOOD = 250


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


async def opened(client: Raw, clinic: Clinic) -> Raw:
    """A socket that has its first frame."""
    await client.ask(f"/live/queues/{clinic.doctor_id}")
    assert (await client.frame())[0] == TEXT
    return client


async def test_the_handshake_is_answered_as_the_rfc_says(server: Server, clinic: Clinic) -> None:
    async with raw(server.url) as client:
        await client.ask(
            f"/live/queues/{clinic.doctor_id}",
            "Sec-WebSocket-Protocol: other, mediqon",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        )
        head = client.head.lower()
        assert head.startswith(b"http/1.1 101 ")
        assert b"sec-websocket-accept: " + PROOF.lower() + b"\r\n" in head
        assert b"sec-websocket-protocol: mediqon\r\n" in head
        assert b"extensions" not in head


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ("Sec-WebSocket-Version: 8", b"426"),
        ("Sec-WebSocket-Key: short", b"400"),
        ("Sec-WebSocket-Key: !!!!", b"400"),
        ("Origin: http://evil.example", b"403"),
    ],
)
async def test_a_handshake_that_is_none_is_refused_in_http(server: Server, wrong: str, status: bytes) -> None:
    async with raw(server.url) as client:
        await client.ask("/live/queues/1", wrong)
        assert client.head.split()[1] == status
        assert await client.reader.read() == b""
    async with raw(server.url) as client:
        await client.ask("/live/queues/1", method="POST")
        assert client.head.split()[1] == b"400"
    async with raw(server.url) as client:
        await client.ask("/no/such/path")
        assert client.head.split()[1] == b"403"


async def test_pings_are_answered_in_kind_and_pongs_not_at_all(server: Server, clinic: Clinic) -> None:
    async with raw(server.url) as client:
        await opened(client, clinic)
        for payload in (b"", b"hello", b"\x00\xff\xfe", b"x" * 125):
            client.send(masked(PONG, b"unasked"), masked(PING, payload))
            assert await client.frame() == (PONG, payload)


async def test_a_message_in_fragments_with_a_ping_between_is_one_message(server: Server, clinic: Clinic) -> None:
    async with raw(server.url) as client:
        await opened(client, clinic)
        client.send(masked(TEXT, b"pi", fin=False), masked(PING, b"now"), masked(CONTINUATION, b"", fin=False))
        assert await client.frame() == (PONG, b"now")
        client.send(masked(CONTINUATION, b"ng"))
        assert msgspec.json.decode(await client.next(TEXT))["type"] == "pong"


async def test_a_message_octet_by_octet_is_one_message(server: Server, clinic: Clinic) -> None:
    async with raw(server.url) as client:
        await opened(client, clinic)
        for octet in masked(TEXT, b"ping"):
            client.send(bytes((octet,)))
            await client.writer.drain()
        assert b"pong" in await client.next(TEXT)


async def test_what_nobody_understands_is_passed_over(server: Server, clinic: Clinic) -> None:
    async with raw(server.url) as client:
        await opened(client, clinic)
        client.send(masked(TEXT), masked(TEXT, "κόσμε".encode()), masked(BINARY, b"\xff\x00"), masked(TEXT, b"ping"))
        assert b"pong" in await client.next(TEXT)


async def test_who_breaks_the_protocol_is_told_how_and_hung_up_on(server: Server, clinic: Clinic) -> None:
    async def answered(wrong: bytes) -> int:
        async with raw(server.url) as client:
            await opened(client, clinic)
            client.send(wrong)
            return await client.closed()

    wrongs = (
        (b"\x81\x04ping", 1002),
        (masked(TEXT, b"x", reserved=0x40), 1002),
        (masked(3, b"x"), 1002),
        (masked(PING, b"x" * 126), 1002),
        (masked(CONTINUATION, b"x"), 1002),
        (masked(TEXT, b"\xff"), 1007),
        (masked(TEXT, b"x" * 4097), 1009),
        (masked(TEXT, b"x" * 200_000), 1009),
        (masked(CLOSE, b"\x00"), 1002),
        (masked(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (masked(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    )
    codes = await asyncio.gather(*(answered(wrong) for wrong, _ in wrongs))
    assert codes == [code for _, code in wrongs]


async def test_a_farewell_is_returned_and_what_follows_it_ignored(server: Server, clinic: Clinic) -> None:
    for payload, code in ((b"", 1005), ((1000).to_bytes(2, "big") + b"bye", 1000), ((4999).to_bytes(2, "big"), 4999)):
        async with raw(server.url) as client:
            await opened(client, clinic)
            client.send(masked(CLOSE, payload), masked(PING, b"late"), masked(TEXT, b"ping"))
            assert await client.closed() == code


async def test_who_sends_without_end_is_hung_up_on(server: Server, clinic: Clinic) -> None:
    async with raw(server.url) as client:
        await opened(client, clinic)
        client.send(*[masked(PING, b"")] * FLOOD)
        assert await client.closed() == 4429
