-- What results and verdicts start from.

-- Replaced in place, its columns only appended to: others are built on it.
create or replace view cohort.result_cell as
select i.environment, i.experiment_id, i.experiment, i.iteration, s.metric_id, m.key as metric, s.metric_version,
       case when s.metric_version = m.version then m.kind else v.definition ->> 'kind' end as kind, m.direction_good,
       case when s.metric_version = m.version then m.window_end_s else (v.definition ->> 'window_end_s')::int end as window_end_s,
       s.phase_id, p.number as phase, s.variant_id, a.key as variant,
       a.is_control or (a.key = 'control' and not exists (select from cohort.variant c where c.environment = a.environment
           and c.experiment = a.experiment and c.is_control)) as is_control,
       coalesce(a.dropped_at <= coalesce(i.stopped_at, 'infinity'), false) as dropped, pv.share_ppm,
       s.segment, g.attribute as segment_attribute, g.value as segment_value,
       s.units, s.event_units, s.amounts, s.sum * 0.000001 as sum, s.sum_sq * 0.000000000001 as sum_sq,
       s.sum_cu * 0.000000000000000001 as sum_cu, s.den_sum * 0.000001 as den_sum,
       s.den_sum_sq * 0.000000000001 as den_sum_sq, s.cross_sum * 0.000000000001 as cross_sum,
       s.x_sum * 0.000001 as x_sum, s.x_sum_sq * 0.000000000001 as x_sum_sq, s.xy_sum * 0.000000000001 as xy_sum,
       b.buckets, s.matured_units, s.matured_event_units, s.matured_amounts,
       s.matured_sum * 0.000001 as matured_sum, s.matured_sum_sq * 0.000000000001 as matured_sum_sq,
       s.matured_sum_cu * 0.000000000000000001 as matured_sum_cu, s.matured_den_sum * 0.000001 as matured_den_sum,
       s.matured_den_sum_sq * 0.000000000001 as matured_den_sum_sq,
       s.matured_cross_sum * 0.000000000001 as matured_cross_sum, s.matured_x_sum * 0.000001 as matured_x_sum,
       s.matured_x_sum_sq * 0.000000000001 as matured_x_sum_sq,
       s.matured_xy_sum * 0.000000000001 as matured_xy_sum, b.matured_buckets,
       s.metric_version = m.version as current_version, m.quantile
  from cohort.metric_stat s
  join cohort.every_iteration i on i.experiment_id = s.experiment_id
  join cohort.metric m on m.id = s.metric_id
  left join cohort.metric_version v on v.metric_id = s.metric_id and v.version = s.metric_version
  join cohort.phase p on p.id = s.phase_id
  join cohort.variant a on a.id = s.variant_id
  left join cohort.phase_variant pv on pv.phase_id = s.phase_id and pv.variant_id = s.variant_id
  left join cohort.segment_value g on g.id = s.segment
 cross join lateral (
       select coalesce(jsonb_object_agg(x.bucket, x.units order by x.bucket) filter (where x.units > 0), '{}') as buckets,
              coalesce(jsonb_object_agg(x.bucket, x.matured_units order by x.bucket) filter (where x.matured_units > 0), '{}') as matured_buckets
         from cohort.metric_bucket x
        where x.experiment_id = s.experiment_id and x.metric_id = s.metric_id and x.metric_version = s.metric_version
          and x.phase_id = s.phase_id and x.variant_id = s.variant_id and x.segment = s.segment) b;
comment on view cohort.result_cell is
    'The counts of every experiment: a row per metric (and version), phase, variant and segment. Sums are in units of the value, exact';
comment on column cohort.result_cell.environment is 'The environment';
comment on column cohort.result_cell.experiment_id is 'The id events carry';
comment on column cohort.result_cell.experiment is 'experiment.key';
comment on column cohort.result_cell.iteration is '1, 2, … within the experiment';
comment on column cohort.result_cell.metric_id is 'metric.id';
comment on column cohort.result_cell.metric is 'metric.key';
comment on column cohort.result_cell.metric_version is 'The version of the metric that these counts are of';
comment on column cohort.result_cell.kind is 'metric.kind of that version';
comment on column cohort.result_cell.direction_good is 'Which way is good: up, down or none';
comment on column cohort.result_cell.window_end_s is 'metric.window_end_s of that version; null: no end, and nothing matures';
comment on column cohort.result_cell.phase_id is 'phase.id';
comment on column cohort.result_cell.phase is 'phase.number';
comment on column cohort.result_cell.variant_id is 'variant.id';
comment on column cohort.result_cell.variant is 'variant.key';
comment on column cohort.result_cell.is_control is 'True for the variant the others are compared with';
comment on column cohort.result_cell.dropped is 'The variant was dropped in this run';
comment on column cohort.result_cell.share_ppm is 'The variant''s share in the phase';
comment on column cohort.result_cell.segment is '0: all units; else segment_value.id';
comment on column cohort.result_cell.segment_attribute is 'The attribute; null for all units';
comment on column cohort.result_cell.segment_value is 'The value of that attribute; null for all units, and for values beyond the first 20 of an attribute';
comment on column cohort.result_cell.units is 'Units exposed';
comment on column cohort.result_cell.event_units is 'Of those, units with at least one outcome that counts';
comment on column cohort.result_cell.amounts is 'Units whose y is not 0';
comment on column cohort.result_cell.sum is 'Sum of y';
comment on column cohort.result_cell.sum_sq is 'Sum of y squared';
comment on column cohort.result_cell.sum_cu is 'Sum of y cubed';
comment on column cohort.result_cell.den_sum is 'Sum of a ratio''s denominator D';
comment on column cohort.result_cell.den_sum_sq is 'Sum of D squared';
comment on column cohort.result_cell.cross_sum is 'Sum of y D';
comment on column cohort.result_cell.x_sum is 'Sum of x, the value before the first exposure';
comment on column cohort.result_cell.x_sum_sq is 'Sum of x squared';
comment on column cohort.result_cell.xy_sum is 'Sum of x y';
comment on column cohort.result_cell.buckets is 'Units by bucket of y: {"12": 3}; the rest of units is bucket 0';
comment on column cohort.result_cell.matured_units is 'Units whose window has closed';
comment on column cohort.result_cell.matured_event_units is 'Event_units of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_amounts is 'Amounts of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_sum is 'Sum of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_sum_sq is 'Sum_sq of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_sum_cu is 'Sum_cu of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_den_sum is 'Den_sum of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_den_sum_sq is 'Den_sum_sq of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_cross_sum is 'Cross_sum of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_x_sum is 'X_sum of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_x_sum_sq is 'X_sum_sq of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_xy_sum is 'Xy_sum of the units whose window has closed, frozen then';
comment on column cohort.result_cell.matured_buckets is 'Buckets of the units whose window has closed, frozen then';
comment on column cohort.result_cell.current_version is 'False for counts of an earlier version, which change no more';
comment on column cohort.result_cell.quantile is 'metric.quantile';
