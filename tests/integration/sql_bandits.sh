#!/bin/sh
# Bandits in SQL: documents, start, traffic, updates, arms, restarts; an edit that somebody left open holds up one
# bandit's update and nobody else. Prints a line a check.
# shellcheck source=tests/integration/pg.sh
. "$(dirname "$0")/pg.sh"
here=$TOP_SRCDIR/tests/integration
pg_start
pg_load_schema
failed=0

say() {
    if [ "$1" = 0 ]; then echo "ok     $2"; else echo "not ok $2" && failed=1; fi
}

psql -X -v ON_ERROR_STOP=1 -f "$here/sql/bandits.sql" >"$PG_DIR/out" 2>&1
status=$?
cat "$PG_DIR/out"
if [ "$status" != 0 ] || grep -q '^not ok' "$PG_DIR/out" || ! grep -q '^ok' "$PG_DIR/out"; then
    say 1 bandits.sql
fi

# Somebody edits the bandit in a transaction that stays open.
mkfifo "$PG_DIR/edit"
PGAPPNAME=edit psql -XAtq <"$PG_DIR/edit" >/dev/null 2>&1 &
edit=$!
exec 3>"$PG_DIR/edit"
echo "begin; select cohort.patch_experiment('old', '{\"bandit\": {\"every_s\": 60}, \"description\": \"mine\"}');" >&3
open="select count(*) from pg_stat_activity where application_name = 'edit' and state = 'idle in transaction' and query like '%patch_experiment%'"
until [ "$(psql -XAtq -c "$open")" = 1 ]; do kill -0 $edit || exit 1; done
apply="select cohort.bandit_apply(7, e.id, (cohort.last_phase(e.id)).id, null, 'x', '{}') from cohort.experiment e where e.key = 'old'"
[ "$(psql -XAtq -c "set lock_timeout = '60s'; $apply")" = 0 ]
say $? "an update waits for nobody's edit"
echo "commit;" >&3
exec 3>&-
wait "$edit"
[ "$(psql -XAtq -c "$apply")" != 0 ]
say $? "and is made when the edit is over"
exit $failed
