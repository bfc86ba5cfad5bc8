"""QR codes of the pages people follow on their phones, as SVG."""

import io
from typing import Literal

import segno
from litestar import Response, get
from litestar.params import FromPath

from mediqon.errors import NotFound
from mediqon.given import Request

LINK_MAX_CHARACTERS = 200
QUIET_ZONE_MODULES = 2


@get("/qr/{page:str}/{key:str}", include_in_schema=False)
async def page_code(request: Request, page: FromPath[Literal["t", "display"]], key: FromPath[str]) -> Response[bytes]:
    """The link to a phone page or a screen. Whether there is such a page is for that page to say."""
    if len(key) > LINK_MAX_CHARACTERS:
        raise NotFound
    link = f"{request.address}/{page}/{key}"
    return Response(draw(link), media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=3600"})


def draw(link: str) -> bytes:
    """Black on white in any theme: some phones read nothing else."""
    picture = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        picture, kind="svg", border=QUIET_ZONE_MODULES, light="#fff", omitsize=True, xmldecl=False
    )
    return picture.getvalue()


ROUTES = [page_code]
