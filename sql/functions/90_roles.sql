-- What 39_roles.sql couldn't grant yet, and what nobody is granted.

do $$
declare
    r text;
begin
    perform cohort.grant_to('cohort_product', 'insert (team), update (team) on cohort.flag');
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        perform cohort.grant_to(r, 'select on cohort.results, cohort.assignments_expected, cohort.audit');
        -- Evidence: even a server only adds to it, through functions.
        if to_regrole(r) is not null then
            execute format('revoke insert, update, delete, truncate on cohort.audit, cohort.audit_seal, cohort.audit_head, cohort.audit_pending from %I', r);
        end if;
    end loop;
    if to_regrole('cohort_server') is not null then
        revoke update, delete, truncate on cohort.phase, cohort.phase_variant, cohort.status_change from cohort_server;
    end if;
end $$;
