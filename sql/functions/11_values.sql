-- Checks that several tables share: JSON values, conditions, keys.

create or replace function cohort.key_ok(key text) returns boolean
    language sql immutable parallel safe
    as $$ select coalesce(key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$', false) $$;
comment on function cohort.key_ok(text) is 'True when a text may be a key';

-- What is wrong with a JSON value (a rule's name), or null. Values travel to the servers, whose parser knows
-- no numbers beyond doubles and no endless nesting: one such value would spoil the whole plan.
create or replace function cohort.json_problem(value jsonb, depth int default 1) returns text
    language plpgsql immutable parallel safe as $$
declare
    part jsonb;
    problem text;
begin
    if depth > 16 then return 'json_depth'; end if;
    case jsonb_typeof(value)
    when 'number' then
        if abs(value::numeric) > 9007199254740992 then return 'json_number'; end if;
    when 'array' then
        for part in select a from jsonb_array_elements(value) a loop
            problem := cohort.json_problem(part, depth + 1);
            if problem is not null then return problem; end if;
        end loop;
    when 'object' then
        for part in select o.value from jsonb_each(value) o loop
            problem := cohort.json_problem(part, depth + 1);
            if problem is not null then return problem; end if;
        end loop;
    else
        null;
    end case;
    return null;
end $$;
comment on function cohort.json_problem(jsonb, int) is 'The rule a JSON value breaks (json_depth, json_number), or null';

create or replace function cohort.check_json(what text, field text, value jsonb) returns void
    language plpgsql as $$
declare
    problem text;
begin
    if octet_length(value::text) > 65536 then
        perform cohort.fail('json_size', format('%s has %s bytes of JSON; at most 65536 are allowed.', what,
            octet_length(value::text)), cohort.path_of(field));
    end if;
    problem := cohort.json_problem(value);
    if problem is not null then
        perform cohort.fail(problem, what || case problem
            when 'json_depth' then ' is nested more than 16 levels deep.'
            else ' holds a number beyond 2^53, which not every client can read.' end, cohort.path_of(field));
    end if;
end $$;
comment on function cohort.check_json(text, text, jsonb) is
    'Refuses JSON that is too large, too deep or holds numbers no client can read; what: "The value of variant x"';

create or replace function cohort.fail_operator(what text, operator text, attribute text) returns void
    language plpgsql as $$
begin
    perform cohort.fail('condition_operator',
        format('The condition of %s uses the unknown operator %s%s.', what, cohort.shown(operator),
            case when attribute is null then '' else ' on attribute ' || cohort.shown(attribute) end),
        null,
        (select format('Known operators: %s.', string_agg(o.name, ', ' order by o.name)) from cohort.condition_operator o));
end $$;
comment on function cohort.fail_operator(text, text, text) is 'Refuses an operator and lists the known ones';

-- One attribute of a condition: a value it must equal, or an object of operators.
create or replace function cohort.check_attribute(what text, attribute text, demand jsonb) returns void
    language plpgsql as $$
declare
    part record;
    known cohort.condition_operator;
    nested text;
begin
    if jsonb_typeof(demand) = 'object' and exists (select from jsonb_object_keys(demand) k where k like '$%') then
        for part in select o.key, o.value from jsonb_each(demand) o loop
            select * into known from cohort.condition_operator o where o.name = part.key and o.place = 'field';
            if not found then
                perform cohort.fail_operator(what, part.key, attribute);
            end if;
            if known.operand <> 'any' and known.operand <> jsonb_typeof(part.value) then
                perform cohort.fail('condition_operand', format('In the condition of %s, %s on attribute %s takes an %s, not %s.',
                    what, part.key, cohort.shown(attribute), known.operand, cohort.json_noun(part.value)));
            end if;
        end loop;
        return;
    end if;
    -- Inside a plain value a $ is no operator, but was surely meant as one.
    select k #>> '{}' into nested
      from jsonb_path_query(demand, '$.** ? (@.type() == "object").keyvalue().key') k where k #>> '{}' like '$%' limit 1;
    if nested is not null then
        perform cohort.fail_operator(what, nested, attribute);
    end if;
end $$;
comment on function cohort.check_attribute(text, text, jsonb) is 'Checks what a condition demands of one attribute';

create or replace function cohort.json_noun(value jsonb) returns text
    language sql immutable parallel safe
    as $$ select case jsonb_typeof(value) when 'object' then 'an object' when 'array' then 'an array'
        when 'string' then 'a string' when 'number' then 'a number' when 'boolean' then 'true or false' else 'null' end $$;
comment on function cohort.json_noun(jsonb) is 'A JSON value''s type in a sentence: "a string"';

create or replace function cohort.check_condition(what text, condition jsonb) returns void
    language plpgsql as $$
declare
    part record;
begin
    if jsonb_typeof(condition) is distinct from 'object' then
        perform cohort.fail('condition_object',
            format('The condition of %s must be a JSON object, not %s.', what, coalesce(cohort.json_noun(condition), 'null')));
    end if;
    perform cohort.check_json('The condition of ' || what, 'condition', condition);
    for part in select o.key, o.value from jsonb_each(condition) o loop
        if part.key like '$%' then
            perform cohort.fail_operator(what, part.key, null);
        end if;
        perform cohort.check_attribute(what, part.key, part.value);
    end loop;
end $$;
comment on function cohort.check_condition(text, jsonb) is
    'Refuses a condition whose shape or operators the servers don''t know; what: "experiment x"';

create or replace function cohort.check_environment(environment text) returns void
    language plpgsql as $$
begin
    perform 1 from cohort.environment e where e.key = environment;
    if not found then
        perform cohort.fail('environment_known', format('There is no environment %s.', cohort.shown(environment)));
    end if;
end $$;
comment on function cohort.check_environment(text) is 'Refuses an environment nobody made';

create or replace function cohort.rfc3339(at timestamptz) returns text
    language sql stable parallel safe
    as $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
comment on function cohort.rfc3339(timestamptz) is 'A time as JSON documents carry it, in UTC with microseconds';
