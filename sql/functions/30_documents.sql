-- Experiments as JSON documents: what REST reads and writes. put_experiment() only reads the document's shape;
-- everything it means goes through the same INSERTs, UPDATEs and triggers as SQL, so errors are the same.

-- A field of a document, checked for its type; SQL null when it is absent. type: a word of json_noun's, integer (32
-- bits) or count (2^53).
create or replace function cohort.doc_field(doc jsonb, path text, field text, type text, required boolean default false)
    returns jsonb language plpgsql as $$
declare
    value jsonb := doc -> field;
    place text := concat_ws('.', nullif(path, '$'), field);
    noun text := case type when 'string' then 'a string' when 'integer' then 'a whole number' when 'count' then 'a whole number' when 'number' then 'a number'
                     when 'boolean' then 'true or false' when 'array' then 'an array' else 'an object' end;
    got text;
begin
    if value is null then
        if required then
            perform cohort.fail('document_field_missing', format('%s is missing.', place), place, format('Add it: %s.', noun));
        end if;
        return null;
    end if;
    if jsonb_typeof(value) <> (case when type in ('integer', 'count') then 'number' else type end) then
        got := cohort.json_noun(value);
    elsif type in ('integer', 'count') and value::numeric % 1 <> 0 then
        got := 'a fraction';
    elsif type in ('integer', 'count') and abs(value::numeric) > (case type when 'count' then 9007199254740992 else 2147483647 end) then
        noun := format('a whole number of at most %s', case type when 'count' then 9007199254740992 else 2147483647 end);
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
        perform cohort.doc_fields(item, path, 'a variant', array['key', 'share_ppm', 'value', 'control', 'dropped']);
        perform cohort.doc_field(item, path, 'dropped', 'boolean');
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
        g.count := coalesce(cohort.doc_field(item, path, 'count', 'string') #>> '{}', cohort.guardrail_count(cohort.current_environment(), g.metric));
        g.action := coalesce(cohort.doc_field(item, path, 'action', 'string') #>> '{}', 'stop');
        return next g;
    end loop;
end $$;
comment on function cohort.doc_guardrails(jsonb) is 'A document''s guardrails as rows; id is the place in the list';

create or replace function cohort.doc_ramp(doc jsonb) returns setof cohort.ramp_step
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', 'ramp', 'array'), '[]');
    item jsonb;
    path text;
    s cohort.ramp_step;
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('ramp[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a step of a ramp', array['traffic_ppm', 'shares', 'wait_s']);
        s := null;
        s.number := i + 1;
        s.traffic_ppm := trunc(cohort.doc_field(item, path, 'traffic_ppm', 'integer', true)::numeric)::int;
        s.shares := cohort.doc_field(item, path, 'shares', 'object');
        s.wait_s := coalesce(trunc(cohort.doc_field(item, path, 'wait_s', 'integer')::numeric)::int, 86400);
        return next s;
    end loop;
end $$;
comment on function cohort.doc_ramp(jsonb) is 'The steps of a document''s ramp as rows';

drop function if exists cohort.doc_tags(jsonb);

-- A moment with an offset, or a local time of the document's time zone.
create or replace function cohort.doc_time(doc jsonb, field text, zone text) returns timestamptz
    language plpgsql stable as $$
declare
    word text := cohort.doc_field(doc, '$', field, 'string') #>> '{}';
begin
    if word is null then
        return null;
    end if;
    if word !~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?$' or (zone is null and word !~ '(Z|[+-]\d{2}:\d{2})$') then
        perform cohort.fail('document_time', format('%s is %s, which is no time%s.', field, cohort.shown(word),
            case when zone is null and word ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}' then ' without an offset or a time_zone' else '' end), field);
    end if;
    return case when word ~ '(Z|[+-]\d{2}:\d{2})$' then word::timestamptz else word::timestamp at time zone zone end;
exception when datetime_field_overflow or invalid_datetime_format or invalid_parameter_value then
    perform cohort.fail('document_time', format('%s is %s, which is no time.', field, cohort.shown(word)), field);
end $$;
comment on function cohort.doc_time(jsonb, text, text) is 'A time of a document; local ones are of its time_zone';

create or replace function cohort.doc_lifecycle(e cohort.experiment, doc jsonb) returns cohort.experiment
    language plpgsql as $$
begin
    e.layer := cohort.doc_field(doc, '$', 'layer', 'string') #>> '{}';
    e.layer_ppm := coalesce(trunc(cohort.doc_field(doc, '$', 'layer_ppm', 'integer')::numeric)::int, 1000000);
    e.tags := cohort.doc_words(doc, 'tags');
    e.team := cohort.doc_field(doc, '$', 'team', 'string') #>> '{}';
    e.time_zone := cohort.doc_field(doc, '$', 'time_zone', 'string') #>> '{}';
    if e.time_zone is not null and num_nonnulls(doc -> 'starts_at', doc -> 'ends_at') > 0 then
        perform set_config('cohort.path', '$', true);
        perform cohort.check_time_zone(e.time_zone);
        perform set_config('cohort.path', '', true);
    end if;
    e.starts_at := cohort.doc_time(doc, 'starts_at', e.time_zone);
    e.ends_at := cohort.doc_time(doc, 'ends_at', e.time_zone);
    e.sticky := coalesce(cohort.doc_field(doc, '$', 'sticky', 'boolean')::boolean, false);
    e.ramp_tolerance := coalesce(cohort.doc_field(doc, '$', 'ramp_tolerance', 'number')::numeric, 2);
    e.ramp_on_alert := coalesce(cohort.doc_field(doc, '$', 'ramp_on_alert', 'string') #>> '{}', 'hold');
    -- Null is a value: unwatched for as long as it may be.
    if doc -> 'guard_max_blind_seconds' is distinct from 'null' then
        e.guard_max_blind_s := coalesce(trunc(cohort.doc_field(doc, '$', 'guard_max_blind_seconds', 'integer')::numeric)::int, 900);
    end if;
    return cohort.doc_analysis(e, doc);
end $$;
comment on function cohort.doc_lifecycle(cohort.experiment, jsonb) is 'Layer, schedule, tags, ramp and what is analysed of a document, added to its row';

create or replace function cohort.put_ramp(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    s cohort.ramp_step;
begin
    perform set_config('cohort.path', 'ramp', true);
    delete from cohort.ramp_step x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_ramp(doc) d where (d.number, d.traffic_ppm, d.wait_s, d.shares)
                                                  is not distinct from (x.number, x.traffic_ppm, x.wait_s, x.shares));
    for s in select d.* from cohort.doc_ramp(doc) d
              where not exists (select from cohort.ramp_step x where x.environment = e.environment and x.experiment = e.key and x.number = d.number)
              order by d.number loop
        perform set_config('cohort.path', format('ramp[%s]', s.number - 1), true);
        insert into cohort.ramp_step (environment, experiment, number, traffic_ppm, shares, wait_s)
        values (e.environment, e.key, s.number, s.traffic_ppm, s.shares, s.wait_s);
    end loop;
    perform set_config('cohort.path', 'ramp', true);
    if e.status in ('draft', 'scheduled') then
        perform cohort.check_ramp(e.environment, e.key);
    end if;
end $$;
comment on function cohort.put_ramp(cohort.experiment, jsonb) is 'Stores the steps of a document''s ramp';

create or replace function cohort.experiment_fields() returns text[]
    language sql immutable
    as $$ select '{flag,type,unit_type,description,owner,traffic_ppm,condition,exposure,alpha,alert_alpha,variants,guardrails,layer,layer_ppm,tags,team,starts_at,ends_at,time_zone,sticky,ramp,ramp_tolerance,ramp_on_alert,guard_max_blind_seconds,prerequisites,metrics,segments,planned_units,success_alpha,stop_conditions,bandit,contextual}'::text[] $$;
comment on function cohort.experiment_fields() is 'Fields of an experiment''s document that a PUT can set';

-- The document's own columns as a row of experiment.
create or replace function cohort.doc_experiment(key text, doc jsonb) returns cohort.experiment
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    e.environment := cohort.current_environment();
    e.key := key;
    e.kind := cohort.doc_kind(doc);
    e.flag := coalesce(cohort.doc_field(doc, '$', 'flag', 'string') #>> '{}', key);
    e.unit_type := coalesce(cohort.doc_field(doc, '$', 'unit_type', 'string') #>> '{}', 'user');
    e.description := coalesce(cohort.doc_field(doc, '$', 'description', 'string') #>> '{}', '');
    e.owner := coalesce(cohort.doc_field(doc, '$', 'owner', 'string') #>> '{}', '');
    e.condition := coalesce(doc -> 'condition', '{}');
    e.traffic_ppm := coalesce(trunc(cohort.doc_field(doc, '$', 'traffic_ppm', 'integer')::numeric)::int, 1000000);
    e.exposure := coalesce(cohort.doc_field(doc, '$', 'exposure', 'string') #>> '{}', 'on_evaluation');
    e.alpha := coalesce(cohort.doc_field(doc, '$', 'alpha', 'number')::numeric, 0.01);
    e.alert_alpha := coalesce(cohort.doc_field(doc, '$', 'alert_alpha', 'number')::numeric, 0.05);
    return cohort.doc_lifecycle(e, doc);
end $$;
comment on function cohort.doc_experiment(text, jsonb) is 'A document''s own fields as a row';

create or replace function cohort.read_only_fields() returns text[]
    language sql immutable
    as $$ select '{key,id,status,kind,origin,iteration,phases,history,stop,verdicts,open_ppm,layer_slots_ppm,ramp_state,iterations,shipped}'::text[] $$;
comment on function cohort.read_only_fields() is 'Fields of an experiment''s document that a GET adds and a PUT can''t change';

-- What GET adds may come back with a PUT as long as it says what is true.
create or replace function cohort.doc_read_only(key text, doc jsonb) returns void
    language plpgsql as $$
declare
    given text[] := array(select k from jsonb_object_keys(doc) k
        where k = any (cohort.read_only_fields()) and k <> 'key' order by k);
    current jsonb;
    f text;
    v record;
begin
    if doc -> 'key' <> to_jsonb(key) then
        perform cohort.fail('document_field_read_only', format('The document''s key is %s; the experiment''s is %s.',
            cohort.shown(doc ->> 'key'), cohort.shown(key)), 'key');
    end if;
    if cardinality(given) > 0 then
        current := coalesce(cohort.get_experiment(key), '{}');
    end if;
    foreach f in array given loop
        -- The kind follows from what the document has: doc_kind() has compared them.
        continue when f = 'kind' and current ->> 'kind' is distinct from 'holdout';
        if current -> f is distinct from doc -> f then
            perform cohort.fail('document_field_read_only', format('%s can''t be set by a document.', f), f);
        end if;
    end loop;
    for v in select (x.n - 1)::text as n, x.item ->> 'key' as key, (x.item ->> 'dropped')::boolean as dropped
               from jsonb_array_elements(doc -> 'variants') with ordinality x(item, n) where x.item ? 'dropped' loop
        perform 1 from cohort.variant s where s.environment = cohort.current_environment() and s.experiment = doc_read_only.key
            and s.key = v.key and (s.dropped_at is not null) = v.dropped;
        if not found and v.dropped then
            perform cohort.fail('document_field_read_only', format('variants[%s].dropped can''t be set by a document.', v.n), format('variants[%s].dropped', v.n));
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
    -- What a restart left out has no share any more and needn't be named.
    delete from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.share_ppm > 0
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
        insert into cohort.experiment (environment, key, kind, flag, unit_type, description, owner, condition, traffic_ppm,
                                       exposure, alpha, alert_alpha, layer, layer_ppm, tags, team, starts_at, ends_at, time_zone,
                                       sticky, ramp_tolerance, ramp_on_alert, guard_max_blind_s, success_alpha, planned_units, segments)
        values (d.environment, d.key, d.kind, d.flag, d.unit_type, d.description, d.owner, d.condition, d.traffic_ppm,
                d.exposure, d.alpha, d.alert_alpha, d.layer, d.layer_ppm, d.tags, d.team, d.starts_at, d.ends_at, d.time_zone,
                d.sticky, d.ramp_tolerance, d.ramp_on_alert, d.guard_max_blind_s, d.success_alpha, d.planned_units, d.segments) returning * into e;
    elsif (e.kind, e.flag, e.unit_type, e.description, e.owner, e.condition::text, e.traffic_ppm, e.exposure, e.alpha, e.alert_alpha,
           e.layer, e.layer_ppm, e.tags, e.team, e.starts_at, e.ends_at, e.time_zone, e.sticky, e.ramp_tolerance, e.ramp_on_alert,
           e.guard_max_blind_s, e.success_alpha, e.planned_units, e.segments)
          is distinct from
          (d.kind, d.flag, d.unit_type, d.description, d.owner, d.condition::text, d.traffic_ppm, d.exposure, d.alpha, d.alert_alpha,
           d.layer, d.layer_ppm, d.tags, d.team, d.starts_at, d.ends_at, d.time_zone, d.sticky, d.ramp_tolerance, d.ramp_on_alert,
           d.guard_max_blind_s, d.success_alpha, d.planned_units, d.segments) then
        update cohort.experiment x
           set (kind, flag, unit_type, description, owner, condition, traffic_ppm, exposure, alpha, alert_alpha, layer, layer_ppm,
                tags, team, starts_at, ends_at, time_zone, sticky, ramp_tolerance, ramp_on_alert, guard_max_blind_s, success_alpha, planned_units, segments)
             = (d.kind, d.flag, d.unit_type, d.description, d.owner, d.condition, d.traffic_ppm, d.exposure, d.alpha, d.alert_alpha,
                d.layer, d.layer_ppm, d.tags, d.team, d.starts_at, d.ends_at, d.time_zone, d.sticky, d.ramp_tolerance, d.ramp_on_alert,
                d.guard_max_blind_s, d.success_alpha, d.planned_units, d.segments)
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
    perform cohort.doc_fields(doc, '$', 'an experiment', cohort.experiment_fields() || cohort.read_only_fields());
    perform cohort.check_bandit_document(doc);
    doc := cohort.doc_equal_shares(doc);
    e := cohort.doc_experiment(key, doc);
    perform cohort.doc_field(doc, '$', 'type', 'string');
    perform count(v) from cohort.doc_variants(doc) v;
    perform count(g) from cohort.doc_guardrails(doc) g;
    perform count(s) from cohort.doc_ramp(doc) s;
    perform count(p) from cohort.doc_prerequisites(doc) p;
    -- Two writers of one key take turns; the second sees what the first made.
    perform pg_advisory_xact_lock(hashtextextended('cohort.experiment ' || e.environment || ' ' || coalesce(key, ''), 0));
    perform cohort.doc_read_only(key, doc);
    perform set_config('cohort.path', '$', true);
    perform cohort.check_team_of('experiment', key);
    e := cohort.put_columns(e);
    perform cohort.put_type(e, doc ->> 'type');
    perform cohort.put_variants(e, doc);
    perform cohort.put_guardrails(e, doc);
    perform cohort.put_bandit(e, doc);
    perform cohort.put_metrics(e, doc);
    perform cohort.put_stop_conditions(e, doc);
    perform cohort.put_ramp(e, doc);
    perform cohort.put_prerequisites(e, doc);
    perform set_config('cohort.path', '', true);
    return cohort.get_experiment(key);
end $$;
comment on function cohort.put_experiment(text, jsonb) is
    'Makes an experiment or replaces its definition by a document; fields left out take their defaults. Returns what get_experiment() does. Errors carry the field''s path as DETAIL';
