-- Buildings, doctors, hours and screens. "Not yours" and "not there" are the same empty result: the owner is in the WHERE.

-- name: list_hospitals
-- Every hospital, by name.
select id, name, timezone from hospitals order by name, id;

-- name: find_hospital
-- $1 hospital.
select id, name, timezone from hospitals where id = $1;

-- name: insert_hospital
-- $1 name, $2 timezone.
insert into hospitals (name, timezone) values ($1, $2) returning id;

-- name: read_settings
-- $1 hospital.
select name, timezone, settings from hospitals where id = $1;

-- name: lock_settings
-- The same, nobody else's to change until the transaction ends. $1 hospital.
select name, timezone, settings from hospitals where id = $1 for no key update;

-- name: change_settings
-- Changes what is given, keeps what is null. $1 hospital, $2 name, $3 timezone, $4 settings that differ.
update hospitals set name = coalesce($2, name), timezone = coalesce($3, timezone), settings = settings || $4 where id = $1;

-- name: lock_doctors
-- Keeps others from changing the doctors of a hospital meanwhile. $1 hospital.
select id from doctors where hospital_id = $1 order by id for no key update;

-- name: bar_days
-- Lets nobody make the row of a day at these doctors until the transaction ends. Their days that have one are locked before,
-- in the order of whoever books. $1 hospital.
select id from doctors where hospital_id = $1 order by id for update;

-- name: try_timezone
-- Fails for a timezone that PostgreSQL does not know. $1 now, $2 timezone.
select $1::timestamptz at time zone $2::text;

-- name: promised_from
-- Whether a hospital has an appointment on or after a day, cancelled ones apart. Doctor by doctor, the latest day first:
-- PostgreSQL does not know that few days are to come, and would read every visit there is. $1 hospital, $2 day.
select exists (
    select from doctors d
    cross join lateral (
        select from appointments a where a.doctor_id = d.id and a.day >= $2 and a.status <> 'CANCELLED'
        order by a.day desc limit 1
    ) promised
    where d.hospital_id = $1
);

-- name: zones
-- In which timezone each of these doctors works. $1 doctors.
select d.id, h.timezone from doctors d join hospitals h on h.id = d.hospital_id where d.id = any ($1);

-- name: list_staff
-- The accounts that manage a hospital, by name. $1 hospital.
select id, name, email, role, hospital_id, null::bigint as doctor_id
from users where hospital_id = $1 and role = 'hospital' and disabled_at is null order by name, id;

-- name: lock_staff
-- The same accounts, none to be disabled by anybody else until the transaction ends. $1 hospital.
select id from users where hospital_id = $1 and role = 'hospital' and disabled_at is null order by id for no key update;

-- name: list_doctors
-- The doctors of a hospital, by name. $1 hospital.
select d.id, d.hospital_id, u.name, d.specialty, d.room, d.token_prefix, d.slot_minutes
from doctors d join users u on u.id = d.user_id
where d.hospital_id = $1 order by u.name, d.id;

-- name: find_doctor
-- A doctor, with the timezone and the settings of the hospital. $1 doctor.
select d.id, d.hospital_id, u.name, d.specialty, d.room, d.token_prefix, d.slot_minutes, h.timezone, h.settings
from doctors d join users u on u.id = d.user_id join hospitals h on h.id = d.hospital_id
where d.id = $1;

-- name: doctors_at
-- Whose these addresses are; `doctor_id` only where it is a doctor of this hospital. $1 addresses, $2 hospital.
select u.email, d.id as doctor_id
from users u left join doctors d on d.user_id = u.id and d.hospital_id = $2
where u.email = any ($1) and u.disabled_at is null;

-- name: doctor_account
-- What a doctor of this hospital logs in with. $1 doctor, $2 hospital.
select u.id, u.name, u.email from doctors d join users u on u.id = d.user_id where d.id = $1 and d.hospital_id = $2;

-- name: insert_doctor
-- $1 user, $2 hospital, $3 specialty, $4 room, $5 token prefix (null: the first free letter), $6 minutes a slot.
insert into doctors (user_id, hospital_id, specialty, room, token_prefix, slot_minutes)
values ($1, $2, $3, $4, coalesce($5, (
    select chr(letter) from generate_series(65, 90) as letter
    where not exists (select from doctors d where d.hospital_id = $2 and d.token_prefix = chr(letter))
    order by letter limit 1), 'A'), $6)
returning id;

-- name: update_doctor
-- Changes what is given, keeps what is null. $1 doctor, $2 hospital, $3 specialty, $4 room, $5 token prefix, $6 minutes a slot.
update doctors set specialty = coalesce($3, specialty), room = coalesce($4, room),
       token_prefix = coalesce($5, token_prefix), slot_minutes = coalesce($6, slot_minutes)
where id = $1 and hospital_id = $2
returning user_id;

-- name: update_doctor_account
-- Changes a doctor's name or address. $1 user, $2 name, $3 email.
update users set name = coalesce($2, name), email = coalesce(lower($3), email) where id = $1;

-- name: touch_days
-- Counts a change of what the screens of these doctors show, such as a name or a room, on every day from today on that has
-- a row, one by one in the one order of all; a today that nobody has touched yet gets its row, so that this counts too.
-- $1 doctors, $2 today.
insert into queues (doctor_id, day, version)
select doctor_id, day, 1
from (
    select id as doctor_id, $2 as day from unnest($1::bigint[]) as touched (id)
    union select doctor_id, day from queues where doctor_id = any ($1) and day > $2
) asked
order by doctor_id, day
on conflict (doctor_id, day) do update set version = queues.version + 1;

-- name: touch_later
-- The same for the days after that one alone, and no row is made. $1 doctors, $2 day.
with later as (
    select doctor_id, day from queues where doctor_id = any ($1) and day > $2 order by doctor_id, day for update
)
update queues set version = version + 1
from later where queues.doctor_id = later.doctor_id and queues.day = later.day;

-- name: touch_opened
-- The same for the days after today at each doctor's hospital. $1 doctors, $2 now.
with later as (
    select q.doctor_id, q.day
    from queues q join doctors d on d.id = q.doctor_id join hospitals h on h.id = d.hospital_id
    where q.doctor_id = any ($1) and q.day > ($2::timestamptz at time zone h.timezone)::date
    order by q.doctor_id, q.day for update of q
)
update queues set version = version + 1
from later where queues.doctor_id = later.doctor_id and queues.day = later.day;

-- name: own_doctor
-- Locks a doctor of this hospital for a change, and proves that it is theirs. `no key`, because a booking that holds the day
-- refers to the doctor: it and we would wait for each other. $1 doctor, $2 hospital.
select id from doctors where id = $1 and hospital_id = $2 for no key update;

-- name: schedule_windows
-- A doctor's weekly hours. $1 doctor.
select weekday, start_minute, end_minute, capacity from schedule_windows where doctor_id = $1 order by weekday, start_minute;

-- name: clear_schedule
-- $1 doctor.
delete from schedule_windows where doctor_id = $1;

-- name: insert_window
-- $1 doctor, $2 weekday, $3 start, $4 end, $5 capacity.
insert into schedule_windows (doctor_id, weekday, start_minute, end_minute, capacity) values ($1, $2, $3, $4, $5);

-- name: mark_special_day
-- This date has hours of its own. $1 doctor, $2 day.
insert into special_days (doctor_id, day) values ($1, $2) on conflict do nothing;

-- name: clear_special_windows
-- $1 doctor, $2 day.
delete from special_windows where doctor_id = $1 and day = $2;

-- name: insert_special_window
-- $1 doctor, $2 day, $3 start, $4 end, $5 capacity.
insert into special_windows (doctor_id, day, start_minute, end_minute, capacity) values ($1, $2, $3, $4, $5);

-- name: forget_special_day
-- The week's hours hold again. $1 doctor, $2 day.
delete from special_days where doctor_id = $1 and day = $2;

-- name: date_windows
-- The hours of one date, its own or the week's, leave apart. $1 doctor, $2 weekday, $3 day.
select start_minute, end_minute, capacity from special_windows where doctor_id = $1 and day = $3
union all
select start_minute, end_minute, capacity from schedule_windows
where doctor_id = $1 and weekday = $2 and not exists (select from special_days where doctor_id = $1 and day = $3)
order by start_minute;

-- name: special_days
-- The dates from a day on that have hours of their own. $1 doctor, $2 first day.
select day from special_days where doctor_id = $1 and day >= $2 order by day;

-- name: day_hours
-- What a day's seats are made of: its windows, and its leave with capacity 0. $1 doctor, $2 weekday, $3 day.
select start_minute, end_minute, capacity from special_windows where doctor_id = $1 and day = $3
union all
select start_minute, end_minute, capacity from schedule_windows
where doctor_id = $1 and weekday = $2 and not exists (select from special_days where doctor_id = $1 and day = $3)
union all
select start_minute, end_minute, 0 from leaves where doctor_id = $1 and day = $3
order by start_minute;

-- name: sold_seats
-- Seats of a day that are taken. $1 doctor, $2 day.
select seat, scheduled_at from appointments
where issued_by = $1 and day = $2 and seat is not null and (status <> 'CANCELLED' or checked_in_at is not null);

-- name: day_closed
-- Whether a day is closed: nothing of it is sold any more. $1 doctor, $2 day.
select exists (select from queues where doctor_id = $1 and day = $2 and state = 'CLOSED');

-- name: insert_display
-- $1 hospital, $2 name, $3 key, $4 doctors, $5 languages.
insert into displays (hospital_id, name, key, doctor_ids, languages) values ($1, $2, $3, $4, $5) returning id;

-- name: count_own_doctors
-- How many of these doctors belong to the hospital. $1 hospital, $2 doctors.
select count(*) from doctors where hospital_id = $1 and id = any ($2);

-- name: list_displays
-- $1 hospital.
select id, name, key, doctor_ids, languages, last_seen_at from displays where hospital_id = $1 order by id;

-- name: find_display
-- What a screen shows, in which languages. $1 key.
select id, doctor_ids, languages from displays where key = $1;

-- name: see_display
-- Marks a screen as seen. $1 key, $2 now.
update displays set last_seen_at = $2 where key = $1 returning id;

-- name: delete_display
-- $1 display, $2 hospital.
delete from displays where id = $1 and hospital_id = $2 returning key;

-- name: living_displays
-- Which of these keys are still good. $1 keys.
select key from displays where key = any ($1);
