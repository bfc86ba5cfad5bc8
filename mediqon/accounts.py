"""The first account of a hospital, made from the command line."""

import msgspec

from mediqon.auth import passwords
from mediqon.auth.models import Role
from mediqon.auth.routes import add_user
from mediqon.database import connection, statements
from mediqon.errors import Malformed
from mediqon.fields import Email, Name, NewPassword
from mediqon.hospitals.slots import is_timezone
from mediqon.settings import Settings


class Created(msgspec.Struct, frozen=True):
    hospital_id: int
    user_id: int


class FirstAccount(msgspec.Struct, frozen=True):
    """What the first account needs; the same bounds as over HTTP."""

    name: Name
    email: Email
    password: NewPassword


async def create_hospital(settings: Settings, name: str, timezone: str, email: str, password: str) -> Created:
    """A hospital and the account that manages it.

    Raises EmailTaken, and ValueError for a value out of bounds or an unknown timezone.
    """
    if not is_timezone(timezone):
        raise ValueError(f"{timezone!r} is not an IANA timezone; Asia/Kolkata is one.")
    first = msgspec.convert({"name": name, "email": email, "password": password}, FirstAccount)
    try:
        password_hash = await passwords.hash_new(first.password, first.name, first.email)
    except Malformed as problem:
        raise ValueError(f"The password {problem.message}.") from None
    async with connection(settings) as conn, conn.transaction():
        hospital_id = await conn.fetchval(statements("hospitals").insert_hospital, first.name, timezone)
        user_id = await add_user(conn, Role.HOSPITAL, first.name, first.email, password_hash, hospital_id=hospital_id)
    return Created(hospital_id, user_id)
