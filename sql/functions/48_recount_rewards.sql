-- Rewards of decisions again, from the rows: for repair, and to check the roll-up against.

create or replace function cohort.reward_kept_from() returns timestamptz
    language sql stable set search_path = cohort, pg_temp as $$
    select coalesce((max(p.day) + 1)::timestamp at time zone 'UTC', '-infinity') from cohort.partition_dropped p $$;
comment on function cohort.reward_kept_from() is 'Decisions and outcomes of earlier days may be gone: what had been counted of them stands';

create or replace function cohort.recount_rewards(experiment_id int) returns setof cohort.decision_reward
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with r as materialized (
        select w.* from cohort.rewarded w
          join cohort.reward_source s on s.experiment_id = w.experiment_id and s.metric_id = w.metric_id and s.metric_version = w.metric_version
         where w.experiment_id = $1
    ), kept as materialized (select cohort.reward_kept_from() as since
    ), d as materialized (
        select x.unit_id, x.decision_id, x.ts, x.phase_id, x.variant_id, x.propensity, x.model_id, x.reason not in ('VARIANT', 'STICKY') as safe,
               coalesce(b.applied_pass, 0) as pass, true as counted
          from cohort.decision x left join cohort.ingest_batch b on b.batch_id = x.batch_id
         where x.experiment_id = $1 and x.mode = 0 and x.variant_id is not null and x.phase_id is not null and x.propensity is not null
           and cohort.drawn_reason(x.reason) and (b.batch_id is null or b.applied_at is not null) and x.ts >= (select since from kept)
        union all
        select y.unit_id, y.decision_id, y.ts, y.phase_id, y.variant_id, y.propensity, y.model_id, y.safe, y.pass, false
          from cohort.decision_reward y where y.experiment_id = $1 and y.ts < (select since from kept)
    ), o as materialized (
        select distinct on (x.unit_id, x.event_id, x.ts) d.unit_id, d.decision_id, d.ts, coalesce(x.value, r.absent) as value
          from r
          join cohort.outcome x on x.name = r.name and (x.trusted or not r.trusted_only) and (r.path is null or x.attributes @@ r.path)
          join d on d.unit_id = x.unit_id and x.ts >= d.ts + r.since and x.ts < d.ts + r.upto
          left join cohort.ingest_batch b on b.batch_id = x.batch_id
         where b.batch_id is null or b.applied_at is not null
         order by x.unit_id, x.event_id, x.ts, (d.decision_id = x.decision_id) is true desc, d.ts desc, d.decision_id desc
    ), v as (
        select o.unit_id, o.decision_id, o.ts, count(*) as n, sum(o.value) as sum from o group by 1, 2, 3
    )
    select d.unit_id, $1, d.decision_id, d.ts, d.phase_id, d.variant_id, d.propensity, d.model_id, d.safe, coalesce(v.n, 0), coalesce(v.sum, 0),
           cohort.unit_value(r.kind, coalesce(v.n, 0), coalesce(v.sum, 0), r.low, r.high), d.pass
      from r cross join d left join v on v.unit_id = d.unit_id and v.decision_id = d.decision_id and v.ts = d.ts
     where d.counted
    union all
    select y.* from cohort.decision_reward y where y.experiment_id = $1 and y.ts < (select since from kept)
$$;
comment on function cohort.recount_rewards(int) is
    'The rows decision_reward must have for this experiment (its id), computed from the rows of the applied batches; those of days kept no longer as they are';

create or replace function cohort.recount_reward_stat(experiment_id int) returns setof cohort.reward_stat
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select $1, x.phase_id, x.variant_id, sum(x.decisions)::bigint, sum(x.matured)::bigint, sum(x.events)::bigint, sum(x.sum), sum(x.sum_sq),
           sum(x.gone_decisions)::bigint, sum(x.gone_events)::bigint, sum(x.gone_sum), sum(x.gone_sum_sq)
      from (select d.phase_id, d.variant_id, count(*) as decisions, count(*) filter (where d.ts <= s.matured_to) as matured,
                   count(*) filter (where d.ts <= s.matured_to and d.n > 0) as events,
                   coalesce(sum(d.value) filter (where d.ts <= s.matured_to), 0) as sum,
                   coalesce(sum(d.value * d.value) filter (where d.ts <= s.matured_to), 0) as sum_sq,
                   0 as gone_decisions, 0 as gone_events, 0 as gone_sum, 0 as gone_sum_sq
              from cohort.reward_source s cross join lateral cohort.recount_rewards($1) d
             where s.experiment_id = $1 group by 1, 2
            union all
            select g.phase_id, g.variant_id, g.gone_decisions, g.gone_decisions, g.gone_events, g.gone_sum, g.gone_sum_sq,
                   g.gone_decisions, g.gone_events, g.gone_sum, g.gone_sum_sq
              from cohort.reward_stat g where g.experiment_id = $1 and g.gone_decisions > 0) x
     group by 1, 2, 3
$$;
comment on function cohort.recount_reward_stat(int) is 'The rows reward_stat must have for this experiment, likewise';

create or replace function cohort.recount_reward_cluster(experiment_id int) returns setof cohort.reward_cluster
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select $1, x.variant_id, x.slice, x.cluster, sum(x.decisions)::bigint, sum(x.h), sum(x.hw), sum(x.hwy),
           sum(x.gone_decisions)::bigint, sum(x.gone_h), sum(x.gone_hw), sum(x.gone_hwy)
      from (select v.variant_id, p.kind = 'traffic' as slice, cohort.reward_group(d.unit_id) as cluster,
                   (v.variant_id = d.variant_id)::int as decisions, h.h, case when v.variant_id = d.variant_id then q.hw else 0 end as hw,
                   case when v.variant_id = d.variant_id then q.hwy else 0 end as hwy,
                   0 as gone_decisions, 0 as gone_h, 0 as gone_hw, 0 as gone_hwy
              from cohort.reward_source s
             cross join lateral cohort.recount_rewards($1) d
              join cohort.phase p on p.id = d.phase_id
              join cohort.phase_variant v on v.phase_id = d.phase_id and v.share_ppm > 0
             cross join lateral (select cohort.reward_weight(s.adaptive, p.kind, v.share_ppm) as h) h
             cross join lateral cohort.reward_parts(h.h, d.propensity, d.value) q
             where s.experiment_id = $1 and not d.safe and d.ts <= s.matured_to
            union all
            select g.variant_id, g.slice, g.cluster, g.gone_decisions, g.gone_h, g.gone_hw, g.gone_hwy, g.gone_decisions, g.gone_h, g.gone_hw, g.gone_hwy
              from cohort.reward_cluster g where g.experiment_id = $1 and g.gone_h > 0) x
     group by 1, 2, 3, 4
$$;
comment on function cohort.recount_reward_cluster(int) is 'The rows reward_cluster must have for this experiment, likewise';

create or replace function cohort.rebuild_rewards(experiment_id int, keep_gone boolean) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    if keep_gone then
        create temp table again_reward on commit drop as select * from cohort.recount_rewards($1);
    else
        delete from cohort.decision_reward d where d.experiment_id = $1;
        delete from cohort.reward_stat s where s.experiment_id = $1;
        delete from cohort.reward_cluster s where s.experiment_id = $1;
        create temp table again_reward on commit drop as select * from cohort.recount_rewards($1);
    end if;
    delete from cohort.decision_reward d where d.experiment_id = $1;
    insert into cohort.decision_reward select * from pg_temp.again_reward;
    drop table pg_temp.again_reward;
    create temp table again_stat_ on commit drop as select * from cohort.recount_reward_stat($1);
    create temp table again_cluster_ on commit drop as select * from cohort.recount_reward_cluster($1);
    delete from cohort.reward_stat s where s.experiment_id = $1;
    delete from cohort.reward_cluster s where s.experiment_id = $1;
    insert into cohort.reward_stat select * from pg_temp.again_stat_;
    insert into cohort.reward_cluster select * from pg_temp.again_cluster_;
    drop table pg_temp.again_stat_, pg_temp.again_cluster_;
end $$;
comment on function cohort.rebuild_rewards(int, boolean) is
    'Counts the rewards of an experiment anew from its rows; what was counted of days kept no longer stays (true) or, being of another version of the metric, goes (false)';
