"""The import of doctors from the command line, beside a running server or alone."""

from datetime import datetime

from mediqon.database import connection
from mediqon.hospitals import doctors, doctors_file, importing
from mediqon.hospitals.importing import Imported
from mediqon.settings import Settings


async def import_doctors(
    settings: Settings, body: bytes, hospital_id: int, *, dry_run: bool, now: datetime
) -> Imported:
    """What the same call over HTTP does; the screens of a running server follow within a second or two.

    Raises ImportErrors, EmailTaken, and NotFound for an unknown hospital.
    """
    file = doctors_file.read(body)
    async with connection(settings) as conn:
        known = await importing.check(conn, hospital_id, file)
        if dry_run:
            return importing.preview(file, known)
        logins = await importing.new_logins(file, known)
        async with conn.transaction():
            done = await importing.write(conn, hospital_id, file, logins, now=now)
        await doctors.touch_opened(conn, [doctor.id for doctor in done.doctors if doctor.id], now)
        return done
