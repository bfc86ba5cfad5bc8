"""Every figure that /metrics tells, declared once. No label can hold anything personal, and each has few values.

The workers of a server write into files that they share, in the directory that PROMETHEUS_MULTIPROC_DIR named when they
started; whichever of them is asked adds up all. Without it, as under test, a process tells its own figures alone.
"""

import collections
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from mediqon import __version__

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MEDIA_TYPE = "text/plain; version=0.0.4"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LAG_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
WAIT_SECONDS = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0)
BOOKINGS_BY_VERB = {"book": "seat", "walk_in": "walk_in"}

disable_created_metrics()
registry = CollectorRegistry()

WORKERS = Gauge(
    "mediqon_workers",
    "Server processes alive, by version.",
    ["version"],
    registry=registry,
    multiprocess_mode="livesum",
)
BOOKINGS = Counter("mediqon_bookings", "Visits made: a seat sold, or a walk-in taken in.", ["kind"], registry=registry)
TRANSITIONS = Counter(
    "mediqon_transitions", "Visits that went from one status to another.", ["from", "to"], registry=registry
)
REFUSALS = Counter("mediqon_refusals", "Requests answered with a problem, by its code.", ["code"], registry=registry)
REQUESTS = Counter(
    "mediqon_http_requests",
    "Answers by route; 499 is a client that left before its answer.",
    ["method", "route", "status"],
    registry=registry,
)
DURATIONS = Histogram(
    "mediqon_http_request_duration_seconds",
    "From the request's head to the end of its answer.",
    ["method", "route"],
    buckets=REQUEST_SECONDS,
    registry=registry,
)
POOL_WAITS = Histogram(
    "mediqon_pool_wait_seconds",
    "How long a request waited for a connection to PostgreSQL.",
    buckets=WAIT_SECONDS,
    registry=registry,
)
POOL_FAILURES = Counter(
    "mediqon_pool_failures", "Times no connection to PostgreSQL was to be had in time.", registry=registry
)
LOOP_LAG = Histogram(
    "mediqon_event_loop_lag_seconds",
    "How much later than asked the event loop woke up.",
    buckets=LAG_SECONDS,
    registry=registry,
)
SOCKETS = Gauge(
    "mediqon_sockets_open", "Screens, desks and phones connected.", registry=registry, multiprocess_mode="livesum"
)
FRAMES_SENT = Counter("mediqon_frames_sent", "Frames given to sockets.", registry=registry)
FRAMES_SKIPPED = Counter(
    "mediqon_frames_skipped", "Frames replaced by newer ones before a slow client took them.", registry=registry
)
POLLS = Counter(
    "mediqon_polls", "Public reads answered from memory, in front of the routes and not among them.", registry=registry
)
REPAIRS = Counter(
    "mediqon_sweep_repairs", "Days read anew because no message had told of their change.", registry=registry
)
BUS_HEALTHY = Gauge(
    "mediqon_bus_healthy",
    "1 while every process hears itself over Redis, else 0.",
    registry=registry,
    multiprocess_mode="livemin",
)
BUS_SECONDS = Histogram(
    "mediqon_bus_seconds",
    "How long a message takes from a process over Redis to itself; asked once a second while Redis is heard.",
    buckets=LAG_SECONDS,
    registry=registry,
)
SCREEN_AGE = Gauge(
    "mediqon_screen_age_seconds",
    "Seconds since what is shown was last compared with PostgreSQL; of the worst process.",
    registry=registry,
    multiprocess_mode="livemax",
)

WORKERS.labels(__version__).set(1)

Change: TypeAlias = tuple[str, str | None, str | None]
"""Verb, status before, status after."""
_uncommitted: ContextVar[list[Change] | None] = ContextVar("changes of the open transaction", default=None)


@contextmanager
def counted_when_done() -> Generator[None]:
    """Around a transaction: what `count_changes` is told inside counts once this ends well, else not at all."""
    changes: list[Change] = []
    _uncommitted.set(changes)
    try:
        yield
    finally:
        _uncommitted.set(None)
    _count(changes)


def count_changes(changes: Iterable[Change]) -> None:
    """Counts what was written about visits; outside of `counted_when_done` at once."""
    uncommitted = _uncommitted.get()
    if uncommitted is not None:
        uncommitted += changes
    else:
        _count(changes)


def _count(changes: Iterable[Change]) -> None:
    for (verb, old, new), times in collections.Counter(changes).items():
        if verb in BOOKINGS_BY_VERB:
            BOOKINGS.labels(BOOKINGS_BY_VERB[verb]).inc(times)
        elif old and new and old != new:
            TRANSITIONS.labels(old, new).inc(times)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """One answer. `route` is the template, never the path that was asked for."""
    known = method if method in METHODS else "OTHER"
    _requests(known, route, status).inc()
    _durations(known, route).observe(seconds)


@cache
def _requests(method: str, route: str, status: int) -> Counter:
    return REQUESTS.labels(method, route, str(status))


@cache
def _durations(method: str, route: str) -> Histogram:
    return DURATIONS.labels(method, route)


def exposition() -> bytes:
    """The Prometheus text of all workers together. Reads their files: not for the event loop."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return generate_latest(registry)
    _bury_dead(Path(directory))
    together = CollectorRegistry()
    MultiProcessCollector(together, directory)
    return generate_latest(together)


def _bury_dead(directory: Path) -> None:
    """What a worker counted stays when it ends; how many sockets it held does not."""
    for path in directory.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
