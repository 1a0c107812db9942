-- Experiments as JSON documents: what REST reads and writes. put_experiment() only reads the document's shape;
-- everything it means goes through the same INSERTs, UPDATEs and triggers as SQL, so errors are the same.

-- A field of a document, checked for its type; SQL null when it is absent. type: a word of json_noun's.
create or replace function cohort.doc_field(doc jsonb, path text, field text, type text, required boolean default false)
    returns jsonb language plpgsql as $$
declare
    value jsonb := doc -> field;
    place text := concat_ws('.', nullif(path, '$'), field);
    noun text := case type when 'string' then 'a string' when 'integer' then 'a whole number' when 'number' then 'a number'
                     when 'boolean' then 'true or false' when 'array' then 'an array' else 'an object' end;
    got text;
begin
    if value is null then
        if required then
            perform cohort.fail('document_field_missing', format('%s is missing.', place), place, format('Add it: %s.', noun));
        end if;
        return null;
    end if;
    if jsonb_typeof(value) <> (case type when 'integer' then 'number' else type end) then
        got := cohort.json_noun(value);
    elsif type = 'integer' and value::numeric % 1 <> 0 then
        got := 'a fraction';
    elsif type = 'integer' and abs(value::numeric) > 2147483647 then
        got := cohort.shown(value::numeric);
    end if;
    if got is not null then
        perform cohort.fail('document_field_type', format('%s must be %s, not %s.', place, noun, got), place);
    end if;
    return value;
end $$;
comment on function cohort.doc_field(jsonb, text, text, text, boolean) is 'A field of a document, of the type asked for; fails by its path';

create or replace function cohort.doc_fields(doc jsonb, path text, thing text, known text[]) returns void
    language plpgsql as $$
declare
    odd text;
    place text;
begin
    select k into odd from jsonb_object_keys(doc) k where k <> all (known) order by k limit 1;
    if found then
        place := concat_ws('.', nullif(path, '$'), odd);
        perform cohort.fail('document_field_unknown', format('%s is no field of %s.', cohort.shown(place), thing), place,
            format('Fields of %s: %s.', thing, array_to_string(known, ', ')));
    end if;
end $$;
comment on function cohort.doc_fields(jsonb, text, text, text[]) is 'Refuses fields nobody knows, by name';

-- The variants of a document as rows. The control is marked as a start would mark it, so that a document that
-- leaves it to the key "control" changes nothing later.
create or replace function cohort.doc_variants(doc jsonb) returns setof cohort.variant
    language plpgsql as $$
declare
    list jsonb := cohort.doc_field(doc, '$', 'variants', 'array', true);
    marked boolean := jsonb_path_exists(list, '$[*] ? (@.control == true)');
    item jsonb;
    path text;
    v cohort.variant;
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('variants[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a variant', array['key', 'share_ppm', 'value', 'control']);
        v := null;
        v.key := cohort.doc_field(item, path, 'key', 'string', true) #>> '{}';
        v.share_ppm := trunc(cohort.doc_field(item, path, 'share_ppm', 'integer', true)::numeric)::int;
        v.value := item -> 'value';
        v.is_control := coalesce(cohort.doc_field(item, path, 'control', 'boolean')::boolean, false) or (not marked and v.key = 'control');
        v.position := i + 1;
        return next v;
    end loop;
end $$;
comment on function cohort.doc_variants(jsonb) is 'A document''s variants as rows';

create or replace function cohort.doc_guardrails(doc jsonb) returns setof cohort.guardrail
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', 'guardrails', 'array'), '[]');
    item jsonb;
    path text;
    g cohort.guardrail;
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('guardrails[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a guardrail', array['metric', 'direction', 'margin', 'weight', 'count', 'action']);
        g := null;
        g.id := i;
        g.metric := cohort.doc_field(item, path, 'metric', 'string', true) #>> '{}';
        g.direction := coalesce(cohort.doc_field(item, path, 'direction', 'string') #>> '{}', 'up');
        g.margin := coalesce(cohort.doc_field(item, path, 'margin', 'number')::numeric, 1);
        g.weight := coalesce(cohort.doc_field(item, path, 'weight', 'number')::numeric, 1);
        g.count := coalesce(cohort.doc_field(item, path, 'count', 'string') #>> '{}', 'at_event');
        g.action := coalesce(cohort.doc_field(item, path, 'action', 'string') #>> '{}', 'stop');
        return next g;
    end loop;
end $$;
comment on function cohort.doc_guardrails(jsonb) is 'A document''s guardrails as rows; id is the place in the list';

-- The document's own columns as a row of experiment.
create or replace function cohort.doc_experiment(key text, doc jsonb) returns cohort.experiment
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    e.environment := cohort.current_environment();
    e.key := key;
    e.flag := coalesce(cohort.doc_field(doc, '$', 'flag', 'string') #>> '{}', key);
    e.unit_type := coalesce(cohort.doc_field(doc, '$', 'unit_type', 'string') #>> '{}', 'user');
    e.description := coalesce(cohort.doc_field(doc, '$', 'description', 'string') #>> '{}', '');
    e.owner := coalesce(cohort.doc_field(doc, '$', 'owner', 'string') #>> '{}', '');
    e.condition := coalesce(doc -> 'condition', '{}');
    e.traffic_ppm := coalesce(trunc(cohort.doc_field(doc, '$', 'traffic_ppm', 'integer')::numeric)::int, 1000000);
    e.exposure := coalesce(cohort.doc_field(doc, '$', 'exposure', 'string') #>> '{}', 'on_evaluation');
    e.alpha := coalesce(cohort.doc_field(doc, '$', 'alpha', 'number')::numeric, 0.01);
    e.alert_alpha := coalesce(cohort.doc_field(doc, '$', 'alert_alpha', 'number')::numeric, 0.05);
    return e;
end $$;
comment on function cohort.doc_experiment(text, jsonb) is 'A document''s own fields as a row';

-- What GET adds may come back with a PUT as long as it says what is true.
create or replace function cohort.doc_read_only(key text, doc jsonb) returns void
    language plpgsql as $$
declare
    given text[] := array(select k from jsonb_object_keys(doc) k
        where k = any (array['id', 'status', 'kind', 'origin', 'iteration', 'phases', 'history', 'stop']) order by k);
    current jsonb;
    f text;
begin
    if doc -> 'key' <> to_jsonb(key) then
        perform cohort.fail('document_field_read_only', format('The document''s key is %s; the experiment''s is %s.',
            cohort.shown(doc ->> 'key'), cohort.shown(key)), 'key');
    end if;
    if cardinality(given) > 0 then
        current := coalesce(cohort.get_experiment(key), '{}');
    end if;
    foreach f in array given loop
        if current -> f is distinct from doc -> f then
            perform cohort.fail('document_field_read_only', format('%s can''t be set by a document.', f), f);
        end if;
    end loop;
end $$;
comment on function cohort.doc_read_only(text, jsonb) is 'Refuses fields of GET that a PUT would have to ignore';

create or replace function cohort.put_type(e cohort.experiment, type text) returns void
    language plpgsql as $$
declare
    f cohort.flag;
begin
    select * into f from cohort.flag x where x.environment = e.environment and x.key = e.flag;
    if type is null or type = f.type then
        return;
    end if;
    if f.type is not null and not f.made_by_experiment then
        perform cohort.fail('flag_type_fixed', format('Flag %s has type %s, not %s.', cohort.shown(f.key), f.type, cohort.shown(type)));
    end if;
    update cohort.flag x set type = put_type.type where x.environment = f.environment and x.key = f.key;
end $$;
comment on function cohort.put_type(cohort.experiment, text) is 'Gives the experiment''s flag the document''s type';

-- Only what differs is written: a document that changes nothing changes nothing, on a running experiment too.
create or replace function cohort.put_variants(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    v cohort.variant;
    stored cohort.variant;
    seen text[] := '{}';
begin
    perform set_config('cohort.path', 'variants', true);
    delete from cohort.variant x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_variants(doc) d where d.key = x.key);
    for v in select * from cohort.doc_variants(doc) loop
        perform set_config('cohort.path', format('variants[%s]', v.position - 1), true);
        select * into stored from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.key = v.key;
        if not found or v.key = any (seen) then
            insert into cohort.variant (environment, experiment, key, share_ppm, value, is_control, position)
            values (e.environment, e.key, v.key, v.share_ppm, v.value, v.is_control, v.position);
        elsif (stored.share_ppm, stored.value::text, stored.is_control) is distinct from (v.share_ppm, v.value::text, v.is_control)
              or (stored.position <> v.position and e.status = 'draft') then
            update cohort.variant x set share_ppm = v.share_ppm, value = v.value, is_control = v.is_control, position = v.position
             where x.id = stored.id;
        end if;
        seen := seen || v.key;
    end loop;
    perform set_config('cohort.path', 'variants', true);
    perform cohort.check_variants(e.environment, e.key);
end $$;
comment on function cohort.put_variants(cohort.experiment, jsonb) is 'Stores a document''s variants';

create or replace function cohort.put_guardrails(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    g cohort.guardrail;
    kept int[] := '{}';
begin
    perform set_config('cohort.path', 'guardrails', true);
    delete from cohort.guardrail x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_guardrails(doc) d
                         where (d.metric, d.direction, d.margin, d.weight, d.count, d.action)
                             = (x.metric, x.direction, x.margin, x.weight, x.count, x.action));
    select coalesce(array_agg(d.id), '{}') into kept
      from (select distinct on (o.metric, o.direction, o.action) o.* from cohort.doc_guardrails(doc) o
             order by o.metric, o.direction, o.action, o.id) d
      join cohort.guardrail x on x.environment = e.environment and x.experiment = e.key
       and (d.metric, d.direction, d.margin, d.weight, d.count, d.action)
         = (x.metric, x.direction, x.margin, x.weight, x.count, x.action);
    for g in select * from cohort.doc_guardrails(doc) d where d.id <> all (kept) loop
        perform set_config('cohort.path', format('guardrails[%s]', g.id), true);
        insert into cohort.guardrail (environment, experiment, metric, direction, margin, weight, count, action)
        values (e.environment, e.key, g.metric, g.direction, g.margin, g.weight, g.count, g.action);
    end loop;
end $$;
comment on function cohort.put_guardrails(cohort.experiment, jsonb) is 'Stores a document''s guardrails';

create or replace function cohort.put_columns(d cohort.experiment) returns cohort.experiment
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x where x.environment = d.environment and x.key = d.key for no key update;
    if not found then
        insert into cohort.experiment (environment, key, flag, unit_type, description, owner, condition, traffic_ppm,
                                       exposure, alpha, alert_alpha)
        values (d.environment, d.key, d.flag, d.unit_type, d.description, d.owner, d.condition, d.traffic_ppm,
                d.exposure, d.alpha, d.alert_alpha) returning * into e;
    elsif (e.flag, e.unit_type, e.description, e.owner, e.condition::text, e.traffic_ppm, e.exposure, e.alpha, e.alert_alpha)
          is distinct from
          (d.flag, d.unit_type, d.description, d.owner, d.condition::text, d.traffic_ppm, d.exposure, d.alpha, d.alert_alpha) then
        update cohort.experiment x
           set (flag, unit_type, description, owner, condition, traffic_ppm, exposure, alpha, alert_alpha)
             = (d.flag, d.unit_type, d.description, d.owner, d.condition, d.traffic_ppm, d.exposure, d.alpha, d.alert_alpha)
         where x.id = e.id returning * into e;
    end if;
    return e;
end $$;
comment on function cohort.put_columns(cohort.experiment) is 'Stores an experiment''s own columns: a new one, or what changed';

create or replace function cohort.put_experiment(key text, doc jsonb) returns jsonb
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    if jsonb_typeof(doc) is distinct from 'object' then
        perform cohort.fail('document_object', format('The definition must be a JSON object, not %s.', coalesce(cohort.json_noun(doc), 'null')));
    end if;
    perform cohort.doc_fields(doc, '$', 'an experiment', array['flag', 'type', 'unit_type', 'description', 'owner', 'traffic_ppm',
        'condition', 'exposure', 'alpha', 'alert_alpha', 'variants', 'guardrails', 'key', 'id', 'status', 'kind', 'origin',
        'iteration', 'phases', 'history', 'stop']);
    e := cohort.doc_experiment(key, doc);
    perform cohort.doc_field(doc, '$', 'type', 'string');
    perform count(v) from cohort.doc_variants(doc) v;
    perform count(g) from cohort.doc_guardrails(doc) g;
    -- Two writers of one key take turns; the second sees what the first made.
    perform pg_advisory_xact_lock(hashtextextended('cohort.experiment ' || e.environment || ' ' || coalesce(key, ''), 0));
    perform cohort.doc_read_only(key, doc);
    perform set_config('cohort.path', '$', true);
    e := cohort.put_columns(e);
    perform cohort.put_type(e, doc ->> 'type');
    perform cohort.put_variants(e, doc);
    perform cohort.put_guardrails(e, doc);
    perform set_config('cohort.path', '', true);
    return cohort.get_experiment(key);
end $$;
comment on function cohort.put_experiment(text, jsonb) is
    'Makes an experiment or replaces its definition by a document; fields left out take their defaults. Returns what get_experiment() does. Errors carry the field''s path as DETAIL';
