"""Sessions: a chain of refresh tokens, each good once. A second use of one ends the session."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from mediqon.auth.models import User
from mediqon.database import Connection, statements
from mediqon.errors import InvalidToken

SQL = statements("auth")
LIFETIME = timedelta(days=30)


async def start(conn: Connection, user: User, *, now: datetime) -> str:
    """A new session; returns its first refresh token."""
    session, secret = uuid4(), secrets.token_urlsafe(32)
    await conn.execute(SQL.insert_session, session, user.id, _digest(secret), now, now + LIFETIME)
    return f"{session}.{secret}"


async def rotate(conn: Connection, refresh_token: str, *, now: datetime) -> tuple[int, str] | None:
    """Spends a refresh token: the user's id and the next token.

    None when it was spent before: the session is then revoked, and the caller must commit that. Raises InvalidToken
    when it is not of a living session.
    """
    session, secret = _parse(refresh_token)
    row = await conn.fetchrow(SQL.lock_session, session)
    if row is None or row["revoked_at"] is not None or row["expires_at"] <= now:
        raise InvalidToken
    if not hmac.compare_digest(row["refresh_hash"], _digest(secret)):
        await conn.execute(SQL.revoke_session, session, now)
        return None
    following = secrets.token_urlsafe(32)
    await conn.execute(SQL.rotate_session, session, _digest(following), now + LIFETIME)
    return row["user_id"], f"{session}.{following}"


async def end(conn: Connection, refresh_token: str, *, user_id: int, now: datetime) -> None:
    """Revokes the user's session of this token, spent or not; nothing happens if there is none."""
    session, _ = _parse(refresh_token)
    await conn.execute(SQL.end_session, session, now, user_id)


def _parse(refresh_token: str) -> tuple[UUID, str]:
    session, _, secret = refresh_token.partition(".")
    try:
        return UUID(session), secret
    except ValueError:
        raise InvalidToken from None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
