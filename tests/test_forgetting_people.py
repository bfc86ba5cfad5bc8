"""`mediqon forget` and `mediqon export-day`: what goes, what stays, and that nothing else can change a story."""

import json
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from builders import Answer, Clinic, Server
from commands import mediqon
from conftest import Clock
from mediqon import erasure
from mediqon.auth.audit import key_of
from mediqon.database import connection
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

KEY = key_of("k" * 40)
SECRETS = ("Erika", "Mustermann", "0700 555-1", "erika@", "headache", "fainted", "asked for it")


async def everything(settings: Settings) -> str:
    """Every value of every table, and every kept answer as text."""
    async with connection(settings) as conn:
        names = [row[0] for row in await conn.fetch("select tablename from pg_tables where schemaname = 'public'")]
        rows = [str(row[0]) for name in names for row in await conn.fetch(f'select to_jsonb(t) from "{name}" t')]
        answers = [row[0] or b"" for row in await conn.fetch("select body from idempotency_keys")]
    return "\n".join(rows) + b"\n".join(answers).decode()


async def known_patient(clinic: Clinic) -> Answer:
    """Somebody with a finished visit, and words about it in every place that takes words."""
    visit = await clinic.reception.post(
        "/appointments/walk-in",
        {
            "doctor_id": clinic.doctor_id,
            "patient": {"name": "Erika Mustermann", "phone": "+49 0700 555-1"},
            "priority": "NORMAL",
        },
        idempotency_key="once",
    )
    assert visit.status == 201, visit
    path = f"/appointments/{visit['id']}"
    await clinic.reception.patch(f"{path}/priority", {"priority": "PRIORITY", "reason": "fainted"})
    for status in ("CALLED", "COMPLETED"):
        await clinic.doctor.move(visit, status, reason="asked for it")
    return visit


async def test_a_patient_is_forgotten_and_the_visit_stays_as_a_number(server: Server, clinic: Clinic) -> None:
    visit = await known_patient(clinic)
    booked = await clinic.reception.book(clinic.doctor_id, patient={"name": "Bob"}, reason="cough")
    person = str(visit["patient"]["id"])
    counted = await mediqon(server.settings, "forget", "--patient", person, "--dry-run")
    assert "Would forget 1 patients, 0 with a log-in; 1 visits" in counted
    assert "Mustermann" in await everything(server.settings)
    done = await mediqon(server.settings, "forget", "--patient", person, "--yes")
    assert done == counted.replace("Would forget", "Forgot")
    left = await everything(server.settings)
    assert not [secret for secret in SECRETS if secret in left]
    assert ("Bob" in left, "cough" in left) == (True, True)
    after = await clinic.reception.get(f"/appointments/{visit['id']}")
    assert (after["patient"]["name"], after["token"], after["status"]) == ("Forgotten", "A-W01", "COMPLETED")
    assert after["called_at"] is not None
    story = (await clinic.reception.get(f"/appointments/{visit['id']}/events"))["events"]
    assert [event["verb"] for event in story] == ["walk_in", "priority", "call", "complete"]
    assert (await clinic.reception.get(f"/appointments/{booked['id']}"))["patient"]["name"] == "Bob"
    assert "was forgotten on" in await mediqon(server.settings, "forget", "--patient", person, "--yes", status=1)


async def test_a_log_in_goes_with_its_patient_and_an_open_visit_comes_first(server: Server, clinic: Clinic) -> None:
    patient = await server.patient("Erika Mustermann")
    visit = await patient.book(clinic.doctor_id, reason="headache")
    person = str(visit["patient"]["id"])
    assert "1 open visits" in await mediqon(server.settings, "forget", "--patient", person, "--yes", status=1)
    await patient.move(visit, "CANCELLED")
    said = await mediqon(server.settings, "forget", "--patient", person, "--yes", "--json")
    counted = {"patients": 1, "accounts": 1, "visits": 1, "reasons": 1, "events": 0, "dry_run": False}
    assert json.loads(said) | {"events": 0} == counted
    again = await server.anybody.post("/auth/login", {"email": patient.email, "password": "correct horse 1"})
    assert again["code"] == "invalid_credentials"
    left = await everything(server.settings)
    assert not [secret for secret in (*SECRETS, patient.email) if secret in left]


async def test_the_kept_answer_of_a_registration_goes_too(server: Server, clinic: Clinic) -> None:
    body = {"name": "Erika Mustermann", "email": "erika@example.org", "password": "correct horse 1"}
    made = await server.anybody.post("/auth/register", body, idempotency_key="once")
    assert made.status == 201
    await mediqon(server.settings, "forget", "--patient", str(made["id"]), "--yes")
    left = await everything(server.settings)
    assert not [secret for secret in SECRETS if secret in left]


async def test_staff_and_strangers_are_not_patients(server: Server, clinic: Clinic) -> None:
    me = (await clinic.reception.get("/auth/me"))["id"]
    for person in (me, 999_999):
        said = await mediqon(server.settings, "forget", "--patient", str(person), "--yes", status=1)
        assert f"There is no patient {person}" in said


async def test_before_a_date_whoever_came_later_is_kept_but_old_words_go(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    await known_patient(clinic)
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/pause", {"minutes": 5, "reason": "Mrs Mustermann fainted"})
    async with connection(server.settings) as conn:  # years pass
        await conn.execute("update users set created_at = created_at - interval '9 years'")
        day = await conn.fetchval("select day from queues")
    patient = await server.patient("New Comer")
    async with connection(server.settings) as conn:
        limit = day + timedelta(days=1)
        years_later = clock.now + timedelta(days=999)
        tried = await erasure.forget_before(conn, limit, now=years_later, by="test", key=KEY, dry_run=True)
        assert "Mustermann" in await everything(server.settings)
        done = await erasure.forget_before(conn, limit, now=years_later, by="test", key=KEY)
        assert done == msgspec.structs.replace(tried, dry_run=False)
        again = await erasure.forget_before(conn, limit, now=years_later, by="test", key=KEY)
        assert (done.patients, again) == (1, erasure.Forgotten(0, 0, 0, 0, 0, dry_run=False))
    left = await everything(server.settings)
    assert not [secret for secret in SECRETS if secret in left]
    assert (await patient.get("/auth/me"))["name"] == "New Comer"


async def test_a_day_that_is_not_over_is_not_forgotten(settings: Settings) -> None:
    said = await mediqon(settings, "forget", "--before", "2999-01-01", "--yes", status=1)
    assert "is not over everywhere" in said


async def test_nothing_but_forgetting_changes_a_story(clinic: Clinic, server: Server) -> None:
    await known_patient(clinic)
    tries = (
        "update appointment_events set reason = 'another'",
        "update appointment_events set reason = null",
        "update appointment_events set reason = null, forgetting_id = 1",
        "update appointment_events set verb = 'book'",
        "delete from appointment_events",
        "truncate appointment_events",
        "update forgettings set by = 'nobody'",
    )
    async with connection(server.settings) as conn:
        await conn.execute("insert into forgettings (by, what) values ('x', 'y')")
        for words in tries:
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                await conn.execute(words)
        async with conn.transaction():
            own = await conn.fetchval("insert into forgettings (by, what) values ('x', 'y') returning id")
            with pytest.raises(asyncpg.RaiseError, match="append-only"):
                async with conn.transaction():
                    await conn.execute(
                        "update appointment_events set reason = null, forgetting_id = $1, verb = 'x'", own
                    )
            await conn.execute("update appointment_events set reason = null, forgetting_id = $1", own)


async def test_a_day_is_exported_with_its_visits_and_its_story(server: Server, clinic: Clinic, clock: Clock) -> None:
    visit = await known_patient(clinic)
    said = await mediqon(server.settings, "export-day", "--doctor", str(clinic.doctor_id), "--date", "2026-11-23")
    exported = json.loads(said)
    assert [(each["id"], each["patient"]) for each in exported["day"]["visits"]] == [(visit["id"], "Erika Mustermann")]
    assert [event["verb"] for event in exported["events"]] == ["walk_in", "priority", "call", "complete"]
    assert exported["events"][1]["reason"] == "fainted"
    said = await mediqon(server.settings, "export-day", "--doctor", "999", "--date", "2026-11-23", status=1)
    assert "There is nothing here" in said
