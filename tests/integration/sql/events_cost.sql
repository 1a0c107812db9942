-- With 200,000 exposures and outcomes stored, a pass over 1,000 new ones reads little more than these: no table is
-- read whole. Counted in rows and scans, not in time.
\set QUIET on
\set ON_ERROR_STOP on
select t.lead('cost') as epoch \gset
select cohort.ingest_prepare() \g /dev/null
select t.experiment('big', array['control', 'b'], array['unsubscribe']) as x \gset
select t.variant(:x, 'control') as a, t.variant(:x, 'b') as b, t.phase(:x) as p \gset
create function t.bulk(x int, a int, b int, p int, lo int, hi int, age interval) returns void language sql as $$
    insert into pg_temp.stage_exposure
    select t.uuid(31, n), x, case n % 2 when 0 then a else b end, p, 500000, 1000000,
           now() - age + n * interval '0.001 s', t.uuid(32, n), null, true, 0
      from generate_series(lo, hi) n;
    insert into pg_temp.stage_outcome
    select t.uuid(31, n), t.uuid(33, n), now() - age + n * interval '0.001 s' + interval '1 s', 'unsubscribe', null, null, null, true
      from generate_series(lo, hi) n $$;
-- Four batches, a quarter of the units each; the first half have matured, and no metric's window closes about the others now.
begin; select t.bulk(:x, :a, :b, :p, 1, 50000, '9 days'), t.ship() \g /dev/null
commit;
begin; select t.bulk(:x, :a, :b, :p, 50001, 100000, '8 days'), t.ship() \g /dev/null
commit;
begin; select t.bulk(:x, :a, :b, :p, 100001, 150000, '6 days'), t.ship() \g /dev/null
commit;
begin; select t.bulk(:x, :a, :b, :p, 150001, 200000, '30 hours'), t.ship() \g /dev/null
commit;
select format('select cohort.rollup(%s)', :epoch) from generate_series(1, 6) \gexec
select t.ok('a pass takes no more than it can bear', (select count(distinct applied_pass) = 4 from cohort.ingest_batch
    where batch_id in (select batch_id from cohort.exposure where experiment_id = :x)));
select t.ok('200,000 units are counted', (select sum(units) = 200000 and sum(event_units) = 200000
    and sum(matured_units) = 100000 from cohort.metric_stat where experiment_id = :x));

-- 1,000 new units and their outcomes, 500 outcomes of units that were counted long ago, 50 exposures that come
-- earlier than the stored ones.
create view t.reads as
select sum(seq_scan) filter (where c.reltuples > 1000 or s.relname like 'exposure' or s.relname = 'unit_metric') as seq_scans,
       sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) as rows
  from pg_stat_xact_user_tables s join pg_class c on c.oid = s.relid where s.schemaname = 'cohort';
select pg_stat_force_next_flush() \g /dev/null
begin;
select t.bulk(:x, :a, :b, :p, 200001, 201000, '1 hour') \g /dev/null
insert into pg_temp.stage_outcome select t.uuid(31, n), t.uuid(34, n), now() - interval '1 min', 'unsubscribe', null, null, null, true
  from generate_series(150001, 199999, 100) n;
insert into pg_temp.stage_exposure select t.uuid(31, n), :x, :a, :p, 500000, 1000000, now() - interval '9 days 1 hour', t.uuid(35, n), null, true, 0
  from generate_series(1, 200000, 4000) n;
select t.ship() \g /dev/null
select t.ok('storing a batch reads no table whole', seq_scans = 0 and rows < 10000) from t.reads;
select pg_stat_force_next_flush() \g /dev/null
commit;
-- (Block ranges are read whole: the few that hold the random histories' exposures lie in every metric's window. Where the
-- clock has come to a next step of some metric's maturity meanwhile, the block range of those units is read too.)
create temp table matured as select experiment_id, metric_id, matured_to from cohort.tracked_metric;
create temp view steps as select count(*) as steps from cohort.tracked_metric x join matured b using (experiment_id, metric_id)
 where x.matured_to is distinct from b.matured_to;
begin;
select cohort.rollup(:epoch) \g /dev/null
select t.ok(format('a pass reads no table whole (%s scans, %s rows read: %s)', seq_scans, rows, (select string_agg(relname || ' ' || coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0), ', ')
    from pg_stat_xact_user_tables where coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) > 100)), seq_scans = 0 and rows < 25000 + 5000 * m.steps) from t.reads, steps m;
select pg_stat_force_next_flush() \g /dev/null
commit;
truncate matured;
insert into matured select experiment_id, metric_id, matured_to from cohort.tracked_metric;
begin;
select cohort.rollup(:epoch) \g /dev/null
select t.ok(format('a pass with nothing new reads next to nothing (%s rows, %s steps of maturity)', r.rows, m.steps),
            r.seq_scans = 0 and r.rows < 1000 + 5000 * m.steps)
  from t.reads r, steps m;
select pg_stat_force_next_flush() \g /dev/null
commit;
select t.ok('and the sums are right', not exists (select * from cohort.recount(:x) except select * from cohort.metric_stat where experiment_id = :x));
