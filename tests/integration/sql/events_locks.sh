# Part of sql_events.sh: a stop doesn't wait for anybody's open transaction. The editor's session holds locks on the
# experiment, its variants, the flag, a guardrail, a metric and the version; it is told by a pipe what to do next.
mkfifo "$PG_DIR/editor"
PGAPPNAME=editor psql -XAtq -v ON_ERROR_STOP=1 <"$PG_DIR/editor" >"$PG_DIR/editor.out" 2>&1 &
editor=$!
exec 3>"$PG_DIR/editor"
run -c "select t.experiment('locked', array['control', 'b'], array['unsubscribe'])" >/dev/null || exit 1
cat >&3 <<'SQL'
set session_replication_role = replica;
begin;
update cohort.experiment set description = 'edited';
update cohort.variant set position = position + 1;
update cohort.flag set description = 'edited';
update cohort.guardrail set weight = 2;
update cohort.metric set description = 'edited';
update cohort.phase set opened_by = 'x';
update cohort.config_version set version = version + 1;
select pg_advisory_lock(4711);
SQL
tries=0
until [ "$(run -c "select count(*) from pg_locks where locktype = 'advisory' and objid = 4711 and granted")" = 1 ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ] || ! kill -0 "$editor" 2>/dev/null; then
        cat "$PG_DIR/editor.out"
        echo "FAILED: the editor's session did not come up"
        exit 1
    fi
done
run >"$PG_DIR/out" 2>&1 <<'SQL' || { cat "$PG_DIR/out"; echo "FAILED: a stop waits for an open edit"; exit 1; }
set lock_timeout = '30s';
set statement_timeout = '120s';
listen cohort_config;
select t.lead('stopper') as e \gset
select e.id as x, g.id as g from cohort.experiment e join cohort.guardrail g on g.experiment = e.key where e.key = 'locked' \gset
select t.ok('a stop waits for no open edit', cohort.record_stop(:e, :x, :g, t.variant(:x, 'b'), 'harm', '{}'));
select t.ok('nor does an alert', cohort.record_alert(:e, :x, :g, t.variant(:x, 'b'), 'harm', '{}'));
select t.ok('nor where a guardrail stands', cohort.record_guardrail(:e, :g, t.variant(:x, 'b'), 9, 2, 1.5) is not null);
select t.ok('nor a pass of the roll-up', cohort.rollup(:e) >= 0);
select t.ok('the edit was open all the while', (select count(*) = 1 from pg_stat_activity where application_name = 'editor'
    and state = 'idle in transaction'));
SQL
grep -q 'notification "cohort_config" with payload "stop"' "$PG_DIR/out" || {
    cat "$PG_DIR/out"
    echo "FAILED: nobody was told of the stop"
    exit 1
}
echo 'rollback;' >&3
exec 3>&-
wait "$editor" || { cat "$PG_DIR/editor.out"; exit 1; }
