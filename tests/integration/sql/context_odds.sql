-- Units that a model gave a variant, by the odds they had: equal to the recount after each pass, whatever the order of
-- arrival, and what the monitor reads of them. After events_setup.sql.
\set QUIET on
\set ON_ERROR_STOP on
set client_min_messages = warning;
select t.lead('odds') as epoch \gset
select cohort.ingest_prepare(true, true) \g /dev/null

select t.ok('steps of the odds', (select array_agg(cohort.odds_step(p, c) order by p) = '{-249,-165,0,0,36,249}'
    from (values (1000, 999000), (10000, 990000), (300000, 300000), (500000, 505000), (731059, 268941), (999000, 1000)) v(p, c)));
select t.ok('odds of nothing have no step', cohort.odds_step(0, 10) is null and cohort.odds_step(10, 0) is null and cohort.odds_step(1000000, 1) is null);
select t.ok('a step''s edges hold every pair of it', (select bool_and(cohort.odds_share(s, false) <= q and q <= cohort.odds_share(s, true))
    from (select 1000000.0 * p / (p + c) as q, cohort.odds_step(p, c) as s from generate_series(1000, 900000, 7919) p, generate_series(1000, 900000, 10007) c) x));
select t.ok('a step and its treatment come back from the segment', (select bool_and(-g / 512 = t and -g % 512 - 256 = s)
    from (select t, s, cohort.odds_segment(t, s) as g from generate_series(1, 4000000, 654321) t, generate_series(-255, 255, 5) s) x));

insert into cohort.metric (key, event, kind, window_start_s, window_end_s) values ('o_click', 'o_click', 'binary', 0, 3600);
insert into cohort.metric (key, event, kind, window_start_s, window_end_s) values ('o_bad', 'o_bad', 'binary', 0, 3600), ('o_sum', 'o_bad', 'mean', 0, 3600);
insert into cohort.experiment (key, kind) values ('o1', 'contextual');
insert into cohort.variant (experiment, key, share_ppm, value, position)
select 'o1', v, s, to_jsonb(v), p from (values ('control', 333334, 1), ('b', 333333, 2), ('c', 333333, 3)) v(v, s, p);
insert into cohort.bandit (experiment, reward, assign) values ('o1', 'o_click', 'decision');
insert into cohort.contextual (experiment, features) values ('o1', '[{"name": "age", "attribute": "age", "kind": "number"}]');
insert into cohort.guardrail (experiment, metric, count) values ('o1', 'o_bad', 'at_event'), ('o1', 'o_sum', 'at_maturity');
select cohort.start('o1') \g /dev/null
select id as x from cohort.experiment where key = 'o1' \gset
insert into cohort.model (environment, experiment, experiment_id, version, document, trained_from, trained_to, n)
select e.environment, e.key, e.id, 1, jsonb_build_object('kind', 'logistic', 'columns', 2, 'centre', '[0]'::jsonb, 'scale', '[1]'::jsonb, 'low', '[0]'::jsonb,
       'high', '[9]'::jsonb, 'gamma', 1, 'weights', '{"control": [0, 0], "b": [0, 0], "c": [0, 0]}'::jsonb), now(), now(), 100
  from cohort.experiment e where e.id = :x;
select cohort.use_model('o1', 1) \g /dev/null
select t.variant(:x, 'control') as k, t.variant(:x, 'b') as b, t.variant(:x, 'c') as c, t.phase(:x) as p \gset

-- Units with up to three exposures each, the earliest of which may come last. Vectors of few values; the safe variant now
-- and then; decisions of reports come with the batch of an earlier one, or never.
select setseed(0.21) \g /dev/null
create table t.all_odds as
select n, t.uuid(71, 1 + n % 120) as unit_id, t.uuid(72, n) as decision_id, now() - random() * interval '3 h' as ts,
       (array[:k, :b, :c])[1 + (n * 7 + n / 120) % 3] as variant_id, n % 11 = 0 as safe, n % 13 = 0 as unknown,
       jsonb_build_object(:k::text, 1000000 - w - v, :b::text, w, :c::text, v) as eligible
  from (select n, 10000 * (1 + n % 5) * (1 + n % 7) as w, 10000 * (1 + n % 3) as v from generate_series(1, 300) n) s;
update t.all_odds set variant_id = :k, eligible = jsonb_build_object(:k::text, 1000000) where safe;
create table t.odds_events as
select n, t.uuid(71, 1 + n % 120) as unit_id, t.uuid(73, n) as event_id, now() - random() * interval '3 h' as ts from generate_series(1, 160) n;

create procedure t.odds_order(seed double precision, size int, x int, p int) language plpgsql as $$
declare
    e bigint := (select epoch from cohort.leader_state);
    at int := 1;
begin
    perform setseed(seed);
    truncate cohort.exposure, cohort.exposure_switch, cohort.exposure_replaced, cohort.outcome, cohort.decision, cohort.ingest_batch,
             cohort.tracked_metric, cohort.maturity, cohort.unit_metric, cohort.exposure_stat, cohort.metric_stat, cohort.metric_bucket,
             cohort.odds_stat, cohort.segment_value, cohort.decision_reward, cohort.reward_source, cohort.reward_stat, cohort.reward_cluster;
    drop table if exists t.odds_coming;
    create table t.odds_coming as
    select row_number() over (order by random())::int as place, y.* from (
        select 0 as what, n from t.all_odds union all select 1, n from t.odds_events) y;
    while at <= (select max(place) from t.odds_coming) loop
        insert into pg_temp.stage_decision (unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, reason, propensity, mode,
                                            plan_version, eligible, model_id)
        select o.unit_id, o.decision_id, o.ts, 1, x, o.variant_id, p, case when o.safe then 'LOW_CONFIDENCE' else 'VARIANT' end,
               (o.eligible ->> o.variant_id::text)::int, 0, 1, o.eligible, 1
          from t.all_odds o join t.odds_coming g on g.what = 0 and g.n = o.n and g.place between at and at + size - 1 where not o.unknown;
        insert into pg_temp.stage_exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, ts, event_id, decision_id, trusted, origin, segments)
        select o.unit_id, x, o.variant_id, p, (o.eligible ->> o.variant_id::text)::int, 1000000, o.ts, o.decision_id, o.decision_id, true, 0,
               case when o.n % 2 = 0 then '{"plan": "pro"}'::jsonb end
          from t.all_odds o join t.odds_coming g on g.what = 0 and g.n = o.n and g.place between at and at + size - 1;
        insert into pg_temp.stage_outcome (unit_id, event_id, ts, name, value, trusted)
        select o.unit_id, o.event_id, o.ts, 'o_bad', 2000000, true
          from t.odds_events o join t.odds_coming g on g.what = 1 and g.n = o.n and g.place between at and at + size - 1;
        perform t.ship();
        commit;
        if random() < 0.7 then
            perform cohort.rollup(e);
            if t.differences() <> 0 then
                raise exception 'FAILED: % rows differ from the recount', t.differences();
            end if;
            commit;
        end if;
        at := at + size;
    end loop;
    perform cohort.rollup(e);
    commit;
end $$;

-- What every order must come to: of each unit the first exposure, by its decision's own odds.
create function t.odds_expected(k int) returns table (treatment_id int, odds int, variant_id int, units bigint, event_units bigint) language sql stable as $$
    with f as (
        select distinct on (o.unit_id) o.* from t.all_odds o order by o.unit_id, o.ts, o.decision_id
    ), w as (
        select f.*, exists (select from t.odds_events v where v.unit_id = f.unit_id and v.ts >= f.ts and v.ts < f.ts + interval '1 h') as hit
          from f where not f.safe and not f.unknown)
    select a.id, cohort.odds_step((w.eligible ->> a.id::text)::int, (w.eligible ->> k::text)::int), w.variant_id, count(*), count(*) filter (where w.hit)
      from w join (select v.id from cohort.variant v where v.experiment = 'o1' and v.id <> k) a on w.variant_id in (a.id, k)
     group by 1, 2, 3 $$;
create procedure t.odds_orders(x int, p int, k int) language plpgsql as $$
begin
    for i in 1..4 loop
        call t.odds_order(i / 10.0, (array[5, 17, 60, 500])[i], x, p);
        if t.differences() <> 0 or exists (select * from t.odds_expected(k) except select treatment_id, odds, variant_id, units, event_units
                from cohort.odds_stat s join cohort.metric m on m.id = s.metric_id and m.key = 'o_bad')
           or (select count(*) from t.odds_expected(k)) <> (select count(*) from cohort.odds_stat s join cohort.metric m on m.id = s.metric_id and m.key = 'o_bad') then
            raise exception 'FAILED: order %', i;
        end if;
    end loop;
end $$;
call t.odds_orders(:x, :p, :k);
select t.ok('units count by the odds of their first exposure''s decision, in any order', (select sum(units) > 80 and sum(event_units) > 10 and sum(matured_units) > 20
    from cohort.odds_stat s join cohort.metric m on m.id = s.metric_id and m.key = 'o_bad'));
select t.ok('odds are no segment', not exists (select from cohort.metric_stat where segment < 0) and not exists (select from cohort.metric_bucket where segment < 0)
    and exists (select from cohort.metric_stat where segment > 0));
select t.ok('a guardrail reads a row per step', (select count(*) = (select count(*) from (select distinct treatment_id, odds from t.odds_expected(:k)) y)
    and sum(treatment_units) = (select sum(units) from t.odds_expected(:k) where variant_id <> :k) and sum(control_events) = (select sum(event_units) from t.odds_expected(:k) where variant_id = :k)
    and bool_and(treatment_share_ppm + control_share_ppm = 1000000 and treatment_share_ppm = cohort.odds_share(odds, true))
    from cohort.guardrail_input where metric = 'o_bad' and odds is not null));
select t.ok('no phase of a model is read, nor steps for values', not exists (select from cohort.guardrail_input where phase_id = :p)
    and not exists (select from cohort.guardrail_input where metric = 'o_sum' and odds is not null) and exists (select from cohort.guardrail_input where metric = 'o_sum'));
select t.ok('repair changes nothing', cohort.repair('o1') > 0 and t.differences() = 0);
select t.ok('the exposures'' odds are those of the log', (select count(*) > 50 and bool_and(e.segments -> '$odds' = cohort.odds_of(e.experiment_id, e.variant_id, d.eligible))
    from cohort.exposure e join cohort.decision d on d.unit_id = e.unit_id and d.decision_id = e.decision_id));
truncate cohort.decision, cohort.exposure, cohort.exposure_replaced, cohort.exposure_switch, cohort.outcome;
-- Nothing of it is left for the tests that come after.
delete from cohort.tracked_metric;
truncate cohort.unit_metric, cohort.exposure_stat, cohort.metric_stat, cohort.metric_bucket, cohort.odds_stat, cohort.ingest_batch, cohort.maturity,
         cohort.segment_value, cohort.decision_reward, cohort.reward_source, cohort.reward_stat, cohort.reward_cluster;
select cohort.stop('o1') \g /dev/null
