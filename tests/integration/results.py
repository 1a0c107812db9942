#!/usr/bin/env python3
"""What the leader writes as results equals what Python computes from metric_stat by itself: random counts of a
proportion, a mean and a ratio in two phases. And they are served, as a document and as a series."""
import math
import random

from cohort_server import Server

ALPHA, N_STAR, DRAWS = 0.05, 20000.0, 12
METRICS = {"r_rate": "binary", "r_mean": "mean", "r_ratio": "ratio"}


def arm(kind, rng):
    n = rng.randint(3000, 9000)
    if kind == "binary":
        s = rng.randint(300, 2000)
        return dict(units=n, event_units=s, amounts=s, sum=s * 10**6, sum_sq=s * 10**12, sum_cu=s * 10**18,
                    den_sum=0, den_sum_sq=0, cross_sum=0)
    y = [rng.randint(0, 9) for _ in range(n)]
    d = [rng.randint(1, 4) for _ in range(n)]
    return dict(units=n, event_units=n, amounts=sum(1 for v in y if v), sum=sum(y) * 10**6, sum_sq=sum(v * v for v in y) * 10**12,
                sum_cu=sum(v**3 for v in y) * 10**18, den_sum=sum(d) * 10**6, den_sum_sq=sum(v * v for v in d) * 10**12,
                cross_sum=sum(a * b for a, b in zip(y, d)) * 10**12)


def value_and_variance(kind, a):
    n, s, q = a["units"], a["sum"] / 1e6, a["sum_sq"] / 1e12
    mean = s / n
    if kind == "binary":
        return mean, mean * (1 - mean) / n
    var_y = (q - s * s / n) / (n - 1)
    if kind == "mean":
        return mean, var_y / n
    d = a["den_sum"] / 1e6
    var_d = (a["den_sum_sq"] / 1e12 - d * d / n) / (n - 1)
    cov = (a["cross_sum"] / 1e12 - s * d / n) / (n - 1)
    r = s / d
    return r, (var_y - 2 * r * cov + r * r * var_d) / ((d / n) ** 2 * n)


def expect(kind, treatment, control):
    total = sum(t["units"] + c["units"] for t, c in zip(treatment, control))
    vt = vc = wt = wc = 0.0
    for t, c in zip(treatment, control):
        w = (t["units"] + c["units"]) / total
        (mt, st), (mc, sc) = value_and_variance(kind, t), value_and_variance(kind, c)
        vt, vc, wt, wc = vt + w * mt, vc + w * mc, wt + w * w * st, wc + w * w * sc
    rho2 = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / N_STAR
    x = total * rho2
    se, diff = math.sqrt(wt + wc), vt - vc
    half = se * math.sqrt(2 * (x + 1) / x * math.log(math.sqrt(x + 1) / ALPHA))
    z = diff / se
    return dict(value=vt, difference=diff, std_error=se, low=diff - half, high=diff + half,
                ln_e=-0.5 * math.log(1 + x) + z * z * x / (2 * (1 + x)))


def near(got, want):
    return got is not None and abs(got - want) <= 1e-9 * max(1, abs(want))


def main():
    rng = random.Random(20260)
    with Server() as s:
        s.sql("""
            insert into cohort.metric (key, event, kind, denominator_event) values ('r_rate', 'r_rate', 'binary', null),
                ('r_mean', 'r_mean', 'mean', null), ('r_ratio', 'r_ratio', 'ratio', 'r_order');
            insert into cohort.experiment (key) values ('r');
            insert into cohort.variant (experiment, key, share_ppm, value, position)
                values ('r', 'control', 500000, '"a"', 1), ('r', 'b', 500000, '"b"', 2);
            insert into cohort.experiment_metric (experiment, metric, role) values ('r', 'r_rate', 'primary'),
                ('r', 'r_mean', 'secondary'), ('r', 'r_ratio', 'secondary');
            select cohort.start('r');
            begin;
            set local session_replication_role = replica;
            insert into cohort.phase (environment, experiment, experiment_id, number, traffic_slots, salt, opened_by)
                select environment, experiment, experiment_id, 2, '{[500000,1000000)}', salt, opened_by from cohort.phase
                 where experiment = 'r';
            insert into cohort.phase_variant select (select max(id) from cohort.phase), v.id, 500000, '{[0,10)}'
                from cohort.variant v where v.experiment = 'r';
            commit;""")
        written = "select count(*) from cohort.result r join cohort.experiment e on e.id = r.experiment_id and e.key = 'r'"
        s.until(lambda: s.sql(written) == [["6"]], "results without a unit")
        doc = s.get("/v1/experiments/r/results").json
        assert doc["decision"].startswith("Running: ") and doc["warning"] is None, doc
        assert all(v["value"] is None for m in doc["metrics"] for v in m["variants"]), doc
        for draw in range(DRAWS):
            cells = {(m, k, v): arm(kind, rng) for m, kind in METRICS.items() for k in (1, 2) for v in ("control", "b")}
            script = ["begin;", "delete from cohort.metric_stat;"]
            for (m, k, v), a in cells.items():
                names = ", ".join(a)
                script.append(f"""insert into cohort.metric_stat (experiment_id, phase_id, variant_id, metric_id, metric_version,
                    {names}, matured_units, matured_event_units, matured_sum, matured_sum_sq)
                    select e.id, p.id, v.id, m.id, m.version, {", ".join(str(x) for x in a.values())}, 0, 0, 0, 0
                      from cohort.experiment e, cohort.phase p, cohort.variant v, cohort.metric m
                     where e.key = 'r' and p.experiment = 'r' and p.number = {k} and v.experiment = 'r' and v.key = '{v}'
                       and m.key = '{m}';""")
            s.sql("\n".join(script + ["commit;"]))
            first = sum(cells["r_rate", k, "b"]["units"] for k in (1, 2))

            def fresh(first=first):
                d = s.get("/v1/experiments/r/results").json
                return d if d["metrics"][0]["variants"][1]["units"] == first else None
            doc = s.until(fresh, "new results")
            for m in doc["metrics"]:
                kind, b = METRICS[m["metric"]], m["variants"][1]
                want = expect(kind, [cells[m["metric"], k, "b"] for k in (1, 2)], [cells[m["metric"], k, "control"] for k in (1, 2)])
                assert b["gate"]["open"] and b["phases"] == 2 and "anytime-valid" in b["method"], b
                for field, number in want.items():
                    assert near(b[field], number), (draw, m["metric"], field, b[field], number)
                assert (b["p"] < ALPHA) == (b["low"] > 0 or b["high"] < 0), b
        print(f"ok     {DRAWS} draws of 3 metrics in 2 phases: values, differences, intervals and ln E equal Python's to 1e-9")
        series = s.get("/v1/experiments/r/results/series").json
        assert len(series["points"]) == 6 and all(line["points"] for line in series["points"]), series
        rows = int(s.sql("select count(*) from cohort.results('r') where as_of is not null")[0][0])
        assert rows == 6, rows
        print("ok     the series and the rows of SQL are there")
        s.until(lambda: s.sql("select count(*) from cohort.results_due()") == [["0"]], "nothing is due")
        print("ok     nothing is due when nothing changed")


if __name__ == "__main__":
    main()
