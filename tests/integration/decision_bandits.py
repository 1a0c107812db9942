#!/usr/bin/env python3
"""Bandits that draw every decision: shares follow the rewards of decisions, effects are those of Python from the log, the best
challenger comes into force by itself where it may, and a model learns that less is better."""
import json
import math
import os
import random
import subprocess
import sys
import uuid

from cohort_server import BUILD, Checks, Server, moment, near

RATES = {"control": 0.1, "b": 0.1, "c": 0.6}
N_STAR, ALPHA = 1000, 0.05


def start(s, key, **doc):
    a = s.put("/v1/experiments/" + key, {"variants": [{"key": k, "value": k} for k in RATES], **doc})
    assert a.status == 200, a
    a = s.post(f"/v1/experiments/{key}/start")
    assert a.status == 200, a
    s.until(lambda: s.evaluate(key, "w", new=True)["reason"] == "SPLIT", key + " is served")


def play(s, key, name, users, rates, seed):
    """A decision for each, and an outcome that names it at the variant's rate; the rewards by decision."""
    rng = random.Random(seed)
    rewards, batch = {}, []
    for n, user in enumerate(users, 1):
        a = s.evaluate(key, user, new=rng.random() < 0.5)
        decision = a["metadata"]["decisionId"]
        rewards[decision] = int(rng.random() < rates[a["variant"]])
        if rewards[decision]:
            batch.append({"id": str(uuid.uuid4()), "name": name, "units": {"user": user}, "ts": moment(decision), "decision": decision})
        # Soon: the leader learns from what has come when decisions mature.
        if batch and (n % 20 == 0 or n == len(users)):
            a = s.post("/v1/outcomes", {"events": batch}, "events")
            assert a.json["rejected"] == 0, a
            batch = []
    return rewards


def shares(s, key):
    phase = s.get("/v1/experiments/" + key).json["phases"][-1]
    return phase["number"], {v["key"]: v["share_ppm"] for v in phase["variants"]}


def learns(s, c):
    start(s, "dec", planned_units=N_STAR, bandit={"reward": "bought", "assign": "decision", "every_s": 10, "warm_up": 20, "uniform_ppm": 200000, "floor_ppm": 20000})
    users = [f"u-{i % 300}" for i in range(500)]
    rewards = play(s, "dec", "bought", users, RATES, 1)
    # An update before all rewards are in goes by those that are: a busy machine's first.
    number, evidence = s.until(lambda: s.sql(
        "select p.number, u.evidence from cohort.bandit_update u join cohort.experiment e on e.id = u.experiment_id and e.key = 'dec'"
        " join cohort.phase p on p.id = u.phase_id join cohort.phase_variant q on q.phase_id = p.id and q.share_ppm > 700000"
        " join cohort.variant v on v.id = q.variant_id and v.key = 'c'"
        " where (select sum((a ->> 'n')::numeric) from jsonb_array_elements(u.evidence -> 'arms') a) > 300 order by u.id desc limit 1"),
        "shares that follow the rewards of decisions")[0]
    evidence = json.loads(evidence)
    c.check("an update leans on decisions, not on units", evidence["assign"] == "decision" and sum(a["n"] for a in evidence["arms"]) > 300
            and sum(a["sum"] for a in evidence["arms"]) <= sum(rewards.values()), evidence)
    s.until(lambda: s.value(f"select p.starts_at <= clock_timestamp() from cohort.phase p join cohort.experiment e on e.id = p.experiment_id"
                            f" where e.key = 'dec' and p.number = {number}") == "t", "the new phase")
    return {**rewards, **play(s, "dec", "bought", users, RATES, 2)}


def from_the_log(s, rewards):
    """Effects as documented, from each decision, its shares, and the rewards that were sent."""
    phase = {r[0]: (r[1] == "traffic", json.loads(r[2])) for r in s.sql(
        "select p.id, p.kind, jsonb_object_agg(v.key, pv.share_ppm) from cohort.phase p join cohort.experiment e on e.id = p.experiment_id"
        " join cohort.phase_variant pv on pv.phase_id = p.id join cohort.variant v on v.id = pv.variant_id where e.key = 'dec' group by p.id, p.kind")}
    log = s.sql("select d.decision_id, d.unit_id, d.phase_id, v.key, d.propensity from cohort.decision d join cohort.experiment e"
                " on e.id = d.experiment_id and e.key = 'dec' join cohort.variant v on v.id = d.variant_id where d.reason = 'VARIANT'")
    out = {}
    for in_slice in (True, False):
        for arm in RATES:
            groups, n, events = {}, 0, 0
            for decision, unit, at, variant, propensity in log:
                if phase[at][0] != in_slice:
                    continue
                h = 1 if in_slice else math.sqrt(phase[at][1][arm] / 1e6)
                g = groups.setdefault(int(unit[-4:], 16) & 1023, [0.0, 0.0, 0.0])
                g[0] += h
                if variant == arm:
                    n += 1
                    events += rewards.get(decision, 0)
                    g[1] += h * 1e6 / int(propensity)
                    g[2] += h * 1e6 / int(propensity) * rewards.get(decision, 0)
            total, hw, hwy = (sum(g[i] for g in groups.values()) for i in range(3))
            mean = hwy / hw
            se = math.sqrt(sum((g[2] - mean * g[1]) ** 2 for g in groups.values())) / total
            a = ALPHA / len(RATES)
            x = total * (-2 * math.log(a) + math.log(1 - 2 * math.log(a))) / N_STAR
            half = se * math.sqrt(2 * (x + 1) / x * math.log(math.sqrt(x + 1) / a))
            out[in_slice, arm] = dict(decisions=n, events=events, groups=len(groups), value=mean, std_error=se)
            if min(events, n - events) >= 20:
                out[in_slice, arm].update(low=mean - half, high=mean + half)
    return out


def effects(s, c, rewards):
    def counted():
        return s.value(f"select count(*) = {sum(rewards.values())} and not exists (select from cohort.ingest_batch where applied_at is null)"
                       " from cohort.outcome where name = 'bought' and decision_id is not null") == "t" and s.value("select count(*) from cohort.decision d join cohort.experiment e on e.id = d.experiment_id and e.key = 'dec'"
                       " where d.reason = 'VARIANT' and not exists (select from cohort.decision_reward r join cohort.reward_source x"
                       " on x.experiment_id = r.experiment_id and r.ts <= x.matured_to where r.decision_id = d.decision_id)") == "0" and s.value(
                           "select count(*) from cohort.decision d join cohort.experiment e on e.id = d.experiment_id and e.key = 'dec'"
                           " where d.reason = 'VARIANT'") > "0"
    s.until(counted, "every decision has matured, with every reward")
    want, got = from_the_log(s, rewards), s.get("/v1/experiments/dec/results").json["bandit"]["effects"]
    for name, in_slice in (("adaptive", False), ("uniform", True)):
        arms = {v["variant"]: v for v in got[name]["variants"]}
        c.equal(f"{name}: every variant", set(arms), set(RATES))
        for arm, numbers in ((a, want[in_slice, a]) for a in RATES):
            wrong = {k: (arms[arm][k], v) for k, v in numbers.items() if abs(arms[arm][k] - v) > 1e-6}
            c.check(f"   {arm}: decisions, groups, value and interval are Python's", not wrong, wrong)
            if "low" not in numbers:
                c.check("   with few events there is no interval, in words", arms[arm]["low"] is None and arms[arm]["high"] is None
                        and arms[arm]["words"] == "no interval: it needs 20 decisions with the event and 20 without, and has "
                        f"{numbers['events']} of {numbers['decisions']}", arms[arm])
                continue
            c.check("   the truth is near", near(arms[arm]["low"], RATES[arm], arms[arm]["high"]) and arms[arm]["words"] is None, arms[arm])
            if not arms[arm]["is_control"] and arms["control"]["low"] is not None:
                c.check("   difference to control, while both intervals hold", abs(arms[arm]["difference"] - arms[arm]["value"] + arms["control"]["value"]) < 1e-12
                        and abs(arms[arm]["difference_low"] - arms[arm]["low"] + arms["control"]["high"]) < 1e-12, arms[arm])
        method = got[name]["method"]
        c.check("   labelled with its method", "unit-clustered variance, " in method and " groups of units" in method and "anytime-valid" in method
                and ("√e-weighted AIPW" if name == "adaptive" else "reserved slice, equal shares") in method, method)
    adaptive, uniform = (next(v for v in got[name]["variants"] if v["variant"] == "c") for name in ("adaptive", "uniform"))
    c.check("c is better, and the slice points there", adaptive["difference"] > 0.2 and uniform["difference"] > 0.1, got)
    p = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", s.data, "results", "dec"], capture_output=True, text=True, check=False)
    c.check("cohortctl shows both", p.returncode == 0 and "had every one got it" in p.stdout and "the same from the reserved slice alone" in p.stdout, p.stdout + p.stderr)


def fixed(s, c):
    rows = s.sql("select f.units, f.method from cohort.results_fixed('dec') f")
    inside = s.value("select count(*) from cohort.exposure x join cohort.experiment e on e.id = x.experiment_id and e.key = 'dec'"
                     " join cohort.phase p on p.id = x.phase_id and p.number = 1")
    c.check("fixed-horizon numbers of a bandit are the reserved slice's, and say so", sum(int(r[0]) for r in rows) == int(inside) > 20
            and all("of the reserved slice alone" in r[1] for r in rows), (rows, inside))


def promoted(s, c):
    start(s, "auto", bandit={"reward": "bought", "assign": "decision", "every_s": 2592000, "uniform_ppm": 100000, "promote": "automatic"})
    a = s.put("/v1/experiments/auto/challengers", [{"key": k, "policy": {"kind": "variant", "variant": k}} for k in ("b", "c")])
    c.check("challengers of a bandit whose best one may come into force by itself", a.status == 200, a)
    play(s, "auto", "bought", [f"a-{i}" for i in range(800)], RATES, 3)
    number, got = s.until(lambda: (lambda p: p if p[0] > 2 else None)(shares(s, "auto")), "the promotion")
    c.equal("the better one is put in force, the others at their floor", (number, got), (3, {"control": 10000, "b": 10000, "c": 980000}))
    c.check("the log says why", "challenger c is put in force" in s.log() and "the near end of its interval is" in s.log(), s.log()[-800:])


def less_is_better(s, c):
    start(s, "calm", bandit={"reward": "complained", "every_s": 10, "warm_up": 50, "uniform_ppm": 100000},
          contextual={"features": [{"name": "new", "attribute": "new", "kind": "boolean"}]})
    play(s, "calm", "complained", [f"c-{i}" for i in range(600)], {"control": 0.5, "b": 0.5, "c": 0.1}, 4)
    s.until(lambda: any(s.evaluate("calm", f"w-{i}", new=True)["metadata"]["phase"] > 2 for i in range(20)), "a model decides")

    def drawn(people):
        answers = [s.evaluate("calm", f"d-{people}-{i}", new=True) for i in range(300)]
        return [a["variant"] for a in answers if a["metadata"]["phase"] > 2]
    got, crowds = [], iter(range(1000))  # a model before all complaints are in goes by those that are
    s.until(lambda: got.append(drawn(next(crowds))) or got[-1].count("c") > 0.6 * len(got[-1]), "a model that prefers what has fewer complaints")
    c.check("a model prefers what has fewer complaints", len(got[-1]) > 200, (len(got[-1]), got[-1].count("c")))


def main():
    c = Checks()
    with Server() as s:
        # Windows that are closed as soon as they end: rewards need no minutes to mature.
        s.sql("create or replace function cohort.lateness() returns interval language sql immutable parallel safe as $$ select interval '0 seconds' $$;"
              "insert into cohort.metric (key, event, window_end_s, direction_good) values ('bought', 'bought', 4, 'up'), ('complained', 'complained', 4, 'down')")
        for name in ("bought", "complained"):
            s.until(lambda n=name: s.outcome(n, "nobody")["status"] == "accepted", "the event is known")
        rewards = learns(s, c)
        effects(s, c, rewards)
        fixed(s, c)
        promoted(s, c)
        less_is_better(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
