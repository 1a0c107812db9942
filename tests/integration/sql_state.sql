-- What definitions do when they are right. Each check prints "ok" or "not ok"; check() takes a boolean.
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

-- A user's story: everything and the start in one transaction.
begin;
insert into cohort.experiment (key, description) values ('checkout_cta', 'Which button sells?');
insert into cohort.variant (experiment, key, share_ppm, value) values ('checkout_cta', 'control', 500000, '"Buy now"'), ('checkout_cta', 'hurry', 500000, '"Hurry!"');
insert into cohort.guardrail (experiment, metric) values ('checkout_cta', 'unsubscribe');
select pg_temp.check('start returns the new status', cohort.start('checkout_cta') = 'running');
commit;
select pg_temp.check('the experiment runs', cohort.effective_status('checkout_cta') = 'running');
select pg_temp.check('its flag has type and default', (type, default_value) = ('string', '"Buy now"')) from cohort.flag where key = 'checkout_cta';
select pg_temp.check('phase 1 owns all traffic', number = 1 and traffic_slots = '{[0,1000000)}') from cohort.phase where experiment = 'checkout_cta';
select pg_temp.check('variants own slots by position', array_agg(slots::text order by variant_id) = '{"{[0,500000)}","{[500000,1000000)}"}')
  from cohort.phase_variant;
select pg_temp.check('the control is marked', array_agg(key) = '{control}') from cohort.variant where is_control;
select pg_temp.check('history says who and when', array_agg(status || ' ' || actor order by id) = array['draft ' || session_user, 'running ' || session_user]) from cohort.status_change;
select pg_temp.check('the view reads well', (status, variants, guardrails) = ('running', 'control 50 %, hurry 50 %', 'stop unsubscribe up')) from cohort.experiments;
select pg_temp.check('the flags view reads well', rules = 'experiment checkout_cta') from cohort.flags;

-- Documents.
\set doc '{"description": "d", "owner": "team", "traffic_ppm": 200000, "condition": {"country": {"$in": ["DE", "AT"]}, "plan": "pro"}, "alpha": 0.02, "variants": [{"key": "a", "share_ppm": 333333, "value": 5.0}, {"key": "b", "share_ppm": 333333, "value": 6}, {"key": "c", "share_ppm": 333334, "value": 7.25, "control": true}], "guardrails": [{"metric": "refund", "margin": 1.1, "count": "at_maturity", "action": "alert"}, {"metric": "complaint", "weight": 2}]}'
select pg_temp.check('a document makes a draft', cohort.put_experiment('price', :'doc') ->> 'status' = 'draft');
select version as before from cohort.config_version \gset
select pg_temp.check('the same document again changes nothing', cohort.put_experiment('price', :'doc') ->> 'status' = 'draft');
select pg_temp.check('and no version is raised', version = :before) from cohort.config_version;
select pg_temp.check('GET says what PUT said', cohort.get_experiment('price') @> :'doc' and cohort.get_experiment('price')::text like '%"value": 5.0,%');
select pg_temp.check('a PUT of a GET changes nothing', cohort.put_experiment('price', cohort.get_experiment('price')) = cohort.get_experiment('price'));
select pg_temp.check('a draft can be redesigned', cohort.put_experiment('price', '{"variants": [{"key": "b", "share_ppm": 1, "value": "x"}, {"key": "d", "share_ppm": 999999, "value": "y", "control": true}]}')
    #>> '{variants,0,share_ppm}' = '1');
select pg_temp.check('a draft''s control can move', cohort.put_experiment('price', '{"variants": [{"key": "b", "share_ppm": 1, "value": "x", "control": true}, {"key": "d", "share_ppm": 999999, "value": "y"}]}')
    #>> '{variants,0,control}' = 'true');
select pg_temp.check('and back to what it was', cohort.put_experiment('price', :'doc') @> :'doc');
begin;
set local cohort.actor = 'api key 3 (product)';
select cohort.start('price', 'ready') as started \gset
commit;
select pg_temp.check('a reason and an actor are kept', (c.actor, c.reason, c.status) = ('api key 3 (product)', 'ready', 'running'))
  from cohort.status_change c order by id desc limit 1;
select version as before from cohort.config_version \gset
select pg_temp.check('a running experiment takes the same document', cohort.put_experiment('price', :'doc') ->> 'status' = 'running');
select pg_temp.check('again without a version', version = :before) from cohort.config_version;
select pg_temp.check('description and owner may change while it runs',
    cohort.put_experiment('price', :'doc'::jsonb || '{"description": "better", "owner": "us"}') @> '{"description": "better", "owner": "us", "status": "running"}');
select pg_temp.check('that raises the version by one', version = :before + 1) from cohort.config_version;
select pg_temp.check('part of the traffic is open', traffic_slots = '{[0,200000)}') from cohort.phase where experiment = 'price';
select pg_temp.check('three variants own every slot once', range_agg(s) = '{[0,1000000)}' and sum(upper(s) - lower(s)) = 1000000)
  from cohort.phase p join cohort.phase_variant v on v.phase_id = p.id, unnest(v.slots) s where p.experiment = 'price';
select pg_temp.check('an absent experiment is null', cohort.get_experiment('nope') is null and cohort.effective_status('nope') is null);
select pg_temp.check('the list has both', jsonb_path_query_array(cohort.list_experiments(), '$.experiments[*].key') = '["checkout_cta", "price"]');

-- A guardrail's stop.
insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
select e.id, e.iteration, g.id, v.id, 1, 'hurry made 3 times as many unsubscribe.', '{"e": 1000}'
  from cohort.experiment e, cohort.guardrail g, cohort.variant v
 where e.key = 'checkout_cta' and g.experiment = e.key and v.experiment = e.key and v.key = 'hurry';
select pg_temp.check('a guardrail''s stop is the status', cohort.effective_status('checkout_cta') = 'stopped'
    and cohort.get_experiment('checkout_cta') @> '{"status": "stopped", "stop": {"sentence": "hurry made 3 times as many unsubscribe.", "evidence": {"e": 1000}}}');
select pg_temp.check('and the end of the history', cohort.get_experiment('checkout_cta') #> '{history,-1}'
    @> '{"status": "stopped", "actor": "guardrail", "reason": "hurry made 3 times as many unsubscribe."}');
select pg_temp.check('and in the view', status = 'stopped' and ended_at is not null) from cohort.experiments where key = 'checkout_cta';
select pg_temp.check('the plan says it is guard-stopped', jsonb_path_exists(cohort.plan_document(),
    '$.experiments[*] ? (@.key == "checkout_cta" && @.guard_stopped == true && @.status == "running")'));
select pg_temp.check('the versions tell', stop_version = (select id from cohort.stop_event)) from cohort.plan_versions();
select pg_temp.check('it can be archived', cohort.archive('checkout_cta', 'lesson learnt') = 'archived');
select pg_temp.check('and is archived then', cohort.effective_status('checkout_cta') = 'archived');
select pg_temp.check('an experiment is stopped and archived by hand', cohort.stop('price') || cohort.archive('price') = 'stoppedarchived');

-- Flags.
insert into cohort.experiment (key) values ('scrap');
delete from cohort.experiment where key = 'scrap';
select pg_temp.check('a deleted draft takes its flag along', not exists (select from cohort.flag where key = 'scrap'));
insert into cohort.flag (key, type, default_value) values ('banner', 'boolean', 'false');
insert into cohort.flag_rule (flag, kind, value, condition) values ('banner', 'force', 'true', '{"staff": true}');
insert into cohort.flag_rule (flag, kind, value, share_ppm) values ('banner', 'rollout', 'true', 50000);
insert into cohort.experiment (key, flag) values ('banner_test', 'banner'), ('banner_import', 'banner');
update cohort.experiment set origin = 'imported' where key = 'banner_import';
select pg_temp.check('a flag''s rules come in order, imported ones are left out', jsonb_path_query_array(cohort.plan_document(),
    '$.flags[*] ? (@.key == "banner").rules[*].kind') = '["force", "rollout", "experiment"]');
select pg_temp.check('a rollout has a salt', jsonb_path_exists(cohort.plan_document(),
    '$.flags[*] ? (@.key == "banner").rules[*] ? (@.kind == "rollout" && @.salt like_regex "^[0-9a-f]{32}$" && @.unit_type == "user")'));
select pg_temp.check('a default travels', jsonb_path_query_array(cohort.plan_document(), '$.flags[*] ? (@.key == "banner").default') = '[false]');
update cohort.experiment set flag = 'banner_import' where key = 'banner_import';
select pg_temp.check('an experiment can move to a flag of its own', (select array_agg(flag::text) from cohort.flag_rule where experiment = 'banner_import') = '{banner_import}');
delete from cohort.experiment where key in ('banner_import');

-- The plan.
select pg_temp.check('the plan names keys and events', d ->> 'unit_key' ~ '^[0-9a-f]{64}$' and d ->> 'hash_key' ~ '^[0-9a-f]{64}$'
    and d -> 'events' = '["complaint", "refund", "unsubscribe"]' and d ->> 'format' = '1') from cohort.plan_document() d;
select pg_temp.check('an API key looks like one', cohort.create_api_key('events', 'shop') ~ '^ck_events_[A-Za-z0-9_-]{43}$');
select cohort.create_api_key('product', 'team') as presented \gset
select pg_temp.check('and is kept as its HMAC', hash = cohort.hmac(convert_to(:'presented', 'UTF8'), s.hash_key, 'sha256') and role = 'product')
  from cohort.api_key k, cohort.secret s order by k.id desc limit 1;
select pg_temp.check('a revoked key leaves the plan', jsonb_array_length(cohort.plan_document() -> 'api_keys') = 2);
update cohort.api_key set revoked_at = now() where role = 'events';
select pg_temp.check('... at once', jsonb_array_length(cohort.plan_document() -> 'api_keys') = 1);
select pg_temp.check('and stays revoked', pg_temp.refused('update cohort.api_key set revoked_at = null') = 'api_key_fixed');

-- Environments are apart.
insert into cohort.environment (key) values ('staging');
set cohort.environment = 'staging';
select pg_temp.check('a new environment has metrics and secrets of its own', (select count(*) from cohort.metric where environment = 'staging') = 3
    and (select count(distinct unit_key) from cohort.secret) = 2);
select pg_temp.check('and no experiments', cohort.plan_document() -> 'experiments' = '[]' and cohort.list_experiments() = '{"experiments": [], "next": null}');
select pg_temp.check('the same key can be used again', cohort.put_experiment('price', :'doc') ->> 'status' = 'draft');
select pg_temp.check('and started', cohort.start('price') = 'running');
reset cohort.environment;

-- The version: once a transaction, at its end.
select version as before from cohort.config_version \gset
begin;
update cohort.metric set description = 'x' where key = 'refund';
select pg_temp.check('the version rises at COMMIT, not before', version = :before) from cohort.config_version;
update cohort.metric set description = 'y' where key = 'refund';
insert into cohort.experiment (key) values ('late');
commit;
select pg_temp.check('by one, however much changed', version = :before + 1) from cohort.config_version;
begin; delete from cohort.experiment where key = 'late'; rollback;
select pg_temp.check('a rolled-back change raises nothing', version = :before + 1) from cohort.config_version;
begin; savepoint s; delete from cohort.experiment where key = 'late'; set constraints all immediate; rollback to s;
update cohort.metric set description = 'z' where key = 'refund'; commit;
select pg_temp.check('a change after a savepoint was undone does', version = :before + 2) from cohort.config_version;

-- Who may do what.
set role cohort_product;
begin;
insert into cohort.experiment (key) values ('by_product');
insert into cohort.variant (experiment, key, share_ppm, value) values ('by_product', 'control', 500000, 'true'), ('by_product', 'b', 500000, 'false');
insert into cohort.guardrail (experiment, metric) values ('by_product', 'refund');
select pg_temp.check('a product team defines and starts', cohort.start('by_product') = 'running');
commit;
select pg_temp.check('and by document', cohort.put_experiment('by_doc', :'doc') ->> 'status' = 'draft');
select pg_temp.check('it edits no salt', pg_temp.refused('update cohort.experiment set salt = salt') = '42501');
select pg_temp.check('opens no phase', pg_temp.refused($$insert into cohort.phase (experiment, number, traffic_slots) values ('by_doc', 1, '{[0,5)}')$$) = '42501');
select pg_temp.check('sees no secret', pg_temp.refused('select * from cohort.secret') = '42501');
select pg_temp.check('reads no plan', pg_temp.refused('select cohort.plan_document()') = '42501');
select pg_temp.check('makes no key', pg_temp.refused($$select cohort.create_api_key('admin', 'me')$$) = '42501');
select pg_temp.check('and asks for a unit', cohort.unit_id('user', 'c-1') is not null);
reset role;
set role cohort_analyst;
select pg_temp.check('an analyst reads', count(*) > 0) from cohort.experiments;
select pg_temp.check('events too', (select count(*) from cohort.exposure) + (select count(*) from cohort.outcome) + (select count(*) from cohort.decision) = 0);
select pg_temp.check('recomputes', count(*) <= 1) from cohort.expected_assignment('by_product', gen_random_uuid());
select pg_temp.check('asks for no unit', pg_temp.refused($$select cohort.unit_id('user', 'c-1')$$) = '42501');
select pg_temp.check('sees no secret', pg_temp.refused('select * from cohort.secret') = '42501');
select pg_temp.check('changes nothing', pg_temp.refused($$update cohort.experiment set description = 'mine'$$) = '42501');
reset role;
set role cohort_server;
select pg_temp.check('a server reads the plan', cohort.plan_document() ->> 'environment' = 'production');
select pg_temp.check('and stores a document', cohort.put_experiment('by_doc', :'doc') ->> 'status' = 'draft');
select pg_temp.check('but takes no stop back', pg_temp.refused('delete from cohort.stop_event') = '42501');
reset role;

-- Everything is described.
select 'not ok a comment is missing: ' || c.relname || coalesce('.' || a.attname, '')
  from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'cohort'::regnamespace and c.relkind in ('r', 'v', 'p') and not c.relispartition
   and (obj_description(c.oid, 'pg_class') is null or a.attname is not null and col_description(c.oid, a.attnum) is null);
select 'not ok a comment is missing: function ' || p.oid::regprocedure
  from pg_proc p where p.pronamespace = 'cohort'::regnamespace and obj_description(p.oid, 'pg_proc') is null
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e');
select 'not ok search_path is not set: function ' || p.oid::regprocedure
  from pg_proc p where p.pronamespace = 'cohort'::regnamespace and p.prosecdef
   and not 'search_path=cohort, pg_temp' = any (coalesce(p.proconfig, '{}'));
