"""Everything that can be refused, as one tree. The docstring is what the user reads unless a detail is given."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

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
        self.message = message
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


class WrongPassword(Forbidden):
    """This is not your present password."""

    code = "wrong_password"


class CrossOrigin(Forbidden):
    """This came from a page of another site."""

    code = "cross_origin"


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


class TooManySockets(Problem):
    """Too many live connections from this address. Close some, then try again."""

    status, code = 429, "too_many_connections"


class Throttled(Problem):
    """Too many attempts. Wait a moment and try again."""

    status, code = 429, "throttled"

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long to wait."""
        super().__init__()
        self.headers = {"Retry-After": str(max(1, math.ceil(seconds)))}


class Unavailable(Problem):
    """The database is away. Nothing was changed; please try again in a moment."""

    status, code = 503, "unavailable"
    headers = MappingProxyType({"Retry-After": str(RETRY_AFTER_SECONDS)})
