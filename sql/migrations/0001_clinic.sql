-- The clinic: who works and waits there, what is promised to whom, and the line of each doctor's day.
-- Times of day are minutes after local midnight (0..1440) in the hospital's timezone; instants are timestamptz.

create type user_role as enum ('patient', 'doctor', 'hospital');
create type visit_status as enum (
    'BOOKED', 'CHECKED_IN', 'CALLED', 'IN_CONSULTATION', 'ON_HOLD', 'COMPLETED', 'NO_SHOW', 'CANCELLED'
);
create type visit_priority as enum ('NORMAL', 'PRIORITY', 'EMERGENCY');
-- Which rule gave a visit its place: what `why` tells.
create type place_rule as enum ('SLOT', 'LATE', 'WALK_IN', 'RETURNED', 'MOVED');
create type queue_state as enum ('OPEN', 'PAUSED', 'CLOSED');

-- One row: names this database on a Redis that several installations may share.
create table installation (
    id uuid primary key default gen_random_uuid(),
    only_row boolean not null default true unique check (only_row)
);
insert into installation default values;

create table hospitals (
    id bigint generated always as identity primary key,
    name text not null check (name <> ''),
    timezone text not null,
    settings jsonb not null default '{}',
    created_at timestamptz not null default now()
);

create table users (
    id bigint generated always as identity primary key,
    role user_role not null,
    name text not null check (name <> ''),
    email text check (email = lower(email)),
    phone text,
    password_hash text,
    hospital_id bigint references hospitals,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    check ((role = 'patient') = (hospital_id is null)),
    check ((email is null) = (password_hash is null)),
    check (role = 'patient' or email is not null)
);
-- One living account per address; patients entered at the desk have none.
create unique index users_email_key on users (email) where email is not null and disabled_at is null;
-- The accounts that manage one hospital.
create index users_staff_idx on users (hospital_id) where role = 'hospital';

create table sessions (
    id uuid primary key,
    user_id bigint not null references users on delete cascade,
    refresh_hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
-- What an account is logged in with: ended when it is disabled.
create index sessions_user_idx on sessions (user_id);

create table doctors (
    id bigint generated always as identity primary key,
    user_id bigint not null unique references users,
    hospital_id bigint not null references hospitals,
    specialty text not null,
    room text not null,
    token_prefix text not null,
    slot_minutes smallint not null check (slot_minutes between 1 and 240)
);
-- The doctors of one hospital, listed on every booking page.
create index doctors_hospital_idx on doctors (hospital_id);

create table schedule_windows (
    doctor_id bigint not null references doctors on delete cascade,
    weekday smallint not null check (weekday between 0 and 6),
    start_minute smallint not null check (start_minute between 0 and 1439),
    end_minute smallint not null check (end_minute between 1 and 1440),
    capacity smallint not null check (capacity between 1 and 20),
    check (start_minute < end_minute),
    primary key (doctor_id, weekday, start_minute)
);

create table leaves (
    id bigint generated always as identity primary key,
    doctor_id bigint not null references doctors on delete cascade,
    day date not null,
    start_minute smallint not null check (start_minute between 0 and 1439),
    end_minute smallint not null check (end_minute between 1 and 1440),
    reason text,
    check (start_minute < end_minute)
);
-- Read with every booking and every list of slots of that day.
create index leaves_doctor_day_idx on leaves (doctor_id, day);

create table displays (
    id bigint generated always as identity primary key,
    hospital_id bigint not null references hospitals,
    name text not null,
    key text not null unique,
    doctor_ids bigint[] not null check (cardinality(doctor_ids) between 1 and 8),
    languages text[] not null,
    created_at timestamptz not null default now()
);
create index displays_hospital_idx on displays (hospital_id);

-- The day of one doctor. Its row is the lock that every change of the day takes first.
create table queues (
    doctor_id bigint not null references doctors,
    day date not null,
    version bigint not null default 0,
    state queue_state not null default 'OPEN',
    delay_minutes smallint not null default 0 check (delay_minutes between 0 and 1440),
    delayed_at timestamptz,
    paused_until timestamptz,
    pause_reason text,
    last_walk_in integer not null default 0,
    call_seq bigint not null default 0,
    primary key (doctor_id, day),
    check (state = 'PAUSED' or (paused_until is null and pause_reason is null)),
    check ((delay_minutes = 0) = (delayed_at is null))
);

-- The few days that are still open: what the night has to close.
create index queues_open_idx on queues (day) where state <> 'CLOSED';

create table appointments (
    id bigint generated always as identity primary key,
    hospital_id bigint not null references hospitals,
    doctor_id bigint not null references doctors,
    day date not null,
    patient_id bigint not null references users,
    issued_by bigint not null references doctors,
    seat integer check (seat > 0),
    walk_in integer check (walk_in > 0),
    token text not null,
    code text not null unique,
    status visit_status not null,
    priority visit_priority not null default 'NORMAL',
    reason text,
    scheduled_at timestamptz,
    due_at timestamptz not null,
    place_rule place_rule not null,
    booked_at timestamptz not null,
    checked_in_at timestamptz,
    called_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    version integer not null default 1,
    foreign key (doctor_id, day) references queues,
    check (num_nonnulls(seat, walk_in) = 1),
    check ((seat is null) = (scheduled_at is null)),
    check (status <> 'BOOKED' or checked_in_at is null),
    check (status not in ('CHECKED_IN', 'CALLED', 'IN_CONSULTATION') or checked_in_at is not null),
    check (status not in ('CALLED', 'IN_CONSULTATION') or called_at is not null),
    check (status <> 'IN_CONSULTATION' or started_at is not null),
    check ((ended_at is not null) = (status in ('COMPLETED', 'NO_SHOW', 'CANCELLED')))
);
-- No seat is sold twice. A seat cancelled before check-in is free again, number and all; after check-in its label was seen.
create unique index appointments_seat_key on appointments (issued_by, day, seat)
    where seat is not null and (status <> 'CANCELLED' or checked_in_at is not null);
-- No walk-in number is given twice, not even after a cancellation.
create unique index appointments_walk_in_key on appointments (issued_by, day, walk_in) where walk_in is not null;
-- One open visit per patient, doctor and day.
create unique index appointments_open_visit_key on appointments (patient_id, doctor_id, day)
    where status in ('BOOKED', 'CHECKED_IN', 'CALLED', 'IN_CONSULTATION', 'ON_HOLD');
-- The whole day of one doctor: read with every change and every first look.
create index appointments_doctor_day_idx on appointments (doctor_id, day);
-- A patient's own visits, newest day first.
create index appointments_patient_idx on appointments (patient_id, day desc);

-- What happened, in order, for ever. `before` and `after` hold what the change replaced and made, so that undo can
-- restore it exactly; `undoes` is the queue_version an undo took back; `promised_at` is when the patient was told to expect
-- the doctor, right after the change. No actor: the server itself, closing a day that is over.
create table appointment_events (
    id bigint generated always as identity primary key,
    doctor_id bigint not null,
    day date not null,
    queue_version bigint not null,
    appointment_id bigint references appointments,
    at timestamptz not null,
    actor_id bigint references users,
    verb text not null,
    from_status visit_status,
    to_status visit_status,
    reason text,
    before jsonb,
    after jsonb,
    promised_at timestamptz,
    undoes bigint,
    foreign key (doctor_id, day) references queues
);
-- The story of one visit.
create index appointment_events_appointment_idx on appointment_events (appointment_id);
-- The story of one day, latest first: undo and the day's report.
create index appointment_events_day_idx on appointment_events (doctor_id, day, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;
create trigger appointment_events_append_only before update or delete or truncate on appointment_events
    for each statement execute function refuse_change();

-- What a POST with an Idempotency-Key answered, kept for a day.
create table idempotency_keys (
    user_id bigint not null,
    key text not null,
    request_hash bytea not null,
    status smallint,
    body bytea,
    created_at timestamptz not null,
    primary key (user_id, key)
);
create index idempotency_keys_created_idx on idempotency_keys (created_at);
