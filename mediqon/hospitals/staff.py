"""The accounts that manage a hospital."""

from datetime import datetime
from uuid import UUID

import msgspec

from mediqon.auth import sessions
from mediqon.auth.models import Actor, Role, User
from mediqon.auth.routes import add_user, find_user
from mediqon.database import Connection, statements
from mediqon.errors import InvalidToken, NotFound, OwnAccount
from mediqon.fields import Email, Name, NewPassword

SQL = statements("hospitals")
AUTH = statements("auth")


class NewStaff(msgspec.Struct, forbid_unknown_fields=True):
    """A colleague at reception or in the administration."""

    name: Name
    email: Email
    password: NewPassword


class GivenPassword(msgspec.Struct, forbid_unknown_fields=True):
    """What a doctor logs in with from now on."""

    password: NewPassword


async def add(conn: Connection, hospital_id: int, asked: NewStaff, *, password_hash: str) -> User:
    """A new account of the role `hospital`. Raises EmailTaken."""
    user_id = await add_user(conn, Role.HOSPITAL, asked.name, asked.email, password_hash, hospital_id=hospital_id)
    return await find_user(conn, user_id)


async def everybody(conn: Connection, hospital_id: int) -> list[User]:
    """The accounts that are not disabled, by name."""
    return [msgspec.convert({**row}, User) for row in await conn.fetch(SQL.list_staff, hospital_id)]


async def disable(conn: Connection, hospital_id: int, user_id: int, *, actor: Actor, now: datetime) -> list[UUID]:
    """Ends an account for good, and its address is free again; returns the sessions that have ended with it.

    What it did stays in the story of each visit. Raises NotFound, OwnAccount (so the last account always stays), or
    InvalidToken for an actor who has been disabled meanwhile.
    """
    living = [row["id"] for row in await conn.fetch(SQL.lock_staff, hospital_id)]
    if actor.id not in living:
        raise InvalidToken
    if user_id not in living:
        raise NotFound("There is no such account at your hospital.")
    if user_id == actor.id:
        raise OwnAccount
    await conn.execute(AUTH.disable_user, user_id, now)
    return await sessions.end_all(conn, user_id, now=now)
