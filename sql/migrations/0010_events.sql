-- Who saw what, and what happened next. Every key contains unit_id, so that the tables can be distributed by it.
-- Events refer to definitions by their small ids, without foreign keys: an event is never refused because of
-- an edit.

create table cohort.exposure (
    unit_id uuid not null,
    experiment_id int not null,
    variant_id int not null,
    phase_id int not null,
    propensity int,
    inclusion int,
    first_ts timestamptz not null,
    event_id uuid not null,
    decision_id uuid,
    trusted boolean not null,
    origin smallint not null,
    segments jsonb,
    batch_id bigint not null,
    primary key (unit_id, experiment_id)
);
comment on table cohort.exposure is
    'The first exposure of each unit in each experiment: of all reports the one with the least (first_ts, event_id)';
comment on column cohort.exposure.unit_id is 'The unit: cohort.unit_id(type, raw id)';
comment on column cohort.exposure.experiment_id is 'experiment.id';
comment on column cohort.exposure.variant_id is 'variant.id: by this variant the unit counts, for ever';
comment on column cohort.exposure.phase_id is 'phase.id: the phase that drew the variant';
comment on column cohort.exposure.propensity is
    'Probability of the variant among the enrolled, in parts per million; null when overridden';
comment on column cohort.exposure.inclusion is
    'Probability of being enrolled, in parts per million; null when overridden';
comment on column cohort.exposure.first_ts is 'When the unit first saw the variant; outcomes count from then on';
comment on column cohort.exposure.event_id is 'The report''s id; breaks ties between reports of the same moment';
comment on column cohort.exposure.decision_id is 'The decision that was shown, when the report named it';
comment on column cohort.exposure.trusted is 'False when a browser reported it';
comment on column cohort.exposure.origin is '0 an evaluation, 1 a report, 2 an import';
comment on column cohort.exposure.segments is 'The unit''s segments, frozen at the exposure; null: none were declared';
comment on column cohort.exposure.batch_id is 'ingest_batch.batch_id: the batch that brought this row';
-- No second btree here: it would cost a third of the insert rate. New rows are at the end of the table, so that
-- block ranges find a batch; first_ts has outliers (late reports), which the multi-range kind bears.
create index exposure_batch on cohort.exposure using brin (batch_id)
    with (pages_per_range = 32, autosummarize = on);
create index exposure_first_ts on cohort.exposure using brin (first_ts timestamptz_minmax_multi_ops)
    with (pages_per_range = 32, autosummarize = on);

create table cohort.exposure_switch (
    unit_id uuid not null,
    experiment_id int not null,
    variant_id int not null,
    phase_id int not null,
    ts timestamptz not null,
    event_id uuid not null,
    batch_id bigint not null,
    primary key (unit_id, experiment_id, variant_id, phase_id)
);
comment on table cohort.exposure_switch is
    'Units that were also seen in another variant or phase. They go on counting by their first one (cohort.switches leaves out what equals the exposure)';
comment on column cohort.exposure_switch.unit_id is 'The unit';
comment on column cohort.exposure_switch.experiment_id is 'experiment.id';
comment on column cohort.exposure_switch.variant_id is 'variant.id: the other variant';
comment on column cohort.exposure_switch.phase_id is 'phase.id: the phase of the other variant';
comment on column cohort.exposure_switch.ts is 'When it was first seen there';
comment on column cohort.exposure_switch.event_id is 'The report that said so';
comment on column cohort.exposure_switch.batch_id is 'The batch that brought the report';

create table cohort.exposure_replaced (
    unit_id uuid not null,
    experiment_id int not null,
    old_variant_id int not null,
    old_phase_id int not null,
    old_first_ts timestamptz not null,
    old_event_id uuid not null,
    old_batch_id bigint not null,
    batch_id bigint not null,
    resolved_pass bigint,
    primary key (unit_id, experiment_id, batch_id)
);
comment on table cohort.exposure_replaced is
    'Exposures that an earlier one, arriving later, replaced: the roll-up takes back what it had counted of them';
comment on column cohort.exposure_replaced.unit_id is 'The unit';
comment on column cohort.exposure_replaced.experiment_id is 'experiment.id';
comment on column cohort.exposure_replaced.old_variant_id is 'Its variant before';
comment on column cohort.exposure_replaced.old_phase_id is 'Its phase before';
comment on column cohort.exposure_replaced.old_first_ts is 'The time of its first exposure before';
comment on column cohort.exposure_replaced.old_event_id is 'The id of its first exposure before';
comment on column cohort.exposure_replaced.old_batch_id is 'The batch that had brought it';
comment on column cohort.exposure_replaced.batch_id is 'The batch that replaced it';
comment on column cohort.exposure_replaced.resolved_pass is
    'The roll-up pass that took it back, or saw that it was never counted; null: not yet';
create index exposure_replaced_open on cohort.exposure_replaced (old_batch_id) where resolved_pass is null;

create table cohort.outcome (
    unit_id uuid not null,
    event_id uuid not null,
    ts timestamptz not null,
    name text not null,
    value bigint,
    attributes jsonb,
    decision_id uuid,
    trusted boolean not null,
    batch_id bigint not null,
    primary key (unit_id, event_id, ts)
) partition by range (ts);
comment on table cohort.outcome is
    'What happened: one row per event and unit it names. Partitioned by UTC day (cohort.ensure_partitions)';
comment on column cohort.outcome.unit_id is 'The unit';
comment on column cohort.outcome.event_id is 'The event''s id, made by its sender: the same event sent again is a duplicate';
comment on column cohort.outcome.ts is 'When it happened, as its sender said';
comment on column cohort.outcome.name is 'The event''s name; metrics say which names they count';
comment on column cohort.outcome.value is 'Its value in millionths; null: none';
comment on column cohort.outcome.attributes is 'Declared attributes; null: none';
comment on column cohort.outcome.decision_id is 'The decision it followed, when the sender named it';
comment on column cohort.outcome.trusted is 'False when a browser sent it: kept, and not counted';
comment on column cohort.outcome.batch_id is 'ingest_batch.batch_id: the batch that brought this row';
create index outcome_batch on cohort.outcome using brin (batch_id) with (pages_per_range = 32, autosummarize = on);

create table cohort.decision (
    unit_id uuid not null,
    decision_id uuid not null,
    ts timestamptz not null,
    flag_id int not null,
    experiment_id int,
    variant_id int,
    phase_id int,
    counterfactual_variant_id int,
    reason text not null,
    propensity int,
    inclusion int,
    mode smallint not null,
    plan_version bigint not null,
    inputs jsonb,
    eligible jsonb,
    batch_id bigint not null,
    primary key (unit_id, decision_id, ts)
) partition by range (ts);
comment on table cohort.decision is
    'The log of decisions: what was served to whom and why. Partitioned by UTC day (cohort.ensure_partitions)';
comment on column cohort.decision.unit_id is 'The unit';
comment on column cohort.decision.decision_id is 'The id the answer carried';
comment on column cohort.decision.ts is 'When it was decided';
comment on column cohort.decision.flag_id is 'flag.id: what was asked for';
comment on column cohort.decision.experiment_id is 'experiment.id; null: no experiment decided';
comment on column cohort.decision.variant_id is 'variant.id that was served; null: the fallback';
comment on column cohort.decision.phase_id is 'phase.id that drew it; null: none did';
comment on column cohort.decision.counterfactual_variant_id is
    'variant.id the unit would have got, had it not been held out or sent to the fallback; null: none';
comment on column cohort.decision.reason is 'The reason''s code';
comment on column cohort.decision.propensity is
    'Probability of the variant among the enrolled, in parts per million; null when overridden or none was drawn';
comment on column cohort.decision.inclusion is
    'Probability of being enrolled, in parts per million; null when overridden or none was drawn';
comment on column cohort.decision.mode is '0 a single evaluation, 1 a bulk one (a prefetch, never an exposure)';
comment on column cohort.decision.plan_version is 'config_version.version of the definitions that decided';
comment on column cohort.decision.inputs is 'The attributes that targeting used; null: none';
comment on column cohort.decision.eligible is 'The variants that could have been served; null: all of the phase';
comment on column cohort.decision.batch_id is 'ingest_batch.batch_id: the batch that brought this row';
create index decision_batch on cohort.decision using brin (batch_id) with (pages_per_range = 32, autosummarize = on);

create table cohort.experiment_metric (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    metric text not null,
    primary key (environment, experiment, metric),
    constraint experiment_metric_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint experiment_metric_metric_known foreign key (environment, metric)
        references cohort.metric (environment, key)
);
comment on table cohort.experiment_metric is
    'Metrics counted for an experiment besides those its guardrails name';
comment on column cohort.experiment_metric.environment is 'The environment of both';
comment on column cohort.experiment_metric.experiment is 'The experiment';
comment on column cohort.experiment_metric.metric is 'The metric';
create index experiment_metric_metric on cohort.experiment_metric (environment, metric);
