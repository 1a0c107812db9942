-- The roll-up, last part: the sums, and the pass as a whole. The first pass of a day makes the partitions of the days
-- to come, so that no shipper has to at midnight.

create or replace function cohort.rollup_store() returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    insert into cohort.exposure_stat as s (experiment_id, phase_id, variant_id, units)
    select experiment_id, phase_id, variant_id, sum(units) from pg_temp.roll_delta where metric_id = 0
     group by experiment_id, phase_id, variant_id
    on conflict (experiment_id, phase_id, variant_id) do update set units = s.units + excluded.units;
    insert into cohort.metric_stat as s (experiment_id, phase_id, variant_id, metric_id, metric_version, units,
                                         event_units, sum, sum_sq, matured_units, matured_event_units, matured_sum,
                                         matured_sum_sq)
    select d.experiment_id, d.phase_id, d.variant_id, d.metric_id, p.metric_version, sum(d.units), sum(d.event_units),
           sum(d.sum), sum(d.sum_sq), sum(d.matured_units), sum(d.matured_event_units), sum(d.matured_sum),
           sum(d.matured_sum_sq)
      from pg_temp.roll_delta d
      join pg_temp.roll_pair p on p.experiment_id = d.experiment_id and p.metric_id = d.metric_id
     group by d.experiment_id, d.phase_id, d.variant_id, d.metric_id, p.metric_version
    on conflict (experiment_id, metric_id, metric_version, phase_id, variant_id, segment) do update
       set units = s.units + excluded.units, event_units = s.event_units + excluded.event_units,
           sum = s.sum + excluded.sum, sum_sq = s.sum_sq + excluded.sum_sq,
           matured_units = s.matured_units + excluded.matured_units,
           matured_event_units = s.matured_event_units + excluded.matured_event_units,
           matured_sum = s.matured_sum + excluded.matured_sum,
           matured_sum_sq = s.matured_sum_sq + excluded.matured_sum_sq;
    if exists (select from pg_temp.roll_back) then
        delete from cohort.exposure_stat where units = 0;
        delete from cohort.metric_stat where units = 0;
    end if;
end $$;
comment on function cohort.rollup_store() is 'Part of rollup(): applies the differences to exposure_stat and metric_stat';

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
                                    and d.matured_units > 0));
    insert into cohort.tracked_metric as t (experiment_id, metric_id, metric_version, matured_to)
    select p.experiment_id, p.metric_id, p.metric_version, p.matured_to from pg_temp.roll_pair p
    on conflict (experiment_id, metric_id) do update set matured_to = excluded.matured_to
     where t.matured_to is distinct from excluded.matured_to;
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
    perform cohort.rollup_take_back();
    perform cohort.rollup_units();
    perform cohort.rollup_outcomes(s.ids);
    perform cohort.rollup_mature();
    perform cohort.rollup_store();
    perform cohort.rollup_track(this_pass);
    update cohort.leader_state l set heartbeat = clock_timestamp(), as_of = moment,
           unsummarised = l.unsummarised + s.rows returning l.unsummarised into behind;
    if behind >= 20000 and cohort.rollup_summarise(coalesce(s.outcomes_from, moment), coalesce(s.outcomes_to, moment)) then
        update cohort.leader_state l set unsummarised = 0;
    end if;
    return cardinality(s.ids);
end $$;
comment on function cohort.rollup(bigint, int) is
    'One pass of the leader of this epoch: counts what is new in at most max_batches batches (fewer when they hold over 50,000 rows) and what matured; returns how many batches it applied';
