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
       cohort.ended_at(e) as ended_at, e.environment, e.id, e.kind, e.iteration, e.layer, e.tags, e.team
  from cohort.experiment e
  left join (select x.environment, x.experiment, string_agg(format('%s %s %%', x.key, (x.share_ppm / 10000.0)::float8), ', '
                                                            order by x.position, x.id) as variants
               from cohort.variant x group by x.environment, x.experiment) v
         on v.environment = e.environment and v.experiment = e.key
  left join (select x.environment, x.experiment, string_agg(format('%s %s %s', x.action, x.metric, x.direction), ', ' order by x.id) as guardrails
               from cohort.guardrail x group by x.environment, x.experiment) g
         on g.environment = e.environment and g.experiment = e.key
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
comment on column cohort.experiments.kind is 'ab, or holdout';
comment on column cohort.experiments.iteration is 'Which run is the current one: 1, 2, …';
comment on column cohort.experiments.layer is 'The layer whose slots it shares; null: none';
comment on column cohort.experiments.tags is 'Words to find it by';
comment on column cohort.experiments.team is 'The team it belongs to; null: nobody''s';

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
