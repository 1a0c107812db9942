-- Experiments as JSON documents, read.

create or replace function cohort.experiment_history(e cohort.experiment) returns jsonb
    language plpgsql stable as $$
begin
    return (with run as (
                select e.id as id, e.iteration as iteration
                union
                select i.experiment_id, i.iteration from cohort.experiment_iteration i
                 where i.environment = e.environment and i.experiment = e.key)
            select jsonb_agg(jsonb_build_object('status', h.status, 'at', cohort.rfc3339(h.at), 'actor', h.actor, 'reason', h.reason)
                             || case when h.what is null then '{}' else jsonb_build_object('what', h.what) end
                             || case when h.iteration = 1 then '{}' else jsonb_build_object('iteration', h.iteration) end
                             order by h.at, h.n)
              from (select r.iteration, c.status, c.at, c.actor, c.reason, c.what, c.id as n
                      from run r join cohort.status_change c on c.experiment_id = r.id
                    union all
                    select r.iteration, 'stopped', s.at, 'guardrail', s.sentence, null, 0
                      from run r join cohort.stop_event s on s.experiment_id = r.id and s.iteration = r.iteration
                    union all
                    select r.iteration, 'paused', p.at, 'guardrail', p.sentence, null, 0
                      from run r join cohort.pause_event p on p.experiment_id = r.id and p.iteration = r.iteration) h);
end $$;
comment on function cohort.experiment_history(cohort.experiment) is 'What was done to it, by whom, when and why, in all its iterations, guardrails'' stops too';

create or replace function cohort.experiment_stop(e cohort.experiment) returns jsonb
    language plpgsql stable as $$
begin
    return (select jsonb_build_object('at', cohort.rfc3339(s.at), 'sentence', s.sentence, 'evidence', s.evidence, 'id', s.id)
              from cohort.stop_event s where s.experiment_id = e.id and s.iteration = e.iteration);
end $$;
comment on function cohort.experiment_stop(cohort.experiment) is 'What a guardrail''s stop says; null without one';

create or replace function cohort.experiment_verdicts(e cohort.experiment) returns jsonb
    language plpgsql stable as $$
begin
    return (select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', v.id, 'at', cohort.rfc3339(v.at), 'kind', v.kind,
                       'metric', coalesce(g.metric, c.metric), 'metric_version', v.metric_version, 'variant', t.key,
                       'action', v.action, 'sentence', v.sentence, 'resumed_at', cohort.rfc3339(p.resolved_at),
                       'resumed_by', p.resolved_by)) || jsonb_build_object('evidence', v.evidence) order by v.id), '[]')
              from cohort.verdict_event v
              left join cohort.guardrail g on g.id = v.guardrail_id
              left join cohort.stop_condition c on c.id = v.condition_id
              left join cohort.variant t on t.id = v.treatment_id
              left join cohort.pause_event p on p.verdict_id = v.id
             where v.experiment_id = e.id and v.iteration = e.iteration);
end $$;
comment on function cohort.experiment_verdicts(cohort.experiment) is
    'What guardrails and stop conditions have found in this run, with the evidence, as a document has it';

create or replace function cohort.experiment_variants(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('key', v.key, 'share_ppm', v.share_ppm)
               || case when v.value is null then '{}' else jsonb_build_object('value', v.value) end
               || case when v.is_control or (v.key = 'control' and not v.marked) then '{"control": true}'::jsonb else '{}' end
               || case when v.dropped_at is null then '{}' else '{"dropped": true}'::jsonb end
               order by v.position, v.id), '[]')
      from (select x.*, bool_or(x.is_control) over () as marked from cohort.variant x
             where x.environment = e.environment and x.experiment = e.key) v $$;
comment on function cohort.experiment_variants(cohort.experiment) is 'An experiment''s variants as a document has them';

create or replace function cohort.experiment_guardrails(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('metric', g.metric, 'direction', g.direction, 'margin', g.margin,
               'weight', g.weight, 'count', g.count, 'action', g.action) order by g.id), '[]')
      from cohort.guardrail g where g.environment = e.environment and g.experiment = e.key $$;
comment on function cohort.experiment_guardrails(cohort.experiment) is 'An experiment''s guardrails as a document has them';

create or replace function cohort.experiment_phases(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('number', p.number, 'opened_at', cohort.rfc3339(p.opened_at),
               'traffic_ppm', cohort.slots_ppm(p.traffic_slots), 'closed_ppm', coalesce(cohort.slots_ppm(c.slots), 0))
               || case p.kind when 'time' then jsonb_strip_nulls(jsonb_build_object('kind', p.kind, 'starts_at', cohort.rfc3339(p.starts_at),
                      'model', (select m.version from cohort.model m where m.id = p.model_id))) else '{}' end
               || jsonb_build_object('variants', (select jsonb_agg(jsonb_build_object('key', v.key, 'share_ppm', pv.share_ppm) order by v.position, v.id)
                              from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id where pv.phase_id = p.id))
               order by p.number), '[]')
      from cohort.phase p
      left join cohort.phase_closed c on c.phase_id = case p.kind when 'time' then cohort.first_time_phase(e.id) else p.id end
     where p.experiment_id = e.id and (p.kind = 'traffic' or p.number > (cohort.last_phase(e.id)).number - 20) $$;
comment on function cohort.experiment_phases(cohort.experiment) is
    'The phases of an experiment''s current iteration as a document has them; of a bandit''s time phases the last 20';

create or replace function cohort.experiment_ramp(e cohort.experiment) returns jsonb
    language sql stable as $$
    select jsonb_build_object(
               'ramp', coalesce(jsonb_agg(jsonb_build_object('traffic_ppm', s.traffic_ppm, 'wait_s', s.wait_s)
                   || case when s.shares is null then '{}' else jsonb_build_object('shares', s.shares) end order by s.number), '[]'),
               'ramp_state', coalesce(jsonb_agg(jsonb_build_object('step', s.number, 'state', s.state, 'done_at', cohort.rfc3339(s.done_at),
                   'note', s.note) order by s.number), '[]'))
      from cohort.ramp_step s where s.environment = e.environment and s.experiment = e.key $$;
comment on function cohort.experiment_ramp(cohort.experiment) is 'An experiment''s ramp as a document has it, and what became of its steps';

create or replace function cohort.experiment_iterations(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('iteration', i.iteration, 'id', i.experiment_id, 'started_at', cohort.rfc3339(i.started_at),
               'stopped_at', cohort.rfc3339(i.stopped_at)) order by i.iteration), '[]')
      from cohort.experiment_iteration i where i.environment = e.environment and i.experiment = e.key $$;
comment on function cohort.experiment_iterations(cohort.experiment) is 'Every run of an experiment as a document has it';

-- What a draft may leave out is left out where it is not set; lists and numbers are always there.
create or replace function cohort.experiment_lifecycle(e cohort.experiment) returns jsonb
    language sql stable as $$
    select cohort.experiment_ramp(e)
           || jsonb_build_object('layer_ppm', e.layer_ppm, 'tags', to_jsonb(e.tags), 'sticky', e.sticky,
                  'prerequisites', cohort.experiment_prerequisites(e),
                  'ramp_tolerance', e.ramp_tolerance, 'ramp_on_alert', e.ramp_on_alert,
                  'guard_max_blind_seconds', e.guard_max_blind_s,
                  'open_ppm', cohort.open_ppm(e.id), 'iterations', cohort.experiment_iterations(e))
           || jsonb_strip_nulls(jsonb_build_object('layer', e.layer, 'team', e.team, 'starts_at', cohort.rfc3339(e.starts_at),
                  'ends_at', cohort.rfc3339(e.ends_at), 'time_zone', e.time_zone,
                  'layer_slots_ppm', (select cohort.slots_ppm(s.slots) from cohort.layer_slots s
                                       where s.environment = e.environment and s.experiment = e.key)))
           || case when e.shipped_variant is null then '{}' else jsonb_build_object('shipped',
                  jsonb_build_object('variant', e.shipped_variant, 'holdback_ppm', e.shipped_holdback_ppm)) end $$;
comment on function cohort.experiment_lifecycle(cohort.experiment) is 'Layer, schedule, ramp, tags, and what became of them, as a document has them';

create or replace function cohort.experiment_bandit(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce((select jsonb_build_object('bandit', jsonb_strip_nulls(to_jsonb(b) - '{environment,experiment,held}'::text[]))
                       from cohort.bandit b where b.environment = e.environment and b.experiment = e.key), '{}')
        || coalesce((select jsonb_build_object('contextual', jsonb_strip_nulls(to_jsonb(c) - '{environment,experiment,features}'::text[])
                                || jsonb_build_object('features', c.features))
                       from cohort.contextual c where c.environment = e.environment and c.experiment = e.key), '{}') $$;
comment on function cohort.experiment_bandit(cohort.experiment) is 'The fields bandit and contextual of an experiment''s document; {} where it is no bandit';

create or replace function cohort.get_experiment_of(e cohort.experiment) returns jsonb
    language sql stable as $$
    select jsonb_build_object('key', e.key, 'id', e.id, 'status', cohort.effective_status(e), 'kind', e.kind, 'origin', e.origin,
               'flag', e.flag, 'unit_type', e.unit_type, 'description', e.description, 'owner', e.owner,
               'traffic_ppm', e.traffic_ppm, 'condition', e.condition, 'exposure', e.exposure,
               'alpha', e.alpha, 'alert_alpha', e.alert_alpha, 'iteration', e.iteration,
               'variants', cohort.experiment_variants(e), 'guardrails', cohort.experiment_guardrails(e),
               'phases', cohort.experiment_phases(e), 'history', cohort.experiment_history(e), 'stop', cohort.experiment_stop(e),
               'verdicts', cohort.experiment_verdicts(e))
           || case when f.type is null then '{}' else jsonb_build_object('type', f.type) end
           || cohort.experiment_lifecycle(e) || cohort.experiment_analysis(e) || cohort.experiment_bandit(e)
      from (values (1)) one left join cohort.flag f on f.environment = e.environment and f.key = e.flag $$;
comment on function cohort.get_experiment_of(cohort.experiment) is 'An experiment as a document, with status, phases, history and its stop';

create or replace function cohort.get_experiment(key text) returns jsonb
    language sql stable as $$
    select cohort.get_experiment_of(e) from cohort.experiment e
     where e.environment = cohort.current_environment() and e.key = $1 $$;
comment on function cohort.get_experiment(text) is 'An experiment as a document, with status, phases, history and its stop; null when there is none';

-- Pages: lim of them after a key; "next" is the last key of this page when there are more, else null.
drop function if exists cohort.list_experiments();
create or replace function cohort.list_experiments(lim int default null, after text default null) returns jsonb
    language sql stable as $$
    with page as (
        select e.*, row_number() over (order by e.key) as n
          from cohort.experiment e
         where e.environment = cohort.current_environment() and e.kind <> 'holdout' and (after is null or e.key > after)
         order by e.key limit lim::bigint + 1
    )
    select jsonb_build_object('experiments', coalesce(jsonb_agg(jsonb_build_object('key', p.key, 'id', p.id,
               'status', cohort.effective_status(p.key), 'kind', p.kind, 'origin', p.origin, 'flag', p.flag, 'description', p.description,
               'owner', p.owner, 'team', p.team, 'tags', to_jsonb(p.tags), 'layer', p.layer, 'iteration', p.iteration,
               'created_at', cohort.rfc3339(p.created_at), 'started_at', cohort.rfc3339(p.started_at),
               'stopped_at', cohort.rfc3339(p.stopped_at), 'archived_at', cohort.rfc3339(p.archived_at)) order by p.key)
               filter (where lim is null or p.n <= lim), '[]'),
               'next', case when count(*) > lim then max(p.key) filter (where p.n = lim) end)
      from page p $$;
comment on function cohort.list_experiments(int, text) is
    'Experiments in the order of their keys, a page of them: {"experiments": […], "next": key or null}';
