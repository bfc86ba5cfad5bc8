"""Locks held and waited for: who waits for whom, for how little, and what those see who look meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from builders import Answer, Clinic, Server, refused
from mediqon.auth.models import Actor
from mediqon.database import Connection, connection
from mediqon.queues import days
from mediqon.queues.models import DayKey

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = "2026-11-23", "2026-11-24"
LOCK_SECONDS = 2.0

WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@asynccontextmanager
async def holding(server: Server, lock: str, *values: object) -> AsyncGenerator[Connection]:
    """A transaction of somebody else's that holds a lock until the end."""
    async with connection(server.settings) as conn, conn.transaction():
        await conn.execute(lock, *values)
        yield conn


async def waiting(conn: Connection, count: int) -> None:
    """Returns once so many wait for a lock, and a moment later no more."""
    async with asyncio.timeout(LOCK_SECONDS):
        while await _waiting(conn) < count:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert await _waiting(conn) == count


async def _waiting(conn: Connection) -> int:
    await conn.execute("select pg_stat_clear_snapshot()")  # else a transaction sees those of its first look again
    return await conn.fetchval(WAITING)


async def story(clinic: Clinic, visit: Answer) -> list[tuple[str | None, str]]:
    events = (await clinic.reception.get(f"/appointments/{visit['id']}/events"))["events"]
    return [(event["from"], event["to"]) for event in events]


async def test_a_busy_day_keeps_no_other_doctor_waiting(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    lock = "select from queues where doctor_id = $1 for update"
    async with holding(server, lock, clinic.doctor_id) as conn:
        held_up = asyncio.create_task(clinic.reception.walk_in(clinic.doctor_id))
        await waiting(conn, 1)
        assert (await clinic.reception.walk_in(other_id)).status == 201
        assert not held_up.done()
    assert (await held_up)["token"] == "A-W02"


async def test_however_many_walk_in_on_a_busy_day_they_keep_nobody_else_from_a_connection(
    server: Server, clinic: Clinic
) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, "select from queues where doctor_id = $1 for update", clinic.doctor_id) as conn:
        held_up = [
            asyncio.create_task(clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")) for number in range(30)
        ]
        await waiting(conn, 1)
        assert (await clinic.reception.walk_in(other_id)).status == 201
    tokens = [(await each)["token"] for each in held_up]
    assert sorted(tokens) == [f"A-W{number:02}" for number in range(2, 32)]


async def test_many_first_looks_at_once_cost_one_read(server: Server, clinic: Clinic) -> None:
    async with holding(server, "lock table appointments in access exclusive mode") as conn:
        looks = [asyncio.create_task(server.anybody.get(f"/queues/{clinic.doctor_id}")) for _ in range(20)]
        await waiting(conn, 1)
    assert len({(look.status, look.raw) for look in await asyncio.gather(*looks)}) == 1


async def test_a_change_of_a_doctor_while_patients_book_fails_nobody(clinic: Clinic) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    for room in range(8):
        answers = await asyncio.gather(
            clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": str(room)}),
            *(clinic.reception.walk_in(clinic.doctor_id, f"{room}-{number}") for number in range(4)),
        )
        assert [answer.status for answer in answers] == [200, 201, 201, 201, 201], answers


async def test_who_acts_on_a_visit_while_it_goes_to_another_doctor_acts_there_or_is_told_to_look_again(
    clinic: Clinic,
) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    for number in range(6):
        visit = await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
        where = f"/appointments/{visit['id']}"
        transferred, read, *acted = await asyncio.gather(
            clinic.reception.post(f"{where}/transfer", {"doctor_id": other_id}),
            clinic.reception.get(where),
            clinic.reception.move(visit, "ON_HOLD"),
            clinic.reception.patch(f"{where}/priority", {"priority": "PRIORITY", "reason": "pain"}),
        )
        assert (transferred.status, read.status) == (200, 200)
        assert {(answer.status, answer.get("code")) for answer in acted if answer.status != 200} <= {
            (409, "stale_version")
        }
    queue = await clinic.reception.today(other_id)
    assert len(queue["waiting"]) + len(queue["held"]) == 6


@pytest.mark.parametrize("first", ["transfer", "reschedule"])
async def test_a_visit_that_has_gone_elsewhere_since_it_was_found_is_not_sent_on_from_there(
    server: Server, clinic: Clinic, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    visit = await clinic.reception.book(clinic.doctor_id, date=TOMORROW, time="09:30", patient={"name": "A"})
    where = f"/appointments/{visit['id']}"
    asked = {"transfer": {"doctor_id": other_id}, "reschedule": {"date": "2026-11-25", "time": "10:00"}}
    second = "reschedule" if first == "transfer" else "transfer"
    find = days.find

    async def overtaken(conn: Connection, visit_id: int, actor: Actor) -> DayKey:
        found = await find(conn, visit_id, actor)
        monkeypatch.setattr(days, "find", find)
        assert (await clinic.reception.post(f"{where}/{second}", asked[second])).status == 200
        return found

    monkeypatch.setattr(days, "find", overtaken)
    refused(await clinic.reception.post(f"{where}/{first}", asked[first]), 409, "stale_version")
    assert (await clinic.reception.post(f"{where}/{first}", asked[first])).status == 200
    async with connection(server.settings) as conn:
        row = await conn.fetchrow("select doctor_id, day from appointments")
        event = await conn.fetchrow("select doctor_id, day from appointment_events order by id desc limit 1")
    assert row == event


async def test_of_a_completion_and_a_no_show_at_once_one_is_refused(clinic: Clinic) -> None:
    for number in range(8):
        visit = await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
        completed, gone = await asyncio.gather(
            clinic.doctor.move(visit, "COMPLETED"), clinic.reception.move(visit, "NO_SHOW")
        )
        assert sorted((completed.status, gone.status)) == [200, 409]
        winner = "COMPLETED" if completed.status == 200 else "NO_SHOW"
        assert await story(clinic, visit) == [(None, "CHECKED_IN"), ("CHECKED_IN", winner)]


async def test_a_first_look_shows_one_version_and_not_a_mixture_of_two(server: Server, clinic: Clinic) -> None:
    visit = await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, "lock table appointments in access exclusive mode") as conn:
        look = asyncio.create_task(server.anybody.get(f"/queues/{clinic.doctor_id}"))
        await waiting(conn, 1)
        await conn.execute("update queues set version = version + 1")
        await conn.execute("update appointments set status = 'COMPLETED', ended_at = now() where id = $1", visit["id"])
    seen = await look
    assert (seen["version"], len(seen["tokens"])) in {(1, 1), (2, 0)}


async def test_who_waited_while_the_doctor_changed_rooms_shows_the_new_room(server: Server, clinic: Clinic) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, "update queues set version = version + 1") as conn:
        await conn.execute("update doctors set room = '9'")
        walks_in = asyncio.create_task(clinic.reception.walk_in(clinic.doctor_id))
        await waiting(conn, 1)
    assert (await walks_in).status == 201
    shown = await server.anybody.get(f"/queues/{clinic.doctor_id}")
    assert (shown["version"], shown["room"]) == (3, "9")


async def test_a_change_of_room_counts_also_when_somebody_opens_the_day_at_that_moment(
    server: Server, clinic: Clinic
) -> None:
    opening = "insert into queues (doctor_id, day, version) values ($1, date '2026-11-23', 1)"
    async with holding(server, opening, clinic.doctor_id) as conn:
        changes = asyncio.create_task(clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": "9"}))
        await waiting(conn, 1)
    assert (await changes).status == 200
    shown = await server.anybody.get(f"/queues/{clinic.doctor_id}")
    assert (shown["version"], shown["room"]) == (2, "9")


async def test_other_hours_hold_also_on_a_day_that_somebody_opens_while_they_are_written(
    server: Server, clinic: Clinic
) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    hours = {"windows": [{"weekday": 1, "start": "15:00", "end": "16:00"}]}
    async with holding(server, "select from queues where doctor_id = $1 for update", clinic.doctor_id) as conn:
        changes = asyncio.create_task(clinic.reception.put(f"/doctors/{clinic.doctor_id}/schedule", hours))
        await waiting(conn, 1)
        first = await clinic.reception.book(clinic.doctor_id, date="2026-11-24", patient={"name": "Early"})
        assert first["token"] == "A-001"
    assert (await changes).status == 200
    late = await clinic.reception.book(clinic.doctor_id, date="2026-11-24", time="09:10", patient={"name": "Late"})
    refused(late, 409, "slot_unavailable")
    assert late["next_free"] == "15:10"


async def test_the_timezone_stays_for_who_books_at_that_moment(server: Server, clinic: Clinic) -> None:
    """On a day that nobody has touched yet; on others one statement books, which comes before or after."""
    async with holding(server, "lock table appointments in exclusive mode") as conn:
        booking = asyncio.create_task(clinic.reception.book(clinic.doctor_id, date=TOMORROW, patient={"name": "B"}))
        await waiting(conn, 1)
        path = f"/hospitals/{clinic.hospital_id}/settings"
        moving = asyncio.create_task(clinic.reception.patch(path, {"timezone": "Asia/Tokyo"}))
        await asyncio.wait([moving], timeout=0.5)
    assert (await booking).status == 201
    refused(await moving, 409, "timezone_in_use")


async def test_whoever_books_while_the_timezone_changes_is_promised_a_time_in_the_new_one(
    server: Server, clinic: Clinic
) -> None:
    async with holding(server, "lock table hospitals in share mode") as conn:
        path = f"/hospitals/{clinic.hospital_id}/settings"
        moving = asyncio.create_task(clinic.reception.patch(path, {"timezone": "Asia/Tokyo"}))
        await waiting(conn, 1)
        booking = asyncio.create_task(clinic.reception.book(clinic.doctor_id, date=TOMORROW, patient={"name": "A"}))
        await asyncio.wait([booking], timeout=0.5)
    assert (await moving).status == 200
    assert (await booking)["scheduled_at"] == "2026-11-24T00:00:00Z", "09:00 in Tokyo"


async def test_other_settings_hold_also_on_a_day_that_somebody_opens_while_they_are_written(
    server: Server, clinic: Clinic
) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    where = f"/hospitals/{clinic.hospital_id}/settings"
    async with holding(server, "select from queues where doctor_id = $1 for update", clinic.doctor_id) as conn:
        changes = asyncio.create_task(clinic.reception.patch(where, {"horizon_days": 2}))
        await waiting(conn, 1)
        assert (await clinic.reception.book(clinic.doctor_id, date="2026-11-30", patient={"name": "A"})).status == 201
    assert (await changes).status == 200
    late = await clinic.reception.book(clinic.doctor_id, date="2026-11-30", patient={"name": "B"})
    refused(late, 409, "day_full")
