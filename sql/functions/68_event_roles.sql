-- Who may do what with events. Analysts and product teams read; only servers write, and nobody edits evidence.

do $$
declare
    r text;
    t text;
begin
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        foreach t in array array['exposure', 'exposure_switch', 'exposure_replaced', 'outcome', 'decision', 'spool',
            'ingest_batch', 'dead_letter', 'leader_state', 'tracked_metric', 'maturity', 'unit_metric', 'exposure_stat',
            'metric_stat', 'guardrail_state', 'stop_event', 'alert_event', 'verdict_event', 'pause_event', 'roll_back_event', 'condition_state',
            'volume_interval', 'tilt_score', 'experiment_metric', 'exposures', 'switches',
            'outcomes', 'decisions', 'counted_metric', 'guardrail_arm', 'guardrail_input',
            'experiment_iteration', 'every_iteration', 'iteration_metric', 'ingest_audit',
            'partition_dropped', 'unit_frozen', 'result', 'result_series', 'result_summary', 'metric_bucket', 'odds_stat', 'segment_value', 'result_cell', 'lift_pair',
            'reward_source', 'decision_reward', 'reward_stat', 'reward_cluster', 'rewarded'] loop
            perform cohort.grant_to(r, format('select on cohort.%I', t));
        end loop;
    end loop;
    perform cohort.grant_to('cohort_server', 'execute on function cohort.make_partition(text, date), cohort.rollup_summarise(timestamptz, timestamptz)');
    if to_regrole('cohort_server') is not null then
        revoke update, delete, truncate on cohort.stop_event, cohort.alert_event, cohort.verdict_event, cohort.pause_event,
            cohort.roll_back_event, cohort.tilt_score from cohort_server;
    end if;
    perform cohort.grant_to('cohort_server', 'execute on function cohort.record_results(bigint, int, text, double precision, timestamptz, jsonb, jsonb)');
end $$;
revoke execute on function cohort.make_partition(text, date) from public;
revoke execute on function cohort.rollup_summarise(timestamptz, timestamptz) from public;
