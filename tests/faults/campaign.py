"""Faults on a real server with two workers while clients book: `make faults`, and a short cut of it among the tests."""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from builders import Server, clinic_at_noon
from faults.faults import LONG, Fault
from faults.history import History, behind, broken_promises, events_of, versions
from faults.stage import Stage, a_stage
from mediqon import database

CLIENTS = 4
DOCTORS = 3
QUIET_SECONDS = 1.0
CALM = QUIET_SECONDS / 2
"""What is confirmed so soon before a fault may be on its way to a screen when it strikes."""
RECOVERY_LIMIT_SECONDS = 45.0


class Outcome(NamedTuple):
    """The most seconds, from when the fault began, in which no change was acknowledged; and those for which a screen
    showed less than what was acknowledged.
    """

    fault: str
    pause: float
    behind: float


class Result(NamedTuple):
    """One campaign: what each fault cost, calls by outcome, and what was broken."""

    outcomes: list[Outcome]
    calls: Counter[str]
    broken: list[str]


class Struck(NamedTuple):
    fault: str
    begun: float


async def campaign(faults: Sequence[Fault], seed: int, say: Callable[[str], object] = print) -> Result:
    """Starts a server in a directory of its own, does it all, checks, and takes everything down."""
    async with a_stage() as stage:
        return await _under_load(stage, faults, seed, say)


async def _under_load(stage: Stage, faults: Sequence[Fault], seed: int, say: Callable[[str], object]) -> Result:
    async with Server(stage.serve.url, stage.settings, lambda: datetime.now(UTC)) as server:
        clinic = await clinic_at_noon(server, slot_minutes=5)
        doctors = [clinic.doctor_id, *[(await clinic.add_doctor())[0] for _ in range(DOCTORS - 1)]]
        path = f"/hospitals/{clinic.hospital_id}/settings"
        assert (await clinic.reception.patch(path, {"walk_ins_per_day": 2000})).status == 200
        async with database.connection(stage.settings) as conn:
            before = await versions(conn)
        history = History(clinic, doctors, seed, screens_url=stage.cable.url)
        struck: list[Struck] = []
        await history.run(CLIENTS, _all_of_them(stage, history, faults, struck, say))
    async with database.connection(stage.settings) as conn:
        broken = await broken_promises(history, conn, before)
        events = await events_of(conn)
    ends = [each.begun for each in struck[1:]] + [time.monotonic()]
    outcomes = [
        Outcome(each.fault, history.pause(each.begun, end), behind(history, events, each.begun - CALM, end - CALM))
        for each, end in zip(struck, ends, strict=True)
    ]
    return Result(outcomes, Counter(call.outcome for call in history.calls), broken)


async def _all_of_them(
    stage: Stage, history: History, faults: Sequence[Fault], struck: list[Struck], say: Callable[[str], object]
) -> None:
    for fault in faults:
        await asyncio.sleep(QUIET_SECONDS)
        struck.append(Struck(fault.name, time.monotonic()))
        await fault.strike(stage)
        async with asyncio.timeout(RECOVERY_LIMIT_SECONDS):
            seconds = await history.recovered(time.monotonic())
        say(f"{fault.name:50} then a change was acknowledged within {seconds:5.2f} s")
    await asyncio.sleep(QUIET_SECONDS)


def report(results: Sequence[Result]) -> str:
    worst: dict[str, Outcome] = {}
    for outcome in (outcome for result in results for outcome in result.outcomes):
        known = worst.get(outcome.fault, outcome)
        pause, late = max(known.pause, outcome.pause), max(known.behind, outcome.behind)
        worst[outcome.fault] = Outcome(outcome.fault, pause, late)
    calls = sum((result.calls for result in results), Counter[str]())
    broken = [each for result in results for each in result.broken]
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(calls.items()))
    return "\n".join(
        [
            f"{'at worst, seconds':50} without a change    a screen behind",
            *(f"{each.fault:50} {each.pause:16.2f} {each.behind:18.2f}" for each in worst.values()),
            f"{sum(len(result.outcomes) for result in results)} faults, {calls.total()} calls: {told}",
            f"{len(broken)} promises broken",
            *broken,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Does a server's processes and wires harm; checks every promise.")
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
