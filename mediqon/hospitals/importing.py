"""Doctors and schedules of a CSV file into the database: all of it, or nothing."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from mediqon.auth import passwords
from mediqon.database import Connection, statements
from mediqon.errors import DoctorsChanged, ImportErrors, NotFound
from mediqon.hospitals import doctors
from mediqon.hospitals.doctors_file import DoctorsFile, LineError, Listed
from mediqon.hospitals.models import NewDoctor
from mediqon.hospitals.slots import local_day

SQL = statements("hospitals")
PASSWORD_BYTES = 9


class ImportedDoctor(msgspec.Struct, frozen=True, kw_only=True):
    """One doctor of the file. `id` is null where a dry run would make one; `password` is told to a new doctor, once."""

    id: int | None
    line: int
    name: str
    email: str
    created: bool
    windows: int
    password: str | None


class Imported(msgspec.Struct, frozen=True):
    """What an import has done; after a dry run, what it would do."""

    dry_run: bool
    created: int
    updated: int
    doctors: list[ImportedDoctor]

    @property
    def without_passwords(self) -> "Imported":
        """What may be kept."""
        unnamed = [msgspec.structs.replace(doctor, password=None) for doctor in self.doctors]
        return msgspec.structs.replace(self, doctors=unnamed)


class NewLogin(NamedTuple):
    """What a new doctor logs in with."""

    password: str
    password_hash: str


async def check(conn: Connection, hospital_id: int, file: DoctorsFile) -> dict[str, int]:
    """The doctors of the file that this hospital has already, by address.

    Raises ImportErrors with all that is wrong: what the file says, and addresses of somebody else's account; NotFound
    without such a hospital.
    """
    await _timezone(conn, hospital_id)
    addresses = [_address(listed) for listed in file.doctors]
    known = {row["email"]: row["doctor_id"] for row in await conn.fetch(SQL.doctors_at, addresses, hospital_id)}
    taken = [
        LineError(listed.line, "email", "belongs to another account")
        for listed in file.doctors
        if known.get(_address(listed), 0) is None
    ]
    errors = sorted([*file.errors, *taken], key=lambda error: error.line)
    if errors:
        raise ImportErrors(errors)
    return known


async def new_logins(file: DoctorsFile, known: Mapping[str, int]) -> dict[str, NewLogin]:
    """A password for each doctor that the hospital does not have yet, by address; about 40 ms each, one at a time."""
    logins: dict[str, NewLogin] = {}
    for listed in file.doctors:
        if _address(listed) not in known:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            logins[_address(listed)] = NewLogin(password, await passwords.hash_new(password))
    return logins


def preview(file: DoctorsFile, known: Mapping[str, int]) -> Imported:
    """What `write` would do."""
    return _imported([_done(listed, known.get(_address(listed)), None) for listed in file.doctors], dry_run=True)


async def write(
    conn: Connection, hospital_id: int, file: DoctorsFile, logins: Mapping[str, NewLogin], *, now: datetime
) -> Imported:
    """Makes the new doctors, changes the others to what the file says of them, and replaces everybody's week.

    Raises ImportErrors, EmailTaken or DoctorsChanged when somebody has been quicker.
    """
    known = await check(conn, hospital_id, file)
    done: dict[str, ImportedDoctor] = {}
    for listed in sorted(file.doctors, key=_address):  # in one order, so that two imports never wait for each other
        address = _address(listed)
        if address in known:
            done[address] = await _change(conn, hospital_id, known[address], listed)
        elif address in logins:
            done[address] = await _add(conn, hospital_id, listed, logins[address])
        else:
            raise DoctorsChanged
    changed = [doctor_id for address, doctor_id in known.items() if address in done]
    await doctors.touch(conn, changed, local_day(now, await _timezone(conn, hospital_id)))
    return _imported([done[_address(listed)] for listed in file.doctors])


async def _change(conn: Connection, hospital_id: int, doctor_id: int, listed: Listed) -> ImportedDoctor:
    await doctors.lock_own(conn, doctor_id, hospital_id)
    await doctors.change(conn, doctor_id, hospital_id, listed.about)
    await doctors.set_hours(conn, doctor_id, listed.windows)
    return _done(listed, doctor_id, None)


async def _add(conn: Connection, hospital_id: int, listed: Listed, login: NewLogin) -> ImportedDoctor:
    said = {field: value for field, value in msgspec.structs.asdict(listed.about).items() if value is not None}
    asked = NewDoctor(**said, password=login.password)
    doctor_id = await doctors.add(conn, hospital_id, asked, password_hash=login.password_hash)
    await doctors.set_hours(conn, doctor_id, listed.windows)
    return _done(listed, doctor_id, login.password)


async def _timezone(conn: Connection, hospital_id: int) -> str:
    hospital = await conn.fetchrow(SQL.find_hospital, hospital_id)
    if hospital is None:
        raise NotFound("There is no such hospital.")
    return hospital["timezone"]


def _address(listed: Listed) -> str:
    return listed.about.email or ""


def _done(listed: Listed, doctor_id: int | None, password: str | None) -> ImportedDoctor:
    return ImportedDoctor(
        id=doctor_id,
        line=listed.line,
        name=listed.about.name or "",
        email=_address(listed),
        created=doctor_id is None or password is not None,
        windows=len(listed.windows),
        password=password,
    )


def _imported(done: list[ImportedDoctor], *, dry_run: bool = False) -> Imported:
    created = sum(doctor.created for doctor in done)
    return Imported(dry_run, created, len(done) - created, done)
