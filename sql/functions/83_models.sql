-- Models of contextual bandits: when one is due, what it is trained on, and which one decides. Every change of what
-- decides opens a time phase, written before it serves anyone.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('model_known', 'P0002', 404, 'There is no such model', 'select version, n, created_at from cohort.model where experiment = ''…'' order by 1 lists them; version 0 is equal shares.', 'version', 'definition'),
('model_kind', '55000', 409, 'Only a contextual bandit has models', 'A bandit without context follows its rewards by itself; cohort.promote_challenger() puts another policy in force.', null, 'definition'),
('model_variants', '55000', 409, 'A model knows every variant that can be served', 'Use a version that was trained since, or wait for the next one: select cohort.use_model(''…'').', 'version', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.live_variants(e cohort.experiment) returns text[]
    language sql stable as $$
    select array_agg(v.key order by v.position, v.id) from cohort.variant v
     where v.environment = e.environment and v.experiment = e.key and v.dropped_at is null and v.share_ppm > 0 $$;
comment on function cohort.live_variants(cohort.experiment) is 'The variants that can be served, in the order of their slots';

-- What is opened: a stretch of time with shares, and perhaps a model. The evidence says from what.
create or replace function cohort.open_policy(e cohort.experiment, shares jsonb, model_id int, held boolean, epoch bigint, said text, evidence jsonb)
    returns int language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    opened int;
    was text := coalesce(current_setting('cohort.within', true), '');
begin
    if epoch is not null then
        perform assert_epoch(epoch);
    end if;
    opened := open_time_phase(e, shares, clock_timestamp() + phase_lead(), model_id);
    perform set_config('cohort.within', 'on', true);
    update bandit b set held = open_policy.held
     where b.environment = e.environment and b.experiment = e.key and b.held is distinct from open_policy.held;
    perform set_config('cohort.within', was, true);
    insert into bandit_update (experiment_id, phase_id, epoch, sentence, evidence) values (e.id, opened, epoch, said, evidence);
    return opened;
end $$;
comment on function cohort.open_policy(cohort.experiment, jsonb, int, boolean, bigint, text, jsonb) is
    'Puts shares, or a model, in force in a bandit and writes down why; epoch: the leader''s, null for a person; returns the phase';
revoke execute on function cohort.open_policy(cohort.experiment, jsonb, int, boolean, bigint, text, jsonb) from public;

create or replace function cohort.model_of(e cohort.experiment, version int) returns cohort.model
    language plpgsql stable as $$
declare
    m cohort.model;
    unknown text[];
begin
    select * into m from cohort.model x where x.experiment_id = e.id and (x.version = model_of.version or model_of.version is null)
     order by x.version desc limit 1;
    if not found then
        perform cohort.fail('model_known', format('Experiment %s has no model%s.', cohort.shown(e.key), case when version is null then ' yet' else ' of version ' || version end));
    end if;
    select array_agg(k) into unknown from unnest(cohort.live_variants(e)) k where not m.document -> 'weights' ? k;
    if unknown is not null then
        perform cohort.fail('model_variants', format('Model %s of experiment %s does not know %s.', m.version, cohort.shown(e.key), cohort.shown(unknown[1])));
    end if;
    return m;
end $$;
comment on function cohort.model_of(cohort.experiment, int) is 'A model of the current run by its version (null: the newest); fails when there is none that could decide';

-- The shares that a model's phase has for the record: of the variants that can be served now.
create or replace function cohort.model_shares(e cohort.experiment, m cohort.model) returns jsonb
    language sql stable as $$
    with s as (
        select k, n, greatest(1, coalesce((m.calibration -> 'shares' ->> k)::numeric, 0)) as share
          from unnest(cohort.live_variants(e)) with ordinality v(k, n)
    ), r as (
        select k, n, floor(share * 1000000 / sum(share) over ())::int as ppm from s
    )
    select jsonb_object_agg(k, ppm + case when n = 1 then 1000000 - (select sum(ppm) from r) else 0 end) from r $$;
comment on function cohort.model_shares(cohort.experiment, cohort.model) is
    'Shares by variant, as a model gave them on average in training; the decisions'' own are in their log';

create or replace function cohort.check_contextual_kind(e cohort.experiment) returns void
    language plpgsql as $$
begin
    if e.kind <> 'contextual' then
        perform cohort.fail('model_kind', format('Experiment %s is of kind %s.', cohort.shown(e.key), e.kind));
    end if;
end $$;
comment on function cohort.check_contextual_kind(cohort.experiment) is 'Refuses models of what is no contextual bandit';

-- Part of carry_out(): the command {"do": "use_model", "version": …}.
create or replace function cohort.use_model_now(e cohort.experiment, version int, reason text) returns text
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    m model;
    said text;
begin
    perform check_contextual_kind(e);
    if version = 0 then
        said := 'equal shares, held';
        perform open_policy(e, equal_shares(e), null, true, null, format('Equal shares, by %s', current_actor()),
            jsonb_build_object('kind', 'chosen', 'version', 0, 'actor', current_actor(), 'reason', reason));
        return said;
    end if;
    m := model_of(e, version);
    said := format('model %s %s', m.version, case when version is null then 'and learning on' else 'held' end);
    perform open_policy(e, model_shares(e, m), m.id, version is not null, null, format('Model %s, by %s', m.version, current_actor()),
        jsonb_build_object('kind', 'chosen', 'version', m.version, 'model', m.id, 'actor', current_actor(), 'reason', reason));
    return said;
end $$;
comment on function cohort.use_model_now(cohort.experiment, int, text) is 'Part of use_model(): opens the phase';
revoke execute on function cohort.use_model_now(cohort.experiment, int, text) from public;

create or replace function cohort.use_model(key text, version int default null, reason text default null) returns text
    language plpgsql as $$
declare
    e cohort.experiment := cohort.experiment_locked(key);
begin
    perform cohort.check_contextual_kind(e);
    perform cohort.check_live(e, 'no model can decide in it');
    if version is distinct from 0 then
        perform cohort.model_of(e, version);
    end if;
    perform cohort.run_command(e, jsonb_build_object('do', 'use_model', 'version', version), reason);
    return case when version = 0 then 'equal shares' else format('model %s', (cohort.model_of(e, version)).version) end;
end $$;
comment on function cohort.use_model(text, int, text) is
    'Puts a version of a contextual bandit''s model in force and holds it there: the way back, in one statement. Version 0: equal shares. Without a version: the newest one, and the bandit learns on. Returns what decides';

-- Training

-- The last attempt, whatever came of it, is the last row of bandit_update about a model.
create or replace function cohort.training_due()
    returns table (experiment_id int, environment text, experiment text, features jsonb, kind text, ridge double precision, gamma double precision,
                   floor_ppm int, variants text[], variant_ids int[], matured bigint, held boolean, down boolean)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select e.id, e.environment, e.key, c.features, m.kind, c.ridge, c.gamma, b.floor_ppm, v.keys, v.ids, r.matured, b.held, m.direction_good = 'down'
      from cohort.experiment e
      join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
      join cohort.contextual c on c.environment = e.environment and c.experiment = e.key
      join cohort.metric m on m.environment = b.environment and m.key = b.reward
      join cohort.reward_source s on s.experiment_id = e.id
     cross join lateral (select array_agg(x.key order by x.position, x.id) as keys, array_agg(x.id order by x.position, x.id) as ids
                           from cohort.variant x where x.environment = e.environment and x.experiment = e.key and x.dropped_at is null and x.share_ppm > 0) v
     cross join lateral (select coalesce(sum(t.matured), 0)::bigint as matured from cohort.reward_stat t where t.experiment_id = e.id) r
      left join lateral (select u.at, (u.evidence ->> 'matured')::bigint as matured from cohort.bandit_update u
                          where u.experiment_id = e.id and u.evidence ->> 'kind' = 'training' order by u.id desc limit 1) l on true
     where e.kind = 'contextual' and cohort.effective_status(e) = 'running'
       and (l.at is null or (l.at <= clock_timestamp() - make_interval(secs => b.every_s) and l.matured < r.matured))
       and b.warm_up <= all (select coalesce((select sum(k.decisions) from cohort.reward_cluster k
                                               where k.experiment_id = e.id and k.variant_id = i.id), 0) from unnest(v.ids) i(id))
$$;
comment on function cohort.training_due() is
    'Contextual bandits whose model is due: warmed up, every_s after the last attempt, with rewards that have matured since';

create or replace function cohort.training_rows(experiment_id int, most int)
    returns table (ts timestamptz, variant_id int, propensity int, value numeric, fold int, inputs jsonb)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    select r.ts, r.variant_id, r.propensity, r.value, cohort.reward_group(r.unit_id)::int, d.inputs
      from (select w.* from cohort.decision_reward w join cohort.reward_source s on s.experiment_id = w.experiment_id
             where w.experiment_id = $1 and not w.safe and w.ts <= s.matured_to order by w.ts desc limit $2) r
     cross join lateral (select x.inputs from cohort.decision x
                          where x.unit_id = r.unit_id and x.decision_id = r.decision_id and x.ts = r.ts offset 0) d
     where octet_length(d.inputs::text) <= 4096
$$;
comment on function cohort.training_rows(int, int) is
    'The latest matured decisions that were drawn, with what they saw, latest first; those with over 4 KiB of attributes are left out. fold: the unit''s group';

create or replace function cohort.record_model(epoch bigint, experiment_id int, document jsonb, trained_from timestamptz, trained_to timestamptz,
        n bigint, calibration jsonb, matured bigint, sentence text) returns int
    language plpgsql security definer set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    e experiment;
    m model;
    held boolean;
    evidence jsonb;
begin
    perform assert_epoch($1);
    select * into e from experiment x where x.id = $2 for no key update;
    if not found or effective_status(e) <> 'running' then
        return 0; -- stopped while the model was fitted
    end if;
    select b.held into held from bandit b where b.environment = e.environment and b.experiment = e.key;
    perform set_config('cohort.actor', 'leader', true);
    insert into model (environment, experiment, experiment_id, version, document, trained_from, trained_to, n, calibration, created_by)
    select e.environment, e.key, e.id, coalesce(max(x.version), 0) + 1, $3, $4, $5, $6, $7, 'leader' from model x where x.experiment_id = e.id
    returning * into m;
    evidence := jsonb_build_object('kind', 'training', 'version', m.version, 'model', m.id, 'n', $6, 'matured', $8, 'calibration', $7);
    if held or exists (select from unnest(live_variants(e)) k where not m.document -> 'weights' ? k) then
        insert into bandit_update (experiment_id, phase_id, epoch, sentence, evidence)
        values (e.id, null, $1, format('Model %s: %s. Not in force: %s', m.version, $9,
            case when held then 'another policy is held' else 'a variant is new to it' end), evidence);
    else
        perform open_policy(e, model_shares(e, m), m.id, false, $1, format('Model %s: %s', m.version, $9), evidence);
    end if;
    return m.version;
end $$;
comment on function cohort.record_model(bigint, int, jsonb, timestamptz, timestamptz, bigint, jsonb, bigint, text) is
    'For the leader: a fitted model becomes a row and, unless another policy is held, decides from a new time phase on. Returns its version; 0: the experiment runs no longer';
revoke execute on function cohort.record_model(bigint, int, jsonb, timestamptz, timestamptz, bigint, jsonb, bigint, text) from public;

create or replace function cohort.record_no_model(epoch bigint, experiment_id int, matured bigint, why text, calibration jsonb) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    perform assert_epoch($1);
    insert into bandit_update (experiment_id, phase_id, epoch, sentence, evidence)
    values ($2, null, $1, 'No new model: ' || $4, jsonb_build_object('kind', 'training', 'refused', $4, 'matured', $3, 'calibration', $5));
end $$;
comment on function cohort.record_no_model(bigint, int, bigint, text, jsonb) is 'For the leader: why a fit made no model; what decided goes on';
revoke execute on function cohort.record_no_model(bigint, int, bigint, text, jsonb) from public;
select cohort.grant_to('cohort_server', 'execute on function cohort.record_model(bigint, int, jsonb, timestamptz, timestamptz, bigint, jsonb, bigint, text), cohort.record_no_model(bigint, int, bigint, text, jsonb)');

create or replace function cohort.list_models(key text) returns jsonb
    language sql stable as $$
    select jsonb_build_object('models', coalesce(jsonb_agg(jsonb_build_object('version', m.version, 'n', m.n, 'created_at', cohort.rfc3339(m.created_at),
               'created_by', m.created_by, 'trained_from', cohort.rfc3339(m.trained_from), 'trained_to', cohort.rfc3339(m.trained_to),
               'calibration', m.calibration, 'document', m.document, 'in_force', m.id is not distinct from p.model_id) order by m.version desc), '[]'),
               'held', (select b.held from cohort.bandit b where b.environment = e.environment and b.experiment = e.key))
      from cohort.experiment e
      left join lateral (select x.model_id from cohort.phase x where x.experiment_id = e.id and x.kind = 'time' order by x.number desc limit 1) p on true
      left join cohort.model m on m.experiment_id = e.id
     where e.environment = cohort.current_environment() and e.key = $1 group by e.environment, e.key $$;
comment on function cohort.list_models(text) is 'The models of an experiment''s current run as a document, newest first; null when there is no such experiment';
