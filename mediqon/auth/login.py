"""Checking who somebody says they are, slowly enough for guessers and at the same speed whether or not they exist."""

from datetime import datetime

import msgspec

from mediqon.auth import passwords
from mediqon.auth.doors import LoginDoors
from mediqon.auth.models import User
from mediqon.database import Pool, reading, statements
from mediqon.errors import InvalidCredentials

SQL = statements("auth")


class Checked(msgspec.Struct, frozen=True):
    """Whose password it was, and when that was made: null for the account's first one."""

    user: User
    password_of: datetime | None


async def check(pool: Pool, doors: LoginDoors, email: str, password: str) -> Checked:
    """The account of this address, in lower case, and password. Raises InvalidCredentials, or Throttled after too many.

    The limits are looked at twice: a crowd that came in before the first of them failed is turned away at its turn.
    """
    await doors.enter()
    passwords.refuse_crowd(passwords.turns())
    async with passwords.turns():
        await doors.enter()
        async with reading(pool) as conn:
            row = await conn.fetchrow(SQL.find_user_by_email, email)
        if not await passwords.matches(password, row["password_hash"] if row else None) or row is None:
            await doors.failed()
            raise InvalidCredentials
        renewed = await passwords.renewed(password, row["password_hash"])
    if renewed:
        async with reading(pool) as conn:
            await conn.execute(SQL.rehash_password, row["id"], renewed, row["password_hash"])
    await doors.succeeded()
    return Checked(msgspec.convert({**row}, User), row["password_changed_at"])
