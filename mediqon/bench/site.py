"""The server under test: `mediqon serve` with everything of its own, in a directory that is gone afterwards."""

import asyncio
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from mediqon import embedded
from mediqon.bench.clinic import Clinic, open_clinic
from mediqon.bench.processes import child_of
from mediqon.bench.scale import Scale
from mediqon.children import KeptAlive, Program, Say, kept_alive, until
from mediqon.data_directory import DataDirectory
from mediqon.settings import Settings

T = TypeVar("T")

START_LIMIT_S = 90.0
FAREWELL_S = 6.0
WORKER_LIMIT_S = 20.0
POLL_S = 0.05
WORKER = "mediqon.worker"
SPARE_FILES = 500  # files that a process needs beside its sockets


class Site:
    """A running server with one worker and a clinic in it.

    `runner` starts and ends what is asynchronous; between these no event loop runs, and the main thread can load.
    """

    def __init__(self, runner: asyncio.Runner, settings: Settings, url: str, server_pid: int, clinic: Clinic) -> None:
        self.runner, self.settings, self.clinic = runner, settings, clinic
        self.address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._url, self._server_pid = url, server_pid

    @property
    def worker(self) -> int:
        """The pid of the process that serves."""
        pid = child_of(self._server_pid, WORKER)
        if pid is None:
            raise RuntimeError("The server has no worker: see its log above.")
        return pid

    def fresh_worker(self) -> None:
        """Replaces the worker by one that holds nothing in memory, and waits until it serves and hears Redis."""
        before = self.worker
        os.kill(before, signal.SIGTERM)
        self.wait_until(lambda: child_of(self._server_pid, WORKER) not in {None, before} and self.healthy())

    def wait_until(self, happens: Callable[[], bool]) -> None:
        """Raises TimeoutError after WORKER_LIMIT_S."""
        deadline = time.monotonic() + WORKER_LIMIT_S
        while not happens():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server was not ready within {WORKER_LIMIT_S:g} s")
            time.sleep(POLL_S)

    def healthy(self) -> bool:
        """Whether it serves and hears Redis."""
        try:
            with urllib.request.urlopen(f"{self._url}/health/ready", timeout=2) as answer:  # noqa: S310
                return b"away" not in answer.read()
        except (urllib.error.URLError, OSError):
            return False

    @contextmanager
    def child(self, *command: str, descriptors: tuple[int, ...] = ()) -> Generator[None]:
        """Another process of the benchmark, gone at the end."""
        program = Program(
            name=" ".join(command),
            command=(sys.executable, *command),
            environment=os.environ,
            farewell=(),
            when_orphaned=signal.SIGKILL,
            descriptors=descriptors,
        )
        with held(self.runner, kept_alive([KeptAlive(program, say=_silent)])):
            yield


@contextmanager
def held(runner: asyncio.Runner, manager: AbstractAsyncContextManager[T]) -> Generator[T]:
    """An asynchronous context entered and left in `runner`, with time between in which no event loop runs."""
    value = runner.run(manager.__aenter__())
    try:
        yield value
    finally:
        runner.run(manager.__aexit__(None, None, None))


@contextmanager
def site(scale: Scale, *, say: Say) -> Generator[Site]:
    """Starts a server in a new directory, opens its clinic, and takes everything down again. Raises ChildFailed."""
    parent = Path(tempfile.mkdtemp(prefix="mqbench"))
    settings = Settings(data_dir=parent / "data")
    try:
        server = kept_alive([KeptAlive(_server(settings, parent), say=say)])
        with asyncio.Runner() as runner, held(runner, server):
            holder = DataDirectory(settings.data_dir).holder()
            assert holder is not None
            with held(runner, embedded.servers(settings, say=say)) as filled:
                clinic = runner.run(open_clinic(filled, scale))
                running = Site(runner, filled, holder.url, holder.pid, clinic)
                running.wait_until(running.healthy)
                yield running
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def raise_file_limit() -> int:
    """As many open files as this machine allows, also for the processes started from here; returns how many sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE_FILES


def _server(settings: Settings, parent: Path) -> Program:
    async def serves() -> bool:
        holder = DataDirectory(settings.data_dir).holder()
        return holder is not None and bool(holder.url)

    ours = {"DB_HOST": "", "REDIS_URL": "", "JWT_SECRET": "", "MEDIQON_TRUSTED_PROXIES": "", "MEDIQON_PUBLIC_URL": ""}
    return Program(
        name="The server",
        command=(sys.executable, "-m", "mediqon", "serve", "--port", "0", "--workers", "1"),
        environment={**os.environ, **ours, "MEDIQON_DATA_DIR": str(settings.data_dir), "MEDIQON_LOG_LEVEL": "warning"},
        farewell=((signal.SIGTERM, FAREWELL_S),),
        when_orphaned=signal.SIGTERM,
        ready=lambda _tether: until(serves),
        patience_s=START_LIMIT_S,
        log=parent / "serve.log",
    )


def _silent(_line: str) -> None:
    """For children that are ended on purpose."""
