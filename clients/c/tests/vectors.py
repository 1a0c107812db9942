#!/usr/bin/env python3
"""tests/vectors through the C client's own decisions: units, draws, slots and conditions, from a plan document it is handed."""
import json
import os
import sys

from leash import TOP, Client
from cohort_server import Checks
from trouble_server import TroubleServer

SLOTS = 1000000


def load(name):
    with open(os.path.join(TOP, "tests", "vectors", name)) as f:
        return json.load(f)


def plan(flags, experiments=(), segments=(), unit_key="00" * 32):
    return {"format": 1, "stop_version": 0, "stopped": [], "environment": "production", "unit_key": unit_key,
            "token_key": "11" * 32, "api_keys": [], "events": [], "event_attributes": {}, "layers": [],
            "segments": list(segments), "experiments": list(experiments),
            "flags": [{"id": i + 1, "archived": False, **f} for i, f in enumerate(flags)]}


class Decider:
    """A client that is handed one plan after the other."""

    def __init__(self, server):
        self.server, self.version = server, 0
        self.client = Client(server.url, local=True, poll_ms=3600000, backoff_min_ms=3600000, backoff_max_ms=3600000,
                             no_exposures=True)

    def hand(self, document):
        self.version += 1
        self.server.script({"path": "/v1/plan-document", "body": {**document, "version": self.version}, "status": 200})
        while self.client("stats")["plan_version"] != self.version:
            self.client("refresh")
            self.client("ready", ms=20)


def rollout(key, share, case):
    return {"key": key, "type": "boolean", "default": False, "rules": [
        {"kind": "rollout", "condition": {}, "value": True, "share_ppm": share, "salt": case["salt"], "unit_type": case["unit_type"]}]}


def variants(number, key, cut, case):
    """An experiment whose phase has the case's salt: variant a owns the slots below the cut."""
    return {"id": number, "key": key, "kind": "ab", "status": "running", "paused": False, "guard_stopped": False,
            "unit_type": case["unit_type"], "exposure": "reported", "segments": [], "sticky": False, "salt": "22" * 16,
            "condition": {}, "prerequisites": [], "overrides": [], "holdouts": [],
            "variants": [{"id": 10 * number, "key": "a", "value": True, "control": True}, {"id": 10 * number + 1, "key": "b", "value": False}],
            "phases": [{"id": number, "number": 1, "salt": case["salt"], "traffic_slots": [[0, SLOTS]], "variants": [
                {"variant": "a", "share_ppm": cut, "slots": [[0, cut]]},
                {"variant": "b", "share_ppm": SLOTS - cut, "slots": [[cut, SLOTS]]}]}]}


def experiment_flag(key):
    return {"key": key, "type": "boolean", "default": False, "rules": [{"kind": "experiment", "experiment": key, "condition": {}}]}


def assignments(c, d):
    wrong = []
    for i, case in enumerate(load("assignment.json")["cases"]):
        first, second = case["slots"][:2]
        d.hand(plan([rollout("out", first, case), rollout("in", first + 1, case), experiment_flag("below"), experiment_flag("at")],
                    [variants(1, "below", second + 1, case), variants(2, "at", second, case)], unit_key=case["key"]))
        user = case["raw"] if case["unit_type"] == "user" else "somebody"
        units = {} if case["unit_type"] == "user" else {case["unit_type"]: case["raw"]}
        got = [d.client.value(flag, False, user=user, units=units)["value"] for flag in ("out", "in", "below", "at")]
        if got != [False, True, True, False]:
            wrong.append((i, case["raw"], got))
    c.equal(f"{i + 1} assignments: unit, w0 and w1 to the slot", wrong, [])


def conditions(c, d, name):
    cases = load(name)
    cases = cases if isinstance(cases, list) else cases["cases"]
    wrong, refused = [], 0
    for i, (what, condition, attributes, expected, *groups) in enumerate(cases):
        lists = [{"key": k, "list": v} for k, v in (groups[0] if groups else {}).items()]
        d.hand(plan([{"key": "flag", "type": "boolean", "default": False,
                      "rules": [{"kind": "force", "condition": condition, "value": True}]}], segments=lists))
        got = d.client.value("flag", False, user="somebody", attributes=attributes)
        if got["reason"] == "QUARANTINED":  # a rule whose condition is refused serves nobody, whatever would be met
            refused += 1
        elif got["value"] != expected:
            wrong.append((i, what, got))
    c.equal(f"{name}: {len(cases) - refused} conditions, {refused} refused", wrong, [])
    c.check(f"{name}: hardly any is refused", refused <= 10, refused)


def main():
    c = Checks()
    with TroubleServer() as server:
        d = Decider(server)
        with d.client:
            assignments(c, d)
            for name in ("conditions.json", "conditions_more.json"):
                conditions(c, d, name)
            d.client.end(0)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
