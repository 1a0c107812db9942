#!/usr/bin/env python3
"""Open streams: what one costs, how a change reaches them all, and what their asking again does to other requests.

    make tests/bench/streams; COHORT_BUILD=build tests/bench/streams.py [streams]

Prints the resident memory per stream (the program alone, without the kernel's buffers); and for edits and a stop the time from
its answer to the first and the last message, the most messages in 100 ms and the CPU of cohortd. Each client asks for all 20
flags as soon as it is told. The row: the 99th percentile of a single decision meanwhile, beside the same while nothing changes.
Build without sanitizers; needs about 2 x streams descriptors.
"""
import os
import resource
import subprocess
import threading
import time

from bench import argument, cpu, resident_kb, row
from cohort_server import BUILD, Server, experiment

FLAGS = 20
EDITS = 3


class Decisions(threading.Thread):
    """Single decisions one after the other, with a pause between them, and how long each took."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.ended, self.took, self.refused = s, threading.Event(), [], 0
        self.start()

    def run(self):
        n = 0
        while not self.ended.wait(0.001):
            begin = time.perf_counter()
            a = self.s.post("/ofrep/v1/evaluate/flags/f1", {"context": {"targetingKey": f"single-{n}"}}, "client")
            self.refused += a.status != 200
            self.took.append((time.perf_counter() - begin) * 1000)
            n += 1

    def p99(self):
        """In milliseconds; it ends."""
        self.ended.set()
        self.join()
        return sorted(self.took)[len(self.took) * 99 // 100]


def change(s, n):
    if n < EDITS:
        s.put("/v1/flags/f0", {"type": "string", "default": f"b{n}"})
        return "edit"
    s.psql("insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)"
           " select id, iteration, 1, 1, 1, 'A test.', '{}' from cohort.experiment where key = 'cta'; select pg_notify('cohort_config', 'stop')")
    return "stop"


def measure(s, load, n):
    """One change: the p99 of decisions meanwhile."""
    pid, meanwhile = s.process.pid, Decisions(s)
    used, begin = cpu(pid), time.monotonic()
    what, committed = change(s, n), time.monotonic()
    line = load.stdout.readline().split()
    got = dict(zip(line[::2], map(int, line[1::2])))
    used, took, p99 = cpu(pid) - used, time.monotonic() - begin, meanwhile.p99()
    first = (got["first_us"] / 1e6 - committed) * 1000
    print(f"{what}: first message {first:+.0f} ms after it was answered, last {first + got['over_ms']:.0f} ms; at most "
          f"{got['most_in_100ms']} in 100 ms; all asked again and were answered after {got['answered_ms']} ms, {got['refused']} with a "
          f"refusal; cohortd used {used:.2f} s of CPU in {took:.2f} s; of {len(meanwhile.took)} decisions meanwhile {meanwhile.refused} "
          f"were refused, p99 {p99:.2f} ms", flush=True)
    return p99


def main():
    n = argument(1, 10000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    more = str(n + 1000)
    with Server("--workers", "2", "--max-connections", more, "--max-connections-per-address", more, "--max-streams", str(n)) as s:
        for i in range(FLAGS - 1):
            s.put(f"/v1/flags/f{i}", {"type": "string", "default": "a"})
        s.put("/v1/experiments/cta", experiment())
        s.post("/v1/experiments/cta/start")
        bulk = lambda: s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "c"}}, "client").json  # noqa: E731
        s.until(lambda: len(bulk()["flags"]) == FLAGS and s.evaluate("cta", "w")["reason"] == "SPLIT", "the definitions")
        path = bulk()["eventStreams"][0]["endpoint"]["requestUri"]
        pid, before = s.process.pid, resident_kb(s.process.pid)
        host, port = s.address.split(":")
        load = subprocess.Popen([os.path.join(BUILD, "tests/bench/streams"), host, port, path, str(n), str(EDITS + 1), s.keys["client"]],
                                stdout=subprocess.PIPE, text=True)
        assert load.stdout.readline() == "open\n"
        print(f"{n} streams open: {(resident_kb(pid) - before) / n:.2f} KB resident each", flush=True)
        changing, quiet = [], []
        for i in range(EDITS + 1):
            alone = Decisions(s)
            time.sleep(1.5)
            quiet.append(alone.p99())
            changing.append(measure(s, load, i))
        print(f"resident after that: {(resident_kb(pid) - before) / n:.2f} KB a stream", flush=True)
        load.wait()
    row(f"a decision while {n} pages are told / not", "ms, p99", changing, quiet)


if __name__ == "__main__":
    main()
