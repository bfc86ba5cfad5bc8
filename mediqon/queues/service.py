"""How people are served together: on their days as they are known, else on locked ones, else each alone with care."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeAlias

import asyncpg

from mediqon.auth import idempotency
from mediqon.auth.idempotency import Attempt, Replay
from mediqon.auth.models import Actor
from mediqon.database import LOST, Connection, Pool, begun, transaction
from mediqon.errors import Problem
from mediqon.live.feed import Feed
from mediqon.queues import days
from mediqon.queues.days import DayBusy, Known
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.orders import OrderT, Told, Work
from mediqon.queues.writing import save, save_current

DOUBT_SECONDS = 10.0
"""So long after another process has been first on a day, versions are looked up before anything is worked out."""

Outcome: TypeAlias = Told | Replay | Exception


class Turn(NamedTuple, Generic[OrderT]):
    """Somebody who waits."""

    order: OrderT
    attempt: Attempt
    outcome: asyncio.Future[Told | Replay]
    until: float
    """How long they ask again where a twin is under way, by the clock of the event loop."""


class Party(Generic[OrderT]):
    """Those who are served together, on these days; and what has come of it so far, by their places."""

    def __init__(self) -> None:
        self.turns: list[Turn[OrderT]] = []
        self.days: set[DayKey] = set()
        self.outcomes: dict[int, Outcome] = {}

    @property
    def unserved(self) -> dict[int, Turn[OrderT]]:
        return {place: turn for place, turn in enumerate(self.turns) if place not in self.outcomes}

    @property
    def told(self) -> Iterator[tuple[Turn[OrderT], Outcome]]:
        """Everybody, once all have been served."""
        return ((turn, self.outcomes[place]) for place, turn in enumerate(self.turns))


Claim: TypeAlias = Callable[[Party[OrderT], Iterable[DayKey]], set[DayKey]]
"""Those of the days that a party may be served on, and nobody else of this process until it ends."""


class AsKnown:
    """Days as this process knows them, which may be behind; no lock is taken."""

    def __init__(
        self, conn: Connection, feed: Feed, claim: Callable[[Iterable[DayKey]], set[DayKey]], *, doubtful: bool
    ) -> None:
        """Where that is `doubtful`, what has changed is read anew; else only what is not known."""
        self._conn, self._feed, self._claim, self._doubtful = conn, feed, claim, doubtful
        self.unknown = set[DayKey]()
        """Asked for and free, and not changed by anybody yet."""

    async def find(self, asked: Sequence[tuple[int, Actor]]) -> list[DayKey | None]:
        """Asks the database for those that are not known, or not to be the actor's."""
        found = [self._find(visit_id, actor) for visit_id, actor in asked]
        if others := [each for each, key in zip(asked, found, strict=True) if key is None]:
            there = iter(await days.find_all(self._conn, others))
            found = [key or next(there) for key in found]
        return found

    def _find(self, visit_id: int, actor: Actor) -> DayKey | None:
        key = self._feed.where(visit_id)
        facts = key and self._feed.known(key)
        return key if facts and days.may_see(facts, visit_id, actor) else None

    async def take(self, keys: Iterable[DayKey]) -> dict[DayKey, Facts]:
        mine = self._claim(keys)
        known = {key: facts for key in mine if (facts := self._feed.known(key))}
        asked = {key: known[key].version if key in known else days.UNKNOWN for key in mine}
        if not self._doubtful:
            asked = {key: version for key, version in asked.items() if version == days.UNKNOWN}
        known |= await days.look_all(self._conn, asked)
        taken = {key: facts for key, facts in known.items() if facts.version}
        self.unknown |= mine - taken.keys()
        return taken


class Locked:
    """Days as they are, nobody else's to change until the transaction ends."""

    def __init__(
        self, conn: Connection, known: Known, claim: Callable[[Iterable[DayKey]], set[DayKey]], *, wait: bool
    ) -> None:
        """Unless `wait`, a day that somebody else is changing right now is let be."""
        self._conn, self._known, self._claim, self._wait = conn, known, claim, wait
        self.taken: dict[DayKey, Facts] = {}

    async def find(self, asked: Sequence[tuple[int, Actor]]) -> list[DayKey | None]:
        return await days.find_all(self._conn, asked)

    async def take(self, keys: Iterable[DayKey]) -> dict[DayKey, Facts]:
        self.taken |= await days.lock_all(self._conn, self._claim(keys), self._known, wait=self._wait)
        return self.taken.copy()


class Service(Generic[OrderT]):
    """One kind of work, done for several at once."""

    def __init__(self, pool: Pool, feed: Feed, claim: Claim[OrderT], work: Work[OrderT], status: int) -> None:
        """`status`: of the answers, for whoever repeats what they asked for."""
        self._pool, self._feed, self._claim, self._work, self._status = pool, feed, claim, work, status
        self._overtaken_at = -math.inf

    async def serve(self, conn: Connection, party: Party[OrderT], *, wait: bool) -> None:
        """Fills the outcomes; all of it is committed.

        Unless `wait`, a day that somebody else is changing right now is let be: DayBusy for those who asked for it.
        Raises a Problem or what the database refuses where one of those not served yet cannot be: `serve_with_care`.
        """
        if party.turns:  # else their days have been taken before they were
            await self._serve_as_known(conn, party)
        if others := party.unserved:
            async with begun(conn):
                told = await self._serve_locked(conn, party, [*others.values()], self._known_to(party), wait=wait)
            party.outcomes |= zip(others, told, strict=True)

    async def serve_with_care(self, party: Party[OrderT], *, wait: bool) -> None:
        """Where nothing known is trusted and one is refused all the same, each in a transaction of its own."""
        others = party.unserved
        try:
            async with transaction(self._pool) as conn:
                told = await self._serve_locked(conn, party, [*others.values()], days.nothing, wait=wait)
            party.outcomes |= zip(others, told, strict=True)
            return
        except (Problem, asyncpg.IntegrityConstraintViolationError):
            pass
        for place, turn in others.items():
            try:
                async with transaction(self._pool) as conn:
                    told = await self._serve_locked(conn, party, [turn], days.nothing, wait=wait)
                party.outcomes[place] = told[0]
            except Exception as error:
                if is_unanswered(error):
                    raise
                party.outcomes[place] = error

    async def _serve_as_known(self, conn: Connection, party: Party[OrderT]) -> None:
        """Serves whoever can be without a lock, by one statement that writes nothing of a day that is not as known.

        Whoever is refused is looked at again: that, too, may be known no longer.
        """
        known = AsKnown(conn, self._feed, partial(self._claim, party), doubtful=self._is_overtaken())
        turns = _without_twins(party.turns)
        plan = await self._work(conn, [turn.order for turn in turns.values()], known, sure=False)
        outcomes = dict(zip(turns, plan.outcomes, strict=True))
        done = {place: told for place, told in outcomes.items() if not isinstance(told, Problem)}
        if plan.changes:
            kept = self._kept((turns[place], told) for place, told in done.items())
            saved = await save_current(conn, *plan.changes, booked=plan.booked, kept=kept)
            if len(saved) < len(plan.changes):
                self._overtaken_at = asyncio.get_running_loop().time()
            party.outcomes |= {place: told for place, told in done.items() if told.facts.key in saved}
        party.outcomes |= {
            place: told
            for place, told in outcomes.items()
            if isinstance(told, DayBusy) and told.key not in known.unknown
        }

    def _is_overtaken(self) -> bool:
        """Whether other processes have lately changed days that this one thought it knew."""
        return asyncio.get_running_loop().time() - self._overtaken_at < DOUBT_SECONDS

    def _known_to(self, party: Party[OrderT]) -> Known:
        """What is known, with what has just been written for those of the party who are served."""
        told = (each for each in party.outcomes.values() if not isinstance(each, Replay | Exception))
        written = {each.facts.key: each.facts for each in told}
        return lambda key: written.get(key) or self._feed.known(key)

    def _kept(self, answers: Iterable[tuple[Turn[OrderT], Told]]) -> list[dict[str, object]]:
        return [
            {**told.facts.key._asdict(), **idempotency.kept(turn.attempt, told.answer, self._status, turn.order.now)}
            for turn, told in answers
            if turn.attempt.key
        ]

    async def _serve_locked(
        self,
        conn: Connection,
        party: Party[OrderT],
        turns: Sequence[Turn[OrderT]],
        known: Known,
        *,
        wait: bool,
    ) -> list[Outcome]:
        attempts = [turn.attempt for turn in turns]
        earlier = await idempotency.claim(conn, attempts, now=max(turn.order.now for turn in turns), wait=False)
        fresh = [turn for turn, answer in zip(turns, earlier, strict=True) if answer is None]
        served: Sequence[Told | Problem] = []
        if fresh:
            orders = [turn.order for turn in fresh]
            served = await self._work_locked(conn, party, orders, known, wait=wait)
            answers = _answers(fresh, served)
            await idempotency.settle(conn, [turn.attempt for turn in fresh], answers, status=self._status)
        outcomes = iter(served)
        return [next(outcomes) if answer is None else answer for answer in earlier]

    async def _work_locked(
        self,
        conn: Connection,
        party: Party[OrderT],
        orders: Sequence[OrderT],
        known: Known,
        *,
        wait: bool,
    ) -> Sequence[Told | Problem]:
        locked = Locked(conn, known, partial(self._claim, party), wait=wait)
        plan = await self._work(conn, orders, locked, sure=True)
        if plan.changes:
            await save(conn, *plan.changes, booked=plan.booked)
        changed = {change.facts.key for change in plan.changes}
        await days.close_untouched(conn, [facts for key, facts in locked.taken.items() if key not in changed])
        return plan.outcomes


def is_unanswered(error: Exception) -> bool:
    """Whether the database does not answer at all."""
    return isinstance(error, LOST) and not isinstance(error, asyncpg.PostgresError)


def _without_twins(turns: Sequence[Turn[OrderT]]) -> dict[int, Turn[OrderT]]:
    """Only the first of those that repeat one another."""
    first: dict[tuple[int, str], int] = {}
    keys = ((turn.attempt.user_id, turn.attempt.key) for turn in turns)
    return {
        place: turn
        for place, (turn, key) in enumerate(zip(turns, keys, strict=True))
        if not turn.attempt.key or first.setdefault(key, place) == place
    }


def _answers(turns: Sequence[Turn[OrderT]], served: Sequence[Told | Problem]) -> list[Any]:
    """What a repetition will be told, where there can be one."""
    return [
        each.answer if not isinstance(each, Problem) and turn.attempt.key else None
        for turn, each in zip(turns, served, strict=True)
    ]
