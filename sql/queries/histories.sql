-- What closed days teach, and how good what was shown has been.

-- name: lock_history
-- What is known of a doctor, nobody else's to change until the transaction ends. $1 doctor.
select history from histories where doctor_id = $1 for update;

-- name: keep_history
-- $1 doctor, $2 history.
insert into histories (doctor_id, history) values ($1, $2)
on conflict (doctor_id) do update set history = excluded.history;

-- name: closed_days
-- A doctor's closed days up to a day, the latest first. $1 doctor, $2 day, $3 at most so many.
select day from queues where doctor_id = $1 and state = 'CLOSED' and day <= $2 order by day desc limit $3;

-- name: doctors
-- Every doctor with a closed day.
select distinct doctor_id from queues where state = 'CLOSED' order by doctor_id;

-- name: story
-- What was shown and who was called, day by day and oldest first; what was taken back is left out.
-- $1 doctor, $2 first day, $3 last day.
select e.day, e.at, e.appointment_id, e.verb = 'call' as called, e.shown, a.scheduled_at
from appointment_events e left join appointments a on a.id = e.appointment_id
where e.doctor_id = $1 and e.day between $2 and $3 and (e.shown is not null or e.verb = 'call')
  and not exists (
      select from appointment_events t where t.doctor_id = e.doctor_id and t.day = e.day and t.undoes = e.queue_version
  )
order by e.day, e.id;
