-- Roles: cohort_server (a server that isn't the owner), cohort_product (defines experiments), cohort_analyst
-- (reads). They can't log in: grant them to people and programs. Where this user may not make roles, that is
-- said and everything goes on without them.

do $$
declare
    r text;
begin
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        if to_regrole(r) is null then
            begin
                execute format('create role %I nologin', r);
            exception
                when insufficient_privilege then
                    raise warning 'The role % could not be made: % may not make roles. Everything else works; to have it, let an administrator run: create role %', r, current_user, r;
                when duplicate_object or unique_violation then
                    null; -- somebody made it at the same moment
            end;
        end if;
    end loop;
end $$;

-- Grants that are skipped where the role is missing.
create or replace function cohort.grant_to(role text, privileges text) returns void
    language plpgsql as $$
begin
    if to_regrole(role) is not null then
        execute format('grant %s to %I', privileges, role);
    end if;
end $$;
comment on function cohort.grant_to(text, text) is 'Grants, unless the role could not be made: grant_to(''cohort_analyst'', ''select on cohort.outcome'')';
revoke execute on function cohort.grant_to(text, text) from public;
