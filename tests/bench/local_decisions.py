#!/usr/bin/env python3
"""Local decisions a second in C, beside the same over HTTP, and beside @growthbook/growthbook in Node, in one run.

    COHORT_BUILD=build tests/bench/local_decisions.py [rounds]

Ten experiments of equal shape on both sides: a condition on the country, two variants half and half, texts. "again": one
person, one flag, over and over; "one": each person, context made anew, asks for one flag; "ten": for ten. The sides take
turns; the median of the rounds is shown. CPU is of the deciding process. Needs a build with -O2, node and npm; the package
is installed into a temporary directory. First: make tests/bench/local_decisions.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from bench import row  # noqa: E402
from cohort_server import BUILD, Server, experiment  # noqa: E402

FLAGS = 10
PACKAGE = "@growthbook/growthbook"


def install(folder):
    if not shutil.which("npm") or not shutil.which("node"):
        print("node and npm are not installed: skipped")
        sys.exit(77)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, PACKAGE], check=True,
                   stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "node_modules", *PACKAGE.split("/"), "package.json")) as f:
        return next(line.split('"')[3] for line in f if '"version"' in line)


def measure(command):
    """{case: (decisions a second of CPU, nanoseconds of CPU each, microseconds of the clock each)}"""
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    rows = {}
    for line in out.splitlines():
        name, n, cpu, wall = line.split()
        rows[name] = (int(n) / float(cpu), float(cpu) / int(n) * 1e9, float(wall) / int(n) * 1e6)
    return rows


def median(rounds, case, column):
    return statistics.median(r[case][column] for r in rounds)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    program = os.path.join(BUILD, "tests", "bench", "local_decisions")
    with tempfile.TemporaryDirectory(prefix="cohort-bench.", dir="/tmp") as folder, Server() as s:
        version = install(folder)
        for k in range(FLAGS):
            s.put(f"/v1/experiments/x{k}", experiment(condition={"country": "DE"}, guardrails=[]))
            s.post(f"/v1/experiments/x{k}/start")
        s.until(lambda: s.evaluate(f"x{FLAGS - 1}", "w", country="DE")["reason"] == "SPLIT", "the last one is served")
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(measure([program, s.info["url"], s.keys["events"], str(FLAGS)]))
            theirs.append(measure(["node", os.path.join(HERE, "local_decisions.mjs"), folder, str(FLAGS)]))
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"decisions a second of one core's CPU (ns each), median of {rounds} rounds; {PACKAGE} {version}, node {node}")
    print(f"{'':28}{'libcohort-client':>26}{'GrowthBook':>26}{'ratio':>8}")
    for case, what in (("again", "one person, again and again"), ("one", "a new person each time"), ("ten", "a new person, ten flags")):
        a, b = median(ours, case, 0), median(theirs, case, 0)
        print(f"{what:28}{a:>16,.0f} ({median(ours, case, 1):>5.0f}){b:>16,.0f} ({median(theirs, case, 1):>5.0f}){a / b:>8.1f}")
    wall, here = median(ours, "http", 2), median(ours, "one", 2)
    row("local decision in C / GrowthBook in Node", "ns of CPU", [r["one"][1] for r in ours], [r["one"][1] for r in theirs])
    print(f"the same over HTTP, one after the other on loopback: {1e6 / wall:,.0f} a second ({wall:,.0f} us each, "
          f"{wall / here:,.0f} times as long as here)")


if __name__ == "__main__":
    main()
