"""Passwords: argon2id, off the event loop, a few at a time. What may be one follows NIST SP 800-63B, 5.1.1: length, not
among those that everybody tries first, not the account's own words; no rule about kinds of characters.
"""

import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path

import anyio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from mediqon.auth.doors import Counted
from mediqon.errors import Malformed, Throttled

AT_ONCE = 2
"""How many log-ins may be checked at the same time: each takes a core and 19 MiB."""
NEW_AT_ONCE = 1
"""How many new passwords may be hashed at the same time: of those who register, and of others. They never take a
log-in's turn, nor each other's.
"""
WAITING_MAX = 500
"""More than this wait for no turn: they are asked to come again. The last of them waits 10 s."""
COME_AGAIN_SECONDS = 5
OWN_WORD_MIN_CHARACTERS = 4

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def turns() -> anyio.CapacityLimiter:
    """Whose password is checked next. Hold a turn from looking at the limits until the outcome is counted, so that no
    crowd of guesses slips past them.
    """
    return anyio.CapacityLimiter(AT_ONCE)


@cache
def _turns_for_new(*, strangers: bool) -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(NEW_AT_ONCE)


@cache
def _nobody() -> str:
    return _hasher.hash("nobody's password")


def refuse_crowd(limiter: anyio.CapacityLimiter) -> None:
    """Raises Throttled when too many wait already."""
    if limiter.statistics().tasks_waiting >= WAITING_MAX:
        raise Throttled(COME_AGAIN_SECONDS)


async def hash_new(password: str, *own_words: str, field: str = "password", door: Counted | None = None) -> str:
    """The hash of a new password: about 40 ms of one core. `own_words`: the account's name and address.

    `door`, for those who have no account yet, is looked at twice: a crowd that came before it closed is turned away at
    its turn. Raises Malformed for a password that would soon be guessed, or Throttled.
    """
    refuse_guessable(password, *own_words, field=field)
    if door is not None:
        await door.look()
    turns_for_new = _turns_for_new(strangers=door is not None)
    refuse_crowd(turns_for_new)
    async with turns_for_new:
        if door is not None:
            await door.enter()
        return await anyio.to_thread.run_sync(_hasher.hash, _normal(password))


async def matches(password: str, password_hash: str | None) -> bool:
    """Whether they belong together. The same work where there is no hash, so that time does not tell. Hold a turn."""
    known = await anyio.to_thread.run_sync(_verify, _normal(password), password_hash or _nobody())
    return known and password_hash is not None


async def renewed(password: str, password_hash: str) -> str | None:
    """A hash by today's parameters where the one that just matched is by older ones. Hold a turn."""
    if not _hasher.check_needs_rehash(password_hash):
        return None
    return await anyio.to_thread.run_sync(_hasher.hash, _normal(password))


def refuse_guessable(password: str, *own_words: str, field: str = "password") -> None:
    """Raises Malformed for a password that guessers try first, is one character or a row of them, or the own name."""
    folded = _normal(password).casefold()
    steps = {ord(after) - ord(before) for before, after in pairwise(folded)}
    if folded in _known() or (len(steps) == 1 and steps <= {-1, 0, 1}):
        raise Malformed(field, "is among the passwords that are tried first: take one that nobody else has")
    own = {part.casefold() for word in own_words for part in (word, word.partition("@")[0], word.replace(" ", ""))}
    if folded in {word for word in own if len(word) >= OWN_WORD_MIN_CHARACTERS}:
        raise Malformed(field, "is your own name or address: take one that nobody can guess")


@cache
def _known() -> frozenset[str]:
    return frozenset((Path(__file__).parent / "known_passwords.txt").read_text().split())


def _normal(password: str) -> str:
    """The same password from every keyboard: one letter may be written as one or as two characters."""
    return unicodedata.normalize("NFKC", password)


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
