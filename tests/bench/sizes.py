#!/usr/bin/env python3
"""What a decision, an exposure, an outcome takes: bytes in the database with its indexes, bytes in the spool, CPU of cohortd and of
PostgreSQL; memory of the server, of a connection, of an experiment in its plan. The table of "Sizing" in docs/operations.md.

    COHORT_BUILD=build tests/bench/sizes.py [people] [outcomes of each]

People are new ones, each decided once in each of two experiments that run in all of the traffic, one of them with a guardrail, then
each has some outcomes, in batches of 100. Build without sanitizers; everything is durable.
"""
import os
import socket
import sys
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cohort_server import Server, experiment, now  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
THREADS = 4


def cpu_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:15]) / TICK  # its ended children too
    except OSError:
        return 0.0


def postgres(s):
    """The postmaster and its processes."""
    with open(s.data + "/pg/postmaster.pid") as f:
        root = int(f.readline())
    with open(f"/proc/{root}/task/{root}/children") as f:
        return [root, *map(int, f.read().split())]


def memory_kb(s):
    with open(f"/proc/{s.process.pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Meter:
    """CPU of both since its start."""

    def __init__(self, s):
        self.s, self.ours, self.theirs = s, cpu_of(s.process.pid), {p: cpu_of(p) for p in postgres(s)}

    def read(self):
        theirs = sum(cpu_of(p) - self.theirs.get(p, 0.0) for p in postgres(self.s))
        return cpu_of(self.s.process.pid) - self.ours, theirs


def spread(n, work):
    """work(i) for each i below n, by some threads."""
    def part(k):
        for i in range(k, n, THREADS):
            work(i)
    threads = [threading.Thread(target=part, args=(k,)) for k in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def settle(s):
    """Everything is stored and counted."""
    def metric(name):
        text = s.request("GET", "/metrics").body.decode()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))
    s.until(lambda: metric("cohort_spool_records") == 0, "stored", 600)
    s.until(lambda: s.value("select count(*) from cohort.ingest_batch where applied_at is null") == "0", "counted", 600)


def per_row(s, table):
    """Rows, bytes of each with its indexes."""
    s.psql(f"vacuum analyze cohort.{table}")
    rows, size = s.sql(f"select (select count(*) from cohort.{table}), coalesce(sum(pg_total_relation_size(c)), 0)"
                       f" from (select relid c from pg_partition_tree('cohort.{table}') union select 'cohort.{table}'::regclass) t")[0]
    return int(rows), int(size) / max(int(rows), 1)


def spool_bytes(s):
    text = s.request("GET", "/metrics").body.decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("cohortd_spool_bytes ")))


def decisions(s, people):
    before, spool = Meter(s), os.stat(s.data + "/spool.db").st_size
    begin = time.monotonic()
    spread(2 * people, lambda i: s.evaluate(f"x{i % 2}", f"person-{i // 2}", country="DE", plan="pro"))
    settle(s)
    ours, theirs = before.read()
    n = 2 * people
    print(f"{n} decisions with their records in {time.monotonic() - begin:.0f} s: cohortd {ours / n * 1e6:.1f} us of CPU each, "
          f"PostgreSQL {theirs / n * 1e6:.1f} us each, idle passes included")
    for table in ("decision", "exposure"):
        rows, size = per_row(s, table)
        print(f"{table}: {rows} rows, {size:.0f} B a row")
    print(f"spool: {spool_bytes(s) / n:.0f} B a decision and its exposure in groups; the file grew by {(os.stat(s.data + '/spool.db').st_size - spool) / n:.0f} B each")


def outcomes(s, people, each):
    before, n, spool = Meter(s), people * each, spool_bytes(s)
    begin = time.monotonic()

    def batch(i):
        events = [{"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": f"person-{(i * 100 + k) % people}"}, "ts": now()} for k in range(100)]
        assert s.post("/v1/outcomes", {"events": events}, "events").status == 202
    spread(n // 100, batch)
    settle(s)
    ours, theirs = before.read()
    print(f"{n} outcomes in {time.monotonic() - begin:.0f} s: cohortd {ours / n * 1e6:.1f} us of CPU each, PostgreSQL {theirs / n * 1e6:.1f} us each; "
          f"spool {(spool_bytes(s) - spool) / n:.0f} B each")
    for table in ("outcome", "unit_metric"):
        rows, size = per_row(s, table)
        print(f"{table}: {rows} rows, {size:.0f} B a row")


def connections(s, n=2000):
    """Idle ones that have asked once."""
    host, port = s.address.split(":")
    ask = f"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    before, opened = memory_kb(s), []
    for i in range(n):
        c = socket.create_connection((host, int(port)), timeout=30, source_address=(f"127.0.0.{2 + i // 500}", 0))
        c.sendall(ask)
        assert c.recv(4096).startswith(b"HTTP/1.1 200")
        opened.append(c)
    print(f"{n} idle connections: {(memory_kb(s) - before) / n:.1f} KB each")
    for c in opened:
        c.close()


def plans(s, n):
    before = memory_kb(s)
    s.sql("insert into cohort.experiment (key) select 'p' || i from generate_series(1, %d) i;" % n +
          "insert into cohort.variant (experiment, key, share_ppm, value) select 'p' || i, v, 500000, to_jsonb(v) from generate_series(1, %d) i, unnest(array['control', 'b']) v;" % n +
          "select cohort.start('p' || i) from generate_series(1, %d) i" % n)
    s.until(lambda: s.evaluate(f"p{n}", "w")["reason"] == "SPLIT", "served")
    print(f"{n} more experiments: {(memory_kb(s) - before) / n:.1f} KB each")


def main():
    people, each = (int(sys.argv[1]) if len(sys.argv) > 1 else 20000), (int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    with Server("--workers", "2", "--spool-grace-seconds", "86400") as s:
        for key in ("x0", "x1"):
            assert s.put("/v1/experiments/" + key, experiment(guardrails=[{"metric": "unsubscribe", "action": "alert"}] if key == "x0" else [])).status == 200
            assert s.post(f"/v1/experiments/{key}/start").status == 200
            s.until(lambda: s.evaluate(key, "w")["reason"] == "SPLIT", "served")
        print(f"memory at first: {memory_kb(s) / 1024:.1f} MB; the empty database: {int(s.value('select pg_database_size(current_database())')) / 1e6:.0f} MB")
        decisions(s, people)
        outcomes(s, people, each)
        print(f"memory since: {memory_kb(s) / 1024:.1f} MB")
        connections(s)
        plans(s, 500)


main()
