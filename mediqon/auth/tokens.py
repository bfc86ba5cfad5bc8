"""Access tokens: short-lived signed statements of who is asking."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec

from mediqon.auth.models import Actor, Role, User
from mediqon.errors import InvalidToken

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "mediqon"
LIFETIME = timedelta(minutes=10)
REQUIRED = ["iss", "aud", "exp", "iat", "jti", "typ", "sub", "role", "sid"]
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
            return _actor(_claims(token, secret))
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, msgspec.ValidationError):
            raise InvalidToken from None
    raise InvalidToken


def _claims(token: str, secret: str) -> dict[str, Any]:
    claims = jwt.decode(
        token,
        secret,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": REQUIRED, "verify_exp": False, "verify_iat": False},
    )
    if claims["typ"] != "access":
        raise ValueError("not an access token")
    return claims


def _actor(claims: dict[str, Any]) -> Actor:
    return Actor(
        id=int(claims["sub"]),
        role=Role(claims["role"]),
        hospital_id=msgspec.convert(claims.get("hospital"), int | None),
        doctor_id=msgspec.convert(claims.get("doctor"), int | None),
        session=UUID(claims["sid"]),
        expires_at=float(claims["exp"]),
    )
