#!/bin/sh
# What an analyst waits for who computes assignments again in SQL, beside the two hashes that each is made of.
# Usage: recompute.sh [units] [rounds]     (default 200000 5). Prints a row; needs a PostgreSQL server's programs.
set -u
here=$(cd "$(dirname "$0")" && pwd)
srcdir=${srcdir:-$here/../..}
. "$here/../integration/pg.sh"

pg_start
pg_load_schema
PGOPTIONS='-c client_min_messages=warning' psql -XAtq -v ON_ERROR_STOP=1 -v n="${1:-200000}" -v rounds="${2:-5}" -f "$here/recompute.sql"
