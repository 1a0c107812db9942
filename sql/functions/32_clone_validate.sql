-- Definitions as a whole: what of a document can be written, patches, copies, and what a start would say.

create or replace function cohort.writable(doc jsonb) returns jsonb
    language sql immutable as $$
    select (doc - cohort.read_only_fields())
           || case when jsonb_typeof(doc -> 'variants') = 'array' then jsonb_build_object('variants',
                  (select coalesce(jsonb_agg(v.item - 'dropped' order by v.n), '[]')
                     from jsonb_array_elements(doc -> 'variants') with ordinality v(item, n) where v.item -> 'share_ppm' <> '0'))
              else '{}' end
           || case when jsonb_typeof(doc -> 'ramp') = 'array' then jsonb_build_object('ramp',
                  (select coalesce(jsonb_agg(case when exists (select from jsonb_array_elements(doc -> 'variants') v
                                                                where v -> 'share_ppm' = '0' and s.item -> 'shares' ? (v ->> 'key'))
                                                  then s.item - 'shares' else s.item end order by s.n), '[]')
                     from jsonb_array_elements(doc -> 'ramp') with ordinality s(item, n)))
              else '{}' end $$;
comment on function cohort.writable(jsonb) is
    'Of an experiment''s document what a PUT can set: status, phases, history and arms without a share left out, and the shares of steps that name such an arm';

create or replace function cohort.patch_experiment(key text, patch jsonb) returns jsonb
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        perform cohort.fail('document_object', format('The definition must be a JSON object, not %s.', coalesce(cohort.json_noun(patch), 'null')));
    end if;
    return cohort.put_experiment(key, cohort.merge_patch(cohort.writable(cohort.get_experiment_of(e)), patch));
end $$;
comment on function cohort.patch_experiment(text, jsonb) is
    'Changes the fields of an experiment''s document that a JSON merge patch names; null takes a field''s default. Returns the document';

create or replace function cohort.delete_experiment(key text) returns boolean
    language plpgsql as $$
begin
    perform cohort.check_team_of('experiment', key);
    delete from cohort.experiment e where e.environment = cohort.current_environment() and e.key = delete_experiment.key;
    return found;
end $$;
comment on function cohort.delete_experiment(text) is 'Deletes a draft; false when there is no such experiment';

-- A copy waits behind the same flag; what is over of its schedule is left out.
create or replace function cohort.clone(key text, new_key text) returns jsonb
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
    doc jsonb := cohort.writable(cohort.get_experiment_of(e));
begin
    perform 1 from cohort.experiment x where x.environment = cohort.current_environment() and x.key = new_key;
    if found then
        perform cohort.fail('experiment_key_unique', format('The experiment %s exists already.', cohort.shown(new_key)));
    end if;
    if least(e.starts_at, e.ends_at) <= clock_timestamp() then
        doc := doc - '{starts_at,ends_at}'::text[];
    end if;
    return cohort.put_experiment(new_key, doc);
end $$;
comment on function cohort.clone(text, text) is
    'Makes a draft of an experiment''s definition under a new key, behind the same flag; units are drawn anew. Returns its document';

-- Everything is tried and undone: first each check by itself, then the start as a whole.
create or replace function cohort.validate(key text)
    returns table (rule text, message text, hint text, field text)
    language plpgsql as $$
declare
    e cohort.experiment;
    what text;
    state text;
begin
    select * into e from cohort.experiment x where x.environment = cohort.current_environment() and x.key = validate.key;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown(key)));
    end if;
    if e.status in ('draft', 'scheduled') then
        foreach what in array cohort.start_checks() loop
            begin
                perform cohort.check_start(e, what);
            exception when others then
                get stacked diagnostics rule = constraint_name, message = message_text, hint = pg_exception_hint, state = returned_sqlstate;
                if rule = '' then
                    raise;
                end if;
                select m.field into field from cohort.error_message m where m.constraint_name = rule;
                return next;
            end;
        end loop;
    end if;
    if rule is null then
        begin
            if e.status = 'scheduled' then
                perform cohort.set_status(e, 'running', null);
            else
                perform cohort.start(key);
            end if;
            set constraints all immediate;
            raise exception using errcode = 'ZZ001';
        exception
            when sqlstate 'ZZ001' or insufficient_privilege then
                null;
            when others then
                get stacked diagnostics rule = constraint_name, message = message_text, hint = pg_exception_hint;
                if rule = '' then
                    raise;
                end if;
                select m.field into field from cohort.error_message m where m.constraint_name = rule;
                return next;
        end;
    end if;
end $$;
comment on function cohort.validate(text) is
    'What a start would be refused for, a row a problem; no row: it can start. Nothing is changed';
