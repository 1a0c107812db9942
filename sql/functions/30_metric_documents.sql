-- What an experiment is to find out, in documents: its metrics, segments, planned units and stop conditions.

create or replace function cohort.doc_metrics(doc jsonb) returns setof cohort.experiment_metric
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', 'metrics', 'array'), '[]');
    item jsonb;
    path text;
    x cohort.experiment_metric;
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('metrics[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a metric of an experiment', array['metric', 'role', 'smallest_effect', 'smallest_relative']);
        x := null;
        x.id := i;
        x.metric := cohort.doc_field(item, path, 'metric', 'string', true) #>> '{}';
        x.role := coalesce(cohort.doc_field(item, path, 'role', 'string') #>> '{}', 'secondary');
        x.smallest_effect := cohort.doc_field(item, path, 'smallest_effect', 'number')::numeric;
        x.smallest_relative := cohort.doc_field(item, path, 'smallest_relative', 'number')::numeric;
        return next x;
    end loop;
end $$;
comment on function cohort.doc_metrics(jsonb) is 'The metrics a document lists as rows; id is the place in the list';

create or replace function cohort.put_metrics(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    d cohort.experiment_metric;
    stored cohort.experiment_metric;
    seen text[] := '{}';
begin
    perform set_config('cohort.path', 'metrics', true);
    delete from cohort.experiment_metric x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_metrics(doc) y where y.metric = x.metric);
    for d in select * from cohort.doc_metrics(doc) loop
        perform set_config('cohort.path', format('metrics[%s]', d.id), true);
        select * into stored from cohort.experiment_metric x
         where x.environment = e.environment and x.experiment = e.key and x.metric = d.metric;
        if not found or d.metric = any (seen) then
            insert into cohort.experiment_metric (environment, experiment, metric, role, smallest_effect, smallest_relative)
            values (e.environment, e.key, d.metric, d.role, d.smallest_effect, d.smallest_relative);
        elsif (stored.role, stored.smallest_effect, stored.smallest_relative) is distinct from (d.role, d.smallest_effect, d.smallest_relative) then
            update cohort.experiment_metric x set role = d.role, smallest_effect = d.smallest_effect, smallest_relative = d.smallest_relative
             where x.environment = e.environment and x.experiment = e.key and x.metric = d.metric;
        end if;
        seen := seen || d.metric;
    end loop;
end $$;
comment on function cohort.put_metrics(cohort.experiment, jsonb) is 'Stores the metrics a document lists';

-- Success and futility that name no metric are about the document's one primary metric.
create or replace function cohort.doc_stop_conditions(doc jsonb) returns setof cohort.stop_condition
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', 'stop_conditions', 'array'), '[]');
    item jsonb;
    path text;
    s cohort.stop_condition;
    listed text[] := array(select x.metric from cohort.doc_metrics(doc) x where x.role = 'primary');
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('stop_conditions[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a stop condition', array['kind', 'metric', 'action', 'minutes', 'ratio', 'seconds', 'units', 'weight']);
        s := null;
        s.id := i;
        s.kind := cohort.doc_field(item, path, 'kind', 'string', true) #>> '{}';
        s.metric := cohort.doc_field(item, path, 'metric', 'string') #>> '{}';
        if s.metric is null and s.kind in ('success', 'futility') and cardinality(listed) = 1 then
            s.metric := listed[1];
        end if;
        s.action := coalesce(cohort.doc_field(item, path, 'action', 'string') #>> '{}', 'stop');
        s.minutes := trunc(cohort.doc_field(item, path, 'minutes', 'integer')::numeric)::int;
        s.ratio := cohort.doc_field(item, path, 'ratio', 'number')::numeric;
        s.seconds := trunc(cohort.doc_field(item, path, 'seconds', 'count')::numeric)::bigint;
        s.units := trunc(cohort.doc_field(item, path, 'units', 'count')::numeric)::bigint;
        s.weight := coalesce(cohort.doc_field(item, path, 'weight', 'number')::numeric, 1);
        return next s;
    end loop;
end $$;
comment on function cohort.doc_stop_conditions(jsonb) is 'A document''s stop conditions as rows; id is the place in the list';

create or replace function cohort.put_stop_conditions(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    s cohort.stop_condition;
    kept int[];
begin
    perform set_config('cohort.path', 'stop_conditions', true);
    delete from cohort.stop_condition x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_stop_conditions(doc) d
                         where (d.kind, d.metric, d.action, d.minutes, d.ratio, d.seconds, d.units, d.weight)
                               is not distinct from (x.kind, x.metric, x.action, x.minutes, x.ratio, x.seconds, x.units, x.weight));
    kept := array(select min(d.id) from cohort.doc_stop_conditions(doc) d join cohort.stop_condition x
                      on x.environment = e.environment and x.experiment = e.key
                     and (d.kind, d.metric, d.action, d.minutes, d.ratio, d.seconds, d.units, d.weight)
                         is not distinct from (x.kind, x.metric, x.action, x.minutes, x.ratio, x.seconds, x.units, x.weight)
                   group by x.id);
    for s in select * from cohort.doc_stop_conditions(doc) d where d.id <> all (kept) loop
        perform set_config('cohort.path', format('stop_conditions[%s]', s.id), true);
        insert into cohort.stop_condition (environment, experiment, kind, metric, action, minutes, ratio, seconds, units, weight)
        values (e.environment, e.key, s.kind, s.metric, s.action, s.minutes, s.ratio, s.seconds, s.units, s.weight);
    end loop;
end $$;
comment on function cohort.put_stop_conditions(cohort.experiment, jsonb) is 'Stores a document''s stop conditions';

-- The names in one of a document's lists.
create or replace function cohort.doc_words(doc jsonb, field text) returns text[]
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', field, 'array'), '[]');
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        if jsonb_typeof(list -> i) <> 'string' then
            perform cohort.fail('document_field_type', format('%s[%s] must be a string, not %s.', field, i, cohort.json_noun(list -> i)), format('%s[%s]', field, i));
        end if;
    end loop;
    return array(select t from jsonb_array_elements_text(list) t);
end $$;
comment on function cohort.doc_words(jsonb, text) is 'A list of strings of a document; empty when it is absent';

create or replace function cohort.doc_analysis(e cohort.experiment, doc jsonb) returns cohort.experiment
    language plpgsql as $$
begin
    e.success_alpha := coalesce(cohort.doc_field(doc, '$', 'success_alpha', 'number')::numeric, 0.05);
    e.planned_units := trunc(cohort.doc_field(doc, '$', 'planned_units', 'count')::numeric)::bigint;
    e.segments := cohort.doc_words(doc, 'segments');
    perform count(x) from cohort.doc_metrics(doc) x;
    perform count(s) from cohort.doc_stop_conditions(doc) s;
    return e;
end $$;
comment on function cohort.doc_analysis(cohort.experiment, jsonb) is
    'Planned units, segments and the error level of success, added to a document''s row; the shape of its metrics and stop conditions is checked';

create or replace function cohort.experiment_analysis(e cohort.experiment) returns jsonb
    language sql stable as $$
    select jsonb_build_object('success_alpha', e.success_alpha, 'segments', to_jsonb(e.segments),
               'metrics', (select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('metric', x.metric, 'role', x.role,
                                'smallest_effect', x.smallest_effect, 'smallest_relative', x.smallest_relative)) order by x.id), '[]')
                             from cohort.experiment_metric x where x.environment = e.environment and x.experiment = e.key),
               'stop_conditions', (select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('kind', s.kind, 'metric', s.metric,
                                'action', s.action, 'minutes', s.minutes, 'ratio', s.ratio, 'seconds', s.seconds, 'units', s.units,
                                'weight', s.weight)) order by s.id), '[]')
                             from cohort.stop_condition s where s.environment = e.environment and s.experiment = e.key))
           || case when e.planned_units is null then '{}' else jsonb_build_object('planned_units', e.planned_units) end $$;
comment on function cohort.experiment_analysis(cohort.experiment) is
    'An experiment''s metrics, segments, planned units and stop conditions as a document has them';
