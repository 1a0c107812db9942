-- Rewards of decisions, a part of the roll-up: where every decision is drawn anew, each has a reward. An outcome belongs to
-- the decision it names, if it lies inside that one's window; else to its unit's last decision whose window it lies in.
-- So it counts once. A decision that comes late takes over what belongs to it. A pass costs what is new.

create or replace function cohort.reward_group(unit uuid) returns smallint
    language sql immutable parallel safe
    as $$ select ((get_byte(uuid_send($1), 14) & 3) * 256 + get_byte(uuid_send($1), 15))::smallint $$;
comment on function cohort.reward_group(uuid) is 'The group of units that a unit is in, 0 to 1023, for variances between groups';

create or replace function cohort.drawn_reason(reason text) returns boolean
    language sql immutable parallel safe
    as $$ select $1 in ('VARIANT', 'STICKY', 'LOW_CONFIDENCE', 'OUT_OF_RANGE', 'ATTRIBUTE_MISSING') $$;
comment on function cohort.drawn_reason(text) is 'True for reasons of decisions that served a bandit''s variant, the safe one included';

drop view if exists cohort.rewarded;
create view cohort.rewarded as
select r.experiment_id, r.adaptive, r.started_at, m.id as metric_id, m.version as metric_version, m.kind, m.trusted_only, m.window_end_s,
       m.winsor_low * 1000000 as low, c.cap * 1000000 as high, p.name, p.path, p.since, p.upto, p.absent
  from (select e.id as experiment_id, e.kind = 'bandit' as adaptive, e.started_at, m.id as metric_id
          from cohort.bandit b
          join cohort.experiment e on e.environment = b.environment and e.key = b.experiment and e.status <> 'draft'
          join cohort.metric m on m.environment = b.environment and m.key = b.reward
         where e.kind = 'contextual' or (e.kind = 'bandit' and b.assign = 'decision')
        union all
        select s.experiment_id, s.adaptive, i.started_at, s.metric_id from cohort.reward_source s
          join cohort.experiment_iteration i on i.experiment_id = s.experiment_id
         where not exists (select from cohort.experiment e where e.id = s.experiment_id)) r
  join cohort.metric m on m.id = r.metric_id and m.window_end_s is not null
 cross join lateral (select case when coalesce(m.winsor_high, m.winsor_quantile) is not null
                                 then cohort.metric_cap(r.experiment_id, m.id) end as cap) c
 cross join lateral cohort.metric_parts(m.kind, m.event, m.event_path, m.denominator_event, m.denominator_path,
                                        m.window_start_s, m.window_end_s, 0) p
 where p.part = 'y' and (m.winsor_quantile is null or c.cap is not null);
comment on view cohort.rewarded is 'The experiments whose decisions have rewards of their own, and how a reward is read';
comment on column cohort.rewarded.experiment_id is 'experiment.id';
comment on column cohort.rewarded.adaptive is 'reward_source.adaptive';
comment on column cohort.rewarded.started_at is 'When the run began';
comment on column cohort.rewarded.metric_id is 'metric.id of the reward';
comment on column cohort.rewarded.metric_version is 'metric.version';
comment on column cohort.rewarded.kind is 'metric.kind';
comment on column cohort.rewarded.trusted_only is 'metric.trusted_only';
comment on column cohort.rewarded.window_end_s is 'metric.window_end_s, from the decision on';
comment on column cohort.rewarded.low is 'A reward is at least this, in millionths; null: no bound';
comment on column cohort.rewarded.high is 'A reward is at most this, in millionths; null: no bound';
comment on column cohort.rewarded.name is 'The event that is rewarded';
comment on column cohort.rewarded.path is 'metric.event_path';
comment on column cohort.rewarded.since is 'An outcome counts from so long after the decision';
comment on column cohort.rewarded.upto is 'and before so long after it';
comment on column cohort.rewarded.absent is 'What an event without a value counts, in millionths';

create or replace function cohort.reward_tables() returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if to_regclass('pg_temp.roll_reward_change') is not null then
        delete from pg_temp.roll_reward;
        delete from pg_temp.roll_reward_new;
        delete from pg_temp.roll_reward_move;
        delete from pg_temp.roll_reward_change;
        return;
    end if;
    create temp table roll_reward (
        experiment_id int primary key, metric_id int, metric_version int, adaptive boolean, started_at timestamptz, kind text,
        trusted_only boolean, low numeric, high numeric, name text, path jsonpath, since interval, upto interval, absent bigint,
        matured_from timestamptz, matured_to timestamptz, rebuild boolean
    ) on commit delete rows;
    create temp table roll_reward_new (unit_id uuid, experiment_id int, decision_id uuid, ts timestamptz, phase_id int, variant_id int)
        on commit delete rows;
    create temp table roll_reward_move (unit_id uuid, experiment_id int, decision_id uuid, ts timestamptz, n bigint, sum numeric)
        on commit delete rows;
    create temp table roll_reward_change (
        unit_id uuid, experiment_id int, phase_id int, variant_id int, propensity int, safe boolean, sign int, n bigint, value numeric
    ) on commit delete rows;
end $$;
comment on function cohort.reward_tables() is 'Part of rollup_rewards(): empty working tables for this connection';

create or replace function cohort.reward_pairs(as_of timestamptz) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    insert into pg_temp.roll_reward
    select w.experiment_id, w.metric_id, w.metric_version, w.adaptive, w.started_at, w.kind, w.trusted_only, w.low, w.high, w.name, w.path,
           w.since, w.upto, w.absent, coalesce(s.matured_to, v.matured_to), greatest(v.matured_to, s.matured_to), s.experiment_id is null
      from cohort.rewarded w
     cross join lateral (select cohort.matured_to(as_of, w.window_end_s) as matured_to) v
      left join cohort.reward_source s on s.experiment_id = w.experiment_id and s.metric_id = w.metric_id and s.metric_version = w.metric_version;
    insert into cohort.reward_source as s (experiment_id, metric_id, metric_version, adaptive, matured_to)
    select w.experiment_id, w.metric_id, w.metric_version, w.adaptive, w.matured_to from pg_temp.roll_reward w
    on conflict (experiment_id) do update
       set metric_id = excluded.metric_id, metric_version = excluded.metric_version, matured_to = excluded.matured_to
     where (s.metric_id, s.metric_version, s.matured_to) is distinct from (excluded.metric_id, excluded.metric_version, excluded.matured_to);
end $$;
comment on function cohort.reward_pairs(timestamptz) is
    'Part of rollup_rewards(): what is rewarded, and how far it has matured before and after this pass. What is new, or has a new version of its metric, is counted from the rows once';

create or replace function cohort.reward_decisions(ids bigint[], this_pass bigint) returns void
    language plpgsql set search_path = cohort, pg_temp set enable_seqscan = off set jit = off
    set plan_cache_mode = force_custom_plan as $$
declare
    b record;
begin
    select min(x.batch_id) as lo, max(x.batch_id) as hi, min(x.decisions_from) as since, max(x.decisions_to) as upto into b
      from cohort.ingest_batch x where x.batch_id = any (ids) and x.decisions > 0;
    if b.since is null then
        return;
    end if;
    with added as (
        insert into cohort.decision_reward (unit_id, experiment_id, decision_id, ts, phase_id, variant_id, propensity, model_id, safe, pass)
        select d.unit_id, d.experiment_id, d.decision_id, d.ts, d.phase_id, d.variant_id, d.propensity, d.model_id,
               d.reason not in ('VARIANT', 'STICKY'), this_pass
          from cohort.decision d
         where d.ts >= b.since and d.ts <= b.upto and d.batch_id >= b.lo and d.batch_id <= b.hi and d.batch_id + 0 = any (ids)
           and d.experiment_id in (select r.experiment_id from pg_temp.roll_reward r where not r.rebuild)
           and d.mode = 0 and d.variant_id is not null and d.phase_id is not null and d.propensity is not null and cohort.drawn_reason(d.reason)
        on conflict do nothing
        returning unit_id, experiment_id, decision_id, ts, phase_id, variant_id)
    insert into pg_temp.roll_reward_new select * from added;
end $$;
comment on function cohort.reward_decisions(bigint[], bigint) is 'Part of rollup_rewards(): the decisions of these batches that are rewarded';

-- Outcomes that are new, and those that lie in the window of a decision that is new: whose each was before, and whose it is.
create or replace function cohort.reward_moves(ids bigint[], this_pass bigint) returns void
    language plpgsql set search_path = cohort, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
    set jit = off set plan_cache_mode = force_custom_plan as $$
declare
    b record;
    names text[] := array(select distinct r.name from pg_temp.roll_reward r where not r.rebuild);
begin
    select min(x.batch_id) as lo, max(x.batch_id) as hi, min(x.outcomes_from) as since, max(x.outcomes_to) as upto into b
      from cohort.ingest_batch x where x.batch_id = any (ids) and x.outcomes > 0;
    insert into pg_temp.roll_reward_move
    with o as materialized (
        select r.experiment_id, r.since, r.upto, x.unit_id, x.event_id, x.ts, x.decision_id, coalesce(x.value, r.absent) as value, true as fresh
          from (select * from cohort.outcome y
                 where y.ts >= b.since and y.ts <= b.upto and y.batch_id >= b.lo and y.batch_id <= b.hi
                   and y.batch_id + 0 = any (ids) and y.name = any (names) offset 0) x
          join pg_temp.roll_reward r on r.name = x.name and not r.rebuild and (x.trusted or not r.trusted_only)
                                    and (r.path is null or x.attributes @@ r.path)
        union all
        select distinct on (r.experiment_id, x.unit_id, x.event_id, x.ts)
               r.experiment_id, r.since, r.upto, x.unit_id, x.event_id, x.ts, x.decision_id, coalesce(x.value, r.absent), false
          from pg_temp.roll_reward_new d
          join pg_temp.roll_reward r on r.experiment_id = d.experiment_id
         cross join lateral (select y.* from cohort.outcome y
                              where y.unit_id = d.unit_id and y.ts >= d.ts + r.since and y.ts < d.ts + r.upto
                                and y.batch_id <> all (ids)
                                and not exists (select from cohort.ingest_batch z where z.batch_id = y.batch_id and z.applied_at is null)
                             offset 0) x
         where x.name = r.name and (x.trusted or not r.trusted_only) and (r.path is null or x.attributes @@ r.path)
    ), t as (
        select o.*, n.decision_id as new_id, n.ts as new_ts, w.decision_id as old_id, w.ts as old_ts
          from o
          left join lateral (
               select x.decision_id, x.ts
                 from ((select 1 as place, d.decision_id, d.ts from cohort.decision_reward d
                         where d.unit_id = o.unit_id and d.experiment_id = o.experiment_id and d.decision_id = o.decision_id
                           and d.ts <= o.ts - o.since and d.ts > o.ts - o.upto order by d.ts desc limit 1)
                       union all
                       (select 2, d.decision_id, d.ts from cohort.decision_reward d
                         where d.unit_id = o.unit_id and d.experiment_id = o.experiment_id
                           and d.ts <= o.ts - o.since and d.ts > o.ts - o.upto order by d.ts desc, d.decision_id desc limit 1)) x
                order by x.place limit 1) n on true
          left join lateral (
               select x.decision_id, x.ts
                 from ((select 1 as place, d.decision_id, d.ts from cohort.decision_reward d
                         where d.unit_id = o.unit_id and d.experiment_id = o.experiment_id and d.decision_id = o.decision_id
                           and d.ts <= o.ts - o.since and d.ts > o.ts - o.upto and d.pass < this_pass order by d.ts desc limit 1)
                       union all
                       (select 2, d.decision_id, d.ts from cohort.decision_reward d
                         where d.unit_id = o.unit_id and d.experiment_id = o.experiment_id
                           and d.ts <= o.ts - o.since and d.ts > o.ts - o.upto and d.pass < this_pass
                         order by d.ts desc, d.decision_id desc limit 1)) x
                where not o.fresh
                order by x.place limit 1) w on true
    )
    select m.unit_id, m.experiment_id, m.decision_id, m.ts, sum(m.n), sum(m.value)
      from (select t.unit_id, t.experiment_id, t.new_id as decision_id, t.new_ts as ts, 1 as n, t.value from t
             where t.new_id is not null and (t.new_id, t.new_ts) is distinct from (t.old_id, t.old_ts)
            union all
            select t.unit_id, t.experiment_id, t.old_id, t.old_ts, -1, -t.value from t
             where t.old_id is not null and (t.new_id, t.new_ts) is distinct from (t.old_id, t.old_ts)) m
     group by 1, 2, 3, 4;
end $$;
comment on function cohort.reward_moves(bigint[], bigint) is 'Part of rollup_rewards(): what each decision gains and loses by this pass''s outcomes and decisions';

create or replace function cohort.reward_changes(this_pass bigint) returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
    set jit = off set plan_cache_mode = force_custom_plan as $$
begin
    insert into pg_temp.roll_reward_change
    select d.unit_id, d.experiment_id, d.phase_id, d.variant_id, d.propensity, d.safe, -1, d.n, d.value
      from pg_temp.roll_reward_move m
      join cohort.decision_reward d on d.unit_id = m.unit_id and d.experiment_id = m.experiment_id and d.decision_id = m.decision_id and d.ts = m.ts
      join pg_temp.roll_reward r on r.experiment_id = d.experiment_id
     where d.pass < this_pass and d.ts <= r.matured_from;
    update cohort.decision_reward d
       set n = d.n + m.n, sum = d.sum + m.sum, value = cohort.unit_value(r.kind, d.n + m.n, d.sum + m.sum, r.low, r.high)
      from pg_temp.roll_reward_move m join pg_temp.roll_reward r on r.experiment_id = m.experiment_id
     where d.unit_id = m.unit_id and d.experiment_id = m.experiment_id and d.decision_id = m.decision_id and d.ts = m.ts;
    insert into pg_temp.roll_reward_change
    select d.unit_id, d.experiment_id, d.phase_id, d.variant_id, d.propensity, d.safe, 1, d.n, d.value
      from (select m.unit_id, m.experiment_id, m.decision_id, m.ts from pg_temp.roll_reward_move m
            union
            select w.unit_id, w.experiment_id, w.decision_id, w.ts from pg_temp.roll_reward_new w
            union
            select x.unit_id, x.experiment_id, x.decision_id, x.ts
              from pg_temp.roll_reward r
             cross join lateral (select y.* from cohort.decision_reward y
                                  where y.experiment_id = r.experiment_id and y.ts > r.matured_from and y.ts <= r.matured_to offset 0) x
             where not r.rebuild and r.matured_from < r.matured_to) k
      join cohort.decision_reward d on d.unit_id = k.unit_id and d.experiment_id = k.experiment_id and d.decision_id = k.decision_id and d.ts = k.ts
      join pg_temp.roll_reward r on r.experiment_id = d.experiment_id and d.ts <= r.matured_to;
end $$;
comment on function cohort.reward_changes(bigint) is
    'Part of rollup_rewards(): applies what was gained and lost, and notes what matured rewards were and are';

-- What one drawn decision of a phase weighs for each of the variants that it could have got.
create or replace function cohort.reward_weight(adaptive boolean, phase_kind text, share_ppm int) returns numeric
    language sql immutable parallel safe
    as $$ select case when $1 and $2 = 'time' then round(sqrt($3::numeric / 1000000), 9) else 1 end $$;
comment on function cohort.reward_weight(boolean, text, int) is
    'The weight h of a decision for a variant: the square root of the variant''s share where shares adapt, which holds the variance steady; else 1';

-- Of a decision that got the variant: h / e and h y / e.
create or replace function cohort.reward_parts(h numeric, propensity int, value numeric, out hw numeric, out hwy numeric)
    language sql immutable parallel safe
    as $$ select round($1 * 1000000 / $2, 9), round($1 * 1000000 / $2, 9) * $3 $$;
comment on function cohort.reward_parts(numeric, int, numeric) is 'h over the probability, and that times the reward, for a decision that got the variant';

create or replace function cohort.reward_store() returns void
    language plpgsql set search_path = cohort, pg_temp set jit = off as $$
begin
    insert into cohort.reward_stat as s (experiment_id, phase_id, variant_id, decisions, matured, events, sum, sum_sq)
    select x.experiment_id, x.phase_id, x.variant_id, sum(x.decisions), sum(x.matured), sum(x.events), sum(x.sum), sum(x.sum_sq)
      from (select w.experiment_id, w.phase_id, w.variant_id, count(*) as decisions, 0 as matured, 0 as events, 0::numeric as sum, 0::numeric as sum_sq
              from pg_temp.roll_reward_new w group by 1, 2, 3
            union all
            select c.experiment_id, c.phase_id, c.variant_id, 0, sum(c.sign), coalesce(sum(c.sign) filter (where c.n > 0), 0), sum(c.sign * c.value),
                   sum(c.sign * c.value * c.value)
              from pg_temp.roll_reward_change c group by 1, 2, 3) x
     group by 1, 2, 3
    on conflict (experiment_id, phase_id, variant_id) do update
       set decisions = s.decisions + excluded.decisions, matured = s.matured + excluded.matured, events = s.events + excluded.events,
           sum = s.sum + excluded.sum, sum_sq = s.sum_sq + excluded.sum_sq;
    if not exists (select from pg_temp.roll_reward_change c where not c.safe) then
        return;
    end if;
    insert into cohort.reward_cluster as s (experiment_id, variant_id, slice, cluster, decisions, h, hw, hwy)
    with c as materialized (
        select x.experiment_id, x.phase_id, x.variant_id, x.propensity, cohort.reward_group(x.unit_id) as cluster, x.value, sum(x.sign) as k
          from pg_temp.roll_reward_change x where not x.safe group by 1, 2, 3, 4, 5, 6 having sum(x.sign) <> 0
    ), a as (
        select c.experiment_id, v.variant_id, p.kind = 'traffic' as slice, c.cluster, sum(c.k) filter (where v.variant_id = c.variant_id) as decisions,
               sum(c.k * h.h) as h, sum(c.k * q.hw) filter (where v.variant_id = c.variant_id) as hw,
               sum(c.k * q.hwy) filter (where v.variant_id = c.variant_id) as hwy
          from c
          join pg_temp.roll_reward r on r.experiment_id = c.experiment_id
          join cohort.phase p on p.id = c.phase_id
          join cohort.phase_variant v on v.phase_id = c.phase_id and v.share_ppm > 0
         cross join lateral (select cohort.reward_weight(r.adaptive, p.kind, v.share_ppm) as h) h
         cross join lateral cohort.reward_parts(h.h, c.propensity, c.value) q
         group by 1, 2, 3, 4)
    select a.experiment_id, a.variant_id, a.slice, a.cluster, coalesce(a.decisions, 0), a.h, coalesce(a.hw, 0), coalesce(a.hwy, 0) from a
    on conflict (experiment_id, variant_id, slice, cluster) do update
       set decisions = s.decisions + excluded.decisions, h = s.h + excluded.h, hw = s.hw + excluded.hw, hwy = s.hwy + excluded.hwy;
end $$;
comment on function cohort.reward_store() is 'Part of rollup_rewards(): applies the differences to reward_stat and reward_cluster';

-- Nearly always an experiment that has just begun: only batches since then are looked into.
create or replace function cohort.has_decisions(experiment_id int, started_at timestamptz) returns boolean
    language plpgsql stable set search_path = cohort, pg_temp set enable_seqscan = off set jit = off
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    first_batch bigint := (select min(b.batch_id) from cohort.ingest_batch b where b.decisions > 0 and b.created_at > $2 - interval '1 minute');
begin
    return exists (select from cohort.decision_reward d where d.experiment_id = $1 limit 1)
        or exists (select from cohort.decision d where d.batch_id >= first_batch and d.ts > $2 - interval '1 hour' and d.experiment_id = $1);
end $$;
comment on function cohort.has_decisions(int, timestamptz) is 'Part of rollup_rewards(): whether there are decisions to be counted from the rows';

create or replace function cohort.rollup_rewards(ids bigint[], this_pass bigint, as_of timestamptz) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    x record;
begin
    if not exists (select from cohort.bandit) and not exists (select from cohort.reward_source) then
        return;
    end if;
    perform cohort.reward_tables();
    perform cohort.reward_pairs(as_of);
    if not exists (select from pg_temp.roll_reward) then
        return;
    end if;
    perform cohort.reward_decisions(ids, this_pass);
    perform cohort.reward_moves(ids, this_pass);
    perform cohort.reward_changes(this_pass);
    perform cohort.reward_store();
    for x in select r.experiment_id, r.started_at from pg_temp.roll_reward r where r.rebuild loop
        if cohort.has_decisions(x.experiment_id, x.started_at) then
            perform cohort.rebuild_rewards(x.experiment_id, false);
        end if;
    end loop;
end $$;
comment on function cohort.rollup_rewards(bigint[], bigint, timestamptz) is
    'Part of rollup(): the rewards of decisions, where every decision is drawn anew';
