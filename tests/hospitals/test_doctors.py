"""Doctors, their week and their seats, as the hospital sets them and anyone may read them."""

import asyncio
from typing import Any

import pytest

from builders import PASSWORD, Answer, Asker, Clinic, Server, open_clinic, refused
from conftest import Clock

pytestmark = pytest.mark.anyio

DOCTOR: dict[str, Any] = {
    "name": "Dr B. Bose",
    "email": "bose@example.org",
    "password": PASSWORD,
    "specialty": "Eyes",
    "room": "7",
    "token_prefix": "B",
    "slot_minutes": 15,
}


async def add(clinic: Clinic, asker: Asker | None = None, **asked: Any) -> Answer:
    return await (asker or clinic.reception).post(f"/hospitals/{clinic.hospital_id}/doctors", DOCTOR | asked)


async def set_week(clinic: Clinic, *windows: dict[str, Any]) -> Answer:
    return await clinic.reception.put(f"/doctors/{clinic.doctor_id}/schedule", {"windows": list(windows)})


def window(start: str, end: str, weekday: int = 0, **asked: Any) -> dict[str, Any]:
    return {"weekday": weekday, "start": start, "end": end, **asked}


async def slots(clinic: Clinic, query: str = "") -> Answer:
    return await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/slots{query}")


async def test_a_new_doctor_is_listed_and_can_log_in(clinic: Clinic) -> None:
    doctor = await add(clinic)
    assert doctor.status == 201
    assert set(doctor) == {"id", "hospital_id", "name", "specialty", "room", "token_prefix", "slot_minutes"}
    listed = await clinic.server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors")
    assert doctor in listed["items"]
    me = await (await clinic.server.log_in("bose@example.org")).get("/auth/me")
    assert (me["role"], me["doctor_id"]) == ("doctor", doctor["id"])


async def test_without_a_prefix_a_doctor_gets_the_first_letter_no_colleague_has(clinic: Clinic) -> None:
    await clinic.add_doctor(token_prefix="C")
    nameless = {"password": PASSWORD, "name": "Dr Later"}
    for email, prefix in (("b@example.org", "B"), ("d@example.org", "D")):
        made = await clinic.reception.post(f"/hospitals/{clinic.hospital_id}/doctors", {**nameless, "email": email})
        assert (made.status, made["token_prefix"]) == (201, prefix)


async def test_anyone_may_list_the_hospitals(clinic: Clinic) -> None:
    hospitals = await clinic.server.anybody.get("/hospitals")
    assert hospitals["items"] == [{"id": clinic.hospital_id, "name": "St Mary", "timezone": "Asia/Kolkata"}]


async def test_an_address_in_use_makes_no_doctor_and_no_half_of_one(clinic: Clinic) -> None:
    await add(clinic)
    refused(await add(clinic, name="Dr C", email="BOSE@example.org"), 409, "email_taken")
    listed = await clinic.server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors")
    assert [each["name"] for each in listed["items"]] == ["Dr A. Rao", "Dr B. Bose"]


async def test_a_change_keeps_what_is_left_out_and_shows_on_the_screen(clinic: Clinic) -> None:
    async with clinic.server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        changed = await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"room": "12"})
        assert (changed.status, changed["room"], changed["name"]) == (200, "12", "Dr A. Rao")
        assert (await screen.until(lambda frame: frame["room"] == "12"))["doctor"] == "Dr A. Rao"


async def test_a_change_of_slot_length_keeps_what_is_sold(clinic: Clinic) -> None:
    sold = await clinic.reception.book(clinic.doctor_id, time="09:20", patient={"name": "A"})
    await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"slot_minutes": 20})
    again = await clinic.reception.book(clinic.doctor_id, time="09:20", patient={"name": "B"})
    refused(again, 409, "slot_taken")
    assert (await clinic.reception.get(f"/appointments/{sold['id']}"))["scheduled_at"] == sold["scheduled_at"]


async def test_only_the_hospital_itself_changes_its_doctors(server: Server, clinic: Clinic) -> None:
    patient, foreign = await server.patient(), await open_clinic(server)
    path = f"/doctors/{clinic.doctor_id}"
    for asker in (patient, clinic.doctor):
        refused(await add(clinic, asker), 403, "forbidden")
        refused(await asker.patch(path, {"room": "9"}), 403, "forbidden")
        refused(await asker.put(f"{path}/schedule", {"windows": []}), 403, "forbidden")
    refused(await add(clinic, foreign.reception), 404, "not_found")
    refused(await foreign.reception.patch(path, {"room": "9"}), 404, "not_found")
    refused(await foreign.reception.put(f"{path}/schedule", {"windows": []}), 404, "not_found")
    assert len((await slots(clinic))["slots"]) == 24


async def test_the_week_reads_back_in_order_and_is_replaced_as_a_whole(clinic: Clinic) -> None:
    week = [window("14:00", "15:00", 6, capacity=2), window("09:00", "10:00"), window("08:00", "09:00")]
    answer = await set_week(clinic, *week)
    assert answer.status == 200
    expected = [
        window("08:00", "09:00", capacity=1),
        window("09:00", "10:00", capacity=1),
        window("14:00", "15:00", 6, capacity=2),
    ]
    assert answer["windows"] == expected
    assert (await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/schedule"))["windows"] == expected
    assert (await set_week(clinic))["windows"] == []


BAD_WEEKS: list[list[Any]] = [
    [window("10:00", "09:00")],
    [window("10:00", "10:00")],
    [window("09:00", "11:00"), window("10:59", "12:00")],
    [window("09:00", "11:00"), window("09:00", "11:00")],
    *([window("09:00", "10:00", day)] for day in (-1, 7, 10**30)),
    [window("09:00", "10:00") | {"weekday": "0"}],
    *([window(start, "23:00")] for start in ("24:00", "09:60", "9:00", "09:00:00", "09:00\n", "", "٠٩:٠٠")),
    [window("09:00", "24:01")],
    *([window("09:00", "10:00", capacity=capacity)] for capacity in (0, -1, 21, 1.5, "1", None, True)),
    [window("09:00", "10:00", note="lunch")],
    [{"weekday": 0, "start": "09:00"}],
    [None],
    ["09:00"],
]


async def test_a_week_that_makes_no_sense_is_400_and_the_old_one_stays(clinic: Clinic) -> None:
    before = await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/schedule")
    for week in BAD_WEEKS:
        answer = await set_week(clinic, *week)
        assert (answer.status, answer["code"]) == (400, "malformed"), week
        assert answer["errors"][0]["field"].startswith("windows"), answer
    assert await clinic.server.anybody.get(f"/doctors/{clinic.doctor_id}/schedule") == before


BAD_DOCTORS: list[dict[str, Any]] = [
    *({"slot_minutes": minutes} for minutes in (0, -10, 241, 10**30, "10", 1.5, True)),
    *({"token_prefix": prefix} for prefix in ("", "a", "A-", "ABCDE", "A\n", "Ä", 1)),
    *({"room": room} for room in ("x" * 121, "3\n", "\x00", 3)),
    *({"specialty": specialty} for specialty in ("x" * 121, "\x1b[31m", ["Eyes"])),
    {"name": ""},
    {"email": "no address"},
    {"hospital_id": 2},
]


async def test_a_malformed_doctor_is_400_and_nothing_changes(clinic: Clinic) -> None:
    before = (await clinic.server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]
    for field in BAD_DOCTORS:
        for answer in (await add(clinic, **field), await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", field)):
            assert (answer.status, answer["code"]) == (400, "malformed"), field
            assert answer["errors"][0]["field"] == next(iter(field))
    refused(await clinic.reception.patch(f"/doctors/{clinic.doctor_id}", {"password": PASSWORD}), 400, "malformed")
    assert (await clinic.server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"] == before


async def test_seats_are_numbered_in_time_order_and_the_gap_is_the_break(clinic: Clinic) -> None:
    await set_week(clinic, window("10:00", "10:30", capacity=2), window("09:00", "09:25"))
    answer = await slots(clinic, "?date=2026-11-30")
    assert [(each["time"], each["token"]) for each in answer["slots"]] == [
        ("09:00", "A-001"),
        ("09:10", "A-002"),
        *(("10:00", f"A-00{number}") for number in (3, 4)),
        *(("10:10", f"A-00{number}") for number in (5, 6)),
        *(("10:20", f"A-00{number}") for number in (7, 8)),
    ]
    assert all(each["free"] for each in answer["slots"])


async def test_a_sold_seat_and_one_that_has_begun_are_not_free(clinic: Clinic, clock: Clock) -> None:
    await clinic.reception.book(clinic.doctor_id, time="09:30", patient={"name": "A"})
    clock.forward(minutes=11)
    taken = [each["time"] for each in (await slots(clinic))["slots"] if not each["free"]]
    assert taken == ["09:00", "09:10", "09:30"]


async def test_today_is_the_hospitals_date_not_the_servers(clinic: Clinic, clock: Clock) -> None:
    clock.forward(hours=16)  # 19:30 UTC is 01:00 of the next day in Kolkata
    assert (await slots(clinic))["date"] == "2026-11-24"
    assert (await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}"))["date"] == "2026-11-24"


async def test_an_absurd_date_has_seats_but_none_to_sell(clinic: Clinic) -> None:
    for date in ("0001-01-01", "1970-01-01", "2999-12-31", "9999-12-30", "9999-12-31"):
        answer = await slots(clinic, f"?date={date}")
        assert (answer.status, answer["date"]) == (200, date)
        assert not any(each["free"] for each in answer["slots"])


async def test_a_date_that_is_none_and_a_parameter_that_is_none_are_400(clinic: Clinic) -> None:
    for date in ("2026-02-30", "2026-13-01", "soon", "", "0", "2026-11-24T00:00:00Z"):
        answer = await slots(clinic, f"?date={date}")
        assert (answer.status, answer["errors"][0]["field"]) == (400, "date"), date
    answer = await slots(clinic, "?dat=2026-11-24")
    assert (answer.status, answer["errors"][0]["field"]) == (400, "dat")


async def test_an_unknown_doctor_or_hospital_is_404_whatever_its_number(server: Server) -> None:
    for number in ("0", "-1", "99999", str(2**63), "9" * 400, "x", "1.5", "%00", "null"):
        for path in ("/doctors/{}/slots", "/doctors/{}/schedule", "/hospitals/{}/doctors", "/queues/{}"):
            refused(await server.anybody.get(path.format(number)), 404, "not_found")


async def test_a_repeated_post_under_one_key_makes_one_doctor(clinic: Clinic) -> None:
    path = f"/hospitals/{clinic.hospital_id}/doctors"
    answers = await asyncio.gather(*(clinic.reception.post(path, DOCTOR, idempotency_key="k") for _ in range(5)))
    assert [answer.status for answer in answers] == [201] * 5
    assert len({answer["id"] for answer in answers}) == 1
    refused(await clinic.reception.post(path, DOCTOR | {"room": "8"}, idempotency_key="k"), 409, "idempotency_mismatch")
