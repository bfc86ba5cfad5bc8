"""Access tokens: short-lived signed statements of who is asking."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from uuid import UUID, uuid4

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from mediqon.auth.models import Actor, Role, User
from mediqon.errors import InvalidToken

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "mediqon"
LIFETIME = timedelta(minutes=10)
SECRETS_MAX = 8
REMEMBERED = 8192
"""Tokens whose signature was found good are not checked again; their expiry is."""


def sign(user: User, *, secret: str, now: datetime, session: UUID | None = None) -> str:
    """An access token for `user`, good for LIFETIME or until its session ends; one without a session has its own."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": secrets.token_urlsafe(12),
        "typ": "access",
        "sub": str(user.id),
        "role": user.role,
        "sid": str(session or uuid4()),
        "hospital": user.hospital_id,
        "doctor": user.doctor_id,
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read(token: str, *, secrets: Sequence[str], now: datetime) -> Actor:
    """Who this token speaks for. Raises InvalidToken if none of `secrets` signed it, it is of another kind, or expired
    at `now`. Whether its session still lasts is not asked here.
    """
    actor = _verified(token, tuple(secrets))
    if actor.expires_at <= now.timestamp():
        raise InvalidToken
    return actor


@lru_cache(REMEMBERED)
def _verified(token: str, secrets: tuple[str, ...]) -> Actor:
    for secret in secrets:
        try:
            return _actor(msgspec.json.decode(_signatures.decode(token, secret, [ALGORITHM]), type=Claims))
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError):  # of msgspec as well
            raise InvalidToken from None
    raise InvalidToken


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an access token of ours says, all of it: a new claim is given out once every process knows it."""

    iss: Literal["mediqon"]
    aud: Literal["mediqon"]
    typ: Literal["access"]
    iat: float
    exp: float
    jti: str
    sub: str
    role: Role
    sid: UUID
    hospital: int | None = None
    doctor: int | None = None


def _actor(claims: Claims) -> Actor:
    return Actor(
        id=int(claims.sub),
        role=claims.role,
        hospital_id=claims.hospital,
        doctor_id=claims.doctor,
        session=claims.sid,
        expires_at=claims.exp,
    )


class Hmac(HMACAlgorithm):
    """Asks of a secret once whether it may be one, which takes longer than a signature."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return _prepared(key)


_prepared = lru_cache(SECRETS_MAX)(HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key)
_signatures = jwt.PyJWS(algorithms=[])
_signatures.register_algorithm(ALGORITHM, Hmac(HMACAlgorithm.SHA256))
