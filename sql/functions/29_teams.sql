-- Teams and their members.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('team_known', '23503', 422, 'There is no such team', 'Make it first: insert into cohort.team (key) values (…).', 'team', 'definition'),
('team_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('team_key_unique', '23505', 409, 'The team exists', 'Use another key, or the team that exists.', 'key', 'definition'),
('team_in_use', '23503', 409, 'Things belong to the team', 'Give them to another team first, or keep it.', 'key', 'definition'),
('team_member_unique', '23505', 409, 'The role belongs to the team', 'Nothing needs to be done.', 'role_name', 'definition'),
('team_member_role', '23503', 422, 'There is no such role', 'Name a role of the database: select rolname from pg_roles lists them.', 'role_name', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.team_check() returns trigger
    language plpgsql as $$
begin
    new.description := coalesce(new.description, '');
    if tg_op = 'UPDATE' then
        if (new.environment, new.key) is distinct from (old.environment, old.key) then
            perform cohort.fail('key_fixed', format('The key of team %s can''t be changed.', cohort.shown(old.key)));
        end if;
        return new;
    end if;
    perform cohort.check_environment(new.environment);
    if not cohort.key_ok(new.key) then
        perform cohort.fail('team_key_format', format('%s can''t be a team''s key.', cohort.shown(new.key)));
    end if;
    perform 1 from cohort.team t where t.environment = new.environment and t.key = new.key;
    if found then
        perform cohort.fail('team_key_unique', format('The team %s exists already.', cohort.shown(new.key)));
    end if;
    return new;
end $$;
comment on function cohort.team_check() is 'Trigger: rules of teams';
create or replace trigger team_check before insert or update on cohort.team
    for each row execute function cohort.team_check();

create or replace function cohort.team_delete_check() returns trigger
    language plpgsql as $$
declare
    owned text;
begin
    select x.what into owned
      from (select format('experiment %s', cohort.shown(e.key)) as what from cohort.experiment e where e.environment = old.environment and e.team = old.key
            union all select format('flag %s', cohort.shown(f.key)) from cohort.flag f where f.environment = old.environment and f.team = old.key
            union all select format('layer %s', cohort.shown(l.key)) from cohort.layer l where l.environment = old.environment and l.team = old.key
            union all select format('segment %s', cohort.shown(s.key)) from cohort.segment s where s.environment = old.environment and s.team = old.key
            union all select format('holdout %s', cohort.shown(h.experiment)) from cohort.holdout h
                       where h.environment = old.environment and h.scope = 'team' and h.scope_key = old.key) x
     order by 1 limit 1;
    if found then
        perform cohort.fail('team_in_use', format('The %s belongs to team %s.', owned, cohort.shown(old.key)));
    end if;
    return old;
end $$;
comment on function cohort.team_delete_check() is 'Trigger: a team something belongs to stays';
create or replace trigger team_delete_check before delete on cohort.team
    for each row execute function cohort.team_delete_check();

create or replace function cohort.check_team(environment text, team text) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    perform 1 from cohort.team t where t.environment = check_team.environment and t.key = check_team.team for key share;
    if not found then
        perform cohort.fail('team_known', format('There is no team %s.', cohort.shown(team)));
    end if;
end $$;
comment on function cohort.check_team(text, text) is 'Refuses a team nobody made';

create or replace function cohort.team_reference_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.check_team(new.environment, new.team);
    return new;
end $$;
comment on function cohort.team_reference_check() is 'Trigger: the team something belongs to exists';
do $$
declare
    t text;
begin
    foreach t in array array['experiment', 'flag', 'layer', 'segment'] loop
        execute format('create or replace trigger team_reference_check before insert or update of team on cohort.%I
            for each row when (new.team is not null) execute function cohort.team_reference_check()', t);
    end loop;
end $$;

create or replace function cohort.team_member_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.check_team(new.environment, new.team);
    if to_regrole(quote_ident(new.role_name)) is null then
        perform cohort.fail('team_member_role', format('There is no role %s.', cohort.shown(new.role_name)));
    end if;
    perform 1 from cohort.team_member m where (m.environment, m.team, m.role_name) = (new.environment, new.team, new.role_name);
    if found and (tg_op = 'INSERT' or new is distinct from old) then
        perform cohort.fail('team_member_unique', format('Role %s belongs to team %s already.', cohort.shown(new.role_name), cohort.shown(new.team)));
    end if;
    return new;
end $$;
comment on function cohort.team_member_check() is 'Trigger: rules of team members';
create or replace trigger team_member_check before insert or update on cohort.team_member
    for each row execute function cohort.team_member_check();

-- A server speaks for the team of the API key it was called with; nobody else can say by a setting whose team he is of.
create or replace function cohort.my_teams(environment text) returns text[]
    language plpgsql stable security definer set search_path = cohort, pg_temp as $$
declare
    named text := nullif(current_setting('cohort.team', true), '');
    server boolean := coalesce(pg_has_role(session_user, to_regrole('cohort_server'), 'member'), false)
        or (select pg_has_role(session_user, c.relowner, 'member') from pg_class c where c.oid = 'cohort.team'::regclass);
begin
    if server and (named is not null or coalesce(current_setting('cohort.key_role', true), '') <> '') then
        return case when my_teams.environment = current_environment() then array_remove(array[named], null) else '{}' end;
    end if;
    return array(select distinct m.team from team_member m
                  where m.environment = my_teams.environment and to_regrole(quote_ident(m.role_name)) is not null
                    and pg_has_role(session_user, to_regrole(quote_ident(m.role_name)), 'member') order by 1);
end $$;
comment on function cohort.my_teams(text) is
    'The teams of an environment that this session acts for: those its user''s roles are members of; in a server''s session, the team of the API key it was called with';

create or replace function cohort.my_teams() returns text[]
    language sql stable as $$ select cohort.my_teams(cohort.current_environment()) $$;
comment on function cohort.my_teams() is 'The teams of the current environment that this session acts for';


