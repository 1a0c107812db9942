-- Bandits from the definition to the phase. Each check prints "ok" or "not ok".
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
    execute statement;
    return 'accepted';
exception when others then
    get stacked diagnostics rule = constraint_name;
    return coalesce(nullif(rule, ''), sqlstate);
end $$;
create function pg_temp.id(key text) returns int language sql as $$ select id from cohort.experiment e where e.environment = 'production' and e.key = $1 $$;
create function pg_temp.planned(key text) returns jsonb language sql as $$
    select x from jsonb_array_elements(cohort.plan_document() -> 'experiments') x where x ->> 'key' = $1 $$;
create function pg_temp.shares(phase int) returns jsonb language sql as $$
    select jsonb_object_agg(v.key, pv.share_ppm) from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id where pv.phase_id = $1 $$;
insert into cohort.metric (key, event, window_end_s, direction_good) values ('paid', 'paid', 3600, 'up');

-- Documents.
\set doc '{"traffic_ppm": 300000, "bandit": {"reward": "paid", "every_s": 10, "warm_up": 20}, "variants": [{"key": "control", "value": 1}, {"key": "b", "value": 2}, {"key": "c", "value": 3}]}'
\set features '[{"name": "age", "attribute": "age", "kind": "number"}, {"name": "plan", "attribute": "plan", "kind": "one_hot", "values": ["free", "pro"]}, {"name": "both", "kind": "interaction", "of": ["age", "plan"]}]'
select pg_temp.check('a document with a bandit makes one, its shares equal', d ->> 'kind' = 'bandit' and jsonb_path_query_array(d, '$.variants[*].share_ppm') = '[333334, 333333, 333333]'
        and d -> 'bandit' = '{"reward": "paid", "assign": "unit", "floor_ppm": 10000, "every_s": 10, "warm_up": 20, "uniform_ppm": 50000, "promote": "person"}')
  from cohort.put_experiment('ban', :'doc') d;
select pg_temp.check('and one with features a contextual bandit', d ->> 'kind' = 'contextual' and d #>> '{bandit,assign}' = 'decision'
        and d -> 'contextual' = jsonb_build_object('features', :'features'::jsonb, 'threshold_ppm', 0, 'ridge', 1))
  from cohort.put_experiment('con', :'doc'::jsonb || jsonb_build_object('contextual', jsonb_build_object('features', :'features'::jsonb))) d;
select pg_temp.check('what GET gives can be PUT again: ' || key, cohort.put_experiment(key, d) = d)
  from unnest('{ban,con}'::text[]) key, cohort.get_experiment(key) d;
select pg_temp.check('a document that names its kind agrees with what it has: ' || coalesce(rule, 'accepted'), pg_temp.refused(format('select cohort.put_experiment(%L, %L)', 'odd', doc)) = coalesce(rule, 'accepted'))
  from (values (:'doc'::jsonb || '{"kind": "bandit"}', null), (:'doc'::jsonb || '{"kind": "ab"}', 'document_field_read_only'), (:'doc'::jsonb || '{"kind": "contextual"}', 'contextual_missing'),
               (:'doc'::jsonb - 'bandit' || '{"kind": "bandit"}', 'bandit_missing'), (:'doc'::jsonb - 'bandit' || '{"contextual": {"features": []}}', 'bandit_missing'),
               (:'doc'::jsonb || '{"bandit": {"reward": "paid", "flor_ppm": 5}}', 'document_field_unknown'), (:'doc'::jsonb || '{"bandit": {}}', 'document_field_missing'),
               (:'doc'::jsonb || '{"bandit": 5}', 'document_field_type')) x(doc, rule);
select pg_temp.check('a patch takes the features off: a bandit is left', d ->> 'kind' = 'bandit' and not d ? 'contextual') from cohort.patch_experiment('con', '{"contextual": null}') d;
select pg_temp.check('a patch makes an A/B of it', d ->> 'kind' = 'ab' and not d ? 'bandit') from cohort.patch_experiment('con', '{"bandit": null}') d;
select cohort.delete_experiment('odd'), cohort.put_experiment('con', :'doc'::jsonb || jsonb_build_object('contextual', jsonb_build_object('features', :'features'::jsonb))) \g /dev/null
select pg_temp.check('validate has nothing to say', count(*) = 0) from cohort.validate('ban');
select pg_temp.check('a copy has it all', cohort.clone('con', 'con2') -> 'contextual' = cohort.get_experiment('con') -> 'contextual');
insert into cohort.environment (key) values ('staging');
select pg_temp.check('and so has what is promoted, with the reward', d -> 'bandit' = cohort.get_experiment('con') -> 'bandit' and d -> 'contextual' = cohort.get_experiment('con') -> 'contextual')
  from cohort.promote('con', 'production', 'staging') d;
select pg_temp.check('the metric came along', count(*) = 1) from cohort.metric where environment = 'staging' and key = 'paid';

-- The start.
select cohort.start('ban'), cohort.start('con') \g /dev/null
select pg_temp.check('phase 1 is the reserved slice, phase 2 begins with the start and has the rest',
        array_agg(concat_ws(' ', p.number, p.kind, p.traffic_slots, p.starts_at = e.started_at) order by p.number)
        = array['1 traffic {[0,50000)}', '2 time {[50000,1000000)} t'])
  from cohort.phase p join cohort.experiment e on e.id = p.experiment_id where e.key = 'ban' and e.environment = 'production';
select pg_temp.check('both with equal shares', count(distinct pg_temp.shares(p.id)) = 1 and max(pg_temp.shares(p.id) ->> 'control') = '333334') from cohort.phase p where p.experiment_id = pg_temp.id('ban');
select pg_temp.check('the length of an epoch stands from the start on', stick_s = 3600) from cohort.bandit where experiment = 'ban' and environment = 'production';
select pg_temp.check('and a document that leaves it out, as before the start, can be put again', cohort.put_experiment('ban', :'doc') #>> '{bandit,stick_s}' = '3600');
select pg_temp.check('with other times of its updates too: ' || rule, pg_temp.refused(format('select cohort.put_experiment(%L, %L)', 'ban', jsonb_set(:'doc', path, value))) = rule)
  from (values ('{bandit,every_s}'::text[], '11'::jsonb, 'accepted'), ('{bandit,stick_s}', '60', 'bandit_running_fixed')) x(path, value, rule);
select pg_temp.check('the traffic that is open is what was asked for', cohort.open_ppm(pg_temp.id('ban')) = 300000);
select pg_temp.check('the plan has kind, epochs and time phases', p ->> 'kind' = 'bandit' and p -> 'bandit' = '{"assign": "unit", "stick_us": 3600000000}'
        and not p #> '{phases,0}' ? 'kind' and p #>> '{phases,1,kind}' = 'time' and p #> '{phases,1,from_us}' = to_jsonb(cohort.micros(e.started_at))
        and p #> '{phases,1,closed}' = '[[300000, 1000000]]')
  from pg_temp.planned('ban') p, cohort.experiment e where e.id = pg_temp.id('ban');
select pg_temp.check('and of a contextual one the features, the safe variant and models', p #> '{contextual,features}' = :'features'::jsonb and p #>> '{contextual,safe}' = 'control'
        and p #> '{contextual,models}' = '[]' and p -> 'bandit' = '{"assign": "decision", "stick_us": 0}') from pg_temp.planned('con') p;
select pg_temp.check('each time phase says from which version it is known', count(*) = 2 and bool_and(k.version <= c.version)) from cohort.phase_known k, cohort.config_version c;
select pg_temp.check('a running bandit takes other times of its updates: ' || coalesce(rule, 'accepted'), pg_temp.refused(format('select cohort.patch_experiment(%L, %L)', 'ban', patch)) = coalesce(rule, 'accepted'))
  from (values ('{"bandit": {"every_s": 60, "promote": "automatic"}}', null), ('{"bandit": {"floor_ppm": 20000}}', 'bandit_running_fixed'), ('{"bandit": null}', 'experiment_running_fixed')) x(patch, rule);

-- Traffic goes up and down without a phase.
select cohort.ramp('ban', 600000), cohort.ramp('ban', 40000), cohort.ramp('ban', 200000) \g /dev/null
select pg_temp.check('traffic moves no one to another phase', count(*) = 2) from cohort.phase where experiment_id = pg_temp.id('ban');
select pg_temp.check('closed slots of the slice and of time are separate', jsonb_path_query_array(d, '$.phases[*].closed_ppm') = '[0, 800000]') from cohort.get_experiment('ban') d;

-- Updates, as the leader writes them.
update cohort.leader_state set epoch = 7, node = 'n';
update cohort.bandit set every_s = 600 where experiment = 'ban';
\set apply 'select cohort.bandit_apply(7, pg_temp.id(''ban''), (cohort.last_phase(pg_temp.id(''ban''))).id, '
select pg_temp.check('no update is due before every_s have passed', count(*) = 0) from cohort.bandit_due('bandit');
set session_replication_role = replica;
update cohort.experiment set started_at = started_at - interval '1 hour' where key = 'ban';
reset session_replication_role;
insert into cohort.metric_stat (experiment_id, phase_id, variant_id, metric_id, metric_version, units, event_units, sum, sum_sq, matured_units, matured_event_units, matured_sum, matured_sum_sq)
select p.experiment_id, p.id, v.id, m.id, 1, 100, 0, 0, 0, 50, 5 * v.position, 5e6 * v.position, 5e12 * v.position
  from cohort.phase p join cohort.variant v on v.experiment = 'ban' and v.environment = 'production', cohort.metric m where p.experiment_id = pg_temp.id('ban') and m.key = 'paid' and m.environment = 'production';
select pg_temp.check('then it is, from the matured rewards of all phases', d.experiment = 'ban' and d.facts ->> 'kind' = 'binary' and d.facts -> 'arms'
        = '[{"variant": "control", "share_ppm": 333334, "n": 100, "sum": 10, "sum_sq": 10}, {"variant": "b", "share_ppm": 333333, "n": 100, "sum": 20, "sum_sq": 20}, {"variant": "c", "share_ppm": 333333, "n": 100, "sum": 30, "sum_sq": 30}]')
  from cohort.bandit_due('bandit') d;
select pg_temp.check('another epoch writes nothing', pg_temp.refused(replace(:'apply', '(7,', '(6,') || $$'{}', '', '{}')$$) = 'leader_epoch');
select pg_temp.check('nor an update of a phase that is over', cohort.bandit_apply(7, pg_temp.id('ban'), 1, '{}', '', '{}') = 0);
select pg_temp.check('an update opens phase 3', cohort.bandit_apply(7, pg_temp.id('ban'), (cohort.last_phase(pg_temp.id('ban'))).id,
    '{"control": 10000, "b": 90000, "c": 900000}', 'c leads', '{"metric_version": 1, "arms": []}') = 3);
select pg_temp.check('which begins after servers know it', p.starts_at > p.opened_at + interval '4 s' and p.opened_by = 'bandit' and p.salt <> (select q.salt from cohort.phase q where q.experiment_id = p.experiment_id and q.number = 2)
        and pg_temp.shares(p.id) = '{"control": 10000, "b": 90000, "c": 900000}') from cohort.last_phase(pg_temp.id('ban')) p;
select pg_temp.check('variants own slots by position', array_agg(pv.slots::text order by v.position) = '{"{[0,10000)}","{[10000,100000)}","{[100000,1000000)}"}')
  from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id where pv.phase_id = (cohort.last_phase(pg_temp.id('ban'))).id;
select pg_temp.check('the update is in the audit with its phase', count(*) filter (where a.object = 'bandit_update') = 1 and count(*) filter (where a.object = 'phase' and a.key = 'ban/3') = 1
        and count(*) filter (where a.object = 'phase_variant') = 3) from cohort.audit a where a.txid = (select max(b.txid::text::bigint)::text::xid8 from cohort.audit b where b.object = 'bandit_update');
select pg_temp.check('it has a version, and servers are told', k.version = c.version) from cohort.phase_known k, cohort.config_version c where k.phase_id = (cohort.last_phase(pg_temp.id('ban'))).id;
select pg_temp.check('after it none is due', count(*) = 0) from cohort.bandit_due('bandit');
select pg_temp.check('a look that moves nothing opens no phase', cohort.bandit_apply(7, pg_temp.id('ban'), (cohort.last_phase(pg_temp.id('ban'))).id, null, 'nothing', '{}') = 3
       and cohort.bandit_apply(7, pg_temp.id('ban'), (cohort.last_phase(pg_temp.id('ban'))).id, null, 'nothing', '{}') = 3);
select pg_temp.check('and only the newest is kept', array_agg(u.phase_id is null order by u.id) = '{f,t}') from cohort.bandit_update u where u.experiment_id = pg_temp.id('ban');
select pg_temp.check('an update stands: ' || s, pg_temp.refused(s) = 'phase_fixed') from unnest(array['update cohort.bandit_update set sentence = ''x''', 'delete from cohort.bandit_update where phase_id is not null',
    'truncate cohort.bandit_update', 'update cohort.phase_known set version = 1', 'delete from cohort.phase_known']) s;

select pg_temp.check('shares over time can be read, with what they brought', array_agg(concat_ws(' ', s.phase, s.share_ppm, s.rewards, round(s.mean, 2)) order by s.phase) = array['1 333333 50 0.30', '2 333333 50 0.30', '3 900000 0'])
  from cohort.bandit_shares('ban') s where s.variant = 'c';
select pg_temp.check('and in results', jsonb_array_length(r -> 'shares') = 2 and r #> '{arms,2}' = '{"variant": "c", "share_ppm": 900000, "rewards": 100, "mean": 0.3}' and r ->> 'phase' = '3')
  from (select cohort.results_json('ban') -> 'bandit' as r) x;

-- Arms, pauses, restarts.
select cohort.pause('ban') \g /dev/null
select pg_temp.check('a paused bandit learns nothing', cohort.bandit_apply(7, pg_temp.id('ban'), (cohort.last_phase(pg_temp.id('ban'))).id, null, '', '{}') = 0);
select cohort.resume('ban'), cohort.drop_arm('ban', 'c') \g /dev/null
select pg_temp.check('an arm that is dropped leaves its share to the others, in a phase of its own', p.number = 4 and pg_temp.shares(p.id) = '{"control": 100000, "b": 900000}') from cohort.last_phase(pg_temp.id('ban')) p;
select pg_temp.check('the slice keeps its shares', pg_temp.shares(p.id) ->> 'c' = '333333') from cohort.phase p where p.experiment_id = pg_temp.id('ban') and p.number = 1;
select pg_temp.id('ban') as run \gset
select cohort.restart('ban', 'again', '{"variants": [{"key": "control", "value": 1}, {"key": "b", "value": 2}]}') \g /dev/null
select pg_temp.check('a restart begins at equal shares, with the arms that are left', count(*) = 2 and bool_and(pg_temp.shares(p.id) = '{"control": 500000, "b": 500000}') and pg_temp.id('ban') <> :run)
  from cohort.phase p where p.experiment_id = pg_temp.id('ban');
select pg_temp.check('the old run is counted on for its reward', count(*) = 1) from cohort.iteration_metric where experiment_id = :run and metric = 'paid';
select cohort.ship('ban', 'b', 10000) \g /dev/null
select pg_temp.check('it can be shipped', pg_temp.planned('ban') #>> '{shipped,variant}' = 'b');

-- Where a model decides, shares are for the record: stop conditions hold nobody to them.
insert into cohort.model (environment, experiment, experiment_id, version, document)
select 'production', 'con', pg_temp.id('con'), 1, '{"kind": "logistic", "columns": 5, "weights": {}}' returning id as model \gset
select cohort.open_time_phase(e, cohort.equal_shares(e), clock_timestamp(), :model) from cohort.experiment e where e.id = pg_temp.id('con') \g /dev/null
select pg_temp.check('conditions look at the phases that shares draw', jsonb_path_query_array(cohort.srm_inputs(e.id), '$.phases[*].phase') @> '[1, 2]'
        and not jsonb_path_query_array(cohort.srm_inputs(e.id), '$.phases[*].phase') @> to_jsonb(p.number)
        and not jsonb_path_query_array(cohort.effect_inputs(e, m), '$.treatments[*].phases[*].phase') @> to_jsonb(p.number))
  from cohort.experiment e, cohort.metric m, cohort.last_phase(e.id) p where e.id = pg_temp.id('con') and m.environment = 'production' and m.key = 'paid';

-- Old time phases are left out of the plan: an epoch is an hour, and another one is kept.
select cohort.put_experiment('old', :'doc'), cohort.start('old') \g /dev/null
set session_replication_role = replica;
update cohort.phase set starts_at = starts_at - interval '10 days' where experiment_id = pg_temp.id('old') and kind = 'time';
insert into cohort.phase (environment, experiment, experiment_id, number, kind, traffic_slots, starts_at)
select 'production', 'old', pg_temp.id('old'), 2 + n, 'time', '{[50000,1000000)}', clock_timestamp() - (500 - n) * interval '15 minutes' from generate_series(1, 499) n;
insert into cohort.phase_variant (phase_id, variant_id, share_ppm, slots)
select p.id, v.variant_id, v.share_ppm, v.slots from cohort.phase p join cohort.phase q on q.experiment_id = p.experiment_id and q.number = 2
  join cohort.phase_variant v on v.phase_id = q.id where p.experiment_id = pg_temp.id('old') and p.number > 2;
reset session_replication_role;
select pg_temp.check('of 500 time phases the plan has those of the last two hours and the slice, all with the closed slots', jsonb_array_length(p -> 'phases') = 9
        and p #>> '{phases,1,number}' = '494' and not exists (select from jsonb_array_elements(p -> 'phases') x where x ->> 'kind' = 'time' and x -> 'closed' is distinct from '[[300000, 1000000]]'))
  from pg_temp.planned('old') p;
set session_replication_role = replica;
update cohort.experiment set sticky = true where id = pg_temp.id('old');
select pg_temp.check('where tokens keep them, those of an hour more', jsonb_array_length(p -> 'phases') = 13) from pg_temp.planned('old') p;
update cohort.experiment set sticky = false where id = pg_temp.id('old');
reset session_replication_role;
select pg_temp.check('a document has the last 20', jsonb_array_length(cohort.get_experiment('old') -> 'phases') = 21);
