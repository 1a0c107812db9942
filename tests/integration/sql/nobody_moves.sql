-- Nobody moves, ever: random histories of ramps up, down and up again, new weights, growth in a layer, pauses and
-- dropped arms, over 2,000 units. Once a unit is enrolled, the phase and variant the contract gives it never change
-- while its slots are open and its arm is in; when they open again it is the same again. Nor has a slot two owners.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
set jit = off;
select setseed(:seed) is null as seeded \gset

create temp table unit as select gen_random_uuid() as unit from generate_series(1, 2000);
create temp table enrolled (unit uuid primary key, phase int not null, variant text not null);
create temp table now_is (unit uuid primary key, phase int, variant text);
create temp table tally (what text primary key, n bigint not null);
insert into tally values ('histories', 0), ('steps', 0), ('enrolled', 0), ('moved', 0), ('lost', 0), ('two owners', 0), ('outside', 0);
create function pg_temp.count(what text, n bigint) returns void language sql as $$ update tally set n = tally.n + $2 where tally.what = $1 $$;
create function pg_temp.pick(n int) returns int language sql volatile as $$ select floor(random() * n)::int $$;

-- Random whole shares, the control's among them, of the arms that are in.
create function pg_temp.shares(e text) returns jsonb language sql volatile as $$
    with w as (select v.key, 1 + pg_temp.pick(9) as w, row_number() over (order by v.position) as n
                 from cohort.variant v where v.experiment = e and v.dropped_at is null),
         s as (select key, n, 1000000 / sum(w) over () * w as share from w)
    select jsonb_object_agg(key, share + case when n = 1 then 1000000 - (select sum(share) from s) else 0 end) from s $$;

create function pg_temp.look(e text) returns void language plpgsql as $$
begin
    truncate now_is;
    insert into now_is select u.unit, x.phase, x.variant from unit u cross join lateral cohort.expected_assignment(e, u.unit) x;
    perform pg_temp.count('moved', (select count(*) from now_is n join enrolled o using (unit) where (n.phase, n.variant) <> (o.phase, o.variant)));
    -- Who is out is out because slots were closed or the arm was dropped.
    perform pg_temp.count('lost', (select count(*) from enrolled o left join now_is n using (unit)
        join cohort.experiment x on x.key = e
        join cohort.phase p on p.experiment_id = x.id and p.number = o.phase
        left join cohort.phase_closed c on c.phase_id = p.id
        join cohort.variant v on v.experiment = e and v.key = o.variant
       where n.unit is null and v.dropped_at is null and not coalesce(c.slots @> cohort.slot(cohort.draw_word(x.salt, o.unit, 0)), false)));
    insert into enrolled select * from now_is on conflict do nothing;
    perform pg_temp.count('two owners',
        (select count(*) from cohort.layer_slots a join cohort.layer_slots b on b.layer = a.layer and b.experiment > a.experiment and a.slots && b.slots)
      + (select count(*) from cohort.phase a join cohort.phase b on b.experiment_id = a.experiment_id and b.id > a.id and a.traffic_slots && b.traffic_slots
          join cohort.experiment x on x.id = a.experiment_id and x.key = e)
      + (select count(*) from cohort.phase p join cohort.experiment x on x.id = p.experiment_id and x.key = e
          join cohort.phase_variant a on a.phase_id = p.id join cohort.phase_variant b on b.phase_id = p.id and b.variant_id > a.variant_id and a.slots && b.slots));
    perform pg_temp.count('outside', (select count(*) from cohort.phase p join cohort.experiment x on x.id = p.experiment_id and x.key = e
        left join cohort.phase_closed c on c.phase_id = p.id
        where not coalesce(c.slots <@ p.traffic_slots, true)
           or (select sum(cohort.slots_ppm(v.slots)) from cohort.phase_variant v where v.phase_id = p.id) <> 1000000));
end $$;

create function pg_temp.act(e text) returns void language plpgsql as $$
declare
    x cohort.experiment;
    open int;
    owned int;
    other text;
begin
    select * into x from cohort.experiment where key = e;
    open := cohort.open_ppm(x.id);
    case pg_temp.pick(8)
    when 0, 1 then
        if open < 1000000 then perform cohort.ramp(e, open + 1 + pg_temp.pick(1000000 - open)); end if;
    when 2 then
        owned := cohort.slots_ppm(cohort.owned_slots(x.id));
        if owned < 1000000 then perform cohort.ramp(e, owned + 1 + pg_temp.pick(1000000 - owned), pg_temp.shares(e)); end if;
    when 3, 4 then
        if open > 0 then perform cohort.ramp(e, pg_temp.pick(open)); end if;
    when 5 then
        if x.status = 'paused' then perform cohort.resume(e); else perform cohort.pause(e); end if;
    when 6 then
        select v.key into other from cohort.variant v where v.experiment = e and v.dropped_at is null and not v.is_control order by random() limit 1;
        if (select count(*) from cohort.variant v where v.experiment = e and v.dropped_at is null and not v.is_control) > 1 then
            perform cohort.drop_arm(e, other);
        end if;
    else
        select cohort.slots_ppm(s.slots) into owned from cohort.layer_slots s where s.experiment = e;
        open := cohort.slots_ppm(cohort.layer_free('production', x.layer));
        if owned is not null and open > 0 then
            perform cohort.grow(e, owned + 1 + pg_temp.pick(open));
        end if;
    end case;
end $$;

create function pg_temp.history(i int) returns void language plpgsql as $$
declare
    e text := 'history.' || i;
    arms int := 2 + pg_temp.pick(3);
    placed text := case when pg_temp.pick(4) > 0 then 'layer.' || pg_temp.pick(3) end;
    room int := case when placed is null then 1000000 else cohort.slots_ppm(cohort.layer_free('production', placed)) end;
    victim text;
begin
    truncate enrolled;
    while room < 200000 loop -- somebody of the layer leaves a hole
        select s.experiment into victim from cohort.layer_slots s where s.layer = placed order by random() limit 1;
        perform cohort.stop(victim);
        room := cohort.slots_ppm(cohort.layer_free('production', placed));
    end loop;
    insert into cohort.experiment (key, layer, layer_ppm, traffic_ppm)
    values (e, placed, 1 + pg_temp.pick(least(room, 400000)), 1 + pg_temp.pick(1000000));
    insert into cohort.variant (experiment, key, share_ppm, value)
    select e, case n when 1 then 'control' else 'v' || n end, case n when 1 then 1000000 - (arms - 1) * (1000000 / arms) else 1000000 / arms end, to_jsonb(n)
      from generate_series(1, arms) n;
    perform cohort.start(e);
    perform pg_temp.look(e);
    for step in 1 .. 6 loop
        perform pg_temp.act(e);
        perform pg_temp.look(e);
    end loop;
    perform pg_temp.count('histories', 1), pg_temp.count('steps', 6), pg_temp.count('enrolled', (select count(*) from enrolled));
    -- All open again: everybody who was ever in and whose arm wasn't dropped is where they were.
    if cohort.slots_ppm(cohort.closed_slots((select id from cohort.experiment where key = e))) > 0 then
        perform cohort.ramp(e, cohort.slots_ppm(cohort.owned_slots((select id from cohort.experiment where key = e))));
        perform pg_temp.look(e);
        perform pg_temp.count('lost', cohort.slots_ppm(cohort.closed_slots((select id from cohort.experiment where key = e))));
    end if;
    if placed is null or pg_temp.pick(3) = 0 then
        perform cohort.stop(e);
    end if;
end $$;

insert into cohort.layer (key) values ('layer.0'), ('layer.1'), ('layer.2');
analyze;
\o /dev/null
select format('select pg_temp.history(%s)', n), case when n % 10 = 0 or n < 3 then 'analyze' end from generate_series(1, :histories) n \gexec
\o
select case when n >= :histories then 'ok     ' else 'not ok ' end || n || ' random histories, ' || (select n from tally where what = 'steps') || ' steps, '
    || (select n from tally where what = 'enrolled') || ' units enrolled' from tally where what = 'histories';
select case when n = 0 then 'ok     nobody moved' else 'not ok ' || n || ' units moved' end from tally where what = 'moved';
select case when n = 0 then 'ok     nobody lost their place whose slots are open and arm is in' else 'not ok ' || n || ' units lost their place' end from tally where what = 'lost';
select case when n = 0 then 'ok     no slot of a layer, an experiment or a phase has two owners' else 'not ok ' || n || ' slots with two owners' end from tally where what = 'two owners';
select case when n = 0 then 'ok     every slot of every phase has an owner, and only its own slots are closed' else 'not ok ' || n || ' phases with holes' end from tally where what = 'outside';
select case when sum(phases) > :histories and sum(closed) > 0 and sum(dropped) > 0 and sum(sparse) > 0 then 'ok     ' else 'not ok ' end
    || sum(phases) || ' phases, ' || sum(closed) || ' with closed slots, ' || sum(dropped) || ' arms dropped, ' || sum(sparse) || ' owners of sparse layer slots'
  from (select (select count(*) from cohort.phase) as phases, (select count(*) from cohort.phase_closed) as closed,
               (select count(*) from cohort.variant where dropped_at is not null) as dropped,
               (select count(*) from cohort.experiment_iteration i where (select count(*) from unnest(i.layer_slots)) > 1) as sparse) x;
