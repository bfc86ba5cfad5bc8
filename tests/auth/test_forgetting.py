"""Old idempotency keys and sessions do not pile up."""

from datetime import timedelta

import pytest

from builders import Clinic, Server
from conftest import Clock
from mediqon.auth.forgetting import forget_old
from mediqon.database import open_pool

pytestmark = pytest.mark.anyio


async def test_answers_older_than_a_day_and_sessions_that_are_over_are_dropped_and_newer_ones_stay(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    body = {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}}
    await clinic.reception.post("/appointments/book", body, idempotency_key="old")
    clock.forward(hours=20)
    await clinic.reception.log_in_again()
    await clinic.reception.post("/appointments/book", body | {"date": "2026-11-25"}, idempotency_key="new")
    async with open_pool(server.settings) as pool:
        await forget_old(pool, clock.now + timedelta(hours=6))
        assert [row["key"] for row in await pool.fetch("select key from idempotency_keys")] == ["new"]
        assert await pool.fetchval("select count(*) from sessions") > 0
        await forget_old(pool, clock.now + timedelta(days=400))
        assert await pool.fetchval("select count(*) from sessions") == 0
