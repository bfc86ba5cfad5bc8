"""Hospitals, doctors, hours and screens over HTTP."""

import secrets
from datetime import date
from itertools import pairwise
from typing import Any

import asyncpg
from litestar import Request, Response, delete, get, patch, post, put
from litestar.params import FromQuery, JSONBody

from mediqon.auth import idempotency, passwords
from mediqon.auth.access import SECURITY, only
from mediqon.auth.models import Role
from mediqon.auth.routes import add_user
from mediqon.database import Connection, reading, statements, transaction
from mediqon.errors import EmailTaken, Malformed, NotFound
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.hospitals.calendar import find_practice, read_day, token_label
from mediqon.hospitals.models import (
    Display,
    Doctor,
    DoctorChange,
    Hospital,
    NewDisplay,
    NewDoctor,
    Schedule,
    Slot,
    Slots,
    Window,
)
from mediqon.hospitals.slots import clock, local_day, minute_of

SQL = statements("hospitals")
DISPLAY_KEY_BYTES = 16
hospital_only = only(Role.HOSPITAL)


@get("/hospitals")
async def list_hospitals(pool: Pool) -> list[Hospital]:
    """Every hospital, by name."""
    async with reading(pool) as conn:
        return [Hospital(**row) for row in await conn.fetch(SQL.list_hospitals)]


@get("/hospitals/{hospital_id:int}/doctors")
async def list_doctors(hospital_id: PathId, pool: Pool) -> list[Doctor]:
    """The doctors of a hospital, by name."""
    async with reading(pool) as conn:
        if await conn.fetchrow(SQL.find_hospital, hospital_id) is None:
            raise NotFound("There is no such hospital.")
        return [Doctor(**row) for row in await conn.fetch(SQL.list_doctors, hospital_id)]


@post("/hospitals/{hospital_id:int}/doctors", guards=[hospital_only], security=SECURITY)
async def add_doctor(
    request: Request[Any, Any, Any], hospital_id: PathId, data: JSONBody[NewDoctor], actor: Actor, pool: Pool, now: Now
) -> Doctor | Response[bytes]:
    """A new doctor with an account. 409 `email_taken`."""
    _own(hospital_id, actor)
    attempt = await idempotency.attempt(request, actor.id)
    password_hash = await passwords.hash_password(data.password)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        user_id = await add_user(conn, Role.DOCTOR, data.name, data.email, password_hash, hospital_id=hospital_id)
        doctor_id = await conn.fetchval(
            SQL.insert_doctor, user_id, hospital_id, data.specialty, data.room, data.token_prefix, data.slot_minutes
        )
        doctor = (await find_practice(conn, doctor_id)).doctor
        await idempotency.keep(conn, attempt, doctor)
    return doctor


@patch("/doctors/{doctor_id:int}", guards=[hospital_only], security=SECURITY)
async def change_doctor(
    doctor_id: PathId, data: JSONBody[DoctorChange], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Doctor:
    """Changes what is given; screens that show today follow. 409 `email_taken`."""
    async with transaction(pool) as conn:
        await _lock_own_doctor(conn, doctor_id, actor)
        await _write_doctor(conn, doctor_id, data, actor)
        doctor, timezone, _ = await find_practice(conn, doctor_id)
        await conn.execute(SQL.touch_days, doctor_id, local_day(now, timezone))
    await feed.publish_today(doctor_id)
    return doctor


@put("/doctors/{doctor_id:int}/schedule", guards=[hospital_only], security=SECURITY)
async def set_schedule(doctor_id: PathId, data: JSONBody[Schedule], actor: Actor, pool: Pool) -> Schedule:
    """A doctor's week. Windows of one day may not overlap. Seats already sold keep their number and time."""
    windows = _checked(data.windows)
    async with transaction(pool) as conn:
        await _lock_own_doctor(conn, doctor_id, actor)
        await conn.execute(SQL.clear_schedule, doctor_id)
        rows = [(doctor_id, w.weekday, minute_of(w.start), minute_of(w.end), w.capacity) for w in windows]
        await conn.executemany(SQL.insert_window, rows)
        return await _schedule(conn, doctor_id)


@get("/doctors/{doctor_id:int}/schedule")
async def get_schedule(doctor_id: PathId, pool: Pool) -> Schedule:
    """A doctor's week."""
    async with reading(pool) as conn:
        await find_practice(conn, doctor_id)
        return await _schedule(conn, doctor_id)


@get("/doctors/{doctor_id:int}/slots")
async def list_slots(
    request: Request[Any, Any, Any], doctor_id: PathId, pool: Pool, now: Now, date: FromQuery[date | None] = None
) -> Slots:
    """The seats of a day (today where left out), and which can be booked."""
    for unknown in set(request.query_params) - {"date"}:
        raise Malformed(unknown, "is not a parameter of this request")
    async with reading(pool) as conn:
        practice = await find_practice(conn, doctor_id)
        day = date or local_day(now, practice.timezone)
        seats, free = await read_day(conn, practice, day, now=now)
    bookable = {seat.number for seat in free}
    prefix = practice.doctor.token_prefix
    slots = [Slot(clock(seat.minute), token_label(prefix, seat.number), seat.number in bookable) for seat in seats]
    return Slots(day.isoformat(), slots)


@post("/hospitals/{hospital_id:int}/displays", guards=[hospital_only], security=SECURITY)
async def add_display(
    request: Request[Any, Any, Any], hospital_id: PathId, data: JSONBody[NewDisplay], actor: Actor, pool: Pool, now: Now
) -> Display | Response[bytes]:
    """A new waiting-room screen. 404 unless every doctor is the hospital's own."""
    _own(hospital_id, actor)
    attempt = await idempotency.attempt(request, actor.id)
    doctor_ids = list(dict.fromkeys(data.doctor_ids))
    key = secrets.token_urlsafe(DISPLAY_KEY_BYTES)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        if await conn.fetchval(SQL.count_own_doctors, hospital_id, doctor_ids) != len(doctor_ids):
            raise NotFound("One of these doctors is not at your hospital.")
        display_id = await conn.fetchval(SQL.insert_display, hospital_id, data.name, key, doctor_ids, data.languages)
        display = Display(display_id, data.name, key, f"/display/{key}", doctor_ids, data.languages)
        await idempotency.keep(conn, attempt, display)
    return display


@get("/hospitals/{hospital_id:int}/displays", guards=[hospital_only], security=SECURITY)
async def list_displays(hospital_id: PathId, actor: Actor, pool: Pool) -> list[Display]:
    """The hospital's screens."""
    _own(hospital_id, actor)
    async with reading(pool) as conn:
        rows = await conn.fetch(SQL.list_displays, hospital_id)
    return [Display(url=f"/display/{row['key']}", **row) for row in rows]


@delete("/displays/{display_id:int}", guards=[hospital_only], security=SECURITY)
async def delete_display(display_id: PathId, actor: Actor, pool: Pool, feed: Feed) -> None:
    """Takes a screen's key back; open sockets close with 4404."""
    async with reading(pool) as conn:
        key = await conn.fetchval(SQL.delete_display, display_id, actor.hospital_id)
    if key is None:
        raise NotFound
    await feed.revoke_display(key)


def _own(hospital_id: int, actor: Actor) -> None:
    if hospital_id != actor.hospital_id:
        raise NotFound


async def _lock_own_doctor(conn: Connection, doctor_id: int, actor: Actor) -> None:
    if await conn.fetchval(SQL.own_doctor, doctor_id, actor.hospital_id) is None:
        raise NotFound("There is no such doctor at your hospital.")


async def _write_doctor(conn: Connection, doctor_id: int, data: DoctorChange, actor: Actor) -> None:
    user_id = await conn.fetchval(
        SQL.update_doctor,
        doctor_id,
        actor.hospital_id,
        data.specialty,
        data.room,
        data.token_prefix,
        data.slot_minutes,
    )
    try:
        await conn.execute(SQL.update_doctor_account, user_id, data.name and data.name.strip(), data.email)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "users_email_key":
            raise
        raise EmailTaken from None


async def _schedule(conn: Connection, doctor_id: int) -> Schedule:
    rows = await conn.fetch(SQL.schedule_windows, doctor_id)
    return Schedule([Window(weekday, clock(start), clock(end), capacity) for weekday, start, end, capacity in rows])


def _checked(windows: list[Window]) -> list[Window]:
    """The windows in time order. Raises Malformed for one that ends before it starts, or overlaps another."""
    ordered = sorted(windows, key=lambda each: (each.weekday, each.start))
    for window in ordered:
        if minute_of(window.end) <= minute_of(window.start):
            raise Malformed("windows", f"{window.start}–{window.end} ends before it starts")
    for window, following in pairwise(ordered):
        if following.weekday == window.weekday and following.start < window.end:
            raise Malformed("windows", f"{window.start}–{window.end} and {following.start}–{following.end} overlap")
    return ordered


ROUTES = [
    list_hospitals,
    list_doctors,
    add_doctor,
    change_doctor,
    set_schedule,
    get_schedule,
    list_slots,
    add_display,
    list_displays,
    delete_display,
]
