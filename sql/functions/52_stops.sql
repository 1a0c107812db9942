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
