-- The plan document: every definition of an environment as the servers compile them. One statement, so one
-- snapshot; aggregates joined by hash, so it stays quick with thousands of experiments.

-- A multirange's text, {[0,500000),[700000,800000)}, is JSON but for its brackets.
create or replace function cohort.slots_json(slots int4multirange) returns jsonb
    language sql immutable strict parallel safe
    as $$ select translate(slots::text, '{})', '[]]')::jsonb $$;
comment on function cohort.slots_json(int4multirange) is 'Slots as half-open ranges: [[0, 500000]]';

create or replace function cohort.plan_versions() returns table(version bigint, stop_version bigint)
    language plpgsql stable as $$
begin
    return query select c.version, (select coalesce(max(s.id), 0)::bigint from cohort.stop_event s) from cohort.config_version c;
end $$;
comment on function cohort.plan_versions() is 'What a server polls: the version of the definitions and the number of the last stop';

create or replace function cohort.plan_document() returns jsonb
    language plpgsql stable as $$
declare
    env text := cohort.current_environment();
begin
    return (
    with phase_json as (
        select p.experiment, jsonb_agg(jsonb_build_object('id', p.id, 'number', p.number, 'salt', encode(p.salt, 'hex'),
                   'traffic_slots', cohort.slots_json(p.traffic_slots), 'variants', s.variants) order by p.number) as phases
          from cohort.phase p
          join (select pv.phase_id, jsonb_agg(jsonb_build_object('variant', v.key, 'share_ppm', pv.share_ppm,
                           'slots', cohort.slots_json(pv.slots)) order by v.position, v.id) as variants
                  from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id
                 where v.environment = env group by pv.phase_id) s on s.phase_id = p.id
         where p.environment = env group by p.experiment
    ), variant_json as (
        select v.experiment, jsonb_agg(jsonb_build_object('id', v.id, 'key', v.key)
                   || case when v.value is null then '{}' else jsonb_build_object('value', v.value) end
                   order by v.position, v.id) as variants,
               (array_agg(jsonb_typeof(v.value) order by v.position, v.id) filter (where v.value is not null))[1] as type
          from cohort.variant v where v.environment = env group by v.experiment
    ), experiment_json as (
        select jsonb_agg(jsonb_build_object('id', e.id, 'key', e.key,
                   'status', case when e.origin = 'imported' then 'stopped' else e.status end,
                   'guard_stopped', s.experiment_id is not null, 'unit_type', e.unit_type, 'exposure', e.exposure,
                   'salt', encode(e.salt, 'hex'), 'condition', e.condition,
                   'variants', coalesce(v.variants, '[]'), 'phases', coalesce(p.phases, '[]')) order by e.id) as list
          from cohort.experiment e
          left join variant_json v on v.experiment = e.key
          left join phase_json p on p.experiment = e.key
          left join (select distinct x.experiment_id, x.iteration from cohort.stop_event x) s
                 on s.experiment_id = e.id and s.iteration = e.iteration
         where e.environment = env
    ), rule_json as (
        select r.flag, (array_agg(v.type order by r.position, r.id) filter (where v.type is not null))[1] as type,
               jsonb_agg(case r.kind
                   when 'experiment' then jsonb_build_object('kind', r.kind, 'experiment', r.experiment, 'condition', r.condition)
                   when 'force' then jsonb_build_object('kind', r.kind, 'condition', r.condition, 'value', r.value)
                   else jsonb_build_object('kind', r.kind, 'condition', r.condition, 'value', r.value, 'share_ppm', r.share_ppm,
                                           'salt', encode(r.salt, 'hex'), 'unit_type', r.unit_type) end
                   order by r.position, r.id) filter (where e.origin is distinct from 'imported') as rules
          from cohort.flag_rule r
          left join cohort.experiment e on e.environment = r.environment and e.key = r.experiment
          left join variant_json v on v.experiment = r.experiment
         where r.environment = env group by r.flag
    ), flag_json as (
        -- A flag without a type has only drafts behind it: their values tell it in advance.
        select jsonb_agg(jsonb_build_object('id', f.id, 'key', f.key, 'type', coalesce(f.type, r.type, 'string'),
                   'archived', f.archived_at is not null, 'rules', coalesce(r.rules, '[]'))
                   || case when f.default_value is null then '{}' else jsonb_build_object('default', f.default_value) end
                   order by f.key) as list
          from cohort.flag f left join rule_json r on r.flag = f.key where f.environment = env
    )
    select jsonb_build_object('format', 1, 'environment', env, 'version', c.version,
               'stop_version', (select coalesce(max(x.id), 0) from cohort.stop_event x),
               'unit_key', encode(s.unit_key, 'hex'), 'hash_key', encode(s.hash_key, 'hex'),
               'api_keys', (select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'role', k.role, 'hash', encode(k.hash, 'hex'))
                                                      order by k.id), '[]')
                              from cohort.api_key k where k.environment = env and k.revoked_at is null),
               'events', (select coalesce(jsonb_agg(distinct m.event), '[]') from cohort.metric m where m.environment = env),
               'flags', coalesce(flag_json.list, '[]'), 'experiments', coalesce(experiment_json.list, '[]'))
      from cohort.config_version c, cohort.secret s, flag_json, experiment_json
     where s.environment = env);
end $$;
comment on function cohort.plan_document() is
    'Every definition of the environment as servers compile them, secrets included: for servers only. Null in an environment nobody made';
revoke execute on function cohort.plan_document() from public;
