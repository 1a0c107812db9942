#!/bin/sh
# Events in SQL: ingest, roll-up, stops, results. Needs psql and a PostgreSQL server's programs, nothing else.
# COHORT_LONG=1 has more and longer random histories.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pg.sh"
sql=$here/sql

run() {
    PGOPTIONS='-c client_min_messages=warning' psql -XAtq -v ON_ERROR_STOP=1 "$@"
}
part() {
    if ! run -v long="$long" -f "$sql/$1" >"$PG_DIR/out" 2>&1; then
        tail -n 5 "$PG_DIR/out"
        echo "FAILED in $1"
        exit 1
    fi
}

long=f
batches=6
if [ "${COHORT_LONG:-}" = 1 ]; then
    long=t
    batches=12
fi

# No vacuum: its help must not be needed for a pass to be cheap.
PG_OPTS='-c autovacuum=off'
pg_start
pg_load_schema
part events_setup.sql
part events_ingest.sql
part events_audit.sql
part events_leader.sql
part events_roles.sql
part events_results.sql
. "$sql/events_locks.sh"
part events_history.sql

# Three shippers and the leader, each a connection of its own.
part events_shippers.sql
pids=
for n in 1 2 3; do
    run -c 'select cohort.ingest_prepare()' -c "call t.shipper($n, $batches)" >"$PG_DIR/shipper$n" 2>&1 &
    pids="$pids $!"
done
run -c 'select cohort.ingest_prepare()' -c 'call t.leader(3)' >"$PG_DIR/leader" 2>&1 || {
    tail -n 5 "$PG_DIR/leader" "$PG_DIR"/shipper?
    exit 1
}
for pid in $pids; do
    wait "$pid" || {
        tail -n 5 "$PG_DIR"/shipper?
        exit 1
    }
done

part events_cost.sql
run -Atc "select count(*) || ' checks passed' from t.passed"
