-- What results say of a bandit beside its metrics: shares now and over time, and what each variant has brought.

create or replace function cohort.bandit_rewards(e cohort.experiment, b cohort.bandit, m cohort.metric)
    returns table(phase_id int, variant_id int, n bigint, sum numeric, sum_sq numeric)
    language plpgsql stable as $$
begin
    if b.assign = 'unit' then
        return query
        select s.phase_id, s.variant_id, s.matured_units,
               case m.kind when 'binary' then s.matured_event_units else s.matured_sum * 0.000001 end,
               case m.kind when 'binary' then s.matured_event_units else s.matured_sum_sq * 0.000000000001 end
          from cohort.metric_stat s
         where s.experiment_id = e.id and s.metric_id = m.id and s.metric_version = m.version and s.segment = 0;
    else
        return query
        select s.phase_id, s.variant_id, s.matured, case m.kind when 'binary' then s.events else s.sum * 0.000001 end,
               case m.kind when 'binary' then s.events else s.sum_sq * 0.000000000001 end
          from cohort.reward_stat s where s.experiment_id = e.id;
    end if;
end $$;
comment on function cohort.bandit_rewards(cohort.experiment, cohort.bandit, cohort.metric) is
    'The matured rewards of a bandit by phase and variant: units (assign unit) or decisions (assign decision), their sum and the sum of squares, in units of the metric';

create or replace function cohort.bandit_shares(key text, since timestamptz default null)
    returns table(phase int, starts_at timestamptz, ends_at timestamptz, variant text, share_ppm int, model int, rewards bigint, mean numeric)
    language plpgsql stable as $$
declare
    e cohort.experiment;
    b cohort.bandit;
    m cohort.metric;
begin
    select * into e from cohort.experiment x where x.environment = cohort.current_environment() and x.key = bandit_shares.key;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown(key)));
    end if;
    select * into b from cohort.bandit x where x.environment = e.environment and x.experiment = e.key;
    select * into m from cohort.metric x where x.environment = b.environment and x.key = b.reward;
    return query
    select p.number, coalesce(p.starts_at, p.opened_at), p.ends_at, v.key, pv.share_ppm, o.version, coalesce(r.n, 0)::bigint, r.sum / nullif(r.n, 0)
      from (select x.*, lead(x.starts_at) over (partition by x.kind order by x.number) as ends_at
              from cohort.phase x where x.experiment_id = e.id) p
      join cohort.phase_variant pv on pv.phase_id = p.id
      join cohort.variant v on v.id = pv.variant_id
      left join cohort.model o on o.id = p.model_id
      left join cohort.bandit_rewards(e, b, m) r on r.phase_id = p.id and r.variant_id = v.id
     where since is null or p.ends_at is null or p.ends_at > since
     order by p.number, v.position, v.id;
end $$;
comment on function cohort.bandit_shares(text, timestamptz) is
    'The shares of a bandit''s variants in each phase, and the matured rewards of what was drawn there. Phase 1 is the reserved slice and has no end. since: phases that had not ended by then';

create or replace function cohort.bandit_arms_json(e cohort.experiment, b cohort.bandit) returns jsonb
    language plpgsql stable as $$
declare
    m cohort.metric;
    now_in cohort.phase := cohort.last_phase(e.id);
begin
    select * into m from cohort.metric x where x.environment = b.environment and x.key = b.reward;
    return (select coalesce(jsonb_agg(jsonb_build_object('variant', v.key, 'share_ppm', coalesce(pv.share_ppm, 0), 'rewards', coalesce(r.n, 0),
                       'mean', (r.sum / nullif(r.n, 0))::float8) order by v.position, v.id), '[]')
              from cohort.variant v
              left join cohort.phase_variant pv on pv.phase_id = now_in.id and pv.variant_id = v.id
              left join (select x.variant_id, sum(x.n) as n, sum(x.sum) as sum from cohort.bandit_rewards(e, b, m) x group by x.variant_id) r
                     on r.variant_id = v.id
             where v.environment = e.environment and v.experiment = e.key and (v.share_ppm > 0 or r.n > 0));
end $$;
comment on function cohort.bandit_arms_json(cohort.experiment, cohort.bandit) is 'Part of results_json(): per variant its share now and its matured rewards';

create or replace function cohort.results_bandit_json(e cohort.experiment) returns jsonb
    language plpgsql stable as $$
declare
    b cohort.bandit;
    u cohort.bandit_update;
begin
    select * into b from cohort.bandit x where x.environment = e.environment and x.experiment = e.key;
    if b.experiment is null or not cohort.is_bandit(e) then
        return '{}';
    end if;
    select * into u from cohort.bandit_update x where x.experiment_id = e.id order by x.id desc limit 1;
    return jsonb_build_object('bandit', jsonb_build_object('reward', b.reward, 'assign', b.assign, 'every_s', b.every_s, 'uniform_ppm', b.uniform_ppm,
        'floor_ppm', b.floor_ppm, 'phase', (cohort.last_phase(e.id)).number, 'updated_at', cohort.rfc3339(u.at), 'update', u.sentence,
        'arms', cohort.bandit_arms_json(e, b), 'effects', cohort.reward_effects_json(e, b),
        -- Newest first, enough to draw them.
        'shares', (select coalesce(jsonb_agg(jsonb_build_object('phase', p.number, 'starts_at', cohort.rfc3339(p.starts_at), 'shares', p.shares) order by p.number desc), '[]')
                     from (select x.number, x.starts_at, (select jsonb_object_agg(v.key, pv.share_ppm) from cohort.phase_variant pv
                                     join cohort.variant v on v.id = pv.variant_id where pv.phase_id = x.id) as shares
                             from cohort.phase x where x.experiment_id = e.id and x.kind = 'time' order by x.number desc limit 200) p)));
end $$;
comment on function cohort.results_bandit_json(cohort.experiment) is
    'Part of results_json(): the bandit''s shares now and over time, the matured rewards of each variant, effects where every decision is drawn, and its newest update; {} for others';
