-- What an experiment shows: per variant the rate or mean, and its difference to control. Over several phases the
-- differences are taken inside each phase and then averaged (statistics never pool phases): the weight of a phase is
-- its share of the units. Just-in-time compilation is off: it took a second for what takes a millisecond.

drop function if exists cohort.experiment_id_of(text);
create or replace function cohort.experiment_id_of(key text, iteration int default null) returns int
    language plpgsql stable set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    found_id int;
begin
    select i.experiment_id into found_id from cohort.every_iteration i
     where i.environment = cohort.current_environment() and i.experiment = $1
       and case when $2 is null then i.current else i.iteration = $2 end;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown($1)))
          where not exists (select from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1);
        perform cohort.fail('iteration_known', format('Experiment %s has no iteration %s.', cohort.shown($1), $2));
    end if;
    return found_id;
end $$;
comment on function cohort.experiment_id_of(text, int) is
    'The id of an experiment of the current environment, or of an earlier iteration of it; fails when there is none';

drop function if exists cohort.result_variants(int);
create function cohort.result_variants(experiment_id int)
    returns table (id int, key text, place int, is_control boolean, dropped boolean)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select v.id, v.key, v.position,
           v.id = first_value(v.id) over (order by v.is_control desc, v.key = 'control' desc)
           and (v.is_control or v.key = 'control'),
           coalesce(v.dropped_at <= coalesce(i.stopped_at, 'infinity'), false)
      from cohort.every_iteration i
      join cohort.variant v on v.environment = i.environment and v.experiment = i.experiment
     where i.experiment_id = $1
    union all
    -- What a holdout kept out is what the rest is compared with, whichever arm it calls its control.
    select v.id, v.key, v.position,
           v.id = first_value(v.id) over (order by v.gives = 'everything', v.gives = 'shipped', v.is_control desc, v.position, v.id), false
      from cohort.lift_pair l
      join cohort.every_iteration i on i.experiment_id = l.holdout_id
      join cohort.variant v on v.environment = i.environment and v.experiment = i.experiment
     where l.id = $1
$$;
comment on function cohort.result_variants(int) is
    'The variants of an experiment (or of an earlier iteration), which of them is control, and which were dropped; of a lift_pair the arms of the holdout';

-- Of an earlier run, and until the counts of a new version begin: the version that is counted.
drop function if exists cohort.result_metrics(int);
create function cohort.result_metrics(experiment_id int)
    returns table (id int, version int, key text, kind text, direction_good text, window_end_s int, quantile double precision,
                   cuped_days int, role text)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select m.id, x.version, m.key, coalesce(d.doc ->> 'kind', m.kind), m.direction_good,
           -- An import is complete: nothing of it is still to come.
           case when o.imported then null when d.doc is null then m.window_end_s else (d.doc ->> 'window_end_s')::int end,
           case when d.doc is null then m.quantile else (d.doc ->> 'quantile')::numeric end::double precision,
           case when d.doc is null then m.cuped_days else coalesce((d.doc ->> 'cuped_days')::int, 0) end,
           (select r.role from cohort.experiment_metric r
             where r.environment = i.environment and r.experiment = i.experiment and r.metric = i.metric)
      from cohort.iteration_metric i
      join cohort.metric m on m.environment = i.environment and m.key = i.metric
      left join cohort.tracked_metric t on t.experiment_id = i.experiment_id and t.metric_id = m.id
     cross join lateral (select coalesce(t.metric_version, m.version) as version) x
     cross join lateral (select exists (select from cohort.experiment e where e.environment = i.environment
                                           and e.key = i.experiment and e.origin = 'imported') as imported) o
      left join lateral (select v.definition as doc from cohort.metric_version v
                          where v.metric_id = m.id and v.version = x.version and x.version <> m.version) d on true
     where i.experiment_id = $1
$$;
comment on function cohort.result_metrics(int) is
    'The metrics an experiment (or an earlier iteration) has results for, as they are counted there';

-- Shares that lean on outcomes bias plain means and their intervals: of a bandit only the reserved slice, a phase of kind
-- traffic, is free of that.
create or replace function cohort.shares_lean(experiment_id int) returns boolean
    language sql stable set search_path = cohort, pg_temp
    as $$ select exists (select from cohort.phase p where p.experiment_id = $1 and p.kind = 'time') $$;
comment on function cohort.shares_lean(int) is 'True for runs of a bandit: outside the reserved slice its shares leaned on outcomes';

-- Where the counts come from: the stored ones, or, for the sensitivity view, the rows of those units alone that were
-- only ever seen in the variant and phase of their first exposure.
create or replace function cohort.result_counts(experiment_id int, without_switched boolean)
    returns table (metric_id int, phase_id int, variant_id int, kind text, units bigint, event_units bigint,
                   sum numeric, sum_sq numeric)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select s.metric_id, s.phase_id, s.variant_id, m.kind, s.units, s.event_units, s.sum, s.sum_sq
      from cohort.metric_stat s
      join cohort.result_metrics($1) m on m.id = s.metric_id and m.version = s.metric_version
     where not $2 and s.experiment_id = $1 and s.segment = 0 and s.units > 0 and s.phase_id not in (select p.id from cohort.phase p where p.experiment_id = $1 and p.kind = 'time')
    union all
    select m.id, e.phase_id, e.variant_id, m.kind, count(*), count(*) filter (where u.n > 0), coalesce(sum(v.y), 0),
           coalesce(sum(v.y * v.y), 0)
      from cohort.exposure e
      join cohort.ingest_batch b on b.batch_id = e.batch_id and b.applied_at is not null
     cross join cohort.result_metrics($1) m
      left join cohort.unit_metric u on u.unit_id = e.unit_id and u.experiment_id = $1 and u.metric_id = m.id
                                    and u.metric_version = m.version
     cross join lateral (select cohort.unit_value(m.kind, coalesce(u.n, 0), coalesce(u.sum, 0)) as y) v
     where $2 and e.experiment_id = $1 and e.phase_id not in (select p.id from cohort.phase p where p.experiment_id = $1 and p.kind = 'time')
       and not exists (select from cohort.exposure_switch w
                        where w.unit_id = e.unit_id and w.experiment_id = $1
                          and (w.variant_id, w.phase_id) is distinct from (e.variant_id, e.phase_id))
     group by m.id, m.kind, e.phase_id, e.variant_id
$$;
comment on function cohort.result_counts(int, boolean) is
    'The counts behind fixed-horizon results by metric, phase and variant, of a bandit those of its reserved slice; true: without units that were seen in another variant or phase too';

drop function if exists cohort.result_cells(int);
create or replace function cohort.result_cells(experiment_id int, without_switched boolean)
    returns table (metric_id int, phase_id int, variant_id int, n double precision, y double precision,
                   variance double precision, events double precision, phase_units double precision)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select s.metric_id, s.phase_id, s.variant_id, s.units, (s.sum / (s.units * 1000000::numeric))::double precision,
           case when s.kind = 'binary'
                then (s.event_units * (s.units - s.event_units)::numeric / (s.units * s.units::numeric))::double precision
                when s.units > 1
                then ((s.units * s.sum_sq - s.sum * s.sum)
                      / (s.units * (s.units - 1)::numeric * 1000000000000))::double precision end,
           s.event_units, sum(s.units) over (partition by s.metric_id, s.phase_id)
      from cohort.result_counts($1, $2) s
$$;
comment on function cohort.result_cells(int, boolean) is 'Each metric, phase and variant: units, value, and variance of one unit';

-- v: variance of the difference; v_pooled: the same under "no difference" for rates; df: Welch and Satterthwaite.
drop function if exists cohort.result_differences(int);
create or replace function cohort.result_differences(experiment_id int, without_switched boolean)
    returns table (metric_id int, variant_id int, phases int, delta double precision, v double precision,
                   v_pooled double precision, df double precision)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with cell as materialized (select * from cohort.result_cells($1, $2)),
    pair as (
        select t.metric_id, t.variant_id, t.y - c.y as d, t.variance / t.n as vt, c.variance / c.n as vc, t.n as nt,
               c.n as nc, (t.events + c.events) / (t.n + c.n) as p,
               t.phase_units / sum(t.phase_units) over (partition by t.metric_id, t.variant_id) as w
          from cohort.result_variants($1) control
          join cell c on c.variant_id = control.id and control.is_control
          join cell t on t.metric_id = c.metric_id and t.phase_id = c.phase_id and t.variant_id <> c.variant_id
    ), total as (
        select metric_id, variant_id, count(*)::int as phases, sum(w * d) as delta,
               case when bool_and(vt is not null and vc is not null) then sum(w * w * (vt + vc)) end as v,
               sum(w * w * p * (1 - p) * (1 / nt + 1 / nc)) as v_pooled,
               sum(w ^ 4 * (vt ^ 2 / nullif(nt - 1, 0) + vc ^ 2 / nullif(nc - 1, 0))) as spread
          from pair group by metric_id, variant_id
    )
    select metric_id, variant_id, phases, delta, nullif(v, 0), nullif(v_pooled, 0), v ^ 2 / nullif(spread, 0) from total
$$;
comment on function cohort.result_differences(int, boolean) is
    'Each treatment''s difference to control: averaged over the phases that both were in, with its variance';

create or replace function cohort.result_method(kind text, phases int) returns text
    language sql immutable parallel safe
    as $$
    select case kind when 'binary' then 'pooled z' else 'Welch t' end
        || case when phases > 1 then format(' over %s phases', phases) else '' end || '; fixed horizon'
$$;
comment on function cohort.result_method(text, int) is 'How a difference was judged, in words';

create or replace function cohort.result_rows(key text, iteration int, without_switched boolean)
    returns table (metric text, kind text, variant text, is_control boolean, units bigint, value double precision,
                   difference double precision, std_error double precision, statistic double precision,
                   low double precision, high double precision, method text, phases int, as_of timestamptz)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with x as materialized (select cohort.experiment_id_of($1, $2) as id),
    level as (
        select c.metric_id, c.variant_id, sum(c.n)::bigint as units, count(*)::int as phases,
               sum(c.phase_units * c.y) / sum(c.phase_units) as value
          from x cross join lateral cohort.result_cells(x.id, $3) c group by c.metric_id, c.variant_id
    ), seen as (
        select s.variant_id, sum(s.units)::bigint as units
          from x join cohort.exposure_stat s on s.experiment_id = x.id
         where not $3 and s.phase_id not in (select p.id from cohort.phase p where p.experiment_id = x.id and p.kind = 'time') group by s.variant_id
    )
    select m.key, m.kind, v.key, v.is_control, coalesce(l.units, seen.units, 0), l.value, d.delta, sqrt(d.v),
           d.delta / sqrt(case m.kind when 'binary' then d.v_pooled else d.v end),
           d.delta - q.half * sqrt(d.v), d.delta + q.half * sqrt(d.v),
           cohort.result_method(m.kind, coalesce(d.phases, l.phases))
               || case when cohort.shares_lean(x.id) then '; of the reserved slice alone: elsewhere shares leaned on outcomes and plain numbers are biased' else '' end
               || case when $3 then '; SENSITIVITY: without units seen in two variants' else '' end, coalesce(d.phases, l.phases, 0),
           (select s.as_of from cohort.leader_state s)
      from x
     cross join lateral cohort.result_metrics(x.id) m
     cross join lateral cohort.result_variants(x.id) v
      left join level l on l.metric_id = m.id and l.variant_id = v.id
      left join seen on seen.variant_id = v.id
      left join cohort.result_differences((select x.id from x), $3) d on d.metric_id = m.id and d.variant_id = v.id
     cross join lateral (select case m.kind when 'binary' then 1.959963984540054
                                            else cohort.student_t_975(d.df) end as half) q
     order by m.id, v.is_control desc, v.place, v.id
$$;
comment on function cohort.result_rows(text, int, boolean) is 'The rows of results_fixed() and results_sensitivity()';

create or replace function cohort.results_fixed(key text, iteration int default null)
    returns table (metric text, kind text, variant text, is_control boolean, units bigint, value double precision,
                   difference double precision, std_error double precision, statistic double precision,
                   low double precision, high double precision, method text, phases int, as_of timestamptz)
    language sql stable set search_path = cohort, pg_temp set jit = off
    as $$ select * from cohort.result_rows($1, $2, false) $$;
comment on function cohort.results_fixed(text, int) is
    'Fixed horizon, per metric and variant: units, rate (0 to 1) or mean per unit, and difference to control with its standard error, z or t, and 95 % interval. Null where a number is not defined. For one look at the end: it may never stop an experiment. Of a bandit it is the reserved slice alone, and method says so: elsewhere shares leaned on outcomes. iteration: an earlier run''s; left out, the current one''s';


create or replace function cohort.results_sensitivity(key text, iteration int default null)
    returns table (metric text, kind text, variant text, is_control boolean, units bigint, value double precision,
                   difference double precision, std_error double precision, statistic double precision,
                   low double precision, high double precision, method text, phases int, as_of timestamptz)
    language sql stable set search_path = cohort, pg_temp set jit = off
    as $$ select * from cohort.result_rows($1, $2, true) $$;
comment on function cohort.results_sensitivity(text, int) is
    'results_fixed() without the units that were seen in two variants: to see how much they matter, never to decide by. Who is seen twice can depend on the variant, so leaving them out biases; method says so in every row';

-- An import has equal shares; thirds are none in ppm, and the units were not drawn by these ppm.
create or replace function cohort.srm_cells(experiment_id int)
    returns table (phase_id int, variant_id int, share int, dropped boolean, units bigint)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select p.id, v.id, case e.origin when 'imported' then 1 else coalesce(pv.share_ppm, 0) end, v.dropped, coalesce(u.units, 0)
      from cohort.every_iteration i
      join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
      join cohort.phase p on p.experiment_id = i.experiment_id
     cross join lateral cohort.result_variants($1) v
      left join cohort.phase_variant pv on pv.phase_id = p.id and pv.variant_id = v.id
      left join cohort.exposure_stat u on u.experiment_id = $1 and u.phase_id = p.id and u.variant_id = v.id
     where i.experiment_id = $1 and p.model_id is null
    union all
    select p.id, v.id, coalesce(pv.share_ppm, 0), false, coalesce(u.units, 0)
      from cohort.lift_pair l
      join cohort.phase p on p.experiment_id = l.holdout_id
     cross join lateral cohort.result_variants($1) v
      left join cohort.phase_variant pv on pv.phase_id = p.id and pv.variant_id = v.id
      left join cohort.exposure_stat u on u.experiment_id = $1 and u.phase_id = p.id and u.variant_id = v.id
     where l.id = $1
$$;
comment on function cohort.srm_cells(int) is 'Units and shares of each phase and variant, for the sample ratio, but for phases in which a model decides; of a lift_pair those of the holdout''s arms';

drop function if exists cohort.srm(text);
create or replace function cohort.srm(key text, iteration int default null)
    returns table (variant text, units bigint, expected numeric, chi_square double precision, p double precision)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with x as materialized (select cohort.experiment_id_of($1, $2) as id),
    cell as (
        -- A dropped arm gets no more units while the others do: the others are compared among themselves.
        select s.phase_id, s.variant_id, s.share, s.dropped, s.units as n,
               case when not s.dropped then sum(s.units) filter (where not s.dropped) over w * s.share
                   / nullif(sum(s.share) filter (where not s.dropped) over w, 0) end as expected
          from x cross join lateral cohort.srm_cells(x.id) s
        window w as (partition by s.phase_id)
    ), test as (
        select sum((n - expected) ^ 2 / nullif(expected, 0))::double precision as chi_square,
               (count(*) filter (where expected > 0) - count(distinct phase_id) filter (where expected > 0))::int as df,
               coalesce(bool_or(n > 0 and share = 0 and not dropped), false) as impossible from cell
    )
    select v.key, coalesce(sum(c.n), 0)::bigint, case when not v.dropped then round(coalesce(sum(c.expected), 0), 6) end,
           case when not t.impossible and t.df > 0 then t.chi_square end,
           case when t.impossible then 0 else cohort.chi_square_p(t.chi_square, t.df) end
      from x
     cross join lateral cohort.result_variants(x.id) v
      left join cell c on c.variant_id = v.id
     cross join test t
     group by v.id, v.key, v.is_control, v.place, v.dropped, t.chi_square, t.df, t.impossible
     order by v.is_control desc, v.place, v.id
$$;
comment on function cohort.srm(text, int) is
    'Sample ratio: units per variant, what their shares expect, and Pearson''s chi-square with its p, inside each phase. A p below 0.01 says that the counts are broken; 0 also when units are in a variant that has no share. Dropped arms are left out of it, and have no expectation';
