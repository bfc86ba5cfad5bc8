"""What is measured from outside of every feature: each request around the whole application, and the event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mediqon import metrics
from mediqon.live.feed import Feed
from mediqon.live.traffic import TRAFFIC, Traffic

Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

NAP_SECONDS = 0.25
COPY_SECONDS = 1.0
CLIENT_GONE = 499
UNMATCHED = "unmatched"
"""The route of whatever no route answers: paths that clients make up are no labels."""


class Measured:
    """An ASGI application around another one: counts and times its answers by route."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        begun, status = time.perf_counter(), CLIENT_GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._application(scope, receive, noting)
        finally:
            route = scope.get("path_template") or UNMATCHED
            metrics.observe_request(scope["method"], route, status, time.perf_counter() - begun)


async def watch_loop() -> None:
    """Measures for ever how late the event loop wakes up."""
    while True:
        asleep = time.monotonic()
        await asyncio.sleep(NAP_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, time.monotonic() - asleep - NAP_SECONDS))


async def watch_feed(feed: Feed, traffic: Traffic = TRAFFIC) -> None:
    """Copies for ever what the live engine counts."""
    while True:
        sent, skipped, polls, repairs = traffic.news()
        metrics.FRAMES_SENT.inc(sent)
        metrics.FRAMES_SKIPPED.inc(skipped)
        metrics.POLLS.inc(polls)
        metrics.REPAIRS.inc(repairs)
        metrics.SOCKETS.set(traffic.sockets)
        metrics.BUS_HEALTHY.set(feed.redis_healthy)
        if feed.redis_healthy:
            metrics.BUS_SECONDS.observe(feed.redis_seconds)
        metrics.SCREEN_AGE.set(feed.age)
        await asyncio.sleep(COPY_SECONDS)
