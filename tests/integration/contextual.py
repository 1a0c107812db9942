#!/usr/bin/env python3
"""A contextual bandit from its definition to its replay: customers whose taste is known are served, a model is trained, its
decisions carry their probabilities, the way back is one statement, and a challenger's value comes near the truth."""
import json
import os
import random
import subprocess

from cohort_server import BUILD, Checks, Server, moment, near

KEY = "offer"
FEATURES = [{"name": "age", "attribute": "age", "kind": "number"},
            {"name": "plan", "attribute": "plan", "kind": "one_hot", "values": ["free", "pro"]},
            {"name": "new", "attribute": "new", "kind": "boolean"},
            {"name": "new_pro", "kind": "interaction", "of": ["new", "plan"]}]
DEFINITION = {
    "variants": [{"key": "control", "value": "a", "control": True}, {"key": "b", "value": "b"}],
    "bandit": {"reward": "click", "every_s": 10, "warm_up": 100, "uniform_ppm": 100000},
    "contextual": {"features": FEATURES},
}


def taste(variant, context):
    """The chance of a click: free customers like b, pro ones the control. So far apart that a model which has seen a hundred
    of them knows it, whatever chance does."""
    return 0.9 if likes(variant, context) else 0.1


def likes(variant, context):
    return (variant == "control") == (context["plan"] == "pro")


class Market:
    """Customers who come, are served, and click or don't, at once."""

    def __init__(self, s):
        self.s, self.n, self.draw = s, 0, random.Random(7)

    def serve(self, customers):
        """The share of them that got what they like: clicks follow from it, with more noise."""
        liked = 0
        for _ in range(customers):
            self.n += 1
            user = f"m-{self.n}"
            context = {"age": self.draw.randint(20, 60), "plan": self.draw.choice(["free", "pro"]), "new": self.draw.random() < 0.5}
            answer = self.s.evaluate(KEY, user, **context)
            variant = answer["variant"]
            if self.draw.random() < taste(variant, context):
                assert self.s.outcome("click", user, ts=moment(answer["metadata"]["decisionId"]))["status"] == "accepted"
            liked += likes(variant, context)
        return liked / customers


def defined(s, c):
    s.put("/v1/metrics/click", {"event": "click", "kind": "binary", "window_end_s": 4, "direction_good": "up"})
    a = s.put(f"/v1/experiments/{KEY}", DEFINITION)
    c.check("a contextual bandit is defined over REST", a.status == 200 and a.json["kind"] == "contextual", a)
    a = s.post(f"/v1/experiments/{KEY}/start", {})
    c.check("and started", a.status == 200, a)
    # Nothing of this test is under way for a minute.
    s.sql("create or replace function cohort.lateness() returns interval language sql immutable parallel safe as $$ select interval '2 s' $$")
    s.until(lambda: s.evaluate(KEY, "first", age=30, plan="pro", new=True)["reason"] == "SPLIT", "it is served")


def trained(s, c, market):
    before = market.serve(900)
    s.until(lambda: s.value(f"select count(*) from cohort.model where experiment = '{KEY}'") != "0", "a model")
    doc = json.loads(s.value(f"select to_json(m) from cohort.model m where experiment = '{KEY}' and version = 1"))
    c.equal("a model has a row of weights for each variant and column", {k: len(w) for k, w in doc["document"]["weights"].items()},
            {"control": 7, "b": 7})
    c.check("its calibration was measured on decisions it had not seen", doc["calibration"]["held_out"] and doc["calibration"]["error"] < 0.2
            and doc["calibration"]["squared"] < doc["calibration"]["squared_of_means"], doc["calibration"])
    c.check("its phase is in the audit", s.value("select count(*) > 0 from cohort.audit where object = 'model'") == "t")
    s.until(lambda: served_by_model(s), "the model decides")
    after = market.serve(500)
    c.check(f"more get what they like: {before:.3f} before, {after:.3f} after", after > before + 0.08)


def served_by_model(s):
    s.evaluate(KEY, f"probe-{random.random()}", age=40, plan="pro", new=False)
    return s.value("select count(*) from cohort.decision where model_id is not null and reason = 'VARIANT'") != "0"


def logged(s, c):
    s.until(lambda: s.value("select count(*) > 400 from cohort.decision where model_id is not null") == "t", "the log")
    c.equal("vectors sum to a million and the propensity is theirs", s.sql(
        "select count(*) filter (where t.sum <> 1000000), count(*) filter (where (d.eligible ->> d.variant_id::text)::int <> d.propensity)"
        " from cohort.decision d cross join lateral (select sum(v::int) from jsonb_each_text(d.eligible) x(k, v)) t where d.model_id is not null"),
            [["0", "0"]])
    c.equal("what was seen is in the log", s.value("select count(*) from cohort.decision where model_id is not null and not inputs ?& '{age,plan,new}'"
                                                   " and reason <> 'ATTRIBUTE_MISSING'"), "0")
    # Over all decisions the mean of 1 / p of those that got an arm is 1: the propensities are what they say. By what
    # each decision's vector says of the arm, its standard error is known; seven, as small p are seldom drawn and weigh much.
    inverse = [[float(v) for v in x] for x in s.sql(
        "select sum(case when d.variant_id = v.id then 1e6 / d.propensity else 0 end) / count(*),"
        " sqrt(sum(1e6 / (d.eligible ->> v.id::text)::int - 1)) / count(*) from cohort.decision d"
        f" join cohort.variant v on v.experiment = '{KEY}' where d.model_id is not null and d.reason = 'VARIANT' group by v.id")]
    c.check("the mean of 1/p of each arm is 1", len(inverse) == 2 and all(abs(x - 1) < 7 * e for x, e in inverse), inverse)


def safe(s, c):
    """Outside of what the model has seen, the control: with its own reason and propensity 1."""
    def ask(user, **context):
        for i in range(200):  # customers in the reserved slice are drawn whatever they are
            s.evaluate(KEY, f"{user}-{i}", **context)
    ask("old", age=900, plan="pro", new=False)
    ask("bare", age=30, plan="pro")
    s.until(lambda: s.value("select count(distinct reason) from cohort.decision where reason in ('OUT_OF_RANGE', 'ATTRIBUTE_MISSING')") == "2", "both reasons")
    c.equal("a number out of range and a missing attribute get the safe variant, with propensity 1", s.sql(
        "select distinct d.reason, v.key, d.propensity, d.eligible = jsonb_build_object(v.id::text, 1000000) from cohort.decision d"
        " join cohort.variant v on v.id = d.variant_id where d.reason in ('OUT_OF_RANGE', 'ATTRIBUTE_MISSING') order by 1"),
            [["ATTRIBUTE_MISSING", "control", "1000000", "t"], ["OUT_OF_RANGE", "control", "1000000", "t"]])


def challenged(s, c):
    rule = {"kind": "rule", "rules": [{"condition": {"plan": "pro"}, "variant": "control"}], "otherwise": "b"}
    a = s.put(f"/v1/experiments/{KEY}/challengers", [{"key": "taste", "policy": rule}, {"key": "all-b", "policy": {"kind": "variant", "variant": "b"}},
                                                     {"key": "first", "policy": {"kind": "model", "version": 1}}])
    c.check("challengers are registered over REST", a.status == 200 and len(a.json["challengers"]) == 3, a)
    a = s.put(f"/v1/experiments/{KEY}/challengers", [{"key": "x", "policy": {"kind": "rule", "rules": [{"condition": {"shoe": 44}, "variant": "b"}],
                                                                             "otherwise": "b"}}])
    c.equal("a rule about what the log doesn't have is refused in words", (a.status, a.json.get("code")), (422, "challenger_attribute"))

    def value(key):
        return json.loads(s.value(f"select cohort.off_policy('{KEY}', '{key}')"))["value"]
    for key, truth in (("taste", 0.9), ("all-b", 0.5)):
        v = s.until(lambda k=key: value(k) if value(k)["state"] == "answered" and value(k)["decisions"] > 1000 else None, f"the value of {key}")
        c.check(f"the value of {key}, {truth}, is near its interval: {v['dr']}", near(v["dr"]["low"], truth, v["dr"]["high"])
                and abs(v["dr"]["value"] - truth) < 0.15 and abs(v["snips"]["value"] - truth) < 0.15 and v["ess"] >= 100, v)
    v = s.until(lambda: value("first") if value("first")["state"] == "answered" else None, "the value of the model")
    c.check("a model version is a challenger like any other", 0.6 < v["dr"]["value"] < 1, v)
    a = s.get(f"/v1/experiments/{KEY}/challengers")
    c.equal("REST tells the values", [x["value"]["state"] for x in a.json["challengers"]], ["answered"] * 3)


def back(s, c):
    was = s.value(f"select max(number) from cohort.phase where experiment = '{KEY}'")
    c.equal("back in one statement", s.value(f"select cohort.use_model('{KEY}', 1)"), "model 1")
    c.equal("it opened a phase of that model, held", s.sql(
        f"select p.number > {was}, m.version, b.held from cohort.phase p join cohort.model m on m.id = p.model_id join cohort.bandit b on b.experiment = p.experiment"
        f" where p.experiment = '{KEY}' order by p.number desc limit 1"), [["t", "1", "t"]])
    a = s.post(f"/v1/experiments/{KEY}/promote_challenger", {"challenger": "all-b", "reason": "a test"})
    c.check("a challenger is promoted by one call", a.status == 200, a)
    c.equal("all but the floors for it", s.sql(
        "select v.key, pv.share_ppm from cohort.phase p join cohort.phase_variant pv on pv.phase_id = p.id join cohort.variant v on v.id = pv.variant_id"
        f" where p.experiment = '{KEY}' and p.number = (select max(number) from cohort.phase where experiment = '{KEY}') order by v.key"),
            [["b", "990000"], ["control", "10000"]])
    a = s.post(f"/v1/experiments/{KEY}/promote_challenger", {"challenger": "taste"})
    c.equal("a rule can't decide in a bandit, and that is said", (a.status, a.json.get("code")), (409, "challenger_rule_promote"))
    c.check("learning goes on when it is let", s.value(f"select cohort.use_model('{KEY}') ~ '^model [1-9]'") == "t"
            and s.value(f"select held from cohort.bandit where experiment = '{KEY}'") == "f")


def by_units(s, c):
    """An A/B test: half of it is the log of what everybody would do with one variant."""
    s.put("/v1/experiments/half", {"variants": [{"key": "control", "share_ppm": 500000, "value": "a", "control": True},
                                                {"key": "b", "share_ppm": 500000, "value": "b"}], "metrics": [{"metric": "click", "role": "primary"}]})
    s.post("/v1/experiments/half/start", {})
    a = s.put("/v1/experiments/half/challengers", [{"key": "b", "policy": {"kind": "variant", "variant": "b"}}])
    c.check("an A/B test has challengers, too", a.status == 200, a)
    s.until(lambda: s.evaluate("half", "h-0")["reason"] == "SPLIT", "the A/B test is served")
    served, clicks = {}, []
    for i in range(400):  # a click at once: the metric's window is short
        user = f"h-{i}"
        a = s.evaluate("half", user)
        served[user] = a["variant"]
        if served[user] == "b" and i % 2:
            clicks.append(user)
            s.outcome("click", user, ts=moment(a["metadata"]["decisionId"]))
    got = sum(1 for v in served.values() if v == "b")

    def value():
        v = json.loads(s.value("select cohort.off_policy('half', 'b')"))["value"]
        return v if v["state"] == "answered" and v["units"] == 400 and abs(v["logged"] - len(clicks) / 400) < 1e-9 else None
    v = s.until(value, "the value of a variant of an A/B test")
    c.check(f"its value is what the variant's units did: {v['snips']}", abs(v["snips"]["value"] - len(clicks) / got) < 1e-9 and v["method"] == "units", v)
    c.equal("promoted, it is shipped", s.value("select cohort.promote_challenger('half', 'b')"), "shipped")


def effects(s, c):
    rows = {(r[0], r[1]): r for r in s.sql(f"select variant, slice, value, low, high from cohort.reward_effects('{KEY}')")}
    c.equal("effects of each variant, and from the slice", sorted(rows), [("b", "f"), ("b", "t"), ("control", "f"), ("control", "t")])
    c.check("each is what everybody would do with it, 0.5", all(near(float(r[3]), 0.5, float(r[4])) for r in rows.values() if r[3])
            and all(abs(float(r[2]) - 0.5) < 0.15 for r in rows.values() if r[1] == "f"), rows)
    c.equal("counts are not broken by a model that gives variants to different people",
            s.value(f"select count(*) from cohort.srm_cells((select id from cohort.experiment where key = '{KEY}')) x"
                    " join cohort.phase p on p.id = x.phase_id where p.model_id is not null"), "0")


def replayed(s, c):
    r = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", s.data, "replay", KEY], capture_output=True, text=True, check=False, timeout=300)
    c.check("every decision is computed again from the log, with 0 differences", r.returncode == 0 and "\n0 differences" in r.stdout, r.stdout + r.stderr)


def main():
    c = Checks()
    with Server() as s:
        market = Market(s)
        defined(s, c)
        trained(s, c, market)
        safe(s, c)
        logged(s, c)
        challenged(s, c)
        back(s, c)
        effects(s, c)
        replayed(s, c)
        by_units(s, c)
    c.done()


if __name__ == "__main__":
    main()
