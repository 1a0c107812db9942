-- Layers: experiments of one layer share its 1,000,000 slots and exclude each other.

create table cohort.layer (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity unique,
    salt bytea not null,
    description text not null default '',
    team text,
    changes bigint not null default 0,
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    constraint layer_key_unique primary key (environment, key),
    constraint layer_environment_known foreign key (environment) references cohort.environment (key),
    constraint layer_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint layer_text_length check (length(description) <= 10000),
    constraint layer_salt_fixed check (length(salt) = 16)
);
comment on table cohort.layer is
    'Layers: experiments of one layer own different slots of it, so a unit is in one of them at most. See cohort.layer_map(key)';
comment on column cohort.layer.environment is 'The environment it belongs to';
comment on column cohort.layer.key is 'Its name';
comment on column cohort.layer.id is 'A small number';
comment on column cohort.layer.salt is '16 random bytes, made once, never edited: draws a unit''s slot in the layer';
comment on column cohort.layer.description is 'For people';
comment on column cohort.layer.team is 'The team it belongs to; null: nobody''s';
comment on column cohort.layer.changes is 'Raised whenever slots are taken: two who book at once take turns';
comment on column cohort.layer.created_at is 'When it was made';
comment on column cohort.layer.created_by is 'Who made it';

create table cohort.layer_slots (
    environment text not null,
    layer text not null,
    experiment text not null,
    slots int4multirange not null,
    constraint layer_slots_unique primary key (environment, experiment),
    constraint layer_slots_layer_known foreign key (environment, layer) references cohort.layer (environment, key),
    constraint layer_slots_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint layer_slots_range check (slots <@ '{[0,1000000)}'::int4multirange)
);
comment on table cohort.layer_slots is
    'Which of a layer''s slots an experiment owns: taken at its start, given back when it ends, grown by cohort.grow()';
comment on column cohort.layer_slots.environment is 'The environment it belongs to';
comment on column cohort.layer_slots.layer is 'The layer';
comment on column cohort.layer_slots.experiment is 'The experiment';
comment on column cohort.layer_slots.slots is 'The slots it owns, of [0, 1000000); never one that another owns';
create index layer_slots_layer on cohort.layer_slots (environment, layer);

alter table cohort.experiment
    add constraint experiment_layer_known foreign key (environment, layer) references cohort.layer (environment, key);
create index experiment_layer on cohort.experiment (environment, layer);
