-- What REST needs beside the functions that people call.

create or replace function cohort.act_as_api_key(api_key_id int) returns boolean
    language plpgsql as $$
declare
    k jsonb;
begin
    select to_jsonb(a) into k from cohort.api_key a where a.id = api_key_id and a.revoked_at is null;
    if not found then
        return false;
    end if;
    perform set_config('cohort.environment', k ->> 'environment', true),
            set_config('cohort.team', coalesce(k ->> 'team', ''), true),
            set_config('cohort.key_role', k ->> 'role', true),
            set_config('cohort.actor', format('api key %s (%s) %s', k ->> 'id', k ->> 'role', k ->> 'name'), true);
    -- Row security is for roles: a product key acts as the role that product teams have.
    if k ->> 'role' = 'product' and to_regrole('cohort_product') is not null then
        perform set_config('role', 'cohort_product', true);
    end if;
    return true;
end $$;
comment on function cohort.act_as_api_key(int) is
    'For servers: the rest of this transaction is for an API key: its environment, team and role, its name in histories. False when the key was revoked';
revoke execute on function cohort.act_as_api_key(int) from public;
select cohort.grant_to('cohort_server', 'execute on function cohort.act_as_api_key(int)');

-- RFC 7396: null takes a member away, objects are merged, everything else replaces.
create or replace function cohort.merge_patch(target jsonb, patch jsonb) returns jsonb
    language sql immutable parallel safe
    as $$ select case
        when jsonb_typeof(patch) <> 'object' then patch
        else (select coalesce(jsonb_object_agg(k, v), '{}') from (
                  select t.key as k, t.value as v
                    from jsonb_each(case when jsonb_typeof(target) = 'object' then target else '{}' end) t
                   where not patch ? t.key
                  union all
                  select p.key, cohort.merge_patch(case when jsonb_typeof(target) = 'object' then target -> p.key end, p.value)
                    from jsonb_each(patch) p where jsonb_typeof(p.value) <> 'null') m)
    end $$;
comment on function cohort.merge_patch(jsonb, jsonb) is 'A document with a JSON merge patch applied (RFC 7396)';

create or replace function cohort.etag(doc jsonb) returns text
    language sql immutable strict parallel safe
    as $$ select left(encode(sha256(convert_to(doc::text, 'UTF8')), 'hex'), 32) $$;
comment on function cohort.etag(jsonb) is 'The version of a document, for ETag and If-Match';

-- A server acts as the product role, so it must be a member of it; a superuser is one of everything.
do $$
begin
    if to_regrole('cohort_product') is null then
        return;
    end if;
    perform cohort.grant_to('cohort_server', 'cohort_product');
    if not pg_has_role(current_user, 'cohort_product', 'member') then
        execute format('grant cohort_product to %I', current_user);
    end if;
exception when insufficient_privilege then
    raise warning 'Product API keys will be refused: % may not grant the role cohort_product. Let an administrator run: grant cohort_product to %', current_user, current_user;
end $$;
