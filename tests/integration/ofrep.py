#!/usr/bin/env python3
"""OFREP 0.3.0 as SDKs speak it: values of every type, errors, ETag, CORS, keys; and what is logged of a decision."""
import json
import sys
import time

from cohort_server import Checks, Server, experiment

FLAGS = """
begin;
insert into cohort.flag (key, type, default_value) values
  ('on', 'boolean', 'true'), ('price', 'number', '5.0'), ('count', 'number', '5'), ('layout', 'object', '{"a":[1,2]}'),
  ('greeting', 'string', '"grüß dich"'), ('bare', 'string', null);
insert into cohort.flag_rule (flag, position, kind, condition, value) values
  ('greeting', 1, 'force', '{"country": "FR"}', '"salut"'),
  ('greeting', 2, 'force', '{"country": {"$in": ["IT", "CH"]}, "plan": "pro"}', '"ciao"');
insert into cohort.flag_rule (flag, position, kind, value, share_ppm) values ('count', 1, 'rollout', '6', 500000);
commit;
"""


def single(s, c):
    for flag, value in (("on", True), ("layout", {"a": [1, 2]}), ("greeting", "grüß dich")):
        a = s.evaluate(flag, "c-1")
        c.equal(f"{flag}: its default, of its type", (a["key"], a["value"], a["variant"]), (flag, value, "default"))
    a = s.post("/ofrep/v1/evaluate/flags/price", {"context": {"targetingKey": "c-1"}}, "client")
    c.check("a float keeps its decimal point", b'"value":5.0' in a.body, a)
    c.check("200 is application/json", a.headers["content-type"] == "application/json", a.headers)
    a = s.post("/ofrep/v1/evaluate/flags/count", {"context": {"targetingKey": "c-1"}}, "client")
    c.check("an integer has none", b'"value":5,' in a.body or b'"value":6,' in a.body, a)
    c.check("no default: no value, so that the code's own applies", "value" not in s.evaluate("bare", "c-1"))
    c.equal("a force rule by equality", s.evaluate("greeting", "c-1", country="FR")["value"], "salut")
    c.equal("a force rule by $in and a second field",
            s.evaluate("greeting", "c-1", country="CH", plan="pro")["value"], "ciao")
    c.equal("half a match is none", s.evaluate("greeting", "c-1", country="CH")["value"], "grüß dich")
    six = sum(s.evaluate("count", f"r-{i}")["value"] == 6 for i in range(400))
    c.check("a rollout of half reaches about half", 140 < six < 260, six)


def split(s, c):
    first = s.evaluate("cta", "c-7")
    c.equal("an experiment answers SPLIT", first["reason"], "SPLIT")
    meta = first["metadata"]
    c.check("metadata says decision, experiment, phase, propensity, inclusion and reason",
            len(meta["decisionId"]) == 36 and meta["experiment"] == "cta" and meta["phase"] == 1
            and meta["propensity"] == 500000 and meta["inclusion"] == 1000000 and meta["reason"] == "VARIANT", meta)
    c.check("metadata holds nothing nested", all(not isinstance(v, (dict, list)) for v in meta.values()), meta)
    again = s.evaluate("cta", "c-7")
    c.check("the same unit gets the same variant", again["variant"] == first["variant"], again)
    c.check("under a decision id of its own", again["metadata"]["decisionId"] != meta["decisionId"])
    t = sum(s.evaluate("cta", f"s-{i}")["variant"] == "treatment" for i in range(400))
    c.check("half and half", 140 < t < 260, t)


def steady(s):
    """Somebody whose stream token is not about to be followed by the next one, which would be another ETag."""
    def minutes(user):
        tag = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": user, "country": "DE"}}, "client").headers["etag"]
        return (int(tag.strip('"').split(".")[1], 16) - time.time()) / 60
    return next(u for u in (f"c-{i}" for i in range(7, 100)) if 35 < minutes(u) < 59)


def bulk(s, c):
    path, user = "/ofrep/v1/evaluate/flags", steady(s)
    body = {"context": {"targetingKey": user, "country": "DE"}}
    a = s.post(path, body, "client")
    c.equal("bulk: all flags in key order", [f["key"] for f in a.json["flags"]],
            ["bare", "count", "cta", "greeting", "layout", "on", "price"])
    tag = a.headers["etag"]
    b = s.post(path, body, "client")
    c.check("the ETag stays though the decision ids are new",
            b.headers["etag"] == tag and b.json["flags"][2]["metadata"] != a.json["flags"][2]["metadata"])
    for name, header in (("as sent", tag), ("weak", "W/" + tag), ("in a list", '"x", ' + tag), ("star", "*")):
        n = s.post(path, body, "client", headers={"If-None-Match": header})
        c.check(f"If-None-Match {name}: 304, empty", n.status == 304 and n.body == b"", n)
    n = s.post(path, body, "client", headers={"If-None-Match": '"other"'})
    c.equal("another tag: 200", n.status, 200)
    other = s.post(path, {"context": {"targetingKey": user, "country": "FR"}}, "client").headers["etag"]
    c.check("the ETag depends on the context", other != tag)
    c.check("and on the credential", s.post(path, body, "events").headers["etag"] != tag)


def errors(s, c):
    def err(body, flag="cta", key="client"):
        a = s.post("/ofrep/v1/evaluate/flags/" + flag, body, key)
        return a.status, (a.json or {}).get("errorCode"), (a.json or {}).get("key"), a

    ctx = {"context": {"targetingKey": "c-1"}}
    for what, body, want in (
            ("malformed JSON", b'{"context": {', (400, "PARSE_ERROR")),
            ("an empty body", b"", (400, "PARSE_ERROR")),
            ("a duplicate key", b'{"context":{"targetingKey":"a","targetingKey":"b"}}', (400, "PARSE_ERROR")),
            ("nesting of 40", b'{"context":{"targetingKey":"a","x":' + b"[" * 40 + b"]" * 40 + b"}}",
             (400, "PARSE_ERROR")),
            ("no context", {}, (400, "INVALID_CONTEXT")),
            ("a context that is a list", {"context": []}, (400, "INVALID_CONTEXT")),
            ("no targetingKey", {"context": {}}, (400, "TARGETING_KEY_MISSING")),
            ("a targetingKey that is a number", {"context": {"targetingKey": 7}}, (400, "TARGETING_KEY_MISSING")),
            ("an empty targetingKey", {"context": {"targetingKey": ""}}, (400, "TARGETING_KEY_MISSING")),
            ("a targetingKey of 513 bytes", {"context": {"targetingKey": "x" * 513}}, (400, "INVALID_CONTEXT")),
            ("NUL in the targetingKey", {"context": {"targetingKey": "a\0b"}}, (400, "PARSE_ERROR"))):
        status, code, key, a = err(body)
        c.check(f"{what}: {want[1]} with key and details",
                (status, code) == want and key == "cta" and a.json["errorDetails"], a)
    c.equal("512 bytes are fine", err({"context": {"targetingKey": "x" * 512}})[0], 200)
    status, code, key, a = err(ctx, "ctaa")
    c.check("an unknown flag: 404 FLAG_NOT_FOUND", (status, code, key) == (404, "FLAG_NOT_FOUND", "ctaa"), a)
    c.check("a key with slashes and percent signs is just unknown", err(ctx, "a/b%2Fc")[:2] == (404, "FLAG_NOT_FOUND"))
    c.equal("bulk errors have no key", "key" in s.post("/ofrep/v1/evaluate/flags", b"{", "client").json, False)
    c.equal("a body over 64 KiB: 413", err({"context": {"targetingKey": "c", "x": "y" * 70000}})[0], 413)
    c.equal("no key: 401", s.request("POST", "/ofrep/v1/evaluate/flags/cta", ctx).status, 401)
    c.equal("a wrong key: 401", err(ctx, key="ck_client_nonsense")[0], 401)
    c.equal("an analyst's key: 403", err(ctx, key="analyst")[0], 403)
    a = s.request("POST", "/ofrep/v1/evaluate/flags/cta", ctx, headers={"X-API-Key": s.keys["client"]})
    c.equal("X-API-Key works too", a.status, 200)


def cors(s, c):
    path = "/ofrep/v1/evaluate/flags/cta"
    a = s.request("OPTIONS", path, headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
    allowed = a.headers.get("access-control-allow-headers", "").lower()
    c.check("preflight: 204 and the four headers", a.status == 204 and all(
        h in allowed for h in ("content-type", "authorization", "x-api-key", "if-none-match")), a.headers)
    a = s.request("POST", path, {"context": {"targetingKey": "c"}}, key="client",
                  headers={"Origin": "https://shop.example"})
    exposed = a.headers.get("access-control-expose-headers", "")
    c.check("the answer is allowed, ETag and Retry-After exposed", a.headers.get("access-control-allow-origin") == "*"
            and "ETag" in exposed and "Retry-After" in exposed, a.headers)
    a = s.request("OPTIONS", "/v1/experiments", headers={"Origin": "https://shop.example"})
    c.check("definitions are not for web pages", "access-control-allow-origin" not in a.headers, a.headers)


def logged(s, c):
    d = s.evaluate("cta", "log-1", country="DE")
    drawn = d["metadata"]["decisionId"]
    row = s.until(lambda: s.sql(f"select v.key, d.propensity, d.inclusion, d.reason, d.mode, d.unit_id = "
                                f"cohort.unit_id('user', 'log-1') from cohort.decision d join cohort.variant v "
                                f"on v.id = d.variant_id where d.decision_id = '{drawn}'"), "the decision's row")
    c.equal("the log has the decision as it was answered", row,
            [[d["variant"], "500000", "1000000", "VARIANT", "0", "t"]])
    rows = s.until(lambda: s.sql("select v.key, e.propensity, e.origin from cohort.exposure e join cohort.variant v on "
                                 "v.id = e.variant_id where e.unit_id = cohort.unit_id('user', 'log-1')"), "an exposure")
    c.equal("a single evaluation is an exposure", rows, [[d["variant"], "500000", "0"]])
    a = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "log-2"}}, "client")
    cta = [f for f in a.json["flags"] if f["key"] == "cta"][0]["metadata"]["decisionId"]
    s.until(lambda: s.sql(f"select 1 from cohort.decision where decision_id = '{cta}' and mode = 1"), "bulk's row")
    s.evaluate("cta", "log-3")
    s.until(lambda: s.sql("select 1 from cohort.exposure where unit_id = cohort.unit_id('user', 'log-3')"), "log-3")
    c.equal("bulk is a prefetch, never an exposure",
            s.sql("select 1 from cohort.exposure where unit_id = cohort.unit_id('user', 'log-2')"), [])


def main():
    c = Checks()
    with Server() as s:
        s.psql(FLAGS)
        a = s.put("/v1/experiments/cta", experiment())
        assert a.status == 200, a
        s.post("/v1/experiments/cta/start")
        s.until(lambda: s.evaluate("cta", "warm")["reason"] == "SPLIT", "the experiment is served")
        s.until(lambda: s.request("POST", "/ofrep/v1/evaluate/flags/greeting", {"context": {"targetingKey": "w"}},
                                  key="client").status == 200, "the flags are served")
        for part in (single, split, bulk, errors, cors, logged):
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
