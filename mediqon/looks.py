"""The list of today for a desk that looks at it again: the answer of the application, before that is asked.

A first look, one at a day that has changed since, refusals and whatever is unusual are the application's.
"""

import re
import time
from typing import Any

from mediqon import logs, metrics
from mediqon.auth.access import authenticate, header
from mediqon.auth.doors import network
from mediqon.auth.models import Role
from mediqon.auth.noted import OK, is_noted
from mediqon.errors import Problem
from mediqon.express import JSON, NO_STORE, Answer, is_usual, tell
from mediqon.live.hub import Page, Topic
from mediqon.measuring import Application
from mediqon.queues.desk import refuse_others

ROUTE = "/appointments/doctor/{doctor_id}/today"
ADDRESS = re.compile("/appointments/doctor/([0-9]{1,18})/today")


class Looks:
    """An ASGI application in front of ours."""

    def __init__(self, application: Application, state: Any) -> None:
        """`state`: that of ours, complete once it has started."""
        self._application, self._state = application, state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begun = time.perf_counter()
        page = self._page(scope) if scope["type"] == "http" else None
        if page is None:
            await self._application(scope, receive, send)
        else:
            await tell(Answer(OK, JSON, NO_STORE, page.bytes), logs.new_request_id(), send)
            metrics.observe_request("GET", ROUTE, OK, time.perf_counter() - begun)

    def _page(self, scope: Any) -> Page | None:
        """For whoever has lately been answered by the application, which has noted it, and may see the list still."""
        asked = ADDRESS.fullmatch(scope["path"])
        if not asked or scope["method"] != "GET" or scope["query_string"] or not is_usual(scope, has_body=False):
            return None
        doctor_id = int(asked[1])
        topic: Topic | None = self._state.feed.held_list(doctor_id)
        page = topic and topic.audiences["desk"].drawn
        if topic is None or page is None:
            return None
        try:
            actor = authenticate(header(scope, b"authorization"), self._state)
            refuse_others(topic.facts, actor)
        except Problem:
            return None
        address = network(scope["client"][0] if scope["client"] else "")
        is_known = is_noted(self._state.logbook, actor, ROUTE, f"doctor_id={doctor_id}", address)
        return page if is_known and actor.role is not Role.PATIENT else None
