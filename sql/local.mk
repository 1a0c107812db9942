# sql: the definitions' home. Migrations are append-only and run in order of number, functions are replaced as
# a whole in order of name; both are built into the server, which applies them.
SQL_MIGRATIONS = \
	sql/migrations/0001_base.sql \
	sql/migrations/0002_definitions.sql \
	sql/migrations/0003_phases.sql \
	sql/migrations/0004_metrics.sql \
	sql/migrations/0005_api_keys.sql
SQL_FUNCTIONS =
EXTRA_DIST += $(SQL_MIGRATIONS) $(SQL_FUNCTIONS)
