"""Accounts over HTTP: register, log in, refresh, log out, another password, me."""

from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

from mediqon.auth import cookies, idempotency, models, passwords, sessions, tokens
from mediqon.auth.access import SECURITY, anyone_known, leaving
from mediqon.auth.doors import LoginDoors, address_of, registrations
from mediqon.auth.login import check
from mediqon.auth.models import Role, User
from mediqon.auth.noted import note_account
from mediqon.auth.sessions import Asked, Following
from mediqon.database import Connection, reading, statements, transaction
from mediqon.errors import EmailTaken, InvalidCredentials, InvalidToken, Malformed, WrongPassword
from mediqon.fields import Email, Name, NewPassword, Phone, Secret
from mediqon.given import Actor, Ended, Now, Pool

SQL = statements("auth")


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    email: Email
    password: NewPassword
    phone: Phone | None = None


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """With `cookie`, for pages: the refresh token goes into a cookie that no script can read, not into the answer."""

    email: Secret
    password: Secret
    cookie: bool = False


class RefreshToken(msgspec.Struct, forbid_unknown_fields=True):
    """Left out where the browser's cookie holds it."""

    refresh_token: Secret | None = None


class PasswordChange(msgspec.Struct, forbid_unknown_fields=True):
    password: Secret
    new_password: NewPassword


class LoggedIn(msgspec.Struct, kw_only=True):
    """`expires_in`: seconds that the access token lasts. No `refresh_token` where the browser's cookie holds it."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int = int(tokens.LIFETIME.total_seconds())
    refresh_token: str | None
    user: User


@post("/auth/register")
async def register(
    request: Request[Any, Any, Any], data: JSONBody[Registration], pool: Pool, now: Now
) -> User | Response[bytes]:
    """A new patient account. 409 `email_taken`; 429 `throttled` after too many from one address."""
    attempt = await idempotency.attempt(request)
    door = registrations(request)
    password_hash = await passwords.hash_new(data.password, data.name, data.email, door=door)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        user_id = await add_user(conn, Role.PATIENT, data.name, data.email, password_hash, phone=data.phone)
        user = await find_user(conn, user_id)
        await idempotency.keep(conn, attempt, user)
    return user


@post("/auth/login", status_code=200)
async def login(
    request: Request[Any, Any, Any], data: JSONBody[Login], pool: Pool, now: Now, state: State
) -> Response[LoggedIn]:
    """Tokens for an account. 401 `invalid_credentials`; 429 `throttled` after too many wrong passwords."""
    if data.cookie:
        cookies.refuse_other_origins(request)
    email = data.email.lower()
    doors = LoginDoors(state.throttle, email, address_of(request))
    checked = await check(pool, doors, email, data.password)
    async with reading(pool) as conn:
        session, refresh_token = await sessions.start(conn, checked.user, password_of=checked.password_of, now=now)
    note_account(request, checked.user.id, checked.user.role)
    following = Following(session, checked.user.id, refresh_token)
    return _logged_in(request, checked.user, following, by_cookie=data.cookie)


@post("/auth/refresh", status_code=200)
async def refresh(
    request: Request[Any, Any, Any],
    pool: Pool,
    now: Now,
    state: State,
    ended: Ended,
    data: JSONBody[RefreshToken | None] = None,
) -> Response[LoggedIn]:
    """The next pair of tokens. 401 `invalid_token`; a refresh token that comes a second time ends the session.

    After a lost answer a repetition under the same `Idempotency-Key` is answered with the same next token, within 30
    seconds; a browser's cookie needs no key for that.
    """
    asked = _asked(request, data)
    secret: str = state.settings.jwt_secret
    async with transaction(pool) as conn:
        following = await sessions.rotate(conn, asked, server_secret=secret, now=now)
        user = isinstance(following, Following) and await find_user(conn, following.user_id)
    if not isinstance(following, Following) or not user:
        ended.add([following] if isinstance(following, UUID) else [], now=now)
        raise InvalidToken("This refresh token was used before: the session is over. Log in again.")
    return _logged_in(request, user, following, by_cookie=asked.by_cookie)


@post("/auth/logout", status_code=204, guards=[leaving], security=SECURITY)
async def logout(
    request: Request[Any, Any, Any], pool: Pool, now: Now, ended: Ended, data: JSONBody[RefreshToken | None] = None
) -> Response[None]:
    """Ends the session, everywhere within seconds. A browser needs no access token for that: its cookie is enough."""
    asked = _asked(request, data)
    actor: models.Actor | None = request.scope["state"].get("actor")
    async with transaction(pool) as conn:
        if asked.by_cookie or actor is None:
            over = await sessions.end_by_token(conn, asked.refresh_token, now=now)
        else:
            over = await sessions.end_own(conn, asked.refresh_token, user_id=actor.id, now=now)
    ended.add(over, now=now)
    return Response(None, status_code=204, cookies=[cookies.keeping("", request)] if asked.by_cookie else [])


@post("/auth/password", status_code=204, guards=[anyone_known], security=SECURITY)
async def change_password(
    request: Request[Any, Any, Any],
    data: JSONBody[PasswordChange],
    actor: Actor,
    pool: Pool,
    now: Now,
    state: State,
    ended: Ended,
) -> None:
    """Another password; everything else that the account is logged in with ends.

    403 `wrong_password` without the present one; 429 `throttled` after too many wrong ones.
    """
    async with reading(pool) as conn:
        user = await find_user(conn, actor.id)
    try:
        doors = LoginDoors(state.throttle, user.email or "", address_of(request))
        await check(pool, doors, user.email or "", data.password)
    except InvalidCredentials:
        raise WrongPassword from None
    password_hash = await passwords.hash_new(data.new_password, user.name, user.email or "", field="new_password")
    async with transaction(pool) as conn:
        await conn.execute(SQL.change_password, actor.id, password_hash, now)
        over = await sessions.end_all(conn, actor.id, now=now, but=actor.session)
    ended.add(over, now=now)


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
            return await conn.fetchval(
                SQL.insert_user, role, name.strip(), email and email.lower(), phone, password_hash, hospital_id
            )
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


def _asked(request: Request[Any, Any, Any], data: RefreshToken | None) -> Asked:
    """The refresh token of the body, else of the cookie. Raises Malformed without either."""
    if data and data.refresh_token is not None:
        return Asked(data.refresh_token, key=request.headers.get("idempotency-key", ""))
    token = cookies.refresh_token(request)
    if token is None:
        raise Malformed("refresh_token", "is needed")
    return Asked(token, by_cookie=True)


def _logged_in(
    request: Request[Any, Any, Any], user: User, following: Following, *, by_cookie: bool
) -> Response[LoggedIn]:
    state = request.app.state
    answer = LoggedIn(
        access_token=tokens.sign(user, secret=state.settings.jwt_secret, now=state.clock(), session=following.session),
        refresh_token=None if by_cookie else following.refresh_token,
        user=user,
    )
    return Response(answer, cookies=[cookies.keeping(following.refresh_token, request)] if by_cookie else [])


ROUTES = [register, login, refresh, logout, change_password, me]
