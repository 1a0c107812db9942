-- Phases belong to an iteration; slots of theirs can be closed and opened again; and traffic can go up by a schedule.

alter table cohort.phase add column experiment_id int;
-- Where an older server has loaded its triggers, phases refuse edits: not this one.
alter table cohort.phase disable trigger user;
update cohort.phase p set experiment_id = e.id
  from cohort.experiment e where e.environment = p.environment and e.key = p.experiment;
alter table cohort.phase enable trigger user;
alter table cohort.phase
    alter column experiment_id set not null,
    drop constraint phase_number_unique,
    add constraint phase_number_unique unique (experiment_id, number);
create index phase_experiment on cohort.phase (environment, experiment);
comment on column cohort.phase.experiment_id is 'experiment_iteration.experiment_id: the iteration it belongs to';
comment on column cohort.phase.number is '1, 2, … within the iteration';

create table cohort.phase_closed (
    phase_id int not null,
    slots int4multirange not null,
    changed_at timestamptz not null default clock_timestamp(),
    constraint phase_closed_unique primary key (phase_id),
    constraint phase_closed_phase_known foreign key (phase_id) references cohort.phase (id)
);
comment on table cohort.phase_closed is
    'Traffic slots of a phase that are closed: they get the fallback, and come back to the same phase when opened again';
comment on column cohort.phase_closed.phase_id is 'The phase';
comment on column cohort.phase_closed.slots is 'Its closed slots, of its traffic_slots';
comment on column cohort.phase_closed.changed_at is 'When they last changed';

create table cohort.ramp_step (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    number int not null,
    traffic_ppm int not null,
    shares jsonb,
    wait_s int not null default 86400,
    state text not null default 'waiting',
    done_at timestamptz,
    note text,
    opened int4multirange,
    constraint ramp_step_unique primary key (environment, experiment, number),
    constraint ramp_step_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint ramp_step_number_range check (number between 1 and 100),
    constraint ramp_step_traffic_range check (traffic_ppm between 1 and 1000000),
    constraint ramp_step_wait_range check (wait_s >= 0),
    constraint ramp_step_state_known check (state in ('waiting', 'done', 'held', 'rolled_back'))
);
comment on table cohort.ramp_step is
    'The schedule by which an experiment''s traffic goes up. A step opens when its wait is over and the guardrails allow it';
comment on column cohort.ramp_step.environment is 'The environment it belongs to';
comment on column cohort.ramp_step.experiment is 'The experiment';
comment on column cohort.ramp_step.number is '1, 2, … in the order of time';
comment on column cohort.ramp_step.traffic_ppm is 'The traffic that is open after the step, in parts per million';
comment on column cohort.ramp_step.shares is
    'Shares of the variants for the traffic it opens: {"control": 500000, "b": 500000}; null: those of the phase before';
comment on column cohort.ramp_step.wait_s is 'Seconds since the step before, or since the start';
comment on column cohort.ramp_step.state is
    'waiting; held: due, but the guardrails don''t allow it yet (note says why); done; rolled_back: opened and closed again, the ramp is over';
comment on column cohort.ramp_step.done_at is 'When it opened; null: not yet';
comment on column cohort.ramp_step.note is 'Why it opened, holds, or was rolled back';
comment on column cohort.ramp_step.opened is 'The traffic slots it opened; null: not yet';
