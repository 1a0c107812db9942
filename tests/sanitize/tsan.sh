#!/bin/sh
# A server built with --enable-tsan under load, while definitions change, experiments stop, models are fitted, streams
# are told, webhooks are sent, PostgreSQL is killed and restarted, leaders die, and the server drains: the tests that do
# this, with this server; and the tests of what has threads. No report. ./run-tests --tsan [NAMES…]
set -u
build=$PWD
top=$(cd "$(dirname "$0")/../.." && pwd)
reports=$build/reports
rm -rf "$reports" && mkdir -p "$reports" || exit 1
export TSAN_OPTIONS="suppressions=$top/tests/sanitize/tsan.supp exitcode=66 second_deadlock_stack=1"
export COHORT_BUILD="$build" PYTHONDONTWRITEBYTECODE=1
failed=0
ran=0
run() {
    name=$(basename "$1")
    case " $wanted " in
    "  " | *" $name "* | *" ${name%.*} "*) ;;
    *) return ;;
    esac
    ran=$((ran + 1))
    leaks=1
    [ "$name" != server_start.sh ] || leaks=0 # its second signal ends the process at once, threads and all: by design
    if TSAN_OPTIONS="$TSAN_OPTIONS report_thread_leaks=$leaks log_path=$reports/$name" nice "$@" >"$reports/$name.out" 2>&1; then
        echo "ok: $name"
    else
        echo "FAILED: $name (its output is $reports/$name.out)"
        failed=$((failed + 1))
    fi
}
wanted=$*
for program in test_spool test_spool_repair test_snapshot; do
    CK_FORK=no run "./tests/unit/$program"
done
for test in integration/server_start.sh integration/stops.py integration/ramps.py integration/events.py \
    integration/streams.py integration/limits.py integration/reload.py integration/tls.py \
    integration/webhooks.py integration/contextual.py fault/f4_postgres.py fault/f6_slow.py \
    fault/f14_leader.py; do
    run "$top/tests/$test"
done
found=$(cat "$reports"/*.[0-9]* 2>/dev/null | grep -c 'WARNING: ThreadSanitizer')
cat "$reports"/*.[0-9]* 2>/dev/null | head -n 200
echo "$ran tests, $found reports of ThreadSanitizer, $failed tests failed"
[ "$found" = 0 ] && [ "$failed" = 0 ] && [ "$ran" -gt 0 ]
