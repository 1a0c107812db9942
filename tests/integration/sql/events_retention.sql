-- Days go, and what they had counted stays. After events_orders.sql.
\set QUIET on
\set ON_ERROR_STOP on
set client_min_messages = warning;
select epoch from cohort.leader_state \gset
select cohort.ingest_prepare(true) \g /dev/null
select t.one_order(0.21, 40, 0.5) \g /dev/null
-- (Windows of a second go on closing meanwhile.)
create view t.stats as select * from cohort.metric_stat where metric_id <> (select id from cohort.metric where key = 'ord_now');
create view t.units as select * from cohort.unit_metric where metric_id <> (select id from cohort.metric where key = 'ord_now');
create table t.before_drop as select * from t.stats;
create table t.units_before as select * from t.units;
create table t.rows_before as select (ts at time zone 'UTC')::date as day, count(*) as n from cohort.outcome group by 1;
-- (A day may end meanwhile: then one more goes.)
select current_date - 3 as kept \gset
select count(*) as waiting from cohort.partition_days('outcome') d where d.day < :'kept' \gset
select t.ok('there are days to drop', :waiting > 3);
create procedure t.drop_days(days int) language plpgsql as $$
begin
    for i in 1..500 loop
        perform cohort.drop_partitions((select epoch from cohort.leader_state), days, 7);
        if t.differences() <> 0 then
            raise exception 'FAILED: step % of a drop: % rows differ from the recount', i, t.differences();
        end if;
        commit;
        exit when not exists (select from cohort.partition_days('outcome') d where d.day < current_date - days)
              and not exists (select from cohort.partition_days('decision') d where d.day < current_date - days)
              and not exists (select from cohort.partition_dropped where dropped_at is null);
    end loop;
end $$;
call t.drop_days(3);
select t.ok('old days are gone, each step equal to the recount', not exists (select from cohort.outcome where ts < :'kept'::date)
    and not exists (select from cohort.partition_days('outcome') d where d.day < :'kept') and (select min(day) between :'kept' and current_date - 3 from cohort.partition_days('decision')));
select t.ok('their counts are kept', (select count(*) = (select count(*) from t.rows_before where day < :'kept') and bool_and(d.rows = b.n and d.dropped_at is not null)
    from t.rows_before b join cohort.partition_dropped d on d.parent = 'outcome' and d.day = b.day where b.day < :'kept'));
select cohort.rollup(:epoch) \g /dev/null
select t.ok('the results are what they were', not exists (select * from t.before_drop except select * from t.stats)
    and not exists (select * from t.units_before except select * from t.units) and (select count(*) > 10 from cohort.unit_frozen));
select t.ok('counting anew changes nothing', cohort.repair('o1') = 12);
select t.ok('so it is', not exists (select * from t.before_drop except select * from t.stats));

-- A unit whose first exposure turns out to be another one is counted again: its frozen sums stay.
select f.unit_id as u, f.experiment_id as x, e.phase_id as p, e.first_ts as at, (select v.id from cohort.variant v join cohort.experiment k on k.key = v.experiment
    where k.id = f.experiment_id and v.id <> e.variant_id order by v.id limit 1) as v
  from cohort.unit_frozen f join cohort.exposure e using (unit_id, experiment_id) where f.n > 0 and f.sum <> 0 order by 1, 2 limit 1 \gset
create table t.unit_was as select metric_id, n, sum from cohort.unit_metric where unit_id = :'u' and experiment_id = :x;
begin;
insert into pg_temp.stage_exposure values (:'u', :x, :v, :p, 500000, 1000000, :'at'::timestamptz - interval '1 s', t.uuid(87, 1), null, true, 0);
insert into pg_temp.stage_outcome values (:'u', t.uuid(87, 2), :'at'::timestamptz - interval '10 days', 'ord_buy', 1, null, null, true),
    (:'u', t.uuid(87, 3), current_date - 5, 'ord_buy', 1, null, null, true);
select t.ok('events of a dropped day are too late', (select (stored, dead) = (1, 1) or (stored, dead) = (0, 2) or dead >= 1 from cohort.ingest(t.uuid(88, 1), 'n', 1, 1, 3)));
commit;
select t.ok('and say so', (select count(*) >= 1 and bool_and(detail ~ 'kept no longer') from cohort.dead_letter where reason = 'too_late' and spool_id = t.uuid(88, 1)));
select cohort.rollup(:epoch), cohort.rollup(:epoch) \g /dev/null
select t.ok('a dirty unit keeps its frozen sums', t.differences() = 0 and (select variant_id = :v from cohort.exposure where unit_id = :'u' and experiment_id = :x)
    and not exists (select from cohort.unit_frozen f left join cohort.unit_metric m using (unit_id, experiment_id, metric_id)
                     where f.unit_id = :'u' and f.experiment_id = :x and (m.n is null or m.n < f.n)));

-- Batches go when nothing kept needs them; the books stay.
create table t.books as select * from cohort.ingest_audit;
update cohort.ingest_batch set created_at = created_at - interval '20 days', applied_at = applied_at - interval '20 days';
create table t.batches as select count(*) as n from cohort.ingest_batch;
select cohort.drop_partitions(:epoch, 3) \g /dev/null
select t.ok('batches are pruned only when nothing needs them', (select count(*) <= (select n from t.batches) from cohort.ingest_batch) and t.differences() = 0);
select t.ok('the books stay exact', not exists (select * from t.books except select * from cohort.ingest_audit) and (select bool_and(balance = 0) from cohort.ingest_audit));
select cohort.ensure_partitions(current_date - 9, current_date + 2) \g /dev/null
select t.ok('a dropped day is not made again', not exists (select from cohort.partition_days('outcome') d join cohort.partition_dropped x on x.parent = 'outcome' and x.day = d.day and x.dropped_at is not null));
select t.ok('0 keeps for ever', not exists (select from cohort.drop_partitions(:epoch, 0)));
