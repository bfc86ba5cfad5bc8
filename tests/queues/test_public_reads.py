"""What anyone may read: tokens and times, quickly, and nothing about a person."""

from typing import Any

import pytest

from builders import Answer, Clinic, refused
from conftest import Clock

pytestmark = pytest.mark.anyio

NAME, PHONE, REASON, WHY = "Zebedee Quux", "+91 98450 77777", "a private matter", "told in confidence"
SECRETS = (*NAME.split(), "98450", "77777", "private", "confidence", "EMERGENCY", "PRIORITY", "example.org")
EXPECTED = {"expected_at", "expected_from", "expected_to"}
TOKEN = {"token", "status", "ahead"} | EXPECTED
FRAME = {
    *("type", "doctor_id", "doctor", "room", "date", "version", "state", "message", "now_serving", "recent"),
    *("called_at", "call_seq", "tokens", "sent_at"),
}
VIEW = TOKEN | {"doctor", "hospital", "date", "now_serving", "be_here_by", "message", "version", "stale"}


async def a_day(clinic: Clinic) -> list[Answer]:
    """Somebody with secrets in every part of the day."""
    visits: list[Answer] = []
    for number, status in enumerate(("BOOKED", "CHECKED_IN", "CALLED", "ON_HOLD", "NO_SHOW", "CANCELLED")):
        visit = await clinic.reception.book(
            clinic.doctor_id, patient={"name": f"{NAME} {number}", "phone": PHONE}, reason=REASON
        )
        if status in {"CALLED", "ON_HOLD"}:
            await clinic.reception.move(visit, "CHECKED_IN", reason=WHY)
        if status != "BOOKED":
            await clinic.reception.move(visit, status, reason=WHY)
        visits.append(visit)
    somebody = {"name": NAME, "phone": PHONE}
    for priority in ("EMERGENCY", "PRIORITY"):
        asked = {"doctor_id": clinic.doctor_id, "patient": somebody, "priority": priority}
        visits += [await clinic.reception.post("/appointments/walk-in", asked)]
    return visits


async def test_the_public_queue_and_a_token_have_every_field_of_the_contract(clinic: Clinic) -> None:
    visits = await a_day(clinic)
    frame = await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}")
    assert (frame.status, frame["type"], frame["state"]) == (200, "queue", "OPEN")
    assert set(frame) >= FRAME
    assert all(set(token) >= TOKEN for token in frame["tokens"])
    view = await clinic.server.anybody.get(f"/tokens/{visits[0]['code']}")
    assert set(view) >= VIEW
    assert view["doctor"] == {"id": clinic.doctor_id, "name": "Dr A. Rao", "room": "3"}
    assert (view["hospital"], view["stale"], view["version"]) == ("St Mary", False, frame["version"])


async def test_tokens_in_line_stand_in_call_order_with_the_number_ahead(clinic: Clinic) -> None:
    await a_day(clinic)
    frame = await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}")
    here = [token for token in frame["tokens"] if token["status"] == "CHECKED_IN"]
    assert [token["token"] for token in here] == ["A-W01", "A-W02", "A-002"]
    assert [token["ahead"] for token in here] == [0, 1, 2]
    assert {token["status"] for token in frame["tokens"]} == {"CHECKED_IN", "BOOKED"}
    assert frame["now_serving"] == ["A-003"]


async def test_no_public_byte_is_about_a_person(clinic: Clinic) -> None:
    visits = await a_day(clinic)
    key = (await clinic.display())["key"]
    paths = [f"/queues/{clinic.doctor_id}", *(f"/tokens/{visit['code']}" for visit in visits)]
    paths += [f"/doctors/{clinic.doctor_id}/slots", "/hospitals", f"/hospitals/{clinic.hospital_id}/doctors"]
    public = {path: (await clinic.server.anybody.get(path)).raw.decode() for path in paths}
    for path in (f"/live/queues/{clinic.doctor_id}", f"/live/displays/{key}"):
        async with clinic.server.watch(path) as screen:
            public[path] = str(await screen.frame())
    for path, body in public.items():
        for secret in (*SECRETS, *(visit["code"] for visit in visits)):
            assert secret.lower() not in body.lower(), (path, secret)
        assert not any(f'"{name}"' in body for name in ("patient", "priority", "reason", "patient_id", "phone")), path


async def test_a_read_that_is_current_is_304_without_a_body_until_something_changes(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    anybody = clinic.server.anybody
    for path in (f"/queues/{clinic.doctor_id}", f"/tokens/{visit['code']}"):
        first = await anybody.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('"')
        assert tag.endswith('"')
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await anybody.get(path, if_none_match=known)
            assert (again.status, again.raw, again.headers["etag"]) == (304, b"", tag), known
        for other in ('"other"', tag.strip('"'), ""):
            assert (await anybody.get(path, if_none_match=other)).status == 200, other
        assert (await anybody.get(path)).raw == first.raw
        await clinic.reception.walk_in(clinic.doctor_id)
        changed = await anybody.get(path, if_none_match=tag)
        assert (changed.status, changed["version"], changed.headers["etag"] != tag) == (200, first["version"] + 1, True)


async def test_a_token_tells_its_whole_story_to_whoever_holds_the_code(clinic: Clinic) -> None:
    first = await clinic.reception.walk_in(clinic.doctor_id)
    visit = await clinic.reception.book(clinic.doctor_id, patient={"name": "A"})
    path = f"/tokens/{visit['code']}"

    async def seen() -> tuple[Any, ...]:
        view = await clinic.server.anybody.get(path)
        return view["status"], view["ahead"], view["now_serving"]

    assert (await seen())[0] == "BOOKED"
    await clinic.reception.move(visit, "CHECKED_IN")
    assert await seen() == ("CHECKED_IN", 0, [])
    await clinic.reception.move(first, "CALLED")
    assert await seen() == ("CHECKED_IN", 0, ["A-W01"])
    await clinic.doctor.call_next(clinic.doctor_id)
    assert await seen() == ("CALLED", None, ["A-001"])
    await clinic.doctor.move(visit, "COMPLETED")
    assert await seen() == ("COMPLETED", None, [])


async def test_expected_times_of_a_token_are_honest(clinic: Clinic, clock: Clock) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, time="10:00", patient={"name": "A"})
    view = await clinic.server.anybody.get(f"/tokens/{visit['code']}")
    assert view["expected_from"] <= view["expected_at"] <= view["expected_to"]
    assert view["be_here_by"] <= view["expected_from"]
    assert view["expected_from"] >= clock.now.isoformat()[:19]


async def test_an_unknown_code_is_404(clinic: Clinic) -> None:
    for code in ("x", "%00", "%ff", "%ed%a0%80", "x" * 5000, "null", "'", "%F0%9F%98%80"):
        refused(await clinic.server.anybody.get(f"/tokens/{code}"), 404, "not_found")


async def test_a_visit_of_another_day_is_readable_by_its_code(clinic: Clinic) -> None:
    visit = await clinic.reception.book(clinic.doctor_id, date="2026-12-01", patient={"name": "A"})
    view = await clinic.server.anybody.get(f"/tokens/{visit['code']}")
    assert (view.status, view["date"], view["status"]) == (200, "2026-12-01", "BOOKED")


async def test_a_queue_nobody_has_touched_is_empty_not_missing(clinic: Clinic) -> None:
    frame = await clinic.server.anybody.get(f"/queues/{clinic.doctor_id}")
    assert (frame.status, frame["version"], frame["tokens"], frame["now_serving"]) == (200, 0, [], [])
    assert (frame["call_seq"], frame["called_at"], frame["recent"]) == (0, None, [])
