-- Ingest: what is stored, what counts as a duplicate, what replaces what.
\set QUIET on
\set ON_ERROR_STOP on
select cohort.ingest_prepare() \g /dev/null
select t.experiment('in1', array['control', 'b']) as x \gset
select t.variant(:x, 'control') as a, t.variant(:x, 'b') as b, t.phase(:x) as p \gset

create function t.expose(unit int, x int, variant int, phase int, at text, event int) returns void language sql as $$
    insert into pg_temp.stage_exposure values (t.uuid(1, unit), x, variant, phase, 500000, 1000000, at::timestamptz,
        t.uuid(2, event), null, true, 0) $$;
create function t.happen(unit int, at text, name text, event int, value bigint default null) returns void language sql as $$
    insert into pg_temp.stage_outcome values (t.uuid(1, unit), t.uuid(3, event), at::timestamptz, name, value, null, null, true) $$;
create view t.last_batch as select * from cohort.ingest_batch order by last_group desc, created_at desc limit 1;

-- A new queue stands at 0, and the same unit twice in a batch is stored once: the least (ts, event id).
select t.ok('a new queue stands at 0', cohort.spool_watermark(t.uuid(9, 1), 'n') = 0);
begin;
select t.expose(1, :x, :b, :p, '2026-03-01 10:00+00', 5), t.expose(1, :x, :a, :p, '2026-03-01 09:00+00', 9),
       t.expose(1, :x, :a, :p, '2026-03-01 09:00+00', 4), t.expose(2, :x, :b, :p, '2026-03-01 10:00+00', 6) \g /dev/null
select t.happen(1, '2026-03-02 10:00+00', 'unsubscribe', 1), t.happen(1, '2026-03-02 10:00+00', 'unsubscribe', 1),
       t.happen(1, '2026-03-02 10:01+00', 'unsubscribe', 1), t.happen(2, '1999-12-31 23:59:59.999999+00', 'x', 2) \g /dev/null
insert into pg_temp.stage_decision select t.uuid(1, 1), t.uuid(4, n), '2026-03-01 09:00+00', 1, :x, :a, :p, null, 'SPLIT', 500000,
    1000000, 0, 3, '{"country": "DE"}' from generate_series(1, 3) n;
insert into pg_temp.stage_dead_letter values (now(), 'outcome', 'unknown_event', 'There is no event "unsubscibe".', t.uuid(5, 1),
    '{"name": "unsubscibe"}', sha256('x'), 40);
select t.ok('ingest says what it stored', (select (stored, duplicates, dead) = (8, 3, 1)
    from cohort.ingest(t.uuid(9, 1), 'n', 1, 4)));
commit;
select t.ok('the least exposure of a batch is the unit''s', (select (variant_id, event_id, first_ts)
    = (:a, t.uuid(2, 4), '2026-03-01 09:00+00'::timestamptz) from cohort.exposure where unit_id = t.uuid(1, 1) and experiment_id = :x));
select t.ok('the other variant of the batch is a switch', (select count(*) = 1 and bool_and(variant_id = :b)
    from cohort.exposure_switch where unit_id = t.uuid(1, 1)));
select t.ok('duplicates are counted per kind', (select (exposures, duplicate_exposures, outcomes, duplicate_outcomes, decisions,
    duplicate_decisions, dead_letters, duplicates, replaced) = (2, 2, 3, 1, 3, 0, 1, 3, 0) from t.last_batch));
select t.ok('the watermark moved', cohort.spool_watermark(t.uuid(9, 1), 'n') = 4);
select t.ok('partitions of missing days are made, one per UTC day', (select count(*) = 2 from pg_inherits
    where inhparent = 'cohort.outcome'::regclass) and to_regclass('cohort.outcome_19991231') is not null);
select t.ok('the dead letter is kept', (select (kind, reason, body->>'name', batch_id) = ('outcome', 'unknown_event', 'unsubscibe',
    (select batch_id from t.last_batch)) from cohort.dead_letter));

-- The same groups again: nothing, and it says so. Overlapping groups: refused. A gap is allowed.
set client_min_messages = error;
begin;
select t.expose(77, :x, :b, :p, '2026-03-01 10:00+00', 5) \g /dev/null
select t.ok('stored groups are not stored again', (select batch_id is null and (stored, duplicates, dead) = (0, 0, 0)
    from cohort.ingest(t.uuid(9, 1), 'n', 3, 4)));
commit;
reset client_min_messages;
select t.ok('nothing was stored', not exists (select from cohort.exposure where unit_id = t.uuid(1, 77))
    and (select count(*) = 1 from cohort.ingest_batch));
create function t.constraint_of(statement text) returns text language plpgsql as $$
declare
    c text;
begin
    execute statement;
    return 'none';
exception when others then
    get stacked diagnostics c = constraint_name;
    return coalesce(nullif(c, ''), sqlerrm);
end $$;
select t.ok('overlapping groups are refused', t.constraint_of('select cohort.ingest(t.uuid(9, 1), ''n'', 4, 6)') = 'ingest_groups');
select t.ok('a range backwards is refused', t.constraint_of('select cohort.ingest(t.uuid(9, 1), ''n'', 9, 8)') = 'ingest_groups');

-- An earlier exposure that comes later takes the place of the stored one; a later one is a switch or a duplicate.
begin;
select t.expose(2, :x, :a, :p, '2026-03-01 09:59+00', 1), t.expose(1, :x, :b, :p, '2026-03-01 08:00+00', 1),
       t.expose(1, :x, :b, :p, '2026-03-01 08:30+00', 1) \g /dev/null
select * from cohort.ingest(t.uuid(9, 1), 'n', 7, 7) \g /dev/null
commit;
select t.ok('an earlier exposure replaces the row', (select array_agg((unit_id, variant_id)::text order by unit_id)
    = array[(t.uuid(1, 1), :b)::text, (t.uuid(1, 2), :a)::text] from cohort.exposure where experiment_id = :x));
select t.ok('what was replaced is kept', (select count(*) = 2 and bool_and(resolved_pass is null) and bool_and(old_batch_id < batch_id)
    from cohort.exposure_replaced where experiment_id = :x));
select t.ok('a replaced row is a duplicate', (select (exposures, duplicate_exposures, replaced) = (0, 3, 2) from t.last_batch));
select t.ok('displaced variants are switches', (select array_agg((unit_id, first_variant, variant)::text order by 1)
    = array[(t.uuid(1, 1), 'b', 'control')::text, (t.uuid(1, 2), 'control', 'b')::text] from cohort.switches where experiment = 'in1'));
begin;
select t.expose(2, :x, :a, :p, '2026-03-01 09:59+00', 1), t.expose(2, :x, :a, :p, '2026-03-01 12:00+00', 3) \g /dev/null
select t.ok('a repeat is a duplicate', (select (stored, duplicates) = (0, 2) from cohort.ingest(t.uuid(9, 1), 'n', 8, 8)));
commit;
select t.ok('and no switch', (select count(*) = 2 from cohort.switches where experiment = 'in1'));

-- Records that can't be stored don't stop the queue.
begin;
insert into pg_temp.stage_exposure values (t.uuid(1, 5), :x, null, :p, 1, 1, now(), t.uuid(2, 7), null, true, 0);
insert into pg_temp.stage_outcome values (t.uuid(1, 5), t.uuid(3, 8), 'infinity', 'unsubscribe', null, null, null, true);
insert into pg_temp.stage_decision values (t.uuid(1, 5), t.uuid(3, 8), now(), null, null, null, null, null, 'X', 1, 1, 0, 1, null);
select t.happen(6, '2026-03-02 10:00+00', 'unsubscribe', 77) \g /dev/null
select t.ok('a malformed record goes to the dead letters, the rest is stored', (select (stored, duplicates, dead) = (1, 0, 3)
    from cohort.ingest(t.uuid(9, 1), 'n', 9, 9)));
commit;
select t.ok('with its reason and body', (select count(*) = 3 and bool_and(body is not null and length(body_hash) = 32)
    from cohort.dead_letter where reason = 'malformed_record'));

select t.ok('all records are accounted for', (select sum(exposures + outcomes + decisions + dead_letters + duplicates) = 11 + 1 + 3 + 2 + 4
       and sum(exposures) = (select count(*) from cohort.exposure) and sum(outcomes) = (select count(*) from cohort.outcome)
       and sum(decisions) = (select count(*) from cohort.decision) and sum(dead_letters) = (select count(*) from cohort.dead_letter)
    from cohort.ingest_batch));
select t.ok('decisions read with names', (select (flag is null or flag <> '') and (experiment, variant, phase, mode, reason)
    = ('in1', 'control', 1, 'single', 'SPLIT') and propensity = 0.5 from cohort.decisions limit 1));
select t.ok('exposures read with names', (select (experiment, variant, phase, origin) = ('in1', 'b', 1, 'evaluated')
    and propensity = 0.5 and inclusion = 1 from cohort.exposures where unit_id = t.uuid(1, 1)));
select t.ok('a day that is there is not made again', cohort.ensure_partitions('2026-03-01', '2026-03-03') = 4
    and cohort.ensure_partitions('2026-03-01', '2026-03-03') = 0);

-- A batch of new outcomes is stored at once; one with a repeat is looked through, as is the one after it.
create function t.ship_outcomes(nth int, from_event int, to_event int) returns text language plpgsql as $$
declare
    r record;
begin
    perform t.happen(n % 7, '2026-03-02 10:00+00', 'unsubscribe', n) from generate_series(from_event, to_event) n;
    select * into r from cohort.ingest(t.uuid(9, 77), 'n', nth, nth);
    return format('%s + %s, repeats %s', r.stored, r.duplicates, coalesce(nullif(current_setting('cohort.outcomes_repeat', true), ''), 'off'));
end $$;
select set_config('cohort.outcomes_repeat', 'off', false) \g /dev/null
select t.ok('outcomes that are all new', t.ship_outcomes(1, 5000, 5099) = '100 + 0, repeats off');
select t.ok('the last of them once more', t.ship_outcomes(2, 5099, 5150) = '51 + 1, repeats on');
select t.ok('the next is looked through', t.ship_outcomes(3, 5151, 5160) = '10 + 0, repeats off');
select t.ok('and the one after it is not', t.ship_outcomes(4, 5161, 5165) = '5 + 0, repeats off');
select t.ok('each is there once', (select count(*) = 166 and count(distinct event_id) = 166 from cohort.outcome
    where event_id between t.uuid(3, 5000) and t.uuid(3, 5165)));
