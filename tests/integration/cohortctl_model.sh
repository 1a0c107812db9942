#!/bin/sh
# cohortctl on the whole experiment model against a real cohortd: the life of an experiment, layers, definitions
# as files, API keys, the audit.
. "$(dirname "$0")/cohortctl_lib.sh"

server_data "$D"
server_start "$D"

step "what files describe"
NEW=$WORK/new
mkdir -p "$NEW/layers" "$NEW/experiments" "$NEW/segments" "$NEW/flags" "$NEW/metrics" "$NEW/holdouts"
echo '{"key": "page", "description": "What is on the page"}' >"$NEW/layers/page.json"
echo '{"condition": {"country": {"$in": ["DE", "AT"]}}}' >"$NEW/segments/dach.json"
echo '{"event": "ticket_opened", "direction_good": "down", "window_end_s": 604800}' >"$NEW/metrics/ticket.json"
cat >"$NEW/flags/hero.json" <<'END'
{"key": "hero", "type": "string", "default": "plain",
 "rules": [{"kind": "force", "condition": {"staff": true}, "value": "staff"},
           {"kind": "experiment", "experiment": "hero"}]}
END
cat >"$NEW/experiments/hero.json" <<'END'
{"key": "hero", "layer": "page", "layer_ppm": 400000, "traffic_ppm": 100000, "alpha": 0.05,
 "condition": {"$segment": "dach"}, "prerequisites": [{"experiment": "zero", "variants": ["control", "b"]}],
 "variants": [{"key": "control", "share_ppm": 500000, "value": "a"}, {"key": "b", "share_ppm": 250000, "value": "b"},
              {"key": "c", "share_ppm": 250000, "value": "c"}],
 "guardrails": [{"metric": "ticket", "margin": 1.10}]}
END
cat >"$NEW/experiments/zero.json" <<'END'
{"variants": [{"key": "control", "share_ppm": 500000, "value": 1.0}, {"key": "b", "share_ppm": 500000, "value": 2.5}]}
END
cat >"$NEW/holdouts/year.json" <<'END'
{"variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing", "control": true},
              {"key": "in", "share_ppm": 950000, "gives": "everything"}]}
END
refuses 1 "experiments/hero: is new" ctl diff "$NEW"
says "dry run: 7 created" ctl apply "$NEW" --dry-run
says "7 created, 0 changed, 0 as they were" ctl apply "$NEW"
says "0 created, 0 changed, 7 as they were" ctl apply "$NEW"
says "metrics/unsubscribe: on the server only" ctl diff "$NEW"
mkdir "$WORK/empty"
refuses 2 "has no definitions" ctl apply "$WORK/empty"
mkdir "$WORK/empty/layers"
echo '{"key": "pages"}' >"$WORK/empty/layers/page.json"
refuses 2 "the file's name says page" ctl diff "$WORK/empty"
echo '{"varaints": []}' >"$WORK/empty/layers/page.json"
refuses 2 "layers/page.json: varaints" ctl apply "$WORK/empty"

step "the whole life of an experiment"
says "hero: can be started" ctl validate hero
says "zero: running" ctl start zero
says "hero: running" ctl start hero
says "hero: paused" ctl pause hero --reason 'for the night'
refuses 1 "paused" ctl pause hero
says "hero: running" ctl resume hero
says "hero: running" ctl ramp hero --traffic 500000 --share control=500000 --share b=400000 --share c=100000
refuses 2 "--traffic: is missing" ctl ramp hero
refuses 2 "such as control=500000" ctl ramp hero --traffic 600000 --share control
refuses 2 "names b twice" ctl ramp hero --traffic 600000 --share b=1 --share b=2
refuses 2 "--traffic" ctl ramp hero --traffic 2000000
says "hero: running" ctl grow hero --layer-ppm 600000
says "600000" ctl layer-map page
says "(free)" ctl layer-map page
refuses 1 "pagge" ctl layer-map pagge
says "What is on the page" ctl layers
says "hero: running" ctl drop-arm hero c --reason 'nobody liked it'
refuses 2 "not a key" ctl drop-arm hero 'C C'
says "hero2: draft" ctl clone hero hero2
refuses 1 "hero2" ctl clone hero hero2
says "hero2: can be started" ctl validate hero2
echo '{"key": "bare", "variants": [{"key": "a", "share_ppm": 1000000, "value": 1}]}' >"$WORK/bare.json"
says "experiments/bare: created" ctl apply "$WORK/bare.json"
refuses 1 "hint: " ctl validate bare

step "previews"
previewed() { ctl preview hero somebody --attr country=DE --json 2>/dev/null | grep -q '"step": "prerequisite"'; }
wait_for previewed
says " 1. " ctl preview hero somebody --attr country=FR
says "plain" ctl preview hero somebody --attr country=FR
refuses 1 "no flag" ctl preview heros somebody
refuses 2 "such as country=DE" ctl preview hero somebody --attr country
says "0" ctl psql -XAtc 'select count(*) from decision'
says "hero: shipped" ctl ship hero b --holdback 20000
says "hero: running" ctl restart hero --changes '{"traffic_ppm": 50000}' --reason again
says '"iteration": 2' ctl show hero
refuses 2 "takes a JSON object" ctl restart hero --changes five

step "definitions as files"
ALL=$WORK/all
says " definitions;" ctl export --dir "$ALL"
says "0 created, 0 changed" ctl apply "$ALL"
check ctl diff "$ALL"
grep -q '"alpha": 0.05,' "$ALL/experiments/hero.json" || fail "a number's text"
grep -q '"value": 1.0' "$ALL/experiments/zero.json" || fail "a value's text"
if grep -rlE '"(history|phases|status|iteration|entries)":' "$ALL"; then fail "more than can be written"; fi
says "; 0 files written, 0 deleted" ctl export --dir "$ALL"
sed -i 's/"description": ""/"description": "Zero"/' "$ALL/experiments/zero.json"
echo '{}' >"$ALL/layers/more.json"
refuses 1 'description: (not set) → "Zero"' ctl diff "$ALL"
says "layers/more: created" ctl apply "$ALL/layers/more.json"
says "experiments/zero: changed" ctl apply "$ALL"
says '"Zero"' ctl show zero
echo '{}' >"$ALL/layers/gone.json"
says "1 deleted" ctl export --dir "$ALL" --prune
[ -f "$ALL/layers/more.json" ] && [ ! -f "$ALL/layers/gone.json" ] || fail "the wrong file was deleted"
server_stop || fail "the server's end"
SECOND=$WORK/second
server_data "$SECOND"
server_start "$SECOND"
D=$SECOND
says " created, 0 changed" ctl apply "$ALL"
check ctl diff "$ALL"
says "0 deleted" ctl export --dir "$WORK/copy"
diff -r "$ALL" "$WORK/copy" >"$WORK/out" || fail "another server exports something else"

step "API keys"
ctl keys create product --name 'the shop' >"$WORK/key" || fail "a new key"
KEY=$(cat "$WORK/key")
says "the shop" ctl keys
works() { "$CTL" --server "$URL" --key "$1" show zero >/dev/null 2>&1; }
works_not() { ! works "$1"; }
wait_for works "$KEY"
ID=$(ctl psql -XAtc "select id from api_key where name = 'the shop'")
says "$ID: changed" ctl keys change "$ID" --rate 50 --priority low
[ "$(ctl psql -XAtc "select priority, rate_limit from api_key where id = $ID")" = "low|50" ] || fail "a changed key"
says "$ID: changed" ctl keys change "$ID" --rate none
[ "$(ctl psql -XAtc "select rate_limit is null from api_key where id = $ID")" = t ] || fail "a key without its own rate"
refuses 2 "--rate: takes a whole number from 1 to 1000000, or none for" ctl keys change "$ID" --rate 0
refuses 2 "say what to change" ctl keys change "$ID"
refuses 2 "team can't be changed" ctl keys change "$ID" --team x --rate 5
NEXT=$(ctl keys rotate "$ID" 2>/dev/null)
wait_for works "$NEXT"
wait_for works_not "$KEY"
ID=$(ctl psql -XAtc "select id from api_key where name = 'the shop' and revoked_at is null")
says "$ID: revoked" ctl keys revoke "$ID"
wait_for works_not "$NEXT"
refuses 2 "did you mean revoke?" ctl keys revoek 1
refuses 2 "usage: cohortctl keys rotate ID" ctl keys rotate
refuses 2 "nobody" ctl keys create nobody

step "the audit"
says "insert api_key" ctl audit
says "insert variant zero/control" ctl audit --object variant --of zero
[ "$(ctl audit --of zero --limit 2 | wc -l)" = 2 ] || fail "a limit"
says '"after": {' ctl audit --limit 1 --json
says '"hash":' ctl audit head
sealed() {
    ctl psql -XAtqc 'select audit_seal_pending((select epoch from leader_state))' >/dev/null &&
        ctl audit head | grep -q '"pending": 0'
}
wait_for sealed
HEAD=$(ctl psql -XAtc "select number || ':' || encode(hash, 'hex') from audit_head")
says "the head given is part of it" ctl audit verify --head "$HEAD"
refuses 2 "takes NUMBER:HASH" ctl audit verify --head 5
ctl psql -Xq >"$WORK/out" 2>&1 <<'END' || fail "an attack"
set session_replication_role = replica;
update audit set actor = 'nobody' where id = (select min(id) from audit);
END
refuses 1 "row 1: " ctl audit verify
refuses 2 "did you mean verify?" ctl audit verfiy
check server_stop
echo passed
