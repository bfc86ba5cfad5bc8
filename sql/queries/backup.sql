-- What goes around a dump that is put back, run by psql in the transaction of the restore; and what follows the promotion
-- of a replica, which may lack the last that its primary had.

-- name: clear
-- Drops everything of ours, also what came after the backup was made: all that this user owns in the schema but for what
-- an extension brought.
do $$
declare
    thing record;
begin
    for thing in
        select 'drop table if exists ' || c.oid::regclass || ' cascade' as words
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relowner = current_user::regrole
          and not exists (select from pg_depend where objid = c.oid and deptype = 'e')
        union all
        select 'drop sequence if exists ' || c.oid::regclass || ' cascade'
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' and c.relowner = current_user::regrole
          and not exists (select from pg_depend where objid = c.oid and deptype in ('a', 'e', 'i'))
        union all
        select 'drop type if exists ' || t.oid::regtype || ' cascade'
        from pg_type t
        where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd') and t.typowner = current_user::regrole
          and not exists (select from pg_depend where objid = t.oid and deptype = 'e')
        union all
        select 'drop routine if exists ' || p.oid::regprocedure || ' cascade'
        from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proowner = current_user::regrole
          and not exists (select from pg_depend where objid = p.oid and deptype = 'e')
    loop
        execute thing.words;
    end loop;
end $$;

-- name: move_on
-- Screens take nothing that is older than what they show, and chime for no call they have heard: the days that may be on
-- one go on from a number that no state before the restore has had, the milliseconds since 1970 more.
update queues set version = version + (extract(epoch from clock_timestamp()) * 1000)::bigint,
                  call_seq = call_seq + (extract(epoch from clock_timestamp()) * 1000)::bigint
where day >= current_date - 2 or state <> 'CLOSED';

-- name: open_days
-- A day that was opened after the backup is on screens too: it goes on in the same way, with nobody in it.
insert into queues (doctor_id, day, version, call_seq)
select d.id, current_date + ahead, (extract(epoch from clock_timestamp()) * 1000)::bigint,
       (extract(epoch from clock_timestamp()) * 1000)::bigint
from doctors d, generate_series(-1, 1) as ahead
on conflict do nothing;

-- name: timeline
-- The name of the timeline that is written to: another one after each promotion. Null on a replica.
select case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) end;

-- name: note_timeline
-- True for the first to meet another timeline than the one before. $1 timeline.
with before as (select timeline from installation for update)
update installation set timeline = $1 from before
where installation.timeline is distinct from $1
returning before.timeline is not null;

-- name: count_servers
-- Connections of server processes to this database.
select count(*) from pg_stat_activity where datname = current_database() and application_name = 'mediqon' and pid <> pg_backend_pid();

-- name: part_servers
-- Ends them: what they have prepared no longer fits. They connect again by themselves.
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and application_name = 'mediqon' and pid <> pg_backend_pid();
