-- The same numbers again, from the rows: for repair, and to check the roll-up against.

-- What counts is what the batches applied so far say. Where a later batch, not applied yet, replaced an exposure,
-- the old one still counts.
create or replace function cohort.recount_exposures(experiment_id int)
    returns table (unit_id uuid, phase_id int, variant_id int, first_ts timestamptz, applied_pass bigint)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select e.unit_id, e.phase_id, e.variant_id, e.first_ts, coalesce(b.applied_pass, 0)
      from cohort.exposure e left join cohort.ingest_batch b on b.batch_id = e.batch_id
     where e.experiment_id = $1 and (b.batch_id is null or b.applied_at is not null)
    union all
    select x.unit_id, x.old_phase_id, x.old_variant_id, x.old_first_ts, coalesce(b.applied_pass, 0)
      from cohort.exposure_replaced x left join cohort.ingest_batch b on b.batch_id = x.old_batch_id
     where x.experiment_id = $1 and x.resolved_pass is null and (b.batch_id is null or b.applied_at is not null)
$$;
comment on function cohort.recount_exposures(int) is
    'The units that count for this experiment, and the pass that counted each';

-- A unit matured at the first pass that had both counted it and reached its time; outcomes applied by then are in
-- its frozen value.
create or replace function cohort.recount_units(experiment_id int, metric_id int)
    returns table (unit_id uuid, phase_id int, variant_id int, n bigint, sum numeric, matured boolean,
                   matured_n bigint, matured_sum numeric)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with p as (
        select t.matured_to, t.metric_version, m.event, make_interval(secs => m.window_start_s) as window_start,
               make_interval(secs => m.window_end_s) as window_end
          from cohort.tracked_metric t join cohort.metric m on m.id = t.metric_id
         where t.experiment_id = $1 and t.metric_id = $2
    ), u as (
        select e.*, p.metric_version, p.event, p.window_start, p.window_end,
               case when e.first_ts <= p.matured_to
                    then greatest(e.applied_pass,
                                  (select y.pass from cohort.maturity y
                                    where y.experiment_id = $1 and y.metric_id = $2 and y.matured_to >= e.first_ts
                                    order by y.matured_to, y.pass limit 1)) end as matured_pass
          from cohort.recount_exposures($1) e cross join p
    ), o as (
        select u.unit_id, count(*) as n, coalesce(sum(o.value), 0) as sum,
               count(*) filter (where coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_n,
               coalesce(sum(o.value) filter (where coalesce(b.applied_pass, 0) <= u.matured_pass), 0) as matured_sum
          from u
          join cohort.outcome o on o.unit_id = u.unit_id and o.name = u.event and o.trusted
                               and o.ts >= u.first_ts + u.window_start
                               and (u.window_end is null or o.ts < u.first_ts + u.window_end)
          left join cohort.ingest_batch b on b.batch_id = o.batch_id
         where b.batch_id is null or b.applied_at is not null
         group by u.unit_id
    )
    select u.unit_id, u.phase_id, u.variant_id, coalesce(o.n, 0) + coalesce(f.n, 0), coalesce(o.sum, 0) + coalesce(f.sum, 0),
           u.matured_pass is not null,
           coalesce(o.matured_n, 0) + case when u.matured_pass is null then 0 else coalesce(f.matured_n, 0) end,
           coalesce(o.matured_sum, 0) + case when u.matured_pass is null then 0 else coalesce(f.matured_sum, 0) end
      from u
      left join o on o.unit_id = u.unit_id
      left join cohort.unit_frozen f on f.unit_id = u.unit_id and f.experiment_id = $1 and f.metric_id = $2
                                    and f.metric_version = u.metric_version
$$;
comment on function cohort.recount_units(int, int) is
    'What each unit of this experiment did for this metric, computed from the rows of the applied batches and what is frozen of days that are kept no longer';

create or replace function cohort.recount(experiment_id int) returns setof cohort.metric_stat
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select $1, u.phase_id, u.variant_id, t.metric_id, t.metric_version, 0, count(*), count(*) filter (where u.n > 0),
           sum(v.y), sum(v.y * v.y), count(*) filter (where u.matured),
           count(*) filter (where u.matured_n > 0), sum(v.my), sum(v.my * v.my),
           0::bigint, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric,
           0::bigint, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric
      from cohort.tracked_metric t
      join cohort.metric m on m.id = t.metric_id
     cross join lateral cohort.recount_units($1, t.metric_id) u
     cross join lateral (select cohort.unit_value(m.kind, u.n, u.sum) as y,
                                cohort.unit_value(m.kind, u.matured_n, u.matured_sum) as my) v
     where t.experiment_id = $1
     group by u.phase_id, u.variant_id, t.metric_id, t.metric_version
$$;
comment on function cohort.recount(int) is
    'The rows metric_stat must have for this experiment (its id), computed from the rows of the applied batches: equal at any time';

create or replace function cohort.rebuild_metric(experiment_id int, metric_id int) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    delete from cohort.unit_metric u where u.experiment_id = $1 and u.metric_id = $2;
    delete from cohort.metric_stat s where s.experiment_id = $1 and s.metric_id = $2;
    insert into cohort.unit_metric (unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum,
                                    matured_n, matured_sum)
    select u.unit_id, $1, $2, u.phase_id, u.variant_id, t.metric_version, u.n, u.sum, u.matured_n, u.matured_sum
      from cohort.tracked_metric t cross join lateral cohort.recount_units($1, $2) u
     where t.experiment_id = $1 and t.metric_id = $2 and u.n > 0;
    insert into cohort.metric_stat select * from cohort.recount($1) r where r.metric_id = $2;
end $$;
comment on function cohort.rebuild_metric(int, int) is 'Counts one metric of one experiment anew from its rows';

create or replace function cohort.repair(key text) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    experiment int;
    metric int;
    n int := 0;
begin
    perform from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown($1)));
    end if;
    perform from cohort.leader_state for update;
    for experiment in select i.experiment_id from cohort.every_iteration i
                       where i.environment = cohort.current_environment() and i.experiment = $1 loop
        delete from cohort.exposure_stat s where s.experiment_id = experiment;
        insert into cohort.exposure_stat
        select experiment, phase_id, variant_id, count(*) from cohort.recount_exposures(experiment)
         group by phase_id, variant_id;
        for metric in select t.metric_id from cohort.tracked_metric t where t.experiment_id = experiment loop
            perform cohort.rebuild_metric(experiment, metric);
            n := n + 1;
        end loop;
    end loop;
    return n;
end $$;
comment on function cohort.repair(text) is
    'Counts an experiment anew from its rows, earlier iterations too, should its numbers ever be in doubt; returns how many metrics. Passes of the monitor wait meanwhile';
