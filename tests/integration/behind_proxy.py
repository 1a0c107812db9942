#!/usr/bin/env python3
"""Behind nginx and HAProxy, as packaging/ configures them: two nodes are restarted in turn under load, nobody notices;
bodies, errors, addresses and event streams pass; what is for the monitoring stays inside. Only addresses and certificates are changed."""
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fault"))
from fault import Checks, Node, Postgres, experiment, now, until  # noqa: E402
from proxies import Haproxy, Nginx, free_port, need  # noqa: E402

PACKAGING = os.path.join(HERE, "..", "..", "packaging")
NOTICE = 6  # seconds; longer than HAProxy needs to see it, and than a busy machine halts


def swap(text, changes):
    """The text with each old replaced; one that is not there would test another file than the one we ship."""
    for old, new in changes:
        assert old in text, f"the configuration has no {old!r} any more"
        text = text.replace(old, new)
    return text


class Certificate:
    """Of flags.example.com, made for the test."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="cohort-proxy.", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.chain, self.key, self.both = (f"{self.dir}/{part}" for part in ("cert", "key", "both.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=flags.example.com", "-addext", "subjectAltName=DNS:flags.example.com",
                        "-keyout", self.key, "-out", self.chain], check=True, capture_output=True)
        with open(self.both, "w") as both:
            for part in (self.chain, self.key):
                with open(part) as f:
                    both.write(f.read())
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.dir)


def shipped(name, ports, certificate):
    """The file of packaging/, with this machine's addresses."""
    with open(os.path.join(PACKAGING, name)) as f:
        text = swap(f.read(), [("10.0.0.11:8440", f"127.0.0.1:{ports[0]}"), ("10.0.0.12:8440", f"127.0.0.1:{ports[1]}")])
    if name == "nginx.conf":
        return swap(text, [("listen 443 ", "listen @LISTEN@ "), ("/etc/ssl/certs/flags.example.com.pem", certificate.chain),
                           ("/etc/ssl/private/flags.example.com.key", certificate.key)])
    return swap(text, [("bind :443 ", "bind @LISTEN@ "), ("log /dev/log local0", "log stderr format raw local0"),
                       ("/etc/haproxy/flags.example.com.pem", certificate.both)])


class Front:
    """One of our proxies, asked by a client that speaks TLS."""

    def __init__(self, proxy, certificate):
        self.program, self.port = proxy.name, proxy.port
        self.tls = ssl.create_default_context(cafile=certificate.chain)

    def connect(self, source="127.0.0.1"):
        return Connection(self, source)

    def ask(self, method, path, body=None, key=None, headers=None, connection=None):
        c = connection or self.connect()
        send = dict(headers or {})
        if key:
            send["Authorization"] = "Bearer " + key
        c.request(method, path, json.dumps(body) if body is not None else None, send)
        r = c.getresponse()
        text = r.read()
        if not connection:
            c.close()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, text


class Connection(http.client.HTTPSConnection):
    """TLS to a proxy on loopback, its certificate checked under the name it is for. Made anew after the proxy has said
    that it closes."""

    def __init__(self, proxy, source):
        super().__init__("flags.example.com", timeout=30)
        self.proxy, self.source = proxy, source

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=30, source_address=(self.source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.proxy.tls.wrap_socket(raw, server_hostname=self.host)


class Asker(threading.Thread):
    """Somebody's servers: decisions and outcomes on a connection that is kept, until told to stop. Every answer but 200 and
    202 is kept."""

    def __init__(self, proxy, keys, number):
        super().__init__(daemon=True)
        self.proxy, self.keys, self.number = proxy, keys, number
        self.ending = threading.Event()
        self.answered, self.events, self.wrong = 0, [], []

    def run(self):
        c = self.proxy.connect()
        while not self.ending.is_set():
            try:
                self.turn(c)
            except (OSError, http.client.HTTPException) as e:
                self.wrong.append(repr(e))
                c.close()
        c.close()

    def turn(self, c):
        n = self.answered
        status, _, text = self.proxy.ask("POST", "/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": f"p{self.number}-{n}"}},
                                         self.keys["client"], connection=c)
        if status != 200 or json.loads(text)["reason"] != "SPLIT":
            self.wrong.append(f"{status} {text[:200]!r}")
        event = str(uuid.uuid4())
        status, _, text = self.proxy.ask("POST", "/v1/outcomes", {"events": [
            {"id": event, "name": "unsubscribe", "units": {"user": f"p{self.number}-{n}"}, "ts": now()}]},
            self.keys["events"], connection=c)
        if status == 202:
            self.events.append(event)
        else:
            self.wrong.append(f"{status} {text[:200]!r}")
        self.answered += 1


def until_more(askers, n=20):
    """Each of them has had n more answers."""
    goals = [(a, a.answered + n) for a in askers]
    until(lambda: all(a.answered >= goal for a, goal in goals), f"{n} more answers of each")


def rolling_restart(proxies, nodes, c):
    """Each node in turn is told to stop, and started again, while clients ask on through every proxy. Returns the events
    that were answered."""
    askers = [Asker(proxy, nodes[0].keys, f"{proxy.program}-{i}") for proxy in proxies for i in range(2)]
    for a in askers:
        a.start()
    for node in nodes:
        until_more(askers)
        goodbye(node, c)
        until_more(askers)
        node.start()
        until(lambda: node.metric("cohortd_decisions_total") > 50, f"{node.name} gets its share again")
    for a in askers:
        a.ending.set()
    for a in askers:
        a.join()
    for proxy in proxies:
        own = [a for a in askers if a.proxy is proxy]
        wrong = [w for a in own for w in a.wrong]
        c.check(f"{proxy.program}: two nodes restarted in turn, {sum(a.answered for a in own)} decisions and as many events, "
                "none failed", not wrong, f"{len(wrong)}: {wrong[:3]}")
    return [e for a in askers for e in a.events]


def goodbye(node, c):
    """Stops a node. What a proxy is told before: 503 at /readyz while decisions go on, each connection closed after its answer."""
    ended = []
    stopper = threading.Thread(target=lambda: ended.append(node.stop()))
    assert node.request("GET", "/readyz").status == 200
    stopper.start()
    a = until(lambda: (lambda x: x if x.status == 503 else None)(node.request("GET", "/readyz")), "/readyz turns")
    c.check(f"{node.name}, told to stop, says so at /readyz, and when to ask again",
            a.json["status"] == "stopping" and a.headers.get("retry-after"), (a, a.headers))

    def closing():
        e = node.post("/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": "late"}}, "client")
        return e.status == 200 and e.json["reason"] == "SPLIT" and e.headers.get("connection") == "close"
    until(closing, f"{node.name} closes each connection after its answer")
    c.check(f"{node.name} still decides, on a new connection too", closing())
    stopper.join()
    c.equal(f"then {node.name} ends", ended, [0])


def passes(proxy, node, c):
    """What a proxy might bend."""
    name, admin = proxy.program, node.keys["admin"]
    status, headers, text = proxy.ask("GET", "/v1/experiments/nobody", key=admin)
    c.check(f"{name}: errors of cohortd pass as they are",
            (status, headers.get("content-type")) == (404, "application/problem+json"), (status, headers, text))
    status, headers, text = proxy.ask("POST", "/v1/outcomes", {"events": [{"pad": "x" * 300000}]}, node.keys["events"])
    c.check(f"{name}: a large body passes", status == 202 and b"rejected" in text, (status, text[:200]))
    status, headers, _ = proxy.ask("POST", "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "e-1"}}, node.keys["client"])
    again, _, text = proxy.ask("POST", "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "e-1"}}, node.keys["client"],
                               {"If-None-Match": headers.get("etag", "")})
    c.check(f"{name}: entity tags work", (status, again, text) == (200, 304, b""), (status, again, headers))
    status, _, text = proxy.ask("GET", "/metrics")
    c.check(f"{name}: the monitoring's own machine gets /metrics", status == 200 and b"cohortd_decisions_total" in text, status)
    status, _, text = proxy.ask("HEAD", "/healthz")
    c.check(f"{name}: HEAD", (status, text) == (200, b""), (status, text))


def addresses(proxy, c):
    """Each client counts by its own address, whatever it says of itself."""
    def tries(source):
        n = 0
        while True:
            yield proxy.ask("POST", "/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": "x"}}, "ck_client_nonsense",
                            {"X-Forwarded-For": f"192.0.2.{n}"}, proxy.connect(source))[0]
            n += 1
    guesses = (s for s, _ in zip(tries("127.0.0.5"), range(60)))
    c.check(f"{proxy.program}: an address that tries keys is told 429, another address it claims does not help", 429 in guesses)
    c.equal(f"{proxy.program}: another client is not", next(tries("127.0.0.6")), 401)


def streams(proxies, node, c):
    """What a stream is told arrives when it is said, not when a buffer is full."""
    opened = []
    for proxy in proxies:
        _, _, text = proxy.ask("POST", "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "s-1"}}, node.keys["client"])
        path = json.loads(text)["eventStreams"][0]["endpoint"]["requestUri"]
        connection = proxy.connect()
        connection.request("GET", path)
        r = connection.getresponse()
        assert r.status == 200 and r.getheader("Content-Type").startswith("text/event-stream"), (r.status, r.getheaders())
        assert r.readline().startswith(b"retry:")
        opened.append((proxy, connection, r))
    assert node.put("/v1/flags/told", {"type": "boolean", "default": True}).status in (200, 201)
    for proxy, connection, r in opened:
        line = r.readline()
        while line and b"refetchEvaluation" not in line:
            line = r.readline()
        c.check(f"{proxy.program}: an event stream is told of a change", b"refetchEvaluation" in line)
        connection.close()


def stored(pg, events, nodes, c):
    for n in nodes:
        until(n.drained, f"{n.name} has stored everything")
    rows = "".join(e + "\n" for e in events)
    lost = pg.psql(f"create temp table sent (id uuid);\ncopy sent from stdin;\n{rows}\\.\n"
                   "select count(*) filter (where n is null), count(*) filter (where n > 1) from sent"
                   " left join (select event_id, count(*) n from cohort.outcome group by 1) o on o.event_id = sent.id")
    c.equal(f"of {len(events)} events that were answered none is lost or counted twice", lost, "0|0")


def main():
    c = Checks()
    need("nginx", "haproxy")
    ports = [free_port(), free_port()]
    options = ("--drain-notice-seconds", str(NOTICE), "--max-wait-ms", "0", "--trusted-proxies", "127.0.0.1", "--rate-failed-auth", "1", "--burst-failed-auth", "5")
    with Postgres() as pg, Node(pg, "a", *options, "--listen", f"127.0.0.1:{ports[0]}") as a, \
            Node(pg, "b", *options, "--listen", f"127.0.0.1:{ports[1]}") as b:
        assert a.put("/v1/experiments/cta", experiment()).status == 200
        assert a.post("/v1/experiments/cta/start").status == 200
        for node in (a, b):
            node.until(lambda: node.evaluate("cta", "w")["reason"] == "SPLIT", "served")
        with Certificate() as own, Nginx(shipped("nginx.conf", ports, own)) as nginx, \
                Haproxy(shipped("haproxy.cfg", ports, own)) as haproxy:
            fronts = [Front(nginx, own), Front(haproxy, own)]
            for front in fronts:
                until(lambda: front.ask("GET", "/")[0] == 200, f"{front.program} serves")
                passes(front, a, c)
                addresses(front, c)
            streams(fronts, a, c)
            events = rolling_restart(fronts, (a, b), c)
        stored(pg, events, (a, b), c)
    c.done()


main()
