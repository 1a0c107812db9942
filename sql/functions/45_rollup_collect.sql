-- The roll-up, first part: what a pass has to look at. A pass costs what is new, whatever is stored: new rows are
-- found by the block ranges of their batch, so sequential scans are switched off where tables could be read whole.

create or replace function cohort.lateness() returns interval
    language sql immutable parallel safe as $$ select interval '60 seconds' $$;
comment on function cohort.lateness() is
    'How long after a window has closed its last outcomes may still be under way: units mature that much later';

-- y of one unit for one metric, in millionths, held within its bounds. A unit without an event is 0, whatever the bounds.
create or replace function cohort.unit_value(kind text, n bigint, sum numeric, low numeric, high numeric) returns numeric
    language sql immutable parallel safe
    as $$ select case when n = 0 then 0 when kind = 'binary' then 1000000
                      else greatest(least(case kind when 'count' then n * 1000000::numeric else sum end, high), low) end $$;
comment on function cohort.unit_value(text, bigint, numeric, numeric, numeric) is
    'A unit''s value in millionths from its count and sum: 1 or 0 for a binary metric, the count for a count, the sum (of a ratio: of its numerator) for others, held between low and high where they are not null; 0 without an event';
create or replace function cohort.unit_value(kind text, n bigint, sum numeric) returns numeric
    language sql immutable parallel safe as $$ select cohort.unit_value(kind, n, sum, null, null) $$;
comment on function cohort.unit_value(text, bigint, numeric) is 'The same without bounds';

-- The edges of src/stats/buckets.h: the preferred numbers R20 of ISO 3 from 100 to 1e22 millionths. They are whole
-- numbers, so a fraction never decides; those that a bigint holds come first because they are found much faster.
create or replace function cohort.bucket_edges() returns numeric[]
    language sql immutable parallel safe
    as $$ select array_agg(r * 10::numeric ^ d order by d, r)
            from unnest('{100,112,125,140,160,180,200,224,250,280,315,355,400,450,500,560,630,710,800,900}'::numeric[]) r,
                 generate_series(0, 20) d where d < 20 or r = 100 $$;
comment on function cohort.bucket_edges() is 'The lower edges of buckets 2 to 402, in millionths';
do $$
begin
    execute format('create or replace function cohort.bucket_of(y numeric) returns smallint language sql immutable parallel safe as $f$
    select (sign(y) * (1 + case when abs(y) < 9e18 then width_bucket(trunc(abs(y))::bigint, %L::bigint[])
                                else width_bucket(abs(y), %L::numeric[]) end))::smallint $f$',
        (select array_agg(e::bigint order by e) from unnest(cohort.bucket_edges()) e where e < 9.2e18),
        (select array_agg(trunc(e) order by e) from unnest(cohort.bucket_edges()) e));
end $$;
comment on function cohort.bucket_of(numeric) is
    'The bucket of a value in millionths, -402 to 402: 0 for 0, the k-th of preferred numbers (R20 of ISO 3), negative for negative ones';

-- Maturity advances in steps of a thousandth of the window: few enough to be written down one by one.
create or replace function cohort.matured_to(as_of timestamptz, window_end_s int) returns timestamptz
    language sql stable parallel safe
    as $$
    select to_timestamp(floor(extract(epoch from as_of - make_interval(secs => window_end_s) - cohort.lateness())
                              / greatest(1, window_end_s / 1000)) * greatest(1, window_end_s / 1000))
$$;
comment on function cohort.matured_to(timestamptz, int) is
    'Units first exposed at or before this have a closed window, nothing of which can still be under way; null without a window''s end';

-- Events belong to iterations: a restart gives an experiment a new id, and what was seen before stays under the old one.
create or replace view cohort.every_iteration as
select e.id as experiment_id, e.environment, e.key as experiment, e.iteration, true as current, e.status,
       e.started_at, e.stopped_at
  from cohort.experiment e
union all
select i.experiment_id, i.environment, i.experiment, i.iteration, false, 'stopped', i.started_at, i.stopped_at
  from cohort.experiment_iteration i
 where not exists (select from cohort.experiment e where e.id = i.experiment_id);
comment on view cohort.every_iteration is 'Every run of every experiment: the ids that events carry';
comment on column cohort.every_iteration.experiment_id is 'The id events carry';
comment on column cohort.every_iteration.environment is 'The environment';
comment on column cohort.every_iteration.experiment is 'experiment.key';
comment on column cohort.every_iteration.iteration is '1, 2, … within the experiment';
comment on column cohort.every_iteration.current is 'True for the run that experiment.id names';
comment on column cohort.every_iteration.status is 'experiment.status of the current run; stopped for earlier ones';
comment on column cohort.every_iteration.started_at is 'When it began to run';
comment on column cohort.every_iteration.stopped_at is 'When it ended; null while it runs';

-- An earlier run keeps the metrics its guardrails had, whatever a restart changed.
create or replace view cohort.iteration_metric as
with run as not materialized (
select i.experiment_id, i.environment, i.experiment, i.status, g.metric
  from cohort.every_iteration i
  join (select environment, experiment, metric from cohort.guardrail
        union
        select environment, experiment, metric from cohort.experiment_metric
        union
        select environment, experiment, reward from cohort.bandit) g
    on g.environment = i.environment and g.experiment = i.experiment
union
select i.experiment_id, i.environment, i.experiment, 'stopped', g ->> 'metric'
  from cohort.experiment_iteration i
 cross join lateral jsonb_array_elements(i.definition -> 'guardrails') g
 where jsonb_typeof(i.definition -> 'guardrails') = 'array'
   and not exists (select from cohort.experiment e where e.id = i.experiment_id)
union
select i.experiment_id, i.environment, i.experiment, 'stopped', i.definition #>> '{bandit,reward}'
  from cohort.experiment_iteration i
 where i.definition #>> '{bandit,reward}' is not null
   and not exists (select from cohort.experiment e where e.id = i.experiment_id)
)
select r.experiment_id, r.environment, r.experiment, r.status, r.metric from run r
union all
-- Behind a holdout its units are counted a second time, by the holdout's arm.
select l.id, r.environment, r.experiment, r.status, r.metric from cohort.lift_pair l join run r on r.experiment_id = l.experiment_id;
comment on view cohort.iteration_metric is 'The metrics of each run of each experiment: those of guardrails, those listed in experiment_metric and a bandit''s reward. The same again under each lift_pair.id of the run';
comment on column cohort.iteration_metric.experiment_id is 'The id events carry';
comment on column cohort.iteration_metric.environment is 'The environment';
comment on column cohort.iteration_metric.experiment is 'experiment.key';
comment on column cohort.iteration_metric.status is 'experiment.status of the current run; stopped for earlier ones';
comment on column cohort.iteration_metric.metric is 'metric.key';

drop view if exists cohort.counted_metric;
create view cohort.counted_metric as
select i.experiment_id, m.id as metric_id, m.version as metric_version, m.event, m.kind, m.window_start_s,
       m.window_end_s, m.event_path, m.denominator_event, m.denominator_path, m.cuped_days, m.trusted_only,
       m.winsor_low * 1000000 as low, c.cap * 1000000 as high
  from cohort.iteration_metric i
  join cohort.metric m on m.environment = i.environment and m.key = i.metric
 cross join lateral (select case when coalesce(m.winsor_high, m.winsor_quantile) is not null
                                 then cohort.metric_cap(i.experiment_id, m.id) end as cap) c
 where i.status <> 'draft' and (m.winsor_quantile is null or c.cap is not null);
comment on view cohort.counted_metric is
    'The pairs of experiment and metric that count: those of guardrails and those listed in experiment_metric. A pair whose winsor_quantile is not frozen yet doesn''t';
comment on column cohort.counted_metric.experiment_id is 'experiment.id';
comment on column cohort.counted_metric.metric_id is 'metric.id';
comment on column cohort.counted_metric.metric_version is 'metric.version';
comment on column cohort.counted_metric.event is 'The event that is counted';
comment on column cohort.counted_metric.kind is 'metric.kind';
comment on column cohort.counted_metric.window_start_s is 'Seconds after first exposure from which events count';
comment on column cohort.counted_metric.window_end_s is 'Seconds after first exposure before which events count; null: for ever';
comment on column cohort.counted_metric.event_path is 'metric.event_path';
comment on column cohort.counted_metric.denominator_event is 'metric.denominator_event';
comment on column cohort.counted_metric.denominator_path is 'metric.denominator_path';
comment on column cohort.counted_metric.cuped_days is 'metric.cuped_days';
comment on column cohort.counted_metric.trusted_only is 'metric.trusted_only';
comment on column cohort.counted_metric.low is 'A unit''s value is at least this, in millionths; null: no bound';
comment on column cohort.counted_metric.high is 'A unit''s value is at most this, in millionths; null: no bound';

-- What a metric reads, part by part: y the values (a ratio's numerator), d a ratio's denominator, x the values before the
-- exposure. An event counts when first exposure + since <= its time < first exposure + upto.
create or replace function cohort.metric_parts(kind text, event text, event_path jsonpath, denominator_event text,
        denominator_path jsonpath, window_start_s int, window_end_s int, cuped_days int)
    returns table (part "char", name text, path jsonpath, since interval, upto interval, absent bigint)
    language sql immutable as $$
    select v.part::"char", v.name, v.path, make_interval(secs => v.since), make_interval(secs => v.upto),
           case when $1 = 'ratio' then 1000000 else 0 end::bigint
      from (values ('y', $2, $3, $6, $7), ('d', $4, $5, $6, $7), ('x', $2, $3, -86400 * $8, 0)) v(part, name, path, since, upto)
     where v.part = 'y' or (v.part = 'd' and $4 is not null) or (v.part = 'x' and $8 > 0) $$;
comment on function cohort.metric_parts(text, text, jsonpath, text, jsonpath, int, int, int) is
    'The events a metric reads: y its values, d the denominator of a ratio, x values before the first exposure; absent is what an event without a value counts, in millionths';

-- A segment is an attribute's value at the first exposure. Whether a value has a segment of its own never changes: it has
-- one, or came when there were 20 already and belongs to the rest for good.
-- In plpgsql, which keeps its plan for the session and returns at once where there is nothing to look for.
create or replace function cohort.segment_ids(experiment_id int, segments jsonb) returns int[]
    language plpgsql stable as $$
declare
    ids int[];
begin
    if $2 is null then
        return null;
    end if;
    ids := (select array_agg(s.id order by s.id)
              from jsonb_each($2) k(attribute, value)
             cross join lateral (select v.id from cohort.segment_value v
                                  where v.experiment_id = $1 and v.attribute = k.attribute
                                    and (v.value = left(k.value #>> '{}', 256) or v.value is null)
                                  order by v.value nulls last limit 1) s
             where jsonb_typeof(k.value) in ('string', 'number', 'boolean'));
    if jsonb_typeof($2 -> '$odds') = 'object' then
        ids := ids || array(select cohort.odds_segment(o.id::int, o.step::int) from jsonb_each_text($2 -> '$odds') o(id, step)
                             where cohort.odds_segment(o.id::int, o.step::int) is not null order by 1);
    end if;
    return ids;
end $$;
comment on function cohort.segment_ids(int, jsonb) is
    'The segments (segment_value.id) of a unit with these attributes at its first exposure; with the odds that a model gave it also their odds_segment()s, which are negative';

-- Working tables of the leader's connection, emptied at each pass. Not with truncate: that would grow the catalogue.
create or replace function cohort.rollup_tables() returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if to_regclass('pg_temp.roll_change') is not null then
        delete from pg_temp.roll_pair;
        delete from pg_temp.roll_part;
        delete from pg_temp.roll_window;
        delete from pg_temp.roll_unit;
        delete from pg_temp.roll_back;
        delete from pg_temp.roll_mature;
        delete from pg_temp.roll_outcome;
        delete from pg_temp.roll_delta;
        delete from pg_temp.roll_bucket;
        delete from pg_temp.roll_change;
        return;
    end if;
    -- An older server's tables of the same names have other columns.
    drop table if exists pg_temp.roll_pair, pg_temp.roll_window, pg_temp.roll_unit, pg_temp.roll_back, pg_temp.roll_mature,
        pg_temp.roll_outcome, pg_temp.roll_delta;
    create temp table roll_pair (
        experiment_id int, metric_id int, metric_version int, event text, kind text, event_path jsonpath,
        denominator_event text, denominator_path jsonpath, cuped_days int, trusted_only boolean, low numeric, high numeric,
        window_start_s int, window_end_s int, matured_from timestamptz, matured_to timestamptz,
        rebuild boolean, primary key (experiment_id, metric_id)
    ) on commit delete rows;
    create temp table roll_part (
        experiment_id int, metric_id int, metric_version int, trusted_only boolean, matured_to timestamptz, part "char",
        name text, path jsonpath, since interval, upto interval, absent bigint
    ) on commit delete rows;
    create index on pg_temp.roll_part (experiment_id, name);
    create temp table roll_window (window_end_s int, matured_from timestamptz, matured_to timestamptz)
        on commit delete rows;
    create temp table roll_unit (unit_id uuid, experiment_id int, phase_id int, variant_id int, first_ts timestamptz,
        segments jsonb, ids int[]) on commit delete rows;
    create temp table roll_back (unit_id uuid, experiment_id int, phase_id int, variant_id int, first_ts timestamptz,
        segments jsonb, ids int[]) on commit delete rows;
    create temp table roll_mature (unit_id uuid, experiment_id int, metric_id int, phase_id int, variant_id int,
        segments jsonb, ids int[]) on commit delete rows;
    create temp table roll_outcome (unit_id uuid, ts timestamptz, name text, value bigint, trusted boolean, attributes jsonb)
        on commit delete rows;
    create temp table roll_change (
        experiment_id int, metric_id int, phase_id int, variant_id int, ids int[], sign int, matured boolean,
        n bigint, sum numeric, d_sum numeric, x_n bigint, x_sum numeric
    ) on commit delete rows;
    create temp table roll_delta (
        experiment_id int, metric_id int, phase_id int, variant_id int, segment int default 0, matured boolean default false,
        units bigint default 0, event_units bigint default 0, amounts bigint default 0, sum numeric default 0,
        sum_sq numeric default 0, sum_cu numeric default 0, den_sum numeric default 0, den_sum_sq numeric default 0,
        cross_sum numeric default 0, x_sum numeric default 0, x_sum_sq numeric default 0, xy_sum numeric default 0
    ) on commit delete rows;
    create temp table roll_bucket (
        experiment_id int, metric_id int, phase_id int, variant_id int, segment int, bucket smallint, units bigint,
        matured_units bigint
    ) on commit delete rows;
end $$;
comment on function cohort.rollup_tables() is 'Part of rollup(): empty working tables for this connection';

-- A pair that is new to an experiment which has units already must be counted from the rows once (rebuild); where
-- there are no units yet, it starts from nothing. So does a new version of a metric: the sums of the version before
-- stay as they were.
create or replace function cohort.rollup_pairs(as_of timestamptz) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    delete from cohort.tracked_metric t
     where not exists (select from cohort.counted_metric p
                        where p.experiment_id = t.experiment_id and p.metric_id = t.metric_id
                          and p.metric_version = t.metric_version);
    if found then
        delete from cohort.metric_stat s
         where not exists (select from cohort.iteration_metric i join cohort.metric m on m.environment = i.environment and m.key = i.metric
                            where i.experiment_id = s.experiment_id and m.id = s.metric_id);
        delete from cohort.metric_bucket s
         where not exists (select from cohort.iteration_metric i join cohort.metric m on m.environment = i.environment and m.key = i.metric
                            where i.experiment_id = s.experiment_id and m.id = s.metric_id);
        delete from cohort.odds_stat s
         where not exists (select from cohort.iteration_metric i join cohort.metric m on m.environment = i.environment and m.key = i.metric
                            where i.experiment_id = s.experiment_id and m.id = s.metric_id);
        delete from cohort.maturity y
         where not exists (select from cohort.tracked_metric t
                            where t.experiment_id = y.experiment_id and t.metric_id = y.metric_id);
        delete from cohort.unit_metric u
         where not exists (select from cohort.tracked_metric t
                            where t.experiment_id = u.experiment_id and t.metric_id = u.metric_id);
    end if;
    insert into pg_temp.roll_pair
    select p.experiment_id, p.metric_id, p.metric_version, p.event, p.kind, p.event_path, p.denominator_event,
           p.denominator_path, p.cuped_days, p.trusted_only, p.low, p.high, p.window_start_s, p.window_end_s,
           case when t.metric_id is null then cohort.matured_to(as_of, p.window_end_s) else t.matured_to end,
           greatest(cohort.matured_to(as_of, p.window_end_s), t.matured_to),
           coalesce(t.layout, 0) < 2 and exists (select from cohort.exposure_stat x where x.experiment_id = p.experiment_id)
      from cohort.counted_metric p
      left join cohort.tracked_metric t on t.experiment_id = p.experiment_id and t.metric_id = p.metric_id;
    insert into pg_temp.roll_part
    select p.experiment_id, p.metric_id, p.metric_version, p.trusted_only, p.matured_to, s.*
      from pg_temp.roll_pair p
     cross join lateral cohort.metric_parts(p.kind, p.event, p.event_path, p.denominator_event, p.denominator_path,
                                            p.window_start_s, p.window_end_s, p.cuped_days) s
     where not p.rebuild;
    insert into pg_temp.roll_window
    select window_end_s, min(matured_from), max(matured_to) from pg_temp.roll_pair
     where not rebuild and matured_from < matured_to group by window_end_s;
end $$;
comment on function cohort.rollup_pairs(timestamptz) is
    'Part of rollup(): the pairs that count, and how far each has matured before and after this pass';

-- One statement, so one snapshot: a batch that commits meanwhile is either wholly in it or not at all. What a later
-- exposure replaced is taken back as soon as it is seen, if it had been counted: its batch was applied by an
-- earlier pass. If its batch is one of this pass's, it was never counted. A pass takes about 50,000 rows, so that
-- after an outage each is short, and the guardrails behind it are looked at soon; a decision that has a reward of its own
-- costs as much as five others (50,000 of them: 6.9 s).
create or replace function cohort.rollup_collect(this_pass bigint, as_of timestamptz, max_batches int,
        out ids bigint[], out rows bigint, out outcomes_from timestamptz, out outcomes_to timestamptz)
    language plpgsql set search_path = cohort, pg_temp set enable_seqscan = off set jit = off
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    rewarded boolean := exists (select from cohort.reward_source);
begin
    with picked as (
        update cohort.ingest_batch b set applied_at = as_of, applied_pass = this_pass
         where b.batch_id = any (array(
                   select w.batch_id
                     from (select u.batch_id, coalesce(sum(u.exposures + u.outcomes + case when rewarded then 5 * u.decisions else 0 end) over (
                                      order by u.batch_id rows between unbounded preceding and 1 preceding), 0) as before
                             from (select * from cohort.ingest_batch where applied_at is null
                                    order by batch_id limit max_batches) u) w
                    where w.before < 50000))
        returning b.batch_id, b.exposures + b.outcomes as n, b.outcomes_from, b.outcomes_to
    ), s as materialized (
        select array_agg(batch_id) as ids, min(batch_id) as lo, max(batch_id) as hi, sum(n) as n,
               min(outcomes_from) as outcomes_from, max(outcomes_to) as outcomes_to from picked
    ), units as (
        insert into pg_temp.roll_unit
        select e.unit_id, e.experiment_id, e.phase_id, e.variant_id, e.first_ts, e.segments from cohort.exposure e
         where e.batch_id >= (select lo from s) and e.batch_id <= (select hi from s)
           -- "+ 0": the block ranges are asked for the range of ids once, not for each id
           and e.batch_id + 0 = any ((select ids from s)::bigint[])
    ), gone as (
        update cohort.exposure_replaced x set resolved_pass = this_pass
         where x.resolved_pass is null
           and (x.old_batch_id = any ((select ids from s)::bigint[])
                or not exists (select from cohort.ingest_batch b
                                where b.batch_id = x.old_batch_id and b.applied_at is null))
        returning x.*
    ), counted_before as (
        insert into pg_temp.roll_back
        select g.unit_id, g.experiment_id, g.old_phase_id, g.old_variant_id, g.old_first_ts, g.old_segments from gone g
         where (g.old_batch_id = any ((select ids from s)::bigint[])) is not true
    ), matured as (
        insert into pg_temp.roll_mature
        select e.unit_id, e.experiment_id, p.metric_id, e.phase_id, e.variant_id, e.segments
          from pg_temp.roll_window w
         cross join lateral (select x.* from cohort.exposure x
                              where x.first_ts > w.matured_from and x.first_ts <= w.matured_to offset 0) e
          join pg_temp.roll_pair p on p.experiment_id = e.experiment_id and p.window_end_s = w.window_end_s
                                  and e.first_ts > p.matured_from and e.first_ts <= p.matured_to and not p.rebuild
         where not exists (select from cohort.ingest_batch b where b.batch_id = e.batch_id and b.applied_at is null)
    )
    select s.ids, s.n, s.outcomes_from, s.outcomes_to into ids, rows, outcomes_from, outcomes_to from s;
    ids := coalesce(ids, '{}');
    rows := coalesce(rows, 0);
end $$;
comment on function cohort.rollup_collect(bigint, timestamptz, int) is
    'Part of rollup(): marks the next batches applied and collects their exposures, what they replaced, and units whose window closed';

create or replace function cohort.rollup_collect_outcomes(ids bigint[], from_ts timestamptz, to_ts timestamptz)
    returns void language plpgsql set search_path = cohort, pg_temp set enable_seqscan = off set jit = off
    set plan_cache_mode = force_custom_plan as $$
declare
    lo bigint := (select min(i) from unnest(ids) i);
    hi bigint := (select max(i) from unnest(ids) i);
    events text[] := array(select distinct p.name from pg_temp.roll_part p);
    untrusted boolean := exists (select from pg_temp.roll_part p where not p.trusted_only);
begin
    insert into pg_temp.roll_outcome
    select o.unit_id, o.ts, o.name, o.value, o.trusted, o.attributes from cohort.outcome o
     where o.ts >= from_ts and o.ts <= to_ts and o.batch_id >= lo and o.batch_id <= hi
       and o.batch_id + 0 = any (ids) and (o.trusted or untrusted) and o.name = any (events);
end $$;
comment on function cohort.rollup_collect_outcomes(bigint[], timestamptz, timestamptz) is
    'Part of rollup(): the outcomes of these batches that some metric counts';

-- New values of segments are settled before anything is counted: by how many of this pass's units have them, then by name.
create or replace function cohort.rollup_segments() returns void
    language plpgsql set search_path = cohort, pg_temp set jit = off as $$
begin
    if exists (select from pg_temp.roll_unit where segments is not null) then
        insert into cohort.segment_value (experiment_id, attribute, value)
        with seen as (
            select r.experiment_id, k.attribute, left(k.value #>> '{}', 256) as value, count(*) as units
              from pg_temp.roll_unit r cross join lateral jsonb_each(r.segments) k(attribute, value)
             where jsonb_typeof(k.value) in ('string', 'number', 'boolean')
             group by 1, 2, 3
        ), known as (
            select v.experiment_id, v.attribute, count(v.value) as n from cohort.segment_value v
             where v.experiment_id in (select experiment_id from seen) group by 1, 2
        ), fresh as (
            select s.experiment_id, s.attribute, s.value, k.n is not null as known,
                   coalesce(k.n, 0) + row_number() over (partition by s.experiment_id, s.attribute order by s.units desc, s.value) as place,
                   (select count(*) from known a where a.experiment_id = s.experiment_id)
                   + dense_rank() over (partition by s.experiment_id, k.n is not null order by s.attribute) as attributes
              from seen s left join known k on k.experiment_id = s.experiment_id and k.attribute = s.attribute
             where not exists (select from cohort.segment_value v where v.experiment_id = s.experiment_id
                                  and v.attribute = s.attribute and v.value = s.value)
        )
        select distinct on (experiment_id, attribute, least(place, 21)) experiment_id, attribute, case when place <= 20 then value end
          from fresh where known or attributes <= 5
         order by experiment_id, attribute, least(place, 21)
        on conflict on constraint segment_value_once do nothing;
    end if;
    update pg_temp.roll_unit r set ids = cohort.segment_ids(r.experiment_id, r.segments) where r.segments is not null;
    update pg_temp.roll_back r set ids = cohort.segment_ids(r.experiment_id, r.segments) where r.segments is not null;
    update pg_temp.roll_mature r set ids = cohort.segment_ids(r.experiment_id, r.segments) where r.segments is not null;
end $$;
comment on function cohort.rollup_segments() is
    'Part of rollup(): gives new values of the segments'' attributes their ids, at most 20 an attribute and 5 attributes an experiment, and looks up those of this pass''s units';
