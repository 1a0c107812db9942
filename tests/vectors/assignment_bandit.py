#!/usr/bin/env python3
"""Worked cases of how bandits assign (docs/assignment.md), worked out here from the contract alone: nothing of
cohortd's code is used. Prints assignment_bandit.json; --check FILE says whether the file is what this prints.

    python3 assignment_bandit.py > assignment_bandit.json

The document it prints:
    unit_key, hash_key   hexadecimal; of the environment
    experiments          as a plan has them: salts, phases with the slots of their variants, features, models
    cases                a person (raw id of unit type user), a decision's id, a time (microseconds since 1970)
                         and attributes; and what must come out: unit, the words w0, w1 and w3 that were used,
                         epoch, phase, slot in it, variant, propensity, reason, probabilities
    scores               scores, gamma and floor; and what must come out: ppm, confidence
    logistic             z and 1 / (1 + e^-z)
Floats are printed so that they read back equal.
"""
import hashlib
import hmac
import json
import sys
import uuid

SLOTS = 1_000_000
UNIT_KEY = bytes(range(32))
HOUR = 3_600_000_000
START = 1_790_000_000_000_000


def salt(text):
    return hashlib.sha256(text.encode()).digest()[:16]


def unit_of(raw):
    return hmac.new(UNIT_KEY, b"user\0" + raw.encode(), hashlib.sha256).digest()[:16]


def words(*parts):
    digest = hashlib.sha256(b"".join(parts)).digest()
    return [int.from_bytes(digest[4 * i : 4 * i + 4], "big") for i in range(8)]


def slot(w):
    return w * SLOTS >> 32


# --- time phases ---


def epoch(w3, stick_us, now_us):
    """When the epoch that now lies in began."""
    if stick_us == 0:
        return now_us
    offset = w3 * stick_us >> 32
    return now_us - (now_us - offset) % stick_us


def in_force(phases, at):
    """The phase of the highest number that has begun, or the first."""
    begun = [p for p in phases if p["from_us"] <= at]
    return max(begun, key=lambda p: p["number"]) if begun else min(phases, key=lambda p: p["number"])


def owns(ranges, s):
    return any(lo <= s < hi for lo, hi in ranges)


def draw_phase(x, unit, now_us):
    """(phase, epoch, w0, w3); phase None: not in the traffic."""
    w = words(bytes.fromhex(x["salt"]), unit)
    s = slot(w[0])
    for p in x["phases"]:
        if p["kind"] == "traffic" and owns(p["traffic_slots"], s):
            return p, None, w[0], w[3]
    timed = [p for p in x["phases"] if p["kind"] == "time"]
    now = in_force(timed, now_us)
    if not owns(now["traffic_slots"], s) or owns(now.get("closed", []), s):
        return None, None, w[0], w[3]
    if x["bandit"]["assign"] == "decision":
        return now, None, w[0], w[3]
    began = epoch(w[3], x["bandit"]["stick_us"], now_us)
    p = in_force(timed, began)
    while not owns(p["traffic_slots"], s):
        p = min((q for q in timed if q["number"] > p["number"]), key=lambda q: q["number"])
    return p, began, w[0], w[3]


# --- models: IEEE doubles in the order written in docs/assignment.md ---


def exponential(z):
    high, low = float.fromhex("0x1.62e42fefap-1"), float.fromhex("0x1.cf79abc9e3b3ap-40")
    k = int(z * float.fromhex("0x1.71547652b82fep+0") - 0.5)
    r = (z - k * high) - k * low
    total = 1.0
    for i in range(13, 0, -1):
        total = 1 + r * total / i
    return total * 2.0**k


def logistic(z):
    e = exponential(-min(abs(z), 40.0))
    return e / (1 + e) if z < 0 else 1 / (1 + e)


def dot(w, x):
    s = [0.0] * 4
    for i, (a, b) in enumerate(zip(w, x)):
        s[i % 4] += a * b
    return (s[0] + s[1]) + (s[2] + s[3])


def probabilities(scores, gamma, floor_ppm):
    n = len(scores)
    best = scores.index(max(scores))
    others, ppm = 0.0, [0] * n
    for i, score in enumerate(scores):
        if i != best:
            p = 1 / (n + gamma * (scores[best] - score))
            ppm[i] = floor_ppm + int(float(SLOTS - n * floor_ppm) * p)
            others += p
    ppm[best] = SLOTS - sum(ppm)
    return ppm, 1 - others


def read_row(c, model, attributes):
    """The row, or the reason why there is none."""
    row, columns, number = [1.0], {}, 0
    for f in c["features"]:
        if f["kind"] == "interaction":
            a, b = (columns[name] for name in f["of"])
            new = [x * y for x in a for y in b]
        else:
            v = attributes.get(f["attribute"])
            if f["kind"] == "number":
                if not isinstance(v, (int, float)) or isinstance(v, bool):
                    return "ATTRIBUTE_MISSING"
                if not model["low"][number] <= v <= model["high"][number]:
                    return "OUT_OF_RANGE"
                new = [(float(v) - model["centre"][number]) / model["scale"][number]]
                number += 1
            elif f["kind"] == "boolean":
                if not isinstance(v, bool):
                    return "ATTRIBUTE_MISSING"
                new = [1.0 if v else 0.0]
            else:
                if not isinstance(v, str):
                    return "ATTRIBUTE_MISSING"
                new = [1.0 if v == value else 0.0 for value in f["values"]]
        columns[f["name"]] = new
        row += new
    return row


def ask_model(x, phase, attributes):
    """(reason, {variant id: ppm})"""
    c = x["contextual"]
    model = next(m for m in c["models"] if m["id"] == phase["model"])
    ids = {v["key"]: v["id"] for v in x["variants"]}
    safe = {ids[c["safe"]]: SLOTS}
    row = read_row(c, model, attributes)
    if isinstance(row, str):
        return row, safe
    arms = sorted((ids[v["variant"]], v["variant"]) for v in phase["variants"])
    scores = [dot(model["weights"][key], row) for _, key in arms]
    if model["kind"] == "logistic":
        scores = [logistic(s) for s in scores]
    ppm, confidence = probabilities(scores, model["gamma"], model["floor_ppm"])
    if confidence * 1e6 < c["threshold_ppm"]:
        return "LOW_CONFIDENCE", safe
    return "VARIANT", {id: p for (id, _), p in zip(arms, ppm)}


# --- a decision ---


def decide(x, raw, decision, now_us, attributes):
    unit = unit_of(raw)
    out = {"experiment": x["key"], "raw": raw, "decision": str(uuid.UUID(bytes=decision)), "now_us": now_us,
           "attributes": attributes, "unit": str(uuid.UUID(bytes=unit))}
    phase, began, w0, w3 = draw_phase(x, unit, now_us)
    out.update(w0=w0, w3=w3, traffic_slot=slot(w0), epoch_us=began)
    if not phase:
        return {**out, "reason": "NOT_IN_TRAFFIC"}
    out["phase"] = phase["number"]
    each = phase["kind"] == "time" and x["bandit"]["assign"] == "decision"
    w1 = words(bytes.fromhex(phase["salt"]), unit, decision if each else b"")[1]
    if phase.get("model"):
        reason, vector = ask_model(x, phase, attributes)
        owners, lo = [], 0
        for id in sorted(vector):
            owners.append((id, lo, lo + vector[id]))
            lo += vector[id]
        out.update(reason=reason, probabilities={str(i): p for i, p in vector.items()})
    else:
        ids = {v["key"]: v["id"] for v in x["variants"]}
        owners = [(ids[v["variant"]], lo, hi) for v in phase["variants"] for lo, hi in v["slots"]]
        out["reason"] = "VARIANT"
    s = 0 if out["reason"] != "VARIANT" else slot(w1)
    if out["reason"] == "VARIANT":
        out.update(w1=w1, slot=s)
    id, lo, hi = next(o for o in owners if o[1] <= s < o[2])
    key = next(v["key"] for v in x["variants"] if v["id"] == id)
    return {**out, "variant": key, "propensity": hi - lo}


# --- what is worked out ---


def phase(x, number, kind, traffic, shares, **more):
    lo, variants = 0, []
    for key, share in shares.items():
        variants.append({"variant": key, "share_ppm": share, "slots": [[lo, lo + share]]})
        lo += share
    return {"id": x["id"] * 100 + number, "number": number, "kind": kind, "salt": salt(f"{x['key']} {number}").hex(),
            "traffic_slots": traffic, "variants": variants, **more}


def experiment(id, key, kind, bandit, variants, **more):
    return {"id": id, "key": key, "kind": kind, "status": "running", "guard_stopped": False,
            "exposure": "on_evaluation", "unit_type": "user", "salt": salt(key).hex(), "bandit": bandit,
            "variants": [{"id": 10 * id + i, "key": v, "value": v} for i, v in enumerate(variants)], **more}


def units():
    x = experiment(1, "units", "bandit", {"assign": "unit", "stick_us": 7 * 24 * HOUR}, ["control", "b", "c"])
    rest = [[50_000, 1_000_000]]
    x["phases"] = [
        phase(x, 1, "traffic", [[0, 50_000]], {"control": 333_334, "b": 333_333, "c": 333_333}),
        phase(x, 2, "time", rest, {"control": 333_334, "b": 333_333, "c": 333_333}, from_us=START),
        phase(x, 3, "time", rest, {"control": 250_000, "b": 640_001, "c": 109_999}, from_us=START + 30 * HOUR),
        phase(x, 4, "time", rest, {"control": 10_000, "b": 980_000, "c": 10_000}, from_us=START + 100 * HOUR,
              closed=[[900_000, 1_000_000]])]
    return x


def decisions():
    x = experiment(2, "decisions", "bandit", {"assign": "decision", "stick_us": 0}, ["control", "b"])
    rest = [[100_000, 1_000_000]]
    x["phases"] = [
        phase(x, 1, "traffic", [[0, 100_000]], {"control": 500_000, "b": 500_000}),
        phase(x, 2, "time", rest, {"control": 500_000, "b": 500_000}, from_us=START),
        phase(x, 3, "time", rest, {"control": 123_457, "b": 876_543}, from_us=START + HOUR)]
    return x


def contextual():
    # "third" has the lowest id: slots are owned in the order of ids, not of the list.
    x = experiment(3, "contextual", "contextual", {"assign": "decision", "stick_us": 0}, ["third", "control", "b"])
    x["variants"] = x["variants"][1:] + x["variants"][:1]
    x["contextual"] = {
        "features": [{"name": "amount", "attribute": "amount", "kind": "number"},
                     {"name": "pro", "attribute": "pro", "kind": "boolean"},
                     {"name": "country", "attribute": "country", "kind": "one_hot", "values": ["DE", "FR", "US"]},
                     {"name": "amount_pro", "kind": "interaction", "of": ["amount", "pro"]}],
        "safe": "control", "threshold_ppm": 450_000,
        "models": [{"id": 8, "version": 1, "kind": "logistic", "columns": 7, "centre": [40.5], "scale": [12.25],
                    "low": [0], "high": [200], "gamma": 35.7, "floor_ppm": 10_000,
                    "weights": {"control": [-1.9, 0.31, 0.2, 0.05, -0.4, 0.1, 0.07],
                                "b": [-2.2, -0.17, 0.9, 0.6, 0.02, -0.3, -0.11],
                                "third": [-2.0, 0.05, -0.1, -0.2, 1.1, 0.3, 0.33]}},
                   {"id": 9, "version": 2, "kind": "linear", "columns": 7, "centre": [40.5], "scale": [12.25],
                    "low": [0], "high": [200], "gamma": 3.25, "floor_ppm": 20_000,
                    "weights": {"control": [1.9, 0.31, 0.2, 0.05, -0.4, 0.1, 0.07],
                                "b": [2.2, -0.17, 0.9, 0.6, 0.02, -0.3, -0.11],
                                "third": [2.0, 0.05, -0.1, -0.2, 1.1, 0.3, 0.33]}}]}
    rest, even = [[20_000, 1_000_000]], {"control": 333_334, "b": 333_333, "third": 333_333}
    x["phases"] = [phase(x, 1, "traffic", [[0, 20_000]], even),
                   phase(x, 2, "time", rest, even, from_us=START, model=None),
                   phase(x, 3, "time", rest, even, from_us=START + HOUR, model=8),
                   phase(x, 4, "time", rest, even, from_us=START + 2 * HOUR, model=9)]
    return x


def number(text, below):
    """A made up number: the same whoever makes it."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % below


def attributes_of(i):
    a = {"amount": number(f"amount {i}", 2300) / 10 - 5, "pro": i % 2 == 0,
         "country": ["DE", "FR", "US", "PT"][i % 4]}
    if i % 13 == 0:
        del a["country"]
    return a


def document():
    xs = [units(), decisions(), contextual()]
    cases = []
    for x, n, hours in ((xs[0], 60, 300), (xs[1], 40, 3), (xs[2], 80, 3)):
        for i in range(n):
            now = START + number(f"{x['key']} {i}", hours * HOUR)
            decision = hashlib.sha256(f"decision {i}".encode()).digest()[:16]
            attributes = attributes_of(i) if x["kind"] == "contextual" else {}
            raw = f"c-{i % 25}" if x["kind"] == "contextual" else f"c-{i}"
            cases.append(decide(x, raw, decision, now, attributes))
    scores = []
    for i in range(24):
        n = 1 + i % 6
        s = [number(f"score {i} {k}", 1000) / 1000 for k in range(n)]
        gamma, floor = [0.0, 1.5, 80.0, 12345.678][i % 4], [0, 10_000, SLOTS // n][i % 3]
        ppm, confidence = probabilities(s, gamma, floor)
        scores.append({"scores": s, "gamma": gamma, "floor_ppm": floor, "ppm": ppm, "confidence": confidence})
    zs = [0.0, -0.5, 1.0, 3.75, -7.125, 22.6, -39.99, 40.0, 55.0, -1000.0]
    return {"unit_key": UNIT_KEY.hex(), "hash_key": bytes(32).hex(), "experiments": xs, "cases": cases,
            "scores": scores, "logistic": [{"z": z, "p": logistic(z)} for z in zs]}


def lines(doc):
    """One case a line."""
    parts = []
    for key, value in doc.items():
        if isinstance(value, list):
            inner = ",\n".join("  " + json.dumps(v) for v in value)
            parts.append(f'"{key}": [\n{inner}\n]')
        else:
            parts.append(f'"{key}": {json.dumps(value)}')
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    text = lines(document())
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        with open(sys.argv[2], encoding="utf-8") as f:
            sys.exit(0 if f.read() == text else f"{sys.argv[2]} is not what this script prints")
    sys.stdout.write(text)
