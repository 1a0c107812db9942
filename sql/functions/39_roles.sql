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

do $$
declare
    r text;
    t text;
begin
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        perform cohort.grant_to(r, 'usage on schema cohort');
        foreach t in array array['environment', 'error_message', 'config_version', 'condition_operator', 'flag', 'flag_rule',
            'experiment', 'variant', 'phase', 'phase_variant', 'status_change', 'metric', 'metric_version', 'frozen_cap', 'guardrail', 'stop_condition', 'experiments', 'flags', 'metrics',
            'team', 'team_member', 'holdout', 'holdout_covers', 'segment', 'override', 'prerequisite'] loop
            perform cohort.grant_to(r, format('select on cohort.%I', t));
        end loop;
    end loop;
    -- The server's own work, in every table there is; what events take back from that, their own file does.
    perform cohort.grant_to('cohort_server', 'select, insert, update, delete on all tables in schema cohort');
    perform cohort.grant_to('cohort_server', 'usage on all sequences in schema cohort');
    perform cohort.grant_to('cohort_server', 'execute on function cohort.plan_body(text), cohort.plan_document(), cohort.plan_documents(), cohort.unit_id(text, text), cohort.create_api_key(text, text, text, text, int), cohort.list_api_keys(int, text), cohort.rotate_api_key(int), cohort.change_api_key(int, jsonb), cohort.revoke_api_key(int), cohort.api_key_of(int)');
    -- Product teams: the columns people may write. No salt, no phase, no history, no key, no secret.
    perform cohort.grant_to('cohort_product', 'delete on cohort.flag, cohort.flag_rule, cohort.experiment, cohort.variant, cohort.metric, cohort.guardrail, cohort.experiment_metric, cohort.stop_condition');
    perform cohort.grant_to('cohort_product', 'insert (environment, key, type, default_value, description, made_by_experiment), update (type, default_value, description, archived_at) on cohort.flag');
    perform cohort.grant_to('cohort_product', 'insert (environment, flag, position, kind, condition, experiment, value, share_ppm, unit_type), update (position, condition, value, share_ppm) on cohort.flag_rule');
    perform cohort.grant_to('cohort_product', 'insert (environment, key, flag, kind, origin, unit_type, description, owner, condition, traffic_ppm, exposure, alpha, alert_alpha), update (flag, status, unit_type, description, owner, condition, traffic_ppm, exposure, alpha, alert_alpha) on cohort.experiment');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, key, share_ppm, value, is_control, position), update (share_ppm, value, is_control, position) on cohort.variant');
    perform cohort.grant_to('cohort_product', 'insert (environment, key, event, kind, direction_good, window_start_s, window_end_s, description, condition, denominator_event, denominator_condition, quantile, winsor_low, winsor_high, winsor_quantile, cuped_days, trusted_only), update (event, kind, direction_good, window_start_s, window_end_s, description, condition, denominator_event, denominator_condition, quantile, winsor_low, winsor_high, winsor_quantile, cuped_days, trusted_only) on cohort.metric');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, metric, direction, margin, weight, count, action), update (metric, direction, margin, weight, count, action) on cohort.guardrail');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, metric, role, smallest_effect, smallest_relative), update (role, smallest_effect, smallest_relative) on cohort.experiment_metric');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, kind, metric, action, minutes, ratio, seconds, units, weight), update (kind, metric, action, minutes, ratio, seconds, units, weight) on cohort.stop_condition');
    perform cohort.grant_to('cohort_product', 'delete on cohort.holdout, cohort.segment, cohort.override, cohort.prerequisite');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, scope, scope_key, exempts_running), update (scope, scope_key, exempts_running) on cohort.holdout');
    perform cohort.grant_to('cohort_product', 'insert (environment, key, condition, list, description, team), update (condition, list, description, team) on cohort.segment');
    perform cohort.grant_to('cohort_product', 'insert (environment, key, experiment, unit_id, segment, variant, note, expires_at), update (unit_id, segment, variant, note, expires_at) on cohort.override');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, requires, variants), update (requires, variants) on cohort.prerequisite');
    perform cohort.grant_to('cohort_product', 'insert (gives), update (gives) on cohort.variant');
    perform cohort.grant_to('cohort_product', 'execute on function cohort.unit_id(text, text)');
end $$;

-- The life of an experiment: layers, schedules and ramps are written by people; slots and iterations by the database.
do $$
declare
    r text;
    t text;
begin
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        foreach t in array array['layer', 'layer_slots', 'phase_closed', 'ramp_step', 'experiment_iteration'] loop
            perform cohort.grant_to(r, format('select on cohort.%I', t));
        end loop;
    end loop;
    perform cohort.grant_to('cohort_server', 'execute on function cohort.set_step(cohort.experiment, int, text, text), cohort.note_refusal(cohort.experiment, text)');
    perform cohort.grant_to('cohort_product', 'delete on cohort.layer, cohort.ramp_step');
    perform cohort.grant_to('cohort_product', 'insert (environment, key, description, team), update (description, team) on cohort.layer');
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, number, traffic_ppm, shares, wait_s), update (number, traffic_ppm, shares, wait_s) on cohort.ramp_step');
    perform cohort.grant_to('cohort_product', 'insert (layer, layer_ppm, tags, team, starts_at, ends_at, time_zone, sticky, ramp_tolerance, ramp_on_alert, guard_max_blind_s, success_alpha, planned_units, segments), update (layer, layer_ppm, tags, team, starts_at, ends_at, time_zone, sticky, ramp_tolerance, ramp_on_alert, guard_max_blind_s, success_alpha, planned_units, segments) on cohort.experiment');
end $$;
