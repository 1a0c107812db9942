#!/usr/bin/env python3
"""The 318 JSON texts of tests/vectors/json_suite.txt as bodies of every kind of request that takes JSON, and inside of them.

Whatever comes, it is answered, below 500, and the same whoever reads the text: what is no JSON is refused, what is JSON is
taken where it fits. The few valid texts that are refused all the same, and the texts that the standard leaves open and
that are taken, are listed here.
"""
import os
import re
import uuid

from cohort_server import Checks, Server, experiment, now

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "json_suite.txt")
NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}

# Valid by the grammar, and refused: a key twice means two things to two programs, a NUL ends a string for many.
REFUSED = {"y_object_duplicated_key", "y_object_duplicated_key_and_value", "y_object_escaped_null_in_key",
           "y_string_null_escape"}
# Left open by the standard, and taken: too small a number is 0. (Too large ones, half a surrogate pair, what is not UTF-8,
# a byte order mark and 500 levels are not.)
TAKEN = {"i_number_double_huge_neg_exp", "i_number_real_underflow"}


def texts():
    found = {}
    with open(PATH, newline="\n") as f:
        for line in f:
            line = line.rstrip("\n")
            if line and line[0] != "#":
                name, times, text = line.split(" ", 2)
                raw = re.sub(rb"\\(?:x([0-9A-F]{2})|(.))", lambda m: bytes([int(m[1], 16)]) if m[1] else NAMED[m[2]],
                             text.encode())
                found[name] = found.get(name, b"") + raw * int(times)
    return found


def good(name):
    return name in TAKEN or name[0] == "y" and name not in REFUSED


def some(names):
    return " ".join(sorted(names)[:10])


# Where the text is all of the body.
WHOLE = [("POST", "/ofrep/v1/evaluate/flags/cta"), ("POST", "/ofrep/v1/evaluate/flags"), ("POST", "/v1/outcomes"),
         ("POST", "/v1/exposures"), ("POST", "/v1/preview"), ("PUT", "/v1/experiments/new"), ("PATCH", "/v1/experiments/cta"),
         ("PUT", "/v1/experiments/cta/guardrails"), ("POST", "/v1/plan"), ("POST", "/v1/experiments/cta/validate")]


def whole(s, c, suite):
    rejected = 0
    for method, path in WHOLE:
        got = {name: s.request(method, path, text, key="admin") for name, text in suite.items()}
        c.equal(f"{method} {path}: nothing at or above 500", [n for n, a in got.items() if a.status >= 500], [])
        if path in ("/v1/outcomes", "/v1/exposures"):
            # Events that can be told apart are judged one by one.
            taken = [n for n, a in got.items() if a.status == 202 and (a.json["accepted"] > 0 or not a.json["rejected"])]
            rejected += sum(a.json["rejected"] for a in got.values() if a.status == 202)
            c.check(f"{method} {path}: no event is accepted, at most an empty batch",
                    all(suite[n].strip() == b"[]" for n in taken), some(taken))
        else:
            # An action needs no body.
            bad = [n for n, a in got.items() if not good(n) and a.status not in (400, 413) and suite[n]]
            c.check(f"{method} {path}: 400 for what is no JSON", not bad, some(bad))
        said = {n for n, a in got.items() if a.status == 400 and re.search(rb"not (valid )?JSON|PARSE_ERROR", a.body) and good(n)}
        c.check(f"{method} {path}: what is JSON is not called something else", not said, some(said))
    return rejected


def event(fields):
    return (b'{"events":[{"id":"%s","ts":"%s","name":"order","units":{"user":"u"},' %
            (str(uuid.uuid4()).encode(), now().encode()) + fields + b"}]}")


def around(before, after):
    return lambda text: before + text + after


# Not in a definition: numbers beyond 2^53, which not every client can read, and beyond PostgreSQL's numeric.
LARGE = {"y_number", "y_number_real_capital_e", "y_number_real_exponent", "y_number_real_fraction_exponent",
         "y_object_extreme_numbers", "i_number_real_underflow"}
CONTEXT = around(b'{"context":{"targetingKey":"u","x":', b"}}")
INSIDE = [
    ("the context of a decision", "POST", "/ofrep/v1/evaluate/flags/cta", CONTEXT),
    ("the context of a decision, last and spaced", "POST", "/ofrep/v1/evaluate/flags/cta",
     around(b' { "context" : { "x" : ', b' , "targetingKey" : "u" } } ')),
    ("the context of a bulk decision", "POST", "/ofrep/v1/evaluate/flags", CONTEXT),
    ("the context of a preview", "POST", "/v1/preview", around(b'{"flag":"cta","context":{"targetingKey":"u","x":', b"}}")),
    ("a field that a decision does not know", "POST", "/ofrep/v1/evaluate/flags/cta",
     around(b'{"x":', b',"context":{"targetingKey":"u"}}')),
    ("an attribute of an event", "POST", "/v1/outcomes", lambda text: event(b'"attributes":{"x":' + text + b"}")),
    ("a default value", "PUT", "/v1/flags/f", around(b'{"type":"object","default":{"x":', b"}}")),
]


def inside(s, c, suite):
    rejected = 0
    for what, method, path, wrap in INSIDE:
        got = {name: s.request(method, path, wrap(text), key="admin") for name, text in suite.items()}
        c.equal(f"{what}: nothing at or above 500", [n for n, a in got.items() if a.status >= 500], [])
        ok = {n for n, a in got.items() if a.status < 300 and not (a.status == 202 and a.json["rejected"])}
        rejected += sum(a.json["rejected"] for a in got.values() if a.status == 202)
        want = {n for n in suite if good(n)} - (LARGE if method == "PUT" else set())
        c.check(f"{what}: taken if, and only if, it is JSON", ok == want, f"{some(ok - want)} / {some(want - ok)}")
    got = {n: s.post("/v1/outcomes", event(b'"value":' + text)) for n, text in suite.items()}
    rejected += sum(a.json["rejected"] for a in got.values() if a.status == 202)
    c.equal("the value of an event: numbers, and nothing else",
            sorted(n for n, a in got.items() if a.status == 202 and a.json["accepted"]),
            ["y_structure_lonely_int", "y_structure_lonely_negative_real"])
    c.equal("the value of an event: nothing at or above 500", [n for n, a in got.items() if a.status >= 500], [])
    return rejected


def main():
    suite = texts()
    c = Checks()
    c.equal("the suite is whole", len(suite), 318)
    with Server("--workers", "1") as s:
        assert s.put("/v1/experiments/cta", experiment()).status == 200
        assert s.put("/v1/metrics/order", {"event": "order", "kind": "mean"}).status == 200
        early = []
        s.until(lambda: early.append(s.outcome("order", "u")["status"]) or early[-1] == "accepted", "the metric is served")
        rejected = early.count("rejected") + whole(s, c, suite) + inside(s, c, suite)
        s.until(lambda: int(s.value("select count(*) from cohort.dead_letter")) >= rejected, "dead letters arrive")
        c.equal("every rejected event is a dead letter", int(s.value("select count(*) from cohort.dead_letter")), rejected)
        c.equal("and it goes on deciding", s.evaluate("cta", "u")["key"], "cta")
    c.done()


if __name__ == "__main__":
    main()
