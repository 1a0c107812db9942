#!/bin/sh
# cohortctl import: what is loaded, and what is refused with nothing loaded.
. "$(dirname "$0")/server_lib.sh"

CTL=${COHORTCTL:-$(pwd)/cohortctl}
FILES=$(cd "$(dirname "$0")/data" && pwd)
D=$WORK/data
ctl() { "$CTL" --data "$D" "$@"; }
sql() { ctl psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

# What an import could leave behind.
contents() {
    sql "select (select count(*) from experiment), (select count(*) from variant), (select count(*) from flag),
                (select count(*) from metric), (select count(*) from exposure), (select count(*) from outcome),
                (select count(*) from ingest_batch), (select count(*) from spool)"
}

# refuses WORDS ARGUMENTS...: the import fails with these words and leaves nothing.
refuses() {
    words=$1
    shift
    before=$(contents)
    ctl import "$@" >"$WORK/out" 2>&1 && fail "it should be refused: $*"
    grep -qF -- "$words" "$WORK/out" || fail "\"$words\" is missing in the answer of: $*"
    [ "$before" = "$(contents)" ] || fail "something was loaded: $*"
}

has() {
    grep -qF -- "$1" "$WORK/out" || fail "\"$1\" is missing"
}

server_data "$D"
server_start "$D"

step "a good file"
ctl import "$FILES/import_good.csv" --experiment mail --unit customer --variant 'Got, mail' --control 'No mail' \
    --binary visited --binary bought --mean 'Spend $' >"$WORK/out" 2>&1 || fail "status $?"
has "loaded 8 units and 12 outcomes as experiment mail"
has "1 values had more than six decimals"
has "mail: stopped"
has "8 units; the counts fit their shares"
sql "select metric, variant, units, value, difference from results_fixed('mail')" >"$WORK/got"
cat >"$WORK/want" <<'END'
visited|no_mail|4|0.25|
visited|one_mail|4|1|0.75
bought|no_mail|4|0.25|
bought|one_mail|4|0.5|0.25
spend|no_mail|4|2.5|
spend|one_mail|4|12.5|10
END
check diff "$WORK/want" "$WORK/got"
[ "$(sql "select string_agg(value #>> '{}', '; ' order by position) from variant where experiment = 'mail'")" = "One
mail; No mail" ] || fail "the variants' names"
[ "$(sql "select count(*) from exposure x join experiment e on e.id = x.experiment_id
          where e.key = 'mail' and x.origin = 2 and x.unit_id = cohort.unit_id('user', 'c-1')")" = 1 ] || fail "the unit"
[ "$(sql "select status, origin from experiment where key = 'mail'")" = "stopped|imported" ] || fail "the experiment"

step "the same file once more, gzip'ed, in two parts, from standard input: another import counts alone"
head -n 1 "$FILES/import_good.csv" >"$WORK/second.csv"
printf 'z-1,No mail,1,1,7,0\r\nz-2,No mail,0,0,1e1,0\r\n' >>"$WORK/second.csv"
gzip -c "$FILES/import_good.csv" >"$WORK/first.csv.gz"
ctl import "$WORK/first.csv.gz" - --experiment mail2 --unit customer --variant 'Got, mail' --control 'No mail' \
    --binary visited --mean 'Spend $' <"$WORK/second.csv" >"$WORK/out" 2>&1 || fail "status $?"
has "10 units"
sql "select metric, variant, units, round(value::numeric, 6) from results('mail2')" >"$WORK/got"
cat >"$WORK/want2" <<'END'
visited|no_mail|6|0.333333
visited|one_mail|4|1.000000
spend|no_mail|6|4.500000
spend|one_mail|4|12.500000
END
check diff "$WORK/want2" "$WORK/got"
sql "select metric, variant, units, value, difference from results_fixed('mail')" >"$WORK/got"
check diff "$WORK/want" "$WORK/got"

step "two imports of the same units at the same moment: each counts alone"
twins=
for n in 1 2; do
    ctl import "$FILES/import_good.csv" --experiment "twin$n" --unit customer --variant 'Got, mail' --control 'No mail' \
        --binary visited --binary bought --mean 'Spend $' >"$WORK/twin$n" 2>&1 &
    twins="$twins $!"
done
wait $twins
for n in 1 2; do
    grep -qF "loaded 8 units and 12 outcomes as experiment twin$n" "$WORK/twin$n" || fail "$(cat "$WORK/twin$n")"
    sql "select metric, variant, units, value, difference from results_fixed('twin$n')" >"$WORK/got"
    check diff "$WORK/want" "$WORK/got"
done

step "a column named like a live metric"
ctl import "$FILES/import_good.csv" --experiment mail3 --variant 'Got, mail' --control 'No mail' \
    --binary visited --binary unsubscribe >"$WORK/out" 2>&1 || fail "status $?"
has "column unsubscribe is counted as metric mail3.unsubscribe"
[ "$(sql "select unit_type from experiment where key = 'mail3'")" = row ] || fail "rows are units of their own"

step "refusals"
refuses "The experiment \"mail\" exists already." "$FILES/import_good.csv" --experiment mail --variant 'Got, mail' \
    --control 'No mail' --binary visited
has "hint: Import under another key"
refuses "there is no column 'visits'; the columns are: customer, Got, mail, visited" "$FILES/import_good.csv" \
    --experiment new --variant 'Got, mail' --control 'No mail' --binary visits
refuses "no row has the variant 'none'; the variants are: 'One" "$FILES/import_good.csv" --experiment new \
    --variant 'Got, mail' --control none --binary visited
refuses "--control: is missing" "$FILES/import_good.csv" --experiment new --variant 'Got, mail' --binary visited
refuses "nothing to count" "$FILES/import_good.csv" --experiment new --variant 'Got, mail' --control 'No mail'
refuses "are the same metric" "$FILES/import_good.csv" --experiment new --variant 'Got, mail' --control 'No mail' \
    --binary visited --mean visited
refuses "is not a key" "$FILES/import_good.csv" --experiment 'New one' --variant 'Got, mail' --control 'No mail' \
    --binary visited
refuses "No such file or directory" "$WORK/none.csv" --experiment new --variant a --control b --binary c
: >"$WORK/empty.csv"
refuses "is empty; the first line names the columns" "$WORK/empty.csv" --experiment new --variant a --control b --binary c
echo a,b >"$WORK/head.csv"
refuses "has no rows" "$WORK/head.csv" --experiment new --variant a --control x --binary b
head -c 100 "$WORK/first.csv.gz" >"$WORK/cut.csv.gz"
refuses "can't be read" "$WORK/cut.csv.gz" --experiment new --variant 'Got, mail' --control 'No mail' --binary visited

step "every bad row is told with its line"
refuses "7 of 10 rows are wrong; nothing was loaded" "$FILES/import_dirty.csv" --experiment dirty --unit Date \
    --variant Arm --control control --binary Enrolled --mean Clicks
has "import_dirty.csv, line 4: has 4 fields; the first line has 5"
has "import_dirty.csv, line 5: Clicks is no decimal number: '735"
has "import_dirty.csv, line 6: Arm is empty"
has "import_dirty.csv, line 7: Enrolled is neither yes nor no: 'maybe'"
has "import_dirty.csv, line 8: Clicks is empty; write 0 for none"
has "import_dirty.csv, line 9: has text behind a closing quote"
has "import_dirty.csv, line 11: Date is the same unit as line 2"
{
    echo unit,arm,hit
    i=0
    while [ $i -lt 40 ]; do
        echo "u$i,a,nonsense"
        i=$((i + 1))
    done
} >"$WORK/many.csv"
refuses "and 30 more" "$WORK/many.csv" --experiment dirty --unit unit --variant arm --control a --binary hit
has "40 of 40 rows are wrong"
[ "$(grep -c ', line ' "$WORK/out")" = 10 ] || fail "ten rows are shown"
check server_stop
echo passed
