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

-- Rows where metric_stat, exposure_stat or unit_metric differ from the recount.
create function t.differences() returns bigint language sql stable set jit = off as $$
    select (select count(*) from (select * from cohort.metric_stat
                                  except select r.* from cohort.experiment e, cohort.recount(e.id) r) x)
         + (select count(*) from (select r.* from cohort.experiment e, cohort.recount(e.id) r
                                  except select * from cohort.metric_stat) x)
         + (select count(*) from (select * from cohort.exposure_stat
                                  except select e.id, r.phase_id, r.variant_id, count(*)
                                    from cohort.experiment e, cohort.recount_exposures(e.id) r group by 1, 2, 3) x)
         + (select count(*) from (select e.id, r.phase_id, r.variant_id, count(*)
                                    from cohort.experiment e, cohort.recount_exposures(e.id) r group by 1, 2, 3
                                  except select * from cohort.exposure_stat) x)
         + (select count(*) from (
                select u.unit_id, u.experiment_id, u.metric_id, u.phase_id, u.variant_id, u.n, u.sum, u.matured_n,
                       u.matured_sum from cohort.unit_metric u
                except
                select r.unit_id, k.experiment_id, k.metric_id, r.phase_id, r.variant_id, r.n, r.sum, r.matured_n,
                       r.matured_sum
                  from cohort.tracked_metric k, cohort.recount_units(k.experiment_id, k.metric_id) r where r.n > 0) x)
$$;

create sequence t.group_number;
create function t.ship(spool int default 1) returns bigint language plpgsql as $$
declare
    g bigint := nextval('t.group_number');
begin
    return (select i.batch_id from cohort.ingest(t.uuid(99, spool), 'node ' || spool, g, g) i);
end $$;
