-- Ticket kiosks at the door, and when each screen was last seen.

alter table displays add column last_seen_at timestamptz;

-- A kiosk's key gives out tokens, so it is never a display's key, which hangs on the wall as a QR code.
create table kiosks (
    id bigint generated always as identity primary key,
    hospital_id bigint not null references hospitals,
    name text not null,
    key text not null unique,
    doctor_ids bigint[] not null check (cardinality(doctor_ids) between 1 and 8),
    created_at timestamptz not null default now(),
    last_seen_at timestamptz
);
-- The kiosks of one hospital, listed on its page.
create index kiosks_hospital_idx on kiosks (hospital_id);
