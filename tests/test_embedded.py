"""The servers that Mediqon starts by itself: real ones, in directories of their own."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from importlib.machinery import ModuleSpec
from pathlib import Path
from shutil import rmtree

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mediqon import embedded
from mediqon.settings import Settings, SettingsError
from processes import end_all, none_left, pid_of, processes_of, within

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

OWNER = """
import asyncio, sys
from pathlib import Path
from mediqon import children, embedded
from mediqon.settings import Settings

async def own():
    async with embedded.servers(Settings(data_dir=Path(sys.argv[1])), say=lambda line: print(line, flush=True)):
        print("up", flush=True)
        await asyncio.Event().wait()

if "untied" in sys.argv:
    children._tied_to_us = lambda number: None
asyncio.run(own())
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="mq"))  # pytest's own are long, and closed again by the next session
    yield parent / "data"
    end_all(parent)
    rmtree(parent)


def started(data_dir: Path, *, attach: bool = True, **configured: str) -> AbstractAsyncContextManager[Settings]:
    settings = Settings(data_dir=data_dir, **configured)  # pyright: ignore[reportArgumentType]
    return embedded.servers(settings, say=print, attach=attach)


def owner(data_dir: Path, *flags: str, says: str = "up") -> "subprocess.Popen[str]":
    """Another process that runs the servers; returns when it has said `says`."""
    command = (sys.executable, "-c", OWNER, str(data_dir), *flags)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdout is not None
    assert any(says in line for line in process.stdout)
    return process


def killed(process: "subprocess.Popen[str]") -> None:
    with process:
        process.kill()


async def ask(settings: Settings, sql: str) -> object:
    connection = await asyncpg.connect(
        host=settings.db_host,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password,
        database=settings.db_name,
    )
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def redis_answers(settings: Settings) -> bool:
    async with Redis.from_url(settings.redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
        return await redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_with_nothing_configured_both_servers_answer_and_end_with_us(data_dir: Path) -> None:
    async with started(data_dir) as settings:
        assert await ask(settings, "select current_database() || current_setting('timezone')") == "mediqonUTC"
        assert await redis_answers(settings)
        assert len(settings.jwt_secret) >= 32
    assert none_left(data_dir)


async def test_a_second_start_keeps_data_and_secrets(data_dir: Path) -> None:
    async with started(data_dir) as first:
        await ask(first, "create table kept ()")
    async with started(data_dir) as second:
        assert await ask(second, "select count(*) from kept") == 0
    assert first == second


async def test_a_command_beside_the_owner_uses_its_servers_and_leaves_them_running(data_dir: Path) -> None:
    async with started(data_dir) as own:
        running = pid_of(data_dir, "bin/postgres")
        async with started(data_dir) as attached:
            assert attached == own
        assert pid_of(data_dir, "bin/postgres") == running
        assert await redis_answers(own)


async def test_a_command_beside_the_owner_may_name_another_database(data_dir: Path) -> None:
    async with started(data_dir), started(data_dir, db_name='other "clinic"') as attached:
        assert await ask(attached, "select current_database()") == 'other "clinic"'


async def test_a_second_server_is_told_who_runs_and_where(data_dir: Path) -> None:
    async with started(data_dir):
        embedded.announce(Settings(data_dir=data_dir), "http://127.0.0.1:3000")
        with pytest.raises(SettingsError, match=rf"pid {os.getpid()} at http://127\.0\.0\.1:3000; stop it or choose"):
            async with started(data_dir, attach=False):
                pass


async def test_a_configured_postgresql_leaves_only_redis_to_start(data_dir: Path) -> None:
    async with started(data_dir, db_host="db.example", jwt_secret="j" * 32) as settings:
        assert await redis_answers(settings)
        assert (settings.db_host, settings.jwt_secret) == ("db.example", "j" * 32)
        assert not (data_dir / "postgres").exists()


async def test_a_configured_redis_leaves_only_postgresql_to_start(data_dir: Path) -> None:
    async with started(data_dir, redis_url="redis://cache.example") as settings:
        assert await ask(settings, "select 1") == 1
        assert settings.redis_url == "redis://cache.example"
        assert pid_of(data_dir, "valkey") is None


async def test_with_everything_configured_nothing_is_started_or_written(data_dir: Path) -> None:
    async with started(data_dir, db_host="db", redis_url="redis://cache", jwt_secret="j" * 32) as settings:
        assert settings.db_host == "db"
        assert not (data_dir / "lock").exists()


async def test_everything_is_closed_to_other_users(data_dir: Path) -> None:
    async with started(data_dir):
        private = [data_dir / name for name in ("secrets.json", "lock", "valkey.conf", "logs/postgres.log")]
        assert {mode(path) for path in private} == {0o600}
        assert {mode(data_dir / name) for name in ("postgres", "run", "logs")} == {0o700}
        assert mode(data_dir) == (0o701 if os.geteuid() == 0 else 0o700)


async def test_neither_server_listens_on_a_network_or_takes_anybody_without_its_password(data_dir: Path) -> None:
    async with started(data_dir) as settings:
        assert await ask(settings, "select current_setting('listen_addresses')") == ""
        assert await ask(settings, "select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'") == 0
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(msgspec.structs.replace(settings, db_password="guessed"), "select 1")
        async with Redis.from_url(settings.redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
            assert await redis.config_get("port") == {"port": "0"}  # pyright: ignore
        socket = settings.redis_url.partition("@")[2].partition("?")[0]
        async with Redis(unix_socket_path=socket) as stranger:  # pyright: ignore
            with pytest.raises(RedisError, match="authenticat"):
                await stranger.ping()  # pyright: ignore


async def test_postgresqls_own_log_quotes_nothing_that_somebody_entered(data_dir: Path) -> None:
    async with started(data_dir) as settings:
        await ask(settings, "create table people (email text unique)")
        await ask(settings, "insert into people values ('erika@example.org')")
        conn = await asyncpg.connect(
            host=settings.db_host, user=settings.db_user, password=settings.db_password, database=settings.db_name
        )
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute("insert into people values ($1)", "erika@example.org")
        await conn.close()
    told = (data_dir / "logs" / "postgres.log").read_text()
    assert ("duplicate key" in told, "erika" in told) == (True, False)


async def test_no_password_shows_in_a_command_line(data_dir: Path) -> None:
    async with started(data_dir) as settings:
        commands = " ".join(processes_of(data_dir).values())
        assert settings.db_password not in commands
        assert settings.redis_url.split(":")[2].split("@")[0] not in commands


async def test_a_path_too_long_for_a_socket_is_no_obstacle(data_dir: Path) -> None:
    async with started(data_dir / ("deep" * 25)) as settings:
        assert await ask(settings, "select 1") == 1
        assert await redis_answers(settings)
        assert mode(Path(settings.db_host)) == 0o700
    rmtree(settings.db_host)


async def test_a_socket_directory_that_somebody_else_prepared_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = data_dir / ("deep" * 25)
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir.parent))
    async with started(deep) as settings:
        sockets = Path(settings.db_host)
    rmtree(sockets)
    (sockets.parent / sockets.name).symlink_to(data_dir)
    with pytest.raises(SettingsError, match="must be a directory of user"):
        async with started(deep):
            pass


async def test_after_a_kill_of_the_owner_nothing_is_left_and_the_data_is(data_dir: Path) -> None:
    process = owner(data_dir)
    async with started(data_dir) as settings:
        await ask(settings, "create table kept ()")
    killed(process)
    assert within(3, lambda: none_left(data_dir))
    async with started(data_dir) as settings:
        assert await ask(settings, "select count(*) from kept") == 0


async def test_servers_that_outlived_their_owner_are_replaced(data_dir: Path) -> None:
    process = owner(data_dir, "untied")
    orphans = {pid_of(data_dir, "bin/postgres"), pid_of(data_dir, "valkey-server")}
    killed(process)
    assert orphans <= processes_of(data_dir).keys()
    async with started(data_dir) as settings:
        assert await ask(settings, "select 1") == 1
        assert await redis_answers(settings)
        assert not orphans & processes_of(data_dir).keys()


async def test_a_kill_while_the_database_is_made_leaves_nothing_half_made(data_dir: Path) -> None:
    killed(owner(data_dir, says="Creating the database"))
    assert not (data_dir / "postgres").exists()
    async with started(data_dir) as settings:
        assert await ask(settings, "select 1") == 1


async def test_a_stale_pid_that_is_somebody_elses_by_now_is_no_obstacle(data_dir: Path) -> None:
    async with started(data_dir):
        pass
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir}/postgres\n0\n5432\n\n\n")
    async with started(data_dir) as settings:
        assert await ask(settings, "select 1") == 1


@pytest.mark.parametrize("program", ["bin/postgres", "valkey-server"])
async def test_a_server_that_dies_is_started_again(data_dir: Path, program: str) -> None:
    async with started(data_dir):
        died = pid_of(data_dir, program)
        assert died is not None
        os.kill(died, signal.SIGKILL)
        # Beside the owner, as a command would: it waits until both answer.
        async with started(data_dir) as settings:
            assert await ask(settings, "select 1") == 1
            assert pid_of(data_dir, program) not in (died, None)


async def test_lost_secrets_are_named_rather_than_replaced(data_dir: Path) -> None:
    async with started(data_dir):
        pass
    (data_dir / "secrets.json").unlink()
    with pytest.raises(SettingsError, match=r"secrets\.json is missing"):
        async with started(data_dir):
            pass


async def test_without_the_packages_the_missing_setting_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(embedded, "find_spec", nothing)
    with pytest.raises(SettingsError, match=r"DB_HOST is not set .* pip install mediqon\[embedded\]"):
        async with started(data_dir, redis_url="redis://cache"):
            pass
