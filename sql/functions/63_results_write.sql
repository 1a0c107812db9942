-- What the leader needs to write results, and how it writes them.

drop function if exists cohort.results_due();
create function cohort.results_due()
    returns table (experiment_id int, environment text, experiment text, iteration int, kind text, status text,
                   fingerprint text, n_star double precision, as_of timestamptz, guardrails bigint, alerts bigint,
                   sentence text, found text, against text)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with counted as (
        -- A segment's counts never change without those of all units.
        select s.experiment_id, sum(hash_record_extended(row(s.phase_id, s.variant_id, s.metric_id, s.metric_version,
                   s.units, s.event_units, s.sum, s.sum_sq, s.den_sum, s.den_sum_sq, s.x_sum, s.matured_units,
                   s.matured_event_units, s.matured_sum, s.matured_sum_sq, s.matured_den_sum), 0)) as h
          from cohort.metric_stat s where s.segment = 0 group by s.experiment_id
    ), seen as (
        select s.experiment_id, sum(hash_record_extended(row(s.phase_id, s.variant_id, s.units), 0)) as h
          from cohort.exposure_stat s group by s.experiment_id
    ), known as (
        select i.experiment_id, i.environment, i.experiment, i.iteration,
               case e.origin when 'imported' then 'imported' else e.kind end as kind,
               case when i.current then cohort.effective_status(e) else i.status end as status,
               e.planned_units, c.h as counted, seen.h as seen,
               (select count(*) from cohort.guardrail g where g.environment = i.environment and g.experiment = i.experiment) as guardrails,
               (select count(*) from cohort.alert_event a where a.experiment_id = i.experiment_id) as alerts,
               coalesce((select x.sentence from cohort.stop_event x where x.experiment_id = i.experiment_id),
                        case when i.current and cohort.effective_status(e) = 'paused' then (select p.sentence from cohort.pause_event p
                             where p.experiment_id = i.experiment_id and p.iteration = i.iteration and p.resolved_at is null) end) as sentence,
               -- What was found besides: the newest of each kind, three at most; what was paused and resumed too.
               (select string_agg(x.sentence, ' ' order by x.id desc)
                  from (select v.id, v.sentence from (select distinct on (v.kind, v.action) v.id, v.sentence from cohort.verdict_event v
                                                       where v.experiment_id = i.experiment_id and v.action <> 'stop'
                                                       order by v.kind, v.action, v.id desc) v
                         order by v.id desc limit 3) x) as found,
               null::text as against,
               (select count(*) + count(v.dropped_at) from cohort.variant v
                 where v.environment = i.environment and v.experiment = i.experiment) as variants,
               (select count(*) from cohort.variant v where v.environment = i.environment and v.experiment = i.experiment) as arms,
               (select string_agg(format('%s.%s', t.metric_id, t.metric_version), ' ' order by t.metric_id)
                  from cohort.tracked_metric t where t.experiment_id = i.experiment_id) as tracked,
               (select count(*) from cohort.experiment_metric m where m.environment = i.environment and m.experiment = i.experiment) as metrics
          from cohort.every_iteration i
          join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
          left join counted c on c.experiment_id = i.experiment_id
          left join seen on seen.experiment_id = i.experiment_id
         where i.started_at is not null or seen.h is not null
        union all
        select l.id, e.environment, e.key, e.iteration, 'lift', h.status, e.planned_units, c.h, seen.h, 0, 0, null, null, x.experiment,
               (select count(*) from cohort.variant v where v.environment = x.environment and v.experiment = x.experiment),
               (select count(*) from cohort.variant v where v.environment = x.environment and v.experiment = x.experiment),
               (select string_agg(format('%s.%s', t.metric_id, t.metric_version), ' ' order by t.metric_id)
                  from cohort.tracked_metric t where t.experiment_id = l.id),
               (select count(*) from cohort.experiment_metric m where m.environment = e.environment and m.experiment = e.key)
          from cohort.lift_pair l
          join cohort.every_iteration x on x.experiment_id = l.holdout_id
          join cohort.experiment h on h.environment = x.environment and h.key = x.experiment
          join cohort.every_iteration i on i.experiment_id = l.experiment_id
          join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
          left join counted c on c.experiment_id = l.id
          left join seen on seen.experiment_id = l.id
    ), marked as (
        select k.*, md5(concat_ws('|', k.status, k.counted, k.seen, k.guardrails, k.alerts, k.sentence, k.found, k.variants, k.tracked, k.metrics)) as mark
          from known k
    )
    select m.experiment_id, m.environment, m.experiment, m.iteration, m.kind, m.status, m.mark,
           coalesce(s.n_star, m.planned_units * 2.0 / greatest(m.arms, 2), 20000)::double precision,
           (select l.as_of from cohort.leader_state l), m.guardrails, m.alerts, m.sentence, m.found, m.against
      from marked m left join cohort.result_summary s on s.experiment_id = m.experiment_id
     where s.fingerprint is distinct from m.mark
     order by m.experiment_id
$$;
comment on function cohort.results_due() is
    'The runs of experiments whose counts or state are not those their results were written from';

-- Windows that end are read as they were frozen, others as they run.
create or replace function cohort.report_cells(experiment_id int)
    returns table (metric_id int, segment int, phase_id int, variant_id int, phase int, share_ppm int, exposed bigint,
                   segment_attribute text, segment_value text, units bigint, amounts bigint, event_units bigint, sum numeric,
                   sum_sq numeric, sum_cu numeric, x_sum numeric, x_sum_sq numeric, xy_sum numeric, den_sum numeric,
                   den_sum_sq numeric, cross_sum numeric, buckets jsonb)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select c.metric_id, c.segment, c.phase_id, c.variant_id, p.number, pv.share_ppm, c.units, g.attribute, g.value,
           case when m.window_end_s is null then c.units else c.matured_units end,
           case when m.window_end_s is null then c.amounts else c.matured_amounts end,
           case when m.window_end_s is null then c.event_units else c.matured_event_units end,
           case when m.window_end_s is null then c.sum else c.matured_sum end * 0.000001,
           case when m.window_end_s is null then c.sum_sq else c.matured_sum_sq end * 0.000000000001,
           case when m.window_end_s is null then c.sum_cu else c.matured_sum_cu end * 0.000000000000000001,
           case when m.window_end_s is null then c.x_sum else c.matured_x_sum end * 0.000001,
           case when m.window_end_s is null then c.x_sum_sq else c.matured_x_sum_sq end * 0.000000000001,
           case when m.window_end_s is null then c.xy_sum else c.matured_xy_sum end * 0.000000000001,
           case when m.window_end_s is null then c.den_sum else c.matured_den_sum end * 0.000001,
           case when m.window_end_s is null then c.den_sum_sq else c.matured_den_sum_sq end * 0.000000000001,
           case when m.window_end_s is null then c.cross_sum else c.matured_cross_sum end * 0.000000000001,
           (select coalesce(jsonb_object_agg(x.bucket, x.n order by x.bucket) filter (where x.n > 0), '{}')
              from (select b.bucket, case when m.window_end_s is null then b.units else b.matured_units end as n
                      from cohort.metric_bucket b
                     where b.experiment_id = $1 and b.metric_id = c.metric_id and b.metric_version = c.metric_version
                       and b.phase_id = c.phase_id and b.variant_id = c.variant_id and b.segment = c.segment) x)
      from cohort.result_metrics($1) m
      join cohort.metric_stat c on c.experiment_id = $1 and c.metric_id = m.id and c.metric_version = m.version
      join cohort.phase p on p.id = c.phase_id and p.model_id is null -- a model gives arms to different people
      left join cohort.phase_variant pv on pv.phase_id = c.phase_id and pv.variant_id = c.variant_id
      left join cohort.segment_value g on g.id = c.segment
     order by c.metric_id, c.segment, c.phase_id, c.variant_id
$$;
comment on function cohort.report_cells(int) is
    'The counts results are computed from, per metric, segment, phase and variant: of matured units where the metric''s window ends';

create or replace function cohort.record_results(epoch bigint, experiment_id int, fingerprint text, n_star double precision,
                                                 as_of timestamptz, summary jsonb, results jsonb) returns void
    language plpgsql set search_path = cohort, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    thinned timestamptz;
    until timestamptz := date_trunc('hour', coalesce($5, now()) - interval '2 days');
begin
    perform cohort.assert_epoch($1);
    insert into cohort.result as r (experiment_id, metric_id, metric_version, variant_id, segment, as_of, body)
    select $2, x.metric_id, x.metric_version, x.variant_id, x.segment, coalesce($5, now()), x.body
      from jsonb_to_recordset($7) x(metric_id int, metric_version int, variant_id int, segment int, body jsonb)
    on conflict on constraint result_once do update set as_of = excluded.as_of, body = excluded.body;
    insert into cohort.result_series as s (experiment_id, metric_id, variant_id, at, units, value, difference, low, high, ln_e)
    select $2, x.metric_id, x.variant_id, date_trunc('minute', coalesce($5, now())), (x.body ->> 'units')::numeric::bigint,
           (x.body ->> 'value')::double precision, (x.body ->> 'difference')::double precision,
           (x.body ->> 'low')::double precision, (x.body ->> 'high')::double precision, (x.body ->> 'ln_e')::double precision
      from jsonb_to_recordset($7) x(metric_id int, variant_id int, segment int, body jsonb)
     where x.segment = 0
    on conflict on constraint result_series_once do update set units = excluded.units, value = excluded.value,
           difference = excluded.difference, low = excluded.low, high = excluded.high, ln_e = excluded.ln_e;
    select s.thinned_to into thinned from cohort.result_summary s where s.experiment_id = $2;
    if thinned is null or thinned < until then
        delete from cohort.result_series s
         where s.experiment_id = $2 and s.at < until and s.at >= coalesce(thinned, '-infinity')
           and exists (select from cohort.result_series b
                        where b.experiment_id = $2 and b.metric_id = s.metric_id and b.variant_id = s.variant_id
                          and b.at > s.at and b.at < date_trunc('hour', s.at) + interval '1 hour');
    end if;
    insert into cohort.result_summary as s (experiment_id, fingerprint, n_star, as_of, thinned_to, body)
    values ($2, $3, $4, $5, until, $6)
    on conflict (experiment_id) do update set fingerprint = excluded.fingerprint, as_of = excluded.as_of,
           thinned_to = excluded.thinned_to, body = excluded.body;
end $$;
comment on function cohort.record_results(bigint, int, text, double precision, timestamptz, jsonb, jsonb) is
    'For the leader, with its epoch: writes what results of one run of an experiment are now, with a point of their series, and thins out old points';
revoke execute on function cohort.record_results(bigint, int, text, double precision, timestamptz, jsonb, jsonb) from public;
