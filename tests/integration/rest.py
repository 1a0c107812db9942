#!/usr/bin/env python3
"""Definitions by REST: documents of every kind, versions, patches, pages, actions, keys, and what errors point at."""
import sys
import threading
import time

from cohort_server import Checks, Server, experiment

ARMS = {"variants": [{"key": "out", "share_ppm": 50000, "gives": "nothing", "control": True},
                     {"key": "in", "share_ppm": 950000, "gives": "everything"}]}
THINGS = {
    "experiments": (experiment(), {"description": "patched"}),
    "holdouts": (ARMS, None),
    "layers": ({"description": "The checkout"}, {"description": "patched"}),
    "segments": ({"list": ["c-1", "c-2"]}, {"description": "patched"}),
    "metrics": ({"event": "ticket_opened", "kind": "binary", "direction_good": "down"}, {"description": "patched"}),
    "flags": ({"type": "string", "default": "hello",
               "rules": [{"kind": "force", "condition": {"country": "FR"}, "value": "salut"}]}, {"default": "hi"}),
    "teams": ({"description": "Shop"}, None),
}


def documents(s, c):
    """Each kind of thing: made, read, listed, versioned, patched, taken away."""
    for things, (doc, patch) in THINGS.items():
        path = f"/v1/{things}/one"
        a = s.put(path, doc)
        c.check(f"{things}: PUT", a.status == 200 and a.json["key"] == "one" and a.headers.get("etag"), a)
        b = s.get(path)
        c.check(f"{things}: GET has the same version", b.json == a.json and b.headers["etag"] == a.headers["etag"], (a, b))
        n = s.get(path, headers={"If-None-Match": a.headers["etag"]})
        c.check(f"{things}: 304 while nothing changed", n.status == 304 and n.body == b"", n)
        again = s.put(path, doc, headers={"If-Match": a.headers["etag"]})
        c.check(f"{things}: PUT again changes nothing", again.headers.get("etag") == a.headers["etag"], again)
        c.check(f"{things}: what GET says can be PUT", s.put(path, b.json).headers.get("etag") == a.headers["etag"],
                s.put(path, b.json))
        items = s.get(f"/v1/{things}").json
        items = items["experiments"] if things == "experiments" else items["items"]
        c.check(f"{things}: in the list", any(x["key"] == "one" for x in items), items)
        if patch:
            field, value = next(iter(patch.items()))
            p = s.request("PATCH", path, patch, key="admin", headers={"Content-Type": "application/merge-patch+json",
                                                                       "If-Match": a.headers["etag"]})
            c.check(f"{things}: PATCH", p.status == 200 and p.json[field] == value
                    and p.headers["etag"] != a.headers["etag"], p)
            rest = {k: v for k, v in p.json.items() if k not in (field, "version", "history")}
            c.check(f"{things}: a patch leaves the rest", all(b.json[k] == v for k, v in rest.items()), (b, p))
        stale = s.put(path, doc, headers={"If-Match": '"0123456789abcdef0123456789abcdef"'})
        c.check(f"{things}: a stale If-Match is refused, with the version there is", stale.status == 412
                and stale.headers["etag"] == s.get(path).headers["etag"] and stale.json["code"] == "precondition_failed", stale)
        c.equal(f"{things}: If-None-Match: * never changes", s.put(path, doc, headers={"If-None-Match": "*"}).status, 412)
        c.equal(f"{things}: DELETE of a stale version", s.request("DELETE", path, key="admin",
                                                                  headers={"If-Match": '"x"'}).status, 412)
        d = s.request("DELETE", path, key="admin")
        c.check(f"{things}: DELETE", d.status == 204 and d.body == b"", d)
        c.equal(f"{things}: gone", (s.get(path).status, s.request("DELETE", path, key="admin").status), (404, 404))
        c.equal(f"{things}: If-Match of what is gone", s.put(path, doc, headers={"If-Match": a.headers["etag"]}).status, 412)


def lost_updates(s, c):
    """Of writers who all read the same version, one wins; the others are told."""
    tag = s.put("/v1/layers/race", {"description": "0"}).headers["etag"]
    answers = []

    def write(i):
        answers.append(s.put("/v1/layers/race", {"description": str(i)}, headers={"If-Match": tag}).status)

    threads = [threading.Thread(target=write, args=(i + 1,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    c.equal("six writers of one version: one wins", sorted(answers), [200] + [412] * 5)
    a = s.put("/v1/experiments/parts", experiment())
    v = s.get("/v1/experiments/parts/variants")
    c.equal("a part has the version of the whole", v.headers["etag"], a.headers["etag"])
    more = v.json[:1] + [{"key": "b", "share_ppm": 500000, "value": "B"}]
    p = s.put("/v1/experiments/parts/variants", more, headers={"If-Match": v.headers["etag"]})
    c.check("PUT of a part", p.status == 200 and [x["key"] for x in p.json] == ["control", "b"], p)
    c.equal("and its stale version", s.put("/v1/experiments/parts/variants", more,
                                           headers={"If-Match": v.headers["etag"]}).status, 412)
    p = s.put("/v1/experiments/parts/guardrails", [])
    c.check("guardrails too", p.status == 200 and s.get("/v1/experiments/parts").json["guardrails"] == [], p)
    c.equal("a part that is no list", s.put("/v1/experiments/parts/variants", {}).status, 400)
    c.equal("a part of nothing", s.put("/v1/experiments/nope/guardrails", []).status, 404)


def pages(s, c):
    for i in range(25):
        s.put(f"/v1/layers/page-{i:02}", {})
    got, after, n = [], "", 0
    while True:
        a = s.get(f"/v1/layers?limit=10{'&after=' + after if after else ''}")
        assert a.status == 200, a
        got += [x["key"] for x in a.json["items"]]
        n += 1
        if not a.json["next"]:
            break
        after = a.json["next"]
    c.check("pages are the whole list, each once, in order", got == sorted(set(got)) and
            [k for k in got if k.startswith("page-")] == [f"page-{i:02}" for i in range(25)] and n >= 3, (n, got))
    for query in ("limit=0", "limit=1001", "limit=x", "limit=", "after=" + "x" * 300, "page=2", "after=%ff"):
        a = s.get("/v1/layers?" + query)
        c.check(f"?{query[:12]}: 400", a.status == 400 and a.json["code"] == "bad_query", a)
    a = s.get("/v1/experiments/none/results?since=2026-01-01")
    c.check("a parameter that one thing's path does not know is said, not passed over",
            a.status == 400 and a.json["code"] == "bad_query", a)
    s.put("/v1/experiments/second", experiment())
    a = s.get("/v1/experiments?limit=1")
    c.check("experiments have pages too", len(a.json["experiments"]) == 1 and a.json["next"], a)


def life(s, c):
    """An experiment's whole life by REST."""
    do = lambda action, body=None, key="life": s.post(f"/v1/experiments/{key}/{action}", body)
    s.put("/v1/layers/front", {})
    s.put("/v1/experiments/life", experiment(layer="front", layer_ppm=200000, traffic_ppm=100000))
    a = do("validate")
    c.check("validate: nothing wrong", a.status == 200 and a.json == {"startable": True, "problems": []}, a)
    c.equal("start", do("start", {"reason": "go"}).json["status"], "running")
    a = do("ramp", {"traffic_ppm": 300000, "shares": {"control": 200000, "treatment": 800000}, "reason": "looks fine"})
    c.check("ramp: a second phase", a.status == 200 and len(a.json["phases"]) == 2, a)
    c.equal("pause", do("pause").json["status"], "paused")
    c.equal("resume", do("resume").json["status"], "running")
    a = do("grow", {"layer_ppm": 500000})
    c.check("grow", a.status == 200, a)
    m = s.get("/v1/layers/front/map").json
    c.check("the layer's map says who owns what and what is free", {x["experiment"]: x["ppm"] for x in m} ==
            {"life": 500000, None: 500000}, m)
    a = do("clone", {"key": "life2"})
    c.check("clone: a draft of another key", a.status == 201 and a.json["key"] == "life2" and a.json["status"] == "draft", a)
    a = do("drop_arm", {"variant": "treatment"})
    c.check("drop_arm", a.status in (200, 409), a)
    a = do("restart", {"reason": "new texts"})
    c.check("restart: the next iteration", a.status == 200 and a.json["iteration"] == 2 and len(a.json["phases"]) == 1, a)
    a = do("ship", {"variant": "treatment", "holdback_ppm": 20000})
    c.check("ship", a.status == 200 and a.json["status"] == "shipped", a)
    c.equal("archive", do("archive").json["status"], "archived")
    for action, body, code, field in (
            ("ramp", {}, "missing_field", "traffic_ppm"), ("ramp", {"traffic_ppm": "half"}, "bad_field", "traffic_ppm"),
            ("ramp", {"traffic_ppm": 1, "share": {}}, "unknown_field", "share"), ("ship", {}, "missing_field", "variant"),
            ("ship", {"variant": 7}, "bad_field", "variant"), ("grow", {"layer_ppm": -1}, "bad_field", "layer_ppm"),
            ("grow", {"layer_ppm": 2 ** 40}, "bad_field", "layer_ppm"), ("drop_arm", {"arm": "b"}, "unknown_field", "arm"),
            ("clone", {"key": None}, "bad_field", "key"), ("start", {"why": "x"}, "unknown_field", "why"),
            ("stop", {"reason": 3}, "bad_field", "reason")):
        a = do(action, body)
        c.check(f"{action} {body}: refused by name", a.status == 400 and a.json["code"] == code
                and a.json["pointer"] == field, a)
    c.equal("an action on nothing", do("pause", key="nope").status, 404)


def errors(s, c):
    doc = experiment()
    doc["variants"][1]["share_ppm"] = "half"
    a = s.put("/v1/experiments/bad", doc)
    c.equal("an error has the field's path, and a JSON pointer", (a.json["pointer"], a.json.get("json_pointer")),
            ("variants[1].share_ppm", "/variants/1/share_ppm"))
    a = s.put("/v1/experiments/bad", b'{"variants": [')
    c.check("a place in a text is no pointer", "json_pointer" not in a.json, a)
    a = s.request("PATCH", "/v1/experiments/nope", {"description": "x"}, key="admin")
    c.equal("a patch of nothing", a.status, 404)
    a = s.request("PATCH", "/v1/experiments/parts", b"[]", key="admin", headers={"Content-Type": "application/json-patch+json"})
    c.check("another kind of patch: 415", a.status == 415 and a.headers["accept-patch"] == "application/merge-patch+json", a)
    a = s.request("PATCH", "/v1/experiments/parts", {"colour": 1}, key="admin")
    c.check("an unknown field of a patch, by name", a.status in (400, 422) and "colour" in a.json["detail"], a)
    a = s.get("/v1/layers/nope/map")
    c.equal("the map of nothing", a.status, 404)


def keys(s, c):
    """API keys by REST: made, listed, rotated, revoked."""
    a = s.post("/v1/keys", {"name": "shop-backend", "role": "product"})
    c.check("a new key is shown once", a.status == 201 and a.json["key"].startswith("ck_product_"), a)
    key, number = a.json["key"], a.json["id"]
    b = s.get(f"/v1/keys/{number}")
    c.check("and never again", b.status == 200 and "key" not in b.json and "hash" not in b.json, b)
    s.until(lambda: s.get("/v1/experiments", key).status == 200, "the new key")
    e = s.put("/v1/experiments/signed", experiment(), key=key)
    c.equal("history names the key", e.json["history"][-1]["actor"], f"api key {number} (product) shop-backend")
    entry = next(x for x in s.get("/v1/audit").json["items"] if x["object"] == "experiment" and x["key"] == "signed")
    c.equal("so does the audit", entry["actor"], f"api key {number} (product) shop-backend")
    r = s.post(f"/v1/keys/{number}/rotate")
    c.check("rotate: a new key", r.status == 201 and r.json["key"].startswith("ck_product_") and r.json["key"] != key, r)
    start = time.monotonic()
    s.until(lambda: s.get("/v1/experiments", key).status == 401, "the old key is refused")
    c.check(f"the old one stops ({time.monotonic() - start:.3f} s)", True)
    new, number = r.json["key"], r.json["id"]
    s.until(lambda: s.get("/v1/experiments", new).status == 200, "the rotated key")
    start = time.monotonic()
    c.equal("revoke", s.request("DELETE", f"/v1/keys/{number}", key="admin").status, 204)
    c.equal("a revoked key defines nothing from that moment on", s.put("/v1/experiments/late", experiment(), key=new).status, 401)
    s.until(lambda: s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "c"}}, new).status == 401,
            "the revoked key is refused")
    c.check(f"and soon decides nothing ({time.monotonic() - start:.3f} s)", True)
    for body, word in (({"name": "x", "role": "king"}, "king"), ({"role": "admin"}, "name"),
                       ({"name": "x", "role": "admin", "colour": 1}, "colour")):
        a = s.post("/v1/keys", body)
        c.check(f"{body}: refused by name", 400 <= a.status < 500 and word in a.json["detail"], a)
    c.equal("a key nobody has", s.get("/v1/keys/99999").status, 404)
    c.equal("and one that is no number", s.get("/v1/keys/abc").status, 404)
    head = s.get("/v1/audit/head")
    c.check("the audit's head", head.status == 200 and len(head.json["hash"]) == 64, head)


def teams(s, c):
    """A product key edits what is its team's."""
    for team in ("shop", "mail"):
        s.put(f"/v1/teams/{team}", {})
    made = {t: s.post("/v1/keys", {"name": t, "role": "product", "team": t}).json["key"] for t in ("shop", "mail")}
    for key in made.values():
        s.until(lambda k=key: s.get("/v1/experiments", k).status == 200, "the team's key")
    a = s.put("/v1/experiments/ours", experiment(team="shop"), key=made["shop"])
    c.check("a team's key makes its team's experiment", a.status == 200 and a.json["team"] == "shop", a)
    c.equal("everyone sees it", s.get("/v1/experiments/ours", made["mail"]).status, 200)
    for what, answer in (("PUT", s.put("/v1/experiments/ours", experiment(team="shop", description="mine"), key=made["mail"])),
                         ("start", s.post("/v1/experiments/ours/start", key=made["mail"])),
                         ("DELETE", s.request("DELETE", "/v1/experiments/ours", key=made["mail"]))):
        c.check(f"another team's {what} is refused", answer.status in (403, 404), answer)
    c.equal("its own is not", s.post("/v1/experiments/ours/start", key=made["shop"]).json.get("status"), "running")
    c.equal("an admin may too", s.post("/v1/experiments/ours/stop").json.get("status"), "stopped")


def main():
    c = Checks()
    with Server() as s:
        for part in (documents, lost_updates, pages, life, errors, keys, teams):
            try:
                part(s, c)
            except (AssertionError, KeyError, TypeError) as e:
                c.check(f"{part.__name__} runs to its end", False, repr(e))
    c.done()


if __name__ == "__main__":
    sys.exit(main())
