"""The counter: whoever comes while others are being served is served with the next row, at one go."""

import asyncio
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic

import asyncpg

from mediqon.auth import idempotency
from mediqon.auth.idempotency import Attempt, Replay, UnderWay
from mediqon.database import Pool, reading
from mediqon.errors import Problem
from mediqon.live.feed import Feed
from mediqon.queues.days import DayBusy
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.orders import OrderT, Told, Work
from mediqon.queues.service import Outcome, Party, Service, Turn, is_unanswered

ROW_MAX = 64
"""So many are served together."""
TWIN_SECONDS, TWIN_PAUSE_SECONDS = 4.0, 0.1
"""Whoever repeats what is under way asks again so often, for so long."""
FAREWELL_SECONDS = 0.3
"""Whoever is being served when the server stops is waited for so long."""
AT_ONCE = 2
"""So many parties of those who wait in one row: one is worked out or told here while PostgreSQL writes another."""


class Row(Generic[OrderT]):
    """Those who wait. `called`: a connection is about to be had for some of them; `open`: so many parties have one,
    with so many people `under_way`."""

    def __init__(self) -> None:
        self.turns: list[Turn[OrderT]] = []
        self.called = False
        self.open = self.under_way = 0


class Counter(Generic[OrderT]):
    """One per process and kind of order. A commit costs the same for one and for many, so those who wait share it.

    They wait in one row, and while PostgreSQL serves some of them others are let in or told; those whose day is being
    changed here wait for it. A day that somebody else is changing keeps nobody in that row waiting: who asks for it
    goes into a row of its own, until that is empty. Whoever has a twin under way stands in no row, and comes again.
    """

    def __init__(self, pool: Pool, feed: Feed, work: Work[OrderT], *, status: int = 200) -> None:
        """`status`: of the answers, for whoever repeats what they asked for."""
        self._pool, self._feed = pool, feed
        self._rows: dict[DayKey | None, Row[OrderT]] = {}
        self._changing: set[DayKey] = set()
        self._service = Service(pool, feed, self._claim, work, status)
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

    def _join(self, key: DayKey | None, turn: Turn[OrderT], *, first: bool = False) -> None:
        turns = (self._rows.get(key) or self._open(key)).turns
        turns.insert(0 if first else len(turns), turn)
        if self._is_free(key, turn):
            self._call(key)

    def _open(self, key: DayKey | None) -> Row[OrderT]:
        """A new row. Who has waited for its day in the common one goes on in it, lest those who come later overtake."""
        row = self._rows[key] = Row()
        if key and (common := self._rows.get(None)):
            row.turns = [turn for turn in common.turns if turn.order.key == key]
            common.turns = [turn for turn in common.turns if turn.order.key != key]
        return row

    def _call(self, key: DayKey | None) -> None:
        """Begins with a party of a row, where somebody in it can be served; forgets an empty row."""
        row = self._rows.get(key)
        if row is None or row.called:
            return
        enough = not row.open or (key is None and row.open < AT_ONCE and len(row.turns) >= row.under_way)
        if enough and any(self._is_free(key, turn) for turn in reversed(row.turns)):
            row.called, row.open = True, row.open + 1
            task = asyncio.create_task(self._serve_row(key, row), name="counter")
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        elif not row.turns and not row.open:
            del self._rows[key]

    def _is_free(self, key: DayKey | None, turn: Turn[OrderT]) -> bool:
        return (key or turn.order.key) not in self._changing

    async def _serve_row(self, key: DayKey | None, row: Row[OrderT]) -> None:
        party = Party[OrderT]()
        try:
            await self._serve_together(key, row, party)
        except Exception as error:
            party.turns += self._cannot_be_served(row, party, error)
            party.outcomes |= dict.fromkeys(party.unserved, error)
        row.open -= 1
        row.under_way -= len(party.turns)
        self._changing -= party.days
        for each in {None, key, *party.days}:
            self._call(each)
        # The last one first: who has to wait once more goes in front of all who came since, in the order of coming.
        told = [(turn, outcome) for turn, outcome in reversed([*party.told]) if not self._again(turn, outcome)]
        try:
            await self._publish(party.outcomes.values())
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
            self._join(outcome.key, turn, first=True)
            return True
        if isinstance(outcome, UnderWay) and loop.time() < turn.until:
            loop.call_later(TWIN_PAUSE_SECONDS, self._queue, turn)
            return True
        return False

    def _take(self, key: DayKey | None, row: Row[OrderT], party: Party[OrderT]) -> None:
        """Half of those who are here, and whoever shares a day with them: the others are served meanwhile."""
        row.called = False
        waiting, row.turns = row.turns, []
        share = math.ceil((len(waiting) + row.under_way) / 2)
        for turn in waiting:
            day = key or turn.order.key
            fits = len(party.turns) < (ROW_MAX if day in party.days else min(share, ROW_MAX))
            if fits and self._is_free(key, turn):
                party.turns.append(turn)
                party.days.update([day] if day else ())
            else:
                row.turns.append(turn)
        row.under_way += len(party.turns)
        self._changing |= party.days
        self._call(key)

    def _claim(self, party: Party[OrderT], keys: Iterable[DayKey]) -> set[DayKey]:
        """Of days that were not known before: for one on which others are served or wait, one waits with them."""
        mine = {key for key in keys if key in party.days or not (key in self._changing or key in self._rows)}
        party.days |= mine
        self._changing |= mine
        return mine

    def _cannot_be_served(self, row: Row[OrderT], party: Party[OrderT], error: Exception) -> list[Turn[OrderT]]:
        """Who else is told of an error: where the database does not answer, all in the row, lest each waits for it."""
        if party.turns and not is_unanswered(error):
            return []
        if not party.turns:
            row.called = False  # they were called, and not taken
        others, row.turns = row.turns, []
        row.under_way += len(others)
        return others

    async def _serve_together(self, key: DayKey | None, row: Row[OrderT], party: Party[OrderT]) -> None:
        """They are taken once there is a connection: whoever came meanwhile is served too."""
        wait = key is not None
        try:
            async with reading(self._pool) as conn:
                self._take(key, row, party)
                await self._service.serve(conn, party, wait=wait)
        except (Problem, asyncpg.IntegrityConstraintViolationError):
            await self._service.serve_with_care(party, wait=wait)

    async def _publish(self, outcomes: Iterable[Outcome]) -> None:
        told = [each.facts for each in outcomes if not isinstance(each, Replay | Exception)]
        latest = {facts.key: facts for facts in told}
        await self._feed.publish(*(facts for facts in latest.values() if self._is_news(facts)))

    def _is_news(self, facts: Facts) -> bool:
        known = self._feed.known(facts.key)
        return known is None or known.version < facts.version


def _tell(turn: "asyncio.Future[Told | Replay]", outcome: Outcome) -> None:
    if isinstance(outcome, Exception):
        turn.set_exception(outcome)
    else:
        turn.set_result(outcome)
