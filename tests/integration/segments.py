#!/usr/bin/env python3
"""What is kept of contexts and events: declared segments with first exposures, attributes that metrics count by with outcomes."""
import json
import uuid

from cohort_server import Checks, Server, experiment, now

NAMES = ["country", "age", "vip", "bio", "absent"]


def kept(s, user, key="cta"):
    text = s.value(f"select coalesce(max(x.segments::text), 'none') from cohort.exposure x join cohort.experiment e on e.id = x.experiment_id "
                   f"where e.key = '{key}' and x.unit_id = cohort.unit_id('user', '{user}')")
    return None if text == "none" else json.loads(text)


def exposed(s, user, key="cta"):
    return s.until(lambda: s.value(f"select count(*) from cohort.exposure x join cohort.experiment e on e.id = x.experiment_id "
                                   f"where e.key = '{key}' and x.unit_id = cohort.unit_id('user', '{user}')") == "1", f"{user} is exposed to {key}")


def contexts(s, c):
    s.evaluate("cta", "s-1", country="DE", age=42, vip=True, bio="é" * 40, other="dropped")
    s.evaluate("plain", "s-1", country="DE")
    exposed(s, "s-1")
    exposed(s, "s-1", "plain")
    got = kept(s, "s-1")
    c.equal("declared attributes are kept as texts, cut to 64 bytes at a character, absent ones null", got,
            {"country": "DE", "age": "42", "vip": "true", "bio": "é" * 32, "absent": None})
    c.equal("an experiment that declares none keeps none", kept(s, "s-1", "plain"), None)
    s.evaluate("cta", "s-1", country="FR", age=43)
    s.evaluate("cta", "s-2", country=["DE"], age=5.0, vip={"a": 1}, bio=2.5)
    exposed(s, "s-2")
    c.equal("numbers have one form; lists and objects are null", kept(s, "s-2"),
            {"country": None, "age": "5", "vip": None, "bio": "2.5", "absent": None})
    c.equal("the first exposure's stay", kept(s, "s-1")["country"], "DE")
    s.until(lambda: kept(s, "s-1", "hold"), "an exposure to the holdout")
    c.equal("a holdout's exposure keeps what the holdout declares", kept(s, "s-1", "hold"), {"country": "DE"})


def reported(s, c):
    variant = s.evaluate("cta", "s-3", key="client", country="DE")
    exposed(s, "s-3")
    body = {"id": str(uuid.uuid4()), "experiment": "cta", "variant": variant["variant"], "phase": variant["metadata"]["phase"],
            "units": {"user": "s-3"}, "ts": now(-60), "attributes": {"country": "IT", "vip": False, "city": "Roma"}}
    a = s.post("/v1/exposures", [body], "events")
    c.equal("a report may bring attributes", a.json["accepted"], 1)
    s.until(lambda: kept(s, "s-3")["country"] == "IT", "the earlier report takes its place")
    c.equal("an earlier exposure brings its segments", kept(s, "s-3"), {"country": "IT", "age": None, "vip": "false", "bio": None, "absent": None})
    c.equal("and the others are told to the roll-up", s.value(
        "select old_segments ->> 'country' from cohort.exposure_replaced where unit_id = cohort.unit_id('user', 's-3')"), "DE")
    a = s.post("/v1/exposures", [dict(body, id=str(uuid.uuid4()), attributes="x")], "events")
    c.equal("attributes that are no object are rejected", a.json["results"][0]["code"], "bad_field")


def outcome(user, **fields):
    return dict({"id": str(uuid.uuid4()), "name": "purchase", "units": {"user": user}, "ts": now()}, **fields)


def outcomes(s, c):
    good = [outcome("o-1", attributes={"plan": "pro", "amount": 12.5, "trial": False, "email": "a@b"}),
            outcome("o-2", attributes={"email": "a@b"}), outcome("o-3"), outcome("o-4", attributes={"plan": None, "amount": 10**15}),
            outcome("o-5", attributes={"email": {"nested": [1]}}), outcome("o-6", name="unsubscribe", attributes={"plan": "pro"})]
    bad = [outcome("o-7", attributes=[1]), outcome("o-7", attributes={"plan": ["pro"]}), outcome("o-7", attributes={"plan": "x" * 257}),
           outcome("o-7", attributes={f"a{i}": 1 for i in range(51)})]
    a = s.post("/v1/outcomes", good + bad, "events")
    c.equal("accepted and rejected", [r["status"] for r in a.json["results"]], ["accepted"] * 6 + ["rejected"] * 4)
    c.check("each with a reason", all(r["code"] == "bad_field" and "attributes" in r["reason"] for r in a.json["results"][6:]), a.json)
    s.until(lambda: s.value("select count(*) from cohort.outcome where unit_id in (select cohort.unit_id('user', 'o-' || i) from generate_series(1, 6) i)")
            == "6", "six outcomes")

    def attributes(user):
        return s.value(f"select coalesce(attributes::text, 'none') from cohort.outcome where unit_id = cohort.unit_id('user', '{user}')")
    c.equal("named by a condition: kept with their types", json.loads(attributes("o-1")), {"plan": "pro", "amount": 12.5, "trial": False})
    c.equal("others are dropped", [attributes(f"o-{i}") for i in (2, 3, 5)], ["none"] * 3)
    c.equal("null is absent, large numbers are whole", attributes("o-4"), '{"amount": 1000000000000000}')
    c.equal("of another event nothing is kept", attributes("o-6"), "none")


def replayed(s, c):
    """A rejected event keeps the attributes that count, for when its cause is mended."""
    e = outcome("o-8", ts=now(-8 * 86400), attributes={"plan": "pro", "email": "a@b"})
    s.post("/v1/outcomes", [e], "events")
    s.until(lambda: s.value(f"select count(*) from cohort.dead_letter where event_id = '{e['id']}'") == "1", "its dead letter")
    c.equal("a dead letter has the attributes that are kept", s.value(f"select body ->> 'attributes' from cohort.dead_letter where event_id = '{e['id']}'"),
            '{"plan": "pro"}')
    s.sql("select * from cohort.replay_dead_letters(reason => 'too_old')")
    c.equal("and its replay too", s.value("select attributes::text from cohort.outcome where unit_id = cohort.unit_id('user', 'o-8')"), '{"plan": "pro"}')


def main():
    c = Checks()
    with Server() as s:
        s.put("/v1/metrics/sales", {"event": "purchase", "kind": "mean", "condition": {"plan": "pro", "amount": {"gte": 1}, "trial": False}})
        a = s.put("/v1/holdouts/hold", {"segments": ["country"], "variants": [
            {"key": "out", "share_ppm": 1, "gives": "nothing", "control": True}, {"key": "in", "share_ppm": 999999, "gives": "everything"}]})
        assert a.status == 200, a
        s.post("/v1/holdouts/hold/start")
        for key, segments in (("cta", NAMES), ("plain", [])):
            a = s.put(f"/v1/experiments/{key}", experiment(segments=segments))
            assert a.status == 200, a
            s.post(f"/v1/experiments/{key}/start")
            s.until(lambda k=key: s.post("/ofrep/v1/evaluate/flags/" + k, {"context": {"targetingKey": "w"}},
                                         "client").json.get("reason") == "SPLIT", key + " is served")
        for part in (contexts, reported, outcomes, replayed):
            part(s, c)
    c.done()


if __name__ == "__main__":
    main()
