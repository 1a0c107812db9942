-- Traffic goes up and down. Slots that were never open are opened by a new phase, which owns them for good;
-- closed slots keep their phase and come back to it. So nobody who is in ever moves. In a bandit all slots are owned
-- from the start, and only closed and opened.

create or replace function cohort.slots_ppm(slots int4multirange) returns int
    language sql immutable parallel safe
    as $$ select coalesce(sum(upper(r) - lower(r)), 0)::int from unnest(slots) r $$;
comment on function cohort.slots_ppm(int4multirange) is 'How many slots there are: parts per million';

create or replace function cohort.slots_lowest(slots int4multirange, n int) returns int4multirange
    language sql immutable parallel safe
    as $$ select coalesce(range_agg(int4range(r.lo, least(r.hi, r.lo + n - r.before))), '{}')
            from (select lower(x) as lo, upper(x) as hi,
                         (sum(upper(x) - lower(x)) over (order by x) - (upper(x) - lower(x)))::int as before
                    from unnest(slots) x) r
           where r.before < n $$;
comment on function cohort.slots_lowest(int4multirange, int) is 'The n lowest of some slots, or all when there are fewer';

create or replace function cohort.all_slots() returns int4multirange
    language sql immutable parallel safe as $$ select '{[0,1000000)}'::int4multirange $$;
comment on function cohort.all_slots() is 'Every slot there is';

create or replace function cohort.first_time_phase(experiment_id int) returns int
    language sql stable parallel safe as $$
    select p.id from cohort.phase p where p.experiment_id = $1 and p.kind = 'time' order by p.number limit 1 $$;
comment on function cohort.first_time_phase(int) is 'The time phase that an iteration of a bandit began with: it keeps the closed slots of all';

create or replace function cohort.last_phase(experiment_id int) returns cohort.phase
    language sql stable as $$
    select p from cohort.phase p where p.experiment_id = $1 order by p.number desc limit 1 $$;
comment on function cohort.last_phase(int) is 'The phase of an iteration that was opened last';

create or replace function cohort.owned_slots(experiment_id int) returns int4multirange
    language sql stable parallel safe
    as $$ select coalesce(range_agg(r), '{}') from cohort.phase p, unnest(p.traffic_slots) r
           where p.experiment_id = $1 and (p.kind = 'traffic' or p.id = cohort.first_time_phase($1)) $$;
comment on function cohort.owned_slots(int) is 'The traffic slots that the phases of an iteration own, closed ones too';

create or replace function cohort.closed_slots(experiment_id int) returns int4multirange
    language sql stable parallel safe
    as $$ select coalesce(range_agg(r), '{}') from cohort.phase p
            join cohort.phase_closed c on c.phase_id = p.id, unnest(c.slots) r where p.experiment_id = $1 $$;
comment on function cohort.closed_slots(int) is 'The closed traffic slots of an iteration';

create or replace function cohort.open_ppm(experiment_id int) returns int
    language sql stable parallel safe
    as $$ select cohort.slots_ppm(cohort.owned_slots($1) - cohort.closed_slots($1)) $$;
comment on function cohort.open_ppm(int) is 'The traffic of an iteration that is open, in parts per million';

-- Shares by variant: whole numbers that sum to 1,000,000, none for a dropped arm, some for the control: a phase
-- without control could not be compared.
create or replace function cohort.check_shares(e cohort.experiment, shares jsonb, what text, place text default null,
        dropped_too boolean default false) returns void
    language plpgsql as $$
declare
    part record;
    v cohort.variant;
    total numeric := 0;
    problem text;
begin
    if jsonb_typeof(shares) is distinct from 'object' then
        perform cohort.fail('ramp_shares', format('The shares of %s must be an object, not %s.', what, coalesce(cohort.json_noun(shares), 'null')), place);
    end if;
    for part in select o.key, o.value from jsonb_each(shares) o loop
        select * into v from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.key = part.key;
        if not found then
            problem := format('name %s, which is no variant', cohort.shown(part.key));
        elsif jsonb_typeof(part.value) <> 'number' then
            problem := format('give %s %s instead of a number', cohort.shown(part.key), cohort.json_noun(part.value));
        elsif part.value::numeric % 1 <> 0 or part.value::numeric not between 0 and 1000000 then
            problem := format('give %s %s, which is no whole number of 0 to 1000000', cohort.shown(part.key), cohort.shown(part.value::numeric));
        elsif v.dropped_at is not null and part.value::numeric > 0 and not dropped_too then
            problem := format('give something to %s, which was dropped', cohort.shown(part.key));
        else
            total := total + part.value::numeric;
            continue;
        end if;
        perform cohort.fail('ramp_shares', format('The shares of %s %s.', what, problem), place);
    end loop;
    if total <> 1000000 then
        perform cohort.fail('ramp_shares', format('The shares of %s add up to %s, not 1000000.', what, total), place);
    end if;
    v := cohort.control_of(e);
    if v.key is not null and coalesce((shares ->> v.key)::numeric, 0) = 0 then
        perform cohort.fail('ramp_shares', format('The shares of %s leave nothing to the control, %s.', what, cohort.shown(v.key)), place);
    end if;
end $$;
comment on function cohort.check_shares(cohort.experiment, jsonb, text, text, boolean) is
    'Refuses shares that name other things than variants, don''t sum, or leave out the control; what: "step 2 of experiment x"';

-- The shares of the last phase, without the arms that were dropped since: what they had goes to the others in
-- proportion, what rounding leaves to the first.
create or replace function cohort.last_shares(e cohort.experiment) returns jsonb
    language sql stable as $$
    with last as (
        select v.key, v.position, v.id, pv.share_ppm::bigint as share, sum(pv.share_ppm) over () as total
          from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id
         where pv.phase_id = (select p.id from cohort.phase p where p.experiment_id = e.id order by p.number desc limit 1)
           and v.dropped_at is null
    ), scaled as (
        select l.*, l.share * 1000000 / l.total as part, row_number() over (order by l.position, l.id) as n from last l
    )
    select jsonb_object_agg(s.key, s.part + case when s.n = 1 then 1000000 - (select sum(x.part) from scaled x) else 0 end)
      from scaled s $$;
comment on function cohort.last_shares(cohort.experiment) is 'The shares a new phase takes when none are given';

create or replace function cohort.add_phase(e cohort.experiment, slots int4multirange, shares jsonb) returns int
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    opened int;
    reached int;
begin
    insert into phase (environment, experiment, experiment_id, number, traffic_slots)
    select e.environment, e.key, e.id, coalesce(max(p.number), 0) + 1, slots from phase p where p.experiment_id = e.id
    returning id, number into opened, reached;
    perform share_out(opened, e, shares);
    return reached;
end $$;
comment on function cohort.add_phase(cohort.experiment, int4multirange, jsonb) is
    'Opens a phase of slots nobody held; returns its number';
revoke execute on function cohort.add_phase(cohort.experiment, int4multirange, jsonb) from public;

create or replace function cohort.set_closed(e cohort.experiment, closed int4multirange) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    insert into phase_closed as c (phase_id, slots)
    select p.id, p.traffic_slots * closed from phase p
     where p.experiment_id = e.id and (p.kind = 'traffic' or p.id = first_time_phase(e.id))
       and (p.traffic_slots && closed or exists (select from phase_closed o where o.phase_id = p.id))
    on conflict (phase_id) do update set slots = excluded.slots, changed_at = clock_timestamp()
     where c.slots <> excluded.slots;
end $$;
comment on function cohort.set_closed(cohort.experiment, int4multirange) is
    'Closes exactly these traffic slots; all others of the phases are open';
revoke execute on function cohort.set_closed(cohort.experiment, int4multirange) from public;

-- Down: the slots that were opened last are closed first. Up: closed slots come back first, then new ones open.
-- Returns what was opened, null when traffic went down.
create or replace function cohort.set_traffic(e cohort.experiment, traffic_ppm int, shares jsonb, what text, out opened int4multirange, out said text)
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    owned int4multirange := owned_slots(e.id);
    closed int4multirange := closed_slots(e.id);
    before int := slots_ppm(owned - closed);
    more int := traffic_ppm - before;
    back int4multirange;
    fresh int4multirange;
    number int;
begin
    if more < 0 then
        if shares is not null then
            perform fail('ramp_shares_owned', format('Traffic of %s goes down from %s to %s: there is nothing to share.', what, before, traffic_ppm));
        end if;
        perform set_closed(e, owned - slots_lowest(owned - closed, traffic_ppm));
        said := format('traffic down to %s ppm', traffic_ppm);
        return;
    end if;
    back := slots_lowest(closed, more);
    fresh := slots_lowest(all_slots() - owned, more - slots_ppm(back));
    if isempty(fresh) and shares is not null then
        perform fail('ramp_shares_owned', format('All the traffic that %s opens was open before and keeps its shares.', what));
    end if;
    if not isempty(back) then
        perform set_closed(e, closed - back);
    end if;
    if not isempty(fresh) then
        number := add_phase(e, fresh, coalesce(shares, last_shares(e)));
    end if;
    opened := back + fresh;
    said := format('traffic up to %s ppm%s', traffic_ppm, case when number is not null then format(', phase %s', number) else '' end);
end $$;
comment on function cohort.set_traffic(cohort.experiment, int, jsonb, text) is
    'Opens or closes traffic slots until this much is open; says what it did and what it opened';
revoke execute on function cohort.set_traffic(cohort.experiment, int, jsonb, text) from public;

create or replace function cohort.ramp(key text, traffic_ppm int, shares jsonb default null, reason text default null) returns int
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
    name text := format('experiment %s', cohort.shown(e.key));
begin
    perform cohort.check_live(e, 'its traffic can''t be changed');
    if traffic_ppm is null or traffic_ppm not between 0 and 1000000 then
        perform cohort.fail('ramp_traffic_range', format('Traffic of %s can''t become %s: it lies in 0 to 1000000.', name, coalesce(traffic_ppm::text, 'null')));
    end if;
    if traffic_ppm = cohort.open_ppm(e.id) then
        perform cohort.fail('ramp_same', format('%s ppm of the traffic of %s are open already.', traffic_ppm, name));
    end if;
    if shares is not null then
        perform cohort.check_shares(e, shares, 'the new traffic of ' || name);
    end if;
    perform cohort.run_command(e, jsonb_build_object('do', 'ramp', 'traffic_ppm', traffic_ppm, 'shares', shares), reason);
    return traffic_ppm;
end $$;
comment on function cohort.ramp(text, int, jsonb, text) is
    'Opens or closes traffic of a running experiment until this much (parts per million) is open. What was never open gets the shares given, {"control": 500000, …}, else those of the last phase; what was open gets back what it had. Returns the traffic';

-- Steps of the schedule.
create or replace function cohort.ramp_step_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
    name text;
begin
    if cohort.within() then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    if tg_op <> 'INSERT' then
        perform cohort.experiment_draft(old.environment, old.experiment, null, 'ramp_step_fixed', 'ramp');
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    e := cohort.experiment_draft(new.environment, new.experiment, 'ramp_step_experiment_known', 'ramp_step_fixed', 'ramp');
    new.wait_s := coalesce(new.wait_s, 86400);
    new.number := coalesce(new.number, (select coalesce(max(s.number), 0) + 1 from cohort.ramp_step s
                                         where s.environment = new.environment and s.experiment = new.experiment));
    name := format('step %s of experiment %s', new.number, cohort.shown(new.experiment));
    if tg_op = 'INSERT' then
        perform 1 from cohort.ramp_step s where s.environment = new.environment and s.experiment = new.experiment and s.number = new.number;
        if found then
            perform cohort.fail('ramp_step_unique', format('There is a %s already.', name));
        end if;
    end if;
    if new.number not between 1 and 100 then
        perform cohort.fail('ramp_step_number_range', format('A ramp can''t have a %s: there are 100 at most.', name));
    end if;
    if new.traffic_ppm is null or new.traffic_ppm not between 1 and 1000000 then
        perform cohort.fail('ramp_step_traffic_range', format('The traffic_ppm of %s is %s; it must lie in 1 to 1000000.', name, coalesce(new.traffic_ppm::text, 'null')));
    end if;
    if new.wait_s < 0 then
        perform cohort.fail('ramp_step_wait_range', format('The wait_s of %s is %s.', name, new.wait_s));
    end if;
    if (new.state, new.done_at, new.note, new.opened) is distinct from ('waiting', null::timestamptz, null::text, null::int4multirange) then
        perform cohort.fail('ramp_step_state_known', format('What became of %s can''t be set.', name));
    end if;
    return new;
end $$;
comment on function cohort.ramp_step_check() is 'Trigger: rules of a step of a ramp';
create or replace trigger ramp_step_check before insert or update or delete on cohort.ramp_step
    for each row execute function cohort.ramp_step_check();

create or replace function cohort.check_ramp(environment text, experiment text) returns void
    language plpgsql as $$
declare
    e cohort.experiment;
    s cohort.ramp_step;
    reached int;
    place text;
begin
    select * into e from cohort.experiment x where x.environment = check_ramp.environment and x.key = check_ramp.experiment;
    reached := e.traffic_ppm;
    for s in select * from cohort.ramp_step x where x.environment = e.environment and x.experiment = e.key order by x.number loop
        place := case when cohort.path_of(null) is not null then format('ramp[%s]', s.number - 1) end;
        if s.traffic_ppm <= reached then
            perform cohort.fail('ramp_step_order', format('Step %s of experiment %s goes to %s, which is not above %s.', s.number,
                cohort.shown(e.key), s.traffic_ppm, reached), place);
        end if;
        if s.shares is not null then
            perform cohort.check_shares(e, s.shares, format('step %s of experiment %s', s.number, cohort.shown(e.key)), place || '.shares', true);
        end if;
        reached := s.traffic_ppm;
    end loop;
end $$;
comment on function cohort.check_ramp(text, text) is 'Refuses steps that don''t go up, and shares that don''t fit the variants';

create or replace function cohort.ramp_set_check() returns trigger
    language plpgsql as $$
begin
    if exists (select from cohort.experiment e where e.environment = new.environment and e.key = new.experiment
                  and e.status in ('draft', 'scheduled')) then
        perform cohort.check_ramp(new.environment, new.experiment);
    end if;
    return null;
end $$;
comment on function cohort.ramp_set_check() is 'Trigger, at COMMIT: rules of all steps together';
drop trigger if exists ramp_set_check on cohort.ramp_step;
create constraint trigger ramp_set_check after insert or update on cohort.ramp_step
    deferrable initially deferred for each row execute function cohort.ramp_set_check();
