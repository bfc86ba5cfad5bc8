"""What a hospital decides about itself: its name, its timezone, and the numbers of the line."""

from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from mediqon.database import Connection, statements
from mediqon.errors import Malformed, NotFound, TimezoneInUse
from mediqon.hospitals import doctors
from mediqon.hospitals.models import HospitalSettings, SettingsChange
from mediqon.hospitals.slots import is_timezone, local_day

SQL = statements("hospitals")


class Changed(NamedTuple):
    """The settings as they now are, and the doctors whose screens follow: none when nothing has changed."""

    settings: HospitalSettings
    doctor_ids: list[int]


async def read(conn: Connection, hospital_id: int) -> HospitalSettings:
    """A hospital's settings over the defaults. Raises NotFound."""
    return _settings(await conn.fetchrow(SQL.read_settings, hospital_id))


async def change(conn: Connection, hospital_id: int, asked: SettingsChange, *, now: datetime) -> Changed:
    """Changes what is given, and counts a change of every open day.

    Raises NotFound, Malformed for an unknown timezone, and TimezoneInUse for another one while there are appointments
    from today on.
    """
    before = _settings(await conn.fetchrow(SQL.lock_settings, hospital_id))
    given = {field: value for field, value in msgspec.structs.asdict(asked).items() if value is not None}
    after = msgspec.structs.replace(before, **given)
    if after == before:
        return Changed(after, [])
    # The earlier of the two dates: west of the old timezone, yesterday becomes today again.
    today = local_day(now, before.timezone)
    if after.timezone != before.timezone:
        await _refuse_unknown(conn, after.timezone, now=now)
        today = min(today, local_day(now, after.timezone))
        await conn.execute(SQL.lock_doctors, hospital_id)
    doctor_ids = [row["id"] for row in await conn.fetch(SQL.list_doctors, hospital_id)]
    await doctors.touch(conn, doctor_ids, today)
    if after.timezone != before.timezone:
        await conn.execute(SQL.bar_days, hospital_id)  # whoever books is done by now, or waits until we are
        if await conn.fetchval(SQL.promised_from, hospital_id, today):
            raise TimezoneInUse
    name, timezone = given.pop("name", None), given.pop("timezone", None)
    await conn.execute(SQL.change_settings, hospital_id, name, timezone, given)
    return Changed(after, doctor_ids)


async def _refuse_unknown(conn: Connection, timezone: str, *, now: datetime) -> None:
    """Both must know it: Python, which counts the slots, and PostgreSQL, which closes the days that are over."""
    try:
        async with conn.transaction():
            await conn.execute(SQL.try_timezone, now, timezone)
    except asyncpg.InvalidParameterValueError:
        known = False
    else:
        known = is_timezone(timezone)
    if not known:
        raise Malformed("timezone", "is not an IANA timezone; Asia/Kolkata is one")


def _settings(row: asyncpg.Record | None) -> HospitalSettings:
    if row is None:
        raise NotFound
    return msgspec.convert({**row["settings"], "name": row["name"], "timezone": row["timezone"]}, HospitalSettings)
