-- Rules of events, as cohort.fail() says them.
insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
    ('leader_epoch', '55000', 409, 'Another server leads now',
     'The server with the current epoch runs the monitor: see cohort.leader_state.', null, 'event'),
    ('ingest_groups', '22023', 409, 'Groups of a queue are stored in order, once',
     'Read the watermark with cohort.spool_watermark() and send the groups behind it.', null, 'event'),
    ('ingest_not_prepared', '55000', 409, 'A connection that ships events has staging tables',
     'Call cohort.ingest_prepare() once on each connection, before the transaction.', null, 'event'),
    ('guardrail_known', 'P0002', 404, 'There is no such guardrail',
     'Guardrails are in the table cohort.guardrail.', null, 'event'),
    ('iteration_known', 'P0002', 404, 'There is no such iteration',
     'Iterations are in the table cohort.experiment_iteration.', null, 'event'),
    ('experiment_metric_experiment_known', '23503', 422, 'There is no such experiment',
     'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
    ('experiment_metric_metric_known', '23503', 422, 'There is no such metric',
     'Known metrics are in the table cohort.metric.', 'metric', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- The sentences for cohort.experiment_metric; its foreign keys hold behind them.
create or replace function cohort.check_experiment_metric() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    if not exists (select from cohort.experiment e where e.environment = new.environment and e.key = new.experiment) then
        perform cohort.fail('experiment_metric_experiment_known',
            format('There is no experiment %s.', cohort.shown(new.experiment)));
    elsif not exists (select from cohort.metric m where m.environment = new.environment and m.key = new.metric) then
        perform cohort.fail('experiment_metric_metric_known', format('There is no metric %s.', cohort.shown(new.metric)));
    end if;
    return new;
end $$;
comment on function cohort.check_experiment_metric() is 'Trigger: what experiment_metric names must exist';
create or replace trigger check_experiment_metric before insert or update on cohort.experiment_metric
    for each row execute function cohort.check_experiment_metric();

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
