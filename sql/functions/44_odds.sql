-- Where a model decides, each unit has its own odds of a treatment against control: those of the decision that its first
-- exposure showed. They are kept with the exposure, in steps, and go through the roll-up as a segment's id would.

-- A 36th of e-fold: 2.8 % of the odds. Guardrails take a step's edge that speaks against harm, so its width costs a
-- little power and no false stop; more steps would cost more time than they gain (511 of them: 42 ms a verdict).
create or replace function cohort.odds_step(treatment_ppm int, control_ppm int) returns int
    language sql immutable parallel safe as $$
    select case when s.step between -255 and 255 then s.step::int end
      from (select case when $1 > 0 and $2 > 0 then floor(36 * ln($1 / $2::double precision) + 0.5) end as step) s $$;
comment on function cohort.odds_step(int, int) is
    'Step k of the odds: treatment_ppm / control_ppm is in [e^((k - 1/2)/36), e^((k + 1/2)/36)), k from -255 to 255; null: beyond (over 1,208 to 1), or one of them is 0';

create or replace function cohort.odds_share(step int, upper boolean) returns int
    language sql immutable parallel safe as $$
    select case when $2 then ceil(1000000 / (1 + exp(-($1 + 0.5) / 36::double precision)))
                else floor(1000000 / (1 + exp(-($1 - 0.5) / 36::double precision))) end::int $$;
comment on function cohort.odds_share(int, boolean) is
    'The treatment''s part of treatment and control at the upper or the lower edge of a step, in parts per million, rounded outwards';

create or replace function cohort.odds_segment(treatment_id int, step int) returns int
    language sql immutable parallel safe
    as $$ select case when $1 between 1 and 4194302 and $2 between -255 and 255 then -($1 * 512 + $2 + 256) end $$;
comment on function cohort.odds_segment(int, int) is
    'A step of a treatment in the place of a segment''s id, always negative; null for a treatment (variant.id) too large for it';

create or replace function cohort.odds_of(experiment_id int, variant_id int, eligible jsonb) returns jsonb
    language sql stable set search_path = cohort, pg_temp as $$
    select coalesce(jsonb_object_agg(t.id, s.step) filter (where s.step is not null), '{}')
      from (select (array_agg(v.id order by v.is_control desc, v.id))[1]::text as id
              from cohort.experiment e join cohort.variant v on v.environment = e.environment and v.experiment = e.key
             where e.id = $1 and (v.is_control or v.key = 'control')) c
      join lateral jsonb_each_text($3) t(id, ppm) on t.id <> c.id and ($2::text = c.id or $2::text = t.id)
     cross join lateral (select cohort.odds_step(t.ppm::int, ($3 ->> c.id)::int) as step) s $$;
comment on function cohort.odds_of(int, int, jsonb) is
    'The steps of the odds of treatments against control that a decision with these probabilities had, {"17": -12}: of the variant it gave; of every treatment where it gave control. Empty where it could not have given both, as when the safe variant was served';

-- A decision is staged with the exposure that it made itself; that of a reported one is stored. What is neither yet
-- takes no part: whether it came in time does not depend on what the variant did.
create or replace function cohort.ingest_odds() returns void
    language plpgsql set search_path = cohort, pg_temp set enable_mergejoin = off set enable_seqscan = off set jit = off as $$
begin
    if not exists (select from cohort.phase p join pg_temp.stage_exposure s on s.phase_id = p.id where p.model_id is not null)
       or (select count(*) from pg_attribute a where (a.attrelid, a.attname) in (('pg_temp.stage_exposure'::regclass, 'segments'),
                                                                                 ('pg_temp.stage_decision'::regclass, 'model_id'))) < 2 then
        return;
    end if;
    with d as materialized (
        select distinct on (unit_id, decision_id, experiment_id) unit_id, decision_id, experiment_id, phase_id, variant_id, eligible
          from pg_temp.stage_decision where eligible is not null order by unit_id, decision_id, experiment_id, ts)
    update pg_temp.stage_exposure s
       set segments = coalesce(s.segments, '{}') || jsonb_build_object('$odds', cohort.odds_of(d.experiment_id, d.variant_id, d.eligible))
      from d where (d.unit_id, d.decision_id, d.experiment_id, d.phase_id, d.variant_id)
                 = (s.unit_id, s.decision_id, s.experiment_id, s.phase_id, s.variant_id);
    update pg_temp.stage_exposure x
       set segments = coalesce(x.segments, '{}') || jsonb_build_object('$odds', o.odds)
      from (select s.ctid as id, cohort.odds_of(s.experiment_id, s.variant_id, d.eligible) as odds
              from pg_temp.stage_exposure s
              join cohort.phase p on p.id = s.phase_id and p.model_id is not null
             cross join lateral (select d.eligible from cohort.decision d
                                  where d.unit_id = s.unit_id and d.decision_id = s.decision_id and d.eligible is not null
                                    and (d.experiment_id, d.phase_id, d.variant_id) = (s.experiment_id, s.phase_id, s.variant_id)
                                  limit 1) d
             where (s.segments -> '$odds') is null and s.decision_id is not null) o
     where x.ctid = o.id;
end $$;
comment on function cohort.ingest_odds() is
    'Part of ingest(): gives staged exposures that a model drew the odds they were drawn with, in segments, as "$odds"';
