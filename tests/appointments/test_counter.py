"""The booking counter under strain: whoever shares a transaction with others is neither hurt nor held up by them."""

import asyncio
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from builders import Clinic, Server, refused
from conftest import Clock
from mediqon.appointments.booking import Order
from mediqon.appointments.counter import Counter
from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, Role
from mediqon.database import LOST, connection, open_pool
from mediqon.live.feed import Feed
from mediqon.queues.models import DayKey
from mediqon.settings import Settings
from test_locks import holding, waiting
from wire import wire_to

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = "2026-11-23", "2026-11-24"
PROMPT_SECONDS = 1.0
FROZEN_SECONDS = 15.0
CROWD = 1000
BUSY = "select from queues where doctor_id = $1 for update"


async def test_a_patient_refused_one_time_gets_another_of_the_same_row(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "Quicker"})
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"}))
        await waiting(conn, 1)
        tries = [asyncio.create_task(patient.book(clinic.doctor_id, time=time)) for time in ("09:00", "10:00")]
        await asyncio.sleep(0.2)
    assert (await first).status == 201
    taken, got = await asyncio.gather(*tries)
    refused(taken, 409, "slot_taken")
    assert got.status == 201, got


async def test_a_patient_who_books_twice_in_one_row_is_told_the_id_of_the_first(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"}))
        await waiting(conn, 1)
        tries = [asyncio.create_task(patient.book(clinic.doctor_id, time=time)) for time in ("10:00", "10:10")]
        await asyncio.sleep(0.2)
    await first
    booked, second = await asyncio.gather(*tries)
    refused(second, 409, "already_booked")
    assert second["id"] == booked["id"]


async def test_a_booking_that_is_refused_opens_no_day(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    for day, code in (("0001-01-01", "slot_past"), ("2026-11-22", "slot_past"), ("9999-12-31", "day_full")):
        refused(await patient.book(clinic.doctor_id, date=day, time="09:00"), 409, code)
    refused(await patient.book(999, date=TODAY), 404, "not_found")
    async with connection(server.settings) as conn:
        assert await conn.fetchval("select count(*) from queues") == 0


async def test_a_busy_day_keeps_no_booking_of_another_doctor_waiting(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        held_up = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "A"}))
        await waiting(conn, 1)
        async with asyncio.timeout(PROMPT_SECONDS):
            assert (await clinic.reception.book(other_id, patient={"name": "B"})).status == 201
        assert not held_up.done()
    assert (await held_up).status == 201


async def test_a_day_locked_for_too_long_fails_its_own_bookings_alone(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "A"}))
        await waiting(conn, 1)
        second = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "A"}))
        other = asyncio.create_task(clinic.reception.book(other_id, patient={"name": "B"}))
        assert ((await first).status, (await second).status, (await other).status) == (503, 503, 201)


async def test_settings_change_while_patients_of_several_doctors_book_and_nobody_fails(clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    for doctor_id in (clinic.doctor_id, other_id):
        for day in (TODAY, TOMORROW):
            await clinic.reception.book(doctor_id, date=day, patient={"name": "A"})
    settings = f"/hospitals/{clinic.hospital_id}/settings"
    for number in range(12):
        answers = await asyncio.gather(
            clinic.reception.patch(settings, {"walk_in_wait_minutes": number + 20}),
            clinic.reception.book(clinic.doctor_id, date=TOMORROW, patient={"name": "A"}),
            clinic.reception.book(other_id, date=TODAY, patient={"name": "A"}),
        )
        assert [answer.status for answer in answers] == [200, 201, 201], answers


async def test_a_crowd_that_books_while_postgresql_is_frozen_is_answered_together(
    settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    desk = Actor(
        id=1, role=Role.HOSPITAL, hospital_id=clinic.hospital_id, doctor_id=None, expires_at=0, session=uuid4()
    )
    order = Order(DayKey(clinic.doctor_id, clock.now.date()), None, None, SomebodyElse("Late"), desk, clock.now)
    there = Path(settings.db_host) / f".s.PGSQL.{settings.db_port}"
    async with (
        wire_to(there) as (wire, directory),
        open_pool(msgspec.structs.replace(settings, db_host=str(directory))) as pool,
    ):
        counter = Counter(pool, Feed(pool, settings.redis_url, "test", clock))
        assert (await counter.book(order)).facts.version == 1
        wire.fall_silent()
        async with asyncio.timeout(FROZEN_SECONDS):
            answers = await asyncio.gather(*(counter.book(order) for _ in range(CROWD)), return_exceptions=True)
        wire.mend()
    assert all(isinstance(answer, LOST) for answer in answers)
