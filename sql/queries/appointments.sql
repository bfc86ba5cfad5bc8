-- Promises about the future: seats sold, walk-ins taken in, and what a patient holds.

-- name: find_open_visit
-- The patient's open visit with this doctor on this day. $1 patient, $2 doctor, $3 day.
select id from appointments
where patient_id = $1 and doctor_id = $2 and day = $3
  and status in ('BOOKED', 'CHECKED_IN', 'CALLED', 'IN_CONSULTATION', 'ON_HOLD');

-- name: insert_booking
-- Sells one seat. $1 hospital, $2 doctor, $3 day, $4 patient, $5 seat, $6 token, $7 code, $8 reason, $9 slot start, $10 now.
insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, seat, token, code, status, reason,
                          scheduled_at, due_at, booked_at)
values ($1, $2, $3, $4, $2, $5, $6, $7, 'BOOKED', $8, $9, $9, $10)
returning id;

-- name: insert_walk_in
-- Takes in somebody who is here. $1 hospital, $2 doctor, $3 day, $4 patient, $5 walk-in number, $6 token, $7 code,
-- $8 priority, $9 reason, $10 due at, $11 now.
insert into appointments (hospital_id, doctor_id, day, patient_id, issued_by, walk_in, token, code, status, priority,
                          reason, due_at, booked_at, checked_in_at)
values ($1, $2, $3, $4, $2, $5, $6, $7, 'CHECKED_IN', $8, $9, $10, $11, $11)
returning id;

-- name: patient_days
-- The days on which a patient has visits, newest first. $1 patient, $2 at most so many.
select id, doctor_id, day from appointments where patient_id = $1 order by day desc, id desc limit $2;

-- name: find_code
-- Whose place a public code shows. $1 code.
select doctor_id, day from appointments where code = $1;
