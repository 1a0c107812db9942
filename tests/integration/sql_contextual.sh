#!/bin/sh
# Rewards of decisions, models, challengers and promotion in SQL. COHORT_LONG=1 has more orders of arrival. Needs psql
# and a PostgreSQL server's programs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pg.sh"

PG_OPTS='-c autovacuum=off'
pg_start
pg_load_schema
long=f
if [ "${COHORT_LONG:-}" = 1 ]; then long=t; fi
for part in events_setup.sql context_odds.sql context_rewards.sql; do
    if ! PGOPTIONS='-c client_min_messages=warning' psql -XAtq -v ON_ERROR_STOP=1 -v long="$long" -f "$here/sql/$part" >"$PG_DIR/out" 2>&1; then
        tail -n 5 "$PG_DIR/out"
        echo "FAILED in $part"
        exit 1
    fi
done
psql -XAtqc "select what from t.passed"
psql -XAtqc "select count(*) || ' checks passed' from t.passed"
