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

-- name: insert_walk_in
-- Takes in somebody who is here. $1 hospital, $2 doctor, $3 day, $4 patient, $5 walk-in number, $6 token, $7 code,
-- $8 priority, $9 reason, $10 due at, $11 now.
insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, walk_in, token, code, status, priority,
                          reason, due_at, place_rule, booked_at, checked_in_at)
values ($1, $2, $3, $4, $2, $5, $6, $7, 'CHECKED_IN', $8, $9, $10, 'WALK_IN', $11, $11)
returning id;

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
-- The kiosk of a key, marked as seen. $1 key, $2 now.
update kiosks set last_seen_at = $2 from hospitals h
where kiosks.key = $1 and h.id = kiosks.hospital_id
returning kiosks.name, kiosks.hospital_id, kiosks.doctor_ids, h.name as hospital, h.timezone;
