-- The line of one doctor's day. A change locks the queue row first (`lock_days`), or is written only where the row still has
-- the version that it goes on from (`save_change`): so a day's changes happen one by one.

-- name: hold_days
-- Makes the rows of these days where they are missing, and locks those that are there: one by one in their order, until the
-- transaction ends. What `on conflict` meets is locked, also where the row then stays as it is.
-- $1 doctors, $2 days (of equal length).
insert into queues (doctor_id, day)
select doctor_id, day from unnest($1::bigint[], $2::date[]) as asked (doctor_id, day) order by doctor_id, day
on conflict (doctor_id, day) do update set version = queues.version where false;

-- name: open_queues
-- Makes those rows and locks no other. A row that is there is not even tried: `on conflict` would wait for whoever changes
-- it. $1 doctors, $2 days (of equal length).
insert into queues (doctor_id, day)
select doctor_id, day from unnest($1::bigint[], $2::date[]) as asked (doctor_id, day)
where not exists (select from queues q where q.doctor_id = asked.doctor_id and q.day = asked.day)
order by doctor_id, day
on conflict do nothing;

-- name: close_untouched
-- Drops the rows of these days while nothing has happened on them. $1 doctors, $2 days (of equal length).
delete from queues q using unnest($1::bigint[], $2::date[]) as asked (doctor_id, day)
where q.doctor_id = asked.doctor_id and q.day = asked.day and q.version = 0;

-- name: lock_days
-- Locks these days until the transaction ends, one by one in their order; a day whose row is not there yet is left out. They
-- are read afterwards, by a statement of its own: this one may have waited, and joined rows would still be those of before
-- the wait. $1 doctors, $2 days (of equal length).
select q.doctor_id, q.day, q.version
from (select * from unnest($1::bigint[], $2::date[]) as asked (doctor_id, day) order by doctor_id, day) asked
cross join lateral (
    select * from queues q where q.doctor_id = asked.doctor_id and q.day = asked.day for update
) q;

-- name: lock_free_days
-- The same without waiting: a day that somebody else has locked is left out too. $1 doctors, $2 days (of equal length).
select q.doctor_id, q.day, q.version
from (select * from unnest($1::bigint[], $2::date[]) as asked (doctor_id, day) order by doctor_id, day) asked
cross join lateral (
    select * from queues q where q.doctor_id = asked.doctor_id and q.day = asked.day for update skip locked
) q;

-- name: lock_visit_day
-- The day of a visit, locked, if the asker may see the visit: its patient, its doctor, its hospital.
-- $1 appointment, $2 role, $3 user, $4 hospital of the user, $5 doctor of the user.
select q.doctor_id, q.day, q.version from queues q
where (q.doctor_id, q.day) = (
    select a.doctor_id, a.day from appointments a
    where a.id = $1 and case $2::user_role
        when 'patient' then a.patient_id = $3
        when 'doctor' then a.doctor_id = $5
        when 'hospital' then a.hospital_id = $4
    end
)
for update;

-- name: look_at_days
-- Days without their visits, with their hours, what is shown of them and what is known of the doctor; one that nobody has
-- touched yet reads as version 0. Left out: those that still have the version that the asker knows.
-- $1 doctors, $2 days, $3 versions known, -1 for none (of equal length).
select d.id as doctor_id, u.name as doctor, d.room, d.slot_minutes, d.token_prefix, d.hospital_id, h.name as hospital,
       h.timezone, h.settings, asked.day, coalesce(q.version, 0) as version, coalesce(q.state, 'OPEN') as state,
       coalesce(q.delay_minutes, 0) as delay_minutes, q.delayed_at, q.paused_until, q.pause_reason,
       coalesce(q.call_seq, 0) as call_seq, coalesce(q.shown, '[]') as shown, k.history, (
           select coalesce(jsonb_agg(to_jsonb(w) order by w.start_minute), '[]') from (
               select start_minute, end_minute, capacity from special_windows where doctor_id = d.id and day = asked.day
               union all
               select start_minute, end_minute, capacity from schedule_windows
               where doctor_id = d.id and weekday = extract(isodow from asked.day) - 1
                 and not exists (select from special_days where doctor_id = d.id and day = asked.day)
               union all
               select start_minute, end_minute, 0 from leaves where doctor_id = d.id and day = asked.day
           ) w
       ) as hours
from unnest($1::bigint[], $2::date[], $3::bigint[]) as asked (doctor_id, day, version)
left join lateral (select * from queues q where q.doctor_id = asked.doctor_id and q.day = asked.day limit 1) q on true
join doctors d on d.id = asked.doctor_id
join users u on u.id = d.user_id
join hospitals h on h.id = d.hospital_id
left join histories k on k.doctor_id = d.id
where coalesce(q.version, 0) <> asked.version;

-- name: visits_of_days
-- Every visit of these days, in the order of booking. $1 doctors, $2 days (of equal length).
select a.*, u.name as patient
from unnest($1::bigint[], $2::date[]) as asked (doctor_id, day)
cross join lateral (
    select a.doctor_id, a.day, a.id, a.patient_id, a.token, a.code, a.status, a.priority, a.version, a.reason, a.due_at,
           a.place_rule, a.issued_by, a.seat, a.scheduled_at, a.booked_at, a.checked_in_at, a.called_at, a.started_at,
           a.ended_at, a.calls
    from appointments a where a.doctor_id = asked.doctor_id and a.day = asked.day
) a
join users u on u.id = a.patient_id
order by a.id;

-- name: versions
-- Which of the watched days exist, and how far they are. $1 doctors, $2 days (of equal length).
select q.doctor_id, q.day, q.version
from unnest($1::bigint[], $2::date[]) as watched (doctor_id, day)
cross join lateral (select * from queues q where q.doctor_id = watched.doctor_id and q.day = watched.day limit 1) q;

-- name: days_over
-- Days that are over at their hospital and not closed yet, the oldest first. $1 now.
select q.doctor_id, q.day
from queues q join doctors d on d.id = q.doctor_id join hospitals h on h.id = d.hospital_id
where q.state <> 'CLOSED' and q.day < ($1::timestamptz at time zone h.timezone)::date
order by q.day, q.doctor_id limit 100;

-- name: find_visit
-- Where a visit stands in line, if the asker may see it: its patient, its doctor, its hospital.
-- $1 appointment, $2 role, $3 user, $4 hospital of the user, $5 doctor of the user.
select a.doctor_id, a.day from appointments a
where a.id = $1 and case $2::user_role
    when 'patient' then a.patient_id = $3
    when 'doctor' then a.doctor_id = $5
    when 'hospital' then a.hospital_id = $4
end;

-- name: find_visits
-- The same of several askers: `number` counts them from 1. $1 appointments, $2 roles, $3 users, $4 hospitals of the users,
-- $5 doctors of the users (of equal length).
select asked.number, a.doctor_id, a.day
from unnest($1::bigint[], $2::user_role[], $3::bigint[], $4::bigint[], $5::bigint[]) with ordinality
    as asked (id, role, user_id, hospital_id, doctor_id, number)
join appointments a on a.id = asked.id and case asked.role
    when 'patient' then a.patient_id = asked.user_id
    when 'doctor' then a.doctor_id = asked.doctor_id
    when 'hospital' then a.hospital_id = asked.hospital_id
end;

-- name: save_change
-- Writes what was done to days: visits that are new with those of their patients who have no account, what other visits
-- have become, the days' story, the days themselves and their next versions, and what their askers will be told again.
-- Each day is written whole or not at all: nothing of one that is not at the version any more that its change goes on from,
-- that somebody else has locked, or of whose askers one has asked before. Tells which were written.
-- $1 new visits, $2 changed visits, $3 events, $4 days, $5 answers, each a JSON list; $6 the changed visits' ids. Rows are
-- found by lists of their keys, or one by one (lateral): how long a JSON list is PostgreSQL does not know beforehand, and it
-- would read whole tables instead.
with answers as materialized (
    select a.*, pg_try_advisory_xact_lock(hashtextextended(a.key, a.user_id)) and k.since is null as first
    from jsonb_to_recordset($5) as a (
        doctor_id bigint, day date, user_id bigint, key text, digest text, status smallint, body text, at timestamptz
    )
    left join lateral (
        select k.created_at as since from idempotency_keys k where k.user_id = a.user_id and k.key = a.key limit 1
    ) k on true
), held as materialized (
    select d.doctor_id, d.day
    from jsonb_to_recordset($4) as d (doctor_id bigint, day date, since bigint)
    cross join lateral (
        select from queues q where q.doctor_id = d.doctor_id and q.day = d.day and q.version = d.since for update skip locked
    ) locked
    where (d.doctor_id, d.day) not in (select doctor_id, day from answers where not first)
), kept as (
    insert into idempotency_keys (user_id, key, request_hash, status, body, created_at)
    select user_id, key, decode(digest, 'hex'), status, convert_to(body, 'UTF8'), at
    from answers where (doctor_id, day) in (select doctor_id, day from held)
), bookings as materialized (
    select b.*
    from jsonb_to_recordset($1) as b (
        id bigint, hospital_id bigint, doctor_id bigint, day date, patient_id bigint, name text, phone text, seat integer,
        walk_in integer, token text, code text, status visit_status, priority visit_priority, reason text,
        due_at timestamptz, place_rule place_rule, scheduled_at timestamptz, booked_at timestamptz, checked_in_at timestamptz
    )
    where (doctor_id, day) in (select doctor_id, day from held)
), entered as (
    insert into users (id, role, name, phone) overriding system value
    select patient_id, 'patient', name, phone from bookings where name is not null
), made as (
    insert into appointments (id, hospital_id, doctor_id, day, patient_id, issued_by, seat, walk_in, token, code, status,
                              priority, reason, due_at, place_rule, scheduled_at, booked_at, checked_in_at)
        overriding system value
    select id, hospital_id, doctor_id, day, patient_id, doctor_id, seat, walk_in, token, code, status, priority, reason,
           due_at, place_rule, scheduled_at, booked_at, checked_in_at
    from bookings
), numbered as materialized (
    select doctor_id, day, max(walk_in) as last from bookings where walk_in is not null group by doctor_id, day
), moved as (
    update appointments a
    set status = v.status, priority = v.priority, due_at = v.due_at, place_rule = v.place_rule,
        checked_in_at = v.checked_in_at, called_at = v.called_at, started_at = v.started_at, ended_at = v.ended_at,
        calls = v.calls, version = a.version + 1
    from jsonb_to_recordset($2) as v (
        id bigint, doctor_id bigint, day date, status visit_status, priority visit_priority, due_at timestamptz,
        place_rule place_rule, checked_in_at timestamptz, called_at timestamptz, started_at timestamptz,
        ended_at timestamptz, calls smallint
    )
    where (v.doctor_id, v.day) in (select doctor_id, day from held) and a.id = v.id and a.id = any($6::bigint[])
), told as (
    insert into appointment_events (doctor_id, day, queue_version, appointment_id, at, actor_id, verb, from_status,
                                    to_status, reason, before, after, promised_at, undoes, shown)
    select e.doctor_id, e.day, e.queue_version, e.appointment_id, e.at, e.actor_id, e.verb, e.from_status,
           e.to_status, e.reason, e.before, e.after, e.promised_at, e.undoes, e.shown
    from jsonb_to_recordset($3) as e (
        doctor_id bigint, day date, queue_version bigint, appointment_id bigint, at timestamptz, actor_id bigint,
        verb text, from_status visit_status, to_status visit_status, reason text, before jsonb, after jsonb,
        promised_at timestamptz, undoes bigint, shown jsonb
    )
    where (e.doctor_id, e.day) in (select doctor_id, day from held)
), gone_on as (
    update queues q
    set version = d.version, call_seq = d.call_seq, state = d.state, delay_minutes = d.delay_minutes,
        delayed_at = d.delayed_at, paused_until = d.paused_until, pause_reason = d.pause_reason,
        shown = coalesce(d.shown, q.shown), last_walk_in = coalesce((
            select n.last from numbered n where n.doctor_id = d.doctor_id and n.day = d.day
        ), q.last_walk_in)
    from jsonb_to_recordset($4) as d (
        doctor_id bigint, day date, version bigint, call_seq bigint, state queue_state, delay_minutes smallint,
        delayed_at timestamptz, paused_until timestamptz, pause_reason text, shown jsonb
    )
    where (d.doctor_id, d.day) in (select doctor_id, day from held) and q.doctor_id = d.doctor_id and q.day = d.day
      and q.doctor_id = any (array(select doctor_id from held)) and q.day = any (array(select day from held))
)
select doctor_id, day from held;

-- name: last_change
-- What an undo would take back: the events of the latest change that staff made and nobody has undone. Bookings and
-- walk-ins are cancelled, not undone; a code that was taken back stays so. $1 doctor, $2 day.
select e.queue_version, e.appointment_id, e.verb, e.before, e.after
from appointment_events e
where e.doctor_id = $1 and e.day = $2 and e.queue_version = (
    select max(l.queue_version)
    from appointment_events l join users u on u.id = l.actor_id
    where l.doctor_id = $1 and l.day = $2 and u.role <> 'patient' and l.verb not in ('book', 'walk_in', 'new_code', 'undo')
      and l.queue_version <> all (array(select undone.undoes from appointment_events undone
                                        where undone.doctor_id = $1 and undone.day = $2 and undone.undoes is not null))
)
order by e.id;

-- name: visit_events
-- The story of one visit, oldest first. $1 appointment.
select e.at, e.actor_id, u.name as actor_name, u.role as actor_role, e.verb, e.from_status, e.to_status, e.reason
from appointment_events e left join users u on u.id = e.actor_id
where e.appointment_id = $1
order by e.id;

-- name: day_events
-- The story of one day, oldest first, and what of it was taken back. $1 doctor, $2 day.
select e.at, e.actor_id, u.name as actor_name, u.role as actor_role, e.verb, e.appointment_id, a.token, e.reason,
       e.before, e.after, e.queue_version in (
           select t.undoes from appointment_events t where t.doctor_id = $1 and t.day = $2 and t.undoes is not null
       ) as undone
from appointment_events e
left join users u on u.id = e.actor_id
left join appointments a on a.id = e.appointment_id
where e.doctor_id = $1 and e.day = $2
order by e.id;
