"""The refresh token of a browser: in a cookie that no script can read and no other site's page can have sent."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from mediqon.auth import origins
from mediqon.errors import CrossOrigin
from mediqon.settings import Settings

Connection = ASGIConnection[Any, Any, Any, Any]

PLAIN_NAME = "mediqon-refresh"
NAME = f"__Host-{PLAIN_NAME}"


def refresh_token(connection: Connection) -> str | None:
    """The token that the browser sent along. Raises CrossOrigin when another site's page made it do so."""
    token = connection.cookies.get(_name(connection))
    if token:
        refuse_other_origins(connection)
    return token or None


def keeping(token: str, connection: Connection) -> Cookie:
    """The cookie that keeps a refresh token until the browser is closed; an empty one ends it.

    Browsers take a `__Host-` cookie over TLS only. Where people reach us over plain http it has another name, and the
    network can read it, as it can everything else there.
    """
    tls = _over_tls(connection)
    return Cookie(
        key=_name(connection),
        value=token,
        path="/",
        httponly=True,
        secure=tls,
        samesite="strict",
        max_age=None if token else 0,
    )


def refuse_other_origins(connection: Connection) -> None:
    """Raises CrossOrigin for a request that a browser says another origin's page has made."""
    if connection.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise CrossOrigin
    if not origins.is_own(connection):
        raise CrossOrigin


def _name(connection: Connection) -> str:
    return NAME if _over_tls(connection) else PLAIN_NAME


def _over_tls(connection: Connection) -> bool:
    return _settings(connection).over_tls or connection.scope["scheme"] == "https"


def _settings(connection: Connection) -> Settings:
    return connection.app.state.settings
