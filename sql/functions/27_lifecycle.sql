-- What is done to an experiment that runs: commands. Each is an UPDATE of the experiment by whoever asks (so that
-- table grants and row security decide), and its consequences are written by the owner of the tables.

create or replace function cohort.check_live(e cohort.experiment, what text) returns void
    language plpgsql as $$
declare
    now_is text := cohort.effective_status(e);
begin
    if now_is not in ('running', 'paused') then
        perform cohort.fail('experiment_not_live', format('Experiment %s is %s: %s.', cohort.shown(e.key), now_is, what));
    end if;
end $$;
comment on function cohort.check_live(cohort.experiment, text) is 'Refuses what only a running or paused experiment can do';

create or replace function cohort.run_command(e cohort.experiment, command jsonb, reason text, target text default null) returns void
    language plpgsql as $$
begin
    perform set_config('cohort.reason', coalesce(reason, ''), true);
    perform set_config('cohort.command', command::text, true);
    update cohort.experiment x set status = coalesce(target, x.status) where x.environment = e.environment and x.key = e.key;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown(e.key)));
    end if;
    perform set_config('cohort.command', '', true);
    perform set_config('cohort.reason', '', true);
end $$;
comment on function cohort.run_command(cohort.experiment, jsonb, text, text) is 'Part of ramp(), grow() and the others: updates the experiment and sends a command along';

create or replace function cohort.note_change(e cohort.experiment, what text, reason text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    insert into status_change (experiment_id, status, what, reason) values (e.id, e.status, what, reason);
end $$;
comment on function cohort.note_change(cohort.experiment, text, text) is 'Writes what was done into the history';
revoke execute on function cohort.note_change(cohort.experiment, text, text) from public;

-- The state is checked again: a command may have been sent by hand.
create or replace function cohort.carry_out(e cohort.experiment, command jsonb, reason text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    done record;
    name text := format('experiment %s', shown(e.key));
begin
    perform set_config('cohort.within', 'on', true);
    case command ->> 'do'
    when 'ship' then
        null; -- its columns came with the update
    when 'rewind' then
        perform rewind(e, reason);
    else
        perform check_live(e, 'nothing can be done to it');
    end case;
    case command ->> 'do'
    when 'ramp' then
        if jsonb_typeof(command -> 'shares') <> 'null' then
            perform check_shares(e, command -> 'shares', 'the new traffic of ' || name);
        end if;
        select * into done from set_traffic(e, least(1000000, greatest(0, (command ->> 'traffic_ppm')::int)), nullif(command -> 'shares', 'null'), name);
        perform note_change(e, done.said, reason);
    when 'step' then
        perform do_step(e, (command ->> 'number')::int, reason);
    when 'roll_back' then
        perform do_roll_back(e, (command ->> 'number')::int, reason);
    when 'resume' then
        perform resolve_pauses(e, coalesce((command ->> 'quiet')::boolean, false), reason);
    when 'grow' then
        perform take_layer(e, (command ->> 'layer_ppm')::int);
        perform note_change(e, format('grown to %s slots of layer %s', command ->> 'layer_ppm', e.layer), reason);
    when 'drop_arm' then
        update variant v set dropped_at = clock_timestamp()
         where v.environment = e.environment and v.experiment = e.key and v.key = command ->> 'variant' and v.dropped_at is null;
        -- Its share goes to the others of a bandit with the next phase; until that begins, to the fallback.
        if is_bandit(e) then
            perform open_time_phase(e, last_shares(e), clock_timestamp() + phase_lead(), (last_phase(e.id)).model_id);
        end if;
        perform note_change(e, format('arm %s dropped', command ->> 'variant'), reason);
    when 'use_model' then
        perform note_change(e, use_model_now(e, (command ->> 'version')::int, reason), reason);
    when 'promote_challenger' then
        perform note_change(e, promote_challenger_now(e, command ->> 'challenger', (command ->> 'epoch')::bigint, reason), reason);
    else
        null;
    end case;
    perform set_config('cohort.within', '', true);
end $$;
comment on function cohort.carry_out(cohort.experiment, jsonb, text) is 'Carries out the command that came with an update of an experiment';
revoke execute on function cohort.carry_out(cohort.experiment, jsonb, text) from public;

create or replace function cohort.drop_arm(key text, variant text, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
    v cohort.variant;
    name text := format('Variant %s of experiment %s', cohort.shown(variant), cohort.shown(key));
begin
    perform cohort.check_live(e, 'no arm of it can be dropped');
    select * into v from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.key = drop_arm.variant;
    if not found then
        perform cohort.fail('drop_variant_known', format('Experiment %s has no variant %s.', cohort.shown(key), cohort.shown(variant)));
    elsif v.is_control then
        perform cohort.fail('drop_control', name || ' is the control.');
    elsif v.dropped_at is not null then
        perform cohort.fail('drop_again', format('%s was dropped at %s.', name, cohort.rfc3339(v.dropped_at)));
    elsif exists (select from cohort.contextual c where c.environment = e.environment and c.experiment = e.key and c.safe_variant = v.key) then
        perform cohort.fail('drop_safe', name || ' is served where its model doesn''t know.');
    end if;
    perform 1 from cohort.variant x where x.environment = e.environment and x.experiment = e.key
        and x.dropped_at is null and not x.is_control and x.key <> v.key;
    if not found then
        perform cohort.fail('drop_last', name || ' is the last one beside the control.');
    end if;
    perform cohort.run_command(e, jsonb_build_object('do', 'drop_arm', 'variant', v.key), reason);
    return v.key;
end $$;
comment on function cohort.drop_arm(text, text, text) is
    'Takes one arm out of a running experiment: its units get the fallback from then on, and nobody else moves. Its statistics stay. Returns the variant';

-- The columns of a shipment. Who is held back is drawn by a salt that stays, so a smaller holdback only lets
-- people out of it.
create or replace function cohort.ship_columns(e cohort.experiment, command jsonb) returns cohort.experiment
    language plpgsql as $$
declare
    v cohort.variant;
    holdback int := (command ->> 'holdback_ppm')::int;
begin
    select * into v from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.key = command ->> 'variant';
    if not found then
        perform cohort.fail('ship_variant_known', format('Experiment %s has no variant %s.', cohort.shown(e.key), cohort.shown(command ->> 'variant')));
    elsif v.dropped_at is not null then
        perform cohort.fail('ship_variant_dropped', format('Variant %s of experiment %s was dropped.', cohort.shown(v.key), cohort.shown(e.key)));
    elsif holdback is null or holdback not between 0 and 999999 then
        perform cohort.fail('ship_holdback_range', format('The holdback_ppm of experiment %s can''t be %s; it must lie in 0 to 999999.',
            cohort.shown(e.key), coalesce(holdback::text, 'null')));
    end if;
    e.shipped_variant := v.key;
    e.shipped_holdback_ppm := holdback;
    e.ship_salt := coalesce(e.ship_salt, cohort.gen_random_bytes(16));
    return e;
end $$;
comment on function cohort.ship_columns(cohort.experiment, jsonb) is 'Checks what is to be shipped and sets the columns that say so';

create or replace function cohort.ship(key text, variant text, holdback_ppm int default 0, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
begin
    if e.status <> 'shipped' then
        perform cohort.check_transition(e, 'shipped');
    end if;
    perform cohort.run_command(e, jsonb_build_object('do', 'ship', 'variant', variant, 'holdback_ppm', holdback_ppm), reason, 'shipped');
    return 'shipped';
end $$;
comment on function cohort.ship(text, text, int, text) is
    'Ends an experiment by giving everybody one variant, but for a holdback (parts per million) that keeps control. Again: another variant or holdback. Returns the new status';

-- A new iteration, as a draft for a moment: a new id and a new salt. Slots of the layer stay its own.
create or replace function cohort.rewind(e cohort.experiment, reason text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    now_is text := effective_status(e);
begin
    if now_is in ('draft', 'scheduled') then
        perform fail('experiment_never_ran', format('Experiment %s never ran and can''t be restarted.', shown(e.key)));
    elsif now_is = 'archived' then
        perform fail('experiment_archived', format('Experiment %s is archived: it can''t be restarted.', shown(e.key)));
    end if;
    if now_is in ('running', 'paused') then
        insert into status_change (experiment_id, status, what, reason) values (e.id, 'stopped', 'restarted', reason);
    end if;
    update experiment_iteration i
       set definition = get_experiment_of(e) - '{history,iterations}'::text[]
                        || case when now_is in ('running', 'paused') then '{"status": "stopped"}'::jsonb else '{}' end,
           stopped_at = coalesce(i.stopped_at, ended_at(e), clock_timestamp())
     where i.experiment_id = e.id;
    update ramp_step s set state = 'waiting', done_at = null, note = null, opened = null
     where s.environment = e.environment and s.experiment = e.key and s.state <> 'waiting';
    update experiment x
       set id = default, salt = gen_random_bytes(16), iteration = x.iteration + 1, status = 'draft', started_at = null,
           stopped_at = null, shipped_variant = null, shipped_holdback_ppm = null, ship_salt = null
     where x.id = e.id;
end $$;
comment on function cohort.rewind(cohort.experiment, text) is 'Part of restart(): ends an iteration and makes the next, not started yet';
revoke execute on function cohort.rewind(cohort.experiment, text) from public;

create or replace function cohort.restart(key text, reason text default null, changes jsonb default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
    doc jsonb;
begin
    perform cohort.run_command(e, '{"do": "rewind"}', reason);
    if changes is not null then
        if jsonb_typeof(changes) <> 'object' then
            perform cohort.fail('document_object', format('The changes must be a JSON object, not %s.', cohort.json_noun(changes)));
        end if;
        doc := cohort.merge_patch(cohort.writable(cohort.get_experiment(key)), changes);
        perform cohort.put_experiment(key, doc);
    end if;
    return cohort.start(key, reason);
end $$;
comment on function cohort.restart(text, text, jsonb) is
    'Runs an experiment again as a new iteration: every unit is drawn anew and counted anew; the old results stay readable. changes: fields of the document to change first (JSON merge patch). Arms that were dropped stay dropped. Returns the new status';
