#!/usr/bin/env python3
"""What a subject gets over OFREP: environments, holdouts, sticky tokens, reading without enrolling, overrides; and
previews, which say why."""
import sys

from cohort_server import Checks, Server, experiment

HOLDOUT = {"variants": [{"key": "out", "share_ppm": 300000, "gives": "nothing", "control": True},
                        {"key": "in", "share_ppm": 700000, "gives": "everything"}]}


def preview(s, flag, user, key="admin", at=None, **attributes):
    body = {"flag": flag, "context": {"targetingKey": user, **attributes}}
    return s.post("/v1/preview", {**body, "at": at} if at else body, key)


def previews(s, c):
    s.put("/v1/experiments/cta", experiment(condition={"country": "DE"}))
    s.until(lambda: preview(s, "cta", "c-1").status == 200, "the flag")
    a = preview(s, "cta", "c-1", country="DE")
    c.check("a draft: not started, and so says a step", a.json["metadata"]["reason"] == "NOT_STARTED" and a.json["steps"], a)
    s.post("/v1/experiments/cta/start")
    s.until(lambda: preview(s, "cta", "c-1", country="DE").json["reason"] == "SPLIT", "it runs")
    a, d = preview(s, "cta", "c-1", country="DE").json, s.evaluate("cta", "c-1", country="DE")
    c.equal("a preview is what an evaluation gets", (a["variant"], a["value"], a["metadata"]["propensity"]),
            (d["variant"], d["value"], d["metadata"]["propensity"]))
    c.check("without an id of a decision, with the unit's hash and environment", "decisionId" not in a["metadata"]
            and a["unit"] == s.value("select cohort.unit_id('user', 'c-1')") and a["environment"] == "production", a)
    c.check("steps in words, and for programs", len(a["steps"]) == len(a["trace"]) >= 3
            and any("targeting" in x for x in a["steps"]) and any(d["variant"] in x for x in a["steps"]), a["steps"])
    a = preview(s, "cta", "c-1", country="FR").json
    c.check("outside its targeting: the step says so", a["metadata"]["reason"] == "TARGETING"
            and any(not t["ok"] for t in a["trace"]), a)
    before = s.value("select count(*) from cohort.decision where unit_id = cohort.unit_id('user', 'quiet')")
    preview(s, "cta", "quiet", country="DE")
    d = s.evaluate("cta", "loud", country="DE")["metadata"]["decisionId"]
    s.until(lambda: s.sql(f"select 1 from cohort.decision where decision_id = '{d}'"), "a later decision's row")
    c.equal("nothing is recorded", (before, s.value("select count(*) from cohort.decision where unit_id = "
                                                   "cohort.unit_id('user', 'quiet')")), ("0", "0"))
    for what, body, field in (("an unknown flag", {"flag": "nope", "context": {"targetingKey": "c"}}, "flag"),
                              ("no flag", {"context": {"targetingKey": "c"}}, "flag"),
                              ("no context", {"flag": "cta"}, "context"),
                              ("a bad time", {"flag": "cta", "context": {"targetingKey": "c"}, "at": "soon"}, "at"),
                              ("another field", {"flag": "cta", "context": {"targetingKey": "c"}, "who": 1}, "who")):
        a = s.post("/v1/preview", body)
        c.check(f"{what}: refused by name", a.status in (400, 404) and a.json["pointer"] == field, a)
    s.put("/v1/experiments/later", experiment(ends_at="2031-01-01T00:00:00Z"))
    s.post("/v1/experiments/later/start")
    s.until(lambda: preview(s, "later", "c-1").json["reason"] == "SPLIT" if preview(s, "later", "c-1").json.get("reason")
            else False, "later runs")
    a = preview(s, "later", "c-1", at="2031-01-01T00:00:00Z").json
    c.equal("a preview of another time", a["metadata"]["reason"], "ENDED")


def reading(s, c):
    path = "/ofrep/v1/evaluate/flags/cta?enroll="
    body = {"context": {"targetingKey": "reader", "country": "DE"}}
    a = s.post(path + "false", body, "client")
    c.equal("reading without enrolling answers the same", a.json["variant"], preview(s, "cta", "reader", country="DE").json["variant"])
    d = a.json["metadata"]["decisionId"]
    row = s.until(lambda: s.sql(f"select mode from cohort.decision where decision_id = '{d}'"), "its row")
    c.equal("it is logged as a reading", row, [["2"]])
    b = s.post(path + "true", {"context": {"targetingKey": "enrolled", "country": "DE"}}, "client")
    c.equal("?enroll=true is as without", b.status, 200)
    s.until(lambda: s.sql("select 1 from cohort.exposure where unit_id = cohort.unit_id('user', 'enrolled')"), "an exposure")
    c.equal("and a reading no exposure", s.sql("select 1 from cohort.exposure where unit_id = cohort.unit_id('user', 'reader')"), [])
    c.equal("another word is refused", s.post(path + "maybe", body, "client").status, 400)


def holdouts(s, c):
    """A unit held out of an experiment: fallback, log, and an exposure to the holdout whatever the arm."""
    s.put("/v1/holdouts/quarter", HOLDOUT)
    a = s.post("/v1/holdouts/quarter/start")
    c.check("a holdout starts", a.status == 200 and a.json["status"] == "running", a)
    s.put("/v1/experiments/held", experiment())
    s.post("/v1/experiments/held/start")
    s.until(lambda: s.post("/ofrep/v1/evaluate/flags/held", {"context": {"targetingKey": "w"}}, "client").json.get("reason")
            in ("SPLIT", "DEFAULT"), "held is served")
    answers = {f"h-{i}": s.evaluate("held", f"h-{i}") for i in range(60)}
    out = {u: a for u, a in answers.items() if a["metadata"]["reason"] == "HOLDOUT"}
    c.check("some are held out, others are not", 0 < len(out) < 50, len(out))
    unit, a = next(iter(out.items()))
    c.check("the answer names the holdout, and each unit's arm", a["metadata"]["holdout"] == "quarter"
            and a["metadata"]["holdouts"] == "quarter=out" and a["variant"] == "default"
            and all(x["metadata"]["holdouts"] == "quarter=in" for u, x in answers.items() if u not in out), a)
    row = s.until(lambda: s.sql(
        "select h.key, e.key, v.key is not null, d.variant_id is null, d.propensity from cohort.decision d"
        " join cohort.experiment e on e.id = d.experiment_id join cohort.experiment h on h.id = d.holdout_id"
        " left join cohort.variant v on v.id = d.counterfactual_variant_id"
        f" where d.decision_id = '{a['metadata']['decisionId']}'"), "the held-out decision's row")
    c.equal("the log has the holdout, the experiment and the variant it would have got", row,
            [["quarter", "held", "t", "t", "300000"]])
    want = {"out": len(out), "in": 60 - len(out)}
    rows = lambda: {k: int(n) for k, n in s.sql(
        "select v.key, count(*) from cohort.exposure e join cohort.experiment x on x.id = e.experiment_id"
        " join cohort.variant v on v.id = e.variant_id where x.key = 'quarter' and e.unit_id = any (select cohort.unit_id('user', 'h-' || i)"
        " from generate_series(0, 59) i) group by 1")}
    s.until(lambda: sum(rows().values()) == 60, "an exposure to the holdout for each")
    c.equal("each unit is exposed to its arm of the holdout", rows(), want)
    a = preview(s, "held", unit).json
    c.check("the preview says so in words", any("quarter" in x for x in a["steps"]) and a["counterfactual"], a)


def sticky(s, c):
    s.put("/v1/experiments/glue", experiment(sticky=True, condition={"plan": "pro"}))
    s.post("/v1/experiments/glue/start")
    s.until(lambda: preview(s, "glue", "x").status == 200 and preview(s, "glue", "x", plan="pro").json["reason"]
            in ("SPLIT", "DEFAULT"), "glue is served")
    user = next(u for u in (f"g-{i}" for i in range(50)) if s.evaluate("glue", u, plan="pro")["metadata"]["reason"] == "VARIANT")
    first = s.evaluate("glue", user, plan="pro")
    token = first["metadata"]["token"]
    a = s.evaluate("glue", user, plan="free", cohortTokens=token)
    c.check("a token keeps the variant outside the targeting", (a["variant"], a["metadata"]["reason"]) ==
            (first["variant"], "STICKY"), a)
    a = s.evaluate("glue", user, plan="free", cohortTokens=["nonsense", token])
    c.equal("in a list too", a["metadata"]["reason"], "STICKY")
    c.equal("another unit's token is worth nothing", s.evaluate("glue", "someone", plan="free", cohortTokens=token)
            ["metadata"]["reason"] == "STICKY", False)
    broken = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    c.equal("nor is a forged one", s.evaluate("glue", user, plan="free", cohortTokens=broken)["metadata"]["reason"], "TARGETING")
    bulk = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": user, "plan": "pro"}}, "client").json["flags"]
    c.check("bulk hands out tokens too", any("token" in f["metadata"] for f in bulk if f["key"] == "glue"), bulk)


def forced(s, c):
    unit = s.value("select cohort.unit_id('user', 'vip')")
    a = s.put("/v1/overrides/vip", {"experiment": "cta", "unit_id": unit, "variant": "treatment", "note": "the boss"})
    c.check("an override by REST", a.status == 200, a)
    s.until(lambda: s.evaluate("cta", "vip", country="FR")["metadata"]["reason"] == "OVERRIDE", "the override")
    d = s.evaluate("cta", "vip", country="FR")
    c.check("forced, whatever the targeting, without propensity", d["variant"] == "treatment"
            and "propensity" not in d["metadata"], d)
    later = s.evaluate("cta", "after-vip", country="DE")["metadata"]["decisionId"]
    s.until(lambda: s.sql(f"select 1 from cohort.decision where decision_id = '{later}'"), "a later row")
    c.equal("never an exposure", s.sql(f"select 1 from cohort.exposure where unit_id = '{unit}'"), [])
    c.equal("DELETE", s.request("DELETE", "/v1/overrides/vip", key="admin").status, 204)


def environments(s, c):
    """Another environment: keys, units and definitions of its own; a definition promoted from one to the other."""
    a = s.put("/v1/environments/staging", {})
    c.check("an environment by REST", a.status == 200 and a.json["key"] == "staging", a)
    keys = {r: s.value(f"set cohort.environment = 'staging'; select cohort.create_api_key('{r}', 'st')")
            for r in ("admin", "client", "events")}
    s.until(lambda: s.get("/v1/experiments", keys["admin"]).status == 200, "its keys")
    c.equal("it is empty", s.get("/v1/experiments", keys["admin"]).json["experiments"], [])
    a = s.post("/v1/experiments/later/promote", {"from": "staging"})
    c.check("a key of production writes into production only: nothing to pull from staging", a.status == 404, a)
    a = s.post("/v1/experiments/later/promote", {"from": "production"}, keys["admin"])
    c.check("promote: a draft there", a.status == 201, a)
    b = s.get("/v1/experiments/later", keys["admin"])
    c.check("with the same variants", b.status == 200 and b.json["status"] == "draft"
            and [v["key"] for v in b.json["variants"]] == ["control", "treatment"], b)
    s.post("/v1/experiments/later/start", key=keys["admin"])
    s.until(lambda: s.evaluate("later", "c", keys["client"])["reason"] == "SPLIT", "it is served there")
    c.equal("stopping it there", s.post("/v1/experiments/later/stop", key=keys["admin"]).json["status"], "stopped")
    c.equal("leaves production alone", s.get("/v1/experiments/later").json["status"], "running")
    p, q = preview(s, "later", "c").json, preview(s, "later", "c", keys["admin"]).json
    c.check("one raw id is two units", p["unit"] != q["unit"] and q["environment"] == "staging", (p, q))
    d = s.evaluate("later", "both", keys["client"])["metadata"]["decisionId"]
    row = s.until(lambda: s.sql(f"select e.environment from cohort.decision d join cohort.experiment e on e.id = "
                                f"d.experiment_id where d.decision_id = '{d}'"), "its row")
    c.equal("the log knows whose it is", row, [["staging"]])
    c.equal("an outcome there", s.outcome("unsubscribe", "c", keys["events"])["status"], "accepted")
    s.until(lambda: s.sql("set cohort.environment = 'staging'; select 1 from cohort.outcome where unit_id = "
                          "cohort.unit_id('user', 'c')"), "is of its unit")


def main():
    c = Checks()
    with Server() as s:
        for part in (previews, reading, forced, sticky, holdouts, environments):
            try:
                part(s, c)
            except (AssertionError, KeyError, TypeError, StopIteration) as e:
                c.check(f"{part.__name__} runs to its end", False, repr(e))
    c.done()


if __name__ == "__main__":
    sys.exit(main())
