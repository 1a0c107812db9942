"""A real cohortd for a test: a temporary data directory, an embedded PostgreSQL, a free port on loopback.

    with Server() as s:
        s.put("/v1/experiments/cta", {...}, key="admin")
        s.sql("select cohort.start('cta')")
        s.until(lambda: s.evaluate("cta", "c-1")["reason"] == "SPLIT")

Only Python's standard library and psql are used. Nothing sleeps for a fixed time and hopes: until() waits for a
condition, with a bound.
"""
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("COHORT_BUILD", os.getcwd())
PATIENCE = 60  # seconds until a condition that should hold at once is called a failure


def now(delta=0.0):
    """A time as events carry it, `delta` seconds from now."""
    return (datetime.now(timezone.utc) + timedelta(seconds=delta)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(decision):
    """A time in the window of a decision, whenever its client gets to it: a millisecond after the one in its id."""
    at = datetime.fromtimestamp((int(decision.replace("-", "")[:12], 16) + 1) / 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_numbers = itertools.count(os.getpid() * 8)


def free_port():
    """A port on loopback for a server that is to be found there again after a restart: below those that the kernel gives
    to whoever asks for any, so that nobody has it meanwhile; tests that run at the same time begin to look elsewhere."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        end = int(f.read().split()[0])
    first = min(10000, end // 2)
    for n in itertools.islice(_numbers, end - first):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", first + n % (end - first)))
            except OSError:
                continue
            return s.getsockname()[1]
    raise AssertionError("no port is free")


def copy_cluster(kind, to):
    """A PostgreSQL cluster of a kind that cluster.sh, beside this file, describes."""
    subprocess.run([os.path.join(HERE, "cluster.sh"), kind, to], env=dict(os.environ, COHORT_BUILD=BUILD), check=True, timeout=180)


class Answer:
    """One HTTP answer: status, headers (lower case), body as bytes and, where it is JSON, as data."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Server:
    """One cohortd. It finds the database that a first start makes, as a copy, unless it is to make it anew, has one
    elsewhere, was given a data directory, or is another program."""

    def __init__(self, *options, data=None, anew=False):
        self.data = data or tempfile.mkdtemp(prefix="cohort-test.", dir="/tmp")
        self.own_data = data is None
        self.anew = anew or data is not None
        self.options = options
        self.program = os.environ.get("COHORTD", os.path.join(BUILD, "cohortd"))
        self.environment = {}  # added to the server's
        self.before = []  # words of a command that runs it, in its own place
        self.forks = False  # that command stays, and runs it as a child
        self.popen = {}  # more for subprocess.Popen
        self.tls = None  # an ssl.SSLContext, when it serves https
        self.process = None
        self.local = threading.local()

    def __enter__(self):
        if os.geteuid() == 0:
            os.chmod(self.data, 0o755)  # the database's user must reach its directory below
        if not self.anew and "--database" not in self.options and self.program == os.path.join(BUILD, "cohortd"):
            copy_cluster("served", os.path.join(self.data, "pg"))
        self.start()
        return self

    def __exit__(self, *exc):
        try:
            status = self.stop()
            if status != 0 and exc[0] is None:
                raise AssertionError(f"cohortd ended with {status}:\n{self.log()}")
        finally:
            if exc[0] is not None:
                sys.stderr.write(self.log()[-6000:])
            if self.own_data:
                shutil.rmtree(self.data, ignore_errors=True)

    def start(self):
        self.logfile = open(os.path.join(self.data, "test.log"), "ab")
        self.process = subprocess.Popen(
            [*self.before, self.program, "--data", self.data, "--listen", "127.0.0.1:0", *self.options],
            stderr=self.logfile, stdout=self.logfile, env=dict(os.environ, **self.environment), **self.popen)
        path = os.path.join(self.data, "server.json")

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"cohortd ended with {self.process.returncode}:\n{self.log()}")
            try:
                with open(path) as f:
                    info = json.load(f)
            except (OSError, ValueError):
                return False
            if info.get("pid") != self.process.pid and not self.forks:
                return False
            self.info = info
            return True

        self.until(ready, "cohortd writes server.json")
        self.address = self.info["url"].split("//")[1]
        with open(os.path.join(self.data, "keys.json")) as f:
            self.keys = json.load(f)
        self.local = threading.local()
        self.until(lambda: self.request("GET", "/readyz").status == 200, "/readyz says 200")

    def stop(self, sig=signal.SIGTERM):
        if self.process is None:
            return 0
        self.process.send_signal(sig)
        status = self.process.wait(PATIENCE)
        self.process = None
        self.logfile.close()
        return status

    def log(self):
        with open(os.path.join(self.data, "test.log"), errors="replace") as f:
            return f.read()

    def until(self, condition, what="a condition", patience=PATIENCE, every=0.02):
        """Waits until condition() is true; returns what it returned. An assertion that fails in it is "not yet"."""
        end = time.monotonic() + patience
        pause = threading.Event()
        while True:
            why = ""
            try:
                got = condition()
            except AssertionError as e:
                if self.process is None or self.process.poll() is not None:
                    raise
                got, why = None, f": {e}"
            if got:
                return got
            if time.monotonic() > end:
                raise AssertionError(f"waited {patience} s in vain: {what}{why}")
            pause.wait(every)

    # HTTP

    def request(self, method, path, body=None, key=None, headers=None):
        """key: a role of keys.json, a key's text, or None for no key. body: data (sent as JSON) or bytes."""
        send = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            send.setdefault("Content-Type", "application/json")
        if key is not None:
            send.setdefault("Authorization", "Bearer " + self.keys.get(key, key))
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = (http.client.HTTPSConnection(self.address, timeout=PATIENCE, context=self.tls) if self.tls
                              else http.client.HTTPConnection(self.address, timeout=PATIENCE))
                self.local.connection = connection
            try:
                connection.request(method, path, body=body, headers=send)
                r = connection.getresponse()
                return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                self.local.connection = None
                if attempt == 2:
                    raise

    def get(self, path, key="admin", **kw):
        return self.request("GET", path, key=key, **kw)

    def post(self, path, body=None, key="admin", **kw):
        return self.request("POST", path, body, key=key, **kw)

    def put(self, path, body=None, key="admin", **kw):
        return self.request("PUT", path, body, key=key, **kw)

    def evaluate(self, flag, targeting_key, key="client", **attributes):
        a = self.post("/ofrep/v1/evaluate/flags/" + flag, {"context": {"targetingKey": targeting_key, **attributes}}, key)
        assert a.status == 200, a
        return a.json

    def outcome(self, name, user, key="events", **fields):
        event = {"id": str(uuid.uuid4()), "name": name, "units": {"user": user}, "ts": now(), **fields}
        a = self.post("/v1/outcomes", {"events": [event]}, key)
        assert a.status == 202, a
        return a.json["results"][0]

    # SQL

    def psql(self, script, check=True, *options):
        """psql's (stdout, stderr, status) for a script; stops at the first error."""
        env = dict(os.environ, PGCLIENTENCODING="UTF8")
        r = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *options, "-f", "-", self.info["database"]],
                           input=script.encode(), capture_output=True, env=env, timeout=PATIENCE * 5, check=False)
        out, err = r.stdout.decode(), r.stderr.decode()
        if check and r.returncode != 0:
            raise AssertionError(f"psql: {err}\n{script}")
        return out, err, r.returncode

    def sql(self, script):
        """Rows as lists of texts, fields split at '|'."""
        return [line.split("|") for line in self.psql(script)[0].splitlines()]

    def value(self, script):
        rows = self.sql(script)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return rows[0][0]


def experiment(**changes):
    """A small definition document: control and treatment, half and half, strings."""
    doc = {
        "variants": [
            {"key": "control", "share_ppm": 500000, "value": "Buy now", "control": True},
            {"key": "treatment", "share_ppm": 500000, "value": "Hurry!"},
        ],
        "guardrails": [{"metric": "unsubscribe"}],
    }
    doc.update(changes)
    return doc


def near(low, truth, high):
    """Within twice the interval's width on either side of its middle: a right interval of 95 % misses now and then, this one
    does not."""
    spare = (high - low) / 2
    return low - spare < truth < high + spare


class Checks:
    """Named checks of one program; prints each, and ends with its count and an exit status."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, ok, detail=""):
        if ok:
            self.passed += 1
            print(f"ok: {what}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED: {what} {detail}", flush=True)

    def equal(self, what, got, want):
        self.check(what, got == want, f"\n   got  {got!r}\n   want {want!r}")

    def done(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)
