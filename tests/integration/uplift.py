#!/usr/bin/env python3
"""Who gains, end to end through REST: people of which one segment gains, and more the older they are, among others that don't;
the effect of each segment and along the number computed again here from who was sent. Without any gain nothing is claimed."""
import math
import os
import random
import subprocess
import uuid

from cohort_server import BUILD, Checks, Server, experiment, now
from results import ALPHA, N_STAR, expect, near

PEOPLE = 3000
AGES = (20, 30, 40, 50, 60)
METRICS = {"buy": {"event": "buy", "kind": "binary", "direction_good": "up"},
           "complaint": {"event": "complaint", "kind": "binary", "direction_good": "down"},
           "spend": {"event": "buy", "kind": "mean"},
           "mid": {"event": "buy", "kind": "quantile", "quantile": 0.5}}
RHO2 = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / N_STAR


class Quota:
    """Whether this one of a cell has the event, so that always the same part of the cell has: what is asked of the data is there
    in every run, and nothing else is."""

    def __init__(self):
        self.seen = {}

    def has(self, part, *cell):
        n = self.seen[cell] = self.seen.get(cell, 0) + 1
        return math.floor(n * part) > math.floor((n - 1) * part)


def people(s, key, rng, gain):
    """country DE gains, and so do the older; of XX there are few. Complaints have nothing to do with any of it."""
    crowd, quota = [], Quota()
    for i in range(PEOPLE):
        p = {"name": f"{key}-{i}", "country": "XX" if i % 100 == 0 else ("DE", "FR")[i % 2], "age": AGES[i // 2 % 5], "events": []}
        p["variant"] = s.post(f"/ofrep/v1/evaluate/flags/{key}?enroll=false", {"context": {"targetingKey": p["name"]}}, "client").json["variant"]
        helped = gain and p["variant"] == "treatment" and p["country"] == "DE"
        cell = p["variant"], p["country"], p["age"]
        if quota.has(0.3 + (0.25 + (p["age"] - 40) / 60 if helped else 0), "buy", *cell):
            p["events"].append(("buy", rng.randint(1, 9)))
        if quota.has(0.1, "complaint", *cell):
            p["events"].append(("complaint", 1))
        crowd.append(p)
    return crowd


def send(s, key, crowd):
    def event(p, at, **fields):
        return {"id": str(uuid.uuid4()), "units": {"user": p["name"]}, "ts": now(at), **fields}
    exposures = [event(p, -60, experiment=key, variant=p["variant"], phase=1,
                       attributes={"country": p["country"], "age": p["age"], "code": "7a" if p["age"] == 20 else str(p["age"])}) for p in crowd]
    outcomes = [event(p, -30, name=name, value=value) for p in crowd for name, value in p["events"]]
    for path, events in (("outcomes", outcomes), ("exposures", exposures)):
        for i in range(0, len(events), 500):
            a = s.post("/v1/" + path, {"events": events[i:i + 500]}, "events")
            assert a.status == 202 and a.json["rejected"] == 0, a


def value(p, metric):
    mine = [v for name, v in p["events"] if name == METRICS[metric]["event"]]
    return float(bool(mine)) if METRICS[metric]["kind"] == "binary" else float(sum(mine))


def arms(crowd, metric):
    return [[(p["age"], value(p, metric)) for p in crowd if p["variant"] == arm] for arm in ("treatment", "control")]


def stat(rows):
    ys = [y for _, y in rows]
    return dict(units=len(ys), event_units=sum(map(bool, ys)), sum=sum(ys) * 10**6, sum_sq=sum(y * y for y in ys) * 10**12)


def with_half(effect, variance, n):
    """Interval and ln E around an estimate: AsympCS from its definition."""
    x = n * RHO2
    half = math.sqrt(variance * 2 * (x + 1) / x * math.log(math.sqrt(x + 1) / ALPHA))
    return dict(effect=effect, std_error=math.sqrt(variance), low=effect - half, high=effect + half,
                ln_e=-0.5 * math.log(1 + x) + effect * effect / variance * x / (2 * (1 + x)))


def slope(rows):
    """Of y on x by least squares, and White's variance, from the people themselves."""
    n, mx, my = len(rows), sum(x for x, _ in rows) / len(rows), sum(y for _, y in rows) / len(rows)
    xx = sum((x - mx) ** 2 for x, _ in rows)
    b = sum((x - mx) * (y - my) for x, y in rows) / xx
    return b, n / (n - 2) * sum((x - mx) ** 2 * (y - my - b * (x - mx)) ** 2 for x, y in rows) / xx**2


def ebh(found):
    """The names e-BH rejects among all that are asked; None: suppressed, and asked all the same."""
    n = len(found)
    for k in range(n, 0, -1):
        hits = {name for name, ln_e in found.items() if ln_e is not None and ln_e >= math.log(n / (ALPHA * k))}
        if len(hits) >= k:
            return hits
    return set()


def same(c, what, got, want):
    wrong = {k: (got.get(k), v) for k, v in want.items() if not near(got.get(k), v)}
    c.check(what, not wrong, wrong)


def treatment(doc, metric):
    m = next(m for m in doc["metrics"] if m["metric"] == metric)
    return next(v for v in m["variants"] if v["variant"] == "treatment")


def segments(c, crowd, metric, uplift):
    got = {(x["attribute"], x["value"]): x for x in uplift["segments"]}
    asked = {("country", p["country"]) for p in crowd} | {("age", str(p["age"])) for p in crowd} | {
        ("code", "7a" if p["age"] == 20 else str(p["age"])) for p in crowd}
    c.equal(f"{metric}: every segment is asked", (set(got), uplift["asked"]), (asked, len(asked)))
    found = {}
    for attribute, name in asked:
        inside = {"country": lambda p, n=name: p["country"] == n, "age": lambda p, n=name: str(p["age"]) == n,
                  "code": lambda p, n=name: str(p["age"]) == n.replace("7a", "20")}[attribute]
        t, k = arms([p for p in crowd if inside(p)], metric)
        have = min(min(sum(map(bool, ys)), len(ys) - sum(map(bool, ys))) for ys in ([y for _, y in a] for a in (t, k)))
        x = got[attribute, name]
        found[attribute, name] = None
        if METRICS[metric]["kind"] == "binary" and have < 20:
            c.check(f"   {attribute} {name} is suppressed, in words", x["suppressed"] and x["effect"] is None and x["low"] is None and x["ln_e"] is None
                    and not x["rejected"] and x["words"] == "suppressed: 20 units with the event, and as many without, are needed in each arm, "
                    f"and one has {have}", x)
        elif not x["suppressed"]:
            e = expect("binary" if METRICS[metric]["kind"] == "binary" else "mean", [stat(t)], [stat(k)])
            found[attribute, name] = e["ln_e"]
            same(c, f"   {attribute} {name}: effect, interval and ln E are Python's", x,
                 dict(effect=e["difference"], std_error=e["std_error"], low=e["low"], high=e["high"], ln_e=e["ln_e"], units=len(t) + len(k)))
        else:
            c.check(f"   {attribute} {name} is suppressed for want of amounts", METRICS[metric]["kind"] == "mean" and "are needed in each arm" in x["words"], x)
    c.equal("   e-BH over all of them says who gains", {name for name, x in got.items() if x["rejected"]}, ebh(found))
    return got


def slopes(c, crowd, metric, uplift):
    c.equal(f"{metric}: of the attributes whose values are numbers", [x["attribute"] for x in uplift["slopes"]], ["age"])
    (t, vt), (k, vk) = map(slope, arms(crowd, metric))
    got = uplift["slopes"][0]
    want = with_half(t - k, vt + vk, len(crowd))
    same(c, "   treatment × number: slopes, interval and ln E are Python's", got, dict(want, treatment=t, control=k, units=len(crowd)))
    c.equal("   e-BH says whether", got["rejected"], bool(ebh({"age": want["ln_e"]})))
    c.equal("   over which values", (got["from"], got["to"], got["left_out"]), (20, 60, 0))
    return got


def gains(s, c, crowd, doc):
    for metric in ("buy", "complaint", "spend"):
        uplift = treatment(doc, metric)["uplift"]
        c.check(f"{metric}: labelled", uplift["use"] == "for reading: never used to stop" and "e-BH" in uplift["method"], uplift)
        got = segments(c, crowd, metric, uplift)
        if metric == "buy":
            c.check("   who gains is found: DE, and not FR", got["country", "DE"]["found"] == "gain" and got["country", "FR"]["found"] is None
                    and got["country", "DE"]["words"] == "higher here with the treatment", got)
            c.check("   the more, the older", slopes(c, crowd, metric, uplift)["words"] == "the effect rises with it", uplift["slopes"])
        elif metric == "complaint":
            c.check("   nothing is claimed of what nothing changes", not any(x["rejected"] for x in uplift["segments"] + uplift["slopes"]), uplift)
            slopes(c, crowd, metric, uplift)
    c.check("control and quantiles have none", "uplift" not in treatment(doc, "mid")
            and all("uplift" not in v for m in doc["metrics"] for v in m["variants"] if v["is_control"]))
    rows = s.sql("select attribute, effect, rejected from cohort.uplift('x') where metric = 'buy' and (along or value = 'DE') order by along")
    c.check("SQL has it, too", [(r[0], r[2]) for r in rows] == [("country", "t"), ("age", "t")], rows)
    p = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", s.data, "results", "x"], capture_output=True, text=True, check=False)
    c.check("and cohortctl", p.returncode == 0 and "who gains" in p.stdout and "never used to stop" in p.stdout
            and "the effect rises with it" in p.stdout and "suppressed: " in p.stdout, p.stdout + p.stderr)
    c.check("no stop comes of it", doc["status"] == "running" and doc["stop"] is None, doc["stop"])


def nobody(c, doc):
    claimed = [x for metric in ("buy", "complaint", "spend") for part in ("segments", "slopes")
               for x in treatment(doc, metric)["uplift"][part] if x["rejected"]]
    c.check("where nobody gains, nothing is claimed", not claimed, claimed)


def main():
    c, rng = Checks(), random.Random(5)
    with Server() as s:
        for key, doc in METRICS.items():
            assert s.put("/v1/metrics/" + key, doc).status == 200, key
        crowds = {}
        for key in ("x", "y"):
            a = s.put("/v1/experiments/" + key, experiment(
                guardrails=[], exposure="reported", segments=["country", "age", "code"], planned_units=int(N_STAR),
                metrics=[{"metric": m, "role": "primary" if m == "buy" else "secondary"} for m in METRICS]))
            assert a.status == 200, a
            s.post(f"/v1/experiments/{key}/start")
            s.until(lambda k=key: s.evaluate(k, "w")["reason"] == "SPLIT", "the experiment runs")
            crowds[key] = people(s, key, rng, key == "x")
            send(s, key, crowds[key])

        def complete(key):
            doc = s.get(f"/v1/experiments/{key}/results").json
            sums = [v["sums"] for m in doc["metrics"] for v in m["variants"] if "sums" in v and m["metric"] in ("buy", "complaint")]
            assert sum(x["n"] for v in sums for x in v) == 2 * PEOPLE, sums
            events = sum(value(p, m) for p in crowds[key] for m in ("buy", "complaint"))
            assert sum(x["sum"] for v in sums for x in v) == events, (sums, events)
            return doc
        gains(s, c, crowds["x"], s.until(lambda: complete("x"), "all is counted"))
        nobody(c, s.until(lambda: complete("y"), "all is counted"))
    c.done()


if __name__ == "__main__":
    main()
