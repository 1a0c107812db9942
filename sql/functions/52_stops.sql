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
    on conflict (guardrail_id, treatment_id, iteration) do nothing;
    return found;
end $$;
comment on function cohort.record_alert(bigint, int, int, int, text, jsonb) is
    'Raises an alert, once per guardrail, treatment and iteration. False when it was raised already';

create or replace function cohort.refuse_evidence_edit() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    perform cohort.fail('history_fixed', case tg_table_name
        when 'stop_event' then 'A stop and its evidence can''t be changed.'
        else 'An alert and its evidence can''t be changed.' end);
    return null;
end $$;
comment on function cohort.refuse_evidence_edit() is 'Trigger: stops and alerts are append-only';
create or replace trigger refuse_edit before update or delete or truncate on cohort.stop_event
    for each statement execute function cohort.refuse_evidence_edit();
create or replace trigger refuse_edit before update or delete or truncate on cohort.alert_event
    for each statement execute function cohort.refuse_evidence_edit();
