-- The fields bandit and contextual of an experiment's document. Its kind follows from them.

create or replace function cohort.doc_kind(doc jsonb) returns text
    language plpgsql as $$
declare
    given text := cohort.doc_field(doc, '$', 'kind', 'string') #>> '{}';
    implied text := case when cohort.doc_field(doc, '$', 'contextual', 'object') is not null then 'contextual'
                         when cohort.doc_field(doc, '$', 'bandit', 'object') is not null then 'bandit' else 'ab' end;
begin
    if implied = 'contextual' and doc -> 'bandit' is null then
        perform cohort.fail('bandit_missing', 'The definition has the field contextual, but no bandit.', 'bandit');
    elsif given is null or given = implied then
        return implied;
    elsif given = 'contextual' and implied = 'bandit' then
        perform cohort.fail('contextual_missing', 'The definition is of kind contextual and has no features.', 'contextual');
    elsif given in ('bandit', 'contextual') then
        perform cohort.fail('bandit_missing', format('The definition is of kind %s and has no reward.', given), 'bandit');
    end if;
    perform cohort.fail('document_field_read_only', format('kind is %s; the fields of the definition make it %s.', cohort.shown(given), implied), 'kind');
end $$;
comment on function cohort.doc_kind(jsonb) is 'The kind of experiment a document defines: contextual, bandit or ab, by the fields it has';

create or replace function cohort.doc_int(doc jsonb, path text, field text) returns int
    language sql as $$ select trunc(cohort.doc_field(doc, path, field, 'integer')::numeric)::int $$;
comment on function cohort.doc_int(jsonb, text, text) is 'A whole number of a document; null when it is absent';

create or replace function cohort.doc_bandit(doc jsonb) returns cohort.bandit
    language plpgsql as $$
declare
    d jsonb := doc -> 'bandit';
    b cohort.bandit;
begin
    perform cohort.doc_fields(d, 'bandit', 'a bandit', '{reward,assign,floor_ppm,every_s,warm_up,half_life_s,uniform_ppm,stick_s,promote}');
    b.reward := cohort.doc_field(d, 'bandit', 'reward', 'string', true) #>> '{}';
    b.assign := coalesce(cohort.doc_field(d, 'bandit', 'assign', 'string') #>> '{}', case when doc ? 'contextual' then 'decision' else 'unit' end);
    b.floor_ppm := coalesce(cohort.doc_int(d, 'bandit', 'floor_ppm'), 10000);
    b.every_s := coalesce(cohort.doc_int(d, 'bandit', 'every_s'), 3600);
    b.warm_up := coalesce(cohort.doc_int(d, 'bandit', 'warm_up'), 100);
    b.half_life_s := cohort.doc_int(d, 'bandit', 'half_life_s');
    b.uniform_ppm := coalesce(cohort.doc_int(d, 'bandit', 'uniform_ppm'), 50000);
    b.stick_s := cohort.doc_int(d, 'bandit', 'stick_s');
    b.promote := coalesce(cohort.doc_field(d, 'bandit', 'promote', 'string') #>> '{}', 'person');
    return b;
end $$;
comment on function cohort.doc_bandit(jsonb) is 'A document''s field bandit as a row';

create or replace function cohort.doc_contextual(doc jsonb) returns cohort.contextual
    language plpgsql as $$
declare
    d jsonb := doc -> 'contextual';
    c cohort.contextual;
begin
    perform cohort.doc_fields(d, 'contextual', 'a contextual bandit', '{features,safe_variant,threshold_ppm,gamma,ridge}');
    c.features := cohort.doc_field(d, 'contextual', 'features', 'array', true);
    c.safe_variant := cohort.doc_field(d, 'contextual', 'safe_variant', 'string') #>> '{}';
    c.threshold_ppm := coalesce(cohort.doc_int(d, 'contextual', 'threshold_ppm'), 0);
    c.gamma := cohort.doc_field(d, 'contextual', 'gamma', 'number')::numeric::float8;
    c.ridge := coalesce(cohort.doc_field(d, 'contextual', 'ridge', 'number')::numeric::float8, 1);
    return c;
end $$;
comment on function cohort.doc_contextual(jsonb) is 'A document''s field contextual as a row';

-- Shares of a bandit are equal at first, so a document may leave them out.
create or replace function cohort.doc_equal_shares(doc jsonb) returns jsonb
    language sql immutable as $$
    select case when doc -> 'bandit' is null or jsonb_typeof(doc -> 'variants') is distinct from 'array' then doc else
        doc || jsonb_build_object('variants', (
            select coalesce(jsonb_agg(case when jsonb_typeof(v.item) = 'object' and not v.item ? 'share_ppm'
                       then v.item || jsonb_build_object('share_ppm', 1000000 / v.total + case when v.n <= 1000000 % v.total then 1 else 0 end)
                       else v.item end order by v.n), '[]')
              from (select x.item, x.n, count(*) over ()::int as total
                      from jsonb_array_elements(doc -> 'variants') with ordinality x(item, n)) v)) end $$;
comment on function cohort.doc_equal_shares(jsonb) is 'A bandit''s document with equal shares where its variants have none';

-- Every check of a document that needs no table, before anything is stored.
create or replace function cohort.check_bandit_document(doc jsonb) returns void
    language plpgsql as $$
begin
    if cohort.doc_kind(doc) in ('bandit', 'contextual') then
        perform cohort.doc_bandit(doc);
    end if;
    if doc ? 'contextual' then
        perform cohort.doc_contextual(doc);
    end if;
end $$;
comment on function cohort.check_bandit_document(jsonb) is 'Refuses fields bandit and contextual of the wrong shape';

-- Only what differs is written: a document that changes nothing changes nothing, on a running bandit too.
create or replace function cohort.put_bandit(e cohort.experiment, doc jsonb) returns void
    language plpgsql as $$
declare
    b cohort.bandit;
    c cohort.contextual;
begin
    perform set_config('cohort.path', 'contextual', true);
    if not doc ? 'contextual' then
        delete from cohort.contextual x where x.environment = e.environment and x.experiment = e.key;
    end if;
    perform set_config('cohort.path', 'bandit', true);
    if not doc ? 'bandit' then
        delete from cohort.bandit x where x.environment = e.environment and x.experiment = e.key;
        return;
    end if;
    b := cohort.doc_bandit(doc);
    b.environment := e.environment;
    b.experiment := e.key;
    -- The start wrote down how long an epoch is: a document that leaves it out, as before the start, leaves it so.
    if b.stick_s is null and e.status not in ('draft', 'scheduled') then
        select x.stick_s into b.stick_s from cohort.bandit x where x.environment = e.environment and x.experiment = e.key;
    end if;
    if not exists (select from cohort.bandit x where x.environment = e.environment and x.experiment = e.key) then
        insert into cohort.bandit (environment, experiment, reward, assign, floor_ppm, every_s, warm_up, half_life_s, uniform_ppm, stick_s, promote)
        values (b.environment, b.experiment, b.reward, b.assign, b.floor_ppm, b.every_s, b.warm_up, b.half_life_s, b.uniform_ppm, b.stick_s, b.promote);
    else
        update cohort.bandit x
           set (reward, assign, floor_ppm, every_s, warm_up, half_life_s, uniform_ppm, stick_s, promote)
             = (b.reward, b.assign, b.floor_ppm, b.every_s, b.warm_up, b.half_life_s, b.uniform_ppm, b.stick_s, b.promote)
         where x.environment = e.environment and x.experiment = e.key
           and (x.reward, x.assign, x.floor_ppm, x.every_s, x.warm_up, x.half_life_s, x.uniform_ppm, x.stick_s, x.promote)
               is distinct from (b.reward, b.assign, b.floor_ppm, b.every_s, b.warm_up, b.half_life_s, b.uniform_ppm, b.stick_s, b.promote);
    end if;
    if doc ? 'contextual' then
        perform set_config('cohort.path', 'contextual', true);
        c := cohort.doc_contextual(doc);
        c.environment := e.environment;
        c.experiment := e.key;
        if not exists (select from cohort.contextual x where x.environment = e.environment and x.experiment = e.key) then
            insert into cohort.contextual (environment, experiment, features, safe_variant, threshold_ppm, gamma, ridge)
            values (c.environment, c.experiment, c.features, c.safe_variant, c.threshold_ppm, c.gamma, c.ridge);
        else
            update cohort.contextual x set (features, safe_variant, threshold_ppm, gamma, ridge)
                 = (c.features, c.safe_variant, c.threshold_ppm, c.gamma, c.ridge)
             where x.environment = e.environment and x.experiment = e.key and x is distinct from c;
        end if;
    end if;
end $$;
comment on function cohort.put_bandit(cohort.experiment, jsonb) is 'Stores a document''s fields bandit and contextual';
