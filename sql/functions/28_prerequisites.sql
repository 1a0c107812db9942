-- Prerequisites: another experiment's variant.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('prerequisite_experiment_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
('prerequisite_requires_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
('prerequisite_unique', '23505', 409, 'The prerequisite exists', 'Name all the variants that will do in one prerequisite.', null, 'definition'),
('prerequisite_kind', '23514', 422, 'Prerequisites are between experiments with a flag', 'A holdout covers experiments by its scope and takes part in no prerequisite.', 'experiment', 'definition'),
('prerequisite_decisions', '23514', 422, 'Where each decision is drawn, no unit has a variant', 'Require another experiment, or let the bandit assign units.', 'experiment', 'definition'),
('prerequisite_variants', '23514', 422, 'A prerequisite names one variant or more, each once', 'Name the variants that will do: {"experiment": "…", "variants": ["b"]}.', 'variants', 'definition'),
('prerequisite_variant_known', '23503', 422, 'There is no such variant', 'select key from cohort.variant where experiment = ''…'' lists them.', 'variants', 'definition'),
('prerequisite_cycle', '23514', 422, 'Experiments don''t require each other', 'Take one of the prerequisites out.', 'experiment', 'definition'),
('prerequisite_depth', '23514', 422, 'Prerequisites are at most 8 deep', 'Take one of the prerequisites out.', 'experiment', 'definition'),
('prerequisite_running_fixed', '55000', 409, 'Prerequisites of an experiment that has started can''t be changed', 'To change them, stop it (select cohort.stop(''…'')) and create a new experiment.', null, 'definition'),
('prerequisite_in_use', '23503', 409, 'An experiment requires it', 'Take the prerequisite out first: delete from cohort.prerequisite where requires = ''…''.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- The chain through e → r: what r requires, down; what requires e, up.
create or replace function cohort.check_prerequisite_chain(environment text, e text, r text) returns void
    language plpgsql as $$
declare
    level text[] := array[r];
    depth int := 1;
begin
    loop
        if e = any (level) then
            perform cohort.fail('prerequisite_cycle', case when depth = 1
                then format('Experiment %s would require itself.', cohort.shown(e))
                else format('Experiment %s requires %s, which requires %s%s.', cohort.shown(e), cohort.shown(r), cohort.shown(e),
                            case when depth > 2 then ' through others' else '' end) end);
        end if;
        level := array(select distinct p.requires from cohort.prerequisite p
                        where p.environment = check_prerequisite_chain.environment and p.experiment = any (level));
        exit when cardinality(level) = 0 or depth > 8;
        depth := depth + 1;
    end loop;
    level := array[e];
    while depth <= 8 loop
        level := array(select distinct p.experiment from cohort.prerequisite p
                        where p.environment = check_prerequisite_chain.environment and p.requires = any (level));
        exit when cardinality(level) = 0;
        depth := depth + 1;
    end loop;
    if depth > 8 then
        perform cohort.fail('prerequisite_depth', format('With %s requiring %s, experiments would require each other more than 8 deep.',
            cohort.shown(e), cohort.shown(r)));
    end if;
end $$;
comment on function cohort.check_prerequisite_chain(text, text, text) is 'Refuses prerequisites that come back to their experiment, or are more than 8 deep';

create or replace function cohort.prerequisite_variants_check(p cohort.prerequisite) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    name text := format('Experiment %s''s prerequisite %s', cohort.shown(p.experiment), cohort.shown(p.requires));
    odd text;
begin
    if coalesce(cardinality(p.variants), 0) = 0 then
        perform cohort.fail('prerequisite_variants', format('%s names no variant.', name));
    end if;
    select x.v into odd from unnest(p.variants) x(v) group by x.v having count(*) > 1 or x.v is null limit 1;
    if found then
        perform cohort.fail('prerequisite_variants', format('%s names variant %s %s.', name, cohort.shown(odd),
            case when odd is null then '' else 'twice' end));
    end if;
    perform 1 from cohort.variant v where v.environment = p.environment and v.experiment = p.requires and v.key = any (p.variants) for key share;
    select x.v into odd from unnest(p.variants) with ordinality x(v, n)
     where not exists (select from cohort.variant v where v.environment = p.environment and v.experiment = p.requires and v.key = x.v)
     order by x.n limit 1;
    if found then
        perform cohort.fail('prerequisite_variant_known', format('Experiment %s has no variant %s.', cohort.shown(p.requires), cohort.shown(odd)));
    end if;
end $$;
comment on function cohort.prerequisite_variants_check(cohort.prerequisite) is 'Refuses a prerequisite without variants, or with some that aren''t there';

-- Asked from both sides, and at the bandit's start: neither edit sees the other before it commits.
create or replace function cohort.prerequisite_decisions_check(b cohort.bandit) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    asker text;
begin
    if b.assign is distinct from 'decision' then
        return;
    end if;
    select p.experiment into asker from cohort.prerequisite p
     where p.environment = b.environment and p.requires = b.experiment order by 1 limit 1;
    if found then
        perform cohort.fail('prerequisite_decisions', format('Experiment %s requires %s, which would draw a variant anew at each decision.',
            cohort.shown(asker), cohort.shown(b.experiment)), cohort.path_of('assign'));
    end if;
end $$;
comment on function cohort.prerequisite_decisions_check(cohort.bandit) is 'Refuses a bandit that draws each decision where another experiment requires it';

-- Another team's experiment may be required: it is locked for whoever asks.
create or replace function cohort.hold_required(environment text, requires text) returns cohort.experiment
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    r cohort.experiment;
begin
    select * into r from cohort.experiment x where x.environment = hold_required.environment and x.key = requires for key share;
    if not found then
        perform cohort.fail('prerequisite_requires_known', format('There is no experiment %s.', cohort.shown(requires)));
    end if;
    return r;
end $$;
comment on function cohort.hold_required(text, text) is 'The required experiment, kept from being deleted by this transaction''s end';

create or replace function cohort.prerequisite_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
    r cohort.experiment;
begin
    -- The turn comes first: whoever waits for it holds no lock of this statement yet.
    perform cohort.take_turn('prerequisite', new.environment);
    if tg_op = 'UPDATE' and (new.environment, new.experiment) is distinct from (old.environment, old.experiment) then
        perform cohort.fail('key_fixed', format('A prerequisite of experiment %s can''t become another''s.', cohort.shown(old.experiment)));
    end if;
    e := cohort.experiment_draft(new.environment, new.experiment, 'prerequisite_experiment_known', 'prerequisite_running_fixed', 'prerequisites');
    r := cohort.hold_required(new.environment, new.requires);
    if 'holdout' in (e.kind, r.kind) then
        perform cohort.fail('prerequisite_kind', format('Experiment %s is a holdout.',
            cohort.shown(case e.kind when 'holdout' then e.key else r.key end)));
    elsif exists (select from cohort.bandit b where b.environment = r.environment and b.experiment = r.key and b.assign = 'decision') then
        perform cohort.fail('prerequisite_decisions', format('Experiment %s would require %s, which draws a variant anew at each decision.',
            cohort.shown(e.key), cohort.shown(r.key)));
    end if;
    if tg_op = 'INSERT' or new.requires <> old.requires then
        perform 1 from cohort.prerequisite p where p.environment = new.environment and p.experiment = new.experiment and p.requires = new.requires;
        if found then
            perform cohort.fail('prerequisite_unique', format('Experiment %s requires %s already.', cohort.shown(new.experiment), cohort.shown(new.requires)));
        end if;
        perform cohort.check_prerequisite_chain(new.environment, new.experiment, new.requires);
    end if;
    perform cohort.prerequisite_variants_check(new);
    return new;
end $$;
comment on function cohort.prerequisite_check() is 'Trigger: rules of prerequisites';
create or replace trigger prerequisite_check before insert or update on cohort.prerequisite
    for each row execute function cohort.prerequisite_check();

create or replace function cohort.prerequisite_delete_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.experiment_draft(old.environment, old.experiment, null, 'prerequisite_running_fixed', 'prerequisites');
    return old;
end $$;
comment on function cohort.prerequisite_delete_check() is 'Trigger: only a draft''s prerequisites can be deleted';
create or replace trigger prerequisite_delete_check before delete on cohort.prerequisite
    for each row execute function cohort.prerequisite_delete_check();

create or replace function cohort.required_delete_check() returns trigger
    language plpgsql as $$
declare
    asker text;
    mine text := case tg_table_name when 'experiment' then to_jsonb(old) ->> 'key' else to_jsonb(old) ->> 'experiment' end;
begin
    select p.experiment into asker from cohort.prerequisite p
     where p.environment = old.environment and p.requires = mine
       and (tg_table_name = 'experiment' or old.key = any (p.variants)) order by 1 limit 1;
    if found then
        perform cohort.fail('prerequisite_in_use', format('Experiment %s requires %sexperiment %s.', cohort.shown(asker),
            case tg_table_name when 'variant' then format('variant %s of ', cohort.shown(old.key)) else '' end, cohort.shown(mine)));
    end if;
    return old;
end $$;
comment on function cohort.required_delete_check() is 'Trigger: an experiment or variant that another requires stays';
create or replace trigger required_delete_check before delete on cohort.experiment
    for each row execute function cohort.required_delete_check();
create or replace trigger required_delete_check before delete on cohort.variant
    for each row execute function cohort.required_delete_check();

-- --- as part of an experiment's document ---

create or replace function cohort.doc_prerequisites(doc jsonb) returns setof cohort.prerequisite
    language plpgsql as $$
declare
    list jsonb := coalesce(cohort.doc_field(doc, '$', 'prerequisites', 'array'), '[]');
    item jsonb;
    path text;
    p cohort.prerequisite;
begin
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('prerequisites[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a prerequisite', array['experiment', 'variants']);
        p := null;
        -- The place in the list, so that errors can name it.
        p.environment := i::text;
        p.requires := cohort.doc_field(item, path, 'experiment', 'string', true) #>> '{}';
        if jsonb_path_exists(cohort.doc_field(item, path, 'variants', 'array', true), '$[*] ? (@.type() != "string")') then
            perform cohort.fail('document_field_type', format('%s.variants must be keys of variants.', path), path || '.variants');
        end if;
        p.variants := array(select jsonb_array_elements_text(item -> 'variants'));
        return next p;
    end loop;
end $$;
comment on function cohort.doc_prerequisites(jsonb) is 'The prerequisites of a document as rows; environment is the place in the list';

create or replace function cohort.put_prerequisites(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    d cohort.prerequisite;
begin
    perform set_config('cohort.path', 'prerequisites', true);
    delete from cohort.prerequisite x where x.environment = e.environment and x.experiment = e.key
        and not exists (select from cohort.doc_prerequisites(doc) p where (p.requires, p.variants) = (x.requires, x.variants));
    for d in select distinct on (p.requires, p.variants) p.* from cohort.doc_prerequisites(doc) p
              where not exists (select from cohort.prerequisite x where x.environment = e.environment and x.experiment = e.key
                                   and (p.requires, p.variants) = (x.requires, x.variants))
              order by p.requires, p.variants, p.environment::int loop
        perform set_config('cohort.path', format('prerequisites[%s]', d.environment), true);
        insert into cohort.prerequisite (environment, experiment, requires, variants)
        values (e.environment, e.key, d.requires, d.variants);
    end loop;
end $$;
comment on function cohort.put_prerequisites(cohort.experiment, jsonb) is 'Stores a document''s prerequisites';

create or replace function cohort.experiment_prerequisites(e cohort.experiment) returns jsonb
    language sql stable as $$
    select coalesce(jsonb_agg(jsonb_build_object('experiment', p.requires, 'variants', p.variants) order by p.requires), '[]')
      from cohort.prerequisite p where p.environment = e.environment and p.experiment = e.key $$;
comment on function cohort.experiment_prerequisites(cohort.experiment) is 'An experiment''s prerequisites as a document has them';
