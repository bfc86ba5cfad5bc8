"""The busiest routes without what Litestar does around a handler: the same guards, handlers, answers and problems.

Litestar takes longer around one of these than the handler itself. It has them too, for its API document and whatever is
unusual about a request: a query, a slash at the end, a long body, in chunks or none, an odd host.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec
from litestar import Litestar, Response
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.types import Empty, HTTPReceiveMessage, HTTPScope, Receive, Send

from mediqon import logs
from mediqon.auth.noted import note_success
from mediqon.given import CutOff, Request
from mediqon.problem_json import answer_problem

PARAMETER = re.compile(r"\\\{(\w+):int\\\}")
NUMBER = r"(?P<\1>[0-9]{1,18})"
USUAL_HOST = re.compile(rb"[A-Za-z0-9.-]+(:[0-9]+)?")
USUAL_LENGTH = re.compile(rb"[0-9]{1,4}")
JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}

Provided: TypeAlias = Callable[[HTTPScope], Any]


class Answer(NamedTuple):
    status: int
    media_type: str
    headers: Mapping[str, str]
    body: bytes


class Lane(NamedTuple):
    """One handler, and what it asks for by name beside the parameters of its address."""

    handler: HTTPRouteHandler
    route: str
    address: re.Pattern[str]
    guards: Sequence[Callable[..., Any]]
    given: Mapping[str, Provided]
    wants_request: bool
    wants_body: bool


class Short(Request):
    """A request whose body is as long as was announced, and no longer than usual."""

    async def body(self) -> bytes:
        """The whole of it. Raises CutOff."""
        if self._body is Empty:
            parts: list[bytes] = []
            more = True
            while more:
                event = cast("HTTPReceiveMessage", await self.receive())
                if event["type"] == "http.disconnect":
                    raise CutOff
                parts.append(event["body"])
                more = event["more_body"]
            self._body = b"".join(parts)
        return self._body


class Express:
    """Serves these handlers where it can."""

    def __init__(self, handlers: Sequence[HTTPRouteHandler], dependencies: Mapping[str, Provide]) -> None:
        self._lanes: dict[str, list[Lane]] = {}
        for handler in handlers:
            (method,) = handler.http_methods
            self._lanes.setdefault(method, []).append(_lane(handler, dependencies))

    def lane(self, scope: dict[str, Any]) -> Lane | None:
        """The lane that serves a request; its route is added to the scope, as Litestar would."""
        if scope["query_string"] or scope.get("root_path"):
            return None
        for lane in self._lanes.get(scope["method"], ()):
            found = lane.address.fullmatch(scope["path"])
            if found and is_usual(scope, has_body=lane.wants_body):
                scope["path_params"] = {name: int(number) for name, number in found.groupdict().items()}
                scope["route_handler"], scope["path_template"] = lane.handler, lane.route
                return lane
        return None


def _lane(handler: HTTPRouteHandler, dependencies: Mapping[str, Provide]) -> Lane:
    """Raises ValueError for a handler that asks for what only Litestar can give."""
    (template,) = handler.paths
    wants = inspect.signature(handler.fn).parameters.keys()
    given = {name: _provided(dependencies[name]) for name in wants if name in dependencies}
    address = re.compile(PARAMETER.sub(NUMBER, re.escape(template)))
    if unknown := wants - given.keys() - address.groupindex.keys() - {"request", "data"}:
        raise ValueError(f"{template} has no lane: it wants {unknown}")
    route = template.replace(":int}", "}")
    return Lane(handler, route, address, handler.resolve_guards(), given, "request" in wants, "data" in wants)


def _provided(dependency: Provide) -> Provided:
    """What the dependency gives, asked with the scope whether or not it wants it."""
    provide = dependency.dependency
    return provide if inspect.signature(provide).parameters else lambda _: provide()


def is_usual(scope: dict[str, Any], *, has_body: bool) -> bool:
    """Whether the headers of a request say nothing that Litestar had better look at."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if b"transfer-encoding" in headers or (length != b"0") is not has_body or not USUAL_LENGTH.fullmatch(length):
        return False
    return USUAL_HOST.fullmatch(headers.get(b"host", b"")) is not None


async def serve(lane: Lane, app: Litestar, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """Answers a request on its lane."""
    scope["app"] = scope["litestar_app"] = app
    request = Short(scope, receive, send)
    try:
        answer = await _ask(lane, request)
    except Exception as error:
        answer = _answer(answer_problem(request, error), lane)
    else:
        note_success(request)
    await tell(answer, logs.request_id.get(), send)


async def tell(answer: Answer, request_id: str, send: Send) -> None:
    """Sends an answer."""
    headers = [
        (b"content-type", answer.media_type.encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers.items()),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _ask(lane: Lane, request: Request) -> Answer:
    for guard in lane.guards:
        await guard(request, lane.handler)
    asked: dict[str, Any] = dict(request.path_params)
    if lane.wants_body:
        asked["data"] = await request.json()
    if lane.wants_request:
        asked["request"] = request
    for name, provided in lane.given.items():
        asked[name] = provided(request.scope)
    return _answer(await cast("Any", lane.handler.fn)(**asked), lane)


def _answer(told: msgspec.Struct | Response[bytes], lane: Lane) -> Answer:
    if not isinstance(told, Response):
        return Answer(lane.handler.status_code, JSON, NO_STORE, msgspec.json.encode(told))
    headers = {**NO_STORE, **told.headers}
    return Answer(told.status_code or lane.handler.status_code, str(told.media_type or JSON), headers, told.content)
