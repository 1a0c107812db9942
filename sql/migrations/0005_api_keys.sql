-- Who may call. Keys are shown once and kept as HMACs.

create table cohort.api_key (
    id int generated always as identity primary key,
    environment text not null default cohort.current_environment(),
    name text not null,
    role text not null,
    hash bytea not null,
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    revoked_at timestamptz,
    constraint api_key_environment_known foreign key (environment) references cohort.environment (key),
    constraint api_key_hash_unique unique (hash),
    constraint api_key_fixed check (length(hash) = 32),
    constraint api_key_name_length check (length(name) between 1 and 200),
    constraint api_key_role_known check (role in ('admin', 'product', 'analyst', 'events', 'client'))
);
comment on table cohort.api_key is 'API keys, made by cohort.create_api_key(role, name); revoke one by setting revoked_at';
comment on column cohort.api_key.id is 'A small number';
comment on column cohort.api_key.environment is 'The environment it opens';
comment on column cohort.api_key.name is 'Whose key it is, for people and the history';
comment on column cohort.api_key.role is
    'admin: everything; product: definitions; analyst: reads; events: outcomes that are believed; client: decisions, exposures, and outcomes that are not';
comment on column cohort.api_key.hash is 'HMAC-SHA-256 of the key under the environment''s hash_key';
comment on column cohort.api_key.created_at is 'When it was made';
comment on column cohort.api_key.created_by is 'Who made it';
comment on column cohort.api_key.revoked_at is 'When it stopped being valid; null while it is';
