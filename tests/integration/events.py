#!/usr/bin/env python3
"""Events in: answers per event, dead letters, trust, durability over restarts, and that no raw id is kept anywhere."""
import json
import os
import signal
import sys
import uuid

from cohort_server import Checks, Server, experiment, now


def event(user="c-1", **fields):
    e = {"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": user}, "ts": now()}
    e.update(fields)
    return {k: v for k, v in e.items() if v is not None}


def answers(s, c):
    bad = [
        ("no id", event(id=None), "missing_field"),
        ("an id that is no UUID", event(id="17"), "bad_field"),
        ("an undeclared event", event(name="unsubscribed"), "unknown_event"),
        ("a name that is a number", event(name=5), "bad_field"),
        ("no units", event(units=None), "missing_field"),
        ("units that are a string", event(units="c-1"), "bad_field"),
        ("a unit type with a capital", event(units={"User": "c-1"}), "bad_unit"),
        ("an id of a unit that is a number", event(units={"user": 17}), "bad_unit"),
        ("an empty unit id", event(units={"user": ""}), "bad_unit"),
        ("a unit id of 513 bytes", event(units={"user": "x" * 513}), "bad_unit"),
        ("no time", event(ts=None), "missing_field"),
        ("a time that is a number", event(ts=1700000000), "bad_field"),
        ("a time without a zone", event(ts="2026-01-01T00:00:00"), "bad_field"),
        ("a time in the future", event(ts=now(4000)), "from_the_future"),
        ("a time too long ago", event(ts=now(-8 * 86400)), "too_old"),
        ("a value that is a string", event(value="1"), "bad_field"),
        ("a value of 1e15", event(value=10**15), "bad_field"),
        ("a decision that is no UUID", event(decision="x"), "bad_field"),
        ("an unknown field", event(user_id="c-1"), "unknown_field"),
        ("an event that is a string", "unsubscribe", "bad_field"),
    ]
    good = [event(), event(value=12.5), event(value=-3, decision=str(uuid.uuid4())),
            event(units={"user": "c-1", "device": "d-1"})]
    a = s.post("/v1/outcomes", {"events": [b[1] for b in bad] + good}, "events")
    c.check("a mixed batch is answered 202 with both counts", a.status == 202 and a.json["rejected"] == len(bad)
            and a.json["accepted"] == len(good), a)
    for (what, _, code), r in zip(bad, a.json["results"]):
        c.check(f"{what}: rejected, {code}", r["status"] == "rejected" and r["code"] == code and r["reason"], r)
    c.check("the good ones accepted, under their ids",
            [r["id"] for r in a.json["results"][len(bad):]] == [g["id"] for g in good])
    s.until(lambda: int(s.value("select count(*) from cohort.outcome")) == 5, "5 rows: one has two units")
    c.equal("values are kept in millionths", s.sql("select value from cohort.outcome where value is not null order by 1"),
            [["-3000000"], ["12500000"]])
    s.until(lambda: int(s.value("select count(*) from cohort.dead_letter")) == len(bad), "dead letters")
    c.equal("a dead letter has its reason, and units as hashes", s.value(
        "select count(*) from cohort.dead_letter where reason = 'unknown_event' and "
        "body->'units'->>'user' = cohort.unit_id('user', 'c-1')::text"), "1")
    again = s.post("/v1/outcomes", {"events": good}, "events")
    c.equal("the same ids again are accepted", again.json["accepted"], len(good))
    s.until(lambda: int(s.value("select coalesce(sum(duplicates), 0) from cohort.ingest_batch")) >= 5, "duplicates")
    c.equal("and counted once", s.value("select count(*) from cohort.outcome"), "5")


def batches(s, c):
    for what, body, status in (
            ("a bare array", [event()], 202), ("an empty batch", {"events": []}, 400), ("an object without events", {}, 400),
            ("another field beside events", {"events": [event()], "x": 1}, 400), ("malformed JSON", b"[", 400),
            ("1001 events", [event() for _ in range(1001)], 400), ("1000 events", [event() for _ in range(1000)], 202)):
        a = s.post("/v1/outcomes", body, "events")
        c.check(f"{what}: {status}", a.status == status and (status == 202 or a.json["detail"]), a)
    a = s.post("/v1/outcomes", b"[" + b" " * (4 << 20), "events")
    c.check("too large a body is told the limit", a.status == 413 and "4194304 bytes" in a.json["detail"], a)
    c.equal("errors are problem+json", s.post("/v1/outcomes", b"[", "events").headers["content-type"],
            "application/problem+json")


def unreadable(s, c):
    """An event that is no JSON costs only itself, where it can be told from its neighbours."""
    good = json.dumps(event("c-9")).encode()
    bad = [b'{"id": 1, "id": 2}', b'{"units": {"user": "a\\u0000b"}}', b'{"name": "\xff"}', b'{"value": 1e999}', b"nonsense",
           b'{"id": "]},{[\\"", x}', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", b'{"name": "a\0b"}', b"[" + b"0," * 90 + b"0]"]
    before = int(s.value("select count(*) from cohort.dead_letter where reason = 'bad_json'"))
    for body in (b"[" + b", ".join([good, *bad, good]) + b"]", b' {"events": [' + b",".join([good, *bad, good]) + b"]}\n"):
        a = s.post("/v1/outcomes", body, "events")
        c.check("only the unreadable events are rejected", a.status == 202 and a.json["accepted"] == 2
                and [r["index"] for r in a.json["results"] if r.get("code") == "bad_json"] == list(range(1, len(bad) + 1))
                and all("column" in r["reason"] for r in a.json["results"][1:-1]), a.body)
    s.until(lambda: int(s.value("select count(*) from cohort.dead_letter where reason = 'bad_json' and body = '{}'"))
            == before + 2 * len(bad), "their dead letters")
    c.equal("a dead letter has the hash of what was sent", s.value(
        "select count(*) from cohort.dead_letter where body_hash = sha256('nonsense') and body_length = 8"), "2")
    for body in (b"[{}, {\"id\": ]", b"[{},]", b"[,{}]", b"[{\"a\": 1e999}", b"{\"events\": [1e999], \"x\": 1}", b"[1e999] x",
                 b"{\"events\": [1e999]", b"[\"\\", b"[" + b"1e999," * 1000 + b"1]", b"[]]", b"[}]"):
        a = s.post("/v1/outcomes", body, "events")
        c.check(f"{body[:24]!r}: nothing can be told apart, 400", a.status == 400 and a.json["code"] == "bad_json", a)


def trust(s, c):
    s.outcome("unsubscribe", "browser-1", key="client")
    s.outcome("unsubscribe", "server-1", key="events")
    q = "select trusted from cohort.outcome where unit_id = cohort.unit_id('user', '%s')"
    c.equal("a browser's outcome is marked untrusted",
            s.until(lambda: s.sql(q % "browser-1"), "browser's row"), [["f"]])
    c.equal("a server's is trusted", s.until(lambda: s.sql(q % "server-1"), "server's row"), [["t"]])


def exposures(s, c):
    drawn = s.evaluate("quiet", "x-1")
    base = {"experiment": "quiet", "variant": drawn["variant"], "phase": 1, "units": {"user": "x-1"}}
    other = "control" if drawn["variant"] == "treatment" else "treatment"

    def report(**fields):
        e = {"id": str(uuid.uuid4()), "ts": now(), **base, **fields}
        return s.post("/v1/exposures", [{k: v for k, v in e.items() if v is not None}], "client").json["results"][0]

    for what, fields, code in (
            ("another variant than drawn", {"variant": other}, "contradicts_draw"),
            ("another phase", {"phase": 2}, "contradicts_draw"), ("no phase", {"phase": None}, "missing_field"),
            ("an unknown variant", {"variant": "blue"}, "bad_field"),
            ("an unknown experiment", {"experiment": "loud"}, "unknown_experiment"),
            ("units without a user", {"units": {"device": "d"}}, "bad_unit")):
        c.equal(f"an exposure with {what}: {code}", report(**fields).get("code"), code)
    c.equal("exposure = reported: evaluating was none",
            s.sql("select 1 from cohort.exposure where unit_id = cohort.unit_id('user', 'x-1')"), [])
    c.equal("a true report is accepted", report()["status"], "accepted")
    q = "select v.key, e.origin, e.propensity from cohort.exposure e join cohort.variant v on v.id = e.variant_id " \
        "where e.unit_id = cohort.unit_id('user', 'x-1')"
    c.equal("and stored", s.until(lambda: s.sql(q), "the exposure"), [[drawn["variant"], "1", "500000"]])


def restart(s, c):
    ids = []
    for cycle in range(3):
        for i in range(20):
            e = event(f"k-{cycle}-{i}")
            if s.post("/v1/outcomes", [e], "events").status == 202:
                ids.append(e["id"])
        s.stop(signal.SIGKILL)
        s.start()
    listed = ",".join(f"'{i}'" for i in ids)
    s.until(lambda: int(s.value(f"select count(*) from cohort.outcome where event_id in ({listed})")) == len(ids),
            "all acknowledged events after kills")
    c.check(f"{len(ids)} acknowledged over 3 kills: all stored, none twice", len(ids) == 60)


def no_raw_id(s, c):
    # A field's name may be an id, too, and a cut through it may not spoil the sentence.
    odd = [event(**{name: 1}) for name in ("Some.Body@example.org", "a" + "é" * 100)]
    answer = s.post("/v1/outcomes", odd, "events").json["results"]
    c.check("an unknown field is quoted only when it can be no raw id", all(
        r["code"] == "unknown_field" and "(not a key)" in r["reason"] for r in answer), answer)
    mark = "Nobody.May.Keep+%s@example.org" % uuid.uuid4().hex
    s.evaluate("cta", mark, user=mark, email=mark)
    s.post("/v1/outcomes", [event(mark), event(mark, name="nonsense"), event(mark, extra=mark), event(**{mark: 1}), event(mark, name=mark),
                            event({"user": mark}), event(mark, id=mark), mark], "events")
    s.post("/v1/exposures", [{"id": str(uuid.uuid4()), "units": {"user": mark}, "experiment": mark}], "client")
    before = s.value("select count(*) from cohort.dead_letter where received_at > now() - interval '1 minute'")
    s.until(lambda: int(s.value("select count(*) from cohort.dead_letter where received_at > now() - "
                                "interval '1 minute'")) >= 5, f"dead letters of the mark, {before} so far")
    s.until(lambda: s.sql(f"select 1 from cohort.exposure where unit_id = cohort.unit_id('user', '{mark}')"), "exposed")
    s.psql("checkpoint")
    s.stop()
    found, read = [], 0
    for folder, _, files in os.walk(s.data):
        for f in files:
            path = os.path.join(folder, f)
            if "pg_wal" in path or not os.path.isfile(path):
                continue
            with open(path, "rb") as fh:
                read += 1
                if mark.encode() in fh.read():
                    found.append(path)
    c.check(f"a raw id is in none of {read} files: tables, spool, dead letters, log", read > 100 and not found, found)
    s.start()


def main():
    c = Checks()
    with Server() as s:
        for key, doc in (("cta", experiment()), ("quiet", experiment(exposure="reported"))):
            a = s.put("/v1/experiments/" + key, doc)
            assert a.status == 200, a
            s.post(f"/v1/experiments/{key}/start")
        for key in ("cta", "quiet"):
            s.until(lambda k=key: s.post("/ofrep/v1/evaluate/flags/" + k, {"context": {"targetingKey": "w"}},
                                         "client").json.get("reason") == "SPLIT", key + " is served")
        for part in (answers, batches, unreadable, trust, exposures, restart, no_raw_id):
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
