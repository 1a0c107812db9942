-- Metrics of five kinds, with conditions, windows of values and a history; experiments that name their metrics and
-- what may stop them. The rules behind the constraints, with their sentences, are in functions/19_metrics.sql,
-- 19_metric_conditions.sql and 19_stop_conditions.sql.

alter table cohort.metric
    add column condition jsonb,
    add column event_path jsonpath,
    add column denominator_event text,
    add column denominator_condition jsonb,
    add column denominator_path jsonpath,
    add column quantile numeric,
    add column winsor_low numeric,
    add column winsor_high numeric,
    add column winsor_quantile numeric,
    add column cuped_days int not null default 0,
    add column trusted_only boolean not null default true,
    drop constraint metric_kind_known,
    add constraint metric_kind_known check (kind in ('binary', 'count', 'mean', 'ratio', 'quantile')),
    add constraint metric_denominator check ((kind = 'ratio') = (denominator_event is not null)
        and (denominator_condition is null or denominator_event is not null)),
    add constraint metric_quantile check ((kind = 'quantile') = (quantile is not null) and quantile > 0 and quantile < 1),
    add constraint metric_winsor_kind check (kind in ('count', 'mean', 'ratio')
        or num_nonnulls(winsor_low, winsor_high, winsor_quantile) = 0),
    add constraint metric_winsor_range check (abs(winsor_low) <= 1e12 and abs(winsor_high) <= 1e12),
    add constraint metric_winsor_order check (winsor_low < winsor_high),
    add constraint metric_winsor_twice check (num_nonnulls(winsor_high, winsor_quantile) < 2),
    add constraint metric_winsor_quantile check (winsor_quantile >= 0.5 and winsor_quantile < 1),
    add constraint metric_cuped_range check (cuped_days between 0 and 90),
    add constraint metric_cuped_kind check (cuped_days = 0 or kind in ('binary', 'count', 'mean')),
    add constraint metric_condition_object check ((condition is null) = (event_path is null)
        and (denominator_condition is null) = (denominator_path is null));
comment on table cohort.metric is
    'What is counted per unit, by event name and a condition on its attributes. An outcome counts when first exposure + start <= its time < first exposure + end';
comment on column cohort.metric.kind is
    'What a unit''s value y is. binary: 1 with an event, else 0; count: its events; mean: the sum of their values; ratio: that sum, a value left out being 1, over the same of denominator_event; quantile: that of the units'' sums';
comment on column cohort.metric.condition is
    'What an event''s attributes must be to count: {"plan": "pro"}, {"plan": {"in": ["pro", "team"]}}, {"amount": {"gte": 10, "lt": 20}}; all of them must hold; null: every event counts';
comment on column cohort.metric.event_path is
    'The condition compiled, by the database: an outcome counts when attributes @@ event_path. Null without a condition';
comment on column cohort.metric.denominator_event is 'The event a ratio divides by; null for other kinds';
comment on column cohort.metric.denominator_condition is 'What that event''s attributes must be; null: every one counts';
comment on column cohort.metric.denominator_path is 'denominator_condition compiled, by the database; null without one';
comment on column cohort.metric.quantile is 'Which quantile of the units'' values, above 0 and below 1: 0.5 is the median; null for other kinds';
comment on column cohort.metric.winsor_low is 'A unit''s value below this counts as this; null: no such bound. In units of the value; a ratio''s numerator';
comment on column cohort.metric.winsor_high is 'A unit''s value above this counts as this; null: no such bound, or see winsor_quantile';
comment on column cohort.metric.winsor_quantile is
    'In place of winsor_high: the quantile, 0.5 to below 1, of the units'' values of the 30 days before the start, frozen then: see cohort.frozen_cap';
comment on column cohort.metric.cuped_days is
    'Days before a unit''s first exposure in which the same metric is measured to reduce variance (CUPED); 0: off';
comment on column cohort.metric.trusted_only is
    'True: outcomes sent with a client''s key don''t count; false: they do. What a client can forge should stop nothing';
comment on column cohort.metric.version is
    'Raised by each change of what is counted, under a running experiment too: a new version is a new test. See cohort.metric_version';

create table cohort.metric_version (
    metric_id int not null,
    version int not null,
    definition jsonb not null,
    at timestamptz not null default clock_timestamp(),
    actor text not null default coalesce(current_setting('cohort.actor', true), session_user),
    constraint metric_version_once primary key (metric_id, version)
);
comment on table cohort.metric_version is 'Every version of every metric. Append-only; results and evidence name the version they counted by';
comment on column cohort.metric_version.metric_id is 'metric.id; a deleted metric''s versions stay';
comment on column cohort.metric_version.version is 'metric.version: 1, 2, …';
comment on column cohort.metric_version.definition is 'The metric''s document in that version';
comment on column cohort.metric_version.at is 'When it began to count';
comment on column cohort.metric_version.actor is 'Who made it';
insert into cohort.metric_version (metric_id, version, definition)
select m.id, m.version, jsonb_strip_nulls(jsonb_build_object('environment', m.environment, 'key', m.key, 'version', m.version, 'event', m.event,
           'kind', m.kind, 'window_start_s', m.window_start_s, 'window_end_s', m.window_end_s, 'cuped_days', 0, 'trusted_only', true))
  from cohort.metric m;

create table cohort.frozen_cap (
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    quantile numeric not null,
    cap numeric not null,
    units bigint not null,
    at timestamptz not null default clock_timestamp(),
    constraint frozen_cap_once primary key (experiment_id, metric_id, metric_version)
);
comment on table cohort.frozen_cap is
    'What metric.winsor_quantile came to when an experiment started, or when the metric changed under it. Never changes: see cohort.metric_cap()';
comment on column cohort.frozen_cap.experiment_id is 'experiment.id of the run it holds for';
comment on column cohort.frozen_cap.metric_id is 'metric.id';
comment on column cohort.frozen_cap.metric_version is 'metric.version';
comment on column cohort.frozen_cap.quantile is 'metric.winsor_quantile';
comment on column cohort.frozen_cap.cap is 'A unit''s value above this counts as this; in units of the value';
comment on column cohort.frozen_cap.units is 'How many units'' values it was taken from';
comment on column cohort.frozen_cap.at is 'When';

alter table cohort.experiment
    add column planned_units bigint,
    add column segments text[] not null default '{}',
    add column success_alpha numeric not null default 0.05,
    add constraint experiment_planned_units_range check (planned_units between 2 and 1000000000000),
    add constraint experiment_segments_format check (cardinality(segments) <= 5 and array_position(segments, null) is null),
    add constraint experiment_success_alpha_range check (success_alpha > 0 and success_alpha <= 0.5);
comment on column cohort.experiment.planned_units is
    'How many units of all variants are planned: intervals are narrowest there; null: 10,000 a variant';
comment on column cohort.experiment.segments is
    'Attributes of the context, at most 5, whose values at exposure are kept so that results can be read by them';
comment on column cohort.experiment.success_alpha is
    'Error level of its stop conditions of kind success, together; harm has its own (alpha)';

alter table cohort.experiment_metric rename constraint experiment_metric_pkey to experiment_metric_unique;
alter table cohort.experiment_metric
    add column id int generated always as identity,
    add column role text not null default 'secondary',
    add column smallest_effect numeric,
    add column smallest_relative numeric,
    add constraint experiment_metric_role_known check (role in ('primary', 'secondary')),
    add constraint experiment_metric_effect_range check (smallest_effect > 0 and smallest_effect <= 1e12
        and smallest_relative > 0 and smallest_relative <= 1000),
    add constraint experiment_metric_effect_twice check (num_nonnulls(smallest_effect, smallest_relative) < 2);
comment on table cohort.experiment_metric is
    'Metrics an experiment is about. Those its guardrails name are counted besides';
comment on column cohort.experiment_metric.id is 'Their order';
comment on column cohort.experiment_metric.role is 'primary: what the experiment is to decide; secondary: what is looked at besides';
comment on column cohort.experiment_metric.smallest_effect is
    'The smallest difference to control worth having, in units of the metric; futility is judged by it. Null: not said';
comment on column cohort.experiment_metric.smallest_relative is
    'In place of smallest_effect: as a share of control''s value, 0.02 for 2 %';

alter table cohort.guardrail
    alter column count drop default,
    drop constraint guardrail_action_known,
    add constraint guardrail_action_known check (action in ('stop', 'pause', 'hold', 'roll_back', 'alert'));
comment on table cohort.guardrail is
    'Harm that stops or pauses an experiment, holds its ramp, rolls it back, or raises an alert. Can''t be changed once it runs';
comment on column cohort.guardrail.margin is
    'The risk ratio that is tolerated; 1: no more than control. Other than 1 for binary metrics only';
comment on column cohort.guardrail.count is
    'at_event: counts an event when it happens (fastest; binary metrics only, and what is taken for them when left out); at_maturity: when the unit''s window has closed (taken for other kinds)';
comment on column cohort.guardrail.action is 'stop, pause, hold (the ramp), roll_back (to the previous phase), or alert';

create table cohort.stop_condition (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    experiment text not null,
    kind text not null,
    metric text,
    action text not null default 'stop',
    minutes int,
    ratio numeric,
    seconds bigint,
    units bigint,
    weight numeric not null default 1,
    constraint stop_condition_unique unique nulls not distinct (environment, experiment, kind, metric, action),
    constraint stop_condition_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint stop_condition_metric_known foreign key (environment, metric) references cohort.metric (environment, key),
    constraint stop_condition_kind_known check (kind in ('srm', 'no_outcomes', 'volume_drift', 'futility', 'success',
        'max_duration', 'max_units')),
    constraint stop_condition_action_known check (action in ('stop', 'pause', 'hold', 'roll_back', 'alert')),
    constraint stop_condition_success_back check (kind <> 'success' or action <> 'roll_back'),
    constraint stop_condition_missing check (case kind when 'no_outcomes' then minutes is not null when 'volume_drift' then ratio is not null
        when 'max_duration' then seconds is not null when 'max_units' then units is not null
        when 'futility' then metric is not null when 'success' then metric is not null else true end),
    constraint stop_condition_needless check ((minutes is null or kind in ('no_outcomes', 'volume_drift'))
        and (ratio is null or kind = 'volume_drift') and (seconds is null or kind = 'max_duration')
        and (units is null or kind = 'max_units')
        and (metric is null or kind in ('no_outcomes', 'volume_drift', 'futility', 'success'))),
    constraint stop_condition_minutes_range check (minutes between 1 and 43200),
    constraint stop_condition_ratio_range check (ratio > 1 and ratio <= 100),
    constraint stop_condition_seconds_range check (seconds between 60 and 315360000),
    constraint stop_condition_units_range check (units between 2 and 1000000000000),
    constraint stop_condition_weight_range check (weight > 0 and weight <= 1000000)
);
comment on table cohort.stop_condition is
    'What besides harm ends an experiment, pauses it, holds its ramp, rolls it back, or raises an alert. Can''t be changed once it runs';
comment on column cohort.stop_condition.id is 'A small number for event tables';
comment on column cohort.stop_condition.environment is 'The environment it belongs to';
comment on column cohort.stop_condition.experiment is 'The experiment';
comment on column cohort.stop_condition.kind is
    'srm: the split isn''t the one that was drawn; no_outcomes: none for some minutes; volume_drift: far more or far fewer than before; futility: the primary''s effect lies below the smallest worth having; success: the primary moved the good way; max_duration; max_units';
comment on column cohort.stop_condition.metric is
    'futility, success: the primary metric; no_outcomes, volume_drift: the one whose events are watched, null for all of the experiment''s, or its exposures where volume drifts. Null for other kinds';
comment on column cohort.stop_condition.action is 'stop, pause, hold (the ramp), roll_back (to the previous phase), or alert';
comment on column cohort.stop_condition.minutes is 'no_outcomes: for how long; volume_drift: the stretch that is compared, 60 where null';
comment on column cohort.stop_condition.ratio is 'volume_drift: the factor by which the volume has to grow or shrink';
comment on column cohort.stop_condition.seconds is 'max_duration: counted from the start of this run';
comment on column cohort.stop_condition.units is 'max_units: exposed units of all variants together';
comment on column cohort.stop_condition.weight is
    'Its part of the error level, relative to the experiment''s other conditions of the same kind and action';
create index stop_condition_metric on cohort.stop_condition (environment, metric);
alter table cohort.stop_condition enable row level security;
