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

-- Targeting conditions. The servers' compiler (src/core/condition.h) has the same grammar and the last word: what
-- passes here and not there is quarantined, visibly.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('condition_path', '23514', 422, 'A condition names attributes', 'Write the attribute''s name, or names joined by dots: "address.city"; at most 256 bytes.', 'condition', 'definition'),
('condition_pattern', '23514', 422, 'A pattern is a regular expression', 'Patterns have PCRE2''s syntax and at most 1,000 bytes: {"email": {"$regex": "@example\\.com$"}}.', 'condition', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

insert into cohort.condition_operator as o (place, name, operand, description) values
('field', '$eq', 'any', 'the attribute equals this value, of the same type; a missing attribute is null'),
('field', '$ne', 'any', 'it does not'),
('field', '$in', 'array', 'the attribute, or one of its elements when it is an array, equals one of these'),
('field', '$nin', 'array', 'neither it nor one of its elements does'),
('field', '$ini', 'array', 'like $in, texts without regard to case'),
('field', '$nini', 'array', 'like $nin, texts without regard to case'),
('field', '$inGroup', 'key', 'the attribute, or one of its elements, is in the list of this segment'),
('field', '$notInGroup', 'key', 'neither it nor one of its elements is in that list'),
('field', '$all', 'array', 'the attribute is an array; each of these (values, or operators) is met by one of its elements'),
('field', '$alli', 'array', 'like $all, texts without regard to case'),
('field', '$lt', 'comparable', 'it is less: texts by their bytes; where one of the two is a number, as numbers (a missing attribute is 0)'),
('field', '$lte', 'comparable', 'it is less or equal'),
('field', '$gt', 'comparable', 'it is greater'),
('field', '$gte', 'comparable', 'it is greater or equal'),
('field', '$veq', 'string', 'as versions ("1.10.0", "v2.0.0-beta.3"), the two are equal; what is no version counts as 0'),
('field', '$vne', 'string', 'they are not'),
('field', '$vlt', 'string', 'it is an earlier version'),
('field', '$vlte', 'string', 'it is an earlier version, or the same'),
('field', '$vgt', 'string', 'it is a later version'),
('field', '$vgte', 'string', 'it is a later version, or the same'),
('field', '$regex', 'pattern', 'the attribute is a text in which this regular expression (PCRE2) is found'),
('field', '$regexi', 'pattern', 'the same without regard to case'),
('field', '$exists', 'boolean', 'true: the attribute is there and not null; false: it is missing or null'),
('field', '$type', 'type', 'its type is this: "string", "number", "boolean", "array", "object" or "null"'),
('field', '$size', 'size', 'the attribute is an array with so many elements, or a number of them that meets these operators'),
('field', '$elemMatch', 'element', 'the attribute is an array; one of its elements meets these operators or this condition'),
('field', '$not', 'demand', 'this value, or these operators, are not met'),
('top', '$and', 'conditions', 'all of these conditions are met'),
('top', '$or', 'conditions', 'one of these conditions is met, or there is none'),
('top', '$nor', 'conditions', 'none of these conditions is met, and there is one'),
('top', '$not', 'condition', 'this condition is not met'),
('top', '$segment', 'key', 'the condition of this segment is met')
on conflict (place, name) do update set operand = excluded.operand, description = excluded.description
    where (o.operand, o.description) is distinct from (excluded.operand, excluded.description);

create or replace function cohort.fail_operator(what text, operator text, attribute text) returns void
    language plpgsql as $$
begin
    perform cohort.fail('condition_operator',
        format('The condition of %s uses the unknown operator %s%s.', what, cohort.shown(operator),
            case when attribute is null then '' else ' on attribute ' || cohort.shown(attribute) end),
        null,
        (select format('Known operators: %s.', string_agg(o.name, ', ' order by o.name)) from cohort.condition_operator o
          where o.place = case when attribute is null then 'top' else 'field' end));
end $$;
comment on function cohort.fail_operator(text, text, text) is 'Refuses an operator and lists the known ones; attribute null: in place of an attribute';

create or replace function cohort.json_noun(value jsonb) returns text
    language sql immutable parallel safe
    as $$ select case jsonb_typeof(value) when 'object' then 'an object' when 'array' then 'an array'
        when 'string' then 'a string' when 'number' then 'a number' when 'boolean' then 'true or false' else 'null' end $$;
comment on function cohort.json_noun(jsonb) is 'A JSON value''s type in a sentence: "a string"';

create or replace function cohort.only_operators(value jsonb) returns boolean
    language sql immutable parallel safe
    as $$ select case when jsonb_typeof(value) <> 'object' then false
                      else coalesce((select bool_and(k like '$%') from jsonb_object_keys(value) k), false) end $$;
comment on function cohort.only_operators(jsonb) is 'True for an object of operators and nothing else: {"$gt": 1}';

-- PostgreSQL's expressions are not PCRE2's: only a pattern in what both have in common is tried.
create or replace function cohort.pattern_problem(pattern text) returns text
    language plpgsql immutable parallel safe as $$
begin
    if octet_length(pattern) > 1000 then
        return format('has %s bytes; at most 1000 are allowed', octet_length(pattern));
    end if;
    if pattern ~ '\\[B-CE-RT-VX-Za-ceg-mo-qux-z0-9]|\(\?[^:=!]|\(\*|[*+?}][+]|\{[^}]*[0-9]{3}|\{,|\^[*+?{]|\[:' then
        return null;
    end if;
    perform '' ~ pattern;
    return null;
exception when invalid_regular_expression then
    return 'can''t be compiled (' || sqlerrm || ')';
end $$;
comment on function cohort.pattern_problem(text) is
    'What is wrong with a regular expression, or null; what only PCRE2 knows is left to the servers';

create or replace function cohort.check_pattern(what text, operator text, attribute text, pattern text) returns void
    language plpgsql as $$
declare
    problem text := cohort.pattern_problem(pattern);
begin
    if problem is not null then
        perform cohort.fail('condition_pattern', format('In the condition of %s, the pattern %s of %s on attribute %s %s.', what,
            cohort.shown(pattern), operator, cohort.shown(attribute), problem));
    end if;
end $$;
comment on function cohort.check_pattern(text, text, text, text) is 'Refuses a pattern that is too long or no regular expression';

-- What an operator takes, in words, when this is not it; null when it is.
create or replace function cohort.operand_wanted(operand text, value jsonb) returns text
    language sql immutable parallel safe as $$
    select case
        when operand in ('any', 'demand') then null
        when operand = 'array' then case jsonb_typeof(value) when 'array' then null else 'an array' end
        when operand = 'boolean' then case jsonb_typeof(value) when 'boolean' then null else 'true or false' end
        when operand in ('string', 'pattern') then case jsonb_typeof(value) when 'string' then null else 'a string' end
        when operand = 'key' then case jsonb_typeof(value) when 'string' then null else 'the key of a segment' end
        when operand = 'comparable' then case when jsonb_typeof(value) in ('string', 'number') then null else 'a number or a string' end
        when operand = 'type' then case when value <@ '["string", "number", "boolean", "array", "object", "null"]' and jsonb_typeof(value) = 'string'
            then null else 'one of "string", "number", "boolean", "array", "object", "null"' end
        when operand = 'size' then case when jsonb_typeof(value) = 'number' or cohort.only_operators(value)
            then null else 'a number, or operators on one' end
        when operand in ('element', 'condition') then case jsonb_typeof(value) when 'object' then null else 'an object' end
        else case when jsonb_typeof(value) = 'array' and not jsonb_path_exists(value, 'strict $[*] ? (@.type() != "object")')
            then null else 'an array of conditions' end end $$;
comment on function cohort.operand_wanted(text, jsonb) is 'What kind of thing an operator takes, when this is not one; else null';

-- One operator on an attribute.
create or replace function cohort.check_operator(what text, attribute text, operator text, value jsonb) returns void
    language plpgsql as $$
declare
    known cohort.condition_operator;
    wanted text;
begin
    select * into known from cohort.condition_operator o where o.place = 'field' and o.name = operator;
    if not found then
        perform cohort.fail_operator(what, operator, attribute);
    end if;
    wanted := case when operator in ('$all', '$alli') and jsonb_typeof(value) = 'array' and jsonb_array_length(value) > 1024
        then 'at most 1024 values' else cohort.operand_wanted(known.operand, value) end;
    if wanted is not null then
        perform cohort.fail('condition_operand', format('In the condition of %s, %s on attribute %s takes %s, not %s.', what, operator,
            cohort.shown(attribute), wanted, case when wanted like 'at most%' then jsonb_array_length(value)::text
                when known.operand = 'type' and jsonb_typeof(value) = 'string' then value::text else cohort.json_noun(value) end));
    end if;
    if known.operand = 'pattern' then
        perform cohort.check_pattern(what, operator, attribute, value #>> '{}');
    elsif operator in ('$all', '$alli') then
        perform cohort.check_attribute(what, attribute, a) from jsonb_array_elements(value) a where jsonb_typeof(a) in ('object', 'array');
    elsif known.operand in ('demand', 'size') or known.operand = 'element' and cohort.only_operators(value) then
        perform cohort.check_attribute(what, attribute, value);
    elsif known.operand = 'element' then
        perform cohort.check_condition_part(what, value);
    end if;
end $$;
comment on function cohort.check_operator(text, text, text, jsonb) is 'Checks one operator on an attribute, and what is inside it';

-- One attribute of a condition: a value it must equal, or an object of operators.
create or replace function cohort.check_attribute(what text, attribute text, demand jsonb) returns void
    language plpgsql as $$
declare
    nested text;
begin
    if jsonb_typeof(demand) = 'object' and exists (select from jsonb_object_keys(demand) k where k like '$%') then
        perform cohort.check_operator(what, attribute, o.key, o.value) from jsonb_each(demand) o;
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

-- Conditions combined ($or, $not, …) or a segment's, in place of an attribute.
create or replace function cohort.check_combination(what text, operator text, operand text, value jsonb) returns void
    language plpgsql as $$
declare
    wanted text := cohort.operand_wanted(operand, value);
begin
    if wanted is not null then
        perform cohort.fail('condition_operand', format('In the condition of %s, %s takes %s, not %s.', what, operator, wanted,
            case when wanted = 'an array of conditions' and jsonb_typeof(value) = 'array' then 'an array of something else'
                 else cohort.json_noun(value) end));
    end if;
    if operand = 'conditions' then
        perform cohort.check_condition_part(what, a) from jsonb_array_elements(value) a;
    elsif operand = 'condition' then
        perform cohort.check_condition_part(what, value);
    end if;
end $$;
comment on function cohort.check_combination(text, text, text, jsonb) is 'Checks $and, $or, $nor, $not and $segment';

-- A $ in place of an attribute is an operator, unless operators on it follow: {"$groups": {"$elemMatch": …}}.
create or replace function cohort.check_condition_part(what text, condition jsonb) returns void
    language plpgsql as $$
declare
    part record;
    known cohort.condition_operator;
begin
    for part in select o.key, o.value from jsonb_each(condition) o loop
        select * into known from cohort.condition_operator o where o.place = 'top' and o.name = part.key;
        if found then
            perform cohort.check_combination(what, part.key, known.operand, part.value);
            continue;
        end if;
        if part.key like '$%' and (not cohort.only_operators(part.value)
            or exists (select from cohort.condition_operator o where o.name = part.key)) then
            perform cohort.fail_operator(what, part.key, null);
        end if;
        if part.key ~ '^\.|\.\.|\.$|^$' or octet_length(part.key) > 256 then
            perform cohort.fail('condition_path', format('The condition of %s asks for %s, which is not the path of an attribute.', what,
                cohort.shown(part.key)));
        end if;
        perform cohort.check_attribute(what, part.key, part.value);
    end loop;
end $$;
comment on function cohort.check_condition_part(text, jsonb) is 'Checks a condition, which may be part of another';

create or replace function cohort.check_condition(what text, condition jsonb) returns void
    language plpgsql as $$
begin
    if jsonb_typeof(condition) is distinct from 'object' then
        perform cohort.fail('condition_object',
            format('The condition of %s must be a JSON object, not %s.', what, coalesce(cohort.json_noun(condition), 'null')));
    end if;
    perform cohort.check_json('The condition of ' || what, 'condition', condition);
    perform cohort.check_condition_part(what, condition);
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
