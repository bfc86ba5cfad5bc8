"""Leave at the edges of what a date can be."""

import pytest

from builders import Clinic, Server, open_clinic

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("timezone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_leave_on_the_first_and_the_last_day_of_the_calendar_is_answered(
    server: Server, timezone: str, day: str
) -> None:
    clinic: Clinic = await open_clinic(server, timezone=timezone)
    taken = await clinic.reception.post(f"/doctors/{clinic.doctor_id}/leave", {"date": day})
    assert (taken.status, taken["affected"]) == (201, [])
    assert (await clinic.reception.post(f"/leave/{taken['id']}/settle", {"action": "move"})).status == 200
