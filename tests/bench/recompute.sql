-- Part of recompute.sh: n units' assignments computed again, and the hashes of as many, in turns.
\set QUIET on
insert into cohort.experiment (key) values ('bench');
insert into cohort.variant (experiment, key, share_ppm, value, position) values
    ('bench', 'control', 500000, '"a"', 1), ('bench', 'b', 500000, '"b"', 2);
insert into cohort.metric (key, event, kind) values ('bought', 'buy', 'binary');
insert into cohort.experiment_metric (experiment, metric) values ('bench', 'bought');
select cohort.start('bench') \g /dev/null
create table unit as select md5(n::text)::uuid as id from generate_series(1, :n) n;
vacuum analyze unit;
vacuum analyze cohort.phase, cohort.phase_variant, cohort.experiment, cohort.variant;
set max_parallel_workers_per_gather = 0;
set jit = off;

create temp table took (round int, what text, ms double precision, n bigint);
create procedure pg_temp.measure(round int) language plpgsql as $$
declare
    salt constant bytea := '\x000102030405060708090a0b0c0d0e0f';
    at timestamptz := clock_timestamp();
    n bigint;
begin
    select count(a.variant) into n from unit u cross join lateral cohort.expected_assignment('bench', u.id) a;
    insert into took values (round, 'assignment', extract(epoch from clock_timestamp() - at) * 1000, n);
    at := clock_timestamp();
    select count(sha256(salt || uuid_send(u.id))) + count(sha256(uuid_send(u.id) || salt)) into n from unit u;
    insert into took values (round, 'hashes', extract(epoch from clock_timestamp() - at) * 1000, n);
end $$;
select format('call pg_temp.measure(%s)', n) from generate_series(0, :rounds) n \gexec
delete from took where round = 0; -- the first reads the table and makes the plans

select format('%s: of %s units %s were assigned', round, :n, n) from took where what = 'assignment' and n <> :n;
with pair as (select a.ms * 1000 / :n as ours, h.ms * 1000 / :n as hashes, a.ms / h.ms as ratio
                from took a join took h using (round) where a.what = 'assignment' and h.what = 'hashes' and a.n = :n and h.n = 2 * :n),
     said as (select percentile_cont(0.5) within group (order by ours) as ours, percentile_cont(0.5) within group (order by hashes) as hashes,
                     percentile_cont(0.5) within group (order by ratio) as ratio, min(ratio) as low, max(ratio) as high from pair having count(*) = :rounds)
-- a row for tests/bench/run.py
select concat_ws('|', 'an assignment recomputed in SQL / its two sha256()', 'us a unit', round(ours::numeric, 2), round(hashes::numeric, 2),
                 round(ratio::numeric, 2), round(low::numeric, 2), round(high::numeric, 2))
  from said;
