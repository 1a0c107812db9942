-- Rewards of decisions in any order of arrival: equal to the recount after each pass, and the same at the end.
-- After events_setup.sql.
\set QUIET on
\set ON_ERROR_STOP on
set client_min_messages = warning;
select t.lead('rewards') as epoch \gset
select cohort.ingest_prepare(true) \g /dev/null
insert into cohort.metric (key, event, kind, window_start_s, window_end_s, condition, winsor_high, trusted_only) values
    ('rw_click', 'rw_click', 'binary', 0, 3600, null, null, true),
    ('rw_money', 'rw_buy', 'mean', 60, 7200, '{"plan": "pro"}', 150, false);
insert into cohort.experiment (key, kind) values ('r1', 'bandit'), ('r2', 'contextual'), ('r3', 'bandit');
insert into cohort.variant (experiment, key, share_ppm, value, position)
select e, v, s, to_jsonb(v), p from unnest(array['r1', 'r2', 'r3']) e,
    (values ('control', 333334, 1), ('b', 333333, 2), ('c', 333333, 3)) v(v, s, p);
insert into cohort.bandit (experiment, reward, assign) values ('r1', 'rw_click', 'decision'), ('r2', 'rw_money', 'decision'), ('r3', 'rw_click', 'unit');
insert into cohort.contextual (experiment, features) values ('r2', '[{"name": "age", "attribute": "age", "kind": "number"}]');
select cohort.start('r1'), cohort.start('r2'), cohort.start('r3') \g /dev/null

create function t.arm(name text, n int) returns int language sql stable as $$
    select (array_agg(v.id order by v.position))[1 + n % 3] from cohort.variant v where v.experiment = name $$;
create function t.phase_of(name text, n int) returns int language sql stable as $$
    select p.id from cohort.phase p where p.experiment = name and p.number = n $$;
create table t.all_decisions (n int, like pg_temp.stage_decision);
create table t.all_rewards (n int, like pg_temp.stage_outcome);
create function t.ago(r double precision) returns interval language sql as $$
    select case when r < 0.2 then interval '1 h' + interval '61 s' + (r - 0.1) * interval '30 s' when r < 0.6 then r * interval '5 h'
           else interval '1 day' + r * interval '3 days' end $$;
select setseed(0.37) \g /dev/null
insert into t.all_decisions (n, unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, reason, propensity, mode, plan_version)
select n, t.uuid(91, 1 + (random() * 40)::int), t.uuid(92, n), now() - t.ago(random()), 1, (select id from cohort.experiment where key = x.e),
       case when n % 31 > 0 then t.arm(x.e, case when x.safe then 0 else n end) end, t.phase_of(x.e, 1 + (n % 4 > 0)::int),
       case when x.safe then 'LOW_CONFIDENCE' when n % 31 = 0 then 'TARGETING' else 'VARIANT' end,
       case when x.safe then 1000000 else 333333 + (n % 3 = 0)::int end, case when n % 23 = 0 then 1 else 0 end, 1
  from (select n, case when n % 10 < 5 then 'r1' when n % 10 < 9 then 'r2' else 'r3' end as e, n % 10 = 8 as safe from generate_series(1, 400) n) x;
-- Two decisions at one moment, decided by the id.
insert into t.all_decisions (n, unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, reason, propensity, mode, plan_version)
select 1000 + n, unit_id, t.uuid(93, n), ts, 1, experiment_id, variant_id, phase_id, reason, propensity, mode, 1 from t.all_decisions where n % 9 = 0;
-- Outcomes behind decisions; a third names one: its own, another one, that of somebody else, or one nobody knows.
insert into t.all_rewards
select g, d.unit_id, t.uuid(94, g), d.ts + random() * interval '2.2 h', (array['rw_click', 'rw_buy', 'rw_buy'])[1 + g % 3],
       case when g % 7 > 0 then floor(random() * 2e8)::bigint end, case when g % 5 > 0 then '{"plan": "pro"}'::jsonb end,
       case g % 9 when 0 then d.decision_id when 1 then t.uuid(92, 1 + g % 400) when 2 then t.uuid(95, g)
                  when 3 then (select o.decision_id from t.all_decisions o where o.unit_id = d.unit_id and o.experiment_id = d.experiment_id
                                and o.ts < d.ts order by o.ts desc limit 1) end, g % 11 > 0
  from generate_series(1, 900) g join lateral (select * from t.all_decisions x where x.n = 1 + (g * 7) % 400) d on true;

create function t.reward_differences() returns bigint language plpgsql set jit = off as $$
declare
    n bigint;
begin
    drop table if exists pg_temp.a_row, pg_temp.a_stat, pg_temp.a_cluster, pg_temp.b_row;
    create temp table b_row as select unit_id, experiment_id, decision_id, ts, phase_id, variant_id, propensity, model_id, safe, w.n, sum, value from cohort.decision_reward w;
    create temp table a_row as select w.unit_id, w.experiment_id, w.decision_id, w.ts, w.phase_id, w.variant_id, w.propensity, w.model_id, w.safe, w.n, w.sum, w.value
        from cohort.reward_source s, cohort.recount_rewards(s.experiment_id) w;
    create temp table a_stat as select w.* from cohort.reward_source s, cohort.recount_reward_stat(s.experiment_id) w;
    create temp table a_cluster as select w.* from cohort.reward_source s, cohort.recount_reward_cluster(s.experiment_id) w;
    select (select count(*) from (select * from pg_temp.a_row except select * from pg_temp.b_row) x)
         + (select count(*) from (select * from pg_temp.b_row except select * from pg_temp.a_row) x)
         + (select count(*) from (select * from pg_temp.a_stat except select * from cohort.reward_stat) x)
         + (select count(*) from (select * from cohort.reward_stat except select * from pg_temp.a_stat) x)
         + (select count(*) from (select * from pg_temp.a_cluster except select * from cohort.reward_cluster) x)
         + (select count(*) from (select * from cohort.reward_cluster except select * from pg_temp.a_cluster) x) into n;
    return n;
end $$;
create function t.reward_must(good boolean, what text) returns void language plpgsql as $$
begin
    if good is not true then
        raise exception 'NOTICED: %', what;
    end if;
end $$;
create table t.reward_first as select unit_id, experiment_id, decision_id, ts, n, sum, value from cohort.decision_reward limit 0;

create sequence t.reward_group;
create function t.reward_order(seed double precision, batch_size int, pass_chance double precision) returns void language plpgsql as $$
declare
    e bigint := (select epoch from cohort.leader_state);
    total int;
    at int := 1;
begin
    perform setseed(seed);
    truncate cohort.decision, cohort.outcome, cohort.ingest_batch, cohort.decision_reward, cohort.reward_source, cohort.reward_stat, cohort.reward_cluster;
    drop table if exists t.coming;
    create table t.coming as
    select row_number() over (order by random())::int as place, x.* from (
        select false as outcome, d.n from t.all_decisions d union all select true, r.n from t.all_rewards r) x;
    select count(*) into total from t.coming;
    perform cohort.rollup(e);
    while at <= total loop
        insert into pg_temp.stage_decision (unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, reason, propensity, mode, plan_version)
        select unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, reason, propensity, mode, plan_version
          from t.all_decisions where n in (select n from t.coming where not outcome and place between at and at + batch_size - 1);
        insert into pg_temp.stage_outcome select unit_id, event_id, ts, name, value, attributes, decision_id, trusted
          from t.all_rewards where n in (select n from t.coming where outcome and place between at and at + batch_size - 1);
        perform cohort.ingest(t.uuid(96, 1), 'node', g, g, null) from nextval('t.reward_group') g;
        delete from pg_temp.stage_decision;
        delete from pg_temp.stage_outcome;
        at := at + batch_size;
        if random() < pass_chance then
            perform cohort.rollup(e, 1 + (random() * 3)::int);
            perform t.reward_must(random() > 0.3 or t.reward_differences() = 0, 'the rewards differ from the recount');
        end if;
    end loop;
    while exists (select from cohort.ingest_batch where applied_at is null) loop
        perform cohort.rollup(e);
    end loop;
    perform t.reward_must(t.reward_differences() = 0, 'the final rewards differ from the recount');
    if not exists (select from t.reward_first) then
        insert into t.reward_first select unit_id, experiment_id, decision_id, ts, n, sum, value from cohort.decision_reward;
    end if;
    perform t.reward_must(not exists (select unit_id, experiment_id, decision_id, ts, n, sum, value from cohort.decision_reward except select * from t.reward_first)
        and (select count(*) from t.reward_first) = (select count(*) from cohort.decision_reward), 'the rewards depend on the order');
end $$;

select t.reward_order(0.12, 5000, 1), t.ok('rewards, all at once', true) \g /dev/null
select t.ok('there is something of everything', (select count(*) > 250 and count(*) filter (where n > 0) > 100 and count(*) filter (where safe) > 20
        and bool_or(value <> sum) and count(distinct experiment_id) = 2 from cohort.decision_reward)
    and (select sum(matured) between 50 and sum(decisions) - 5 and sum(events) > 20 from cohort.reward_stat)
    and (select count(distinct cluster) > 20 and bool_or(slice) and not bool_and(slice) from cohort.reward_cluster));
select t.ok('each outcome counts once', (select sum(w.n) from cohort.decision_reward w join cohort.experiment e on e.id = w.experiment_id where e.key = 'r1')
    <= (select count(*) from t.all_rewards where name = 'rw_click' and trusted));
select t.reward_order(0.22, 40, 0.5), t.ok('rewards, small batches, a pass after half of them', true) \g /dev/null
select t.reward_order(0.32, 100, 0), t.ok('rewards, no pass before the end', true) \g /dev/null
\if :long
select t.reward_order(0.42, 17, 0.9), t.reward_order(0.52, 60, 0.3), t.reward_order(0.62, 200, 1), t.ok('rewards, more orders', true) \g /dev/null
\endif

-- Mutants: functions of the product with one piece of them changed.
create function t.reward_mutant(name text, fn regprocedure, piece text, instead text) returns void language plpgsql as $$
declare
    was text := pg_get_functiondef(fn);
begin
    begin
        if replace(was, piece, instead) = was then
            raise exception 'the mutant changes nothing';
        end if;
        execute replace(was, piece, instead);
        perform t.reward_order(0.22, 40, 0.5);
        raise exception 'it survives';
    exception when others then
        if sqlerrm !~ '^NOTICED' then
            raise exception 'FAILED: mutant "%": %', name, sqlerrm;
        end if;
    end;
    perform t.ok('mutant noticed: ' || name, true);
end $$;
select t.reward_mutant('a late decision takes nothing over', 'cohort.reward_moves(bigint[], bigint)', 'from pg_temp.roll_reward_new d', 'from (select * from pg_temp.roll_reward_new limit 0) d') \g /dev/null
select t.reward_mutant('what moves is counted twice', 'cohort.reward_moves(bigint[], bigint)', 'select t.unit_id, t.experiment_id, t.old_id, t.old_ts, -1, -t.value from t', 'select t.unit_id, t.experiment_id, t.old_id, t.old_ts, 0, 0 from t') \g /dev/null
select t.reward_mutant('names are not believed', 'cohort.reward_moves(bigint[], bigint)', 'd.decision_id = o.decision_id', 'd.decision_id is null') \g /dev/null
select t.reward_mutant('matured sums are not corrected', 'cohort.reward_changes(bigint)', 'd.pass < this_pass and d.ts <= r.matured_from', 'false') \g /dev/null
select t.reward_mutant('decisions of one moment in no order', 'cohort.reward_moves(bigint[], bigint)', 'd.ts desc, d.decision_id desc', 'd.ts desc, d.decision_id') \g /dev/null

-- Another version of the metric counts from the rows, once.
select t.reward_order(0.22, 40, 0.5) \g /dev/null
update cohort.metric set window_end_s = 1800 where key = 'rw_click';
select cohort.rollup(:epoch) \g /dev/null
select t.ok('a metric that changes is counted anew', t.reward_differences() = 0 and exists (
    select from cohort.decision_reward w join t.reward_first f using (unit_id, experiment_id, decision_id, ts) where w.n < f.n));
select t.ok('repair changes nothing', cohort.repair('r1') >= 0 and t.reward_differences() = 0);

-- Days that go leave their sums.
create table t.stat_before as select experiment_id, phase_id, variant_id, decisions, matured, events, sum, sum_sq from cohort.reward_stat;
create table t.cluster_before as select experiment_id, variant_id, slice, cluster, decisions, h, hw, hwy from cohort.reward_cluster;
create table t.matured_before as select * from cohort.reward_source;
create procedure t.drop_reward_days(days int) language plpgsql as $$
begin
    for i in 1..500 loop
        perform cohort.drop_partitions((select epoch from cohort.leader_state), days, 11);
        if t.reward_differences() <> 0 then
            raise exception 'FAILED: step % of a drop: % rows differ from the recount', i, t.reward_differences();
        end if;
        commit;
        exit when not exists (select from cohort.partition_days('outcome') d where d.day < current_date - days)
              and not exists (select from cohort.partition_days('decision') d where d.day < current_date - days)
              and not exists (select from cohort.partition_dropped where dropped_at is null);
    end loop;
    while cohort.prune_rewards(50) > 0 loop
        commit;
    end loop;
end $$;
call t.drop_reward_days(2);
select t.ok('rewards of dropped days are gone, their sums are not', (select count(*) = 0 from cohort.decision_reward where ts < current_date - 3)
    and (select sum(gone_decisions) > 10 from cohort.reward_stat) and t.reward_differences() = 0
    and not exists (select * from t.stat_before except select experiment_id, phase_id, variant_id, decisions, matured, events, sum, sum_sq from cohort.reward_stat)
    and not exists (select * from t.cluster_before except select experiment_id, variant_id, slice, cluster, decisions, h, hw, hwy from cohort.reward_cluster));
select t.ok('repair keeps them', cohort.repair('r2') >= 0 and t.reward_differences() = 0
    and not exists (select * from t.stat_before except select experiment_id, phase_id, variant_id, decisions, matured, events, sum, sum_sq from cohort.reward_stat));
