-- A clinic to measure: doctors, patients and visits by the thousand, and the floors that the server is compared with.

-- name: add_doctors
-- Doctors with ten-minute slots; their ids, in order. $1 hospital, $2 how many, $3 password hash.
with accounts as (
    insert into users (role, name, email, password_hash, hospital_id)
    select 'doctor', 'Dr Bench ' || n, 'doctor' || n || '@bench.example', $3, $1 from generate_series(1, $2::int) n
    returning id
)
insert into doctors (user_id, hospital_id, specialty, room, token_prefix, slot_minutes)
select id, $1, 'General', '1', 'A', 10 from accounts order by id
returning id;

-- name: add_hours
-- The same hours on every day, for every doctor. $1 hospital, $2 start, $3 end, $4 capacity.
insert into schedule_windows (doctor_id, weekday, start_minute, end_minute, capacity)
select d.id, weekday, $2, $3, $4 from doctors d, generate_series(0, 6) weekday where d.hospital_id = $1;

-- name: add_patients
-- Patients who can log in; their ids, in order. $1 how many, $2 password hash.
insert into users (role, name, email, password_hash)
select 'patient', 'Pat Bench ' || n, 'patient' || n || '@bench.example', $2 from generate_series(1, $1::int) n
returning id;

-- name: open_days
-- A day of every doctor on which $3 visits will have been taken in. $1 hospital, $2 day, $3 visits.
insert into queues (doctor_id, day, version, last_walk_in, call_seq)
select d.id, $2, $3::int, $3::int, 1 from doctors d where d.hospital_id = $1;

-- name: add_visits
-- Somebody called and everybody else waiting, on that day of every doctor. $1 hospital, $2 day, $3 patients, $4 now.
insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, walk_in, token, code, status, due_at,
                          place_rule, booked_at, checked_in_at, called_at)
select $1, d.id, $2, p.id, d.id, p.n, 'A-W' || lpad(p.n::text, 2, '0'), substr(md5(d.id || '-' || p.n), 1, 16),
       case p.n when 1 then 'CALLED' else 'CHECKED_IN' end::visit_status,
       $4::timestamptz + make_interval(mins => p.n::int), 'WALK_IN', $4, $4, case p.n when 1 then $4::timestamptz end
from doctors d, unnest($3::bigint[]) with ordinality as p (id, n)
where d.hospital_id = $1
order by d.id, p.n
returning id, doctor_id, code, status;

-- name: close_past_days
-- Days that are over, for the history. $1 doctors, $2 today, $3 how many days back.
insert into queues (doctor_id, day, version, state)
select doctor_id, $2::date - back, 1, 'CLOSED' from unnest($1::bigint[]) doctor_id, generate_series(1, $3::int) back;

-- name: add_past_visits
-- Visits number $4 to $5 of the history, each with its event: $6 a day for each doctor, yesterday's first.
-- $1 hospital, $2 doctors, $3 patients, $7 today.
with visits as (
    insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, seat, token, code, status,
                              scheduled_at, due_at, place_rule, booked_at, checked_in_at, called_at, started_at, ended_at)
    select $1, doctor, day, ($3::bigint[])[1 + i % cardinality($3::bigint[])], doctor, seat,
           'A-' || lpad(seat::text, 3, '0'), substr(md5('past-' || i), 1, 16), 'COMPLETED', at, at, 'SLOT', at, at, at, at, at
    from generate_series($4::bigint, $5::bigint) i,
         lateral (select ($2::bigint[])[1 + i % cardinality($2::bigint[])] as doctor,
                         (1 + i / cardinality($2::bigint[]) % $6)::int as seat,
                         ($7::date - 1 - (i / (cardinality($2::bigint[]) * $6::bigint))::int) as day) place,
         lateral (select day + make_interval(mins => 480 + seat * 10) as at) time
    returning id, doctor_id, day, booked_at
)
insert into appointment_events (doctor_id, day, queue_version, appointment_id, at, verb, from_status, to_status)
select doctor_id, day, 1, id, booked_at, 'book', null, 'BOOKED' from visits;

-- name: history_indexes
-- How to drop and how to make again each index of the visits and their events: it is faster to sort two million rows once.
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop_it,
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as make_it
from pg_constraint
where contype = 'u' and conrelid in ('appointments'::regclass, 'appointment_events'::regclass)
union all
select format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
from pg_index
where indrelid in ('appointments'::regclass, 'appointment_events'::regclass)
  and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'));

-- name: floor_open
-- The days that the floors write to. $1 doctors, $2 first day, $3 how many days.
insert into queues (doctor_id, day)
select doctor_id, $2::date + n from unnest($1::bigint[]) doctor_id, generate_series(0, $3::int - 1) n
on conflict do nothing;

-- name: floor_lock
-- $1 doctor, $2 day.
select version from queues where doctor_id = $1 and day = $2 for update;

-- name: floor_insert
-- $1 hospital, $2 doctor, $3 day, $4 patient, $5 seat, $6 code.
insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, seat, token, code, status, scheduled_at,
                          due_at, place_rule, booked_at)
values ($1, $2, $3, $4, $2, $5, 'A-001', $6, 'BOOKED', now(), now(), 'SLOT', now())
returning id;

-- name: floor_event
-- $1 doctor, $2 day, $3 appointment, $4 actor.
insert into appointment_events (doctor_id, day, queue_version, appointment_id, at, actor_id, verb, to_status)
values ($1, $2, 1, $3, now(), $4, 'book', 'BOOKED');

-- name: floor_advance
-- $1 doctor, $2 day.
update queues set version = version + 1 where doctor_id = $1 and day = $2;

-- name: floor_move
-- $1 appointment, $2 status.
update appointments set status = $2, version = version + 1 where id = $1;

-- name: installation
-- The name under which this database's days are published.
select id::text from installation;
