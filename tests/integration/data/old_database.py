#!/usr/bin/env python3
"""Makes tests/integration/data/schema_0035.{sql.xz,json}, the database of an earlier cohortd with people in it, which
upgrade.py brings to this version. They were made once, by this program and the cohortd whose schema is number 35:

    git worktree add /tmp/old 5179c7e && cd /tmp/old && ./autogen.sh && ./configure && make cohortd
    COHORTD=/tmp/old/cohortd tests/integration/data/old_database.py tests/integration/data/schema_0035

What that server answered is in the .json, with its keys: they open nothing but this database. It lived 600 days before they were
made (Debian's libfaketime0), so that nothing in it matures or is dropped any more, whenever the test runs.
"""
import json
import lzma
import os
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cohort_server import Server, experiment, now  # noqa: E402

AGO = 600 * 86400
FAKETIME = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "FAKETIME": f"-{AGO}", "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
PEOPLE = [f"p-{i}" for i in range(60)]


def define(s):
    for path, doc in [
        ("layers/checkout", {"description": "One test at a time in the checkout"}),
        ("segments/german", {"condition": {"country": "DE"}}),
        ("segments/friends", {"list": ["p-1", "p-2"]}),
        ("holdouts/all_q4", {"scope": "global", "variants": [{"key": "in", "share_ppm": 900000, "gives": "everything"},
                                                             {"key": "out", "share_ppm": 100000, "gives": "nothing", "control": True}]}),
        ("experiments/cta", experiment(traffic_ppm=400000)),
        ("experiments/harmful", experiment()),
        ("experiments/layered", experiment(layer="checkout", layer_ppm=500000, condition={"$segment": "german"})),
        ("experiments/shipped", experiment()),
        ("experiments/draft", experiment(description="Not begun")),
        ("experiments/paused", experiment()),
    ]:
        a = s.put("/v1/" + path, doc)
        assert a.status in (200, 201), (path, a)
    a = s.post("/v1/holdouts/all_q4/start")
    assert a.status == 200, a
    for key in ("cta", "harmful", "layered", "shipped", "paused"):
        a = s.post(f"/v1/experiments/{key}/start")
        assert a.status == 200, (key, a)
    for path, body in [("cta/ramp", {"traffic_ppm": 800000, "shares": {"control": 300000, "treatment": 700000}}),
                       ("shipped/ship", {"variant": "treatment", "holdback_ppm": 100000}), ("paused/pause", {"reason": "A look"})]:
        a = s.post("/v1/experiments/" + path, body)
        assert a.status == 200, (path, a)
    a = s.post("/v1/overrides", {"experiment": "cta", "unit": "boss", "variant": "treatment"})
    assert a.status in (200, 201), a
    a = s.post("/v1/keys", {"name": "shop", "role": "events"})
    assert a.status in (200, 201), a
    return a.json


def answers(s):
    """What these people get, without becoming anybody's exposure."""
    got = {}
    for flag in ("cta", "layered", "shipped", "harmful", "paused", "draft"):
        for p in [*PEOPLE, "boss"]:
            a = s.post(f"/ofrep/v1/evaluate/flags/{flag}?enroll=false", {"context": {"targetingKey": p, "country": "DE"}}, "client")
            assert a.status == 200, a
            got[f"{flag} {p}"] = [a.json["metadata"]["reason"], a.json.get("variant"), a.json.get("value"),
                                  a.json["metadata"].get("phase"), a.json["metadata"].get("propensity")]
    return got


def main(out):
    s = Server("--workers", "1")
    s.environment = FAKETIME
    with s:
        made = define(s)
        s.until(lambda: s.evaluate("shipped", "w")["metadata"]["reason"] in ("SHIPPED", "HOLDBACK", "HOLDOUT"), "served")
        s.until(lambda: s.evaluate("harmful", "p-0")["metadata"]["reason"] in ("VARIANT", "HOLDOUT"), "served")
        treated = [p for p in PEOPLE if s.evaluate("harmful", p).get("variant") == "treatment"]
        for flag in ("cta", "layered", "shipped"):
            for p in PEOPLE:
                s.evaluate(flag, p, country="DE")
        events = [{"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": p}, "ts": now(-AGO)} for p in treated]
        assert s.post("/v1/outcomes", {"events": events}, "events").json["accepted"] == len(events)
        s.outcome("unsubscribe", "p-3", ts=now(-AGO))
        assert s.outcome("nobody_declared_this", "p-3", ts=now(-AGO))["status"] == "rejected"
        s.until(lambda: s.evaluate("harmful", "p-0")["metadata"]["reason"] in ("GUARD_STOP", "HOLDOUT")
                and s.value("select count(*) from cohort.stop_event") == "1", "the guardrail stops it")
        s.until(lambda: s.value("select count(*) from cohort.ingest_batch where applied_at is null") == "0", "everything is counted")
        s.until(lambda: s.value("select count(*) from cohort.audit_pending") == "0", "the audit is sealed")
        facts = {"keys": s.keys, "made_key": made, "answers": answers(s)}
        dump = subprocess.run(["pg_dump", "--no-owner", "--no-privileges", "--schema=cohort", "--extension=pgcrypto", s.info["database"]],
                              check=True, capture_output=True).stdout
    # What newer pg_dumps add for newer psqls is nothing to an older one.
    dump = b"".join(line for line in dump.splitlines(True) if not line.startswith((b"\\restrict", b"\\unrestrict")))
    with lzma.open(out + ".sql.xz", "wb", preset=9 | lzma.PRESET_EXTREME) as f:
        f.write(dump)
    with open(out + ".json", "w") as f:
        json.dump(facts, f, indent=0, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
