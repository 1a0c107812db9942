-- For people.

create or replace function cohort.ended_at(e cohort.experiment) returns timestamptz
    language plpgsql stable as $$
begin
    return least(e.stopped_at, (select s.at from cohort.stop_event s where s.experiment_id = e.id and s.iteration = e.iteration));
end $$;
comment on function cohort.ended_at(cohort.experiment) is 'When somebody or a guardrail stopped an experiment; null while it runs';

drop view if exists cohort.experiments;
create view cohort.experiments as
select e.key, cohort.effective_status(e) as status, e.flag, e.unit_type, v.variants, g.guardrails,
       round(e.traffic_ppm / 10000.0, 4) as traffic_percent, e.owner, e.description, e.started_at,
       cohort.ended_at(e) as ended_at, e.environment, e.id, e.kind, e.iteration, e.layer, e.tags, e.team, m.metrics, s.stop_conditions,
       e.planned_units, e.segments
  from cohort.experiment e
  left join (select x.environment, x.experiment, string_agg(format('%s %s %%', x.key, (x.share_ppm / 10000.0)::float8), ', '
                                                            order by x.position, x.id) as variants
               from cohort.variant x group by x.environment, x.experiment) v
         on v.environment = e.environment and v.experiment = e.key
  left join (select x.environment, x.experiment, string_agg(format('%s %s %s', x.action, x.metric, x.direction), ', ' order by x.id) as guardrails
               from cohort.guardrail x group by x.environment, x.experiment) g
         on g.environment = e.environment and g.experiment = e.key
  left join (select x.environment, x.experiment, string_agg(case x.role when 'primary' then 'primary ' else '' end || x.metric, ', '
                                                            order by x.role, x.id) as metrics
               from cohort.experiment_metric x group by x.environment, x.experiment) m
         on m.environment = e.environment and m.experiment = e.key
  left join (select x.environment, x.experiment, string_agg(concat_ws(' ', x.action, x.kind, x.metric), ', ' order by x.id) as stop_conditions
               from cohort.stop_condition x group by x.environment, x.experiment) s
         on s.environment = e.environment and s.experiment = e.key
 where e.environment = cohort.current_environment()
 order by e.key;
comment on view cohort.experiments is 'The experiments of the current environment at a glance';
comment on column cohort.experiments.key is 'Its name';
comment on column cohort.experiments.status is 'draft, scheduled, running, paused, stopped (by somebody or a guardrail), shipped or archived';
comment on column cohort.experiments.flag is 'The flag it answers for';
comment on column cohort.experiments.unit_type is 'What is randomised';
comment on column cohort.experiments.variants is 'Its arms and their shares';
comment on column cohort.experiments.guardrails is 'What stops it or raises an alert';
comment on column cohort.experiments.traffic_percent is 'Share of the eligible that take part';
comment on column cohort.experiments.owner is 'Who answers for it';
comment on column cohort.experiments.description is 'For people';
comment on column cohort.experiments.started_at is 'When it began to run';
comment on column cohort.experiments.ended_at is 'When somebody or a guardrail stopped it';
comment on column cohort.experiments.environment is 'The environment it belongs to';
comment on column cohort.experiments.id is 'The number of its current run in event tables';
comment on column cohort.experiments.kind is 'ab, holdout, bandit or contextual';
comment on column cohort.experiments.iteration is 'Which run is the current one: 1, 2, …';
comment on column cohort.experiments.layer is 'The layer whose slots it shares; null: none';
comment on column cohort.experiments.tags is 'Words to find it by';
comment on column cohort.experiments.team is 'The team it belongs to; null: nobody''s';
comment on column cohort.experiments.metrics is 'What it is about, the primary metrics first; those of guardrails are counted besides';
comment on column cohort.experiments.stop_conditions is 'What besides harm ends it, pauses it or raises an alert';
comment on column cohort.experiments.planned_units is 'How many units are planned; null: 10,000 a variant';
comment on column cohort.experiments.segments is 'Attributes its results can be read by';

drop view if exists cohort.flags;
create view cohort.flags as
select f.key, f.type, f.default_value, r.rules, f.archived_at is not null as archived, f.description, f.environment, f.id, f.team
  from cohort.flag f
  left join (select x.environment, x.flag, string_agg(case x.kind
                        when 'experiment' then 'experiment ' || x.experiment
                        when 'force' then format('force %s', x.value)
                        else format('%s to %s %%', x.value, (x.share_ppm / 10000.0)::float8) end
                        || case when x.condition = '{}' then '' else format(' if %s', x.condition) end, '; '
                        order by x.position, x.id) as rules
               from cohort.flag_rule x group by x.environment, x.flag) r
         on r.environment = f.environment and r.flag = f.key
 where f.environment = cohort.current_environment()
 order by f.key;
comment on view cohort.flags is 'The flags of the current environment at a glance';
comment on column cohort.flags.key is 'The name code asks for';
comment on column cohort.flags.type is 'boolean, string, number or object';
comment on column cohort.flags.default_value is 'What is served when no rule answers';
comment on column cohort.flags.rules is 'Its rules, in the order they are tried';
comment on column cohort.flags.archived is 'True once it is retired';
comment on column cohort.flags.description is 'For people';
comment on column cohort.flags.environment is 'The environment it belongs to';
comment on column cohort.flags.id is 'Its number in event tables';
comment on column cohort.flags.team is 'The team it belongs to; null: nobody''s';

drop view if exists cohort.metrics;
create view cohort.metrics as
select m.key, m.kind,
       concat(m.event, ' ' || m.condition::text, ' / ' || m.denominator_event, ' ' || m.denominator_condition::text) as counts,
       case when m.window_start_s = 0 and m.window_end_s is null then 'for ever'
            else format('%s to %s', make_interval(secs => m.window_start_s), coalesce(make_interval(secs => m.window_end_s)::text, 'ever')) end as window,
       m.direction_good, m.version, u.experiments, m.description, m.environment, m.id
  from cohort.metric m
  left join (select x.environment, x.metric, string_agg(distinct x.experiment, ', ' order by x.experiment) as experiments
               from (select g.environment, g.metric, g.experiment from cohort.guardrail g
                     union all select l.environment, l.metric, l.experiment from cohort.experiment_metric l
                     union all select s.environment, s.metric, s.experiment from cohort.stop_condition s
                     union all select b.environment, b.reward, b.experiment from cohort.bandit b) x
              group by x.environment, x.metric) u on u.environment = m.environment and u.metric = m.key
 where m.environment = cohort.current_environment()
 order by m.key;
comment on view cohort.metrics is 'The metrics of the current environment at a glance';
comment on column cohort.metrics.key is 'Its name';
comment on column cohort.metrics.kind is 'binary, count, mean, ratio or quantile';
comment on column cohort.metrics.counts is 'The event it counts and the condition on it; a ratio''s denominator after the stroke';
comment on column cohort.metrics."window" is 'When events count, after a unit''s first exposure';
comment on column cohort.metrics.direction_good is 'Which way is good: up, down, or none';
comment on column cohort.metrics.version is 'Raised by each change of what is counted: see cohort.metric_version';
comment on column cohort.metrics.experiments is 'What counts it';
comment on column cohort.metrics.description is 'For people';
comment on column cohort.metrics.environment is 'The environment it belongs to';
comment on column cohort.metrics.id is 'Its number in event tables';
