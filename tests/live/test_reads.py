"""The list of today for a desk that looks again: answered before it is a request, and as the application would."""

from typing import Any

import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, refused
from conftest import Clock
from mediqon.auth import logbook
from mediqon.auth.tokens import LIFETIME
from mediqon.live.feed import Feed
from mediqon.live.traffic import TRAFFIC

pytestmark = pytest.mark.anyio

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


def named(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_ITS_OWN}


async def test_who_looks_again_is_told_the_same_without_the_application(
    server: Server, clinic: Clinic, asked: list[Any]
) -> None:
    before = TRAFFIC.polls
    for number in range(3):
        await clinic.reception.walk_in(clinic.doctor_id, f"Patient {number}")
        answers = [await clinic.doctor.today(clinic.doctor_id) for _ in range(3)]
        answers.append(await clinic.doctor.get(f"/appointments/doctor/{clinic.doctor_id}/today?way=round"))
        assert len({answer.raw for answer in answers}) == 1
        assert answers[0]["waiting"][number]["patient"]["name"] == f"Patient {number}"
        assert [named(each) for each in answers] == [named(answers[-1])] * 4
        assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    assert len(asked) == 1 + 3, "the first look, and each the way round"
    assert TRAFFIC.polls - before == 12 - 4


async def test_who_may_not_see_it_is_refused_as_ever(server: Server, clinic: Clinic, clock: Clock) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    path = f"/appointments/doctor/{clinic.doctor_id}/today"
    _, another = await clinic.add_doctor()
    patient = await server.patient()
    for who in (clinic.doctor, clinic.reception):
        assert [(await who.get(path)).status for _ in range(2)] == [200, 200]
    refused(await another.get(path), 404, "not_found")
    refused(await patient.get(path), 403, "forbidden")
    assert (await clinic.doctor.get(path, content_length="0")).status == 200
    refused(await server.anybody.get(path), 401, "unauthenticated")
    forged = clinic.doctor.token[:-4] + "AAAA" if clinic.doctor.token else ""
    refused(await Asker(server.http, forged).get(path), 401, "invalid_token")
    leaving = await server.anybody.post("/auth/login", {"email": clinic.doctor.email, "password": PASSWORD})
    clinic.doctor.token = leaving["access_token"]
    assert (await clinic.doctor.get(path)).status == 200
    assert (await clinic.doctor.post("/auth/logout", {"refresh_token": leaving["refresh_token"]})).status == 204
    refused(await clinic.doctor.get(path), 401, "invalid_token")
    assert (await clinic.reception.get(path)).status == 200
    clock.forward(seconds=LIFETIME.total_seconds())
    refused(await clinic.reception.get(path), 401, "invalid_token")


async def test_each_desk_that_looks_is_in_the_logbook_and_again_after_a_while(
    server: Server, clinic: Clinic, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in (clinic.doctor, clinic.reception):
        for _ in range(2):
            await who.today(clinic.doctor_id)
    assert len(asked) == 2
    monkeypatch.setattr(logbook, "LOOK_AGAIN_SECONDS", 0.0)
    for _ in range(2):
        await clinic.doctor.today(clinic.doctor_id)
    assert len(asked) == 4


@pytest.mark.parametrize(
    "unusual", [{"x_forwarded_for": "1.2.3.4"}, {"expect": "100-continue"}, {"host": "a/b"}, {"host": "[::1]:80"}]
)
async def test_an_unusual_look_is_the_application_s(clinic: Clinic, asked: list[Any], unusual: dict[str, str]) -> None:
    path = f"/appointments/doctor/{clinic.doctor_id}/today"
    usual, _ = await clinic.doctor.get(path), await clinic.doctor.get(path)
    assert len(asked) == 1
    answer = await clinic.doctor.get(path, **unusual)
    assert (answer.status, len(asked)) in {(200, 2), (400, 1)}
    assert answer.status == 400 or answer.raw == usual.raw
