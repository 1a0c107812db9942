-- What 39_roles.sql couldn't grant yet, and what nobody is granted.

do $$
declare
    r text;
    t text;
begin
    perform cohort.grant_to('cohort_product', 'insert (team), update (team) on cohort.flag');
    perform cohort.grant_to('cohort_product', 'update (kind) on cohort.experiment');
    perform cohort.grant_to('cohort_server', 'execute on function cohort.bandit_apply(bigint, int, int, jsonb, text, jsonb)');
    perform cohort.grant_to('cohort_product', 'delete on cohort.bandit, cohort.contextual');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, reward, assign, floor_ppm, every_s, warm_up, half_life_s, uniform_ppm, stick_s, promote), update (reward, assign, floor_ppm, every_s, warm_up, half_life_s, uniform_ppm, stick_s, promote) on cohort.bandit');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, features, safe_variant, threshold_ppm, gamma, ridge), update (features, safe_variant, threshold_ppm, gamma, ridge) on cohort.contextual');
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        perform cohort.grant_to(r, 'select on cohort.results, cohort.assignments_expected, cohort.audit');
        foreach t in array array['bandit', 'contextual', 'model', 'phase_known', 'bandit_update'] loop
            perform cohort.grant_to(r, format('select on cohort.%I', t));
        end loop;
        -- Evidence: even a server only adds to it, through functions.
        if to_regrole(r) is not null then
            execute format('revoke insert, update, delete, truncate on cohort.audit, cohort.audit_seal, cohort.audit_head, cohort.audit_pending from %I', r);
        end if;
    end loop;
    if to_regrole('cohort_server') is not null then
        revoke update, delete, truncate on cohort.phase, cohort.phase_variant, cohort.status_change, cohort.phase_known, cohort.bandit_update, cohort.model from cohort_server;
    end if;
end $$;
