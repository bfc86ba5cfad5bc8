"""Staff accounts over HTTP, and doctors' passwords, for the hospital's own staff."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import JSONBody

from mediqon.auth import idempotency, passwords, sessions
from mediqon.auth.access import SECURITY, only, refuse_elsewhere
from mediqon.auth.models import Role, User
from mediqon.database import reading, statements, transaction
from mediqon.errors import NotFound
from mediqon.fields import PathId
from mediqon.given import Actor, Ended, Now, Pool
from mediqon.hospitals import staff
from mediqon.hospitals.staff import GivenPassword, NewStaff

SQL = statements("hospitals")
hospital_only = only(Role.HOSPITAL)


@post("/hospitals/{hospital_id:int}/staff", guards=[hospital_only], security=SECURITY)
async def add_staff(
    request: Request[Any, Any, Any], hospital_id: PathId, data: JSONBody[NewStaff], actor: Actor, pool: Pool, now: Now
) -> User | Response[bytes]:
    """A new account that manages the hospital. 409 `email_taken`."""
    refuse_elsewhere(hospital_id, actor)
    attempt = await idempotency.attempt(request, actor.id)
    password_hash = await passwords.hash_new(data.password, data.name, data.email)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        user = await staff.add(conn, hospital_id, data, password_hash=password_hash)
        await idempotency.keep(conn, attempt, user)
    return user


@get("/hospitals/{hospital_id:int}/staff", guards=[hospital_only], security=SECURITY)
async def list_staff(hospital_id: PathId, actor: Actor, pool: Pool) -> list[User]:
    """The accounts that manage the hospital, by name; disabled ones are left out."""
    refuse_elsewhere(hospital_id, actor)
    async with reading(pool) as conn:
        return await staff.everybody(conn, hospital_id)


@delete("/hospitals/{hospital_id:int}/staff/{user_id:int}", guards=[hospital_only], security=SECURITY)
async def disable_staff(hospital_id: PathId, user_id: PathId, actor: Actor, pool: Pool, now: Now, ended: Ended) -> None:
    """Disables an account: no log-in, no refresh, and what it is logged in with ends within seconds.

    409 `own_account` for the one in use, so that the last one always stays.
    """
    refuse_elsewhere(hospital_id, actor)
    async with transaction(pool) as conn:
        over = await staff.disable(conn, hospital_id, user_id, actor=actor, now=now)
    ended.add(over, now=now)


@post("/doctors/{doctor_id:int}/password", status_code=204, guards=[hospital_only], security=SECURITY)
async def give_password(
    doctor_id: PathId, data: JSONBody[GivenPassword], actor: Actor, pool: Pool, now: Now, ended: Ended
) -> None:
    """Another password for a doctor who has lost theirs, or has left: all that the account is logged in with ends."""
    async with reading(pool) as conn:
        account = await conn.fetchrow(SQL.doctor_account, doctor_id, actor.hospital_id)
    if account is None:
        raise NotFound
    password_hash = await passwords.hash_new(data.password, account["name"], account["email"])
    async with transaction(pool) as conn:
        await conn.execute(statements("auth").change_password, account["id"], password_hash, now)
        over = await sessions.end_all(conn, account["id"], now=now)
    ended.add(over, now=now)


ROUTES = [add_staff, list_staff, disable_staff, give_password]
