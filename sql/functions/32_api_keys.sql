-- API keys: made, listed, rotated and revoked. A key is shown once; what stays is its HMAC.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('api_key_known', 'P0002', 404, 'There is no such API key', 'select * from cohort.api_key lists the keys of every environment; cohort.current_environment() says which one this is.', 'id', 'key'),
('api_key_revoked', '55000', 409, 'The API key is revoked', 'Make a new one: select cohort.create_api_key(''events'', ''billing service'').', 'id', 'key'),
('api_key_team_role', '23514', 422, 'Only product keys belong to a team', 'Leave the team out, or make a product key.', 'team', 'key')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

drop function if exists cohort.create_api_key(text, text), cohort.create_api_key(text, text, text), cohort.create_api_key(text, text, text, text);
create or replace function cohort.create_api_key(role text, name text, team text default null, priority text default null,
        rate_limit int default null) returns text
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    env text := current_environment();
    presented text;
begin
    perform check_environment(env);
    if team is not null and role is distinct from 'product' then
        perform fail('api_key_team_role', format('A key of role %s can''t belong to team %s.', shown(role), shown(team)));
    end if;
    if team is not null then
        perform check_team(env, team);
    end if;
    presented := 'ck_' || role || '_' || rtrim(translate(encode(gen_random_bytes(32), 'base64'), '+/', '-_'), '=');
    insert into api_key (environment, name, role, team, priority, rate_limit, hash)
    select env, create_api_key.name, create_api_key.role, create_api_key.team, create_api_key.priority, create_api_key.rate_limit,
           coalesce(hmac(convert_to(presented, 'UTF8'), s.hash_key, 'sha256'), decode(repeat('00', 32), 'hex'))
      from secret s where s.environment = env;
    return presented;
end $$;
comment on function cohort.create_api_key(text, text, text, text, int) is
    'Makes an API key of a role (admin, product, analyst, events, client; a product key may belong to a team), a priority (low, normal; by default client keys are low) and a limit of requests a second (by default the server''s) and returns it, this once: only its HMAC is kept';
revoke execute on function cohort.create_api_key(text, text, text, text, int) from public;

create or replace function cohort.api_key_document(k cohort.api_key) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('id', k.id, 'name', k.name, 'role', k.role, 'team', k.team, 'priority', k.priority, 'rate_limit', k.rate_limit, 'environment', k.environment,
                                    'created_at', cohort.rfc3339(k.created_at), 'created_by', k.created_by,
                                    'revoked_at', cohort.rfc3339(k.revoked_at)) $$;
comment on function cohort.api_key_document(cohort.api_key) is 'A key as a document, without its hash';

-- The key of this environment, locked; fails when there is none.
create or replace function cohort.api_key_of(id int) returns cohort.api_key
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    k api_key;
begin
    select * into k from api_key x where x.id = api_key_of.id and x.environment = current_environment() for update;
    if not found then
        perform fail('api_key_known', format('There is no API key %s in environment %s.', coalesce(id::text, 'null'), shown(current_environment())));
    end if;
    return k;
end $$;
comment on function cohort.api_key_of(int) is 'Finds and locks a key of the current environment';
revoke execute on function cohort.api_key_of(int) from public;

create or replace function cohort.list_api_keys(lim int default 100, after text default null) returns jsonb
    language sql stable security definer set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('items', coalesce(jsonb_agg(x.doc order by x.id), '[]'),
                                    'next', case when count(*) = lim then max(x.id)::text end)
            from (select k.id, api_key_document(k) as doc from api_key k
                   where k.environment = current_environment()
                     and k.id > coalesce(case when $2 ~ '^[0-9]{1,9}$' then $2::int end, 0)
                   order by k.id limit lim) x $$;
comment on function cohort.list_api_keys(int, text) is 'The keys of the current environment, revoked ones too, without their hashes';
revoke execute on function cohort.list_api_keys(int, text) from public;

create or replace function cohort.revoke_api_key(id int) returns jsonb
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    k api_key := api_key_of(id);
begin
    if k.revoked_at is null then
        update api_key x set revoked_at = now() where x.id = k.id returning * into k;
    end if;
    return api_key_document(k);
end $$;
comment on function cohort.revoke_api_key(int) is 'Revokes a key everywhere, within seconds; revoking it again changes nothing';
revoke execute on function cohort.revoke_api_key(int) from public;

create or replace function cohort.rotate_api_key(id int) returns text
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    k api_key := api_key_of(id);
    presented text;
begin
    if k.revoked_at is not null then
        perform fail('api_key_revoked', format('API key %s was revoked on %s.', k.id, rfc3339(k.revoked_at)));
    end if;
    presented := create_api_key(k.role, k.name, k.team, k.priority, k.rate_limit);
    update api_key x set revoked_at = now() where x.id = k.id;
    return presented;
end $$;
comment on function cohort.rotate_api_key(int) is 'Makes a new key of the same role, name, team, priority and limit, revokes the old one, and returns the new one, this once';
revoke execute on function cohort.rotate_api_key(int) from public;

-- What else a key is stays as it was made: who holds it relies on that, and so does the history.
create or replace function cohort.change_api_key(id int, patch jsonb) returns jsonb
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    k api_key := api_key_of(id);
    doc jsonb;
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        perform fail('document_object', format('A change of an API key is a JSON object, not %s.', json_noun(patch)));
    end if;
    perform doc_fields(patch, '$', 'a change of an API key', array['name', 'priority', 'rate_limit']);
    if k.revoked_at is not null then
        perform fail('api_key_revoked', format('API key %s was revoked on %s.', k.id, rfc3339(k.revoked_at)));
    end if;
    doc := jsonb_strip_nulls(to_jsonb(k) || patch);
    k.name := doc_field(doc, '$', 'name', 'string') #>> '{}';
    k.priority := doc_field(doc, '$', 'priority', 'string') #>> '{}';
    k.rate_limit := trunc(doc_field(doc, '$', 'rate_limit', 'integer')::numeric)::int;
    update api_key x set name = k.name, priority = k.priority, rate_limit = k.rate_limit
     where x.id = k.id and (x.name, x.priority, x.rate_limit) is distinct from (k.name, k.priority, k.rate_limit);
    return api_key_document(k);
end $$;
comment on function cohort.change_api_key(int, jsonb) is
    'Changes the name, priority or rate_limit of a key, whichever the document names (JSON merge patch; rate_limit null: the server''s limit); servers follow within a second';
revoke execute on function cohort.change_api_key(int, jsonb) from public;

-- Keys as REST makes them: {"name", "role", "team", "priority", "rate_limit"} in, the key itself out, this once.
create or replace function cohort.put_api_key(doc jsonb) returns jsonb
    language plpgsql as $$
declare
    presented text;
begin
    if jsonb_typeof(doc) is distinct from 'object' then
        perform cohort.fail('document_object', format('An API key is described by a JSON object, not by %s.', cohort.json_noun(doc)));
    end if;
    perform cohort.doc_fields(doc, '$', 'an API key', array['name', 'role', 'team', 'priority', 'rate_limit']);
    presented := cohort.create_api_key(cohort.doc_field(doc, '$', 'role', 'string', true) #>> '{}',
        cohort.doc_field(doc, '$', 'name', 'string', true) #>> '{}', cohort.doc_field(doc, '$', 'team', 'string') #>> '{}',
        cohort.doc_field(doc, '$', 'priority', 'string') #>> '{}',
        trunc(cohort.doc_field(doc, '$', 'rate_limit', 'integer')::numeric)::int);
    return (select cohort.api_key_document(k) || jsonb_build_object('key', presented) from cohort.api_key k
             where k.environment = cohort.current_environment() order by k.id desc limit 1);
end $$;
comment on function cohort.put_api_key(jsonb) is 'Makes a key by a document; "key" in the answer is shown this once';
