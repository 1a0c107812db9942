-- What a shipper calls on each connection before it sends: staging tables, and where its queue stands.

-- A server of a release that knows no segments sends eleven columns of an exposure, one that knows no models
-- fifteen of a decision, and one that knows no environments eight of a dead letter: each is given what it knows.
drop function if exists cohort.ingest_prepare();
drop function if exists cohort.ingest_prepare(boolean);
drop function if exists cohort.ingest_prepare(boolean, boolean);
create or replace function cohort.ingest_prepare(with_segments boolean default false, with_models boolean default false,
        with_environments boolean default false) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if to_regclass('pg_temp.stage_dead_letter') is null then
        create temp table stage_exposure (
            unit_id uuid, experiment_id int, variant_id int, phase_id int, propensity int, inclusion int,
            ts timestamptz, event_id uuid, decision_id uuid, trusted boolean, origin smallint
        ) on commit delete rows;
        create temp table stage_outcome (
            unit_id uuid, event_id uuid, ts timestamptz, name text, value bigint, attributes jsonb, decision_id uuid,
            trusted boolean
        ) on commit delete rows;
        create temp table stage_decision (
            unit_id uuid, decision_id uuid, ts timestamptz, flag_id int, experiment_id int, variant_id int, phase_id int,
            counterfactual_variant_id int, reason text, propensity int, inclusion int, mode smallint,
            plan_version bigint, inputs jsonb, holdout_id int
        ) on commit delete rows;
        create temp table stage_dead_letter (
            received_at timestamptz, kind text, reason text, detail text, event_id uuid, body jsonb, body_hash bytea,
            body_length int
        ) on commit delete rows;
    end if;
    if with_segments then
        alter table pg_temp.stage_exposure add column if not exists segments jsonb;
    end if;
    if with_models then
        alter table pg_temp.stage_decision add column if not exists eligible jsonb, add column if not exists model_id int;
    end if;
    if with_environments then
        alter table pg_temp.stage_dead_letter add column if not exists environment text;
    end if;
end $$;
comment on function cohort.ingest_prepare(boolean, boolean, boolean) is
    'Makes this connection''s staging tables stage_exposure (with a last column segments where that is asked for), stage_outcome, stage_decision (with two last columns eligible and model_id where models are asked for) and stage_dead_letter (with a last column environment where that is asked for; temporary, emptied by each commit). Call it once a connection, outside the transactions that ship';

create or replace function cohort.spool_watermark(spool uuid, node text) returns bigint
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    mark bigint;
begin
    insert into cohort.spool (spool_id, node) values ($1, $2) on conflict (spool_id) do nothing;
    select s.watermark into mark from cohort.spool s where s.spool_id = $1;
    return mark;
end $$;
comment on function cohort.spool_watermark(uuid, text) is
    'The last group of this queue that is stored, 0 for a new queue, which is made known by the call';

-- Locks the queue's row until commit, so that one queue is shipped by one transaction at a time. Null: these
-- groups are stored already.
create or replace function cohort.ingest_claim(spool uuid, node text, first_group bigint, last_group bigint)
    returns bigint language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    mark bigint;
begin
    if first_group < 1 or last_group < first_group then
        perform cohort.fail('ingest_groups',
            format('Groups %s to %s are no range of groups.', $3, $4));
    end if;
    if to_regclass('pg_temp.stage_dead_letter') is null then
        perform cohort.fail('ingest_not_prepared', 'This connection has no staging tables.');
    end if;
    insert into cohort.spool (spool_id, node) values ($1, $2) on conflict (spool_id) do nothing;
    select s.watermark into mark from cohort.spool s where s.spool_id = $1 for update;
    if last_group <= mark then
        return null;
    end if;
    if first_group <= mark then
        perform cohort.fail('ingest_groups', format('Groups up to %s are stored; %s to %s overlaps them.', mark, $3, $4));
    end if;
    return nextval(pg_get_serial_sequence('cohort.ingest_batch', 'batch_id'));
end $$;
comment on function cohort.ingest_claim(uuid, text, bigint, bigint) is
    'Part of ingest(): locks the queue and gives the batch its id; null when the groups are stored already';

create or replace function cohort.report_spool(spool uuid, node text, accepted bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    insert into cohort.spool as s (spool_id, node, reported_accepted, reported_at)
    values ($1, $2, $3, clock_timestamp())
    on conflict (spool_id) do update
       set node = excluded.node, reported_accepted = greatest(s.reported_accepted, excluded.reported_accepted),
           reported_at = excluded.reported_at;
end $$;
comment on function cohort.report_spool(uuid, text, bigint) is
    'A server says how many records its queue''s file was ever given, those still in it included: cohort.ingest_audit shows what is spooled';
