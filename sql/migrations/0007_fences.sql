-- What a review of security asked for.

-- The first and the last date of all mean for ever to the driver, and nothing closes a day that never ends.
alter table queues add check (isfinite(day)) not valid;

-- Again, for databases that took the revoke of 0004_audit after the grant of 0006_forgetting.
grant update (reason, before, after, forgetting_id) on appointment_events to current_user;
