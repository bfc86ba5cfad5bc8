"""The counter: whoever comes while others are being served is served with the next row, in one transaction."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import asyncpg

from mediqon.auth import idempotency
from mediqon.auth.idempotency import Attempt, Replay, UnderWay
from mediqon.database import LOST, Connection, Pool, transaction
from mediqon.errors import Problem
from mediqon.live.channels import Appointment
from mediqon.live.feed import Feed
from mediqon.queues import days
from mediqon.queues.days import DayBusy, Known
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.views import appointment, outlook_on

ROW_MAX = 64
"""So many are served in one transaction."""
TWIN_SECONDS, TWIN_PAUSE_SECONDS = 4.0, 0.1
"""Whoever repeats what is under way asks again so often, for so long."""
FAREWELL_SECONDS = 0.3
"""Whoever is being served when the server stops is waited for so long."""
AT_ONCE = 3
"""So many transactions of those who wait in one row: one is read or told here while PostgreSQL serves another."""


class Order(Protocol):
    """What somebody asks for; `key` is the day, where that is known from the start."""

    @property
    def key(self) -> DayKey | None: ...
    @property
    def now(self) -> datetime: ...


class Told(Protocol):
    """The day after what somebody asked for, and what they are answered."""

    @property
    def facts(self) -> Facts: ...
    @property
    def answer(self) -> Any: ...


class Done(NamedTuple):
    """Told of one visit; `at`: as of when all who share the day are told."""

    facts: Facts
    visit_id: int
    at: datetime

    @property
    def answer(self) -> Appointment:
        """The visit as its answer tells it."""
        return appointment(outlook_on(self.facts, self.at), self.facts.visit(self.visit_id))


OrderT = TypeVar("OrderT", bound=Order)
Order_contra = TypeVar("Order_contra", bound=Order, contravariant=True)


class Serve(Protocol[Order_contra]):
    """Does what is asked for, in order; a refusal stands in the place of what is refused.

    Unless `wait`, a day that somebody else is changing right now is let be: DayBusy for those who asked for it. Where
    it raises a Problem or what the database refuses, nobody is served; each is then asked for alone, and looked at
    with care (`sure`).
    """

    async def __call__(
        self, conn: Connection, orders: Sequence[Order_contra], known: Known, /, *, sure: bool, wait: bool
    ) -> Sequence[Told | Problem]: ...


Outcome: TypeAlias = Told | Replay | Exception


class Turn(NamedTuple, Generic[OrderT]):
    """Somebody who waits."""

    order: OrderT
    attempt: Attempt
    outcome: asyncio.Future[Told | Replay]
    until: float
    """How long they ask again where a twin is under way, by the clock of the event loop."""


class Row(Generic[OrderT]):
    """Those who wait. `called`: a transaction is about to take some of them; `open`: so many transactions are."""

    def __init__(self) -> None:
        self.turns: list[Turn[OrderT]] = []
        self.called = False
        self.open = 0


class Counter(Generic[OrderT]):
    """One per process and kind of order. A commit costs the same for one and for many, so those who wait share it.

    They wait in one row, and while PostgreSQL serves some of them others are let in or told; those whose day is being
    changed here wait for it. A day that somebody else is changing keeps nobody in that row waiting: who asks for it
    goes into a row of its own, until that is empty. Whoever has a twin under way stands in no row, and comes again.
    """

    def __init__(self, pool: Pool, feed: Feed, serve: Serve[OrderT], *, status: int = 200) -> None:
        """`status`: of the answers, for whoever repeats what they asked for."""
        self._pool, self._feed, self._serve, self._status = pool, feed, serve, status
        self._rows: dict[DayKey | None, Row[OrderT]] = {}
        self._changing: set[DayKey] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def ask(self, order: OrderT) -> Told:
        """Serves one order; committed and published when this returns. Raises what is refused, or one of LOST.

        Whoever stops waiting may still get what they asked for.
        """
        outcome = await self.ask_once(order, idempotency.ONCE)
        assert not isinstance(outcome, Replay)
        return outcome

    async def ask_once(self, order: OrderT, attempt: Attempt) -> Told | Replay:
        """The same; an attempt that was made before is answered as it was."""
        loop = asyncio.get_running_loop()
        turn = Turn(order, attempt, loop.create_future(), loop.time() + TWIN_SECONDS)
        self._queue(turn)
        return await turn.outcome

    async def stop(self) -> None:
        """Waits for those who are being served, lest they publish over connections that are being closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self._serving:  # whose day is busy goes from one row to another
                    await asyncio.wait(self._serving)

    def _queue(self, turn: Turn[OrderT]) -> None:
        self._join(turn.order.key if turn.order.key in self._rows else None, turn)

    def _join(self, key: DayKey | None, turn: Turn[OrderT]) -> None:
        self._rows.setdefault(key, Row()).turns.append(turn)
        if self._is_free(key, turn):
            self._call(key)

    def _call(self, key: DayKey | None) -> None:
        """Begins a transaction for a row, where somebody in it can be served; forgets an empty row."""
        row = self._rows.get(key)
        if row is None or row.called:
            return
        if row.open < (AT_ONCE if key is None else 1) and any(self._is_free(key, turn) for turn in reversed(row.turns)):
            row.called, row.open = True, row.open + 1
            task = asyncio.create_task(self._serve_row(key, row), name="counter")
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        elif not row.turns and not row.open:
            del self._rows[key]

    def _is_free(self, key: DayKey | None, turn: Turn[OrderT]) -> bool:
        return (key or turn.order.key) not in self._changing

    async def _serve_row(self, key: DayKey | None, row: Row[OrderT]) -> None:
        served: list[Turn[OrderT]] = []
        days: set[DayKey] = set()
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._serve_together(key, row, served, days)
        except Exception as error:
            served += self._cannot_be_served(row, served, error)
            outcomes = [error] * len(served)
        row.open -= 1
        self._changing -= days
        for each in {None, key, *days}:
            self._call(each)
        told = [
            (turn, outcome) for turn, outcome in zip(served, outcomes, strict=True) if not self._again(turn, outcome)
        ]
        try:
            await self._publish(outcomes)
        finally:
            for turn, outcome in told:
                if not turn.outcome.done():
                    _tell(turn.outcome, outcome)

    def _again(self, turn: Turn[OrderT], outcome: Outcome) -> bool:
        """Whether somebody has to wait once more; nobody does who has left."""
        loop = asyncio.get_running_loop()
        if turn.outcome.done():
            return False
        if isinstance(outcome, DayBusy):
            self._join(outcome.key, turn)
            return True
        if isinstance(outcome, UnderWay) and loop.time() < turn.until:
            loop.call_later(TWIN_PAUSE_SECONDS, self._queue, turn)
            return True
        return False

    def _take(self, key: DayKey | None, row: Row[OrderT], served: list[Turn[OrderT]], days: set[DayKey]) -> None:
        row.called = False
        waiting, row.turns = row.turns, []
        for turn in waiting:
            free = len(served) < ROW_MAX and self._is_free(key, turn)
            (served if free else row.turns).append(turn)
        days |= {day for turn in served if (day := key or turn.order.key) is not None}
        self._changing |= days
        self._call(key)

    def _cannot_be_served(self, row: Row[OrderT], served: list[Turn[OrderT]], error: Exception) -> list[Turn[OrderT]]:
        """Who else is told of an error: where the database does not answer, all in the row, lest each waits for it."""
        if served and not _is_unanswered(error):
            return []
        if not served:
            row.called = False  # they were called, and not taken
        others, row.turns = row.turns, []
        return others

    async def _serve_together(
        self, key: DayKey | None, row: Row[OrderT], served: list[Turn[OrderT]], days: set[DayKey]
    ) -> Sequence[Outcome]:
        """All in one transaction; where the database refuses one of them, once more with care.

        Fills `served` and `days` once the transaction has begun: whoever came meanwhile is served too.
        """
        wait = key is not None
        try:
            async with transaction(self._pool) as conn:
                self._take(key, row, served, days)
                return await self._serve_all(conn, served, self._feed.known, wait=wait)
        except (Problem, asyncpg.IntegrityConstraintViolationError):
            return await self._serve_with_care(served, wait=wait)

    async def _publish(self, outcomes: Sequence[Outcome]) -> None:
        told = [each.facts for each in outcomes if not isinstance(each, Replay | Exception)]
        latest = {facts.key: facts for facts in told}
        await self._feed.publish(*(facts for facts in latest.values() if self._is_news(facts)))

    def _is_news(self, facts: Facts) -> bool:
        known = self._feed.known(facts.key)
        return known is None or known.version < facts.version

    async def _serve_with_care(self, served: Sequence[Turn[OrderT]], *, wait: bool) -> Sequence[Outcome]:
        """Where nothing known is trusted and one is refused all the same, each in a transaction of its own."""
        outcomes: list[Outcome] = []
        try:
            async with transaction(self._pool) as conn:
                return await self._serve_all(conn, served, days.nothing, sure=True, wait=wait)
        except (Problem, asyncpg.IntegrityConstraintViolationError):
            pass
        for turn in served:
            try:
                async with transaction(self._pool) as conn:
                    outcomes += await self._serve_all(conn, [turn], days.nothing, sure=True, wait=wait)
            except Exception as error:
                if _is_unanswered(error):
                    return outcomes + [error] * (len(served) - len(outcomes))
                outcomes.append(error)
        return outcomes

    async def _serve_all(
        self, conn: Connection, turns: Sequence[Turn[OrderT]], known: Known, *, sure: bool = False, wait: bool
    ) -> list[Outcome]:
        if not turns:
            return []
        attempts = [turn.attempt for turn in turns]
        earlier = await idempotency.claim(conn, attempts, now=max(turn.order.now for turn in turns), wait=False)
        fresh = [turn for turn, answer in zip(turns, earlier, strict=True) if answer is None]
        served: Sequence[Told | Problem] = []
        if fresh:
            served = await self._serve(conn, [turn.order for turn in fresh], known, sure=sure, wait=wait)
            answers = _answers(fresh, served)
            await idempotency.settle(conn, [turn.attempt for turn in fresh], answers, status=self._status)
        outcomes = iter(served)
        return [next(outcomes) if answer is None else answer for answer in earlier]


def _is_unanswered(error: Exception) -> bool:
    """Whether the database does not answer at all."""
    return isinstance(error, LOST) and not isinstance(error, asyncpg.PostgresError)


def _answers(turns: Sequence[Turn[OrderT]], served: Sequence[Told | Problem]) -> list[Any]:
    """What a repetition will be told, where there can be one."""
    return [
        each.answer if not isinstance(each, Problem) and turn.attempt.key else None
        for turn, each in zip(turns, served, strict=True)
    ]


def _tell(turn: "asyncio.Future[Told | Replay]", outcome: Outcome) -> None:
    if isinstance(outcome, Exception):
        turn.set_exception(outcome)
    else:
        turn.set_result(outcome)
