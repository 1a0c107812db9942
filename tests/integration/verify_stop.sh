#!/bin/sh
# A stop that came by itself is computed again from the database alone; what was tampered with is found.
. "$(dirname "$0")/cohortctl_lib.sh"

step() { echo "ok: $*"; }
sql() { ctl psql -XAtq -v ON_ERROR_STOP=1 -c "set session_replication_role = replica; $1" || fail "$1"; }

server_data "$D"
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

# Other kinds. Units that came two hours ago are ingested as a server would ship them: `arrive EXPERIMENT N FIRST-ID
# KEEP-CONTROL NAME`: of units that draw their variants from the salts, the first N / 2 of each arm, with an outcome of 10 for
# five of ten, or of 30 for seven of ten in treatment. Whatever the salts are, the counts are the same.
arrive() {
    ctl psql -XAtq -v ON_ERROR_STOP=1 -c "select cohort.ingest_prepare()" -c "begin;
        create temp table come on commit drop as
        select x.unit, x.variant, x.propensity, e.id as experiment, p.id as phase, v.id as v, x.i
          from (select md5('$1' || n)::uuid as unit, a.*, row_number() over (partition by a.variant order by n) as i
                  from generate_series($3, $3 + $2 * 5 / 4) n
                 cross join lateral cohort.expected_assignment('$1', md5('$1' || n)::uuid) a) x
          join cohort.experiment e on e.key = '$1' join cohort.variant v on v.experiment = e.key and v.key = x.variant
          join cohort.phase p on p.experiment = e.key and p.number = x.phase
         where x.i <= $2 / 2 and (x.variant <> 'control' or x.i % 100 < $4);
        insert into stage_exposure select unit, experiment, v, phase, propensity, 1000000, now() - interval '2 hours',
               gen_random_uuid(), null, true, 0 from come;
        insert into stage_outcome select unit, gen_random_uuid(), now() - interval '119 minutes', '$5',
               case when variant = 'control' then 10000000 else 30000000 end, null, null, true
          from come where i % 10 < case when variant = 'control' then 5 else 7 end;
        select cohort.ingest(md5('$1$3')::uuid, 'test', 1, 1); commit" >"$WORK/out" 2>&1 || { cat "$WORK/out"; fail "units of $1"; }
}
define() { # KEY REST-OF-THE-DOCUMENT
    echo "{\"key\": \"$1\", \"variants\": [{\"key\": \"control\", \"share_ppm\": 500000, \"value\": 1, \"control\": true},
        {\"key\": \"b\", \"share_ppm\": 500000, \"value\": 2}], $2}" >"$WORK/$1.json"
    ctl apply "$WORK/$1.json" >"$WORK/out" 2>&1 || { cat "$WORK/out"; fail "applying $1"; }
    ctl start "$1" >"$WORK/out" 2>&1 || fail "starting $1"
}
judged() { [ "$(ctl psql -XAtqc "select count(*) from cohort.verdict_event v join cohort.experiment e on e.id = v.experiment_id
    where e.key = '$1'")" = 1 ]; }
spoilt() { # KEY PATH VALUE WORDS: the stop of the experiment with this in its evidence
    of="experiment_id = (select id from cohort.experiment where key = '$1')"
    sql "drop table if exists public.was; create table public.was as select evidence from cohort.stop_event where $of;
         update cohort.stop_event set evidence = jsonb_set(evidence, '$2', '$3') where $of"
    refuses 1 "$4" ctl verify-stop "$1"
    sql "update cohort.stop_event set evidence = (select evidence from public.was) where $of"
}
# unkept KEY WORDS: one of its counted outcomes is gone
unkept() {
    sql "create table public.gone as select o.* from cohort.outcome o where o.ctid = (select x.ctid from cohort.outcome x
            join cohort.exposure u on u.unit_id = x.unit_id join cohort.experiment e on e.id = u.experiment_id and e.key = '$1' limit 1);
         delete from cohort.outcome o using public.gone g where o.unit_id = g.unit_id and o.event_id = g.event_id"
    refuses 1 "$2" ctl verify-stop "$1"
    sql "insert into cohort.outcome select * from public.gone; drop table public.gone"
    says "Yes: this stop follows" ctl verify-stop "$1"
}
ctl psql -XAtq -v ON_ERROR_STOP=1 -c "insert into cohort.metric (key, event, kind, window_end_s, direction_good) values
    ('spent', 'spend', 'mean', 600, 'down'), ('sold', 'sell', 'binary', 600, 'up')" >"$WORK/out" 2>&1 || { cat "$WORK/out"; fail "metrics"; }

define dear '"guardrails": [{"metric": "spent"}]'
arrive dear 3000 1 100 spend
wait_for judged dear
says "Yes: this stop follows" ctl verify-stop dear
cat "$WORK/out"
grep -q "values: the units lie in the buckets the evidence says" "$WORK/out" || fail "no buckets"
id=$(ctl psql -XAtqc "select max(id) from cohort.verdict_event")
says "Yes: this verdict follows" ctl verify-stop dear --verdict "$id"
refuses 1 "is a verdict on dear, not on cta" ctl verify-stop cta --verdict "$id"
refuses 1 "there is no such verdict" ctl verify-stop dear --verdict 9999
spoilt dear '{ln_e}' 99 "NO   ln E, from the rows: the evidence says 99"
spoilt dear '{scores,scale}' 1 "NO   scores: the evidence says scale 1, registered is"
spoilt dear '{phases,0,treatment_buckets,150}' 7 "of b: the evidence says 7 units, the rows 0"
spoilt dear '{phases,0,q}' 0.4 "NO   phase 1: q"
unkept dear "NO   phase 1: bucket"
step "a stop by the histogram tilt is verified, and what was tampered with is found"

define uneven '"stop_conditions": [{"kind": "srm"}, {"kind": "max_units", "units": 1000000}], "metrics": [{"metric": "sold", "role": "primary"}]'
arrive uneven 2000 1 60 sell
wait_for judged uneven
says "Yes: this stop follows" ctl verify-stop uneven
cat "$WORK/out"
spoilt uneven '{inputs,phases,0,units,0}' 100 "control: units: the evidence says 100, the rows"
spoilt uneven '{ln_e}' 99 "NO   ln E: the evidence says 99"
spoilt uneven '{alpha}' 0.5 "NO   rule: the evidence says alpha 0.5, the definition 0.01"
sql "create table public.one as select x.* from cohort.exposure x join cohort.experiment e on e.id = x.experiment_id and e.key = 'uneven' limit 1;
     delete from cohort.exposure x using public.one o where x.unit_id = o.unit_id and x.experiment_id = o.experiment_id"
refuses 1 ": units: the evidence says" ctl verify-stop uneven
sql "insert into cohort.exposure select * from public.one"
step "a stop by the sample ratio is verified"

define better '"metrics": [{"metric": "sold", "role": "primary", "smallest_effect": 0.05}], "stop_conditions": [{"kind": "success"}]'
arrive better 2000 1 100 sell
wait_for judged better
says "Yes: this stop follows" ctl verify-stop better
cat "$WORK/out"
spoilt better '{inputs,treatments,0,phases,0,treatment,events}' 5 "b: units with the event: the evidence says 5"
spoilt better '{found,treatments,0,low}' 9 "found, treatments[0].low: the evidence says 9"
spoilt better '{inputs,planned_units}' 77 "rule: the evidence says planned_units 77, the definition 20000"
unkept better ": units with the event: the evidence says"
step "a success is verified"

define futile '"metrics": [{"metric": "sold", "role": "primary", "smallest_effect": 0.9}], "stop_conditions": [{"kind": "futility"}]'
arrive futile 2000 1 100 sell
wait_for judged futile
says "Yes: this stop follows" ctl verify-stop futile
spoilt futile '{inputs,smallest_effect}' 0.8 "rule: the evidence says smallest_effect 0.8, the definition 0.9"
spoilt futile '{inputs,treatments,0,phases,0,control,sum_sq}' 1 "control: sum of squares: the evidence says 1, the rows"
step "futility is verified"

define full '"metrics": [{"metric": "sold", "role": "primary"}], "stop_conditions": [{"kind": "max_units", "units": 500}]'
arrive full 600 1 100 sell
wait_for judged full
says "Yes: this stop follows" ctl verify-stop full
spoilt full '{inputs,units}' 601 "units: the evidence says 601, the rows 600"
spoilt full '{inputs,limit}' 50 "rule: the evidence says limit 50, the definition 500"
define short '"stop_conditions": [{"kind": "max_duration", "seconds": 3600}]'
sql "update cohort.experiment set started_at = started_at - interval '2 hours' where key = 'short';
     update cohort.experiment_iteration set started_at = started_at - interval '2 hours' where experiment = 'short'"
wait_for judged short
says "Yes: this stop follows" ctl verify-stop short
spoilt short '{inputs,started_at}' '"2020-01-01T00:00:00.000000Z"' "the evidence says it started at 2020-01-01"
spoilt short '{inputs,seconds}' 100000 "it had run for"
step "limits of units and of time are verified"

# Silence: the watch is put back by an hour, so that nobody has to wait.
define quiet '"metrics": [{"metric": "sold", "role": "primary"}], "stop_conditions": [{"kind": "no_outcomes", "minutes": 30}]'
watched() { [ "$(ctl psql -XAtqc "select count(*) from cohort.condition_state t join cohort.stop_condition s on s.id = t.condition_id
    where s.experiment = 'quiet' and t.changed_at is not null")" = 1 ]; }
wait_for watched
sql "update cohort.leader_change set at = at - interval '1 day';
     update cohort.condition_state t set changed_at = changed_at - interval '1 hour' from cohort.stop_condition s
      where s.id = t.condition_id and s.experiment = 'quiet'"
wait_for judged quiet
says "Yes: this stop follows" ctl verify-stop quiet
spoilt quiet '{inputs,ever}' true "the evidence says there were outcomes before"
spoilt quiet '{inputs,since}' "\"$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)\"" "silence: it had lasted"
step "a silence is verified"

# Forty stretches of a minute: 20 units came in each of the first thirty, 100 in each of the last ten.
# (Groups far above those that were shipped.)
define drift '"stop_conditions": [{"kind": "volume_drift", "minutes": 1, "ratio": 1.5}]'
sql "update cohort.experiment set started_at = started_at - interval '2 hours' where key = 'drift';
     update cohort.experiment_iteration set started_at = started_at - interval '2 hours' where experiment = 'drift';
     update cohort.status_change set at = at - interval '2 hours' where experiment_id = (select id from cohort.experiment where key = 'drift')"
arrive drift 1600 1 100 sell
counted() { [ "$(ctl psql -XAtqc "select count(*) from cohort.ingest_batch where applied_at is null")" = 0 ]; }
wait_for counted
sql "create table public.stretch as select k, case when k <= 30 then 20 else 100 end as units,
            clock_timestamp() - interval '50 minutes' + k * interval '1 minute' as at from generate_series(1, 40) k;
     insert into cohort.ingest_batch (spool_id, first_group, last_group, exposures, outcomes, decisions, dead_letters,
            duplicate_exposures, duplicate_outcomes, duplicate_decisions, replaced, applied_at, applied_pass)
     select (select spool_id from cohort.ingest_batch limit 1), 1000000000 + k, 1000000000 + k, units, 0, 0, 0, 0, 0, 0, 0, at, 1 from public.stretch order by k;
     update cohort.exposure x set batch_id = b.batch_id
       from (select unit_id, row_number() over (order by unit_id) as i from cohort.exposure
              where experiment_id = (select id from cohort.experiment where key = 'drift')) u
       join (select k, sum(units) over (order by k) - units as first, sum(units) over (order by k) as last from public.stretch) s
         on u.i > s.first and u.i <= s.last
       join cohort.ingest_batch b on b.first_group = 1000000000 + s.k
      where x.unit_id = u.unit_id and x.experiment_id = (select id from cohort.experiment where key = 'drift');
     insert into cohort.volume_interval (condition_id, iteration, metric_version, started_at, ended_at, counted)
     select c.id, 1, 0, s.at - interval '1 minute', s.at, s.units from public.stretch s, cohort.stop_condition c where c.experiment = 'drift'"
wait_for judged drift
says "Yes: this stop follows" ctl verify-stop drift
cat "$WORK/out"
spoilt drift '{inputs,intervals,3}' 500 "stretch 4: as written down: the evidence says 500, the rows 20"
sql "update cohort.volume_interval v set counted = 21 from cohort.stop_condition c where c.id = v.condition_id and v.counted = 20"
refuses 1 "stretch 1: as written down: the evidence says 20, the rows 21" ctl verify-stop drift
sql "update cohort.volume_interval v set counted = 20 where v.counted = 21;
     update cohort.exposure x set batch_id = (select max(b.batch_id) from cohort.ingest_batch b) where x.unit_id = (
        select y.unit_id from cohort.exposure y join cohort.ingest_batch b on b.batch_id = y.batch_id and b.first_group = 1000000001 limit 1)"
refuses 1 "stretch 1: counted again: the evidence says 20, the rows 19" ctl verify-stop drift
sql "delete from cohort.ingest_batch where first_group = 1000000020"
says "Yes, as far as it can be computed again" ctl verify-stop drift
grep -q "only what each stretch held: taken from the evidence, not counted again" "$WORK/out" || fail "what was taken from the evidence is not said"
step "a drift of volume is verified"
check server_stop
echo passed
