-- What cohortctl rehearse replays: who came, and their first events. It draws and tests by itself.

create or replace function cohort.rehearsal(experiment text, days int) returns jsonb
    language sql stable set search_path = cohort, pg_temp as $$
    select jsonb_build_object('experiment', e.key, 'status', e.status, 'unit_type', e.unit_type, 'traffic_ppm', e.traffic_ppm, 'layer_ppm',
               case when e.layer is null then 1000000 else e.layer_ppm end,
               'own_units', exists (select from cohort.plan_units(now() - make_interval(days => $2), e.unit_type, e.key)),
               'variants', (select jsonb_agg(jsonb_build_object('key', v.key, 'share_ppm', v.share_ppm,
                                   'control', v.is_control or v.key = 'control') order by v.is_control or v.key = 'control' desc, v.id)
                              from cohort.variant v where v.environment = e.environment and v.experiment = e.key),
               'guardrails', coalesce((select jsonb_agg(jsonb_build_object('id', g.id, 'metric', g.metric, 'kind', m.kind,
                                   'direction', g.direction, 'margin', g.margin, 'action', g.action, 'count', g.count,
                                   'alpha', case g.action when 'alert' then e.alert_alpha else e.alpha end,
                                   'weight', g.weight / (select sum(h.weight) from cohort.guardrail h
                                       where h.environment = e.environment and h.experiment = e.key and h.action = g.action)) order by g.id)
                              from cohort.guardrail g join cohort.metric m on m.environment = g.environment and m.key = g.metric
                             where g.environment = e.environment and g.experiment = e.key), '[]'),
               'in_two_variants', (select count(distinct s.unit_id) from cohort.exposure_switch s
                                     join cohort.every_iteration i on i.experiment_id = s.experiment_id
                                    where i.environment = e.environment and i.experiment = e.key
                                      and s.ts >= now() - make_interval(days => $2)))
      from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1
$$;
comment on function cohort.rehearsal(text, int) is
    'What an experiment''s guardrails are rehearsed with: variants, rules, whether it has units of its own in these days, and units seen in two variants';

drop function if exists cohort.rehearsal_events(text, int, int);
create function cohort.rehearsal_events(experiment text, days int, guardrail int)
    returns table(unit_id uuid, first_ts timestamptz, at timestamptz, y numeric)
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    since timestamptz := now() - make_interval(days => $2);
    e cohort.experiment;
    g cohort.guardrail;
    m cohort.metric;
begin
    select * into e from cohort.experiment x where x.environment = cohort.current_environment() and x.key = $1;
    select * into g from cohort.guardrail x where x.id = $3;
    select * into m from cohort.metric x where x.environment = g.environment and x.key = g.metric;
    return query
    with own as materialized (
        select p.unit_id, p.first_ts from cohort.plan_units(since, e.unit_type, e.key) p
    ), u as materialized (
        select * from own
        union all
        select p.unit_id, p.first_ts from cohort.plan_units(since, e.unit_type, null) p where not exists (select from own)
    ), o as (
        select u.unit_id, min(o.ts) as ts, count(*) as n, sum(coalesce(o.value, case m.kind when 'ratio' then 1000000 else 0 end)) as sum
          from u join cohort.outcome o on o.unit_id = u.unit_id and o.name = m.event and (o.trusted or not m.trusted_only)
                                      and o.ts >= since and o.ts >= u.first_ts + make_interval(secs => m.window_start_s)
                                      and (m.window_end_s is null or o.ts < u.first_ts + make_interval(secs => m.window_end_s))
                                      and (m.event_path is null or o.attributes @@ m.event_path)
         group by u.unit_id
    )
    select u.unit_id, u.first_ts, case
               when m.kind <> 'binary' then (select x.at from (select u.first_ts + make_interval(secs => m.window_end_s) + cohort.lateness() as at) x
                                              where x.at <= now())
               when o.ts is null then null
               when g.count = 'at_maturity' then u.first_ts + make_interval(secs => m.window_end_s) else o.ts end,
           cohort.unit_value(m.kind, coalesce(o.n, 0), o.sum, m.winsor_low * 1000000, m.winsor_high * 1000000)
      from u left join o on o.unit_id = u.unit_id
     order by u.first_ts, u.unit_id;
end $$;
comment on function cohort.rehearsal_events(text, int, int) is
    'Units that came in these days (to the experiment or its flag, else to any of the unit type), in order, each with the time at which its first event of the guardrail''s metric counts (null: none), for other than binary metrics the time at which its window had closed (null: it hasn''t), and its value in millionths';
