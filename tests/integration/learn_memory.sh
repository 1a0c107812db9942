#!/bin/sh
# The learner with each allocation failing in turn. Needs psql and a PostgreSQL server's programs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pg.sh"
pg_start
pg_load_schema
PGOPTIONS='-c client_min_messages=warning' psql -XAtq -v ON_ERROR_STOP=1 -f "$here/sql/learn_memory.sql"
"$PWD/tests/integration/learn_memory"
