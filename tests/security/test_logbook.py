"""The logbook: complete, append-only, and sealed so that not even the database's superuser changes it unseen."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from builders import PASSWORD, Clinic, Server, open_clinic, refused
from conftest import Clock, serving
from mediqon import erasure
from mediqon.auth import audit, logbook, seals
from mediqon.auth.audit import Link, Note
from mediqon.auth.logbook import Logbook
from mediqon.database import Connection, Pool, connection, open_pool
from mediqon.migrations import migrate
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

KEY, OTHER_KEY = audit.key_of("k" * 40), audit.key_of("o" * 40)
DAY = date(2026, 11, 23)
AT = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
WRITTEN_SECONDS = 5.0


def note(number: int) -> Note:
    return Note(at=AT + timedelta(seconds=number), action="GET /auth/me", outcome=401, object=f"number={number}")


def a_week() -> list[audit.Entry]:
    entries: list[audit.Entry] = []
    last: Link | None = None
    for day in range(7):
        entries += audit.chained([note(number) for number in range(5)], last, KEY, today=DAY + timedelta(days=day))
        last = Link(entries[-1].day, entries[-1].number, entries[-1].seal)
    return entries


def test_a_chain_that_nobody_touched_is_whole_and_each_day_counts_from_one() -> None:
    entries = a_week()
    assert audit.findings(entries, [OTHER_KEY, KEY]) == []
    assert [entry.number for entry in entries[:7]] == [1, 2, 3, 4, 5, 1, 2]


def test_a_clock_that_goes_back_does_not_take_the_chain_back() -> None:
    later = audit.chained([note(1)], Link(DAY, 5, b""), KEY, today=DAY - timedelta(days=1))
    assert (later[0].day, later[0].number) == (DAY, 6)


CHANGES: dict[str, Any] = {
    "at": AT + timedelta(microseconds=1),
    "actor_id": 7,
    "address": "192.0.2.1",
    "action": "GET /auth/you",
    "object": "",
    "outcome": 200,
    "times": 2,
    "request": "x",
}


def test_every_change_removal_insertion_and_other_order_is_found() -> None:
    entries = a_week()
    for field, value in CHANGES.items():
        changed = list(entries)
        changed[12] = msgspec.structs.replace(changed[12], **{field: value})
        assert [(each.day, each.number) for each in audit.findings(changed, [KEY])] == [(entries[12].day, 3)], field
    for position in range(len(entries) - 1):
        assert audit.findings(entries[:position] + entries[position + 1 :], [KEY]), position
    without_a_day = entries[:10] + entries[15:]
    assert audit.findings(without_a_day, [KEY])
    swapped = [*entries[:3], entries[4], entries[3], *entries[5:]]
    assert audit.findings(swapped, [KEY])
    forged = audit.chained([note(9)], Link(entries[12].day, 2, entries[11].seal), OTHER_KEY, today=DAY)
    assert "not configured" in audit.findings([*entries[:12], *forged, *entries[13:]], [KEY])[0].problem


async def written(conn: Connection) -> list[dict[str, Any]]:
    """The logbook once it stands still."""
    async with asyncio.timeout(WRITTEN_SECONDS):
        before = -1
        while (rows := await conn.fetch("select * from audit order by day, number")) == [] or len(rows) != before:
            before = len(rows)
            await asyncio.sleep(1.3)
    return [dict(row) for row in rows]


async def test_log_ins_refusals_looks_and_changes_are_noted_with_who_where_and_what(clinic: Clinic) -> None:
    server = clinic.server
    elsewhere, patient = await open_clinic(server), await server.patient()
    visit = await patient.book(clinic.doctor_id)
    await clinic.doctor.get(f"/appointments/{visit['id']}")
    await clinic.doctor.get(f"/appointments/{visit['id']}")
    await elsewhere.reception.get(f"/appointments/{visit['id']}")
    await clinic.doctor.post(f"/hospitals/{clinic.hospital_id}/staff", {})
    await server.anybody.post("/auth/login", {"email": patient.email, "password": "wrong one"})
    await server.anybody.get("/auth/me", authorization="Bearer nonsense")
    for _ in range(20):
        await server.anybody.get(f"/appointments/{visit['id']}")
    await clinic.reception.patch(f"/hospitals/{clinic.hospital_id}/settings", {"rooms": 2})
    async with server.watch(f"/live/desk/{clinic.doctor_id}", clinic.doctor) as desk:
        await desk.frame()
    async with connection(server.settings) as conn:
        rows = await written(conn)
        users = {row["id"]: row["role"] for row in await conn.fetch("select id, role from users")}
    found = {(row["action"], row["object"], row["outcome"], row["actor_role"]): row for row in rows}
    one = f"appointment_id={visit['id']}"
    appointment = "GET /appointments/{appointment_id}"
    for wanted in (
        ("POST /auth/login", "", 200, "patient"),
        ("POST /auth/login", "", 401, None),
        ("GET /auth/me", "", 401, None),
        (appointment, one, 200, "doctor"),
        (appointment, one, 404, "hospital"),
        (appointment, one, 401, None),
        ("POST /hospitals/{hospital_id}/staff", f"hospital_id={clinic.hospital_id}", 403, "doctor"),
        ("PATCH /hospitals/{hospital_id}/settings", f"hospital_id={clinic.hospital_id}", 200, "hospital"),
        ("LIVE /live/desk/{doctor_id}", f"doctor_id={clinic.doctor_id}", 101, "doctor"),
    ):
        assert wanted in found, (wanted, sorted(map(str, found)))
    assert sum(row["times"] for row in rows if (row["action"], row["outcome"]) == (appointment, 401)) == 20
    assert sum(row["outcome"] == 401 and row["action"] == appointment for row in rows) <= 2
    assert sum(row["outcome"] == 200 and row["action"] == appointment for row in rows) == 1, "a second look is no news"
    assert all(row["actor_role"] == users[row["actor_id"]] for row in rows if row["actor_id"])
    assert {row["address"] for row in rows if row["action"] != seals.SEAL} == {"127.0.0.1"}
    text = json.dumps(rows, default=str)
    for secret in (patient.email, "Pat Ient", visit["code"], str(clinic.doctor.token), PASSWORD):
        assert secret not in text


async def test_who_is_refused_without_end_fills_no_logbook(settings: Settings, clock: Clock) -> None:
    asked = 3 * logbook.REFUSALS_MAX
    async with serving(settings, clock) as server:
        for number in range(asked):
            refused(await server.anybody.get(f"/appointments/{number}"), 401, "unauthenticated")
    async with connection(settings) as conn:
        rows = await conn.fetch("select action, times from audit where action <> $1", seals.SEAL)
    assert sum(row["times"] for row in rows) == asked
    again = [row["times"] for row in rows if row["action"] == "refused again"]
    assert sum(again) == asked - logbook.REFUSALS_MAX
    assert len(rows) - len(again) == logbook.REFUSALS_MAX


async def test_whatever_moment_a_write_is_cancelled_at_each_note_is_written_once(settings: Settings) -> None:
    moments, now = 60, datetime.now(UTC)
    async with open_pool(settings) as pool:
        book = Logbook(pool, KEY)
        for moment in range(moments):
            book.note(Note(at=now, action=f"look {moment}", outcome=200))
            writing = asyncio.create_task(book.write(now))
            await asyncio.sleep(moment * 0.0001)
            writing.cancel()
            await asyncio.wait({writing})
            await book.write(now)
        rows = await pool.fetch("select action, sum(times) as times from audit where action ~ 'look' group by action")
    assert {row["action"]: row["times"] for row in rows} == {f"look {moment}": 1 for moment in range(moments)}


async def test_a_write_that_fails_once_nobody_waits_for_it_keeps_its_notes_and_says_nothing(settings: Settings) -> None:
    async with connection(settings) as conn, open_pool(settings) as pool:
        book = Logbook(pool, KEY)
        book.note(note(1))
        async with conn.transaction():
            await logbook.lock(conn)
            writing = asyncio.create_task(book.write(AT))
            await asyncio.sleep(0.1)  # at the lock by now
            writing.cancel()
            await asyncio.wait({writing})
            await conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mediqon'"
            )
            await asyncio.sleep(0.1)  # an error that nobody takes would be told here, and fail the test
        await book.write(AT)
        assert await conn.fetchval("select times from audit where outcome = 401") == 1


async def test_what_was_noted_last_is_written_when_the_server_stops(settings: Settings, clock: Clock) -> None:
    async with serving(settings, clock) as server:
        refused(await server.anybody.get("/auth/me"), 401, "unauthenticated")
    async with connection(settings) as conn:
        assert await conn.fetchval("select count(*) from audit where outcome = 401") == 1


async def test_several_processes_write_one_chain(settings: Settings) -> None:
    async with open_pool(settings) as pool:
        books = [Logbook(pool, KEY) for _ in range(4)]
        for number in range(12):
            for book in books:
                book.note(note(number))
            await asyncio.gather(*(book.write(AT) for book in books))
        async with connection(settings) as conn:
            report = await logbook.verify(conn, [KEY])
    assert (report.entries, report.findings) == (48, [])


async def test_notes_wait_for_a_database_that_is_away_and_the_crowd_is_counted(settings: Settings) -> None:
    async with open_pool(settings) as pool:
        book = Logbook(pool, KEY)
        async with connection(settings) as conn:
            await conn.execute("alter table audit rename to elsewhere")
            for number in range(logbook.PENDING_MAX + 10):
                book.note(note(number))
            with pytest.raises(asyncpg.PostgresError):
                await book.write(AT)
            await conn.execute("alter table elsewhere rename to audit")
            await book.write(AT)
            rows = await conn.fetch("select action, times from audit")
    assert len(rows) == logbook.PENDING_MAX + 1
    assert [row["times"] for row in rows if row["action"] == "left out"] == [10]


async def test_the_superuser_changes_nothing_unseen(clinic: Clinic, clock: Clock) -> None:
    settings = clinic.server.settings
    keys = [audit.key_of(secret) for secret in settings.audit_secrets]
    await clinic.reception.walk_in(clinic.doctor_id)
    clock.forward(minutes=5)
    async with connection(settings) as conn, open_pool(settings) as pool:
        book = Logbook(pool, keys[0])
        book.note(note(1))
        book.note(note(2))
        await book.write(clock.now)
        clean = await logbook.verify(conn, keys)
        assert (clean.findings, clean.entries > 0, clean.events_sealed) == ([], True, 1)
        for tampering in (
            "update audit set outcome = outcome + 1 where number = 1",
            "delete from audit where number = 1",
            "update appointment_events set actor_id = null",
            "update appointment_events set at = at - interval '1 hour'",
            "delete from appointment_events",
        ):
            async with rolled_back(conn):
                await conn.execute("set local session_replication_role = replica")
                await conn.execute(tampering)
                assert (await logbook.verify(conn, keys)).findings, tampering
        assert (await logbook.verify(conn, keys)).findings == []


async def test_who_was_forgotten_is_told_apart_from_what_was_changed(clinic: Clinic, clock: Clock) -> None:
    settings, key = clinic.server.settings, audit.key_of(clinic.server.settings.audit_secrets[0])
    async with connection(settings) as conn, open_pool(settings) as pool:
        people = [await finished_visit(clinic) for _ in range(3)]
        await sealed_so_far(pool, key, clock)
        people += [await finished_visit(clinic) for _ in range(2)]
        await sealed_so_far(pool, key, clock)
        for person in people[1:4]:
            await erasure.forget_patient(conn, person, now=clock.now, by="test", key=key)
        report = await logbook.verify(conn, [key])
        words = await conn.fetchval("select count(*) from appointment_events where reason is not null")
        assert (report.findings, report.events_sealed, report.events_forgotten, words) == ([], 15, 3, 2)
        for tampering in (
            "update appointment_events set reason = null where id = 3",
            "update appointment_events set reason = null, forgetting_id = 1 where id = 3",
            "update appointment_events set verb = 'call' where forgetting_id is not null",
            "update appointment_events set reason = 'another' where forgetting_id is not null",
            "delete from appointment_events where forgetting_id is not null",
            "delete from audit where action = 'seal events again'",
        ):
            async with rolled_back(conn):
                await conn.execute("set local session_replication_role = replica")
                await conn.execute(tampering)
                assert (await logbook.verify(conn, [key])).findings, tampering


async def test_forgetting_somebody_does_not_seal_what_was_changed_before(clinic: Clinic, clock: Clock) -> None:
    settings, key = clinic.server.settings, audit.key_of(clinic.server.settings.audit_secrets[0])
    async with connection(settings) as conn, open_pool(settings) as pool:
        person, _ = [await finished_visit(clinic) for _ in range(2)]
        await sealed_so_far(pool, key, clock)
        await conn.execute("set session_replication_role = replica")
        await conn.execute("update appointment_events set reason = 'another' where id = 5")
        await conn.execute("set session_replication_role = origin")
        await erasure.forget_patient(conn, person, now=clock.now, by="test", key=key)
        assert [each.problem for each in (await logbook.verify(conn, [key])).findings] == ["events 1 to 6 were changed"]


async def test_old_entries_go_the_rest_is_verified_and_what_they_sealed_stays_sealed(
    clinic: Clinic, clock: Clock
) -> None:
    settings, key = clinic.server.settings, audit.key_of(clinic.server.settings.audit_secrets[0])
    async with connection(settings) as conn, open_pool(settings) as pool:
        for number in range(8):
            person = await finished_visit(clinic)
            await sealed_so_far(pool, key, clock)
            if number == 0:
                await erasure.forget_patient(conn, person, now=clock.now, by="test", key=key)
            clock.forward(days=1)
            await clinic.reception.log_in_again()
            await clinic.doctor.log_in_again()
            await logbook.drop_old(pool, key, days=3, now=clock.now)
            assert (await logbook.verify(conn, [key])).findings == []
        report = await logbook.verify(conn, [key])
        oldest = await conn.fetchval("select min(day) from audit")
        assert oldest == clock.now.date() - timedelta(days=3)
        assert (report.events_sealed, report.events_forgotten) == (24, 1)
        for tampering in (
            "delete from audit where day = (select min(day) from audit)",
            "delete from audit where action = 'drop entries'",
            "update appointment_events set at = at - interval '1 hour' where id = 4",
            "update appointment_events set at = at - interval '1 hour' where id = 24",
        ):
            async with rolled_back(conn):
                await conn.execute("set local session_replication_role = replica")
                await conn.execute(tampering)
                assert (await logbook.verify(conn, [key])).findings, tampering
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await conn.execute("delete from audit where day = (select min(day) from audit)")


async def finished_visit(clinic: Clinic) -> int:
    """Somebody who came and went, in three events, one of them with words; returns who."""
    visit = await clinic.reception.walk_in(clinic.doctor_id)
    await clinic.doctor.move(visit, "CALLED")
    assert (await clinic.doctor.move(visit, "COMPLETED", reason="asked for it")).status == 200
    return visit["patient"]["id"]


async def sealed_so_far(pool: Pool, key: bytes, clock: Clock) -> None:
    """What has happened so far is settled, and under seal."""
    clock.forward(minutes=2)
    await Logbook(pool, key).write(clock.now)


@asynccontextmanager
async def rolled_back(conn: Connection) -> AsyncGenerator[None]:
    attempt = conn.transaction()
    await attempt.start()
    try:
        yield
    finally:
        await attempt.rollback()


@pytest.mark.parametrize("table", ["audit", "appointment_events"])
async def test_the_tables_take_no_change_by_trigger_and_by_grant(clinic: Clinic, table: str) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    async with connection(clinic.server.settings) as conn:
        for change in (f"update {table} set at = at", f"delete from {table}", f"truncate {table}"):
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                await conn.execute(change)


async def test_an_ordinary_database_user_runs_everything_and_may_not_change_what_is_append_only(
    servers: Settings, clock: Clock
) -> None:
    """The owner of the tables, as with a PostgreSQL of one's own: here the grant refuses, before the trigger would."""
    async with connection(msgspec.structs.replace(servers, db_name="postgres")) as admin:
        await admin.execute("create role clerk login password 'clerk'")
        await admin.execute("create database clerks owner clerk")
        try:
            own = msgspec.structs.replace(servers, db_user="clerk", db_password="clerk", db_name="clerks")
            await migrate(own)
            async with serving(own, clock) as server:
                clinic = await open_clinic(server)
                assert (await clinic.reception.walk_in(clinic.doctor_id)).status == 201
                assert (await clinic.doctor.call_next(clinic.doctor_id))["called"]
                visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
                await clinic.reception.move(visit, "CANCELLED", reason="gone")
            async with connection(own) as conn, open_pool(own) as pool:
                person = visit["patient"]["id"]
                assert (await erasure.forget_patient(conn, person, now=clock.now, by="test", key=KEY)).events == 1
                await logbook.drop_old(pool, KEY, days=1, now=clock.now + timedelta(days=9))
                assert await conn.fetchval("select min(day) from audit where action = 'drop entries'")
                assert await conn.fetchval("select count(*) from audit") > 0
                for table in ("audit", "appointment_events"):
                    for change in (f"update {table} set at = at", f"delete from {table}", f"truncate {table}"):
                        with pytest.raises(asyncpg.InsufficientPrivilegeError):
                            await conn.execute(change)
        finally:
            await admin.execute("drop database if exists clerks with (force)")
            await admin.execute("drop role clerk")


async def test_the_command_verifies_and_fails_when_something_was_changed(server: Server) -> None:
    refused(await server.anybody.get("/auth/me"), 401, "unauthenticated")
    async with connection(server.settings) as conn:
        await written(conn)
        code, told = await verify_command(server.settings)
        assert (code, told["findings"]) == (0, [])
        assert (told["entries"] > 0, len(told["last_seal"])) == (True, 64)
        await conn.execute("set session_replication_role = replica")
        await conn.execute("update audit set address = '192.0.2.1'")
        code, told = await verify_command(server.settings)
    assert code == 1
    assert told["findings"][0]["number"] == 1


async def verify_command(settings: Settings) -> tuple[int | None, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mediqon", "audit", "verify", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env=settings.as_environment(),
    )
    out, _ = await process.communicate()
    return process.returncode, json.loads(out)
