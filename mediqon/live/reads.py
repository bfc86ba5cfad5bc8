"""Reads of days in memory, answered before they become a request: what phones poll, /queues/{id} and /tokens/{code},
and the list of today for a desk that looks at it again.

First reads, refusals and whatever is unusual are the application's; so are these routes in its API document.
"""

import re
from functools import cached_property
from typing import Any, TypeAlias

from mediqon import logs
from mediqon.auth.access import authenticate
from mediqon.auth.doors import network
from mediqon.auth.noted import OK
from mediqon.errors import Problem
from mediqon.headers import USUAL_HOST
from mediqon.live.feed import Feed
from mediqon.live.hub import Page
from mediqon.live.traffic import TRAFFIC
from mediqon.queues.desk import refuse_others

Headers: TypeAlias = list[tuple[bytes, bytes]]
Client: TypeAlias = tuple[str, int] | None
"""Its address and port."""

QUEUES, TOKENS = b"/queues/", b"/tokens/"
LIST = "/appointments/doctor/{doctor_id}/today"
LISTS = re.compile(rb"/appointments/doctor/([0-9]{1,18})/today")
ID_DIGITS = 18
EMPTY = (b"content-length", b"0")
UNUSUAL = {b"content-length", b"transfer-encoding", b"expect"}
"""A read with one of these may have a body, unless it says that it is empty."""
ODD = {b"transfer-encoding", b"expect", b"x-forwarded-for"}
"""Behind a proxy the application finds out who asks."""


class Reads:
    """Whole answers, from the memory of a process."""

    def __init__(self, state: Any) -> None:
        """`state`: the application's, complete once it has started."""
        self._state = state
        self._always: Headers = []
        self._head = b""

    def answer(self, target: bytes, headers: Headers, client: Client, always: Headers) -> bytes | None:
        """To a GET of `target` from `client`: all of it, with what every answer says.

        None where it is the application's.
        """
        if always is not self._always:  # the server makes them anew with each second's date
            self._always, self._head = always, b"".join(b"%s: %s\r\n" % each for each in always)
        page = self._page(target)
        answer = self._list(target, headers, client) if page is None else self._tagged(page, headers)
        if answer is not None:
            TRAFFIC.polls += 1
        return answer

    @cached_property
    def _feed(self) -> Feed:
        return self._state.feed

    def _page(self, target: bytes) -> Page | None:
        if target.startswith(QUEUES):
            number = target.removeprefix(QUEUES)
            return self._feed.held_queue(int(number)) if number.isdigit() and len(number) <= ID_DIGITS else None
        if target.startswith(TOKENS) and target.isascii():
            return self._feed.held_token(target.removeprefix(TOKENS).decode())
        return None

    def _tagged(self, page: Page, headers: Headers) -> bytes | None:
        is_known = False
        for name, value in headers:
            if name == b"if-none-match":
                is_known = is_known or page.is_known(value.decode("latin-1"))
            elif name in UNUSUAL and (name, value) != EMPTY:
                return None
        tagged = b"%scache-control: no-cache\r\netag: %s\r\n" % (self._head, page.etag.encode())
        if is_known:
            return b"HTTP/1.1 304 Not Modified\r\n%s\r\n" % tagged
        return _answer(tagged, page)

    def _list(self, target: bytes, headers: Headers, client: Client) -> bytes | None:
        """For whoever has lately been answered by the application, which has noted it, and may see the list still."""
        asked = LISTS.fullmatch(target)
        if asked is None:
            return None
        doctor_id, given = int(asked[1]), dict(headers)
        if len(given) < len(headers) or not given.keys().isdisjoint(ODD) or given.get(*EMPTY) != EMPTY[1]:
            return None
        if not USUAL_HOST.fullmatch(given.get(b"host", b"")):
            return None
        try:
            actor = authenticate(given.get(b"authorization", b"").decode("latin-1"), self._state)
            topic = self._feed.held_list(doctor_id)
            if topic is None:
                return None
            refuse_others(topic.facts, actor)
        except Problem:
            return None
        address = network(client[0] if client else "")
        if not self._state.logbook.has_look((f"GET {LIST}", f"doctor_id={doctor_id}", OK, actor.id, address)):
            return None
        said = b"%scache-control: no-store\r\nx-request-id: %s\r\n" % (self._head, logs.new_request_id().encode())
        return _answer(said, topic.desk)


def _answer(said: bytes, page: Page) -> bytes:
    kind = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(page.bytes)
    return b"HTTP/1.1 200 OK\r\n%s%s%s" % (said, kind, page.bytes)
