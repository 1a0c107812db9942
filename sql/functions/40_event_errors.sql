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
     'Iterations are in the table cohort.experiment_iteration.', null, 'event')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;
