#!/bin/sh
# The audit: who, when, before and after; and that any edit, deletion, swap, truncation or rewriting of it is found.
. "$(dirname "$0")/pg.sh"
failed=0
sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }
equal() {
    if [ "$2" = "$3" ]; then echo "ok: $1"; else
        echo "FAILED: $1
   got  $2
   want $3"
        failed=1
    fi
}
# Seals all there is, as the leader does. One session holds the lock and the epoch; the one before may still be ending.
seal() { sql "do 'begin perform pg_advisory_lock(cohort.leader_lock()); end'; select cohort.audit_seal_pending(cohort.lead('test'))"; }
# Changes the audit as only somebody with all rights could, verifies, and undoes it.
tampered() {
    psql -XAtq -v ON_ERROR_STOP=1 <<END | tail -n +1
begin;
set local session_replication_role = replica;
$1;
select coalesce(string_agg(distinct problem, '; '), 'nothing found') from cohort.audit_verify($2);
rollback;
END
}
found() {
    got=$(tampered "$2" "${3-}")
    case $got in
    *"$4"*) echo "ok: found: $1 ($got)" ;;
    *)
        echo "FAILED: $1: $got"
        failed=1
        ;;
    esac
}

pg_start
pg_load_schema
seal >/dev/null
before=$(sql "select number from cohort.audit_head")
sql "begin; set local cohort.actor = 'ada'; insert into cohort.flag (key, type) values ('f1', 'string'); commit;"
sql "set cohort.actor = 'ben'; update cohort.flag set description = 'more' where key = 'f1'"
sql "update cohort.flag set description = 'more' where key = 'f1'"
sql "delete from cohort.flag where key = 'f1'"
equal "a change has who, what, before and after; an update that changes nothing has no row" \
    "$(sql "select action, actor, before ->> 'description', after ->> 'description' from cohort.audit where object = 'flag' and key = 'f1' order by id")" \
    "insert|ada||
update|ben||more
delete|postgres|more|"
sql "select cohort.create_api_key('events', 'billing')" >/dev/null
equal "no secret is in the audit" \
    "$(sql "select count(*) from cohort.audit where before::text || after::text ~ 'hash|unit_key'")" 0
sql "begin; insert into cohort.flag (key, type) values ('rolled', 'string'); rollback;"
equal "what was rolled back is not in it" "$(sql "select count(*) from cohort.audit where key = 'rolled'")" 0

equal "the pending rows are sealed" "$(seal)" "$(sql "select count(*) - $before from cohort.audit")"
equal "and once only" "$(seal)" 0
equal "a whole chain has no problem" "$(sql "select count(*) from cohort.audit_verify()")" 0
head=$(sql "select number || ', decode(''' || encode(hash, 'hex') || ''', ''hex'')' from cohort.audit_head")
equal "against the head that was written down too" "$(sql "select count(*) from cohort.audit_verify($head)")" 0

n=$(sql "select audit_id from cohort.audit_seal where number = (select number - 2 from cohort.audit_head)")
found "an edited row" "update cohort.audit set actor = 'eve' where id = $n" "" "was changed"
found "an edited before" "update cohort.audit set before = '{}' where id = $n" "" "was changed"
found "a deleted row" "delete from cohort.audit where id = $n" "" "was deleted"
found "a row deleted with its seal" "delete from cohort.audit_seal where audit_id = $n; delete from cohort.audit where id = $n" "" "missing"
found "two rows swapped" "update cohort.audit_seal set audit_id = -1 where audit_id = $n; update cohort.audit_seal set audit_id = $n where audit_id = $n + 1; update cohort.audit_seal set audit_id = $n + 1 where audit_id = -1" "" "was changed"
found "the end cut off" "delete from cohort.audit_seal where audit_id > $n; delete from cohort.audit where id > $n" "" "truncated"
found "the end cut off, head and all, against the head written down" "delete from cohort.audit_seal where audit_id > $n; delete from cohort.audit where id > $n; update cohort.audit_head set (number, hash) = (select number, hash from cohort.audit_seal order by number desc limit 1)" "$head" "truncated"
found "a row slipped in" "insert into cohort.audit (object, action) values ('flag', 'insert')" "" "slipped in"
found "a pending row deleted" "insert into cohort.audit_pending values (999999)" "" "before it was sealed"
rewrite="do \$\$ declare s record; h bytea := decode(repeat('00', 32), 'hex'); begin update cohort.audit set actor = 'eve' where id = $n;
 for s in select z.number, a from cohort.audit_seal z join cohort.audit a on a.id = z.audit_id order by z.number loop
  h := cohort.audit_hash(h, s.a); update cohort.audit_seal set hash = h where number = s.number; end loop; update cohort.audit_head set hash = h; end \$\$"
found "the whole chain rewritten, against the head written down" "$rewrite" "$head" "rewritten"
equal "nobody edits it by accident" "$(psql -XAtq -c "delete from cohort.audit" 2>&1 | head -n 1)" "ERROR:  The audit can't be changed."

# A transaction that is still open holds its place back: what commits later is sealed later, and nothing is skipped.
mkfifo "$PG_DIR/in"
psql -XAtq <"$PG_DIR/in" >"$PG_DIR/out" &
editor=$!
exec 3>"$PG_DIR/in"
echo "begin; insert into cohort.flag (key, type) values ('slow', 'string'); select 'open';" >&3
until [ -s "$PG_DIR/out" ]; do kill -0 $editor || exit 1; done
sql "insert into cohort.flag (key, type) values ('quick', 'string')"
equal "nothing behind an open edit is sealed" "$(seal)" 0
echo "commit;" >&3
exec 3>&-
wait $editor
equal "then all of it" "$(seal)" 2
equal "and the chain is whole" "$(sql "select count(*) from cohort.audit_verify()")" 0
exit $failed
