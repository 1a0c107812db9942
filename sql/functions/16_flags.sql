-- Rules of flags and of their rules.

create or replace function cohort.flag_type_check(f cohort.flag) returns void
    language plpgsql as $$
begin
    if f.type is not null and f.type not in ('boolean', 'string', 'number', 'object') then
        perform cohort.fail('flag_type_known', format('%s is no type of a flag.', cohort.shown(f.type)));
    end if;
    if f.default_value is null then
        return;
    end if;
    perform cohort.check_json(format('The default of flag %s', cohort.shown(f.key)), 'default_value', f.default_value);
    if jsonb_typeof(f.default_value) in ('null', 'array')
       or jsonb_typeof(f.default_value) <> coalesce(f.type, jsonb_typeof(f.default_value)) then
        perform cohort.fail('flag_default_type', format('The default of flag %s is %s; its type is %s.', cohort.shown(f.key),
            cohort.json_noun(f.default_value), coalesce(f.type, 'boolean, string, number or object')));
    end if;
end $$;
comment on function cohort.flag_type_check(cohort.flag) is 'Refuses an unknown type and a default that isn''t of it';

-- Whoever asks for the flag relies on its type: it stands once an experiment behind it started or a rule serves.
create or replace function cohort.flag_type_free(f cohort.flag) returns boolean
    language sql stable
    as $$ select not exists (select from cohort.experiment e
                              where e.environment = f.environment and e.flag = f.key and e.status not in ('draft', 'scheduled'))
             and not exists (select from cohort.flag_rule r
                              where r.environment = f.environment and r.flag = f.key and r.value is not null) $$;
comment on function cohort.flag_type_free(cohort.flag) is 'True while nothing was served under the flag''s type';

create or replace function cohort.flag_check() returns trigger
    language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if (new.environment, new.key) is distinct from (old.environment, old.key) then
            perform cohort.fail('key_fixed', format('The key of flag %s can''t be changed.', cohort.shown(old.key)));
        end if;
        if new.type is distinct from old.type and old.type is not null and not cohort.flag_type_free(old) then
            perform cohort.fail('flag_type_fixed', format('Flag %s has type %s, and it was served: it can''t become %s.',
                cohort.shown(old.key), old.type, cohort.shown(new.type)));
        end if;
    else
        perform cohort.check_environment(new.environment);
        if not cohort.key_ok(new.key) then
            perform cohort.fail('flag_key_format', format('%s can''t be a flag''s key.', cohort.shown(new.key)));
        end if;
        perform 1 from cohort.flag f where f.environment = new.environment and f.key = new.key;
        if found then
            perform cohort.fail('flag_key_unique', format('The flag %s exists already.', cohort.shown(new.key)));
        end if;
        new.description := coalesce(new.description, '');
    end if;
    perform cohort.flag_type_check(new);
    return new;
end $$;
comment on function cohort.flag_check() is 'Trigger: rules of flags';
create or replace trigger flag_check before insert or update on cohort.flag
    for each row execute function cohort.flag_check();

create or replace function cohort.flag_delete_check() returns trigger
    language plpgsql as $$
declare
    user_key text;
begin
    select e.key into user_key from cohort.experiment e where e.environment = old.environment and e.flag = old.key limit 1;
    if found then
        perform cohort.fail('flag_in_use', format('Flag %s is used by experiment %s.', cohort.shown(old.key), cohort.shown(user_key)));
    end if;
    return old;
end $$;
comment on function cohort.flag_delete_check() is 'Trigger: a flag in use stays';
create or replace trigger flag_delete_check before delete on cohort.flag
    for each row execute function cohort.flag_delete_check();

-- The columns a kind has, and no others.
create or replace function cohort.flag_rule_shape_check(r cohort.flag_rule) returns void
    language plpgsql as $$
begin
    if r.kind is null or r.kind not in ('force', 'rollout', 'experiment') then
        perform cohort.fail('flag_rule_kind_known', format('%s is no kind of rule.', cohort.shown(r.kind)));
    end if;
    if (r.kind = 'experiment') <> (r.experiment is not null) or (r.kind <> 'experiment') <> (r.value is not null)
       or (r.kind = 'rollout') <> (r.share_ppm is not null) then
        perform cohort.fail('flag_rule_shape', format('A rule of kind %s needs %s and nothing else.', r.kind,
            case r.kind when 'force' then 'value' when 'rollout' then 'value and share_ppm' else 'experiment' end));
    end if;
    if r.share_ppm not between 0 and 1000000 then
        perform cohort.fail('flag_rule_share_range', format('A share of %s lies outside 0 to 1000000.', r.share_ppm));
    end if;
    if coalesce(r.unit_type, '') !~ '^[a-z][a-z0-9_]{0,31}$' then
        perform cohort.fail('flag_rule_unit_type_format', format('%s can''t be a unit type.', cohort.shown(r.unit_type)));
    end if;
end $$;
comment on function cohort.flag_rule_shape_check(cohort.flag_rule) is 'Refuses a rule whose columns don''t fit its kind';

create or replace function cohort.flag_rule_check() returns trigger
    language plpgsql as $$
declare
    f cohort.flag;
    name text := format('a rule of flag %s', cohort.shown(new.flag));
begin
    select * into f from cohort.flag x where x.environment = new.environment and x.key = new.flag for no key update;
    if not found then
        perform cohort.fail('flag_rule_flag_known', format('There is no flag %s.', cohort.shown(new.flag)));
    end if;
    new.unit_type := coalesce(new.unit_type, 'user');
    new.condition := coalesce(new.condition, '{}');
    new.position := coalesce(new.position, (select coalesce(max(r.position), 0) + 1 from cohort.flag_rule r
                                             where r.environment = new.environment and r.flag = new.flag));
    perform cohort.flag_rule_shape_check(new);
    perform cohort.check_condition(name, new.condition);
    if new.value is not null then
        perform cohort.check_json('The value of ' || name, 'value', new.value);
        if jsonb_typeof(new.value) in ('null', 'array') or jsonb_typeof(new.value) <> coalesce(f.type, jsonb_typeof(new.value)) then
            perform cohort.fail('flag_rule_value_type', format('The value of %s is %s; the flag''s type is %s.', name,
                cohort.json_noun(new.value), coalesce(f.type, 'boolean, string, number or object')));
        end if;
        if f.type is null then
            update cohort.flag x set type = jsonb_typeof(new.value) where x.environment = f.environment and x.key = f.key;
        end if;
    end if;
    if tg_op = 'INSERT' and new.salt is not null or tg_op = 'UPDATE' and new.salt is distinct from old.salt then
        perform cohort.fail('flag_rule_salt_fixed', format('The salt of %s can''t be given or changed.', name));
    end if;
    if new.kind = 'rollout' then
        new.salt := coalesce(new.salt, cohort.gen_random_bytes(16));
    end if;
    return new;
end $$;
comment on function cohort.flag_rule_check() is 'Trigger: rules of flag rules';
create or replace trigger flag_rule_check before insert or update on cohort.flag_rule
    for each row execute function cohort.flag_rule_check();

create or replace function cohort.flag_rule_experiment_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    if tg_op <> 'INSERT' and old.experiment is not null then
        select * into e from cohort.experiment x where x.environment = old.environment and x.key = old.experiment;
        if found and e.status in ('running', 'paused', 'shipped') and (tg_op = 'DELETE'
            or (new.environment, new.flag, new.experiment, new.condition)
               is distinct from (old.environment, old.flag, old.experiment, old.condition)) then
            perform cohort.fail('flag_rule_running', format('The rule of experiment %s can''t be removed or changed: it is %s.',
                cohort.shown(e.key), e.status));
        end if;
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    if new.experiment is not null then
        select * into e from cohort.experiment x where x.environment = new.environment and x.key = new.experiment;
        if not found then
            perform cohort.fail('flag_rule_experiment_known', format('There is no experiment %s.', cohort.shown(new.experiment)));
        end if;
        perform 1 from cohort.flag_rule r
          where r.environment = new.environment and r.experiment = new.experiment and r.id <> new.id;
        if found then
            perform cohort.fail('flag_rule_experiment_once', format('Experiment %s has a rule already.', cohort.shown(e.key)));
        end if;
    end if;
    return new;
end $$;
comment on function cohort.flag_rule_experiment_check() is 'Trigger: rules of rules that ask an experiment';
create or replace trigger flag_rule_experiment_check before insert or update or delete on cohort.flag_rule
    for each row execute function cohort.flag_rule_experiment_check();
