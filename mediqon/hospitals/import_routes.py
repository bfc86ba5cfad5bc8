"""The import of doctors and schedules over HTTP."""

from dataclasses import dataclass

from litestar import Response, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromQuery

from mediqon.auth import idempotency
from mediqon.auth.access import SECURITY, only, refuse_elsewhere
from mediqon.auth.models import Role
from mediqon.database import reading, transaction
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool, Request
from mediqon.hospitals import doctors, doctors_file, importing
from mediqon.hospitals.importing import Imported


@dataclass
class TakesCsv(Operation):
    """Says in the API's description that the body is CSV."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, description=doctors_file.__doc__))
        self.request_body = RequestBody(content={"text/csv": text}, required=True)


@post(
    "/hospitals/{hospital_id:int}/import",
    status_code=200,
    guards=[only(Role.HOSPITAL)],
    security=SECURITY,
    operation_class=TakesCsv,
)
async def import_doctors(
    request: Request,
    hospital_id: PathId,
    actor: Actor,
    pool: Pool,
    feed: Feed,
    now: Now,
    dry_run: FromQuery[bool] = False,
) -> Imported | Response[bytes]:
    """Doctors and their hours from CSV: all of it, or nothing. A dry run checks everything and writes nothing.

    A doctor whose address the hospital knows is changed to what the file says and gets the file's hours. New ones get a
    password, told in this answer only; a repetition under the same `Idempotency-Key` is answered without. 400
    `import_errors` with `errors: [{line, field, message}]`, 409 `email_taken`, `doctors_changed`.
    """
    request.refuse_parameters_but("dry_run")
    refuse_elsewhere(hospital_id, actor)
    file = doctors_file.read(await request.body())
    attempt = await idempotency.attempt(request, actor.id)
    async with reading(pool) as conn:
        known = await importing.check(conn, hospital_id, file)
    if dry_run:
        return importing.preview(file, known)
    logins = await importing.new_logins(file, known)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        answer = await importing.write(conn, hospital_id, file, logins, now=now)
        await idempotency.keep(conn, attempt, answer.without_passwords, status=200)
    changed = [doctor.id for doctor in answer.doctors if doctor.id and not doctor.created]
    async with reading(pool) as conn:
        await doctors.touch_opened(conn, changed, now)
    await feed.publish_hospital(changed)
    return answer


ROUTES = [import_doctors]
