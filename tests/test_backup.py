"""`mediqon backup` and `mediqon restore` as an administrator runs them, against real servers."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

import asyncpg
import msgspec
import pytest

from builders import Clinic, Server, clinic_at_noon, open_clinic
from commands import mediqon, told
from conftest import Clock, serving
from mediqon import backup
from mediqon.database import connection
from mediqon.settings import Settings, SettingsError
from processes import CHECKOUT, UNCONFIGURED, end_all

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mqb"))
    yield folder
    end_all(folder)
    rmtree(folder)


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def contents(settings: Settings) -> dict[str, list[str]]:
    async with connection(settings) as conn:
        names = [row[0] for row in await conn.fetch("select tablename from pg_tables where schemaname = 'public'")]
        return {
            name: [str(row[0]) for row in await conn.fetch(f'select to_jsonb(t) from "{name}" t order by 1')]
            for name in sorted(names)
        }


async def test_everything_comes_back_as_it_was_at_the_backup_but_for_the_numbers_that_screens_compare(
    settings: Settings, clock: Clock, folder: Path
) -> None:
    async with serving(settings, clock) as server:
        clinic = await open_clinic(server)
        await clinic.reception.walk_in(clinic.doctor_id, "Ann")
    assert "Wrote" in await mediqon(settings, "backup", str(folder / "clinic.dump"))
    saved = await contents(settings)
    async with serving(settings, clock) as server:
        await server.patient("Bob")
    async with connection(settings) as conn:
        await conn.execute(
            "create table later_version (id int); create type later_kind as enum ('a'); create sequence later_number"
        )
    assert "Restored" in await mediqon(settings, "restore", "--yes", str(folder / "clinic.dump"))
    restored = await contents(settings)
    assert restored.keys() == saved.keys()
    assert {name for name, rows in saved.items() if restored[name] != rows} <= {"queues"}
    assert mode(folder / "clinic.dump") == 0o600
    assert files(folder) == ["clinic.dump"]


async def test_beside_a_running_server_it_refuses_until_told_and_then_screens_show_the_restored_state(
    server: Server, clinic: Clinic, folder: Path
) -> None:
    today = await clinic.reception.walk_in(clinic.doctor_id, "Ann")
    file = str(folder / "clinic.dump")
    await mediqon(server.settings, "backup", file)
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await clinic.reception.walk_in(clinic.doctor_id, "Bob")
        lost = await screen.version(2)
        assert "Mediqon is running" in await mediqon(server.settings, "restore", "--yes", file, status=1)
        assert len((await clinic.reception.today(clinic.doctor_id))["waiting"]) == 2
        await mediqon(server.settings, "restore", "--yes", "--beside-server", file)
        shown = await screen.until(lambda frame: len(frame.get("tokens", [])) == 1)
    assert shown["version"] > lost["version"]
    assert [visit["id"] for visit in (await clinic.reception.today(clinic.doctor_id))["waiting"]] == [today["id"]]
    assert (await clinic.reception.walk_in(clinic.doctor_id, "Cid"))["token"] == "A-W02"


async def test_a_day_that_was_opened_after_the_backup_is_empty_on_its_screens_after_the_restore(
    settings: Settings, clock: Clock, folder: Path
) -> None:
    clock.now = datetime.now(UTC)
    async with serving(settings, clock) as server:
        clinic = await clinic_at_noon(server)
        await mediqon(settings, "backup", str(folder / "clinic.dump"))
        async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
            await clinic.reception.walk_in(clinic.doctor_id, "Bob")
            await screen.version(1)
            await mediqon(settings, "restore", "--yes", "--beside-server", str(folder / "clinic.dump"))
            await screen.until(lambda frame: not frame.get("tokens", True))
        assert (await clinic.reception.walk_in(clinic.doctor_id, "Cid"))["token"] == "A-W01"


async def test_what_cannot_be_restored_is_refused_in_a_sentence_and_changes_nothing(
    settings: Settings, folder: Path
) -> None:
    file = folder / "clinic.dump"
    await mediqon(settings, "backup", str(file))
    before = await contents(settings)
    (folder / "letter.txt").write_text("Dear Sir")
    (folder / "half.dump").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for name in ("letter.txt", "half.dump"):
        said = await mediqon(settings, "restore", "--yes", str(folder / name), status=1)
        assert "no backup of Mediqon, or it is damaged" in said
    async with connection(settings) as conn:
        await conn.execute("insert into migrations (name) values ('9999_future')")
    newer = folder / "newer.dump"
    await mediqon(settings, "backup", str(newer))
    async with connection(settings) as conn:
        await conn.execute("delete from migrations where name = '9999_future'")
    assert "newer Mediqon (9999_future)" in await mediqon(settings, "restore", "--yes", str(newer), status=1)
    assert await contents(settings) == before


async def test_a_restore_that_fails_halfway_leaves_everything_as_it_was(settings: Settings, folder: Path) -> None:
    file = str(folder / "clinic.dump")
    await mediqon(settings, "backup", file)
    before = await contents(settings)
    admin = await asyncpg.connect(
        host=settings.db_host,
        port=settings.db_port,
        user=settings.db_user,
        password=settings.db_password,
        database=settings.db_name,
    )
    async with admin.transaction():  # somebody holds on to a table for longer than a restore waits
        await admin.execute("lock table users in access share mode")
        assert "lock timeout" in await mediqon(settings, "restore", "--yes", file, status=1)
    await admin.close()
    assert await contents(settings) == before


async def test_failures_of_a_backup_are_told_and_keep_the_last_one(settings: Settings, folder: Path) -> None:
    file = folder / "clinic.dump"
    file.write_bytes(b"the last good one")
    away = msgspec.structs.replace(settings, db_host=str(folder))
    assert "pg_dump" in await mediqon(away, "backup", str(file), status=1)
    assert file.read_bytes() == b"the last good one"
    assert "cannot be written" in await mediqon(settings, "backup", str(folder / "no" / "such.dump"), status=1)
    assert files(folder) == ["clinic.dump"]


async def test_with_nothing_configured_it_starts_the_embedded_servers_for_it(folder: Path) -> None:
    alone = {**os.environ, **UNCONFIGURED, "MEDIQON_DATA_DIR": str(folder / "data")}
    await told(alone, "migrate")
    saved = await told(alone, "backup", "--json", str(folder / "clinic.dump"))
    names = [path.stem for path in sorted((CHECKOUT / "sql" / "migrations").glob("*.sql"))]
    assert msgspec.json.decode(saved[saved.index("{") :])["migrations"] == names
    assert "Restored" in await told(alone, "restore", "--yes", str(folder / "clinic.dump"))


def test_where_postgresqls_programs_are_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(_name: str) -> None: ...

    monkeypatch.setattr(backup, "find_spec", not_installed)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match=r"pg_dump is not installed: .*postgresql-client"):
        backup.program_path("pg_dump")
