-- How events arrive: each node's spool, the batches that were shipped from it, and what could not be stored.

create table cohort.spool (
    spool_id uuid primary key,
    node text not null,
    watermark bigint not null default 0,
    updated_at timestamptz not null default now()
);
comment on table cohort.spool is
    'The queues of the servers. The watermark moves in the transaction that stores the rows: nothing is stored twice or lost';
comment on column cohort.spool.spool_id is 'Random, renewed whenever the queue''s file is made or restored';
comment on column cohort.spool.node is 'The server''s name';
comment on column cohort.spool.watermark is 'The last group of records that is stored; 0: none yet';
comment on column cohort.spool.updated_at is 'When it last moved';

create table cohort.ingest_batch (
    batch_id bigint generated always as identity primary key,
    spool_id uuid not null,
    first_group bigint not null,
    last_group bigint not null,
    exposures int not null,
    outcomes int not null,
    decisions int not null,
    dead_letters int not null,
    duplicate_exposures int not null,
    duplicate_outcomes int not null,
    duplicate_decisions int not null,
    duplicates int not null generated always as (duplicate_exposures + duplicate_outcomes + duplicate_decisions) stored,
    replaced int not null,
    outcomes_from timestamptz,
    outcomes_to timestamptz,
    created_at timestamptz not null default now(),
    applied_at timestamptz,
    applied_pass bigint
);
comment on table cohort.ingest_batch is
    'One row per stored batch. Counts are of rows really stored: records = exposures + outcomes + decisions + dead letters + duplicates, exactly';
comment on column cohort.ingest_batch.batch_id is 'What event rows carry. Given before the commit: not in order of commit';
comment on column cohort.ingest_batch.spool_id is 'The queue it came from';
comment on column cohort.ingest_batch.first_group is 'The first group of records in it';
comment on column cohort.ingest_batch.last_group is 'The last one';
comment on column cohort.ingest_batch.exposures is 'Rows added to exposure';
comment on column cohort.ingest_batch.outcomes is 'Rows added to outcome';
comment on column cohort.ingest_batch.decisions is 'Rows added to decision';
comment on column cohort.ingest_batch.dead_letters is 'Rows added to dead_letter';
comment on column cohort.ingest_batch.duplicate_exposures is 'Exposures of units that were exposed already';
comment on column cohort.ingest_batch.duplicate_outcomes is 'Outcomes that were there already';
comment on column cohort.ingest_batch.duplicate_decisions is 'Decisions that were there already';
comment on column cohort.ingest_batch.duplicates is 'All duplicates together';
comment on column cohort.ingest_batch.replaced is
    'Of duplicate_exposures, those earlier than the stored one: they took its place';
comment on column cohort.ingest_batch.outcomes_from is 'Earliest ts among its outcomes; null: it has none';
comment on column cohort.ingest_batch.outcomes_to is 'Latest ts among its outcomes; null: it has none';
comment on column cohort.ingest_batch.created_at is 'When it was stored (begin of the transaction)';
comment on column cohort.ingest_batch.applied_at is 'When the roll-up counted it; null: not yet';
comment on column cohort.ingest_batch.applied_pass is 'The pass of the roll-up that counted it; null: not yet';
create index ingest_batch_unapplied on cohort.ingest_batch (batch_id) where applied_at is null;

create table cohort.dead_letter (
    id bigint generated always as identity primary key,
    received_at timestamptz not null,
    kind text not null,
    reason text not null,
    detail text,
    event_id uuid,
    body jsonb,
    body_hash bytea,
    body_length int,
    batch_id bigint not null
);
comment on table cohort.dead_letter is 'Every event that was rejected, with the reason. Raw ids are never in it';
comment on column cohort.dead_letter.id is 'The order of arrival';
comment on column cohort.dead_letter.received_at is 'When it was received';
comment on column cohort.dead_letter.kind is 'outcome, exposure or decision';
comment on column cohort.dead_letter.reason is 'The reason''s code: unknown_event, too_late …';
comment on column cohort.dead_letter.detail is 'The sentence its sender got';
comment on column cohort.dead_letter.event_id is 'Its id, when it had a valid one';
comment on column cohort.dead_letter.body is 'The event with its units hashed; null when it could not be read';
comment on column cohort.dead_letter.body_hash is 'SHA-256 of the event as it was sent';
comment on column cohort.dead_letter.body_length is 'Bytes of the event as it was sent';
comment on column cohort.dead_letter.batch_id is 'The batch that brought it';
create index dead_letter_received on cohort.dead_letter using brin (received_at);
