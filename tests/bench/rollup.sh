#!/bin/sh
# What a pass of the roll-up costs for 10,000 new rows beside counting everything again, at several sizes of history.
# Usage: rollup.sh [exposures ...]     (default 100000 1000000). Prints a table; needs a PostgreSQL server's programs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
srcdir=${srcdir:-$here/../..}
. "$here/../integration/pg.sh"
[ $# -gt 0 ] || set -- 100000 1000000
run() {
    PGOPTIONS='-c client_min_messages=warning' psql -XAtq -v ON_ERROR_STOP=1 "$@" || exit 1
}

PG_OPTS='-c shared_buffers=1GB -c max_wal_size=8GB -c autovacuum=off'
pg_start
echo "exposures   metrics                          a pass, 10,000 rows   counted again   times"
for n in "$@"; do
    for kinds in binary all; do
        db=rollup_${n}_$kinds
        pg_load_schema "$db"
        run -v n="$n" -v kinds="'$kinds'" -f "$here/rollup.sql"
        psql -Xq -d postgres -c "drop database \"$db\""
    done
done
