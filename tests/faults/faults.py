"""What may happen to a clinic's computer, each done to real processes and real connections."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from signal import Signals
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis

from faults.stage import Stage
from mediqon import database
from processes import pid_of, processes_of

SQL = database.statements("backup")
WORKER, VALKEY, POSTGRES, PARENT = "mediqon.worker", "valkey-server", "bin/postgres", "mediqon serve"


class Fault(NamedTuple):
    """A name, and what is done; it lasts until that returns."""

    name: str
    strike: Callable[[Stage], Awaitable[None]]


def signalled(program: str, number: Signals, name: str) -> Fault:
    async def strike(stage: Stage) -> None:
        os.kill(_found(stage, program), number)

    return Fault(name, strike)


def frozen(program: str, seconds: float, name: str) -> Fault:
    async def strike(stage: Stage) -> None:
        pids = _all_of_postgres(stage) if program == POSTGRES else [_found(stage, program)]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        for pid in pids:
            _signal(pid, signal.SIGCONT)

    return Fault(f"{name} frozen for {seconds:g} s", strike)


async def restart_parent(stage: Stage) -> None:
    os.kill(stage.serve.process.pid, signal.SIGKILL)
    await stage.start_again()


async def flush(stage: Stage) -> None:
    async with Redis.from_url(stage.settings.redis_url) as redis:
        await redis.flushall()


async def cut_subscribers(stage: Stage) -> None:
    async with Redis.from_url(stage.settings.redis_url) as redis:
        await redis.execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")


def out_of_memory(seconds: float) -> Fault:
    async def strike(stage: Stage) -> None:
        async with Redis.from_url(stage.settings.redis_url) as redis:
            await redis.config_set("maxmemory", 1)
            await asyncio.sleep(seconds)
            await redis.config_set("maxmemory", 0)

    return Fault(f"Valkey out of memory for {seconds:g} s", strike)


def read_only(seconds: float) -> Fault:
    async def strike(stage: Stage) -> None:
        async with database.connection(stage.settings) as conn:
            await conn.execute("alter system set default_transaction_read_only = on")
            await conn.execute("select pg_reload_conf()")
            await asyncio.sleep(seconds)
            await conn.execute("alter system reset default_transaction_read_only")
            await conn.execute("select pg_reload_conf()")

    return Fault(f"PostgreSQL read-only for {seconds:g} s", strike)


def no_connections(seconds: float) -> Fault:
    """All of them are held by somebody else, those of the workers too."""

    async def strike(stage: Stage) -> None:
        async with AsyncExitStack() as held:
            first = await held.enter_async_context(database.connection(stage.settings))
            await _take_all(stage, held)
            while await first.fetchval(SQL.part_servers):
                await _take_all(stage, held)
            await asyncio.sleep(seconds)

    return Fault(f"PostgreSQL without a free connection for {seconds:g} s", strike)


async def _take_all(stage: Stage, held: AsyncExitStack) -> None:
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            await held.enter_async_context(database.connection(stage.settings))


def redis_unreachable(seconds: float, ending: str) -> Fault:
    async def strike(stage: Stage) -> None:
        getattr(stage.wire, ending)()
        await asyncio.sleep(seconds)
        stage.wire.mend()

    return Fault(f"wire to Valkey {ending.replace('_', ' ')} for {seconds:g} s", strike)


def screens_unplugged(seconds: float) -> Fault:
    async def strike(stage: Stage) -> None:
        stage.cable.unplug()
        await asyncio.sleep(seconds)
        stage.cable.plug(stage.serve.url)

    return Fault(f"network of the screens cut for {seconds:g} s", strike)


def storm(screens: int, *, come: int, stay: int = 0) -> Fault:
    async def strike(stage: Stage) -> None:
        asked = (str(urlsplit(stage.serve.url).port), *map(str, (screens, come, stay)))
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "faults.storm", *asked)
        assert await process.wait() == 0

    return Fault(f"{screens} screens come within {come} s" + (f" and stay {stay} s" if stay else ""), strike)


def _found(stage: Stage, program: str) -> int:
    pid = pid_of(stage.directory, program)
    assert pid is not None, program
    return pid


def _all_of_postgres(stage: Stage) -> list[int]:
    commands = processes_of(stage.directory).items()
    return [pid for pid, command in commands if POSTGRES in command or "postgres:" in command]


def _signal(pid: int, number: Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


SHORT = (
    signalled(WORKER, signal.SIGKILL, "worker killed"),
    signalled(VALKEY, signal.SIGKILL, "Valkey killed"),
    signalled(POSTGRES, signal.SIGKILL, "PostgreSQL killed"),
    frozen(POSTGRES, 1.5, "PostgreSQL"),
    Fault("Valkey flushed", flush),
    Fault("Valkey cuts its subscribers", cut_subscribers),
    read_only(1),
    redis_unreachable(1, "cut"),
    screens_unplugged(1),
)
LONG = (
    *SHORT,
    signalled(WORKER, signal.SIGTERM, "worker told to end"),
    frozen(WORKER, 2, "worker"),
    frozen(WORKER, 20, "worker"),
    Fault("parent killed, started again", restart_parent),
    frozen(VALKEY, 0.5, "Valkey"),
    frozen(VALKEY, 10, "Valkey"),
    frozen(VALKEY, 60, "Valkey"),
    frozen(POSTGRES, 0.5, "PostgreSQL"),
    frozen(POSTGRES, 10, "PostgreSQL"),
    frozen(POSTGRES, 60, "PostgreSQL"),
    out_of_memory(3),
    no_connections(3),
    read_only(5),
    redis_unreachable(5, "cut"),
    redis_unreachable(5, "fall_silent"),
    screens_unplugged(5),
    storm(5000, come=5),
    storm(10_000, come=10, stay=10),
)
