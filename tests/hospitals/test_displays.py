"""Waiting-room screens: made and taken back by the hospital, opened by whoever holds the key."""

from typing import Any

import pytest

from builders import Clinic, Server, open_clinic, refused

pytestmark = pytest.mark.anyio


async def test_a_display_has_a_key_and_a_page_and_is_listed(clinic: Clinic) -> None:
    display = await clinic.display()
    assert display.status == 201
    assert display["key"] in display["url"]
    listed = await clinic.reception.get(f"/hospitals/{clinic.hospital_id}/displays")
    assert (listed.status, listed["items"]) == (200, [display])


async def test_no_two_keys_are_alike_and_none_can_be_guessed(clinic: Clinic) -> None:
    keys = {(await clinic.display())["key"] for _ in range(5)}
    assert len(keys) == 5
    assert min(map(len, keys)) >= 16


async def test_the_key_opens_every_doctor_of_the_display_one_frame_each(clinic: Clinic) -> None:
    second, _ = await clinic.add_doctor(token_prefix="B")
    display = await clinic.display(second, clinic.doctor_id, second)
    async with clinic.server.watch(f"/live/displays/{display['key']}") as wall:
        frames = [await wall.frame(), await wall.frame()]
    assert {frame["doctor_id"] for frame in frames} == {clinic.doctor_id, second}


async def test_a_display_taken_back_closes_its_screens_and_its_key_is_dead(clinic: Clinic) -> None:
    display = await clinic.display()
    async with clinic.server.watch(f"/live/displays/{display['key']}") as wall:
        await wall.frame()
        assert (await clinic.reception.delete(f"/displays/{display['id']}")).status == 204
        assert await wall.closed() == 4404
    async with clinic.server.watch(f"/live/displays/{display['key']}") as wall:
        assert await wall.closed() == 4404
    refused(await clinic.reception.delete(f"/displays/{display['id']}"), 404, "not_found")


async def test_an_unknown_key_opens_nothing(server: Server) -> None:
    for key in ("x", "%00", "%ff", "x" * 500, "'%20or%201=1%20--"):
        async with server.watch(f"/live/displays/{key}") as wall:
            assert await wall.closed() == 4404, key


async def test_a_display_is_its_hospitals_alone(server: Server, clinic: Clinic) -> None:
    display, foreign, patient = await clinic.display(), await open_clinic(server), await server.patient()
    path = f"/hospitals/{clinic.hospital_id}/displays"
    body = {"name": "W", "doctor_ids": [foreign.doctor_id]}
    refused(await foreign.reception.get(path), 404, "not_found")
    refused(await foreign.reception.post(path, body), 404, "not_found")
    refused(await foreign.reception.delete(f"/displays/{display['id']}"), 404, "not_found")
    refused(await foreign.display(clinic.doctor_id), 404, "not_found")
    refused(await foreign.display(foreign.doctor_id, clinic.doctor_id), 404, "not_found")
    for asker in (clinic.doctor, patient):
        refused(await asker.get(path), 403, "forbidden")
        refused(await asker.post(path, body), 403, "forbidden")
        refused(await asker.delete(f"/displays/{display['id']}"), 403, "forbidden")
    assert (await foreign.reception.get(f"/hospitals/{foreign.hospital_id}/displays"))["items"] == []
    assert (await clinic.reception.get(path))["items"] == [display]


async def test_a_malformed_display_is_400_and_none_is_made(clinic: Clinic) -> None:
    path, doctor = f"/hospitals/{clinic.hospital_id}/displays", clinic.doctor_id
    bad: list[dict[str, Any]] = [
        *({"doctor_ids": ids} for ids in ([], [doctor] * 9, doctor, [str(doctor)], [None], [-1], [10**30], None)),
        *({"name": name} for name in ("", " ", "\x00", "a\n", "x" * 121, 1, None)),
        *({"languages": languages} for languages in ([], ["x"], ["EN"], ["en\n"], "en", [1], ["en"] * 5)),
        {"key": "mine"},
    ]
    for field in bad:
        answer = await clinic.reception.post(path, {"name": "W", "doctor_ids": [doctor]} | field)
        assert (answer.status, answer["code"]) == (400, "malformed"), field
        assert answer["errors"][0]["field"].startswith(next(iter(field)))
    assert (await clinic.reception.get(path))["items"] == []


async def test_a_repeated_post_under_one_key_makes_one_display(clinic: Clinic) -> None:
    path, body = f"/hospitals/{clinic.hospital_id}/displays", {"name": "W", "doctor_ids": [clinic.doctor_id]}
    first, again = [await clinic.reception.post(path, body, idempotency_key="k") for _ in range(2)]
    assert (again, again.headers["idempotent-replay"]) == (first, "true")
    assert len((await clinic.reception.get(path))["items"]) == 1
