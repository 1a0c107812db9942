-- Row security by team. Everybody who may read a table reads all of it; who may change which rows is in
-- functions/73_team_security.sql. Owners, and so the functions that run as the owner, aren't bound by it.
do $$
declare
    t text;
begin
    foreach t in array array['experiment', 'variant', 'guardrail', 'flag', 'flag_rule', 'layer', 'segment', 'override',
        'prerequisite', 'ramp_step', 'holdout', 'experiment_metric'] loop
        execute format('alter table cohort.%I enable row level security', t);
    end loop;
end $$;
