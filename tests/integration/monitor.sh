#!/bin/sh
# The monitor against a real PostgreSQL: monitor_check does the looking.
. "$(dirname "$0")/pg.sh"
pg_start
pg_load_schema
psql -X -q -1 -v ON_ERROR_STOP=1 -f "$TOP_SRCDIR/tests/integration/monitor.sql" || exit 1
COHORT_TEST_DSN="$DSN connect_timeout=60" # cohortd's own is short: it tries again
export COHORT_TEST_DSN
./tests/integration/monitor_check
