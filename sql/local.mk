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
EXTRA_DIST += $(SQL_MIGRATIONS) $(SQL_FUNCTIONS)
