-- What the monitor's test plays with: experiments, and units that arrive in them with their outcomes.
-- The staging tables are made later, by ingest_prepare().
set check_function_bodies = off;

create schema monitor_test;

-- An experiment of control and treatments, started. Shares and guardrails as the experiment document has them.
create function monitor_test.experiment(key text, guardrails jsonb, shares int[] default '{500000,500000}',
                                        alpha numeric default 0.01) returns void language sql as $$
    select cohort.put_experiment(key, jsonb_build_object(
        'alpha', alpha, 'guardrails', guardrails,
        'variants', (select jsonb_agg(jsonb_build_object(
                         'key', case i when 1 then 'control' when 2 then 'treatment' else 'treatment' || i end,
                         'share_ppm', shares[i], 'value', i, 'control', i = 1) order by i)
                       from generate_subscripts(shares, 1) i)));
    select cohort.start(key);
$$;

-- Opens another phase with its own shares, as a ramp will: a traffic slot nobody else needs.
create function monitor_test.phase(key text, number int, control int, treatment int) returns void language sql as $$
    insert into cohort.phase (experiment, number, traffic_slots)
    values (key, number, int4multirange(int4range(number, number + 1)));
    insert into cohort.phase_variant (phase_id, variant_id, share_ppm, slots)
    select p.id, v.id, case v.key when 'control' then control else treatment end,
           case v.key when 'control' then int4multirange(int4range(0, control))
                      else int4multirange(int4range(control, control + treatment)) end
      from cohort.phase p join cohort.variant v on v.environment = p.environment and v.experiment = p.experiment
     where p.experiment = phase.key and p.number = phase.number and v.key in ('control', 'treatment');
$$;

-- Stages units of a variant, exposed `ago` before now, of which the first `events` have the event at once.
create function monitor_test.arrive(key text, number int, variant text, units int, events int, event text,
                                    ago interval default '1 minute') returns void language sql as $$
    with unit as (
        select gen_random_uuid() as id, i from generate_series(1, units) i
    ), exposed as (
        insert into stage_exposure
        select u.id, e.id, v.id, p.id, 500000, 1000000, now() - ago, gen_random_uuid(), null, true, 0
          from unit u, cohort.experiment e
          join cohort.variant v on v.environment = e.environment and v.experiment = e.key
          join cohort.phase p on p.environment = e.environment and p.experiment = e.key
         where e.key = arrive.key and v.key = arrive.variant and p.number = arrive.number
    )
    insert into stage_outcome
    select id, gen_random_uuid(), now() - ago + interval '1 second', event, null, null, null, true
      from unit where i <= events;
$$;

-- Ships what is staged, in the transaction that staged it.
create function monitor_test.ship() returns void language sql as $$
    select cohort.ingest(s.id, 'test', cohort.spool_watermark(s.id, 'test') + 1, cohort.spool_watermark(s.id, 'test') + 1)
      from (select '00000000-0000-4000-8000-000000000001'::uuid as id) s;
$$;

-- The same with metrics and stop conditions, as the experiment document has them.
create function monitor_test.conditions(key text, conditions jsonb, metrics jsonb default '[]', guardrails jsonb default '[]',
                                        shares int[] default '{500000,500000}', extra jsonb default '{}') returns void language sql as $$
    select cohort.put_experiment(key, jsonb_build_object(
        'guardrails', guardrails, 'metrics', metrics, 'stop_conditions', conditions,
        'variants', (select jsonb_agg(jsonb_build_object(
                         'key', case i when 1 then 'control' when 2 then 'treatment' else 'treatment' || i end,
                         'share_ppm', shares[i], 'value', i, 'control', i = 1) order by i)
                       from generate_subscripts(shares, 1) i)) || extra);
    select cohort.start(key);
$$;

-- Units of a variant with an amount each: first, first + step, … (in units of the value), exposed `ago` before now.
create function monitor_test.spend(key text, number int, variant text, units int, event text, first numeric, step numeric,
                                   ago interval default '9 days') returns void language sql as $$
    with unit as (
        select gen_random_uuid() as id, i from generate_series(1, units) i
    ), exposed as (
        insert into stage_exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, ts, event_id, decision_id, trusted, origin)
        select u.id, e.id, v.id, p.id, 500000, 1000000, now() - ago, gen_random_uuid(), null, true, 0
          from unit u, cohort.experiment e
          join cohort.variant v on v.environment = e.environment and v.experiment = e.key
          join cohort.phase p on p.environment = e.environment and p.experiment = e.key
         where e.key = spend.key and v.key = spend.variant and p.number = spend.number
    )
    insert into stage_outcome (unit_id, event_id, ts, name, value, trusted)
    select id, gen_random_uuid(), now() - ago + interval '1 second', event, ((first + step * (i - 1)) * 1000000)::bigint, true
      from unit where first + step * (i - 1) <> 0;
$$;

-- Time passes for an experiment: what it knows of time lies this much further back.
create function monitor_test.wait(key text, by interval) returns void language plpgsql as $$
begin
    set session_replication_role = replica;
    update cohort.experiment e set started_at = e.started_at - by where e.key = wait.key;
    update cohort.status_change h set at = h.at - by where h.experiment_id = (select e.id from cohort.experiment e where e.key = wait.key);
    update cohort.leader_change l set at = l.at - by;
    update cohort.condition_state s set changed_at = s.changed_at - by, interval_at = s.interval_at - by
     where s.condition_id in (select c.id from cohort.stop_condition c where c.experiment = wait.key);
    update cohort.volume_interval v set started_at = v.started_at - by, ended_at = v.ended_at - by
     where v.condition_id in (select c.id from cohort.stop_condition c where c.experiment = wait.key);
    reset session_replication_role;
end $$;
