#!/usr/bin/env python3
"""What idle and hostile connections and overload cost: L1, L4, L6. Two lines each, as ratios of one run.

    COHORT_BUILD=build-rel tests/bench/limits.py [l1] [l4] [l6] [rounds=9] [seconds=1]

l1: 10,000 idle connections beside 64 that ask: p99 of those, with and without, and memory of a connection.
l4: five times what it can do, from clients that obey Retry-After, then from clients that don't: answers a second beside the
    most it can do, and how quickly it refuses.
l6: 2,000 clients that send a byte a second, 100 that never read, 100 whose chunk line never ends: p99 of 64 good ones.
The server has one worker; the load comes from one thread more, and the database is on the same cores. So p99 is also the time
somebody else has a core for (a slice of Linux is 3 ms): rounds are short, many and in turn with and without; the median of
their ratios counts, and p50 and p90 stand beside it. Build with -O2 (make cohortd tests/bench/load).
"""
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from bench import row  # noqa: E402
from cohort_server import Server, experiment  # noqa: E402
from hostile import Hostile, Watch, resident  # noqa: E402
from load import decision, load  # noqa: E402

IDLE, ACTIVE, OBEYING = 10000, 64, 4000
SHARE = 0.1  # of the most it can do, for the good clients whose p99 is looked at


def middle(ratios):
    found = sorted(ratios)
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def in_turn(rounds, without, beside):
    """Pairs of what both measured, each first in half of the rounds."""
    pairs = []
    for n in range(rounds):
        got = {}
        for who in ((without, beside), (beside, without))[n % 2]:
            got[who] = who()
        pairs.append((got[without], got[beside]))
    return pairs


def compared(pairs):
    return "; ".join(f"{what} {middle(beside[what] / max(without[what], 1) for without, beside in pairs)} x"
                     for what in ("p50", "p90", "p99"))


def row_of(name, pairs):
    row(name, "us, p99", [beside["p99"] for _, beside in pairs], [without["p99"] for without, _ in pairs])


def peak(s, seconds):
    return load(s, decision(s), connections=ACTIVE, seconds=seconds)["good_per_s"]


def l1(s, rounds, seconds):
    rate = peak(s, seconds) * SHARE
    memory = []

    def beside():
        before = resident(s.process.pid)
        with Watch(s.process.pid) as watch:
            got = load(s, decision(s), rate=rate, seconds=seconds, idle=IDLE)
        memory.append((watch.most - before) / IDLE)
        return got

    pairs = in_turn(rounds, lambda: load(s, decision(s), rate=rate, seconds=seconds), beside)
    # later rounds find it allocated
    print(f"L1: {IDLE} idle + {ACTIVE} active at {rate:.0f}/s: {compared(pairs)} without; {memory[0] / 1024:.2f} KB a connection")
    row_of(f"L1, a decision beside {IDLE} idle connections / without", pairs)


def overloaded(s, most, obey, seconds):
    return load(s, decision(s), connections=OBEYING, rate=most * 5, seconds=seconds, queue=0, obey=obey)


def l4(s, rounds, seconds):
    all_most, kinds = [], {"clients that obey Retry-After": [], "clients that don't": []}
    for _ in range(rounds):
        all_most.append(peak(s, seconds))
        for who, got in kinds.items():
            got.append(overloaded(s, all_most[-1], "obey" in who, seconds))
    for who, got in kinds.items():
        p99, half, refused = ([g[name] / 1000 for g in got] for name in ("p99", "refused_p50", "refused_p99"))
        print(f"L4: 5 x {statistics.median(all_most):.0f}/s, {OBEYING} {who}: goodput "
              f"{middle(g['good_per_s'] / most for g, most in zip(got, all_most))} of the most, p99 {statistics.median(p99):.0f} ms, "
              f"refused after p50 {statistics.median(half):.0f} ms, p99 {statistics.median(refused):.0f} ms (to {max(refused):.0f}), "
              f"{got[-1]['refused']} refused, "
              f"{got[-1]['held']} held back, {got[-1]['given_up']} not asked while one was under way, {got[-1]['failed']} lost")
        row(f"L4, five times what it can do, {who} / the most", "answers/s, more is better", [g["good_per_s"] for g in got], all_most)


def l6(s, rounds, seconds):
    rate = peak(s, seconds) * SHARE
    growth, refused = [], []

    def beside():
        with Watch(s.process.pid) as watch, Hostile(s.address, decision(s), loris=2000, deaf=100, endless=100) as hostile:
            got = load(s, decision(s), rate=rate, seconds=seconds)
            refused.append(hostile.refused())
        growth.append(watch.growth())
        return got

    pairs = in_turn(rounds, lambda: load(s, decision(s), rate=rate, seconds=seconds), beside)
    print(f"L6: 2000 slow + 100 deaf + 100 endless beside {ACTIVE} good at {rate:.0f}/s: {compared(pairs)} without; "
          f"{max(growth) / 2200 / 1024:.1f} KB a hostile connection, {max(refused)} thrown out in a round")
    row_of("L6, a decision beside 2,200 hostile connections / without", pairs)


def main():
    options = dict(a.split("=") for a in sys.argv[1:] if "=" in a)
    names = [a for a in sys.argv[1:] if "=" not in a] or ["l1", "l4", "l6"]
    rounds, seconds = int(options.get("rounds", 9)), float(options.get("seconds", 1))
    for name in names:
        with Server("--workers", "1", "--max-connections", "15000", "--max-connections-per-address", "15000") as s:
            s.put("/v1/experiments/cta", experiment())
            s.post("/v1/experiments/cta/start")
            s.until(lambda: s.evaluate("cta", "u")["reason"] == "SPLIT", "the experiment runs")
            {"l1": l1, "l4": l4, "l6": l6}[name](s, rounds, seconds)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
