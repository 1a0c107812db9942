#!/usr/bin/env python3
"""What looks like SQL, a header, a line of a log, a formula, a path or a page, in every field of every document, in every
path, query, header and event: it is refused or kept as the text it is, and nothing else moves."""
import json
import os
import re
import sys
import urllib.parse

from access import definitions_of_production, MARK
from cohort_server import Checks, Server, experiment, now

CANARY = "create table public.canary (x int); insert into public.canary values (42);"
EVIL = {
    "a quote that ends a literal": "x'; update public.canary set x = 0; --",
    "a quoted name": 'x"; update public.canary set x = 0; --',
    "a dollar quote": "x$$; update public.canary set x = 0; --",
    "a backslash quote": "x\\'; update public.canary set x = 0; --",
    "always true": "' or true --",
    "a union": "' union select hash_key::text from cohort.secret --",
    "a format": "%s%n%1$s{0}${jndi:ldap://x}",
    "a header": "x\r\nX-Injected: 1\r\n\r\n<html>",
    "a log line": "x\n2026-11-28T00:00:00.000Z error server: injected\n{\"part\":\"injected\"}",
    "a formula": "=cmd|' /C calc'!A0",
    "a path": "../../../../etc/passwd",
    "a page": "<script>alert(1)</script>\"><img src=x onerror=alert(1)>",
    "a terminal's command": "\x1b]0;injected\x07\x1b[2J",
    "a direction": "\u202eevil\u2066",
    "a NUL": "x\x00y",
    "__proto__": "__proto__",
}


def documents(s):
    """A good document of each kind, with everything in it that a person writes."""
    unit = s.value("select cohort.unit_id('user', 'u-2')")
    return {
        "/v1/teams/{}": {}, "/v1/layers/{}": {"description": "d"},
        "/v1/metrics/{}": {"event": "buy", "kind": "mean", "condition": {"plan": "pro"}},
        "/v1/segments/{}": {"description": "d", "condition": {"plan": "pro", "country": {"$in": ["DE"]}}},
        "/v1/flags/{}": {"type": "object", "default": {"k": "v"}, "description": "d"},
        "/v1/experiments/{}": experiment(description="d", tags=["t"], condition={"plan": "pro"}, segments=["plan"], layer=MARK,
                                         unit_type="user", owner="o"),
        "/v1/overrides/{}": {"experiment": MARK + "_e", "unit_id": unit, "variant": "treatment", "note": "n"},
        "/v1/webhooks/{}": {"url": "http://127.0.0.1:9/x", "secret": "s" * 32},
        "/v1/environments/{}": {},
    }


def leaves(doc, at=()):
    """Every place of a document where a value or a name stands."""
    for k, v in (doc.items() if isinstance(doc, dict) else enumerate(doc) if isinstance(doc, list) else ()):
        yield at + (k,), False
        if isinstance(k, str):
            yield at + (k,), True
        yield from leaves(v, at + (k,))


def changed(doc, place, name, text):
    """The document with text at a place: as the value there, or as its name."""
    copy = json.loads(json.dumps(doc))
    inner = copy
    for k in place[:-1]:
        inner = inner[k]
    if name:
        inner[text] = inner.pop(place[-1])
    else:
        inner[place[-1]] = text
    return copy


def value_at(doc, place):
    for k in place:
        doc = doc[k]
    return doc


def fingerprint(s):
    """The program in the database, its roles, and the canary."""
    return s.value("select md5(string_agg(x, ',' order by x)) from (select oid::regprocedure::text || md5(prosrc) as x from pg_proc where"
                   " pronamespace = 'cohort'::regnamespace union all select relname::text || relkind::text || relowner::text from pg_class where relnamespace"
                   " = 'cohort'::regnamespace and relkind in ('r', 'v', 'p') and not relispartition union all select rolname::text from pg_roles"
                   " union all select 'canary' || c.x from public.canary c) y")


class Judge:
    """Looks at each answer; remembers those that are not harmless."""

    def __init__(self, s):
        self.s, self.wrong, self.n = s, [], 0

    def send(self, what, method, path, body=None, key="admin", headers=None):
        a = self.s.request(method, path, body, key=key, headers=headers)
        self.n += 1
        kind = a.headers.get("content-type", "")
        if a.status >= 500 or "x-injected" in a.headers or "html" in kind or (a.body and not re.match(r"(application/(problem\+)?json|text/plain)",
                                                                                                       kind)):
            self.wrong.append((what, method, path[:80], a))
        elif a.body and "json" in kind and a.json is None:
            self.wrong.append((what, "no JSON", path[:80], a))
        return a


def fields(s, c):
    """Every place of every document: what is taken is given back as it was."""
    j, altered, taken = Judge(s), [], 0
    for pattern, doc in documents(s).items():
        kind = pattern.split("/")[2][:-1]  # an experiment's flag has its name
        a, path = s.put(pattern.format("good_" + kind), doc), pattern.format("evil_" + kind)
        assert a.status == 200, (pattern, a)
        for place, name in leaves(doc):
            for what, text in EVIL.items():
                a = j.send(what, "PUT", path, changed(doc, place, name, text))
                if a.status != 200:
                    continue
                taken += 1
                got = s.get(path).json
                where = place[:-1] + (text,) if name else place
                try:
                    same = (where[-1] in value_at(got, where[:-1])) if name else value_at(got, where) == text or where == ("secret",)
                except (KeyError, IndexError, TypeError):
                    same = False
                if not same:
                    altered.append((pattern, place, what, got))
                s.request("DELETE", path, key="admin")
    c.equal(f"documents: {j.n} with something evil at one place, harmless", j.wrong[:3], [])
    c.equal(f"what is taken of them ({taken}) is kept as the text it is", altered[:3], [])


def addresses(s, c):
    """Names in paths, raw and encoded; parameters of queries; headers."""
    j = Judge(s)
    for i, route in enumerate(s.request("GET", "/").json["paths"]):
        method, pattern = route.split(" ")
        for what, text in list(EVIL.items())[i % 4::4] if "{" in pattern else ():
            for quoted in {urllib.parse.quote(text, safe=""), urllib.parse.quote(text, safe="/'<>=$()!|*")}:
                j.send(what, method, re.sub(r"\{key(\.\.\.)?\}", lambda _, q=quoted: q, pattern), b"{}" if method != "GET" else None)
    for what, text in EVIL.items():
        quoted = urllib.parse.quote(text)
        for path in (f"/v1/flags?after={quoted}", f"/v1/flags?limit={quoted}", f"/v1/flags?{quoted}=1", f"/v1/audit?after={quoted}",
                     f"/v1/dead-letters?after={quoted}", f"/v1/experiments/{MARK}_e/results?{quoted}", f"/ofrep/v1/stream?token={quoted}&since={quoted}"):
            j.send(what, "GET", path)
        line = re.sub(r"[^\t -~]", "?", text)
        for header in ("X-API-Key", "Authorization", "If-Match", "If-None-Match", "Origin", "X-Request-Id", "X-Forwarded-For", "Content-Type",
                       "User-Agent", "Last-Event-ID", "Accept"):
            j.send(what, "PUT", "/v1/layers/good_layer", {"description": "d"}, "admin" if header not in ("X-API-Key", "Authorization") else None,
                   {header: line})
    c.equal(f"paths, queries and headers: {j.n} requests, harmless", j.wrong[:3], [])


def events(s, c):
    """Events and contexts: names, ids, units, attributes and what they are called."""
    j = Judge(s)
    good = {"id": "0199a3c4-0000-7000-8000-000000000001", "name": "buy", "units": {"user": "u-1"}, "ts": now(), "decision":
            "0199a3c4-0000-7000-8000-000000000002", "attributes": {"plan": "pro"}, "value": 1}
    shown = {**good, "experiment": MARK + "_e", "variant": "control", "phase": 1, "token": "t"}
    for path, doc in (("/v1/outcomes", good), ("/v1/exposures", shown)):
        for place, name in leaves(doc):
            for what, text in EVIL.items():
                j.send(what, "POST", path, {"events": [changed(doc, place, name, text)]}, "events")
    context = {"context": {"targetingKey": "u-1", "plan": "pro", "deep": {"list": ["x"]}, "cohortTokens": {MARK: "t"}}}
    for place, name in leaves(context):
        for what, text in EVIL.items():
            j.send(what, "POST", "/ofrep/v1/evaluate/flags", changed(context, place, name, text), "client")
            j.send(what, "POST", "/v1/preview", {"flag": MARK + "_e", **changed(context, place, name, text)})
    c.equal(f"events and contexts: {j.n} requests, harmless", j.wrong[:3], [])
    last = s.outcome("buy", "last")
    s.until(lambda: s.sql(f"select 1 from cohort.outcome where event_id = '{last['id']}'"), "all of it is stored")


def files(root):
    return sorted(os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names if "/pg" not in d)


def main():
    c = Checks()
    with Server("--log-format", "json", "--log-level", "debug", "--log-requests", "all", "--rate-failed-auth", "0") as s:
        definitions_of_production(s)
        s.put("/v1/metrics/buys", {"event": "buy", "kind": "binary", "condition": {"plan": "pro"}})
        s.psql(CANARY)
        before, there = fingerprint(s), files(s.data)
        for part in (fields, addresses, events):
            part(s, c)
        c.equal("the database's program, roles and canary are what they were", fingerprint(s), before)
        c.equal("no file has come or gone", [f for f in set(there) ^ set(files(s.data)) if not f.startswith(("snapshots/", "spool"))], [])
        lines = [json.loads(line) for line in s.log().splitlines()]
        c.check("every line of the log is the server's own", not any(line["part"] == "injected" or line["message"] == "injected"
                                                                     for line in lines) and len(lines) > 1000, len(lines))
    c.done()


if __name__ == "__main__":
    sys.exit(main())
