-- Assignments recorded as servers record them, over ramps, a dropped arm, layers and a restart, are computed again:
-- nothing differs, and what is changed on purpose is found, and nothing else.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
select cohort.put_experiment('re', '{"layer_ppm": 1000000, "sticky": true, "traffic_ppm": 300000, "variants": [{"key": "control", "share_ppm": 400000, "value": 1},
    {"key": "b", "share_ppm": 300000, "value": 2}, {"key": "c", "share_ppm": 300000, "value": 3}]}') is null,
    cohort.put_layer('re-layer', '{}') is null \g /dev/null
select cohort.put_experiment('re2', '{"layer": "re-layer", "layer_ppm": 500000, "variants": [{"key": "control", "share_ppm": 500000, "value": 1}, {"key": "b", "share_ppm": 500000, "value": 2}]}') is null,
    cohort.start('re'), cohort.start('re2') \g /dev/null

create temp table unit as select md5('unit ' || n)::uuid as id, n from generate_series(1, 20000) n;
create function pg_temp.expose(experiment text, first int, last int) returns bigint language sql as $$
    with made as (
        insert into cohort.exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, first_ts, event_id, trusted, origin, batch_id)
        select u.id, e.id, v.id, p.id, a.propensity, a.inclusion, now(), gen_random_uuid(), true, 0, 1
          from unit u cross join cohort.experiment e cross join lateral cohort.expected_assignment($1, u.id) a
          join cohort.variant v on v.environment = e.environment and v.experiment = e.key and v.key = a.variant
          join cohort.phase p on p.experiment_id = e.id and p.number = a.phase
         where e.key = $1 and u.n between first and last on conflict do nothing returning 1)
    select count(*) from made $$;
create function pg_temp.findings(experiment text) returns text language sql as $$
    select string_agg(format('%s %s', kind, n), ', ' order by kind) from (select kind, count(*) as n from cohort.recheck($1) group by kind) x $$;
create function pg_temp.is(what text, got text, want text) returns text language sql as $$
    select case when got is not distinct from want then 'ok     ' || what else format('not ok %s: %s, not %s', what, coalesce(got, 'null'), coalesce(want, 'null')) end $$;

select pg_temp.expose('re', 1, 5000) as one, pg_temp.expose('re2', 1, 5000) as layered \gset
select cohort.ramp('re', 700000, '{"control": 500000, "b": 250000, "c": 250000}') \g /dev/null
select pg_temp.expose('re', 1, 10000) as two \gset
select cohort.drop_arm('re', 'c'), cohort.ramp('re', 500000) \g /dev/null
select pg_temp.expose('re', 1, 15000) as three \gset
select cohort.restart('re') \g /dev/null
select pg_temp.expose('re', 1, 20000) as four, (:one + :two + :three)::bigint as before \gset
select pg_temp.is('units were recorded in both iterations', (:one > 1000 and :two > 1000 and :three > 500 and :four > 4000 and :layered between 2000 and 3000)::text, 'true');
select pg_temp.is('nothing differs', pg_temp.findings('re'), null);
select pg_temp.is('nor in a layer', pg_temp.findings('re2'), null);
select pg_temp.is('all were looked at', (r.checked, r.different, r.forced, r.sticky, r.imported)::text, format('(%s,0,0,0,0)', :before + :four)) from cohort.recheck_counts('re') r;

-- One change of each kind, of different units; each is found, and nothing else.
create temp table victim as select x.unit_id, x.experiment_id, row_number() over (order by x.unit_id) as n
  from cohort.exposure x join cohort.experiment_iteration i using (experiment_id) where i.experiment = 're' and i.iteration = 1 order by x.unit_id limit 20;
select (select v.id from cohort.variant v where v.experiment = 're' and v.key = 'control') as control, (select v.id from cohort.variant v where v.experiment = 're' and v.key = 'b') as b \gset
update cohort.exposure x set variant_id = case variant_id when :control then :b else :control end from victim v where v.n = 1 and (x.unit_id, x.experiment_id) = (v.unit_id, v.experiment_id);
select pg_temp.is('a changed variant is found', pg_temp.findings('re'), 'variant 1');
select pg_temp.is('and says who', (r.unit_id = v.unit_id and r.iteration = 1 and r.recorded_variant <> r.expected_variant and r.recorded_phase = r.expected_phase)::text, 'true')
  from cohort.recheck('re') r, victim v where v.n = 1;
update cohort.exposure x set phase_id = (select p.id from cohort.phase p where p.experiment_id = x.experiment_id and p.id <> x.phase_id limit 1) from victim v where v.n = 2 and (x.unit_id, x.experiment_id) = (v.unit_id, v.experiment_id);
update cohort.exposure x set propensity = propensity + 1 from victim v where v.n = 3 and (x.unit_id, x.experiment_id) = (v.unit_id, v.experiment_id);
update cohort.exposure x set unit_id = (select u.id from unit u where not exists (select from cohort.drawn_assignment(x.experiment_id, u.id)) limit 1) from victim v where v.n = 4 and (x.unit_id, x.experiment_id) = (v.unit_id, v.experiment_id);
update cohort.exposure x set propensity = null, inclusion = null from victim v where v.n = 5 and (x.unit_id, x.experiment_id) = (v.unit_id, v.experiment_id);
update cohort.exposure x set origin = 2 from victim v where v.n = 6 and (x.unit_id, x.experiment_id) = (v.unit_id, v.experiment_id);
select pg_temp.is('one change of each kind is found', pg_temp.findings('re'), 'not drawn 1, phase 1, propensity 1, variant 1');
select pg_temp.is('forced and imported ones are counted apart', (r.checked, r.different, r.forced, r.sticky, r.imported)::text, format('(%s,4,1,0,1)', :before + :four - 2)) from cohort.recheck_counts('re') r;
update cohort.exposure x set unit_id = (select u.id from unit u, cohort.layer_slots s, cohort.layer l where s.experiment = 're2' and l.key = 're-layer'
    and not s.slots @> cohort.slot(cohort.draw_word(l.salt, u.id, 0)) and exists (select from cohort.drawn_assignment(x.experiment_id, u.id) d where d.variant_id = x.variant_id) limit 1)
 where x.unit_id = (select min(y.unit_id::text)::uuid from cohort.exposure y join cohort.experiment e on e.id = y.experiment_id where e.key = 're2')
   and x.experiment_id = (select e.id from cohort.experiment e where e.key = 're2');
select pg_temp.is('a unit outside the layer''s slots is found', pg_temp.findings('re2'), 'layer 1');
select cohort.stop('re2') \g /dev/null
select pg_temp.is('also when the slots were given back', pg_temp.findings('re2'), 'layer 1');

-- Kept by a token: drawn the same, and counted apart.
select cohort.ensure_partitions(current_date - 1, current_date + 1) \g /dev/null
insert into cohort.decision (unit_id, decision_id, ts, flag_id, experiment_id, variant_id, phase_id, reason, mode, plan_version, batch_id)
select x.unit_id, x.event_id, x.first_ts, 1, x.experiment_id, x.variant_id, x.phase_id, 'STICKY', 0, 1, 1
  from cohort.exposure x join cohort.experiment e on e.id = x.experiment_id where e.key = 're' order by x.unit_id limit 3;
update cohort.exposure x set decision_id = x.event_id from cohort.decision d where d.unit_id = x.unit_id and d.decision_id = x.event_id;
select pg_temp.is('sticky ones are counted apart', (r.checked, r.different, r.forced, r.sticky, r.imported)::text, format('(%s,4,1,3,1)', :before + :four - 5)) from cohort.recheck_counts('re') r;

set role cohort_analyst;
select pg_temp.is('analysts recheck', (select count(*) from cohort.recheck('re'))::text, '4') where has_schema_privilege('cohort', 'usage');
select pg_temp.is('and read the views', (select (select count(*) from cohort.exposures where experiment = 're' and iteration = 2) = :four
    and (select count(*) >= 0 from cohort.results) and (select count(*) >= 0 from cohort.outcomes) and (select count(*) > 0 from cohort.decisions where iteration = 2)
    and (select count(*) > 0 from cohort.experiments) and (select count(*) > 0 from cohort.assignments_expected where experiment = 're'))::text, 'true');
reset role;
