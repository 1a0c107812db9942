-- What the monitor found, and what it did about it. A stop is one insert: no foreign key and no lock that an
-- edit of a definition holds, so that nobody's open transaction can delay it.

create table cohort.guardrail_state (
    guardrail_id int not null,
    treatment_id int not null,
    iteration int not null,
    ln_e double precision not null,
    max_ln_e double precision not null,
    threshold double precision,
    risk_ratio double precision,
    lower double precision,
    upper double precision,
    as_of timestamptz not null,
    detail jsonb,
    primary key (guardrail_id, treatment_id, iteration)
) with (fillfactor = 50);
comment on table cohort.guardrail_state is 'Where each guardrail stands, per treatment variant';
comment on column cohort.guardrail_state.guardrail_id is 'guardrail.id';
comment on column cohort.guardrail_state.treatment_id is 'variant.id of the variant that is compared with control';
comment on column cohort.guardrail_state.iteration is 'experiment.iteration';
comment on column cohort.guardrail_state.ln_e is 'Natural logarithm of the evidence for harm, now';
comment on column cohort.guardrail_state.max_ln_e is 'The largest it ever was: can''t be derived from totals';
comment on column cohort.guardrail_state.threshold is 'ln_e at which the guardrail acts';
comment on column cohort.guardrail_state.risk_ratio is 'Estimated risk ratio, treatment over control; null: unknown yet';
comment on column cohort.guardrail_state.lower is 'Lower bound of the risk ratio, valid at any time; null: unknown yet';
comment on column cohort.guardrail_state.upper is 'Upper bound of the risk ratio, valid at any time; null: unknown yet';
comment on column cohort.guardrail_state.as_of is 'The counts are as of this moment';
comment on column cohort.guardrail_state.detail is 'The counts it was computed from; null: not kept';

create table cohort.stop_event (
    id bigint generated always as identity primary key,
    experiment_id int not null,
    iteration int not null,
    guardrail_id int not null,
    treatment_id int not null,
    at timestamptz not null default clock_timestamp(),
    epoch bigint not null,
    sentence text not null,
    evidence jsonb not null,
    constraint stop_event_once unique (experiment_id, iteration)
);
comment on table cohort.stop_event is
    'Experiments a guardrail stopped, with the evidence. Append-only; a stopped iteration never runs again';
comment on column cohort.stop_event.id is 'The order of stops';
comment on column cohort.stop_event.experiment_id is 'experiment.id';
comment on column cohort.stop_event.iteration is 'experiment.iteration that was stopped';
comment on column cohort.stop_event.guardrail_id is 'guardrail.id that stopped it';
comment on column cohort.stop_event.treatment_id is 'variant.id that did harm';
comment on column cohort.stop_event.at is 'When';
comment on column cohort.stop_event.epoch is 'leader_state.epoch of the leader that stopped it';
comment on column cohort.stop_event.sentence is 'The reason, for people';
comment on column cohort.stop_event.evidence is 'Counts per phase, ln E, error level, risk ratio and its bound';

create table cohort.alert_event (
    id bigint generated always as identity primary key,
    experiment_id int not null,
    iteration int not null,
    guardrail_id int not null,
    treatment_id int not null,
    at timestamptz not null default clock_timestamp(),
    epoch bigint not null,
    sentence text not null,
    evidence jsonb not null,
    constraint alert_event_once unique (guardrail_id, treatment_id, iteration)
);
comment on table cohort.alert_event is
    'Alerts of guardrails whose action is alert: once per guardrail, treatment and iteration. Append-only';
comment on column cohort.alert_event.id is 'The order of alerts';
comment on column cohort.alert_event.experiment_id is 'experiment.id';
comment on column cohort.alert_event.iteration is 'experiment.iteration';
comment on column cohort.alert_event.guardrail_id is 'guardrail.id';
comment on column cohort.alert_event.treatment_id is 'variant.id it is about';
comment on column cohort.alert_event.at is 'When';
comment on column cohort.alert_event.epoch is 'leader_state.epoch of the leader that raised it';
comment on column cohort.alert_event.sentence is 'The reason, for people';
comment on column cohort.alert_event.evidence is 'Counts per phase, ln E, error level, risk ratio and its bound';
create index alert_event_experiment on cohort.alert_event (experiment_id);
