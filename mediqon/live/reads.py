"""The polls of phones, answered in front of Litestar: GET /queues/{id} and GET /tokens/{code} of days held in memory.

First reads, refusals and whatever else is asked for are the application's; so are these two routes in its API document.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mediqon.live.feed import Feed
from mediqon.live.hub import Page
from mediqon.live.traffic import TRAFFIC

Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

QUEUES, TOKENS = "/queues/", "/tokens/"
ID_DIGITS = 18


class PublicReads:
    """An ASGI application around another one."""

    def __init__(self, application: Application, feed: Callable[[], Feed]) -> None:
        self._application = application
        self._feed = feed

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        page = self._page(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if page is None:
            await self._application(scope, receive, send)
            return
        TRAFFIC.polls += 1
        known = any(
            name == b"if-none-match" and page.is_known(value.decode("latin-1")) for name, value in scope["headers"]
        )
        body = b"" if known else page.bytes
        headers = [(b"cache-control", b"no-cache"), (b"etag", page.etag.encode())]
        if not known:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, scope: Message) -> Page | None:
        path: str = scope["path"]
        if scope["query_string"]:
            return None
        if path.startswith(QUEUES):
            number = path.removeprefix(QUEUES)
            if number.isascii() and number.isdecimal() and len(number) <= ID_DIGITS:
                return self._feed().held_queue(int(number))
        elif path.startswith(TOKENS):
            return self._feed().held_token(path.removeprefix(TOKENS))
        return None
