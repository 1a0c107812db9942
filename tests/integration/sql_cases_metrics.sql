-- Cases of sql_cases.sql for metrics, their conditions and versions, the metrics of experiments, and stop conditions.
create function pg_temp.metrics() returns void language sql as $$
    insert into cohort.metric (key, event, kind, direction_good, window_end_s) values
        ('revenue', 'purchase', 'mean', 'up', 604800), ('visits', 'visit', 'count', 'none', 604800), ('conversion', 'purchase', 'binary', 'up', 604800);
    insert into cohort.metric (key, event, kind, denominator_event, direction_good, window_end_s) values ('per_visit', 'purchase', 'ratio', 'visit', 'up', 604800);
    insert into cohort.metric (key, event, kind, quantile, direction_good, window_end_s) values ('slow', 'load', 'quantile', 0.9, 'down', 604800) $$;
create function pg_temp.planned() returns void language sql as $$
    select pg_temp.metrics(), pg_temp.draft();
    insert into cohort.experiment_metric (experiment, metric, role, smallest_effect) values ('exp', 'conversion', 'primary', 0.01), ('exp', 'slow', 'primary', null);
    insert into cohort.experiment_metric (experiment, metric) values ('exp', 'visits') $$;
create function pg_temp.watching(stop_kind text) returns void language sql as $$
    select pg_temp.planned();
    insert into cohort.stop_condition (experiment, kind, metric) values ('exp', stop_kind, 'conversion');
    select cohort.start('exp') $$;
create function pg_temp.guarding(of_metric text) returns void language sql as $$
    select pg_temp.metrics(), pg_temp.draft();
    insert into cohort.guardrail (experiment, metric, direction) values ('exp', of_metric, 'down');
    select cohort.start('exp') $$;
create function pg_temp.with_metric(item text) returns jsonb language sql as $$
    select jsonb_build_object('metrics', jsonb_build_array(item::jsonb)) $$;
create function pg_temp.with_condition(item text) returns jsonb language sql as $$
    select jsonb_build_object('metrics', '[{"metric": "conversion", "role": "primary", "smallest_effect": 0.01}, {"metric": "slow", "role": "primary"}, {"metric": "visits"}]'::jsonb,
                              'stop_conditions', jsonb_build_array(item::jsonb)) $$;
create function pg_temp.put(fields text) returns jsonb language sql as $$ select cohort.put_metric('x', '{"event": "x"}'::jsonb || fields::jsonb) $$;

\set mt 'select pg_temp.metrics()'
\set me 'select pg_temp.metrics(); insert into cohort.experiment (key) values (\'exp\')'
\set pl 'select pg_temp.planned()'
\set ps 'select pg_temp.planned(); select cohort.start(\'exp\')'

insert into cases (rule, setup, sql, put_key, patch, path) values
-- kinds
('metric_kind_known', '', $$insert into cohort.metric (key, event, kind) values ('x', 'x', 'median')$$, null, null, null),
('metric_kind_known', '', $$select pg_temp.put('{"kind": "median"}')$$, null, null, 'kind'),
('metric_denominator', '', $$insert into cohort.metric (key, event, kind) values ('x', 'x', 'ratio')$$, null, null, null),
('metric_denominator', '', $$select pg_temp.put('{"kind": "ratio"}')$$, null, null, 'denominator_event'),
('metric_denominator', '', $$insert into cohort.metric (key, event, denominator_event) values ('x', 'x', 'y')$$, null, null, null),
('metric_denominator', '', $$select pg_temp.put('{"denominator_condition": {"a": 1}}')$$, null, null, 'denominator_condition'),
('metric_event_format', '', $$select pg_temp.put('{"kind": "ratio", "denominator_event": "a b"}')$$, null, null, 'denominator_event'),
('metric_quantile', '', $$insert into cohort.metric (key, event, kind) values ('x', 'x', 'quantile')$$, null, null, null),
('metric_quantile', '', $$insert into cohort.metric (key, event, kind, quantile) values ('x', 'x', 'quantile', 1)$$, null, null, null),
('metric_quantile', '', $$insert into cohort.metric (key, event, kind, quantile) values ('x', 'x', 'quantile', 'NaN')$$, null, null, null),
('metric_quantile', '', $$select pg_temp.put('{"kind": "mean", "quantile": 0.5}')$$, null, null, 'quantile'),
('metric_winsor_kind', '', $$insert into cohort.metric (key, event, winsor_high) values ('x', 'x', 5)$$, null, null, null),
('metric_winsor_kind', '', $$select pg_temp.put('{"kind": "quantile", "quantile": 0.5, "winsor_low": 1}')$$, null, null, 'kind'),
('metric_winsor_range', '', $$insert into cohort.metric (key, event, kind, winsor_high) values ('x', 'x', 'mean', 'infinity')$$, null, null, null),
('metric_winsor_range', '', $$insert into cohort.metric (key, event, kind, winsor_low) values ('x', 'x', 'mean', 'NaN')$$, null, null, null),
('metric_winsor_range', '', $$select pg_temp.put('{"kind": "mean", "winsor_low": -1e15}')$$, null, null, 'winsor_low'),
('metric_winsor_order', '', $$insert into cohort.metric (key, event, kind, winsor_low, winsor_high) values ('x', 'x', 'count', 3, 3)$$, null, null, null),
('metric_winsor_order', '', $$select pg_temp.put('{"kind": "mean", "winsor_low": 5, "winsor_high": 3}')$$, null, null, 'winsor_low'),
('metric_winsor_twice', '', $$insert into cohort.metric (key, event, kind, winsor_high, winsor_quantile) values ('x', 'x', 'mean', 3, 0.9)$$, null, null, null),
('metric_winsor_quantile', '', $$insert into cohort.metric (key, event, kind, winsor_quantile) values ('x', 'x', 'mean', 1)$$, null, null, null),
('metric_winsor_quantile', '', $$select pg_temp.put('{"kind": "mean", "winsor_quantile": 0.49}')$$, null, null, 'winsor_quantile'),
('metric_winsor_unknown', $$select pg_temp.metrics(); update cohort.metric set winsor_quantile = 0.99 where key = 'revenue'; select pg_temp.draft();
    insert into cohort.experiment_metric (experiment, metric) values ('exp', 'revenue')$$, $$select cohort.start('exp')$$, null, null, null),
('metric_winsor_unknown', $$select pg_temp.planned(); select cohort.start('exp'); update cohort.metric set winsor_quantile = 0.99 where key = 'revenue'$$,
    $$insert into cohort.experiment_metric (experiment, metric) values ('exp', 'revenue')$$, null, null, null),
('metric_winsor_unknown', :'ps', $$update cohort.metric set winsor_quantile = 0.99 where key = 'visits'$$, null, null, null),
('metric_cuped_range', '', $$insert into cohort.metric (key, event, cuped_days) values ('x', 'x', 91)$$, null, null, null),
('metric_cuped_range', '', $$select pg_temp.put('{"cuped_days": -1}')$$, null, null, 'cuped_days'),
('metric_cuped_kind', :'mt', $$update cohort.metric set cuped_days = 14 where key = 'per_visit'$$, null, null, null),
-- conditions
('metric_condition_object', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '[]')$$, null, null, null),
('metric_condition_object', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{}')$$, null, null, null),
('metric_condition_object', '', $$insert into cohort.metric (key, event, condition) select 'x', 'x', jsonb_object_agg('a' || i, i) from generate_series(1, 21) i$$, null, null, null),
('metric_condition_object', '', $$select pg_temp.put('{"condition": "plan"}')$$, null, null, 'condition'),
('metric_condition_object', '', $$select pg_temp.put('{"kind": "ratio", "denominator_event": "y", "denominator_condition": 1}')$$, null, null, 'denominator_condition'),
('metric_condition_attribute', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"": 1}')$$, null, null, null),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', jsonb_build_object('a', repeat('a', 257)))$$, null, null, null),
('metric_condition_attribute', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', jsonb_build_object(repeat('a', 101), 1))$$, null, null, null),
('metric_condition_operator', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": {"$in": ["pro"]}}')$$, null, null, null),
('metric_condition_operator', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": {}}')$$, null, null, null),
('metric_condition_operator', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": {"in": [1], "gte": 0}}')$$, null, null, null),
('metric_condition_operator', '', $$select pg_temp.put('{"condition": {"plan": {"eq": "pro"}}}')$$, null, null, 'condition'),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": null}')$$, null, null, null),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": ["pro"]}')$$, null, null, null),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": {"in": ["pro", null]}}')$$, null, null, null),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"amount": {"gte": "10"}}')$$, null, null, null),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"amount": {"lt": 1e300}}')$$, null, null, null),
('metric_condition_value', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', jsonb_build_object('a', repeat('é', 257)))$$, null, null, null),
('metric_condition_list', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": {"in": []}}')$$, null, null, null),
('metric_condition_list', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"plan": {"in": "pro"}}')$$, null, null, null),
('metric_condition_list', '', $$insert into cohort.metric (key, event, condition) select 'x', 'x', jsonb_build_object('a', jsonb_build_object('in', jsonb_agg(i))) from generate_series(1, 101) i$$, null, null, null),
('metric_condition_range', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"amount": {"gte": 20, "lt": 10}}')$$, null, null, null),
('metric_condition_range', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"amount": {"gte": 10, "lt": 10.0}}')$$, null, null, null),
('metric_condition_range', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"amount": {"gt": 10, "lte": 10}}')$$, null, null, null),
('metric_condition_range', '', $$insert into cohort.metric (key, event, condition) values ('x', 'x', '{"amount": {"gt": 10, "gte": 10}}')$$, null, null, null),
('metric_condition_range', '', $$select pg_temp.put('{"condition": {"amount": {"lt": 1, "lte": 2}}}')$$, null, null, 'condition'),
-- changes
('metric_guarded', $$select pg_temp.running()$$, $$update cohort.metric set kind = 'quantile', quantile = 0.5 where key = 'unsubscribe'$$, null, null, null),
('metric_guarded', $$select pg_temp.running()$$, $$update cohort.metric set kind = 'count' where key = 'unsubscribe'$$, null, null, null),
('metric_guarded', $$select pg_temp.guarding('revenue')$$, $$update cohort.metric set window_end_s = null where key = 'revenue'$$, null, null, null),
('metric_direction_fixed', $$select pg_temp.watching('success')$$, $$update cohort.metric set direction_good = 'down' where key = 'conversion'$$, null, null, null),
('metric_version_kept', '', $$update cohort.metric_version set version = 7$$, null, null, null),
('metric_version_kept', '', $$delete from cohort.metric_version$$, null, null, null),
('metric_version_kept', $$insert into cohort.frozen_cap (experiment_id, metric_id, metric_version, quantile, cap, units) values (1, 1, 1, 0.9, 5, 10)$$, $$update cohort.frozen_cap set cap = 1$$, null, null, null),
('metric_in_use', :'pl', $$delete from cohort.metric where key = 'visits'$$, null, null, null),
('metric_in_use', $$select pg_temp.metrics(); select pg_temp.draft(); insert into cohort.stop_condition (experiment, kind, metric, minutes) values ('exp', 'no_outcomes', 'visits', 60)$$,
    $$delete from cohort.metric where key = 'visits'$$, null, null, null),
-- guardrails
('guardrail_metric_kind', :'me', $$insert into cohort.guardrail (experiment, metric) values ('exp', 'slow')$$,
    'exp', pg_temp.with_guardrail('{"metric": "slow"}'), 'guardrails[0].metric'),
('guardrail_margin_binary', :'me', $$insert into cohort.guardrail (experiment, metric, margin) values ('exp', 'revenue', 1.1)$$,
    'exp', pg_temp.with_guardrail('{"metric": "revenue", "margin": 1.1}'), 'guardrails[0].margin'),
('guardrail_count_matured', :'me', $$insert into cohort.guardrail (experiment, metric, count) values ('exp', 'per_visit', 'at_event')$$,
    'exp', pg_temp.with_guardrail('{"metric": "per_visit", "count": "at_event"}'), 'guardrails[0].count'),
('guardrail_maturity_window', $$select pg_temp.metrics(); insert into cohort.experiment (key) values ('exp'); update cohort.metric set window_end_s = null where key = 'visits'$$,
    $$insert into cohort.guardrail (experiment, metric) values ('exp', 'visits')$$, 'exp', pg_temp.with_guardrail('{"metric": "visits"}'), 'guardrails[0].count'),
-- experiments
('experiment_success_alpha_range', '', $$insert into cohort.experiment (key, success_alpha) values ('exp', 0)$$, 'exp', '{"success_alpha": 0}', 'success_alpha'),
('experiment_success_alpha_range', '', $$insert into cohort.experiment (key, success_alpha) values ('exp', 'NaN')$$, null, null, null),
('experiment_planned_units_range', '', $$insert into cohort.experiment (key, planned_units) values ('exp', 1)$$, 'exp', '{"planned_units": 1}', 'planned_units'),
('experiment_planned_units_range', '', $$insert into cohort.experiment (key, planned_units) values ('exp', 1000000000001)$$, 'exp', '{"planned_units": 1000000000001}', 'planned_units'),
('experiment_segments_format', '', $$insert into cohort.experiment (key, segments) values ('exp', '{a,b,c,d,e,f}')$$, 'exp', '{"segments": ["a", "b", "c", "d", "e", "f"]}', 'segments'),
('experiment_segments_format', '', $$insert into cohort.experiment (key, segments) values ('exp', '{a,a}')$$, 'exp', '{"segments": ["a", "a"]}', 'segments'),
('experiment_segments_format', '', $$insert into cohort.experiment (key, segments) values ('exp', '{""}')$$, 'exp', '{"segments": [""]}', 'segments'),
('experiment_segments_format', '', $$insert into cohort.experiment (key, segments) values ('exp', array[null])$$, null, null, null),
('experiment_segments_format', '', $$insert into cohort.experiment (key, segments) values ('exp', '{country,user}')$$, 'exp', '{"segments": ["country", "user"]}', 'segments'),
('experiment_segments_format', $$insert into cohort.experiment (key, unit_type) values ('other', 'device'); insert into cohort.experiment (key) values ('exp')$$,
    $$update cohort.experiment set segments = '{device}' where key = 'exp'$$, null, null, null),
('experiment_running_fixed', :'r', $$update cohort.experiment set segments = '{country}' where key = 'exp'$$, 'exp', '{"segments": ["country"]}', 'segments'),
('experiment_running_fixed', :'r', $$update cohort.experiment set planned_units = 5000 where key = 'exp'$$, 'exp', '{"planned_units": 5000}', 'planned_units'),
('experiment_running_fixed', :'r', $$update cohort.experiment set success_alpha = 0.1 where key = 'exp'$$, 'exp', '{"success_alpha": 0.1}', 'success_alpha'),
('document_field_type', '', null, 'exp', '{"segments": [1]}', 'segments[0]'),
('document_field_type', '', null, 'exp', '{"planned_units": 1.5}', 'planned_units'),
-- the metrics of an experiment
('experiment_metric_experiment_known', '', $$insert into cohort.experiment_metric (experiment, metric) values ('exp', 'unsubscribe')$$, null, null, null),
('experiment_metric_metric_known', :'e', $$insert into cohort.experiment_metric (experiment, metric) values ('exp', 'unsubscribes')$$,
    'exp', pg_temp.with_metric('{"metric": "unsubscribes"}'), 'metrics[0].metric'),
('experiment_metric_unique', :'pl', $$insert into cohort.experiment_metric (experiment, metric) values ('exp', 'visits')$$,
    'exp', '{"metrics": [{"metric": "visits"}, {"metric": "visits"}]}', 'metrics[1].metric'),
('experiment_metric_role_known', :'me', $$insert into cohort.experiment_metric (experiment, metric, role) values ('exp', 'visits', 'main')$$,
    'exp', pg_temp.with_metric('{"metric": "visits", "role": "main"}'), 'metrics[0].role'),
('experiment_metric_effect_range', :'me', $$insert into cohort.experiment_metric (experiment, metric, smallest_effect) values ('exp', 'visits', 0)$$,
    'exp', pg_temp.with_metric('{"metric": "visits", "smallest_effect": 0}'), 'metrics[0].smallest_effect'),
('experiment_metric_effect_range', :'me', $$insert into cohort.experiment_metric (experiment, metric, smallest_relative) values ('exp', 'visits', -0.1)$$,
    'exp', pg_temp.with_metric('{"metric": "visits", "smallest_relative": -0.1}'), 'metrics[0].smallest_relative'),
('experiment_metric_effect_range', :'me', $$insert into cohort.experiment_metric (experiment, metric, smallest_effect) values ('exp', 'visits', 'NaN')$$, null, null, null),
('experiment_metric_effect_twice', :'me', $$insert into cohort.experiment_metric (experiment, metric, smallest_effect, smallest_relative) values ('exp', 'visits', 1, 1)$$,
    'exp', pg_temp.with_metric('{"metric": "visits", "smallest_effect": 1, "smallest_relative": 1}'), 'metrics[0].smallest_relative'),
('experiment_metric_running_fixed', :'ps', $$update cohort.experiment_metric set smallest_effect = 0.02 where metric = 'conversion'$$,
    'exp', '{"metrics": [{"metric": "conversion", "role": "primary", "smallest_effect": 0.02}, {"metric": "slow", "role": "primary"}]}', 'metrics[0]'),
('experiment_metric_running_fixed', :'ps', $$delete from cohort.experiment_metric where metric = 'slow'$$,
    'exp', '{"metrics": [{"metric": "conversion", "role": "primary", "smallest_effect": 0.01}]}', 'metrics'),
('experiment_metric_running_fixed', :'ps', $$insert into cohort.experiment_metric (experiment, metric, role) values ('exp', 'revenue', 'primary')$$, null, null, null),
('key_fixed', :'pl', $$update cohort.experiment_metric set metric = 'revenue' where metric = 'slow'$$, null, null, null),
('document_field_type', '', null, 'exp', pg_temp.with_metric('"visits"'), 'metrics[0]'),
('document_field_missing', '', null, 'exp', pg_temp.with_metric('{"role": "primary"}'), 'metrics[0].metric'),
('document_field_unknown', '', null, 'exp', pg_temp.with_metric('{"metric": "refund", "rol": "primary"}'), 'metrics[0].rol'),
-- stop conditions
('stop_condition_experiment_known', '', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'srm')$$, null, null, null),
('stop_condition_kind_known', :'pl', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'boredom')$$,
    'exp', pg_temp.with_condition('{"kind": "boredom"}'), 'stop_conditions[0].kind'),
('stop_condition_action_known', :'pl', $$insert into cohort.stop_condition (experiment, kind, action) values ('exp', 'srm', 'halt')$$,
    'exp', pg_temp.with_condition('{"kind": "srm", "action": "halt"}'), 'stop_conditions[0].action'),
('stop_condition_success_back', :'pl', $$insert into cohort.stop_condition (experiment, kind, metric, action) values ('exp', 'success', 'conversion', 'roll_back')$$,
    'exp', pg_temp.with_condition('{"kind": "success", "metric": "conversion", "action": "roll_back"}'), 'stop_conditions[0].action'),
('stop_condition_missing', :'pl', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'no_outcomes')$$,
    'exp', pg_temp.with_condition('{"kind": "no_outcomes"}'), 'stop_conditions[0].minutes'),
('stop_condition_missing', :'pl', $$insert into cohort.stop_condition (experiment, kind, minutes) values ('exp', 'volume_drift', 60)$$,
    'exp', pg_temp.with_condition('{"kind": "volume_drift", "minutes": 60}'), 'stop_conditions[0].ratio'),
('stop_condition_missing', :'pl', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'max_duration')$$,
    'exp', pg_temp.with_condition('{"kind": "max_duration"}'), 'stop_conditions[0].seconds'),
('stop_condition_missing', :'pl', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'max_units')$$,
    'exp', pg_temp.with_condition('{"kind": "max_units"}'), 'stop_conditions[0].units'),
('stop_condition_needless', :'pl', $$insert into cohort.stop_condition (experiment, kind, minutes) values ('exp', 'srm', 5)$$,
    'exp', pg_temp.with_condition('{"kind": "srm", "minutes": 5}'), 'stop_conditions[0].minutes'),
('stop_condition_needless', :'pl', $$insert into cohort.stop_condition (experiment, kind, units, metric) values ('exp', 'max_units', 5, 'visits')$$,
    'exp', pg_temp.with_condition('{"kind": "max_units", "units": 5, "metric": "visits"}'), 'stop_conditions[0].metric'),
('stop_condition_minutes_range', :'pl', $$insert into cohort.stop_condition (experiment, kind, minutes) values ('exp', 'no_outcomes', 0)$$,
    'exp', pg_temp.with_condition('{"kind": "no_outcomes", "minutes": 0}'), 'stop_conditions[0].minutes'),
('stop_condition_ratio_range', :'pl', $$insert into cohort.stop_condition (experiment, kind, ratio) values ('exp', 'volume_drift', 1)$$,
    'exp', pg_temp.with_condition('{"kind": "volume_drift", "ratio": 1}'), 'stop_conditions[0].ratio'),
('stop_condition_ratio_range', :'pl', $$insert into cohort.stop_condition (experiment, kind, ratio) values ('exp', 'volume_drift', 'NaN')$$, null, null, null),
('stop_condition_seconds_range', :'pl', $$insert into cohort.stop_condition (experiment, kind, seconds) values ('exp', 'max_duration', 5)$$,
    'exp', pg_temp.with_condition('{"kind": "max_duration", "seconds": 5}'), 'stop_conditions[0].seconds'),
('stop_condition_units_range', :'pl', $$insert into cohort.stop_condition (experiment, kind, units) values ('exp', 'max_units', 1)$$,
    'exp', pg_temp.with_condition('{"kind": "max_units", "units": 1}'), 'stop_conditions[0].units'),
('stop_condition_weight_range', :'pl', $$insert into cohort.stop_condition (experiment, kind, weight) values ('exp', 'srm', 0)$$,
    'exp', pg_temp.with_condition('{"kind": "srm", "weight": 0}'), 'stop_conditions[0].weight'),
('stop_condition_metric_known', :'pl', $$insert into cohort.stop_condition (experiment, kind, metric, minutes) values ('exp', 'no_outcomes', 'nope', 5)$$,
    'exp', pg_temp.with_condition('{"kind": "no_outcomes", "metric": "nope", "minutes": 5}'), 'stop_conditions[0].metric'),
('stop_condition_primary', :'pl', $$insert into cohort.stop_condition (experiment, kind, metric) values ('exp', 'success', 'visits')$$,
    'exp', pg_temp.with_condition('{"kind": "success", "metric": "visits"}'), 'stop_conditions[0].metric'),
('stop_condition_primary', :'pl', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'success')$$,
    'exp', pg_temp.with_condition('{"kind": "success"}'), 'stop_conditions[0].metric'),
('stop_condition_primary', :'d', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'futility')$$,
    'exp', '{"stop_conditions": [{"kind": "futility"}]}', 'stop_conditions[0].metric'),
('stop_condition_direction', $$select pg_temp.planned(); update cohort.metric set direction_good = 'none' where key = 'conversion'$$,
    $$insert into cohort.stop_condition (experiment, kind, metric) values ('exp', 'success', 'conversion')$$,
    'exp', pg_temp.with_condition('{"kind": "success", "metric": "conversion"}'), 'stop_conditions[0].metric'),
('stop_condition_direction', $$select pg_temp.planned(); insert into cohort.stop_condition (experiment, kind, metric) values ('exp', 'success', 'conversion');
    update cohort.metric set direction_good = 'none' where key = 'conversion'$$, $$select cohort.start('exp')$$, null, null, null),
('stop_condition_metric_kind', :'pl', $$insert into cohort.stop_condition (experiment, kind, metric) values ('exp', 'success', 'slow')$$,
    'exp', pg_temp.with_condition('{"kind": "success", "metric": "slow"}'), 'stop_conditions[0].metric'),
('stop_condition_effect', $$select pg_temp.planned(); update cohort.experiment_metric set smallest_effect = null$$,
    $$insert into cohort.stop_condition (experiment, kind, metric) values ('exp', 'futility', 'conversion')$$,
    'exp', '{"metrics": [{"metric": "conversion", "role": "primary"}], "stop_conditions": [{"kind": "futility"}]}', 'stop_conditions[0].metric'),
('stop_condition_nothing', $$insert into cohort.experiment (key) values ('exp'); insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'control', 500000, '"a"'), ('exp', 'b', 500000, '"b"');
    insert into cohort.stop_condition (experiment, kind, minutes) values ('exp', 'no_outcomes', 5)$$, $$select cohort.start('exp')$$, null, null, null),
('stop_condition_unique', $$select pg_temp.planned(); insert into cohort.stop_condition (experiment, kind) values ('exp', 'srm')$$,
    $$insert into cohort.stop_condition (experiment, kind, weight) values ('exp', 'srm', 2)$$, 'exp', '{"stop_conditions": [{"kind": "srm"}, {"kind": "srm", "weight": 2}]}', 'stop_conditions[1]'),
('stop_condition_running_fixed', :'r', $$insert into cohort.stop_condition (experiment, kind) values ('exp', 'srm')$$, 'exp', '{"stop_conditions": [{"kind": "srm"}]}', 'stop_conditions[0]'),
('stop_condition_running_fixed', $$select pg_temp.watching('success')$$, $$delete from cohort.stop_condition$$, null, null, null),
('stop_condition_running_fixed', $$select pg_temp.watching('success')$$, $$update cohort.stop_condition set weight = 2$$, null, null, null),
('document_field_type', '', null, 'exp', '{"stop_conditions": ["srm"]}', 'stop_conditions[0]'),
('document_field_type', '', null, 'exp', '{"stop_conditions": [{"kind": "max_units", "units": 1e30}]}', 'stop_conditions[0].units'),
('document_field_missing', '', null, 'exp', '{"stop_conditions": [{"action": "stop"}]}', 'stop_conditions[0].kind'),
('document_field_unknown', '', null, 'exp', '{"stop_conditions": [{"kind": "srm", "alpha": 0.05}]}', 'stop_conditions[0].alpha');
