"""Accounts: who registers is a patient, who logs in gets tokens, a session ends for good."""

import asyncio
import json
from itertools import product
from typing import Any

import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, refused

pytestmark = pytest.mark.anyio

EMAIL = "asha@example.org"


async def register(server: Server, **asked: Any) -> Answer:
    body = {"name": "Asha Iyer", "email": EMAIL, "password": PASSWORD} | asked
    return await server.anybody.post("/auth/register", body)


async def log_in(server: Server, email: str = EMAIL) -> Answer:
    return await server.anybody.post("/auth/login", {"email": email, "password": PASSWORD})


async def refresh(server: Server, token: str) -> Answer:
    return await server.anybody.post("/auth/refresh", {"refresh_token": token})


async def test_whoever_registers_is_a_patient_and_never_sees_the_password_again(server: Server) -> None:
    answer = await register(server, phone="+91 98450 00000")
    assert answer.status == 201
    assert (answer["name"], answer["email"], answer["role"]) == ("Asha Iyer", EMAIL, "patient")
    assert (answer["hospital_id"], answer["doctor_id"]) == (None, None)
    assert b"password" not in answer.raw


async def test_nobody_registers_with_more_than_is_asked(server: Server) -> None:
    for field in ("role", "hospital_id", "id", "nmae"):
        answer = await register(server, **{field: "hospital"})
        refused(answer, 400, "malformed")
        assert answer["errors"][0]["field"] == field
    refused(await log_in(server), 401, "invalid_credentials")


async def test_one_address_is_one_account_however_it_is_written(server: Server) -> None:
    assert (await register(server)).status == 201
    refused(await register(server, name="Other", email=EMAIL.upper()), 409, "email_taken")
    assert (await log_in(server, EMAIL.title())).status == 200


async def test_letters_that_programs_lower_differently_make_an_account_all_the_same(server: Server) -> None:
    for email in ("ΑΣΊΑ@example.org", "İ@example.org", "\ua7cb@example.org"):
        assert (await register(server, email=email)).status == 201
        assert (await log_in(server, email)).status == 200
        refused(await register(server, email=email), 409, "email_taken")


async def test_twenty_registrations_of_one_address_make_one_account(server: Server) -> None:
    answers = await asyncio.gather(*(register(server, name=f"Asha {number}") for number in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19


async def test_a_login_answers_with_both_tokens_and_the_user(server: Server) -> None:
    await register(server)
    answer = await log_in(server)
    assert (answer.status, answer["token_type"]) == (200, "Bearer")
    assert 0 < answer["expires_in"] <= 3600
    me = await Asker(server.http, answer["access_token"]).get("/auth/me")
    assert answer["user"] == me
    assert set(me) >= {"id", "name", "email", "role", "hospital_id", "doctor_id"}


async def test_me_says_where_staff_belong(clinic: Clinic) -> None:
    doctor, reception = await clinic.doctor.get("/auth/me"), await clinic.reception.get("/auth/me")
    assert (doctor["role"], doctor["hospital_id"], doctor["doctor_id"]) == (
        "doctor",
        clinic.hospital_id,
        clinic.doctor_id,
    )
    assert (reception["role"], reception["hospital_id"], reception["doctor_id"]) == (
        "hospital",
        clinic.hospital_id,
        None,
    )


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(server: Server) -> None:
    await register(server)
    wrong = await server.anybody.post("/auth/login", {"email": EMAIL, "password": "wrong password"})
    unknown = await server.anybody.post("/auth/login", {"email": "no@example.org", "password": PASSWORD})
    refused(wrong, 401, "invalid_credentials")
    assert wrong.raw == unknown.raw


async def test_somebody_entered_at_the_desk_has_no_account_to_log_in_to(clinic: Clinic) -> None:
    await clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"})
    refused(await clinic.server.anybody.post("/auth/login", {"email": "", "password": ""}), 401, "invalid_credentials")


async def test_a_refresh_token_works_once_and_a_second_use_revokes_the_whole_session(server: Server) -> None:
    await register(server)
    first = (await log_in(server))["refresh_token"]
    second = await refresh(server, first)
    assert (second.status, second["user"]["email"]) == (200, EMAIL)
    assert second["refresh_token"] != first
    refused(await refresh(server, first), 401, "invalid_token")
    refused(await refresh(server, second["refresh_token"]), 401, "invalid_token")


async def test_a_revoked_session_leaves_the_users_other_sessions_alone(server: Server) -> None:
    await register(server)
    stolen, other = (await log_in(server))["refresh_token"], (await log_in(server))["refresh_token"]
    await refresh(server, stolen)
    await refresh(server, stolen)
    assert (await refresh(server, other)).status == 200


async def test_of_ten_uses_of_one_refresh_token_at_once_at_most_one_gets_tokens(server: Server) -> None:
    await register(server)
    token = (await log_in(server))["refresh_token"]
    answers = await asyncio.gather(*(refresh(server, token) for _ in range(10)))
    granted = [answer for answer in answers if answer.status == 200]
    assert len(granted) == 1
    refused(await refresh(server, granted[0]["refresh_token"]), 401, "invalid_token")


async def test_a_logout_ends_the_session_and_may_be_repeated(server: Server) -> None:
    await register(server)
    login = await log_in(server)
    asha, body = Asker(server.http, login["access_token"]), {"refresh_token": login["refresh_token"]}
    assert [(await asha.post("/auth/logout", body)).status for _ in range(2)] == [204, 204]
    refused(await refresh(server, login["refresh_token"]), 401, "invalid_token")


async def test_a_refresh_token_that_is_not_ours_is_401(server: Server) -> None:
    for token in ("", "x", "12345678-1234-5678-1234-567812345678.secret", "\x00", "a.b.c", "é" * 300):
        refused(await refresh(server, token), 401, "invalid_token")


async def test_the_same_registration_under_the_same_key_makes_one_account(server: Server) -> None:
    body = {"name": "Asha", "email": EMAIL, "password": PASSWORD}
    first = await server.anybody.post("/auth/register", body, idempotency_key="k")
    again = await server.anybody.post("/auth/register", body, idempotency_key="k")
    assert (again.status, again, again.headers["idempotent-replay"]) == (201, first, "true")
    other = await server.anybody.post("/auth/register", body | {"name": "B"}, idempotency_key="k")
    refused(other, 409, "idempotency_mismatch")


BROKEN_ESCAPES = ("\\ud800", "\\udc00\\ud800", "\\u00", "\\x00")
BAD_REGISTRATIONS: list[dict[str, Any]] = [
    *({"name": name} for name in ("", " ", "a\x00b", "a\nb", "a\n", "\x7f", "x" * 121, 7, None, ["A"])),
    *({"email": email} for email in ("", "a", "a@", "@b", "a b@c", "a@b@c", "a@b\n", "a@\x00b", "x" * 251 + "@b.c", 7)),
    *({"password": password} for password in ("", "1234567", "x" * 201, 12345678, None)),
    *({"phone": phone} for phone in ("12", "call me", "0" * 41, "98450\n", 9845000000)),
]


async def test_every_malformed_registration_is_400_names_the_field_and_makes_no_account(server: Server) -> None:
    for field in BAD_REGISTRATIONS:
        answer = await register(server, **field)
        refused(answer, 400, "malformed")
        assert answer["errors"][0]["field"] == next(iter(field)), field
        assert answer["errors"][0]["message"]
    refused(await log_in(server), 401, "invalid_credentials")


async def test_a_broken_escape_in_any_text_is_400(server: Server) -> None:
    for field, escape in product(("name", "email", "password", "phone"), BROKEN_ESCAPES):
        body = json.dumps({"name": "A", "email": EMAIL, "password": PASSWORD, "phone": "123"} | {field: "ESCAPE"})
        answer = await server.anybody.post("/auth/register", body.replace("ESCAPE", f"a{escape}b@c").encode())
        refused(answer, 400, "malformed")
