"""Who is asking, and whether that kind of account may: guards for routes."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import SecurityRequirement
from litestar.types import Scope

from mediqon.auth import cookies, tokens
from mediqon.auth.models import Actor, Role
from mediqon.errors import Forbidden, InvalidToken, NotFound, Unauthenticated

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

SECURITY: list[SecurityRequirement] = [{"BearerToken": []}]


def only(*roles: Role) -> Guard:
    """A guard that lets these roles pass. Raises Unauthenticated, InvalidToken or Forbidden."""

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:  # Litestar gives others a thread
        actor = authenticate(header(connection.scope, b"authorization"), connection.app.state)
        connection.scope["state"]["actor"] = actor
        if actor.role not in roles:
            raise Forbidden

    return guard


anyone_known = only(*Role)


def leaving(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Lets pass who wants to log out: also again, after a lost answer, and a browser whose cookie says of what.

    Raises Unauthenticated, InvalidToken or CrossOrigin.
    """
    authorization = connection.headers.get("authorization")
    if authorization or cookies.refresh_token(connection) is None:
        connection.scope["state"]["actor"] = _read(_bearer(authorization), connection.app.state)


def authenticate(authorization: str | None, state: Any) -> Actor:
    """Who an `Authorization: Bearer …` header speaks for, with the application's `state`.

    Raises Unauthenticated or InvalidToken.
    """
    return read_token(_bearer(authorization), state)


def read_token(token: str, state: Any) -> Actor:
    """Who this access token speaks for. Raises InvalidToken, also when its session has ended."""
    actor = _read(token, state)
    if actor.session in state.ended:
        raise InvalidToken
    return actor


def _read(token: str, state: Any) -> Actor:
    now: datetime = state.clock()
    return tokens.read(token, secrets=state.settings.jwt_secrets, now=now)


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken
    return token


def header(scope: Scope, wanted: bytes) -> str | None:
    """One header of a request, without making all the others readable too."""
    for name, value in scope["headers"]:
        if name == wanted:
            return value.decode("latin-1")
    return None


def refuse_elsewhere(hospital_id: int, actor: Actor) -> None:
    """Raises NotFound unless this is the actor's own hospital."""
    if hospital_id != actor.hospital_id:
        raise NotFound


def provide_actor(scope: Scope) -> Actor:
    """The actor that the guard found."""
    return scope["state"]["actor"]
