-- Segments and overrides as documents, for REST. What they mean goes through the same triggers as SQL.

create or replace function cohort.one_writer(thing text, key text) returns void
    language sql
    as $$ select pg_advisory_xact_lock(hashtextextended(format('cohort.%s %s %s', thing, cohort.current_environment(), key), 0)) $$;
comment on function cohort.one_writer(text, text) is 'Makes writers of one key take turns; the second sees what the first made';

-- What GET adds may come back with a PUT as long as it says what is true.
create or replace function cohort.same_or_absent(doc jsonb, stored jsonb, fields text[]) returns void
    language plpgsql as $$
declare
    f text;
begin
    foreach f in array fields loop
        if doc ? f and (stored is null or doc -> f is distinct from stored -> f) then
            perform cohort.fail('document_field_read_only', format('%s can''t be set by a document.', f), f);
        end if;
    end loop;
end $$;
comment on function cohort.same_or_absent(jsonb, jsonb, text[]) is 'Refuses fields of GET that a PUT would have to ignore';

-- --- segments ---

create or replace function cohort.segment_document(s cohort.segment, whole boolean) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', s.key, 'description', s.description)
                 || case when s.list is null then jsonb_build_object('condition', s.condition)
                         when whole then jsonb_build_object('list', s.list, 'entries', s.entries)
                         else jsonb_build_object('entries', s.entries) end
                 || case when s.team is null then '{}' else jsonb_build_object('team', s.team) end $$;
comment on function cohort.segment_document(cohort.segment, boolean) is 'A segment as a document; a list of segments says how many entries each has, not which';

create or replace function cohort.get_segment(key text) returns jsonb
    language sql stable
    as $$ select cohort.segment_document(s, true) from cohort.segment s
           where s.environment = cohort.current_environment() and s.key = $1 $$;
comment on function cohort.get_segment(text) is 'A segment as a document; null when there is none';

create or replace function cohort.list_segments(lim int default 100, after text default null) returns jsonb
    language plpgsql stable as $$
begin
    return (select cohort.page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
              from (select s.key, cohort.segment_document(s, false) as doc from cohort.segment s
                     where s.environment = cohort.current_environment() and s.key > coalesce(after, '')
                     order by s.key limit cohort.check_limit(lim) + 1) x);
end $$;
comment on function cohort.list_segments(int, text) is 'Segments in the order of their keys, a page at a time';

create or replace function cohort.put_segment(key text, doc jsonb) returns jsonb
    language plpgsql as $$
#variable_conflict use_column
declare
    o cohort.segment;
    n cohort.segment;
begin
    perform cohort.check_team_of('segment', $1);
    perform cohort.check_document('a segment', $1, doc, array['key', 'condition', 'list', 'description', 'team', 'entries']);
    n.description := coalesce(cohort.doc_field(doc, '$', 'description', 'string') #>> '{}', '');
    n.team := cohort.doc_field(doc, '$', 'team', 'string') #>> '{}';
    n.condition := doc -> 'condition';
    n.list := doc -> 'list';
    perform cohort.one_writer('segment', $1);
    select * into o from cohort.segment s where s.environment = cohort.current_environment() and s.key = $1;
    if doc ? 'entries' and doc -> 'entries' is distinct from to_jsonb(case jsonb_typeof(n.list) when 'array' then jsonb_array_length(n.list) end) then
        perform cohort.fail('document_field_read_only', 'entries can''t be set by a document.', 'entries');
    end if;
    perform set_config('cohort.path', '$', true);
    if o.key is null then
        insert into cohort.segment (key, condition, list, description, team) values ($1, n.condition, n.list, n.description, n.team);
    elsif (o.condition, o.list, o.description, o.team) is distinct from (n.condition, n.list, n.description, n.team) then
        update cohort.segment s set condition = n.condition, list = n.list, description = n.description, team = n.team
         where s.id = o.id;
    end if;
    perform set_config('cohort.path', '', true);
    return cohort.get_segment($1);
end $$;
comment on function cohort.put_segment(text, jsonb) is
    'Makes a segment or replaces it by a document: {"condition": {…}} or {"list": […]}, with description and team. Returns what get_segment() does';

create or replace function cohort.patch_segment(key text, patch jsonb) returns jsonb
    language plpgsql as $$
declare
    doc jsonb;
begin
    perform cohort.one_writer('segment', key);
    doc := cohort.get_segment(key);
    if doc is null then
        return null;
    end if;
    return cohort.put_segment(key, cohort.merge_patch(doc - 'entries', patch));
end $$;
comment on function cohort.patch_segment(text, jsonb) is 'Changes the fields of a segment that the patch names (JSON merge patch); null when there is none';

create or replace function cohort.delete_segment(key text) returns boolean
    language plpgsql as $$
begin
    perform cohort.check_team_of('segment', $1);
    delete from cohort.segment s where s.environment = cohort.current_environment() and s.key = $1;
    return found;
end $$;
comment on function cohort.delete_segment(text) is 'Deletes a segment that nothing uses; false when there is none';

-- --- overrides ---

create or replace function cohort.override_document(o cohort.override) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', o.key, 'experiment', o.experiment, 'variant', o.variant, 'note', o.note,
                     'created_at', cohort.rfc3339(o.created_at), 'created_by', o.created_by)
                 || case when o.unit_id is null then jsonb_build_object('segment', o.segment)
                         else jsonb_build_object('unit_id', o.unit_id) end
                 || case when o.expires_at is null then '{}' else jsonb_build_object('expires_at', cohort.rfc3339(o.expires_at)) end $$;
comment on function cohort.override_document(cohort.override) is 'An override as a document; a unit by its unit id, never by the raw one';

create or replace function cohort.get_override(key text) returns jsonb
    language sql stable
    as $$ select cohort.override_document(o) from cohort.override o
           where o.environment = cohort.current_environment() and o.key = $1 $$;
comment on function cohort.get_override(text) is 'An override as a document; null when there is none';

create or replace function cohort.list_overrides(lim int default 100, after text default null) returns jsonb
    language plpgsql stable as $$
begin
    return (select cohort.page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
              from (select o.key, cohort.override_document(o) as doc from cohort.override o
                     where o.environment = cohort.current_environment() and o.key > coalesce(after, '')
                     order by o.key limit cohort.check_limit(lim) + 1) x);
end $$;
comment on function cohort.list_overrides(int, text) is 'Overrides in the order of their keys, a page at a time';

-- The unit of a document: by its unit id, or by the raw id of the experiment's unit type, which is kept nowhere.
create or replace function cohort.doc_unit(doc jsonb, experiment text) returns uuid
    language plpgsql as $$
declare
    raw text := cohort.doc_field(doc, '$', 'unit', 'string') #>> '{}';
    id text := cohort.doc_field(doc, '$', 'unit_id', 'string') #>> '{}';
    type text;
begin
    if id is not null then
        if id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' or raw is not null then
            perform cohort.fail('override_target', case when raw is null then format('%s is no unit id.', cohort.shown(id))
                else 'The document has both unit and unit_id.' end, 'unit_id');
        end if;
        return id::uuid;
    end if;
    select e.unit_type into type from cohort.experiment e where e.environment = cohort.current_environment() and e.key = experiment;
    return case when raw is not null and type is not null then cohort.unit_id(type, raw) end;
end $$;
comment on function cohort.doc_unit(jsonb, text) is 'The unit that an override''s document names';

-- key null: the override of the same unit or segment, else a new one.
create or replace function cohort.store_override(key text, doc jsonb) returns jsonb
    language plpgsql as $$
#variable_conflict use_column
declare
    o cohort.override;
    n cohort.override;
begin
    perform cohort.check_document('an override', coalesce($1, doc ->> 'key'), doc, array['key', 'experiment', 'unit', 'unit_id', 'segment',
        'variant', 'note', 'expires_at', 'created_at', 'created_by']);
    n.experiment := cohort.doc_field(doc, '$', 'experiment', 'string', true) #>> '{}';
    n.variant := cohort.doc_field(doc, '$', 'variant', 'string', true) #>> '{}';
    n.segment := cohort.doc_field(doc, '$', 'segment', 'string') #>> '{}';
    n.note := coalesce(cohort.doc_field(doc, '$', 'note', 'string') #>> '{}', '');
    n.expires_at := cohort.doc_time(doc, 'expires_at', null);
    n.unit_id := cohort.doc_unit(doc, n.experiment);
    n.key := coalesce($1, doc ->> 'key');
    perform cohort.check_team_of('experiment', n.experiment);
    perform cohort.one_writer('override', n.experiment);
    select * into o from cohort.override x
     where x.environment = cohort.current_environment()
       and case when n.key is not null then x.key = n.key
                else x.experiment = n.experiment and (x.unit_id = n.unit_id or x.segment = n.segment) end;
    perform cohort.same_or_absent(doc, cohort.override_document(o), array['created_at', 'created_by']);
    perform set_config('cohort.path', '$', true);
    if o.key is null then
        insert into cohort.override (key, experiment, unit_id, segment, variant, note, expires_at)
        values (n.key, n.experiment, n.unit_id, n.segment, n.variant, n.note, n.expires_at) returning key into n.key;
    else
        n.key := o.key;
        perform cohort.check_team_of('override', o.key);
        if o.experiment <> n.experiment then
            perform cohort.fail('key_fixed', format('Override %s is one of experiment %s.', cohort.shown(o.key), cohort.shown(o.experiment)), 'experiment');
        end if;
        if (o.unit_id, o.segment, o.variant, o.note, o.expires_at) is distinct from (n.unit_id, n.segment, n.variant, n.note, n.expires_at) then
            update cohort.override x set unit_id = n.unit_id, segment = n.segment, variant = n.variant, note = n.note, expires_at = n.expires_at
             where x.id = o.id;
        end if;
    end if;
    perform set_config('cohort.path', '', true);
    return cohort.get_override(n.key);
end $$;
comment on function cohort.store_override(text, jsonb) is 'Part of put_override() and create_override()';

create or replace function cohort.put_override(key text, doc jsonb) returns jsonb
    language sql as $$ select cohort.store_override(key, doc) $$;
comment on function cohort.put_override(text, jsonb) is
    'Makes an override or replaces it by a document: {"experiment", "variant", and one of "unit" (a raw id, which is not kept), "unit_id", "segment"; "note", "expires_at"}. Returns what get_override() does';

create or replace function cohort.create_override(doc jsonb) returns jsonb
    language sql as $$ select cohort.store_override(null, doc) $$;
comment on function cohort.create_override(jsonb) is 'The same without a key: an override of the same unit or segment is replaced, a new one gets a key of its own';

create or replace function cohort.delete_override(key text) returns boolean
    language plpgsql as $$
begin
    perform cohort.check_team_of('override', $1);
    delete from cohort.override o where o.environment = cohort.current_environment() and o.key = $1;
    return found;
end $$;
comment on function cohort.delete_override(text) is 'Ends an override; false when there is none';
