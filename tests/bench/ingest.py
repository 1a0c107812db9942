#!/usr/bin/env python3
"""Outcomes from 202 over HTTP to rows in PostgreSQL, beside raw COPY BINARY of the same rows and pgbench, in the same run.

    COHORT_BUILD=build tests/bench/ingest.py [events] [rounds]

Each round: one node takes and ships the events, two nodes do (half each, one database), COPY reads the same rows into a
table without an index, all at once and 5,000 at once, and pgbench inserts as many by as many connections, a transaction for
each batch, into a table with the same key: what a service would do that writes each batch before it answers. Then the answer to a batch of 100, one at a time, beside a bare
fdatasync of the same bytes, in turns. CPU is user + system time from /proc by part: cohortd's threads, PostgreSQL's
processes, the clients. Prints medians and ranges. Build without sanitizers; everything is durable (fsync on).
"""
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from bench import find, row, skip_row  # noqa: E402
from cohort_server import Server, now  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
BATCH = 100
RAW_BATCH = 5000
CLIENTS = 8  # connections in all: as many batches wait for a commit together
PGBENCH_ROW = f"outcomes, 202 to stored / pgbench INSERT of {BATCH}"

# Threads of cohortd and connections of PostgreSQL by what they do; all else is "else".
PARTS = {"worker": "workers", "spool": "spool", "shipper": "shipper", "monitor": "monitor"}
BACKENDS = {"cohortd shipper": "shipper", "cohortd monitor": "monitor"}


class Session:
    """One psql that stays: a question costs the database a statement, not a connection."""

    def __init__(self, database):
        self.process = subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", database],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rows(self, query):
        self.process.stdin.write(f"{query};\n\\echo .\n")
        self.process.stdin.flush()
        lines = list(iter(self.process.stdout.readline, ".\n"))
        assert "" not in lines, "psql ended"
        return [line.rstrip("\n").split("|") for line in lines]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def seconds(stat):
    """User and system time in a line of /proc; 0 of a process that is gone."""
    try:
        with open(stat) as f:
            return sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13]) / TICK
    except OSError:
        return 0.0


def text(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def children(pid):
    return [int(x) for t in os.listdir(f"/proc/{pid}/task") for x in text(f"/proc/{pid}/task/{t}/children").split()]


def cpu(servers, session):
    """Seconds by part: (part, process or thread) -> user + system time."""
    used = {}
    names = {int(pid): name for pid, name in session.rows("select pid, application_name from pg_stat_activity")}
    for s in servers:
        pid = s.process.pid
        for t in os.listdir(f"/proc/{pid}/task"):
            name = text(f"/proc/{pid}/task/{t}/comm").strip()
            used["cohortd " + PARTS.get(name, "else"), int(t)] = seconds(f"/proc/{pid}/task/{t}/stat")
        for postmaster in children(pid):
            for p in [postmaster, *children(postmaster)]:
                part = "bench" if names.get(p) == "psql" else BACKENDS.get(names.get(p), "else")
                used["postgres " + part, p] = seconds(f"/proc/{p}/stat")
    return used


def parts(before, after, n):
    """Microseconds of each of n events by part."""
    out = {}
    for (part, task), used in after.items():
        out[part] = out.get(part, 0) + (used - before.get((part, task), 0)) / n * 1e6
    return out


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
    done.put("ready")
    go.wait()
    before = time.process_time()
    for m in messages:
        exchange(s, m)
    done.put((time.monotonic(), time.process_time() - before))


def stored(session):
    return int(session.rows("select coalesce(sum(stored), 0) from cohort.spool")[0][0])


def run(servers, session, events):
    """(events/s answered, events/s stored, CPU microseconds an event by part)"""
    per, ts = events // BATCH // CLIENTS, now()
    go, done = multiprocessing.Event(), multiprocessing.Queue()
    clients = []
    for i in range(CLIENTS):
        s = servers[i % len(servers)]
        messages = [request(s.address, s.keys["events"], body(BATCH, ts)) for _ in range(per)]
        clients.append(multiprocessing.Process(target=client, args=(s.address, messages, go, done), daemon=True))
        clients[-1].start()
    for _ in clients:
        done.get()
    total, base, before = per * CLIENTS * BATCH, stored(session), cpu(servers, session)
    begin = time.monotonic()
    go.set()
    answers = [done.get() for _ in clients]
    servers[0].until(lambda: stored(session) >= base + total, "everything is stored", 300)
    end = time.monotonic()
    used = parts(before, cpu(servers, session), total)
    used["clients"] = sum(a[1] for a in answers) / total * 1e6
    for c in clients:
        c.join()
    assert stored(session) == base + total
    return total / (max(a[0] for a in answers) - begin), total / (end - begin), used


def raw_copy(server, session, events, at_once):
    """(rows/s, CPU microseconds a row) of COPY BINARY of the latest rows, so many at once, into a table without an index."""
    path = os.path.join(server.data, "rows")
    session.rows("set client_min_messages = warning; drop table if exists public.raw; create table public.raw (like cohort.outcome)")
    paths = [f"{path}.{n}" for n in range(events // at_once)]
    for n, file in enumerate(paths):
        session.rows(f"\\copy (select * from cohort.outcome order by batch_id desc, unit_id, event_id limit {at_once} "
                     f"offset {n * at_once}) to '{file}' (format binary)")
    before, begin = cpu([server], session), time.monotonic()
    session.rows("\n".join(f"\\copy public.raw from '{file}' (format binary)" for file in paths))
    spent = time.monotonic() - begin
    used = parts(before, cpu([server], session), events)
    for file in paths:
        os.unlink(file)
    return events / spent, used["postgres bench"]


def inserted(server, session, events):
    """Rows a second of pgbench, prepared, into a table with the key of outcomes; None where there is no pgbench."""
    if not find("pgbench"):
        return None
    session.rows("set client_min_messages = warning; drop table if exists public.inserted; "
                 "create table public.inserted (like cohort.outcome including indexes)")
    path, transactions = os.path.join(server.data, "insert.sql"), events // BATCH // CLIENTS
    with open(path, "w", encoding="utf-8") as f:
        each = "(gen_random_uuid(), gen_random_uuid(), now(), 'unsubscribe', true, 1)"
        f.write("insert into public.inserted (unit_id, event_id, ts, name, trusted, batch_id) values "
                + ", ".join([each] * BATCH) + " on conflict do nothing;\n")
    out = subprocess.run([find("pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-t", str(transactions), "-f", path,
                          server.info["database"]], check=True, capture_output=True, text=True).stdout
    assert session.rows("select count(*) from public.inserted") == [[str(transactions * CLIENTS * BATCH)]], out
    return float(re.search(r"^tps = ([0-9.]+) ", out, re.MULTILINE).group(1)) * BATCH


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


def show_parts(runs):
    show("  CPU, us an event", [sum(r[2].values()) for r in runs], "%.2f")
    for part in sorted(runs[0][2]):
        show("    " + part, [r[2].get(part, 0) for r in runs], "%.2f")


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 80000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    one, two, raw, batched, bench = [], [], [], [], []
    with Server() as a, Server("--database", a.info["database"]) as b:
        session = Session(a.info["database"])
        session.rows("select cohort.ensure_partitions(current_date - 1, current_date + 1)")
        for _ in range(rounds):
            one.append(run([a], session, events))
            two.append(run([a, b], session, events))
            raw.append(raw_copy(a, session, events, events))
            batched.append(raw_copy(a, session, events, min(RAW_BATCH, events)))
            bench.append(inserted(a, session, events))
        session.close()
        batch, bare = answers(a, 300)
    print(f"{rounds} rounds of {events} outcomes in batches of {BATCH}; median (range)")
    for name, runs in (("all at once", raw), (f"{RAW_BATCH} at once", batched)):
        show(f"raw COPY BINARY, {name}, rows/s", [r[0] for r in runs], "%.0f")
        show("  CPU of PostgreSQL, us a row", [r[1] for r in runs], "%.2f")
    if None not in bench:
        show(f"pgbench, INSERT of {BATCH} rows, {CLIENTS} clients, rows/s", bench, "%.0f")
    for name, runs in (("one node", one), ("two nodes", two)):
        show(f"{name}: 202 to stored, events/s", [r[1] for r in runs], "%.0f")
        show("  of raw COPY, all at once", [r[1] / w[0] for r, w in zip(runs, raw)], "%.3f")
        show(f"  of raw COPY, {RAW_BATCH} at once", [r[1] / w[0] for r, w in zip(runs, batched)], "%.3f")
        show("  answered 202, events/s", [r[0] for r in runs], "%.0f")
        show_parts(runs)
    row("outcomes, 202 to stored / COPY, 5,000 at once", "rows/s, more is better", [r[1] for r in one], [w[0] for w in batched])
    if None in bench:
        skip_row(PGBENCH_ROW, "pgbench is not installed")
    else:
        row(PGBENCH_ROW, "rows/s, more is better", [r[1] for r in one], bench)
    for name, ms in (("batch of 100 answered 202", batch), ("bare fdatasync of the same bytes", bare)):
        print(f"{name:<34} ms: p50 {ms[len(ms) // 2]:.2f}  p99 {ms[len(ms) * 99 // 100]:.2f}  max {ms[-1]:.2f}")


if __name__ == "__main__":
    main()
