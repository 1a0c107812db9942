#!/bin/sh
# valgrind's memcheck on the unit tests and on a server that decides, records and drains: no error, nothing lost. Left
# out are the tests that kill themselves or stand between the program and its system calls.
# ./run-tests --valgrind [NAMES…]
set -u
build=$PWD
top=$(cd "$(dirname "$0")/../.." && pwd)
reports=$build/reports
memcheck="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible \
--show-leak-kinds=definite,possible --suppressions=$top/tests/sanitize/valgrind.supp"
rm -rf "$reports" && mkdir -p "$reports" || exit 1
export CK_FORK=no CK_DEFAULT_TIMEOUT=0 CK_TIMEOUT_MULTIPLIER=50 PYTHONDONTWRITEBYTECODE=1
failed=0
ran=0
left_out=0
wanted=$*
run() {
    name=$1
    shift
    case " $wanted " in
    "  " | *" $name "*) ;;
    *) return ;;
    esac
    ran=$((ran + 1))
    (cd "$build" && srcdir=$top nice timeout 900 "$@") >"$reports/$name.out" 2>&1
    code=$?
    if [ "$code" = 124 ]; then
        echo "LEFT OUT: $name takes more than a quarter of an hour here"
        left_out=$((left_out + 1))
    elif [ "$code" = 0 ] &&
        ! cat "$reports/$name".pid* 2>/dev/null | grep -q '^==[0-9]*== '; then
        echo "ok: $name"
    else
        echo "FAILED: $name (its output is $reports/$name.out)"
        cat "$reports/$name.out" "$reports/$name".pid* 2>/dev/null | grep -E '^==' | head -n 40
        failed=$((failed + 1))
    fi
}
for program in "$build"/tests/unit/test_*; do
    name=$(basename "$program")
    [ -x "$program" ] && [ ! -d "$program" ] || continue
    case $name in
    *.*) continue ;;
    # Count allocations, or bound times: memcheck takes over the one and stretches the other.
    test_decision_path | test_http_conn | test_http_limits | test_http_pace | test_http_stream) continue ;;
    test_api_memory) run "$name" $memcheck "$program" healthz ;;
    test_condition_random) run "$name" $memcheck "$program" 20000 ;;
    test_event_quick | test_json_quick) run "$name" $memcheck "$program" 1000 ;;
    *) run "$name" $memcheck "$program" ;;
    esac
done
run replay $memcheck "$build/tests/fuzz/replay" "$top"/tests/fuzz/corpus/*
# The server, in a wrapper that the tests take for it.
mkdir -p "$build/memcheck"
printf '#!/bin/sh\nexec %s --log-file="$VALGRIND_LOG.pid%%p" "%s/cohortd" "$@"\n' "$memcheck" "$build" >"$build/memcheck/cohortd"
chmod +x "$build/memcheck/cohortd"
export COHORTD="$build/memcheck/cohortd" COHORT_BUILD="$build"
for test in ofrep.py events.py stops.py; do
    VALGRIND_LOG=$reports/$test run "$test" "$top/tests/integration/$test"
done
echo "$ran programs under valgrind, $failed with errors, $left_out not to their end"
[ "$failed" = 0 ] && [ "$ran" -gt 0 ]
