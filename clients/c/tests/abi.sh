#!/bin/sh
# What libcohort-client shows to the world: its symbols are the listed ones, in the shared library and in the archive; a
# program is built with what is installed, by pkg-config; and under valgrind nothing is lost or read that is not there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${COHORT_BUILD:-$PWD}
WORK=$(mktemp -d /tmp/cohort-abi.XXXXXX)
trap 'rm -rf "$WORK"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

sort "$here/../symbols.txt" >"$WORK/listed"
nm -D --defined-only "$build/clients/c/libcohort-client.so.0" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | grep -v '^__[au]' |
    sort >"$WORK/shared" || true
diff "$WORK/listed" "$WORK/shared" || fail "the shared library's symbols are not those of clients/c/symbols.txt"
nm -g --defined-only "$build/clients/c/libcohort-client.a" | awk 'NF == 3 { print $3 }' | grep -v '^__[aou]' | sort >"$WORK/archive" || true
diff "$WORK/listed" "$WORK/archive" || fail "the archive's symbols are not those of clients/c/symbols.txt"
sed -n 's/^COHORT_API .*[ *]\(cohort_[a-z_]*\)(.*/\1/p' "$here/../cohort_client.h" | sort >"$WORK/declared"
diff "$WORK/listed" "$WORK/declared" || fail "the header declares something else than clients/c/symbols.txt"
echo "ok: $(wc -l <"$WORK/listed") symbols"

make -s -C "$build" install DESTDIR="$WORK/root" >"$WORK/log" 2>&1 || { tail "$WORK/log"; fail "make install"; }
pc=$(find "$WORK/root" -name cohort-client.pc)
[ -n "$pc" ] || fail "cohort-client.pc is not installed"
cat >"$WORK/try.c" <<'END'
#include <cohort_client.h>
#include <stdio.h>
int main(void)
{
    struct cohort_options o = cohort_options("http://127.0.0.1:9", "ck_events_x");
    struct cohort_client *c;
    if (cohort_open(&c, &o, NULL) != COHORT_OK)
        return 1;
    struct cohort_context *who = cohort_context_new("c-17");
    puts(cohort_string(c, who, "cta", "Buy now"));
    cohort_track(c, who, "purchase");
    cohort_context_free(who);
    return cohort_close(c, 0) == 1 ? 0 : 1;
}
END
sed -i "s|=/|=$WORK/root/|" "$pc" # it lies below another root here
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs cohort-client)
sanitizers=
grep -q fsanitize=address "$build/Makefile" && sanitizers=-fsanitize=address,undefined
lib=$(dirname "$(dirname "$pc")")
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -Wall -Wextra -Werror $sanitizers "$WORK/try.c" -o "$WORK/try" $flags
[ "$(LD_LIBRARY_PATH=$lib "$WORK/try")" = "Buy now" ] || fail "a program built by pkg-config"
echo "ok: built by pkg-config, with the shared library"
printf '#include <cohort_client.h>\nint main() { struct cohort_options o = cohort_options("http://x", "k"); return o.size == sizeof o ? 0 : 1; }\n' >"$WORK/try.cc"
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2086
    c++ -Wall -Wextra -Werror $sanitizers "$WORK/try.cc" -o "$WORK/trycc" $flags && LD_LIBRARY_PATH=$lib "$WORK/trycc" || fail "the header in C++"
    echo "ok: the header is C++ too"
fi

if [ -n "$sanitizers" ]; then
    echo "valgrind is not run: this build has the sanitizers"
elif ! command -v valgrind >/dev/null; then
    echo "SKIP: valgrind is not installed"
    exit 77
else
    COHORT_BUILD=$build python3 "$here/checked.py" || fail "valgrind"
fi
echo passed
