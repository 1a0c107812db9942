-- What besides harm may stop an experiment: rules of stop conditions.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('stop_condition_experiment_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
('stop_condition_kind_known', '23514', 422, 'A stop condition has one of seven kinds', 'kind is one of: srm, no_outcomes, volume_drift, futility, success, max_duration, max_units.', 'kind', 'definition'),
('stop_condition_action_known', '23514', 422, 'An action has five words', 'action is one of: stop, pause, hold, roll_back, alert.', 'action', 'definition'),
('stop_condition_success_back', '23514', 422, 'Success rolls nothing back', 'Use one of: stop, pause, hold, alert.', 'action', 'definition'),
('stop_condition_missing', '23514', 422, 'A stop condition has what its kind needs', 'no_outcomes needs minutes, volume_drift a ratio, max_duration seconds, max_units units.', 'kind', 'definition'),
('stop_condition_needless', '23514', 422, 'A stop condition has only what its kind uses', 'Leave it out. no_outcomes uses minutes and metric; volume_drift ratio, minutes and metric; futility and success metric; max_duration seconds; max_units units; srm nothing.', 'kind', 'definition'),
('stop_condition_minutes_range', '23514', 422, 'Minutes are 1 to 43200', 'minutes lie in 1 to 43200, which is 30 days.', 'minutes', 'definition'),
('stop_condition_ratio_range', '23514', 422, 'A ratio lies above 1 and is at most 100', 'ratio is above 1 and at most 100: the factor by which the volume grows or shrinks; 2 is twice or half.', 'ratio', 'definition'),
('stop_condition_seconds_range', '23514', 422, 'Seconds are 60 to 315360000', 'seconds lie in 60 to 315360000, which is ten years. 14 days are 1209600.', 'seconds', 'definition'),
('stop_condition_units_range', '23514', 422, 'Units are 2 to 10^12', 'units are those of all variants together, 2 to 1000000000000.', 'units', 'definition'),
('stop_condition_weight_range', '23514', 422, 'A weight lies above 0 and is at most 1,000,000', 'Weights are relative: 1 for all shares the error level evenly.', 'weight', 'definition'),
('stop_condition_metric_known', '23503', 422, 'There is no such metric', 'Known metrics are in the table cohort.metric.', 'metric', 'definition'),
('stop_condition_primary', '23514', 422, 'Success and futility are judged by a primary metric', 'List it: insert into cohort.experiment_metric (experiment, metric, role) values (''…'', ''…'', ''primary''), or in a document {"metrics": [{"metric": "…", "role": "primary"}]}; name it as the condition''s metric when there are several.', 'metric', 'definition'),
('stop_condition_direction', '23514', 422, 'Success and futility need to know which way is good', 'Say it: update cohort.metric set direction_good = ''up'' where key = ''…''.', 'metric', 'definition'),
('stop_condition_metric_kind', '23514', 422, 'Success and futility are judged by no quantile', 'Use a primary metric of kind binary, count, mean or ratio.', 'metric', 'definition'),
('stop_condition_effect', '23514', 422, 'Futility needs the smallest effect worth having', 'Give the primary metric a smallest_effect, or a smallest_relative.', 'metric', 'definition'),
('stop_condition_nothing', '23514', 422, 'No outcomes of what?', 'List metrics of the experiment, or name the condition''s metric.', 'stop_conditions', 'definition'),
('stop_condition_unique', '23505', 409, 'The stop condition exists', 'One stop condition per kind, metric and action.', null, 'definition'),
('stop_condition_running_fixed', '55000', 409, 'Stop conditions of an experiment that has started can''t be changed', 'What may stop it was fixed at the start. Change them by cohort.restart(): its units are then drawn anew.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.stop_condition_uses(kind text) returns text[]
    language sql immutable parallel safe
    as $$ select case kind when 'no_outcomes' then '{minutes,metric}' when 'volume_drift' then '{ratio,minutes,metric}'
                      when 'futility' then '{metric}' when 'success' then '{metric}' when 'max_duration' then '{seconds}'
                      when 'max_units' then '{units}' else '{}' end::text[] $$;
comment on function cohort.stop_condition_uses(text) is
    'Of metric, minutes, ratio, seconds and units, what a kind of stop condition uses; what it needs comes first, but for metric';

create or replace function cohort.stop_condition_kind_check(s cohort.stop_condition) returns void
    language plpgsql as $$
declare
    given jsonb := jsonb_strip_nulls(jsonb_build_object('metric', s.metric, 'minutes', s.minutes, 'ratio', s.ratio, 'seconds', s.seconds, 'units', s.units));
    odd text;
begin
    if s.kind is null or s.kind not in ('srm', 'no_outcomes', 'volume_drift', 'futility', 'success', 'max_duration', 'max_units') then
        perform cohort.fail('stop_condition_kind_known', format('%s is no kind of stop condition.', cohort.shown(s.kind)));
    elsif s.action is null or s.action not in ('stop', 'pause', 'hold', 'roll_back', 'alert') then
        perform cohort.fail('stop_condition_action_known', format('%s is no action of a stop condition.', cohort.shown(s.action)));
    elsif s.kind = 'success' and s.action = 'roll_back' then
        perform cohort.fail('stop_condition_success_back', 'A stop condition of kind success has action roll_back.');
    end if;
    select k into odd from jsonb_object_keys(given) k where k <> all (cohort.stop_condition_uses(s.kind)) order by k limit 1;
    if found then
        perform cohort.fail('stop_condition_needless', format('A stop condition of kind %s has %s.', s.kind, odd), cohort.path_of(odd));
    end if;
    odd := (cohort.stop_condition_uses(s.kind))[1];
    if odd <> 'metric' and not given ? odd then
        perform cohort.fail('stop_condition_missing', format('A stop condition of kind %s has no %s.', s.kind, odd), cohort.path_of(odd));
    end if;
end $$;
comment on function cohort.stop_condition_kind_check(cohort.stop_condition) is
    'Refuses words nobody knows, what a kind has no use for, and what it lacks';

create or replace function cohort.stop_condition_value_check(s cohort.stop_condition) returns void
    language plpgsql as $$
begin
    if s.minutes not between 1 and 43200 then
        perform cohort.fail('stop_condition_minutes_range', format('The minutes of the stop condition %s are %s.', s.kind, s.minutes));
    elsif not coalesce(s.ratio > 1 and s.ratio <= 100, true) then
        perform cohort.fail('stop_condition_ratio_range', format('The ratio of the stop condition %s is %s.', s.kind, cohort.shown(s.ratio)));
    elsif s.seconds not between 60 and 315360000 then
        perform cohort.fail('stop_condition_seconds_range', format('The seconds of the stop condition %s are %s.', s.kind, s.seconds));
    elsif s.units not between 2 and 1000000000000 then
        perform cohort.fail('stop_condition_units_range', format('The units of the stop condition %s are %s.', s.kind, s.units));
    elsif not coalesce(s.weight > 0 and s.weight <= 1000000, false) then
        perform cohort.fail('stop_condition_weight_range', format('The weight of the stop condition %s is %s; it must be above 0 and at most 1000000.',
            s.kind, cohort.shown(s.weight)));
    end if;
end $$;
comment on function cohort.stop_condition_value_check(cohort.stop_condition) is 'Refuses ranges out of place';

-- Success and futility are about a primary metric that knows which way is good. Asked again at the start: metrics change.
create or replace function cohort.stop_condition_metric_check(s cohort.stop_condition) returns void
    language plpgsql as $$
declare
    m cohort.metric;
    x cohort.experiment_metric;
begin
    if s.metric is null then
        return;
    end if;
    select * into m from cohort.metric y where y.environment = s.environment and y.key = s.metric for key share;
    if not found then
        perform cohort.fail('stop_condition_metric_known', format('There is no metric %s.', cohort.shown(s.metric)));
    elsif s.kind not in ('success', 'futility') then
        return;
    end if;
    select * into x from cohort.experiment_metric y
     where y.environment = s.environment and y.experiment = s.experiment and y.metric = s.metric and y.role = 'primary';
    if not found then
        perform cohort.fail('stop_condition_primary', format('Metric %s is no primary metric of experiment %s.', cohort.shown(s.metric), cohort.shown(s.experiment)));
    elsif m.kind = 'quantile' then
        perform cohort.fail('stop_condition_metric_kind', format('Metric %s is a quantile.', cohort.shown(s.metric)));
    elsif m.direction_good = 'none' then
        perform cohort.fail('stop_condition_direction', format('Metric %s has no good direction.', cohort.shown(s.metric)));
    elsif s.kind = 'futility' and num_nonnulls(x.smallest_effect, x.smallest_relative) = 0 then
        perform cohort.fail('stop_condition_effect', format('Metric %s of experiment %s has no smallest effect.', cohort.shown(s.metric), cohort.shown(s.experiment)));
    end if;
end $$;
comment on function cohort.stop_condition_metric_check(cohort.stop_condition) is 'Refuses a metric that a stop condition can''t be judged by';

-- The one primary metric, where a condition doesn't name it.
create or replace function cohort.stop_condition_primary(s cohort.stop_condition) returns text
    language plpgsql as $$
declare
    listed text[];
begin
    if s.metric is not null or s.kind not in ('success', 'futility') then
        return s.metric;
    end if;
    listed := array(select x.metric from cohort.experiment_metric x
                     where x.environment = s.environment and x.experiment = s.experiment and x.role = 'primary' order by x.id);
    if cardinality(listed) <> 1 then
        perform cohort.fail('stop_condition_primary', format('Experiment %s has %s: a condition of kind %s must name one.', cohort.shown(s.experiment),
            case cardinality(listed) when 0 then 'no primary metric' else cardinality(listed) || ' primary metrics' end, s.kind));
    end if;
    return listed[1];
end $$;
comment on function cohort.stop_condition_primary(cohort.stop_condition) is
    'A stop condition''s metric; where success or futility names none, the experiment''s one primary metric';

create or replace function cohort.stop_condition_check() returns trigger
    language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        perform cohort.experiment_draft(old.environment, old.experiment, null, 'stop_condition_running_fixed', 'stop conditions');
    end if;
    perform cohort.experiment_draft(new.environment, new.experiment, 'stop_condition_experiment_known', 'stop_condition_running_fixed', 'stop conditions');
    new.action := coalesce(new.action, 'stop');
    new.weight := coalesce(new.weight, 1);
    perform cohort.stop_condition_kind_check(new);
    perform cohort.stop_condition_value_check(new);
    new.metric := cohort.stop_condition_primary(new);
    perform cohort.stop_condition_metric_check(new);
    perform 1 from cohort.stop_condition s
      where (s.environment, s.experiment, s.kind, s.action) = (new.environment, new.experiment, new.kind, new.action)
        and s.metric is not distinct from new.metric and s.id <> new.id;
    if found then
        perform cohort.fail('stop_condition_unique', format('Experiment %s has a stop condition %s%s with action %s already.', cohort.shown(new.experiment),
            new.kind, case when new.metric is null then '' else ' on ' || cohort.shown(new.metric) end, new.action));
    end if;
    return new;
end $$;
comment on function cohort.stop_condition_check() is 'Trigger: rules of stop conditions';
create or replace trigger stop_condition_check before insert or update on cohort.stop_condition
    for each row execute function cohort.stop_condition_check();

create or replace function cohort.stop_condition_delete_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.experiment_draft(old.environment, old.experiment, null, 'stop_condition_running_fixed', 'stop conditions');
    return old;
end $$;
comment on function cohort.stop_condition_delete_check() is 'Trigger: only a draft''s stop conditions can be deleted';
create or replace trigger stop_condition_delete_check before delete on cohort.stop_condition
    for each row execute function cohort.stop_condition_delete_check();

create or replace function cohort.check_stop_conditions(e cohort.experiment) returns void
    language plpgsql as $$
declare
    s cohort.stop_condition;
begin
    for s in select * from cohort.stop_condition x where x.environment = e.environment and x.experiment = e.key order by x.id loop
        perform cohort.stop_condition_metric_check(s);
        if s.kind = 'no_outcomes' and s.metric is null and not exists (select from cohort.metrics_of(e)) then
            perform cohort.fail('stop_condition_nothing', format('Experiment %s counts no metric, so it would have no outcomes for ever.', cohort.shown(e.key)));
        end if;
    end loop;
end $$;
comment on function cohort.check_stop_conditions(cohort.experiment) is 'What must hold of all stop conditions at the start';
