-- Stores a batch: staging into the event tables, duplicates counted, the watermark in the same transaction.
-- Rows are locked in one order everywhere: exposures by key, then switches, outcomes, decisions, each by key;
-- so shippers that meet wait for each other and never in a circle. Hash and merge joins are off because
-- they would read a whole table for a batch; sequential scans, since a plan made while a table was small is kept by the
-- connection when it is large. "offset 0" makes the batch the outer side of a join whatever the planner thinks of sizes.

-- What the database refuses names its experiment or flag by number; an outcome names neither.
create or replace function cohort.dead_letter_place() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if new.environment is null and jsonb_typeof(new.body) = 'object' then
        new.environment := coalesce(
            (select e.environment from cohort.experiment e where e.id::text = new.body ->> 'experiment_id'),
            (select f.environment from cohort.flag f where f.id::text = new.body ->> 'flag_id'));
    end if;
    return new;
end $$;
comment on function cohort.dead_letter_place() is 'Trigger: finds the environment of a dead letter by its experiment or flag';
create or replace trigger dead_letter_place before insert on cohort.dead_letter
    for each row execute function cohort.dead_letter_place();

-- Rows that can't be stored as they are (a missing key, an infinite time) go to the dead letters, so that one
-- bad record doesn't stop the queue.
drop function if exists cohort.ingest_poison(bigint);
create or replace function cohort.ingest_poison(batch bigint, spool uuid) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    bad int := 0;
    n int;
begin
    with gone as (
        delete from pg_temp.stage_exposure s
         where s.unit_id is null or s.experiment_id is null or s.variant_id is null or s.phase_id is null
            or s.event_id is null or s.trusted is null or s.origin is null
            or s.ts is null or not isfinite(s.ts)
        returning 'exposure' as kind, s.event_id, to_jsonb(s) as body)
    insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
    select now(), kind, 'malformed_record', 'The record lacks a field that an exposure must have.', event_id, body,
           sha256(convert_to(body::text, 'UTF8')), octet_length(body::text), batch, spool from gone;
    get diagnostics bad = row_count;
    with gone as (
        delete from pg_temp.stage_outcome s
         where s.unit_id is null or s.event_id is null or s.name is null or s.trusted is null
            or s.ts is null or not isfinite(s.ts)
        returning 'outcome' as kind, s.event_id, to_jsonb(s) as body)
    insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
    select now(), kind, 'malformed_record', 'The record lacks a field that an outcome must have.', event_id, body,
           sha256(convert_to(body::text, 'UTF8')), octet_length(body::text), batch, spool from gone;
    get diagnostics n = row_count;
    bad := bad + n;
    with gone as (
        delete from pg_temp.stage_decision s
         where s.unit_id is null or s.decision_id is null or s.flag_id is null or s.reason is null or s.mode is null
            or s.plan_version is null or s.ts is null or not isfinite(s.ts)
        returning 'decision' as kind, s.decision_id, to_jsonb(s) as body)
    insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
    select now(), kind, 'malformed_record', 'The record lacks a field that a decision must have.', decision_id, body,
           sha256(convert_to(body::text, 'UTF8')), octet_length(body::text), batch, spool from gone;
    get diagnostics n = row_count;
    return bad + n;
end $$;
comment on function cohort.ingest_poison(bigint, uuid) is
    'Part of ingest(): moves staged rows that can''t be stored to the dead letters; returns how many';

-- Nearly every batch is of one day, which its earliest and its latest row tell.
create or replace function cohort.staged_days(parent text, from_ts timestamptz, to_ts timestamptz) returns table (day date)
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if from_ts is null then
        return;
    elsif (from_ts at time zone 'UTC')::date = (to_ts at time zone 'UTC')::date then
        return query select (from_ts at time zone 'UTC')::date;
    elsif parent = 'outcome' then
        return query select distinct (ts at time zone 'UTC')::date from pg_temp.stage_outcome;
    else
        return query select distinct (ts at time zone 'UTC')::date from pg_temp.stage_decision;
    end if;
end $$;
comment on function cohort.staged_days(text, timestamptz, timestamptz) is
    'Part of ingest(): the UTC days of the staged outcomes or decisions, whose earliest and latest time are given; null: there are none';

-- A day that is kept no longer is not made again: its events go to the dead letters.
drop function if exists cohort.ingest_partitions();
create or replace function cohort.ingest_partitions(batch bigint, spool uuid) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    part record;
    late int := 0;
begin
    for part in
        select 'outcome' as parent, d.day
          from (select min(ts) as a, max(ts) as b from pg_temp.stage_outcome) s cross join lateral cohort.staged_days('outcome', s.a, s.b) d
        union all
        select 'decision', d.day
          from (select min(ts) as a, max(ts) as b from pg_temp.stage_decision) s cross join lateral cohort.staged_days('decision', s.a, s.b) d
        order by 1, 2
    loop
        if exists (select from cohort.partition_dropped p where p.parent = part.parent and p.day = part.day) then
            late := late + cohort.ingest_too_late(part.parent, part.day, batch, spool);
        else
            perform cohort.make_partition(part.parent, part.day);
        end if;
    end loop;
    return late;
end $$;
comment on function cohort.ingest_partitions(bigint, uuid) is
    'Part of ingest(): makes the partitions that the staged rows need; returns how many rows were of days that are no longer kept';

create or replace function cohort.ingest_too_late(parent text, day date, batch bigint, spool uuid) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    n int;
begin
    if parent = 'outcome' then
        with gone as (
            delete from pg_temp.stage_outcome s where (s.ts at time zone 'UTC')::date = $2
            returning s.event_id, to_jsonb(s) as body)
        insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
        select now(), 'outcome', 'too_late', format('Events of %s are kept no longer.', $2), event_id, body,
               sha256(convert_to(body::text, 'UTF8')), octet_length(body::text), batch, spool from gone;
    else
        with gone as (
            delete from pg_temp.stage_decision s where (s.ts at time zone 'UTC')::date = $2
            returning s.decision_id, to_jsonb(s) as body)
        insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
        select now(), 'decision', 'too_late', format('Decisions of %s are kept no longer.', $2), decision_id, body,
               sha256(convert_to(body::text, 'UTF8')), octet_length(body::text), batch, spool from gone;
    end if;
    get diagnostics n = row_count;
    return n;
end $$;
comment on function cohort.ingest_too_late(text, date, bigint, uuid) is
    'Part of ingest(): moves staged rows of a day that is no longer kept to the dead letters; returns how many';

-- An exposure that is earlier than the stored one takes its place. Stored times only ever fall, so what is not
-- earlier when the rows are locked never becomes earlier.
create or replace function cohort.ingest_replace(batch bigint) returns int
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set enable_seqscan = off set jit = off as $$
declare
    n int;
begin
    perform 1
       from (select distinct on (s.unit_id, s.experiment_id) s.* from pg_temp.stage_exposure s
              order by s.unit_id, s.experiment_id, s.ts, s.event_id) s
      cross join lateral (select from cohort.exposure e
                           where e.unit_id = s.unit_id and e.experiment_id = s.experiment_id
                             and (s.ts, s.event_id) < (e.first_ts, e.event_id) for update) locked;
    if not found then
        return 0;
    end if;
    with earlier as materialized (
        select distinct on (s.unit_id, s.experiment_id) s.*, nullif(to_jsonb(s) -> 'segments', 'null') as new_segments,
               e.variant_id as old_variant, e.phase_id as old_phase, e.first_ts as old_ts, e.event_id as old_event,
               e.batch_id as old_batch, e.segments as old_segments
          from pg_temp.stage_exposure s
         cross join lateral (select x.* from cohort.exposure x
                              where x.unit_id = s.unit_id and x.experiment_id = s.experiment_id
                                and (s.ts, s.event_id) < (x.first_ts, x.event_id) offset 0) e
         order by s.unit_id, s.experiment_id, s.ts, s.event_id
    ), kept as (
        insert into cohort.exposure_replaced (unit_id, experiment_id, old_variant_id, old_phase_id, old_first_ts,
                                              old_event_id, old_batch_id, old_segments, batch_id)
        select unit_id, experiment_id, old_variant, old_phase, old_ts, old_event, old_batch, old_segments, batch from earlier
    )
    update cohort.exposure e
       set variant_id = s.variant_id, phase_id = s.phase_id, propensity = s.propensity, inclusion = s.inclusion,
           first_ts = s.ts, event_id = s.event_id, decision_id = s.decision_id, trusted = s.trusted,
           origin = s.origin, segments = s.new_segments, batch_id = batch
      from earlier s where e.unit_id = s.unit_id and e.experiment_id = s.experiment_id;
    get diagnostics n = row_count;
    return n;
end $$;
comment on function cohort.ingest_replace(bigint) is
    'Part of ingest(): staged exposures that are earlier than the stored ones replace them; returns how many';

-- Whatever was seen, here or displaced by this batch, in another variant or phase than the stored exposure.
create or replace function cohort.ingest_switches(batch bigint) returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set enable_seqscan = off set jit = off as $$
begin
    insert into cohort.exposure_switch as w (unit_id, experiment_id, variant_id, phase_id, ts, event_id, batch_id)
    select distinct on (s.unit_id, s.experiment_id, s.variant_id, s.phase_id)
           s.unit_id, s.experiment_id, s.variant_id, s.phase_id, s.ts, s.event_id, batch
      from (select unit_id, experiment_id, variant_id, phase_id, ts, event_id from pg_temp.stage_exposure
            union all
            select r.unit_id, r.experiment_id, r.old_variant_id, r.old_phase_id, r.old_first_ts, r.old_event_id
              from (select distinct unit_id, experiment_id from pg_temp.stage_exposure) t
             cross join lateral (select x.* from cohort.exposure_replaced x
                                  where x.unit_id = t.unit_id and x.experiment_id = t.experiment_id
                                    and x.batch_id = batch offset 0) r) s
     cross join lateral (select from cohort.exposure x
                          where x.unit_id = s.unit_id and x.experiment_id = s.experiment_id
                            and (s.variant_id, s.phase_id) is distinct from (x.variant_id, x.phase_id) offset 0) e
     order by s.unit_id, s.experiment_id, s.variant_id, s.phase_id, s.ts, s.event_id
    on conflict (unit_id, experiment_id, variant_id, phase_id) do update
       set ts = excluded.ts, event_id = excluded.event_id, batch_id = excluded.batch_id
     where (excluded.ts, excluded.event_id) < (w.ts, w.event_id);
end $$;
comment on function cohort.ingest_switches(bigint) is
    'Part of ingest(): notes units that were also seen in another variant or phase';

-- Reports with the id and time of the stored first exposure that say something else: the first to arrive stays.
create or replace function cohort.ingest_exposure_conflicts(batch bigint, spool uuid) returns int
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set enable_seqscan = off set jit = off as $$
declare
    n int;
begin
    with gone as (
        delete from pg_temp.stage_exposure s
         where s.ctid = any (array(
               select t.ctid from pg_temp.stage_exposure t
                cross join lateral (select from cohort.exposure e
                                     where e.unit_id = t.unit_id and e.experiment_id = t.experiment_id
                                       and e.event_id = t.event_id and e.first_ts = t.ts
                                       and (e.variant_id, e.phase_id) is distinct from (t.variant_id, t.phase_id)
                                    offset 0) e))
        returning s.event_id, to_jsonb(s) as body)
    insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
    select now(), 'exposure', 'conflict', cohort.conflict_words(), event_id, body, sha256(convert_to(body::text, 'UTF8')),
           octet_length(body::text), batch, spool from gone;
    get diagnostics n = row_count;
    return n;
end $$;
comment on function cohort.ingest_exposure_conflicts(bigint, uuid) is
    'Part of ingest(): moves staged exposures that contradict the stored one of the same id and time to the dead letters; returns how many';

-- A batch of nothing but new units needs no second look.
drop function if exists cohort.ingest_exposures(bigint);
create or replace function cohort.ingest_exposures(batch bigint, spool uuid, out stored int, out duplicates int,
        out replaced int, out conflicts int, out to_ts timestamptz)
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if exists (select from pg_attribute a where a.attrelid = 'pg_temp.stage_exposure'::regclass and a.attname = 'segments') then
        insert into cohort.exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, first_ts,
                                     event_id, decision_id, trusted, origin, segments, batch_id)
        select distinct on (unit_id, experiment_id) unit_id, experiment_id, variant_id, phase_id, propensity, inclusion,
               ts, event_id, decision_id, trusted, origin, segments, batch
          from pg_temp.stage_exposure
         order by unit_id, experiment_id, ts, event_id
        on conflict (unit_id, experiment_id) do nothing;
    else -- of an older server
        insert into cohort.exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, first_ts,
                                     event_id, decision_id, trusted, origin, batch_id)
        select distinct on (unit_id, experiment_id) unit_id, experiment_id, variant_id, phase_id, propensity, inclusion,
               ts, event_id, decision_id, trusted, origin, batch
          from pg_temp.stage_exposure
         order by unit_id, experiment_id, ts, event_id
        on conflict (unit_id, experiment_id) do nothing;
    end if;
    get diagnostics stored = row_count;
    select count(*) - stored, max(ts) into duplicates, to_ts from pg_temp.stage_exposure;
    replaced := 0;
    conflicts := 0;
    if duplicates > 0 then
        replaced := cohort.ingest_replace(batch);
        conflicts := cohort.ingest_exposure_conflicts(batch, spool);
        duplicates := duplicates - conflicts;
        perform cohort.ingest_switches(batch);
    end if;
end $$;
comment on function cohort.ingest_exposures(bigint, uuid) is
    'Part of ingest(): stores the staged exposures; a duplicate is one of a unit that was exposed before, in this batch too';

create or replace function cohort.conflict_words() returns text
    language sql immutable parallel safe
    as $$ select 'An event with this id, unit and time is stored already and says something else. The first one stays.' $$;
comment on function cohort.conflict_words() is 'What a dead letter with reason conflict says';

-- An event that is there already with another content: the first to arrive stays, the other one is kept apart. One
-- that only lacks trust says nothing new; a trusted one that finds an untrusted one in its place does.
drop function if exists cohort.ingest_outcome_conflicts(bigint, uuid);
create or replace function cohort.ingest_outcome_conflicts(batch bigint, spool uuid, again tid[]) returns int
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set enable_seqscan = off set enable_nestloop = on set jit = off as $$
declare
    n int;
begin
    insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id)
    select now(), 'outcome', 'conflict', cohort.conflict_words(), s.event_id, v.body,
           sha256(convert_to(v.body::text, 'UTF8')), octet_length(v.body::text), batch, spool
      from pg_temp.stage_outcome s
     cross join lateral (select x.* from cohort.outcome x
                          where x.unit_id = s.unit_id and x.event_id = s.event_id and x.ts = s.ts offset 0) o
     cross join lateral (select to_jsonb(s) as body) v
     where s.ctid = any (again)
       and ((s.name, s.value, s.attributes, s.decision_id) is distinct from (o.name, o.value, o.attributes, o.decision_id)
            or s.trusted and not o.trusted)
     order by s.unit_id, s.event_id, s.ts;
    get diagnostics n = row_count;
    return n;
end $$;
comment on function cohort.ingest_outcome_conflicts(bigint, uuid, tid[]) is
    'Part of ingest(): of the staged outcomes that were not stored (again), keeps those that contradict a stored one of the same key as dead letters; returns how many';

-- A batch is nearly always new as a whole, and an insert that need not look for each key first costs half. One that
-- meets a stored key is undone and leaves dead rows behind, so the batch after one with duplicates is not tried. Rows are
-- staged in the order of their key.
create or replace function cohort.ingest_new_outcomes(batch bigint) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    n int;
begin
    if current_setting('cohort.outcomes_repeat', true) = 'on' then
        return null;
    end if;
    insert into cohort.outcome (unit_id, event_id, ts, name, value, attributes, decision_id, trusted, batch_id)
    select unit_id, event_id, ts, name, value, attributes, decision_id, trusted, batch from pg_temp.stage_outcome;
    get diagnostics n = row_count;
    return n;
exception when unique_violation then
    return null;
end $$;
comment on function cohort.ingest_new_outcomes(bigint) is
    'Part of ingest(): stores the staged outcomes when all of them are new, and returns how many; null: nothing was stored, they have to be looked through';

-- What was not stored is found by what was (a hash of the batch), not in the table: looking there again would cost
-- half as much as storing. Repeats inside one batch hide behind their first and are looked for only when some are missing.
drop function if exists cohort.ingest_outcomes(bigint);
create or replace function cohort.ingest_outcomes(batch bigint, spool uuid, out stored int, out duplicates int,
        out conflicts int, out from_ts timestamptz, out to_ts timestamptz)
    language plpgsql set search_path = cohort, pg_temp set enable_nestloop = off set enable_mergejoin = off
    set jit = off as $$
declare
    again tid[];
begin
    conflicts := 0;
    select count(*), min(ts), max(ts) into duplicates, from_ts, to_ts from pg_temp.stage_outcome;
    stored := cohort.ingest_new_outcomes(batch);
    if stored is not null then
        duplicates := 0;
        return;
    end if;
    with added as (
        insert into cohort.outcome (unit_id, event_id, ts, name, value, attributes, decision_id, trusted, batch_id)
        select unit_id, event_id, ts, name, value, attributes, decision_id, trusted, batch
          from pg_temp.stage_outcome
         order by unit_id, event_id, ts
        on conflict (unit_id, event_id, ts) do nothing
        returning unit_id, event_id, ts)
    select (select count(*) from added),
           array(select s.ctid from pg_temp.stage_outcome s
                  where not exists (select from added a
                                     where a.event_id = s.event_id and a.unit_id = s.unit_id and a.ts = s.ts))
      into stored, again;
    duplicates := duplicates - stored;
    perform set_config('cohort.outcomes_repeat', case when duplicates > 0 then 'on' else 'off' end, false);
    if duplicates > cardinality(again) then
        again := again || array(
            select r.id from (select s.ctid as id, count(*) over (partition by s.unit_id, s.event_id, s.ts) as n
                                from pg_temp.stage_outcome s) r where r.n > 1 and r.id <> all (again));
    end if;
    if duplicates > 0 then
        conflicts := cohort.ingest_outcome_conflicts(batch, spool, again);
        duplicates := duplicates - conflicts;
    end if;
end $$;
comment on function cohort.ingest_outcomes(bigint, uuid) is 'Part of ingest(): stores the staged outcomes';

drop function if exists cohort.ingest_decisions(bigint);
create or replace function cohort.ingest_decisions(batch bigint, out stored int, out duplicates int, out from_ts timestamptz,
        out to_ts timestamptz)
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if exists (select from pg_attribute a where a.attrelid = 'pg_temp.stage_decision'::regclass and a.attname = 'model_id') then
        insert into cohort.decision (unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id,
                                     counterfactual_variant_id, reason, propensity, inclusion, mode, plan_version,
                                     inputs, holdout_id, eligible, model_id, batch_id)
        select unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, counterfactual_variant_id, reason,
               propensity, inclusion, mode, plan_version, inputs, holdout_id, eligible, model_id, batch
          from pg_temp.stage_decision
         order by unit_id, decision_id, ts
        on conflict (unit_id, decision_id, ts) do nothing;
    else -- of an older server
        insert into cohort.decision (unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id,
                                     counterfactual_variant_id, reason, propensity, inclusion, mode, plan_version,
                                     inputs, holdout_id, batch_id)
        select unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, counterfactual_variant_id, reason,
               propensity, inclusion, mode, plan_version, inputs, holdout_id, batch
          from pg_temp.stage_decision
         order by unit_id, decision_id, ts
        on conflict (unit_id, decision_id, ts) do nothing;
    end if;
    get diagnostics stored = row_count;
    select count(*) - stored, min(ts), max(ts) into duplicates, from_ts, to_ts from pg_temp.stage_decision;
end $$;
comment on function cohort.ingest_decisions(bigint) is 'Part of ingest(): stores the staged decisions';

drop function if exists cohort.ingest_dead_letters(bigint);
create or replace function cohort.ingest_dead_letters(batch bigint, spool uuid) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    n int;
begin
    insert into cohort.dead_letter (received_at, kind, reason, detail, event_id, body, body_hash, body_length, batch_id, spool_id,
                                    environment)
    select coalesce(received_at, now()), coalesce(kind, 'unknown'), coalesce(reason, 'unknown'), detail, event_id, body,
           body_hash, body_length, batch, spool, to_jsonb(s) ->> 'environment' -- an older server's has no such column
      from pg_temp.stage_dead_letter s order by received_at;
    get diagnostics n = row_count;
    return n;
end $$;
comment on function cohort.ingest_dead_letters(bigint, uuid) is 'Part of ingest(): stores the staged dead letters';

-- The queue's totals and its watermark, in one. What the server counted is of its file: where the queue's id is
-- younger than the file (or than the counting), the difference is learnt from the first batch that is counted.
create or replace function cohort.ingest_totals(spool uuid, node text, first_group bigint, last_group bigint, file_accepted bigint,
        b cohort.ingest_batch) returns cohort.spool
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    n bigint := b.exposures + b.outcomes + b.decisions;
    all_of_it bigint := n + b.duplicate_exposures + b.duplicate_outcomes + b.duplicate_decisions + b.dead_letters;
    after cohort.spool;
begin
    update cohort.spool s
       set watermark = $4, node = $2, updated_at = now(), stored = s.stored + n,
           duplicates = s.duplicates + all_of_it - n - b.dead_letters, conflicts = s.conflicts + b.conflicts,
           dead_letters = s.dead_letters + b.dead_letters,
           accepted_before = coalesce(s.accepted_before, v.before),
           accepted = case when $5 is null then s.accepted + all_of_it
                           else $5 - coalesce(s.accepted_before, v.before) end
      from (select case when $3 = 1 then 0 else $5 - all_of_it - q.accepted end as before
              from cohort.spool q where q.spool_id = $1) v
     where s.spool_id = $1
    returning s.* into after;
    return after;
end $$;
comment on function cohort.ingest_totals(uuid, text, bigint, bigint, bigint, cohort.ingest_batch) is
    'Part of ingest(): adds a batch to its queue''s totals and moves the watermark';

drop function if exists cohort.ingest(uuid, text, bigint, bigint);
drop function if exists cohort.ingest(uuid, text, bigint, bigint, bigint);
create or replace function cohort.ingest(spool uuid, node text, first_group bigint, last_group bigint,
        accepted bigint default null,
        out batch_id bigint, out stored int, out duplicates int, out dead int, out conflicts int,
        out total_accepted bigint, out total_stored bigint, out total_duplicates bigint, out total_dead bigint,
        out total_conflicts bigint)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    b cohort.ingest_batch;
    s cohort.spool;
    e record;
    o record;
    d record;
begin
    batch_id := cohort.ingest_claim(spool, node, first_group, last_group);
    stored := 0;
    duplicates := 0;
    dead := 0;
    conflicts := 0;
    if batch_id is null then
        raise notice 'Groups % to % of this queue are stored already: nothing was stored.', first_group, last_group;
        select * into s from cohort.spool q where q.spool_id = $1;
    else
        dead := cohort.ingest_poison(batch_id, spool) + cohort.ingest_partitions(batch_id, spool);
        perform cohort.ingest_odds();
        select * into e from cohort.ingest_exposures(batch_id, spool);
        select * into o from cohort.ingest_outcomes(batch_id, spool);
        select * into d from cohort.ingest_decisions(batch_id);
        conflicts := e.conflicts + o.conflicts;
        perform cohort.ingest_lift(batch_id, spool);
        dead := dead + conflicts + cohort.ingest_dead_letters(batch_id, spool);
        stored := e.stored + o.stored + d.stored;
        duplicates := e.duplicates + o.duplicates + d.duplicates;
        insert into cohort.ingest_batch (batch_id, spool_id, first_group, last_group, exposures, outcomes, decisions,
                                         dead_letters, conflicts, duplicate_exposures, duplicate_outcomes,
                                         duplicate_decisions, replaced, outcomes_from, outcomes_to, exposures_to, decisions_from,
                                         decisions_to)
        overriding system value
        values (batch_id, $1, $3, $4, e.stored, o.stored, d.stored, dead, conflicts, e.duplicates, o.duplicates,
                d.duplicates, e.replaced, o.from_ts, o.to_ts, e.to_ts, d.from_ts, d.to_ts)
        returning * into b;
        s := cohort.ingest_totals(spool, node, first_group, last_group, accepted, b);
    end if;
    total_accepted := s.accepted;
    total_stored := s.stored;
    total_duplicates := s.duplicates;
    total_dead := s.dead_letters;
    total_conflicts := s.conflicts;
end $$;
comment on function cohort.ingest(uuid, text, bigint, bigint, bigint) is
    'Stores what is staged as one batch and moves the queue''s watermark to last_group, in the caller''s transaction. accepted: records ever put into the queue''s file up to last_group; null: as many as are staged. Groups that are stored already store nothing: batch_id is then null. The queue''s totals are told each time';
