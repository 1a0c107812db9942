#!/usr/bin/env python3
"""The corpus of requests behind nginx and HAProxy in front of cohortd itself: proxy and cohortd list the same requests.

As in wire.py, whose request layer this is, but with every route behind it. The proxy marks what it forwards with the
client's port, as X-Request-Id; cohortd logs every request under it, with method and status. By client, both logs must
say the same, in order. A head that cohortd refuses before it has read the mark has a line under an id of its own: there
must be as many of these as the proxy was told of, and nothing else without a mark.
"""
import json
from collections import defaultdict

import http_corpus
from cohort_server import Checks, Server
from wire import AFTER, connect, end, logged, rest, send, through

OPTIONS = ("--log-requests", "all", "--log-format", "json", "--body-seconds", "2", "--max-wait-ms", "0")
LAST = "the-last-of-them"  # no port
HEADS = (400, 414, 431, 501, 505)  # what a head can be refused with


def answered(log):
    """By request id, (method, status) of what cohortd says it answered. It writes methods that it has no route for as one."""
    seen = defaultdict(list)
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "request_id" in entry:
            seen[entry["request_id"]].append((entry["method"], entry["status"]))
    return seen


def known(method):
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"


def refused_heads(believed, seen):
    """How many of what the proxy believes in were refused by their head; None where the logs differ."""
    left, refused = list(seen), 0
    for request in believed:
        if left and left[0] == request:
            left.pop(0)
        elif request[1] in HEADS:
            refused += 1
        else:
            return None
    return None if left else refused


def run(c, s, name, proxy, log, rows):
    before = len(s.log())
    open_ = [connect("127.0.0.1", proxy.port, row.data + AFTER) for row in rows]
    ports = [str(o.getsockname()[1]) for o in open_]
    for o in open_:
        rest(o)
    proxy.finish()
    host, port = s.address.split(":")
    send(host, int(port), f"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Request-Id: {LAST}\r\nConnection: close\r\n\r\n".encode())
    s.until(lambda: LAST in s.log()[before:], "everything is logged")
    seen, believed = answered(s.log()[before:]), defaultdict(list)
    for client, method, _, status in logged(proxy.log(log)):
        believed[client].append((known(method), status))
    refused = [refused_heads(believed[p], seen[p]) for p in ports]
    wrong = [f"{row}: the proxy believes in {believed[p]}, cohortd in {seen[p]}" for row, p, n in zip(rows, ports, refused) if n is None]
    c.check(f"{name}: {len(rows)} cases, {sum(len(seen[p]) for p in ports)} requests, in both logs the same", not wrong,
            "\n   ".join([""] + wrong[:20]))
    unmarked = [request for i in set(seen) - set(ports) - {LAST} for request in seen[i]]
    heads = [request for request in unmarked if request[1] in HEADS]
    c.equal(f"{name}: cohortd saw no request that the proxy did not send; refused by their head, and of other requests",
            (len(heads), len(unmarked) - len(heads)), (sum(n or 0 for n in refused), 0))


def main():
    rows = http_corpus.rows()
    c = Checks()
    with Server(*OPTIONS) as s:
        through(s.address.split(":")[1], lambda name, proxy, log: run(c, s, name, proxy, log, rows))
    end(c)


if __name__ == "__main__":
    main()
