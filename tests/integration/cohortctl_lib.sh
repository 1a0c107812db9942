# What the tests of cohortctl share. To be sourced by a POSIX shell.
# shellcheck shell=sh
. "$(dirname "$0")/server_lib.sh"

CTL=${COHORTCTL:-$(pwd)/cohortctl}
D=$WORK/data
ctl() { "$CTL" --data "$D" "$@"; }

# says WORDS COMMAND...: it succeeds and prints them.
says() {
    words=$1
    shift
    "$@" >"$WORK/out" 2>&1 || fail "status $?: $*"
    grep -qF -- "$words" "$WORK/out" || fail "\"$words\" is missing in the output of: $*"
}

# refuses STATUS WORDS COMMAND...: it ends with that status and those words.
refuses() {
    want=$1
    words=$2
    shift 2
    "$@" >"$WORK/out" 2>&1
    got=$?
    [ $got = "$want" ] || fail "status $got instead of $want: $*"
    grep -qF -- "$words" "$WORK/out" || fail "\"$words\" is missing in the answer of: $*"
}
