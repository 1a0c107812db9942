-- Part of rollup.sh: n exposures with an outcome each, then five batches of 5,000 new exposures and 5,000 outcomes.
\set QUIET on
select cohort.lead('bench') as epoch \gset
select cohort.ingest_prepare() \g /dev/null
insert into cohort.experiment (key) values ('bench');
insert into cohort.variant (experiment, key, share_ppm, value, position) values
    ('bench', 'control', 500000, '"a"', 1), ('bench', 'b', 500000, '"b"', 2);
insert into cohort.metric (key, event, kind) values ('b_bought', 'buy', 'binary');
insert into cohort.experiment_metric (experiment, metric) values ('bench', 'b_bought');
select :kinds = 'all' as all_kinds \gset
\if :all_kinds
insert into cohort.metric (key, event, kind, condition, denominator_event, quantile, winsor_high, cuped_days) values
    ('b_count', 'buy', 'count', '{"plan": "pro"}', null, null, null, 0),
    ('b_money', 'buy', 'mean', null, null, null, 500, 7), ('b_share', 'buy', 'ratio', '{"plan": "pro"}', 'buy', null, null, 0),
    ('b_median', 'buy', 'quantile', null, null, 0.5, null, 0);
insert into cohort.experiment_metric (experiment, metric) select 'bench', k from unnest(array['b_count', 'b_money', 'b_share', 'b_median']) k;
\endif
select cohort.start('bench') \g /dev/null
select e.id as x, p.id as p, (select id from cohort.variant where experiment = 'bench' and key = 'control') as a,
       (select id from cohort.variant where experiment = 'bench' and key = 'b') as b
  from cohort.experiment e join cohort.phase p on p.experiment_id = e.id \gset
select cohort.ensure_partitions((now() - interval '3 days')::date, (now() + interval '1 day')::date) \g /dev/null

create function pg_temp.unit(n bigint) returns uuid language sql as $$ select md5(n::text)::uuid $$;
create procedure pg_temp.fill(x int, p int, a int, b int, lo bigint, hi bigint, batch bigint, outcomes_from bigint) language plpgsql as $$
declare
    from_ts timestamptz := now() - interval '2 days' + lo * interval '1 ms';
begin
    insert into cohort.exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, first_ts, event_id, trusted, origin, batch_id)
    select pg_temp.unit(n), x, case n % 2 when 0 then a else b end, p, 500000, 1000000, now() - interval '2 days' + n * interval '1 ms',
           pg_temp.unit(-n), true, 0, batch from generate_series(lo, hi) n;
    -- half of a new batch's outcomes are of units that were counted long ago
    insert into cohort.outcome (unit_id, event_id, ts, name, value, attributes, trusted, batch_id)
    select pg_temp.unit(case when n % 2 = 0 and outcomes_from < lo then outcomes_from + (n * 7919) % (lo - outcomes_from) else n end),
           pg_temp.unit(-n - 1000000000), now() - interval '2 days' + n * interval '1 ms' + interval '1 s', 'buy', (n % 1000) * 1000000,
           case n % 2 when 0 then '{"plan": "pro"}'::jsonb end, true, batch from generate_series(lo, hi) n;
    insert into cohort.ingest_batch (batch_id, spool_id, first_group, last_group, exposures, outcomes, decisions, dead_letters, conflicts,
            duplicate_exposures, duplicate_outcomes, duplicate_decisions, replaced, outcomes_from, outcomes_to, exposures_to)
    overriding system value
    values (batch, '00000000-0000-7000-8000-000000000001', batch, batch, hi - lo + 1, hi - lo + 1, 0, 0, 0, 0, 0, 0, 0, from_ts,
            now() + interval '1 h', now());
end $$;
create temp table took (what text, ms double precision);
create procedure pg_temp.pass(epoch bigint, what text) language plpgsql as $$
declare
    at timestamptz := clock_timestamp();
begin
    perform cohort.rollup(epoch);
    insert into took values (what, extract(epoch from clock_timestamp() - at) * 1000);
end $$;

-- history, 25,000 units a batch
create procedure pg_temp.history(x int, p int, a int, b int, n bigint, epoch bigint) language plpgsql as $$
begin
    for i in 0..(n / 25000 - 1) loop
        call pg_temp.fill(x, p, a, b, i * 25000 + 1, (i + 1) * 25000, i + 1, i * 25000 + 1);
        commit;
        call pg_temp.pass(epoch, 'history');
        commit;
    end loop;
end $$;
call pg_temp.history(:x, :p, :a, :b, :n, :epoch);
vacuum analyze cohort.exposure, cohort.outcome, cohort.unit_metric;
checkpoint;
create procedure pg_temp.news(x int, p int, a int, b int, n bigint, epoch bigint) language plpgsql as $$
begin
    for i in 0..6 loop
        call pg_temp.fill(x, p, a, b, n + i * 5000 + 1, n + (i + 1) * 5000, 1000000 + i, 1);
        commit;
        call pg_temp.pass(epoch, case when i < 2 then 'first' else 'pass' end);
        commit;
    end loop;
end $$;
call pg_temp.news(:x, :p, :a, :b, :n, :epoch);
create temp table again (what text, ms double precision, bad bigint);
do $$
declare
    at timestamptz := clock_timestamp();
    x int := (select id from cohort.experiment where key = 'bench');
    bad bigint;
begin
    create temp table counted as select * from cohort.recount(x);
    insert into again values ('recount', extract(epoch from clock_timestamp() - at) * 1000,
        (select count(*) from (select * from counted except select * from cohort.metric_stat) d));
end $$;
select concat_ws('', rpad(:'n', 12), rpad( case :kinds when 'all' then '5: one of each kind, 1 with CUPED' else '1 binary' end, 33), lpad(round(p.ms)::text, 16), ' ms', lpad(round(a.ms)::text, 13), ' ms',
              lpad(round(a.ms / p.ms)::text, 8), case when a.bad > 0 then '  THE SUMS DIFFER' else '' end)
  from (select percentile_cont(0.5) within group (order by ms) as ms from took where what = 'pass') p, again a;
-- a row for tests/bench/run.py
select concat_ws('|', 'roll-up of 10,000 new rows beside ' || :'n' || case :kinds when 'all' then ', 5 metrics' else ', 1 metric' end
                      || ' / counted again', 'ms',
                 round(p.ms), round(a.ms), round((p.ms / a.ms)::numeric, 3), round((p.lo / a.ms)::numeric, 3), round((p.hi / a.ms)::numeric, 3))
  from (select percentile_cont(0.5) within group (order by ms) as ms, min(ms) as lo, max(ms) as hi from took where what = 'pass') p, again a;
