-- What cohortctl verify-stop computes a stop or another verdict from: definitions with their salts and slots, and the units as they were
-- counted when it was decided. Recomputing is the reader's: nothing here draws or tests.

drop function if exists cohort.stop_facts(bigint), cohort.stop_units(bigint), cohort.stop_units(bigint, boolean);

-- A stop told again by a server, or by a guardrail, has evidence without inputs.
create or replace function cohort.judged(event_id bigint, verdict boolean)
    returns table(id bigint, experiment_id int, iteration int, condition_id int, kind text, action text, at timestamptz, sentence text, evidence jsonb)
    language sql stable set search_path = cohort, pg_temp as $$
    select s.id, s.experiment_id, s.iteration, s.condition_id, case when s.evidence ? 'inputs' then coalesce(s.evidence ->> 'kind', '') else 'harm' end,
           'stop', s.at, s.sentence, s.evidence
      from cohort.stop_event s where s.id = $1 and not $2
    union all
    select v.id, v.experiment_id, v.iteration, v.condition_id, v.kind, v.action, v.at, v.sentence, v.evidence
      from cohort.verdict_event v where v.id = $1 and $2
$$;
comment on function cohort.judged(bigint, boolean) is 'One row of stop_event, or of verdict_event when verdict is true';

create or replace function cohort.judged_rule(kind text, evidence jsonb, doc jsonb) returns jsonb
    language sql immutable set search_path = cohort, pg_temp as $$
    select case when $1 = 'harm' then (
               select g || jsonb_build_object('weight_of_group', (g ->> 'weight')::numeric
                               / (select sum((h ->> 'weight')::numeric) from jsonb_array_elements(l.list) h
                                   where (h ->> 'action' in ('alert', 'hold')) = (g ->> 'action' in ('alert', 'hold'))),
                           'alpha', case when g ->> 'action' in ('alert', 'hold') then $3 -> 'alert_alpha' else $3 -> 'alpha' end)
                 from jsonb_array_elements(l.list) g
                where g ->> 'metric' = $2 ->> 'metric' and g ->> 'direction' = $2 ->> 'direction'
                  and ($2 ->> 'action' is null or g ->> 'action' = $2 ->> 'action' or (g ->> 'action' = 'roll_back' and $2 ->> 'action' = 'stop'))
                order by g ->> 'action' = $2 ->> 'action' desc limit 1)
           else (
               select c || jsonb_build_object('weight_of_group', coalesce((c ->> 'weight')::numeric, 1)
                               / (select sum(coalesce((h ->> 'weight')::numeric, 1)) from jsonb_array_elements(l.list) h
                                   where h ->> 'kind' = c ->> 'kind' and h ->> 'action' = c ->> 'action'),
                           'alpha', case when $1 = 'srm' then '0.01' when $1 in ('success', 'futility') then $3 -> 'success_alpha' else $3 -> 'alert_alpha' end)
                 from jsonb_array_elements(l.list) c
                where c ->> 'kind' = $1 and c ->> 'metric' is not distinct from $2 ->> 'metric'
                  and (c ->> 'action' = $2 ->> 'action' or (c ->> 'action' = 'roll_back' and $2 ->> 'action' = 'stop'))
                order by c ->> 'action' = $2 ->> 'action' desc limit 1) end
      from (select case when jsonb_typeof(x) = 'array' then x else '[]' end as list
              from (select $3 -> case when $1 = 'harm' then 'guardrails' else 'stop_conditions' end as x) y) l
$$;
comment on function cohort.judged_rule(text, jsonb, jsonb) is
    'The guardrail or stop condition in a definition that this evidence is about, with its part of the error level and the level';

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
            m.denominator_event := d ->> 'denominator_event';
            m.denominator_path := cohort.metric_path(nullif(d -> 'denominator_condition', 'null'));
            m.winsor_low := (d ->> 'winsor_low')::numeric;
            m.winsor_high := (d ->> 'winsor_high')::numeric;
            m.winsor_quantile := (d ->> 'winsor_quantile')::numeric;
            m.trusted_only := coalesce((d ->> 'trusted_only')::boolean, true);
            m.event_path := cohort.metric_path(nullif(d -> 'condition', 'null'));
            m.version := $3;
        end if;
    end if;
    return m;
end $$;
comment on function cohort.metric_then(text, text, int) is 'A metric as one of its versions counted';

-- The metric a verdict counted; of SRM the one whose window tells which units have matured. All null where there is none.
create or replace function cohort.judged_metric(experiment_id int, kind text, evidence jsonb) returns cohort.metric
    language sql stable set search_path = cohort, pg_temp as $$
    select cohort.metric_then(i.environment, k.key,
               coalesce(case when $2 = 'srm' then null else nullif((evidence ->> 'metric_version')::int, 0) end,
                        (select t.metric_version from cohort.tracked_metric t join cohort.metric y on y.id = t.metric_id
                          where t.experiment_id = $1 and y.environment = i.environment and y.key = k.key limit 1)))
      from cohort.every_iteration i
     cross join (select case when $2 = 'srm' then evidence #>> '{inputs,matured_by}' else evidence ->> 'metric' end as key) k
     where i.experiment_id = $1
$$;
comment on function cohort.judged_metric(int, text, jsonb) is 'The metric of a verdict, as it counted then';

-- A pass of the monitor applies batches and then judges, and the next pass begins after it: what a verdict had counted
-- is what was applied by the last pass before it. Values are in millionths.
create function cohort.stop_units(event_id bigint, verdict boolean default false) returns table(unit_id uuid, phase_id int,
        variant_id int, drawn boolean, counted boolean, event boolean, matured boolean, y numeric, d numeric, odds int)
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    s record;
    m cohort.metric;
    last_pass bigint;
    matured boolean;
    low numeric;
    high numeric;
    treatment text;
begin
    select * into s from cohort.judged($1, $2);
    select v.id::text into treatment from cohort.every_iteration i join cohort.variant v on v.environment = i.environment and v.experiment = i.experiment
     where i.experiment_id = s.experiment_id and v.key = s.evidence ->> 'treatment';
    select coalesce(max(b.applied_pass), 0) into last_pass from cohort.ingest_batch b where b.applied_at <= s.at;
    m := cohort.judged_metric(s.experiment_id, s.kind, s.evidence);
    matured := s.evidence ->> 'count' = 'at_maturity' or coalesce((s.evidence #>> '{inputs,matured}')::boolean, false);
    low := m.winsor_low * 1000000;
    high := 1000000 * case when m.winsor_quantile is null then m.winsor_high
                           else (select f.cap from cohort.frozen_cap f where f.experiment_id = s.experiment_id
                                    and f.metric_id = m.id and f.metric_version = m.version) end;
    return query
    with x as (
        select e.unit_id, e.phase_id, e.variant_id, e.first_ts, e.propensity is not null as drawn,
               coalesce(b.applied_pass, 0) as pass, e.segments
          from cohort.exposure e left join cohort.ingest_batch b on b.batch_id = e.batch_id
         where e.experiment_id = s.experiment_id and (b.batch_id is null or b.applied_pass <= last_pass)
        union all
        select r.unit_id, r.old_phase_id, r.old_variant_id, r.old_first_ts,
               (select e.propensity is not null from cohort.exposure e
                 where e.unit_id = r.unit_id and e.experiment_id = r.experiment_id), coalesce(b.applied_pass, 0), r.old_segments
          from cohort.exposure_replaced r left join cohort.ingest_batch b on b.batch_id = r.old_batch_id
         where r.experiment_id = s.experiment_id and coalesce(r.resolved_pass > last_pass, true)
           and (b.batch_id is null or b.applied_pass <= last_pass)
    ), v as (
        select x.*, case when x.first_ts <= (select t.matured_to from cohort.tracked_metric t
                                              where t.experiment_id = s.experiment_id and t.metric_id = m.id)
                         then greatest(x.pass, (select y.pass from cohort.maturity y
                                                 where y.experiment_id = s.experiment_id and y.metric_id = m.id
                                                   and y.matured_to >= x.first_ts order by y.matured_to, y.pass limit 1)) end as matured_pass
          from x
    ), u as (
        select v.*, coalesce(v.matured_pass <= last_pass, false) as is_matured,
               case when matured then v.matured_pass else last_pass end as upto
          from v
    ), o as (
        select u.unit_id, count(*) filter (where p.part = 'y') as n, sum(coalesce(o.value, p.absent)) filter (where p.part = 'y') as y,
               sum(coalesce(o.value, p.absent)) filter (where p.part = 'd') as d
          from u
         cross join cohort.metric_parts(m.kind, m.event, m.event_path, m.denominator_event, m.denominator_path, m.window_start_s,
                                        m.window_end_s, 0) p
          join cohort.outcome o on o.unit_id = u.unit_id and o.name = p.name and (o.trusted or not m.trusted_only)
                               and o.ts >= u.first_ts + p.since and (p.upto is null or o.ts < u.first_ts + p.upto)
                               and (p.path is null or o.attributes @@ p.path)
          left join cohort.ingest_batch b on b.batch_id = o.batch_id
         where b.batch_id is null or b.applied_pass <= least(u.upto, last_pass)
         group by u.unit_id
    ), c as (
        select u.*, coalesce(o.n, 0) + coalesce(case when matured then f.matured_n else f.n end, 0) as n,
               coalesce(o.y, 0) + coalesce(case when matured then f.matured_sum else f.sum end, 0) as sum,
               coalesce(o.d, 0) + coalesce(case when matured then f.matured_d_sum else f.d_sum end, 0) as d
          from u
          left join o on o.unit_id = u.unit_id
          left join cohort.unit_frozen f on f.unit_id = u.unit_id and f.experiment_id = s.experiment_id and f.metric_id = m.id
                                        and f.metric_version = m.version
    )
    select c.unit_id, c.phase_id, c.variant_id, coalesce(c.drawn and p.kind = 'traffic', false), coalesce(c.upto <= last_pass, false), c.n > 0,
           c.is_matured, cohort.unit_value(m.kind, c.n, c.sum, low, high), c.d,
           case when p.model_id is not null then (c.segments #>> array['$odds', treatment])::int end
      from c left join cohort.phase p on p.id = c.phase_id;
end $$;
comment on function cohort.stop_units(bigint, boolean) is
    'The units a stop or verdict had counted, each with the phase and variant that are recorded, whether its own slots put it there (a time phase draws by the moment), whether it counted (its window had closed, where matured units are judged), whether it had the event, whether its window had closed, its value and its denominator in millionths, and where a model drew, the step of its odds of the treatment against control';

-- When each unit first counted: the first batch that had its exposure, or with a metric both that and its event.
create or replace function cohort.judged_stretches(event_id bigint, verdict boolean) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    s record;
    m cohort.metric;
begin
    select * into s from cohort.judged($1, $2);
    m := cohort.judged_metric(s.experiment_id, s.kind, s.evidence);
    return (
        with first as materialized (
            select greatest(eb.applied_at, min(ob.applied_at)) as at
              from cohort.exposure e
              join cohort.ingest_batch eb on eb.batch_id = e.batch_id and eb.applied_at <= s.at
              left join cohort.outcome o on m.id is not null and o.unit_id = e.unit_id and o.name = m.event and (o.trusted or not m.trusted_only)
                   and o.ts >= e.first_ts + make_interval(secs => m.window_start_s)
                   and (m.window_end_s is null or o.ts < e.first_ts + make_interval(secs => m.window_end_s))
                   and (m.event_path is null or o.attributes @@ m.event_path)
              left join cohort.ingest_batch ob on ob.batch_id = o.batch_id
             where e.experiment_id = s.experiment_id and (m.id is null or ob.batch_id is not null)
             group by e.unit_id, eb.applied_at
        )
        select jsonb_agg(jsonb_build_array(v.counted, (select count(*) from first f where f.at > v.started_at and f.at <= v.ended_at)) order by v.started_at)
          from (select * from cohort.volume_interval v
                 where v.condition_id = s.condition_id and v.iteration = s.iteration and v.metric_version = (s.evidence ->> 'metric_version')::int
                   and v.started_at >= (s.evidence #>> '{inputs,from}')::timestamptz and v.ended_at <= (s.evidence #>> '{inputs,to}')::timestamptz
                 order by v.started_at limit 5000) v);
end $$;
comment on function cohort.judged_stretches(bigint, boolean) is
    'What came in in each stretch a drift was judged on: [as the monitor wrote it down, as the applied batches say]';

-- Of a unit that had the event before, further ones are news only where they change its value.
create or replace function cohort.judged_silence(event_id bigint, verdict boolean) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    s record;
begin
    select * into s from cohort.judged($1, $2);
    return (
        select jsonb_build_object('before', count(*) filter (where k.first <= x.since),
                   'after', count(*) filter (where k.first > x.since or (k.grows and k.last_value > x.since)))
          from (select (s.evidence #>> '{inputs,since}')::timestamptz as since) x
         cross join (
            select min(greatest(eb.applied_at, ob.applied_at)) as first, bool_or(p.kind <> 'binary' and p.low is null and p.high is null) as grows,
                   max(greatest(eb.applied_at, ob.applied_at)) filter (where p.kind = 'count' or o.value <> 0) as last_value
              from cohort.counted_metric p
              join cohort.metric m on m.id = p.metric_id
              join cohort.exposure e on e.experiment_id = p.experiment_id
              join cohort.ingest_batch eb on eb.batch_id = e.batch_id and eb.applied_at <= s.at
              join cohort.outcome o on o.unit_id = e.unit_id and o.name = p.event and (o.trusted or not p.trusted_only)
                   and o.ts >= e.first_ts + make_interval(secs => p.window_start_s)
                   and (p.window_end_s is null or o.ts < e.first_ts + make_interval(secs => p.window_end_s))
                   and (p.event_path is null or o.attributes @@ p.event_path)
              join cohort.ingest_batch ob on ob.batch_id = o.batch_id and ob.applied_at <= s.at
             where p.experiment_id = s.experiment_id and (s.evidence ->> 'metric' is null or m.key = s.evidence ->> 'metric')
             group by p.metric_id, e.unit_id) k);
end $$;
comment on function cohort.judged_silence(bigint, boolean) is
    'Units whose first outcome was counted before a silence began, and units that had one in it';

create or replace function cohort.stop_facts(event_id bigint, verdict boolean default false) returns jsonb
    language sql stable set search_path = cohort, pg_temp as $$
    select jsonb_build_object('id', s.id, 'environment', i.environment, 'experiment', i.experiment, 'iteration', i.iteration,
               'experiment_id', s.experiment_id, 'at', cohort.rfc3339(s.at), 'sentence', s.sentence, 'evidence', s.evidence,
               'salt', encode(i.salt, 'hex'), 'kind', e.kind, 'origin', e.origin, 'sticky', e.sticky,
               'layer_salt', encode(l.salt, 'hex'),
               'layer_slots', cohort.slots_json(case when i.layer is not null then coalesce(i.layer_slots, ls.slots) end),
               'definition', d.doc,
               'judged', s.kind, 'action', s.action, 'rule', cohort.judged_rule(s.kind, s.evidence, d.doc),
               'started_at', cohort.rfc3339(i.started_at),
               'scores', (select jsonb_build_object('centre', t.centre, 'scale', t.scale, 'clip', t.clip)
                            from cohort.tilt_score t join cohort.metric m on m.id = t.metric_id
                           where t.experiment_id = s.experiment_id and m.environment = i.environment and m.key = s.evidence ->> 'metric'
                             and t.metric_version = (s.evidence ->> 'metric_version')::int),
               'ran_seconds', extract(epoch from s.at - i.started_at),
               'silent_seconds', case when s.kind = 'no_outcomes' then extract(epoch from s.at - (s.evidence #>> '{inputs,since}')::timestamptz) end,
               'metric_kept', not exists (select from cohort.metric m join cohort.metric_version v on v.metric_id = m.id and v.at > s.at
                            where m.environment = i.environment and (k.metric is null or m.key = k.metric)
                              and exists (select from cohort.iteration_metric t where t.experiment_id = s.experiment_id and t.metric = m.key))
                        and (k.metric is null or exists (select from cohort.tracked_metric t join cohort.metric m on m.id = t.metric_id
                            where t.experiment_id = s.experiment_id and m.key = k.metric)),
               'unbatched', (select count(*) from cohort.exposure x where x.experiment_id = s.experiment_id
                                and not exists (select from cohort.ingest_batch b where b.batch_id = x.batch_id)),
               'replaced', (select count(*) from cohort.exposure_replaced x where x.experiment_id = s.experiment_id),
               'stretches', case when s.kind = 'volume_drift' then cohort.judged_stretches($1, $2) end,
               'silence', case when s.kind = 'no_outcomes' then cohort.judged_silence($1, $2) end,
               'odds_astray', (select count(*) from cohort.exposure x
                                 join cohort.phase p on p.id = x.phase_id and p.model_id is not null
                                cross join lateral (select d.eligible from cohort.decision d
                                    where d.unit_id = x.unit_id and d.decision_id = x.decision_id and d.phase_id = x.phase_id
                                      and d.variant_id = x.variant_id and d.eligible is not null limit 1) d
                                where x.experiment_id = s.experiment_id and x.segments -> '$odds' <> cohort.odds_of(e.id, x.variant_id, d.eligible)),
               'overrides', (select count(*) from cohort.exposure x where x.experiment_id = s.experiment_id and x.propensity is null),
               'dropped_days', (select count(*) from cohort.partition_dropped p where p.parent = 'outcome'
                                   and p.day >= (i.started_at at time zone 'UTC')::date and p.day <= (s.at at time zone 'UTC')::date),
               'phases', (select jsonb_agg(jsonb_build_object('id', p.id, 'number', p.number, 'salt', encode(p.salt, 'hex'), 'model', p.model_id is not null,
                                   'traffic_slots', cohort.slots_json(p.traffic_slots),
                                   'variants', (select jsonb_agg(jsonb_build_object('id', v.id, 'key', v.key, 'share_ppm', pv.share_ppm,
                                                           'slots', cohort.slots_json(pv.slots)) order by v.id)
                                                  from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id
                                                 where pv.phase_id = p.id)) order by p.number)
                            from cohort.phase p where p.experiment_id = s.experiment_id and p.opened_at <= s.at))
      from cohort.judged($1, $2) s
      join cohort.experiment_iteration i on i.experiment_id = s.experiment_id
      join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
      left join cohort.layer l on l.environment = i.environment and l.key = i.layer
      left join cohort.layer_slots ls on ls.environment = i.environment and ls.experiment = i.experiment and e.id = i.experiment_id
     cross join lateral (select coalesce(i.definition, cohort.get_experiment(e.key)) as doc) d
     cross join lateral (select case when s.kind = 'srm' then s.evidence #>> '{inputs,matured_by}' else s.evidence ->> 'metric' end as metric) k
$$;
comment on function cohort.stop_facts(bigint, boolean) is
    'What a stop (or, when verdict is true, a row of verdict_event) is verified from, besides the units: evidence, salts, slots and shares of each phase, the rule, registered scores, and how many units have other odds than their decision in the log says';
