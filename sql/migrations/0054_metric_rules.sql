-- Rules that are no more: any kind of metric but quantile can be watched, and a metric can change under a running
-- experiment.
delete from cohort.error_message where constraint_name in ('guardrail_metric_binary', 'metric_running_fixed');
