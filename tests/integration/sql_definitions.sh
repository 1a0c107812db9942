#!/bin/sh
# Definitions in SQL: every rule's sentence by SQL and by document, the life of an experiment, the plan, the
# assignment contract, roles, notifications. Prints a line a check.
# shellcheck source=tests/integration/pg.sh
. "$(dirname "$0")/pg.sh"
here=$TOP_SRCDIR/tests/integration
PG_KIND=empty
pg_start
failed=0

say() { # say STATUS TEXT: 0 is good
    if [ "$1" = 0 ]; then echo "ok     $2"; else echo "not ok $2" && failed=1; fi
}

run_file() { # run_file FILE: its "not ok" lines and errors are failures
    psql -X -v ON_ERROR_STOP=1 -v vectors="$(cat "$TOP_SRCDIR/tests/vectors/assignment.json")" -f "$1" >"$PG_DIR/out" 2>&1
    file_status=$?
    cat "$PG_DIR/out"
    if [ "$file_status" != 0 ] || grep -q '^not ok' "$PG_DIR/out" || ! grep -q '^ok' "$PG_DIR/out"; then
        say 1 "$(basename "$1")"
    fi
}

load_as() { # load_as USER DATABASE: prints what the load says
    cat "$TOP_SRCDIR"/sql/migrations/*.sql "$TOP_SRCDIR"/sql/functions/*.sql |
        psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null -U "$1" -d "$2" 2>&1
}

# An owner who may not make roles, first, while they are missing: said, and everything goes on.
psql -Xq -c "create role plain login" -c "create database plain owner plain"
said=$(load_as plain plain)
say $? "a user who may not make roles loads the schema"
echo "$said" | grep -q 'WARNING:.*role cohort_server could not be made.*create role cohort_server'
say $? "and is told which roles are missing and what to do"
psql -XAtq -U plain -d plain -v ON_ERROR_STOP=1 -c "select cohort.put_experiment('x', '{\"variants\": [
    {\"key\": \"control\", \"share_ppm\": 500000, \"value\": 1}, {\"key\": \"b\", \"share_ppm\": 500000, \"value\": 2}]}') is null" \
    -c "select cohort.start('x')" >/dev/null
say $? "and can start an experiment"

# A database that has pgcrypto elsewhere.
psql -Xq -c "create database elsewhere"
psql -Xq -d elsewhere -c "create extension pgcrypto with schema public"
load_as postgres elsewhere >/dev/null
say $? "a database with pgcrypto in another schema loads the schema"
test "$(psql -XAtq -d elsewhere -c "select cohort.unit_id('user', 'c-1') is not null")" = t
say $? "and makes units"

pg_load_schema
cat "$TOP_SRCDIR"/sql/functions/*.sql | PGOPTIONS='-c client_min_messages=warning' psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null
say $? "functions can be loaded again over themselves"

# The servers' compiler and the table know the same operators.
compiled=$(sed -n 's/^    {"\($[a-zA-Z]*\)", compile_.*/\1/p' "$TOP_SRCDIR/src/core/condition_demand.c" | sort)
known=$(psql -XAtq -c "select name from cohort.condition_operator where place = 'field'" | sort)
test "$compiled" = "$known" && test "$(echo "$known" | wc -l)" -gt 20
say $? "cohort.condition_operator has the operators of the servers"

run_file "$here/sql_cases.sql"
run_file "$here/sql_state.sql"
run_file "$here/sql_assignment.sql"
run_file "$here/sql_metrics.sql"

# Deferred rules speak at COMMIT.
at_commit=$(psql -X -v VERBOSITY=verbose -c "begin" -c "insert into cohort.experiment (key) values ('uneven')" \
    -c "insert into cohort.variant (experiment, key, share_ppm) values ('uneven', 'control', 1), ('uneven', 'b', 2)" -c "commit" 2>&1)
echo "$at_commit" | grep -q 'INSERT 0 2' && echo "$at_commit" | grep -q 'ERROR:  23514: The shares of experiment "uneven" add up to 3, not 1000000.' &&
    echo "$at_commit" | grep -q 'HINT:  Shares are in parts' && echo "$at_commit" | grep -q 'CONSTRAINT NAME:  variant_share_sum'
say $? "shares that don't sum are refused at COMMIT"
test "$(psql -XAtq -c "select count(*) from cohort.experiment where key = 'uneven'")" = 0
say $? "and nothing of that transaction is left"

# A second session hears of a change once it is committed.
heard=$(psql -XAtq 2>&1 <<SQL
listen cohort_config;
\! psql -Xq -c "update cohort.metric set description = 'heard' where key = 'refund'"
select 'version ' || version from cohort.config_version;
SQL
)
version=$(echo "$heard" | sed -n 's/^version //p')
echo "$heard" | grep -q "Asynchronous notification \"cohort_config\" with payload \"$version\""
say $? "another session is notified of version $version"

exit "$failed"
