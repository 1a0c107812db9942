-- What cohortctl replay computes decisions again from: the experiment with every phase it had and every model, as servers
-- read them, without any secret; and its decisions as they were logged.

create or replace function cohort.replay_document(key text) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
declare
    e experiment;
    doc jsonb;
begin
    select * into e from experiment x where x.environment = current_environment() and x.key = $1;
    if not found then
        perform fail('experiment_known', format('There is no experiment %s.', shown($1)));
    end if;
    select x into doc from jsonb_array_elements(plan_experiments(e.environment)) x where x ->> 'key' = e.key;
    -- Who was let in is no draw: what decides that is left out.
    doc := doc || jsonb_build_object('status', 'running', 'paused', false, 'guard_stopped', false, 'condition', '{}'::jsonb,
               'prerequisites', '[]'::jsonb, 'overrides', '[]'::jsonb, 'holdouts', '[]'::jsonb, 'starts_at_us', null, 'ends_at_us', null)
           || jsonb_build_object('phases', coalesce((select p.phases from plan_phases(e.environment, true) p where p.experiment = e.key), '[]'))
           || coalesce((select n.learns from plan_bandits(e.environment, true) n where n.experiment = e.key), '{}');
    doc := doc - '{shipped,guard_max_blind_us,layer,layer_slots}'::text[];
    return jsonb_build_object('format', 1, 'version', 0, 'stop_version', 0, 'environment', e.environment,
        'unit_key', repeat('00', 32), 'hash_key', repeat('00', 32), 'api_keys', '[]'::jsonb, 'events', '[]'::jsonb, 'event_attributes', '{}'::jsonb,
        'layers', '[]'::jsonb, 'segments', '[]'::jsonb, 'flags', '[]'::jsonb, 'experiments', jsonb_build_array(doc));
end $$;
comment on function cohort.replay_document(text) is
    'An experiment''s current run as a plan of its own, with every phase and model it ever had: what its decisions can be computed again from';

create or replace function cohort.replay_phases(key text) returns table(number int, version bigint)
    language sql stable set search_path = cohort, pg_temp as $$
    select p.number, k.version
      from experiment e
      join phase p on p.experiment_id = e.id and p.kind = 'time'
      join phase_known k on k.phase_id = p.id
     where e.environment = current_environment() and e.key = $1 order by p.number $$;
comment on function cohort.replay_phases(text) is 'The time phases of an experiment''s current run, and the version of the definitions from which servers knew each';

create or replace function cohort.replay_decisions(key text, from_ts timestamptz, to_ts timestamptz)
    returns table(unit_id uuid, decision_id uuid, us bigint, reason text, variant_id int, counterfactual_variant_id int, phase_id int,
                  propensity int, plan_version bigint, inputs jsonb, eligible jsonb, model_id int)
    language plpgsql stable set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    run int := (select e.id from experiment e where e.environment = current_environment() and e.key = $1);
begin
    return query
    select d.unit_id, d.decision_id, micros(d.ts), d.reason, d.variant_id, d.counterfactual_variant_id, d.phase_id, d.propensity,
           d.plan_version, d.inputs, d.eligible, (to_jsonb(d) ->> 'model_id')::int
      from decision d
     where d.experiment_id = run and d.ts >= coalesce($2, '-infinity') and d.ts < coalesce($3, 'infinity')
     order by d.ts, d.decision_id;
end $$;
comment on function cohort.replay_decisions(text, timestamptz, timestamptz) is
    'The logged decisions of an experiment''s current run, oldest first: from from_ts on, before to_ts; null: all';
