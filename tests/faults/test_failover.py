"""PostgreSQL's replica takes the place of its primary while clients book: nothing acknowledged is lost, no restart."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from builders import open_clinic
from conftest import Clock, serving
from faults.history import History, broken_promises, versions
from mediqon import database
from mediqon.settings import Settings
from postgres_pair import Pair, postgres_pair

pytestmark = pytest.mark.anyio

CLIENTS = 3
CONNECTIONS = 8
"""Of the server's pool at most; none of them is ever answered again once the primary is frozen."""
QUIET_SECONDS = 1.0
RECOVERY_SECONDS = 9.0


@pytest.fixture
async def pair(servers: Settings) -> AsyncIterator[Pair]:
    async with postgres_pair(servers) as made:
        await database.migrate(made.settings)
        yield made


@pytest.mark.parametrize("ending", ["freeze", pytest.param("kill", marks=pytest.mark.long)])
async def test_after_a_replica_is_promoted_clients_go_on_and_everything_acknowledged_is_there(
    pair: Pair, clock: Clock, ending: str
) -> None:
    async with serving(pair.settings, clock) as server:
        clinic = await open_clinic(server, timezone="UTC", slot_minutes=5)
        await asyncio.gather(*(clinic.reception.get(f"/appointments/{number}") for number in range(CONNECTIONS)))
        async with database.connection(pair.settings) as conn:
            before = await versions(conn)
        history = History(clinic, [clinic.doctor_id], seed=5)

        async def fail_over() -> None:
            await asyncio.sleep(QUIET_SECONDS)
            getattr(pair.primary, ending)()
            promoted = time.monotonic()
            await pair.replica.ask("select pg_promote()")
            async with asyncio.timeout(RECOVERY_SECONDS):
                await history.recovered(promoted)
            await asyncio.sleep(QUIET_SECONDS)

        await history.run(CLIENTS, fail_over())
    async with database.connection(pair.replica.settings) as conn:
        assert await broken_promises(history, conn, before) == []
    assert Counter(call.outcome for call in history.calls)["ok"] > CLIENTS
