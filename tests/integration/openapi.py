#!/usr/bin/env python3
"""The API's description: the one that is served, its paths against the routes both ways, its roles against the matrix
of definitions.py, and the whole by a validator of npm's (skipped, aloud, where npm or its registry is not)."""
import json
import os
import re
import shutil
import subprocess
import sys

from cohort_server import BUILD, Checks, Server
from definitions import ROLES

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "openapi.json")
VALIDATOR = "@seriousme/openapi-schema-validator@2"


def operations(doc):
    return {f"{m.upper()} {path}": op for path, methods in doc["paths"].items() for m, op in methods.items()
            if m in ("get", "put", "post", "patch", "delete")}


def described(s, c, doc):
    served = s.request("GET", "/v1/openapi.json")
    c.check("served without a key, as it is in docs/", served.status == 200 and served.json == doc, served)
    ops = operations(doc)
    routes = {r.replace("{key...}", "{key}"): r for r in s.request("GET", "/").json["paths"]}
    c.equal("every route is described", sorted(set(routes) - set(ops)), [])
    c.equal("everything described is a route", sorted(set(ops) - set(routes)), [])
    wrong = [r for r, op in ops.items() if r in routes and ROLES.get(routes[r]) !=
             (None if op.get("security") == [] else set(op.get("x-roles", [])))]
    c.equal("with the roles that may", wrong, [])
    ids = [op["operationId"] for op in ops.values()]
    c.equal("operation ids are unique", len(ids), len(set(ids)))


def fields(s, c, doc):
    """What a definition may have is described: the database's own list of fields against the schema's."""
    known = set(s.value("select array_to_string(cohort.experiment_fields(), ',')").split(","))
    shown = set(doc["components"]["schemas"]["Experiment"]["properties"])
    c.equal("the fields of an experiment", sorted(known ^ shown), [])


def references(c, doc):
    """Every $ref leads somewhere, and nothing is described that nobody refers to."""
    text = json.dumps(doc)
    used = set(re.findall(r'"[$]ref": "#/components/(\w+/\w+)"', text))
    made = {f"{kind}/{name}" for kind in ("schemas", "parameters", "headers", "responses") for name in doc["components"][kind]}
    c.equal("references lead somewhere", sorted(used - made), [])
    c.equal("nothing is described for nobody", sorted(made - used), [])


def answers(s, c, doc):
    """Real answers have no member that their schema lacks, and each that it asks for."""
    def schema_of(name):
        return doc["components"]["schemas"][name]

    def check(name, value):
        schema = schema_of(name)
        missing = [k for k in schema.get("required", []) if k not in value]
        odd = [k for k in value if k not in schema["properties"]] if schema.get("additionalProperties") is False else []
        c.equal(f"{name}: a real one is as described", (missing, odd), ([], []))

    s.put("/v1/metrics/clicks", {"event": "click", "kind": "binary"})
    check("Metric", s.get("/v1/metrics/clicks").json)
    check("Problem", s.get("/v1/metrics/nope").json)
    check("ApiKey", s.post("/v1/keys", {"name": "x", "role": "client"}).json)
    check("AuditHead", s.get("/v1/audit/head").json)
    check("AuditEntry", s.get("/v1/audit").json["items"][0])
    s.put("/v1/flags/hello", {"type": "string", "default": "hi"})
    s.until(lambda: s.post("/v1/preview", {"flag": "hello", "context": {"targetingKey": "c"}}).status == 200, "the flag")
    check("Preview", s.post("/v1/preview", {"flag": "hello", "context": {"targetingKey": "c"}}).json)
    check("Evaluation", s.evaluate("hello", "c"))
    check("OfrepError", s.post("/ofrep/v1/evaluate/flags/nope", {"context": {"targetingKey": "c"}}, "client").json)
    check("EventAnswer", s.post("/v1/outcomes", {"events": [{}]}, "events").json)
    s.until(lambda: s.get("/v1/dead-letters").json["items"], "a dead letter")
    check("DeadLetter", s.get("/v1/dead-letters").json["items"][0])


def validated(c):
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        print("SKIPPED: npm is not installed, so no tool of npm's validates docs/openapi.json", flush=True)
        return
    where = os.path.join(BUILD, "tests", "npm")
    os.makedirs(where, exist_ok=True)
    tool = os.path.join(where, "node_modules", ".bin", "validate-api")
    if not os.path.exists(tool):
        try:
            r = subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", where,
                                VALIDATOR], capture_output=True, timeout=120, check=False)
            said = r.stderr.decode()[-300:] if r.returncode else ""
        except subprocess.TimeoutExpired:
            said = "it took more than 120 s"
        if not os.path.exists(tool):
            print(f"SKIPPED: npm could not install {VALIDATOR}: {said}", flush=True)
            return
    r = subprocess.run([node, tool, DOCUMENT], capture_output=True, timeout=60, check=False)
    c.check(f"{VALIDATOR}: a valid OpenAPI 3.1 document", r.returncode == 0, (r.stdout + r.stderr).decode()[-2000:])
    broken = os.path.join(where, "broken.json")
    with open(DOCUMENT) as f:
        doc = json.load(f)
    doc["paths"]["/v1/flags"]["get"]["responses"] = 7
    with open(broken, "w") as f:
        json.dump(doc, f)
    r = subprocess.run([node, tool, broken], capture_output=True, timeout=60, check=False)
    c.check("and it finds what is wrong with a broken one", b'"valid": false' in r.stdout or r.returncode != 0, r.stdout)


def main():
    c = Checks()
    with open(DOCUMENT) as f:
        doc = json.load(f)
    references(c, doc)
    with Server() as s:
        described(s, c, doc)
        fields(s, c, doc)
        answers(s, c, doc)
    validated(c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
