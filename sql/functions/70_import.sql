-- Experiments that were run elsewhere, loaded by `cohortctl import`: import_begin(), COPY into import_row, then
-- import_finish(), in one transaction.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
    ('import_experiment_new', '23505', 409, 'An import makes a new experiment',
     'Import under another key; what was imported is never added to.', 'experiment', 'import'),
    ('import_rows_known', '22023', 422, 'An imported row names a known variant and has an amount per metric',
     'Load import_row by cohortctl import.', null, 'import')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.import_begin(experiment text) returns text
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    perform 1 from cohort.experiment e
      where e.environment = cohort.current_environment() and e.key = import_begin.experiment;
    if found then
        perform cohort.fail('import_experiment_new', format('The experiment %s exists already.', cohort.shown(experiment)));
    end if;
    create temp table import_row (
        row bigint not null,
        unit_id uuid not null,
        variant int not null,
        amounts bigint[] not null
    ) on commit drop;
    perform cohort.ingest_prepare();
    return (select encode(s.unit_key, 'hex') from cohort.secret s where s.environment = cohort.current_environment());
end $$;
comment on function cohort.import_begin(text) is
    'Begins an import of a new experiment: makes the temporary table import_row (variant: place in the document''s list, from 1; amounts: millionths, one per metric) and returns the environment''s unit key in hexadecimal';

-- An imported outcome must count for its import and for nothing else: not for a live experiment that the unit
-- takes part in, not for an older import of the same units. So an imported metric has a window of one second
-- from the (common) time of exposure, and an event that live metrics count is never used: then the metric is
-- called EXPERIMENT.column.
create or replace function cohort.import_metric(experiment text, column_key text, kind text) returns text
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    name text := column_key;
begin
    perform 1 from cohort.metric m
      where m.environment = cohort.current_environment() and (m.key = name or m.event = name)
        and ((m.key, m.event, m.kind, m.window_start_s, m.window_end_s) is distinct from (name, name, import_metric.kind, 0, 1)
             or num_nonnulls(m.condition, m.winsor_low, m.winsor_high, m.winsor_quantile) > 0);
    if found then
        name := experiment || '.' || column_key;
    end if;
    insert into cohort.metric (key, event, kind, window_start_s, window_end_s, description)
    select name, name, import_metric.kind, 0, 1, 'Imported with experiments that were run elsewhere'
     where not exists (select from cohort.metric m where m.environment = cohort.current_environment() and m.key = name);
    insert into cohort.experiment_metric (experiment, metric) values (import_metric.experiment, name);
    return name;
end $$;
comment on function cohort.import_metric(text, text, text) is
    'Part of import_finish(): finds or makes the metric of an imported column and has the experiment count it; returns its key';

create or replace function cohort.import_define(doc jsonb) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    key text := doc->>'experiment';
    n int := jsonb_array_length(doc->'variants');
    reason text := format('imported from %s', doc->>'file');
begin
    insert into cohort.experiment (key, origin, unit_type, exposure, description)
    values (key, 'imported', doc->>'unit_type', 'reported', format('Run elsewhere; imported from %s', doc->>'file'));
    insert into cohort.variant (experiment, key, share_ppm, value, is_control, position)
    select key, v->>'key', 1000000 / n + (i <= 1000000 % n)::int, v->'name', (v->>'control')::boolean, i
      from jsonb_array_elements(doc->'variants') with ordinality a(v, i) order by i;
    perform cohort.start(key, reason);
    perform cohort.stop(key, reason);
end $$;
comment on function cohort.import_define(jsonb) is
    'Part of import_finish(): the experiment (origin imported, never served), its variants with equal shares, its phase, and its status stopped';

drop function if exists cohort.import_stage(jsonb, text[]), cohort.import_counted(bigint), cohort.import_finish(jsonb),
    cohort.import_stage(text, text[], bigint, bigint);

-- The windows of two imports, a second each, must not touch: those of one second would count each other's outcomes where they
-- have units in common. One import at a time stores its rows (the lock's number is ours only by custom: "cohort", then 3),
-- and one that comes too soon is dated a little later.
create or replace function cohort.import_moment() returns timestamptz
    language plpgsql set search_path = cohort, pg_temp set enable_seqscan = off as $$
declare
    apart constant interval := '1.1 s';
    last timestamptz;
begin
    perform pg_advisory_xact_lock(7165064744911531779);
    select max(x.first_ts) into last from exposure x where x.first_ts > now() - apart and x.origin = 2;
    return greatest(now(), last + apart);
end $$;
comment on function cohort.import_moment() is 'Part of import_finish(): the time that all events of this import get';

-- Rows from_row < row <= to_row as staged events of one moment.
create or replace function cohort.import_stage(experiment text, metrics text[], moment timestamptz, from_row bigint, to_row bigint)
    returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    x cohort.experiment;
    phase int;
    n bigint;
begin
    select * into x from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1;
    select p.id into phase from cohort.phase p where p.experiment_id = x.id;
    insert into pg_temp.stage_exposure
    select r.unit_id, x.id, v.id, phase, v.share_ppm, 1000000, moment, gen_random_uuid(), null, true, 2
      from pg_temp.import_row r
      join cohort.variant v on v.environment = x.environment and v.experiment = x.key and v.position = r.variant
     where r.row > from_row and r.row <= to_row;
    get diagnostics n = row_count;
    if n <> (select count(*) from pg_temp.import_row r
              where r.row > from_row and r.row <= to_row and cardinality(r.amounts) = cardinality(metrics)) then
        perform cohort.fail('import_rows_known', 'A row names a variant that the import''s list does not have, or lacks an amount.');
    end if;
    insert into pg_temp.stage_outcome
    select r.unit_id, gen_random_uuid(), moment, m.event, case when m.kind = 'mean' then a.amount end, null, null, true
      from pg_temp.import_row r
     cross join unnest(r.amounts) with ordinality a(amount, i)
      join cohort.metric m on m.environment = x.environment and m.key = metrics[a.i]
     where r.row > from_row and r.row <= to_row and a.amount <> 0;
end $$;
comment on function cohort.import_stage(text, text[], timestamptz, bigint, bigint) is
    'Part of import_finish(): an exposure per row and an outcome per amount that is not zero, as staged events of one moment';

-- In batches, so that the roll-up takes them in passes between which the guardrails of live experiments are
-- looked at.
create or replace function cohort.import_store(experiment text, metrics text[], out spool uuid, out exposures bigint, out outcomes bigint)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    size constant bigint := 25000;
    last bigint;
    moment constant timestamptz := cohort.import_moment();
begin
    create index on pg_temp.import_row (row);
    analyze pg_temp.import_row;
    select coalesce(max(r.row), 0) into last from pg_temp.import_row r;
    spool := gen_random_uuid();
    for part in 0 .. (last - 1) / size loop
        perform cohort.import_stage($1, $2, moment, part * size, (part + 1) * size);
        perform cohort.ingest(spool, 'import of ' || $1, part + 1, part + 1);
        truncate pg_temp.stage_exposure, pg_temp.stage_outcome;
    end loop;
    select sum(b.exposures), sum(b.outcomes) into exposures, outcomes
      from cohort.ingest_batch b where b.spool_id = spool;
end $$;
comment on function cohort.import_store(text, text[]) is
    'Part of import_finish(): stores the rows as batches of a queue of their own';

create or replace function cohort.import_finish(doc jsonb, out spool uuid, out exposures bigint, out outcomes bigint, out metrics jsonb)
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    names text[] := '{}';
    m jsonb;
begin
    perform cohort.import_define(doc);
    metrics := '[]';
    for m in select a from jsonb_array_elements(doc->'metrics') a loop
        names := names || cohort.import_metric(doc->>'experiment', m->>'key', m->>'kind');
        metrics := metrics || jsonb_build_object('column', m->>'column', 'metric', names[cardinality(names)]);
    end loop;
    select i.spool, i.exposures, i.outcomes into import_finish.spool, import_finish.exposures, import_finish.outcomes
      from cohort.import_store(doc->>'experiment', names) i;
end $$;
comment on function cohort.import_finish(jsonb) is
    'Ends an import: defines the experiment of the document {experiment, unit_type, file, variants: [{key, name, control}], metrics: [{column, key, kind}]}, stores the rows of import_row, and returns the queue whose batches they are, what was stored, and the metrics'' keys';

-- A leader at work on a large batch has no time for a heartbeat; but it holds its lock (see cohort.lead()).
create or replace function cohort.import_counted(spool uuid, out counted bigint, out batches bigint, out leader boolean)
    language sql stable set search_path = cohort, pg_temp as $$
    select count(b.applied_at) - case when count(b.applied_at) < count(*) then 0
               else (select count(*) from (select from cohort.results_due() d join cohort.experiment e on e.id = d.experiment_id
                                            where e.origin = 'imported' limit 1) x) end, count(*),
           exists (select from pg_locks l
                    where l.locktype = 'advisory' and l.granted
                      and l.database = (select d.oid from pg_database d where d.datname = current_database())
                      and (l.classid::bigint << 32 | l.objid::bigint) = 7165064744911531778)
      from cohort.ingest_batch b where b.spool_id = $1
$$;
comment on function cohort.import_counted(uuid) is
    'How many of an import''s batches have been counted (the last one also waits for its results to be written), how many there are, and whether a server leads that could count them';

revoke execute on function cohort.import_begin(text), cohort.import_metric(text, text, text), cohort.import_define(jsonb),
    cohort.import_moment(), cohort.import_stage(text, text[], timestamptz, bigint, bigint), cohort.import_store(text, text[]),
    cohort.import_finish(jsonb), cohort.import_counted(uuid) from public;
