-- The roll-up, last part: the sums, and the pass as a whole. The first pass of a day makes the partitions of the days
-- to come, so that no shipper has to at midnight.

-- What changed unit by unit becomes differences of sums and of buckets. Units of the same values are taken together
-- first: all of a binary metric, and those whose value did not change go away.
create or replace function cohort.rollup_values() returns void
    language plpgsql set search_path = cohort, pg_temp set jit = off as $$
begin
    with u as (
        select c.experiment_id, c.metric_id, c.phase_id, c.variant_id, c.ids, c.matured, p.kind = 'binary' as is_binary, c.n > 0 as hit,
               cohort.unit_value(p.kind, c.n, c.sum, p.low, p.high) as y, c.d_sum as d,
               case when c.x_n is not null then cohort.unit_value(p.kind, c.x_n, c.x_sum, p.low, p.high) end as x, sum(c.sign) as k
          from pg_temp.roll_change c
          join pg_temp.roll_pair p on p.experiment_id = c.experiment_id and p.metric_id = c.metric_id
         group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
        having sum(c.sign) <> 0
    ), c as materialized (
        select u.*, g.segment from u cross join lateral unnest(array[0] || u.ids) g(segment)
    ), buckets as (
        insert into pg_temp.roll_bucket
        select experiment_id, metric_id, phase_id, variant_id, segment, b.bucket, coalesce(sum(k) filter (where not matured), 0),
               coalesce(sum(k) filter (where matured), 0)
          from c cross join lateral (select cohort.bucket_of(c.y) as bucket) b
         where not c.is_binary and c.y <> 0 and c.segment >= 0
         group by 1, 2, 3, 4, 5, 6)
    insert into pg_temp.roll_delta (experiment_id, metric_id, phase_id, variant_id, segment, matured, event_units, amounts, sum, sum_sq,
                                    sum_cu, den_sum, den_sum_sq, cross_sum, x_sum, x_sum_sq, xy_sum)
    select experiment_id, metric_id, phase_id, variant_id, segment, matured, coalesce(sum(k) filter (where hit), 0),
           coalesce(sum(k) filter (where y <> 0), 0), sum(k * y), sum(k * y * y), sum(k * y * y * y),
           coalesce(sum(k * d), 0), coalesce(sum(k * d * d), 0), coalesce(sum(k * y * d), 0),
           coalesce(sum(k * x), 0), coalesce(sum(k * x * x), 0), coalesce(sum(k * x * y), 0)
      from c group by experiment_id, metric_id, phase_id, variant_id, segment, matured;
end $$;
comment on function cohort.rollup_values() is 'Part of rollup(): adds up what changed unit by unit';

create or replace function cohort.rollup_store() returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    insert into cohort.exposure_stat as s (experiment_id, phase_id, variant_id, units)
    select experiment_id, phase_id, variant_id, sum(units) from pg_temp.roll_delta where metric_id = 0
     group by experiment_id, phase_id, variant_id
    on conflict (experiment_id, phase_id, variant_id) do update set units = s.units + excluded.units;
    insert into cohort.metric_stat as s (experiment_id, phase_id, variant_id, metric_id, metric_version, segment,
                                         units, event_units, amounts, sum, sum_sq, sum_cu, den_sum, den_sum_sq,
                                         cross_sum, x_sum, x_sum_sq, xy_sum, matured_units, matured_event_units,
                                         matured_amounts, matured_sum, matured_sum_sq, matured_sum_cu,
                                         matured_den_sum, matured_den_sum_sq, matured_cross_sum, matured_x_sum,
                                         matured_x_sum_sq, matured_xy_sum)
    select d.experiment_id, d.phase_id, d.variant_id, d.metric_id, p.metric_version, d.segment,
           coalesce(sum(d.units) filter (where not d.matured), 0),
           coalesce(sum(d.event_units) filter (where not d.matured), 0),
           coalesce(sum(d.amounts) filter (where not d.matured), 0),
           coalesce(sum(d.sum) filter (where not d.matured), 0),
           coalesce(sum(d.sum_sq) filter (where not d.matured), 0),
           coalesce(sum(d.sum_cu) filter (where not d.matured), 0),
           coalesce(sum(d.den_sum) filter (where not d.matured), 0),
           coalesce(sum(d.den_sum_sq) filter (where not d.matured), 0),
           coalesce(sum(d.cross_sum) filter (where not d.matured), 0),
           coalesce(sum(d.x_sum) filter (where not d.matured), 0),
           coalesce(sum(d.x_sum_sq) filter (where not d.matured), 0),
           coalesce(sum(d.xy_sum) filter (where not d.matured), 0),
           coalesce(sum(d.units) filter (where d.matured), 0),
           coalesce(sum(d.event_units) filter (where d.matured), 0),
           coalesce(sum(d.amounts) filter (where d.matured), 0), coalesce(sum(d.sum) filter (where d.matured), 0),
           coalesce(sum(d.sum_sq) filter (where d.matured), 0), coalesce(sum(d.sum_cu) filter (where d.matured), 0),
           coalesce(sum(d.den_sum) filter (where d.matured), 0),
           coalesce(sum(d.den_sum_sq) filter (where d.matured), 0),
           coalesce(sum(d.cross_sum) filter (where d.matured), 0), coalesce(sum(d.x_sum) filter (where d.matured), 0),
           coalesce(sum(d.x_sum_sq) filter (where d.matured), 0), coalesce(sum(d.xy_sum) filter (where d.matured), 0)
      from pg_temp.roll_delta d
      join pg_temp.roll_pair p on p.experiment_id = d.experiment_id and p.metric_id = d.metric_id and not p.rebuild
     where d.segment >= 0
     group by d.experiment_id, d.phase_id, d.variant_id, d.metric_id, p.metric_version, d.segment
    on conflict (experiment_id, metric_id, metric_version, phase_id, variant_id, segment) do update
       set units = s.units + excluded.units, event_units = s.event_units + excluded.event_units,
           amounts = s.amounts + excluded.amounts, sum = s.sum + excluded.sum, sum_sq = s.sum_sq + excluded.sum_sq,
           sum_cu = s.sum_cu + excluded.sum_cu, den_sum = s.den_sum + excluded.den_sum,
           den_sum_sq = s.den_sum_sq + excluded.den_sum_sq, cross_sum = s.cross_sum + excluded.cross_sum,
           x_sum = s.x_sum + excluded.x_sum, x_sum_sq = s.x_sum_sq + excluded.x_sum_sq,
           xy_sum = s.xy_sum + excluded.xy_sum, matured_units = s.matured_units + excluded.matured_units,
           matured_event_units = s.matured_event_units + excluded.matured_event_units,
           matured_amounts = s.matured_amounts + excluded.matured_amounts,
           matured_sum = s.matured_sum + excluded.matured_sum,
           matured_sum_sq = s.matured_sum_sq + excluded.matured_sum_sq,
           matured_sum_cu = s.matured_sum_cu + excluded.matured_sum_cu,
           matured_den_sum = s.matured_den_sum + excluded.matured_den_sum,
           matured_den_sum_sq = s.matured_den_sum_sq + excluded.matured_den_sum_sq,
           matured_cross_sum = s.matured_cross_sum + excluded.matured_cross_sum,
           matured_x_sum = s.matured_x_sum + excluded.matured_x_sum,
           matured_x_sum_sq = s.matured_x_sum_sq + excluded.matured_x_sum_sq,
           matured_xy_sum = s.matured_xy_sum + excluded.matured_xy_sum;
    if exists (select from pg_temp.roll_back) then
        delete from cohort.exposure_stat where units = 0;
        delete from cohort.metric_stat where units = 0;
    end if;
    if not exists (select from pg_temp.roll_bucket) then
        return;
    end if;
    insert into cohort.metric_bucket as s (experiment_id, metric_id, metric_version, phase_id, variant_id, segment, bucket, units, matured_units)
    select d.experiment_id, d.metric_id, p.metric_version, d.phase_id, d.variant_id, d.segment, d.bucket, d.units, d.matured_units
      from pg_temp.roll_bucket d
      join pg_temp.roll_pair p on p.experiment_id = d.experiment_id and p.metric_id = d.metric_id
     where d.units <> 0 or d.matured_units <> 0
    on conflict (experiment_id, metric_id, metric_version, phase_id, variant_id, segment, bucket) do update
       set units = s.units + excluded.units, matured_units = s.matured_units + excluded.matured_units;
    delete from cohort.metric_bucket s using pg_temp.roll_bucket d, pg_temp.roll_pair p
     where p.experiment_id = d.experiment_id and p.metric_id = d.metric_id and s.experiment_id = d.experiment_id
       and s.metric_id = d.metric_id and s.metric_version = p.metric_version and s.phase_id = d.phase_id
       and s.variant_id = d.variant_id and s.segment = d.segment and s.bucket = d.bucket and s.units = 0 and s.matured_units = 0;
end $$;
comment on function cohort.rollup_store() is
    'Part of rollup(): applies the differences to exposure_stat, metric_stat and metric_bucket';

-- Odds come as negative segments.
create or replace function cohort.rollup_odds() returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if not exists (select from pg_temp.roll_delta where segment < 0) then
        return;
    end if;
    insert into cohort.odds_stat as s (experiment_id, metric_id, metric_version, treatment_id, odds, variant_id, units, event_units,
                                       matured_units, matured_event_units)
    select d.experiment_id, d.metric_id, p.metric_version, -d.segment / 512, -d.segment % 512 - 256, d.variant_id,
           coalesce(sum(d.units) filter (where not d.matured), 0), coalesce(sum(d.event_units) filter (where not d.matured), 0),
           coalesce(sum(d.units) filter (where d.matured), 0), coalesce(sum(d.event_units) filter (where d.matured), 0)
      from pg_temp.roll_delta d
      join pg_temp.roll_pair p on p.experiment_id = d.experiment_id and p.metric_id = d.metric_id and not p.rebuild
     where d.segment < 0
     group by 1, 2, 3, 4, 5, 6
    on conflict (experiment_id, metric_id, metric_version, treatment_id, odds, variant_id) do update
       set units = s.units + excluded.units, event_units = s.event_units + excluded.event_units,
           matured_units = s.matured_units + excluded.matured_units,
           matured_event_units = s.matured_event_units + excluded.matured_event_units;
    if exists (select from pg_temp.roll_back) then
        delete from cohort.odds_stat where units = 0;
    end if;
end $$;
comment on function cohort.rollup_odds() is 'Part of rollup(): applies the differences to odds_stat';

create or replace function cohort.rollup_track(this_pass bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    pair record;
begin
    insert into cohort.maturity (experiment_id, metric_id, pass, matured_to)
    select p.experiment_id, p.metric_id, this_pass, p.matured_to from pg_temp.roll_pair p
     where p.matured_to is not null
       and (p.rebuild or exists (select from pg_temp.roll_delta d
                                  where d.experiment_id = p.experiment_id and d.metric_id = p.metric_id
                                    and d.matured and d.units > 0));
    insert into cohort.tracked_metric as t (experiment_id, metric_id, metric_version, matured_to)
    select p.experiment_id, p.metric_id, p.metric_version, p.matured_to from pg_temp.roll_pair p
    on conflict (experiment_id, metric_id) do update set matured_to = excluded.matured_to, layout = excluded.layout
     where (t.matured_to, t.layout) is distinct from (excluded.matured_to, excluded.layout);
    for pair in select experiment_id, metric_id from pg_temp.roll_pair where rebuild loop
        perform cohort.rebuild_metric(pair.experiment_id, pair.metric_id);
    end loop;
end $$;
comment on function cohort.rollup_track(bigint) is
    'Part of rollup(): writes down how far each pair has matured, and counts pairs that are new to an experiment from its rows';

-- The block-range indexes learn of new blocks here, so that a pass stays cheap where no vacuum runs. A vacuum at
-- work is not disturbed (it does the same): the next pass tries again.
drop function if exists cohort.rollup_summarise(timestamptz, timestamptz);
create function cohort.rollup_summarise(from_ts timestamptz, to_ts timestamptz) returns boolean
    language plpgsql security definer set search_path = cohort, pg_temp set lock_timeout = '5ms' as $$
declare
    idx regclass;
    done boolean := true;
begin
    for idx in
        select i.indexrelid::regclass
          from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
         where a.amname = 'brin' and c.relkind = 'i'
           and i.indrelid = any (array(
               select to_regclass('cohort.outcome_' || to_char(d at time zone 'UTC', 'YYYYMMDD'))
                 from generate_series(date_trunc('day', from_ts, 'UTC'), to_ts, interval '24 hours') d
               union all select 'cohort.exposure'::regclass))
    loop
        begin
            perform brin_summarize_new_values(idx);
        exception when lock_not_available then
            done := false;
        end;
    end loop;
    return done;
end $$;
comment on function cohort.rollup_summarise(timestamptz, timestamptz) is
    'Part of rollup(): brings the block-range indexes of exposure and of these days'' outcomes up to date; false when a vacuum was in the way';

create or replace function cohort.rollup(epoch bigint, max_batches int default 200) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
    today date := (moment at time zone 'UTC')::date;
    this_pass bigint;
    last_day date;
    s record;
    behind bigint;
begin
    perform cohort.assert_epoch($1);
    update cohort.leader_state l set pass = l.pass + 1
    returning l.pass, (l.as_of at time zone 'UTC')::date into this_pass, last_day;
    if last_day is distinct from today then
        perform cohort.ensure_partitions(today - 8, today + 2);
    end if;
    perform cohort.rollup_tables();
    perform cohort.rollup_pairs(moment);
    select * into s from cohort.rollup_collect(this_pass, moment, max_batches);
    if s.outcomes_to is not null then
        perform cohort.rollup_collect_outcomes(s.ids, s.outcomes_from, s.outcomes_to);
    end if;
    perform cohort.rollup_segments();
    perform cohort.rollup_take_back();
    perform cohort.rollup_units();
    perform cohort.rollup_outcomes(s.ids);
    perform cohort.rollup_mature();
    perform cohort.rollup_values();
    perform cohort.rollup_store();
    perform cohort.rollup_odds();
    perform cohort.rollup_track(this_pass);
    perform cohort.rollup_rewards(s.ids, this_pass, moment);
    update cohort.leader_state l set heartbeat = clock_timestamp(), as_of = moment,
           unsummarised = l.unsummarised + s.rows returning l.unsummarised into behind;
    if behind >= 20000 and cohort.rollup_summarise(coalesce(s.outcomes_from, moment), coalesce(s.outcomes_to, moment)) then
        update cohort.leader_state l set unsummarised = 0;
    end if;
    return cardinality(s.ids);
end $$;
comment on function cohort.rollup(bigint, int) is
    'One pass of the leader of this epoch: counts what is new in at most max_batches batches (fewer when they hold over 50,000 rows) and what matured; returns how many batches it applied';
