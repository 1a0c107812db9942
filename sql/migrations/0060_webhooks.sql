-- Who is told of stops, alerts and verdicts, and how far that has come.

create table cohort.webhook (
    environment text not null default cohort.current_environment(),
    key text not null,
    id int generated always as identity,
    url text not null,
    secret text not null,
    secret_set_at timestamptz not null default clock_timestamp(),
    events text[] not null default array['stop', 'alert', 'verdict'],
    enabled boolean not null default true,
    since timestamptz not null default clock_timestamp(),
    created_at timestamptz not null default now(),
    created_by text not null default coalesce(nullif(current_setting('cohort.actor', true), ''), session_user),
    primary key (environment, key),
    constraint webhook_id_key unique (id),
    constraint webhook_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$'),
    constraint webhook_url_format check (length(url) <= 2000 and url ~ '^https?://[^][[:space:]/?#@\\"<>]+([/?#][^[:space:]\\"<>]*)?$'),
    constraint webhook_secret_length check (octet_length(secret) between 16 and 256),
    constraint webhook_events_known check (cardinality(events) > 0 and events <@ array['stop', 'alert', 'verdict'])
);
comment on table cohort.webhook is 'Addresses that are told of stops, alerts and verdicts, by a signed POST';
comment on column cohort.webhook.environment is 'Whose events it hears of';
comment on column cohort.webhook.key is 'What people call it';
comment on column cohort.webhook.id is 'A number, unique over all environments';
comment on column cohort.webhook.url is 'Where it is sent: http or https, without a user or password';
comment on column cohort.webhook.secret is 'What bodies are signed with: never shown, in no document, audit or log';
comment on column cohort.webhook.secret_set_at is 'When the secret was last changed';
comment on column cohort.webhook.events is 'What it hears of: stop, alert, verdict';
comment on column cohort.webhook.enabled is 'False: nothing is sent, and what happens meanwhile never will be';
comment on column cohort.webhook.since is 'It hears of what happens from then on';
comment on column cohort.webhook.created_at is 'When it was made';
comment on column cohort.webhook.created_by is 'By whom';

create table cohort.webhook_delivery (
    id uuid primary key default gen_random_uuid(),
    webhook_id int not null,
    event text not null,
    source_id bigint,
    body text not null,
    state text not null default 'pending' constraint webhook_delivery_state check (state in ('pending', 'delivered', 'failed')),
    attempts int not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    next_at timestamptz not null default clock_timestamp(),
    leased_until timestamptz,
    done_at timestamptz,
    last_status int,
    last_error text,
    constraint webhook_delivery_once unique (webhook_id, event, source_id)
) with (fillfactor = 80);
create index webhook_delivery_pending on cohort.webhook_delivery (webhook_id, next_at) where state = 'pending';
comment on table cohort.webhook_delivery is
    'What webhooks are told: one row for each webhook and event, made by the leader from the events that have none. Kept for 30 days';
comment on column cohort.webhook_delivery.id is 'The same in every attempt, in the header Cohort-Delivery: by it a receiver knows a repeat';
comment on column cohort.webhook_delivery.webhook_id is 'webhook.id';
comment on column cohort.webhook_delivery.event is 'stop, alert, verdict or test';
comment on column cohort.webhook_delivery.source_id is 'The id of the stop_event, alert_event or verdict_event; null: a test';
comment on column cohort.webhook_delivery.body is 'The JSON that is sent, the same in every attempt';
comment on column cohort.webhook_delivery.state is 'pending, delivered, or failed: given up after a day';
comment on column cohort.webhook_delivery.attempts is 'How often it was sent';
comment on column cohort.webhook_delivery.created_at is 'When it was made';
comment on column cohort.webhook_delivery.next_at is 'When it is sent next';
comment on column cohort.webhook_delivery.leased_until is 'It is being sent now; another leader takes it over after that; null: it is not';
comment on column cohort.webhook_delivery.done_at is 'When it was delivered or given up';
comment on column cohort.webhook_delivery.last_status is 'HTTP status of the last answer; null: there was none';
comment on column cohort.webhook_delivery.last_error is 'Why the last attempt failed';
