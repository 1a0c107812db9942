-- One random history of events in many orders of arrival: batches of any size, three queues, passes of the roll-up
-- in between, what was sent before sent again. After passes (every third) the sums equal the recount; at the end they are the
-- same for every order, and the same as a plain reading. Then mutants, which this must notice.
\set QUIET on
\set ON_ERROR_STOP on
set client_min_messages = warning;
select t.lead('orders') as epoch \gset
select cohort.ingest_prepare(true) \g /dev/null
insert into cohort.metric (key, event, kind, window_start_s, window_end_s) values
    ('ord_money', 'ord_buy', 'mean', 0, null), ('ord_day', 'ord_buy', 'binary', 0, 86400), ('ord_hour', 'ord_buy', 'mean', 60, 3600),
    ('ord_now', 'ord_visit', 'mean', 0, 1), ('ord_clash', 'ord_clash', 'mean', 0, null);
-- every kind, with conditions, bounds and values before the exposure
insert into cohort.metric (key, event, kind, window_start_s, window_end_s, condition, denominator_event, denominator_condition, quantile,
                           winsor_low, winsor_high, cuped_days, trusted_only) values
    ('ord_count', 'ord_buy', 'count', 0, 172800, '{"plan": {"in": ["pro", "team"]}}', null, null, null, null, 2, 0, true),
    ('ord_ratio', 'ord_buy', 'ratio', 0, 259200, '{"amount": {"gte": 10}}', 'ord_visit', '{"plan": "pro"}', null, -50, null, 0, true),
    ('ord_self', 'ord_buy', 'ratio', 0, null, '{"plan": "pro"}', 'ord_buy', null, null, null, null, 0, false),
    ('ord_cap', 'ord_buy', 'mean', 0, 86400, null, null, null, null, -50, 150.5, 3, true),
    ('ord_before', 'ord_buy', 'binary', 0, null, '{"plan": "pro"}', null, null, null, null, null, 5, false),
    ('ord_times', 'ord_buy', 'count', 0, 3600, null, null, null, null, null, null, 90, true),
    ('ord_ninth', 'ord_buy', 'quantile', 0, 86400, '{"plan": "free", "amount": {"lt": 40}}', null, null, 0.9, null, null, 0, false);
insert into cohort.experiment (key) values ('o1'), ('o2');
insert into cohort.variant (experiment, key, share_ppm, value, position) values
    ('o1', 'control', 500000, '"a"', 1), ('o1', 'b', 300000, '"b"', 2), ('o1', 'c', 200000, '"c"', 3),
    ('o2', 'control', 500000, '"a"', 1), ('o2', 'b', 500000, '"b"', 2);
insert into cohort.experiment_metric (experiment, metric)
select e, m from unnest(array['o1', 'o2']) e, unnest(array['ord_money', 'ord_day', 'ord_hour', 'ord_now', 'ord_clash',
        'ord_count', 'ord_ratio', 'ord_self', 'ord_cap', 'ord_before', 'ord_times', 'ord_ninth']) m;
select cohort.start('o1'), cohort.start('o2') \g /dev/null

-- The history: n is the event, what stands twice was retried; clash has one id with several contents.
create table t.all_exposures (n int, like pg_temp.stage_exposure);
create table t.all_outcomes (n int, like pg_temp.stage_outcome);
create function t.back(r double precision) returns interval language sql as $$
    select case when r < 0.15 then interval '61.5 s' - r * interval '10 s' when r < 0.6 then interval '4 h' + r * interval '20 h'
           else interval '2 days' + r * interval '7 days' end $$;
select setseed(0.42) \g /dev/null
insert into t.all_exposures
select n, t.uuid(81, 1 + (random() * 59)::int), e, (array(select v.id from cohort.variant v join cohort.experiment x on x.key = v.experiment
           where x.id = e order by v.id))[1 + floor(random() * 2)], t.phase(e), 500000, 1000000, now() - t.back(random()), t.uuid(82, n), null, true, 0,
       case when n % 11 > 0 then jsonb_build_object('country', (array['DE', 'FR', 'it'])[1 + n % 3], 'many', n % 40, 'pro', n % 2 = 0,
            'list', '[1]'::jsonb, 'none', null) end
  from (select n, (select x.id from cohort.experiment x where x.key = case when n % 5 < 3 then 'o1' else 'o2' end) as e from generate_series(1, 150) n) x;
insert into t.all_outcomes
select n, t.uuid(81, 1 + (random() * 59)::int), t.uuid(83, n), now() - t.back(random()) + random() * interval '3 h',
       (array['ord_buy', 'ord_buy', 'ord_visit', 'nobody_counts'])[1 + floor(random() * 4)], case when n % 9 > 0 then floor((random() - 0.3) * 1e9)::bigint end,
       case when n % 8 > 0 then jsonb_build_object('plan', (array['pro', 'pro', 'team', 'free'])[1 + n % 4], 'amount', n % 60) end, null, random() < 0.9
  from generate_series(1, 500) n;
-- visits right behind an exposure, where a window of a second closes while this runs
insert into t.all_outcomes
select 1000 + n, unit_id, t.uuid(84, n), ts + interval '0.5 s', 'ord_visit', 1000000 + n,
       case when n % 3 > 0 then '{"plan": "pro", "amount": 7}'::jsonb end, null, true from t.all_exposures;
insert into t.all_outcomes
select 2000 + n, t.uuid(81, 1 + n % 60), t.uuid(85, n / 3), now() - interval '1 h', 'ord_clash', n * 1000000, null, null, true from generate_series(1, 60) n;
update t.all_outcomes o set unit_id = f.unit_id from t.all_outcomes f where o.name = 'ord_clash' and f.name = 'ord_clash' and f.event_id = o.event_id
   and f.n = (select min(n) from t.all_outcomes x where x.event_id = o.event_id);
insert into t.all_exposures select * from t.all_exposures where n % 7 = 0;
insert into t.all_outcomes select * from t.all_outcomes where n % 7 = 0;

-- (Which 20 of many values have a segment of their own depends on what is counted first.)
create view t.order_result as
select s.experiment_id, s.phase_id, s.variant_id, s.metric_id, g.attribute, g.value, s.units, s.event_units, s.amounts, s.sum, s.sum_sq,
       s.sum_cu, s.den_sum, s.den_sum_sq, s.cross_sum, s.x_sum, s.x_sum_sq, s.xy_sum,
       coalesce((select jsonb_object_agg(b.bucket, b.units) from cohort.metric_bucket b
                  where b.experiment_id = s.experiment_id and b.metric_id = s.metric_id and b.phase_id = s.phase_id
                    and b.variant_id = s.variant_id and b.segment = s.segment and b.units > 0), '{}') as buckets,
       case when m.key <> 'ord_now' then s.matured_units end as matured_units
  from cohort.metric_stat s join cohort.metric m on m.id = s.metric_id left join cohort.segment_value g on g.id = s.segment
 where m.key <> 'ord_clash' and g.attribute is distinct from 'many';

-- The same read plainly; what a condition means is said here once more, in SQL.
create function t.plain_y(key text, kind text, n bigint, sum numeric) returns numeric language sql immutable as $$
    select case when n = 0 then 0 when kind = 'binary' then 1000000 when key = 'ord_count' then least(n, 2) * 1000000
                when kind = 'count' then n * 1000000 when key = 'ord_cap' and sum > 150500000 then 150500000
                when key in ('ord_cap', 'ord_ratio') and sum < -50000000 then -50000000 else sum end $$;
-- The edges once more, by their definition: the size of y, in twentieths of a decade, of preferred numbers.
create function t.plain_bucket(y numeric) returns int language sql immutable as $$
    select sign(y)::int * (1 + (select count(*)::int from generate_series(0, 20) d,
        unnest('{1,1.12,1.25,1.4,1.6,1.8,2,2.24,2.5,2.8,3.15,3.55,4,4.5,5,5.6,6.3,7.1,8,9}'::numeric[]) r
        where (d < 20 or r = 1) and r * ('1e' || d + 2)::numeric <= abs(y))) $$;
create view t.order_plain as
with x as (select distinct on (unit_id, experiment_id) * from t.all_exposures order by unit_id, experiment_id, ts, event_id),
     o as (select distinct * from t.all_outcomes where name <> 'ord_clash'),
     v as (select x.unit_id, x.experiment_id, x.phase_id, x.variant_id, x.segments, m.id as metric_id, m.key, m.kind, e.*
             from x join cohort.counted_metric p on p.experiment_id = x.experiment_id join cohort.metric m on m.id = p.metric_id and m.key <> 'ord_clash'
            cross join lateral (
                  select count(*) filter (where w.num and w.during) as n, coalesce(sum(w.v) filter (where w.num and w.during), 0) as sum,
                         coalesce(sum(w.v) filter (where w.den and w.during), 0) as d,
                         count(*) filter (where w.num and w.ahead) as xn, coalesce(sum(w.v) filter (where w.num and w.ahead), 0) as xs
                    from (select case when m.key = 'ord_count' then o.name = 'ord_buy' and o.attributes ->> 'plan' in ('pro', 'team')
                                      when m.key = 'ord_ratio' then o.name = 'ord_buy' and (o.attributes ->> 'amount')::int >= 10
                                      when m.key in ('ord_self', 'ord_before') then o.name = 'ord_buy' and o.attributes ->> 'plan' = 'pro'
                                      when m.key = 'ord_ninth' then o.name = 'ord_buy' and o.attributes ->> 'plan' = 'free' and (o.attributes ->> 'amount')::int < 40
                                      else o.name = m.event end as num,
                                 case m.key when 'ord_ratio' then o.name = 'ord_visit' and o.attributes ->> 'plan' = 'pro'
                                            when 'ord_self' then o.name = 'ord_buy' end as den,
                                 o.ts >= x.ts + make_interval(secs => m.window_start_s)
                                 and (m.window_end_s is null or o.ts < x.ts + make_interval(secs => m.window_end_s)) as during,
                                 o.ts < x.ts and o.ts >= x.ts - make_interval(hours => m.cuped_days * 24) as ahead,
                                 coalesce(o.value, case when m.kind = 'ratio' then 1000000 else 0 end) as v
                            from o where o.unit_id = x.unit_id and (o.trusted or m.key in ('ord_self', 'ord_before', 'ord_ninth'))) w) e),
     y as (select v.experiment_id, v.phase_id, v.variant_id, v.metric_id, v.kind, g.*, v.n, t.plain_y(key, kind, n, sum) as y, v.d,
                  t.plain_y(key, kind, xn, xs) as x
             from v cross join lateral (select null as attribute, null as value
                                        union all select k, a from jsonb_each_text(v.segments) s(k, a) where k in ('country', 'pro')) g),
     b as (select experiment_id, phase_id, variant_id, metric_id, attribute, value, jsonb_object_agg(bucket, units) as buckets
             from (select experiment_id, phase_id, variant_id, metric_id, attribute, value, t.plain_bucket(y) as bucket, count(*) as units
                     from y where kind <> 'binary' and y <> 0 group by 1, 2, 3, 4, 5, 6, 7) c group by 1, 2, 3, 4, 5, 6)
select y.*, coalesce(b.buckets, '{}')
  from (select experiment_id, phase_id, variant_id, metric_id, attribute, value, count(*) as units, count(*) filter (where n > 0) as event_units,
               count(*) filter (where y <> 0) as amounts, sum(y), sum(y * y) as sum_sq, sum(y * y * y) as sum_cu, sum(d) as den_sum,
               sum(d * d) as den_sum_sq, sum(y * d) as cross_sum, sum(x) as x_sum, sum(x * x) as x_sum_sq, sum(x * y) as xy_sum
          from y group by 1, 2, 3, 4, 5, 6) y
  left join b on (b.experiment_id, b.phase_id, b.variant_id, b.metric_id) = (y.experiment_id, y.phase_id, y.variant_id, y.metric_id)
             and b.attribute is not distinct from y.attribute and b.value is not distinct from y.value;
-- Windows of a second close while each order runs: the whole history moves with the clock.
create table t.history_at as select now() as at;
create function t.move_history() returns void language plpgsql as $$
declare
    d interval := clock_timestamp() - (select at from t.history_at);
begin
    update t.all_exposures set ts = ts + d;
    update t.all_outcomes set ts = ts + d;
    update t.history_at set at = at + d;
end $$;
create table t.first_result as select * from t.order_result limit 0;
create table t.queue_state (q int primary key, g bigint, accepted bigint);

-- One batch of what is still to come; now and then the last one once more, its COMMIT's answer having been lost.
create function t.send(q int, part int[]) returns void language plpgsql as $$
declare
    s record;
    rows int;
begin
    insert into pg_temp.stage_exposure select unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, ts, event_id,
           decision_id, trusted, origin, segments from t.arriving where not outcome and place = any (part) order by random();
    insert into pg_temp.stage_outcome select unit_id, event_id, ts, name, value, attributes, null, trusted
      from t.arriving where outcome and place = any (part) order by random();
    rows := cardinality(part);
    update t.queue_state set g = g + 1, accepted = accepted + rows where queue_state.q = send.q returning * into s;
    perform setval(pg_get_serial_sequence('cohort.ingest_batch', 'batch_id'), (select x from (select (random() * 100000)::int + 1 as x
            from generate_series(1, 20)) r where not exists (select from cohort.ingest_batch b where b.batch_id = r.x) limit 1), false);
    if s.g % 2 = 0 then -- as in a connection of its own, which has seen no repeats yet
        perform set_config('cohort.outcomes_repeat', 'off', false);
    end if;
    perform cohort.ingest(t.uuid(98, q), 'node ' || q, s.g, s.g, s.accepted);
    if random() < 0.3 then
        perform cohort.ingest(t.uuid(98, q), 'node ' || q, s.g, s.g, s.accepted);
    end if;
    delete from pg_temp.stage_exposure;
    delete from pg_temp.stage_outcome;
end $$;

create function t.must(good boolean, what text) returns void language plpgsql as $$
begin
    if good is not true then
        raise exception 'NOTICED: %', what;
    end if;
end $$;

create function t.one_order(seed double precision, batch_size int, pass_chance double precision) returns void language plpgsql as $$
declare
    e bigint := (select epoch from cohort.leader_state);
    places int[];
    at int := 1;
    refused boolean := false;
    -- By then windows of a second have closed between two passes, however fast the machine is.
    closed timestamptz := clock_timestamp() + interval '2.1 s';
begin
    perform t.move_history();
    perform setseed(seed);
    truncate cohort.exposure, cohort.exposure_switch, cohort.exposure_replaced, cohort.outcome, cohort.ingest_batch, cohort.spool,
             cohort.dead_letter, cohort.tracked_metric, cohort.maturity, cohort.unit_metric, cohort.exposure_stat, cohort.metric_stat,
             cohort.metric_bucket, cohort.segment_value, cohort.unit_frozen, t.queue_state;
    insert into t.queue_state select q, 0, 0 from generate_series(1, 3) q;
    drop table if exists t.arriving;
    create table t.arriving as
    select row_number() over (order by random())::int as place, x.* from (
        select false as outcome, unit_id, event_id, ts, experiment_id, variant_id, phase_id, propensity, inclusion, decision_id, trusted, origin,
               null::text as name, null::bigint as value, null::jsonb as attributes, segments from t.all_exposures
        union all
        select true, unit_id, event_id, ts, null, null, null, null, null, null, trusted, null, name, value, attributes, null from t.all_outcomes) x;
    places := array(select place from t.arriving order by place);
    while at <= cardinality(places) loop
        perform t.send(1 + floor(random() * 3)::int, places[at : at + batch_size - 1]);
        at := at + batch_size;
        if random() < pass_chance then
            perform cohort.rollup(e, 1 + (random() * 4)::int);
            perform t.must(at % 3 > 0 or t.differences() = 0, 'the sums differ from the recount');
        end if;
    end loop;
    while exists (select from cohort.ingest_batch where applied_at is null) loop
        perform cohort.rollup(e);
    end loop;
    while clock_timestamp() < closed loop
        perform cohort.rollup(e);
        perform pg_sleep(0.1); -- for the clock, which needs no help: others have the processor meanwhile
    end loop;
    perform cohort.rollup(e);
    -- A former leader's pass changes nothing.
    begin
        perform cohort.rollup(e - 1);
    exception when object_not_in_prerequisite_state then
        refused := true;
    end;
    perform t.must(refused, 'a former leader could write');
    perform t.must(t.differences() = 0, 'the final sums differ from the recount');
    if not exists (select from t.first_result) then
        insert into t.first_result select * from t.order_result;
    end if;
    perform t.must(not exists (select * from t.order_result except select * from t.first_result)
               and not exists (select * from t.first_result except select * from t.order_result), 'the sums depend on the order');
    perform t.must(not exists (select x.experiment_id, x.phase_id, x.variant_id, x.metric_id, x.attribute, x.value, x.units, x.event_units, x.amounts,
            x.sum, x.sum_sq, x.sum_cu, x.den_sum, x.den_sum_sq, x.cross_sum, x.x_sum, x.x_sum_sq, x.xy_sum, x.buckets
            from t.order_result x except select * from t.order_plain)
        and not exists (select * from t.order_plain except select x.experiment_id, x.phase_id, x.variant_id, x.metric_id, x.attribute, x.value,
            x.units, x.event_units, x.amounts, x.sum, x.sum_sq, x.sum_cu, x.den_sum, x.den_sum_sq, x.cross_sum, x.x_sum, x.x_sum_sq, x.xy_sum,
            x.buckets from t.order_result x), 'the sums differ from a plain reading');
    perform t.must((select count(*) = 21 and count(value) = 20 from cohort.segment_value where attribute = 'many'
                       and experiment_id = (select id from cohort.experiment where key = 'o1'))
               and (select count(distinct attribute) = 3 from cohort.segment_value), 'which segments there are');
    perform t.must(not exists (
        select from cohort.metric_stat a
          join (select s.experiment_id, s.phase_id, s.variant_id, s.metric_id, g.attribute, sum(s.units) as units from cohort.metric_stat s
                  join cohort.segment_value g on g.id = s.segment group by 1, 2, 3, 4, 5) s using (experiment_id, phase_id, variant_id, metric_id)
         where a.segment = 0 and s.units > a.units), 'the segments of an attribute part the units');
    perform t.must((select bool_and(balance = 0) and sum(accepted) = cardinality(places) from cohort.ingest_audit), 'the books don''t balance');
    perform t.must((select sum(conflicts) > 10 from cohort.ingest_audit) and not exists (select event_id from cohort.outcome
        where name = 'ord_clash' group by event_id having count(*) <> 1), 'of contradicting events, one stays');
end $$;

select t.one_order(0.11, 2000, 1) \g /dev/null
select t.ok('all at once', true), t.ok('the history has everything in it', (select count(*) > 100 and sum(sum_sq) > 0 and sum(matured_units) > 0 from t.first_result)
    or (select count(*) > 15 and sum(sum_sq) > 0 and sum(matured_units) > 0 from t.first_result));
select t.one_order(0.21, 40, 0.5) \g /dev/null
select t.ok('exposures were replaced, after and before they were counted', (select count(*) > 20 from cohort.exposure_replaced)
    and exists (select from cohort.exposure_replaced x join cohort.ingest_batch b on b.batch_id = x.old_batch_id where x.resolved_pass > b.applied_pass));
select t.ok('small batches, many passes', true), t.one_order(0.41, 60, 0) \g /dev/null
select t.ok('no pass before the end', true) \g /dev/null
\if :long
select t.one_order(0.31, 60, 0.9), t.ok('a pass after nearly every batch', true) \g /dev/null
select t.one_order(0.51, 90, 0.3), t.ok('large batches', true) \g /dev/null
select t.one_order(-0.61, 50, 0.5), t.ok('another shuffle', true) \g /dev/null
\endif

-- A mutant is a function of the product with one piece of it changed.
create function t.mutant(name text, fn regprocedure, piece text, instead text) returns void language plpgsql as $$
declare
    was text := pg_get_functiondef(fn);
begin
    begin
        if replace(was, piece, instead) = was then
            raise exception 'the mutant changes nothing';
        end if;
        execute replace(was, piece, instead);
        perform t.one_order(0.21, coalesce(current_setting('t.batch', true), '40')::int, 0.5);
        raise exception 'it survives';
    exception when others then
        if sqlerrm !~ '^NOTICED' and sqlstate <> '23505' then
            raise exception 'FAILED: mutant "%": %', name, sqlerrm;
        end if;
        raise log 'mutant "%": %', name, sqlerrm;
    end;
    perform t.ok('mutant noticed: ' || name, pg_get_functiondef(fn) = was);
end $$;
select set_config('t.batch', case when :'long' then '40' else '120' end, false) \g /dev/null
select t.mutant('ON CONFLICT dropped', 'cohort.ingest_outcomes(bigint, uuid)', 'on conflict (unit_id, event_id, ts) do nothing', '');
select t.mutant('repeats taken for new', 'cohort.ingest_new_outcomes(bigint)', e'unique_violation then\n    return null', e'unique_violation then\n    return 0');
select t.mutant('no watermark', 'cohort.ingest_claim(uuid, text, bigint, bigint)', 'into mark from', 'into node from');
select t.mutant('epoch ignored', 'cohort.assert_epoch(bigint)', 'if s.epoch is distinct from $1', 'if false');
select t.mutant('replaced exposures not taken back', 'cohort.rollup(bigint, int)', 'perform cohort.rollup_take_back();', '');
select t.mutant('the first arrival wins', 'cohort.ingest_exposures(bigint, uuid)', 'replaced := cohort.ingest_replace(batch);', '');
select t.mutant('conflicts not counted', 'cohort.ingest_outcomes(bigint, uuid)', 'conflicts := cohort.ingest_outcome_conflicts(batch, spool, again);', '');
select t.mutant('early outcomes forgotten', 'cohort.rollup_units()', 'perform cohort.rollup_unit_outcomes();', '');
select t.mutant('late outcomes forgotten', 'cohort.rollup(bigint, int)', 'perform cohort.rollup_outcomes(s.ids);', '');
select t.mutant('units never mature', 'cohort.rollup(bigint, int)', 'perform cohort.rollup_mature();', '');
select t.mutant('conditions ignored', 'cohort.rollup_outcomes(bigint[])', 'and (p.path is null or o.attributes @@ p.path)', '');
select t.mutant('conditions ignored in the first look', 'cohort.rollup_unit_outcomes()', 'and (p.path is null or o.attributes @@ p.path)', '');
select t.mutant('whoever sent it', 'cohort.rollup_outcomes(bigint[])', 'and (o.trusted or not p.trusted_only)', '');
select t.mutant('late values before the exposure forgotten', 'cohort.rollup_outcomes(bigint[])', 'e.first_ts <= o.ts + before', 'e.first_ts <= o.ts');
select t.mutant('values before the exposure forgotten', 'cohort.rollup_unit_outcomes()', 'r.first_ts + h.earliest as since', 'r.first_ts as since');
select t.mutant('segments of a replaced exposure kept', 'cohort.rollup_segments()', 'update pg_temp.roll_back r set', 'update pg_temp.roll_back r set phase_id = r.phase_id where false; update pg_temp.roll_mature r set');
select t.mutant('values not held in their bounds', 'cohort.unit_value(text, bigint, numeric, numeric, numeric)', 'greatest(least(case', 'greatest(greatest(case');
select t.mutant('buckets only ever grow', 'cohort.rollup_values()', 'where not c.is_binary and c.y <> 0', 'where not c.is_binary and c.y <> 0 and k > 0');
