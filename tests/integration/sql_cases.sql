-- One bad definition for each rule in cohort.error_message, tried by plain SQL and, where a document can say the
-- same, by put_experiment(): same rule, same sentence, same hint, and the field's path as DETAIL. Prints a line
-- a case; "not ok" lines are failures. A rule without a case fails.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
set cohort.reason = '';

-- rule, what is there before, the SQL that breaks it, the key and the change of the document that break it, where.
create temp table cases (n int generated always as identity, rule text, setup text, sql text, put_key text, patch jsonb, path text);

create function pg_temp.base() returns jsonb language sql as $$
    select '{"variants": [{"key": "control", "share_ppm": 500000, "value": "a"}, {"key": "b", "share_ppm": 500000, "value": "b"}],
             "guardrails": [{"metric": "unsubscribe"}]}'::jsonb $$;
create function pg_temp.draft() returns void language sql as $$
    insert into cohort.experiment (key) values ('exp');
    insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'control', 500000, '"a"'), ('exp', 'b', 500000, '"b"');
    insert into cohort.guardrail (experiment, metric) values ('exp', 'unsubscribe') $$;
create function pg_temp.running() returns void language sql as $$ select pg_temp.draft(); select cohort.start('exp') $$;
create function pg_temp.stopped() returns void language sql as $$ select pg_temp.running(); select cohort.stop('exp') $$;
create function pg_temp.archived() returns void language sql as $$ select pg_temp.stopped(); select cohort.archive('exp') $$;
create function pg_temp.guard_stopped() returns void language sql as $$
    select pg_temp.running();
    insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
    select e.id, 1, g.id, v.id, 1, 'Too many unsubscribed.', '{}'
      from cohort.experiment e, cohort.guardrail g, cohort.variant v where e.key = 'exp' and g.experiment = 'exp' and v.key = 'b' $$;
-- What a statement is refused with; everything it did is undone.
create function pg_temp.attempt(setup text, statement text, out rule text, out message text, out hint text, out detail text, out state text)
language plpgsql as $$
begin
    begin
        if setup <> '' then execute setup; end if;
        execute statement;
        set constraints all immediate;
        raise exception 'it was accepted';
    exception when others then
        get stacked diagnostics rule = constraint_name, message = message_text, hint = pg_exception_hint,
            detail = pg_exception_detail, state = returned_sqlstate;
    end;
end $$;
create function pg_temp.with_variants(list text) returns jsonb language sql as $$ select jsonb_build_object('variants', list::jsonb) $$;
create function pg_temp.with_second(item text) returns jsonb language sql as $$
    select jsonb_build_object('variants', jsonb_build_array(pg_temp.base() #> '{variants,0}', item::jsonb)) $$;
create function pg_temp.with_guardrail(item text) returns jsonb language sql as $$
    select jsonb_build_object('guardrails', jsonb_build_array(item::jsonb)) $$;

\set d 'select pg_temp.draft()'
\set r 'select pg_temp.running()'
\set s 'select pg_temp.stopped()'
\set a 'select pg_temp.archived()'
\set g 'select pg_temp.guard_stopped()'
\set e 'insert into cohort.experiment (key) values (\'exp\')'
\set c 'insert into cohort.experiment (key) values (\'exp\'); insert into cohort.variant (experiment, key, share_ppm, value) values (\'exp\', \'control\', 500000, \'"a"\')'
\set m 'insert into cohort.metric (key, event, kind) values (\'spend\', \'purchase\', \'mean\'), (\'churn\', \'churn\', \'binary\')'
\set em 'insert into cohort.experiment (key) values (\'exp\'); insert into cohort.metric (key, event, kind) values (\'spend\', \'purchase\', \'mean\'), (\'churn\', \'churn\', \'binary\')'

insert into cases (rule, setup, sql, put_key, patch, path) values
('key_fixed', :'d', $$update cohort.experiment set key = 'other' where key = 'exp'$$, null, null, null),
('key_fixed', :'d', $$update cohort.variant set key = 'other' where experiment = 'exp' and key = 'b'$$, null, null, null),
('key_fixed', :'d', $$update cohort.flag set key = 'other' where key = 'exp'$$, null, null, null),
('key_fixed', '', $$update cohort.metric set key = 'other' where key = 'refund'$$, null, null, null),
('key_fixed', '', $$update cohort.environment set key = 'other'$$, null, null, null),
('environment_known', $$set local cohort.environment = 'nowhere'$$, $$insert into cohort.experiment (key) values ('exp')$$, 'exp', '{}', 'environment'),
('environment_known', '', $$insert into cohort.flag (environment, key) values ('nowhere', 'f')$$, null, null, null),
('environment_key_format', '', $$insert into cohort.environment (key) values ('No Good')$$, null, null, null),
('environment_key_unique', '', $$insert into cohort.environment (key) values ('production')$$, null, null, null),
('json_size', :'c', $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'b', 500000, to_jsonb(repeat('x', 70000)))$$,
    'exp', pg_temp.with_second(format('{"key": "b", "share_ppm": 500000, "value": "%s"}', repeat('x', 70000))), 'variants[1].value'),
('json_depth', :'c', $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'b', 500000, ('{"a":' || repeat('[', 20) || repeat(']', 20) || '}')::jsonb)$$,
    'exp', pg_temp.with_second(format('{"key": "b", "share_ppm": 500000, "value": {"a":%s%s}}', repeat('[', 20), repeat(']', 20))), 'variants[1].value'),
('json_number', :'c', $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'b', 500000, '1e400')$$,
    'exp', pg_temp.with_second('{"key": "b", "share_ppm": 500000, "value": 1e400}'), 'variants[1].value'),
('json_number', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"n": {"$in": [1, 12345678901234567890]}}')$$,
    'exp', '{"condition": {"n": {"$in": [1, 12345678901234567890]}}}', 'condition'),
('condition_object', '', $$insert into cohort.experiment (key, condition) values ('exp', '["DE"]')$$, 'exp', '{"condition": ["DE"]}', 'condition'),
('condition_object', '', $$insert into cohort.experiment (key, condition) values ('exp', 'null')$$, 'exp', '{"condition": null}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"country": {"$near": "DE"}}')$$,
    'exp', '{"condition": {"country": {"$near": "DE"}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$xor": [{"country": "DE"}]}')$$,
    'exp', '{"condition": {"$xor": [{"country": "DE"}]}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$in": ["DE"]}')$$,
    'exp', '{"condition": {"$in": ["DE"]}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$regex": {"$eq": "DE"}}')$$,
    'exp', '{"condition": {"$regex": {"$eq": "DE"}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$segmnt": "germany"}')$$,
    'exp', '{"condition": {"$segmnt": "germany"}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$or": [{"country": "DE"}, {"$and": [{"country": {"$near": 1}}]}]}')$$,
    'exp', '{"condition": {"$or": [{"country": "DE"}, {"$and": [{"country": {"$near": 1}}]}]}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"country": {"$not": {"$near": 1}}}')$$,
    'exp', '{"condition": {"country": {"$not": {"$near": 1}}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"tags": {"$elemMatch": {"name": {"$near": 1}}}}')$$,
    'exp', '{"condition": {"tags": {"$elemMatch": {"name": {"$near": 1}}}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"tags": {"$all": ["a", {"$near": 1}]}}')$$,
    'exp', '{"condition": {"tags": {"$all": ["a", {"$near": 1}]}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"country": {"$or": [{"$eq": "DE"}]}}')$$,
    'exp', '{"condition": {"country": {"$or": [{"$eq": "DE"}]}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"country": {"$eq": "DE", "in": 1}}')$$,
    'exp', '{"condition": {"country": {"$eq": "DE", "in": 1}}}', 'condition'),
('condition_operator', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"geo": {"country": {"$eq": "DE"}}}')$$,
    'exp', '{"condition": {"geo": {"country": {"$eq": "DE"}}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"country": {"$in": "DE"}}')$$,
    'exp', '{"condition": {"country": {"$in": "DE"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$or": {"country": "DE"}}')$$,
    'exp', '{"condition": {"$or": {"country": "DE"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$and": [{"country": "DE"}, 7]}')$$,
    'exp', '{"condition": {"$and": [{"country": "DE"}, 7]}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$not": "DE"}')$$,
    'exp', '{"condition": {"$not": "DE"}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$segment": ["germany"]}')$$,
    'exp', '{"condition": {"$segment": ["germany"]}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"country": {"$nini": "DE"}}')$$,
    'exp', '{"condition": {"country": {"$nini": "DE"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"age": {"$gt": null}}')$$,
    'exp', '{"condition": {"age": {"$gt": null}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"age": {"$exists": "yes"}}')$$,
    'exp', '{"condition": {"age": {"$exists": "yes"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"age": {"$type": "integer"}}')$$,
    'exp', '{"condition": {"age": {"$type": "integer"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"tags": {"$size": "two"}}')$$,
    'exp', '{"condition": {"tags": {"$size": "two"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"tags": {"$elemMatch": "a"}}')$$,
    'exp', '{"condition": {"tags": {"$elemMatch": "a"}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"version": {"$vgt": 1.2}}')$$,
    'exp', '{"condition": {"version": {"$vgt": 1.2}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"id": {"$inGroup": ["a", "b"]}}')$$,
    'exp', '{"condition": {"id": {"$inGroup": ["a", "b"]}}}', 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"email": {"$regex": 7}}')$$,
    'exp', '{"condition": {"email": {"$regex": 7}}}', 'condition'),
('condition_pattern', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"email": {"$regex": "(example"}}')$$,
    'exp', '{"condition": {"email": {"$regex": "(example"}}}', 'condition'),
('condition_pattern', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"email": {"$not": {"$regexi": "[z-a]"}}}')$$,
    'exp', '{"condition": {"email": {"$not": {"$regexi": "[z-a]"}}}}', 'condition'),
('condition_path', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"address..city": "Bonn"}')$$,
    'exp', '{"condition": {"address..city": "Bonn"}}', 'condition'),
('condition_path', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$or": [{"": 1}]}')$$,
    'exp', '{"condition": {"$or": [{"": 1}]}}', 'condition'),
('condition_path', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"tags": {"$elemMatch": {".name": "x"}}}')$$,
    'exp', '{"condition": {"tags": {"$elemMatch": {".name": "x"}}}}', 'condition'),
('condition_pattern', '', $$insert into cohort.experiment (key, condition) values ('exp', jsonb_build_object('email', jsonb_build_object('$regex', repeat('x', 1001))))$$,
    'exp', jsonb_build_object('condition', jsonb_build_object('email', jsonb_build_object('$regex', repeat('x', 1001)))), 'condition'),
('condition_operand', '', $$insert into cohort.experiment (key, condition) values ('exp', jsonb_build_object('tags', jsonb_build_object('$all', array(select generate_series(1, 1025)))))$$,
    'exp', jsonb_build_object('condition', jsonb_build_object('tags', jsonb_build_object('$all', array(select generate_series(1, 1025))))), 'condition'),
('flag_key_format', '', $$insert into cohort.flag (key) values ('Bad')$$, null, null, null),
('flag_key_unique', :'d', $$insert into cohort.flag (key) values ('exp')$$, null, null, null),
('flag_type_known', :'d', $$update cohort.flag set type = 'text' where key = 'exp'$$, 'exp', '{"type": "text"}', 'type'),
('flag_type_fixed', :'r', $$update cohort.flag set type = 'number' where key = 'exp'$$, 'exp', '{"type": "number"}', 'type'),
('flag_default_type', '', $$insert into cohort.flag (key, type, default_value) values ('f', 'number', '"5"')$$, null, null, null),
('flag_default_type', '', $$insert into cohort.flag (key, default_value) values ('f', '[]')$$, null, null, null),
('flag_in_use', :'d', $$delete from cohort.flag where key = 'exp'$$, null, null, null),
('flag_rule_flag_known', '', $$insert into cohort.flag_rule (flag, kind, value) values ('nope', 'force', '1')$$, null, null, null),
('flag_rule_experiment_known', :'d', $$insert into cohort.flag_rule (flag, kind, experiment) values ('exp', 'experiment', 'nope')$$, null, null, null),
('flag_rule_experiment_once', :'d', $$insert into cohort.flag_rule (flag, kind, experiment) values ('exp', 'experiment', 'exp')$$, null, null, null),
('flag_rule_kind_known', :'d', $$insert into cohort.flag_rule (flag, kind, value) values ('exp', 'bandit', '1')$$, null, null, null),
('flag_rule_shape', :'d', $$insert into cohort.flag_rule (flag, kind) values ('exp', 'force')$$, null, null, null),
('flag_rule_shape', :'d', $$insert into cohort.flag_rule (flag, kind, value) values ('exp', 'rollout', '1')$$, null, null, null),
('flag_rule_share_range', :'d', $$insert into cohort.flag_rule (flag, kind, value, share_ppm) values ('exp', 'rollout', '1', 1000001)$$, null, null, null),
('flag_rule_unit_type_format', :'d', $$insert into cohort.flag_rule (flag, kind, value, share_ppm, unit_type) values ('exp', 'rollout', '1', 5, 'U')$$, null, null, null),
('flag_rule_value_type', :'r', $$insert into cohort.flag_rule (flag, kind, value) values ('exp', 'force', '5')$$, null, null, null),
('flag_rule_salt_fixed', :'d', $$insert into cohort.flag_rule (flag, kind, value, share_ppm, salt) values ('exp', 'rollout', '1', 5, '\x00')$$, null, null, null),
('flag_rule_running', :'r', $$delete from cohort.flag_rule where experiment = 'exp'$$, null, null, null),
('experiment_key_format', '', $$insert into cohort.experiment (key) values ('Check out')$$, 'Check out', '{}', 'key'),
('experiment_key_format', '', $$insert into cohort.experiment (key) values (repeat('a', 101))$$, repeat('a', 101), '{}', 'key'),
('experiment_key_format', '', $$insert into cohort.experiment (key) values (E'a\nb')$$, E'a\nb', '{}', 'key'),
('experiment_key_format', '', $$insert into cohort.experiment (key) values (null)$$, null, null, null),
('experiment_key_unique', :'d', $$insert into cohort.experiment (key) values ('exp')$$, null, null, null),
('experiment_known', '', $$select cohort.start('nope')$$, null, null, null),
('experiment_known', '', $$select cohort.stop('nope')$$, null, null, null),
('experiment_known', '', $$select cohort.archive(null)$$, null, null, null),
('experiment_flag_known', '', $$insert into cohort.experiment (key, flag) values ('exp', 'nope')$$, 'exp', '{"flag": "nope"}', 'flag'),
('experiment_kind_known', '', $$insert into cohort.experiment (key, kind) values ('exp', 'switchback')$$, null, null, null),
('experiment_origin_known', '', $$insert into cohort.experiment (key, origin) values ('exp', 'elsewhere')$$, null, null, null),
('experiment_unit_type_format', '', $$insert into cohort.experiment (key, unit_type) values ('exp', 'User Id')$$, 'exp', '{"unit_type": "User Id"}', 'unit_type'),
('experiment_text_length', '', $$insert into cohort.experiment (key, description) values ('exp', repeat('x', 10001))$$,
    'exp', jsonb_build_object('description', repeat('x', 10001)), 'description'),
('experiment_text_length', :'d', $$update cohort.experiment set owner = repeat('x', 201) where key = 'exp'$$,
    'exp', jsonb_build_object('owner', repeat('x', 201)), 'owner'),
('experiment_traffic_range', '', $$insert into cohort.experiment (key, traffic_ppm) values ('exp', 0)$$, 'exp', '{"traffic_ppm": 0}', 'traffic_ppm'),
('experiment_traffic_range', '', $$insert into cohort.experiment (key, traffic_ppm) values ('exp', 1000001)$$, 'exp', '{"traffic_ppm": 1000001}', 'traffic_ppm'),
('experiment_exposure_known', '', $$insert into cohort.experiment (key, exposure) values ('exp', 'always')$$, 'exp', '{"exposure": "always"}', 'exposure'),
('experiment_alpha_range', '', $$insert into cohort.experiment (key, alpha) values ('exp', 0)$$, 'exp', '{"alpha": 0}', 'alpha'),
('experiment_alpha_range', '', $$insert into cohort.experiment (key, alpha) values ('exp', 0.51)$$, 'exp', '{"alpha": 0.51}', 'alpha'),
('experiment_alpha_range', '', $$insert into cohort.experiment (key, alpha) values ('exp', 'NaN')$$, null, null, null),
('experiment_alpha_range', :'d', $$update cohort.experiment set alert_alpha = 1 where key = 'exp'$$, 'exp', '{"alert_alpha": 1}', 'alert_alpha'),
('experiment_salt_fixed', :'d', $$update cohort.experiment set salt = decode(repeat('00', 16), 'hex') where key = 'exp'$$, null, null, null),
('experiment_salt_fixed', '', $$insert into cohort.experiment (key, salt) values ('exp', decode(repeat('00', 16), 'hex'))$$, null, null, null),
('experiment_times_fixed', :'r', $$update cohort.experiment set started_at = now() - interval '1 day' where key = 'exp'$$, null, null, null),
('experiment_times_fixed', '', $$insert into cohort.experiment (key, iteration) values ('exp', 2)$$, null, null, null),
('experiment_running_fixed', :'r', $$update cohort.experiment set traffic_ppm = 5 where key = 'exp'$$, 'exp', '{"traffic_ppm": 5}', 'traffic_ppm'),
('experiment_running_fixed', :'r', $$update cohort.experiment set unit_type = 'device' where key = 'exp'$$, 'exp', '{"unit_type": "device"}', 'unit_type'),
('experiment_running_fixed', :'r', $$update cohort.experiment set condition = '{"country": "DE"}' where key = 'exp'$$, 'exp', '{"condition": {"country": "DE"}}', 'condition'),
('experiment_running_fixed', :'s', $$update cohort.experiment set alpha = 0.1 where key = 'exp'$$, 'exp', '{"alpha": 0.1}', 'alpha'),
('experiment_running_fixed', :'g', $$update cohort.experiment set alpha = 0.1 where key = 'exp'$$, 'exp', '{"alpha": 0.1}', 'alpha'),
('experiment_delete_running', :'r', $$delete from cohort.experiment where key = 'exp'$$, null, null, null),
('experiment_delete_running', :'a', $$delete from cohort.experiment where key = 'exp'$$, null, null, null),
('experiment_status_known', :'d', $$update cohort.experiment set status = 'live' where key = 'exp'$$, null, null, null),
('experiment_status_known', '', $$insert into cohort.experiment (key, status) values ('exp', 'running')$$, null, null, null),
('experiment_back_to_draft', :'r', $$update cohort.experiment set status = 'draft' where key = 'exp'$$, null, null, null),
('experiment_already_running', :'r', $$select cohort.start('exp')$$, null, null, null),
('experiment_stopped', :'s', $$select cohort.start('exp')$$, null, null, null),
('experiment_stopped', :'s', $$update cohort.experiment set status = 'running' where key = 'exp'$$, null, null, null),
('experiment_stopped', :'g', $$select cohort.start('exp')$$, null, null, null),
('experiment_archived', :'a', $$select cohort.start('exp')$$, null, null, null),
('experiment_archived', :'a', $$select cohort.stop('exp')$$, null, null, null),
('experiment_archived', :'a', $$select cohort.archive('exp')$$, null, null, null),
('experiment_not_running', :'d', $$select cohort.stop('exp')$$, null, null, null),
('experiment_not_running', :'s', $$select cohort.stop('exp')$$, null, null, null),
('experiment_not_running', :'g', $$select cohort.stop('exp')$$, null, null, null),
('experiment_archive_running', :'r', $$select cohort.archive('exp')$$, null, null, null),
('experiment_variants_two', :'e', $$select cohort.start('exp')$$, null, null, null),
('experiment_variants_two', :'e' || $$; insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'control', 1000000)$$,
    $$select cohort.start('exp')$$, null, null, null),
('experiment_control_missing', :'e' || $$; insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'a', 500000, '1'), ('exp', 'b', 500000, '2')$$,
    $$select cohort.start('exp')$$, null, null, null),
('experiment_type_missing', :'e' || $$; insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'control', 500000), ('exp', 'b', 500000)$$,
    $$select cohort.start('exp')$$, null, null, null),
('variant_experiment_known', '', $$insert into cohort.variant (experiment, key, share_ppm) values ('nope', 'a', 1)$$, null, null, null),
('variant_key_format', :'c', $$insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'B', 500000)$$,
    'exp', pg_temp.with_second('{"key": "B", "share_ppm": 500000}'), 'variants[1].key'),
('variant_key_unique', :'c', $$insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'control', 500000)$$,
    'exp', pg_temp.with_second('{"key": "control", "share_ppm": 500000}'), 'variants[1].key'),
('variant_share_range', :'c', $$insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'b', -1)$$,
    'exp', pg_temp.with_second('{"key": "b", "share_ppm": -1}'), 'variants[1].share_ppm'),
('variant_share_range', :'c', $$insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'b', 1000001)$$,
    'exp', pg_temp.with_second('{"key": "b", "share_ppm": 1000001}'), 'variants[1].share_ppm'),
('variant_share_sum', :'c', $$insert into cohort.variant (experiment, key, share_ppm) values ('exp', 'b', 400000)$$,
    'exp', pg_temp.with_second('{"key": "b", "share_ppm": 400000}'), 'variants'),
('variant_share_sum', :'e' || $$; insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'control', 500000, '1'), ('exp', 'b', 400000, '2')$$,
    $$select cohort.start('exp')$$, null, null, null),
('variant_value_type', :'c', $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'b', 500000, '5')$$,
    'exp', pg_temp.with_second('{"key": "b", "share_ppm": 500000, "value": 5}'), 'variants[1].value'),
('variant_value_type', $$insert into cohort.flag (key, type) values ('exp', 'boolean'); $$ || :'e',
    $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'control', 500000, '"a"')$$, 'exp', '{}', 'variants[0].value'),
('variant_value_type', :'c', $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'b', 500000, 'null')$$,
    'exp', pg_temp.with_second('{"key": "b", "share_ppm": 500000, "value": null}'), 'variants[1].value'),
('variant_control_single', :'e', $$insert into cohort.variant (experiment, key, share_ppm, is_control) values ('exp', 'a', 500000, true), ('exp', 'b', 500000, true)$$,
    'exp', pg_temp.with_variants('[{"key": "a", "share_ppm": 500000, "control": true}, {"key": "b", "share_ppm": 500000, "control": true}]'), 'variants'),
('variant_running_fixed', :'r', $$update cohort.variant set share_ppm = 500001 where experiment = 'exp'$$,
    'exp', pg_temp.with_variants('[{"key": "control", "share_ppm": 400000, "value": "a"}, {"key": "b", "share_ppm": 600000, "value": "b"}]'), 'variants[0]'),
('variant_running_fixed', :'r', $$delete from cohort.variant where experiment = 'exp' and key = 'b'$$,
    'exp', pg_temp.with_variants('[{"key": "control", "share_ppm": 1000000, "value": "a"}]'), 'variants'),
('variant_running_fixed', :'s', $$insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'c', 1, '"c"')$$,
    'exp', pg_temp.with_variants('[{"key": "control", "share_ppm": 500000, "value": "a"}, {"key": "b", "share_ppm": 500000, "value": "b"}, {"key": "c", "share_ppm": 1, "value": "c"}]'), 'variants[2]'),
('phase_fixed', :'r', $$update cohort.phase set traffic_slots = '{[0,5)}'$$, null, null, null),
('phase_fixed', :'r', $$delete from cohort.phase_variant$$, null, null, null),
('history_fixed', :'r', $$update cohort.status_change set actor = 'nobody'$$, null, null, null),
('history_fixed', '', $$truncate cohort.status_change$$, null, null, null),
('phase_fixed', '', $$truncate cohort.phase cascade$$, null, null, null),
('metric_key_format', '', $$insert into cohort.metric (key, event) values ('Bad', 'x')$$, null, null, null),
('metric_key_unique', '', $$insert into cohort.metric (key, event) values ('refund', 'x')$$, null, null, null),
('metric_event_format', '', $$insert into cohort.metric (key, event) values ('x', 'a b')$$, null, null, null),
('metric_direction_known', '', $$insert into cohort.metric (key, event, direction_good) values ('x', 'x', 'left')$$, null, null, null),
('metric_window', '', $$insert into cohort.metric (key, event, window_start_s, window_end_s) values ('x', 'x', 10, 10)$$, null, null, null),
('metric_version_fixed', '', $$update cohort.metric set version = 7 where key = 'refund'$$, null, null, null),
('metric_in_use', :'d', $$delete from cohort.metric where key = 'unsubscribe'$$, null, null, null),
('guardrail_experiment_known', '', $$insert into cohort.guardrail (experiment, metric) values ('nope', 'refund')$$, null, null, null),
('guardrail_metric_known', :'e', $$insert into cohort.guardrail (experiment, metric) values ('exp', 'unsubscribes')$$,
    'exp', pg_temp.with_guardrail('{"metric": "unsubscribes"}'), 'guardrails[0].metric'),
('guardrail_unique', :'d', $$insert into cohort.guardrail (experiment, metric, margin) values ('exp', 'unsubscribe', 2)$$,
    'exp', '{"guardrails": [{"metric": "unsubscribe"}, {"metric": "unsubscribe", "margin": 2}]}', 'guardrails[1]'),
('guardrail_direction_known', :'e', $$insert into cohort.guardrail (experiment, metric, direction) values ('exp', 'refund', 'sideways')$$,
    'exp', pg_temp.with_guardrail('{"metric": "refund", "direction": "sideways"}'), 'guardrails[0].direction'),
('guardrail_margin_range', :'e', $$insert into cohort.guardrail (experiment, metric, margin) values ('exp', 'refund', 0)$$,
    'exp', pg_temp.with_guardrail('{"metric": "refund", "margin": 0}'), 'guardrails[0].margin'),
('guardrail_margin_range', :'e', $$insert into cohort.guardrail (experiment, metric, margin) values ('exp', 'refund', 'NaN')$$, null, null, null),
('guardrail_margin_range', :'e', $$insert into cohort.guardrail (experiment, metric, direction, margin) values ('exp', 'refund', 'down', 1.1)$$,
    'exp', pg_temp.with_guardrail('{"metric": "refund", "direction": "down", "margin": 1.1}'), 'guardrails[0].margin'),
('guardrail_margin_range', :'e', $$insert into cohort.guardrail (experiment, metric, margin) values ('exp', 'refund', 0.9)$$, null, null, null),
('guardrail_weight_range', :'e', $$insert into cohort.guardrail (experiment, metric, weight) values ('exp', 'refund', -1)$$,
    'exp', pg_temp.with_guardrail('{"metric": "refund", "weight": -1}'), 'guardrails[0].weight'),
('guardrail_count_known', :'e', $$insert into cohort.guardrail (experiment, metric, count) values ('exp', 'refund', 'sometimes')$$,
    'exp', pg_temp.with_guardrail('{"metric": "refund", "count": "sometimes"}'), 'guardrails[0].count'),
('guardrail_action_known', :'e', $$insert into cohort.guardrail (experiment, metric, action) values ('exp', 'refund', 'halt')$$,
    'exp', pg_temp.with_guardrail('{"metric": "refund", "action": "halt"}'), 'guardrails[0].action'),
('guardrail_maturity_window', :'em', $$insert into cohort.guardrail (experiment, metric, count) values ('exp', 'churn', 'at_maturity')$$,
    'exp', pg_temp.with_guardrail('{"metric": "churn", "count": "at_maturity"}'), 'guardrails[0].count'),
('guardrail_running_fixed', :'r', $$insert into cohort.guardrail (experiment, metric) values ('exp', 'refund')$$,
    'exp', '{"guardrails": [{"metric": "unsubscribe"}, {"metric": "refund"}]}', 'guardrails[1]'),
('guardrail_running_fixed', :'r', $$delete from cohort.guardrail where experiment = 'exp'$$, 'exp', '{"guardrails": []}', 'guardrails'),
('guardrail_running_fixed', :'r', $$update cohort.guardrail set margin = 2 where experiment = 'exp'$$,
    'exp', pg_temp.with_guardrail('{"metric": "unsubscribe", "margin": 2}'), 'guardrails'),
('api_key_role_known', '', $$select cohort.create_api_key('root', 'x')$$, null, null, null),
('api_key_role_known', '', $$select cohort.create_api_key(null, 'x')$$, null, null, null),
('api_key_priority_known', '', $$select cohort.create_api_key('events', 'x', null, 'high')$$, null, null, 'priority'),
('api_key_priority_known', $$select cohort.create_api_key('events', 'x')$$, $$update cohort.api_key set priority = null$$, null, null, 'priority'),
('api_key_rate_known', '', $$select cohort.create_api_key('events', 'x', null, null, 0)$$, null, null, 'rate_limit'),
('api_key_rate_known', $$select cohort.create_api_key('events', 'x')$$, $$update cohort.api_key set rate_limit = 1000001$$, null, null, 'rate_limit'),
('api_key_name_length', '', $$select cohort.create_api_key('events', '')$$, null, null, null),
('team_foreign', $$insert into cohort.team (key) values ('pay'); insert into cohort.experiment (key, team) values ('exp', 'pay'); select set_config('cohort.key_role', 'product', true), set_config('cohort.team', '', true)$$,
    $$update cohort.experiment set description = 'mine' where key = 'exp'$$, null, null, null),
('team_foreign', $$insert into cohort.team (key) values ('pay'); insert into cohort.experiment (key, team) values ('exp', 'pay'); select set_config('cohort.key_role', 'product', true), set_config('cohort.team', '', true)$$,
    $$select cohort.start('exp')$$, null, null, null),
('api_key_known', '', $$select cohort.revoke_api_key(99999)$$, null, null, null),
('api_key_known', '', $$select cohort.rotate_api_key(null)$$, null, null, null),
('api_key_revoked', $$select cohort.create_api_key('client', 'x'); update cohort.api_key set revoked_at = now()$$, $$select cohort.rotate_api_key((select max(id) from cohort.api_key))$$, null, null, null),
('api_key_team_role', '', $$select cohort.create_api_key('events', 'x', 'growth')$$, null, null, null),
('page_limit', '', $$select cohort.list_metrics(0)$$, null, null, null),
('page_limit', '', $$select cohort.list_audits(1001)$$, null, null, null),
('flag_document_rules', '', $$select cohort.put_flag('lone', '{"rules": [{"kind": "experiment", "experiment": "nope"}]}')$$, null, null, 'rules'),
('document_key', '', $$select cohort.put_metric('one', '{"key": "two"}')$$, null, null, 'key'),
('secret_fixed', '', $$update cohort.secret set unit_key = cohort.gen_random_bytes(32)$$, null, null, null),
('audit_fixed', '', $$delete from cohort.audit$$, null, null, null),
('api_key_fixed', $$select cohort.create_api_key('client', 'x')$$, $$update cohort.api_key set role = 'admin'$$, null, null, null),
('plan_metric_known', '', $$select cohort.plan('nope', 0.05)$$, null, null, 'metric'),
('plan_range', '', $$select cohort.plan('refund', 0)$$, null, null, null),
('plan_range', '', $$select cohort.plan('refund', 0.05, arms => 51)$$, null, null, null),
('plan_range', '', $$select cohort.plan('refund', 0.05, shares => array[500000, 400000])$$, null, null, null),
('plan_field', '', $$select cohort.planning('{"metric": "refund", "effect": 0.05, "colour": "red"}')$$, null, null, null),
('plan_field', '', $$select cohort.planning('{"metric": "refund", "effect": "much"}')$$, null, null, null),
('unit_type_format', '', $$select cohort.unit_id('User', 'c-1')$$, null, null, null),
('unit_raw_length', '', $$select cohort.unit_id('user', '')$$, null, null, null),
('unit_raw_length', '', $$select cohort.unit_id('user', repeat('x', 513))$$, null, null, null),
('unit_raw_length', '', $$select cohort.unit_id('user', null)$$, null, null, null),
('document_object', '', $$select cohort.put_experiment('exp', '[]')$$, null, null, null),
('document_object', '', $$select cohort.put_experiment('exp', null)$$, null, null, null),
('document_field_unknown', '', null, 'exp', '{"colour": "red"}', 'colour'),
('document_field_unknown', '', null, 'exp', pg_temp.with_second('{"key": "b", "share_ppm": 500000, "colour": "red"}'), 'variants[1].colour'),
('document_field_missing', '', $$select cohort.put_experiment('exp', '{}')$$, null, null, 'variants'),
('document_field_missing', '', null, 'exp', pg_temp.with_second('{"key": "b"}'), 'variants[1].share_ppm'),
('document_field_missing', '', null, 'exp', pg_temp.with_guardrail('{}'), 'guardrails[0].metric'),
('document_field_type', '', null, 'exp', '{"traffic_ppm": "all"}', 'traffic_ppm'),
('document_field_type', '', null, 'exp', '{"owner": null}', 'owner'),
('document_field_type', '', null, 'exp', '{"traffic_ppm": 1e99}', 'traffic_ppm'),
('document_field_type', '', null, 'exp', pg_temp.with_second('{"key": "b", "share_ppm": 0.5}'), 'variants[1].share_ppm'),
('document_field_type', '', null, 'exp', pg_temp.with_second('{"key": "b", "share_ppm": 1, "control": "no"}'), 'variants[1].control'),
('document_field_type', '', null, 'exp', '{"variants": {}}', 'variants'),
('document_field_type', '', null, 'exp', '{"variants": [1]}', 'variants[0]'),
('document_field_type', '', null, 'exp', pg_temp.with_guardrail('"refund"'), 'guardrails[0]'),
('document_field_read_only', :'d', null, 'exp', '{"status": "running"}', 'status'),
('document_field_read_only', '', null, 'exp', '{"key": "other"}', 'key');

\ir sql_cases_model.sql
\ir sql_cases_lifecycle.sql
\ir sql_cases_bandits.sql
\ir sql_cases_metrics.sql

create temp table seen as
select c.*, a.rule as sql_rule, a.message, a.hint, a.detail, a.state
  from cases c left join lateral pg_temp.attempt(c.setup, c.sql) a on c.sql is not null;
create temp table put_seen as
select c.n, a.*
  from cases c, lateral pg_temp.attempt(c.setup, format('select cohort.put_experiment(%L, %L)', c.put_key, pg_temp.base() || c.patch)) a
 where c.patch is not null;

select case when s.sql_rule = s.rule and m.code = s.state and coalesce(s.hint, '') <> '' and s.message ~ '^.{5,}\.$'
                 and (s.detail = '' or s.detail = s.path)
            then 'ok     ' else 'not ok ' end || 'sql ' || s.rule || ': ' || coalesce(s.message, '?')
       || case when s.sql_rule is distinct from s.rule then ' (refused by "' || s.sql_rule || '" ' || s.state || ')' else '' end
  from seen s join cohort.error_message m on m.constraint_name = s.rule where s.sql is not null order by s.n;

-- What isn't there is left out of a sentence; ranges are told.
select case when exists (select from seen where message ~ ' (on|of) null ') or exists (select from put_seen where message ~ ' (on|of) null ') then 'not ok ' else 'ok     ' end
       || 'no sentence is about null';
select case when bool_and(hint ~ '100|10{12}') then 'ok     ' else 'not ok ' end || 'hints of ranges tell them' from seen
 where rule in ('metric_winsor_range', 'metric_condition_list', 'stop_condition_ratio_range', 'metric_condition_attribute');
select case when exists (select from put_seen where message like 'traffic_ppm must be a whole number of at most 2147483647, not 1000000%') then 'ok     ' else 'not ok ' end
       || 'a number that is too large is told how large it may be';
-- By document: the same sentence and hint.
select case when p.rule = c.rule and p.detail = c.path and coalesce(p.hint, '') <> ''
                 and (s.message is null or (p.message, p.hint) = (s.message, s.hint))
            then 'ok     ' else 'not ok ' end || 'put ' || c.rule || ' at ' || coalesce(p.detail, '?') || ': ' || p.message
       || case when p.rule is distinct from c.rule then ' (refused by "' || p.rule || '" ' || p.state || ')' else '' end
       || case when (p.message, p.hint) is distinct from (s.message, s.hint) and s.message is not null then ' (SQL says: ' || s.message || ' ' || s.hint || ')' else '' end
       || case when p.detail is distinct from c.path then ' (expected at ' || coalesce(c.path, 'null') || ')' else '' end
  from cases c join put_seen p using (n) join seen s using (n) order by c.n;

select 'not ok every rule has a case: ' || m.constraint_name || ' has none'
  from cohort.error_message m where m.area in ('definition', 'document', 'assignment') and m.constraint_name not in (select rule from cases);
select 'ok     every rule of definitions has a case: ' || count(*) from cohort.error_message where area in ('definition', 'document', 'assignment');

-- The tables' own constraints are the same rules.
select case when m.constraint_name is null then 'not ok ' else 'ok     ' end || 'constraint ' || k.conname || ' of ' || c.relname || ' has a sentence'
  from pg_constraint k join pg_class c on c.oid = k.conrelid left join cohort.error_message m on m.constraint_name = k.conname
 where c.relnamespace = 'cohort'::regnamespace and k.contype in ('c', 'u', 'p', 'f')
   and c.relname in ('environment', 'flag', 'flag_rule', 'experiment', 'variant', 'metric', 'guardrail', 'experiment_metric', 'stop_condition', 'holdout', 'segment', 'override',
       'prerequisite', 'team', 'team_member')
   and k.conname !~ '_(id_key|pkey)$' and k.conname !~ '_environment_known$' order by 1;
