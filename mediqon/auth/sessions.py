"""Sessions: a chain of refresh tokens, each good once. A second use of one ends the session.

A successor is computed from the token it follows under the server's secret, so that the same one can be answered again
where the first answer may have been lost: to a repetition under the same Idempotency-Key, and to a browser's cookie,
which several tabs send at once.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec

from mediqon.auth.models import User
from mediqon.database import Connection, statements
from mediqon.errors import InvalidCredentials, InvalidToken

SQL = statements("auth")
LIFETIME = timedelta(days=30)
GRACE = timedelta(seconds=30)
"""How long after a token was spent its answer may be asked for again."""


class Asked(msgspec.Struct, frozen=True):
    """A request for the next token. `key`: its Idempotency-Key, or empty."""

    refresh_token: str
    key: str = ""
    by_cookie: bool = False


class Following(msgspec.Struct, frozen=True):
    """The next token of a session; the one before it is spent."""

    session: UUID
    user_id: int
    refresh_token: str


async def start(conn: Connection, user: User, *, password_of: datetime | None, now: datetime) -> tuple[UUID, str]:
    """A new session and its first refresh token. `password_of`: when the password that was checked was made.

    Raises InvalidCredentials for an account that was disabled, or whose password was changed, meanwhile.
    """
    session, secret = uuid4(), secrets.token_urlsafe(32)
    started = await conn.fetchval(
        SQL.insert_session, session, user.id, _digest(secret), now, now + LIFETIME, password_of
    )
    if started is None:
        raise InvalidCredentials
    return session, f"{session}.{secret}"


async def rotate(conn: Connection, asked: Asked, *, server_secret: str, now: datetime) -> Following | UUID:
    """Spends a refresh token.

    A token that was spent before is a session's end: its id is returned, and the caller must commit that. Raises
    InvalidToken when it is not of a living session.
    """
    session, secret = _parse(asked.refresh_token)
    row = await conn.fetchrow(SQL.lock_session, session)
    if row is None or row["revoked_at"] is not None or row["expires_at"] <= now:
        raise InvalidToken
    following = _successor(session, secret, server_secret)
    if hmac.compare_digest(row["refresh_hash"], _digest(secret)):
        repeat = _digest(asked.key) if asked.key else None
        await conn.execute(SQL.rotate_session, session, _digest(following), now + LIFETIME, now, repeat)
    elif not (_may_repeat(row, secret, asked, now) and hmac.compare_digest(row["refresh_hash"], _digest(following))):
        await conn.execute(SQL.revoke_session, session, now)
        return session
    return Following(session, row["user_id"], f"{session}.{following}")


async def end_own(conn: Connection, refresh_token: str, *, user_id: int, now: datetime) -> list[UUID]:
    """Revokes the user's session of this token, spent or not; returns it. Nothing happens if there is none."""
    session, _ = _parse(refresh_token)
    return [row["id"] for row in await conn.fetch(SQL.end_session, session, now, user_id)]


async def end_by_token(conn: Connection, refresh_token: str, *, now: datetime) -> list[UUID]:
    """Revokes the session of which this is the last or last but one token; returns it. Nothing for any other token."""
    session, secret = _parse(refresh_token)
    row = await conn.fetchrow(SQL.lock_session, session)
    known = [row["refresh_hash"], row["previous_hash"] or b""] if row else []
    if not any(hmac.compare_digest(each, _digest(secret)) for each in known):
        return []
    await conn.execute(SQL.revoke_session, session, now)
    return [session]


async def end_all(conn: Connection, user_id: int, *, now: datetime, but: UUID | None = None) -> list[UUID]:
    """Revokes every session of an account, `but` one; returns which."""
    return [row["id"] for row in await conn.fetch(SQL.revoke_sessions, user_id, now, but)]


def _parse(refresh_token: str) -> tuple[UUID, str]:
    """Which session it is of, and its secret. Raises InvalidToken."""
    session, _, secret = refresh_token.partition(".")
    try:
        return UUID(session), secret
    except ValueError:
        raise InvalidToken from None


def _may_repeat(row: asyncpg.Record, secret: str, asked: Asked, now: datetime) -> bool:
    """Whether this is the token spent last, by somebody who need not know that it was spent."""
    if row["previous_hash"] is None or not hmac.compare_digest(row["previous_hash"], _digest(secret)):
        return False
    same_key = bool(asked.key) and hmac.compare_digest(row["repeat_hash"] or b"", _digest(asked.key))
    return (asked.by_cookie or same_key) and now - row["rotated_at"] <= GRACE


def _successor(session: UUID, secret: str, server_secret: str) -> str:
    message = f"refresh {session}.{secret}".encode()
    return urlsafe_b64encode(hmac.digest(server_secret.encode(), message, hashlib.sha256)).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
