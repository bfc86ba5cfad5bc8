"""The pages: files held in memory, packed once, with ETag and 304; two of them come with something filled in."""

import gzip
import mimetypes
from contextlib import suppress
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.params import FromPath

from mediqon.database import LOST, reading, statements
from mediqon.errors import NotFound
from mediqon.given import Feed, Now, Pool
from mediqon.live.hub import etag
from mediqon.web.languages import spoken, texts
from mediqon.web.token_page import filled, noticed, worded

SQL = statements("hospitals")

FOLDER = Path(__file__).parent
SUFFIXES = {".html", ".css", ".js", ".svg", ".json", ".webmanifest"}


class File(NamedTuple):
    body: bytes
    packed: bytes
    kind: str


@cache
def files() -> dict[str, File]:
    """Path within `mediqon/web` → the file, and how it travels."""
    found = [path for path in FOLDER.rglob("*") if path.suffix in SUFFIXES]
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in found}


def _read(path: Path) -> File:
    body = path.read_bytes()
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0] or "application/json"
    return File(body, gzip.compress(body, mtime=0), kind)


def _answer(request: Request[Any, Any, Any], path: str, **told: str) -> Response[bytes]:
    """The file; `told` fills its empty `data-…=""` attributes."""
    file = files().get(path)
    if file is None:
        raise NotFound
    if not told:
        return _send(request, file)
    text = file.body.decode()
    for name, value in told.items():
        text = text.replace(f'data-{name}=""', f'data-{name}="{escape(value)}"', 1)
    return _send(request, _written(text))


def _written(page: str) -> File:
    return File(page.encode(), gzip.compress(page.encode(), 6, mtime=0), "text/html")


def _send(request: Request[Any, Any, Any], file: File, status: int = 200) -> Response[bytes]:
    """Packed for whoever can unpack it; 304 to whoever has it."""
    packed = "gzip" in request.headers.get("accept-encoding", "")
    body = file.packed if packed else file.body
    headers = {"ETag": etag(body), "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Accept-Language"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(b"", status_code=304, headers=headers, media_type=file.kind)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, status_code=status, headers=headers, media_type=file.kind)


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
async def token_page(request: Request[Any, Any, Any], code: FromPath[str], feed: Feed, now: Now) -> Response[bytes]:
    """The phone page with the visit in it; with the database away it comes empty and its script asks again.

    In the language that `?lang=` names, or else the browser's first that we know.
    """
    language = spoken(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
    page = worded(files()["token/index.html"].body.decode(), language)
    try:
        page = filled(page, await feed.told(code), language, code=code, now=now)
    except NotFound:
        return _send(request, _written(noticed(page, texts("token", language)["unknown"])), status=404)
    except LOST:
        pass
    return _send(request, _written(page))


@get("/t/{code:str}/manifest", include_in_schema=False)
async def token_manifest(request: Request[Any, Any, Any], code: FromPath[str], feed: Feed) -> Response[dict[str, Any]]:
    """Lets a phone keep the page beside its applications, under the token's name. 404 for an unknown code."""
    view = await feed.told(code)
    language = spoken(request.query_params.get("lang", ""), "")
    manifest: dict[str, Any] = {
        "name": f"{view.token}, {view.hospital}",
        "short_name": view.token,
        "lang": language,
        "start_url": f"/t/{code}?lang={language}",
        "scope": f"/t/{code}",
        "display": "standalone",
        "background_color": "#f4efe4",
        "theme_color": "#f4efe4",
        "icons": [{"src": "/web/shared/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    return Response(manifest, media_type="application/manifest+json")


@get("/book", include_in_schema=False)
async def book_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _answer(request, "book/index.html")


@get("/web/{path:path}", include_in_schema=False)
async def page_file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
    return _answer(request, path.lstrip("/"))


@get("/hospital", include_in_schema=False)
async def hospital_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _answer(request, "hospital/index.html")


@get("/kiosk/{key:str}", include_in_schema=False)
async def kiosk_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[bytes]:
    return _answer(request, "kiosk/index.html")


@get("/docs", include_in_schema=False)
async def docs_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _answer(request, "docs/index.html")


@get("/offline.js", include_in_schema=False)
async def service_worker(request: Request[Any, Any, Any]) -> Response[bytes]:
    """From the root, because a service worker may only serve what lies beside or below it."""
    return _answer(request, "shared/offline.js")


ROUTES = [
    start_page,
    display_page,
    desk_page,
    token_page,
    token_manifest,
    book_page,
    hospital_page,
    kiosk_page,
    docs_page,
    page_file,
    service_worker,
]
