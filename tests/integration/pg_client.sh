#!/bin/sh
# The connection code against a real PostgreSQL.
set -eu
. "$(dirname "$0")/pg.sh"
pg_start
DSN="$DSN connect_timeout=60" # cohortd's own is short: it tries again
"$PWD/tests/integration/pg_client"
