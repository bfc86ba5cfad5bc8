"""What a process costs, as the machine counts it (Linux)."""

import os
import re
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time that this process has used."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def memory_kb(pid: int) -> int:
    """Its memory, what it shares counted in proportion (Pss)."""
    found = re.search(r"^Pss:\s+(\d+) kB", (PROC / str(pid) / "smaps_rollup").read_text(), re.MULTILINE)
    if found is None:
        raise ProcessLookupError(pid)
    return int(found[1])


def child_of(parent: int, program: str) -> int | None:
    """The child whose command line contains `program`; None while there is none."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and _parent(entry) == parent and program.encode() in _command(entry):
            return int(entry.name)
    return None


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""
