-- The metrics an experiment is about, and their roles.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('experiment_metric_experiment_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
('experiment_metric_metric_known', '23503', 422, 'There is no such metric', 'Known metrics are in the table cohort.metric.', 'metric', 'definition'),
('experiment_metric_unique', '23505', 409, 'A metric is listed once', 'Change the one that is listed: update cohort.experiment_metric set role = ''primary'' where ….', 'metric', 'definition'),
('experiment_metric_role_known', '23514', 422, 'A metric has one of two roles', 'role is one of: primary, secondary.', 'role', 'definition'),
('experiment_metric_effect_range', '23514', 422, 'A smallest effect lies above 0', 'smallest_effect is above 0, in units of the metric: 0.01 is a hundredth of all units for a binary one. smallest_relative is above 0 and at most 1000, a share of control''s value: 0.02 is 2 %. Which way is good the metric says.', 'smallest_effect', 'definition'),
('experiment_metric_effect_twice', '23514', 422, 'A smallest effect is said once', 'Give smallest_effect, in units of the metric, or smallest_relative, as a share of control''s value.', 'smallest_relative', 'definition'),
('experiment_metric_running_fixed', '55000', 409, 'What a started experiment is to decide can''t be changed', 'Secondary metrics can be listed and taken off at any time. Change the rest by cohort.restart(): its units are then drawn anew.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.experiment_metric_value_check(x cohort.experiment_metric) returns void
    language plpgsql as $$
declare
    odd text := case when not coalesce(x.smallest_effect > 0 and x.smallest_effect <= 1e12, true) then 'smallest_effect'
                     when not coalesce(x.smallest_relative > 0 and x.smallest_relative <= 1000, true) then 'smallest_relative' end;
begin
    if x.role is null or x.role not in ('primary', 'secondary') then
        perform cohort.fail('experiment_metric_role_known', format('%s is no role of a metric.', cohort.shown(x.role)));
    elsif odd is not null then
        perform cohort.fail('experiment_metric_effect_range', format('The %s of metric %s is %s.', odd, cohort.shown(x.metric),
            cohort.shown(case odd when 'smallest_effect' then x.smallest_effect else x.smallest_relative end)), cohort.path_of(odd));
    elsif num_nonnulls(x.smallest_effect, x.smallest_relative) > 1 then
        perform cohort.fail('experiment_metric_effect_twice', format('Metric %s has both a smallest_effect and a smallest_relative.', cohort.shown(x.metric)));
    end if;
end $$;
comment on function cohort.experiment_metric_value_check(cohort.experiment_metric) is 'Refuses roles and effects out of place';

-- What is decided stands from the start on; what is only looked at may come and go.
create or replace function cohort.experiment_metric_open(e cohort.experiment, o cohort.experiment_metric, n cohort.experiment_metric) returns void
    language plpgsql as $$
begin
    if e.status not in ('draft', 'scheduled') and 'primary' in (o.role, n.role)
       and (o.role, o.smallest_effect, o.smallest_relative) is distinct from (n.role, n.smallest_effect, n.smallest_relative) then
        perform cohort.fail('experiment_metric_running_fixed', format('Experiment %s is %s: its primary metrics can''t be changed.',
            cohort.shown(e.key), cohort.effective_status(e)));
    end if;
end $$;
comment on function cohort.experiment_metric_open(cohort.experiment, cohort.experiment_metric, cohort.experiment_metric) is
    'Refuses a change of a started experiment''s primary metrics; the old or new one is null where there is none';

create or replace function cohort.check_experiment_metric() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x where x.environment = new.environment and x.key = new.experiment for no key update;
    if not found then
        perform cohort.fail('experiment_metric_experiment_known',
            format('There is no experiment %s.', cohort.shown(new.experiment)));
    elsif not exists (select from cohort.metric m where m.environment = new.environment and m.key = new.metric) then
        perform cohort.fail('experiment_metric_metric_known', format('There is no metric %s.', cohort.shown(new.metric)));
    end if;
    new.role := coalesce(new.role, 'secondary');
    perform cohort.experiment_metric_value_check(new);
    perform cohort.experiment_metric_open(e, case tg_op when 'UPDATE' then old end, new);
    if tg_op = 'UPDATE' and (new.environment, new.experiment, new.metric) is distinct from (old.environment, old.experiment, old.metric) then
        perform cohort.fail('key_fixed', format('Metric %s of experiment %s can''t become another one.', cohort.shown(old.metric), cohort.shown(old.experiment)));
    elsif tg_op = 'INSERT' and exists (select from cohort.experiment_metric x
             where (x.environment, x.experiment, x.metric) = (new.environment, new.experiment, new.metric)) then
        perform cohort.fail('experiment_metric_unique', format('Metric %s of experiment %s is listed already.', cohort.shown(new.metric), cohort.shown(new.experiment)));
    end if;
    return new;
end $$;
comment on function cohort.check_experiment_metric() is 'Trigger: rules of the metrics an experiment lists';
create or replace trigger check_experiment_metric before insert or update on cohort.experiment_metric
    for each row execute function cohort.check_experiment_metric();

create or replace function cohort.experiment_metric_delete_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x where x.environment = old.environment and x.key = old.experiment for no key update;
    if found then
        perform cohort.experiment_metric_open(e, old, null);
    end if;
    return old;
end $$;
comment on function cohort.experiment_metric_delete_check() is 'Trigger: a started experiment keeps its primary metrics';
create or replace trigger experiment_metric_delete_check before delete on cohort.experiment_metric
    for each row execute function cohort.experiment_metric_delete_check();

-- One that is listed while the experiment runs has its cap frozen then.
create or replace function cohort.experiment_metric_follow() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    perform freeze_cap(e, m) from experiment e join metric m on m.environment = e.environment and m.key = new.metric
      where e.environment = new.environment and e.key = new.experiment and e.status in ('running', 'paused');
    return null;
end $$;
comment on function cohort.experiment_metric_follow() is 'Trigger: freezes the cap of a metric that is listed mid-run';
create or replace trigger experiment_metric_follow after insert on cohort.experiment_metric
    for each row execute function cohort.experiment_metric_follow();

create or replace function cohort.check_metric_listed() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    listed text;
begin
    select x.experiment into listed from cohort.experiment_metric x
     where x.environment = old.environment and x.metric = old.key limit 1;
    if found then
        perform cohort.fail('metric_in_use', format('Metric %s is counted for experiment %s.', cohort.shown(old.key),
            cohort.shown(listed)), hint => 'Take it off the experiment''s list first (cohort.experiment_metric), or keep it.');
    end if;
    return old;
end $$;
comment on function cohort.check_metric_listed() is 'Trigger: a metric that an experiment lists is not deleted';
create or replace trigger check_metric_listed before delete on cohort.metric
    for each row execute function cohort.check_metric_listed();
