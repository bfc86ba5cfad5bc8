"""`mediqon check` says what is wrong and what to do; migrations wait for their turn and hold nobody up."""

import asyncio
import json
import os
import tempfile
from pathlib import Path
from shutil import rmtree

import asyncpg
import msgspec
import pytest

from commands import mediqon, told
from mediqon import checkup, migrations
from mediqon.database import connection
from mediqon.settings import Settings, SettingsError, read_settings
from processes import UNCONFIGURED, end_all

pytestmark = pytest.mark.anyio

HOLD_SECONDS = 4.0


async def test_a_healthy_installation_is_ok_in_every_part(settings: Settings) -> None:
    findings = json.loads(await mediqon(settings, "check", "--json"))
    assert [finding for finding in findings.values() if not finding.startswith("ok")] == []
    assert set(findings) == {"PostgreSQL", "Tables", "Pool", "Clock", "Redis", "Secret"}


@pytest.mark.parametrize("hosts", ["a:1,", ",a:1", "a:1,,b:1", ":secret@a:1,:2", "a:port,b:1", "a:70000", "a:0"])
def test_a_redis_host_without_a_name_or_a_port_that_is_none_is_refused_at_once(hosts: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL") as refusal:
        read_settings({"REDIS_URL": f"redis://{hosts}/0"})
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://a:1, b:2",
        "redis://:secret@[::1:6379",
        "localhost:6379",
        "http://h:1",
        "redis:h:1",
        "redis://h:1/0,h2:2",
    ],
)
def test_what_redis_py_would_not_take_or_take_for_something_else_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL") as refusal:
        read_settings({"REDIS_URL": url})
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["redis://a", "redis://:secret@a:1,[::1]:2/0", "unix://:secret@/run/valkey.sock?db=0"])
def test_whatever_names_one_redis_or_several_hosts_of_a_cluster_is_taken(url: str) -> None:
    assert read_settings({"REDIS_URL": url}).redis_url == url


async def test_the_embedded_servers_are_checked_with_their_disk_and_directory() -> None:
    folder = Path(tempfile.mkdtemp(prefix="mqc"))
    alone = {**os.environ, **UNCONFIGURED, "MEDIQON_DATA_DIR": str(folder / "data")}
    said = await told(alone, "check", status=1)
    assert "Tables not up to date" in said
    await told(alone, "migrate")
    assert "Disk ok" in await told(alone, "check")
    (folder / "data" / "secrets.json").chmod(0o644)
    assert "secrets.json is open to others: chmod 600" in await told(alone, "check", status=1)
    end_all(folder)
    rmtree(folder)


async def test_what_is_away_or_not_up_to_date_is_said_with_what_to_do(settings: Settings) -> None:
    away = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:1/0")
    said = await mediqon(away, "check", status=1)
    assert "Redis away" in said
    assert "See REDIS_URL" in said
    async with connection(settings) as conn:
        await conn.execute("insert into migrations (name) values ('9999_future')")
    assert "newer than this Mediqon (9999_future)" in await mediqon(settings, "check", status=1)
    async with connection(settings) as conn:
        await conn.execute("delete from migrations where name = '9999_future' or name like '0006%'")
    assert "run `mediqon migrate`" in await mediqon(settings, "check", status=1)
    gone = msgspec.structs.replace(settings, db_host="127.0.0.1", db_port=1)
    assert "PostgreSQL away" in await mediqon(gone, "check", status=1)


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (checkup.postgres_version("13.9 (Debian 13.9-0)"), "too old: 13.9"),
        (checkup.redis_version("6.0.16", ""), "too old: 6.0.16"),
        (checkup.pool_finding(5, 8), "lower MEDIQON_DB_POOL"),
        (checkup.clock_finding(75.2), "75 s ahead of"),
        (checkup.clock_finding(-9.0), "9 s behind"),
        (checkup.secret_finding("a" * 40, made=False), "easy to guess"),
        (checkup.disk_finding(Path("/data"), 40_000_000), "only 40 MB are free"),
    ],
)
def test_each_trouble_has_its_sentence(finding: str, says: str) -> None:
    assert says in finding
    assert not finding.startswith("ok")


async def test_a_migration_lets_go_of_a_lock_it_cannot_have_and_comes_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "9001_later.sql").write_text("alter table users add column later integer;")
    monkeypatch.setattr(migrations, "sql_folder", lambda: tmp_path)
    async with connection(settings) as other, connection(settings) as clinic:
        held = other.transaction()
        await held.start()
        await other.execute("lock table users in access share mode")
        migrating = asyncio.create_task(migrations.migrate(settings))
        await asyncio.sleep(1)
        begun = asyncio.get_running_loop().time()
        await clinic.fetchval("select count(*) from users")  # stands in line behind the migration until that lets go
        assert asyncio.get_running_loop().time() - begun < HOLD_SECONDS
        await held.rollback()
        assert await migrating == ["9001_later"]
        assert await migrations.migrate(settings) == []


async def test_a_migration_that_is_never_let_in_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "LOCK_MS", 50)
    monkeypatch.setattr(migrations, "PAUSE_SECONDS", 0.01)
    async with connection(settings) as other:
        await other.execute("select pg_advisory_lock($1)", migrations.LOCK)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await migrations.migrate(settings)
