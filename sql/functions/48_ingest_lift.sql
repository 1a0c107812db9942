-- The lift of an experiment behind a holdout: its units by arm of the holdout, those it let in and those it kept out. A
-- unit is in it from the first decision in which the experiment enrolled it, or would have but for the holdout.

-- Made by whoever stores its first unit: the holdout and the experiment run then, and their ids never change.
create or replace function cohort.make_lift_pairs() returns void
    language plpgsql security definer set search_path = cohort, pg_temp set jit = off as $$
begin
    insert into cohort.lift_pair (id, holdout_id, experiment_id)
    select nextval(pg_get_serial_sequence('cohort.experiment', 'id')), w.holdout_id, w.experiment_id
      from (select c.holdout_id, c.experiment_id from cohort.holdout_covers c
              join cohort.experiment e on e.id = c.experiment_id and e.started_at is not null
             where not exists (select from cohort.lift_pair l where l.holdout_id = c.holdout_id and l.experiment_id = c.experiment_id)
             order by 1, 2) w
    on conflict on constraint lift_pair_once do nothing;
end $$;
comment on function cohort.make_lift_pairs() is 'Part of ingest(): gives a number to every running holdout and experiment behind it that has none';
revoke execute on function cohort.make_lift_pairs() from public;
select cohort.grant_to('cohort_server', 'execute on function cohort.make_lift_pairs()');

create or replace function cohort.asked_before(first_id int, then_id int) returns boolean
    language sql stable set search_path = cohort, pg_temp as $$
    select coalesce((select (cohort.scope_order(a.scope), x.id) < (cohort.scope_order(b.scope), y.id)
                       from cohort.every_iteration i
                       join cohort.holdout a on a.environment = i.environment and a.experiment = i.experiment
                       join cohort.experiment x on x.environment = i.environment and x.key = i.experiment,
                            cohort.every_iteration j
                       join cohort.holdout b on b.environment = j.environment and b.experiment = j.experiment
                       join cohort.experiment y on y.environment = j.environment and y.key = j.experiment
                      where i.experiment_id = $1 and j.experiment_id = $2), false)
$$;
comment on function cohort.asked_before(int, int) is 'True when the first holdout is asked before the second one, for an experiment behind both';

-- An arm is known from the unit's exposure to the holdout, which a server tells once in a while and not with every decision.
-- A decision's record comes before its exposures': where a batch ends between them, the next one finds it stored. A
-- holdout that is asked earlier and keeps the unit out leaves this one unasked.
create or replace function cohort.ingest_lift(batch bigint, spool uuid) returns int
    language plpgsql set search_path = cohort, pg_temp set jit = off as $$
declare
    n int;
begin
    if not exists (select from cohort.holdout) then
        return 0;
    end if;
    perform cohort.make_lift_pairs();
    if to_regclass('pg_temp.stage_lift') is null then
        create temp table stage_lift (
            unit_id uuid, experiment_id int, variant_id int, phase_id int, propensity int, inclusion int, ts timestamptz,
            event_id uuid, decision_id uuid, trusted boolean, origin smallint
        ) on commit delete rows;
    end if;
    insert into pg_temp.stage_lift
    with d as materialized (
        select d.unit_id, d.decision_id, d.ts, d.experiment_id, d.holdout_id, d.reason, d.mode from pg_temp.stage_decision d
        union
        select o.unit_id, o.decision_id, o.ts, o.experiment_id, o.holdout_id, o.reason, o.mode
          from pg_temp.stage_exposure s
         cross join lateral (select x.* from cohort.decision x
                              where x.unit_id = s.unit_id and x.decision_id = s.decision_id and x.ts = s.ts offset 0) o
         where s.experiment_id in (select l.holdout_id from cohort.lift_pair l)
    )
    select d.unit_id, l.id, x.variant_id, x.phase_id, x.propensity, x.inclusion, d.ts, d.decision_id, d.decision_id, x.trusted, 0
      from d
      join cohort.lift_pair l on l.experiment_id = d.experiment_id
     cross join lateral (select e.* from cohort.exposure e
                          where e.unit_id = d.unit_id and e.experiment_id = l.holdout_id and e.first_ts <= d.ts offset 0) x
      left join cohort.every_iteration i on i.experiment_id = l.holdout_id
     where d.mode = 0 and d.ts < coalesce(i.stopped_at, 'infinity')
       and (d.reason in ('VARIANT', 'STICKY', 'SHIPPED', 'HOLDBACK', 'LOW_CONFIDENCE', 'OUT_OF_RANGE', 'ATTRIBUTE_MISSING')
            or (d.reason = 'HOLDOUT' and (d.holdout_id = l.holdout_id or cohort.asked_before(l.holdout_id, d.holdout_id))));
    delete from pg_temp.stage_exposure;
    insert into pg_temp.stage_exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, ts, event_id, decision_id,
                                        trusted, origin)
    select * from pg_temp.stage_lift;
    select x.stored into n from cohort.ingest_exposures(batch, spool) x;
    return n;
end $$;
comment on function cohort.ingest_lift(bigint, uuid) is
    'Part of ingest(), the last to read the staged exposures: stores the first moments of units in experiments behind holdouts, by arm of the holdout; returns how many are new';
