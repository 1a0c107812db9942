#!/usr/bin/env python3
"""What the leader does by the clock: a ramp that waits for its guardrails, one that an alert rolls back, scheduled starts
and ends, and the audit's seals. Through all of it nobody who is in moves."""
import sys
import uuid

from cohort_server import Checks, Server, experiment, now


def evaluate_all(s, flag, users):
    """Who got which variant; None for those outside the traffic."""
    got = {}
    for u in users:
        a = s.evaluate(flag, u)
        got[u] = a["variant"] if a["reason"] == "SPLIT" else None
    return got


def report(s, users, name="unsubscribe"):
    batch = [{"id": str(uuid.uuid4()), "name": name, "units": {"user": u}, "ts": now()} for u in users]
    for i in range(0, len(batch), 500):
        assert s.post("/v1/outcomes", {"events": batch[i:i + 500]}, "events").json["rejected"] == 0


def start(s, key, **doc):
    a = s.put("/v1/experiments/" + key, experiment(**doc))
    assert a.status == 200, a
    a = s.post(f"/v1/experiments/{key}/start")
    assert a.status == 200, a
    s.until(lambda: s.post("/ofrep/v1/evaluate/flags/" + key, {"context": {"targetingKey": "w"}},
                           "client").json.get("metadata", {}).get("reason", "NOT_STARTED") != "NOT_STARTED", key)


def step(s, key):
    return s.sql(f"select state, note from cohort.ramp_step where experiment = '{key}' order by number desc limit 1")[0]


def waits(s, c):
    """A step opens once the guardrail could have spoken, not before."""
    start(s, "slow", traffic_ppm=400000, ramp=[{"traffic_ppm": 1000000, "wait_s": 0}])
    held = s.until(lambda: step(s, "slow") if step(s, "slow")[0] == "held" else None, "the step is held")
    c.check("a step that is due is held, in words", "unsubscribe" in held[1] and "treatment" in held[1], held)
    users = [f"r-{i}" for i in range(1500)]
    before = evaluate_all(s, "slow", users)
    enrolled = [u for u in users if before[u]]
    c.check("40 % are in", 500 < len(enrolled) < 700, len(enrolled))
    # As many of one arm as of the other have the event: harm of two would be seen, and isn't there.
    for arm in ("control", "treatment"):
        report(s, [u for u in enrolled if before[u] == arm][:130])
    s.until(lambda: step(s, "slow")[0] == "done", "the step opens")
    s.until(lambda: s.get("/v1/experiments/slow").json["status"] == "running" and
            s.sql("select count(*) from cohort.phase where experiment = 'slow'") == [["2"]], "a second phase")
    s.until(lambda: s.evaluate("slow", next(u for u in users if not before[u]))["reason"] == "SPLIT", "it is served")
    after = evaluate_all(s, "slow", users)
    c.check("now everybody is in", all(after.values()))
    c.equal("and nobody who was in has moved", [u for u in enrolled if after[u] != before[u]], [])
    history = s.get("/v1/experiments/slow").json["history"]
    c.check("history says that the ramp did it", any("ramp" in str(h) for h in history), history[-2:])


def rolls_back(s, c):
    start(s, "bold", traffic_ppm=300000, ramp=[{"traffic_ppm": 1000000, "wait_s": 0}], ramp_tolerance=1000,
          ramp_on_alert="roll_back", guardrails=[{"metric": "complaint", "action": "alert"}])
    users = [f"b-{i}" for i in range(900)]
    first = evaluate_all(s, "bold", users)
    # Enough of both arms, and as many of each, for an upper bound below 1000: the first step opens.
    report(s, [u for arm in ("control", "treatment") for u in [u for u in users if first[u] == arm][:30]], "complaint")
    s.until(lambda: step(s, "bold")[0] == "done", "the step opens")
    outside = next(u for u in users if not first[u])
    s.until(lambda: s.evaluate("bold", outside)["reason"] == "SPLIT", "it is served")
    second = evaluate_all(s, "bold", users)
    report(s, [u for u in users if second[u] == "treatment" and not first[u]], "complaint")
    s.until(lambda: step(s, "bold")[0] == "rolled_back", "the alert rolls the step back")
    s.until(lambda: s.evaluate("bold", outside)["reason"] != "SPLIT", "the fallback for those who came with it")
    third = evaluate_all(s, "bold", users)
    c.equal("an alert rolls the last step back, and only that", third, first)
    c.check("its note is the alert's sentence", "complaint" in step(s, "bold")[1], step(s, "bold"))


def by_the_clock(s, c):
    """Each time is an hour ahead until what is before it has been seen."""
    a = s.put("/v1/experiments/soon", experiment(starts_at=now(3600), ends_at=now(7200)))
    assert a.status == 200, a
    a = s.post("/v1/experiments/soon/start")
    c.equal("a start with a time ahead is scheduled", a.json["status"], "scheduled")
    s.until(lambda: s.evaluate("soon", "u")["metadata"]["reason"] == "SCHEDULED", "SCHEDULED is served")
    a = s.request("PATCH", "/v1/experiments/soon", {"starts_at": now(0.5)}, key="admin")
    assert a.status == 200, a
    s.until(lambda: s.evaluate("soon", "u")["reason"] == "SPLIT", "it starts by itself")
    s.until(lambda: s.get("/v1/experiments/soon").json["status"] == "running", "it runs")
    # Nobody can move the end of what runs: so it is done past the rules.
    s.sql("set cohort.within = 'on'; update cohort.experiment set ends_at = clock_timestamp() + interval '0.5 s' where key = 'soon'")
    s.until(lambda: s.evaluate("soon", "u")["metadata"]["reason"] in ("ENDED", "STOPPED"), "it ends by itself")
    s.until(lambda: s.get("/v1/experiments/soon").json["status"] == "stopped", "and is stopped")
    c.check("a schedule starts and ends an experiment", True)


def audited(s, c):
    s.until(lambda: s.value("select count(*) from cohort.audit_pending") == "0", "the leader seals the audit")
    c.equal("the audit's chain is whole", s.sql("select * from cohort.audit_verify()"), [])
    head = s.get("/v1/audit/head").json
    c.check("its head is at /v1/audit/head", head["number"] > 10 and len(head["hash"]) == 64, head)


def main():
    c = Checks()
    with Server() as s:
        for part in (waits, rolls_back, by_the_clock, audited):
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
