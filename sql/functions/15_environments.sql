-- Environments and API keys.

create or replace function cohort.environment_check() returns trigger
    language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if new.key is distinct from old.key then
            perform cohort.fail('key_fixed', format('The key of environment %s can''t be changed.', cohort.shown(old.key)));
        end if;
        return new;
    end if;
    if not cohort.key_ok(new.key) then
        perform cohort.fail('environment_key_format', format('%s can''t be an environment''s key.', cohort.shown(new.key)));
    end if;
    perform 1 from cohort.environment e where e.key = new.key;
    if found then
        perform cohort.fail('environment_key_unique', format('The environment %s exists already.', cohort.shown(new.key)));
    end if;
    return new;
end $$;
comment on function cohort.environment_check() is 'Trigger: rules of environments';
create or replace trigger environment_check before insert or update on cohort.environment
    for each row execute function cohort.environment_check();

-- A new environment can be used at once: it has secrets and the metrics every environment begins with.
create or replace function cohort.environment_furnish() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    insert into secret (environment) values (new.key) on conflict do nothing;
    insert into metric (environment, key, event, kind, direction_good, window_end_s, description)
    select new.key, m.key, m.key, 'binary', 'down', 604800, m.text || ' within 7 days of the first exposure'
      from (values ('unsubscribe', 'Unsubscribed'), ('complaint', 'Complained'), ('refund', 'Was refunded')) m(key, text);
    return null;
end $$;
comment on function cohort.environment_furnish() is 'Trigger: gives a new environment its secrets and first metrics';
create or replace trigger environment_furnish after insert on cohort.environment
    for each row execute function cohort.environment_furnish();

create or replace function cohort.api_key_check() returns trigger
    language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if (new.environment, new.role, new.team, new.hash, new.created_at, new.created_by)
           is distinct from (old.environment, old.role, old.team, old.hash, old.created_at, old.created_by)
           or (old.revoked_at is not null and new.revoked_at is null) then
            perform cohort.fail('api_key_fixed', format('Of API key %s only the name, the priority and the rate limit can be changed, and revoked_at be set.', old.id));
        end if;
    end if;
    perform cohort.check_environment(new.environment);
    if tg_op = 'INSERT' then
        new.priority := coalesce(new.priority, case when new.role = 'client' then 'low' else 'normal' end);
    end if;
    if length(new.hash) is distinct from 32 then
        perform cohort.fail('api_key_fixed', 'An API key is kept as an HMAC of 32 bytes.');
    end if;
    if new.role is null or new.role not in ('admin', 'product', 'analyst', 'events', 'client') then
        perform cohort.fail('api_key_role_known', format('%s is no role of an API key.', cohort.shown(new.role)));
    end if;
    if new.priority is null or new.priority not in ('low', 'normal') then
        perform cohort.fail('api_key_priority_known', format('%s is no priority of an API key.', cohort.shown(new.priority)), 'priority');
    end if;
    if new.rate_limit not between 1 and 1000000 then
        perform cohort.fail('api_key_rate_known', format('%s requests a second are no limit of an API key.', new.rate_limit), 'rate_limit');
    end if;
    if coalesce(length(new.name), 0) not between 1 and 200 then
        perform cohort.fail('api_key_name_length', format('An API key''s name has 1 to 200 characters, not %s.', coalesce(length(new.name), 0)));
    end if;
    return new;
end $$;
comment on function cohort.api_key_check() is 'Trigger: rules of API keys';
create or replace trigger api_key_check before insert or update on cohort.api_key
    for each row execute function cohort.api_key_check();


-- The unit key decides who everybody is: another one would move every person in every experiment.
insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('secret_fixed', '55000', 409, 'An environment''s secrets stay as they are', 'Another unit key would draw everybody anew, and other hashes would shut every API key out. Make a new environment.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;
create or replace function cohort.secret_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.fail('secret_fixed', 'The secrets of an environment can''t be changed.');
    return null;
end $$;
comment on function cohort.secret_check() is 'Trigger: secrets are made once';
create or replace trigger secret_check before update or delete or truncate on cohort.secret
    for each statement execute function cohort.secret_check();
