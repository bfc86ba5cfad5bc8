"""The booking counter: whoever comes while others are being served is served with the next row, in one transaction."""

import asyncio
from collections.abc import Sequence

import asyncpg

from mediqon.appointments import booking
from mediqon.appointments.booking import Booked, DayBusy, Order
from mediqon.database import LOST, Pool, transaction
from mediqon.errors import Problem, SlotTaken
from mediqon.live.feed import Feed
from mediqon.queues.models import DayKey, Facts

ROW_MAX = 64
"""So many bookings go into one transaction."""

Turn = tuple[Order, asyncio.Future[Booked]]


class Counter:
    """One per process. A commit costs the same for one booking and for many, so those who wait share it.

    They wait in one row. A day that somebody else is changing keeps nobody in it waiting: those who asked for that day
    go into a row of its own, until that is empty.
    """

    def __init__(self, pool: Pool, feed: Feed) -> None:
        self._pool, self._feed = pool, feed
        self._rows: dict[DayKey | None, list[Turn]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def book(self, order: Order) -> Booked:
        """Sells a seat; committed and published when this returns. Raises what `booking.sell` refuses, or one of LOST.

        Whoever stops waiting may still get the seat.
        """
        turn: asyncio.Future[Booked] = asyncio.get_running_loop().create_future()
        self._join(order.key if order.key in self._rows else None, (order, turn))
        return await turn

    def _join(self, row: DayKey | None, turn: Turn) -> None:
        if row in self._rows:
            self._rows[row].append(turn)
            return
        self._rows[row] = [turn]
        task = asyncio.create_task(self._serve(row), name="booking counter")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, row: DayKey | None) -> None:
        while self._rows[row]:
            served: list[Turn] = []
            try:
                outcomes = await self._sell_to_row(row, served)
            except Exception as error:
                served += self._cannot_be_served(row, served, error)
                outcomes = [error] * len(served)
            for (order, turn), outcome in zip(served, outcomes, strict=True):
                if isinstance(outcome, DayBusy):
                    self._join(order.key, (order, turn))
                elif not turn.done():
                    _tell(turn, outcome)
        del self._rows[row]

    def _take(self, row: DayKey | None) -> list[Turn]:
        served, self._rows[row] = self._rows[row][:ROW_MAX], self._rows[row][ROW_MAX:]
        return served

    def _cannot_be_served(self, row: DayKey | None, served: list[Turn], error: Exception) -> list[Turn]:
        """Who else is told of an error: where the database does not answer, all in the row, lest each waits for it."""
        unanswered = isinstance(error, LOST) and not isinstance(error, asyncpg.PostgresError)
        if served and not unanswered:
            return []
        others, self._rows[row] = self._rows[row], []
        return others

    async def _sell_to_row(self, row: DayKey | None, served: list[Turn]) -> Sequence[Booked | Exception]:
        """All in one transaction; where the database refuses one of them, each in a transaction of its own.

        Fills `served` once the transaction has begun: whoever came meanwhile is served too.
        """
        wait = row is not None
        try:
            async with transaction(self._pool) as conn:
                served += self._take(row)
                outcomes = await booking.sell(conn, [order for order, _ in served], self._feed.known, wait=wait)
        except (Problem, asyncpg.IntegrityConstraintViolationError):
            outcomes = [await self._sell_alone(order, wait=wait) for order, _ in served]
        latest: dict[DayKey, Facts] = {each.facts.key: each.facts for each in outcomes if isinstance(each, Booked)}
        await self._feed.publish(*latest.values())
        return outcomes

    async def _sell_alone(self, order: Order, *, wait: bool) -> Booked | Exception:
        try:
            async with transaction(self._pool) as conn:
                return (await booking.sell(conn, [order], sure=True, wait=wait))[0]
        except asyncpg.UniqueViolationError:
            return SlotTaken(next_free=None)
        except Exception as error:
            return error


def _tell(turn: asyncio.Future[Booked], outcome: Booked | Exception) -> None:
    if isinstance(outcome, Booked):
        turn.set_result(outcome)
    else:
        turn.set_exception(outcome)
