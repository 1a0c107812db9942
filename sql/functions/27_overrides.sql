-- Overrides: units and segments forced into a variant.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('override_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('override_key_unique', '23505', 409, 'The override exists', 'Use another key, or update the override that exists.', 'key', 'definition'),
('override_target', '23514', 422, 'An override forces a unit or a segment', 'Give one of the two. For a raw id: select cohort.override_unit(''experiment'', ''user'', ''c-1'', ''variant'').', null, 'definition'),
('override_unit_unique', '23505', 409, 'The unit is forced already', 'Update the override that exists.', null, 'definition'),
('override_segment_unique', '23505', 409, 'The segment is forced already', 'Update the override that exists.', 'segment', 'definition'),
('override_note_length', '23514', 422, 'A note has at most 1,000 characters', 'Shorten it, and link to the rest.', 'note', 'definition'),
('override_experiment_known', '23503', 422, 'There is no such experiment', 'select key from cohort.experiments lists them.', 'experiment', 'definition'),
('override_experiment_kind', '23514', 422, 'Only variants of a flag can be forced', 'Members of a holdout are drawn; to see what another gets, ask for a preview.', 'experiment', 'definition'),
('override_archived', '55000', 409, 'An archived experiment serves nobody', 'Force the unit in an experiment that isn''t archived.', 'experiment', 'definition'),
('override_segment_known', '23503', 422, 'There is no such segment', 'Make it first: insert into cohort.segment (key, condition) values (…).', 'segment', 'definition'),
('override_variant_known', '23503', 422, 'There is no such variant', 'select key from cohort.variant where experiment = ''…'' lists them.', 'variant', 'definition'),
('override_unit_type', '23514', 422, 'A unit has the experiment''s unit type', 'Give an id of the experiment''s unit type.', null, 'definition'),
('override_expiry', '23514', 422, 'An override ends in the future', 'Give a later time, or leave it out for one that doesn''t end.', 'expires_at', 'definition'),
('override_count', '23514', 422, 'An experiment has at most 10,000 overrides', 'Force a segment instead of units.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- Looked for by an order that one index alone has: the plan may have been made while the table was empty, when any index is
-- as good, and one that begins with the environment would be read whole for each row of a long insert.
create or replace function cohort.override_target_check(o cohort.override) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    listed boolean;
begin
    if num_nonnulls(o.unit_id, o.segment) <> 1 then
        perform cohort.fail('override_target', format('Override %s names %s.', cohort.shown(o.key),
            case when o.unit_id is null then 'neither a unit nor a segment' else 'both a unit and a segment' end));
    end if;
    if o.segment is not null then
        select s.list is not null into listed from cohort.segment s
         where s.environment = o.environment and s.key = o.segment for key share;
        if not found then
            perform cohort.fail('override_segment_known', format('There is no segment %s.', cohort.shown(o.segment)));
        end if;
        if listed then
            perform cohort.fail('segment_kind', format('Override %s names the segment %s, which is a list.', cohort.shown(o.key),
                cohort.shown(o.segment)), cohort.path_of('segment'));
        end if;
    end if;
    perform 1 from (select x.* from cohort.override x where (x.environment, x.experiment, x.unit_id) >= (o.environment, o.experiment, o.unit_id)
                     order by x.environment, x.experiment, x.unit_id limit 1) x
      where (x.environment, x.experiment, x.unit_id) = (o.environment, o.experiment, o.unit_id) and x.id <> o.id;
    if found then
        perform cohort.fail('override_unit_unique', format('Experiment %s forces this unit already.', cohort.shown(o.experiment)));
    end if;
    perform 1 from (select x.* from cohort.override x where (x.environment, x.experiment, x.segment) >= (o.environment, o.experiment, o.segment)
                     order by x.environment, x.experiment, x.segment limit 1) x
      where (x.environment, x.experiment, x.segment) = (o.environment, o.experiment, o.segment) and x.id <> o.id;
    if found then
        perform cohort.fail('override_segment_unique', format('Experiment %s forces segment %s already.', cohort.shown(o.experiment),
            cohort.shown(o.segment)));
    end if;
end $$;
comment on function cohort.override_target_check(cohort.override) is 'Refuses an override of nothing, of two things, or of what is forced already';

create or replace function cohort.override_experiment_check(o cohort.override) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x where x.environment = o.environment and x.key = o.experiment for key share;
    if not found then
        perform cohort.fail('override_experiment_known', format('There is no experiment %s.', cohort.shown(o.experiment)));
    end if;
    if e.kind = 'holdout' then
        perform cohort.fail('override_experiment_kind', format('Experiment %s is a holdout.', cohort.shown(o.experiment)));
    end if;
    if e.status = 'archived' then
        perform cohort.fail('override_archived', format('Experiment %s is archived.', cohort.shown(o.experiment)));
    end if;
    perform 1 from cohort.variant v where v.environment = o.environment and v.experiment = o.experiment and v.key = o.variant for key share;
    if not found then
        perform cohort.fail('override_variant_known', format('Experiment %s has no variant %s.', cohort.shown(o.experiment),
            cohort.shown(o.variant)));
    end if;
end $$;
comment on function cohort.override_experiment_check(cohort.override) is 'Refuses an override of an experiment or variant that isn''t there';

create or replace function cohort.override_check() returns trigger
    language plpgsql as $$
begin
    new.note := coalesce(new.note, '');
    if tg_op = 'UPDATE' then
        if (new.environment, new.key) is distinct from (old.environment, old.key) then
            perform cohort.fail('key_fixed', format('The key of override %s can''t be changed.', cohort.shown(old.key)));
        end if;
    else
        new.key := coalesce(new.key, 'o-' || new.id);
        perform cohort.check_environment(new.environment);
        if not cohort.key_ok(new.key) then
            perform cohort.fail('override_key_format', format('%s can''t be an override''s key.', cohort.shown(new.key)));
        end if;
        perform 1 from (select o.* from cohort.override o where (o.environment, o.key) >= (new.environment, new.key)
                         order by o.environment, o.key limit 1) o where (o.environment, o.key) = (new.environment, new.key);
        if found then
            perform cohort.fail('override_key_unique', format('The override %s exists already.', cohort.shown(new.key)));
        end if;
    end if;
    perform cohort.override_experiment_check(new);
    perform cohort.override_target_check(new);
    if length(new.note) > 1000 then
        perform cohort.fail('override_note_length', format('The note of override %s has %s characters.', cohort.shown(new.key), length(new.note)));
    end if;
    if (tg_op = 'INSERT' or new.expires_at is distinct from old.expires_at)
       and (new.expires_at <= now() or not isfinite(new.expires_at)) then
        perform cohort.fail('override_expiry', format('Override %s would end at %s.', cohort.shown(new.key), new.expires_at));
    end if;
    return new;
end $$;
comment on function cohort.override_check() is 'Trigger: rules of overrides';
create or replace trigger override_check before insert or update on cohort.override
    for each row execute function cohort.override_check();

-- Once a statement, which may insert thousands.
create or replace function cohort.override_count_check() returns trigger
    language plpgsql as $$
declare
    e record;
begin
    for e in select m.environment, m.experiment from made m group by 1, 2 loop
        perform cohort.fail('override_count', format('Experiment %s would have %s overrides.', cohort.shown(e.experiment), n))
           from (select count(*) from cohort.override o where o.environment = e.environment and o.experiment = e.experiment) o(n)
          where n > 10000;
    end loop;
    return null;
end $$;
comment on function cohort.override_count_check() is 'Trigger: how many overrides an experiment may have';
create or replace trigger override_count_check after insert on cohort.override referencing new table as made
    for each statement execute function cohort.override_count_check();
create or replace trigger override_count_check_moved after update on cohort.override referencing new table as made
    for each statement execute function cohort.override_count_check();

-- The raw id becomes a unit here and is kept nowhere.
create or replace function cohort.override_unit(experiment text, unit_type text, raw text, variant text,
        note text default '', expires_at timestamptz default null) returns text
    language plpgsql as $$
#variable_conflict use_column
declare
    e cohort.experiment;
    unit uuid := cohort.unit_id(unit_type, raw);
    made text;
begin
    perform cohort.check_team_of('experiment', $1);
    select * into e from cohort.experiment x where x.environment = cohort.current_environment() and x.key = $1;
    if not found then
        perform cohort.fail('override_experiment_known', format('There is no experiment %s.', cohort.shown($1)));
    end if;
    if e.unit_type <> $2 then
        perform cohort.fail('override_unit_type', format('Experiment %s is drawn by %s, not by %s.', cohort.shown($1), e.unit_type, $2));
    end if;
    update cohort.override o set variant = $4, note = $5, expires_at = $6
     where o.environment = e.environment and o.experiment = e.key and o.unit_id = unit returning o.key into made;
    if not found then
        insert into cohort.override (environment, key, experiment, unit_id, variant, note, expires_at)
        values (e.environment, null, e.key, unit, $4, $5, $6) returning key into made;
    end if;
    return made;
end $$;
comment on function cohort.override_unit(text, text, text, text, text, timestamptz) is
    'Forces a unit, given by its raw id, into a variant: override_unit(''checkout'', ''user'', ''c-1'', ''b''). Returns the override''s key';

drop function if exists cohort.expire_overrides();
create or replace function cohort.expire_overrides(epoch bigint) returns int
    language plpgsql as $$
declare
    n int;
begin
    perform cohort.assert_epoch(epoch);
    -- One that somebody is editing waits for the next pass: nothing may delay the leader.
    delete from cohort.override o where o.id in (select x.id from cohort.override x where x.expires_at <= clock_timestamp()
                                                    for update skip locked);
    get diagnostics n = row_count;
    return n;
end $$;
comment on function cohort.expire_overrides(bigint) is 'Deletes the overrides whose time has come; returns how many; the leader calls it. Servers obey the time to the microsecond without it';
