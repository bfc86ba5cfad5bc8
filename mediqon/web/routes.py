"""The pages: files as they are, held in memory, with ETag and 304."""

import mimetypes
from contextlib import suppress
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from mediqon.database import LOST, reading, statements
from mediqon.errors import NotFound
from mediqon.given import Pool
from mediqon.live.hub import etag

SQL = statements("hospitals")

FOLDER = Path(__file__).parent
SUFFIXES = {".html", ".css", ".js", ".svg", ".json", ".webmanifest"}


@cache
def files() -> dict[str, tuple[bytes, str, str]]:
    """Path within `mediqon/web` → content, ETag, media type."""
    found = [path for path in FOLDER.rglob("*") if path.suffix in SUFFIXES]
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in found}


def _read(path: Path) -> tuple[bytes, str, str]:
    body = path.read_bytes()
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0] or "application/json"
    return body, etag(body), kind


def _answer(request: Request[Any, Any, Any], path: str, **told: str) -> Response[bytes]:
    """The file; `told` fills its empty `data-…=""` attributes."""
    if path not in files():
        raise NotFound
    body, tag, kind = files()[path]
    for name, value in told.items():
        body = body.replace(f'data-{name}=""'.encode(), f'data-{name}="{escape(value)}"'.encode(), 1)
    tag = etag(body) if told else tag
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers, media_type=kind)
    return Response(body, headers=headers, media_type=kind)


@get("/", include_in_schema=False)
async def start_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _answer(request, "start/index.html")


@get("/display/{key:str}", include_in_schema=False)
async def display_page(request: Request[Any, Any, Any], key: FromPath[str], pool: Pool) -> Response[bytes]:
    """The screen, told its languages; with the database away it comes all the same and uses those it remembers."""
    languages: list[str] = []
    with suppress(*LOST):
        async with reading(pool) as conn:
            row = None if "\x00" in key else await conn.fetchrow(SQL.find_display, key)
        languages = row["languages"] if row else []
    return _answer(request, "display/index.html", languages=" ".join(languages))


@get("/desk", include_in_schema=False)
async def desk_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _answer(request, "desk/index.html")


@get("/t/{code:str}", include_in_schema=False)
async def token_page(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[bytes]:
    return _answer(request, "token/index.html")


@get("/book", include_in_schema=False)
async def book_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _answer(request, "book/index.html")


@get("/web/{path:path}", include_in_schema=False)
async def page_file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
    return _answer(request, path.lstrip("/"))


@get("/offline.js", include_in_schema=False)
async def service_worker(request: Request[Any, Any, Any]) -> Response[bytes]:
    """From the root, because a service worker may only serve what lies beside or below it."""
    return _answer(request, "shared/offline.js")


ROUTES = [start_page, display_page, desk_page, token_page, book_page, page_file, service_worker]
