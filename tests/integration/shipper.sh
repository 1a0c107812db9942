#!/bin/sh
# The shipper against a real PostgreSQL: whatever happens on the way, every record is stored exactly once, is
# counted as a duplicate, or is a dead letter with its reason.
set -eu
. "$(dirname "$0")/pg.sh"

tool=$PWD/tests/integration/ship_tool
dir=$(mktemp -d "${TMPDIR:-/tmp}/cohort-ship.XXXXXX")
background=
on_exit() {
    if [ -n "$background" ]; then kill "$background" 2>/dev/null || true; fi
    rm -rf "$dir"
}
pg_start
pg_load_schema
ts=$(date +%s)000000

sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

fail() {
    echo "FAILED: $*"
    exit 1
}

# is WHAT SQL EXPECTED
is() {
    is_got=$(sql "$2")
    [ "$is_got" = "$3" ] || fail "$1: $is_got, not $3"
    echo "ok: $1: $3"
}

# says WHAT LINE WORD: the tool's line has this word
says() {
    case " $2 " in
    *" $3 "*) echo "ok: $1: $3" ;;
    *) fail "$1: \"$2\" has no $3" ;;
    esac
}

# shellcheck disable=SC2086 # the number of batches may be absent
ship() { "$tool" ship "$1" "$DSN" "$2" "${3:-65536}" ${4:-} 2>>"$dir/log"; }

# Waits, at most 60 s, until a query answers t; each look is a connection, so it doesn't spin.
until_true() {
    end=$(($(date +%s) + 60))
    while [ "$(sql "$1" 2>/dev/null || true)" != t ]; do
        [ "$(date +%s)" -lt "$end" ] || fail "never true: $1"
    done
}

# Nobody stores an outcome until descriptor 8 is closed.
lock_outcomes() {
    rm -f "$dir/locker"
    mkfifo "$dir/locker"
    psql -XAtq <"$dir/locker" >/dev/null 2>&1 &
    locker=$!
    exec 8>"$dir/locker"
    echo "begin; lock table cohort.outcome;" >&8
    until_true "select count(*) > 0 from pg_locks where relation = 'cohort.outcome'::regclass and granted
        and mode = 'AccessExclusiveLock'"
}
waiting="from pg_stat_activity where application_name = 'cohortd shipper' and wait_event_type = 'Lock'"

counts="select (select count(*) from exposure) || ' ' || (select count(*) from outcome) || ' ' ||
        (select count(*) from decision) || ' ' || (select count(*) from dead_letter)"
counts="set search_path = cohort; $counts"
books="select sum(exposures + outcomes + decisions + dead_letters + duplicates) from cohort.ingest_batch"

echo "# normal flow"
"$tool" push "$dir/a.db" 1 2000 "$ts"
line=$(ship "$dir/a.db" node-a)
says "all rows" "$line" rows=6000
says "no duplicates" "$line" duplicates=0
says "no errors" "$line" errors=0
is "rows" "$counts" "2000 2000 2000 0"
is "books" "$books" 6000
is "watermark" "select watermark = (select max(last_group) from cohort.ingest_batch) from cohort.spool" t
is "values" "select count(*) || ' ' || sum(value) from cohort.outcome where value is not null" "1000 1000000000000"
is "nulls" "select count(*) from cohort.exposure where inclusion is null" 667
is "absent ids" "select count(*) from cohort.decision where variant_id is null and phase_id is null" 286
is "times" "select count(*) from cohort.exposure where first_ts = to_timestamp(${ts%000000})" 2000
is "JSON" "select count(*) from cohort.outcome where attributes->>'plan' = 'pro'" 400

echo "# started again: nothing is sent twice"
line=$(ship "$dir/a.db" node-a)
says "nothing to do" "$line" rows=0
is "rows" "$counts" "2000 2000 2000 0"

echo "# the same records from another spool: duplicates, counted"
"$tool" push "$dir/again.db" 1 2000 "$ts"
line=$(ship "$dir/again.db" node-b)
says "no rows" "$line" rows=0
says "all duplicates" "$line" duplicates=6000
is "rows" "$counts" "2000 2000 2000 0"
is "books" "$books" 12000

echo "# the shipper stops in the middle and starts again"
"$tool" push "$dir/b.db" 2 3000 "$ts"
line=$(ship "$dir/b.db" node-a 16384 3)
is "not yet all" "select count(*) between 1 and 4999 from cohort.exposure" t
ship "$dir/b.db" node-a >"$dir/out"
is "rows" "$counts" "5000 5000 5000 0"
is "no duplicates" "$books" 21000

echo "# PostgreSQL is killed in the middle and comes back"
"$tool" push "$dir/c.db" 3 6000 "$ts"
ship "$dir/c.db" node-a 16384 3 >"$dir/out"
lock_outcomes
ship "$dir/c.db" node-a 16384 >"$dir/out" &
background=$!
until_true "select count(*) = 1 $waiting"
pg_crash
kill $locker
wait $locker || true
exec 8>&-
pg_restart
wait $background || fail "the shipper did not survive: $(cat "$dir/log")"
background=
line=$(cat "$dir/out")
case $line in *" errors=0 "*) fail "the crash went unnoticed: $line" ;; esac
is "rows" "$counts" "11000 11000 11000 0"
is "books" "$books" 39000

echo "# killed again and again"
"$tool" push "$dir/d.db" 4 6000 "$ts"
ship "$dir/d.db" node-a 16384 >"$dir/out" &
background=$!
for more in 11005 13000 15000; do
    until_true "select count(*) > $more from cohort.exposure"
    pg_crash
    pg_restart
done
wait $background || fail "the shipper did not survive: $(cat "$dir/log")"
background=
is "rows" "$counts" "17000 17000 17000 0"
is "books" "$books" 57000

echo "# two spools at once, the same units in both"
"$tool" push "$dir/e.db" 5 3000 "$ts"
"$tool" push "$dir/f.db" 5 3000 "$ts"
"$tool" push "$dir/f.db" 6 1000 "$ts"
ship "$dir/e.db" node-a 32768 >"$dir/out.e" &
background=$!
ship "$dir/f.db" node-b 32768 >"$dir/out.f"
wait $background || fail "one of two shippers failed: $(cat "$dir/log")"
background=
is "rows" "$counts" "21000 21000 21000 0"
is "books" "$books" 78000

echo "# a server that hangs: stopping takes no longer than it was given, nothing is lost"
mkfifo "$dir/stopper"
lock_outcomes
background=$locker
"$tool" push "$dir/i.db" 12 500 "$ts"
"$tool" stop "$dir/i.db" "$DSN" node-a <"$dir/stopper" >"$dir/out" 2>>"$dir/log" &
stopping=$!
exec 9>"$dir/stopper"
until_true "select count(*) = 1 $waiting"
backend=$(sql "select pid $waiting")
kill -STOP "$backend"
echo "stop" >&9
wait $stopping || fail "stopping failed"
kill -CONT "$backend"
ms=$(sed -n 's/stopped after \([0-9]*\) ms/\1/p' "$dir/out")
[ "$ms" -le 20000 ] || fail "stopping took $ms ms"
echo "ok: stopped after $ms ms of 500"
exec 8>&- 9>&-
wait $background || true
background=
ship "$dir/i.db" node-a >"$dir/out"
is "rows" "$counts" "21500 21500 21500 0"
is "books" "$books" 79500

echo "# records PostgreSQL refuses become dead letters, the rest is stored"
"$tool" push "$dir/g.db" 7 50 "$ts"
"$tool" poison "$dir/g.db" 8 "$ts"
"$tool" push "$dir/g.db" 9 50 "$ts"
ship "$dir/g.db" node-a 1048576 >"$dir/out"
is "rows" "$counts" "21600 21606 21600 3"
is "reasons" "select string_agg(distinct kind || ' ' || reason, ',') from cohort.dead_letter" \
    "outcome refused_by_database"
is "words" "select count(*) from cohort.dead_letter where detail like 'invalid input syntax for type json%'
    or detail like 'invalid byte sequence%' or detail like '%timestamp out of range%'" 3
is "bytes kept" "select count(*) from cohort.dead_letter
    where body_hash = sha256(decode(body->>'record', 'hex')) and body_length = length(decode(body->>'record', 'hex'))
      and event_id is not null" 3
is "books" "$books" 79809

echo "# a group with damaged bytes: what came before the damage is stored, the loss is written down"
"$tool" damage "$dir/h.db" 10 "$ts"
ship "$dir/h.db" node-a 1048576 >"$dir/out"
is "rows" "$counts" "21600 21610 21600 4"
is "the loss" "select kind || ' ' || reason || ': ' || detail || ' ' || (body_length > 20)
    from cohort.dead_letter where reason = 'damaged'" \
    "group damaged: group 1: after 3 records come $(sql "select body_length from cohort.dead_letter where reason = 'damaged'") bytes that are no record true"

# data/spool_single.db.xz is what the last cohortd left that wrote each decision as a record of its own: two groups of 20
# decisions, of all that a decision can hold, an exposure and an outcome, of one day in 2026.
echo "# a spool that an older cohortd wrote, before there were lists of decisions, is shipped by this one, and goes on"
python3 -c 'import lzma, sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())' \
    "${srcdir:-$(dirname "$0")/../..}/tests/integration/data/spool_single.db.xz" >"$dir/old.db"
"$tool" push "$dir/old.db" 30 10 "$ts"
line=$(ship "$dir/old.db" node-old 1048576)
says "all rows" "$line" rows=52
is "rows" "$counts" "21611 21621 21630 4"
is "what they say" "select md5(string_agg(concat_ws(' ', unit_id, decision_id, ts at time zone 'UTC', flag_id, experiment_id, variant_id, phase_id,
    counterfactual_variant_id, reason, propensity, inclusion, mode, plan_version, inputs, holdout_id, eligible, model_id), ' ' order by unit_id, decision_id))
    from cohort.decision where plan_version = 77" f359f0748332a21d013d017e80db99d7

echo "# one log line a state change"
is_down=$(grep -c 'events stay in the spool' "$dir/log")
[ "$is_down" -le 16 ] || fail "$is_down lines about failures"
grep -q 'events go to PostgreSQL again' "$dir/log" || fail "no line about the recovery"
echo "ok: $is_down lines for four crashes"

echo "# rows a second, once: the shipped path, and COPY BINARY of the same rows into a table without an index"
"$tool" push "$dir/z.db" 11 40000 "$ts"
line=$(ship "$dir/z.db" node-a 1048576)
says "all rows" "$line" rows=120000
ms=${line##*ms=}
sql "create unlogged table cohort.raw_copy (like cohort.outcome)"
sql "copy (select * from cohort.outcome where batch_id > 0 order by batch_id desc limit 40000) to stdout (format binary)" >"$dir/rows"
sql "drop table cohort.raw_copy; create table cohort.raw_copy (like cohort.outcome)"
begin=$(date +%s%N)
psql -XAtq -c "copy cohort.raw_copy from stdin (format binary)" <"$dir/rows"
raw=$((($(date +%s%N) - begin) / 1000000))
echo "shipped: $((120000000 / ms)) rows/s (batches of 1 MB, all three kinds); raw COPY of 40,000 outcomes: $((40000000 / raw)) rows/s"
