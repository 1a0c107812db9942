-- Who may do what with events.
\set QUIET on
\set ON_ERROR_STOP on
grant usage on schema t to public;
grant execute on all functions in schema t to public;
grant select, insert on all tables in schema t to public;
set role cohort_analyst;
select t.ok('analysts read events and results', (select count(*) >= 0 from cohort.exposures) and (select count(*) > 0 from cohort.results('g1'))
    and cohort.results_json('g1') is not null and (select count(*) > 0 from cohort.srm('g1'))
    and (select count(*) >= 0 from cohort.outcomes) and (select count(*) >= 0 from cohort.decisions));
select t.ok('and write none', t.constraint_of('delete from cohort.exposure') like 'permission denied%'
    and t.constraint_of('select cohort.make_partition(''outcome'', ''2030-01-01'')') like 'permission denied%'
    and t.constraint_of('select cohort.record_stop(1, 1, 1, 1, '''', ''{}'')') like 'permission denied%');
reset role;
set role cohort_server;
select t.lead('as server') as e \gset
select cohort.ingest_prepare() \g /dev/null
begin;
insert into pg_temp.stage_exposure select t.uuid(21, 1), id, 1, 1, 1, 1, now(), t.uuid(21, 1), null, true, 0 from cohort.experiment where key = 'g1';
insert into pg_temp.stage_outcome values (t.uuid(21, 1), t.uuid(21, 2), '2031-01-01 00:00+00', 'unsubscribe', null, null, null, true);
select t.ok('a server that is not the owner ingests', (select stored = 2 from cohort.ingest(t.uuid(22, 1), 's', 1, 1)));
commit;
select t.ok('rolls up', cohort.rollup(:e) = 1);
select t.ok('and edits no evidence', t.constraint_of('delete from cohort.stop_event') like 'permission denied%');
reset role;
