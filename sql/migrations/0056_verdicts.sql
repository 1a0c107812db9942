-- Verdicts of guardrails and stop conditions, and what they lead to: stops, pauses, ramps that are held or rolled back.
-- Like stops they are inserts that wait for nobody: no foreign key, no lock that an edit of a definition holds.

create table cohort.verdict_event (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    experiment_id int not null,
    iteration int not null,
    kind text not null,
    guardrail_id int,
    condition_id int,
    treatment_id int,
    metric_version int,
    action text not null,
    sentence text not null,
    evidence jsonb not null,
    epoch bigint not null,
    constraint verdict_event_once unique nulls not distinct
        (experiment_id, iteration, kind, guardrail_id, condition_id, treatment_id, metric_version)
);
comment on table cohort.verdict_event is
    'What guardrails and stop conditions found, each once a run, treatment and version of the metric. Append-only';
comment on column cohort.verdict_event.id is 'The order of verdicts';
comment on column cohort.verdict_event.at is 'When';
comment on column cohort.verdict_event.experiment_id is 'experiment.id';
comment on column cohort.verdict_event.iteration is 'experiment.iteration';
comment on column cohort.verdict_event.kind is
    'harm (a guardrail), or stop_condition.kind: srm, no_outcomes, volume_drift, futility, success, max_duration, max_units';
comment on column cohort.verdict_event.guardrail_id is 'guardrail.id; null for a stop condition';
comment on column cohort.verdict_event.condition_id is 'stop_condition.id; null for a guardrail';
comment on column cohort.verdict_event.treatment_id is 'variant.id it is about; null: the experiment as a whole';
comment on column cohort.verdict_event.metric_version is 'metric.version it was judged by; null: no metric';
comment on column cohort.verdict_event.action is
    'What was done: stop, pause, hold, roll_back, alert. A stop in place of a roll_back says that there was nothing to go back to';
comment on column cohort.verdict_event.sentence is 'The reason, for people';
comment on column cohort.verdict_event.evidence is 'All it was computed from: anyone recomputes E';
comment on column cohort.verdict_event.epoch is 'leader_state.epoch of the leader that found it';

alter table cohort.stop_event add column condition_id int;
comment on table cohort.stop_event is
    'Experiments that a guardrail or a stop condition stopped, with the evidence. Append-only; a stopped iteration never runs again';
comment on column cohort.stop_event.guardrail_id is 'guardrail.id that stopped it; null: a stop condition did, or it was told again by a server (see evidence)';
comment on column cohort.stop_event.treatment_id is 'variant.id that did harm, or won; null: none of them alone, or told again by a server';
comment on column cohort.stop_event.condition_id is 'stop_condition.id that stopped it; null: a guardrail did';

create table cohort.pause_event (
    id bigint generated always as identity primary key,
    experiment_id int not null,
    iteration int not null,
    verdict_id bigint not null,
    at timestamptz not null default clock_timestamp(),
    epoch bigint not null,
    sentence text not null,
    resolved_at timestamptz,
    resolved_by text,
    constraint pause_event_resolved check ((resolved_at is null) = (resolved_by is null))
);
create unique index pause_event_once on cohort.pause_event (experiment_id, iteration) where resolved_at is null;
comment on table cohort.pause_event is
    'Experiments that a guardrail or a stop condition paused. One that nobody has resolved by resume() makes the experiment paused';
comment on column cohort.pause_event.id is 'The order of pauses';
comment on column cohort.pause_event.experiment_id is 'experiment.id';
comment on column cohort.pause_event.iteration is 'experiment.iteration';
comment on column cohort.pause_event.verdict_id is 'verdict_event.id: why, with the evidence';
comment on column cohort.pause_event.at is 'When';
comment on column cohort.pause_event.epoch is 'leader_state.epoch of the leader that paused it';
comment on column cohort.pause_event.sentence is 'The reason, for people';
comment on column cohort.pause_event.resolved_at is 'When it was resumed; null: not yet';
comment on column cohort.pause_event.resolved_by is 'Who resumed it; null: nobody yet';

create table cohort.roll_back_event (
    verdict_id bigint primary key,
    at timestamptz not null default clock_timestamp(),
    done text not null
);
comment on table cohort.roll_back_event is 'Verdicts with action roll_back that were carried out. Append-only';
comment on column cohort.roll_back_event.verdict_id is 'verdict_event.id';
comment on column cohort.roll_back_event.at is 'When';
comment on column cohort.roll_back_event.done is 'What was done';

create table cohort.tilt_score (
    experiment_id int not null,
    metric_id int not null,
    metric_version int not null,
    centre double precision not null,
    scale double precision not null,
    clip double precision not null,
    from_units bigint not null,
    at timestamptz not null default clock_timestamp(),
    constraint tilt_score_once primary key (experiment_id, metric_id, metric_version)
);
comment on table cohort.tilt_score is
    'The scores of the histogram tilt, frozen when 400 matured units of all arms together had an amount, and before any verdict. A bucket''s score is (its clipped middle - centre) / scale, held within 6';
comment on column cohort.tilt_score.experiment_id is 'experiment.id';
comment on column cohort.tilt_score.metric_id is 'metric.id';
comment on column cohort.tilt_score.metric_version is 'metric.version';
comment on column cohort.tilt_score.centre is 'The mean of the clipped values, in millionths';
comment on column cohort.tilt_score.scale is 'Their standard deviation, in millionths';
comment on column cohort.tilt_score.clip is 'Where values are clipped, in millionths: 5 % of the amounts are larger';
comment on column cohort.tilt_score.from_units is 'From how many units, of all arms';
comment on column cohort.tilt_score.at is 'When';

-- A new version of a metric is a new test with a state of its own.
alter table cohort.guardrail_state
    add column metric_version int,
    drop constraint guardrail_state_pkey;
update cohort.guardrail_state s set metric_version = m.version
  from cohort.guardrail g join cohort.metric m on m.environment = g.environment and m.key = g.metric where g.id = s.guardrail_id;
update cohort.guardrail_state set metric_version = 1 where metric_version is null;
alter table cohort.guardrail_state
    alter column metric_version set not null,
    add constraint guardrail_state_once primary key (guardrail_id, treatment_id, iteration, metric_version);
comment on column cohort.guardrail_state.metric_version is 'metric.version it was judged by';
comment on column cohort.guardrail_state.risk_ratio is
    'Estimated risk ratio, treatment over control (other kinds than binary: ratio of the values); null: unknown yet';
alter table cohort.alert_event
    add column metric_version int,
    drop constraint alert_event_once,
    add constraint alert_event_once unique nulls not distinct (guardrail_id, treatment_id, iteration, metric_version);
comment on column cohort.alert_event.metric_version is 'metric.version it was judged by; null: not known';

create table cohort.condition_state (
    condition_id int not null,
    iteration int not null,
    metric_version int not null,
    ln_e double precision,
    max_ln_e double precision,
    threshold double precision,
    counted numeric,
    changed_at timestamptz,
    interval_at timestamptz,
    as_of timestamptz not null,
    seen text,
    detail jsonb,
    constraint condition_state_once primary key (condition_id, iteration, metric_version)
) with (fillfactor = 50);
comment on table cohort.condition_state is 'Where each stop condition stands';
comment on column cohort.condition_state.condition_id is 'stop_condition.id';
comment on column cohort.condition_state.iteration is 'experiment.iteration';
comment on column cohort.condition_state.metric_version is 'metric.version it was judged by; 0: no metric';
comment on column cohort.condition_state.ln_e is 'Natural logarithm of the evidence now; null: not of this kind, or not judged yet';
comment on column cohort.condition_state.max_ln_e is 'The largest it ever was';
comment on column cohort.condition_state.threshold is 'ln_e at which it acts; null: nothing of this kind';
comment on column cohort.condition_state.counted is 'no_outcomes, volume_drift: what was counted when it was last looked at';
comment on column cohort.condition_state.changed_at is 'no_outcomes: when that last grew';
comment on column cohort.condition_state.interval_at is 'volume_drift: when the stretch that is being counted began';
comment on column cohort.condition_state.as_of is 'The counts are as of this moment';
comment on column cohort.condition_state.seen is 'What it was judged on, hashed: the same is not judged again';
comment on column cohort.condition_state.detail is 'What it found, or what is missing for an answer';

create table cohort.volume_interval (
    condition_id int not null,
    iteration int not null,
    metric_version int not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    counted bigint not null,
    constraint volume_interval_once primary key (condition_id, iteration, metric_version, started_at)
);
comment on table cohort.volume_interval is 'What came in in each stretch of time, for stop conditions of kind volume_drift';
comment on column cohort.volume_interval.condition_id is 'stop_condition.id';
comment on column cohort.volume_interval.iteration is 'experiment.iteration';
comment on column cohort.volume_interval.metric_version is 'metric.version; 0: exposures';
comment on column cohort.volume_interval.started_at is 'From';
comment on column cohort.volume_interval.ended_at is 'To';
comment on column cohort.volume_interval.counted is 'Units that were first exposed, or that had their first event, in it';
