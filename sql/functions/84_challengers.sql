-- Challengers: other policies of an experiment, evaluated from its log, and put in force by one call.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('challenger_known', 'P0002', 404, 'There is no such challenger', 'select key from cohort.challenger where experiment = ''…'' lists them.', 'challenger', 'definition'),
('challenger_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('challenger_key_unique', '23505', 409, 'The challenger exists', 'Use another key, or delete it and make it anew.', 'key', 'definition'),
('challenger_experiment_known', '23503', 422, 'There is no such experiment', 'select key from cohort.experiments lists them.', 'experiment', 'definition'),
('challenger_fixed', '55000', 409, 'A challenger is never edited', 'What was computed is of the policy it has: delete it and make another.', 'policy', 'definition'),
('challenger_policy', '23514', 422, 'A policy has one of four kinds', 'Write {"kind": "variant", "variant": "b"}, {"kind": "model", "version": 3}, {"kind": "rule", "rules": [{"condition": {"age": {"$lt": 30}}, "variant": "b"}], "otherwise": "control"} or {"kind": "uniform"}.', 'policy', 'definition'),
('challenger_variant_known', '23503', 422, 'There is no such variant', 'select key from cohort.variant where experiment = ''…'' lists them.', 'policy', 'definition'),
('challenger_attribute', '23514', 422, 'A rule asks for what the log has', 'The log keeps the attributes of the experiment''s features: a rule can ask for those, and for no segments.', 'policy', 'definition'),
('challenger_count', '23514', 422, 'An experiment has at most 20 challengers', 'Delete those that lost: delete from cohort.challenger where experiment = ''…'' and key = ''…''.', null, 'definition'),
('challenger_rule_promote', '55000', 409, 'A rule is put in force by the flag''s rules', 'A bandit''s choices keep a probability above 0 for every variant, so a rule can''t decide in one. Stop the bandit and give the flag the same conditions.', 'challenger', 'definition'),
('challenger_promote_kind', '55000', 409, 'Only what the experiment can do can be promoted', 'An A/B test with a variant to promote is shipped; a bandit takes a variant, equal shares, or one of its models.', 'challenger', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- The top-level attributes a condition asks for; "$segment" and the like for what no log can tell.
create or replace function cohort.condition_attributes(condition jsonb) returns setof text
    language sql immutable as $$
    with recursive c(k, v) as (
        select e.key, e.value from jsonb_each(case jsonb_typeof($1) when 'object' then $1 else '{}' end) e
        union all
        select e.key, e.value from c
         cross join lateral (select * from jsonb_array_elements(case when jsonb_typeof(c.v) = 'array' then c.v else jsonb_build_array(c.v) end)) x(item)
         cross join lateral jsonb_each(case jsonb_typeof(x.item) when 'object' then x.item else '{}' end) e
         where c.k in ('$and', '$or', '$nor', '$not')
    ), g(k) as (
        select case when c.v::text ~ '"\$(inGroup|notInGroup)"' then '$inGroup'
                    else split_part(c.k, '.', 1) end
          from c where c.k not in ('$and', '$or', '$nor', '$not'))
    select distinct g.k from g $$;
comment on function cohort.condition_attributes(jsonb) is 'The attributes of a context that a condition asks for, by their top-level names';

create or replace function cohort.policy_rules_check(e cohort.experiment, policy jsonb, what text) returns void
    language plpgsql as $$
declare
    known text[] := array(select f.item ->> 'attribute' from cohort.contextual c cross join lateral jsonb_array_elements(c.features) f(item)
                           where c.environment = e.environment and c.experiment = e.key and f.item ? 'attribute');
    r jsonb;
    odd text;
begin
    if jsonb_typeof(policy -> 'rules') is distinct from 'array' or jsonb_array_length(policy -> 'rules') not between 1 and 50 then
        perform cohort.fail('challenger_policy', format('%s needs rules, a list of 1 to 50.', what));
    end if;
    for r in select x from jsonb_array_elements(policy -> 'rules') x loop
        if jsonb_typeof(r) <> 'object' or jsonb_typeof(r -> 'condition') is distinct from 'object' or r - '{condition,variant}'::text[] <> '{}' then
            perform cohort.fail('challenger_policy', format('A rule of %s must be {"condition": …, "variant": …}.', what));
        end if;
        perform cohort.check_condition(what, r -> 'condition');
        select a into odd from cohort.condition_attributes(r -> 'condition') a where a <> all (known) order by a limit 1;
        if found then
            perform cohort.fail('challenger_attribute', format('A rule of %s asks for %s, which no feature of the experiment reads.', what, cohort.shown(odd)));
        end if;
    end loop;
end $$;
comment on function cohort.policy_rules_check(cohort.experiment, jsonb, text) is 'Refuses rules that are none, or that ask for what the log doesn''t have';

create or replace function cohort.policy_check(e cohort.experiment, policy jsonb, what text) returns void
    language plpgsql as $$
declare
    kind text := policy ->> 'kind';
    fields text[] := case kind when 'variant' then '{kind,variant}' when 'model' then '{kind,version}' when 'rule' then '{kind,rules,otherwise}'
                               when 'uniform' then '{kind}' end;
    unknown text;
begin
    if jsonb_typeof(policy) is distinct from 'object' or fields is null then
        perform cohort.fail('challenger_policy', format('%s has %s.', what, case when kind is null then 'no kind' else 'the kind ' || cohort.shown(kind) end));
    elsif policy - fields <> '{}' then
        perform cohort.fail('challenger_policy', format('%s has a field that kind %s does not know.', what, kind));
    elsif kind = 'model' then
        if jsonb_typeof(policy -> 'version') is distinct from 'number' then
            perform cohort.fail('challenger_policy', format('%s needs the version of a model.', what));
        end if;
        perform cohort.check_contextual_kind(e);
        if not exists (select from cohort.model m where m.experiment_id = e.id and m.version = (policy ->> 'version')::numeric) then
            perform cohort.fail('model_known', format('Experiment %s has no model of version %s.', cohort.shown(e.key), policy ->> 'version'));
        end if;
    elsif kind = 'rule' then
        perform cohort.policy_rules_check(e, policy, what);
    end if;
    select v into unknown
      from (select policy ->> 'variant' as v where kind = 'variant'
            union all select policy ->> 'otherwise' where kind = 'rule'
            union all select r ->> 'variant' from jsonb_array_elements(case when kind = 'rule' then policy -> 'rules' else '[]' end) r) x
     where not exists (select from cohort.variant y where y.environment = e.environment and y.experiment = e.key and y.key = x.v) limit 1;
    if found then
        perform cohort.fail('challenger_variant_known', format('%s names %s, which is no variant of experiment %s.', what,
            case when unknown is null then 'no variant' else cohort.shown(unknown) end, cohort.shown(e.key)));
    end if;
end $$;
comment on function cohort.policy_check(cohort.experiment, jsonb, text) is 'Refuses a policy that is none, or that the experiment can''t have';

create or replace function cohort.challenger_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    if tg_op = 'UPDATE' then
        perform cohort.fail('challenger_fixed', format('Challenger %s can''t be changed.', cohort.shown(old.key)));
    end if;
    if not cohort.key_ok(new.key) then
        perform cohort.fail('challenger_key_format', format('%s can''t be a challenger''s key.', cohort.shown(new.key)));
    end if;
    select * into e from cohort.experiment x where x.environment = new.environment and x.key = new.experiment for key share;
    if not found then
        perform cohort.fail('challenger_experiment_known', format('There is no experiment %s.', cohort.shown(new.experiment)));
    elsif exists (select from cohort.challenger c where c.environment = e.environment and c.experiment = e.key and c.key = new.key) then
        perform cohort.fail('challenger_key_unique', format('Experiment %s has a challenger %s already.', cohort.shown(e.key), cohort.shown(new.key)));
    elsif (select count(*) from cohort.challenger c where c.environment = e.environment and c.experiment = e.key) >= 20 then
        perform cohort.fail('challenger_count', format('Experiment %s has 20 challengers.', cohort.shown(e.key)));
    end if;
    perform cohort.policy_check(e, new.policy, format('challenger %s', cohort.shown(new.key)));
    return new;
end $$;
comment on function cohort.challenger_check() is 'Trigger: rules of challengers';
create or replace trigger challenger_check before insert or update on cohort.challenger
    for each row execute function cohort.challenger_check();

create or replace function cohort.challenger_gone() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    delete from policy_stat s where s.challenger_id = old.id;
    delete from policy_unit u where u.challenger_id = old.id;
    return null;
end $$;
comment on function cohort.challenger_gone() is 'Trigger: what was computed of a challenger goes with it';
create or replace trigger challenger_gone after delete on cohort.challenger
    for each row execute function cohort.challenger_gone();

-- Evaluation. Where every decision is drawn, the leader goes through what has matured since; a decision that came late is
-- found by the pass that counted it. Decisions that served the safe variant were not drawn: they stand, whoever decides.
-- Where units are drawn, the sums of the roll-up say all.

create or replace function cohort.challengers_due()
    returns table (challenger_id int, experiment_id int, environment text, experiment text, challenger text, policy jsonb, by_decision boolean,
                   features jsonb, kind text, metric_id int, variants text[], variant_ids int[], threshold_ppm int, evaluated_to timestamptz,
                   evaluated_pass bigint, upto timestamptz, pass bigint, sums text, n_star double precision, alpha double precision, floor_ppm int, safe text, down boolean)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select c.id, e.id, e.environment, e.key, c.key, c.policy, s.experiment_id is not null, x.features, m.kind, m.id, v.keys, v.ids,
           coalesce(x.threshold_ppm, 0), coalesce(p.evaluated_to, '-infinity'), coalesce(p.evaluated_pass, -1),
           coalesce((select d.ts from cohort.decision_reward d where d.experiment_id = e.id and d.ts > coalesce(p.evaluated_to, '-infinity')
                       and d.ts <= s.matured_to order by d.ts offset 20000 limit 1), s.matured_to, l.as_of), l.pass, array_to_string(p.sums, ' '),
           coalesce(e.planned_units, 10000 * cardinality(v.ids))::double precision, 0.05 / count(*) over (partition by e.id), coalesce(b.floor_ppm, 0),
           coalesce(x.safe_variant, (cohort.control_of(e)).key), m.direction_good = 'down'
      from cohort.challenger c
      join cohort.experiment e on e.environment = c.environment and e.key = c.experiment and e.status <> 'draft'
      join cohort.leader_state l on true
      left join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
      left join cohort.reward_source s on s.experiment_id = e.id
      left join lateral (select q.metric from cohort.experiment_metric q
                          where q.environment = e.environment and q.experiment = e.key and q.role = 'primary' order by q.metric limit 1) f on true
      join cohort.metric m on m.environment = e.environment and m.key = coalesce(b.reward, f.metric)
      left join cohort.contextual x on x.environment = e.environment and x.experiment = e.key
     cross join lateral (select array_agg(y.key order by y.position, y.id) as keys, array_agg(y.id order by y.position, y.id) as ids
                           from cohort.variant y where y.environment = e.environment and y.experiment = e.key and y.share_ppm > 0) v
      left join cohort.policy_stat p on p.challenger_id = c.id and p.experiment_id = e.id
     where p.evaluated_to is null
        or (s.experiment_id is not null and (p.evaluated_to < s.matured_to
             or exists (select from cohort.decision_reward d where d.experiment_id = e.id and d.pass > p.evaluated_pass and d.ts <= p.evaluated_to)))
        or (s.experiment_id is null and p.sums[2] is distinct from (
             select sum(case when m.window_end_s is null then z.units else z.matured_units end)::double precision from cohort.metric_stat z
              where z.experiment_id = e.id and z.metric_id = m.id and z.metric_version = m.version and z.segment = 0))
     order by c.id
$$;
comment on function cohort.challengers_due() is
    'The challengers about which the log knows more than they were asked: up to `upto`, at most about 20,000 decisions at a time';

create or replace function cohort.policy_rows(experiment_id int, evaluated_to timestamptz, evaluated_pass bigint, upto timestamptz, pass bigint)
    returns table (unit_id uuid, variant_id int, propensity int, model_id int, value numeric, vector jsonb, inputs jsonb)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select r.unit_id, r.variant_id, r.propensity, r.model_id, r.value,
           coalesce(d.eligible, (select jsonb_object_agg(v.variant_id, v.share_ppm) from cohort.phase_variant v where v.phase_id = r.phase_id)), d.inputs
      from (select w.* from cohort.decision_reward w where w.experiment_id = $1 and w.ts > $2 and w.ts <= $4 and w.pass <= $5 and not w.safe
            union all
            select w.* from cohort.decision_reward w where w.experiment_id = $1 and w.ts <= $2 and w.pass > $3 and w.pass <= $5 and not w.safe) r
     cross join lateral (select x.eligible, x.inputs from cohort.decision x
                          where x.unit_id = r.unit_id and x.decision_id = r.decision_id and x.ts = r.ts offset 0) d
     order by r.unit_id
$$;
comment on function cohort.policy_rows(int, timestamptz, bigint, timestamptz, bigint) is
    'The drawn decisions that matured since a challenger was last asked, unit by unit, with the probabilities they had';

create or replace function cohort.policy_cells(experiment_id int, metric_id int)
    returns table (phase_id int, variant_id int, share_ppm int, units bigint, sum numeric, sum_sq numeric)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select v.phase_id, v.variant_id, v.share_ppm, coalesce(case when m.window_end_s is null then z.units else z.matured_units end, 0),
           coalesce(case when m.window_end_s is null then z.sum else z.matured_sum end, 0),
           coalesce(case when m.window_end_s is null then z.sum_sq else z.matured_sum_sq end, 0)
      from cohort.metric m
      join cohort.phase p on p.experiment_id = $1
      join cohort.phase_variant v on v.phase_id = p.id
      left join cohort.metric_stat z on z.experiment_id = $1 and z.metric_id = m.id and z.metric_version = m.version and z.segment = 0
                                    and z.phase_id = p.id and z.variant_id = v.variant_id
     where m.id = $2
     order by 1, 2
$$;
comment on function cohort.policy_cells(int, int) is 'Where units are drawn: what each variant earned in each phase, and its share there';

create or replace function cohort.record_policy(epoch bigint, challenger_id int, experiment_id int, evaluated_to timestamptz, evaluated_pass bigint,
        sums double precision[], body jsonb, units uuid[], unit_sums text[]) returns boolean
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    perform cohort.assert_epoch($1);
    if not exists (select from cohort.challenger c where c.id = $2) then
        return false;
    end if;
    insert into cohort.policy_unit as u (challenger_id, experiment_id, unit_id, sums)
    select $2, $3, x.unit, string_to_array(x.sums, ' ')::double precision[] from unnest($8, $9) x(unit, sums) order by 3
    on conflict (challenger_id, experiment_id, unit_id) do update set sums = excluded.sums;
    insert into cohort.policy_stat as s (challenger_id, experiment_id, evaluated_to, evaluated_pass, sums, body)
    values ($2, $3, $4, $5, $6, $7)
    on conflict (challenger_id, experiment_id) do update
       set evaluated_to = excluded.evaluated_to, evaluated_pass = excluded.evaluated_pass, sums = excluded.sums, body = excluded.body,
           at = clock_timestamp();
    return true;
end $$;
comment on function cohort.record_policy(bigint, int, int, timestamptz, bigint, double precision[], jsonb, uuid[], text[]) is
    'For the leader: what a challenger would have earned, and the sums it came from. False: it was deleted meanwhile';

-- Reading

create or replace function cohort.challenger_document(c cohort.challenger) returns jsonb
    language sql stable as $$
    select jsonb_build_object('key', c.key, 'policy', c.policy, 'created_at', cohort.rfc3339(c.created_at), 'created_by', c.created_by,
               'value', coalesce(s.body || jsonb_build_object('as_of', cohort.rfc3339(s.at)), jsonb_build_object('state', 'waiting',
                   'words', case when e.status = 'draft' then 'The experiment has not started.'
                                 when b.experiment is null and f.metric is null then 'The experiment has no primary metric to value a policy by.'
                                 else 'The leader has not come to it yet.' end)))
      from cohort.experiment e
      left join cohort.policy_stat s on s.challenger_id = c.id and s.experiment_id = e.id
      left join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
      left join lateral (select q.metric from cohort.experiment_metric q
                          where q.environment = e.environment and q.experiment = e.key and q.role = 'primary' limit 1) f on true
     where e.environment = c.environment and e.key = c.experiment $$;
comment on function cohort.challenger_document(cohort.challenger) is 'A challenger and what it would have earned';

create or replace function cohort.get_challengers(key text) returns jsonb
    language sql stable as $$
    select jsonb_build_object('challengers', coalesce((select jsonb_agg(cohort.challenger_document(c) order by c.key) from cohort.challenger c
                where c.environment = e.environment and c.experiment = e.key), '[]'))
      from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1 $$;
comment on function cohort.get_challengers(text) is 'The challengers of an experiment, and what each would have earned; null when there is no such experiment';

create or replace function cohort.put_challengers(key text, doc jsonb) returns jsonb
    language plpgsql as $$
#variable_conflict use_column
declare
    env text := cohort.current_environment();
    list jsonb := cohort.doc_field(doc, '$', 'challengers', 'array', true);
    item jsonb;
    path text;
begin
    perform cohort.check_team_of('experiment', $1);
    perform cohort.one_writer('experiment', $1);
    if not exists (select from cohort.experiment e where e.environment = env and e.key = $1) then
        return null;
    end if;
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        path := format('challengers[%s]', i);
        if jsonb_typeof(item) <> 'object' then
            perform cohort.fail('document_field_type', format('%s must be an object, not %s.', path, cohort.json_noun(item)), path);
        end if;
        perform cohort.doc_fields(item, path, 'a challenger', array['key', 'policy', 'created_at', 'created_by', 'value']);
        perform cohort.doc_field(item, path, 'key', 'string', true), cohort.doc_field(item, path, 'policy', 'object', true);
    end loop;
    delete from cohort.challenger c where c.environment = env and c.experiment = $1
       and not exists (select from jsonb_array_elements(list) x where x ->> 'key' = c.key and x -> 'policy' = c.policy);
    for i in 0 .. jsonb_array_length(list) - 1 loop
        item := list -> i;
        continue when exists (select from cohort.challenger c where c.environment = env and c.experiment = $1 and c.key = item ->> 'key'
                                 and c.policy = item -> 'policy')
                  and not exists (select from jsonb_array_elements(list) with ordinality x(other, n) where n <= i and x.other ->> 'key' = item ->> 'key');
        perform set_config('cohort.path', format('challengers[%s]', i), true);
        insert into cohort.challenger (experiment, key, policy) values ($1, item ->> 'key', item -> 'policy');
    end loop;
    perform set_config('cohort.path', '', true);
    return cohort.get_challengers($1);
end $$;
comment on function cohort.put_challengers(text, jsonb) is
    'Makes these the challengers of an experiment: {"challengers": [{"key": …, "policy": …}]}; one with another policy under its key is another challenger. Returns what get_challengers() does';

-- A policy nobody made a challenger of becomes one, under a name made of it: it is computed in one place, by the leader.
create or replace function cohort.off_policy(experiment text, policy jsonb) returns jsonb
    language plpgsql as $$
#variable_conflict use_column
declare
    c cohort.challenger;
begin
    perform cohort.check_team_of('experiment', $1);
    if not exists (select from cohort.experiment e where e.environment = cohort.current_environment() and e.key = $1) then
        perform cohort.fail('experiment_known', format('There is no experiment %s.', cohort.shown($1)));
    end if;
    select * into c from cohort.challenger x where x.environment = cohort.current_environment() and x.experiment = $1 and x.policy = $2 limit 1;
    if not found then
        insert into cohort.challenger (experiment, key, policy)
        values ($1, 'p-' || left(encode(sha256(convert_to($2::text, 'UTF8')), 'hex'), 12), $2) returning * into c;
    end if;
    return cohort.challenger_document(c);
end $$;
comment on function cohort.off_policy(text, jsonb) is
    'What another policy would have earned: off_policy(''offers'', ''{"kind": "variant", "variant": "b"}''). A policy nobody asked about becomes a challenger; the leader computes it within seconds';

create or replace function cohort.off_policy(experiment text, challenger text) returns jsonb
    language plpgsql as $$
#variable_conflict use_column
declare
    c cohort.challenger;
begin
    if $2 ~ '^\s*\{' then
        return cohort.off_policy($1, $2::jsonb);
    end if;
    select * into c from cohort.challenger x where x.environment = cohort.current_environment() and x.experiment = $1 and x.key = $2;
    if not found then
        perform cohort.fail('challenger_known', format('Experiment %s has no challenger %s.', cohort.shown($1), cohort.shown($2)));
    end if;
    return cohort.challenger_document(c);
end $$;
comment on function cohort.off_policy(text, text) is 'What a challenger would have earned, by its key (or by its policy, in JSON)';

-- Promotion

create or replace function cohort.promoted_shares(e cohort.experiment, policy jsonb) returns jsonb
    language sql stable as $$
    select case policy ->> 'kind' when 'uniform' then cohort.equal_shares(e) else (
        select jsonb_object_agg(k, case when k = policy ->> 'variant' then 1000000 - (cardinality(v.keys) - 1) * b.floor_ppm else b.floor_ppm end)
          from cohort.bandit b
         cross join lateral (select cohort.live_variants(e) as keys) v
         cross join lateral unnest(v.keys) k
         where b.environment = e.environment and b.experiment = e.key) end $$;
comment on function cohort.promoted_shares(cohort.experiment, jsonb) is
    'The shares of a promoted policy: equal ones, or all but the floors for one variant. A bandit has no deterministic arm';

create or replace function cohort.promote_check(e cohort.experiment, c cohort.challenger) returns void
    language plpgsql as $$
declare
    kind text := c.policy ->> 'kind';
begin
    if kind = 'rule' then
        perform cohort.fail('challenger_rule_promote', format('Challenger %s of experiment %s is a rule.', cohort.shown(c.key), cohort.shown(e.key)));
    elsif not (cohort.is_bandit(e) or (e.kind = 'ab' and kind = 'variant')) then
        perform cohort.fail('challenger_promote_kind', format('Challenger %s of experiment %s, of kind %s, is of kind %s.', cohort.shown(c.key),
            cohort.shown(e.key), e.kind, kind));
    elsif cohort.is_bandit(e) and kind = 'variant' and c.policy ->> 'variant' <> all (cohort.live_variants(e)) then
        perform cohort.fail('challenger_variant_known', format('Variant %s of experiment %s was dropped.', cohort.shown(c.policy ->> 'variant'), cohort.shown(e.key)));
    elsif kind = 'model' then
        perform cohort.model_of(e, (c.policy ->> 'version')::int);
    end if;
end $$;
comment on function cohort.promote_check(cohort.experiment, cohort.challenger) is 'Refuses to promote what the experiment can''t do';

create or replace function cohort.challenger_of(e cohort.experiment, key text) returns cohort.challenger
    language plpgsql stable as $$
declare
    c cohort.challenger;
begin
    select * into c from cohort.challenger x where x.environment = e.environment and x.experiment = e.key and x.key = challenger_of.key;
    if not found then
        perform cohort.fail('challenger_known', format('Experiment %s has no challenger %s.', cohort.shown(e.key), cohort.shown(key)));
    end if;
    return c;
end $$;
comment on function cohort.challenger_of(cohort.experiment, text) is 'A challenger by its key; fails when there is none';

-- Part of carry_out(): the command {"do": "promote_challenger", "challenger": …}; epoch: of the leader that does it itself.
create or replace function cohort.promote_challenger_now(e cohort.experiment, key text, epoch bigint, reason text) returns text
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    c challenger;
    m model;
    said text := format('challenger %s put in force', shown(key));
    evidence jsonb;
begin
    if epoch is not null then
        perform assert_epoch(epoch);
    end if;
    c := challenger_of(e, key);
    perform promote_check(e, c);
    evidence := jsonb_build_object('kind', 'promoted', 'challenger', c.key, 'policy', c.policy, 'actor', current_actor(), 'reason', reason,
        'value', (select s.body from policy_stat s where s.challenger_id = c.id and s.experiment_id = e.id));
    if c.policy ->> 'kind' = 'model' then
        m := model_of(e, (c.policy ->> 'version')::int);
        perform open_policy(e, model_shares(e, m), m.id, true, epoch, format('Challenger %s, model %s, by %s', c.key, m.version, current_actor()), evidence);
    else
        perform open_policy(e, promoted_shares(e, c.policy), null, true, epoch, format('Challenger %s, by %s', c.key, current_actor()), evidence);
    end if;
    return said;
end $$;
comment on function cohort.promote_challenger_now(cohort.experiment, text, bigint, text) is 'Part of promote_challenger(): opens the phase';
revoke execute on function cohort.promote_challenger_now(cohort.experiment, text, bigint, text) from public;

create or replace function cohort.promote_challenger(key text, challenger text, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
    c cohort.challenger := cohort.challenger_of(e, challenger);
begin
    perform cohort.promote_check(e, c);
    if e.kind = 'ab' then
        perform cohort.ship(key, c.policy ->> 'variant', 0, coalesce(reason, format('challenger %s', cohort.shown(c.key))));
        return 'shipped';
    end if;
    perform cohort.check_live(e, 'nothing can be put in force in it');
    perform cohort.run_command(e, jsonb_build_object('do', 'promote_challenger', 'challenger', challenger), reason);
    return 'in force';
end $$;
comment on function cohort.promote_challenger(text, text, text) is
    'Puts a challenger in force: in a bandit from a new time phase on, and held there until cohort.use_model(key) or another promotion; an A/B test''s variant is shipped. Returns what became of it';

-- By the leader, where bandit.promote is automatic: the lower end of the challenger's interval (its error level shared by all
-- challengers) lies above what the policy in force has earned, over 100 matured decisions or more of its own. Never against a person's choice.
create or replace function cohort.promotions_due() returns table (experiment_id int, challenger text, bound double precision, champion double precision)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select distinct on (e.id) e.id, c.key, o.bound, v.value
      from cohort.bandit b
      join cohort.experiment e on e.environment = b.environment and e.key = b.experiment and cohort.effective_status(e) = 'running'
      join cohort.challenger c on c.environment = e.environment and c.experiment = e.key and c.policy ->> 'kind' <> 'rule'
      join cohort.policy_stat s on s.challenger_id = c.id and s.experiment_id = e.id and s.body ->> 'state' = 'answered'
      join lateral (select p.id, p.model_id from cohort.phase p where p.experiment_id = e.id and p.kind = 'time' order by p.number desc limit 1) f on true
      join lateral (select sum(t.sum)::double precision / 1e6 / sum(t.matured) as value, sum(t.matured) as n from cohort.phase p
                      join cohort.reward_stat t on t.experiment_id = e.id and t.phase_id = p.id
                     where p.experiment_id = e.id and p.kind = 'time' and case when f.model_id is null then p.id = f.id else p.model_id = f.model_id end) v on v.n >= 100
      join cohort.metric m on m.environment = b.environment and m.key = b.reward
     cross join lateral (select case m.direction_good when 'down' then (s.body -> 'dr' ->> 'high')::double precision
                                     else (s.body -> 'dr' ->> 'low')::double precision end as bound) z
     cross join lateral (select z.bound, case m.direction_good when 'down' then v.value - z.bound else z.bound - v.value end as beyond,
                                case m.direction_good when 'down' then z.bound < v.value else z.bound > v.value end as good) o
      left join lateral (select u.epoch, u.evidence from cohort.bandit_update u where u.experiment_id = e.id and u.phase_id = f.id order by u.id desc limit 1) u on true
     where b.promote = 'automatic' and not (b.held and u.epoch is null)
       and (u.evidence ->> 'challenger') is distinct from c.key
       and not (c.policy ->> 'kind' = 'model' and exists (select from cohort.model m where m.id = f.model_id and m.version = (c.policy ->> 'version')::int))
       and o.good
     order by e.id, o.beyond desc, c.key
$$;
comment on function cohort.promotions_due() is
    'Challengers the leader may put in force: bandit.promote is automatic, and the near end of their interval is better than what the policy in force has earned over 100 matured decisions or more';

create or replace function cohort.promote_pass(epoch bigint) returns table (what text, why text)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    d record;
    e cohort.experiment;
begin
    perform cohort.assert_epoch($1);
    for d in select * from cohort.promotions_due() loop
        select * into e from cohort.experiment_unlocked(d.experiment_id);
        continue when not found;
        perform cohort.run_command_as('leader', e, jsonb_build_object('do', 'promote_challenger', 'challenger', d.challenger, 'epoch', $1),
            format('the near end of its interval is %s, the value of the policy in force %s', round(d.bound::numeric, 6), round(d.champion::numeric, 6)));
        what := format('experiment %s (%s): challenger %s is put in force', e.key, e.environment, d.challenger);
        why := format('the near end of its interval is %s, the value of the policy in force %s', round(d.bound::numeric, 6), round(d.champion::numeric, 6));
        return next;
    end loop;
end $$;
comment on function cohort.promote_pass(bigint) is 'For the leader: promotes what may be promoted without a person; a row for each';

do $$
declare
    r text;
begin
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        perform cohort.grant_to(r, 'select on cohort.challenger, cohort.policy_stat, cohort.policy_unit');
    end loop;
    perform cohort.grant_to('cohort_product', 'insert (environment, experiment, key, policy), delete on cohort.challenger');
end $$;
