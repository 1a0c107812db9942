-- Days that are kept no longer, and what had been counted of them.
create table cohort.partition_dropped (
    parent text not null constraint partition_dropped_parent check (parent in ('outcome', 'decision')),
    day date not null,
    rows bigint not null default 0,
    counted_to uuid,
    closed_at timestamptz not null default clock_timestamp(),
    dropped_at timestamptz,
    primary key (parent, day)
);
comment on table cohort.partition_dropped is
    'UTC days of outcome and decision that are kept no longer. Events of such a day that still come go to the dead letters';
comment on column cohort.partition_dropped.parent is 'outcome or decision';
comment on column cohort.partition_dropped.day is 'The UTC day';
comment on column cohort.partition_dropped.rows is 'Rows it had';
comment on column cohort.partition_dropped.counted_to is 'While it goes: units up to this one are counted for the last time; null: none yet';
comment on column cohort.partition_dropped.closed_at is 'When it took its last row: from then on it was being counted for the last time';
comment on column cohort.partition_dropped.dropped_at is 'When its table went; null: it is still being counted for the last time';

create table cohort.unit_frozen (
    unit_id uuid not null,
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    n bigint not null,
    sum numeric not null,
    matured_n bigint not null,
    matured_sum numeric not null,
    primary key (unit_id, experiment_id, metric_id)
) with (fillfactor = 80);
comment on table cohort.unit_frozen is
    'What each unit did on days that are kept no longer, as it counted when they went: it stays counted, whatever is counted anew';
comment on column cohort.unit_frozen.unit_id is 'The unit';
comment on column cohort.unit_frozen.experiment_id is 'experiment.id';
comment on column cohort.unit_frozen.metric_id is 'metric.id';
comment on column cohort.unit_frozen.metric_version is 'The version of the metric';
comment on column cohort.unit_frozen.n is 'Of unit_metric.n, outcomes whose rows are gone';
comment on column cohort.unit_frozen.sum is 'The sum of their values, in millionths';
comment on column cohort.unit_frozen.matured_n is 'Of n, those in the frozen value of the unit once it matures';
comment on column cohort.unit_frozen.matured_sum is 'The sum of their values, in millionths';
