"""Ticket kiosks: who may make them, and the walk-in that somebody without an account takes in by themselves."""

import secrets
from datetime import datetime
from typing import Annotated, NamedTuple

import asyncpg
import msgspec
from msgspec import Meta

from mediqon.appointments.models import SomebodyElse
from mediqon.appointments.walk_ins import Arrival
from mediqon.database import Connection, statements
from mediqon.errors import NotFound
from mediqon.fields import DoctorIds, Id, Name
from mediqon.hospitals.slots import local_day
from mediqon.live.channels import TokenView
from mediqon.queues.models import DayKey, Facts, Priority, QueueState
from mediqon.queues.views import outlook_on, token_view

SQL = statements("appointments")
KEY_BYTES = 16
NO_NAME = "No name given"


class NewKiosk(msgspec.Struct, forbid_unknown_fields=True):
    """A kiosk that gives out tokens for one to eight doctors."""

    name: Name
    doctor_ids: DoctorIds


class Kiosk(msgspec.Struct, frozen=True):
    """`key` lets whoever has it give out tokens; `url` is its page. `last_seen_at` is null until it was opened."""

    id: int
    name: str
    key: str
    url: str
    doctor_ids: list[int]
    last_seen_at: datetime | None


class KioskDoctor(msgspec.Struct, frozen=True):
    """`waiting`: people checked in."""

    id: int
    name: str
    specialty: str
    room: str
    state: QueueState
    waiting: int


class KioskView(msgspec.Struct, frozen=True):
    name: str
    hospital: str
    timezone: str
    doctors: list[KioskDoctor]


class KioskWalkIn(msgspec.Struct, forbid_unknown_fields=True):
    """The name may be left out."""

    doctor_id: Id
    name: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]*$(?!\n)")] | None = None


class KioskTicket(msgspec.Struct, frozen=True):
    """`code` opens `/t/{code}`."""

    code: str
    view: TokenView


class Ticket(NamedTuple):
    """Told of one visit at a kiosk; `at`: as of when all who share the day are told."""

    facts: Facts
    visit_id: int
    at: datetime

    @property
    def answer(self) -> KioskTicket:
        visit = self.facts.visit(self.visit_id)
        return KioskTicket(visit.code, token_view(outlook_on(self.facts, self.at), visit, stale=False))


async def add(conn: Connection, hospital_id: int, asked: NewKiosk) -> Kiosk:
    """Raises NotFound unless every doctor is the hospital's own."""
    ids = list(dict.fromkeys(asked.doctor_ids))
    if await conn.fetchval(statements("hospitals").count_own_doctors, hospital_id, ids) != len(ids):
        raise NotFound("One of these doctors is not at your hospital.")
    key = secrets.token_urlsafe(KEY_BYTES)
    kiosk_id = await conn.fetchval(SQL.insert_kiosk, hospital_id, asked.name, key, ids)
    return Kiosk(kiosk_id, asked.name, key, f"/kiosk/{key}", ids, None)


async def everyone(conn: Connection, hospital_id: int) -> list[Kiosk]:
    """The hospital's kiosks, the oldest first."""
    rows = await conn.fetch(SQL.list_kiosks, hospital_id)
    return [Kiosk(url=f"/kiosk/{row['key']}", **row) for row in rows]


async def remove(conn: Connection, kiosk_id: int, hospital_id: int | None) -> None:
    """Takes a kiosk's key back. Raises NotFound also for another hospital's."""
    if await conn.fetchval(SQL.delete_kiosk, kiosk_id, hospital_id) is None:
        raise NotFound


async def see(conn: Connection, key: str, *, now: datetime) -> asyncpg.Record:
    """The kiosk of this key with its hospital, seen now. Raises NotFound."""
    row = None if "\x00" in key else await conn.fetchrow(SQL.see_kiosk, key, now)
    if row is None:
        raise NotFound("This kiosk is not in use.")
    return row


async def arrival(conn: Connection, key: str, asked: KioskWalkIn, *, now: datetime) -> Arrival:
    """What whoever stands at the kiosk asks for, a ticket. Raises NotFound."""
    kiosk = await see(conn, key, now=now)
    if asked.doctor_id not in kiosk["doctor_ids"]:
        raise NotFound("This kiosk has no such doctor.")
    today = DayKey(asked.doctor_id, local_day(now, kiosk["timezone"]))
    return Arrival(today, SomebodyElse(asked.name or NO_NAME), Priority.NORMAL, None, None, now, Ticket)
