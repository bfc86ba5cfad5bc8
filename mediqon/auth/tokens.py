"""Access tokens: short-lived signed statements of who is asking."""

import secrets
from datetime import datetime, timedelta

import jwt
import msgspec

from mediqon.auth.models import Actor, Role, User
from mediqon.errors import InvalidToken

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "mediqon"
LIFETIME = timedelta(minutes=10)
REQUIRED = ["iss", "aud", "exp", "iat", "jti", "typ", "sub", "role"]


def sign(user: User, *, secret: str, now: datetime) -> str:
    """An access token for `user`, good for LIFETIME."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": secrets.token_urlsafe(12),
        "typ": "access",
        "sub": str(user.id),
        "role": user.role,
        "hospital": user.hospital_id,
        "doctor": user.doctor_id,
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read(token: str, *, secret: str, now: datetime) -> Actor:
    """Who this token speaks for. Raises InvalidToken if it is forged, of another kind, or expired at `now`."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": REQUIRED, "verify_exp": False, "verify_iat": False},
        )
        actor = Actor(
            id=int(claims["sub"]),
            role=Role(claims["role"]),
            hospital_id=msgspec.convert(claims.get("hospital"), int | None),
            doctor_id=msgspec.convert(claims.get("doctor"), int | None),
            expires_at=float(claims["exp"]),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, msgspec.ValidationError):
        raise InvalidToken from None
    if claims["typ"] != "access" or actor.expires_at <= now.timestamp():
        raise InvalidToken
    return actor
