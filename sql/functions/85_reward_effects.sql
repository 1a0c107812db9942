-- Effects where decisions are drawn: each variant's mean over all contexts by inverse probabilities (the AIPW score with
-- the estimate itself in place of a prediction), with variances between groups of units. AsympCS as in src/stats/asympcs.h.

drop function if exists cohort.reward_effects(text);
create function cohort.reward_effects(key text)
    returns table (variant text, slice boolean, decisions bigint, events bigint, groups bigint, value double precision, std_error double precision,
                   low double precision, high double precision)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with e as (
        select x.id, coalesce(x.planned_units, 20000)::double precision as n_star from cohort.experiment x
         where x.environment = cohort.current_environment() and x.key = $1
    ), m as (
        select c.variant_id, c.slice, sum(c.decisions)::bigint as decisions, count(*) filter (where c.h > 0) as groups,
               sum(c.h)::double precision as h, (sum(c.hwy) / nullif(sum(c.hw), 0) / 1000000)::double precision as value
          from e join cohort.reward_cluster c on c.experiment_id = e.id group by 1, 2
    ), g as (
        -- The gate of src/stats/gate.h: without these the estimate isn't normal yet, and its own variance comes out too small.
        select s.variant_id, p.kind = 'traffic' as slice, sum(s.events)::bigint as events,
               case k.kind when 'binary' then sum(s.events) >= 20 and sum(s.matured - s.events) >= 20 else sum(s.events) >= 400 end as open
          from e join cohort.reward_stat s on s.experiment_id = e.id join cohort.phase p on p.id = s.phase_id
          join cohort.reward_source r on r.experiment_id = e.id join cohort.metric k on k.id = r.metric_id
         group by s.variant_id, p.kind = 'traffic', k.kind
    ), v as (
        select m.variant_id, m.slice, sqrt(sum((c.hwy::double precision / 1e6 - m.value * c.hw::double precision) ^ 2)) / nullif(m.h, 0) as se,
               count(*) over (partition by m.slice) as arms
          from e join cohort.reward_cluster c on c.experiment_id = e.id
          join m on m.variant_id = c.variant_id and m.slice = c.slice group by m.variant_id, m.slice, m.h
    ), w as (
        select v.*, 0.05 / v.arms as alpha, m.decisions, coalesce(g.events, 0) as events, coalesce(g.open, false) as open, m.groups, m.value, m.h,
               m.h * (-2 * ln(0.05 / v.arms) + ln(1 - 2 * ln(0.05 / v.arms))) / e.n_star as x
          from e cross join v join m on m.variant_id = v.variant_id and m.slice = v.slice
          left join g on g.variant_id = v.variant_id and g.slice = v.slice
    )
    select a.key, w.slice, w.decisions, w.events, w.groups, w.value, w.se, w.value - h.half, w.value + h.half
      from w join cohort.variant a on a.id = w.variant_id
     cross join lateral (select case when w.x > 0 and w.se > 0 and w.open and w.groups >= 20
                                     then w.se * sqrt(2 * (w.x + 1) / w.x * ln(sqrt(w.x + 1) / w.alpha)) end as half) h
     order by w.slice, a.position, a.id
$$;
comment on function cohort.reward_effects(text) is
    'Where every decision is drawn: each variant''s mean reward had everybody got it, by inverse probabilities, variance between groups of units, with intervals that hold together (each at 0.05 over the variants) and, in large samples of units that come once, at every look (null below 20 rewarded decisions of the variant and 20 without, 400 rewarded ones where the reward is no yes or no, and 20 groups); slice: of the reserved slice of equal shares';

create or replace function cohort.effect_method(e cohort.experiment, in_slice boolean, groups bigint) returns text
    language sql stable set search_path = cohort, pg_temp
    as $$
    select case when in_slice then 'inverse probabilities over the reserved slice, equal shares for ever; '
                when e.kind = 'bandit' then '√e-weighted AIPW by inverse probabilities, the estimate itself as prediction, over time phases; '
                else 'inverse probabilities, each decision by its own, over time phases; ' end
           || format('unit-clustered variance, %s group%s of units; AsympCS at 5 %% over the variants (union bound): ', groups, case groups when 1 then '' else 's' end)
           || 'anytime-valid in large samples where units come once, approximate where they return'
$$;
comment on function cohort.effect_method(cohort.experiment, boolean, bigint) is 'How reward_effects() computed an effect, in words';

create or replace function cohort.effect_words(decisions bigint, events bigint, groups bigint, yes_or_no boolean, low double precision) returns text
    language sql immutable
    as $$
    select case when low is not null then null
                when groups < 20 then format('no interval: %s of 20 groups of units that it needs', groups)
                when yes_or_no and least(events, decisions - events) < 20
                then format('no interval: it needs 20 decisions with the event and 20 without, and has %s of %s', events, decisions)
                when not yes_or_no and events < 400 then format('no interval: %s of 400 rewarded decisions that it needs', events)
                else 'no interval: every decision has the same reward' end
$$;
comment on function cohort.effect_words(bigint, bigint, bigint, boolean, double precision) is
    'Why reward_effects() has no interval, in words; null where it has one';

-- Both intervals hold together, and so does what follows for the difference.
create or replace function cohort.effects_json(e cohort.experiment, in_slice boolean) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with r as materialized (
        select x.*, cohort.effect_words(x.decisions, x.events, x.groups, k.kind = 'binary', x.low) as words, v.id = c.id as is_control, v.position, v.id as variant_id
          from cohort.reward_effects(e.key) x
          join cohort.variant v on v.environment = e.environment and v.experiment = e.key and v.key = x.variant
          join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
          join cohort.metric k on k.environment = b.environment and k.key = b.reward
          left join cohort.result_variants(e.id) c on c.is_control
         where x.slice = in_slice
    )
    select jsonb_build_object('method', cohort.effect_method(e, in_slice, coalesce(max(r.groups), 0)), 'variants', coalesce(jsonb_agg(jsonb_build_object(
               'variant', r.variant, 'is_control', coalesce(r.is_control, false), 'decisions', r.decisions, 'events', r.events, 'groups', r.groups, 'value', r.value,
               'std_error', r.std_error, 'low', r.low, 'high', r.high, 'words', r.words)
               || case when r.is_control then '{}' else jsonb_build_object('difference', r.value - c.value, 'difference_low', r.low - c.high,
                                                                           'difference_high', r.high - c.low) end
               order by r.position, r.variant_id), '[]'))
      from r left join r c on c.is_control
$$;
comment on function cohort.effects_json(cohort.experiment, boolean) is
    'reward_effects() of time phases or of the reserved slice as REST answers it, with differences to control';

create or replace function cohort.reward_effects_json(e cohort.experiment, b cohort.bandit) returns jsonb
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select case when e.kind = 'contextual' or b.assign = 'decision' then jsonb_build_object('reward', b.reward, 'alpha', 0.05,
               'n_star', coalesce(e.planned_units, 20000), 'of', 'what a decision would earn if every one got the variant; of matured decisions',
               'adaptive', cohort.effects_json(e, false), 'uniform', cohort.effects_json(e, true)) end
$$;
comment on function cohort.reward_effects_json(cohort.experiment, cohort.bandit) is
    'Part of results_json(): effects where every decision is drawn, adapted shares and reserved slice side by side; null where units are drawn';
