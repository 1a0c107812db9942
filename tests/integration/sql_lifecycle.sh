#!/bin/sh
# The life of an experiment in SQL: schedules, ramps, layers, arms, iterations; that nobody ever moves; and that
# two who book the last slots of a layer at once don't both get them.
# shellcheck source=tests/integration/pg.sh
. "$(dirname "$0")/pg.sh"
here=$TOP_SRCDIR/tests/integration/sql
pg_start
pg_load_schema
failed=0

say() {
    if [ "$1" = 0 ]; then echo "ok     $2"; else echo "not ok $2" && failed=1; fi
}

run_file() { # run_file FILE [psql options]: its "not ok" lines and errors are failures
    file=$1
    shift
    psql -X -v ON_ERROR_STOP=1 "$@" -f "$file" >"$PG_DIR/out" 2>&1
    file_status=$?
    cat "$PG_DIR/out"
    if [ "$file_status" != 0 ] || grep -q '^not ok' "$PG_DIR/out" || ! grep -q '^ok' "$PG_DIR/out"; then
        say 1 "$(basename "$file")"
    fi
}

# Waits until a query says t; gives up after a minute.
until_true() {
    deadline=$(($(date +%s) + 60))
    until [ "$(psql -XAtq -c "$1")" = t ]; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            echo "not ok waited in vain for: $1"
            exit 1
        fi
    done
}

run_file "$here/lifecycle.sql"

# Two transactions want 600,000 slots each of the same layer at the same time: the first to come gets them, the
# second waits for it and is refused, whatever its isolation.
psql -XAtq -v ON_ERROR_STOP=1 -c "insert into cohort.layer (key) values ('busy')" || exit 1
book() { # book NAME: a draft that wants most of the layer
    psql -XAtq -v ON_ERROR_STOP=1 -c "select cohort.put_experiment('$1', '{\"layer\": \"busy\", \"layer_ppm\": 600000, \"variants\": [
        {\"key\": \"control\", \"share_ppm\": 500000, \"value\": 1}, {\"key\": \"b\", \"share_ppm\": 500000, \"value\": 2}]}') is null" >/dev/null || exit 1
}
for level in 'read committed' 'repeatable read'; do
    one=one_$(echo "$level" | tr ' ' _)
    two=two_$(echo "$level" | tr ' ' _)
    book "$one"
    book "$two"
    mkfifo "$PG_DIR/first"
    PGAPPNAME=first psql -XAtq <"$PG_DIR/first" >"$PG_DIR/first.out" 2>&1 &
    first=$!
    exec 3>"$PG_DIR/first"
    echo "begin; select cohort.start('$one');" >&3
    until_true "select count(*) = 1 from pg_stat_activity where application_name = 'first' and state = 'idle in transaction' and query like '%start%'"
    PGAPPNAME=second psql -X -v VERBOSITY=verbose -c "begin isolation level $level" -c "select cohort.start('$two')" -c "commit" >"$PG_DIR/second.out" 2>&1 &
    second=$!
    until_true "select count(*) = 1 from pg_stat_activity where application_name = 'second' and wait_event_type = 'Lock'"
    echo "commit;" >&3
    exec 3>&-
    wait "$first" "$second"
    rm "$PG_DIR/first"
    test "$(cat "$PG_DIR/first.out")" = running
    say $? "$level: the first gets its slots"
    if [ "$level" = 'read committed' ]; then
        grep -q "ERROR:  55000: Experiment \"$two\" wants 600000 slots of layer \"busy\"; 400000 of 1000000 are free." "$PG_DIR/second.out" &&
            grep -q 'CONSTRAINT NAME:  layer_full' "$PG_DIR/second.out"
        say $? "$level: the second is refused, and told how many are free"
    else
        grep -q 'ERROR:  40001' "$PG_DIR/second.out"
        say $? "$level: the second must try again"
    fi
    test "$(psql -XAtq -c "select string_agg(experiment || ' ' || ppm, ', ') from cohort.layer_map('busy') where experiment is not null")" = "$one 600000"
    say $? "$level: one owner is left"
    test "$(psql -XAtq -c "select cohort.stop('$one')")" = stopped
    say $? "$level: and gives them back"
done

# Somebody's open edit delays the leader's clock by nothing.
book waiting
psql -XAtq -v ON_ERROR_STOP=1 -c "update cohort.experiment set starts_at = now() + interval '1 day' where key = 'waiting'" \
    -c "select cohort.start('waiting')" -c "update cohort.experiment set starts_at = now() - interval '1 second' where key = 'waiting'" >/dev/null
mkfifo "$PG_DIR/lunch"
PGAPPNAME=lunch psql -XAtq <"$PG_DIR/lunch" >"$PG_DIR/lunch.out" 2>&1 &
lunch=$!
exec 3>"$PG_DIR/lunch"
echo "begin; update cohort.experiment set description = 'lunch' where key = 'waiting';" >&3
until_true "select count(*) = 1 from pg_stat_activity where application_name = 'lunch' and state = 'idle in transaction'"
# Each leads in a session of its own; the one before may still be ending.
lead="do 'begin perform pg_advisory_lock(cohort.leader_lock()); end';
select cohort.lead('test') as epoch \gset"
test "$(printf '%s\n%s\n' "$lead" "select count(*) from cohort.schedule_due(:epoch);" | PGOPTIONS='-c lock_timeout=30s' psql -XAtq -v ON_ERROR_STOP=1)" = 0
say $? "an experiment that somebody edits is left for the next look"
echo "rollback;" >&3
# Nor does one who books in its layer.
echo "begin; update cohort.layer set description = 'lunch' where key = 'busy';" >&3
until_true "select count(*) = 1 from pg_stat_activity where application_name = 'lunch' and state = 'idle in transaction' and query like '%busy%'"
test "$(printf '%s\n%s\n' "$lead" "select count(*) from cohort.schedule_due(:epoch);" | PGOPTIONS='-c lock_timeout=30s' psql -XAtq -v ON_ERROR_STOP=1)" = 0
say $? "and one whose layer somebody edits"
echo "rollback;" >&3
exec 3>&-
wait "$lunch"
test "$(printf '%s\n%s\n' "$lead" "select experiment || ' ' || status from cohort.schedule_due(:epoch);" | psql -XAtq -v ON_ERROR_STOP=1)" = 'waiting running'
say $? "then it starts"

pg_load_schema moves
# COHORT_LONG=1: many more histories, the same checks.
histories=30
if [ "${COHORT_LONG:-}" = 1 ]; then histories=200; fi
run_file "$here/nobody_moves.sql" -v seed=0.42 -v histories="$histories"

exit "$failed"
