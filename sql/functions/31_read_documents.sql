-- Experiments as JSON documents, read.

create or replace function cohort.experiment_history(e cohort.experiment) returns jsonb
    language plpgsql stable as $$
begin
    return (select jsonb_agg(jsonb_build_object('status', h.status, 'at', cohort.rfc3339(h.at), 'actor', h.actor, 'reason', h.reason)
                             order by h.at, h.n)
              from (select c.status, c.at, c.actor, c.reason, c.id as n from cohort.status_change c where c.experiment_id = e.id
                    union all
                    select 'stopped', s.at, 'guardrail', s.sentence, 0 from cohort.stop_event s
                     where s.experiment_id = e.id and s.iteration = e.iteration) h);
end $$;
comment on function cohort.experiment_history(cohort.experiment) is 'Who changed the status, when and why, guardrails'' stops too';

create or replace function cohort.experiment_stop(e cohort.experiment) returns jsonb
    language plpgsql stable as $$
begin
    return (select jsonb_build_object('at', cohort.rfc3339(s.at), 'sentence', s.sentence, 'evidence', s.evidence)
              from cohort.stop_event s where s.experiment_id = e.id and s.iteration = e.iteration);
end $$;
comment on function cohort.experiment_stop(cohort.experiment) is 'What a guardrail''s stop says; null without one';

create or replace function cohort.experiment_variants(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('key', v.key, 'share_ppm', v.share_ppm)
               || case when v.value is null then '{}' else jsonb_build_object('value', v.value) end
               || case when v.is_control or (v.key = 'control' and not v.marked) then '{"control": true}'::jsonb else '{}' end
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
               'traffic_ppm', (select sum(upper(r) - lower(r)) from unnest(p.traffic_slots) r),
               'variants', (select jsonb_agg(jsonb_build_object('key', v.key, 'share_ppm', pv.share_ppm) order by v.position, v.id)
                              from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id where pv.phase_id = p.id))
               order by p.number), '[]')
      from cohort.phase p where p.environment = e.environment and p.experiment = e.key $$;
comment on function cohort.experiment_phases(cohort.experiment) is 'An experiment''s phases as a document has them';

create or replace function cohort.get_experiment(key text) returns jsonb
    language sql stable as $$
    select jsonb_build_object('key', e.key, 'id', e.id, 'status', cohort.effective_status(e), 'kind', e.kind, 'origin', e.origin,
               'flag', e.flag, 'unit_type', e.unit_type, 'description', e.description, 'owner', e.owner,
               'traffic_ppm', e.traffic_ppm, 'condition', e.condition, 'exposure', e.exposure,
               'alpha', e.alpha, 'alert_alpha', e.alert_alpha, 'iteration', e.iteration,
               'variants', cohort.experiment_variants(e), 'guardrails', cohort.experiment_guardrails(e),
               'phases', cohort.experiment_phases(e), 'history', cohort.experiment_history(e), 'stop', cohort.experiment_stop(e))
           || case when f.type is null then '{}' else jsonb_build_object('type', f.type) end
      from cohort.experiment e join cohort.flag f on f.environment = e.environment and f.key = e.flag
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
               'owner', p.owner, 'created_at', cohort.rfc3339(p.created_at), 'started_at', cohort.rfc3339(p.started_at),
               'stopped_at', cohort.rfc3339(p.stopped_at), 'archived_at', cohort.rfc3339(p.archived_at)) order by p.key)
               filter (where lim is null or p.n <= lim), '[]'),
               'next', case when count(*) > lim then max(p.key) filter (where p.n = lim) end)
      from page p $$;
comment on function cohort.list_experiments(int, text) is
    'Experiments in the order of their keys, a page of them: {"experiments": […], "next": key or null}';
