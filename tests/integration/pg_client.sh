#!/bin/sh
# The connection code against a real PostgreSQL.
set -eu
. "$(dirname "$0")/pg.sh"
pg_start
"$PWD/tests/integration/pg_client"
