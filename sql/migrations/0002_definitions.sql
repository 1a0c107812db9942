-- What people define: flags and their rules, experiments and their variants. Keys are what people type; ids
-- are what events carry. Sentences for broken rules come from triggers (sql/functions); the constraints here
-- have the same names and hold should a trigger be missing.

create table cohort.flag (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity unique,
    type text,
    default_value jsonb,
    description text not null default '',
    made_by_experiment boolean not null default false,
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    archived_at timestamptz,
    constraint flag_key_unique primary key (environment, key),
    constraint flag_environment_known foreign key (environment) references cohort.environment (key),
    constraint flag_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint flag_type_known check (type in ('boolean', 'string', 'number', 'object')),
    constraint flag_default_type check (default_value is null or jsonb_typeof(default_value) = coalesce(type, jsonb_typeof(default_value)))
);
comment on table cohort.flag is 'A flag: what code asks for. Experiments come and go behind it';
comment on column cohort.flag.environment is 'The environment it belongs to';
comment on column cohort.flag.key is 'The name code asks for';
comment on column cohort.flag.id is 'A small number for event tables';
comment on column cohort.flag.type is
    'boolean, string, number or object; null until the first experiment behind it starts, which tells it by its values';
comment on column cohort.flag.default_value is
    'What is served when no rule answers; null: nothing, and the code''s own default holds';
comment on column cohort.flag.description is 'For people';
comment on column cohort.flag.made_by_experiment is
    'True when it was made along with an experiment of the same key: then control''s value becomes its default at the start';
comment on column cohort.flag.created_at is 'When it was made';
comment on column cohort.flag.created_by is 'Who made it';
comment on column cohort.flag.archived_at is 'When it was retired; an archived flag serves its default';

create table cohort.experiment (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity unique,
    flag text not null,
    kind text not null default 'ab',
    status text not null default 'draft',
    origin text not null default 'live',
    unit_type text not null default 'user',
    description text not null default '',
    owner text not null default '',
    condition jsonb not null default '{}',
    traffic_ppm int not null default 1000000,
    exposure text not null default 'on_evaluation',
    alpha numeric not null default 0.01,
    alert_alpha numeric not null default 0.05,
    salt bytea not null,
    iteration int not null default 1,
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    started_at timestamptz,
    stopped_at timestamptz,
    archived_at timestamptz,
    constraint experiment_key_unique primary key (environment, key),
    constraint experiment_environment_known foreign key (environment) references cohort.environment (key),
    constraint experiment_flag_known foreign key (environment, flag) references cohort.flag (environment, key),
    constraint experiment_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint experiment_kind_known check (kind in ('ab')),
    constraint experiment_status_known check (status in ('draft', 'running', 'stopped', 'archived')),
    constraint experiment_origin_known check (origin in ('live', 'imported')),
    constraint experiment_unit_type_format check (unit_type ~ '^[a-z][a-z0-9_]{0,31}$'),
    constraint experiment_text_length check (length(description) <= 10000 and length(owner) <= 200),
    constraint condition_object check (jsonb_typeof(condition) = 'object'),
    constraint experiment_traffic_range check (traffic_ppm between 1 and 1000000),
    constraint experiment_exposure_known check (exposure in ('on_evaluation', 'reported')),
    constraint experiment_alpha_range check (alpha > 0 and alpha <= 0.5 and alert_alpha > 0 and alert_alpha <= 0.5),
    constraint experiment_salt_fixed check (length(salt) = 16)
);
comment on table cohort.experiment is
    'An experiment: who takes part, behind which flag, and how it ends. Start it with cohort.start(key)';
comment on column cohort.experiment.environment is 'The environment it belongs to';
comment on column cohort.experiment.key is 'Its name';
comment on column cohort.experiment.id is 'A small number for event tables';
comment on column cohort.experiment.flag is 'The flag it answers for; left out, the flag of the same key, made when absent';
comment on column cohort.experiment.kind is 'ab';
comment on column cohort.experiment.status is
    'draft, running, stopped or archived, as people set it; a guardrail''s stop is a row of stop_event: see cohort.effective_status()';
comment on column cohort.experiment.origin is 'live; imported: it was run elsewhere and only its results are here';
comment on column cohort.experiment.unit_type is 'What is randomised: user, device, account …';
comment on column cohort.experiment.description is 'For people';
comment on column cohort.experiment.owner is 'Who answers for it';
comment on column cohort.experiment.condition is 'Who is eligible: {} is everyone, {"country": "DE", "plan": {"$in": ["pro", "team"]}}';
comment on column cohort.experiment.traffic_ppm is 'Share of the eligible units that take part, in parts per million';
comment on column cohort.experiment.exposure is
    'on_evaluation: a single evaluation is an exposure; reported: only what is sent to /v1/exposures';
comment on column cohort.experiment.alpha is 'Error level of all its stopping guardrails together';
comment on column cohort.experiment.alert_alpha is 'Error level of all its alerting guardrails together';
comment on column cohort.experiment.salt is '16 random bytes, made once, never edited: draws a unit''s traffic slot';
comment on column cohort.experiment.iteration is 'Counts restarts with new salts; 1 is the first run';
comment on column cohort.experiment.created_at is 'When it was made';
comment on column cohort.experiment.created_by is 'Who made it';
comment on column cohort.experiment.started_at is 'When it began to run';
comment on column cohort.experiment.stopped_at is 'When somebody stopped it';
comment on column cohort.experiment.archived_at is 'When it was put away';
create index experiment_flag on cohort.experiment (environment, flag);

create table cohort.variant (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    key text not null,
    id int generated always as identity unique,
    share_ppm int not null,
    value jsonb,
    is_control boolean not null default false,
    position int not null,
    constraint variant_key_unique primary key (environment, experiment, key),
    constraint variant_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint variant_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint variant_share_range check (share_ppm between 1 and 1000000),
    constraint variant_value_type check (jsonb_typeof(value) in ('boolean', 'string', 'number', 'object'))
);
comment on table cohort.variant is 'The arms of an experiment; their shares sum to 1,000,000';
comment on column cohort.variant.environment is 'The environment it belongs to';
comment on column cohort.variant.experiment is 'The experiment it is an arm of';
comment on column cohort.variant.key is 'Its name within the experiment';
comment on column cohort.variant.id is 'A small number for event tables';
comment on column cohort.variant.share_ppm is 'Its share of those who take part, in parts per million';
comment on column cohort.variant.value is 'What the flag answers, of the flag''s type; null: the code''s own default';
comment on column cohort.variant.is_control is
    'True for the arm the others are compared to; when none is marked, the arm with key control, which a start then marks';
comment on column cohort.variant.position is 'Its place in the order of slots: the order of insertion';

create table cohort.flag_rule (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    flag text not null,
    position int not null,
    kind text not null,
    condition jsonb not null default '{}',
    experiment text,
    value jsonb,
    share_ppm int,
    unit_type text not null default 'user',
    salt bytea,
    constraint flag_rule_flag_known foreign key (environment, flag) references cohort.flag (environment, key) on delete cascade,
    constraint flag_rule_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint flag_rule_kind_known check (kind in ('force', 'rollout', 'experiment')),
    constraint flag_rule_shape check ((kind = 'experiment') = (experiment is not null)
        and (kind in ('force', 'rollout')) = (value is not null)
        and (kind = 'rollout') = (share_ppm is not null) and (kind = 'rollout') = (salt is not null)),
    constraint condition_object check (jsonb_typeof(condition) = 'object'),
    constraint flag_rule_share_range check (share_ppm between 0 and 1000000),
    constraint flag_rule_unit_type_format check (unit_type ~ '^[a-z][a-z0-9_]{0,31}$'),
    constraint flag_rule_value_type check (jsonb_typeof(value) in ('boolean', 'string', 'number', 'object')),
    constraint flag_rule_salt_fixed check (length(salt) = 16)
);
comment on table cohort.flag_rule is 'The rules of a flag, tried in the order of their positions; the first that answers decides';
comment on column cohort.flag_rule.id is 'A number, the order among equal positions';
comment on column cohort.flag_rule.environment is 'The environment it belongs to';
comment on column cohort.flag_rule.flag is 'The flag it is a rule of';
comment on column cohort.flag_rule.position is 'Its place; left out, the last';
comment on column cohort.flag_rule.kind is
    'force: the value to all who meet the condition; rollout: to a share of them; experiment: ask that experiment';
comment on column cohort.flag_rule.condition is 'Who the rule is for: {} is everyone';
comment on column cohort.flag_rule.experiment is 'The experiment (kind experiment)';
comment on column cohort.flag_rule.value is 'The value (kinds force and rollout), of the flag''s type';
comment on column cohort.flag_rule.share_ppm is 'Share of units that get the value, in parts per million (kind rollout)';
comment on column cohort.flag_rule.unit_type is 'What a rollout draws by';
comment on column cohort.flag_rule.salt is '16 random bytes, made once, never edited (kind rollout)';
create index flag_rule_flag on cohort.flag_rule (environment, flag);
create unique index flag_rule_experiment_once on cohort.flag_rule (environment, experiment);
