-- cohort.plan(): the answer, for people, for REST and for cohortctl alike.

drop function if exists cohort.plan(text, double precision, boolean, double precision, double precision, double precision,
    int, int[], double precision, double precision, double precision, int, int, text, text);
create function cohort.plan(metric text, effect double precision, relative boolean default true,
        power double precision default 0.8, alpha double precision default 0.05, stop_alpha double precision default 0.01,
        arms int default 2, shares int[] default null, base double precision default null,
        variance double precision default null, units_per_day double precision default null,
        traffic_ppm int default 1000000, days int default 30, experiment text default null, unit_type text default 'user')
    returns table(method text, control_units bigint, treatment_units bigint, total_units bigint, days_needed double precision,
                  factor double precision, base_value double precision, difference double precision, unit_variance double precision,
                  daily_units double precision, missing text, note text)
    language plpgsql stable set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    m cohort.metric;
    d record;
    of_type text := $15;
    control_share double precision;
    treatment_share double precision; -- the smallest treatment: all must be able to show the effect
    total double precision;
    fixed double precision;
    words text[] := '{}';
begin
    perform cohort.plan_check($2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);
    select * into m from cohort.metric x where x.environment = cohort.current_environment() and x.key = $1;
    if not found then
        perform cohort.fail('plan_metric_known', format('There is no metric %s.', cohort.shown($1)));
    end if;
    if $14 is not null then
        select e.unit_type into of_type from cohort.experiment e where e.environment = m.environment and e.key = $14;
        if not found then
            perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown($14)));
        end if;
    end if;
    base_value := $9;
    unit_variance := coalesce($10, case when m.kind = 'binary' then $9 * (1 - $9) end);
    daily_units := $11;
    if base_value is null or unit_variance is null or daily_units is null then
        select * into d from cohort.plan_values(m, now() - make_interval(days => $13), of_type, $14);
        if d.seen = 0 then
            words := words || format('In the last %s days nobody of the unit type %s was exposed or decided for%s: give %sthe units per day.',
                $13, of_type, coalesce(' in ' || $14, ''),
                case when base_value is null or unit_variance is null then 'the base, the variance and ' else '' end);
        elsif d.units < 100 and (base_value is null or unit_variance is null) then
            words := words || format('Only %s units have a closed window of %s; at least 100 are needed to know the base: give it and the variance.',
                d.units, m.key);
        else
            base_value := coalesce(base_value, d.base);
            unit_variance := coalesce(unit_variance, d.variance);
        end if;
        daily_units := coalesce(daily_units, nullif(d.seen, 0)
            / greatest(1, extract(epoch from now() - d.first_ts) / 86400)::double precision);
    end if;
    difference := case when $3 then base_value * $2 else $2 end;
    daily_units := daily_units * $12 / 1e6;
    if $3 and base_value = 0 then
        words := words || format('%s never happened in these data, so nothing can be relative to it: give the base, or an absolute effect.', m.key);
    elsif unit_variance is null and words = '{}' then
        words := words || format('The variance of %s can''t be told from these data: give it.', m.key);
    elsif not unit_variance > 0 and words = '{}' then
        words := words || format('Every unit has the same value of %s in these data, so there is no variance to plan with: give the base and the variance.', m.key);
    elsif m.kind = 'binary' and not (base_value + difference > 0 and base_value + difference < 1) then
        words := words || format('A rate of %s with this effect would be %s: give one between 0 and 1.', base_value::numeric, (base_value + difference)::numeric);
    end if;
    control_share := coalesce($8[1] / 1e6, 1.0 / $7);
    treatment_share := coalesce((select min(s) from unnest($8[2:]) s) / 1e6, 1.0 / $7);
    foreach method in array array['fixed', 'sequential', 'guardrail'] loop
        continue when method = 'guardrail' and m.kind = 'quantile';
        missing := nullif(array_to_string(words, ' '), '');
        note := case when method = 'guardrail' and m.kind <> 'binary'
            then 'The histogram tilt of guardrails on values, as a stop at stop_alpha.' else case method
            when 'fixed' then 'One look, at the end, at so many units: nothing may be decided before.'
            when 'sequential' then case m.kind when 'quantile' then null
                else format('AsympCS, looked at as often as you like; set planned_units to total_units.%s', case when $7 > 2
                    then format(' The error level is shared by %s comparisons.', $7 - 1) else '' end) end
            else 'The event-mark test of guardrails, as a stop at stop_alpha: how much data until harm of this size stops it.' end end;
        total := null;
        if method = 'guardrail' and m.kind <> 'binary' then
            missing := format('How soon a guardrail on %s stops depends on how its values are spread, not on their mean and variance alone: cohortctl rehearse KEY --effect tells it from past units.', m.key);
        elsif method = 'sequential' and m.kind = 'quantile' then
            missing := 'Intervals of quantiles that may be looked at all the time are not planned for: their width depends on the whole distribution.';
        elsif difference <> 0 and unit_variance > 0 and not (m.kind = 'binary' and not (base_value + difference > 0 and base_value + difference < 1)) then
            total := case method
                when 'guardrail' then case when base_value > 0 then
                    cohort.plan_evt_total(base_value, difference, control_share, treatment_share, $6, $4, $7 - 1) end
                else cohort.plan_total(method, m.kind, base_value, unit_variance, difference, control_share, treatment_share,
                                       $5 / ($7 - 1), $4) end;
        end if;
        if method = 'fixed' then fixed := total; end if;
        if total > 1e15 then
            missing := 'More than 10^15 units: no experiment sees an effect this small.';
            total := null;
        end if;
        total_units := ceil(total);
        control_units := ceil(total * control_share);
        treatment_units := ceil(total * treatment_share);
        days_needed := total / daily_units;
        factor := total / fixed;
        return next;
    end loop;
end $$;
comment on function cohort.plan(text, double precision, boolean, double precision, double precision, double precision, int, int[], double precision, double precision, double precision, int, int, text, text) is
    'Units and days until an effect on a metric is seen with this power: a row per method. effect 0.05 is 5 % of the base, or with relative => false 0.05 in the metric''s units. What is not given (base, variance, units_per_day) is read from the last days; missing says in words what could not be';

create or replace function cohort.planning(doc jsonb) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp as $$
declare
    unknown text;
    answer jsonb;
begin
    select k into unknown from jsonb_object_keys(doc) k where k <> all (array['metric', 'effect', 'relative', 'power', 'alpha',
        'stop_alpha', 'arms', 'shares', 'base', 'variance', 'units_per_day', 'traffic_ppm', 'days', 'experiment', 'unit_type'])
     order by k limit 1;
    if found then
        perform cohort.fail('plan_field', format('A plan has no field %s.', cohort.shown(unknown)));
    end if;
    for unknown in select f.key from jsonb_each(doc) f
                    where jsonb_typeof(f.value) not in (case when f.key in ('metric', 'experiment', 'unit_type') then 'string'
                        when f.key = 'relative' then 'boolean' when f.key = 'shares' then 'array' else 'number' end, 'null')
                       or f.key = 'shares' and exists (select from jsonb_array_elements(case jsonb_typeof(f.value)
                              when 'array' then f.value else '[]' end) s where jsonb_typeof(s) <> 'number')
                       or jsonb_typeof(f.value) = 'number' and abs((f.value #>> '{}')::numeric) > 1e30
                       or f.key in ('arms', 'traffic_ppm', 'days') and jsonb_typeof(f.value) = 'number'
                          and ((f.value #>> '{}')::numeric % 1 <> 0 or abs((f.value #>> '{}')::numeric) > 1e9)
                    order by 1 limit 1 loop
        perform cohort.fail('plan_field', format('The field %s has a value of another kind.', unknown));
    end loop;
    select jsonb_build_object('metric', doc ->> 'metric', 'base', max(p.base_value), 'difference', max(p.difference),
               'variance', max(p.unit_variance), 'units_per_day', max(p.daily_units),
               'methods', jsonb_agg(jsonb_build_object('method', p.method, 'control_units', p.control_units,
                   'treatment_units', p.treatment_units, 'total_units', p.total_units, 'days', p.days_needed,
                   'factor', p.factor, 'missing', p.missing, 'note', p.note) order by p.nr))
      into answer
      from cohort.plan(doc ->> 'metric', (doc ->> 'effect')::double precision,
               coalesce((doc ->> 'relative')::boolean, true), coalesce((doc ->> 'power')::double precision, 0.8),
               coalesce((doc ->> 'alpha')::double precision, 0.05), coalesce((doc ->> 'stop_alpha')::double precision, 0.01),
               coalesce((doc ->> 'arms')::int, nullif(jsonb_array_length(nullif(doc -> 'shares', 'null')), 0), 2),
               case when jsonb_typeof(doc -> 'shares') = 'array'
                    then array(select least(greatest(s::numeric, -1), 1e9)::int from jsonb_array_elements_text(doc -> 'shares') s) end,
               (doc ->> 'base')::double precision, (doc ->> 'variance')::double precision,
               (doc ->> 'units_per_day')::double precision, coalesce((doc ->> 'traffic_ppm')::int, 1000000),
               coalesce((doc ->> 'days')::int, 30), doc ->> 'experiment', coalesce(doc ->> 'unit_type', 'user'))
           with ordinality p(method, control_units, treatment_units, total_units, days_needed, factor, base_value, difference,
                             unit_variance, daily_units, missing, note, nr);
    return answer;
end $$;
comment on function cohort.planning(jsonb) is 'cohort.plan() for POST /v1/plan: its arguments as a document, its rows as another';
