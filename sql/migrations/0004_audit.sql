-- The logbook: who logged in, who was refused, who looked at patients' visits, who changed the hospital. Visits themselves
-- tell their story in appointment_events; the logbook seals that too. Numbered within each day (UTC) from 1; `seal` is a
-- keyed hash of the entry and the seal before it, so that a change, a gap or another order shows.
create table audit (
    day date not null,
    number integer not null check (number > 0),
    at timestamptz not null,
    actor_id bigint,
    actor_role user_role,
    address text,
    action text not null,
    object text not null,
    outcome smallint not null,
    times integer not null check (times > 0),
    request text not null,
    key text not null,
    seal bytea not null,
    primary key (day, number)
);

create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function refuse_change();
-- A superuser needs no grant; anybody else, the owner too, is stopped here before the trigger is.
revoke update, delete, truncate on audit, appointment_events from public, current_user;
