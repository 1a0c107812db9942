#!/usr/bin/env python3
"""The lift of an experiment behind a holdout, end to end: who is in each arm and from when, and the numbers, are counted again
here from the answers the server gave and the events it took."""
import os
import subprocess
import uuid

from cohort_server import BUILD, Checks, Server, experiment, now
from results import expect, near

USERS = 900


def send(s, events):
    for at in range(0, len(events), 100):
        a = s.post("/v1/outcomes", {"events": events[at:at + 100]}, "events")
        assert a.status == 202 and a.json["accepted"] == len(events[at:at + 100]), a


def outcome(name, user, **fields):
    return dict({"id": str(uuid.uuid4()), "name": name, "units": {"user": user}, "ts": now()}, **fields)


def group_of(answer):
    """in, out, or None: the experiment would not have enrolled it anyway."""
    if answer["metadata"].get("holdout") == "hold":
        return "out"
    return "in" if answer.get("reason") == "SPLIT" else None


def stat(kind, values):
    scaled = [v * 10**6 for v in values]
    return dict(units=len(values), event_units=sum(1 for v in values if v), sum=sum(scaled), sum_sq=sum(v * v for v in scaled))


def lift(s, key, field):
    return s.get(f"/v1/{'holdouts' if key == 'hold' else 'experiments'}/{key}/results").json[field]


def enrol(s):
    """Every third user is asked for another experiment first, every fifth buys before it is asked for this one."""
    groups, bought = {}, {}
    early = [outcome("buy", f"u-{i}", ts=now(-5)) for i in range(0, USERS, 5)]
    send(s, early)
    for i in range(USERS):
        user = f"u-{i}"
        if i % 3 == 0:
            s.evaluate("other", user)
        if i % 7 != 0:
            groups[user] = group_of(s.evaluate("cta", user))
    for i in range(0, USERS, 9):  # again: nothing is counted twice
        if f"u-{i}" in groups:
            s.evaluate("cta", f"u-{i}")
    for i in range(USERS, USERS + 50):  # a prefetch is no exposure in either arm
        s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": f"u-{i}"}}, "client")
    events = []
    for i in range(USERS):
        user = f"u-{i}"
        for k in range(i % 3 if groups.get(user) == "out" else i % 4):
            events.append(outcome("buy", user, value=i % 11 + k))
            bought.setdefault(user, []).append(i % 11 + k)
    send(s, events)
    return groups, bought


def main():
    c = Checks()
    with Server() as s:
        s.put("/v1/metrics/buy", {"event": "buy", "kind": "binary"})
        s.put("/v1/metrics/spend", {"event": "buy", "kind": "mean"})
        a = s.put("/v1/holdouts/hold", {"variants": [
            {"key": "in", "share_ppm": 600000, "gives": "everything", "control": True},
            {"key": "out", "share_ppm": 400000, "gives": "nothing"}]})
        c.equal("the holdout is taken", a.status, 200)
        s.post("/v1/holdouts/hold/start")
        for key, ppm in (("cta", 800000), ("other", 1000000)):
            a = s.put(f"/v1/experiments/{key}", experiment(guardrails=[], traffic_ppm=ppm, metrics=[
                {"metric": "buy", "role": "primary"}, {"metric": "spend", "role": "secondary"}]))
            assert a.status == 200, a
            assert s.post(f"/v1/experiments/{key}/start").status == 200
        for key in ("other", "cta"):
            s.until(lambda k=key: s.evaluate(k, "w-1")["metadata"]["reason"] != "NOT_STARTED", f"{key} is served")
        for i in range(3):
            s.evaluate("cta", f"w-{i}")
        groups, bought = enrol(s)
        for i in range(3):
            groups[f"w-{i}"] = group_of(s.evaluate("cta", f"w-{i}"))
        users = {g: [u for u in groups if groups[u] == g] for g in ("in", "out")}
        c.check("both arms, and units the experiment would not have taken", len(users["in"]) > 200 and len(users["out"]) > 150
                and list(groups.values()).count(None) > 50, {g: len(u) for g, u in users.items()})
        want = {"buy": {g: [1 if bought.get(u) else 0 for u in users[g]] for g in users},
                "spend": {g: [sum(bought.get(u, [])) for u in users[g]] for g in users}}
        total = {m: {g: sum(v) for g, v in want[m].items()} for m in want}

        def arrived():
            got = {(r[0], r[1]): (int(r[2]), round(float(r[3]) * int(r[2]))) for r in s.sql(
                "select metric, arm, units, value from cohort.holdout_lift('cta') where value is not null")}
            expected = {(m, g): (len(users[g]), total[m][g]) for m in want for g in users}
            assert got == expected, (got, expected)
            return True
        s.until(arrived, "units and sums of both arms equal those counted here")
        c.check("units and sums of both arms equal those counted here", True)
        s.until(lambda: s.sql("select count(*) from cohort.results_due()") == [["0"]], "results are written")
        doc = lift(s, "cta", "holdout_lift")
        c.equal("one holdout", [d["holdout"] for d in doc], ["hold"])
        c.check("the arms fit their shares", not doc[0]["srm"]["alarm"] and doc[0]["warning"] is None, doc[0]["srm"])
        for m in doc[0]["metrics"]:
            arms = {v["variant"]: v for v in m["variants"]}
            c.check(f"{m['metric']}: what was kept out is the base, whatever the holdout calls control",
                    arms["out"]["is_control"] and not arms["in"]["is_control"])
            kind = m["kind"]
            numbers = expect(kind, [stat(kind, want[m["metric"]]["in"])], [stat(kind, want[m["metric"]]["out"])])
            for field in ("value", "difference"):
                c.check(f"{m['metric']}: {field}", near(arms["in"][field], numbers[field]), (arms["in"][field], numbers[field]))
            if arms["in"]["gate"]["open"]:
                for field in ("low", "high", "ln_e", "std_error"):
                    c.check(f"{m['metric']}: {field}, as Python computes it", near(arms["in"][field], numbers[field]),
                            (arms["in"][field], numbers[field]))
        c.check("the proportion's gate is open", doc[0]["metrics"][0]["variants"][1]["gate"]["open"], doc[0]["metrics"][0])
        c.check("in words", doc[0]["decision"].startswith("With cta let in by holdout hold: "), doc[0]["decision"])
        mine = lift(s, "hold", "per_experiment")
        c.equal("the holdout has each experiment behind it", [d["experiment"] for d in mine], ["cta", "other"])
        c.equal("the same numbers", mine[0]["metrics"], doc[0]["metrics"])
        ids = s.sql("select l.id, e.key from cohort.lift_pair l join cohort.experiment e on e.id = l.experiment_id order by 2")
        for pair, key in ids:
            c.equal(f"{key}: the roll-up equals a recount, for two metrics and two arms", s.sql(
                f"select count(*), count(*) filter (where r = s) from (select r from cohort.recount({pair}) r) r "
                f"full join (select s from cohort.metric_stat s where s.experiment_id = {pair}) s on r = s"), [["4", "4"]])
        c.equal("no pair shows among the exposures of analysts", s.value("select count(*) from cohort.exposures where environment is null"), "0")
        s.until(lambda: s.value("select coalesce(sum(abs(balance)), 0) from cohort.ingest_audit") == "0", "queues balance: these rows are nobody's events")
        out = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", s.data, "results", "cta"], capture_output=True, text=True, check=True).stdout
        c.check("cohortctl results prints it", "holdout hold, by arm of the holdout" in out and "With cta let in by holdout hold" in out, out)
    c.done()


if __name__ == "__main__":
    main()
