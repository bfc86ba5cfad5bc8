"""Child processes that are kept alive while we live, and never outlive us.

PostgreSQL, Valkey, the workers and a demo's patients are each one `KeptAlive`, at the far end of a tether (tether.py).
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import BinaryIO, NamedTuple

from mediqon import tether

START_ATTEMPTS = 5
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
STEADY_S = 10.0  # a child that lived this long has made up for its earlier failures
POLL_S = 0.02
LOG_TAIL_LINES = 12
LOG_LIMIT_BYTES = 16 * 1024 * 1024  # checked at each start: the log before is kept as .1
PR_SET_PDEATHSIG = 1

Say = Callable[[str], None]
"""Prints one line for people."""
Ready = Callable[[socket.socket], Awaitable[None]]
"""Returns once the child can be used; is given our end of the tether."""


class ChildFailed(Exception):
    """A process that Mediqon needs cannot be started; the message says which one and why."""


class Account(NamedTuple):
    """The user and group a child runs as."""

    uid: int
    gid: int


async def at_once(_tether: socket.socket) -> None:
    """For a child that has nothing to announce."""


async def until(answer: Callable[[], Awaitable[bool]]) -> None:
    """Asks until the answer is yes; the caller bounds it."""
    while not await answer():  # noqa: ASYNC110  (another process changes it)
        await asyncio.sleep(POLL_S)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, how to tell that it is up, and how to end it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    farewell: Sequence[tuple[Signals, float]]  # each signal and the seconds it is given; SIGKILL comes after the last
    when_orphaned: Signals  # sent by the kernel when we die without a farewell (Linux only)
    ready: Ready = at_once
    patience_s: float = 30.0  # from start to ready
    beats: bool = False  # it runs `beat`, and is killed when that is not heard any more
    account: Account | None = None  # None: our own
    descriptors: Sequence[int] = ()  # inherited under the same numbers
    log: Path | None = None  # None: our own stdout and stderr


class KeptAlive:
    """One program, started again whenever it ends, until `stop`.

    Start it from the main thread: the kernel takes the end of the *thread* that forked for the parent's death.
    """

    def __init__(self, program: Program, *, say: Say) -> None:
        self._program = program
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._was_ready = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the child is ready. Raises ChildFailed when START_ATTEMPTS lives ended before that."""
        self._keeping = asyncio.create_task(self._keep())
        ready = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait({self._keeping, ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._keeping.done():
            await self._keeping

    async def stop(self) -> None:
        """Ends the child for good, within the seconds of the program's farewell; cancelled, at once."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        try:
            for number, seconds in self._program.farewell:
                self._signal(number)
                if await self._ended_within(seconds):
                    return
        finally:
            self.kill()
            await self._ended()

    def kill(self) -> None:
        """SIGKILL for the child and for what it started in its process group."""
        self._signal(signal.SIGKILL)

    async def _keep(self) -> None:
        failures = 0
        while True:
            born = time.monotonic()
            ending = await self._live()
            failures = 1 if time.monotonic() - born > STEADY_S else failures + 1
            if failures == START_ATTEMPTS and not self._was_ready.is_set():
                raise ChildFailed(f"{self._program.name} cannot be started: it {ending}.{self._last_words()}")
            self._say(f"{self._program.name} {ending}; starting it again.")
            await asyncio.sleep(min(FIRST_DELAY_S * 2 ** (failures - 1), LONGEST_DELAY_S))

    async def _live(self) -> str:
        """One life of the child; returns how it ended, in words that follow its name."""
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            try:
                with theirs:
                    self._process = process = await _spawn(self._program, theirs.fileno())
            except OSError as error:
                return f"cannot be executed ({error.strerror}: {error.filename})"
            if why_not := await self._why_not_ready(process, ours):
                self.kill()
                await process.wait()
                return why_not
            self._was_ready.set()
            return await self._until_end(process, ours)

    async def _until_end(self, process: asyncio.subprocess.Process, ours: socket.socket) -> str:
        ended = asyncio.ensure_future(process.wait())
        silent = asyncio.ensure_future(tether.silence(ours) if self._program.beats else asyncio.Event().wait())
        try:
            await asyncio.wait({ended, silent}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return _in_words(ended.result())
            self.kill()
            await ended
            return f"has not moved for {tether.SILENCE_S:g} s"
        finally:
            ended.cancel()
            silent.cancel()

    async def _why_not_ready(self, process: asyncio.subprocess.Process, ours: socket.socket) -> str:
        """Waits until the child is ready; empty when it is."""
        ended = asyncio.create_task(process.wait())
        ready = asyncio.ensure_future(self._program.ready(ours))
        try:
            patience_s = self._program.patience_s
            await asyncio.wait({ended, ready}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return _in_words(ended.result())
            if not ready.done():
                return f"was not ready within {patience_s:g} s"
            return f"cannot be used ({error})" if (error := ready.exception()) else ""
        finally:
            ended.cancel()
            ready.cancel()

    def _signal(self, number: Signals) -> None:
        """Never to a pid that was reaped: it may already be somebody else's."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                send = os.killpg if number == signal.SIGKILL else os.kill
                send(self._process.pid, number)

    async def _ended_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended()
                return True
        return False

    async def _ended(self) -> None:
        if self._process is not None:
            await self._process.wait()

    def _last_words(self) -> str:
        if self._program.log is None or not self._program.log.exists():
            return ""
        lines = self._program.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f" The end of {self._program.log}:", *lines])


@asynccontextmanager
async def kept_alive(children: Sequence[KeptAlive]) -> AsyncGenerator[None]:
    """Starts all of them together and goes on when each is ready; ends all of them together.

    Raises ChildFailed when one cannot be started.
    """
    try:
        await asyncio.gather(*(child.start() for child in children))
        yield
    finally:
        await asyncio.gather(*(child.stop() for child in children))


async def run_once(command: Sequence[str], *, environment: Mapping[str, str], account: Account | None) -> str:
    """Runs a command that ends by itself and returns what it printed; it dies with us. Raises ChildFailed."""
    name = Path(command[0]).name
    program = Program(
        name=name,
        command=command,
        environment=environment,
        farewell=(),
        when_orphaned=signal.SIGKILL,
        account=account,
    )
    try:
        process = await _spawn(program, asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE)
    except OSError as error:
        raise ChildFailed(f"{name} cannot be executed ({error.strerror}: {error.filename}).") from error
    try:
        output = (await process.communicate())[0].decode(errors="replace").strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ChildFailed(f"{name} {_in_words(process.returncode)}:\n{output}")
    return output


async def _spawn(program: Program, stdin: int, output: int | None = None) -> asyncio.subprocess.Process:
    """Starts it in a session of its own: Ctrl-C in the terminal reaches only us, and we say good-bye in order."""
    account = program.account
    log = _opened(program.log) if program.log is not None else None
    try:
        return await asyncio.create_subprocess_exec(
            *program.command,
            stdin=stdin,
            stdout=log or output,
            stderr=asyncio.subprocess.STDOUT if log or output else None,
            env=program.environment,
            pass_fds=program.descriptors,
            start_new_session=True,
            user=account and account.uid,
            group=account and account.gid,
            extra_groups=account and (),
            preexec_fn=_tied_to_us(program.when_orphaned),
        )
    finally:
        if log is not None:
            log.close()


def _tied_to_us(number: Signals) -> Callable[[], None] | None:
    """What the child does between fork and exec, so that the kernel sends it `number` when we die.

    It calls nothing but two system calls: another thread of ours may have held any lock at the fork.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.PyDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def _opened(log: Path) -> BinaryIO:
    log.parent.mkdir(mode=0o700, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))
    return open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


def _in_words(returncode: int) -> str:
    return f"ended with status {returncode}" if returncode >= 0 else f"was ended by {Signals(-returncode).name}"
