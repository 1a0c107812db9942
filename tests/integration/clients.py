#!/usr/bin/env python3
"""What clients need of the server: the plan document with its ETag, event tokens of browsers, beacons, CORS, Retry-After."""
import base64
import hmac
import json
import struct
import sys
import time
import uuid

from cohort_server import Checks, Server, experiment, now

SECRETS = ("hash_key", "hash")


def event(user="c-1", **fields):
    e = {"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": user}, "ts": now(), **fields}
    return {k: v for k, v in e.items() if v is not None}


def document(s, key="events", tag=None):
    return s.get("/v1/plan-document", key, headers={"If-None-Match": tag} if tag else None)


def secret(s):
    return bytes.fromhex(s.value("select encode(hash_key, 'hex') from cohort.secret where environment = 'production'"))


def plan_document(s, c):
    a = document(s)
    c.check("a server's key gets the document", a.status == 200 and a.json["format"] == 1
            and a.json["environment"] == "production", a)
    c.equal("with the unit key, under which units are the database's", a.json["unit_key"],
            s.value("select encode(unit_key, 'hex') from cohort.secret where environment = 'production'"))
    c.check("without API keys, hashes and the hash key", a.json["api_keys"] == []
            and not any(f'"{w}"'.encode() in a.body for w in SECRETS)
            and s.value("select encode(hash_key, 'hex') from cohort.secret where environment = 'production'").encode() not in a.body)
    c.check("it is private and says how old the monitor's word is", a.headers["cache-control"] == "private, no-cache"
            and a.headers["cohort-monitor-age"].isdigit() and a.headers["cohort-plan-age"].isdigit(), a.headers)
    for role in ("client", "analyst"):
        c.equal(f"a key of role {role} is refused", document(s, role).status, 403)
    tag = a.headers["etag"]
    again = document(s, tag=f'"x", W/{tag}')
    c.check("304 while nothing changed, for every server's key", again.status == 304 and not again.body
            and again.headers["etag"] == tag and document(s, "admin", tag).status == 304, again)
    s.psql("insert into cohort.environment (key) values ('staging')")
    s.psql("insert into cohort.flag (key, type, default_value) values ('lamp', 'number', '7');")
    # The environment alone makes another document, too.
    new = s.until(lambda: (lambda r: r if r.status == 200 and any(f["key"] == "lamp" for f in r.json["flags"]) else None)(document(s, tag=tag)),
                  "a document with the flag")
    c.check("a definition makes another document", new.headers["etag"] != tag and
            any(f["key"] == "lamp" and f["default"] == 7 for f in new.json["flags"]), new)
    s.post("/v1/experiments/cta/stop")
    s.until(lambda: any(x["key"] == "cta" and x["status"] == "stopped" for x in document(s).json["experiments"]), "the stop")
    s.post("/v1/experiments/cta/restart")
    s.post("/v1/experiments/cta/start")
    s.until(lambda: s.evaluate("cta", "w")["reason"] == "SPLIT", "cta runs again")


def stops(s, c):
    """A guardrail's stop is in it even where the database has forgotten it."""
    s.put("/v1/experiments/bad", experiment())
    s.post("/v1/experiments/bad/start")
    s.until(lambda: any(x["key"] == "bad" and x["status"] == "running" for x in document(s).json["experiments"]), "bad runs")
    tag = document(s).headers["etag"]
    s.psql("insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)"
           " select id, iteration, 1, 1, 1, 'A test.', '{}' from cohort.experiment where key = 'bad'")
    salt = s.value("select encode(salt, 'hex') from cohort.experiment where key = 'bad'")
    a = s.until(lambda: (lambda r: r if r.status == 200 and salt in r.json["stopped"] else None)(document(s, tag=tag)), "the stop")
    c.check("a stop makes another document, which names the salt", a.headers["etag"] != tag)


def tokens(s, c):
    a = s.evaluate("cta", "t-1")
    token = a["metadata"]["eventToken"]
    c.check("a browser's answer has an event token", len(token) <= 199, a)
    c.check("a server's has none", "eventToken" not in s.evaluate("cta", "t-1", "events")["metadata"])
    body = {"context": {"targetingKey": "t-1", "device": "d-1"}}
    bulk = s.post("/ofrep/v1/evaluate/flags", body, "client")
    both = bulk.json["metadata"]["eventToken"]
    c.check("bulk has it in its metadata and in each flag's", {f["metadata"]["eventToken"] for f in bulk.json["flags"]} == {both})
    tag = bulk.headers["etag"]
    c.equal("its ETag stays while the token does", s.post("/ofrep/v1/evaluate/flags", body, "client",
                                                         headers={"If-None-Match": tag}).status, 304)
    own = hmac.digest(secret(s), b"cohortd event token 1", "sha256")
    old = struct.pack(">BI", 1, int(time.time()) - 1) + uuid.UUID(s.value("select cohort.unit_id('user', 't-1')")).bytes
    expired = base64.urlsafe_b64encode(old + hmac.digest(own, old, "sha256")[:16]).decode().rstrip("=")
    raw = bytearray(base64.urlsafe_b64decode(token + "=="))
    raw[2] ^= 1  # another expiry
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    cases = (("without a token", event("t-1"), "token_missing"), ("with a number for it", event("t-1", event_token=5), "bad_field"),
             ("with a changed one", event("t-1", event_token=forged), "token_forged"),
             ("with junk", event("t-1", event_token="junk"), "token_forged"),
             ("with one whose time is over", event("t-1", event_token=expired), "token_expired"),
             ("with a sticky token's text", event("t-1", event_token="A" * 71), "token_forged"),
             ("of another unit", event("t-2", event_token=token), "token_other_unit"),
             ("of a unit not asked about", event("t-1", units={"user": "t-1", "device": "d-2"}, event_token=both), "token_other_unit"))
    good = [event("t-1", event_token=token), event("t-1", units={"user": "t-1", "device": "d-1"}, event_token=both)]
    r = s.post("/v1/outcomes", [e for _, e, _ in cases] + good, "client").json["results"]
    for (what, _, code), got in zip(cases, r):
        c.check(f"an event {what}: {code}, in words", got.get("code") == code and "event_token" in got["reason"], got)
    c.check("with its own token it is taken", [g["status"] for g in r[len(cases):]] == ["accepted"] * 2, r)
    x = {"experiment": "cta", "variant": a["variant"], "phase": 1}
    r = s.post("/v1/exposures", [{**event("t-1", name=None, event_token=token), **x}, {**event("t-1", name=None), **x}],
               "client").json["results"]
    c.check("exposures are held to the same", r[0]["status"] == "accepted" and r[1].get("code") == "token_missing", r)
    c.equal("servers need none", s.outcome("unsubscribe", "t-1")["status"], "accepted")
    s.until(lambda: int(s.value("select count(*) from cohort.dead_letter where reason like 'token_%'")) == 8, "their dead letters")


def sticky_token(s, experiment_key, user, variant):
    """As the server would sign it (core/token.h)."""
    ids = s.sql("select x.id, p.id, v.id, cohort.unit_id('user', '%s') from cohort.experiment x join cohort.phase p on p.experiment = x.key"
                " join cohort.variant v on v.experiment = x.key and v.key = '%s' where x.key = '%s'" % (user, variant, experiment_key))[0]
    signed = struct.pack(">BIII16sQ", 1, *map(int, ids[:3]), uuid.UUID(ids[3]).bytes, int(time.time() * 1e6))
    own = hmac.digest(secret(s), b"cohortd sticky token 1", "sha256")
    return base64.urlsafe_b64encode(signed + hmac.digest(own, signed, "sha256")[:16]).decode().rstrip("=")


def sticky(s, c):
    """A report of a variant that the draw contradicts is taken with the token that keeps the unit there."""
    a = s.evaluate("stays", "k-1")
    other = "control" if a["variant"] == "treatment" else "treatment"
    good = sticky_token(s, "stays", "k-1", other)
    c.equal("the token holds", s.evaluate("stays", "k-1", cohortTokens=good)["variant"], other)
    x = {"experiment": "stays", "variant": other, "phase": 1}
    cases = (("without a token", {}, "contradicts_draw"), ("with another unit's", {"token": sticky_token(s, "stays", "k-2", other)}, "contradicts_draw"),
             ("with junk", {"token": "A" * 71}, "contradicts_draw"), ("with another phase", {"token": good, "phase": 2}, "contradicts_draw"),
             ("with its own", {"token": good}, None))
    r = s.post("/v1/exposures", [{**event("k-1", name=None), **x, **f} for _, f, _ in cases], "events").json["results"]
    for (what, _, code), got in zip(cases, r):
        c.equal(f"a kept variant {what}: {code or 'accepted'}", got.get("code"), code)


def beacons(s, c):
    token = s.evaluate("cta", "b-1")["metadata"]["eventToken"]
    plain = {"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"}

    def send(body, headers=plain):
        return s.request("POST", "/v1/outcomes", body if isinstance(body, bytes) else json.dumps(body).encode(), headers=headers)

    events = [event("b-1", event_token=token)]
    a = send({"key": s.keys["client"], "events": events})
    c.check("a beacon has its key in the body", a.status == 202 and a.json["accepted"] == 1
            and a.headers["access-control-allow-origin"] == "*", a)
    c.equal("a server's key is refused there", send({"key": s.keys["events"], "events": events}).status, 403)
    c.equal("an unknown one too", send({"key": "ck_client_x", "events": events}).status, 401)
    c.equal("it must come first", send({"events": events, "key": s.keys["client"]}).status, 401)
    c.equal("a key in a header goes before it", send({"key": "x", "events": events}, {"X-API-Key": s.keys["client"]}).status, 202)
    for body in (b"", b"{", b'{"key', b'{"key":"', b'{"key":"a', b'{"key":""}', b'{"key":5}', b"\0", b'{"key":"' + b"a" * 300 + b'"}'):
        c.equal(f"{body[:12]!r} is nobody", send(body).status, 401)
    half = b'{"key": "%s" , "events": [{"a": 1e999}, %s]}' % (s.keys["client"].encode(), json.dumps(events[0]).encode())
    a = send(half)
    c.check("an unreadable event costs only itself there too", a.status == 202 and a.json["accepted"] == 1
            and a.json["results"][0]["code"] == "bad_json", a)
    c.equal("decisions take no key in the body", s.request(
        "POST", "/ofrep/v1/evaluate/flags", {"key": s.keys["client"], "context": {"targetingKey": "b"}}).status, 401)


def cors(s, c):
    for path in ("/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/cta", "/v1/outcomes", "/v1/exposures"):
        for wanted in ("content-type", "authorization", "x-api-key", "if-none-match"):
            a = s.request("OPTIONS", path, headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST",
                                                    "Access-Control-Request-Headers": wanted})
            allowed = a.headers.get("access-control-allow-headers", "").lower().split(", ")
            if not (a.status == 204 and wanted in allowed and "POST" in a.headers["access-control-allow-methods"]
                    and a.headers["access-control-allow-origin"] == "*"):
                c.check(f"preflight of {wanted} for {path}", False, (a, a.headers))
    c.check("browsers may send JSON, both key headers and If-None-Match", True)
    a = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "o"}}, "client", headers={"Origin": "https://shop.example"})
    shown = a.headers["access-control-expose-headers"].split(", ")
    c.check("and read ETag and Retry-After", {"ETag", "Retry-After", "Date"} <= set(shown), shown)
    a = s.post("/v1/outcomes", [], "ck_client_wrong", headers={"Origin": "https://shop.example"})
    c.check("a refusal can be read too", a.status == 401 and a.headers["access-control-allow-origin"] == "*", a)
    a = s.request("OPTIONS", "/v1/plan-document", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"})
    c.check("the plan document is not for pages", "access-control-allow-origin" not in a.headers, a.headers)


def main():
    c = Checks()
    with Server("--client-events", "token") as s:
        a = s.put("/v1/experiments/cta", experiment())
        assert a.status == 200, a
        s.put("/v1/experiments/by_device", experiment(unit_type="device"))
        s.put("/v1/experiments/stays", experiment(sticky=True, guardrails=[]))
        s.post("/v1/experiments/stays/start")
        s.post("/v1/experiments/cta/start")
        s.until(lambda: s.evaluate("cta", "w")["reason"] == "SPLIT", "cta is served")
        for part in (tokens, sticky, beacons, cors, plan_document, stops):
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
