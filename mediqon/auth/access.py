"""Who is asking, and whether that kind of account may: guards for routes."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import SecurityRequirement
from litestar.types import Scope

from mediqon.auth import tokens
from mediqon.auth.models import Actor, Role
from mediqon.errors import Forbidden, InvalidToken, NotFound, Unauthenticated

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

SECURITY: list[SecurityRequirement] = [{"BearerToken": []}]


def only(*roles: Role) -> Guard:
    """A guard that lets these roles pass. Raises Unauthenticated, InvalidToken or Forbidden."""

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:  # Litestar gives others a thread
        actor = authenticate(connection.headers.get("authorization"), connection)
        if actor.role not in roles:
            raise Forbidden
        connection.scope["state"]["actor"] = actor

    return guard


anyone_known = only(*Role)


def authenticate(authorization: str | None, connection: Connection) -> Actor:
    """Who an `Authorization: Bearer …` header speaks for. Raises Unauthenticated or InvalidToken."""
    if not authorization:
        raise Unauthenticated
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken
    return read_token(token, connection)


def read_token(token: str, connection: Connection) -> Actor:
    """Who this access token speaks for. Raises InvalidToken."""
    state = connection.app.state
    now: datetime = state.clock()
    return tokens.read(token, secret=state.settings.jwt_secret, now=now)


def refuse_elsewhere(hospital_id: int, actor: Actor) -> None:
    """Raises NotFound unless this is the actor's own hospital."""
    if hospital_id != actor.hospital_id:
        raise NotFound


def provide_actor(scope: Scope) -> Actor:
    """The actor that the guard found."""
    return scope["state"]["actor"]
