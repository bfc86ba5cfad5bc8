"""A real PostgreSQL and its streaming replica, each on a unix socket, made as an administrator makes them."""

import asyncio
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from mediqon import embedded_postgres
from mediqon.backup import program_path
from mediqon.children import Account
from mediqon.data_directory import DataDirectory
from mediqon.database import connection
from mediqon.settings import Settings
from mediqon.system_account import account_for, let_in

PASSWORD = "between the two"
STARTED_SECONDS = 20.0


class Pair:
    """`settings` name both; whichever takes writes is used."""

    def __init__(self, settings: Settings, primary: "Postgres", replica: "Postgres") -> None:
        self.settings, self.primary, self.replica = settings, primary, replica


class Postgres:
    """One of the two."""

    def __init__(self, process: Process, settings: Settings) -> None:
        self._process, self.settings = process, settings
        self._frozen: list[int] = []

    async def ask(self, words: str) -> object:
        async with connection(self.settings) as conn:
            return await conn.fetchval(words)

    def kill(self) -> None:
        """With everything it started, as when its machine is gone."""
        os.killpg(self._process.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """As when its machine can no longer be reached: nothing answers, nothing is refused."""
        self._frozen = self._children()
        for each in self._frozen:
            os.kill(each, signal.SIGSTOP)

    def bury(self) -> None:
        """What is frozen does not notice that the server has gone."""
        for each in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)

    def _children(self) -> list[int]:
        """The server first, so that it starts no other."""
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]


@asynccontextmanager
async def postgres_pair(settings: Settings) -> AsyncGenerator[Pair]:
    """With synchronous replication: what the first has acknowledged, the second has. `settings` name the database."""
    async with AsyncExitStack() as stack:
        directory = DataDirectory(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mqp"))))
        account = account_for(directory.postgres, say=print)
        let_in(account, Path(program_path("postgres")).parent)
        if account is not None:
            os.chown(directory.path, *account)
        binaries = Path(program_path("postgres")).parent
        await embedded_postgres.initialise(binaries, directory, PASSWORD, account, say=print)
        settings = replace(settings, db_user="postgres", db_password=PASSWORD)
        primary = await _started(directory.postgres, settings, account, stack)
        await embedded_postgres.create_database(primary.settings)
        copy = directory.path / "replica"
        told = ("-h", primary.settings.db_host, "-U", "postgres", "-D", str(copy), "-R", "--checkpoint=fast")
        await _run("pg_basebackup", *told, account=account)
        replica = await _started(copy, settings, account, stack)
        await primary.ask("alter system set synchronous_standby_names = '*'")
        await primary.ask("select pg_reload_conf()")
        async with asyncio.timeout(STARTED_SECONDS):
            while await primary.ask("select sync_state from pg_stat_replication") != "sync":
                await asyncio.sleep(0.05)
        hosts = f"{replica.settings.db_host},{primary.settings.db_host}"
        yield Pair(replace(settings, db_host=hosts), primary, replica)


async def _started(data: Path, settings: Settings, account: Account | None, stack: AsyncExitStack) -> Postgres:
    sockets = data.with_name(f"{data.name}.run")
    sockets.mkdir()
    if account is not None:
        os.chown(sockets, *account)
    flags = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={sockets}")
    process = await _spawned("postgres", "-D", str(data), *flags, account=account)
    stack.push_async_callback(_end, process)
    found = replace(settings, db_host=str(sockets))
    async with asyncio.timeout(STARTED_SECONDS):
        while not await embedded_postgres.answers(found):
            await asyncio.sleep(0.05)
    made = Postgres(process, found)
    stack.callback(made.bury)
    return made


async def _run(program: str, *words: str, account: Account | None) -> None:
    process = await _spawned(program, *words, account=account)
    assert await process.wait() == 0, program


async def _spawned(program: str, *words: str, account: Account | None) -> Process:
    return await asyncio.create_subprocess_exec(
        program_path(program),
        *words,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": PASSWORD},
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=account and (),
    )


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
