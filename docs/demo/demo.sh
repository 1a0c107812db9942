#!/bin/sh
# The demo: an experiment defined in SQL, 20,000 customers over HTTP, harm, and a stop that comes by itself.
# Usage: docs/demo/demo.sh [DATA_DIR]   (needs a running cohortd: ./quickstart --no-demo)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${1:-./cohort-data}
customers=${DEMO_CUSTOMERS:-20000}
rate=${DEMO_RATE:-500}

# cohortctl of this clone's build, else the installed one.
built=$here/../../build/cohortctl
[ -x "$built" ] || built=cohortctl
cohortctl=${COHORTCTL:-$built}
summary=$(mktemp)
trap 'rm -f "$summary"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
ctl() { "$cohortctl" --data "$data" "$@"; }

# An experiment that was stopped stays stopped: every run of the demo makes a new one.
key=digest_frequency
n=1
while ctl show $key >/dev/null 2>&1; do
    n=$((n + 1))
    key=digest_frequency_$n
done

echo
echo "1. An experiment in SQL, one transaction (docs/demo/demo.sql with key $key):"
echo
sed -e '/^--/d' -e '/^$/d' -e 's/^/    /' -e "s/:'key'/'$key'/" "$here/demo.sql"
ctl psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -v key=$key -f "$here/demo.sql"

echo
echo "2. $customers customers arrive over HTTP, $rate a second. Each asks for the flag (OFREP) and gets what the"
echo "   server draws. 3 of 100 unsubscribe anyway; the daily digest makes it 80 % more, and more complain."
echo
ctl simulate --flag $key --customers "$customers" --rate "$rate" --connections 16 --prefix "demo-$n-" \
    --base unsubscribe=0.03 --base complaint=0.0015 \
    --effect daily_digest:unsubscribe=1.8 --effect daily_digest:complaint=2 >"$summary"
cat "$summary"

echo
echo "3. What the database knows (cohortctl results $key):"
echo
ctl results $key

echo
echo "4. A new customer asks (cohortctl evaluate $key newcomer-$n):"
echo
ctl evaluate $key "newcomer-$n"

if [ "$data" = ./cohort-data ] || [ "$data" = "$(pwd)/cohort-data" ]; then at=; else at=" --data $data"; fi
case $cohortctl in
"$(pwd)"/*) shown=.${cohortctl#"$(pwd)"} ;;
*) shown=$cohortctl ;;
esac
echo
echo "In short:"
tail -n 2 "$summary" | fold -s -w 100 | sed 's/^/  /'
cat <<END

Three commands to try next, in another terminal:
  $shown$at results $key
  $shown$at psql -c 'select * from experiments'
  $shown$at show $key
END
