-- Forgetting people and words. Days are locked first and in one order, as everywhere.

-- name: find_patient
-- A patient, how many of their visits are open, and when they were forgotten. $1 user.
select u.role, f.at as forgotten_at, count(a.id) as open_visits
from users u
left join forgettings f on f.id = u.forgetting_id
left join appointments a on a.patient_id = u.id and a.status not in ('COMPLETED', 'NO_SHOW', 'CANCELLED')
where u.id = $1 group by u.id, f.at;

-- name: idle_patients
-- Patients known since before a day, without any visit from it on. $1 day.
select u.id from users u
where u.role = 'patient' and u.forgetting_id is null and u.created_at < $1::date
  and not exists (select from appointments a where a.patient_id = u.id and a.day >= $1::date);

-- name: record
-- Must come first: what is changed points to it. $1 who, $2 what.
insert into forgettings (by, what) values ($1, $2) returning id;

-- name: move_days_on
-- Whoever holds one of their recent days in memory reads it again. $1 patients.
with recent as (
    select q.doctor_id, q.day from queues q
    where (q.day >= current_date - 2 or q.state <> 'CLOSED') and exists (
        select from appointments a where a.doctor_id = q.doctor_id and a.day = q.day and a.patient_id = any ($1::bigint[])
    )
    order by q.doctor_id, q.day for update
)
update queues q set version = q.version + 1 from recent r where q.doctor_id = r.doctor_id and q.day = r.day;

-- name: forget_people
-- $1 patients, $2 forgetting, $3 the name that stands in for theirs.
with known as (
    select id, email is not null as had_account from users where id = any ($1::bigint[]) and role = 'patient'
), gone as (
    update users u set name = $3, email = null, phone = null, password_hash = null, forgetting_id = $2,
                       disabled_at = coalesce(u.disabled_at, now())
    from known k where u.id = k.id
    returning k.had_account
)
select count(*) as patients, count(*) filter (where had_account) as accounts,
       (select count(*) from appointments where patient_id in (select id from known)) as visits
from gone;

-- name: drop_sessions
-- $1 patients.
delete from sessions where user_id = any ($1::bigint[]);

-- name: drop_answers
-- Answers kept for a repeated request, theirs or about them, their registration's too. $1 patient.
delete from idempotency_keys
where user_id = $1 or position(convert_to('"patient":{"id":' || $1::bigint || ',', 'UTF8') in body) > 0
   or user_id = 0 and position(convert_to('{"id":' || $1::bigint || ',"name":', 'UTF8') in body) = 1;

-- name: forget_reasons
-- Of visits of these patients, and of all before a day. $1 patients, $2 day or null.
with changed as (
    update appointments set reason = null
    where reason is not null and (patient_id = any ($1::bigint[]) or day < $2::date)
    returning 1
)
select count(*) from changed;

-- name: find_words
-- Events with words, in the stories of these patients' visits and in all before a day. $1 patients, $2 day or null.
select id from appointment_events
where forgetting_id is null
  and (day < $2::date or appointment_id in (select id from appointments where patient_id = any ($1::bigint[])))
  and (reason is not null or jsonb_typeof(before #> '{day,pause_reason}') = 'string'
       or jsonb_typeof(after #> '{day,pause_reason}') = 'string')
order by id;

-- name: forget_events
-- $1 events, $2 forgetting.
update appointment_events
set reason = null, before = without_words(before), after = without_words(after), forgetting_id = $2
where id = any ($1::bigint[]);

-- name: forget_days
-- Why the doctor paused or was away before a day. $1 day.
with paused as (
    update queues set pause_reason = null where pause_reason is not null and day < $1::date
)
update leaves set reason = null where reason is not null and day < $1::date;
