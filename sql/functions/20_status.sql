-- draft → running → stopped → archived. An UPDATE of experiment.status does it; start(), stop() and archive()
-- are that UPDATE with a reason. A guardrail's stop is none of these: it is a row of stop_event.

-- Fails unless the experiment may take this status now.
create or replace function cohort.check_transition(e cohort.experiment, target text) returns void
    language plpgsql as $$
declare
    now_is text := cohort.effective_status(e);
    guarded boolean := now_is <> e.status;
    name text := format('Experiment %s', cohort.shown(e.key));
begin
    if target is null or target not in ('draft', 'running', 'stopped', 'archived') then
        perform cohort.fail('experiment_status_known', format('%s is no status of an experiment.', cohort.shown(target)));
    elsif target = 'draft' then
        perform cohort.fail('experiment_back_to_draft', format('%s is %s and can''t become a draft again.', name, now_is));
    elsif now_is = 'archived' then
        perform cohort.fail('experiment_archived', format('%s is archived: its status can''t be changed any more.', name));
    elsif target = 'running' and now_is = 'running' then
        perform cohort.fail('experiment_already_running', format('%s is running already, since %s.', name, cohort.rfc3339(e.started_at)));
    elsif target = 'running' and now_is = 'stopped' then
        perform cohort.fail('experiment_stopped', format('%s was stopped%s and can''t be started again.', name,
            case when guarded then ' by a guardrail' else '' end));
    elsif target = 'stopped' and now_is <> 'running' then
        perform cohort.fail('experiment_not_running', format('%s can''t be stopped: %s.', name,
            case when guarded then 'a guardrail has stopped it already'
                 when now_is = 'draft' then 'it is a draft and was never started' else 'it is stopped already' end));
    elsif target = 'archived' and now_is = 'running' then
        perform cohort.fail('experiment_archive_running', format('%s is running and can''t be archived.', name));
    end if;
end $$;
comment on function cohort.check_transition(cohort.experiment, text) is 'Refuses a change of status that isn''t allowed now';

-- What a start needs and fixes: two variants or more, a control (marked from now on), a flag with a type.
create or replace function cohort.prepare_start(e cohort.experiment) returns void
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(e.key));
    control cohort.variant;
    variants int;
    flag_type text;
    g cohort.guardrail;
begin
    select count(*) into variants from cohort.variant v where v.environment = e.environment and v.experiment = e.key;
    if variants < 2 then
        perform cohort.fail('experiment_variants_two', format('Experiment %s has %s; it needs two or more to start.', cohort.shown(e.key),
            case variants when 0 then 'no variants' else 'one variant' end));
    end if;
    perform cohort.check_variants(e.environment, e.key);
    select * into control from cohort.variant v where v.environment = e.environment and v.experiment = e.key
        and (v.is_control or v.key = 'control') order by v.is_control desc limit 1;
    if not found then
        perform cohort.fail('experiment_control_missing', format('No variant of %s is the control.', name));
    end if;
    flag_type := cohort.experiment_type(e.environment, e.key);
    if flag_type is null then
        perform cohort.fail('experiment_type_missing', format('No variant of %s has a value, and flag %s has no type.', name, cohort.shown(e.flag)));
    end if;
    for g in select * from cohort.guardrail x where x.environment = e.environment and x.experiment = e.key loop
        perform cohort.guardrail_metric_check(g);
    end loop;
    update cohort.variant v set is_control = true
     where v.environment = e.environment and v.experiment = e.key and v.key = control.key and not v.is_control;
    update cohort.flag f set type = flag_type where f.environment = e.environment and f.key = e.flag and f.type is null;
    update cohort.flag f set default_value = control.value
     where f.environment = e.environment and f.key = e.flag and f.made_by_experiment and f.default_value is null and control.value is not null;
end $$;
comment on function cohort.prepare_start(cohort.experiment) is 'Checks what a start needs; marks the control, gives the flag its type and default';

create or replace function cohort.experiment_transition(o cohort.experiment, n cohort.experiment) returns cohort.experiment
    language plpgsql as $$
begin
    perform cohort.check_transition(o, n.status);
    case n.status
    when 'running' then
        perform cohort.prepare_start(n);
        n.started_at := clock_timestamp();
    when 'stopped' then
        n.stopped_at := clock_timestamp();
    else
        n.archived_at := clock_timestamp();
    end case;
    return n;
end $$;
comment on function cohort.experiment_transition(cohort.experiment, cohort.experiment) is 'The one place where an experiment''s status changes';

-- Phase 1: traffic slots from 0 on, and the variants' slots one after the other in the order of their positions.
create or replace function cohort.open_phase(e cohort.experiment) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    opened int;
begin
    insert into phase (environment, experiment, number, traffic_slots)
    values (e.environment, e.key, 1, int4multirange(int4range(0, e.traffic_ppm))) returning id into opened;
    insert into phase_variant (phase_id, variant_id, share_ppm, slots)
    select opened, v.id, v.share_ppm, int4multirange(int4range(v.upto - v.share_ppm, v.upto))
      from (select x.id, x.share_ppm, sum(x.share_ppm) over (order by x.position, x.id)::int as upto
              from variant x where x.environment = e.environment and x.experiment = e.key) v;
end $$;
comment on function cohort.open_phase(cohort.experiment) is 'Opens phase 1 of an experiment that starts';
revoke execute on function cohort.open_phase(cohort.experiment) from public;

create or replace function cohort.change_status(key text, target text, reason text) returns text
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x
     where x.environment = cohort.current_environment() and x.key = change_status.key for no key update;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown(key)));
    end if;
    perform cohort.check_transition(e, target);
    perform set_config('cohort.reason', coalesce(reason, ''), true);
    update cohort.experiment x set status = target where x.id = e.id;
    perform set_config('cohort.reason', '', true);
    return target;
end $$;
comment on function cohort.change_status(text, text, text) is 'Changes an experiment''s status and keeps the reason in its history';

create or replace function cohort.start(key text, reason text default null) returns text
    language sql as $$ select cohort.change_status(key, 'running', reason) $$;
comment on function cohort.start(text, text) is 'Starts an experiment: it is served from the COMMIT on. Returns its new status';

create or replace function cohort.stop(key text, reason text default null) returns text
    language sql as $$ select cohort.change_status(key, 'stopped', reason) $$;
comment on function cohort.stop(text, text) is 'Stops an experiment for good: its flag serves the next rule or its default. Returns its new status';

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
-- Nor all at once: TRUNCATE fires no trigger of rows, and one of cohort.experiment cascades to these.
create or replace trigger refuse_truncate before truncate on cohort.phase
    for each statement execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.phase_variant
    for each statement execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.status_change
    for each statement execute function cohort.refuse_edit();
