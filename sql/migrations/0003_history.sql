-- Expected times: what closed days have taught of each doctor, and what was shown to whom, and when.

-- One small row per doctor: fading sums that `relearn` can make again from the closed days.
create table histories (
    doctor_id bigint primary key references doctors on delete cascade,
    history jsonb not null
);

-- What is shown of the line now, so that every process holds on to the same times.
alter table queues add column shown jsonb not null default '[]';

-- What a change made of that: kept for ever, so that accuracy can be counted later.
alter table appointment_events add column shown jsonb;

-- The closed days of one doctor, latest first: what a history is made of.
create index queues_closed_idx on queues (doctor_id, day desc) where state = 'CLOSED';
