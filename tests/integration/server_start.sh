#!/bin/sh
# How cohortd starts, refuses to start, and stops: data directories, ports, databases, signals, crashes.
. "$(dirname "$0")/server_lib.sh"

D=$WORK/data
bindir=$("$COHORTD" --print-config | sed -n 's/^#pg_bindir = //p')
if [ ! -x "$bindir/postgres" ]; then
    echo "skipped: no PostgreSQL server in $bindir"
    exit 77
fi

serve() {
    "$COHORTD" --listen 127.0.0.1:0 "$@"
}

sql() {
    psql -XAtq -v ON_ERROR_STOP=1 "$(json "$D/server.json" database)" -c "$1"
}

step "a stop while the database is being made"
"$COHORTD" --data "$WORK/early" --listen 127.0.0.1:0 >"$LOG" 2>&1 &
SERVER_PID=$!
wait_for grep -q 'making the embedded database' "$LOG"
check server_stop
check [ ! -e "$WORK/early/server.json" ]
wait_for no_postgres

step "first start"
server_start "$D"
check [ "$(http_status "$URL/healthz")" = 200 ]
check [ "$(stat -c %a "$D/keys.json")" = 600 ]
check [ "$(stat -c %a "$D/server.json")" = 600 ]
check [ "$(stat -c %a "$D/spool.db")" = 600 ]
for role in admin events client analyst; do
    case $(json "$D/keys.json" $role) in
    ck_${role}_*) ;;
    *) fail "no key for $role" ;;
    esac
done
keys=$(cat "$D/keys.json")
check [ "$(http_status "$URL/v1/experiments" "$(json "$D/keys.json" admin)")" = 200 ]
check [ "$(http_status "$URL/v1/experiments")" = 401 ]
check [ "$(json "$D/server.json" pid)" = "$SERVER_PID" ]
server=$(postmaster "$D")
if [ "$(id -u)" = 0 ]; then check [ "$(stat -c %U "/proc/$server")" = postgres ]; fi

step "a second cohortd on the same directory, a port in use"
refused 1 "in use by a running cohortd (process $SERVER_PID)" serve --data "$D"
refused 1 "--listen" "$COHORTD" --data "$WORK/other" --listen "${URL#http://}"
grep -qF "${URL#http://}" "$WORK/out" || fail "the address is not named"
check [ ! -e "$WORK/other" ]

refused 1 "write for example 127.0.0.1:8440" "$COHORTD" --data "$WORK/other" --listen 8440
check [ ! -e "$WORK/other" ]

step "a second node on the same database"
"$COHORTD" --data "$WORK/node2" --listen 127.0.0.1:0 --node-name second \
    --database "$(json "$D/server.json" database)" >>"$LOG" 2>&1 &
node2=$!
wait_for [ -f "$WORK/node2/server.json" ]
check [ ! -e "$WORK/node2/pg" ]
check [ "$(cat "$WORK/node2/node")" = second ]
node2_admin=$(json "$WORK/node2/keys.json" admin)
known() { [ "$(http_status "$URL/v1/experiments" "$node2_admin")" = 200 ]; }
wait_for known
kill -TERM $node2
wait $node2 || fail "the second node ended with $?"

step "the embedded database dies and comes back"
kill -KILL "$server"
back() {
    [ "$(postmaster "$D" 2>/dev/null)" != "$server" ] && sql 'select 1' >/dev/null 2>&1
}
wait_for back
server=$(postmaster "$D")
check alive "$server"

step "SIGTERM"
check server_stop
check gone "$server"
check no_postgres
check [ ! -e "$D/server.json" ]

step "a second start reuses the data"
server_start "$D"
check [ "$keys" = "$(cat "$D/keys.json")" ]
check [ "$(http_status "$URL/v1/experiments" "$(json "$D/keys.json" admin)")" = 200 ]
check [ "$(sql "select count(*) from cohort.api_key where name like '%of $(cat "$D/node")'")" = 4 ]

step "SIGKILL: the database ends by itself, and the next start finds everything"
server=$(postmaster "$D")
kill -KILL "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
server_start "$D" --drain-seconds 600 --body-seconds 600
check gone "$server"
check [ "$(http_status "$URL/v1/experiments" "$(json "$D/keys.json" admin)")" = 200 ]

step "a stop waits for an open request, a second signal does not"
python3 - "$URL" "$SERVER_PID" <<'PY' || fail "the second signal"
import os, signal, socket, sys, time
host, port = sys.argv[1].removeprefix("http://").split(":")
pid = int(sys.argv[2])
s = socket.create_connection((host, int(port)))
s.sendall(b"POST /v1/outcomes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
assert s.recv(4096).startswith(b"HTTP/1.1 100 "), "the request is not waited for"
os.kill(pid, signal.SIGTERM)
end = time.monotonic() + 60
while True:  # the listening sockets close first
    try:
        socket.create_connection((host, int(port)), 60).close()
    except ConnectionRefusedError:
        break
    assert time.monotonic() < end, "still listening"
os.kill(pid, 0)
os.kill(pid, signal.SIGTERM)
PY
wait "$SERVER_PID"
check [ $? = 143 ]
SERVER_PID=
wait_for no_postgres

step "a newer schema, and another content of a migration"
server_start "$D"
sql "insert into cohort.schema_migration(number, name, checksum) values (9999, '9999_later.sql', 'x')"
check server_stop
refused 1 "the database's schema is number 9999" serve --data "$D"
check no_postgres
pg_conninfo() {
    echo "host=$WORK/sock user=cohort dbname=cohort"
}
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec setpriv --reuid postgres --regid postgres --clear-groups "$@")
    else
        "$@"
    fi
}
mkdir "$WORK/sock"
chmod 777 "$WORK/sock"
as_owner "$bindir/pg_ctl" -D "$D/pg" -l "$WORK/sock/log" -w -s -o "-k $WORK/sock -c listen_addresses=''" start ||
    fail "pg_ctl"
psql -XAtq "$(pg_conninfo)" -c "delete from cohort.schema_migration where number = 9999" \
    -c "update cohort.schema_migration set checksum = 'x' where number = 1" || fail "psql"

step "a database that is not ours runs there"
refused 1 "already runs on" serve --data "$D"
as_owner "$bindir/pg_ctl" -D "$D/pg" -m fast -w -s stop || fail "pg_ctl stop"
refused 1 "another content" serve --data "$D"

step "another version of PostgreSQL, no PostgreSQL, no data directory"
version=$(cat "$D/pg/PG_VERSION")
echo 9 >"$D/pg/PG_VERSION"
refused 1 "was made by PostgreSQL 9, and the programs in $bindir are version" serve --data "$D"
echo nine >"$D/pg/PG_VERSION"
refused 1 "PG_VERSION is damaged" serve --data "$D"
echo "$version" >"$D/pg/PG_VERSION"
refused 1 "install the package postgresql-15" serve --data "$WORK/none" --pg-bindir "$WORK"
refused 1 "the directory above it does not exist" serve --data "$WORK/a/b/c" \
    --database postgresql://nobody@127.0.0.1:1/x
mkdir -p "$WORK/odd/pg"
if [ "$(id -u)" = 0 ]; then chown postgres "$WORK/odd/pg"; fi
refused 1 "is no PostgreSQL data directory" serve --data "$WORK/odd"
mkdir -p "$WORK/bare/pg"
cp "$D/pg/PG_VERSION" "$WORK/bare/pg"
chmod 700 "$WORK/bare/pg"
if [ "$(id -u)" = 0 ]; then chown -R postgres "$WORK/bare/pg"; fi
refused 1 "did not start: postgres: could not access the server configuration file" serve --data "$WORK/bare"
echo >"$WORK/plain"
refused 1 "is not a directory" serve --data "$WORK/plain"

step "a database that does not answer; its password stays out of sight"
refused 1 "postgresql://me@127.0.0.1:1/shop" serve --data "$WORK/far" --database-wait 0 --database \
    'postgresql://me:s3cret@127.0.0.1:1/shop'
grep -q s3cret "$WORK/out" && fail "the password is shown"
refused 1 "not a connection string" serve --data "$WORK/far" --database 'postgresql://me:s3cret@[::'
grep -q s3cret "$WORK/out" && fail "the password is shown"

if [ "$(id -u)" = 0 ]; then
    step "a directory the database's user can't enter"
    mkdir -m 700 "$WORK/closed"
    refused 1 "can't enter $WORK/closed: choose a directory it can reach, such as --data /var/lib/cohortd" \
        serve --data "$WORK/closed/data"
    check [ ! -e "$WORK/closed/data" ]
    refused 1 "can't enter $WORK/closed" "$COHORTD" --check-data "$WORK/closed/data"
    "$COHORTD" --check-data "$WORK/data" >/dev/null || fail "--check-data"
    refused 1 "no system user \"nobody-here\"" serve --data "$WORK/new" --os-user nobody-here
    check [ ! -e "$WORK/new" ]
    mkdir -p "$WORK/strange"
    cp -a "$D/pg" "$WORK/strange/pg"
    chown daemon "$WORK/strange/pg"
    refused 1 "belongs to the user with number" serve --data "$WORK/strange"
fi

# on_small_disk KB [DIR]: starts on a disk of its own, which a copy of DIR and a file fill; it goes with the shell.
on_small_disk() {
    unshare -m sh -c 'mount -t tmpfs -o "size=$2k,mode=755" none "$1" || exit 99
        if [ -n "$3" ]; then
            cp -a "$3" "$1/data" && rm -f "$1"/data/snapshots/plan-* || exit 99
            dd if=/dev/zero of="$1/fill" bs=4k 2>"$1/data/fill.log"
        fi
        exec "$4" --listen 127.0.0.1:0 --data "$1/data"' sh "$WORK/disk" "$1" "$2" "$COHORTD"
}
mkdir "$WORK/disk"
if [ "$(id -u)" = 0 ] && unshare -m mount -t tmpfs none "$WORK/disk" 2>/dev/null; then
    step "a full disk"
    refused 1 "MB free and a new database needs 64 MB: make room" on_small_disk 8192 ""
    refused 1 "did not start: its disk has 0 MB free, and it needs 16 MB: make room" \
        on_small_disk $(($(du -sk "$D" | cut -f1) + 4096)) "$D"
fi

step "too few open files"
few() (
    ulimit -n 100
    serve --data "$WORK/few" --workers 8
)
refused 1 "raise the limit (ulimit -n), or start fewer with --workers" few
check [ ! -e "$WORK/few" ]

step "a directory whose name is too long for a socket"
long=$WORK/a-directory-name-that-is-much-too-long-for-the-path-of-a-unix-domain-socket-which-has-107-bytes
server_start "$long"
check [ "$(http_status "$URL/healthz")" = 200 ]
check server_stop
check no_postgres
echo "all ok"
