-- Guardrails where a model decides: units are counted by the odds their own decision gave to a treatment against control.

create table cohort.odds_stat (
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    treatment_id int not null,
    odds int not null,
    variant_id int not null,
    units bigint not null,
    event_units bigint not null,
    matured_units bigint not null,
    matured_event_units bigint not null,
    primary key (experiment_id, metric_id, metric_version, treatment_id, odds, variant_id)
) with (fillfactor = 50);
comment on table cohort.odds_stat is
    'Units whose first exposure a model drew, by the odds of a treatment against control that it was drawn with. Phases need not be told apart: under no effect, who of the two takes a unit''s first event depends on nothing but the odds';
comment on column cohort.odds_stat.experiment_id is 'experiment.id';
comment on column cohort.odds_stat.metric_id is 'metric.id';
comment on column cohort.odds_stat.metric_version is 'The version of the metric';
comment on column cohort.odds_stat.treatment_id is 'variant.id of the treatment';
comment on column cohort.odds_stat.odds is 'cohort.odds_step() of its probability and control''s, -255 to 255';
comment on column cohort.odds_stat.variant_id is 'variant.id the units got: the treatment or control';
comment on column cohort.odds_stat.units is 'Units';
comment on column cohort.odds_stat.event_units is 'Of those, units with an outcome the metric counts';
comment on column cohort.odds_stat.matured_units is 'Units whose window is over';
comment on column cohort.odds_stat.matured_event_units is 'Of those, units with an outcome when it was over';
comment on column cohort.exposure.segments is
    'The unit''s segments, frozen at the exposure, and where a model drew it, "$odds": cohort.odds_of() its decision; null: none';
