-- Days that are kept no longer. A day goes in small steps, a few thousand rows each, so that no pass of the leader is
-- long: it takes no more events, what its rows had counted is frozen unit by unit while they go, then the empty table.

create or replace function cohort.partition_days(parent text) returns table (day date)
    language sql stable set search_path = cohort, pg_temp
    as $$ select to_date(right(c.relname, 8), 'YYYYMMDD') from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = to_regclass('cohort.' || quote_ident(parent)) and c.relname ~ '_[0-9]{8}$' order by 1 $$;
comment on function cohort.partition_days(text) is 'The UTC days of which outcome or decision has a partition';

-- What the rows of these units on this day count for, as they go. Nobody adds any: the day takes no more.
create or replace function cohort.freeze_outcomes(day date, from_unit uuid, to_unit uuid) returns bigint
    language plpgsql set search_path = cohort, pg_temp set enable_hashjoin = off set enable_mergejoin = off
    set jit = off set plan_cache_mode = force_custom_plan as $$
declare
    from_ts timestamptz := day::timestamp at time zone 'UTC';
    gone bigint;
begin
    with o as materialized (
        delete from cohort.outcome x
         where x.ts >= from_ts and x.ts < from_ts + interval '24 hours' and x.unit_id <= to_unit
           and (from_unit is null or x.unit_id > from_unit)
        returning x.unit_id, x.ts, x.name, x.value, x.trusted, x.attributes, x.batch_id
    ), counted as (
        select o.unit_id, e.experiment_id, t.metric_id, t.metric_version, p.part, coalesce(o.value, p.absent) as value,
               e.first_ts > coalesce(t.matured_to, '-infinity') or coalesce(b.applied_pass, 0) <= greatest(coalesce(eb.applied_pass, 0),
                   (select y.pass from cohort.maturity y
                     where y.experiment_id = e.experiment_id and y.metric_id = t.metric_id and y.matured_to >= e.first_ts
                     order by y.matured_to, y.pass limit 1)) as matures
          from o
          join cohort.exposure e on e.unit_id = o.unit_id
          left join cohort.ingest_batch eb on eb.batch_id = e.batch_id
          left join cohort.ingest_batch b on b.batch_id = o.batch_id
          join cohort.tracked_metric t on t.experiment_id = e.experiment_id
          join cohort.metric m on m.id = t.metric_id
         cross join lateral cohort.metric_parts(m.kind, m.event, m.event_path, m.denominator_event, m.denominator_path,
                                                m.window_start_s, m.window_end_s, m.cuped_days) p
         where p.name = o.name and (o.trusted or not m.trusted_only) and (eb.batch_id is null or eb.applied_at is not null)
           and o.ts >= e.first_ts + p.since and (p.upto is null or o.ts < e.first_ts + p.upto)
           and (p.path is null or o.attributes @@ p.path)
    ), sums as (
        select unit_id, experiment_id, metric_id, metric_version,
               count(*) filter (where part = 'y') as n, coalesce(sum(value) filter (where part = 'y'), 0) as sum,
               count(*) filter (where part = 'y' and matures) as matured_n,
               coalesce(sum(value) filter (where part = 'y' and matures), 0) as matured_sum,
               nullif(count(*) filter (where part = 'd'), 0) as d_n, sum(value) filter (where part = 'd') as d_sum,
               nullif(count(*) filter (where part = 'd' and matures), 0) as matured_d_n,
               sum(value) filter (where part = 'd' and matures) as matured_d_sum,
               nullif(count(*) filter (where part = 'x'), 0) as x_n, sum(value) filter (where part = 'x') as x_sum,
               nullif(count(*) filter (where part = 'x' and matures), 0) as matured_x_n,
               sum(value) filter (where part = 'x' and matures) as matured_x_sum
          from counted group by 1, 2, 3, 4
    ), kept as (
        insert into cohort.unit_frozen as f (unit_id, experiment_id, metric_id, metric_version, n, sum, matured_n, matured_sum,
                                             d_n, d_sum, matured_d_n, matured_d_sum, x_n, x_sum, matured_x_n, matured_x_sum)
        -- what is frozen of an earlier version of the metric is no part of this one
        select s.unit_id, s.experiment_id, s.metric_id, s.metric_version, s.n + coalesce(g.n, 0), s.sum + coalesce(g.sum, 0),
               s.matured_n + coalesce(g.matured_n, 0), s.matured_sum + coalesce(g.matured_sum, 0),
               coalesce(s.d_n + g.d_n, s.d_n, g.d_n), coalesce(s.d_sum + g.d_sum, s.d_sum, g.d_sum),
               coalesce(s.matured_d_n + g.matured_d_n, s.matured_d_n, g.matured_d_n), coalesce(s.matured_d_sum + g.matured_d_sum, s.matured_d_sum, g.matured_d_sum),
               coalesce(s.x_n + g.x_n, s.x_n, g.x_n), coalesce(s.x_sum + g.x_sum, s.x_sum, g.x_sum),
               coalesce(s.matured_x_n + g.matured_x_n, s.matured_x_n, g.matured_x_n), coalesce(s.matured_x_sum + g.matured_x_sum, s.matured_x_sum, g.matured_x_sum)
          from sums s
          left join cohort.unit_frozen g on g.unit_id = s.unit_id and g.experiment_id = s.experiment_id and g.metric_id = s.metric_id
                                        and g.metric_version = s.metric_version
        on conflict (unit_id, experiment_id, metric_id) do update
           set metric_version = excluded.metric_version,
               n = excluded.n, sum = excluded.sum, d_n = excluded.d_n, d_sum = excluded.d_sum, x_n = excluded.x_n,
               x_sum = excluded.x_sum, matured_n = excluded.matured_n, matured_sum = excluded.matured_sum,
               matured_d_n = excluded.matured_d_n, matured_d_sum = excluded.matured_d_sum,
               matured_x_n = excluded.matured_x_n, matured_x_sum = excluded.matured_x_sum)
    select count(*) into gone from o;
    return gone;
end $$;
comment on function cohort.freeze_outcomes(date, uuid, uuid) is
    'Part of drop_partitions(): takes away a day''s outcomes of the units in (from_unit, to_unit]; what they had counted for stays in unit_frozen';

-- Nobody's insert is under way when a day closes; one that had looked before is found when the table is to go.
create or replace function cohort.close_partition(parent text, day date) returns boolean
    language plpgsql security definer set search_path = cohort, pg_temp set lock_timeout = '50ms' as $$
begin
    execute format('lock table only cohort.%I in share row exclusive mode', parent || '_' || to_char(day, 'YYYYMMDD'));
    insert into cohort.partition_dropped (parent, day) values ($1, $2) on conflict do nothing;
    return true;
exception when lock_not_available then
    return false;
end $$;
comment on function cohort.close_partition(text, date) is
    'Part of drop_partitions(): from now on the day takes no events; false when somebody was writing to it';

create or replace function cohort.drop_partition(parent text, day date) returns boolean
    language plpgsql security definer set search_path = cohort, pg_temp set lock_timeout = '50ms' as $$
declare
    part text := parent || '_' || to_char(day, 'YYYYMMDD');
    rest boolean := false;
begin
    if parent not in ('outcome', 'decision') or not exists (select from cohort.partition_dropped p
            where p.parent = $1 and p.day = $2) then
        raise exception 'The partition % has not been closed', cohort.shown(part);
    end if;
    execute format('lock table only cohort.%I in access exclusive mode', parent);
    if parent = 'outcome' then
        execute format('select exists (select from cohort.%I)', part) into rest;
    end if;
    if rest then
        update cohort.partition_dropped p set counted_to = null where p.parent = $1 and p.day = $2;
        return false;
    end if;
    execute format('drop table cohort.%I', part);
    update cohort.partition_dropped p set dropped_at = clock_timestamp() where p.parent = $1 and p.day = $2;
    return true;
exception when lock_not_available then
    return false;
end $$;
comment on function cohort.drop_partition(text, date) is
    'Part of drop_partitions(): drops a day''s table; waits for its lock 50 ms at most and returns false then';

-- Batches whose rows are all frozen: their pass no longer tells anything. Exposures whose windows reach into kept days
-- keep their batch.
create or replace function cohort.prune_batches(before date, max_rows int) returns bigint
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    longest interval := make_interval(secs => coalesce((select max(m.window_end_s) from cohort.metric m), 0));
    edge timestamptz := before::timestamp at time zone 'UTC';
    n bigint;
begin
    delete from cohort.ingest_batch b
     where b.batch_id = any (array(
               select x.batch_id from cohort.ingest_batch x
                where x.applied_at < edge - longest - interval '1 day' and x.created_at < edge - longest - interval '1 day'
                  and (x.outcomes_to is null or x.outcomes_to < edge)
                  and (x.exposures_to is null or x.exposures_to < edge - longest)
                  and not exists (select from cohort.exposure_replaced r
                                   where r.old_batch_id = x.batch_id and r.resolved_pass is null)
                order by x.batch_id limit max_rows));
    get diagnostics n = row_count;
    delete from cohort.maturity y where y.matured_to < edge - longest - interval '1 day'
       and (y.experiment_id, y.metric_id, y.pass) in (select z.experiment_id, z.metric_id, z.pass from cohort.maturity z
            where z.matured_to < edge - longest - interval '1 day' limit max_rows);
    return n;
end $$;
comment on function cohort.prune_batches(date, int) is
    'Part of drop_partitions(): deletes batches and maturities that no kept row needs to be counted again; totals are in cohort.spool';

-- Decisions in whose windows nothing kept can lie: their rewards stand, and stay in the sums.
create or replace function cohort.prune_rewards(max_rows int) returns bigint
    language plpgsql set search_path = cohort, pg_temp set jit = off as $$
declare
    edge timestamptz := cohort.reward_kept_from();
    n bigint;
begin
    if edge = '-infinity' or not exists (select from cohort.reward_source) then
        return 0;
    end if;
    with gone as materialized (
        delete from cohort.decision_reward d
         where d.ctid = any (array(select x.ctid from cohort.decision_reward x
                                     join cohort.reward_source s on s.experiment_id = x.experiment_id
                                     join cohort.metric m on m.id = s.metric_id
                                    where x.ts < edge and x.ts < edge - make_interval(secs => m.window_end_s) and x.ts <= s.matured_to
                                    limit max_rows))
        returning d.*
    ), stat as (
        update cohort.reward_stat s
           set gone_decisions = s.gone_decisions + g.decisions, gone_events = s.gone_events + g.events, gone_sum = s.gone_sum + g.sum,
               gone_sum_sq = s.gone_sum_sq + g.sum_sq
          from (select experiment_id, phase_id, variant_id, count(*) as decisions, count(*) filter (where gone.n > 0) as events,
                       sum(value) as sum, sum(value * value) as sum_sq from gone group by 1, 2, 3) g
         where s.experiment_id = g.experiment_id and s.phase_id = g.phase_id and s.variant_id = g.variant_id
    ), part as (
        update cohort.reward_cluster s
           set gone_decisions = s.gone_decisions + g.decisions, gone_h = s.gone_h + g.h, gone_hw = s.gone_hw + g.hw, gone_hwy = s.gone_hwy + g.hwy
          from (select d.experiment_id, v.variant_id, p.kind = 'traffic' as slice, cohort.reward_group(d.unit_id) as cluster,
                       count(*) filter (where v.variant_id = d.variant_id) as decisions, sum(h.h) as h,
                       coalesce(sum(q.hw) filter (where v.variant_id = d.variant_id), 0) as hw,
                       coalesce(sum(q.hwy) filter (where v.variant_id = d.variant_id), 0) as hwy
                  from gone d
                  join cohort.reward_source r on r.experiment_id = d.experiment_id
                  join cohort.phase p on p.id = d.phase_id
                  join cohort.phase_variant v on v.phase_id = d.phase_id and v.share_ppm > 0
                 cross join lateral (select cohort.reward_weight(r.adaptive, p.kind, v.share_ppm) as h) h
                 cross join lateral cohort.reward_parts(h.h, d.propensity, d.value) q
                 where not d.safe group by 1, 2, 3, 4) g
         where s.experiment_id = g.experiment_id and s.variant_id = g.variant_id and s.slice = g.slice and s.cluster = g.cluster)
    select count(*) into n from gone;
    return n;
end $$;
comment on function cohort.prune_rewards(int) is
    'Part of drop_partitions(): deletes the rows of decisions whose windows lie wholly in days that are kept no longer; their sums stay';

create or replace function cohort.drop_partitions(epoch bigint, days int, max_rows int default 4000)
    returns table (what text, why text)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    edge date := (clock_timestamp() at time zone 'UTC')::date - days;
    p cohort.partition_dropped;
    next_day record;
    upto uuid;
    n bigint;
begin
    perform cohort.assert_epoch($1);
    if coalesce(days, 0) < 1 then
        return;
    end if;
    perform cohort.prune_batches((select min(d.day) from cohort.partition_days('outcome') d), max_rows);
    perform cohort.prune_rewards(max_rows);
    select * into p from cohort.partition_dropped x where x.dropped_at is null order by x.day, x.parent limit 1;
    if not found then
        select x.parent, x.day into next_day
          from (select 'outcome' as parent, d.day from cohort.partition_days('outcome') d
                union all select 'decision', d.day from cohort.partition_days('decision') d) x
         where x.day < edge order by x.day, x.parent limit 1;
        if found then
            perform cohort.close_partition(next_day.parent, next_day.day);
        end if;
        return;
    end if;
    -- Nothing of the day may still be on its way to the sums, and no replaced exposure.
    if exists (select from cohort.ingest_batch b where b.applied_at is null
                  and b.outcomes_from < (p.day + 1)::timestamp at time zone 'UTC')
       or exists (select from cohort.exposure_replaced r where r.resolved_pass is null) then
        return;
    end if;
    if p.parent = 'outcome' then
        execute format('select max(unit_id::text)::uuid from (select unit_id from cohort.%I where $1 is null or unit_id > $1
                                             order by unit_id limit $2) x', 'outcome_' || to_char(p.day, 'YYYYMMDD'))
           into upto using p.counted_to, max_rows;
        if upto is not null then
            n := cohort.freeze_outcomes(p.day, p.counted_to, upto);
            update cohort.partition_dropped x set counted_to = upto, rows = x.rows + n
             where x.parent = p.parent and x.day = p.day;
            return;
        end if;
    elsif p.rows = 0 then
        execute format('select count(*) from cohort.%I', 'decision_' || to_char(p.day, 'YYYYMMDD')) into n;
        update cohort.partition_dropped x set rows = n where x.parent = p.parent and x.day = p.day;
    end if;
    if cohort.drop_partition(p.parent, p.day) then
        what := format('%ss of %s are kept no longer', p.parent, p.day);
        return next;
    end if;
end $$;
comment on function cohort.drop_partitions(bigint, int, int) is
    'One small step of the leader towards keeping outcomes and decisions for so many days (0: for ever): closes a day, freezes what at most max_rows of its rows counted for, or drops it. A row for each day that went';

revoke execute on function cohort.close_partition(text, date), cohort.drop_partition(text, date) from public;
select cohort.grant_to('cohort_server', 'execute on function cohort.close_partition(text, date), cohort.drop_partition(text, date)');
