# cohortctl and the demo, against a real cohortd
cohortctl_tests = tests/integration/cohortctl.sh tests/integration/cohortctl_tls.py tests/integration/cohortctl_model.sh \
	tests/integration/import.sh tests/integration/hillstrom.sh tests/integration/demo.sh \
	tests/integration/verify_stop.sh
TESTS += $(cohortctl_tests)
EXTRA_DIST += $(cohortctl_tests) tests/integration/cohortctl_lib.sh \
	tests/integration/data/import_good.csv tests/integration/data/import_dirty.csv

# The guides
TESTS += tests/integration/docs_sql.sh
EXTRA_DIST += tests/integration/docs_sql.sh

# Planning
check_PROGRAMS += tests/integration/plan_power
TESTS += tests/integration/plan.sh
EXTRA_DIST += tests/integration/plan.sh
tests_integration_plan_power_SOURCES = tests/integration/plan_power.c
tests_integration_plan_power_LDADD = libstats.a -lm
