"""A doctor's month over HTTP: how good the expected times were that patients were shown."""

import calendar
from datetime import date
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromQuery, Parameter

from mediqon.auth.access import SECURITY, only
from mediqon.auth.models import Role
from mediqon.database import snapshot
from mediqon.errors import Malformed
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Pool, Request
from mediqon.queues import days, learning
from mediqon.queues.accuracy import Accuracy, accuracy
from mediqon.queues.desk import refuse_others
from mediqon.queues.models import DayKey


class DayAccuracy(msgspec.Struct, frozen=True):
    date: date
    accuracy: Accuracy


class MonthAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """All of a month, and each day on which something was shown. `sessions`: closed days learnt from so far."""

    doctor_id: int
    doctor: str
    month: str
    sessions: int
    accuracy: Accuracy
    days: list[DayAccuracy]


@get("/doctors/{doctor_id:int}/accuracy", guards=[only(Role.DOCTOR, Role.HOSPITAL)], security=SECURITY)
async def month_accuracy(
    request: Request,
    doctor_id: PathId,
    actor: Actor,
    pool: Pool,
    feed: Feed,
    month: FromQuery[Annotated[str | None, Parameter(description="YYYY-MM; left out, the present one")]] = None,
) -> MonthAccuracy:
    """Error, coverage of the range and missed turns of a month, for that doctor and its hospital."""
    request.refuse_parameters_but("month")
    today = (await feed.today(doctor_id)).day
    first = today.replace(day=1) if month is None else _first_of(month)
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    async with snapshot(pool) as conn:
        facts = await days.look(conn, DayKey(doctor_id, first))
        refuse_others(facts, actor)
        shows = await learning.shows_of(conn, doctor_id, first, last)
    return MonthAccuracy(
        doctor_id=doctor_id,
        doctor=facts.doctor,
        month=first.isoformat()[:7],
        sessions=facts.history.sessions if facts.history else 0,
        accuracy=accuracy(shows.values()),
        days=[DayAccuracy(day, accuracy([each])) for day, each in shows.items() if each.outcomes or each.turns],
    )


def _first_of(month: str) -> date:
    try:
        if len(month) != len("2026-11"):
            raise ValueError(month)
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise Malformed("month", "is like 2026-11") from None


ROUTES = [month_accuracy]
