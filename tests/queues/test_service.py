"""Whoever is served on a day as this process knows it: quickly, and never on a day that has moved on."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from builders import Clinic, Server
from conftest import Clock
from mediqon.appointments import booking, walk_ins
from mediqon.appointments.booking import Order
from mediqon.appointments.models import SomebodyElse
from mediqon.appointments.walk_ins import Arrival
from mediqon.auth import idempotency
from mediqon.auth.idempotency import Attempt, Replay
from mediqon.auth.models import Actor, Role
from mediqon.database import Connection, Pool, open_pool, reading, teach_json, transaction
from mediqon.errors import NotFound
from mediqon.live.feed import Feed
from mediqon.queues import days, learning, moves, undo
from mediqon.queues.counter import Counter
from mediqon.queues.models import DayKey, Facts, Priority, Status
from mediqon.queues.moves import Move, NextCall
from mediqon.queues.orders import Done, Told
from mediqon.queues.writing import save, save_current
from test_locks import holding, waiting

pytestmark = pytest.mark.anyio

BUSY = "select from queues where doctor_id = $1 for update"
BUSY_DAY = "select from queues where doctor_id = $1 and day = $2 for update"
MOVERS, TURN_SECONDS = 10, 20
SLOW_WRITES = """
create function slowly() returns trigger language plpgsql as 'begin perform pg_sleep(0.03); return new; end';
create trigger slowly before update on queues for each row execute function slowly();
"""
MOVES = """
select queue_version, appointment_id, actor_id from appointment_events where queue_version > $1 order by id
"""


class Process:
    """What a server process has: a pool, days that it knows, and a counter for each kind of order."""

    def __init__(self, server: Server, clinic: Clinic, pool: Pool, clock: Clock) -> None:
        self.feed = Feed(pool, server.settings.redis_url, "test", clock)
        self.bookings = Counter(pool, self.feed, booking.plan, status=201)
        self.arrivals = Counter(pool, self.feed, walk_ins.plan, status=201)
        self.moves = Counter(pool, self.feed, moves.plan)
        self.clock, self.day = clock, DayKey(clinic.doctor_id, clock.now.date())
        self.actor = Actor(
            id=1, role=Role.HOSPITAL, hospital_id=clinic.hospital_id, doctor_id=None, expires_at=0, session=uuid4()
        )

    def order(self, name: str) -> Order:
        return Order(self.day, None, None, SomebodyElse(name), self.actor, self.clock.now)

    async def book(self, name: str = "Any") -> Done:
        told = await self.bookings.ask(self.order(name))
        assert isinstance(told, Done)
        return told

    async def walk_in(self, name: str = "Any") -> Told:
        somebody = SomebodyElse(name, "+91 98450 12345")
        return await self.arrivals.ask(
            Arrival(self.day, somebody, Priority.PRIORITY, "fever", self.actor, self.clock.now)
        )

    async def move(self, visit_id: int, to: Status) -> Told:
        return await self.moves.ask(self.step(visit_id, to))

    def step(self, visit_id: int, to: Status, actor: Actor | None = None) -> Move:
        return Move(visit_id, self.feed.where(visit_id), to, None, None, actor or self.actor, self.clock.now)

    async def call_next(self) -> Told:
        return await self.moves.ask(NextCall(self.day, None, self.actor, self.clock.now))


@pytest.fixture
async def pool(server: Server) -> AsyncGenerator[Pool]:
    async with open_pool(server.settings) as pool:
        yield pool


@pytest.fixture
async def process(server: Server, clinic: Clinic, pool: Pool, clock: Clock) -> Process:
    return Process(server, clinic, pool, clock)


@asynccontextmanager
async def counted(pool: Pool) -> AsyncGenerator[list[str]]:
    """What is said to PostgreSQL meanwhile, over the one connection that the pool has."""
    said: list[str] = []

    def hear(record: asyncpg.connection.LoggedQuery) -> None:
        said.append(record.query)

    async with reading(pool) as conn:
        conn.add_query_logger(hear)
    yield said
    async with reading(pool) as conn:
        conn.remove_query_logger(hear)


async def test_on_a_known_day_a_booking_or_a_walk_in_takes_two_statements_and_a_move_or_a_call_one(
    process: Process, pool: Pool
) -> None:
    for _ in range(2):  # the first time the driver asks PostgreSQL about its types
        visit = (await process.book()).visit_id
        await process.walk_in()
        await process.move(visit, Status.CHECKED_IN)
        await process.call_next()
    async with counted(pool) as said:
        visit = (await process.book()).visit_id
    assert len(said) == 2, said
    async with counted(pool) as said:
        await process.walk_in()
    assert len(said) == 2, said
    async with counted(pool) as said:
        await process.move(visit, Status.CHECKED_IN)
    assert len(said) == 1, said
    async with counted(pool) as said:
        await process.call_next()
    assert len(said) == 1, said


async def test_walk_ins_at_once_are_versions_of_their_own_and_told_as_they_are_stored(
    process: Process, pool: Pool
) -> None:
    before = (await process.walk_in()).facts
    told = await asyncio.gather(*(process.walk_in(f"Walker {number}") for number in range(6)))
    latest = max((each.facts for each in told), key=lambda facts: facts.version)
    assert latest.version == before.version + 6
    async with reading(pool) as conn:
        assert await days.look(conn, process.day) == msgspec.structs.replace(latest, told_at=None)
        rows = await conn.fetch(MOVES, before.version)
        phones = await conn.fetch("select distinct phone from users where name like 'Walker %'")
    assert [row["queue_version"] for row in rows] == [*range(before.version + 1, latest.version + 1)]
    assert [row["appointment_id"] for row in rows] == [visit.id for visit in latest.visits[-6:]]
    assert [row["phone"] for row in phones] == ["+91 98450 12345"]


async def test_moves_of_one_day_at_once_are_versions_of_their_own_and_all_are_told_once(
    process: Process, pool: Pool
) -> None:
    visits = [(await process.book()).visit_id for _ in range(6)]
    before = (await process.move(visits[0], Status.CHECKED_IN)).facts
    orders = [process.step(visit, Status.CHECKED_IN) for visit in visits[1:]]
    told = await asyncio.gather(*(process.moves.ask(order) for order in orders))
    latest = max((each.facts for each in told), key=lambda facts: facts.version)
    assert latest.version == before.version + len(orders)
    async with reading(pool) as conn:
        assert await days.look(conn, process.day) == msgspec.structs.replace(latest, told_at=None)
        rows = await conn.fetch(MOVES, before.version)
    assert [row["queue_version"] for row in rows] == list(range(before.version + 1, latest.version + 1))
    assert sorted(row["appointment_id"] for row in rows) == visits[1:]
    assert {row["actor_id"] for row in rows} == {process.actor.id}
    assert len({each.facts.version for each in told}) < len(orders), "served together"


async def test_a_call_gets_its_turn_while_others_move_visits_of_its_day_without_a_pause(
    process: Process, pool: Pool
) -> None:
    visits = [(await process.book()).visit_id for _ in range(2 * MOVERS)]
    for visit in visits:
        await process.move(visit, Status.CHECKED_IN)
    async with reading(pool) as conn:
        await conn.execute(SLOW_WRITES)
    moved, over = 0, False

    async def go_and_come(visit: int, pause: float) -> None:
        nonlocal moved
        for to in itertools.cycle((Status.ON_HOLD, Status.CHECKED_IN)):
            if over:
                return
            await process.move(visit, to)
            moved += 1
            await asyncio.sleep(pause)

    movers = [asyncio.create_task(go_and_come(each, number / 200)) for number, each in enumerate(visits[-MOVERS:])]
    for _ in range(6):
        while not moved:
            await asyncio.sleep(0.01)
        moved = 0
        async with asyncio.timeout(TURN_SECONDS):
            await process.call_next()
        assert moved <= 5 * MOVERS
        moved = 0
    over = True
    await asyncio.gather(*movers)


async def test_what_some_are_told_stays_in_the_story_when_a_move_written_with_theirs_is_undone(
    server: Server, process: Process, clinic: Clinic, pool: Pool
) -> None:
    patient = await server.patient()
    own = (await patient.book(clinic.doctor_id, time="10:00"))["id"]
    other = (await process.book()).visit_id
    await process.move(other, Status.CHECKED_IN)
    holder = msgspec.structs.replace(
        process.actor, id=(await patient.get("/auth/me"))["id"], role=Role.PATIENT, hospital_id=None
    )
    orders = [process.step(other, Status.ON_HOLD), process.step(own, Status.CHECKED_IN, holder)]
    held, come = await asyncio.gather(*(process.moves.ask(order) for order in orders))
    assert held.facts is come.facts, "served together"

    async def told() -> list[Any]:
        async with reading(pool) as conn:
            rows = await conn.fetch(learning.SQL.story, clinic.doctor_id, process.day.day, process.day.day)
        return [each for row in rows for each in row["shown"] or () if each[0] == own]

    before = await told()
    assert before
    async with transaction(pool) as conn:
        await undo.undo(conn, await days.lock(conn, process.day), actor=process.actor, now=process.clock.now)
    assert (await told())[: len(before)] == before


async def test_a_visit_that_has_gone_to_another_doctor_unheard_is_found_there(process: Process, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    visit = (await process.book()).visit_id
    assert (await clinic.reception.post(f"/appointments/{visit}/transfer", {"doctor_id": other_id})).status == 200
    assert process.feed.where(visit) == process.day, "as far as is known"
    told = await process.move(visit, Status.CHECKED_IN)
    assert (told.facts.doctor_id, told.answer.status) == (other_id, Status.CHECKED_IN)
    assert process.feed.where(visit) == told.facts.key


async def test_a_known_visit_is_moved_by_nobody_who_may_not_see_it(process: Process, clinic: Clinic) -> None:
    visit = (await process.book()).visit_id
    actor = process.actor
    doctor = msgspec.structs.replace(actor, role=Role.DOCTOR, doctor_id=clinic.doctor_id)
    for stranger in (
        msgspec.structs.replace(actor, role=Role.PATIENT, hospital_id=None),
        msgspec.structs.replace(doctor, doctor_id=clinic.doctor_id + 1),
        msgspec.structs.replace(actor, hospital_id=clinic.hospital_id + 1),
    ):
        with pytest.raises(NotFound):
            await process.moves.ask(process.step(visit, Status.CHECKED_IN, stranger))
    assert (await process.moves.ask(process.step(visit, Status.CHECKED_IN, doctor))).answer.status == "CHECKED_IN"


async def test_a_repetition_on_a_known_day_is_answered_as_the_first_time(process: Process, pool: Pool) -> None:
    await process.book()
    attempt, other = (Attempt(process.actor.id, "once", [digest]) for digest in (b"the same", b"another"))
    async with counted(pool) as said:
        first = await process.bookings.ask_once(process.order("First"), attempt)
    assert len(said) == 2, "the answer is kept by the statement that books"
    assert isinstance(first, Done)
    again, mismatch = await asyncio.gather(
        process.bookings.ask_once(process.order("First"), attempt),
        process.bookings.ask_once(process.order("Other"), other),
        return_exceptions=True,
    )
    assert isinstance(again, Replay)
    assert again.status_code == 201
    assert str(first.visit_id).encode() in again.content
    assert isinstance(mismatch, idempotency.IdempotencyMismatch)


async def test_of_many_at_once_with_one_key_one_is_served_and_all_are_told_so(process: Process, pool: Pool) -> None:
    await process.book()
    attempt = Attempt(process.actor.id, "many", [b"the same"])
    outcomes = await asyncio.gather(*(process.bookings.ask_once(process.order("Many"), attempt) for _ in range(9)))
    assert sum(isinstance(each, Done) for each in outcomes) == 1
    async with reading(pool) as conn:
        assert await conn.fetchval("select count(*) from users where name = 'Many'") == 1


async def test_a_change_made_elsewhere_is_gone_on_from_though_nobody_told_of_it(
    process: Process, clinic: Clinic
) -> None:
    await process.book()
    elsewhere = await clinic.reception.book(clinic.doctor_id, patient={"name": "Elsewhere"})
    assert (await process.book()).answer.token == "A-003"
    await clinic.reception.move(elsewhere, "CANCELLED")
    assert (await process.book()).answer.token == elsewhere["token"]
    walk_in = await clinic.reception.walk_in(clinic.doctor_id)
    told = await process.call_next()
    assert told.answer.called.token == walk_in["token"]
    assert [visit.id for visit in told.facts.visits] == sorted(visit.id for visit in told.facts.visits)


async def test_a_process_that_another_has_overtaken_looks_first_and_locks_nothing(
    server: Server, process: Process, clinic: Clinic, pool: Pool, clock: Clock
) -> None:
    other = Process(server, clinic, pool, clock)
    for _ in range(2):
        await process.book()
        await other.book()
    async with counted(pool) as said:
        told = await process.book()
    assert told.facts.version == 5
    assert len(said) == 4, said


async def test_a_day_read_with_the_version_of_before_a_change_and_visits_of_after_is_never_gone_on_from(
    server: Server, process: Process, clinic: Clinic, pool: Pool, clock: Clock
) -> None:
    await process.book()
    async with holding(server, "lock table appointments in access exclusive mode") as conn:
        await teach_json(conn)
        asked = asyncio.create_task(Process(server, clinic, pool, clock).book())
        await waiting(conn, 1)
        day = {process.day: await days.lock(conn, process.day)}
        plan = await booking.plan(conn, [process.order("Meanwhile")], Given(day), sure=False)
        await save(conn, *plan.changes, booked=plan.booked)
    told = await asked
    assert (told.facts.version, len(told.facts.visits), told.facts.visits[1].patient) == (3, 3, "Meanwhile")
    async with reading(pool) as conn:
        assert await days.look(conn, process.day) == told.facts


async def test_processes_that_know_nothing_of_each_other_sell_no_seat_twice_and_lose_no_version(
    server: Server, clinic: Clinic, pool: Pool, clock: Clock
) -> None:
    processes = [Process(server, clinic, pool, clock) for _ in range(3)]
    await processes[0].book()
    outcomes = await asyncio.gather(*(processes[number % 3].book(f"Number {number}") for number in range(15)))
    assert len({each.answer.token for each in outcomes}) == 15
    async with reading(pool) as conn:
        assert await conn.fetchval("select version from queues") == 16
        versions = await conn.fetch("select queue_version from appointment_events order by id")
    assert sorted(row["queue_version"] for row in versions) == [*range(1, 17)]


async def test_of_a_day_that_cannot_be_written_as_known_nothing_is_while_another_is_written_whole(
    server: Server, process: Process, pool: Pool, clinic: Clinic
) -> None:
    stale = (await process.book()).facts
    other = DayKey(process.day.doctor_id, process.day.day + timedelta(days=1))
    await process.bookings.ask(process.order("Next day")._replace(key=other))
    current = (await process.book()).facts
    asked_before = Attempt(1, "taken", [b"1"])
    async with reading(pool) as conn:
        assert await plan_and_save(process, pool, [current], asked_before) == {process.day}
        before = await story(conn, process.day)
        for day, attempt in ((stale, idempotency.ONCE), (await days.look(conn, process.day), asked_before)):
            free = await days.look(conn, other)
            assert await plan_and_save(process, pool, [day, free], attempt) == {other}
        free = await days.look(conn, other)
        async with holding(server, BUSY_DAY, *process.day):
            assert await plan_and_save(process, pool, [day, free]) == {other}
        assert await story(conn, process.day) == before
        assert (await days.look(conn, other)).version == free.version + 1
        assert await plan_and_save(process, pool, [day]) == {process.day}
        assert await story(conn, process.day) != before


async def story(conn: Connection, day: DayKey) -> list[Any]:
    """All that is kept of a day, and the answers kept for repetitions."""
    return [
        [
            tuple(row)
            for row in await conn.fetch(f"select * from {table} where (doctor_id, day) = ($1, $2) order by 1", *day)
        ]
        for table in ("queues", "appointments", "appointment_events")
    ] + [[tuple(row) for row in await conn.fetch("select * from idempotency_keys order by key")]]


class Given:
    """Days as a test says that they are."""

    def __init__(self, known: dict[DayKey, Facts]) -> None:
        self._known = known

    async def find(self, _asked: Sequence[tuple[int, Actor]]) -> list[DayKey | None]:
        raise AssertionError

    async def take(self, _keys: Iterable[DayKey]) -> dict[DayKey, Facts]:
        return self._known


async def plan_and_save(
    process: Process, pool: Pool, known: Sequence[Facts], attempt: Attempt = idempotency.ONCE
) -> set[DayKey]:
    """Books somebody on each of these days, the first of them with this attempt, outside of any transaction."""
    orders = [process.order("On each day")._replace(key=facts.key) for facts in known]
    async with reading(pool) as conn:
        plan = await booking.plan(conn, orders, Given({facts.key: facts for facts in known}), sure=False)
        assert len(plan.changes) == len(known)
        told = plan.outcomes[0]
        assert isinstance(told, Done)
        kept = (
            [idempotency.kept(attempt, told.answer, 201, process.clock.now) | told.facts.key._asdict()]
            if attempt.key
            else []
        )
        return await save_current(conn, *plan.changes, booked=plan.booked, kept=kept)
