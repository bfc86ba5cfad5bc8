-- Accounts and sessions.

-- name: insert_user
-- $1 role, $2 name, $3 email (kept in lower case), $4 phone, $5 password hash, $6 hospital.
insert into users (role, name, email, phone, password_hash, hospital_id) values ($1, $2, lower($3), $4, $5, $6) returning id;

-- name: find_user_by_email
-- The account that may log in with this address. $1 email, in lower case as Python has it: so attempts are counted.
select u.id, u.name, u.email, u.role, u.hospital_id, u.password_hash, u.password_changed_at, d.id as doctor_id
from users u left join doctors d on d.user_id = u.id
where u.email = lower($1) and u.disabled_at is null;

-- name: find_user
-- An account that is not disabled. $1 user.
select u.id, u.name, u.email, u.role, u.hospital_id, d.id as doctor_id
from users u left join doctors d on d.user_id = u.id
where u.id = $1 and u.disabled_at is null;

-- name: insert_session
-- A session for an account that is still there with the password that was checked: the row is locked, so that whoever
-- disables it or changes its password meanwhile ends this session too, or has come first and nothing is returned.
-- $1 session, $2 user, $3 hash of the refresh token, $4 now, $5 expiry, $6 when the password checked was made.
insert into sessions (id, user_id, refresh_hash, created_at, expires_at)
select $1, u.id, $3, $4, $5 from (
    select id from users where id = $2 and disabled_at is null and password_changed_at is not distinct from $6 for share
) u
returning id;

-- name: lock_session
-- $1 session.
select user_id, refresh_hash, previous_hash, rotated_at, repeat_hash, expires_at, revoked_at
from sessions where id = $1 for update;

-- name: rotate_session
-- $1 session, $2 hash of the new refresh token, $3 expiry, $4 now, $5 hash of the Idempotency-Key or null.
update sessions set previous_hash = refresh_hash, refresh_hash = $2, expires_at = $3, rotated_at = $4, repeat_hash = $5
where id = $1;

-- name: revoke_session
-- $1 session, $2 now.
update sessions set revoked_at = $2 where id = $1 and revoked_at is null;

-- name: ended_since
-- Sessions that ended at or after an instant: with both ends PostgreSQL expects few, and uses the index. $1 instant.
select id, revoked_at from sessions where revoked_at >= $1 and revoked_at < 'infinity';

-- name: change_password
-- $1 user, $2 password hash, $3 now.
update users set password_hash = $2, password_changed_at = $3 where id = $1;

-- name: rehash_password
-- The same password under today's parameters, unless it has changed since. $1 user, $2 new hash, $3 old hash.
update users set password_hash = $2 where id = $1 and password_hash = $3;

-- name: disable_user
-- $1 user, $2 now.
update users set disabled_at = $2 where id = $1;

-- name: revoke_sessions
-- Ends everything an account is logged in with, but for one session. $1 user, $2 now, $3 the session that stays, or null.
update sessions set revoked_at = $2 where user_id = $1 and revoked_at is null and id is distinct from $3 returning id;

-- name: end_session
-- Revokes a session of this user. $1 session, $2 now, $3 user.
update sessions set revoked_at = $2 where id = $1 and user_id = $3 and revoked_at is null returning id;

-- name: forget_sessions
-- Drops sessions that are over. $1 before.
delete from sessions where expires_at < $1;

-- name: claim_keys
-- Reserves idempotency keys, in the order given. Twins that are still under way hold the lock: they are waited for, or let
-- be unless $5. $1 users, $2 keys, $3 request hashes (of equal length), $4 now.
insert into idempotency_keys (user_id, key, request_hash, created_at)
select user_id, key, request_hash, $4
from unnest($1::bigint[], $2::text[], $3::bytea[]) as asked (user_id, key, request_hash),
     lateral hashtextextended(key, user_id) as lock
where case when $5 then pg_advisory_xact_lock(lock) is not null else pg_try_advisory_xact_lock(lock) end
on conflict do nothing returning user_id, key;

-- name: find_key
-- $1 user, $2 key.
select request_hash, status, body from idempotency_keys where user_id = $1 and key = $2;

-- name: keep_answers
-- Keeps the answers under their keys, and lets go of the keys that have none. $1 users, $2 keys, $3 answers (of equal
-- length), $4 status.
with answered as (
    select * from unnest($1::bigint[], $2::text[], $3::bytea[]) as answered (user_id, key, body)
), let_go as (
    delete from idempotency_keys k using answered a where k.user_id = a.user_id and k.key = a.key and a.body is null
)
update idempotency_keys k set status = $4, body = a.body
from answered a where k.user_id = a.user_id and k.key = a.key and a.body is not null;

-- name: forget_keys
-- Drops answers older than a day. $1 before.
delete from idempotency_keys where created_at < $1;
