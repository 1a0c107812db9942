-- What the roll-up keeps for every kind of metric: sums of values, denominators and values before the exposure.

alter table cohort.metric_stat
    add column amounts bigint not null default 0,
    add column sum_cu numeric not null default 0,
    add column den_sum numeric not null default 0,
    add column den_sum_sq numeric not null default 0,
    add column cross_sum numeric not null default 0,
    add column x_sum numeric not null default 0,
    add column x_sum_sq numeric not null default 0,
    add column xy_sum numeric not null default 0,
    add column matured_amounts bigint not null default 0,
    add column matured_sum_cu numeric not null default 0,
    add column matured_den_sum numeric not null default 0,
    add column matured_den_sum_sq numeric not null default 0,
    add column matured_cross_sum numeric not null default 0,
    add column matured_x_sum numeric not null default 0,
    add column matured_x_sum_sq numeric not null default 0,
    add column matured_xy_sum numeric not null default 0;
comment on column cohort.metric_stat.amounts is 'Of units, those whose y is not 0';
comment on column cohort.metric_stat.sum_cu is 'Sum of y cubed, in millionths cubed (1e-18)';
comment on column cohort.metric_stat.den_sum is 'Sum of the denominator D of a ratio, in millionths; 0 for other kinds';
comment on column cohort.metric_stat.den_sum_sq is 'Sum of D squared, in millionths squared';
comment on column cohort.metric_stat.cross_sum is 'Sum of y D, in millionths squared';
comment on column cohort.metric_stat.x_sum is 'Sum of x, the same metric''s y before the first exposure (metric.cuped_days), in millionths; 0 without';
comment on column cohort.metric_stat.x_sum_sq is 'Sum of x squared, in millionths squared';
comment on column cohort.metric_stat.xy_sum is 'Sum of x y, in millionths squared';
comment on column cohort.metric_stat.matured_amounts is 'Of matured_units, those whose y is not 0';
comment on column cohort.metric_stat.matured_sum_cu is 'sum_cu of the matured units, frozen when they matured';
comment on column cohort.metric_stat.matured_den_sum is 'den_sum of the matured units, frozen when they matured';
comment on column cohort.metric_stat.matured_den_sum_sq is 'den_sum_sq of the matured units, frozen when they matured';
comment on column cohort.metric_stat.matured_cross_sum is 'cross_sum of the matured units, frozen when they matured';
comment on column cohort.metric_stat.matured_x_sum is 'x_sum of the matured units, frozen when they matured';
comment on column cohort.metric_stat.matured_x_sum_sq is 'x_sum_sq of the matured units, frozen when they matured';
comment on column cohort.metric_stat.matured_xy_sum is 'xy_sum of the matured units, frozen when they matured';
comment on table cohort.metric_stat is
    'The sufficient statistics of every metric: sums over units of y, what a unit counts for (metric.kind), in millionths. A version that counts no more keeps its rows as they were';
comment on column cohort.metric_stat.segment is '0: all units; else segment_value.id: those that had this value at their first exposure';

alter table cohort.unit_metric
    add column d_n bigint,
    add column d_sum numeric,
    add column x_n bigint,
    add column x_sum numeric,
    add column matured_d_n bigint,
    add column matured_d_sum numeric,
    add column matured_x_n bigint,
    add column matured_x_sum numeric;
comment on column cohort.unit_metric.d_n is 'Outcomes of a ratio''s denominator inside the window; null: none';
comment on column cohort.unit_metric.d_sum is 'The sum of their values, in millionths; null: none';
comment on column cohort.unit_metric.x_n is 'Outcomes that count, of the metric.cuped_days before the first exposure; null: none';
comment on column cohort.unit_metric.x_sum is 'The sum of their values, in millionths; null: none';
comment on column cohort.unit_metric.matured_d_n is 'd_n, frozen when the unit matured; null: nothing';
comment on column cohort.unit_metric.matured_d_sum is 'd_sum, frozen when the unit matured; null: nothing';
comment on column cohort.unit_metric.matured_x_n is 'x_n, frozen when the unit matured; null: nothing';
comment on column cohort.unit_metric.matured_x_sum is 'x_sum, frozen when the unit matured; null: nothing';

alter table cohort.unit_frozen
    add column d_n bigint,
    add column d_sum numeric,
    add column x_n bigint,
    add column x_sum numeric,
    add column matured_d_n bigint,
    add column matured_d_sum numeric,
    add column matured_x_n bigint,
    add column matured_x_sum numeric;
comment on column cohort.unit_frozen.d_n is 'Of unit_metric.d_n, what belongs to rows that are gone; null: nothing';
comment on column cohort.unit_frozen.d_sum is 'Of unit_metric.d_sum, what belongs to rows that are gone; null: nothing';
comment on column cohort.unit_frozen.x_n is 'Of unit_metric.x_n, what belongs to rows that are gone; null: nothing';
comment on column cohort.unit_frozen.x_sum is 'Of unit_metric.x_sum, what belongs to rows that are gone; null: nothing';
comment on column cohort.unit_frozen.matured_d_n is 'Of d_n, what is in the frozen value of the unit once it matures; null: nothing';
comment on column cohort.unit_frozen.matured_d_sum is 'Of d_sum, what is in the frozen value of the unit once it matures; null: nothing';
comment on column cohort.unit_frozen.matured_x_n is 'Of x_n, what is in the frozen value of the unit once it matures; null: nothing';
comment on column cohort.unit_frozen.matured_x_sum is 'Of x_sum, what is in the frozen value of the unit once it matures; null: nothing';
-- A binary metric's new sums follow from the old ones; other kinds are counted from their rows by the next pass.
update cohort.metric_stat s
   set amounts = s.event_units, sum_cu = s.event_units * 1e18, matured_amounts = s.matured_event_units,
       matured_sum_cu = s.matured_event_units * 1e18
  from cohort.metric m where m.id = s.metric_id and m.kind = 'binary';
alter table cohort.tracked_metric add column layout smallint not null default 2;
comment on column cohort.tracked_metric.layout is 'Which sums are kept of it; below 2 it is counted from its rows once more';
update cohort.tracked_metric t set layout = 1 from cohort.metric m where m.id = t.metric_id and m.kind <> 'binary';
