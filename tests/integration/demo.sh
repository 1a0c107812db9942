#!/bin/sh
# The demo of docs/demo, twice on the same data: harm is found, the experiment stops by itself, and a new customer
# gets the fallback.
. "$(dirname "$0")/server_lib.sh"

TOP=$(cd "$(dirname "$0")/../.." && pwd)
COHORTCTL=${COHORTCTL:-$(pwd)/cohortctl}
export COHORTCTL
D=$WORK/data
server_data "$D"
server_start "$D"
for key in digest_frequency digest_frequency_2; do
    DEMO_RATE=2000 sh "$TOP/docs/demo/demo.sh" "$D" >"$WORK/out" 2>&1 || fail "the demo"
    for words in "$key: stopped" "daily_digest" '"reason": "GUARD_STOP"' '"value": "weekly"' "The fallback began after" \
        "Three commands to try next"; do
        grep -qF -- "$words" "$WORK/out" || {
            cat "$WORK/out"
            fail "\"$words\" is missing"
        }
    done
    cat "$WORK/out"
done
check server_stop
echo passed
