-- Helpers of the tests of events, in a schema of their own.
\set QUIET on
\set ON_ERROR_STOP on
create schema t;

create function t.uuid(a int, b int) returns uuid language sql immutable
    as $$ select (lpad(to_hex(a), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(b), 12, '0'))::uuid $$;

-- Fails aloud; counts what passed.
create table t.passed (what text);
create function t.ok(what text, good boolean) returns void language plpgsql as $$
begin
    if good is not true then
        raise exception 'FAILED: %', what;
    end if;
    insert into t.passed values (what);
end $$;

-- Leads: the session of the part before may still be ending.
create function t.lead(node text) returns bigint language plpgsql as $$
declare
    epoch bigint;
begin
    perform pg_advisory_lock(cohort.leader_lock());
    epoch := cohort.lead(node);
    perform pg_advisory_unlock(cohort.leader_lock());
    return epoch;
end $$;

-- An experiment with these variants, shares equal, running.
create function t.experiment(name text, variants text[], guards text[] default '{}') returns int language plpgsql as $$
declare
    n int := cardinality(variants);
    i int;
begin
    insert into cohort.experiment (key) values (name);
    for i in 1..n loop
        insert into cohort.variant (experiment, key, share_ppm, value, position)
        values (name, variants[i], 1000000 / n + case when i = n then 1000000 % n else 0 end, to_jsonb(variants[i]), i);
    end loop;
    for i in 1..cardinality(guards) loop
        insert into cohort.guardrail (experiment, metric) values (name, guards[i]);
    end loop;
    perform cohort.start(name);
    return (select e.id from cohort.experiment e where e.key = name);
end $$;

create function t.variant(e int, name text) returns int language sql stable as $$
    select v.id from cohort.variant v join cohort.experiment x on x.key = v.experiment and x.environment = v.environment
     where x.id = e and v.key = name $$;
create function t.phase(e int) returns int language sql stable as $$
    select max(p.id) from cohort.phase p join cohort.experiment x on x.key = p.experiment and x.environment = p.environment
     where x.id = e $$;

-- Rows where metric_stat, metric_bucket, odds_stat, exposure_stat or unit_metric differ from the recount.
create view t.stat_rows as select s.* from cohort.metric_stat s join cohort.tracked_metric k
    on k.experiment_id = s.experiment_id and k.metric_id = s.metric_id and k.metric_version = s.metric_version;
create view t.bucket_rows as select s.* from cohort.metric_bucket s join cohort.tracked_metric k
    on k.experiment_id = s.experiment_id and k.metric_id = s.metric_id and k.metric_version = s.metric_version;
create view t.odds_rows as select s.* from cohort.odds_stat s join cohort.tracked_metric k
    on k.experiment_id = s.experiment_id and k.metric_id = s.metric_id and k.metric_version = s.metric_version;
create function t.differences() returns bigint language plpgsql set jit = off as $$
declare
    n bigint;
begin
    drop table if exists pg_temp.again_stat, pg_temp.again_bucket, pg_temp.again_odds, pg_temp.again_exposure, pg_temp.again_unit;
    create temp table again_stat as select r.* from cohort.experiment e, cohort.recount(e.id) r;
    create temp table again_bucket as select r.* from cohort.experiment e, cohort.recount_buckets(e.id) r;
    create temp table again_odds as select r.* from cohort.experiment e, cohort.recount_odds(e.id) r;
    create temp table again_exposure as select e.id, r.phase_id, r.variant_id, count(*)
        from cohort.experiment e, cohort.recount_exposures(e.id) r group by 1, 2, 3;
    create temp table again_unit as
        select r.unit_id, k.experiment_id, k.metric_id, r.phase_id, r.variant_id, k.metric_version, r.n, r.sum, r.matured_n, r.matured_sum,
               r.d_n, r.d_sum, r.x_n, r.x_sum, r.matured_d_n, r.matured_d_sum, r.matured_x_n, r.matured_x_sum
          from cohort.tracked_metric k, cohort.recount_units(k.experiment_id, k.metric_id) r where r.n > 0 or r.d_n > 0 or r.x_n > 0;
    select (select count(*) from (select * from t.stat_rows except select * from pg_temp.again_stat) x)
         + (select count(*) from (select * from pg_temp.again_stat except select * from t.stat_rows) x)
         + (select count(*) from (select * from t.bucket_rows except select * from pg_temp.again_bucket) x)
         + (select count(*) from (select * from pg_temp.again_bucket except select * from t.bucket_rows) x)
         + (select count(*) from (select * from t.odds_rows except select * from pg_temp.again_odds) x)
         + (select count(*) from (select * from pg_temp.again_odds except select * from t.odds_rows) x)
         + (select count(*) from (select * from cohort.exposure_stat except select * from pg_temp.again_exposure) x)
         + (select count(*) from (select * from pg_temp.again_exposure except select * from cohort.exposure_stat) x)
         + (select count(*) from (select * from cohort.unit_metric except select * from pg_temp.again_unit) x)
         + (select count(*) from (select * from pg_temp.again_unit except select * from cohort.unit_metric) x)
      into n;
    return n;
end $$;

create sequence t.group_number;
create function t.ship(spool int default 1) returns bigint language plpgsql as $$
declare
    g bigint := nextval('t.group_number');
begin
    return (select i.batch_id from cohort.ingest(t.uuid(99, spool), 'node ' || spool, g, g) i);
end $$;
