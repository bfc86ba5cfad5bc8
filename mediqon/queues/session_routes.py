"""The whole day at the desk over HTTP: pause, resume, delay, close, undo."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.params import JSONBody

from mediqon.auth import idempotency
from mediqon.auth.access import SECURITY
from mediqon.database import transaction
from mediqon.fields import DelayMinutes, Minutes, PathId, Reason
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.live.channels import DeskFrame
from mediqon.live.feed import Feed as LiveFeed
from mediqon.queues import session, undo
from mediqon.queues.models import Facts
from mediqon.queues.routes import lock_own, staff_only
from mediqon.queues.views import desk_frame, outlook_on


class Pause(msgspec.Struct, forbid_unknown_fields=True):
    """`minutes` is what everybody is told; the pause lasts until resumed. The reason is for the desk's eyes."""

    minutes: Minutes | None = None
    reason: Reason | None = None


class Delay(msgspec.Struct, forbid_unknown_fields=True):
    minutes: DelayMinutes


class Closing(msgspec.Struct, forbid_unknown_fields=True):
    """With `no_show` everybody still expected counts as not come."""

    no_show: bool = False


@post("/queues/{doctor_id:int}/pause", status_code=200, guards=[staff_only], security=SECURITY)
async def pause(
    doctor_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now, data: JSONBody[Pause | None] = None
) -> DeskFrame:
    """Stops calls, for so many minutes or until resumed. 409 `queue_closed`."""
    asked = data or Pause()
    today = await feed.today(doctor_id)
    async with transaction(pool) as conn:
        before = await lock_own(conn, today, actor, feed.known)
        facts = await session.pause(conn, before, minutes=asked.minutes, reason=asked.reason, actor=actor, now=now)
    return await _show(feed, before, facts, now)


@post("/queues/{doctor_id:int}/resume", status_code=200, guards=[staff_only], security=SECURITY)
async def resume(doctor_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now) -> DeskFrame:
    """Opens a paused or closed queue."""
    today = await feed.today(doctor_id)
    async with transaction(pool) as conn:
        before = await lock_own(conn, today, actor, feed.known)
        facts = await session.resume(conn, before, actor=actor, now=now)
    return await _show(feed, before, facts, now)


@post("/queues/{doctor_id:int}/delay", status_code=200, guards=[staff_only], security=SECURITY)
async def delay(doctor_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now, data: JSONBody[Delay]) -> DeskFrame:
    """The doctor is late: every expected time moves. 0 minutes takes it back. 409 `queue_closed`."""
    today = await feed.today(doctor_id)
    async with transaction(pool) as conn:
        before = await lock_own(conn, today, actor, feed.known)
        facts = await session.delay(conn, before, minutes=data.minutes, actor=actor, now=now)
    return await _show(feed, before, facts, now)


@post("/queues/{doctor_id:int}/close", status_code=200, guards=[staff_only], security=SECURITY)
async def close(
    doctor_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now, data: JSONBody[Closing | None] = None
) -> DeskFrame:
    """Ends the day. 409 `visits_open` with `visits`, until each is settled or `no_show` is sent."""
    today = await feed.today(doctor_id)
    async with transaction(pool) as conn:
        before = await lock_own(conn, today, actor, feed.known)
        facts = await session.close(conn, before, no_show=bool(data and data.no_show), actor=actor, now=now)
    return await _show(feed, before, facts, now)


@post("/queues/{doctor_id:int}/undo", status_code=200, guards=[staff_only], security=SECURITY)
async def take_back(
    request: Request[Any, Any, Any], doctor_id: PathId, actor: Actor, pool: Pool, feed: Feed, now: Now
) -> DeskFrame | Response[bytes]:
    """Takes back the desk's last change, exact place included. 409 `nothing_to_undo`, `cannot_undo`.

    Honours `Idempotency-Key`.
    """
    today = await feed.today(doctor_id)
    attempt = await idempotency.attempt(request, actor.id)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        before = await lock_own(conn, today, actor, feed.known)
        facts = await undo.undo(conn, before, actor=actor, now=now)
        answer = desk_frame(outlook_on(facts, now))
        await idempotency.keep(conn, attempt, answer, status=200)
    await feed.publish(facts)
    return answer


async def _show(feed: LiveFeed, before: Facts, facts: Facts, now: datetime) -> DeskFrame:
    """Publishes what has changed and answers with the staff queue."""
    if facts is not before:
        await feed.publish(facts)
    return desk_frame(outlook_on(facts, now))


ROUTES = [pause, resume, delay, close, take_back]
