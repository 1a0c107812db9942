-- The assignment contract in SQL against the worked vectors; the variable vectors holds their JSON.
\set QUIET on
\pset tuples_only on
\pset format unaligned
create temp table worked as select :'vectors'::jsonb as v;
create temp table result as
select c ->> 'raw' as raw,
       cohort.unit_id_with_key(decode(c ->> 'key', 'hex'), c ->> 'unit_type', c ->> 'raw') = (c ->> 'unit')::uuid as unit,
       to_jsonb(cohort.draw(decode(c ->> 'salt', 'hex'), (c ->> 'unit')::uuid)) = c -> 'words'
           and (select jsonb_agg(cohort.draw_word(decode(c ->> 'salt', 'hex'), (c ->> 'unit')::uuid, n) order by n) from generate_series(0, 7) n) = c -> 'words' as words,
       (select jsonb_agg(cohort.slot(w::bigint) order by n) from jsonb_array_elements_text(c -> 'words') with ordinality x(w, n)) = c -> 'slots' as slots
  from worked, jsonb_array_elements(v -> 'cases') c;
select 'not ok case ' || to_jsonb(raw)::text || ' unit ' || unit || ' words ' || words || ' slots ' || slots from result where not (unit and words and slots);
select case when count(*) = 60 then 'ok     ' else 'not ok ' end || count(*) || ' cases: unit, eight words, eight slots' from result where unit and words and slots;
select case when count(*) = jsonb_array_length(min(v::text)::jsonb -> 'edges') and count(*) > 0 then 'ok     ' else 'not ok ' end || count(*) || ' edges of slots'
  from worked, jsonb_array_elements(v -> 'edges') e where cohort.slot((e ->> 'w')::bigint) = (e ->> 'slot')::int;

-- A started experiment: every unit has at most one phase and variant, in the shares of the definition.
begin;
select cohort.put_experiment('third', '{"traffic_ppm": 300000, "variants": [{"key": "control", "share_ppm": 250000, "value": true}, {"key": "b", "share_ppm": 750000, "value": false}]}') is null as made \gset
select cohort.start('third') as started \gset
create temp table drawn as
select u.unit, e.* from (select cohort.unit_id('user', 'c-' || n) as unit from generate_series(1, 20000) n) u
  left join lateral cohort.expected_assignment('third', u.unit) e on true;
select case when count(*) = 20000 and count(phase) between 5600 and 6400 and count(*) filter (where variant = 'control') between 1300 and 1700
                 and bool_and(inclusion = 300000 and propensity = case variant when 'b' then 750000 else 250000 end)
            then 'ok     ' else 'not ok ' end || 'expected_assignment: ' || count(phase) || ' of 20000 take part, ' || count(*) filter (where variant = 'control') || ' control'
  from drawn;
select case when bool_and((d.phase is not null) = (cohort.slot((cohort.draw(e.salt, d.unit))[1]) < 300000)
                      and (d.phase is null or (d.variant = 'control') = (cohort.slot((cohort.draw(p.salt, d.unit))[2]) < 250000)))
            then 'ok     ' else 'not ok ' end || 'and each is what the words say'
  from drawn d, cohort.experiment e, cohort.phase p where e.key = 'third' and p.experiment = 'third';
rollback;
