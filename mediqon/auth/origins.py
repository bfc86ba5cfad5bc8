"""Whose page made a browser ask."""

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection


def is_own(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether no page did, or one of ours: from the host that was asked, or from the configured public address."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    public_url: str = connection.app.state.settings.public_url
    host = _host(origin)
    return host != "" and host in {connection.headers.get("host"), _host(public_url)}


def _host(origin: str) -> str:
    """Host and port; empty for what is no address of a page."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in {"http", "https"} else ""
