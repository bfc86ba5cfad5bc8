-- The logbook, append-only, each entry sealed together with the one before it.

-- name: lock_logbook
-- One process writes at a time. Held until the transaction ends.
select pg_advisory_xact_lock(x'4d514c42'::bigint);

-- name: last_entry
-- Where the next entry goes on.
select day, number, seal from audit order by day desc, number desc limit 1;

-- name: append
-- $1 day, $2 number, $3 at, $4 actor, $5 role, $6 address, $7 action, $8 object, $9 outcome, $10 times, $11 request, $12 key,
-- $13 seal.
insert into audit (day, number, at, actor_id, actor_role, address, action, object, outcome, times, request, key, seal)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: last_object
-- The object of the latest entry of an action. $1 action.
select object from audit where action = $1 order by day desc, number desc limit 1;

-- name: entries
-- The whole logbook, oldest first.
select day, number, at, actor_id, actor_role, address, action, object, outcome, times, request, key, seal
from audit order by day, number;

-- name: seals
-- What seals visits' stories, and what was dropped, oldest first. $1 actions.
select day, number, at, actor_id, actor_role, address, action, object, outcome, times, request, key, seal
from audit where action = any ($1) order by day, number;

-- name: first_day
-- How far back the logbook goes.
select min(day) from audit;

-- name: last_before
-- The last entry before a day. $1 day.
select day, number, seal from audit where day < $1 order by day desc, number desc limit 1;

-- name: allow_dropping
-- For the length of a transaction; the trigger still wants an entry that says so.
grant delete on audit to current_user;

-- name: drop
-- $1 before this day.
delete from audit where day < $1;

-- name: refuse_dropping
-- As it was.
revoke delete on audit from current_user;

-- name: digest_events
-- The story of the visits after one event, up to so many events: what to seal, or to compare. To seal, nothing from the
-- first event on that is newer than an instant: it may have a neighbour that is not committed yet.
-- $1 after this event, $2 up to this event or null, $3 instant or null, $4 how many at most.
select max(id) as last, count(*) as events, count(forgetting_id) as forgotten,
       sha256(convert_to(string_agg(line, E'\n' order by id), 'UTF8')) as digest
from (
    select id, forgetting_id, jsonb_build_array(
        id, doctor_id, day, queue_version, appointment_id, extract(epoch from at), actor_id, verb, from_status, to_status,
        reason, before, after, extract(epoch from promised_at), undoes
    )::text as line
    from appointment_events
    where id > $1 and id <= coalesce($2, 9223372036854775807) and ($3::timestamptz is null or id < coalesce(
        (select min(id) from appointment_events where id > $1 and at > $3), 9223372036854775807
    ))
    order by id limit $4
) events;
