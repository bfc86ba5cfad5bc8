"""The polls of phones, answered before they become a request: GET /queues/{id} and /tokens/{code} of days in memory.

First reads, refusals and whatever is unusual are the application's; so are these two routes in its API document.
"""

from collections.abc import Callable
from typing import TypeAlias

from mediqon.live.feed import Feed
from mediqon.live.hub import Page
from mediqon.live.traffic import TRAFFIC

Headers: TypeAlias = list[tuple[bytes, bytes]]

QUEUES, TOKENS = b"/queues/", b"/tokens/"
ID_DIGITS = 18
UNUSUAL = {b"content-length", b"transfer-encoding", b"expect"}
"""A read with one of these may have a body, unless it says that it is empty."""
EMPTY = (b"content-length", b"0")


class PublicReads:
    """Whole answers, from the memory of a process."""

    def __init__(self, feed: Callable[[], Feed]) -> None:
        self._feed = feed
        self._always: Headers = []
        self._head = b""

    def answer(self, target: bytes, headers: Headers, always: Headers) -> bytes | None:
        """To a GET of `target`: all of it, with what every answer says; None where it is the application's."""
        page = self._page(target)
        if page is None:
            return None
        is_known = False
        for name, value in headers:
            if name == b"if-none-match":
                is_known = is_known or page.is_known(value.decode("latin-1"))
            elif name in UNUSUAL and (name, value) != EMPTY:
                return None
        TRAFFIC.polls += 1
        if always is not self._always:  # the server makes them anew with each second's date
            self._always, self._head = always, b"".join(b"%s: %s\r\n" % each for each in always)
        tagged = b"%scache-control: no-cache\r\netag: %s\r\n" % (self._head, page.etag.encode())
        if is_known:
            return b"HTTP/1.1 304 Not Modified\r\n%s\r\n" % tagged
        kind = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(page.bytes)
        return b"HTTP/1.1 200 OK\r\n%s%s%s" % (tagged, kind, page.bytes)

    def _page(self, target: bytes) -> Page | None:
        if target.startswith(QUEUES):
            number = target.removeprefix(QUEUES)
            return self._feed().held_queue(int(number)) if number.isdigit() and len(number) <= ID_DIGITS else None
        if target.startswith(TOKENS) and target.isascii():
            return self._feed().held_token(target.removeprefix(TOKENS).decode())
        return None
