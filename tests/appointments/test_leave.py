"""Leave at the edges of what a date can be."""

import pytest

from builders import Clinic, Server, open_clinic, refused

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("timezone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(("day", "end"), [("0001-01-02", "0001-01-01"), ("9999-12-30", "9999-12-31")])
async def test_leave_is_answered_up_to_the_ends_of_the_calendar_which_are_no_days(
    server: Server, timezone: str, day: str, end: str
) -> None:
    clinic: Clinic = await open_clinic(server, timezone=timezone)
    taken = await clinic.reception.post(f"/doctors/{clinic.doctor_id}/leave", {"date": day})
    assert (taken.status, taken["affected"]) == (201, [])
    assert (await clinic.reception.post(f"/leave/{taken['id']}/settle", {"action": "move"})).status == 200
    refused(await clinic.reception.post(f"/doctors/{clinic.doctor_id}/leave", {"date": end}), 400, "malformed")
