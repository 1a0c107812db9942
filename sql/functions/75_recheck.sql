-- Every recorded assignment, computed again from salts, slots and shares alone: what the servers did can be proven
-- without them, for running experiments and for all their earlier iterations.

drop function if exists cohort.recheck(text), cohort.recheck_counts(text);
drop view if exists cohort.assignments_expected;
create view cohort.assignments_expected as
select i.environment, i.experiment, i.iteration, x.unit_id, x.first_ts, v.key as recorded_variant, p.number as recorded_phase,
       d.variant as expected_variant, d.phase as expected_phase,
       case when x.origin = 2 then 'imported'
            when x.propensity is null then 'forced'
            when p.model_id is not null and d.variant_id is null then 'model'
            when d.variant_id is null then 'not drawn'
            when x.variant_id <> d.variant_id then 'variant'
            when x.phase_id <> d.phase_id then 'phase'
            when x.propensity <> d.propensity then 'propensity'
            when s.reason is not null then 'sticky'
            when not coalesce(o.slots @> l.slot, true) then 'layer'
            else 'same' end as finding
  from cohort.every_iteration i
  join cohort.exposure x on x.experiment_id = i.experiment_id
  left join cohort.experiment e on e.id = i.experiment_id
  left join cohort.experiment_iteration n on n.experiment_id = i.experiment_id
  left join cohort.layer_slots t on t.environment = e.environment and t.experiment = e.key
  left join cohort.variant v on v.id = x.variant_id
  left join cohort.phase p on p.id = x.phase_id
  left join cohort.layer y on y.environment = n.environment and y.key = n.layer
 -- Slots that were given back are kept with the iteration; those of a running one are in layer_slots.
 cross join lateral (select case when n.layer is not null then coalesce(n.layer_slots, t.slots) end as slots) o
  left join lateral (select cohort.slot(cohort.draw_word(y.salt, x.unit_id, 0)) as slot) l on true
  left join lateral (
        select h.id as phase_id, h.number as phase, pv.variant_id, w.key as variant, pv.share_ppm as propensity
          from (select cohort.slot(cohort.draw_word(n.salt, x.unit_id, 0)) as slot offset 0) a
          -- Which time phase a unit was in depends on when it asked, which an exposure need not say: cohortctl replay looks at that.
          join cohort.phase h on h.experiment_id = i.experiment_id and h.traffic_slots @> a.slot and (h.kind = 'traffic' or h.id = x.phase_id)
          left join cohort.bandit r on h.kind = 'time' and r.environment = i.environment and r.experiment = i.experiment and r.assign = 'decision'
         cross join lateral (select cohort.slot(case when r.assign is null then cohort.draw_word(h.salt, x.unit_id, 1)
                                                     else cohort.decision_word(h.salt, x.unit_id, x.decision_id, 1) end) as slot offset 0) b
          -- What a model drew from is in the log of decisions; a report of an exposure may come later than its decision.
          left join lateral (select c.eligible from cohort.decision c
                              where h.model_id is not null and c.unit_id = x.unit_id and c.decision_id = x.decision_id
                                and (c.ts = x.first_ts or x.origin = 1) limit 1) k on true
         cross join lateral (select v.variant_id, v.share_ppm from cohort.phase_variant v
                              where h.model_id is null and v.phase_id = h.id and v.slots @> b.slot
                             union all
                             select m.id, (k.eligible ->> m.id::text)::int from (select cohort.vector_variant(k.eligible, b.slot) as id) m
                              where h.model_id is not null) pv
          join cohort.variant w on w.id = pv.variant_id) d on true
  left join lateral (select c.reason from cohort.decision c
                      where e.sticky and c.unit_id = x.unit_id and c.decision_id = x.decision_id and c.ts = x.first_ts
                        and c.reason = 'STICKY' limit 1) s on true;
comment on view cohort.assignments_expected is
    'What was recorded of each exposed unit, and what the assignment contract draws for it. Ask for one experiment: it is computed for each row';
comment on column cohort.assignments_expected.environment is 'The environment';
comment on column cohort.assignments_expected.experiment is 'The experiment, by its key';
comment on column cohort.assignments_expected.iteration is 'Which run of it: 1, 2, …';
comment on column cohort.assignments_expected.unit_id is 'The unit';
comment on column cohort.assignments_expected.first_ts is 'When it was first exposed';
comment on column cohort.assignments_expected.recorded_variant is 'The variant it counts by';
comment on column cohort.assignments_expected.recorded_phase is 'The number of the phase that was recorded';
comment on column cohort.assignments_expected.expected_variant is 'The variant that is drawn for it; null: none';
comment on column cohort.assignments_expected.expected_phase is 'The number of the phase that owns its traffic slot; null: none';
comment on column cohort.assignments_expected.finding is
    'same; what differs: variant, phase, propensity, layer (its slot of the layer isn''t the experiment''s) or not drawn; sticky: the same, by a token; forced and imported ones aren''t drawn, and those of a model whose decision is in the log no more (model) can''t be drawn again';

create function cohort.recheck(experiment text)
    returns table (unit_id uuid, iteration int, recorded_variant text, recorded_phase int, expected_variant text, expected_phase int, kind text)
    language plpgsql stable set jit = off as $$
#variable_conflict use_column
begin
    perform cohort.experiment_id_of($1);
    return query select a.unit_id, a.iteration, a.recorded_variant, a.recorded_phase, a.expected_variant, a.expected_phase, a.finding
                   from cohort.assignments_expected a
                  where a.environment = cohort.current_environment() and a.experiment = $1
                    and a.finding not in ('same', 'sticky', 'forced', 'imported', 'model');
end $$;
comment on function cohort.recheck(text) is
    'Computes every recorded assignment of an experiment again, in all its iterations, and lists what differs: no row is as it should be. recheck_counts() says how many were looked at';

create function cohort.recheck_counts(experiment text, out checked bigint, out different bigint, out forced bigint, out sticky bigint, out imported bigint)
    language plpgsql stable set jit = off as $$
begin
    perform cohort.experiment_id_of($1);
    select count(*) filter (where a.finding not in ('sticky', 'forced', 'imported', 'model')),
           count(*) filter (where a.finding not in ('same', 'sticky', 'forced', 'imported', 'model')),
           count(*) filter (where a.finding = 'forced'), count(*) filter (where a.finding = 'sticky'),
           count(*) filter (where a.finding = 'imported')
      into checked, different, forced, sticky, imported
      from cohort.assignments_expected a where a.environment = cohort.current_environment() and a.experiment = $1;
end $$;
comment on function cohort.recheck_counts(text) is
    'How many recorded assignments of an experiment were computed again (checked) and differ (different), and how many are apart: forced by an override, kept by a token (sticky: the same as drawn), imported';

drop view if exists cohort.results;
create view cohort.results as
select e.environment, e.key as experiment, e.iteration, r.metric, r.kind, r.variant, r.is_control, r.units, r.exposed, r.value,
       r.difference, r.lift, r.low, r.high, r.p, r.ln_e, r.method, r.gate, r.maturity, r.phases, r.as_of
  from cohort.experiment e cross join lateral cohort.results(e.key) r
 where e.environment = cohort.current_environment();
comment on view cohort.results is 'cohort.results(key) of every experiment of the current environment, of its current iteration';
comment on column cohort.results.environment is 'The environment';
comment on column cohort.results.experiment is 'The experiment';
comment on column cohort.results.iteration is 'Which run of it';
comment on column cohort.results.metric is 'The metric';
comment on column cohort.results.kind is 'binary, count, mean, ratio or quantile';
comment on column cohort.results.variant is 'The variant';
comment on column cohort.results.is_control is 'True for the variant the others are compared to';
comment on column cohort.results.units is 'Units that count: matured ones where the metric''s window ends';
comment on column cohort.results.exposed is 'Units exposed';
comment on column cohort.results.value is 'Rate (0 to 1), mean per unit, ratio or quantile';
comment on column cohort.results.difference is 'Difference to control; null for control';
comment on column cohort.results.lift is 'The same relative to control''s value';
comment on column cohort.results.low is 'Lower end of the 95 % interval of the difference, which holds however often one looks';
comment on column cohort.results.high is 'Upper end of it';
comment on column cohort.results.p is 'p, which holds however often one looks';
comment on column cohort.results.ln_e is 'Natural logarithm of E';
comment on column cohort.results.method is 'How it was computed';
comment on column cohort.results.gate is 'What the interval still needs, in words';
comment on column cohort.results.maturity is 'How many units have matured, in words';
comment on column cohort.results.phases is 'Phases it is averaged over';
comment on column cohort.results.as_of is 'Up to when events are counted';
