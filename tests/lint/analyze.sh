#!/bin/sh
# gcc -fanalyzer on the sources, or on the files named: no findings but those that analyzer.txt argues about. Minutes:
# ./run-tests --lint. Run where it was configured.
set -u
build=$PWD
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
[ "$#" -gt 0 ] || set -- $(find src clients/c -name '*.c' ! -name '*_data.c' ! -path '*/tests/*' | sort)
flags="-std=c11 -D_GNU_SOURCE -I$build -Isrc -Iclients/c -I. -DPG_BINDIR=\"\" -DPKGDATADIR=\"\" -DSYSCONFDIR=\"\"
    $(pkg-config --cflags libpq libevent jansson libsodium sqlite3 libcurl)"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export flags work
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c '
    case $1 in clients/*) flags="$flags -DPACKAGE_VERSION=\"\"" ;; esac
    gcc -fanalyzer -fdiagnostics-plain-output -fdiagnostics-path-format=none \
    -O1 -g -c -o /dev/null "$1" $flags >"$work/$(echo "$1" | tr / _)" 2>&1' sh {}
# "FILE FUNCTION WARNING" of each finding that is not in the list; and those of the list that were found.
cat "$work"/* | awk -v list="$here/analyzer.txt" '
    BEGIN { while ((getline line < list) > 0) if (line !~ /^#/ && split(line, w, " ") > 3) known[w[1] " " w[2] " " w[3]] = 1 }
    /: In function / { file = $1; sub(/:$/, "", file); name = $NF; gsub(/[^A-Za-z0-9_]/, "", name); in_function[file] = name }
    /(warning|error): / {
        file = $1; sub(/:.*/, "", file)
        what = $NF; gsub(/[][]/, "", what)
        key = file " " in_function[file] " " what
        if (key in known) seen++; else { print; print "    " key; bad++ }
    }
    END { printf "%d findings that are argued about, %d that are not\n", seen, bad; exit bad > 0 }'
