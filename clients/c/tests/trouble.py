#!/usr/bin/env python3
"""The C client in trouble, as clients/README.md has it: what is served, what is kept, and what the program hears."""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

from leash import PATIENCE_MS, TOP, Client
from cohort_server import Checks
from trouble_server import Port, TroubleServer

QUICK = {"backoff_min_ms": 20, "backoff_max_ms": 100, "flush_ms": 10, "timeout_ms": 20000}
ANSWER = {"key": "text", "reason": "SPLIT", "variant": "b", "metadata": {}}


def until(condition, what, patience=60):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited {patience} s in vain: {what}"
        time.sleep(0.01)


def types(c):
    with TroubleServer() as s, Client(s.url, **QUICK) as client:
        s.flags.update(big=2**53, exp=5e3, whole=5.0, half=0.5, quoted="a \"b\" \\ \u00e9\n", off=False)
        for flag, absent, want in (("on", False, True), ("off", True, False), ("text", "d", "hello"), ("count", 0, 5), ("price", 0.0, 5.0),
                                   ("count", 0.0, 5.0), ("whole", 0, 5), ("exp", 0, 5000), ("big", 0, 2**53),
                                   ("quoted", "", "a \"b\" \\ \u00e9\n")):
            got = client.value(flag, absent)
            c.equal(f"{flag} as {type(absent).__name__}", (got["value"], got["error"], got["is_absent"]), (want, None, False))
        for flag, want in (("on", True), ("text", "hello"), ("price", 5.0), ("layout", {"a": [1, 2]})):
            client("context", user="c-1")
            c.equal(f"{flag} as JSON", json.loads(client("value", type="json", flag=flag, absent="null")["value"]), want)
        got = client.value("layout", {"none": 1})
        c.equal("an object", json.loads(got["value"]), {"a": [1, 2]})
        c.equal("details are typed", (got["phase"], got["propensity"], got["inclusion"], got["variant"], got["reason"],
                                      got["experiment"]), (1, 500000, 1000000, "treatment", "VARIANT", "layout"))
        for flag, absent in (("on", "d"), ("text", False), ("text", 7), ("count", "d"), ("half", 7), ("layout", 1.5), ("text", {"none": 1})):
            got = client.value(flag, absent)
            value = json.loads(got["value"]) if isinstance(absent, dict) else got["value"]
            c.equal(f"{flag} as {type(absent).__name__}: the default, and why", (value, got["error"]), (absent, "TYPE_MISMATCH"))
        s.requests.clear()
        for flag in ("", "A", "a b", "x/../y", "a" * 101):
            c.equal(f"{flag[:8]!r} can be no flag: nobody is asked", client.value(flag, 1)["error"], "FLAG_NOT_FOUND")
        c.equal("so it was", s.requests, [])
        client.value("text", "d", user="c \"1\"\\", attributes={"country": "DE", "n": 5, "x": [1, {"y": None}]}, units={"device": "d-1"})
        sent = json.loads(s.requests[-1]["body"])
        c.equal("the context is sent as it is", sent, {"context": {"targetingKey": "c \"1\"\\", "country": "DE", "n": 5,
                                                                   "x": [1, {"y": None}], "device": "d-1"}})
        c.equal("with the key", s.requests[-1]["headers"]["authorization"], "Bearer ck_events_test")
        client.end()


def nobody(c):
    """An id that is none makes no context; what is asked of it has its default all the same."""
    with TroubleServer() as s, Client(s.url, **QUICK) as client:
        for flag, absent in (("on", False), ("text", "d"), ("count", 7), ("price", 1.5), ("layout", {"none": 1})):
            got = client.value(flag, absent, user="x" * 513)
            value = json.loads(got["value"]) if isinstance(absent, dict) else got["value"]
            c.equal(f"{flag} of nobody", (value, got["error"], got["is_absent"]), (absent, "INVALID_CONTEXT", True))
        c.equal("it is neither tracked nor exposed", (client("track", name="e")["code"], client("expose")["code"]), (-1, -1))
        got = client("stats")
        c.equal("counted as defaults, and nobody was asked", (got["evaluations"], got["defaults"], s.requests), (5, 5, []))
        client.end()


def locales(c):
    """A program of a country where numbers have a comma."""
    with tempfile.TemporaryDirectory(prefix="cohort-client.", dir="/tmp") as folder, TroubleServer() as s:
        try:
            subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", os.path.join(folder, "de_DE.UTF-8")], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            print("skipped: no locale with a decimal comma can be made here")
            return
        s.flags.update(half=0.5, exp=5.0)
        with Client(s.url, wrapper=("env", "LOCPATH=" + folder, "LC_ALL=de_DE.UTF-8", "ASAN_OPTIONS=detect_leaks=0"), **QUICK) as client:
            # (libc itself leaks the path)
            c.equal("a number is read with its point", client.value("half", 0.0)["value"], 0.5)
            c.equal("an integer too", client.value("exp", 0)["value"], 5)
            client("track", name="e", value=0.25)
            client("flush", ms=PATIENCE_MS)
            c.equal("and written with it", [e["value"] for e in s.stored.values()], [0.25])
            client.end()


def errors(c):
    """OFREP's error table."""
    html = "<html><body>Oops</body></html>"
    cases = [
        ("400 of a bad context", {"status": 400, "body": {"key": "text", "errorCode": "INVALID_CONTEXT", "errorDetails": "no"}}, "INVALID_CONTEXT"),
        ("400 of a missing targeting key", {"status": 400, "body": {"key": "text", "errorCode": "TARGETING_KEY_MISSING", "errorDetails": "no"}}, "TARGETING_KEY_MISSING"),
        ("400 that can't be parsed", {"status": 400, "body": {"key": "text", "errorCode": "PARSE_ERROR", "errorDetails": "no"}}, "PARSE_ERROR"),
        ("400 with a code nobody knows", {"status": 400, "body": {"key": "text", "errorCode": "ODD"}}, "GENERAL"),
        ("404 of a flag", {"status": 404, "body": {"key": "text", "errorCode": "FLAG_NOT_FOUND", "errorDetails": "no"}}, "FLAG_NOT_FOUND"),
        ("404 of something else", {"status": 404, "body": html}, "GENERAL"),
        ("401", {"status": 401, "body": {"key": "text", "errorCode": "GENERAL", "errorDetails": "no"}}, "PROVIDER_FATAL"),
        ("403", {"status": 403}, "PROVIDER_FATAL"), ("413", {"status": 413}, "GENERAL"),
        ("500 with its body", {"status": 500, "body": {"key": "text", "errorCode": "GENERAL", "errorDetails": "no"}}, "GENERAL"),
        ("a redirect", {"status": 302, "headers": {"Location": "/ofrep/v1/evaluate/flags/text"}}, "GENERAL"),
        ("200 with HTML", {"status": 200, "body": html}, "GENERAL"), ("200 with nothing", {"status": 200}, "GENERAL"),
        ("200 with a list", {"status": 200, "body": []}, "GENERAL"), ("200 without a variant", {"status": 200, "body": {"value": 1}}, "GENERAL"),
        # libcurl itself asks once more where a kept connection turns out to be closed
        ("no answer", {"drop": "after", "times": 2}, "GENERAL"), ("not even read", {"drop": "before", "times": 2}, "GENERAL"),
        ("too slow an answer", {"delay": 60}, "GENERAL"),
    ]
    with TroubleServer() as s, Client(s.url, **QUICK) as patient, Client(s.url, **{**QUICK, "timeout_ms": 1000}) as hurried:
        for what, answer, code in cases:
            client = hurried if "delay" in answer else patient
            s.script(answer)
            got = client.value("text", "mine")
            c.check(f"{what}: the default, and {code} in words", (got["value"], got["error"], got["reason"], got["is_absent"])
                    == ("mine", code, "ERROR", True) and got["error_text"], got)
            s.script()
            until(lambda: client.value("text", "mine")["value"] == "hello", f"an answer after {what}")
        for what, value in (("no value", {}), ("a null", {"value": None})):
            s.script({"status": 200, "body": {**ANSWER, **value}})
            got = patient.value("text", "mine")
            c.equal(f"{what}: the default without an error", (got["value"], got["error"], got["is_absent"], got["variant"]), ("mine", None, True, "b"))
        hurried.end()
        patient.end()


def away(c):
    """Down at the start; then it comes."""
    with Port() as port, Client(f"http://127.0.0.1:{port.number}", **QUICK) as client:
        start = time.monotonic()
        got = [client.value("text", "mine") for _ in range(50)]
        c.check("down at the start: defaults, and not the timeout each time", time.monotonic() - start < 50
                and all(g["value"] == "mine" and g["error"] == "GENERAL" for g in got))
        for i in range(20):
            client("track", name=f"event-{i}")
        until(lambda: client("stats")["failures"] >= 3, "some tries")
        c.equal("said once", client.kinds(), ["away"])
        with TroubleServer(port=port.number) as s:
            c.equal("all events come when it does", (client("flush", ms=PATIENCE_MS)["code"], len(s.stored)), (0, 20))
            until(lambda: client.value("text", "mine")["value"] == "hello", "decisions")
            s.script({"status": 503, "times": None})
            client("track", name="last")
            until(lambda: client("stats") and client.kinds() == ["away", "away"], "the second time is said again")
            left, status = client.end(200)
            c.equal("closing says how many are left", (left, status), (1, 0))


def spared(c):
    """A server that hangs: after three timeouts in a row it is left alone for a moment."""
    with TroubleServer() as s, Client(s.url, timeout_ms=200, backoff_min_ms=3600000, backoff_max_ms=3600000) as client:
        s.script({"delay": 60, "times": None})
        for _ in range(100):
            client.value("text", "mine")
        c.check("100 flags of a server that hangs take three timeouts", 0 < len(s.requests) <= 3, len(s.requests))
        client.end()
    with TroubleServer() as s, Client(s.url, **QUICK) as client:
        s.script({"status": 429, "headers": {"Retry-After": "1"}})
        until(lambda: client.value("text", "mine") and s.answers == [], "429")
        at = s.requests[-1]["at"]
        until(lambda: client.value("text", "mine")["value"] == "hello", "an answer")
        c.check("a 429 with Retry-After is heeded by evaluations too", s.requests[-1]["at"] - at >= 1.0, s.requests[-1]["at"] - at)
        client.end()


def keys_and_addresses(c):
    with TroubleServer() as s, Client(s.url, key="ck_events_old", **QUICK) as client:
        s.script({"status": 401, "times": None})
        client("context", user="c-1")
        client("track", name="event-0")
        until(lambda: client("stats")["failures"] >= 2, "tries")
        c.equal("a wrong key is said once", client.kinds(), ["key"])
        c.equal("a key with a blank is none", client("key", key="ck events")["code"], -1)
        client("key", key="ck_events_new")
        until(lambda: s.requests[-1]["headers"]["authorization"] == "Bearer ck_events_new", "an attempt with the new key")
        s.script()
        c.equal("a new key is taken at once, and nothing was lost", (client("flush", ms=PATIENCE_MS)["code"], len(s.stored)), (0, 1))
        s.script({"status": 302, "headers": {"Location": s.url + "/v1/outcomes"}}, {"status": 404})
        client("track", name="event-1")
        client("flush", ms=PATIENCE_MS)
        c.equal("a redirect is said, and not followed", (client.kinds(), len(s.stored)), (["key", "address"], 2))
        s.script({"status": 421})
        client("track", name="event-2")
        client("flush", ms=PATIENCE_MS)
        c.equal("so is any other 4xx, and the event is kept", (client.kinds(), len(s.stored)), (["key", "address", "address"], 3))
        client.end()


def refusals(c):
    with TroubleServer() as s, Client(s.url, **QUICK) as client:
        s.script({"reject": {"0": "unknown_event"}})
        client("context", user="c-1", units={"device": "d-1"})
        for bad in ({"name": ""}, {"name": "e", "decision": "x"}, {"name": "e", "id": "17"}, {"name": "e", "attributes": [1]},
                    {"name": "e", "value": 1e13}):
            c.equal(f"{bad}: refused before it is kept", client("track", **bad)["code"], -1)
        uuid = "01999999-0000-7000-8000-00000000000a"
        client("track", name="e", value=12.5, id=uuid, decision=uuid, attributes={"plan": "pro", "n": 2}, ts_us=1700000000123456)
        client("flush", ms=PATIENCE_MS)
        sent = json.loads(s.requests[-1]["body"])["events"][0]
        c.equal("an outcome as it is sent", sent, {"id": uuid, "ts": "2023-11-14T22:13:20.123456Z", "name": "e",
                                                   "units": {"user": "c-1", "device": "d-1"}, "value": 12.5, "decision": uuid,
                                                   "attributes": {"plan": "pro", "n": 2}})
        h = client.heard[-1] if client.heard else {}
        c.check("a refused event is said with its id, the server's word and its reason", h.get("id") == uuid
                and h["code"] == "unknown_event" and h["text"] == "The test says unknown_event.", client.heard)
        client.end()


def full(c):
    with TroubleServer() as s, Client(s.url, queue_max=10, **QUICK) as client:
        s.script({"status": 503, "times": None})
        client("context", user="c-1")
        for i in range(35):
            c.check("kept", client("track", name=f"event-{i}")["code"] == 0) if i == 34 else client("track", name=f"event-{i}")
        c.equal("a full queue is said once", [k for k in client.kinds() if k == "full"], ["full"])
        s.script()
        client("flush", ms=PATIENCE_MS)
        got = client("stats")
        c.equal("counted, and the books are even", (got["kept"], got["dropped"] + got["accepted"], len(s.stored)), (35, 35, got["accepted"]))
        names = {e["name"] for e in s.stored.values()}
        c.check("the newest are there", {f"event-{i}" for i in range(26, 35)} <= names, names)
        client.end()


def certificates(c):
    server = subprocess.Popen([sys.executable, os.path.join(TOP, "clients", "tests", "trouble_server.py"), "--tls-elsewhere"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line = server.stdout.readline()
    if not line:
        server.wait()
        print("skipped: openssl is not installed, so no certificate can be made")
        return
    info = json.loads(line)
    for what, ca in (("of nobody we trust", None), ("for another name", info["ca"])):
        with Client(info["url"], **QUICK, **({"ca_file": ca} if ca else {})) as client:
            got = client.value("text", "mine")
            client("track", name="event-0")
            until(lambda: client("stats")["failures"] >= 2, "tries")
            c.check(f"a certificate {what}: the default, said once, the event kept", got["value"] == "mine" and client.kinds() == ["tls"]
                    and client("stats")["waiting"] == 1, (got, client.heard))
            client.end(0)
    server.stdin.close()
    server.wait()


def clocks(c):
    with TroubleServer() as s, Client(s.url, **QUICK) as client:
        s.date_shift = -7200.0
        client.value("text", "mine")
        c.equal("a clock that is 2 h ahead is said", client.kinds(), ["clock"])
        client("track", name="event-0")
        client("flush", ms=PATIENCE_MS)
        sent = json.loads(s.requests[-1]["body"])["events"][0]["ts"]
        c.check("and events get the server's time", abs(time.mktime(time.strptime(sent[:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())
                                                         + 7200) < 60, sent)
        client.end()


def files(c):
    """A queue file outlives the client that is killed, and its ids stay."""
    with tempfile.TemporaryDirectory(prefix="cohort-client.", dir="/tmp") as folder, TroubleServer() as s:
        path = os.path.join(folder, "queue")
        s.script({"status": 503, "times": None})
        first = Client(s.url, queue_file=path, **QUICK)
        first("context", user="c-1")
        for i in range(50):
            first("track", name=f"event-{i}", attributes={"text": "line\nbreak"})
        with Client() as second:
            got = second("open", url=s.url, key="ck_events_x", queue_file=path)
            c.check("one client at a time has it", got["code"] == -4 and "another client" in got["text"], got)
        until(lambda: first("stats")["failures"] >= 1, "a try")
        first.kill()
        c.equal("nobody else may read it", os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "ab") as f:
            f.write(b"+o 01999999-0000-7000-80")  # torn by the kill
        s.script()
        with Client(s.url, queue_file=path, **QUICK) as second:
            second("context", user="c-1")
            second("track", name="event-50")
            c.equal("the next client sends what was left", (second("flush", ms=PATIENCE_MS)["code"], sorted(int(e["name"][6:]) for e in s.stored.values())),
                    (0, list(range(51))))
            c.equal("under the ids it had", s.changed, [])
            second.end()
        c.equal("then the file is empty", os.path.getsize(path), 0)
        with Client() as third:
            got = third("open", url=s.url, key="ck_events_x", queue_file=folder + "/no/queue")
            c.check("a file that can't be made is said at once", got["code"] == -4 and "No such file" in got["text"], got)


def long_files(c):
    """The file is written anew when most of it is about events that left, and can't be written at all on a full disk."""
    with tempfile.TemporaryDirectory(prefix="cohort-client.", dir="/tmp") as folder, TroubleServer() as s:
        path = os.path.join(folder, "queue")
        s.script({"status": 503, "times": None})
        first = Client(s.url, queue_file=path, queue_max=150, batch_max=10, backoff_min_ms=3600000, backoff_max_ms=3600000)
        first("context", user="c-1" * 100)
        largest = 0
        for i in range(20000):
            first("track", name=f"event-{i}")
            if i % 500 == 0:
                largest = max(largest, os.path.getsize(path))
        c.check("20,000 events of half a kilobyte, 150 of which wait: the file stays below 5 MB", largest < 5 << 20, largest)
        waiting = first("stats")["waiting"]
        first.kill()
        s.script()
        with Client(s.url, queue_file=path, **QUICK) as second:
            second("context", user="c-1")
            c.equal("and has all that waited", (second("flush", ms=PATIENCE_MS)["code"], len(s.stored)), (0, waiting))
            second.end()
        c.equal("the newest", {int(e["name"][6:]) for e in s.stored.values()} >= set(range(19850, 20000)), True)
    with TroubleServer() as s, Client(s.url, queue_file="/dev/full", **QUICK) as client:
        client("context", user="c-1")
        client("track", name="event-0")
        client("track", name="event-1")
        c.equal("a full disk is said once, and the events are sent all the same", (client("flush", ms=PATIENCE_MS)["code"], len(s.stored), client.kinds()),
                (0, 2, ["file"]))
        client.end()


def client_keys(c):
    """The event token of an answer goes with the context's events."""
    with TroubleServer() as s, Client(s.url, key="ck_client_x", **QUICK) as client:
        s.script({"status": 200, "body": {"key": "text", "reason": "SPLIT", "variant": "b", "value": "x", "metadata": {
            "experiment": "text", "phase": 1, "reason": "VARIANT", "eventToken": "signed"}}})
        client.value("text", "d")
        client("track", name="event-0")
        client("expose")
        client("flush", ms=PATIENCE_MS)
        c.equal("with outcome and exposure", [e.get("event_token") for e in s.stored.values()], ["signed"] * 2)
        client("context", user="c-2")
        client("track", name="event-1")
        client("flush", ms=PATIENCE_MS)
        c.check("and nobody else's", "event_token" not in list(s.stored.values())[-1])
        client.end()


def full_disk(c):
    """A line that the disk took half of spoils none that come after it."""
    with tempfile.TemporaryDirectory(prefix="cohort-client.", dir="/tmp") as folder, TroubleServer() as s:
        path = os.path.join(folder, "queue")
        s.script({"status": 503, "times": None})
        first = Client(s.url, wrapper=("env", "--ignore-signal=XFSZ"), queue_file=path, **QUICK)
        first("context", user="c-1")
        first("track", name="event-0")
        size = os.path.getsize(path)
        resource.prlimit(first.process.pid, resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
        first("track", name="event-1")
        c.check("half a line is there, and it is said", os.path.getsize(path) == size + 20 and "file" in first.kinds(), first.heard)
        resource.prlimit(first.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        first("track", name="event-2")
        first.kill()
        s.script()
        with Client(s.url, queue_file=path, **QUICK) as second:
            second("flush", ms=PATIENCE_MS)
            c.equal("what was written later is found", sorted(e["name"] for e in s.stored.values()), ["event-0", "event-2"])
            second.end()


def options(c):
    for bad, word in (({"url": "flags.example"}, "url"), ({"url": "http://x/?a=b"}, "url"), ({"key": ""}, "key"), ({"key": "a\r\nb: c"}, "key"),
                      ({"batch_max": 1001}, "batch_max"), ({"backoff_min_ms": 5, "backoff_max_ms": 2}, "backoff_max_ms"),
                      ({"local": True, "key": "ck_client_x"}, "local")):
        with Client() as client:
            got = client("open", **{"url": "http://127.0.0.1:1", "key": "ck_events_x", **bad})
            c.check(f"{bad}: refused, naming it", got["code"] == -1 and got["text"].startswith(word), got)


def main():
    c = Checks()
    for part in (options, types, nobody, locales, errors, away, spared, keys_and_addresses, refusals, full, certificates, clocks, files, full_disk,
                 long_files, client_keys):
        part(c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
