"""Passwords: argon2id, off the event loop, a few at a time."""

from functools import cache

import anyio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

AT_ONCE = 2
"""How many may be hashed at the same time: each takes a core and 19 MiB."""

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _turns() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(AT_ONCE)


@cache
def _nobody() -> str:
    return _hasher.hash("nobody's password")


async def hash_password(password: str) -> str:
    """About 40 ms of one core."""
    return await anyio.to_thread.run_sync(_hasher.hash, password, limiter=_turns())


async def matches(password: str, password_hash: str | None) -> bool:
    """Whether they belong together. The same work where there is no hash, so that time does not tell."""
    known = await anyio.to_thread.run_sync(_verify, password, password_hash or _nobody(), limiter=_turns())
    return known and password_hash is not None


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
