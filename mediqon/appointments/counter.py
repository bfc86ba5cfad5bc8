"""The booking counter: whoever comes while others are being served is served with the next row, in one transaction."""

import asyncio
from collections.abc import Sequence

import asyncpg

from mediqon.appointments import booking
from mediqon.appointments.booking import Booked, Order
from mediqon.database import Pool, transaction
from mediqon.errors import Problem, SlotTaken
from mediqon.live.feed import Feed
from mediqon.queues.models import DayKey, Facts

ROW_MAX = 64
"""So many bookings go into one transaction."""


class Counter:
    """One per process. A commit costs the same for one booking and for many, so those who wait share it."""

    def __init__(self, pool: Pool, feed: Feed) -> None:
        self._pool, self._feed = pool, feed
        self._row: list[tuple[Order, asyncio.Future[Booked]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def book(self, order: Order) -> Booked:
        """Sells a seat; committed and published when this returns. Raises what `booking.sell` refuses, or one of LOST.

        Whoever stops waiting may still get the seat.
        """
        turn: asyncio.Future[Booked] = asyncio.get_running_loop().create_future()
        self._row.append((order, turn))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="booking counter")
        return await turn

    async def _serve(self) -> None:
        while self._row:
            served: list[tuple[Order, asyncio.Future[Booked]]] = []
            try:
                outcomes = await self._sell_to_row(served)
            except Exception as error:
                served = served or self._take()
                outcomes = [error] * len(served)
            for (_, turn), outcome in zip(served, outcomes, strict=True):
                if turn.done():
                    continue
                if isinstance(outcome, Booked):
                    turn.set_result(outcome)
                else:
                    turn.set_exception(outcome)

    def _take(self) -> list[tuple[Order, asyncio.Future[Booked]]]:
        served, self._row = self._row[:ROW_MAX], self._row[ROW_MAX:]
        return served

    async def _sell_to_row(self, served: list[tuple[Order, asyncio.Future[Booked]]]) -> Sequence[Booked | Exception]:
        """All in one transaction; where the database refuses one of them, each in a transaction of its own.

        Fills `served` once the transaction has begun: whoever came meanwhile is served too.
        """
        try:
            async with transaction(self._pool) as conn:
                served += self._take()
                outcomes = await booking.sell(conn, [order for order, _ in served], self._feed.known)
        except (Problem, asyncpg.IntegrityConstraintViolationError):
            outcomes = [await self._sell_alone(order) for order, _ in served]
        latest: dict[DayKey, Facts] = {each.facts.key: each.facts for each in outcomes if isinstance(each, Booked)}
        for facts in latest.values():
            await self._feed.publish(facts)
        return outcomes

    async def _sell_alone(self, order: Order) -> Booked | Exception:
        try:
            async with transaction(self._pool) as conn:
                return (await booking.sell(conn, [order], sure=True))[0]
        except asyncpg.UniqueViolationError:
            return SlotTaken(next_free=None)
        except Exception as error:
            return error
