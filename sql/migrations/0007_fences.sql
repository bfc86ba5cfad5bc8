-- What a review of security asked for.

-- The first and the last date of all mean for ever to the driver, and nothing closes a day that never ends.
alter table queues add check (isfinite(day)) not valid;

-- Old entries of the logbook may go, if one of its own says up to which day: it is sealed like every other.
create function refuse_all_but_dropping() returns trigger language plpgsql as $$
declare
    kept date;
begin
    select max(split_part(object, ' ', 1)::date) into kept from audit where action = 'drop entries';
    if kept is null or exists (select from gone where day >= kept) then
        raise exception '% is append-only', tg_table_name;
    end if;
    return null;
end $$;
drop trigger audit_append_only on audit;
create trigger audit_append_only before update or truncate on audit
    for each statement execute function refuse_change();
create trigger audit_only_drop after delete on audit referencing old table as gone
    for each statement execute function refuse_all_but_dropping();

-- Again, for databases that took the revoke of 0004_audit after the grant of 0006_forgetting.
grant update (reason, before, after, forgetting_id) on appointment_events to current_user;
