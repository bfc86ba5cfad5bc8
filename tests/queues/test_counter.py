"""The booking counter under strain: whoever shares a transaction with others is neither hurt nor held up by them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from builders import Answer, Asker, Clinic, Server, refused
from conftest import Clock, serving
from mediqon.appointments import booking
from mediqon.appointments.booking import Order
from mediqon.appointments.models import SomebodyElse
from mediqon.auth.models import Actor, Role
from mediqon.database import LOST, Connection, connection, open_pool
from mediqon.errors import NotFound
from mediqon.live.feed import Feed
from mediqon.queues import counter as counter_module
from mediqon.queues import desk
from mediqon.queues.counter import AT_ONCE, Counter
from mediqon.queues.days import DayBusy
from mediqon.queues.models import DayKey, Facts
from mediqon.queues.orders import Days, Plan
from mediqon.settings import Settings
from test_locks import holding, waiting
from wire import wire_to

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = "2026-11-23", "2026-11-24"
PROMPT_SECONDS = 3.0  # whoever waited for the lock of another would wait for 4
CROWD_SECONDS = 30.0
FROZEN_SECONDS = 15.0
CROWD = 1000
PRESSES = 16
BUSY = "select from queues where doctor_id = $1 for update"


def reception_of(clinic: Clinic) -> Actor:
    return Actor(
        id=1, role=Role.HOSPITAL, hospital_id=clinic.hospital_id, doctor_id=None, expires_at=0, session=uuid4()
    )


async def test_a_patient_refused_one_time_gets_another_of_the_same_row(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "Quicker"})
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"}))
        await waiting(conn, 1)
        tries = [asyncio.create_task(patient.book(clinic.doctor_id, time=time)) for time in ("09:00", "10:00")]
        await asyncio.sleep(0.2)
    assert (await first).status == 201
    taken, got = await asyncio.gather(*tries)
    assert got.status == 201, got
    assert taken["code"] in {"slot_taken", "already_booked"}, "whichever of the two was looked at first"


async def test_a_patient_who_books_twice_in_one_row_is_told_the_id_of_the_first(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "Walter"}))
        await waiting(conn, 1)
        tries = [asyncio.create_task(patient.book(clinic.doctor_id, time=time)) for time in ("10:00", "10:10")]
        await asyncio.sleep(0.2)
    await first
    booked, second = await asyncio.gather(*tries)
    refused(second, 409, "already_booked")
    assert second["id"] == booked["id"]


async def test_a_booking_that_is_refused_opens_no_day(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    for day, code in (
        ("0001-01-01", "slot_past"),
        ("2026-11-22", "slot_past"),
        ("2029-11-23", "day_full"),
        ("9999-12-31", "day_full"),
    ):
        wish = {"doctor_id": clinic.doctor_id, "date": day, "time": "09:00"}
        refused(await patient.post("/appointments/book", wish), 409, code)
        refused(await patient.post("/appointments/book", wish, idempotency_key=day), 409, code)
    refused(await patient.book(999, date=TODAY), 404, "not_found")
    async with connection(server.settings) as conn:
        assert await conn.fetchval("select count(*) from queues") == 0


async def test_a_busy_day_keeps_no_booking_of_another_doctor_waiting(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        held_up = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "A"}))
        await waiting(conn, 1)
        async with asyncio.timeout(PROMPT_SECONDS):
            assert (await clinic.reception.book(other_id, patient={"name": "B"})).status == 201
        assert not held_up.done()
    assert (await held_up).status == 201


async def test_a_busy_day_keeps_nobody_of_another_doctor_from_being_called(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    for doctor_id in (clinic.doctor_id, other_id):
        await clinic.reception.walk_in(doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        held_up = [asyncio.create_task(clinic.reception.call_next(clinic.doctor_id)) for _ in range(2)]
        await waiting(conn, 1)
        async with asyncio.timeout(PROMPT_SECONDS):
            called = (await clinic.reception.call_next(other_id))["called"]
            assert (await clinic.reception.post(f"/appointments/{called['id']}/recall"))["calls"] == 2
        assert not any(each.done() for each in held_up)
    tokens = [answer["called"] and answer["called"]["token"] for answer in await asyncio.gather(*held_up)]
    assert sorted(tokens, key=str) == ["A-W01", None]


async def test_each_of_many_presses_at_one_desk_is_worked_out_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(PRESSES):
        await clinic.reception.walk_in(clinic.doctor_id)
    worked_out, call_next = list[Facts](), desk.call_next

    def counted(facts: Facts, **asked: Any) -> desk.Next:
        worked_out.append(facts)
        return call_next(facts, **asked)

    monkeypatch.setattr(desk, "call_next", counted)
    presses = await asyncio.gather(*(clinic.doctor.call_next(clinic.doctor_id) for _ in range(PRESSES)))
    assert len({press["called"]["id"] for press in presses}) == PRESSES
    assert len(worked_out) == PRESSES


async def test_a_call_on_a_day_that_nobody_has_touched_leaves_no_trace(server: Server, clinic: Clinic) -> None:
    answer = await clinic.doctor.call_next(clinic.doctor_id)
    assert (answer.status, answer) == (200, {"called": None, "completed": None})
    async with connection(server.settings) as conn:
        assert await conn.fetchval("select count(*) from queues") == 0


async def test_a_key_in_use_at_another_process_keeps_no_booking_of_another_doctor_waiting(
    server: Server, settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    wish = {"doctor_id": clinic.doctor_id, "patient": {"name": "Twin"}}
    async with serving(settings, clock) as second:
        async with holding(server, BUSY, clinic.doctor_id) as conn:
            there = Asker(second.http, clinic.reception.token)
            first = asyncio.create_task(there.post("/appointments/book", wish, idempotency_key="k"))
            await waiting(conn, 1)
            twin = asyncio.create_task(clinic.reception.post("/appointments/book", wish, idempotency_key="k"))
            await asyncio.sleep(0.1)
            async with asyncio.timeout(PROMPT_SECONDS):
                assert (await clinic.reception.book(other_id, patient={"name": "Other"})).status == 201
        assert (await first).raw == (await twin).raw


async def test_a_key_used_for_two_doctors_keeps_no_booking_of_the_second_waiting(
    server: Server, clinic: Clinic
) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)

    def book(doctor_id: int) -> asyncio.Task[Answer]:
        wish = {"doctor_id": doctor_id, "patient": {"name": "Twin"}}
        return asyncio.create_task(clinic.reception.post("/appointments/book", wish, idempotency_key="k"))

    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = book(clinic.doctor_id)
        await waiting(conn, 1)
        second = book(other_id)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(PROMPT_SECONDS):
            assert (await clinic.reception.book(other_id, patient={"name": "Other"})).status == 201
        await waiting(conn, 1)
    assert (await first).status == 201
    refused(await second, 409, "idempotency_mismatch")


async def test_whoever_repeats_what_is_under_way_for_too_long_is_told_to_try_again(
    server: Server, settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    await clinic.reception.walk_in(clinic.doctor_id)
    wish = {"doctor_id": clinic.doctor_id, "patient": {"name": "Twin"}}
    lock = "select pg_advisory_xact_lock(hashtextextended('k', id)) from users where role = 'hospital'"
    async with holding(server, lock):
        refused(await clinic.reception.post("/appointments/book", wish, idempotency_key="k"), 503, "unavailable")
    assert (await clinic.reception.post("/appointments/book", wish, idempotency_key="k")).status == 201


async def test_a_day_locked_for_too_long_fails_its_own_bookings_alone(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "A"}))
        await waiting(conn, 1)
        second = asyncio.create_task(clinic.reception.book(clinic.doctor_id, patient={"name": "A"}))
        other = asyncio.create_task(clinic.reception.book(other_id, patient={"name": "B"}))
        assert ((await first).status, (await second).status, (await other).status) == (503, 503, 201)


async def test_moves_of_one_row_are_made_one_after_the_other_and_the_refused_hurt_nobody(
    server: Server, clinic: Clinic
) -> None:
    here = [await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}") for number in range(4)]
    version = (await clinic.reception.today(clinic.doctor_id))["version"]
    patient = await server.patient()
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.move(here[0], "ON_HOLD"))
        await waiting(conn, 1)
        tries = [
            clinic.reception.move(here[1], "CALLED"),
            clinic.reception.move(here[2], "COMPLETED"),
            patient.move(here[2], "CANCELLED"),
            clinic.doctor.move(here[3], "CALLED"),
            clinic.doctor.move(here[3], "IN_CONSULTATION"),
            clinic.doctor.move(here[3], "IN_CONSULTATION"),
        ]
        moves = [asyncio.create_task(each) for each in tries]
        await asyncio.sleep(0.2)
    assert (await first)["status"] == "ON_HOLD"
    answers = await asyncio.gather(*moves)
    assert [answer.status for answer in answers] == [200, 403, 404, 200, 200, 200], answers
    assert [answers[0]["status"], answers[-1]["status"]] == ["CALLED", "IN_CONSULTATION"]
    queue = await clinic.reception.today(clinic.doctor_id)
    assert queue["version"] == version + 4
    async with connection(server.settings) as conn:
        assert await conn.fetchval("select version from queues where doctor_id = $1", clinic.doctor_id) == version + 4
    assert [visit["token"] for visit in queue["now"]] == [here[1]["token"], here[3]["token"]]
    story = (await clinic.reception.get(f"/appointments/{here[3]['id']}/events"))["events"]
    assert [each["verb"] for each in story] == ["walk_in", "call", "start"]


async def test_one_visit_moved_twice_in_one_row_keeps_its_version(server: Server, clinic: Clinic) -> None:
    visit = await clinic.reception.walk_in(clinic.doctor_id)
    await clinic.reception.walk_in(clinic.doctor_id, "Other")
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = asyncio.create_task(clinic.reception.move(visit, "ON_HOLD"))
        await waiting(conn, 1)
        moves = [asyncio.create_task(clinic.reception.move(visit, to)) for to in ("CHECKED_IN", "ON_HOLD", "NO_SHOW")]
        await asyncio.sleep(0.2)
    answers = [await first, *await asyncio.gather(*moves)]
    versions = sorted(answer["version"] for answer in answers)
    assert versions == [2, 3, 4, 5]
    async with connection(server.settings) as conn:
        stored = await conn.fetchval("select version from appointments where id = $1", visit["id"])
    assert stored == 5


async def test_a_move_on_a_busy_day_keeps_no_move_of_another_doctor_waiting(server: Server, clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    here, there = [await clinic.reception.walk_in(doctor_id) for doctor_id in (clinic.doctor_id, other_id)]
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        held_up = asyncio.create_task(clinic.reception.move(here, "ON_HOLD"))
        await waiting(conn, 1)
        async with asyncio.timeout(PROMPT_SECONDS):
            assert (await clinic.reception.move(there, "ON_HOLD")).status == 200
        assert not held_up.done()
    assert (await held_up).status == 200


async def test_bookings_of_one_row_keep_their_keys_apart(server: Server, clinic: Clinic) -> None:
    def book(key: str, time: str, name: str) -> asyncio.Task[Answer]:
        body = {"doctor_id": clinic.doctor_id, "time": time, "patient": {"name": name}}
        return asyncio.create_task(clinic.reception.post("/appointments/book", body, idempotency_key=key))

    await clinic.reception.walk_in(clinic.doctor_id)
    async with holding(server, BUSY, clinic.doctor_id) as conn:
        first = book("first", "09:00", "A")
        await waiting(conn, 1)
        asked = [
            ("b", "09:10", "B"),
            ("b", "09:10", "B"),
            ("b", "09:20", "B"),
            ("c", "09:00", "C"),
            ("d", "09:30", "D"),
        ]
        tries = [book(*each) for each in asked]
        await asyncio.sleep(0.2)
    assert (await first).status == 201
    answers = await asyncio.gather(*tries)
    assert [answer.status for answer in answers] == [201, 201, 409, 409, 201], answers
    assert answers[0]["id"] == answers[1]["id"]
    assert "idempotent-replay" not in answers[0].headers
    assert answers[1].headers["idempotent-replay"] == "true"
    assert [answers[2]["code"], answers[3]["code"]] == ["idempotency_mismatch", "slot_taken"]
    again = await book("c", "09:40", "C")
    assert again.status == 201, "a refused booking leaves its key free"


async def test_settings_change_while_patients_of_several_doctors_book_and_nobody_fails(clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    for doctor_id in (clinic.doctor_id, other_id):
        for day in (TODAY, TOMORROW):
            await clinic.reception.book(doctor_id, date=day, patient={"name": "A"})
    settings = f"/hospitals/{clinic.hospital_id}/settings"
    for number in range(12):
        answers = await asyncio.gather(
            clinic.reception.patch(settings, {"walk_in_wait_minutes": number + 20}),
            clinic.reception.book(clinic.doctor_id, date=TOMORROW, patient={"name": "A"}),
            clinic.reception.book(other_id, date=TODAY, patient={"name": "A"}),
        )
        assert [answer.status for answer in answers] == [200, 201, 201], answers


async def test_whoever_is_being_served_when_the_server_stops_is_waited_for(
    server: Server, settings: Settings, clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_module, "FAREWELL_SECONDS", CROWD_SECONDS)
    order = Order(
        DayKey(clinic.doctor_id, clock.now.date()), None, None, SomebodyElse("Last"), reception_of(clinic), clock.now
    )
    await clinic.reception.walk_in(clinic.doctor_id)
    async with open_pool(settings) as pool:
        counter = Counter(pool, Feed(pool, settings.redis_url, "test", clock), booking.plan)
        async with holding(server, BUSY, clinic.doctor_id) as conn:
            last = asyncio.create_task(counter.ask(order))
            await waiting(conn, 1)
            stopping = asyncio.create_task(counter.stop())
            await asyncio.sleep(0.1)
            assert not stopping.done()
        await stopping
        assert last.done()
        assert (await last).facts.version == 2


async def test_a_crowd_that_books_while_postgresql_is_frozen_is_answered_together(
    settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    order = Order(
        DayKey(clinic.doctor_id, clock.now.date()), None, None, SomebodyElse("Late"), reception_of(clinic), clock.now
    )
    there = Path(settings.db_host) / f".s.PGSQL.{settings.db_port}"
    async with (
        wire_to(there) as (wire, directory),
        open_pool(msgspec.structs.replace(settings, db_host=str(directory))) as pool,
    ):
        counter = Counter(pool, Feed(pool, settings.redis_url, "test", clock), booking.plan)
        assert (await counter.ask(order)).facts.version == 1
        wire.fall_silent()
        async with asyncio.timeout(FROZEN_SECONDS):
            answers = await asyncio.gather(*(counter.ask(order) for _ in range(CROWD)), return_exceptions=True)
        wire.mend()
    assert all(isinstance(answer, LOST) for answer in answers)


async def test_transactions_at_once_share_no_day_and_none_is_for_nobody(
    settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    days = [DayKey(clinic.doctor_id, clock.now.date() + timedelta(days=number)) for number in range(1, 11)]
    orders = [
        Order(day, None, None, SomebodyElse("Any"), reception_of(clinic), clock.now) for _ in range(20) for day in days
    ]
    under_way: list[set[DayKey]] = []
    most_at_once, another = 0, asyncio.Event()

    async def watched(conn: Connection, asked: Sequence[Order], days: Days, /, *, sure: bool) -> Plan:
        nonlocal most_at_once
        mine = {order.key for order in asked}
        assert mine, "a transaction for nobody"
        assert not any(mine & others for others in under_way), "one of them waits for the other at the database"
        under_way.append(mine)
        most_at_once = max(most_at_once, len(under_way))
        if most_at_once > 1:
            another.set()
        try:
            plan = await booking.plan(conn, asked, days, sure=sure)
            await another.wait()  # the first one ends when there is a second, of other days
            return plan
        finally:
            under_way.remove(mine)

    async with open_pool(settings) as pool, asyncio.timeout(CROWD_SECONDS):
        counter = Counter(pool, Feed(pool, settings.redis_url, "test", clock), watched)
        done = [asyncio.create_task(counter.ask(orders[0]))]
        while not under_way:
            await asyncio.sleep(0)
        done += [asyncio.create_task(counter.ask(order)) for order in orders[1:100]]
        for order in orders[100:]:
            done.append(asyncio.create_task(counter.ask(order)))
            await asyncio.sleep(0.001)
        outcomes = await asyncio.gather(*done)
    assert most_at_once <= AT_ONCE
    assert len({each.answer.id for each in outcomes}) == len(orders)


async def test_a_seat_that_has_gone_to_another_doctor_makes_nobody_wait_for_the_day_a_second_time(
    settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    key = DayKey(clinic.doctor_id, clock.now.date())
    order = Order(key, None, None, SomebodyElse("Any"), reception_of(clinic), clock.now)
    looks: list[bool] = []

    async def watched(conn: Connection, asked: Sequence[Order], days: Days, /, *, sure: bool) -> Plan:
        looks.append(sure)
        return await booking.plan(conn, asked, days, sure=sure)

    async with open_pool(settings) as pool:
        counter = Counter(pool, Feed(pool, settings.redis_url, "test", clock), watched)
        first = (await counter.ask(order)).answer
        assert (
            await clinic.reception.post(f"/appointments/{first.id}/transfer", {"doctor_id": other_id})
        ).status == 200
        looks.clear()
        assert (await counter.ask(order)).answer.token == "A-002"
    assert looks == [False, True], "once on the day as it was known, once on the locked one"


async def test_whoever_waits_for_a_day_that_gets_a_row_of_its_own_goes_on_in_that(
    settings: Settings, clinic: Clinic, clock: Clock
) -> None:
    """In the common row all who come later would overtake them."""
    parties: list[list[str]] = []
    may_end = {name: asyncio.Event() for name in ("other", "busy")}

    async def refuses(_conn: Connection, asked: Sequence[Order], _days: Days, /, *, sure: bool) -> Plan:
        names = [order.somebody.name for order in asked if order.somebody]
        if sure:
            return Plan([NotFound() for _ in asked], [])
        parties.append(names)
        if names[-1] in may_end:
            await may_end[names[-1]].wait()
        return Plan(
            [DayBusy(asked[0].key) if names[-1] == "busy" else NotFound(), *[NotFound()] * (len(asked) - 1)], []
        )

    async with open_pool(settings) as pool, asyncio.timeout(CROWD_SECONDS):
        counter = Counter(pool, Feed(pool, settings.redis_url, "test", clock), refuses)

        def ask(name: str, doctor_id: int) -> asyncio.Task[object]:
            key = DayKey(doctor_id, clock.now.date())
            order = Order(key, None, None, SomebodyElse(name), reception_of(clinic), clock.now)
            return asyncio.create_task(counter.ask(order))

        async def begun(count: int) -> None:
            while len(parties) < count:
                await asyncio.sleep(0.001)

        asked = [ask("another", 2), ask("other", 2)]
        await begun(1)
        asked += [ask("first", 1), ask("busy", 3)]
        await begun(2)
        asked.append(ask("second", 1))
        await asyncio.sleep(0)
        may_end["busy"].set()
        await begun(3)
        may_end["other"].set()
        await asyncio.gather(*asked, return_exceptions=True)
    assert parties == [["another", "other"], ["first", "busy"], ["first", "second"]]
