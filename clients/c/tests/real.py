#!/usr/bin/env python3
"""The C client against a real cohortd: values, outcomes, exposures; and its own decisions against the server's."""
import sys
import uuid

from leash import PATIENCE_MS, Client
from cohort_server import Checks, Server, experiment

QUICK = {"backoff_min_ms": 50, "backoff_max_ms": 500, "flush_ms": 50, "timeout_ms": 20000}
FLAGS = {"lamp": ("boolean", True), "greeting": ("string", "Grüß \"Gott\""), "limit": ("number", 7), "rate": ("number", 0.25),
         "layout": ("object", {"columns": [1, 2]})}


def unit(user, type_="user"):
    return f"cohort.unit_id('{type_}', '{user}')"


def define(s):
    for key, (type_, value) in FLAGS.items():
        a = s.put("/v1/flags/" + key, {"type": type_, "default": value})
        assert a.status == 200, a
    s.put("/v1/layers/checkout", {"description": "The checkout"})
    docs = {
        "cta": experiment(segments=["country"]),
        "quiet": experiment(exposure="reported", guardrails=[]),
        "german": experiment(condition={"country": "DE", "age": {"$gte": 18}}, guardrails=[], traffic_ppm=500000),
        "by_device": experiment(unit_type="device", guardrails=[]),
        "first": experiment(layer="checkout", guardrails=[], sticky=True),
        "watched": experiment(guard_max_blind_seconds=3),
    }
    s.put("/v1/holdouts/q4", {"scope": "global", "variants": [{"key": "in", "share_ppm": 900000, "gives": "everything"},
                                                              {"key": "out", "share_ppm": 100000, "gives": "nothing", "control": True}]})
    for key, doc in docs.items():
        a = s.put("/v1/experiments/" + key, doc)
        assert a.status == 200, a
    s.post("/v1/holdouts/q4/start")
    for key in docs:
        a = s.post(f"/v1/experiments/{key}/start")
        assert a.status == 200, a
    s.until(lambda: s.evaluate("first", "w")["metadata"]["reason"] in ("VARIANT", "NOT_IN_LAYER", "HOLDOUT"), "the last one is served")
    return docs


def by_request(s, c):
    with Client(s.info["url"], s.keys["events"], **QUICK) as client:
        for flag, (_, want) in FLAGS.items():
            if flag != "layout":
                got = client.value(flag, type(want)())
                c.equal(f"{flag} by request", (got["value"], got["error"]), (want, None))
        c.equal("a flag nobody made", client.value("none_such", "mine")["error"], "FLAG_NOT_FOUND")
        got = client.value("cta", "mine", user="r-1", attributes={"country": "DE"})
        c.check("a variant with its decision's id", got["value"] in ("Buy now", "Hurry!") and len(got["decision_id"]) == 36, got)
        client("track", name="unsubscribe", value=2.5, decision=got["decision_id"])
        quiet = client.value("quiet", "mine", user="r-2")
        c.equal("a reported exposure is kept", client("expose")["code"], 0 if quiet["phase"] else -1)
        client("flush", ms=PATIENCE_MS)
        c.equal("the outcome is stored, and trusted", s.until(lambda: s.sql(
            f"select o.value, o.trusted, o.decision_id from cohort.outcome o where o.unit_id = {unit('r-1')}"), "it"),
            [["2500000", "t", got["decision_id"]]])
        if quiet["phase"]:
            c.equal("and the exposure", s.until(lambda: s.sql(
                "select v.key from cohort.exposure e join cohort.variant v on v.id = e.variant_id join cohort.experiment x on x.id = e.experiment_id"
                f" where x.key = 'quiet' and e.unit_id = {unit('r-2')}"), "it"), [[quiet["variant"]]])
        c.equal("nothing was refused", client("stats")["refused"], 0)
        client.end()
    with Client(s.info["url"], s.keys["events"], no_exposures=True, **QUICK) as client:
        client.value("cta", "mine", user="r-3")
        client.end()
    s.until(lambda: s.sql(f"select 1 from cohort.decision where unit_id = {unit('r-3')}"), "the decision")
    c.equal("no_exposures only looks", s.sql(f"select 1 from cohort.exposure where unit_id = {unit('r-3')}"), [])


def same_as_server(s, c, docs):
    """Each flag of many people, decided here and asked for in bulk."""
    with Client(s.info["url"], s.keys["events"], local=True, no_exposures=True, poll_ms=200, **QUICK) as client:
        c.equal("the definitions come", client("ready", ms=PATIENCE_MS)["code"], 0)
        wrong, seen, n = [], set(), 0
        for i in range(150):
            context = {"country": ("DE", "FR")[i % 2], "age": i % 40}
            device = {"device": f"d-{i % 7}"} if i % 3 else {}
            bulk = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": f"u-{i}", **context, **device}}, "events").json["flags"]
            for flag in bulk:
                if flag["key"] not in docs or flag["key"] == "watched":
                    continue
                got = client.value(flag["key"], "mine", user=f"u-{i}", attributes=context, units=device)
                m = flag["metadata"]
                want = (flag["variant"], m["reason"], m.get("phase", 0), m.get("propensity", -1), m.get("inclusion", -1), flag.get("value", "mine"))
                here = (got["variant"], got["reason"], got["phase"], got["propensity"], got["inclusion"], got["value"])
                seen.add(m["reason"])
                n += 1
                if here != want:
                    wrong.append((i, flag["key"], here, want))
        c.equal(f"{n} decisions here are the server's ({', '.join(sorted(seen))})", wrong, [])
        c.check("and of many kinds", {"VARIANT", "TARGETING", "UNIT_MISSING", "NOT_IN_TRAFFIC"} <= seen, seen)
        for flag, (_, want) in FLAGS.items():
            if flag != "layout":
                c.equal(f"{flag} here", client.value(flag, type(want)())["value"], want)
        s.put("/v1/flags/limit", {"type": "number", "default": 8})
        s.until(lambda: client.value("limit", 0)["value"] == 8, "the new value")
        c.check("a change is seen by looking every 200 ms", True)
        client.end()
    with Client(s.info["url"], s.keys["analyst"], local=True, **QUICK) as client:
        s.until(lambda: client("stats") and "key" in client.kinds(), "the refusal")
        c.equal("a key that may not have the definitions is said", client.value("limit", 1)["error"], "PROVIDER_NOT_READY")
        client.end(0)


def exposures(s, c):
    """What is decided here is reported, once, as the database would have it."""
    with Client(s.info["url"], s.keys["events"], local=True, **QUICK) as client:
        client("ready", ms=PATIENCE_MS)
        drawn = {}
        for i in range(60):
            for _ in range(3):
                got = client.value("cta", "mine", user=f"x-{i}", attributes={"country": "DE" if i % 2 else "FR"})
            if got["reason"] == "VARIANT":
                drawn[f"x-{i}"] = got["variant"]
        c.equal("all is taken", client("flush", ms=PATIENCE_MS)["code"], 0)
        stats = client("stats")
        client.end()
    once = len(drawn) + 60  # some come again: in another hour, and when both of a person's have one place in what is remembered
    c.check("one exposure a person and holdout, not one a look", once <= stats["accepted"] <= once + 10 and stats["refused"] == 0, (stats, once))
    query = "select v.key, e.segments->>'country' from cohort.exposure e join cohort.variant v on v.id = e.variant_id" \
            " join cohort.experiment x on x.id = e.experiment_id where x.key = 'cta' and e.unit_id = " + unit("%s")
    rows = {u: s.until(lambda u=u: s.sql(query % u), f"the exposure of {u}") for u in drawn}
    c.equal("each with its variant and segment", rows, {u: [[v, "DE" if int(u[2:]) % 2 else "FR"]] for u, v in drawn.items()})


def sticky(s, c):
    """A token outlasts a restart; the exposure it leads to is taken although the draw says otherwise."""
    with Client(s.info["url"], s.keys["events"], local=True, poll_ms=100, no_exposures=True, **QUICK) as client:
        client("ready", ms=PATIENCE_MS)
        token, old = {}, {}
        for i in range(40):
            got = client.value("first", "mine", user=f"s-{i}")
            if got["token"]:
                token[f"s-{i}"], old[f"s-{i}"] = got["token"], got["variant"]
        c.check("decided here, a token is made", len(token) > 10, token)
        user = next(iter(token))
        there = s.evaluate("first", user, cohortTokens=token[user])
        c.equal("which the server takes", (there["metadata"]["reason"], there["variant"]), ("STICKY", old[user]))
        got = client.value("first", "mine", user=user, attributes={"cohortTokens": [token[user]]})
        c.equal("and the client", (got["reason"], got["variant"]), ("STICKY", old[user]))
        client.end()
    # New traffic with other shares: who is drawn otherwise, but for the token.
    s.post("/v1/experiments/first/ramp", {"traffic_ppm": 0})
    s.until(lambda: s.evaluate("first", user)["metadata"]["reason"] == "NOT_IN_TRAFFIC", "the ramp")
    with Client(s.info["url"], s.keys["events"], local=True, **QUICK) as client:
        client("ready", ms=PATIENCE_MS)
        for name in token:
            got = client.value("first", "mine", user=name, attributes={"cohortTokens": token[name]})
            if (got["reason"], got["variant"]) != ("STICKY", old[name]):
                c.check(f"{name} keeps its variant", False, got)
        client("flush", ms=PATIENCE_MS)
        stats = client("stats")
        c.equal("their exposures are taken", stats["refused"], 0)
        client.end()
    s.until(lambda: int(s.value("select count(*) from cohort.exposure e join cohort.experiment x on x.id = e.experiment_id where x.key = 'first'"
                                f" and e.unit_id in ({', '.join(unit(n) for n in token)})")) == len(token), "and stored")


def server_goes(s, c):
    with Client(s.info["url"], s.keys["events"], local=True, poll_ms=200, no_exposures=True, **{**QUICK, "timeout_ms": 500}) as client:
        client("ready", ms=PATIENCE_MS)
        people = [f"g-{i}" for i in range(50)]
        # None right behind 3 s in which the machine stood still.
        user = s.until(lambda: next((u for u in people if client.value("watched", "mine", user=u)["reason"] == "VARIANT"), None), "somebody's variant")
        cta = client.value("cta", "mine", user=user)
        s.stop()
        for i in range(20):
            client("track", name="unsubscribe", id=str(uuid.uuid4()))
        s.until(lambda: client.value("watched", "mine", user=user)["reason"] == "GUARD_BLIND", "GUARD_BLIND")
        c.equal("nobody watches: an experiment that asks for it falls back after its 3 s", client.value("watched", "mine", user=user)["reason"],
                "GUARD_BLIND")
        again = client.value("cta", "mine", user=user)
        c.equal("the others go on by the last definitions", (again["value"], again["reason"]), (cta["value"], cta["reason"]))
        c.check("it is said, once", client.kinds().count("away") == 1, client.kinds())
        s.start()
        c.equal("events wait for the server", client("stats")["waiting"], 20)
        client.end(0)


def main():
    c = Checks()
    with Server() as s:
        docs = define(s)
        by_request(s, c)
        same_as_server(s, c, docs)
        exposures(s, c)
        sticky(s, c)
        server_goes(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
