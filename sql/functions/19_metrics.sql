-- Rules of metrics and guardrails.

create or replace function cohort.metric_value_check(m cohort.metric) returns void
    language plpgsql as $$
declare
    name text := format('metric %s', cohort.shown(m.key));
begin
    if coalesce(m.event, '') !~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$' then
        perform cohort.fail('metric_event_format', format('%s can''t be an event''s name.', cohort.shown(m.event)));
    end if;
    if m.kind is null or m.kind not in ('binary', 'mean') then
        perform cohort.fail('metric_kind_known', format('%s is no kind of metric.', cohort.shown(m.kind)));
    end if;
    if m.direction_good is null or m.direction_good not in ('up', 'down', 'none') then
        perform cohort.fail('metric_direction_known', format('%s is no direction.', cohort.shown(m.direction_good)));
    end if;
    if m.window_start_s < 0 or m.window_end_s <= m.window_start_s then
        perform cohort.fail('metric_window', format('The window of %s goes from %s to %s seconds.', name, m.window_start_s,
            coalesce(m.window_end_s::text, 'no end')));
    end if;
end $$;
comment on function cohort.metric_value_check(cohort.metric) is 'Refuses words, formats and windows out of place';

create or replace function cohort.metric_update_check(o cohort.metric, n cohort.metric) returns cohort.metric
    language plpgsql as $$
declare
    guarded text;
begin
    if (n.environment, n.key) is distinct from (o.environment, o.key) then
        perform cohort.fail('key_fixed', format('The key of metric %s can''t be changed.', cohort.shown(o.key)));
    end if;
    if n.version is distinct from o.version then
        perform cohort.fail('metric_version_fixed', format('The version of metric %s can''t be changed.', cohort.shown(o.key)));
    end if;
    if (n.event, n.kind, n.window_start_s, n.window_end_s) is distinct from (o.event, o.kind, o.window_start_s, o.window_end_s) then
        select e.key into guarded from cohort.guardrail g join cohort.experiment e
            on e.environment = g.environment and e.key = g.experiment
         where g.environment = o.environment and g.metric = o.key and e.status in ('running', 'paused') order by e.key limit 1;
        if found then
            perform cohort.fail('metric_running_fixed', format('Metric %s guards experiment %s, which is running.',
                cohort.shown(o.key), cohort.shown(guarded)));
        end if;
        n.version := o.version + 1;
    end if;
    return n;
end $$;
comment on function cohort.metric_update_check(cohort.metric, cohort.metric) is
    'Refuses a change under a running guardrail; raises the version when what is counted changes';

create or replace function cohort.metric_check() returns trigger
    language plpgsql as $$
begin
    new.description := coalesce(new.description, '');
    new.window_start_s := coalesce(new.window_start_s, 0);
    new.cuped_days := coalesce(new.cuped_days, 0);
    new.trusted_only := coalesce(new.trusted_only, true);
    if tg_op = 'UPDATE' then
        new := cohort.metric_update_check(old, new);
    else
        perform cohort.check_environment(new.environment);
        if not cohort.key_ok(new.key) then
            perform cohort.fail('metric_key_format', format('%s can''t be a metric''s key.', cohort.shown(new.key)));
        end if;
        perform 1 from cohort.metric m where m.environment = new.environment and m.key = new.key;
        if found then
            perform cohort.fail('metric_key_unique', format('The metric %s exists already.', cohort.shown(new.key)));
        end if;
        if new.version is distinct from 1 then
            perform cohort.fail('metric_version_fixed', format('Metric %s begins with version 1.', cohort.shown(new.key)));
        end if;
    end if;
    perform cohort.metric_value_check(new);
    new.event_path := cohort.metric_path(new.condition);
    new.denominator_path := cohort.metric_path(new.denominator_condition);
    return new;
end $$;
comment on function cohort.metric_check() is 'Trigger: rules of metrics';
create or replace trigger metric_check before insert or update on cohort.metric
    for each row execute function cohort.metric_check();

create or replace function cohort.metric_delete_check() returns trigger
    language plpgsql as $$
declare
    used text;
begin
    select g.experiment into used from cohort.guardrail g
     where g.environment = old.environment and g.metric = old.key order by 1 limit 1;
    if found then
        perform cohort.fail('metric_in_use', format('Metric %s guards experiment %s.', cohort.shown(old.key), cohort.shown(used)));
    end if;
    return old;
end $$;
comment on function cohort.metric_delete_check() is 'Trigger: a metric in use stays';
create or replace trigger metric_delete_check before delete on cohort.metric
    for each row execute function cohort.metric_delete_check();

-- A guardrail needs a metric that can stop something: binary, and with an end when it counts at maturity.
create or replace function cohort.guardrail_metric_check(g cohort.guardrail) returns void
    language plpgsql as $$
declare
    m cohort.metric;
begin
    select * into m from cohort.metric x where x.environment = g.environment and x.key = g.metric for no key update;
    if not found then
        perform cohort.fail('guardrail_metric_known', format('There is no metric %s.', cohort.shown(g.metric)), null,
            (select format('Known metrics: %s. Make another: insert into cohort.metric (key, event) values (…).',
                           coalesce(string_agg(x.key, ', ' order by x.key), 'none'))
               from (select key from cohort.metric y where y.environment = g.environment order by key limit 30) x));
    end if;
    if m.kind <> 'binary' then
        perform cohort.fail('guardrail_metric_binary', format('Metric %s is of kind %s.', cohort.shown(m.key), m.kind));
    end if;
    if g.count = 'at_maturity' and m.window_end_s is null then
        perform cohort.fail('guardrail_maturity_window', format('Metric %s has no end of its window, so no unit ever matures.',
            cohort.shown(m.key)));
    end if;
end $$;
comment on function cohort.guardrail_metric_check(cohort.guardrail) is 'Refuses a metric a guardrail can''t watch';

create or replace function cohort.guardrail_value_check(g cohort.guardrail) returns void
    language plpgsql as $$
declare
    name text := format('the guardrail on %s', cohort.shown(g.metric));
begin
    if g.direction is null or g.direction not in ('up', 'down') then
        perform cohort.fail('guardrail_direction_known', format('%s is no direction of harm.', cohort.shown(g.direction)));
    end if;
    if not coalesce(g.margin > 0 and g.margin <= 1000, false) then
        perform cohort.fail('guardrail_margin_range', format('The margin of %s is %s; it must be above 0 and at most 1000.', name,
            cohort.shown(g.margin)));
    end if;
    if not coalesce(g.weight > 0 and g.weight <= 1000000, false) then
        perform cohort.fail('guardrail_weight_range', format('The weight of %s is %s; it must be above 0 and at most 1000000.', name,
            cohort.shown(g.weight)));
    end if;
    if g.count is null or g.count not in ('at_event', 'at_maturity') then
        perform cohort.fail('guardrail_count_known', format('%s is no way to count.', cohort.shown(g.count)));
    end if;
    if g.action is null or g.action not in ('stop', 'alert') then
        perform cohort.fail('guardrail_action_known', format('%s is no action of a guardrail.', cohort.shown(g.action)));
    end if;
end $$;
comment on function cohort.guardrail_value_check(cohort.guardrail) is 'Refuses words and ranges out of place';

create or replace function cohort.guardrail_count(environment text, metric text) returns text
    language sql stable
    as $$ select case when exists (select from cohort.metric m where m.environment = $1 and m.key = $2 and m.kind <> 'binary')
                      then 'at_maturity' else 'at_event' end $$;
comment on function cohort.guardrail_count(text, text) is
    'How a guardrail counts when it doesn''t say: binary metrics at the event, others when the unit''s window has closed';

create or replace function cohort.guardrail_check() returns trigger
    language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        perform cohort.experiment_draft(old.environment, old.experiment, null, 'guardrail_running_fixed', 'guardrails');
    end if;
    perform cohort.experiment_draft(new.environment, new.experiment, 'guardrail_experiment_known', 'guardrail_running_fixed', 'guardrails');
    new.count := coalesce(new.count, cohort.guardrail_count(new.environment, new.metric));
    perform cohort.guardrail_value_check(new);
    perform cohort.guardrail_metric_check(new);
    perform 1 from cohort.guardrail g
      where (g.environment, g.experiment, g.metric, g.direction, g.action)
          = (new.environment, new.experiment, new.metric, new.direction, new.action) and g.id <> new.id;
    if found then
        perform cohort.fail('guardrail_unique', format('Experiment %s has a guardrail on %s, direction %s, action %s already.',
            cohort.shown(new.experiment), cohort.shown(new.metric), new.direction, new.action));
    end if;
    return new;
end $$;
comment on function cohort.guardrail_check() is 'Trigger: rules of guardrails';
create or replace trigger guardrail_check before insert or update on cohort.guardrail
    for each row execute function cohort.guardrail_check();

create or replace function cohort.guardrail_delete_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.experiment_draft(old.environment, old.experiment, null, 'guardrail_running_fixed', 'guardrails');
    return old;
end $$;
comment on function cohort.guardrail_delete_check() is 'Trigger: only a draft''s guardrails can be deleted';
create or replace trigger guardrail_delete_check before delete on cohort.guardrail
    for each row execute function cohort.guardrail_delete_check();
