#!/usr/bin/env python3
"""Against a real cohortd: values of every type, exposures when a value is used, outcomes, both clients, and draws computed
again from the tables."""
import asyncio
import sys
import uuid

import bed
from cohort_server import Checks, Server, experiment

from cohort_client import AsyncClient, Client, Details
from cohort_client.hashing import Phase, assigned, unit

FLAGS = """
begin;
insert into cohort.flag (key, type, default_value) values
  ('on', 'boolean', 'true'), ('price', 'number', '5.0'), ('count', 'number', '5'), ('big', 'number', '9007199254740991'),
  ('third', 'number', '0.30000000000000004'), ('layout', 'object', '{"a":[1,2.0,null]}'), ('greeting', 'string', '"grüß dich"'),
  ('bare', 'string', null);
insert into cohort.flag_rule (flag, position, kind, condition, value) values
  ('greeting', 1, 'force', '{"country": "FR", "plan.seats": {"$gte": 3}}', '"salut"');
commit;
"""
HOLDOUT = {"scope": "global", "variants": [{"key": "in", "share_ppm": 500000, "control": True, "gives": "everything"},
                                           {"key": "out", "share_ppm": 500000, "gives": "rules"}]}


def exposed(s, key, raw, kind="user"):
    return [r[0] for r in s.sql(
        "select v.key from cohort.exposure e join cohort.variant v on v.id = e.variant_id join cohort.experiment x on x.id = e.experiment_id"
        f" where x.key = '{key}' and e.unit_id = cohort.unit_id('{kind}', '{raw}')")]


def types(s, c, k):
    for flag, default, want in (("on", False, True), ("price", 1.0, 5.0), ("count", 1, 5), ("big", 1, 9007199254740991),
                                ("third", 0.5, 0.30000000000000004), ("layout", {}, {"a": [1, 2.0, None]}), ("greeting", "", "grüß dich")):
        got = k.value(flag, default, "c-1")
        c.check(f"{flag}: exactly {want!r}", got == want and type(got) is type(want), repr(got))
        c.equal("   the same without a default to go by", k.value(flag, None, "c-1"), want)
    c.check("a whole number is a float where the code wants one", k.value("count", 0.5, "c-1") == 5.0
            and isinstance(k.value("count", 0.5, "c-1"), float))
    c.equal("no value: the code's default", k.value("bare", "mine", "c-1"), "mine")
    for flag, default in (("on", "text"), ("on", 1), ("count", True), ("price", 1), ("greeting", 1.5), ("layout", "x"), ("greeting", {})):
        d = k.details(flag, default, "c-1")
        c.equal(f"{flag} asked for as a {type(default).__name__}: TYPE_MISMATCH, the default", (d.value, d.error_code), (default, "TYPE_MISMATCH"))
    c.equal("the context decides", k.value("greeting", "", "c-1", {"country": "FR", "plan": {"seats": 3}}), "salut")


def details(s, c, k):
    d = k.details("cta", "mine", "c-7")
    c.check("details of a decision", isinstance(d, Details) and d.reason == "SPLIT" and d.cohort_reason == "VARIANT" and d.variant in
            ("control", "treatment") and d.experiment == "cta" and d.phase == 1 and d.propensity == 500000 and d.inclusion == 1000000
            and uuid.UUID(d.decision_id).version == 7 and d.error_code is None and d.metadata["planVersion"] > 0, d)
    for what, key, who, attributes, want in (
            ("an unknown flag", "ctaa", "c-1", {}, "FLAG_NOT_FOUND"), ("a key with a slash", "a/b c%", "c-1", {}, "FLAG_NOT_FOUND"),
            ("an empty key", "", "c-1", {}, "FLAG_NOT_FOUND"), ("nobody", "cta", None, {}, "TARGETING_KEY_MISSING"),
            ("an empty id", "cta", "", {}, "TARGETING_KEY_MISSING"), ("an id that is a number", "cta", 7, {}, "TARGETING_KEY_MISSING"),
            ("an id of 513 bytes", "cta", "x" * 513, {}, "INVALID_CONTEXT"), ("a NUL", "cta", "a\0b", {}, "PARSE_ERROR"),
            ("a context of 70 KB", "cta", "c-1", {"x": "y" * 70000}, "INVALID_CONTEXT"),
            ("one too deep", "cta", "c-1", {"x": eval("[" * 40 + "]" * 40)}, "PARSE_ERROR")):
        d = k.details(key, "mine", who, attributes)
        c.check(f"{what}: {want}, the default, and a sentence", (d.value, d.reason, d.error_code) == ("mine", "ERROR", want)
                and d.error_message, d)
    for role, word in (("ck_client_nonsense", "401"), ("analyst", "403")):
        with Client(s.info["url"], s.keys.get(role, role), **bed.PATIENT) as other:
            d = other.details("cta", "mine", "c-1")
            c.check(f"{word}: the default", (d.value, d.error_code) == ("mine", "GENERAL") and word in d.error_message, d)


def exposures(s, c, k):
    k.value("cta", "", "x-single")
    k.value("cta", "", "x-read", enroll=False)
    f = k.prefetch("x-bulk", {"country": "DE"})
    looked = k.prefetch("x-looked")
    c.equal("a prefetch has every flag", f.keys(), ["bare", "big", "count", "cta", "greeting", "layout", "on", "price", "quiet", "third"])
    looked.value("cta", "", enroll=False)
    value = f.value("cta", "")
    c.equal("its value is a single evaluation's", value, k.value("cta", "", "x-bulk", enroll=False))
    f.value("cta", "")
    c.check("a refresh without a change says so", not f.refresh() and f.error is None)
    c.check("a use is one event, the second use none", k.flush(60) and k.stats().accepted == 1 and k.stats().rejected == 0, k.stats())
    s.until(lambda: exposed(s, "cta", "x-bulk"), "the exposure")
    c.equal("a value that was used is an exposure", exposed(s, "cta", "x-bulk"), [f.details("cta", "").variant])
    row = s.until(lambda: s.sql("select e.decision_id, e.segments->>'country', e.origin from cohort.exposure e where e.unit_id = "
                                "cohort.unit_id('user', 'x-bulk')"), "its row")
    c.equal("with its decision and segments", row, [[f.details("cta", "").decision_id, "DE", "1"]])
    s.until(lambda: exposed(s, "cta", "x-single"), "the single evaluation's")
    c.equal("a prefetch, a look and enroll=False are none", [exposed(s, "cta", u) for u in ("x-looked", "x-read")], [[], []])
    d = k.details("quiet", "", "x-quiet")
    k.expose(d, "x-quiet")
    k.flush(60)
    c.equal("expose() reports where evaluating is none", s.until(lambda: exposed(s, "quiet", "x-quiet"), "it"), [d.variant])


def other_units(s, c):
    """A holdout, and an experiment on accounts behind one of its own."""
    for key, kind in (("people", "user"), ("teams", "account")):
        s.put("/v1/holdouts/" + key, {**HOLDOUT, "unit_type": kind})
        s.post(f"/v1/holdouts/{key}/start")
        s.put("/v1/experiments/on_" + kind, experiment(unit_type=kind, guardrails=[]))
        s.post(f"/v1/experiments/on_{kind}/start")
    with Client(s.info["url"], s.keys["client"], **bed.PATIENT) as k:
        for kind in ("user", "account"):
            s.until(lambda kind=kind: "holdouts" in k.details(f"on_{kind}", "", "w", {"account": "w"}, enroll=False).metadata, "it is held out of")
        drawn, arms = {}, {}
        for i in range(20):
            f = k.prefetch(f"h-{i}", {"account": f"a-{i}"})
            for kind in ("user", "account"):
                d = f.details(f"on_{kind}", "")
                who = f"h-{i}" if kind == "user" else f"a-{i}"
                drawn[kind, who] = [d.variant] if d.phase else []
                holdout, arm = d.metadata["holdouts"].split("=")
                arms[kind, holdout, who] = [arm]
        c.check("used values of 20 people and accounts are taken", k.flush(60) and k.stats().rejected == 0, k.stats())
        s.until(lambda: all(exposed(s, h, who, kind) for kind, h, who in arms), "everybody is exposed to their holdout")
        c.equal("each to the arm that was drawn", {a: exposed(s, a[1], a[2], a[0]) for a in arms}, arms)
        s.until(lambda: all(exposed(s, "on_" + kind, who, kind) for kind, who in drawn if drawn[kind, who]), "and to the experiment")
        c.equal("who was not held out to their variant", {a: exposed(s, "on_" + a[0], a[1], a[0]) for a in drawn}, drawn)


def sticky(s, c):
    """A variant that a token keeps is reported with it, though nobody would be drawn into it now."""
    s.put("/v1/experiments/kept", experiment(sticky=True, guardrails=[]))
    s.post("/v1/experiments/kept/start")
    with Client(s.info["url"], s.keys["events"], **bed.PATIENT) as k:
        s.until(lambda: k.details("kept", "", "t-1", enroll=False).reason == "SPLIT", "it runs")
        first = k.details("kept", "", "t-1", enroll=False)
        s.post("/v1/experiments/kept/ramp", {"traffic_ppm": 0})
        s.until(lambda: k.details("kept", "", "t-1", enroll=False).cohort_reason == "NOT_IN_TRAFFIC", "the ramp")
        d = k.prefetch("t-1", {"cohortTokens": first.metadata["token"]}).details("kept", "")
        c.equal("a token keeps the variant", (d.cohort_reason, d.variant), ("STICKY", first.variant))
        c.check("and its use is taken", k.flush(60) and k.stats().accepted == 1 and k.stats().rejected == 0, k.stats())
    c.equal("and stored", s.until(lambda: exposed(s, "kept", "t-1"), "the exposure"), [first.variant])


def outcomes(s, c, k):
    before = int(s.value("select count(*) from cohort.outcome"))
    d = k.details("cta", "", "o-1")
    ids = [k.track("unsubscribe", "o-1", 12.5, decision=d.decision_id), k.track("unsubscribe", "o-1", -3),
           k.track("unsubscribe", "o-2", units={"account": "a-1"}, attributes={"plan": "pro", "seats": 3})]
    own = str(uuid.uuid4())
    at = bed.datetime_now()
    for _ in range(2):
        ids.append(k.track("unsubscribe", "o-3", at=at, id=own))
    bad = k.track("unsubscribd", "o-1")
    c.check("track: answered", k.flush(60) and k.stats().rejected == 1, k.stats())
    s.until(lambda: int(s.value("select count(*) from cohort.outcome")) == before + 5, "rows: one has two units, one came twice")
    c.equal("an id of one's own with the same time counts once", s.value(f"select count(*) from cohort.outcome where event_id = '{own}'"), "1")
    c.equal("values", sorted(r[0] for r in s.sql("select value from cohort.outcome where value is not null")), ["-3000000", "12500000"])
    c.equal("trusted, with the decision", s.sql(f"select trusted, decision_id from cohort.outcome where event_id = '{ids[0]}'"),
            [["t", d.decision_id]])
    s.until(lambda: s.sql(f"select reason from cohort.dead_letter where event_id = '{bad}'") == [["unknown_event"]], "the typo's dead letter")


def draws(s, c):
    """Who computes it from the tables gets what was served."""
    key = bytes.fromhex(s.value("select encode(unit_key, 'hex') from cohort.secret where environment = cohort.current_environment()"))
    salt = bytes.fromhex(s.value("select encode(salt, 'hex') from cohort.experiment where key = 'cta'"))
    phases = []
    for number, phase_salt, slots in s.sql("select number, encode(salt, 'hex'), traffic_slots from cohort.phase where experiment = 'cta'"
                                           " order by number"):
        variants = dict(s.sql("select v.key, pv.slots from cohort.phase_variant pv join cohort.variant v on v.id = pv.variant_id join "
                              f"cohort.phase p on p.id = pv.phase_id where p.experiment = 'cta' and p.number = {number}"))
        phases.append(Phase(int(number), bytes.fromhex(phase_salt), slots, variants))
    with Client(s.info["url"], s.keys["client"], **bed.PATIENT) as k:
        different = []
        for i in range(200):
            d = k.details("cta", "", f"draw-{i}", enroll=False)
            mine = assigned(unit(key, "user", f"draw-{i}"), salt, phases)
            if tuple(mine) != (d.phase, d.variant, d.propensity):
                different.append((mine, d))
        c.check("200 draws computed again are what was served", not different, different[:2])


async def everything_async(s, c):
    async with AsyncClient(s.info["url"], s.keys["events"], **bed.PATIENT) as k:
        values = await asyncio.gather(*(k.value("count", 0, f"a-{i}") for i in range(50)))
        c.equal("asyncio: 50 evaluations at once", values, [5] * 50)
        d = await k.details("cta", "", "a-1")
        c.check("details", d.experiment == "cta" and d.error_code is None, d)
        f = await k.prefetch("as-bulk")
        c.equal("prefetch, and its use", (f.value("price", 0.5), f.details("cta", "").error_code), (5.0, None))
        c.equal("refresh", await f.refresh(), False)
        k.expose(await k.details("quiet", "", "as-quiet"), "as-quiet")
        sent = k.track("unsubscribe", "as-1")
        c.check("flush", await k.flush(60) and k.stats().accepted == 3 and k.stats().rejected == 0, k.stats())
        last = k.track("unsubscribe", "as-1")
    s.until(lambda: int(s.value(f"select count(*) from cohort.outcome where event_id in ('{sent}', '{last}')")) == 2,
            "both outcomes: leaving the block drains")
    s.until(lambda: exposed(s, "cta", "as-bulk") and exposed(s, "quiet", "as-quiet"), "both exposures")
    c.check("asyncio: stored", True)


def main():
    c = Checks()
    with Server() as s:
        s.psql(FLAGS)
        for key, doc in (("cta", experiment(segments=["country"])), ("quiet", experiment(exposure="reported", guardrails=[]))):
            a = s.put("/v1/experiments/" + key, doc)
            assert a.status == 200, a
            s.post(f"/v1/experiments/{key}/start")
        with Client(s.info["url"], s.keys["client"], **bed.PATIENT) as k:
            s.until(lambda: all(k.details(x, None, "w", enroll=False).error_code is None for x in ("cta", "quiet", "bare")), "all is served")
            s.until(lambda: k.details("quiet", None, "w", enroll=False).reason == "SPLIT", "the experiments run")
        for part in (types, details, exposures, outcomes):
            with Client(s.info["url"], s.keys["events"], **bed.PATIENT) as k:
                part(s, c, k)
        draws(s, c)
        asyncio.run(everything_async(s, c))
        sticky(s, c)
        other_units(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
