"""Which passwords may be one, and that a stronger hash is taken when there is a chance."""

import argon2
import pytest

from builders import PASSWORD, Server, refused
from mediqon.auth import passwords
from mediqon.database import connection
from mediqon.errors import Malformed

pytestmark = pytest.mark.anyio

GUESSED_FIRST = (
    *("password", "Password1", "PASSWORD123", "12345678", "87654321", "aaaaaaaa", "abcdefgh", "qwertyuiop", "iloveyou"),
    *("letmein123", "1q2w3e4r", "hospital123", "clinic1234", "welcome1", "p@ssw0rd", "zyxwvuts"),
)
FINE = (
    *(
        "correct horse 1",
        "a long password",
        "nur kleine buchstaben",
        "🙂🙃🙂🙃🙂🙃🙂🙃",
        "密码密码密码密码甲",
        "        x",
        "x" * 199 + "y",
    ),
    *("password of my own", "12345678 and then some"),
)


def test_what_everybody_tries_first_is_refused_and_nothing_else_about_letters_is_asked() -> None:
    for password in GUESSED_FIRST:
        with pytest.raises(Malformed):
            passwords.refuse_guessable(password)
    for password in FINE:
        passwords.refuse_guessable(password)


def test_the_own_name_and_address_are_no_password() -> None:
    for password in ("asha iyer", "ashaiyer", "Asha.Iyer@example.org", "asha.iyer"):
        with pytest.raises(Malformed):
            passwords.refuse_guessable(password, "Asha Iyer", "asha.iyer@example.org")
    passwords.refuse_guessable("asha iyer rides a horse", "Asha Iyer", "asha.iyer@example.org")


async def test_a_registration_with_a_guessable_password_names_the_field(server: Server) -> None:
    body = {"name": "Asha Iyer", "email": "asha@example.org"}
    for password in ("password123", "asha iyer", "asha@example.org"):
        answer = await server.anybody.post("/auth/register", {**body, "password": password})
        refused(answer, 400, "malformed")
        assert answer["errors"][0]["field"] == "password"


async def test_one_password_typed_on_two_keyboards_is_one_password(server: Server) -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    body = {"name": "A", "email": "a@example.org", "password": composed}
    assert (await server.anybody.post("/auth/register", body)).status == 201
    await server.log_in("a@example.org", decomposed)


async def test_a_weaker_hash_of_old_is_replaced_at_the_next_log_in(server: Server) -> None:
    patient = await server.patient()
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD)
    async with connection(server.settings) as conn:
        await conn.execute("update users set password_hash = $1 where email = $2", weak, patient.email)
        refused(
            await server.anybody.post("/auth/login", {"email": patient.email, "password": "wrong one"}),
            401,
            "invalid_credentials",
        )
        hashes = "select password_hash from users where email = $1"
        assert await conn.fetchval(hashes, patient.email) == weak
        await server.log_in(patient.email)
        renewed = await conn.fetchval(hashes, patient.email)
    assert "m=19456,t=2,p=1" in renewed
    await server.log_in(patient.email)
