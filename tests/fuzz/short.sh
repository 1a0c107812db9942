#!/bin/sh
# Each fuzz target for ten seconds (three, where another target reaches the same code), on the saved corpus: finds
# nothing, with the same seed each time: what a run finds by luck belongs to the long form, which is
# ./run-tests --fuzz.
set -u
echo 'int main(void) { return 0; }' | clang -fsanitize=fuzzer-no-link,address -x c -o /dev/null - 2>/dev/null ||
    { echo "clang or its runtime libraries are not installed, and libFuzzer comes with them: skipped"; exit 77; }
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
build=$PWD/tests/fuzz/build
mkdir -p "$build" || exit 1
if [ ! -f "$build/Makefile" ]; then
    (cd "$build" && "$top/configure" --enable-fuzzing CC=clang CFLAGS="-O1 -gline-tables-only") || exit 1
fi
nice make -C "$build" -j2 tests/fuzz/fuzz >"$build/make.log" 2>&1 || { tail -n 40 "$build/make.log"; exit 1; }
exec nice python3 "$top/tests/fuzz/fuzz.py" --jobs 2 --seed 1 "$build/tests/fuzz/fuzz" "$build/corpus" 10 http decision events \
    condition plan snapshot spool key api outcomes=3 record=3 text=3 token=3
