-- Holdouts: experiments of kind holdout, and which experiments they cover.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('holdout_experiment_known', '23503', 422, 'A holdout is an experiment of kind holdout', 'Make it first: insert into cohort.experiment (key, kind) values (…, ''holdout'').', 'experiment', 'definition'),
('holdout_unique', '23505', 409, 'The holdout has its scope', 'Update the row that exists.', null, 'definition'),
('holdout_plain', '23514', 422, 'A holdout has no flag, condition, layer or share of traffic', 'Leave these out: it covers the experiments its scope names, and its share is that of its variants.', null, 'definition'),
('holdout_kind_fixed', '55000', 409, 'A holdout stays one', 'Make a new experiment of the kind you want.', 'kind', 'definition'),
('holdout_scope_known', '23514', 422, 'A scope has four words', 'scope is one of: global, layer, tag, team.', 'scope', 'definition'),
('holdout_scope_key', '23514', 422, 'A scope names what it is of', 'Give the layer, tag or team as scope_key; a global holdout has none.', 'scope_key', 'definition'),
('holdout_missing', '23514', 422, 'A holdout says what it covers', 'insert into cohort.holdout (experiment, scope, scope_key) values (…).', 'scope', 'definition'),
('holdout_whole', '23514', 422, 'A holdout leaves somebody in', 'Give a share to a variant that gives everything: most of the units.', 'variants', 'definition'),
('holdout_empty', '23514', 422, 'A holdout keeps somebody out', 'Give a share to a variant that gives nothing, rules or shipped.', 'variants', 'definition'),
('holdout_running_fixed', '55000', 409, 'A holdout that has started keeps its scope', 'Stop it, and make a new one.', null, 'definition'),
('holdout_moves', '55000', 409, 'Nobody moves into or out of a holdout by a change of tags, team or layer', 'Stop the experiment or the holdout first, or leave tags, team and layer as they are.', null, 'definition'),
('holdout_most', '23514', 422, 'An experiment is under at most 8 holdouts', 'Stop a holdout, or give this one a narrower scope.', null, 'definition'),
('holdout_action', '55000', 409, 'A holdout can''t be shipped, and its arms can''t be dropped', 'Stop it: from then on it holds nobody out.', null, 'definition'),
('variant_gives_known', '23514', 422, 'An arm of a holdout gives one of four things', 'gives is one of: nothing (every flag''s default), rules (force and rollout rules), shipped (rules and what has shipped), everything.', 'gives', 'definition'),
('variant_gives_value', '23514', 422, 'A holdout''s arm gives, an experiment''s variant has a value', 'In a holdout, say what the arm gives; in an experiment, give the variant a value.', 'gives', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- The plain columns of an experiment of kind holdout.
create or replace function cohort.holdout_plain_check() returns trigger
    language plpgsql as $$
declare
    name text := format('Holdout %s', cohort.shown(new.key));
    given text;
begin
    if tg_op = 'UPDATE' and new.kind is distinct from old.kind and 'holdout' in (new.kind, old.kind) then
        perform cohort.fail('holdout_kind_fixed', format('Experiment %s is %s.', cohort.shown(old.key),
            case old.kind when 'holdout' then 'a holdout and stays one' else 'no holdout and can''t become one' end));
    end if;
    if new.kind is distinct from 'holdout' then
        return new;
    end if;
    given := case when new.flag is not null then 'flag' when new.condition is distinct from '{}' then 'condition'
                  when new.layer is not null then 'layer' when new.traffic_ppm <> 1000000 then 'traffic_ppm' end;
    if given is not null then
        perform cohort.fail('holdout_plain', format('%s can''t have a %s.', name,
            case given when 'traffic_ppm' then 'traffic of its own' else given end), cohort.path_of(given));
    end if;
    if new.status = 'shipped' then
        perform cohort.fail('holdout_action', format('%s can''t be shipped.', name));
    end if;
    return new;
end $$;
comment on function cohort.holdout_plain_check() is 'Trigger: what a holdout has none of';
create or replace trigger holdout_plain_check before insert or update on cohort.experiment
    for each row execute function cohort.holdout_plain_check();

create or replace function cohort.variant_gives_check() returns trigger
    language plpgsql as $$
declare
    name text := format('variant %s of experiment %s', cohort.shown(new.key), cohort.shown(new.experiment));
    held boolean;
begin
    select e.kind = 'holdout' into held from cohort.experiment e where e.environment = new.environment and e.key = new.experiment;
    if new.gives not in ('nothing', 'rules', 'shipped', 'everything') or (held and new.gives is null) then
        perform cohort.fail('variant_gives_known', format('%s is nothing that %s can give.', cohort.shown(new.gives), name));
    end if;
    if (not held and new.gives is not null) or (held and new.value is not null) then
        perform cohort.fail('variant_gives_value', case when held then format('%s can''t have a value: it is an arm of a holdout.', initcap(left(name, 1)) || substr(name, 2))
            else format('%s can''t give anything: its experiment is no holdout.', initcap(left(name, 1)) || substr(name, 2)) end);
    end if;
    if held and tg_op = 'UPDATE' and new.dropped_at is distinct from old.dropped_at then
        perform cohort.fail('holdout_action', format('Arms of holdout %s can''t be dropped.', cohort.shown(new.experiment)));
    end if;
    return new;
end $$;
comment on function cohort.variant_gives_check() is 'Trigger: what an arm of a holdout gives';
create or replace trigger variant_gives_check before insert or update on cohort.variant
    for each row execute function cohort.variant_gives_check();

create or replace function cohort.holdout_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
    name text := format('holdout %s', cohort.shown(new.experiment));
begin
    if tg_op = 'UPDATE' and (new.environment, new.experiment) is distinct from (old.environment, old.experiment) then
        perform cohort.fail('key_fixed', format('The scope of holdout %s can''t become another''s.', cohort.shown(old.experiment)));
    end if;
    e := cohort.experiment_draft(new.environment, new.experiment, 'holdout_experiment_known', 'holdout_running_fixed', 'scope');
    if e.kind <> 'holdout' then
        perform cohort.fail('holdout_experiment_known', format('Experiment %s is no holdout.', cohort.shown(new.experiment)));
    end if;
    new.exempts_running := coalesce(new.exempts_running, true);
    if tg_op = 'INSERT' then
        perform 1 from cohort.holdout h where h.environment = new.environment and h.experiment = new.experiment;
        if found then
            perform cohort.fail('holdout_unique', format('The %s has its scope already.', name));
        end if;
    end if;
    if new.scope is null or new.scope not in ('global', 'layer', 'tag', 'team') then
        perform cohort.fail('holdout_scope_known', format('%s is no scope of a holdout.', cohort.shown(new.scope)));
    end if;
    if (new.scope = 'global') <> (new.scope_key is null) or not cohort.key_ok(coalesce(new.scope_key, 'x')) then
        perform cohort.fail('holdout_scope_key', case when new.scope = 'global' then format('The global %s names %s.', name, cohort.shown(new.scope_key))
            else format('The scope of %s is a %s, and it names %s.', name, new.scope, case when new.scope_key is null then 'none' else cohort.shown(new.scope_key) end) end);
    end if;
    if new.scope = 'team' then
        perform cohort.check_team(new.environment, new.scope_key);
    elsif new.scope = 'layer' and not exists (select from cohort.layer l where l.environment = new.environment and l.key = new.scope_key) then
        perform cohort.fail('holdout_scope_key', format('There is no layer %s.', cohort.shown(new.scope_key)));
    end if;
    return new;
end $$;
comment on function cohort.holdout_check() is 'Trigger: rules of holdouts';
create or replace trigger holdout_check before insert or update on cohort.holdout
    for each row execute function cohort.holdout_check();

create or replace function cohort.holdout_delete_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.experiment_draft(old.environment, old.experiment, null, 'holdout_running_fixed', 'scope');
    return old;
end $$;
comment on function cohort.holdout_delete_check() is 'Trigger: only a draft''s scope can be deleted';
create or replace trigger holdout_delete_check before delete on cohort.holdout
    for each row execute function cohort.holdout_delete_check();

create or replace function cohort.check_holdout_start(e cohort.experiment) returns void
    language plpgsql as $$
declare
    name text := format('Holdout %s', cohort.shown(e.key));
    total record;
begin
    perform 1 from cohort.holdout h where h.environment = e.environment and h.experiment = e.key;
    if not found then
        perform cohort.fail('holdout_missing', format('%s doesn''t say what it covers.', name));
    end if;
    select count(*) filter (where v.gives = 'everything') as whole, count(*) filter (where v.gives <> 'everything') as kept into total
      from cohort.variant v where v.environment = e.environment and v.experiment = e.key;
    if total.whole = 0 then
        perform cohort.fail('holdout_whole', format('%s holds everybody out.', name));
    elsif total.kept = 0 then
        perform cohort.fail('holdout_empty', format('%s holds nobody out.', name));
    end if;
end $$;
comment on function cohort.check_holdout_start(cohort.experiment) is 'Checks what the start of a holdout needs besides what variants need anywhere';

-- The scope covers the experiment and nothing else is asked; scopes are asked in this order.
create or replace function cohort.scope_order(scope text) returns int
    language sql immutable parallel safe
    as $$ select array_position(array['global', 'team', 'tag', 'layer'], scope) $$;
comment on function cohort.scope_order(text) is 'The place of a scope in the order holdouts are asked: global, team, tag, layer';

create or replace function cohort.scope_covers(h cohort.holdout, e cohort.experiment) returns boolean
    language sql immutable parallel safe
    as $$ select case h.scope when 'global' then true when 'layer' then coalesce(e.layer = h.scope_key, false)
                              when 'team' then coalesce(e.team = h.scope_key, false) else h.scope_key = any (e.tags) end $$;
comment on function cohort.scope_covers(cohort.holdout, cohort.experiment) is 'True when the experiment is of the holdout''s scope';

-- Members are drawn by their unit, so a holdout covers experiments of its own unit type. Asked are those that run.
drop view if exists cohort.holdout_covers;
create view cohort.holdout_covers as
select e.environment, e.key as experiment, e.id as experiment_id, h.experiment as holdout, x.id as holdout_id, h.scope,
       row_number() over (partition by e.environment, e.key order by cohort.scope_order(h.scope), x.id)::int as place
  from cohort.holdout h
  join cohort.experiment x on x.environment = h.environment and x.key = h.experiment and x.status = 'running'
  join cohort.experiment e on e.environment = h.environment and e.kind <> 'holdout' and e.unit_type = x.unit_type
   and e.origin = 'live' and e.status not in ('stopped', 'archived') and cohort.scope_covers(h, e)
   and (not h.exempts_running or e.started_at is null or e.started_at > x.started_at)
 where not exists (select from cohort.stop_event s where s.experiment_id = x.id and s.iteration = x.iteration);
comment on view cohort.holdout_covers is
    'Which running holdouts an experiment asks, in order. A holdout that exempts what was running leaves out experiments that started before it';
comment on column cohort.holdout_covers.environment is 'The environment of both';
comment on column cohort.holdout_covers.experiment is 'The experiment that asks';
comment on column cohort.holdout_covers.experiment_id is 'Its id';
comment on column cohort.holdout_covers.holdout is 'The holdout';
comment on column cohort.holdout_covers.holdout_id is 'Its id, as events carry it';
comment on column cohort.holdout_covers.scope is 'global, team, tag or layer';
comment on column cohort.holdout_covers.place is 'Its place in the order they are asked, from 1';

-- Servers ask at most 8 for one decision.
create or replace function cohort.holdout_most_check() returns trigger
    language plpgsql as $$
declare
    crowded record;
begin
    select c.experiment, count(*) as n into crowded from cohort.holdout_covers c
     where c.environment = new.environment and (c.experiment = new.key or new.kind = 'holdout')
     group by c.experiment having count(*) > 8 order by 1 limit 1;
    if found then
        perform cohort.fail('holdout_most', format('Experiment %s would be under %s holdouts.', cohort.shown(crowded.experiment), crowded.n));
    end if;
    return null;
end $$;
comment on function cohort.holdout_most_check() is 'Trigger: refuses a start that would put an experiment under more than 8 holdouts';
create or replace trigger holdout_most_check after update of status, tags, team, layer on cohort.experiment
    for each row when (new.status = 'running') execute function cohort.holdout_most_check();

create or replace function cohort.holdouts_of(experiment text)
    returns table(holdout text, id int, scope text, scope_key text, place int)
    language sql stable as $$
    select c.holdout, c.holdout_id, c.scope, h.scope_key, c.place
      from cohort.holdout_covers c join cohort.holdout h on h.environment = c.environment and h.experiment = c.holdout
     where c.environment = cohort.current_environment() and c.experiment = $1 order by c.place $$;
comment on function cohort.holdouts_of(text) is
    'The holdouts an experiment asks now, in order; the first whose arm doesn''t give everything decides';

-- An edit of tags, team or layer would move people who are in.
create or replace function cohort.holdout_moves_check() returns trigger
    language plpgsql as $$
declare
    changed text;
begin
    select h.experiment into changed from cohort.holdout h
      join cohort.experiment x on x.environment = h.environment and x.key = h.experiment and x.status = 'running'
     where h.environment = new.environment and x.unit_type = new.unit_type
       and cohort.scope_covers(h, old) <> cohort.scope_covers(h, new)
       and (not h.exempts_running or old.started_at > x.started_at) order by 1 limit 1;
    if found then
        perform cohort.fail('holdout_moves', format('Experiment %s is %s: the change would move people %s holdout %s.',
            cohort.shown(old.key), old.status, 'into or out of', cohort.shown(changed)));
    end if;
    return new;
end $$;
comment on function cohort.holdout_moves_check() is 'Trigger: an experiment that is served stays under the holdouts it is under';
create or replace trigger holdout_moves_check before update of tags, team, layer on cohort.experiment
    for each row when (old.status in ('running', 'paused', 'shipped') and old.kind <> 'holdout')
    execute function cohort.holdout_moves_check();

-- The product of the holdouts' shares that let units in, in the order they are asked, rounded down after each. A shipped
-- variant is given by the arms that give what has shipped, too.
create or replace function cohort.holdout_ppm(experiment text) returns int
    language plpgsql stable as $$
declare
    share bigint;
    ppm bigint := 1000000;
begin
    for share in
        select coalesce(sum(v.share_ppm) filter (where v.gives = 'everything' or (v.gives = 'shipped' and e.status = 'shipped')), 0)
          from cohort.holdout_covers c
          join cohort.experiment e on e.environment = c.environment and e.key = c.experiment
          join cohort.variant v on v.environment = c.environment and v.experiment = c.holdout
         where c.environment = cohort.current_environment() and c.experiment = $1
         group by c.place order by c.place
    loop
        ppm := ppm * share / 1000000;
    end loop;
    return ppm;
end $$;
comment on function cohort.holdout_ppm(text) is
    'The probability that no holdout keeps a unit out of an experiment, in parts per million: its factor in inclusion';
