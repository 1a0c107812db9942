-- Cases of sql_cases.sql for bandits and contextual bandits.
create function pg_temp.bandit(kind text default 'bandit') returns void language sql as $$
    insert into cohort.metric (key, event, window_end_s) values ('paid', 'paid', 3600);
    insert into cohort.experiment (key, kind) values ('ban', kind);
    insert into cohort.variant (experiment, key, share_ppm, value)
    select 'ban', v, 333333 + (v = 'control')::int, to_jsonb(v) from unnest('{control,b,c}'::text[]) v;
    insert into cohort.bandit (experiment, reward) values ('ban', 'paid') $$;
create function pg_temp.contextual() returns void language sql as $$
    select pg_temp.bandit('contextual');
    insert into cohort.contextual (experiment, features) values ('ban', '[{"name": "age", "attribute": "age", "kind": "number"}]') $$;
create function pg_temp.bandit_runs() returns void language sql as $$ select pg_temp.bandit(); select cohort.start('ban') $$;
create function pg_temp.contextual_runs() returns void language sql as $$ select pg_temp.contextual(); select cohort.start('ban') $$;
create function pg_temp.with_bandit(patch jsonb) returns jsonb language sql as $$
    select jsonb_build_object('bandit', '{"reward": "paid"}'::jsonb || patch,
        'variants', '[{"key": "control", "value": "a"}, {"key": "b", "value": "b"}, {"key": "c", "value": "c"}]'::jsonb, 'guardrails', '[]'::jsonb) $$;
create function pg_temp.with_contextual(patch jsonb) returns jsonb language sql as $$
    select pg_temp.with_bandit('{}') || jsonb_build_object('contextual', '{"features": [{"name": "age", "attribute": "age", "kind": "number"}]}'::jsonb || patch) $$;
grant execute on all functions in schema pg_temp to public;

\set b 'select pg_temp.bandit()'
\set br 'select pg_temp.bandit_runs()'
\set x 'select pg_temp.contextual()'
\set xr 'select pg_temp.contextual_runs()'

insert into cases (rule, setup, sql, put_key, patch, path) values
('experiment_kind_known', '', $$insert into cohort.experiment (key, kind) values ('exp', 'bandits')$$, null, null, null),
('bandit_experiment_known', '', $$insert into cohort.bandit (experiment, reward) values ('ban', 'unsubscribe')$$, null, null, null),
('bandit_experiment_known', :'d', $$insert into cohort.bandit (experiment, reward) values ('exp', 'unsubscribe')$$, null, null, null),
('bandit_unique', :'b', $$insert into cohort.bandit (experiment, reward) values ('ban', 'unsubscribe')$$, null, null, null),
('bandit_running_fixed', :'br', $$update cohort.bandit set floor_ppm = 20000$$, null, null, null),
('bandit_running_fixed', :'br', $$delete from cohort.bandit$$, null, null, null),
('bandit_running_fixed', :'xr', $$update cohort.contextual set ridge = 2$$, null, null, null),
('key_fixed', :'b', $$update cohort.bandit set experiment = 'other'$$, null, null, null),
('key_fixed', :'x', $$update cohort.contextual set experiment = 'other'$$, null, null, null),
('bandit_reward_known', :'b', $$update cohort.bandit set reward = 'payd'$$, 'ban', pg_temp.with_bandit('{"reward": "payd"}'), 'bandit.reward'),
('bandit_reward_kind', :'b', $$insert into cohort.metric (key, event, kind, quantile, window_end_s) values ('p95', 'paid', 'quantile', 0.95, 60); update cohort.bandit set reward = 'p95'$$, null, null, null),
('bandit_reward_window', :'b', $$insert into cohort.metric (key, event) values ('ever', 'paid'); update cohort.bandit set reward = 'ever'$$, null, null, null),
('bandit_reward_window', :'b', $$update cohort.metric set window_end_s = null where key = 'paid'; select cohort.start('ban')$$, null, null, null),
('bandit_assign_known', :'b', $$update cohort.bandit set assign = 'user'$$, 'ban', pg_temp.with_bandit('{"assign": "user"}'), 'bandit.assign'),
('bandit_assign_contextual', :'x', $$update cohort.bandit set assign = 'unit'$$, 'ban', pg_temp.with_contextual('{}') || '{"bandit": {"reward": "paid", "assign": "unit"}}', 'bandit.assign'),
('prerequisite_decisions', $$select pg_temp.bandit(); update cohort.bandit set assign = 'decision'; select pg_temp.draft()$$,
    $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'ban', '{b}')$$,
    'exp', '{"prerequisites": [{"experiment": "ban", "variants": ["b"]}]}', 'prerequisites[0].experiment'),
('prerequisite_decisions', $$select pg_temp.bandit(); select pg_temp.draft(); insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'ban', '{b}')$$,
    $$update cohort.bandit set assign = 'decision'$$, 'ban', pg_temp.with_bandit('{"assign": "decision"}'), 'bandit.assign'),
('bandit_floor_range', :'b', $$update cohort.bandit set floor_ppm = 999$$, 'ban', pg_temp.with_bandit('{"floor_ppm": 999}'), 'bandit.floor_ppm'),
('bandit_floor_arms', :'b', $$update cohort.bandit set floor_ppm = 333334; select cohort.start('ban')$$, null, null, null),
('bandit_every_range', :'b', $$update cohort.bandit set every_s = 9$$, 'ban', pg_temp.with_bandit('{"every_s": 9}'), 'bandit.every_s'),
('bandit_warm_up_range', :'b', $$update cohort.bandit set warm_up = 0$$, 'ban', pg_temp.with_bandit('{"warm_up": 0}'), 'bandit.warm_up'),
('bandit_half_life_range', :'b', $$update cohort.bandit set half_life_s = 59$$, 'ban', pg_temp.with_bandit('{"half_life_s": 59}'), 'bandit.half_life_s'),
('bandit_uniform_range', :'b', $$update cohort.bandit set uniform_ppm = 500001$$, 'ban', pg_temp.with_bandit('{"uniform_ppm": 500001}'), 'bandit.uniform_ppm'),
('bandit_uniform_traffic', :'b', $$update cohort.experiment set traffic_ppm = 50000; select cohort.start('ban')$$, null, null, null),
('bandit_stick_range', :'b', $$update cohort.bandit set stick_s = -1$$, 'ban', pg_temp.with_bandit('{"stick_s": -1}'), 'bandit.stick_s'),
('bandit_stick_unit', :'b', $$update cohort.bandit set assign = 'decision', stick_s = 60$$, 'ban', pg_temp.with_bandit('{"assign": "decision", "stick_s": 60}'), 'bandit.stick_s'),
('bandit_stick_updates', :'b', $$update cohort.bandit set every_s = 10, stick_s = 10010$$, 'ban', pg_temp.with_bandit('{"every_s": 10, "stick_s": 10010}'), 'bandit.every_s'),
('bandit_promote_known', :'b', $$update cohort.bandit set promote = 'me'$$, 'ban', pg_temp.with_bandit('{"promote": "me"}'), 'bandit.promote'),
('bandit_missing', :'b', $$delete from cohort.bandit; select cohort.start('ban')$$, null, null, null),
('bandit_kind', :'b', $$update cohort.experiment set kind = 'ab' where key = 'ban'; select cohort.start('ban')$$, null, null, null),
('bandit_shares_equal', :'b', $$update cohort.variant set share_ppm = 333335 where key = 'c'; update cohort.variant set share_ppm = 333331 where key = 'b'; update cohort.variant set share_ppm = 333334 where key = 'control'; select cohort.start('ban')$$, null, null, null),
('bandit_variants_most', :'b', $$delete from cohort.variant; insert into cohort.variant (experiment, key, share_ppm, value, is_control) select 'ban', 'v' || i, 30303 + (i = 1)::int, to_jsonb(i), i = 1 from generate_series(1, 33) i; select cohort.start('ban')$$, null, null, null),
('bandit_exposure', :'b', $$update cohort.bandit set assign = 'decision'; update cohort.experiment set exposure = 'reported'; select cohort.start('ban')$$, null, null, null),
('bandit_sticky', :'b', $$update cohort.bandit set assign = 'decision'; update cohort.experiment set sticky = true; select cohort.start('ban')$$, null, null, null),
('bandit_ramp_shares', :'b', $$update cohort.experiment set traffic_ppm = 100000; insert into cohort.ramp_step (experiment, traffic_ppm, shares) values ('ban', 200000, '{"control": 1000000}'); select cohort.start('ban')$$, null, null, null),
('ramp_shares_owned', :'b' || $$; update cohort.experiment set traffic_ppm = 100000; select cohort.start('ban')$$, $$select cohort.ramp('ban', 200000, '{"control": 1000000}')$$, null, null, null),
('metric_rewarded', :'br', $$update cohort.metric set window_end_s = null where key = 'paid'$$, null, null, null),
('metric_rewarded', :'br', $$update cohort.metric set direction_good = 'down' where key = 'paid'$$, null, null, null),
('metric_in_use', :'b', $$delete from cohort.metric where key = 'paid'$$, null, null, null),
('drop_safe', :'x' || $$; update cohort.contextual set safe_variant = 'b'; select cohort.start('ban')$$, $$select cohort.drop_arm('ban', 'b')$$, null, null, null),
('contextual_bandit_known', $$select pg_temp.bandit('contextual'); delete from cohort.bandit$$, $$insert into cohort.contextual (experiment, features) values ('ban', '[]')$$, null, null, null),
('contextual_unique', :'x', $$insert into cohort.contextual (experiment, features) values ('ban', '[]')$$, null, null, null),
('contextual_missing', $$select pg_temp.bandit('contextual')$$, $$select cohort.start('ban')$$, null, null, null),
('contextual_kind', :'b', $$insert into cohort.contextual (experiment, features) values ('ban', '[]')$$, null, null, null),
('contextual_kind', :'x', $$update cohort.experiment set kind = 'bandit' where key = 'ban'; select cohort.start('ban')$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '{}'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[]'$$, 'ban', pg_temp.with_contextual('{"features": []}'), 'contextual.features'),
('contextual_features', :'x', $$update cohort.contextual set features = '["age"]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "age", "attribute": "age", "kind": "text"}]'$$, 'ban', pg_temp.with_contextual('{"features": [{"name": "age", "attribute": "age", "kind": "text"}]}'), 'contextual.features[0]'),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "age", "attribute": "age"}]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "age", "attribute": "age", "kind": "number", "values": []}]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "", "attribute": "age", "kind": "number"}]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = features || features$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "age", "kind": "number"}]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "id", "attribute": "user", "kind": "number"}]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "plan", "attribute": "plan", "kind": "one_hot", "values": ["a", "a"]}]'$$, null, null, null),
('contextual_features', :'x', $$update cohort.contextual set features = '[{"name": "x", "kind": "interaction", "of": ["age", "plan"]}]'$$, null, null, null),
('contextual_features_most', :'x', $$update cohort.contextual set features = (select jsonb_agg(jsonb_build_object('name', 'f' || i, 'attribute', 'f' || i, 'kind', 'number')) from generate_series(1, 65) i)$$, null, null, null),
('contextual_features_most', :'x', $$update cohort.contextual set features = jsonb_build_array(jsonb_build_object('name', 'f', 'attribute', 'f', 'kind', 'one_hot', 'values', (select jsonb_agg('v' || i) from generate_series(1, 256) i)))$$, null, null, null),
('contextual_safe_known', :'x', $$update cohort.contextual set safe_variant = 'd'; select cohort.start('ban')$$, null, null, null),
('contextual_threshold_range', :'x', $$update cohort.contextual set threshold_ppm = 1000001$$, 'ban', pg_temp.with_contextual('{"threshold_ppm": 1000001}'), 'contextual.threshold_ppm'),
('contextual_gamma_range', :'x', $$update cohort.contextual set gamma = 0$$, 'ban', pg_temp.with_contextual('{"gamma": 0}'), 'contextual.gamma'),
('contextual_ridge_range', :'x', $$update cohort.contextual set ridge = 'NaN'$$, null, null, null),
('model_known', 'select pg_temp.contextual_runs()', $$select cohort.use_model('ban', 7)$$, null, null, null),
('model_kind', 'select pg_temp.bandit_runs()', $$select cohort.use_model('ban', 1)$$, null, null, null),
('model_variants', 'select pg_temp.contextual_runs()', $$insert into cohort.model (experiment, experiment_id, version, document) select 'ban', id, 1, '{"weights": {"control": [0, 0]}}' from cohort.experiment where key = 'ban'; select cohort.use_model('ban', 1)$$, null, null, null),
('challenger_known', 'select pg_temp.bandit_runs()', $$select cohort.off_policy('ban', 'nobody')$$, null, null, null),
('challenger_key_format', 'select pg_temp.bandit()', $$insert into cohort.challenger (experiment, key, policy) values ('ban', 'No Key', '{"kind": "uniform"}')$$, null, null, null),
('challenger_key_unique', 'select pg_temp.bandit()', $$insert into cohort.challenger (experiment, key, policy) select 'ban', 'twice', '{"kind": "uniform"}' from generate_series(1, 2)$$, null, null, null),
('challenger_experiment_known', null, $$insert into cohort.challenger (experiment, key, policy) values ('nowhere', 'a', '{"kind": "uniform"}')$$, null, null, null),
('challenger_fixed', 'select pg_temp.bandit()', $$insert into cohort.challenger (experiment, key, policy) values ('ban', 'a', '{"kind": "uniform"}'); update cohort.challenger set policy = '{"kind": "variant", "variant": "b"}'$$, null, null, null),
('challenger_policy', 'select pg_temp.bandit()', $$insert into cohort.challenger (experiment, key, policy) values ('ban', 'a', '{"kind": "guess"}')$$, null, null, null),
('challenger_variant_known', 'select pg_temp.bandit()', $$insert into cohort.challenger (experiment, key, policy) values ('ban', 'a', '{"kind": "variant", "variant": "d"}')$$, null, null, null),
('challenger_attribute', 'select pg_temp.contextual()', $$insert into cohort.challenger (experiment, key, policy) values ('ban', 'a', '{"kind": "rule", "rules": [{"condition": {"$or": [{"shoe": 44}]}, "variant": "b"}], "otherwise": "c"}')$$, null, null, null),
('challenger_count', 'select pg_temp.bandit()', $$insert into cohort.challenger (experiment, key, policy) select 'ban', 'c' || i, '{"kind": "uniform"}' from generate_series(1, 21) i$$, null, null, null),
('challenger_rule_promote', 'select pg_temp.contextual_runs()', $$insert into cohort.challenger (experiment, key, policy) values ('ban', 'a', '{"kind": "rule", "rules": [{"condition": {"age": {"$lt": 30}}, "variant": "b"}], "otherwise": "c"}'); select cohort.promote_challenger('ban', 'a')$$, null, null, null),
('challenger_promote_kind', null, $$insert into cohort.experiment (key) values ('plain'); insert into cohort.variant (experiment, key, share_ppm, value) values ('plain', 'control', 500000, '1'), ('plain', 'b', 500000, '2'); select cohort.start('plain'); insert into cohort.challenger (experiment, key, policy) values ('plain', 'a', '{"kind": "uniform"}'); select cohort.promote_challenger('plain', 'a')$$, null, null, null);
