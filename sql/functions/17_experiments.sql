-- Rules of experiments.

create or replace function cohort.effective_status(e cohort.experiment) returns text
    language plpgsql stable as $$
begin
    if e.status in ('running', 'paused') and exists (select from cohort.stop_event s
                                         where s.experiment_id = e.id and s.iteration = e.iteration) then
        return 'stopped';
    end if;
    if e.status = 'running' and exists (select from cohort.pause_event p
            where p.experiment_id = e.id and p.iteration = e.iteration and p.resolved_at is null) then
        return 'paused';
    end if;
    return e.status;
end $$;
comment on function cohort.effective_status(cohort.experiment) is
    'An experiment''s status with what its guardrails did: stopped when a stop_event says so, paused while a pause_event does';

create or replace function cohort.effective_status(experiment text) returns text
    language sql stable
    as $$ select cohort.effective_status(e) from cohort.experiment e
           where e.environment = cohort.current_environment() and e.key = experiment $$;
comment on function cohort.effective_status(text) is 'The same by key; null when there is no such experiment';

-- What only our own functions change (ids, salts, times) they change under this sign; it counts for the owner of
-- the tables alone, as which those functions run.
create or replace function cohort.within() returns boolean
    language sql stable
    as $$ select coalesce(current_setting('cohort.within', true), '') = 'on'
             and current_user = (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = 'cohort.experiment'::regclass) $$;
comment on function cohort.within() is 'True inside functions that keep the database''s own columns';

-- A command travels with an UPDATE of the experiment, so that whoever may not update it can't command it either.
create or replace function cohort.command() returns jsonb
    language sql stable
    as $$ select nullif(current_setting('cohort.command', true), '')::jsonb $$;
comment on function cohort.command() is 'The command that goes with the update under way, or null';

-- Words, ranges and formats.
create or replace function cohort.experiment_value_check(e cohort.experiment) returns void
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(e.key));
begin
    if e.kind is null or e.kind not in ('ab', 'holdout', 'bandit', 'contextual') then
        perform cohort.fail('experiment_kind_known', format('%s is no kind of experiment.', cohort.shown(e.kind)));
    end if;
    if e.origin is null or e.origin not in ('live', 'imported') then
        perform cohort.fail('experiment_origin_known', format('%s is no origin of an experiment.', cohort.shown(e.origin)));
    end if;
    if e.unit_type !~ '^[a-z][a-z0-9_]{0,31}$' then
        perform cohort.fail('experiment_unit_type_format', format('%s can''t be a unit type.', cohort.shown(e.unit_type)));
    end if;
    if length(e.description) > 10000 or length(e.owner) > 200 then
        perform cohort.fail('experiment_text_length', format('The %s of %s is too long.',
            case when length(e.owner) > 200 then 'owner' else 'description' end, name),
            cohort.path_of(case when length(e.owner) > 200 then 'owner' else 'description' end));
    end if;
    if e.traffic_ppm not between 1 and 1000000 then
        perform cohort.fail('experiment_traffic_range', format('The traffic_ppm of %s is %s; it must lie in 1 to 1000000.', name, e.traffic_ppm));
    end if;
    if e.exposure not in ('on_evaluation', 'reported') then
        perform cohort.fail('experiment_exposure_known', format('%s is no way to take exposures.', cohort.shown(e.exposure)));
    end if;
    if not (e.alpha > 0 and e.alpha <= 0.5) then
        perform cohort.fail('experiment_alpha_range', format('The alpha of %s is %s; it must be above 0 and at most 0.5.', name,
            cohort.shown(e.alpha)), cohort.path_of('alpha'));
    end if;
    if not (e.alert_alpha > 0 and e.alert_alpha <= 0.5) then
        perform cohort.fail('experiment_alpha_range', format('The alert_alpha of %s is %s; it must be above 0 and at most 0.5.', name,
            cohort.shown(e.alert_alpha)), cohort.path_of('alert_alpha'));
    end if;
    if e.guard_max_blind_s not between 1 and 604800 then
        perform cohort.fail('experiment_guard_max_blind_range', format('The guard_max_blind_s of %s is %s; it must lie in 1 to 604800, or be null.',
            name, e.guard_max_blind_s), cohort.path_of('guard_max_blind_seconds'));
    end if;
    perform cohort.experiment_analysis_check(e);
    perform cohort.experiment_lifecycle_check(e);
    perform cohort.check_condition(name, e.condition);
end $$;
comment on function cohort.experiment_value_check(cohort.experiment) is 'Refuses words, ranges and formats out of place';

create or replace function cohort.experiment_analysis_check(e cohort.experiment) returns void
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(e.key));
begin
    if not (e.success_alpha > 0 and e.success_alpha <= 0.5) then
        perform cohort.fail('experiment_success_alpha_range', format('The success_alpha of %s is %s; it must be above 0 and at most 0.5.', name,
            cohort.shown(e.success_alpha)));
    elsif e.planned_units not between 2 and 1000000000000 then
        perform cohort.fail('experiment_planned_units_range', format('The planned_units of %s are %s; they must lie in 2 to 1000000000000.', name, e.planned_units));
    elsif cardinality(e.segments) > 5 then
        perform cohort.fail('experiment_segments_format', format('The %s has %s segments; it can have 5.', name, cardinality(e.segments)));
    elsif cardinality(e.segments) <> (select count(distinct t) from unnest(e.segments) t where length(t) between 1 and 100) then
        perform cohort.fail('experiment_segments_format', format('The segments of %s must be different names of attributes.', name));
    end if;
end $$;
comment on function cohort.experiment_analysis_check(cohort.experiment) is 'Refuses error levels, plans and segments out of place';

-- Raw ids are never kept: servers would not serve such an experiment.
create or replace function cohort.experiment_segments_check(e cohort.experiment) returns void
    language plpgsql as $$
declare
    ids text;
begin
    select s into ids from unnest(e.segments) s
     where s in ('user', e.unit_type) or exists (select from cohort.experiment x where x.environment = e.environment and x.unit_type = s)
        or exists (select from cohort.flag_rule r where r.environment = e.environment and r.unit_type = s)
     order by s limit 1;
    if found then
        perform cohort.fail('experiment_segments_format', format('The segments of experiment %s name %s, which holds ids of units: they are never kept.',
            cohort.shown(e.key), cohort.shown(ids)));
    end if;
end $$;
comment on function cohort.experiment_segments_check(cohort.experiment) is 'Refuses a segment that has the name of a unit type';

create or replace function cohort.experiment_lifecycle_check(e cohort.experiment) returns void
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(e.key));
begin
    if e.layer_ppm not between 1 and 1000000 then
        perform cohort.fail('experiment_layer_range', format('The layer_ppm of %s is %s; it must lie in 1 to 1000000.', name, e.layer_ppm));
    end if;
    if cardinality(e.tags) > 50 or cardinality(e.tags) <> (select count(distinct t) from unnest(e.tags) t where cohort.key_ok(t)) then
        perform cohort.fail('experiment_tags_format', format('The tags of %s must be at most 50 different keys.', name));
    end if;
    if not (e.ramp_tolerance > 0 and e.ramp_tolerance <= 1000) then
        perform cohort.fail('experiment_ramp_tolerance_range', format('The ramp_tolerance of %s is %s; it must be above 0 and at most 1000.',
            name, cohort.shown(e.ramp_tolerance)));
    end if;
    if e.ramp_on_alert not in ('hold', 'roll_back') then
        perform cohort.fail('experiment_ramp_on_alert_known', format('%s is no answer to an alert.', cohort.shown(e.ramp_on_alert)));
    end if;
    if e.ends_at <= e.starts_at then
        perform cohort.fail('experiment_schedule_order', format('The end of %s, %s, is not after its start, %s.', name,
            cohort.rfc3339(e.ends_at), cohort.rfc3339(e.starts_at)));
    end if;
end $$;
comment on function cohort.experiment_lifecycle_check(cohort.experiment) is 'Refuses schedules, layers, ramps and tags out of place';

create or replace function cohort.check_time_zone(zone text) returns void
    language plpgsql as $$
begin
    perform 1 from pg_timezone_names z where z.name = zone;
    if not found then
        perform cohort.fail('experiment_time_zone_known', format('%s is no time zone.', cohort.shown(zone)));
    end if;
end $$;
comment on function cohort.check_time_zone(text) is 'Refuses a time zone the database doesn''t know';

create or replace function cohort.experiment_layer_check(e cohort.experiment) returns void
    language plpgsql as $$
begin
    perform 1 from cohort.layer l where l.environment = e.environment and l.key = e.layer;
    if not found then
        perform cohort.fail('experiment_layer_known', format('There is no layer %s.', cohort.shown(e.layer)));
    end if;
end $$;
comment on function cohort.experiment_layer_check(cohort.experiment) is 'Refuses a layer nobody made';

-- A missing flag of the experiment's own key is made; a missing one of another name is a typing error.
create or replace function cohort.experiment_flag_check(e cohort.experiment) returns void
    language plpgsql as $$
begin
    perform 1 from cohort.flag f where f.environment = e.environment and f.key = e.flag;
    if found or e.kind = 'holdout' then
        return;
    end if;
    if e.flag <> e.key then
        perform cohort.fail('experiment_flag_known', format('There is no flag %s.', cohort.shown(e.flag)));
    end if;
    if e.team is not null then
        perform cohort.check_team(e.environment, e.team);
    end if;
    insert into cohort.flag (environment, key, description, made_by_experiment, team)
    values (e.environment, e.flag, left(e.description, 10000), true, e.team);
end $$;
comment on function cohort.experiment_flag_check(cohort.experiment) is 'Makes or finds the flag of an experiment';

create or replace function cohort.experiment_insert_check() returns trigger
    language plpgsql as $$
begin
    new.flag := coalesce(new.flag, case when new.kind is distinct from 'holdout' then new.key end);
    new.unit_type := coalesce(new.unit_type, 'user');
    new.description := coalesce(new.description, '');
    new.owner := coalesce(new.owner, '');
    new.traffic_ppm := coalesce(new.traffic_ppm, 1000000);
    new.exposure := coalesce(new.exposure, 'on_evaluation');
    new.alpha := coalesce(new.alpha, 0.01);
    new.alert_alpha := coalesce(new.alert_alpha, 0.05);
    new.layer_ppm := coalesce(new.layer_ppm, 1000000);
    new.tags := coalesce(new.tags, '{}');
    new.segments := coalesce(new.segments, '{}');
    new.success_alpha := coalesce(new.success_alpha, 0.05);
    new.sticky := coalesce(new.sticky, false);
    new.ramp_tolerance := coalesce(new.ramp_tolerance, 2);
    new.ramp_on_alert := coalesce(new.ramp_on_alert, 'hold');
    perform cohort.check_environment(new.environment);
    if not cohort.key_ok(new.key) then
        perform cohort.fail('experiment_key_format', format('%s can''t be an experiment''s key.', cohort.shown(new.key)));
    end if;
    perform 1 from cohort.experiment e where e.environment = new.environment and e.key = new.key;
    if found then
        perform cohort.fail('experiment_key_unique', format('The experiment %s exists already.', cohort.shown(new.key)));
    end if;
    if new.salt is not null then
        perform cohort.fail('experiment_salt_fixed', format('The salt of experiment %s can''t be given.', cohort.shown(new.key)));
    end if;
    if new.status is distinct from 'draft' then
        perform cohort.fail('experiment_status_known', format('Experiment %s can''t begin with status %s.', cohort.shown(new.key),
            cohort.shown(new.status)));
    end if;
    if new.iteration is distinct from 1 or num_nonnulls(new.started_at, new.stopped_at, new.archived_at) > 0 then
        perform cohort.fail('experiment_times_fixed', format('Times and iteration of experiment %s can''t be given.', cohort.shown(new.key)));
    end if;
    if num_nonnulls(new.shipped_variant, new.shipped_holdback_ppm, new.ship_salt) > 0 then
        perform cohort.fail('ship_fixed', format('What experiment %s ships can''t be given.', cohort.shown(new.key)));
    end if;
    perform cohort.experiment_value_check(new);
    perform cohort.experiment_segments_check(new);
    if new.time_zone is not null then
        perform cohort.check_time_zone(new.time_zone);
    end if;
    if new.layer is not null then
        perform cohort.experiment_layer_check(new);
    end if;
    perform cohort.experiment_flag_check(new);
    new.salt := cohort.gen_random_bytes(16);
    return new;
end $$;
comment on function cohort.experiment_insert_check() is 'Trigger: rules of new experiments';
create or replace trigger experiment_insert_check before insert on cohort.experiment
    for each row execute function cohort.experiment_insert_check();

-- The first column that may not change any more and did, or null.
create or replace function cohort.experiment_fixed_column(o cohort.experiment, n cohort.experiment) returns text
    language sql immutable
    as $$ select case when o.status in ('draft', 'scheduled') then null
                      when n.flag is distinct from o.flag then 'flag'
                      when n.kind is distinct from o.kind then 'kind'
                      when n.origin is distinct from o.origin then 'origin'
                      when n.unit_type is distinct from o.unit_type then 'unit_type'
                      when n.condition is distinct from o.condition then 'condition'
                      when n.traffic_ppm is distinct from o.traffic_ppm then 'traffic_ppm'
                      when n.exposure is distinct from o.exposure then 'exposure'
                      when n.alpha is distinct from o.alpha then 'alpha'
                      when n.alert_alpha is distinct from o.alert_alpha then 'alert_alpha'
                      when n.success_alpha is distinct from o.success_alpha then 'success_alpha'
                      when n.planned_units is distinct from o.planned_units then 'planned_units'
                      when n.segments is distinct from o.segments then 'segments'
                      when n.layer is distinct from o.layer then 'layer'
                      when n.layer_ppm is distinct from o.layer_ppm then 'layer_ppm'
                      when n.team is distinct from o.team then 'team'
                      when n.starts_at is distinct from o.starts_at then 'starts_at'
                      when n.ends_at is distinct from o.ends_at then 'ends_at'
                      when n.time_zone is distinct from o.time_zone then 'time_zone'
                      when n.sticky is distinct from o.sticky then 'sticky'
                      when n.ramp_tolerance is distinct from o.ramp_tolerance then 'ramp_tolerance'
                      when n.ramp_on_alert is distinct from o.ramp_on_alert then 'ramp_on_alert' end $$;
comment on function cohort.experiment_fixed_column(cohort.experiment, cohort.experiment) is
    'The first column of a started experiment that an update changes and may not, or null';

create or replace function cohort.experiment_update_check() returns trigger
    language plpgsql as $$
declare
    name text := format('experiment %s', cohort.shown(old.key));
    fixed text := cohort.experiment_fixed_column(old, new);
    command jsonb := cohort.command();
begin
    if cohort.within() then
        return new;
    end if;
    new.description := coalesce(new.description, '');
    new.owner := coalesce(new.owner, '');
    new.tags := coalesce(new.tags, '{}');
    new.segments := coalesce(new.segments, '{}');
    if (new.environment, new.key) is distinct from (old.environment, old.key) then
        perform cohort.fail('key_fixed', format('The key of %s can''t be changed.', name));
    end if;
    if new.salt is distinct from old.salt then
        perform cohort.fail('experiment_salt_fixed', format('The salt of %s can''t be changed.', name));
    end if;
    if (new.shipped_variant, new.shipped_holdback_ppm, new.ship_salt)
       is distinct from (old.shipped_variant, old.shipped_holdback_ppm, old.ship_salt) then
        perform cohort.fail('ship_fixed', format('What %s ships can''t be changed.', name));
    end if;
    if (new.id, new.iteration, new.created_at, new.created_by, new.started_at, new.stopped_at, new.archived_at)
       is distinct from (old.id, old.iteration, old.created_at, old.created_by, old.started_at, old.stopped_at, old.archived_at) then
        perform cohort.fail('experiment_times_fixed', format('Times and iteration of %s can''t be changed.', name));
    end if;
    if fixed is not null then
        perform cohort.fail('experiment_running_fixed', format('Experiment %s is %s: its %s can''t be changed.',
            cohort.shown(old.key), cohort.effective_status(old), fixed), cohort.path_of(fixed));
    end if;
    perform cohort.experiment_value_check(new);
    if new.segments is distinct from old.segments then
        perform cohort.experiment_segments_check(new);
    end if;
    if new.flag is distinct from old.flag then
        new.flag := coalesce(new.flag, case when new.kind <> 'holdout' then new.key end);
        perform cohort.experiment_flag_check(new);
    end if;
    if new.time_zone is distinct from old.time_zone and new.time_zone is not null then
        perform cohort.check_time_zone(new.time_zone);
    end if;
    if new.layer is distinct from old.layer and new.layer is not null then
        perform cohort.experiment_layer_check(new);
    end if;
    if new.status is distinct from old.status then
        new := cohort.experiment_transition(old, new);
    end if;
    if command ->> 'do' = 'ship' then
        new := cohort.ship_columns(new, command);
    elsif new.status = 'shipped' and old.status <> 'shipped' then
        perform cohort.fail('ship_variant_missing', format('Experiment %s can''t be shipped without saying which variant.', cohort.shown(old.key)));
    end if;
    return new;
end $$;
comment on function cohort.experiment_update_check() is 'Trigger: rules of changes to experiments';
create or replace trigger experiment_update_check before update on cohort.experiment
    for each row execute function cohort.experiment_update_check();

create or replace function cohort.experiment_delete_check() returns trigger
    language plpgsql as $$
begin
    if old.status not in ('draft', 'scheduled') then
        perform cohort.fail('experiment_delete_running', format('Experiment %s is %s and can''t be deleted.',
            cohort.shown(old.key), cohort.effective_status(old)));
    end if;
    return old;
end $$;
comment on function cohort.experiment_delete_check() is 'Trigger: only drafts can be deleted';
create or replace trigger experiment_delete_check before delete on cohort.experiment
    for each row execute function cohort.experiment_delete_check();

-- The rule that asks the experiment follows it; a flag that was only made for a deleted draft goes with it. A
-- change of status brings what belongs to it, and a command (27_lifecycle) is carried out.
create or replace function cohort.experiment_follow() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    given jsonb := command();
begin
    if within() then
        return null;
    end if;
    if tg_op = 'DELETE' or (tg_op = 'UPDATE' and new.flag <> old.flag) then
        delete from flag_rule r where r.environment = old.environment and r.experiment = old.key;
        delete from flag f where f.environment = old.environment and f.key = old.flag
            and f.made_by_experiment and f.default_value is null
            and not exists (select from experiment e where e.environment = f.environment and e.flag = f.key)
            and not exists (select from flag_rule r where r.environment = f.environment and r.flag = f.key);
    end if;
    if tg_op = 'UPDATE' and new.team is distinct from old.team then
        update flag f set team = new.team where f.environment = new.environment and f.key = new.flag
            and f.made_by_experiment and f.team is not distinct from old.team;
    end if;
    if (tg_op = 'INSERT' and new.flag is not null) or (tg_op = 'UPDATE' and new.flag <> old.flag) then
        insert into flag_rule (environment, flag, kind, experiment, position)
        values (new.environment, new.flag, 'experiment', new.key, null);
    end if;
    if tg_op = 'INSERT' or (tg_op = 'UPDATE' and (new.status <> old.status or given ->> 'do' = 'ship')) then
        insert into status_change (experiment_id, status, what, reason)
        values (new.id, new.status, case when new.status = 'shipped' then
                    format('variant %s, %s ppm held back', new.shipped_variant, new.shipped_holdback_ppm) end,
                nullif(current_setting('cohort.reason', true), ''));
    end if;
    if tg_op = 'UPDATE' then
        if new.status <> old.status then
            perform status_follow(old.status, new);
        end if;
        if given is not null then
            perform set_config('cohort.command', '', true);
            perform carry_out(new, given, nullif(current_setting('cohort.reason', true), ''));
        end if;
    end if;
    return null;
end $$;
comment on function cohort.experiment_follow() is 'Trigger: keeps an experiment''s rule, history, phases and slots';
create or replace trigger experiment_follow after insert or update or delete on cohort.experiment
    for each row execute function cohort.experiment_follow();

-- The experiment of a variant or guardrail, locked against a start at the same moment. Null once it is being
-- deleted. Fails with the rule `fixed` unless it is a draft.
create or replace function cohort.experiment_draft(environment text, experiment text, known text, fixed text, what text)
    returns cohort.experiment language plpgsql as $$
declare
    e cohort.experiment;
begin
    select * into e from cohort.experiment x
     where x.environment = experiment_draft.environment and x.key = experiment for no key update;
    if not found then
        if known is not null then
            perform cohort.fail(known, format('There is no experiment %s.', cohort.shown(experiment)));
        end if;
        return null;
    end if;
    if e.status not in ('draft', 'scheduled') then
        perform cohort.fail(fixed, format('Experiment %s is %s: its %s can''t be changed.', cohort.shown(experiment),
            cohort.effective_status(e), what));
    end if;
    return e;
end $$;
comment on function cohort.experiment_draft(text, text, text, text, text) is
    'Locks and returns a draft; fails by the rules named when it is absent or has started';
