"""The accounts that manage a hospital, over the wire."""

import asyncio

import pytest

from builders import PASSWORD, Answer, Clinic, Server, numbers, open_clinic, refused

pytestmark = pytest.mark.anyio


def path(clinic: Clinic) -> str:
    return f"/hospitals/{clinic.hospital_id}/staff"


async def colleague(clinic: Clinic, **asked: str) -> Answer:
    body = {"name": "Col League", "email": f"colleague{next(numbers)}@example.org", "password": PASSWORD} | asked
    return await clinic.reception.post(path(clinic), body)


async def test_a_new_colleague_logs_in_and_works_for_the_hospital(clinic: Clinic, server: Server) -> None:
    made = await colleague(clinic, email="New@Example.org")
    assert (made.status, made["role"], made["hospital_id"]) == (201, "hospital", clinic.hospital_id)
    asker = await server.log_in("new@example.org")
    assert (await asker.book(clinic.doctor_id, patient={"name": "A"})).status == 201
    listed = (await asker.get(path(clinic)))["items"]
    assert [each["name"] for each in listed] == ["Col League", "St Mary"]


async def test_an_address_has_one_account_and_a_repeated_request_makes_one(clinic: Clinic) -> None:
    body = {"name": "A", "email": "once@example.org", "password": PASSWORD}
    first, again = [await clinic.reception.post(path(clinic), body, idempotency_key="k") for _ in range(2)]
    assert (first.status, again["id"], again.headers["idempotent-replay"]) == (201, first["id"], "true")
    taken = await colleague(clinic, email="ONCE@example.org")
    assert (taken.status, taken["code"]) == (409, "email_taken")
    assert (await colleague(clinic, password="short")).status == 400
    assert (await colleague(clinic, role="doctor")).status == 400


async def test_a_disabled_account_can_neither_log_in_nor_refresh_nor_say_who_it_is(
    clinic: Clinic, server: Server
) -> None:
    made = await colleague(clinic, email="gone@example.org")
    login = {"email": "gone@example.org", "password": PASSWORD}
    tokens = await server.anybody.post("/auth/login", login)
    asker = await server.log_in("gone@example.org")
    assert (await clinic.reception.delete(f"{path(clinic)}/{made['id']}")).status == 204
    refused = await server.anybody.post("/auth/login", login)
    assert (refused.status, refused["code"]) == (401, "invalid_credentials")
    refused = await server.anybody.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert (refused.status, refused["code"]) == (401, "invalid_token")
    assert (await asker.get("/auth/me")).status == 401
    assert [each["name"] for each in (await clinic.reception.get(path(clinic)))["items"]] == ["St Mary"]


async def test_a_disabled_address_is_free_for_a_new_account(clinic: Clinic, server: Server) -> None:
    made = await colleague(clinic, email="back@example.org")
    await clinic.reception.delete(f"{path(clinic)}/{made['id']}")
    again = await colleague(clinic, email="back@example.org")
    assert (again.status, again["id"] != made["id"]) == (201, True)
    await server.log_in("back@example.org")


async def test_nobody_disables_the_account_in_use(clinic: Clinic) -> None:
    own = (await clinic.reception.get("/auth/me"))["id"]
    await colleague(clinic)
    refused(await clinic.reception.delete(f"{path(clinic)}/{own}"), 409, "own_account")


async def test_two_who_disable_each_other_at_once_leave_one(clinic: Clinic, server: Server) -> None:
    other = await server.log_in((await colleague(clinic))["email"])
    ids = [(await asker.get("/auth/me"))["id"] for asker in (clinic.reception, other)]
    answers = await asyncio.gather(
        clinic.reception.delete(f"{path(clinic)}/{ids[1]}"), other.delete(f"{path(clinic)}/{ids[0]}")
    )
    assert sorted(answer.status for answer in answers) == [204, 401]


async def test_staff_accounts_are_the_own_hospitals_matter(clinic: Clinic, server: Server) -> None:
    elsewhere = await open_clinic(server)
    made = await colleague(clinic)
    doctor_user = (await clinic.doctor.get("/auth/me"))["id"]
    for asker, status in [(elsewhere.reception, 404), (clinic.doctor, 403), (server.anybody, 401)]:
        body = {"name": "A", "email": f"a{next(numbers)}@example.org", "password": PASSWORD}
        assert (await asker.get(path(clinic))).status == status
        assert (await asker.post(path(clinic), body)).status == status
        assert (await asker.delete(f"{path(clinic)}/{made['id']}")).status == status
    assert (await elsewhere.reception.delete(f"{path(elsewhere)}/{made['id']}")).status == 404
    assert (await clinic.reception.delete(f"{path(clinic)}/{doctor_user}")).status == 404
    assert (await clinic.reception.delete(f"{path(clinic)}/{2**63}")).status == 404


async def test_a_doctors_password_is_replaced_and_all_that_the_old_one_opened_is_closed(
    clinic: Clinic, server: Server
) -> None:
    given, email = f"/doctors/{clinic.doctor_id}/password", clinic.doctor.email
    async with server.watch(f"/live/desk/{clinic.doctor_id}", clinic.doctor) as desk:
        await desk.frame()
        refused(await clinic.reception.post(given, {"password": email}), 400, "malformed")
        assert (await clinic.reception.post(given, {"password": "quite another 2"})).status == 204
        assert await desk.closed() == 4401
    refused(await clinic.doctor.today(clinic.doctor_id), 401, "invalid_token")
    old = await server.anybody.post("/auth/login", {"email": email, "password": PASSWORD})
    refused(old, 401, "invalid_credentials")
    assert (await (await server.log_in(email, "quite another 2")).today(clinic.doctor_id)).status == 200
    elsewhere = await open_clinic(server)
    refused(await elsewhere.reception.post(given, {"password": "quite another 3"}), 404, "not_found")
