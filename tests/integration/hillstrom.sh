#!/bin/sh
# A published experiment, imported and counted: 64,000 customers of Kevin Hillstrom's e-mail challenge (2008).
# The file is not ours to ship: HILLSTROM=FILE, or ../shared/data/hillstrom.csv.gz beside the project.
. "$(dirname "$0")/server_lib.sh"

CTL=${COHORTCTL:-$(pwd)/cohortctl}
TOP=$(cd "$(dirname "$0")/../.." && pwd)
FILE=${HILLSTROM:-$TOP/../shared/data/hillstrom.csv.gz}
if [ ! -f "$FILE" ]; then
    echo "skipped: no file $FILE (set HILLSTROM to hillstrom.csv.gz)"
    exit 77
fi
D=$WORK/data
server_data "$D"
server_start "$D"
"$CTL" --data "$D" import "$FILE" --experiment hillstrom --variant segment --control 'No E-Mail' --binary visit \
    --binary conversion --mean spend >"$WORK/import" 2>"$WORK/out" || fail "the import"
"$CTL" --data "$D" results hillstrom >"$WORK/results" 2>"$WORK/out" || fail "the results"
check cmp "$WORK/import" "$WORK/results"
"$CTL" --data "$D" results hillstrom --fixed >"$WORK/fixed" 2>"$WORK/out" || fail "the fixed-horizon results"
cat "$WORK/results" "$WORK/fixed"

# shows FILE PATTERN: a line of the results, with any number of blanks where the pattern has one.
shows() {
    grep -qE -- "^ *$(printf %s "$2" | sed 's/[.+()]/\\&/g; s/ / +/g')" "$WORK/$1" || fail "no line in $1 like: $2"
}
grep -qF "64,000 units; the counts fit their shares" "$WORK/results" || fail "the sample ratio"
grep -qF "64,000 units; sample ratio p 0.9037 (chi-square, fixed horizon)" "$WORK/fixed" || fail "the sample ratio of one look"
for f in results fixed; do
    shows $f "no_e-mail (control) 21,306 10.617"
    shows $f "mens_e-mail 21,307 18.276 +7.659"
    shows $f "womens_e-mail 21,387 15.140 +4.523"
    shows $f "no_e-mail (control) 21,306 0.65279"
    shows $f "mens_e-mail 21,307 1.42262 +0.76983"
    shows $f "womens_e-mail 21,387 1.07720 +0.42441"
done
# The statistics of one look, published many times over, and the counts behind them.
"$CTL" --data "$D" psql -XAtc "select metric, variant, round(statistic::numeric, 3) from cohort.results_fixed('hillstrom')
    where metric <> 'conversion' and not is_control order by metric, variant" >"$WORK/got"
printf 'spend|mens_e-mail|5.300\nspend|womens_e-mail|3.256\nvisit|mens_e-mail|22.486\nvisit|womens_e-mail|13.949\n' >"$WORK/want"
check diff "$WORK/want" "$WORK/got"
"$CTL" --data "$D" psql -XAtc "select variant, round(units * value) from cohort.results('hillstrom') where metric = 'conversion'" \
    >"$WORK/got"
printf 'no_e-mail|122\nwomens_e-mail|189\nmens_e-mail|267\n' >"$WORK/want"
check diff "$WORK/want" "$WORK/got"
# An always-valid interval holds the one of a single look.
"$CTL" --data "$D" psql -XAtc "select bool_and(r.low < f.low and r.high > f.high) from cohort.results('hillstrom') r
    join cohort.results_fixed('hillstrom') f using (metric, variant) where not r.is_control and r.low is not null" >"$WORK/got"
echo t >"$WORK/want"
check diff "$WORK/want" "$WORK/got"
check server_stop
echo passed
