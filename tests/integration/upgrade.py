#!/usr/bin/env python3
"""A database of an earlier version, with people in it (data/old_database.py), is brought to this one by two servers that start
at the same moment: definitions, draws, events, statistics, audit and keys stay what they were. Then the order of an upgrade:
an older server beside a newer schema goes on, and is refused at its next start."""
import json
import lzma
import os
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fault"))
sys.path.insert(0, os.path.join(HERE, "data"))
from fault import Checks, Node, Postgres, until  # noqa: E402
from old_database import answers  # noqa: E402

OLD = os.path.join(HERE, "data", "schema_0035")
ROLES = ("cohort_server", "cohort_product", "cohort_analyst")

# What an upgrade or a running server writes by itself.
LIVELY = {"schema_migration", "schema_functions", "error_message", "config_version", "leader_state", "spool", "ingest_batch",
          "definition_turn", "audit_head", "audit_pending", "guardrail_state", "maturity", "condition_operator"}
GROWING = {"audit": "id", "audit_seal": "number"}  # may get new rows behind the old ones


def restore(pg):
    for role in ROLES:
        pg.psql(f"create role {role} nologin")
    with lzma.open(OLD + ".sql.xz", "rt", encoding="utf-8") as f:
        pg.psql(f.read())


def columns(pg):
    """The old tables and their columns, but for what matures with time; partitions are read through what they are partitions of."""
    rows = pg.psql("select c.relname, string_agg(quote_ident(a.attname), ',' order by a.attnum) from pg_class c"
                   " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attname not like 'matured%'"
                   " where c.relnamespace = 'cohort'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition group by 1")
    return {t: c for t, c in (line.split("|") for line in rows.splitlines()) if t not in LIVELY}


def last(pg):
    return {t: int(pg.psql(f"select coalesce(max({key}), 0) from cohort.{t}")) for t, key in GROWING.items()}


def contents(pg, tables, ends):
    """Rows and a hash of each table, in its old columns."""
    parts = []
    for t, c in sorted(tables.items()):
        where = f"where {GROWING[t]} <= {ends[t]}" if t in GROWING else ""
        parts.append(f"select '{t}', count(*), md5(string_agg(r::text, ' ' order by r::text collate \"C\"))"
                     f" from (select {c} from cohort.{t} {where}) r")
    rows = (line.split("|") for line in pg.psql(" union all ".join(parts)).splitlines())
    return {t: (int(n), h) for t, n, h in rows}


def directory(keys):
    """A data directory that has the old server's keys and nothing else."""
    data = tempfile.mkdtemp(prefix="cohort-test.", dir="/tmp")
    with open(os.open(data + "/keys.json", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        json.dump(keys, f)
    return data


def upgrade(pg, old, c, nodes):
    tables, ends = columns(pg), last(pg)
    before = contents(pg, tables, ends)
    c.check(f"the old database has {sum(n for n, _ in before.values())} rows in {len(before)} tables",
            all(before[t][0] > 0 for t in ("exposure", "outcome", "decision", "stop_event", "override", "holdout", "audit_seal", "unit_metric",
                                           "metric_stat", "dead_letter", "api_key", "secret", "phase_variant", "layer_slots", "segment")), before)
    starts = [threading.Thread(target=n.start) for n in nodes]
    for t in starts:
        t.start()
    for t in starts:
        t.join()
    applied = [n.log().count("migrate: applied 00") for n in nodes]
    c.check(f"one of two servers that start together migrates ({applied})", min(applied) == 0 and max(applied) > 15, applied)
    c.equal("and both replace the functions once", sum(n.log().count("functions and views replaced") for n in nodes), 1)
    until(lambda: pg.true("select not exists (select from cohort.audit_pending)"), "the audit is sealed")
    after = contents(pg, tables, ends)
    c.equal("each table has the rows it had, to the byte", {t: after[t] for t in tables if after[t] != before[t]}, {})
    c.equal("the audit's chain holds, across the upgrade", pg.psql("select * from cohort.audit_verify()"), "")
    for n in nodes:
        # The old database was last watched long ago: until a monitor is heard again, guarded experiments give their fallback.
        until(lambda: n.get("/readyz").json["status"] == "ready", "the monitor is heard")
        got = answers(n)
        wrong = {k: (v, old["answers"][k]) for k, v in got.items() if v != old["answers"][k]}
        c.check(f"{n.name}: each of {len(got)} decisions is what the old server said, for the same keys", not wrong, list(wrong.items())[:3])


def goes_on(pg, old, node, c):
    """The upgraded database works: old keys, new events, counts that can be counted again."""
    c.equal("a key that was made then reports events", node.outcome("unsubscribe", "p-5", key=old["made_key"]["key"])["status"], "accepted")
    c.check("someone new is exposed", node.evaluate("cta", "newcomer")["reason"] is not None)
    until(node.drained, "stored")
    until(lambda: pg.true("select not exists (select from cohort.ingest_batch where applied_at is null)"), "counted")
    until(lambda: pg.true("select not exists (select r.* from cohort.experiment e, cohort.recount(e.id) r except select * from cohort.metric_stat)"
                          " and exists (select from cohort.experiment e, cohort.recount(e.id))"), "metric_stat is what a recount gives")
    c.check("what was counted, before and since, is what a full recount gives", True)
    stop = node.get("/v1/experiments/harmful").json
    c.check("the stop and its evidence can be read", stop["status"] == "stopped" and "unsubscribe" in json.dumps(stop), stop)


def forget(pg, c):
    """A person is taken out of everything but the audit of an override that somebody wrote for them."""
    gone = pg.psql("select coalesce(string_agg(table_name || ' ' || rows_gone, ', ' order by table_name), '') from cohort.forget_unit('user', 'p-3')"
                   " where rows_gone > 0")
    c.check(f"a person is forgotten: {gone}", all(t in gone for t in ("decision", "dead_letter", "exposure", "outcome", "unit_metric")), gone)
    unit = pg.value("select cohort.unit_id('user', 'p-3')")
    everything = subprocess.run(["pg_dump", "--data-only", pg.dsn], check=True, capture_output=True, text=True).stdout
    c.check("a dump of the whole database names them nowhere", unit not in everything and unit.replace("-", "") not in everything)
    pg.psql("select cohort.repair(e.key) from cohort.experiment e where e.kind = 'ab' and e.status <> 'draft'")
    until(lambda: pg.true("select count(*) = 0 from (select r.* from cohort.experiment e, cohort.recount(e.id) r except select * from"
                          " cohort.metric_stat) x"), "once repaired, an experiment counts those who are left")


def older_leader(pg, nodes, c):
    """An older server leads, and what it calls is no more as it knew it: here, a check that fails for this node alone."""
    leader = pg.value("select node from cohort.leader_state")
    older, newer = sorted(nodes, key=lambda n: n.name != leader)
    pg.mutate([("cohort.assert_epoch(bigint)", "begin\n", f"begin\n if (select l.node from cohort.leader_state l) = '{older.name}' then"
                " raise exception 'older'; end if;\n")])
    until(lambda: newer.metric("cohortd_leader") == 1, "the newer server leads")
    c.check("an older leader whose passes fail lets a newer server lead", "another node may lead; restart this one" in older.log(), older.log()[-500:])


def newer_schema(pg, a, b, c):
    """What an older server does when a newer one has migrated the database: it goes on; it does not start again."""
    pg.psql("insert into cohort.schema_migration (number, name, checksum) values (9999, '9999_newer.sql', 'x');"
            " update cohort.schema_functions set checksum = 'newer'")
    older_leader(pg, (a, b), c)
    c.equal("a running server goes on deciding when a newer one has migrated", a.evaluate("cta", "p-1")["key"], "cta")
    version = a.metric("cohortd_plan_version")
    assert a.put("/v1/flags/after", {"type": "boolean", "default": True}).status in (200, 201)
    until(lambda: a.metric("cohortd_plan_version") > version, "it serves newer definitions")
    c.check("and follows its definitions", True)
    assert b.stop() == 0
    try:
        b.start()
        c.check("an older server is refused at its start", False)
    except AssertionError as e:
        c.check("an older server is refused at its start, with what to do",
                "start the newer cohortd that migrated it, or restore a backup made before that" in str(e), str(e)[-500:])
    b.process = None
    pg.psql("delete from cohort.schema_migration where number = 9999")


def main():
    c = Checks()
    with open(OLD + ".json") as f:
        old = json.load(f)
    with Postgres(kind="empty") as pg:
        restore(pg)
        nodes = [Node(pg, name, "--retention-days", "0", data=directory(old["keys"])) for name in ("a", "b")]
        try:
            upgrade(pg, old, c, nodes)
            goes_on(pg, old, nodes[0], c)
            forget(pg, c)
            newer_schema(pg, *nodes, c)
        finally:
            for n in nodes:
                n.own_data = True
                n.__exit__(*sys.exc_info())
    c.done()


main()
