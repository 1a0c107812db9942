#!/bin/sh
# clang-tidy (.clang-tidy says what of it, and why not all) on the sources, or on the files named. Nothing is to be
# found that is not argued beside it. Minutes: ./run-tests --lint. Run where it was configured.
set -u
build=$PWD
top=${srcdir:-$(dirname "$0")/../..}
cd "$top" || exit 1
command -v clang-tidy >/dev/null || { echo "clang-tidy is not installed: skipped"; exit 77; }
[ "$#" -gt 0 ] || set -- $(find src clients/c -name '*.c' ! -name '*_data.c' ! -path '*/tests/*' | sort)
flags="-std=c11 -D_GNU_SOURCE -I$build -Isrc -Iclients/c -I. $(pkg-config --cflags libpq libevent jansson libsodium sqlite3 libcurl)"
found=$(printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} clang-tidy --quiet {} -- $flags -DPG_BINDIR='""' \
    -DPKGDATADIR='""' -DSYSCONFDIR='""' -DPACKAGE_VERSION='""' -Wno-macro-redefined 2>/dev/null)
printf '%s\n' "$found" | sed '/^$/d'
n=$(printf '%s\n' "$found" | grep -c -E '(warning|error): ')
echo "$# files checked, $n findings"
[ "$n" = 0 ]
