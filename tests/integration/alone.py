#!/usr/bin/env python3
"""A node on its own: starts without PostgreSQL, snapshots that are damaged, databases that have forgotten a stop."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from cohort_server import BUILD, Checks, Server, experiment

USERS = [f"u-{i}" for i in range(200)]


def put_and_start(s, key, **doc):
    a = s.put("/v1/experiments/" + key, experiment(**doc))
    assert a.status == 200, a
    assert s.post(f"/v1/experiments/{key}/start").status == 200
    served(s, key, "SPLIT")


def reason(s, key, user="w"):
    a = s.evaluate(key, user)
    return "SPLIT" if a["reason"] == "SPLIT" else a["metadata"]["reason"]


def served(s, key, want):
    s.until(lambda: reason(s, key) == want, f"{key} is served as {want}")


def assignment(s, key):
    return [s.evaluate(key, u).get("variant") for u in USERS]


def watched(s, key):
    """The assignment, of a moment in which the monitor was heard all the time."""
    return s.until(lambda: (lambda all_of: all_of if "default" not in all_of else None)(assignment(s, key)), f"{key} is watched")


def at_once(s, action, seconds):
    """What the action returned, once it returned within so many seconds: what waits for something never does."""
    return s.until(lambda: (lambda got, took: [got] if took < seconds else None)(*timed(action)), f"an answer within {seconds} s")[0]


def stop_by_guardrail(s, key, sentence="Too many of them left."):
    """What the monitor does once its evidence is in."""
    s.sql(f"select cohort.record_stop((select epoch from cohort.leader_state), e.id, g.id, v.id, '{sentence}', '{{}}')"
          f"  from cohort.experiment e join cohort.guardrail g on g.experiment = e.key"
          f"  join cohort.variant v on v.experiment = e.key and v.key = 'treatment' where e.key = '{key}'")
    served(s, key, "GUARD_STOP")


def in_cluster(pg):
    """The processes of a cluster: they work in its directory."""
    found = []
    for cwd in glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.readlink(cwd) == pg:
                found.append(int(cwd.split("/")[2]))
        except OSError:
            pass
    return found


def timed(action):
    begin = time.monotonic()
    return action(), time.monotonic() - begin


def ctl(node, *words):
    p = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", node.data, *words], capture_output=True, text=True, check=False)
    return p.stdout + p.stderr


def damage(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))


def plan_files(data):
    """Snapshots, the newest last."""
    files = [f for f in glob.glob(data + "/snapshots/*") if os.path.getsize(f) > 500]
    return sorted(files, key=os.path.getmtime)


def cold_start(s, c, program):
    """A second node whose database goes away and comes back."""
    put_and_start(s, "cta")
    node = Server("--database", s.info["database"], "--node-name", "second")
    with node:
        want = assignment(node, "cta")
        put_and_start(s, "brief", guard_max_blind_seconds=3)
        put_and_start(s, "second")  # a second version, and with it a second snapshot
        served(node, "second", "SPLIT")
        c.equal("two nodes assign alike", assignment(s, "cta"), want)
        assert node.stop() == 0
        assert s.stop() == 0
        _, took = timed(node.start)
        c.check(f"starts without the database ({took:.1f} s)", True)
        c.check("says which version it serves and how old it is",
                "from this node's snapshot" in node.log() and " s old" in node.log(), node.log()[-800:])
        c.equal("the assignment is the same", assignment(node, "cta"), want)
        served(node, "brief", "GUARD_BLIND")
        c.check("what nobody has watched for too long, by the snapshot's heartbeat, is served as its fallback", True)
        c.equal("another key is refused as ever",
                node.post("/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": "x"}}, "ck_client_x").status, 401)
        a = at_once(node, lambda: node.put("/v1/experiments/other", experiment()), 1)
        c.check("a definition gets 503 with Retry-After at once", a.status == 503 and "retry-after" in a.headers, a)
        c.equal("an event is accepted", node.outcome("unsubscribe", USERS[0])["status"], "accepted")
        age = node.request("GET", "/readyz").json["plan_age_seconds"]
        c.check("readyz has the plan's age", age >= 0, age)
        node.until(lambda: "nobody has been heard to lead for" in ctl(node, "status"), "cohortctl status says that nobody leads")
        c.check("cohortctl status says that nobody is heard to lead", True)

        assert node.stop() == 0
        damage(plan_files(node.data)[-1])
        node.start()
        c.equal("a damaged newest snapshot is passed over for the one before", assignment(node, "cta"), want)

        s.start()
        (_, took) = timed(lambda: node.until(lambda: node.put("/v1/experiments/later", experiment()).status == 200,
                                             "definitions work again"))
        c.check(f"it catches up ({took:.1f} s after the database was back)", True)
        served(node, "brief", "SPLIT")
        c.check("what is watched again is served again", True)
        assert node.post("/v1/experiments/later/start").status == 200
        served(node, "later", "SPLIT")
        node.until(lambda: s.value("select count(*) from cohort.outcome where name = 'unsubscribe'") == "1",
                   "the event accepted without it is in the database")
        c.check("and the event that was accepted without it is stored", True)


def not_up_yet(s, c, program):
    """Neither snapshot nor database: it waits, and says so."""
    database = s.info["database"]
    node = Server("--database", database, "--node-name", "third")
    assert s.stop() == 0
    starter = threading.Thread(target=node.__enter__)
    starter.start()
    node.until(lambda: os.path.exists(node.data + "/test.log") and "waiting for the database" in node.log(), "its log line")
    c.check("without a snapshot it waits for the database and serves nothing",
            not os.path.exists(node.data + "/server.json"))
    s.start()
    starter.join()
    served(node, "cta", "SPLIT")
    c.check("and starts once it is there", True)
    assert node.stop() == 0
    shutil.rmtree(node.data)
    with tempfile.TemporaryDirectory(prefix="cohort-test.", dir="/tmp") as data:
        _, took = timed(lambda: subprocess.run(
            [program, "--data", data, "--listen", "127.0.0.1:0", "--database", database.replace("dbname=cohort", "dbname=none")],
            capture_output=True, timeout=60, check=False))
        c.check(f"a database that refuses it is not waited for ({took:.1f} s)", _.returncode == 1 and took < 30 and
                b'database "none" does not exist' in _.stderr, _)


def embedded_does_not_start(s, c, program):
    want = assignment(s, "cta")
    assert s.stop() == 0
    control = s.data + "/pg/global/pg_control"
    os.rename(control, control + ".away")
    s.start()
    c.equal("an embedded database that does not start: the snapshot is served", assignment(s, "cta"), want)
    os.rename(control + ".away", control)
    s.until(lambda: s.get("/v1/experiments/cta").status == 200, "the database is started again")
    s.until(lambda: "runs again" in s.log(), "the log says so")
    c.check("and it is tried again", True)


def send_signal(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass  # it has ended meanwhile


def hung(s, c, program):
    """Every process of the database stopped, as on a host that hangs."""
    pids, noticed = set(), s.log().count("did not answer within")
    try:
        # Again until there is nothing new: one may have been about to fork.
        while new := set(in_cluster(s.data + "/pg")) - pids:
            for pid in new:
                send_signal(pid, signal.SIGSTOP)
            pids |= new
        s.until(lambda: s.log().count("did not answer within") > noticed, "it notices")
        s.until(lambda: s.request("GET", "/readyz").json["plan_age_seconds"] >= 3, "readyz shows the age")
        a = at_once(s, lambda: s.put("/v1/experiments/hung", experiment()), 1)
        c.equal("a database that hangs: definitions get 503 at once", a.status, 503)
        c.equal("decisions go on", reason(s, "cta"), "SPLIT")
    finally:
        for pid in pids:
            send_signal(pid, signal.SIGCONT)
    _, took = timed(lambda: s.until(lambda: s.request("GET", "/readyz").json["plan_age_seconds"] < 2, "it is back"))
    c.check(f"and the plan is confirmed again {took:.1f} s after it goes on", True)


def forgotten(s, c, program):
    """The database's directory put back as it was before the stop."""
    put_and_start(s, "harm")
    put_and_start(s, "calm")
    assert s.stop() == 0
    subprocess.run(["cp", "-a", s.data + "/pg", s.data + "/pg.before"], check=True)
    s.start()
    stop_by_guardrail(s, "harm")
    assert s.stop() == 0
    shutil.rmtree(s.data + "/pg")
    subprocess.run(["cp", "-a", s.data + "/pg.before", s.data + "/pg"], check=True)
    s.program = program
    s.start()
    c.equal("a database restored to before a stop does not bring the experiment back", reason(s, "harm"), "GUARD_STOP")
    if program != s_program:
        return
    s.until(lambda: s.value("select count(*) from cohort.stop_event") == "1", "the stop is in the database again")
    row = s.sql("select e.key, s.sentence, s.evidence->>'reasserted' from cohort.stop_event s"
                " join cohort.experiment e on e.id = s.experiment_id and e.iteration = s.iteration")
    c.equal("the database is told again, with the sentence", row, [["harm", "Too many of them left.", "true"]])
    c.equal("once, and audited", s.value("select count(*) from cohort.audit where object = 'stop_event'"), "1")
    c.equal("GET says stopped", s.get("/v1/experiments/harm").json["status"], "stopped")
    c.equal("others run on", reason(s, "calm"), "SPLIT")
    put_and_start(s, "newer")
    c.check("and the database's newer definitions are served", True)
    a = s.post("/v1/experiments/harm/restart")
    assert a.status == 200, a
    served(s, "harm", "SPLIT")
    c.check("an experiment that was restarted, with a new salt, runs", True)
    c.equal("nothing is told twice", s.value("select count(*) from cohort.stop_event"), "1")


def blind_limit(s, c, program):
    """guard_max_blind_seconds from the definition to the plan."""
    def limit_of(key):
        return s.sql("select x ->> 'guard_max_blind_us' from jsonb_path_query(cohort.plan_document(), '$.experiments[*]') x"
                     f" where x ->> 'key' = '{key}'")

    assert s.put("/v1/experiments/watched", experiment()).status == 200
    c.equal("guard_max_blind_seconds is 900 unless it is given",
            (s.get("/v1/experiments/watched").json["guard_max_blind_seconds"], limit_of("watched")), (900, [["900000000"]]))
    for given, plan in ((2, [["2000000"]]), (None, [[""]])):
        assert s.put("/v1/experiments/watched", experiment(guard_max_blind_seconds=given)).status == 200
        c.equal(f"{given} is kept", (s.get("/v1/experiments/watched").json["guard_max_blind_seconds"], limit_of("watched")),
                (given, plan))
    a = s.put("/v1/experiments/watched", experiment(guard_max_blind_seconds=0))
    c.check("0 is refused, by its field", a.status == 422 and "guard_max_blind_seconds" in str(a.json), a)
    assert s.put("/v1/experiments/free", experiment(guardrails=[])).status == 200
    c.equal("without a stopping guardrail the plan has no limit", limit_of("free"), [[""]])


def unwatched(s, c, program):
    """The definitions are confirmed all the time, but the monitor is not heard: somebody holds its row."""
    put_and_start(s, "guarded", guard_max_blind_seconds=3)
    put_and_start(s, "unguarded", guardrails=[])
    put_and_start(s, "endless", guard_max_blind_seconds=None)
    want = watched(s, "guarded")
    holder = subprocess.Popen(["psql", "-XAtq", s.info["database"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdin.write(b"begin; select 'held' from cohort.leader_state for update;\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"held\n"
        served(s, "guarded", "GUARD_BLIND")
        began = time.monotonic()
        c.check("an experiment that nobody watches is served as its fallback, with the reason", True)
        answers = {u: s.evaluate("guarded", u) for u in USERS}
        c.equal("the same to everybody", {(a["value"], a["reason"], a.get("variant")) for a in answers.values()},
                {("Buy now", "DISABLED", "default")})
        c.equal("others run on", (reason(s, "unguarded"), reason(s, "endless")), ("SPLIT", "SPLIT"))
        s.until(lambda: s.request("GET", "/readyz").json["plan_age_seconds"] < 3, "the plan is confirmed all the time")
        s.until(lambda: "monitor" in " ".join(s.request("GET", "/readyz").json["reasons"]), "readiness says that nobody watches")
        c.check(f"readiness is degraded by the monitor's age ({time.monotonic() - began:.0f} s later)",
                s.request("GET", "/readyz").json["status"] == "degraded")
        rows = "(" + ",".join("'" + answers[u]["metadata"]["decisionId"] + "'" for u in USERS) + ")"
        s.until(lambda: s.value(f"select count(*) from cohort.decision where decision_id in {rows}") == str(len(USERS)),
                "their decisions are stored")
        logged = {d: (r, v, x) for d, r, v, x in s.sql(
            "select d.decision_id, d.reason, coalesce(d.variant_id, 0), coalesce(v.key, '') from cohort.decision d"
            f" left join cohort.variant v on v.id = d.counterfactual_variant_id where d.decision_id in {rows}")}
        c.equal("what they would have had is logged", [logged[answers[u]["metadata"]["decisionId"]] for u in USERS],
                [("GUARD_BLIND", "0", v) for v in want])
        c.equal("and nobody is exposed by that", s.value(f"select count(*) from cohort.exposure where decision_id in {rows}"), "0")
    finally:
        holder.communicate(b"rollback;\n")
    served(s, "guarded", "SPLIT")
    c.equal("everybody has their variant again once the monitor is heard", watched(s, "guarded"), want)
    s.until(lambda: s.sql("select (cohort.recheck_counts('guarded')).checked >= 200") == [["t"]], "they are stored")
    c.equal("assignments computed again: nothing differs", s.sql("select * from cohort.recheck('guarded')"), [])


def mutant_is_caught(s):
    """Without the overlay of tombstones the restored database brings the experiment back."""
    made = subprocess.run([os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault/mutant.sh"), "no_tombstones"],
                          capture_output=True, text=True, check=True)
    return made.stdout.strip()


s_program = os.environ.get("COHORTD", os.path.join(os.environ.get("COHORT_BUILD", os.getcwd()), "cohortd"))


def main():
    c = Checks()
    with Server() as s:
        blind_limit(s, c, s_program)
        unwatched(s, c, s_program)
        cold_start(s, c, s_program)
        not_up_yet(s, c, s_program)
        embedded_does_not_start(s, c, s_program)
        hung(s, c, s_program)
        forgotten(s, c, s_program)
    bad = Checks()
    with Server() as s:
        forgotten(s, bad, mutant_is_caught(s))
    c.equal("a server without tombstones is caught", bad.failed, 1)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
