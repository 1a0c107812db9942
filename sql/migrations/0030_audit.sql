-- Every change of a definition: who, when, what before and after. Rows are written in the editor's own transaction,
-- unchained, so that no editor waits for another; the leader seals them into a chain of hashes afterwards.

create table cohort.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null default cohort.current_actor(),
    db_user text not null default session_user,
    environment text,
    object text not null,
    key text,
    action text not null,
    before jsonb,
    after jsonb,
    txid xid8 not null default pg_current_xact_id(),
    constraint audit_action_known check (action in ('insert', 'update', 'delete'))
);
comment on table cohort.audit is 'Every change of a definition, append-only. cohort.audit_verify() finds any edit, deletion, swap or truncation';
comment on column cohort.audit.id is 'Number of the change';
comment on column cohort.audit.at is 'When the row was written';
comment on column cohort.audit.actor is 'Who: an API key, or the database''s user';
comment on column cohort.audit.db_user is 'The user of the database''s session';
comment on column cohort.audit.environment is 'The environment it belongs to; null where there is none';
comment on column cohort.audit.object is 'The table that was changed';
comment on column cohort.audit.key is 'Which of its rows, by the key people know: experiment/variant for a variant';
comment on column cohort.audit.action is 'insert, update or delete';
comment on column cohort.audit.before is 'The row before, without secrets; null for an insert';
comment on column cohort.audit.after is 'The row after, without secrets; null for a delete';
comment on column cohort.audit.txid is 'The transaction that made the change';
create index audit_object on cohort.audit (object, key, id);

create table cohort.audit_seal (
    number bigint primary key,
    audit_id bigint not null,
    hash bytea not null,
    sealed_at timestamptz not null default clock_timestamp(),
    constraint audit_seal_once unique (audit_id),
    constraint audit_seal_hash check (length(hash) = 32)
);
comment on table cohort.audit_seal is 'The chain: hash = SHA-256(hash of the seal before ‖ the audit row as canonical text), in the order of number';
comment on column cohort.audit_seal.number is 'Place in the chain: 1, 2, 3, … without a gap';
comment on column cohort.audit_seal.audit_id is 'The audit row it seals';
comment on column cohort.audit_seal.hash is 'The hash up to and with this row';
comment on column cohort.audit_seal.sealed_at is 'When the leader sealed it';

create table cohort.audit_head (
    one boolean primary key default true,
    number bigint not null,
    hash bytea not null,
    at timestamptz not null,
    constraint audit_head_one check (one)
);
comment on table cohort.audit_head is 'Where the chain ends. Publish it outside: whoever could rewrite the whole chain can''t rewrite what others wrote down';
comment on column cohort.audit_head.one is 'True: there is one row';
comment on column cohort.audit_head.number is 'Number of the last seal; 0: none yet';
comment on column cohort.audit_head.hash is 'Hash of the last seal; 32 zero bytes when there is none';
comment on column cohort.audit_head.at is 'When it was sealed';
insert into cohort.audit_head (number, hash, at) values (0, decode(repeat('00', 32), 'hex'), now());

create table cohort.audit_pending (
    audit_id bigint primary key
);
comment on table cohort.audit_pending is 'Audit rows that are not sealed yet: written with them, taken away by the leader as it seals';
comment on column cohort.audit_pending.audit_id is 'The audit row';
