"""Days that nobody has touched yet are made, locked and taken back by many at once, and nobody waits in a circle."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from datetime import date, timedelta

import msgspec
import pytest

from builders import Clinic, Server
from mediqon.database import Pool, open_pool, transaction
from mediqon.queues import days, writing
from mediqon.queues.models import DayKey
from test_locks import holding, waiting

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = date(2026, 11, 23), date(2026, 11, 24)
LOCK = "select from queues where doctor_id = $1 and day = $2 for update"
CONNECTIONS, ROUNDS, DAYS = 12, 12, 6


@pytest.fixture
async def pool(server: Server) -> AsyncGenerator[Pool]:
    async with open_pool(msgspec.structs.replace(server.settings, db_pool=CONNECTIONS)) as pool:
        yield pool


@pytest.fixture
async def both(clinic: Clinic, pool: Pool) -> list[DayKey]:
    """Today, and tomorrow, which alone has a row."""
    today, tomorrow = DayKey(clinic.doctor_id, TODAY), DayKey(clinic.doctor_id, TOMORROW)
    await lock(pool, [tomorrow])
    return [today, tomorrow]


async def lock(pool: Pool, *steps: Sequence[DayKey], wait: bool = True) -> set[DayKey]:
    """Locks days, in one transaction after each other; which ones it could have."""
    async with transaction(pool) as conn:
        return {key for keys in steps for key in await days.lock_all(conn, keys, wait=wait)}


async def test_a_day_without_a_row_is_waited_for_before_a_later_one_is_locked(
    server: Server, pool: Pool, both: list[DayKey]
) -> None:
    today, tomorrow = both
    async with holding(server, LOCK, *tomorrow) as conn:
        at_once = asyncio.create_task(lock(pool, both))
        await waiting(conn, 1)
        one_by_one = asyncio.create_task(lock(pool, [today], both))
        await waiting(conn, 2)
    assert await asyncio.gather(at_once, one_by_one) == [{*both}] * 2


async def test_whoever_waits_for_no_lock_holds_none_while_somebody_makes_a_day(pool: Pool, both: list[DayKey]) -> None:
    async with transaction(pool) as conn:
        await days.lock(conn, both[0])
        hurried = asyncio.create_task(lock(pool, both, wait=False))
        await waiting(conn, 1)
        assert (await days.lock_all(conn, both)).keys() == {*both}
    assert await hurried <= {*both}


async def test_a_change_of_a_doctor_locks_no_later_day_before_today(
    clinic: Clinic, pool: Pool, both: list[DayKey]
) -> None:
    async with transaction(pool) as conn:
        await days.lock(conn, both[0])
        changes = asyncio.create_task(clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": "9"}))
        await waiting(conn, 1)
        await days.lock_all(conn, both)
    assert (await changes).status == 200
    async with transaction(pool) as conn:
        assert all(facts.version for facts in (await days.lock_all(conn, both)).values())


@pytest.mark.parametrize("seed", range(3))
async def test_many_who_change_some_days_and_take_others_back_never_wait_in_a_circle(
    clinic: Clinic, pool: Pool, seed: int
) -> None:
    changed = list[DayKey]()

    async def work(chance: random.Random) -> None:
        for number in range(ROUNDS):
            keys = [DayKey(clinic.doctor_id, TODAY + timedelta(days=number * DAYS + day)) for day in range(DAYS)]
            async with transaction(pool) as conn:
                asked = chance.sample(keys, chance.randint(1, DAYS))
                locked = await days.lock_all(conn, asked, wait=chance.random() < 0.7)
                touched = [facts for facts in locked.values() if chance.random() < 0.1]
                for facts in touched:
                    await writing.touch(conn, facts)
                await days.close_untouched(conn, [facts for facts in locked.values() if facts not in touched])
            changed.extend(facts.key for facts in touched)

    await asyncio.gather(*(work(random.Random(f"{seed} {number}")) for number in range(CONNECTIONS)))
    async with transaction(pool) as conn:
        rows = await conn.fetch("select doctor_id, day, version from queues")
    assert {DayKey(row["doctor_id"], row["day"]): row["version"] for row in rows} == {
        key: changed.count(key) for key in changed
    }
