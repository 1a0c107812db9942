-- The same numbers again, from the rows: for repair, and to check the roll-up against.

-- What counts is what the batches applied so far say. Where a later batch, not applied yet, replaced an exposure,
-- the old one still counts.
-- (Dropped first: they return other columns than before.)
drop function if exists cohort.recount(int), cohort.recount(int, int);
drop function if exists cohort.recount_units(int, int);
drop function if exists cohort.recount_exposures(int);
create function cohort.recount_exposures(experiment_id int)
    returns table (unit_id uuid, phase_id int, variant_id int, first_ts timestamptz, segments jsonb, applied_pass bigint)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select e.unit_id, e.phase_id, e.variant_id, e.first_ts, e.segments, coalesce(b.applied_pass, 0)
      from cohort.exposure e left join cohort.ingest_batch b on b.batch_id = e.batch_id
     where e.experiment_id = $1 and (b.batch_id is null or b.applied_at is not null)
    union all
    select x.unit_id, x.old_phase_id, x.old_variant_id, x.old_first_ts, x.old_segments, coalesce(b.applied_pass, 0)
      from cohort.exposure_replaced x left join cohort.ingest_batch b on b.batch_id = x.old_batch_id
     where x.experiment_id = $1 and x.resolved_pass is null and (b.batch_id is null or b.applied_at is not null)
$$;
comment on function cohort.recount_exposures(int) is
    'The units that count for this experiment, and the pass that counted each';

-- A unit matured at the first pass that had both counted it and reached its time; outcomes applied by then are in
-- its frozen value.
create function cohort.recount_units(experiment_id int, metric_id int)
    returns table (unit_id uuid, phase_id int, variant_id int, ids int[], n bigint, sum numeric, d_n bigint, d_sum numeric,
                   x_n bigint, x_sum numeric, matured boolean, matured_n bigint, matured_sum numeric, matured_d_n bigint,
                   matured_d_sum numeric, matured_x_n bigint, matured_x_sum numeric)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with p as (
        select t.matured_to, t.metric_version, m.trusted_only, s.*
          from cohort.tracked_metric t join cohort.metric m on m.id = t.metric_id
         cross join lateral cohort.metric_parts(m.kind, m.event, m.event_path, m.denominator_event, m.denominator_path,
                                                m.window_start_s, m.window_end_s, m.cuped_days) s
         where t.experiment_id = $1 and t.metric_id = $2
    ), u as (
        select e.*, t.metric_version, cohort.segment_ids($1, e.segments) as ids,
               case when e.first_ts <= t.matured_to
                    then greatest(e.applied_pass,
                                  (select y.pass from cohort.maturity y
                                    where y.experiment_id = $1 and y.metric_id = $2 and y.matured_to >= e.first_ts
                                    order by y.matured_to, y.pass limit 1)) end as matured_pass
          from cohort.recount_exposures($1) e
          join cohort.tracked_metric t on t.experiment_id = $1 and t.metric_id = $2
    ), o as (
        select u.unit_id,
               count(*) filter (where u.part = 'y') as n,
               sum(coalesce(o.value, u.absent)) filter (where u.part = 'y') as sum,
               count(*) filter (where u.part = 'd') as d_n,
               sum(coalesce(o.value, u.absent)) filter (where u.part = 'd') as d_sum,
               count(*) filter (where u.part = 'x') as x_n,
               sum(coalesce(o.value, u.absent)) filter (where u.part = 'x') as x_sum,
               count(*) filter (where u.part = 'y' and coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_n,
               sum(coalesce(o.value, u.absent)) filter (where u.part = 'y' and coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_sum,
               count(*) filter (where u.part = 'd' and coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_d_n,
               sum(coalesce(o.value, u.absent)) filter (where u.part = 'd' and coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_d_sum,
               count(*) filter (where u.part = 'x' and coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_x_n,
               sum(coalesce(o.value, u.absent)) filter (where u.part = 'x' and coalesce(b.applied_pass, 0) <= u.matured_pass) as matured_x_sum
          from (select u.unit_id, u.first_ts, u.matured_pass, p.* from u cross join p) u
          join cohort.outcome o on o.unit_id = u.unit_id and o.name = u.name and (o.trusted or not u.trusted_only)
                               and o.ts >= u.first_ts + u.since and (u.upto is null or o.ts < u.first_ts + u.upto)
                               and (u.path is null or o.attributes @@ u.path)
          left join cohort.ingest_batch b on b.batch_id = o.batch_id
         where b.batch_id is null or b.applied_at is not null
         group by u.unit_id
    )
    select u.unit_id, u.phase_id, u.variant_id, u.ids, coalesce(o.n, 0) + coalesce(f.n, 0), coalesce(o.sum, 0) + coalesce(f.sum, 0),
           nullif(coalesce(o.d_n, 0) + coalesce(f.d_n, 0), 0), coalesce(o.d_sum + f.d_sum, o.d_sum, f.d_sum),
           nullif(coalesce(o.x_n, 0) + coalesce(f.x_n, 0), 0), coalesce(o.x_sum + f.x_sum, o.x_sum, f.x_sum),
           u.matured_pass is not null, coalesce(o.matured_n, 0) + coalesce(f.matured_n, 0), coalesce(o.matured_sum, 0) + coalesce(f.matured_sum, 0),
           nullif(coalesce(o.matured_d_n, 0) + coalesce(f.matured_d_n, 0), 0), coalesce(o.matured_d_sum + f.matured_d_sum, o.matured_d_sum, f.matured_d_sum),
           nullif(coalesce(o.matured_x_n, 0) + coalesce(f.matured_x_n, 0), 0), coalesce(o.matured_x_sum + f.matured_x_sum, o.matured_x_sum, f.matured_x_sum)
      from u
      left join o on o.unit_id = u.unit_id
      left join lateral (select g.n, g.sum, g.d_n, g.d_sum, g.x_n, g.x_sum, case when u.matured_pass is not null then g.matured_n end as matured_n,
                                case when u.matured_pass is not null then g.matured_sum end as matured_sum,
                                case when u.matured_pass is not null then g.matured_d_n end as matured_d_n,
                                case when u.matured_pass is not null then g.matured_d_sum end as matured_d_sum,
                                case when u.matured_pass is not null then g.matured_x_n end as matured_x_n,
                                case when u.matured_pass is not null then g.matured_x_sum end as matured_x_sum
                           from cohort.unit_frozen g
                          where g.unit_id = u.unit_id and g.experiment_id = $1 and g.metric_id = $2
                            and g.metric_version = u.metric_version) f on true
$$;
comment on function cohort.recount_units(int, int) is
    'What each unit of this experiment did for this metric, computed from the rows of the applied batches and what is frozen of days that are kept no longer';

-- Every unit of an experiment with its values, in each of its segments; 0 is the one of all units.
drop function if exists cohort.recount_values(int, int);
create function cohort.recount_values(experiment_id int, metric_id int default null)
    returns table (phase_id int, variant_id int, metric_id int, metric_version int, kind text, segment int, n bigint, y numeric,
                   d numeric, x numeric, matured boolean, matured_n bigint, matured_y numeric, matured_d numeric, matured_x numeric)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select u.phase_id, u.variant_id, t.metric_id, t.metric_version, p.kind, g.segment,
           u.n, cohort.unit_value(p.kind, u.n, u.sum, p.low, p.high), coalesce(u.d_sum, 0),
           cohort.unit_value(p.kind, coalesce(u.x_n, 0), u.x_sum, p.low, p.high),
           u.matured, u.matured_n, cohort.unit_value(p.kind, u.matured_n, u.matured_sum, p.low, p.high), coalesce(u.matured_d_sum, 0),
           cohort.unit_value(p.kind, coalesce(u.matured_x_n, 0), u.matured_x_sum, p.low, p.high)
      from cohort.tracked_metric t
      join cohort.counted_metric p on p.experiment_id = t.experiment_id and p.metric_id = t.metric_id
     cross join lateral cohort.recount_units($1, t.metric_id) u
     cross join lateral unnest(array[0] || u.ids) g(segment)
     where t.experiment_id = $1 and ($2 is null or t.metric_id = $2)
$$;
comment on function cohort.recount_values(int, int) is
    'What each unit counts for, metric by metric (or for one) and segment by segment, computed from the rows of the applied batches';

create function cohort.recount(experiment_id int, metric_id int default null) returns setof cohort.metric_stat
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select $1, u.phase_id, u.variant_id, u.metric_id, u.metric_version, u.segment, count(*), count(*) filter (where u.n > 0),
           sum(u.y), sum(u.y * u.y), count(*) filter (where u.matured), count(*) filter (where u.matured_n > 0),
           sum(u.matured_y), sum(u.matured_y * u.matured_y),
           count(*) filter (where u.y <> 0), sum(u.y * u.y * u.y), sum(u.d), sum(u.d * u.d), sum(u.y * u.d), sum(u.x),
           sum(u.x * u.x), sum(u.x * u.y),
           count(*) filter (where u.matured_y <> 0), sum(u.matured_y * u.matured_y * u.matured_y), sum(u.matured_d),
           sum(u.matured_d * u.matured_d), sum(u.matured_y * u.matured_d), sum(u.matured_x), sum(u.matured_x * u.matured_x),
           sum(u.matured_x * u.matured_y)
      from cohort.recount_values($1, $2) u
     where u.segment >= 0
     group by u.phase_id, u.variant_id, u.metric_id, u.metric_version, u.segment
$$;
comment on function cohort.recount(int, int) is
    'The rows metric_stat must have for this experiment (its id), or for one of its metrics, and the versions that count, computed from the rows of the applied batches: equal at any time';

drop function if exists cohort.recount_buckets(int, int);
create function cohort.recount_buckets(experiment_id int, metric_id int default null) returns setof cohort.metric_bucket
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select $1, u.metric_id, u.metric_version, u.phase_id, u.variant_id, u.segment, b.bucket, count(*) filter (where not b.matured),
           count(*) filter (where b.matured)
      from cohort.recount_values($1, $2) u
     cross join lateral (values (cohort.bucket_of(u.y), false), (cohort.bucket_of(u.matured_y), true)) b(bucket, matured)
     where u.kind <> 'binary' and b.bucket <> 0 and u.segment >= 0
     group by u.metric_id, u.metric_version, u.phase_id, u.variant_id, u.segment, b.bucket
$$;
comment on function cohort.recount_buckets(int, int) is 'The rows metric_bucket must have for this experiment, likewise';

create or replace function cohort.recount_odds(experiment_id int, metric_id int default null) returns setof cohort.odds_stat
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select $1, u.metric_id, u.metric_version, -u.segment / 512, -u.segment % 512 - 256, u.variant_id, count(*), count(*) filter (where u.n > 0),
           count(*) filter (where u.matured), count(*) filter (where u.matured_n > 0)
      from cohort.recount_values($1, $2) u
     where u.segment < 0
     group by u.metric_id, u.metric_version, u.segment, u.variant_id
$$;
comment on function cohort.recount_odds(int, int) is 'The rows odds_stat must have for this experiment, likewise';

create or replace function cohort.rebuild_metric(experiment_id int, metric_id int) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    delete from cohort.unit_metric u where u.experiment_id = $1 and u.metric_id = $2;
    delete from cohort.metric_stat s using cohort.tracked_metric t
     where s.experiment_id = $1 and s.metric_id = $2 and t.experiment_id = $1 and t.metric_id = $2 and s.metric_version = t.metric_version;
    delete from cohort.metric_bucket s using cohort.tracked_metric t
     where s.experiment_id = $1 and s.metric_id = $2 and t.experiment_id = $1 and t.metric_id = $2 and s.metric_version = t.metric_version;
    delete from cohort.odds_stat s using cohort.tracked_metric t
     where s.experiment_id = $1 and s.metric_id = $2 and t.experiment_id = $1 and t.metric_id = $2 and s.metric_version = t.metric_version;
    insert into cohort.unit_metric (unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum, d_n, d_sum,
                                    x_n, x_sum, matured_n, matured_sum, matured_d_n, matured_d_sum, matured_x_n, matured_x_sum)
    select u.unit_id, $1, $2, u.phase_id, u.variant_id, t.metric_version, u.n, u.sum, u.d_n, u.d_sum, u.x_n, u.x_sum,
           u.matured_n, u.matured_sum, u.matured_d_n, u.matured_d_sum, u.matured_x_n, u.matured_x_sum
      from cohort.tracked_metric t cross join lateral cohort.recount_units($1, $2) u
     where t.experiment_id = $1 and t.metric_id = $2 and (u.n > 0 or u.d_n > 0 or u.x_n > 0);
    insert into cohort.metric_stat select * from cohort.recount($1, $2);
    insert into cohort.metric_bucket select * from cohort.recount_buckets($1, $2);
    insert into cohort.odds_stat select * from cohort.recount_odds($1, $2);
end $$;
comment on function cohort.rebuild_metric(int, int) is 'Counts one metric of one experiment anew from its rows; earlier versions of the metric stay as they are';

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
                       where i.environment = cohort.current_environment() and i.experiment = $1
                      union all
                      select l.id from cohort.lift_pair l join cohort.every_iteration i on i.experiment_id = l.experiment_id
                       where i.environment = cohort.current_environment() and i.experiment = $1 loop
        delete from cohort.exposure_stat s where s.experiment_id = experiment;
        insert into cohort.exposure_stat
        select experiment, phase_id, variant_id, count(*) from cohort.recount_exposures(experiment)
         group by phase_id, variant_id;
        for metric in select t.metric_id from cohort.tracked_metric t where t.experiment_id = experiment loop
            perform cohort.rebuild_metric(experiment, metric);
            n := n + 1;
        end loop;
        if exists (select from cohort.reward_source w where w.experiment_id = experiment) then
            perform cohort.rebuild_rewards(experiment, true);
        end if;
    end loop;
    return n;
end $$;
comment on function cohort.repair(text) is
    'Counts an experiment anew from its rows, earlier iterations too, should its numbers ever be in doubt; returns how many metrics. Passes of the monitor wait meanwhile';
