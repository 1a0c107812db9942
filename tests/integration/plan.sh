#!/bin/sh
# Planning: the size that cohort.plan() gives has the power it promises; base and traffic come from the data.
. "$(dirname "$0")/pg.sh"
pg_start
pg_load_schema
fail() { echo "FAIL: $*"; exit 1; }
sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }

# has_power BASE EFFECT ALPHA STOP_ALPHA ARGS: every method's power lies within 0.77 and 0.85 where 0.8 was asked.
has_power() {
    sql "select method || ' ' || control_units || ' ' || treatment_units from cohort.plan('unsubscribe', $2, base => $1,
         alpha => $3, stop_alpha => $4, units_per_day => 1000 $5)" >"$PG_DIR/plan" || fail "no plan"
    [ "$(wc -l <"$PG_DIR/plan")" = 3 ] || fail "not three methods"
    while read -r method control treatment; do
        alpha=$3
        [ "$method" = guardrail ] && alpha=$4
        power=$(./tests/integration/plan_power "$control" "$treatment" "$1" "$(echo "1 $2" | awk '{print $1 + $2}')" "$alpha" "$method")
        echo "$method: $control and $treatment units at $1, effect $2: power $power"
        echo "$power" | awk '{exit !($1 >= 0.77 && $1 <= 0.85)}' || fail "the power is $power"
    done <"$PG_DIR/plan"
}
has_power 0.02 0.5 0.05 0.01 ''
has_power 0.05 -0.3 0.05 0.05 ''
has_power 0.1 0.4 0.05 0.01 ', shares => array[800000, 200000]'

# Nothing in the database: in words. With a base, units; without traffic, no days.
sql "select missing from cohort.plan('unsubscribe', 0.1)" | grep -q "nobody of the unit type user" || fail "no words"
[ "$(sql "select count(*) from cohort.plan('unsubscribe', 0.1, base => 0.1) where total_units > 0 and days_needed is null")" = 3 ] ||
    fail "units without traffic"
for bad in "effect => 0" "effect => 'NaN'" "effect => 'Infinity'" "effect => 1, power => 1" "effect => 1, arms => 1" \
    "effect => 1, alpha => 0" "effect => 1, shares => array[1, 2]" "effect => 1, variance => 0" "effect => 1, days => 0"; do
    sql "select * from cohort.plan('unsubscribe', $bad)" 2>&1 | grep -q "ERROR: " || fail "not refused: $bad"
done
sql "select * from cohort.plan('nothing', 1)" 2>&1 | grep -q "There is no metric" || fail "an unknown metric"
sql "select cohort.planning('{\"metric\": \"unsubscribe\", \"efect\": 1}')" 2>&1 | grep -q 'A plan has no field' || fail "an unknown field"

# 2,000 units a day for ten days; one of ten unsubscribes within its window; two orders, of 10 each, of every fourth.
sql "select cohort.ensure_partitions((now() - interval '41 days')::date, now()::date);
     insert into cohort.metric (key, event, kind) values ('spend', 'order', 'mean'), ('orders', 'order', 'count');
     select cohort.put_experiment('past', '{\"variants\": [{\"key\": \"control\", \"share_ppm\": 500000, \"value\": 1, \"control\": true},
        {\"key\": \"b\", \"share_ppm\": 500000, \"value\": 2}], \"guardrails\": [{\"metric\": \"unsubscribe\"}]}');
     select cohort.start('past')" >/dev/null || fail "the past"
sql "insert into cohort.exposure (unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, first_ts, event_id, trusted, origin, batch_id)
     select md5(i::text)::uuid, e.id, (select min(v.id) from cohort.variant v), (select min(p.id) from cohort.phase p), 500000, 1000000,
            now() - interval '20 days' + i * interval '43.2 seconds', gen_random_uuid(), true, 0, 1
       from generate_series(1, 20000) i, cohort.experiment e;
     insert into cohort.outcome (unit_id, event_id, ts, name, value, trusted, batch_id)
     select md5(i::text)::uuid, gen_random_uuid(), now() - interval '20 days' + i * interval '43.2 seconds' + interval '1 hour',
            n, 10000000, true, 1
       from generate_series(1, 20000) i,
            lateral (select 'unsubscribe' as n where i % 10 = 0 union all select 'order' from generate_series(1, 2) where i % 4 = 0) k;
     analyze" >/dev/null || fail "the data"
[ "$(sql "select round(base_value::numeric, 2), round(daily_units) from cohort.plan('unsubscribe', 0.1) where method = 'fixed'")" = "0.10|1000" ] ||
    fail "the base: $(sql "select * from cohort.plan('unsubscribe', 0.1)")"
[ "$(sql "select round(base_value::numeric, 2), round(unit_variance::numeric), total_units > 0, days_needed > 0 from cohort.plan('spend', 0.1, experiment => 'past') where method = 'sequential'")" = "5.00|75|t|t" ] ||
    fail "the mean"
[ "$(sql "select round(base_value::numeric, 2), round(unit_variance::numeric, 2) from cohort.plan('orders', 0.1) where method = 'fixed'")" = "0.50|0.75" ] ||
    fail "the count"
sql "select missing from cohort.plan('complaint', 0.1)" | grep -q "never happened" || fail "nothing to be relative to"

# The rehearsal of a draft on these units: harmless salts are left alone, harm is found, the same seed says the same.
CTL=${COHORTCTL:-$(pwd)/cohortctl}
sql "select cohort.put_experiment('next', '{\"variants\": [{\"key\": \"control\", \"share_ppm\": 500000, \"value\": 1, \"control\": true},
        {\"key\": \"b\", \"share_ppm\": 500000, \"value\": 2}], \"alpha\": 0.05,
        \"guardrails\": [{\"metric\": \"unsubscribe\"}, {\"metric\": \"complaint\", \"action\": \"alert\"}]}')" >/dev/null || fail "the draft"
rehearse() { "$CTL" --database "$DSN" rehearse next --salts 400 --effect 1.5 "$@"; }
rehearse >"$PG_DIR/out" || fail "the rehearsal"
cat "$PG_DIR/out"
grep -q "20,000 units of the last 30 days: none were its own" "$PG_DIR/out" || fail "its units"
grep -q "0 units had the event; a rehearsal needs 20" "$PG_DIR/out" || fail "too few events, in words"
rehearse --json >"$PG_DIR/1" || fail "the rehearsal in JSON"
rehearse --json >"$PG_DIR/2" || fail "the rehearsal again"
cmp "$PG_DIR/1" "$PG_DIR/2" || fail "the same seed"
python3 - "$PG_DIR/1" <<'END' || fail "the rehearsal's numbers"
import json, sys
a = json.load(open(sys.argv[1]))
g = [x for x in a["guardrails"] if x["metric"] == "unsubscribe"][0]
print("false stops", a["false_stops"], "power", g["with_effect"])
assert a["false_stops"]["share"] <= 0.075 and g["without_effect"]["reached"] == a["false_stops"]["reached"]
assert g["with_effect"]["share"] >= 0.95 and 0 < g["with_effect"]["median_units"] < 20000
assert a["sample_ratio_alarms"]["share"] <= 0.03
END
# Values, by the histogram tilt: orders of the same units, some larger; every fourth has any.
sql "insert into cohort.metric (key, event, kind, window_end_s, direction_good) values ('cost', 'order', 'mean', 86400, 'down');
     update cohort.outcome set value = value * (1 + ('x' || left(md5(unit_id::text), 2))::bit(8)::int) where name = 'order';
     select cohort.put_experiment('values', '{\"variants\": [{\"key\": \"control\", \"share_ppm\": 500000, \"value\": 1, \"control\": true},
        {\"key\": \"b\", \"share_ppm\": 500000, \"value\": 2}], \"alpha\": 0.05,
        \"guardrails\": [{\"metric\": \"cost\"}]}')" >/dev/null || fail "a guardrail on values"
"$CTL" --database "$DSN" rehearse values --salts 200 --effect 1.5 >"$PG_DIR/out" || fail "the rehearsal of values"
cat "$PG_DIR/out"
grep -q "5000 units with an amount whose window has closed" "$PG_DIR/out" || fail "its units with an amount"
sql "select missing from cohort.plan('cost', 0.1) where method = 'guardrail' and total_units is null" | grep -q "cohortctl rehearse" ||
    fail "why a guardrail on values has no size, in words"
"$CTL" --database "$DSN" rehearse values --salts 200 --effect 1.5 --json >"$PG_DIR/1" || fail "the rehearsal of values in JSON"
python3 - "$PG_DIR/1" <<'END' || fail "the numbers of values"
import json, sys
g = [x for x in json.load(open(sys.argv[1]))["guardrails"] if x["metric"] == "cost"][0]
print("without", g["without_effect"], "with", g["with_effect"])
assert g["events"] == 5000 and g["without_effect"]["share"] <= 0.075
assert g["with_effect"]["share"] >= 0.9 and g["with_effect"]["median_units"] < 20000
END
"$CTL" --database "$DSN" rehearse none 2>&1 | grep -q "there is no such experiment" || fail "no such experiment"
echo passed
