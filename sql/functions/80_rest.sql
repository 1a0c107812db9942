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
    return true;
end $$;
comment on function cohort.act_as_api_key(int) is
    'For servers: the rest of this transaction is for an API key: its environment, team and role, its name in histories. False when the key was revoked';
revoke execute on function cohort.act_as_api_key(int) from public;
select cohort.grant_to('cohort_server', 'execute on function cohort.act_as_api_key(int)');

create or replace function cohort.etag(doc jsonb) returns text
    language sql immutable strict parallel safe
    as $$ select left(encode(sha256(convert_to(doc::text, 'UTF8')), 'hex'), 32) $$;
comment on function cohort.etag(jsonb) is 'The version of a document, for ETag and If-Match';
