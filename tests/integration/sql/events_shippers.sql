-- Several shippers at once, over the same units, while the leader counts: nothing deadlocks, nothing doubles.
\set QUIET on
create table t.shipped (spool int);
create procedure t.shipper(spool int, batches int) language plpgsql as $$
begin
    perform setseed(spool / 10.0);
    for i in 1..batches loop
        perform t.stage_random(150, 60, 60);
        -- a day nobody has made yet, the same for all of them
        insert into pg_temp.stage_outcome values (t.uuid(7, 1), t.uuid(spool, i), '2027-01-01 12:00+00'::timestamptz + i * interval '1 day',
            'nobody_counts_this', null, null, null, true);
        insert into t.sent_outcome select * from pg_temp.stage_outcome where event_id = t.uuid(spool, i);
        perform t.ship(spool);
        commit;
    end loop;
    insert into t.shipped values (spool);
end $$;
create procedure t.leader(shippers int) language plpgsql as $$
declare
    my_epoch bigint := t.lead('leader');
    passes int := 0;
begin
    if my_epoch = 0 then
        raise exception 'FAILED: somebody else leads';
    end if;
    commit;
    -- The bound is never reached: it only keeps a broken shipper from blocking the test.
    while passes < 2000 and ((select count(*) < shippers from t.shipped)
                               or exists (select from cohort.ingest_batch where applied_at is null)) loop
        perform cohort.rollup(my_epoch, 1 + (random() * 5)::int);
        passes := passes + 1;
        commit;
        if t.differences() <> 0 then
            raise exception 'FAILED: pass %: % rows differ from the recount', passes, t.differences();
        end if;
        commit;
    end loop;
    perform t.ok('shippers side by side: equal the recount', t.differences() = 0);
    perform t.ok('and a plain reading', t.same_as_plain());
    perform t.ok('and every record is accounted for', (select sum(exposures + outcomes + duplicate_exposures + duplicate_outcomes)
        = (select count(*) from t.sent_exposure) + (select count(*) from t.sent_outcome) from cohort.ingest_batch
        where spool_id in (t.uuid(99, 1), t.uuid(99, 2), t.uuid(99, 3)) and created_at >= (select min(created_at) from cohort.ingest_batch
            where batch_id in (select batch_id from cohort.exposure where experiment_id in (select id from cohort.experiment where key in ('h1', 'h2'))))));
end $$;
