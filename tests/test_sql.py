"""PostgreSQL is the type checker of `sql/`: every statement prepares, and the hot ones read one day, not history."""

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any, cast

import asyncpg
import pytest

from mediqon.database import SESSION, Connection, connection, sql_folder, statements
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

FEATURES = sorted(path.stem for path in (sql_folder() / "queries").glob("*.sql"))
DAY = date(2026, 11, 23)
VISITS_A_DAY = 20
SOME_DAYS, PAST_DAYS = 60, 1000
KEYS = 2000
PATIENTS = 40_000
DOCTORS = 30


@pytest.fixture
async def conn(settings: Settings) -> AsyncIterator[Connection]:
    async with connection(settings) as conn:
        yield conn


@pytest.mark.parametrize("feature", FEATURES)
async def test_every_statement_prepares_against_the_schema(conn: Connection, feature: str) -> None:
    for name, text in statements(feature).items().items():
        try:
            await conn.prepare(text)
        except asyncpg.PostgresError as error:
            raise AssertionError(f"{feature}.{name}: {error}") from error


@pytest.mark.parametrize("feature", FEATURES)
def test_every_statement_says_what_it_is_for(feature: str) -> None:
    for name, text in statements(feature).items().items():
        assert text.startswith("-- "), f"{feature}.{name} has no purpose line"


IMAGE = {
    "status": "CHECKED_IN",
    "priority": "NORMAL",
    "place_rule": "WALK_IN",
    "calls": 0,
    **dict.fromkeys(("due_at", "checked_in_at"), "2026-11-23T09:00:00Z"),
}
EVENT = {
    "doctor_id": 1,
    "day": f"{DAY}",
    "queue_version": 1,
    "appointment_id": 7,
    "at": "2026-11-23T09:00:00Z",
    "verb": "x",
}
TODAY = {"since": 0, "doctor_id": 1, "day": f"{DAY}", "version": 1, "call_seq": 0, "state": "OPEN", "delay_minutes": 0}
ANSWER = {
    "doctor_id": 1,
    "day": f"{DAY}",
    "user_id": 99,
    "key": "k",
    "digest": "00",
    "status": 201,
    "body": "{}",
    "at": "2026-11-23T09:00:00Z",
}
SEAT = {
    "hospital_id": 1,
    "doctor_id": 1,
    "day": f"{DAY}",
    "patient_id": 99,
    "id": 1_000_000,
    "seat": 1,
    "token": "A-001",
    "code": "new",
    "status": "BOOKED",
    "priority": "NORMAL",
    "place_rule": "SLOT",
    **dict.fromkeys(("due_at", "scheduled_at", "booked_at"), "2026-11-23T09:00:00Z"),
}
HOT: list[tuple[str, str, list[Any]]] = [
    ("queues", "lock_days", [[1], [DAY]]),
    ("queues", "lock_free_days", [[1], [DAY]]),
    ("queues", "hold_days", [[1], [DAY]]),
    ("hospitals", "touch_days", [[1], DAY]),
    ("queues", "lock_visit_day", [7, "hospital", 1, 1, None]),
    ("queues", "find_visit", [7, "hospital", 1, 1, None]),
    (
        "queues",
        "save_change",
        [
            *map(
                json.dumps, ([SEAT], [{"id": 7, "doctor_id": 1, "day": f"{DAY}", **IMAGE}], [EVENT], [TODAY], [ANSWER])
            ),
            [7],
        ],
    ),
    ("appointments", "reserve_visits", [[99, None]]),
    ("appointments", "reserve_walk_ins", [[1], [DAY]]),
    ("queues", "look_at_days", [[1], [DAY], [-1]]),
    ("queues", "visits_of_days", [[1], [DAY]]),
    ("queues", "versions", [[1], [DAY]]),
    ("queues", "last_change", [1, DAY]),
    ("queues", "day_events", [1, DAY]),
    ("hospitals", "promised_from", [1, DAY + timedelta(days=1)]),
    ("hospitals", "zones", [[1]]),
    ("appointments", "find_code", ["code-7"]),
    ("appointments", "patient_days", [7, 50]),
    ("hospitals", "sold_seats", [1, DAY]),
    ("hospitals", "day_closed", [1, DAY]),
    ("auth", "ended_since", [DAY]),
    ("audit", "digest_events", [100_000, None, DAY, VISITS_A_DAY]),
    ("audit", "digest_events", [7, 7 + VISITS_A_DAY, None, 100_000]),
    ("queues", "days_over", [DAY]),
    ("queues", "visit_events", [7]),
    ("queues", "find_visits", [[7], ["hospital"], [1], [1], [None]]),
    ("histories", "closed_days", [1, DAY, 5]),
]


@pytest.mark.parametrize("past_days", [SOME_DAYS, PAST_DAYS])
async def test_hot_statements_read_in_proportion_to_one_day_whatever_lies_in_the_past(
    conn: Connection, past_days: int
) -> None:
    await load_history(conn, past_days)
    for name, value in SESSION.items():
        await conn.execute("select set_config($1, $2, false)", name, value)
    greedy: dict[str, int] = {}
    for feature, name, values in HOT:
        await conn.execute(f"prepare {name} as {getattr(statements(feature), name)}")
        execution = f"execute {name} ({', '.join(map(literal, values))})"
        plan = json.loads(await conn.fetchval(f"explain (analyze, format json) {execution}"))[0]["Plan"]
        await conn.execute(f"deallocate {name}")
        if (read := rows_read(plan)) > 20 * VISITS_A_DAY:
            greedy[f"{feature}.{name}"] = read
    assert not greedy, f"rows read: {greedy}"


def literal(value: Any) -> str:
    """As a statement says it; it makes of it whatever type it wants."""
    if isinstance(value, list):
        return f"'{{{', '.join('null' if each is None else str(each) for each in cast('list[Any]', value))}}}'"
    return "null" if value is None else f"'{value}'"


def rows_read(node: dict[str, Any]) -> int:
    own = 0
    if "Relation Name" in node:
        own = int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
    return own + sum(rows_read(each) for each in node.get("Plans", []))


async def load_history(conn: Connection, past_days: int) -> None:
    await conn.execute(
        f"""
        insert into hospitals (name, timezone) values ('H', 'UTC');
        insert into users (role, name, email, password_hash, hospital_id) values ('doctor', 'D', 'd@x', 'x', 1);
        insert into users (role, name, email, password_hash, hospital_id)
        select 'doctor', 'D', 'd' || n, 'x', 1 from generate_series(2, {DOCTORS}) n;
        insert into users (role, name) select 'patient', 'P' || n from generate_series(1, {PATIENTS}) n;
        insert into doctors (user_id, hospital_id, specialty, room, token_prefix, slot_minutes)
        select n, 1, '', '', 'A', 10 from generate_series(1, {DOCTORS}) n;
        insert into queues (doctor_id, day)
        select d, date '{DAY}' - n from generate_series(0, {past_days}) n, generate_series(1, {DOCTORS}) d;
        insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, walk_in, token, code, status,
                                  due_at, place_rule, booked_at, checked_in_at)
        select 1, 1, date '{DAY}' - n,
               {DOCTORS} + 1 + (n * {VISITS_A_DAY} + v) % ({PATIENTS} - 1), 1, v, 'A-W',
               'code-' || (n * {VISITS_A_DAY} + v),
               'CHECKED_IN', now(), 'WALK_IN', now(), now()
        from generate_series(0, {past_days}) n, generate_series(1, {VISITS_A_DAY}) v;
        insert into appointment_events (doctor_id, day, queue_version, appointment_id, at, actor_id, verb)
        select 1, a.day, a.id, a.id, now(), 1, 'check_in' from appointments a;
        insert into sessions (id, user_id, refresh_hash, created_at, expires_at, revoked_at)
        select gen_random_uuid(), n % {PATIENTS} + 1, 'x', date '{DAY}' - n, date '{DAY}' - n, date '{DAY}' - n
        from generate_series(1, {KEYS}) n;
        insert into idempotency_keys (user_id, key, request_hash, created_at)
        select n % {PATIENTS} + 1, 'k' || n, 'x', now() from generate_series(1, {KEYS}) n;
        analyze;
        """
    )
