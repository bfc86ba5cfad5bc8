"""Everything that can be refused, as one tree. The docstring is what the user reads unless a detail is given."""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from mediqon import metrics
from mediqon.database import LOST

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 2


class Problem(Exception):
    """Something went wrong on our side. It has been written down; please try again."""

    status = 500
    code = "internal"
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str | None = None, **members: object) -> None:
        """`members` are further fields of the answer, such as `next_free`."""
        super().__init__(detail or (self.__doc__ or "").strip())
        self.members = members


class Malformed(Problem):
    """The request cannot be understood; see `errors`."""

    status, code = 400, "malformed"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(errors=[{"field": field, "message": message}])


class ImportErrors(Malformed):
    """Nothing was imported; see `errors`."""

    code = "import_errors"

    def __init__(self, errors: Sequence[object]) -> None:
        Problem.__init__(self, errors=errors)


class Unauthenticated(Problem):
    """Log in first: this needs an access token."""

    status, code = 401, "unauthenticated"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class InvalidToken(Unauthenticated):
    """This token is not one of ours, or it has expired. Log in again."""

    code = "invalid_token"


class InvalidCredentials(Unauthenticated):
    """This e-mail address and password do not belong together."""

    code = "invalid_credentials"


class Forbidden(Problem):
    """Your account may not do this."""

    status, code = 403, "forbidden"


class NotFound(Problem):
    """There is nothing here that you may see."""

    status, code = 404, "not_found"


class Conflict(Problem):
    """This does not fit the present state."""

    status, code = 409, "conflict"


class EmailTaken(Conflict):
    """There is an account with this e-mail address already."""

    code = "email_taken"


class OwnAccount(Conflict):
    """You cannot disable the account you are logged in with; so the last one always stays."""

    code = "own_account"


class TimezoneInUse(Conflict):
    """There are appointments from today on: their times were promised in the present timezone."""

    code = "timezone_in_use"


class DoctorsChanged(Conflict):
    """One of these doctors has been changed meanwhile. Nothing was written; please try again."""

    code = "doctors_changed"


class SlotTaken(Conflict):
    """Somebody was quicker: this time is taken."""

    code = "slot_taken"


class SlotUnavailable(Conflict):
    """The doctor does not see patients at this time."""

    code = "slot_unavailable"


class SlotPast(Conflict):
    """This time is over."""

    code = "slot_past"


class DayFull(Conflict):
    """No free time is left on this day."""

    code = "day_full"


class AlreadyBooked(Conflict):
    """There is an open visit with this doctor on this day already."""

    code = "already_booked"


class IllegalTransition(Conflict):
    """A visit cannot go from where it is to there."""

    code = "illegal_transition"


class StaleVersion(Conflict):
    """It has changed since you looked."""

    code = "stale_version"


class QueuePaused(Conflict):
    """The queue is paused: resume it first."""

    code = "queue_paused"


class QueueClosed(Conflict):
    """The queue of this day is closed."""

    code = "queue_closed"


class VisitOver(Conflict):
    """This visit has no place in line to change."""

    code = "visit_not_waiting"


class TooLate(Conflict):
    """It is too late for that: please call the desk."""

    code = "too_late"


class VisitsOpen(Conflict):
    """Not every visit of the day is settled: see `visits`. Settle them, or close with `no_show`."""

    code = "visits_open"


class NothingToUndo(Conflict):
    """There is nothing of the desk's to take back."""

    code = "nothing_to_undo"


class CannotUndo(Conflict):
    """The last change cannot be taken back."""

    code = "cannot_undo"


class IdempotencyMismatch(Conflict):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_mismatch"


class Unavailable(Problem):
    """The database is away. Nothing was changed; please try again in a moment."""

    status, code = 503, "unavailable"
    headers = MappingProxyType({"Retry-After": str(RETRY_AFTER_SECONDS)})


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
    return Response(
        msgspec.json.encode(body), status_code=problem.status, headers=problem.headers, media_type=PROBLEM_JSON
    )


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The one handler of everything raised."""
    return problem_response(_translate(request, error))


def _translate(request: Request[Any, Any, Any], error: Exception) -> Problem:
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
        log.warning("database away during %s %s: %r", request.method, request.url.path, error)
        return Unavailable()
    log.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    return Problem()


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
