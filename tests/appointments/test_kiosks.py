"""Ticket kiosks: made by the hospital, used by anybody who stands in front of one, and by nobody else."""

import pytest

from builders import Answer, Clinic, open_clinic, refused
from conftest import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
async def kiosk(clinic: Clinic) -> Answer:
    body = {"name": "Door", "doctor_ids": [clinic.doctor_id]}
    made = await clinic.reception.post(f"/hospitals/{clinic.hospital_id}/kiosks", body)
    assert made.status == 201, made
    return made


async def take(clinic: Clinic, kiosk: Answer, **asked: object) -> Answer:
    headers = {"idempotency_key": str(asked.pop("key", ""))}
    body = {"doctor_id": clinic.doctor_id, **asked}
    return await clinic.server.anybody.post(f"/kiosks/{kiosk['key']}/walk-in", body, **headers)


async def test_it_offers_its_doctors_and_how_many_wait(clinic: Clinic, kiosk: Answer) -> None:
    await clinic.add_doctor(name="Dr Elsewhere", token_prefix="E")
    await clinic.reception.walk_in(clinic.doctor_id, "Zebedee")
    offered = await clinic.server.anybody.get(f"/kiosks/{kiosk['key']}")
    assert [(each["name"], each["waiting"]) for each in offered["doctors"]] == [("Dr A. Rao", 1)]
    assert "Zebedee" not in offered.raw.decode()


async def test_a_token_without_a_name(clinic: Clinic, kiosk: Answer) -> None:
    ticket = await take(clinic, kiosk)
    assert (ticket.status, ticket["view"]["token"], ticket["view"]["status"]) == (201, "A-W01", "CHECKED_IN")
    assert (await clinic.server.anybody.get(f"/tokens/{ticket['code']}"))["token"] == "A-W01"
    (row,) = (await clinic.doctor.today(clinic.doctor_id))["waiting"]
    assert row["patient"]["name"] == "No name given"


async def test_a_name_is_for_the_desk_only(clinic: Clinic, kiosk: Answer) -> None:
    ticket = await take(clinic, kiosk, name="Zebedee Quux")
    assert "Zebedee" not in ticket.raw.decode()
    (row,) = (await clinic.doctor.today(clinic.doctor_id))["waiting"]
    assert row["patient"]["name"] == "Zebedee Quux"


async def test_a_lost_answer_asked_for_again_is_the_same_token(clinic: Clinic, kiosk: Answer) -> None:
    first, again = await take(clinic, kiosk, key="k1"), await take(clinic, kiosk, key="k1")
    assert (first["code"], again.headers["idempotent-replay"]) == (again["code"], "true")
    assert len((await clinic.doctor.today(clinic.doctor_id))["waiting"]) == 1


async def test_a_doctor_who_is_not_on_it_cannot_be_had(clinic: Clinic, kiosk: Answer) -> None:
    other, _ = await clinic.add_doctor(token_prefix="B")
    answer = await clinic.server.anybody.post(f"/kiosks/{kiosk['key']}/walk-in", {"doctor_id": other})
    refused(answer, 404, "not_found")


async def test_a_revoked_key_gives_nothing(clinic: Clinic, kiosk: Answer) -> None:
    assert (await clinic.reception.delete(f"/kiosks/{kiosk['id']}")).status == 204
    refused(await take(clinic, kiosk), 404, "not_found")
    refused(await clinic.server.anybody.get(f"/kiosks/{kiosk['key']}"), 404, "not_found")


async def test_the_key_of_a_screen_on_the_wall_gives_out_no_tokens(clinic: Clinic) -> None:
    refused(await take(clinic, await clinic.display()), 404, "not_found")


async def test_another_hospital_neither_sees_nor_revokes_it(clinic: Clinic, kiosk: Answer) -> None:
    other = await open_clinic(clinic.server)
    refused(await other.reception.get(f"/hospitals/{clinic.hospital_id}/kiosks"), 404, "not_found")
    refused(await other.reception.delete(f"/kiosks/{kiosk['id']}"), 404, "not_found")
    body = {"name": "X", "doctor_ids": [clinic.doctor_id]}
    refused(await other.reception.post(f"/hospitals/{other.hospital_id}/kiosks", body), 404, "not_found")
    refused(await clinic.doctor.get(f"/hospitals/{clinic.hospital_id}/kiosks"), 403, "forbidden")


async def test_the_hospital_sees_when_each_was_last_seen(clinic: Clinic, kiosk: Answer, clock: Clock) -> None:
    async def seen(kind: str) -> list[str | None]:
        listed = await clinic.reception.get(f"/hospitals/{clinic.hospital_id}/{kind}")
        return [each["last_seen_at"] for each in listed["items"]]

    display = await clinic.display()
    assert (await seen("kiosks"), await seen("displays")) == ([None], [None])
    clock.forward(minutes=2)
    await clinic.server.anybody.get(f"/kiosks/{kiosk['key']}")
    assert (await clinic.server.anybody.post(f"/displays/{display['key']}/seen")).status == 204
    assert (await seen("kiosks"), await seen("displays")) == (["2026-11-23T03:32:00Z"], ["2026-11-23T03:32:00Z"])
    refused(await clinic.server.anybody.post("/displays/nonsense/seen"), 404, "not_found")
