#!/bin/sh
# Whatever git tracks is in the tarball of `make dist`, and nothing in it is missing from git, but for what is argued here.
set -u
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
build=${COHORT_BUILD:-$PWD}
cd "$top" || exit 1
if ! tracked=$(git ls-files 2>/dev/null) || [ -z "$tracked" ]; then
    echo "this is no clone of the repository: which files there should be is not known: skipped"
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# Git's own; made by autogen.sh and the build.
printf '%s\n' "$tracked" | grep -v '^\.git\(ignore\|attributes\)$' | sort >"$work/tracked"
(unset MAKEFLAGS MFLAGS MAKELEVEL && make -s -C "$build" print-distfiles) | sed "s|^$top/||; s|^\(\.\./\)*||; s|^\./||" |
    grep -vE '^(configure|aclocal\.m4|config\.h\.in|.*Makefile\.in|build-aux/(ar-lib|compile|config\.[a-z]*|depcomp|install-sh|ltmain\.sh|missing|test-driver)|clients/c/cohort-client\.pc)$' | sort -u >"$work/dist"
[ "$(wc -l <"$work/dist")" -gt 500 ] || { echo "make print-distfiles says only $(wc -l <"$work/dist") files"; exit 1; }
missing=$(comm -23 "$work/tracked" "$work/dist")
strange=$(comm -13 "$work/tracked" "$work/dist" | while read -r f; do [ -f "$f" ] && git check-ignore -q "$f" || echo "$f"; done)
[ -z "$missing" ] || printf 'tracked by git, and missing in the tarball (EXTRA_DIST in a local.mk):\n%s\n' "$missing"
[ -z "$strange" ] || printf 'in the tarball, and not tracked by git:\n%s\n' "$strange"
echo "$(wc -l <"$work/tracked") files compared"
[ -z "$missing$strange" ]
