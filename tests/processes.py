"""Which processes belong to a data directory, as the machine sees it (Linux only)."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

POLL_S = 0.02


def processes_of(data_dir: Path) -> dict[int, str]:
    """Command line by pid, of every process that was told of `data_dir` or works inside it; zombies do not count."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if command and _mentions(entry, command, os.fsencode(data_dir)):
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def pid_of(data_dir: Path, program: str) -> int | None:
    """The lowest pid whose command line contains `program`."""
    return min((pid for pid, command in processes_of(data_dir).items() if program in command), default=None)


def none_left(data_dir: Path) -> bool:
    """Whether no process of that directory remains."""
    return not processes_of(data_dir)


def within(seconds: float, happens: Callable[[], object]) -> bool:
    """Whether it happens in time; asks again and again."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def end_all(data_dir: Path) -> None:
    """For a test's end, whatever became of it."""
    for pid in processes_of(data_dir):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _mentions(entry: Path, command: bytes, data_dir: bytes) -> bool:
    inside = os.fsencode((entry / "cwd").readlink()).startswith(data_dir)
    return inside or data_dir in command or data_dir in (entry / "environ").read_bytes()
