-- What the monitor reads about stop conditions: a row per condition, with all that its verdict needs in one document,
-- which the evidence then repeats.

-- The sums of an arm in a phase, in units of the value. matured: of the units whose window has closed.
create or replace function cohort.arm_json(s cohort.metric_stat, matured boolean) returns jsonb
    language sql stable
    as $$ select case when matured then jsonb_build_object('units', coalesce(s.matured_units, 0), 'events', coalesce(s.matured_event_units, 0),
                     'amounts', coalesce(s.matured_amounts, 0), 'sum', coalesce(s.matured_sum, 0) * 1e-6,
                     'sum_sq', coalesce(s.matured_sum_sq, 0) * 1e-12, 'sum_cu', coalesce(s.matured_sum_cu, 0) * 1e-18,
                     'den_sum', coalesce(s.matured_den_sum, 0) * 1e-6, 'den_sum_sq', coalesce(s.matured_den_sum_sq, 0) * 1e-12,
                     'cross_sum', coalesce(s.matured_cross_sum, 0) * 1e-12)
                 else jsonb_build_object('units', coalesce(s.units, 0), 'events', coalesce(s.event_units, 0),
                     'amounts', coalesce(s.amounts, 0), 'sum', coalesce(s.sum, 0) * 1e-6, 'sum_sq', coalesce(s.sum_sq, 0) * 1e-12,
                     'sum_cu', coalesce(s.sum_cu, 0) * 1e-18, 'den_sum', coalesce(s.den_sum, 0) * 1e-6,
                     'den_sum_sq', coalesce(s.den_sum_sq, 0) * 1e-12, 'cross_sum', coalesce(s.cross_sum, 0) * 1e-12) end $$;
comment on function cohort.arm_json(cohort.metric_stat, boolean) is 'An arm''s sums in a phase, in units of the value';

-- Dropped arms are left out: nobody is drawn into them any more, while their shares stand.
create or replace function cohort.srm_inputs(experiment_id int) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    e cohort.experiment;
    matured record;
begin
    select * into e from cohort.experiment x where x.id = $1;
    select m.id, m.key, m.version into matured
      from cohort.tracked_metric t
      join cohort.metric m on m.id = t.metric_id and m.version = t.metric_version and m.window_end_s is not null
      left join cohort.experiment_metric x on x.environment = e.environment and x.experiment = e.key and x.metric = m.key
     where t.experiment_id = $1 order by x.role = 'primary' desc nulls last, m.id limit 1;
    return (
        with v as (
            select x.id, x.key from cohort.variant x
             where x.environment = e.environment and x.experiment = e.key and x.dropped_at is null
        ), cell as (
            select p.number, v.id, coalesce(pv.share_ppm, 0) as share, coalesce(s.units, 0) as units, coalesce(m.matured_units, 0) as matured
              from cohort.phase p cross join v
              left join cohort.phase_variant pv on pv.phase_id = p.id and pv.variant_id = v.id
              left join cohort.exposure_stat s on s.experiment_id = $1 and s.phase_id = p.id and s.variant_id = v.id
              left join cohort.metric_stat m on m.experiment_id = $1 and m.metric_id = matured.id and m.metric_version = matured.version
                   and m.phase_id = p.id and m.variant_id = v.id and m.segment = 0
             where p.experiment_id = $1 and p.model_id is null -- a model gives arms to different people: no shares to hold them to
        )
        select jsonb_build_object('variants', (select jsonb_agg(v.key order by v.id) from v), 'matured_by', matured.key,
                   'phases', coalesce((select jsonb_agg(c.doc order by c.number) from (
                       select x.number, jsonb_build_object('phase', x.number, 'shares_ppm', jsonb_agg(x.share order by x.id),
                                  'units', jsonb_agg(x.units order by x.id), 'matured_units', jsonb_agg(x.matured order by x.id)) as doc
                         from cell x group by x.number) c), '[]')));
end $$;
comment on function cohort.srm_inputs(int) is
    'Units by phase and variant, those exposed and those whose window has closed (for the first metric with a window''s end), with the shares that drew them';

create or replace function cohort.effect_inputs(e cohort.experiment, m cohort.metric) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
begin
    return (
        with c as (select (cohort.control_of(e)).id as id, (cohort.control_of(e)).key as key)
        select jsonb_build_object('metric_kind', m.kind, 'direction_good', m.direction_good, 'matured', m.window_end_s is not null,
                   'smallest_effect', x.smallest_effect, 'smallest_relative', x.smallest_relative,
                   'planned_units', coalesce(e.planned_units, 10000 * (select count(*) from cohort.variant v where v.environment = e.environment and v.experiment = e.key)), 'control', c.key,
                   'arms', (select count(*) from cohort.variant v where v.environment = e.environment and v.experiment = e.key),
                   'treatments', (select coalesce(jsonb_agg(jsonb_build_object('treatment_id', t.id, 'treatment', t.key, 'phases',
                       (select coalesce(jsonb_agg(jsonb_build_object('phase', p.number, 'treatment_share_ppm', tv.share_ppm,
                                   'control_share_ppm', cv.share_ppm, 'treatment', cohort.arm_json(ts, m.window_end_s is not null),
                                   'control', cohort.arm_json(cs, m.window_end_s is not null)) order by p.number), '[]')
                          from cohort.phase p
                          join cohort.phase_variant tv on tv.phase_id = p.id and tv.variant_id = t.id and tv.share_ppm > 0
                          join cohort.phase_variant cv on cv.phase_id = p.id and cv.variant_id = c.id and cv.share_ppm > 0
                          left join cohort.metric_stat ts on ts.experiment_id = e.id and ts.metric_id = m.id
                               and ts.metric_version = m.version and ts.phase_id = p.id and ts.variant_id = t.id and ts.segment = 0
                          left join cohort.metric_stat cs on cs.experiment_id = e.id and cs.metric_id = m.id
                               and cs.metric_version = m.version and cs.phase_id = p.id and cs.variant_id = c.id and cs.segment = 0
                         where p.experiment_id = e.id and p.model_id is null)) order by t.id), '[]')
                       from cohort.variant t
                      where t.environment = e.environment and t.experiment = e.key and t.id <> c.id and t.dropped_at is null))
          from c left join cohort.experiment_metric x
            on x.environment = e.environment and x.experiment = e.key and x.metric = m.key);
end $$;
comment on function cohort.effect_inputs(cohort.experiment, cohort.metric) is
    'What success and futility are judged on: each treatment against control, phase by phase';

-- Events of the condition's metric, or of all metrics of the experiment. First events of units, and values: those
-- make a count grow.
create or replace function cohort.counted_events(e cohort.experiment, metric text) returns numeric
    language sql stable set search_path = cohort, pg_temp
    as $$ select coalesce(sum(s.event_units + abs(s.sum) + s.sum_sq), 0)
            from cohort.tracked_metric t
            join cohort.metric m on m.id = t.metric_id
            join cohort.metric_stat s on s.experiment_id = t.experiment_id and s.metric_id = t.metric_id
             and s.metric_version = t.metric_version and s.segment = 0
           where t.experiment_id = e.id and ($2 is null or m.key = $2) $$;
comment on function cohort.counted_events(cohort.experiment, text) is
    'A number that changes with every outcome that counts for the metric (null: any of the experiment''s); for a binary metric, with every unit''s first';

create or replace function cohort.counted_units(e cohort.experiment, metric text) returns bigint
    language sql stable set search_path = cohort, pg_temp
    as $$ select case when $2 is null
                 then (select coalesce(sum(s.units), 0)::bigint from cohort.exposure_stat s where s.experiment_id = e.id)
                 else (select coalesce(sum(s.event_units), 0)::bigint
                         from cohort.tracked_metric t
                         join cohort.metric m on m.id = t.metric_id and m.key = $2 and m.environment = e.environment
                         join cohort.metric_stat s on s.experiment_id = t.experiment_id and s.metric_id = t.metric_id
                          and s.metric_version = t.metric_version and s.segment = 0
                        where t.experiment_id = e.id) end $$;
comment on function cohort.counted_units(cohort.experiment, text) is
    'Units that had an event of the metric; null: exposed units';

-- A clock that went back leaves times that are still to come: they say nothing yet.
create or replace function cohort.traffic_changed(e cohort.experiment) returns timestamptz
    language sql stable set search_path = cohort, pg_temp
    as $$ select max(c.at) from (select h.at from cohort.status_change h where h.experiment_id = e.id
                                 union all select e.started_at
                                 union all select p.at from cohort.pause_event p where p.experiment_id = e.id
                                 union all select p.resolved_at from cohort.pause_event p where p.experiment_id = e.id) c
           where c.at <= clock_timestamp() $$;
comment on function cohort.traffic_changed(cohort.experiment) is
    'When its traffic was last changed by people, a ramp or a guardrail';

-- The condition's clocks, kept in condition_state. A new leader begins to watch anew: what it did not see it does not
-- call silence. Nothing is judged while batches wait to be counted.
create or replace function cohort.watch_conditions(epoch bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
    led timestamptz;
    c record;
    n numeric;
    width interval;
    changed timestamptz;
begin
    perform cohort.assert_epoch(epoch);
    if not exists (select from cohort.stop_condition s join cohort.experiment x on x.environment = s.environment and x.key = s.experiment
                    where s.kind in ('no_outcomes', 'volume_drift') and x.status in ('running', 'paused'))
       or exists (select from cohort.ingest_batch b where b.applied_at is null) then
        return;
    end if;
    select max(l.at) into led from cohort.leader_change l where l.at <= moment;
    for c in select s.id, s.kind, s.metric, s.minutes, x as e, coalesce(m.version, 0) as version, t.counted, t.changed_at, t.interval_at, t.condition_id as known
               from cohort.stop_condition s
               join cohort.experiment x on x.environment = s.environment and x.key = s.experiment and x.status in ('running', 'paused')
               left join cohort.metric m on m.environment = s.environment and m.key = s.metric
               left join cohort.condition_state t on t.condition_id = s.id and t.iteration = x.iteration and t.metric_version = coalesce(m.version, 0)
              where s.kind in ('no_outcomes', 'volume_drift')
                and not exists (select from cohort.stop_event h where h.experiment_id = x.id and h.iteration = x.iteration)
              order by s.id loop
        if c.kind = 'no_outcomes' then
            n := cohort.counted_events(c.e, c.metric);
            -- A clock that went back must not make silence last for ever.
            if c.known is null or c.counted is distinct from n or c.changed_at is null or c.changed_at < led or c.changed_at > moment then
                insert into cohort.condition_state as t (condition_id, iteration, metric_version, counted, changed_at, as_of)
                values (c.id, (c.e).iteration, c.version, n, moment, moment)
                on conflict (condition_id, iteration, metric_version) do update
                   set counted = excluded.counted, changed_at = excluded.changed_at, as_of = excluded.as_of;
            end if;
            continue;
        end if;
        width := make_interval(mins => coalesce(c.minutes, 60));
        changed := greatest(led, cohort.traffic_changed(c.e));
        if c.known is not null and c.interval_at >= changed and c.interval_at <= moment and moment < c.interval_at + width then
            continue;
        end if;
        n := cohort.counted_units(c.e, c.metric);
        if c.known is not null and c.interval_at >= changed and moment >= c.interval_at + width
           and moment < c.interval_at + width + greatest(width * 0.1, interval '10 seconds') then
            insert into cohort.volume_interval (condition_id, iteration, metric_version, started_at, ended_at, counted)
            values (c.id, (c.e).iteration, c.version, c.interval_at, moment, greatest(0, n - coalesce(c.counted, 0))) on conflict do nothing;
        end if;
        insert into cohort.condition_state as t (condition_id, iteration, metric_version, counted, interval_at, as_of)
        values (c.id, (c.e).iteration, c.version, n, moment, moment)
        on conflict (condition_id, iteration, metric_version) do update
           set counted = excluded.counted, interval_at = excluded.interval_at, as_of = excluded.as_of;
    end loop;
end $$;
comment on function cohort.watch_conditions(bigint) is
    'Keeps the clocks of no_outcomes and the stretches of volume_drift; called by the leader before it judges';

-- Stretches since the traffic was last changed by hand, by a ramp or by a pause: a change that was meant is no drift.
create or replace function cohort.volume_inputs(s cohort.stop_condition, e cohort.experiment, version int) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    changed timestamptz := cohort.traffic_changed(e);
begin
    return (select jsonb_build_object('minutes', coalesce(s.minutes, 60), 'ratio', s.ratio, 'of', coalesce(s.metric, 'exposures'),
                       'intervals', coalesce(jsonb_agg(v.counted order by v.started_at), '[]'),
                       'from', cohort.rfc3339(min(v.started_at)), 'to', cohort.rfc3339(max(v.ended_at)))
              from (select * from cohort.volume_interval x
                     where x.condition_id = s.id and x.iteration = e.iteration and x.metric_version = version and x.started_at >= changed
                     order by x.started_at limit 5000) v);
end $$;
comment on function cohort.volume_inputs(cohort.stop_condition, cohort.experiment, int) is
    'What came in in each stretch since the traffic was last changed on purpose';

create or replace function cohort.silence_inputs(s cohort.stop_condition, e cohort.experiment, t cohort.condition_state) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp as $$
begin
    return jsonb_build_object('minutes', s.minutes, 'of', s.metric, 'ever', coalesce(t.counted > 0, false), 'since', cohort.rfc3339(t.changed_at),
        'reached', coalesce(clock_timestamp() >= t.changed_at + make_interval(mins => s.minutes), false)
                   and not exists (select from cohort.ingest_batch b where b.applied_at is null));
end $$;
comment on function cohort.silence_inputs(cohort.stop_condition, cohort.experiment, cohort.condition_state) is
    'Since when no outcome was counted';

drop function if exists cohort.condition_rows();
create function cohort.condition_rows()
    returns table (condition_id int, experiment_id int, experiment text, environment text, iteration int, salt text, kind text,
                   action text, metric text, metric_version int, alpha numeric, weight numeric, can_roll_back boolean, seen text, inputs jsonb)
    language plpgsql stable set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
begin
    return query
    select s.id, e.id, e.key, e.environment, e.iteration, encode(e.salt, 'hex'), s.kind, s.action, s.metric, coalesce(m.version, 0),
           case s.kind when 'srm' then 0.01 when 'success' then e.success_alpha when 'futility' then e.success_alpha else e.alert_alpha end,
           s.weight / sum(s.weight) over (partition by e.id, s.kind, s.action),
           case when s.action = 'roll_back' then cohort.roll_back_ppm(e.id) is not null else false end, t.seen,
           case s.kind when 'srm' then cohort.srm_inputs(e.id)
                       when 'success' then cohort.effect_inputs(e, m) when 'futility' then cohort.effect_inputs(e, m)
                       when 'max_duration' then jsonb_build_object('seconds', s.seconds, 'started_at', cohort.rfc3339(e.started_at),
                            'reached', coalesce(clock_timestamp() >= e.started_at + s.seconds * interval '1 second', false))
                       when 'max_units' then (select jsonb_build_object('limit', s.units, 'units', u.n, 'reached', coalesce(u.n >= s.units, false))
                            from (select cohort.counted_units(e, null) as n) u)
                       when 'no_outcomes' then cohort.silence_inputs(s, e, t)
                       else cohort.volume_inputs(s, e, coalesce(m.version, 0)) end
      from cohort.stop_condition s
      join cohort.experiment e on e.environment = s.environment and e.key = s.experiment and e.status in ('running', 'paused')
      left join cohort.metric m on m.environment = s.environment and m.key = s.metric
      left join cohort.condition_state t on t.condition_id = s.id and t.iteration = e.iteration and t.metric_version = coalesce(m.version, 0)
     where not exists (select from cohort.stop_event h where h.experiment_id = e.id and h.iteration = e.iteration)
       and (m.id is not null or s.kind not in ('success', 'futility'))
     order by e.id, s.id;
end $$;
comment on function cohort.condition_rows() is
    'Every stop condition of the running and paused experiments that nothing has stopped, with what it is judged on';

create or replace function cohort.record_condition(epoch bigint, condition_id int, iteration int, metric_version int,
        ln_e double precision, threshold double precision, seen text, detail jsonb) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    perform cohort.assert_epoch($1);
    insert into cohort.condition_state as s (condition_id, iteration, metric_version, ln_e, max_ln_e, threshold, as_of, seen, detail)
    values ($2, $3, $4, $5, $5, $6, coalesce((select l.as_of from cohort.leader_state l), clock_timestamp()), $7, $8)
    on conflict on constraint condition_state_once do update
       set ln_e = excluded.ln_e, max_ln_e = greatest(s.max_ln_e, excluded.ln_e), threshold = excluded.threshold,
           as_of = excluded.as_of, seen = excluded.seen, detail = excluded.detail;
end $$;
comment on function cohort.record_condition(bigint, int, int, int, double precision, double precision, text, jsonb) is
    'Writes where a stop condition stands; keeps the largest ln E';
