"""Faults on a real server with two workers while clients book: `make faults`, and a short cut of it among the tests."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from builders import Server, open_clinic
from faults.history import History, broken_promises, versions
from mediqon import database, embedded
from mediqon.settings import Settings
from processes import Serve, end_all, pid_of, processes_of, within

CLIENTS = 4
DOCTORS = 3
QUIET_SECONDS = 1.0
STARTED_SECONDS = 40
RECOVERY_LIMIT_SECONDS = 45.0


class Fault(NamedTuple):
    """What is done to which program; frozen for `seconds`, or killed where it is 0."""

    program: str
    seconds: float = 0

    def __str__(self) -> str:
        name = self.program.rpartition("/")[2].removeprefix("mediqon.")
        return f"{name} frozen for {self.seconds:g} s" if self.seconds else f"{name} killed"


class Result(NamedTuple):
    """One campaign: seconds to recover by fault, calls by outcome, and what was broken."""

    recoveries: list[tuple[str, float]]
    outcomes: Counter[str]
    broken: list[str]


SHORT = (Fault("mediqon.worker"), Fault("valkey-server"), Fault("bin/postgres"), Fault("bin/postgres", 1.5))
LONG = (
    *SHORT,
    Fault("mediqon.worker", 2),
    Fault("mediqon.worker", 10),
    Fault("valkey-server", 0.5),
    Fault("valkey-server", 10),
    Fault("bin/postgres", 0.5),
    Fault("bin/postgres", 10),
)


async def inflict(data_dir: Path, fault: Fault) -> None:
    pid = pid_of(data_dir, fault.program)
    assert pid is not None, fault
    if not fault.seconds:
        os.kill(pid, signal.SIGKILL)
        return
    frozen = _all_of_postgres(data_dir) if "postgres" in fault.program else [pid]
    for each in frozen:
        _signal(each, signal.SIGSTOP)
    await asyncio.sleep(fault.seconds)
    for each in frozen:
        _signal(each, signal.SIGCONT)


def _all_of_postgres(data_dir: Path) -> list[int]:
    return [
        pid for pid, command in processes_of(data_dir).items() if "bin/postgres" in command or "postgres:" in command
    ]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def campaign(faults: Sequence[Fault], seed: int, say: Callable[[str], object] = print) -> Result:
    """Starts a server in a directory of its own, does it all, checks, and takes everything down."""
    parent = Path(tempfile.mkdtemp(prefix="mqf"))
    serve = Serve(parent / "data", "--port", "0", "--workers", "2")
    try:
        assert await asyncio.to_thread(within, STARTED_SECONDS, serve.answers), serve.said
        async with embedded.servers(Settings(data_dir=serve.data_dir), say=print) as settings:
            return await _under_load(serve, settings, faults, seed, say)
    finally:
        end_all(parent)
        serve.process.wait()
        rmtree(parent)


async def _under_load(
    serve: Serve, settings: Settings, faults: Sequence[Fault], seed: int, say: Callable[[str], object]
) -> Result:
    async with Server(serve.url, settings, lambda: datetime.now(UTC)) as server:
        clinic = await open_clinic(server, timezone="UTC", slot_minutes=5)
        doctors = [clinic.doctor_id, *[(await clinic.add_doctor())[0] for _ in range(DOCTORS - 1)]]
        path = f"/hospitals/{clinic.hospital_id}/settings"
        assert (await clinic.reception.patch(path, {"walk_ins_per_day": 2000})).status == 200
        async with database.connection(settings) as conn:
            before = await versions(conn)
        history = History(clinic, doctors, seed)
        recoveries: list[tuple[str, float]] = []
        await history.run(CLIENTS, _all_of_them(serve, history, faults, recoveries, say))
    async with database.connection(settings) as conn:
        broken = await broken_promises(history, conn, before)
    return Result(recoveries, Counter(call.outcome for call in history.calls), broken)


async def _all_of_them(
    serve: Serve,
    history: History,
    faults: Sequence[Fault],
    recoveries: list[tuple[str, float]],
    say: Callable[[str], object],
) -> None:
    for fault in faults:
        await asyncio.sleep(QUIET_SECONDS)
        begun = time.monotonic()
        await inflict(serve.data_dir, fault)
        async with asyncio.timeout(RECOVERY_LIMIT_SECONDS):
            seconds = await history.recovered(begun)
        recoveries.append((str(fault), seconds))
        say(f"{fault!s:28} the next change was acknowledged after {seconds:5.2f} s")
    await asyncio.sleep(QUIET_SECONDS)


def report(results: Sequence[Result]) -> str:
    outcomes = sum((result.outcomes for result in results), Counter[str]())
    broken = [each for result in results for each in result.broken]
    worst: dict[str, float] = {}
    for result in results:
        for fault, seconds in result.recoveries:
            worst[fault] = max(worst.get(fault, 0), seconds)
    lines = [f"{fault:28}{seconds:6.2f} s at worst until a change was acknowledged" for fault, seconds in worst.items()]
    faults = sum(len(result.recoveries) for result in results)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    lines += [f"{faults} faults, {outcomes.total()} calls: {told}", f"{len(broken)} promises broken", *broken]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Kills and freezes a server's processes under load; checks every promise."
    )
    parser.add_argument("--rounds", type=int, default=3, help="campaigns, each with a server of its own (3)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats what clients choose")
    asked = parser.parse_args()
    results: list[Result] = []
    for number in range(asked.rounds):
        print(f"Round {number + 1} of {asked.rounds}, seed {asked.seed + number}")
        results.append(asyncio.run(campaign(LONG, asked.seed + number)))
    print(report(results))
    sys.exit(1 if any(result.broken for result in results) else 0)


if __name__ == "__main__":
    main()
