-- Cases of sql_cases.sql for the life of an experiment: layers, schedules, ramps, arms, shipping, restarts.
create function pg_temp.layered() returns void language sql as $$
    insert into cohort.layer (key) values ('top');
    insert into cohort.experiment (key, layer, layer_ppm) values ('first', 'top', 600000);
    insert into cohort.variant (experiment, key, share_ppm, value) values ('first', 'control', 500000, '"a"'), ('first', 'b', 500000, '"b"');
    select cohort.start('first');
    select pg_temp.draft();
    update cohort.experiment set layer = 'top', layer_ppm = 300000 where key = 'exp' $$;
create function pg_temp.three() returns void language sql as $$
    insert into cohort.experiment (key, traffic_ppm) values ('exp', 100000);
    insert into cohort.variant (experiment, key, share_ppm, value) values ('exp', 'control', 400000, '"a"'), ('exp', 'b', 300000, '"b"'), ('exp', 'c', 300000, '"c"');
    select cohort.start('exp') $$;
create function pg_temp.dropped() returns void language sql as $$ select pg_temp.three(); select cohort.drop_arm('exp', 'c') $$;
create function pg_temp.paused() returns void language sql as $$ select pg_temp.running(); select cohort.pause('exp') $$;
create function pg_temp.shipped() returns void language sql as $$ select pg_temp.running(); select cohort.ship('exp', 'b') $$;
create function pg_temp.scheduled() returns void language sql as $$
    select pg_temp.draft();
    update cohort.experiment set starts_at = now() + interval '1 day' where key = 'exp';
    select cohort.start('exp') $$;
create function pg_temp.with_step(item text) returns jsonb language sql as $$ select jsonb_build_object('traffic_ppm', 100000, 'ramp', jsonb_build_array(item::jsonb)) $$;

\set l 'select pg_temp.layered()'
\set ll 'select pg_temp.layered(); select cohort.start(\'exp\')'
\set t 'select pg_temp.three()'
\set td 'select pg_temp.dropped()'
\set p 'select pg_temp.paused()'
\set sh 'select pg_temp.shipped()'
\set sc 'select pg_temp.scheduled()'
\set ly 'insert into cohort.layer (key) values (\'top\')'
\set dt 'select pg_temp.draft(); update cohort.experiment set traffic_ppm = 100000 where key = \'exp\''

insert into cases (rule, setup, sql, put_key, patch, path) values
('key_fixed', :'ly', $$update cohort.layer set key = 'other'$$, null, null, null),
('experiment_layer_known', '', $$insert into cohort.experiment (key, layer) values ('exp', 'nope')$$, 'exp', '{"layer": "nope"}', 'layer'),
('experiment_layer_range', '', $$insert into cohort.experiment (key, layer_ppm) values ('exp', 0)$$, 'exp', '{"layer_ppm": 0}', 'layer_ppm'),
('experiment_layer_range', :'ll', $$select cohort.grow('exp', 1000001)$$, null, null, null),
('experiment_tags_format', '', $$insert into cohort.experiment (key, tags) values ('exp', '{Top Secret}')$$, 'exp', '{"tags": ["Top Secret"]}', 'tags'),
('experiment_tags_format', '', $$insert into cohort.experiment (key, tags) values ('exp', '{a,a}')$$, 'exp', '{"tags": ["a", "a"]}', 'tags'),
('experiment_tags_format', '', $$insert into cohort.experiment (key, tags) select 'exp', array_agg('t' || n) from generate_series(1, 51) n$$,
    'exp', (select jsonb_build_object('tags', jsonb_agg('t' || n)) from generate_series(1, 51) n), 'tags'),
('experiment_schedule_order', '', $$insert into cohort.experiment (key, starts_at, ends_at) values ('exp', '2100-01-01Z', '2099-01-01Z')$$,
    'exp', '{"starts_at": "2100-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00Z"}', 'ends_at'),
('experiment_schedule_past', :'d' || $$; update cohort.experiment set ends_at = '2020-01-01' where key = 'exp'$$, $$select cohort.start('exp')$$, null, null, null),
('experiment_schedule_missing', :'d', $$update cohort.experiment set status = 'scheduled' where key = 'exp'$$, null, null, null),
('experiment_time_zone_known', '', $$insert into cohort.experiment (key, time_zone) values ('exp', 'Europe/Atlantis')$$,
    'exp', '{"time_zone": "Europe/Atlantis", "starts_at": "2100-01-01T00:00"}', 'time_zone'),
('experiment_time_zone_known', :'d', $$update cohort.experiment set time_zone = 'MEZ+1' where key = 'exp'$$, 'exp', '{"time_zone": "MEZ+1"}', 'time_zone'),
('experiment_ramp_tolerance_range', '', $$insert into cohort.experiment (key, ramp_tolerance) values ('exp', 0)$$, 'exp', '{"ramp_tolerance": 0}', 'ramp_tolerance'),
('experiment_guard_max_blind_range', '', $$insert into cohort.experiment (key, guard_max_blind_s) values ('exp', 604801)$$, 'exp', '{"guard_max_blind_seconds": 604801}', 'guard_max_blind_seconds'),
('experiment_ramp_on_alert_known', '', $$insert into cohort.experiment (key, ramp_on_alert) values ('exp', 'panic')$$, 'exp', '{"ramp_on_alert": "panic"}', 'ramp_on_alert'),
('experiment_running_fixed', :'r', $$update cohort.experiment set layer_ppm = 5 where key = 'exp'$$, 'exp', '{"layer_ppm": 5}', 'layer_ppm'),
('experiment_running_fixed', :'p', $$update cohort.experiment set sticky = true where key = 'exp'$$, 'exp', '{"sticky": true}', 'sticky'),
('experiment_running_fixed', :'sh', $$update cohort.experiment set ends_at = '2100-01-01Z' where key = 'exp'$$, 'exp', '{"ends_at": "2100-01-01T00:00:00Z"}', 'ends_at'),
('experiment_scheduled', :'sc', $$select cohort.start('exp')$$, null, null, null),
('experiment_paused', :'p', $$select cohort.start('exp')$$, null, null, null),
('experiment_not_paused', :'r', $$select cohort.resume('exp')$$, null, null, null),
('experiment_not_running', :'p', $$select cohort.pause('exp')$$, null, null, null),
('experiment_not_running', :'sc', $$select cohort.pause('exp')$$, null, null, null),
('experiment_not_running', :'g', $$select cohort.pause('exp')$$, null, null, null),
('experiment_shipped', :'sh', $$select cohort.start('exp')$$, null, null, null),
('experiment_archive_running', :'p', $$select cohort.archive('exp')$$, null, null, null),
('experiment_archived', :'a', $$select cohort.restart('exp')$$, null, null, null),
('experiment_back_to_draft', :'p', $$update cohort.experiment set status = 'draft' where key = 'exp'$$, null, null, null),
('experiment_times_fixed', :'d', $$update cohort.experiment set id = default where key = 'exp'$$, null, null, null),
('experiment_not_live', :'d', $$select cohort.ramp('exp', 5)$$, null, null, null),
('experiment_not_live', :'s', $$select cohort.grow('exp', 5)$$, null, null, null),
('experiment_not_live', :'g', $$select cohort.drop_arm('exp', 'b')$$, null, null, null),
('experiment_not_live', :'d', $$select set_config('cohort.command', '{"do": "ramp", "traffic_ppm": 5, "shares": null}', true); update cohort.experiment set description = 'by hand' where key = 'exp'$$, null, null, null),
('experiment_never_ran', :'d', $$select cohort.ship('exp', 'b')$$, null, null, null),
('experiment_never_ran', :'sc', $$select cohort.restart('exp')$$, null, null, null),
('experiment_guard_stopped', :'g', $$select cohort.ship('exp', 'b')$$, null, null, null),
('variant_dropped_fixed', :'d', $$update cohort.variant set dropped_at = now() where experiment = 'exp' and key = 'b'$$, null, null, null),
('drop_variant_known', :'r', $$select cohort.drop_arm('exp', 'nope')$$, null, null, null),
('drop_control', :'t', $$select cohort.drop_arm('exp', 'control')$$, null, null, null),
('drop_again', :'td', $$select cohort.drop_arm('exp', 'c')$$, null, null, null),
('drop_last', :'td', $$select cohort.drop_arm('exp', 'b')$$, null, null, null),
('ship_variant_known', :'r', $$select cohort.ship('exp', 'nope')$$, null, null, null),
('ship_variant_missing', :'r', $$update cohort.experiment set status = 'shipped' where key = 'exp'$$, null, null, null),
('ship_variant_dropped', :'td', $$select cohort.ship('exp', 'c')$$, null, null, null),
('ship_holdback_range', :'r', $$select cohort.ship('exp', 'b', 1000000)$$, null, null, null),
('ship_fixed', :'sh', $$update cohort.experiment set shipped_holdback_ppm = 5 where key = 'exp'$$, null, null, null),
('ship_fixed', '', $$insert into cohort.experiment (key, shipped_variant) values ('exp', 'b')$$, null, null, null),
('ramp_traffic_range', :'r', $$select cohort.ramp('exp', -1)$$, null, null, null),
('ramp_traffic_range', :'r', $$select cohort.ramp('exp', null)$$, null, null, null),
('ramp_same', :'t', $$select cohort.ramp('exp', 100000)$$, null, null, null),
('ramp_shares', :'t', $$select cohort.ramp('exp', 200000, '{"control": 500000, "x": 500000}')$$, null, null, null),
('ramp_shares', :'t', $$select cohort.ramp('exp', 200000, '{"control": 500000, "b": 400000}')$$, null, null, null),
('ramp_shares', :'t', $$select cohort.ramp('exp', 200000, '{"b": 1000000}')$$, null, null, null),
('ramp_shares', :'t', $$select cohort.ramp('exp', 200000, '{"control": 500000, "b": "half"}')$$, null, null, null),
('ramp_shares', :'t', $$select cohort.ramp('exp', 200000, '{"control": 500000.5, "b": 499999.5}')$$, null, null, null),
('ramp_shares', :'td', $$select cohort.ramp('exp', 200000, '{"control": 500000, "c": 500000}')$$, null, null, null),
('ramp_shares', :'t', $$select cohort.ramp('exp', 200000, '[]')$$, null, null, null),
('ramp_shares', :'dt', $$insert into cohort.ramp_step (experiment, traffic_ppm, shares) values ('exp', 200000, '{"control": 1}')$$,
    'exp', pg_temp.with_step('{"traffic_ppm": 200000, "shares": {"control": 1}}'), 'ramp[0].shares'),
('ramp_shares_owned', :'t', $$select cohort.ramp('exp', 50000, '{"control": 500000, "b": 500000}')$$, null, null, null),
('ramp_shares_owned', :'t' || $$; select cohort.ramp('exp', 50000)$$, $$select cohort.ramp('exp', 80000, '{"control": 500000, "b": 500000}')$$, null, null, null),
('ramp_step_experiment_known', '', $$insert into cohort.ramp_step (experiment, traffic_ppm) values ('nope', 5)$$, null, null, null),
('ramp_step_unique', :'dt' || $$; insert into cohort.ramp_step (experiment, traffic_ppm) values ('exp', 200000)$$,
    $$insert into cohort.ramp_step (experiment, number, traffic_ppm) values ('exp', 1, 300000)$$, null, null, null),
('ramp_step_number_range', :'dt', $$insert into cohort.ramp_step (experiment, number, traffic_ppm) values ('exp', 101, 300000)$$, null, null, null),
('ramp_step_traffic_range', :'dt', $$insert into cohort.ramp_step (experiment, traffic_ppm) values ('exp', 1000001)$$,
    'exp', pg_temp.with_step('{"traffic_ppm": 1000001}'), 'ramp[0].traffic_ppm'),
('ramp_step_wait_range', :'dt', $$insert into cohort.ramp_step (experiment, traffic_ppm, wait_s) values ('exp', 200000, -1)$$,
    'exp', pg_temp.with_step('{"traffic_ppm": 200000, "wait_s": -1}'), 'ramp[0].wait_s'),
('ramp_step_order', :'dt', $$insert into cohort.ramp_step (experiment, traffic_ppm) values ('exp', 100000)$$,
    'exp', pg_temp.with_step('{"traffic_ppm": 100000}'), 'ramp[0]'),
('ramp_step_fixed', :'t', $$insert into cohort.ramp_step (experiment, traffic_ppm) values ('exp', 200000)$$, null, null, null),
('ramp_step_fixed', :'dt' || $$; insert into cohort.ramp_step (experiment, traffic_ppm) values ('exp', 200000); select cohort.start('exp')$$,
    $$delete from cohort.ramp_step where experiment = 'exp'$$, 'exp', '{"traffic_ppm": 100000}', 'ramp'),
('ramp_step_state_known', :'dt', $$insert into cohort.ramp_step (experiment, traffic_ppm, state) values ('exp', 200000, 'done')$$, null, null, null),
('layer_known', '', $$select cohort.layer_map('nope')$$, null, null, null),
('layer_key_format', '', $$insert into cohort.layer (key) values ('No Good')$$, null, null, null),
('layer_key_unique', :'ly', $$insert into cohort.layer (key) values ('top')$$, null, null, null),
('layer_text_length', '', $$insert into cohort.layer (key, description) values ('top', repeat('x', 10001))$$, null, null, null),
('layer_salt_fixed', :'ly', $$update cohort.layer set salt = decode(repeat('00', 16), 'hex')$$, null, null, null),
('layer_salt_fixed', '', $$insert into cohort.layer (key, salt) values ('top', decode(repeat('00', 16), 'hex'))$$, null, null, null),
('layer_in_use', :'l', $$delete from cohort.layer$$, null, null, null),
('layer_full', :'l' || $$; update cohort.experiment set layer_ppm = 400001 where key = 'exp'$$, $$select cohort.start('exp')$$, null, null, null),
('layer_full', :'ll', $$select cohort.grow('exp', 400001)$$, null, null, null),
('layer_unit_type', :'l' || $$; update cohort.experiment set unit_type = 'device' where key = 'exp'$$, $$select cohort.start('exp')$$, null, null, null),
('layer_slots_overlap', :'ll', $$update cohort.layer_slots set slots = '{[0,5)}' where experiment = 'exp'$$, null, null, null),
('layer_slots_range', :'ll', $$update cohort.layer_slots set slots = '{[999999,1000001)}' where experiment = 'exp'$$, null, null, null),
('grow_layer_missing', :'r', $$select cohort.grow('exp', 5)$$, null, null, null),
('grow_smaller', :'ll', $$select cohort.grow('exp', 300000)$$, null, null, null),
('document_object', :'r', $$select cohort.patch_experiment('exp', '5')$$, null, null, null),
('document_object', :'r', $$select cohort.restart('exp', null, '5')$$, null, null, null),
('document_time', '', null, 'exp', '{"starts_at": "soon"}', 'starts_at'),
('document_time', '', null, 'exp', '{"starts_at": "2100-01-01T00:00"}', 'starts_at'),
('document_time', '', null, 'exp', '{"ends_at": "2100-02-30T00:00:00Z"}', 'ends_at'),
('document_field_type', '', null, 'exp', '{"tags": [1]}', 'tags[0]'),
('document_field_type', '', null, 'exp', '{"ramp": [1]}', 'ramp[0]'),
('document_field_type', '', null, 'exp', '{"sticky": "yes"}', 'sticky'),
('document_field_missing', '', null, 'exp', '{"ramp": [{}]}', 'ramp[0].traffic_ppm'),
('document_field_unknown', '', null, 'exp', '{"ramp": [{"traffic_ppm": 5, "speed": 1}]}', 'ramp[0].speed'),
('document_field_read_only', :'r', null, 'exp', '{"open_ppm": 5}', 'open_ppm'),
('document_field_read_only', :'r', null, 'exp', pg_temp.with_variants('[{"key": "control", "share_ppm": 500000, "value": "a"}, {"key": "b", "share_ppm": 500000, "value": "b", "dropped": true}]'), 'variants[1].dropped'),
('experiment_key_unique', :'r', $$select cohort.clone('exp', 'exp')$$, null, null, null),
('experiment_known', '', $$select cohort.ramp('nope', 5)$$, null, null, null),
('experiment_known', '', $$select cohort.validate('nope')$$, null, null, null),
('experiment_known', '', $$select cohort.clone('nope', 'other')$$, null, null, null);
