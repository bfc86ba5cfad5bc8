"""Whoever books next goes on with what the last one left of the day: that is never older than the day itself."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from builders import Clinic, Server
from mediqon.appointments import booking
from mediqon.appointments.booking import Order
from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, Role
from mediqon.database import Connection, Pool, open_pool
from mediqon.errors import Problem, SlotTaken
from mediqon.queues import writing
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.orders import Done, Told
from mediqon.queues.service import Locked

pytestmark = pytest.mark.anyio

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


class Desk:
    """Books today for people without an account, and knows what a server process would know of the day."""

    def __init__(self, clinic: Clinic, pool: Pool) -> None:
        self._key, self._pool = DayKey(clinic.doctor_id, TODAY), pool
        self._actor = Actor(
            id=1, role=Role.HOSPITAL, hospital_id=clinic.hospital_id, doctor_id=None, session=uuid4(), expires_at=0.0
        )
        self._known: Facts | None = None

    async def sell(self, time: str | None = None, *, now: datetime = NOW, commit: bool = True) -> Told | Problem:
        order = Order(self._key, time, None, SomebodyElse("Any Body"), self._actor, now)
        async with self._pool.acquire() as conn:
            transaction = conn.transaction()
            await transaction.start()
            (outcome,) = await self._sell(conn, order)
            await (transaction.commit() if commit else transaction.rollback())
        if commit and isinstance(outcome, Done):
            self._known = outcome.facts
        return outcome

    async def _sell(self, conn: Connection, order: Order) -> Sequence[Told | Problem]:
        locked = Locked(conn, lambda _: self._known, set, wait=True)
        plan = await booking.plan(conn, [order], locked, sure=False)
        if plan.changes:
            await writing.save(conn, *plan.changes, booked=plan.booked)
        return plan.outcomes

    async def token(self, time: str | None = None, *, now: datetime = NOW, commit: bool = True) -> str:
        outcome = await self.sell(time, now=now, commit=commit)
        assert isinstance(outcome, Done), outcome
        return outcome.answer.token


@pytest.fixture
async def desk(server: Server, clinic: Clinic) -> AsyncGenerator[Desk]:
    async with open_pool(server.settings) as pool:
        yield Desk(clinic, pool)


async def test_a_seat_whose_sale_was_rolled_back_is_sold_to_the_next(desk: Desk) -> None:
    assert await desk.token() == "A-001"
    assert await desk.token(commit=False) == "A-002"
    assert [await desk.token() for _ in range(2)] == ["A-002", "A-003"]


async def test_a_seat_that_somebody_else_gave_back_is_free_and_one_they_took_is_not(desk: Desk, clinic: Clinic) -> None:
    await desk.token()
    given_back = await clinic.reception.book(clinic.doctor_id, time="09:10", patient={"name": "Walter"})
    assert isinstance(await desk.sell("09:10"), SlotTaken)
    await clinic.reception.move(given_back, "CANCELLED")
    assert await desk.token("09:10") == "A-002"
    assert isinstance(await desk.sell("09:10"), SlotTaken)


async def test_a_time_goes_by_between_two_who_book(desk: Desk) -> None:
    assert await desk.token() == "A-001"
    assert await desk.token(now=NOW + timedelta(minutes=25)) == "A-004"
