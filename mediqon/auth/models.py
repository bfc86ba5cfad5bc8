"""Who may be asking."""

from enum import StrEnum
from uuid import UUID

import msgspec


class Role(StrEnum):
    """What an account is for; `hospital` is reception and administration."""

    PATIENT = "patient"
    DOCTOR = "doctor"
    HOSPITAL = "hospital"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, as the access token says; `session` is what it was issued in.

    `expires_at`: seconds since the epoch.
    """

    id: int
    role: Role
    hospital_id: int | None
    doctor_id: int | None
    session: UUID
    expires_at: float


NO_SESSION = UUID(int=0)


def holder(patient_id: int) -> Actor:
    """Whoever has a visit's code, or stands at a kiosk, acts as its patient for one request, without a log-in."""
    return Actor(id=patient_id, role=Role.PATIENT, hospital_id=None, doctor_id=None, session=NO_SESSION, expires_at=0.0)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its owner sees it. A doctor has a `doctor_id`; doctors and hospitals a `hospital_id`."""

    id: int
    name: str
    email: str | None
    role: Role
    hospital_id: int | None
    doctor_id: int | None
