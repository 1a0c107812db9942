-- Who led the monitor when, so that a takeover can be looked up afterwards.

create table cohort.leader_change (
    epoch bigint primary key,
    node text not null,
    at timestamptz not null default clock_timestamp(),
    previous_node text not null,
    silent_s double precision
);
comment on table cohort.leader_change is 'A row per change of the monitor''s leader; servers write it';
comment on column cohort.leader_change.epoch is 'The epoch that began';
comment on column cohort.leader_change.node is 'Who leads in it';
comment on column cohort.leader_change.at is 'When it began';
comment on column cohort.leader_change.previous_node is 'Who led before; empty: nobody';
comment on column cohort.leader_change.silent_s is
    'For how many seconds nobody had been heard then; null: nobody ever was';
