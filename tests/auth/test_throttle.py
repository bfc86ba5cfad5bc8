"""Guessing is slowed down in every process, with and without Redis, and nobody is locked out by a stranger."""

import asyncio
import gc
import json
import re
import time
from collections.abc import AsyncIterator
from statistics import median
from uuid import uuid4

import msgspec
import pytest

from builders import PASSWORD, Answer, Clinic, Server, refused
from conftest import Clock, serving
from mediqon.auth import doors
from mediqon.auth.throttle import Door, Throttle
from mediqon.errors import Throttled
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio

GUESSES, GUESSERS = 1000, 250
QUICK_SECONDS = 0.5
"""Within which others are answered during an attack; on a machine whose cores others use too."""
LOGIN_SECONDS = 2.0
DEAD_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
async def behind_proxy(settings: Settings, clock: Clock) -> AsyncIterator[Server]:
    """A server that believes what 127.0.0.1 says about who is asking: so a test can come from anywhere."""
    trusting = msgspec.structs.replace(settings, trusted_proxies="127.0.0.1")
    async with serving(trusting, clock) as running:
        yield running


async def guess(server: Server, email: str, password: str = "a wrong guess", address: str = "203.0.113.9") -> Answer:
    body = {"email": email, "password": password}
    return await server.anybody.post("/auth/login", body, x_forwarded_for=address)


async def guess_until_refused(server: Server, email: str, address: str = "203.0.113.9") -> Answer:
    for _ in range(doors.PAIR_FREE + 1):
        refused(await guess(server, email, address=address), 401, "invalid_credentials")
    return await guess(server, email, address=address)


async def test_after_a_few_wrong_passwords_one_has_to_wait_a_moment_and_then_gets_in(server: Server) -> None:
    patient = await server.patient()
    throttled = await guess_until_refused(server, patient.email)
    refused(throttled, 429, "throttled")
    wait = int(throttled.headers["retry-after"])
    assert 1 <= wait <= 2
    refused(await guess(server, patient.email, PASSWORD), 429, "throttled")
    await asyncio.sleep(wait)
    assert (await guess(server, patient.email, PASSWORD)).status == 200
    assert (await guess(server, patient.email)).status == 401, "all is forgiven"


async def test_an_address_without_an_account_is_treated_just_the_same(server: Server) -> None:
    refused(await guess_until_refused(server, "nobody@example.org"), 429, "throttled")


async def test_strangers_who_guess_elsewhere_do_not_lock_anybody_out(behind_proxy: Server) -> None:
    patient = await behind_proxy.patient()
    home, new_phone = "198.51.100.7", "198.51.100.8"
    assert (await guess(behind_proxy, patient.email, PASSWORD, home)).status == 200
    strangers = [f"203.0.113.{number}" for number in range(doors.ACCOUNT_FREE // doors.PAIR_FREE + 2)]
    for address in strangers:
        for _ in range(doors.PAIR_FREE):
            await guess(behind_proxy, patient.email, address=address)
    refused(await guess(behind_proxy, patient.email, address="192.0.2.1"), 429, "throttled")
    assert (await guess(behind_proxy, patient.email, PASSWORD, home)).status == 200
    wait = int((await guess(behind_proxy, patient.email, PASSWORD, new_phone)).headers["retry-after"])
    assert wait <= doors.ACCOUNT_LONGEST_SECONDS


async def test_one_address_that_guesses_at_many_accounts_is_slowed_and_its_neighbours_are_not(
    behind_proxy: Server,
) -> None:
    patient = await behind_proxy.patient()
    waiting_room = "198.51.100.7"
    assert (await guess(behind_proxy, patient.email, PASSWORD, waiting_room)).status == 200
    answers = [
        await guess(behind_proxy, f"p{n}@example.org", address=waiting_room) for n in range(doors.ADDRESS_FREE + 2)
    ]
    assert answers[-1].status == 429
    assert (await guess(behind_proxy, "q@example.org", address="198.51.100.8")).status == 401
    assert (await guess(behind_proxy, patient.email, PASSWORD, waiting_room)).status == 200


async def test_one_home_has_one_network_however_many_addresses(behind_proxy: Server) -> None:
    for number in range(doors.PAIR_FREE + 1):
        await guess(behind_proxy, "a@example.org", address=f"2001:db8:1:2::{number + 1}")
    refused(await guess(behind_proxy, "a@example.org", address="2001:db8:1:2::ffff"), 429, "throttled")
    assert (await guess(behind_proxy, "a@example.org", address="2001:db8:1:3::1")).status == 401


async def test_nobody_says_where_they_come_from_unless_a_proxy_is_configured(server: Server) -> None:
    for number in range(doors.PAIR_FREE + 1):
        await guess(server, "a@example.org", address=f"203.0.113.{number}")
    refused(await guess(server, "a@example.org", address="203.0.113.99"), 429, "throttled")


async def test_processes_count_together(server: Server, settings: Settings, clock: Clock) -> None:
    async with serving(settings, clock) as second:
        for number in range(doors.PAIR_FREE + 1):
            await guess((server, second)[number % 2], "a@example.org")
        for each in (server, second):
            refused(await guess(each, "a@example.org"), 429, "throttled")


async def test_without_redis_each_process_counts_for_itself_and_no_door_is_open(
    settings: Settings, clock: Clock
) -> None:
    cut_off = msgspec.structs.replace(settings, redis_url=DEAD_REDIS)
    async with serving(cut_off, clock) as alone:
        patient = await alone.patient()
        refused(await guess_until_refused(alone, patient.email), 429, "throttled")


async def test_when_redis_goes_away_what_was_counted_here_still_counts(servers: Settings) -> None:
    throttle = Throttle(servers.redis_url, "going away")
    door = Door("door", 2, 60)
    await throttle.count(door)
    await throttle.count(door)
    await throttle.stop()
    throttle._redis = Throttle(DEAD_REDIS, "").__dict__["_redis"]  # pyright: ignore[reportPrivateUsage]
    await throttle.refuse_closed(door)
    await throttle.count(door)
    with pytest.raises(Throttled):
        await throttle.refuse_closed(door)


async def test_whoever_asks_while_the_server_stops_leaves_no_connection_open(servers: Settings) -> None:
    for number in range(8):
        throttle = Throttle(servers.redis_url, "stopping")
        asking = [asyncio.create_task(throttle.count(Door("door", 1000, 1))) for _ in range(4)]
        for _ in range(number):
            await asyncio.sleep(0)
        asking[0].cancel()
        await throttle.stop()
        await asyncio.wait(asking)
        del throttle
        gc.collect()  # which says so of connections that nobody has closed


async def test_what_another_process_has_closed_is_open_here_for_the_first_few_alone(servers: Settings) -> None:
    here, elsewhere = Throttle(servers.redis_url, place := uuid4().hex), Throttle(servers.redis_url, place)
    door = Door("door", 0, 30)
    await elsewhere.count(door)
    assert [here.count_unshared(door, 3) for _ in range(5)] == [True, True, True, False, False]
    with pytest.raises(Throttled):
        await here.refuse_closed(door)
    await here.stop()
    await elsewhere.stop()


def test_a_door_closes_longer_each_time_up_to_its_bound() -> None:
    door = Door("door", 2, 30)
    assert [door.wait_after(number) for number in range(9)] == [0, 0, 0, 1, 2, 4, 8, 16, 30]
    assert door.wait_after(10**9) == 30


async def test_another_spelling_of_an_address_opens_no_other_door(server: Server) -> None:
    """To PostgreSQL the small letter of İ is i, to Python it is two characters."""
    email = "victim.ii@example.org"
    body = {"name": "Vic Tim", "email": email, "password": PASSWORD}
    assert (await server.anybody.post("/auth/register", body)).status == 201
    assert (await guess(server, email.upper(), PASSWORD)).status == 200
    for spelling in ("vİctim.ii@example.org", "victim.iİ@example.org"):
        assert (await guess(server, spelling, PASSWORD)).status == 401
    for number in range(doors.PAIR_FREE + 1):
        await guess(server, (email, email.upper(), email.title())[number % 3])
    refused(await guess(server, email), 429, "throttled")


async def test_whoever_logs_in_without_end_is_slowed_too_and_nobody_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "LOGINS_FREE", 3)
    patient, other = await server.patient(), await server.patient()
    statuses = [(await guess(server, patient.email, PASSWORD)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429], "the first was in the builder"
    assert (await guess(server, other.email, PASSWORD)).status == 200


async def test_a_storm_of_new_accounts_from_one_address_is_slowed_and_starves_no_log_in(
    behind_proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "REGISTRATIONS_FREE", 10)
    patient = await behind_proxy.patient()
    storm = asyncio.gather(*(register(behind_proxy, number, "203.0.113.9") for number in range(GUESSERS)))
    waits: list[float] = []
    while not storm.done():
        asked = time.perf_counter()
        assert (await guess(behind_proxy, patient.email, PASSWORD, "198.51.100.7")).status == 200
        waits.append(time.perf_counter() - asked)
        await asyncio.sleep(0.1)
    made = [answer.status for answer in await storm]
    assert made.count(201) + made.count(429) == GUESSERS
    assert 10 <= made.count(201) <= 10 + 8, "the free ones, and a few at the open door"
    assert median(waits) < LOGIN_SECONDS, f"{len(waits)} log-ins, longest {max(waits):.3f} s"
    assert (await register(behind_proxy, GUESSERS, "198.51.100.7")).status == 201, "neighbours are not asked to wait"


async def register(server: Server, number: int, address: str) -> Answer:
    body = {"name": "Some Body", "email": f"storm{number}@example.org", "password": PASSWORD}
    return await server.anybody.post("/auth/register", body, x_forwarded_for=address)


async def test_a_patient_who_books_without_end_is_told_to_wait_and_others_are_not(clinic: Clinic) -> None:
    patient, other = await clinic.server.patient(), await clinic.server.patient()
    answers = [await patient.book(clinic.doctor_id, date="2020-01-01") for _ in range(doors.BOOKINGS_FREE + 2)]
    refused(answers[-2], 409, "slot_past")
    refused(answers[-1], 429, "throttled")
    assert answers[-1].headers["retry-after"] == "1"
    assert (await other.book(clinic.doctor_id)).status == 201
    assert (await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})).status == 201


async def test_a_thousand_guesses_at_once_leave_everybody_else_quick(clinic: Clinic) -> None:
    server = clinic.server
    attack = asyncio.gather(*(attacker(server, number) for number in range(GUESSERS)))
    waits: list[float] = []
    while not attack.done():
        asked = time.perf_counter()
        assert (await server.anybody.get(f"/queues/{clinic.doctor_id}")).status == 200
        waits.append(time.perf_counter() - asked)
        await asyncio.sleep(0.02)
    outcomes = [status for statuses in await attack for status in statuses]
    assert outcomes.count(401) + outcomes.count(429) == GUESSES
    assert outcomes.count(401) <= doors.ADDRESS_FREE + 8, "those whose turn it was, and a few at the open door"
    assert median(waits) < QUICK_SECONDS, f"{len(waits)} asked, longest {max(waits):.3f} s"


async def attacker(server: Server, number: int) -> list[int]:
    """Sends all its guesses in one go over one connection, without waiting; the statuses it gets."""
    each = GUESSES // GUESSERS
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    for guess_number in range(each):
        body = json.dumps({"email": f"victim{number}-{guess_number}@example.org", "password": "a wrong guess"})
        writer.write(f"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    answers = b""
    while answers.count(b"HTTP/1.1 ") < each or not answers.endswith(b"}"):
        answers += await reader.read(65536)
    writer.close()
    await writer.wait_closed()
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", answers)]
