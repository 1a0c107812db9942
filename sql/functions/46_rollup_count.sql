-- The roll-up, second part: differences. Each step writes to roll_delta how many units it changes, and to roll_change
-- what a unit's values were and are; the sums are changed once.
-- Hash and merge joins are off because they would read a whole table for a few units.

create or replace function cohort.rollup_take_back() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, units)
    select experiment_id, 0, phase_id, variant_id, -count(*) from pg_temp.roll_back
     group by experiment_id, phase_id, variant_id;
    if not found then
        return;
    end if;
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, segment, matured, units)
    select b.experiment_id, p.metric_id, b.phase_id, b.variant_id, g.segment, v.matured, -count(*)
      from pg_temp.roll_back b
      join pg_temp.roll_pair p on p.experiment_id = b.experiment_id and not p.rebuild
     cross join lateral unnest(array[0] || b.ids) g(segment)
     cross join (values (false), (true)) v(matured)
     where not v.matured or b.first_ts <= p.matured_from
     group by b.experiment_id, p.metric_id, b.phase_id, b.variant_id, g.segment, v.matured;
    -- Counted again, a unit's frozen part is as if it had come first.
    update cohort.unit_frozen f
       set matured_n = f.n, matured_sum = f.sum, matured_d_n = f.d_n, matured_d_sum = f.d_sum, matured_x_n = f.x_n,
           matured_x_sum = f.x_sum
      from pg_temp.roll_back b where f.unit_id = b.unit_id and f.experiment_id = b.experiment_id;
    with gone as (
        delete from cohort.unit_metric u using pg_temp.roll_back b
         where u.unit_id = b.unit_id and u.experiment_id = b.experiment_id
        returning u.*, b.ids)
    insert into pg_temp.roll_change
    select g.experiment_id, g.metric_id, g.phase_id, g.variant_id, g.ids, -1, v.*
      from gone g
      join pg_temp.roll_pair p on p.experiment_id = g.experiment_id and p.metric_id = g.metric_id and not p.rebuild
     cross join lateral (values (false, g.n, g.sum, g.d_sum, g.x_n, g.x_sum),
                                (true, g.matured_n, g.matured_sum, g.matured_d_sum, g.matured_x_n, g.matured_x_sum)) v;
end $$;
comment on function cohort.rollup_take_back() is
    'Part of rollup(): undoes all that was counted of exposures that have been replaced';

-- Units of this pass: their outcomes are looked up whenever those came.
create or replace function cohort.rollup_unit_outcomes() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    with h as materialized (
        select experiment_id, bool_or(upto is null) as endless, max(upto) as longest, least(min(since), '0') as earliest,
               bool_or(not trusted_only) as untrusted
          from pg_temp.roll_part group by experiment_id
    ), r as materialized (
        select r.*, r.first_ts + h.earliest as since, case when h.endless then 'infinity' else r.first_ts + h.longest end as horizon,
               h.untrusted
          from pg_temp.roll_unit r join h on h.experiment_id = r.experiment_id
    ), seen as (
        select r.unit_id, r.experiment_id, p.metric_id, r.phase_id, r.variant_id, p.metric_version, r.ids,
               r.first_ts <= p.matured_to as matured, count(*) filter (where p.part = 'y') as n,
               coalesce(sum(coalesce(o.value, p.absent)) filter (where p.part = 'y'), 0) as sum,
               nullif(count(*) filter (where p.part = 'd'), 0) as d_n, sum(coalesce(o.value, p.absent)) filter (where p.part = 'd') as d_sum,
               nullif(count(*) filter (where p.part = 'x'), 0) as x_n, sum(coalesce(o.value, p.absent)) filter (where p.part = 'x') as x_sum
          from r
         cross join lateral (
               select o.name, o.ts, o.value, o.trusted, o.attributes from cohort.outcome o
                where o.unit_id = r.unit_id and o.ts >= r.since and o.ts < r.horizon and (o.trusted or r.untrusted)
                  and not exists (select from cohort.ingest_batch b
                                   where b.batch_id = o.batch_id and b.applied_at is null) offset 0) o
          join pg_temp.roll_part p on p.experiment_id = r.experiment_id and p.name = o.name and (o.trusted or not p.trusted_only)
                                  and o.ts >= r.first_ts + p.since and (p.upto is null or o.ts < r.first_ts + p.upto)
                                  and (p.path is null or o.attributes @@ p.path)
         group by r.unit_id, r.experiment_id, p.metric_id, r.phase_id, r.variant_id, p.metric_version, r.ids,
               r.first_ts <= p.matured_to
        union all
        -- of days that are kept no longer: only a unit that is counted again has any
        select r.unit_id, r.experiment_id, p.metric_id, r.phase_id, r.variant_id, p.metric_version, r.ids,
               r.first_ts <= p.matured_to, f.n, f.sum, f.d_n, f.d_sum, f.x_n, f.x_sum
          from r
          join cohort.unit_frozen f on f.unit_id = r.unit_id and f.experiment_id = r.experiment_id
          join pg_temp.roll_pair p on p.experiment_id = f.experiment_id and p.metric_id = f.metric_id
                                  and p.metric_version = f.metric_version and not p.rebuild
    ), d as (
        select unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, ids, matured, sum(n)::bigint as n,
               sum(sum) as sum, sum(d_n)::bigint as d_n, sum(d_sum) as d_sum, sum(x_n)::bigint as x_n, sum(x_sum) as x_sum
          from seen group by 1, 2, 3, 4, 5, 6, 7, 8
    ), kept as (
        insert into cohort.unit_metric (unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum, d_n, d_sum,
                                        x_n, x_sum, matured_n, matured_sum, matured_d_n, matured_d_sum, matured_x_n, matured_x_sum)
        select unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum, d_n, d_sum, x_n, x_sum,
               case when matured then n else 0 end, case when matured then sum else 0 end, case when matured then d_n end,
               case when matured then d_sum end, case when matured then x_n end, case when matured then x_sum end from d)
    insert into pg_temp.roll_change
    select d.experiment_id, d.metric_id, d.phase_id, d.variant_id, d.ids, 1, v.matured, d.n, d.sum, d.d_sum, d.x_n, d.x_sum
      from d cross join (values (false), (true)) v(matured) where not v.matured or d.matured;
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
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, segment, matured, units)
    select r.experiment_id, r.metric_id, r.phase_id, r.variant_id, g.segment, v.matured, v.units
      from (select r.experiment_id, p.metric_id, r.phase_id, r.variant_id, r.ids, count(*) as units,
                   count(*) filter (where r.first_ts <= p.matured_to) as matured_units
              from pg_temp.roll_unit r
              join pg_temp.roll_pair p on p.experiment_id = r.experiment_id and not p.rebuild
             group by r.experiment_id, p.metric_id, r.phase_id, r.variant_id, r.ids) r
     cross join lateral unnest(array[0] || r.ids) g(segment)
     cross join lateral (values (false, r.units), (true, r.matured_units)) v(matured, units)
     where v.units > 0;
    perform cohort.rollup_unit_outcomes();
end $$;
comment on function cohort.rollup_units() is 'Part of rollup(): counts newly exposed units';

-- New outcomes of units that had been counted before. An exposure of a batch still to come is left out: that batch's
-- pass counts the unit anew from its rows. What was replaced since this pass began still counts, until the next one.
create or replace function cohort.rollup_outcomes(ids bigint[]) returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
declare
    -- an outcome may also lie this long before the exposure
    before interval := coalesce((select max(-p.since) from pg_temp.roll_part p where p.part = 'x'), '0');
begin
    with d as materialized (
        select o.unit_id, e.experiment_id, p.metric_id, e.phase_id, e.variant_id, p.metric_version, e.segments,
               count(*) filter (where p.part = 'y') as n,
               coalesce(sum(coalesce(o.value, p.absent)) filter (where p.part = 'y'), 0) as sum,
               nullif(count(*) filter (where p.part = 'd'), 0) as d_n, sum(coalesce(o.value, p.absent)) filter (where p.part = 'd') as d_sum,
               nullif(count(*) filter (where p.part = 'x'), 0) as x_n, sum(coalesce(o.value, p.absent)) filter (where p.part = 'x') as x_sum
          from pg_temp.roll_outcome o
         cross join lateral (
               select e.experiment_id, e.phase_id, e.variant_id, e.first_ts, e.segments from cohort.exposure e
                where e.unit_id = o.unit_id and e.first_ts <= o.ts + before and e.batch_id <> all (ids)
                  and not exists (select from cohort.ingest_batch b
                                   where b.batch_id = e.batch_id and b.applied_at is null)
               union all
               select r.experiment_id, r.old_phase_id, r.old_variant_id, r.old_first_ts, r.old_segments from cohort.exposure_replaced r
                where r.unit_id = o.unit_id and r.resolved_pass is null and r.old_first_ts <= o.ts + before
                  and r.old_batch_id <> all (ids)
                  and not exists (select from cohort.ingest_batch b
                                   where b.batch_id = r.old_batch_id and b.applied_at is null) offset 0) e
          join pg_temp.roll_part p on p.experiment_id = e.experiment_id and p.name = o.name and (o.trusted or not p.trusted_only)
                                  and o.ts >= e.first_ts + p.since and (p.upto is null or o.ts < e.first_ts + p.upto)
                                  and (p.path is null or o.attributes @@ p.path)
         group by o.unit_id, e.experiment_id, p.metric_id, e.phase_id, e.variant_id, p.metric_version, e.segments
    ), up as (
        insert into cohort.unit_metric as u (unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version,
                                             n, sum, d_n, d_sum, x_n, x_sum)
        select unit_id, experiment_id, metric_id, phase_id, variant_id, metric_version, n, sum, d_n, d_sum, x_n, x_sum from d
        on conflict (unit_id, experiment_id, metric_id) do update
           set n = u.n + excluded.n, sum = u.sum + excluded.sum,
               d_n = coalesce(u.d_n + excluded.d_n, u.d_n, excluded.d_n), d_sum = coalesce(u.d_sum + excluded.d_sum, u.d_sum, excluded.d_sum),
               x_n = coalesce(u.x_n + excluded.x_n, u.x_n, excluded.x_n), x_sum = coalesce(u.x_sum + excluded.x_sum, u.x_sum, excluded.x_sum))
    insert into pg_temp.roll_change
    select d.experiment_id, d.metric_id, d.phase_id, d.variant_id, cohort.segment_ids(d.experiment_id, d.segments), v.*
      from d
      -- the rows as they were before "up"
      left join cohort.unit_metric u on u.unit_id = d.unit_id and u.experiment_id = d.experiment_id
                                    and u.metric_id = d.metric_id
     cross join lateral (
           select 1 as sign, false as matured, d.n + coalesce(u.n, 0), d.sum + coalesce(u.sum, 0), coalesce(d.d_sum + u.d_sum, d.d_sum, u.d_sum),
                  coalesce(d.x_n + u.x_n, d.x_n, u.x_n), coalesce(d.x_sum + u.x_sum, d.x_sum, u.x_sum)
           union all
           select -1, false, u.n, u.sum, u.d_sum, u.x_n, u.x_sum where u.unit_id is not null) v;
end $$;
comment on function cohort.rollup_outcomes(bigint[]) is
    'Part of rollup(): adds new outcomes to units whose exposure was counted by an earlier pass';

create or replace function cohort.rollup_mature() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off as $$
begin
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, segment, matured, units)
    select m.experiment_id, m.metric_id, m.phase_id, m.variant_id, g.segment, true, count(*)
      from pg_temp.roll_mature m cross join lateral unnest(array[0] || m.ids) g(segment)
     group by 1, 2, 3, 4, 5;
    if not found then
        return;
    end if;
    with frozen as (
        update cohort.unit_metric u
           set matured_n = u.n, matured_sum = u.sum, matured_d_n = u.d_n, matured_d_sum = u.d_sum, matured_x_n = u.x_n,
               matured_x_sum = u.x_sum
          from pg_temp.roll_mature r
         where u.unit_id = r.unit_id and u.experiment_id = r.experiment_id and u.metric_id = r.metric_id
        returning u.*, r.ids)
    insert into pg_temp.roll_change
    select f.experiment_id, f.metric_id, f.phase_id, f.variant_id, f.ids, 1, true, f.n, f.sum, f.d_sum, f.x_n, f.x_sum
      from frozen f;
end $$;
comment on function cohort.rollup_mature() is
    'Part of rollup(): freezes the values of units whose window has closed; what comes later no longer changes them';
