-- Hours of one date instead of the week's, and how often somebody has been called.

create table special_days (
    doctor_id bigint not null references doctors on delete cascade,
    day date not null,
    primary key (doctor_id, day)
);
create table special_windows (
    doctor_id bigint not null,
    day date not null,
    start_minute smallint not null check (start_minute between 0 and 1439),
    end_minute smallint not null check (end_minute between 1 and 1440),
    capacity smallint not null check (capacity between 1 and 20),
    check (start_minute < end_minute),
    primary key (doctor_id, day, start_minute),
    foreign key (doctor_id, day) references special_days on delete cascade
);

-- Sessions that are over are dropped now and then.
create index sessions_expires_idx on sessions (expires_at);

-- Calls and recalls since the visit last came into line: two without an answer, and the desk is told to hold it.
alter table appointments add column calls smallint not null default 0 check (calls >= 0);
