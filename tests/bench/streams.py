#!/usr/bin/env python3
"""Open streams: what one costs, how a change reaches them all, and what their asking again does to other requests.

    make tests/bench/streams; COHORT_BUILD=build tests/bench/streams.py [streams]

Prints the resident memory per stream (the program alone, without the kernel's buffers); and for an edit and for a stop the
time from its answer to the first and the last message, the most messages in 100 ms, the CPU of cohortd, and the 99th percentile
of a single decision beside it, with the same without streams. Each client asks for all 20 flags as soon as it is told. Build
without sanitizers; needs about 2 x streams descriptors.
"""
import os
import resource
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cohort_server import BUILD, Server, experiment  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
FLAGS = 20


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


class Decisions(threading.Thread):
    """Single decisions one after the other, with a pause between them, and how long each took."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.ended, self.took, self.refused = s, threading.Event(), [], 0

    def run(self):
        n = 0
        while not self.ended.wait(0.001):
            begin = time.perf_counter()
            a = self.s.post("/ofrep/v1/evaluate/flags/f1", {"context": {"targetingKey": f"single-{n}"}}, "client")
            self.refused += a.status != 200
            self.took.append((time.perf_counter() - begin) * 1000)
            n += 1

    def end(self):
        self.ended.set()
        self.join()
        p = sorted(self.took)
        return f"p50 {statistics.median(p):.2f} ms, p99 {p[len(p) * 99 // 100]:.2f} ms of {len(p)}, {self.refused} refused"


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    more = str(n + 1000)
    with Server("--workers", "2", "--max-connections", more, "--max-connections-per-address", more, "--max-streams", str(n)) as s:
        for i in range(FLAGS):
            s.put(f"/v1/flags/f{i}", {"type": "string", "default": "a"})
        s.put("/v1/experiments/cta", experiment())
        s.post("/v1/experiments/cta/start")
        bulk = lambda: s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "c"}}, "client").json  # noqa: E731
        s.until(lambda: len(bulk()["flags"]) == FLAGS + 1 and s.evaluate("cta", "w")["reason"] == "SPLIT", "the definitions")
        path = bulk()["eventStreams"][0]["endpoint"]["requestUri"]
        alone = Decisions(s)
        alone.start()
        time.sleep(2)
        print(f"a single decision without streams: {alone.end()}")
        pid, before = s.process.pid, resident_kb(s.process.pid)
        host, port = s.address.split(":")
        load = subprocess.Popen([os.path.join(BUILD, "tests/bench/streams"), host, port, path, str(n), "2", s.keys["client"]],
                                stdout=subprocess.PIPE, text=True)
        assert load.stdout.readline() == "open\n"
        print(f"{n} streams open: {(resident_kb(pid) - before) / n:.2f} KB resident each")
        used = cpu(pid)
        time.sleep(5)
        print(f"5 s of nothing: {cpu(pid) - used:.2f} s of CPU")
        for what in ("edit", "stop"):
            beside, used, begin = Decisions(s), cpu(pid), time.monotonic()
            beside.start()
            if what == "edit":
                s.put("/v1/flags/f0", {"type": "string", "default": "b"})
            else:
                s.psql("insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)"
                       " select id, iteration, 1, 1, 1, 'A test.', '{}' from cohort.experiment where key = 'cta';"
                       " select pg_notify('cohort_config', 'stop')")
            committed = time.monotonic()
            line = load.stdout.readline().split()
            got = dict(zip(line[::2], map(int, line[1::2])))
            first = got["first_us"] / 1e6 - committed
            print(f"{what}: first message {first * 1000:+.0f} ms after its commit was known, last {first * 1000 + got['over_ms']:.0f} ms; "
                  f"at most {got['most_in_100ms']} in 100 ms; all {n} asked again and were answered after {got['answered_ms']} ms, {got['refused']} of them with a refusal; "
                  f"cohortd used {cpu(pid) - used:.2f} s of CPU in {time.monotonic() - begin:.2f} s; a single decision beside it: {beside.end()}")
        print(f"resident after that: {(resident_kb(pid) - before) / n:.2f} KB a stream")
        load.wait()


if __name__ == "__main__":
    main()
