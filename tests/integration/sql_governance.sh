#!/bin/sh
# Who may do what: roles × tables × privileges, teams, and every recorded assignment computed again.
# shellcheck source=tests/integration/pg.sh
. "$(dirname "$0")/pg.sh"
pg_start
failed=0
pg_load_schema
for part in roles teams recheck patch; do
    psql -X -v ON_ERROR_STOP=1 -f "$TOP_SRCDIR/tests/integration/sql/governance_$part.sql" >"$PG_DIR/out" 2>&1
    status=$?
    cat "$PG_DIR/out"
    if [ "$status" != 0 ] || grep -q '^not ok' "$PG_DIR/out" || ! grep -q '^ok' "$PG_DIR/out"; then
        echo "not ok governance_$part.sql"
        failed=1
    fi
done
exit "$failed"
