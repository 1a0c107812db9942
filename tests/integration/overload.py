#!/usr/bin/env python3
"""Many idle connections, hostile ones, more requests than the server can do, too few descriptors: who is served, who is
refused and how, and what memory it costs. Short forms; how long answers take is measured by tests/bench/limits.py."""
import http.client
import json
import os
import resource
import signal
import socket
import time

from cohort_server import Checks, Server, experiment
from hostile import Hostile, Watch
from load import decision, load

SANITIZER = 4  # times the memory, at most


def ready(s):
    assert s.put("/v1/experiments/cta", experiment()).status == 200
    assert s.post("/v1/experiments/cta/start").status == 200
    s.until(lambda: s.evaluate("cta", "u")["reason"] == "SPLIT", "the experiment runs")


def metric(s, name):
    text = s.get("/metrics", None).body.decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def answered_all(s, c, what, **more):
    """500 requests a second. Again when the machine halted meanwhile: then all come at once behind it. Returns what was watched."""
    def tried():
        with Watch(s.process.pid) as watch:
            got = load(s, decision(s), connections=16, rate=500, seconds=1, **more)
        return (got, watch) if watch.halted < 0.5 else None
    got, watch = s.until(tried, "a second without a halt", patience=180)
    c.check(f"{what}: every request was answered", got["failed"] == got["other"] == got["refused"] == got["given_up"] == 0
            and got["good"] >= 450, got)
    return watch


def idle(s, c):
    number = 1500
    each = answered_all(s, c, f"beside {number} idle connections", idle=number).growth() / number
    c.check("an idle connection takes no more than 4 KB, times what sanitizers add", each < SANITIZER * 4096, each)


def hostile(s, c):
    """Those who mean harm ask for a flag that is not there, so that decisions are those of the others."""
    loris, deaf, endless = 200, 20, 20

    def beside():
        return metric(s, "cohortd_http_requests_total") - metric(s, "cohortd_decisions_total")
    before = beside()
    with Watch(s.process.pid) as watch, Hostile(s.address, decision(s, "none"), loris, deaf, endless) as others:
        s.until(lambda: beside() - beside() > -20, "the first answers to those who never read are given", every=0.1)
        answered_all(s, c, "beside hostile connections")
        s.until(lambda: others.refused() >= loris + endless, "the slow and the endless are thrown out")
        each = (beside() - before - others.refused()) / deaf
    c.check("who never reads is not answered on and on: 400 answers are more than it may leave unread", 10 < each < 400, each)
    each = watch.growth() / (loris + deaf + endless)
    c.check("a hostile connection takes no more than 256 KB", each < 256 * 1024, each)
    s.until(lambda: metric(s, "cohortd_http_connections") < 10, "nothing is left of them")


def overload(s, c):
    before = metric(s, "cohortd_http_overloaded_total")
    lost = []

    def tried(enough, **more):
        """What came of so much load, once it was; not while the machine halts."""
        got = load(s, decision(s), connections=1500, seconds=2, **more)
        lost.append(got["failed"] + got["other"])
        return got if enough(got) else None
    got = s.until(lambda: tried(lambda x: x["good"] > 1000 and x["refused"] > 0 and x["held"] > 0, rate=60000, queue=0, obey=True),
                  "five times too much: some are served, some refused and told when to come again")
    c.check("the refused are counted", metric(s, "cohortd_http_overloaded_total") - before >= got["refused"])
    s.until(lambda: tried(lambda x: x["good"] > x["refused"] > 0 and x["refused_p50"] < x["p50"] / 2),
            "clients that come again at once, whatever they are told, are served more often than refused; who is refused is told"
            " before others are answered who came sooner")
    c.equal("and none is lost", lost, [0] * len(lost))
    s.until(lambda: s.post("/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": "u"}}, "client").status == 200, "then everybody is served")
    s.until(lambda: metric(s, "cohortd_http_connections") < 10, "and nothing is left of them")


def open_connections(address, number):
    """Connections on which the server talks to us, and how many it closed."""
    host, port = address.split(":")
    mine, closed = [], 0
    for _ in range(number):
        one = socket.create_connection((host, int(port)), timeout=60)
        try:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            served = one.recv(1000).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            served = False
        if served:
            mine.append(one)
        else:
            closed += 1
            one.close()
    return mine, closed


def ask(connection, s, path="/ofrep/v1/evaluate/flags/cta", key="client", body=b'{"context":{"targetingKey":"u"}}'):
    connection.request("POST", path, body, {"Content-Type": "application/json", "Authorization": "Bearer " + s.keys[key]})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def limit(s, number):
    hard = resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE, (number, hard))


def few_descriptors(s, c):
    """Clients are refused; database and spool never lack one."""
    before = resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE)[0]
    early = http.client.HTTPConnection(s.address, timeout=60)
    c.equal("who is connected is served", ask(early, s)[1]["reason"], "SPLIT")
    limit(s, 200)
    s.process.send_signal(signal.SIGHUP)
    s.until(lambda: "64 connections are taken" in s.log(), "the log says how many connections there may be")
    mine, closed = open_connections(s.address, 100)
    c.check("as many are served, the others are closed at once", 60 <= len(mine) <= 63 and closed == 100 - len(mine), len(mine))
    s.psql("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()")
    s.psql("select cohort.stop('cta')")
    s.until(lambda: ask(early, s)[1]["reason"] != "SPLIT", "the database is found again while no connection is free")
    for one in mine:
        one.close()
    s.until(lambda: len(open_connections(s.address, 1)[0]) == 1, "as soon as some go, new ones are taken")
    limit(s, before)


def no_descriptor(s, c):
    """Not even those that the server counts on."""
    before = resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE)[0]
    early = http.client.HTTPConnection(s.address, timeout=60)
    ask(early, s)
    used = {int(fd) for fd in os.listdir(f"/proc/{s.process.pid}/fd")}
    limit(s, min(set(range(len(used) + 1)) - used))
    begin = time.monotonic()
    refused = [open_connections(s.address, 1)[1] for _ in range(8)]
    lines = s.log().count("cannot take connections")
    c.equal("without a descriptor, new connections are closed at once", refused, [1] * 8)
    c.check("one line a second in the log at most", 1 <= lines <= 2 + time.monotonic() - begin, lines)
    c.equal("who is connected is served on, and events are kept",
            (ask(early, s)[0], ask(early, s, "/v1/outcomes", "events", b'{"events":[{}]}')[0]), (200, 202))
    limit(s, before)
    s.until(lambda: len(open_connections(s.address, 1)[0]) == 1, "with descriptors again, new ones are taken")


def main():
    c = Checks()
    with Server("--workers", "1", "--max-connections-per-address", "5000", "--header-seconds", "2", "--max-wait-ms", "20") as s:
        ready(s)
        idle(s, c)
        hostile(s, c)
        overload(s, c)
        no_descriptor(s, c)
        few_descriptors(s, c)
    c.done()


if __name__ == "__main__":
    main()
