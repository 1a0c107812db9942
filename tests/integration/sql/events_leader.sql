-- Leadership, guardrails, stops and alerts.
\set QUIET on
\set ON_ERROR_STOP on
select t.experiment('g1', array['control', 'b', 'c'], array['unsubscribe', 'complaint']) as x \gset
select t.variant(:x, 'control') as a, t.variant(:x, 'b') as b, t.phase(:x) as p \gset
select cohort.ingest_prepare() \g /dev/null
select t.lead('first') as e1 \gset
select cohort.lead('second') as e2 \gset
select t.ok('each leader has a higher epoch', :e1 >= 1 and :e2 = :e1 + 1);
\set other `psql -XAtqc "select cohort.lead('third')"`
select t.ok('another session can''t lead meanwhile', :other = 0 and (select node = 'second' from cohort.leader_state));
select t.ok('a former epoch can''t roll up', t.constraint_of('select cohort.rollup(' || :e1 || ')') = 'leader_epoch');
select t.ok('a former epoch can''t stop', t.constraint_of(format('select cohort.record_stop(%s, %s, 1, %s, '''', ''{}'')', :e1, :x, :b)) = 'leader_epoch');
select cohort.heartbeat(:e2) \g /dev/null
select t.ok('the leader is alive', (select node = 'second' and heartbeat > now() - interval '1 min' from cohort.leader_state));

-- Weights of one action sum to 1, each treatment is compared with control in each phase.
update cohort.leader_state set node = node;
select t.ok('guardrail_input has a row per guardrail, treatment and phase', (select count(*) = 4
    and bool_and(weight = 0.5 and alpha = 0.01 and arms = 3 and control = 'control' and phase = 1 and margin = 1)
    and bool_and(treatment_units = 0 and control_events = 0) from cohort.guardrail_input where experiment_id = :x));
begin;
insert into pg_temp.stage_exposure
select t.uuid(11, n), :x, case when n <= 30 then :a else :b end, :p, 333333, 1000000, now() - interval '1 hour', t.uuid(12, n), null, true, 0
  from generate_series(1, 70) n;
insert into pg_temp.stage_outcome
select t.uuid(11, n), t.uuid(13, n), now(), 'unsubscribe', null, null, null, n <> 70 from generate_series(1, 70) n
 where n <= 3 or n > 60;
select t.ship() \g /dev/null
commit;
select t.ok('a pass applies what is there', cohort.rollup(:e2) >= 1);
select t.ok('the days to come have partitions', to_regclass('cohort.outcome_' || to_char((now() at time zone 'UTC')::date + 2, 'YYYYMMDD')) is not null
    and to_regclass('cohort.decision_' || to_char((now() at time zone 'UTC')::date - 8, 'YYYYMMDD')) is not null);
select t.ok('a pass with nothing new does nothing', cohort.rollup(:e2) = 0);
select t.ok('the counts arrive, trusted ones only', (select (treatment_units, treatment_events, control_units, control_events)
    = (40, 9, 30, 3) from cohort.guardrail_input where experiment_id = :x and metric = 'unsubscribe' and treatment = 'b'));
select t.ok('the sums equal the recount', t.differences() = 0);

select id as g from cohort.guardrail where experiment = 'g1' and metric = 'unsubscribe' \gset
select cohort.record_guardrail(:e2, :g, :b, 3.5, 1.8, 0.9), cohort.record_guardrail(:e2, :g, :b, 2.5, 1.6, null, upper => 4) \g /dev/null
select t.ok('the largest ln E is kept', (select (ln_e, max_ln_e, risk_ratio, upper) = (2.5, 3.5, 1.6, 4) and lower is null
    and as_of = (select l.as_of from cohort.leader_state l) from cohort.guardrail_state where guardrail_id = :g));
select t.ok('results say where guardrails stand', (select (j->>'ln_e', j->>'max_ln_e', j->>'variant') = ('2.5', '3.5', 'b')
    and abs((j->>'threshold')::float8 - ln(2 / (0.01 * 0.5))) < 1e-9
    from jsonb_array_elements(cohort.results_json('g1')->'guardrails') j where j->>'ln_e' is not null));
select t.ok('an alert is raised once', cohort.record_alert(:e2, :x, :g, :b, 'much', '{}') and not cohort.record_alert(:e2, :x, :g, :b, 'more', '{}'));
select t.ok('before a stop there is none', cohort.results_json('g1')->'stop' = 'null');
select t.ok('a stop is recorded once', cohort.record_stop(:e2, :x, :g, :b, 'harm', '{"ln_e": 9}')
    and not cohort.record_stop(:e2, :x, :g, :b, 'again', '{}'));
select t.ok('it stands with its evidence', (select (epoch, iteration, sentence) = (:e2, 1, 'harm') and evidence->>'ln_e' = '9'
    from cohort.stop_event where experiment_id = :x));
select t.ok('the experiment is stopped', (select cohort.effective_status(e) = 'stopped' from cohort.experiment e where e.id = :x)
    and cohort.results_json('g1')->>'status' = 'stopped' and cohort.results_json('g1')->'stop'->>'sentence' = 'harm');
select t.ok('its guardrails are no longer looked at', not exists (select from cohort.guardrail_input where experiment_id = :x));
select t.ok('an experiment that isn''t there can''t be stopped', not cohort.record_stop(:e2, -1, :g, :b, '', '{}'));
select t.ok('a stop is never edited', t.constraint_of('update cohort.stop_event set sentence = ''''') = 'history_fixed'
    and t.constraint_of('delete from cohort.stop_event') = 'history_fixed');
select t.ok('a stopped experiment''s events still count', (select units = 40 from cohort.results_fixed('g1')
    where metric = 'unsubscribe' and variant = 'b'));

select t.ok('a metric that isn''t there can''t be listed',
    t.constraint_of('insert into cohort.experiment_metric (experiment, metric) values (''g1'', ''nope'')') = 'experiment_metric_metric_known'
    and t.constraint_of('insert into cohort.experiment_metric (experiment, metric) values (''nope'', ''refund'')') = 'experiment_metric_experiment_known');
begin;
insert into cohort.experiment_metric (experiment, metric) values ('g1', 'refund');
select t.ok('a listed metric is not deleted', t.constraint_of('delete from cohort.metric where key = ''refund''') = 'metric_in_use');
rollback;

-- Nothing of ours without a comment.
select t.ok('every table, view, column and function has a comment', not exists (
    select from pg_class c where c.relnamespace = 'cohort'::regnamespace and c.relkind in ('r', 'p', 'v')
       and (obj_description(c.oid, 'pg_class') is null
            or not c.relispartition and exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                           and col_description(c.oid, a.attnum) is null)))
    and not exists (select from pg_proc f where f.pronamespace = 'cohort'::regnamespace and obj_description(f.oid, 'pg_proc') is null
       and not exists (select from pg_depend d where d.objid = f.oid and d.deptype = 'e')));
