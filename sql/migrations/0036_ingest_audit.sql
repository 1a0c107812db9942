-- Conservation: each queue's totals, kept in the transaction that stores the rows, so that they outlive the batches.
alter table cohort.spool
    add column accepted bigint not null default 0,
    add column accepted_before bigint,
    add column stored bigint not null default 0,
    add column duplicates bigint not null default 0,
    add column conflicts bigint not null default 0,
    add column dead_letters bigint not null default 0,
    add column replayed bigint not null default 0,
    add column dropped bigint not null default 0,
    add column reported_accepted bigint,
    add column reported_at timestamptz;
comment on column cohort.spool.accepted is
    'Records that the server accepted into the queue, up to the watermark: stored + duplicates + dead letters, exactly';
comment on column cohort.spool.accepted_before is
    'Records of the queue''s file that are not this queue''s: accepted before its id was renewed, or before they were counted; null: not known yet';
comment on column cohort.spool.stored is 'Rows that were added to exposure, outcome and decision';
comment on column cohort.spool.duplicates is 'Records that were there already';
comment on column cohort.spool.conflicts is
    'Of dead_letters, events that were there already with another content: the first one stays';
comment on column cohort.spool.dead_letters is 'Records that went to dead_letter';
comment on column cohort.spool.replayed is 'Of dead_letters, those that were replayed since';
comment on column cohort.spool.dropped is 'Of dead_letters, those that were dropped since';
comment on column cohort.spool.reported_accepted is
    'Records in the queue''s file ever, as its server last said; null: it didn''t say';
comment on column cohort.spool.reported_at is 'When the server said so; null: never';

alter table cohort.ingest_batch add column conflicts int not null default 0, add column exposures_to timestamptz;
comment on column cohort.ingest_batch.conflicts is 'Of dead_letters, events that were there already with another content';
comment on column cohort.ingest_batch.exposures_to is 'Latest ts among its exposures; null: it has none, or is older than this column';

alter table cohort.dead_letter
    add column spool_id uuid,
    add column resolved_at timestamptz,
    add column resolution text constraint dead_letter_resolution check (resolution in ('replayed', 'dropped')),
    add column resolved_by text,
    add column replay_batch_id bigint;
comment on column cohort.dead_letter.spool_id is 'The queue it came from';
comment on column cohort.dead_letter.resolved_at is 'When it was replayed or dropped; null: it waits';
comment on column cohort.dead_letter.resolution is 'replayed or dropped; null: it waits';
comment on column cohort.dead_letter.resolved_by is 'Who replayed or dropped it';
comment on column cohort.dead_letter.replay_batch_id is 'The batch that replayed it: ingest_batch.batch_id';
comment on column cohort.dead_letter.reason is
    'The reason''s code: unknown_event, too_late, conflict (the same event with another content is stored) …';
create index dead_letter_waiting on cohort.dead_letter (reason, id) where resolved_at is null;

-- What was stored before totals were kept.
update cohort.dead_letter d set spool_id = b.spool_id from cohort.ingest_batch b where b.batch_id = d.batch_id;
update cohort.spool s
   set stored = b.stored, duplicates = b.duplicates, dead_letters = b.dead, accepted = b.stored + b.duplicates + b.dead
  from (select spool_id, sum(exposures + outcomes + decisions) as stored, sum(duplicates) as duplicates,
               sum(dead_letters) as dead
          from cohort.ingest_batch group by spool_id) b
 where b.spool_id = s.spool_id;
