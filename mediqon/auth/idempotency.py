"""`Idempotency-Key`: the same request by the same user is done once and answered alike."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response

from mediqon.auth.access import header
from mediqon.database import Connection, statements
from mediqon.errors import IdempotencyMismatch, Malformed, Problem, Unavailable

SQL = statements("auth")
KEY_MAX_CHARACTERS = 200
NOBODY = 0
"""Stands for whoever has no account yet."""


class Replay(Response[bytes]):
    """The first answer, given again."""


class UnderWay(Unavailable):
    """The same request is just being served. Please try again in a moment."""


class Attempt(msgspec.Struct, frozen=True):
    """One request under its key; an empty key is a request without one."""

    user_id: int
    key: str
    digests: list[bytes]
    """What the request says, under today's secret and then under the one before it."""


ONCE = Attempt(NOBODY, "", [])
"""Whatever is asked without a key."""


async def attempt(request: Request[Any, Any, Any], user_id: int = NOBODY) -> Attempt:
    """What the request's `Idempotency-Key` header asks for. Raises Malformed when the key is too long."""
    key = header(request.scope, b"idempotency-key") or ""
    if len(key) > KEY_MAX_CHARACTERS or "\x00" in key:
        raise Malformed("Idempotency-Key", f"must have at most {KEY_MAX_CHARACTERS} characters")
    if not key:
        return ONCE
    secrets: tuple[str, ...] = request.app.state.settings.jwt_secrets
    message = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Attempt(user_id, key, [hmac.digest(secret.encode(), message, hashlib.sha256) for secret in secrets])


async def earlier(conn: Connection, attempt: Attempt, *, now: datetime) -> Replay | None:
    """The first answer to this very request; None the first time. Raises IdempotencyMismatch for another request's key.

    A twin under way is waited for. The caller's transaction must end with `keep`, or the key is free again.
    """
    (answer,) = await claim(conn, [attempt], now=now, wait=True)
    if isinstance(answer, Problem):
        raise answer
    return answer


async def claim(
    conn: Connection, attempts: Sequence[Attempt], *, now: datetime, wait: bool
) -> list[Replay | IdempotencyMismatch | UnderWay | None]:
    """The same for several requests at once; what would be raised stands in its place. Of two with one key the later
    is UnderWay, and unless `wait` so is whoever has a twin elsewhere.

    The caller's transaction must end with `settle`.
    """
    first = {(each.user_id, each.key): each for each in reversed(attempts) if each.key}
    if not first:
        return [None] * len(attempts)
    whose = sorted(first)  # in one order, so that nobody waits for each other
    users, keys = [user for user, _ in whose], [key for _, key in whose]
    rows = await conn.fetch(SQL.claim_keys, users, keys, [first[each].digests[0] for each in whose], now, wait)
    claimed = {(row["user_id"], row["key"]) for row in rows}
    return [await _answer(conn, each, first, claimed) for each in attempts]


async def _answer(
    conn: Connection, attempt: Attempt, first: dict[tuple[int, str], Attempt], claimed: set[tuple[int, str]]
) -> Replay | IdempotencyMismatch | UnderWay | None:
    who = attempt.user_id, attempt.key
    if not attempt.key:
        return None
    if who in claimed:
        return None if first[who] is attempt else UnderWay()
    row = await conn.fetchrow(SQL.find_key, attempt.user_id, attempt.key)
    if row is None:
        return UnderWay()
    if not any(hmac.compare_digest(row["request_hash"], digest) for digest in attempt.digests):
        return IdempotencyMismatch()
    return Replay(
        row["body"], status_code=row["status"], media_type="application/json", headers={"Idempotent-Replay": "true"}
    )


async def keep(conn: Connection, attempt: Attempt, answer: msgspec.Struct, *, status: int = 201) -> None:
    """Keeps the answer for a repetition."""
    await settle(conn, [attempt], [answer], status=status)


def kept(attempt: Attempt, answer: msgspec.Struct, status: int, now: datetime) -> dict[str, object]:
    """The answer as a row, for a statement that keeps it with what it answers."""
    return {
        "user_id": attempt.user_id,
        "key": attempt.key,
        "digest": attempt.digests[0].hex(),
        "status": status,
        "body": msgspec.json.encode(answer).decode(),
        "at": now,
    }


async def settle(
    conn: Connection, attempts: Sequence[Attempt], answers: Sequence[msgspec.Struct | None], *, status: int = 201
) -> None:
    """The same for several; the keys of those that have no answer are free again."""
    keyed = [(each, answer) for each, answer in zip(attempts, answers, strict=True) if each.key]
    if keyed:
        await conn.execute(
            SQL.keep_answers,
            [each.user_id for each, _ in keyed],
            [each.key for each, _ in keyed],
            [None if answer is None else msgspec.json.encode(answer) for _, answer in keyed],
            status,
        )
