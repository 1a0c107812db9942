-- Teams change what is theirs. Row security says which rows a role may change; a trigger says the same with our
-- sentence, and says it too where roles could not be made and a server acts for product keys as itself.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('team_foreign', '42501', 403, 'It belongs to another team', 'Ask that team to change it, or an administrator to make you a member: insert into cohort.team_member (team, role_name) values (…).', 'team', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- Not bound: the owner of the tables and servers, unless they act for a product key.
create or replace function cohort.bound_to_teams() returns boolean
    language plpgsql stable as $$
begin
    if current_setting('cohort.key_role', true) = 'product' then
        return true;
    end if;
    return not pg_has_role(current_user, (select c.relowner from pg_class c where c.oid = 'cohort.team'::regclass), 'member')
        and not coalesce(pg_has_role(current_user, to_regrole('cohort_server'), 'member'), false);
end $$;
comment on function cohort.bound_to_teams() is 'True when this session may change only what belongs to its teams, or to nobody';

create or replace function cohort.may_edit(environment text, team text) returns boolean
    language plpgsql stable as $$
begin
    return team is null or not cohort.bound_to_teams() or team = any (cohort.my_teams(environment));
end $$;
comment on function cohort.may_edit(text, text) is 'True when this session may change what belongs to a team of an environment; null: to nobody';

create or replace function cohort.check_may_edit(name text, environment text, team text) returns void
    language plpgsql stable as $$
declare
    mine text[];
begin
    if not cohort.may_edit(environment, team) then
        mine := cohort.my_teams(environment);
        perform cohort.fail('team_foreign', format('%s belongs to team %s; you act for %s.', upper(left(name, 1)) || substr(name, 2), cohort.shown(team),
            case cardinality(mine) when 0 then 'no team' when 1 then 'team ' || cohort.shown(mine[1])
                else 'teams ' || (select string_agg(cohort.shown(t), ', ') from unnest(mine) t) end));
    end if;
end $$;
comment on function cohort.check_may_edit(text, text, text) is 'Refuses, in a sentence about the thing named, to change what belongs to another team';

create or replace function cohort.experiment_team(environment text, experiment text) returns text
    language sql stable
    as $$ select e.team from cohort.experiment e where e.environment = $1 and e.key = $2 $$;
comment on function cohort.experiment_team(text, text) is 'The team of an experiment, and so of its parts';

create or replace function cohort.flag_team(environment text, flag text) returns text
    language sql stable
    as $$ select f.team from cohort.flag f where f.environment = $1 and f.key = $2 $$;
comment on function cohort.flag_team(text, text) is 'The team of a flag, and so of its rules';

-- For functions, before they touch a row: row security alone would pass over it in silence.
create or replace function cohort.check_team_of(thing text, key text) returns void
    language plpgsql stable as $$
declare
    env text := cohort.current_environment();
    owner_of text := key;
    team text;
begin
    if not cohort.bound_to_teams() then
        return;
    end if;
    case thing
    when 'flag' then
        team := cohort.flag_team(env, key);
    when 'layer' then
        select l.team into team from cohort.layer l where l.environment = env and l.key = check_team_of.key;
    when 'segment' then
        select s.team into team from cohort.segment s where s.environment = env and s.key = check_team_of.key;
    when 'override' then
        select o.experiment into owner_of from cohort.override o where o.environment = env and o.key = check_team_of.key;
        team := cohort.experiment_team(env, owner_of);
    else
        team := cohort.experiment_team(env, key);
    end case;
    perform cohort.check_may_edit(case when thing = 'override' then format('experiment %s', cohort.shown(owner_of))
                                       else format('%s %s', thing, cohort.shown(key)) end, env, team);
end $$;
comment on function cohort.check_team_of(text, text) is
    'Refuses when an experiment, flag, layer, segment or override of the current environment belongs to another team';

-- Only for statements that were sent: what triggers do in their course has been allowed with the statement.
create or replace function cohort.team_check_row() returns trigger
    language plpgsql as $$
declare
    was jsonb;
    becomes jsonb;
begin
    if pg_trigger_depth() > 1 or not cohort.bound_to_teams() then
        return coalesce(new, old);
    end if;
    was := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    becomes := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    if tg_argv[0] = 'team' then
        perform cohort.check_may_edit(format('%s %s', tg_table_name, cohort.shown(r ->> 'key')), r ->> 'environment', r ->> 'team')
           from unnest(array[was, becomes]) r where r is not null;
        if tg_table_name = 'experiment' and becomes is not null and (was is null or was -> 'flag' <> becomes -> 'flag'
                or (was ->> 'status' in ('draft', 'scheduled') and becomes ->> 'status' in ('scheduled', 'running'))) then
            perform cohort.check_may_edit('flag ' || cohort.shown(becomes ->> 'flag'), becomes ->> 'environment',
                                          cohort.flag_team(becomes ->> 'environment', coalesce(becomes ->> 'flag', becomes ->> 'key')));
        end if;
    elsif tg_argv[0] = 'flag' then
        perform cohort.check_may_edit('flag ' || cohort.shown(r ->> 'flag'), r ->> 'environment', cohort.flag_team(r ->> 'environment', r ->> 'flag'))
           from unnest(array[was, becomes]) r where r is not null;
    else
        perform cohort.check_may_edit('experiment ' || cohort.shown(r ->> 'experiment'), r ->> 'environment', cohort.experiment_team(r ->> 'environment', r ->> 'experiment'))
           from unnest(array[was, becomes]) r where r is not null;
    end if;
    return coalesce(new, old);
end $$;
comment on function cohort.team_check_row() is 'Trigger: a team changes what is its own; the argument says where the team is: in the row, its experiment, or its flag';

-- Policies for whoever has the grants: reading all, changing one's own.
do $$
declare
    t record;
    mine text;
begin
    for t in
        select x.name, x.place from (values ('experiment', 'team'), ('flag', 'team'), ('layer', 'team'), ('segment', 'team'),
            ('flag_rule', 'flag'), ('variant', 'experiment'), ('guardrail', 'experiment'), ('override', 'experiment'),
            ('prerequisite', 'experiment'), ('ramp_step', 'experiment'), ('holdout', 'experiment'),
            ('experiment_metric', 'experiment'), ('stop_condition', 'experiment'), ('bandit', 'experiment'),
            ('contextual', 'experiment'), ('challenger', 'experiment')) x(name, place)
    loop
        mine := case t.place when 'team' then 'cohort.may_edit(environment, team)'
                             else format('cohort.may_edit(environment, cohort.%s_team(environment, %I))', t.place, t.place) end;
        execute format('drop policy if exists read_all on cohort.%I', t.name);
        execute format('create policy read_all on cohort.%I for select using (true)', t.name);
        execute format('drop policy if exists make_own on cohort.%I', t.name);
        execute format('create policy make_own on cohort.%I for insert with check (%s)', t.name, mine);
        execute format('drop policy if exists change_own on cohort.%I', t.name);
        execute format('create policy change_own on cohort.%I for update using (%s) with check (%s)', t.name, mine, mine);
        execute format('drop policy if exists delete_own on cohort.%I', t.name);
        execute format('create policy delete_own on cohort.%I for delete using (%s)', t.name, mine);
        execute format('create or replace trigger a_team_check before insert or update or delete on cohort.%I
            for each row execute function cohort.team_check_row(%L)', t.name, t.place);
    end loop;
end $$;
