#!/usr/bin/env python3
"""Memory of an open connection that has asked once and waits, beside nginx's, in one run.

    COHORT_BUILD=build tests/bench/connections.py [connections] [rounds]

Resident memory of the process with so many connections more than before, from /proc; the kernel's buffers are not in it.
"""
import resource
import socket
import tempfile

import bench
from bench import argument, resident_kb
from cohort_server import BUILD, Server

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: a browser's is longer than this one\r\n\r\n"


def ask(port):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(REQUEST)
    got = b""
    while b"\r\n\r\n" not in got:
        got += s.recv(4096)
    return s


def kb_each(pid, port, n):
    ask(port).close()
    before = resident_kb(pid)
    open_ones = [ask(port) for _ in range(n)]
    each = (resident_kb(pid) - before) / n
    for s in open_ones:
        s.close()
    return each


def main():
    n, rounds = argument(1, 5000), argument(2, 1)
    bench.need("nginx")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * n, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    ours, theirs = [], []
    for _ in range(rounds):  # anew each time: what was freed is not given back
        with Server("--workers", "1", "--max-connections", str(n + 100), "--max-connections-per-address", str(n + 100)) as s:
            ours.append(kb_each(s.process.pid, int(s.address.rsplit(":", 1)[1]), n))
        with tempfile.TemporaryDirectory() as tmp, bench.Nginx(tmp, "ok", n + 100) as nginx:
            theirs.append(kb_each(nginx.pid, nginx.port, n))
    bench.row("an idle connection / nginx", "KB of memory", ours, theirs)


if __name__ == "__main__":
    main()
