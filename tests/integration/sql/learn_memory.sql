-- For learn_memory: a model and a challenger that are due, with fixed rows, and writes that are only noted. The functions have the
-- signatures of those they stand in for: where one changes, this fails.
create table public.noted (n bigint generated always as identity, what text not null, said text not null);

create or replace function cohort.training_due()
    returns table (experiment_id int, environment text, experiment text, features jsonb, kind text, ridge double precision, gamma double precision,
                   floor_ppm int, variants text[], variant_ids int[], matured bigint, held boolean, down boolean)
    language sql stable as $$
    select 7, 'production', 'offer', '[{"name": "age", "attribute": "age", "kind": "number"},
           {"name": "plan", "attribute": "plan", "kind": "one_hot", "values": ["free", "pro"]}]'::jsonb, 'mean', 1.0::double precision, null::double precision,
           20000, array['control', 'b'], array[71, 72], 40::bigint, false, false $$;

create or replace function cohort.training_rows(experiment_id int, most int)
    returns table (ts timestamptz, variant_id int, propensity int, value numeric, fold int, inputs jsonb)
    language sql stable as $$
    select '2026-11-01 10:00:00Z'::timestamptz - n * interval '1 s', 71 + n % 2, 500000, (n % 7) * 1000000.0, n % 20,
           case when n = 13 then '{"plan": "free"}' else jsonb_build_object('age', 20 + (n * 7) % 31, 'plan', (array['free', 'pro'])[1 + n % 3 % 2]) end
      from generate_series(1, 40) n $$;

create or replace function cohort.record_model(epoch bigint, experiment_id int, document jsonb, trained_from timestamptz, trained_to timestamptz,
        n bigint, calibration jsonb, matured bigint, sentence text) returns int
    language sql as $$
    insert into public.noted (what, said) values ('model', concat_ws(' ', $2, $3, $4, $5, $6, $7, $8));
    select 1 $$;

create or replace function cohort.record_no_model(epoch bigint, experiment_id int, matured bigint, why text, calibration jsonb) returns void
    language sql as $$ insert into public.noted (what, said) values ('no model', concat_ws(' ', $2, $3, $4, $5)) $$;

-- The model that decided, and that the challenger is of.
set session_replication_role = replica;
insert into cohort.model (id, experiment, experiment_id, version, document) overriding system value values (70, 'offer', 7, 3,
    '{"kind": "linear", "columns": 4, "centre": [30], "scale": [9], "low": [20], "high": [50], "gamma": 5,
      "weights": {"control": [1, 0.5, 0.25, 0], "b": [2, -0.5, 0, 0.25]}}');
reset session_replication_role;

-- Due until it is noted.
create or replace function cohort.challengers_due()
    returns table (challenger_id int, experiment_id int, environment text, experiment text, challenger text, policy jsonb, by_decision boolean,
                   features jsonb, kind text, metric_id int, variants text[], variant_ids int[], threshold_ppm int, evaluated_to timestamptz,
                   evaluated_pass bigint, upto timestamptz, pass bigint, sums text, n_star double precision, alpha double precision, floor_ppm int, safe text, down boolean)
    language sql stable as $$
    select c.id, 7, 'production', 'offer', c.key, c.policy::jsonb, true, d.features, 'mean', 1, d.variants, d.variant_ids, 0, '-infinity'::timestamptz, -1::bigint,
           '2026-11-01'::timestamptz, 5::bigint, null::text, 20000.0::double precision, 0.05::double precision, 20000, 'control', false
      from (values (1, 'third', '{"kind": "model", "version": 3}'),
                   (2, 'young', '{"kind": "rule", "rules": [{"condition": {"age": {"$lt": 30}}, "variant": "b"}], "otherwise": "control"}')) c(id, key, policy)
     cross join cohort.training_due() d
     where not exists (select from public.noted x where x.what = 'policy ' || c.id)
     order by 1 $$;

create or replace function cohort.policy_rows(experiment_id int, evaluated_to timestamptz, evaluated_pass bigint, upto timestamptz, pass bigint)
    returns table (unit_id uuid, variant_id int, propensity int, model_id int, value numeric, vector jsonb, inputs jsonb)
    language sql stable as $$
    select lpad((n / 2)::text, 32, '0')::uuid, r.variant_id, r.propensity, case when n % 3 > 0 then 70 end, r.value, '{"71": 500000, "72": 500000}'::jsonb, r.inputs
      from (select row_number() over () as n, t.* from cohort.training_rows(7, 40) t) r order by 1 $$;

create or replace function cohort.record_policy(epoch bigint, challenger_id int, experiment_id int, evaluated_to timestamptz, evaluated_pass bigint,
        sums double precision[], body jsonb, units uuid[], unit_sums text[]) returns boolean
    language sql as $$
    insert into public.noted (what, said) values ('policy ' || $2, concat_ws(' ', $3, $4, $5, $6, $7, $8, $9));
    select true $$;
