#!/bin/sh
# What can go wrong between a queue and PostgreSQL: answers of COMMIT that are lost, databases and files that go
# back in time, two servers under one id, records that are refused in every table, several queues at once, a
# server that hangs. Every record is stored once, or is a duplicate or a dead letter; the books balance in every
# reading, and cohort.ingest_audit balances at the end of each part.
set -eu
. "$(dirname "$0")/pg.sh"

tool=$PWD/tests/integration/ship_tool
dir=$(mktemp -d "${TMPDIR:-/tmp}/cohort-ship.XXXXXX")
background=
on_exit() {
    for pid in $background; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$dir" "$PG_DIR.copy"
}
pg_start
pg_load_schema
ts=$(date +%s)000000

sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

fail() {
    echo "FAILED: $*"
    tail -5 "$dir/log"
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

logged() {
    grep -q "$1" "$dir/log" || fail "no line in the log says: $1"
    echo "ok: logged: $1"
}

ship() { "$tool" ship "$1" "${4:-$DSN}" "$2" "${3:-65536}" 2>>"$dir/log"; }

until_true() {
    end=$(($(date +%s) + 60))
    while [ "$(sql "$1" 2>/dev/null || true)" != t ]; do
        [ "$(date +%s)" -lt "$end" ] || fail "never true: $1"
    done
}

counts="set search_path = cohort; select (select count(*) from exposure) || ' ' || (select count(*) from outcome)
        || ' ' || (select count(*) from decision) || ' ' || (select count(*) from dead_letter)"
balances() {
    is "every queue balances" "select count(*) from cohort.ingest_audit where balance <> 0 or spooled <> 0
        or accepted <> stored + duplicates + dead_letters" 0
}

echo "# the answer of every other COMMIT is lost: the watermark says what happened"
mkdir "$dir/proxy"
chmod 755 "$dir" "$dir/proxy"
"$(dirname "$0")/drop_commit.py" "$PGHOST/.s.PGSQL.5432" "$dir/proxy" 2 >"$dir/lost" &
proxy=$!
background=$proxy
until_true "select true"
while ! grep -q ready "$dir/lost"; do kill -0 $proxy || fail "the proxy did not start"; done
"$tool" push "$dir/a.db" 1 2000 "$ts"
line=$(ship "$dir/a.db" node-a 32768 "host=$dir/proxy user=$PGUSER dbname=$PGDATABASE")
kill $proxy
wait $proxy || true
background=
lost=$(sed -n 's/lost //p' "$dir/lost")
[ "$lost" -ge 3 ] || fail "only $lost answers were lost"
echo "ok: $lost answers lost"
is "rows" "$counts" "2000 2000 2000 0"
is "nothing was sent twice" "select duplicates from cohort.ingest_audit" 0
says "the books" "$line" "books=6000=6000+0+0+0"
balances

echo "# the database fails over to a copy that is behind: what it lacks is sent again from the spool's grace"
pg_crash
cp -a "$PG_DIR/data" "$PG_DIR.copy"
pg_restart
"$tool" push "$dir/a.db" 2 1000 "$ts"
ship "$dir/a.db" node-a >/dev/null
is "rows" "$counts" "3000 3000 3000 0"
"$tool" books "$dir/a.db" >"$dir/out" 2>>"$dir/log"
says "the books outlive a restart without the database" "$(cat "$dir/out")" "books=9000=9000+0+0+0"
pg_crash
rm -rf "$PG_DIR/data"
mv "$PG_DIR.copy" "$PG_DIR/data"
pg_restart
is "rows are gone" "$counts" "2000 2000 2000 0"
line=$(ship "$dir/a.db" node-a)
is "rows" "$counts" "3000 3000 3000 0"
says "the books" "$line" "books=9000=9000+0+0+0"
logged "the database went back from group"
balances

echo "# another database: noticed by its incarnation"
sql "update cohort.config_version set incarnation = gen_random_uuid()" >/dev/null
"$tool" push "$dir/a.db" 3 10 "$ts"
ship "$dir/a.db" node-a >/dev/null
logged "this is another database"
is "rows" "$counts" "3010 3010 3010 0"

echo "# a watermark above the queue's last group: another id, and everything is sent again"
sql "update cohort.spool set watermark = 1000000 where node = 'node-a'"
"$tool" push "$dir/a.db" 4 100 "$ts"
line=$(ship "$dir/a.db" node-a)
logged "the database has more groups than the spool ever had"
is "rows" "$counts" "3110 3110 3110 0"
says "the books of the new id" "$line" "books=9330=300+9030+0+0"
balances
line=$(ship "$dir/a.db" node-a)
says "the new id stays" "$line" "rows=0"

echo "# an older copy of the file is put back, and grows beyond the watermark: no group is taken for another"
"$tool" push "$dir/b.db" 5 100 "$ts"
cp "$dir/b.db" "$dir/b.old"
"$tool" push "$dir/b.db" 6 200 "$ts"
ship "$dir/b.db" node-b >/dev/null
rm -f "$dir"/b.db-*
cp "$dir/b.old" "$dir/b.db"
"$tool" push "$dir/b.db" 7 300 "$ts"
ship "$dir/b.db" node-b >/dev/null
is "rows" "$counts" "3710 3710 3710 0"
balances

echo "# a copied data directory: two servers under one id"
"$tool" push "$dir/c1.db" 8 50 "$ts"
ship "$dir/c1.db" node-c >/dev/null
mkdir "$dir/copy"
cp "$dir"/c1.db* "$dir/copy"
"$tool" push "$dir/c1.db" 9 100 "$ts"
"$tool" push "$dir/copy/c1.db" 10 70 "$ts"
ship "$dir/c1.db" node-c >/dev/null
ship "$dir/copy/c1.db" node-c >/dev/null
is "rows" "$counts" "3930 3930 3930 0"
balances

echo "# records that PostgreSQL refuses, in every table and several at once"
"$tool" push "$dir/d.db" 11 20 "$ts"
"$tool" poison-all "$dir/d.db" 12 "$ts"
"$tool" push "$dir/d.db" 13 20 "$ts"
line=$(ship "$dir/d.db" node-d 4194304)
is "rows" "$counts" "3975 3975 3974 10"
is "why" "select string_agg(kind || ' ' || n, ', ' order by kind) from (select kind, count(*) as n
    from cohort.dead_letter where reason = 'refused_by_database' group by kind) k" \
    "dead_letter 2, decision 2, exposure 1, outcome 1"
is "whose they are, as far as they say" "select count(*) from cohort.dead_letter where reason = 'refused_by_database'
    and (body ? 'flag_id') = (kind = 'decision') and (body ? 'experiment_id') = (kind = 'exposure')" 6
says "the books" "$line" "books=144=134+0+10+0"
balances

echo "# one group of 30,000 records, three of them refused"
"$tool" giant "$dir/e.db" 14 30000 "$ts"
line=$(ship "$dir/e.db" node-e 65536)
case $line in *" errors=0 "*) ;; *) fail "$line" ;; esac
is "refused" "select count(*) from cohort.dead_letter d join cohort.spool s using (spool_id) where s.node = 'node-e'" 3
says "the books" "$line" "books=30000=29997+0+3+0"
echo "ok: bisected in ${line##*ms=} ms"
balances

echo "# four queues at once, the same units in all, in batches of different sizes"
before=$(sql "select count(*) from cohort.exposure")
for q in 1 2 3 4; do
    case $q in
    1) seeds="20 21 22" ;;
    2) seeds="22 20 21" ;;
    3) seeds="21 22 20" ;;
    4) seeds="22 21 20" ;;
    esac
    for seed in $seeds; do "$tool" push "$dir/q$q.db" "$seed" 1000 "$((ts - q))"; done
done
for q in 1 2 3 4; do
    ship "$dir/q$q.db" "node-$q" $((q * 16384)) >"$dir/out.$q" &
    background="$background $!"
done
for pid in $background; do wait "$pid" || fail "one of four shippers failed"; done
background=
is "units" "select count(*) - $before from cohort.exposure" 3000
is "the earliest exposure won" "select count(*) from cohort.exposure where first_ts = to_timestamp(0) + $((ts - 4)) * interval '1 us'" 3000
is "deadlocks" "select deadlocks from pg_stat_database where datname = current_database()" 0
balances

echo "# groups that are gone from the file: dead letters stand for their records"
for seed in 40 41 42; do "$tool" push "$dir/l.db" $seed 20 "$ts"; done
remove="import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('delete from grp where number = 2')
db.commit()"
python3 -c "$remove" "$dir/l.db"
line=$(ship "$dir/l.db" node-l 4194304)
says "the books" "$line" "books=180=120+0+60+0"
is "letters" "select count(*) from cohort.dead_letter d join cohort.spool s using (spool_id)
    where s.node = 'node-l' and d.reason = 'lost'" 60
logged "60 records accepted after group"
balances

# Changes the watermark while a batch waits for the queue's row: what another process under this id would do.
# behind NODE FILE BATCH_BYTES WATERMARK SEED [STATEMENT]
behind() {
    "$tool" push "$2" "$5" 10 "$ts"
    ship "$2" "$1" >/dev/null
    for more in 1 2 3; do "$tool" push "$2" $(($5 + more)) 500 "$ts"; done
    before=$(grep -c 'groups that were not sent from here' "$dir/log" || true)
    mkfifo "$dir/rows.$1"
    PGAPPNAME=locker psql -XAtq <"$dir/rows.$1" >/dev/null &
    locker=$!
    exec 8>"$dir/rows.$1"
    echo "begin; select from cohort.spool where node = '$1' for update;" >&8
    until_true "select count(*) = 1 from pg_stat_activity where application_name = 'locker' and state = 'idle in transaction' and query like '%for update%'"
    ship "$2" "$1" "$3" >"$dir/out" &
    shipping=$!
    background="$locker $shipping"
    until_true "select count(*) = 1 from pg_stat_activity where application_name = 'cohortd shipper' and wait_event_type = 'Lock'"
    echo "update cohort.spool set watermark = $4 where node = '$1'; ${6:-} commit;" >&8
    exec 8>&-
    wait $shipping || fail "shipping failed"
    wait $locker || true
    background=
    after=$(grep -c 'groups that were not sent from here' "$dir/log" || true)
    [ "$after" -gt "$before" ] || fail "a watermark that is not ours was believed"
    is "rows" "select count(*) from cohort.outcome o join cohort.ingest_batch b using (batch_id)
        join cohort.spool s using (spool_id) where s.node = '$1'" 1510
}

echo "# a watermark that passed groups which were not sent: another id"
behind node-n1 "$dir/n1.db" 65536 2 50

echo "# the same, found when the connection is made anew"
behind node-n2 "$dir/n2.db" 16384 "(select max(last_group) + 2 from cohort.ingest_batch b
    where b.spool_id = spool.spool_id)" 60 "select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'cohortd shipper';"

echo "# a server that hangs in the middle: memory stays bounded, stopping takes no longer than it was given"
"$tool" push "$dir/h.db" 30 20000 "$ts"
mkfifo "$dir/stopper"
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=8 "$tool" stop "$dir/h.db" "$DSN" node-h <"$dir/stopper" >"$dir/out" 2>>"$dir/log" &
stopping=$!
background=$stopping
exec 9>"$dir/stopper"
until_true "select count(*) = 1 from pg_stat_activity where application_name = 'cohortd shipper' and state <> 'idle'"
hung=$(sql "select pid from pg_stat_activity where application_name = 'cohortd shipper'")
postmaster=$(head -1 "$PG_DIR/data/postmaster.pid")
kill -STOP "$hung" "$postmaster"
echo "stop" >&9
wait $stopping || fail "stopping failed"
background=
kill -CONT "$hung" "$postmaster"
ms=$(sed -n 's/stopped after \([0-9]*\) ms/\1/p' "$dir/out")
kb=$(sed -n 's/grew by \([0-9]*\) KB/\1/p' "$dir/out")
[ "$ms" -le 20000 ] || fail "stopping took $ms ms"
[ "$kb" -le 200000 ] || fail "memory grew by $kb KB"
echo "ok: stopped after $ms ms of 500, grew by $kb KB with batches of 4 MB"
exec 9>&-
line=$(ship "$dir/h.db" node-h 4194304)
is "rows" "select count(*) from cohort.decision d join cohort.ingest_batch b using (batch_id)
    join cohort.spool s using (spool_id) where s.node = 'node-h'" 20000
balances

# Builds ship_tool with one change for the worse.
# mutate NAME FILE SED
mutate() {
    mkdir -p "$dir/mutant"
    sed "$3" "$TOP_SRCDIR/$2" >"$dir/mutant/changed.c"
    ! cmp -s "$TOP_SRCDIR/$2" "$dir/mutant/changed.c" || fail "the mutant $1 changes nothing in $2"
    cat >"$dir/mutant/Makefile" <<END
include Makefile
mutant:
	\$(CC) \$(DEFS) \$(DEFAULT_INCLUDES) \$(INCLUDES) \$(AM_CPPFLAGS) \$(CPPFLAGS) \$(libstore_a_CFLAGS) \$(CFLAGS) \\
	    -Wno-error -c -o $dir/mutant/changed.o $dir/mutant/changed.c
	\$(CCLD) \$(CFLAGS) \$(AM_LDFLAGS) \$(LDFLAGS) -o $dir/mutant/$1 $dir/mutant/changed.o \\
	    \$(tests_integration_ship_tool_OBJECTS) \$(tests_integration_ship_tool_LDADD) \$(LIBS)
.PHONY: mutant
END
    make -s -f "$dir/mutant/Makefile" mutant >>"$dir/log" 2>&1 || fail "the mutant $1 can't be built"
    mutant=$dir/mutant/$1
}

echo "# mutants: a shipper that does not ask for the watermark after a lost COMMIT sends again"
mutate asks_once src/store/ship_connect.c 's/return code == ERR_OK ? ask_mark(s, pg, e) : code;/return code != ERR_OK || s->asked ? code : ask_mark(s, pg, e);/'
rm -f "$dir/proxy/.s.PGSQL.5432" "$dir/lost"
"$(dirname "$0")/drop_commit.py" "$PGHOST/.s.PGSQL.5432" "$dir/proxy" 2 >"$dir/lost" &
proxy=$!
background=$proxy
while ! grep -q ready "$dir/lost"; do kill -0 $proxy || fail "the proxy did not start"; done
"$tool" push "$dir/m1.db" 70 2000 "$ts"
"$mutant" ship "$dir/m1.db" "host=$dir/proxy user=$PGUSER dbname=$PGDATABASE" node-m1 32768 >/dev/null 2>>"$dir/log" &
shipping=$!
background="$proxy $shipping"
until_true "select sum(duplicates) > 0 from cohort.spool where node = 'node-m1'"
kill $shipping $proxy 2>/dev/null || true
wait $shipping || true
wait $proxy || true
background=
echo "ok: caught: records were sent twice"

echo "# one that never takes another id believes any watermark, and loses"
mutate keeps_id src/store/ship_connect.c 's/    if (why) {/    if (why \&\& s->stopping) {/'
"$tool" push "$dir/m2.db" 71 10 "$ts"
ship "$dir/m2.db" node-m2 >/dev/null
sql "update cohort.spool set watermark = 1000000 where node = 'node-m2'"
"$tool" push "$dir/m2.db" 72 10 "$ts"
"$mutant" ship "$dir/m2.db" "$DSN" node-m2 65536 >/dev/null 2>>"$dir/log" || fail "it did not believe it"
is "caught" "select count(*) from cohort.outcome o join cohort.ingest_batch b using (batch_id)
    join cohort.spool s using (spool_id) where s.node = 'node-m2'" 10
