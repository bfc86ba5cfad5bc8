-- Promises about the future: seats sold, walk-ins taken in, and what a patient holds.

-- name: reserve_visits
-- Ids for visits that are about to be booked, and their patients, in order: those of the accounts, with no name where an
-- account is gone; a new one for whoever has none. $1 accounts, null for none.
with asked as materialized (
    select number, account_id, nextval('appointments_id_seq') as id,
           case when account_id is null then nextval('users_id_seq') else account_id end as patient_id
    from unnest($1::bigint[]) with ordinality as asked (account_id, number)
)
select a.id, a.patient_id, u.name
from asked a left join users u on u.id = a.account_id and u.disabled_at is null
order by a.number;

-- name: reserve_walk_ins
-- Ids for visits of those who are about to be taken in, their patients and their walk-in numbers, in order; each number
-- holds as long as the day has the version that it was asked for. $1 doctors, $2 days (of equal length).
with asked as materialized (
    select number, doctor_id, day, nextval('appointments_id_seq') as id, nextval('users_id_seq') as patient_id,
           row_number() over (partition by doctor_id, day order by number) as ahead
    from unnest($1::bigint[], $2::date[]) with ordinality as asked (doctor_id, day, number)
)
select a.id, a.patient_id, (q.last_walk_in + a.ahead)::integer as walk_in
from asked a
cross join lateral (select * from queues q where q.doctor_id = a.doctor_id and q.day = a.day limit 1) q
order by a.number;

-- name: transfer_visit
-- Hands a visit to another doctor; number and label stay its issuer's. $1 appointment, $2 doctor, $3 status.
update appointments set doctor_id = $2, status = $3, called_at = null, started_at = null, calls = 0 where id = $1;

-- name: reschedule_visit
-- Gives a visit another seat of its doctor. $1 appointment, $2 day, $3 seat, $4 token, $5 slot start.
update appointments set day = $2, issued_by = doctor_id, seat = $3, token = $4, scheduled_at = $5 where id = $1;

-- name: renew_code
-- Another public code for a visit. $1 appointment, $2 code.
update appointments set code = $2 where id = $1;

-- name: insert_leave
-- $1 doctor, $2 day, $3 start, $4 end, $5 reason.
insert into leaves (doctor_id, day, start_minute, end_minute, reason) values ($1, $2, $3, $4, $5) returning id;

-- name: list_leave
-- A doctor's leave from a day on. $1 doctor, $2 first day.
select id, doctor_id, day, start_minute, end_minute, reason from leaves where doctor_id = $1 and day >= $2 order by day, start_minute;

-- name: find_leave
-- Leave of a doctor of this hospital. $1 leave, $2 hospital.
select l.id, l.doctor_id, l.day, l.start_minute, l.end_minute, l.reason
from leaves l join doctors d on d.id = l.doctor_id where l.id = $1 and d.hospital_id = $2;

-- name: delete_leave
-- $1 leave.
delete from leaves where id = $1;

-- name: patient_days
-- The days on which a patient has visits, newest first. $1 patient, $2 at most so many.
select id, doctor_id, day from appointments where patient_id = $1 order by day desc, id desc limit $2;

-- name: find_code
-- Whose place a public code shows. $1 code.
select doctor_id, day from appointments where code = $1;

-- name: insert_kiosk
-- $1 hospital, $2 name, $3 key, $4 doctors.
insert into kiosks (hospital_id, name, key, doctor_ids) values ($1, $2, $3, $4) returning id;

-- name: list_kiosks
-- The kiosks of a hospital. $1 hospital.
select id, name, key, doctor_ids, last_seen_at from kiosks where hospital_id = $1 order by id;

-- name: delete_kiosk
-- $1 kiosk, $2 hospital.
delete from kiosks where id = $1 and hospital_id = $2 returning id;

-- name: see_kiosk
-- The kiosk of a key, marked as seen, where that was not done just before: many at once do not wait for each other.
-- $1 key, $2 now.
with seen as (
    update kiosks set last_seen_at = $2
    where key = $1 and (last_seen_at is null or last_seen_at < $2::timestamptz - interval '10 seconds')
)
select k.name, k.hospital_id, k.doctor_ids, h.name as hospital, h.timezone
from kiosks k join hospitals h on h.id = k.hospital_id where k.key = $1;
