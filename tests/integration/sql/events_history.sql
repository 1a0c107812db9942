-- Random histories: batches of exposures and outcomes in any order, the roll-up between them at random; after every
-- step the sums must equal the recount, and at the end what a plain reading of all that was sent gives.
\set QUIET on
\set ON_ERROR_STOP on

set client_min_messages = warning;
select t.lead('history') as epoch \gset
select cohort.ingest_prepare() \g /dev/null
create table t.sent_exposure (like pg_temp.stage_exposure);
create table t.sent_outcome (like pg_temp.stage_outcome);
insert into cohort.metric (key, event, kind, window_start_s, window_end_s) values
    ('money', 'purchase', 'mean', 0, null), ('money_1m', 'purchase', 'mean', 5, 60),
    ('bought', 'purchase', 'binary', 0, 86400), ('late_visit', 'visit', 'binary', 3600, null);
insert into cohort.experiment (key) values ('h1'), ('h2');
insert into cohort.variant (experiment, key, share_ppm, value, position) values
    ('h1', 'control', 500000, '"a"', 1), ('h1', 'b', 300000, '"b"', 2), ('h1', 'c', 200000, '"c"', 3),
    ('h2', 'control', 500000, '"a"', 1), ('h2', 'b', 500000, '"b"', 2);
insert into cohort.guardrail (experiment, metric) values ('h1', 'unsubscribe'), ('h1', 'bought'), ('h2', 'unsubscribe');
insert into cohort.experiment_metric (experiment, metric) values ('h1', 'money'), ('h1', 'money_1m'), ('h1', 'late_visit'),
    ('h2', 'money');
select cohort.start('h1'), cohort.start('h2') \g /dev/null

-- Times cluster where windows close while the test runs, and spread over ten days.
create function t.moment() returns timestamptz language sql volatile as $$
    select clock_timestamp() + case (random() * 5)::int
        when 0 then interval '-120 s' + random() * interval '6 s'
        when 1 then interval '-86460 s' + random() * interval '100 s'
        when 2 then interval '-604860 s' + random() * interval '700 s'
        else random() * interval '-10 days' end $$;

-- Both phases carry any variant: what is counted is what was recorded.
create function t.stage_random(units int, n_exposures int, n_outcomes int) returns void language plpgsql as $$
declare
    h1 int := (select id from cohort.experiment where key = 'h1');
    h2 int := (select id from cohort.experiment where key = 'h2');
begin
    insert into pg_temp.stage_exposure
    select t.uuid(7, u), e, (array(select v.id from cohort.variant v join cohort.experiment x on x.key = v.experiment
                                    where x.id = e order by v.id))[1 + floor(random() * case e when h1 then 3 else 2 end)],
           t.phase(e) + (floor(random() * 1.3) * 1000)::int, 500000, 1000000, t.moment(), gen_random_uuid(), null,
           random() < 0.8, 0
      from (select 1 + floor(random() * units)::int as u, case when random() < 0.6 then h1 else h2 end as e
              from generate_series(1, n_exposures)) r;
    insert into pg_temp.stage_exposure select * from t.sent_exposure where random() < 0.02;
    insert into pg_temp.stage_outcome
    select t.uuid(7, 1 + floor(random() * units)::int), gen_random_uuid(), t.moment() + random() * interval '70 s',
           (array['unsubscribe', 'purchase', 'purchase', 'visit', 'nobody_counts_this'])[1 + floor(random() * 5)],
           case when random() < 0.9 then floor((random() - 0.3) * 1e9)::bigint end, null, null, random() < 0.85
      from generate_series(1, n_outcomes);
    insert into pg_temp.stage_outcome select * from t.sent_outcome where random() < 0.02;
    insert into t.sent_exposure select * from pg_temp.stage_exposure;
    insert into t.sent_outcome select * from pg_temp.stage_outcome;
end $$;

create procedure t.history(seed double precision, steps int) language plpgsql as $$
declare
    what double precision;
    n int := 0;
begin
    perform setseed(seed);
    for i in 1..steps loop
        what := random();
        if what < 0.55 then
            perform t.stage_random(300, (random() * 25)::int, (random() * 40)::int);
            -- Batches commit in another order than their ids are given: take any free id.
            perform setval(pg_get_serial_sequence('cohort.ingest_batch', 'batch_id'),
                           (select x from (select (random() * 100000)::int + 1 as x from generate_series(1, 20)) r
                             where not exists (select from cohort.ingest_batch b where b.batch_id = r.x) limit 1), false);
            perform t.ship();
        else
            n := n + cohort.rollup((select epoch from cohort.leader_state), 1 + (random() * 3)::int);
        end if;
        commit;
        if t.differences() <> 0 then
            raise exception 'FAILED: seed %, step %: % rows differ from the recount', seed, i, t.differences();
        end if;
        commit;
    end loop;
    while exists (select from cohort.ingest_batch where applied_at is null) loop
        n := n + cohort.rollup((select epoch from cohort.leader_state));
        commit;
    end loop;
    perform t.ok(format('seed %s: %s steps equal the recount', seed, steps), t.differences() = 0 and n > 0);
    perform t.ok(format('seed %s: and a plain reading of what was sent', seed), t.same_as_plain());
    commit;
end $$;

-- All that was sent, read plainly: the first exposure of each unit, each outcome once.
create view t.plain as
with x as (select distinct on (unit_id, experiment_id) * from t.sent_exposure
            order by unit_id, experiment_id, ts, event_id),
     o as (select distinct * from t.sent_outcome),
     y as (select x.unit_id, x.experiment_id, x.phase_id, x.variant_id, p.metric_id, p.kind, count(o.unit_id) as n,
                  coalesce(sum(o.value), 0) as sum
             from x join cohort.counted_metric p on p.experiment_id = x.experiment_id
             left join o on o.unit_id = x.unit_id and o.name = p.event and o.trusted
                        and o.ts >= x.ts + make_interval(secs => p.window_start_s)
                        and (p.window_end_s is null or o.ts < x.ts + make_interval(secs => p.window_end_s))
            group by 1, 2, 3, 4, 5, 6)
select experiment_id, phase_id, variant_id, metric_id, count(*) as units, count(*) filter (where n > 0) as event_units,
       sum(case when n = 0 then 0 when kind = 'binary' then 1000000 else sum end) as sum,
       sum((case when n = 0 then 0 when kind = 'binary' then 1000000 else sum end)::numeric ^ 2) as sum_sq
  from y group by 1, 2, 3, 4;
create view t.counted as
select experiment_id, phase_id, variant_id, metric_id, units, event_units, sum, sum_sq from t.stat_rows
 where experiment_id in (select e.id from cohort.experiment e where e.key in ('h1', 'h2'));
create function t.same_as_plain() returns boolean language sql stable set jit = off as $$
    select not exists (select * from t.plain except select * from t.counted)
       and not exists (select * from t.counted except select * from t.plain) and exists (select from t.counted) $$;

call t.history(0.1, 22);
call t.history(0.2, 22);
\if :long
call t.history(0.3, 22);
\endif
select t.ok('histories had everything in them', (select count(*) > 20 and count(distinct old_batch_id) > 10 from cohort.exposure_replaced)
    and (select sum(matured_event_units) > 0 and sum(units - matured_units) > 0 from cohort.metric_stat)
    and (select count(*) > 20 from cohort.switches) and (select count(*) > 0 from cohort.maturity));

-- The sensitivity view leaves out those seen in two variants, and only them; with nobody left out it would be results().
select t.ok('the sensitivity view counts the units that never switched, and says so in every row',
    (select bool_and(x.units = x.plain and x.said) and sum(x.units) > 0 and sum(x.units) < sum(x.everybody)
       from (select r.units, r.method ~ 'SENSITIVITY' as said, f.units as everybody,
                    (select count(*) from cohort.exposures e where e.experiment = 'h1' and e.variant = r.variant
                        and not exists (select from cohort.switches w where w.unit_id = e.unit_id and w.experiment = 'h1')) as plain
               from cohort.results_sensitivity('h1') r
               join cohort.results_fixed('h1') f on f.metric = r.metric and f.variant = r.variant) x));
select t.ok('and its counts are those units'' own, phase by phase',
    (select count(*) > 0 and bool_and(c.units = p.units and c.event_units = p.event_units and c.sum = p.sum)
       from cohort.experiment x
      cross join lateral cohort.result_counts(x.id, true) c
       left join lateral (
            select count(*) as units, count(*) filter (where u.n > 0) as event_units,
                   sum(case when coalesce(u.n, 0) = 0 then 0 when c.kind = 'binary' then 1000000 else u.sum end) as sum
              from cohort.exposure e
              left join cohort.unit_metric u on u.unit_id = e.unit_id and u.experiment_id = x.id and u.metric_id = c.metric_id
             where e.experiment_id = x.id and e.phase_id = c.phase_id and e.variant_id = c.variant_id
               and not exists (select from cohort.switches w where w.unit_id = e.unit_id and w.experiment = x.key)) p on true
      where x.key in ('h1', 'h2')));

-- What comes after a unit has matured changes its count and not its frozen value.
select id as h1, t.variant(id, 'b') as b, t.phase(id) as p from cohort.experiment where key = 'h1' \gset
select id as bought from cohort.metric where key = 'bought' \gset
begin;
insert into pg_temp.stage_exposure values (t.uuid(8, 1), :h1, :b, :p, 1, 1, now() - interval '2 days', t.uuid(8, 1), null, true, 0);
insert into pg_temp.stage_outcome values (t.uuid(8, 1), t.uuid(8, 2), now() - interval '36 hours', 'purchase', 5, null, null, true);
insert into t.sent_exposure select * from pg_temp.stage_exposure;
insert into t.sent_outcome select * from pg_temp.stage_outcome;
select t.ship() \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
begin;
insert into pg_temp.stage_outcome values (t.uuid(8, 1), t.uuid(8, 3), now() - interval '35 hours', 'purchase', 7, null, null, true);
insert into t.sent_outcome select * from pg_temp.stage_outcome;
select t.ship() \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
select t.ok('a matured value is frozen', (select (n, sum, matured_n, matured_sum) = (2, 12, 1, 5) from cohort.unit_metric
    where unit_id = t.uuid(8, 1) and experiment_id = :h1 and metric_id = :bought) and t.differences() = 0 and t.same_as_plain());

-- A metric that is listed later is counted from the rows; one that is no longer listed is no longer counted; one that
-- changes starts over; and repair() restores numbers that were damaged.
insert into cohort.experiment_metric (experiment, metric) values ('h2', 'late_visit'), ('h2', 'money_1m');
select cohort.rollup(:epoch) \g /dev/null
select t.ok('a metric listed later is counted from the rows', t.differences() = 0 and t.same_as_plain());
delete from cohort.experiment_metric where (experiment, metric) = ('h2', 'money');
select cohort.rollup(:epoch) \g /dev/null
select t.ok('a metric no longer listed is gone', t.same_as_plain()
    and t.differences() = 0 and not exists (select from cohort.results_fixed('h2') where metric = 'money'));
create table t.version_before as select s.* from t.stat_rows s join cohort.metric m on m.id = s.metric_id where m.key = 'money_1m';
update cohort.metric set window_end_s = 7200 where key = 'money_1m';
select cohort.rollup(:epoch) \g /dev/null
select t.ok('a changed metric starts over', t.differences() = 0 and t.same_as_plain());
select t.ok('and the sums of the version before stay', (select count(*) > 0 from t.version_before)
    and not exists (select * from t.version_before except select * from cohort.metric_stat));
update cohort.metric_stat set units = units + 1, sum = sum * 2;
delete from cohort.unit_metric;
update cohort.exposure_stat set units = 0;
select t.ok('damage shows', t.differences() > 0);
select cohort.repair(key) from cohort.experiment \g /dev/null
select t.ok('repair() restores the numbers', t.differences() = 0 and t.same_as_plain());
select case when :'long' then 12 else 6 end as steps \gset
call t.history(0.4, :steps);
-- From here on ids grow again, above all that were used.
select setval(pg_get_serial_sequence('cohort.ingest_batch', 'batch_id'), 200000) \g /dev/null
