"""Accounts over HTTP: register, log in, refresh, log out, me."""

from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from mediqon.auth import idempotency, passwords, sessions, tokens
from mediqon.auth.access import SECURITY, anyone_known
from mediqon.auth.models import Role, User
from mediqon.database import Connection, reading, statements, transaction
from mediqon.errors import EmailTaken, InvalidCredentials, InvalidToken
from mediqon.fields import Email, Name, NewPassword, Phone, Secret
from mediqon.given import Actor, Now, Pool

SQL = statements("auth")


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    email: Email
    password: NewPassword
    phone: Phone | None = None


class Login(msgspec.Struct, forbid_unknown_fields=True):
    email: Secret
    password: Secret


class RefreshToken(msgspec.Struct, forbid_unknown_fields=True):
    refresh_token: Secret


class LoggedIn(msgspec.Struct, kw_only=True):
    """`expires_in`: seconds that the access token lasts."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int = int(tokens.LIFETIME.total_seconds())
    refresh_token: str
    user: User


@post("/auth/register")
async def register(
    request: Request[Any, Any, Any], data: JSONBody[Registration], pool: Pool, now: Now
) -> User | Response[bytes]:
    """A new patient account. 409 `email_taken`."""
    attempt = await idempotency.attempt(request)
    password_hash = await passwords.hash_password(data.password)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        user_id = await add_user(conn, Role.PATIENT, data.name, data.email, password_hash, phone=data.phone)
        user = await find_user(conn, user_id)
        await idempotency.keep(conn, attempt, user)
    return user


@post("/auth/login", status_code=200)
async def login(data: JSONBody[Login], pool: Pool, now: Now, state: State) -> LoggedIn:
    """Tokens for an account. 401 `invalid_credentials`."""
    async with reading(pool) as conn:
        row = await conn.fetchrow(SQL.find_user_by_email, data.email)
    if not await passwords.matches(data.password, row["password_hash"] if row else None) or row is None:
        raise InvalidCredentials
    user = msgspec.convert({**row}, User)
    async with reading(pool) as conn:
        refresh_token = await sessions.start(conn, user, now=now)
    return _logged_in(user, refresh_token, state, now)


@post("/auth/refresh", status_code=200)
async def refresh(data: JSONBody[RefreshToken], pool: Pool, now: Now, state: State) -> LoggedIn:
    """The next pair of tokens. 401 `invalid_token`; a refresh token that comes a second time ends the session."""
    async with transaction(pool) as conn:
        rotated = await sessions.rotate(conn, data.refresh_token, now=now)
        user = rotated and await find_user(conn, rotated[0])
    if rotated is None or user is None:
        raise InvalidToken("This refresh token was used before: the session is over. Log in again.")
    return _logged_in(user, rotated[1], state, now)


@post("/auth/logout", status_code=204, guards=[anyone_known], security=SECURITY)
async def logout(data: JSONBody[RefreshToken], actor: Actor, pool: Pool, now: Now) -> None:
    """Ends the session."""
    async with reading(pool) as conn:
        await sessions.end(conn, data.refresh_token, user_id=actor.id, now=now)


@get("/auth/me", guards=[anyone_known], security=SECURITY)
async def me(actor: Actor, pool: Pool) -> User:
    """Whose token this is."""
    async with reading(pool) as conn:
        return await find_user(conn, actor.id)


async def add_user(
    conn: Connection,
    role: Role,
    name: str,
    email: str | None,
    password_hash: str | None,
    *,
    phone: str | None = None,
    hospital_id: int | None = None,
) -> int:
    """The id of a new account. Raises EmailTaken."""
    try:
        async with conn.transaction():
            return await conn.fetchval(SQL.insert_user, role, name.strip(), email, phone, password_hash, hospital_id)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "users_email_key":
            raise
        raise EmailTaken from None


async def find_user(conn: Connection, user_id: int) -> User:
    """Raises InvalidToken if the account is gone."""
    row = await conn.fetchrow(SQL.find_user, user_id)
    if row is None:
        raise InvalidToken
    return msgspec.convert(dict(row), User)


def _logged_in(user: User, refresh_token: str, state: State, now: datetime) -> LoggedIn:
    access_token = tokens.sign(user, secret=state.settings.jwt_secret, now=now)
    return LoggedIn(access_token=access_token, refresh_token=refresh_token, user=user)


ROUTES = [register, login, refresh, logout, me]
