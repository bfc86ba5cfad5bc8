"""The composition root: settings in, ASGI application out."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import mediqon
import mediqon.appointments.kiosk_routes
import mediqon.appointments.leave_routes
import mediqon.appointments.routes
import mediqon.appointments.token_routes
import mediqon.auth.routes
import mediqon.hospitals.import_routes
import mediqon.hospitals.routes
import mediqon.hospitals.settings_routes
import mediqon.hospitals.staff_routes
import mediqon.live.socket
import mediqon.queues.report_routes
import mediqon.queues.routes
import mediqon.queues.session_routes
import mediqon.web.qr_routes
import mediqon.web.routes
from mediqon import given, openapi
from mediqon.auth.access import provide_actor
from mediqon.database import LOST, Pool, open_pool, reading
from mediqon.errors import Unavailable, answer_problem
from mediqon.live.feed import Feed, every
from mediqon.queues.night import EVERY_SECONDS, close_old_days
from mediqon.settings import Settings

BODY_MAX_BYTES = 64 * 1024
POOL_FAREWELL_SECONDS = 2.0

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def utc_now() -> datetime:
    return datetime.now(UTC)


@get("/health/live", tags=["health"])
async def live() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@get("/health/ready", tags=["health"])
async def ready(pool: given.Pool, feed: given.Feed) -> dict[str, str]:
    """Whether PostgreSQL (needed, else 503) and Redis (only makes it fast) answer."""
    redis = "ok" if feed.redis_healthy else "away"
    try:
        async with reading(pool) as conn:
            await conn.fetchval("select 1")
    except LOST:
        raise Unavailable(database="away", redis=redis) from None
    return {"status": "ok", "database": "ok", "redis": redis}


class DocumentPlugin(JsonRenderPlugin):
    """The OpenAPI document with what Litestar cannot know about it."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._document = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        self._document = self._document or self.render_json(request, openapi.completed(openapi_schema))
        return self._document


def create_app(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Litestar:
    """The application. `clock` says what time it is, UTC."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        pool = await open_pool(settings)
        try:
            installation = str(await pool.fetchval("select id from installation"))
            feed = Feed(pool, settings.redis_url, installation, clock)
            app.state.update({"pool": pool, "feed": feed})
            feed.start()
            night = asyncio.create_task(every(EVERY_SECONDS, lambda: close_old_days(pool, feed, clock())), name="night")
            try:
                yield
            finally:
                night.cancel()
                await feed.stop()
        finally:
            await _close(pool)

    features = (
        mediqon.auth.routes,
        mediqon.hospitals.routes,
        mediqon.hospitals.settings_routes,
        mediqon.hospitals.staff_routes,
        mediqon.hospitals.import_routes,
        mediqon.queues.routes,
        mediqon.queues.session_routes,
        mediqon.queues.report_routes,
        mediqon.appointments.routes,
        mediqon.appointments.leave_routes,
        mediqon.appointments.token_routes,
        mediqon.appointments.kiosk_routes,
        mediqon.live.socket,
        mediqon.web.routes,
        mediqon.web.qr_routes,
    )
    return Litestar(
        [live, ready, *(route for feature in features for route in feature.ROUTES)],
        lifespan=[lifespan],
        state=State({"settings": settings, "clock": clock}),
        dependencies={
            "pool": Provide(_pool, sync_to_thread=False),
            "feed": Provide(_feed, sync_to_thread=False),
            "now": Provide(clock, sync_to_thread=False, use_cache=False),
            "actor": Provide(provide_actor, sync_to_thread=False),
        },
        exception_handlers={Exception: answer_problem},
        after_request=_add_security_headers,
        request_max_body_size=BODY_MAX_BYTES,
        openapi_config=_openapi(),
        request_class=given.Request,
        logging_config=None,
    )


async def _close(pool: Pool) -> None:
    """Waits for queries in flight, but not for a database that no longer answers."""
    try:
        async with asyncio.timeout(POOL_FAREWELL_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _pool(state: State) -> Pool:
    return state.pool


def _feed(state: State) -> Feed:
    return state.feed


async def _add_security_headers(response: Response[Any]) -> Response[Any]:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _openapi() -> OpenAPIConfig:
    bearer = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
    return OpenAPIConfig(
        title="Mediqon",
        version=mediqon.__version__,
        path="/schema",
        use_handler_docstrings=True,
        render_plugins=[DocumentPlugin()],
        components=Components(security_schemes={"BearerToken": bearer}),
    )
