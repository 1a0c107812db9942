-- Results as one JSON document, for REST.

drop function if exists cohort.results_metrics_json(text);
create or replace function cohort.results_srm_json(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select coalesce((select s.body -> 'srm' from cohort.result_summary s where s.experiment_id = cohort.experiment_id_of($1)),
                    '{"alarm": false, "ln_e": null, "words": "not counted yet"}')
           || jsonb_build_object('variants',
                jsonb_agg(jsonb_build_object('variant', s.variant, 'units', s.units, 'expected', s.expected) order by s.ordinality),
                'fixed_horizon', jsonb_build_object('chi_square', max(s.chi_square), 'p', max(s.p),
                    'method', 'Pearson''s chi-square inside each phase; for one look at the end'))
      from cohort.srm($1) with ordinality s
$$;
comment on function cohort.results_srm_json(text) is 'Part of results_json(): the sample ratio';

create or replace function cohort.results_metrics_json(experiment_id int) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select coalesce(jsonb_agg(jsonb_build_object('metric', m.key, 'kind', m.kind, 'version', m.version, 'role', m.role,
               'direction_good', m.direction_good, 'window_end_s', m.window_end_s, 'quantile', m.quantile,
               'versions', e.words, 'variants', r.variants)
               order by m.role = 'primary' desc nulls last, m.id), '[]')
      from cohort.result_metrics($1) m
     cross join lateral (
           select coalesce(jsonb_agg(coalesce(r.body, jsonb_build_object('variant', v.key, 'is_control', v.is_control,
                      'dropped', v.dropped, 'units', 0, 'exposed', 0, 'value', null, 'maturity', 'not counted yet'))
                      order by v.is_control desc, v.place, v.id), '[]') as variants
             from cohort.result_variants($1) v
             left join cohort.result r on r.experiment_id = $1 and r.metric_id = m.id and r.metric_version = m.version
                                      and r.variant_id = v.id and r.segment = 0) r
      left join lateral (
           select format('version %s of the metric counts since %s, as a test of its own; what earlier versions counted stays in cohort.result',
                         m.version, (select cohort.rfc3339(x.at) from cohort.metric_version x where x.metric_id = m.id and x.version = m.version)) as words
            where exists (select from cohort.result o where o.experiment_id = $1 and o.metric_id = m.id and o.metric_version < m.version)) e on true
$$;
comment on function cohort.results_metrics_json(int) is 'Part of results_json(): metrics by variants';

create or replace function cohort.results_segments_json(experiment_id int) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select coalesce(jsonb_agg(jsonb_build_object('metric', m.key) || r.body
                              order by m.id, r.variant_id, r.body ->> 'attribute', r.body ->> 'value'), '[]')
      from cohort.result_metrics($1) m
      join cohort.result r on r.experiment_id = $1 and r.metric_id = m.id and r.metric_version = m.version and r.segment <> 0
$$;
comment on function cohort.results_segments_json(int) is 'Part of results_json(): segments, and whether the effect differs there';

create or replace function cohort.results_switched_json(experiment_id int) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with n as (
        select count(distinct w.unit_id) as units
          from cohort.exposure_switch w
          join cohort.exposure e on e.unit_id = w.unit_id and e.experiment_id = w.experiment_id and e.variant_id <> w.variant_id
         where w.experiment_id = $1
    ), total as (select coalesce(sum(s.units), 0) as units from cohort.exposure_stat s where s.experiment_id = $1)
    select jsonb_build_object('units', n.units, 'share', round(n.units / nullif(total.units, 0), 6), 'words',
               case n.units when 0 then 'no unit was seen in two variants'
                    else format('%s of %s units were seen in two variants; each counts by its first one', n.units, total.units) end)
      from n, total
$$;
comment on function cohort.results_switched_json(int) is 'Part of results_json(): units that were seen in two variants';

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
        on s.guardrail_id = a.guardrail_id and s.treatment_id = a.treatment_id and s.iteration = a.iteration and s.metric_version = a.metric_version
      left join cohort.alert_event w
        on w.guardrail_id = a.guardrail_id and w.treatment_id = a.treatment_id and w.iteration = a.iteration
       and coalesce(w.metric_version, a.metric_version) = a.metric_version
     where a.experiment_id = $1
$$;
comment on function cohort.results_guardrails_json(int) is 'Part of results_json(): where each guardrail stands';

create or replace function cohort.lifts_json(experiment_id int, of_holdout boolean) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select coalesce(jsonb_agg(jsonb_build_object('holdout', h.experiment, 'experiment', e.experiment, 'iteration', e.iteration,
               'since', cohort.rfc3339(l.made_at), 'as_of', cohort.rfc3339(s.as_of), 'warning', s.body -> 'warning',
               'decision', coalesce(s.body ->> 'decision', 'Nothing is counted yet.'), 'n_star', s.n_star,
               'srm', coalesce(s.body -> 'srm', '{"alarm": false, "ln_e": null, "words": "not counted yet"}'),
               'metrics', cohort.results_metrics_json(l.id)) order by h.experiment, e.experiment, e.iteration), '[]')
      from cohort.lift_pair l
      join cohort.every_iteration h on h.experiment_id = l.holdout_id
      join cohort.every_iteration e on e.experiment_id = l.experiment_id
      left join cohort.result_summary s on s.experiment_id = l.id
     where case when $2 then l.holdout_id else l.experiment_id end = $1
$$;
comment on function cohort.lifts_json(int, boolean) is
    'Part of results_json(): what an experiment gained against each holdout it is behind; true: what each experiment behind a holdout did';

create or replace function cohort.results_json(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select jsonb_build_object(
               'experiment', e.key, 'kind', e.kind, 'iteration', i.iteration,
               'status', case when i.current then cohort.effective_status(e) else i.status end,
               'as_of', cohort.rfc3339(s.as_of), 'warning', s.body -> 'warning',
               'decision', coalesce(s.body ->> 'decision', case when e.status in ('draft', 'scheduled') then 'Not started.'
                                                               else 'Nothing is counted yet.' end),
               'n_star', s.n_star, 'srm', cohort.results_srm_json(e.key), 'metrics', cohort.results_metrics_json(i.experiment_id),
               'segments', cohort.results_segments_json(i.experiment_id), 'switched', cohort.results_switched_json(i.experiment_id),
               'guardrails', cohort.results_guardrails_json(i.experiment_id), 'stop', cohort.experiment_stop(e))
           || jsonb_build_object(case e.kind when 'holdout' then 'per_experiment' else 'holdout_lift' end,
                                 cohort.lifts_json(i.experiment_id, e.kind = 'holdout'))
           || cohort.results_bandit_json(e)
      from cohort.experiment e
      join cohort.every_iteration i on i.environment = e.environment and i.experiment = e.key and i.current
      left join cohort.result_summary s on s.experiment_id = i.experiment_id
     where e.environment = cohort.current_environment() and e.key = $1
$$;
comment on function cohort.results_json(text) is 'Results as REST answers them; null when there is no such experiment';

create or replace function cohort.results_series_json(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select jsonb_build_object('experiment', e.key, 'points', coalesce((
               select jsonb_agg(jsonb_build_object('metric', p.metric, 'variant', p.variant, 'is_control', p.is_control, 'points', p.points) order by p.place)
                 from (select s.metric, s.variant, s.is_control, min(s.ordinality) as place,
                              jsonb_agg(jsonb_build_object('at', cohort.rfc3339(s.at), 'units', s.units, 'value', s.value,
                                  'difference', s.difference, 'low', s.low, 'high', s.high, 'ln_e', s.ln_e) order by s.at) as points
                         from cohort.results_series(e.key) with ordinality s group by s.metric, s.variant, s.is_control) p), '[]'))
      from cohort.experiment e
     where e.environment = cohort.current_environment() and e.key = $1
$$;
comment on function cohort.results_series_json(text) is 'The series of results as REST answers it; null when there is no such experiment';
