#!/usr/bin/env python3
"""The corpus of requests behind nginx and HAProxy: nobody and cohortd disagree about where a request ends.

Each case goes to the proxy on a connection of its own, with a marked request right behind it. The proxy marks what it
forwards with the client's port (X-Case) and logs every request it believes in; the request layer behind it (http_echo)
logs every request it believes in. The two lists must be the same, in order; no request may reach the layer without the
mark; and every client gets the answers to its own requests. Where cohortd alone would have taken a request, it must be
the same one behind the proxy, body included; what a proxy refuses or puts right is counted, and no fault.
"""
import os
import re
import socket
import subprocess
import sys
from collections import Counter, defaultdict

import http_corpus
from cohort_server import BUILD, Checks
from proxies import PATIENCE, Haproxy, Nginx, program

AFTER = b"GET /after HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
ECHO = re.compile(rb"^[Xx]-[Ee]cho: ([^\r]*)\r\n", re.M)

# Short, so that a client that sent half a request is given up soon; whole ones are there at once.
NGINX = """
log_format case '$remote_port $request_method $request_uri $upstream_status';
client_header_timeout 500ms; client_body_timeout 500ms; lingering_timeout 500ms; keepalive_timeout 500ms;
upstream cohortd { server 127.0.0.1:@PORT@; keepalive 4; }
server {
    listen @LISTEN@;
    access_log @DIR@/access.log case;
    location / {
        proxy_pass http://cohortd;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Case $remote_port;
        proxy_set_header X-Request-Id $remote_port;
        proxy_request_buffering @BUFFERING@;
    }
}
"""
HAPROXY = """
global
    log stdout format raw local0
    maxconn 4096
defaults
    mode http
    log global
    timeout connect 60s
    timeout server 60s
    timeout client 500ms
    timeout http-request 500ms
    timeout http-keep-alive 500ms
    http-reuse always
frontend clients
    bind @LISTEN@
    http-request set-header X-Case %[src_port]
    http-request set-header X-Request-Id %[src_port]
    http-response set-var(txn.upstream) status
    log-format "%cp %HM %HU %[var(txn.upstream)]"
    default_backend cohortd
backend cohortd
    server one 127.0.0.1:@PORT@
"""


class Echo:
    """http_echo, and what it said."""

    def __enter__(self):
        self.path = os.path.join(BUILD, "tests/integration/http_echo")
        self.process = subprocess.Popen([self.path], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.said = []
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.stdout.read()
        self.process.wait(PATIENCE)

    def take(self):
        """What it saw since the last take: [(case, method, target, body)]. A marked request of ours ends the list."""
        mark = f"- GET /mark/{len(self.said)} ."
        send("127.0.0.1", self.port, f"GET /mark/{len(self.said)} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        lines = []
        while (line := self.process.stdout.readline().decode().rstrip("\n")) != mark:
            assert line, "http_echo ended"
            lines.append(tuple(line.split(" ", 3)))
        self.said += [mark]
        return lines


def connect(host, port, data):
    s = socket.create_connection((host, port), timeout=3 * PATIENCE)  # longer than the proxies' own
    s.sendall(data)
    return s


def rest(s):
    """All that comes until the peer's end."""
    got = b""
    with s:
        try:
            while piece := s.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return got


def send(host, port, data):
    return rest(connect(host, port, data))


def echoed(answers):
    """The requests that these answers belong to."""
    return [tuple(e.decode("latin-1").split(" ", 3)) for e in ECHO.findall(answers)]


def logged(log):
    """What the proxy sent on and was answered: (client's port, method, target, status). HAProxy writes # as #23."""
    for line in log.splitlines():
        fields = re.sub("#([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), line).split(" ")
        if len(fields) >= 4 and fields[0].isdigit() and fields[-1].isdigit():
            yield fields[0], fields[1], " ".join(fields[2:-1]).removesuffix("?"), int(fields[-1])


def forwarded(log):
    """By client's port, (method, target) of what a handler answered."""
    seen = defaultdict(list)
    for port, method, target, status in logged(log):
        if status == 200:
            seen[port].append((method, target))
    return seen


def judge(row, alone, got, believed):
    """What is wrong with the requests `got` behind a proxy; `alone`: without one."""
    if [r[1:3] for r in got] != believed:
        return f"the proxy believes in {believed}, cohortd in {[r[1:3] for r in got]}"
    if any("smuggled" in r[2] for r in got) and not any("smuggled" in r[2] for r in alone) and row.keep:
        return f"/smuggled reached a handler: {got}"
    left = iter([r[1:] for r in alone])
    if row.keep and not all(r[1:] in left for r in got):  # in order, each at most once
        return f"alone {[r[1:] for r in alone]}, behind the proxy {[r[1:] for r in got]}"
    return None


def run(c, name, proxy, log, echo, rows, alone):
    """All rows through one running proxy."""
    echo.take()
    open_ = [connect("127.0.0.1", proxy.port, row.data + AFTER) for row in rows]
    ports = [str(s.getsockname()[1]) for s in open_]
    answers = [rest(s) for s in open_]
    proxy.finish()
    seen, believed = defaultdict(list), forwarded(proxy.log(log))
    unmarked = []
    for request in echo.take():
        (seen[request[0]] if request[0] != "-" else unmarked).append(request)
    c.equal(f"{name}: no request that the proxy did not send", unmarked, [])
    wrong, how = [], Counter()
    for row, port, answer, one in zip(rows, ports, answers, alone):
        why = judge(row, one, seen[port], believed[port])
        if why is None and echoed(answer) != seen[port]:
            why = f"the client got the answers {echoed(answer)}, its requests were {seen[port]}"
        if why:
            wrong.append(f"{row}: {why}")
        same = len(seen[port]) - len(one)
        how["as alone" if same == 0 else "put right by the proxy" if same > 0 else "refused by the proxy"] += 1
    c.check(f"{name}: {len(rows)} cases, {sum(map(len, seen.values()))} requests: " +
            ", ".join(f"{n} {what}" for what, n in sorted(how.items())), not wrong, "\n   ".join([""] + wrong[:20]))


def through(port, what):
    """what(name, proxy, its log) with each proxy that is here, one after the other, before what listens on the port."""
    if program("nginx"):
        for buffering in ("on", "off"):
            with Nginx(NGINX, PORT=port, BUFFERING=buffering) as proxy:
                what(f"nginx, proxy_request_buffering {buffering}", proxy, "access.log")
    if program("haproxy"):
        with Haproxy(HAPROXY, PORT=port) as proxy:
            what("HAProxy", proxy, "output")


def end(c):
    missing = [name for name in ("nginx", "haproxy") if not program(name)]
    if missing and not c.failed:
        print(f"skipped: {' and '.join(missing)} is not here; ./run-tests fetches it with apt-get download")
        sys.exit(77)
    c.done()


def main():
    rows = http_corpus.rows()
    c = Checks()
    with Echo() as echo:
        alone = [echoed(send("127.0.0.1", echo.port, row.data + AFTER)) for row in rows]
        c.check("alone, every case that goes on has its follower answered, and no other",
                all(bool(a and a[-1][2] == "/after") == row.keep for row, a in zip(rows, alone)))
        through(echo.port, lambda name, proxy, log: run(c, name, proxy, log, echo, rows, alone))
    end(c)


if __name__ == "__main__":
    main()
