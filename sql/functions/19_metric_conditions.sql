-- Conditions on an event's attributes: their shape, and the jsonpath they are compiled to. Values stand in a path as
-- JSON literals, so whatever people type stays a value.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('metric_condition_object', '23514', 422, 'A condition of a metric names 1 to 20 attributes', 'Name 1 to 20: {"plan": "pro"}, {"plan": {"in": ["pro", "team"]}} or {"amount": {"gte": 10, "lt": 20}}; leave it out to count every event.', 'condition', 'definition'),
('metric_condition_attribute', '23514', 422, 'An attribute''s name has 1 to 100 characters', 'Use the name that the events carry under "attributes", 1 to 100 characters.', 'condition', 'definition'),
('metric_condition_operator', '23514', 422, 'A condition of a metric knows in, gt, gte, lt and lte', 'For an equal value write the value itself: {"plan": "pro"}. Others: in, gt, gte, lt, lte.', 'condition', 'definition'),
('metric_condition_value', '23514', 422, 'A condition compares strings, numbers and booleans', 'Write a string, a number, true or false; after in a list of them; after gt, gte, lt, lte a number.', 'condition', 'definition'),
('metric_condition_list', '23514', 422, 'A list has 1 to 100 values', 'Write {"plan": {"in": ["pro", "team"]}}, with 1 to 100 values.', 'condition', 'definition'),
('metric_condition_range', '23514', 422, 'A range holds at least one number', 'Write {"amount": {"gte": 10, "lt": 20}}: one lower and one upper bound at most, the lower one first.', 'condition', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.metric_scalar(value jsonb) returns boolean
    language sql immutable parallel safe
    as $$ select case jsonb_typeof(value) when 'string' then octet_length(value #>> '{}') <= 256
                      when 'number' then abs(value::numeric) <= 9007199254740992 and scale(value::numeric) <= 30
                      else jsonb_typeof(value) = 'boolean' end $$;
comment on function cohort.metric_scalar(jsonb) is
    'True for what a condition of a metric compares: a string of at most 256 bytes, as events have, a number within 2^53, true or false';

create or replace function cohort.metric_value_noun(value jsonb) returns text
    language sql immutable parallel safe
    as $$ select case when jsonb_typeof(value) = 'string' and octet_length(value #>> '{}') > 256 then 'a string of more than 256 bytes'
                      when jsonb_typeof(value) = 'number' then case when cohort.metric_scalar(value) then 'a number' else 'a number beyond 2^53 or 30 decimals' end
                      else cohort.json_noun(value) end $$;
comment on function cohort.metric_value_noun(jsonb) is 'What a value is that a condition of a metric can''t use, for a sentence';

-- The bounds of one attribute: at most one from below and one from above, and something in between.
create or replace function cohort.check_metric_range(place text, demand jsonb, field text) returns void
    language plpgsql as $$
declare
    low numeric := coalesce(demand -> 'gte', demand -> 'gt')::numeric;
    high numeric := coalesce(demand -> 'lte', demand -> 'lt')::numeric;
begin
    if demand ?& array['gt', 'gte'] or demand ?& array['lt', 'lte'] then
        perform cohort.fail('metric_condition_range', format('%s has both %s.', place,
            case when demand ?& array['gt', 'gte'] then 'gt and gte' else 'lt and lte' end), cohort.path_of(field));
    elsif low > high or (low = high and demand ?| array['gt', 'lt']) then
        perform cohort.fail('metric_condition_range', format('%s asks for a number %s %s and %s %s: there is none.', place,
            case when demand ? 'gte' then 'from' else 'above' end, cohort.shown(low),
            case when demand ? 'lte' then 'up to' else 'below' end, cohort.shown(high)), cohort.path_of(field));
    end if;
end $$;
comment on function cohort.check_metric_range(text, jsonb, text) is 'Refuses a range of a metric''s condition that nothing can be in';

create or replace function cohort.check_metric_demand(place text, demand jsonb, field text) returns void
    language plpgsql as $$
declare
    odd text;
    item jsonb;
begin
    if jsonb_typeof(demand) <> 'object' then
        if not cohort.metric_scalar(demand) then
            perform cohort.fail('metric_condition_value', format('%s can''t be %s.', place, cohort.metric_value_noun(demand)), cohort.path_of(field));
        end if;
        return;
    end if;
    select k into odd from jsonb_object_keys(demand) k where k not in ('in', 'gt', 'gte', 'lt', 'lte') order by k limit 1;
    if found then
        perform cohort.fail('metric_condition_operator', format('%s has %s, which is no operator of a metric''s condition.', place, cohort.shown(odd)),
            cohort.path_of(field));
    elsif demand = '{}' then
        perform cohort.fail('metric_condition_operator', format('%s has no operator.', place), cohort.path_of(field));
    elsif demand ? 'in' and demand <> jsonb_build_object('in', demand -> 'in') then
        perform cohort.fail('metric_condition_operator', format('%s has in beside other operators.', place), cohort.path_of(field));
    elsif demand ? 'in' and jsonb_typeof(demand -> 'in') <> 'array' then
        perform cohort.fail('metric_condition_list', format('%s has %s after in, not a list.', place, cohort.json_noun(demand -> 'in')), cohort.path_of(field));
    elsif demand ? 'in' and jsonb_array_length(demand -> 'in') not between 1 and 100 then
        perform cohort.fail('metric_condition_list', format('%s has a list of %s values.', place, jsonb_array_length(demand -> 'in')), cohort.path_of(field));
    end if;
    if demand ? 'in' then
        for item in select v from jsonb_array_elements(demand -> 'in') v where not cohort.metric_scalar(v) loop
            perform cohort.fail('metric_condition_value', format('%s has %s in its list.', place, cohort.metric_value_noun(item)), cohort.path_of(field));
        end loop;
        return;
    end if;
    for odd, item in select k, v from jsonb_each(demand) d(k, v) where jsonb_typeof(v) <> 'number' or not cohort.metric_scalar(v) order by k loop
        perform cohort.fail('metric_condition_value', format('%s has %s after %s, not a number.', place, cohort.metric_value_noun(item), odd), cohort.path_of(field));
    end loop;
    perform cohort.check_metric_range(place, demand, field);
end $$;
comment on function cohort.check_metric_demand(text, jsonb, text) is 'Refuses what a metric''s condition can''t ask of one attribute';

create or replace function cohort.check_metric_condition(name text, condition jsonb, field text) returns void
    language plpgsql as $$
declare
    attribute text;
    demand jsonb;
    what text := format('The %s of %s', field, name);
begin
    if condition is null then
        return;
    end if;
    if jsonb_typeof(condition) <> 'object' then
        perform cohort.fail('metric_condition_object', format('%s must be an object, not %s.', what, cohort.json_noun(condition)), cohort.path_of(field));
    elsif (select count(*) from jsonb_object_keys(condition)) not between 1 and 20 then
        perform cohort.fail('metric_condition_object', format('%s names %s attributes.', what, (select count(*) from jsonb_object_keys(condition))),
            cohort.path_of(field));
    end if;
    for attribute, demand in select k, v from jsonb_each(condition) c(k, v) order by k loop
        if length(attribute) not between 1 and 100 then
            perform cohort.fail('metric_condition_attribute', format('%s names the attribute %s.', what, cohort.shown(attribute)), cohort.path_of(field));
        end if;
        perform cohort.check_metric_demand(format('%s, attribute %s,', what, cohort.shown(attribute)), demand, field);
    end loop;
end $$;
comment on function cohort.check_metric_condition(text, jsonb, text) is 'Refuses a condition of a metric that isn''t one, in a sentence';

-- strict: a list never equals one of its elements. A missing attribute or one of another type is unknown, so it
-- doesn't hold.
create or replace function cohort.metric_path(condition jsonb) returns jsonpath
    language plpgsql immutable strict
    as $$ begin return (select ('strict ' || string_agg('(' || case
                     when jsonb_typeof(c.demand) <> 'object' then format('$.%s == %s', to_jsonb(c.attribute), c.demand)
                     when c.demand ? 'in' then (select string_agg(format('$.%s == %s', to_jsonb(c.attribute), v.item), ' || ' order by v.n)
                                                  from jsonb_array_elements(c.demand -> 'in') with ordinality v(item, n))
                     else (select string_agg(format('$.%s %s %s', to_jsonb(c.attribute),
                                        case d.operator when 'gt' then '>' when 'gte' then '>=' when 'lt' then '<' when 'lte' then '<=' end, d.bound),
                                    ' && ' order by d.operator)
                             from jsonb_each(c.demand) d(operator, bound)) end || ')', ' && ' order by c.attribute))::jsonpath
            from jsonb_each(condition) c(attribute, demand)); end $$;
comment on function cohort.metric_path(jsonb) is
    'A checked condition of a metric as the jsonpath that asks it of an outcome''s attributes: attributes @@ path';

-- What the roll-up may never count above.
create or replace function cohort.metric_cap(experiment_id int, metric_id int) returns numeric
    language sql stable
    as $$ select case when m.winsor_quantile is null then m.winsor_high
                      else (select f.cap from cohort.frozen_cap f
                             where f.experiment_id = coalesce((select l.experiment_id from cohort.lift_pair l where l.id = $1), $1) and f.metric_id = m.id and f.metric_version = m.version) end
            from cohort.metric m where m.id = $2 $$;
comment on function cohort.metric_cap(int, int) is
    'A unit''s value of a metric counts as at most this in one run of an experiment, in units of the value: winsor_high, or what winsor_quantile was frozen to; null: no cap';

-- --- caps by quantile, frozen ---

-- Outcomes carry no environment: where another one declares the same event, only units that this one exposed count.
-- A window shorter than 30 days is laid over them as often as it fits.
create or replace function cohort.metric_values(m cohort.metric, upto timestamptz) returns table(y numeric)
    language plpgsql stable security definer set search_path = cohort, pg_temp as $$
declare
    days30 constant int := 2592000;
    window_s int := least(coalesce(m.window_end_s - m.window_start_s, days30), days30);
    shared boolean := exists (select from metric x where x.environment <> m.environment and m.event in (x.event, x.denominator_event));
begin
    return query
    select case m.kind when 'binary' then 1::numeric when 'count' then count(*)::numeric
                       when 'ratio' then sum(coalesce(o.value, 1000000)) / 1000000 else coalesce(sum(o.value), 0) / 1000000 end
      from outcome o
     where o.ts > upto - make_interval(secs => days30 / window_s * window_s) and o.ts <= upto and o.name = m.event
       and (o.trusted or not m.trusted_only) and (m.event_path is null or o.attributes @@ m.event_path)
       and (not shared or exists (select from exposure x join every_iteration i on i.experiment_id = x.experiment_id
                                   where x.unit_id = o.unit_id and i.environment = m.environment))
     group by o.unit_id, floor(extract(epoch from upto - o.ts) / window_s);
end $$;
comment on function cohort.metric_values(cohort.metric, timestamptz) is
    'The values of a metric over the 30 days up to a moment, one a unit and stretch as long as the metric''s window, of units that have an event';
revoke execute on function cohort.metric_values(cohort.metric, timestamptz) from public;

create or replace function cohort.freeze_cap(e cohort.experiment, m cohort.metric) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    found_cap numeric;
    from_units bigint;
begin
    if m.winsor_quantile is null
       or exists (select from frozen_cap f where (f.experiment_id, f.metric_id, f.metric_version) = (e.id, m.id, m.version)) then
        return;
    end if;
    select trim_scale(percentile_disc(m.winsor_quantile::double precision) within group (order by v.y)), count(*) into found_cap, from_units
      from metric_values(m, clock_timestamp()) v;
    if from_units = 0 then
        perform fail('metric_winsor_unknown', format('Nothing was counted for metric %s in the last 30 days: its winsor_quantile has no value for experiment %s.',
            shown(m.key), shown(e.key)));
    elsif found_cap <= m.winsor_low then
        perform fail('metric_winsor_order', format('The winsor_quantile of metric %s comes to %s, which is not above its winsor_low, %s.',
            shown(m.key), shown(found_cap), shown(m.winsor_low)));
    end if;
    insert into frozen_cap (experiment_id, metric_id, metric_version, quantile, cap, units)
    values (e.id, m.id, m.version, m.winsor_quantile, found_cap, from_units);
end $$;
comment on function cohort.freeze_cap(cohort.experiment, cohort.metric) is
    'Freezes a metric''s winsor_quantile to a value for one run of an experiment, unless it is frozen or has none';
revoke execute on function cohort.freeze_cap(cohort.experiment, cohort.metric) from public;

create or replace function cohort.metrics_of(e cohort.experiment) returns setof cohort.metric
    language plpgsql stable as $$
begin
    return query
    select m.* from cohort.metric m
     where m.environment = e.environment
       and m.key in (select x.metric from cohort.experiment_metric x where x.environment = e.environment and x.experiment = e.key
                     union select g.metric from cohort.guardrail g where g.environment = e.environment and g.experiment = e.key
                     union select s.metric from cohort.stop_condition s where s.environment = e.environment and s.experiment = e.key
                     union select b.reward from cohort.bandit b where b.environment = e.environment and b.experiment = e.key)
     order by m.key;
end $$;
comment on function cohort.metrics_of(cohort.experiment) is
    'The metrics an experiment counts: its own, its guardrails'', its stop conditions'' and a bandit''s reward';
