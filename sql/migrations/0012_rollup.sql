-- What the monitor counts: who leads, what each unit did, and the sums that statistics start from.

create table cohort.leader_state (
    only_row boolean primary key default true check (only_row),
    epoch bigint not null default 0,
    node text not null default '',
    heartbeat timestamptz,
    as_of timestamptz,
    pass bigint not null default 0,
    unsummarised bigint not null default 0
);
comment on table cohort.leader_state is
    'One row: which server runs the monitor. Each of its transactions locks the row and checks its epoch';
comment on column cohort.leader_state.only_row is 'Always true: there is one row';
comment on column cohort.leader_state.epoch is 'Raised by each new leader: an old one can no longer write';
comment on column cohort.leader_state.node is 'The leader''s name; empty: there was none yet';
comment on column cohort.leader_state.heartbeat is 'When the leader was last alive; null: never';
comment on column cohort.leader_state.as_of is 'When the counts were last brought up to date; null: never';
comment on column cohort.leader_state.pass is 'Counts the passes of the roll-up';
comment on column cohort.leader_state.unsummarised is 'Rows counted since the block-range indexes were last brought up to date';
insert into cohort.leader_state default values;
alter table cohort.leader_state set (fillfactor = 20);

create table cohort.tracked_metric (
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    matured_to timestamptz,
    primary key (experiment_id, metric_id)
);
comment on table cohort.tracked_metric is 'The pairs of experiment and metric that are being counted';
comment on column cohort.tracked_metric.experiment_id is 'experiment.id';
comment on column cohort.tracked_metric.metric_id is 'metric.id';
comment on column cohort.tracked_metric.metric_version is 'The version of the metric that is counted';
comment on column cohort.tracked_metric.matured_to is
    'Units first exposed at or before this have matured; null: the metric''s window has no end';

create table cohort.maturity (
    experiment_id int not null,
    metric_id int not null,
    pass bigint not null,
    matured_to timestamptz not null,
    primary key (experiment_id, metric_id, pass)
);
comment on table cohort.maturity is
    'Which pass of the roll-up let units mature, so that frozen values can be counted again from the rows';
comment on column cohort.maturity.experiment_id is 'experiment.id';
comment on column cohort.maturity.metric_id is 'metric.id';
comment on column cohort.maturity.pass is 'The pass';
comment on column cohort.maturity.matured_to is 'tracked_metric.matured_to as that pass left it';
create index maturity_to on cohort.maturity (experiment_id, metric_id, matured_to);

create table cohort.unit_metric (
    unit_id uuid not null,
    experiment_id int not null,
    metric_id int not null,
    phase_id int not null,
    variant_id int not null,
    metric_version int not null,
    n bigint not null,
    sum numeric not null,
    matured_n bigint not null default 0,
    matured_sum numeric not null default 0,
    primary key (unit_id, experiment_id, metric_id)
) with (fillfactor = 80);
comment on table cohort.unit_metric is
    'What each exposed unit did, as counted so far. A unit without a row did nothing that counts';
comment on column cohort.unit_metric.unit_id is 'The unit';
comment on column cohort.unit_metric.experiment_id is 'experiment.id';
comment on column cohort.unit_metric.metric_id is 'metric.id';
comment on column cohort.unit_metric.phase_id is 'phase.id it counts under';
comment on column cohort.unit_metric.variant_id is 'variant.id it counts under';
comment on column cohort.unit_metric.metric_version is 'The version of the metric';
comment on column cohort.unit_metric.n is 'Trusted outcomes inside the metric''s window';
comment on column cohort.unit_metric.sum is 'The sum of their values, in millionths';
comment on column cohort.unit_metric.matured_n is 'n, frozen when the unit matured; 0 before';
comment on column cohort.unit_metric.matured_sum is 'sum, frozen when the unit matured; 0 before';

create table cohort.exposure_stat (
    experiment_id int not null,
    phase_id int not null,
    variant_id int not null,
    units bigint not null,
    primary key (experiment_id, phase_id, variant_id)
) with (fillfactor = 50);
comment on table cohort.exposure_stat is 'Units exposed, per phase and variant';
comment on column cohort.exposure_stat.experiment_id is 'experiment.id';
comment on column cohort.exposure_stat.phase_id is 'phase.id';
comment on column cohort.exposure_stat.variant_id is 'variant.id';
comment on column cohort.exposure_stat.units is 'Units first exposed there';

create table cohort.metric_stat (
    experiment_id int not null,
    phase_id int not null,
    variant_id int not null,
    metric_id int not null,
    metric_version int not null,
    segment int not null default 0,
    units bigint not null,
    event_units bigint not null,
    sum numeric not null,
    sum_sq numeric not null,
    matured_units bigint not null,
    matured_event_units bigint not null,
    matured_sum numeric not null,
    matured_sum_sq numeric not null,
    primary key (experiment_id, metric_id, metric_version, phase_id, variant_id, segment)
) with (fillfactor = 50);
comment on table cohort.metric_stat is
    'The sufficient statistics of every metric. A unit''s value y is 1 or 0 for a binary metric, the sum of its values for a mean; in millionths';
comment on column cohort.metric_stat.experiment_id is 'experiment.id';
comment on column cohort.metric_stat.phase_id is 'phase.id';
comment on column cohort.metric_stat.variant_id is 'variant.id';
comment on column cohort.metric_stat.metric_id is 'metric.id';
comment on column cohort.metric_stat.metric_version is 'The version of the metric';
comment on column cohort.metric_stat.segment is '0: all units';
comment on column cohort.metric_stat.units is 'Units exposed';
comment on column cohort.metric_stat.event_units is 'Of those, units with at least one outcome that counts';
comment on column cohort.metric_stat.sum is 'Sum of y, in millionths';
comment on column cohort.metric_stat.sum_sq is 'Sum of y squared, in millionths squared (1e-12)';
comment on column cohort.metric_stat.matured_units is 'Units whose window has closed';
comment on column cohort.metric_stat.matured_event_units is 'Of those, units with an outcome when it closed';
comment on column cohort.metric_stat.matured_sum is 'Sum of y of the matured units, frozen when they matured, in millionths';
comment on column cohort.metric_stat.matured_sum_sq is 'Sum of its squares, in millionths squared (1e-12)';
