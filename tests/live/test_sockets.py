"""Who may watch what, and how a socket is told to go."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import websockets

from builders import Asker, Clinic, Server, open_clinic
from mediqon.auth import tokens
from mediqon.auth.models import User

pytestmark = pytest.mark.anyio


async def first_answer(server: Server, path: str, asker: Asker | None = None, **options: Any) -> int | str:
    """The type of the first frame, or the code the socket is closed with."""
    async with server.watch(path, asker, **options) as screen:
        try:
            return (await screen.frame())["type"]
        except websockets.ConnectionClosed:
            return await screen.closed()


async def test_each_live_path_lets_in_whom_the_contract_names(server: Server, clinic: Clinic) -> None:
    patient, foreign = await server.patient(), await open_clinic(server)
    colleague = (await clinic.add_doctor())[1]
    display = await clinic.display()
    desk = f"/live/desk/{clinic.doctor_id}"
    assert await first_answer(server, f"/live/queues/{clinic.doctor_id}") == "queue"
    assert await first_answer(server, f"/live/displays/{display['key']}") == "queue"
    assert await first_answer(server, desk, clinic.doctor) == "desk"
    assert await first_answer(server, desk, clinic.reception) == "desk"
    assert await first_answer(server, desk) == 4401
    assert await first_answer(server, desk, Asker(server.http, "x.y.z")) == 4401
    for stranger in (patient, foreign.doctor, foreign.reception, colleague):
        assert await first_answer(server, desk, stranger) == 4403
    for nowhere in ("/live/queues/99999", f"/live/queues/{2**63}", "/live/displays/no-such-key"):
        assert await first_answer(server, nowhere) == 4404, nowhere


async def test_a_browser_sends_its_token_as_a_subprotocol(server: Server, clinic: Clinic) -> None:
    offered: Any = ["mediqon", f"bearer.{clinic.doctor.token}"]
    async with server.watch(f"/live/desk/{clinic.doctor_id}", subprotocols=offered) as desk:
        assert desk.connection.subprotocol == "mediqon"
        assert (await desk.frame())["type"] == "desk"


async def test_a_token_in_the_address_counts_for_nothing(server: Server, clinic: Clinic) -> None:
    path = f"/live/desk/{clinic.doctor_id}?token={clinic.doctor.token}&access_token={clinic.doctor.token}"
    assert await first_answer(server, path) == 4401


async def test_a_page_of_another_origin_is_refused(server: Server, clinic: Clinic) -> None:
    host = server.url.removeprefix("http://")
    path = f"/live/queues/{clinic.doctor_id}"
    for evil in ("http://evil.example", "null", f"http://{host}.evil.example", "http://127.0.0.1:1", f"ftp://{host}"):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await first_answer(server, path, origin=evil)
        assert refusal.value.response.status_code == 403, evil
    assert await first_answer(server, path, origin=server.url) == "queue"


async def test_a_desk_is_closed_when_its_token_expires(server: Server, clinic: Clinic) -> None:
    me = await clinic.doctor.get("/auth/me")
    user = msgspec.convert(dict(me), User)
    nearly_over = server.clock() - tokens.LIFETIME + timedelta(seconds=1)
    token = tokens.sign(user, secret=server.settings.jwt_secret, now=nearly_over)
    async with server.watch(f"/live/desk/{clinic.doctor_id}", Asker(server.http, token)) as desk:
        assert (await desk.frame())["type"] == "desk"
        assert await desk.closed() == 4401


async def test_a_ping_is_answered_with_how_fresh_the_picture_is(server: Server, clinic: Clinic) -> None:
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        await screen.connection.send("ping")
        pong = await screen.frame()
    assert pong["type"] == "pong"
    assert 0 <= pong["age"] < 5


async def test_a_client_that_reads_late_gets_the_newest_state(server: Server, clinic: Clinic) -> None:
    async with server.watch(f"/live/queues/{clinic.doctor_id}", max_queue=1) as slow:
        for number in range(30):
            await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
        await asyncio.sleep(0.2)
        assert len((await slow.version(30))["tokens"]) == 30


async def test_many_queues_watched_for_the_first_time_at_once_all_get_their_updates(
    server: Server, clinic: Clinic
) -> None:
    doctor_ids = [clinic.doctor_id] + [(await clinic.add_doctor())[0] for _ in range(4)]
    display = await clinic.display(*doctor_ids)
    async with server.watch(f"/live/displays/{display['key']}") as wall:
        seen = {(await wall.frame())["doctor_id"] for _ in doctor_ids}
        await asyncio.gather(*(clinic.reception.walk_in(doctor_id) for doctor_id in doctor_ids))
        moved = {(await wall.frame())["doctor_id"] for _ in doctor_ids}
    assert seen == moved == set(doctor_ids)


async def test_an_unknown_live_path_is_told_so_after_the_accept(server: Server) -> None:
    for path in ("/live/nothing", "/live/queues", "/live/queues/1/2", "/live/queues/abc"):
        assert await first_answer(server, path) == 4404, path


async def test_what_a_screen_shows_is_what_anybody_may_read(server: Server, clinic: Clinic) -> None:
    await clinic.reception.walk_in(clinic.doctor_id, "Zebedee Quux")
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        frame = await screen.frame()
    assert frame == dict(await server.anybody.get(f"/queues/{clinic.doctor_id}"))
    assert "Zebedee" not in json.dumps(frame)
