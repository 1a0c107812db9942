-- The roll-up, second part: differences. Each step writes to roll_delta what it changes; the sums are changed once.
-- Hash and merge joins are off because they would read a whole table for a few units.

create or replace function cohort.rollup_take_back() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, units)
    select experiment_id, 0, phase_id, variant_id, -count(*) from pg_temp.roll_back
     group by experiment_id, phase_id, variant_id;
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, units, matured_units)
    select b.experiment_id, p.metric_id, b.phase_id, b.variant_id, -count(*),
           -count(*) filter (where b.first_ts <= p.matured_from)
      from pg_temp.roll_back b
      join pg_temp.roll_pair p on p.experiment_id = b.experiment_id and not p.rebuild
     group by b.experiment_id, p.metric_id, b.phase_id, b.variant_id;
    -- Counted again, a unit's frozen part is as if it had come first.
    update cohort.unit_frozen f set matured_n = f.n, matured_sum = f.sum
      from pg_temp.roll_back b where f.unit_id = b.unit_id and f.experiment_id = b.experiment_id;
    with gone as (
        delete from cohort.unit_metric u using pg_temp.roll_back b
         where u.unit_id = b.unit_id and u.experiment_id = b.experiment_id
        returning u.*)
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, event_units, sum, sum_sq,
                                    matured_event_units, matured_sum, matured_sum_sq)
    select g.experiment_id, g.metric_id, g.phase_id, g.variant_id, -count(*), -sum(y), -sum(y * y),
           -count(*) filter (where g.matured_n > 0), -sum(my), -sum(my * my)
      from gone g
      join pg_temp.roll_pair p on p.experiment_id = g.experiment_id and p.metric_id = g.metric_id and not p.rebuild
     cross join lateral (select cohort.unit_value(p.kind, g.n, g.sum) as y,
                                cohort.unit_value(p.kind, g.matured_n, g.matured_sum) as my) v
     group by g.experiment_id, g.metric_id, g.phase_id, g.variant_id;
end $$;
comment on function cohort.rollup_take_back() is
    'Part of rollup(): undoes all that was counted of exposures that have been replaced';

-- Units of this pass: their outcomes are looked up whenever those came.
create or replace function cohort.rollup_unit_outcomes() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    with h as materialized (
        select experiment_id, bool_or(window_end is null) as endless, max(window_end) as longest
          from pg_temp.roll_pair where not rebuild group by experiment_id
    ), r as materialized (
        select r.*, case when h.endless then 'infinity' else r.first_ts + h.longest end as horizon
          from pg_temp.roll_unit r join h on h.experiment_id = r.experiment_id
    ), seen as (
        select r.unit_id, r.experiment_id, p.metric_id, r.phase_id, r.variant_id, p.metric_version,
               r.first_ts <= p.matured_to as matured, count(*) as n, coalesce(sum(o.value), 0) as sum
          from r
         cross join lateral (
               select o.name, o.ts, o.value from cohort.outcome o
                where o.unit_id = r.unit_id and o.ts >= r.first_ts and o.ts < r.horizon and o.trusted
                  and not exists (select from cohort.ingest_batch b
                                   where b.batch_id = o.batch_id and b.applied_at is null) offset 0) o
          join pg_temp.roll_pair p on p.experiment_id = r.experiment_id and p.event = o.name and not p.rebuild
                                  and o.ts >= r.first_ts + p.window_start
                                  and (p.window_end is null or o.ts < r.first_ts + p.window_end)
         group by r.unit_id, r.experiment_id, p.metric_id, r.phase_id, r.variant_id, p.metric_version,
               r.first_ts <= p.matured_to
        union all
        -- of days that are kept no longer: only a unit that is counted again has any
        select r.unit_id, r.experiment_id, p.metric_id, r.phase_id, r.variant_id, p.metric_version,
               r.first_ts <= p.matured_to, f.n, f.sum
          from r
          join cohort.unit_frozen f on f.unit_id = r.unit_id and f.experiment_id = r.experiment_id
          join pg_temp.roll_pair p on p.experiment_id = f.experiment_id and p.metric_id = f.metric_id
                                  and p.metric_version = f.metric_version and not p.rebuild
    ), d as (
        select unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, matured, sum(n)::bigint as n,
               sum(sum) as sum
          from seen group by 1, 2, 3, 4, 5, 6, 7
    ), kept as (
        insert into cohort.unit_metric (unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum,
                                        matured_n, matured_sum)
        select unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum,
               case when matured then n else 0 end, case when matured then sum else 0 end from d
        returning *)
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, event_units, sum, sum_sq,
                                    matured_event_units, matured_sum, matured_sum_sq)
    select k.experiment_id, k.metric_id, k.phase_id, k.variant_id, count(*), sum(y), sum(y * y),
           count(*) filter (where k.matured_n > 0), sum(my), sum(my * my)
      from kept k
      join pg_temp.roll_pair p on p.experiment_id = k.experiment_id and p.metric_id = k.metric_id
     cross join lateral (select cohort.unit_value(p.kind, k.n, k.sum) as y,
                                cohort.unit_value(p.kind, k.matured_n, k.matured_sum) as my) v
     group by k.experiment_id, k.metric_id, k.phase_id, k.variant_id;
end $$;
comment on function cohort.rollup_unit_outcomes() is 'Part of rollup(): counts the outcomes of newly exposed units';

create or replace function cohort.rollup_units() returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, units)
    select experiment_id, 0, phase_id, variant_id, count(*) from pg_temp.roll_unit
     group by experiment_id, phase_id, variant_id;
    if not found then
        return;
    end if;
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, units, matured_units)
    select r.experiment_id, p.metric_id, r.phase_id, r.variant_id, count(*),
           count(*) filter (where r.first_ts <= p.matured_to)
      from pg_temp.roll_unit r
      join pg_temp.roll_pair p on p.experiment_id = r.experiment_id and not p.rebuild
     group by r.experiment_id, p.metric_id, r.phase_id, r.variant_id;
    perform cohort.rollup_unit_outcomes();
end $$;
comment on function cohort.rollup_units() is 'Part of rollup(): counts newly exposed units';

-- New outcomes of units that had been counted before. An exposure of a batch still to come is left out: that batch's
-- pass counts the unit anew from its rows. What was replaced since this pass began still counts, until the next one.
create or replace function cohort.rollup_outcomes(ids bigint[]) returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    with d as materialized (
        select o.unit_id, e.experiment_id, p.metric_id, e.phase_id, e.variant_id, p.metric_version, p.kind,
               count(*) as n, coalesce(sum(o.value), 0) as sum
          from pg_temp.roll_outcome o
         cross join lateral (
               select e.experiment_id, e.phase_id, e.variant_id, e.first_ts from cohort.exposure e
                where e.unit_id = o.unit_id and e.first_ts <= o.ts and e.batch_id <> all (ids)
                  and not exists (select from cohort.ingest_batch b
                                   where b.batch_id = e.batch_id and b.applied_at is null)
               union all
               select r.experiment_id, r.old_phase_id, r.old_variant_id, r.old_first_ts from cohort.exposure_replaced r
                where r.unit_id = o.unit_id and r.resolved_pass is null and r.old_first_ts <= o.ts
                  and r.old_batch_id <> all (ids)
                  and not exists (select from cohort.ingest_batch b
                                   where b.batch_id = r.old_batch_id and b.applied_at is null) offset 0) e
          join pg_temp.roll_pair p on p.experiment_id = e.experiment_id and p.event = o.name and not p.rebuild
                                  and o.ts >= e.first_ts + p.window_start
                                  and (p.window_end is null or o.ts < e.first_ts + p.window_end)
         group by o.unit_id, e.experiment_id, p.metric_id, e.phase_id, e.variant_id, p.metric_version, p.kind
    ), up as (
        insert into cohort.unit_metric as u (unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version,
                                             n, sum)
        select unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum from d
        on conflict (unit_id, experiment_id, metric_id) do update
           set n = u.n + excluded.n, sum = u.sum + excluded.sum)
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, event_units, sum, sum_sq)
    select d.experiment_id, d.metric_id, d.phase_id, d.variant_id, count(*) filter (where u.n is null),
           sum(v.y - v.old_y), sum(v.y * v.y - v.old_y * v.old_y)
      from d
      -- the rows as they were before "up"
      left join cohort.unit_metric u on u.unit_id = d.unit_id and u.experiment_id = d.experiment_id
                                    and u.metric_id = d.metric_id
     cross join lateral (select cohort.unit_value(d.kind, coalesce(u.n, 0), coalesce(u.sum, 0)) as old_y,
                                cohort.unit_value(d.kind, coalesce(u.n, 0) + d.n, coalesce(u.sum, 0) + d.sum) as y) v
     group by d.experiment_id, d.metric_id, d.phase_id, d.variant_id;
end $$;
comment on function cohort.rollup_outcomes(bigint[]) is
    'Part of rollup(): adds new outcomes to units whose exposure was counted by an earlier pass';

create or replace function cohort.rollup_mature() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, matured_units)
    select experiment_id, metric_id, phase_id, variant_id, count(*) from pg_temp.roll_mature
     group by experiment_id, metric_id, phase_id, variant_id;
    if not found then
        return;
    end if;
    with frozen as (
        update cohort.unit_metric u set matured_n = u.n, matured_sum = u.sum
          from pg_temp.roll_mature r
         where u.unit_id = r.unit_id and u.experiment_id = r.experiment_id and u.metric_id = r.metric_id
        returning u.*)
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, matured_event_units, matured_sum,
                                    matured_sum_sq)
    select f.experiment_id, f.metric_id, f.phase_id, f.variant_id, count(*), sum(y), sum(y * y)
      from frozen f
      join pg_temp.roll_pair p on p.experiment_id = f.experiment_id and p.metric_id = f.metric_id
     cross join lateral (select cohort.unit_value(p.kind, f.matured_n, f.matured_sum) as y) v
     group by f.experiment_id, f.metric_id, f.phase_id, f.variant_id;
end $$;
comment on function cohort.rollup_mature() is
    'Part of rollup(): freezes the values of units whose window has closed; what comes later no longer changes them';
