"""P1 and P2: what is acknowledged is there once; no seat and no number is given twice. Raced with real connections."""

import asyncio
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from builders import Answer, Asker, Clinic, Server
from conftest import Clock, serving
from mediqon.database import connection

pytestmark = pytest.mark.anyio

CROWD = 100
HOLIDAY = "2026-11-30"


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


async def book_as_desk(desk: Asker, clinic: Clinic, number: int, **asked: object) -> Answer:
    return await desk.book(clinic.doctor_id, patient={"name": f"Patient {number}"}, **asked)


async def test_one_seat_is_sold_once_to_a_hundred_who_try(clinic: Clinic) -> None:
    tries = [book_as_desk(clinic.reception, clinic, number, time="10:00") for number in range(CROWD)]
    answers = await asyncio.gather(*tries)
    assert statuses(answers) == {201: 1, 409: CROWD - 1}
    assert {answer["code"] for answer in answers if answer.status == 409} == {"slot_taken"}


async def test_one_seat_is_sold_once_over_two_server_processes(server: Server, clinic: Clinic, clock: Clock) -> None:
    async with serving(server.settings, clock) as second:
        elsewhere = Asker(second.http, clinic.reception.token)
        desks = [clinic.reception, elsewhere] * 15
        tries = [book_as_desk(desk, clinic, number, time="10:00") for number, desk in enumerate(desks)]
        assert statuses(await asyncio.gather(*tries)) == {201: 1, 409: len(desks) - 1}


async def test_next_free_seats_are_distinct_and_gapless(clinic: Clinic) -> None:
    answers = await asyncio.gather(*(book_as_desk(clinic.reception, clinic, n, date=HOLIDAY) for n in range(30)))
    tokens = sorted(answer["token"] for answer in answers if answer.status == 201)
    assert tokens == [f"A-{seat:03}" for seat in range(1, len(tokens) + 1)]
    assert statuses(answers) == {201: 24, 409: 6}
    assert {answer["code"] for answer in answers if answer.status == 409} == {"day_full"}


async def test_walk_in_numbers_are_distinct_and_gapless(clinic: Clinic) -> None:
    answers = await asyncio.gather(*(clinic.reception.walk_in(clinic.doctor_id, f"Walker {n}") for n in range(16)))
    assert sorted(answer["token"] for answer in answers) == [f"A-W{number:02}" for number in range(1, 17)]


async def test_forty_who_walk_in_at_two_processes_are_taken_in_one_after_the_other(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    async with serving(server.settings, clock) as second:
        elsewhere = Asker(second.http, clinic.reception.token)
        desks = [clinic.reception, elsewhere] * 20
        tries = [desk.walk_in(clinic.doctor_id, f"Walker {number}") for number, desk in enumerate(desks)]
        answers = await asyncio.gather(*tries)
    assert statuses(answers) == {201: 40}
    assert sorted(answer["token"] for answer in answers) == [f"A-W{number:02}" for number in range(1, 41)]
    async with connection(server.settings) as conn:
        story = await conn.fetch("""
            select e.queue_version, a.walk_in, a.id, u.name from appointment_events e
            join appointments a on a.id = e.appointment_id join users u on u.id = a.patient_id order by e.id
        """)
    assert [row["queue_version"] for row in story] == [row["walk_in"] for row in story] == [*range(1, 41)]
    assert {(row["id"], row["name"]) for row in story} == {
        (answer["id"], f"Walker {number}") for number, answer in enumerate(answers)
    }


async def test_of_those_who_walk_in_at_once_only_so_many_are_taken_in_and_no_number_is_lost(clinic: Clinic) -> None:
    where = f"/hospitals/{clinic.hospital_id}/settings"
    await clinic.reception.patch(where, {"walk_ins_per_day": 3})
    answers = await asyncio.gather(*(clinic.reception.walk_in(clinic.doctor_id, f"Walker {n}") for n in range(8)))
    assert sorted(answer["token"] for answer in answers if answer.status == 201) == ["A-W01", "A-W02", "A-W03"]
    assert {answer["code"] for answer in answers if answer.status == 409} == {"day_full"}
    await clinic.reception.patch(where, {"walk_ins_per_day": 4})
    assert (await clinic.reception.walk_in(clinic.doctor_id))["token"] == "A-W04"


async def test_two_presses_of_call_next_on_one_version_call_once(clinic: Clinic) -> None:
    for number in range(4):
        await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
    version = (await clinic.doctor.today(clinic.doctor_id))["version"]
    desks = (clinic.doctor, clinic.reception) * 5
    answers = await asyncio.gather(*(desk.call_next(clinic.doctor_id, version=version) for desk in desks))
    assert statuses(answers) == {200: 1, 409: 9}
    queue = await clinic.doctor.today(clinic.doctor_id)
    assert (len(queue["now"]), len(queue["waiting"]), queue["version"]) == (1, 3, version + 1)


async def test_presses_under_one_key_call_once_and_others_one_after_the_other(clinic: Clinic) -> None:
    line = [(await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}"))["id"] for number in range(5)]
    path = f"/queues/{clinic.doctor_id}/call-next"
    same = await asyncio.gather(*(clinic.doctor.post(path, idempotency_key="once") for _ in range(5)))
    assert {(answer.status, answer["called"]["id"]) for answer in same} == {(200, line[0])}
    assert sum(answer.headers.get("idempotent-replay") == "true" for answer in same) == 4
    others = await asyncio.gather(*(desk.post(path) for desk in (clinic.doctor, clinic.reception) * 3))
    ids = [[answer[part] and answer[part]["id"] for answer in others] for part in ("completed", "called")]
    pairs = sorted(zip(*ids, strict=True), key=lambda pair: pair[0] or max(line) + 1)
    assert pairs == [*zip(line, [*line[1:], None], strict=True), (None, None)]


async def test_a_call_and_what_is_done_to_the_one_called_never_mix(clinic: Clinic) -> None:
    for number in range(8):
        called = await clinic.reception.walk_in(clinic.doctor_id, f"Walker {number}")
        await clinic.doctor.call_next(clinic.doctor_id)
        path = f"/appointments/{called['id']}"
        recalled, moved, pressed = await asyncio.gather(
            clinic.doctor.post(f"{path}/recall"),
            clinic.reception.move(called, "ON_HOLD"),
            clinic.doctor.call_next(clinic.doctor_id),
        )
        events = (await clinic.reception.get(f"{path}/events"))["events"][2:]
        done = [event["verb"] for event in events]
        assert (recalled.status == 200, moved.status == 200) == ("recall" in done, "hold" in done)
        assert all(before["to"] == after["from"] for before, after in pairwise(events))
        assert pressed.status == 200


async def test_one_idempotency_key_creates_one_visit_however_often_it_is_sent(clinic: Clinic) -> None:
    body = {"doctor_id": clinic.doctor_id, "patient": {"name": "Double Click"}}
    tries = [clinic.reception.post("/appointments/walk-in", body, idempotency_key="once") for _ in range(10)]
    answers = await asyncio.gather(*tries)
    assert {(answer.status, answer["token"]) for answer in answers} == {(201, "A-W01")}
    assert sum(answer.headers.get("idempotent-replay") == "true" for answer in answers) == 9
    other = await clinic.reception.post(
        "/appointments/walk-in", body | {"priority": "PRIORITY"}, idempotency_key="once"
    )
    assert (other.status, other["code"]) == (409, "idempotency_mismatch")


async def test_at_two_processes_a_repeated_key_gets_the_first_answer(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    async with serving(server.settings, clock) as second:
        desks = [clinic.reception, Asker(second.http, clinic.reception.token)] * 2
        bodies = {f"key {number}": {"doctor_id": clinic.doctor_id, "patient": {"name": "A"}} for number in range(10)}
        tries = [
            desk.post("/appointments/walk-in", body, idempotency_key=key)
            for key, body in bodies.items()
            for desk in desks
        ]
        answers = await asyncio.gather(*tries)
    assert statuses(answers) == {201: len(tries)}
    assert sum(answer.headers.get("idempotent-replay") == "true" for answer in answers) == len(tries) - len(bodies)
    of_each = [{answer.raw for answer in answers[first : first + 4]} for first in range(0, len(tries), 4)]
    assert {len(raw) for raw in of_each} == {1}
    assert {msgspec.json.decode(raw)["token"] for (raw,) in of_each} == {f"A-W{number:02}" for number in range(1, 11)}


async def test_a_patient_who_books_twice_at_once_has_one_visit(server: Server, clinic: Clinic) -> None:
    patient = await server.patient()
    answers = await asyncio.gather(*(patient.book(clinic.doctor_id) for _ in range(5)))
    assert statuses(answers) == {201: 1, 409: 4}
    booked = next(answer for answer in answers if answer.status == 201)
    refused = [answer for answer in answers if answer.status == 409]
    assert {(answer["code"], answer["id"]) for answer in refused} == {("already_booked", booked["id"])}


async def test_a_cancellation_and_a_check_in_at_once_leave_one_of_the_two(clinic: Clinic) -> None:
    for number in range(10):
        booked = await book_as_desk(clinic.reception, clinic, number)
        checked_in, cancelled = await asyncio.gather(
            clinic.doctor.move(booked, "CHECKED_IN"), clinic.reception.move(booked, "CANCELLED")
        )
        final = (await clinic.reception.get(f"/appointments/{booked['id']}"))["status"]
        assert final == "CANCELLED"
        assert (cancelled.status, checked_in.status in {200, 409}) == (200, True)


async def test_crossing_transfers_and_moves_never_block_each_other_for_good(clinic: Clinic) -> None:
    other_id, _ = await clinic.add_doctor(token_prefix="B")
    here = [await clinic.reception.walk_in(clinic.doctor_id, f"A {n}") for n in range(5)]
    there = [await clinic.reception.walk_in(other_id, f"B {n}") for n in range(5)]
    swaps = [(visit, other_id) for visit in here] + [(visit, clinic.doctor_id) for visit in there]
    answers = await asyncio.gather(
        *(clinic.reception.post(f"/appointments/{visit['id']}/transfer", {"doctor_id": to}) for visit, to in swaps)
    )
    assert statuses(answers) == {200: 10}
    waiting = (await clinic.reception.today(other_id))["waiting"]
    assert sorted(visit["token"] for visit in waiting) == [f"A-W{number:02}" for number in range(1, 6)]
