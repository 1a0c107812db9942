# tests/integration: each starts a private PostgreSQL of its own (cluster.sh, pg.sh) and needs no running server.
# Unit tests bound themselves; where one does not, check would end it after four seconds, and a busy machine halts longer. Words of
# psql and numbers of awk are the same in every language.
AM_TESTS_ENVIRONMENT = PG_BINDIR='$(PG_BINDIR)'; export PG_BINDIR; CK_DEFAULT_TIMEOUT=120; export CK_DEFAULT_TIMEOUT; \
	LC_ALL=C.UTF-8; export LC_ALL;
EXTRA_DIST += tests/integration/pg.sh tests/integration/cluster.sh
# The clusters that cluster.sh keeps for tests to copy.
clean-local:
	rm -rf clusters
TESTS += tests/integration/sql_audit.sh
EXTRA_DIST += tests/integration/sql_audit.sh
include tests/integration/cohortctl.mk

# Definitions in SQL.
TESTS += tests/integration/sql_definitions.sh tests/integration/sql_concurrent.sh tests/integration/sql_bandits.sh
EXTRA_DIST += tests/integration/sql_definitions.sh tests/integration/sql_concurrent.sh tests/integration/sql_bandits.sh tests/integration/sql/bandits.sql tests/integration/sql_cases.sql \
	tests/integration/sql_cases_model.sql tests/integration/sql_cases_lifecycle.sql tests/integration/sql_cases_metrics.sql tests/integration/sql_cases_bandits.sql tests/integration/sql_metrics.sql \
	tests/integration/sql_state.sql tests/integration/sql_assignment.sql

# End to end against a real cohortd.
check_PROGRAMS += tests/integration/draws
tests_integration_draws_SOURCES = tests/integration/draws.c
tests_integration_draws_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
tests_integration_draws_LDADD = libcodec.a libcore.a $(JANSSON_LIBS) $(SODIUM_LIBS) -lm
api_tests = tests/integration/ofrep.py tests/integration/events.py tests/integration/definitions.py \
	tests/integration/stops.py tests/integration/assignments.py tests/integration/ramps.py
api_tests += tests/integration/clients.py tests/integration/simulate.py
api_tests += tests/integration/limits.py tests/integration/access.py tests/integration/injection.py tests/integration/leaks.py
api_tests += tests/integration/bandits.py tests/integration/bandit_draws.py
api_tests += tests/integration/streams.py
api_tests += tests/integration/segments.py
api_tests += tests/integration/rest.py tests/integration/previews.py tests/integration/openapi.py
api_tests += tests/integration/results.py tests/integration/results_more.py tests/integration/holdout_lift.py
api_tests += tests/integration/uplift.py tests/integration/decision_bandits.py
api_tests += tests/integration/behind_proxy.py tests/integration/upgrade.py tests/integration/backup.py tests/integration/monitoring.py
EXTRA_DIST += tests/integration/data/old_database.py tests/integration/data/schema_0035.sql.xz tests/integration/data/schema_0035.json \
	tests/integration/data/spool_single.db.xz
TESTS += $(api_tests)
EXTRA_DIST += $(api_tests) tests/integration/alone.py tests/integration/trouble.py tests/integration/webhooks.py \
	tests/integration/cohort_server.py tests/integration/proxies.py

# the shipper
check_PROGRAMS += tests/integration/ship_tool
TESTS += tests/integration/shipper.sh
EXTRA_DIST += tests/integration/shipper.sh tests/integration/shipper_faults.sh tests/integration/drop_commit.py
tests_integration_ship_tool_SOURCES = tests/integration/ship_tool.c tests/integration/ship_fill.c \
	tests/integration/ship_fill.h src/cohortd/source.c src/cohortd/source.h
tests_integration_ship_tool_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS) -I$(top_srcdir)/tests/integration
tests_integration_ship_tool_LDADD = libstore.a libspool.a libcodec.a libbase.a libcore.a \
	$(PQ_LIBS) $(SQLITE_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
# cohortd itself: how it starts and stops, its options and documents.
server_tests = tests/integration/server_start.sh tests/integration/server_options.sh tests/integration/installed.sh
TESTS += $(server_tests)
EXTRA_DIST += $(server_tests) tests/integration/server_lib.sh

# Options that change while it runs; as a service of systemd.
api_tests += tests/integration/reload.py tests/integration/systemd.py tests/integration/systemd_real.py tests/integration/tls.py
EXTRA_DIST += tests/integration/systemd_boot.sh

# The monitor against the roll-up.
check_PROGRAMS += tests/integration/monitor_check
TESTS += tests/integration/monitor.sh
EXTRA_DIST += tests/integration/monitor.sh tests/integration/monitor.sql
tests_integration_monitor_check_SOURCES = tests/integration/monitor_check.c
tests_integration_monitor_check_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(PQ_CFLAGS) $(JANSSON_CFLAGS)
tests_integration_monitor_check_LDADD = libstore.a libcodec.a libbase.a libcore.a libstats.a $(CHECK_LIBS) $(PQ_LIBS) \
	$(JANSSON_LIBS) $(EVENT_LIBS) $(SODIUM_LIBS) -lm

# connections
check_PROGRAMS += tests/integration/pg_client
TESTS += tests/integration/pg_client.sh
EXTRA_DIST += tests/integration/pg_client.sh
tests_integration_pg_client_SOURCES = tests/integration/pg_client.c
tests_integration_pg_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(PQ_CFLAGS)
tests_integration_pg_client_LDADD = libstore.a libbase.a libcore.a $(CHECK_LIBS) $(PQ_LIBS) $(SODIUM_LIBS)

# the learner, with each allocation failing in turn
check_PROGRAMS += tests/integration/learn_memory
TESTS += tests/integration/learn_memory.sh
EXTRA_DIST += tests/integration/learn_memory.sh tests/integration/sql/learn_memory.sql
tests_integration_learn_memory_SOURCES = tests/integration/learn_memory.c $(failing_jansson)
tests_integration_learn_memory_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) -I$(top_srcdir)/tests/unit
tests_integration_learn_memory_LDFLAGS = $(AM_LDFLAGS) $(failing_jansson_wraps)
tests_integration_learn_memory_LDADD = libstore.a libcodec.a libbase.a libcore.a libstats.a $(PQ_LIBS) $(JANSSON_LIBS) $(EVENT_LIBS) \
	$(SODIUM_LIBS) -lm

# events in SQL
sql_events_parts = \
	tests/integration/sql/events_cost.sql tests/integration/sql/events_history.sql \
	tests/integration/sql/events_audit.sql tests/integration/sql/events_ingest.sql tests/integration/sql/events_leader.sql \
	tests/integration/sql/events_locks.sh tests/integration/sql/events_results.sql \
	tests/integration/sql/events_roles.sql tests/integration/sql/events_setup.sql \
	tests/integration/sql/events_shippers.sql
EXTRA_DIST += tests/integration/sql_events.sh $(sql_events_parts)
check_PROGRAMS += tests/integration/bucket_grid
TESTS += tests/integration/sql_buckets.sh
EXTRA_DIST += tests/integration/sql_buckets.sh
tests_integration_bucket_grid_SOURCES = tests/integration/bucket_grid.c
tests_integration_bucket_grid_CFLAGS = $(AM_CFLAGS)
tests_integration_bucket_grid_LDADD = libstats.a -lm
EXTRA_DIST += tests/integration/sql_orders.sh tests/integration/sql/events_orders.sql tests/integration/sql/events_retention.sql

# The life of an experiment in SQL.
TESTS += tests/integration/sql_lifecycle.sh
EXTRA_DIST += tests/integration/sql_lifecycle.sh tests/integration/sql/lifecycle.sql tests/integration/sql/nobody_moves.sql
# The model in SQL: holdouts, segments, overrides, prerequisites, environments, the plan of all of them.
TESTS += tests/integration/sql_model.sh
EXTRA_DIST += tests/integration/sql_model.sh tests/integration/sql_model.sql
# Roles, teams, and assignments computed again.
TESTS += tests/integration/sql_governance.sh
EXTRA_DIST += tests/integration/sql_governance.sh tests/integration/sql/governance_roles.sql \
	tests/integration/sql/governance_teams.sql tests/integration/sql/governance_recheck.sql \
	tests/integration/sql/governance_patch.sql
# Rewards of decisions, models, challengers and promotion.
TESTS += tests/integration/sql_contextual.sh
api_tests += tests/integration/contextual.py tests/integration/contextual_guard.py
EXTRA_DIST += tests/integration/sql_contextual.sh tests/integration/sql/context_odds.sql tests/integration/sql/context_rewards.sql
# The request layer behind nginx and HAProxy.
check_PROGRAMS += tests/integration/http_echo
tests_integration_http_echo_SOURCES = tests/integration/http_echo.c
tests_integration_http_echo_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_integration_http_echo_LDADD = libweb.a libcodec.a libbase.a libcore.a $(EVENT_LIBS) $(SODIUM_LIBS) $(JANSSON_LIBS) -lm
TESTS += tests/integration/overload.py tests/integration/wire.py tests/integration/wire_cohortd.py tests/integration/json_bodies.py
EXTRA_DIST += tests/integration/overload.py tests/integration/json_bodies.py tests/vectors/json_suite.txt tests/integration/wire.py tests/integration/wire_cohortd.py tests/integration/http_corpus.py
