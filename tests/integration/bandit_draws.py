#!/usr/bin/env python3
"""What a server draws for bandits is what SQL expects, in the log and over HTTP: units by their epochs, decisions by
their ids, contextual bandits by the probabilities that were logged; and exposures are reported with their token."""
import json
import os
import sys
import uuid

from cohort_server import Checks, Server, now

VARIANTS = [{"key": k, "value": k} for k in ("control", "b", "c")]
UNITS = 150
FEATURES = [{"name": "age", "attribute": "age", "kind": "number"},
            {"name": "plan", "attribute": "plan", "kind": "one_hot", "values": ["free", "pro"]}]
MODEL = {"kind": "linear", "columns": 4, "centre": [40], "scale": [10], "low": [18], "high": [90], "gamma": 15,
         "weights": {"control": [0.2, 0.1, 0, 0], "b": [0.1, -0.1, 0.4, 0], "c": [0.1, 0, 0, 0.4]}}

# Each logged decision of an experiment against the contract. Of units as of the time it was made.
CHECK = """
    select count(*), count(*) filter (where (x.phase, x.variant, x.propensity, x.inclusion)
                                      is not distinct from (p.number, v.key, d.propensity, d.inclusion)),
           count(distinct d.phase_id), count(distinct d.variant_id)
      from cohort.decision d
      join cohort.experiment e on e.id = d.experiment_id and e.key = '{key}'
      join cohort.phase p on p.id = d.phase_id
      join cohort.variant v on v.id = d.variant_id
      left join lateral cohort.expected_assignment(e.key, d.unit_id, d.ts, d.decision_id) x on true
     where p.model_id is null
"""

# What a model decided: from the log's row and the phase's salt alone.
MODELS = """
    select count(*), count(*) filter (where d.variant_id = cohort.vector_variant(d.eligible,
                                          cohort.slot(cohort.decision_word(p.salt, d.unit_id, d.decision_id, 1)))
                                        and d.propensity = (d.eligible ->> d.variant_id::text)::int),
           count(*) filter (where (select sum(n::int) from jsonb_each_text(d.eligible) x(k, n)) = 1000000),
           count(*) filter (where d.reason = 'VARIANT'), count(*) filter (where d.reason = 'OUT_OF_RANGE'),
           count(*) filter (where d.reason = 'ATTRIBUTE_MISSING')
      from cohort.decision d join cohort.phase p on p.id = d.phase_id
     where p.model_id is not null and d.model_id = p.model_id
"""


def define(c, s):
    s.psql("insert into cohort.metric (key, event, window_end_s, direction_good) values ('paid', 'paid', 3600, 'up')")
    documents = {
        "by_unit": {"bandit": {"reward": "paid", "assign": "unit", "stick_s": 3, "uniform_ppm": 100000}},
        "by_decision": {"bandit": {"reward": "paid", "assign": "decision", "uniform_ppm": 100000}},
        "by_model": {"bandit": {"reward": "paid", "assign": "decision", "uniform_ppm": 100000},
                     "contextual": {"features": FEATURES}},
    }
    for key, more in documents.items():
        a = s.put(f"/v1/experiments/{key}", {"variants": VARIANTS, **more})
        c.check(f"{key} is a bandit", a.status in (200, 201), a)
        s.psql(f"select cohort.start('{key}')")
        s.until(lambda: s.evaluate(key, "c-1")["metadata"]["reason"] == "VARIANT", f"{key} runs")


def open_phase(s, key, shares, model="null"):
    """A time phase that begins in half a second; returns when the server knows it and it has begun. By previews, which are
    not logged: what a server decides that hears of the phase after it has begun can't be computed again."""
    opened = s.value(f"""select cohort.open_time_phase(e, '{json.dumps(shares)}', clock_timestamp() + interval '500 milliseconds', {model})
                           from cohort.experiment e where e.key = '{key}'""")
    number = int(s.value(f"select number from cohort.phase where id = {opened}"))

    def draws(i):
        a = s.post("/v1/preview", {"flag": key, "context": {"targetingKey": f"w-{i}", "age": 30, "plan": "pro"}, "decision": str(uuid.uuid4())})
        return a.json["metadata"].get("phase") == number
    s.until(lambda: any(draws(i) for i in range(20)), f"phase {number} of {key} draws")


def ask(s, key, **attributes):
    return [s.evaluate(key, f"c-{i}", **attributes) for i in range(UNITS)]


def logged(s, key, more):
    s.until(lambda: int(s.value(f"""select count(*) from cohort.decision d join cohort.experiment e on e.id = d.experiment_id
                                     where e.key = '{key}'""")) >= more, f"{key}'s decisions are logged")


def units(c, s):
    ask(s, "by_unit")
    open_phase(s, "by_unit", {"control": 100000, "b": 800000, "c": 100000})
    ask(s, "by_unit")
    answers = ask(s, "by_unit")
    logged(s, "by_unit", 3 * UNITS)
    all_of, same, phases, variants = map(int, s.sql(CHECK.format(key="by_unit"))[0])
    c.equal("by unit: C = SQL", same, all_of)
    c.equal("in the slice and two time phases", (phases, variants), (3, 3))
    return answers


def decisions(c, s):
    first, again = ask(s, "by_decision"), ask(s, "by_decision")
    changed = sum(a["variant"] != b["variant"] for a, b in zip(first, again))
    c.check(f"by decision: {changed} of {UNITS} people got something else when they asked again", changed > UNITS // 3)
    logged(s, "by_decision", 2 * UNITS)
    all_of, same, phases, _ = map(int, s.sql(CHECK.format(key="by_decision"))[0])
    c.equal("by decision: C = SQL", same, all_of)
    c.equal("in the slice and a time phase", phases, 2)


def models(c, s):
    s.psql(f"""insert into cohort.model (environment, experiment, experiment_id, version, document)
               select environment, key, id, 1, '{json.dumps(MODEL)}' from cohort.experiment where key = 'by_model'""")
    open_phase(s, "by_model", {"control": 333334, "b": 333333, "c": 333333}, "(select max(id) from cohort.model)")
    answers = ask(s, "by_model", age=30, plan="pro")
    ask(s, "by_model", age=99, plan="free")
    ask(s, "by_model", plan="free")
    logged(s, "by_model", 3 * UNITS)
    s.until(lambda: int(s.sql(MODELS)[0][0]) > 2 * UNITS, "decisions of the model are logged")
    all_of, same, whole, drawn, outside, missing = map(int, s.sql(MODELS)[0])
    c.equal("by model: variant and propensity follow from the logged probabilities", (same, whole), (all_of, all_of))
    c.check(f"{drawn} drawn, {outside} out of range, {missing} without an attribute", min(drawn, outside, missing) > UNITS // 2)
    model = [a for a in answers if "model" in a["metadata"]]
    c.equal("answers name the model's version", {a["metadata"]["model"] for a in model}, {1})
    c.equal("the safe variant is served with certainty", s.value("""
        select count(*) from cohort.decision d join cohort.variant v on v.id = d.variant_id
         where d.reason in ('OUT_OF_RANGE', 'ATTRIBUTE_MISSING') and (v.key <> 'control' or d.propensity <> 1000000
               or d.eligible <> jsonb_build_object(v.id, 1000000))"""), "0")
    c.equal("inputs have what the features read", s.value("""
        select count(*) from cohort.decision d where d.reason = 'VARIANT' and d.model_id is not null
           and d.inputs is distinct from '{"age": 30, "plan": "pro"}'"""), "0")
    c.equal("and are there in the slice too", s.value("""
        select count(*) from cohort.decision d join cohort.phase p on p.id = d.phase_id and p.kind = 'traffic'
          join cohort.experiment e on e.id = d.experiment_id and e.key = 'by_model'
         where d.inputs is null and d.ts > (select min(x.ts) from cohort.decision x where x.model_id is not null)"""), "0")


def preview(c, s):
    user = next(f"p-{i}" for i in range(100) if s.evaluate("by_model", f"p-{i}", age=30, plan="pro")["metadata"]["phase"] > 1)
    a = s.post("/v1/preview", {"flag": "by_model", "context": {"targetingKey": user, "age": 30, "plan": "pro"},
                               "decision": str(uuid.UUID(int=7))}).json
    text = "\n".join(a["steps"])
    c.equal("a preview tells the probabilities", (sum(a["probabilities"].values()), set(a["probabilities"])),
            (1000000, {"control", "b", "c"}))
    c.check("and explains them", all(w in text for w in ("in force since", "model 1 chooses", "probability", "feature plan moves")), text)
    again = s.post("/v1/preview", {"flag": "by_model", "context": {"targetingKey": user, "age": 30, "plan": "pro"},
                                   "decision": str(uuid.UUID(int=7))}).json
    c.equal("one decision is drawn alike each time", a["variant"], again["variant"])


def reports(c, s):
    """Bulk answers are prefetches: what was seen is reported, with the decision and its token."""
    def bulk(user):
        a = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": user, "age": 30, "plan": "pro"}}, key="client")
        return {f["key"]: f for f in a.json["flags"]}

    def report(flag, user, **changes):
        m = flag["metadata"]
        event = {"id": str(uuid.uuid4()), "experiment": m["experiment"], "variant": flag["variant"], "phase": m["phase"],
                 "units": {"user": user}, "ts": now(), "decision": m["decisionId"], "token": m.get("token"), **changes}
        event = {k: v for k, v in event.items() if v is not None}
        r = s.post("/v1/exposures", {"events": [event]}, key="client").json["results"][0]
        return r.get("code", r["status"]), event

    # Two who are not in the slice, where no model decides.
    outside = (f"r-{i}" for i in range(200) if all(f["metadata"].get("phase", 1) > 1 for f in bulk(f"r-{i}").values()))
    user, another = next(outside), next(outside)
    flags = bulk(user)
    for key in ("by_unit", "by_decision"):
        c.equal(f"{key}: taken with its token, and without", [report(flags[key], user)[0], report(flags[key], user, token=None)[0]],
                ["accepted", "accepted"])
    other = next(v["key"] for v in VARIANTS if v["key"] != flags["by_decision"]["variant"])
    c.equal("by_decision: not another variant, nor without the decision",
            [report(flags["by_decision"], user, variant=other)[0], report(flags["by_decision"], user, decision=None, token=None)[0]],
            ["contradicts_draw", "missing_field"])
    taken, event = report(flags["by_model"], user)
    c.equal("by_model: taken with its token", taken, "accepted")
    c.equal("by_model: not without it, nor with another's, nor as another variant",
            [report(flags["by_model"], user, token=None)[0], report(flags["by_model"], another)[0],
             report(flags["by_model"], user, variant=next(v["key"] for v in VARIANTS if v["key"] != flags["by_model"]["variant"]))[0]],
            ["missing_field", "missing_field", "contradicts_draw"])
    s.until(lambda: s.value(f"select count(*) from cohort.exposure where event_id = '{event['id']}'") == "1", "the report is stored")
    c.equal("with the decision's propensity", s.value(f"select propensity from cohort.exposure where event_id = '{event['id']}'"),
            str(flags["by_model"]["metadata"]["propensity"]))


def vectors(c, s):
    """The worked cases: words, epochs, and owners of slots in SQL."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "assignment_bandit.json"), encoding="utf-8") as f:
        doc = json.load(f)
    xs = {x["key"]: x for x in doc["experiments"]}
    words, epochs, owners = [], [], []
    for k in doc["cases"]:
        x = xs[k["experiment"]]
        words.append(f"('{x['salt']}', '{k['unit']}', null, 3, {k['w3']})")
        phase = next((p for p in x["phases"] if p["number"] == k.get("phase")), None)
        if "w1" in k:
            each = phase["kind"] == "time" and x["bandit"]["assign"] == "decision"
            id = f"'{k['decision']}'" if each else "null"
            words.append(f"('{phase['salt']}', '{k['unit']}', {id}, 1, {k['w1']})")
        if k["epoch_us"] is not None:
            epochs.append(f"('{x['salt']}', '{k['unit']}', {x['bandit']['stick_us'] // 1000000}, {k['now_us']}, {k['epoch_us']})")
        if "probabilities" in k and "slot" in k:
            id = next(v["id"] for v in x["variants"] if v["key"] == k["variant"])
            owners.append(f"('{json.dumps(k['probabilities'])}', {k['slot']}, {id})")
    c.equal("worked cases in SQL: words", s.value(f"""
        select count(*) from (values {','.join(words)}) x(salt, unit, decision, n, w)
         where w = case when decision is null then cohort.draw_word(decode(salt, 'hex'), unit::uuid, n)
                        else cohort.decision_word(decode(salt, 'hex'), unit::uuid, decision::uuid, n) end"""), str(len(words)))
    c.equal("epochs", s.value(f"""
        select count(*) from (values {','.join(epochs)}) x(salt, unit, stick_s, now_us, epoch_us)
         where epoch_us = cohort.micros(cohort.unit_epoch(decode(salt, 'hex'), unit::uuid, stick_s,
                                                           'epoch'::timestamptz + now_us * interval '1 microsecond'))"""), str(len(epochs)))
    c.equal("owners of slots", s.value(f"""
        select count(*) from (values {','.join(owners)}) x(eligible, slot, id) where id = cohort.vector_variant(eligible::jsonb, slot)"""),
            str(len(owners)))
    c.check("and there are many of each", min(len(words), len(epochs), len(owners)) >= 30, (len(words), len(epochs), len(owners)))


def main():
    c = Checks()
    with Server() as s:
        vectors(c, s)
        define(c, s)
        units(c, s)
        decisions(c, s)
        models(c, s)
        preview(c, s)
        reports(c, s)
        for key in ("by_unit", "by_decision", "by_model"):
            c.equal(f"{key}: every exposure is what is computed again", s.value(f"select count(*) from cohort.recheck('{key}')"), "0")
        c.equal("the view names the model", s.value("select count(distinct model) from cohort.decisions where model is not null"), "1")
    c.done()


if __name__ == "__main__":
    sys.exit(main())
