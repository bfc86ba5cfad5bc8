"""Expected times over the wire: what moves them, what holds them, what is learnt from a day, and how good they were."""

from datetime import date, datetime
from itertools import pairwise
from typing import Any

import pytest

from builders import Answer, Asker, Clinic, refused
from conftest import Clock, serving
from mediqon.database import open_pool, transaction
from mediqon.queues import days, learning
from mediqon.queues.history import History
from mediqon.queues.models import DayKey
from mediqon.settings import Settings

pytestmark = pytest.mark.anyio


async def seated(clinic: Clinic, *times: str) -> list[Answer]:
    """People booked at these times and checked in."""
    visits = [await clinic.reception.book(clinic.doctor_id, time=at, patient={"name": at}) for at in times]
    for visit in visits:
        assert (await clinic.reception.move(visit, "CHECKED_IN")).status == 200
    return visits


async def waiting(clinic: Clinic) -> list[dict[str, Any]]:
    return (await clinic.reception.today(clinic.doctor_id))["waiting"]


async def expected(clinic: Clinic) -> list[str]:
    return [visit["expected_at"] for visit in await waiting(clinic)]


def minutes(later: str, earlier: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() / 60


async def call(clinic: Clinic) -> None:
    """Calls the next, however late it has become: log-ins last ten minutes."""
    await clinic.doctor.log_in_again()
    await clinic.reception.log_in_again()
    assert (await clinic.doctor.call_next(clinic.doctor_id)).status == 200


async def a_morning(clinic: Clinic, clock: Clock, lengths: list[float]) -> None:
    """As many patients as lengths, one after the other; then the day is closed."""
    times = [f"{9 + number // 6:02}:{number % 6}0" for number in range(len(lengths))]
    await seated(clinic, *times)
    for length in lengths:
        await call(clinic)
        clock.forward(minutes=length)
    await call(clinic)
    closed = await clinic.doctor.post(f"/queues/{clinic.doctor_id}/close", {"no_show": True})
    assert closed.status == 200, closed


async def history_of(settings: Settings, clinic: Clinic, clock: Clock) -> History | None:
    async with open_pool(settings) as pool, transaction(pool) as conn:
        return (await days.look(conn, DayKey(clinic.doctor_id, clock.now.date()))).history


async def test_people_in_line_are_expected_one_after_the_other_and_why_says_the_numbers(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10", "09:20", "09:30")
    await clinic.doctor.call_next(clinic.doctor_id)
    line = await waiting(clinic)
    assert all(a["expected_at"] <= b["expected_at"] for a, b in pairwise(line))
    assert all(v["expected_from"] <= v["expected_at"] <= v["expected_to"] for v in line)
    assert "2 ahead × 10 min + " in line[2]["why"]
    assert " min left" in line[2]["why"]


async def test_before_the_doctor_is_in_why_says_on_what_it_depends(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10")
    assert "if the doctor starts at about 09:07" in (await waiting(clinic))[1]["why"]


async def test_a_delay_a_pause_and_the_end_of_both_move_every_time_at_once(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10", "09:20")
    before = await expected(clinic)
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": 30})
    late = await expected(clinic)
    assert all(20 <= minutes(then, now) <= 40 for then, now in zip(late, before, strict=True))
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/delay", {"minutes": 0})
    back = await expected(clinic)
    assert all(abs(minutes(then, now)) <= 5 for then, now in zip(before, back, strict=True))
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/pause", {"minutes": 60})
    assert all(minutes(then, now) >= 40 for then, now in zip(await expected(clinic), before, strict=True))
    assert "break" in (await waiting(clinic))[0]["why"]


async def test_an_open_pause_and_a_closed_day_show_no_time(clinic: Clinic) -> None:
    await seated(clinic, "09:00")
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/pause")
    assert await expected(clinic) == [None]


async def test_somebody_who_leaves_the_line_moves_those_behind_at_once(clinic: Clinic) -> None:
    visits = await seated(clinic, "09:00", "09:10", "09:20", "09:30")
    await clinic.doctor.call_next(clinic.doctor_id)
    before = await expected(clinic)
    await clinic.reception.move(visits[1], "ON_HOLD")
    assert (await expected(clinic))[-1] < before[-1]


async def test_an_emergency_moves_everybody_else_at_once(clinic: Clinic) -> None:
    await seated(clinic, "09:00", "09:10", "09:20")
    before = await expected(clinic)
    await clinic.reception.walk_in(clinic.doctor_id, priority="EMERGENCY")
    assert all(after > then for after, then in zip((await expected(clinic))[1:], before, strict=True))


async def test_a_second_process_shows_the_same_times(clinic: Clinic, settings: Settings, clock: Clock) -> None:
    await seated(clinic, "09:00", "09:10", "09:20", "09:30")
    await clinic.doctor.call_next(clinic.doctor_id)
    clock.forward(minutes=3)
    path = f"/queues/{clinic.doctor_id}"
    await clinic.reception.walk_in(clinic.doctor_id)
    async with serving(settings, clock) as second:
        first, other = await clinic.server.anybody.get(path), await second.anybody.get(path)
        assert first["tokens"] == other["tokens"]


async def test_times_hold_while_the_line_does_what_was_foreseen(clinic: Clinic, clock: Clock) -> None:
    await seated(clinic, "09:00", "09:10", "09:20", "09:30", "09:40")
    await clinic.doctor.call_next(clinic.doctor_id)
    shown = (await expected(clinic))[-1]
    for _ in range(2):
        clock.forward(minutes=10)
        await call(clinic)
        assert (await expected(clinic))[-1] == shown


async def test_a_closed_day_teaches_how_long_this_doctor_takes(
    clinic: Clinic, settings: Settings, clock: Clock
) -> None:
    await a_morning(clinic, clock, [20, 22, 19, 21, 20, 20, 18, 22])
    history = await history_of(settings, clinic, clock)
    assert history is not None
    assert (history.sessions, history.lengths[0][0], history.shows[1]) == (1, 8.0, 8.0)
    clock.forward(days=1)
    await clinic.reception.log_in_again()
    clock.now = clock.now.replace(hour=3, minute=30, second=0)
    for at in ("09:00", "09:10"):
        await clinic.reception.book(clinic.doctor_id, time=at, patient={"name": at})
    view = await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}")
    assert [token["expected_at"] is not None for token in view["tokens"]] == [True, True]


async def test_what_a_closed_day_teaches_reaches_a_day_that_was_booked_before_in_every_process(
    clinic: Clinic, settings: Settings, clock: Clock
) -> None:
    for at in ("09:00", "09:10", "09:20", "10:00"):
        await clinic.reception.book(clinic.doctor_id, date="2026-11-24", time=at, patient={"name": at})
    await a_morning(clinic, clock, [29] * 8)
    clock.now = clock.now.replace(day=24, hour=3, minute=0)
    await clinic.reception.log_in_again()
    path = f"/queues/{clinic.doctor_id}"
    await clinic.server.anybody.get(path)
    await clinic.reception.walk_in(clinic.doctor_id)
    async with serving(settings, clock) as fresh:
        kept, read = await clinic.server.anybody.get(path), await fresh.anybody.get(path)
    assert kept["tokens"] == read["tokens"]


async def test_learning_anew_from_events_gives_what_was_learnt_day_by_day(
    clinic: Clinic, settings: Settings, clock: Clock
) -> None:
    for lengths in ([10, 12, 9, 15], [11, 0.1, 14, 8, 300], [9, 9, 10]):
        await a_morning(clinic, clock, [float(each) for each in lengths])
        clock.now = clock.now.replace(hour=3, minute=30, second=0)
        clock.forward(days=1)
        await clinic.reception.log_in_again()
        await clinic.doctor.log_in_again()
    stored = await history_of(settings, clinic, clock)
    assert stored is not None
    assert (stored.sessions, stored.last_day) == (3, date(2026, 11, 25))
    async with open_pool(settings) as pool:
        assert await learning.relearn_all(pool) == {clinic.doctor_id: stored}
    assert await history_of(settings, clinic, clock) == stored


async def test_a_day_that_is_opened_and_closed_again_is_learnt_once(
    clinic: Clinic, settings: Settings, clock: Clock
) -> None:
    await a_morning(clinic, clock, [10, 12, 9])
    once = await history_of(settings, clinic, clock)
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/resume")
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/close", {"no_show": True})
    assert await history_of(settings, clinic, clock) == once


async def test_a_day_that_is_opened_again_is_told_by_what_it_has_taught_in_every_process(
    clinic: Clinic, settings: Settings, clock: Clock
) -> None:
    await a_morning(clinic, clock, [29] * 8)
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/resume")
    for name in ("One", "Two"):
        await clinic.reception.walk_in(clinic.doctor_id, name)
    path = f"/queues/{clinic.doctor_id}"
    async with serving(settings, clock) as fresh:
        kept, read = await clinic.server.anybody.get(path), await fresh.anybody.get(path)
    assert kept["tokens"] == read["tokens"]
    assert len(kept["tokens"]) == 2


async def test_a_day_without_a_call_teaches_nothing(clinic: Clinic, settings: Settings, clock: Clock) -> None:
    await clinic.reception.book(clinic.doctor_id, time="09:00", patient={"name": "Nobody"})
    await clinic.doctor.post(f"/queues/{clinic.doctor_id}/close", {"no_show": True})
    history = await history_of(settings, clinic, clock)
    assert history is None or history.sessions == 0


async def test_the_report_holds_what_was_shown_against_the_calls(clinic: Clinic, clock: Clock) -> None:
    await a_morning(clinic, clock, [10.0] * 8)
    accuracy = (await clinic.doctor.get(f"/queues/{clinic.doctor_id}/report"))["accuracy"]
    assert [each["minutes"] for each in accuracy["horizons"]] == [15, 30, 60, 120]
    assert [each["count"] for each in accuracy["horizons"]] == [6, 5, 2, 0]
    assert accuracy["count"] == 13
    assert accuracy["mae"] < 15
    assert 0 <= accuracy["cover80"] <= 1
    assert accuracy["told"] == 6


async def month(asker: Asker, clinic: Clinic, query: str = "") -> Answer:
    return await asker.get(f"/doctors/{clinic.doctor_id}/accuracy{query}")


async def test_a_month_shows_each_day_and_all_of_them(clinic: Clinic, clock: Clock) -> None:
    await a_morning(clinic, clock, [10.0] * 6)
    answer = await month(clinic.reception, clinic, "?month=2026-11")
    assert (answer.status, answer["month"], answer["sessions"]) == (200, "2026-11", 1)
    assert [day["date"] for day in answer["days"]] == ["2026-11-23"]
    assert answer["accuracy"] == answer["days"][0]["accuracy"]
    assert (await month(clinic.doctor, clinic))["days"] == answer["days"]
    assert (await month(clinic.doctor, clinic, "?month=2026-10"))["days"] == []


async def test_a_months_accuracy_is_for_that_doctor_and_its_hospital(clinic: Clinic) -> None:
    _, other = await clinic.add_doctor()
    refused(await month(other, clinic), 404, "not_found")
    refused(await month(await clinic.server.patient(), clinic), 403, "forbidden")
    for wrong in ("?month=2026-13", "?month=202611", "?month=", "?year=2026"):
        assert (await month(clinic.doctor, clinic, wrong)).status == 400
