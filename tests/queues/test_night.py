"""Days close by themselves when they are over, whatever is wrong with one of them."""

import asyncio

import pytest

from builders import Server, open_clinic, refused
from conftest import Clock, serving
from mediqon.database import connection
from mediqon.queues import night
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

CLOSED_SECONDS = 10.0
ODD_DAYS = ("0001-01-02", "1582-10-10", "9999-12-30")


async def test_no_date_that_somebody_sends_keeps_a_day_open(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night, "EVERY_SECONDS", 0.2)
    async with serving(settings, clock) as server:
        clinic, elsewhere = await open_clinic(server), await open_clinic(server)
        path = f"/doctors/{elsewhere.doctor_id}"
        for day in ("0001-01-01", "9999-12-31"):
            refused(await elsewhere.reception.post(f"{path}/leave", {"date": day}), 400, "malformed")
            refused(await elsewhere.reception.put(f"{path}/schedule/{day}", {"windows": []}), 400, "malformed")
        for day in ODD_DAYS:
            assert (await elsewhere.reception.post(f"{path}/leave", {"date": day})).status == 201
        await clinic.reception.walk_in(clinic.doctor_id)
        clock.forward(days=1)
        for doctor_id in (clinic.doctor_id, elsewhere.doctor_id):
            assert await days_over_are_closed(server, doctor_id, clock)


async def test_a_day_that_cannot_be_closed_keeps_no_other_open(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night, "EVERY_SECONDS", 0.2)
    async with serving(settings, clock) as server:
        clinic = await open_clinic(server)
        async with connection(settings) as conn:
            await conn.execute("set session_replication_role = replica")
            await conn.execute("insert into queues (doctor_id, day) values (999999, '2026-01-01')")
        await clinic.reception.walk_in(clinic.doctor_id)
        clock.forward(days=1)
        assert await days_over_are_closed(server, clinic.doctor_id, clock)


async def days_over_are_closed(server: Server, doctor_id: int, clock: Clock) -> bool:
    asked = "select bool_and(state = 'CLOSED') from queues where doctor_id = $1 and day < $2"
    async with connection(server.settings) as conn, asyncio.timeout(CLOSED_SECONDS):
        while not await conn.fetchval(asked, doctor_id, clock.now.date()):
            await asyncio.sleep(0.1)
    return True
