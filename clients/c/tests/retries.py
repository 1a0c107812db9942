#!/usr/bin/env python3
"""tests/vectors/event_retries.json: what the C client's queue sends when the server answers so."""
import json
import os
import sys

from leash import PATIENCE_MS, TOP, Client
from cohort_server import Checks
from trouble_server import TroubleServer


def batches(server):
    """The events of each request, and when it came."""
    sent = [r for r in server.requests if r["path"] == "/v1/outcomes"]
    return [json.loads(r["body"])["events"] for r in sent], [r["at"] for r in sent]


def index(event):
    return int(event["name"].split("-")[1])


def run(case, settings):
    """The requests, their times, and the counts at the end."""
    with TroubleServer() as server, Client(server.url, **settings, flush_ms=60000) as client:
        server.script(*case["answers"])
        client("context", user="c-1")
        for i in range(case["events"]):
            assert client("track", name=f"event-{i}")["code"] == 0
        if "close_ms" in case:
            counts = {"left": client("close", ms=case["close_ms"])["left"]}
        else:
            assert client("flush", ms=PATIENCE_MS)["code"] == 0, client("stats")
            counts = client("stats")
            counts["left"] = client("close", ms=1000)["left"]
        return *batches(server), counts, server.changed


def check(c, case, settings):
    requests, times, counts, changed = run(case, settings)
    name = case["name"]
    c.equal(f"{name}: which events are sent", [[index(e) for e in r] for r in requests], case["requests"])
    first = {}
    same = True
    for r, stamp in zip(requests, case.get("stamped", [""] * len(requests))):
        for e in r:
            before = first.setdefault(index(e), e)
            same = same and (e["id"] == before["id"]) and (e["ts"].startswith(stamp) if stamp else e == before)
    c.check(f"{name}: each the same every time", same and not changed, requests)
    gaps = [round((b - a) * 1000) for a, b in zip(times, times[1:])]
    c.check(f"{name}: not too soon", all(g >= w for g, w in zip(gaps, case.get("wait_ms", []))), gaps)
    c.equal(f"{name}: and counted", {k: counts[k] for k in case["counts"]}, case["counts"])


def main():
    c = Checks()
    with open(os.path.join(TOP, "tests", "vectors", "event_retries.json")) as f:
        vectors = json.load(f)
    for case in vectors["cases"]:
        check(c, case, {**vectors["client"], **case.get("client", {})})
    c.done()


if __name__ == "__main__":
    sys.exit(main())
