"""Leave at the edges of what a date can be."""

import pytest

from builders import Clinic, Server, open_clinic, refused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("timezone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
async def test_leave_near_the_ends_of_the_calendar_is_taken_and_at_the_ends_refused(
    server: Server, timezone: str
) -> None:
    clinic: Clinic = await open_clinic(server, timezone=timezone)
    for day in ("0001-01-02", "9999-12-30"):
        taken = await clinic.reception.post(f"/doctors/{clinic.doctor_id}/leave", {"date": day})
        assert (taken.status, taken["affected"]) == (201, [])
        assert (await clinic.reception.post(f"/leave/{taken['id']}/settle", {"action": "move"})).status == 200
    for day in ("0001-01-01", "9999-12-31"):
        refused(await clinic.reception.post(f"/doctors/{clinic.doctor_id}/leave", {"date": day}), 400, "malformed")
