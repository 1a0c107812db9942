-- What cohortctl verify-stop computes a stop from: definitions with their salts and slots, and the units as they were
-- counted when the stop was decided. Recomputing is the reader's: nothing here draws or tests.

create or replace function cohort.stop_facts(stop bigint) returns jsonb
    language sql stable set search_path = cohort, pg_temp as $$
    select jsonb_build_object('id', s.id, 'environment', i.environment, 'experiment', i.experiment, 'iteration', i.iteration,
               'experiment_id', s.experiment_id, 'at', cohort.rfc3339(s.at), 'sentence', s.sentence, 'evidence', s.evidence,
               'salt', encode(i.salt, 'hex'), 'kind', e.kind, 'origin', e.origin, 'sticky', e.sticky,
               'layer_salt', encode(l.salt, 'hex'),
               'layer_slots', cohort.slots_json(case when i.layer is not null then coalesce(i.layer_slots, ls.slots) end),
               'definition', d.doc,
               'rule', (select g || jsonb_build_object('weight_of_action', (g ->> 'weight')::numeric
                                / (select sum((h ->> 'weight')::numeric) from jsonb_array_elements(d.doc -> 'guardrails') h
                                    where h ->> 'action' = g ->> 'action'),
                            'weight_of_all', (g ->> 'weight')::numeric
                                / (select sum((h ->> 'weight')::numeric) from jsonb_array_elements(d.doc -> 'guardrails') h
                                    where h ->> 'action' <> 'alert'))
                          from jsonb_array_elements(case jsonb_typeof(d.doc -> 'guardrails') when 'array' then d.doc -> 'guardrails' else '[]' end) g
                         where g ->> 'metric' = s.evidence ->> 'metric' and g ->> 'direction' = s.evidence ->> 'direction'
                           and g ->> 'action' <> 'alert' limit 1),
               'overrides', (select count(*) from cohort.exposure x where x.experiment_id = s.experiment_id and x.propensity is null),
               'dropped_days', (select count(*) from cohort.partition_dropped p where p.parent = 'outcome'
                                   and p.day >= (i.started_at at time zone 'UTC')::date and p.day <= (s.at at time zone 'UTC')::date),
               'phases', (select jsonb_agg(jsonb_build_object('id', p.id, 'number', p.number, 'salt', encode(p.salt, 'hex'),
                                   'traffic_slots', cohort.slots_json(p.traffic_slots),
                                   'variants', (select jsonb_agg(jsonb_build_object('id', v.id, 'key', v.key, 'share_ppm', pv.share_ppm,
                                                           'slots', cohort.slots_json(pv.slots)) order by v.id)
                                                  from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id
                                                 where pv.phase_id = p.id)) order by p.number)
                            from cohort.phase p where p.experiment_id = s.experiment_id and p.opened_at <= s.at))
      from cohort.stop_event s
      join cohort.experiment_iteration i on i.experiment_id = s.experiment_id
      join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
      left join cohort.layer l on l.environment = i.environment and l.key = i.layer
      left join cohort.layer_slots ls on ls.environment = i.environment and ls.experiment = i.experiment and e.id = i.experiment_id
     cross join lateral (select coalesce(i.definition, cohort.get_experiment(e.key)) as doc) d
     where s.id = $1
$$;
comment on function cohort.stop_facts(bigint) is
    'What a stop is verified from, besides the units: evidence, salts, slots and shares of each phase, the guardrail''s rule';

create or replace function cohort.stop_of(experiment text) returns bigint
    language sql stable set search_path = cohort, pg_temp
    as $$ select s.id from cohort.stop_event s join cohort.every_iteration i on i.experiment_id = s.experiment_id
           where i.environment = cohort.current_environment() and i.experiment = $1 order by s.id desc limit 1 $$;
comment on function cohort.stop_of(text) is 'stop_event.id of the last stop of an experiment, in any iteration; null: none';

-- The metric as it counted then: of another version, by its history.
create or replace function cohort.metric_then(environment text, key text, version int) returns cohort.metric
    language plpgsql stable set search_path = cohort, pg_temp as $$
declare
    m cohort.metric;
    d jsonb;
begin
    select * into m from cohort.metric x where x.environment = $1 and x.key = $2;
    if found and $3 is distinct from m.version then
        select v.definition into d from cohort.metric_version v where v.metric_id = m.id and v.version = $3;
        if found then
            m.event := coalesce(d ->> 'event', m.event);
            m.kind := coalesce(d ->> 'kind', m.kind);
            m.window_start_s := coalesce((d ->> 'window_start_s')::int, 0);
            m.window_end_s := (d ->> 'window_end_s')::int;
            m.trusted_only := coalesce((d ->> 'trusted_only')::boolean, true);
            m.event_path := cohort.metric_path(nullif(d -> 'condition', 'null'));
            m.version := $3;
        end if;
    end if;
    return m;
end $$;
comment on function cohort.metric_then(text, text, int) is 'A metric as one of its versions counted';

-- A pass of the monitor applies batches and then judges, and the next pass begins after it: what a stop had counted is
-- what was applied by the last pass before it.
create or replace function cohort.stop_units(stop bigint) returns table(unit_id uuid, phase_id int, variant_id int,
        drawn boolean, counted boolean, event boolean)
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    s cohort.stop_event;
    m cohort.metric;
    last_pass bigint;
    matured boolean;
begin
    select * into s from cohort.stop_event x where x.id = $1;
    select coalesce(max(b.applied_pass), 0) into last_pass from cohort.ingest_batch b where b.applied_at <= s.at;
    m := cohort.metric_then((select i.environment from cohort.every_iteration i where i.experiment_id = s.experiment_id),
                            s.evidence ->> 'metric', coalesce((s.evidence ->> 'metric_version')::int,
                                (select t.metric_version from cohort.tracked_metric t join cohort.metric y on y.id = t.metric_id
                                  where t.experiment_id = s.experiment_id and y.key = s.evidence ->> 'metric' limit 1)));
    matured := s.evidence ->> 'count' = 'at_maturity';
    return query
    with x as (
        select e.unit_id, e.phase_id, e.variant_id, e.first_ts, e.propensity is not null as drawn,
               coalesce(b.applied_pass, 0) as pass
          from cohort.exposure e left join cohort.ingest_batch b on b.batch_id = e.batch_id
         where e.experiment_id = s.experiment_id and (b.batch_id is null or b.applied_pass <= last_pass)
        union all
        select r.unit_id, r.old_phase_id, r.old_variant_id, r.old_first_ts,
               (select e.propensity is not null from cohort.exposure e
                 where e.unit_id = r.unit_id and e.experiment_id = r.experiment_id), coalesce(b.applied_pass, 0)
          from cohort.exposure_replaced r left join cohort.ingest_batch b on b.batch_id = r.old_batch_id
         where r.experiment_id = s.experiment_id and coalesce(r.resolved_pass > last_pass, true)
           and (b.batch_id is null or b.applied_pass <= last_pass)
    ), u as (
        select x.*, case when not matured then last_pass
                         when x.first_ts <= (select t.matured_to from cohort.tracked_metric t
                                              where t.experiment_id = s.experiment_id and t.metric_id = m.id)
                         then greatest(x.pass, (select y.pass from cohort.maturity y
                                                 where y.experiment_id = s.experiment_id and y.metric_id = m.id
                                                   and y.matured_to >= x.first_ts order by y.matured_to, y.pass limit 1)) end as upto
          from x
    ), o as (
        select distinct u.unit_id
          from u join cohort.outcome o on o.unit_id = u.unit_id and o.name = m.event and (o.trusted or not m.trusted_only)
                                      and o.ts >= u.first_ts + make_interval(secs => m.window_start_s)
                                      and (m.window_end_s is null or o.ts < u.first_ts + make_interval(secs => m.window_end_s))
                                      and (m.event_path is null or o.attributes @@ m.event_path)
          left join cohort.ingest_batch b on b.batch_id = o.batch_id
         where b.batch_id is null or b.applied_pass <= least(u.upto, last_pass)
    )
    select u.unit_id, u.phase_id, u.variant_id, coalesce(u.drawn, false), coalesce(u.upto <= last_pass, false),
           o.unit_id is not null or coalesce(case when matured then f.matured_n else f.n end, 0) > 0
      from u
      left join o on o.unit_id = u.unit_id
      left join cohort.unit_frozen f on f.unit_id = u.unit_id and f.experiment_id = s.experiment_id and f.metric_id = m.id
                                    and f.metric_version = m.version;
end $$;
comment on function cohort.stop_units(bigint) is
    'The units a stop had counted, each with the phase and variant that are recorded, whether a draw put it there, whether it counted (its window had closed, for at_maturity), and whether it had the event';
