-- The model in SQL when it is right: holdouts in every scope, segments, overrides, prerequisites, environments, the plan
-- of all of them, and statistics of holdouts and of iterations. Prints "ok" or "not ok" a check.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
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
create function pg_temp.experiment(name text, patch jsonb default '{}') returns text language sql as $$
    select cohort.put_experiment(name, '{"variants": [{"key": "control", "share_ppm": 500000, "value": "a"}, {"key": "b", "share_ppm": 500000, "value": "b"}]}'::jsonb || patch) ->> 'status' $$;
create function pg_temp.hold(name text, patch jsonb default '{}') returns text language plpgsql as $$
begin
    perform cohort.put_holdout(name, '{"variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing"}, {"key": "in", "share_ppm": 950000, "gives": "everything"}]}'::jsonb || patch);
    return cohort.start(name);
end $$;
-- Volatile: they see what the statement before did, in one line too.
create function pg_temp.asked(name text) returns text language sql volatile as $$
    select coalesce(string_agg(h.holdout, ' ' order by h.place), '') from cohort.holdouts_of(name) h $$;
create function pg_temp.planned(name text, env text default 'production') returns jsonb language plpgsql as $$
begin
    return jsonb_path_query_first(cohort.plan_documents(), '$.environments[*] ? (@.environment == $e).experiments[*] ? (@.key == $k)',
                                  jsonb_build_object('e', env, 'k', name));
end $$;

-- Holdouts: scopes, order, and who asks.
insert into cohort.team (key) values ('growth');
insert into cohort.layer (key) values ('checkout');
select pg_temp.experiment('before') || cohort.start('before') as started \gset
select pg_temp.check('a holdout starts', pg_temp.hold('h_layer', '{"scope": "layer", "scope_key": "checkout"}') = 'running');
select pg_temp.check('and others of each scope', pg_temp.hold('h_tag', '{"scope": "tag", "scope_key": "pricing"}') || pg_temp.hold('h_team', '{"scope": "team", "scope_key": "growth"}')
    || pg_temp.hold('h_global') || pg_temp.hold('h_all', '{"exempts_running": false}') || pg_temp.hold('h_device', '{"unit_type": "device"}')
    || pg_temp.hold('h_global2', '{"variants": [{"key": "out", "share_ppm": 10000, "gives": "rules"}, {"key": "late", "share_ppm": 90000, "gives": "shipped"}, {"key": "in", "share_ppm": 900000, "gives": "everything"}]}') = repeat('running', 6));
select pg_temp.check('its control is the arm kept out', jsonb_path_query_array(cohort.get_holdout('h_global2'), '$.variants[*] ? (@.control == true).key') = '["out"]');
select pg_temp.check('its phase owns all traffic, its arms lie by position', traffic_slots = '{[0,1000000)}' and (select array_agg(v.slots::text order by v.variant_id)
    from cohort.phase_variant v where v.phase_id = p.id) = '{"{[0,10000)}","{[10000,100000)}","{[100000,1000000)}"}') from cohort.phase p where experiment = 'h_global2';
select pg_temp.experiment('after'), pg_temp.experiment('tagged', '{"tags": ["pricing", "x"]}'), pg_temp.experiment('all_of_it', '{"tags": ["pricing"], "team": "growth", "layer": "checkout", "layer_ppm": 100000}'),
       pg_temp.experiment('devices', '{"unit_type": "device"}') \g /dev/null
select pg_temp.check('what was running before is exempt, unless told otherwise', pg_temp.asked('before') = 'h_all');
select pg_temp.check('a global holdout covers what comes later', pg_temp.asked('after') = 'h_global h_all h_global2');
select pg_temp.check('a tag''s, too', pg_temp.asked('tagged') = 'h_global h_all h_global2 h_tag');
select pg_temp.check('asked in order: global, team, tag, layer, by id', pg_temp.asked('all_of_it') = 'h_global h_all h_global2 h_team h_tag h_layer');
select pg_temp.check('units of another type are held out by their own', pg_temp.asked('devices') = 'h_device');
select pg_temp.check('holdouts ask no holdouts', pg_temp.asked('h_tag') = '');
select pg_temp.check('the probability to be let in is rounded down after each', cohort.holdout_ppm('after') = 812250 and cohort.holdout_ppm('before') = 950000 and cohort.holdout_ppm('devices') = 950000
    and cohort.holdout_ppm('all_of_it') = 696402);
select cohort.start('after'), cohort.start('tagged'), cohort.start('all_of_it') \g /dev/null
select pg_temp.check('a start changes nothing of that', pg_temp.asked('all_of_it') = 'h_global h_all h_global2 h_team h_tag h_layer');
select cohort.ship('after', 'b') \g /dev/null
select pg_temp.check('a shipped variant is given by arms that give what has shipped', cohort.holdout_ppm('after') = 893475);
select pg_temp.check('a holdout created later exempts a shipped experiment', pg_temp.hold('h_later') = 'running' and pg_temp.asked('after') = 'h_global h_all h_global2');
select pg_temp.check('a tag that no holdout is of can be changed while it runs', pg_temp.refused($$update cohort.experiment set tags = '{pricing,y}' where key = 'tagged'$$) = 'accepted');
select pg_temp.check('one that a holdout is of can''t', pg_temp.refused($$update cohort.experiment set tags = '{y}' where key = 'tagged'$$) = 'holdout_moves');
select pg_temp.check('a stopped holdout is not asked', cohort.stop('h_later') = 'stopped' and cohort.stop('h_all') = 'stopped' and pg_temp.asked('before') = ''
    and pg_temp.asked('tagged') = 'h_global h_global2 h_tag');
select pg_temp.check('a paused one neither, a resumed one is', cohort.pause('h_global') = 'paused' and pg_temp.asked('tagged') = 'h_global2 h_tag' and cohort.resume('h_global') = 'running'
    and pg_temp.asked('tagged') = 'h_global h_global2 h_tag');
insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
select id, iteration, 0, 0, 1, 'Harm.', '{}' from cohort.experiment where key = 'h_tag';
select pg_temp.check('one that a guardrail stopped is not asked', pg_temp.asked('tagged') = 'h_global h_global2' and cohort.effective_status('h_tag') = 'stopped');
select pg_temp.check('a stopped experiment asks none', cohort.stop('tagged') = 'stopped' and pg_temp.asked('tagged') = '');
select pg_temp.check('a restarted one was started now: later than the holdouts', cohort.restart('before') = 'running' and pg_temp.asked('before') = 'h_global h_global2');
select pg_temp.check('a draft can be deleted, a started one can''t', cohort.put_holdout('gone', '{"variants": []}') ->> 'status' = 'draft' and cohort.delete_holdout('gone')
    and not cohort.delete_holdout('gone') and pg_temp.refused('select cohort.delete_holdout(''h_global'')') = 'experiment_delete_running');
select pg_temp.check('a PUT of a GET changes nothing', cohort.put_holdout('h_team', cohort.get_holdout('h_team')) = cohort.get_holdout('h_team'));
select pg_temp.check('a patch changes what it names', cohort.patch_holdout('h_team', '{"description": "Q3"}') @> '{"description": "Q3", "scope": "team", "status": "running"}' and cohort.patch_holdout('nope', '{}') is null);
select pg_temp.check('lists page', cohort.list_holdouts(2) ->> 'next' = 'h_device' and jsonb_path_query_array(cohort.list_holdouts(2, 'h_device'), '$.items[*].key') = '["h_global", "h_global2"]'
    and cohort.list_holdouts(5, 'h_tag') ->> 'next' is null);
select pg_temp.check('an experiment has no holdout''s document', cohort.get_holdout('after') is null);

-- Segments.
select pg_temp.check('segments are put', cohort.put_segment('de', '{"condition": {"country": "DE"}}') @> '{"key": "de", "condition": {"country": "DE"}}'
    and cohort.put_segment('vip', '{"list": ["c-1", 7], "description": "the best"}') @> '{"list": ["c-1", 7], "entries": 2}'
    and cohort.put_segment('both', '{"condition": {"$and": [{"$segment": "de"}, {"id": {"$inGroup": "vip"}}]}}') is not null);
select version as before from cohort.config_version \gset
select pg_temp.check('the same again changes nothing', cohort.put_segment('vip', cohort.get_segment('vip')) @> '{"entries": 2}');
select pg_temp.check('and raises no version', version = :before) from cohort.config_version;
select pg_temp.check('a list grows', cohort.patch_segment('vip', '{"list": ["c-1", "c-2", 7]}') @> '{"entries": 3, "description": "the best"}');
select pg_temp.check('and raises the version', version = :before + 1) from cohort.config_version;
select pg_temp.check('a list of segments has no entries in it', cohort.list_segments() #> '{items,2}' = '{"key": "vip", "entries": 3, "description": "the best"}');
select pg_temp.experiment('german', '{"condition": {"$segment": "both"}}') \g /dev/null
select pg_temp.check('what is in use stays', pg_temp.refused('select cohort.delete_segment(''both'')') = 'segment_in_use' and pg_temp.refused('select cohort.delete_segment(''de'')') = 'segment_in_use');
select cohort.start('german'), cohort.stop('german'), cohort.archive('german') \g /dev/null
select pg_temp.check('an archived experiment uses nothing', cohort.delete_segment('both') and not cohort.delete_segment('both'));
select pg_temp.check('and asks for nothing in the plan', pg_temp.planned('german') -> 'condition' = '{}');

-- Overrides.
select pg_temp.experiment('forced') || cohort.start('forced') as forced \gset
select pg_temp.check('a unit is forced by its raw id', cohort.override_unit('forced', 'user', 'first-person', 'b', 'QA') = key and unit_id = cohort.unit_id('user', 'first-person'))
  from cohort.override_unit('forced', 'user', 'first-person', 'b') made join cohort.override on key = made;
select pg_temp.check('the same unit again is the same override', cohort.create_override('{"experiment": "forced", "unit": "first-person", "variant": "control"}') ->> 'variant' = 'control'
    and jsonb_array_length(pg_temp.planned('forced') -> 'overrides') = 1);
select pg_temp.check('a segment is forced under a key', cohort.put_override('germans', '{"experiment": "forced", "segment": "de", "variant": "b", "note": "launch"}') @> '{"key": "germans", "segment": "de"}');
select pg_temp.check('a PUT of a GET changes nothing', cohort.put_override('germans', cohort.get_override('germans')) = cohort.get_override('germans'));
-- An id with letters that no hash, salt or uuid can have by chance.
select pg_temp.check('no raw id is kept anywhere', not exists (select from cohort.override o where o::text like '%first-person%') and not exists (select from cohort.audit a where a.object = 'override' and a::text like '%first-person%'));
select cohort.override_unit('forced', 'user', 'c-2', 'b', '', now() + interval '1 hour') \g /dev/null
select pg_temp.check('the plan forces units before segments, and says until when', pg_temp.planned('forced') #> '{overrides,2}' = '{"segment": "de", "variant": "b"}'
    and jsonb_path_exists(pg_temp.planned('forced'), '$.overrides[*] ? (@.unit == $u && @.expires_at_us > 0)', jsonb_build_object('u', cohort.unit_id('user', 'c-2'))));
set session_replication_role = replica;
update cohort.override set expires_at = now() - interval '1 s' where unit_id = cohort.unit_id('user', 'c-2');
reset session_replication_role;
select pg_temp.check('what has expired is not in it', jsonb_array_length(pg_temp.planned('forced') -> 'overrides') = 2);
select pg_temp.check('and is cleared away', cohort.expire_overrides((select epoch from cohort.leader_state)) = 1
    and cohort.expire_overrides((select epoch from cohort.leader_state)) = 0);
select pg_temp.check('one is ended', cohort.delete_override('germans') and not cohort.delete_override('germans'));

-- Prerequisites.
select pg_temp.experiment('base'), pg_temp.experiment('next', '{"prerequisites": [{"experiment": "base", "variants": ["b"]}]}') \g /dev/null
select pg_temp.check('a document says what it requires', cohort.get_experiment('next') -> 'prerequisites' = '[{"variants": ["b"], "experiment": "base"}]'
    and cohort.put_experiment('next', cohort.get_experiment('next')) = cohort.get_experiment('next'));
select pg_temp.check('the plan, too', pg_temp.planned('next') -> 'prerequisites' = '[{"variants": ["b"], "experiment": "base"}]');
select pg_temp.check('a draft''s can be changed', pg_temp.experiment('next', '{"prerequisites": [{"experiment": "base", "variants": ["b", "control"]}]}') = 'draft'
    and pg_temp.planned('next') #> '{prerequisites,0,variants}' = '["b", "control"]');
select pg_temp.check('left out, there are none', pg_temp.experiment('next') = 'draft' and pg_temp.planned('next') -> 'prerequisites' = '[]');

-- Environments.
select cohort.make_environment('staging') as made \gset
select pg_temp.check('an environment is made, with keys and metrics of its own', made = 'staging'
    and (select count(distinct unit_key) = 2 from cohort.secret) and (select count(*) = 3 from cohort.metric where environment = made))
  from (values (:'made')) x(made);
select pg_temp.check('documents of environments', cohort.put_environment('staging', '{}') = cohort.get_environment('staging') and cohort.get_environment('nope') is null
    and jsonb_path_query_array(cohort.list_environments(), '$.items[*].key') = '["production", "staging"]');
insert into cohort.flag (key, type, default_value) values ('shop', 'string', '"old"');
insert into cohort.metric (key, event) values ('bought', 'purchase');
select cohort.put_segment('vips', '{"condition": {"$or": [{"id": {"$inGroup": "vip"}}, {"$segment": "de"}]}}'), cohort.start('base') \g /dev/null
select pg_temp.experiment('whole', '{"flag": "shop", "condition": {"$segment": "vips"}, "team": "growth", "tags": ["pricing"], "layer": "checkout", "layer_ppm": 300000, "traffic_ppm": 500000,
    "guardrails": [{"metric": "bought", "direction": "down", "margin": 0.9}], "prerequisites": [{"experiment": "base", "variants": ["b"]}], "sticky": true}') || cohort.start('whole') as whole \gset
insert into cohort.experiment_metric (experiment, metric) values ('whole', 'refund');
select pg_temp.check('what it requires goes first', pg_temp.refused('select cohort.promote(''whole'', ''production'', ''staging'')') = 'prerequisite_requires_known');
select cohort.promote('base', 'production', 'staging') \g /dev/null
select cohort.promote('whole', 'production', 'staging') as promoted \gset
select pg_temp.check('a promoted experiment is a draft with an id and a salt of its own', :'promoted'::jsonb @> '{"status": "draft", "iteration": 1, "flag": "shop", "layer": "checkout", "team": "growth"}'
    and count(distinct salt) = 2 and count(distinct id) = 2) from cohort.experiment where key = 'whole';
select pg_temp.check('everything else is the same', cohort.writable(cohort.get_experiment('whole')) = cohort.writable(:'promoted'::jsonb));
select pg_temp.check('what it leans on came along', (select array_agg(key order by key) from cohort.segment where environment = 'staging') = '{de,vip,vips}'
    and exists (select from cohort.team where environment = 'staging') and (select default_value from cohort.flag where environment = 'staging' and key = 'shop') = '"old"'
    and exists (select from cohort.experiment_metric where environment = 'staging') and (select count(distinct salt) = 2 from cohort.layer where key = 'checkout'));
select pg_temp.check('the environment is the one it was', cohort.current_environment() = 'production');
select pg_temp.check('again, it replaces the draft', cohort.promote('whole', 'production', 'staging') = :'promoted'::jsonb);
select pg_temp.check('holdouts are promoted, too', cohort.promote('h_team', 'production', 'staging') @> '{"status": "draft", "scope": "team", "scope_key": "growth"}');
begin;
set local cohort.environment = 'staging';
select cohort.start('base'), cohort.start('whole'), cohort.start('h_team') \g /dev/null
commit;
select pg_temp.check('it runs there under another unit key', pg_temp.planned('whole', 'staging') ->> 'status' = 'running'
    and (select count(distinct x ->> 'unit_key') = 2 from jsonb_array_elements(cohort.plan_documents() -> 'environments') x));

-- The plan of all environments.
select pg_temp.check('format, versions, environments', cohort.plan_documents() @> '{"format": 2}' and (cohort.plan_documents() ->> 'version')::bigint = v.version
    and (cohort.plan_documents() ->> 'stop_version')::bigint = v.stop_version and jsonb_path_query_array(cohort.plan_documents(), '$.environments[*].environment') = '["production", "staging"]')
  from cohort.plan_versions() v;
select pg_temp.check('one environment alone is format 1', cohort.plan_document() @> '{"format": 1, "environment": "production"}'
    and cohort.plan_document() - '{format,version,stop_version}'::text[] = cohort.plan_documents() #> '{environments,0}');
select pg_temp.check('layers and segments', jsonb_path_exists(cohort.plan_documents(), '$.environments[0].layers[*] ? (@.key == "checkout" && @.salt like_regex "^[0-9a-f]{32}$")')
    and jsonb_path_query_array(cohort.plan_documents(), '$.environments[0].segments[*].key') = '["de", "vip", "vips"]'
    and cohort.plan_documents() #> '{environments,0,segments,1,list}' = '["c-1", "c-2", 7]');
select pg_temp.check('the slots of its layer', pg_temp.planned('whole') @> '{"layer": "checkout", "layer_slots": [[100000, 400000]], "sticky": true}' and pg_temp.planned('all_of_it') -> 'layer_slots' = '[[0, 100000]]');
select pg_temp.check('what has shipped', pg_temp.planned('after') -> 'shipped' @> '{"variant": "b", "holdback_ppm": 0}' and pg_temp.planned('after') #>> '{shipped,salt}' ~ '^[0-9a-f]{32}$');
select pg_temp.check('a holdout: scope, arms, no flag', pg_temp.planned('h_global2') @> '{"kind": "holdout", "holdout": {"scope": "global", "scope_key": null}}'
    and jsonb_path_query_array(pg_temp.planned('h_global2'), '$.variants[*].gives') = '["rules", "shipped", "everything"]');
select pg_temp.check('ids of holdouts in the order they are asked', pg_temp.planned('all_of_it') -> 'holdouts' = (select jsonb_agg(h.id order by h.place) from cohort.holdouts_of('all_of_it') h)
    and jsonb_array_length(pg_temp.planned('all_of_it') -> 'holdouts') = 4);
select pg_temp.check('times in microseconds', cohort.put_holdout('timed', '{"starts_at": "2031-01-02T03:04:05.000006Z", "ends_at": "2031-02-01T00:00:00Z", "variants": []}') is not null
    and pg_temp.planned('timed') @> '{"starts_at_us": 1925089445000006, "holdout": {"starts_at_us": 1925089445000006, "ends_at_us": 1927670400000000}}'
    and pg_temp.planned('whole') @> '{"starts_at_us": null, "ends_at_us": null}');
select pg_temp.experiment('three', '{"variants": [{"key": "control", "share_ppm": 400000, "value": 1}, {"key": "b", "share_ppm": 300000, "value": 2}, {"key": "c", "share_ppm": 300000, "value": 3}], "guardrails": [{"metric": "refund"}]}') || cohort.start('three') as three \gset
select cohort.drop_arm('three', 'c'), cohort.ramp('three', 600000) \g /dev/null
select pg_temp.check('dropped arms and closed slots', jsonb_path_query_array(pg_temp.planned('three'), '$.variants[*] ? (@.dropped == true).key') = '["c"]'
    and pg_temp.planned('three') #> '{phases,0}' @> '{"traffic_slots": [[0, 1000000]]}' and jsonb_typeof(pg_temp.planned('three') #> '{phases,0,closed}') = 'array'
    and not pg_temp.planned('whole') #> '{phases,0}' ? 'closed');
select pg_temp.check('paused', cohort.pause('three') = 'paused' and pg_temp.planned('three') @> '{"status": "paused", "paused": true}');
select pg_temp.check('a paused experiment stays guarded, a dropped arm doesn''t', array_agg(treatment) = '{b}' and max(arms) = 3) from cohort.guardrail_input where experiment = 'three';
select cohort.restart('three') as restarted \gset
select pg_temp.check('only the current iteration''s phases', :'restarted' = 'running' and jsonb_array_length(pg_temp.planned('three') -> 'phases') = 1
    and pg_temp.planned('three') #>> '{phases,0,id}' = (select max(id)::text from cohort.phase where experiment = 'three') and (select count(*) > 1 from cohort.phase where experiment = 'three'));
select pg_temp.check('each new table raises the version', count(*) = 8) from pg_trigger t join pg_class c on c.oid = t.tgrelid
 where t.tgname = 'zz_raise_version' and c.relname in ('team', 'holdout', 'segment', 'override', 'prerequisite', 'layer', 'layer_slots', 'phase_closed');

-- Teams.
create role growth_people;
create role ann login in role growth_people, cohort_product;
insert into cohort.team_member (team, role_name) values ('growth', 'growth_people');
set session authorization ann;
select pg_temp.check('a member acts for the team', cohort.my_teams() = '{growth}');
set cohort.team = 'payments';
select pg_temp.check('and can''t say that it is another', cohort.my_teams() = '{growth}');
reset session authorization;
select pg_temp.check('a server speaks for the team of a key', cohort.my_teams() = '{payments}');
reset cohort.team;

-- Statistics: a holdout counts as any experiment, and iterations count apart.
create function pg_temp.unit(n int) returns uuid language sql immutable as $$ select (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid $$;
select cohort.ingest_prepare() \g /dev/null
create function pg_temp.expose(name text, arm text, lo int, hi int, bad int) returns void language sql as $$
    insert into pg_temp.stage_exposure
    select pg_temp.unit(i), e.id, v.id, p.id, 500000, 1000000, now() - interval '1 hour', gen_random_uuid(), null, true, 0
      from cohort.experiment e join cohort.variant v on v.environment = e.environment and v.experiment = e.key and v.key = arm
      join cohort.phase p on p.experiment_id = e.id, generate_series(lo, hi) i where e.environment = 'production' and e.key = name;
    insert into pg_temp.stage_outcome select pg_temp.unit(i), gen_random_uuid(), now() - interval '30 min', 'refund', null, null, null, true
      from generate_series(lo, lo + bad - 1) i $$;
select cohort.lead('model') as epoch \gset
select pg_temp.hold('counted', '{"guardrails": [{"metric": "refund", "action": "alert"}], "variants": [{"key": "out", "share_ppm": 100000, "gives": "nothing"}, {"key": "in", "share_ppm": 900000, "gives": "everything"}]}') \g /dev/null
begin;
select pg_temp.expose('counted', 'out', 1, 100, 10), pg_temp.expose('counted', 'in', 101, 1000, 180), pg_temp.expose('three', 'control', 5001, 5100, 20), pg_temp.expose('three', 'b', 5101, 5200, 30) \g /dev/null
insert into pg_temp.stage_decision
select pg_temp.unit(1), gen_random_uuid(), now(), f.id, e.id, null, null, v.id, 'HOLDOUT', 100000, null, 0, 1, null, h.id
  from cohort.experiment e join cohort.flag f on f.environment = e.environment and f.key = e.flag join cohort.variant v on v.environment = e.environment and v.experiment = e.key and v.key = 'b',
       cohort.experiment h where e.environment = 'production' and e.key = 'three' and h.key = 'counted';
select * from cohort.ingest(gen_random_uuid(), 'n', 1, 1) \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
select pg_temp.check('a holdout''s results: the held out are control', (select (units, value) = (100, 0.1) from cohort.results_fixed('counted') where metric = 'refund' and is_control)
    and (select (variant, units, round(difference::numeric, 6)) = ('in', 900, 0.1) from cohort.results_fixed('counted') where metric = 'refund' and not is_control));
select pg_temp.check('its sample ratio expects what its arms'' shares say', array_agg(expected order by variant) = '{900,100}' and max(p) > 0.99) from cohort.srm('counted');
select pg_temp.check('its guardrails are watched', (treatment, control, treatment_units, treatment_events, control_events) = ('in', 'out', 900, 180, 10)) from cohort.guardrail_input where experiment = 'counted';
select pg_temp.check('a decision names the holdout', (select key from cohort.experiment where id = d.holdout_id) = 'counted' and d.reason = 'HOLDOUT' and d.counterfactual_variant_id is not null)
  from cohort.decision d;
select id as old_id, iteration as old_iteration from cohort.experiment where environment = 'production' and key = 'three' \gset
select cohort.restart('three', null, '{"guardrails": [{"metric": "complaint"}]}') \g /dev/null
begin;
select pg_temp.expose('three', 'b', 5001, 5010, 0) \g /dev/null
insert into pg_temp.stage_outcome select pg_temp.unit(5199), gen_random_uuid(), now(), 'refund', null, null, null, true;
select * from cohort.ingest(gen_random_uuid(), 'n', 1, 1) \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
select pg_temp.check('a new iteration begins with nothing', (select sum(units) = 10 from cohort.results_fixed('three')) and (select units = 0 from cohort.srm('three') where variant = 'control'));
select pg_temp.check('the earlier one keeps its metrics, and late outcomes still count', (select array_agg(variant || ' ' || units || ' ' || round((value * units)::numeric) order by variant) = '{"b 100 31","c 0 ","control 100 20"}'
    or array_agg(coalesce(variant || ' ' || units || ' ' || round((value * units)::numeric), '') order by variant) = '{"b 100 31","","control 100 20"}'
    from cohort.results_fixed('three', :old_iteration) where metric = 'refund'));
select pg_temp.check('an arm that was dropped before has no expectation and breaks no ratio', min(p) > 0.01 and count(expected) = 2) from cohort.srm('three', :old_iteration);
select pg_temp.check('sums equal the recount, of both', not exists (select * from cohort.metric_stat where experiment_id in (:old_id, (select id from cohort.experiment where environment = 'production' and key = 'three'))
    except select r.* from cohort.every_iteration i, cohort.recount(i.experiment_id) r));
select pg_temp.check('repair counts every iteration', cohort.repair('three') > 2 and (select sum(units) = 10 from cohort.results_fixed('three')));
select pg_temp.check('an iteration that never was is an error', pg_temp.refused('select * from cohort.results_fixed(''three'', 99)') = 'iteration_known' and pg_temp.refused('select * from cohort.srm(''nope'')') = 'experiment_known');

-- Comments.
select 'not ok a comment is missing: ' || c.relname || coalesce('.' || a.attname, '')
  from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'cohort'::regnamespace and c.relname in ('team', 'team_member', 'definition_turn', 'holdout', 'segment', 'override', 'prerequisite', 'holdout_covers', 'every_iteration', 'iteration_metric')
   and (obj_description(c.oid, 'pg_class') is null or a.attname is not null and col_description(c.oid, a.attnum) is null);
