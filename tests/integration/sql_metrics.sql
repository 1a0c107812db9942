-- Metrics: conditions as jsonpath against the same asked by hand, hostile names and values among them; versions, caps
-- frozen at the start, and documents that come back as they were. Prints a line a check.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;

create function pg_temp.say(good boolean, what text) returns text language sql as $$
    select case when good then 'ok     ' else 'not ok ' end || what $$;
-- A condition asked without jsonpath.
create function pg_temp.holds(attributes jsonb, condition jsonb) returns boolean language sql as $$
    select jsonb_typeof(attributes) = 'object' and bool_and(coalesce(case
               when not attributes ? c.k then false
               when jsonb_typeof(c.v) <> 'object' then attributes -> c.k = c.v
               when c.v ? 'in' then exists (select from jsonb_array_elements(c.v -> 'in') i where i = attributes -> c.k)
               when jsonb_typeof(attributes -> c.k) <> 'number' then false
               else (attributes -> c.k)::numeric >= coalesce((c.v -> 'gte')::numeric, '-infinity') and (attributes -> c.k)::numeric > coalesce((c.v -> 'gt')::numeric, '-infinity')
                and (attributes -> c.k)::numeric <= coalesce((c.v -> 'lte')::numeric, 'infinity') and (attributes -> c.k)::numeric < coalesce((c.v -> 'lt')::numeric, 'infinity')
               end, false))
      from jsonb_each(condition) c(k, v) $$;

create temp table word as select w, row_number() over () as n from unnest(array['pro', '', ' ', '"', '\', '\"', '''', '''; drop table cohort.metric; --', '$', '$.plan', '@', '" || true || "',
    '" == "" || $."a" == "', '$$', '\u0041', E'\n\t\r\b\f\x01', 'é', '😀', '*', '.**', 'true', '5', 'null', 'strict', 'lax $', '?(1==1)', '&&', '%s', '{}', '[0]', ')', '/*', '--', ' ']) w;
create temp table value as select to_jsonb(w) as v from word union all select x::jsonb from unnest(array['0', '5', '5.0', '-5', '5.000001', '1e15', '-0.5', '1e-9', 'true', 'false', 'null', '[]', '["pro"]', '{}', '{"a": 1}']) x;

select pg_temp.say(count(*) filter (where a.found is distinct from a.wanted) = 0 and count(*) filter (where a.wanted) > 30,
                   format('%s equalities: jsonpath as by hand, %s hold', count(*), count(*) filter (where a.wanted)))
  from (select coalesce(jsonb_build_object(n.w, v.v) @@ cohort.metric_path(jsonb_build_object(n.w, c.v)), false) as found,
               pg_temp.holds(jsonb_build_object(n.w, v.v), jsonb_build_object(n.w, c.v)) as wanted
          from word n cross join value v cross join value c where n.w <> '' and cohort.metric_scalar(c.v)) a;
select pg_temp.say(count(*) filter (where a.found is distinct from a.wanted) = 0 and count(*) filter (where a.wanted) > 30,
                   format('%s lists and names of others: jsonpath as by hand, %s hold', count(*), count(*) filter (where a.wanted)))
  from (select coalesce(jsonb_build_object(n.w, v.v, 'other', 1) @@ cohort.metric_path(jsonb_build_object(m.w, l.list)), false) as found,
               pg_temp.holds(jsonb_build_object(n.w, v.v, 'other', 1), jsonb_build_object(m.w, l.list)) as wanted
          from word n join word m on m.n in (n.n, n.n + 1) cross join value v
         cross join (select jsonb_build_object('in', jsonb_agg(v)) as list from value where cohort.metric_scalar(v)
                     union all select '{"in": ["pro", 5, true]}') l where m.w <> '') a;
select pg_temp.say(count(*) filter (where a.found is distinct from a.wanted) = 0 and count(*) filter (where a.wanted) > 30,
                   format('%s ranges: jsonpath as by hand, %s hold', count(*), count(*) filter (where a.wanted)))
  from (select coalesce(jsonb_build_object('amount', v.v, 'plan', 'pro') @@ cohort.metric_path(r.c), false) as found,
               pg_temp.holds(jsonb_build_object('amount', v.v, 'plan', 'pro'), r.c) as wanted
          from value v cross join (select jsonb_build_object('amount', jsonb_build_object(lo, a) || jsonb_build_object(hi, b)) || extra as c
                                     from unnest('{gt,gte}'::text[]) lo, unnest('{lt,lte}'::text[]) hi, unnest('{-5,-0.5,0,5}'::numeric[]) a, unnest('{5,5.000001,1e15}'::numeric[]) b,
                                          unnest(array['{}', '{"plan": "pro"}', '{"plan": "team"}']::jsonb[]) extra where a < b) r) a;
select pg_temp.say(not coalesce(a.v @@ cohort.metric_path('{"plan": "pro"}'), false), 'attributes that are ' || coalesce(a.v::text, 'absent') || ' hold nothing')
  from (values ('[{"plan": "pro"}]'::jsonb), ('"plan"'), ('null'), ('{}'), (null)) a(v);
do $$ begin
    insert into cohort.metric (key, event, condition) select 'w' || n, 'x', jsonb_build_object(w, jsonb_build_object('in', jsonb_build_array(w))) from word where w <> '';
end $$;
select pg_temp.say(bool_and(jsonb_build_object(w.w, w.w) @@ m.event_path) and count(*) = (select count(*) - 1 from word), 'every hostile name and value can be stored and asked')
  from word w join cohort.metric m on m.key = 'w' || w.n;
delete from cohort.metric where key ~ '^w\d';

-- Versions.
insert into cohort.experiment (key, segments) values ('mv', '{country}');
insert into cohort.variant (experiment, key, share_ppm, value) values ('mv', 'control', 500000, '"a"'), ('mv', 'b', 500000, '"b"');
insert into cohort.guardrail (experiment, metric, action) values ('mv', 'refund', 'pause');
insert into cohort.metric (key, event, kind, direction_good, window_end_s, winsor_quantile) values ('spend', 'buy', 'mean', 'up', 86400, 0.9);
insert into cohort.guardrail (experiment, metric, direction) values ('mv', 'spend', 'down');
select pg_temp.say(count = 'at_maturity', 'a guardrail on a mean counts at maturity by itself') from cohort.guardrail where experiment = 'mv' and metric = 'spend';
select cohort.ensure_partitions(current_date - 40, current_date + 1);
insert into cohort.outcome (unit_id, event_id, ts, name, value, trusted, batch_id)
select md5('u' || i)::uuid, md5('e' || i)::uuid, now() - interval '1 hour' * i, 'buy', i * 1000000, i <= 100, 1 from generate_series(1, 110) i;
insert into cohort.outcome (unit_id, event_id, ts, name, value, trusted, batch_id) values (md5('old')::uuid, md5('old')::uuid, now() - interval '35 days', 'buy', 999000000, true, 1);
select cohort.start('mv');
select pg_temp.say(f.cap = 90 and f.units = 100 and cohort.metric_cap(e.id, m.id) = 90, format('a cap frozen at the start: %s of %s trusted values', f.cap, f.units))
  from cohort.experiment e, cohort.metric m, cohort.frozen_cap f where e.key = 'mv' and m.key = 'spend' and (f.experiment_id, f.metric_id, f.metric_version) = (e.id, m.id, 1);
update cohort.metric set trusted_only = false where key = 'spend';
select pg_temp.say(m.version = 2 and cohort.metric_cap(e.id, m.id) = 99 and count(v) = 2, 'a change under a running experiment is version 2, with a cap of its own')
  from cohort.experiment e, cohort.metric m, cohort.metric_version v where e.key = 'mv' and m.key = 'spend' and v.metric_id = m.id group by m.version, e.id, m.id;
update cohort.metric set description = 'Money', direction_good = 'none' where key = 'spend';
select pg_temp.say(version = 2, 'a description is no new version') from cohort.metric where key = 'spend';
select pg_temp.say(cohort.patch_metric('spend', '{"winsor_quantile": null, "winsor_high": 50}') ->> 'notice' like 'Metric "spend" has version 3 now. Experiment "mv" is counted by it%',
                   'a document''s answer says what a new version means');
select pg_temp.say(cohort.metric_cap(e.id, m.id) = 50, 'a given bound is the cap') from cohort.experiment e, cohort.metric m where e.key = 'mv' and m.key = 'spend';
select pg_temp.say(cohort.put_metric('spend', cohort.get_metric('spend')) = cohort.get_metric('spend'), 'a metric''s document put back changes nothing');

-- Documents.
insert into cohort.experiment_metric (experiment, metric) values ('mv', 'complaint');
select cohort.put_experiment('md', '{"variants": [{"key": "control", "share_ppm": 500000, "value": 1}, {"key": "b", "share_ppm": 500000, "value": 2}],
    "metrics": [{"metric": "spend"}, {"metric": "refund", "role": "primary", "smallest_relative": 0.02}], "segments": ["country", "plan"], "planned_units": 60000, "success_alpha": 0.1,
    "stop_conditions": [{"kind": "futility"}, {"kind": "srm", "action": "pause"}, {"kind": "no_outcomes", "minutes": 60, "action": "alert"},
                        {"kind": "volume_drift", "ratio": 2, "metric": "spend", "action": "hold"}, {"kind": "max_units", "units": 5000000000}, {"kind": "max_duration", "seconds": 1209600}]}') is null;
select pg_temp.say(cohort.put_experiment('md', d) = d and d -> 'stop_conditions' -> 0 ->> 'metric' = 'refund', 'an experiment''s document put back changes nothing; futility found its metric')
  from cohort.get_experiment('md') d;
select pg_temp.say(c.d -> f.f = cohort.get_experiment('md') -> f.f, 'a clone has the ' || f.f)
  from (select cohort.clone('md', 'md2') as d) c, unnest('{metrics,segments,planned_units,success_alpha,stop_conditions}'::text[]) f(f);
select cohort.make_environment('elsewhere') is null;
select pg_temp.say(c.d -> f.f = cohort.get_experiment('md') -> f.f, 'a promotion has the ' || f.f)
  from (select cohort.promote('md', 'production', 'elsewhere') as d) c, unnest('{metrics,segments,planned_units,success_alpha,stop_conditions}'::text[]) f(f);
select pg_temp.say(cohort.patch_experiment('md', '{"stop_conditions": null, "planned_units": null}') @> '{"stop_conditions": [], "segments": ["country", "plan"]}', 'a patch takes fields away');
select pg_temp.say(not exists (select from cohort.validate('md2')), 'it can start');
select cohort.put_metric('r1', '{"event": "refund", "condition": {"plan": "pro", "amount": {"gte": 5}}}') is null,
       cohort.put_metric('r2', '{"event": "refund", "kind": "ratio", "denominator_event": "visit", "condition": {"plan": "team"}, "denominator_condition": {"page": "/"}}') is null;
select pg_temp.say(d #> '{event_attributes}' = '{"refund": ["amount", "plan"], "visit": ["page"]}' and d -> 'events' ? 'visit' and d @> '{"experiments": [{"key": "mv", "segments": ["country"]}]}',
                   'the plan has the attributes of events, denominators'' events and segments')
  from cohort.plan_body('production') d;
select pg_temp.say(count(*) filter (where object in ('stop_condition', 'experiment_metric', 'frozen_cap')) > 10, 'the audit has them') from cohort.audit;
