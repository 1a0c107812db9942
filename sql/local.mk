# sql: the definitions' home. Migrations are append-only and run in order of number, functions are replaced as
# a whole in order of name; both are built into the server, which applies them.
SQL_MIGRATIONS = \
	sql/migrations/0001_base.sql \
	sql/migrations/0002_definitions.sql \
	sql/migrations/0003_phases.sql \
	sql/migrations/0004_metrics.sql \
	sql/migrations/0005_api_keys.sql
SQL_FUNCTIONS = \
	sql/functions/10_errors.sql \
	sql/functions/11_values.sql \
	sql/functions/12_version.sql \
	sql/functions/15_environments.sql \
	sql/functions/16_flags.sql \
	sql/functions/17_experiments.sql \
	sql/functions/18_variants.sql \
	sql/functions/19_metrics.sql \
	sql/functions/20_status.sql \
	sql/functions/25_assignment.sql \
	sql/functions/30_documents.sql \
	sql/functions/31_read_documents.sql \
	sql/functions/35_plan.sql \
	sql/functions/36_views.sql \
	sql/functions/39_roles.sql
SQL_MIGRATIONS += \
	sql/migrations/0010_events.sql \
	sql/migrations/0011_ingest.sql \
	sql/migrations/0012_rollup.sql \
	sql/migrations/0013_stops.sql
SQL_MIGRATIONS += sql/migrations/0019_decision_holdout.sql
SQL_FUNCTIONS += \
	sql/functions/40_event_errors.sql \
	sql/functions/41_partitions.sql \
	sql/functions/42_ingest_prepare.sql \
	sql/functions/43_ingest.sql \
	sql/functions/44_leader.sql \
	sql/functions/45_rollup_collect.sql \
	sql/functions/46_rollup_count.sql \
	sql/functions/47_rollup.sql \
	sql/functions/48_recount.sql \
	sql/functions/50_guardrails.sql \
	sql/functions/52_stops.sql \
	sql/functions/53_ramp_pass.sql \
	sql/functions/60_distributions.sql \
	sql/functions/62_results.sql \
	sql/functions/63_results_read.sql \
	sql/functions/63_results_write.sql \
	sql/functions/64_results_json.sql \
	sql/functions/66_views.sql \
	sql/functions/68_event_roles.sql
SQL_MIGRATIONS += \
	sql/migrations/0025_teams.sql \
	sql/migrations/0026_holdouts.sql \
	sql/migrations/0027_targeting.sql
SQL_FUNCTIONS += \
	sql/functions/23_holdouts.sql \
	sql/functions/24_targeting.sql \
	sql/functions/27_overrides.sql \
	sql/functions/26_environments.sql \
	sql/functions/28_prerequisites.sql \
	sql/functions/29_teams.sql \
	sql/functions/34_model_documents.sql \
	sql/functions/38_holdout_documents.sql
SQL_FUNCTIONS += sql/functions/32_api_keys.sql sql/functions/33_rest.sql sql/functions/34_flags_rest.sql sql/functions/70_import.sql sql/functions/71_audit.sql
SQL_MIGRATIONS += sql/migrations/0035_conditions.sql
SQL_MIGRATIONS += sql/migrations/0030_audit.sql sql/migrations/0031_api_keys.sql
SQL_FUNCTIONS += sql/functions/80_rest.sql
SQL_MIGRATIONS += sql/migrations/0045_key_priority.sql
EXTRA_DIST += $(SQL_MIGRATIONS) $(SQL_FUNCTIONS)
# The life of an experiment: iterations, ramps, layers.
SQL_MIGRATIONS += \
	sql/migrations/0020_lifecycle.sql \
	sql/migrations/0021_ramps.sql \
	sql/migrations/0022_layers.sql
SQL_FUNCTIONS += \
	sql/functions/14_lifecycle_errors.sql \
	sql/functions/21_ramps.sql \
	sql/functions/22_layers.sql \
	sql/functions/27_lifecycle.sql \
	sql/functions/29_schedule.sql \
	sql/functions/32_clone_validate.sql
# Who may change what, and the analyst's schema.
SQL_MIGRATIONS += sql/migrations/0032_row_security.sql
SQL_FUNCTIONS += \
	sql/functions/73_team_security.sql \
	sql/functions/75_recheck.sql \
	sql/functions/90_roles.sql
# Conservation, dead letters and how long events are kept.
SQL_MIGRATIONS += \
	sql/migrations/0036_ingest_audit.sql \
	sql/migrations/0037_retention.sql
# Who led when.
SQL_MIGRATIONS += sql/migrations/0047_leader_changes.sql
SQL_FUNCTIONS += sql/functions/67_dead_letters.sql
# Nodes on their own.
SQL_MIGRATIONS += sql/migrations/0042_guard_max_blind.sql
# Metrics of every kind, and what may stop an experiment.
SQL_MIGRATIONS += sql/migrations/0050_metrics.sql
SQL_FUNCTIONS += sql/functions/19_metric_conditions.sql sql/functions/19_stop_conditions.sql
SQL_FUNCTIONS += sql/functions/49_retention.sql sql/functions/67_dead_letters.sql

# What the roll-up keeps for every kind of metric.
SQL_MIGRATIONS += sql/migrations/0051_rollup_values.sql sql/migrations/0052_rollup_buckets.sql
SQL_FUNCTIONS += sql/functions/48_result_cell.sql
SQL_MIGRATIONS += sql/migrations/0050_metrics.sql sql/migrations/0054_metric_rules.sql
SQL_FUNCTIONS += sql/functions/19_metric_conditions.sql sql/functions/19_experiment_metrics.sql sql/functions/19_stop_conditions.sql \
	sql/functions/30_metric_documents.sql

# Webhooks.
SQL_MIGRATIONS += sql/migrations/0060_webhooks.sql
SQL_FUNCTIONS += sql/functions/78_webhooks.sql
# Planning, and what a stop is verified from.
SQL_FUNCTIONS += sql/functions/69_power.sql sql/functions/72_planning.sql sql/functions/74_plan.sql sql/functions/76_verify.sql
SQL_MIGRATIONS += sql/migrations/0064_results.sql
SQL_FUNCTIONS += sql/functions/69_power.sql sql/functions/72_planning.sql sql/functions/74_plan.sql sql/functions/76_verify.sql sql/functions/77_rehearsal.sql
