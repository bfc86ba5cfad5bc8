"""One benchmark from beginning to end: servers up, every kind in turn, servers down."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import msgspec

import mediqon
from mediqon.bench import fanout, reads, writes
from mediqon.bench.clinic import load_history
from mediqon.bench.report import Report, Sample, figures, machine
from mediqon.bench.scale import KINDS, Kind, Scale
from mediqon.bench.site import Site, raise_file_limit, site

Step = Callable[[str], None]
Measure = Callable[[Site, Scale, Step], Iterator[Sample]]


def run(scale: Scale, only: Sequence[Kind], *, step: Step) -> Report:
    """Measures the kinds that `only` names, all if it is empty. `step` is told what is measured next.

    A kind whose figures would not be true (a request refused, an answer missing, a worker that died) is given up, and
    the report says why. Raises ChildFailed and SettingsError when the servers cannot be started.
    """
    if sys.platform != "linux":
        raise RuntimeError("The benchmark needs Linux: it counts with epoll and /proc.")
    scale = scale.at_most(raise_file_limit())
    about, begun, failures = machine(), time.monotonic(), dict[str, str]()
    previous = signal.signal(signal.SIGTERM, _leave)
    try:
        kinds: list[Kind] = [kind for kind in KINDS if kind in only or not only]
        samples = list(_samples(scale, kinds, step, failures))
    finally:
        signal.signal(signal.SIGTERM, previous)
    seconds = round(time.monotonic() - begun, 1)
    made = {
        "version": mediqon.__version__,
        "scale": scale,
        "seconds": seconds,
        "figures": figures(samples),
        "failures": failures,
    }
    return msgspec.convert({**about, **made}, Report)


def _samples(scale: Scale, kinds: Sequence[Kind], step: Step, failures: dict[str, str]) -> Iterator[Sample]:
    step("starting a server of its own")
    with site(scale, say=step) as measured:
        for kind in kinds:
            try:
                measured.fresh_worker()
                yield from MEASURES[kind](measured, scale, step)
            except (RuntimeError, OSError) as error:
                failures[kind] = str(error)


def _growth(empty: Site, scale: Scale, step: Step) -> Iterator[Sample]:
    """Beside the server that has just been opened, one with a history."""
    with site(scale, say=step) as grown:
        grown.runner.run(load_history(grown.settings, grown.clinic, scale.doctors, scale.history, step))
        yield from writes.growth(empty, grown, scale, step)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Like Ctrl-C: everything that was started is taken down on the way out."""
    raise KeyboardInterrupt


MEASURES: dict[Kind, Measure] = {
    "growth": _growth,
    "fanout": fanout.fan_outs,
    "latency": fanout.latencies,
    "bookings": writes.bookings,
    "status": writes.status_changes,
    "today": reads.today,
    "polls": reads.polls,
    "logins": reads.log_ins,
}
