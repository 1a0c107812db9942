#!/usr/bin/env python3
"""Every trouble that README.md defines: what is served, what is kept, what is sent again, and what the log says."""
import asyncio
import calendar
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone

import bed
from cohort_server import Checks
from trouble_server import Port, TroubleServer

from cohort_client import AsyncClient, Client
from cohort_client._backoff import Backoff, retry_after
from cohort_client._clock import Clock
from cohort_client._delivery import Delivery
from cohort_client._evaluate import Evaluator
from cohort_client._http import Answer, Unreachable
from cohort_client._events import OUTCOMES, make
from cohort_client._queue import Queue

KEY = "ck_events_test"
LOG = bed.Log()


def events_of(s):
    return [json.loads(r["body"])["events"] for r in s.requests if r["path"].startswith("/v1/")]


def client(s, **options):
    """With short waits between attempts; how long they are by themselves is tried apart."""
    k = Client(s if isinstance(s, str) else s.url, KEY, **{"flush_interval": 0.01, **bed.PATIENT, **options})
    k._delivery.backoff = Backoff(0.05, 0.5)
    return k


def settled(s, c, ids):
    """Each of these ids is stored once, whatever was sent how often."""
    c.equal("   stored: all, and nothing else", sorted(s.stored), sorted(ids))
    c.equal("   sent again only as it was", s.changed, [])


def down_at_start(c):
    LOG.clear()
    with Port() as port, client(f"http://127.0.0.1:{port.number}") as k:
        c.equal("down at start: the default is served", k.value("text", "mine", "u"), "mine")
        d = k.details("text", "mine", "u")
        c.check("   and says why", d.reason == "ERROR" and d.error_code == "GENERAL" and "can't be reached" in d.error_message, d)
        f = k.prefetch("u")
        c.check("   a prefetch has the defaults too", f.value("on", False) is False and f.error, f.error)
        ids = [k.track("purchase", "u", i) for i in range(5)]
        bed.until(lambda: k.stats().retries, "an attempt")
        c.check("   events are kept", not k.flush(0.1) and k.stats().queued == 5, k.stats())
        c.equal("   each said once", (len(LOG.of("events wait")), len(LOG.of("defaults are served"))), (1, 1))
        with TroubleServer(port=port.number) as s:
            c.check("   and delivered when it is up", k.flush(60), k.stats())
            settled(s, c, ids)
            bed.until(lambda: k.value("text", "mine", "u") == "hello", "flags are evaluated again")
            c.check("   a prefetch can be refreshed", f.refresh() and f.value("on", False) is True and f.error is None)
        c.check("   the end is said", LOG.of("delivered again") and LOG.of("evaluated again"), LOG.lines)


class FakeClock(Clock):
    def __init__(self):
        super().__init__()
        self.now = 1_800_000_000.0

    def machine(self):
        return self.now

    def monotonic(self):
        return self.now


class FakeTransport:
    """Unreachable until a moment, then it keeps what it gets."""

    def __init__(self, clock, up_at):
        self.clock, self.up_at, self.attempts, self.bodies = clock, up_at, [], []

    def request(self, method, path, body, timeout, headers=None):
        self.attempts.append(self.clock.now)
        if self.clock.now < self.up_at:
            raise Unreachable("Connection refused")
        if not path.startswith("/v1/"):
            return Answer(200, {}, b'{"key": "f", "reason": "SPLIT", "variant": "b", "value": 2}')
        events = json.loads(body)["events"]
        self.bodies += events
        return Answer(202, {}, json.dumps({"results": [{"index": i, "status": "accepted"} for i in range(len(events))]}).encode())


def down_for_an_hour(c):
    clock = FakeClock()
    begin = clock.now
    net = FakeTransport(clock, begin + 3600)
    queue = Queue(10000)
    delivery = Delivery(queue, net, clock, 10)
    LOG.clear()
    due, ids = 0.0, []
    while clock.now < begin + 3665:
        ids.append("%032d" % len(ids))
        queue.add(make(OUTCOMES, ids[-1], clock.now, False, {"name": "purchase", "units": {"user": "u"}}))
        if clock.now >= due:
            wait = delivery.attempt()
            due = clock.now + (wait.seconds if wait else 1)
        clock.now += 1
    while delivery.attempt() is None and len(queue):
        pass
    tries = [t for t in net.attempts if t < begin + 3600]
    gaps = [b - a for a, b in zip(tries, tries[1:])]
    c.check(f"down for an hour: {len(tries)} attempts, at most a minute apart", 60 <= len(tries) <= 140 and max(gaps) <= 61, max(gaps))
    c.check("   the waits differ", len({round(g, 3) for g in gaps[10:]}) > 5)
    c.check("   it is said once", len(LOG.of("events wait")) == 1 and len(LOG.of("delivered again")) == 1, LOG.lines)
    c.check(f"   all {len(ids)} events are delivered, in their order, each once", [e["id"] for e in net.bodies] == ids and not len(queue))
    c.check("   under the times they were made at", net.bodies[0]["ts"] < net.bodies[3000]["ts"] < net.bodies[-1]["ts"])

    clock = FakeClock()
    net = FakeTransport(clock, clock.now + 3600)
    flags, served = Evaluator(net, clock, 1.0), 0
    for _ in range(36000):
        served += flags.single("f", {"targetingKey": "u"}, True)[1] is not None
        clock.now += 0.1
    c.check(f"   36,000 evaluations meanwhile: defaults, {len(net.attempts)} of them asked the server",
            served == 36000 and 100 < len(net.attempts) < 300)
    clock.now += 31
    c.equal("   the first after it is the server's", flags.single("f", {}, True)[0]["value"], 2)


def slow(c):
    with TroubleServer() as s, client(s, timeout=0.6, event_timeout=0.6) as k:
        for what, answer in (("slow to answer", {"delay": 60}), ("trickling", {"slow": 60, "status": 200, "body": "x" * 200})):
            k.value("on", False, "u")
            s.script({**answer, "path": "/ofrep"})
            began = time.monotonic()
            c.equal(f"{what}: the default", k.value("on", None, "u"), None)
            took = time.monotonic() - began
            c.check("   long before the answer is there", took < 30, took)
            s.script({**answer, "path": "/ofrep", "times": None})
            bed.until(lambda: "asked again in" in k.details("on", False, "u").error_message, "after three failures nobody asks for a moment")
            s.script()
            bed.until(lambda: k.value("on", False, "u"), "it is asked again when the pause is over")
        s.script({"path": "/v1", "drop": "after"}, {"path": "/v1", "delay": 60})
        ids = [k.track("purchase", "u")]
        c.check("a batch without an answer in time is sent again", k.flush(60) and k.stats().retries >= 1 and s.repeated >= 1,
                (k.stats(), s.repeated))
        settled(s, c, ids)


def refused(c):
    for status in (401, 403, 404):
        with TroubleServer() as s, client(s) as k:
            LOG.clear()
            k.value("on", False, "u")
            body = {"title": "no", "detail": "The key is not known."}
            s.script({"status": status, "path": "/ofrep", "body": body}, {"status": status, "path": "/v1", "times": 3, "body": body})
            d = k.details("on", False, "u")
            c.equal(f"{status}: the default, {'FLAG_NOT_FOUND' if status == 404 else 'GENERAL'}", (d.value, d.error_code),
                    (False, "FLAG_NOT_FOUND" if status == 404 else "GENERAL"))
            ids = [k.track("purchase", "u") for _ in range(3)]
            c.check("   events wait for the key or address to be mended", k.flush(60) and k.stats().retries == 3, k.stats())
            settled(s, c, ids)
            said = LOG.of("events wait")
            c.check("   said once, with the server's sentence", len(said) == 1 and str(status) in said[0] and "not known" in said[0], said)


def too_large(c):
    with TroubleServer() as s, client(s, flush_interval=60) as k:
        s.script({"status": 413, "path": "/ofrep"})
        c.equal("413: the default, INVALID_CONTEXT", k.details("on", False, "u").error_code, "INVALID_CONTEXT")
        s.script({"status": 413, "path": "/v1", "times": 2})
        ids = [k.track("purchase", "u") for _ in range(8)]
        c.check("a batch answered 413 is halved until it fits", k.flush(60), k.stats())
        c.equal("   its batches", [len(b) for b in events_of(s)][:3], [8, 4, 2])
        settled(s, c, ids)
        s.forget()
        LOG.clear()
        s.script({"status": 413, "path": "/v1"})
        k.track("purchase", "u")
        c.check("a single event that is too large is given up, counted and said", k.flush(60) and k.stats().rejected == 1
                and len(LOG.of("rejected event")) == 1, (k.stats(), LOG.lines))
        c.equal("   and not sent again", len(events_of(s)), 1)
    with TroubleServer() as s, client(s, flush_interval=60) as k:
        k.value("on", False, "u")
        s.script({"status": 400, "path": "/v1"}, {"path": "/v1"}, {"status": 400, "path": "/v1"}, {"status": 400, "path": "/v1"})
        ids = [k.track("purchase", "u", i) for i in range(4)]
        c.check("400 to a batch costs the one event that is refused alone", k.flush(60) and k.stats().rejected == 1
                and k.stats().accepted == 3, (k.stats(), events_of(s)))


def too_many(c):
    with TroubleServer() as s, client(s) as k:
        k.value("on", False, "u")
        s.script({"status": 429, "path": "/ofrep", "headers": {"Retry-After": "1"}})
        c.check("429 with Retry-After: the default", "429" in k.details("on", False, "u").error_message)
        bed.until(lambda: k.value("on", False, "u"), "it is asked again")
        told, again = (r["at"] for r in s.requests[-2:])
        c.check("   for at least that second", again - told >= 1, again - told)
        with client(s) as other:
            s.script({"status": 429, "path": "/ofrep", "headers": {"Retry-After": "3600"}})
            first, second = (other.details("on", False, "u") for _ in range(2))
            c.check("   defaults, and no request until then", "429" in first.error_message and "asked again" in second.error_message
                    and s.requests[-1]["answer"] == 429, second)
        s.script({"status": 429, "path": "/v1", "headers": {"Retry-After": "1"}}, {"status": 429, "path": "/v1"})
        began, ids = time.monotonic(), [k.track("purchase", "u")]
        c.check("events: 429 with Retry-After, then without: sent again", k.flush(60) and k.stats().retries == 2, k.stats())
        c.check("   and not before the second was over, for all that flush() hurries", time.monotonic() - began > 0.95)
        settled(s, c, ids)


def retry_after_read(c):
    for text, want in (("7", 7), (" 7 ", 7), ("0", 0), ("2026-01-01", None), ("-3", None), ("1.5", None), ("", None),
                       ("Sun, 06 Nov 1994 08:49:57 GMT", None), ("9" * 400, 3600), ("٣", None)):
        c.equal(f"Retry-After {text!r}", retry_after({"retry-after": text}), want)
    b = Backoff(1, 60, lambda: 0.0)
    c.equal("waits double up to a minute", [b.next() for _ in range(8)], [1, 2, 4, 8, 16, 32, 60, 60])
    b = Backoff(1, 60, lambda: 1.0)
    c.equal("or half of it, as chance has it", [b.next() for _ in range(8)], [0.5, 1, 2, 4, 8, 16, 30, 30])
    c.check("and are never shorter than was asked", Backoff(0.25, 30, lambda: 1.0).next(5) >= 5)


def html(c):
    page = {"status": 500, "body": "<html><h1>It broke</h1></html>", "headers": {"Content-Type": "text/html"}}
    with TroubleServer() as s, client(s) as k:
        k.value("on", False, "u")
        LOG.clear()
        s.script({**page, "path": "/ofrep"}, {**page, "path": "/v1", "times": 2}, {**page, "status": 202, "path": "/v1"},
                 {**page, "status": 200, "path": "/v1"}, {"status": 302, "path": "/v1", "headers": {"Location": "/login"}})
        d = k.details("on", False, "u")
        c.equal("500 with a page of HTML: the default", (d.value, d.error_code, d.error_message), (False, "GENERAL", "the server answers 500"))
        ids = [k.track("purchase", "u")]
        c.check("events: sent again; a 202 or 200 that is a page is no answer, nor is a redirect", k.flush(60) and k.stats().retries == 5,
                k.stats())
        settled(s, c, ids)
        c.check("   nothing of the page is in the log", not [x for x in LOG.lines if "<" in x], LOG.lines)
        s.script({**page, "status": 200, "path": "/ofrep"})
        c.equal("200 with HTML: the default, PARSE_ERROR", k.details("on", False, "u").error_code, "PARSE_ERROR")
        for body in ("[]", "null", "{}", '{"value": 1, "metadata": 3}', "[" * 100000, '{"flags": 1}'):
            s.script({"status": 200, "path": "/ofrep", "body": body, "times": 2})
            d, f = k.details("on", False, "u"), k.prefetch("u")
            c.check(f"200 with {body[:20]}: the default", d.value is False and f.value("on", False) is False, d)


def certificates(c):
    if not shutil.which("openssl"):
        print("skipped: certificates: there is no openssl to make them with", flush=True)
        return
    with tempfile.TemporaryDirectory() as tmp:
        for name in ("localhost", "elsewhere.example"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                            "-addext", f"subjectAltName=DNS:{name}" + (",IP:127.0.0.1" if name == "localhost" else ""),
                            "-keyout", f"{tmp}/{name}.key", "-out", f"{tmp}/{name}.crt"], check=True, capture_output=True, timeout=60)
        good, other = (ssl.create_default_context(cafile=f"{tmp}/{n}.crt") for n in ("localhost", "elsewhere.example"))
        with TroubleServer(tls=(f"{tmp}/localhost.crt", f"{tmp}/localhost.key")) as s:
            with client(s, ssl_context=good) as k:
                ids = [k.track("purchase", "u")]
                c.check("https: decided and delivered", k.value("on", False, "u") and k.flush(60), k.stats())
                settled(s, c, ids)
        for what, name, context in (("of another name", "elsewhere.example", other), ("of no authority we know", "localhost", None)):
            with TroubleServer(tls=(f"{tmp}/{name}.crt", f"{tmp}/{name}.key")) as s, client(s, ssl_context=context, drain_timeout=0.2) as k:
                LOG.clear()
                d = k.details("on", False, "u")
                k.track("purchase", "u")
                c.check(f"a certificate {what}: the default, and it says so", d.value is False and "certificate is not good" in d.error_message, d)
                bed.until(lambda: k.stats().retries, "an attempt")
                c.check("   events wait, nothing was sent", not k.flush(0.3) and k.stats().queued == 1 and not s.requests, k.stats())
                c.equal("   said once", len(LOG.of("certificate is not good") and LOG.of("events wait")), 1)


def wrong_clock(c):
    for what, shift, word in (("a day ahead", -86400, "ahead of"), ("a year behind", 365 * 86400, "behind")):
        with TroubleServer() as s:
            s.date_shift = shift  # the server's clock is right; ours differs by so much
            LOG.clear()
            code = "from_the_future" if shift < 0 else "too_old"
            with client(s) as k:
                s.script({"reject": {"0": code}})
                ids = [k.track("purchase", "u")]
                c.check(f"a clock {what}: an event that is rejected for it goes again", k.flush(60) and k.stats().rejected == 0, k.stats())
                ids.append(k.track("purchase", "u"))
                k.flush(60)
                settled(s, c, ids)
                c.equal("   once; later ones are right from the start", [len(b) for b in events_of(s)], [1, 1, 1])
                told = time.time() + shift
                times = [time.strptime(e["ts"][:19], "%Y-%m-%dT%H:%M:%S") for e in s.stored.values()]
                c.check("   with the server's time, to a minute", all(abs(calendar.timegm(t) - told) < 60 for t in times), s.stored)
                c.check("   said once", len(LOG.of(word)) == 1, LOG.lines)
                k.track("purchase", "u", at=datetime(2027, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
                k.flush(60)
                c.equal("   a time that the caller gives is left alone", list(s.stored.values())[-1]["ts"], "2027-01-02T03:04:05.000000Z")
                s.script({"reject": {"0": code}})
                k.track("purchase", "u", at=datetime(2027, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
                c.check("   and rejected for good", k.flush(60) and k.stats().rejected == 1, k.stats())
            s.forget()
            with client(s) as k:
                k.value("on", False, "u")
                ids = [k.track("purchase", "u")]
                k.flush(60)
                c.check("   an evaluation before it teaches the clock, too", abs(told - calendar.timegm(time.strptime(
                    s.stored[ids[0]]["ts"][:19], "%Y-%m-%dT%H:%M:%S"))) < 60, s.stored)


def full(c):
    with TroubleServer() as s, client(s, max_events=10) as k:
        k._delivery.backoff = Backoff(3600, 3600)  # until flush() cuts it short
        s.script({"status": 503, "path": "/v1"})
        LOG.clear()
        first = k.track("purchase", "u")
        bed.until(lambda: k._sender._not_before, "a failed attempt")
        ids = [first] + [k.track("purchase", "u") for _ in range(25)]
        c.check("a full queue: what is left is delivered", k.flush(60), k.stats())
        c.equal("   the youngest are kept", sorted(s.stored), sorted(ids[-10:]))
        c.equal("   the others counted", k.stats().dropped, 16)
        c.equal("   said once", len(LOG.of("queue of events is full")), 1)


def rejected(c):
    with TroubleServer() as s, client(s, flush_interval=60) as k:
        k.value("on", False, "u")
        results = [{"index": 0, "status": "accepted"}, {"index": 1, "status": "rejected", "code": "unknown_event", "reason": "A typo?"},
                   {"index": 2, "status": "rejected", "code": "unknown_event", "reason": "A typo?"}]
        s.script({"status": 202, "path": "/v1", "body": {"results": results}})
        LOG.clear()
        ids = [k.track("purchase", "u") for _ in range(4)]
        c.check("events rejected one by one are counted and not sent again; one without a result is", k.flush(60)
                and (k.stats().accepted, k.stats().rejected) == (2, 2), k.stats())
        c.equal("   the second batch", [[e["id"] for e in b] for b in events_of(s)][1:], [ids[3:]])
        c.check("   said once, with the reason", len(LOG.of("unknown_event")) == 1 and "A typo?" in LOG.lines[0], LOG.lines)


def mistakes(c):
    def refuses(what, kind, f):
        try:
            f()
        except kind as e:
            c.check(f"{what}: {kind.__name__}", len(str(e)) > 10, e)
        else:
            c.check(f"{what}: {kind.__name__}", False, "nothing was raised")

    with TroubleServer() as s:
        k = client(s)
        for what, kind, f in (
                ("no name", ValueError, lambda: k.track("", "u")), ("nobody", ValueError, lambda: k.track("p")),
                ("an id of 513 bytes", ValueError, lambda: k.track("p", "x" * 513)), ("a NUL", ValueError, lambda: k.track("p", "a\0b")),
                ("half a surrogate pair", ValueError, lambda: k.track("p", "\ud800")), ("a number as id", ValueError, lambda: k.track("p", 7)),
                ("a text as value", TypeError, lambda: k.track("p", "u", "7")), ("true as value", TypeError, lambda: k.track("p", "u", True)),
                ("NaN", ValueError, lambda: k.track("p", "u", float("nan"))), ("1e13", ValueError, lambda: k.track("p", "u", 1e13)),
                ("a nested attribute", ValueError, lambda: k.track("p", "u", attributes={"a": {}})),
                ("51 attributes", ValueError, lambda: k.track("p", "u", attributes={str(i): i for i in range(51)})),
                ("a unit type in capitals", ValueError, lambda: k.track("p", units={"User": "u"})),
                ("an id that is no UUID", ValueError, lambda: k.track("p", "u", id="17")),
                ("a decision that is no UUID", ValueError, lambda: k.track("p", "u", decision="x")),
                ("a time without a zone", ValueError, lambda: k.track("p", "u", at=datetime(2026, 1, 1))),
                ("an address without scheme", ValueError, lambda: Client("127.0.0.1:8440", KEY)),
                ("a key with a line end", ValueError, lambda: Client(s.url, "ck\n")), ("no key", ValueError, lambda: Client(s.url, "")),
                ("a queue of nothing", ValueError, lambda: Client(s.url, KEY, max_events=0))):
            refuses(what, kind, f)
        for what, context in (("a NaN", {"x": float("nan")}), ("an object of the program", {"x": object()}), ("half a pair", {"x": "\ud800"})):
            c.equal(f"a context with {what}: the default, INVALID_CONTEXT", k.details("on", False, "u", context).error_code, "INVALID_CONTEXT")
        c.equal("nothing of that was sent", (k.stats().queued, s.requests), (0, []))
        c.check("close() is done", k.close() and k.close())
        refuses("an event after close()", RuntimeError, lambda: k.track("p", "u"))
        c.equal("a value after close() is still decided", k.value("on", False, "u"), True)


def journal(c):
    with tempfile.TemporaryDirectory() as tmp, TroubleServer() as s:
        s.script({"status": 503, "path": "/v1", "times": None})
        program = ("import sys, os, signal\nsys.path.insert(0, %r)\nfrom cohort_client import Client\n"
                   "c = Client(%r, %r, queue_dir=%r, flush_interval=0.01)\nc.value('on', False, 'u')\n"
                   "print(*[c.track('purchase', 'u', i) for i in range(50)], flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
                   % (os.path.join(bed.CLIENT, "src"), s.url, KEY, tmp))
        ids = []
        for _ in range(3):
            r = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
            ids += r.stdout.split()
            c.check("a process is killed with events on its hands", r.returncode == -9 and len(ids) % 50 == 0, r.stderr)
        with client(s, queue_dir=tmp, drain_timeout=0.2) as k:
            c.equal("the next process has what all of them left", k.stats().queued, 150)
        s.script()
        with client(s, queue_dir=tmp) as k, client(s, queue_dir=tmp) as other:
            c.equal("a second one beside it has nothing of it", other.stats().queued, 0)
            c.check("and delivers it", k.flush(60), k.stats())
            settled(s, c, ids)
        c.equal("then nothing is left behind", os.listdir(tmp), [])


def forks(c):
    for durable in (False, True):
        with tempfile.TemporaryDirectory() as tmp, TroubleServer() as s:
            s.script({"status": 503, "path": "/v1", "times": None})
            k = client(s, queue_dir=tmp if durable else None, drain_timeout=10)
            k.value("on", False, "u")
            ids = [k.track("purchase", "parent", i) for i in range(20)]
            bed.until(lambda: k.stats().retries, "the thread is at it")
            children = []
            for i in range(3):
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        assert k.stats().queued == 0, k.stats()
                        k.track("purchase", f"child-{i}")
                        assert k.value("on", False, "u") is True
                        status = 0 if k.close(20) and k.stats().accepted == 1 else 2
                    finally:
                        os._exit(status)
                children.append(pid)
            s.script()
            c.check(f"forked workers, {'with' if durable else 'without'} queue_dir: each delivers its own event",
                    [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0])
            c.check("   the parent its own", k.close(20), k.stats())
            users = sorted(e["units"]["user"] for e in s.stored.values())
            c.equal("   all are stored", users, ["child-0", "child-1", "child-2"] + ["parent"] * 20)
            bodies = [e["id"] for r in s.requests if r["answer"] == 202 for e in json.loads(r["body"])["events"]]
            c.check("   and none was delivered twice", sorted(bodies) == sorted(s.stored) and set(ids) <= set(bodies), s.repeated)
            if durable:
                c.equal("   nothing is left behind", os.listdir(tmp), [])


def forgotten(c):
    """Who never closes: the interpreter's end drains."""
    with TroubleServer() as s:
        program = (f"import sys\nsys.path.insert(0, {os.path.join(bed.CLIENT, 'src')!r})\nfrom cohort_client import Client\n"
                   f"c = Client({s.url!r}, {KEY!r}, flush_interval=60)\nc.track('purchase', 'u')\n"
                   f"def once(): Client({s.url!r}, {KEY!r}, flush_interval=60).track('purchase', 'v')\nonce()\n")
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
        c.equal("a program that ends without close() has delivered, its forgotten clients too", len(s.stored), 2)


def async_fork(c):
    """A child forked behind an asyncio client that was in use has threads of its own."""
    with TroubleServer() as s:
        k = AsyncClient(s.url, KEY, **bed.PATIENT)

        async def ask():
            return await k.value("on", False, "u")
        asyncio.run(ask())
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = 0 if asyncio.run(ask()) else 2
            finally:
                os._exit(status)
        c.equal("asyncio in a forked child", os.waitpid(pid, 0)[1], 0)
        asyncio.run(k.close())


def threads(c):
    with TroubleServer() as s, client(s) as k:
        s.script({"path": "/v1", "drop": "after", "times": 2}, {"path": "/v1", "status": 503})
        ids, lock = [], threading.Lock()

        def work(n):
            for i in range(50):
                k.value("on", False, f"u-{n}")
                one = k.track("purchase", f"u-{n}", i)
                with lock:
                    ids.append(one)
        workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        c.check("8 threads at once", k.flush(60), k.stats())
        settled(s, c, ids)


def main():
    c = Checks()
    parts = [down_at_start, down_for_an_hour, slow, refused, too_large, too_many, retry_after_read, html, certificates, wrong_clock, full,
             rejected, mistakes, journal, forks, forgotten, async_fork, threads]
    for part in parts:
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            part(c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
