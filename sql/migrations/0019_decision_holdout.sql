-- Which holdout kept a unit out, beside the experiment it was kept out of.
alter table cohort.decision add column if not exists holdout_id int;
comment on column cohort.decision.holdout_id is 'experiment.id of the holdout that kept the unit out of the experiment; null: none did';
comment on column cohort.decision.mode is
    '0 a single evaluation, 1 a bulk one (a prefetch, never an exposure), 2 a single one that asked not to be enrolled (no exposure)';
