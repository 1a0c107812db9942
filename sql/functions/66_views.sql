-- For analysts: the events with names in place of numbers. A name is null when its definition is gone.

drop view if exists cohort.exposures, cohort.switches, cohort.outcomes, cohort.decisions;

create view cohort.exposures as
select x.unit_id, e.environment, e.experiment, e.iteration, v.key as variant, p.number as phase, x.first_ts,
       x.propensity / 1000000.0 as propensity, x.inclusion / 1000000.0 as inclusion,
       case x.origin when 0 then 'evaluated' when 1 then 'reported' when 2 then 'imported' end as origin,
       x.trusted, x.segments, x.event_id, x.decision_id, x.batch_id
  from cohort.exposure x
  left join cohort.every_iteration e on e.experiment_id = x.experiment_id
  left join cohort.variant v on v.id = x.variant_id
  left join cohort.phase p on p.id = x.phase_id
 where not exists (select from cohort.lift_pair l where l.id = x.experiment_id);
comment on view cohort.exposures is 'Who saw which variant first: one row per unit and experiment';
comment on column cohort.exposures.unit_id is 'The unit: cohort.unit_id(type, raw id)';
comment on column cohort.exposures.environment is 'The environment';
comment on column cohort.exposures.experiment is 'The experiment';
comment on column cohort.exposures.iteration is 'Which run of it: 1, 2, …';
comment on column cohort.exposures.variant is 'The variant the unit counts by';
comment on column cohort.exposures.phase is 'The number of the phase that drew it';
comment on column cohort.exposures.first_ts is 'When it was first seen';
comment on column cohort.exposures.propensity is 'Probability of the variant among the enrolled; null when overridden';
comment on column cohort.exposures.inclusion is 'Probability of being enrolled; null when overridden';
comment on column cohort.exposures.origin is 'evaluated, reported or imported';
comment on column cohort.exposures.trusted is 'False when a browser reported it';
comment on column cohort.exposures.segments is 'Segments, frozen at the exposure';
comment on column cohort.exposures.event_id is 'The report''s id';
comment on column cohort.exposures.decision_id is 'The decision that was shown';
comment on column cohort.exposures.batch_id is 'The batch that brought it';

create view cohort.switches as
select w.unit_id, e.environment, e.experiment, e.iteration, f.key as first_variant, fp.number as first_phase, x.first_ts,
       v.key as variant, p.number as phase, w.ts, w.event_id
  from cohort.exposure_switch w
  join cohort.exposure x on x.unit_id = w.unit_id and x.experiment_id = w.experiment_id
                        and (x.variant_id, x.phase_id) is distinct from (w.variant_id, w.phase_id)
  left join cohort.every_iteration e on e.experiment_id = w.experiment_id
  left join cohort.variant v on v.id = w.variant_id
  left join cohort.phase p on p.id = w.phase_id
  left join cohort.variant f on f.id = x.variant_id
  left join cohort.phase fp on fp.id = x.phase_id;
comment on view cohort.switches is
    'Units that were also seen in another variant or phase. They count by their first; leaving them out biases results';
comment on column cohort.switches.unit_id is 'The unit';
comment on column cohort.switches.environment is 'The environment';
comment on column cohort.switches.experiment is 'The experiment';
comment on column cohort.switches.iteration is 'Which run of it: 1, 2, …';
comment on column cohort.switches.first_variant is 'The variant it counts by';
comment on column cohort.switches.first_phase is 'The number of the phase it counts by';
comment on column cohort.switches.first_ts is 'When it was first seen';
comment on column cohort.switches.variant is 'The other variant';
comment on column cohort.switches.phase is 'The number of the other phase';
comment on column cohort.switches.ts is 'When it was first seen there';
comment on column cohort.switches.event_id is 'The report that said so';

create view cohort.outcomes as
select o.unit_id, o.ts, o.name, o.value / 1000000.0 as value, o.attributes, o.trusted, o.event_id, o.decision_id,
       o.batch_id
  from cohort.outcome o;
comment on view cohort.outcomes is 'What happened: one row per event and unit. Ask for a range of ts: days are stored apart';
comment on column cohort.outcomes.unit_id is 'The unit';
comment on column cohort.outcomes.ts is 'When it happened';
comment on column cohort.outcomes.name is 'The event''s name';
comment on column cohort.outcomes.value is 'Its value; null: none';
comment on column cohort.outcomes.attributes is 'Declared attributes';
comment on column cohort.outcomes.trusted is 'False when a browser sent it: kept, and not counted';
comment on column cohort.outcomes.event_id is 'The event''s id';
comment on column cohort.outcomes.decision_id is 'The decision it followed';
comment on column cohort.outcomes.batch_id is 'The batch that brought it';

create view cohort.decisions as
select d.unit_id, d.ts, f.environment, f.key as flag, e.experiment, e.iteration, v.key as variant, p.number as phase, d.reason,
       k.key as counterfactual, d.propensity / 1000000.0 as propensity, d.inclusion / 1000000.0 as inclusion,
       h.experiment as holdout, case d.mode when 0 then 'single' when 1 then 'bulk' when 2 then 'read' end as mode, d.plan_version, d.inputs, d.eligible,
       m.version as model, d.decision_id, d.batch_id
  from cohort.decision d
  left join cohort.flag f on f.id = d.flag_id
  left join cohort.every_iteration e on e.experiment_id = d.experiment_id
  left join cohort.every_iteration h on h.experiment_id = d.holdout_id
  left join cohort.variant v on v.id = d.variant_id
  left join cohort.variant k on k.id = d.counterfactual_variant_id
  left join cohort.phase p on p.id = d.phase_id
  left join cohort.model m on m.id = d.model_id;
comment on view cohort.decisions is 'What was served to whom, and why. Ask for a range of ts: days are stored apart';
comment on column cohort.decisions.unit_id is 'The unit';
comment on column cohort.decisions.ts is 'When it was decided';
comment on column cohort.decisions.environment is 'The environment';
comment on column cohort.decisions.flag is 'The flag that was asked for';
comment on column cohort.decisions.experiment is 'The experiment that decided; null: none';
comment on column cohort.decisions.iteration is 'Which run of it: 1, 2, …';
comment on column cohort.decisions.variant is 'The variant that was served; null: the fallback';
comment on column cohort.decisions.phase is 'The number of the phase that drew it';
comment on column cohort.decisions.reason is 'The reason''s code';
comment on column cohort.decisions.counterfactual is 'The variant the unit would have got otherwise';
comment on column cohort.decisions.propensity is 'Probability of the variant among the enrolled; null when overridden or none was drawn';
comment on column cohort.decisions.inclusion is 'Probability of being enrolled; null when overridden or none was drawn';
comment on column cohort.decisions.holdout is 'The holdout that kept the unit out; null: none';
comment on column cohort.decisions.mode is 'single; bulk (a prefetch, never an exposure); read (asked for without enrolling)';
comment on column cohort.decisions.plan_version is 'The version of the definitions that decided';
comment on column cohort.decisions.inputs is 'The attributes that targeting used';
comment on column cohort.decisions.eligible is 'The probabilities a model drew from, in parts per million by variant.id; null: the shares of the phase';
comment on column cohort.decisions.model is 'The version of the model that decided; null: none did';
comment on column cohort.decisions.decision_id is 'The id the answer carried';
comment on column cohort.decisions.batch_id is 'The batch that brought it';

-- Conservation, per queue. What is spooled is what the server last said, less what has come.
drop view if exists cohort.ingest_audit;
create view cohort.ingest_audit as
select s.node, s.spool_id, s.accepted + v.spooled as accepted, s.stored, s.duplicates, s.conflicts, s.dead_letters,
       v.spooled, s.accepted - s.stored - s.duplicates - s.dead_letters as balance, s.replayed, s.dropped,
       greatest(s.updated_at, s.reported_at) as updated_at
  from cohort.spool s
 cross join lateral (select greatest(coalesce(s.reported_accepted - coalesce(s.accepted_before, 0) - s.accepted, 0), 0)
                            as spooled) v;
comment on view cohort.ingest_audit is
    'Per queue of each server: accepted = stored + duplicates + dead letters + spooled. Nothing is lost and nothing is stored twice while balance is 0. The queue of the node ''replay'' holds dead letters that were sent again';
comment on column cohort.ingest_audit.node is 'The server';
comment on column cohort.ingest_audit.spool_id is 'The queue: a server has a new one when its file was made anew or restored';
comment on column cohort.ingest_audit.accepted is 'Records that were accepted';
comment on column cohort.ingest_audit.stored is 'Of those, rows that were added to exposure, outcome and decision';
comment on column cohort.ingest_audit.duplicates is 'Of those, records that were there already';
comment on column cohort.ingest_audit.conflicts is 'Of dead_letters, events that were there already with another content';
comment on column cohort.ingest_audit.dead_letters is 'Of those, records that went to dead_letter';
comment on column cohort.ingest_audit.spooled is 'Of those, records that are still in the server''s queue, as it last said';
comment on column cohort.ingest_audit.balance is 'Records that are missing (or too many, below 0): 0 when all is well';
comment on column cohort.ingest_audit.replayed is 'Of dead_letters, those that were replayed since: they are in the queue of the node ''replay'' too';
comment on column cohort.ingest_audit.dropped is 'Of dead_letters, those that were dropped since';
comment on column cohort.ingest_audit.updated_at is 'When any of it last changed';
