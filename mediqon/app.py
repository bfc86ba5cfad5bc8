"""The composition root: settings in, ASGI application out."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

import mediqon
import mediqon.appointments.date_routes
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
import mediqon.metrics_routes
import mediqon.queues.accuracy_routes
import mediqon.queues.report_routes
import mediqon.queues.routes
import mediqon.queues.session_routes
import mediqon.web.qr_routes
import mediqon.web.routes
from mediqon import given, logs, measuring, openapi
from mediqon.appointments import booking, walk_ins
from mediqon.auth import forgetting
from mediqon.auth.access import provide_actor
from mediqon.auth.audit import key_of
from mediqon.auth.ended import REFRESH_SECONDS, EndedSessions
from mediqon.auth.logbook import WRITE_SECONDS, Logbook, drop_old
from mediqon.auth.noted import note_success
from mediqon.auth.throttle import Throttle
from mediqon.database import LOST, Pool, open_pool, reading
from mediqon.errors import Unavailable
from mediqon.express import Express, serve
from mediqon.live.feed import Feed, every
from mediqon.problem_json import answer_problem
from mediqon.queues import moves, night
from mediqon.queues.counter import Counter
from mediqon.settings import Settings

log = logging.getLogger(__name__)

BODY_MAX_BYTES = 64 * 1024
POOL_FAREWELL_SECONDS = 2.0
LOGBOOK_FAREWELL_SECONDS = 1.0
EXPRESS = (
    mediqon.appointments.routes.book,
    mediqon.appointments.routes.move,
    mediqon.queues.routes.staff_queue,
    mediqon.queues.routes.call_next,
    mediqon.queues.routes.recall,
)


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


class Application(Litestar):
    """Gives each request the id that its log lines and its answer carry, and the busiest a lane of their own."""

    express: Express

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":  # what the server does by itself belongs to no request
            logs.request_id.set(logs.new_request_id())
        lane = self.express.lane(scope) if scope["type"] == "http" else None
        if lane is None:
            await super().__call__(scope, receive, send)
        else:
            await serve(lane, self, scope, receive, send)


class DocumentPlugin(JsonRenderPlugin):
    """The OpenAPI document with what Litestar cannot know about it."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._document = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        self._document = self._document or self.render_json(request, openapi.completed(openapi_schema))
        return self._document


def create_app(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Application:
    """The application. `clock` says what time it is, UTC."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        pool = await open_pool(settings)
        try:
            installation = str(await pool.fetchval("select id from installation"))
            feed = Feed(pool, settings.redis_url, installation, clock, sockets_per_address=settings.sockets_per_address)
            ended = EndedSessions()
            await ended.refresh(pool, now=clock())
            throttle = Throttle(settings.redis_url, f"{installation}:{settings.db_name}")
            key = key_of(settings.audit_secrets[0])
            logbook = Logbook(pool, key)
            app.state.update({"pool": pool, "feed": feed})
            counters = {
                "bookings": Counter(pool, feed, booking.plan, status=201),
                "arrivals": Counter(pool, feed, walk_ins.plan, status=201),
                "moves": Counter(pool, feed, moves.plan),
            }
            app.state.update(counters)
            app.state.update({"ended": ended, "throttle": throttle, "logbook": logbook})
            feed.start()
            regular = (
                every(night.EVERY_SECONDS, lambda: night.close_old_days(pool, feed, clock())),
                every(forgetting.EVERY_SECONDS, lambda: forgetting.forget_old(pool, clock())),
                every(REFRESH_SECONDS, lambda: ended.refresh(pool, now=clock())),
                every(WRITE_SECONDS, lambda: logbook.write(clock())),
                every(forgetting.EVERY_SECONDS, lambda: drop_old(pool, key, days=settings.audit_days, now=clock())),
                measuring.watch_loop(),
                measuring.watch_feed(feed),
            )
            tasks = [asyncio.create_task(work) for work in regular]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                try:  # before all that may take longer than there is time
                    async with asyncio.timeout(LOGBOOK_FAREWELL_SECONDS):
                        await logbook.write(clock())
                except LOST as error:
                    log.warning("what the logbook noted last may be lost: %r", error)
                await asyncio.gather(*(counter.stop() for counter in counters.values()))
                await feed.stop()
                await throttle.stop()
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
        mediqon.queues.accuracy_routes,
        mediqon.appointments.routes,
        mediqon.appointments.leave_routes,
        mediqon.appointments.date_routes,
        mediqon.appointments.token_routes,
        mediqon.appointments.kiosk_routes,
        mediqon.live.socket,
        mediqon.metrics_routes,
        mediqon.web.routes,
        mediqon.web.qr_routes,
    )
    dependencies = {
        "pool": Provide(_pool, sync_to_thread=False),
        "feed": Provide(_feed, sync_to_thread=False),
        "bookings": Provide(_bookings, sync_to_thread=False),
        "arrivals": Provide(_arrivals, sync_to_thread=False),
        "moves": Provide(_moves, sync_to_thread=False),
        "ended": Provide(_ended, sync_to_thread=False),
        "now": Provide(clock, sync_to_thread=False, use_cache=False),
        "actor": Provide(provide_actor, sync_to_thread=False),
    }
    app = Application(
        [live, ready, *(route for feature in features for route in feature.ROUTES)],
        lifespan=[lifespan],
        state=State({"settings": settings, "clock": clock}),
        dependencies=dependencies,
        exception_handlers={Exception: answer_problem},
        after_request=_keep_nowhere,
        after_response=_note,
        before_send=[_tell_request_id],
        request_max_body_size=BODY_MAX_BYTES,
        openapi_config=_openapi(),
        request_class=given.Request,
        logging_config=None,
    )
    _provide_in_turn(app)
    app.express = Express(_registered(app, EXPRESS), dependencies)
    return app


def _registered(app: Litestar, handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """What the application has made of these: it serves copies."""
    functions = [handler.fn for handler in handlers]
    served = (
        each for route in app.routes if isinstance(route, HTTPRoute) for each, _ in route.route_handler_map.values()
    )
    return [handler for handler in served if handler.fn in functions]


def _provide_in_turn(app: Litestar) -> None:
    """Litestar makes a task for each thing that a handler asks for: too much for what is at hand."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, asked in route.route_handler_map.values():
                asked.dependency_batches = [{each} for batch in asked.dependency_batches for each in batch]


async def _close(pool: Pool) -> None:
    """Waits for queries in flight, but not for a database that no longer answers."""
    try:
        async with asyncio.timeout(POOL_FAREWELL_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _pool(scope: Scope) -> Pool:
    return scope["litestar_app"].state.pool


def _feed(scope: Scope) -> Feed:
    return scope["litestar_app"].state.feed


def _bookings(scope: Scope) -> Counter[booking.Order]:
    return scope["litestar_app"].state.bookings


def _arrivals(scope: Scope) -> Counter[walk_ins.Arrival]:
    return scope["litestar_app"].state.arrivals


def _moves(scope: Scope) -> Counter[moves.Order]:
    return scope["litestar_app"].state.moves


def _ended(scope: Scope) -> EndedSessions:
    return scope["litestar_app"].state.ended


async def _keep_nowhere(response: Response[Any]) -> Response[Any]:
    """No cache keeps an answer that does not say otherwise."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _note(request: Request[Any, Any, Any]) -> None:
    note_success(request)


async def _tell_request_id(message: Message, _scope: Scope) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (b"x-request-id", logs.request_id.get().encode())]


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
