-- The life of an experiment beyond start and stop: schedules, pauses, shipped variants, dropped arms, and
-- iterations. A restart is a new iteration under a new id, so that it never meets the exposures of the old one.

alter table cohort.experiment
    add column layer text,
    add column layer_ppm int not null default 1000000,
    add column tags text[] not null default '{}',
    add column team text,
    add column starts_at timestamptz,
    add column ends_at timestamptz,
    add column time_zone text,
    add column sticky boolean not null default false,
    add column ramp_tolerance numeric not null default 2,
    add column ramp_on_alert text not null default 'hold',
    add column shipped_variant text,
    add column shipped_holdback_ppm int,
    add column ship_salt bytea,
    drop constraint experiment_status_known,
    add constraint experiment_status_known
        check (status in ('draft', 'scheduled', 'running', 'paused', 'stopped', 'shipped', 'archived')),
    add constraint experiment_layer_range check (layer_ppm between 1 and 1000000),
    add constraint experiment_tags_format check (cardinality(tags) <= 50 and array_position(tags, null) is null),
    add constraint experiment_schedule_order check (ends_at > starts_at),
    add constraint experiment_ramp_tolerance_range check (ramp_tolerance > 0 and ramp_tolerance <= 1000),
    add constraint experiment_ramp_on_alert_known check (ramp_on_alert in ('hold', 'roll_back')),
    add constraint ship_holdback_range check (shipped_holdback_ppm between 0 and 999999),
    add constraint ship_variant_missing check (num_nonnulls(shipped_variant, shipped_holdback_ppm, ship_salt) in (0, 3)
        and (status <> 'shipped' or shipped_variant is not null));
comment on column cohort.experiment.status is
    'draft, scheduled, running, paused, stopped, shipped or archived, as people set it; a guardrail''s stop is a row of stop_event: see cohort.effective_status()';
comment on column cohort.experiment.id is 'A small number for event tables; a restart gives a new one';
comment on column cohort.experiment.traffic_ppm is
    'Share of the eligible units that take part at the start, in parts per million; cohort.ramp() changes what is open later';
comment on column cohort.experiment.iteration is 'Counts restarts; 1 is the first run';
comment on column cohort.experiment.layer is 'The layer whose slots it shares with others; null: none';
comment on column cohort.experiment.layer_ppm is 'How many of the layer''s 1,000,000 slots it wants at the start';
comment on column cohort.experiment.tags is 'Words to find it by, and for holdouts of a tag';
comment on column cohort.experiment.team is 'The team it belongs to; null: nobody''s';
comment on column cohort.experiment.starts_at is 'When it is to start; null: when somebody starts it';
comment on column cohort.experiment.ends_at is 'When it is to stop; null: when somebody stops it';
comment on column cohort.experiment.time_zone is 'The time zone in which documents give its local times; null: none given';
comment on column cohort.experiment.sticky is
    'True: who was exposed keeps the variant, by a token the client carries, through changes of targeting and restarts';
comment on column cohort.experiment.ramp_tolerance is
    'A step of the ramp opens when the upper bound of each guardrail''s risk ratio is below this';
comment on column cohort.experiment.ramp_on_alert is
    'What a guardrail''s alert does to the ramp: hold, or roll_back the last step';
comment on column cohort.experiment.shipped_variant is 'The variant everybody gets since it was shipped';
comment on column cohort.experiment.shipped_holdback_ppm is 'Share that keeps control after shipping, in parts per million';
comment on column cohort.experiment.ship_salt is '16 random bytes, made when it is first shipped: draws who is held back';

alter table cohort.variant
    add column dropped_at timestamptz,
    drop constraint variant_share_range,
    add constraint variant_share_range check (share_ppm between 1 and 1000000 or (share_ppm = 0 and dropped_at is not null));
comment on column cohort.variant.dropped_at is
    'When cohort.drop_arm() took it out: its slots get the fallback. Its statistics stay';
comment on column cohort.variant.share_ppm is
    'Its share of those who take part, in parts per million; 0 for an arm that a restart left out';

alter table cohort.status_change add column what text;
comment on column cohort.status_change.what is
    'What was done, where it was no change of status: a ramp, an arm dropped, a start refused; null for a plain change';
comment on column cohort.status_change.status is 'The status from then on';

create table cohort.experiment_iteration (
    experiment_id int not null,
    environment text not null,
    experiment text not null,
    iteration int not null,
    salt bytea not null,
    started_at timestamptz not null,
    stopped_at timestamptz,
    layer text,
    layer_slots int4multirange,
    definition jsonb,
    constraint iteration_id_unique primary key (experiment_id),
    constraint iteration_unique unique (environment, experiment, iteration)
);
comment on table cohort.experiment_iteration is
    'Every run of every experiment, the current one too. Events carry the id of the run they belong to';
comment on column cohort.experiment_iteration.experiment_id is 'The id events carry: experiment.id while it is the current one';
comment on column cohort.experiment_iteration.environment is 'The environment it belongs to';
comment on column cohort.experiment_iteration.experiment is 'experiment.key';
comment on column cohort.experiment_iteration.iteration is '1, 2, … within the experiment';
comment on column cohort.experiment_iteration.salt is 'The salt that drew its traffic slots';
comment on column cohort.experiment_iteration.started_at is 'When it began to run';
comment on column cohort.experiment_iteration.stopped_at is 'When it ended; null while it runs';
comment on column cohort.experiment_iteration.layer is 'The layer it ran in; null: none';
comment on column cohort.experiment_iteration.layer_slots is 'The layer''s slots it owned, kept after they were given back; null without a layer';
comment on column cohort.experiment_iteration.definition is 'Its document when it ended; null for the current one: see cohort.get_experiment()';

insert into cohort.experiment_iteration (experiment_id, environment, experiment, iteration, salt, started_at, stopped_at)
select e.id, e.environment, e.key, e.iteration, e.salt, coalesce(e.started_at, e.created_at), e.stopped_at
  from cohort.experiment e where e.started_at is not null;
