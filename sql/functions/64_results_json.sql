-- Results as one JSON document, for REST.

create or replace function cohort.results_srm_json(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select jsonb_build_object('chi_square', max(s.chi_square), 'p', max(s.p), 'variants',
               jsonb_agg(jsonb_build_object('variant', s.variant, 'units', s.units, 'expected', s.expected)
                         order by s.ordinality))
      from cohort.srm($1) with ordinality s
$$;
comment on function cohort.results_srm_json(text) is 'Part of results_json(): the sample ratio';

create or replace function cohort.results_metrics_json(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select coalesce(jsonb_agg(jsonb_build_object('metric', m.metric, 'kind', m.kind, 'method', m.method,
                                                 'variants', m.variants) order by m.place), '[]')
      from (select r.metric, r.kind, min(r.ordinality) as place,
                   max(r.method) filter (where not r.is_control) as method,
                   jsonb_agg(jsonb_build_object('variant', r.variant, 'is_control', r.is_control, 'units', r.units,
                                 'value', r.value, 'phases', r.phases)
                             || case when r.is_control then '{}'
                                     else jsonb_build_object('difference', r.difference, 'std_error', r.std_error,
                                              'statistic', r.statistic, 'low', r.low, 'high', r.high) end
                             order by r.ordinality) as variants
              from cohort.results($1) with ordinality r
             group by r.metric, r.kind) m
$$;
comment on function cohort.results_metrics_json(text) is 'Part of results_json(): the metrics';

-- E is null where it is too large to be written: jsonb writes every digit, and readers refuse whole numbers of hundreds
-- of them. ln E is always there.
create or replace function cohort.results_guardrails_json(experiment_id int) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select coalesce(jsonb_agg(jsonb_build_object(
               'metric', a.metric, 'variant', a.treatment, 'action', a.action, 'direction', a.direction,
               'margin', a.margin, 'weight', round(a.weight, 6), 'count', a.count, 'alpha', a.alpha,
               'threshold', coalesce(s.threshold, ln((a.arms - 1) / (a.alpha * a.weight))::double precision),
               'ln_e', s.ln_e, 'e', case when s.ln_e < -34 then 0 when s.ln_e <= 34 then exp(s.ln_e) end,
               'max_ln_e', s.max_ln_e, 'risk_ratio', s.risk_ratio, 'lower', s.lower, 'upper', s.upper,
               'as_of', cohort.rfc3339(s.as_of), 'alert', cohort.rfc3339(w.at), 'detail', s.detail)
               order by a.guardrail_id, a.treatment_id), '[]')
      from cohort.guardrail_arm a
      left join cohort.guardrail_state s
        on s.guardrail_id = a.guardrail_id and s.treatment_id = a.treatment_id and s.iteration = a.iteration
      left join cohort.alert_event w
        on w.guardrail_id = a.guardrail_id and w.treatment_id = a.treatment_id and w.iteration = a.iteration
     where a.experiment_id = $1
$$;
comment on function cohort.results_guardrails_json(int) is 'Part of results_json(): where each guardrail stands';

create or replace function cohort.results_json(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select jsonb_build_object(
               'experiment', e.key, 'status', cohort.effective_status(e),
               'as_of', (select cohort.rfc3339(s.as_of) from cohort.leader_state s),
               'srm', cohort.results_srm_json(e.key), 'metrics', cohort.results_metrics_json(e.key),
               'guardrails', cohort.results_guardrails_json(e.id), 'stop', cohort.experiment_stop(e))
      from cohort.experiment e
     where e.environment = cohort.current_environment() and e.key = $1
$$;
comment on function cohort.results_json(text) is 'Results as REST answers them; null when there is no such experiment';
