"""PostgreSQL's replica takes the place of its primary while clients book: nothing acknowledged is lost, no restart."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from builders import Answer, Clinic, Screen, open_clinic
from conftest import Clock, serving
from faults.history import History, broken_promises, versions
from mediqon import database, migrations
from mediqon.live.feed import STALE_SECONDS
from mediqon.settings import Settings
from postgres_pair import Pair, postgres_pair

pytestmark = pytest.mark.anyio

CLIENTS = 3
CONNECTIONS = 6
QUIET_SECONDS = 1.0
RECOVERY_SECONDS = 12.0
ONE_WAIT_SECONDS = 9.0  # two would take ten


@pytest.fixture
async def pair(servers: Settings) -> AsyncIterator[Pair]:
    async with postgres_pair(servers) as made:
        await migrations.migrate(made.settings)
        yield made


async def age_is(screen: Screen, wanted: Callable[[float], bool]) -> bool:
    """Returns once the server says so of what it shows."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            await screen.connection.send("ping")
            pong = await screen.until(lambda frame: frame["type"] == "pong")
            if wanted(pong["age"]):
                return True
            await asyncio.sleep(QUIET_SECONDS / 10)


@pytest.mark.parametrize("kind", [database.reading, database.transaction, database.snapshot])
async def test_a_server_that_freezes_in_the_middle_costs_one_wait(
    pair: Pair, kind: Callable[[database.Pool], AbstractAsyncContextManager[database.Connection]]
) -> None:
    async with database.open_pool(pair.settings) as pool:

        async def freeze_in_the_middle() -> None:
            async with kind(pool) as conn:
                await conn.execute("select")
                pair.primary.freeze()
                await conn.execute("select")

        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await freeze_in_the_middle()
        assert time.monotonic() - begun < ONE_WAIT_SECONDS
        pool.terminate()


async def test_screens_are_right_again_after_one_wait_too(pair: Pair, clock: Clock) -> None:
    async with serving(pair.settings, clock) as server:
        clinic = await open_clinic(server, timezone="UTC")
        async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
            await screen.frame()
            pair.primary.freeze()
            frozen = time.monotonic()
            await pair.replica.ask("select pg_promote()")
            assert await age_is(screen, lambda age: age > STALE_SECONDS)
            assert await age_is(screen, lambda age: age < STALE_SECONDS)
            assert time.monotonic() - frozen < ONE_WAIT_SECONDS


async def test_once_one_connection_is_not_answered_the_others_are_given_up_too(pair: Pair) -> None:
    async with database.open_pool(pair.settings) as pool:

        async def ask() -> int:
            async with database.reading(pool) as conn:
                return await conn.fetchval("select 1 from pg_sleep(0.1)")

        await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
        pair.primary.freeze()
        await pair.replica.ask("select pg_promote()")
        with pytest.raises(TimeoutError):
            await ask()
        assert await ask() == 1
        pool.terminate()


async def test_what_a_promoted_replica_never_had_is_believed_by_nobody(pair: Pair, clock: Clock) -> None:
    async with serving(pair.settings, clock) as server:
        clinic = await open_clinic(server, timezone="UTC")
        async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
            kept = await clinic.reception.walk_in(clinic.doctor_id, "Kept")
            await cut_off(pair)
            lost = [await clinic.reception.walk_in(clinic.doctor_id, name) for name in ("Lost", "Lost too")]
            shown = await screen.until(lambda frame: len(frame.get("tokens", ())) == 3)
            pair.primary.kill()
            await pair.replica.ask("select pg_promote()")
            new = [await taken_in(clinic, name) for name in ("New", "New too")]
            assert [each["token"] for each in new] == [each["token"] for each in lost], "numbers are given again"
            gone = await clinic.reception.move(lost[0], "ON_HOLD")
            assert gone.status == 404
            called = (await clinic.reception.call_next(clinic.doctor_id))["called"]
            assert called["id"] == kept["id"]
            later = await screen.until(lambda frame: frame.get("now_serving") == [kept["token"]])
            assert later["version"] > shown["version"]
            assert [token["token"] for token in later["tokens"]] == [each["token"] for each in new]
        desk = await clinic.reception.today(clinic.doctor_id)
        assert [visit["patient"]["name"] for visit in desk["waiting"]] == ["New", "New too"]


async def cut_off(pair: Pair) -> None:
    """From now on the replica gets nothing, and nobody waits for it."""
    await pair.replica.ask("alter system set primary_conninfo = ''")
    await pair.primary.ask("alter system set synchronous_standby_names = ''")
    for each in (pair.replica, pair.primary):
        await each.ask("select pg_reload_conf()")
    async with asyncio.timeout(RECOVERY_SECONDS):
        while await pair.primary.ask("select count(*) from pg_stat_replication"):
            await asyncio.sleep(QUIET_SECONDS / 10)


async def taken_in(clinic: Clinic, name: str) -> Answer:
    """Somebody at the desk, who tries until the database is there."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while (answer := await clinic.reception.walk_in(clinic.doctor_id, name)).status == 503:
            await asyncio.sleep(QUIET_SECONDS / 10)
    assert answer.status == 201
    return answer


@pytest.mark.parametrize("ending", ["freeze", pytest.param("kill", marks=pytest.mark.long)])
async def test_after_a_replica_is_promoted_clients_go_on_and_everything_acknowledged_is_there(
    pair: Pair, clock: Clock, ending: str
) -> None:
    async with serving(pair.settings, clock) as server:
        clinic = await open_clinic(server, timezone="UTC", slot_minutes=5)
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
