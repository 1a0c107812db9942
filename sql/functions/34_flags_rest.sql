-- Flags with their rules as documents, for REST. Rules keep their identity, and a rollout its salt, where the document's
-- rule at the same place is of the same kind: changing a share moves nobody who needn't move.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('flag_document_rules', '22023', 422, 'An experiment''s rule comes with the experiment', 'Name every experiment of the flag once, in the order you want: {"kind": "experiment", "experiment": "…"}; they can be moved, and are neither made nor removed by a flag''s document.', 'rules', 'document')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.rule_document(r cohort.flag_rule) returns jsonb
    language sql immutable
    as $$ select jsonb_build_object('kind', r.kind)
                 || case when r.condition <> '{}' then jsonb_build_object('condition', r.condition) else '{}' end
                 || case r.kind when 'experiment' then jsonb_build_object('experiment', r.experiment)
                                when 'force' then jsonb_build_object('value', r.value)
                                else jsonb_build_object('value', r.value, 'share_ppm', r.share_ppm, 'unit_type', r.unit_type) end $$;
comment on function cohort.rule_document(cohort.flag_rule) is 'A flag''s rule as a document';

create or replace function cohort.flag_document(f cohort.flag) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', f.key, 'type', f.type, 'default', f.default_value, 'description', f.description,
              'team', f.team, 'archived', f.archived_at is not null,
              'rules', coalesce((select jsonb_agg(cohort.rule_document(r) order by r.position, r.id) from cohort.flag_rule r
                                  where r.environment = f.environment and r.flag = f.key), '[]')) $$;
comment on function cohort.flag_document(cohort.flag) is 'A flag as a document, with its rules in order';

create or replace function cohort.get_flag(key text) returns jsonb
    language sql stable
    as $$ select cohort.flag_document(f) from cohort.flag f where f.environment = cohort.current_environment() and f.key = $1 $$;
comment on function cohort.get_flag(text) is 'A flag as a document; null when there is none';

create or replace function cohort.list_flags(lim int default 100, after text default null) returns jsonb
    language sql stable
    as $$ select cohort.page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
            from (select f.key, cohort.flag_document(f) as doc from cohort.flag f
                   where f.environment = cohort.current_environment() and f.key > coalesce($2, '') order by f.key
                   limit cohort.check_limit($1) + 1) x $$;
comment on function cohort.list_flags(int, text) is 'Flags in the order of their keys, a page at a time';

-- A document's rules as rows; id is the place in the list.
create or replace function cohort.doc_rules(doc jsonb) returns setof cohort.flag_rule
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', 'rules', 'array'), '[]');
    item jsonb;
    path text;
    r cohort.flag_rule;
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('rules[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a rule', array['kind', 'condition', 'experiment', 'value', 'share_ppm', 'unit_type']);
        r := null;
        r.id := i;
        r.kind := cohort.doc_field(item, path, 'kind', 'string', true) #>> '{}';
        r.condition := coalesce(item -> 'condition', '{}');
        r.experiment := cohort.doc_field(item, path, 'experiment', 'string') #>> '{}';
        r.value := item -> 'value';
        r.share_ppm := trunc(cohort.doc_field(item, path, 'share_ppm', 'integer')::numeric)::int;
        r.unit_type := coalesce(cohort.doc_field(item, path, 'unit_type', 'string') #>> '{}', 'user');
        r.position := i + 1;
        return next r;
    end loop;
end $$;
comment on function cohort.doc_rules(jsonb) is 'A flag document''s rules as rows';

create or replace function cohort.put_rules(f cohort.flag, doc jsonb) returns void
    language plpgsql as $$
declare
    d cohort.flag_rule;
    o cohort.flag_rule;
    kept int[] := '{}';
begin
    if (select coalesce(array_agg(x.experiment order by x.experiment), '{}') from cohort.doc_rules(doc) x where x.kind = 'experiment')
       is distinct from (select coalesce(array_agg(r.experiment order by r.experiment), '{}') from cohort.flag_rule r
                          where r.environment = f.environment and r.flag = f.key and r.kind = 'experiment') then
        perform cohort.fail('flag_document_rules', format('The rules of flag %s must name its experiments (%s), each once.', cohort.shown(f.key),
            coalesce((select string_agg(r.experiment, ', ' order by r.position) from cohort.flag_rule r
                       where r.environment = f.environment and r.flag = f.key and r.kind = 'experiment'), 'it has none')), 'rules');
    end if;
    for d in select * from cohort.doc_rules(doc) loop
        perform set_config('cohort.path', format('rules[%s]', d.id), true);
        select * into o from cohort.flag_rule r
         where r.environment = f.environment and r.flag = f.key and r.kind = d.kind and r.id <> all (kept)
           and (d.kind <> 'experiment' or r.experiment = d.experiment)
         order by (r.condition, r.value) is distinct from (d.condition, d.value), r.position, r.id limit 1;
        if not found then
            insert into cohort.flag_rule (environment, flag, position, kind, condition, experiment, value, share_ppm, unit_type)
            values (f.environment, f.key, d.position, d.kind, d.condition, d.experiment, d.value, d.share_ppm, d.unit_type) returning * into o;
        elsif (o.position, o.condition, o.value::text, o.share_ppm) is distinct from (d.position, d.condition, d.value::text, d.share_ppm)
              or o.unit_type <> d.unit_type then
            update cohort.flag_rule r set position = d.position, condition = d.condition, value = d.value, share_ppm = d.share_ppm
             where r.id = o.id;
        end if;
        kept := kept || o.id;
    end loop;
    perform set_config('cohort.path', 'rules', true);
    delete from cohort.flag_rule r where r.environment = f.environment and r.flag = f.key and r.id <> all (kept);
end $$;
comment on function cohort.put_rules(cohort.flag, jsonb) is 'Stores a flag document''s rules in its order';

create or replace function cohort.put_flag(key text, doc jsonb) returns jsonb
    language plpgsql as $$
declare
    env text := cohort.current_environment();
    o cohort.flag;
    n cohort.flag;
    plain jsonb;
    away boolean;
begin
    perform cohort.check_team_of('flag', key);
    perform cohort.check_document('a flag', key, doc, array['key', 'type', 'default', 'description', 'team', 'archived', 'rules']);
    plain := (select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(doc) x(k, v) where v <> 'null');
    n.type := cohort.doc_field(plain, '$', 'type', 'string') #>> '{}';
    n.default_value := plain -> 'default';
    n.description := coalesce(cohort.doc_field(plain, '$', 'description', 'string') #>> '{}', '');
    n.team := cohort.doc_field(plain, '$', 'team', 'string') #>> '{}';
    away := coalesce(cohort.doc_field(plain, '$', 'archived', 'boolean')::boolean, false);
    perform set_config('cohort.path', '$', true);
    select * into o from cohort.flag f where f.environment = env and f.key = put_flag.key for no key update;
    if not found then
        insert into cohort.flag (key, type, default_value, description, team) values (key, n.type, n.default_value, n.description, n.team)
        returning * into o;
    elsif (coalesce(n.type, o.type), n.default_value::text, n.description, n.team)
          is distinct from (o.type, o.default_value::text, o.description, o.team) then
        update cohort.flag f set type = coalesce(n.type, o.type), default_value = n.default_value, description = n.description, team = n.team
         where f.id = o.id returning * into o;
    end if;
    if away <> (o.archived_at is not null) then
        update cohort.flag f set archived_at = case when away then now() end where f.id = o.id;
    end if;
    if plain ? 'rules' then
        perform cohort.put_rules(o, plain);
    end if;
    perform set_config('cohort.path', '', true);
    return cohort.get_flag(key);
end $$;
comment on function cohort.put_flag(text, jsonb) is 'Makes or changes a flag and its rules by a document; without "rules" they stay as they are';

create or replace function cohort.patch_flag(key text, patch jsonb) returns jsonb
    language plpgsql as $$
declare
    doc jsonb := cohort.get_flag(key);
begin
    return case when doc is null then null else cohort.put_flag(key, cohort.merge_patch(doc, patch)) end;
end $$;
comment on function cohort.patch_flag(text, jsonb) is 'Changes some fields of a flag; null when there is none';

create or replace function cohort.delete_flag(key text) returns boolean
    language plpgsql as $$
begin
    perform cohort.check_team_of('flag', key);
    delete from cohort.flag f where f.environment = cohort.current_environment() and f.key = delete_flag.key;
    return found;
end $$;
comment on function cohort.delete_flag(text) is 'Deletes a flag no experiment is behind; false when there is none';
