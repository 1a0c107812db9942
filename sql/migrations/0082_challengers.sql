-- Other policies, evaluated from the log while the bandit runs, and who put one in force.

alter table cohort.bandit add column held boolean not null default false;
comment on column cohort.bandit.held is
    'True after somebody put a policy in force: the server opens no phase by itself until cohort.use_model(key) lets it learn on';

create table cohort.challenger (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    experiment text not null,
    key text not null,
    policy jsonb not null,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default cohort.current_actor(),
    constraint challenger_key_unique unique (environment, experiment, key),
    constraint challenger_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint challenger_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint challenger_policy check (jsonb_typeof(policy) = 'object')
);
comment on table cohort.challenger is
    'Other policies of an experiment, evaluated from its log: what they would have earned. cohort.off_policy(experiment, key) says';
comment on column cohort.challenger.id is 'A small number';
comment on column cohort.challenger.environment is 'The environment it belongs to';
comment on column cohort.challenger.experiment is 'The experiment it would decide';
comment on column cohort.challenger.key is 'Its name within the experiment';
comment on column cohort.challenger.policy is
    '{"kind": "variant", "variant": …}, {"kind": "model", "version": …}, {"kind": "rule", "rules": [{"condition": …, "variant": …}], "otherwise": …} or {"kind": "uniform"}. Never edited: make another';
comment on column cohort.challenger.created_at is 'When it was made';
comment on column cohort.challenger.created_by is 'Who made it';

create table cohort.policy_stat (
    challenger_id int not null,
    experiment_id int not null,
    evaluated_to timestamptz not null,
    evaluated_pass bigint not null,
    sums double precision[] not null,
    body jsonb not null,
    at timestamptz not null default clock_timestamp(),
    primary key (challenger_id, experiment_id)
) with (fillfactor = 50);
comment on table cohort.policy_stat is 'What a challenger would have earned in a run of its experiment, as the leader last computed it';
comment on column cohort.policy_stat.challenger_id is 'challenger.id';
comment on column cohort.policy_stat.experiment_id is 'experiment.id of the run';
comment on column cohort.policy_stat.evaluated_to is 'Decisions at or before this are in it, if they had come by evaluated_pass';
comment on column cohort.policy_stat.evaluated_pass is 'The pass of the roll-up up to which decisions had come';
comment on column cohort.policy_stat.sums is
    'units, n, Σw, Σw², Σwy, Σd, ΣN², ΣW², Σ(WY)², ΣD², ΣN·WY, ΣW·WY, ΣN·D, Σy, ΣL², ΣN·L, Σ uncovered, decisions uncovered, bad decisions; capitals are sums of a unit';
comment on column cohort.policy_stat.body is 'The estimates, their intervals, the effective sample size, and what is missing';
comment on column cohort.policy_stat.at is 'When it was computed';

create table cohort.policy_unit (
    challenger_id int not null,
    experiment_id int not null,
    unit_id uuid not null,
    sums double precision[] not null,
    primary key (challenger_id, experiment_id, unit_id)
) with (fillfactor = 80);
comment on table cohort.policy_unit is 'Sums of each unit under a challenger: decisions of one unit depend on each other';
comment on column cohort.policy_unit.challenger_id is 'challenger.id';
comment on column cohort.policy_unit.experiment_id is 'experiment.id of the run';
comment on column cohort.policy_unit.unit_id is 'The unit';
comment on column cohort.policy_unit.sums is 'n, Σw, Σw², Σwy, Σd, Σy, Σ uncovered, decisions uncovered, bad decisions';

create index decision_reward_pass on cohort.decision_reward using brin (pass) with (pages_per_range = 32, autosummarize = on);

alter table cohort.challenger enable row level security;
