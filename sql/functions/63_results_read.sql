-- What the leader wrote, as rows.

drop view if exists cohort.results;
drop function if exists cohort.results(text);
drop function if exists cohort.results(text, int);
create function cohort.results(key text, iteration int default null)
    returns table (metric text, kind text, variant text, is_control boolean, units bigint, exposed bigint, value double precision,
                   difference double precision, lift double precision, low double precision, high double precision,
                   p double precision, ln_e double precision, method text, gate text, maturity text, phases int,
                   as_of timestamptz)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with x as materialized (select cohort.experiment_id_of($1, $2) as id)
    select m.key, m.kind, v.key, v.is_control, coalesce((r.body ->> 'units')::bigint, 0), coalesce((r.body ->> 'exposed')::bigint, 0),
           (r.body ->> 'value')::double precision, (r.body ->> 'difference')::double precision,
           (r.body -> 'lift' ->> 'value')::double precision, (r.body ->> 'low')::double precision,
           (r.body ->> 'high')::double precision, (r.body ->> 'p')::double precision, (r.body ->> 'ln_e')::double precision,
           r.body ->> 'method', r.body -> 'gate' ->> 'words', r.body ->> 'maturity', coalesce((r.body ->> 'phases')::int, 0), r.as_of
      from x
     cross join lateral cohort.result_metrics(x.id) m
     cross join lateral cohort.result_variants(x.id) v
      left join cohort.result r on r.experiment_id = x.id and r.metric_id = m.id and r.metric_version = m.version
                               and r.variant_id = v.id and r.segment = 0
     order by m.role = 'primary' desc nulls last, m.id, v.is_control desc, v.place, v.id
$$;
comment on function cohort.results(text, int) is
    'Per metric and variant what the leader last wrote, as of as_of: units that count (matured ones where the metric''s window ends), value, difference to control, relative lift, and the 95 % interval of the difference, p and ln E, all of which hold however often one looks. gate says what an interval still needs. Null where a number is not defined or not written yet. cohort.results_fixed() has the fixed-horizon numbers. iteration: an earlier run''s; left out, the current one''s';

create or replace function cohort.uplift(key text, iteration int default null)
    returns table (metric text, variant text, along boolean, attribute text, value text, units bigint, treatment double precision,
                   control double precision, effect double precision, low double precision, high double precision, ln_e double precision,
                   rejected boolean, words text)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with x as materialized (select cohort.experiment_id_of($1, $2) as id)
    select m.key, v.key, u.along, u.doc ->> 'attribute', u.doc ->> 'value', (u.doc ->> 'units')::numeric::bigint,
           (u.doc ->> 'treatment')::double precision, (u.doc ->> 'control')::double precision, (u.doc ->> 'effect')::double precision,
           (u.doc ->> 'low')::double precision, (u.doc ->> 'high')::double precision, (u.doc ->> 'ln_e')::double precision,
           (u.doc ->> 'rejected')::boolean, u.doc ->> 'words'
      from x
     cross join lateral cohort.result_metrics(x.id) m
     cross join lateral cohort.result_variants(x.id) v
      join cohort.result r on r.experiment_id = x.id and r.metric_id = m.id and r.metric_version = m.version
                          and r.variant_id = v.id and r.segment = 0
     cross join lateral (select false as along, s.doc from jsonb_array_elements(r.body -> 'uplift' -> 'segments') s(doc)
                         union all
                         select true, s.doc from jsonb_array_elements(r.body -> 'uplift' -> 'slopes') s(doc)) u
     order by m.role = 'primary' desc nulls last, m.id, v.place, v.id, u.along, u.doc ->> 'attribute', u.doc ->> 'value'
$$;
comment on function cohort.uplift(text, int) is
    'Who gains, for reading and never used to stop: per metric and treatment the effect in each segment (treatment less control), and along each numeric attribute the difference of the arms'' slopes (along: true), with intervals and ln E that hold however often one looks. rejected: there is an effect, by e-BH over all that are asked of the metric. Numbers are null below 20 events, and words says what is missing';

create or replace function cohort.results_series(key text, iteration int default null, since timestamptz default null)
    returns table (metric text, variant text, is_control boolean, at timestamptz, units bigint, value double precision,
                   difference double precision, low double precision, high double precision, ln_e double precision)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with x as materialized (select cohort.experiment_id_of($1, $2) as id)
    select m.key, v.key, v.is_control, s.at, s.units, s.value, s.difference, s.low, s.high, s.ln_e
      from x
     cross join lateral cohort.result_metrics(x.id) m
     cross join lateral cohort.result_variants(x.id) v
      join cohort.result_series s on s.experiment_id = x.id and s.metric_id = m.id and s.variant_id = v.id
     where $3 is null or s.at >= $3
     order by m.role = 'primary' desc nulls last, m.id, v.is_control desc, v.place, v.id, s.at
$$;
comment on function cohort.results_series(text, int, timestamptz) is
    'How results went, for plots: a point a minute in which they changed, an hour where it is older than two days. since: later ones only';

create or replace function cohort.holdout_lift(key text)
    returns table (holdout text, experiment text, iteration int, metric text, kind text, arm text, is_control boolean, units bigint,
                   exposed bigint, value double precision, difference double precision, lift double precision, low double precision,
                   high double precision, p double precision, ln_e double precision, method text, gate text, maturity text,
                   as_of timestamptz)
    language sql stable set search_path = cohort, pg_temp set jit = off as $$
    with x as materialized (select cohort.experiment_id_of($1) as id)
    select h.experiment, e.experiment, e.iteration, m.key, m.kind, v.key, v.is_control, coalesce((r.body ->> 'units')::bigint, 0),
           coalesce((r.body ->> 'exposed')::bigint, 0), (r.body ->> 'value')::double precision,
           (r.body ->> 'difference')::double precision, (r.body -> 'lift' ->> 'value')::double precision,
           (r.body ->> 'low')::double precision, (r.body ->> 'high')::double precision, (r.body ->> 'p')::double precision,
           (r.body ->> 'ln_e')::double precision, r.body ->> 'method', r.body -> 'gate' ->> 'words', r.body ->> 'maturity', r.as_of
      from x
      join cohort.lift_pair l on x.id in (l.holdout_id, l.experiment_id)
      join cohort.every_iteration h on h.experiment_id = l.holdout_id
      join cohort.every_iteration e on e.experiment_id = l.experiment_id
     cross join lateral cohort.result_metrics(l.id) m
     cross join lateral cohort.result_variants(l.id) v
      left join cohort.result r on r.experiment_id = l.id and r.metric_id = m.id and r.metric_version = m.version
                               and r.variant_id = v.id and r.segment = 0
     order by h.experiment, e.experiment, e.iteration, m.role = 'primary' desc nulls last, m.id, v.is_control desc, v.place, v.id
$$;
comment on function cohort.holdout_lift(text) is
    'What an experiment gained against the holdouts it is behind; of a holdout: what each experiment behind it did. Per metric and arm of the holdout, over the units that the experiment enrolled or would have but for the holdout, from the first such decision on. Columns as cohort.results() has them; is_control: the arm that was kept out';
