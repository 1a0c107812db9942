-- Things as documents, for REST: metrics, layers, teams, API keys.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('page_limit', '22023', 400, 'A page has 1 to 1000 items', 'Ask with ?limit=100, and pass next as ?after=… for the page behind.', 'limit', 'document'),
('document_key', '22023', 400, 'The document''s key is the address''s', 'Leave the key out of the document, or make both the same.', 'key', 'document')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- A document that is an object, with known fields, whose key (if it has one) is the address's.
create or replace function cohort.check_document(thing text, key text, doc jsonb, known text[]) returns void
    language plpgsql as $$
begin
    if jsonb_typeof(doc) is distinct from 'object' then
        perform cohort.fail('document_object', format('%s is described by a JSON object, not by %s.',
            upper(left(thing, 1)) || substr(thing, 2), cohort.json_noun(doc)));
    end if;
    perform cohort.doc_fields(doc, '$', thing, known);
    if doc ? 'key' and doc -> 'key' <> to_jsonb(key) then
        perform cohort.fail('document_key', format('The document''s key is %s; the address says %s.', left(doc ->> 'key', 60), cohort.shown(key)), 'key');
    end if;
end $$;
comment on function cohort.check_document(text, text, jsonb, text[]) is 'Refuses a document that is no object, has unknown fields or another key';

create or replace function cohort.check_limit(lim int) returns int
    language plpgsql as $$
begin
    if lim is null or lim not between 1 and 1000 then
        perform cohort.fail('page_limit', format('A page can''t have %s items.', coalesce(lim::text, 'null')));
    end if;
    return lim;
end $$;
comment on function cohort.check_limit(int) is 'The limit of a page, checked';

-- A page from its items in the order of key: one more than asked for tells that there is a next.
create or replace function cohort.page(items jsonb[], keys text[], lim int) returns jsonb
    language sql immutable
    as $$ select jsonb_build_object('items', coalesce(to_jsonb(items[1:lim]), '[]'),
                                    'next', case when cardinality(keys) > lim then keys[lim] end) $$;
comment on function cohort.page(jsonb[], text[], int) is 'A page of a list: {"items": […], "next": key of the last item, or null at the end}';

-- Metrics

create or replace function cohort.metric_document(m cohort.metric) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', m.key, 'event', m.event, 'kind', m.kind, 'direction_good', m.direction_good,
                                    'window_start_s', m.window_start_s, 'window_end_s', m.window_end_s, 'description', m.description,
                                    'cuped_days', m.cuped_days, 'trusted_only', m.trusted_only, 'version', m.version)
                 || jsonb_strip_nulls(jsonb_build_object('condition', m.condition, 'denominator_event', m.denominator_event,
                        'denominator_condition', m.denominator_condition, 'quantile', m.quantile, 'winsor_low', m.winsor_low,
                        'winsor_high', m.winsor_high, 'winsor_quantile', m.winsor_quantile)) $$;
comment on function cohort.metric_document(cohort.metric) is 'A metric as a document';

create or replace function cohort.get_metric(key text) returns jsonb
    language sql stable
    as $$ select cohort.metric_document(m) || jsonb_build_object('versions',
                     (select coalesce(jsonb_agg(jsonb_build_object('version', v.version, 'at', cohort.rfc3339(v.at), 'actor', v.actor,
                                 'definition', v.definition - '{environment,key,version}'::text[]) order by v.version), '[]')
                        from cohort.metric_version v where v.metric_id = m.id))
            from cohort.metric m where m.environment = cohort.current_environment() and m.key = $1 $$;
comment on function cohort.get_metric(text) is 'A metric as a document, with its versions; null when there is none';

create or replace function cohort.list_metrics(lim int default 100, after text default null) returns jsonb
    language sql stable
    as $$ select cohort.page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
            from (select m.key, cohort.metric_document(m) as doc from cohort.metric m
                   where m.environment = cohort.current_environment() and m.key > coalesce($2, '') order by m.key
                   limit cohort.check_limit($1) + 1) x $$;
comment on function cohort.list_metrics(int, text) is 'Metrics in the order of their keys, a page at a time';

-- Absent and null are the same: not given.
create or replace function cohort.doc_metric(key text, doc jsonb) returns cohort.metric
    language plpgsql as $$
declare
    n cohort.metric;
    given jsonb := (select coalesce(jsonb_object_agg(f.k, f.v), '{}') from jsonb_each(doc) f(k, v)
                     where f.v <> 'null' or f.k <> all ('{window_end_s,condition,denominator_event,denominator_condition,quantile,winsor_low,winsor_high,winsor_quantile}'::text[]));
begin
    n.event := coalesce(cohort.doc_field(given, '$', 'event', 'string') #>> '{}', key);
    n.kind := coalesce(cohort.doc_field(given, '$', 'kind', 'string') #>> '{}', 'binary');
    n.direction_good := coalesce(cohort.doc_field(given, '$', 'direction_good', 'string') #>> '{}', 'none');
    n.window_start_s := coalesce(trunc(cohort.doc_field(given, '$', 'window_start_s', 'integer')::numeric)::int, 0);
    n.window_end_s := trunc(cohort.doc_field(given, '$', 'window_end_s', 'integer')::numeric)::int;
    n.description := coalesce(cohort.doc_field(given, '$', 'description', 'string') #>> '{}', '');
    n.condition := given -> 'condition';
    n.denominator_event := cohort.doc_field(given, '$', 'denominator_event', 'string') #>> '{}';
    n.denominator_condition := given -> 'denominator_condition';
    n.quantile := cohort.doc_field(given, '$', 'quantile', 'number')::numeric;
    n.winsor_low := cohort.doc_field(given, '$', 'winsor_low', 'number')::numeric;
    n.winsor_high := cohort.doc_field(given, '$', 'winsor_high', 'number')::numeric;
    n.winsor_quantile := cohort.doc_field(given, '$', 'winsor_quantile', 'number')::numeric;
    n.cuped_days := coalesce(trunc(cohort.doc_field(given, '$', 'cuped_days', 'integer')::numeric)::int, 0);
    n.trusted_only := coalesce(cohort.doc_field(given, '$', 'trusted_only', 'boolean')::boolean, true);
    return n;
end $$;
comment on function cohort.doc_metric(text, jsonb) is 'The fields of a metric''s document as a row';

create or replace function cohort.put_metric(key text, doc jsonb) returns jsonb
    language plpgsql as $$
declare
    n cohort.metric;
    o cohort.metric;
    said text;
begin
    perform cohort.check_document('a metric', key, doc,
        array['key', 'event', 'kind', 'direction_good', 'window_start_s', 'window_end_s', 'description', 'condition', 'denominator_event',
              'denominator_condition', 'quantile', 'winsor_low', 'winsor_high', 'winsor_quantile', 'cuped_days', 'trusted_only',
              'version', 'versions', 'notice']);
    n := cohort.doc_metric(key, doc);
    perform set_config('cohort.path', '$', true);
    select * into o from cohort.metric m where m.environment = cohort.current_environment() and m.key = put_metric.key for update;
    if not found then
        insert into cohort.metric (key, event, kind, direction_good, window_start_s, window_end_s, description, condition, denominator_event,
                                   denominator_condition, quantile, winsor_low, winsor_high, winsor_quantile, cuped_days, trusted_only)
        values (key, n.event, n.kind, n.direction_good, n.window_start_s, n.window_end_s, n.description, n.condition, n.denominator_event,
                n.denominator_condition, n.quantile, n.winsor_low, n.winsor_high, n.winsor_quantile, n.cuped_days, n.trusted_only);
    elsif (o.direction_good, o.description, cohort.metric_counts(o)) is distinct from (n.direction_good, n.description, cohort.metric_counts(n)) then
        update cohort.metric m
           set (event, kind, direction_good, window_start_s, window_end_s, description, condition, denominator_event,
                denominator_condition, quantile, winsor_low, winsor_high, winsor_quantile, cuped_days, trusted_only)
             = (n.event, n.kind, n.direction_good, n.window_start_s, n.window_end_s, n.description, n.condition, n.denominator_event,
                n.denominator_condition, n.quantile, n.winsor_low, n.winsor_high, n.winsor_quantile, n.cuped_days, n.trusted_only)
         where m.id = o.id returning * into n;
        if n.version > o.version then
            said := cohort.metric_notice(n);
        end if;
    end if;
    perform set_config('cohort.path', '', true);
    return cohort.get_metric(key) || case when said is null then '{}' else jsonb_build_object('notice', said) end;
end $$;
comment on function cohort.put_metric(text, jsonb) is
    'Makes or changes a metric by a document; version and versions are the database''s. "notice" says what a new version means for running experiments';

create or replace function cohort.patch_metric(key text, patch jsonb) returns jsonb
    language plpgsql as $$
declare
    doc jsonb := cohort.get_metric(key);
begin
    return case when doc is null then null else cohort.put_metric(key, cohort.merge_patch(doc, patch)) end;
end $$;
comment on function cohort.patch_metric(text, jsonb) is 'Changes some fields of a metric; null when there is none';

create or replace function cohort.delete_metric(key text) returns boolean
    language plpgsql as $$
begin
    delete from cohort.metric m where m.environment = cohort.current_environment() and m.key = delete_metric.key;
    return found;
end $$;
comment on function cohort.delete_metric(text) is 'Deletes a metric that nothing watches; false when there is none';

-- Layers

create or replace function cohort.layer_document(l cohort.layer) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', l.key, 'description', l.description, 'team', l.team) $$;
comment on function cohort.layer_document(cohort.layer) is 'A layer as a document';

create or replace function cohort.get_layer(key text) returns jsonb
    language sql stable
    as $$ select cohort.layer_document(l) from cohort.layer l where l.environment = cohort.current_environment() and l.key = $1 $$;
comment on function cohort.get_layer(text) is 'A layer as a document; null when there is none';

create or replace function cohort.list_layers(lim int default 100, after text default null) returns jsonb
    language sql stable
    as $$ select cohort.page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
            from (select l.key, cohort.layer_document(l) as doc from cohort.layer l
                   where l.environment = cohort.current_environment() and l.key > coalesce($2, '') order by l.key
                   limit cohort.check_limit($1) + 1) x $$;
comment on function cohort.list_layers(int, text) is 'Layers in the order of their keys, a page at a time';

create or replace function cohort.put_layer(key text, doc jsonb) returns jsonb
    language plpgsql as $$
declare
    o cohort.layer;
    told text;
    owned text;
begin
    perform cohort.check_team_of('layer', key);
    perform cohort.check_document('a layer', key, doc, array['key', 'description', 'team']);
    told := coalesce(cohort.doc_field(doc, '$', 'description', 'string') #>> '{}', '');
    owned := cohort.doc_field(doc - case when doc -> 'team' = 'null' then 'team' else '' end, '$', 'team', 'string') #>> '{}';
    perform set_config('cohort.path', '$', true);
    select * into o from cohort.layer l where l.environment = cohort.current_environment() and l.key = put_layer.key for update;
    if not found then
        insert into cohort.layer (key, description, team) values (key, told, owned);
    elsif (o.description, o.team) is distinct from (told, owned) then
        update cohort.layer l set description = told, team = owned where l.id = o.id;
    end if;
    perform set_config('cohort.path', '', true);
    return cohort.get_layer(key);
end $$;
comment on function cohort.put_layer(text, jsonb) is 'Makes or changes a layer by a document';

create or replace function cohort.patch_layer(key text, patch jsonb) returns jsonb
    language plpgsql as $$
declare
    doc jsonb := cohort.get_layer(key);
begin
    return case when doc is null then null else cohort.put_layer(key, cohort.merge_patch(doc, patch)) end;
end $$;
comment on function cohort.patch_layer(text, jsonb) is 'Changes some fields of a layer; null when there is none';

create or replace function cohort.delete_layer(key text) returns boolean
    language plpgsql as $$
begin
    perform cohort.check_team_of('layer', key);
    delete from cohort.layer l where l.environment = cohort.current_environment() and l.key = delete_layer.key;
    return found;
end $$;
comment on function cohort.delete_layer(text) is 'Deletes a layer no experiment is in; false when there is none';

-- Teams, with the database's roles that belong to them

create or replace function cohort.team_document(t cohort.team) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', t.key, 'description', t.description, 'created_at', cohort.rfc3339(t.created_at), 'created_by', t.created_by,
              'members', coalesce((select jsonb_agg(m.role_name order by m.role_name) from cohort.team_member m
                                    where m.environment = t.environment and m.team = t.key), '[]')) $$;
comment on function cohort.team_document(cohort.team) is 'A team as a document';

create or replace function cohort.get_team(key text) returns jsonb
    language sql stable
    as $$ select cohort.team_document(t) from cohort.team t where t.environment = cohort.current_environment() and t.key = $1 $$;
comment on function cohort.get_team(text) is 'A team as a document; null when there is none';

create or replace function cohort.list_teams(lim int default 100, after text default null) returns jsonb
    language sql stable
    as $$ select cohort.page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
            from (select t.key, cohort.team_document(t) as doc from cohort.team t
                   where t.environment = cohort.current_environment() and t.key > coalesce($2, '') order by t.key
                   limit cohort.check_limit($1) + 1) x $$;
comment on function cohort.list_teams(int, text) is 'Teams in the order of their keys, a page at a time';

create or replace function cohort.put_team(key text, doc jsonb) returns jsonb
    language plpgsql as $$
declare
    env text := cohort.current_environment();
    told text;
    members text[];
begin
    perform cohort.check_document('a team', key, doc, array['key', 'description', 'members', 'created_at', 'created_by']);
    told := coalesce(cohort.doc_field(doc, '$', 'description', 'string') #>> '{}', '');
    members := array(select jsonb_array_elements_text(coalesce(cohort.doc_field(doc, '$', 'members', 'array'), '[]')));
    perform set_config('cohort.path', '$', true);
    perform 1 from cohort.team t where t.environment = env and t.key = put_team.key for update;
    if not found then
        insert into cohort.team (key, description) values (key, told);
    else
        update cohort.team t set description = told where t.environment = env and t.key = put_team.key and t.description <> told;
    end if;
    delete from cohort.team_member m where m.environment = env and m.team = key and m.role_name <> all (members);
    insert into cohort.team_member (team, role_name) select key, r from unnest(members) r
     where not exists (select from cohort.team_member m where m.environment = env and m.team = key and m.role_name = r);
    perform set_config('cohort.path', '', true);
    return cohort.get_team(key);
end $$;
comment on function cohort.put_team(text, jsonb) is 'Makes or changes a team and its members by a document';

create or replace function cohort.delete_team(key text) returns boolean
    language plpgsql as $$
begin
    delete from cohort.team t where t.environment = cohort.current_environment() and t.key = delete_team.key;
    return found;
end $$;
comment on function cohort.delete_team(text) is 'Deletes a team nothing belongs to; false when there is none';

-- API keys: the key in the address is the number

create or replace function cohort.key_number(key text) returns int
    language sql immutable
    as $$ select case when $1 ~ '^[0-9]{1,9}$' then $1::int end $$;
comment on function cohort.key_number(text) is 'An API key''s number from an address; null when it is none';

create or replace function cohort.get_key(key text) returns jsonb
    language sql stable
    as $$ select cohort.api_key_document(k) from cohort.api_key k
           where k.environment = cohort.current_environment() and k.id = cohort.key_number($1) $$;
comment on function cohort.get_key(text) is 'An API key as a document, without its hash; null when there is none';

create or replace function cohort.list_keys(lim int default 100, after text default null) returns jsonb
    language sql as $$ select cohort.list_api_keys(cohort.check_limit($1), $2) $$;
comment on function cohort.list_keys(int, text) is 'API keys in the order of their numbers, a page at a time';

create or replace function cohort.create_key(doc jsonb) returns jsonb
    language sql as $$ select cohort.put_api_key($1) $$;
comment on function cohort.create_key(jsonb) is 'Makes an API key by a document; "key" in the answer is shown this once';

create or replace function cohort.patch_key(key text, patch jsonb) returns jsonb
    language plpgsql as $$
begin
    if cohort.get_key(key) is null then
        return null;
    end if;
    return cohort.change_api_key(cohort.key_number(key), patch);
end $$;
comment on function cohort.patch_key(text, jsonb) is 'Changes the name, priority or rate_limit of an API key; null when there is none';

create or replace function cohort.delete_key(key text) returns boolean
    language plpgsql as $$
begin
    if cohort.get_key(key) is null then
        return false;
    end if;
    perform cohort.revoke_api_key(cohort.key_number(key));
    return true;
end $$;
comment on function cohort.delete_key(text) is 'Revokes an API key; its row stays. False when there is none';

create or replace function cohort.rotate_key(key text) returns jsonb
    language plpgsql as $$
declare
    presented text;
begin
    if cohort.get_key(key) is null then
        return null;
    end if;
    presented := cohort.rotate_api_key(cohort.key_number(key));
    return (select cohort.api_key_document(k) || jsonb_build_object('key', presented) from cohort.api_key k
             where k.environment = cohort.current_environment() order by k.id desc limit 1);
end $$;
comment on function cohort.rotate_key(text) is 'A new key in place of this one; "key" in the answer is shown this once. Null when there is none';
