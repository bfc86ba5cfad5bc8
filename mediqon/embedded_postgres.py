"""The embedded PostgreSQL: made once, started as our child, its leftovers ended."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import asyncpg

from mediqon.children import Account, Program, Say, run_once, until
from mediqon.data_directory import DataDirectory, sync_directory, write_private
from mediqon.settings import Settings

SUPERUSER = "postgres"
MAINTENANCE_DATABASE = "postgres"
PORT = 5432  # no TCP port: it only names the socket
CONNECT_LIMIT_S = 2
RECOVERY_LIMIT_S = 600.0
FAREWELL = ((signal.SIGINT, 1.0), (signal.SIGQUIT, 0.3))  # fast shutdown, then immediate: recovered at the next start
LEFTOVER_LIMIT_S = 3.0
NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError)

INITDB = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-data-checksums",
    "--no-instructions",
)
CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "64MB",
    "log_error_verbosity": "terse",  # the detail of an error quotes what somebody entered
    "timezone": "UTC",
    "log_timezone": "UTC",
}


async def initialise(
    binaries: Path, directory: DataDirectory, password: str, account: Account | None, *, say: Say
) -> None:
    """Makes the database, unless it is there. A kill at any point leaves all of it or nothing. Raises ChildFailed."""
    if directory.postgres.exists():
        return
    say(f"Creating the database in {directory.postgres} (once) …")
    fresh = directory.path / "postgres.new"
    rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account is not None:
        os.chown(fresh, *account)
    password_file = directory.path / "initial-password"
    write_private(password_file, password.encode() + b"\n", account)
    command = (str(binaries / "initdb"), f"--pgdata={fresh}", f"--pwfile={password_file}", *INITDB)
    try:
        await run_once(command, environment=_environment(), account=account)
    finally:
        password_file.unlink()
    fresh.rename(directory.postgres)
    sync_directory(directory.path)


def program(binaries: Path, directory: DataDirectory, settings: Settings, account: Account | None) -> Program:
    """The server; `settings` are filled in: `db_host` is its socket directory."""
    quoted = '"' + settings.db_host.replace('"', '""') + '"'
    configuration = {**CONFIGURATION, "unix_socket_directories": quoted}
    flags = [word for name, value in configuration.items() for word in ("-c", f"{name}={value}")]

    return Program(
        name="PostgreSQL",
        command=(str(binaries / "postgres"), "-D", str(directory.postgres), *flags),
        environment=_environment(),
        farewell=FAREWELL,
        when_orphaned=signal.SIGINT,
        ready=lambda _tether: until(lambda: answers(settings)),
        patience_s=RECOVERY_LIMIT_S,
        account=account,
        log=directory.logs / "postgres.log",
    )


async def answers(settings: Settings) -> bool:
    """Whether one can log in."""
    try:
        connection = await _connect(settings)
    except NOT_YET:
        return False
    await connection.close()
    return True


async def create_database(settings: Settings) -> None:
    """Creates the database `settings.db_name` unless it is there."""
    connection = await _connect(settings)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", settings.db_name):
            quoted = '"' + settings.db_name.replace('"', '""') + '"'
            with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE DATABASE {quoted}")
    finally:
        await connection.close()


async def end_leftover(data: Path) -> None:
    """Ends the server of a parent that died without a farewell, should it still run or be on its way down."""
    pid = _recorded_pid(data)
    if pid is None:
        return
    if not _serves(pid, data):
        # PostgreSQL sees for itself when the number is nobody's, but gives up when it is somebody else's by now:
        # in a container the same few numbers come back at each start.
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if await _gone_within(LEFTOVER_LIMIT_S, pid, data):
            return


async def _connect(settings: Settings) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        host=settings.db_host,
        port=PORT,
        user=SUPERUSER,
        password=settings.db_password,
        database=MAINTENANCE_DATABASE,
        ssl=False,
        timeout=CONNECT_LIMIT_S,
    )


def _environment() -> Mapping[str, str]:
    """Ours could redirect PostgreSQL (PGDATA, PGPORT, …) or name a locale that this machine does not have."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _recorded_pid(data: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    return None


def _serves(pid: int, data: Path) -> bool:
    """Whether `pid` is a postgres process that was started on this very directory."""
    command = _command_line(pid)
    return b"postgres" in command and os.fsencode(data) in command


def _command_line(pid: int) -> bytes:
    """Empty when there is no such process (any more)."""
    if sys.platform == "linux":
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        return b""
    ps = ("ps", "-ww", "-o", "command=", "-p", str(pid))
    return subprocess.run(ps, capture_output=True, check=False).stdout  # noqa: S603


async def _gone_within(seconds: float, pid: int, data: Path) -> bool:
    async def gone() -> bool:
        return not _serves(pid, data)

    with suppress(TimeoutError):
        await asyncio.wait_for(until(gone), seconds)
        return True
    return False
