"""The log: one JSON object a line, with the id of the request it is about, and nothing that a patient or a key would be
known by. What was asked is named by its route, never by its address; of an error its kind and place are told, not its
message, which may quote what somebody entered.
"""

import itertools
import logging
import secrets
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Set for the time of one request."""

_process = secrets.token_hex(4)
_requests = itertools.count(1)
QUIET = {"asyncpg.pool": "ERROR", "uvicorn.error": "WARNING", "httpx": "WARNING", "httpcore": "WARNING"}
"""Others' logs: tracebacks of a lost database told in a line of ours already, and handshakes with their credentials."""


def new_request_id() -> str:
    """Another one each time; no two processes make the same."""
    return f"{_process}-{next(_requests):x}"


def configure(level: str) -> None:
    """Has everything that this process logs from `level` on written to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)


class OneLine(logging.Formatter):
    """A record as one JSON object: at, level, logger, request, event; and error and frames of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if about := request_id.get():
            told["request"] = about
        if record.exc_info and record.exc_info[1]:
            told |= _error(record.exc_info[1])
        return msgspec.json.encode(told).decode()


def _error(error: BaseException) -> dict[str, object]:
    chain = [type(each).__name__ for each in (error, error.__cause__ or error.__context__) if each]
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": " from ".join(chain), "frames": [f"{at.filename}:{at.lineno} {at.name}" for at in frames]}
