#!/usr/bin/env python3
"""The contract of all clients: the vectors of assignment and of event retries, the worked example of docs/assignment.md, and that the
sources are Python 3.9's."""
import ast
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

import bed
from cohort_server import Checks
from trouble_server import TroubleServer

from cohort_client import Client
from cohort_client._backoff import Backoff, retry_after
from cohort_client._ids import uuid7
from cohort_client.hashing import Assignment, Phase, assigned, draw, ranges, slot, unit


def vectors(name):
    with open(os.path.join(bed.TOP, "tests", "vectors", name), encoding="utf-8") as f:
        return json.load(f)


def assignment(c):
    doc = vectors("assignment.json")
    for e in doc["edges"]:
        c.equal(f"the slot of word {e['w']}", slot(e["w"]), e["slot"])
    wrong = []
    for v in doc["cases"]:
        u = unit(bytes.fromhex(v["key"]), v["unit_type"], v["raw"])
        words = draw(bytes.fromhex(v["salt"]), u)
        if (str(u), list(words), [slot(w) for w in words]) != (v["unit"], v["words"], v["slots"]):
            wrong.append(v["raw"])
    c.equal(f"{len(doc['cases'])} units, draws and slots", wrong, [])
    c.check("there are as many as the document says", len(doc["cases"]) == 60 and len(doc["edges"]) == 10)
    key, salt = bytes(range(32)), bytes(range(0xA0, 0xB0))
    phases = [Phase(1, bytes(range(0xB0, 0xC0)), "{[0,200000)}", {"control": "{[0,500000)}", "hurry": "{[500000,1000000)}"}),
              Phase(2, bytes(range(0xC0, 0xD0)), "{[200000,500000)}", {"control": "{[0,800000)}", "hurry": "{[800000,1000000)}"})]
    for raw, want in (("c-3", Assignment(1, "control", 500000)), ("c-10", Assignment(1, "hurry", 500000)),
                      ("c-17", Assignment(2, "control", 800000)), ("c-14", Assignment(2, "hurry", 200000)), ("c-1", None)):
        c.equal(f"the worked example: {raw}", assigned(unit(key, "user", raw), salt, phases), want)
    c.equal("ranges", ranges("{[0,5),[7,1000000)}") + ranges("{}"), [(0, 5), (7, 1000000)])
    for what, f in (("a short key", lambda: unit(b"x", "user", "u")), ("a unit type in capitals", lambda: unit(key, "User", "u")),
                    ("an empty id", lambda: unit(key, "user", "")), ("a NUL", lambda: unit(key, "user", "a\0")),
                    ("a short salt", lambda: draw(b"x", uuid.UUID(int=0))), ("ranges that are none", lambda: ranges("[0,5)"))):
        try:
            f()
            c.check(f"{what}: ValueError", False)
        except ValueError as e:
            c.check(f"{what}: ValueError", True, e)


def ids(c):
    made = [uuid.UUID(uuid7(1_700_000_000.123)) for _ in range(1000)]
    c.check("ids are UUIDs of version 7 with their time, all different", len(set(made)) == 1000 and all(
        u.version == 7 and u.variant == uuid.RFC_4122 and u.int >> 80 == 1_700_000_000_123 for u in made), made[:2])


def retries(c, case, settings):
    """One case of event_retries.json, as clients/README.md says."""
    o = {**settings, **case.get("client", {})}
    with TroubleServer() as s:
        s.script(*case["answers"])
        k = Client(s.url, "ck_events_test", flush_interval=60, max_events=o["queue_max"], event_timeout=o["timeout_ms"] / 1000)
        k._delivery.batch_most = o["batch_max"]
        k._delivery.backoff = Backoff(o["backoff_min_ms"] / 1000, o["backoff_max_ms"] / 1000)
        made = [k.track(f"event-{i}", "u") for i in range(case["events"])]
        if "close_ms" in case:
            k.close(case["close_ms"] / 1000)
        else:
            c.check(f"{case['name']}: answered", k.flush(60), k.stats())
        bed.until(lambda: len(s.requests) >= len(case["requests"]), "slow answers are through")
        batches = [json.loads(r["body"])["events"] for r in s.requests]
        c.equal(f"{case['name']}: what was sent", [[made.index(e["id"]) for e in b] for b in batches], case["requests"])
        stamped, first = case.get("stamped"), {}
        for n, b in enumerate(batches):
            for e in b:
                if stamped and stamped[n]:
                    c.check("   its time is the server's", e["ts"].startswith(stamped[n]), e)
                else:
                    c.equal("   the same id and time in every request", first.setdefault(e["id"], e), e)
        at = [r["at"] for r in s.requests]
        for n, ms in enumerate(case.get("wait_ms", [])):
            c.check(f"   after {ms} ms at least", (at[n + 1] - at[n]) * 1000 >= ms - 1, at)
        stats = k.stats()
        told = {"accepted": stats.accepted, "refused": stats.rejected, "dropped": stats.dropped, "left": stats.queued}
        c.equal("   and counted", {name: told[name] for name in case["counts"]}, case["counts"])
        k.close(0)


def old_python(c):
    files = glob.glob(os.path.join(bed.CLIENT, "src", "cohort_client", "*.py"))
    for path in files:
        with open(path, encoding="utf-8") as f:
            source = f.read()
        ast.parse(source, path, feature_version=(3, 9))
        # What 3.9 parses and does not have: unions of types that are evaluated. Annotations are not, with the import.
        c.check(f"{os.path.basename(path)}: Python 3.9", path.endswith("__init__.py") or "from __future__ import annotations" in source
                and not re.search(r"^\w+ = .*\w \| None|slots=True|kw_only=True|zip\(.*strict=", source, re.M))
    c.check("all of them", len(files) >= 15, files)


def types(c):
    mypy = shutil.which("mypy")
    if not mypy:
        print("skipped: the type hints: mypy is not installed", flush=True)
        return
    with tempfile.TemporaryDirectory() as tmp:
        r = subprocess.run([mypy, "--strict", "--python-version", "3.9", "--cache-dir", tmp, "-p", "cohort_client"], capture_output=True, text=True,
                           env=dict(os.environ, MYPYPATH=os.path.join(bed.CLIENT, "src")), timeout=300, check=False)
    # OpenFeature's SDK need not be here: what comes from it is of any type then.
    wrong = [line for line in r.stdout.splitlines() if ": error:" in line and "/openfeature.py:" not in line]
    c.check("mypy --strict finds nothing wrong with the types", "checked" in r.stdout + r.stderr and not wrong, wrong or r.stdout + r.stderr)


def waits(c, doc):
    """What a Retry-After counts for, and how long a wait is."""
    for header, want in doc["retry_after"].items():
        c.equal(f"Retry-After '{header}'", retry_after({"retry-after": header}), want)
    for case in doc["waits"]["cases"]:
        for chance in (0.0, 0.25, 0.5, 0.999999):
            b = Backoff(doc["waits"]["min_ms"] / 1000, doc["waits"]["max_ms"] / 1000, lambda chance=chance: chance)
            b.failures = case["failures"]
            c.check(f"{case}, chance {chance}", case["least_ms"] <= b.next(case["retry_after"]) * 1000 <= case["most_ms"])


def main():
    bed.Log()
    c = Checks()
    assignment(c)
    ids(c)
    doc = vectors("event_retries.json")
    for case in doc["cases"]:
        retries(c, case, doc["client"])
    waits(c, doc)
    old_python(c)
    types(c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
