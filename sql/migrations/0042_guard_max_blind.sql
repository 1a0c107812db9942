-- How long a node may serve an experiment that nobody watches; and stops that come back to a database that had
-- forgotten them.
alter table cohort.experiment
    add column guard_max_blind_s int default 900,
    add constraint experiment_guard_max_blind_range check (guard_max_blind_s between 1 and 604800);
comment on column cohort.experiment.guard_max_blind_s is
    'Seconds a node serves it without hearing of the monitor that watches its guardrails; null: for as long as it may be. Only with a stopping guardrail';

-- Which guardrail and variant it was is not known of a stop that a server told the database again.
alter table cohort.stop_event
    alter column guardrail_id drop not null,
    alter column treatment_id drop not null;
comment on column cohort.stop_event.guardrail_id is 'guardrail.id that stopped it; null: told again by a server, see evidence';
comment on column cohort.stop_event.treatment_id is 'variant.id that did harm; null: told again by a server, see evidence';
