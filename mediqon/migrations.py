"""PostgreSQL's schema: brought up to date, one file after another."""

import asyncio
from pathlib import Path

import asyncpg

from mediqon.database import Connection, connection, sql_folder
from mediqon.settings import Settings

LOCK = 0x4D45_4451  # "MEDQ"
LOCK_MS = 2_000
ATTEMPTS = 15
PAUSE_SECONDS = 1.0


async def migrate(settings: Settings) -> list[str]:
    """Brings the schema up to date, one transaction a file; returns the names of the files applied.

    Whoever serves meanwhile is not held up for longer than LOCK_MS: a change that cannot have its lock by
    then lets go, and tries again. Raises LockNotAvailableError after ATTEMPTS.
    """
    applied: list[str] = []
    async with connection(settings) as conn:
        await conn.execute(f"set lock_timeout = {LOCK_MS}")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await _apply_missing(conn, applied)
                break
            except asyncpg.LockNotAvailableError:
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
    return applied


async def pending(conn: Connection) -> tuple[list[str], list[str]]:
    """Those this version brings and the database lacks, and those the database has from a newer version."""
    done: set[str] = set()
    if await conn.fetchval("select to_regclass('migrations') is not null"):
        done = {row["name"] for row in await conn.fetch("select name from migrations")}
    known = names()
    return [name for name in known if name not in done], sorted(done - {*known})


async def _apply_missing(conn: Connection, applied: list[str]) -> None:
    """Adds what it applies to `applied`."""
    await conn.execute("select pg_advisory_lock($1)", LOCK)
    await conn.execute(
        "create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())"
    )
    missing, _ = await pending(conn)
    for path in _migrations():
        if path.stem in missing:
            async with conn.transaction():
                await conn.execute(path.read_text())
                await conn.execute("insert into migrations (name) values ($1)", path.stem)
            applied.append(path.stem)


def names() -> list[str]:
    """Every migration that this version brings, in order."""
    return [path.stem for path in _migrations()]


def _migrations() -> list[Path]:
    return sorted((sql_folder() / "migrations").glob("*.sql"))
