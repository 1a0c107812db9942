#!/usr/bin/env python3
"""Definitions by SQL and by REST: one validation, one sentence; who, when, why; served within a second. ROLES: who may what
(access.py tries it)."""
import json
import sys
import time

from cohort_server import Checks, Server, experiment


def life(s, c):
    a = s.put("/v1/experiments/cta", experiment(description="A calmer button"))
    c.check("PUT makes a draft", a.status == 200 and a.json["status"] == "draft" and a.json["key"] == "cta", a)
    c.equal("a draft is not served, and says so", s.until(
        lambda: s.post("/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": "c"}}, "client").json,
        "the flag")["metadata"]["reason"] if _flag_known(s, "cta") else None, "NOT_STARTED")
    again = s.put("/v1/experiments/cta", experiment(description="A calmer button"))
    c.equal("PUT again changes nothing", again.json, a.json)
    a = s.post("/v1/experiments/cta/start", {"reason": "the legal team said yes"})
    last = a.json["history"][-1]
    c.check("start: running, with who, when and why", a.json["status"] == "running" and last["status"] == "running"
            and last["reason"] == "the legal team said yes" and "admin" in last["actor"] and last["at"], a)
    c.equal("GET returns the same", s.get("/v1/experiments/cta").json, a.json)
    c.check("the list has it", any(x["key"] == "cta" for x in _list(s)), s.get("/v1/experiments"))
    a = s.post("/v1/experiments/cta/start")
    c.check("starting twice is refused with a sentence", a.status == 409 and a.json["detail"] and a.json["constraint"], a)
    c.check("archiving a running one too", s.post("/v1/experiments/cta/archive").status == 409)
    a = s.post("/v1/experiments/cta/stop", {"reason": "enough seen"})
    c.equal("stop", a.json["status"], "stopped")
    c.equal("archive", s.post("/v1/experiments/cta/archive").json["status"], "archived")
    c.equal("an unknown one: 404", s.get("/v1/experiments/nope").status, 404)
    c.check("an unknown field beside reason: 400", s.post("/v1/experiments/cta/stop", {"why": "x"}).status == 400)


def _flag_known(s, key):
    return s.until(lambda: s.post("/ofrep/v1/evaluate/flags/" + key, {"context": {"targetingKey": "c"}},
                                  "client").status == 200, key)


def _list(s):
    a = s.get("/v1/experiments").json
    return a if isinstance(a, list) else a["experiments"]


def same_sentence(s, c):
    """A broken rule says the same in psql and in REST."""
    variants = "insert into cohort.variant (experiment, key, share_ppm, value) values " \
               "('%s', 'control', %d, '1'), ('%s', 'b', %d, '2');"

    def doc(a, b, **k):
        return {"variants": [{"key": "control", "share_ppm": a, "value": 1}, {"key": "b", "share_ppm": b, "value": 2}], **k}

    cases = [
        ("shares that don't sum", "e1", doc(500000, 400000),
         "insert into cohort.experiment (key) values ('e1');" + variants % ("e1", 500000, "e1", 400000)),
        ("an unknown metric", "e2", doc(500000, 500000, guardrails=[{"metric": "unsubscribes"}]),
         "insert into cohort.experiment (key) values ('e2');" + variants % ("e2", 500000, "e2", 500000) +
         "insert into cohort.guardrail (experiment, metric) values ('e2', 'unsubscribes');"),
        ("alpha of 2", "e3", doc(500000, 500000, alpha=2), "insert into cohort.experiment (key, alpha) values ('e3', 2);"),
        ("a bad key", "Bad%20Key", doc(500000, 500000), "insert into cohort.experiment (key) values ('Bad Key');"),
        ("an unknown operator", "e5", doc(500000, 500000, condition={"country": {"$near": 1}}),
         "insert into cohort.experiment (key, condition) values ('e5', '{\"country\": {\"$near\": 1}}');"),
    ]
    for what, key, document, script in cases:
        a = s.put("/v1/experiments/" + key, document)
        _, err, status = s.psql("begin;" + script + "commit;", False)
        detail = a.json.get("detail") or "-"
        c.check(f"{what}: refused by both with one sentence",
                400 <= a.status < 500 and status != 0 and detail in err and a.json.get("constraint"),
                f"\n   REST {a}\n   psql {err}")
        c.check(f"{what}: and one hint", not a.json.get("hint") or a.json["hint"] in err, (a.json, err))
        c.equal(f"{what}: nothing is half done", s.get("/v1/experiments/" + key).status, 404)
    for what, body, word in (
            ("malformed JSON", b'{"variants": [', "line 1"), ("an unknown field", {**experiment(), "colour": 1}, "colour"),
            ("a wrong type", {"variants": [{"key": "a", "share_ppm": "half", "value": 1}]}, "share_ppm"),
            ("a body that is a list", [], "object"), ("depth 40", b"[" * 40 + b"]" * 40, "deep")):
        a = s.put("/v1/experiments/bad", body)
        c.check(f"{what}: 400, naming it", 400 <= a.status < 500 and word in json.dumps(a.json), a)


def quickly(s, c):
    """A COMMIT in psql is served within a second; the worst of some is shown."""
    s.psql("insert into cohort.flag (key, type, default_value) values ('speed', 'number', '0');")
    _flag_known(s, "speed")
    worst = 0
    for i in range(1, 6):
        s.psql(f"update cohort.flag set default_value = '{i}' where key = 'speed';")
        start = time.monotonic()
        s.until(lambda n=i: s.evaluate("speed", "c")["value"] == n, "the new value")
        worst = max(worst, time.monotonic() - start)
    c.check(f"a definition is served after its COMMIT (worst of 5: {worst:.3f} s)", True)
    out = s.psql("begin; insert into cohort.experiment (key) values ('story');"
                 "insert into cohort.variant (experiment, key, share_ppm, value) values"
                 " ('story', 'control', 500000, '\"Buy now\"'), ('story', 'hurry', 500000, '\"Hurry!\"');"
                 "insert into cohort.guardrail (experiment, metric) values ('story', 'unsubscribe');"
                 "select cohort.start('story'); commit;")[0]
    c.equal("one transaction defines and starts", out.strip(), "running")
    s.until(lambda: s.evaluate("story", "c")["reason"] == "SPLIT" if _flag_known(s, "story") else False, "story")
    s.psql("begin; select cohort.stop('story', 'rehearsal'); rollback;")
    c.equal("a ROLLBACK leaves all as it was", s.get("/v1/experiments/story").json["status"], "running")


DECIDE, ANYONE = {"admin", "product", "events", "client"}, None
TOKEN = set()  # no key opens it
EDIT, READ, ADMIN = {"admin", "product"}, {"admin", "product", "analyst"}, {"admin"}
ROLES = {
    "POST /ofrep/v1/evaluate/flags": DECIDE, "POST /ofrep/v1/evaluate/flags/{key...}": DECIDE,
    "GET /ofrep/v1/stream": TOKEN, "POST /v1/outcomes": DECIDE, "POST /v1/exposures": DECIDE,
    "GET /v1/experiments/{key}/results": READ,
    "GET /v1/experiments/{key}/results/series": READ, "GET /v1/layers/{key}/map": READ,
    "POST /v1/experiments/{key}/promote": ADMIN,
    "POST /v1/overrides": EDIT, "POST /v1/preview": READ, "POST /v1/plan": READ,
    "GET /v1/plan-document": {"admin", "product", "events"},
    "GET /v1/keys": ADMIN, "POST /v1/keys": ADMIN, "GET /v1/keys/{key}": ADMIN, "PATCH /v1/keys/{key}": ADMIN, "DELETE /v1/keys/{key}": ADMIN,
    "POST /v1/keys/{key}/rotate": ADMIN,
    "GET /v1/webhooks": ADMIN, "GET /v1/webhooks/{key}": ADMIN, "PUT /v1/webhooks/{key}": ADMIN, "DELETE /v1/webhooks/{key}": ADMIN,
    "GET /v1/webhooks/{key}/deliveries": ADMIN, "POST /v1/webhooks/{key}/test": ADMIN,
    "GET /v1/dead-letters": ADMIN, "POST /v1/dead-letters/replay": ADMIN, "POST /v1/dead-letters/drop": ADMIN,
    "GET /v1/audit": ADMIN, "GET /v1/audit/head": ADMIN,
    "GET /": ANYONE, "GET /healthz": ANYONE, "GET /readyz": ANYONE, "GET /metrics": ANYONE,
    "GET /v1/openapi.json": ANYONE,
}
ROLES.update({f"POST /v1/experiments/{{key}}/{action}": EDIT for action in (
    "start", "stop", "pause", "resume", "ramp", "grow", "drop_arm", "ship", "restart", "archive", "clone", "validate",
    "promote_challenger", "use_model")})
ROLES.update({f"POST /v1/holdouts/{{key}}/{action}": EDIT for action in ("start", "stop", "archive")})
ROLES["GET /v1/holdouts/{key}/results"] = READ
ROLES["GET /v1/holdouts/{key}/results/series"] = READ
ROLES["GET /v1/experiments/{key}/models"] = READ
for part in ("variants", "guardrails", "challengers"):
    ROLES.update({f"GET /v1/experiments/{{key}}/{part}": READ, f"PUT /v1/experiments/{{key}}/{part}": EDIT})
for things in ("experiments", "holdouts", "layers", "segments", "metrics", "flags", "overrides", "environments", "teams"):
    admin = things in ("environments", "teams")
    for route in (f"GET /v1/{things}", f"GET /v1/{things}/{{key}}"):
        ROLES[route] = ADMIN if admin else READ
    for route in (f"PUT /v1/{things}/{{key}}", f"DELETE /v1/{things}/{{key}}"):
        ROLES[route] = ADMIN if admin else EDIT
for things in ("experiments", "layers", "segments", "metrics", "flags"):
    ROLES[f"PATCH /v1/{things}/{{key}}"] = EDIT


def main():
    c = Checks()
    with Server() as s:
        for part in (life, same_sentence, quickly):
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
