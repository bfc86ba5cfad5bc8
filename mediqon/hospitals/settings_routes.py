"""A hospital's settings over HTTP."""

from litestar import get, patch
from litestar.params import JSONBody

from mediqon.auth.access import SECURITY, only, refuse_elsewhere
from mediqon.auth.models import Role
from mediqon.database import reading, transaction
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.hospitals import doctors, settings
from mediqon.hospitals.models import HospitalSettings, SettingsChange

hospital_only = only(Role.HOSPITAL)


@get("/hospitals/{hospital_id:int}/settings", guards=[hospital_only], security=SECURITY)
async def read_settings(hospital_id: PathId, actor: Actor, pool: Pool) -> HospitalSettings:
    """Name, timezone and the numbers of the line."""
    refuse_elsewhere(hospital_id, actor)
    async with reading(pool) as conn:
        return await settings.read(conn, hospital_id)


@patch("/hospitals/{hospital_id:int}/settings", guards=[hospital_only], security=SECURITY)
async def change_settings(
    hospital_id: PathId, data: JSONBody[SettingsChange], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> HospitalSettings:
    """Changes what is given, at once for everybody. 409 `timezone_in_use` with appointments from today on."""
    refuse_elsewhere(hospital_id, actor)
    async with transaction(pool) as conn:
        changed = await settings.change(conn, hospital_id, data, now=now)
    async with reading(pool) as conn:
        await doctors.touch_opened(conn, changed.doctor_ids, now)
    await feed.publish_hospital(changed.doctor_ids)
    return changed.settings


ROUTES = [read_settings, change_settings]
