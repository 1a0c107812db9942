-- The plan documents: every definition of an environment as the servers compile them. One snapshot, whatever is
-- written meanwhile; aggregates joined by hash, so it stays quick with thousands of experiments.

-- A multirange's text, {[0,500000),[700000,800000)}, is JSON but for its brackets.
create or replace function cohort.slots_json(slots int4multirange) returns jsonb
    language sql immutable strict parallel safe
    as $$ select translate(slots::text, '{})', '[]]')::jsonb $$;
comment on function cohort.slots_json(int4multirange) is 'Slots as half-open ranges: [[0, 500000]]';

create or replace function cohort.micros(at timestamptz) returns bigint
    language sql immutable strict parallel safe
    as $$ select case when isfinite(at) then (extract(epoch from at) * 1000000)::bigint end $$;
comment on function cohort.micros(timestamptz) is 'A time as servers count it: microseconds since 1970';

drop function if exists cohort.plan_versions();
create or replace function cohort.plan_versions()
    returns table(version bigint, stop_version bigint, incarnation uuid, heartbeat timestamptz)
    language plpgsql stable as $$
begin
    return query select c.version, (select coalesce(max(s.id), 0)::bigint from cohort.stop_event s)
                        + (select coalesce(max(p.id), 0)::bigint from cohort.pause_event p), c.incarnation,
                        (select l.heartbeat from cohort.leader_state l)
                   from cohort.config_version c;
end $$;
comment on function cohort.plan_versions() is 'What a server polls: the version of the definitions, a number that each stop and pause of a guardrail raises, which database this is, and when the monitor was last at work';

-- Of a bandit's time phases, those that an epoch under way can have begun in; earlier ones draw nobody any more. A
-- token keeps what was drawn in an epoch for another one.
create or replace function cohort.plan_time_phases(environment text, every boolean) returns table(phase_id int, first_id int)
    language sql stable rows 1000 as $$
    select t.id, t.first_id
      from (select p.id, first_value(p.id) over w as first_id, lead(p.starts_at) over w as ends_at, coalesce(b.stick_s, 0) * case when e.sticky then 2 else 1 end as stick_s
              from cohort.phase p
              join cohort.experiment e on e.id = p.experiment_id
              join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
             where p.environment = $1 and p.kind = 'time' window w as (partition by p.experiment_id order by p.number)) t
     where every or t.ends_at is null or t.ends_at > now() - make_interval(secs => t.stick_s + 3600) $$;
comment on function cohort.plan_time_phases(text, boolean) is
    'Part of the plan: the time phases that are still needed, or every one, each with the first of its experiment, which keeps the closed slots';

-- The phases of each experiment's current iteration.
drop function if exists cohort.plan_phases(text);
create or replace function cohort.plan_phases(environment text, every boolean) returns table(experiment text, phases jsonb)
    language sql stable rows 1000 as $$
    select p.experiment, jsonb_agg(jsonb_build_object('id', p.id, 'number', p.number, 'salt', encode(p.salt, 'hex'),
               'traffic_slots', cohort.slots_json(p.traffic_slots), 'variants', s.variants)
               || case when isempty(c.slots) is false then jsonb_build_object('closed', cohort.slots_json(c.slots)) else '{}' end
               || case p.kind when 'time' then jsonb_strip_nulls(jsonb_build_object('kind', p.kind, 'from_us', cohort.micros(p.starts_at),
                                                                                    'model', p.model_id)) else '{}' end
               order by p.number)
      from cohort.phase p
      left join cohort.plan_time_phases($1, $2) t on t.phase_id = p.id
      join cohort.experiment e on e.id = p.experiment_id
      join (select pv.phase_id, jsonb_agg(jsonb_build_object('variant', v.key, 'share_ppm', pv.share_ppm,
                       'slots', cohort.slots_json(pv.slots)) order by v.position, v.id) as variants
              from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id
             where v.environment = $1 group by pv.phase_id) s on s.phase_id = p.id
      left join cohort.phase_closed c on c.phase_id = coalesce(t.first_id, p.id)
     where p.environment = $1 and (p.kind = 'traffic' or t.phase_id is not null) group by p.experiment $$;
comment on function cohort.plan_phases(text, boolean) is 'Part of the plan: the phases of each experiment, closed slots too; every: time phases that are over as well';

create or replace function cohort.plan_variants(environment text) returns table(experiment text, variants jsonb, type text)
    language sql stable rows 1000 as $$
    select v.experiment, jsonb_agg(jsonb_build_object('id', v.id, 'key', v.key)
               || case when v.value is null then '{}' else jsonb_build_object('value', v.value) end
               || case when v.gives is null then '{}' else jsonb_build_object('gives', v.gives) end
               || case when v.is_control then '{"control": true}'::jsonb else '{}' end
               || case when v.dropped_at is null then '{}' else '{"dropped": true}'::jsonb end order by v.position, v.id),
           (array_agg(jsonb_typeof(v.value) order by v.position, v.id) filter (where v.value is not null))[1]
      from cohort.variant v where v.environment = $1 group by v.experiment $$;
comment on function cohort.plan_variants(text) is 'Part of the plan: the variants of each experiment, and the type of their values';

-- What stands beside an experiment: prerequisites, overrides, holdouts.
create or replace function cohort.plan_links(environment text)
    returns table(experiment text, prerequisites jsonb, overrides jsonb, holdouts jsonb)
    language sql stable rows 1000 as $$
    select l.experiment, jsonb_agg(l.prerequisite order by l.place) filter (where l.prerequisite is not null),
           jsonb_agg(l.override order by l.place) filter (where l.override is not null),
           jsonb_agg(l.holdout order by l.place) filter (where l.holdout is not null)
      from (select p.experiment, 0 as place, jsonb_build_object('experiment', p.requires, 'variants', p.variants) as prerequisite,
                   null::jsonb as override, null::int as holdout
              from cohort.prerequisite p where p.environment = $1
            union all
            -- A unit's own override goes before a segment's.
            select o.experiment, case when o.unit_id is null then o.id else -1 end, null,
                   case when o.unit_id is null then jsonb_build_object('segment', o.segment, 'variant', o.variant)
                        else jsonb_build_object('unit', o.unit_id, 'variant', o.variant) end
                   || case when o.expires_at is null then '{}' else jsonb_build_object('expires_at_us', cohort.micros(o.expires_at)) end, null
              from cohort.override o where o.environment = $1 and (o.expires_at is null or o.expires_at > now())
            union all
            select c.experiment, c.place, null, null, c.holdout_id from cohort.holdout_covers c where c.environment = $1) l
     group by l.experiment $$;
comment on function cohort.plan_links(text) is 'Part of the plan: each experiment''s prerequisites, overrides that have not expired, and holdouts in the order they are asked';

-- How a bandit assigns, and what a contextual one decides with: the models of the phases that are sent.
create or replace function cohort.plan_bandits(environment text, every boolean) returns table(experiment text, learns jsonb)
    language sql stable rows 100 as $$
    select e.key, jsonb_build_object('bandit', jsonb_build_object('assign', b.assign, 'stick_us',
                      case b.assign when 'unit' then coalesce(b.stick_s, r.window_end_s, 0) * 1000000::bigint else 0 end))
               || case when c.experiment is null then '{}' else jsonb_build_object('contextual', jsonb_build_object(
                      'features', c.features, 'safe', coalesce(c.safe_variant, (cohort.control_of(e)).key),
                      'threshold_ppm', c.threshold_ppm, 'models', coalesce(m.models, '[]'))) end
      from cohort.experiment e
      join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
      join cohort.metric r on r.environment = b.environment and r.key = b.reward
      left join cohort.contextual c on c.environment = e.environment and c.experiment = e.key and e.kind = 'contextual'
      left join (select x.experiment_id, jsonb_agg(x.document || jsonb_build_object('id', x.id, 'version', x.version,
                            'floor_ppm', y.floor_ppm) order by x.version) as models
                   from cohort.model x
                   join cohort.bandit y on y.environment = x.environment and y.experiment = x.experiment
                  where x.environment = $1 and x.id in (select p.model_id from cohort.phase p join cohort.plan_time_phases($1, $2) t on t.phase_id = p.id)
                  group by x.experiment_id) m on m.experiment_id = e.id
     where e.environment = $1 and e.kind in ('bandit', 'contextual') $$;
comment on function cohort.plan_bandits(text, boolean) is 'Part of the plan: the fields bandit and contextual of each experiment that has them';

create or replace function cohort.plan_experiments(environment text) returns jsonb
    language sql stable as $$
    select jsonb_agg(jsonb_build_object('id', e.id, 'key', e.key, 'kind', e.kind,
               'status', case when e.origin = 'imported' and e.status <> 'archived' then 'stopped' else e.status end,
               'guard_stopped', s.experiment_id is not null, 'paused', e.status = 'paused' or q.experiment_id is not null, 'unit_type', e.unit_type,
               'exposure', e.exposure, 'segments', to_jsonb(e.segments), 'sticky', e.sticky, 'salt', encode(e.salt, 'hex'),
               -- An archived experiment serves nobody, and the segments it named may be gone.
               'condition', case when e.status = 'archived' then '{}' else e.condition end,
               'starts_at_us', cohort.micros(e.starts_at), 'ends_at_us', cohort.micros(e.ends_at),
               'variants', coalesce(v.variants, '[]'), 'phases', coalesce(p.phases, '[]'),
               'prerequisites', coalesce(l.prerequisites, '[]'), 'overrides', coalesce(l.overrides, '[]'),
               'holdouts', coalesce(l.holdouts, '[]'))
               || coalesce(n.learns, '{}')
               || case when w.experiment is null or e.guard_max_blind_s is null then '{}'
                       else jsonb_build_object('guard_max_blind_us', e.guard_max_blind_s * 1000000::bigint) end
               || case when e.layer is null then '{}'
                       else jsonb_build_object('layer', e.layer, 'layer_slots', coalesce(cohort.slots_json(y.slots), '[]')) end
               || case when e.status <> 'shipped' then '{}'
                       else jsonb_build_object('shipped', jsonb_build_object('variant', e.shipped_variant,
                                'holdback_ppm', e.shipped_holdback_ppm, 'salt', encode(e.ship_salt, 'hex'))) end
               || case when h.scope is null then '{}'
                       else jsonb_build_object('holdout', jsonb_build_object('scope', h.scope, 'scope_key', h.scope_key,
                                'starts_at_us', cohort.micros(e.starts_at), 'ends_at_us', cohort.micros(e.ends_at))) end
               order by e.id)
      from cohort.experiment e
      left join cohort.plan_variants($1) v on v.experiment = e.key
      left join cohort.plan_phases($1, false) p on p.experiment = e.key
      left join cohort.plan_links($1) l on l.experiment = e.key
      left join cohort.plan_bandits($1, false) n on n.experiment = e.key
      left join (select distinct g.experiment from cohort.guardrail g where g.environment = $1 and g.action in ('stop', 'pause')) w
             on w.experiment = e.key
      left join cohort.layer_slots y on y.environment = e.environment and y.experiment = e.key
      left join cohort.holdout h on h.environment = e.environment and h.experiment = e.key
      left join (select distinct x.experiment_id, x.iteration from cohort.stop_event x) s
             on s.experiment_id = e.id and s.iteration = e.iteration
      left join cohort.pause_event q on q.experiment_id = e.id and q.iteration = e.iteration and q.resolved_at is null
     where e.environment = $1 $$;
comment on function cohort.plan_experiments(text) is 'Part of the plan: the experiments and holdouts of an environment';

-- Of past iterations too: a standby that lags behind may still run one.
create or replace function cohort.plan_stops()
    returns table(environment text, experiment text, salt bytea, at timestamptz, sentence text)
    language sql stable as $$
    select r.environment, r.experiment, r.salt, s.at, s.sentence
      from cohort.stop_event s
      join (select i.experiment_id, i.iteration, i.environment, i.experiment, i.salt from cohort.experiment_iteration i
            union
            select e.id, e.iteration, e.environment, e.key, e.salt from cohort.experiment e) r
        on r.experiment_id = s.experiment_id and r.iteration = s.iteration
     order by s.id $$;
comment on function cohort.plan_stops() is
    'Every stop with the salt of the iteration it ended, by which servers remember it whatever becomes of the database';

create or replace function cohort.plan_flags(environment text) returns jsonb
    language sql stable as $$
    with rule_json as (
        select r.flag, (array_agg(v.type order by r.position, r.id) filter (where v.type is not null))[1] as type,
               jsonb_agg(case r.kind
                   when 'experiment' then jsonb_build_object('kind', r.kind, 'experiment', r.experiment, 'condition', r.condition)
                   when 'force' then jsonb_build_object('kind', r.kind, 'condition', r.condition, 'value', r.value)
                   else jsonb_build_object('kind', r.kind, 'condition', r.condition, 'value', r.value, 'share_ppm', r.share_ppm,
                                           'salt', encode(r.salt, 'hex'), 'unit_type', r.unit_type) end
                   order by r.position, r.id) filter (where e.origin is distinct from 'imported') as rules
          from cohort.flag_rule r
          left join cohort.experiment e on e.environment = r.environment and e.key = r.experiment
          left join cohort.plan_variants($1) v on v.experiment = r.experiment
         where r.environment = $1 group by r.flag
    )
    -- A flag without a type has only drafts behind it: their values tell it in advance.
    select jsonb_agg(jsonb_build_object('id', f.id, 'key', f.key, 'type', coalesce(f.type, r.type, 'string'),
               'archived', f.archived_at is not null, 'rules', coalesce(r.rules, '[]'))
               || case when f.default_value is null then '{}' else jsonb_build_object('default', f.default_value) end
               order by f.key)
      from cohort.flag f left join rule_json r on r.flag = f.key where f.environment = $1 $$;
comment on function cohort.plan_flags(text) is 'Part of the plan: the flags of an environment and their rules';

-- Only what some metric asks about is kept of an event's attributes.
create or replace function cohort.plan_attributes(environment text) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_object_agg(x.event, x.names order by x.event), '{}')
      from (select n.event, jsonb_agg(distinct a.name) as names
              from cohort.metric m, lateral (values (m.event, m.condition), (m.denominator_event, m.denominator_condition)) n(event, condition),
                   lateral jsonb_object_keys(n.condition) a(name)
             where m.environment = $1 group by n.event) x $$;
comment on function cohort.plan_attributes(text) is
    'Part of the plan: of each event, the attributes that conditions of metrics name: {"refund": ["amount", "plan"]}';

-- Nested loops are off: without statistics of young tables they are what the planner would choose.
create or replace function cohort.plan_body(environment text) returns jsonb
    language sql stable set jit = off set enable_nestloop = off as $$
    select jsonb_build_object('environment', $1,
               'unit_key', encode(s.unit_key, 'hex'), 'hash_key', encode(s.hash_key, 'hex'),
               'api_keys', (select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'role', k.role, 'team', k.team, 'priority', k.priority, 'rate_limit', k.rate_limit, 'hash', encode(k.hash, 'hex'))
                                                      order by k.id), '[]')
                              from cohort.api_key k where k.environment = $1 and k.revoked_at is null),
               'events', (select coalesce(jsonb_agg(distinct n.event), '[]') from cohort.metric m, lateral unnest(array[m.event, m.denominator_event]) n(event)
                           where m.environment = $1 and n.event is not null),
               'event_attributes', cohort.plan_attributes($1),
               'layers', (select coalesce(jsonb_agg(jsonb_build_object('key', l.key, 'salt', encode(l.salt, 'hex')) order by l.key), '[]')
                            from cohort.layer l where l.environment = $1),
               'segments', (select coalesce(jsonb_agg(jsonb_build_object('key', g.key)
                                       || case when g.list is null then jsonb_build_object('condition', g.condition)
                                               else jsonb_build_object('list', g.list) end order by g.key), '[]')
                              from cohort.segment g where g.environment = $1),
               'flags', coalesce(cohort.plan_flags($1), '[]'), 'experiments', coalesce(cohort.plan_experiments($1), '[]'))
      from cohort.secret s where s.environment = $1 $$;
comment on function cohort.plan_body(text) is 'Every definition of one environment, secrets included. Null for one nobody made';

create or replace function cohort.plan_document() returns jsonb
    language sql stable set jit = off as $$
    select cohort.plan_body(cohort.current_environment())
           || jsonb_build_object('format', 1, 'version', v.version, 'stop_version', v.stop_version)
      from cohort.plan_versions() v $$;
comment on function cohort.plan_document() is
    'Every definition of the environment as servers compile them, secrets included: for servers only. Null in an environment nobody made';

create or replace function cohort.plan_documents() returns jsonb
    language sql stable set jit = off as $$
    select jsonb_build_object('format', 2, 'version', v.version, 'stop_version', v.stop_version,
               'environments', (select jsonb_agg(cohort.plan_body(e.key) order by e.key) from cohort.environment e))
      from cohort.plan_versions() v $$;
comment on function cohort.plan_documents() is
    'Every definition of every environment as servers compile them, secrets included: for servers only';
revoke execute on function cohort.plan_body(text), cohort.plan_document(), cohort.plan_documents() from public;
