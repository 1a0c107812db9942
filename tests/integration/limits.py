#!/usr/bin/env python3
"""Limits: requests a second of keys and addresses over all workers, who is whose address behind a proxy, connections of
an address; what is answered, counted and logged then. One server, whose limits change at SIGHUP."""
import json
import os
import re
import signal
import socket
import tempfile
import threading
import time

from cohort_server import Checks, Server

QUIET = dict(rate_per_key=0, burst_per_key=0, rate_per_address=0, burst_per_address=0, rate_failed_auth=0, burst_failed_auth=0,
             trusted_proxies="", max_connections_per_address=1000, log_requests="errors")


class Limited(Server):
    """A server whose options are changed while it runs."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile("w", prefix="cohort-limits.", suffix=".conf", dir="/tmp")
        super().__init__("--config", self.file.name, "--workers", "4", "--log-format", "json")
        self.version = 0
        self.write()

    def write(self, **options):
        self.version += 1
        self.file.seek(0)
        self.file.truncate()
        for name, value in dict(QUIET, **options).items():
            self.file.write(f"{name} = {value}\n")
        self.file.write(f"drain_seconds = {self.version}\n")  # something changes each time
        self.file.flush()

    def lines(self):
        """The log so far; every line of it is one JSON object."""
        return [json.loads(line) for line in self.log().splitlines()]

    def set(self, **options):
        before = len(self.lines())
        self.write(**options)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: any(line["part"] == "reload" and line["message"].startswith("changed:") for line in self.lines()[before:]),
                   "the new options")

    def metric(self, name):
        text = self.request("GET", "/metrics").body.decode()
        return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


def flood(send, n=40, threads=4):
    """How many of n requests, sent by several connections at once, were let through, and in how many seconds, for which the
    bucket had more to offer than its burst; and an answer that was refused."""
    answers = []
    begin = time.monotonic()

    def work():
        for _ in range(n // threads):
            answers.append(send())

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    refused = [a for a in answers if a.status == 429]
    return len(answers) - len(refused), time.monotonic() - begin, refused[0] if refused else None


class Emptied:
    """A bucket that is emptied after this is made: no more pass then than it gets meanwhile, whoever takes from it."""

    def __init__(self, c, rate):
        self.c, self.rate, self.passed, self.begin = c, rate, 0, time.monotonic()

    def refuses(self, what, send):
        """The answer that was refused, the first one or one soon after."""
        while (a := send()).status != 429 and self.passed < 100:
            self.passed += 1
        had = self.rate * (time.monotonic() - self.begin) + 1
        self.c.check(what, a.status == 429 and self.passed <= had, (a, self.passed, had))
        return a


def bounded(c, what, got, rate, burst, n=40):
    """How many were refused, and an answer that was."""
    passed, seconds, refused = got
    c.check(f"{what}: the burst passes, then the rate, over all workers", burst <= passed <= burst + rate * seconds + 1,
            f"{passed} of {n} in {seconds:.2f} s")
    wait = refused.headers.get("retry-after", "") if refused else ""
    c.check(f"{what}: the rest is 429 with whole seconds", wait.isdigit() and int(wait) >= 1, refused)
    return n - passed, refused


def decide(s, key, **headers):
    return s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "t"}}, key, headers=headers)


def keys(s, c):
    s.set(rate_per_key=2, burst_per_key=10)
    n, a = bounded(c, "an events key", flood(lambda: decide(s, "events")), 2, 10)
    c.check("refused in OFREP's form", a.json.get("errorCode") == "GENERAL" and "API key" in a.json["errorDetails"], a)
    c.check("with a request id", re.fullmatch(r"[0-9a-f]{32}", a.headers.get("x-request-id", "")), a.headers)
    c.equal("another key has tokens of its own", decide(s, "client").status, 200)
    more, a = bounded(c, "an admin key", flood(lambda: s.get("/v1/flags/nope")), 2, 10)
    c.check("refused as a problem", a.headers["content-type"] == "application/problem+json" and a.json["code"] == "rate_limited" and
            a.json["request_id"] == a.headers["x-request-id"], a)
    s.until(lambda: decide(s, "events").status == 200, "tokens come again")
    c.check("counted", s.metric("cohortd_rate_limited_keys_total") >= n + more, s.metric("cohortd_rate_limited_keys_total"))
    c.equal("the option is shown", s.metric("cohortd_rate_per_key"), 2)


def another_limit(s, c):
    s.set(rate_per_key=1, burst_per_key=90)
    flood(lambda: decide(s, "events"), 100)
    s.set(rate_per_key=500)
    a = decide(s, "events")
    c.check("a limit that is raised holds at once, and nobody waits out the old one", a.status == 200 or a.headers["retry-after"] == "1",
            a.headers)


def keys_of_their_own(s, c):
    s.set()
    made = s.post("/v1/keys", {"name": "importer", "role": "events", "rate_limit": 10}).json
    s.until(lambda: decide(s, made["key"]).status == 200, "the new key")
    c.equal("a key's own limit is in its document", made["rate_limit"], 10)
    s.until(lambda: 429 in {a.status for a in (decide(s, made["key"]) for _ in range(20))}, "its own limit, where the server has none")
    s.psql(f"update cohort.api_key set rate_limit = null where id = {made['id']}")
    s.until(lambda: {decide(s, made["key"]).status for _ in range(40)} == {200}, "taken away in SQL, served within a second")
    patch = lambda doc, key=made["id"]: s.request("PATCH", f"/v1/keys/{key}", doc, key="admin")
    c.equal("changed by REST", {k: v for k, v in patch({"rate_limit": 12, "name": "nightly"}).json.items() if k in ("rate_limit", "name", "role", "priority")},
            {"rate_limit": 12, "name": "nightly", "role": "events", "priority": "normal"})
    s.until(lambda: 429 in {a.status for a in (decide(s, made["key"]) for _ in range(30))}, "served within a second")
    c.equal("and taken away", patch({"rate_limit": None}).json["rate_limit"], None)
    s.until(lambda: {decide(s, made["key"]).status for _ in range(40)} == {200}, "served too")
    for doc, status, constraint in (({"rate_limit": 0}, 422, "api_key_rate_known"), ({"priority": None}, 422, "api_key_priority_known"),
                                    ({"name": ""}, 422, "api_key_name_length"), ({"role": "admin"}, 400, "document_field_unknown"),
                                    ({"rate_limit": "many"}, 400, "document_field_type")):
        a = patch(doc)
        c.equal(f"{doc} is refused", (a.status, a.json.get("constraint")), (status, constraint))
    c.equal("a key that is not there", patch({"name": "y"}, 999).status, 404)
    a = s.post("/v1/keys", {"name": "x", "role": "events", "rate_limit": 0})
    c.check("none below one", a.status == 422 and a.json["constraint"] == "api_key_rate_known" and a.json["json_pointer"] == "/rate_limit", a)
    new = s.post(f"/v1/keys/{s.post('/v1/keys', {'name': 'y', 'role': 'events', 'rate_limit': 7}).json['id']}/rotate").json
    c.equal("rotation keeps it", new["rate_limit"], 7)


def addresses(s, c):
    s.set(rate_per_address=2, burst_per_address=10)
    emptied = Emptied(c, 2)
    n, _ = bounded(c, "a client key's address", flood(lambda: decide(s, "client")), 2, 10)
    c.equal("a server's key goes by itself", {decide(s, "events").status for _ in range(30)}, {200})
    a = emptied.refuses("who has no key shares that", lambda: s.request("GET", "/v1/openapi.json"))
    c.equal("and is told so", a.json["code"], "rate_limited")
    for method, path in (("GET", "/"), ("GET", "/nowhere"), ("PUT", "/v1/flags"), ("OPTIONS", "/v1/outcomes")):
        emptied.refuses(f"{method} {path} too", lambda m=method, p=path: s.request(m, p))
    for path in ("/healthz", "/readyz", "/metrics"):
        c.equal(f"{path} is always answered", {s.request("GET", path).status for _ in range(20)}, {200})
    c.check("counted", s.metric("cohortd_rate_limited_addresses_total") >= n)


def failed(s, c):
    s.set(rate_failed_auth=2, burst_failed_auth=10)
    emptied = Emptied(c, 2)
    n, _ = bounded(c, "unknown keys", flood(lambda: decide(s, "ck_admin_" + os.urandom(16).hex())), 2, 10)
    emptied.refuses("no key is no better", lambda: decide(s, None))
    c.equal("good keys of that address are let in", {decide(s, k).status for k in ("client", "events", "admin") for _ in range(10)},
            {200})
    c.equal("one without the right is still told so", s.put("/v1/flags/x", {}, "client").status, 403)
    c.check("counted", s.metric("cohortd_rate_limited_failed_auth_total") >= n)


def proxies(s, c):
    def ask(forwarded):
        return decide(s, "client", **{"X-Forwarded-For": forwarded})

    s.set(rate_per_address=1, burst_per_address=5)
    statuses = [ask(f"192.0.2.{i}").status for i in range(20)]
    c.check("a stranger's X-Forwarded-For is not believed", 429 in statuses, statuses)
    s.set(rate_per_address=1, burst_per_address=5, trusted_proxies="127.0.0.1 10.0.0.0/8")
    first_one = Emptied(c, 1)
    for what, forwarded in (
            ("a client behind a proxy", lambda i: "192.0.2.1"),
            ("who writes other addresses before his own", lambda i: f"198.51.100.{i}, 192.0.2.3"),
            ("who names himself a proxy", lambda i: f"10.0.0.{i}, 192.0.2.4"),
            ("behind two proxies", lambda i: f"10.0.0.{i}, 192.0.2.5, 10.1.1.1"),
            ("who walks through his IPv6 network", lambda i: f"2001:db8:0:7::{i:x}")):
        statuses = [ask(forwarded(i)).status for i in range(1, 21)]
        c.check(f"{what}: one address", 5 <= statuses.count(200) < 20 and statuses.count(429) + statuses.count(200) == 20, statuses)
    own = Emptied(c, 1)
    statuses = [ask(f"192.0.2.1{i}, evil{i}").status for i in range(20)]
    c.check("what is no address: one, too", 429 in statuses, statuses)
    own.refuses("which is the proxy's own", lambda: s.request("GET", "/"))
    c.equal("another client has tokens of its own", ask("192.0.2.200").status, 200)
    c.equal("and another network", ask("2001:db8:0:8::1").status, 200)
    first_one.refuses("strangers share those of their address", lambda: s.request("GET", "/", headers={"X-Forwarded-For": "192.0.2.1"}))
    first = s.until(lambda: [ask("192.0.2.1")] and
                    [line for line in s.lines() if line["part"] == "rate" and line.get("address") == "192.0.2.1"],
                    "the log names an address")[0]
    c.check("the log names the client's address and the request", first["level"] == "warn" and first["request_id"], first)


def refusals_are_logged_seldom(s, c):
    lines = [line for line in s.lines() if line["part"] == "rate"]
    seconds = [line["time"][:19] + line["message"] for line in lines]
    refused = sum(s.metric(f"cohortd_rate_limited_{x}_total") for x in ("keys", "addresses", "failed_auth"))
    # A second of the machine's clock and one of the wall's may be cut differently, and a thread be held up before it writes.
    c.check("the log has a line a second of each kind at most", max(seconds.count(x) for x in seconds) <= 3 < refused / 10, (seconds, refused))
    c.check("which counts them", 0 < sum(line["refused"] for line in lines) <= refused, lines)


def connections(s, c):
    host, port = s.address.split(":")
    refused = s.metric("cohortd_http_connections_refused_total")
    open_now = s.metric("cohortd_http_connections")
    s.set(max_connections_per_address=open_now + 6)
    sockets = [socket.create_connection((host, int(port)), 30) for _ in range(16)]
    s.until(lambda: s.metric("cohortd_http_connections_refused_total") == refused + 10, "ten are refused, whatever worker took them")
    c.equal("an address has as many connections as it may, over all workers", s.metric("cohortd_http_connections"), open_now + 6)
    for x in sockets:
        x.close()
    s.set()


def invited(s, request, body=b""):
    """The statuses of what a client gets that waits for its 100 before it sends its body, and whether it is the end then."""
    host, port = s.address.split(":")
    got = b""
    with socket.create_connection((host, int(port)), 30) as x:
        x.sendall(request.replace("\n", "\r\n").encode())
        while b"\r\n\r\n" not in got:
            got += x.recv(65536)
        if got.startswith(b"HTTP/1.1 100 "):
            x.sendall(body)
        x.shutdown(socket.SHUT_WR)
        while more := x.recv(65536):
            got += more
    return [int(n) for n in re.findall(rb"HTTP/1.1 (\d+)", got)], b"Connection: close" in got


def bodies_are_invited(s, c):
    """100 Continue only where the body will be looked at; otherwise the answer, at once."""
    def ask(method, path, key, length=14, expect="100-continue"):
        head = f"{method} {path} HTTP/1.1\nHost: h\nExpect: {expect}\nContent-Length: {length}\n"
        return invited(s, head + (f"Authorization: Bearer {s.keys.get(key, key)}\n\n" if key else "\n"), b'{"context": {}}'[:14])

    for what, got, want in (
            ("a good key", ask("POST", "/ofrep/v1/evaluate/flags", "client"), ([100, 400], False)),
            ("a browser's key may be in the body", ask("POST", "/v1/outcomes", None), ([100, 401], False)),
            ("no key", ask("POST", "/ofrep/v1/evaluate/flags", None), ([401], True)),
            ("a wrong key", ask("PUT", "/v1/flags/x", "ck_admin_x"), ([401], True)),
            ("a role that may not", ask("PUT", "/v1/flags/x", "client"), ([403], True)),
            ("no such path", ask("POST", "/nowhere", "admin"), ([404], True)),
            ("no such method", ask("POST", "/v1/flags/x", "admin"), ([405], True)),
            ("too large", ask("POST", "/ofrep/v1/evaluate/flags", "client", 70000), ([413], True)),
            ("another expectation", ask("POST", "/ofrep/v1/evaluate/flags", "client", 14, "a-miracle"), ([417], True))):
        c.equal(f"a body is waited for: {what}", got, want)


def requests_in_the_log(s, c):
    s.set(log_requests="all")
    decide(s, "client", **{"X-Request-Id": "mine-1"})
    s.request("GET", "/v1/flags/secret_path_1", key="admin", headers={"X-Request-Id": "mine-2"})
    s.request("GET", "/secret-path-2?x=secret-query", headers={"X-Request-Id": "mine-3"})
    s.until(lambda: "mine-3" in s.log(), "the requests' lines")
    logged = {line.get("request_id"): line for line in s.lines() if line["part"] == "http"}
    got = {i: tuple(logged[i][k] for k in ("level", "method", "route", "status")) for i in ("mine-1", "mine-2", "mine-3")}
    c.equal("every request has a line, by its route", got, {
        "mine-1": ("info", "POST", "/ofrep/v1/evaluate/flags", 200), "mine-2": ("info", "GET", "/v1/flags/{key}", 404),
        "mine-3": ("info", "GET", "none", 404)})
    c.check("with its duration", all(0 <= logged[i]["duration_us"] < 60e6 for i in got), logged)
    c.check("and nothing of its path", "secret" not in s.log())
    s.set()
    n = len(s.log())
    s.request("GET", "/nowhere")
    c.check("or none", "nowhere" not in s.log()[n:] and '"part":"http"' not in s.log()[n:], s.log()[n:])


def main():
    c = Checks()
    with Limited() as s:
        for part in (keys, another_limit, keys_of_their_own, addresses, failed, proxies, refusals_are_logged_seldom, connections,
                     bodies_are_invited, requests_in_the_log):
            print(f"-- {part.__name__}", flush=True)
            part(s, c)
    c.done()


if __name__ == "__main__":
    main()
