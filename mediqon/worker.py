"""One server process: `python -m mediqon.worker FD`, started by the supervisor; FD is the listening socket, inherited.

Its environment holds complete settings; its standard input is the tether to the parent.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from functools import cache, partial
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn
from litestar import Litestar

from mediqon import logs, tether
from mediqon.app import create_app
from mediqon.headers import security_headers
from mediqon.live.handshake import Handshake
from mediqon.live.http_protocol import Http
from mediqon.live.reads import PublicReads
from mediqon.looks import Looks
from mediqon.measuring import Application, Measured
from mediqon.settings import Settings, read_settings

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# Longer than proxies keep one to us (nginx 60 s, Caddy 120): they must not send a booking into one just closed.
KEEP_ALIVE_S = 130
YOUNG_OBJECTS = 20_000
"""The collector looks after so many new objects, in a millisecond, not after every 700: that spares some 8 % of a
booking's work."""
GRACEFUL_S = 3  # for requests in flight, and for sockets whose client does not read
# Then whatever hangs is cut off: uvicorn bounds neither the shutdown of the application nor its threads.
DRAIN_LIMIT_S = 3.5


class Worker(uvicorn.Server):
    """A uvicorn server that says when it accepts, and that certainly ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Beats from when connections are accepted and what start-up made is out of the collector's way."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        self._beating = asyncio.create_task(tether.beat(), name="beat")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drains, within limits."""
        _end_at_the_latest()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serves until SIGTERM or until the parent is gone; then drains and exits with 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    tether.when_orphaned(_drain)
    settings = read_settings(os.environ)
    logs.configure(settings.log_level)
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
    speaks_http = partial(Http, PublicReads(cache(lambda: app.state.feed)))
    application = Looks(Measured(cast("Application", app)), app.state)
    return uvicorn.Config(
        cast("ASGI3Application", application),
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", speaks_http),
        ws=Handshake,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        headers=security_headers(settings),
        server_header=False,
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
    )


if __name__ == "__main__":
    main()
