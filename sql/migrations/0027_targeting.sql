-- Segments (named conditions and lists), overrides (forced variants) and prerequisites (another experiment's variant).

create table cohort.segment (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity unique,
    condition jsonb,
    list jsonb,
    entries int not null default 0,
    list_bytes int not null default 0,
    description text not null default '',
    team text,
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    constraint segment_key_unique primary key (environment, key),
    constraint segment_environment_known foreign key (environment) references cohort.environment (key),
    constraint segment_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint segment_shape check (num_nonnulls(condition, list) = 1),
    constraint segment_entries check (entries between 0 and 1000000),
    constraint segment_text_length check (length(description) <= 10000),
    constraint team_known foreign key (environment, team) references cohort.team (environment, key)
);
comment on table cohort.segment is
    'Named conditions, used as {"$segment": "key"}, and named lists, used as {"attribute": {"$inGroup": "key"}}';
comment on column cohort.segment.environment is 'The environment it belongs to';
comment on column cohort.segment.key is 'Its name';
comment on column cohort.segment.id is 'A small number';
comment on column cohort.segment.condition is 'Who is in it; null for a list';
comment on column cohort.segment.list is 'Strings and numbers, at most a million; null for a condition';
comment on column cohort.segment.entries is 'How many entries the list has, kept by the database';
comment on column cohort.segment.list_bytes is 'The size of the list''s JSON, kept by the database';
comment on column cohort.segment.description is 'For people';
comment on column cohort.segment.team is 'The team it belongs to; null: nobody''s';
comment on column cohort.segment.created_at is 'When it was made';
comment on column cohort.segment.created_by is 'Who made it';

-- A long list is large and random: trying to compress it takes most of the time of storing it.
alter table cohort.segment alter column list set storage external;

create table cohort.override (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity unique,
    experiment text not null,
    unit_id uuid,
    segment text,
    variant text not null,
    note text not null default '',
    expires_at timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    constraint override_key_unique primary key (environment, key),
    constraint override_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint override_target check (num_nonnulls(unit_id, segment) = 1),
    constraint override_unit_unique unique (environment, experiment, unit_id),
    constraint override_segment_unique unique (environment, experiment, segment),
    constraint override_note_length check (length(note) <= 1000),
    constraint override_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint override_segment_known foreign key (environment, segment) references cohort.segment (environment, key),
    constraint override_variant_known foreign key (environment, experiment, variant)
        references cohort.variant (environment, experiment, key) on delete cascade
);
comment on table cohort.override is
    'Units and segments forced into a variant. They are served it whatever the experiment''s state, and never count in its results';
comment on column cohort.override.environment is 'The environment it belongs to';
comment on column cohort.override.key is 'Its name; left out, o-<id>';
comment on column cohort.override.id is 'A small number';
comment on column cohort.override.experiment is 'The experiment';
comment on column cohort.override.unit_id is 'The unit (cohort.override_unit takes the raw id); null when a segment is forced';
comment on column cohort.override.segment is 'The segment of kind condition; null when a unit is forced';
comment on column cohort.override.variant is 'The variant it gets';
comment on column cohort.override.note is 'Why, for people';
comment on column cohort.override.expires_at is 'When it ends; null: never';
comment on column cohort.override.created_at is 'When it was made';
comment on column cohort.override.created_by is 'Who made it';
create index override_segment on cohort.override (environment, segment);

create table cohort.prerequisite (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    requires text not null,
    variants text[] not null,
    constraint prerequisite_unique primary key (environment, experiment, requires),
    constraint prerequisite_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint prerequisite_requires_known foreign key (environment, requires) references cohort.experiment (environment, key),
    constraint prerequisite_variants check (cardinality(variants) > 0),
    constraint prerequisite_cycle check (experiment <> requires)
);
comment on table cohort.prerequisite is
    'What an experiment asks of its units: to be in one of these variants of another experiment';
comment on column cohort.prerequisite.environment is 'The environment of both';
comment on column cohort.prerequisite.experiment is 'The experiment that asks';
comment on column cohort.prerequisite.requires is 'The experiment whose variant is looked at';
comment on column cohort.prerequisite.variants is 'The variants of it that will do';
create index prerequisite_requires on cohort.prerequisite (environment, requires);
