"""The list of today for a desk that looks at it again: answered before the application is asked, and as it would."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, open_clinic, refused
from conftest import Clock, serving
from mediqon.auth import logbook, tokens
from mediqon.auth.models import User
from mediqon.database import connection
from mediqon.live import feed
from mediqon.live.feed import Feed
from mediqon.settings import Settings
from test_metrics import figures
from wire import wire_to

pytestmark = pytest.mark.anyio

LISTED = 'mediqon_http_requests_total{method="GET",route="/appointments/doctor/{doctor_id}/today",status="200"}'
OF_ITS_OWN = {"date", "x-request-id"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The days that the application has been asked for."""
    days: list[Any] = []
    topic = Feed.topic

    async def noting(self: Feed, key: Any) -> Any:
        days.append(key)
        return await topic(self, key)

    monkeypatch.setattr(Feed, "topic", noting)
    return days


async def test_who_looks_again_is_told_the_same_without_the_application(
    server: Server, clinic: Clinic, asked: list[Any]
) -> None:
    before = await figures(server)
    for number in range(3):
        await clinic.reception.walk_in(clinic.doctor_id, f"Patient {number}")
        answers = [await clinic.doctor.today(clinic.doctor_id) for _ in range(3)]
        answers.append(await clinic.doctor.get(f"/appointments/doctor/{clinic.doctor_id}/today?way=round"))
        assert len({answer.raw for answer in answers}) == 1
        assert answers[0]["waiting"][number]["patient"]["name"] == f"Patient {number}"
        assert [named(each) for each in answers] == [named(answers[-1])] * 4
        assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    assert len(asked) == 3 + 3, "the first look at each change, and each the way round"
    assert (await figures(server)).since(before, LISTED) == 12


def named(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_ITS_OWN}


async def test_who_may_not_see_it_is_refused_as_ever(server: Server, clinic: Clinic, clock: Clock) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    path = f"/appointments/doctor/{clinic.doctor_id}/today"
    for who in (clinic.doctor, clinic.reception):
        assert [(await who.get(path)).status for _ in range(2)] == [200, 200]
    _, another = await clinic.add_doctor()
    refused(await another.get(path), 404, "not_found")
    refused(await (await server.patient()).get(path), 403, "forbidden")
    refused(await server.anybody.get(path), 401, "unauthenticated")
    refused(await Asker(server.http, f"{clinic.doctor.token}x").get(path), 401, "invalid_token")
    leaving = await server.anybody.post("/auth/login", {"email": clinic.doctor.email, "password": PASSWORD})
    clinic.doctor.token = leaving["access_token"]
    assert (await clinic.doctor.get(path)).status == 200
    assert (await clinic.doctor.post("/auth/logout", {"refresh_token": leaving["refresh_token"]})).status == 204
    refused(await clinic.doctor.get(path), 401, "invalid_token")
    assert (await clinic.reception.get(path)).status == 200
    clock.forward(seconds=tokens.LIFETIME.total_seconds())
    refused(await clinic.reception.get(path), 401, "invalid_token")


@pytest.mark.parametrize("change", [{"hospital_id": 2}, {"role": "doctor", "doctor_id": 2}, {"role": "patient"}])
async def test_who_looked_and_has_another_place_since_is_refused(
    server: Server, clinic: Clinic, change: dict[str, Any]
) -> None:
    await open_clinic(server)
    for _ in range(2):
        assert (await clinic.reception.today(clinic.doctor_id)).status == 200
    me = await clinic.reception.get("/auth/me")
    moved = msgspec.convert({**me, **change}, User)
    token = tokens.sign(moved, secret=server.settings.jwt_secret, now=server.clock())
    assert (await Asker(server.http, token).today(clinic.doctor_id)).status in {403, 404}


async def test_each_desk_that_looks_is_in_the_logbook_and_again_from_elsewhere_and_after_a_while(
    settings: Settings, clock: Clock, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(settings, clock, proxy_headers=True, forwarded_allow_ips="127.0.0.1") as server:
        clinic = await open_clinic(server)
        path = f"/appointments/doctor/{clinic.doctor_id}/today"
        for who in (clinic.doctor, clinic.reception):
            for address in ("192.0.2.1", "192.0.2.2"):
                for _ in range(3):
                    assert (await who.get(path, x_forwarded_for=address)).status == 200
        assert len(asked) == 4
        monkeypatch.setattr(logbook, "LOOK_AGAIN_SECONDS", 0.0)
        for _ in range(2):
            await clinic.doctor.get(path, x_forwarded_for="192.0.2.1")
        assert len(asked) == 6
    async with connection(settings) as conn:
        noted = await conn.fetch("select actor_role, address from audit where action ~ '/today$'")
    assert {(row["actor_role"], row["address"]) for row in noted} == {
        (role, f"192.0.2.{number}") for role in ("doctor", "hospital") for number in (1, 2)
    }


@pytest.mark.parametrize(
    "unusual",
    [
        *([(b"host", b"a/b")], [(b"host", b"[::1]:80")], [(b"content-length", b"2")]),
        *([(b"transfer-encoding", b"chunked")], [(b"authorization", b"Bearer nonsense")]),
    ],
)
async def test_an_unusual_look_is_the_application_s(
    clinic: Clinic, asked: list[Any], unusual: list[tuple[bytes, bytes]]
) -> None:
    path = f"/appointments/doctor/{clinic.doctor_id}/today"
    usual, _ = await clinic.doctor.get(path), await clinic.doctor.get(path, content_length="0")
    assert len(asked) == 1
    given = [*unusual, (b"authorization", f"Bearer {clinic.doctor.token}".encode())]
    body = b"{}" if unusual[0] == (b"content-length", b"2") else b""
    answer = await clinic.server.http.request("GET", path, headers=given, content=body)
    assert (answer.status_code, len(asked)) in {(200, 2), (400, 1), (401, 1)}
    assert answer.status_code != 200 or answer.content == usual.raw
    for method in ("HEAD", "POST"):
        assert (await clinic.doctor.ask(method, path)).status == 405


@pytest.mark.parametrize("ending", ["cut", "fall_silent"])
async def test_without_redis_a_look_shows_what_another_process_has_just_done(
    settings: Settings, clock: Clock, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SWEEP_SECONDS", timedelta(hours=1).total_seconds())
    there = Path(unquote(urlsplit(settings.redis_url).path))
    async with wire_to(there) as (redis, directory):
        alone = msgspec.structs.replace(
            settings, redis_url=settings.redis_url.replace(there.parent.as_posix(), directory.as_posix())
        )
        async with serving(alone, clock) as cut_off, serving(settings, clock) as whole:
            clinic = await open_clinic(cut_off)
            for _ in range(2):
                await clinic.reception.today(clinic.doctor_id)
            getattr(redis, ending)()
            while (await cut_off.anybody.get("/health/ready"))["redis"] == "ok":
                pass
            for number in range(1, 4):
                await clinic.reception.at(whole).walk_in(clinic.doctor_id)
                assert (await clinic.reception.today(clinic.doctor_id))["version"] == number
