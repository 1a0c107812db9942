-- The audit: written by a trigger on every table of definitions, sealed by the leader, verified by anyone.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('audit_fixed', '55000', 409, 'The audit is append-only', 'Let it stand: select * from cohort.audit_verify() would show the change.', null, 'audit')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- A row's key as people know it. Parts of a whole are named with it. In plpgsql, which keeps its plan: in sql the plan of
-- all this was made anew for each row, and took longer than all else of the audit.
create or replace function cohort.audit_key(object text, r jsonb) returns text
    language plpgsql immutable
    as $$ begin return case object
        when 'variant' then concat_ws('/', r ->> 'experiment', r ->> 'key')
        when 'challenger' then concat_ws('/', r ->> 'experiment', r ->> 'key')
        when 'guardrail' then concat_ws('/', r ->> 'experiment', r ->> 'metric', r ->> 'action')
        when 'phase' then concat_ws('/', r ->> 'experiment', r ->> 'number')
        when 'ramp_step' then concat_ws('/', r ->> 'experiment', r ->> 'number')
        when 'flag_rule' then concat_ws('/', r ->> 'flag', r ->> 'id')
        when 'prerequisite' then concat_ws('/', r ->> 'experiment', r ->> 'requires')
        when 'layer_slots' then concat_ws('/', r ->> 'layer', r ->> 'experiment')
        when 'holdout' then r ->> 'experiment'
        when 'bandit' then r ->> 'experiment'
        when 'contextual' then r ->> 'experiment'
        when 'model' then concat_ws('/', r ->> 'experiment', r ->> 'version')
        when 'bandit_update' then concat_ws('/', r ->> 'experiment_id', r ->> 'id')
        when 'override' then concat_ws('/', r ->> 'experiment', r ->> 'id')
        when 'team_member' then concat_ws('/', r ->> 'team', r ->> 'role_name')
        when 'phase_variant' then concat_ws('/', r ->> 'phase_id', r ->> 'variant_id')
        when 'phase_closed' then r ->> 'phase_id'
        when 'experiment_metric' then concat_ws('/', r ->> 'experiment', r ->> 'metric')
        when 'stop_condition' then concat_ws('/', r ->> 'experiment', r ->> 'kind', r ->> 'metric', r ->> 'action')
        when 'frozen_cap' then concat_ws('/', r ->> 'experiment_id', r ->> 'metric_id', r ->> 'metric_version')
        when 'stop_event' then concat_ws('/', r ->> 'experiment_id', r ->> 'iteration')
        when 'pause_event' then concat_ws('/', r ->> 'experiment_id', r ->> 'iteration')
        when 'api_key' then concat_ws(' ', r ->> 'id', r ->> 'name')
        else coalesce(r ->> 'key', r ->> 'id', '') end; end $$;
comment on function cohort.audit_key(text, jsonb) is 'The key of a row for the audit';

-- What must not be read out of the audit either; and of a segment's list, which may have a million entries, its hash.
create or replace function cohort.audit_masked(r jsonb) returns jsonb
    language plpgsql immutable
    as $$ begin return case when r ?| array['hash', 'unit_key', 'hash_key', 'secret'] then r - array['hash', 'unit_key', 'hash_key', 'secret', 'since']
                      when jsonb_typeof(r -> 'list') = 'array' then r || jsonb_build_object('list',
                          'sha256 ' || encode(sha256(convert_to((r -> 'list')::text, 'UTF8')), 'hex'))
                      else r end; end $$;
comment on function cohort.audit_masked(jsonb) is 'A row without secrets and long lists';

create or replace function cohort.audit_write() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    was jsonb := case when tg_op <> 'INSERT' then audit_masked(to_jsonb(old)) end;
    becomes jsonb := case when tg_op <> 'DELETE' then audit_masked(to_jsonb(new)) end;
    row_now jsonb := coalesce(becomes, was);
begin
    if was is not distinct from becomes then
        return null;
    end if;
    with written as (
        insert into audit (environment, object, key, action, before, after)
        values (coalesce(row_now ->> 'environment', case when tg_table_name = 'environment' then row_now ->> 'key' end),
                tg_table_name, audit_key(tg_table_name::text, row_now), lower(tg_op), was, becomes) returning id)
    insert into audit_pending (audit_id) select id from written;
    return null;
end $$;
comment on function cohort.audit_write() is 'Trigger: writes a change of a definition into the audit';

-- On every table of definitions that this schema has.
do $$
declare
    t text;
begin
    foreach t in array array['environment', 'secret', 'flag', 'flag_rule', 'experiment', 'variant', 'phase', 'phase_variant',
        'phase_closed', 'metric', 'guardrail', 'api_key', 'condition_operator', 'experiment_metric', 'stop_condition', 'frozen_cap', 'ramp_step', 'layer',
        'layer_slots', 'holdout', 'segment', 'override', 'prerequisite', 'team', 'team_member', 'stop_event', 'pause_event', 'webhook',
        'bandit', 'contextual', 'model', 'challenger'] loop
        if to_regclass('cohort.' || quote_ident(t)) is not null then
            execute format('create or replace trigger zy_audit after insert or update or delete on cohort.%I
                for each row execute function cohort.audit_write()', t);
        end if;
    end loop;
end $$;

-- An update that opened no phase changed nothing.
create or replace trigger zy_audit after insert on cohort.bandit_update
    for each row when (new.phase_id is not null) execute function cohort.audit_write();

create or replace function cohort.audit_refuse() returns trigger
    language plpgsql as $$
begin
    perform cohort.fail('audit_fixed', 'The audit can''t be changed.');
    return null;
end $$;
comment on function cohort.audit_refuse() is 'Trigger: the audit and its seals are append-only';
create or replace trigger audit_refuse before update or delete or truncate on cohort.audit
    for each statement execute function cohort.audit_refuse();
create or replace trigger audit_refuse before update or delete or truncate on cohort.audit_seal
    for each statement execute function cohort.audit_refuse();

-- Equal rows, equal text: jsonb's own text has one form, and times are microseconds.
create or replace function cohort.audit_canonical(a cohort.audit) returns text
    language sql stable parallel safe
    as $$ select jsonb_build_array(a.id, (extract(epoch from a.at) * 1000000)::bigint, a.actor, a.db_user, a.environment,
                                   a.object, a.key, a.action, a.before, a.after, a.txid::text)::text $$;
comment on function cohort.audit_canonical(cohort.audit) is 'An audit row as the text that is hashed';

create or replace function cohort.audit_hash(previous bytea, a cohort.audit) returns bytea
    language sql stable parallel safe
    as $$ select sha256(previous || convert_to(cohort.audit_canonical(a), 'UTF8')) $$;
comment on function cohort.audit_hash(bytea, cohort.audit) is 'The next hash of the chain';

-- Rows of transactions that may still be open can get company with smaller numbers: they wait. So the chain is in the
-- order of sealing, and every committed row gets into it once. A row from the future was restored: its transaction was
-- another cluster's, and is over.
create or replace function cohort.audit_seal_pending(epoch bigint, max_rows int default 5000) returns int
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    head audit_head;
    a audit;
    sealed int := 0;
begin
    perform assert_epoch(epoch);
    select * into head from audit_head for update;
    for a in select x.* from audit_pending p join audit x on x.id = p.audit_id
              where x.txid < pg_snapshot_xmin(pg_current_snapshot()) or x.txid >= pg_snapshot_xmax(pg_current_snapshot())
              order by x.id limit max_rows loop
        head.number := head.number + 1;
        head.hash := audit_hash(head.hash, a);
        insert into audit_seal (number, audit_id, hash) values (head.number, a.id, head.hash);
        delete from audit_pending p where p.audit_id = a.id;
        sealed := sealed + 1;
    end loop;
    if sealed > 0 then
        update audit_head set number = head.number, hash = head.hash, at = clock_timestamp();
    end if;
    return sealed;
end $$;
comment on function cohort.audit_seal_pending(bigint, int) is 'Seals what is committed and unsealed; the leader calls it. Returns how many rows';
revoke execute on function cohort.audit_seal_pending(bigint, int) from public;

-- Walks the chain. Given a head somebody wrote down (its number and hash), it must still be part of the chain.
create or replace function cohort.audit_verify(known_number bigint default null, known_hash bytea default null)
    returns table(audit_id bigint, problem text)
    language plpgsql stable set search_path = cohort, pg_temp as $$
declare
    s record;
    expected bigint := 1;
    chain bytea := decode(repeat('00', 32), 'hex');
    head audit_head;
begin
    select * into head from audit_head;
    for s in select z.number, z.audit_id, z.hash, a.id as present, case when a.id is not null then audit_canonical(a) end as text
               from audit_seal z left join audit a on a.id = z.audit_id order by z.number loop
        if s.number <> expected then
            return query select s.audit_id, format('seals %s to %s are missing: rows were deleted', expected, s.number - 1);
            expected := s.number;
        end if;
        if s.present is null then
            return query select s.audit_id, 'the row was deleted'::text;
        elsif sha256(chain || convert_to(s.text, 'UTF8')) <> s.hash then
            return query select s.audit_id, 'the row, its place or the seal before it was changed'::text;
        end if;
        if s.number = known_number and s.hash <> known_hash then
            return query select s.audit_id, format('seal %s is not the one that was written down: the chain was rewritten', known_number);
        end if;
        chain := s.hash;
        expected := s.number + 1;
    end loop;
    if expected - 1 <> head.number or chain <> head.hash then
        return query select null::bigint, format('the chain ends at %s, its head says %s: it was truncated or rewritten', expected - 1, head.number);
    end if;
    if known_number > expected - 1 then
        return query select null::bigint, format('the chain ends at %s, and %s was written down: it was truncated', expected - 1, known_number);
    end if;
    return query select x.id, 'the row is in no chain and not waiting for one: it was slipped in'::text from audit x
        where not exists (select from audit_seal z where z.audit_id = x.id)
          and not exists (select from audit_pending p where p.audit_id = x.id);
    return query select p.audit_id, 'the row was deleted before it was sealed'::text from audit_pending p
        where not exists (select from audit x where x.id = p.audit_id);
end $$;
comment on function cohort.audit_verify(bigint, bytea) is
    'Every place where the audit was tampered with: edited, deleted, swapped, truncated; no rows when it is whole. Give a head you wrote down to catch a rewritten chain';

create or replace function cohort.get_audit_head() returns jsonb
    language sql stable security definer set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('number', h.number, 'hash', encode(h.hash, 'hex'), 'at', rfc3339(h.at),
                                    'pending', (select count(*) from audit_pending)) from audit_head h $$;
comment on function cohort.get_audit_head() is 'Where the chain ends, for publishing: {"number", "hash", "at", "pending"}; pending rows are not sealed yet';

create or replace function cohort.list_audits(lim int default 100, after text default null, object text default null, key text default null)
    returns jsonb language sql stable
    as $$ select jsonb_build_object('items', coalesce(jsonb_agg(x.item order by x.id desc), '[]'),
                                    'next', case when count(*) = lim then min(x.id)::text end)
            from (select a.id, jsonb_build_object('id', a.id, 'at', cohort.rfc3339(a.at), 'actor', a.actor, 'object', a.object,
                         'key', a.key, 'action', a.action, 'before', a.before, 'after', a.after) as item
                    from cohort.audit a
                   where (a.environment is null or a.environment = cohort.current_environment())
                     and (coalesce($2, '') !~ '^[0-9]{1,18}$' or a.id < $2::bigint) and ($3 is null or a.object = $3) and ($4 is null or a.key = $4)
                   order by a.id desc limit cohort.check_limit(lim)) x $$;
comment on function cohort.list_audits(int, text, text, text) is
    'The newest changes first, of one object or key where given; next: what to pass as after for older ones';

-- Readers read it; nobody writes it but the functions above, the server's role neither.
do $$
declare
    t text;
    r text;
begin
    foreach t in array array['audit', 'audit_seal', 'audit_head', 'audit_pending'] loop
        foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
            if to_regrole(r) is not null then
                execute format('revoke insert, update, delete, truncate on cohort.%I from %I', t, r);
                execute format('grant select on cohort.%I to %I', t, r);
            end if;
        end loop;
    end loop;
    perform cohort.grant_to('cohort_server', 'execute on function cohort.audit_seal_pending(bigint, int)');
end $$;
