-- Holdouts as documents: an experiment of kind holdout with its scope, its arms and what they give.

create or replace function cohort.doc_arms(doc jsonb) returns setof cohort.variant
    language plpgsql as $$
declare
    list jsonb := cohort.doc_field(doc, '$', 'variants', 'array', true);
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
        perform cohort.doc_fields(item, path, 'an arm of a holdout', array['key', 'share_ppm', 'gives', 'control']);
        v := null;
        v.key := cohort.doc_field(item, path, 'key', 'string', true) #>> '{}';
        v.share_ppm := trunc(cohort.doc_field(item, path, 'share_ppm', 'integer', true)::numeric)::int;
        v.gives := cohort.doc_field(item, path, 'gives', 'string', true) #>> '{}';
        v.is_control := coalesce(cohort.doc_field(item, path, 'control', 'boolean')::boolean, false);
        v.position := i + 1;
        return next v;
    end loop;
end $$;
comment on function cohort.doc_arms(jsonb) is 'The arms of a holdout''s document as rows';

create or replace function cohort.put_arms(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    v cohort.variant;
    stored cohort.variant;
    marked boolean := jsonb_path_exists(doc -> 'variants', '$[*] ? (@.control == true)');
    seen text[] := '{}';
begin
    perform set_config('cohort.path', 'variants', true);
    delete from cohort.variant x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_arms(doc) d where d.key = x.key);
    for v in select * from cohort.doc_arms(doc) loop
        perform set_config('cohort.path', format('variants[%s]', v.position - 1), true);
        select * into stored from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.key = v.key;
        if not found or v.key = any (seen) then
            insert into cohort.variant (environment, experiment, key, share_ppm, gives, is_control, position)
            values (e.environment, e.key, v.key, v.share_ppm, v.gives, v.is_control, v.position);
        elsif (stored.share_ppm, stored.gives, stored.is_control) is distinct from
              (v.share_ppm, v.gives, case when marked or e.status = 'draft' then v.is_control else stored.is_control end)
              or (stored.position <> v.position and e.status = 'draft') then
            update cohort.variant x set share_ppm = v.share_ppm, gives = v.gives, is_control = v.is_control, position = v.position
             where x.id = stored.id;
        end if;
        seen := seen || v.key;
    end loop;
    perform set_config('cohort.path', 'variants', true);
    perform cohort.check_variants(e.environment, e.key);
end $$;
comment on function cohort.put_arms(cohort.experiment, jsonb) is 'Stores the arms of a holdout''s document';

create or replace function cohort.doc_holdout(key text, doc jsonb) returns cohort.experiment
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    e.environment := cohort.current_environment();
    e.key := key;
    e.unit_type := coalesce(cohort.doc_field(doc, '$', 'unit_type', 'string') #>> '{}', 'user');
    e.description := coalesce(cohort.doc_field(doc, '$', 'description', 'string') #>> '{}', '');
    e.owner := coalesce(cohort.doc_field(doc, '$', 'owner', 'string') #>> '{}', '');
    e.exposure := coalesce(cohort.doc_field(doc, '$', 'exposure', 'string') #>> '{}', 'on_evaluation');
    e.alpha := coalesce(cohort.doc_field(doc, '$', 'alpha', 'number')::numeric, 0.01);
    e.alert_alpha := coalesce(cohort.doc_field(doc, '$', 'alert_alpha', 'number')::numeric, 0.05);
    return cohort.doc_lifecycle(e, doc);
end $$;
comment on function cohort.doc_holdout(text, jsonb) is 'A holdout document''s own fields as a row of experiment';

create or replace function cohort.put_holdout_columns(d cohort.experiment) returns cohort.experiment
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x where x.environment = d.environment and x.key = d.key for no key update;
    if not found then
        insert into cohort.experiment (environment, key, kind, unit_type, description, owner, exposure, alpha, alert_alpha,
                                       tags, team, starts_at, ends_at, time_zone, success_alpha, planned_units, segments)
        values (d.environment, d.key, 'holdout', d.unit_type, d.description, d.owner, d.exposure, d.alpha, d.alert_alpha,
                d.tags, d.team, d.starts_at, d.ends_at, d.time_zone, d.success_alpha, d.planned_units, d.segments) returning * into e;
    elsif e.kind <> 'holdout' then
        perform cohort.fail('holdout_kind_fixed', format('Experiment %s is no holdout and can''t become one.', cohort.shown(e.key)), 'kind');
    elsif (e.unit_type, e.description, e.owner, e.exposure, e.alpha, e.alert_alpha, e.tags, e.team, e.starts_at, e.ends_at, e.time_zone,
           e.success_alpha, e.planned_units, e.segments)
          is distinct from
          (d.unit_type, d.description, d.owner, d.exposure, d.alpha, d.alert_alpha, d.tags, d.team, d.starts_at, d.ends_at, d.time_zone,
           d.success_alpha, d.planned_units, d.segments) then
        update cohort.experiment x
           set (unit_type, description, owner, exposure, alpha, alert_alpha, tags, team, starts_at, ends_at, time_zone,
                success_alpha, planned_units, segments)
             = (d.unit_type, d.description, d.owner, d.exposure, d.alpha, d.alert_alpha, d.tags, d.team, d.starts_at, d.ends_at, d.time_zone,
                d.success_alpha, d.planned_units, d.segments)
         where x.id = e.id returning * into e;
    end if;
    return e;
end $$;
comment on function cohort.put_holdout_columns(cohort.experiment) is 'Stores a holdout''s own columns: a new one, or what changed';

create or replace function cohort.put_scope(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    h cohort.holdout;
    o cohort.holdout;
begin
    h.scope := coalesce(cohort.doc_field(doc, '$', 'scope', 'string') #>> '{}', 'global');
    h.scope_key := cohort.doc_field(doc, '$', 'scope_key', 'string') #>> '{}';
    h.exempts_running := coalesce(cohort.doc_field(doc, '$', 'exempts_running', 'boolean')::boolean, true);
    select * into o from cohort.holdout x where x.environment = e.environment and x.experiment = e.key;
    if not found then
        insert into cohort.holdout (environment, experiment, scope, scope_key, exempts_running)
        values (e.environment, e.key, h.scope, h.scope_key, h.exempts_running);
    elsif (o.scope, o.scope_key, o.exempts_running) is distinct from (h.scope, h.scope_key, h.exempts_running) then
        update cohort.holdout x set scope = h.scope, scope_key = h.scope_key, exempts_running = h.exempts_running
         where x.environment = e.environment and x.experiment = e.key;
    end if;
end $$;
comment on function cohort.put_scope(cohort.experiment, jsonb) is 'Stores the scope of a holdout''s document';

create or replace function cohort.holdout_arms(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('key', v.key, 'share_ppm', v.share_ppm, 'gives', v.gives)
               || case when v.is_control then '{"control": true}'::jsonb else '{}' end order by v.position, v.id), '[]')
      from cohort.variant v where v.environment = e.environment and v.experiment = e.key $$;
comment on function cohort.holdout_arms(cohort.experiment) is 'A holdout''s arms as a document has them';

create or replace function cohort.get_holdout(key text) returns jsonb
    language plpgsql stable as $$
declare
    e cohort.experiment;
    h cohort.holdout;
begin
    select * into e from cohort.experiment x
     where x.environment = cohort.current_environment() and x.key = get_holdout.key and x.kind = 'holdout';
    if not found then
        return null;
    end if;
    select * into h from cohort.holdout x where x.environment = e.environment and x.experiment = e.key;
    return jsonb_strip_nulls(jsonb_build_object('scope', h.scope, 'scope_key', h.scope_key, 'exempts_running', h.exempts_running,
                                                'team', e.team, 'starts_at', cohort.rfc3339(e.starts_at),
                                                'ends_at', cohort.rfc3339(e.ends_at), 'time_zone', e.time_zone))
        || jsonb_build_object('key', e.key, 'id', e.id, 'kind', e.kind, 'status', cohort.effective_status(e), 'iteration', e.iteration,
               'unit_type', e.unit_type, 'description', e.description, 'owner', e.owner, 'tags', to_jsonb(e.tags), 'exposure', e.exposure,
               'alpha', e.alpha, 'alert_alpha', e.alert_alpha, 'variants', cohort.holdout_arms(e),
               'guardrails', cohort.experiment_guardrails(e), 'history', cohort.experiment_history(e), 'stop', cohort.experiment_stop(e))
        || cohort.experiment_analysis(e);
end $$;
comment on function cohort.get_holdout(text) is 'A holdout as a document; null when there is none';

create or replace function cohort.list_holdouts(lim int default 100, after text default null) returns jsonb
    language plpgsql stable as $$
begin
    return (select cohort.page(array_agg(cohort.get_holdout(x.key) order by x.key), array_agg(x.key order by x.key), lim)
              from (select e.key from cohort.experiment e
                     where e.environment = cohort.current_environment() and e.kind = 'holdout' and e.key > coalesce(after, '')
                     order by e.key limit cohort.check_limit(lim) + 1) x);
end $$;
comment on function cohort.list_holdouts(int, text) is 'Holdouts in the order of their keys, a page at a time';

create or replace function cohort.put_holdout(key text, doc jsonb) returns jsonb
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    perform cohort.check_team_of('experiment', key);
    perform cohort.check_document('a holdout', key, doc, array['scope', 'scope_key', 'exempts_running', 'unit_type', 'description', 'owner',
        'team', 'tags', 'exposure', 'alpha', 'alert_alpha', 'starts_at', 'ends_at', 'time_zone', 'variants', 'guardrails',
        'metrics', 'segments', 'planned_units', 'success_alpha', 'stop_conditions',
        'key', 'id', 'kind', 'status', 'iteration', 'history', 'stop']);
    e := cohort.doc_holdout(key, doc);
    perform count(v) from cohort.doc_arms(doc) v;
    perform count(g) from cohort.doc_guardrails(doc) g;
    -- The lock of put_experiment(): holdouts and experiments share their keys.
    perform cohort.one_writer('experiment', key);
    perform cohort.same_or_absent(doc, cohort.get_holdout(key), array['id', 'kind', 'status', 'iteration', 'history', 'stop']);
    perform set_config('cohort.path', '$', true);
    e := cohort.put_holdout_columns(e);
    perform cohort.put_scope(e, doc);
    perform cohort.put_arms(e, doc);
    perform cohort.put_guardrails(e, doc);
    perform cohort.put_metrics(e, doc);
    perform cohort.put_stop_conditions(e, doc);
    perform set_config('cohort.path', '', true);
    return cohort.get_holdout(key);
end $$;
comment on function cohort.put_holdout(text, jsonb) is
    'Makes a holdout or replaces its definition by a document: {"scope": "global", "variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing"}, {"key": "in", "share_ppm": 950000, "gives": "everything"}]}. Returns what get_holdout() does';

create or replace function cohort.delete_holdout(key text) returns boolean
    language plpgsql as $$
begin
    perform cohort.check_team_of('experiment', $1);
    delete from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1 and e.kind = 'holdout';
    return found;
end $$;
comment on function cohort.delete_holdout(text) is 'Deletes a holdout that is a draft; false when there is none';

create or replace function cohort.patch_holdout(key text, patch jsonb) returns jsonb
    language plpgsql as $$
declare
    doc jsonb;
begin
    perform cohort.one_writer('experiment', key);
    doc := cohort.get_holdout(key);
    if doc is null then
        return null;
    end if;
    return cohort.put_holdout(key, cohort.merge_patch(doc - array['id', 'kind', 'status', 'iteration', 'history', 'stop'], patch));
end $$;
comment on function cohort.patch_holdout(text, jsonb) is 'Changes the fields of a holdout that the patch names (JSON merge patch); null when there is none';
