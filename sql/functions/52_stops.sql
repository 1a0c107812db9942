-- Stops and alerts. Nothing here waits for a row of a definition: the experiment is read, never locked, so that an
-- edit left open in somebody's psql can't delay a stop.

create or replace function cohort.record_stop(epoch bigint, experiment_id int, guardrail_id int, treatment_id int,
        sentence text, evidence jsonb) returns boolean
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    perform cohort.assert_epoch($1);
    insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
    select e.id, e.iteration, $3, $4, $1, $5, $6 from cohort.experiment e where e.id = $2
    on conflict (experiment_id, iteration) do nothing;
    if not found then
        return false;
    end if;
    perform pg_notify('cohort_config', 'stop');
    return true;
end $$;
comment on function cohort.record_stop(bigint, int, int, int, text, jsonb) is
    'Stops an experiment: one row in stop_event, and every server is told. False when it was stopped already';

-- A database that was restored, or a standby that was promoted too early, has forgotten stops that servers know.
-- They are told apart by the salt, which is made anew with each iteration; ids may have been given to others since.
create or replace function cohort.reassert_stops(stops jsonb, node text, epoch bigint default null)
    returns table(environment text, experiment text)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    current_epoch bigint;
begin
    if $3 is not null then
        perform cohort.assert_epoch($3);
    end if;
    select l.epoch into current_epoch from cohort.leader_state l;
    return query
    with written as (
        insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, at, epoch, sentence, evidence)
        select distinct on (e.id) e.id, e.iteration, null::int, null::int, timestamptz 'epoch' + g.at_us * interval '1 microsecond',
               coalesce($3, current_epoch, 0), g.sentence,
               jsonb_build_object('reasserted', true, 'by', $2, 'reasserted_at', cohort.rfc3339(clock_timestamp()), 'salt', g.salt)
          from jsonb_to_recordset($1) as g(environment text, experiment text, salt text, at_us bigint, sentence text)
          join cohort.experiment e on e.environment = g.environment and e.key = g.experiment and encode(e.salt, 'hex') = g.salt
         order by e.id, g.at_us
        on conflict (experiment_id, iteration) do nothing
        returning experiment_id)
    select e.environment, e.key from written w join cohort.experiment e on e.id = w.experiment_id order by 1, 2;
    if found then
        perform pg_notify('cohort_config', 'stop');
    end if;
end $$;
comment on function cohort.reassert_stops(jsonb, text, bigint) is
    'Tells the database stops it has forgotten, [{"environment", "experiment", "salt", "at_us", "sentence"}]: only where the experiment still has the salt that was stopped, and once. Returns what was new. With an epoch: only while it leads';

create or replace function cohort.record_alert(epoch bigint, experiment_id int, guardrail_id int, treatment_id int,
        sentence text, evidence jsonb) returns boolean
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    perform cohort.assert_epoch($1);
    insert into cohort.alert_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
    select e.id, e.iteration, $3, $4, $1, $5, $6 from cohort.experiment e where e.id = $2
    on conflict do nothing;
    return found;
end $$;
comment on function cohort.record_alert(bigint, int, int, int, text, jsonb) is
    'Raises an alert, once per guardrail, treatment and iteration. False when it was raised already';

create or replace function cohort.refuse_evidence_edit() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    perform cohort.fail('history_fixed', case tg_table_name
        when 'stop_event' then 'A stop and its evidence can''t be changed.'
        when 'verdict_event' then 'A verdict and its evidence can''t be changed.'
        when 'pause_event' then 'Of a pause only its end can be written, once: by cohort.resume(key).'
        when 'roll_back_event' then 'What was rolled back stays written.'
        else 'An alert and its evidence can''t be changed.' end);
    return null;
end $$;
comment on function cohort.refuse_evidence_edit() is 'Trigger: stops, alerts and verdicts are append-only';
create or replace trigger refuse_edit before update or delete or truncate on cohort.stop_event
    for each statement execute function cohort.refuse_evidence_edit();
create or replace trigger refuse_edit before update or delete or truncate on cohort.alert_event
    for each statement execute function cohort.refuse_evidence_edit();
create or replace trigger refuse_edit before update or delete or truncate on cohort.verdict_event
    for each statement execute function cohort.refuse_evidence_edit();
create or replace trigger refuse_edit before update or delete or truncate on cohort.roll_back_event
    for each statement execute function cohort.refuse_evidence_edit();
create or replace trigger refuse_edit before delete or truncate on cohort.pause_event
    for each statement execute function cohort.refuse_evidence_edit();
create or replace trigger refuse_update before update on cohort.pause_event
    for each row when (old.resolved_at is not null or new.resolved_at is null
        or (old.id, old.experiment_id, old.iteration, old.verdict_id, old.at, old.epoch, old.sentence)
           is distinct from (new.id, new.experiment_id, new.iteration, new.verdict_id, new.at, new.epoch, new.sentence))
    execute function cohort.refuse_evidence_edit();
drop trigger if exists zz_raise_version on cohort.pause_event;
create constraint trigger zz_raise_version after update on cohort.pause_event
    deferrable initially deferred for each row execute function cohort.raise_version();

-- The traffic an experiment goes back to: what was open before its last step, or before its last phase was opened. Null
-- when there is nothing to go back to.
create or replace function cohort.roll_back_ppm(experiment_id int) returns int
    language plpgsql stable as $$
declare
    last record;
    left_open int;
begin
    select p.number, p.id, cohort.slots_ppm(p.traffic_slots - coalesce(c.slots, '{}')) as ppm into last
      from cohort.phase p left join cohort.phase_closed c on c.phase_id = p.id
     where p.experiment_id = $1 and not isempty(p.traffic_slots - coalesce(c.slots, '{}')) order by p.number desc limit 1;
    left_open := cohort.open_ppm($1) - last.ppm;
    return case when last.number > 1 and left_open > 0 then left_open end;
end $$;
comment on function cohort.roll_back_ppm(int) is
    'The traffic that stays open when the last phase of an iteration is closed; null when it is the only one';

-- One transaction, and each a plain insert: nothing here waits for a row that an edit holds. A stop is the row of
-- stop_event, a pause that of pause_event; a roll-back is carried out by ramp_pass().
create or replace function cohort.record_verdict(epoch bigint, experiment_id int, kind text, guardrail_id int, condition_id int,
        treatment_id int, metric_version int, action text, sentence text, evidence jsonb) returns boolean
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    verdict bigint;
    run int;
begin
    perform cohort.assert_epoch($1);
    select e.iteration into run from cohort.experiment e where e.id = $2;
    if not found then
        return false;
    end if;
    insert into cohort.verdict_event (experiment_id, iteration, kind, guardrail_id, condition_id, treatment_id, metric_version,
                                      action, sentence, evidence, epoch)
    values ($2, run, $3, $4, $5, $6, $7, $8, $9, $10, $1) on conflict do nothing returning id into verdict;
    if $8 = 'stop' then
        insert into cohort.stop_event (experiment_id, iteration, guardrail_id, condition_id, treatment_id, epoch, sentence, evidence)
        values ($2, run, $4, $5, $6, $1, $9, $10) on conflict (experiment_id, iteration) do nothing;
        if not found then
            return false;
        end if;
    elsif verdict is null then
        return false;
    elsif $8 = 'pause' then
        insert into cohort.pause_event (experiment_id, iteration, verdict_id, epoch, sentence)
        values ($2, run, verdict, $1, $9) on conflict do nothing;
    elsif $8 = 'alert' and $4 is not null then
        insert into cohort.alert_event (experiment_id, iteration, guardrail_id, treatment_id, metric_version, epoch, sentence, evidence)
        values ($2, run, $4, $6, $7, $1, $9, $10) on conflict do nothing;
    end if;
    if $8 in ('stop', 'pause') then
        perform pg_notify('cohort_config', $8);
    end if;
    return true;
end $$;
comment on function cohort.record_verdict(bigint, int, text, int, int, int, int, text, text, jsonb) is
    'Writes a verdict and what it leads to: a stop, a pause, an alert. False when it was written before';

create or replace function cohort.resolve_pauses(e cohort.experiment, quiet boolean, reason text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    update pause_event p set resolved_at = clock_timestamp(),
           resolved_by = coalesce(nullif(current_setting('cohort.actor', true), ''), session_user)
     where p.experiment_id = e.id and p.iteration = e.iteration and p.resolved_at is null;
    if found and not quiet then
        insert into status_change (experiment_id, status, reason) values (e.id, 'running', reason);
    end if;
end $$;
comment on function cohort.resolve_pauses(cohort.experiment, boolean, text) is 'Part of resume(): ends a guardrail''s pause';
revoke execute on function cohort.resolve_pauses(cohort.experiment, boolean, text) from public;

create or replace function cohort.paused_by_guard(e cohort.experiment) returns boolean
    language sql stable
    as $$ select exists (select from cohort.pause_event p
                          where p.experiment_id = e.id and p.iteration = e.iteration and p.resolved_at is null) $$;
comment on function cohort.paused_by_guard(cohort.experiment) is 'True while a guardrail or a stop condition keeps it paused';
