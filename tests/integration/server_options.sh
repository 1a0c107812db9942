#!/bin/sh
# The command line of cohortd, and its documents: every option of --help is in the manual with its default, and the
# sample configuration is what --print-config prints.
. "$(dirname "$0")/server_lib.sh"

docs=$(cd "$(dirname "$0")/../../docs" && pwd)

step "mistakes are one sentence and status 2"
refused 2 "there is no option --worker; did you mean --workers?" "$COHORTD" --worker 3
refused 2 '--workers: "many" is not a whole number from 0 to 256' "$COHORTD" --workers many
refused 2 '--log-level: "loud" is not one of error, warn, info, debug' "$COHORTD" --log-level=loud
refused 2 "--data needs a value" "$COHORTD" --data
echo 'worker = 3' >"$WORK/conf"
refused 2 "line 1: there is no option \"worker\"; did you mean \"workers\"?" "$COHORTD" --config "$WORK/conf"
refused 2 "No such file" "$COHORTD" --config "$WORK/none"
refused 1 "--listen has unix:$WORK/s twice" "$COHORTD" --data "$WORK/unmade" --listen "127.0.0.1:0 127.0.0.1:0 unix:$WORK/s unix:$WORK/s"
check [ ! -e "$WORK/unmade" ]
refused 2 "there is no option --worker" env COHORTD_CONFIG= "$COHORTD" --worker 3

step "--version"
case $("$COHORTD" --version) in
"cohortd "*) ;;
*) fail "--version" ;;
esac

step "the manual"
"$COHORTD" --help >"$WORK/help" || fail "--help"
# The manual as plain text: \- is a dash, font changes are nothing.
sed 's/\\-/-/g; s/\\f.//g; s/\\e/\\/g' "$docs/cohortd.8" >"$WORK/manual"
options=$(sed -n 's/^  --\([a-z-]*\).*/\1/p' "$WORK/help")
check [ "$(echo "$options" | wc -l)" -gt 20 ]
for o in $options; do
    grep -q "^\.BR --$o\b" "$WORK/manual" || fail "docs/cohortd.8 lacks --$o"
done
in_manual=$(sed -n "/^\.SS /,/^\.SH /s/^\.BR --\([a-z-]*\).*/\1/p" "$WORK/manual")
check [ "$options" = "$in_manual" ]
# Defaults and ranges, in the same order (pg_bindir's is chosen by configure).
sed -n 's/^ *\(Default: .*\)/\1./p' "$WORK/help" | sed 's/\.\.$/./; s|^Default: /.*/bin\.$|Default: BINDIR.|' >"$WORK/defaults"
sed -n 's/^\(Default: .*\)/\1/p' "$WORK/manual" | sed 's|^Default: /.*/bin\.$|Default: BINDIR.|' >"$WORK/documented"
diff "$WORK/defaults" "$WORK/documented" || fail "docs/cohortd.8 has other defaults than --help"

step "the sample configuration"
"$COHORTD" --print-config | sed 's|^#pg_bindir = .*|#pg_bindir = BINDIR|' >"$WORK/printed"
sed 's|^#pg_bindir = .*|#pg_bindir = BINDIR|' "$docs/cohortd.conf.sample" >"$WORK/kept"
diff "$WORK/printed" "$WORK/kept" || fail "docs/cohortd.conf.sample is not what --print-config prints"
echo "all ok"
