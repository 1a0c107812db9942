-- What is counted, and which counts may stop an experiment.

create table cohort.metric (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity unique,
    event text not null,
    kind text not null default 'binary',
    version int not null default 1,
    direction_good text not null default 'none',
    window_start_s int not null default 0,
    window_end_s int,
    description text not null default '',
    constraint metric_key_unique primary key (environment, key),
    constraint metric_environment_known foreign key (environment) references cohort.environment (key),
    constraint metric_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint metric_event_format check (event ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'),
    constraint metric_kind_known check (kind in ('binary', 'mean')),
    constraint metric_version_fixed check (version >= 1),
    constraint metric_direction_known check (direction_good in ('up', 'down', 'none')),
    constraint metric_window check (window_start_s >= 0 and (window_end_s is null or window_end_s > window_start_s))
);
comment on table cohort.metric is
    'What is counted per unit, by event name. An outcome counts when first exposure + start <= its time < first exposure + end';
comment on column cohort.metric.environment is 'The environment it belongs to';
comment on column cohort.metric.key is 'Its name';
comment on column cohort.metric.id is 'A small number for event tables';
comment on column cohort.metric.event is 'The event name it counts; events no metric counts are rejected by name';
comment on column cohort.metric.kind is 'binary: had the event or not; mean: the sum of the event''s values per unit';
comment on column cohort.metric.version is 'Raised by each change of what is counted';
comment on column cohort.metric.direction_good is 'Which way is good: up, down, or none';
comment on column cohort.metric.window_start_s is 'Seconds after first exposure from which events count';
comment on column cohort.metric.window_end_s is 'Seconds after first exposure before which events count; null: for ever';
comment on column cohort.metric.description is 'For people';

create table cohort.guardrail (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    experiment text not null,
    metric text not null,
    direction text not null default 'up',
    margin numeric not null default 1,
    weight numeric not null default 1,
    count text not null default 'at_event',
    action text not null default 'stop',
    constraint guardrail_unique unique (environment, experiment, metric, direction, action),
    constraint guardrail_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint guardrail_metric_known foreign key (environment, metric) references cohort.metric (environment, key),
    constraint guardrail_direction_known check (direction in ('up', 'down')),
    constraint guardrail_margin_range check (margin > 0 and margin <= 1000),
    constraint guardrail_weight_range check (weight > 0 and weight <= 1000000),
    constraint guardrail_count_known check (count in ('at_event', 'at_maturity')),
    constraint guardrail_action_known check (action in ('stop', 'alert'))
);
comment on table cohort.guardrail is 'Harm that stops an experiment, or raises an alert. Can''t be changed once it runs';
comment on column cohort.guardrail.id is 'A small number for event tables';
comment on column cohort.guardrail.environment is 'The environment it belongs to';
comment on column cohort.guardrail.experiment is 'The experiment it guards';
comment on column cohort.guardrail.metric is 'The metric it watches';
comment on column cohort.guardrail.direction is 'Which way is harm: up or down';
comment on column cohort.guardrail.margin is 'The risk ratio that is tolerated; 1: no more than control';
comment on column cohort.guardrail.weight is
    'Its part of the error level, relative to the experiment''s other guardrails of the same action';
comment on column cohort.guardrail.count is
    'at_event: counts an event when it happens (fastest); at_maturity: when the unit''s window has closed';
comment on column cohort.guardrail.action is 'stop or alert';
create index guardrail_metric on cohort.guardrail (environment, metric);

insert into cohort.metric (environment, key, event, kind, direction_good, window_end_s, description) values
    ('production', 'unsubscribe', 'unsubscribe', 'binary', 'down', 604800, 'Unsubscribed within 7 days of the first exposure'),
    ('production', 'complaint', 'complaint', 'binary', 'down', 604800, 'Complained within 7 days of the first exposure'),
    ('production', 'refund', 'refund', 'binary', 'down', 604800, 'Was refunded within 7 days of the first exposure');
