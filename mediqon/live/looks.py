"""The list of today for a desk that looks at it again: the answer of the application, before that is asked.

A first look, one at a day that has changed since, refusals and whatever is unusual are the application's.
"""

import re
import time
from typing import Any

from mediqon import logs, metrics
from mediqon.auth.access import authenticate
from mediqon.auth.doors import network
from mediqon.auth.models import Role
from mediqon.auth.noted import OK
from mediqon.errors import Problem
from mediqon.headers import USUAL_HOST
from mediqon.live.hub import Page, Topic
from mediqon.measuring import Application, Message, Receive, Send
from mediqon.queues.desk import refuse_others

ROUTE = "/appointments/doctor/{doctor_id}/today"
ADDRESS = re.compile("/appointments/doctor/([0-9]{1,18})/today")
NOT_PLAIN = (b"transfer-encoding", b"expect")


class Looks:
    """An ASGI application in front of ours."""

    def __init__(self, application: Application, state: Any) -> None:
        """`state`: that of ours, complete once it has started."""
        self._application, self._state = application, state

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        page = self._page(scope) if scope["type"] == "http" else None
        if page is None:
            await self._application(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(page.bytes)),
            (b"x-request-id", logs.new_request_id().encode()),
        ]
        await send({"type": "http.response.start", "status": OK, "headers": headers})
        await send({"type": "http.response.body", "body": page.bytes})
        metrics.observe_request("GET", ROUTE, OK, time.perf_counter() - begun)

    def _page(self, scope: Message) -> Page | None:
        """For whoever has lately been answered by the application, which has noted it, and may see the list still."""
        asked = ADDRESS.fullmatch(scope["path"])
        if asked is None or scope["method"] != "GET" or scope["query_string"]:
            return None
        doctor_id, given = int(asked[1]), dict(scope["headers"])
        if len(given) < len(scope["headers"]) or any(each in given for each in NOT_PLAIN):
            return None
        if given.get(b"content-length", b"0") != b"0" or not USUAL_HOST.fullmatch(given.get(b"host", b"")):
            return None
        topic: Topic | None = self._state.feed.held_list(doctor_id)
        page = topic and topic.audiences["desk"].drawn
        if topic is None or page is None:
            return None
        try:
            actor = authenticate(given.get(b"authorization", b"").decode("latin-1"), self._state)
            refuse_others(topic.facts, actor)
        except Problem:
            return None
        client = scope.get("client")
        look = (f"GET {ROUTE}", f"doctor_id={doctor_id}", OK, actor.id, network(client[0] if client else ""))
        return page if actor.role is not Role.PATIENT and self._state.logbook.has_look(look) else None
