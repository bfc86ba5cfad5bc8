"""Kiosks over HTTP: made and taken back by the hospital, used by whoever stands in front of one."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from mediqon.appointments import kiosks
from mediqon.appointments.kiosks import Kiosk, KioskDoctor, KioskTicket, KioskView, KioskWalkIn, NewKiosk
from mediqon.appointments.routes import Arrivals
from mediqon.auth import idempotency
from mediqon.auth.access import SECURITY, only, refuse_elsewhere
from mediqon.auth.doors import count_visitor
from mediqon.auth.idempotency import Replay
from mediqon.auth.models import Role
from mediqon.database import reading, statements, transaction
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.hospitals.models import Doctor

hospital_only = only(Role.HOSPITAL)


@post("/hospitals/{hospital_id:int}/kiosks", guards=[hospital_only], security=SECURITY)
async def add_kiosk(
    request: Request[Any, Any, Any], hospital_id: PathId, data: JSONBody[NewKiosk], actor: Actor, pool: Pool, now: Now
) -> Kiosk | Response[bytes]:
    """A new kiosk. 404 unless every doctor is the hospital's own."""
    refuse_elsewhere(hospital_id, actor)
    attempt = await idempotency.attempt(request, actor.id)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        kiosk = await kiosks.add(conn, hospital_id, data)
        await idempotency.keep(conn, attempt, kiosk)
    return kiosk


@get("/hospitals/{hospital_id:int}/kiosks", guards=[hospital_only], security=SECURITY)
async def list_kiosks(hospital_id: PathId, actor: Actor, pool: Pool) -> list[Kiosk]:
    """The hospital's kiosks."""
    refuse_elsewhere(hospital_id, actor)
    async with reading(pool) as conn:
        return await kiosks.everyone(conn, hospital_id)


@delete("/kiosks/{kiosk_id:int}", guards=[hospital_only], security=SECURITY)
async def delete_kiosk(kiosk_id: PathId, actor: Actor, pool: Pool) -> None:
    """Takes a kiosk's key back."""
    async with reading(pool) as conn:
        await kiosks.remove(conn, kiosk_id, actor.hospital_id)


@get("/kiosks/{key:str}")
async def kiosk(key: FromPath[str], pool: Pool, feed: Feed, now: Now) -> KioskView:
    """What a kiosk offers: its doctors, and how many wait with each."""
    async with reading(pool) as conn:
        row = await kiosks.see(conn, key, now=now)
        rows = await conn.fetch(statements("hospitals").list_doctors, row["hospital_id"])
    doctors = [Doctor(**each) for each in rows if each["id"] in row["doctor_ids"]]
    return KioskView(row["name"], row["hospital"], row["timezone"], [await _offer(feed, each) for each in doctors])


@post("/kiosks/{key:str}/walk-in")
async def take_ticket(
    request: Request[Any, Any, Any],
    key: FromPath[str],
    data: JSONBody[KioskWalkIn],
    pool: Pool,
    arrivals: Arrivals,
    now: Now,
) -> KioskTicket | Response[bytes]:
    """A token for whoever stands here: checked in at once. 409 `day_full`, `queue_closed`; 429 `throttled`."""
    await count_visitor(request)
    attempt = await idempotency.attempt(request)
    async with reading(pool) as conn:
        arrival = await kiosks.arrival(conn, key, data, now=now)
    outcome = await arrivals.ask_once(arrival, attempt)
    return outcome if isinstance(outcome, Replay) else outcome.answer


async def _offer(feed: Feed, doctor: Doctor) -> KioskDoctor:
    outlook = (await feed.topic(await feed.today(doctor.id))).outlook
    return KioskDoctor(doctor.id, doctor.name, doctor.specialty, doctor.room, outlook.facts.state, len(outlook.waiting))


ROUTES = [add_kiosk, list_kiosks, delete_kiosk, kiosk, take_ticket]
