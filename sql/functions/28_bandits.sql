-- Rules of bandits: how they learn, and what contextual ones see. Each row alone at once; with variants, traffic and
-- exposure at the start.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('bandit_experiment_known', '23503', 422, 'A bandit is an experiment of kind bandit or contextual', 'Make it first: insert into cohort.experiment (key, kind) values (…, ''bandit'').', 'experiment', 'definition'),
('bandit_unique', '23505', 409, 'The bandit has its settings', 'Update the row that exists.', null, 'definition'),
('bandit_running_fixed', '55000', 409, 'A bandit that has started keeps its settings', 'Only every_s and promote can be changed while it runs. Change the rest by cohort.restart(): its units are then drawn anew.', null, 'definition'),
('bandit_reward_known', '23503', 422, 'There is no such metric', 'Known metrics are in the table cohort.metric.', 'reward', 'definition'),
('bandit_reward_kind', '23514', 422, 'A reward is binary, a count or a mean', 'Use a metric of kind binary, count or mean; ratios and quantiles are no sum of what units bring.', 'reward', 'definition'),
('bandit_reward_window', '23514', 422, 'A reward has the end of a window', 'A reward counts once its window has closed: give the metric a window_end_s, the shorter the sooner the bandit learns.', 'reward', 'definition'),
('bandit_assign_known', '23514', 422, 'A bandit assigns units or decisions', 'assign is one of: unit (a unit keeps its variant for stick_s), decision (each evaluation is drawn anew).', 'assign', 'definition'),
('bandit_assign_contextual', '23514', 422, 'A contextual bandit assigns decisions', 'Leave assign out: each evaluation is drawn anew, from what is known at that moment.', 'assign', 'definition'),
('bandit_floor_range', '23514', 422, 'A floor is 1,000 to 500,000', 'floor_ppm, the smallest share of a variant, is in parts per million: one percent is 10000.', 'floor_ppm', 'definition'),
('bandit_floor_arms', '23514', 422, 'All floors together leave something to win', 'Lower floor_ppm, or have fewer variants: floor_ppm times their number is below 1000000.', 'floor_ppm', 'definition'),
('bandit_every_range', '23514', 422, 'A bandit is updated every 10 seconds to 30 days', 'every_s is in seconds: an hour is 3600.', 'every_s', 'definition'),
('bandit_warm_up_range', '23514', 422, 'A warm-up is 1 reward or more', 'warm_up is the number of matured rewards each variant needs before shares move: 100, say.', 'warm_up', 'definition'),
('bandit_half_life_range', '23514', 422, 'A half-life is a minute to ten years', 'half_life_s is in seconds, after which a reward counts half: a week is 604800. Leave it out and all rewards count alike.', 'half_life_s', 'definition'),
('bandit_uniform_range', '23514', 422, 'The reserved slice is 0 to 500,000', 'uniform_ppm, the traffic that keeps equal shares, is in parts per million of the eligible units: 5 percent is 50000.', 'uniform_ppm', 'definition'),
('bandit_uniform_traffic', '23514', 422, 'The reserved slice is smaller than the traffic', 'Raise traffic_ppm, or lower uniform_ppm: the bandit has the traffic above it.', 'uniform_ppm', 'definition'),
('bandit_stick_range', '23514', 422, 'A variant sticks for 0 seconds to a year', 'stick_s is in seconds; leave it out and it is the end of the reward''s window.', 'stick_s', 'definition'),
('bandit_stick_unit', '23514', 422, 'Only units stick to a variant', 'Leave stick_s out, or assign units.', 'stick_s', 'definition'),
('bandit_promote_known', '23514', 422, 'A policy is promoted by a person or by the server', 'promote is one of: person, automatic.', 'promote', 'definition'),
('bandit_missing', '23514', 422, 'A bandit says what its reward is', 'insert into cohort.bandit (experiment, reward) values (…); in a document, "bandit": {"reward": …}.', 'bandit', 'definition'),
('bandit_kind', '23514', 422, 'Only a bandit has a reward', 'Make its kind bandit, or delete its row of cohort.bandit.', 'bandit', 'definition'),
('bandit_shares_equal', '23514', 422, 'A bandit begins with equal shares', 'Give every variant the same share_ppm, what doesn''t divide to the first ones; in a document, leave share_ppm out.', 'variants', 'definition'),
('bandit_variants_most', '23514', 422, 'A bandit has at most 32 variants', 'Leave out those you expect least of.', 'variants', 'definition'),
('bandit_exposure', '23514', 422, 'Where decisions are drawn, evaluations are exposures', 'Set exposure to on_evaluation, or assign units.', 'exposure', 'definition'),
('bandit_stick_updates', '23514', 422, 'Too many updates while a variant sticks', 'Every server keeps the shares of all updates of that time: make every_s longer, or give a shorter stick_s.', 'every_s', 'definition'),
('bandit_sticky', '23514', 422, 'Where decisions are drawn, nothing is sticky', 'Set sticky to false, or assign units.', 'sticky', 'definition'),
('bandit_ramp_shares', '23514', 422, 'A bandit finds its own shares', 'Leave the shares out: traffic that opens gets those in force.', 'shares', 'definition'),
('drop_safe', '55000', 409, 'The safe variant can''t be dropped', 'To end everything, stop the experiment: select cohort.stop(key).', 'variant', 'definition'),
('contextual_bandit_known', '23503', 422, 'A contextual bandit is a bandit first', 'Make that row first: insert into cohort.bandit (experiment, reward) values (…).', 'experiment', 'definition'),
('contextual_unique', '23505', 409, 'The bandit has its features', 'Update the row that exists.', null, 'definition'),
('contextual_missing', '23514', 422, 'A contextual bandit has features', 'insert into cohort.contextual (experiment, features) values (…); in a document, "contextual": {"features": […]}.', 'contextual', 'definition'),
('contextual_kind', '23514', 422, 'Only a contextual bandit has features', 'Make its kind contextual, or delete its row of cohort.contextual.', 'contextual', 'definition'),
('contextual_features', '23514', 422, 'Features are a list of columns', 'Write [{"name": "age", "attribute": "age", "kind": "number"}, {"name": "plan", "attribute": "plan", "kind": "one_hot", "values": ["free", "pro"]}, {"name": "both", "kind": "interaction", "of": ["age", "plan"]}]; kinds are number, boolean, one_hot, interaction.', 'features', 'definition'),
('contextual_features_most', '23514', 422, 'At most 64 features and 256 columns', 'Leave out values and interactions that matter least. A number and a boolean have 1 column, one_hot one a value, an interaction the product of its two.', 'features', 'definition'),
('contextual_safe_known', '23503', 422, 'There is no such variant', 'safe_variant is the key of a variant of this experiment that was not dropped; left out, the control.', 'safe_variant', 'definition'),
('contextual_threshold_range', '23514', 422, 'A threshold is 0 to 1,000,000', 'threshold_ppm is a probability in parts per million; 0 lets the model decide always.', 'threshold_ppm', 'definition'),
('contextual_gamma_range', '23514', 422, 'gamma lies above 0', 'gamma is above 0 and at most 1e9; leave it out and it grows with the rewards that were trained on.', 'gamma', 'definition'),
('contextual_ridge_range', '23514', 422, 'ridge lies above 0', 'ridge is above 0 and at most 1e9; 1 is usual.', 'ridge', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.bandit_reward_check(b cohort.bandit) returns void
    language plpgsql as $$
declare
    m cohort.metric;
begin
    select * into m from cohort.metric x where x.environment = b.environment and x.key = b.reward for no key update;
    if not found then
        perform cohort.fail('bandit_reward_known', format('There is no metric %s.', cohort.shown(b.reward)));
    elsif m.kind not in ('binary', 'count', 'mean') then
        perform cohort.fail('bandit_reward_kind', format('The reward of experiment %s, metric %s, is a %s.', cohort.shown(b.experiment),
            cohort.shown(m.key), m.kind));
    elsif m.window_end_s is null then
        perform cohort.fail('bandit_reward_window', format('The reward of experiment %s, metric %s, has no end of its window, so it never matures.',
            cohort.shown(b.experiment), cohort.shown(m.key)));
    end if;
end $$;
comment on function cohort.bandit_reward_check(cohort.bandit) is 'Refuses a metric that can''t be a reward';

create or replace function cohort.bandit_value_check(b cohort.bandit, kind text) returns void
    language plpgsql as $$
declare
    name text := format('bandit %s', cohort.shown(b.experiment));
    rule text := case when b.floor_ppm not between 1000 and 500000 then 'bandit_floor_range'
                      when b.every_s not between 10 and 2592000 then 'bandit_every_range'
                      when b.warm_up not between 1 and 1000000000 then 'bandit_warm_up_range'
                      when b.half_life_s not between 60 and 315360000 then 'bandit_half_life_range'
                      when b.uniform_ppm not between 0 and 500000 then 'bandit_uniform_range'
                      when b.stick_s not between 0 and 31536000 then 'bandit_stick_range' end;
    field text;
    sticks int;
begin
    if b.assign not in ('unit', 'decision') then
        perform cohort.fail('bandit_assign_known', format('%s is nothing that %s can assign.', cohort.shown(b.assign), name));
    elsif kind = 'contextual' and b.assign <> 'decision' then
        perform cohort.fail('bandit_assign_contextual', format('The contextual %s can''t assign units.', name));
    elsif b.promote not in ('person', 'automatic') then
        perform cohort.fail('bandit_promote_known', format('%s is nobody who promotes.', cohort.shown(b.promote)));
    elsif rule is not null then
        select m.field into field from cohort.error_message m where m.constraint_name = rule;
        perform cohort.fail(rule, format('The %s of %s is %s.', field, name, to_jsonb(b) ->> field));
    elsif b.stick_s is not null and b.assign = 'decision' then
        perform cohort.fail('bandit_stick_unit', format('The %s assigns decisions and can''t have a stick_s.', name));
    end if;
    sticks := coalesce(b.stick_s, (select m.window_end_s from cohort.metric m where m.environment = b.environment and m.key = b.reward));
    if b.assign = 'unit' and sticks / b.every_s > 1000 then
        perform cohort.fail('bandit_stick_updates', format('While a variant of %s sticks, %s s, there are %s updates: at most 1000 are possible.',
            name, sticks, sticks / b.every_s));
    end if;
end $$;
comment on function cohort.bandit_value_check(cohort.bandit, text) is 'Refuses words and ranges out of place';

create or replace function cohort.bandit_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
begin
    if cohort.within() then
        return new;
    end if;
    if tg_op = 'UPDATE' and (new.environment, new.experiment) is distinct from (old.environment, old.experiment) then
        perform cohort.fail('key_fixed', format('The settings of bandit %s can''t become another''s.', cohort.shown(old.experiment)));
    end if;
    if tg_op = 'UPDATE' and to_jsonb(new) - '{every_s,promote}'::text[] = to_jsonb(old) - '{every_s,promote}'::text[] then
        select * into e from cohort.experiment x where x.environment = new.environment and x.key = new.experiment;
    else
        e := cohort.experiment_draft(new.environment, new.experiment, 'bandit_experiment_known', 'bandit_running_fixed', 'settings');
    end if;
    if not cohort.is_bandit(e) then
        perform cohort.fail('bandit_experiment_known', format('Experiment %s is of kind %s.', cohort.shown(new.experiment), e.kind));
    end if;
    new.assign := coalesce(new.assign, case e.kind when 'contextual' then 'decision' else 'unit' end);
    new.floor_ppm := coalesce(new.floor_ppm, 10000);
    new.every_s := coalesce(new.every_s, 3600);
    new.warm_up := coalesce(new.warm_up, 100);
    new.uniform_ppm := coalesce(new.uniform_ppm, 50000);
    new.promote := coalesce(new.promote, 'person');
    if tg_op = 'INSERT' and exists (select from cohort.bandit b where b.environment = new.environment and b.experiment = new.experiment) then
        perform cohort.fail('bandit_unique', format('Bandit %s has its settings already.', cohort.shown(new.experiment)));
    end if;
    perform cohort.bandit_value_check(new, e.kind);
    perform cohort.bandit_reward_check(new);
    perform cohort.prerequisite_decisions_check(new);
    return new;
end $$;
comment on function cohort.bandit_check() is 'Trigger: rules of a bandit''s settings';
create or replace trigger bandit_check before insert or update on cohort.bandit
    for each row execute function cohort.bandit_check();

create or replace function cohort.bandit_delete_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.experiment_draft(old.environment, old.experiment, null, 'bandit_running_fixed', 'settings');
    return old;
end $$;
comment on function cohort.bandit_delete_check() is 'Trigger: only a draft''s settings can be deleted';
create or replace trigger bandit_delete_check before delete on cohort.bandit
    for each row execute function cohort.bandit_delete_check();
create or replace trigger bandit_delete_check before delete on cohort.contextual
    for each row execute function cohort.bandit_delete_check();

-- Features one after the other; each counts its columns, so that interactions and the whole have their size.
create or replace function cohort.feature_columns(f jsonb, i int, sizes jsonb, name text) returns int
    language plpgsql as $$
declare
    place text := cohort.path_of(format('features[%s]', i));
    what text := format('features[%s] of %s', i, name);
    odd text;
    problem text;
begin
    if jsonb_typeof(f) <> 'object' then
        perform cohort.fail('contextual_features', format('%s must be an object, not %s.', what, cohort.json_noun(f)), place);
    end if;
    select k into odd from jsonb_object_keys(f) k where k <> all (case f ->> 'kind'
        when 'one_hot' then '{name,attribute,kind,values}'::text[] when 'interaction' then '{name,kind,of}' else '{name,attribute,kind}' end) order by k limit 1;
    problem := case
        when f ->> 'kind' is null or f ->> 'kind' not in ('number', 'boolean', 'one_hot', 'interaction')
            then format('have the kind %s', coalesce(cohort.shown(f ->> 'kind'), 'null'))
        when odd is not null then format('have a field %s, which kind %s has not', cohort.shown(odd), f ->> 'kind')
        when jsonb_typeof(f -> 'name') is distinct from 'string' or not cohort.key_ok(f ->> 'name') then 'go without a name of 1 to 100 of a-z 0-9 _ . -'
        when sizes ? (f ->> 'name') then format('have the name %s, which is taken', cohort.shown(f ->> 'name'))
        when f ->> 'kind' <> 'interaction' and (jsonb_typeof(f -> 'attribute') is distinct from 'string' or length(f ->> 'attribute') not between 1 and 100)
            then 'go without an attribute of 1 to 100 characters'
        when f ->> 'kind' = 'one_hot' and (jsonb_typeof(f -> 'values') is distinct from 'array' or f -> 'values' = '[]'
                or jsonb_path_exists(f, '$.values[*] ? (@.type() != "string")')
                or jsonb_array_length(f -> 'values') <> (select count(distinct v) from jsonb_array_elements(f -> 'values') v))
            then 'go without values, a list of different strings'
        when f ->> 'kind' = 'interaction' and (jsonb_typeof(f -> 'of') is distinct from 'array' or jsonb_array_length(f -> 'of') <> 2
                or not sizes ?& array(select jsonb_array_elements_text(f -> 'of')))
            then 'be of anything but two features that come before it' end;
    if problem is not null then
        perform cohort.fail('contextual_features', format('%s can''t %s.', what, problem), place);
    end if;
    return case f ->> 'kind' when 'one_hot' then jsonb_array_length(f -> 'values')
               when 'interaction' then (sizes ->> (f -> 'of' ->> 0))::int * (sizes ->> (f -> 'of' ->> 1))::int else 1 end;
end $$;
comment on function cohort.feature_columns(jsonb, int, jsonb, text) is 'Checks a feature; returns how many columns it has. sizes: those of the features before it';

create or replace function cohort.check_features(features jsonb, name text) returns int
    language plpgsql as $$
declare
    sizes jsonb := '{}';
    columns int := 1;
    f jsonb;
    n int;
begin
    if jsonb_typeof(features) is distinct from 'array' or features = '[]' then
        perform cohort.fail('contextual_features', format('The features of %s must be a list, not %s.', name,
            case when features = '[]' then 'an empty one' else coalesce(cohort.json_noun(features), 'null') end));
    elsif jsonb_array_length(features) > 64 then
        perform cohort.fail('contextual_features_most', format('The %s has %s features.', name, jsonb_array_length(features)));
    end if;
    for i in 0 .. jsonb_array_length(features) - 1 loop
        f := features -> i;
        n := cohort.feature_columns(f, i, sizes, name);
        sizes := sizes || jsonb_build_object(f ->> 'name', n);
        columns := columns + n;
        if columns > 256 then
            perform cohort.fail('contextual_features_most', format('The features of %s have more than 256 columns, the constant among them.', name));
        end if;
    end loop;
    return columns;
end $$;
comment on function cohort.check_features(jsonb, text) is 'Checks the features of a contextual bandit; returns how many columns they have, the constant too';

create or replace function cohort.contextual_check() returns trigger
    language plpgsql as $$
declare
    e cohort.experiment;
    name text := format('bandit %s', cohort.shown(new.experiment));
begin
    if tg_op = 'UPDATE' and (new.environment, new.experiment) is distinct from (old.environment, old.experiment) then
        perform cohort.fail('key_fixed', format('The features of bandit %s can''t become another''s.', cohort.shown(old.experiment)));
    end if;
    e := cohort.experiment_draft(new.environment, new.experiment, 'contextual_bandit_known', 'bandit_running_fixed', 'features');
    if e.kind <> 'contextual' then
        perform cohort.fail('contextual_kind', format('Experiment %s is of kind %s.', cohort.shown(new.experiment), e.kind));
    elsif not exists (select from cohort.bandit b where b.environment = new.environment and b.experiment = new.experiment) then
        perform cohort.fail('contextual_bandit_known', format('Experiment %s has no reward yet.', cohort.shown(new.experiment)));
    elsif tg_op = 'INSERT' and exists (select from cohort.contextual c where c.environment = new.environment and c.experiment = new.experiment) then
        perform cohort.fail('contextual_unique', format('The %s has its features already.', name));
    end if;
    new.threshold_ppm := coalesce(new.threshold_ppm, 0);
    new.ridge := coalesce(new.ridge, 1);
    perform cohort.check_features(new.features, name);
    perform cohort.check_feature_attributes(e, new.features);
    if new.threshold_ppm not between 0 and 1000000 then
        perform cohort.fail('contextual_threshold_range', format('The threshold_ppm of %s is %s.', name, new.threshold_ppm));
    elsif not coalesce(new.gamma > 0 and new.gamma <= 1e9, true) then
        perform cohort.fail('contextual_gamma_range', format('The gamma of %s is %s.', name, new.gamma));
    elsif not (new.ridge > 0 and new.ridge <= 1e9) then
        perform cohort.fail('contextual_ridge_range', format('The ridge of %s is %s.', name, new.ridge));
    end if;
    return new;
end $$;
comment on function cohort.contextual_check() is 'Trigger: rules of what a contextual bandit sees';
create or replace trigger contextual_check before insert or update on cohort.contextual
    for each row execute function cohort.contextual_check();

-- Features are logged with each decision, and raw ids are never kept.
create or replace function cohort.check_feature_attributes(e cohort.experiment, features jsonb) returns void
    language plpgsql as $$
declare
    bad record;
begin
    select f.item ->> 'attribute' as attribute, f.n - 1 as n into bad from jsonb_array_elements(features) with ordinality f(item, n)
     where f.item ->> 'attribute' in ('user', e.unit_type)
        or exists (select from cohort.experiment x where x.environment = e.environment and x.unit_type = f.item ->> 'attribute')
        or exists (select from cohort.flag_rule r where r.environment = e.environment and r.unit_type = f.item ->> 'attribute')
     order by f.n limit 1;
    if found then
        perform cohort.fail('contextual_features', format('features[%s] of bandit %s asks for %s, which holds ids of units: they are never kept.', bad.n,
            cohort.shown(e.key), cohort.shown(bad.attribute)), cohort.path_of(format('features[%s].attribute', bad.n)));
    end if;
end $$;
comment on function cohort.check_feature_attributes(cohort.experiment, jsonb) is 'Refuses a feature that has the name of a unit type';

create or replace function cohort.check_contextual_start(e cohort.experiment, b cohort.bandit) returns void
    language plpgsql as $$
declare
    c cohort.contextual;
begin
    select * into c from cohort.contextual x where x.environment = e.environment and x.experiment = e.key;
    if e.kind = 'contextual' and c.experiment is null then
        perform cohort.fail('contextual_missing', format('Contextual bandit %s has no features.', cohort.shown(e.key)));
    elsif e.kind <> 'contextual' and c.experiment is not null then
        perform cohort.fail('contextual_kind', format('Experiment %s is of kind %s, and has features.', cohort.shown(e.key), e.kind));
    end if;
    if c.safe_variant is not null and not exists (select from cohort.variant v where v.environment = e.environment and v.experiment = e.key
            and v.key = c.safe_variant and v.dropped_at is null) then
        perform cohort.fail('contextual_safe_known', format('Experiment %s has no variant %s that it could serve.', cohort.shown(e.key), cohort.shown(c.safe_variant)));
    end if;
end $$;
comment on function cohort.check_contextual_start(cohort.experiment, cohort.bandit) is 'Checks what the start of a contextual bandit needs';

create or replace function cohort.check_bandit_variants(e cohort.experiment, b cohort.bandit) returns void
    language plpgsql as $$
declare
    name text := format('bandit %s', cohort.shown(e.key));
    v record;
begin
    select count(*) as n, max(x.share_ppm) - min(x.share_ppm) as spread into v
      from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.dropped_at is null and x.share_ppm > 0;
    if v.n > 32 then
        perform cohort.fail('bandit_variants_most', format('The %s has %s variants.', name, v.n));
    elsif v.n * b.floor_ppm >= 1000000 then
        perform cohort.fail('bandit_floor_arms', format('The floor_ppm of %s, %s, times %s variants leaves nothing to win.', name, b.floor_ppm, v.n));
    elsif v.spread > 1 then
        perform cohort.fail('bandit_shares_equal', format('The shares of %s differ.', name));
    end if;
end $$;
comment on function cohort.check_bandit_variants(cohort.experiment, cohort.bandit) is 'Refuses variants that a bandit can''t begin with';

create or replace function cohort.check_bandit_start(e cohort.experiment) returns void
    language plpgsql as $$
declare
    name text := format('bandit %s', cohort.shown(e.key));
    b cohort.bandit;
begin
    select * into b from cohort.bandit x where x.environment = e.environment and x.experiment = e.key;
    if not cohort.is_bandit(e) then
        if b.experiment is not null then
            perform cohort.fail('bandit_kind', format('Experiment %s is of kind %s, and has the settings of a bandit.', cohort.shown(e.key), e.kind));
        end if;
        return;
    elsif b.experiment is null then
        perform cohort.fail('bandit_missing', format('The %s has no reward.', name));
    end if;
    perform cohort.bandit_value_check(b, e.kind);
    perform cohort.bandit_reward_check(b);
    perform cohort.check_bandit_variants(e, b);
    perform cohort.prerequisite_decisions_check(b);
    if b.uniform_ppm >= e.traffic_ppm then
        perform cohort.fail('bandit_uniform_traffic', format('The uniform_ppm of %s, %s, leaves nothing of its traffic, %s.', name, b.uniform_ppm, e.traffic_ppm));
    elsif b.assign = 'decision' and e.exposure <> 'on_evaluation' then
        perform cohort.fail('bandit_exposure', format('The %s assigns decisions, and its exposures are %s.', name, e.exposure));
    elsif b.assign = 'decision' and e.sticky then
        perform cohort.fail('bandit_sticky', format('The %s assigns decisions and can''t be sticky.', name));
    elsif exists (select from cohort.ramp_step s where s.environment = e.environment and s.experiment = e.key and s.shares is not null) then
        perform cohort.fail('bandit_ramp_shares', format('Steps of the ramp of %s give shares.', name));
    end if;
    perform cohort.check_contextual_start(e, b);
end $$;
comment on function cohort.check_bandit_start(cohort.experiment) is 'Checks what the start of a bandit needs besides what variants need anywhere';
