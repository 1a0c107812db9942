-- Two teams, as database roles and as API keys of a server, with the product role and without it: each changes
-- its own through every function, reads all, and is refused the other's in a sentence.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
create schema g;
create function g.tried(statement text) returns text language plpgsql as $$
declare
    rule text;
    said text;
    state text;
begin
    execute statement;
    set constraints all immediate;
    set constraints all deferred;
    return 'accepted';
exception when others then
    get stacked diagnostics rule = constraint_name, said = message_text, state = returned_sqlstate;
    return coalesce(nullif(rule, ''), said) || case when rule = 'team_foreign' and (state <> '42501' or said !~ '^.*belongs to team "pay"; you act for (team "find"|no team)\.$') then ' with the wrong sentence: ' || said else '' end;
end $$;
create function g.is(what text, got text, want text) returns text language sql as $$
    select case when got is not distinct from want then 'ok     ' || what else format('not ok %s: %s, not %s', what, coalesce(got, 'null'), coalesce(want, 'null')) end $$;
grant usage on schema g to public;
grant execute on all functions in schema g to public;

create function g.is(what text, got boolean, want boolean) returns text language sql as $$ select g.is(what, got::text, want::text) $$;
create role ada login;
create role fay login;
grant cohort_product to ada, fay;
insert into cohort.team (key) values ('pay'), ('find');
insert into cohort.team_member (team, role_name) values ('pay', 'ada'), ('find', 'fay');

create function g.doc(team text, more jsonb default '{}') returns jsonb language sql as $$
    select jsonb_build_object('team', team, 'variants', '[{"key": "control", "share_ppm": 500000, "value": 1}, {"key": "b", "share_ppm": 500000, "value": 2}]'::jsonb,
        'guardrails', '[{"metric": "refund"}]'::jsonb) || more $$;

-- The whole life of what is one's own: each step is tried, in this order.
create table g.step (n int generated always as identity, statement text);
grant select on g.step to public;
insert into g.step (statement) values
('select cohort.put_layer(''lay-%1$s'', ''{"team": "%1$s"}'')'),
('select cohort.put_layer(''lay-%1$s'', ''{"team": "%1$s", "description": "more"}'')'),
('select cohort.put_segment(''seg-%1$s'', ''{"team": "%1$s", "condition": {"country": "NL"}}'')'),
('select cohort.put_segment(''seg-%1$s'', ''{"team": "%1$s", "condition": {"country": "BE"}}'')'),
('select cohort.put_flag(''flag-%1$s'', ''{"team": "%1$s", "type": "number", "default": 0, "rules": [{"kind": "force", "condition": {"country": "NL"}, "value": 3}]}'')'),
('select cohort.patch_flag(''flag-%1$s'', ''{"rules": [{"kind": "rollout", "value": 4, "share_ppm": 1000}, {"kind": "force", "condition": {"country": "NL"}, "value": 3}]}'')'),
('select cohort.put_experiment(''base-%1$s'', g.doc(''%1$s''))'),
('select cohort.start(''base-%1$s'')'),
('select cohort.put_experiment(''exp-%1$s'', g.doc(''%1$s'', ''{"flag": "flag-%1$s", "layer": "lay-%1$s", "layer_ppm": 200000, "traffic_ppm": 100000, "tags": ["x"],
    "variants": [{"key": "control", "share_ppm": 400000, "value": 1}, {"key": "b", "share_ppm": 300000, "value": 2}, {"key": "c", "share_ppm": 300000, "value": 3}],
    "prerequisites": [{"experiment": "base-%1$s", "variants": ["b"]}], "ramp": [{"traffic_ppm": 500000, "wait_s": 60}]}''))'),
('select cohort.patch_experiment(''exp-%1$s'', ''{"description": "again", "guardrails": [{"metric": "complaint"}], "prerequisites": [], "ramp": []}'')'),
('insert into cohort.experiment_metric (experiment, metric) values (''exp-%1$s'', ''refund'')'),
('select count(*) from cohort.validate(''exp-%1$s'')'),
('select cohort.start(''exp-%1$s'', ''why not'')'),
('select cohort.pause(''exp-%1$s'')'),
('select cohort.resume(''exp-%1$s'')'),
('select cohort.ramp(''exp-%1$s'', 300000)'),
('select cohort.ramp(''exp-%1$s'', 200000)'),
('select cohort.grow(''exp-%1$s'', 300000)'),
('select cohort.drop_arm(''exp-%1$s'', ''c'')'),
('select cohort.override_unit(''exp-%1$s'', ''user'', ''c-1'', ''b'')'),
('select cohort.put_override(''over-%1$s'', ''{"experiment": "exp-%1$s", "segment": "seg-%1$s", "variant": "b"}'')'),
('select cohort.put_override(''over-%1$s'', ''{"experiment": "exp-%1$s", "segment": "seg-%1$s", "variant": "control"}'')'),
('select cohort.delete_override(''over-%1$s'')'),
('select cohort.put_override(''over-%1$s'', ''{"experiment": "exp-%1$s", "segment": "seg-%1$s", "variant": "b"}'')'),
('select cohort.restart(''exp-%1$s'', ''again'')'),
('select cohort.ship(''exp-%1$s'', ''b'', 10000)'),
('select cohort.stop(''exp-%1$s'')'),
('select cohort.clone(''exp-%1$s'', ''copy-%1$s'')'),
('select cohort.delete_experiment(''copy-%1$s'')'),
('select cohort.clone(''exp-%1$s'', ''draft-%1$s'')'),
('select cohort.put_holdout(''hold-%1$s'', ''{"team": "%1$s", "scope": "team", "scope_key": "%1$s", "variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing", "control": true}, {"key": "in", "share_ppm": 950000, "gives": "everything"}]}'')'),
('select cohort.patch_holdout(''hold-%1$s'', ''{"description": "quarter"}'')'),
('select cohort.start(''hold-%1$s'')'),
('select cohort.put_metric(''metric-%1$s'', ''{"description": "x"}'')'),
('select cohort.stop(''base-%1$s'')'),
('select cohort.archive(''base-%1$s'')'),
('select cohort.put_flag(''gone-%1$s'', ''{"team": "%1$s"}'')'),
('select cohort.delete_flag(''gone-%1$s'')');

set session authorization ada;
select g.is('pay by role: ' || regexp_replace(left(format(statement, 'pay'), 60), '\s+', ' ', 'g'), g.tried(format(statement, 'pay')), 'accepted') from g.step order by n;
reset session authorization;

-- What another team tries with it.
create table g.raid (n int generated always as identity, statement text, want text default 'team_foreign');
grant select on g.raid to public;
insert into g.raid (statement)
select x from unnest(array[
'select cohort.put_layer(''lay-pay'', ''{"team": "pay", "description": "x"}'')', 'select cohort.delete_layer(''lay-pay'')',
'select cohort.put_layer(''lay-pay'', ''{"description": "x"}'')', 'select cohort.patch_layer(''lay-pay'', ''{"team": null}'')',
'select cohort.put_layer(''new-lay'', ''{"team": "pay"}'')',
'select cohort.put_segment(''seg-pay'', ''{"condition": {}}'')', 'select cohort.patch_segment(''seg-pay'', ''{"description": "x"}'')',
'select cohort.delete_segment(''seg-pay'')', 'select cohort.put_segment(''seg-new'', ''{"team": "pay", "condition": {}}'')',
'select cohort.put_flag(''flag-pay'', ''{}'')', 'select cohort.patch_flag(''flag-pay'', ''{"rules": []}'')', 'select cohort.delete_flag(''flag-pay'')',
'select cohort.put_flag(''flag-new'', ''{"team": "pay"}'')',
'select cohort.put_experiment(''draft-pay'', g.doc(''pay''))', 'select cohort.put_experiment(''draft-pay'', g.doc(''find''))',
'select cohort.put_experiment(''fresh'', g.doc(''pay''))', 'select cohort.put_experiment(''on-their-flag'', g.doc(null, ''{"flag": "flag-pay"}'') - ''team'')',
'select cohort.patch_experiment(''draft-pay'', ''{"description": "x"}'')', 'select cohort.delete_experiment(''draft-pay'')',
'select cohort.start(''draft-pay'')', 'select cohort.stop(''hold-pay'')', 'select cohort.pause(''hold-pay'')', 'select cohort.resume(''hold-pay'')',
'select cohort.archive(''exp-pay'')', 'select cohort.ramp(''exp-pay'', 1000000)', 'select cohort.grow(''exp-pay'', 400000)',
'select cohort.drop_arm(''exp-pay'', ''b'')', 'select cohort.ship(''exp-pay'', ''b'')', 'select cohort.restart(''exp-pay'')',
'select cohort.clone(''exp-pay'', ''theirs'')',
'select cohort.override_unit(''exp-pay'', ''user'', ''c-1'', ''control'')', 'select cohort.override_unit(''exp-pay'', ''user'', ''c-2'', ''control'')',
'select cohort.put_override(''over-pay'', ''{"experiment": "exp-pay", "segment": "seg-pay", "variant": "control"}'')',
'select cohort.delete_override(''over-pay'')', 'select cohort.create_override(''{"experiment": "exp-pay", "unit": "c-9", "variant": "b"}'')',
'select cohort.put_holdout(''hold-pay'', ''{"variants": []}'')', 'select cohort.patch_holdout(''hold-pay'', ''{"description": "x"}'')', 'select cohort.delete_holdout(''hold-pay'')',
'insert into cohort.experiment (key, team) values (''raw'', ''pay'')', 'insert into cohort.flag (key, team) values (''raw'', ''pay'')',
'insert into cohort.variant (experiment, key, share_ppm) values (''draft-pay'', ''z'', 1)', 'insert into cohort.guardrail (experiment, metric) values (''draft-pay'', ''complaint'')',
'insert into cohort.flag_rule (flag, kind, value) values (''flag-pay'', ''force'', ''9'')', 'insert into cohort.ramp_step (experiment, number, traffic_ppm) values (''draft-pay'', 9, 900000)',
'insert into cohort.prerequisite (experiment, requires, variants) values (''draft-pay'', ''exp-pay'', ''{b}'')',
'insert into cohort.override (experiment, segment, variant) values (''draft-pay'', ''seg-pay'', ''b'')',
'insert into cohort.holdout (experiment) values (''draft-pay'')', 'insert into cohort.experiment_metric (experiment, metric) values (''draft-pay'', ''complaint'')']) x;

create function g.rows() returns text language plpgsql as $$
declare
    t text;
    part text;
    hash text := '';
begin
    foreach t in array array['experiment', 'variant', 'guardrail', 'flag', 'flag_rule', 'layer', 'segment', 'override', 'prerequisite', 'ramp_step', 'holdout', 'experiment_metric'] loop
        execute format('select md5(string_agg(x::text, '','' order by x::text)) from cohort.%I x', t) into part;
        hash := md5(hash || coalesce(part, ''));
    end loop;
    return hash;
end $$;
select g.rows() as before \gset
set session authorization fay;
select g.is('find by role is refused: ' || left(statement, 70), g.tried(statement), want) from g.raid order by n;
-- Row security passes over other teams' rows in plain SQL.
do $$
declare
    t text;
    n int;
begin
    foreach t in array array['update cohort.experiment set description = ''mine''', 'update cohort.variant set value = ''7''', 'update cohort.guardrail set margin = 2',
        'update cohort.flag set description = ''mine''', 'update cohort.flag_rule set position = 9', 'update cohort.layer set description = ''mine''',
        'update cohort.segment set description = ''mine''', 'update cohort.override set note = ''mine''', 'update cohort.prerequisite set variants = ''{control}''',
        'update cohort.ramp_step set wait_s = 1', 'update cohort.holdout set exempts_running = false',
        'delete from cohort.experiment', 'delete from cohort.variant', 'delete from cohort.guardrail', 'delete from cohort.flag', 'delete from cohort.flag_rule',
        'delete from cohort.layer', 'delete from cohort.segment', 'delete from cohort.override', 'delete from cohort.prerequisite', 'delete from cohort.ramp_step',
        'delete from cohort.holdout', 'delete from cohort.experiment_metric'] loop
        execute t;
        get diagnostics n = row_count;
        if n <> 0 then
            raise exception '% rows: %', n, t;
        end if;
    end loop;
end $$;
select 'ok     plain updates and deletes reach no row of pay';
select g.is('and reads all', count(*)::text, '4') from cohort.experiment where team = 'pay';
reset session authorization;
-- A team of the same name in another environment is another team.
insert into cohort.environment (key) values ('staging');
insert into cohort.team (environment, key) values ('staging', 'pay');
insert into cohort.team_member (environment, team, role_name) values ('staging', 'pay', 'fay');
set session authorization fay;
set cohort.environment = 'staging';
update cohort.experiment set description = 'mine' where environment = 'production' and team = 'pay';
select g.is('a team of another environment is refused', g.tried('insert into cohort.variant (environment, experiment, key, share_ppm) values (''production'', ''draft-pay'', ''z'', 1)') ~ '^team_foreign', true);
reset cohort.environment;
reset session authorization;
select g.is('nothing of pay was changed', g.rows(), :'before');

-- The same by API keys of a server that isn't the owner.
create role sam login;
grant cohort_server, cohort_product to sam;
select cohort.create_api_key('product', 'pay''s', 'pay') is null, cohort.create_api_key('product', 'find''s', 'find') is null, cohort.create_api_key('product', 'nobody''s') is null \g /dev/null
select max(id) filter (where team = 'pay') as pay, max(id) filter (where team = 'find') as find, max(id) filter (where team is null) as nobody from cohort.api_key where role = 'product' \gset
create function g.as_key(id int, statement text) returns text language plpgsql as $$
declare
    said text;
    home text := current_user;
begin
    perform cohort.act_as_api_key(id);
    said := g.tried(statement);
    perform set_config('role', 'none', true), set_config('cohort.team', '', true), set_config('cohort.key_role', '', true);
    return said;
end $$;
grant execute on function g.as_key(int, text) to public;
set session authorization sam;
select g.is('find by key is refused: ' || left(statement, 70), g.as_key(:find, statement), want) from g.raid order by n;
select g.is('a key of no team is refused: ' || left(statement, 70), g.as_key(:nobody, statement), want) from g.raid order by n;
select g.is('find by key: ' || regexp_replace(left(format(statement, 'find'), 60), '\s+', ' ', 'g'), g.as_key(:find, format(statement, 'find')), 'accepted') from g.step order by n;
reset session authorization;
-- And where there are no roles, by the owner: only the functions' own check is left.
alter role cohort_product rename to cohort_product_gone;
select g.is('find by key, without roles, is refused: ' || left(statement, 70), g.as_key(:find, statement), want) from g.raid order by n;
select g.is('a key of no team, without roles, is refused: ' || left(statement, 70), g.as_key(:nobody, statement), want) from g.raid order by n;
select g.is('pay by key, without roles: ' || left(format(statement, 'pay'), 60), g.as_key(:pay, format(statement, 'pay')), 'accepted')
  from (values ('select cohort.patch_experiment(''draft-%s'', ''{"description": "mine"}'')'), ('select cohort.start(''draft-%s'')'), ('select cohort.grow(''draft-%s'', 500000)'), ('select cohort.stop(''draft-%s'')')) x(statement);
alter role cohort_product_gone rename to cohort_product;
