-- People may be forgotten: their names, addresses and reasons go, their visits stay as numbers. Each time leaves a record,
-- and everything it changed points to it.
create table forgettings (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    by text not null,
    what text not null
);
create trigger forgettings_append_only before update or delete or truncate on forgettings
    for each statement execute function refuse_change();

alter table users add column forgetting_id bigint references forgettings;
alter table users add check (forgetting_id is null or (email is null and phone is null));

-- The one change that a visit's story allows: its words are taken out, once, and it says by which forgetting.
alter table appointment_events add column forgetting_id bigint references forgettings;

create function without_words(image jsonb) returns jsonb language sql immutable as $$
    select case when image #> '{day,pause_reason}' is null then image else jsonb_set(image, '{day,pause_reason}', 'null') end
$$;

create function refuse_all_but_forgetting() returns trigger language plpgsql as $$
declare
    changeable constant text[] := '{reason,before,after,forgetting_id}';
begin
    if old.forgetting_id is null and new.reason is null
        and new.before is not distinct from without_words(old.before)
        and new.after is not distinct from without_words(old.after)
        and to_jsonb(new) - changeable = to_jsonb(old) - changeable
        -- recorded in this very transaction
        and exists (select from forgettings where id = new.forgetting_id and at = now()) then
        return new;
    end if;
    raise exception '% is append-only', tg_table_name;
end $$;

drop trigger appointment_events_append_only on appointment_events;
create trigger appointment_events_append_only before delete or truncate on appointment_events
    for each statement execute function refuse_change();
create trigger appointment_events_only_forget before update on appointment_events
    for each row execute function refuse_all_but_forgetting();
grant update (reason, before, after, forgetting_id) on appointment_events to current_user;
