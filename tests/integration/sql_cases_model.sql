-- Cases of sql_cases.sql for holdouts, segments, overrides, prerequisites, teams and environments. Statements that store
-- a document stand beside those in plain SQL.
create function pg_temp.holdout() returns void language sql as $$
    insert into cohort.experiment (key, kind) values ('hold', 'holdout');
    insert into cohort.holdout (experiment) values ('hold');
    insert into cohort.variant (experiment, key, share_ppm, gives) values ('hold', 'out', 50000, 'nothing'), ('hold', 'in', 950000, 'everything') $$;
create function pg_temp.held() returns void language sql as $$ select pg_temp.holdout(); select cohort.start('hold') $$;
-- a chain of n experiments, each requiring the next
create function pg_temp.chain(n int) returns void language sql as $$
    insert into cohort.experiment (key) select 'c' || i from generate_series(1, n) i;
    insert into cohort.variant (experiment, key, share_ppm, value)
    select 'c' || i, v, 500000, to_jsonb(v) from generate_series(1, n) i, unnest('{control,b}'::text[]) v;
    insert into cohort.prerequisite (experiment, requires, variants) select 'c' || i, 'c' || i + 1, '{b}' from generate_series(1, n - 1) i $$;
create function pg_temp.segments() returns void language sql as $$
    insert into cohort.segment (key, condition) values ('de', '{"country": "DE"}');
    insert into cohort.segment (key, condition) values ('dach', '{"$or": [{"$segment": "de"}, {"country": {"$in": ["AT", "CH"]}}]}');
    insert into cohort.segment (key, list) values ('vip', '["c-1", 2]') $$;
create function pg_temp.hold_doc(patch jsonb) returns jsonb language sql as $$
    select '{"variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing"}, {"key": "in", "share_ppm": 950000, "gives": "everything"}]}'::jsonb || patch $$;
grant execute on all functions in schema pg_temp to public;

\set h 'select pg_temp.holdout()'
\set hr 'select pg_temp.held()'
\set hd 'select pg_temp.holdout(); select pg_temp.draft()'
\set ch 'select pg_temp.chain(9)'
\set sg 'select pg_temp.segments()'
\set sd 'select pg_temp.segments(); select pg_temp.draft()'
\set o 'select pg_temp.draft(); insert into cohort.override (key, experiment, unit_id, variant) values (\'qa\', \'exp\', \'00000000-0000-4000-8000-000000000001\', \'b\')'

insert into cases (rule, setup, sql, put_key, patch, path) values
('holdout_experiment_known', '', $$insert into cohort.holdout (experiment) values ('hold')$$, null, null, null),
('holdout_experiment_known', :'d', $$insert into cohort.holdout (experiment) values ('exp')$$, null, null, null),
('holdout_unique', :'h', $$insert into cohort.holdout (experiment) values ('hold')$$, null, null, null),
('holdout_plain', '', $$insert into cohort.experiment (key, kind, flag) values ('hold', 'holdout', 'f')$$, null, null, null),
('holdout_plain', '', $$insert into cohort.experiment (key, kind, traffic_ppm) values ('hold', 'holdout', 5)$$, null, null, null),
('holdout_plain', :'h', $$update cohort.experiment set condition = '{"country": "DE"}' where key = 'hold'$$, null, null, null),
('holdout_kind_fixed', :'h', $$update cohort.experiment set kind = 'ab' where key = 'hold'$$, null, null, null),
('holdout_kind_fixed', :'d', $$select cohort.put_holdout('exp', pg_temp.hold_doc('{}'))$$, null, null, 'kind'),
('holdout_scope_known', :'h', $$update cohort.holdout set scope = 'country'$$, null, null, null),
('holdout_scope_known', '', $$select cohort.put_holdout('hold', pg_temp.hold_doc('{"scope": "country"}'))$$, null, null, 'scope'),
('holdout_scope_key', :'h', $$update cohort.holdout set scope = 'tag'$$, null, null, null),
('holdout_scope_key', :'h', $$update cohort.holdout set scope_key = 'pricing'$$, null, null, null),
('holdout_scope_key', '', $$select cohort.put_holdout('hold', pg_temp.hold_doc('{"scope": "layer", "scope_key": "nope"}'))$$, null, null, 'scope_key'),
('holdout_missing', :'h', $$delete from cohort.holdout; select cohort.start('hold')$$, null, null, null),
('holdout_whole', :'h', $$update cohort.variant set gives = 'rules' where key = 'in'; select cohort.start('hold')$$, null, null, null),
('holdout_empty', :'h', $$update cohort.variant set gives = 'everything' where key = 'out'; select cohort.start('hold')$$, null, null, null),
('holdout_running_fixed', :'hr', $$update cohort.holdout set exempts_running = false$$, null, null, null),
('holdout_running_fixed', :'hr', $$delete from cohort.holdout$$, null, null, null),
('holdout_running_fixed', :'hr', $$select cohort.put_holdout('hold', pg_temp.hold_doc('{"scope": "tag", "scope_key": "x"}'))$$, null, null, null),
('holdout_moves', $$select pg_temp.holdout(); update cohort.holdout set scope = 'tag', scope_key = 'x'; select cohort.start('hold'); select pg_temp.running()$$,
    $$update cohort.experiment set tags = '{x}' where key = 'exp'$$, null, null, null),
('holdout_most', $$select pg_temp.draft(); select cohort.put_holdout('many' || n, '{"variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing"}, {"key": "in", "share_ppm": 950000, "gives": "everything"}]}') from generate_series(1, 9) n; select cohort.start('many' || n) from generate_series(1, 8) n$$,
    $$select cohort.start('many9')$$, null, null, null),
('holdout_action', :'hr', $$select cohort.ship('hold', 'in')$$, null, null, null),
('holdout_action', $$select cohort.put_holdout('hold', '{"variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing"}, {"key": "half", "share_ppm": 50000, "gives": "rules"}, {"key": "in", "share_ppm": 900000, "gives": "everything"}]}'); select cohort.start('hold')$$,
    $$select cohort.drop_arm('hold', 'half')$$, null, null, null),
('variant_gives_known', :'h', $$update cohort.variant set gives = 'half' where key = 'in'$$, null, null, null),
('variant_gives_known', :'h', $$update cohort.variant set gives = null where key = 'in'$$, null, null, null),
('variant_gives_known', '', $$select cohort.put_holdout('hold', jsonb_set(pg_temp.hold_doc('{}'), '{variants,1,gives}', '"half"'))$$, null, null, 'variants[1].gives'),
('variant_gives_value', :'d', $$update cohort.variant set gives = 'rules' where key = 'b'$$, null, null, null),
('variant_gives_value', :'h', $$update cohort.variant set value = '1' where key = 'in'$$, null, null, null),
('key_fixed', :'h', $$update cohort.holdout set experiment = 'other'$$, null, null, null),
('document_field_missing', '', $$select cohort.put_holdout('hold', '{"variants": [{"key": "out", "share_ppm": 1}]}')$$, null, null, 'variants[0].gives'),
('document_field_unknown', '', $$select cohort.put_holdout('hold', pg_temp.hold_doc('{"flag": "f"}'))$$, null, null, 'flag'),
('document_field_read_only', :'h', $$select cohort.put_holdout('hold', pg_temp.hold_doc('{"status": "running"}'))$$, null, null, 'status'),

('segment_key_format', '', $$insert into cohort.segment (key, list) values ('Bad', '[]')$$, null, null, null),
('segment_key_format', '', $$select cohort.put_segment('Bad', '{"list": []}')$$, null, null, 'key'),
('segment_key_unique', :'sg', $$insert into cohort.segment (key, list) values ('vip', '[]')$$, null, null, null),
('segment_shape', '', $$insert into cohort.segment (key) values ('s')$$, null, null, null),
('segment_shape', '', $$select cohort.put_segment('s', '{"list": [], "condition": {}}')$$, null, null, null),
('segment_shape_fixed', :'sg', $$update cohort.segment set condition = null, list = '[]' where key = 'de'$$, null, null, null),
('segment_entry', '', $$insert into cohort.segment (key, list) values ('s', '["a", ["b"]]')$$, null, null, null),
('segment_entry', '', $$insert into cohort.segment (key, list) values ('s', '"a"')$$, null, null, null),
('segment_entry', '', $$select cohort.put_segment('s', jsonb_build_object('list', jsonb_build_array('a', repeat('x', 513))))$$, null, null, 'list[1]'),
('segment_entries', '', $$insert into cohort.segment (key, list) select 's', jsonb_agg(i) from generate_series(1, 1000001) i$$, null, null, null),
('segment_list_size', '', $$insert into cohort.segment (key, list) select 's', jsonb_agg(repeat('x', 500)) from generate_series(1, 140000) i$$, null, null, null),
('segment_text_length', '', $$insert into cohort.segment (key, list, description) values ('s', '[]', repeat('x', 10001))$$, null, null, null),
('segment_text_length', '', $$select cohort.put_segment('s', jsonb_build_object('list', '[]'::jsonb, 'description', repeat('x', 10001)))$$, null, null, 'description'),
('json_number', '', $$insert into cohort.segment (key, list) values ('s', '[1, 1e300]')$$, null, null, null),
('condition_operator', '', $$insert into cohort.segment (key, condition) values ('s', '{"country": {"$near": "DE"}}')$$, null, null, null),
('segment_reference', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"$segment": "nope"}')$$, 'exp', '{"condition": {"$segment": "nope"}}', 'condition'),
('segment_reference', '', $$insert into cohort.experiment (key, condition) values ('exp', '{"id": {"$notInGroup": "nope"}}')$$, 'exp', '{"condition": {"id": {"$notInGroup": "nope"}}}', 'condition'),
('segment_reference', :'d', $$insert into cohort.flag_rule (flag, kind, value, condition) values ('exp', 'force', '"a"', '{"$not": {"$segment": "nope"}}')$$, null, null, null),
('segment_kind', :'sg', $$insert into cohort.experiment (key, condition) values ('exp', '{"$segment": "vip"}')$$, 'exp', '{"condition": {"$segment": "vip"}}', 'condition'),
('segment_kind', :'sg', $$insert into cohort.segment (key, condition) values ('s', '{"id": {"$inGroup": "de"}}')$$, null, null, null),
('segment_cycle', :'sg', $$update cohort.segment set condition = '{"$segment": "dach"}' where key = 'de'$$, null, null, null),
('segment_cycle', '', $$insert into cohort.segment (key, condition) values ('s', '{"$segment": "s"}')$$, null, null, null),
('segment_cycle', :'sg', $$select cohort.put_segment('de', '{"condition": {"$nor": [{"$segment": "dach"}]}}')$$, null, null, 'condition'),
('segment_depth', $$insert into cohort.segment (key, condition) values ('s0', '{}');
    insert into cohort.segment (key, condition) values ('s1', '{"$segment": "s0"}'); insert into cohort.segment (key, condition) values ('s2', '{"$segment": "s1"}');
    insert into cohort.segment (key, condition) values ('s3', '{"$segment": "s2"}'); insert into cohort.segment (key, condition) values ('s4', '{"$segment": "s3"}');
    insert into cohort.segment (key, condition) values ('s5', '{"$segment": "s4"}'); insert into cohort.segment (key, condition) values ('s6', '{"$segment": "s5"}')$$,
    $$insert into cohort.segment (key, condition) values ('s7', '{"$segment": "s6"}')$$, null, null, null),
('segment_in_use', :'sg', $$delete from cohort.segment where key = 'de'$$, null, null, null),
('segment_in_use', $$select pg_temp.segments(); insert into cohort.experiment (key, condition) values ('exp', '{"id": {"$inGroup": "vip"}}')$$, $$select cohort.delete_segment('vip')$$, null, null, null),
('segment_in_use', $$select pg_temp.segments(); select pg_temp.draft(); insert into cohort.override (experiment, segment, variant) values ('exp', 'dach', 'b')$$,
    $$delete from cohort.segment where key = 'dach'$$, null, null, null),
('key_fixed', :'sg', $$update cohort.segment set key = 'other' where key = 'vip'$$, null, null, null),

('override_key_format', :'d', $$insert into cohort.override (key, experiment, unit_id, variant) values ('Bad', 'exp', gen_random_uuid(), 'b')$$, null, null, null),
('override_key_format', :'d', $$select cohort.put_override('Bad', '{"experiment": "exp", "unit": "c-1", "variant": "b"}')$$, null, null, 'key'),
('override_key_unique', :'o', $$insert into cohort.override (key, experiment, unit_id, variant) values ('qa', 'exp', gen_random_uuid(), 'b')$$, null, null, null),
('override_target', :'d', $$insert into cohort.override (experiment, variant) values ('exp', 'b')$$, null, null, null),
('override_target', :'sd', $$insert into cohort.override (experiment, unit_id, segment, variant) values ('exp', gen_random_uuid(), 'de', 'b')$$, null, null, null),
('override_target', :'d', $$select cohort.create_override('{"experiment": "exp", "unit_id": "c-1", "variant": "b"}')$$, null, null, 'unit_id'),
('override_unit_unique', :'o', $$insert into cohort.override (experiment, unit_id, variant) values ('exp', '00000000-0000-4000-8000-000000000001', 'control')$$, null, null, null),
('override_segment_unique', $$select pg_temp.segments(); select pg_temp.draft(); insert into cohort.override (experiment, segment, variant) values ('exp', 'de', 'b')$$,
    $$insert into cohort.override (experiment, segment, variant) values ('exp', 'de', 'control')$$, null, null, null),
('override_note_length', :'o', $$update cohort.override set note = repeat('x', 1001)$$, null, null, null),
('override_experiment_known', '', $$insert into cohort.override (experiment, unit_id, variant) values ('nope', gen_random_uuid(), 'b')$$, null, null, null),
('override_experiment_known', '', $$select cohort.override_unit('nope', 'user', 'c-1', 'b')$$, null, null, null),
('override_experiment_known', '', $$select cohort.create_override('{"experiment": "nope", "unit": "c-1", "variant": "b"}')$$, null, null, 'experiment'),
('override_experiment_kind', :'h', $$select cohort.override_unit('hold', 'user', 'c-1', 'in')$$, null, null, null),
('override_archived', :'a', $$select cohort.override_unit('exp', 'user', 'c-1', 'b')$$, null, null, null),
('override_segment_known', :'d', $$insert into cohort.override (experiment, segment, variant) values ('exp', 'nope', 'b')$$, null, null, null),
('segment_kind', :'sd', $$insert into cohort.override (experiment, segment, variant) values ('exp', 'vip', 'b')$$, null, null, null),
('override_variant_known', :'d', $$select cohort.override_unit('exp', 'user', 'c-1', 'x')$$, null, null, null),
('override_unit_type', :'d', $$select cohort.override_unit('exp', 'device', 'd-1', 'b')$$, null, null, null),
('override_expiry', :'d', $$select cohort.override_unit('exp', 'user', 'c-1', 'b', 'late', now() - interval '1 s')$$, null, null, null),
('override_expiry', :'o', $$update cohort.override set expires_at = 'infinity'$$, null, null, null),
-- (Most of them beside their triggers, which take seconds for so many.)
('override_count', :'d' || $$; set local session_replication_role = replica;
    insert into cohort.override (key, experiment, unit_id, variant) select 'o' || n, 'exp', gen_random_uuid(), 'b' from generate_series(1, 9998) n;
    set local session_replication_role = origin$$,
    $$insert into cohort.override (experiment, unit_id, variant) select 'exp', gen_random_uuid(), 'b' from generate_series(1, 3)$$, null, null, null),
('key_fixed', :'o', $$update cohort.override set key = 'other'$$, null, null, null),
('key_fixed', $$select pg_temp.chain(2); insert into cohort.override (key, experiment, unit_id, variant) values ('qa', 'c1', gen_random_uuid(), 'b')$$,
    $$select cohort.put_override('qa', '{"experiment": "c2", "unit": "c-1", "variant": "b"}')$$, null, null, 'experiment'),
('document_time', :'d', $$select cohort.create_override('{"experiment": "exp", "unit": "c-1", "variant": "b", "expires_at": "soon"}')$$, null, null, 'expires_at'),

('prerequisite_experiment_known', :'d', $$insert into cohort.prerequisite (experiment, requires, variants) values ('nope', 'exp', '{b}')$$, null, null, null),
('prerequisite_requires_known', :'d', $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'nope', '{b}')$$,
    'exp', '{"prerequisites": [{"experiment": "nope", "variants": ["b"]}]}', 'prerequisites[0].experiment'),
('prerequisite_unique', :'ch', $$insert into cohort.prerequisite (experiment, requires, variants) values ('c1', 'c2', '{control}')$$, null, null, null),
('prerequisite_kind', :'hd', $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'hold', '{in}')$$,
    'exp', '{"prerequisites": [{"experiment": "hold", "variants": ["in"]}]}', 'prerequisites[0].experiment'),
('prerequisite_variants', :'ch', $$update cohort.prerequisite set variants = '{}' where experiment = 'c1'$$, null, null, null),
('prerequisite_variants', :'ch', $$update cohort.prerequisite set variants = '{b,b}' where experiment = 'c1'$$, null, null, null),
('prerequisite_variant_known', $$select pg_temp.chain(1); select pg_temp.draft()$$, $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'c1', '{b,x}')$$,
    'exp', '{"prerequisites": [{"experiment": "c1", "variants": ["b", "x"]}]}', 'prerequisites[0].variants'),
('prerequisite_cycle', :'d', $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'exp', '{b}')$$,
    'exp', '{"prerequisites": [{"experiment": "exp", "variants": ["b"]}]}', 'prerequisites[0].experiment'),
('prerequisite_cycle', $$select pg_temp.chain(2)$$, $$insert into cohort.prerequisite (experiment, requires, variants) values ('c2', 'c1', '{b}')$$, null, null, null),
('prerequisite_cycle', $$select pg_temp.chain(4)$$, $$insert into cohort.prerequisite (experiment, requires, variants) values ('c4', 'c1', '{b}')$$, null, null, null),
('prerequisite_depth', $$select pg_temp.chain(9); select pg_temp.draft()$$, $$insert into cohort.prerequisite (experiment, requires, variants) values ('c9', 'exp', '{b}')$$, null, null, null),
('prerequisite_depth', $$select pg_temp.chain(9); select pg_temp.draft()$$, $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'c1', '{b}')$$,
    'exp', '{"prerequisites": [{"experiment": "c1", "variants": ["b"]}]}', 'prerequisites[0].experiment'),
('prerequisite_running_fixed', $$select pg_temp.running(); select pg_temp.chain(1)$$, $$insert into cohort.prerequisite (experiment, requires, variants) values ('exp', 'c1', '{b}')$$,
    'exp', '{"prerequisites": [{"experiment": "c1", "variants": ["b"]}]}', 'prerequisites[0]'),
('prerequisite_in_use', :'ch', $$delete from cohort.experiment where key = 'c2'$$, null, null, null),
('prerequisite_in_use', :'ch', $$delete from cohort.variant where experiment = 'c2' and key = 'b'$$, null, null, null),
('key_fixed', :'ch', $$update cohort.prerequisite set experiment = 'c9' where experiment = 'c1'$$, null, null, null),
('document_field_type', '', null, 'exp', '{"prerequisites": [{"experiment": "c1", "variants": [1]}]}', 'prerequisites[0].variants'),
('document_field_unknown', '', null, 'exp', '{"prerequisites": [{"experiment": "c1", "variants": ["b"], "variant": "b"}]}', 'prerequisites[0].variant'),

('team_known', '', $$insert into cohort.experiment (key, team) values ('exp', 'nope')$$, 'exp', '{"team": "nope"}', 'team'),
('team_known', '', $$insert into cohort.flag (key, team) values ('f', 'nope')$$, null, null, null),
('team_known', '', $$insert into cohort.team_member (team, role_name) values ('nope', current_user)$$, null, null, null),
('team_known', :'h', $$update cohort.holdout set scope = 'team', scope_key = 'nope'$$, null, null, null),
('team_key_format', '', $$insert into cohort.team (key) values ('Growth Team')$$, null, null, null),
('team_key_unique', $$insert into cohort.team (key) values ('growth')$$, $$insert into cohort.team (key) values ('growth')$$, null, null, null),
('team_in_use', $$insert into cohort.team (key) values ('growth'); insert into cohort.experiment (key, team) values ('exp', 'growth')$$, $$delete from cohort.team where key = 'growth'$$, null, null, null),
('team_member_unique', $$insert into cohort.team (key) values ('growth'); insert into cohort.team_member (team, role_name) values ('growth', current_user)$$,
    $$insert into cohort.team_member (team, role_name) values ('growth', current_user)$$, null, null, null),
('team_member_role', $$insert into cohort.team (key) values ('growth')$$, $$insert into cohort.team_member (team, role_name) values ('growth', 'nobody here')$$, null, null, null),
('key_fixed', $$insert into cohort.team (key) values ('growth')$$, $$update cohort.team set key = 'other'$$, null, null, null),

('environment_kept', $$select cohort.make_environment('staging')$$, $$delete from cohort.environment where key = 'staging'$$, null, null, null),
('environment_key_unique', '', $$select cohort.make_environment('production')$$, null, null, null),
('promote_same', :'d', $$select cohort.promote('exp', 'production', 'production')$$, null, null, null),
('environment_known', :'d', $$select cohort.promote('exp', 'production', 'nowhere')$$, null, null, null),
('experiment_known', $$select cohort.make_environment('staging')$$, $$select cohort.promote('nope', 'production', 'staging')$$, null, null, null),
('promote_started', $$select cohort.make_environment('staging'); select pg_temp.draft(); select cohort.promote('exp', 'production', 'staging');
    set local cohort.environment = 'staging'; select cohort.start('exp')$$, $$select cohort.promote('exp', 'production', 'staging')$$, null, null, null),
('promote_metric', $$select cohort.make_environment('staging'); select pg_temp.draft(); update cohort.metric set window_end_s = 60 where environment = 'staging'$$,
    $$select cohort.promote('exp', 'production', 'staging')$$, null, null, null);
