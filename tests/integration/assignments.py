#!/usr/bin/env python3
"""The contract twice: 100,000 assignments by src/core and by SQL, over two experiments, all equal."""
import os
import subprocess
import sys
import tempfile

from cohort_server import BUILD, Checks, Server, experiment

THREE = {"variants": [{"key": "control", "share_ppm": 333334, "value": 1}, {"key": "b", "share_ppm": 666665, "value": 2},
                      {"key": "one_in_a_million", "share_ppm": 1, "value": 3}], "traffic_ppm": 250000}


def main():
    c = Checks()
    with Server() as s, tempfile.TemporaryDirectory() as tmp:
        for key, doc in (("half", experiment()), ("three", THREE)):
            a = s.put("/v1/experiments/" + key, doc)
            assert a.status == 200, a
            assert s.post(f"/v1/experiments/{key}/start").status == 200
        plan = os.path.join(tmp, "plan.json")
        with open(plan, "w") as f:
            f.write(s.value("select cohort.plan_document()"))
        for key in ("half", "three"):
            rows = os.path.join(tmp, key)
            with open(rows, "wb") as f:
                subprocess.run([os.path.join(BUILD, "tests/integration/draws"), plan, key, "50000"], stdout=f, check=True)
            got = s.psql(f"""
                create temp table c (raw text, unit uuid, phase int, variant text, propensity int, inclusion int);
                \\copy c from '{rows}'
                select count(*), count(*) filter (where cohort.unit_id('user', raw) = unit),
                    count(*) filter (where (select row(x.phase, x.variant, x.propensity, x.inclusion)
                        from (select 1) one left join cohort.expected_assignment('{key}', unit) x on true)
                        is not distinct from row(phase, variant, propensity, inclusion)), count(phase) from c;""")[0]
            total, units, equal, enrolled = got.strip().split("|")
            c.equal(f"{key}: 50,000 units and assignments, C = SQL", (total, units, equal), ("50000",) * 3)
            c.check(f"{key}: {enrolled} are enrolled", int(enrolled) == 50000 if key == "half" else
                    12000 < int(enrolled) < 13000)
        served = s.evaluate("half", "customer-1")["variant"]
        c.equal("what is served is what SQL expects", s.value(
            "select variant from cohort.expected_assignment('half', cohort.unit_id('user', 'customer-1'))"), served)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
