-- Bandits: experiments whose shares follow the rewards. A phase of theirs is a stretch of time; each is written,
-- with its shares, before it serves anyone.

alter table cohort.experiment
    drop constraint experiment_kind_known,
    add constraint experiment_kind_known check (kind in ('ab', 'holdout', 'bandit', 'contextual'));
comment on column cohort.experiment.kind is
    'ab: variants of a flag; holdout: a share of the units is kept out of other experiments (cohort.holdout says of which); bandit: shares follow the rewards (cohort.bandit); contextual: they follow a model of the rewards too (cohort.contextual)';

create table cohort.bandit (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    reward text not null,
    assign text not null,
    floor_ppm int not null default 10000,
    every_s int not null default 3600,
    warm_up int not null default 100,
    half_life_s int,
    uniform_ppm int not null default 50000,
    stick_s int,
    promote text not null default 'person',
    constraint bandit_unique primary key (environment, experiment),
    constraint bandit_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint bandit_reward_known foreign key (environment, reward) references cohort.metric (environment, key),
    constraint bandit_assign_known check (assign in ('unit', 'decision')),
    constraint bandit_floor_range check (floor_ppm between 1000 and 500000),
    constraint bandit_every_range check (every_s between 10 and 2592000),
    constraint bandit_warm_up_range check (warm_up between 1 and 1000000000),
    constraint bandit_half_life_range check (half_life_s between 60 and 315360000),
    constraint bandit_uniform_range check (uniform_ppm between 0 and 500000),
    constraint bandit_stick_range check (stick_s between 0 and 31536000),
    constraint bandit_stick_unit check (stick_s is null or assign = 'unit'),
    constraint bandit_promote_known check (promote in ('person', 'automatic'))
);
comment on table cohort.bandit is
    'How an experiment of kind bandit or contextual learns. Its row belongs to the draft; while it runs, only every_s and promote can be changed';
comment on column cohort.bandit.environment is 'The environment it belongs to';
comment on column cohort.bandit.experiment is 'The experiment of kind bandit or contextual';
comment on column cohort.bandit.reward is 'The metric whose matured values are the rewards: binary, count or mean, with the end of a window';
comment on column cohort.bandit.assign is
    'unit: a unit keeps its variant for an epoch of stick_s; decision: each evaluation is drawn anew, by its decision id. Always decision for kind contextual';
comment on column cohort.bandit.floor_ppm is 'The smallest share of a variant, in parts per million';
comment on column cohort.bandit.every_s is 'Seconds between two updates of the shares';
comment on column cohort.bandit.warm_up is 'Matured rewards that every variant needs before shares move; equal shares until then';
comment on column cohort.bandit.half_life_s is 'Seconds after which a reward counts half; null: old ones count like new ones';
comment on column cohort.bandit.uniform_ppm is
    'Traffic, in parts per million of the eligible units, that keeps equal shares for ever: an A/B test beside the bandit';
comment on column cohort.bandit.stick_s is
    'Seconds of a unit''s epoch, in which its variant stays; null: until the reward''s window ends; 0: none';
comment on column cohort.bandit.promote is 'Who makes another policy the one in force: a person, or the server by itself (automatic)';
create index bandit_reward on cohort.bandit (environment, reward);

create table cohort.contextual (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    features jsonb not null,
    safe_variant text,
    threshold_ppm int not null default 0,
    gamma double precision,
    ridge double precision not null default 1,
    constraint contextual_unique primary key (environment, experiment),
    constraint contextual_bandit_known foreign key (environment, experiment)
        references cohort.bandit (environment, experiment) on delete cascade,
    constraint contextual_features check (jsonb_typeof(features) = 'array'),
    constraint contextual_threshold_range check (threshold_ppm between 0 and 1000000),
    constraint contextual_gamma_range check (gamma > 0 and gamma <= 1e9),
    constraint contextual_ridge_range check (ridge > 0 and ridge <= 1e9)
);
comment on table cohort.contextual is 'What a contextual bandit sees of a unit, and what it serves when it doesn''t know';
comment on column cohort.contextual.environment is 'The environment it belongs to';
comment on column cohort.contextual.experiment is 'The experiment of kind contextual';
comment on column cohort.contextual.features is
    'The columns of its model, in order: [{"name": "age", "attribute": "age", "kind": "number"}, …]; kinds number, boolean, one_hot (values), interaction (of)';
comment on column cohort.contextual.safe_variant is
    'Served when an attribute is missing, outside the range the model has seen, or when the model is not sure enough; null: the control';
comment on column cohort.contextual.threshold_ppm is
    'Below this probability of its best variant, before the floor, the safe variant is served; 0: never';
comment on column cohort.contextual.gamma is
    'How fast the probability of a variant falls with its distance from the best; null: it grows as the square root of the rewards trained on';
comment on column cohort.contextual.ridge is 'How strongly weights are held near 0 when a model is fitted';

create table cohort.model (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    experiment text not null,
    experiment_id int not null,
    version int not null,
    document jsonb not null,
    trained_from timestamptz,
    trained_to timestamptz,
    n bigint not null default 0,
    calibration jsonb,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default cohort.current_actor(),
    constraint model_version_unique unique (experiment_id, version),
    constraint model_experiment_known foreign key (environment, experiment) references cohort.experiment (environment, key),
    constraint model_fixed check (version >= 1 and jsonb_typeof(document) = 'object' and n >= 0)
);
comment on table cohort.model is
    'What contextual bandits have learnt: weights by variant, and how features are scaled. Never edited; cohort.use_model() puts one in force';
comment on column cohort.model.id is 'A small number for event tables';
comment on column cohort.model.environment is 'The environment it belongs to';
comment on column cohort.model.experiment is 'The experiment';
comment on column cohort.model.experiment_id is 'experiment_iteration.experiment_id: the iteration it belongs to';
comment on column cohort.model.version is '1, 2, … within the iteration';
comment on column cohort.model.document is
    'kind (logistic or linear), columns, centre, scale, low and high of each number feature, weights by variant, gamma';
comment on column cohort.model.trained_from is 'The time of the first decision it was trained on; null: none';
comment on column cohort.model.trained_to is 'The time of the last; null: none';
comment on column cohort.model.n is 'How many matured rewards it was trained on';
comment on column cohort.model.calibration is 'How what it predicts compares with what came; null: not measured';
comment on column cohort.model.created_at is 'When it was fitted';
comment on column cohort.model.created_by is 'Who fitted it';
create index model_experiment on cohort.model (environment, experiment);

alter table cohort.phase
    add column starts_at timestamptz,
    add column model_id int,
    drop constraint phase_fixed,
    add constraint phase_fixed check (kind in ('traffic', 'time') and number >= 1 and length(salt) = 16
        and traffic_slots <@ '{[0,1000000)}'::int4multirange and (kind = 'time') = (starts_at is not null)
        and (model_id is null or kind = 'time')),
    add constraint phase_model_known foreign key (model_id) references cohort.model (id);
comment on table cohort.phase is
    'An allocation of an experiment: traffic slots nobody held, which it owns for good, or a stretch of time. Never edited';
comment on column cohort.phase.kind is
    'traffic: a unit''s phase is a function of its traffic slot; time: of the time, in a bandit';
comment on column cohort.phase.traffic_slots is
    'The traffic slots it owns, of [0, 1000000). Time phases all have the same: what the reserved slice leaves; phase_closed of the first says which are closed';
comment on column cohort.phase.starts_at is 'When a time phase begins; it ends when the next one does. Null for a traffic phase';
comment on column cohort.phase.model_id is 'The model that decides, in a time phase of a contextual bandit; null: the shares of phase_variant';

create table cohort.phase_known (
    phase_id int not null,
    version bigint not null,
    constraint phase_known_unique primary key (phase_id)
);
comment on table cohort.phase_known is
    'From which version of the definitions servers know a time phase: whether a decision of an earlier one could have used it. Append-only';
comment on column cohort.phase_known.phase_id is 'phase.id';
comment on column cohort.phase_known.version is 'config_version.version that its transaction reached: compare decision.plan_version';

create table cohort.bandit_update (
    id bigint generated always as identity primary key,
    experiment_id int not null,
    phase_id int,
    at timestamptz not null default clock_timestamp(),
    epoch bigint,
    sentence text not null default '',
    evidence jsonb not null,
    constraint bandit_update_phase_known foreign key (phase_id) references cohort.phase (id)
);
comment on table cohort.bandit_update is
    'Every update of a bandit: what was known, what followed, and the phase it opened. Append-only';
comment on column cohort.bandit_update.id is 'The order of updates';
comment on column cohort.bandit_update.experiment_id is 'experiment.id';
comment on column cohort.bandit_update.phase_id is 'The phase it opened; null: no share would have moved by more than 1,000 ppm';
comment on column cohort.bandit_update.at is 'When';
comment on column cohort.bandit_update.epoch is 'leader_state.epoch of the leader that made it; null: a person did';
comment on column cohort.bandit_update.sentence is 'What happened, for people';
comment on column cohort.bandit_update.evidence is
    'What it was computed from: per variant the matured rewards (decayed), the posterior, w (the probability to be the best) and the share; or the model';
create index bandit_update_experiment on cohort.bandit_update (experiment_id, id);

alter table cohort.bandit enable row level security;
alter table cohort.contextual enable row level security;
