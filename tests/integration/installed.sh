#!/bin/sh
# What `make install` puts down serves: the server from where it lies, cohortctl, manuals, sample configuration, examples,
# header and library of the C client; and `make uninstall` takes all of it away.
# installed.sh PREFIX (make installcheck) tries what is installed there; without it, this installs below a directory of its own.
. "$(dirname "$0")/server_lib.sh"

build=${COHORT_BUILD:-$PWD}
root=$WORK/root
quietly() { "$@" >"$WORK/out" 2>&1 || fail "$*"; }

if [ $# -gt 0 ]; then
    prefix=$1
else
    # Nothing of an outer make's command line is for this one.
    unset MAKEFLAGS MFLAGS MAKELEVEL
    quietly make -s -C "$build" install DESTDIR="$root"
    prefix=$root$(sed -n 's/^prefix = //p' "$build/Makefile")
fi
COHORTD=$prefix/bin/cohortd

for file in bin/cohortd bin/cohortctl share/man/man8/cohortd.8 share/man/man1/cohortctl.1 share/cohortd/cohortd.conf.sample \
    share/cohortd/examples/nginx.conf share/cohortd/examples/haproxy.cfg include/cohort_client.h lib/libcohort-client.a \
    lib/libcohort-client.so lib/pkgconfig/cohort-client.pc lib/systemd/system/cohortd.service lib/systemd/system/cohortd.socket \
    lib/sysusers.d/cohortd.conf etc/cohortd/cohortd.conf; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
echo "ok: files"

# The sample as it is, with what every installation sets.
sed "s|^#data = .*|data = $WORK/data|; s|^#listen = .*|listen = 127.0.0.1:0|" "$prefix/share/cohortd/cohortd.conf.sample" >"$WORK/conf"
mkdir -m 755 "$WORK/data"
cd / || exit 1
"$COHORTD" --config "$WORK/conf" >"$LOG" 2>&1 &
SERVER_PID=$!
serves() { [ -s "$WORK/data/server.json" ] && "$prefix/bin/cohortctl" --data "$WORK/data" status >"$WORK/out" 2>&1; }
wait_for serves
quietly "$prefix/bin/cohortctl" --data "$WORK/data" psql -c "insert into cohort.flag (key, type, default_value) values ('installed', 'boolean', 'true')"
echo "ok: serves, from its own sample configuration"
server_stop || fail "it did not stop"

if [ $# = 0 ]; then
    cd "$build" || exit 1
    quietly make -s -C "$build" uninstall DESTDIR="$root"
    left=$(find "$root" ! -type d)
    [ -z "$left" ] || fail "uninstall leaves: $left"
    echo "ok: uninstall leaves nothing"
fi
