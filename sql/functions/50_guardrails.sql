-- What the monitor reads and writes about guardrails.

-- One row per guardrail and treatment, whatever the experiment's status. A variant is compared with the control;
-- the weights of an experiment's guardrails that take it from people (stop, pause, roll_back) sum to 1, and so do those
-- of the others (alert, hold): each group has an error level. (Status and key are in the partition so that a
-- condition on them is applied before the weights are summed. Variants are gathered once for all experiments: asking
-- for each guardrail would cost more than the verdicts.)
drop function if exists cohort.guardrail_rows();
drop view if exists cohort.guardrail_input, cohort.guardrail_arm;

create or replace function cohort.arm_text(s cohort.metric_stat) returns text
    language sql stable
    as $$ select concat_ws(' ', s.matured_units, s.matured_sum, s.matured_sum_sq, s.matured_sum_cu, s.matured_amounts,
                           s.matured_den_sum, s.matured_den_sum_sq, s.matured_cross_sum) $$;
comment on function cohort.arm_text(cohort.metric_stat) is
    'Matured units, sum of y, of y squared, of y cubed, units with an amount, sum of D, of D squared, of y D; in millionths';

create or replace function cohort.bucket_text(experiment_id int, metric_id int, metric_version int, phase_id int, variant_id int)
    returns text language plpgsql stable set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    return (select string_agg(b.bucket || ':' || b.matured_units, ' ' order by b.bucket) from cohort.metric_bucket b
             where b.experiment_id = $1 and b.metric_id = $2 and b.metric_version = $3 and b.phase_id = $4
               and b.variant_id = $5 and b.segment = 0 and b.matured_units > 0 and b.bucket <> 0);
end $$;
comment on function cohort.bucket_text(int, int, int, int, int) is
    'Matured units by bucket, "-3:1 40:12", without bucket 0';

-- All arms together: scores may know values, never arms.
create or replace function cohort.pooled_buckets(experiment_id int, metric_id int, metric_version int)
    returns table (bucket int, units bigint) language plpgsql stable set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with b as (
        select x.bucket::int as bucket, sum(x.matured_units)::bigint as units from cohort.metric_bucket x
         where x.experiment_id = $1 and x.metric_id = $2 and x.metric_version = $3 and x.segment = 0 and x.bucket <> 0
         group by x.bucket)
    select b.bucket, b.units from b
    union all
    select 0, (sum(s.matured_units) - coalesce((select sum(b.units) from b), 0))::bigint from cohort.metric_stat s
     where s.experiment_id = $1 and s.metric_id = $2 and s.metric_version = $3 and s.segment = 0
    order by 1;
end $$;
comment on function cohort.pooled_buckets(int, int, int) is 'Matured units of all arms and phases by bucket, bucket 0 too';

create or replace function cohort.record_scores(epoch bigint, experiment_id int, metric_id int, metric_version int,
        centre double precision, scale double precision, clip double precision, from_units bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    perform cohort.assert_epoch($1);
    insert into cohort.tilt_score (experiment_id, metric_id, metric_version, centre, scale, clip, from_units)
    values ($2, $3, $4, $5, $6, $7, $8) on conflict do nothing;
end $$;
comment on function cohort.record_scores(bigint, int, int, int, double precision, double precision, double precision, bigint) is
    'Freezes the scores of the histogram tilt, once';
create view cohort.guardrail_arm as
select e.environment, e.id as experiment_id, e.key as experiment, e.status, e.iteration, g.id as guardrail_id,
       m.id as metric_id, m.version as metric_version, g.metric, m.event, m.kind, g.action, g.direction, g.margin,
       g.weight / sum(g.weight) over (partition by e.id, e.key, e.status, g.action in ('alert', 'hold'), t.id) as weight, g.count,
       case when g.action in ('alert', 'hold') then e.alert_alpha else e.alpha end as alpha,
       c.arms, t.id as treatment_id, t.key as treatment, c.id as control_id, c.key as control,
       t.dropped_at
  from cohort.experiment e
  join cohort.guardrail g on g.environment = e.environment and g.experiment = e.key
  join cohort.metric m on m.environment = g.environment and m.key = g.metric
  join (select v.environment, v.experiment, count(*)::int as arms,
               (array_agg(v.id order by v.is_control desc, v.id) filter (where v.is_control or v.key = 'control'))[1] as id,
               (array_agg(v.key order by v.is_control desc, v.id) filter (where v.is_control or v.key = 'control'))[1] as key
          from cohort.variant v group by v.environment, v.experiment) c
    on c.environment = e.environment and c.experiment = e.key
  join cohort.variant t on t.environment = e.environment and t.experiment = e.key and t.id <> c.id;
comment on view cohort.guardrail_arm is 'Every guardrail with every treatment it compares with control';
comment on column cohort.guardrail_arm.environment is 'The environment';
comment on column cohort.guardrail_arm.experiment_id is 'experiment.id';
comment on column cohort.guardrail_arm.experiment is 'experiment.key';
comment on column cohort.guardrail_arm.status is 'experiment.status';
comment on column cohort.guardrail_arm.iteration is 'experiment.iteration';
comment on column cohort.guardrail_arm.guardrail_id is 'guardrail.id';
comment on column cohort.guardrail_arm.metric_id is 'metric.id';
comment on column cohort.guardrail_arm.metric_version is 'metric.version';
comment on column cohort.guardrail_arm.metric is 'metric.key';
comment on column cohort.guardrail_arm.event is 'The event it counts';
comment on column cohort.guardrail_arm.kind is 'metric.kind';
comment on column cohort.guardrail_arm.action is 'stop, pause, hold, roll_back or alert';
comment on column cohort.guardrail_arm.direction is 'Which way is harm: up or down';
comment on column cohort.guardrail_arm.margin is 'The risk ratio that is tolerated';
comment on column cohort.guardrail_arm.weight is 'Its part of the error level; the weights of stop, pause and roll_back sum to 1, and so do those of alert and hold';
comment on column cohort.guardrail_arm.count is 'at_event or at_maturity';
comment on column cohort.guardrail_arm.alpha is 'The error level of those guardrails together';
comment on column cohort.guardrail_arm.arms is 'Variants of the experiment, control included';
comment on column cohort.guardrail_arm.treatment_id is 'variant.id of the treatment';
comment on column cohort.guardrail_arm.treatment is 'variant.key of the treatment';
comment on column cohort.guardrail_arm.control_id is 'variant.id of control';
comment on column cohort.guardrail_arm.control is 'variant.key of control';
comment on column cohort.guardrail_arm.dropped_at is 'When the treatment was dropped; null: it is served';

create view cohort.guardrail_input as
select a.environment, a.experiment_id, a.experiment, a.iteration, a.guardrail_id, a.metric, a.event, a.action,
       a.direction, a.margin, a.weight, a.count, a.alpha, a.arms, a.treatment_id, a.treatment, a.control_id, a.control,
       p.id as phase_id, p.number as phase, tv.share_ppm as treatment_share_ppm, cv.share_ppm as control_share_ppm,
       coalesce(case a.count when 'at_maturity' then ts.matured_units else ts.units end, 0) as treatment_units,
       coalesce(case a.count when 'at_maturity' then ts.matured_event_units else ts.event_units end, 0)
           as treatment_events,
       coalesce(case a.count when 'at_maturity' then cs.matured_units else cs.units end, 0) as control_units,
       coalesce(case a.count when 'at_maturity' then cs.matured_event_units else cs.event_units end, 0)
           as control_events,
       a.metric_id, a.metric_version, a.kind, t.centre, t.scale, t.clip,
       case when a.kind <> 'binary' and t.centre is null then (
           select sum(x.matured_amounts) from cohort.metric_stat x
            where x.experiment_id = a.experiment_id and x.metric_id = a.metric_id and x.metric_version = a.metric_version
              and x.segment = 0) end as amounts,
       case when a.kind <> 'binary' then cohort.arm_text(ts) end as treatment_sums,
       case when a.kind <> 'binary' then cohort.arm_text(cs) end as control_sums,
       case when a.kind <> 'binary' then cohort.bucket_text(a.experiment_id, a.metric_id, a.metric_version, p.id, a.treatment_id) end
           as treatment_buckets,
       case when a.kind <> 'binary' then cohort.bucket_text(a.experiment_id, a.metric_id, a.metric_version, p.id, a.control_id) end
           as control_buckets, null::int as odds
  from cohort.guardrail_arm a
  -- Where a model decides, arms differ in who gets them: those units are compared with units of the same odds, below.
  join cohort.phase p on p.experiment_id = a.experiment_id and p.model_id is null
  join cohort.phase_variant tv on tv.phase_id = p.id and tv.variant_id = a.treatment_id and tv.share_ppm > 0
  join cohort.phase_variant cv on cv.phase_id = p.id and cv.variant_id = a.control_id and cv.share_ppm > 0
  left join cohort.metric_stat ts
    on ts.experiment_id = a.experiment_id and ts.metric_id = a.metric_id and ts.metric_version = a.metric_version
   and ts.phase_id = p.id and ts.variant_id = a.treatment_id and ts.segment = 0
  left join cohort.metric_stat cs
    on cs.experiment_id = a.experiment_id and cs.metric_id = a.metric_id and cs.metric_version = a.metric_version
   and cs.phase_id = p.id and cs.variant_id = a.control_id and cs.segment = 0
  left join cohort.tilt_score t
    on t.experiment_id = a.experiment_id and t.metric_id = a.metric_id and t.metric_version = a.metric_version
 where a.status in ('running', 'paused') and a.kind <> 'quantile' and a.dropped_at is null
   and not exists (select from cohort.stop_event s
                    where s.experiment_id = a.experiment_id and s.iteration = a.iteration)
 union all
-- Units of any phases whose odds are of one step. Its edge that explains harm best is taken for all of it. Values are
-- left out: the histogram tilt has scores of both signs, so no edge is on the safe side of them all.
select a.environment, a.experiment_id, a.experiment, a.iteration, a.guardrail_id, a.metric, a.event, a.action,
       a.direction, a.margin, a.weight, a.count, a.alpha, a.arms, a.treatment_id, a.treatment, a.control_id, a.control,
       null, null, cohort.odds_share(o.odds, a.direction = 'up'), 1000000 - cohort.odds_share(o.odds, a.direction = 'up'),
       o.treatment_units, o.treatment_events, o.control_units, o.control_events,
       a.metric_id, a.metric_version, a.kind, null, null, null, null, null, null, null, null, o.odds
  from cohort.guardrail_arm a
 cross join lateral (
       select s.odds, coalesce(sum(v.units) filter (where s.variant_id = a.treatment_id), 0)::bigint as treatment_units,
              coalesce(sum(v.events) filter (where s.variant_id = a.treatment_id), 0)::bigint as treatment_events,
              coalesce(sum(v.units) filter (where s.variant_id = a.control_id), 0)::bigint as control_units,
              coalesce(sum(v.events) filter (where s.variant_id = a.control_id), 0)::bigint as control_events
         from cohort.odds_stat s
        cross join lateral (select case a.count when 'at_maturity' then s.matured_units else s.units end as units,
                                   case a.count when 'at_maturity' then s.matured_event_units else s.event_units end as events) v
        where s.experiment_id = a.experiment_id and s.metric_id = a.metric_id and s.metric_version = a.metric_version
          and s.treatment_id = a.treatment_id
        group by s.odds) o
 where a.status in ('running', 'paused') and a.kind = 'binary' and a.dropped_at is null
   and not exists (select from cohort.stop_event s
                    where s.experiment_id = a.experiment_id and s.iteration = a.iteration)
 order by experiment_id, guardrail_id, treatment_id, phase, odds;
comment on view cohort.guardrail_input is
    'What the monitor computes with: a row per guardrail, treatment and phase of each running or paused experiment that nothing has stopped, and where a model decides, one per step of the odds. A dropped arm harms nobody any more';
comment on column cohort.guardrail_input.environment is 'The environment';
comment on column cohort.guardrail_input.experiment_id is 'experiment.id';
comment on column cohort.guardrail_input.experiment is 'experiment.key';
comment on column cohort.guardrail_input.iteration is 'experiment.iteration';
comment on column cohort.guardrail_input.guardrail_id is 'guardrail.id';
comment on column cohort.guardrail_input.metric is 'metric.key';
comment on column cohort.guardrail_input.event is 'The event it counts';
comment on column cohort.guardrail_input.action is 'stop, pause, hold, roll_back or alert';
comment on column cohort.guardrail_input.direction is 'Which way is harm: up or down';
comment on column cohort.guardrail_input.margin is 'The risk ratio that is tolerated';
comment on column cohort.guardrail_input.weight is 'Its part of the error level; the weights of stop, pause and roll_back sum to 1, and so do those of alert and hold';
comment on column cohort.guardrail_input.count is 'at_event or at_maturity';
comment on column cohort.guardrail_input.alpha is 'The error level of those guardrails together';
comment on column cohort.guardrail_input.arms is 'Variants of the experiment, control included';
comment on column cohort.guardrail_input.treatment_id is 'variant.id of the treatment';
comment on column cohort.guardrail_input.treatment is 'variant.key of the treatment';
comment on column cohort.guardrail_input.control_id is 'variant.id of control';
comment on column cohort.guardrail_input.control is 'variant.key of control';
comment on column cohort.guardrail_input.phase_id is 'phase.id; null: a step of the odds';
comment on column cohort.guardrail_input.phase is 'phase.number; null: a step of the odds';
comment on column cohort.guardrail_input.treatment_share_ppm is 'The treatment''s share in the phase; of a step of the odds, cohort.odds_share() of its edge that speaks against harm';
comment on column cohort.guardrail_input.control_share_ppm is 'Control''s share in the phase; of a step of the odds, the rest';
comment on column cohort.guardrail_input.treatment_units is 'Units of the treatment (matured ones when count is at_maturity)';
comment on column cohort.guardrail_input.treatment_events is 'Of those, units with a first event';
comment on column cohort.guardrail_input.control_units is 'Units of control (matured ones when count is at_maturity)';
comment on column cohort.guardrail_input.control_events is 'Of those, units with a first event';
comment on column cohort.guardrail_input.metric_id is 'metric.id';
comment on column cohort.guardrail_input.metric_version is 'metric.version';
comment on column cohort.guardrail_input.kind is 'metric.kind';
comment on column cohort.guardrail_input.centre is 'tilt_score.centre; null: no scores yet';
comment on column cohort.guardrail_input.scale is 'tilt_score.scale; null: no scores yet';
comment on column cohort.guardrail_input.clip is 'tilt_score.clip; null: no scores yet';
comment on column cohort.guardrail_input.amounts is 'Matured units of all arms and phases with an amount, while there are no scores';
comment on column cohort.guardrail_input.treatment_sums is 'cohort.arm_text() of the treatment; null for a binary metric';
comment on column cohort.guardrail_input.control_sums is 'cohort.arm_text() of control; null for a binary metric';
comment on column cohort.guardrail_input.treatment_buckets is 'cohort.bucket_text() of the treatment; null for a binary metric';
comment on column cohort.guardrail_input.control_buckets is 'cohort.bucket_text() of control; null for a binary metric';

comment on column cohort.guardrail_input.odds is 'odds_stat.odds; null: a phase';

-- Planning the view costs as much as reading it: a function keeps its plan for the leader's connection.
create function cohort.guardrail_rows() returns setof cohort.guardrail_input
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
begin
    return query select * from cohort.guardrail_input;
end $$;
comment on function cohort.guardrail_rows() is 'cohort.guardrail_input, for the monitor: planned once a connection';

drop function if exists cohort.record_guardrail(bigint, int, int, double precision, double precision, double precision, timestamptz, double precision, double precision, jsonb);
create or replace function cohort.record_guardrail(epoch bigint, guardrail_id int, treatment_id int,
        ln_e double precision, risk_ratio double precision, lower double precision, as_of timestamptz default null,
        upper double precision default null, threshold double precision default null, detail jsonb default null,
        metric_version int default null)
    returns void language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    run int;
    judged int;
begin
    perform cohort.assert_epoch($1);
    select e.iteration, coalesce($11, (select m.version from cohort.metric m where m.environment = g.environment and m.key = g.metric), 1)
      into run, judged from cohort.guardrail g
      join cohort.experiment e on e.environment = g.environment and e.key = g.experiment where g.id = $2;
    if not found then
        perform cohort.fail('guardrail_known', format('There is no guardrail %s.', $2));
    end if;
    insert into cohort.guardrail_state as s (guardrail_id, treatment_id, iteration, ln_e, max_ln_e, risk_ratio, lower,
                                             as_of, upper, threshold, detail, metric_version)
    values ($2, $3, run, $4, $4, $5, $6,
            coalesce($7, (select l.as_of from cohort.leader_state l), clock_timestamp()), $8, $9, $10, judged)
    on conflict (guardrail_id, treatment_id, iteration, metric_version) do update
       set ln_e = excluded.ln_e, max_ln_e = greatest(s.max_ln_e, excluded.ln_e), risk_ratio = excluded.risk_ratio,
           lower = excluded.lower, as_of = excluded.as_of, upper = excluded.upper, threshold = excluded.threshold,
           detail = excluded.detail;
end $$;
comment on function cohort.record_guardrail(bigint, int, int, double precision, double precision, double precision, timestamptz, double precision, double precision, jsonb, int) is
    'Writes where a guardrail stands; keeps the largest ln E. as_of null: that of the last pass';
