#!/bin/sh
# Each acknowledgement follows a sync of the log; a build without the sync is caught; a failing sync is never
# acknowledged, and the spool heals. kill -9 can't show any of it: what was written survives in the page cache.
set -eu
crash=$PWD/tests/unit/spool_crash
mutant=$PWD/tests/unit/spool_crash_nosync
pushes=60

if ! command -v strace >/dev/null; then
    echo "skipped: strace is not installed, so syncs can't be counted"
    exit 77
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/cohort-sync.XXXXXX")
trap 'rm -rf "$dir"' EXIT
# The leak check of a sanitizer build does not work under strace.
export ASAN_OPTIONS=detect_leaks=0
if ! strace -f -o "$dir/try" true 2>/dev/null; then
    echo "skipped: strace may not trace here"
    exit 77
fi

fail() {
    echo "FAILED: $*"
    exit 1
}

# watch PROGRAM NAME: sets acks, syncs, and bad: acknowledgements written without a sync since the one before
watch() {
    strace -f -o "$dir/$2.trace" -e trace=fdatasync,fsync,write "$1" push "$dir/$2.db" $pushes >"$dir/$2.acks"
    read -r acks syncs bad <<EOF
$(awk '/(fdatasync|fsync)\(.*= 0$/ || /(fdatasync|fsync) resumed.*= 0$/ { synced = 1; syncs++ }
         /write\(1, "ack/ { acks++; if (!synced) bad++; synced = 0 }
         END { printf "%d %d %d\n", acks, syncs, bad }' "$dir/$2.trace")
EOF
}

watch "$crash" sound
echo "$acks acknowledgements, $syncs syncs, $bad acknowledged without one"
if [ "$acks" -ne $pushes ] || [ "$syncs" -lt "$acks" ] || [ "$bad" -ne 0 ]; then fail "not every commit is synced"; fi

watch "$mutant" mutant
echo "the mutant without syncs: $acks acknowledgements, $syncs syncs, $bad acknowledged without one"
if [ "$acks" -ne $pushes ] || [ "$bad" -eq 0 ]; then fail "the mutant was not caught"; fi

strace -f -o "$dir/eio.trace" -e inject=fdatasync,fsync:error=EIO:when=20..24 "$crash" push "$dir/eio.db" $pushes \
    >"$dir/eio.acks"
line=$("$crash" verify "$dir/eio.db" <"$dir/eio.acks") || fail "$line"
echo "with a disk that fails for a while: $line"
case $line in *failed=0*) fail "the failing syncs were acknowledged" ;; esac
tail -n 1 "$dir/eio.acks" | grep -q "^ack" || fail "it did not heal"
