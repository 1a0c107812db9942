-- One raise of the version and one NOTIFY for each transaction that changes definitions, at its COMMIT: a long
-- edit holds the version's row for no longer than its commit takes.

create or replace function cohort.raise_version() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    me text := pg_current_xact_id()::text;
    reached bigint;
begin
    if current_setting('cohort.raised_in', true) is distinct from me then
        perform set_config('cohort.raised_in', me, true);
        update config_version set version = version + 1 returning version into reached;
        perform pg_notify('cohort_config', reached::text);
    end if;
    return null;
end $$;
comment on function cohort.raise_version() is 'Trigger: raises config_version once a transaction and says so on channel cohort_config';

do $$
declare
    t text;
begin
    foreach t in array array['environment', 'secret', 'condition_operator', 'flag', 'flag_rule', 'experiment', 'variant',
        'phase', 'phase_variant', 'metric', 'guardrail', 'api_key',
        'phase_closed', 'layer', 'layer_slots', 'team', 'holdout', 'segment', 'override', 'prerequisite',
        'bandit', 'contextual'] loop
        execute format('drop trigger if exists zz_raise_version on cohort.%I', t);
        execute format('create constraint trigger zz_raise_version after insert or update or delete on cohort.%I
            deferrable initially deferred for each row execute function cohort.raise_version()', t);
    end loop;
end $$;
