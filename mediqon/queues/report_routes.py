"""A doctor's day report over HTTP, as JSON or CSV."""

from dataclasses import dataclass
from datetime import date

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import FromQuery

from mediqon.auth.access import SECURITY, only
from mediqon.auth.models import Role
from mediqon.database import Connection, snapshot, statements
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Pool, Request
from mediqon.queues import days, learning, report_csv
from mediqon.queues.desk import refuse_others
from mediqon.queues.models import DayKey, Snapshot
from mediqon.queues.replay import Deed, Who
from mediqon.queues.report import Report, report

JSON, CSV = "application/json", "text/csv"


@dataclass
class TellsCsvToo(Operation):
    """Says in the API's description that the report is also there as CSV."""

    def __post_init__(self) -> None:
        told = (self.responses or {}).get("200")
        if isinstance(told, OpenAPIResponse) and told.content is not None:
            rows = Schema(type=OpenAPIType.STRING, description=report_csv.__doc__)
            told.content[CSV] = OpenAPIMediaType(schema=rows)


@get(
    "/queues/{doctor_id:int}/report",
    guards=[only(Role.DOCTOR, Role.HOSPITAL)],
    security=SECURITY,
    responses={200: ResponseSpec(Report, generate_examples=False, description="The day")},
    operation_class=TellsCsvToo,
)
async def day_report(
    request: Request,
    doctor_id: PathId,
    actor: Actor,
    pool: Pool,
    feed: Feed,
    date: FromQuery[date | None] = None,
) -> Response[Report] | Response[str]:
    """What became of a day (today where left out): waits, consultations, who was passed over and why, expected times.

    For that doctor and its hospital. With `Accept: text/csv` one row for each visit, times in the hospital's timezone.
    """
    request.refuse_parameters_but("date")
    key = DayKey(doctor_id, date or (await feed.today(doctor_id)).day)
    async with snapshot(pool) as conn:
        facts = await days.look(conn, key)
        refuse_others(facts, actor)
        shows = await learning.shows_of(conn, doctor_id, key.day, key.day)
        found = report(facts, await _deeds(conn, key), shows.values())
    headers = {"Vary": "Accept", "Cache-Control": "no-store"}
    if request.accept.best_match([JSON, CSV], default=JSON) == JSON:
        return Response(found, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="report-{doctor_id}-{key.day.isoformat()}.csv"'
    return Response(report_csv.write(found), headers=headers, media_type=CSV)


async def _deeds(conn: Connection, key: DayKey) -> list[Deed]:
    return [
        Deed(
            at=row["at"],
            actor=Who(row["actor_id"], row["actor_name"], Role(row["actor_role"])) if row["actor_id"] else None,
            verb=row["verb"],
            appointment_id=row["appointment_id"],
            token=row["token"],
            reason=row["reason"],
            before=msgspec.convert(row["before"], Snapshot),
            after=msgspec.convert(row["after"], Snapshot),
            undone=row["undone"],
        )
        for row in await conn.fetch(statements("queues").day_events, *key)
    ]


ROUTES = [day_report]
