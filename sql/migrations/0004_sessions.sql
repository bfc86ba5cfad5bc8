-- Sessions that can be ended within seconds everywhere, and whose last step may be repeated after a lost answer.

-- `previous_hash` is the refresh token that was spent last, at `rotated_at`, under the Idempotency-Key hashed in `repeat_hash`.
alter table sessions
    add previous_hash bytea,
    add rotated_at timestamptz,
    add repeat_hash bytea;
-- What every server process asks each second: which sessions have just ended.
create index sessions_revoked_idx on sessions (revoked_at) where revoked_at is not null;

-- A log-in that was checked against an older password than this makes no session.
alter table users add password_changed_at timestamptz;
