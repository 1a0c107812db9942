#!/usr/bin/env python3
"""Results that take more than counts, end to end through REST: matured windows, CUPED, quantiles, segments with their
disparity, and metrics whose definition changes under a running experiment. Units, values and numbers are computed again here
from the events that were sent."""
import math
import random
import uuid

from cohort_server import Checks, Server, experiment, now
from results import ALPHA, N_STAR, expect, near

PEOPLE, RIPENING, DAY, HOUR = 3600, 40, 86400, 3600
GRACE = 60  # seconds that the roll-up waits for late events of a window that has closed: cohort.lateness()
R20 = (100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900)
METRICS = {"buy": {"event": "buy", "kind": "binary", "window_end_s": HOUR},
           "spend": {"event": "buy", "kind": "mean", "window_end_s": HOUR, "cuped_days": 3},
           "mid": {"event": "buy", "kind": "quantile", "quantile": 0.5, "window_end_s": HOUR},
           "open": {"event": "buy", "kind": "mean"}}


class Person:
    """first: seconds from now to the first exposure. events: (seconds after it, value)."""

    def __init__(self, name, first, country, variant, events):
        self.name, self.first, self.country, self.variant, self.events = name, first, country, variant, events

    def values(self, begin, end):
        return [v for at, v in self.events if begin <= at < end]


def people(s, rng):
    """Who buys depends on the country, and in IT on the variant; how much, on what they spent before."""
    all_of_them = []
    for i in range(PEOPLE + RIPENING):
        variant = s.post("/ofrep/v1/evaluate/flags/x?enroll=false", {"context": {"targetingKey": f"u-{i}"}}, "client").json["variant"]
        country = "XX" if i % 100 == 0 else ("DE", "FR", "IT")[i % 3]
        chance = {"DE": 0.5, "FR": 0.4, "IT": 0.8 if variant == "treatment" else 0.3, "XX": 0.5}[country]
        # The last ones' windows close while the test looks; a tenth of the others' are open for an hour.
        first = -(HOUR + GRACE - 15) if i >= PEOPLE else -60 if i % 10 == 0 else -2 * DAY - i
        before = rng.randint(1, 100)
        events = [(-600, before)]
        if rng.random() < chance:
            events.append((20, before + rng.randint(0, 30)))
        if first < -DAY and rng.random() < 0.3:
            events.append((HOUR + 600, 17))
        all_of_them.append(Person(f"u-{i}", first, country, variant, events))
    return all_of_them


def send(s, crowd):
    def event(p, at, **fields):
        return {"id": str(uuid.uuid4()), "units": {"user": p.name}, "ts": now(at), **fields}
    exposures = [event(p, p.first, experiment="x", variant=p.variant, phase=1, attributes={"country": p.country}) for p in crowd]
    outcomes = [event(p, p.first + at, name="buy", value=v) for p in crowd for at, v in p.events]
    for path, events in (("outcomes", outcomes), ("exposures", exposures)):
        for i in range(0, len(events), 500):
            a = s.post("/v1/" + path, {"events": events[i:i + 500]}, "events")
            assert a.status == 202 and a.json["rejected"] == 0, a


def matured(p, window=HOUR):
    return p.first < -window


def stat(kind, values):
    scaled = [(1 if v else 0) if kind == "binary" else v for v in values]
    return dict(units=len(values), event_units=sum(1 for v in scaled if v), sum=sum(scaled) * 10**6,
                sum_sq=sum(v * v for v in scaled) * 10**12)


def rho2(alpha):
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / N_STAR


def half_width(variance, n):
    x = n * rho2(ALPHA)
    return math.sqrt(variance * 2 * (x + 1) / x * math.log(math.sqrt(x + 1) / ALPHA))


def arms(crowd, window=HOUR, kind="mean"):
    """Values of treatment and of control, of units whose window has closed; a binary one's are whether there was an event."""
    out = {}
    for arm in ("treatment", "control"):
        mine = [p for p in crowd if p.variant == arm and (window is None or matured(p, window))]
        values = [p.values(0, window or math.inf) for p in mine]
        out[arm] = [bool(v) if kind == "binary" else sum(v) for v in values]
    return out


def same(c, what, got, want):
    wrong = {k: (got.get(k), v) for k, v in want.items() if not near(got.get(k), v)}
    c.check(what, not wrong, wrong)


def of(doc, metric):
    m = [m for m in doc["metrics"] if m["metric"] == metric][0]
    return m, {v["variant"]: v for v in m["variants"]}


def windows(c, doc, crowd):
    for metric, window in (("buy", HOUR), ("spend", HOUR), ("open", None)):
        _, got = of(doc, metric)
        kind = METRICS[metric]["kind"]
        values = arms(crowd, window, kind)
        for arm in values:
            exposed = sum(p.variant == arm for p in crowd)
            c.equal(f"{metric}, {arm}: units that count, and units exposed", (got[arm]["units"], got[arm]["exposed"]), (len(values[arm]), exposed))
            words = f"{len(values[arm]):,} of {exposed:,} units have matured" if window else "running: the metric's window has no end"
            c.check("   in words", got[arm]["maturity"].startswith(words) and got[arm]["matured"] == bool(window), got[arm]["maturity"])
        numbers = expect(kind, [stat(kind, values["treatment"])], [stat(kind, values["control"])])
        c.check("   its gate is open", got["treatment"]["gate"]["open"], got["treatment"]["gate"])
        same(c, "   value, difference, interval and ln E are Python's", got["treatment"], numbers)


def fit(xs, ys):
    n, mx, my = len(xs), sum(xs) / len(xs), sum(ys) / len(ys)
    xx, xy = sum((x - mx) ** 2 for x in xs), sum((x - mx) * (y - my) for x, y in zip(xs, ys))
    theta = xy / xx
    residual = sum((y - my - theta * (x - mx)) ** 2 for x, y in zip(xs, ys))
    return n, mx, my, theta, residual / (n - 2) / n


def cuped(c, doc, crowd):
    _, got = of(doc, "spend")
    xs = {a: [sum(p.values(-3 * DAY, 0)) for p in crowd if p.variant == a and matured(p)] for a in ("treatment", "control")}
    ys = arms(crowd)
    (n, mx, my, theta, v), (n0, mx0, my0, theta0, v0) = (fit(xs[a], ys[a]) for a in ("treatment", "control"))
    both = xs["treatment"] + xs["control"]
    mean = sum(both) / len(both)
    vx = sum((x - mean) ** 2 for x in both) / (len(both) - 1) / len(both)
    variance = v + v0 + (theta - theta0) ** 2 * vx
    difference = my - theta * (mx - mean) - (my0 - theta0 * (mx0 - mean))
    half = half_width(variance, n + n0)
    plain = expect("mean", [stat("mean", ys["treatment"])], [stat("mean", ys["control"])])["std_error"] ** 2
    gain = 1 - variance / plain
    same(c, f"CUPED: difference, interval and gain ({gain:.0%}) are Python's", got["treatment"]["cuped"],
         dict(difference=difference, low=difference - half, high=difference + half, gain=gain))
    c.check("   and it is a gain", gain > 0.05, gain)


def quantile(values, alpha, p=0.5):
    """Estimate and interval between the edges of the buckets, from the values themselves."""
    n, c = len(values), 1 / rho2(alpha)

    def ln_m(s):
        def beta(a, b):
            return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
        return beta(c * p + s, c * (1 - p) + n - s) - beta(c * p, c * (1 - p)) - s * math.log(p) - (n - s) * math.log(1 - p)
    edges = [e * 10.0**k / 100 for k in range(-4, 5) for e in R20]
    buckets = [(0.0, 0.0, sum(v <= 0 for v in values))] + [
        (low, high, sum(v < high for v in values)) for low, high in zip([0.0] + edges, edges)]
    threshold = -math.log(alpha)
    low = next(b[0] for b in buckets if not (b[2] < p * n and ln_m(b[2]) >= threshold))
    high = next(b[1] for b in buckets if b[2] > p * n and ln_m(b[2]) >= threshold)
    at = next(i for i, b in enumerate(buckets) if b[2] >= p * n)
    a, b, s = buckets[at]
    before = buckets[at - 1][2] if at else 0
    return a * (b / a) ** ((p * n - before) / (s - before)) if a else b * (p * n - before) / (s - before), low, high


def quantiles(c, doc, crowd):
    _, got = of(doc, "mid")
    values = arms(crowd)
    halves = {}
    for arm in values:
        value, low, high = quantile(values[arm], ALPHA)
        same(c, f"median, {arm}: value and range are Python's", got[arm]["value_range"], dict(value=value, low=low, high=high))
        halves[arm] = quantile(values[arm], ALPHA / 2)
    t, k = halves["treatment"], halves["control"]
    same(c, "   their difference", got["treatment"], dict(difference=t[0] - k[0], low=t[1] - k[2], high=t[2] - k[1]))
    c.equal("   p says only whether 0 is left out", got["treatment"]["p"], 0.05 if t[1] > k[2] or t[2] < k[1] else 1)


def segments(c, doc, crowd):
    got = {x["value"]: x for x in doc["segments"] if x["metric"] == "buy" and x["attribute"] == "country" and x["variant"] == "treatment"}
    c.equal("segments: every country", sorted(got), ["DE", "FR", "IT", "XX"])
    c.check("   one with few events is suppressed: no number of its own", got["XX"]["suppressed"] and got["XX"].get("rate") is None
            and got["XX"].get("difference") is None, got["XX"])
    rates, want = {}, {}
    for country in ("DE", "FR", "IT"):
        here, rest = (arms([p for p in crowd if (p.country == country) == inside], kind="binary") for inside in (True, False))
        e, r = (expect("binary", [stat("binary", x["treatment"])], [stat("binary", x["control"])]) for x in (here, rest))
        n = sum(map(len, here.values())) + sum(map(len, rest.values()))
        variance, x = e["std_error"] ** 2 + r["std_error"] ** 2, n * rho2(ALPHA)
        d, half = e["difference"] - r["difference"], half_width(variance, n)
        rates[country] = {a: sum(here[a]) / len(here[a]) for a in here}
        want[country] = dict(rate=rates[country]["treatment"], control_rate=rates[country]["control"], effect=e["difference"],
                             effect_rest=r["difference"], difference=d, low=d - half, high=d + half,
                             ln_e=-0.5 * math.log(1 + x) + d * d / variance * x / (2 * (1 + x)))
    for country, numbers in want.items():
        numbers["selection_ratio"] = rates[country]["treatment"] / max(x["treatment"] for x in rates.values())
        numbers["control_selection_ratio"] = rates[country]["control"] / max(x["control"] for x in rates.values())
        same(c, f"   {country}: rates, effects, their disparity and selection ratios are Python's", got[country], numbers)
    differs = {s for k in range(1, 5) for s in want if len([t for t in want if want[t]["ln_e"] >= math.log(4 / (ALPHA * k))]) >= k
               and want[s]["ln_e"] >= math.log(4 / (ALPHA * k))}
    c.equal("   e-BH says where the effect differs", {s for s in got if got[s].get("differs")}, differs)
    c.check("   IT among them", "IT" in differs, want)


def versions(s, c, crowd):
    """Changed under way: what counts from now on is a test of its own, over what was sent before, too; the old one's results stay."""
    before = of(s.get("/v1/experiments/x/results").json, "spend")[1]["treatment"]
    a = s.put("/v1/metrics/spend", {**METRICS["spend"], "window_end_s": 2 * HOUR})
    c.check("a metric that changes says that a new test begins", a.status == 200 and a.json["version"] == 2 and "new test" in a.json["notice"], a)
    c.equal("   and keeps both definitions", sorted((v["version"], v["definition"]["window_end_s"]) for v in a.json["versions"]),
            [(1, HOUR), (2, 2 * HOUR)])
    values = arms(crowd, 2 * HOUR)

    def counted():
        m, got = of(s.get("/v1/experiments/x/results").json, "spend")
        t = got["treatment"]
        assert m["version"] == 2 and t["units"] == len(values["treatment"]) and near(t["value"], sum(values["treatment"]) / t["units"]), t
        return m, t
    m, t = s.until(counted, "version 2 is counted")
    same(c, "   version 2 counts the longer window, from events of before, too", t,
         expect("mean", [stat("mean", values["treatment"])], [stat("mean", values["control"])]))
    c.check("   it differs from version 1's", t["value"] > before["value"] + 1, (t["value"], before["value"]))
    c.check("   and says so", m["versions"].startswith("version 2 of the metric counts since ") and m["window_end_s"] == 2 * HOUR, m["versions"])
    kept = s.sql("select (r.body->>'value')::float8, (r.body->>'units')::int from cohort.result r join cohort.metric m on m.id = r.metric_id and"
                 " m.key = 'spend' join cohort.variant v on v.id = r.variant_id and v.key = 'treatment' where r.metric_version = 1"
                 " and r.segment = 0")
    c.check("   version 1's last results stay", len(kept) == 1 and near(float(kept[0][0]), before["value"])
            and int(kept[0][1]) == before["units"], kept)


def main():
    c, rng = Checks(), random.Random(11)
    with Server() as s:
        for key, doc in METRICS.items():
            assert s.put("/v1/metrics/" + key, doc).status == 200, key
        a = s.put("/v1/experiments/x", experiment(guardrails=[], exposure="reported", segments=["country"], planned_units=int(N_STAR), metrics=[
            {"metric": m, "role": "primary" if m == "buy" else "secondary"} for m in METRICS]))
        assert a.status == 200, a
        s.post("/v1/experiments/x/start")
        s.until(lambda: s.evaluate("x", "w")["reason"] == "SPLIT", "the experiment runs")
        crowd = people(s, rng)
        send(s, crowd)
        ripe = {a: len(v) for a, v in arms(crowd).items()}

        def complete():
            doc = s.get("/v1/experiments/x/results").json
            units = {a: of(doc, "buy")[1][a]["units"] for a in ripe}
            assert units == ripe and sum(of(doc, "open")[1][a]["units"] for a in ripe) == len(crowd), (units, ripe)
            return doc if s.sql("select count(*) from cohort.results_due()") == [["0"]] else None
        doc = s.until(complete, "windows close by the clock, and all is counted")
        for part in (windows, cuped, quantiles, segments):
            part(c, doc, crowd)
        versions(s, c, crowd)
    c.done()


if __name__ == "__main__":
    main()
