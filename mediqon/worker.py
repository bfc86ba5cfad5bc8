"""One server process: `python -m mediqon.worker FD`, started by the supervisor; FD is the listening socket, inherited.

Its environment holds complete settings; its standard input is the tether to the parent.
"""

import gc
import logging
import os
import signal
import socket
import sys
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn
from litestar import Litestar

from mediqon.app import create_app
from mediqon.children import announce, when_orphaned
from mediqon.measuring import Application, Measured
from mediqon.settings import Settings, read_settings

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

GRACEFUL_S = 3  # for requests in flight, and for sockets whose client does not read
# Then whatever hangs is cut off: uvicorn bounds neither the shutdown of the application nor its threads.
DRAIN_LIMIT_S = 3.5
FRAME_MAX_BYTES = 4096
PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 40.0


class Worker(uvicorn.Server):
    """A uvicorn server that says when it accepts, and that certainly ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announces readiness when connections are accepted and what start-up made is out of the collector's way."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drains, within limits."""
        _end_at_the_latest()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serves until SIGTERM or until the parent is gone; then drains and exits with 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    when_orphaned(_drain)
    settings = read_settings(os.environ)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # a lost database is told in a line, not in tracebacks
    listener = socket.socket(fileno=int(sys.argv[1]))
    Worker(configuration(create_app(settings), settings)).run(sockets=[listener])


def _drain() -> None:
    _end_at_the_latest()  # here too: the event loop may be stuck
    os.kill(os.getpid(), signal.SIGTERM)


def _end_at_the_latest() -> None:
    """Nobody handles SIGALRM: its default action ends the process."""
    signal.setitimer(signal.ITIMER_REAL, DRAIN_LIMIT_S)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal again once it has drained: what would kill us then is a good end."""
    sys.exit(0)


def configuration(app: Litestar, settings: Settings) -> uvicorn.Config:
    """How every server process serves, the ones under test too."""
    measured = Measured(cast("Application", app))
    return uvicorn.Config(
        cast("ASGI3Application", measured),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=FRAME_MAX_BYTES,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        log_level="debug" if settings.log_level.lower() == "debug" else "warning",
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=GRACEFUL_S,
    )


if __name__ == "__main__":
    main()
