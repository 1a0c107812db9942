-- Layers: an experiment takes free slots wherever they are, keeps them while it runs or pauses, and gives them back
-- when it ends. Slots are taken one experiment at a time: the layer's row is written first.

create or replace function cohort.layer_check() returns trigger
    language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if (new.environment, new.key) is distinct from (old.environment, old.key) then
            perform cohort.fail('key_fixed', format('The key of layer %s can''t be changed.', cohort.shown(old.key)));
        end if;
        if new.salt is distinct from old.salt then
            perform cohort.fail('layer_salt_fixed', format('The salt of layer %s can''t be changed.', cohort.shown(old.key)));
        end if;
    else
        perform cohort.check_environment(new.environment);
        if not cohort.key_ok(new.key) then
            perform cohort.fail('layer_key_format', format('%s can''t be a layer''s key.', cohort.shown(new.key)));
        end if;
        perform 1 from cohort.layer l where l.environment = new.environment and l.key = new.key;
        if found then
            perform cohort.fail('layer_key_unique', format('The layer %s exists already.', cohort.shown(new.key)));
        end if;
        if new.salt is not null then
            perform cohort.fail('layer_salt_fixed', format('The salt of layer %s can''t be given.', cohort.shown(new.key)));
        end if;
        new.salt := cohort.gen_random_bytes(16);
    end if;
    new.description := coalesce(new.description, '');
    if length(new.description) > 10000 then
        perform cohort.fail('layer_text_length', format('The description of layer %s is too long.', cohort.shown(new.key)));
    end if;
    return new;
end $$;
comment on function cohort.layer_check() is 'Trigger: rules of layers';
create or replace trigger layer_check before insert or update on cohort.layer
    for each row execute function cohort.layer_check();

create or replace function cohort.layer_delete_check() returns trigger
    language plpgsql as $$
declare
    used text;
begin
    select e.key into used from cohort.experiment e where e.environment = old.environment and e.layer = old.key order by 1 limit 1;
    if found then
        perform cohort.fail('layer_in_use', format('Layer %s is used by experiment %s.', cohort.shown(old.key), cohort.shown(used)));
    end if;
    return old;
end $$;
comment on function cohort.layer_delete_check() is 'Trigger: a layer in use stays';
create or replace trigger layer_delete_check before delete on cohort.layer
    for each row execute function cohort.layer_delete_check();

-- No slot has two owners, whoever writes.
create or replace function cohort.layer_slots_check() returns trigger
    language plpgsql as $$
declare
    other text;
begin
    perform 1 from cohort.layer l where l.environment = new.environment and l.key = new.layer for no key update;
    if not new.slots <@ cohort.all_slots() then
        perform cohort.fail('layer_slots_range', format('Experiment %s can''t own slots beyond 999999.', cohort.shown(new.experiment)));
    end if;
    select s.experiment into other from cohort.layer_slots s
     where s.environment = new.environment and s.layer = new.layer and s.experiment <> new.experiment and s.slots && new.slots limit 1;
    if found then
        perform cohort.fail('layer_slots_overlap', format('Experiment %s can''t own slots of layer %s that experiment %s owns.',
            cohort.shown(new.experiment), cohort.shown(new.layer), cohort.shown(other)));
    end if;
    return new;
end $$;
comment on function cohort.layer_slots_check() is 'Trigger: a slot of a layer has one owner';
create or replace trigger layer_slots_check before insert or update on cohort.layer_slots
    for each row execute function cohort.layer_slots_check();

-- Experiments that a guardrail stopped need their slots no longer; they are taken from them when others need some.
create or replace function cohort.layer_free(environment text, layer text) returns int4multirange
    language plpgsql stable as $$
begin
    return (select cohort.all_slots() - coalesce(range_agg(r), '{}')
              from cohort.layer_slots s
              join cohort.experiment e on e.environment = s.environment and e.key = s.experiment, unnest(s.slots) r
             where s.environment = layer_free.environment and s.layer = layer_free.layer
               and cohort.effective_status(e) in ('running', 'paused'));
end $$;
comment on function cohort.layer_free(text, text) is 'The slots of a layer that no running or paused experiment owns';

create or replace function cohort.check_layer_units(e cohort.experiment) returns void
    language plpgsql as $$
declare
    other cohort.experiment;
begin
    select x.* into other from cohort.layer_slots s
      join cohort.experiment x on x.environment = s.environment and x.key = s.experiment
     where s.environment = e.environment and s.layer = e.layer and x.key <> e.key and x.unit_type <> e.unit_type
     order by x.key limit 1;
    if found then
        perform cohort.fail('layer_unit_type', format('Experiment %s randomises by %s; experiment %s of the same layer by %s: they would not exclude each other.',
            cohort.shown(e.key), e.unit_type, cohort.shown(other.key), other.unit_type));
    end if;
end $$;
comment on function cohort.check_layer_units(cohort.experiment) is 'Refuses two unit types in one layer';

-- Takes free slots, the lowest first, until the experiment owns this many. It keeps what it owns already.
create or replace function cohort.take_layer(e cohort.experiment, wanted int) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    own int4multirange;
    free int4multirange;
begin
    delete from layer_slots s where s.environment = e.environment and s.experiment = e.key and s.layer is distinct from e.layer;
    if e.layer is null then
        return;
    end if;
    update layer l set changes = l.changes + 1 where l.environment = e.environment and l.key = e.layer;
    delete from layer_slots s using experiment x
     where s.environment = e.environment and s.layer = e.layer and x.environment = s.environment and x.key = s.experiment
       and x.key <> e.key and effective_status(x) not in ('running', 'paused');
    perform check_layer_units(e);
    own := coalesce((select s.slots from layer_slots s where s.environment = e.environment and s.experiment = e.key), '{}');
    free := layer_free(e.environment, e.layer) - own;
    if slots_ppm(free) < wanted - slots_ppm(own) then
        perform fail('layer_full', format('Experiment %s wants %s slots of layer %s; %s of 1000000 are free.', shown(e.key),
            wanted - slots_ppm(own), shown(e.layer), slots_ppm(free)));
    end if;
    own := own + slots_lowest(free, wanted - slots_ppm(own));
    insert into layer_slots as s (environment, layer, experiment, slots) values (e.environment, e.layer, e.key, own)
    on conflict (environment, experiment) do update set slots = excluded.slots where s.slots <> excluded.slots;
    update experiment_iteration i set layer_slots = own where i.experiment_id = e.id;
end $$;
comment on function cohort.take_layer(cohort.experiment, int) is
    'Takes slots of the experiment''s layer until it owns this many, or fails when too few are free';
revoke execute on function cohort.take_layer(cohort.experiment, int) from public;

create or replace function cohort.layer_map(layer text) returns table (experiment text, slots int4multirange, ppm int)
    language plpgsql stable rows 20 as $$
begin
    perform 1 from cohort.layer l where l.environment = cohort.current_environment() and l.key = layer_map.layer;
    if not found then
        perform cohort.fail('layer_known', format('There is no layer %s.', cohort.shown(layer_map.layer)));
    end if;
    return query
        select x.name, x.owned, cohort.slots_ppm(x.owned)
          from (select s.experiment as name, s.slots as owned from cohort.layer_slots s
                  join cohort.experiment e on e.environment = s.environment and e.key = s.experiment
                 where s.environment = cohort.current_environment() and s.layer = layer_map.layer
                   and cohort.effective_status(e) in ('running', 'paused')
                union all
                select null, cohort.layer_free(cohort.current_environment(), layer_map.layer)) x
         order by x.name nulls last;
end $$;
comment on function cohort.layer_map(text) is
    'Who owns what of a layer: experiment, its slots, and how many; the row without an experiment is what is free';

create or replace function cohort.grow(key text, layer_ppm int, reason text default null) returns int
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
    owned int;
begin
    perform cohort.check_live(e, 'it can''t grow');
    if e.layer is null then
        perform cohort.fail('grow_layer_missing', format('Experiment %s is in no layer.', cohort.shown(e.key)));
    end if;
    if layer_ppm is null or layer_ppm not between 1 and 1000000 then
        perform cohort.fail('experiment_layer_range', format('The layer_ppm of experiment %s can''t become %s; it must lie in 1 to 1000000.',
            cohort.shown(e.key), coalesce(layer_ppm::text, 'null')));
    end if;
    owned := cohort.slots_ppm((select s.slots from cohort.layer_slots s where s.environment = e.environment and s.experiment = e.key));
    if layer_ppm <= owned then
        perform cohort.fail('grow_smaller', format('Experiment %s owns %s slots of layer %s; %s are not more.', cohort.shown(e.key),
            owned, cohort.shown(e.layer), layer_ppm));
    end if;
    perform cohort.run_command(e, jsonb_build_object('do', 'grow', 'layer_ppm', layer_ppm), reason);
    return layer_ppm;
end $$;
comment on function cohort.grow(text, int, text) is
    'Gives a running experiment more slots of its layer, free ones; nobody who is in moves. Returns how many it owns now';
