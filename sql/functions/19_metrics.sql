-- Rules of metrics and guardrails.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('metric_kind_known', '23514', 422, 'A metric has one of five kinds', 'A metric''s kind is one of: binary, count, mean, ratio, quantile.', 'kind', 'definition'),
('metric_denominator', '23514', 422, 'A ratio has a denominator', 'Give a metric of kind ratio the event it divides by, denominator_event, and others none.', 'denominator_event', 'definition'),
('metric_quantile', '23514', 422, 'A quantile lies between 0 and 1', 'Give a metric of kind quantile its quantile, 0.5 for the median, and others none.', 'quantile', 'definition'),
('metric_winsor_kind', '23514', 422, 'Values of a count, mean or ratio can be winsorised', 'Leave winsor_low, winsor_high and winsor_quantile out, or use another kind.', 'kind', 'definition'),
('metric_winsor_range', '23514', 422, 'Winsor bounds lie within 10^12', 'winsor_low and winsor_high are in units of the value, between -1000000000000 and 1000000000000.', 'winsor_high', 'definition'),
('metric_winsor_order', '23514', 422, 'winsor_low lies below winsor_high', 'A unit''s value below winsor_low counts as winsor_low, one above winsor_high as winsor_high.', 'winsor_low', 'definition'),
('metric_winsor_twice', '23514', 422, 'A metric has one upper winsor bound', 'Give winsor_high, a value, or winsor_quantile, which is frozen to a value at the start.', 'winsor_quantile', 'definition'),
('metric_winsor_quantile', '23514', 422, 'A winsor_quantile is 0.5 or more, and below 1', 'Write 0.99 to let no unit count for more than all but one in a hundred of those that have a value.', 'winsor_quantile', 'definition'),
('metric_winsor_unknown', '55000', 409, 'A winsor_quantile needs values of the last 30 days', 'Give the metric a winsor_high instead, or wait until outcomes have come in.', 'winsor_quantile', 'definition'),
('metric_cuped_range', '23514', 422, 'cuped_days is 0 to 90', 'cuped_days is 0 to 90; 0 turns it off.', 'cuped_days', 'definition'),
('metric_cuped_kind', '23514', 422, 'CUPED is for binary, count and mean', 'Leave cuped_days out, or use another kind.', 'cuped_days', 'definition'),
('metric_rewarded', '55000', 409, 'A reward keeps its kind, its direction and the end of its window', 'Make a new metric, or wait until the bandit has stopped.', null, 'definition'),
('metric_guarded', '55000', 409, 'A metric stays what its running guardrails can watch', 'Make a new metric, or wait until the experiment has stopped.', null, 'definition'),
('metric_direction_fixed', '55000', 409, 'Which way is good stays while success or futility is judged by it', 'Make a new metric, or wait until the experiment has stopped.', 'direction_good', 'definition'),
('metric_version_kept', '55000', 409, 'Versions of metrics are never edited', 'Change the metric: it gets a new version.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.metric_winsor_check(m cohort.metric) returns void
    language plpgsql as $$
declare
    name text := format('metric %s', cohort.shown(m.key));
begin
    if m.kind not in ('count', 'mean', 'ratio') and num_nonnulls(m.winsor_low, m.winsor_high, m.winsor_quantile) > 0 then
        perform cohort.fail('metric_winsor_kind', format('The values of %s, of kind %s, can''t be winsorised.', name, m.kind));
    end if;
    if not coalesce(abs(m.winsor_low) <= 1e12, true) or not coalesce(abs(m.winsor_high) <= 1e12, true) then
        perform cohort.fail('metric_winsor_range', format('The %s of %s is %s.', case when abs(m.winsor_low) <= 1e12 or m.winsor_low is null then 'winsor_high' else 'winsor_low' end,
            name, cohort.shown(case when abs(m.winsor_low) <= 1e12 or m.winsor_low is null then m.winsor_high else m.winsor_low end)),
            cohort.path_of(case when abs(m.winsor_low) <= 1e12 or m.winsor_low is null then 'winsor_high' else 'winsor_low' end));
    elsif m.winsor_low >= m.winsor_high then
        perform cohort.fail('metric_winsor_order', format('The winsor_low of %s, %s, is not below its winsor_high, %s.', name,
            cohort.shown(m.winsor_low), cohort.shown(m.winsor_high)));
    elsif m.winsor_high is not null and m.winsor_quantile is not null then
        perform cohort.fail('metric_winsor_twice', format('The %s has both a winsor_high and a winsor_quantile.', name));
    elsif not coalesce(m.winsor_quantile >= 0.5 and m.winsor_quantile < 1, true) then
        perform cohort.fail('metric_winsor_quantile', format('The winsor_quantile of %s is %s.', name, cohort.shown(m.winsor_quantile)));
    end if;
end $$;
comment on function cohort.metric_winsor_check(cohort.metric) is 'Refuses winsor bounds out of place';

-- What belongs to one kind only.
create or replace function cohort.metric_kind_check(m cohort.metric) returns void
    language plpgsql as $$
declare
    name text := format('metric %s', cohort.shown(m.key));
begin
    if m.kind is null or m.kind not in ('binary', 'count', 'mean', 'ratio', 'quantile') then
        perform cohort.fail('metric_kind_known', format('%s is no kind of metric.', cohort.shown(m.kind)));
    end if;
    if m.kind = 'ratio' and m.denominator_event is null then
        perform cohort.fail('metric_denominator', format('The %s, a ratio, has no denominator_event.', name));
    elsif m.kind <> 'ratio' and m.denominator_event is not null then
        perform cohort.fail('metric_denominator', format('The %s, of kind %s, has a denominator_event.', name, m.kind));
    elsif m.kind <> 'ratio' and m.denominator_condition is not null then
        perform cohort.fail('metric_denominator', format('The %s, of kind %s, has a denominator_condition.', name, m.kind), cohort.path_of('denominator_condition'));
    elsif m.denominator_event !~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$' then
        perform cohort.fail('metric_event_format', format('%s can''t be an event''s name.', cohort.shown(m.denominator_event)), cohort.path_of('denominator_event'));
    elsif m.kind = 'quantile' and not coalesce(m.quantile > 0 and m.quantile < 1, false) then
        perform cohort.fail('metric_quantile', format('The quantile of %s is %s.', name, cohort.shown(m.quantile)));
    elsif m.kind <> 'quantile' and m.quantile is not null then
        perform cohort.fail('metric_quantile', format('The %s, of kind %s, has a quantile.', name, m.kind));
    end if;
    if m.cuped_days not between 0 and 90 then
        perform cohort.fail('metric_cuped_range', format('The cuped_days of %s is %s; it must lie in 0 to 90.', name, m.cuped_days));
    elsif m.cuped_days > 0 and m.kind not in ('binary', 'count', 'mean') then
        perform cohort.fail('metric_cuped_kind', format('The %s, of kind %s, has cuped_days.', name, m.kind));
    end if;
end $$;
comment on function cohort.metric_kind_check(cohort.metric) is 'Refuses a kind nobody knows, and what doesn''t belong to a metric''s kind or is missing';

create or replace function cohort.metric_value_check(m cohort.metric) returns void
    language plpgsql as $$
declare
    name text := format('metric %s', cohort.shown(m.key));
begin
    if coalesce(m.event, '') !~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$' then
        perform cohort.fail('metric_event_format', format('%s can''t be an event''s name.', cohort.shown(m.event)));
    end if;
    perform cohort.metric_kind_check(m);
    if m.direction_good is null or m.direction_good not in ('up', 'down', 'none') then
        perform cohort.fail('metric_direction_known', format('%s is no direction.', cohort.shown(m.direction_good)));
    end if;
    if m.window_start_s < 0 or m.window_end_s <= m.window_start_s then
        perform cohort.fail('metric_window', format('The window of %s goes from %s to %s seconds.', name, m.window_start_s,
            coalesce(m.window_end_s::text, 'no end')));
    end if;
    perform cohort.metric_winsor_check(m);
    perform cohort.check_metric_condition(name, m.condition, 'condition');
    perform cohort.check_metric_condition(name, m.denominator_condition, 'denominator_condition');
end $$;
comment on function cohort.metric_value_check(cohort.metric) is 'Refuses words, formats, windows, bounds and conditions out of place';

-- Everything that decides what is counted; a change of it is a new version.
create or replace function cohort.metric_counts(m cohort.metric) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('event', m.event, 'kind', m.kind, 'window_start_s', m.window_start_s, 'window_end_s', m.window_end_s,
                     'condition', m.condition, 'denominator_event', m.denominator_event, 'denominator_condition', m.denominator_condition,
                     'quantile', m.quantile, 'winsor_low', m.winsor_low, 'winsor_high', m.winsor_high,
                     'winsor_quantile', m.winsor_quantile, 'cuped_days', m.cuped_days, 'trusted_only', m.trusted_only) $$;
comment on function cohort.metric_counts(cohort.metric) is 'What of a metric decides what it counts, as a document';

-- Live: running or paused, as people set it.
create or replace function cohort.metric_live(m cohort.metric) returns setof cohort.experiment
    language plpgsql stable as $$
begin
    return query
    select e.* from cohort.experiment e
     where e.environment = m.environment and e.status in ('running', 'paused')
       and (exists (select from cohort.guardrail g where g.environment = e.environment and g.experiment = e.key and g.metric = m.key)
         or exists (select from cohort.experiment_metric x where x.environment = e.environment and x.experiment = e.key and x.metric = m.key)
         or exists (select from cohort.stop_condition s where s.environment = e.environment and s.experiment = e.key and s.metric = m.key)
         or exists (select from cohort.bandit b where b.environment = e.environment and b.experiment = e.key and b.reward = m.key))
     order by e.key;
end $$;
comment on function cohort.metric_live(cohort.metric) is 'The running and paused experiments that count a metric';

create or replace function cohort.metric_notice(m cohort.metric) returns text
    language sql stable
    as $$ select format('Metric %s has version %s now. %s counted by it: a new test begins there, with an error level of its own; what version %s had found stays.',
                        cohort.shown(m.key), m.version, case count(*) when 1 then 'Experiment ' || min(cohort.shown(e.key)) || ' is'
                            else 'Experiments ' || string_agg(cohort.shown(e.key), ', ' order by e.key) || ' are' end, m.version - 1)
            from cohort.metric_live(m) e having count(*) > 0 $$;
comment on function cohort.metric_notice(cohort.metric) is 'What a new version of a metric means for the experiments that run; null where none counts it';

-- What a change would do to the guardrails and conditions that watch the metric now.
create or replace function cohort.metric_live_check(o cohort.metric, n cohort.metric) returns void
    language plpgsql as $$
declare
    w record;
begin
    for w in select e.key, cohort.guardrail_misfit(g, n) as misfit from cohort.metric_live(o) e
               join cohort.guardrail g on g.environment = e.environment and g.experiment = e.key and g.metric = o.key
              order by e.key, g.id loop
        if w.misfit is not null then
            perform cohort.fail('metric_guarded', format('Metric %s guards experiment %s, which is running: %s', cohort.shown(o.key), cohort.shown(w.key),
                case w.misfit when 'guardrail_metric_kind' then 'a quantile can''t.'
                              when 'guardrail_maturity_window' then 'its window must end.'
                              when 'guardrail_margin_binary' then 'its margin holds for kind binary only.'
                              else 'it counts at the event, which holds for kind binary only.' end));
        end if;
    end loop;
    select e.key into w from cohort.metric_live(o) e
      join cohort.bandit b on b.environment = e.environment and b.experiment = e.key and b.reward = o.key
     where n.kind <> o.kind or n.window_end_s is null or n.direction_good is distinct from o.direction_good order by e.key limit 1;
    if found then
        perform cohort.fail('metric_rewarded', format('Metric %s is the reward of experiment %s, which is running.', cohort.shown(o.key), cohort.shown(w.key)));
    end if;
    if n.direction_good is distinct from o.direction_good then
        select e.key, s.kind into w from cohort.metric_live(o) e
          join cohort.stop_condition s on s.environment = e.environment and s.experiment = e.key and s.metric = o.key and s.kind in ('success', 'futility')
         order by e.key, s.id limit 1;
        if found then
            perform cohort.fail('metric_direction_fixed', format('Metric %s decides on %s of experiment %s, which is running.',
                cohort.shown(o.key), w.kind, cohort.shown(w.key)));
        end if;
    end if;
end $$;
comment on function cohort.metric_live_check(cohort.metric, cohort.metric) is
    'Refuses a change of a metric that a running guardrail or stop condition can''t live with';

create or replace function cohort.metric_update_check(o cohort.metric, n cohort.metric) returns cohort.metric
    language plpgsql as $$
begin
    if (n.environment, n.key) is distinct from (o.environment, o.key) then
        perform cohort.fail('key_fixed', format('The key of metric %s can''t be changed.', cohort.shown(o.key)));
    end if;
    if n.version is distinct from o.version then
        perform cohort.fail('metric_version_fixed', format('The version of metric %s can''t be changed.', cohort.shown(o.key)));
    end if;
    perform cohort.metric_value_check(n);
    perform cohort.metric_live_check(o, n);
    if cohort.metric_counts(n) is distinct from cohort.metric_counts(o) then
        n.version := o.version + 1;
    end if;
    return n;
end $$;
comment on function cohort.metric_update_check(cohort.metric, cohort.metric) is
    'Refuses what running experiments can''t live with; raises the version when what is counted changes';

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
        perform cohort.metric_value_check(new);
    end if;
    new.event_path := cohort.metric_path(new.condition);
    new.denominator_path := cohort.metric_path(new.denominator_condition);
    return new;
end $$;
comment on function cohort.metric_check() is 'Trigger: rules of metrics';
create or replace trigger metric_check before insert or update on cohort.metric
    for each row execute function cohort.metric_check();

-- The new version is written down, and its cap frozen in each experiment that counts it.
create or replace function cohort.metric_follow() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    said text;
    e cohort.experiment;
begin
    if tg_op = 'UPDATE' and new.version = old.version then
        return null;
    end if;
    insert into metric_version (metric_id, version, definition)
    values (new.id, new.version, jsonb_build_object('environment', new.environment, 'key', new.key, 'version', new.version)
                                  || jsonb_strip_nulls(metric_counts(new)));
    if tg_op = 'UPDATE' then
        for e in select * from metric_live(new) loop
            perform freeze_cap(e, new);
        end loop;
        said := metric_notice(new);
        if said is not null then
            raise notice '%', said;
        end if;
    end if;
    return null;
end $$;
comment on function cohort.metric_follow() is 'Trigger: writes each version of a metric down, and says what a new one means for running experiments';
create or replace trigger metric_follow after insert or update on cohort.metric
    for each row execute function cohort.metric_follow();

create or replace function cohort.metric_version_kept() returns trigger
    language plpgsql as $$
begin
    perform cohort.fail('metric_version_kept', format('%s can''t be changed.',
        case tg_table_name when 'frozen_cap' then 'A frozen cap' else 'A version of a metric' end));
    return null;
end $$;
comment on function cohort.metric_version_kept() is 'Trigger: versions of metrics and frozen caps are append-only';
create or replace trigger metric_version_kept before update or delete on cohort.metric_version
    for each row execute function cohort.metric_version_kept();
create or replace trigger refuse_truncate before truncate on cohort.metric_version
    for each statement execute function cohort.metric_version_kept();
create or replace trigger metric_version_kept before update or delete on cohort.frozen_cap
    for each row execute function cohort.metric_version_kept();
create or replace trigger refuse_truncate before truncate on cohort.frozen_cap
    for each statement execute function cohort.metric_version_kept();

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
    select b.experiment into used from cohort.bandit b
     where b.environment = old.environment and b.reward = old.key order by 1 limit 1;
    if found then
        perform cohort.fail('metric_in_use', format('Metric %s is the reward of experiment %s.', cohort.shown(old.key), cohort.shown(used)));
    end if;
    select s.experiment into used from cohort.stop_condition s
     where s.environment = old.environment and s.metric = old.key order by 1 limit 1;
    if found then
        perform cohort.fail('metric_in_use', format('Metric %s has a stop condition of experiment %s.', cohort.shown(old.key), cohort.shown(used)));
    end if;
    return old;
end $$;
comment on function cohort.metric_delete_check() is 'Trigger: a metric in use stays';
create or replace trigger metric_delete_check before delete on cohort.metric
    for each row execute function cohort.metric_delete_check();

-- Why a guardrail can't watch a metric: the rule it breaks; null when it can. EVT judges binary metrics by first
-- events; the others' tilt lets each unit in once, when its window has closed, and knows no margin.
create or replace function cohort.guardrail_misfit(g cohort.guardrail, m cohort.metric) returns text
    language sql immutable
    as $$ select case when m.kind = 'quantile' then 'guardrail_metric_kind'
                      when m.kind <> 'binary' and g.margin <> 1 then 'guardrail_margin_binary'
                      when m.kind <> 'binary' and g.count <> 'at_maturity' then 'guardrail_count_matured'
                      when g.count = 'at_maturity' and m.window_end_s is null then 'guardrail_maturity_window' end $$;
comment on function cohort.guardrail_misfit(cohort.guardrail, cohort.metric) is 'The rule by which a guardrail can''t watch a metric; null: it can';

create or replace function cohort.guardrail_metric_check(g cohort.guardrail) returns void
    language plpgsql as $$
declare
    m cohort.metric;
    misfit text;
begin
    select * into m from cohort.metric x where x.environment = g.environment and x.key = g.metric for no key update;
    if not found then
        perform cohort.fail('guardrail_metric_known', format('There is no metric %s.', cohort.shown(g.metric)), null,
            (select format('Known metrics: %s. Make another: insert into cohort.metric (key, event) values (…).',
                           coalesce(string_agg(x.key, ', ' order by x.key), 'none'))
               from (select key from cohort.metric y where y.environment = g.environment order by key limit 30) x));
    end if;
    misfit := cohort.guardrail_misfit(g, m);
    if misfit is not null then
        perform cohort.fail(misfit, case misfit
            when 'guardrail_metric_kind' then format('Metric %s is a quantile.', cohort.shown(m.key))
            when 'guardrail_margin_binary' then format('The margin of the guardrail on %s is %s; that metric is of kind %s.', cohort.shown(m.key), cohort.shown(g.margin), m.kind)
            when 'guardrail_count_matured' then format('The guardrail on %s counts at_event; that metric is of kind %s.', cohort.shown(m.key), m.kind)
            else format('Metric %s has no end of its window, so no unit ever matures.', cohort.shown(m.key)) end);
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
    if (g.direction = 'up' and g.margin < 1) or (g.direction = 'down' and g.margin > 1) then
        perform cohort.fail('guardrail_margin_range', format('The margin of %s is %s where harm is %s: it would act without any effect.', name,
            cohort.shown(g.margin), g.direction));
    end if;
    if not coalesce(g.weight > 0 and g.weight <= 1000000, false) then
        perform cohort.fail('guardrail_weight_range', format('The weight of %s is %s; it must be above 0 and at most 1000000.', name,
            cohort.shown(g.weight)));
    end if;
    if g.count is null or g.count not in ('at_event', 'at_maturity') then
        perform cohort.fail('guardrail_count_known', format('%s is no way to count.', cohort.shown(g.count)));
    end if;
    if g.action is null or g.action not in ('stop', 'pause', 'hold', 'roll_back', 'alert') then
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
