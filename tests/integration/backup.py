#!/usr/bin/env python3
"""Backups, as docs/operations.md tells an operator to make and restore them. A dump of the embedded database, taken while it is
written to, becomes a database of one's own in another cluster, under the same data directory: what came after the dump is sent
again from the spool, a stop is told again, the audit's chain holds. Then point-in-time recovery below a server that runs on."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fault"))
from fault import BUILD, PG_BINDIR, Checks, Node, Postgres, Server, experiment, now, until  # noqa: E402

GRACE = ("--spool-grace-seconds", "86400")  # longer than a backup is old


def tool(*command, stdin=None):
    r = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    assert r.returncode == 0, f"{command}: {r.stderr.decode()[-2000:]}"
    return r.stdout


def ctl(s, *words):
    r = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", s.data, *words], capture_output=True, text=True, timeout=60, check=False)
    return r.returncode, r.stdout + r.stderr


def send(s, n, prefix):
    events = [{"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": f"{prefix}-{i}"}, "ts": now()} for i in range(n)]
    a = s.post("/v1/outcomes", {"events": events}, "events")
    assert a.status == 202 and a.json["accepted"] == n, a
    return [e["id"] for e in events]


def run(s, key):
    assert s.put("/v1/experiments/" + key, experiment()).status == 200
    assert s.post(f"/v1/experiments/{key}/start").status == 200
    s.until(lambda: s.evaluate(key, "w")["reason"] == "SPLIT", f"{key} is served")


def guard_stop(s, key):
    """What the monitor does once its evidence is in."""
    s.sql("select cohort.record_stop((select epoch from cohort.leader_state), e.id, g.id, v.id, 'Too many of them left.', '{}')"
          "  from cohort.experiment e join cohort.guardrail g on g.experiment = e.key"
          f"  join cohort.variant v on v.experiment = e.key and v.key = 'treatment' where e.key = '{key}'")
    s.until(lambda: reason(s, key) == "GUARD_STOP", f"{key} is stopped")


def reason(s, key):
    return s.evaluate(key, "w")["metadata"]["reason"]


def assignments(s, key):
    return [s.post(f"/ofrep/v1/evaluate/flags/{key}?enroll=false", {"context": {"targetingKey": f"u-{i}"}}, "client").json.get("variant")
            for i in range(100)]


def stored_once(s, c, what, events):
    """Every event is in the database exactly once, and the books balance."""
    ids = ",".join(f"'{e}'" for e in events)
    s.until(lambda: s.value(f"select count(*) from cohort.outcome where event_id in ({ids})") == str(len(events)), f"{what}: all are stored")
    c.equal(f"{what}: {len(events)} events, each once",
            s.value(f"select count(*) from (select from cohort.outcome where event_id in ({ids}) group by event_id having count(*) = 1) x"),
            str(len(events)))
    s.until(lambda: s.value("select coalesce(bool_and(balance = 0), true) from cohort.ingest_audit") == "t", f"{what}: the books balance")


def dump(s, work, c):
    """pg_dump while the server works; the last change is not sealed yet. Its transaction has a high number."""
    for _ in range(20):
        s.sql("".join("select pg_current_xact_id();\n" for _ in range(50)))
    holder = subprocess.Popen(["psql", "-XAtq", s.info["database"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdin.write(b"begin; select 'held' from cohort.leader_state for update;\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"held\n"
        s.sql("insert into cohort.flag (key, type, default_value) values ('unsealed', 'boolean', 'true')")
        tool("pg_dump", "-Fc", "-f", work + "/cohort.dump", s.info["database"])
        c.check("the dump has an audit row that is not sealed", s.value("select count(*) > 0 from cohort.audit_pending") == "t")
    finally:
        holder.communicate(b"rollback;\n")


def restore(pg, work):
    """In a cluster that has never seen cohortd, as an ordinary role that owns its database."""
    pg.psql("create role cohort login; alter database cohort owner to cohort;"
            " create role cohort_server; create role cohort_product; create role cohort_analyst;")
    pg.dsn = f"host={pg.socket} user=cohort dbname=cohort"
    tool("pg_restore", "--exit-on-error", "--no-owner", "-d", pg.dsn, work + "/cohort.dump")


def move(pg, work, c):
    """Returns the node, which runs on pg, and its events."""
    with Server(*GRACE) as s:
        run(s, "cta")
        run(s, "harm")
        events = send(s, 200, "before")
        want = assignments(s, "cta")
        s.until(lambda: s.value("select count(*) from cohort.outcome") == "200", "stored")
        dump(s, work, c)
        # After the dump: what a backup lacks.
        events += send(s, 100, "after")
        run(s, "late")
        guard_stop(s, "harm")
        made = s.post("/v1/keys", {"name": "late", "role": "events"}).json["key"]
        s.until(lambda: s.value("select count(*) from cohort.audit_pending") == "0", "sealed")
        status, head = ctl(s, "audit", "head")
        assert status == 0, head
        assert s.stop() == 0
        restore(pg, work)
        s.own_data = False
        node = Node(pg, "moved", *GRACE, data=s.data)
        s.process = None
    node.own_data = True
    node.start()
    c.equal("restored in another cluster: assignments are the same, for the same keys", assignments(node, "cta"), want)
    stored_once(node, c, "sent again from the spool", events)
    c.equal("an experiment of after the dump is gone",
            node.post("/ofrep/v1/evaluate/flags/late", {"context": {"targetingKey": "w"}}, "client").status, 404)
    c.equal("so is a key", node.post("/v1/outcomes", {"events": []}, made).status, 401)
    node.until(lambda: reason(node, "harm") == "GUARD_STOP", "the stop is kept")
    node.until(lambda: node.value("select count(*) from cohort.stop_event where evidence ->> 'reasserted' = 'true'") == "1", "told again")
    c.check("a stop of after the dump is kept, and told to the database again", True)
    node.until(lambda: node.value("select count(*) from cohort.audit_pending") == "0", "the restored audit row is sealed")
    c.equal("cohortctl audit verify: the chain is whole, the unsealed row is sealed", ctl(node, "audit", "verify")[0], 0)
    known = json.loads(head)
    status, said = ctl(node, "audit", "verify", "--head", f"{known['number']}:{known['hash']}")
    c.check("against the head that was written down after the dump, it says that the chain was cut", status != 0 and "truncated" in said, (status, said))
    c.equal("roles and their rights are restored",
            node.value("select has_table_privilege('cohort_analyst', 'cohort.exposure', 'select')"), "t")
    return node, events


def recover(pg, archive):
    """The cluster as it was at the restore point, promoted."""
    pg.stop()
    shutil.rmtree(pg.data)
    os.rename(pg.dir + "/base", pg.data)
    with open(pg.data + "/postgresql.auto.conf", "a") as f:
        f.write(f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_name = 'noon'\nrecovery_target_action = 'promote'\n")
    with open(pg.data + "/recovery.signal", "w"):
        pass
    pg.start()
    until(lambda: pg.true("select not pg_is_in_recovery()"), "promoted")


def point_in_time(pg, node, events, archive, c):
    """The database goes back below a server that runs."""
    pg.run("pg_basebackup", "-h", pg.socket, "-U", "postgres", "-D", pg.dir + "/base", "-c", "fast")
    run(node, "later")
    events += send(node, 100, "archived")
    want = assignments(node, "later")
    node.until(node.drained, "stored")
    pg.psql("select pg_create_restore_point('noon')")
    events += send(node, 50, "beyond")
    guard_stop(node, "cta")
    node.until(node.drained, "stored")
    pg.psql("drop table cohort.exposure cascade; select pg_switch_wal()")
    recover(pg, archive)
    node.until(lambda: node.value("select count(*) from cohort.stop_event where evidence ->> 'reasserted' = 'true'") == "2", "told again")
    c.check("recovered to a moment below a running server: a stop of later is told again, without a restart", True)
    node.until(lambda: node.put("/v1/flags/again", {"type": "boolean", "default": True}).status in (200, 201), "definitions work")
    stored_once(node, c, "recovered", events)
    c.equal("what was archived is there, assigned alike", assignments(node, "later"), want)
    node.until(lambda: node.value("select count(*) from cohort.audit_pending") == "0", "sealed")
    c.equal("cohortctl audit verify", ctl(node, "audit", "verify")[0], 0)


def main():
    for program in ("pg_dump", "pg_restore"):
        if not shutil.which(program):
            print(f"skipped: {program} is not installed")
            sys.exit(77)
    c, work = Checks(), tempfile.mkdtemp(prefix="cohort-test.", dir="/tmp")
    os.chmod(work, 0o777)
    os.environ["PATH"] = PG_BINDIR + ":" + os.environ["PATH"]
    try:
        with Postgres("wal_level=replica", "archive_mode=on", f"archive_command=cp %p {work}/%f", kind="empty") as pg:
            node, events = move(pg, work, c)
            try:
                point_in_time(pg, node, events, work, c)
            finally:
                node.__exit__(*sys.exc_info())
    finally:
        shutil.rmtree(work)
    c.done()


main()
