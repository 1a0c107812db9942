#!/usr/bin/env python3
"""Runs the benchmarks, each beside its neighbour, and prints one table of ratios.

    make bench                       all of them, about ten minutes
    make bench BENCH='ofrep bulk'    some; a part of a name is enough
    make bench BENCH=list            which there are

A row is the median of the rounds and the range of their ratios; the neighbour was measured in the same run, in turns. What
can't run here says why. bench.py says what a benchmark must print to be one; here it needs a line in BENCHES.
"""
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("COHORT_BUILD", os.getcwd())

# name: a program of this directory, or (with a slash before it) one that was built, and its arguments
BENCHES = {
    "ofrep-single": ["ofrep.py", "3", "5", "single"],
    "ofrep-bulk": ["ofrep.py", "1", "5", "bulk"],
    "request-layer": ["http_hello.py", "3", "5"],
    "connections": ["connections.py"],
    "streams": ["streams.py"],
    "limits": ["limits.py"],
    "contextual": ["/plan", "0.3"],
    "spool": ["/spool", "/var/tmp", "3"],
    "ingest": ["ingest.py", "40000", "3"],
    "roll-up": ["rollup.sh", "100000"],
    "recompute": ["recompute.sh", "200000", "5"],
    "local-decisions": ["local_decisions.py", "3"],
}


def command(words):
    program = words[0]
    if program.startswith("/"):
        return [os.path.join(BUILD, "tests", "bench", program[1:]), *words[1:]]
    path = os.path.join(HERE, program)
    return [sys.executable if program.endswith(".py") else "sh", path, *words[1:]]


def run(name):
    """(its rows, or one that says why there is none)"""
    begin = time.monotonic()
    p = subprocess.Popen(command(BENCHES[name]), stdout=subprocess.PIPE, text=True, env=dict(os.environ, COHORT_BUILD=BUILD))
    rows, last = [], ""
    for line in p.stdout:
        last = line.rstrip("\n")
        print(f"  {last}", flush=True)
        if last.count("|") == 6 or "|skipped: " in last:
            rows.append(last.split("|"))
    status = p.wait()
    print(f"  {name}: {time.monotonic() - begin:.0f} s", flush=True)
    if status == 77:
        return [[name, "skipped: " + last]]
    return rows if status == 0 and rows else rows + [[name, f"failed with {status}"]]


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    return f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores of {model}, Linux {platform.release().split('-')[0]}, " \
           f"load {os.getloadavg()[0]:.1f} at the end"


def table(rows):
    heads = ["ours / neighbour", "unit", "ours", "neighbour", "ratio", "lowest", "highest"]
    full = [r for r in rows if len(r) == 7]
    widths = [max(len(r[i]) for r in [heads, *full]) for i in range(7)]

    def line(cells):
        return "  ".join([cells[0].ljust(widths[0]), cells[1].ljust(widths[1]), *(c.rjust(w) for c, w in zip(cells[2:], widths[2:]))])

    print("\n" + machine() + "\n")
    print(line(heads))
    for r in rows:
        print(line(r) if len(r) == 7 else f"{r[0]}: {r[1]}")


def sanitized():
    with open(os.path.join(BUILD, "Makefile")) as f:
        return any(line.startswith("SAN_CFLAGS = -f") for line in f)


def main():
    wanted = sys.argv[1:]
    names = [n for n in BENCHES if not wanted or any(w in n for w in wanted)]
    if wanted == ["list"] or not names:
        print("\n".join(BENCHES))
        return 0 if wanted == ["list"] else 1
    if sanitized():
        print("this build has sanitizers: its times say nothing; configure another without --enable-sanitizers")
        return 1
    rows = []
    for name in names:
        print(f"{name}: {' '.join(BENCHES[name])}", flush=True)
        rows += run(name)
    table(rows)
    return any(len(r) == 2 and r[1].startswith("failed") for r in rows)


if __name__ == "__main__":
    sys.exit(main())
