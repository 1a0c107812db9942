#!/usr/bin/env python3
"""Who may what: every route of the server, by every method, with no key, with keys that are none, revoked, of another
environment, and of each role. The routes are the server's own list, what each role may is definitions.ROLES: a route
without a row there fails. Refused requests change nothing, and one environment sees and touches nothing of another."""
import base64
import os

from cohort_server import Checks, Server, experiment
from definitions import ROLES, TOKEN

ROLE_NAMES = ("admin", "product", "analyst", "events", "client")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MARK = "prodmark"  # in every name and text of production, so that it is seen where it must not be
# Reached by an admin key of any environment: they are the server's.
SHARED = ("/v1/environments",)


def malformed(s):
    """Texts that are nearly keys, or would like to be more."""
    good = s.keys["admin"]
    return [" ", "ck_", "ck_admin_", "ck_admin_" + "A" * 43, good[:-1], good + "A", good.swapcase(), good.replace("admin", "client"),
            "' or true --", "ck_admin_" + "A" * 6000, base64.b64encode(good.encode()).decode(), s.keys["client"] + " " + good]


def definitions_of_production(s):
    unit = s.value("select cohort.unit_id('user', 'u-1')")
    for path, doc in (
            ("/v1/teams/" + MARK, {}), ("/v1/layers/" + MARK, {"description": MARK}),
            ("/v1/metrics/" + MARK, {"event": MARK, "kind": "binary"}),
            ("/v1/segments/" + MARK, {"description": MARK, "condition": {"plan": MARK}}),
            ("/v1/flags/" + MARK, {"type": "string", "default": MARK}),
            ("/v1/holdouts/" + MARK, {"description": MARK, "variants": [
                {"key": "out", "share_ppm": 100000, "gives": "nothing", "control": True},
                {"key": "in", "share_ppm": 900000, "gives": "everything"}]}),
            ("/v1/experiments/" + MARK + "_e", experiment(description=MARK)),
            ("/v1/overrides/" + MARK, {"experiment": MARK + "_e", "unit_id": unit, "variant": "treatment", "note": MARK}),
            ("/v1/webhooks/" + MARK, {"url": f"http://127.0.0.1:9/{MARK}", "secret": MARK * 4})):
        a = s.put(path, doc)
        assert a.status == 200, (path, a)
    s.outcome(MARK + "_unknown", "u-1")
    s.until(lambda: s.get("/v1/dead-letters").json["items"], "a dead letter of production")


def make_keys(s):
    """Of each role in production, each revoked, and each in another environment; by name "product", "revoked product" …"""
    s.put("/v1/environments/staging", {})
    made = dict(s.keys)
    for role in ROLE_NAMES:
        if role not in made:
            made[role] = s.value(f"select cohort.create_api_key('{role}', '{MARK}')")
        made["staging " + role] = s.value(f"set cohort.environment = 'staging'; select cohort.create_api_key('{role}', 'st')")
        made["revoked " + role] = s.value(f"select cohort.create_api_key('{role}', 'gone')")
    s.until(lambda: all(decides(s, made[k]) == 200 for k in made if "analyst" not in k), "the keys")
    s.psql("update cohort.api_key set revoked_at = now() where name = 'gone'")
    s.until(lambda: decides(s, made["revoked client"]) == 401, "what was revoked is refused")
    s.keys = made


def decides(s, key):
    return s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "t"}}, key).status


def path_of(pattern, name):
    return pattern.replace("{key...}", name).replace("{key}", name)


def send(s, method, path, key, **headers):
    return s.request(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None, key=key, headers=headers)


def state(s):
    """Everything that is defined in production, and how long its history is."""
    tables = s.value("select string_agg(format('%I', c.relname), ' ' order by c.relname) from pg_class c join pg_attribute a on"
                     " a.attrelid = c.oid and a.attname = 'environment' where c.relnamespace = 'cohort'::regnamespace and c.relkind = 'r'"
                     " and not c.relispartition")
    names = [t for t in tables.split() if t not in ("decision", "exposure", "outcome", "plan_view")]
    one = " union all ".join(f"select '{t}', md5(string_agg(x::text, ',' order by x::text)) from cohort.{t} x where environment = 'production'"
                             for t in names)
    return s.sql(one)


def refused_without_a_key(s, c, routes):
    """No key, or none that is one: 401 wherever a key is needed, at every place a key can stand."""
    keys, wrong, cells = malformed(s), [], 0
    for i, route in enumerate(routes):
        method, pattern = route.split(" ")
        path = path_of(pattern, MARK)
        tries = [{}, {"Authorization": s.keys["admin"]}, {"Authorization": "Basic " + s.keys["admin"]},
                 {"Cookie": "key=" + s.keys["admin"]}]
        tries += [{name: start + k} for name, start, every in (("Authorization", "Bearer ", 2), ("X-API-Key", "", 4)) for k in
                  keys[i % every::every]]
        for headers in tries:
            a = send(s, method, path, None, **headers)
            cells += 1
            if (a.status == 401) == (ROLES.get(route) is None):
                wrong.append((route, headers, a.status))
        a = send(s, method, path + "?key=" + s.keys["admin"], None)
        if ROLES.get(route) is not None and a.status != 401:
            wrong.append((route, "key in the query", a.status))
    c.equal(f"no key, or none that is one: 401 ({cells} requests)", wrong, [])


def refused_by_role(s, c, routes):
    """Revoked: 401. Known, but not of a role that may: 403."""
    wrong, cells = [], 0
    for route in routes:
        method, pattern = route.split(" ")
        may, path = ROLES.get(route), path_of(pattern, MARK)
        if may is None:
            continue
        for role in ROLE_NAMES:
            known = [] if role in may else [(role, 403), ("staging " + role, 403)]
            for key, want in [("revoked " + role, 401)] + known:
                a = send(s, method, path, key)
                cells += 1
                if a.status != (401 if may is TOKEN else want):
                    wrong.append((route, key, a.status))
    c.equal(f"revoked keys 401, wrong roles 403 ({cells} requests)", wrong, [])


def let_in(s, c, routes):
    """Whoever may is let in: under a name that is nobody's, so that nothing is changed by it."""
    wrong, cells = [], 0
    for route in routes:
        method, pattern = route.split(" ")
        may = ROLES.get(route)
        for key in sorted(may) if may is not None else [None]:
            a = send(s, method, path_of(pattern, "nobodys"), key)
            cells += 1
            if a.status in (401, 403, 405) or a.status >= 500:
                wrong.append((route, key, a.status))
    c.equal(f"roles that may are let in ({cells} requests)", wrong, [])


def another_environment(s, c, routes):
    """A key of staging, of whatever role, at everything of production by its name: nothing is seen, nothing is done."""
    before, wrong, cells = state(s), [], 0
    ids = {r[0]: r[1] for r in s.sql("select name || role, id from cohort.api_key where environment = 'production'")}
    numbers = sorted(set(ids.values()), key=int)
    for route in sorted(routes, key=lambda r: r.startswith("PUT ")):  # a PUT makes staging a thing of that name
        method, pattern = route.split(" ")
        may = ROLES.get(route)
        if may is None or pattern.startswith(SHARED):
            continue
        names = numbers if pattern.startswith("/v1/keys/") else [MARK, MARK + "_e"] if "{" in pattern else [""]
        for role in sorted(may):
            for name in names:
                a = send(s, method, path_of(pattern, name), "staging " + role)
                cells += 1
                said = a.body.decode(errors="replace").replace(f'"{name}"', "") if name else a.body.decode(errors="replace")
                named = "{" in pattern and not pattern.startswith("/ofrep") and method != "PUT"
                if a.status >= 500 or (MARK in said and a.status < 400) or (named and a.status < 400):
                    wrong.append((route, role, name, a))
    c.equal(f"keys of another environment see nothing of this one ({cells} requests)", wrong, [])
    letter = s.get("/v1/dead-letters").json["items"][0]["id"]
    c.equal("nor its dead letters", s.get("/v1/dead-letters", "staging admin").json["items"], [])
    a = s.post("/v1/dead-letters/replay", {"ids": [letter]}, "staging admin")
    c.check("which it can't replay", a.status == 200 and f"There is no dead letter {letter}." in a.body.decode(), a)
    c.equal("or drop", [s.post("/v1/dead-letters/drop", doc, "staging admin").json for doc in ({"ids": [letter]}, {"all": True})],
            [s.post("/v1/dead-letters/drop", {"ids": []}, "staging admin").json] * 2)
    c.equal("so it waits", s.get("/v1/dead-letters").json["items"][0]["id"], letter)
    c.equal("and change nothing", [(x, y) for x, y in zip(before, state(s)) if x != y], [])


def other_methods(s, c, routes):
    """A method that a path does not have is 405 and says which it has, whoever asks; a path that is none is 404."""
    wrong = []
    patterns = {}
    for route in routes:
        method, pattern = route.split(" ")
        patterns.setdefault(pattern, set()).add(method)
    for pattern, has in patterns.items():
        has = has | ({"HEAD"} if "GET" in has else set())
        for method in METHODS:
            a = send(s, method, path_of(pattern, MARK), None)
            if method not in has and (a.status != 405 or set(a.headers.get("allow", "").split(", ")) != has | {"OPTIONS"}):
                wrong.append((method, pattern, a.status, a.headers.get("allow")))
    for path in ("/v1", "/v1/", "/v1/nothing", "/v1/experiments/", "/v1/experiments//start", "/v1/experiments/a/b/c", "/v2/flags",
                 "/ofrep/v1/evaluate/flags/", "/healthz/", "/V1/flags", "//healthz", "/metrics%00", "/%2e%2e/etc/passwd"):
        for key in (None, "admin"):
            a = s.request("GET", path, key=key)
            if a.status not in (404, 405, 400):
                wrong.append((path, key, a.status))
    c.equal("methods and paths that are not there", wrong, [])


def main():
    c = Checks()
    with Server("--rate-failed-auth", "0") as s:
        definitions_of_production(s)
        make_keys(s)
        routes = s.request("GET", "/").json["paths"]
        c.equal("each route has a row in the matrix, each row a route", sorted(set(routes) ^ set(ROLES)), [])
        c.equal("no route is there twice", len(routes), len(set(routes)))
        before = state(s)
        for part in (refused_without_a_key, refused_by_role, other_methods):
            part(s, c, routes)
        c.equal("nothing that was refused changed anything", [(x, y) for x, y in zip(before, state(s)) if x != y], [])
        another_environment(s, c, routes)
        let_in(s, c, routes)
    c.done()


if __name__ == "__main__":
    os.umask(0o077)
    main()
