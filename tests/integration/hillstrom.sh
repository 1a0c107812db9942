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
server_start "$D"
"$CTL" --data "$D" import "$FILE" --experiment hillstrom --variant segment --control 'No E-Mail' --binary visit \
    --binary conversion --mean spend >"$WORK/import" 2>"$WORK/out" || fail "the import"
"$CTL" --data "$D" results hillstrom >"$WORK/results" 2>"$WORK/out" || fail "the results"
check cmp "$WORK/import" "$WORK/results"
cat "$WORK/results"

# shows PATTERN: a line of the results, with any number of blanks where the pattern has one.
shows() {
    grep -qE -- "^ *$(printf %s "$1" | sed 's/[.+]/\\&/g; s/ /.* +/g')\$" "$WORK/results" || fail "no line like: $1"
}
grep -qF "64,000 units; sample ratio p 0.9037" "$WORK/results" || fail "the sample ratio"
shows "no_e-mail 21,306 10.617"
shows "mens_e-mail 21,307 18.276 +7.6590 22.486"
shows "womens_e-mail 21,387 15.140 +4.5233 13.949"
shows "mens_e-mail 21,307 7.385"
shows "womens_e-mail 21,387 3.780"
shows "no_e-mail 21,306 0.65279"
shows "mens_e-mail 21,307 1.42262 +0.76983 5.300"
shows "womens_e-mail 21,387 1.07720 +0.42441 3.256"
"$CTL" --data "$D" psql -XAtc "select variant, round(units * value) from cohort.results('hillstrom') where metric = 'conversion'" \
    >"$WORK/got"
printf 'no_e-mail|122\nwomens_e-mail|189\nmens_e-mail|267\n' >"$WORK/want"
check diff "$WORK/want" "$WORK/got"
check server_stop
echo passed
