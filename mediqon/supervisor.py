"""The parent of every process: embedded servers, workers, a demo's patients. It only starts, watches and ends them."""

import asyncio
import errno
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from mediqon import embedded, migrations
from mediqon.children import KeptAlive, Program, Say, kept_alive
from mediqon.metrics import DIRECTORY_VARIABLE
from mediqon.settings import Settings, SettingsError
from mediqon.tether import announced

WORKER_FAREWELL_S = 3.7  # a worker ends itself within 3.5 s
EXTRA_FAREWELL_S = 2.0
WORKER_READY_LIMIT_S = 30.0
BACKLOG = 2048
PORT_PATIENCE_S = 1.0  # the workers of a parent that was just killed still hold the port for a moment
PORT_POLL_S = 0.1
FAREWELLS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


async def serve(
    settings: Settings, *, host: str, port: int, workers: int, say: Say, also: Sequence[Sequence[str]] = ()
) -> int:
    """Serves until SIGTERM, SIGINT or SIGHUP, then takes everything down within 5 s; a second signal hastens it.

    `also` are command lines kept running beside the workers once these are ready, with the complete settings and
    MEDIQON_URL in their environment. Port 0 takes any free one. Returns 0. Raises SettingsError and ChildFailed.
    """
    children: list[KeptAlive] = []
    serving = asyncio.create_task(_serve(settings, host, port, workers, say, also, children))
    with _signals(serving, children) as signalled:
        try:
            await serving
        except asyncio.CancelledError:
            if not signalled():
                raise
    return 0


async def _serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int,
    say: Say,
    also: Sequence[Sequence[str]],
    children: list[KeptAlive],
) -> None:
    async with embedded.servers(settings, say=say, attach=False) as filled:
        await migrations.migrate(filled)
        with await _listening(host, port) as listener, _metrics_directory() as counted:
            url = _url(host, listener)
            filled = replace(filled, port=listener.getsockname()[1])
            children += [
                KeptAlive(_worker(number, listener, filled, counted), say=say) for number in range(1, workers + 1)
            ]
            async with kept_alive(children):
                embedded.announce(settings, url)
                say(f"Mediqon is ready: {url}")
                extras = [KeptAlive(_extra(command, filled, url), say=say) for command in also]
                children += extras
                async with kept_alive(extras):
                    await asyncio.Event().wait()


@contextmanager
def _signals(serving: asyncio.Task[None], children: Sequence[KeptAlive]) -> Generator[Callable[[], bool]]:
    """The first signal begins the farewell, the next ones cut it short. Yields a question: was there one?"""
    received = False

    def leave() -> None:
        nonlocal received
        if not received:
            serving.cancel()
        else:
            for child in children:
                child.kill()
        received = True

    loop = asyncio.get_running_loop()
    for number in FAREWELLS:
        loop.add_signal_handler(number, leave)
    try:
        yield lambda: received
    finally:
        for number in FAREWELLS:
            loop.remove_signal_handler(number)


def _metrics_directory() -> tempfile.TemporaryDirectory[str]:
    """Where the workers of this life of the server count together."""
    return tempfile.TemporaryDirectory(prefix="mediqon-metrics-", ignore_cleanup_errors=True)


def _worker(number: int, listener: socket.socket, settings: Settings, counted: str) -> Program:
    return Program(
        name=f"Worker {number}",
        command=(sys.executable, "-m", "mediqon.worker", str(listener.fileno())),
        environment={**_environment(settings), DIRECTORY_VARIABLE: counted},
        farewell=((signal.SIGTERM, WORKER_FAREWELL_S),),
        when_orphaned=signal.SIGTERM,
        ready=announced,
        patience_s=WORKER_READY_LIMIT_S,
        beats=True,
        descriptors=(listener.fileno(),),
    )


def _extra(command: Sequence[str], settings: Settings, url: str) -> Program:
    return Program(
        name=" ".join(command),
        command=command,
        environment={**_environment(settings), "MEDIQON_URL": url},
        farewell=((signal.SIGTERM, EXTRA_FAREWELL_S),),
        when_orphaned=signal.SIGTERM,
    )


def _environment(settings: Settings) -> Mapping[str, str]:
    return {**os.environ, **settings.as_environment()}


async def _listening(host: str, port: int) -> socket.socket:
    """The socket that all workers accept from; connections wait in it while a worker is restarted."""
    deadline = time.monotonic() + PORT_PATIENCE_S
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise SettingsError(_why_not_bound(host, port, error)) from error
        await asyncio.sleep(PORT_POLL_S)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)


def _why_not_bound(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} is taken: stop what uses it, or choose another with --port or PORT."
        case errno.EACCES:
            return f"Port {port} is not ours to take: choose one above 1023 with --port or PORT."
        case _:
            return f"Cannot listen on {host} port {port}: {error.strerror}. Choose another --host."


def _url(host: str, listener: socket.socket) -> str:
    name = EVERY_ADDRESS.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}"
