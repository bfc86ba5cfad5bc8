"""Real servers, and which processes belong to a data directory, as the machine sees it (Linux only)."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

POLL_S = 0.02
START_LIMIT_S = 30
CHECKOUT = Path(__file__).parent.parent
UNCONFIGURED = dict.fromkeys(("DB_HOST", "REDIS_URL", "JWT_SECRET"), "")


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


class Serve:
    """A running `mediqon serve` in a process group of its own, as a terminal would have it."""

    def __init__(self, data_dir: Path, *flags: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.output = Path(tempfile.mkstemp(dir=data_dir.parent)[1])
        command = (sys.executable, "-m", "mediqon", "serve", *(flags or ("--port", "0")))
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env={**os.environ, **UNCONFIGURED, "MEDIQON_DATA_DIR": str(data_dir), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def says(self, text: str) -> bool:
        return within(START_LIMIT_S, lambda: text in self.said or self.process.poll() is not None) and text in self.said

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def url(self) -> str:
        assert self.says("Mediqon is ready: "), self.said
        return re.findall(r"Mediqon is ready: (\S+)", self.said)[0]

    def answers(self) -> bool:
        with suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(f"{self.url}/health/ready", timeout=2):
            return True
        return False

    def told(self, number: signal.Signals) -> float:
        """Signals the whole group, as Ctrl-C does; the seconds it took to end with status 0 and nobody left."""
        begun = time.monotonic()
        os.killpg(self.process.pid, number)
        assert self.process.wait(START_LIMIT_S) == 0, self.said
        assert within(1, lambda: none_left(self.data_dir)), processes_of(self.data_dir)
        return time.monotonic() - begun
