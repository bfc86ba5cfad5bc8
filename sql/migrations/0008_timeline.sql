-- Which primary was last written to: when a replica has taken its place, days go on from versions nobody has seen.
alter table installation add column timeline text;
