"""Hospitals, doctors, hours and screens over HTTP."""

import secrets
from datetime import date
from typing import Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mediqon import given
from mediqon.auth import idempotency, passwords
from mediqon.auth.access import SECURITY, only, refuse_elsewhere
from mediqon.auth.models import Role
from mediqon.database import reading, statements, transaction
from mediqon.errors import NotFound
from mediqon.fields import PathId
from mediqon.given import Actor, Feed, Now, Pool
from mediqon.hospitals import doctors
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
)
from mediqon.hospitals.slots import clock, local_day

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
    refuse_elsewhere(hospital_id, actor)
    attempt = await idempotency.attempt(request, actor.id)
    password_hash = await passwords.hash_new(data.password, data.name, data.email)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        doctor_id = await doctors.add(conn, hospital_id, data, password_hash=password_hash)
        doctor = (await find_practice(conn, doctor_id)).doctor
        await idempotency.keep(conn, attempt, doctor)
    return doctor


@patch("/doctors/{doctor_id:int}", guards=[hospital_only], security=SECURITY)
async def change_doctor(
    doctor_id: PathId, data: JSONBody[DoctorChange], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Doctor:
    """Changes what is given; screens that show today follow. 409 `email_taken`."""
    async with transaction(pool) as conn:
        await doctors.lock_own(conn, doctor_id, actor.hospital_id)
        await doctors.change(conn, doctor_id, actor.hospital_id, data)
        doctor, timezone, _ = await find_practice(conn, doctor_id)
        await doctors.touch(conn, [doctor_id], local_day(now, timezone))
    async with reading(pool) as conn:
        await doctors.touch_opened(conn, [doctor_id], now)
    await feed.publish_today(doctor_id)
    return doctor


@put("/doctors/{doctor_id:int}/schedule", guards=[hospital_only], security=SECURITY)
async def set_schedule(
    doctor_id: PathId, data: JSONBody[Schedule], actor: Actor, pool: Pool, feed: Feed, now: Now
) -> Schedule:
    """A doctor's week. Windows of one day may not overlap. Seats already sold keep their number and time."""
    windows = doctors.checked(data.windows)
    async with transaction(pool) as conn:
        await doctors.lock_own(conn, doctor_id, actor.hospital_id)
        await doctors.set_hours(conn, doctor_id, windows)
        today = local_day(now, (await find_practice(conn, doctor_id)).timezone)
        await doctors.touch_hours(conn, doctor_id, today)
        schedule = await doctors.hours(conn, doctor_id)
    async with reading(pool) as conn:  # a day that got its row meanwhile was read with the hours it had
        await doctors.touch_hours(conn, doctor_id, today)
    await feed.publish_today(doctor_id)
    return schedule


@get("/doctors/{doctor_id:int}/schedule")
async def get_schedule(doctor_id: PathId, pool: Pool) -> Schedule:
    """A doctor's week."""
    async with reading(pool) as conn:
        await find_practice(conn, doctor_id)
        return await doctors.hours(conn, doctor_id)


@get("/doctors/{doctor_id:int}/slots")
async def list_slots(
    request: given.Request, doctor_id: PathId, pool: Pool, now: Now, date: FromQuery[date | None] = None
) -> Slots:
    """The seats of a day (today where left out), and which can be booked."""
    request.refuse_parameters_but("date")
    async with reading(pool) as conn:
        practice = await find_practice(conn, doctor_id)
        day = date or local_day(now, practice.timezone)
        sale = await read_day(conn, practice, day, now=now)
    bookable = {seat.number for seat in sale.free()}
    prefix = practice.doctor.token_prefix
    slots = [
        Slot(clock(seat.minute), token_label(prefix, seat.number), seat.number in bookable) for seat in sale.grid.seats
    ]
    return Slots(day.isoformat(), slots)


@post("/hospitals/{hospital_id:int}/displays", guards=[hospital_only], security=SECURITY)
async def add_display(
    request: Request[Any, Any, Any], hospital_id: PathId, data: JSONBody[NewDisplay], actor: Actor, pool: Pool, now: Now
) -> Display | Response[bytes]:
    """A new waiting-room screen. 404 unless every doctor is the hospital's own."""
    refuse_elsewhere(hospital_id, actor)
    attempt = await idempotency.attempt(request, actor.id)
    doctor_ids = list(dict.fromkeys(data.doctor_ids))
    key = secrets.token_urlsafe(DISPLAY_KEY_BYTES)
    async with transaction(pool) as conn:
        if replay := await idempotency.earlier(conn, attempt, now=now):
            return replay
        if await conn.fetchval(SQL.count_own_doctors, hospital_id, doctor_ids) != len(doctor_ids):
            raise NotFound("One of these doctors is not at your hospital.")
        display_id = await conn.fetchval(SQL.insert_display, hospital_id, data.name, key, doctor_ids, data.languages)
        display = Display(display_id, data.name, key, f"/display/{key}", doctor_ids, data.languages, None)
        await idempotency.keep(conn, attempt, display)
    return display


@get("/hospitals/{hospital_id:int}/displays", guards=[hospital_only], security=SECURITY)
async def list_displays(hospital_id: PathId, actor: Actor, pool: Pool) -> list[Display]:
    """The hospital's screens."""
    refuse_elsewhere(hospital_id, actor)
    async with reading(pool) as conn:
        rows = await conn.fetch(SQL.list_displays, hospital_id)
    return [Display(url=f"/display/{row['key']}", **row) for row in rows]


@post("/displays/{key:str}/seen", status_code=204)
async def see_display(key: FromPath[str], pool: Pool, now: Now) -> None:
    """A screen says that it is on. 404 for a key that is not in use."""
    async with reading(pool) as conn:
        if "\x00" in key or await conn.fetchval(SQL.see_display, key, now) is None:
            raise NotFound


@delete("/displays/{display_id:int}", guards=[hospital_only], security=SECURITY)
async def delete_display(display_id: PathId, actor: Actor, pool: Pool, feed: Feed) -> None:
    """Takes a screen's key back; open sockets close with 4404."""
    async with reading(pool) as conn:
        key = await conn.fetchval(SQL.delete_display, display_id, actor.hospital_id)
    if key is None:
        raise NotFound
    await feed.revoke_display(key)


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
    see_display,
    delete_display,
]
