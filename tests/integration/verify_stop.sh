#!/bin/sh
# A stop that came by itself is computed again from the database alone; what was tampered with is found.
. "$(dirname "$0")/cohortctl_lib.sh"

step() { echo "ok: $*"; }
sql() { ctl psql -XAtq -v ON_ERROR_STOP=1 -c "set session_replication_role = replica; $1" || fail "$1"; }

server_start "$D"
cat >"$WORK/cta.json" <<'END'
{"key": "cta",
 "variants": [{"key": "control", "share_ppm": 500000, "value": "Buy now", "control": true},
              {"key": "hurry", "share_ppm": 300000, "value": "Hurry!"},
              {"key": "slow", "share_ppm": 200000, "value": "No hurry"}],
 "guardrails": [{"metric": "unsubscribe", "weight": 2}, {"metric": "complaint"}]}
END
says "cta: created" ctl apply "$WORK/cta.json"
says "cta: running" ctl start cta
refuses 1 "nothing stopped" ctl verify-stop cta
refuses 1 "there is no such stop" ctl verify-stop 1
ctl simulate --flag cta --customers 5000 --rate 0 --quiet --base unsubscribe=0.1 \
    --effect hurry:unsubscribe=4 >"$WORK/out" 2>&1 || fail "the customers"
stopped() { [ "$(ctl psql -XAtqc 'select count(*) from cohort.stop_event')" = 1 ]; }
wait_for stopped
says "Yes: this stop follows" ctl verify-stop cta
cat "$WORK/out"
says '"verified": true' ctl verify-stop 1 --json
step "a stop is verified by its experiment's key and by its id"

# The rest of its customers, counted later, change nothing about it; nor does the next iteration.
ctl simulate --flag cta --customers 500 --rate 0 --quiet --prefix late- --base unsubscribe=0.5 >"$WORK/out" 2>&1 || fail "late ones"
ctl restart cta >"$WORK/out" 2>&1 || fail "the restart"
says "iteration 1" ctl verify-stop cta
says "Yes: this stop follows" ctl verify-stop cta
step "a stop of an earlier iteration is verified"

unit=$(ctl psql -XAtqc "select u.unit_id from cohort.stop_units(1) u join cohort.variant v on v.id = u.variant_id
    where v.key = 'control' order by 1 limit 1")
sql "create table public.kept as select * from cohort.exposure where unit_id = '$unit'"
sql "update cohort.exposure x set variant_id = (select min(v.id) from cohort.variant v where v.id <> x.variant_id) where unit_id = '$unit'"
refuses 1 "elsewhere than salts and slots put them; one is $unit" ctl verify-stop 1
grep -q "the evidence says .*, the rows" "$WORK/out" || fail "the counts are not found to differ"
sql "update cohort.exposure x set variant_id = k.variant_id from public.kept k where k.unit_id = x.unit_id and k.experiment_id = x.experiment_id"
says "Yes: this stop follows" ctl verify-stop 1
step "an exposure under another variant is found"

sql "delete from cohort.exposure where unit_id = '$unit' and experiment_id = (select experiment_id from cohort.stop_event)"
refuses 1 "control's units: the evidence says" ctl verify-stop 1
sql "insert into cohort.exposure select k.* from public.kept k join cohort.stop_event s using (experiment_id)"
says "Yes: this stop follows" ctl verify-stop 1
step "an exposure that is missing is found"

sql "create table public.evidence as select evidence from cohort.stop_event"
tampered() { # PATH VALUE WORDS
    sql "update cohort.stop_event set evidence = jsonb_set(evidence, '$1', '$2')"
    refuses 1 "$3" ctl verify-stop 1
    sql "update cohort.stop_event set evidence = (select evidence from public.evidence)"
}
tampered '{ln_e}' 77 "NO   ln E, from the rows: the evidence says 77"
tampered '{phases,0,treatment_events}' 100000 "treatment's units with the event: the evidence says 100000"
tampered '{phases,0,q}' 0.1 "NO   phase 1: q: the evidence says 0.1"
tampered '{alpha}' 0.5 "NO   rule: the evidence says alpha 0.5, the definition 0.01"
tampered '{weight}' 1 "NO   rule: the evidence says weight 1"
tampered '{margin}' 0.5 "NO   rule: the evidence says margin 0.5"
tampered '{threshold_ln_e}' 1 "NO   threshold"
tampered '{method}' '"guessed"' "can't be computed again"
step "evidence that was edited is found"

sql "create table public.salts as select id, salt from cohort.phase"
sql "update cohort.phase set salt = '\x00112233445566778899aabbccddeeff'"
refuses 1 "elsewhere than salts and slots put them" ctl verify-stop 1
sql "update cohort.phase p set salt = s.salt from public.salts s where s.id = p.id"
sql "update cohort.experiment_iteration set salt = '\x00112233445566778899aabbccddeeff' where stopped_at is not null;
     update cohort.phase set traffic_slots = '{[0,400000)}'"
refuses 1 "elsewhere than salts and slots put them" ctl verify-stop 1
step "a salt that was edited is found"
check server_stop
echo passed
