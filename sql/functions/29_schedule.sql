-- What the leader does by the clock: starts and ends of schedules, steps of ramps. Nothing here waits for an edit that
-- somebody left open: what is locked is tried again with the next pass, so that no stop is delayed.

create or replace function cohort.ramp_due()
    returns table (experiment_id int, environment text, experiment text, step int, traffic_ppm int, due_at timestamptz,
                   state text, ramp_tolerance numeric, ramp_on_alert text)
    language sql stable as $$
    select e.id, e.environment, e.key, s.number, s.traffic_ppm, s.due, s.state, e.ramp_tolerance, e.ramp_on_alert
      from cohort.experiment e
     cross join lateral (
           select n.*, coalesce((select b.done_at from cohort.ramp_step b
                                  where b.environment = n.environment and b.experiment = n.experiment and b.number < n.number
                                  order by b.number desc limit 1), e.started_at) + make_interval(secs => n.wait_s) as due
             from cohort.ramp_step n
            where n.environment = e.environment and n.experiment = e.key and n.state <> 'done'
            order by n.number limit 1) s
     where e.status = 'running' and cohort.effective_status(e) = 'running'
       and s.state in ('waiting', 'held') and s.due <= clock_timestamp()
     order by e.id $$;
comment on function cohort.ramp_due() is
    'The experiments whose ramp has a step that is due, of all environments: open it with ramp_advance() or keep it with ramp_hold()';

-- An experiment by id, or nothing while somebody edits it.
create or replace function cohort.experiment_unlocked(id int) returns setof cohort.experiment
    language sql rows 1
    as $$ select * from cohort.experiment e where e.id = $1 for no key update skip locked $$;
comment on function cohort.experiment_unlocked(int) is 'Locks and returns an experiment, unless somebody else has it locked';

create or replace function cohort.do_step(e cohort.experiment, number int, note text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
#variable_conflict use_variable
declare
    s ramp_step;
    given jsonb;
    v_opened int4multirange := '{}';
    said text;
begin
    select * into s from ramp_step x where x.environment = e.environment and x.experiment = e.key and x.number = do_step.number;
    if not found or s.state not in ('waiting', 'held') then
        return;
    end if;
    if s.traffic_ppm > open_ppm(e.id) then
        -- What somebody opened by hand before, and closed again, comes back as it was: no shares for that.
        if s.traffic_ppm > slots_ppm(owned_slots(e.id)) and not exists (
                select from variant v where v.environment = e.environment and v.experiment = e.key
                   and v.dropped_at is not null and (s.shares ->> v.key)::numeric > 0) then
            given := s.shares;
        end if;
        select t.opened, t.said into v_opened, said from set_traffic(e, s.traffic_ppm, given, format('step %s', number)) t;
        perform note_change(e, format('ramp step %s: %s', number, said), note);
    end if;
    update ramp_step x set state = 'done', done_at = clock_timestamp(), note = do_step.note, opened = v_opened
     where x.environment = s.environment and x.experiment = s.experiment and x.number = s.number;
end $$;
comment on function cohort.do_step(cohort.experiment, int, text) is
    'Opens a step of a ramp. Its shares hold while all their arms do; after an arm was dropped, those of the last phase do';
revoke execute on function cohort.do_step(cohort.experiment, int, text) from public;

create or replace function cohort.do_roll_back(e cohort.experiment, number int, note text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
#variable_conflict use_variable
declare
    s ramp_step;
begin
    select * into s from ramp_step x where x.environment = e.environment and x.experiment = e.key and x.number = do_roll_back.number;
    if not found or s.state <> 'done' then
        return;
    end if;
    perform set_closed(e, closed_slots(e.id) + s.opened);
    perform note_change(e, format('ramp step %s rolled back: traffic down to %s ppm', number, open_ppm(e.id)), note);
    update ramp_step x set state = 'rolled_back', note = do_roll_back.note
     where x.environment = s.environment and x.experiment = s.experiment and x.number = s.number;
end $$;
comment on function cohort.do_roll_back(cohort.experiment, int, text) is 'Closes what a step of a ramp opened';
revoke execute on function cohort.do_roll_back(cohort.experiment, int, text) from public;

create or replace function cohort.run_command_as(who text, e cohort.experiment, command jsonb, reason text) returns void
    language plpgsql as $$
declare
    actor text := coalesce(current_setting('cohort.actor', true), '');
begin
    perform set_config('cohort.actor', who, true);
    perform cohort.run_command(e, command, reason);
    perform set_config('cohort.actor', actor, true);
end $$;
comment on function cohort.run_command_as(text, cohort.experiment, jsonb, text) is 'A command of the leader, under its own name in the history';

create or replace function cohort.ramp_advance(epoch bigint, experiment_id int, step int, note text) returns boolean
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    perform cohort.assert_epoch(epoch);
    perform 1 from cohort.ramp_due() d where d.experiment_id = ramp_advance.experiment_id and d.step = ramp_advance.step;
    if not found then
        return false;
    end if;
    select * into e from cohort.experiment_unlocked(experiment_id);
    if not found then
        return false;
    end if;
    perform cohort.run_command_as('ramp', e, jsonb_build_object('do', 'step', 'number', step), note);
    return true;
end $$;
comment on function cohort.ramp_advance(bigint, int, int, text) is
    'Opens the step of a ramp that is due. False: it is not due, or somebody edits the experiment (try again)';

create or replace function cohort.set_step(e cohort.experiment, step int, state text, note text) returns boolean
    language plpgsql security definer set search_path = cohort, pg_temp as $$
#variable_conflict use_variable
declare
    changed boolean;
begin
    perform set_config('cohort.within', 'on', true);
    update ramp_step s set state = set_step.state, note = set_step.note
     where s.environment = e.environment and s.experiment = e.key and s.number = step and s.state in ('waiting', 'held')
       and (s.state, s.note) is distinct from (set_step.state, set_step.note);
    changed := found;
    perform set_config('cohort.within', '', true);
    return changed;
end $$;
comment on function cohort.set_step(cohort.experiment, int, text, text) is 'Writes why a step of a ramp holds';
revoke execute on function cohort.set_step(cohort.experiment, int, text, text) from public;

create or replace function cohort.ramp_hold(epoch bigint, experiment_id int, step int, note text) returns boolean
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    perform cohort.assert_epoch(epoch);
    select * into e from cohort.experiment_unlocked(experiment_id);
    if not found or cohort.effective_status(e) <> 'running' then
        return false;
    end if;
    return cohort.set_step(e, step, 'held', note);
end $$;
comment on function cohort.ramp_hold(bigint, int, int, text) is
    'Keeps a step that is due from opening, and says why; it is looked at again with each pass. False: nothing changed';

create or replace function cohort.ramp_roll_back(epoch bigint, experiment_id int, note text) returns boolean
    language plpgsql as $$
declare
    e cohort.experiment;
    last int;
begin
    perform cohort.assert_epoch(epoch);
    select * into e from cohort.experiment_unlocked(experiment_id);
    if not found or cohort.effective_status(e) not in ('running', 'paused') then
        return false;
    end if;
    select max(s.number) into last from cohort.ramp_step s
     where s.environment = e.environment and s.experiment = e.key and s.state = 'done';
    if last is null or exists (select from cohort.ramp_step s where s.environment = e.environment and s.experiment = e.key
                                  and s.state = 'rolled_back') then
        return false;
    end if;
    perform cohort.run_command_as('ramp', e, jsonb_build_object('do', 'roll_back', 'number', last), note);
    return true;
end $$;
comment on function cohort.ramp_roll_back(bigint, int, text) is
    'Closes what the last step of a ramp opened and ends the ramp. False: no step is open, it was rolled back already, or somebody edits the experiment (try again)';

create or replace function cohort.schedule_one(e cohort.experiment, target text, out said text)
    language plpgsql as $$
declare
    refused boolean := false;
begin
    begin
        perform cohort.set_status(e, target, case target when 'running' then 'as scheduled' else 'its scheduled end' end);
        -- What speaks at COMMIT speaks now, to be heard here; the version alone is raised at the end.
        set constraints cohort.variant_set_check, cohort.ramp_set_check immediate;
        set constraints cohort.variant_set_check, cohort.ramp_set_check deferred;
    exception
        when lock_not_available or serialization_failure or deadlock_detected then
            said := null; -- with the next pass
            return;
        when others then
            refused := true;
            said := sqlerrm;
    end;
    if refused then
        perform cohort.note_refusal(e, said);
    end if;
end $$;
comment on function cohort.schedule_one(cohort.experiment, text) is
    'Part of schedule_due(): one change of status; why it was refused, or null';

create or replace function cohort.note_refusal(e cohort.experiment, sentence text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    if sentence is distinct from (select c.reason from status_change c where c.experiment_id = e.id and c.what = 'start refused'
                                   order by c.id desc limit 1) then
        insert into status_change (experiment_id, status, what, reason) values (e.id, e.status, 'start refused', sentence);
    end if;
end $$;
comment on function cohort.note_refusal(cohort.experiment, text) is 'Writes once why a scheduled start was refused';
revoke execute on function cohort.note_refusal(cohort.experiment, text) from public;

create or replace function cohort.schedule_due(epoch bigint)
    returns table (environment text, experiment text, status text, refused text)
    language plpgsql set lock_timeout = 0 as $$
declare
    due record;
    e cohort.experiment;
    now_is text;
    home text := coalesce(current_setting('cohort.environment', true), '');
    actor text := coalesce(current_setting('cohort.actor', true), '');
begin
    perform cohort.assert_epoch(epoch);
    perform set_config('lock_timeout', '200ms', true), set_config('cohort.actor', 'schedule', true);
    for due in
        select x.id from cohort.experiment x
         where (x.status = 'scheduled' and x.starts_at <= clock_timestamp())
            or (x.status in ('running', 'paused') and x.ends_at <= clock_timestamp() and cohort.effective_status(x) <> 'stopped')
         order by x.id
    loop
        select * into e from cohort.experiment_unlocked(due.id);
        continue when not found;
        environment := e.environment;
        experiment := e.key;
        perform set_config('cohort.environment', e.environment, true);
        refused := cohort.schedule_one(e, case e.status when 'scheduled' then 'running' else 'stopped' end);
        select x.status into status from cohort.experiment x where x.id = e.id;
        if status <> e.status or refused is not null then
            return next;
        end if;
    end loop;
    perform set_config('cohort.environment', home, true), set_config('cohort.actor', actor, true);
end $$;
comment on function cohort.schedule_due(bigint) is
    'Starts and stops the experiments whose time has come, of all environments; returns what changed, and what was refused and why';
