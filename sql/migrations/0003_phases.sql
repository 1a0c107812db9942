-- What starting an experiment makes: phases that own slots for good, and the history of its status.

create table cohort.phase (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    experiment text not null,
    number int not null,
    kind text not null default 'traffic',
    traffic_slots int4multirange not null,
    salt bytea not null default cohort.gen_random_bytes(16),
    opened_at timestamptz not null default now(),
    opened_by text not null default cohort.current_actor(),
    constraint phase_number_unique unique (environment, experiment, number),
    constraint phase_experiment_known foreign key (environment, experiment) references cohort.experiment (environment, key),
    constraint phase_fixed check (kind = 'traffic' and number >= 1 and length(salt) = 16
        and traffic_slots <@ '{[0,1000000)}'::int4multirange)
);
comment on table cohort.phase is
    'An allocation of an experiment: it opened traffic slots nobody held and owns them for good. Never edited';
comment on column cohort.phase.id is 'A small number for event tables';
comment on column cohort.phase.environment is 'The environment it belongs to';
comment on column cohort.phase.experiment is 'The experiment';
comment on column cohort.phase.number is '1, 2, … within the experiment';
comment on column cohort.phase.kind is 'traffic: a unit''s phase is a function of its traffic slot';
comment on column cohort.phase.traffic_slots is 'The traffic slots it owns, of [0, 1000000)';
comment on column cohort.phase.salt is '16 random bytes: draws a unit''s variant in this phase';
comment on column cohort.phase.opened_at is 'When it was opened';
comment on column cohort.phase.opened_by is 'Who opened it';

create table cohort.phase_variant (
    phase_id int not null,
    variant_id int not null,
    share_ppm int not null,
    slots int4multirange not null,
    constraint phase_variant_unique primary key (phase_id, variant_id),
    constraint phase_variant_phase_known foreign key (phase_id) references cohort.phase (id),
    constraint phase_variant_variant_known foreign key (variant_id) references cohort.variant (id),
    constraint phase_variant_fixed check (share_ppm between 0 and 1000000
        and slots <@ '{[0,1000000)}'::int4multirange)
);
comment on table cohort.phase_variant is 'The slots each variant owns in a phase. Never edited';
comment on column cohort.phase_variant.phase_id is 'The phase';
comment on column cohort.phase_variant.variant_id is 'The variant';
comment on column cohort.phase_variant.share_ppm is 'Its share in this phase, in parts per million: the propensity';
comment on column cohort.phase_variant.slots is 'The slots it owns, of [0, 1000000), as many as its share';

create table cohort.status_change (
    id bigint generated always as identity primary key,
    experiment_id int not null,
    status text not null,
    at timestamptz not null default clock_timestamp(),
    actor text not null default cohort.current_actor(),
    reason text
);
comment on table cohort.status_change is
    'Who changed the status of which experiment, when and why. Append-only; a guardrail''s stop is in stop_event';
comment on column cohort.status_change.id is 'The order of changes';
comment on column cohort.status_change.experiment_id is 'The experiment; kept when a draft is deleted';
comment on column cohort.status_change.status is 'The new status';
comment on column cohort.status_change.at is 'When';
comment on column cohort.status_change.actor is 'Who';
comment on column cohort.status_change.reason is 'Why, in their words; null when they said nothing';
create index status_change_experiment on cohort.status_change (experiment_id);
