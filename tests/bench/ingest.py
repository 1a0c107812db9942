#!/usr/bin/env python3
"""Outcomes from 202 over HTTP to rows in PostgreSQL, beside raw COPY BINARY of the same rows, in the same run.

    COHORT_BUILD=build tests/bench/ingest.py [events] [rounds]

Each round: one node takes and ships the events, two nodes do (half each, one database), and COPY reads the same rows into a
table without an index. Then the answer to a batch of 100, one at a time, beside a bare fdatasync of the same bytes, in
turns. CPU is user + system time of cohortd and of PostgreSQL's processes, from /proc; the clients' is not in it. Prints
medians and ranges. Build without sanitizers; everything is durable (fsync on).
"""
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cohort_server import Server, now  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
BATCH = 100
CLIENTS = 8  # connections in all: as many batches wait for a commit together


def cpu_of(pid):
    """Seconds of a process, its threads and the children it has waited for; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:15]) / TICK
    except OSError:
        return 0.0


def family(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [pid] + [g for child in out.split() for g in family(int(child))]


def cpu(servers):
    return sum(cpu_of(p) for s in servers for p in family(s.process.pid))


def request(address, key, body):
    head = (f"POST /v1/outcomes HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def body(n, ts):
    return ('{"events":[' + ",".join(
        f'{{"id":"{uuid.uuid4()}","name":"unsubscribe","units":{{"user":"{uuid.uuid4().hex[:16]}"}},"ts":"{ts}"}}'
        for _ in range(n)) + "]}").encode()


def exchange(s, message):
    s.sendall(message)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = s.recv(65536)
        assert piece, "the server closed the connection"
        answer += piece
    head, rest = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 202"), answer[:500]
    length = next(int(x.split(b":")[1]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length"))
    while len(rest) < length:
        rest += s.recv(65536)


def client(address, messages, go, done):
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    go.wait()
    for m in messages:
        exchange(s, m)
    done.put(time.monotonic())


def stored(server):
    return int(server.value("select coalesce(sum(stored), 0) from cohort.spool"))


def run(servers, events):
    """(events/s answered, events/s stored, CPU microseconds an event)"""
    per, ts = events // BATCH // CLIENTS, now()
    go, done = multiprocessing.Event(), multiprocessing.Queue()
    clients = []
    for i in range(CLIENTS):
        s = servers[i % len(servers)]
        messages = [request(s.address, s.keys["events"], body(BATCH, ts)) for _ in range(per)]
        clients.append(multiprocessing.Process(target=client, args=(s.address, messages, go, done), daemon=True))
        clients[-1].start()
    total, base, used = per * CLIENTS * BATCH, stored(servers[0]), cpu(servers)
    begin = time.monotonic()
    go.set()
    answered = max(done.get() for _ in clients)
    servers[0].until(lambda: stored(servers[0]) >= base + total, "everything is stored", 300)
    end = time.monotonic()
    used = cpu(servers) - used
    for c in clients:
        c.join()
    assert stored(servers[0]) == base + total
    return total / (answered - begin), total / (end - begin), used / total * 1e6


def raw_copy(server, events):
    """(rows/s, CPU microseconds a row) of COPY BINARY of the latest rows into a table without an index."""
    path = os.path.join(server.data, "rows")
    server.psql("drop table if exists public.raw; create table public.raw (like cohort.outcome)")
    with open(path, "wb") as f:
        subprocess.run(["psql", "-Xqc", "copy (select * from cohort.outcome order by batch_id desc limit "
                        f"{events}) to stdout (format binary)", server.info["database"]], stdout=f, check=True)
    used, begin = cpu([server]), time.monotonic()
    with open(path, "rb") as f:
        subprocess.run(["psql", "-Xqc", "copy public.raw from stdin (format binary)", server.info["database"]],
                       stdin=f, check=True)
    spent = time.monotonic() - begin
    os.unlink(path)
    return events / spent, (cpu([server]) - used) / events * 1e6


def answers(server, n):
    """Milliseconds of n batches of 100, and of n writes with fdatasync of the same bytes, in turns."""
    host, port = server.address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path, ts, batch, bare = os.path.join(server.data, "bare"), now(), [], []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(n):
        b = body(BATCH, ts)
        m = request(server.address, server.keys["events"], b)
        t = time.monotonic()
        exchange(s, m)
        batch.append((time.monotonic() - t) * 1e3)
        t = time.monotonic()
        os.write(fd, b)
        os.fdatasync(fd)
        bare.append((time.monotonic() - t) * 1e3)
    os.close(fd)
    return sorted(batch), sorted(bare)


def show(what, values, form):
    print(f"{what:<44} {form % statistics.median(values):>10}  ({form % min(values)} to {form % max(values)})", flush=True)


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 80000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    results = {"one": [], "two": [], "raw": []}
    with Server() as a, Server("--database", a.info["database"]) as b:
        a.sql("select cohort.ensure_partitions(current_date - 1, current_date + 1)")
        for _ in range(rounds):
            results["one"].append(run([a], events))
            results["two"].append(run([a, b], events))
            results["raw"].append(raw_copy(a, events))
        batch, bare = answers(a, 300)
    one, two, raw = results["one"], results["two"], results["raw"]
    print(f"{rounds} rounds of {events} outcomes in batches of {BATCH}; median (range)")
    show("raw COPY BINARY, rows/s", [r[0] for r in raw], "%.0f")
    show("  CPU, us a row", [r[1] for r in raw], "%.2f")
    for name, runs in (("one node", one), ("two nodes", two)):
        show(f"{name}: 202 to stored, events/s", [r[1] for r in runs], "%.0f")
        show("  of raw COPY", [r[1] / w[0] for r, w in zip(runs, raw)], "%.2f")
        show("  answered 202, events/s", [r[0] for r in runs], "%.0f")
        show("  CPU with PostgreSQL, us an event", [r[2] for r in runs], "%.2f")
    for name, ms in (("batch of 100 answered 202", batch), ("bare fdatasync of the same bytes", bare)):
        print(f"{name:<34} ms: p50 {ms[len(ms) // 2]:.2f}  p99 {ms[len(ms) * 99 // 100]:.2f}  max {ms[-1]:.2f}")


if __name__ == "__main__":
    main()
