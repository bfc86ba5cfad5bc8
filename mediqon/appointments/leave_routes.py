"""Leave over HTTP, for the doctor's hospital."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import JSONBody

from mediqon.appointments import leave, settling
from mediqon.appointments.leave import LeaveHit, LeaveList, NewLeave
from mediqon.appointments.settling import Settled, Settlement
from mediqon.auth import idempotency
from mediqon.auth.access import SECURITY, only
from mediqon.auth.models import Role
from mediqon.database import reading, statements, transaction
from mediqon.errors import NotFound
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.hospitals.calendar import find_practice
from mediqon.queues import days, writing
from mediqon.queues.models import DayKey
from mediqon.queues.views import appointment, outlook_on

hospital_only = only(Role.HOSPITAL)


@post("/doctors/{doctor_id:int}/leave", guards=[hospital_only], security=SECURITY)
async def add_leave(
    request: Request[Any, Any, Any],
    doctor_id: PathId,
    data: JSONBody[NewLeave],
    actor: Actor,
    pool: Pool,
    feed: Feed,
    now: Now,
) -> LeaveHit | Response[bytes]:
    """Takes hours out of sale. `affected`: the visits already booked inside them; settle those with one more call."""
    attempt = await idempotency.attempt(request, actor.id)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        practice = await find_practice(conn, doctor_id)
        if practice.doctor.hospital_id != actor.hospital_id:
            raise NotFound("There is no such doctor at your hospital.")
        taken, facts = await leave.add(conn, practice, data)
        outlook = outlook_on(facts, now)
        affected = [appointment(outlook, visit) for visit in leave.hit(facts, taken)]
        answer = LeaveHit(**msgspec.structs.asdict(taken), affected=affected)
        await idempotency.keep(conn, attempt, answer)
    await feed.publish_day(facts.key)
    return answer


@get("/doctors/{doctor_id:int}/leave", guards=[hospital_only], security=SECURITY)
async def list_leave(doctor_id: PathId, actor: Actor, pool: Pool, now: Now) -> LeaveList:
    """The doctor's leave from today on."""
    async with reading(pool) as conn:
        practice = await find_practice(conn, doctor_id)
        if practice.doctor.hospital_id != actor.hospital_id:
            raise NotFound("There is no such doctor at your hospital.")
        return await leave.upcoming(conn, practice, now=now)


@delete("/leave/{leave_id:int}", guards=[hospital_only], security=SECURITY)
async def delete_leave(leave_id: PathId, actor: Actor, pool: Pool, feed: Feed) -> None:
    """Puts the hours back on sale."""
    async with transaction(pool) as conn:
        taken = await leave.find(conn, leave_id, actor)
        facts = await days.lock(conn, DayKey(taken.doctor_id, taken.date))
        await writing.touch(conn, facts)
        await conn.execute(statements("appointments").delete_leave, taken.id)
    await feed.publish_day(facts.key)


@post("/leave/{leave_id:int}/settle", status_code=200, guards=[hospital_only], security=SECURITY)
async def settle_leave(
    leave_id: PathId, data: JSONBody[Settlement], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Settled:
    """Cancels, or moves to the next free seats, every visit booked inside a leave: all in one transaction."""
    async with transaction(pool) as conn:
        taken = await leave.find(conn, leave_id, actor)
        practice = await find_practice(conn, taken.doctor_id)
        facts = await days.lock(conn, DayKey(taken.doctor_id, taken.date))
        visits = leave.hit(facts, taken)
        answer, changed = await settling.settle(conn, practice, facts, visits, data, actor=actor, now=now)
    await feed.publish(*changed)
    return answer


ROUTES = [add_leave, list_leave, delete_leave, settle_leave]
