-- Rules of variants: each alone at once, all together at COMMIT and at the start.

create or replace function cohort.variant_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
    flag_type text;
    name text := format('variant %s of experiment %s', cohort.shown(new.key), cohort.shown(new.experiment));
begin
    if cohort.within() then
        return new;
    end if;
    e := cohort.experiment_draft(new.environment, new.experiment, 'variant_experiment_known', 'variant_running_fixed', 'variants');
    new.is_control := coalesce(new.is_control, false);
    if tg_op = 'INSERT' then
        if not cohort.key_ok(new.key) then
            perform cohort.fail('variant_key_format', format('%s can''t be a variant''s key.', cohort.shown(new.key)));
        end if;
        perform 1 from cohort.variant v
          where v.environment = new.environment and v.experiment = new.experiment and v.key = new.key;
        if found then
            perform cohort.fail('variant_key_unique', format('Experiment %s has a variant %s already.',
                cohort.shown(new.experiment), cohort.shown(new.key)));
        end if;
        new.position := coalesce(new.position, (select coalesce(max(v.position), 0) + 1 from cohort.variant v
            where v.environment = new.environment and v.experiment = new.experiment));
    elsif (new.environment, new.experiment, new.key) is distinct from (old.environment, old.experiment, old.key) then
        perform cohort.fail('key_fixed', format('The key of variant %s of experiment %s can''t be changed.',
            cohort.shown(old.key), cohort.shown(old.experiment)));
    end if;
    if new.dropped_at is distinct from (case when tg_op = 'UPDATE' then old.dropped_at end) then
        perform cohort.fail('variant_dropped_fixed', format('When %s was dropped can''t be set.', name));
    end if;
    if new.share_ppm is null or new.share_ppm not between (case when new.dropped_at is null then 1 else 0 end) and 1000000 then
        perform cohort.fail('variant_share_range', format('The share_ppm of %s is %s; it must lie in 1 to 1000000.', name,
            coalesce(new.share_ppm::text, 'null')));
    end if;
    if new.value is not null then
        perform cohort.check_json('The value of ' || name, 'value', new.value);
        select f.type into flag_type from cohort.flag f where f.environment = e.environment and f.key = e.flag;
        if jsonb_typeof(new.value) in ('null', 'array') or jsonb_typeof(new.value) <> coalesce(flag_type, jsonb_typeof(new.value)) then
            perform cohort.fail('variant_value_type', format('The value of %s is %s; the type of flag %s is %s.', name,
                cohort.json_noun(new.value), cohort.shown(e.flag), coalesce(flag_type, 'boolean, string, number or object')));
        end if;
    end if;
    return new;
end $$;
comment on function cohort.variant_check() is 'Trigger: rules of a variant';
create or replace trigger variant_check before insert or update on cohort.variant
    for each row execute function cohort.variant_check();

-- A variant that an earlier iteration served stays, as an arm without a share: exposures name it.
create or replace function cohort.variant_delete_check() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    perform experiment_draft(old.environment, old.experiment, null, 'variant_running_fixed', 'variants');
    if exists (select from phase_variant pv where pv.variant_id = old.id) then
        perform set_config('cohort.within', 'on', true);
        update variant v set share_ppm = 0, is_control = false, dropped_at = coalesce(v.dropped_at, clock_timestamp()) where v.id = old.id;
        perform set_config('cohort.within', '', true);
        return null;
    end if;
    return old;
end $$;
comment on function cohort.variant_delete_check() is 'Trigger: only a draft''s variants can be deleted; one that was served before stays without a share';
create or replace trigger variant_delete_check before delete on cohort.variant
    for each row execute function cohort.variant_delete_check();

-- What must hold of all variants of an experiment, if it has any.
create or replace function cohort.check_variants(environment text, experiment text) returns void
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(experiment));
    flag_type text;
    odd record;
    total record;
begin
    select count(*) as n, sum(v.share_ppm) as shares, count(*) filter (where v.is_control) as controls into total
      from cohort.variant v where v.environment = check_variants.environment and v.experiment = check_variants.experiment;
    if total.n > 0 and total.shares <> 1000000 then
        perform cohort.fail('variant_share_sum', format('The shares of %s add up to %s, not 1000000.', name, total.shares));
    end if;
    if total.controls > 1 then
        perform cohort.fail('variant_control_single', format('%s variants of %s are marked as control.', total.controls, name));
    end if;
    flag_type := cohort.experiment_type(environment, experiment);
    select v.key, v.value, v.position into odd from cohort.variant v
     where v.environment = check_variants.environment and v.experiment = check_variants.experiment
       and jsonb_typeof(v.value) <> flag_type order by v.position, v.id limit 1;
    if found then
        perform cohort.fail('variant_value_type', format('The value of variant %s of %s is %s; the type of its flag is %s.',
            cohort.shown(odd.key), name, cohort.json_noun(odd.value), flag_type),
            case when cohort.path_of(null) is not null then format('variants[%s].value', odd.position - 1) end);
    end if;
end $$;
comment on function cohort.check_variants(text, text) is
    'Refuses shares that don''t sum, several controls, and values of different types';

create or replace function cohort.experiment_type(environment text, experiment text) returns text
    language sql stable
    as $$ select coalesce(f.type, (select jsonb_typeof(v.value) from cohort.variant v
                                    where v.environment = e.environment and v.experiment = e.key and v.value is not null
                                    order by v.position, v.id limit 1))
            from cohort.experiment e join cohort.flag f on f.environment = e.environment and f.key = e.flag
           where e.environment = $1 and e.key = $2 $$;
comment on function cohort.experiment_type(text, text) is
    'The type of an experiment''s flag, or of its first variant''s value while the flag has none';

create or replace function cohort.variant_set_check() returns trigger
    language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        perform cohort.check_variants(old.environment, old.experiment);
    else
        perform cohort.check_variants(new.environment, new.experiment);
    end if;
    return null;
end $$;
comment on function cohort.variant_set_check() is 'Trigger, at COMMIT: rules of all variants together';
drop trigger if exists variant_set_check on cohort.variant;
create constraint trigger variant_set_check after insert or update or delete on cohort.variant
    deferrable initially deferred for each row execute function cohort.variant_set_check();
