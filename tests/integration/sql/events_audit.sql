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
