#!/bin/sh
# cohortctl against a real cohortd: discovery, definitions, customers, and its answers to mistakes.
. "$(dirname "$0")/cohortctl_lib.sh"

step "help and mistakes need no server"
says "usage: cohortctl" "$CTL" --help
says "cohortd 0.1" "$CTL" --version
commands=$("$CTL" --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ "$(echo "$commands" | wc -l)" -gt 25 ] || fail "few commands: $commands"
# The manual tells every command and every option, as --help does.
sed -e 's/\\-/-/g' "${srcdir:-$(dirname "$0")/../..}/docs/cohortctl.1" >"$WORK/man"
for command in $commands; do
    says "usage: cohortctl $command" "$CTL" "$command" --help
    grep -qE "^\.(B|BR|BI) $command( |$)" "$WORK/man" || fail "the manual has no command $command"
    for option in $(sed -n '/^options:/,/^$/s/^  \(--[a-z-]*\).*/\1/p' "$WORK/out"); do
        grep -qE -e "$option([^a-z-]|$)" "$WORK/man" || fail "the manual has no $option of $command"
    done
done
refuses 2 "did you mean status?" "$CTL" statsu
refuses 2 "cohortctl --help lists them" "$CTL" frobnicate
refuses 2 "did you mean --binary?" "$CTL" import x.csv --bniary visit
refuses 2 "--reason: needs a value" "$CTL" stop x --reason
refuses 2 "--json: takes no value" "$CTL" results x --json=yes
refuses 2 "something is missing; usage: cohortctl show KEY" "$CTL" show
refuses 2 "one word too many" "$CTL" show a b
refuses 1 "no cohortd is running on this data directory; start it with: cohortd --data" ctl status
(cd "$WORK" && refuses 1 "quickstart" "$CTL" status) || exit 1
refuses 2 "takes a URL such as" "$CTL" --server localhost:8440 --key x status
refuses 1 "is cohortd running there?" "$CTL" --server http://127.0.0.1:1 --key x status
refuses 2 "'A B' is not a key" "$CTL" --server http://127.0.0.1:1 --key x show 'A B'

server_data "$D"
server_start "$D"

step "definitions"
# (It is to run on: chance alone would stop one experiment of some hundreds.)
leads() { ctl status | grep -q "this server leads"; }
wait_for leads
says "No experiments yet" ctl experiments
cat >"$WORK/cta.json" <<'END'
{"key": "cta", "description": "Two words on a button",
 "variants": [{"key": "control", "share_ppm": 500000, "value": "Buy now", "control": true},
              {"key": "hurry", "share_ppm": 500000, "value": "Hurry!"}],
 "guardrails": [{"metric": "unsubscribe"}], "alpha": 0.000001}
END
says "experiments/cta: created" ctl apply "$WORK/cta.json"
says "0 created, 0 changed, 1 as they were" ctl apply - <"$WORK/cta.json"
says '"share_ppm": 500000' ctl show cta
echo '{"variants": []}' >"$WORK/bad.json"
refuses 2 '"key" is missing' ctl apply "$WORK/bad.json"
echo '{"key": "x", "key": "y"}' >"$WORK/bad.json"
refuses 2 'line 1' ctl apply "$WORK/bad.json"
echo '{"key": "x", "varaints": []}' >"$WORK/bad.json"
refuses 2 'varaints' ctl apply "$WORK/bad.json"
refuses 1 "No such file" ctl apply "$WORK/none.json"
refuses 1 "cta2" ctl show cta2
says "cta: running" ctl start cta --reason 'now or never'
refuses 1 "running already" ctl start cta
grep -qF "hint: " "$WORK/out" || fail "no hint for a second start"
says "now or never" ctl show cta
refuses 1 "no cohortd is running" "$CTL" --data "$WORK/elsewhere" show cta
says "cta" ctl experiments
says '"status": "running"' ctl experiments --json

step "customers"
served() { ctl evaluate cta someone --attribute country=DE 2>/dev/null | grep -q '"reason": "VARIANT"'; }
wait_for served
refuses 2 "such as country=DE" ctl evaluate cta someone --attribute country
refuses 1 "no flag" ctl evaluate cat someone
refuses 2 "--flag: is missing" ctl simulate
refuses 2 "unsubscribe=0.03" ctl simulate --flag cta --base unsubscribe
refuses 2 "refund has no --base" ctl simulate --flag cta --effect hurry:refund=2
refuses 2 "--customers: takes a whole number" ctl simulate --flag cta --customers many
ctl simulate --flag cta --customers 300 --rate 0 --base unsubscribe=0.2 --base nobody_declared=0.1 --json \
    >"$WORK/sim.json" 2>"$WORK/out" || fail "status $?"
python3 - "$WORK/sim.json" <<'END' || fail "the summary of the simulation"
import json, sys
s = json.load(open(sys.argv[1]))
events = [arm["events"] for arm in s["served"]]
assert s["customers"] == 300 and s["failed"] == 0, s
assert sum(arm["customers"] for arm in s["served"]) == 300, s
assert {arm["served"] for arm in s["served"]} == {"control", "hurry"}, s
assert s["accepted"] == sum(e["unsubscribe"] for e in events), s
assert s["rejected"] == sum(e["nobody_declared"] for e in events) > 0, s
assert s["fallback_since"] is None, s
END

step "results"
counted() { ctl results cta | grep -q '^301 units'; }
wait_for counted
says "unsubscribe (binary)" ctl results cta
says "hold however often you look" ctl results cta
says "fixed horizon" ctl results cta --fixed
says "unsubscribe, " ctl results cta --series
says '"metrics"' ctl results cta --json
refuses 1 "nothing_here" ctl results nothing_here
says "301" ctl psql -XAtc 'select count(*) from exposure'
refuses 1 "is running already" ctl psql -Xc "select start('cta')"
if grep -q "CONTEXT" "$WORK/out"; then fail "psql tells which functions spoke"; fi
says "cta" "$CTL" --database "$(json "$D/server.json" database)" psql -XAtc 'select key from experiment'

step "the stop by hand"
says "cta: stopped" ctl stop cta --reason enough
stopped() { ctl evaluate cta someone | grep -q '"reason": "STOPPED"'; }
wait_for stopped
says "STOPPED" ctl simulate --flag cta --customers 5 --quiet
says "cta: archived" ctl archive cta
refuses 2 "answered" "$CTL" --server "$URL" --key wrong simulate --flag cta
refuses 2 "key" "$CTL" --server "$URL" --key wrong experiments
check server_stop
refuses 1 "no cohortd is running" ctl status
echo passed
