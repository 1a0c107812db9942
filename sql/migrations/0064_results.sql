-- What results showed at the leader's last pass, and how it went over time.

create table cohort.result (
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    variant_id int not null,
    segment int not null default 0,
    as_of timestamptz not null,
    body jsonb not null,
    constraint result_once primary key (experiment_id, metric_id, metric_version, variant_id, segment)
);
comment on table cohort.result is
    'Results as the leader wrote them when the counts last changed; an earlier version of a metric keeps its last ones. cohort.results(key) reads them';
comment on column cohort.result.experiment_id is 'experiment.id of the run';
comment on column cohort.result.metric_id is 'metric.id';
comment on column cohort.result.metric_version is 'The version of the metric';
comment on column cohort.result.variant_id is 'variant.id';
comment on column cohort.result.segment is '0: all units; else segment_value.id, and body says how the effect there differs from that on everybody else';
comment on column cohort.result.as_of is 'Up to when events were counted';
comment on column cohort.result.body is 'Value, difference, intervals, p, ln E, gate, method, and the sums they came from';

create table cohort.result_series (
    experiment_id int not null,
    metric_id int not null,
    variant_id int not null,
    at timestamptz not null,
    units bigint not null,
    value double precision,
    difference double precision,
    low double precision,
    high double precision,
    ln_e double precision,
    constraint result_series_once primary key (experiment_id, metric_id, variant_id, at)
);
comment on table cohort.result_series is
    'How results went: a point a minute in which they changed, and an hour where it is older than two days';
comment on column cohort.result_series.experiment_id is 'experiment.id of the run';
comment on column cohort.result_series.metric_id is 'metric.id';
comment on column cohort.result_series.variant_id is 'variant.id';
comment on column cohort.result_series.at is 'The minute up to which events were counted';
comment on column cohort.result_series.units is 'Units that count';
comment on column cohort.result_series.value is 'The variant''s value; null: none yet';
comment on column cohort.result_series.difference is 'Difference to control; null for control and where there is none yet';
comment on column cohort.result_series.low is 'Lower end of its always-valid interval; null: none yet';
comment on column cohort.result_series.high is 'Upper end of it; null: none yet';
comment on column cohort.result_series.ln_e is 'Natural logarithm of E; null for control';

create table cohort.result_summary (
    experiment_id int primary key,
    fingerprint text not null,
    n_star double precision not null,
    as_of timestamptz,
    thinned_to timestamptz,
    body jsonb not null
) with (fillfactor = 50);
comment on table cohort.result_summary is 'What results say of each run of an experiment as a whole';
comment on column cohort.result_summary.experiment_id is 'experiment.id of the run';
comment on column cohort.result_summary.fingerprint is 'Of the counts and states it was written from: it is written anew when that changes';
comment on column cohort.result_summary.n_star is 'Planned units of two arms, where intervals are narrowest. Frozen when results were first written: changing it later would break them';
comment on column cohort.result_summary.as_of is 'Up to when events were counted; null: never';
comment on column cohort.result_summary.thinned_to is 'Up to when result_series has been thinned out; null: not yet';
comment on column cohort.result_summary.body is 'The decision in a sentence, a warning when the counts are broken, and the sample ratio';

create index exposure_switch_experiment on cohort.exposure_switch (experiment_id);
