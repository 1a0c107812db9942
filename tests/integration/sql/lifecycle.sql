-- The life of an experiment, as people and the leader lead it. Each check prints "ok" or "not ok".
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
set jit = off;
create function pg_temp.check(what text, good boolean) returns text language sql
    as $$ select case when good then 'ok     ' else 'not ok ' end || what $$;
create function pg_temp.refused(statement text) returns text language plpgsql as $$
declare
    rule text;
begin
    begin
        execute statement;
        raise exception using errcode = 'ZZ001';
    exception when sqlstate 'ZZ001' then return 'accepted';
              when others then get stacked diagnostics rule = constraint_name; return coalesce(nullif(rule, ''), sqlstate);
    end;
end $$;
create function pg_temp.make(key text, more jsonb default '{}') returns text language sql as $$
    select cohort.put_experiment(key, '{"variants": [{"key": "control", "share_ppm": 400000, "value": 1}, {"key": "b", "share_ppm": 300000, "value": 2},
        {"key": "c", "share_ppm": 300000, "value": 3}]}' || more) ->> 'status' $$;
create function pg_temp.id(key text) returns int language sql as $$ select id from cohort.experiment e where e.environment = 'production' and e.key = $1 $$;
create function pg_temp.history(key text) returns text[] language sql as $$
    select array_agg(coalesce(h ->> 'what', h ->> 'status') order by n) from jsonb_array_elements(cohort.get_experiment(key) -> 'history') with ordinality x(h, n) $$;
create temp table unit as select cohort.unit_id('user', 'c-' || n) as unit from generate_series(1, 3000) n;

-- Documents.
\set doc '{"traffic_ppm": 100000, "layer": "checkout", "layer_ppm": 250000, "tags": ["pricing", "q4"], "time_zone": "Europe/Berlin", "starts_at": "2100-07-01T09:00", "ends_at": "2100-12-01T09:00:00.5-02:00", "sticky": true, "ramp_tolerance": 1.5, "ramp_on_alert": "roll_back", "ramp": [{"traffic_ppm": 200000, "wait_s": 60}, {"traffic_ppm": 1000000, "shares": {"control": 500000, "b": 250000, "c": 250000}}]}'
insert into cohort.layer (key, description) values ('checkout', 'The way to pay');
select pg_temp.check('a document can say all of it', pg_temp.make('all', :'doc') = 'draft');
select pg_temp.check('times are read in their zone', (starts_at, ends_at) = ('2100-07-01 07:00Z'::timestamptz, '2100-12-01 11:00:00.5Z'::timestamptz)) from cohort.experiment where key = 'all';
select pg_temp.check('GET says what PUT said', d @> (:'doc'::jsonb - '{starts_at,ends_at,ramp}'::text[])
    and d -> 'ramp' = '[{"traffic_ppm": 200000, "wait_s": 60}, {"traffic_ppm": 1000000, "wait_s": 86400, "shares": {"control": 500000, "b": 250000, "c": 250000}}]'
    and d ->> 'starts_at' = '2100-07-01T07:00:00.000000Z') from cohort.get_experiment('all') d;
select version as before from cohort.config_version \gset
select pg_temp.check('a PUT of a GET changes nothing', cohort.put_experiment('all', d) = d) from cohort.get_experiment('all') d;
select pg_temp.check('nor does the same document', pg_temp.make('all', :'doc') = 'draft');
select pg_temp.check('no version is raised', version = :before) from cohort.config_version;
select pg_temp.make('plain') as m \gset
select pg_temp.check('defaults are said', cohort.get_experiment('plain')
    @> '{"layer_ppm": 1000000, "tags": [], "sticky": false, "ramp": [], "ramp_tolerance": 2, "ramp_on_alert": "hold", "open_ppm": 0}' and not (cohort.get_experiment('plain') ?| '{layer,layer_slots_ppm,team,starts_at,ends_at,time_zone,shipped}'));
select pg_temp.check('a merge patch changes what it names', d @> '{"sticky": true, "owner": "", "layer_ppm": 5}' and not d ? 'layer')
  from cohort.patch_experiment('all', '{"layer": null, "layer_ppm": 5}') d;
select pg_temp.check('and takes it back', cohort.patch_experiment('all', '{"layer": "checkout", "layer_ppm": 250000}') @> '{"layer": "checkout"}');

-- A schedule.
select pg_temp.check('a start in the future is a schedule', cohort.start('all', 'see you') = 'scheduled');
select pg_temp.check('nothing is taken yet', (select count(*) from cohort.phase) + (select count(*) from cohort.layer_slots) = 0);
select pg_temp.check('a scheduled experiment can be edited', cohort.patch_experiment('all', '{"owner": "us"}') @> '{"owner": "us", "status": "scheduled"}');
select pg_temp.check('and taken off the schedule', cohort.stop('all') = 'draft' and cohort.start('all') = 'scheduled');
select cohort.lead('test') as epoch \gset
select pg_temp.check('before its time nothing happens', (select count(*) from cohort.schedule_due(:epoch)) = 0);
update cohort.experiment set starts_at = clock_timestamp() - interval '1 second' where key = 'all';
update cohort.variant set value = null where experiment = 'all';
select pg_temp.check('a refused start is returned', (experiment, status) = ('all', 'scheduled') and refused ~ '^No variant of experiment "all" has a value') from cohort.schedule_due(:epoch);
select pg_temp.check('again', (select count(*) from cohort.schedule_due(:epoch)) = 1);
select pg_temp.check('and is written once', (select count(*) from cohort.status_change where what = 'start refused' and reason ~ 'has a value' and actor = 'schedule') = 1);
update cohort.variant set value = to_jsonb(position) where experiment = 'all';
select pg_temp.check('it starts when that is put right', (experiment, status, refused is null) = ('all', 'running', true)) from cohort.schedule_due(:epoch);
select pg_temp.check('by the schedule', (actor, reason) = ('schedule', 'as scheduled')) from cohort.status_change order by id desc limit 1;
select pg_temp.check('phase 1 and the layer''s slots are its own', (select traffic_slots from cohort.phase where experiment_id = pg_temp.id('all')) = '{[0,100000)}'
    and (select array_agg(m::text) from cohort.layer_map('checkout') m) = array['(all,"{[0,250000)}",250000)', '(,"{[250000,1000000)}",750000)']);
select pg_temp.make('short', jsonb_build_object('ends_at', cohort.rfc3339(now() + interval '1 hour'))) as m, cohort.start('short') as s \gset
alter table cohort.experiment disable trigger experiment_update_check;
update cohort.experiment set ends_at = clock_timestamp() - interval '1 second' where key = 'short';
alter table cohort.experiment enable trigger experiment_update_check;
select pg_temp.check('an end comes by itself', (experiment, status) = ('short', 'stopped')) from cohort.schedule_due(:epoch);
select pg_temp.check('a former leader changes nothing', pg_temp.refused('select * from cohort.schedule_due(0)') = 'leader_epoch');

-- A ramp by its schedule.
select pg_temp.check('no step is due before its wait', (select count(*) from cohort.ramp_due()) = 0);
alter table cohort.experiment disable trigger experiment_update_check;
update cohort.experiment set started_at = started_at - interval '61 seconds' where key = 'all';
alter table cohort.experiment enable trigger experiment_update_check;
select pg_temp.check('then it is', (experiment_id, step, traffic_ppm, ramp_tolerance, ramp_on_alert, state) = (pg_temp.id('all'), 1, 200000, 1.5, 'roll_back', 'waiting')) from cohort.ramp_due();
select pg_temp.check('a step that isn''t due doesn''t open', not cohort.ramp_advance(:epoch, pg_temp.id('all'), 2, ''));
select pg_temp.check('it can be held, with a note', cohort.ramp_hold(:epoch, pg_temp.id('all'), 1, 'unsubscribe: upper bound 2.4 is not below 1.5'));
select pg_temp.check('said once', not cohort.ramp_hold(:epoch, pg_temp.id('all'), 1, 'unsubscribe: upper bound 2.4 is not below 1.5'));
select pg_temp.check('and is due still', (select state from cohort.ramp_due()) = 'held');
select cohort.pause('all') as paused \gset
select pg_temp.check('not while paused', (select count(*) from cohort.ramp_due()) = 0 and cohort.resume('all') = 'running');
select pg_temp.check('it opens', cohort.ramp_advance(:epoch, pg_temp.id('all'), 1, 'upper bounds are below 1.5'));
select pg_temp.check('with a phase of its own, of the shares before', (select array_agg(p::text order by n) from (select p ->> 'traffic_ppm' as p, n
    from jsonb_array_elements(cohort.get_experiment('all') -> 'phases') with ordinality x(p, n)) x) = '{100000,100000}' and cohort.open_ppm(pg_temp.id('all')) = 200000);
select pg_temp.check('and says so', cohort.get_experiment('all') #> '{ramp_state,0}' @> '{"state": "done", "note": "upper bounds are below 1.5"}'
    and cohort.get_experiment('all') #>> '{history,-1,what}' = 'ramp step 1: traffic up to 200000 ppm, phase 2');
select pg_temp.check('by the ramp', opened_by = 'ramp') from cohort.phase where experiment_id = pg_temp.id('all') and number = 2;
select pg_temp.check('it can be rolled back', cohort.ramp_roll_back(:epoch, pg_temp.id('all'), 'alert'));
select pg_temp.check('its slots are closed', cohort.open_ppm(pg_temp.id('all')) = 100000 and cohort.closed_slots(pg_temp.id('all')) = '{[100000,200000)}');
select pg_temp.check('the ramp is over then', not cohort.ramp_roll_back(:epoch, pg_temp.id('all'), 'alert') and (select count(*) from cohort.ramp_due()) = 0);
select cohort.ramp('all', 250000, null, 'the alert was a bug') as r \gset
select pg_temp.check('a person goes on by hand: closed slots come first', :r = 250000
    and (select array_agg(traffic_slots::text order by number) from cohort.phase where experiment_id = pg_temp.id('all')) = '{"{[0,100000)}","{[100000,200000)}","{[200000,250000)}"}'
    and cohort.closed_slots(pg_temp.id('all')) = '{}');

-- By hand.
select cohort.start('plain') as s \gset
select cohort.ramp('plain', 0) as r \gset
select pg_temp.check('traffic of 100 % goes down to nothing', :r = 0 and (select count(*) from unit, cohort.expected_assignment('plain', unit)) = 0);
select pg_temp.check('and up again', cohort.ramp('plain', 500000) = 500000);
select pg_temp.check('to the lowest slots', cohort.closed_slots(pg_temp.id('plain')) = '{[500000,1000000)}');
select pg_temp.check('inclusion is what is open', bool_and(x.inclusion = 500000) and count(*) between 1350 and 1650) from unit, cohort.expected_assignment('plain', unit) x;
create temp table before as select unit, x.* from unit, cohort.expected_assignment('plain', unit) x;
select pg_temp.check('an arm is dropped', cohort.drop_arm('plain', 'c', 'slow') = 'c');
select pg_temp.check('its units get the fallback, nobody else moves', count(*) filter (where b.variant = 'c' and x.variant is not null) = 0
    and count(*) filter (where b.variant <> 'c' and (x.phase, x.variant) is distinct from (b.phase, b.variant)) = 0 and count(*) > 1000)
  from before b left join lateral cohort.expected_assignment('plain', b.unit) x on true;
select pg_temp.check('the contract still draws what was recorded', bool_and((x.phase, x.variant) = (b.phase, b.variant))) from before b, cohort.drawn_assignment(pg_temp.id('plain'), b.unit) x;
select pg_temp.check('layer and traffic multiply', bool_and(x.inclusion = 62500) and count(*) between 120 and 260) from unit, cohort.expected_assignment('all', unit) x;

-- Holdouts multiply too, and their own arms are drawn by w0.
begin;
insert into cohort.experiment (key, kind) values ('kept_out', 'holdout');
insert into cohort.variant (experiment, key, share_ppm, gives) values ('kept_out', 'out', 50000, 'nothing'), ('kept_out', 'in', 950000, 'everything');
insert into cohort.holdout (experiment, scope, exempts_running) values ('kept_out', 'global', false);
select cohort.start('kept_out') as s \gset
select pg_temp.check('holdouts, layer and traffic multiply, rounded down', bool_and(x.inclusion = 59375)) from unit, cohort.expected_assignment('all', unit) x;
select pg_temp.check('a holdout''s arm is drawn by w0 of its salt', count(*) = 3000 and bool_and((x.variant = 'out') = (cohort.slot(cohort.draw_word(e.salt, unit, 0)) < 50000)))
  from cohort.experiment e, unit, cohort.expected_assignment('kept_out', unit) x where e.key = 'kept_out';
rollback;

-- Shares after a dropped arm: in proportion, the remainder to the first.
select pg_temp.make('third', '{"traffic_ppm": 1000}') as m, cohort.start('third') as s, cohort.drop_arm('third', 'b') as d, cohort.ramp('third', 2000) as r \gset
select pg_temp.check('a dropped arm''s share goes to the others', (select string_agg(v.key || ' ' || pv.share_ppm, ', ' order by v.position)
    from cohort.phase p join cohort.phase_variant pv on pv.phase_id = p.id join cohort.variant v on v.id = pv.variant_id
   where p.experiment_id = pg_temp.id('third') and p.number = 2) = 'control 571429, c 428571');

-- Layers.
select pg_temp.make('second', '{"layer": "checkout", "layer_ppm": 300000}') as m, cohort.start('second') as s, cohort.grow('all', 300000) as g \gset
select pg_temp.check('growth takes what is free', (select slots from cohort.layer_slots where experiment = 'all') = '{[0,250000),[550000,600000)}');
select pg_temp.check('experiments of a layer exclude each other', (select count(*) from unit where exists (select from cohort.expected_assignment('all', unit))
    and exists (select from cohort.expected_assignment('second', unit))) = 0);
select pg_temp.check('no more than there is', pg_temp.refused($$select cohort.grow('second', 700001)$$) = 'layer_full' and cohort.grow('second', 700000) = 700000);
select cohort.pause('second') as p \gset
select pg_temp.check('a pause gives nothing back', (select ppm from cohort.layer_map('checkout') where experiment = 'second') = 700000 and cohort.resume('second') = 'running');
insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence) values (pg_temp.id('second'), 1, 1, 1, :epoch, 'Harm.', '{}');
select pg_temp.check('what a guardrail stopped owns nothing', (select ppm from cohort.layer_map('checkout') where experiment is null) = 700000);
select pg_temp.make('fourth', '{"layer": "checkout", "layer_ppm": 600000}') as m \gset
select cohort.start('fourth') as r \gset
select pg_temp.check('others can have it', :'r' = 'running' and not exists (select from cohort.layer_slots where experiment = 'second'));
select cohort.stop('fourth') as r \gset
select pg_temp.check('an end gives them back', :'r' = 'stopped' and not exists (select from cohort.layer_slots where experiment = 'fourth')
    and (select layer_slots from cohort.experiment_iteration where experiment = 'fourth') = '{[250000,550000),[600000,900000)}');

-- Shipping.
select cohort.ship('all', 'b', 50000, 'it won') as r \gset
select pg_temp.check('a variant is shipped with a holdback', :'r' = 'shipped' and cohort.get_experiment('all') @> '{"status": "shipped", "shipped": {"variant": "b", "holdback_ppm": 50000}}');
select pg_temp.check('its slots are free', not exists (select from cohort.layer_slots where experiment = 'all'));
select ship_salt as salt from cohort.experiment where key = 'all' \gset
select cohort.ship('all', 'b', 0) as r \gset
select pg_temp.check('the holdback can shrink, by the same draw', :'r' = 'shipped' and (select ship_salt = :'salt' and shipped_holdback_ppm = 0 from cohort.experiment where key = 'all'));
select pg_temp.check('a stopped experiment can be shipped too', cohort.ship('fourth', 'control') = 'shipped' and cohort.stop('fourth') || cohort.archive('fourth') = 'stoppedarchived');

-- Iterations.
select pg_temp.id('plain') as old_id \gset
insert into cohort.exposure (unit_id, experiment_id, variant_id, phase_id, first_ts, event_id, trusted, origin, batch_id)
    select unit, :old_id, 1, 1, now(), gen_random_uuid(), true, 0, 1 from unit limit 10;
select pg_temp.check('a restart runs at once', cohort.restart('plain', 'once more', '{"variants": [{"key": "control", "share_ppm": 500000, "value": 1}, {"key": "b", "share_ppm": 500000, "value": 2}], "traffic_ppm": 900000}') = 'running');
select pg_temp.check('under a new id, with new salts', e.id <> i.experiment_id and e.iteration = 2 and e.salt <> i.salt) from cohort.experiment e, cohort.experiment_iteration i where e.key = 'plain' and i.experiment_id = :old_id;
select pg_temp.check('it meets no exposure of the old one', not exists (select from cohort.exposure x where x.experiment_id = pg_temp.id('plain')));
select pg_temp.check('with phases of its own', count(*) = 1 and min(number) = 1 and min(cohort.slots_ppm(traffic_slots)) = 900000) from cohort.phase where experiment_id = pg_temp.id('plain');
select pg_temp.check('the old definition is kept', definition @> '{"status": "stopped", "traffic_ppm": 1000000, "iteration": 1}' and stopped_at is not null and jsonb_array_length(definition -> 'variants') = 3)
  from cohort.experiment_iteration where experiment_id = :old_id;
select pg_temp.check('an arm left out keeps its row, without a share', (share_ppm, dropped_at is not null) = (0, true)) from cohort.variant where experiment = 'plain' and key = 'c';
select pg_temp.check('old draws can be checked still', bool_and((x.phase, x.variant) = (b.phase, b.variant))) from before b, cohort.drawn_assignment(:old_id, b.unit) x;
select pg_temp.check('everybody is drawn anew', count(*) filter (where x.variant = b.variant) between count(*) * 0.2 and count(*) * 0.7) from before b, cohort.expected_assignment('plain', b.unit) x;
select pg_temp.check('the history has both', pg_temp.history('plain') @> '{draft,running,"traffic down to 0 ppm","arm c dropped",restarted}' and cohort.get_experiment('plain') #>> '{history,-1,iteration}' = '2');
select pg_temp.check('a PUT of a GET still changes nothing', cohort.put_experiment('plain', d) = d) from cohort.get_experiment('plain') d;
select pg_temp.check('what a guardrail stopped isn''t resumed', pg_temp.refused($$select cohort.resume('second')$$) = 'experiment_not_paused');
select cohort.stop('all') as t, cohort.restart('second') as r \gset
select pg_temp.check('a stop of one iteration is none of the next', :'r' = 'running'
    and cohort.effective_status('second') = 'running' and pg_temp.history('second') @> '{stopped}');
select cohort.stop('second') as s, cohort.ship('all', 'c') as t, cohort.restart('all') as r \gset
select pg_temp.check('shipped experiments restart as experiments', :'r' = 'running' and not cohort.get_experiment('all') ? 'shipped'
    and cohort.get_experiment('all') #>> '{ramp_state,0,state}' = 'waiting');

-- Copies, and what a start would say.
select pg_temp.check('a clone is a draft of the same definition behind the same flag', d ->> 'status' = 'draft' and cohort.writable(d) = cohort.writable(cohort.get_experiment('plain')) and d ->> 'flag' = 'plain')
  from cohort.clone('plain', 'plain2') d;
select pg_temp.check('it can start', (select count(*) from cohort.validate('plain2')) = 0 and cohort.effective_status('plain2') = 'draft');
insert into cohort.experiment (key, layer, ends_at) values ('bare', 'checkout', '2020-01-01Z');
select pg_temp.check('all that is missing is said', array_agg(rule) = '{experiment_variants_two,experiment_control_missing,experiment_type_missing,experiment_schedule_past}'
    and bool_and(message <> '' and hint <> '')) from cohort.validate('bare');
select pg_temp.make('late', '{"layer": "checkout"}') as m \gset
select pg_temp.check('a full layer too', array_agg(rule || ' ' || field) = '{"layer_full layer_ppm"}') from cohort.validate('late');
select pg_temp.check('and a running one', array_agg(rule) = '{experiment_already_running}') from cohort.validate('plain');
select pg_temp.check('a draft is deleted', cohort.delete_experiment('late') and not cohort.delete_experiment('late'));

-- Who may.
set role cohort_product;
begin;
select pg_temp.make('ours', '{"traffic_ppm": 1000, "ramp": [{"traffic_ppm": 2000}]}') as m, cohort.start('ours') as s \gset
select pg_temp.check('a product team ramps, drops, ships and restarts', cohort.ramp('ours', 5000) = 5000 and cohort.drop_arm('ours', 'c') = 'c' and cohort.pause('ours') = 'paused'
    and cohort.ship('ours', 'b') = 'shipped' and cohort.restart('ours', null, '{"traffic_ppm": 1500}') = 'running');
commit;
select pg_temp.check('it edits no slot, phase or iteration', pg_temp.refused('delete from cohort.layer_slots') || pg_temp.refused('insert into cohort.phase_closed (phase_id, slots) values (1, ''{}'')')
    || pg_temp.refused('update cohort.experiment_iteration set salt = salt') || pg_temp.refused('update cohort.ramp_step set state = ''done''') = repeat('42501', 4));
select pg_temp.check('no sign lets it', pg_temp.refused($$select set_config('cohort.within', 'on', true); update cohort.experiment set traffic_ppm = 77 where key = 'ours'$$) = 'experiment_running_fixed');
select pg_temp.check('nor calls the parts', pg_temp.refused($$select cohort.take_layer(e, 1000000) from cohort.experiment e where key = 'ours'$$) = '42501'
    and pg_temp.refused($$select cohort.rewind(e, '') from cohort.experiment e where key = 'ours'$$) = '42501');
reset role;
set role cohort_analyst;
select pg_temp.check('an analyst reads', (select count(*) from cohort.layer_map('checkout')) > 0 and (select count(*) from cohort.ramp_due()) >= 0);
select pg_temp.check('and changes nothing', pg_temp.refused($$select cohort.ramp('ours', 700)$$) = '42501' and pg_temp.refused($$select cohort.pause('ours')$$) = '42501');
reset role;
set role cohort_server;
select pg_temp.check('a server leads', (select count(*) from cohort.schedule_due(:epoch)) = 0 and cohort.ramp_hold(:epoch, pg_temp.id('ours'), 1, 'not yet'));
reset role;

-- The tables' own constraints are the same rules.
select case when m.constraint_name is null then 'not ok ' else 'ok     ' end || 'constraint ' || k.conname || ' of ' || c.relname || ' has a sentence'
  from pg_constraint k join pg_class c on c.oid = k.conrelid left join cohort.error_message m on m.constraint_name = k.conname
 where c.relnamespace = 'cohort'::regnamespace and k.contype in ('c', 'u', 'p', 'f') and c.relname in ('layer', 'ramp_step')
   and k.conname !~ '_(id_key|pkey)$' and k.conname !~ '_environment_known$' order by 1;
