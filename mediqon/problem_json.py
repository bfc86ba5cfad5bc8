"""What is answered when something was refused or has failed: RFC 9457, from one handler."""

import logging
import re
from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from mediqon import metrics
from mediqon.auth.noted import note_refusal
from mediqon.database import LOST
from mediqon.errors import Malformed, NotFound, Problem, Unavailable

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"


def problem_response(problem: Problem) -> Response[bytes]:
    """RFC 9457."""
    metrics.REFUSALS.labels(problem.code).inc()
    body = {
        "type": f"urn:mediqon:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": str(problem),
        "code": problem.code,
        **problem.members,
    }
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(msgspec.json.encode(body), status_code=problem.status, headers=headers, media_type=PROBLEM_JSON)


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The one handler of everything raised."""
    problem = _translate(request, error)
    note_refusal(request, problem.status)
    return problem_response(problem)


def _translate(request: Request[Any, Any, Any], error: Exception) -> Problem:
    if isinstance(error, NotFound) and "actor" in request.scope["state"]:
        return NotFound()  # in the same words whether it is not there or not theirs
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationException):
        return _malformed(error)
    if isinstance(error, HTTPException):
        return _from_http(error)
    if isinstance(error, UnicodeDecodeError | RecursionError):
        return Malformed("body", "is not UTF-8, or nested too deeply")
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return Malformed("body", "holds a character that cannot be stored")
    if isinstance(error, LOST):
        log.warning("database away during %s %s: %r", request.method, _route(request), error)
        return Unavailable()
    log.error("unexpected error in %s %s", request.method, _route(request), exc_info=error)
    return Problem()


def _route(request: Request[Any, Any, Any]) -> str:
    """What was asked, as its route: an address may hold the key of a display or the code of a visit."""
    return request.scope.get("path_template") or "an unknown path"


def _malformed(error: ValidationException) -> Problem:
    problem = Malformed("body", error.detail)
    if isinstance(error.extra, list):
        found: list[dict[str, str]] = error.extra
        if all(each.get("source") == "path" for each in found):
            return NotFound()
        problem.members["errors"] = [_field_error(each.get("key", ""), each.get("message", "")) for each in found]
    return problem


def malformed_body(error: msgspec.DecodeError) -> Malformed:
    """The field that msgspec found wrong, at the path that it puts last; `body` where it is no JSON at all."""
    message, _, path = str(error).partition(" - at `$")
    return Malformed(**_field_error(path.strip("`.") or "data", message))


def _field_error(key: str, message: str) -> dict[str, str]:
    """Names the field also where msgspec only names the object around it."""
    unnamed = re.search(r"(?:unknown|required) field `([^`]+)`", message)
    inner = unnamed.group(1) if unnamed else ""
    outer = "" if key == "data" else key
    return {"field": ".".join(filter(None, (outer, inner))) or "body", "message": message}


CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def _from_http(error: HTTPException) -> Problem:
    problem = Problem(error.detail)
    problem.status = error.status_code
    problem.code = CODES.get(error.status_code, HTTPStatus(error.status_code).name.lower())
    problem.headers = error.headers or {}
    if error.status_code == 400:
        problem.members["errors"] = [{"field": "body", "message": error.detail}]
    return problem
