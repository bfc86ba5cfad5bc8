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


class User(msgspec.Struct, frozen=True, kw_only=True):
    """An account as its owner sees it. A doctor has a `doctor_id`; doctors and hospitals a `hospital_id`."""

    id: int
    name: str
    email: str | None
    role: Role
    hospital_id: int | None
    doctor_id: int | None
