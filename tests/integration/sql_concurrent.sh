#!/bin/sh
# Several people editing definitions at once: edits of one experiment take turns, and the later one sees what
# the earlier one did; nobody's open transaction delays another experiment or a guardrail's stop.
# shellcheck source=tests/integration/pg.sh
. "$(dirname "$0")/pg.sh"
pg_start
pg_load_schema
failed=0

say() {
    if [ "$1" = 0 ]; then echo "ok     $2"; else echo "not ok $2" && failed=1; fi
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

variants='"variants": [{"key": "control", "share_ppm": 500000, "value": 1}, {"key": "b", "share_ppm": 500000, "value": 2}]'
for key in x y; do
    psql -XAtq -v ON_ERROR_STOP=1 -c "select cohort.put_experiment('$key', '{$variants}') is null" >/dev/null || exit 1
done

# Somebody starts x and goes for lunch before the COMMIT.
mkfifo "$PG_DIR/lunch"
PGAPPNAME=lunch psql -XAtq <"$PG_DIR/lunch" >"$PG_DIR/lunch.out" 2>&1 &
lunch=$!
exec 3>"$PG_DIR/lunch"
echo "begin; select cohort.start('x');" >&3
until_true "select count(*) = 1 from pg_stat_activity where application_name = 'lunch' and state = 'idle in transaction' and query like '%start%'"

# A lock would show as an error after half a minute.
PGOPTIONS='-c lock_timeout=30s'
export PGOPTIONS
psql -XAtq -v ON_ERROR_STOP=1 -c "select cohort.start('y')" >/dev/null
say $? "another experiment can be started meanwhile"
psql -XAtq -v ON_ERROR_STOP=1 -c "insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
    select id, iteration, 1, 1, 1, 'y did harm.', '{}' from cohort.experiment where key = 'y'"
say $? "a stop of another experiment is not delayed"
psql -XAtq -v ON_ERROR_STOP=1 -c "begin; insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
    select id, iteration, 1, 1, 1, 'x did harm.', '{}' from cohort.experiment where key = 'x'; rollback"
say $? "nor of the one being edited"
test "$(psql -XAtq -c "select cohort.plan_document() #>> '{experiments,0,status}'")" = draft
say $? "the plan can be read and shows what is committed"
unset PGOPTIONS

# Two more editors of x wait for the first.
PGAPPNAME=second psql -X -c "insert into cohort.variant (experiment, key, share_ppm) values ('x', 'c', 1)" >"$PG_DIR/second.out" 2>&1 &
second=$!
PGAPPNAME=third psql -XAtq -c "select cohort.put_experiment('x', '{$variants, \"traffic_ppm\": 5}')" >"$PG_DIR/third.out" 2>&1 &
third=$!
until_true "select count(*) = 2 from pg_stat_activity where application_name in ('second', 'third') and wait_event_type = 'Lock'"
echo "commit;" >&3
exec 3>&-
wait "$lunch" "$second" "$third"
grep -q 'Experiment "x" is running: its variants can.t be changed' "$PG_DIR/second.out"
say $? "a variant that came during the start is refused after it"
grep -q 'Experiment "x" is running: its traffic_ppm can.t be changed' "$PG_DIR/third.out"
say $? "and so is a document"

# Two writers make the same new experiment: one makes it, the other finds it made.
mkfifo "$PG_DIR/first"
psql -XAtq <"$PG_DIR/first" >"$PG_DIR/first.out" 2>&1 &
first=$!
exec 3>"$PG_DIR/first"
echo "begin; select cohort.put_experiment('z', '{$variants}') ->> 'status';" >&3
until_true "select count(*) = 1 from pg_stat_activity where state = 'idle in transaction' and query like '%put_experiment%'"
PGAPPNAME=twin psql -XAtq -c "select cohort.put_experiment('z', '{$variants}') ->> 'status'" >"$PG_DIR/twin.out" 2>&1 &
twin=$!
until_true "select count(*) = 1 from pg_stat_activity where application_name = 'twin' and wait_event_type = 'Lock'"
echo "commit;" >&3
exec 3>&-
wait "$first" "$twin"
test "$(cat "$PG_DIR/first.out" "$PG_DIR/twin.out" | tr '\n' ' ')" = "draft draft "
say $? "the same document at the same time succeeds twice"
test "$(psql -XAtq -c "select count(*) from cohort.variant where experiment = 'z'")" = 2
say $? "and is stored once"

exit "$failed"
