-- Environments: made, listed, and definitions promoted from one to another.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('environment_kept', '55000', 409, 'An environment is never deleted', 'Its units and events would lose their meaning. Revoke its API keys instead.', 'key', 'definition'),
('promote_same', '22023', 422, 'A definition is promoted to another environment', 'Name two environments: select cohort.promote(''checkout'', ''staging'', ''production'').', 'to', 'definition'),
('promote_started', '55000', 409, 'Only a draft is replaced by a promotion', 'Stop it there and restart it with the changes, or promote a copy under a new key (cohort.clone).', null, 'definition'),
('promote_metric', '55000', 409, 'A metric means the same in both environments', 'Make both metrics equal, or give one another key.', null, 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.environment_delete_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.fail('environment_kept', format('The environment %s can''t be deleted.', cohort.shown(old.key)));
    return null;
end $$;
comment on function cohort.environment_delete_check() is 'Trigger: environments stay';
create or replace trigger environment_delete_check before delete on cohort.environment
    for each row execute function cohort.environment_delete_check();

create or replace function cohort.make_environment(key text) returns text
    language plpgsql as $$
begin
    insert into cohort.environment (key) values (make_environment.key);
    return key;
end $$;
comment on function cohort.make_environment(text) is
    'Makes an environment, with a unit key of its own and the first metrics: select cohort.make_environment(''staging''). Its API keys: set cohort.environment, then cohort.create_api_key()';

create or replace function cohort.get_environment(key text) returns jsonb
    language sql stable
    as $$ select jsonb_build_object('key', e.key, 'id', e.id, 'created_at', cohort.rfc3339(e.created_at)) from cohort.environment e where e.key = $1 $$;
comment on function cohort.get_environment(text) is 'An environment as a document; null when there is none';

create or replace function cohort.list_environments(lim int default 100, after text default null) returns jsonb
    language plpgsql stable as $$
begin
    return (select cohort.page(array_agg(cohort.get_environment(x.key) order by x.key), array_agg(x.key order by x.key), lim)
              from (select e.key from cohort.environment e where e.key > coalesce(after, '')
                     order by e.key limit cohort.check_limit(lim) + 1) x);
end $$;
comment on function cohort.list_environments(int, text) is 'Environments in the order of their keys, a page at a time';

create or replace function cohort.put_environment(key text, doc jsonb) returns jsonb
    language plpgsql as $$
begin
    perform cohort.check_document('an environment', key, doc, array['key', 'id', 'created_at']);
    perform pg_advisory_xact_lock(hashtextextended('cohort.environment ' || coalesce(key, ''), 0));
    perform cohort.same_or_absent(doc, cohort.get_environment(key), array['id', 'created_at']);
    if cohort.get_environment(key) is null then
        perform set_config('cohort.path', '$', true);
        perform cohort.make_environment(key);
        perform set_config('cohort.path', '', true);
    end if;
    return cohort.get_environment(key);
end $$;
comment on function cohort.put_environment(text, jsonb) is 'Makes an environment unless it is there: it has no fields of its own';

create or replace function cohort.delete_environment(key text) returns boolean
    language plpgsql as $$
begin
    delete from cohort.environment e where e.key = $1;
    return found;
end $$;
comment on function cohort.delete_environment(text) is 'Refused: environments stay. False when there is none';

-- --- promotion ---

-- What the definition leans on, made in the other environment where it is missing: the team, the layer, the flag, metrics,
-- segments and what those contain. What is there is left as it is.
create or replace function cohort.promote_surroundings(e cohort.experiment, target text) returns void
    language plpgsql as $$
declare
    odd text;
    named text[];
begin
    insert into cohort.team (environment, key, description)
    select target, t.key, t.description from cohort.team t
     where t.environment = e.environment
       and t.key in (select e.team union select l.team from cohort.layer l where l.environment = e.environment and l.key = e.layer
                     union select h.scope_key from cohort.holdout h
                            where h.environment = e.environment and h.experiment = e.key and h.scope = 'team')
       and not exists (select from cohort.team x where x.environment = target and x.key = t.key);
    insert into cohort.layer (environment, key, description, team)
    select target, l.key, l.description, l.team from cohort.layer l
     where l.environment = e.environment
       and l.key in (select e.layer union select h.scope_key from cohort.holdout h
                      where h.environment = e.environment and h.experiment = e.key and h.scope = 'layer')
       and not exists (select from cohort.layer x where x.environment = target and x.key = l.key);
    insert into cohort.flag (environment, key, type, default_value, description)
    select target, f.key, f.type, f.default_value, f.description from cohort.flag f
     where f.environment = e.environment and f.key = e.flag and not f.made_by_experiment
       and not exists (select from cohort.flag x where x.environment = target and x.key = f.key);
    perform cohort.promote_metrics(e, target);
    -- Inner segments first: a segment's condition names only what is there.
    for odd in
        with recursive chain(key, depth) as (
            select c.key, 1 from cohort.condition_segments(e.condition) c
            union
            select c.key, chain.depth + 1 from chain join cohort.segment s on s.environment = e.environment and s.key = chain.key
             cross join lateral cohort.condition_segments(s.condition) c
             where chain.depth < 10)
        select chain.key from chain group by chain.key order by max(chain.depth) desc
    loop
        insert into cohort.segment (environment, key, condition, list, description)
        select target, s.key, s.condition, s.list, s.description from cohort.segment s
         where s.environment = e.environment and s.key = odd
           and not exists (select from cohort.segment x where x.environment = target and x.key = odd);
    end loop;
end $$;
comment on function cohort.promote_surroundings(cohort.experiment, text) is 'Part of promote(): makes what the definition leans on, where it is missing';

create or replace function cohort.promote_metrics(e cohort.experiment, target text) returns void
    language plpgsql as $$
declare
    odd text;
    named text[] := array(select m.key from cohort.metrics_of(e) m);
begin
    select m.key into odd from cohort.metric m join cohort.metric x on x.environment = target and x.key = m.key
     where m.environment = e.environment and m.key = any (named)
       and cohort.metric_counts(m) is distinct from cohort.metric_counts(x)
     order by 1 limit 1;
    if found then
        perform cohort.fail('promote_metric', format('Metric %s counts something else in %s.', cohort.shown(odd), target));
    end if;
    insert into cohort.metric (environment, key, event, kind, direction_good, window_start_s, window_end_s, description, condition,
                               denominator_event, denominator_condition, quantile, winsor_low, winsor_high, winsor_quantile,
                               cuped_days, trusted_only)
    select target, m.key, m.event, m.kind, m.direction_good, m.window_start_s, m.window_end_s, m.description, m.condition,
           m.denominator_event, m.denominator_condition, m.quantile, m.winsor_low, m.winsor_high, m.winsor_quantile,
           m.cuped_days, m.trusted_only
      from cohort.metric m
     where m.environment = e.environment and m.key = any (named)
       and not exists (select from cohort.metric x where x.environment = target and x.key = m.key);
end $$;
comment on function cohort.promote_metrics(cohort.experiment, text) is 'Part of promote(): the metrics the definition names';

create or replace function cohort.promote(experiment text, from_env text, to_env text) returns jsonb
    language plpgsql as $$
#variable_conflict use_column
declare
    here text := cohort.current_environment();
    e cohort.experiment;
    there cohort.experiment;
    doc jsonb;
begin
    perform cohort.check_environment(from_env), cohort.check_environment(to_env);
    if from_env = to_env then
        perform cohort.fail('promote_same', format('Experiment %s is in %s already.', cohort.shown($1), from_env));
    end if;
    select * into e from cohort.experiment x where x.environment = from_env and x.key = $1;
    if not found then
        perform cohort.fail('experiment_known', format('There is no experiment %s in %s.', cohort.shown($1), from_env));
    end if;
    select * into there from cohort.experiment x where x.environment = to_env and x.key = $1;
    if there.status <> 'draft' then
        perform cohort.fail('promote_started', format('Experiment %s is %s in %s.', cohort.shown($1), cohort.effective_status(there), to_env));
    end if;
    perform set_config('cohort.environment', from_env, true);
    doc := case e.kind when 'holdout' then cohort.get_holdout($1) - array['id', 'kind', 'status', 'iteration', 'history', 'stop']
                       else cohort.writable(cohort.get_experiment($1)) end;
    perform set_config('cohort.environment', to_env, true);
    perform cohort.promote_surroundings(e, to_env);
    doc := case e.kind when 'holdout' then cohort.put_holdout($1, doc) else cohort.put_experiment($1, doc) end;
    perform set_config('cohort.environment', here, true);
    return doc;
end $$;
comment on function cohort.promote(text, text, text) is
    'Copies the definition of an experiment or holdout to another environment, as a draft there with salts and ids of its own; a draft of the same key is replaced. Overrides stay behind: units differ. Returns its document there';
