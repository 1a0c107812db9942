#!/usr/bin/env python3
"""What clients see in trouble: the plan's age while the database is away, a spool that fills and heals, disks that are
full or broken, and answers that wait for their records."""
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fault"))
from fault import Checks, Node, Postgres, Shim, SmallDisk, experiment, now  # noqa: E402

SINGLE, BULK = "/ofrep/v1/evaluate/flags/cta", "/ofrep/v1/evaluate/flags"
CONTEXT = {"context": {"targetingKey": "c-1"}}


def define(s, key="cta", **changes):
    s.put("/v1/experiments/" + key, experiment(**changes))
    s.post(f"/v1/experiments/{key}/start")
    s.until(lambda: s.post(BULK + "/" + key, CONTEXT, "client").status == 200
            and s.evaluate(key, "c-1")["metadata"]["reason"] == "VARIANT", "it runs")


def age(answer):
    text = answer.headers.get("cohort-plan-age", "")
    return int(text) if re.fullmatch("[0-9]+", text) else None


def batch(n=1000, name="unsubscribe"):
    return {"events": [{"id": str(uuid.uuid4()), "name": name, "units": {"user": f"u-{i}"}, "ts": now()} for i in range(n)]}


def ready(s):
    a = s.request("GET", "/readyz")
    return a.json if a.status == 200 else None


def quiet(c, s):
    """A server with nothing to send notices that its connection was ended: only so a restored database gets what it lacks."""
    s.put("/v1/flags/quiet", {"type": "boolean", "default": True})
    s.until(lambda: s.evaluate("quiet", "c-1"), "served")
    s.until(lambda: s.drained() and s.value("select bool_and(reported_accepted = accepted) from cohort.spool") == "t", "stored, and told so")
    shipper = "select pid from pg_stat_activity where application_name = 'cohortd shipper'"
    pid = s.until(lambda: s.value(shipper), "its connection")
    s.psql(f"select pg_terminate_backend({pid})")
    s.until(lambda: s.value(shipper) != pid, "another connection")
    c.check("a shipper with nothing to send notices that its connection was ended", True)


def ages(c, s, pg):
    """Each answer from the plan says how old it is."""
    bulk = s.post(BULK, CONTEXT, "client")
    for what, status, ask in (
            ("a single evaluation", 200, lambda: s.post(SINGLE, CONTEXT, "client")),
            ("a flag that is not there", 404, lambda: s.post(BULK + "/nope", CONTEXT, "client")),
            ("a bulk evaluation", 200, lambda: s.post(BULK, CONTEXT, "client")),
            ("a bulk evaluation that did not change", 304, lambda: s.post(BULK, CONTEXT, "client", headers={"If-None-Match": bulk.headers["etag"]})),
            ("a preview", 200, lambda: s.post("/v1/preview", {"flag": "cta", **CONTEXT})),
            ("outcomes", 202, lambda: s.post("/v1/outcomes", batch(1), "events"))):
        # Young, unless the machine has just halted.
        a = s.until(lambda f=ask: (lambda a: a if age(a) in (0, 1, 2) else None)(f()), f"{what}: the plan's age")
        c.equal(f"{what}, and the plan's age", a.status, status)
    c.equal("definitions have none: they are the database's", age(s.get("/v1/experiments/cta")), None)
    cors = s.post(SINGLE, CONTEXT, "client", headers={"Origin": "https://shop.example"})
    c.check("a web page may read it", "Cohort-Plan-Age" in cors.headers.get("access-control-expose-headers", ""), cors.headers)
    c.equal("ready", s.until(lambda: (lambda r: r if r["status"] == "ready" else None)(ready(s)), "ready")["reasons"], [])

    pg.stop()
    s.until(lambda: age(s.post(SINGLE, CONTEXT, "client")) >= 2, "the age grows while the database is away")
    again = s.post(BULK, CONTEXT, "client", headers={"If-None-Match": bulk.headers["etag"]})
    c.equal("the age is no part of the ETag", (again.status, age(again) >= 2), (304, True))
    r = s.until(lambda: (lambda r: r if len(r["reasons"]) == 2 else None)(ready(s)), "degraded, for two reasons")
    c.equal("degraded", (r["status"], r["plan_version"] > 0, r["spool"]), ("degraded", True, "ok"))
    c.check("with ages", r["plan_age_seconds"] >= 10 and r["monitor_age_seconds"] >= 15, r)
    c.check("in words", "has not confirmed the definitions for" in r["reasons"][0] and "monitor" in r["reasons"][1], r)
    c.equal("decisions go on", s.evaluate("cta", "c-1")["metadata"]["reason"], "VARIANT")
    a = s.get("/v1/experiments/cta")
    c.equal("definitions don't", (a.status, "retry-after" in a.headers), (503, True))
    pg.start()
    s.until(lambda: ready(s)["status"] == "ready", "ready again")
    s.until(lambda: age(s.post(SINGLE, CONTEXT, "client")) <= 2, "young again")


def fill(s, until_status, key="events", size=1000):
    """Batches until an answer has that status; how many events were accepted on the way."""
    accepted = 0
    for _ in range(1000):
        a = s.post("/v1/outcomes", batch(size), key)
        if a.status == until_status:
            return accepted, a
        assert a.status == 202, a
        accepted += size
    raise AssertionError(f"never {until_status}")


def levels(c, pg):
    with Node(pg, "node-full", "--spool-max-bytes", "1048576", "--spool-grace-seconds", "0") as s:
        s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT", "it runs")
        lent = s.post("/v1/keys", {"role": "client", "name": "kiosk", "priority": "normal"}).json
        c.equal("priorities", [lent["priority"], s.post("/v1/keys", {"role": "client", "name": "web"}).json["priority"],
                               s.post("/v1/keys", {"role": "events", "name": "bulk", "priority": "low"}).json["priority"]],
                ["normal", "low", "low"])
        wrong = s.post("/v1/keys", {"role": "client", "name": "x", "priority": "high"})
        c.equal("no other priority", (wrong.status, wrong.json["constraint"], wrong.json["json_pointer"]),
                (422, "api_key_priority_known", "/priority"))
        s.until(lambda: s.post("/v1/outcomes", batch(1), lent["key"]).status == 202, "the new key is known")
        s.until(s.drained, "everything is stored")
        stored = int(pg.value("select count(*) from cohort.outcome"))
        pg.stop()

        kept, a = fill(s, 429, "client")
        c.check("events of a browser's key give way first", kept > 3000, kept)
        c.equal("with a Retry-After and a problem", (a.headers["retry-after"], a.json["code"], a.headers["content-type"]),
                ("1", "low_priority", "application/problem+json"))
        c.equal("its exposures too", s.post("/v1/exposures", batch(1), "client").status, 429)
        c.equal("a server's do not", s.post("/v1/outcomes", batch(1), "events").status, 202)
        c.equal("nor a browser's whose priority is normal", s.post("/v1/outcomes", batch(1), lent["key"]).status, 202)
        c.equal("readiness says so", (ready(s)["spool"], ready(s)["status"]), ("high", "degraded"))
        kept += 2

        for size in (1000, 100, 10):  # a batch that does not fit, then smaller ones
            more, a = fill(s, 503, size=size)
            kept += more
        c.check("a full spool takes no events", kept > 5000, kept)
        c.equal("with a Retry-After", (a.headers["retry-after"], a.json["code"]), ("1", "events_unavailable"))
        c.equal("of nobody", [s.post("/v1/outcomes", batch(1), k).status for k in ("client", "events", lent["key"])], [503] * 3)
        c.equal("readiness says that too", ready(s)["spool"], "full")
        # Decisions go on when not even their records find room; those are counted.
        began = time.monotonic()
        lost = s.until(lambda: [s.evaluate("cta", f"n-{i}") for i in range(50)]
                       and s.metric("cohortd_decision_records_lost_total"), "records are lost")
        c.check("decisions go on, and what is not kept is counted", lost > 0, lost)
        s.until(lambda: "records of decisions and exposures were not kept" in s.log(), "the log says so")
        [s.evaluate("cta", f"m-{i}") for i in range(300)]
        lines = len(re.findall("were not kept", s.log()))
        c.check("one line a second at most", lines <= 3 + time.monotonic() - began, lines)

        pg.start()
        for key in ("events", "client"):
            s.until(lambda k=key: s.post("/v1/outcomes", batch(1), k).status == 202, "it heals by itself")
            kept += 1
        s.until(lambda: ready(s)["status"] == "ready", "ready again")
        s.until(s.drained, "everything is stored")
        c.equal("every acknowledged event is stored", int(pg.value("select count(*) from cohort.outcome")) - stored, kept)
        # The log looks once a second, and may miss a level that lasted less.
        s.until(lambda: "taken from everybody again" in s.log(), "the log says that it is over")
        told = [s.log().count(w) for w in ("more than 80 % full", "events are refused (503) until the database",
                                           "taken from everybody again")]
        c.check("the log tells of each level once", told[0] <= 2 and told[1:] == [1, 1], told)


def failing(c, s, what, begin, end):
    """The spool can't be written: events wait, decisions don't, and it heals without help."""
    begin()
    a = s.until(lambda: (lambda a: a if a.status == 503 else None)(s.post("/v1/outcomes", batch(1), "events")),
                f"{what}: events are refused")
    c.equal(f"{what}: 503 with a Retry-After", (a.headers["retry-after"], a.json["code"]), ("1", "events_unavailable"))
    c.equal(f"{what}: of everybody, exposures too", [s.post(p, batch(1), k).status for p in ("/v1/outcomes", "/v1/exposures")
                                                     for k in ("client", "events")], [503] * 4)
    r = ready(s)
    c.equal(f"{what}: readiness says so", (r["spool"], r["status"]), ("failing", "degraded"))
    c.equal(f"{what}: decisions go on", [s.evaluate("cta", f"f-{i}")["reason"] for i in range(3)], ["SPLIT"] * 3)
    yield
    end()
    began = time.monotonic()
    s.until(lambda: s.post("/v1/outcomes", batch(1), "events").status == 202, f"{what}: it heals by itself")
    c.check(f"{what}: healed after {time.monotonic() - began:.1f} s", True)
    s.until(lambda: ready(s)["spool"] == "ok", "the spool is well again")


def broken_disk(c, pg):
    """Errors of each write and sync."""
    with tempfile.TemporaryDirectory(prefix="cohort-test.", dir="/tmp") as d:
        shim, s = Shim(d), Node(pg, "node-broken")
        s.environment = shim.environment(s.program)
        with s:
            s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT", "it runs")
            for _ in failing(c, s, "EIO", lambda: shim.set(broken=errno.EIO), shim.set):
                pass
            s.until(s.drained, "everything is stored")


def hanging_disk(c, pg):
    """A sync that does not return: answers that wait for their records come all the same."""
    with tempfile.TemporaryDirectory(prefix="cohort-test.", dir="/tmp") as d:
        shim, s = Shim(d), Node(pg, "node-hangs", "--decision-durability", "sync")
        s.environment = shim.environment(s.program)
        with s:
            s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT", "it runs")
            c.equal("sync: records are kept", s.post(SINGLE, CONTEXT, "client").headers["cohort-record"], "kept")
            shim.set(broken=-1)
            began = time.monotonic()
            answers = [s.post(SINGLE, {"context": {"targetingKey": "h-0"}}, "client")]
            took = time.monotonic() - began
            c.check(f"a disk that hangs: the first answer waits a little ({took:.1f} s)", 4 < took)
            s.until(lambda: ready(s)["spool"] == "failing", "readiness says so")
            waits = []
            for i in range(1, 6):
                began = time.monotonic()
                answers.append(s.post(SINGLE, {"context": {"targetingKey": f"h-{i}"}}, "client"))
                waits.append(time.monotonic() - began)
            c.check(f"the next hardly wait (at most {max(waits):.2f} s)", sorted(waits)[2] < 1, waits)
            c.equal("none of them says that its record is kept, or lost", [a.headers["cohort-record"] for a in answers], ["unknown"] * 6)
            c.equal("they are decisions as ever", {a.json["metadata"]["reason"] for a in answers}, {"VARIANT"})
            a = s.post("/v1/outcomes", batch(1), "events")
            c.equal("events are refused", (a.status, a.headers["retry-after"]), (503, "1"))
            shim.set()
            s.until(lambda: s.post(SINGLE, CONTEXT, "client").headers["cohort-record"] == "kept", "it heals by itself")
            c.equal("and takes events", s.post("/v1/outcomes", batch(1), "events").status, 202)
            s.until(s.drained, "everything is stored")
        made = ",".join("'" + a.json["metadata"]["decisionId"] + "'" for a in answers)
        c.equal("what waited was kept after all", int(pg.value(f"select count(*) from cohort.decision where decision_id in ({made})")), 6)


def full_disk(c, pg):
    """Definitions and stops that a full disk can't keep are served all the same, and kept as soon as there is room."""
    with SmallDisk() as disk:
        if not disk.path:
            return
        with Node(pg, "node-small", data=disk.path) as s:
            define(s, "small", guardrails=[{"metric": "unsubscribe"}])
            for _ in failing(c, s, "a full disk", disk.fill, disk.free):
                define(s, "later", guardrails=[])
                c.check("new definitions are served", True)
                stop_by_guardrail(s, "small")
                c.check("and a stop is", True)
            s.until(lambda: "snapshots can be written again" in s.log(), "the snapshot is written")
            s.until(s.drained, "everything is stored")
            s.process.send_signal(signal.SIGKILL)
            s.stop(signal.SIGKILL)
            pg.stop()
            s.start()
            c.check("a start without the database: from the snapshot", "from this node's snapshot" in s.log())
            c.equal("it knows what it was told while the disk was full", [s.evaluate(k, "c-1")["metadata"]["reason"]
                                                                          for k in ("small", "later")], ["GUARD_STOP", "VARIANT"])
            pg.start()
            s.until(lambda: ready(s)["status"] == "ready", "ready again")


def old_standby(c):
    """A read-only copy from before a person's stop, in the database's place: as good as away."""
    with Postgres("wal_level=replica") as pg, Node(pg, "node-a") as s:
        define(s, guardrails=[])
        pg.run("pg_basebackup", "-h", pg.socket, "-U", "postgres", "-D", pg.dir + "/old", "-X", "fetch", "--no-sync", "-c", "fast")
        s.post("/v1/experiments/cta/stop")
        s.until(lambda: s.evaluate("cta", "c-1")["metadata"]["reason"] == "STOPPED", "the stop is served")
        pg.stop()
        os.rename(pg.data, pg.dir + "/new")
        os.rename(pg.dir + "/old", pg.data)
        with open(pg.data + "/standby.signal", "w") as f:
            shutil.chown(f.name, *([pg.owner()] * 2))
        pg.start()
        s.until(lambda: s.log().count("read-only standby") >= 2, "the log says so")
        s.until(lambda: ready(s)["plan_age_seconds"] >= 4, "the plan's age grows")
        c.equal("an old standby brings no experiment back", s.evaluate("cta", "c-1")["metadata"]["reason"], "STOPPED")
        a = s.get("/v1/experiments/cta")
        c.equal("definitions are away", (a.status, "retry-after" in a.headers), (503, True))
        parts = re.findall(r" (\w+): [^\n]*read-only standby", s.log())
        c.check("it is said once by each part", len(parts) == len(set(parts)), parts)
        pg.stop()
        shutil.rmtree(pg.data)
        os.rename(pg.dir + "/new", pg.data)
        pg.start()
        s.until(lambda: s.get("/v1/experiments/cta").status == 200, "the primary is found again")
        c.equal("and the stop is still served", s.evaluate("cta", "c-1")["metadata"]["reason"], "STOPPED")


def stop_by_guardrail(s, key):
    """What the monitor does once its evidence is in."""
    s.sql("select cohort.record_stop((select epoch from cohort.leader_state), e.id, g.id, v.id, 'Too many left.', '{}')"
          "  from cohort.experiment e join cohort.guardrail g on g.experiment = e.key"
          f"  join cohort.variant v on v.experiment = e.key and v.key = 'treatment' where e.key = '{key}'")
    s.until(lambda: s.evaluate(key, "c-1")["metadata"]["reason"] == "GUARD_STOP", "the stop is served")


def stored_of(pg, made):
    """Of these decisions those that are stored, and exposures by them."""
    list_of = ",".join(f"'{d}'" for d in made)
    return (int(pg.value(f"select count(*) from cohort.decision where decision_id in ({list_of})")),
            int(pg.value(f"select count(*) from cohort.exposure where decision_id in ({list_of})")))


def kills(c, pg, rounds):
    """Decisions answered right before a kill -9, and those of them that are stored."""
    made = []
    with Node(pg, "node-sync", "--decision-durability", "sync") as s:
        s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT", "it runs")
        for i in range(rounds):
            a = s.post(SINGLE, {"context": {"targetingKey": f"k-{i}"}}, "client")
            s.process.send_signal(signal.SIGKILL)
            b = a.json["metadata"]["decisionId"]
            if a.headers.get("cohort-record") != "kept":
                raise AssertionError(f"not kept: {a.headers}")
            made.append(b)
            s.stop(signal.SIGKILL)
            s.start()
        s.until(s.drained, "everything is stored")
    return len(made), stored_of(pg, made)


def promised(pg, program):
    """One that says that a record is kept before it is: its disk hangs until the kill -9. How many were said to be kept, and are."""
    with tempfile.TemporaryDirectory(prefix="cohort-test.", dir="/tmp") as d:
        shim, s = Shim(d), Node(pg, "node-promises", "--decision-durability", "sync", program=program)
        s.environment = shim.environment(s.program)
        with s:
            s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT", "it runs")
            s.until(s.drained, "everything is stored")
            shim.set(broken=-1)
            answers = [s.post(SINGLE, {"context": {"targetingKey": f"p-{i}"}}, "client") for i in range(3)]
            made = [a.json["metadata"]["decisionId"] for a in answers if a.headers.get("cohort-record") == "kept"]
            s.stop(signal.SIGKILL)
            shim.set()
            s.start()
            s.until(s.drained, "everything is stored")
    return len(made), stored_of(pg, made)[0] if made else 0


def sync(c, pg):
    made, stored = kills(c, pg, 5)
    c.equal("sync: what was answered before a kill -9 is stored, decision and exposure", stored, (made, made))
    mutant = subprocess.run([os.path.join(os.path.dirname(HERE), "fault", "mutant.sh"), "async_as_sync"],
                            stdout=subprocess.PIPE, check=False)
    if mutant.returncode != 0:
        c.check("the mutant builds", False)
        return
    made, stored = promised(pg, mutant.stdout.decode().strip())
    c.check(f"async that passes for sync is noticed ({made} answered, {stored} stored)", stored < made)


def sync_answers(c, pg):
    """Answers that record nothing don't wait; those whose records find no room come all the same, and say so."""
    with Node(pg, "node-sync-full", "--decision-durability", "sync", "--spool-max-bytes", "1048576") as s:
        s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT", "it runs")
        bulk = s.post(BULK, CONTEXT, "client")
        c.equal("sync: a bulk answer's records are kept", (bulk.status, bulk.headers.get("cohort-record")), (200, "kept"))
        again = s.post(BULK, CONTEXT, "client", headers={"If-None-Match": bulk.headers["etag"]})
        c.equal("what did not change records nothing", (again.status, again.headers.get("cohort-record")), (304, None))
        pg.stop()
        fill(s, 503)
        a = s.until(lambda: (lambda a: a if a.headers["cohort-record"] == "lost" else None)(s.post(SINGLE, CONTEXT, "client")),
                    "no room for a record")
        c.equal("a decision goes on without its record, and says so", (a.status, a.json["metadata"]["reason"]), (200, "VARIANT"))
        c.check("and is counted", s.metric("cohortd_decision_records_lost_total") > 0)
        pg.start()
        s.until(lambda: s.post(SINGLE, CONTEXT, "client").headers["cohort-record"] == "kept", "it heals by itself")


def main():
    c = Checks()
    with Postgres() as pg:
        with Node(pg, "node-quiet") as s:
            quiet(c, s)
        with Node(pg, "node-a") as s:
            define(s, guardrails=[])
            a = s.post(SINGLE, CONTEXT, "client")
            c.equal("async says nothing of records", a.headers.get("cohort-record"), None)
            ages(c, s, pg)
        levels(c, pg)
        broken_disk(c, pg)
        hanging_disk(c, pg)
        full_disk(c, pg)
        sync(c, pg)
        sync_answers(c, pg)
    old_standby(c)
    c.done()


if __name__ == "__main__":
    main()
