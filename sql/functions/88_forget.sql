-- A person who wants to be forgotten: every row that names their unit goes, wherever it is.

create or replace function cohort.forget_unit(unit_type text, raw text) returns table(table_name text, rows_gone bigint)
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    unit uuid := cohort.unit_id(unit_type, raw);
    t name;
begin
    -- That there was a dead letter is in the books; what it said goes.
    update dead_letter d set body = null
     where d.body::text like '%' || unit || '%' or d.body::text like '%' || replace(unit::text, '-', '') || '%';
    get diagnostics rows_gone = row_count;
    table_name := 'dead_letter';
    return next;
    -- No pass of the roll-up writes of the unit meanwhile. Guardrails wait too, so what takes long came before.
    perform from leader_state for update;
    for t in select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
              where c.relnamespace = 'cohort'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
                and a.attname = 'unit_id' and a.atttypid = 'uuid'::regtype and not a.attisdropped
              order by c.relname loop
        execute format('delete from cohort.%I where unit_id = $1', t) using unit;
        get diagnostics rows_gone = row_count;
        table_name := t;
        return next;
    end loop;
end $$;
comment on function cohort.forget_unit(text, text) is
    'Takes away every row about one unit of the current environment (its type and raw id) and says how many there were, table by table. Sums that counted it stay as they are until cohort.repair(key) counts an experiment anew. Records that are still in a spool arrive later: call it again after spool_grace_seconds';
revoke execute on function cohort.forget_unit(text, text) from public;
