-- What an experiment behind a holdout gains: its units are counted a second time, by the holdout's arm that drew them.

create table cohort.lift_pair (
    id int primary key,
    holdout_id int not null,
    experiment_id int not null,
    made_at timestamptz not null default clock_timestamp(),
    constraint lift_pair_once unique (holdout_id, experiment_id)
);
comment on table cohort.lift_pair is
    'A holdout and an experiment behind it. Its id is of the same numbers as experiment.id: exposures, counts and results under it are those of the experiment''s units by arm of the holdout';
comment on column cohort.lift_pair.id is 'What exposure, metric_stat and result have as experiment_id';
comment on column cohort.lift_pair.holdout_id is 'experiment.id of the run of the holdout';
comment on column cohort.lift_pair.experiment_id is 'experiment.id of the run of the experiment';
comment on column cohort.lift_pair.made_at is 'Units count from then on: when the first of them was stored';
create index lift_pair_experiment on cohort.lift_pair (experiment_id);
