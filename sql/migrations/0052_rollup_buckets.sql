-- How values are distributed, and which units belong to a segment.
create table cohort.metric_bucket (
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    phase_id int not null,
    variant_id int not null,
    segment int not null default 0,
    bucket smallint not null,
    units bigint not null,
    matured_units bigint not null,
    primary key (experiment_id, metric_id, metric_version, phase_id, variant_id, segment, bucket)
) with (fillfactor = 50);
comment on table cohort.metric_bucket is
    'Units by the bucket of their value (cohort.bucket_of), for every kind but binary. Bucket 0, the value 0, has no rows: it is the rest of metric_stat.units';
comment on column cohort.metric_bucket.experiment_id is 'experiment.id';
comment on column cohort.metric_bucket.metric_id is 'metric.id';
comment on column cohort.metric_bucket.metric_version is 'The version of the metric';
comment on column cohort.metric_bucket.phase_id is 'phase.id';
comment on column cohort.metric_bucket.variant_id is 'variant.id';
comment on column cohort.metric_bucket.segment is 'metric_stat.segment';
comment on column cohort.metric_bucket.bucket is '-402 to 402; a larger number is a larger value';
comment on column cohort.metric_bucket.units is 'Units whose y is in it';
comment on column cohort.metric_bucket.matured_units is 'Matured units whose frozen y is in it';

create table cohort.segment_value (
    id int generated always as identity primary key,
    experiment_id int not null,
    attribute text not null,
    value text,
    at timestamptz not null default clock_timestamp(),
    constraint segment_value_once unique nulls not distinct (experiment_id, attribute, value)
);
comment on table cohort.segment_value is
    'The segments that are counted. At most 5 attributes an experiment and 20 values an attribute, in the order in which the leader first counted them; rows are never taken away, so that a unit counted anew is in the segments it was in';
comment on column cohort.segment_value.id is 'metric_stat.segment';
comment on column cohort.segment_value.experiment_id is 'experiment.id';
comment on column cohort.segment_value.attribute is 'The attribute of the context';
comment on column cohort.segment_value.value is 'Its value at the first exposure, as text; null: any value that came after the first 20';
comment on column cohort.segment_value.at is 'When it was first counted';

alter table cohort.exposure_replaced add column old_segments jsonb;
comment on column cohort.exposure_replaced.old_segments is 'Its segments before';
