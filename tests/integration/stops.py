#!/usr/bin/env python3
"""The whole path: customers over HTTP, their unsubscribes, and an experiment that stops itself and says why."""
import json
import math
import random
import subprocess
import sys
import time
import uuid

from cohort_server import Checks, Server, experiment, now


def play(s, flag, users, rates, key="events", seed=1):
    """Evaluates for each user and sends unsubscribes at the variant's rate; returns units by variant."""
    rng = random.Random(seed)
    seen, batch = {}, []
    for user in users:
        variant = s.evaluate(flag, user)["variant"]
        seen.setdefault(variant, []).append(user)
        if rng.random() < rates.get(variant, 0):
            batch.append({"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": user}, "ts": now()})
    for i in range(0, len(batch), 500):
        assert s.post("/v1/outcomes", {"events": batch[i:i + 500]}, key).json["rejected"] == 0
    return seen


def start(s, key, **doc):
    a = s.put("/v1/experiments/" + key, experiment(**doc))
    assert a.status == 200, a
    s.post(f"/v1/experiments/{key}/start")
    s.until(lambda: s.post("/ofrep/v1/evaluate/flags/" + key, {"context": {"targetingKey": "w"}},
                           "client").json.get("reason") == "SPLIT", key)


def ln_e(evidence):
    """ln E of the evidence's counts by a plain sum over a fine grid: independent of the server's quadrature."""
    total, step = -math.inf, 1e-4
    sigma, r0 = math.log(2), float(evidence["margin"])

    def log_likelihood(r):
        out = 0.0
        for p in evidence["phases"]:
            rt, rc = p["treatment_share_ppm"], p["control_share_ppm"]
            q = rt / (rt + rc)
            theta = q * r / (q * r + 1 - q)
            out += p["treatment_events"] * math.log(theta) + p["control_events"] * math.log(1 - theta)
        return out

    at_r0 = log_likelihood(r0)
    terms = [math.log(2 / sigma / math.sqrt(2 * math.pi)) - (u / sigma) ** 2 / 2 + log_likelihood(r0 * math.exp(u)) - at_r0
             for u in (step * (i + 0.5) for i in range(int(6 * sigma / step)))]
    total = max(terms)
    return total + math.log(sum(math.exp(t - total) for t in terms) * step)


def harmful(s, c):
    start(s, "harm")
    play(s, "harm", [f"h-{i}" for i in range(1200)], {"control": 0.1, "treatment": 0.35})
    s.until(lambda: s.get("/v1/experiments/harm").json["status"] == "stopped", "the stop")
    stops = s.sql("select experiment_id, evidence from cohort.stop_event")
    c.equal("one stop", len(stops), 1)
    evidence = json.loads(s.value("select evidence from cohort.stop_event"))
    c.check("the stored E is that of the stored counts", abs(ln_e(evidence) - evidence["ln_e"]) < 1e-5,
            (ln_e(evidence), evidence))
    c.check("over its threshold, with the risk ratio's lower bound above 1",
            evidence["ln_e"] >= evidence["threshold_ln_e"] and evidence["risk_ratio_lower"] > 1, evidence)
    got = s.until(lambda: (lambda d: d if d["metadata"]["reason"] == "GUARD_STOP" else None)(s.evaluate("harm", "new")),
                  "fallback")
    c.check("a new customer gets the fallback and the reason", got["value"] == "Buy now" and "phase" not in got["metadata"],
            got)
    c.equal("so does one who was in", s.evaluate("harm", "h-1")["metadata"]["reason"], "GUARD_STOP")
    drawn = s.evaluate("harm", "cf-1")["metadata"]["decisionId"]
    row = s.until(lambda: s.sql(f"select d.variant_id is null, v.key from cohort.decision d join cohort.variant v on "
                                f"v.id = d.counterfactual_variant_id where d.decision_id = '{drawn}'"), "its log row")
    c.check("the log names the variant it would have got", row[0][0] == "t" and row[0][1] in ("control", "treatment"), row)
    stop = s.get("/v1/experiments/harm").json["stop"]
    c.check("GET says in a sentence why", stop and "unsubscribe" in json.dumps(stop) and "treatment" in json.dumps(stop), stop)
    a = s.post("/v1/experiments/harm/start")
    c.check("it can't be started again", a.status == 409 and a.json["detail"], a)
    s.until(lambda: "cohortd_guardrail_stops_total 1" in s.request("GET", "/metrics").body.decode(), "the counter says so")
    s.until(lambda: "unsubscribe" in s.log() and "warn monitor" in s.log(), "so does a log line")
    counted = "select sum(units), sum(event_units) from cohort.metric_stat m join cohort.metric k on k.id = m.metric_id where k.key = 'unsubscribe'"
    there = ("select count(*), count(*) filter (where exists (select 1 from cohort.outcome o where o.unit_id = "
             "e.unit_id and o.ts >= e.first_ts)) from cohort.exposure e")
    s.until(lambda: s.sql(counted) == s.sql(there), "counts are exact")
    c.check("counts are exact", True)


def harmless(s, c):
    start(s, "calm", alpha=1e-9)  # at which chance stops none
    play(s, "calm", [f"a-{i}" for i in range(800)], {"control": 0.2, "treatment": 0.2}, seed=3)
    start(s, "browser")
    play(s, "browser", [f"b-{i}" for i in range(500)], {"control": 0, "treatment": 0.6}, key="client")
    start(s, "loud", guardrails=[{"metric": "unsubscribe", "action": "alert"}])
    play(s, "loud", [f"l-{i}" for i in range(600)], {"control": 0.05, "treatment": 0.4}, seed=4)
    s.until(lambda: int(s.value("select count(*) from cohort.alert_event")) >= 1, "the alert")
    s.until(lambda: s.value("select count(*) from cohort.ingest_batch where applied_at is null") == "0", "all rolled up")
    status = {k: s.get("/v1/experiments/" + k).json["status"] for k in ("calm", "browser", "loud")}
    c.equal("harmless, reported by browsers only, or alert only: none is stopped", set(status.values()), {"running"})
    c.equal("one alert, not one a second", s.value("select count(*) from cohort.alert_event"), "1")


def idle_editor(s, c):
    """An open psql transaction that has edited the experiment does not delay its stop."""
    start(s, "idle")
    editor = subprocess.Popen(["psql", "-XAtq", s.info["database"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    editor.stdin.write(b"begin; update cohort.experiment set description = 'editing' where key = 'idle';"
                       b"insert into cohort.flag (key, type) values ('half', 'string'); select 'open';\n")
    editor.stdin.flush()
    assert editor.stdout.readline() == b"open\n"
    play(s, "idle", [f"i-{i}" for i in range(600)], {"control": 0.05, "treatment": 0.5}, seed=5)
    s.until(lambda: s.value("select count(*) from cohort.stop_event") == "2", "the stop beside an idle transaction")
    s.until(lambda: s.evaluate("idle", "n")["metadata"]["reason"] == "GUARD_STOP", "its fallback")
    c.check("an idle transaction that edited the experiment does not delay its stop", editor.poll() is None)
    editor.communicate(b"rollback;\n", timeout=30)


def pauses(s, c):
    """A guardrail that pauses does so beside an idle transaction; a person resumes, and servers follow both."""
    start(s, "pausing", guardrails=[{"metric": "unsubscribe", "action": "pause"}])
    editor = subprocess.Popen(["psql", "-XAtq", s.info["database"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    editor.stdin.write(b"begin; update cohort.experiment set description = 'editing' where key = 'pausing'; select 'open';\n")
    editor.stdin.flush()
    assert editor.stdout.readline() == b"open\n"
    play(s, "pausing", [f"p-{i}" for i in range(600)], {"control": 0.05, "treatment": 0.5}, seed=6)
    s.until(lambda: s.value("select count(*) from cohort.pause_event") == "1", "the pause beside an idle transaction")
    s.until(lambda: "phase" not in s.evaluate("pausing", "n")["metadata"], "its fallback")
    c.equal("paused, by a guardrail", s.get("/v1/experiments/pausing").json["status"], "paused")
    editor.communicate(b"rollback;\n", timeout=30)
    a = s.post("/v1/experiments/pausing/resume")
    c.check("a person resumes it", a.status == 200 and a.json["status"] == "running", a)
    s.until(lambda: "phase" in s.evaluate("pausing", "n")["metadata"], "its variants again")
    verdicts = s.get("/v1/experiments/pausing").json["verdicts"]
    c.check("its document says why, and that it was resumed", len(verdicts) == 1 and verdicts[0]["action"] == "pause"
            and "unsubscribe" in verdicts[0]["sentence"] and verdicts[0]["resumed_at"], verdicts)


def latency(s, c):
    """Seconds from the deciding unsubscribe's COMMIT to the first fallback answer, as a report."""
    start(s, "fast")
    users = play(s, "fast", [f"f-{i}" for i in range(400)], {})
    events = [{"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": u}, "ts": now()}
              for u in users["treatment"][:40]]
    assert s.post("/v1/outcomes", {"events": events}, "events").status == 202
    told = time.time()
    s.until(lambda: s.evaluate("fast", "n")["metadata"]["reason"] == "GUARD_STOP", "fallback")
    first = time.time()
    committed = float(s.value("select extract(epoch from max(created_at)) from cohort.ingest_batch b where exists "
                              "(select 1 from cohort.outcome o where o.batch_id = b.batch_id)"))
    c.check(f"stopped: first fallback {first - committed:.2f} s after the deciding COMMIT "
            f"({first - told:.2f} s after its 202)", True)


def survives(s, c):
    s.stop()
    s.start()
    c.equal("after a restart the stopped experiment is still stopped",
            s.evaluate("harm", "later")["metadata"]["reason"], "GUARD_STOP")


def main():
    c = Checks()
    with Server() as s:
        for part in (harmful, idle_editor, harmless, pauses, latency, survives):
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
