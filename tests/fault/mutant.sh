#!/bin/sh
# Makes a cohortd with one change for the worse, to show that a test notices: compiles one changed source file and
# links it in front of the libraries. Prints the path of the binary, in the build directory, for use by the fault
# tests; run from there (or with COHORT_BUILD). A change that changes nothing is an error: the source has moved on,
# and the mutant must follow it.
set -eu
name=${1:?usage: mutant.sh NAME}
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${COHORT_BUILD:-$PWD}

case $name in
early_answer) # 202 as soon as the bytes are in memory, before the commit
    file=src/web/api_events.c
    change='s/n, on_durable, b);/n, NULL, NULL);\n    if (rc == ERR_OK)\n        on_durable(b, ERR_OK, NULL);/'
    ;;
no_takeover) # a standby never ends the backend of a leader that is silent
    file=src/store/leader.c
    change='s/cohort\.unseat_leader()/(select null as outcome, null as node, 0 as epoch, 0 as silent_s where false) x/'
    ;;
no_tombstones) # plans as the database has them, whatever it has forgotten
    file=src/cohortd/keeper.c
    change='s/snapshots_each_stop(k->snapshots, lay_over, .*);/(void)lay_over;/'
    ;;
async_as_sync) # an answer that claims its record is kept while it waits in memory
    file=src/web/records.c
    change='s/    return push(r, done, arg) == ERR_OK.*/    (void)done;\n    (void)arg;\n    r->wait = false;\n    schedule(r);\n    r->wait = true;\n    return RECORDS_NONE;/'
    ;;
log_path) # the path of a request that has no route, in the log
    file=src/web/http_trace.c
    change='s/r->route ? r->route : "none"/r->route ? r->route : r->head.path/'
    ;;
log_row) # the row that the database refused, in the log
    file=src/store/pg.c
    change='s/    set_message(e, code, primary/    log_debug("postgres", "%s", e->detail);\n&/'
    ;;
*)
    echo "there is no mutant $name" >&2
    exit 1
    ;;
esac

out=$build/tests/fault/mutants/$name
mkdir -p "$out/src"
sed "$change" "$top/$file" >"$out/src/$(basename "$file")"
if cmp -s "$top/$file" "$out/src/$(basename "$file")"; then
    echo "mutant $name changes nothing in $file" >&2
    exit 1
fi
# The makefile knows the compiler, its options and the libraries.
cat >"$out/Makefile" <<END
include Makefile
mutant:
	\$(CC) \$(DEFS) \$(DEFAULT_INCLUDES) \$(INCLUDES) \$(AM_CPPFLAGS) \$(CPPFLAGS) -I$top/$(dirname "$file") \
	    \$(libcohortd_a_CFLAGS) \$(CFLAGS) -c -o $out/changed.o $out/src/$(basename "$file")
	\$(CCLD) \$(cohortd_CFLAGS) \$(CFLAGS) \$(AM_LDFLAGS) \$(LDFLAGS) -o $out/cohortd.new $out/changed.o \
	    \$(cohortd_OBJECTS) \$(cohortd_LDADD) \$(LIBS)
	mv $out/cohortd.new $out/cohortd
.PHONY: mutant
END
make -s -C "$build" -f "$out/Makefile" mutant >&2
echo "$out/cohortd"
