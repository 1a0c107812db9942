# Starts and stops a real cohortd in a temporary directory. To be sourced by a POSIX shell:
#
#   . "$(dirname "$0")/server_lib.sh"
#   server_start "$DIR" --workers 2     # waits until it serves; sets SERVER_PID and URL; logs to $LOG
#   server_data "$DIR"                  # before: the database that the first start would make, copied
#   server_stop                         # SIGTERM; the exit status is the server's
#
# WORK is a fresh directory, removed at exit, when what was started ends too. check COMMAND... fails the test when
# the command fails. Nothing sleeps and hopes: wait_for COMMAND... tries until it succeeds, at most a minute.
# shellcheck shell=sh

COHORTD=${COHORTD:-$(pwd)/cohortd}
WORK=$(mktemp -d /tmp/cohortd-test.XXXXXX)
chmod 711 "$WORK"
LOG=$WORK/log
SERVER_PID=

fail() {
    echo "FAIL: $*"
    [ -f "$LOG" ] && tail -n 30 "$LOG"
    [ -f "$WORK/out" ] && tail -n 10 "$WORK/out"
    exit 1
}

check() {
    "$@" || fail "$*"
}

at_exit() {
    status=$?
    trap - EXIT
    if [ -n "$SERVER_PID" ] && kill -KILL "$SERVER_PID" 2>/dev/null; then
        wait "$SERVER_PID" 2>/dev/null
        wait_for no_postgres
    fi
    rm -rf "$WORK"
    exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

wait_for() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -gt 1200 ]; then fail "a minute was not enough for: $*"; fi
        sleep 0.05
    done
}

# json FILE KEY: the text of a top-level member.
json() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"
}

# http_status URL [KEY]
http_status() {
    python3 -c '
import sys, urllib.request, urllib.error
headers = {"Authorization": "Bearer " + sys.argv[2]} if len(sys.argv) > 2 else {}
try:
    print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), timeout=60).status)
except urllib.error.HTTPError as e:
    print(e.code)
except OSError:
    print(0)
' "$@"
}

# A process that has ended may wait for ever to be noticed by a parent that does not look.
alive() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

gone() {
    ! alive "$1"
}

# The embedded database's process of a data directory.
postmaster() {
    head -n 1 "$1/pg/postmaster.pid"
}

# No process has its working directory in a cluster under WORK.
no_postgres() {
    for cwd in /proc/[0-9]*/cwd; do
        case $(readlink "$cwd" 2>/dev/null) in
        "$WORK"/*) return 1 ;;
        esac
    done
    return 0
}

# The file may still be there from one that was killed.
serving() {
    grep -q "\"pid\": $SERVER_PID," "$SERVER_DIR/server.json" 2>/dev/null
}

serving_or_ended() {
    serving || gone "$SERVER_PID"
}

server_data() {
    mkdir "$1" && "$(dirname "$0")/cluster.sh" served "$1/pg" || fail "no database in $1"
}

server_start() {
    SERVER_DIR=$1
    shift
    "$COHORTD" --data "$SERVER_DIR" --listen 127.0.0.1:0 "$@" >>"$LOG" 2>&1 &
    SERVER_PID=$!
    wait_for serving_or_ended
    serving || fail "the server did not start"
    URL=$(json "$SERVER_DIR/server.json" url)
}

server_stop() {
    kill -TERM "$SERVER_PID"
    wait "$SERVER_PID"
    stop_status=$?
    SERVER_PID=
    return $stop_status
}

# refused STATUS WORDS COMMAND...: the command ends with that status and says those words on standard error.
refused() {
    want=$1
    words=$2
    shift 2
    "$@" >"$WORK/out" 2>&1
    got=$?
    [ $got = "$want" ] || fail "status $got instead of $want: $*"
    grep -qF -- "$words" "$WORK/out" || fail "\"$words\" is missing in the answer of: $*"
    [ "$(grep -c '^cohortd: ' "$WORK/out")" = 1 ] || fail "not one sentence: $*"
}

step() {
    echo "ok so far; next: $*"
}
