"""`Idempotency-Key`: the same request by the same user is done once and answered alike."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response

from mediqon.database import Connection, statements
from mediqon.errors import IdempotencyMismatch, Malformed

SQL = statements("auth")
KEY_MAX_CHARACTERS = 200
NOBODY = 0
"""Stands for whoever has no account yet."""


class Attempt(msgspec.Struct, frozen=True):
    """One request under its key; an empty key is a request without one."""

    user_id: int
    key: str
    digests: list[bytes]
    """What the request says, under today's secret and then under the one before it."""


async def attempt(request: Request[Any, Any, Any], user_id: int = NOBODY) -> Attempt:
    """What the request's `Idempotency-Key` header asks for. Raises Malformed when the key is too long."""
    key = request.headers.get("idempotency-key", "")
    if len(key) > KEY_MAX_CHARACTERS or "\x00" in key:
        raise Malformed("Idempotency-Key", f"must have at most {KEY_MAX_CHARACTERS} characters")
    secrets: tuple[str, ...] = request.app.state.settings.jwt_secrets
    message = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Attempt(user_id, key, [hmac.digest(secret.encode(), message, hashlib.sha256) for secret in secrets])


async def earlier(conn: Connection, attempt: Attempt, *, now: datetime) -> Response[bytes] | None:
    """The first answer to this very request; None the first time. Raises IdempotencyMismatch for another request's key.

    A twin under way is waited for. The caller's transaction must end with `keep`, or the key is free again.
    """
    if not attempt.key:
        return None
    if await conn.fetchval(SQL.claim_key, attempt.user_id, attempt.key, attempt.digests[0], now):
        return None
    row = await conn.fetchrow(SQL.find_key, attempt.user_id, attempt.key)
    if row is None or not any(hmac.compare_digest(row["request_hash"], digest) for digest in attempt.digests):
        raise IdempotencyMismatch
    return Response(
        row["body"], status_code=row["status"], media_type="application/json", headers={"Idempotent-Replay": "true"}
    )


async def keep(conn: Connection, attempt: Attempt, answer: msgspec.Struct, *, status: int = 201) -> None:
    """Keeps the answer for a repetition."""
    if attempt.key:
        await conn.execute(SQL.keep_answer, attempt.user_id, attempt.key, status, msgspec.json.encode(answer))
