#!/bin/sh
# The model in SQL: holdouts, segments, overrides, prerequisites, environments; circles tried from two connections; how
# long the plan of many experiments and a list of a million entries take. Prints a line a check.
# shellcheck source=tests/integration/pg.sh
. "$(dirname "$0")/pg.sh"
here=$TOP_SRCDIR/tests/integration
pg_start
pg_load_schema
failed=0

say() {
    if [ "$1" = 0 ]; then echo "ok     $2"; else echo "not ok $2" && failed=1; fi
}

until_true() {
    deadline=$(($(date +%s) + 60))
    until [ "$(psql -XAtq -c "$1")" = t ]; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            echo "not ok waited in vain for: $1"
            exit 1
        fi
    done
}

psql -X -v ON_ERROR_STOP=1 -f "$here/sql_model.sql" >"$PG_DIR/out" 2>&1
status=$?
cat "$PG_DIR/out"
if [ "$status" != 0 ] || grep -q '^not ok' "$PG_DIR/out" || ! grep -q '^ok' "$PG_DIR/out"; then
    say 1 sql_model.sql
fi

# both FIRST SECOND [SETTINGS]: FIRST in a transaction left open, SECOND meanwhile from another connection, then FIRST commits.
both() {
    rm -f "$PG_DIR/first"
    mkfifo "$PG_DIR/first"
    PGAPPNAME=first psql -XAtq <"$PG_DIR/first" >"$PG_DIR/first.out" 2>&1 &
    first=$!
    exec 3>"$PG_DIR/first"
    echo "begin; $1;" >&3
    until_true "select count(*) = 1 from pg_stat_activity where application_name = 'first' and state = 'idle in transaction' and query <> 'begin;'"
    PGAPPNAME=second PGOPTIONS="${3:-}" psql -XAtq -v VERBOSITY=verbose -c "$2" >"$PG_DIR/second.out" 2>&1 &
    second=$!
    until_true "select count(*) = 1 from pg_stat_activity where application_name = 'second' and wait_event_type = 'Lock'"
    echo "commit;" >&3
    exec 3>&-
    wait "$first" "$second"
}

psql -XAtq -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
insert into cohort.experiment (key) select unnest('{p,q,r,s}'::text[]);
insert into cohort.variant (experiment, key, share_ppm, value) select e, v, 500000, to_jsonb(v) from unnest('{p,q,r,s}'::text[]) e, unnest('{control,b}'::text[]) v;
insert into cohort.segment (key, condition) select unnest('{sp,sq,sr,ss}'::text[]), '{}';
insert into cohort.segment (key, list) values ('used', '["a"]');
SQL
require() { echo "insert into cohort.prerequisite (experiment, requires, variants) values ('$1', '$2', '{b}')"; }
contain() { echo "update cohort.segment set condition = '{\"\$segment\": \"$2\"}' where key = '$1'"; }

both "$(require p q)" "$(require q p)"
grep -q 'Experiment "q" requires "p", which requires "q"' "$PG_DIR/second.out"
say $? "two connections can't make a circle of prerequisites: the later one is refused"
both "$(require r s)" "$(require s r)" "-c default_transaction_isolation=repeatable\ read"
grep -q '40001' "$PG_DIR/second.out"
say $? "nor with an older snapshot"
test "$(psql -XAtq -c "select string_agg(experiment || requires, ' ' order by 1) from cohort.prerequisite where length(experiment) = 1")" = "pq rs"
say $? "the first ones are stored"
both "$(contain sp sq)" "$(contain sq sp)"
grep -q 'segment_cycle' "$PG_DIR/second.out"
say $? "two connections can't make a circle of segments"
both "insert into cohort.experiment (key, condition) values ('user', '{\"id\": {\"\$inGroup\": \"used\"}}')" "delete from cohort.segment where key = 'used'"
grep -q 'Segment "used" is used by experiment "user"' "$PG_DIR/second.out"
say $? "a segment that comes into use meanwhile isn't deleted"
doc='{"condition": {"country": "DE"}}'
both "select cohort.put_segment('twin', '$doc')" "select cohort.put_segment('twin', '$doc')"
test "$(cat "$PG_DIR/first.out")" = "$(cat "$PG_DIR/second.out")"
say $? "the same segment put at the same time succeeds twice"

# A list of a million entries, and one more.
million() {
    cat <<SQL
select jsonb_build_object('list', jsonb_agg('user-' || md5(i::text))) as doc into temp made from generate_series(1, $1) i;
select clock_timestamp() as t0 \gset
select cohort.put_segment('million', doc) ->> 'entries' from made;
select 'took ' || round(extract(epoch from clock_timestamp() - :'t0') * 1000) || ' ms';
SQL
}
psql -XAtq >"$PG_DIR/out" 2>&1 <<SQL
$(million 1000000)
SQL
grep -q '^1000000$' "$PG_DIR/out"
say $? "a list of a million entries is stored ($(sed -n 's/^took //p' "$PG_DIR/out"))"
test "$(sed -n 's/^took \([0-9]*\) ms/\1/p' "$PG_DIR/out")" -lt 240000
say $? "within four minutes"
psql -XAtq -v VERBOSITY=verbose >"$PG_DIR/out" 2>&1 <<SQL
$(million 1000001)
SQL
grep -q 'segment_entries' "$PG_DIR/out" && grep -q '1000001 entries; at most 1000000' "$PG_DIR/out"
say $? "a list of 1,000,001 is refused"
test "$(psql -XAtq -c "select max(length(a.after::text)) < 1000 from cohort.audit a where a.object = 'segment' and a.key = 'million'")" = t
say $? "the audit keeps a list's hash, not the list"
psql -XAtq -v ON_ERROR_STOP=1 -c "select cohort.delete_segment('million')" >/dev/null

# The plan of 1,000 experiments in five environments, with and without statistics of the planner.
psql -XAtq -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
select cohort.make_environment(e) from unnest('{one,two,three,four}'::text[]) e;
insert into cohort.layer (environment, key) select e.key, 'layer' || i from cohort.environment e, generate_series(1, 5) i;
select count(*) from (
    select set_config('cohort.environment', e.key, false), cohort.put_experiment(format('%s-%s', e.key, i),
        ('{"condition": {"country": {"\$in": ["DE", "AT"]}}, "guardrails": [{"metric": "unsubscribe"}], "layer_ppm": 10000, "tags": ["t"],
           "variants": [{"key": "control", "share_ppm": 500000, "value": "a"}, {"key": "b", "share_ppm": 500000, "value": "b"}]}'::jsonb)
        || case when i % 4 = 0 then jsonb_build_object('layer', 'layer' || i % 5 + 1) else '{}' end),
        cohort.start(format('%s-%s', e.key, i))
      from cohort.environment e, generate_series(1, 200) i) x;
select set_config('cohort.environment', e.key, false), cohort.put_holdout('holdout' || i, format('{"scope": %s, "exempts_running": false, "variants": [
        {"key": "out", "share_ppm": 50000, "gives": "nothing"}, {"key": "in", "share_ppm": 950000, "gives": "everything"}]}',
        case i when 1 then '"global"' else '"tag", "scope_key": "t"' end)::jsonb), cohort.start('holdout' || i)
  from cohort.environment e, generate_series(1, 3) i;
SQL
for when in "without statistics" "with statistics"; do
    psql -XAtq >"$PG_DIR/out" <<SQL
select clock_timestamp() as t0 \gset
select length(cohort.plan_documents()::text) || ' bytes, ' || round(extract(epoch from clock_timestamp() - :'t0') * 1000) || ' ms';
select jsonb_array_length(jsonb_path_query_array(cohort.plan_documents(), '\$.environments[*].experiments[*] ? (@.status == "running" && @.holdouts.size() == 3)'));
SQL
    test "$(sed -n 2p "$PG_DIR/out")" -ge 1000
    say $? "the plan of 1,000 experiments in 5 environments, $when: $(sed -n 1p "$PG_DIR/out")"
    test "$(sed -n '1s/.*, \([0-9]*\) ms/\1/p' "$PG_DIR/out")" -lt 60000
    say $? "within a minute"
    psql -Xq -c analyze
done

exit "$failed"
