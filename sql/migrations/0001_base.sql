-- The schema, environments and their secrets, the table of error messages, and the version of the definitions.

create schema if not exists cohort;
comment on schema cohort is 'cohortd: experiments, who was assigned what, and what happened next';

-- pgcrypto brings hmac() and gen_random_bytes(). Where the database has it already, in another schema, two
-- functions of ours stand in front, so that everything can say cohort.hmac.
do $$
declare
    home text;
begin
    select n.nspname into home
      from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pgcrypto';
    if home is null then
        create extension pgcrypto with schema cohort;
    elsif home <> 'cohort' then
        execute format('create function cohort.hmac(data bytea, key bytea, type text) returns bytea
            language sql immutable strict parallel safe as ''select %I.hmac($1, $2, $3)''', home);
        execute format('create function cohort.gen_random_bytes(n int) returns bytea
            language sql volatile strict parallel safe as ''select %I.gen_random_bytes($1)''', home);
    end if;
end $$;

-- Two small functions that column defaults need; they stay as they are.
create function cohort.current_environment() returns text
    language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('cohort.environment', true), ''), 'production') $$;
comment on function cohort.current_environment() is
    'The environment this session works in: the setting cohort.environment, else production';

create function cohort.current_actor() returns text
    language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('cohort.actor', true), ''), session_user::text) $$;
comment on function cohort.current_actor() is
    'Who is acting: the setting cohort.actor (a server sets it to the API key''s name), else the session''s user';

create table cohort.error_message (
    constraint_name text primary key,
    code text not null,
    http_status int not null,
    title text not null,
    hint text not null,
    field text,
    area text not null default 'event'
);
comment on table cohort.error_message is
    'Every rule a definition or an event can break: one row per constraint name, read by cohort.fail() and by REST';
comment on column cohort.error_message.constraint_name is 'The rule''s name, as errors carry it (CONSTRAINT)';
comment on column cohort.error_message.code is 'The SQLSTATE the error is raised with';
comment on column cohort.error_message.http_status is 'The HTTP status REST answers with';
comment on column cohort.error_message.title is 'The rule in one short sentence';
comment on column cohort.error_message.hint is 'What would be right, unless the error itself says it more precisely';
comment on column cohort.error_message.field is 'The field the rule is about, null when it is about the whole thing';
comment on column cohort.error_message.area is 'definition, document, assignment, or event';

create table cohort.environment (
    key text not null default cohort.current_environment(),
    id int generated always as identity unique,
    created_at timestamptz not null default now(),
    constraint environment_key_unique primary key (key),
    constraint environment_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$')
);
comment on table cohort.environment is
    'Environments (production, staging …): each with its own definitions, unit key and API keys';
comment on column cohort.environment.key is 'The name people type';
comment on column cohort.environment.id is 'A small number for event tables';
comment on column cohort.environment.created_at is 'When it was made';

create table cohort.secret (
    environment text not null,
    unit_key bytea not null default cohort.gen_random_bytes(32),
    hash_key bytea not null default cohort.gen_random_bytes(32),
    primary key (environment),
    constraint secret_environment_known foreign key (environment) references cohort.environment (key) on delete cascade,
    constraint secret_key_length check (length(unit_key) = 32 and length(hash_key) = 32)
);
comment on table cohort.secret is
    'Keys of an environment. Losing unit_key loses the meaning of every unit: back it up, change it never';
comment on column cohort.secret.environment is 'Whose keys these are';
comment on column cohort.secret.unit_key is 'HMAC-SHA-256 key that turns raw ids into units';
comment on column cohort.secret.hash_key is 'HMAC-SHA-256 key under which API keys are stored';

create table cohort.config_version (
    only_row boolean primary key default true check (only_row),
    version bigint not null default 1,
    incarnation uuid not null default gen_random_uuid()
);
comment on table cohort.config_version is
    'One row: the version of all definitions, raised once by each transaction that changes one';
comment on column cohort.config_version.only_row is 'Always true: there is one row';
comment on column cohort.config_version.version is 'Grows by one with each transaction that changed definitions';
comment on column cohort.config_version.incarnation is
    'Random, made with the database: tells a rewound or new database from the one a server knew';

create table cohort.condition_operator (
    name text primary key,
    place text not null check (place in ('field', 'top')),
    operand text not null check (operand in ('any', 'array', 'boolean', 'condition', 'conditions', 'number', 'string')),
    description text not null
);
comment on table cohort.condition_operator is 'The operators a targeting condition may use; the servers know exactly these';
comment on column cohort.condition_operator.name is 'The operator, with its $';
comment on column cohort.condition_operator.place is
    'field: {"country": {"$in": […]}}; top: {"$or": […]}, in place of an attribute''s name';
comment on column cohort.condition_operator.operand is 'What it takes';
comment on column cohort.condition_operator.description is 'What it means';

insert into cohort.condition_operator values
    ('$eq', 'field', 'any', 'the attribute equals this value, of the same type'),
    ('$in', 'field', 'array', 'the attribute, or one of its elements when it is an array, equals one of these');
insert into cohort.environment (key) values ('production');
insert into cohort.secret (environment) values ('production');
insert into cohort.config_version default values;
