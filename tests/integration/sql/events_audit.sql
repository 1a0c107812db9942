-- (after events_ingest.sql: t.constraint_of)
-- Conservation: accepted = stored + duplicates + dead letters + spooled, per queue; conflicts; dead letters.
\set QUIET on
\set ON_ERROR_STOP on
select cohort.ingest_prepare() \g /dev/null
select t.experiment('au1', array['control', 'b'], array['unsubscribe']) as x \gset
select t.variant(:x, 'control') as a, t.variant(:x, 'b') as b, t.phase(:x) as p \gset
create function t.seen(x int, v int, p int, u int, at timestamptz, event int) returns void language sql as $$
    insert into pg_temp.stage_exposure values (t.uuid(61, u), x, v, p, 500000, 1000000, at, t.uuid(62, event), null, true, 0) $$;
create function t.did(u int, event int, v bigint, trusted boolean default true, name text default 'refund', at timestamptz default '2026-03-01 12:00+00')
    returns void language sql as $$
    insert into pg_temp.stage_outcome values (t.uuid(61, u), t.uuid(63, event), at, name, v, null, null, trusted) $$;
create view t.queue as select a.* from cohort.ingest_audit a where a.spool_id = t.uuid(64, 1);

begin;
select t.seen(:x, :a, :p, 1, '2026-03-01 10:00+00', 1), t.did(1, 1, 5), t.did(2, 2, 5), t.did(2, 2, 5) \g /dev/null
select t.ok('ingest tells the batch and the totals', (select (stored, duplicates, dead, conflicts, total_accepted, total_stored, total_duplicates,
    total_dead, total_conflicts) = (3, 1, 0, 0, 4, 3, 1, 0, 0) from cohort.ingest(t.uuid(64, 1), 'n1', 1, 2, 4)));
commit;
begin;
-- the same event again; with another value; with another name; untrusted; trusted where an untrusted one is stored
select t.did(1, 1, 5), t.did(1, 1, 6), t.did(2, 2, 5, true, 'complaint'), t.did(2, 2, 5, false), t.did(3, 3, 1, false) \g /dev/null
select t.ok('another content under a known id is a conflict', (select (stored, duplicates, dead, conflicts, total_accepted) = (1, 2, 2, 2, 9)
    from cohort.ingest(t.uuid(64, 1), 'n1', 3, 3, 9)));
commit;
begin;
select t.did(3, 3, 1, true) \g /dev/null
select t.ok('a trusted event behind an untrusted one is a conflict', (select conflicts = 1 from cohort.ingest(t.uuid(64, 1), 'n1', 4, 4, 10)));
commit;
select t.ok('the first stays', (select array_agg(value order by unit_id) = '{5,5,1}' and not bool_or(name = 'complaint')
    from cohort.outcome where unit_id in (t.uuid(61, 1), t.uuid(61, 2), t.uuid(61, 3))));
select t.ok('the others are dead letters that say so', (select count(*) = 3 and bool_and(body is not null and event_id is not null
    and detail = cohort.conflict_words()) and count(distinct body ->> 'value') = 3 from cohort.dead_letter where reason = 'conflict' and spool_id = t.uuid(64, 1)));
begin;
-- the stored first exposure's id and time with another variant; the same report again; two that contradict each other
select t.seen(:x, :b, :p, 1, '2026-03-01 10:00+00', 1), t.seen(:x, :a, :p, 1, '2026-03-01 10:00+00', 1),
       t.seen(:x, :a, :p, 4, '2026-03-01 10:00+00', 4), t.seen(:x, :b, :p, 4, '2026-03-01 10:00+00', 4) \g /dev/null
select t.ok('so is an exposure that contradicts itself', (select (stored, duplicates, dead, conflicts) = (1, 1, 2, 2)
    from cohort.ingest(t.uuid(64, 1), 'n1', 5, 5, 14)));
commit;
select t.ok('which is no switch', not exists (select from cohort.switches where experiment = 'au1'));

select t.ok('it is of its experiment''s environment', (select array_agg(distinct d.environment) = array[e.environment] from cohort.dead_letter d
    join cohort.experiment e on e.id::text = d.body ->> 'experiment_id' where d.reason = 'conflict' and d.kind = 'exposure' group by e.environment));
select t.ok('the books balance', (select (accepted, stored, duplicates, conflicts, dead_letters, spooled, balance) = (14, 5, 4, 5, 5, 0, 0) from t.queue));
select cohort.report_spool(t.uuid(64, 1), 'n1', 20), cohort.report_spool(t.uuid(64, 1), 'n1', 19) \g /dev/null
select t.ok('what the server still has is spooled', (select (accepted, spooled, balance) = (20, 6, 0) from t.queue));
select t.ok('and total_* are told for groups that are stored already', (select batch_id is null and (total_accepted, total_stored) = (14, 5)
    from cohort.ingest(t.uuid(64, 1), 'n1', 5, 5, 14)));
begin;
select t.did(5, 5, 5) \g /dev/null
select cohort.ingest(t.uuid(64, 1), 'n1', 6, 6, 16) \g /dev/null
select t.ok('a record that was lost on the way shows', (select balance = 1 from t.queue));
rollback;
-- A queue whose id was renewed: its file has been counting for longer.
begin;
select t.did(6, 6, 5), t.did(7, 7, 5) \g /dev/null
select cohort.ingest(t.uuid(64, 2), 'n1', 40, 41, 1002) \g /dev/null
select t.did(8, 8, 5) \g /dev/null
commit;
begin;
select t.did(8, 8, 5) \g /dev/null
select cohort.ingest(t.uuid(64, 2), 'n1', 42, 42, 1003) \g /dev/null
select cohort.report_spool(t.uuid(64, 2), 'n1', 1007) \g /dev/null
select t.ok('a renewed queue counts from its own beginning', (select (accepted, stored, spooled, balance) = (7, 3, 4, 0)
    from cohort.ingest_audit where spool_id = t.uuid(64, 2)));
commit;
select t.ok('batches and totals agree', not exists (select from cohort.spool s
    join (select spool_id, sum(exposures + outcomes + decisions) as stored, sum(duplicates) as duplicates, sum(conflicts) as conflicts,
                 sum(dead_letters) as dead from cohort.ingest_batch group by 1) b using (spool_id)
   where (s.stored, s.duplicates, s.conflicts, s.dead_letters) is distinct from (b.stored, b.duplicates, b.conflicts, b.dead)));

-- Dead letters: an event nobody had declared counts once its metric is there and it is replayed.
select t.experiment('au2', array['control', 'b']) as y \gset
select unit as u, a.variant as v from (select t.uuid(71, n) as unit from generate_series(1, 1) n) x, cohort.expected_assignment('au2', unit) a \gset
begin;
insert into pg_temp.stage_exposure select :'u', :y, t.variant(:y, :'v'), t.phase(:y), 500000, 1000000, '2026-03-05 10:00+00', t.uuid(72, 1), null, true, 0;
insert into pg_temp.stage_dead_letter
select '2026-03-05 10:00+00', k, r, 'said', e, b::jsonb, sha256('x'), 10 from (values
    ('outcome', 'unknown_event', t.uuid(73, 1), format('{"id": "%s", "name": "upsell", "ts": "2026-03-05T11:00:00Z", "value": 12.5, "units": {"user": "%s", "device": "%s"}, "trusted": true}', t.uuid(73, 1), :'u', t.uuid(71, 9))),
    ('outcome', 'unknown_event', t.uuid(73, 2), format('{"name": "upsell", "ts": "2026-03-05T11:00:00Z", "units": {"user": "%s"}}', :'u')),
    ('outcome', 'bad_json', null, '{}'), ('outcome', 'bad_units', t.uuid(73, 3), '{"name": "upsell", "ts": "2026-03-05T11:00:00Z"}'),
    ('outcome', 'bad_time', t.uuid(73, 4), '{"name": "upsell"}'), ('outcome', 'refused_by_database', t.uuid(73, 5), null), ('group', 'damaged', null, null),
    ('exposure', 'unknown_experiment', t.uuid(73, 6), format('{"experiment": "au2", "variant": "%s", "ts": "2026-03-05T09:00:00Z", "units": {"user": "%s"}, "trusted": true}', :'v', :'u')),
    ('exposure', 'unknown_experiment', t.uuid(73, 7), format('{"experiment": "au2", "variant": "nobody", "ts": "2026-03-05T09:00:00Z", "units": {"user": "%s"}}', :'u'))
    ) x(k, r, e, b);
select cohort.ingest(t.uuid(64, 3), 'n3', 1, 1, 10) \g /dev/null
commit;
select t.ok('letters wait, the newest first', (select count(*) = 9 and array_agg(id) = array_agg(id order by id desc) from cohort.dead_letters() where node = 'n3'));
select t.ok('each says what hinders it', (select array_agg(hindrance order by event_id) = array['No metric uses the event "upsell": declare one, then replay.',
    'No metric uses the event "upsell": declare one, then replay.'] from cohort.dead_letters('unknown_event') where node = 'n3'));
select t.ok('too early a replay is refused', (select count(*) = 2 and bool_and(result = 'refused') from cohort.replay_dead_letters(reason => 'unknown_event')
    where id in (select id from cohort.dead_letters() where node = 'n3')));
insert into cohort.metric (key, event, kind) values ('upsell_value', 'upsell', 'mean');
insert into cohort.experiment_metric (experiment, metric) values ('au2', 'upsell_value');
select t.ok('once declared, they are replayed', (select count(*) = 2 and bool_and(result = 'replayed') from cohort.replay_dead_letters(reason => 'unknown_event')
    where id in (select id from cohort.dead_letter where spool_id = t.uuid(64, 3))));
select t.ok('once only', not exists (select from cohort.replay_dead_letters(reason => 'unknown_event') where result = 'replayed'));
select t.ok('by id, it says when and by whom', (select count(*) = 2 and bool_and(result = 'refused' and why ~ '^It was replayed on .* by .*\.$')
    from cohort.replay_dead_letters((select array_agg(id) from cohort.dead_letter where spool_id = t.uuid(64, 3) and resolution = 'replayed'))));
select t.ok('an outcome row per unit, one trusted', (select count(*) = 3 and count(*) filter (where trusted) = 2 and max(value) = 12500000 from cohort.outcome where name = 'upsell'));
select t.ok('an exposure counts by the variant that is drawn', (select array_agg(result || coalesce(why, '') order by id) = array['replayed',
    format('refusedIts unit is drawn into "%s", not "nobody".', :'v')] from cohort.replay_dead_letters(reason => 'unknown_experiment')));
select t.ok('what can''t be replayed says so', (select array_agg(why order by id) = array[
    'Its content was not kept, only a hash and its length: send it again from where it came, and drop it here.', 'Its units were not kept: they could not be read.',
    'It has no time that could be read.', 'Its content was not kept, only a hash and its length: send it again from where it came, and drop it here.',
    'A letter of kind group can''t be sent again, only outcomes and exposures can.']
    from cohort.replay_dead_letters((select array_agg(id) from cohort.dead_letter where spool_id = t.uuid(64, 3) and reason in ('bad_json', 'bad_units', 'bad_time', 'refused_by_database', 'damaged')))));
select t.ok('an event is never replayed without the field it was refused for', (select count(*) = 3 and bool_and(w ~ '^The field it was refused for was not kept') from
    (select cohort.dead_letter_hindrance(jsonb_populate_record(null::cohort.dead_letter, jsonb_build_object('kind', 'outcome', 'reason', 'bad_field', 'detail', d,
        'event_id', t.uuid(73, 1), 'body', '{"name": "upsell", "ts": "2026-03-05T11:00:00Z", "units": {}}'::jsonb))) as w
       from unnest(array['"value" must be a number.', '"attributes.plan" is longer than 256 bytes.', '"attributes" must be an object, like {"plan": "pro"}.']) d) x));
select t.ok('a conflict is to be dropped', (select bool_and(hindrance ~ 'drop it') from cohort.dead_letters('conflict')));
select t.lead('audit') as epoch \gset
select cohort.rollup(:epoch), cohort.rollup(:epoch) \g /dev/null
select t.ok('the replayed events count', (select (units, event_units, sum) = (1, 1, 12500000) from cohort.metric_stat where experiment_id = :y));
select t.ok('dropping needs a word', t.constraint_of('select cohort.drop_dead_letters()') = 'dead_letters_which'
    and t.constraint_of('select cohort.drop_dead_letters(null::bigint[])') = 'dead_letters_which'
    and t.constraint_of('select cohort.replay_dead_letters(array[1], ''x'')') = 'dead_letters_which'
    and t.constraint_of('select cohort.drop_dead_letter(''{}'')') = 'dead_letters_which'
    and t.constraint_of('select cohort.drop_dead_letter(''{"ids": ["x"]}'')') = 'dead_letters_field'
    and t.constraint_of('select cohort.drop_dead_letter(''{"id": 3}'')') = 'dead_letters_field');
select t.ok('dropped ones lose their content and stay', n = 1) from cohort.drop_dead_letters(reason => 'bad_units') n;
select t.ok('the row is the record', (select body is null and resolution = 'dropped' and resolved_by is not null from cohort.dead_letter where reason = 'bad_units'));
select t.ok('the books stay exact, what was replayed apart', (select (accepted, stored, dead_letters, replayed, dropped, balance) = (10, 1, 9, 3, 1, 0)
    from cohort.ingest_audit where node = 'n3') and (select (accepted, stored, duplicates, balance) = (4, 3, 1, 0) from cohort.ingest_audit where node = 'replay'));
select t.ok('REST lists and replays', (select jsonb_array_length(d -> 'items') = 2 and d ->> 'next' is not null from cohort.list_dead_letters(2) d)
    and (select d -> 'replayed' = '0' and jsonb_array_length(d -> 'refused') = 1 from cohort.replay_dead_letter('{"ids": [999999]}') d)
    and (select d ->> 'dropped' = '1' from cohort.drop_dead_letter('{"reason": "damaged"}') d));
