-- Planning: how many units, and days, until an effect of that size is seen. The arithmetic is in 69_power.sql.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
    ('plan_metric_known', 'P0002', 404, 'There is no such metric', 'select key from cohort.metric lists them.', 'metric', 'definition'),
    ('plan_range', '22023', 422, 'A plan needs numbers that make sense',
     'effect: not 0, 0.05 is 5 % of the base (with relative false: 0.05 in the metric''s units); power and the error levels between 0 and 1; 2 to 50 arms.', null, 'definition'),
    ('plan_field', '22023', 422, 'A plan has known fields',
     'metric, effect; relative, power, alpha, stop_alpha, arms, shares, base, variance, units_per_day, traffic_ppm, days, experiment, unit_type.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- Who came, and when first: by exposures, else by decisions. A unit's time is the first in the period.
create or replace function cohort.plan_units(since timestamptz, unit_type text, experiment text)
    returns table(unit_id uuid, first_ts timestamptz, source text)
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
begin
    return query select x.unit_id, min(x.first_ts), 'exposures'::text
        from cohort.exposure x
        join cohort.every_iteration i on i.experiment_id = x.experiment_id
        join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
       where x.first_ts >= $1 and i.environment = cohort.current_environment() and e.unit_type = $2
         and case when $3 is null then e.kind = 'ab' else e.key = $3 end
       group by x.unit_id;
    if not found then
        return query select d.unit_id, min(d.ts), 'decisions'::text
            from cohort.decision d
            join cohort.flag f on f.id = d.flag_id and f.environment = cohort.current_environment()
            left join cohort.every_iteration i on i.experiment_id = d.experiment_id
            left join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
           where d.ts >= $1 and coalesce(e.unit_type, $2) = $2
             and ($3 is null or f.key = (select y.flag from cohort.experiment y
                                          where y.environment = cohort.current_environment() and y.key = $3))
           group by d.unit_id;
    end if;
end $$;
comment on function cohort.plan_units(timestamptz, text, text) is
    'Units of this type since then, each with its first time: those exposed (to one experiment, or any), or, where nobody was, those decided for';

-- Each unit's value from its first time on, as the metric counts it. Units whose window is still open tell too little
-- and are left out. At most 100,000: their ids are random, so that the smallest are a fair sample.
create or replace function cohort.plan_values(m cohort.metric, since timestamptz, unit_type text, experiment text,
        out seen bigint, out first_ts timestamptz, out source text, out units bigint, out base double precision,
        out variance double precision)
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
begin
    with s as materialized (
        select * from cohort.plan_units($2, $3, $4)
    ), closed as materialized (
        select u.unit_id, u.first_ts + make_interval(secs => m.window_start_s) as lo,
               u.first_ts + make_interval(secs => m.window_end_s) as hi
          from s u where m.window_end_s is null or u.first_ts + make_interval(secs => m.window_end_s) <= now()
         order by u.unit_id limit 100000
    ), n as (
        select c.unit_id, count(*) as n,
               sum(case m.kind when 'ratio' then coalesce(o.value, 1000000) else o.value end) / 1e6 as sum
          from closed c join cohort.outcome o on o.unit_id = c.unit_id and o.name = m.event and o.ts >= c.lo and o.ts >= $2
                                             and (c.hi is null or o.ts < c.hi)
         where (o.trusted or not m.trusted_only) and (m.event_path is null or o.attributes @@ m.event_path)
         group by c.unit_id
    ), d as (
        select c.unit_id, sum(coalesce(o.value, 1000000)) / 1e6 as sum
          from closed c join cohort.outcome o on o.unit_id = c.unit_id and o.name = m.denominator_event and o.ts >= c.lo
                                             and o.ts >= $2 and (c.hi is null or o.ts < c.hi)
         where (o.trusted or not m.trusted_only) and (m.denominator_path is null or o.attributes @@ m.denominator_path)
         group by c.unit_id
    ), raw as (
        select case m.kind when 'binary' then (coalesce(n.n, 0) > 0)::int::numeric when 'count' then coalesce(n.n, 0)
                           else coalesce(n.sum, 0) end as y, coalesce(d.sum, 0) as d
          from closed c left join n using (unit_id) left join d using (unit_id)
    ), cap as (
        select coalesce(m.winsor_high, case when m.winsor_quantile is not null
                   then (select percentile_disc(m.winsor_quantile::double precision) within group (order by raw.y) from raw) end) as high
    ), v as (
        select greatest(least(raw.y, cap.high), m.winsor_low)::double precision as y, raw.d::double precision as d from raw, cap
    ), t as (
        select count(*) as n, avg(v.y) as y, avg(v.d) as d, var_samp(v.y) as vy, var_samp(v.d) as vd, covar_samp(v.y, v.d) as vyd
          from v
    ), q as (
        select percentile_cont(m.quantile::double precision) within group (order by v.y) as at,
               percentile_cont(least(0.999, m.quantile + 0.05)::double precision) within group (order by v.y) as above,
               percentile_cont(greatest(0.001, m.quantile - 0.05)::double precision) within group (order by v.y) as below
          from v where m.kind = 'quantile'
    )
    select (select count(*) from s), (select min(s.first_ts) from s), (select min(s.source) from s), t.n,
           case m.kind when 'ratio' then t.y / nullif(t.d, 0) when 'quantile' then q.at else t.y end,
           case m.kind when 'binary' then t.y * (1 - t.y)
                when 'ratio' then (t.vy - 2 * (t.y / nullif(t.d, 0)) * t.vyd + (t.y / nullif(t.d, 0)) ^ 2 * t.vd) / nullif(t.d, 0) ^ 2
                when 'quantile' then m.quantile::double precision * (1 - m.quantile::double precision)
                     * ((q.above - q.below) / (least(0.999, m.quantile + 0.05) - greatest(0.001, m.quantile - 0.05))::double precision) ^ 2
                else t.vy end
      into seen, first_ts, source, units, base, variance
      from t left join q on true;
end $$;
comment on function cohort.plan_values(cohort.metric, timestamptz, text, text) is
    'A metric''s value and its variance per unit in the data, and how many units came since then';

create or replace function cohort.plan_check(effect double precision, power double precision, alpha double precision,
        stop_alpha double precision, arms int, shares int[], base double precision, variance double precision,
        units_per_day double precision, traffic_ppm int, days int) returns void
    language plpgsql immutable set search_path = cohort, pg_temp as $$
declare
    what text := case
        when not coalesce(abs(effect) between 1e-9 and 1e12, false) then 'The effect must be a number other than 0.'
        when not coalesce(power between 0.05 and 0.999, false) then 'The power must lie between 0.05 and 0.999.'
        when not coalesce(alpha between 1e-9 and 0.5 and stop_alpha between 1e-9 and 0.5, false)
            then 'An error level lies above 0 and is at most 0.5.'
        when not coalesce(arms between 2 and 50, false) then 'An experiment has 2 to 50 arms.'
        when cardinality(shares) <> arms or array_position(shares, null) is not null
             or (select min(s) < 1 or sum(s) <> 1000000 from unnest(shares) s)
            then format('The shares of %s arms, control first, are above 0 and sum to 1,000,000.', arms)
        when not coalesce(abs(base) <= 1e15, true) then 'The base is no number.'
        when not coalesce(variance > 0 and variance <= 1e30, true) then 'A variance is above 0.'
        when not coalesce(units_per_day > 0 and units_per_day <= 1e12, true) then 'Units per day are above 0.'
        when not coalesce(traffic_ppm between 1 and 1000000, false) then 'Traffic is 1 to 1,000,000, in parts per million.'
        when not coalesce(days between 1 and 400, false) then 'The data of 1 to 400 days can be looked at.' end;
begin
    if what is not null then
        perform cohort.fail('plan_range', what);
    end if;
end $$;
comment on function cohort.plan_check(double precision, double precision, double precision, double precision, int, int[], double precision, double precision, double precision, int, int) is
    'Refuses numbers that make no sense in a plan';

-- Units of all arms, per method: z at the level of one comparison, the effect and the variances of both arms.
create or replace function cohort.plan_total(method text, kind text, base double precision, variance double precision,
        difference double precision, control_share double precision, treatment_share double precision,
        alpha double precision, power double precision) returns double precision
    language sql immutable parallel safe
    as $$ select case method
        when 'fixed' then (cohort.normal_quantile(1 - alpha / 2) + cohort.normal_quantile(power)) ^ 2
        else cohort.asympcs_drift(alpha, power) ^ 2 end
        * (variance / control_share
           + case kind when 'binary' then (base + difference) * (1 - base - difference) else variance end / treatment_share)
        / difference ^ 2 $$;
comment on function cohort.plan_total(text, text, double precision, double precision, double precision, double precision, double precision, double precision, double precision) is
    'Units of all arms that a fixed-horizon or AsympCS comparison of two of them needs';

create or replace function cohort.plan_evt_total(base double precision, difference double precision,
        control_share double precision, treatment_share double precision, alpha double precision, power double precision,
        comparisons int) returns double precision
    language sql immutable parallel safe
    as $$ select case when difference > 0
        then cohort.evt_events(x.q, x.r, 1, ln(comparisons / alpha), power)
        else cohort.evt_events(1 - x.q, 1 / x.r, 1, ln(comparisons / alpha), power) end
        / (base * (control_share + treatment_share * x.r))
      from (select treatment_share / (treatment_share + control_share) as q,
                   greatest((base + difference) / base, 1e-4) as r) x $$;
comment on function cohort.plan_evt_total(double precision, double precision, double precision, double precision, double precision, double precision, int) is
    'Units of all arms until a binary guardrail has that power to act on this change';
