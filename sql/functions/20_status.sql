-- draft → scheduled → running ⇄ paused → stopped | shipped → archived. An UPDATE of experiment.status does it;
-- start(), stop() and the others are that UPDATE with a reason. A guardrail's stop is none of these: it is a row
-- of stop_event.

-- Why an experiment that isn't running can't be stopped or paused.
create or replace function cohort.not_running_because(e cohort.experiment) returns text
    language sql stable
    as $$ select case when cohort.effective_status(e) = 'stopped' and e.status <> 'stopped' then 'a guardrail or a stop condition has stopped it already'
                      when cohort.effective_status(e) = 'paused' and e.status <> 'paused' then 'a guardrail or a stop condition has paused it already'
                      when e.status = 'draft' then 'it is a draft and was never started'
                      when e.status = 'scheduled' then 'it is scheduled and has not started'
                      when e.status = 'shipped' then 'it was shipped'
                      else format('it is %s already', e.status) end $$;
comment on function cohort.not_running_because(cohort.experiment) is 'The rest of the sentence "x can''t be stopped: …"';

create or replace function cohort.check_start_transition(e cohort.experiment, target text, now_is text) returns void
    language plpgsql as $$
declare
    name text := format('Experiment %s', cohort.shown(e.key));
begin
    if now_is = 'stopped' then
        perform cohort.fail('experiment_stopped', format('%s was stopped%s and can''t be started again.', name,
            case when now_is <> e.status then ' by a guardrail or a stop condition' else '' end));
    elsif now_is = 'shipped' then
        perform cohort.fail('experiment_shipped', format('%s was shipped and can''t be started again.', name));
    elsif now_is = 'running' or (now_is = 'paused' and target = 'scheduled') then
        perform cohort.fail('experiment_already_running', format('%s is running already, since %s.', name, cohort.rfc3339(e.started_at)));
    elsif now_is = 'scheduled' and target = 'scheduled' then
        perform cohort.fail('experiment_scheduled', format('%s is scheduled to start at %s.', name, cohort.rfc3339(e.starts_at)));
    end if;
end $$;
comment on function cohort.check_start_transition(cohort.experiment, text, text) is 'Refuses a start or schedule that isn''t allowed now';

-- Fails unless the experiment may take this status now.
create or replace function cohort.check_transition(e cohort.experiment, target text) returns void
    language plpgsql as $$
declare
    now_is text := cohort.effective_status(e);
    name text := format('Experiment %s', cohort.shown(e.key));
begin
    if target is null or target not in ('draft', 'scheduled', 'running', 'paused', 'stopped', 'shipped', 'archived') then
        perform cohort.fail('experiment_status_known', format('%s is no status of an experiment.', cohort.shown(target)));
    elsif target = 'draft' and now_is <> 'scheduled' then
        perform cohort.fail('experiment_back_to_draft', format('%s is %s and can''t become a draft again.', name, now_is));
    elsif now_is = 'archived' then
        perform cohort.fail('experiment_archived', format('%s is archived: its status can''t be changed any more.', name));
    elsif target in ('running', 'scheduled') then
        perform cohort.check_start_transition(e, target, now_is);
    elsif target = 'paused' and now_is <> 'running' then
        perform cohort.fail('experiment_not_running', format('%s can''t be paused: %s.', name, cohort.not_running_because(e)));
    elsif target = 'stopped' and now_is not in ('running', 'paused', 'shipped') then
        perform cohort.fail('experiment_not_running', format('%s can''t be stopped: %s.', name, cohort.not_running_because(e)));
    elsif target = 'shipped' and now_is in ('draft', 'scheduled') then
        perform cohort.fail('experiment_never_ran', format('%s never ran and can''t be shipped.', name));
    elsif target = 'shipped' and now_is = 'stopped' and now_is <> e.status then
        perform cohort.fail('experiment_guard_stopped', format('%s was stopped by a guardrail or a stop condition and can''t be shipped.', name));
    elsif target = 'archived' and now_is in ('running', 'paused') then
        perform cohort.fail('experiment_archive_running', format('%s is %s and can''t be archived.', name, now_is));
    end if;
end $$;
comment on function cohort.check_transition(cohort.experiment, text) is 'Refuses a change of status that isn''t allowed now';

create or replace function cohort.control_of(e cohort.experiment) returns cohort.variant
    language sql stable
    as $$ select v from cohort.variant v where v.environment = e.environment and v.experiment = e.key
             and (v.is_control or v.key = 'control' or (e.kind = 'holdout' and v.gives <> 'everything'))
           order by v.is_control desc, v.key = 'control' desc, v.position, v.id limit 1 $$;
comment on function cohort.control_of(cohort.experiment) is
    'The variant the others are compared to: the one marked, else the one called control; in a holdout, else the first arm that is kept out of something';

-- What a start needs, one thing after the other, so that validate() can name all that is missing.
create or replace function cohort.check_start(e cohort.experiment, what text) returns void
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(e.key));
    variants int;
    g cohort.guardrail;
begin
    case what
    when 'variants' then
        select count(*) into variants from cohort.variant v
         where v.environment = e.environment and v.experiment = e.key and v.dropped_at is null;
        if variants < 2 then
            perform cohort.fail('experiment_variants_two', format('Experiment %s has %s; it needs two or more to start.', cohort.shown(e.key),
                case variants when 0 then 'no variants' else 'one variant' end));
        end if;
        perform cohort.check_variants(e.environment, e.key);
    when 'holdout' then
        if e.kind = 'holdout' then
            perform cohort.check_holdout_start(e);
        end if;
    when 'bandit' then
        perform cohort.check_bandit_start(e);
    when 'control' then
        if (cohort.control_of(e)).key is null then
            perform cohort.fail('experiment_control_missing', format('No variant of %s is the control.', name));
        end if;
    when 'type' then
        if e.kind <> 'holdout' and cohort.experiment_type(e.environment, e.key) is null then
            perform cohort.fail('experiment_type_missing', format('No variant of %s has a value, and flag %s has no type.', name, cohort.shown(e.flag)));
        end if;
    when 'guardrails' then
        for g in select * from cohort.guardrail x where x.environment = e.environment and x.experiment = e.key loop
            perform cohort.guardrail_metric_check(g);
        end loop;
    when 'stop_conditions' then
        perform cohort.check_stop_conditions(e);
    when 'ramp' then
        perform cohort.check_ramp(e.environment, e.key);
    when 'schedule' then
        if e.ends_at <= clock_timestamp() then
            perform cohort.fail('experiment_schedule_past', format('The end of %s, %s, has passed.', name, cohort.rfc3339(e.ends_at)));
        end if;
    end case;
end $$;
comment on function cohort.check_start(cohort.experiment, text) is
    'Checks one thing a start needs: variants, holdout, bandit, control, type, guardrails, stop_conditions, ramp, schedule';

create or replace function cohort.start_checks() returns text[]
    language sql immutable as $$ select '{variants,holdout,bandit,control,type,guardrails,stop_conditions,ramp,schedule}'::text[] $$;
comment on function cohort.start_checks() is 'What check_start() can check, in order';

-- What a start fixes: the control is marked from now on, the flag has a type and a default.
create or replace function cohort.prepare_start(e cohort.experiment) returns void
    language plpgsql as $$
declare
    control cohort.variant;
    flag_type text;
    what text;
begin
    foreach what in array cohort.start_checks() loop
        perform cohort.check_start(e, what);
    end loop;
    control := cohort.control_of(e);
    flag_type := cohort.experiment_type(e.environment, e.key);
    update cohort.variant v set is_control = true
     where v.environment = e.environment and v.experiment = e.key and v.key = control.key and not v.is_control;
    update cohort.flag f set type = flag_type where f.environment = e.environment and f.key = e.flag and f.type is null;
    update cohort.flag f set default_value = control.value
     where f.environment = e.environment and f.key = e.flag and f.made_by_experiment and f.default_value is null and control.value is not null;
end $$;
comment on function cohort.prepare_start(cohort.experiment) is 'Checks what a start needs; marks the control, gives the flag its type and default';

create or replace function cohort.experiment_transition(o cohort.experiment, n cohort.experiment) returns cohort.experiment
    language plpgsql as $$
declare
    what text;
begin
    perform cohort.check_transition(o, n.status);
    if n.status = 'running' and o.status in ('draft', 'scheduled') then
        perform cohort.prepare_start(n);
        n.started_at := clock_timestamp();
    elsif n.status = 'scheduled' then
        if n.starts_at is null then
            perform cohort.fail('experiment_schedule_missing', format('Experiment %s has no starts_at.', cohort.shown(n.key)));
        end if;
        foreach what in array cohort.start_checks() loop
            perform cohort.check_start(n, what);
        end loop;
    elsif n.status in ('stopped', 'shipped') then
        n.stopped_at := clock_timestamp();
    elsif n.status = 'archived' then
        n.archived_at := clock_timestamp();
    end if;
    return n;
end $$;
comment on function cohort.experiment_transition(cohort.experiment, cohort.experiment) is 'The one place where an experiment''s status changes';

-- What belongs to a change of status, done as the owner of the tables: iterations, phases, slots of layers.
create or replace function cohort.status_follow(old_status text, e cohort.experiment) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    if e.status = 'running' and old_status in ('draft', 'scheduled') then
        insert into experiment_iteration (experiment_id, environment, experiment, iteration, salt, started_at, layer)
        values (e.id, e.environment, e.key, e.iteration, e.salt, e.started_at, e.layer);
        perform take_layer(e, e.layer_ppm);
        if is_bandit(e) then
            perform open_bandit(e);
        else
            perform open_phase(e);
        end if;
        perform freeze_cap(e, m) from metrics_of(e) m;
    elsif e.status in ('stopped', 'shipped', 'archived') then
        update experiment_iteration i set stopped_at = coalesce(ended_at(e), e.stopped_at, e.archived_at)
         where i.experiment_id = e.id and (i.stopped_at is null or e.status <> 'archived');
        delete from layer_slots s where s.environment = e.environment and s.experiment = e.key;
    end if;
end $$;
comment on function cohort.status_follow(text, cohort.experiment) is
    'Part of a change of status: opens phase 1, takes the layer''s slots and freezes caps at the start, gives the slots back at the end';
revoke execute on function cohort.status_follow(text, cohort.experiment) from public;

-- Phase 1: traffic slots from 0 on, and the variants' slots one after the other in the order of their positions.
create or replace function cohort.open_phase(e cohort.experiment) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    opened int;
begin
    insert into phase (environment, experiment, experiment_id, number, traffic_slots)
    values (e.environment, e.key, e.id, 1, int4multirange(int4range(0, e.traffic_ppm))) returning id into opened;
    insert into phase_variant (phase_id, variant_id, share_ppm, slots)
    select opened, v.id, v.share_ppm, int4multirange(int4range(v.upto - v.share_ppm, v.upto))
      from (select x.id, x.share_ppm, sum(x.share_ppm) over (order by x.position, x.id)::int as upto
              from variant x where x.environment = e.environment and x.experiment = e.key) v
     where v.share_ppm > 0;
end $$;
comment on function cohort.open_phase(cohort.experiment) is 'Opens phase 1 of an experiment that starts';
revoke execute on function cohort.open_phase(cohort.experiment) from public;

-- An experiment of the current environment by its key, locked against other edits.
create or replace function cohort.experiment_locked(key text) returns cohort.experiment
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    perform cohort.check_team_of('experiment', key);
    select * into e from cohort.experiment x
     where x.environment = cohort.current_environment() and x.key = experiment_locked.key for no key update;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown(key)));
    end if;
    return e;
end $$;
comment on function cohort.experiment_locked(text) is 'Locks and returns an experiment; fails when there is none';

create or replace function cohort.set_status(e cohort.experiment, target text, reason text) returns text
    language plpgsql as $$
begin
    perform cohort.check_transition(e, target);
    perform set_config('cohort.reason', coalesce(reason, ''), true);
    update cohort.experiment x set status = target where x.id = e.id;
    perform set_config('cohort.reason', '', true);
    return target;
end $$;
comment on function cohort.set_status(cohort.experiment, text, text) is 'Changes an experiment''s status and keeps the reason in its history';

create or replace function cohort.change_status(key text, target text, reason text) returns text
    language sql as $$ select cohort.set_status(cohort.experiment_locked(key), target, reason) $$;
comment on function cohort.change_status(text, text, text) is 'Changes the status of an experiment by its key';

create or replace function cohort.start(key text, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
begin
    if cohort.effective_status(e) = 'paused' then
        perform cohort.fail('experiment_paused', format('Experiment %s is paused: it was started at %s.', cohort.shown(e.key),
            cohort.rfc3339(e.started_at)));
    end if;
    return cohort.set_status(e, case when e.starts_at > clock_timestamp() then 'scheduled' else 'running' end, reason);
end $$;
comment on function cohort.start(text, text) is
    'Starts an experiment: it is served from the COMMIT on, or from its starts_at where that lies in the future. Returns its new status, running or scheduled';

create or replace function cohort.stop(key text, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
begin
    return cohort.set_status(e, case e.status when 'scheduled' then 'draft' else 'stopped' end, reason);
end $$;
comment on function cohort.stop(text, text) is
    'Stops an experiment: its flag serves the next rule or its default. A scheduled one becomes a draft again. Returns its new status';

create or replace function cohort.pause(key text, reason text default null) returns text
    language sql as $$ select cohort.change_status(key, 'paused', reason) $$;
comment on function cohort.pause(text, text) is
    'Pauses an experiment: everybody gets the fallback until resume(); outcomes still count. Returns its new status';

create or replace function cohort.resume(key text, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
begin
    if cohort.effective_status(e) <> 'paused' then
        perform cohort.fail('experiment_not_paused', format('Experiment %s is %s, not paused.', cohort.shown(e.key), cohort.effective_status(e)));
    end if;
    perform cohort.run_command(e, jsonb_build_object('do', 'resume', 'quiet', e.status = 'paused'), reason, 'running');
    return 'running';
end $$;
comment on function cohort.resume(text, text) is
    'Lets a paused experiment go on: everybody gets the variant they had. Returns its new status';

create or replace function cohort.archive(key text, reason text default null) returns text
    language sql as $$ select cohort.change_status(key, 'archived', reason) $$;
comment on function cohort.archive(text, text) is 'Puts an experiment that doesn''t run away; its history and results stay readable. Returns its new status';

-- Phases and history stand.
create or replace function cohort.refuse_edit() returns trigger
    language plpgsql as $$
begin
    if tg_table_name = 'status_change' then
        perform cohort.fail('history_fixed', 'The history of an experiment can''t be changed.');
    end if;
    perform cohort.fail('phase_fixed', 'A phase can''t be changed.');
    return null;
end $$;
comment on function cohort.refuse_edit() is 'Trigger: phases and history are append-only';
create or replace trigger refuse_edit before update or delete on cohort.phase
    for each row execute function cohort.refuse_edit();
create or replace trigger refuse_edit before update or delete on cohort.phase_variant
    for each row execute function cohort.refuse_edit();
create or replace trigger refuse_edit before update or delete on cohort.status_change
    for each row execute function cohort.refuse_edit();

create or replace function cohort.phase_belong() returns trigger
    language plpgsql as $$
begin
    new.experiment_id := coalesce(new.experiment_id, (select e.id from cohort.experiment e
        where e.environment = new.environment and e.key = new.experiment));
    return new;
end $$;
comment on function cohort.phase_belong() is 'Trigger: a phase belongs to the current iteration';
create or replace trigger phase_belong before insert on cohort.phase
    for each row execute function cohort.phase_belong();
-- Nor all at once: TRUNCATE fires no trigger of rows, and one of cohort.experiment cascades to these.
create or replace trigger refuse_truncate before truncate on cohort.phase
    for each statement execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.phase_variant
    for each statement execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.status_change
    for each statement execute function cohort.refuse_edit();
