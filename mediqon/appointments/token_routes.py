"""A visit by its public code, without logging in: check in, be late, cancel, take it into the calendar."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from mediqon.appointments import calendar_file, own
from mediqon.auth.doors import count_visitor
from mediqon.database import reading, transaction
from mediqon.errors import VisitOver
from mediqon.given import Feed, Now, Pool, Request
from mediqon.live.channels import TokenView
from mediqon.live.feed import Feed as LiveFeed
from mediqon.queues.models import Facts, Status
from mediqon.queues.views import Outlook, token_view

LATE_MAX_MINUTES = 120
Code = FromPath[str]


class Late(msgspec.Struct, forbid_unknown_fields=True):
    """Minutes after the slot; 0 takes it back."""

    minutes: Annotated[int, Meta(ge=0, le=LATE_MAX_MINUTES)]


@post("/tokens/{code:str}/check-in", status_code=200)
async def check_in(request: Request, code: Code, pool: Pool, feed: Feed, now: Now) -> TokenView:
    """I am here. 403 where the hospital checks in at its desk; 409 `illegal_transition` on another day."""
    await count_visitor(request)
    async with transaction(pool) as conn:
        before, facts = await own.move(conn, code, Status.CHECKED_IN, now=now)
    return await _show(feed, before, facts, code, now)


@post("/tokens/{code:str}/late", status_code=200)
async def be_late(request: Request, code: Code, data: JSONBody[Late], pool: Pool, feed: Feed, now: Now) -> TokenView:
    """I am running late: the desk sees it, and the place in line moves. 409 `visit_not_waiting`."""
    await count_visitor(request)
    async with transaction(pool) as conn:
        before, facts = await own.be_late(conn, code, data.minutes, now=now)
    return await _show(feed, before, facts, code, now)


@post("/tokens/{code:str}/cancel", status_code=200)
async def cancel(request: Request, code: Code, pool: Pool, feed: Feed, now: Now) -> TokenView:
    """I am not coming. 409 `illegal_transition`, `too_late`."""
    await count_visitor(request)
    async with transaction(pool) as conn:
        before, facts = await own.move(conn, code, Status.CANCELLED, now=now)
    return await _show(feed, before, facts, code, now)


@get("/tokens/{code:str}/visit.ics", include_in_schema=False)
async def calendar_entry(request: Request, code: Code, pool: Pool, now: Now) -> Response[str]:
    """The visit for the phone's calendar. 409 `visit_not_waiting` for somebody who came without a slot."""
    async with reading(pool) as conn:
        facts, visit = await own.look(conn, code)
    if visit.scheduled_at is None:
        raise VisitOver("A walk-in has no booked time to take into a calendar.")
    entry = calendar_file.entry(facts, visit, link=f"{request.address}/t/{code}", now=now)
    headers = {"Content-Disposition": f'attachment; filename="{visit.token}.ics"', "Cache-Control": "no-store"}
    return Response(entry, media_type="text/calendar; charset=utf-8", headers=headers)


async def _show(feed: LiveFeed, before: Facts, facts: Facts, code: str, now: datetime) -> TokenView:
    """Publishes what has changed and answers with the place in line."""
    if facts is not before:
        await feed.publish(facts)
    visit = next(visit for visit in facts.visits if visit.code == code)
    return token_view(Outlook(facts, now), visit, stale=False)


ROUTES = [check_in, be_late, cancel, calendar_entry]
